// What is different from the period before: services and routes side by side, told only where it is more than usual
// wavering, the weightiest first.

export interface Measured {
  /** What is told: a service, or a route of one. */
  service: string;
  route?: string;
  method?: string;
  requests: number;
  errors: number;
  p95_ns: number | null;
}

export type ChangeKind = 'new' | 'gone' | 'errors' | 'fewer-errors' | 'slower' | 'quicker' | 'busier' | 'quieter';

export interface Change {
  kind: ChangeKind;
  of: Measured;
  before: number | null;
  now: number | null;
  weight: number;
}

/** Fewer requests than this waver too much to tell a percentile or a rate. */
const REQUESTS_LEAST = 20;
const ERRORS_LEAST = 3;
/** A share of failures that is more by as much is told. */
const ERROR_SHARE_LEAST = 0.01;
const SLOWER_FACTOR = 1.4;
const SLOWER_LEAST_NS = 5e6;
const TRAFFIC_FACTOR = 1.8;

const keyOf = (one: Measured) => JSON.stringify([one.service, one.method, one.route]);

/** A service's own changes stand for those of its routes of the same kind. */
export function changesOf(now: readonly Measured[], before: readonly Measured[]): Change[] {
  const known = new Map(before.map((one) => [keyOf(one), one]));
  const out: Change[] = [];
  const tell = (kind: ChangeKind, of: Measured, earlier: number | null, later: number | null, factor: number) =>
    out.push({ kind, of, before: earlier, now: later, weight: Math.log2(1 + factor) * Math.log10(10 + of.requests) * (kind === 'errors' ? 2 : kind === 'slower' || kind === 'new' || kind === 'gone' ? 1.4 : 1) });
  for (const one of now) {
    const was = known.get(keyOf(one));
    known.delete(keyOf(one));
    if (!was || was.requests === 0) {
      // A list of routes holds the slowest alone: what is not in it was perhaps only quicker.
      if (one.route === undefined && one.requests > 0) tell('new', one, null, one.requests, 4);
      continue;
    }
    if (one.requests === 0) {
      if (was.requests >= REQUESTS_LEAST) tell('gone', was, was.requests, 0, 4);
      continue;
    }
    const [share, earlier] = [one.errors / one.requests, was.errors / was.requests];
    if (one.errors >= ERRORS_LEAST && share - earlier >= ERROR_SHARE_LEAST && share >= 1.5 * earlier) tell('errors', one, earlier, share, earlier > 0 ? share / earlier : 8);
    if (was.errors >= ERRORS_LEAST && earlier - share >= ERROR_SHARE_LEAST && earlier >= 1.5 * share) tell('fewer-errors', one, earlier, share, share > 0 ? earlier / share : 4);
    const enough = Math.min(one.requests, was.requests) >= REQUESTS_LEAST;
    if (enough && one.p95_ns !== null && was.p95_ns !== null && Math.abs(one.p95_ns - was.p95_ns) >= SLOWER_LEAST_NS) {
      const ratio = one.p95_ns / Math.max(1, was.p95_ns);
      if (ratio >= SLOWER_FACTOR) tell('slower', one, was.p95_ns, one.p95_ns, ratio);
      else if (ratio <= 1 / SLOWER_FACTOR) tell('quicker', one, was.p95_ns, one.p95_ns, 1 / ratio);
    }
    if (one.route === undefined && enough) {
      const ratio = one.requests / was.requests;
      if (ratio >= TRAFFIC_FACTOR) tell('busier', one, was.requests, one.requests, ratio);
      else if (ratio <= 1 / TRAFFIC_FACTOR) tell('quieter', one, was.requests, one.requests, 1 / ratio);
    }
  }
  for (const was of known.values()) if (was.route === undefined && was.requests >= REQUESTS_LEAST) tell('gone', was, was.requests, 0, 4);
  return out.sort((a, b) => b.weight - a.weight);
}
