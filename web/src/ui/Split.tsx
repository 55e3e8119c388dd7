// A page with a panel at its right whose width is dragged, or moved with the arrow keys; the width is remembered.
import { useState, type ReactNode } from 'react';
import styles from './Split.module.css';

const KEY_STEP = 24;

function remembered(name: string, fallback: number): number {
  try {
    return Number(localStorage.getItem(name)) || fallback;
  } catch {
    return fallback;
  }
}

/** A width that survives the page; kept between `min` and `max`. */
export function useWidth(name: string, fallback: number, min: number, max: number): [number, (width: number) => void] {
  const [width, setWidth] = useState(() => Math.max(min, Math.min(max, remembered(`cupola.width.${name}`, fallback))));
  const set = (next: number) => {
    const kept = Math.round(Math.max(min, Math.min(max, next)));
    setWidth(kept);
    try {
      localStorage.setItem(`cupola.width.${name}`, String(kept));
    } catch {
      // Not remembered then.
    }
  };
  return [width, set];
}

/** The line that is dragged. `direction` is 1 when dragging right makes the thing wider. */
export function Grip({ width, onWidth, direction, label, className }: { width: number; onWidth: (width: number) => void; direction: 1 | -1; label: string; className?: string }) {
  return (
    <div
      className={`${styles.grip} ${className ?? ''}`}
      role="separator"
      aria-orientation="vertical"
      aria-label={label}
      aria-valuenow={width}
      tabIndex={0}
      onKeyDown={(event) => {
        const step = event.key === 'ArrowRight' ? KEY_STEP : event.key === 'ArrowLeft' ? -KEY_STEP : 0;
        if (step === 0) return;
        event.preventDefault();
        onWidth(width + step * direction);
      }}
      onPointerDown={(event) => {
        const from = event.clientX;
        const grip = event.currentTarget;
        event.preventDefault();
        grip.setPointerCapture(event.pointerId);
        const move = (to: PointerEvent) => onWidth(width + (to.clientX - from) * direction);
        const up = () => {
          grip.removeEventListener('pointermove', move);
          grip.removeEventListener('pointerup', up);
          grip.removeEventListener('pointercancel', up);
        };
        grip.addEventListener('pointermove', move);
        grip.addEventListener('pointerup', up);
        grip.addEventListener('pointercancel', up);
      }}
    />
  );
}

/** Until it is dragged wider, the panel leaves the larger part to what it belongs to. */
const START = 420;

export function Split({ name, side, children }: { name: string; side: ReactNode; children: ReactNode }) {
  const [width, setWidth] = useWidth(name, START, 300, 900);
  return (
    <div className={styles.split}>
      <div className={styles.main}>{children}</div>
      {side && (
        <>
          <Grip width={width} onWidth={setWidth} direction={-1} label="Width of the panel" />
          <div className={styles.side} style={{ width: `min(${width}px, ${width > START ? 60 : 38}%)` }}>
            {side}
          </div>
        </>
      )}
    </div>
  );
}
