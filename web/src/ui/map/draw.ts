// Draws a service map on a canvas: what is out of sight is left out, what is too small to read is simplified.
import { arcs, BOX, edgePath, middleOf, RING, type Outcomes, type Placed, type Point, type Status, type View } from '../../lib/graph';
import { routeOf } from './layout';

export interface DrawnNode extends Outcomes {
  key: string;
  name: string;
  /** What it is, in the second line: `DynamoDB Table`. */
  type: string;
  role: 'client' | 'service' | 'inferred';
  /** Inside the ring. */
  head: string;
  sub: string;
  /** What goes wrong, in words; the third line. Empty where nothing worth telling does, and `state` is then `ok`. */
  trouble: string;
  state: Status;
}

export interface DrawnEdge extends Outcomes {
  key: string;
  /** Places of the two nodes in the list. */
  from: number;
  to: number;
  dashed: boolean;
  label: string;
  /** 0..1, of the busiest edge. */
  weight: number;
  trouble: string;
  state: Status;
}

export interface Scene {
  nodes: DrawnNode[];
  edges: DrawnEdge[];
  points: Point[];
  paths: Point[][];
  middles: Point[];
  /** Nodes by traffic, the busiest first: they get their names first where room is short. */
  order: number[];
  neighbours: Set<number>[];
}

export function sceneOf(nodes: DrawnNode[], edges: DrawnEdge[], placed: Placed): Scene {
  const points = nodes.map((node) => placed.positions.get(node.key) ?? { x: 0, y: 0 });
  const neighbours = nodes.map(() => new Set<number>());
  const paths = edges.map((edge) => {
    neighbours[edge.from]?.add(edge.to);
    neighbours[edge.to]?.add(edge.from);
    const link = { from: nodes[edge.from]?.key ?? '', to: nodes[edge.to]?.key ?? '' };
    return edgePath(points[edge.from] as Point, points[edge.to] as Point, routeOf(placed, link));
  });
  const order = nodes.map((_, i) => i).sort((a, b) => (nodes[b]?.total ?? 0) - (nodes[a]?.total ?? 0));
  return { nodes, edges, points, paths, middles: paths.map(middleOf), order, neighbours };
}

export type Colours = Record<'page' | 'ink' | 'ink2' | 'ink3' | 'line' | 'strong' | 'accent' | 'raised' | Status, string>;

export interface Look {
  colours: Colours;
  text: string;
  /** Index of the node or edge whose neighbourhood stands out. */
  node: number | null;
  edge: number | null;
  /** Whether that is for as long as the pointer is there. */
  pointing: boolean;
  selectedNode: number | null;
  selectedEdge: number | null;
  /** Nodes that a search found; the others step back. */
  marked: ReadonlySet<number> | null;
}

/** From these scales on: everything is written; the ring is a ring; below it is a mark. */
const FULL = 0.6;
const RINGS = 0.26;
const LABELS_EDGE = 0.7;
const ARC_WIDTH: Record<Status, number> = { ok: 3, error: 5, throttle: 5, fault: 6.5 };
/** What does not stand out: hardly there while pointing, quiet while something is chosen. */
const dimmed = (look: Look) => (look.pointing ? 0.22 : 0.42);

export function draw(ctx: CanvasRenderingContext2D, scene: Scene, view: View, width: number, height: number, ratio: number, look: Look): void {
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.clearRect(0, 0, width, height);
  const area = {
    left: (-view.x - 20) / view.scale - BOX.width / 2,
    right: (width - view.x + 20) / view.scale + BOX.width / 2,
    top: (-view.y - 20) / view.scale - BOX.below,
    bottom: (height - view.y + 20) / view.scale + BOX.above,
  };
  const near = nearOf(scene, look);
  const dim = (node: number) => (near !== null && !near.has(node)) || (look.marked !== null && !look.marked.has(node));
  ctx.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
  drawEdges(ctx, scene, view, area, look, near);
  const seen = scene.order.filter((i) => inside(scene.points[i] as Point, area));
  for (let i = seen.length - 1; i >= 0; i -= 1) {
    const node = seen[i] as number;
    ctx.globalAlpha = dim(node) ? dimmed(look) : 1;
    if (view.scale < RINGS) drawMark(ctx, scene.nodes[node] as DrawnNode, scene.points[node] as Point, view.scale, look);
    else drawRing(ctx, scene.nodes[node] as DrawnNode, scene.points[node] as Point, look);
    if (node === look.selectedNode || node === look.node) drawHalo(ctx, scene.points[node] as Point, view.scale, look, node === look.selectedNode);
  }
  ctx.globalAlpha = 1;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawWords(ctx, scene, view, seen, look, dim, near);
}

