// Errors: every cause that any receiver told of is one item; what was decided about it stays with it.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ApiError } from '../../api/client';
import * as errorsApi from '../../api/errors';
import type { ErrorRow } from '../../api/errors';
import * as queries from '../../api/queries';
import { receiverName } from '../../lib/ids';
import { count, plural } from '../../lib/units';
import { Badge, Receiver, Service } from '../../ui/Chip';
import { Button, Input } from '../../ui/Control';
import { Facet, Facets, ManyFacet } from '../../ui/Facets';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { Panel } from '../../ui/Menu';
import { SearchBar } from '../../ui/SearchBar';
import { Sparkline } from '../../ui/Sparkline';
import { CaretLine, Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Ago } from '../../ui/Time';
import { DoneBar, ErrorActions, useErrorChange, type Done, type Menu } from '../common/errorActions';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import { useSuggest } from '../common/suggest';
import styles from './Errors.module.css';

const here = getRouteApi('/errors');
const SORTS = [
  { value: 'last_seen', label: 'Last seen' },
  { value: 'count', label: 'Count' },
  { value: 'people', label: 'People' },
  { value: 'first_seen', label: 'First seen' },
  { value: 'level', label: 'Level' },
  { value: 'activated', label: 'Activated' },
] as const;
/** In the order of an item's life. */
const STATUSES = ['active', 'snoozed', 'resolved', 'muted', 'archived'];
const LEVELS = ['critical', 'error', 'warning', 'info', 'debug'];
/** What is looked at when nobody says otherwise: what still asks for a decision. */
const OPEN = 'active';

const listed = (text: string | undefined): string[] => (text ?? '').split(',').filter(Boolean);
const joined = (list: string[]): string | undefined => (list.length > 0 ? list.join(',') : undefined);

