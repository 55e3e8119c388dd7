// The service map as arithmetic: who a node is from one answer to the next, where it stands, what lies below the
// pointer. Positions are those of a ring's centre, in units that are pixels when nothing is zoomed.

export interface Point {
  x: number;
  y: number;
}

export interface Outcomes {
  total: number;
  ok: number;
  error: number;
  throttle: number;
  fault: number;
}

/** Room a node takes: its ring with the edges' first piece at both sides, its lines of text below. */
export const RING = 33;
export const BOX = { width: 142, above: 42, below: 80 } as const;
const BOX_HEIGHT = BOX.above + BOX.below;
/** From one layer of nodes to the next; the numbers of the edges stand between. */
export const LAYER_GAP = 82;
export const ROW_GAP = 12;

// Who is who

export interface Named {
  id: number;
  name: string;
  type: string;
  synthetic?: string | null;
}

export interface Joined {
  from: number;
  to: number;
  kind: string;
}

/**
 * A key for each node that means the same node in the next answer, whatever its number there. Two nodes without
 * anything to tell them apart are counted.
 */
export function nodeKeys(nodes: readonly Named[], edges: readonly Joined[]): string[] {
  const name = new Map(nodes.map((node) => [node.id, node.name]));
  const called = new Map<number, string>();
  for (const edge of edges) {
    const to = name.get(edge.to) ?? '';
    const before = called.get(edge.from);
    if (before === undefined || to < before) called.set(edge.from, to);
  }
  const seen = new Map<string, number>();
  return nodes.map((node) => {
    // A client has no name of its own: it is whoever calls this service.
    const bare = node.synthetic === 'client' ? `client>${called.get(node.id) ?? node.name}` : `${node.type}>${node.name}`;
    const n = (seen.get(bare) ?? 0) + 1;
    seen.set(bare, n);
    return n === 1 ? bare : `${bare}#${n}`;
  });
}

export const edgeKey = (from: string, to: string, kind: string) => `${from} -> ${to}${kind === 'link' ? ' (link)' : ''}`;

// Rings

export const STATUSES = ['fault', 'throttle', 'error', 'ok'] as const;
export type Status = (typeof STATUSES)[number];

/** The four without overlap. Some answers count what was throttled among the errors too. */
export function shares(of: Outcomes): Record<Status, number> {
  const twice = of.ok + of.error + of.throttle + of.fault > of.total * 1.000001 + 1e-9;
  const error = Math.max(0, twice ? of.error - of.throttle : of.error);
  const sum = of.ok + error + of.throttle + of.fault;
  const total = sum > 0 ? sum : 1;
  return { fault: of.fault / total, throttle: of.throttle / total, error: error / total, ok: of.ok / total };
}

/** The worst that happens to at least this share of the requests. */
export function stateOf(of: Outcomes, least: number): Status {
  const share = shares(of);
  return STATUSES.find((status) => status !== 'ok' && share[status] > 0 && share[status] >= least) ?? 'ok';
}

export interface Arc {
  status: Status;
  from: number;
  to: number;
}

/** The least piece of a ring that can be seen. */
const ARC_LEAST = 0.16;

/** Pieces of a ring clockwise from the top. One fault among a million requests still shows. */
export function arcs(of: Outcomes): Arc[] {
  const share = shares(of);
  const wanted = STATUSES.filter((status) => share[status] > 0).map((status) => ({
    status,
    sweep: Math.max(ARC_LEAST, share[status] * 2 * Math.PI),
  }));
  const over = wanted.reduce((sum, one) => sum + one.sweep, 0) - 2 * Math.PI;
  const largest = wanted.reduce((best, one) => (one.sweep > best.sweep ? one : best), wanted[0] ?? { status: 'ok' as const, sweep: 0 });
  largest.sweep -= over;
  let at = -Math.PI / 2;
  return wanted.map(({ status, sweep }) => {
    const from = at;
    at += sweep;
    return { status, from, to: at };
  });
}

// Where a node stands

export interface Placed {
  positions: Map<string, Point>;
  /** Bends of the edges the layout has routed, without their ends. */
  routes: Map<string, Point[]>;
}

export interface Link {
  from: string;
  to: string;
}

const overlaps = (a: Point, b: Point) => Math.abs(a.x - b.x) < BOX.width && Math.abs(a.y - b.y) < BOX_HEIGHT;

/** Below this share of known nodes the picture is another one, and is laid out as such. */
const KNOWN_LEAST = 0.5;

