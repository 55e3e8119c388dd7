// Where the nodes of a map stand. The first picture is laid out by ELK in a worker, fetched when it is first needed;
// afterwards nothing moves: what is new finds a free place.
import type { ELK, ElkNode } from 'elkjs/lib/elk-api';
import { useEffect, useState } from 'react';
import { BOX, compact, fit, isKnown, LAYER_GAP, placeNew, quickLayout, RING, ROW_GAP, type Link, type Placed, type Point } from '../../lib/graph';

/** ELK takes seconds for a thousand nodes and grows faster than they do; beyond this the quick layout stands in. */
const ELK_NODES_MAX = 1_500;
const ELK_EDGES_MAX = 6_000;
/** Above this many, thoroughness gives way to time. */
const CAREFUL_NODES_MAX = 250;

/** A picture smaller than this is closed up, at the cost of its edges' own ways, when that makes it this much larger. */
const READABLE = 0.4;
const MUCH = 1.4;
/** Width by height of the place it is drawn in. */
const ASPECT = 1.5;

let engine: Promise<ELK> | null = null;

function elk(): Promise<ELK> {
  engine ??= Promise.all([import('elkjs/lib/elk-api'), import('elkjs/lib/elk-worker.min.js?url')]).then(
    ([{ default: Engine }, { default: url }]) => new Engine({ workerFactory: () => new Worker(url) }),
  );
  return engine;
}

const route = (link: Link) => `${link.from}\n${link.to}`;

function problem(keys: readonly string[], links: readonly Link[]): ElkNode {
  const careful = keys.length <= CAREFUL_NODES_MAX;
  const index = new Map(keys.map((key, i) => [key, i]));
  const height = BOX.above + BOX.below;
  return {
    id: 'map',
    layoutOptions: {
      'elk.algorithm': 'layered',
      'elk.direction': 'RIGHT',
      'elk.edgeRouting': 'POLYLINE',
      'elk.aspectRatio': String(ASPECT),
      'elk.spacing.nodeNode': String(ROW_GAP),
      'elk.spacing.edgeNode': '14',
      'elk.spacing.edgeEdge': '8',
      'elk.spacing.componentComponent': '48',
      'elk.layered.spacing.nodeNodeBetweenLayers': String(LAYER_GAP),
      'elk.layered.nodePlacement.strategy': careful ? 'NETWORK_SIMPLEX' : 'BRANDES_KOEPF',
      'elk.layered.nodePlacement.bk.fixedAlignment': 'BALANCED',
      'elk.layered.crossingMinimization.greedySwitch.type': careful ? 'TWO_SIDED' : 'OFF',
      'elk.layered.thoroughness': careful ? '14' : '2',
      'elk.randomSeed': '1',
    },
    children: keys.map((_, i) => ({
      id: `n${i}`,
      width: BOX.width,
      height,
      layoutOptions: { 'elk.portConstraints': 'FIXED_POS' },
      // Edges leave at the right and come in from the left, at the height of the ring.
      ports: [
        { id: `n${i}i`, x: 0, y: BOX.above, width: 0, height: 0, layoutOptions: { 'elk.port.side': 'WEST' } },
        { id: `n${i}o`, x: BOX.width, y: BOX.above, width: 0, height: 0, layoutOptions: { 'elk.port.side': 'EAST' } },
      ],
    })),
    edges: links
      .filter((link) => link.from !== link.to)
      .map((link, i) => ({ id: `e${i}`, sources: [`n${index.get(link.from)}o`], targets: [`n${index.get(link.to)}i`] })),
  };
}

async function byElk(keys: readonly string[], links: readonly Link[]): Promise<Placed> {
  const real = links.filter((link) => link.from !== link.to);
  const answer = await (await elk()).layout(problem(keys, links));
  const positions = new Map<string, Point>();
  answer.children?.forEach((child, i) => positions.set(keys[i] as string, { x: (child.x ?? 0) + BOX.width / 2, y: (child.y ?? 0) + BOX.above }));
  const closed = compact(positions, ASPECT);
  const [scale, closedScale] = [scaleOf(positions), scaleOf(closed)];
  if (scale < READABLE && closedScale > scale * MUCH) return { positions: closed, routes: new Map() };
  const routes = new Map<string, Point[]>();
  answer.edges?.forEach((edge, i) => {
    const section = edge.sections?.[0];
    const link = real[i];
    if (section && link) routes.set(route(link), softened([section.startPoint, ...(section.bendPoints ?? []), section.endPoint]));
  });
  return { positions, routes };
}

/** How large a picture can be drawn where most maps are looked at. */
const scaleOf = (positions: ReadonlyMap<string, Point>) => fit([...positions.values()], 660 * ASPECT, 660).scale;

/** An edge of two straight pieces would begin with a kink at the ring; it starts and ends level. */
function softened(points: Point[]): Point[] {
  const reach = BOX.width / 2 - RING;
  const [first, last] = [points[0], points[points.length - 1]];
  if (!first || !last) return [];
  if (points.length === 2 && Math.abs(first.y - last.y) < 1) return [];
  return [{ x: first.x - reach * 0.2, y: first.y }, ...points.slice(1, -1), { x: last.x + reach * 0.2, y: last.y }];
}

export const routeOf = (placed: Placed, link: Link): Point[] | undefined => placed.routes.get(route(link));

function quick(keys: readonly string[], links: readonly Link[]): Placed {
  return { positions: compact(quickLayout(keys, links), ASPECT), routes: new Map() };
}

/** The picture before this one, so that the way back to the page leads to the same picture. */
const memory = new Map<string, Placed>();
const PICTURES_MAX = 20;

function remember(picture: string, placed: Placed): void {
  memory.delete(picture);
  memory.set(picture, placed);
  for (const oldest of memory.keys()) if (memory.size > PICTURES_MAX) memory.delete(oldest);
}

export function forget(picture: string): void {
  memory.delete(picture);
}

export interface Arranged {
  picture: string;
  turn: number;
  placed: Placed;
}

/**
 * Places for these nodes. `picture` names what is shown (its filter): a refresh of the same picture moves nothing.
 * Another `turn` lays it out anew. Null until there is a first layout.
 */
export function useLayout(picture: string, keys: readonly string[], links: readonly Link[], turn: number): Arranged | null {
  const [arranged, setArranged] = useState<Arranged | null>(null);
  const shape = `${keys.join('\n')}\n\n${links.map(route).join('\n\n')}`;
  useEffect(() => {
    const before = memory.get(picture);
    if (before && isKnown(keys, before.positions)) {
      const added = placeNew(keys, links, before.positions);
      const placed = { positions: new Map([...before.positions, ...added]), routes: before.routes };
      remember(picture, placed);
      setArranged({ picture, turn, placed });
      return undefined;
    }
    let gone = false;
    const done = (placed: Placed) => {
      if (gone) return;
      remember(picture, placed);
      setArranged({ picture, turn, placed });
    };
    if (keys.length > ELK_NODES_MAX || links.length > ELK_EDGES_MAX) done(quick(keys, links));
    else byElk(keys, links).then(done, () => done(quick(keys, links)));
    return () => {
      gone = true;
    };
    // `shape` stands for the keys and links.
  }, [picture, shape, turn]);
  return arranged;
}
