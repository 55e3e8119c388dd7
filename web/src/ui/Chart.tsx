// Series over time, drawn by uPlot: bars (stacked) or lines, markers on the axis, a drag across it zooms. uPlot comes in
// a chunk of its own, fetched when the first chart is shown; the space is kept meanwhile.
import { lazy, Suspense } from 'react';
import type { Marker } from './plotParts';
import styles from './Chart.module.css';

export interface ChartSeries {
  label: string;
  values: (number | null | undefined)[];
  /** Any CSS colour, `var(--x)` too. */
  colour: string;
}

export interface ChartProps {
  title: string;
  /** Milliseconds: start of the first bucket, length of one. */
  start: number;
  step: number;
  series: ChartSeries[];
  kind: 'bars' | 'lines';
  height?: number;
  format: (value: number) => string;
  markers?: Marker[];
  onSelect?: (range: { start: number; end: number }) => void;
}

const Plot = lazy(() => import('./ChartPlot'));

export function Chart(props: ChartProps) {
  const height = props.height ?? 120;
  return (
    <figure className={styles.chart} data-testid="chart">
      <figcaption className={styles.head}>
        <h2>{props.title}</h2>
        <span className={styles.keys}>
          {props.series.map((series) => (
            <span key={series.label} className={styles.key}>
              <i style={{ background: series.colour }} />
              {series.label}
            </span>
          ))}
        </span>
      </figcaption>
      <div className={styles.plot} style={{ height }}>
        <Suspense fallback={null}>
          <Plot {...props} height={height} />
        </Suspense>
      </div>
    </figure>
  );
}