/** Whether the nodes' old places still make a picture, or all should be laid out anew. */
export function isKnown(keys: readonly string[], before: ReadonlyMap<string, Point>): boolean {
  if (keys.length === 0 || before.size === 0) return false;
  return keys.filter((key) => before.has(key)).length / keys.length >= KNOWN_LEAST;
}

/**
 * Keeps every node where it was and finds a free place for each new one beside those it talks with: right of its
 * callers, or left of what it calls. Nothing that was there moves.
 */
export function placeNew(keys: readonly string[], links: readonly Link[], before: ReadonlyMap<string, Point>): Map<string, Point> {
  const out = new Map<string, Point>();
  for (const key of keys) {
    const at = before.get(key);
    if (at) out.set(key, at);
  }
  // A node that went away may come back with the next answer: its place is kept free for it.
  const taken = [...before.values()];
  const step = BOX.width + LAYER_GAP;
  let waiting = keys.filter((key) => !out.has(key));
  while (waiting.length > 0) {
    const left: string[] = [];
    for (const key of waiting) {
      const callers = links.filter((link) => link.to === key && link.from !== key).flatMap((link) => out.get(link.from) ?? []);
      const called = links.filter((link) => link.from === key && link.to !== key).flatMap((link) => out.get(link.to) ?? []);
      if (callers.length + called.length === 0) {
        left.push(key);
        continue;
      }
      const x = callers.length > 0 ? Math.max(...callers.map((point) => point.x)) + step : Math.min(...called.map((point) => point.x)) - step;
      const around = callers.length > 0 ? callers : called;
      const at = freePlace({ x, y: mean(around.map((point) => point.y)) }, taken);
      out.set(key, at);
      taken.push(at);
    }
    if (left.length === waiting.length) {
      // They talk with nobody who has a place: the first goes below everything, the others follow it.
      const key = left.shift() as string;
      const at = freePlace({ x: minOf(taken, 'x'), y: maxOf(taken, 'y') + BOX_HEIGHT + ROW_GAP }, taken);
      out.set(key, at);
      taken.push(at);
    }
    waiting = left;
  }
  return out;
}

const mean = (list: number[]) => list.reduce((sum, one) => sum + one, 0) / Math.max(1, list.length);
const minOf = (list: Point[], axis: 'x' | 'y') => list.reduce((least, point) => Math.min(least, point[axis]), list[0]?.[axis] ?? 0);
const maxOf = (list: Point[], axis: 'x' | 'y') => list.reduce((most, point) => Math.max(most, point[axis]), list[0]?.[axis] ?? 0);

/** The nearest place of this column, up or down, where no box is. */
function freePlace(wanted: Point, taken: Point[]): Point {
  const near = taken.filter((point) => Math.abs(point.x - wanted.x) < BOX.width);
  const step = BOX_HEIGHT + ROW_GAP;
  for (let i = 0; ; i += 1) {
    for (const side of i === 0 ? [0] : [1, -1]) {
      const at = { x: wanted.x, y: wanted.y + side * i * step * 0.5 };
      if (!near.some((point) => overlaps(point, at))) return at;
    }
  }
}

/**
 * Layers by the longest way from a root, ordered by their neighbours' middle. Quick for any size and good enough
 * where the real layout would take minutes.
 */
export function quickLayout(keys: readonly string[], links: readonly Link[]): Map<string, Point> {
  const index = new Map(keys.map((key, i) => [key, i]));
  const out: number[][] = keys.map(() => []);
  const back: number[][] = keys.map(() => []);
  for (const link of links) {
    const [from, to] = [index.get(link.from), index.get(link.to)];
    if (from === undefined || to === undefined || from === to) continue;
    (out[from] as number[]).push(to);
    (back[to] as number[]).push(from);
  }
  const layer = layersOf(out, back);
  const columns: number[][] = [];
  layer.forEach((at, node) => (columns[at] ??= []).push(node));
  const order = new Float64Array(keys.length);
  for (const column of columns) column?.forEach((node, i) => (order[node] = i - column.length / 2));
  const SWEEPS = 6;
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const beside = sweep % 2 === 0 ? back : out;
    for (const column of sweep % 2 === 0 ? columns : [...columns].reverse()) {
      if (!column) continue;
      const middle = new Map(column.map((node) => {
        const list = beside[node] as number[];
        return [node, list.length === 0 ? (order[node] as number) : mean(list.map((other) => order[other] as number))];
      }));
      column.sort((a, b) => (middle.get(a) as number) - (middle.get(b) as number) || a - b);
      column.forEach((node, i) => (order[node] = i - column.length / 2));
    }
  }
  return new Map(keys.map((key, i) => [key, { x: (layer[i] as number) * (BOX.width + LAYER_GAP), y: (order[i] as number) * (BOX_HEIGHT + ROW_GAP) }]));
}

