// The flame view: every span a box below its parent, by time, or with alike siblings merged so that widths add up. Wheel
// with Ctrl zooms, dragging moves, a click chooses, a double click looks at one box alone.
import { useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { serviceColour } from '../../lib/colour';
import { boxesByTime, boxesMerged, byRow, fill, firstAfter, mergeSiblings, type Merged } from '../../lib/flame';
import { count, duration, percent } from '../../lib/units';
import { tickLabels, ticks, type Placed } from '../../lib/waterfall';
import { Button, Choice } from '../Control';
import { Icon } from '../Icon';
import { useKeys } from '../keys';
import { resolveColour, useThemeKey } from '../theme';
import { Find, Legend, nextMatch } from './Find';
import styles from './Flame.module.css';
import { drawFlame, ROW_PX, type FlameColours, type FlameLook, type FlameScene } from './flameDraw';
import { Minimap } from './Minimap';
import toolStyles from './Tools.module.css';
import type { Stretch, WaterfallRow } from './types';
import { firstById } from './Waterfall';
import frame from './Waterfall.module.css';

export type FlameMode = 'time' | 'merged';

interface Props {
  spans: WaterfallRow[];
  placed: Placed[];
  total: number;
  /** Time of each span in which no child ran. */
  self: Float64Array;
  services: { name: string; spans: number }[];
  mode: FlameMode;
  onMode: (mode: FlameMode) => void;
  view: Stretch;
  onView: (view: Stretch) => void;
  /** Where alike spans are merged, the first span of the node that is looked at alone. */
  node: string | undefined;
  onNode: (spanId: string | undefined) => void;
  selected: string | undefined;
  onSelect: (spanId: string | undefined) => void;
  find: string;
  onFind: (text: string) => void;
  found: number[];
  tools?: ReactNode;
}

const MODES = [
  { value: 'time', label: 'By time' },
  { value: 'merged', label: 'Merged' },
] as const;
const ZOOM_STEP = 1.5;
/** Closer than this there is nothing more to see: a few nanoseconds. */
const STRETCH_LEAST_NS = 20;
const CLICK_PX = 4;
const FONT_PX = 11;

export function Flame({ spans, placed, total, self, services, mode, onMode, view, onView, node, onNode, selected, onSelect, find, onFind, found, tools }: Props) {
  const merging = mode === 'merged';
  const byId = useMemo(() => firstById(spans), [spans]);
  const merged = useMemo(() => (merging ? mergeSiblings(spans, placed, self) : null), [merging, spans, placed, self]);
  const root = merged && node !== undefined ? (merged.nodeOf[byId.get(node) ?? -1] ?? null) : null;
  const boxes = useMemo(() => (merged ? boxesMerged(merged.nodes, root) : boxesByTime(placed)), [merged, root, placed]);
  const rows = useMemo(() => byRow(boxes), [boxes]);
  const boxOf = useMemo(() => new Map(boxes.map((box) => [box.index, box])), [boxes]);
  const [from, to] = merging ? [0, 1] : (view ?? [0, total]);

  const chosenSpan = selected === undefined ? undefined : byId.get(selected);
  const chosen = chosenSpan === undefined ? -1 : merged ? (merged.nodeOf[chosenSpan] ?? -1) : chosenSpan;
  const foundBoxes = useMemo(() => (find.trim() === '' ? null : new Set(merged ? found.map((i) => merged.nodeOf[i] ?? -1) : found)), [find, found, merged]);
  const lit = useMemo(() => (chosen < 0 ? null : familyOf(chosen, merged?.nodes ?? null, placed)), [chosen, merged, placed]);
  const [hover, setHover] = useState<number>(-1);

  const look = useMemo(() => (merged ? (i: number) => mergedLook(merged.nodes[i] as Merged) : (i: number) => spanLook(spans[i] as WaterfallRow)), [merged, spans]);
  const figure = (i: number) => duration(merged ? (merged.nodes[i] as Merged).total : (placed[i] as Placed).duration);
  const scene: FlameScene = { rows, look, figure, lit, found: foundBoxes && ((i) => foundBoxes.has(i)), selected: chosen, hovered: hover };
  const marks = merging ? [] : ticks(from, to, 9);
  const labels = tickLabels(marks);

  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const colours = useColours(scroller, services);
  const latest = { scene, from, to, colours, marks };
  const held = useRef(latest);
  held.current = latest;
  const asked = useRef(0);
  const paint = () => {
    asked.current = 0;
    const [box, element] = [scroller.current, canvas.current];
    const context = element?.getContext('2d');
    const now = held.current;
    if (!box || !element || !context || !now.colours) return;
    const scale = devicePixelRatio;
    const [width, height] = [box.clientWidth, box.clientHeight];
    if (element.width !== Math.round(width * scale) || element.height !== Math.round(height * scale)) {
      element.width = Math.round(width * scale);
      element.height = Math.round(height * scale);
      element.style.width = `${width}px`;
      element.style.height = `${height}px`;
    }
    drawFlame(context, now.scene, { from: now.from, to: now.to, scrollTop: box.scrollTop, width, height, scale, lines: now.marks }, now.colours, `${FONT_PX}px ${getComputedStyle(element).fontFamily}`);
  };
  const ask = () => {
    if (asked.current === 0) asked.current = requestAnimationFrame(paint);
  };
  useEffect(ask);
  useEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    const sized = new ResizeObserver(paint);
    sized.observe(box);
    return () => {
      sized.disconnect();
      cancelAnimationFrame(asked.current);
      asked.current = 0;
    };
  }, []);

  /** Shows a stretch, kept within the trace. */
  const show = (left: number, right: number) => {
    const length = Math.max(STRETCH_LEAST_NS, Math.min(total, right - left));
    const start = Math.max(0, Math.min(total - length, left));
    onView(length >= total ? null : [start, start + length]);
  };
  const zoomAt = (share: number, factor: number) => {
    const { from: left, to: right } = held.current;
    const at = left + (right - left) * share;
    show(at - (at - left) / factor, at + (right - at) / factor);
  };
  const zoomTo = (index: number) => {
    const box = boxOf.get(index);
    if (!box) return;
    if (merged) onNode(index === root ? undefined : spans[(merged.nodes[index] as Merged).first]?.span_id);
    else show(box.from - (box.to - box.from) * 0.02, box.to + (box.to - box.from) * 0.02);
  };
  const whole = () => (merging ? onNode(undefined) : onView(null));
  const choose = (index: number) => {
    const span = spans[merged ? (merged.nodes[index]?.longest ?? -1) : index];
    if (!span) return;
    onSelect(span.span_id);
    const [box, place] = [scroller.current, boxOf.get(index)];
    if (!box || !place) return;
    const top = place.row * ROW_PX;
    if (top < box.scrollTop || top + ROW_PX > box.scrollTop + box.clientHeight) box.scrollTop = top - box.clientHeight / 3;
  };

  const zooming = useRef(zoomAt);
  zooming.current = zoomAt;
  const moving = useRef(show);
  moving.current = show;
  useEffect(() => {
    const box = scroller.current;
    if (!box || merging) return undefined;
    // React listens to wheels passively, which cannot keep the page still.
    const wheel = (event: WheelEvent) => {
      const { from: left, to: right } = held.current;
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
      if (sideways !== 0) {
        const by = (sideways / box.clientWidth) * (right - left);
        moving.current(left + by, right + by);
      } else if (event.ctrlKey || event.metaKey || box.scrollHeight <= box.clientHeight) {
        zooming.current((event.clientX - box.getBoundingClientRect().left) / box.clientWidth, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0025)));
      } else return;
      event.preventDefault();
    };
    box.addEventListener('wheel', wheel, { passive: false });
    return () => box.removeEventListener('wheel', wheel);
  }, [merging]);

  const hitAt = (event: { clientX: number; clientY: number }): number => {
    const box = scroller.current;
    if (!box) return -1;
    const rect = box.getBoundingClientRect();
    const row = rows[Math.floor((event.clientY - rect.top + box.scrollTop) / ROW_PX)];
    const perPixel = (to - from) / box.clientWidth;
    const at = from + (event.clientX - rect.left) * perPixel;
    const hit = row?.[firstAfter(row, at - perPixel)];
    return hit && hit.from <= at + perPixel ? hit.index : -1;
  };
  const point = (event: React.PointerEvent) => {
    setHover(hitAt(event));
    const [box, element] = [scroller.current, tip.current];
    if (!box || !element) return;
    const rect = box.getBoundingClientRect();
    const [x, y] = [event.clientX - rect.left, event.clientY - rect.top];
    element.style.left = `${x + 14 + element.offsetWidth > rect.width ? Math.max(4, x - element.offsetWidth - 10) : x + 14}px`;
    element.style.top = `${Math.max(4, Math.min(rect.height - element.offsetHeight - 4, y + 16))}px`;
  };
  const press = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    const box = event.currentTarget;
    const began = { x: event.clientX, y: event.clientY, from, to, top: box.scrollTop };
    let moved = false;
    const move = (now: PointerEvent) => {
      const [dx, dy] = [now.clientX - began.x, now.clientY - began.y];
      if (!moved && Math.hypot(dx, dy) < CLICK_PX) return;
      if (!moved) box.setPointerCapture(event.pointerId);
      moved = true;
      setHover(-1);
      box.scrollTop = began.top - dy;
      const by = (-dx / box.clientWidth) * (began.to - began.from);
      if (!merging) moving.current(began.from + by, began.to + by);
    };
    const up = (now: PointerEvent) => {
      box.removeEventListener('pointermove', move);
      box.removeEventListener('pointerup', up);
      box.removeEventListener('pointercancel', up);
      const hit = moved ? -1 : hitAt(now);
      if (hit >= 0) choose(hit);
    };
    box.addEventListener('pointermove', move);
    box.addEventListener('pointerup', up);
    box.addEventListener('pointercancel', up);
  };

  const parentOf = (index: number) => (merged ? (merged.nodes[index]?.parent ?? -1) : (placed[index]?.parent ?? -1));
  const beside = (by: number) => {
    const box = boxOf.get(chosen);
    const row = box ? rows[box.row] : undefined;
    const next = box && row?.[row.indexOf(box) + by];
    if (next) choose(next.index);
  };
  const below = () => {
    if (chosen < 0) return choose(rows[0]?.[0]?.index ?? 0);
    const child = merged ? (merged.nodes[chosen]?.children[0] ?? -1) : (placed[chosen]?.next ?? 0) > chosen + 1 ? chosen + 1 : -1;
    if (child >= 0) choose(child);
  };
  const above = () => {
    const parent = parentOf(chosen);
    if (chosen >= 0 && parent >= 0) choose(parent);
  };
  const jump = (by: number) => {
    const next = nextMatch(found, chosenSpan, by);
    if (next !== undefined) onSelect(spans[next]?.span_id);
  };
  useKeys({
    j: below,
    k: above,
    ArrowDown: below,
    ArrowUp: above,
    ArrowLeft: () => beside(-1),
    ArrowRight: () => beside(1),
    ...(chosen < 0 ? {} : { Enter: () => zoomTo(chosen), z: () => zoomTo(chosen) }),
    n: () => jump(1),
    N: () => jump(-1),
    '+': () => !merging && zoomAt(0.5, ZOOM_STEP),
    '=': () => !merging && zoomAt(0.5, ZOOM_STEP),
    '-': () => !merging && zoomAt(0.5, 1 / ZOOM_STEP),
    '0': whole,
  });

  const at = (ns: number) => ((ns - from) / (to - from)) * 100;
  return (
    <div className={frame.waterfall} style={{ '--names': '0px', '--gutter': '0px', '--tail': '0px' } as React.CSSProperties}>
      <div className={toolStyles.bar}>
        <div className={toolStyles.tools}>
          <Find find={find} onFind={onFind} found={found.length} current={chosenSpan === undefined ? -1 : found.indexOf(chosenSpan)} onJump={jump} />
          <Choice label="How spans are laid out" options={MODES} value={mode} onChange={onMode} />
          {(view !== null || node !== undefined) && (
            <Button onClick={whole} title="The whole trace (0)">
              Whole trace
            </Button>
          )}
          {tools}
          <Legend services={services} find={find} onFind={onFind} />
        </div>
      </div>
      <div className={frame.plot}>
        {merging ? (
          <Crumbs nodes={merged?.nodes ?? []} root={root} spans={spans} onNode={onNode} />
        ) : (
          <>
            <div className={frame.map}>
              <Minimap spans={spans} placed={placed} total={total} view={view} onView={onView} className={frame.area ?? ''} shade={frame.shade ?? ''} window={frame.window ?? ''} />
            </div>
            <div className={frame.ruler}>
              <div className={frame.times} aria-hidden="true">
                {marks.map((ns, i) => at(ns) < 95 && (
                  <span key={ns} style={{ left: `${at(ns)}%` }}>
                    {labels[i]}
                  </span>
                ))}
              </div>
            </div>
          </>
        )}
        <div className={styles.field}>
          <div className={styles.scroll} ref={scroller} onScroll={ask} onPointerMove={point} onPointerLeave={() => setHover(-1)} onPointerDown={press} onDoubleClick={(event) => zoomTo(hitAt(event))} data-hit={hover >= 0} data-testid="flame">
            <div style={{ height: rows.length * ROW_PX + ROW_PX }}>
              <canvas ref={canvas} className={styles.canvas} tabIndex={0} role="img" aria-label={`Flame view of ${count(spans.length)} spans; arrow keys move, Enter looks at one alone`} />
            </div>
          </div>
          <div ref={tip} className={styles.tip} hidden={hover < 0}>
            {hover >= 0 && (merged ? <MergedTip nodes={merged.nodes} index={hover} total={total} /> : <SpanTip span={spans[hover]} place={placed[hover]} self={self[hover] ?? 0} total={total} />)}
          </div>
          <span className="sr" role="status">
            {chosen >= 0 && `${look(chosen).name}, ${look(chosen).service}, ${figure(chosen)}`}
          </span>
        </div>
      </div>
    </div>
  );
}

