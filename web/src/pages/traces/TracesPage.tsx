// Traces: find requests by time and duration, by words and attributes, by X-Ray filter expressions, by what they are
// made of.
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { ApiError, isUnreadable } from '../../api/client';
import * as queries from '../../api/queries';
import type { HeatRange } from '../../lib/brush';
import { withClause, withoutClause, type Language } from '../../lib/filter';
import { traceIdFrom } from '../../lib/ids';
import { paramFromRange } from '../../lib/time';
import { duration, plural } from '../../lib/units';
import { Button, Choice } from '../../ui/Control';
import { Facet, Facets, RangeFacet } from '../../ui/Facets';
import { Icon } from '../../ui/Icon';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { ValueActions } from '../../ui/Value';
import { GroupSelect } from '../common/GroupSelect';
import { useRowKeys } from '../common/rows';
import { useSetSearch, useValueActions } from '../common/search';
import { Counts, Heat } from './Overview';
import { Refiners } from './Refiners';
import { SearchLine } from './SearchLine';
import { TraceList } from './TraceList';
import styles from './Traces.module.css';

const here = getRouteApi('/traces');
const SORTS = [
  { value: 'newest', label: 'Newest' },
  { value: 'slowest', label: 'Slowest' },
] as const;
const VIEWS = [
  { value: 'heatmap', label: 'Heatmap' },
  { value: 'counts', label: 'Counts' },
] as const;
const NO_FILTERS = { q: undefined, filter: undefined, group: undefined, service: undefined, route: undefined, status: undefined, min: undefined, max: undefined };

/** A number from the address; what is none filters nothing. */
function numberFrom(text: string | undefined): number | undefined {
  const number = Number.parseFloat(text ?? '');
  return Number.isFinite(number) ? number : undefined;
}

const msText = (ns: number) => String(Number((ns / 1e6).toPrecision(6)));

