// The map itself: pan by dragging, zoom with the wheel or `+` and `-`, point to see a node's neighbourhood, click to
// choose. It draws when something changed and not otherwise.
import { useEffect, useImperativeHandle, useMemo, useRef, useState, type Ref } from 'react';
import { fit, hitTest, toWorld, zoomAt, type Hit, type Placed, type Point, type View } from '../../lib/graph';
import { resolveColour, useThemeKey } from '../theme';
import { draw, sceneOf, type Colours, type DrawnEdge, type DrawnNode, type Scene } from './draw';
import styles from './GraphCanvas.module.css';

export type Chosen = { kind: 'node' | 'edge'; key: string } | null;

export interface GraphHandle {
  fit: () => void;
  zoom: (factor: number) => void;
  /** Brings a node into sight. */
  show: (key: string) => void;
}

interface Props {
  nodes: DrawnNode[];
  edges: DrawnEdge[];
  placed: Placed;
  /** Another picture is shown whole; the same one stays as it is held. */
  picture: string;
  chosen: Chosen;
  onChoose: (chosen: Chosen) => void;
  /** Keys of nodes a search has found. */
  marked?: ReadonlySet<string> | null;
  /** A node pointed at elsewhere, in the list. */
  pointed?: string | null;
  label: string;
  ref?: Ref<GraphHandle>;
}

const PAN_PX = 60;
const ZOOM_STEP = 1.25;
const CLICK_PX = 4;
const SHOW_SCALE = 0.8;
const READABLE = 0.6;
const GLIDE_MS = 220;
const COLOURS: Record<keyof Colours, string> = {
  page: 'var(--page)', ink: 'var(--ink)', ink2: 'var(--ink-2)', ink3: 'var(--ink-3)', line: 'var(--hairline)', strong: 'var(--edge)', accent: 'var(--accent)', raised: 'var(--raised)',
  ok: 'var(--ok)', error: 'var(--error)', throttle: 'var(--throttle)', fault: 'var(--fault)',
};

interface Held {
  scene: Scene;
  view: View;
  hover: Hit | null;
  width: number;
  height: number;
  colours: Colours | null;
  text: string;
  frame: number;
  glide: number;
  /** Where the view is gliding to. */
  target: View | null;
}

