// Duration over time: one column a step, one row a range of durations, darker where more requests are. Dragging a box
// chooses a time and a range of durations. Failed requests are a mark in the corner of their cell.
import { useEffect, useMemo, useRef, useState } from 'react';
import { boxRange, cellAt, logShare, logTicks, strength, type Box, type HeatAxes, type HeatRange } from '../lib/brush';
import { axisLabel, localTime, timeTicks } from '../lib/time';
import { count, duration, durationTick } from '../lib/units';
import styles from './Heatmap.module.css';
import { resolveColour, useThemeKey } from './theme';
import { useWidth } from './useWidth';

export interface HeatCell {
  step: number;
  bucket: number;
  count: number;
  errors: number;
}

interface Props {
  title: string;
  axes: HeatAxes;
  cells: HeatCell[];
  height?: number;
  onSelect: (range: HeatRange) => void;
}

const DRAG_LEAST_PX = 4;

export function Heatmap({ title, axes, cells, height = 132, onSelect }: Props) {
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeKey();
  const width = useWidth(plot);
  const [drag, setDrag] = useState<Box | null>(null);
  const [over, setOver] = useState<{ x: number; y: number } | null>(null);
  const rows = axes.bounds.length - 1;
  const most = useMemo(() => cells.reduce((top, cell) => Math.max(top, cell.count), 0), [cells]);
  const found = useMemo(() => new Map(cells.map((cell) => [cell.step * rows + cell.bucket, cell])), [cells, rows]);

  useEffect(() => {
    const [element, place] = [canvas.current, plot.current];
    const ctx = element?.getContext('2d');
    if (!element || !place || !ctx || width === 0) return;
    const ratio = devicePixelRatio;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    const colour = resolveColour('var(--accent)', place);
    const fault = resolveColour('var(--fault)', place);
    // Edges on whole pixels: a gap between some cells and not between others would look like data.
    const x = (step: number) => Math.round((step / axes.steps) * element.width);
    const y = (bucket: number) => Math.round((1 - bucket / rows) * element.height);
    const gap = element.width / axes.steps > 5 * ratio ? ratio : 0;
    for (const cell of cells) {
      const [left, top, wide, tall] = [x(cell.step), y(cell.bucket + 1), x(cell.step + 1) - x(cell.step) - gap, y(cell.bucket) - y(cell.bucket + 1) - gap];
      ctx.globalAlpha = strength(cell.count, most);
      ctx.fillStyle = colour;
      ctx.fillRect(left, top, wide, tall);
      if (cell.errors > 0) {
        ctx.globalAlpha = 1;
        ctx.fillStyle = fault;
        // The mark grows with the share that failed, to the whole cell.
        const share = Math.sqrt(Math.min(1, cell.errors / cell.count));
        const size = Math.max(3 * ratio, Math.min(wide, tall) * share);
        ctx.beginPath();
        if (share >= 0.999) ctx.rect(left, top, wide, tall);
        else {
          ctx.moveTo(left + wide - Math.min(size, wide), top);
          ctx.lineTo(left + wide, top);
          ctx.lineTo(left + wide, top + Math.min(size, tall));
        }
        ctx.fill();
      }
    }
    ctx.globalAlpha = 1;
  }, [cells, axes, rows, most, width, height, theme]);

  const at = (event: { clientX: number; clientY: number }) => {
    const rect = (plot.current as HTMLDivElement).getBoundingClientRect();
    return { x: Math.max(0, Math.min(rect.width - 1, event.clientX - rect.left)), y: Math.max(0, Math.min(height - 1, event.clientY - rect.top)) };
  };
  const start = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    event.preventDefault();
    const element = event.currentTarget;
    const from = at(event);
    element.setPointerCapture(event.pointerId);
    const boxTo = (to: { x: number; y: number }): Box => ({ x0: from.x, y0: from.y, x1: to.x, y1: to.y });
    const move = (to: PointerEvent) => {
      setOver(null);
      setDrag(boxTo(at(to)));
    };
    const end = () => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', end);
      window.removeEventListener('keydown', escape, true);
      setDrag(null);
    };
    const up = (to: PointerEvent) => {
      end();
      const box = boxTo(at(to));
      if (Math.abs(box.x1 - box.x0) >= DRAG_LEAST_PX || Math.abs(box.y1 - box.y0) >= DRAG_LEAST_PX) onSelect(boxRange(box, element.clientWidth, height, axes));
    };
    const escape = (key: KeyboardEvent) => {
      if (key.key !== 'Escape') return;
      key.stopPropagation();
      end();
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', end);
    window.addEventListener('keydown', escape, true);
  };
  const [low, high] = [axes.bounds[0] ?? 1, axes.bounds[rows] ?? 2];
  const end = axes.start + axes.steps * axes.step;
  const cell = over && cellAt(over.x, over.y, width, height, axes);
  const box = drag && snapped(drag, width, height, axes);
  const total = cells.reduce((sum, one) => sum + one.count, 0);
  return (
    <figure className={styles.heatmap} data-testid="heatmap">
      <figcaption className={styles.head}>
        <h2>{title}</h2>
        <span className={styles.keys}>
          <span>drag a box to choose time and duration</span>
          <span className={styles.ramp}>
            1 <i /> {count(most)}
          </span>
          <span className={styles.mark}>
            <i /> failed
          </span>
        </span>
      </figcaption>
      <div className={styles.body}>
        <div className={styles.y} style={{ height }} aria-hidden="true">
          {logTicks(low, high, Math.floor(height / 24)).map((tick) => (
            <span key={tick} style={{ bottom: `${logShare(tick, low, high) * 100}%` }}>
              {durationTick(tick)}
            </span>
          ))}
        </div>
        <div
          ref={plot}
          className={styles.plot}
          style={{ height }}
          role="img"
          aria-label={`${title}: ${count(total)} traces from ${duration(low)} to ${duration(high)}`}
          onPointerDown={start}
          onPointerMove={(event) => !drag && setOver(at(event))}
          onPointerLeave={() => setOver(null)}
        >
          {logTicks(low, high, Math.floor(height / 24)).map((tick) => (
            <i key={tick} className={styles.line} style={{ bottom: `${logShare(tick, low, high) * 100}%` }} />
          ))}
          <canvas ref={canvas} className={styles.canvas} />
          {box && <i className={styles.box} style={box.style} />}
          {box && <span className={styles.told} style={{ left: Math.max(0, Math.min(width - 250, box.left)), top: box.top > 22 ? box.top - 21 : Math.min(height - 20, box.bottom + 3) }}>{box.text}</span>}
          {cell && over && <Tip x={over.x} y={over.y} width={width} axes={axes} step={cell.step} bucket={cell.bucket} cell={found.get(cell.step * rows + cell.bucket)} />}
        </div>
      </div>
      <div className={styles.x} aria-hidden="true">
        {timeTicks(axes.start, end, Math.max(2, Math.floor(width / 110))).map((ms) => (
          <span key={ms} style={{ left: `${((ms - axes.start) / (end - axes.start)) * 100}%` }}>
            {axisLabel(ms, end - axes.start)}
          </span>
        ))}
      </div>
    </figure>
  );
}

