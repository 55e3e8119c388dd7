// One trace: its waterfall with both tracers' spans, its flame view and map, every log line of the request, its errors,
// how it differs from others of its route, the documents as they arrived.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react';
import * as queries from '../../api/queries';
import { traceTypical } from '../../api/trace';
import type { LinkedTrace, TraceAnswer } from '../../api/types';
import { usualOf } from '../../lib/compare';
import { longestGaps, selfTimes } from '../../lib/gaps';
import { receiverName, shortId, xrayForm } from '../../lib/ids';
import { msFromNano } from '../../lib/time';
import { count, duration, plural } from '../../lib/units';
import { matches, paramFromStretch, place, stretchFromParam, totalNs } from '../../lib/waterfall';
import { HttpStatus } from '../../ui/Chip';
import { Button, CopyButton } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { Split } from '../../ui/Split';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import { Ago, Time } from '../../ui/Time';
import { ValueActions } from '../../ui/Value';
import { Flame } from '../../ui/waterfall/Flame';
import type { Stretch } from '../../ui/waterfall/types';
import { Waterfall } from '../../ui/waterfall/Waterfall';
import { useSetSearch, useValueActions } from '../common/search';
import { CompareTab } from './CompareTab';
import { MapTab } from './MapTab';
import { SpanPanel } from './SpanPanel';
import { ErrorsTab, LogsTab, RawTab } from './Tabs';
import { GapsButton, Toggle } from './Tools';
import styles from './Trace.module.css';

const here = getRouteApi('/traces/$traceId');
const GAPS_LISTED = 12;
/** A zoom by wheel or drag is told to the address when it has come to rest. */
const ZOOM_TOLD_MS = 250;

export function TracePage() {
  const { traceId } = here.useParams();
  const trace = useQuery(queries.trace(traceId));
  if (trace.error) {
    return 'status' in trace.error && trace.error.status === 404 ? (
      <Empty title="This trace is not here">
        <p>
          Nothing with the id <code>{traceId}</code> has arrived. It may still be on its way (SDKs send every few seconds), may not have been sampled, or is older than what is kept. <Link to="/traces">Look at all traces</Link> or see on <Link to="/connect">Connect</Link> what comes in.
        </p>
        <Button onClick={() => void trace.refetch()}>Look again</Button>
      </Empty>
    ) : (
      <Failure error={trace.error} onRetry={() => void trace.refetch()} />
    );
  }
  if (!trace.data) return <Loading rows={16} />;
  return <Trace key={traceId} traceId={traceId} data={trace.data} />;
}