const COLUMN_GAP = 14;

/**
 * Keeps the layers and the order within them and closes up the rest: a layer of hundreds becomes several columns side
 * by side, as many as bring the picture nearest to the wanted shape. Meant for graphs whose edges cannot each be
 * followed anyhow.
 */
export function compact(positions: ReadonlyMap<string, Point>, aspect: number): Map<string, Point> {
  const layers = new Map<number, [string, Point][]>();
  for (const entry of positions) {
    const x = Math.round(entry[1].x);
    layers.set(x, [...(layers.get(x) ?? []), entry]);
  }
  const sorted = [...layers].sort((a, b) => a[0] - b[0]).map(([, list]) => list.sort((a, b) => a[1].y - b[1].y || (a[0] < b[0] ? -1 : 1)));
  const [wide, tall] = [BOX.width + COLUMN_GAP, BOX_HEIGHT + ROW_GAP];
  const columnsAt = (rows: number) => sorted.map((list) => Math.ceil(list.length / rows));
  const widthAt = (rows: number) => columnsAt(rows).reduce((sum, n) => sum + n * wide + LAYER_GAP, 0);
  let rows = 1;
  const most = Math.max(1, ...sorted.map((list) => list.length));
  while (rows < most && widthAt(rows) / (rows * tall) > aspect) rows += 1;
  const out = new Map<string, Point>();
  let left = 0;
  for (const list of sorted) {
    const columns = Math.ceil(list.length / rows);
    const own = Math.ceil(list.length / columns);
    // Row by row, so that what stood above still stands above.
    list.forEach(([key], i) => out.set(key, { x: left + (i % columns) * wide, y: (Math.floor(i / columns) - (own - 1) / 2) * tall }));
    left += columns * wide + LAYER_GAP;
  }
  return out;
}

/** Longest way from a root for each node; an edge that closes a circle is not followed. */
function layersOf(out: number[][], back: number[][]): number[] {
  const state = new Uint8Array(out.length);
  const finished: number[] = [];
  const ignored = new Set<string>();
  const roots = out.map((_, i) => i).sort((a, b) => (back[a] as number[]).length - (back[b] as number[]).length || a - b);
  for (const root of roots) {
    if (state[root] !== 0) continue;
    const stack: [number, number][] = [[root, 0]];
    state[root] = 1;
    while (stack.length > 0) {
      const top = stack[stack.length - 1] as [number, number];
      const next = (out[top[0]] as number[])[top[1]];
      if (next === undefined) {
        state[top[0]] = 2;
        finished.push(top[0]);
        stack.pop();
        continue;
      }
      top[1] += 1;
      if (state[next] === 1) ignored.add(`${top[0]} ${next}`);
      else if (state[next] === 0) {
        state[next] = 1;
        stack.push([next, 0]);
      }
    }
  }
  const layer = new Array<number>(out.length).fill(0);
  for (const node of finished.reverse()) {
    for (const next of out[node] as number[]) {
      if (!ignored.has(`${node} ${next}`)) layer[next] = Math.max(layer[next] as number, (layer[node] as number) + 1);
    }
  }
  return layer;
}

// How an edge runs

/** Points of an edge from ring to ring, for drawing with rounded corners and for finding it below the pointer. */
export function edgePath(from: Point, to: Point, bends: readonly Point[] | undefined): Point[] {
  const start = { x: from.x + RING + 4, y: from.y };
  const end = { x: to.x - RING - 5, y: to.y };
  if (from === to) {
    const r = RING + 16;
    return [{ x: from.x + RING * 0.7, y: from.y - RING * 0.8 }, { x: from.x + r * 0.6, y: from.y - r - 8 }, { x: from.x - r * 0.6, y: from.y - r - 8 }, { x: from.x - RING * 0.72, y: from.y - RING * 0.82 }];
  }
  if (bends) return [start, ...bends, end];
  if (to.x > from.x + BOX.width * 0.75) {
    const quarter = Math.min(70, (end.x - start.x) / 2.4);
    return [start, { x: start.x + quarter, y: start.y }, { x: end.x - quarter, y: end.y }, end];
  }
  // Backwards: out to the right, below the deeper of the two, in from the left.
  const out = BOX.width / 2 + 10;
  const low = Math.max(from.y, to.y) + BOX.below + 14;
  return [start, { x: from.x + out, y: from.y }, { x: from.x + out, y: low }, { x: to.x - out, y: low }, { x: to.x - out, y: to.y }, end];
}

