// Gaps: time within a span in which none of its children ran. It is where the span did what no other span tells of.
import { duration } from './units';
import type { Placed } from './waterfall';

export interface GapSpan {
  service: string;
  name: string;
  kind: string;
  in_progress: boolean;
  /** What to add to its times to bring its clock in line. */
  clock_skew_ns: number;
  /** A linked trace tells of its parent's time again, so that it fills no gap. */
  linked_by?: string | null;
}

export interface Gap {
  /** Nanoseconds after the start of the trace. */
  from: number;
  to: number;
  /** The child that ended when the gap began; -1 when the gap is before all children. */
  before: number;
  /** The child that began when the gap ended; -1 when the gap is after all children. */
  after: number;
}

/** Shorter is within what clocks and the making of a span cost. */
const GAP_NS_MIN = 20_000;
/** A gap of a smaller share of its span explains nothing. */
const GAP_SHARE_MIN = 0.02;

/** Children of every span in order of their start, in two flat arrays: the children of `i` are `list[first[i] .. first[i + 1]]`. */
function childrenByStart(placed: Placed[], counts: (index: number) => boolean): { first: Int32Array; list: Int32Array } {
  const first = new Int32Array(placed.length + 1);
  placed.forEach(({ parent }, i) => {
    if (parent >= 0 && counts(i)) first[parent + 1] = (first[parent + 1] as number) + 1;
  });
  for (let i = 0; i < placed.length; i += 1) first[i + 1] = (first[i + 1] as number) + (first[i] as number);
  const list = new Int32Array(first[placed.length] as number);
  const next = first.slice();
  placed.forEach(({ parent }, i) => {
    if (parent < 0 || !counts(i)) return;
    const at = next[parent] as number;
    list[at] = i;
    next[parent] = at + 1;
  });
  const start = (i: number) => (placed[i] as Placed).offset;
  placed.forEach((_, i) => {
    const children = list.subarray(first[i], first[i + 1]);
    if (children.some((child, n) => n > 0 && start(children[n - 1] as number) > start(child))) children.sort((a, b) => start(a) - start(b));
  });
  return { first, list };
}

export interface SelfTimes {
  /** Of each span that has children and gaps worth telling, those gaps in order of time. */
  gaps: Map<number, Gap[]>;
  /** Nanoseconds of each span in which no child of it ran. */
  self: Float64Array;
}

/**
 * Clocks are brought in line first, or a child that seems to run before its parent would leave a gap that never was;
 * `told` are the times as they are drawn, and gaps are where their span is drawn.
 */
export function selfTimes(spans: GapSpan[], told: Placed[], aligned = false): SelfTimes {
  const skew = (i: number) => (aligned ? 0 : (spans[i]?.clock_skew_ns ?? 0));
  const placed = aligned ? told : told.map((one, i) => (skew(i) === 0 ? one : { ...one, offset: one.offset + skew(i) }));
  const { first, list } = childrenByStart(placed, (i) => !spans[i]?.linked_by);
  const gaps = new Map<number, Gap[]>();
  const self = new Float64Array(placed.length);
  placed.forEach((own, i) => {
    const end = own.offset + own.duration;
    const [begin, stop] = [first[i] as number, first[i + 1] as number];
    if (begin === stop) {
      self[i] = own.duration;
      return;
    }
    const least = Math.max(GAP_NS_MIN, own.duration * GAP_SHARE_MIN);
    const found: Gap[] = [];
    let until = own.offset;
    let before = -1;
    const free = (to: number, after: number) => {
      if (to <= until) return;
      self[i] = (self[i] as number) + to - until;
      // What a running span does after its last child is not over yet.
      const open = after < 0 && spans[i]?.in_progress;
      if (to - until >= least && !open) found.push({ from: until - skew(i), to: to - skew(i), before, after });
    };
    for (let n = begin; n < stop; n += 1) {
      const child = list[n] as number;
      const { offset, duration: length } = placed[child] as Placed;
      free(Math.min(offset, end), child);
      if (offset + length > until) {
        until = offset + length;
        before = child;
      }
    }
    free(end, -1);
    if (found.length > 0) gaps.set(i, found);
  });
  return { gaps, self };
}

export interface GapOf extends Gap {
  span: number;
}

/** The longest gaps of a trace: those that are at least a hundredth of it, or where none is, the longest there are. */
export function longestGaps(gaps: ReadonlyMap<number, Gap[]>, total: number, most: number): GapOf[] {
  const out: GapOf[] = [];
  for (const [span, list] of gaps) for (const gap of list) out.push({ ...gap, span });
  out.sort((a, b) => b.to - b.from - (a.to - a.from) || a.from - b.from);
  const matter = out.findIndex((gap) => gap.to - gap.from < total / 100);
  return out.slice(0, Math.min(most, matter > 0 ? matter : most));
}

const ANSWERS = new Set(['server', 'consumer']);

export interface GapTold {
  where: string;
  why: string;
}

/** Where a gap lies and what such a gap usually is. */
export function explainGap(spans: GapSpan[], index: number, gap: Gap): GapTold {
  const span = spans[index];
  const [before, after] = [spans[gap.before], spans[gap.after]];
  const where = before && after ? `between ${before.name} and ${after.name}` : after ? `before ${after.name}` : before ? `after ${before.name}` : '';
  if (!span) return { where, why: '' };
  return { where, why: `${usually(span, before, after)}${doubt(span, after ?? before)}` };
}

function usually(span: GapSpan, before: GapSpan | undefined, after: GapSpan | undefined): string {
  if (span.kind === 'producer' && after?.kind === 'consumer') return `The message waited to be taken by ${after.service}.`;
  if (span.kind === 'client' && !before && after && ANSWERS.has(after.kind)) return `The request was on its way: connecting, network, or waiting for a free worker of ${after.service}.`;
  if (span.kind === 'client' && before && !after && ANSWERS.has(before.kind)) return `The answer of ${before.service} was on its way back, or being read.`;
  return `No span tells what ${span.service} did here: its own code, waiting for a lock, a pool or the collector of garbage, or a call that is not instrumented.`;
}

function doubt(span: GapSpan, child: GapSpan | undefined): string {
  const skew = child ? Math.abs(child.clock_skew_ns - span.clock_skew_ns) : 0;
  return skew === 0 ? '' : ` The two clocks differ by about ${duration(skew)}, and so may this gap.`;
}