function Trace({ traceId, data }: { traceId: string; data: TraceAnswer }) {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const actions = useValueActions();
  const tab = search.tab ?? 'waterfall';
  const { spans } = data;
  const wantsLogs = search.logs === '1';
  const wantsTypical = search.typical === '1';
  const aligned = search.align === '1';
  const logs = useQuery(queries.traceLogs(traceId, wantsLogs));
  const typical = useQuery(traceTypical(traceId, wantsTypical || tab === 'compare'));

  const placed = useMemo(() => place(spans, data.start_time_unix_nano, aligned), [spans, data.start_time_unix_nano, aligned]);
  const total = useMemo(() => totalNs(placed, data.duration_ns), [placed, data.duration_ns]);
  const { gaps, self } = useMemo(() => selfTimes(spans, placed, aligned), [spans, placed, aligned]);
  const longest = useMemo(() => longestGaps(gaps, total, GAPS_LISTED), [gaps, total]);
  const find = search.find ?? '';
  // Every attribute of 20,000 spans is looked through; typing does not wait for that.
  const looked = useDeferredValue(find);
  const found = useMemo(() => matches(spans, looked), [spans, looked]);
  const usual = useMemo(() => (wantsTypical && typical.data ? usualOf(spans, typical.data.spans, total) : undefined), [wantsTypical, typical.data, spans, total]);
  const skewed = useMemo(() => spans.some((span) => span.clock_skew_ns !== 0), [spans]);
  const [view, setView] = useStretch(search.zoom, total, (zoom) => setSearch({ zoom }, true));

  const onSelect = useCallback((span: string | undefined) => setSearch({ span }, true), [setSearch]);
  const onFind = useCallback((text: string) => setSearch({ find: text === '' ? undefined : text }, true), [setSearch]);
  const onFold = useCallback((fold: string | undefined) => setSearch({ fold }, true), [setSearch]);
  const graphical = tab === 'waterfall' || tab === 'flame';
  useKeys({
    f: () => setSearch({ tab: tab === 'flame' ? undefined : 'flame' }),
    ...(search.span && graphical ? { Escape: () => onSelect(undefined) } : find !== '' && graphical ? { Escape: () => onFind('') } : {}),
  });

  const selected = search.span === undefined ? -1 : spans.findIndex((span) => span.span_id === search.span);
  const span = spans[selected];
  const panel = span && (
    <SpanPanel
      key={span.span_id}
      span={span}
      spans={spans}
      gaps={gaps.get(selected)}
      offset={placed[selected]?.offset ?? 0}
      selfNs={self[selected] ?? 0}
      skew={span.clock_skew_ns - (spans[placed[selected]?.parent ?? -1]?.clock_skew_ns ?? 0)}
      aligned={aligned}
      usual={usual?.get(selected)}
      onClose={() => onSelect(undefined)}
    />
  );
  const align = skewed && <Toggle icon="clock" label="Align clocks" title="Move spans by what the clocks of their hosts seem to differ" on={aligned} onChange={(on) => setSearch({ align: on ? '1' : undefined }, true)} testId="align-clocks" />;
  const common = { spans, placed, total, services: data.services, selected: search.span, onSelect, find, onFind, found, view, onView: setView };
  return (
    <ValueActions value={actions}>
      <Head trace={data} />
      <Tabs
        label="Trace"
        value={tab}
        onChange={(id) => setSearch({ tab: id === 'waterfall' ? undefined : id })}
        tabs={[
          { id: 'waterfall', label: 'Waterfall', count: data.span_count },
          { id: 'flame', label: 'Flame' },
          { id: 'map', label: 'Map', count: data.services.length },
          { id: 'compare', label: 'Compare' },
          { id: 'logs', label: 'Logs', count: data.log_count },
          { id: 'errors', label: 'Errors', count: data.exception_count, loud: true },
          { id: 'raw', label: 'Raw' },
        ]}
      />
      {tab === 'logs' ? (
        <LogsTab traceId={traceId} open={search.log} onOpen={(log) => setSearch({ log }, true)} />
      ) : tab === 'errors' ? (
        <ErrorsTab traceId={traceId} />
      ) : tab === 'raw' ? (
        <RawTab traceId={traceId} spans={spans} chosen={search.doc ?? search.span} onChoose={(doc) => setSearch({ doc }, true)} />
      ) : tab === 'map' ? (
        <MapTab
          traceId={traceId}
          traceStart={data.start_time_unix_nano}
          chosen={search.edge ? { kind: 'edge', key: search.edge } : search.node ? { kind: 'node', key: search.node } : null}
          onChoose={(chosen) => setSearch({ node: undefined, edge: undefined, ...(chosen && { [chosen.kind]: chosen.key }) }, true)}
          stats={data.stats}
        />
      ) : tab === 'compare' ? (
        <CompareTab typical={typical} spans={spans} traceStart={data.start_time_unix_nano} />
      ) : tab === 'flame' ? (
        <Split name="span" side={panel}>
          <Flame {...common} self={self} mode={search.flame === 'merged' ? 'merged' : 'time'} onMode={(flame) => setSearch({ flame: flame === 'time' ? undefined : flame }, true)} node={search.box} onNode={(box) => setSearch({ box }, true)} tools={align} />
        </Split>
      ) : (
        <Split name="span" side={panel}>
          <Waterfall
            {...common}
            start={data.start_time_unix_nano}
            logs={wantsLogs ? logs.data?.logs : undefined}
            onLog={(log) => setSearch({ tab: 'logs', log })}
            fold={search.fold}
            onFold={onFold}
            onlyCritical={search.critical === '1'}
            aligned={aligned}
            gaps={gaps}
            usual={usual}
            tools={
              <>
                <Toggle icon="path" label="Critical path" title="Only the spans that decide how long the trace takes" on={search.critical === '1'} onChange={(on) => setSearch({ critical: on ? '1' : undefined }, true)} testId="only-critical" />
                <GapsButton gaps={longest} spans={spans} total={total} onChoose={(span) => onSelect(span)} />
                <Toggle icon="scales" label="Typical" title="Mark what takes longer than in a typical trace of this route" on={wantsTypical} onChange={(on) => setSearch({ typical: on ? '1' : undefined }, true)} testId="mark-typical" />
                <Toggle icon="lines" label="Log lines" title="Show each log line below its span" on={wantsLogs} onChange={(on) => setSearch({ logs: on ? '1' : undefined }, true)} testId="inline-logs" />
                {align}
              </>
            }
          />
        </Split>
      )}
      {tab !== 'map' && <StatsLine stats={(tab === 'compare' && typical.data?.stats) || data.stats} truncated={data.truncated} />}
    </ValueActions>
  );
}

