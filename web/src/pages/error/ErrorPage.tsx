// One error: what it says, where it is raised, when and to whom it happens, and the trace and log lines of each time.
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import * as queries from '../../api/queries';
import type { ErrorAnswer, Log } from '../../api/types';
import { shortId } from '../../lib/ids';
import { msFromNano, paramFromRange, rangeAround } from '../../lib/time';
import { count, percent, plural } from '../../lib/units';
import { Chart } from '../../ui/Chart';
import { Badge, Receiver, Service } from '../../ui/Chip';
import { Button, CopyButton } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Icon } from '../../ui/Icon';
import { Json } from '../../ui/Json';
import { Stack } from '../../ui/Stack';
import { Empty, Failure, Loading, StatsLine } from '../../ui/State';
import { Ago, Time } from '../../ui/Time';
import { Value, ValueActions } from '../../ui/Value';
import { pretty } from '../../lib/json';
import { useSetSearch, useValueActions } from '../common/search';
import styles from './Error.module.css';

const here = getRouteApi('/errors/$group');
const BREAKDOWN_SHOWN = 6;

export function ErrorPage() {
  const { group } = here.useParams();
  const { time, occurrence: chosen } = here.useSearch();
  const setSearch = useSetSearch();
  const actions = useValueActions();
  const { data, error, refetch } = useQuery(queries.error(group, time));
  if (error) {
    return 'status' in error && error.status === 404 ? (
      <Empty title="This error did not happen in this time range">
        <p>
          Choose a longer range above, or look at <Link to="/errors">all errors</Link>.
        </p>
        <Button onClick={() => setSearch({ time: '7d' })}>Last 7 days</Button>
      </Empty>
    ) : (
      <Failure error={error} onRetry={() => void refetch()} />
    );
  }
  if (!data) return <Loading rows={14} />;
  const item = data.error;
  const shown = data.occurrences.find((one) => one.id === chosen) ?? data.latest ?? data.occurrences[0];
  return (
    <ValueActions value={actions}>
      <header className={styles.head}>
        <h1>
          <Badge>
            <Icon name="alert" size={11} />
            {item.level}
          </Badge>
          <Value field="exception.type" value={item.type}>
            {item.type || 'message'}
          </Value>
        </h1>
        <div className={styles.message}>{item.message}</div>
        <div className={styles.facts}>
          <span>
            <b>{count(item.count)}</b> times
          </span>
          <span>
            <b>{count(item.people)}</b> {item.people === 1 ? 'person' : 'people'}
          </span>
          <span>
            <b>{count(item.traces)}</b> {item.traces === 1 ? 'trace' : 'traces'}
          </span>
          <span>
            last <Ago nano={item.last_seen_unix_nano} />
          </span>
          <span>
            first <Ago nano={item.first_seen_unix_nano} />
          </span>
          {item.services.map((name) => (
            <Value key={name} field="service.name" value={name}>
              <Service name={name} />
            </Value>
          ))}
          {item.receivers.map((name) => (
            <Receiver key={name} name={name} />
          ))}
          {item.environments.map((name) => (
            <span key={name} className="muted">
              {name}
            </span>
          ))}
        </div>
      </header>
      <div className={styles.body}>
        <div className={styles.main}>
          <section className={styles.section}>
            <Chart
              title="Occurrences"
              kind="bars"
              height={92}
              start={msFromNano(item.series.start_unix_nano)}
              step={item.series.step_seconds * 1000}
              format={count}
              onSelect={(range) => setSearch({ time: paramFromRange(range) })}
              series={[{ label: 'occurrences', colour: 'var(--fault)', values: item.series.counts }]}
            />
          </section>
          {shown && <Shown occurrence={shown} latest={shown.id === (data.latest?.id ?? data.occurrences[0]?.id)} />}
          <Occurrences list={data.occurrences} chosen={shown?.id} onChoose={(occurrence) => setSearch({ occurrence }, true)} total={item.count} />
          {shown && <Raw occurrence={shown} />}
        </div>
        <aside className={styles.side} aria-label="Breakdown">
          <Breakdowns data={data} />
          {shown && (
            <section className={styles.section}>
              <header>
                <h2>Attributes</h2>
              </header>
              <Fields fields={shown.attributes} />
            </section>
          )}
          {shown && (
            <section className={styles.section}>
              <header>
                <h2>Resource</h2>
              </header>
              <Fields fields={shown.resource} />
            </section>
          )}
        </aside>
      </div>
      <StatsLine stats={data.stats} />
    </ValueActions>
  );
}

