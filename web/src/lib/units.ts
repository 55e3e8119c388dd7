// Figures as people read them. The blank between figure and unit does not break.
const NBSP = '\u00a0';

function digits(value: number, significant = 3): string {
  if (value === 0) return '0';
  const whole = Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.max(0, Math.min(2, significant - whole)));
}

/** `640 ns`, `85 µs`, `312 ms`, `1.24 s`, `2 min 3 s`, `1 h 4 min`. Milli- and microseconds of ten and more are whole. */
export function duration(ns: number): string {
  if (ns < 0) return `−${duration(-ns)}`;
  if (ns < 1000) return `${Math.round(ns)}${NBSP}ns`;
  if (ns < 999_500) return `${small(ns / 1e3)}${NBSP}µs`;
  if (ns < 999_500_000) return `${small(ns / 1e6)}${NBSP}ms`;
  const seconds = ns / 1e9;
  if (seconds < 59.95) return `${digits(seconds)}${NBSP}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return parts(Math.floor(whole / 60), 'min', whole % 60, 's');
  const minutes = Math.round(seconds / 60);
  return parts(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
}

/** A duration on an axis, where it is round: `10 s`, not `10.0 s`; `1.5 s`, not `1.50 s`. */
export const durationTick = (ns: number): string => duration(ns).replace(/(?:\.0+|(\.\d*[1-9])0+)(?=\u00a0)/, '$1');

const small = (value: number) => (value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : String(Math.round(value)));
const parts = (a: number, unitA: string, b: number, unitB: string) =>
  b === 0 ? `${a}${NBSP}${unitA}` : `${a}${NBSP}${unitA}${NBSP}${b}${NBSP}${unitB}`;

/** Whole below ten thousand, `12.3k`, `4.56M` above. Weighted counts may have a fraction; it is not shown. */
export function count(value: number): string {
  const n = Math.round(value);
  if (Math.abs(n) < 10_000) return n.toLocaleString('en-US');
  if (Math.abs(n) < 999_500) return `${digits(n / 1e3)}k`;
  if (Math.abs(n) < 999_500_000) return `${digits(n / 1e6)}M`;
  return `${digits(n / 1e9)}G`;
}

export function exact(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function percent(share: number): string {
  if (share === 0) return '0%';
  if (share < 0.001) return '<0.1%';
  if (share > 0.999 && share < 1) return '>99.9%';
  const value = share * 100;
  return `${value < 9.95 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value)}%`;
}

/** Requests a second when there are many, a minute when there are few. */
export function rate(total: number, seconds: number): string {
  if (seconds <= 0) return '–';
  const perSecond = total / seconds;
  if (perSecond >= 1 || perSecond === 0) return `${digits(perSecond)}/s`;
  return `${digits(perSecond * 60)}/min`;
}

/** `rate` where room is short: two digits. */
export function shortRate(perSecond: number): string {
  const two = (value: number) => (value >= 9.95 ? count(value) : value.toFixed(1));
  return perSecond >= 0.95 || perSecond === 0 ? `${perSecond === 0 ? '0' : two(perSecond)}/s` : `${two(perSecond * 60)}/min`;
}

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB'];

export function bytes(value: number): string {
  let rest = value;
  let unit = 0;
  while (rest >= 1000 && unit < SIZES.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(rest) : digits(rest)}${NBSP}${SIZES[unit]}`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}
