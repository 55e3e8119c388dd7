// The map's answer as it is drawn and listed.
import type { MapAnswer, MapEdge, MapNode } from '../../api/types';
import { edgeKey, nodeKeys, shares, stateOf, type Link, type Outcomes, type Status } from '../../lib/graph';
import { count, duration, percent, shortRate } from '../../lib/units';
import type { DrawnEdge, DrawnNode } from '../../ui/map/draw';

export const LATENCIES = [
  { value: 'p50', label: 'p50' },
  { value: 'p95', label: 'p95' },
  { value: 'p99', label: 'p99' },
] as const;
export type Latency = (typeof LATENCIES)[number]['value'];

export const latencyOf = (of: MapNode | MapEdge, which: Latency): number | null => of[`${which}_ns`] ?? null;

/** From these shares on, what goes wrong is said in words; below, the ring alone tells. */
const NODE_TROUBLE = 0.002;
const EDGE_TROUBLE = 0.01;

export const STATUS_WORDS: Record<Status, string> = { ok: 'ok', error: 'errors', throttle: 'throttled', fault: 'faults' };
/** What a person may not know of X-Ray's words. */
export const STATUS_HELP: Record<Status, string> = { ok: 'answered as asked', error: 'the client was at fault: 4xx', throttle: 'turned away: 429', fault: 'the server was at fault: 5xx or an exception' };

function trouble(of: Outcomes, state: Status): string {
  return state === 'ok' ? '' : `${percent(shares(of)[state])} ${STATUS_WORDS[state]}`;
}

/** `AWS::DynamoDB::Table` is read as `DynamoDB Table`. */
export const typeWords = (type: string) => type.replace(/^AWS::/, '').replace(/::/g, ' ');

export interface Graph {
  nodes: DrawnNode[];
  edges: DrawnEdge[];
  keys: string[];
  links: Link[];
  /** What the answer told, by key. */
  told: Map<string, MapNode>;
  toldEdges: Map<string, MapEdge>;
}

export const nameOf = (node: MapNode) => (node.synthetic === 'client' ? 'Clients' : node.name);

/** Nothing is counted at a client: its figures are those of its calls. */
export function withClients({ nodes, edges, ...rest }: MapAnswer, seconds: number): MapAnswer {
  return {
    ...rest,
    edges,
    nodes: nodes.map((node): MapNode => {
      if (node.synthetic !== 'client' || node.total > 0) return node;
      const own = edges.filter((edge) => edge.from === node.id);
      const sum = (field: keyof Outcomes) => own.reduce((total, edge) => total + edge[field], 0);
      // Quantiles cannot be added up; those of its busiest call stand for it.
      const busiest = own.reduce<MapEdge | undefined>((best, edge) => (best === undefined || edge.total > best.total ? edge : best), undefined);
      return {
        ...node,
        total: sum('total'), ok: sum('ok'), error: sum('error'), throttle: sum('throttle'), fault: sum('fault'),
        rate_per_s: seconds > 0 ? sum('total') / seconds : 0,
        p50_ns: busiest?.p50_ns ?? null, p95_ns: busiest?.p95_ns ?? null, p99_ns: busiest?.p99_ns ?? null,
        histogram: own.flatMap((edge) => edge.histogram),
      };
    }),
  };
}

export function graphOf(told: MapAnswer, latency: Latency, seconds: number): Graph {
  const answer = withClients(told, seconds);
  const keys = nodeKeys(answer.nodes, answer.edges);
  const index = new Map(answer.nodes.map((node, i) => [node.id, i]));
  const nodes = answer.nodes.map((node, i): DrawnNode => {
    const state = stateOf(node, NODE_TROUBLE);
    const ns = latencyOf(node, latency);
    return {
      key: keys[i] as string,
      name: nameOf(node),
      type: node.synthetic === 'client' ? '' : typeWords(node.type),
      role: node.synthetic === 'client' || node.synthetic === 'inferred' ? node.synthetic : 'service',
      head: ns === null ? '–' : duration(ns),
      sub: shortRate(node.rate_per_s),
      trouble: trouble(node, state),
      state,
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
    const state = stateOf(edge, EDGE_TROUBLE);
    const ns = latencyOf(edge, latency);
    return [
      {
        key, from, to,
        dashed: edge.kind === 'link',
        label: [shortRate(seconds > 0 ? edge.total / seconds : 0), ...(ns === null ? [] : [duration(ns)])].join(' · '),
        weight: Math.log1p(edge.total) / Math.log1p(most),
        trouble: trouble(edge, state),
        state,
        total: edge.total, ok: edge.ok, error: edge.error, throttle: edge.throttle, fault: edge.fault,
      },
    ];
  });
  return {
    nodes, edges, keys,
    links: edges.map((edge) => ({ from: keys[edge.from] as string, to: keys[edge.to] as string })),
    told: new Map(answer.nodes.map((node, i) => [keys[i] as string, node])),
    toldEdges,
  };
}

/** The picture in one sentence, for those who cannot see it. */
export function inWords(graph: Graph): string {
  const failing = graph.nodes.filter((node) => node.state === 'fault').map((node) => node.name);
  const said = failing.length === 0 ? 'no faults' : `faults in ${failing.slice(0, 5).join(', ')}${failing.length > 5 ? ` and ${failing.length - 5} more` : ''}`;
  return `Service map: ${count(graph.nodes.length)} nodes, ${count(graph.edges.length)} edges, ${said}. The list beside it has every node.`;
}
