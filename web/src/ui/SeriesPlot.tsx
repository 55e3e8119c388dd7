// The part of a chart of many series that needs uPlot.
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { localTime } from '../lib/time';
import styles from './Chart.module.css';
import { alone, drawMarkers, escape, stack, timeLabels, WHOLE_STEPS } from './plotParts';
import type { SeriesChartProps } from './SeriesChart';
import { resolveColour, useThemeKey } from './theme';

const DRAG_LEAST_PX = 5;
/** Series told below the cursor, the largest first. */
const TOLD = 8;
/** What the keyboard does, for who cannot see. */
const OPERATED = '; arrow keys move, with Shift they select, Enter opens';
/** How near the cursor a line is looked at. */
const NEAR_PX = 24;

export default function SeriesPlot(props: SeriesChartProps & { height: number }) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const drawn = useRef<uPlot | null>(null);
  const theme = useThemeKey();
  const { label, start, step, series, kind, logarithmic, height, markers } = props;
  // Drawn anew only when what is drawn changed; handlers and what is chosen are read at the time of use.
  const shape = JSON.stringify([start, step, kind, logarithmic, height, markers, series.map((one) => [one.label, one.values, one.before, one.colour])]);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const place = box.current;
    if (!place) return undefined;
    const steps = series.reduce((most, one) => Math.max(most, one.values.length), 1);
    const end = start + steps * step;
    const colour = (text: string) => resolveColour(text, place);
    const [ink, line, mark] = [colour('var(--ink-3)'), colour('var(--hairline)'), colour('var(--accent)')];
    const soft = colour('var(--accent-soft)');
    const font = `11px ${getComputedStyle(place).fontFamily}`;
    const xs = Array.from({ length: steps }, (_, i) => start + (i + 0.5) * step);
    const areas = kind === 'areas';
    const plain = (values: (number | null | undefined)[]) => Array.from({ length: steps }, (_, i) => (logarithmic && !((values[i] ?? 0) > 0) ? null : (values[i] ?? null)));
    const now = areas ? stack(series.map((one) => plain(one.values))) : series.map((one) => plain(one.values));
    const before = series.flatMap((one, i) => (one.before ? [{ i, values: plain(one.before) }] : []));
    const all = [...now.flat(), ...(areas ? [] : before.flatMap((one) => one.values))].filter((value): value is number => value !== null);
    const highest = all.length > 0 ? Math.max(...all) : 0;
    const lowest = all.length > 0 ? Math.min(...all) : 0;
    const order = areas ? now.map((_, i) => now.length - 1 - i) : now.map((_, i) => i);
    const fades = (i: number) => latest.current.focus !== null && latest.current.focus !== undefined && latest.current.focus !== i;
    const faded = (i: number, css: string) => (fades(i) ? ink.replace(/rgb\(([^)]+)\)/, 'rgba($1, 0.16)') : css);
    const colours = series.map((one) => colour(one.colour));
    // Areas lie over one another: what shows through would be another colour.
    const fills = areas ? series.map((one) => [72, 16].map((share) => colour(`color-mix(in oklab, ${one.colour} ${share}%, var(--page))`))) : [];
    const dim = (css: string, share: number) => css.replace(/^(.*)\)$/, (_, head: string) => (head.startsWith('oklch') ? `${head} / ${share})` : head.startsWith('rgb(') ? `${head.replace('rgb(', 'rgba(')}, ${share})` : `${head})`));
    const smooth = uPlot.paths.linear?.();
    const options: uPlot.Options = {
      width: Math.max(120, place.clientWidth),
      height,
      ms: 1,
      padding: [markers?.length ? 16 : 6, 12, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 5 }, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: true, range: () => [start, Math.max(end, start + step)] },
        y: logarithmic && highest > 0 ? { distr: 3, range: () => [10 ** Math.floor(Math.log10(lowest > 0 ? lowest : highest / 1000)), 10 ** Math.ceil(Math.log10(highest * 1.001))] } : { range: () => [lowest < 0 ? lowest * 1.08 : 0, highest > 0 ? highest * 1.08 : lowest < 0 ? 0 : 1] },
      },
      axes: [
        { stroke: ink, font, size: 22, gap: 3, grid: { show: false }, ticks: { stroke: line, size: 4, width: 1 }, values: (plot, splits) => timeLabels(plot, splits, start, end, 52, 12) },
        { stroke: ink, font, size: 52, gap: 6, space: 26, ...(!logarithmic && all.every(Number.isInteger) ? { incrs: WHOLE_STEPS } : {}), grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (_, splits) => splits.map((value) => (value === null ? '' : value === 0 ? '0' : highest > 0 || lowest < 0 ? latest.current.tick(value) : '')) },
      ],
      series: [
        {},
        ...order.map((i): uPlot.Series => {
          const own = colours[i] as string;
          return areas
            ? { stroke: () => faded(i, own), fill: () => fills[i]?.[fades(i) ? 1 : 0] ?? own, width: 1, paths: smooth, points: { show: false } }
            : { stroke: () => faded(i, own), width: 1.5, paths: smooth, spanGaps: false, points: { show: true, size: 4, fill: own, width: 0, filter: alone } };
        }),
        ...(areas ? [] : before.map(({ i }): uPlot.Series => ({ stroke: () => faded(i, dim(colours[i] as string, 0.75)), width: 1, dash: [4, 3], paths: smooth, points: { show: false } }))),
      ],
      hooks: {
        drawClear: [
          (plot) => {
            const chosen = latest.current.chosen;
            if (!chosen) return;
            const [from, to] = [plot.valToPos(Math.max(chosen.start, start), 'x', true), plot.valToPos(Math.min(chosen.end, end), 'x', true)];
            plot.ctx.fillStyle = soft;
            plot.ctx.fillRect(from, plot.bbox.top, Math.max(2, to - from), plot.bbox.height);
          },
        ],
        draw: [(plot) => drawMarkers(plot, markers ?? [], start, end, mark, font)],
        setCursor: [(plot) => showTip(plot)],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < DRAG_LEAST_PX) return;
            // Whole steps, as the answer has them.
            const first = Math.floor((plot.posToVal(left, 'x') - start) / step);
            const last = Math.ceil((plot.posToVal(left + width, 'x') - start) / step);
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            latest.current.onSelect({ start: start + Math.max(0, first) * step, end: start + Math.min(steps, Math.max(first + 1, last)) * step });
          },
        ],
      },
    };

    /** The series that the cursor is at. */
    function lookedAt(plot: uPlot, index: number): number | null {
      const distance = (top: number | null | undefined) => (typeof top === 'number' ? Math.abs(plot.valToPos(top, 'y') - (plot.cursor.top ?? 0)) : Infinity);
      const tops = now.map((values, i) => ({ i, away: typeof series[i]?.values[index] === 'number' ? distance(values[index]) : Infinity }));
      const near = tops.sort((a, b) => a.away - b.away)[0];
      return latest.current.focus ?? (near && near.away < NEAR_PX ? near.i : null);
    }

    function showTip(plot: uPlot) {
      const element = tip.current;
      const index = plot.cursor.idx;
      if (!element) return;
      if (index === null || index === undefined || (plot.cursor.left ?? -1) < 0) {
        element.style.display = 'none';
        return;
      }
      const { format } = latest.current;
      const told = series.map((one, i) => ({ i, value: one.values[index], before: one.before?.[index] })).filter((one) => typeof one.value === 'number');
      told.sort((a, b) => (b.value as number) - (a.value as number));
      const looked = lookedAt(plot, index);
      const shown = told.slice(0, TOLD);
      const own = told.find((one) => one.i === looked);
      if (own && !shown.includes(own)) shown[shown.length - 1] = own;
      const rows = shown.map(({ i, value, before }) => {
        const one = series[i] as (typeof series)[number];
        const earlier = typeof before === 'number' ? ` <i>${escape(format(before))}</i>` : '';
        return `<div data-looked="${i === looked}"><b>${escape(format(value as number))}${earlier}</b><s style="background:${colours[i]}"></s>${escape(one.label.length > 48 ? `${one.label.slice(0, 47)}…` : one.label)}</div>`;
      });
      const rest = told.length > shown.length ? `<div class="more">and ${told.length - shown.length} more</div>` : '';
      element.innerHTML = `<div>${escape(localTime(start + index * step, Date.now(), false))}</div>${rows.join('') || '<div>nothing</div>'}${rest}`;
      element.style.display = 'block';
      const left = plot.valToPos(xs[index] ?? start, 'x') + plot.bbox.left / devicePixelRatio;
      const flip = left + element.offsetWidth + 24 > plot.width;
      element.style.left = `${flip ? left - element.offsetWidth - 10 : left + 12}px`;
    }

    const data = [xs, ...order.map((i) => now[i] as (number | null)[]), ...(areas ? [] : before.map((one) => one.values))];
    const plot = new uPlot(options, data as uPlot.AlignedData, place);
    drawn.current = plot;
    plot.over.style.cursor = latest.current.onPoint ? 'crosshair' : 'col-resize';
    plot.over.addEventListener('click', (event) => {
      const index = plot.cursor.idx;
      if (index === null || index === undefined || !latest.current.onPoint) return;
      const looked = series.length === 1 ? 0 : lookedAt(plot, index);
      const value = looked === null ? null : (series[looked]?.values[index] ?? null);
      latest.current.onPoint({ start: start + index * step, end: start + (index + 1) * step, series: looked, value }, { x: event.clientX, y: event.clientY });
    });
    /** Where the keyboard stands: a step, a series, and the step where a range began. */
    let stood: { index: number; series: number; from: number | null } | null = null;
    const rangeOf = (from: number, to: number) => ({ first: Math.min(from, to), end: Math.max(from, to) + 1 });
    const stand = () => {
      if (!stood) return;
      const { index, series: looked, from } = stood;
      const value = now[looked]?.[index];
      plot.setCursor({ left: plot.valToPos(xs[index] ?? start, 'x'), top: typeof value === 'number' ? plot.valToPos(value, 'y') : plot.over.clientHeight / 2 });
      const range = from === null ? null : rangeOf(from, index);
      const [left, right] = range ? [range.first, range.end].map((at) => plot.valToPos(start + at * step, 'x')) as [number, number] : [0, 0];
      plot.setSelect({ left, top: 0, width: right - left, height: range ? plot.over.clientHeight : 0 }, false);
    };
    const leave = () => {
      stood = null;
      plot.setCursor({ left: -10, top: -10 });
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    };
    /** Where the keyboard comes in: at the newest step with a value, or from the left at the oldest. */
    const entered = (isLeftward: boolean) => {
      const hasValue = (index: number) => series.some((one) => typeof one.values[index] === 'number');
      const all = Array.from({ length: steps }, (_, index) => index);
      return (isLeftward ? all.findLast(hasValue) : all.find(hasValue)) ?? 0;
    };
    const key = (event: KeyboardEvent) => {
      const move = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
      const turn = event.key === 'ArrowUp' ? -1 : event.key === 'ArrowDown' ? 1 : 0;
      const known = move !== 0 || turn !== 0 || ((event.key === 'Enter' || event.key === 'Escape') && stood !== null);
      if (!known || event.metaKey || event.ctrlKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === 'Escape') return leave();
      if (event.key === 'Enter' && stood) {
        const { index, series: looked, from } = stood;
        if (from !== null) {
          const { first, end } = rangeOf(from, index);
          leave();
          return latest.current.onSelect({ start: start + first * step, end: start + end * step });
        }
        const place = plot.over.getBoundingClientRect();
        const at = { x: place.left + (plot.cursor.left ?? 0), y: place.top + (plot.cursor.top ?? 0) };
        return latest.current.onPoint?.({ start: start + index * step, end: start + (index + 1) * step, series: looked, value: series[looked]?.values[index] ?? null }, at);
      }
      // From one line to the next that has a value here, the largest first.
      const index = stood ? Math.max(0, Math.min(steps - 1, stood.index + move)) : entered(move < 0);
      const there = now.map((_, i) => i).filter((i) => typeof series[i]?.values[index] === 'number');
      there.sort((a, b) => (now[b]?.[index] ?? 0) - (now[a]?.[index] ?? 0));
      const place = there.indexOf(stood?.series ?? -1);
      const looked = turn === 0 || place < 0 ? (stood?.series ?? there[0] ?? 0) : (there[Math.max(0, Math.min(there.length - 1, place + turn))] ?? 0);
      stood = { index, series: looked, from: event.shiftKey && move !== 0 ? (stood?.from ?? stood?.index ?? index) : null };
      stand();
    };
    const operable = latest.current.onPoint !== undefined;
    if (operable) {
      place.addEventListener('keydown', key);
      place.addEventListener('blur', leave);
    }
    const sized = new ResizeObserver(() => plot.setSize({ width: Math.max(120, place.clientWidth), height }));
    sized.observe(place);
    return () => {
      sized.disconnect();
      place.removeEventListener('keydown', key);
      place.removeEventListener('blur', leave);
      drawn.current = null;
      plot.destroy();
    };
    // `shape` stands for every value that is drawn.
  }, [shape, theme]);

  const { focus, chosen } = props;
  useEffect(() => drawn.current?.redraw(false), [focus, chosen?.start, chosen?.end]);

  const told = series.slice(0, TOLD).map((one) => `${one.label} up to ${props.format(Math.max(0, ...one.values.map((value) => value ?? 0)))}`);
  return (
    <>
      <div ref={box} role="img" tabIndex={props.onPoint ? 0 : undefined} aria-label={`${label}: ${told.join(', ')}${props.onPoint ? OPERATED : ''}`} />
      <div ref={tip} className={`${styles.tip} ${styles.many}`} style={{ display: 'none' }} />
    </>
  );
}
