// The lines in view as a file: how far it is, and a way to stop it.
import { useEffect, useRef, useState } from 'react';
import { exportLines } from '../../api/logs';
import type { LogFilters } from '../../api/queries';
import { count, exact, percent } from '../../lib/units';
import { Button } from '../../ui/Control';
import { Icon } from '../../ui/Icon';
import { Panel } from '../../ui/Menu';
import styles from './Logs.module.css';

/** More does not go into one file; the server ends it there. */
const LINES_MAX = 1_000_000;

export function Export({ time, filters, total }: { time: string | undefined; filters: LogFilters; total: number | undefined }) {
  const anchor = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [lines, setLines] = useState<number | null>(null);
  const [failed, setFailed] = useState<string | null>(null);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const begin = (format: 'csv' | 'ndjson') => {
    const controller = new AbortController();
    running.current = controller;
    setFailed(null);
    setLines(0);
    exportLines(time, filters, format, setLines, controller.signal)
      .then((blob) => {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(blob);
        link.download = `logs-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
        setOpen(false);
      })
      .catch((error: Error) => error.name !== 'AbortError' && setFailed(error.message))
      .finally(() => setLines(null));
  };
  const wanted = Math.min(total ?? 0, LINES_MAX);
  const share = lines !== null && wanted > 0 ? Math.min(1, lines / wanted) : null;
  return (
    <>
      <Button ref={anchor} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)} data-testid="export">
        {lines === null ? 'Export' : share === null ? `${count(lines)} lines` : percent(share)} <Icon name="down" size={12} />
      </Button>
      {open && (
        <Panel anchor={anchor} onClose={() => setOpen(false)} role="dialog" label="Export">
          <div className={styles.export}>
            {lines === null ? (
              <>
                <p>{total === undefined ? 'Every line that matches' : total > LINES_MAX ? `The first ${exact(LINES_MAX)} of ${exact(total)} lines` : `${exact(total)} lines`}, with their attributes.</p>
                <button type="button" onClick={() => begin('csv')} data-testid="export-csv">
                  CSV <span>for spreadsheets</span>
                </button>
                <button type="button" onClick={() => begin('ndjson')} data-testid="export-json">
                  JSON <span>one object a line</span>
                </button>
                {failed && <p role="alert">{failed}</p>}
              </>
            ) : (
              <>
                <p>
                  {exact(lines)} {wanted > 0 && `of ${exact(wanted)}`} lines
                </p>
                <progress value={share ?? undefined} max={1} />
                <Button onClick={() => running.current?.abort()}>Stop</Button>
              </>
            )}
          </div>
        </Panel>
      )}
    </>
  );
}
