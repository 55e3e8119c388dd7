// The parts of what a span says: exceptions, its statement, gaps, events, links.
import { Link } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import type { Span, SpanEvent, SpanLink } from '../../api/types';
import { explainGap, type Gap } from '../../lib/gaps';
import { shortId } from '../../lib/ids';
import { formatSql, sqlTokens } from '../../lib/sqltext';
import { nanoBetween } from '../../lib/time';
import { duration } from '../../lib/units';
import { BareButton, CopyButton } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Icon } from '../../ui/Icon';
import { Stack } from '../../ui/Stack';
import { Value } from '../../ui/Value';
import styles from './Trace.module.css';

/** The statement of a database call, by its names of today and yesterday. */
export function sqlOf(attributes: Record<string, unknown>): { field: string; text: string } | null {
  for (const field of ['db.query.text', 'db.statement']) {
    const text = attributes[field];
    if (typeof text === 'string' && text.trim() !== '') return { field, text };
  }
  return null;
}

const SQL_SHOWN = 20_000;

/** The statement set in lines, or as it was sent. */
export function Sql({ field, sql }: { field: string; sql: string }) {
  const [asSent, setAsSent] = useState(false);
  const text = useMemo(() => (asSent ? sql : formatSql(sql.slice(0, SQL_SHOWN))), [asSent, sql]);
  return (
    <div className={styles.sql} data-testid="span-sql">
      <header>
        <Value field={field} value={sql} className="muted">
          {field}
        </Value>
        <BareButton icon="lines" label={asSent ? 'Set in lines' : 'As it was sent'} aria-pressed={asSent} onClick={() => setAsSent(!asSent)} />
        <CopyButton bare text={sql} label="Copy the statement" />
      </header>
      <pre tabIndex={0}>
        <Coloured text={text} />
      </pre>
    </div>
  );
}

function Coloured({ text }: { text: string }) {
  const out: ReactNode[] = [];
  let at = 0;
  for (const token of sqlTokens(text)) {
    const start = text.indexOf(token.text, at);
    if (start > at) out.push(text.slice(at, start));
    out.push(
      <span key={start} data-kind={token.kind}>
        {token.text}
      </span>,
    );
    at = start + token.text.length;
  }
  return out;
}

export function Gaps({ gaps, spans, index, start }: { gaps: Gap[]; spans: Span[]; index: number; start: number }) {
  return gaps.map((gap) => {
    const told = explainGap(spans, index, gap);
    return (
      <div key={gap.from} className={styles.gap} data-testid="span-gap">
        <b>{duration(gap.to - gap.from)}</b>
        <span className="muted">
          {told.where}, from +{duration(gap.from - start)}
        </span>
        <p>{told.why}</p>
      </div>
    );
  });
}

export function OtherEvent({ event, start, filter }: { event: SpanEvent; start: string; filter: string }) {
  return (
    <div className={styles.event}>
      <header>
        <b>{event.name}</b>
        <span className="muted">+{duration(nanoBetween(start, event.time_unix_nano))}</span>
      </header>
      {Object.keys(event.attributes).length > 0 && <Fields fields={event.attributes} filter={filter} />}
    </div>
  );
}

export function Links({ span }: { span: Span }) {
  return (span.links as unknown as SpanLink[]).map((link) => (
    <div key={`${link.trace_id} ${link.span_id}`} className={styles.event}>
      <header>
        <Link to="/traces/$traceId" params={{ traceId: link.trace_id }} search={{ span: link.span_id }}>
          <Icon name="link" size={12} /> trace {shortId(link.trace_id)}, span {shortId(link.span_id)}
        </Link>
      </header>
      {link.attributes && Object.keys(link.attributes).length > 0 && <Fields fields={link.attributes} />}
    </div>
  ));
}

export function ExceptionEvent({ event }: { event: SpanEvent }) {
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

export function Section({ title, count: n, children }: { title: string; count?: number; children: ReactNode }) {
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
