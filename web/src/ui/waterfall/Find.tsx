// Finding spans, and the services of the trace; over the waterfall and the flame view alike.
import { count } from '../../lib/units';
import { Service } from '../Chip';
import { IconButton, Input } from '../Control';
import styles from './Tools.module.css';

interface Props {
  find: string;
  onFind: (text: string) => void;
  found: number;
  /** Place of the chosen one among those found, -1 when it is none of them. */
  current: number;
  onJump: (by: number) => void;
}

export function Find({ find, onFind, found, current, onJump }: Props) {
  return (
    <>
      <div className={styles.find}>
        <Input
          value={find}
          placeholder="Find in this trace"
          aria-label="Find in this trace"
          data-search=""
          data-testid="find-span"
          onChange={(event) => onFind(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === 'Enter') onJump(event.shiftKey ? -1 : 1);
            if (event.key === 'Escape') event.currentTarget.blur();
          }}
        />
        <span className={styles.found} role="status">
          {find.trim() === '' ? '' : found === 0 ? 'no match' : `${current >= 0 ? current + 1 : '–'} of ${count(found)}`}
        </span>
      </div>
      <span className={styles.steps}>
        <IconButton icon="up" label="Previous match (N)" disabled={found === 0} onClick={() => onJump(-1)} />
        <IconButton icon="down" label="Next match (n)" disabled={found === 0} onClick={() => onJump(1)} />
      </span>
    </>
  );
}

/** The services in their colours; a click highlights the spans of one, a second click none. */
export function Legend({ services, find, onFind }: { services: { name: string; spans: number }[]; find: string; onFind: (text: string) => void }) {
  return (
    <div className={styles.legend} role="group" aria-label="Services">
      {services.map((service) => (
        <button key={service.name} type="button" aria-pressed={find === service.name} title={`Highlight the spans of ${service.name}`} onClick={() => onFind(find === service.name ? '' : service.name)}>
          <Service name={service.name} count={service.spans} />
        </button>
      ))}
    </div>
  );
}

/** The match after or before the chosen span, round and round. */
export function nextMatch(found: number[], chosen: number | undefined, by: number): number | undefined {
  if (found.length === 0) return undefined;
  const current = chosen === undefined ? -1 : found.indexOf(chosen);
  if (current >= 0) return found[(current + by + found.length) % found.length];
  const after = by > 0 ? found.findIndex((i) => i > (chosen ?? -1)) : -1;
  return found[by > 0 ? Math.max(0, after) : found.length - 1];
}
