// One trace: its waterfall with both tracers' spans, every log line of the request, its errors, the documents as they arrived.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useCallback } from 'react';
import * as queries from '../../api/queries';
import type { LinkedTrace, TraceAnswer } from '../../api/types';
import { receiverName, shortId, xrayForm } from '../../lib/ids';
import { msFromNano } from '../../lib/time';
import { count, duration, plural } from '../../lib/units';
import { HttpStatus } from '../../ui/Chip';
import { Button, CopyButton } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { Split } from '../../ui/Split';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Tabs } from '../../ui/Tabs';
import { Ago, Time } from '../../ui/Time';
import { ValueActions } from '../../ui/Value';
import { Waterfall } from '../../ui/waterfall/Waterfall';
import { useSetSearch, useValueActions } from '../common/search';
import { ErrorsTab, LogsTab, RawTab } from './Tabs';
import { SpanPanel } from './SpanPanel';
import styles from './Trace.module.css';

const here = getRouteApi('/traces/$traceId');

export function TracePage() {
  const { traceId } = here.useParams();
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const actions = useValueActions();
  const trace = useQuery(queries.trace(traceId));
  const wantsLogs = search.logs === '1';
  const logs = useQuery(queries.traceLogs(traceId, wantsLogs && Boolean(trace.data)));
  const tab = search.tab ?? 'waterfall';
  const onSelect = useCallback((span: string) => setSearch({ span }, true), [setSearch]);
  const onFind = useCallback((find: string) => setSearch({ find }, true), [setSearch]);
  useKeys(search.span && tab === 'waterfall' ? { Escape: () => setSearch({ span: undefined }, true) } : {});

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
  const data = trace.data;
  const selected = search.span === undefined ? undefined : data.spans.find((span) => span.span_id === search.span);
  return (
    <ValueActions value={actions}>
      <Head trace={data} />
      <Tabs
        label="Trace"
        value={tab}
        onChange={(id) => setSearch({ tab: id === 'waterfall' ? undefined : id })}
        tabs={[
          { id: 'waterfall', label: 'Waterfall', count: data.span_count },
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
        <RawTab traceId={traceId} spans={data.spans} chosen={search.doc ?? search.span} onChoose={(doc) => setSearch({ doc }, true)} />
      ) : (
        <Split name="span" side={selected && <SpanPanel key={selected.span_id} span={selected} traceStart={data.start_time_unix_nano} onClose={() => setSearch({ span: undefined }, true)} />}>
          <Waterfall
            key={data.trace_id}
            spans={data.spans}
            start={data.start_time_unix_nano}
            durationNs={data.duration_ns}
            services={data.services}
            selected={search.span}
            onSelect={onSelect}
            find={search.find ?? ''}
            onFind={onFind}
            logs={wantsLogs ? logs.data?.logs : undefined}
            onLog={(log) => setSearch({ tab: 'logs', log })}
            tools={
              <Button aria-pressed={wantsLogs} onClick={() => setSearch({ logs: wantsLogs ? undefined : '1' }, true)} data-testid="inline-logs">
                <Icon name="lines" /> Log lines
              </Button>
            }
          />
        </Split>
      )}
      <StatsLine stats={data.stats} truncated={data.truncated} />
    </ValueActions>
  );
}

function Head({ trace }: { trace: TraceAnswer }) {
  const root = trace.spans[0];
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
          <code title={trace.trace_id}>{trace.trace_id}</code>
          <CopyButton bare text={trace.trace_id} label="Copy trace id" />
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
