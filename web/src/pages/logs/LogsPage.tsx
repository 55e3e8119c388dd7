// Logs: search every line, see when they came and how loud they are, follow them as they arrive.
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback, useMemo, type ReactNode } from 'react';
import { ApiError } from '../../api/client';
import * as queries from '../../api/queries';
import type { LogsHistogram } from '../../api/types';
import { receiverName, shortId } from '../../lib/ids';
import { words as wordsOf } from '../../lib/search';
import { LEVELS, numberFromLevel } from '../../lib/severity';
import { msFromNano, paramFromRange } from '../../lib/time';
import { count, plural } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { Level, Service } from '../../ui/Chip';
import { Button, Choice } from '../../ui/Control';
import { Facet, Facets } from '../../ui/Facets';
import { Icon } from '../../ui/Icon';
import { LogList } from '../../ui/LogList';
import { SearchBar } from '../../ui/SearchBar';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { ValueActions } from '../../ui/Value';
import { LogDetail } from '../common/LogDetail';
import { useSetSearch, useValueActions } from '../common/search';
import { useSuggest } from '../common/suggest';
import { Export } from './Export';
import { FieldList } from './FieldList';
import { GroupsView } from './GroupsView';
import { InsightsView } from './InsightsView';
import { PatternsView } from './PatternsView';
import { useTail } from './tail';
import styles from './Logs.module.css';

const here = getRouteApi('/logs');
const ORDERS = [
  { value: 'newest', label: 'Newest first' },
  { value: 'oldest', label: 'Oldest first' },
] as const;
const VIEWS = [
  { value: 'lines', label: 'Lines' },
  { value: 'patterns', label: 'Patterns' },
  { value: 'insights', label: 'Insights' },
  { value: 'groups', label: 'Groups' },
] as const;
/** From the loudest down in the facet; from the bottom up in the chart. */
const SHOWN_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
const CHART_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'] as const;

export function LogsPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const view = VIEWS.find((one) => one.value === search.view)?.value ?? 'lines';
  const views = <Choice label="View" options={VIEWS} value={view} onChange={(value) => setSearch({ view: value === 'lines' ? undefined : value, live: undefined })} />;
  if (view === 'insights') return <InsightsView views={views} />;
  if (view === 'groups') return <GroupsView views={views} />;
  return <Lines view={view} views={views} />;
}

