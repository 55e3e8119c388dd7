//! Segment documents to spans and exceptions, daemon counters to data points.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::limits::ATTRIBUTES_PER_RECORD_MAX;
use model::{
    Attribute, DataPoint, DataPointType, Exception, LogRecord, Refusal, Resource, RowSink, Signal, Span, SpanId, SpanKind,
    SpanLink, StatusCode, Temporality, TraceId,
};
use serde_json::value::RawValue;

use super::Nowhere;
use super::attributes::{Attributes, resource_attributes, span_attributes};
use super::stacktrace::stacktrace;
use super::wire::{
    Cause, CauseException, DOCUMENT_BYTES_MAX, Datagram, LINKS_PER_SPAN_MAX, PutTelemetryRecords, SPANS_PER_DOCUMENT_MAX,
    Segment, UNPROCESSED_PER_CALL_MAX, UnprocessedTraceSegment, datagram, put_telemetry_records, text, trace_segment_documents,
};
use crate::aws::{integer, nanos_from_seconds, number};
use crate::incoming::{Headers, Incoming};
use crate::json::sound_text;
use crate::json_tree::{Map, Value};
use crate::receiver::Failure;

/// The service that daemon counters belong to.
const DAEMON_SERVICE: &str = "aws-xray-daemon";

/// Of a wrong id, as much is repeated as helps to find it.
const ID_SHOWN_CHARS_MAX: usize = 64;

/// OpenTelemetry's number for ERROR.
const SEVERITY_ERROR: i32 = 17;

/// Pushes every document of a PutTraceSegments call and tells which were not kept.
pub fn put_trace_segments(incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<Vec<UnprocessedTraceSegment>, Failure> {
    let mut unprocessed = Vec::new();
    let sound;
    let documents = match trace_segment_documents(incoming.body) {
        Ok(documents) => documents,
        Err(_) => {
            sound = sound_text(incoming.body);
            trace_segment_documents(sound.as_bytes())?
        }
    };
    for document in documents {
        push_document(&document, &incoming.headers, sink, &mut unprocessed);
    }
    Ok(unprocessed)
}

/// Pushes what one datagram holds: a document, or OTLP as ADOT sends it from Lambda. One that cannot be read pushes nothing:
/// its neighbours share a sink with it.
pub fn push_datagram(incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
    match datagram(&String::from_utf8_lossy(incoming.body))? {
        Datagram::Document(document) => push_document(document, &incoming.headers, sink, &mut Vec::new()),
        Datagram::Traces { base64, sampled } => {
            let request = decode(base64)?;
            crate::otlp::translate_traces(&request, &mut Nowhere)?;
            match sampled {
                true => crate::otlp::translate_traces(&request, sink)?,
                false => crate::otlp::translate_traces(&request, &mut super::unsampled::Unsampled(sink))?,
            }
        }
        Datagram::Metrics { base64 } => {
            let request = decode(base64)?;
            crate::otlp::translate_metrics(&request, 0, None, &mut Nowhere)?;
            crate::otlp::translate_metrics(&request, 0, None, sink)?;
        }
    }
    Ok(())
}

fn decode(base64: &str) -> Result<Vec<u8>, Failure> {
    BASE64.decode(base64).map_err(|error| Failure::Malformed(format!("cannot read OTLP from datagram: {error}")))
}

/// Converts a document, one segment or an array of them, to spans, parents first, and its exceptions to log records.
///
/// Times: seconds become whole nanoseconds, digit for digit; a missing end means that the segment is in progress.
/// Refuses: what is not JSON; a segment without an id of 16 hex digits, a readable trace id or a start; alone, without
/// its neighbours, and a subsegment without its parent and children.
/// Source: X-Ray segment documents, "Required segment fields".
pub fn push_document(
    document: &str,
    headers: &Headers<'_>,
    sink: &mut dyn RowSink,
    unprocessed: &mut Vec<UnprocessedTraceSegment>,
) {
    let mut walk = Walk { sink, unprocessed, headers, spans_left: SPANS_PER_DOCUMENT_MAX };
    if document.len() > DOCUMENT_BYTES_MAX {
        walk.refuse(None, "SegmentTooLarge", &format!("{} bytes, expected at most {DOCUMENT_BYTES_MAX}", document.len()));
    } else if document.trim_start().starts_with('[') {
        match serde_json::from_str::<Vec<&RawValue>>(&sound_text(document.as_bytes())) {
            Ok(segments) => segments.iter().for_each(|segment| walk.segment(segment.get())),
            Err(error) => walk.refuse(None, "JSONFormatError", &error.to_string()),
        }
    } else {
        walk.segment(document.trim());
    }
}

/// One walk over a document.
struct Walk<'w> {
    sink: &'w mut dyn RowSink,
    unprocessed: &'w mut Vec<UnprocessedTraceSegment>,
    headers: &'w Headers<'w>,
    spans_left: usize,
}

