// Heatmaps of any field, and figures.
import { expect, test } from 'vitest';
import { changeText, formatOf, groupColours, keyText, overlaid } from './figures';
import { boxOf, cellsOf, cellUnder, linearTicks, shareOf, valueAt } from './heat';

const plain = (text: string) => text.replace(/\u00a0/g, ' ');
const series = [[{ low: 1, high: 2, count: 3 }, { low: 64, high: 128, count: 1 }], null, [{ low: 2, high: 4, count: 9 }]];

test('buckets become cells on a logarithmic axis', () => {
  const heat = cellsOf(series);
  expect(heat).toMatchObject({ steps: 3, bounds: [1, 2, 4, 64, 128], most: 9, logarithmic: true, low: 1, high: 128 });
  expect(shareOf(Math.sqrt(128), heat)).toBeCloseTo(0.5);
  expect(valueAt(0.5, heat)).toBeCloseTo(Math.sqrt(128));
  expect(cellUnder(0.1, shareOf(1.5, heat), heat)).toMatchObject({ step: 0, count: 3 });
  expect(cellUnder(0.5, 0.5, heat)).toBeUndefined();
});

test('a box holds whole steps and buckets, and is open where it reaches the end', () => {
  const heat = cellsOf(series);
  expect(boxOf({ x0: 0.4, y0: shareOf(3, heat), x1: 0.6, y1: shareOf(70, heat) }, heat)).toEqual({ firstStep: 1, endStep: 2, low: 2 });
  expect(boxOf({ x0: 0, y0: 0, x1: 1, y1: shareOf(3, heat) }, heat)).toEqual({ firstStep: 0, endStep: 3, high: 4 });
});

test('what is not positive, or lies close, has a linear axis', () => {
  expect(cellsOf([[{ low: -1, high: 1, count: 1 }]]).logarithmic).toBe(false);
  expect(cellsOf([[{ low: 10, high: 20, count: 1 }]]).logarithmic).toBe(false);
  expect(cellsOf([[{ low: 10, high: 20, count: 1 }]], 'log').logarithmic).toBe(true);
  expect(cellsOf([]).cells).toEqual([]);
  expect(linearTicks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
});

test('figures of one measure share a chart', () => {
  const value = (op: string, column?: string) => ({ op, column, kind: 'value' });
  const heat = { op: 'HEATMAP', column: 'duration_ms', kind: 'heatmap' };
  expect(overlaid([value('COUNT'), value('P50', 'duration_ms'), heat, value('MAX', 'duration_ms'), value('CONCURRENCY'), heat])).toEqual([[0, 4], [1, 3], [2], [5]]);
});

test('figures', () => {
  const ms = formatOf({ op: 'P95', column: 'duration_ms' });
  expect([1.5, 1240].map((value) => plain(ms(value)))).toEqual(['1.5 ms', '1.24 s']);
  expect(formatOf({ op: 'COUNT' })(12_345)).toBe('12.3k');
  expect(formatOf({ op: 'COUNT_DISTINCT', column: 'duration_ms' })(3)).toBe('3');
  expect(formatOf({ op: 'AVG', column: 'x' })(0.12345)).toBe('0.12');
  expect(plain(formatOf({ op: 'SUM', column: 'http.response.body.size' })(2500))).toBe('2.50 kB');
  expect(keyText(['a', null, ''])).toBe('a, (none), (empty)');
  expect([[100, 50], [10, 100], [5, 5], [9, 2], [1, 0], [null, 3]].map(([now, before]) => changeText(now, before))).toEqual(['+100%', '−90%', '±0%', '×4.5', 'new', null]);
});

test('colours of groups are their own', () => {
  const some = groupColours([['a'], ['b'], ['c']], ['x']);
  expect(new Set(some).size).toBe(3);
  expect(groupColours([['a']], ['x'])[0]).toBe(some[0]);
});
