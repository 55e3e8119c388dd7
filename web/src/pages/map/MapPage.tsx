// Map: services and what they call, with rates, response times and how requests end. A node or an edge leads to its
// traces.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo, useRef, useState } from 'react';
import { isUnreadable } from '../../api/client';
import * as queries from '../../api/queries';
import * as xray from '../../api/xray';
import { filterCompletingAt } from '../../lib/filter';
import { STATUSES, type Status } from '../../lib/graph';
import { rangeFromParam } from '../../lib/time';
import { exact, plural } from '../../lib/units';
import { Button, Choice, Group, IconButton } from '../../ui/Control';
import { GraphCanvas, type Chosen, type GraphHandle } from '../../ui/map/GraphCanvas';
import { forget, useLayout } from '../../ui/map/layout';
import { StatusShape } from '../../ui/map/Ring';
import { SearchBar } from '../../ui/SearchBar';
import { Split } from '../../ui/Split';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { useFilterSuggest } from '../common/expression';
import { GroupSelect } from '../common/GroupSelect';
import { useSetSearch } from '../common/search';
import { graphOf, inWords, LATENCIES, STATUS_WORDS, type Latency } from './model';
import { found, NodeList } from './NodeList';
import { EdgePanel, NodePanel, type Brush } from './SidePanel';
import styles from './Map.module.css';

const here = getRouteApi('/map');
const NONE = { node: undefined, edge: undefined, min: undefined, max: undefined, show: undefined };

/** Seconds in the address, in milliseconds as on the other pages. */
const fromMs = (text: string | undefined) => (Number(text) > 0 ? Number(text) / 1000 : undefined);
const toMs = (seconds: number) => String(Number((seconds * 1000).toPrecision(6)));

export function MapPage() {
  const search = here.useSearch();
  const setSearch = useSetSearch();
  const { time, filter, group } = search;
  const latency: Latency = LATENCIES.find((one) => one.value === search.latency)?.value ?? 'p95';
  const map = useQuery(xray.map(time, { filter, group }, search.live === '1'));
  const suggest = useFilterSuggest(time);
  const canvas = useRef<GraphHandle>(null);
  const [find, setFind] = useState('');
  const [pointed, setPointed] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);

  // While another filter is being answered the old picture stays, under its old name.
  const picture = useRef('');
  if (!map.isPlaceholderData) picture.current = `${group ?? ''}\n${filter ?? ''}`;
  const seconds = useMemo(() => {
    const range = rangeFromParam(time, Date.now());
    return (range.end - range.start) / 1000;
  }, [time]);
  const graph = useMemo(() => map.data && graphOf(map.data, latency, seconds), [map.data, latency, seconds]);
  const arranged = useLayout(picture.current, graph?.keys ?? NOTHING, graph?.links ?? NO_LINKS, turn);
  const marked = useMemo(() => (graph && find.trim() !== '' ? new Set(found(graph.nodes, find).map((node) => node.key)) : null), [graph, find]);
  const chosen = useMemo<Chosen>(() => (search.edge ? { kind: 'edge', key: search.edge } : search.node ? { kind: 'node', key: search.node } : null), [search.edge, search.node]);
  const brush: Brush = { range: fromMs(search.min) !== undefined || fromMs(search.max) !== undefined ? { from: fromMs(search.min) ?? 0, to: fromMs(search.max) ?? Infinity } : null, statuses: (search.show?.split(',') ?? []).filter((one): one is Status => (STATUSES as readonly string[]).includes(one)) };

  const choose = (next: Chosen) => setSearch({ ...NONE, [next?.kind ?? 'node']: next?.key });
  const chooseNode = (key: string | null) => {
    choose(key === null ? null : { kind: 'node', key });
    if (key !== null) canvas.current?.show(key);
  };
  const setBrush = (next: Brush) => setSearch({ min: next.range ? toMs(next.range.from) : undefined, max: next.range ? toMs(next.range.to) : undefined, show: next.statuses.join(',') || undefined }, true);
  const badFilter = isUnreadable(map.error);
  const filtered = Boolean(filter || group);
  const node = chosen?.kind === 'node' ? graph?.told.get(chosen.key) : undefined;
  const edge = chosen?.kind === 'edge' ? graph?.toldEdges.get(chosen.key) : undefined;
  const shared = graph && { graph, time, seconds, filter, group, brush, onBrush: setBrush, onChoose: (kind: 'node' | 'edge', key: string) => (kind === 'node' ? chooseNode(key) : choose({ kind, key })), onClose: () => choose(null) };
  // Positions of the picture before have no place for the nodes of this one.
  const fits = graph && arranged && graph.keys.every((key) => arranged.placed.positions.has(key));
  return (
    <>
      <div className={styles.bar}>
        <GroupSelect group={group} onChange={(next) => setSearch({ group: next, ...NONE })} />
        <SearchBar value={filter ?? ''} onSearch={(next) => setSearch({ filter: next })} suggest={suggest} completing={filterCompletingAt} invalid={badFilter} label="Filter expression" placeholder='filter expression: service("api") { fault } AND http.status = 500' />
        <Choice label="Response time shown" options={LATENCIES} value={latency} onChange={(value) => setSearch({ latency: value === 'p95' ? undefined : value }, true)} />
        {filtered && <Button onClick={() => setSearch({ filter: undefined, group: undefined })}>Clear all</Button>}
      </div>
      {map.error ? (
        <Failure error={map.error} query={filter} onRetry={() => void map.refetch()} title={badFilter ? 'The filter expression cannot be read' : 'The map could not be read'} />
      ) : graph && graph.nodes.length === 0 ? (
        <NoMap filtered={filtered} />
      ) : (
        <Split
          name="map"
          side={
            node && shared && chosen ? (
              <NodePanel {...shared} node={node} nodeKey={chosen.key} />
            ) : edge && shared ? (
              <EdgePanel {...shared} edge={edge} />
            ) : chosen && graph ? (
              <Empty title="Not in this range">
                <p>What the address names sent and received nothing here. Choose a longer time range, or another node.</p>
                <Button onClick={() => choose(null)}>Close</Button>
              </Empty>
            ) : null
          }
        >
          <div className={styles.body}>
            {graph ? (
              <NodeList nodes={graph.nodes} told={graph.told} latency={latency} chosen={chosen?.kind === 'node' ? chosen.key : null} find={find} onFind={setFind} onChoose={chooseNode} onPoint={setPointed} />
            ) : (
              <div className={styles.list}>
                <Loading rows={16} label="Reading the map" />
              </div>
            )}
            <div className={styles.canvas} data-testid="map" data-nodes={graph?.nodes.length} data-ready={Boolean(fits)} aria-busy={map.isFetching}>
              {graph && arranged && fits ? (
                <>
                  <GraphCanvas ref={canvas} nodes={graph.nodes} edges={graph.edges} placed={arranged.placed} picture={`${arranged.picture}\n${arranged.turn}`} chosen={chosen} onChoose={choose} marked={marked} pointed={pointed} label={inWords(graph)} />
                  <Legend links={graph.edges.some((one) => one.dashed)} inferred={graph.nodes.some((one) => one.role === 'inferred')} />
                  <div className={styles.tools}>
                    <IconButton
                      icon="arrange"
                      label="Arrange anew"
                      onClick={() => {
                        forget(picture.current);
                        setTurn(turn + 1);
                      }}
                    />
                    <Group label="Zoom">
                      <IconButton icon="minus" label="Smaller (−)" onClick={() => canvas.current?.zoom(1 / 1.4)} />
                      <IconButton icon="fit" label="Show all (0)" onClick={() => canvas.current?.fit()} />
                      <IconButton icon="plus" label="Larger (+)" onClick={() => canvas.current?.zoom(1.4)} />
                    </Group>
                  </div>
                </>
              ) : (
                <p className={styles.waiting} role="status">
                  {graph ? `Arranging ${plural(graph.nodes.length, 'node')}` : 'Reading the map'}
                </p>
              )}
            </div>
          </div>
        </Split>
      )}
      <StatsLine stats={map.data?.stats}>{graph && `${plural(graph.nodes.length, 'node')}, ${plural(graph.edges.length, 'edge')}${marked ? `, ${exact(marked.size)} found` : ''}`}</StatsLine>
    </>
  );
}

