// The map of one trace as it is drawn: counts are of this request, not rates.
import type { MapAnswer, MapEdge, MapNode } from '../../api/types';
import { edgeKey, nodeKeys, shares, stateOf, type Link, type Outcomes, type Status } from '../../lib/graph';
import { count, duration } from '../../lib/units';
import { typeWords, withClients } from '../map/model';
import type { DrawnEdge, DrawnNode } from '../../ui/map/draw';

/** In one trace every call that ended badly is told. */
const ANY = 1e-9;
const WORDS: Record<Status, [string, string]> = { ok: ['ok', 'ok'], error: ['error', 'errors'], throttle: ['throttled', 'throttled'], fault: ['fault', 'faults'] };

export interface TraceGraph {
  nodes: DrawnNode[];
  edges: DrawnEdge[];
  keys: string[];
  links: Link[];
  told: Map<string, MapNode>;
  toldEdges: Map<string, MapEdge>;
}

export const nodeName = (node: MapNode | undefined) => (node === undefined ? '' : node.synthetic === 'client' ? 'Client' : node.name);

export { typeWords };

function trouble(of: Outcomes, state: Status): string {
  const n = Math.round(shares(of)[state] * of.total);
  return state === 'ok' ? '' : `${count(Math.max(1, n))} ${WORDS[state][n > 1 ? 1 : 0]}`;
}

const took = (of: { p50_ns?: number | null }) => (of.p50_ns == null ? '–' : duration(of.p50_ns));

export function graphOfTrace(told: MapAnswer): TraceGraph {
  const answer = withClients(told, 0);
  const keys = nodeKeys(answer.nodes, answer.edges);
  const index = new Map(answer.nodes.map((node, i) => [node.id, i]));
  const nodes = answer.nodes.map((node, i): DrawnNode => {
    const state = stateOf(node, ANY);
    return {
      key: keys[i] as string, name: nodeName(node), type: node.synthetic === 'client' ? '' : typeWords(node.type), role: node.synthetic === 'client' || node.synthetic === 'inferred' ? node.synthetic : 'service',
      head: took(node), sub: node.total === 1 ? '1 call' : `${count(node.total)} calls`, trouble: trouble(node, state), state,
      total: node.total, ok: node.ok, error: node.error, throttle: node.throttle, fault: node.fault,
    };
  });
  const most = Math.max(1, ...answer.edges.map((edge) => edge.total));
  const toldEdges = new Map<string, MapEdge>();
  const edges = answer.edges.flatMap((edge): DrawnEdge[] => {
    const [from, to] = [index.get(edge.from), index.get(edge.to)];
    if (from === undefined || to === undefined) return [];
    const key = edgeKey(keys[from] as string, keys[to] as string, edge.kind);
    toldEdges.set(key, edge);
    const state = stateOf(edge, ANY);
    return [
      {
        key, from, to, dashed: edge.kind === 'link', label: edge.total === 1 ? took(edge) : `${count(edge.total)} × ${took(edge)}`,
        weight: Math.log1p(edge.total) / Math.log1p(most), trouble: trouble(edge, state), state,
        total: edge.total, ok: edge.ok, error: edge.error, throttle: edge.throttle, fault: edge.fault,
      },
    ];
  });
  return { nodes, edges, keys, links: edges.map((edge) => ({ from: keys[edge.from] as string, to: keys[edge.to] as string })), told: new Map(answer.nodes.map((node, i) => [keys[i] as string, node])), toldEdges };
}
