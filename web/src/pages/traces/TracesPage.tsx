// Traces: find requests by time, by text and attributes, by service, route, status and duration.
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { ApiError } from '../../api/client';
import * as queries from '../../api/queries';
import type { TraceSummary } from '../../api/types';
import { traceIdFrom } from '../../lib/ids';
import { msFromNano, paramFromRange } from '../../lib/time';
import { count, duration, plural } from '../../lib/units';
import { Badge, HttpStatus, Receiver, Service } from '../../ui/Chip';
import { Chart } from '../../ui/Chart';
import { Button, Choice } from '../../ui/Control';
import { Facet, Facets, RangeFacet } from '../../ui/Facets';
import { Icon } from '../../ui/Icon';
import { SearchBar } from '../../ui/SearchBar';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Time } from '../../ui/Time';
import { Value, ValueActions } from '../../ui/Value';
import { useRowKeys } from '../common/rows';
import { useSetSearch, useValueActions } from '../common/search';
import { useSuggest } from '../common/suggest';
import styles from './Traces.module.css';

const here = getRouteApi('/traces');
const SORTS = [
  { value: 'newest', label: 'Newest' },
  { value: 'slowest', label: 'Slowest' },
] as const;

/** A number from the address; what is none filters nothing. */
function numberFrom(text: string | undefined): number | undefined {
  const number = Number.parseFloat(text ?? '');
  return Number.isFinite(number) ? number : undefined;
}

export function TracesPage() {
  const search = here.useSearch();
  const navigate = here.useNavigate();
  const setSearch = useSetSearch();
  const { time, q = '', service, route, status, min, max } = search;
  const live = search.live === '1';
  const sort = search.sort === 'slowest' ? 'slowest' : 'newest';
  const filters = { q: q === '' ? undefined : q, service, route, status, min_duration_ms: numberFrom(min), max_duration_ms: numberFrom(max) };
  const list = useInfiniteQuery(queries.traces(time, filters, sort, live));
  const histogram = useQuery(queries.tracesHistogram(time, filters, live));
  const services = useQuery(queries.services(time, live));
  const routes = useQuery({ ...queries.attributeValues('http.route', 'spans', time, ''), placeholderData: keepPreviousData });
  const suggest = useSuggest('spans', time);
  const actions = useValueActions({ signal: 'spans', q, setQ: (next) => setSearch({ q: next }) });
  useRowKeys();

  const onSearch = (next: string) => {
    const id = traceIdFrom(next);
    if (id) void navigate({ to: '/traces/$traceId', params: { traceId: id } });
    else setSearch({ q: next });
  };
  const zoom = (range: { start: number; end: number }) => setSearch({ time: paramFromRange(range) });
  const rows = list.data?.pages.flatMap((page) => page.traces) ?? [];
  const first = list.data?.pages[0];
  const filtered = Boolean(q || service || route || status || min || max);
  const buckets = histogram.data?.buckets;
  // The histogram counts root and server spans: a trace that crosses services or tracers is several requests.
  const totals = buckets && { all: sum(buckets, 'count'), errors: sum(buckets, 'errors') };
  return (
    <ValueActions value={actions}>
      <div className={styles.bar}>
        <SearchBar value={q} onSearch={onSearch} suggest={suggest} invalid={list.error instanceof ApiError && list.error.code === 'invalid_query'} placeholder='words, http.route = "/api/x", duration > 250ms, or a trace id' />
        <Choice label="Order" options={SORTS} value={sort} onChange={(value) => setSearch({ sort: value === 'newest' ? undefined : value })} />
        {filtered && <Button onClick={() => setSearch({ q: undefined, service: undefined, route: undefined, status: undefined, min: undefined, max: undefined })}>Clear all</Button>}
      </div>
      {histogram.data && buckets && (
        <div className={styles.charts}>
          <Chart
            title="Requests"
            kind="bars"
            height={96}
            start={msFromNano(histogram.data.start_unix_nano)}
            step={histogram.data.step_seconds * 1000}
            format={count}
            onSelect={zoom}
            series={[
              { label: 'errors', colour: 'var(--fault)', values: buckets.map((bucket) => bucket.errors) },
              { label: 'ok', colour: 'var(--bar-quiet)', values: buckets.map((bucket) => bucket.count - bucket.errors) },
            ]}
          />
          <Chart
            title="Duration"
            kind="lines"
            height={96}
            start={msFromNano(histogram.data.start_unix_nano)}
            step={histogram.data.step_seconds * 1000}
            format={duration}
            onSelect={zoom}
            series={[
              { label: 'p95', colour: 'var(--accent)', values: buckets.map((bucket) => bucket.p95_ns) },
              { label: 'median', colour: 'var(--bar-quiet)', values: buckets.map((bucket) => bucket.p50_ns) },
            ]}
          />
        </div>
      )}
      <div className={styles.body}>
        <Facets>
          <Facet
            title="Status"
            chosen={status}
            onChoose={(value) => setSearch({ status: value })}
            testId="facet-status"
            options={[
              { value: 'ok', label: 'without errors', count: status === 'error' ? undefined : totals && totals.all - totals.errors },
              { value: 'error', label: 'with errors', count: totals?.errors },
            ]}
          />
          <Facet title="Service" chosen={service} onChoose={(value) => setSearch({ service: value })} testId="facet-service" options={services.data?.services.filter((one) => one.spans > 0).map((one) => ({ value: one.name, label: <Service name={one.name} />, count: one.requests }))} />
          <Facet title="Route" chosen={route} onChoose={(value) => setSearch({ route: value })} testId="facet-route" options={routes.data?.values} />
          <RangeFacet title="Duration" min={min} max={max} onChange={(least, most) => (least !== min || most !== max) && setSearch({ min: least, max: most })} />
        </Facets>
        <div className={styles.list} data-testid="trace-list">
          {list.error ? (
            <Failure error={list.error} query={q} onRetry={() => void list.refetch()} title={list.error instanceof ApiError && list.error.code === 'invalid_query' ? 'The search cannot be read' : undefined} />
          ) : !first ? (
            <Loading rows={14} />
          ) : rows.length === 0 ? (
            <NoTraces filtered={filtered} />
          ) : (
            <>
              <div className={styles.head} aria-hidden="true">
                <span>Status</span>
                <span>Trace</span>
                <span className={styles.num}>Duration</span>
                <span className={styles.num}>Spans</span>
                <span>Services</span>
                <span className={styles.receivers}>Tracers</span>
                <span className={styles.num}>Started</span>
              </div>
              <Rows rows={rows} />
              <More list={list} shown={rows.length} />
            </>
          )}
        </div>
      </div>
      <StatsLine stats={first?.stats}>
        {totals && `${plural(totals.all, 'request')} in range`}
      </StatsLine>
    </ValueActions>
  );
}