/// What a subsegment has from where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    trace_id: TraceId,
    parent_span_id: Option<SpanId>,
    /// The parent's start, for subsegments that do not tell their own.
    start_time_unix_nano: Option<i64>,
    embedded: bool,
    /// The text, for the top row alone.
    source: Option<&'a str>,
    /// Of the whole document: an ancestor of where an exception was raised knows it by id alone.
    exceptions: &'a Exceptions<'a>,
}

impl Walk<'_> {
    fn segment(&mut self, source: &str) {
        // Python writes NaN where it has no number; the text is kept as it came.
        let sound;
        let json: Result<Value<'_>, _> = match serde_json::from_str(source) {
            Ok(json) => Ok(json),
            Err(_) => {
                sound = sound_text(source.as_bytes());
                serde_json::from_str(&sound)
            }
        };
        let json = match json {
            Ok(json) => json,
            Err(error) => return self.refuse(None, "JSONFormatError", &error.to_string()),
        };
        let Some(document) = json.as_object() else {
            return self.refuse(None, "JSONFormatError", "expected an object");
        };
        let segment = Segment(document);
        let trace_id = match segment.text("trace_id").map(TraceId::parse) {
            Some(Ok(trace_id)) => trace_id,
            Some(Err(error)) => return self.refuse(segment.text("id"), "InvalidTraceId", &error.to_string()),
            None => return self.refuse(segment.text("id"), "MissingTraceId", "expected a member trace_id"),
        };
        let mut exceptions = Exceptions::new();
        collect_exceptions(segment, &mut exceptions);
        let resource = resource_attributes(segment, self.headers);
        self.sink.resource(&Resource { attributes: &resource.0, schema_url: "" });
        let place = Place {
            trace_id,
            parent_span_id: segment.text("parent_id").and_then(|id| SpanId::parse(id).ok()),
            start_time_unix_nano: None,
            embedded: false,
            source: Some(source),
            exceptions: &exceptions,
        };
        self.span(segment, place);
    }

    /// Pushes one span, its exceptions, then its children. The depth is bounded by the JSON reader's own, 128.
    fn span(&mut self, segment: Segment<'_>, place: Place<'_>) {
        let (span_id, start) = match (required_id(segment), required_start(segment, place)) {
            (Ok(span_id), Ok(start)) => (span_id, start),
            (Err((code, reason)), _) | (_, Err((code, reason))) => {
                return self.refuse(segment.text("id"), code, &reason);
            }
        };
        self.spans_left = self.spans_left.saturating_sub(1);
        let end = segment.seconds("end_time").and_then(nanos_from_seconds);
        let failed = segment.flag("fault") == Some(true) || segment.flag("error") == Some(true);
        let mut attributes = span_attributes(segment, place.embedded);
        let status_message = status_message(segment, place.exceptions, &mut attributes);
        let (links, dropped_links_count) = links(segment);
        let mut span = Span::new(place.trace_id, span_id, segment.text("name").unwrap_or("unknown"));
        span.start_time_unix_nano = start;
        span.duration_ns = end.map_or(0, |end| end.saturating_sub(start).max(0));
        span.parent_span_id = place.parent_span_id.filter(|parent| *parent != span_id);
        span.kind = kind(segment, place.embedded);
        span.status_code = if failed { StatusCode::Error } else { StatusCode::Unset };
        span.status_message = &status_message;
        span.in_progress = end.is_none();
        span.links = &links;
        span.dropped_links_count = dropped_links_count;
        span.source = place.source;
        span.dropped_attributes_count = attributes.truncate(ATTRIBUTES_PER_RECORD_MAX);
        span.attributes = &attributes.0;
        self.sink.span(&span);
        self.exceptions(segment, &span, end.unwrap_or(start).max(start));
        let below =
            Place { parent_span_id: Some(span_id), start_time_unix_nano: Some(start), embedded: true, source: None, ..place };
        let children = segment.list("subsegments");
        for (index, child) in children.iter().enumerate() {
            if self.spans_left == 0 {
                return self.refuse_rest(segment, children.len() - index);
            }
            match child.as_object() {
                Some(child) => self.span(Segment(child), below),
                None => self.refuse(None, "JSONFormatError", "expected a subsegment to be an object"),
            }
        }
    }

    fn exceptions(&mut self, segment: Segment<'_>, span: &Span<'_>, time_unix_nano: i64) {
        let Cause::Exceptions(cause) = segment.cause() else { return };
        for exception in CauseException::all(cause) {
            let mut attributes = Attributes::default();
            attributes.json("aws.xray.exception.id", exception.0.get("id"));
            attributes.json("aws.xray.exception.remote", exception.0.get("remote"));
            attributes.json("aws.xray.exception.truncated", exception.0.get("truncated"));
            attributes.json("aws.xray.exception.skipped", exception.0.get("skipped"));
            attributes.json("aws.xray.exception.cause", exception.0.get("cause"));
            self.sink.log(&LogRecord {
                time_unix_nano,
                trace_id: Some(span.trace_id),
                span_id: Some(span.span_id),
                severity_number: SEVERITY_ERROR,
                event_name: "exception",
                body: Cow::Borrowed(Some(exception.text("message")).filter(|text| !text.is_empty()).unwrap_or("exception")),
                exception: Some(Exception {
                    r#type: Cow::Borrowed(exception.text("type")),
                    message: Cow::Borrowed(exception.text("message")),
                    stacktrace: Cow::Owned(stacktrace(exception)),
                    ..Exception::default()
                }),
                sample_rate: span.sample_rate,
                attributes: &attributes.0,
                ..LogRecord::default()
            });
        }
    }

    fn refuse(&mut self, id: Option<&str>, error_code: &'static str, reason: &str) {
        let message = format!("Invalid segment. ErrorCode: {error_code}: {reason}");
        self.sink.refuse(Refusal::one(Signal::Spans, format!("{error_code}: {reason}")));
        if self.unprocessed.len() < UNPROCESSED_PER_CALL_MAX {
            let id = id.map(|id| id.chars().take(ID_SHOWN_CHARS_MAX).collect());
            self.unprocessed.push(UnprocessedTraceSegment { id, error_code, message });
        }
    }

    /// Subsegments past the limit, told once for all that stand under one parent.
    fn refuse_rest(&mut self, parent: Segment<'_>, count: usize) {
        let reason = format!("{count} subsegments left out, expected at most {SPANS_PER_DOCUMENT_MAX} spans in one document");
        self.refuse(parent.text("id"), "SegmentTooLarge", &reason);
    }
}

