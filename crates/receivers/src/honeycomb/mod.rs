//! Honeycomb: events become spans and log records.
//!
//! In:      POST /1/events/{dataset} and /1/batch/{dataset}, JSON or MessagePack; /1/kinesis_events/{dataset}, what Firehose delivers
//! Spec:    docs.honeycomb.io/api/events, api-docs.honeycomb.io/api/events
//! Out:     a span per event with a trace id and a duration, unless it annotates one; a log record for every other event;
//!          resource `service.name` (else the dataset) and `honeycomb.dataset`
//! Missing: labels of metric streams in the format OpenTelemetry 0.7; exceptions that Beelines put on spans as `app.exception_*` make no log record
//! Quirks:  SDKs send a dataset's slashes unescaped, so it is the rest of the path; ids may be any text and are then hashed,
//!          the text kept as `honeycomb.trace.*`; results are matched to events by position; the time is the start; a time
//!          that cannot be read is the arrival, and kept as `honeycomb.time`

mod ids;
mod kinesis;
mod msgpack;
mod reply;
mod time;
mod translate;
mod wire;

#[cfg(test)]
mod tests;

use model::{Counted, RowSink};

use crate::incoming::Incoming;
use crate::limits::BODY_BYTES_MAX;
use crate::receiver::{CorsPolicy, Door, Failure, IngestMethod, Receiver, Reply, Route};

pub use reply::auth_answer;

const EVENT: &str = "event";
const BATCH: &str = "batch";
const KINESIS: &str = "kinesis_events";

/// Where Firehose has its key.
const FIREHOSE_KEY: &str = "x-amz-firehose-access-key";

pub struct Honeycomb;

impl Receiver for Honeycomb {
    fn name(&self) -> &'static str {
        "honeycomb"
    }

    fn doors(&self) -> &'static [Door] {
        &[
            Door::Http(Route {
                method: IngestMethod::Post,
                path: "/1/events/{*rest}",
                endpoint: EVENT,
                body_bytes_max: wire::EVENT_BYTES_MAX,
                cors: CorsPolicy::None,
            }),
            Door::Http(Route {
                method: IngestMethod::Post,
                path: "/1/batch/{*rest}",
                endpoint: BATCH,
                body_bytes_max: wire::BATCH_BYTES_MAX,
                cors: CorsPolicy::None,
            }),
            Door::Http(Route {
                method: IngestMethod::Post,
                path: "/1/kinesis_events/{*rest}",
                endpoint: KINESIS,
                body_bytes_max: BODY_BYTES_MAX,
                cors: CorsPolicy::None,
            }),
        ]
    }

    /// Of the keys only whether there was one; their values are not looked at, and need not be kept.
    fn headers(&self) -> &'static [&'static str] {
        &["accept", "x-honeycomb-event-time", "x-honeycomb-samplerate", "x-honeycomb-team", "x-hny-team", FIREHOSE_KEY]
    }

    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
        let key = ["x-honeycomb-team", "x-hny-team", FIREHOSE_KEY].into_iter().find_map(|name| incoming.headers.get(name));
        if key.unwrap_or_default().trim().is_empty() {
            return Err(Failure::Unauthenticated);
        }
        match incoming.endpoint {
            EVENT => translate::push_events(incoming, false, sink),
            BATCH => translate::push_events(incoming, true, sink),
            KINESIS => kinesis::push_delivery(incoming, sink),
            other => Err(Failure::Invalid(format!("unknown endpoint {other:?}"))),
        }
    }

    /// The batch is read again only where events of it were refused, to say which.
    fn accepted(&self, incoming: &Incoming<'_>, counted: &Counted<'_>) -> Reply {
        match incoming.endpoint {
            BATCH if counted.refusals.is_empty() => reply::whole_batch_kept(incoming, counted.accepted.total()),
            BATCH => reply::batch_kept(incoming, &translate::verdicts(incoming)),
            KINESIS => reply::delivered(incoming, http::StatusCode::OK, None),
            _ => reply::event_kept(),
        }
    }

    fn failed(&self, incoming: &Incoming<'_>, failure: &Failure) -> Reply {
        reply::refused(incoming, failure)
    }
}