/** The stretch in sight: at hand for every frame, in the address when it rests, from the address when one goes back. */
function useStretch(param: string | undefined, total: number, tell: (param: string | undefined) => void): [Stretch, (stretch: Stretch) => void] {
  const [view, setView] = useState<Stretch>(() => stretchFromParam(param, total));
  const told = useRef(param);
  const latest = useRef(tell);
  latest.current = tell;
  useEffect(() => {
    if (param === told.current) return;
    told.current = param;
    setView(stretchFromParam(param, total));
  }, [param, total]);
  useEffect(() => {
    const wanted = paramFromStretch(view);
    if (wanted === told.current) return undefined;
    const timer = setTimeout(() => {
      told.current = wanted;
      latest.current(wanted);
    }, ZOOM_TOLD_MS);
    return () => clearTimeout(timer);
  }, [view]);
  return [view, setView];
}

function Head({ trace }: { trace: TraceAnswer }) {
  const root = trace.spans[0];
  const id = root?.receiver === 'xray' ? xrayForm(trace.trace_id) : trace.trace_id;
  const status = Number(root?.attributes['http.response.status_code'] ?? root?.attributes['http.status_code']);
  return (
    <header className={styles.head}>
      <div className={styles.title}>
        <h1 title={root?.name}>{root?.name ?? 'Trace'}</h1>
        {status > 0 && <HttpStatus code={status} />}
      </div>
      <div className={styles.facts}>
        <span>
          <b>{duration(trace.duration_ns)}</b>
        </span>
        <span>
          {count(trace.span_count)} spans, {plural(trace.services.length, 'service')}
        </span>
        <span title={new Date(msFromNano(trace.start_time_unix_nano)).toISOString()}>
          <Time nano={trace.start_time_unix_nano} />
          <span className="muted">
            <Ago nano={trace.start_time_unix_nano} />
          </span>
        </span>
        <span>
          <code title={trace.trace_id}>{id}</code>
          <CopyButton bare text={id} label="Copy trace id" />
        </span>
        {trace.linked.map((linked) => (
          <Linked key={linked.trace_id} linked={linked} />
        ))}
      </div>
    </header>
  );
}

/** The other tracer's trace of the same request. */
function Linked({ linked }: { linked: LinkedTrace }) {
  const id = linked.receiver === 'xray' ? xrayForm(linked.trace_id) : shortId(linked.trace_id);
  return (
    <span className={styles.linked} data-testid="linked-trace">
      <Icon name="link" size={12} />
      also traced by {receiverName(linked.receiver)} as
      <Link to="/traces/$traceId" params={{ traceId: linked.trace_id }} className="mono">
        {id}
      </Link>
      <em data-exact={linked.exact} title={linked.exact ? `the ids say so: ${linked.rule}` : `found by likeness: ${linked.rule}`}>
        {linked.exact ? 'exact' : 'inferred'}
      </em>
    </span>
  );
}