export function ErrorsPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const { time, q = '', service, receiver, level, environment, framework, assigned } = search;
  const status = search.status ?? OPEN;
  const live = search.live === '1';
  const sort = SORTS.find((one) => one.value === search.sort)?.value ?? 'last_seen';
  const list = useInfiniteQuery(errorsApi.errorsPaged(time, { q: q === '' ? undefined : q, service, receiver, level, environment, framework, assigned, status }, sort, live));
  const services = useQuery(queries.services(time, live));
  const suggest = useSuggest('logs', time);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const [menu, setMenu] = useState<Menu>(null);
  const [done, setDone] = useState<Done | null>(null);
  const { change, merge } = useErrorChange((what) => {
    setDone(what);
    setChosen(new Set());
  });
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(null), 8_000);
    return () => clearTimeout(timer);
  }, [done]);

  const pages = list.data?.pages;
  const rows = useMemo(() => pages?.flatMap((page) => page.errors) ?? [], [pages]);
  const first = pages?.[0];
  const facets = first?.facets;
  const filtered = Boolean(q || service || receiver || level || environment || framework || assigned || search.status);
  const badQuery = list.error instanceof ApiError && list.error.code === 'invalid_query';
  const receivers = [...new Set(rows.flatMap((row) => row.receivers))];
  const picked = rows.filter((row) => chosen.has(row.item.counter)).map((row) => row.item);

  const last = useRef<number | null>(null);
  const toggle = (counter: number, range: boolean) => {
    const next = new Set(chosen);
    const at = rows.findIndex((row) => row.item.counter === counter);
    const from = range && last.current !== null ? rows.findIndex((row) => row.item.counter === last.current) : at;
    const on = !chosen.has(counter);
    for (const row of rows.slice(Math.min(at, from), Math.max(at, from) + 1)) {
      if (on) next.add(row.item.counter);
      else next.delete(row.item.counter);
    }
    last.current = counter;
    setChosen(next);
  };
  /** What the keys speak of: those that are chosen, otherwise the row that has the focus. */
  const focused = () => {
    const counter = Number((document.activeElement as HTMLElement | null)?.closest<HTMLElement>('[data-counter]')?.dataset.counter);
    return rows.find((row) => row.item.counter === counter)?.item;
  };
  const apply = (what: errorsApi.ErrorChange, said: string) => {
    const one = focused();
    const items = picked.length > 0 ? picked : one ? [one] : [];
    if (items.length > 0) change.mutate({ items, change: what, said });
  };
  const openMenu = (wanted: Menu) => {
    const one = focused();
    if (picked.length === 0 && one) setChosen(new Set([one.counter]));
    if (picked.length > 0 || one) setMenu(wanted);
  };
  useRowKeys();
  useKeys({
    x: () => {
      const one = focused();
      if (one) toggle(one.counter, false);
    },
    e: () => apply({ status: 'resolved' }, 'resolved'),
    m: () => apply({ status: 'muted' }, 'muted'),
    o: () => apply({ status: 'active' }, 'reopened'),
    s: () => openMenu('snooze'),
    a: () => openMenu('assign'),
    v: () => openMenu('resolve'),
    ...(chosen.size > 0 && menu === null ? { Escape: () => setChosen(new Set()) } : {}),
  });

  const statuses = STATUSES.filter((value) => value !== 'archived' || listed(status).includes(value) || facets?.status.some((one) => one.value === value));
  const countOf = (facet: { value: string; count: number }[] | undefined, value: string) => facet?.find((one) => one.value === value)?.count ?? 0;
  const chooseStatus = (list: string[]) => setSearch({ status: list.length === 0 ? 'all' : list.join(',') === OPEN ? undefined : list.join(',') });
  const everything = rows.length > 0 && rows.every((row) => chosen.has(row.item.counter));
  return (
    <>
      <div className={styles.bar}>
        <SearchBar value={q} onSearch={(next) => setSearch({ q: next || undefined })} suggest={suggest} invalid={badQuery} placeholder='words of type or message, #12, host:web-1, version:2.4.0, is:unassigned, has:comments' />
        <label className={styles.sort}>
          <span className="sr">Order</span>
          <select value={sort} data-testid="sort" onChange={(event) => setSearch({ sort: event.target.value === 'last_seen' ? undefined : event.target.value })}>
            {SORTS.map((one) => (
              <option key={one.value} value={one.value}>
                {one.label}
              </option>
            ))}
          </select>
        </label>
        {filtered && <Button onClick={() => setSearch({ q: undefined, service: undefined, receiver: undefined, status: undefined, level: undefined, environment: undefined, framework: undefined, assigned: undefined })}>Clear all</Button>}
      </div>
      {badQuery && list.error && <CaretLine text={q} error={list.error as ApiError} />}
      <div className={styles.body}>
        {(facets || !list.error) && (
          <Facets>
            <ManyFacet title="Status" testId="facet-status" chosen={status === 'all' ? [] : listed(status)} onChange={chooseStatus} options={facets && statuses.map((value) => ({ value, count: countOf(facets.status, value) }))} />
            <ManyFacet title="Level" testId="facet-level" chosen={listed(level)} onChange={(next) => setSearch({ level: joined(next) })} options={facets && LEVELS.filter((value) => countOf(facets.level, value) > 0).map((value) => ({ value, label: <LevelMark level={value} />, count: countOf(facets.level, value) }))} />
            {(facets?.environment.length ?? 0) > 0 || environment ? <ManyFacet title="Environment" testId="facet-environment" chosen={listed(environment)} onChange={(next) => setSearch({ environment: joined(next) })} options={facets?.environment} /> : null}
            <Facet
              title="Service"
              testId="facet-service"
              chosen={service}
              onChoose={(value) => setSearch({ service: value })}
              options={services.data?.services.filter((one) => one.exceptions > 0).map((one) => ({ value: one.name, label: <Service name={one.name} />, count: one.exceptions }))}
            />
            <ManyFacet title="Assigned to" testId="facet-assigned" chosen={listed(assigned)} onChange={(next) => setSearch({ assigned: joined(next) })} options={facets?.assigned.map((one) => ({ ...one, label: one.value === 'unassigned' ? 'nobody' : one.value }))} />
            {(facets?.framework.length ?? 0) > 0 || framework ? <ManyFacet title="Framework" testId="facet-framework" chosen={listed(framework)} onChange={(next) => setSearch({ framework: joined(next) })} options={facets?.framework} /> : null}
            <Facet title="Told by" testId="facet-receiver" chosen={receiver} onChoose={(value) => setSearch({ receiver: value })} options={list.data ? receivers.map((value) => ({ value, label: receiverName(value) })) : undefined} />
          </Facets>
        )}
        <div className={styles.list} data-testid="error-list">
          {list.error && !badQuery ? (
            <Failure error={list.error} onRetry={() => void list.refetch()} title="The errors could not be read" />
          ) : !first ? (
            badQuery ? null : (
              <Loading rows={10} />
            )
          ) : rows.length === 0 ? (
            <NoErrors filtered={filtered} open={status === OPEN} elsewhere={(facets?.status ?? []).reduce((all, one) => all + one.count, 0)} onAll={() => setSearch({ status: 'all' })} />
          ) : (
            <>
              <div className={styles.head} data-picking={picked.length > 0}>
                <input type="checkbox" aria-label="Choose all in sight" checked={everything} ref={(box) => void (box && (box.indeterminate = picked.length > 0 && !everything))} onChange={() => setChosen(everything ? new Set() : new Set(rows.map((row) => row.item.counter)))} data-testid="choose-all" />
                {picked.length > 0 ? (
                  <div className={styles.bulk} data-testid="bulk">
                    <b>{picked.length} chosen</b>
                    <ErrorActions items={picked} change={change} open={menu} onOpen={setMenu}>
                      {picked.length > 1 && <Merge rows={rows.filter((row) => chosen.has(row.item.counter))} busy={merge.isPending} onMerge={(into, counters) => merge.mutate({ into, counters, ids: rows.filter((row) => counters.includes(row.item.counter)).map((row) => row.item.id) })} />}
                    </ErrorActions>
                    <button type="button" className={styles.clear} onClick={() => setChosen(new Set())}>
                      Clear
                    </button>
                  </div>
                ) : (
                  <>
                    <span>Error</span>
                    <span>Trend</span>
                    <span className={styles.num}>Count</span>
                    <span className={styles.num}>People</span>
                    <span className={styles.num}>Last</span>
                    <span className={`${styles.num} ${styles.first}`}>First</span>
                    <span>Where</span>
                  </>
                )}
              </div>
              {rows.map((row) => (
                <Row key={row.item.counter} row={row} chosen={chosen.has(row.item.counter)} onToggle={toggle} />
              ))}
              <div className={styles.more}>
                {list.hasNextPage ? (
                  <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
                    {list.isFetchingNextPage ? 'Loading' : `More of ${count(first.total)}`}
                  </Button>
                ) : (
                  `That is all: ${plural(rows.length, 'error')}`
                )}
              </div>
            </>
          )}
        </div>
      </div>
      <StatsLine stats={first?.stats}>{first && `${plural(first.total, 'error')} in range`}</StatsLine>
      <DoneBar done={done} onClose={() => setDone(null)} />
    </>
  );
}

