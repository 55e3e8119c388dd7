// The services of one trace and the calls between them, with their own figures.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { traceMap, type MapFigures, type TraceMap, type TraceMapEdge, type TraceMapNode } from '../../api/trace';
import { count, duration } from '../../lib/units';
import { Badge, Service } from '../../ui/Chip';
import { Empty, Failure, Loading } from '../../ui/State';
import { Value } from '../../ui/Value';
import styles from './MapTab.module.css';

interface Props {
  traceId: string;
  chosen: string | undefined;
  onChoose: (node: string | undefined) => void;
}

export function MapTab({ traceId, chosen, onChoose }: Props) {
  const { data, error, refetch } = useQuery(traceMap(traceId));
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={12} />;
  if (data.nodes.length === 0) {
    return (
      <Empty title="No service in this trace">
        <p>None of its spans belongs to a service.</p>
      </Empty>
    );
  }
  return (
    <div className={styles.page}>
      <Tables map={data} chosen={chosen} onChoose={onChoose} />
    </div>
  );
}

function Tables({ map, chosen, onChoose }: { map: TraceMap; chosen: string | undefined; onChoose: (node: string | undefined) => void }) {
  const byId = new Map(map.nodes.map((node) => [node.id, node]));
  return (
    <div className={styles.tables}>
      <table data-testid="map-nodes">
        <thead>
          <tr>
            <th>Node</th>
            <Heads />
          </tr>
        </thead>
        <tbody>
          {map.nodes.map((node) => (
            <tr key={node.id} aria-selected={node.name === chosen} onClick={() => onChoose(node.name === chosen ? undefined : node.name)}>
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
          {map.edges.map((edge) => (
            <tr key={`${edge.from} ${edge.to} ${edge.kind}`} aria-selected={chosen !== undefined && [byId.get(edge.from)?.name, byId.get(edge.to)?.name].includes(chosen)}>
              <td>
                <EdgeName edge={edge} byId={byId} />
              </td>
              <Figures of={edge} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function NodeName({ node }: { node: TraceMapNode }) {
  if (node.synthetic === 'client') return <span className="muted">client</span>;
  return (
    <span className={styles.node}>
      <Value field="service.name" value={node.name} cut>
        <Service name={node.name} />
      </Value>
      {node.synthetic === 'inferred' ? (
        <Badge tone="quiet" title="It sent nothing itself: known from the calls to it">
          {node.type === '' ? 'inferred' : node.type}
        </Badge>
      ) : (
        <Link to="." search={((old: object) => ({ ...old, tab: undefined, find: node.name })) as never} onClick={(event) => event.stopPropagation()}>
          its spans
        </Link>
      )}
    </span>
  );
}

function EdgeName({ edge, byId }: { edge: TraceMapEdge; byId: Map<number, TraceMapNode> }) {
  const name = (id: number) => (byId.get(id)?.synthetic === 'client' ? 'client' : (byId.get(id)?.name ?? '?'));
  return (
    <span className="cut">
      {name(edge.from)} <span className="muted">→</span> {name(edge.to)} {edge.kind === 'link' && <Badge tone="quiet">by message</Badge>}
    </span>
  );
}

function Heads() {
  return (
    <>
      <th className="num">Calls</th>
      <th className="num">Error</th>
      <th className="num">Throttle</th>
      <th className="num">Fault</th>
      <th className="num">p50</th>
      <th className="num">Longest</th>
    </>
  );
}

function Figures({ of }: { of: MapFigures }) {
  const bad = (n: number, kind: string) => <td className={`num ${n > 0 ? styles[kind] : 'muted'}`}>{n > 0 ? count(n) : '–'}</td>;
  return (
    <>
      <td className="num">{count(of.total)}</td>
      {bad(of.error, 'error')}
      {bad(of.throttle, 'throttle')}
      {bad(of.fault, 'fault')}
      <td className="num">{duration(of.p50_ns)}</td>
      <td className="num">{duration(of.p99_ns)}</td>
    </>
  );
}
