// Drawing the flame view: only what is in sight, and of boxes thinner than a pixel one for each pixel.
import { firstAfter, type Box } from '../../lib/flame';

export const ROW_PX = 20;
const TEXT_LEAST_PX = 34;
const TINT_LEAST_PX = 4;
const PAD_PX = 5;

export interface FlameColours {
  page: string;
  ink: string;
  ink2: string;
  ink3: string;
  accent: string;
  fault: string;
  hairline: string;
  mark: string;
  /** Of each service: the fill behind text, and the full colour for what is too thin for it. */
  services: Map<string, { tint: string; full: string }>;
}

export interface FlameLook {
  service: string;
  name: string;
  failed: boolean;
  critical: boolean;
}

export interface FlameScene {
  rows: Box[][];
  look: (index: number) => FlameLook;
  /** Told apart: most boxes are too thin for text. */
  figure: (index: number) => string;
  /** Indices that stay as they are while the others step back; null when none does. */
  lit: ((index: number) => boolean) | null;
  found: ((index: number) => boolean) | null;
  selected: number;
  hovered: number;
}

export interface FlameWindow {
  from: number;
  to: number;
  scrollTop: number;
  width: number;
  height: number;
  scale: number;
  /** Places of the ruler's lines. */
  lines: number[];
}

export function drawFlame(context: CanvasRenderingContext2D, scene: FlameScene, window: FlameWindow, colours: FlameColours, font: string): void {
  const { from, to, scrollTop, width, height, scale } = window;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const share = width / (to - from);
  context.fillStyle = colours.hairline;
  for (const line of window.lines) context.fillRect(Math.round((line - from) * share), 0, 1, height);
  context.font = font;
  context.textBaseline = 'middle';
  const letter = context.measureText('0').width;
  const first = Math.max(0, Math.floor(scrollTop / ROW_PX));
  const last = Math.min(scene.rows.length - 1, Math.floor((scrollTop + height) / ROW_PX));
  for (let row = first; row <= last; row += 1) {
    const boxes = scene.rows[row] ?? [];
    const y = row * ROW_PX - scrollTop;
    let drawnTo = -1;
    for (let i = firstAfter(boxes, from); i < boxes.length; i += 1) {
      const box = boxes[i] as Box;
      if (box.from > to) break;
      const left = Math.max(-2, (box.from - from) * share);
      const right = Math.min(width + 2, Math.max((box.to - from) * share, left + 1));
      // A box within a pixel that is drawn already would not be seen, unless it is the one that is looked for.
      if (right <= drawnTo && box.index !== scene.selected && box.index !== scene.hovered && !scene.found?.(box.index)) continue;
      drawBox(context, scene, box, left, right, y, colours, letter);
      drawnTo = Math.floor(right) + (right - left < 2 ? 1 : 0);
    }
  }
}

function drawBox(context: CanvasRenderingContext2D, scene: FlameScene, box: Box, left: number, right: number, y: number, colours: FlameColours, letter: number): void {
  const look = scene.look(box.index);
  const colour = colours.services.get(look.service);
  const found = scene.found?.(box.index) ?? false;
  const back = (scene.lit && !scene.lit(box.index)) || (scene.found && !found);
  const width = right - left;
  const tint = width >= TINT_LEAST_PX;
  const w = tint ? width - 1 : width;
  const h = ROW_PX - 2;
  context.globalAlpha = back ? 0.32 : 1;
  context.fillStyle = (found ? colours.mark : tint ? colour?.tint : colour?.full) ?? colours.ink3;
  context.fillRect(left, y + 1, w, h);
  if (tint) {
    context.fillStyle = colour?.full ?? colours.ink3;
    context.fillRect(left, y + 1, 2, h);
  }
  if (look.failed) {
    context.fillStyle = colours.fault;
    context.fillRect(left, y + 1, w, 2);
  }
  if (look.critical) {
    context.fillStyle = colours.ink;
    context.fillRect(left, y + h, w, 1.5);
  }
  if (width >= TEXT_LEAST_PX) drawText(context, look, scene.figure(box.index), Math.max(left, 0), Math.min(right, left + w), y + ROW_PX / 2 + 0.5, colours, letter);
  context.globalAlpha = 1;
  if (box.index === scene.selected || box.index === scene.hovered) {
    const chosen = box.index === scene.selected;
    context.strokeStyle = chosen ? colours.accent : colours.ink2;
    context.lineWidth = chosen ? 2 : 1;
    context.strokeRect(left + 0.5, y + 1.5, Math.max(2, w - 1), h - 1);
  }
}

function drawText(context: CanvasRenderingContext2D, look: FlameLook, figure: string, left: number, right: number, y: number, colours: FlameColours, letter: number): void {
  let x = left + PAD_PX + 1;
  if (look.failed) {
    context.fillStyle = colours.fault;
    context.fillText('!', x, y);
    x += letter * 1.6;
  }
  const room = Math.floor((right - PAD_PX - x) / letter);
  if (room < 2) return;
  const both = look.name.length + 2 + figure.length <= room;
  context.fillStyle = colours.ink;
  context.fillText(look.name.length <= room ? look.name : `${look.name.slice(0, room - 1)}…`, x, y);
  if (!both) return;
  context.fillStyle = colours.ink2;
  context.fillText(figure, right - PAD_PX - figure.length * letter, y);
}
