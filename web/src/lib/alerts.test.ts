import { describe, expect, it } from 'vitest';
import type { Alarm, Trigger } from '../api/alerts';
import type { Slo } from '../api/slos';
import { alertRows, namesOf, nanoText, originWords, sloCondition, triggerCondition } from './alerts';

const trigger = { id: 't', name: 'slow', state: 'ok', dataset: '__all__', query: { calculations: [{ op: 'P95', column: 'duration_ms' }], breakdowns: ['http.route'] }, threshold: { op: '>', value: 500 }, frequency_seconds: 300, baseline: null, recipients: [], last_value: 12, last_error: null, last_evaluated_unix_nano: '1' } as unknown as Trigger;
const alarm = { name: 'high', state: 'ALARM', condition: 'Latency > 5', state_since_unix_nano: '2', actions_enabled: true, actions: { alarm: ['a'], ok: ['a'], insufficient_data: [] } } as unknown as Alarm;
const slo = { id: 's', name: 'fast', state: 'ok', target: 0.999, period_days: 30, sli: 'is_fast', total: 10, budget_remaining: -0.5, burn_alerts: [], computed_to_unix_nano: '3' } as unknown as Slo;

describe('alerts', () => {
  it('says what is watched', () => {
    expect(triggerCondition(trigger).replace(/\u00a0/g, ' ')).toBe('P95(duration_ms) > 500 ms by http.route, every 5 min');
    expect(sloCondition(slo)).toBe('99.9% of events with is_fast over 30 days');
  });

  it('puts first what is wrong', () => {
    const rows = alertRows([trigger], [alarm], [slo]);
    expect(rows.map((row) => [row.kind, row.state, row.tells])).toEqual([
      ['alarm', 'firing', 1],
      ['slo', 'ok', 0],
      ['trigger', 'ok', 0],
    ]);
    expect(rows[1]?.note).toMatch(/^−50%/);
  });

  it('reads origins and moments', () => {
    expect(originWords('cloudwatch.alarm:High')).toBe('alarm High');
    expect(originWords('test')).toBe('test');
    const names = namesOf([{ id: 't', name: 'slow' }], [{ name: 'Requests succeed', burn_alerts: [{ id: 'b' }] } as never], [{ id: 'r', name: '', target: 'ops@example.com' }]);
    expect(['honeycomb.trigger:t', 'honeycomb.burn_alert:b', 'honeycomb.recipient:r', 'honeycomb.trigger:gone'].map((origin) => originWords(origin, names))).toEqual(['trigger slow', 'burn alert of Requests succeed', 'recipient ops@example.com', 'trigger gone']);
    expect(nanoText('17')).toBe('17');
    expect(nanoText(1700000000000000000)).toBe('1700000000000000000');
  });
});
