import { describe, expect, it } from 'vitest';
import { families, figuresOf, metricFormat } from './metrics';

describe('metrics', () => {
  it('writes figures in their unit', () => {
    const plain = (unit: string, aggregation: string, value: number) => metricFormat(unit, aggregation)(value).replace(/\u00a0/g, ' ');
    expect(plain('ms', 'p95', 312)).toBe('312 ms');
    expect(plain('s', 'avg', 0.0125)).toBe('13 ms');
    expect(plain('Seconds', 'max', 2)).toMatch(/^2(\.0+)? s$/);
    expect(plain('By', 'rate', 2_500_000)).toMatch(/^2\.50? MB\/s$/);
    expect(plain('Percent', 'avg', 41.23)).toBe('41.2%');
    expect(plain('{request}', 'rate', 3)).toBe('3/s');
    expect(plain('1', 'last', 0.25)).toBe('0.25');
    expect(plain('ms', 'count', 12)).toBe('12');
    expect(plain('widgets', 'sum', 4)).toBe('4 widgets');
  });

  it('puts metrics into families', () => {
    const of = (name: string, namespace: string | null = null) => ({ name, namespace });
    const told = families([of('http.server.duration'), of('http.server.active'), of('jobs'), of('Latency', 'Shop')]).map((one) => [one.name, one.members.length]);
    expect(told).toEqual([['http', 2], ['Shop', 1], ['others', 1]]);
  });

  it('reckons over what is there', () => {
    expect(figuresOf([null, 1, 3, null])).toEqual({ min: 1, avg: 2, max: 3, last: 3 });
    expect(figuresOf([null])).toBeNull();
  });
});
