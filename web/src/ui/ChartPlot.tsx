// The part of a chart that needs uPlot.
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { localTime } from '../lib/time';
import type { ChartProps } from './Chart';
import styles from './Chart.module.css';
import { WHOLE_STEPS, alone, drawMarkers, escape, stack, timeLabels } from './plotParts';
import { resolveColour, useThemeKey } from './theme';

const DRAG_LEAST_PX = 5;

export default function ChartPlot(props: ChartProps & { height: number }) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const theme = useThemeKey();
  const { start, step, series, kind, height, format, markers, onSelect, title } = props;
  // Drawn anew only when what is drawn changed; handlers are read at the time of use.
  const shape = JSON.stringify([start, step, kind, height, markers, series.map((one) => [one.label, one.values, one.colour])]);
  const latest = useRef({ onSelect, format });
  latest.current = { onSelect, format };

  useEffect(() => {
    const place = box.current;
    if (!place) return undefined;
    const buckets = series[0]?.values.length ?? 0;
    const end = start + buckets * step;
    const colour = (text: string) => resolveColour(text, place);
    const ink = colour('var(--ink-3)');
    const line = colour('var(--hairline)');
    const mark = colour('var(--accent)');
    const font = `11px ${getComputedStyle(place).fontFamily}`;
    const xs = Array.from({ length: buckets }, (_, i) => start + (i + 0.5) * step);
    const stacked = kind === 'bars' ? stack(series.map((one) => one.values)) : series.map((one) => one.values);
    // The highest sum is drawn first and lower ones over it.
    const order = kind === 'bars' ? series.map((_, i) => series.length - 1 - i) : series.map((_, i) => i);
    const bars = uPlot.paths.bars?.({ size: [0.86, 60], gap: 0, align: 0 });
    const highest = Math.max(0, ...stacked.flat().map((value) => value ?? 0));
    const options: uPlot.Options = {
      width: Math.max(120, place.clientWidth),
      height,
      ms: 1,
      // Markers write above the plot.
      padding: [markers?.length ? 18 : 6, 16, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: kind === 'lines', size: 5 }, drag: { x: true, y: false, setScale: false } },
      scales: {
        x: { time: true, range: () => [start, Math.max(end, start + step)] },
        y: { range: () => [0, highest > 0 ? highest * 1.08 : 1] },
      },
      axes: [
        { stroke: ink, font, size: 24, gap: 4, grid: { show: false }, ticks: { stroke: line, size: 4, width: 1 }, values: (plot, splits) => timeLabels(plot, splits, start, end, 52, 16) },
        { stroke: ink, font, size: 52, gap: 6, space: 24, ...(kind === 'bars' ? { incrs: WHOLE_STEPS } : {}), grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (_, splits) => splits.map((value) => (value === 0 ? '0' : highest > 0 ? latest.current.format(value).replace(/\.0+(?=\u00a0)/, '') : '')) },
      ],
      series: [
        {},
        ...order.map((i) => {
          const drawn = colour(series[i]?.colour ?? 'currentColor');
          return kind === 'bars'
            ? { fill: drawn, stroke: drawn, width: 0, paths: bars, points: { show: false } }
            : { stroke: drawn, width: 1.5, spanGaps: false, points: { show: true, size: 4, fill: drawn, width: 0, filter: alone } };
        }),
      ],
      hooks: {
        draw: [(plot) => drawMarkers(plot, markers ?? [], start, end, mark, font)],
        setCursor: [(plot) => showTip(plot, plot.cursor.idx)],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < DRAG_LEAST_PX) return;
            const range = { start: plot.posToVal(left, 'x'), end: plot.posToVal(left + width, 'x') };
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            latest.current.onSelect?.(range);
          },
        ],
      },
    };

    function showTip(plot: uPlot, index: number | null | undefined) {
      const element = tip.current;
      if (!element) return;
      if (index === null || index === undefined || (plot.cursor.left ?? -1) < 0) {
        element.style.display = 'none';
        return;
      }
      const at = start + index * step;
      const rows = series.map((one) => {
        const value = one.values[index];
        return `<div><b>${value === null || value === undefined ? '–' : escape(latest.current.format(value))}</b>${escape(one.label)}</div>`;
      });
      element.innerHTML = `<div>${escape(localTime(at, Date.now(), false))}</div>${rows.join('')}`;
      element.style.display = 'block';
      const left = plot.valToPos(xs[index] ?? at, 'x') + plot.bbox.left / devicePixelRatio;
      const flip = left + element.offsetWidth + 24 > plot.width;
      element.style.left = `${flip ? left - element.offsetWidth - 10 : left + 12}px`;
    }

    const plot = new uPlot(options, [xs, ...order.map((i) => stacked[i] as (number | null)[])], place);
    plot.over.style.cursor = onSelect ? 'col-resize' : 'default';
    const sized = new ResizeObserver(() => plot.setSize({ width: Math.max(120, place.clientWidth), height }));
    sized.observe(place);
    return () => {
      sized.disconnect();
      plot.destroy();
    };
    // `shape` stands for every value that is drawn.
  }, [shape, theme]);

  const total = series.map((one) => `${one.label} up to ${format(Math.max(0, ...one.values.map((value) => value ?? 0)))}`).join(', ');
  return (
    <>
      <div ref={box} role="img" aria-label={`${title}: ${total}`} />
      <div ref={tip} className={styles.tip} style={{ display: 'none' }} />
    </>
  );
}
