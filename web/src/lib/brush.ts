// From pixels to values and back, for what is chosen by dragging: a range of a histogram, a box of a heatmap.

/** Position 0..1 of a value on a logarithmic axis, and back. */
export function logShare(value: number, low: number, high: number): number {
  if (!(high > low) || low <= 0) return 0;
  return Math.max(0, Math.min(1, Math.log(Math.max(value, low) / low) / Math.log(high / low)));
}

export function logValue(share: number, low: number, high: number): number {
  return low * (high / low) ** Math.max(0, Math.min(1, share));
}

export interface Bar {
  from: number;
  to: number;
  count: number;
}

interface Entry {
  value_s: number;
  count: number;
}

/** Below a microsecond nothing is told apart. */
const LEAST_S = 1e-6;

/** Values and counts in bars of equal width on a logarithmic axis; the ends are round, so that bars keep their place. */
export function histogramBars(entries: readonly Entry[], barsPerDecade = 12): Bar[] {
  const list = entries.filter((entry) => entry.count > 0);
  if (list.length === 0) return [];
  const index = (value: number) => Math.floor(Math.log10(Math.max(value, LEAST_S)) * barsPerDecade + 1e-9);
  let first = Math.min(...list.map((entry) => index(entry.value_s)));
  let last = Math.max(...list.map((entry) => index(entry.value_s)));
  // One bar alone tells nothing of the scale: at least a decade is shown.
  while (last - first + 1 < barsPerDecade) {
    last += 1;
    if (last - first + 1 < barsPerDecade) first -= 1;
  }
  const bars = Array.from({ length: last - first + 1 }, (_, i) => ({ from: 10 ** ((first + i) / barsPerDecade), to: 10 ** ((first + i + 1) / barsPerDecade), count: 0 }));
  for (const entry of list) (bars[index(entry.value_s) - first] as Bar).count += entry.count;
  return bars;
}

export interface Range {
  from: number;
  to: number;
}

/** Two pixels of a histogram as the range of the whole bars they touch. */
export function barRange(a: number, b: number, width: number, bars: readonly Bar[]): Range | null {
  if (bars.length === 0 || width <= 0) return null;
  const at = (px: number) => Math.max(0, Math.min(bars.length - 1, Math.floor((px / width) * bars.length)));
  const first = bars[at(Math.min(a, b))] as Bar;
  const last = bars[at(Math.max(a, b))] as Bar;
  return { from: first.from, to: last.to };
}

export function countWithin(bars: readonly Bar[], range: Range): number {
  // A bar belongs to a range when its middle does: the ends come back from an address rounded.
  return bars.reduce((sum, bar) => {
    const middle = Math.sqrt(bar.from * bar.to);
    return middle >= range.from && middle <= range.to ? sum + bar.count : sum;
  }, 0);
}

// Heatmap

export interface HeatAxes {
  /** Milliseconds: start of the first step, length of one, how many. */
  start: number;
  step: number;
  steps: number;
  /** Lower bounds of the rows in nanoseconds, from the quickest up; the last is the upper end. */
  bounds: number[];
}

const ROWS_LEAST = 8;

interface HeatLike {
  start_ms: number;
  step_seconds: number;
  steps: number;
  bucket_bounds_ns: readonly number[];
  cells: readonly { step: number; bucket: number; count: number; errors: number }[];
}

/**
 * The axes of an answer and its cells on them. Rows beyond the quickest and slowest are left out, but for one at
 * either side.
 */
