// Figures of a calculation as people read them: by its unit where it has one, by the name of its field otherwise; and
// the colours of groups.
import { hash, serviceColour } from './colour';
import { bytes, count, duration, durationTick } from './units';

interface Calculated {
  op: string;
  column?: string | null;
  unit?: string | null;
}

const COUNTED = new Set(['COUNT', 'COUNT_DISTINCT', 'CONCURRENCY']);
const MILLIS = /(^|[._])(duration|latency|elapsed|time)?_?ms$/i;
const BYTES = /(^|[._])(bytes|body\.size)$/i;

export type Measure = 'ms' | 'ns' | 'bytes' | 'number';

/** What figures of this calculation measure: those of one measure can share an axis. */
export function measureOf({ op, column, unit }: Calculated): Measure {
  if (COUNTED.has(op)) return 'number';
  if (unit === 'ms' || (unit === undefined || unit === null ? column && MILLIS.test(column) : false)) return 'ms';
  if (unit === 'ns') return 'ns';
  return unit === 'bytes' || (column && BYTES.test(column)) ? 'bytes' : 'number';
}

/** How figures of this calculation are written; `axis` where they are round. */
export function formatOf(calculation: Calculated, axis = false): (value: number) => string {
  const time = axis ? durationTick : duration;
  return { ms: (value: number) => time(value * 1e6), ns: time, bytes, number }[measureOf(calculation)];
}

/** The places of calculations that are drawn in one chart: those of one measure; what is no line stays alone. */
export function overlaid(calculations: readonly (Calculated & { kind: string })[]): number[][] {
  const charts = new Map<string, number[]>();
  calculations.forEach((one, i) => {
    const chart = one.kind === 'heatmap' ? `heatmap ${i}` : measureOf(one);
    charts.set(chart, [...(charts.get(chart) ?? []), i]);
  });
  return [...charts.values()];
}

export function number(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) || size >= 10_000) return count(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 1) return String(Number(value.toPrecision(3)));
  return size < 1e-6 ? value.toExponential(1) : String(Number(value.toPrecision(2)));
}

/** A group's key in one line. */
export function keyText(key: readonly unknown[]): string {
  return key.map((cell) => (cell === null || cell === undefined ? '(none)' : cell === '' ? '(empty)' : String(cell))).join(', ');
}

const HUE_APART = 16;
const GOLDEN = 137.508;

/** A colour for each group: of its name, so that it stays when others come and go, and apart from those before it. */
export function groupColours(keys: readonly (readonly unknown[])[], breakdowns: readonly string[]): string[] {
  if (breakdowns.length === 1 && breakdowns[0] === 'service.name') return keys.map((key) => serviceColour(String(key[0] ?? '')));
  const taken: number[] = [];
  return keys.map((key) => {
    let hue = 48 + (hash(keyText(key)) % 300);
    for (let tries = 0; tries < 24 && taken.length < 18 && taken.some((other) => Math.abs(other - hue) < HUE_APART); tries += 1) hue = 48 + ((hue - 48 + GOLDEN) % 300);
    taken.push(hue);
    return `light-dark(oklch(0.58 0.13 ${hue.toFixed(0)}), oklch(0.72 0.12 ${hue.toFixed(0)}))`;
  });
}

/** How a figure changed: `+12%`, `×3.4`. Nothing where it cannot be said. */
export function changeText(now: number | null | undefined, before: number | null | undefined): string | null {
  if (typeof now !== 'number' || typeof before !== 'number' || before === 0) return typeof now === 'number' && before === 0 && now > 0 ? 'new' : null;
  const ratio = now / before;
  if (ratio >= 3) return `×${Number(ratio.toPrecision(2))}`;
  const share = Math.round((ratio - 1) * 100);
  return share === 0 ? '±0%' : `${share > 0 ? '+' : '−'}${Math.abs(share)}%`;
}
