// This trace beside a typical one of its route.

/** Time of all spans of one service and name, here and in the middle one of the traces compared with. */
export interface TypicalSpan {
  service: string;
  name: string;
  typical_ns: number;
  typical_count: number;
  this_ns: number;
  this_count: number;
}

export type Verdict = 'slower' | 'faster' | 'alike' | 'only here' | 'not here';

export interface Compared extends TypicalSpan {
  diff: number;
  /** How many times as long as usual; null where one of the two has none. */
  times: number | null;
  verdict: Verdict;
}

/** Within a tenth is alike: two runs of the same code differ by so much. */
const ALIKE = 0.1;

export function verdictOf({ typical_ns, typical_count, this_ns, this_count }: TypicalSpan): Verdict {
  if (typical_count === 0) return 'only here';
  if (this_count === 0) return 'not here';
  if (Math.abs(this_ns - typical_ns) <= typical_ns * ALIKE) return 'alike';
  return this_ns > typical_ns ? 'slower' : 'faster';
}

/** The biggest difference first, whichever way; then by service and name, so that the order is one. */
export function compareTypical(spans: TypicalSpan[]): Compared[] {
  const told = spans.map((span) => ({
    ...span,
    diff: span.this_ns - span.typical_ns,
    times: span.typical_ns > 0 && span.this_count > 0 ? span.this_ns / span.typical_ns : null,
    verdict: verdictOf(span),
  }));
  return told.sort((a, b) => Math.abs(b.diff) - Math.abs(a.diff) || compareText(a.service, b.service) || compareText(a.name, b.name));
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** What is usual for one span: its share of the usual time of its name. Null: such a span is not usual. */
export interface Usual {
  ns: number | null;
  /** Told beside the row when it is so much longer that it matters to the trace. */
  times: number | null;
}

const TIMES_MIN = 1.5;
const SHARE_MIN = 0.01;

/** Marks for the rows of the waterfall, by index of the span. */
export function usualOf(rows: { service: string; name: string; duration_ns: number }[], typical: TypicalSpan[], total: number): Map<number, Usual> {
  const byName = new Map(typical.map((span) => [`${span.service}\0${span.name}`, span]));
  const out = new Map<number, Usual>();
  rows.forEach((row, i) => {
    const span = byName.get(`${row.service}\0${row.name}`);
    if (!span) return;
    if (span.typical_count === 0) {
      out.set(i, { ns: null, times: null });
      return;
    }
    const ns = span.typical_ns / Math.max(1, span.typical_count);
    const matters = row.duration_ns - ns >= total * SHARE_MIN && row.duration_ns >= ns * TIMES_MIN;
    out.set(i, { ns, times: matters && ns > 0 ? row.duration_ns / ns : null });
  });
  return out;
}

/** `3.2×`, `14×`. */
export function timesTold(times: number): string {
  return `${times < 9.95 ? times.toFixed(1).replace(/\.0$/, '') : Math.round(times)}×`;
}
