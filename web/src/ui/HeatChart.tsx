// Any field's values over time: one column a step, one cell a bucket, darker where more events are. A box is dragged to
// choose a time and a range of values; what is chosen stays marked.
import { useEffect, useMemo, useRef, useState } from 'react';
import { strength } from '../lib/brush';
import { boxOf, cellsOf, cellUnder, shareOf, ticksOf, type Bucket, type ValueBox } from '../lib/heat';
import { axisLabel, localTime, timeTicks } from '../lib/time';
import { count } from '../lib/units';
import styles from './Heatmap.module.css';
import type { Marker } from './plotParts';
import { resolveColour, useThemeKey } from './theme';
import { useWidth } from './useWidth';

export interface HeatChosen {
  start?: number;
  end?: number;
  low?: number;
  high?: number;
}

interface Props {
  label: string;
  start: number;
  step: number;
  series: readonly (readonly Bucket[] | null | undefined)[];
  scale?: 'log' | 'linear';
  height?: number;
  format: (value: number) => string;
  tick: (value: number) => string;
  chosen?: HeatChosen | null;
  markers?: Marker[];
  onSelect: (chosen: HeatChosen) => void;
  /** A click on a cell, and where on the screen. */
  onPoint?: (cell: Required<HeatChosen>, at: { x: number; y: number }) => void;
}

interface Point {
  x: number;
  y: number;
}

const DRAG_LEAST_PX = 4;
const TICK_PX = 26;
/** Keys go up and down a heatmap in so many. */
const KEY_ROWS = 32;