function Shown({ occurrence, latest }: { occurrence: Log; latest: boolean }) {
  const trace = occurrence.trace_id ?? occurrence.request_trace_id;
  const exception = occurrence.exception;
  return (
    <section className={styles.section} data-testid="occurrence">
      <header>
        <h2>{latest ? 'Latest occurrence' : 'Occurrence'}</h2>
        <Time nano={occurrence.time_unix_nano} />
        <Receiver name={occurrence.receiver} />
        {trace && (
          <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ span: occurrence.span_id ?? undefined }} data-testid="occurrence-trace">
            <Icon name="link" size={12} /> Trace {shortId(trace)}
          </Link>
        )}
        {trace && (
          <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ tab: 'logs' }} data-testid="occurrence-logs">
            <Icon name="lines" size={12} /> Its log lines
          </Link>
        )}
      </header>
      {exception && exception.message !== '' && <div className={styles.message}>{exception.message}</div>}
      {exception?.stacktrace ? <Stack text={exception.stacktrace} /> : <p className="muted">No stack came with this occurrence.</p>}
    </section>
  );
}

function Occurrences({ list, chosen, onChoose, total }: { list: Log[]; chosen: string | undefined; onChoose: (id: string) => void; total: number }) {
  return (
    <section className={styles.section}>
      <header>
        <h2>Occurrences</h2>
        <span className="muted">{list.length < total ? `newest ${list.length} of ${count(total)}` : plural(list.length, 'time')}</span>
      </header>
      <div className={styles.table}>
        <table>
          <thead>
            <tr>
              <th>Time</th>
              <th>Message</th>
              <th>Service</th>
              <th>Told by</th>
              <th>Trace</th>
              <th>Lines</th>
            </tr>
          </thead>
          <tbody>
            {list.map((one) => {
              const trace = one.trace_id ?? one.request_trace_id;
              return (
                <tr key={one.id} aria-selected={one.id === chosen} onClick={() => onChoose(one.id)} data-testid="occurrence-row">
                  <td>
                    <Time nano={one.time_unix_nano} />
                  </td>
                  <td className={`mono ${styles.wide}`} title={one.exception?.message}>
                    {one.exception?.message ?? one.body}
                  </td>
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
    </section>
  );
}

function Breakdowns({ data }: { data: ErrorAnswer }) {
  return (
    <section className={styles.section}>
      <header>
        <h2>Who and where</h2>
      </header>
      {data.breakdowns
        .filter((one) => one.values.length > 0)
        .map((one) => {
          const total = one.values.reduce((sum, value) => sum + value.count, 0);
          return (
            <ul key={one.key} className={styles.bars} style={{ paddingBottom: 12 }}>
              <li style={{ padding: 0 }}>
                <h3>{one.key}</h3>
              </li>
              {one.values.slice(0, BREAKDOWN_SHOWN).map((value) => (
                <li key={value.value}>
                  <Value field={one.key} value={value.value} cut />
                  <span className="muted">{percent(value.count / total)}</span>
                  <i style={{ width: `${(value.count / total) * 100}%` }} />
                </li>
              ))}
              {one.values.length > BREAKDOWN_SHOWN && <li className="muted">{one.values.length - BREAKDOWN_SHOWN} more values</li>}
            </ul>
          );
        })}
    </section>
  );
}

function Raw({ occurrence }: { occurrence: Log }) {
  if (occurrence.source === null || occurrence.source === undefined) return null;
  return (
    <section className={styles.section} data-testid="occurrence-raw">
      <header>
        <h2>As it arrived</h2>
        <Receiver name={occurrence.receiver} />
        <CopyButton bare text={() => pretty(occurrence.source)} label="Copy payload" />
      </header>
      <Json value={occurrence.source} />
    </section>
  );
}
