// The ring of a node as a picture beside its figures, and the shapes of the four states.
import { arcs, type Outcomes, type Status } from '../../lib/graph';

const WIDTH: Record<Status, number> = { ok: 0.1, error: 0.17, throttle: 0.17, fault: 0.22 };

export function Ring({ of, size = 18 }: { of: Outcomes; size?: number }) {
  const r = size / 2;
  const radius = r * 0.8;
  const point = (angle: number) => `${(r + radius * Math.cos(angle)).toFixed(2)} ${(r + radius * Math.sin(angle)).toFixed(2)}`;
  return (
    <svg width={size} height={size} viewBox={`0 0 ${size} ${size}`} fill="none" aria-hidden="true" style={{ flex: 'none', display: 'block' }}>
      <circle cx={r} cy={r} r={radius} stroke="var(--hairline-strong)" />
      {arcs(of).map((arc) =>
        arc.to - arc.from > 6.28 ? (
          <circle key={arc.status} cx={r} cy={r} r={radius} stroke={`var(--${arc.status})`} strokeWidth={r * WIDTH[arc.status] * 1.5} />
        ) : (
          <path key={arc.status} d={`M${point(arc.from)}A${radius} ${radius} 0 ${arc.to - arc.from > Math.PI ? 1 : 0} 1 ${point(arc.to)}`} stroke={`var(--${arc.status})`} strokeWidth={r * WIDTH[arc.status] * 1.5} />
        ),
      )}
    </svg>
  );
}

const SHAPES: Record<Status, string> = {
  fault: 'M5 0.800L9.300 8.600H0.700Z',
  throttle: 'M1.600 1.600H8.400V8.400H1.600Z',
  error: 'M5 0.500L9.500 5L5 9.500L0.500 5Z',
  ok: 'M5 1A4 4 0 1 1 4.990 1Z',
};

export function StatusShape({ status, size = 9 }: { status: Status; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 10 10" aria-hidden="true" style={{ flex: 'none', display: 'inline-block' }}>
      <path d={SHAPES[status]} fill={`var(--${status})`} />
    </svg>
  );
}