const spanLook = (span: WaterfallRow): FlameLook => ({ service: span.service, name: span.name, failed: span.status_code === 'error', critical: span.critical });

const mergedLook = (node: Merged): FlameLook => ({
  service: node.service,
  name: node.count > 1 ? `${node.name} ×${count(node.count)}` : node.name,
  failed: node.errors > 0,
  critical: false,
});

/** What stays lit when something is chosen: it, those above it and all below it. */
function familyOf(chosen: number, nodes: Merged[] | null, placed: Placed[]): (index: number) => boolean {
  const above = new Set<number>();
  const parent = (i: number) => (nodes ? (nodes[i]?.parent ?? -1) : (placed[i]?.parent ?? -1));
  for (let at = chosen; at >= 0; at = parent(at)) above.add(at);
  if (!nodes) {
    const end = placed[chosen]?.next ?? chosen;
    return (index) => above.has(index) || (index > chosen && index < end);
  }
  const below = new Set<number>([chosen]);
  for (const index of below) for (const child of nodes[index]?.children ?? []) below.add(child);
  return (index) => above.has(index) || below.has(index);
}

function useColours(place: React.RefObject<HTMLElement | null>, services: { name: string }[]): FlameColours | null {
  const theme = useThemeKey();
  const [colours, setColours] = useState<FlameColours | null>(null);
  useEffect(() => {
    const box = place.current;
    if (!box) return;
    const colour = (text: string) => resolveColour(text, box);
    const token = (name: string) => colour(`var(--${name})`);
    setColours({
      page: token('page'), ink: token('ink'), ink2: token('ink-2'), ink3: token('ink-3'), accent: token('accent'), fault: token('fault'), hairline: token('hairline'), mark: token('mark'),
      services: new Map(services.map(({ name }) => [name, { full: colour(serviceColour(name)), tint: colour(`color-mix(in oklab, ${serviceColour(name)} 34%, var(--page))`) }])),
    });
  }, [place, services, theme]);
  return colours;
}

