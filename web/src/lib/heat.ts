// Values over time as a heatmap: the buckets of an answer as cells, a scale for them, and a box as a range of values.
import { logTicks } from './brush';

export interface Bucket {
  low: number;
  high: number;
  count: number;
}

export interface HeatCells {
  cells: { step: number; low: number; high: number; count: number }[];
  steps: number;
  /** Every bound there is, from the least. */
  bounds: number[];
  most: number;
  logarithmic: boolean;
  low: number;
  high: number;
}

/** Below this ratio of largest to least a linear scale shows as much. */
const LOG_FROM = 12;

export function cellsOf(series: readonly (readonly Bucket[] | null | undefined)[], scale?: 'log' | 'linear'): HeatCells {
  const cells = series.flatMap((buckets, step) => (buckets ?? []).map((bucket) => ({ step, ...bucket })));
  const bounds = [...new Set(cells.flatMap((cell) => [cell.low, cell.high]))].sort((a, b) => a - b);
  let [low, high] = [bounds[0] ?? 0, bounds[bounds.length - 1] ?? 1];
  const logarithmic = scale !== 'linear' && low > 0 && (scale === 'log' || high / low >= LOG_FROM);
  if (!(high > low)) [low, high] = logarithmic ? [low / 2, low * 2] : [low - 1, low + 1];
  return { cells, steps: series.length, bounds, most: cells.reduce((most, cell) => Math.max(most, cell.count), 0), logarithmic, low, high };
}

/** Where a value lies between the ends, 0 to 1, and back. */
export function shareOf(value: number, heat: Pick<HeatCells, 'low' | 'high' | 'logarithmic'>): number {
  const { low, high, logarithmic } = heat;
  const share = logarithmic ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
  return Math.max(0, Math.min(1, share));
}

export function valueAt(share: number, heat: Pick<HeatCells, 'low' | 'high' | 'logarithmic'>): number {
  const { low, high, logarithmic } = heat;
  return logarithmic ? low * (high / low) ** share : low + (high - low) * share;
}

export interface ValueBox {
  firstStep: number;
  /** One past the last. */
  endStep: number;
  /** Undefined where the box reaches the end of the axis. */
  low?: number;
  high?: number;
}

/** A box in shares of width and height (0 below) as whole steps and whole buckets. */
export function boxOf(box: { x0: number; y0: number; x1: number; y1: number }, heat: HeatCells): ValueBox {
  const [left, right] = [Math.min(box.x0, box.x1), Math.max(box.x0, box.x1)];
  const [below, above] = [Math.min(box.y0, box.y1), Math.max(box.y0, box.y1)];
  const firstStep = Math.max(0, Math.min(heat.steps - 1, Math.floor(left * heat.steps)));
  const endStep = Math.max(firstStep + 1, Math.min(heat.steps, Math.ceil(right * heat.steps)));
  const [least, most] = [valueAt(below, heat), valueAt(above, heat)];
  const low = [...heat.bounds].reverse().find((bound) => bound <= least);
  const high = heat.bounds.find((bound) => bound >= most);
  return {
    firstStep,
    endStep,
    ...(low === undefined || low <= heat.low ? {} : { low }),
    ...(high === undefined || high >= heat.high ? {} : { high }),
  };
}

export function cellUnder(x: number, y: number, heat: HeatCells): HeatCells['cells'][number] | undefined {
  const step = Math.floor(x * heat.steps);
  const value = valueAt(y, heat);
  return heat.cells.find((cell) => cell.step === step && cell.low <= value && value < cell.high);
}

/** Round values for an axis. */
export function ticksOf(heat: HeatCells, wanted: number): number[] {
  if (heat.logarithmic) return logTicks(heat.low, heat.high, wanted);
  return linearTicks(heat.low, heat.high, wanted);
}

export function linearTicks(low: number, high: number, wanted: number): number[] {
  const rough = (high - low) / Math.max(1, wanted);
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10) * power;
  const out: number[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) out.push(Number(at.toPrecision(12)));
  return out;
}
