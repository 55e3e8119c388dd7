// The traces over time, above their list: a heatmap of durations, or requests and durations as series.
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { isUnreadable } from '../../api/client';
import * as queries from '../../api/queries';
import * as xray from '../../api/xray';
import { heatOf, type HeatRange } from '../../lib/brush';
import { msFromNano } from '../../lib/time';
import { count, duration } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { Heatmap } from '../../ui/Heatmap';
import styles from './Traces.module.css';

interface Props {
  time: string | undefined;
  filters: queries.TraceFilters;
  live: boolean;
}

export function Heat({ time, filters, live, onSelect }: Props & { onSelect: (range: HeatRange) => void }) {
  const { data, error } = useQuery(xray.heatmap(time, filters, live));
  const heat = useMemo(() => data && heatOf({ ...data, start_ms: msFromNano(data.start_unix_nano) }), [data]);
  // The list below says what is wrong with the question.
  if (isUnreadable(error)) return null;
  if (error) {
    return (
      <div className={styles.overview}>
        <p className={styles.quiet}>The heatmap could not be drawn: {error.message}</p>
      </div>
    );
  }
  return (
    <div className={styles.overview} data-waiting={!heat}>
      {heat && <Heatmap title="Duration over time" axes={heat.axes} cells={[...heat.cells]} onSelect={onSelect} />}
    </div>
  );
}

export function Counts({ time, filters, live, onZoom }: Props & { onZoom: (range: { start: number; end: number }) => void }) {
  const { data } = useQuery(queries.tracesHistogram(time, filters, live));
  if (!data) return <div className={styles.overview} data-waiting="true" />;
  const shared = { height: 110, start: msFromNano(data.start_unix_nano), step: data.step_seconds * 1000, onSelect: onZoom };
  return (
    <div className={styles.charts}>
      <Chart
        {...shared}
        title="Requests"
        kind="bars"
        format={count}
        series={[
          { label: 'errors', colour: 'var(--fault)', values: data.buckets.map((bucket) => bucket.errors) },
          { label: 'ok', colour: 'var(--bar-quiet)', values: data.buckets.map((bucket) => bucket.count - bucket.errors) },
        ]}
      />
      <Chart
        {...shared}
        title="Duration"
        kind="lines"
        format={duration}
        series={[
          { label: 'p95', colour: 'var(--accent)', values: data.buckets.map((bucket) => bucket.p95_ns) },
          { label: 'median', colour: 'var(--bar-quiet)', values: data.buckets.map((bucket) => bucket.p50_ns) },
        ]}
      />
    </div>
  );
}