interface Area {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const inside = (at: Point, area: Area) => at.x >= area.left && at.x <= area.right && at.y >= area.top && at.y <= area.bottom;

function nearOf(scene: Scene, look: Look): Set<number> | null {
  if (look.edge !== null) {
    const edge = scene.edges[look.edge];
    return edge ? new Set([edge.from, edge.to]) : null;
  }
  if (look.node === null) return null;
  return new Set([look.node, ...(scene.neighbours[look.node] ?? [])]);
}

/** Whether an edge belongs to what stands out. */
function isNear(scene: Scene, look: Look, i: number): boolean {
  if (look.edge !== null) return look.edge === i;
  const edge = scene.edges[i] as DrawnEdge;
  return look.node !== null && (edge.from === look.node || edge.to === look.node);
}

function drawEdges(ctx: CanvasRenderingContext2D, scene: Scene, view: View, area: Area, look: Look, near: Set<number> | null): void {
  const { colours } = look;
  const least = (view.scale < RINGS ? 0.6 : 0.9) / view.scale;
  // Where thousands cross, each is faint: what is dense then looks dense.
  const faint = Math.max(near !== null || view.scale >= FULL ? 0.45 : 0.28, Math.min(1, 160 / Math.max(1, scene.edges.length)));
  // One path for all edges of a kind: a stroke each would take the frame.
  const batches = new Map<string, { path: Path2D; heads: Path2D; colour: string; width: number; dashed: boolean; alpha: number }>();
  scene.edges.forEach((edge, i) => {
    const path = scene.paths[i] as Point[];
    if (!crosses(path, area)) return;
    const bad = edge.trouble !== '';
    const shown = near === null ? true : isNear(scene, look, i);
    const faded = !shown || (look.marked !== null && !(look.marked.has(edge.from) && look.marked.has(edge.to)));
    const chosen = i === look.selectedEdge || (near !== null && shown);
    const thick = Math.round(edge.weight * 4);
    const name = `${chosen} ${faded} ${edge.state} ${edge.dashed} ${thick}`;
    let batch = batches.get(name);
    if (!batch) {
      const colour = bad ? colours[edge.state] : chosen ? colours.ink2 : colours.strong;
      batch = { path: new Path2D(), heads: new Path2D(), colour, width: chosen ? Math.max(1.4 / view.scale, 1.5 + thick * 0.55) : Math.max(least, 1.1 + thick * 0.55), dashed: edge.dashed, alpha: faded ? dimmed(look) * 0.7 * faint : chosen ? 1 : bad ? 0.75 * Math.max(0.6, faint) : faint };
      batches.set(name, batch);
    }
    trace(batch.path, path);
    if (view.scale > 0.16) head(batch.heads, path, 1 + thick * 0.12);
  });
  for (const batch of [...batches.values()].sort((a, b) => a.alpha - b.alpha)) {
    ctx.globalAlpha = batch.alpha;
    ctx.strokeStyle = batch.colour;
    ctx.fillStyle = batch.colour;
    ctx.lineWidth = batch.width;
    ctx.setLineDash(batch.dashed ? [6, 5] : []);
    ctx.stroke(batch.path);
    ctx.setLineDash([]);
    ctx.fill(batch.heads);
  }
  ctx.globalAlpha = 1;
}

function crosses(path: Point[], area: Area): boolean {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const point of path) {
    if (point.x < left) left = point.x;
    if (point.x > right) right = point.x;
    if (point.y < top) top = point.y;
    if (point.y > bottom) bottom = point.y;
  }
  return right >= area.left && left <= area.right && bottom >= area.top && top <= area.bottom;
}