type Wrong = (&'static str, String);

fn required_id(segment: Segment<'_>) -> Result<SpanId, Wrong> {
    let id = segment.text("id").ok_or_else(|| ("MissingId", "expected a member id".to_owned()))?;
    SpanId::parse(id).map_err(|error| ("InvalidId", error.to_string()))
}

fn required_start(segment: Segment<'_>, place: Place<'_>) -> Result<i64, Wrong> {
    match segment.seconds("start_time") {
        Some(seconds) => nanos_from_seconds(seconds)
            .ok_or_else(|| ("InvalidStartTime", format!("cannot read a time from {seconds}: expected epoch seconds"))),
        None => place.start_time_unix_nano.ok_or_else(|| ("MissingStartTime", "expected a member start_time".to_owned())),
    }
}

/// A document is what served a request; a subsegment that calls another service is a client; the rest happens inside.
/// Python writes the namespace `local`, which means no more than none.
fn kind(segment: Segment<'_>, embedded: bool) -> SpanKind {
    let request = segment.object("http").and_then(|http| http.get("request"));
    let served = request.and_then(|request| request.get("client_ip")).is_some();
    let subsegment = embedded || segment.is_subsegment();
    match segment.text("namespace") {
        _ if served || !subsegment => SpanKind::Server,
        Some("aws" | "remote") => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

/// What the exception says, looked up in the document where the segment only names it by id.
fn status_message(segment: Segment<'_>, exceptions: &Exceptions<'_>, attributes: &mut Attributes<'_>) -> String {
    match segment.cause() {
        Cause::None => String::new(),
        Cause::Exception { id } => {
            attributes.owned("aws.xray.cause.id", id.to_owned());
            exceptions.get(id).map(CauseException::headline).unwrap_or_default()
        }
        Cause::Exceptions(cause) => CauseException::all(cause).next().map(|first| first.headline()).unwrap_or_default(),
    }
}

/// Every exception told in a document, by its id.
type Exceptions<'a> = HashMap<&'a str, CauseException<'a>>;

fn collect_exceptions<'a>(segment: Segment<'a>, out: &mut Exceptions<'a>) {
    if let Cause::Exceptions(cause) = segment.cause() {
        out.extend(CauseException::all(cause).map(|exception| (exception.text("id"), exception)));
    }
    let children = segment.list("subsegments").iter().filter_map(Value::as_object);
    children.for_each(|child| collect_exceptions(Segment(child), out));
}

/// Links that name a trace and a segment; others, and those past the limit, are counted as dropped.
fn links(segment: Segment<'_>) -> (Vec<SpanLink<'_>>, u32) {
    let told = segment.list("links");
    let links: Vec<_> = told.iter().filter_map(Value::as_object).filter_map(link).take(LINKS_PER_SPAN_MAX).collect();
    let dropped = told.len() - links.len();
    (links, dropped as u32)
}

fn link<'a>(json: &'a Map<'a>) -> Option<SpanLink<'a>> {
    let mut attributes = Attributes::default();
    if let Some(told) = json.get("attributes").and_then(Value::as_object) {
        told.iter().for_each(|(key, value)| attributes.json(key, Some(value)));
    }
    Some(SpanLink {
        trace_id: TraceId::parse(text(json, "trace_id")?).ok()?,
        span_id: SpanId::parse(text(json, "id")?).ok()?,
        trace_state: "",
        attributes: attributes.0,
    })
}

/// Pushes the daemon's counters as deltas, so that what it dropped can be charted.
///
/// Times: seconds; a record without a readable one counts as told when it arrived.
/// Refuses: a record that is not an object.
pub fn push_telemetry_records(incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
    let request = put_telemetry_records(incoming.body)?;
    let resource = daemon_resource(&request, &incoming.headers);
    sink.resource(&Resource { attributes: &resource.0, schema_url: "" });
    for record in request.records.iter().flatten() {
        match record.as_object() {
            Some(record) => push_telemetry_record(record, incoming.received_at_unix_nano, sink),
            None => sink.refuse(Refusal::one(Signal::Metrics, "expected a telemetry record to be an object")),
        }
    }
    Ok(())
}

fn daemon_resource<'a>(request: &'a PutTelemetryRecords<'_>, headers: &Headers<'a>) -> Attributes<'a> {
    let mut attributes = Attributes::default();
    attributes.str("service.name", Some(DAEMON_SERVICE));
    attributes.str("host.name", request.hostname.as_deref());
    attributes.str("host.id", request.ec2_instance_id.as_deref());
    attributes.str("cloud.resource_id", request.resource_arn.as_deref());
    attributes.caller(headers);
    attributes
}

