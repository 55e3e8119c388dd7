//! The rows themselves, borrowed: what a receiver pushes and a store copies.

use std::borrow::Cow;

use crate::attributes::Attributes;
use crate::ids::{SpanId, TraceId};

/// What OpenTelemetry calls a service that did not say its name.
pub const UNKNOWN_SERVICE: &str = "unknown_service";

/// The entity that produced the rows that follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resource<'a> {
    pub attributes: &'a Attributes<'a>,
    pub schema_url: &'a str,
}

impl<'a> Resource<'a> {
    /// `service.name`, or [`UNKNOWN_SERVICE`] when it is absent or blank.
    pub fn service_name(&self) -> &str {
        let named = self.attributes.iter().rev().find(|attribute| attribute.key == "service.name");
        match named.and_then(|attribute| attribute.value.as_str()).map(str::trim) {
            Some(name) if !name.is_empty() => name,
            _ => UNKNOWN_SERVICE,
        }
    }
}

/// The instrumentation scope that produced the rows that follow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub attributes: &'a Attributes<'a>,
    pub schema_url: &'a str,
}

impl Scope<'_> {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.name.is_empty() && self.version.is_empty() && self.attributes.is_empty() && self.schema_url.is_empty()
    }
}

/// One span.
#[derive(Clone, Debug)]
pub struct Span<'a> {
    /// Start, nanoseconds since 1970 UTC.
    pub start_time_unix_nano: i64,
    /// Never negative: an end before the start counts as zero.
    pub duration_ns: i64,
    pub trace_id: TraceId,
    pub span_id: SpanId,
    /// `None` for a root.
    pub parent_span_id: Option<SpanId>,
    pub trace_state: &'a str,
    pub flags: u32,
    pub name: &'a str,
    pub kind: SpanKind,
    pub status_code: StatusCode,
    pub status_message: &'a str,
    /// A provisional row; a complete one with the same id follows.
    pub in_progress: bool,
    pub dropped_attributes_count: u32,
    pub dropped_events_count: u32,
    pub dropped_links_count: u32,
    pub links: &'a [SpanLink<'a>],
    /// How many real spans this one stands for.
    pub sample_rate: f64,
    /// Another vendor's trace of the same request, known exactly. Receivers leave it empty; the ingest pipeline fills it
    /// from the attributes that carry it.
    pub linked_trace_id: Option<TraceId>,
    /// The original document, where a read API must give it back word for word.
    pub source: Option<&'a str>,
    pub attributes: &'a Attributes<'a>,
}

impl<'a> Span<'a> {
    /// A span of no duration with nothing else known; the caller fills in what it has.
    pub fn new(trace_id: TraceId, span_id: SpanId, name: &'a str) -> Span<'a> {
        Span {
            start_time_unix_nano: 0,
            duration_ns: 0,
            trace_id,
            span_id,
            parent_span_id: None,
            trace_state: "",
            flags: 0,
            name,
            kind: SpanKind::Unspecified,
            status_code: StatusCode::Unset,
            status_message: "",
            in_progress: false,
            dropped_attributes_count: 0,
            dropped_events_count: 0,
            dropped_links_count: 0,
            links: &[],
            sample_rate: 1.0,
            linked_trace_id: None,
            source: None,
            attributes: &[],
        }
    }
}

/// A link to a span of this or another trace.
#[derive(Clone, Debug)]
pub struct SpanLink<'a> {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub trace_state: &'a str,
    pub attributes: Vec<crate::Attribute<'a>>,
}

/// Which side of a call a span is on. The numbers are OTLP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SpanKind {
    #[default]
    Unspecified = 0,
    Internal = 1,
    Server = 2,
    Client = 3,
    Producer = 4,
    Consumer = 5,
}

impl SpanKind {
    pub fn from_otlp(number: i64) -> SpanKind {
        match number {
            1 => SpanKind::Internal,
            2 => SpanKind::Server,
            3 => SpanKind::Client,
            4 => SpanKind::Producer,
            5 => SpanKind::Consumer,
            _ => SpanKind::Unspecified,
        }
    }