export function HeatChart({ label, start, step, series, scale, height = 150, format, tick, chosen, markers, onSelect, onPoint }: Props) {
  const plot = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeKey();
  const width = useWidth(plot);
  const [drag, setDrag] = useState<{ from: Point; to: Point } | null>(null);
  const [over, setOver] = useState<Point | null>(null);
  const heat = useMemo(() => cellsOf(series, scale), [series, scale]);
  const end = start + heat.steps * step;

  useEffect(() => {
    const [element, place] = [canvas.current, plot.current];
    const ctx = element?.getContext('2d');
    if (!element || !place || !ctx || width === 0) return;
    const ratio = devicePixelRatio;
    element.width = Math.round(width * ratio);
    element.height = Math.round(height * ratio);
    ctx.fillStyle = resolveColour('var(--accent)', place);
    const x = (at: number) => Math.round((at / heat.steps) * element.width);
    const y = (value: number) => Math.round((1 - shareOf(value, heat)) * element.height);
    const gap = element.width / heat.steps > 5 * ratio ? ratio : 0;
    for (const cell of heat.cells) {
      const top = y(cell.high);
      ctx.globalAlpha = strength(cell.count, heat.most);
      ctx.fillRect(x(cell.step), top, Math.max(1, x(cell.step + 1) - x(cell.step) - gap), Math.max(ratio, y(cell.low) - top - (y(cell.low) - top > 4 * ratio ? gap : 0)));
    }
    ctx.globalAlpha = 1;
  }, [heat, width, height, theme]);

  const at = (event: { clientX: number; clientY: number }): Point => {
    const rect = (plot.current as HTMLDivElement).getBoundingClientRect();
    return { x: Math.max(0, Math.min(1, (event.clientX - rect.left) / rect.width)), y: Math.max(0, Math.min(1, 1 - (event.clientY - rect.top) / rect.height)) };
  };
  const boxed = (from: Point, to: Point): ValueBox => boxOf({ x0: from.x, y0: from.y, x1: to.x, y1: to.y }, heat);
  const chosenOf = (box: ValueBox): HeatChosen => ({ start: start + box.firstStep * step, end: start + box.endStep * step, ...(box.low === undefined ? {} : { low: box.low }), ...(box.high === undefined ? {} : { high: box.high }) });
  const begin = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0 || heat.cells.length === 0) return;
    event.preventDefault();
    const element = event.currentTarget;
    const from = at(event);
    element.setPointerCapture(event.pointerId);
    const move = (to: PointerEvent) => {
      setOver(null);
      setDrag({ from, to: at(to) });
    };
    const stop = () => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', stop);
      window.removeEventListener('keydown', escape, true);
      setDrag(null);
    };
    const up = (event: PointerEvent) => {
      stop();
      const to = at(event);
      if (Math.abs(to.x - from.x) * width >= DRAG_LEAST_PX || Math.abs(to.y - from.y) * height >= DRAG_LEAST_PX) {
        onSelect(chosenOf(boxed(from, to)));
        return;
      }
      const cell = cellUnder(to.x, to.y, heat);
      if (cell) onPoint?.({ start: start + cell.step * step, end: start + (cell.step + 1) * step, low: cell.low, high: cell.high }, { x: event.clientX, y: event.clientY });
    };
    const escape = (key: KeyboardEvent) => {
      if (key.key !== 'Escape') return;
      key.stopPropagation();
      stop();
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', stop);
    window.addEventListener('keydown', escape, true);
  };

  const key = (event: React.KeyboardEvent) => {
    const dx = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
    const dy = event.key === 'ArrowDown' ? -1 : event.key === 'ArrowUp' ? 1 : 0;
    const known = dx !== 0 || dy !== 0 || ((event.key === 'Enter' || event.key === 'Escape') && (over !== null || drag !== null));
    if (!known || event.metaKey || event.ctrlKey || event.altKey || heat.cells.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Escape' || event.key === 'Enter') {
      const [box, point] = [drag, over];
      setDrag(null);
      setOver(null);
      if (event.key === 'Escape') return;
      if (box) return onSelect(chosenOf(boxed(box.from, box.to)));
      const cell = point && cellUnder(point.x, point.y, heat);
      const rect = (plot.current as HTMLDivElement).getBoundingClientRect();
      if (cell) onPoint?.({ start: start + cell.step * step, end: start + (cell.step + 1) * step, low: cell.low, high: cell.high }, { x: rect.left + point.x * rect.width, y: rect.bottom - point.y * rect.height });
      return;
    }
    const from = drag?.to ?? over;
    // Begins at the cell that has most.
    const fullest = heat.cells.reduce((most, one) => (one.count > most.count ? one : most), heat.cells[0] as (typeof heat.cells)[number]);
    const within = (share: number) => Math.max(0, Math.min(0.9999, share));
    const to = from ? { x: within(from.x + dx / heat.steps), y: within(from.y + dy / KEY_ROWS) } : { x: (fullest.step + 0.5) / heat.steps, y: (shareOf(fullest.low, heat) + shareOf(fullest.high, heat)) / 2 };
    if (event.shiftKey && from) {
      setOver(null);
      return setDrag({ from: drag?.from ?? from, to });
    }
    setDrag(null);
    setOver(to);
  };

  const placeOf = (one: HeatChosen) => {
    const x = (ms: number) => Math.max(0, Math.min(1, (ms - start) / (end - start)));
    const left = x(one.start ?? start);
    const top = 1 - (one.high === undefined ? 1 : shareOf(one.high, heat));
    const bottom = 1 - (one.low === undefined ? 0 : shareOf(one.low, heat));
    return { left: left * width, top: top * height, width: Math.max(2, (x(one.end ?? end) - left) * width), height: Math.max(2, (bottom - top) * height) };
  };
  const dragged = drag && chosenOf(boxed(drag.from, drag.to));
  const ticks = ticksOf(heat, Math.floor(height / TICK_PX));
  const cell = over && cellUnder(over.x, over.y, heat);
  const total = heat.cells.reduce((sum, one) => sum + one.count, 0);
  return (
    <div data-testid="heatchart">
      <div className={styles.body}>
        <div className={styles.y} style={{ height }} aria-hidden="true">
          {heat.cells.length > 0 &&
            ticks.map((value) => (
              <span key={value} style={{ bottom: `${shareOf(value, heat) * 100}%` }}>
                {tick(value)}
              </span>
            ))}
        </div>
        <div
          ref={plot}
          className={styles.plot}
          style={{ height }}
          role="img"
          tabIndex={onPoint ? 0 : undefined}
          aria-label={`${label}: ${count(total)} events from ${format(heat.low)} to ${format(heat.high)}${onPoint ? '; arrow keys move, with Shift they select, Enter opens' : ''}`}
          onKeyDown={onPoint ? key : undefined}
          onBlur={() => {
            setOver(null);
            setDrag(null);
          }}
          onPointerDown={begin}
          onPointerMove={(event) => !drag && setOver(at(event))}
          onPointerLeave={() => setOver(null)}
        >
          {heat.cells.length > 0 && ticks.map((value) => <i key={value} className={styles.line} style={{ bottom: `${shareOf(value, heat) * 100}%` }} />)}
          <canvas ref={canvas} className={styles.canvas} />
          {markers?.map((marker) => (
            <MarkerLine key={`${marker.ms} ${marker.label}`} marker={marker} start={start} end={end} width={width} />
          ))}
          {heat.cells.length === 0 && <span className={styles.nothing}>no values</span>}
          {chosen && !dragged && heat.cells.length > 0 && <i className={styles.box} data-kept="" style={placeOf(chosen)} />}
          {dragged && <i className={styles.box} style={placeOf(dragged)} />}
          {dragged && <span className={styles.told} style={toldAt(placeOf(dragged), width, height)}>{chosenText(dragged, format)}</span>}
          {over && heat.cells.length > 0 && (
            <div className={styles.tip} style={{ left: over.x > 0.7 ? undefined : over.x * width + 14, right: over.x > 0.7 ? (1 - over.x) * width + 10 : undefined, top: Math.max(0, (1 - over.y) * height - 24) }}>
              <div>{localTime(start + Math.floor(over.x * heat.steps) * step, Date.now(), false)}</div>
              <div>{cell ? <><b>{count(cell.count)}</b> at {format(cell.low)} – {format(cell.high)}</> : 'none here'}</div>
            </div>
          )}
        </div>
      </div>
      <div className={styles.x} aria-hidden="true">
        {timeTicks(start, end, Math.max(2, Math.floor(width / 110))).map((ms) => (
          <span key={ms} style={{ left: `${((ms - start) / (end - start)) * 100}%` }}>
            {axisLabel(ms, end - start)}
          </span>
        ))}
      </div>
    </div>
  );
}

