// How an objective's budget went over its period, and the bad events that took it.
import type { SloWhole } from '../../../api/slos';
import { msFromNano } from '../../../lib/time';
import { count } from '../../../lib/units';
import { SeriesChart } from '../../../ui/SeriesChart';
import { share } from './parts';
import styles from './Slo.module.css';

interface Props {
  whole: SloWhole;
  height: number;
  /** A range that is dragged; without it nothing can be. */
  onZoom?: (range: { start: number; end: number }) => void;
  /** One above the other, in a narrow place. */
  stacked?: boolean;
}

const none = () => undefined;

/** The budget over the period, with a mark where an alert fired. */
export function BudgetLeft({ whole, height, onZoom = none }: Props) {
  const { start_unix_nano: start, step_seconds: step, budget_remaining: left } = whole.burn_down;
  const marks = whole.history.filter((one) => one.changed && one.state === 'triggered').map((one) => ({ ms: msFromNano(one.time_unix_nano), label: 'alert' }));
  return <SeriesChart label="Budget left" start={msFromNano(start)} step={step * 1000} series={[{ label: 'budget left', values: left, colour: 'var(--accent)' }]} kind="lines" height={height} format={share} tick={share} markers={marks} onSelect={onZoom} />;
}

/** Both. */
export function BurnDown({ whole, height, onZoom, stacked = false }: Props) {
  const { start_unix_nano: start, step_seconds: step, bad } = whole.burn_down;
  return (
    <div className={styles.charts} data-stacked={stacked}>
      <figure data-testid="burn-down">
        <figcaption>
          <h2>Budget left</h2>
          <span className="muted">over the {whole.slo.period_days} days before each moment</span>
        </figcaption>
        <BudgetLeft whole={whole} height={height} onZoom={onZoom} />
      </figure>
      <figure>
        <figcaption>
          <h2>Bad events</h2>
          {onZoom && <span className="muted">drag to look at those of a time</span>}
        </figcaption>
        <SeriesChart label="Bad events" start={msFromNano(start)} step={step * 1000} series={[{ label: 'bad', values: bad, colour: 'var(--fault)' }]} kind="areas" height={height} format={count} tick={count} onSelect={onZoom ?? none} />
      </figure>
    </div>
  );
}
