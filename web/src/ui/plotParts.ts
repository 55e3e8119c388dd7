// What drawings by uPlot share: sums of series, points that stand alone, markers above the plot.
import type uPlot from 'uplot';

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

export function drawMarkers(plot: uPlot, markers: { ms: number; label: string }[], start: number, end: number, colour: string, font: string) {
  const { ctx, bbox } = plot;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = scale;
  ctx.font = font.replace('11px', `${10 * scale}px`);
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  const shown = markers.filter((marker) => marker.ms >= start && marker.ms <= end).sort((a, b) => a.ms - b.ms);
  const place = (marker: { ms: number }) => Math.round(plot.valToPos(marker.ms, 'x', true));
  const widthOf = (marker: { label: string }) => ctx.measureText(marker.label).width;
  /** Whether a label has no room to the right and stands to the left of its mark. */
  const turned = (marker: { ms: number; label: string }) => place(marker) + widthOf(marker) + 8 * scale > bbox.left + bbox.width;
  shown.forEach((marker, i) => {
    const x = place(marker);
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

export const escape = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Counts are whole: a scale of halves would show one figure twice. */
export const WHOLE_STEPS = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((one) => one * 10 ** power)).flat();
