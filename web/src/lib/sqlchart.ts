// An answer's table as a picture, where it has one: numbers over time, one line a group, or bars of a name and a number.

export interface ColumnLike {
  name: string;
  type: string;
}

export type Picture =
  | { kind: 'time'; start: number; step: number; charts: { name: string; series: { label: string; values: (number | null)[] }[] }[]; groupsLeft: number }
  | { kind: 'bars'; charts: { name: string; bars: { label: string; value: number }[] }[] };

const NUMERIC = /int|float|decimal|double/i;
const TIMES = /timestamp|date/i;
/** More groups than this nobody tells apart. */
const GROUPS_MAX = 20;
const BARS_MAX = 40;
/** Steps of an axis; times that lie less evenly are no series. */
const STEPS_MAX = 2_000;

export function pictureOf(columns: readonly ColumnLike[], rows: readonly (readonly unknown[])[]): Picture | null {
  const places = columns.map((column, i) => ({ ...column, i }));
  const time = places.find((one) => TIMES.test(one.type));
  const numbers = places.filter((one) => NUMERIC.test(one.type));
  const names = places.filter((one) => one !== time && !NUMERIC.test(one.type));
  if (numbers.length === 0 || rows.length === 0) return null;
  const label = (row: readonly unknown[]) => names.map((one) => String(row[one.i] ?? '(none)')).join(', ');
  if (!time) {
    if (names.length === 0) return null;
    const charts = numbers.map((number) => ({ name: number.name, bars: rows.slice(0, BARS_MAX).map((row) => ({ label: label(row), value: Number(row[number.i] ?? 0) })) }));
    return { kind: 'bars', charts };
  }
  const at = (row: readonly unknown[]) => Date.parse(String(row[time.i] ?? ''));
  const moments = [...new Set(rows.map(at).filter(Number.isFinite))].sort((a, b) => a - b);
  if (moments.length < 2) return null;
  const step = moments.slice(1).reduce((least, moment, i) => Math.min(least, moment - (moments[i] as number)), Infinity);
  const start = moments[0] as number;
  const steps = Math.round(((moments[moments.length - 1] as number) - start) / step) + 1;
  if (steps > STEPS_MAX) return null;
  const groups = [...new Set(rows.map(label))];
  const kept = groups.slice(0, GROUPS_MAX);
  const charts = numbers.map((number) => {
    const series = new Map(kept.map((group) => [group, Array.from({ length: steps }, (): number | null => null)]));
    for (const row of rows) {
      const moment = at(row);
      const value = row[number.i];
      if (Number.isFinite(moment) && typeof value === 'number') (series.get(label(row)) ?? [])[Math.round((moment - start) / step)] = value;
    }
    return { name: number.name, series: kept.map((group) => ({ label: names.length > 0 ? group : number.name, values: series.get(group) ?? [] })) };
  });
  return { kind: 'time', start, step, charts, groupsLeft: groups.length - kept.length };
}