    /// The word stored in the `kind` column: OpenTelemetry's, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            SpanKind::Unspecified => "unspecified",
            SpanKind::Internal => "internal",
            SpanKind::Server => "server",
            SpanKind::Client => "client",
            SpanKind::Producer => "producer",
            SpanKind::Consumer => "consumer",
        }
    }
}

/// How a span ended. The numbers are OTLP's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum StatusCode {
    #[default]
    Unset = 0,
    Ok = 1,
    Error = 2,
}

impl StatusCode {
    pub fn from_otlp(number: i64) -> StatusCode {
        match number {
            1 => StatusCode::Ok,
            2 => StatusCode::Error,
            _ => StatusCode::Unset,
        }
    }

    /// The word stored in the `status_code` column.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusCode::Unset => "unset",
            StatusCode::Ok => "ok",
            StatusCode::Error => "error",
        }
    }
}

/// One log record or event: anything that happened at a moment.
#[derive(Clone, Debug, Default)]
pub struct LogRecord<'a> {
    /// When it happened; the observed time if the record has none. Nanoseconds since 1970 UTC.
    pub time_unix_nano: i64,
    pub trace_id: Option<TraceId>,
    pub span_id: Option<SpanId>,
    pub flags: u32,
    /// OpenTelemetry's 1..=24; 0 when unknown.
    pub severity_number: i32,
    pub severity_text: Cow<'a, str>,
    /// Empty for a plain log line; `exception`, a span event's name, `deploy`, …
    pub event_name: &'a str,
    pub body: Cow<'a, str>,
    pub exception: Option<Exception<'a>>,
    pub dropped_attributes_count: u32,
    /// How many real records this one stands for; 0 counts as 1.
    pub sample_rate: f64,
    /// The original document, where a read API must give it back word for word.
    pub source: Option<&'a str>,
    pub attributes: &'a Attributes<'a>,
}

/// The exception a record carries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exception<'a> {
    pub r#type: Cow<'a, str>,
    pub message: Cow<'a, str>,
    /// As the language prints it; frames of Rollbar and X-Ray are printed in the language's own form.
    pub stacktrace: Cow<'a, str>,
    /// What the client says identifies the error; it beats our own grouping.
    pub fingerprint: Option<Cow<'a, str>>,
    /// The `error.group` column. Receivers leave it empty; the ingest pipeline fills it.
    pub group: Option<Cow<'a, str>>,
}

/// One data point of a metric.
#[derive(Clone, Debug)]
pub struct DataPoint<'a> {
    pub metric: &'a str,
    pub description: &'a str,
    pub unit: &'a str,
    pub r#type: DataPointType,
    pub temporality: Temporality,
    pub is_monotonic: bool,
    /// 0 when unknown.
    pub start_time_unix_nano: i64,
    pub time_unix_nano: i64,
    pub flags: u32,
    /// Gauges and sums.
    pub value: Option<f64>,
    /// Histograms and summaries.
    pub count: Option<u64>,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// JSON: `{"bounds":[…],"counts":[…]}`; `{"scale","zero_count","zero_threshold","positive":{"offset","counts"},"negative":…}`;
    /// `{"quantiles":[[q,v],…]}`; `{"values":[…],"counts":[…]}` of a summary whose values are known; empty for gauges and sums.
    pub buckets: Cow<'a, str>,
    /// JSON array of `{"time_unix_nano","value","trace_id","span_id","attributes"}`; empty when none.
    pub exemplars: Cow<'a, str>,
    pub attributes: &'a Attributes<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataPointType {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl DataPointType {
    /// The word stored in the `type` column.
    pub fn as_str(self) -> &'static str {
        match self {
            DataPointType::Gauge => "gauge",
            DataPointType::Sum => "sum",
            DataPointType::Histogram => "histogram",
            DataPointType::ExponentialHistogram => "exponential_histogram",
            DataPointType::Summary => "summary",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    #[default]
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    pub fn from_otlp(number: i64) -> Temporality {
        match number {
            1 => Temporality::Delta,
            2 => Temporality::Cumulative,
            _ => Temporality::Unspecified,
        }
    }

    /// The word stored in the `temporality` column.
    pub fn as_str(self) -> &'static str {
        match self {
            Temporality::Unspecified => "unspecified",
            Temporality::Delta => "delta",
            Temporality::Cumulative => "cumulative",
        }
    }
}
