//! OTLP, OpenTelemetry's own protocol: spans with their events, log records, and the data points of metrics.
//!
//! In:      POST /v1/traces, /v1/logs, /v1/metrics in protobuf or JSON; gRPC `Export` of the three collector services
//! Spec:    opentelemetry.io/docs/specs/otlp; github.com/open-telemetry/opentelemetry-proto
//! Out:     one span per span and one log record per span event; one log record per log record; one data point per data
//!          point; the resource once per resource group
//! Missing: profiles; a metric's metadata; entity references; dropped counts of resources, scopes and links; flags of links; integers of data
//!          points beyond 2^53 lose their last digits
//! Quirks:  `sampleRate` attributes and `ot=th:` in trace states become the sample rate; a span that ends before it starts has
//!          no duration and `meta.invalid_duration`; a span without a start begins where it ends; `x-honeycomb-dataset`
//!          becomes the resource attribute `honeycomb.dataset`; ids may be base64 where JSON went through a generic mapping;
//!          a parent, a link or a log's trace context with ids of a wrong length is left out and told as a warning; behind
//!          the log records are the data points that metric filters of CloudWatch Logs found in them

mod attributes;
mod ids;
mod json;
mod limits;
mod points;
mod protobuf;
mod reply;
mod translate;
mod wire;

#[cfg(test)]
mod tests;

use model::{Counted, RowSink, Signal};

use self::translate::Translation;
use crate::cloudwatch::made_metrics;
use crate::incoming::Incoming;
use crate::limits::BODY_BYTES_MAX;
use crate::receiver::{CorsPolicy, Door, Failure, Identity, IngestMethod, Receiver, Reply, Route};

pub struct Otlp;

impl Receiver for Otlp {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn doors(&self) -> &'static [Door] {
        DOORS
    }

    fn headers(&self) -> &'static [&'static str] {
        &[DATASET]
    }

    /// A batch that is sent again is sent byte by byte as it was; the same over HTTP and gRPC.
    fn identity(&self, incoming: &Incoming<'_>) -> Option<Identity> {
        let signal = signal(incoming).ok()?;
        Some(Identity::of(&format!("otlp {} {}", signal.table(), dataset(incoming).unwrap_or_default()), incoming.body))
    }

    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
        let mut translation =
            Translation { sink: &mut *sink, received_at_unix_nano: incoming.received_at_unix_nano, dataset: dataset(incoming) };
        let signal = signal(incoming)?;
        match encoding(incoming)? {
            Encoding::Protobuf => push_protobuf(signal, incoming.body, &mut translation)?,
            Encoding::Json => json::push_request(signal, incoming.body, &mut translation)
                .map_err(|error| Failure::Malformed(format!("cannot read OTLP/JSON: {error}")))?,
        }
        if let Some(found) = incoming.headers.get(made_metrics::SERVICES_HEADER) {
            made_metrics::push_of_services(found, sink);
        }
        Ok(())
    }

    fn accepted(&self, incoming: &Incoming<'_>, counted: &Counted<'_>) -> Reply {
        reply::kept(incoming, counted)
    }

    fn failed(&self, incoming: &Incoming<'_>, failure: &Failure) -> Reply {
        reply::refused(incoming, failure)
    }
}

const DOORS: &[Door] = &[
    http_door("/v1/logs", "logs"),
    http_door("/v1/metrics", "metrics"),
    http_door("/v1/traces", "traces"),
    Door::Grpc { method: "/opentelemetry.proto.collector.logs.v1.LogsService/Export", endpoint: "grpc.logs" },
    Door::Grpc { method: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", endpoint: "grpc.metrics" },
    Door::Grpc { method: "/opentelemetry.proto.collector.trace.v1.TraceService/Export", endpoint: "grpc.traces" },
];

const DATASET: &str = "x-honeycomb-dataset";
const PROTOBUF: &str = "application/x-protobuf";

fn dataset<'a>(incoming: &Incoming<'a>) -> Option<&'a str> {
    incoming.headers.get(DATASET).map(str::trim).filter(|dataset| !dataset.is_empty())
}

/// What a request of OpenTelemetry's protocol brings; `None` for others.
pub fn signal_of(receiver: &dyn Receiver, incoming: &Incoming<'_>) -> Option<Signal> {
    (receiver.name() == Otlp.name()).then(|| signal(incoming).ok()).flatten()
}

/// Pushes an `ExportTraceServiceRequest` in protobuf, for protocols that carry one inside their own.
pub(crate) fn translate_traces(body: &[u8], sink: &mut dyn RowSink) -> Result<(), Failure> {
    push_protobuf(Signal::Spans, body, &mut Translation { sink, received_at_unix_nano: 0, dataset: None })
}

/// Pushes an `ExportTraceServiceRequest` in JSON, for protocols that carry one inside their own.
pub(crate) fn translate_traces_json(body: &[u8], received_at_unix_nano: i64, sink: &mut dyn RowSink) -> Result<(), Failure> {
    json::push_request(Signal::Spans, body, &mut Translation { sink, received_at_unix_nano, dataset: None })
        .map_err(|error| Failure::Malformed(format!("cannot read OTLP/JSON: {error}")))
}

/// Pushes an `ExportMetricsServiceRequest` in protobuf, for protocols that carry one inside their own.
pub(crate) fn translate_metrics(
    body: &[u8],
    received_at_unix_nano: i64,
    dataset: Option<&str>,
    sink: &mut dyn RowSink,
) -> Result<(), Failure> {
    push_protobuf(Signal::Metrics, body, &mut Translation { sink, received_at_unix_nano, dataset })
}

fn push_protobuf(signal: Signal, body: &[u8], translation: &mut Translation<'_>) -> Result<(), Failure> {
    protobuf::push_request(signal, body, translation)
        .map_err(|error| Failure::Malformed(format!("cannot read OTLP protobuf: {error}")))
}

/// The two encodings of OTLP/HTTP; gRPC is always protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

fn encoding(incoming: &Incoming<'_>) -> Result<Encoding, Failure> {
    if is_grpc(incoming) {
        return Ok(Encoding::Protobuf);
    }
    match incoming.headers.media_type().as_str() {
        PROTOBUF | "application/protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        other => Err(Failure::UnsupportedMediaType(other.to_owned())),
    }
}

fn is_grpc(incoming: &Incoming<'_>) -> bool {
    incoming.endpoint.starts_with("grpc.")
}

fn signal(incoming: &Incoming<'_>) -> Result<Signal, Failure> {
    match incoming.endpoint.trim_start_matches("grpc.") {
        "traces" => Ok(Signal::Spans),
        "logs" => Ok(Signal::Logs),
        "metrics" => Ok(Signal::Metrics),
        other => Err(Failure::Invalid(format!("unknown endpoint {other:?}"))),
    }
}

const fn http_door(path: &'static str, endpoint: &'static str) -> Door {
    let method = IngestMethod::Post;
    Door::Http(Route { method, path, endpoint, body_bytes_max: BODY_BYTES_MAX, cors: CorsPolicy::Any { expose: "" } })
}
