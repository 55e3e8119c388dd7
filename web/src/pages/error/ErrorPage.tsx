// One error: what it says, where it is raised, when and to whom it happens, what was decided, and each time it happened.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { ApiError } from '../../api/client';
import * as api from '../../api/errors';
import type { ErrorPageAnswer } from '../../api/errors';
import * as queries from '../../api/queries';
import { msFromNano, paramFromRange } from '../../lib/time';
import { count } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { Badge, Receiver, Service } from '../../ui/Chip';
import { Button, CopyButton } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { SearchBar } from '../../ui/SearchBar';
import { CaretLine, Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import { Ago, Time } from '../../ui/Time';
import { Value, ValueActions } from '../../ui/Value';
import { DoneBar, ErrorActions, useErrorChange, type Done, type Menu } from '../common/errorActions';
import { useSetSearch, useValueActions } from '../common/search';
import { useSuggest } from '../common/suggest';
import { Breakdowns, Messages, Versions } from './Aside';
import { History } from './History';
import { Issue } from './Issue';
import { Parts, Suspects } from './Parts';
import { OccurrenceView, Raw } from './OccurrenceView';
import { Occurrences } from './Occurrences';
import styles from './Error.module.css';

const here = getRouteApi('/errors/$group');

export function ErrorPage() {
  const { group } = here.useParams();
  const { time, q = '', tab = 'overview', occurrence: chosen } = here.useSearch();
  const setSearch = useSetSearch();
  const actions = useValueActions({ signal: 'logs', q, setQ: (next) => setSearch({ q: next || undefined }) });
  const suggest = useSuggest('logs', time);
  const { data, error, refetch } = useQuery(api.error(group, time, q === '' ? undefined : q));
  const deploys = useQuery(queries.deploys(time));
  const [menu, setMenu] = useState<Menu>(null);
  const [done, setDone] = useState<Done | null>(null);
  const { change } = useErrorChange(setDone);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(null), 8_000);
    return () => clearTimeout(timer);
  }, [done]);

  // The list of this page may be short of what is chosen: an address can name any occurrence.
  const listed = data?.occurrences ?? [];
  const at = chosen === undefined ? 0 : listed.findIndex((one) => one.id === chosen);
  const shownId = chosen ?? data?.latest?.id;
  const inHand = [data?.latest, ...listed].find((one) => one?.id === shownId && one?.source);
  const asked = useQuery(api.occurrence(group, inHand || !shownId ? undefined : shownId));
  const shown = inHand ?? (asked.data?.id === shownId ? asked.data : undefined) ?? listed.find((one) => one.id === shownId) ?? (chosen ? undefined : (data?.latest ?? undefined));
  const step = (by: number) => {
    const next = listed[at + by];
    if (next) setSearch({ occurrence: at + by === 0 ? undefined : next.id }, true);
  };
  const item = data?.item;
  const apply = (what: api.ErrorChange, said: string) => item && change.mutate({ items: [item], change: what, said });
  useKeys({
    e: () => apply({ status: 'resolved' }, 'resolved'),
    m: () => apply({ status: 'muted' }, 'muted'),
    o: () => apply({ status: 'active' }, 'reopened'),
    s: () => setMenu('snooze'),
    a: () => setMenu('assign'),
    v: () => setMenu('resolve'),
    j: () => step(1),
    k: () => step(-1),
  });

  const badQuery = error instanceof ApiError && error.code === 'invalid_query';
  if (error && !badQuery) {
    return error instanceof ApiError && error.status === 404 ? (
      <Empty title="There is no such error">
        <p>
          It may have been merged into another. <Link to="/errors">All errors</Link> of this range are in the list.
        </p>
      </Empty>
    ) : (
      <Failure error={error} onRetry={() => void refetch()} title="The error could not be read" />
    );
  }
  if (!data || !item) return badQuery && error ? <Failure error={error} query={q} title="The search cannot be read" /> : <Loading rows={14} />;
  const figures = data.error;
  // Deploys of what the error was seen in; those of other services would only stand in the way.
  const marked = (deploys.data?.deploys ?? []).filter((one) => figures.services.includes(one.service) || data.versions.some((seen) => seen.version === one.version));
  const versions = [...new Set([...marked.map((one) => one.version ?? ''), ...data.versions.map((one) => one.version)])].filter(Boolean);
  return (
    <ValueActions value={actions}>
      <header className={styles.head}>
        <div className={styles.line}>
          <Link to="/errors" className={styles.back} title="All errors">
            Errors
          </Link>
          <span className={styles.number}>#{item.counter}</span>
          <CopyButton bare text={() => window.location.href} label="Copy the address of this page" />
          <span className={styles.grow} />
          <ErrorActions items={[item]} change={change} open={menu} onOpen={setMenu} versions={versions} />
        </div>
        <h1>
          <LevelMark level={item.level} />
          <span className={styles.type}>{figures.type ? <Value field="exception.type" value={figures.type} /> : item.title}</span>
          <StatusMark data={data} />
        </h1>
        {figures.message !== '' && figures.message !== item.title && <div className={styles.message}>{figures.message}</div>}
        <div className={styles.facts}>
          <Fact title="in range" figure={count(figures.count)} word={figures.count === 1 ? 'time' : 'times'} />
          <Fact title="different people in range" figure={count(figures.people)} word={figures.people === 1 ? 'person' : 'people'} />
          <Fact title="traces in range" figure={count(figures.traces)} word={figures.traces === 1 ? 'trace' : 'traces'} />
          <span title="ever">
            last <Ago nano={item.last_seen_unix_nano} />
          </span>
          <span title="ever">
            first <Ago nano={item.first_seen_unix_nano} />
          </span>
          {figures.services.map((name) => (
            <Value key={name} field="service.name" value={name}>
              <Service name={name} />
            </Value>
          ))}
          {figures.environments.map((name) => (
            <Value key={name} field="deployment.environment.name" value={name} />
          ))}
          {item.framework !== '' && <span className="muted">{item.framework}</span>}
          {figures.receivers.map((name) => (
            <Receiver key={name} name={name} />
          ))}
          {data.groups.length > 1 && (
            <span className="muted" title={data.groups.join('\n')}>
              {data.groups.length} groups merged
            </span>
          )}
        </div>
      </header>
      <div className={styles.strip}>
        <Tabs
          label="Parts of this error"
          value={tab}
          onChange={(next) => setSearch({ tab: next === 'overview' ? undefined : next })}
          tabs={[
            { id: 'overview', label: 'Occurrence' },
            { id: 'occurrences', label: 'All occurrences', count: Math.round(figures.count) },
            { id: 'messages', label: 'Messages', count: data.messages },
            { id: 'history', label: 'History', count: data.history.length },
            { id: 'raw', label: 'As it arrived' },
          ]}
        />
        <div className={styles.find}>
          <SearchBar value={q} onSearch={(next) => setSearch({ q: next || undefined, occurrence: undefined })} suggest={suggest} invalid={badQuery} placeholder="among its occurrences: version:2.4.0, user.id = 17" label="Search among its occurrences" />
        </div>
      </div>
      {badQuery && error && <CaretLine text={q} error={error} />}
      <div className={styles.body}>
        <div className={styles.main}>
          {tab !== 'history' && tab !== 'raw' && figures.count > 0 && (
            <section className={styles.section}>
              <Chart
                title="Occurrences"
                kind="bars"
                height={92}
                start={msFromNano(figures.series.start_unix_nano)}
                step={figures.series.step_seconds * 1000}
                format={count}
                markers={marked.map((one) => ({ ms: msFromNano(one.time_unix_nano), label: one.version ?? 'deploy' }))}
                onSelect={(range) => setSearch({ time: paramFromRange(range) })}
                series={[{ label: 'occurrences', colour: item.level === 'warning' ? 'var(--level-warn)' : 'var(--level-error)', values: figures.series.counts }]}
              />
            </section>
          )}
          {tab === 'overview' && (
            <>
              {figures.count === 0 && <NotInRange data={data} onRange={(next) => setSearch({ time: next })} q={q} />}
              {shown && <OccurrenceView group={group} log={shown} said={figures.message} place={chosen === undefined && figures.count > 0 ? 'Latest occurrence' : figures.count === 0 && !chosen ? 'Last occurrence' : 'Occurrence'} newer={at > 0 ? () => step(-1) : undefined} older={at >= 0 && at + 1 < listed.length ? () => step(1) : undefined} />}
              {!shown && asked.isLoading && <Loading rows={8} />}
              {!shown && asked.error && <Failure error={asked.error} />}
            </>
          )}
          {tab === 'occurrences' && <Occurrences group={group} time={time} q={q === '' ? undefined : q} chosen={shownId} total={figures.count} onChoose={(occurrence) => setSearch({ occurrence, tab: undefined })} />}
          {tab === 'messages' && <Messages data={data} onChoose={(message) => setSearch({ q: `exception.message = ${JSON.stringify(message)}`, tab: undefined })} />}
          {tab === 'history' && <History data={data} group={group} />}
          {tab === 'raw' && (shown ? <Raw log={shown} /> : <Loading rows={8} />)}
        </div>
        <aside className={styles.side} aria-label="Who and where">
          <Suspects group={group} />
          <Issue data={data} group={group} />
          <Breakdowns data={data} />
          <Versions data={data} />
          <Parts data={data} onDone={(text) => setDone({ text })} />
        </aside>
      </div>
      <StatsLine stats={data.stats} />
      <DoneBar done={done} onClose={() => setDone(null)} />
    </ValueActions>
  );
}

