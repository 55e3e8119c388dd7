// Everything one span says.
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { Span } from '../../api/types';
import { timesTold, type Usual } from '../../lib/compare';
import type { Gap } from '../../lib/gaps';
import { receiverName, xrayForm } from '../../lib/ids';
import { pretty } from '../../lib/json';
import { msFromNano, rangeAround } from '../../lib/time';
import { count, duration, plural } from '../../lib/units';
import { segmentOf, xrayWord } from '../../lib/xray';
import { Badge, Receiver, Service } from '../../ui/Chip';
import { BareButton, CopyButton, Input } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Icon } from '../../ui/Icon';
import { Json } from '../../ui/Json';
import { Time } from '../../ui/Time';
import { Value } from '../../ui/Value';
import { skewTold } from '../../ui/waterfall/Rows';
import { ExceptionEvent, Gaps, Links, OtherEvent, Section, Sql, sqlOf } from './SpanParts';
import styles from './Trace.module.css';

interface Props {
  span: Span;
  spans: Span[];
  gaps: Gap[] | undefined;
  /** Nanoseconds after the start of the trace, as drawn. */
  offset: number;
  selfNs: number;
  /** How far its clock is off its parent's. */
  skew: number;
  aligned: boolean;
  usual: Usual | undefined;
  onClose: () => void;
}

const FLAGS = ['fault', 'error', 'throttle'] as const;

export function SpanPanel({ span, spans, gaps, offset, selfNs, skew, aligned, usual, onClose }: Props) {
  const [filter, setFilter] = useState('');
  const exceptions = span.events.filter((event) => event.exception);
  const events = span.events.filter((event) => !event.exception);
  const scope = span.scope?.name ? { 'scope.name': span.scope.name, ...(span.scope.version ? { 'scope.version': span.scope.version } : {}) } : {};
  const xray = span.receiver === 'xray';
  const segment = xray ? segmentOf(span.attributes) : null;
  const sql = sqlOf(span.attributes);
  const { [sql?.field ?? '']: _, ...members } = segment?.members ?? span.attributes;
  const label = xray ? xrayWord : undefined;
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
          <Value field="kind" value={span.kind}>
            <span className="muted">{xray ? (span.kind === 'server' || !span.parent_span_id ? 'segment' : 'subsegment') : span.kind}</span>
          </Value>
          <Receiver name={span.receiver} />
          {segment ? (
            <SegmentFlags attributes={span.attributes} />
          ) : span.status_code === 'error' ? (
            <Badge>
              <Icon name="alert" size={11} /> error
            </Badge>
          ) : (
            span.status_code === 'ok' && <span className="muted">ok</span>
          )}
          {span.in_progress && <Badge tone="quiet">running</Badge>}
          {span.sample_rate !== 1 && <Badge tone="quiet" title="How many spans this one stands for">stands for {count(span.sample_rate)}</Badge>}
        </div>
        <div className={styles.line}>
          <span>
            <b>{duration(span.duration_ns)}</b> <span className="muted">from</span> {offset === 0 ? 'the start' : `+${duration(offset)}`}
          </span>
          <Time nano={span.start_time_unix_nano} />
          {gaps && <span title="Time in which no child of it ran">{duration(selfNs)} <span className="muted">without a child</span></span>}
        </div>
        {skew !== 0 && (
          <div className={styles.told}>
            <Icon name="clock" size={12} /> {skewTold(skew, span.service, aligned)}.
          </div>
        )}
        {span.missing_parent && (
          <div className={styles.told} data-testid="told-missing-parent">
            <Icon name="orphan" size={12} />
            <span>
              Its parent <code>{span.parent_span_id}</code> has not arrived: it was lost, was not sampled, is still running, or was sent elsewhere. The trace may lack more than this one span.
            </span>
          </div>
        )}
        {usual && (
          <div className={styles.told} data-testid="told-usual">
            <Icon name="scales" size={12} />
            {usual.ns === null ? 'Such a span is not in a typical trace of this route.' : `Typically ${duration(usual.ns)}${usual.ns > 0 ? `; this one took ${timesTold(span.duration_ns / usual.ns)} as long.` : '.'}`}
          </div>
        )}
        <div className={styles.line}>
          <span className="muted">
            {xray ? 'id' : 'span'} <code>{span.span_id}</code> <CopyButton bare text={span.span_id} label="Copy span id" />
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
        {sql && (
          <Section title="SQL">
            <Sql field={sql.field} sql={sql.text} />
          </Section>
        )}
        {segment && Object.keys(segment.annotations).length > 0 && (
          <Section title="Annotations" count={Object.keys(segment.annotations).length}>
            <Fields fields={segment.annotations} filter={filter} />
          </Section>
        )}
        <Section title={xray ? (span.parent_span_id && span.kind !== 'server' ? 'Subsegment' : 'Segment') : 'Attributes'} count={Object.keys(members).length}>
          <Fields fields={members} filter={filter} label={label} />
        </Section>
        {segment && segment.metadata.length > 0 && (
          <Section title="Metadata" count={segment.metadata.length}>
            {segment.metadata.map(([namespace, value]) => (
              <div key={namespace}>
                <div className={styles.namespace}>{namespace}</div>
                <Json value={value} />
              </div>
            ))}
          </Section>
        )}
        {gaps && (
          <Section title="Gaps" count={gaps.length}>
            <Gaps gaps={gaps} spans={spans} index={spans.indexOf(span)} start={offset} />
          </Section>
        )}
        {events.length > 0 && (
          <Section title="Events" count={events.length}>
            {events.map((event, i) => (
              <OtherEvent key={i} event={event} start={span.start_time_unix_nano} filter={filter} />
            ))}
          </Section>
        )}
        {span.links.length > 0 && (
          <Section title="Links" count={span.links.length}>
            <Links span={span} />
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

function SegmentFlags({ attributes }: { attributes: Record<string, unknown> }) {
  const set = FLAGS.filter((flag) => attributes[`aws.xray.${flag}`] === true || attributes[`aws.xray.${flag}`] === 'true');
  if (set.length === 0) return <span className="muted">ok</span>;
  return set.map((flag) => (
    <Value key={flag} field={`aws.xray.${flag}`} value={true}>
      <Badge tone={flag === 'fault' ? 'fault' : 'note'}>
        <Icon name="alert" size={11} /> {flag}
      </Badge>
    </Value>
  ));
}