/** A line through the bends with its corners rounded. */
function trace(into: Path2D, path: Point[]): void {
  const first = path[0];
  const last = path[path.length - 1];
  if (!first || !last) return;
  into.moveTo(first.x, first.y);
  if (path.length === 4) {
    const [, b, c] = path as [Point, Point, Point, Point];
    into.bezierCurveTo(b.x, b.y, c.x, c.y, last.x, last.y);
    return;
  }
  for (let i = 1; i < path.length - 1; i += 1) {
    const [here, next] = [path[i] as Point, path[i + 1] as Point];
    const end = i === path.length - 2 ? last : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    into.quadraticCurveTo(here.x, here.y, end.x, end.y);
  }
  if (path.length === 2) into.lineTo(last.x, last.y);
}

function head(into: Path2D, path: Point[], size: number): void {
  const tip = path[path.length - 1] as Point;
  const before = path[path.length - 2] as Point;
  const angle = Math.atan2(tip.y - before.y, tip.x - before.x);
  const [long, wide] = [7.5 * size, 3.3 * size];
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const at = (x: number, y: number) => [tip.x + 2 + x * cos - y * sin, tip.y + x * sin + y * cos] as const;
  into.moveTo(...at(0, 0));
  into.lineTo(...at(-long, wide));
  into.lineTo(...at(-long, -wide));
  into.closePath();
}

function drawRing(ctx: CanvasRenderingContext2D, node: DrawnNode, at: Point, look: Look): void {
  const { colours } = look;
  const alpha = ctx.globalAlpha;
  // No edge shows through a node, however quiet it is.
  ctx.globalAlpha = 1;
  ctx.beginPath();
  ctx.arc(at.x, at.y, RING, 0, 2 * Math.PI);
  ctx.fillStyle = colours.page;
  ctx.fill();
  ctx.globalAlpha = alpha;
  ctx.lineWidth = 1;
  ctx.strokeStyle = colours.line;
  ctx.stroke();
  const radius = RING - 3;
  for (const arc of arcs(node)) {
    ctx.beginPath();
    ctx.strokeStyle = colours[arc.status];
    ctx.lineWidth = ARC_WIDTH[arc.status];
    if (arc.status === 'throttle') ctx.setLineDash([3, 2]);
    ctx.arc(at.x, at.y, radius + (arc.status === 'ok' ? 1.5 : 0.5), arc.from, arc.to);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  if (node.role === 'inferred') {
    ctx.beginPath();
    ctx.setLineDash([2, 3]);
    ctx.lineWidth = 1;
    ctx.strokeStyle = colours.ink3;
    ctx.arc(at.x, at.y, RING + 4, 0, 2 * Math.PI);
    ctx.stroke();
    ctx.setLineDash([]);
  }
  if (node.role === 'client') drawPerson(ctx, at, colours.ink2);
  if (node.state !== 'ok') glyph(ctx, { x: at.x + RING * 0.76, y: at.y - RING * 0.76 }, 6, node.state, colours[node.state], colours.page);
}

function drawPerson(ctx: CanvasRenderingContext2D, at: Point, colour: string): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  ctx.arc(at.x, at.y - 6, 4.6, 0, 2 * Math.PI);
  ctx.moveTo(at.x - 9, at.y + 11);
  ctx.bezierCurveTo(at.x - 9, at.y - 1, at.x + 9, at.y - 1, at.x + 9, at.y + 11);
  ctx.stroke();
}

/** Each status has a shape of its own: triangle, square, diamond, circle. */
export function glyph(ctx: CanvasRenderingContext2D, at: Point, r: number, status: Status, colour: string, edge: string | null): void {
  ctx.beginPath();
  if (status === 'fault') {
    ctx.moveTo(at.x, at.y - r);
    ctx.lineTo(at.x + r, at.y + r * 0.8);
    ctx.lineTo(at.x - r, at.y + r * 0.8);
  } else if (status === 'throttle') {
    ctx.rect(at.x - r * 0.8, at.y - r * 0.8, r * 1.6, r * 1.6);
  } else if (status === 'error') {
    ctx.moveTo(at.x, at.y - r);
    ctx.lineTo(at.x + r, at.y);
    ctx.lineTo(at.x, at.y + r);
    ctx.lineTo(at.x - r, at.y);
  } else {
    ctx.arc(at.x, at.y, r, 0, 2 * Math.PI);
  }
  ctx.closePath();
  if (edge) {
    ctx.strokeStyle = edge;
    ctx.lineWidth = 3;
    ctx.lineJoin = 'round';
    ctx.stroke();
  }
  ctx.fillStyle = colour;
  ctx.fill();
}

