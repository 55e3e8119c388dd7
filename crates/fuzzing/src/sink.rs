//! A sink that watches what a receiver pushes, and passes it on into columns as the server's pipeline would.

use analysis::{fingerprint, linking};
use model::{Attributes, Counted, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Signal, Span};
use receivers::{Incoming, Receiver};
use store::{RowBuffer, RowContext, StoreError};
use xxhash_rust::xxh3::Xxh3;

/// Bytes of one row's own texts for each byte of the request: JSON made of control characters is six times its text, and
/// an X-Ray document stands in its row once more as it came.
const ROW_BYTES_PER_BYTE_MAX: usize = 16;

/// What a row may hold that the request does not say: defaults, ids, names of attributes.
const ROW_BYTES_EXTRA_MAX: usize = 16 * 1024;

/// Bytes of a reply, likewise; a reply may name every record of the request.
const REPLY_BYTES_PER_BYTE_MAX: usize = 64;

struct Watched<'b> {
    buffer: &'b mut RowBuffer,
    row_bytes_max: usize,
    seen: Xxh3,
}

impl Watched<'_> {
    fn row(&mut self, texts: &[&str], attributes: &Attributes<'_>) {
        let mut bytes = texts.iter().map(|text| text.len()).sum::<usize>();
        for text in texts {
            self.seen.update(text.as_bytes());
        }
        for attribute in attributes {
            let value = attribute.value.to_text();
            bytes += attribute.key.len() + value.len();
            self.seen.update(attribute.key.as_bytes());
            self.seen.update(value.as_bytes());
        }
        assert!(bytes <= self.row_bytes_max, "a row of {bytes} bytes, expected at most {}", self.row_bytes_max);
    }

    fn numbers(&mut self, numbers: &[i64]) {
        for number in numbers {
            self.seen.update(&number.to_le_bytes());
        }
    }
}

impl RowSink for Watched<'_> {
    fn resource(&mut self, resource: &Resource<'_>) {
        self.row(&[resource.service_name(), resource.schema_url], resource.attributes);
        self.buffer.resource(resource);
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        self.row(&[scope.name, scope.version, scope.schema_url], scope.attributes);
        self.buffer.scope(scope);
    }

    fn span(&mut self, span: &Span<'_>) {
        assert!(span.duration_ns >= 0, "a span of {} ns", span.duration_ns);
        assert!(span.sample_rate >= 0.0 && span.sample_rate.is_finite(), "sample rate {}", span.sample_rate);
        self.row(&[span.name, span.trace_state, span.status_message, span.source.unwrap_or_default()], span.attributes);
        for link in span.links {
            self.row(&[link.trace_state], &link.attributes);
        }
        self.numbers(&[span.start_time_unix_nano, span.duration_ns]);
        self.seen.update(&span.trace_id.0);
        self.seen.update(&span.span_id.0);
        for attribute in span.attributes {
            let _ = linking::exact_trace_link(&attribute.key, &attribute.value);
        }
        self.buffer.span(span);
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        assert!(record.sample_rate >= 0.0 && record.sample_rate.is_finite(), "sample rate {}", record.sample_rate);
        let source = record.source.unwrap_or_default();
        self.row(&[&record.body, &record.severity_text, record.event_name, source], record.attributes);
        if let Some(exception) = &record.exception {
            self.row(&[&exception.r#type, &exception.message, &exception.stacktrace], &[]);
            let group = fingerprint(exception, None);
            assert!(!group.is_empty() && group.len() <= 1_024, "an error group of {} bytes", group.len());
        }
        self.numbers(&[record.time_unix_nano, i64::from(record.severity_number)]);
        let _ = linking::trace_context_in_log_body(&record.body);
        self.buffer.log(record);
    }

    fn data_point(&mut self, point: &DataPoint<'_>) {
        self.row(&[point.metric, point.description, point.unit, &point.buckets, &point.exemplars], point.attributes);
        self.numbers(&[point.time_unix_nano, point.start_time_unix_nano]);
        self.buffer.data_point(point);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.row(&[&refusal.reason], &[]);
        self.buffer.refuse(refusal);
    }
}

/// Takes a request in as the server would, up to the columns, and words its reply.
pub fn exchange(receiver: &dyn Receiver, incoming: &Incoming<'_>) {
    let first = translate(receiver, incoming);
    // The log is replayed through the same function, which must give the same rows; one input in eight says whether.
    if incoming.body.len() % 8 == 1 {
        assert_eq!(first, translate(receiver, incoming), "translating twice gives two answers");
    }
}

/// Hash of what was pushed; `None` when nothing was kept.
fn translate(receiver: &dyn Receiver, incoming: &Incoming<'_>) -> Option<u64> {
    let received_at_unix_nano = incoming.received_at_unix_nano;
    let context = RowContext { receiver: receiver.name(), received_at_unix_nano, request: incoming.trace_context };
    let mut buffer = RowBuffer::new(context);
    let bytes = incoming.body.len() + incoming.rest.len();
    let row_bytes_max = bytes * ROW_BYTES_PER_BYTE_MAX + ROW_BYTES_EXTRA_MAX;
    let mut watched = Watched { buffer: &mut buffer, row_bytes_max, seen: Xxh3::new() };
    let mut counted = Counted::new(&mut watched);
    let reply = match receiver.translate(incoming, &mut counted) {
        Ok(()) => receiver.accepted(incoming, &counted),
        Err(failure) => {
            let reply = receiver.failed(incoming, &failure);
            check_reply(reply.body.len(), bytes);
            return None;
        }
    };
    check_reply(reply.body.len(), bytes);
    let accepted = counted.accepted;
    let seen = watched.seen.digest();
    assert!(accepted.total() <= bytes as u64, "{} rows of {bytes} bytes", accepted.total());
    assert_eq!(buffer.rows(), accepted);
    match buffer.finish() {
        Ok(batches) => {
            for (signal, batch) in batches {
                let expected = match signal {
                    Signal::Spans => accepted.spans,
                    Signal::Logs => accepted.logs,
                    Signal::Metrics => accepted.metrics,
                };
                assert_eq!(batch.num_rows() as u64, expected, "rows of {signal:?}");
            }
        }
        Err(StoreError::TooLarge { .. }) => {}
        Err(error) => panic!("rows do not become columns: {error}"),
    }
    Some(seen)
}

fn check_reply(reply_bytes: usize, bytes: usize) {
    let bytes_max = bytes * REPLY_BYTES_PER_BYTE_MAX + 64 * 1024;
    assert!(reply_bytes <= bytes_max, "a reply of {reply_bytes} bytes to {bytes}");
}
