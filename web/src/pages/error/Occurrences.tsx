// Every time an error happened, as a list that goes on.
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import * as api from '../../api/errors';
import type { Log } from '../../api/types';
import { shortId } from '../../lib/ids';
import { msFromNano, rangeAround } from '../../lib/time';
import { count, plural } from '../../lib/units';
import { Receiver, Service } from '../../ui/Chip';
import { Button } from '../../ui/Control';
import { Failure, Loading } from '../../ui/State';
import { Time } from '../../ui/Time';
import { Value } from '../../ui/Value';
import styles from './Error.module.css';

/** Columns after the time; those that no occurrence in sight has are left out. */
const COLUMNS: { label: string; keys: string[] }[] = [
  { label: 'Person', keys: ['user.id', 'user.name', 'enduser.id'] },
  { label: 'Version', keys: ['service.version'] },
  { label: 'Host', keys: ['host.name'] },
  { label: 'Address', keys: ['client.address'] },
  { label: 'Environment', keys: ['deployment.environment.name'] },
];

const of = (log: Log, keys: string[]): { key: string; value: unknown } | null => {
  const resource = log.resource as Record<string, unknown>;
  const key = keys.find((one) => (log.attributes[one] ?? resource[one]) !== undefined);
  return key === undefined ? null : { key, value: log.attributes[key] ?? resource[key] };
};

export function Occurrences({ group, time, q, chosen, total, onChoose }: { group: string; time: string | undefined; q: string | undefined; chosen: string | undefined; total: number; onChoose: (id: string) => void }) {
  const list = useInfiniteQuery(api.occurrences(group, time, q, true));
  if (list.error) return <Failure error={list.error} onRetry={() => void list.refetch()} title="The occurrences could not be read" />;
  if (!list.data) return <Loading rows={12} />;
  const rows = list.data.pages.flatMap((page) => page.occurrences);
  const columns = COLUMNS.filter((column) => rows.some((row) => of(row, column.keys)));
  return (
    <section className={styles.section}>
      <div className={styles.table}>
        <table>
          <thead>
            <tr>
              <th>Time</th>
              <th>Message</th>
              {columns.map((column) => (
                <th key={column.label}>{column.label}</th>
              ))}
              <th>Service</th>
              <th>Told by</th>
              <th>Trace</th>
              <th>Lines</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((one) => {
              const trace = one.trace_id ?? one.request_trace_id;
              return (
                <tr key={one.id} aria-selected={one.id === chosen} onClick={() => onChoose(one.id)} data-testid="occurrence-row">
                  <td>
                    <button type="button" onClick={() => onChoose(one.id)}>
                      <Time nano={one.time_unix_nano} />
                    </button>
                  </td>
                  <td className={`mono ${styles.wide}`} title={one.exception?.message}>
                    {one.exception?.message || one.body}
                  </td>
                  {columns.map((column) => {
                    const cell = of(one, column.keys);
                    return <td key={column.label}>{cell ? <Value field={cell.key} value={cell.value} cut /> : <span className="muted">–</span>}</td>;
                  })}
                  <td>
                    <Service name={one.service} />
                  </td>
                  <td>
                    <Receiver name={one.receiver} />
                  </td>
                  <td className="mono">
                    {trace ? (
                      <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ span: one.span_id ?? undefined }} onClick={(event) => event.stopPropagation()}>
                        {shortId(trace)}
                      </Link>
                    ) : (
                      <span className="muted">–</span>
                    )}
                  </td>
                  <td>
                    {trace ? (
                      <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ tab: 'logs' }} onClick={(event) => event.stopPropagation()}>
                        of its trace
                      </Link>
                    ) : (
                      <Link to="/logs" search={{ service: one.service, time: rangeAround(msFromNano(one.time_unix_nano), 30_000) }} onClick={(event) => event.stopPropagation()}>
                        of that minute
                      </Link>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      <div className={styles.more}>
        {list.hasNextPage ? (
          <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            {list.isFetchingNextPage ? 'Loading' : `More of ${count(total)}`}
          </Button>
        ) : (
          `That is all: ${plural(rows.length, 'occurrence')}`
        )}
      </div>
    </section>
  );
}
