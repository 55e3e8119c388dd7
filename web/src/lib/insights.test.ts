import { describe, expect, it } from 'vitest';
import { chartOf, fieldWritten, ordered, wantsCommand, withEntry } from './insights';

const columns = [
  { name: 'bin(1m)', type: 'timestamp' },
  { name: 'level', type: 'string' },
  { name: 'lines', type: 'int64' },
];

describe('charts of answers', () => {
  it('draws a series for each label over time, with gaps', () => {
    const chart = chartOf(columns, [
      ['2026-11-21T12:02:00Z', 'info', 5],
      ['2026-11-21T12:00:00Z', 'info', 3],
      ['2026-11-21T12:01:00Z', 'error', '9'],
    ]);
    expect(chart).toMatchObject({ kind: 'time', step: 60_000, more: 0, series: [{ label: 'error', values: [null, 9, null] }, { label: 'info', values: [3, null, 5] }] });
  });
  it('draws bars where there is no time, the longest first', () => {
    const chart = chartOf(columns.slice(1), [['info', 5], ['error', 9]]);
    expect(chart).toEqual({ kind: 'bars', measure: 'lines', rows: [{ label: 'error', value: 9 }, { label: 'info', value: 5 }], more: 0 });
  });
  it('draws nothing of what has no figures or one row', () => {
    expect(chartOf(columns.slice(0, 2), [['2026-11-21T12:02:00Z', 'a'], ['2026-11-21T12:03:00Z', 'b']])).toBeNull();
    expect(chartOf(columns, [['2026-11-21T12:02:00Z', 'a', 1]])).toBeNull();
  });
  it('puts the newest first where a query says no order', () => {
    const rows = [['2026-11-21T12:00:00Z', 'a', 1], ['2026-11-21T12:02:00Z', 'b', 2], ['2026-11-21T12:02:00Z', 'a', 3]];
    expect(ordered('stats count(*) by bin(1m), level', columns, rows).map((row) => row[2])).toEqual([2, 3, 1]);
    for (const query of ['stats count(*) as n by bin(1m) | sort n', 'SELECT 1 ORDER BY 1']) expect(ordered(query, columns, rows), query).toBe(rows);
    expect(ordered('stats count(*) by level', columns.slice(1), rows)).toBe(rows);
  });
  it('knows where a command begins', () => {
    for (const [before, wanted] of [['', true], ['fi', true], ['fields a | ', true], ['fields a | st', true], ['fields @m', false], ['stats count(', false]] as const) expect(wantsCommand(before), before).toBe(wanted);
  });
  it('quotes fields that need it', () => {
    expect(['@message', 'service.name', 'a-b'].map(fieldWritten)).toEqual(['@message', 'service.name', '`a-b`']);
  });
  it('remembers each query once, the newest first', () => {
    const one = { query: 'a', groups: [], at: 1 };
    expect(withEntry([one, { ...one, query: 'b' }], { ...one, query: 'b ', at: 2 }).map((entry) => entry.query)).toEqual(['b ', 'a']);
  });
});