function LevelMark({ level }: { level: string }) {
  return (
    <span className={styles.level} data-level={level}>
      <i />
      {level}
    </span>
  );
}

function Row({ row, chosen, onToggle }: { row: ErrorRow; chosen: boolean; onToggle: (counter: number, range: boolean) => void }) {
  const { item } = row;
  const title = row.type || item.title || 'message';
  const said = row.type ? row.message : item.title === row.message ? '' : row.message;
  return (
    <div className={styles.row} data-testid="error-row" data-group={row.group} data-counter={item.counter} data-chosen={chosen} data-quiet={item.status !== 'active'}>
      <label className={styles.pick}>
        <input type="checkbox" checked={chosen} aria-label={`Choose #${item.counter}`} data-testid="choose" onChange={(event) => onToggle(item.counter, (event.nativeEvent as MouseEvent).shiftKey)} />
      </label>
      <span className={styles.what}>
        <span className={styles.title}>
          <i className={styles.dot} data-level={item.level} title={item.level} />
          <Link to="/errors/$group" params={{ group: row.group }} data-row="" title={title}>
            {title}
          </Link>
        </span>
        {said !== '' && (
          <span className={`${styles.said} cut`} title={said}>
            {said}
          </span>
        )}
        <span className={styles.meta}>
          <span>#{item.counter}</span>
          <span>{item.level}</span>
          {row.environments.length > 0 && <span className="cut">{row.environments.join(', ')}</span>}
          {item.framework !== '' && <span>{item.framework}</span>}
          {item.assigned_to && (
            <span className={styles.who} title={`given to ${item.assigned_to}`}>
              {item.assigned_to}
            </span>
          )}
          {item.status !== 'active' && <Badge tone="quiet">{item.resolved_in_version && item.status === 'resolved' ? `resolved in ${item.resolved_in_version}` : item.status}</Badge>}
          {item.snoozed_until_unix_nano && <Badge tone="note">snoozed</Badge>}
          {item.first_seen_unix_nano === row.first_seen_unix_nano && <Badge tone="new">new</Badge>}
        </span>
      </span>
      <Sparkline values={row.series.counts} kind="bars" colour={item.level === 'warning' ? 'var(--level-warn)' : /info|debug/.test(item.level) ? 'var(--bar-quiet)' : 'var(--level-error)'} width={150} height={28} />
      <b className={styles.num}>{count(row.count)}</b>
      <span className={`${styles.num} ${row.people > 0 ? '' : 'muted'}`}>{row.people > 0 ? count(row.people) : '–'}</span>
      <span className={styles.num}>
        <Ago nano={row.last_seen_unix_nano} />
      </span>
      <span className={`${styles.num} ${styles.first}`}>
        <Ago nano={item.first_seen_unix_nano} />
      </span>
      <span className={styles.where}>
        <span className="cut">
          {row.services.map((name) => (
            <Service key={name} name={name} />
          ))}
        </span>
        <span>
          {row.receivers.map((name) => (
            <Receiver key={name} name={name} />
          ))}
        </span>
      </span>
    </div>
  );
}