/** The point half way along. */
export function middleOf(path: readonly Point[]): Point {
  let length = 0;
  for (let i = 1; i < path.length; i += 1) length += distance(path[i - 1] as Point, path[i] as Point);
  let rest = length / 2;
  for (let i = 1; i < path.length; i += 1) {
    const [a, b] = [path[i - 1] as Point, path[i] as Point];
    const piece = distance(a, b);
    if (piece >= rest && piece > 0) return { x: a.x + ((b.x - a.x) * rest) / piece, y: a.y + ((b.y - a.y) * rest) / piece };
    rest -= piece;
  }
  return path[0] ?? { x: 0, y: 0 };
}

const distance = (a: Point, b: Point) => Math.hypot(a.x - b.x, a.y - b.y);

export function distanceToPath(path: readonly Point[], at: Point): number {
  let least = Infinity;
  for (let i = 1; i < path.length; i += 1) {
    const [a, b] = [path[i - 1] as Point, path[i] as Point];
    const [dx, dy] = [b.x - a.x, b.y - a.y];
    const along = Math.max(0, Math.min(1, ((at.x - a.x) * dx + (at.y - a.y) * dy) / (dx * dx + dy * dy || 1)));
    least = Math.min(least, Math.hypot(a.x + along * dx - at.x, a.y + along * dy - at.y));
  }
  return least;
}

// What lies below the pointer

export interface View {
  x: number;
  y: number;
  scale: number;
}

export const toWorld = (view: View, x: number, y: number): Point => ({ x: (x - view.x) / view.scale, y: (y - view.y) / view.scale });

/** A ring is never smaller than this on the screen, so that it can be hit. */
const RING_LEAST_PX = 7;
const EDGE_REACH_PX = 6;

export type Hit = { kind: 'node'; index: number } | { kind: 'edge'; index: number };

/** The node, else the edge, at this point of the picture. */
export function hitTest(at: Point, scale: number, nodes: readonly Point[], paths: readonly (readonly Point[])[]): Hit | null {
  const reach = Math.max(RING + 3, RING_LEAST_PX / scale);
  let best = -1;
  let least = reach;
  nodes.forEach((node, i) => {
    const far = Math.hypot(node.x - at.x, node.y - at.y);
    if (far <= least) {
      least = far;
      best = i;
    } else if (best < 0 && Math.abs(node.x - at.x) < BOX.width * 0.4 && at.y > node.y && at.y < node.y + BOX.below && scale > 0.5) {
      best = i;
    }
  });
  if (best >= 0) return { kind: 'node', index: best };
  least = EDGE_REACH_PX / scale;
  paths.forEach((path, i) => {
    if (!nearBox(path, at, least)) return;
    const far = distanceToPath(path, at);
    if (far <= least) {
      least = far;
      best = i;
    }
  });
  return best >= 0 ? { kind: 'edge', index: best } : null;
}

function nearBox(path: readonly Point[], at: Point, margin: number): boolean {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const point of path) {
    left = Math.min(left, point.x);
    right = Math.max(right, point.x);
    top = Math.min(top, point.y);
    bottom = Math.max(bottom, point.y);
  }
  return at.x >= left - margin && at.x <= right + margin && at.y >= top - margin && at.y <= bottom + margin;
}

export const SCALE = { least: 0.03, most: 2, fit: 1.1 } as const;

/** The view that shows all of these points in a picture of this size. */
export function fit(points: readonly Point[], width: number, height: number, margin = 32): View {
  if (points.length === 0) return { x: width / 2, y: height / 2, scale: 1 };
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const point of points) {
    left = Math.min(left, point.x - BOX.width / 2);
    right = Math.max(right, point.x + BOX.width / 2);
    top = Math.min(top, point.y - BOX.above);
    bottom = Math.max(bottom, point.y + BOX.below);
  }
  const wanted = Math.min((width - 2 * margin) / (right - left), (height - 2 * margin) / (bottom - top));
  const scale = Math.max(SCALE.least, Math.min(SCALE.fit, wanted));
  return { scale, x: width / 2 - ((left + right) / 2) * scale, y: height / 2 - ((top + bottom) / 2) * scale };
}

/** Zooms so that what is at this point of the screen stays there. */
export function zoomAt(view: View, x: number, y: number, factor: number): View {
  const scale = Math.max(SCALE.least, Math.min(SCALE.most, view.scale * factor));
  const real = scale / view.scale;
  return { scale, x: x - (x - view.x) * real, y: y - (y - view.y) * real };
}
