// What is known of a node or an edge: how many requests, how they ended, how long they took, who called whom; and the
// way to the traces behind each figure.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import * as queries from '../../api/queries';
import type { MapEdge, MapNode } from '../../api/types';
import { countWithin, histogramBars, type Range } from '../../lib/brush';
import { allOf, edgeFilter, responseTimeFilter, serviceFilter, statusFilter } from '../../lib/filter';
import { shares, STATUSES, type Status } from '../../lib/graph';
import { count, duration, exact, percent, rate, shortRate } from '../../lib/units';
import { BareButton, CopyButton } from '../../ui/Control';
import { Histogram } from '../../ui/Histogram';
import { Icon } from '../../ui/Icon';
import { useKeys } from '../../ui/keys';
import { Ring, StatusShape } from '../../ui/map/Ring';
import { Sparkline } from '../../ui/Sparkline';
import { nameOf, STATUS_HELP, STATUS_WORDS, typeWords, type Graph } from './model';
import styles from './Panel.module.css';

const OPERATIONS = 6;

export interface Brush {
  range: Range | null;
  statuses: Status[];
}

interface Props {
  graph: Graph;
  time: string | undefined;
  seconds: number;
  /** The page's own filter and group, which the traces must match too. */
  filter: string | undefined;
  group: string | undefined;
  brush: Brush;
  onBrush: (brush: Brush) => void;
  onChoose: (kind: 'node' | 'edge', key: string) => void;
  onClose: () => void;
}

export function NodePanel({ node, nodeKey, ...rest }: Props & { node: MapNode; nodeKey: string }) {
  const { graph, time, brush } = rest;
  const all = [...graph.told.values()];
  const own = graph.edges.filter((edge) => graph.keys[edge.from] === nodeKey || graph.keys[edge.to] === nodeKey);
  const target = own.map((edge) => graph.nodes[edge.to]).find((other) => other !== undefined && other.key !== nodeKey);
  const called = target && graph.told.get(target.key);
  // Who called first has no segments of its own: its requests are those of the service it called.
  const subject = node.synthetic === 'client' ? called : node;
  const inner = innerOf(brush);
  const traces = subject && serviceFilter(subject, all, inner);
  const isService = !node.synthetic;
  return (
    <Frame {...rest} of={node} total={node.total} traces={traces} title={<h2>{nameOf(node)}</h2>} kind={node.synthetic === 'client' ? 'whoever calls from outside' : [typeWords(node.type), node.synthetic === 'inferred' ? 'inferred from its callers' : ''].filter(Boolean).join(', ') || 'service'} perSecond={node.rate_per_s}>
      {isService && <OverTime name={node.name} time={time} />}
      {isService && <Operations name={node.name} time={time} />}
      <Neighbours graph={graph} nodeKey={nodeKey} onChoose={rest.onChoose} />
    </Frame>
  );
}

export function EdgePanel({ edge, ...rest }: Props & { edge: MapEdge }) {
  const { graph, seconds, brush } = rest;
  const all = [...graph.told.values()];
  const from = all.find((node) => node.id === edge.from);
  const to = all.find((node) => node.id === edge.to);
  if (!from || !to) return null;
  const inner = innerOf(brush);
  const traces = from.synthetic === 'client' ? serviceFilter(to, all, inner) : edgeFilter(from, to, all, inner);
  const keyOf = (node: MapNode) => [...graph.told].find(([, other]) => other === node)?.[0] ?? '';
  return (
    <Frame
      {...rest}
      of={edge}
      total={edge.total}
      traces={traces}
      kind={edge.kind === 'link' ? 'linked: sent on and answered later' : 'calls'}
      perSecond={seconds > 0 ? edge.total / seconds : 0}
      title={
        <h2 className={styles.edge}>
          <button type="button" onClick={() => rest.onChoose('node', keyOf(from))}>
            {nameOf(from)}
          </button>
          <span aria-label="to">→</span>
          <button type="button" onClick={() => rest.onChoose('node', keyOf(to))}>
            {nameOf(to)}
          </button>
        </h2>
      }
    />
  );
}

const innerOf = (brush: Brush) => allOf(statusFilter(brush.statuses), responseTimeFilter(brush.range?.from ?? null, brush.range?.to ?? null));

type FrameProps = Props & { of: MapNode | MapEdge; total: number; traces: string | undefined; title: React.ReactNode; kind: string; perSecond: number; children?: React.ReactNode };