/** Which of several errors the others become part of is the person's to say; the oldest is offered. */
function Merge({ rows, busy, onMerge }: { rows: ErrorRow[]; busy: boolean; onMerge: (into: number, counters: number[]) => void }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const oldest = rows.reduce((best, row) => (row.item.counter < best ? row.item.counter : best), Infinity);
  const [into, setInto] = useState<number | null>(null);
  const stays = into ?? oldest;
  return (
    <>
      <Button ref={anchor} aria-haspopup="dialog" aria-expanded={open} disabled={busy} onClick={() => setOpen(!open)} data-testid="error-merge">
        {busy ? 'Merging' : 'Merge'} <Icon name="down" size={12} />
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Merge">
          <div className={styles.merge}>
            <b>Make them one error</b>
            <p>Occurrences, also those to come, comments and history go to the one that stays. On its page they can be taken apart again.</p>
            {rows.map((row) => (
              <label key={row.item.counter}>
                <Input type="radio" name="into" checked={row.item.counter === stays} onChange={() => setInto(row.item.counter)} />
                <span className="cut">
                  #{row.item.counter} {row.type || row.item.title}
                </span>
              </label>
            ))}
            <Button
              primary
              data-testid="merge-confirm"
              onClick={() => {
                setOpen(false);
                onMerge(stays, rows.map((row) => row.item.counter).filter((counter) => counter !== stays));
              }}
            >
              Merge into #{stays}
            </Button>
          </div>
        </Panel>
      )}
    </>
  );
}

function NoErrors({ filtered, open, elsewhere, onAll }: { filtered: boolean; open: boolean; elsewhere: number; onAll: () => void }) {
  const receivers = useQuery(queries.receivers());
  if (elsewhere > 0) {
    return (
      <Empty title={open ? 'No error asks for a decision' : 'No error of this status'}>
        <p>
          {plural(elsewhere, 'error')} that happened in this range {elsewhere === 1 ? 'is' : 'are'} {open ? 'resolved, snoozed or muted' : 'of another'}.
        </p>
        <Button onClick={onAll}>Show all</Button>
      </Empty>
    );
  }
  if (filtered) {
    return (
      <Empty title="No error matches">
        <p>Take away a filter, or choose a longer time range above.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No errors in this time range" copy={`rollbar.init('any token', 'production',\n             endpoint='${receivers.data?.addresses.http ?? 'http://127.0.0.1:8080'}/api/1/')`}>
      <p>
        Good. Exceptions of OpenTelemetry spans and X-Ray segments show here by themselves; with Rollbar for Python this line sends its items here, and <Link to="/connect" search={{ vendor: 'rollbar' }}>Connect</Link> has the other languages.
      </p>
    </Empty>
  );
}
