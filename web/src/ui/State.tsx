// What stands where an answer would: waiting, nothing found, failed; and the line below an answer that says what it is.
import type { ReactNode } from 'react';
import { ago, msFromNano, utcFromNano } from '../lib/time';
import { count, exact } from '../lib/units';
import { Button, CopyBlock } from './Control';
import { Icon } from './Icon';
import styles from './State.module.css';
import { useNow } from './Time';

const WIDTHS = [62, 88, 74, 92, 55, 81, 69, 95, 60, 78, 86, 66];

export function Loading({ rows = 8, label = 'Loading' }: { rows?: number; label?: string }) {
  return (
    <div className={styles.skeleton} role="status" aria-label={label} data-testid="loading">
      {Array.from({ length: rows }, (_, i) => (
        <i key={i} style={{ width: `${WIDTHS[i % WIDTHS.length]}%` }} />
      ))}
    </div>
  );
}

export function Empty({ title, children, copy }: { title: string; children?: ReactNode; copy?: string }) {
  return (
    <div className={styles.state} data-testid="empty">
      <h2>{title}</h2>
      {children}
      {copy && <CopyBlock text={copy} />}
    </div>
  );
}

interface FailureLike {
  message: string;
  position?: number | null;
}

/** An error, with a caret below the place in the query where there is one. */
export function Failure({ error, query, onRetry, title = 'This did not work' }: { error: FailureLike; query?: string; onRetry?: () => void; title?: string }) {
  const at = error.position;
  // What follows the first line points into it, letter below letter.
  const [says, ...drawn] = error.message.split('\n');
  return (
    <div className={`${styles.state} ${styles.fault}`} role="alert" data-testid="failure">
      <h2>
        <Icon name="alert" /> {title}
      </h2>
      <p className={styles.told}>{says}</p>
      {drawn.length > 0 && <pre className={styles.query}>{drawn.join('\n')}</pre>}
      {query && at !== null && at !== undefined && (
        <pre className={styles.query}>
          {query}
          {'\n'}
          {' '.repeat(charactersBefore(query, at))}^
        </pre>
      )}
      {onRetry && (
        <Button onClick={onRetry}>
          <Icon name="refresh" /> Try again
        </Button>
      )}
    </div>
  );
}

/** What is wrong with a line, below the line, with a caret at the place. */
export function CaretLine({ text, error }: { text: string; error: FailureLike }) {
  const at = error.position;
  return (
    <div className={styles.caret} role="alert" data-testid="caret">
      <pre>
        {text}
        {at !== null && at !== undefined && `\n${' '.repeat(charactersBefore(text, at))}^`}
      </pre>
      <p>{error.message}</p>
    </div>
  );
}

/** Positions count bytes; the caret stands below a character. */
function charactersBefore(query: string, byte: number): number {
  const bytes = new TextEncoder().encode(query).slice(0, byte);
  return [...new TextDecoder().decode(bytes)].length;
}

export interface StatsLike {
  elapsed_ms: number;
  rows_scanned: number;
  rows_total: number;
  newest_unix_nano?: string | null;
  sampled: boolean;
  truncated?: string | null;
  /** What else whoever reads the answer should know. */
  warnings?: string[];
}

export function StatsLine({ stats, truncated, children }: { stats: StatsLike | undefined; truncated?: string | null; children?: ReactNode }) {
  const now = useNow(5000);
  const cut = truncated ?? stats?.truncated;
  return (
    <footer className={styles.stats} data-testid="stats">
      {stats ? (
        <>
          <span title={`${exact(stats.rows_scanned)} of ${exact(stats.rows_total)} rows`}>
            <b>{count(stats.rows_scanned)}</b> of {count(stats.rows_total)} rows scanned
          </span>
          <span>
            <b>{stats.elapsed_ms < 10 ? stats.elapsed_ms.toFixed(1) : stats.elapsed_ms < 1000 ? Math.round(stats.elapsed_ms) : (stats.elapsed_ms / 1000).toPrecision(3)}</b> {stats.elapsed_ms < 1000 ? 'ms' : 's'}
          </span>
          {stats.newest_unix_nano && <span title={utcFromNano(stats.newest_unix_nano)}>newest {ago(msFromNano(stats.newest_unix_nano), now)}</span>}
          {stats.sampled && <span title="Some rows stand for several events; figures are weighted by their sample rate">weighted by sample rate</span>}
          {cut && <span className={styles.cut}>not all: {cut}</span>}
          {stats.warnings?.map((warning) => (
            <span key={warning} className={styles.cut}>
              {warning}
            </span>
          ))}
        </>
      ) : (
        <span>&nbsp;</span>
      )}
      <span className={styles.end}>{children}</span>
    </footer>
  );
}
