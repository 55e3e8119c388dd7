// One time that an error happened: the stack with its code, what the client saw before, the request, and what the trace and
// the log lines of that moment say.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { mappedFrames } from '../../api/errorSettings';
import * as queries from '../../api/queries';
import type { Log } from '../../api/types';
import { receiverName, shortId } from '../../lib/ids';
import { pretty } from '../../lib/json';
import { mapped, mayBeMapped, requestOf, telemetryOf, tracesOf, type RequestTold, type TelemetryEvent } from '../../lib/payload';
import { clockMs, msFromNano, rangeAround } from '../../lib/time';
import { plural } from '../../lib/units';
import { Level, Receiver, Service } from '../../ui/Chip';
import { BareButton, CopyButton } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Frames } from '../../ui/Frames';
import { Icon } from '../../ui/Icon';
import { Json } from '../../ui/Json';
import { Stack } from '../../ui/Stack';
import { Time } from '../../ui/Time';
import { Value } from '../../ui/Value';
import styles from './Error.module.css';

/** Lines of a trace shown here; the trace's page has them all. */
const LINES_SHOWN = 12;
const PERSON = ['user.id', 'user.name', 'user.email', 'enduser.id'];

export function OccurrenceView({ group, log, said, place, newer, older }: { group: string; log: Log; said: string; place: string; newer?: () => void; older?: () => void }) {
  const trace = log.trace_id ?? log.request_trace_id;
  const exception = log.exception;
  const sent = useMemo(() => tracesOf(log.source), [log]);
  const told = useQuery(mappedFrames(group, log.id, mayBeMapped(sent)));
  const frames = useMemo(() => sent && mapped(sent, told.data), [sent, told.data]);
  const telemetry = useMemo(() => telemetryOf(log.source), [log]);
  const request = useMemo(() => requestOf(log), [log]);
  const person = PERSON.filter((key) => log.attributes[key] !== undefined);
  return (
    <>
      <section className={styles.section} data-testid="occurrence">
        <header>
          <h2>{place}</h2>
          <Time nano={log.time_unix_nano} />
          <span className={styles.pager}>
            <BareButton icon="left" label="Newer occurrence (k)" disabled={!newer} onClick={newer} />
            <BareButton icon="right" label="Older occurrence (j)" disabled={!older} onClick={older} />
          </span>
          {person.length > 0 && (
            <span className={styles.inline}>
              {person.map((key) => (
                <Value key={key} field={key} value={log.attributes[key]} />
              ))}
            </span>
          )}
          <span className={styles.inline} style={{ marginLeft: 'auto' }}>
            {trace && (
              <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ span: log.span_id ?? undefined }} data-testid="occurrence-trace">
                <Icon name="link" size={12} /> Trace {shortId(trace)}
              </Link>
            )}
            {trace ? (
              <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ tab: 'logs' }} data-testid="occurrence-logs">
                <Icon name="lines" size={12} /> Its log lines
              </Link>
            ) : (
              <Link to="/logs" search={{ service: log.service, time: rangeAround(msFromNano(log.time_unix_nano), 30_000) }} data-testid="occurrence-logs">
                <Icon name="lines" size={12} /> Lines of that minute
              </Link>
            )}
            <Receiver name={log.receiver} />
          </span>
        </header>
        {exception && exception.message !== '' && exception.message !== said && <div className={styles.message}>{exception.message}</div>}
        {told.error && (
          <p className={styles.wrong} role="alert">
            The frames are as they were sent, because their source maps could not be read: {told.error.message}
          </p>
        )}
        {frames ? <Frames traces={frames} /> : exception?.stacktrace ? <Stack text={exception.stacktrace} /> : <p className="muted">No stack came with this occurrence.</p>}
      </section>
      {telemetry.length > 0 && <Telemetry events={telemetry} at={msFromNano(log.time_unix_nano)} />}
      {trace && <Lines trace={trace} log={log} />}
      {request && <Request request={request} />}
      <section className={styles.section}>
        <header>
          <h2>Attributes</h2>
        </header>
        <div className={styles.columns}>
          {Object.keys(log.attributes).length > 0 && (
            <div>
              <h3>Of this occurrence</h3>
              <Fields fields={log.attributes} />
            </div>
          )}
          <div>
            <h3>Of what sent it</h3>
            <Fields fields={log.resource as Record<string, unknown>} />
          </div>
        </div>
      </section>
    </>
  );
}

