// Many series over time: lines or stacked areas, an earlier period dashed beneath, a logarithmic scale where wanted, and
// a range that stays chosen. Drawn by uPlot, which is fetched when the first chart is shown.
import { lazy, Suspense } from 'react';
import type { Marker } from './plotParts';
import styles from './Chart.module.css';

export interface SeriesTold {
  label: string;
  values: (number | null | undefined)[];
  colour: string;
  /** The same, one period earlier; step by step beside `values`. */
  before?: (number | null | undefined)[];
}

export interface SeriesChartProps {
  label: string;
  start: number;
  step: number;
  series: SeriesTold[];
  kind: 'lines' | 'areas';
  logarithmic?: boolean;
  height?: number;
  format: (value: number) => string;
  tick: (value: number) => string;
  markers?: Marker[];
  chosen?: { start: number; end: number } | null;
  /** The series that is looked at; the others step back. */
  focus?: number | null;
  onSelect: (range: { start: number; end: number }) => void;
  onFocus?: (series: number | null) => void;
  /** A click: the step, the nearest series and its value, and where on the screen. */
  onPoint?: (point: { start: number; end: number; series: number | null; value: number | null }, at: { x: number; y: number }) => void;
}

const Plot = lazy(() => import('./SeriesPlot'));

export function SeriesChart(props: SeriesChartProps) {
  const height = props.height ?? 150;
  return (
    <div className={styles.chart} data-testid="series-chart">
      <div className={styles.plot} style={{ height }}>
        <Suspense fallback={null}>
          <Plot {...props} height={height} />
        </Suspense>
        {!props.series.some((one) => one.values.some((value) => value !== null && value !== undefined)) && <span className={styles.nothing}>no values</span>}
      </div>
    </div>
  );
}