const NOTHING: string[] = [];
const NO_LINKS: { from: string; to: string }[] = [];

function Legend({ links, inferred }: { links: boolean; inferred: boolean }) {
  return (
    <ul className={styles.legend} aria-label="Legend">
      {[...STATUSES].reverse().map((status) => (
        <li key={status}>
          <StatusShape status={status} />
          {STATUS_WORDS[status]}
        </li>
      ))}
      {links && (
        <li>
          <svg width="18" height="8" aria-hidden="true">
            <path d="M0 4H18" stroke="var(--ink-3)" strokeWidth="1.5" strokeDasharray="4 3" />
          </svg>
          linked
        </li>
      )}
      {inferred && (
        <li>
          <svg width="11" height="11" aria-hidden="true">
            <circle cx="5.5" cy="5.5" r="4.5" fill="none" stroke="var(--ink-3)" strokeDasharray="1.6 1.8" />
          </svg>
          inferred
        </li>
      )}
    </ul>
  );
}

function NoMap({ filtered }: { filtered: boolean }) {
  const receivers = useQuery(queries.receivers());
  if (filtered) {
    return (
      <Empty title="No trace matches">
        <p>The map is drawn from the traces that match the filter and the group. Take one away, or choose a longer time range above.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No traces in this time range" copy={`OTEL_EXPORTER_OTLP_ENDPOINT=${receivers.data?.addresses.otlp_http ?? 'http://127.0.0.1:4318'}\nOTEL_SERVICE_NAME=my-service`}>
      <p>
        The map draws itself from traces: each service that sends spans is a node, and so is what it calls. Choose a longer range above, or send some; <Link to="/connect">Connect</Link> has the lines for AWS X-Ray and others.
      </p>
    </Empty>
  );
}
