// The arithmetic of the waterfall. Spans come depth-first with their depth, so a subtree is a run of rows and nothing
// here has to build a tree: 20,000 spans are laid out in a few milliseconds.
import { nanoBetween } from './time';
import { duration } from './units';

export interface WaterfallSpan {
  trace_id: string;
  span_id: string;
  depth: number;
  service: string;
  name: string;
  receiver: string;
  start_time_unix_nano: string;
  duration_ns: number;
  attributes: Record<string, unknown>;
  /** What to add to its times to bring its clock in line with its parent's. */
  clock_skew_ns?: number;
}

export interface Placed {
  /** Nanoseconds after the start of the trace. */
  offset: number;
  duration: number;
  /** Index of the first span after this one's subtree. */
  next: number;
  /** Index of the parent row, -1 for a root. */
  parent: number;
}

/** Times stand as they were told, or `aligned`: moved by what the clocks seem to differ. */
export function place(spans: WaterfallSpan[], traceStart: string, aligned = false): Placed[] {
  const out: Placed[] = spans.map((span) => ({
    offset: nanoBetween(traceStart, span.start_time_unix_nano) + (aligned ? (span.clock_skew_ns ?? 0) : 0),
    duration: span.duration_ns,
    next: spans.length,
    parent: -1,
  }));
  const open: number[] = [];
  for (let i = 0; i < spans.length; i += 1) {
    const depth = (spans[i] as WaterfallSpan).depth;
    while (open.length > 0 && (spans[open[open.length - 1] as number] as WaterfallSpan).depth >= depth) {
      (out[open.pop() as number] as Placed).next = i;
    }
    (out[i] as Placed).parent = open[open.length - 1] ?? -1;
    open.push(i);
  }
  return out;
}

/** Length of the trace as drawn: the last end, also when a child outlives its root. */
export function totalNs(placed: Placed[], durationNs: number): number {
  let end = Math.max(1, durationNs);
  for (const p of placed) end = Math.max(end, p.offset + p.duration);
  return end;
}

/** Rows left when the subtrees of `collapsed` are shut, of those that are wanted at all. */
export function visibleRows(placed: Placed[], collapsed: ReadonlySet<number>, wanted?: (index: number) => boolean): number[] {
  const out: number[] = [];
  let i = 0;
  while (i < placed.length) {
    if (!wanted || wanted(i)) out.push(i);
    i = collapsed.has(i) ? (placed[i] as Placed).next : i + 1;
  }
  return out;
}

/** Shuts every span at `depth` and below that has children. */
export function collapsedAt(spans: WaterfallSpan[], placed: Placed[], depth: number): Set<number> {
  const out = new Set<number>();
  for (let i = 0; i < spans.length; i += 1) {
    if ((spans[i] as WaterfallSpan).depth >= depth && (placed[i] as Placed).next > i + 1) out.add(i);
  }
  return out;
}

/** What is folded: all below a depth, or nothing, and the spans that differ from that. */
export interface Folds {
  depth: number | null;
  changed: ReadonlySet<string>;
}

/** Folds of single spans that an address holds; beyond them it would be longer than some proxies let pass. */
const FOLDS_TOLD_MAX = 64;

/** `2,<span id>,<span id>`: all from depth 2 on is folded but for these two; without the figure these two are. */
export function foldsFromParam(param: string | undefined): Folds {
  const parts = (param ?? '').split(',').filter((part) => part !== '');
  const depth = parts.find((part) => /^\d{1,4}$/.test(part));
  return { depth: depth === undefined ? null : Number(depth), changed: new Set(parts.filter((part) => part !== depth)) };
}

export function paramFromFolds({ depth, changed }: Folds): string | undefined {
  const parts = [...(depth === null ? [] : [String(depth)]), ...[...changed].slice(0, FOLDS_TOLD_MAX)];
  return parts.length === 0 ? undefined : parts.join(',');
}

export function collapsedBy(spans: WaterfallSpan[], placed: Placed[], { depth, changed }: Folds): Set<number> {
  const out = depth === null ? new Set<number>() : collapsedAt(spans, placed, depth);
  if (changed.size === 0) return out;
  spans.forEach((span, i) => {
    if (changed.has(span.span_id) && (placed[i] as Placed).next > i + 1 && !out.delete(i)) out.add(i);
  });
  return out;
}

/** A stretch of the trace as `<from>-<to>` in nanoseconds after its start. */
export function stretchFromParam(param: string | undefined, total: number): [number, number] | null {
  const match = /^(\d{1,18})-(\d{1,18})$/.exec(param ?? '');
  if (!match) return null;
  const [from, to] = [Number(match[1]), Math.min(Number(match[2]), total)];
  return from < to ? [from, to] : null;
}

export function paramFromStretch(stretch: [number, number] | null): string | undefined {
  return stretch === null ? undefined : `${Math.floor(stretch[0])}-${Math.ceil(stretch[1])}`;
}

export function ancestors(placed: Placed[], index: number): number[] {
  const out: number[] = [];
  let at = placed[index]?.parent ?? -1;
  while (at >= 0) {
    out.push(at);
    at = placed[at]?.parent ?? -1;
  }
  return out;
}

/** Spans whose name, service, id or any attribute holds the text. */
export function matches(spans: WaterfallSpan[], text: string): number[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return [];
  const out: number[] = [];
  spans.forEach((span, i) => {
    if (
      span.name.toLowerCase().includes(wanted) ||
      span.service.toLowerCase().includes(wanted) ||
      span.span_id === wanted ||
      Object.entries(span.attributes).some(
        ([key, value]) => key.toLowerCase().includes(wanted) || String(value).toLowerCase().includes(wanted),
      )
    ) {
      out.push(i);
    }
  });
  return out;
}

/** Round steps for a ruler: 1, 2 or 5 times a power of ten. */
export function ticks(from: number, to: number, wanted: number): number[] {
  const span = to - from;
  if (!(span > 0) || wanted < 1) return [];
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * (raw / power > 5 ? 10 : raw / power > 2 ? 5 : raw / power > 1 ? 2 : 1);
  const out: number[] = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) out.push(t);
  return out;
}

/** Labels of a ruler. Where whole durations would read alike, the first is told and the others from there on. */
export function tickLabels(marks: number[]): string[] {
  const told = marks.map((ns) => (ns === 0 ? '0' : duration(ns)));
  if (new Set(told).size === told.length) return told;
  const first = marks[0] as number;
  return marks.map((ns, i) => (i === 0 ? (told[0] as string) : `+${duration(ns - first)}`));
}