function Tip({ x, y, width, axes, step, bucket, cell }: { x: number; y: number; width: number; axes: HeatAxes; step: number; bucket: number; cell: HeatCell | undefined }) {
  const flip = x > width - 210;
  return (
    <div className={styles.tip} style={{ left: flip ? undefined : x + 14, right: flip ? width - x + 10 : undefined, top: Math.max(0, y - 24) }}>
      <div>
        {localTime(axes.start + step * axes.step, Date.now(), false)} · {duration(axes.bounds[bucket] ?? 0)} – {duration(axes.bounds[bucket + 1] ?? 0)}
      </div>
      <div>
        <b>{count(cell?.count ?? 0)}</b> {cell?.count === 1 ? 'trace' : 'traces'}
        {cell && cell.errors > 0 && <span className={styles.failed}>{count(cell.errors)} failed</span>}
      </div>
    </div>
  );
}

/** The box as it will be chosen: whole cells. */
function snapped(drag: Box, width: number, height: number, axes: HeatAxes) {
  const range = boxRange(drag, width, height, axes);
  const end = axes.start + axes.steps * axes.step;
  const [low, high] = [axes.bounds[0] ?? 1, axes.bounds[axes.bounds.length - 1] ?? 2];
  const left = ((range.start - axes.start) / (end - axes.start)) * width;
  const right = ((range.end - axes.start) / (end - axes.start)) * width;
  const bottom = range.min_ns === null ? height : (1 - logShare(range.min_ns, low, high)) * height;
  const top = range.max_ns === null ? 0 : (1 - logShare(range.max_ns, low, high)) * height;
  const now = Date.now();
  const durations = range.min_ns === null && range.max_ns === null ? 'any duration' : range.max_ns === null ? `≥ ${duration(range.min_ns ?? 0)}` : range.min_ns === null ? `≤ ${duration(range.max_ns)}` : `${duration(range.min_ns)} – ${duration(range.max_ns)}`;
  return { style: { left, top, width: right - left, height: bottom - top }, left, top, bottom, text: `${localTime(range.start, now, false)} – ${localTime(range.end, now, false)} · ${durations}` };
}
