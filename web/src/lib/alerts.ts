// What is watched, whoever's words it is written in: one list of triggers, alarms and objectives.
import type { Alarm, Trigger } from '../api/alerts';
import type { Slo } from '../api/slos';
import { formatOf, number } from './figures';
import { label, questionOf, titleOf } from './question';
import { duration, percent } from './units';

export type AlertState = 'firing' | 'warning' | 'error' | 'unknown' | 'ok' | 'off';

export interface AlertRow {
  key: string;
  kind: 'trigger' | 'alarm' | 'slo';
  id: string;
  name: string;
  state: AlertState;
  /** Its state in its own system's word. */
  word: string;
  condition: string;
  note: string;
  /** When it came to be so, or was last asked. */
  since: string | null;
  tells: number;
}

const RANK: Readonly<Record<AlertState, number>> = { firing: 0, warning: 1, error: 2, unknown: 3, ok: 4, off: 5 };

const TRIGGER: Readonly<Record<Trigger['state'], AlertState>> = { triggered: 'firing', error: 'error', pending: 'unknown', ok: 'ok', disabled: 'off' };
const ALARM: Readonly<Record<Alarm['state'], AlertState>> = { ALARM: 'firing', INSUFFICIENT_DATA: 'unknown', OK: 'ok' };
const SLO: Readonly<Record<Slo['state'], AlertState>> = { exhausted: 'firing', warning: 'warning', no_data: 'unknown', pending: 'unknown', ok: 'ok' };

/** How figures of a trigger are written. */
export function triggerFormat(trigger: Pick<Trigger, 'query' | 'baseline'>): (value: number) => string {
  const { calculations: [calculation], formulas } = questionOf(trigger.query);
  return calculation && formulas.length === 0 && trigger.baseline?.type !== 'percentage' ? formatOf(calculation) : number;
}

/** `P95(duration_ms) > 500 ms by route, every 5 min` */
export function triggerCondition(trigger: Pick<Trigger, 'query' | 'threshold' | 'frequency_seconds' | 'baseline' | 'dataset'>): string {
  const question = questionOf(trigger.query);
  const what = question.formulas[0]?.name ?? (question.calculations[0] ? label(question.calculations[0]) : 'COUNT');
  const rest = titleOf({ ...question, calculations: [], formulas: [] }).replace(/^COUNT/, '');
  const { op, value } = trigger.threshold;
  const before = trigger.baseline ? ` ${trigger.baseline.type === 'percentage' ? '% ' : ''}against ${duration(trigger.baseline.offset_minutes * 60e9)} before` : '';
  const of = trigger.dataset === '__all__' ? '' : ` in ${trigger.dataset}`;
  return `${what} ${op} ${triggerFormat(trigger)(value)}${before}${rest}${of}, every ${duration(trigger.frequency_seconds * 1e9)}`;
}

export function sloCondition(slo: Pick<Slo, 'target' | 'period_days' | 'sli'>): string {
  return `${Number((slo.target * 100).toFixed(4))}% of events ${slo.sli === '' ? 'good' : `with ${slo.sli}`} over ${slo.period_days} days`;
}

export function alertRows(triggers: readonly Trigger[], alarms: readonly Alarm[], slos: readonly Slo[]): AlertRow[] {
  const rows: AlertRow[] = [
    ...triggers.map((one): AlertRow => ({
      key: `trigger:${one.id}`, kind: 'trigger', id: one.id, name: one.name, state: TRIGGER[one.state], word: one.state, condition: triggerCondition(one), since: one.last_evaluated_unix_nano, tells: one.recipients.length,
      note: one.last_error ?? (one.last_value === null ? '' : triggerFormat(one)(one.last_value)),
    })),
    ...alarms.map((one): AlertRow => ({
      key: `alarm:${one.name}`, kind: 'alarm', id: one.name, name: one.name, state: ALARM[one.state], word: one.state === 'INSUFFICIENT_DATA' ? 'no data' : one.state === 'ALARM' ? 'alarm' : 'ok', condition: one.condition, since: one.state_since_unix_nano,
      tells: one.actions_enabled ? new Set([...one.actions.alarm, ...one.actions.ok, ...one.actions.insufficient_data]).size : 0, note: '',
    })),
    ...slos.map((one): AlertRow => ({
      key: `slo:${one.id}`, kind: 'slo', id: one.id, name: one.name, state: one.error ? 'error' : SLO[one.state], word: one.error ? 'error' : one.state.replace('_', ' '), condition: sloCondition(one), since: one.computed_to_unix_nano,
      tells: new Set(one.burn_alerts.flatMap((alert) => alert.recipients.map((recipient) => recipient.id))).size,
      note: one.total > 0 ? `${one.budget_remaining < 0 ? `−${percent(-one.budget_remaining)}` : percent(one.budget_remaining)} of the budget left` : '',
    })),
  ];
  return rows.sort((a, b) => RANK[a.state] - RANK[b.state] || a.name.localeCompare(b.name));
}

/** What is called how, by its id: triggers, the objectives of burn alerts, recipients. */
export function namesOf(triggers: readonly Pick<Trigger, 'id' | 'name'>[], slos: readonly Pick<Slo, 'name' | 'burn_alerts'>[], recipients: readonly { id: string; name?: string | null; target: string }[]): Map<string, string> {
  return new Map([
    ...triggers.map((one) => [one.id, one.name] as const),
    ...slos.flatMap((one) => one.burn_alerts.map((alert) => [alert.id, `of ${one.name}`] as const)),
    ...recipients.map((one) => [one.id, one.name || one.target] as const),
  ]);
}

/** A moment that may come as a number of nanoseconds or its text. */
export const nanoText = (nano: number | string): string => (typeof nano === 'number' ? BigInt(Math.round(nano)).toString() : nano);

/** Where a delivery came from, in words; `names` of ids that are known. */
export function originWords(origin: string, names: ReadonlyMap<string, string> = new Map()): string {
  const at = origin.indexOf(':');
  const id = origin.slice(at + 1);
  const kind = at < 0 ? origin : origin.slice(0, at);
  const words: Readonly<Record<string, string>> = { 'cloudwatch.alarm': 'alarm', 'honeycomb.trigger': 'trigger', 'honeycomb.triggers': 'trigger', 'honeycomb.burn_alert': 'burn alert', 'honeycomb.burn_alerts': 'burn alert', 'honeycomb.recipient': 'recipient', 'rollbar.rule': 'rule', test: 'test' };
  return at < 0 ? (words[kind] ?? kind) : `${words[kind] ?? kind} ${names.get(id) ?? id}`;
}
