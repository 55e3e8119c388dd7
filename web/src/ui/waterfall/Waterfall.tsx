// The waterfall: a tree of spans beside their place in time. Only rows in sight are in the page, so 20,000 spans scroll
// like twenty. It shows what it is given; choosing, finding and what a click means belong to the page.
import { useVirtualizer } from '@tanstack/react-virtual';
import { memo, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { serviceColour } from '../../lib/colour';
import { receiverName } from '../../lib/ids';
import { levelFromNumber } from '../../lib/severity';
import { msFromNano, nanoBetween } from '../../lib/time';
import { count, duration } from '../../lib/units';
import { ancestors, collapsedAt, matches as findMatches, place, ticks, totalNs, visibleRows, type Placed, type WaterfallSpan } from '../../lib/waterfall';
import { Badge, Receiver, Service } from '../Chip';
import { Button, IconButton, Input } from '../Control';
import { Icon } from '../Icon';
import { useKeys } from '../keys';
import { Grip, useWidth } from '../Split';
import { Minimap } from './Minimap';
import styles from './Waterfall.module.css';

export interface WaterfallRow extends WaterfallSpan {
  status_code: string;
  status_message: string;
  in_progress: boolean;
  missing_parent: boolean;
  clock_skew_ns: number;
  critical: boolean;
  log_count: number;
  kind: string;
  /** The rule by which the root of another tracer's trace stands here. */
  linked_by?: string | null;
  events: { time_unix_nano: string; name: string; exception?: { type: string; message: string } | null }[];
}

export interface WaterfallLog {
  id: string;
  time_unix_nano: string;
  severity_number: number;
  body: string;
  span_id?: string | null;
}

interface Props {
  spans: WaterfallRow[];
  start: string;
  durationNs: number;
  services: { name: string; spans: number }[];
  selected: string | undefined;
  onSelect: (spanId: string) => void;
  find: string;
  onFind: (text: string) => void;
  /** Log lines below their span; undefined while they are not wanted. */
  logs: WaterfallLog[] | undefined;
  onLog: (id: string) => void;
  tools?: ReactNode;
}

const ROW_PX = 26;
const INDENT_PX = 13;
/** Deeper than this the tree no longer moves to the right, or names would have no room. */
const INDENT_MAX = 18;
const EVENTS_MAX = 40;

type Row = { span: number } | { span: number; log: WaterfallLog };

export function Waterfall({ spans, start, durationNs, services, selected, onSelect, find, onFind, logs, onLog, tools }: Props) {
  const placed = useMemo(() => place(spans, start), [spans, start]);
  const total = useMemo(() => totalNs(placed, durationNs), [placed, durationNs]);
  const byId = useMemo(() => new Map(spans.map((span, i) => [span.span_id, i])), [spans]);
  const [collapsed, setCollapsed] = useState<ReadonlySet<number>>(() => new Set());
  const [view, setView] = useState<[number, number] | null>(null);
  const [from, to] = view ?? [0, total];
  const [names, setNames] = useWidth('waterfall', 500, 220, 900);

  const logsBySpan = useMemo(() => {
    const out = new Map<number, WaterfallLog[]>();
    for (const log of logs ?? []) {
      // A line without a span belongs to the request as a whole: the first root.
      const at = (log.span_id ? byId.get(log.span_id) : undefined) ?? 0;
      out.set(at, [...(out.get(at) ?? []), log]);
    }
    return out;
  }, [logs, byId]);

  const rows = useMemo(() => {
    const out: Row[] = [];
    for (const span of visibleRows(placed, collapsed)) {
      out.push({ span });
      for (const log of logsBySpan.get(span) ?? []) out.push({ span, log });
    }
    return out;
  }, [placed, collapsed, logsBySpan]);

  const found = useMemo(() => findMatches(spans, find), [spans, find]);
  const foundSet = useMemo(() => new Set(found), [found]);
  const chosen = selected === undefined ? undefined : byId.get(selected);
  const current = chosen !== undefined && foundSet.has(chosen) ? found.indexOf(chosen) : -1;

  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => ROW_PX, overscan: 20 });

  // What is chosen is in sight: its ancestors open, its row scrolled to.
  const pending = useRef<number | undefined>(chosen);
  const show = useCallback(
    (index: number) => {
      pending.current = index;
      setCollapsed((old) => {
        const shut = ancestors(placed, index).filter((i) => old.has(i));
        if (shut.length === 0) return old;
        const next = new Set(old);
        for (const i of shut) next.delete(i);
        return next;
      });
      const span = spans[index];
      if (span) onSelect(span.span_id);
    },
    [placed, spans, onSelect],
  );
  useEffect(() => {
    if (pending.current === undefined) return;
    const row = rows.findIndex((one) => one.span === pending.current);
    if (row >= 0) virtual.scrollToIndex(row, { align: 'auto' });
    pending.current = undefined;
  }, [rows, selected, virtual]);

  const toggle = useCallback((index: number) => {
    setCollapsed((old) => {
      const next = new Set(old);
      if (!next.delete(index)) next.add(index);
      return next;
    });
  }, []);

  const step = (by: number) => {
    const visible = rows.filter((row) => !('log' in row));
    const at = chosen === undefined ? (by > 0 ? -1 : visible.length) : visible.findIndex((row) => row.span === chosen);
    const next = visible[Math.max(0, Math.min(visible.length - 1, at + by))];
    if (next) show(next.span);
  };
  const jump = (by: number) => {
    if (found.length === 0) return;
    const after = by > 0 ? found.findIndex((i) => i > (chosen ?? -1)) : -1;
    const at = current >= 0 ? (current + by + found.length) % found.length : by > 0 ? Math.max(0, after) : found.length - 1;
    show(found[at] as number);
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => step(1),
    ArrowUp: () => step(-1),
    ArrowLeft: () => chosen !== undefined && setCollapsed((old) => new Set(old).add(chosen)),
    ArrowRight: () => chosen !== undefined && collapsed.has(chosen) && toggle(chosen),
    n: () => jump(1),
    N: () => jump(-1),
    p: () => jump(-1),
  });

  const marks = ticks(from, to, 7);
  const at = (ns: number) => ((ns - from) / (to - from)) * 100;
  return (
    <div className={styles.waterfall} style={{ '--names': `min(${names}px, 50cqw)`, '--gutter': '11px' } as React.CSSProperties}>
      <div className={styles.tools}>
        <div className={styles.find}>
          <Input
            value={find}
            placeholder="Find in this trace"
            aria-label="Find in this trace"
            data-search=""
            data-testid="find-span"
            onChange={(event) => onFind(event.target.value)}
            onKeyDown={(event) => {
              if (event.key === 'Enter') jump(event.shiftKey ? -1 : 1);
              if (event.key === 'Escape') event.currentTarget.blur();
            }}
          />
          <span className={styles.found} role="status">
            {find.trim() === '' ? '' : found.length === 0 ? 'no match' : `${current >= 0 ? current + 1 : '–'} of ${count(found.length)}`}
          </span>
        </div>
        <IconButton icon="up" label="Previous match (N)" disabled={found.length === 0} onClick={() => jump(-1)} />
        <IconButton icon="down" label="Next match (n)" disabled={found.length === 0} onClick={() => jump(1)} />
        <Button onClick={() => setCollapsed(collapsed.size > 0 ? new Set() : collapsedAt(spans, placed, 1))} data-testid="collapse-all">
          {collapsed.size > 0 ? 'Expand all' : 'Collapse'}
        </Button>
        {tools}
        <div className={styles.legend} role="group" aria-label="Services">
          {services.map((service) => (
            <Service key={service.name} name={service.name} count={service.spans} />
          ))}
        </div>
      </div>
      <div className={styles.plot}>
      <div className={styles.map}>
        <div className={styles.label}>
          {count(spans.length)} spans
          {view && <Button onClick={() => setView(null)}>Whole trace</Button>}
        </div>
        <Minimap spans={spans} placed={placed} total={total} view={view} onView={setView} className={styles.area ?? ''} shade={styles.shade ?? ''} window={styles.window ?? ''} />
      </div>
      <div className={styles.ruler}>
        <div className={styles.names}>Span</div>
        <div className={styles.times} aria-hidden="true">
          {marks.filter((ns) => at(ns) < 91).map((ns) => (
            <span key={ns} style={{ left: `${at(ns)}%` }}>
              {ns === 0 ? '0' : duration(ns)}
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
          {virtual.getVirtualItems().map((item) => {
            const row = rows[item.index];
            if (!row) return null;
            const span = spans[row.span] as WaterfallRow;
            if ('log' in row) {
              return <LogRow key={`log ${row.log.id}`} top={item.start} log={row.log} depth={span.depth + 1} left={at(nanoBetween(start, row.log.time_unix_nano))} onLog={onLog} />;
            }
            const parent = placed[row.span]?.parent ?? -1;
            return (
              <SpanRow
                key={`${row.span}`}
                index={row.span}
                span={span}
                top={item.start}
                placed={placed[row.span] as Placed}
                start={start}
                from={from}
                to={to}
                newService={parent < 0 || spans[parent]?.service !== span.service}
                selected={row.span === chosen}
                match={foundSet.has(row.span) ? (row.span === chosen ? 'current' : 'true') : undefined}
                dim={find.trim() !== '' && !foundSet.has(row.span)}
                collapsed={collapsed.has(row.span)}
                onToggle={toggle}
                onSelect={onSelect}
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

interface SpanRowProps {
  index: number;
  span: WaterfallRow;
  top: number;
  placed: Placed;
  start: string;
  from: number;
  to: number;
  newService: boolean;
  selected: boolean;
  match: string | undefined;
  dim: boolean;
  collapsed: boolean;
  onToggle: (index: number) => void;
  onSelect: (spanId: string) => void;
}

const SpanRow = memo(function SpanRow({ index, span, top, placed, start, from, to, newService, selected, match, dim, collapsed, onToggle, onSelect }: SpanRowProps) {
  const share = 100 / (to - from);
  const left = (placed.offset - from) * share;
  const width = placed.duration * share;
  const right = left + width;
  const failed = span.status_code === 'error';
  const exception = span.events.find((event) => event.exception)?.exception;
  const children = placed.next - index - 1;
  const length = span.in_progress ? `${duration(placed.duration)} so far` : duration(placed.duration);
  // The figure stands after the bar while there is room, else before it, else at the edge that is in sight.
  const label = right < 84 ? { left: `${Math.max(0, right)}%` } : left > 16 ? { right: `${Math.max(0, 100 - left)}%` } : { right: '0' };
  const inside = right >= 84 && left <= 16;
  return (
    <div
      className={`${styles.row} ${failed ? styles.failed : ''}`}
      style={{ top }}
      role="treeitem"
      aria-level={span.depth + 1}
      aria-selected={selected}
      aria-expanded={children > 0 ? !collapsed : undefined}
      data-match={match}
      data-dim={dim || undefined}
      data-span-id={span.span_id}
      data-receiver={span.receiver}
      data-testid="span-row"
      onClick={() => onSelect(span.span_id)}
    >
      <div className={styles.name}>
        <span className={styles.guide} style={{ width: Math.min(span.depth, INDENT_MAX) * INDENT_PX }} />
        {children > 0 ? (
          <button
            type="button"
            className={styles.fold}
            tabIndex={-1}
            aria-label={collapsed ? 'Expand' : 'Collapse'}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(index);
            }}
          >
            <Icon name={collapsed ? 'right' : 'down'} size={12} />
          </button>
        ) : (
          <span className={styles.fold} />
        )}
        <span className={styles.bead} style={{ background: serviceColour(span.service) }} title={span.service} />
        <span className={styles.title}>
          <span className={styles.text} title={span.name}>
            {span.name}
          </span>
          {newService && span.service !== span.name && <span className={styles.service}>{span.service}</span>}
        </span>
        <span className={styles.marks}>
          {collapsed && <Badge tone="quiet">+{count(children)}</Badge>}
          {span.missing_parent && (
            <Badge tone="note" title="The parent of this span has not arrived" testId="missing-parent">
              no parent
            </Badge>
          )}
          {span.in_progress && (
            <Badge tone="quiet" title="This span has not ended yet" testId="in-progress">
              running
            </Badge>
          )}
          {span.clock_skew_ns !== 0 && (
            <Badge tone="note" title={`Moved by ${duration(span.clock_skew_ns)}: the clock of this host differs from its parent's`}>
              skew
            </Badge>
          )}
          {span.log_count > 0 && (
            <span className="muted" title={`${span.log_count} log lines`} style={{ display: 'inline-flex', gap: 2, alignItems: 'center', fontSize: 'var(--size-small)' }}>
              <Icon name="lines" size={12} />
              {span.log_count}
            </span>
          )}
          {(failed || exception) && (
            <Badge title={exception ? `${exception.type}: ${exception.message}` : span.status_message || 'error'} testId="span-error">
              <Icon name="alert" size={11} />
              <span className={styles.word}>{exception ? exception.type.split('.').pop() : 'error'}</span>
            </Badge>
          )}
          {span.linked_by && (
            <span className={styles.joint} title={`${receiverName(span.receiver)}'s trace of the same request, linked by ${span.linked_by}`} data-testid="linked-by">
              <Icon name="link" size={12} />
            </span>
          )}
          <Receiver name={span.receiver} />
        </span>
      </div>
      <div className={styles.time}>
        <span className={styles.bar} style={{ left: `${left}%`, width: `${width}%`, background: serviceColour(span.service) }} data-critical={span.critical} data-error={failed} data-progress={span.in_progress} />
        {span.events.slice(0, EVENTS_MAX).map((event, i) => (
          <span
            key={i}
            className={`${styles.event} ${event.exception ? styles.exception : ''}`}
            style={{ left: `${(nanoBetween(start, event.time_unix_nano) - from) * share}%` }}
            title={event.exception ? `${event.exception.type}: ${event.exception.message}` : event.name}
          />
        ))}
        <span className={styles.length} style={inside ? { ...label, color: 'var(--ink)', background: 'color-mix(in oklab, var(--page) 78%, transparent)', borderRadius: 2, marginRight: 4 } : label}>
          {length}
        </span>
      </div>
    </div>
  );
});

const LogRow = memo(function LogRow({ top, log, depth, left, onLog }: { top: number; log: WaterfallLog; depth: number; left: number; onLog: (id: string) => void }) {
  const level = levelFromNumber(log.severity_number);
  return (
    <div className={styles.log} style={{ top }} onClick={() => onLog(log.id)} data-testid="span-log-row" title={log.body}>
      <div className={styles.name}>
        <span className={styles.guide} style={{ width: Math.min(depth, INDENT_MAX) * INDENT_PX }} />
        <span className={styles.fold}>
          <Icon name="lines" size={11} />
        </span>
        <span className={styles.bead} style={{ background: `var(--level-${level})` }} />
        <span className={styles.text}>{log.body}</span>
      </div>
      <div className={styles.time}>
        <span className={styles.dot} style={{ left: `${left}%`, background: `var(--level-${level})` }} title={new Date(msFromNano(log.time_unix_nano)).toISOString()} />
      </div>
    </div>
  );
});
