// The traces found, as many as there are: rows exist while they are in sight, and the next page is asked for before
// the end comes into it.
import { useVirtualizer } from '@tanstack/react-virtual';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import type { TraceSummary } from '../../api/types';
import { count, duration, plural } from '../../lib/units';
import { Badge, HttpStatus, Receiver, Service } from '../../ui/Chip';
import { Icon } from '../../ui/Icon';
import { Time } from '../../ui/Time';
import { Value } from '../../ui/Value';
import styles from './Traces.module.css';

const ROW_PX = 32;
const HEAD_PX = 26;
/** Rows from the end at which the next page is asked for. */
const AHEAD = 25;

interface Props {
  rows: TraceSummary[];
  hasMore: boolean;
  isFetching: boolean;
  failed: string | undefined;
  onMore: () => void;
}

export function TraceList({ rows, hasMore, isFetching, failed, onMore }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: rows.length + 1,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX,
    getItemKey: (index) => rows[index]?.trace_id ?? 'end',
    scrollMargin: HEAD_PX,
    overscan: 15,
  });
  const items = virtual.getVirtualItems();
  const last = items[items.length - 1]?.index ?? 0;
  const near = last >= rows.length - AHEAD;
  useEffect(() => {
    if (near && hasMore && !isFetching && failed === undefined) onMore();
  }, [near, hasMore, isFetching, failed, onMore, rows.length]);
  // A bar grows with the logarithm: one request of 30 s would leave nothing of the others.
  const longest = Math.max(0.01, ...rows.map((row) => long(row.duration_ns)));
  return (
    <div className={styles.list} ref={scroller} data-testid="trace-list">
      <div className={styles.head} aria-hidden="true">
        <span>Status</span>
        <span>Root</span>
        <span>Operation</span>
        <span className={styles.num}>Duration</span>
        <span className={styles.num}>Spans</span>
        <span>Services</span>
        <span className={styles.receivers}>Tracers</span>
        <span className={styles.num}>Started</span>
      </div>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map((item) => {
          const row = rows[item.index];
          const place = { transform: `translateY(${item.start - HEAD_PX}px)` };
          if (row) return <Row key={row.trace_id} row={row} longest={longest} place={place} />;
          return (
            <div key="end" className={styles.end} style={place}>
              {failed !== undefined ? (
                <button type="button" onClick={onMore}>
                  More could not be read: {failed}. Try again
                </button>
              ) : hasMore ? (
                'Loading more'
              ) : (
                `That is all: ${plural(rows.length, 'trace')}`
              )}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const long = (ns: number) => Math.log10(1 + ns / 1e6);

function Row({ row, longest, place }: { row: TraceSummary; longest: number; place: React.CSSProperties }) {
  return (
    <div className={styles.row} style={place} data-testid="trace-row" data-trace-id={row.trace_id}>
      <span>{typeof row.http_status === 'number' ? <HttpStatus code={row.http_status} /> : row.error_count > 0 ? <Badge>error</Badge> : <span className="muted">–</span>}</span>
      <span className={styles.root}>{row.root_service === '' ? <span className="muted">–</span> : <Service name={row.root_service} />}</span>
      <span className={styles.name}>
        <Link to="/traces/$traceId" params={{ traceId: row.trace_id }} data-row="" title={row.root_name}>
          {row.route ? `${row.method ?? ''} ${row.route}`.trim() : row.root_name}
        </Link>
        {row.error_count + row.exception_count > 0 && (
          <Badge title={`${plural(row.error_count, 'span')} failed, ${plural(row.exception_count, 'exception')}`} testId="trace-errors">
            <Icon name="alert" size={11} />
            {count(row.exception_count || row.error_count)}
            <span className={styles.word}>{(row.exception_count > 0 ? 'exception' : 'error') + ((row.exception_count || row.error_count) === 1 ? '' : 's')}</span>
          </Badge>
        )}
        {row.root_missing && (
          <Badge tone="note" title="The root span has not arrived">
            no root
          </Badge>
        )}
        {row.in_progress && <Badge tone="quiet">running</Badge>}
      </span>
      <span className={styles.duration} data-failed={row.error_count > 0} title="bar on a logarithmic scale">
        <i style={{ width: `${(long(row.duration_ns) / longest) * 100}%` }} />
        <span>{duration(row.duration_ns)}</span>
      </span>
      <span className={styles.num}>{count(row.span_count)}</span>
      <span className={styles.services}>
        {row.services.map((one) => (
          <Value key={one.name} field="service.name" value={one.name} title={`${one.name}: ${plural(one.spans, 'span')}`}>
            <Service name={one.name} />
          </Value>
        ))}
      </span>
      <span className={styles.receivers}>
        {row.receivers.map((name) => (
          <Receiver key={name} name={name} />
        ))}
      </span>
      <span className={styles.num}>
        <Time nano={row.start_time_unix_nano} />
      </span>
    </div>
  );
}