export function GraphCanvas({ nodes, edges, placed, picture, chosen, onChoose, marked, pointed, label, ref }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const theme = useThemeKey();
  const scene = useMemo(() => sceneOf(nodes, edges, placed), [nodes, edges, placed]);
  const held = useRef<Held>({ scene, view: { x: 0, y: 0, scale: 0 }, hover: null, width: 0, height: 0, colours: null, text: '', frame: 0, glide: 0, target: null });
  const [grabbing, setGrabbing] = useState(false);
  const latest = useRef({ chosen, onChoose, marked, pointed });
  latest.current = { chosen, onChoose, marked, pointed };

  const paint = () => {
    const h = held.current;
    h.frame = 0;
    const ctx = canvas.current?.getContext('2d');
    if (!ctx || !h.colours || h.width === 0) return;
    const { chosen: now, marked: found, pointed: at } = latest.current;
    const nodeAt = (key: string | null | undefined) => (key === null || key === undefined ? -1 : h.scene.nodes.findIndex((node) => node.key === key));
    const selectedNode = now?.kind === 'node' ? nodeAt(now.key) : -1;
    const selectedEdge = now?.kind === 'edge' ? h.scene.edges.findIndex((edge) => edge.key === now.key) : -1;
    const outside = nodeAt(at);
    const overNode = h.hover?.kind === 'node' ? h.hover.index : outside;
    const overEdge = h.hover?.kind === 'edge' ? h.hover.index : -1;
    const or = (...list: number[]) => list.find((one) => one >= 0) ?? null;
    draw(ctx, h.scene, h.view, h.width, h.height, devicePixelRatio, {
      colours: h.colours,
      text: h.text,
      node: overEdge >= 0 ? null : or(overNode, selectedNode),
      edge: or(overEdge, overNode >= 0 || selectedNode >= 0 ? -1 : selectedEdge),
      pointing: overNode >= 0 || overEdge >= 0,
      selectedNode: or(selectedNode),
      selectedEdge: or(selectedEdge),
      marked: found ? new Set(h.scene.nodes.flatMap((node, i) => (found.has(node.key) ? [i] : []))) : null,
    });
  };
  const ask = () => {
    const h = held.current;
    if (h.frame === 0) h.frame = requestAnimationFrame(paint);
  };
  const setView = (view: View) => {
    held.current.view = view;
    ask();
  };
  /** Moves there in a few frames, so that one sees where it went. */
  const glideTo = (to: View) => {
    const h = held.current;
    cancelAnimationFrame(h.glide);
    const from = h.view;
    if (matchMedia('(prefers-reduced-motion: reduce)').matches || from.scale === 0) return setView(to);
    h.target = to;
    const began = performance.now();
    const step = (now: number) => {
      const t = Math.min(1, (now - began) / GLIDE_MS);
      if (h.target !== to) return;
      const eased = 1 - (1 - t) ** 3;
      const mix = (a: number, b: number) => a + (b - a) * eased;
      setView({ x: mix(from.x, to.x), y: mix(from.y, to.y), scale: mix(from.scale, to.scale) });
      if (t < 1) h.glide = requestAnimationFrame(step);
      else h.target = null;
    };
    h.glide = requestAnimationFrame(step);
  };
  const whole = () => fit(held.current.scene.points, held.current.width, held.current.height);
  /** All of it; or, where that is too small to read and something is chosen, that and what it talks with. */
  const opening = (): View => {
    const h = held.current;
    const all = whole();
    const now = latest.current.chosen;
    if (!now || all.scale >= READABLE) return all;
    const edge = h.scene.edges.find((one) => one.key === now.key);
    const node = h.scene.nodes.findIndex((one) => one.key === now.key);
    const near = edge ? [edge.from, edge.to] : node >= 0 ? [node, ...(h.scene.neighbours[node] ?? [])] : [];
    return near.length === 0 ? all : fit(near.map((i) => h.scene.points[i] as Point), h.width, h.height, 60);
  };

  useImperativeHandle(ref, () => ({
    fit: () => glideTo(whole()),
    zoom: (factor) => glideTo(zoomAt(held.current.view, held.current.width / 2, held.current.height / 2, factor)),
    show: (key) => {
      const h = held.current;
      const at = h.scene.points[h.scene.nodes.findIndex((node) => node.key === key)];
      if (!at) return;
      const scale = Math.max(SHOW_SCALE, h.view.scale);
      const x = at.x * h.view.scale + h.view.x;
      const y = at.y * h.view.scale + h.view.y;
      const seen = h.view.scale >= 0.6 && x > 40 && y > 40 && x < h.width - 40 && y < h.height - 40;
      if (!seen) glideTo({ scale, x: h.width / 2 - at.x * scale, y: h.height / 2 - at.y * scale });
    },
  }));

  // The colours a canvas can use, anew when they change.
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    held.current.colours = Object.fromEntries(Object.entries(COLOURS).map(([name, colour]) => [name, resolveColour(colour, place)])) as Colours;
    held.current.text = getComputedStyle(place).fontFamily;
    ask();
  }, [theme]);

  const shown = useRef('');
  useEffect(() => {
    const h = held.current;
    h.scene = scene;
    h.hover = null;
    if (shown.current !== picture && h.width > 0) {
      shown.current = picture;
      setView(opening());
    }
    ask();
  }, [scene, picture]);
  useEffect(ask, [chosen, marked, pointed]);

  useEffect(() => {
    const [place, element] = [box.current, canvas.current];
    if (!place || !element) return undefined;
    const sized = new ResizeObserver(() => {
      const h = held.current;
      const [width, height] = [place.clientWidth, place.clientHeight];
      if (width === 0 || height === 0) return;
      element.width = Math.round(width * devicePixelRatio);
      element.height = Math.round(height * devicePixelRatio);
      const first = h.width === 0;
      // What was in the middle stays there when the panel opens.
      const view = h.target ?? h.view;
      h.target = null;
      if (!first) h.view = { ...view, x: view.x + (width - h.width) / 2, y: view.y + (height - h.height) / 2 };
      h.width = width;
      h.height = height;
      if (first) {
        shown.current = picture;
        h.view = opening();
      }
      // At once: a resized canvas is empty until it is drawn.
      cancelAnimationFrame(h.frame);
      paint();
    });
    sized.observe(place);
    // React listens to wheels passively, which cannot keep the page still.
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const rect = element.getBoundingClientRect();
      held.current.target = null;
      const factor = Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : event.deltaMode === 1 ? 0.06 : 0.0018));
      setView(zoomAt(held.current.view, event.clientX - rect.left, event.clientY - rect.top, factor));
    };
    element.addEventListener('wheel', wheel, { passive: false });
    return () => {
      sized.disconnect();
      element.removeEventListener('wheel', wheel);
      cancelAnimationFrame(held.current.frame);
      cancelAnimationFrame(held.current.glide);
      held.current.frame = 0;
    };
  }, []);

  const at = (event: { clientX: number; clientY: number }) => {
    const rect = (canvas.current as HTMLCanvasElement).getBoundingClientRect();
    return { x: event.clientX - rect.left, y: event.clientY - rect.top };
  };
  const hitAt = (point: { x: number; y: number }) => {
    const { view, scene: now } = held.current;
    return hitTest(toWorld(view, point.x, point.y), view.scale, now.points, now.paths);
  };
  const hover = (hit: Hit | null, point: { x: number; y: number } | null) => {
    const h = held.current;
    if (hit?.kind !== h.hover?.kind || hit?.index !== h.hover?.index) {
      h.hover = hit;
      if (canvas.current) canvas.current.style.cursor = hit ? 'pointer' : '';
      ask();
    }
    showTip(tip.current, h, hit, point);
  };
  const drag = (event: React.PointerEvent<HTMLCanvasElement>) => {
    if (event.button !== 0) return;
    const element = event.currentTarget;
    const from = { x: event.clientX, y: event.clientY };
    const view = held.current.view;
    let moved = false;
    held.current.target = null;
    element.setPointerCapture(event.pointerId);
    const move = (to: PointerEvent) => {
      const [dx, dy] = [to.clientX - from.x, to.clientY - from.y];
      if (!moved && Math.hypot(dx, dy) < CLICK_PX) return;
      if (!moved) setGrabbing(true);
      moved = true;
      setView({ ...view, x: view.x + dx, y: view.y + dy });
    };
    const up = (to: PointerEvent) => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
      setGrabbing(false);
      if (moved || to.type === 'pointercancel') return;
      const hit = hitAt(at(to));
      const { scene: now } = held.current;
      latest.current.onChoose(hit === null ? null : { kind: hit.kind, key: (hit.kind === 'node' ? now.nodes : now.edges)[hit.index]?.key ?? '' });
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
  };
  const key = (event: React.KeyboardEvent) => {
    const { view, width, height } = held.current;
    const pan = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (pan) setView({ ...view, x: view.x + (pan[0] ?? 0) * PAN_PX, y: view.y + (pan[1] ?? 0) * PAN_PX });
    else if (event.key === '+' || event.key === '=') glideTo(zoomAt(view, width / 2, height / 2, ZOOM_STEP));
    else if (event.key === '-') glideTo(zoomAt(view, width / 2, height / 2, 1 / ZOOM_STEP));
    else if (event.key === '0') glideTo(whole());
    else return;
    event.preventDefault();
  };
  return (
    <div ref={box} className={styles.box}>
      <canvas
        ref={canvas}
        className={styles.canvas}
        data-grabbing={grabbing}
        tabIndex={0}
        role="img"
        aria-label={label}
        data-testid="map-canvas"
        onPointerDown={drag}
        onPointerMove={(event) => {
          if (!grabbing && event.buttons === 0) hover(hitAt(at(event)), at(event));
        }}
        onPointerLeave={() => hover(null, null)}
        onDoubleClick={(event) => glideTo(zoomAt(held.current.view, at(event).x, at(event).y, 1.8))}
        onKeyDown={key}
      />
      <div ref={tip} className={styles.tip} hidden />
    </div>
  );
}