/** What is left of a node from afar: a shape in the colour of its state. */
function drawMark(ctx: CanvasRenderingContext2D, node: DrawnNode, at: Point, scale: number, look: Look): void {
  const bad = node.state;
  // What is well is small, so that the rest is seen at once.
  const r = bad === 'ok' ? Math.max(RING * 0.5, 2.4 / scale) : Math.max(RING * 0.8, 4 / scale);
  const quiet = node.total === 0 || node.role === 'client';
  glyph(ctx, at, r, bad, quiet ? look.colours.ink3 : look.colours[bad], null);
}

function drawHalo(ctx: CanvasRenderingContext2D, at: Point, scale: number, look: Look, selected: boolean): void {
  ctx.globalAlpha = 1;
  ctx.beginPath();
  ctx.arc(at.x, at.y, Math.max(RING + 6, 9 / scale), 0, 2 * Math.PI);
  ctx.lineWidth = Math.max(selected ? 2 : 1.2, (selected ? 1.6 : 1) / scale);
  ctx.strokeStyle = selected ? look.colours.accent : look.colours.ink3;
  ctx.stroke();
}

// Words, in pixels of the screen

const NAME_PX = 12;
const SMALL_PX = 11;
const NAME_WIDTH_PX = 150;

function drawWords(ctx: CanvasRenderingContext2D, scene: Scene, view: View, seen: number[], look: Look, dim: (node: number) => boolean, near: Set<number> | null): void {
  const full = view.scale >= FULL;
  const grow = full ? Math.max(0.86, Math.min(1.5, view.scale)) : 0.92;
  const taken: Area[] = [];
  const { colours } = look;
  ctx.textBaseline = 'middle';
  const screen = (at: Point) => ({ x: at.x * view.scale + view.x, y: at.y * view.scale + view.y });
  // What stands out is written first, then by traffic.
  const first = near ? seen.filter((i) => near.has(i)) : [];
  const list = near ? [...first, ...seen.filter((i) => !near.has(i))] : seen;
  const room = full ? BOX.width * view.scale - 6 : NAME_WIDTH_PX;
  if (full || near) {
    for (const i of full ? seen : first) {
      const at = screen(scene.points[i] as Point);
      taken.push({ left: at.x - (RING + 2) * view.scale, right: at.x + (RING + 2) * view.scale, top: at.y - RING * view.scale, bottom: at.y + RING * view.scale });
    }
  }
  let written = 0;
  for (const i of list) {
    const node = scene.nodes[i] as DrawnNode;
    const at = screen(scene.points[i] as Point);
    const faded = dim(i);
    if (faded && !full && (look.pointing || view.scale < RINGS)) continue;
    ctx.globalAlpha = faded ? dimmed(look) + 0.2 : 1;
    ctx.textAlign = 'center';
    if (full && node.role !== 'client') inRing(ctx, node, at, view.scale, look);
    const below = view.scale < RINGS ? Math.max(RING * 0.8 * view.scale, 4) + 3 : (RING + 7) * view.scale + 2;
    ctx.font = `${i === look.selectedNode ? 600 : 500} ${NAME_PX * grow}px ${look.text}`;
    const name = cut(ctx, node.name, room);
    const wide = width(ctx, name) / 2 + 3;
    const box = { left: at.x - wide, right: at.x + wide, top: at.y + below, bottom: at.y + below + 14 * grow };
    if (!full && !near?.has(i) && taken.some((other) => clash(other, box))) continue;
    taken.push(box);
    ctx.fillStyle = colours.ink;
    plate(ctx, name, at.x, box.top + 7 * grow, colours.page);
    written += 1;
    if (!full) {
      if (written > 220) break;
      continue;
    }
    let line = box.top + 7 * grow + 14 * grow;
    ctx.font = `${SMALL_PX * grow}px ${look.text}`;
    for (const [text, colour] of [[node.type, colours.ink3], [node.trouble, colours[node.state]]] as const) {
      if (text === '') continue;
      ctx.fillStyle = colour;
      const shown = cut(ctx, text, room);
      plate(ctx, shown, at.x, line, colours.page);
      const half = width(ctx, shown) / 2 + 3;
      taken.push({ left: at.x - half, right: at.x + half, top: line - 7, bottom: line + 7 });
      line += 13 * grow;
    }
  }
  ctx.globalAlpha = 1;
  edgeWords(ctx, scene, view, look, taken, near);
}

