// How objectives are written: states, shares with the digits that matter, how long a budget lasts.
import type { BurnAlert, Slo } from '../../../api/slos';
import { duration } from '../../../lib/units';
import styles from './Slo.module.css';

const STATES: Record<Slo['state'], string> = { ok: 'on track', warning: 'at risk', exhausted: 'budget spent', no_data: 'no data', pending: 'counting…' };

/** Below these shares of the budget somebody should look, although no burn alert fires. */
const LOW = 0.25;
const ALMOST_SPENT = 0.1;

export function State({ slo: { state, budget_remaining: left } }: { slo: Slo }) {
  const isLow = state === 'ok' && left < ALMOST_SPENT;
  return (
    <span className={styles.state} data-state={isLow ? 'warning' : state} data-testid="slo-state">
      {isLow ? 'little left' : (STATES[state] ?? state)}
    </span>
  );
}

/** `99.95%`: as many digits as tell it from the target. */
export function share(value: number): string {
  const hundredfold = value * 100;
  const digits = Math.abs(hundredfold) >= 100 ? 0 : Math.abs(hundredfold) > 99 ? 3 : 1;
  return `${hundredfold < 0 ? '−' : ''}${Number(Math.abs(hundredfold).toFixed(digits))}%`;
}

export function lasts(seconds: number | null): string {
  if (seconds === null) return 'not in sight';
  const days = seconds / 86_400;
  return days >= 2 ? `${days >= 365 ? 'over a year' : `${days.toFixed(days < 10 ? 1 : 0)} days`}` : duration(Math.round(seconds) * 1e9);
}

/** What is left of the budget: a bar from the left, red to the left of nothing. */
export function BudgetBar({ left }: { left: number }) {
  const width = Math.min(1, Math.abs(left)) * 100;
  return (
    <span className={styles.budget} data-left={left <= 0 ? 'none' : left < LOW ? 'little' : 'enough'} role="img" aria-label={`${share(left)} of the budget left`}>
      <i style={{ width: `${width}%` }} />
    </span>
  );
}

export function burnAlertText(alert: BurnAlert): string {
  if (alert.alert_type === 'exhaustion_time') return `when the budget lasts less than ${lasts((alert.exhaustion_minutes ?? 0) * 60)}`;
  return `when ${share((alert.budget_rate_decrease_threshold_per_million ?? 0) / 1e6)} of the budget goes within ${lasts((alert.budget_rate_window_minutes ?? 0) * 60)}`;
}

export function burnAlertValue(alert: BurnAlert): string {
  if (alert.value === null) return '–';
  if (alert.alert_type === 'exhaustion_time' && alert.value <= 0) return 'nothing is left';
  return alert.alert_type === 'exhaustion_time' ? `lasts ${lasts(alert.value * 60)}` : `${share(alert.value / 1e6)} spent`;
}
