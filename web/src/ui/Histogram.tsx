// How long requests took: bars on a logarithmic axis. Dragging, or the arrow keys with Shift, chooses a range.
import { useRef, useState } from 'react';
import { barRange, countWithin, histogramBars, logShare, logTicks, type Bar, type Range } from '../lib/brush';
import { count, duration, durationTick, percent } from '../lib/units';
import styles from './Histogram.module.css';

interface Props {
  /** Seconds and how many. */
  entries: { value_s: number; count: number }[];
  chosen: Range | null;
  onChoose: (range: Range | null) => void;
  height?: number;
}

const seconds = (value: number) => duration(value * 1e9);

export function Histogram({ entries, chosen, onChoose, height = 84 }: Props) {
  const plot = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number } | null>(null);
  const [over, setOver] = useState<number | null>(null);
  const bars = histogramBars(entries);
  const first = bars[0];
  const last = bars[bars.length - 1];
  if (!first || !last) return <p className="muted">No response times in this range.</p>;
  const [low, high] = [first.from, last.to];
  const most = Math.max(...bars.map((bar) => bar.count));
  const total = bars.reduce((sum, bar) => sum + bar.count, 0);
  const width = () => plot.current?.clientWidth ?? 1;
  const dragged = drag && barRange(drag.from, drag.to, width(), bars);
  const range = dragged ?? chosen;
  const share = (value: number) => `${logShare(value, low, high) * 100}%`;
  const start = (event: React.PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    const element = event.currentTarget;
    const rect = element.getBoundingClientRect();
    const at = (one: { clientX: number }) => Math.max(0, Math.min(rect.width - 1, one.clientX - rect.left));
    const from = at(event);
    element.setPointerCapture(event.pointerId);
    setDrag({ from, to: from });
    const move = (to: PointerEvent) => setDrag({ from, to: at(to) });
    const up = (to: PointerEvent) => {
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
      setDrag(null);
      if (to.type === 'pointercancel') return;
      const inside = chosen && Math.abs(at(to) - from) < 3;
      onChoose(inside ? null : barRange(from, at(to), rect.width, bars));
    };
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
  };
  const key = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (event.key === 'Escape' && chosen) {
      event.stopPropagation();
      onChoose(null);
    } else if (step !== 0) {
      event.preventDefault();
      onChoose(stepped(bars, chosen, step, event.shiftKey));
    }
  };
  const bar = over === null ? undefined : bars[over];
  return (
    <div className={styles.histogram}>
      <div
        ref={plot}
        className={styles.plot}
        style={{ height }}
        role="slider"
        tabIndex={0}
        aria-label="Response times; arrow keys choose a range, with Shift widen it"
        aria-valuemin={low * 1000}
        aria-valuemax={high * 1000}
        aria-valuenow={(range?.from ?? low) * 1000}
        aria-valuetext={range ? `${seconds(range.from)} to ${seconds(range.to)}` : 'all'}
        data-testid="histogram"
        onPointerDown={start}
        onPointerMove={(event) => {
          const rect = event.currentTarget.getBoundingClientRect();
          setOver(Math.max(0, Math.min(bars.length - 1, Math.floor(((event.clientX - rect.left) / rect.width) * bars.length))));
        }}
        onPointerLeave={() => setOver(null)}
        onKeyDown={key}
      >
        {range && <i className={styles.chosen} style={{ left: share(range.from), right: `${100 - logShare(range.to, low, high) * 100}%` }} />}
        <div className={styles.bars}>
          {bars.map((one, i) => (
            <i key={one.from} data-over={i === over} data-out={range !== null && !within(one, range)} style={{ height: one.count > 0 ? `${Math.max(2, (one.count / most) * 100)}%` : 0 }} />
          ))}
        </div>
        {bar && !drag && (
          <div className={styles.tip} style={{ left: `clamp(0px, calc(${(((over ?? 0) + 0.5) / bars.length) * 100}% - 70px), calc(100% - 140px))` }}>
            {seconds(bar.from)} – {seconds(bar.to)} <b>{count(bar.count)}</b>
          </div>
        )}
      </div>
      <div className={styles.axis} aria-hidden="true">
        {logTicks(low, high, 7).filter((tick) => logShare(tick, low, high) > 0.03 && logShare(tick, low, high) < 0.97).map((tick) => (
          <span key={tick} style={{ left: share(tick) }}>
            {durationTick(tick * 1e9)}
          </span>
        ))}
      </div>
      <p className={styles.told}>
        {range ? (
          <>
            {seconds(range.from)} – {seconds(range.to)}: <b>{count(countWithin(bars, range))}</b> of {count(total)} ({percent(countWithin(bars, range) / total)})
            {chosen && !drag && (
              <button type="button" onClick={() => onChoose(null)}>
                all
              </button>
            )}
          </>
        ) : (
          'Drag across the bars to choose response times.'
        )}
      </p>
    </div>
  );
}

const within = (bar: Bar, range: Range) => countWithin([{ ...bar, count: 1 }], range) > 0;

/** One bar to the side, or one bar wider. */
function stepped(bars: Bar[], chosen: Range | null, step: number, widen: boolean): Range | null {
  const inside = bars.map((_, i) => i).filter((i) => chosen !== null && within(bars[i] as Bar, chosen));
  const peak = bars.reduce((best, bar, i) => (bar.count > (bars[best] as Bar).count ? i : best), 0);
  let [from, to] = [inside[0] ?? peak, inside[inside.length - 1] ?? peak];
  if (inside.length > 0) {
    to += step;
    if (!widen) from += step;
  }
  const clamp = (i: number) => Math.max(0, Math.min(bars.length - 1, i));
  return { from: (bars[clamp(Math.min(from, to))] as Bar).from, to: (bars[clamp(Math.max(from, to))] as Bar).to };
}
