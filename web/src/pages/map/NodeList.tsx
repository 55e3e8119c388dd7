// Every node of the map as a list: to find one, to compare them, and the map's way for the keyboard.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import { shares } from '../../lib/graph';
import { exact, percent } from '../../lib/units';
import { BareButton, Input } from '../../ui/Control';
import { useKeys } from '../../ui/keys';
import { Ring, StatusShape } from '../../ui/map/Ring';
import type { DrawnNode } from '../../ui/map/draw';
import type { MapNode } from '../../api/types';
import { latencyOf, type Latency } from './model';
import styles from './Map.module.css';

const ROW_PX = 38;
type Sort = 'rate' | 'latency' | 'failed';

const failedShare = (node: DrawnNode) => 1 - shares(node).ok;

interface Props {
  nodes: DrawnNode[];
  told: ReadonlyMap<string, MapNode>;
  latency: Latency;
  chosen: string | null;
  find: string;
  onFind: (text: string) => void;
  onChoose: (key: string | null) => void;
  onPoint: (key: string | null) => void;
}

export const found = (nodes: DrawnNode[], find: string) => {
  const wanted = find.trim().toLowerCase();
  return wanted === '' ? nodes : nodes.filter((node) => node.name.toLowerCase().includes(wanted) || node.type.toLowerCase().includes(wanted));
};

export function NodeList({ nodes, told, latency, chosen, find, onFind, onChoose, onPoint }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const [sort, setSort] = useState<Sort>('rate');
  const list = useMemo(() => {
    const value = (node: DrawnNode) => (sort === 'failed' ? failedShare(node) * 1e12 + node.total : sort === 'latency' ? (latencyOf(told.get(node.key) as MapNode, latency) ?? -1) : node.total);
    return [...found(nodes, find)].sort((a, b) => value(b) - value(a) || (a.name < b.name ? -1 : 1));
  }, [nodes, told, find, sort, latency]);
  const virtual = useVirtualizer({ count: list.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, getItemKey: (index) => list[index]?.key ?? index, overscan: 12 });
  const at = list.findIndex((node) => node.key === chosen);
  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' });
    // Only when another node is chosen: a refresh must not scroll.
  }, [chosen]);
  const step = (by: number) => {
    const next = list[Math.max(0, Math.min(list.length - 1, at + by))];
    if (next) onChoose(next.key);
  };
  useKeys({ j: () => step(1), k: () => step(-1), f: () => field.current?.focus() });
  const heading = (name: Sort, label: string) => (
    <button type="button" aria-pressed={sort === name} onClick={() => setSort(name)} title="Sort by this, most first">
      {label}
    </button>
  );
  return (
    <aside className={styles.list} aria-label="Nodes">
      <div className={styles.find}>
        <Input
          ref={field}
          value={find}
          placeholder={`Find among ${exact(nodes.length)} nodes`}
          aria-label="Find a node"
          data-testid="map-find"
          onChange={(event) => onFind(event.target.value)}
          onKeyDown={(event) => {
            const first = list[0];
            if (event.key === 'Enter' && first) onChoose(first.key);
            if (event.key === 'ArrowDown') scroller.current?.focus();
            if (event.key === 'Escape') {
              onFind('');
              event.currentTarget.blur();
            }
          }}
        />
        {find !== '' ? <BareButton icon="close" label="Show all nodes" onClick={() => onFind('')} /> : <kbd>f</kbd>}
      </div>
      <div className={styles.listHead}>
        <span>Node</span>
        {heading('failed', 'Failed')}
        {heading('latency', latency)}
        {heading('rate', 'Rate')}
      </div>
      <div
        ref={scroller}
        className={styles.rows}
        role="listbox"
        tabIndex={0}
        aria-label="Nodes of the map"
        aria-activedescendant={at >= 0 ? `node-${at}` : undefined}
        data-testid="map-list"
        onKeyDown={(event) => {
          const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          step(by);
        }}
        onPointerLeave={() => onPoint(null)}
      >
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map((item) => {
            const node = list[item.index];
            if (!node) return null;
            const failed = failedShare(node);
            return (
              <div
                key={node.key}
                id={`node-${item.index}`}
                className={styles.row}
                style={{ transform: `translateY(${item.start}px)` }}
                role="option"
                aria-selected={node.key === chosen}
                data-testid="map-row"
                data-node={node.name}
                onClick={() => onChoose(node.key === chosen ? null : node.key)}
                onPointerEnter={() => onPoint(node.key)}
              >
                <Ring of={node} size={20} />
                <span className={styles.name} title={node.type === '' ? node.name : `${node.name}, ${node.type}`}>
                  <b>{node.name}</b>
                  <i>{node.role === 'inferred' ? `${node.type || 'called'} · inferred` : node.type || ' '}</i>
                </span>
                <span className={styles.failed}>
                  {node.total > 0 && failed > 1e-9 ? (
                    <>
                      <StatusShape status={node.state === 'ok' ? 'error' : node.state} size={8} /> {percent(failed)}
                    </>
                  ) : (
                    <span className="muted">–</span>
                  )}
                </span>
                <span>{node.head}</span>
                <span>{node.sub}</span>
              </div>
            );
          })}
        </div>
        {list.length === 0 && <p className={styles.none}>No node is called that.</p>}
      </div>
    </aside>
  );
}
