// Everything one span says.
import { Link } from '@tanstack/react-router';
import { useState, type ReactNode } from 'react';
import type { Span, SpanEvent, SpanLink } from '../../api/types';
import { receiverName, shortId, xrayForm } from '../../lib/ids';
import { pretty } from '../../lib/json';
import { nanoBetween, msFromNano, rangeAround } from '../../lib/time';
import { count, duration, plural } from '../../lib/units';
import { Badge, Receiver, Service } from '../../ui/Chip';
import { BareButton, CopyButton, Input } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Icon } from '../../ui/Icon';
import { Stack } from '../../ui/Stack';
import { Time } from '../../ui/Time';
import { Value } from '../../ui/Value';
import styles from './Trace.module.css';

export function SpanPanel({ span, traceStart, onClose }: { span: Span; traceStart: string; onClose: () => void }) {
  const [filter, setFilter] = useState('');
  const offset = nanoBetween(traceStart, span.start_time_unix_nano);
  const exceptions = span.events.filter((event) => event.exception);
  const events = span.events.filter((event) => !event.exception);
  const scope = span.scope?.name ? { 'scope.name': span.scope.name, ...(span.scope.version ? { 'scope.version': span.scope.version } : {}) } : {};
  return (
    <aside className={styles.panel} aria-label="Span" data-testid="span-panel">
      <header>
        <div className={styles.line} style={{ flexWrap: 'nowrap', alignItems: 'flex-start' }}>
          <h2>
            <Value field="name" value={span.name} />
          </h2>
          <CopyButton bare text={() => pretty(span)} label="Copy span as JSON" />
          <BareButton icon="close" label="Close (Esc)" onClick={onClose} />
        </div>
        <div className={styles.line}>
          <Value field="service.name" value={span.service}>
            <Service name={span.service} />
          </Value>
          <span className="muted">{span.kind}</span>
          <Receiver name={span.receiver} />
          {span.status_code === 'error' ? (
            <Badge>
              <Icon name="alert" size={11} /> error
            </Badge>
          ) : (
            <span className="muted">status {span.status_code}</span>
          )}
          {span.in_progress && <Badge tone="quiet">running</Badge>}
          {span.missing_parent && <Badge tone="note">parent not here</Badge>}
          {span.sample_rate !== 1 && <Badge tone="quiet" title="How many spans this one stands for">stands for {count(span.sample_rate)}</Badge>}
        </div>
        <div className={styles.line}>
          <span>
            <b>{duration(span.duration_ns)}</b> <span className="muted">from</span> {offset === 0 ? 'the start' : `+${duration(offset)}`}
          </span>
          <Time nano={span.start_time_unix_nano} />
          {span.clock_skew_ns !== 0 && <span className="muted">moved by {duration(span.clock_skew_ns)} for clock skew</span>}
        </div>
        <div className={styles.line}>
          <span className="muted">
            span <code>{span.span_id}</code> <CopyButton bare text={span.span_id} label="Copy span id" />
          </span>
          {span.receiver === 'xray' && (
            <span className="muted">
              <code title={xrayForm(span.trace_id)}>1-{span.trace_id.slice(0, 8)}-…</code> <CopyButton bare text={xrayForm(span.trace_id)} label="Copy X-Ray trace id" />
            </span>
          )}
        </div>
        <div className={styles.line}>
          <Link to="." search={((old: object) => ({ ...old, tab: 'logs' })) as never}>
            {span.log_count > 0 ? plural(span.log_count, 'log line') : 'Log lines of the trace'}
          </Link>
          <Link to="/logs" search={{ service: span.service, time: rangeAround(msFromNano(span.start_time_unix_nano), 60_000) }}>
            This minute of {span.service}
          </Link>
          {span.has_source && (
            <Link to="." search={((old: object) => ({ ...old, tab: 'raw', doc: span.span_id })) as never}>
              As it arrived
            </Link>
          )}
        </div>
        {(span.linked_by || span.linked_trace_id) && (
          <div className={styles.joints}>
            {span.linked_by && (
              <span data-testid="span-linked-by">
                <Icon name="link" size={12} /> {receiverName(span.receiver)}'s trace of the same request, linked by <code>{span.linked_by}</code>
              </span>
            )}
            {span.linked_trace_id && (
              <span>
                <Icon name="link" size={12} /> names the trace{' '}
                <Link to="/traces/$traceId" params={{ traceId: span.linked_trace_id }} className="mono">
                  {xrayForm(span.linked_trace_id)}
                </Link>
              </span>
            )}
          </div>
        )}
        {span.status_message !== '' && <div className={styles.message}>{span.status_message}</div>}
      </header>
      <div className={styles.filter}>
        <Input value={filter} onChange={(event) => setFilter(event.target.value)} placeholder="Filter attributes" aria-label="Filter attributes" />
      </div>
      <div className={styles.scroll}>
        {exceptions.length > 0 && (
          <Section title="Exceptions" count={exceptions.length}>
            {exceptions.map((event, i) => (
              <ExceptionEvent key={i} event={event} />
            ))}
          </Section>
        )}
        <Section title="Attributes" count={Object.keys(span.attributes).length}>
          <Fields fields={span.attributes} filter={filter} />
        </Section>
        {events.length > 0 && (
          <Section title="Events" count={events.length}>
            {events.map((event, i) => (
              <div key={i} className={styles.event}>
                <header>
                  <b>{event.name}</b>
                  <span className="muted">+{duration(nanoBetween(span.start_time_unix_nano, event.time_unix_nano))}</span>
                </header>
                {Object.keys(event.attributes).length > 0 && <Fields fields={event.attributes} filter={filter} />}
              </div>
            ))}
          </Section>
        )}
        {span.links.length > 0 && (
          <Section title="Links" count={span.links.length}>
            {(span.links as unknown as SpanLink[]).map((link) => (
              <div key={`${link.trace_id} ${link.span_id}`} className={styles.event}>
                <header>
                  <Link to="/traces/$traceId" params={{ traceId: link.trace_id }} search={{ span: link.span_id }}>
                    <Icon name="link" size={12} /> trace {shortId(link.trace_id)}, span {shortId(link.span_id)}
                  </Link>
                </header>
                {link.attributes && Object.keys(link.attributes).length > 0 && <Fields fields={link.attributes} />}
              </div>
            ))}
          </Section>
        )}
        <Section title="Resource" count={Object.keys(span.resource).length}>
          <Fields fields={{ ...span.resource, ...scope }} filter={filter} />
          <p className="muted" style={{ paddingTop: 6 }}>
            received by way of {receiverName(span.receiver)}
          </p>
        </Section>
      </div>
    </aside>
  );
}

function ExceptionEvent({ event }: { event: SpanEvent }) {
  const exception = event.exception;
  if (!exception) return null;
  return (
    <div className={styles.event}>
      <header>
        <b>
          <Value field="exception.type" value={exception.type} />
        </b>
        {event.error_group && (
          <Link to="/errors/$group" params={{ group: event.error_group }} data-testid="span-error-link">
            All occurrences
          </Link>
        )}
      </header>
      <div className={styles.message}>{exception.message}</div>
      {exception.stacktrace && <Stack text={exception.stacktrace} />}
    </div>
  );
}

function Section({ title, count: n, children }: { title: string; count: number; children: ReactNode }) {
  const [open, setOpen] = useState(true);
  return (
    <section className={styles.section}>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <Icon name={open ? 'down' : 'right'} size={12} />
        {title}
        <span className="muted" style={{ fontWeight: 400 }}>
          {n}
        </span>
      </button>
      {open && <div>{children}</div>}
    </section>
  );
}