function Lines({ view, views }: { view: 'lines' | 'patterns'; views: ReactNode }) {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const { time, q = '', service, level, receiver, group, stream, trace } = search;
  const live = search.live === '1' && view === 'lines';
  const order = search.order === 'oldest' && !live ? 'oldest' : 'newest';
  const filters = { q: q === '' ? undefined : q, service, severity_min: level ? numberFromLevel(level) : undefined, receiver, log_group: group, log_stream: stream, trace_id: trace };
  const list = useInfiniteQuery(queries.logs(time, filters, order, !live && view === 'lines'));
  const histogram = useQuery(queries.logsHistogram(time, filters, live));
  const services = useQuery(queries.attributeValues('service.name', 'logs', time, ''));
  const receivers = useQuery(queries.attributeValues('receiver', 'logs', time, ''));
  const groups = useQuery(queries.attributeValues('aws.log.group.name', 'logs', time, ''));
  const tail = useTail(live, filters);
  const suggest = useSuggest('logs', time);
  const actions = useValueActions({ signal: 'logs', q, setQ: (next) => setSearch({ q: next }) });
  const words = useMemo(() => wordsOf(q), [q]);
  const pages = list.data?.pages;
  const fetched = useMemo(() => pages?.flatMap((page) => page.logs) ?? [], [pages]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const first = pages?.[0];
  const filtered = Boolean(q || service || level || receiver || group || stream || trace);
  const totals = histogram.data && totalsOf(histogram.data);
  const badQuery = list.error instanceof ApiError && list.error.code === 'invalid_query';
  const detail = (line: (typeof fetched)[number]) => <LogDetail log={line} words={words} />;
  return (
    <ValueActions value={actions}>
      <div className={styles.bar}>
        {views}
        <SearchBar value={q} onSearch={(next) => setSearch({ q: next })} suggest={suggest} invalid={badQuery} placeholder='words, "a phrase", service.name = "backend-flask", body:timeout' />
        {!live && view === 'lines' && <Choice label="Order" options={ORDERS} value={order} onChange={(value) => setSearch({ order: value === 'newest' ? undefined : value })} />}
        {view === 'lines' && !live && <Export time={time} filters={filters} total={totals && LEVELS.reduce((all, one) => all + totals[one], 0)} />}
        {filtered && <Button onClick={() => setSearch({ q: undefined, service: undefined, level: undefined, receiver: undefined, group: undefined, stream: undefined, trace: undefined })}>Clear all</Button>}
      </div>
      {(trace || stream) && (
        <div className={styles.tags} style={{ paddingTop: 8 }}>
          {trace && (
            <button type="button" onClick={() => setSearch({ trace: undefined })}>
              trace {shortId(trace)} <Icon name="close" size={10} />
            </button>
          )}
          {stream && (
            <button type="button" onClick={() => setSearch({ stream: undefined })}>
              stream {stream} <Icon name="close" size={10} />
            </button>
          )}
        </div>
      )}
      {histogram.data && (
        <div className={styles.chart}>
          <Chart
            title="Lines by level"
            kind="bars"
            height={92}
            start={msFromNano(histogram.data.start_unix_nano)}
            step={histogram.data.step_seconds * 1000}
            format={count}
            onSelect={(range) => setSearch({ time: paramFromRange(range), live: undefined })}
            series={CHART_LEVELS.filter((one) => (totals?.[one] ?? 0) > 0 || one === 'info').map((one) => ({
              label: one === 'unknown' ? 'no level' : one,
              colour: `var(--level-${one})`,
              values: histogram.data.buckets.map((bucket) => bucket[one]),
            }))}
          />
        </div>
      )}
      <div className={styles.body}>
        <Facets>
          <Facet
            title="Level, at least"
            testId="facet-level"
            chosen={level}
            onChoose={(value) => setSearch({ level: value })}
            options={SHOWN_LEVELS.map((one) => ({ value: one, label: <Level number={numberFromLevel(one) ?? 0} />, count: totals?.[one] }))}
          />
          <Facet title="Service" testId="facet-service" chosen={service} onChoose={(value) => setSearch({ service: value })} options={services.data?.values.map((one) => ({ ...one, label: <Service name={one.value} /> }))} />
          <Facet title="By way of" testId="facet-receiver" chosen={receiver} onChoose={(value) => setSearch({ receiver: value })} options={receivers.data?.values.map((one) => ({ ...one, label: receiverName(one.value) }))} />
          {((groups.data?.values.length ?? 0) > 0 || group) && <Facet title="Log group" testId="facet-group" chosen={group} onChoose={(value) => setSearch({ group: value })} options={groups.data?.values} />}
          <FieldList time={time} filters={filters} />
        </Facets>
        <div className={styles.list}>
          {view === 'patterns' ? (
            <PatternsView time={time} filters={filters} onChoose={(next) => setSearch({ q: [q, next].filter(Boolean).join(' '), view: undefined })} onInsights={(query) => setSearch({ view: 'insights', insights: query })} />
          ) : live ? (
            <>
              <div className={styles.tail} data-testid="tail">
                <Button onClick={tail.toggle} aria-pressed={tail.paused}>
                  <Icon name={tail.paused ? 'play' : 'pause'} />
                  {tail.paused ? 'Go on' : 'Pause'}
                </Button>
                <span>
                  <b>{tail.rate === null ? '–' : count(tail.rate)}</b> lines/s
                </span>
                {tail.skipped > 0 && <span style={{ color: 'var(--error)' }}>{count(tail.skipped)} skipped: more arrive than can be shown</span>}
                <span className="muted">{tail.state === 'lost' ? 'connection lost, trying again' : tail.waiting > 0 ? `${plural(tail.waiting, 'line')} waiting` : 'as they arrive'}</span>
                <Button style={{ marginLeft: 'auto' }} onClick={tail.clear}>
                  Clear
                </Button>
              </div>
              {tail.lines.length === 0 ? (
                <Empty title="Waiting for lines">
                  <p>{filtered ? 'Only lines that match the filters are shown.' : 'Every line shows here the moment it arrives.'}</p>
                </Empty>
              ) : (
                <LogList lines={tail.lines} words={words} open={search.log} onOpen={(log) => setSearch({ log }, true)} detail={detail} onScrolled={tail.setAtTop} />
              )}
            </>
          ) : list.error ? (
            <Failure error={list.error} query={q} onRetry={() => void list.refetch()} title={badQuery ? 'The search cannot be read' : undefined} />
          ) : !first ? (
            <Loading rows={18} />
          ) : fetched.length === 0 ? (
            <NoLogs filtered={filtered} />
          ) : (
            <LogList
              lines={fetched}
              words={words}
              open={search.log}
              onOpen={(log) => setSearch({ log }, true)}
              detail={detail}
              onEnd={onEnd}
              more={isFetchingNextPage ? 'loading more' : hasNextPage ? ' ' : `that is all: ${plural(fetched.length, 'line')}`}
            />
          )}
        </div>
      </div>
      <StatsLine stats={(view === 'lines' ? first?.stats : undefined) ?? histogram.data?.stats}>
        {totals && `${plural(
          LEVELS.reduce((all, one) => all + totals[one], 0),
          'line',
        )} in range`}
      </StatsLine>
    </ValueActions>
  );
}

function totalsOf(histogram: LogsHistogram): Record<(typeof LEVELS)[number], number> {
  const out = { unknown: 0, trace: 0, debug: 0, info: 0, warn: 0, error: 0, fatal: 0 };
  for (const bucket of histogram.buckets) for (const level of LEVELS) out[level] += bucket[level];
  return out;
}

function NoLogs({ filtered }: { filtered: boolean }) {
  const receivers = useQuery(queries.receivers());
  if (filtered) {
    return (
      <Empty title="No line matches">
        <p>Take away a filter, or choose a longer time range above. Words are looked for anywhere in a line, without regard to case.</p>
      </Empty>
    );
  }
  const http = receivers.data?.addresses.http ?? 'http://127.0.0.1:8080';
  return (
    <Empty title="No log lines in this time range" copy={`AWS_ENDPOINT_URL_CLOUDWATCH_LOGS=${http}`}>
      <p>
        Choose a longer range above, or send some. For an app that logs to CloudWatch Logs this variable is enough; <Link to="/connect">Connect</Link> has the others.
      </p>
    </Empty>
  );
}