function Frame({ of, total, traces, title, kind, perSecond, filter, group, time, brush, onBrush, onClose, children }: FrameProps) {
  useKeys({ Escape: onClose });
  const share = shares(of);
  const toggle = (status: Status) => onBrush({ ...brush, statuses: brush.statuses.includes(status) ? brush.statuses.filter((one) => one !== status) : [...brush.statuses, status] });
  // A page's filter of its own and the node's are both to hold.
  const wanted = traces && allOf(filter && / or /i.test(filter) ? `(${filter})` : filter, traces);
  const expected = brush.range ? countWithin(histogramBars(of.histogram), brush.range) : total;
  return (
    <section className={styles.panel} data-testid="map-panel">
      <header className={styles.head}>
        <Ring of={of} size={30} />
        <div className={styles.title}>
          {title}
          <p>{kind}</p>
        </div>
        <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
      </header>
      <dl className={styles.figures}>
        <Figure name="Requests" value={count(total)} title={exact(total)} />
        <Figure name="Rate" value={shortRate(perSecond)} title={rate(perSecond, 1)} />
        <Figure name="p50" value={inTime(of.p50_ns)} />
        <Figure name="p95" value={inTime(of.p95_ns)} />
        <Figure name="p99" value={inTime(of.p99_ns)} />
      </dl>
      <h3>How they ended</h3>
      <div className={styles.outcomes}>
        {[...STATUSES].reverse().map((status) => (
          <label key={status} title={STATUS_HELP[status]} data-none={share[status] === 0}>
            <input type="checkbox" checked={brush.statuses.includes(status)} onChange={() => toggle(status)} data-testid={`map-status-${status}`} />
            <StatusShape status={status} />
            <span>{STATUS_WORDS[status]}</span>
            <i>
              <b style={{ width: `${share[status] * 100}%`, background: `var(--${status})` }} />
            </i>
            <span className={styles.num}>{count(share[status] * total)}</span>
            <span className={styles.num}>{percent(share[status])}</span>
          </label>
        ))}
      </div>
      <h3>Response time</h3>
      <Histogram entries={of.histogram} chosen={brush.range} onChoose={(range) => onBrush({ ...brush, range })} />
      {wanted && (
        <div className={styles.traces}>
          <Link to="/traces" search={{ filter: wanted, group, time }} className={styles.go} data-testid="map-traces">
            Traces
            {brush.range && brush.statuses.length === 0 && <span>about {count(expected)}</span>}
            <Icon name="right" size={12} />
          </Link>
          <code>{wanted}</code>
          <CopyButton text={wanted} label="Copy the filter expression" bare />
        </div>
      )}
      {children}
    </section>
  );
}

const inTime = (ns: number | null | undefined) => (ns === null || ns === undefined ? '–' : duration(ns));

function Figure({ name, value, title }: { name: string; value: string; title?: string }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function OverTime({ name, time }: { name: string; time: string | undefined }) {
  const services = useQuery(queries.services(time));
  const service = services.data?.services.find((one) => one.name === name);
  if (!service) return null;
  const { series } = service;
  return (
    <>
      <h3>
        Over time
        <span>
          <Link to="/logs" search={{ service: name, time }}>
            Logs
          </Link>
          <Link to="/errors" search={{ service: name, time }}>
            Errors
          </Link>
        </span>
      </h3>
      <div className={styles.series}>
        <div>
          <Sparkline values={series.requests} width={118} height={26} kind="bars" />
          requests
        </div>
        <div>
          <Sparkline values={series.errors} width={118} height={26} kind="bars" colour="var(--fault)" max={Math.max(1, ...series.requests) / 4} />
          {service.errors > 0 ? `${count(service.errors)} failed` : 'none failed'}
        </div>
        <div>
          <Sparkline values={series.p95_ns} width={118} height={26} colour="var(--accent)" />
          p95
        </div>
      </div>
    </>
  );
}

function Operations({ name, time }: { name: string; time: string | undefined }) {
  const routes = useQuery(queries.routes(time, name, OPERATIONS));
  if (!routes.data || routes.data.routes.length === 0) return null;
  return (
    <>
      <h3>Slowest operations</h3>
      <table className={styles.table}>
        <thead>
          <tr>
            <th>Operation</th>
            <th className="num">Requests</th>
            <th className="num">Failed</th>
            <th className="num">p95</th>
          </tr>
        </thead>
        <tbody>
          {routes.data.routes.map((route) => (
            <tr key={`${route.method} ${route.route}`}>
              <td className="cut">
                <Link to="/traces" search={{ service: name, route: route.route, time }} title={`${route.method ?? ''} ${route.route}`}>
                  {`${route.method ?? ''} ${route.route}`.trim()}
                </Link>
              </td>
              <td className="num">{count(route.requests)}</td>
              <td className="num">{route.errors > 0 ? <span className={styles.bad}>{percent(route.errors / route.requests)}</span> : <span className="muted">–</span>}</td>
              <td className="num">{duration(route.p95_ns ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

function Neighbours({ graph, nodeKey, onChoose }: { graph: Graph; nodeKey: string; onChoose: Props['onChoose'] }) {
  const sides = [
    { title: 'Called by', list: graph.edges.filter((edge) => graph.keys[edge.to] === nodeKey), other: 'from' as const },
    { title: 'Calls', list: graph.edges.filter((edge) => graph.keys[edge.from] === nodeKey), other: 'to' as const },
  ];
  return sides.map(({ title, list, other }) =>
    list.length === 0 ? null : (
      <div key={title}>
        <h3>
          {title} <span className={styles.n}>{list.length}</span>
        </h3>
        <ul className={styles.edges}>
          {[...list]
            .sort((a, b) => b.total - a.total)
            .map((edge) => (
              <li key={edge.key}>
                <button type="button" onClick={() => onChoose('edge', edge.key)} title="The edge between them">
                  <Ring of={edge} size={14} />
                  <span className={styles.other}>
                    {graph.nodes[edge[other]]?.name}
                    {edge.dashed && <i>linked</i>}
                  </span>
                  {edge.trouble !== '' && <span style={{ color: `var(--${edge.state})` }}>{edge.trouble}</span>}
                  <span className={styles.num}>{edge.label}</span>
                </button>
              </li>
            ))}
        </ul>
      </div>
    ),
  );
}
