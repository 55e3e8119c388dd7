// An opened log line: the whole text, where it leads, its attributes, the lines around it.
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import * as queries from '../../api/queries';
import type { Log } from '../../api/types';
import { shortId } from '../../lib/ids';
import { pretty } from '../../lib/json';
import { rangeAround, msFromNano, utcFromNano } from '../../lib/time';
import { Level } from '../../ui/Chip';
import { Button, CopyButton } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Icon } from '../../ui/Icon';
import { Marked } from '../../ui/LogList';
import { Stack } from '../../ui/Stack';
import { Failure, Loading } from '../../ui/State';
import { Time } from '../../ui/Time';
import styles from './LogDetail.module.css';

export function LogDetail({ log, words = [], inTrace = false }: { log: Log; words?: string[]; inTrace?: boolean }) {
  const [around, setAround] = useState(false);
  const trace = log.trace_id ?? log.request_trace_id;
  const stack = log.exception?.stacktrace || null;
  const text = stack === null ? log.body : log.body.replace(stack, '').trim();
  const own = { 'service.name': log.service, receiver: log.receiver, ...(log.severity_text === '' ? {} : { severity_text: log.severity_text }), ...(log.event_name === '' ? {} : { event_name: log.event_name }), ...(log.trace_id ? { trace_id: log.trace_id } : {}), ...(log.span_id ? { span_id: log.span_id } : {}), ...(log.exception ? { 'exception.type': log.exception.type, 'exception.message': log.exception.message } : {}) };
  return (
    <div className={styles.detail} data-testid="log-detail">
      <div className={styles.links}>
        <span className="muted mono">{utcFromNano(log.time_unix_nano)}</span>
        <CopyButton bare text={() => pretty(log)} label="Copy as JSON" />
        {trace && !inTrace && (
          <Link to="/traces/$traceId" params={{ traceId: trace }} search={{ span: log.span_id ?? undefined }} data-testid="log-trace">
            <Icon name="link" size={12} /> Trace {shortId(trace)}
          </Link>
        )}
        {inTrace && log.span_id && (
          <Link to="." search={((old: object) => ({ ...old, tab: undefined, log: undefined, span: log.span_id })) as never} data-testid="log-span">
            Show its span
          </Link>
        )}
        {!log.trace_id && log.request_trace_id && <span className="muted">linked by the request that delivered it</span>}
        {log.error_group && (
          <Link to="/errors/$group" params={{ group: log.error_group }} data-testid="log-error">
            <Icon name="alert" size={12} /> This error
          </Link>
        )}
        <Link to="/logs" search={{ service: log.service, time: rangeAround(msFromNano(log.time_unix_nano), 60_000), log: log.id }}>
          This minute of {log.service}
        </Link>
        <Button aria-pressed={around} onClick={() => setAround(!around)} data-testid="log-around">
          Lines around it
        </Button>
      </div>
      {around && <Around log={log} />}
      {(text !== '' || stack === null) && (
        <div className={styles.body}>{text === '' ? <span className="muted">no text</span> : <Marked text={text} words={words} />}</div>
      )}
      {stack !== null && <Stack text={stack} />}
      <div className={styles.columns}>
        <div>
          <h3>Attributes</h3>
          <Fields fields={{ ...own, ...log.attributes }} />
        </div>
        <div>
          <h3>Resource</h3>
          <Fields fields={log.resource} />
        </div>
      </div>
    </div>
  );
}

const AROUND = 20;
const AROUND_MOST = 200;

function Around({ log }: { log: Log }) {
  const [lines, setLines] = useState({ before: AROUND, after: AROUND });
  const stream = log.attributes['aws.log.stream.name'];
  const { data, error } = useQuery(
    queries.logsAround({ id: log.id, time_unix_nano: log.time_unix_nano, service: log.service, log_stream: typeof stream === 'string' ? stream : undefined, ...lines }),
  );
  if (error) return <Failure error={error} />;
  if (!data) return <Loading rows={6} />;
  const more = (which: 'before' | 'after') =>
    lines[which] < AROUND_MOST && (
      <button type="button" className={styles.more} onClick={() => setLines({ ...lines, [which]: lines[which] + 2 * AROUND })}>
        {2 * AROUND} more {which}
      </button>
    );
  return (
    <div className={styles.around}>
      {more('before')}
      {data.logs.map((line) => (
        <div key={line.id} data-anchor={line.id === data.anchor}>
          <Time nano={line.time_unix_nano} />
          <Level number={line.severity_number} />
          <span title={line.body}>{line.body}</span>
        </div>
      ))}
      {more('after')}
    </div>
  );
}
