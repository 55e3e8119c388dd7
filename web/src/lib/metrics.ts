// Figures of metrics in the units that people send: UCUM's of OpenTelemetry, CloudWatch's words.
import { number } from './figures';
import { bytes, duration } from './units';

const SECONDS: Readonly<Record<string, number>> = { ns: 1, nanoseconds: 1, us: 1e3, microseconds: 1e3, ms: 1e6, milliseconds: 1e6, s: 1e9, seconds: 1e9, min: 6e10, h: 3.6e12 };
const BYTES: Readonly<Record<string, number>> = { by: 1, bytes: 1, kib: 1024, kibibytes: 1024, kby: 1e3, kilobytes: 1e3, mib: 1_048_576, mby: 1e6, megabytes: 1e6, gib: 1_073_741_824, gby: 1e9, gigabytes: 1e9 };
/** What is counted, not measured: the name of the metric says it. */
const NO_UNIT = /^(1|none|count|\{[^}]*\})?$/i;

/** How values of a metric are written, by its unit and what was reckoned. */
export function metricFormat(unit: string, aggregation: string): (value: number) => string {
  if (aggregation === 'count') return number;
  const each = aggregation === 'rate' ? '/s' : '';
  const known = unit.toLowerCase();
  const nanos = SECONDS[known];
  // Seconds per second are a share.
  if (nanos !== undefined) return each ? (value) => `${number((value * nanos) / 1e9)} s/s` : (value) => (value < 0 ? `−${duration(-value * nanos)}` : duration(value * nanos));
  const size = BYTES[known];
  if (size !== undefined) return (value) => `${value < 0 ? '−' : ''}${bytes(Math.abs(value) * size)}${each}`;
  if (known === 'percent' || known === '%') return (value) => `${number(value)}%${each}`;
  if (NO_UNIT.test(unit)) return (value) => `${number(value)}${each}`;
  return (value) => `${number(value)} ${unit}${each}`;
}

const AGGREGATIONS: Readonly<Record<string, string>> = { avg: 'mean', min: 'least', max: 'largest', sum: 'sum', count: 'number of values', last: 'last value', rate: 'per second' };

/** What an aggregation is, in words. */
export function aggregationWords(name: string): string {
  return AGGREGATIONS[name] ?? (/^p\d/.test(name) ? `${name.slice(1)}% are below` : name);
}

export interface Family<T> {
  name: string;
  members: T[];
}

/** Metrics by CloudWatch's namespace, or by the first word of their name where several share it. */
export function families<T extends { name: string; namespace: string | null }>(metrics: readonly T[]): Family<T>[] {
  const first = (name: string) => name.split(/[._/:-]/, 1)[0] ?? name;
  const shared = new Map<string, number>();
  for (const one of metrics) if (one.namespace === null) shared.set(first(one.name), (shared.get(first(one.name)) ?? 0) + 1);
  const found = new Map<string, T[]>();
  for (const one of metrics) {
    const name = one.namespace ?? ((shared.get(first(one.name)) ?? 0) > 1 ? first(one.name) : 'others');
    const list = found.get(name);
    if (list) list.push(one);
    else found.set(name, [one]);
  }
  return [...found].map(([name, members]) => ({ name, members })).sort((a, b) => Number(a.name === 'others') - Number(b.name === 'others') || a.name.localeCompare(b.name));
}

/** Least, mean, largest and last of a line. */
export function figuresOf(values: readonly (number | null)[]): { min: number; avg: number; max: number; last: number } | null {
  const known = values.filter((value): value is number => value !== null);
  const last = known.at(-1);
  if (last === undefined) return null;
  return { min: Math.min(...known), avg: known.reduce((sum, value) => sum + value, 0) / known.length, max: Math.max(...known), last };
}

