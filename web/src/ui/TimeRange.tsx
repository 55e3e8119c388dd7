// The time range: relative or between two moments, stepped back and forth, widened.
import { useRef, useState } from 'react';
import { isRelative, labelFromParam, paramFromRange, RANGE_DEFAULT, rangeFromParam, RANGES } from '../lib/time';
import { Button, Group, IconButton, Input } from './Control';
import { Icon } from './Icon';
import { Panel } from './Menu';
import styles from './TimeRange.module.css';

interface Props {
  time: string | undefined;
  onChange: (time: string | undefined) => void;
}

export function TimeRange({ time, onChange }: Props) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const now = Date.now();
  const range = rangeFromParam(time, now);
  const length = range.end - range.start;
  const choose = (next: string | undefined) => {
    setOpen(false);
    onChange(next === RANGE_DEFAULT ? undefined : next);
  };
  return (
    <Group label="Time range">
      <IconButton icon="left" label="Earlier" onClick={() => onChange(paramFromRange({ start: range.start - length, end: range.start }))} />
      <Button ref={anchor} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)} data-testid="time-range" title={`${new Date(range.start).toISOString()} to ${new Date(range.end).toISOString()}`}>
        {labelFromParam(time, now)}
        <Icon name="down" size={12} />
      </Button>
      {/* Later than now there is nothing. */}
      <IconButton icon="right" label="Later" disabled={isRelative(time)} onClick={() => onChange(paramFromRange({ start: range.end, end: range.end + length }))} />
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Time range">
          <div className={styles.panel}>
            <div className={styles.quick}>
              {RANGES.map((quick) => (
                <button key={quick} type="button" aria-current={(time ?? RANGE_DEFAULT) === quick} onClick={() => choose(quick)}>
                  {labelFromParam(quick, now)}
                </button>
              ))}
            </div>
            <Own key={time} start={range.start} end={range.end} onChoose={choose} />
          </div>
        </Panel>
      )}
    </Group>
  );
}

/** `YYYY-MM-DDTHH:mm:ss` in local time, which is what the browser's own field speaks. */
function local(ms: number): string {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function Own({ start, end, onChoose }: { start: number; end: number; onChoose: (time: string) => void }) {
  const [from, setFrom] = useState(local(start));
  const [to, setTo] = useState(local(end));
  const range = { start: Date.parse(from), end: Date.parse(to) };
  const valid = range.start < range.end;
  const middle = (start + end) / 2;
  return (
    <form
      className={styles.own}
      onSubmit={(event) => {
        event.preventDefault();
        if (valid) onChoose(paramFromRange(range));
      }}
    >
      <label>
        From
        <Input type="datetime-local" step={1} value={from} onChange={(event) => setFrom(event.target.value)} />
      </label>
      <label>
        To
        <Input type="datetime-local" step={1} value={to} onChange={(event) => setTo(event.target.value)} />
      </label>
      <Button primary type="submit" disabled={!valid}>
        Show this range
      </Button>
      <Button onClick={() => onChoose(paramFromRange({ start: middle - (end - start), end: Math.min(Date.now(), middle + (end - start)) }))}>Twice as wide</Button>
      <span className={styles.note}>{valid ? 'Local time. Drag across any chart to zoom.' : 'The end must be after the start.'}</span>
    </form>
  );
}
