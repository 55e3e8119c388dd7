// A series in the height of a table row. Decoration beside a figure: the figure is what is read out.
import { useId } from 'react';

export function Sparkline({ values, width = 120, height = 22, colour = 'var(--bar-quiet)', kind = 'area', max }: { values: (number | null | undefined)[]; width?: number; height?: number; colour?: string; kind?: 'area' | 'bars'; max?: number }) {
  const id = useId();
  const top = Math.max(max ?? 0, ...values.map((value) => value ?? 0)) || 1;
  const step = width / Math.max(1, values.length);
  const y = (value: number) => height - 1 - (value / top) * (height - 3);
  if (kind === 'bars') {
    return (
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true" style={{ display: 'block' }}>
        <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--hairline)" />
        {values.map((value, i) => value ? <rect key={i} x={i * step} y={y(value)} width={Math.max(1, step - (step > 3 ? 1 : 0))} height={height - y(value)} fill={colour} /> : null)}
      </svg>
    );
  }
  const runs = pointsOf(values, step, y);
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true" style={{ display: 'block' }}>
      <defs>
        <linearGradient id={id} x1="0" x2="0" y1="0" y2="1">
          <stop offset="0" stopColor={colour} stopOpacity="0.28" />
          <stop offset="1" stopColor={colour} stopOpacity="0.02" />
        </linearGradient>
      </defs>
      {runs.map((run, i) => (
        <g key={i}>
          <path d={`M${run[0]?.[0]} ${height}L${run.map((p) => p.join(' ')).join('L')}L${run[run.length - 1]?.[0]} ${height}Z`} fill={`url(#${id})`} />
          <path d={`M${run.map((p) => p.join(' ')).join('L')}`} fill="none" stroke={colour} strokeWidth="1.2" strokeLinejoin="round" />
        </g>
      ))}
    </svg>
  );
}

/** A gap in the data is a gap in the line. */
function pointsOf(values: (number | null | undefined)[], step: number, y: (value: number) => number): number[][][] {
  const runs: number[][][] = [];
  let run: number[][] = [];
  values.forEach((value, i) => {
    if (value === null || value === undefined) {
      if (run.length > 0) runs.push(run);
      run = [];
    } else {
      run.push([Math.round((i + 0.5) * step * 10) / 10, Math.round(y(value) * 10) / 10]);
    }
  });
  if (run.length > 0) runs.push(run);
  return runs;
}