/// Member, metric, description.
const SEGMENT_COUNTERS: [(&str, &str, &str); 4] = [
    ("SegmentsReceivedCount", "aws.xray.daemon.segments.received", "Segments the daemon received"),
    ("SegmentsSentCount", "aws.xray.daemon.segments.sent", "Segments the daemon sent on"),
    ("SegmentsSpilloverCount", "aws.xray.daemon.segments.spillover", "Segments dropped because the daemon's buffers were full"),
    ("SegmentsRejectedCount", "aws.xray.daemon.segments.rejected", "Segments the service refused"),
];

/// Member, value of `error.type`.
const CONNECTION_ERRORS: [(&str, &str); 6] = [
    ("TimeoutCount", "timeout"),
    ("ConnectionRefusedCount", "connection_refused"),
    ("HTTPCode4XXCount", "http_4xx"),
    ("HTTPCode5XXCount", "http_5xx"),
    ("UnknownHostCount", "unknown_host"),
    ("OtherCount", "_OTHER"),
];

fn push_telemetry_record(record: &Map<'_>, received_at_unix_nano: i64, sink: &mut dyn RowSink) {
    let told = record.get("Timestamp").and_then(number).and_then(nanos_from_seconds);
    let time_unix_nano = told.unwrap_or(received_at_unix_nano);
    for (member, metric, description) in SEGMENT_COUNTERS {
        if let Some(count) = record.get(member).and_then(integer) {
            sink.data_point(&counter(metric, description, "{segment}", time_unix_nano, count, &[]));
        }
    }
    let Some(errors) = record.get("BackendConnectionErrors").and_then(Value::as_object) else { return };
    for (member, kind) in CONNECTION_ERRORS {
        if let Some(count) = errors.get(member).and_then(integer) {
            let attributes = [Attribute::str("error.type", kind)];
            let description = "Calls of the daemon that failed";
            let metric = "aws.xray.daemon.connection_errors";
            sink.data_point(&counter(metric, description, "{error}", time_unix_nano, count, &attributes));
        }
    }
}

fn counter<'a>(
    metric: &'a str,
    description: &'a str,
    unit: &'a str,
    time_unix_nano: i64,
    count: i64,
    attributes: &'a [Attribute<'a>],
) -> DataPoint<'a> {
    DataPoint {
        metric,
        description,
        unit,
        r#type: DataPointType::Sum,
        temporality: Temporality::Delta,
        is_monotonic: true,
        start_time_unix_nano: 0,
        time_unix_nano,
        flags: 0,
        value: Some(count as f64),
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: Cow::Borrowed(""),
        exemplars: Cow::Borrowed(""),
        attributes,
    }
}
