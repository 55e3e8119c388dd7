//! AWS X-Ray: segment documents become spans.
//!
//! In:      PutTraceSegments and PutTelemetryRecords over HTTP (REST-JSON); daemon datagrams on UDP 2000, with a document
//!          or, from ADOT in Lambda, OTLP after `T1S`, `T1U`, `M1`
//! Spec:    docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
//! Out:     one span per segment and per subsegment, parents first; one log record `exception` per exception; the daemon's
//!          counters as sums `aws.xray.daemon.*`
//! Missing: members this version does not know have no attributes; they are in the text of the document alone
//! Quirks:  trace ids arrive as `1-<8 hex>-<24 hex>`, their first half need not be a date; times are seconds as floats;
//!          Python writes the namespace `local` and repeats `type` and `trace_id` on embedded subsegments; a document may
//!          be an array; a subsegment sent on its own does not know its service, which is then `unknown_service`; the text
//!          of a document stands on its top row, rows of embedded subsegments have none

mod attributes;
mod reply;
pub mod sampling;
mod stacktrace;
mod translate;
mod unsampled;
pub mod wire;

#[cfg(test)]
mod tests;

use model::{Counted, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Signal, Span};

use crate::incoming::Incoming;
use crate::limits::BODY_BYTES_MAX;
use crate::receiver::{CorsPolicy, Door, Failure, Identity, IngestMethod, Receiver, Reply, Route};

pub use reply::error;

const TRACE_SEGMENTS: &str = "put_trace_segments";
const TELEMETRY_RECORDS: &str = "put_telemetry_records";
const UDP: &str = "udp";

pub struct Xray;

impl Receiver for Xray {
    fn name(&self) -> &'static str {
        "xray"
    }

    fn doors(&self) -> &'static [Door] {
        &[
            Door::Http(Route {
                method: IngestMethod::Post,
                path: "/TraceSegments",
                endpoint: TRACE_SEGMENTS,
                body_bytes_max: BODY_BYTES_MAX,
                cors: CorsPolicy::None,
            }),
            Door::Http(Route {
                method: IngestMethod::Post,
                path: "/TelemetryRecords",
                endpoint: TELEMETRY_RECORDS,
                body_bytes_max: BODY_BYTES_MAX,
                cors: CorsPolicy::None,
            }),
            Door::Udp { endpoint: UDP },
        ]
    }

    fn headers(&self) -> &'static [&'static str] {
        &["x-cupola-account", "x-cupola-region"]
    }

    /// The daemon sends a batch again as it was, and so do the SDKs that call the API themselves.
    fn identity(&self, incoming: &Incoming<'_>) -> Option<Identity> {
        // Nobody sends a datagram twice.
        (incoming.endpoint != UDP).then(|| Identity::of(incoming.endpoint, incoming.body))
    }

    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
        match incoming.endpoint {
            TRACE_SEGMENTS => translate::put_trace_segments(incoming, sink).map(|_| ()),
            TELEMETRY_RECORDS => translate::push_telemetry_records(incoming, sink),
            UDP => translate::push_datagram(incoming, sink),
            other => Err(Failure::Invalid(format!("unknown endpoint {other:?}"))),
        }
    }

    /// Refused documents are named by translating again into nothing: refusals are rare, and the sink only counts them.
    fn accepted(&self, incoming: &Incoming<'_>, counted: &Counted<'_>) -> Reply {
        match incoming.endpoint {
            TRACE_SEGMENTS if counted.refused(Signal::Spans) > 0 => {
                let unprocessed = translate::put_trace_segments(incoming, &mut Nowhere).unwrap_or_default();
                reply::trace_segments_kept(incoming, &unprocessed)
            }
            TRACE_SEGMENTS => reply::trace_segments_kept(incoming, &[]),
            TELEMETRY_RECORDS => reply::telemetry_records_kept(incoming),
            _ => Reply::empty(http::StatusCode::OK),
        }
    }

    fn failed(&self, incoming: &Incoming<'_>, failure: &Failure) -> Reply {
        reply::refused(incoming, failure)
    }
}

/// A sink that keeps nothing.
struct Nowhere;

impl RowSink for Nowhere {
    fn resource(&mut self, _: &Resource<'_>) {}
    fn scope(&mut self, _: &Scope<'_>) {}
    fn span(&mut self, _: &Span<'_>) {}
    fn log(&mut self, _: &LogRecord<'_>) {}
    fn data_point(&mut self, _: &DataPoint<'_>) {}
    fn refuse(&mut self, _: Refusal) {}
}
