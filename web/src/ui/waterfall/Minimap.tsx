// The whole trace in 44 pixels, each span a stroke, and at its edge which rows are in sight. Dragging across it zooms, a
// click goes to the rows there, a double click shows all again.
import { useEffect, useRef, useState, type RefObject } from 'react';
import { serviceColour } from '../../lib/colour';
import type { Placed } from '../../lib/waterfall';
import { resolveColour, useThemeKey } from '../theme';

interface Props {
  spans: { service: string; depth: number; status_code: string }[];
  placed: Placed[];
  total: number;
  view: [number, number] | null;
  onView: (view: [number, number] | null) => void;
  /** What scrolls the rows, where rows are in the order of `spans`. */
  scroller?: RefObject<HTMLElement | null>;
  onScroll?: (share: number) => void;
  className: string;
  shade: string;
  window: string;
  seen?: string;
}

const DRAG_LEAST_PX = 4;

export function Minimap({ spans, placed, total, view, onView, scroller, onScroll, className, shade, window: windowClass, seen }: Props) {
  const area = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const theme = useThemeKey();
  const [drag, setDrag] = useState<[number, number] | null>(null);

  useEffect(() => {
    const element = canvas.current;
    const box = area.current;
    if (!element || !box) return undefined;
    const draw = () => {
      const scale = devicePixelRatio;
      const width = box.clientWidth * scale;
      const height = box.clientHeight * scale;
      element.width = width;
      element.height = height;
      const context = element.getContext('2d');
      if (!context) return;
      const colours = new Map<string, string>();
      const fault = resolveColour('var(--fault)', box);
      const rows = Math.max(1, placed.length);
      const line = Math.max(1 * scale, Math.min(3 * scale, (height - 4 * scale) / rows - 1));
      placed.forEach((one, i) => {
        const span = spans[i];
        if (!span) return;
        let colour = colours.get(span.service);
        if (colour === undefined) colours.set(span.service, (colour = resolveColour(serviceColour(span.service), box)));
        context.fillStyle = span.status_code === 'error' ? fault : colour;
        const y = 2 * scale + (i / rows) * (height - 4 * scale - line);
        context.fillRect((one.offset / total) * width, y, Math.max(scale, (one.duration / total) * width), line);
      });
    };
    draw();
    const sized = new ResizeObserver(draw);
    sized.observe(box);
    return () => sized.disconnect();
  }, [spans, placed, total, theme]);

  const sight = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const rows = scroller?.current;
    if (!rows) return undefined;
    // Moved past React: it follows every frame of a scroll.
    const follow = () => {
      const all = Math.max(1, rows.scrollHeight);
      const mark = sight.current?.style;
      if (!mark) return;
      mark.display = all <= rows.clientHeight ? 'none' : 'block';
      mark.top = `${(rows.scrollTop / all) * 100}%`;
      mark.height = `${(rows.clientHeight / all) * 100}%`;
    };
    follow();
    rows.addEventListener('scroll', follow, { passive: true });
    const sized = new ResizeObserver(follow);
    sized.observe(rows);
    if (rows.firstElementChild) sized.observe(rows.firstElementChild);
    return () => {
      rows.removeEventListener('scroll', follow);
      sized.disconnect();
    };
  }, [scroller]);

  const shown = drag ?? view;
  const percent = (ns: number) => `${(ns / total) * 100}%`;
  return (
    <div
      ref={area}
      className={className}
      title="Drag to zoom, double click for the whole trace"
      onDoubleClick={() => onView(null)}
      onPointerDown={(event) => {
        const box = event.currentTarget;
        const { left, width, top, height } = box.getBoundingClientRect();
        const first = event.clientX;
        const ns = (x: number) => Math.max(0, Math.min(1, (x - left) / width)) * total;
        const range = (x: number): [number, number] => [ns(Math.min(first, x)), ns(Math.max(first, x))];
        box.setPointerCapture(event.pointerId);
        const move = (to: PointerEvent) => setDrag(range(to.clientX));
        const up = (to: PointerEvent) => {
          box.removeEventListener('pointermove', move);
          box.removeEventListener('pointerup', up);
          setDrag(null);
          if (Math.abs(to.clientX - first) >= DRAG_LEAST_PX) onView(range(to.clientX));
          else onScroll?.(Math.max(0, Math.min(1, (to.clientY - top) / height)));
        };
        box.addEventListener('pointermove', move);
        box.addEventListener('pointerup', up);
      }}
    >
      <canvas ref={canvas} />
      {scroller && <span ref={sight} className={seen} />}
      {shown && (
        <>
          <span className={shade} style={{ left: 0, width: percent(shown[0]) }} />
          <span className={shade} style={{ right: 0, width: percent(total - shown[1]) }} />
          <span className={windowClass} style={{ left: percent(shown[0]), width: percent(shown[1] - shown[0]) }} />
        </>
      )}
    </div>
  );
}