const sum = <K extends string>(list: Record<K, unknown>[], key: K) => list.reduce((total, one) => total + Number(one[key]), 0);

function Rows({ rows }: { rows: TraceSummary[] }) {
  // A bar grows with the logarithm: one request of 30 s would leave nothing of the others.
  const long = (ns: number) => Math.log10(1 + ns / 1e6);
  const longest = Math.max(0.01, ...rows.map((row) => long(row.duration_ns)));
  return rows.map((row) => (
    <div key={row.trace_id} className={styles.row} data-testid="trace-row" data-trace-id={row.trace_id}>
      <span>{typeof row.http_status === 'number' ? <HttpStatus code={row.http_status} /> : row.error_count > 0 ? <Badge>error</Badge> : <span className="muted">–</span>}</span>
      <span className={styles.name}>
        <Link to="/traces/$traceId" params={{ traceId: row.trace_id }} data-row="" title={row.root_name}>
          {row.route ? `${row.method ?? ''} ${row.route}`.trim() : row.root_name}
        </Link>
        {row.error_count + row.exception_count > 0 && (
          <Badge title={`${plural(row.error_count, 'span')} failed, ${plural(row.exception_count, 'exception')}`} testId="trace-errors">
            <Icon name="alert" size={11} />
            {count(row.exception_count || row.error_count)}
            <span className={styles.word}>{(row.exception_count > 0 ? 'exception' : 'error') + ((row.exception_count || row.error_count) === 1 ? '' : 's')}</span>
          </Badge>
        )}
        {row.root_missing && (
          <Badge tone="note" title="The root span has not arrived">
            no root
          </Badge>
        )}
        {row.in_progress && <Badge tone="quiet">running</Badge>}
      </span>
      <span className={styles.duration} data-failed={row.error_count > 0} title="bar on a logarithmic scale">
        <i style={{ width: `${(long(row.duration_ns) / longest) * 100}%` }} />
        <span>{duration(row.duration_ns)}</span>
      </span>
      <span className={styles.num}>{count(row.span_count)}</span>
      <span className={styles.services}>
        {row.services.map((one) => (
          <Value key={one.name} field="service.name" value={one.name} title={`${one.name}: ${plural(one.spans, 'span')}`}>
            <Service name={one.name} />
          </Value>
        ))}
      </span>
      <span className={styles.receivers}>
        {row.receivers.map((name) => (
          <Receiver key={name} name={name} />
        ))}
      </span>
      <span className={styles.num}>
        <Time nano={row.start_time_unix_nano} />
      </span>
    </div>
  ));
}

/** The end of the list, which asks for more when it comes into sight. */
function More({ list, shown }: { list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown }; shown: number }) {
  const end = useRef<HTMLDivElement>(null);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  useEffect(() => {
    const element = end.current;
    if (!element || !hasNextPage || isFetchingNextPage) return undefined;
    const seen = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && fetchNextPage(), { rootMargin: '400px' });
    seen.observe(element);
    return () => seen.disconnect();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, shown]);
  return (
    <div ref={end} className={styles.end}>
      {hasNextPage ? <Button onClick={() => fetchNextPage()}>{isFetchingNextPage ? 'Loading more' : 'More'}</Button> : `That is all: ${plural(shown, 'trace')}`}
    </div>
  );
}

function NoTraces({ filtered }: { filtered: boolean }) {
  const receivers = useQuery(queries.receivers());
  if (filtered) {
    return (
      <Empty title="No trace matches">
        <p>Take away a filter, or choose a longer time range above. Words are looked for in span names; attributes are compared exactly.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No traces in this time range" copy={`OTEL_EXPORTER_OTLP_ENDPOINT=${receivers.data?.addresses.otlp_http ?? 'http://127.0.0.1:4318'}\nOTEL_SERVICE_NAME=my-service`}>
      <p>
        Choose a longer range above, or send spans. For AWS X-Ray, Honeycomb and others see <Link to="/connect">Connect</Link>.
      </p>
    </Empty>
  );
}
