// Metrics: find one, see how it went, tell its series apart by any label.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import * as queries from '../../api/queries';
import * as api from '../../api/metrics';
import type { Metric } from '../../api/metrics';
import { families } from '../../lib/metrics';
import { count, plural } from '../../lib/units';
import { Input } from '../../ui/Control';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { useRowKeys } from '../common/rows';
import { useSetSearch } from '../common/search';
import { MetricView } from './MetricView';
import styles from './Metrics.module.css';

const here = getRouteApi('/metrics');

export function MetricsPage() {
  const { time, q = '', metric, ns } = here.useSearch();
  const setSearch = useSetSearch();
  const { data, error, refetch } = useQuery(api.metrics(time, ''));
  const [wanted, setWanted] = useState(q);
  useRowKeys();
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const all = data?.metrics;
  const found = useMemo(() => (all ?? []).filter((one) => words.every((word) => `${one.namespace ?? ''} ${one.name} ${one.services.join(' ')}`.toLowerCase().includes(word))), [all, words.join(' ')]);
  const groups = useMemo(() => families(found), [found]);
  const chosen = all?.find((one) => one.name === metric && (one.namespace ?? undefined) === ns);
  if (error && !data) return <Failure error={error} onRetry={() => void refetch()} title="The metrics could not be read" />;
  if (!data) return <Loading rows={18} label="Looking for metrics" />;
  if (data.metrics.length === 0 && metric === undefined) return <NoMetrics />;
  const choose = (one: Metric) => setSearch({ metric: one.name, ns: one.namespace ?? undefined, agg: undefined, by: undefined, where: undefined });
  return (
    <>
      <div className={styles.body}>
        <aside className={styles.list} aria-label="Metrics">
          <div className={styles.find}>
            <Input
              value={wanted}
              placeholder="part of a name, a namespace, a service"
              aria-label="Find a metric"
              data-search=""
              data-testid="metric-find"
              onChange={(event) => {
                setWanted(event.target.value);
                setSearch({ q: event.target.value || undefined }, true);
              }}
            />
            <span>{words.length > 0 ? `${count(found.length)} of ${plural(data.metrics.length, 'metric')}` : plural(data.metrics.length, 'metric')}</span>
          </div>
          <div className={styles.scroll}>
            {groups.map((group) => (
              <section key={group.name}>
                <h2>
                  {group.name} <span>{group.members.length}</span>
                </h2>
                {group.members.map((one) => (
                  <button key={`${one.namespace} ${one.name}`} type="button" data-row="" className={styles.row} aria-pressed={one === chosen} title={one.description || one.name} data-testid="metric-row" data-metric={one.name} onClick={() => choose(one)}>
                    <span>{one.name}</span>
                    <i>{one.unit === '1' || one.unit === 'None' ? '' : one.unit}</i>
                    <b title={plural(one.series, 'series', 'series')}>{count(one.series)}</b>
                  </button>
                ))}
              </section>
            ))}
            {found.length === 0 && <p className={styles.none}>No metric of this time range has this in its name.</p>}
          </div>
        </aside>
        <div className={styles.main}>
          {chosen ? (
            <MetricView key={`${chosen.namespace} ${chosen.name}`} metric={chosen} />
          ) : metric !== undefined ? (
            <Empty title={`${metric} has no values in this time range`}>
              <p>Choose a longer range above, or another metric.</p>
            </Empty>
          ) : (
            <Empty title="Choose a metric">
              <p>
                {plural(data.metrics.length, 'metric')} came from {plural(new Set(data.metrics.flatMap((one) => one.services)).size, 'service')} in this time range. <kbd>j</kbd> and <kbd>k</kbd> move in the list, <kbd>/</kbd> finds.
              </p>
            </Empty>
          )}
        </div>
      </div>
      {!chosen && <StatsLine stats={data.stats}>{plural(data.metrics.length, 'metric')}</StatsLine>}
    </>
  );
}

function NoMetrics() {
  const receivers = useQuery(queries.receivers());
  const http = receivers.data?.addresses.http ?? 'http://127.0.0.1:8080';
  return (
    <Empty title="No metrics in this time range" copy={`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=${http}/v1/metrics\nAWS_ENDPOINT_URL_CLOUDWATCH=${http}`}>
      <p>
        Choose a longer range above, or send some: an OpenTelemetry SDK needs the first line, what calls CloudWatch's PutMetricData the second. Log lines in the embedded metric format and metric filters make metrics too. <Link to="/connect">Connect</Link> has the others.
      </p>
    </Empty>
  );
}
