// The other views of a trace: log lines, errors, documents as they arrived.
import { useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import * as queries from '../../api/queries';
import type { Log, RawDocument, Span } from '../../api/types';
import { receiverName, shortId } from '../../lib/ids';
import { pretty } from '../../lib/json';
import { Receiver, Service } from '../../ui/Chip';
import { CopyButton } from '../../ui/Control';
import { Fields } from '../../ui/Fields';
import { Json } from '../../ui/Json';
import { LogList } from '../../ui/LogList';
import { Stack } from '../../ui/Stack';
import { Empty, Failure, Loading } from '../../ui/State';
import { Time } from '../../ui/Time';
import { LogDetail } from '../common/LogDetail';
import styles from './Trace.module.css';

export function LogsTab({ traceId, open, onOpen }: { traceId: string; open: string | undefined; onOpen: (id: string | undefined) => void }) {
  const { data, error, refetch } = useQuery(queries.traceLogs(traceId));
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={12} />;
  if (data.logs.length === 0) {
    return (
      <Empty title="No log line belongs to this trace" copy="OTEL_PYTHON_LOG_CORRELATION=true">
        <p>A line belongs to a trace when it carries the trace id, or came with a request of the trace. With OpenTelemetry for Python this puts the id into every line:</p>
      </Empty>
    );
  }
  return <LogList lines={data.logs} open={open} onOpen={onOpen} detail={(line) => <LogDetail log={line} inTrace />} />;
}

export function ErrorsTab({ traceId }: { traceId: string }) {
  const { data, error, refetch } = useQuery(queries.traceErrors(traceId));
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={8} />;
  if (data.errors.length === 0) {
    return (
      <Empty title="No error in this trace">
        <p>Neither an exception of a span nor an error of another receiver, such as Rollbar, belongs to it.</p>
      </Empty>
    );
  }
  return (
    <div className={styles.pad}>
      {data.errors.map((one) => (
        <TraceError key={one.id} occurrence={one} />
      ))}
    </div>
  );
}

function TraceError({ occurrence }: { occurrence: Log }) {
  const exception = occurrence.exception;
  return (
    <article className={styles.occurrence} data-testid="trace-error">
      <div className={styles.line}>
        <b>{exception?.type ?? occurrence.event_name}</b>
        <Receiver name={occurrence.receiver} />
        <Service name={occurrence.service} />
        <Time nano={occurrence.time_unix_nano} />
        {occurrence.span_id && (
          <Link to="." search={((old: object) => ({ ...old, tab: undefined, span: occurrence.span_id })) as never}>
            Its span
          </Link>
        )}
        {occurrence.error_group && (
          <Link to="/errors/$group" params={{ group: occurrence.error_group }}>
            All occurrences
          </Link>
        )}
      </div>
      <div className={styles.message} style={{ padding: 0 }}>
        {exception?.message ?? occurrence.body}
      </div>
      {exception?.stacktrace && <Stack text={exception.stacktrace} />}
      <details>
        <summary className="muted">Attributes</summary>
        <Fields fields={occurrence.attributes} />
      </details>
      {occurrence.source !== null && occurrence.source !== undefined && (
        <details>
          <summary className="muted">As {receiverName(occurrence.receiver)} got it</summary>
          <Json value={occurrence.source} />
        </details>
      )}
    </article>
  );
}

const DOC_PX = 32;

export function RawTab({ traceId, spans, chosen, onChoose }: { traceId: string; spans: Span[]; chosen: string | undefined; onChoose: (spanId: string) => void }) {
  const { data, error, refetch } = useQuery(queries.traceRaw(traceId));
  if (error) return <Failure error={error} onRetry={() => void refetch()} />;
  if (!data) return <Loading rows={12} />;
  if (data.documents.length === 0) {
    return (
      <Empty title="No document is kept for this trace">
        <p>Spans of this receiver are kept as rows only.</p>
      </Empty>
    );
  }
  const names = new Map(spans.map((span) => [span.span_id, span.name]));
  // A subsegment lives in its segment's document; without one of its own the first is shown.
  const document = data.documents.find((one) => one.span_id === chosen) ?? (data.documents[0] as RawDocument);
  return (
    <div className={styles.raw}>
      <Documents documents={data.documents} names={names} chosen={document} onChoose={onChoose} />
      <div className={styles.json} key={document.span_id}>
        <header>
          <span className="muted">
            {document.format === 'xray' ? 'Segment document' : 'OTLP JSON'} of span {shortId(document.span_id)}, by way of {receiverName(document.receiver)}
          </span>
          <CopyButton text={() => pretty(document.document)} label="Copy document" />
        </header>
        <Json value={document.document} />
      </div>
    </div>
  );
}

function Documents({ documents, names, chosen, onChoose }: { documents: RawDocument[]; names: Map<string, string>; chosen: RawDocument; onChoose: (spanId: string) => void }) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: documents.length, getScrollElement: () => scroller.current, estimateSize: () => DOC_PX, overscan: 12 });
  const first = useRef(documents.indexOf(chosen));
  useEffect(() => virtual.scrollToIndex(first.current, { align: 'auto' }), [virtual]);
  return (
    <div className={styles.docs} ref={scroller}>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {virtual.getVirtualItems().map((item) => {
          const document = documents[item.index] as RawDocument;
          return (
            <button key={item.index} type="button" className={styles.doc} style={{ top: item.start }} aria-current={document === chosen} onClick={() => onChoose(document.span_id)} data-testid="raw-document">
              <Receiver name={document.receiver} />
              <span>{names.get(document.span_id) ?? document.span_id}</span>
            </button>
          );
        })}
      </div>
    </div>
  );
}
