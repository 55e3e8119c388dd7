// What drawings by uPlot share: sums of series, points that stand alone, markers above the plot.
import type uPlot from 'uplot';
import { axisLabel } from '../lib/time';

/** Values without a neighbour, which no line would show. */
export function alone(plot: uPlot, series: number): number[] {
  const values = [...(plot.data[series] ?? [])];
  const is = (i: number) => values[i] !== null && values[i] !== undefined;
  return values.flatMap((_, i) => (is(i) && !is(i - 1) && !is(i + 1) ? [i] : []));
}

export function stack(values: (number | null | undefined)[][]): number[][] {
  const out: number[][] = [];
  for (const one of values) {
    const below = out[out.length - 1];
    out.push(one.map((value, i) => (value ?? 0) + (below?.[i] ?? 0)));
  }
  return out;
}

/** What happened at a moment, or went on until an end. */
export interface Marker {
  ms: number;
  end?: number;
  label: string;
  colour?: string;
}

/** How strongly the time that something went on is tinted. */
const WINDOW_ALPHA = 0.12;

export function drawMarkers(plot: uPlot, markers: Marker[], start: number, end: number, colour: string, font: string) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.lineWidth = scale;
  ctx.font = font.replace('11px', `${10 * scale}px`);
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  for (const marker of markers) {
    if (marker.end === undefined || marker.end < start || marker.ms > end) continue;
    const [from, to] = [Math.max(marker.ms, start), Math.min(marker.end, end)].map((ms) => plot.valToPos(ms, 'x', true)) as [number, number];
    ctx.globalAlpha = WINDOW_ALPHA;
    ctx.fillStyle = marker.colour ?? colour;
    ctx.fillRect(from, bbox.top, Math.max(1, to - from), bbox.height);
    ctx.globalAlpha = 1;
  }
  const shown = markers.filter((marker) => marker.ms >= start && marker.ms <= end).sort((a, b) => a.ms - b.ms);
  const place = (marker: Marker) => Math.round(plot.valToPos(marker.ms, 'x', true));
  const widthOf = (marker: Marker) => ctx.measureText(marker.label).width;
  /** Whether a label has no room to the right and stands to the left of its mark. */
  const turned = (marker: Marker) => place(marker) + widthOf(marker) + 8 * scale > bbox.left + bbox.width;
  shown.forEach((marker, i) => {
    const x = place(marker);
    ctx.strokeStyle = ctx.fillStyle = marker.colour ?? colour;
    ctx.setLineDash([3 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 2 * scale);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x - 4 * scale, bbox.top - 8 * scale);
    ctx.lineTo(x + 4 * scale, bbox.top - 8 * scale);
    ctx.lineTo(x, bbox.top - 2 * scale);
    ctx.fill();
    const width = widthOf(marker);
    const right = turned(marker);
    // A label that would run into a mark is left out; its own mark stays.
    const neighbour = right ? shown[i - 1] : shown[i + 1];
    const theirs = neighbour && !right && turned(neighbour) ? widthOf(neighbour) + 8 * scale : 0;
    if (neighbour && Math.abs(place(neighbour) - x) < width + theirs + 13 * scale) return;
    ctx.fillText(marker.label, right ? x - width - 7 * scale : x + 7 * scale, bbox.top - 6 * scale);
  });
  ctx.restore();
}

/** Of a letter, in the font of axes. */
const LETTER_PX = 6.6;

/** Labels of the time axis, without the one that the right edge would cut. */
export function timeLabels(plot: uPlot, moments: number[], start: number, end: number, left: number, right: number): string[] {
  const room = plot.width - left - right;
  return moments.map((ms) => {
    const text = axisLabel(ms, end - start);
    return ((ms - start) / (end - start)) * room + (text.length * LETTER_PX) / 2 > room + right ? '' : text;
  });
}

export const escape = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Counts are whole: a scale of halves would show one figure twice. */
export const WHOLE_STEPS = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((one) => one * 10 ** power)).flat();
