// The services of one trace and the calls between them: drawn as on the map, with the figures of this request beside.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { traceMap } from '../../api/trace';
import type { MapEdge, MapNode, Stats } from '../../api/types';
import { shares } from '../../lib/graph';
import { msFromNano, rangeAround } from '../../lib/time';
import { count, duration } from '../../lib/units';
import { Badge } from '../../ui/Chip';
import { IconButton } from '../../ui/Control';
import { useKeys } from '../../ui/keys';
import { GraphCanvas, type Chosen, type GraphHandle } from '../../ui/map/GraphCanvas';
import { useLayout } from '../../ui/map/layout';
import { Ring, StatusShape } from '../../ui/map/Ring';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Value } from '../../ui/Value';
import { graphOfTrace, nodeName, typeWords, type TraceGraph } from './map';
import styles from './MapTab.module.css';

interface Props {
  traceId: string;
  traceStart: string;
  chosen: Chosen;
  onChoose: (chosen: Chosen) => void;
  /** Told until the map's own are there. */
  stats: Stats;
}

const NOTHING: string[] = [];
const NO_LINKS: { from: string; to: string }[] = [];

export function MapTab({ traceId, traceStart, chosen, onChoose, stats }: Props) {
  const { data, error, refetch } = useQuery(traceMap(traceId));
  const graph = useMemo(() => data && graphOfTrace(data), [data]);
  const arranged = useLayout(`trace ${traceId}`, graph?.keys ?? NOTHING, graph?.links ?? NO_LINKS, 0);
  const canvas = useRef<GraphHandle>(null);
  const [pointed, setPointed] = useState<string | null>(null);
  useKeys(chosen ? { Escape: () => onChoose(null) } : {});
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!graph) return <Loading rows={12} />;
  if (graph.nodes.length === 0) {
    return (
      <Empty title="No service in this trace">
        <p>None of its spans belongs to a service.</p>
      </Empty>
    );
  }
  const fits = arranged && graph.keys.every((key) => arranged.placed.positions.has(key));
  const node = chosen?.kind === 'node' ? graph.told.get(chosen.key) : undefined;
  const words = `Map of the trace: ${graph.nodes.map((one) => one.name).join(', ')}. The tables below have every node and call.`;
  return (
    <>
      <div className={styles.page}>
        <div className={styles.drawing} data-testid="trace-map" data-nodes={graph.nodes.length} data-ready={Boolean(fits)}>
          {fits ? <GraphCanvas ref={canvas} nodes={graph.nodes} edges={graph.edges} placed={arranged.placed} picture={arranged.picture} chosen={chosen} onChoose={onChoose} pointed={pointed} label={words} /> : <p className="muted">Arranging</p>}
          <div className={styles.tools}>
            {node && chosen && node.synthetic !== 'client' && (
              <Link to="/map" search={{ node: chosen.key, time: rangeAround(msFromNano(traceStart)) }}>
                {node.name} on the map of all traces
              </Link>
            )}
            <IconButton icon="fit" label="Show all (0)" onClick={() => canvas.current?.fit()} />
          </div>
        </div>
        <Tables graph={graph} chosen={chosen} onChoose={onChoose} onPoint={setPointed} />
      </div>
      <StatsLine stats={data?.stats ?? stats} />
    </>
  );
}

type TablesProps = { graph: TraceGraph; chosen: Chosen; onChoose: (chosen: Chosen) => void; onPoint: (key: string | null) => void };

function Tables({ graph, chosen, onChoose, onPoint }: TablesProps) {
  const is = (kind: 'node' | 'edge', key: string) => chosen?.kind === kind && chosen.key === key;
  const toggle = (kind: 'node' | 'edge', key: string) => onChoose(is(kind, key) ? null : { kind, key });
  const byId = new Map([...graph.told.values()].map((node) => [node.id, node]));
  return (
    <div className={styles.tables} onPointerLeave={() => onPoint(null)}>
      <table data-testid="map-nodes">
        <thead>
          <tr>
            <th>Node</th>
            <Heads />
          </tr>
        </thead>
        <tbody>
          {[...graph.told].map(([key, node]) => (
            <tr key={key} aria-selected={is('node', key)} onClick={() => toggle('node', key)} onPointerEnter={() => onPoint(key)}>
              <td>
                <NodeName node={node} />
              </td>
              <Figures of={node} />
            </tr>
          ))}
        </tbody>
      </table>
      <table data-testid="map-edges">
        <thead>
          <tr>
            <th>Call</th>
            <Heads />
          </tr>
        </thead>
        <tbody>
          {[...graph.toldEdges].map(([key, edge]) => (
            <tr key={key} aria-selected={is('edge', key)} onClick={() => toggle('edge', key)}>
              <td>
                <span className={styles.node}>
                  <span className="cut">
                    {nodeName(byId.get(edge.from))} <span className="muted">→</span> {nodeName(byId.get(edge.to))}
                  </span>
                  {edge.kind === 'link' && <Badge tone="quiet">linked</Badge>}
                </span>
              </td>
              <Figures of={edge} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NodeName({ node }: { node: MapNode }) {
  const type = node.synthetic === 'client' ? '' : typeWords(node.type);
  return (
    <span className={styles.node}>
      <Ring of={node} size={14} />
      {node.synthetic === 'client' ? (
        <span className="muted">Client</span>
      ) : (
        <Value field="service.name" value={node.name} cut>
          {node.name}
        </Value>
      )}
      {node.synthetic === 'inferred' ? (
        <Badge tone="quiet" title="It sent nothing itself: known from the calls to it">
          {type === '' ? 'inferred' : type}
        </Badge>
      ) : (
        node.synthetic !== 'client' && (
          <Link to="." search={((old: object) => ({ ...old, tab: undefined, find: node.name })) as never} onClick={(event) => event.stopPropagation()}>
            its spans
          </Link>
        )
      )}
    </span>
  );
}

function Heads() {
  return (
    <>
      <th className="num">Calls</th>
      <th className="num">Failed</th>
      <th className="num">p50</th>
      <th className="num">p99</th>
    </>
  );
}

const STATES = ['fault', 'throttle', 'error'] as const;

function Figures({ of }: { of: MapNode | MapEdge }) {
  const took = (ns?: number | null) => <td className="num">{ns == null ? '–' : duration(ns)}</td>;
  const parts = shares(of);
  const failed = STATES.map((state) => ({ state, n: parts[state] * of.total })).filter(({ n }) => n > 0);
  return (
    <>
      <td className="num">{count(of.total)}</td>
      <td className="num">
        {failed.length === 0 && <span className="muted">–</span>}
        {failed.map(({ state, n }) => (
          <span key={state} className={styles[state]} title={`${count(n)} ${state}`}>
            <StatusShape status={state} /> {count(n)}
          </span>
        ))}
      </td>
      {took(of.p50_ns)}
      {took(of.p99_ns)}
    </>
  );
}
