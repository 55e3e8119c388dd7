// Time as the API writes it (nanoseconds since 1970, in a string) and as people read it (local, UTC on hover).
// Milliseconds as a number keep microseconds exactly until the year 2255; where nanoseconds matter, BigInt is used.

export const MINUTE_MS = 60_000;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

export function msFromNano(nano: string): number {
  return Number(BigInt(nano) / 1000n) / 1000;
}

export function nanoFromMs(ms: number): string {
  return (BigInt(Math.round(ms * 1000)) * 1000n).toString();
}

/** `b - a` in nanoseconds. Exact: the difference of two times of one trace fits a double. */
export function nanoBetween(a: string, b: string): number {
  return Number(BigInt(b) - BigInt(a));
}

export interface TimeRange {
  start: number;
  end: number;
}

export const RANGES = ['5m', '15m', '1h', '3h', '12h', '24h', '3d', '7d', '30d'] as const;
export const RANGE_DEFAULT = '15m';
const UNIT_MS: Record<string, number> = { s: 1000, m: MINUTE_MS, h: HOUR_MS, d: DAY_MS };

/** Length of a relative range such as `15m`, or null when it is none. */
export function relativeMs(text: string): number | null {
  const match = /^(\d{1,5})([smhd])$/.exec(text);
  const unit = match && UNIT_MS[match[2] as string];
  return unit && Number(match[1]) > 0 ? Number(match[1]) * unit : null;
}

/**
 * The `time` parameter of the page's address: `1h` (until now) or `<start>..<end>` in RFC 3339.
 * Whatever cannot be read means the default range, so that an old link still opens.
 */
export function rangeFromParam(param: string | undefined, now: number): TimeRange {
  const absolute = param?.split('..');
  if (absolute?.length === 2) {
    const start = Date.parse(absolute[0] as string);
    const end = Date.parse(absolute[1] as string);
    if (start < end) return { start, end };
  }
  const length = relativeMs(param ?? RANGE_DEFAULT) ?? 15 * MINUTE_MS;
  return { start: now - length, end: now };
}

export function paramFromRange(range: TimeRange): string {
  return `${new Date(Math.floor(range.start)).toISOString()}..${new Date(Math.ceil(range.end)).toISOString()}`;
}

export function isRelative(param: string | undefined): boolean {
  return param === undefined || !param.includes('..');
}

/** Room around a moment, for links that carry a time range to another page. */
export function rangeAround(ms: number, marginMs = 5 * MINUTE_MS): string {
  return paramFromRange({ start: ms - marginMs, end: ms + marginMs });
}

const RANGE_WORDS: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day' };

export function labelFromParam(param: string | undefined, now: number): string {
  const text = param ?? RANGE_DEFAULT;
  const match = /^(\d+)([smhd])$/.exec(text);
  if (match) {
    const word = RANGE_WORDS[match[2] as string];
    return match[1] === '1' ? `Last ${word}` : `Last ${match[1]} ${word}s`;
  }
  const { start, end } = rangeFromParam(param, now);
  const sameDay = new Date(start).toDateString() === new Date(end).toDateString();
  const today = new Date(start).toDateString() === new Date(now).toDateString();
  const from = today && sameDay ? clock(start) : `${day(start)} ${clock(start)}`;
  return `${from} – ${sameDay ? clock(end) : `${day(end)} ${clock(end)}`}`;
}

const two = (n: number) => String(n).padStart(2, '0');
const three = (n: number) => String(n).padStart(3, '0');
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function clock(ms: number): string {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function clockMs(ms: number): string {
  return `${clock(ms)}.${three(Math.floor(((ms % 1000) + 1000) % 1000))}`;
}

export function day(ms: number): string {
  const d = new Date(ms);
  return `${d.getDate()} ${MONTHS[d.getMonth()]}`;
}

/** Local time; the day only when it is not today's. */
export function localTime(ms: number, now: number, withMs = true): string {
  const time = withMs ? clockMs(ms) : clock(ms);
  return new Date(ms).toDateString() === new Date(now).toDateString() ? time : `${day(ms)} ${time}`;
}

/** UTC to the nanosecond, for hovering and copying. */
export function utcFromNano(nano: string): string {
  const n = BigInt(nano);
  const seconds = new Date(Number(n / 1_000_000_000n) * 1000).toISOString().slice(0, 19).replace('T', ' ');
  return `${seconds}.${String(n % 1_000_000_000n).padStart(9, '0')} UTC`;
}

export function ago(ms: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 2) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ago`;
  return `${Math.floor(hours / 24)} days ago`;
}

/** Labels of a time axis: seconds where the axis is short, the day where it is long. */
export function axisLabel(ms: number, spanMs: number): string {
  const d = new Date(ms);
  if (spanMs <= 10 * MINUTE_MS) return clock(ms);
  if (spanMs <= 2 * DAY_MS) return `${two(d.getHours())}:${two(d.getMinutes())}`;
  return d.getHours() === 0 ? day(ms) : `${day(ms)} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];

/** Round moments in local time, at most as many as wanted. */
export function timeTicks(start: number, end: number, wanted: number): number[] {
  const step = (STEPS_S.find((one) => (end - start) / 1000 / one <= wanted) ?? 604_800) * 1000;
  const shift = new Date(start).getTimezoneOffset() * 60_000;
  const out: number[] = [];
  for (let at = Math.ceil((start - shift) / step) * step + shift; at < end; at += step) out.push(at);
  return out;
}
