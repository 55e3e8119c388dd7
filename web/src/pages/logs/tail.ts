// The state of a live tail. Lines wait while it is paused or while a person reads further down, so that nothing moves
// under the eye; they are let in when the reader comes back to the top.
import { useCallback, useEffect, useRef, useState } from 'react';
import type { LogFilters } from '../../api/queries';
import { tail } from '../../api/tail';
import type { Log } from '../../api/types';

/** Older lines fall off; the list page has them. */
const LINES_MAX = 5_000;
/** The page is drawn at most this often, however fast lines come. */
const FLUSH_MS = 200;

export function useTail(on: boolean, filters: LogFilters) {
  const [lines, setLines] = useState<Log[]>([]);
  const [rate, setRate] = useState<number | null>(null);
  const [skipped, setSkipped] = useState(0);
  const [state, setState] = useState<'open' | 'lost'>('open');
  const [paused, setPaused] = useState(false);
  const [atTop, setAtTop] = useState(true);
  const [waiting, setWaiting] = useState(0);
  const queue = useRef<Log[]>([]);
  const held = paused || !atTop;
  const key = JSON.stringify([on, filters.q, filters.service, filters.severity_min]);

  useEffect(() => {
    if (!on) return undefined;
    queue.current = [];
    setLines([]);
    setRate(null);
    setSkipped(0);
    setPaused(false);
    setAtTop(true);
    const [, q, service, severity_min] = JSON.parse(key) as [boolean, string?, string?, number?];
    return tail(
      { q, service, severity_min },
      {
        line: (log) => {
          queue.current.push(log);
          if (queue.current.length > LINES_MAX) queue.current.shift();
        },
        rate: (next) => {
          setRate(next.per_second);
          setSkipped((all) => all + next.skipped);
        },
        state: setState,
      },
    );
  }, [on, key]);

  useEffect(() => {
    if (!on) return undefined;
    const timer = setInterval(() => {
      setWaiting(held ? queue.current.length : 0);
      if (held || queue.current.length === 0) return;
      // Lines of one moment may arrive in any order.
      const fresh = queue.current.sort((a, b) => (a.time_unix_nano < b.time_unix_nano ? 1 : -1));
      queue.current = [];
      setLines((old) => [...fresh, ...old].slice(0, LINES_MAX));
    }, FLUSH_MS);
    return () => clearInterval(timer);
  }, [on, held]);

  const toggle = useCallback(() => setPaused((is) => !is), []);
  const clear = useCallback(() => {
    queue.current = [];
    setLines([]);
    setAtTop(true);
  }, []);
  return { lines, rate, skipped, state, paused, waiting, toggle, clear, setAtTop };
}