/** Name and figures of what is below the pointer, where they are not written beside it. */
function showTip(element: HTMLDivElement | null, held: Held, hit: Hit | null, point: { x: number; y: number } | null): void {
  if (!element) return;
  const far = held.view.scale < 0.6;
  if (!hit || !point || (hit.kind === 'node' && !far)) {
    element.hidden = true;
    return;
  }
  const { nodes, edges } = held.scene;
  const node = hit.kind === 'node' ? nodes[hit.index] : undefined;
  const edge = hit.kind === 'edge' ? edges[hit.index] : undefined;
  const lines = node
    ? [node.name, [node.type, node.head, node.sub].filter((text) => text !== '').join(' · '), node.trouble]
    : edge
      ? [`${nodes[edge.from]?.name ?? ''} → ${nodes[edge.to]?.name ?? ''}`, edge.label, edge.trouble]
      : [];
  element.replaceChildren(
    ...lines.filter((line) => line !== '').map((line) => {
      const div = document.createElement('div');
      div.textContent = line;
      return div;
    }),
  );
  element.hidden = false;
  const right = point.x + 14 + element.offsetWidth > held.width;
  element.style.left = `${right ? point.x - element.offsetWidth - 10 : point.x + 14}px`;
  element.style.top = `${Math.max(4, Math.min(held.height - element.offsetHeight - 4, point.y + 10))}px`;
}