function Telemetry({ events, at }: { events: TelemetryEvent[]; at: number }) {
  return (
    <section className={styles.section} data-testid="telemetry">
      <header>
        <h2>What happened before</h2>
        <span className="muted">{plural(events.length, 'event')} the client saw</span>
      </header>
      <ol className={styles.telemetry}>
        {events.map((event, i) => (
          <li key={i} data-failed={event.failed} data-kind={event.kind}>
            <span className={styles.before} title={event.ms === null ? undefined : clockMs(event.ms)}>
              {event.ms === null ? '' : secondsBefore(at - event.ms)}
            </span>
            <i aria-hidden="true" />
            <span className={styles.kind}>{event.kind}</span>
            <span className={styles.event}>{event.text}</span>
            <span className={styles.detail}>{event.detail}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function secondsBefore(ms: number): string {
  if (Math.abs(ms) < 50) return '0 s';
  const seconds = Math.abs(ms) / 1000;
  return `${ms < 0 ? '+' : '−'}${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

function Lines({ trace, log }: { trace: string; log: Log }) {
  const { data, error } = useQuery(queries.traceLogs(trace));
  if (error && !data) {
    return (
      <p className={styles.wrong} role="alert">
        The log lines of its trace could not be read: {error.message}
      </p>
    );
  }
  if (!data || data.logs.length === 0) return null;
  const at = data.logs.findIndex((line) => line.time_unix_nano >= log.time_unix_nano);
  const from = Math.max(0, Math.min(data.logs.length - LINES_SHOWN, (at < 0 ? data.logs.length : at) - LINES_SHOWN + 4));
  const shown = data.logs.slice(from, from + LINES_SHOWN);
  return (
    <section className={styles.section} data-testid="occurrence-lines">
      <header>
        <h2>Log lines of its trace</h2>
        <span className="muted">{shown.length < data.logs.length ? `${shown.length} of ${data.logs.length}` : plural(data.logs.length, 'line')}</span>
        {shown.length < data.logs.length && (
          <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ tab: 'logs' }}>
            All
          </Link>
        )}
      </header>
      <div className={styles.lines}>
        {shown.map((line) => (
          <Link key={line.id} to="/traces/$traceId" params={{ traceId: trace }} search={{ tab: 'logs', log: line.id }} data-here={line.id === log.id}>
            <Time nano={line.time_unix_nano} />
            <Level number={line.severity_number} text={line.severity_text} />
            <Service name={line.service} />
            <span className="cut">{line.body || line.event_name || line.exception?.message}</span>
          </Link>
        ))}
      </div>
    </section>
  );
}

function Request({ request }: { request: RequestTold }) {
  return (
    <section className={styles.section} data-testid="request">
      <header>
        <h2>Request</h2>
        {request.from !== '' && (
          <span className="muted">
            from <Value field="client.address" value={request.from} />
          </span>
        )}
      </header>
      <p className={styles.url}>
        <b>{request.method}</b> {request.url}
        {request.url !== '' && <CopyButton bare text={request.url} label="Copy address" />}
      </p>
      <div className={styles.columns}>
        {request.parts.map((part) => (
          <div key={part.title}>
            <h3>{part.title}</h3>
            <Fields fields={part.fields} />
          </div>
        ))}
      </div>
    </section>
  );
}

export function Raw({ log }: { log: Log }) {
  const source = log.source ?? null;
  return (
    <section className={styles.section} data-testid="occurrence-raw">
      <header>
        <h2>{source === null ? 'As it is kept' : 'As it arrived'}</h2>
        <span className="muted">{source === null ? `${receiverName(log.receiver)} sends no document of its own` : receiverName(log.receiver)}</span>
        <CopyButton bare text={() => pretty(source ?? log)} label="Copy payload" />
      </header>
      <Json value={source ?? log} />
    </section>
  );
}
