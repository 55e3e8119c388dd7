// The arithmetic of the waterfall. Spans come depth-first with their depth, so a subtree is a run of rows and nothing
// here has to build a tree: 20,000 spans are laid out in a few milliseconds.
import { nanoBetween } from './time';

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

export function place(spans: WaterfallSpan[], traceStart: string): Placed[] {
  const out: Placed[] = spans.map((span) => ({
    offset: nanoBetween(traceStart, span.start_time_unix_nano),
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

/** Rows left when the subtrees of `collapsed` are shut. */
export function visibleRows(placed: Placed[], collapsed: ReadonlySet<number>): number[] {
  const out: number[] = [];
  let i = 0;
  while (i < placed.length) {
    out.push(i);
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
