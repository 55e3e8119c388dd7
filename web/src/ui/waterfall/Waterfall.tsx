// The waterfall: a tree of spans beside their place in time. Only rows in sight are in the page, so 20,000 spans scroll
// like twenty. It shows what it is given; choosing, finding and what a click means belong to the page.
import { useVirtualizer } from '@tanstack/react-virtual';
import { useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import type { Usual } from '../../lib/compare';
import type { Gap } from '../../lib/gaps';
import { nanoBetween } from '../../lib/time';
import { count } from '../../lib/units';
import { ancestors, collapsedBy, foldsFromParam, paramFromFolds, tickLabels, ticks, visibleRows, type Folds, type Placed } from '../../lib/waterfall';
import { Button } from '../Control';
import { Icon } from '../Icon';
import { useKeys } from '../keys';
import { Grip, useWidth } from '../Split';
import { Find, Legend, nextMatch } from './Find';
import { Minimap } from './Minimap';
import { LogRow, SpanRow } from './Rows';
import type { Stretch, WaterfallLog, WaterfallRow } from './types';
import toolStyles from './Tools.module.css';
import styles from './Waterfall.module.css';

interface Props {
  spans: WaterfallRow[];
  placed: Placed[];
  total: number;
  start: string;
  services: { name: string; spans: number }[];
  selected: string | undefined;
  onSelect: (spanId: string | undefined) => void;
  find: string;
  onFind: (text: string) => void;
  /** Indices of the spans that are found. */
  found: number[];
  /** Log lines below their span; undefined while they are not wanted. */
  logs: WaterfallLog[] | undefined;
  onLog: (id: string) => void;
  view: Stretch;
  onView: (view: Stretch) => void;
  /** What is folded, as the address has it. */
  fold: string | undefined;
  onFold: (fold: string | undefined) => void;
  /** Only spans of the critical path. */
  onlyCritical: boolean;
  /** Whether times are moved by what clocks differ. */
  aligned: boolean;
  gaps: ReadonlyMap<number, Gap[]> | undefined;
  usual: ReadonlyMap<number, Usual> | undefined;
  tools?: ReactNode;
}

const ROW_PX = 26;

type Row = { span: number } | { span: number; log: WaterfallLog };

export function Waterfall({ spans, placed, total, start, services, selected, onSelect, find, onFind, found, logs, onLog, view, onView, fold, onFold, onlyCritical, aligned, gaps, usual, tools }: Props) {
  const byId = useMemo(() => firstById(spans), [spans]);
  const [folds, setFolds] = useState<Folds>(() => foldsFromParam(fold));
  const collapsed = useMemo(() => collapsedBy(spans, placed, folds), [spans, placed, folds]);
  const [from, to] = view ?? [0, total];
  const [names, setNames] = useWidth('waterfall', 500, 220, 900);

  const told = useRef(fold);
  useEffect(() => {
    const param = paramFromFolds(folds);
    if (param === told.current) return;
    told.current = param;
    onFold(param);
  }, [folds, onFold]);

  const logsBySpan = useMemo(() => {
    const out = new Map<number, WaterfallLog[]>();
    for (const log of logs ?? []) {
      // A line without a span belongs to the request as a whole: the first root.
      const at = (log.span_id ? byId.get(log.span_id) : undefined) ?? 0;
      const lines = out.get(at);
      if (lines) lines.push(log);
      else out.set(at, [log]);
    }
    return out;
  }, [logs, byId]);

  const rows = useMemo(() => {
    const out: Row[] = [];
    const wanted = onlyCritical ? (i: number) => spans[i]?.critical === true : undefined;
    for (const span of visibleRows(placed, collapsed, wanted)) {
      out.push({ span });
      for (const log of logsBySpan.get(span) ?? []) out.push({ span, log });
    }
    return out;
  }, [spans, placed, collapsed, logsBySpan, onlyCritical]);

  const foundSet = useMemo(() => new Set(found), [found]);
  const chosen = selected === undefined ? undefined : byId.get(selected);
  // Where the keys are: the chosen span, or after its panel was closed still there.
  const [cursor, setCursor] = useState<number | undefined>(chosen);
  useEffect(() => {
    if (chosen !== undefined) setCursor(chosen);
  }, [chosen]);

  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, overscan: 12 });

  const items = virtual.getVirtualItems();

  const setFolded = useCallback(
    (indices: number[]) => {
      setFolds((old) => {
        const changed = new Set(old.changed);
        for (const i of indices) {
          const id = spans[i]?.span_id;
          if (id !== undefined && !changed.delete(id)) changed.add(id);
        }
        return { depth: old.depth, changed };
      });
    },
    [spans],
  );
  const toggle = useCallback((index: number) => setFolded([index]), [setFolded]);

  // What the keys are at is in sight: its ancestors open, its row scrolled to.
  const pending = useRef<number | undefined>(chosen);
  const goTo = (index: number, open: boolean) => {
    pending.current = index;
    const shut = ancestors(placed, index).filter((i) => collapsed.has(i));
    if (shut.length > 0) setFolded(shut);
    setCursor(index);
    const span = spans[index];
    if (span && open) onSelect(span.span_id);
  };
  useEffect(() => {
    if (pending.current === undefined) return;
    const row = rows.findIndex((one) => one.span === pending.current);
    if (row >= 0) virtual.scrollToIndex(row, { align: 'auto' });
    pending.current = undefined;
  }, [rows, cursor, selected, virtual]);

  // With the panel open the keys take it along; without, they move a mark that Enter opens.
  const step = (by: number) => {
    const visible = rows.filter((row) => !('log' in row));
    const at = cursor === undefined ? (by > 0 ? -1 : visible.length) : visible.findIndex((row) => row.span === cursor);
    const next = visible[Math.max(0, Math.min(visible.length - 1, at + by))];
    if (next) goTo(next.span, chosen !== undefined);
  };
  const jump = (by: number) => {
    const next = nextMatch(found, cursor, by);
    if (next !== undefined) goTo(next, true);
  };
  const left = () => {
    if (cursor === undefined) return;
    const { next, parent } = placed[cursor] as Placed;
    if (next > cursor + 1 && !collapsed.has(cursor)) toggle(cursor);
    else if (parent >= 0) goTo(parent, chosen !== undefined);
  };
  const right = () => {
    if (cursor === undefined || (placed[cursor] as Placed).next === cursor + 1) return;
    if (collapsed.has(cursor)) toggle(cursor);
    else step(1);
  };
  const zoom = () => {
    const at = cursor === undefined ? undefined : placed[cursor];
    if (at && at.duration > 0) onView([Math.max(0, at.offset - at.duration * 0.02), Math.min(total, at.offset + at.duration * 1.02)]);
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    ArrowLeft: left,
    ArrowRight: right,
    ...(cursor === undefined || chosen !== undefined ? {} : { Enter: () => goTo(cursor, true) }),
    n: () => jump(1),
    N: () => jump(-1),
    p: () => jump(-1),
    z: zoom,
    '0': () => onView(null),
  });

  const marks = ticks(from, to, 7);
  const labels = tickLabels(marks);
  const at = (ns: number) => ((ns - from) / (to - from)) * 100;
  const searching = find.trim() !== '';
  const select = useCallback((spanId: string) => onSelect(spanId), [onSelect]);
  return (
    <div className={styles.waterfall} style={{ '--names': `min(${names}px, 50cqw)`, '--gutter': '11px', '--tail': usual ? 'clamp(92px, 16cqw, 142px)' : '70px' } as React.CSSProperties}>
      <div className={toolStyles.bar}>
        <div className={toolStyles.tools}>
          <Find find={find} onFind={onFind} found={found.length} current={chosen === undefined ? -1 : found.indexOf(chosen)} onJump={jump} />
          <Button onClick={() => setFolds({ depth: collapsed.size > 0 ? null : 1, changed: new Set() })} data-testid="collapse-all" title={collapsed.size > 0 ? 'Open all spans' : 'Close all spans below the roots'}>
            <Icon name={collapsed.size > 0 ? 'unfold' : 'fold'} />
            <span className={toolStyles.word}>{collapsed.size > 0 ? 'Expand all' : 'Collapse'}</span>
          </Button>
          {tools}
          <Legend services={services} find={find} onFind={onFind} />
        </div>
      </div>
      <div className={styles.plot}>
        <div className={styles.map}>
          <div className={styles.label}>
            {count(spans.length)} spans
            {onlyCritical && `, ${count(rows.filter((row) => !('log' in row)).length)} on the critical path`}
            {view && (
              <Button onClick={() => onView(null)} title="The whole trace (0)">
                Whole trace
              </Button>
            )}
          </div>
          <Minimap spans={spans} placed={placed} total={total} view={view} onView={onView} scroller={scroller} onScroll={(share) => virtual.scrollToIndex(Math.round(share * rows.length), { align: 'center' })} className={styles.area ?? ''} shade={styles.shade ?? ''} window={styles.window ?? ''} seen={styles.seen ?? ''} />
        </div>
        <div className={styles.ruler}>
          <div className={styles.names}>Span</div>
          <div className={styles.times} aria-hidden="true">
            {marks.map((ns, i) => at(ns) < 99 && (
              <span key={ns} style={{ left: `${at(ns)}%` }}>
                {labels[i]}
              </span>
            ))}
          </div>
        </div>
        <div className={styles.scroll} ref={scroller} role="tree" aria-label="Spans" tabIndex={0} data-testid="waterfall">
          <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            <div className={styles.lines} aria-hidden="true">
              {marks.map((ns) => (
                <i key={ns} style={{ left: `${at(ns)}%` }} />
              ))}
            </div>
            {items.map((item) => {
              const row = rows[item.index];
              if (!row) return null;
              const span = spans[row.span] as WaterfallRow;
              if ('log' in row) {
                return <LogRow key={`log ${row.log.id}`} top={item.start} log={row.log} depth={span.depth + 1} left={at(nanoBetween(start, row.log.time_unix_nano) + (aligned ? span.clock_skew_ns : 0))} onLog={onLog} />;
              }
              const parent = spans[placed[row.span]?.parent ?? -1];
              return (
                <SpanRow
                  key={row.span}
                  index={row.span}
                  span={span}
                  spans={spans}
                  top={item.start}
                  placed={placed[row.span] as Placed}
                  start={start}
                  from={from}
                  to={to}
                  newService={parent?.service !== span.service}
                  newReceiver={parent?.receiver !== span.receiver}
                  skew={span.clock_skew_ns - (parent?.clock_skew_ns ?? 0)}
                  aligned={aligned}
                  selected={row.span === chosen}
                  cursor={row.span === cursor}
                  match={foundSet.has(row.span) ? (row.span === chosen ? 'current' : 'true') : undefined}
                  dim={searching && !foundSet.has(row.span)}
                  collapsed={collapsed.has(row.span)}
                  gaps={gaps?.get(row.span)}
                  usual={usual?.get(row.span)}
                  onToggle={toggle}
                  onSelect={select}
                />
              );
            })}
          </div>
        </div>
        <Grip width={names} onWidth={setNames} direction={1} label="Width of the names" className={styles.grip} />
      </div>
    </div>
  );
}

/** Two sides of a call may share one id; the address means the first. */
export function firstById(spans: { span_id: string }[]): Map<string, number> {
  const out = new Map<string, number>();
  spans.forEach((span, i) => {
    if (!out.has(span.span_id)) out.set(span.span_id, i);
  });
  return out;
}
