// This trace beside a typical one of its route: where the time went that is usually not spent, the biggest difference first.
import type { UseQueryResult } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { Typical } from '../../api/trace';
import { serviceColour } from '../../lib/colour';
import { compareTypical, timesTold, type Compared, type Verdict } from '../../lib/compare';
import { msFromNano, rangeAround } from '../../lib/time';
import { count, duration, plural } from '../../lib/units';
import { Badge, Service } from '../../ui/Chip';
import { Empty, Failure, Loading } from '../../ui/State';
import { Value } from '../../ui/Value';
import styles from './Compare.module.css';

const HOUR_MS = 3_600_000;
const TONES: Partial<Record<Verdict, 'note' | 'quiet'>> = { 'only here': 'note', 'not here': 'quiet' };

interface Props {
  typical: UseQueryResult<Typical>;
  spans: { service: string; name: string }[];
  traceStart: string;
}

export function CompareTab({ typical: { data, error, refetch }, spans, traceStart }: Props) {
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={12} />;
  if (data.traces === 0) {
    return (
      <Empty title="No other trace of this route">
        <p>
          What is typical is the median of up to 200 traces with the same root, <code>{data.route}</code>. None but this has arrived yet. <Link to="/traces">Look at all traces</Link>
        </p>
      </Empty>
    );
  }
  const rows = compareTypical(data.spans);
  const most = Math.max(1, ...rows.map((row) => Math.max(row.typical_ns, row.this_ns)));
  const root = spans[0];
  const whole = data.spans.find((one) => one.service === root?.service && one.name === root.name);
  return (
    <div className={styles.page}>
      <p className={styles.head}>
        <span>
          Compared with the median of {plural(data.traces, 'trace')} of <code>{data.route}</code>
        </span>
        {whole && whole.typical_count > 0 && (
          <span>
            <b>{duration(whole.this_ns)}</b> here, typically <b>{duration(whole.typical_ns)}</b>
          </span>
        )}
        <span className={styles.key}>
          <i className={styles.bar} /> this trace
          <i className={styles.tick} /> typical
        </span>
        <Link to="/traces" search={root ? { q: `name = "${root.name}"`, service: root.service, time: rangeAround(msFromNano(traceStart), HOUR_MS) } : {}}>
          Those traces
        </Link>
      </p>
      <div className={styles.scroll}>
        <table className={styles.table} data-testid="compare">
          <thead>
            <tr>
              <th>Service</th>
              <th>Name</th>
              <th className="num">Typical</th>
              <th className="num">This</th>
              <th className="num">Difference</th>
              <th className={styles.wide}>Time in all spans of the name</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={`${row.service} ${row.name}`} row={row} most={most} />
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function Row({ row, most }: { row: Compared; most: number }) {
  const tone = TONES[row.verdict];
  const share = (ns: number) => `${(ns / most) * 100}%`;
  return (
    <tr data-verdict={row.verdict} data-testid="compare-row">
      <td className={styles.service}>
        <Value field="service.name" value={row.service} cut>
          <Service name={row.service} />
        </Value>
      </td>
      <td className={styles.name}>
        <Value field="name" value={row.name} cut className={styles.mono} />
        {row.this_count > 0 && (
          <Link to="." search={((old: object) => ({ ...old, tab: undefined, find: row.name })) as never} title="Find its spans in the waterfall">
            {plural(row.this_count, 'span')}
          </Link>
        )}
      </td>
      <td className="num">
        <Figure ns={row.typical_ns} spans={row.typical_count} />
      </td>
      <td className="num">
        <Figure ns={row.this_ns} spans={row.this_count} />
      </td>
      <td className={`num ${styles.diff}`}>
        {tone ? (
          <Badge tone={tone}>{row.verdict}</Badge>
        ) : row.verdict === 'alike' ? (
          <span className="muted">alike</span>
        ) : (
          <>
            {row.diff > 0 ? '+' : ''}
            {duration(row.diff)}
          </>
        )}
        <span className={styles.factor}>{row.times !== null && row.verdict !== 'alike' && timesTold(row.times)}</span>
      </td>
      <td className={styles.wide}>
        <div className={styles.plot}>
          <i className={styles.bar} style={{ width: share(row.this_ns), background: serviceColour(row.service) }} />
          {row.diff > 0 && row.typical_count > 0 && <i className={styles.over} style={{ left: share(row.typical_ns), width: share(row.diff) }} />}
          {row.typical_count > 0 && <i className={styles.tick} style={{ left: share(row.typical_ns) }} title={`typically ${duration(row.typical_ns)}`} />}
        </div>
      </td>
    </tr>
  );
}

function Figure({ ns, spans }: { ns: number; spans: number }) {
  if (spans === 0) return <span className="muted">–</span>;
  return (
    <>
      {spans !== 1 && <span className={styles.spans}>{count(spans)} ×</span>}
      {duration(ns / Math.max(1, spans))}
    </>
  );
}