function inRing(ctx: CanvasRenderingContext2D, node: DrawnNode, at: Point, scale: number, look: Look): void {
  const inner = (RING - 7) * 2 * scale;
  ctx.fillStyle = look.colours.ink;
  fitted(ctx, node.head, at.x, at.y - 6 * scale, inner, Math.max(13 * scale, 9), look.text, 600);
  ctx.fillStyle = look.colours.ink2;
  fitted(ctx, node.sub, at.x, at.y + 9 * scale, inner * 0.9, Math.max(11 * scale, 8.5), look.text, 400);
}

function fitted(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, room: number, px: number, family: string, weight: number): void {
  ctx.font = `${weight} ${px}px ${family}`;
  const own = width(ctx, text);
  if (own > room) ctx.font = `${weight} ${Math.max(px * 0.72, (px * room) / own)}px ${family}`;
  ctx.fillText(text, x, y);
}

function edgeWords(ctx: CanvasRenderingContext2D, scene: Scene, view: View, look: Look, taken: Area[], near: Set<number> | null): void {
  const all = view.scale >= LABELS_EDGE;
  const standsOut = (i: number) => i === look.selectedEdge || i === look.edge || (near !== null && isNear(scene, look, i));
  ctx.font = `${10 * Math.max(1, Math.min(1.4, view.scale * 1.1))}px ${look.text}`;
  ctx.textAlign = 'center';
  const list = scene.edges.map((_, i) => i).filter((i) => standsOut(i) || (all && near === null));
  list.sort((a, b) => Number(standsOut(b)) - Number(standsOut(a)) || (scene.edges[b]?.total ?? 0) - (scene.edges[a]?.total ?? 0));
  for (const i of list) {
    const edge = scene.edges[i] as DrawnEdge;
    const middle = scene.middles[i] as Point;
    const x = middle.x * view.scale + view.x;
    const y = middle.y * view.scale + view.y;
    if (x < -60 || y < -20 || x > ctx.canvas.width || y > ctx.canvas.height) continue;
    const lines = edge.trouble === '' ? [edge.label] : [edge.label, edge.trouble];
    const half = Math.max(...lines.map((line) => width(ctx, line))) / 2 + 4;
    const tall = lines.length * 13;
    const box = { left: x - half, right: x + half, top: y - tall / 2, bottom: y + tall / 2 };
    if (taken.some((other) => clash(other, box))) continue;
    taken.push(box);
    ctx.globalAlpha = 0.92;
    ctx.fillStyle = look.colours.page;
    ctx.fillRect(box.left, box.top, box.right - box.left, tall);
    ctx.globalAlpha = 1;
    lines.forEach((line, n) => {
      ctx.fillStyle = n === 0 ? (standsOut(i) ? look.colours.ink : look.colours.ink2) : look.colours[edge.state];
      ctx.fillText(line, x, box.top + 6.5 + n * 13);
    });
  }
}

const clash = (a: Area, b: Area) => a.left < b.right && a.right > b.left && a.top < b.bottom && a.bottom > b.top;

function plate(ctx: CanvasRenderingContext2D, text: string, x: number, y: number, page: string): void {
  const fill = ctx.fillStyle;
  ctx.lineWidth = 3;
  ctx.lineJoin = 'round';
  ctx.strokeStyle = page;
  ctx.strokeText(text, x, y);
  ctx.fillStyle = fill;
  ctx.fillText(text, x, y);
}

/** Measuring is slow and names repeat in every frame. */
const widths = new Map<string, number>();
const WIDTHS_MAX = 20_000;

function width(ctx: CanvasRenderingContext2D, text: string): number {
  const key = `${ctx.font}\n${text}`;
  let known = widths.get(key);
  if (known === undefined) {
    if (widths.size > WIDTHS_MAX) widths.clear();
    known = ctx.measureText(text).width;
    widths.set(key, known);
  }
  return known;
}

/** Names differ at their ends as often as at their beginnings: the middle gives way. */
function cut(ctx: CanvasRenderingContext2D, text: string, room: number): string {
  const own = width(ctx, text);
  if (own <= room) return text;
  const kept = Math.max(4, Math.floor((text.length * room) / own) - 1);
  const tail = Math.floor(kept * 0.4);
  return `${text.slice(0, kept - tail)}…${text.slice(text.length - tail)}`;
}