export function TracesPage() {
  const search = here.useSearch();
  const navigate = here.useNavigate();
  const setSearch = useSetSearch();
  const { time, q = '', filter = '', group, service, route, status, min, max, by } = search;
  const live = search.live === '1';
  const sort = search.sort === 'slowest' ? 'slowest' : 'newest';
  const view = search.view === 'counts' ? 'counts' : 'heatmap';
  const filters: queries.TraceFilters = { q: q || undefined, filter: filter || undefined, group, service, route, status, min_duration_ms: numberFrom(min), max_duration_ms: numberFrom(max) };
  const list = useInfiniteQuery(queries.traces(time, filters, sort, live));
  const histogram = useQuery(queries.tracesHistogram(time, filters, live));
  const routes = useQuery({ ...queries.attributeValues('http.route', 'spans', time, ''), placeholderData: keepPreviousData });
  const actions = useValueActions({ signal: 'spans', q, setQ: (next) => setSearch({ q: next }) });
  useRowKeys();

  const [shown, setShown] = useState<Language>(filter !== '' && q === '' ? 'filter' : 'search');
  useEffect(() => {
    // The one text there is stands in the line.
    if (filter !== '' && q === '') setShown('filter');
    else if (filter === '' && q !== '') setShown('search');
  }, [filter, q]);

  const onSend = (patch: { q?: string; filter?: string }) => {
    const id = traceIdFrom(patch.q ?? patch.filter ?? '');
    if (id) void navigate({ to: '/traces/$traceId', params: { traceId: id } });
    else setSearch(patch);
  };
  const onBox = (range: HeatRange) =>
    setSearch({
      time: paramFromRange(range),
      live: undefined,
      min: range.min_ns === null ? min : msText(range.min_ns),
      max: range.max_ns === null ? max : msText(range.max_ns),
    });
  const pages = list.data?.pages;
  const rows = useMemo(() => pages?.flatMap((page) => page.traces) ?? [], [pages]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const onMore = useCallback(() => void fetchNextPage(), [fetchNextPage]);
  const first = pages?.[0];
  const filtered = Boolean(q || filter || group || service || route || status || min || max);
  const buckets = histogram.data?.buckets;
  // The histogram counts root and server spans: a trace that crosses services or tracers is several requests.
  const totals = buckets && { all: sum(buckets, 'count'), errors: sum(buckets, 'errors') };
  const badQuery = list.error instanceof ApiError && (list.error.code === 'invalid_query' || isUnreadable(list.error));
  const faulty = badQuery ? faultyText(list.error as ApiError, q, filter, shown) : undefined;
  return (
    <ValueActions value={actions}>
      <div className={styles.bar}>
        <GroupSelect group={group} onChange={(next) => setSearch({ group: next })} />
        <SearchLine q={q} filter={filter} time={time} shown={shown} onShow={setShown} onSend={onSend} invalid={badQuery && faulty === (shown === 'filter' ? filter : q)} />
        <Choice label="Drawn as" options={VIEWS} value={view} onChange={(value) => setSearch({ view: value === 'heatmap' ? undefined : value }, true)} />
        <Choice label="Order" options={SORTS} value={sort} onChange={(value) => setSearch({ sort: value === 'newest' ? undefined : value })} />
        {filtered && <Button onClick={() => setSearch(NO_FILTERS)}>Clear all</Button>}
      </div>
      <Applied search={search} other={shown === 'filter' ? q : filter} otherLanguage={shown === 'filter' ? 'search' : 'filter'} onShow={setShown} />
      {view === 'heatmap' ? <Heat time={time} filters={filters} live={live} onSelect={onBox} /> : <Counts time={time} filters={filters} live={live} onZoom={(range) => setSearch({ time: paramFromRange(range), live: undefined })} />}
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
          <RangeFacet title="Duration" min={min} max={max} onChange={(least, most) => (least !== min || most !== max) && setSearch({ min: least, max: most })} />
          <Facet title="Route" chosen={route} onChoose={(value) => setSearch({ route: value })} testId="facet-route" options={routes.data?.values} />
          <Refiners time={time} filters={filters} by={by} onBy={(next) => setSearch({ by: next }, true)} onRefine={(clause, add) => setSearch({ filter: add ? withClause(filter, clause) : withoutClause(filter, clause) })} />
        </Facets>
        {list.error && !first ? (
          <div className={styles.state}>
            <Failure error={list.error} query={faulty} onRetry={() => void list.refetch()} title={badQuery ? (faulty === filter && filter !== '' ? 'The filter expression cannot be read' : 'The search cannot be read') : undefined} />
          </div>
        ) : !first ? (
          <div className={styles.state}>
            <Loading rows={14} />
          </div>
        ) : rows.length === 0 ? (
          <div className={styles.state} data-testid="trace-list">
            <NoTraces filtered={filtered} />
          </div>
        ) : (
          <TraceList rows={rows} hasMore={hasNextPage} isFetching={isFetchingNextPage} failed={list.isFetchNextPageError ? list.error?.message : undefined} onMore={onMore} />
        )}
      </div>
      <StatsLine stats={first?.stats}>
        {rows.length > 0 && `${plural(rows.length, 'trace')} loaded${totals ? ', ' : ''}`}
        {totals && `${plural(totals.all, 'request')} in range`}
      </StatsLine>
    </ValueActions>
  );
}

/** Which of the two texts an error speaks of. */
function faultyText(error: ApiError, q: string, filter: string, shown: Language): string {
  if (q === '' || filter === '') return filter || q;
  if (/filter/i.test(`${error.code} ${error.message}`)) return filter;
  return error.code === 'invalid_query' ? q : shown === 'filter' ? filter : q;
}

const sum = <K extends string>(list: Record<K, unknown>[], key: K) => list.reduce((total, one) => total + Number(one[key]), 0);

/** What limits the list and stands in no other control. */
function Applied({ search, other, otherLanguage, onShow }: { search: { service?: string; min?: string; max?: string }; other: string; otherLanguage: Language; onShow: (language: Language) => void }) {
  const setSearch = useSetSearch();
  const { service, min, max } = search;
  const ms = (text: string) => duration(Number(text) * 1e6);
  const chips = [
    ...(service ? [{ name: 'service', text: service, gone: { service: undefined } }] : []),
    ...(min || max ? [{ name: 'duration', text: min && max ? `${ms(min)} – ${ms(max)}` : min ? `≥ ${ms(min)}` : `≤ ${ms(max ?? '')}`, gone: { min: undefined, max: undefined } }] : []),
  ];
  if (chips.length === 0 && other === '') return null;
  return (
    <div className={styles.applied} data-testid="applied">
      {other !== '' && (
        <span className={styles.chip}>
          <i>{otherLanguage === 'filter' ? 'filter expression' : 'search'}</i>
          <button type="button" className={styles.text} onClick={() => onShow(otherLanguage)} title="Show it in the line above, to change it">
            {other}
          </button>
          <button type="button" aria-label="Take away" onClick={() => setSearch(otherLanguage === 'filter' ? { filter: undefined } : { q: undefined })}>
            <Icon name="close" size={10} />
          </button>
        </span>
      )}
      {chips.map((chip) => (
        <span key={chip.name} className={styles.chip}>
          <i>{chip.name}</i>
          <span className={styles.text}>{chip.text}</span>
          <button type="button" aria-label={`Take ${chip.name} away`} onClick={() => setSearch(chip.gone)}>
            <Icon name="close" size={10} />
          </button>
        </span>
      ))}
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
