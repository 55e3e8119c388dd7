// Traces with events of the question, those of the largest value first.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import * as api from '../../api/explore';
import type { Selection } from '../../api/explore';
import { formatOf } from '../../lib/figures';
import type { Question } from '../../lib/question';
import { plural } from '../../lib/units';
import { Service } from '../../ui/Chip';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Time } from '../../ui/Time';
import { Value } from '../../ui/Value';
import styles from './Rows.module.css';

const SHOWN = 50;

export function TracesTab({ question, time, selection }: { question: Question; time: string | undefined; selection: Selection | null }) {
  const { data, error, refetch } = useQuery(api.tracesOf(question, selection, time, SHOWN));
  if (error) return <Failure error={error} onRetry={() => void refetch()} title="The traces could not be read" />;
  if (!data) return <Loading rows={12} />;
  if (data.traces.length === 0) {
    return (
      <Empty title="No trace has an event of this question">
        <p>Take away a filter, or choose a longer time range above. Log lines without a trace are under Rows.</p>
      </Empty>
    );
  }
  const format = formatOf({ op: 'MAX', column: data.column });
  const most = Math.max(0, ...data.traces.map((one) => one.value ?? 0));
  return (
    <>
      <table className={styles.table} data-testid="explore-traces">
        <thead>
          <tr>
            <th>Trace</th>
            <th>Service</th>
            <th>Name</th>
            <th className="num">{data.column}</th>
            <th className="num">Time</th>
          </tr>
        </thead>
        <tbody>
          {data.traces.map((one) => (
            <tr key={`${one.trace_id} ${one.span_id}`}>
              <td>
                <Link to="/traces/$traceId" params={{ traceId: one.trace_id }} search={one.span_id ? { span: one.span_id } : {}} data-row="" data-testid="open-trace" className="mono">
                  {one.trace_id.slice(0, 8)}…{one.trace_id.slice(-4)}
                </Link>
              </td>
              <td>
                {one.service !== null && (
                  <Value field="service.name" value={one.service}>
                    <Service name={one.service} />
                  </Value>
                )}
              </td>
              <td>{one.name !== null && <Value field="name" value={one.name} cut />}</td>
              <td className="num">
                {one.value === null ? '–' : format(one.value)}
                <i className={styles.bar} style={{ marginLeft: 'auto', background: `linear-gradient(to left, var(--accent) ${most > 0 ? ((one.value ?? 0) / most) * 100 : 0}%, transparent 0)` }} />
              </td>
              <td className="num">
                <Time nano={one.time_unix_nano} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <StatsLine stats={data.stats}>{plural(data.traces.length, 'trace')}</StatsLine>
    </>
  );
}