function SpanTip({ span, place, self, total }: { span: WaterfallRow | undefined; place: Placed | undefined; self: number; total: number }) {
  if (!span || !place) return null;
  const error = span.events.find((event) => event.exception)?.exception;
  return (
    <>
      <b>{span.name}</b>
      <span>
        {span.service} · {span.kind}
      </span>
      <span>
        {duration(place.duration)} from +{duration(place.offset)}, {percent(place.duration / total)} of the trace
      </span>
      <span>{duration(self)} without a child</span>
      {(error || span.status_code === 'error') && <span className={styles.fault}>{error ? `${error.type}: ${error.message}` : span.status_message || 'error'}</span>}
    </>
  );
}

function MergedTip({ nodes, index, total }: { nodes: Merged[]; index: number; total: number }) {
  const node = nodes[index];
  if (!node) return null;
  const over = fill(nodes, index);
  return (
    <>
      <b>{node.name}</b>
      <span>{node.service}</span>
      <span>
        {duration(node.total)} in {node.count === 1 ? '1 span' : `${count(node.count)} spans`}, {percent(node.total / total)} of the trace
      </span>
      {node.count > 1 && (
        <span>
          {duration(node.total / node.count)} each, the longest {duration(node.longestNs)}
        </span>
      )}
      <span>{duration(node.self)} without a child</span>
      {over > 1.005 && <span>Its children ran side by side: {over.toFixed(1)} times its own time, drawn to fit.</span>}
      {node.errors > 0 && <span className={styles.fault}>{node.errors === 1 ? '1 failed' : `${count(node.errors)} failed`}</span>}
    </>
  );
}

/** The way from the root to what is looked at alone. */
function Crumbs({ nodes, root, spans, onNode }: { nodes: Merged[]; root: number | null; spans: WaterfallRow[]; onNode: (spanId: string | undefined) => void }) {
  const way: number[] = [];
  for (let at = root ?? -1; at >= 0; at = nodes[at]?.parent ?? -1) way.unshift(at);
  return (
    <nav className={styles.crumbs} aria-label="What is looked at">
      {root === null ? (
        <span>Spans of one service and name below one parent are one box; its width is their time together. Double click looks at one alone.</span>
      ) : (
        <>
          <button type="button" onClick={() => onNode(undefined)}>
            Whole trace
          </button>
          {way.map((index) => (
            <span key={index} className={styles.crumb}>
              <Icon name="right" size={11} />
              <button type="button" aria-current={index === root} onClick={() => onNode(spans[nodes[index]?.first ?? -1]?.span_id)}>
                {nodes[index]?.name}
              </button>
            </span>
          ))}
        </>
      )}
    </nav>
  );
}

