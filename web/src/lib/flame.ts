// The flame view: boxes below their parent, either by time or with alike siblings merged into one.
import type { Placed } from './waterfall';

/** A box: from and to are nanoseconds after the start of the trace, or shares of the width where alike spans are merged. */
export interface Box {
  from: number;
  to: number;
  row: number;
  /** Index of the span, or of the merged node. */
  index: number;
}

/**
 * Rows of an icicle by time: each span stands in the first free row below its parent, so that siblings that ran side by
 * side are seen side by side. Spans are taken in order of start; one whose clock runs ahead of its parent's comes after it.
 * Trees whose root is not the trace's stand below a free row, or they would seem to be called by what is above them.
 */
export function boxesByTime(placed: Placed[]): Box[] {
  const starts = new Float64Array(placed.length);
  placed.forEach(({ offset, parent }, i) => {
    starts[i] = parent < 0 ? offset : Math.max(offset, starts[parent] as number);
  });
  const rows = new Int32Array(placed.length);
  const main = placed[0]?.next ?? 0;
  const used = rowsOf(placed, starts, rows, 0, main, 0);
  rowsOf(placed, starts, rows, main, placed.length, used + 1);
  return placed.map(({ offset, duration }, i) => ({ from: offset, to: offset + duration, row: rows[i] as number, index: i }));
}

/** Gives the spans `first .. last` rows from `top` on; answers the first row below them. */
function rowsOf(placed: Placed[], starts: Float64Array, rows: Int32Array, first: number, last: number, top: number): number {
  const order = Int32Array.from({ length: last - first }, (_, i) => first + i).sort((a, b) => (starts[a] as number) - (starts[b] as number) || a - b);
  const ends: number[] = [];
  for (const i of order) {
    const { offset, duration, parent } = placed[i] as Placed;
    let row = parent < 0 ? 0 : (rows[parent] as number) - top + 1;
    while ((ends[row] ?? -Infinity) > (starts[i] as number)) row += 1;
    ends[row] = offset + duration;
    rows[i] = row + top;
  }
  return top + ends.length;
}

export interface FlameSpan {
  service: string;
  name: string;
  status_code: string;
}

/** Siblings of one service and name, as one. */
export interface Merged {
  service: string;
  name: string;
  parent: number;
  depth: number;
  count: number;
  errors: number;
  /** Nanoseconds of all of them together. */
  total: number;
  /** The part of it in which no child ran. */
  self: number;
  /** Index of the span of them that took longest, and how long. */
  longest: number;
  longestNs: number;
  /** Index of the one that is first in the tree; it names the node in the address. */
  first: number;
  children: number[];
}

/** Merges alike siblings from the roots down. The nodes come parents first; `nodeOf` says where each span went. */
export function mergeSiblings(spans: FlameSpan[], placed: Placed[], self: Float64Array): { nodes: Merged[]; nodeOf: Int32Array } {
  const nodes: Merged[] = [];
  const nodeOf = new Int32Array(placed.length);
  const byName = new Map<string, number>();
  placed.forEach(({ parent, duration }, i) => {
    const { service, name, status_code } = spans[i] as FlameSpan;
    const above = parent < 0 ? -1 : (nodeOf[parent] as number);
    const key = `${above} ${service}\0${name}`;
    let at = byName.get(key);
    if (at === undefined) {
      at = nodes.length;
      byName.set(key, at);
      const depth = above < 0 ? 0 : (nodes[above] as Merged).depth + 1;
      nodes.push({ service, name, parent: above, depth, count: 0, errors: 0, total: 0, self: 0, longest: i, longestNs: -1, first: i, children: [] });
      if (above >= 0) (nodes[above] as Merged).children.push(at);
    }
    nodeOf[i] = at;
    const node = nodes[at] as Merged;
    node.count += 1;
    node.total += duration;
    node.self += self[i] as number;
    if (status_code === 'error') node.errors += 1;
    if (duration > node.longestNs) {
      node.longestNs = duration;
      node.longest = i;
    }
  });
  return { nodes, nodeOf };
}

/** How many times over the children fill their parent; more than 1 when they ran side by side. */
export function fill(nodes: Merged[], index: number): number {
  const node = nodes[index] as Merged;
  const sum = node.children.reduce((total, child) => total + (nodes[child] as Merged).total, 0);
  return node.total > 0 ? sum / node.total : 0;
}

/** Shares of the width from `root` down, the ancestors of `root` above it at full width. Children that together took longer than their parent share its width. */
export function boxesMerged(nodes: Merged[], root: number | null): Box[] {
  const out: Box[] = [];
  const above: number[] = [];
  for (let at = root === null ? -1 : (nodes[root] as Merged).parent; at >= 0; at = (nodes[at] as Merged).parent) above.unshift(at);
  above.forEach((index, row) => out.push({ from: 0, to: 1, row, index }));
  const spread = (indexes: number[], from: number, to: number, whole: number, row: number) => {
    const sum = indexes.reduce((total, index) => total + (nodes[index] as Merged).total, 0);
    const scale = (to - from) / Math.max(whole, sum, 1);
    let left = from;
    for (const index of indexes) {
      const right = left + (nodes[index] as Merged).total * scale;
      out.push({ from: left, to: right, row, index });
      left = right;
    }
  };
  const done = above.length;
  if (root === null) spread(nodes.flatMap((node, i) => (node.parent < 0 ? [i] : [])), 0, 1, 0, 0);
  else out.push({ from: 0, to: 1, row: above.length, index: root });
  // What was put out is looked at in turn, so that no chain of calls is too deep.
  for (let i = done; i < out.length; i += 1) {
    const box = out[i] as Box;
    const node = nodes[box.index] as Merged;
    if (node.children.length > 0) spread(node.children, box.from, box.to, node.total, box.row + 1);
  }
  return out;
}

/** Boxes by row, each row in order of place, which is what drawing and pointing need. */
export function byRow(boxes: Box[]): Box[][] {
  const out: Box[][] = [];
  for (const box of boxes) (out[box.row] ??= []).push(box);
  for (let row = 0; row < out.length; row += 1) (out[row] ??= []).sort((a, b) => a.from - b.from);
  return out;
}

/** Index of the first box of a row that ends after `at`. Boxes of one row do not overlap. */
export function firstAfter(row: Box[], at: number): number {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((row[middle] as Box).to > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