export function heatOf(answer: HeatLike): { axes: HeatAxes; cells: HeatLike['cells'] } {
  const bounds = [...answer.bucket_bounds_ns];
  // An open last row gets an end, and one from nothing a beginning, each of the size of its neighbour.
  const highest = answer.cells.reduce((most, cell) => Math.max(most, cell.bucket), 0);
  while (bounds.length < highest + 2) bounds.push((bounds[bounds.length - 1] ?? 1e6) * ratioOf(bounds));
  if (bounds[0] === 0 && bounds.length > 1) bounds[0] = (bounds[1] as number) / ratioOf(bounds.slice(1));
  const used = answer.cells.map((cell) => cell.bucket);
  let low = Math.max(0, Math.min(...used, bounds.length - 1) - 1);
  let high = Math.min(bounds.length - 1, Math.max(...used, 0) + 2);
  if (used.length === 0) [low, high] = [0, bounds.length - 1];
  while (high - low < ROWS_LEAST && (low > 0 || high < bounds.length - 1)) {
    if (high < bounds.length - 1) high += 1;
    if (low > 0 && high - low < ROWS_LEAST) low -= 1;
  }
  const step = answer.step_seconds * 1000;
  const steps = Math.max(1, answer.steps);
  return {
    axes: { start: answer.start_ms, step, steps, bounds: bounds.slice(low, high + 1) },
    cells: answer.cells.map((cell) => ({ ...cell, bucket: cell.bucket - low })),
  };
}

function ratioOf(bounds: readonly number[]): number {
  const [a, b] = [bounds[bounds.length - 2], bounds[bounds.length - 1]];
  return a !== undefined && b !== undefined && a > 0 && b > a ? b / a : 2;
}

export interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

export interface HeatRange {
  start: number;
  end: number;
  /** Null where the box reaches the end of the axis: nothing is cut there. */
  min_ns: number | null;
  max_ns: number | null;
}

/** The rows and steps a box of pixels touches, as a range of time and of duration. */
export function boxRange(box: Box, width: number, height: number, axes: HeatAxes): HeatRange {
  const rows = axes.bounds.length - 1;
  const clamp = (value: number, most: number) => Math.max(0, Math.min(most, value));
  const first = clamp(Math.floor((Math.min(box.x0, box.x1) / width) * axes.steps), axes.steps - 1);
  const last = clamp(Math.ceil((Math.max(box.x0, box.x1) / width) * axes.steps), axes.steps);
  const low = clamp(Math.floor((1 - Math.max(box.y0, box.y1) / height) * rows), rows - 1);
  const high = clamp(Math.ceil((1 - Math.min(box.y0, box.y1) / height) * rows), rows);
  return {
    start: axes.start + first * axes.step,
    end: axes.start + Math.max(first + 1, last) * axes.step,
    min_ns: low === 0 ? null : (axes.bounds[low] ?? null),
    max_ns: Math.max(low + 1, high) >= rows ? null : (axes.bounds[Math.max(low + 1, high)] ?? null),
  };
}

export function cellAt(x: number, y: number, width: number, height: number, axes: HeatAxes): { step: number; bucket: number } | null {
  if (x < 0 || y < 0 || x >= width || y >= height) return null;
  const rows = axes.bounds.length - 1;
  return { step: Math.floor((x / width) * axes.steps), bucket: rows - 1 - Math.floor((y / height) * rows) };
}

/** How strong a cell is drawn, 0.12..1: the eye compares ratios, and one request must show beside ten thousand. */
export function strength(count: number, most: number): number {
  if (count <= 0 || most <= 0) return 0;
  return 0.12 + 0.88 * (Math.log1p(count) / Math.log1p(most));
}

const ROUND = [1, 2, 5];

/** Round values of a logarithmic axis: powers of ten, and 2 and 5 of each where there is room. */
export function logTicks(low: number, high: number, wanted: number): number[] {
  if (!(high > low) || low <= 0) return [];
  const decades = Math.log10(high / low);
  const steps = decades * 3 <= wanted ? ROUND : decades <= wanted ? [1] : [1];
  const every = decades > wanted ? Math.ceil(decades / wanted) : 1;
  const out: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    if (power % every !== 0) continue;
    for (const step of steps) {
      const value = step * 10 ** power;
      if (value >= low * 0.999 && value <= high * 1.001) out.push(value);
    }
  }
  return out;
}