function Fact({ figure, word, title }: { figure: string; word: string; title: string }) {
  return (
    <span title={title}>
      <b>{figure}</b> {word}
    </span>
  );
}

function LevelMark({ level }: { level: string }) {
  const tone = /warning/.test(level) ? 'note' : /info|debug/.test(level) ? 'quiet' : 'fault';
  return (
    <Badge tone={tone}>
      <Icon name="alert" size={11} />
      {level}
    </Badge>
  );
}

function StatusMark({ data }: { data: ErrorPageAnswer }) {
  const { item } = data;
  if (item.snoozed_until_unix_nano && item.status === 'active') {
    return (
      <span className={styles.status} data-status="snoozed" data-testid="status">
        snoozed until <Time nano={item.snoozed_until_unix_nano} ms={false} />
      </span>
    );
  }
  return (
    <span className={styles.status} data-status={item.status} data-testid="status">
      {item.status === 'resolved' && <Icon name="check" size={11} />}
      {item.status}
      {item.status === 'resolved' && item.resolved_in_version && ` in ${item.resolved_in_version}`}
      {item.status === 'resolved' && item.resolved_at_unix_nano && (
        <>
          {' '}
          <Ago nano={item.resolved_at_unix_nano} />
        </>
      )}
    </span>
  );
}

function NotInRange({ data, onRange, q }: { data: ErrorPageAnswer; onRange: (time: string) => void; q: string }) {
  const { item } = data;
  const from = msFromNano(item.first_seen_unix_nano);
  const to = msFromNano(item.last_seen_unix_nano);
  return (
    <p className={styles.notHere}>
      {q === '' ? 'It did not happen in this time range.' : 'No occurrence in this time range matches the search.'}{' '}
      <Button onClick={() => onRange(paramFromRange({ start: from - 60_000, end: to + 60_000 }))}>From its first to its last</Button>
    </p>
  );
}