function MarkerLine({ marker, start, end, width }: { marker: Marker; start: number; end: number; width: number }) {
  const x = (ms: number) => ((Math.min(end, Math.max(start, ms)) - start) / (end - start)) * width;
  const colour = marker.colour ? ({ '--marker': marker.colour } as React.CSSProperties) : {};
  const until = marker.end;
  return (
    <>
      {until !== undefined && until >= start && marker.ms <= end && <i className={styles.window} style={{ ...colour, left: x(marker.ms), width: Math.max(1, x(until) - x(marker.ms)) }} />}
      {marker.ms >= start && marker.ms <= end && <i className={styles.marker} style={{ ...colour, left: x(marker.ms) }} title={marker.label} />}
    </>
  );
}

function toldAt(box: { left: number; top: number; height: number }, width: number, height: number) {
  return { left: Math.max(0, Math.min(width - 250, box.left)), top: box.top > 22 ? box.top - 21 : Math.min(height - 20, box.top + box.height + 3) };
}

/** A chosen range in words. */
export function chosenText(one: HeatChosen, format: (value: number) => string): string {
  const now = Date.now();
  const time = one.start === undefined || one.end === undefined ? '' : `${localTime(one.start, now, false)} – ${localTime(one.end, now, false)}`;
  const values = one.low === undefined && one.high === undefined ? '' : one.high === undefined ? `≥ ${format(one.low ?? 0)}` : one.low === undefined ? `< ${format(one.high)}` : `${format(one.low)} – ${format(one.high)}`;
  return [time, values].filter(Boolean).join(' · ');
}
