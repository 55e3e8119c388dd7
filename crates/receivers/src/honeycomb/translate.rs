//! Honeycomb's events -> spans and log records.

use std::borrow::Cow;

use model::limits::ATTRIBUTES_PER_RECORD_MAX;
use model::{
    Attribute, Exception, LogRecord, Refusal, Resource, RowSink, Scope, Signal, Span, SpanId, SpanKind, StatusCode, TraceId,
    Value, flatten_json,
};
use serde_json::{Map, Value as Json};

use super::ids::{self, Read};
use super::wire::{Event, Refused, for_each_event, number};
use crate::incoming::Incoming;
use crate::receiver::Failure;

/// Which fields mean what: the defaults of Honeycomb's dataset definitions; the first one present counts.
const DURATION_MS: &[&str] = &["duration_ms", "durationMs"];
const NAME: &[&str] = &["name"];
const SERVICE_NAME: &[&str] = &["service.name", "service_name", "serviceName"];
const SPAN_KIND: &[&str] = &["span.kind", "type", "kind"];
const SEVERITY: &[&str] = &["severity", "severity_text", "level", "log.level"];
/// Ids of trace, span and parent; they are written in one style, so that an `id` of something else is not taken for a span's.
const IDS: &[[&[&str]; 3]] = &[
    [&["trace.trace_id"], &["trace.span_id"], &["trace.parent_id"]],
    [&["traceId"], &["spanId", "id"], &["parentId"]],
    [&["trace_id"], &["span_id"], &["parent_id"]],
];
/// The text of a line.
const TEXT: &[&str] = &["body", "message", "msg", "log"];

/// The rows of `POST /1/events/{dataset}` and `POST /1/batch/{dataset}`, one per event, in their order.
///
/// A single event that cannot be kept fails the request; in a batch it is refused by itself.
pub fn push_events(incoming: &Incoming<'_>, batch: bool, sink: &mut dyn RowSink) -> Result<(), Failure> {
    let mut resources = Resources::of(incoming.rest.trim_matches('/').trim());
    if resources.dataset.is_empty() {
        return Err(Failure::Invalid("dataset name is missing from the path".to_owned()));
    }
    let mut refused_alone = None;
    let mut position = 0u64;
    for_each_event(incoming, batch, &mut |event| {
        match event {
            Ok(event) => push_event(event, position, incoming.received_at_unix_nano, &mut resources, sink),
            Err(reason) if batch => sink.refuse(Refusal::one(Signal::Logs, reason)),
            Err(reason) => refused_alone = Some(reason),
        }
        position += 1;
    })?;
    match refused_alone {
        Some(reason) => Err(Failure::Invalid(reason.into_owned())),
        None => Ok(()),
    }
}

/// What became of each event of a batch, by position.
pub fn verdicts(incoming: &Incoming<'_>) -> Vec<Option<Refused>> {
    let mut verdicts = Vec::new();
    // The request was readable when it was translated, so it is now.
    let _ = for_each_event(incoming, true, &mut |event| verdicts.push(event.err()));
    verdicts
}

/// Names the resource anew only where the service changes.
pub struct Resources<'a> {
    dataset: &'a str,
    service: Option<String>,
}

impl<'a> Resources<'a> {
    pub fn of(dataset: &'a str) -> Resources<'a> {
        Resources { dataset, service: None }
    }

    fn push(&mut self, service: Option<&str>, sink: &mut dyn RowSink) {
        let service = service.unwrap_or(self.dataset);
        if self.service.as_deref() == Some(service) {
            return;
        }
        let attributes = [Attribute::str("service.name", service), Attribute::str("honeycomb.dataset", self.dataset)];
        sink.resource(&Resource { attributes: &attributes, schema_url: "" });
        sink.scope(&Scope::default());
        self.service = Some(service.to_owned());
    }
}

pub fn push_event(
    event: Event,
    position: u64,
    received_at_unix_nano: i64,
    resources: &mut Resources<'_>,
    sink: &mut dyn RowSink,
) {
    let mut fields = Fields { data: &event.data, used: Vec::new(), attributes: Vec::new() };
    resources.push(fields.take_text(SERVICE_NAME), sink);
    // Beelines send the name twice.
    fields.use_if("service_name", |value| value.as_str() == resources.service.as_deref());
    fields.use_if("meta.signal_type", |value| matches!(value.as_str(), Some("trace" | "log")));
    if let Some(time) = &event.unread_time {
        flatten_json("honeycomb.time".into(), time, &mut fields.attributes);
    }
    let ids = Ids::take(&mut fields);
    let is_annotation = matches!(fields.text("meta.annotation_type"), Some("span_event" | "link"));
    let duration_ms = fields.first(DURATION_MS).and_then(|(_, value)| number(value));
    let time_unix_nano = event.time_unix_nano.unwrap_or(received_at_unix_nano);
    match (ids.trace_id, duration_ms) {
        (Some(trace_id), Some(duration_ms)) if !is_annotation => {
            let span_id = ids.span_id.or_else(|| made_up_span_id(&event.data, position));
            // The hash of one text in 2^64 is no id; such an event becomes a log record.
            match span_id {
                Some(span_id) => {
                    push_span(&event, fields, (trace_id, span_id, ids.parent_id), (time_unix_nano, duration_ms), sink)
                }
                None => push_log(&event, fields, &ids, is_annotation, time_unix_nano, sink),
            }
        }
        _ => push_log(&event, fields, &ids, is_annotation, time_unix_nano, sink),
    }
}

/// A span without an id cannot have children; its own must only be its own.
fn made_up_span_id(data: &Map<String, Json>, position: u64) -> Option<SpanId> {
    let text = serde_json::to_string(data).unwrap_or_default();
    SpanId::from_bytes(&xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), position).to_be_bytes())
}

#[derive(Clone, Copy)]
struct Ids {
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    parent_id: Option<SpanId>,
}

impl Ids {
    fn take(fields: &mut Fields<'_>) -> Ids {
        for [trace, span, parent] in IDS {
            if let Some(trace_id) = fields.take_id(trace, "honeycomb.trace.trace_id", ids::trace_id) {
                return Ids {
                    trace_id: Some(trace_id),
                    span_id: fields.take_id(span, "honeycomb.trace.span_id", ids::span_id),
                    parent_id: fields.take_id(parent, "honeycomb.trace.parent_id", ids::span_id),
                };
            }
        }
        Ids { trace_id: None, span_id: None, parent_id: None }
    }
}

fn push_span(
    event: &Event,
    mut fields: Fields<'_>,
    (trace_id, span_id, parent_span_id): (TraceId, SpanId, Option<SpanId>),
    (start_time_unix_nano, duration_ms): (i64, f64),
    sink: &mut dyn RowSink,
) {
    fields.take(DURATION_MS);
    if duration_ms < 0.0 {
        fields.attributes.push(Attribute::new("meta.invalid_duration", Value::Bool(true)));
    }
    let name = fields.take_text(NAME).unwrap_or("unnamed");
    let kind = fields.take_kind();
    let (status_code, status_message) = fields.take_status();
    let (attributes, dropped_attributes_count) = fields.rest();
    sink.span(&Span {
        start_time_unix_nano,
        // The cast saturates; so does what no clock can say.
        duration_ns: (duration_ms.max(0.0) * 1e6).round() as i64,
        parent_span_id: parent_span_id.filter(|parent| *parent != span_id),
        kind,
        status_code,
        status_message: &status_message,
        dropped_attributes_count,
        sample_rate: event.sample_rate,
        attributes: &attributes,
        ..Span::new(trace_id, span_id, name)
    });
}

fn push_log(event: &Event, mut fields: Fields<'_>, ids: &Ids, is_annotation: bool, time_unix_nano: i64, sink: &mut dyn RowSink) {
    let (severity_number, severity_text) = fields.take_severity();
    let exception = fields.take_exception();
    let event_name = match fields.text("meta.annotation_type") {
        _ if exception.is_some() => "exception",
        Some("link") => "link",
        Some("span_event") => fields.text("name").unwrap_or_default(),
        _ => "",
    };
    let body = match &exception {
        Some(exception) => fields.text("body").map_or_else(|| exception.message.clone(), Cow::Borrowed),
        None => fields.body(event_name),
    };
    fields.use_if("body", Json::is_string);
    if is_annotation {
        fields.use_if("meta.annotation_type", |_| true);
        fields.use_if("name", |value| value.as_str() == Some(event_name));
    }
    let (attributes, dropped_attributes_count) = fields.rest();
    sink.log(&LogRecord {
        time_unix_nano,
        trace_id: ids.trace_id,
        // An annotation hangs on the span it names as its parent.
        span_id: if is_annotation { ids.parent_id.or(ids.span_id) } else { ids.span_id.or(ids.parent_id) },
        severity_number,
        severity_text: severity_text.into(),
        event_name,
        body,
        exception,
        dropped_attributes_count,
        sample_rate: event.sample_rate,
        attributes: &attributes,
        ..LogRecord::default()
    });
}

/// The fields of an event while they are given their places; what has none becomes an attribute.
struct Fields<'e> {
    data: &'e Map<String, Json>,
    used: Vec<&'static str>,
    attributes: Vec<Attribute<'e>>,
}

impl<'e> Fields<'e> {
    /// The first of `names` that is there and not null.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, &'e Json)> {
        names.iter().find_map(|name| self.data.get(*name).filter(|value| !value.is_null()).map(|value| (*name, value)))
    }

    fn take(&mut self, names: &[&'static str]) -> Option<&'e Json> {
        let (name, value) = self.first(names)?;
        self.used.push(name);
        Some(value)
    }

    fn use_if(&mut self, name: &'static str, condition: impl FnOnce(&'e Json) -> bool) {
        if self.data.get(name).is_some_and(condition) {
            self.used.push(name);
        }
    }

    /// A text that is not blank.
    fn text(&self, name: &str) -> Option<&'e str> {
        self.data.get(name)?.as_str().filter(|text| !text.trim().is_empty())
    }

    fn take_text(&mut self, names: &[&'static str]) -> Option<&'e str> {
        let (name, text) = names.iter().find_map(|name| Some((*name, self.text(name)?)))?;
        self.used.push(name);
        Some(text)
    }

    /// An id; where it is a hash, the text it was made from is kept under `kept_as`.
    fn take_id<T>(&mut self, names: &[&'static str], kept_as: &'static str, read: fn(&Json) -> Option<Read<T>>) -> Option<T> {
        let (name, value) = self.first(names)?;
        let Read { id, original } = read(value)?;
        self.used.push(name);
        if let Some(original) = original {
            self.attributes.push(Attribute::new(kept_as, Value::Str(original.into())));
        }
        Some(id)
    }

    /// A field that says something else than a kind stays an attribute: `type` often does.
    fn take_kind(&mut self) -> SpanKind {
        let kinds = [
            SpanKind::Server,
            SpanKind::Client,
            SpanKind::Producer,
            SpanKind::Consumer,
            SpanKind::Internal,
            SpanKind::Unspecified,
        ];
        let named = |value: &Json| {
            kinds.into_iter().find(|kind| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(kind.as_str())))
        };
        let found = SPAN_KIND.iter().find_map(|name| named(self.data.get(*name)?));
        let Some(kind) = found else { return SpanKind::Unspecified };
        for name in SPAN_KIND {
            self.use_if(name, |value| named(value) == Some(kind));
        }
        kind
    }

    /// `error` as a flag or as a text, `status_code` in OpenTelemetry's numbers, `status_message`.
    fn take_status(&mut self) -> (StatusCode, Cow<'e, str>) {
        let mut code = StatusCode::Unset;
        let mut message = Cow::Borrowed(self.take_text(&["status_message"]).unwrap_or_default());
        let number = self.data.get("status_code").and_then(Json::as_i64).filter(|number| (0..=2).contains(number));
        if let Some(number) = number {
            code = StatusCode::from_otlp(number);
            self.used.push("status_code");
        }
        let Some(error) = self.take(&["error"]) else { return (code, message) };
        let text = error.as_str().map(str::trim);
        match error {
            Json::Bool(false) => return (code, message),
            Json::Bool(true) => {}
            _ if matches!(text, Some("" | "false" | "0")) || number_is_zero(error) => return (code, message),
            _ if text == Some("true") => {}
            _ if message.is_empty() => message = text.map_or_else(|| error.to_string().into(), Cow::Borrowed),
            _ => flatten_json("honeycomb.error".into(), error, &mut self.attributes),
        }
        code = StatusCode::Error;
        (code, message)
    }

    fn take_severity(&mut self) -> (i32, &'e str) {
        let code = self.data.get("severity_code").and_then(Json::as_i64).filter(|code| (1..=24).contains(code));
        let text = SEVERITY.iter().find_map(|name| Some((*name, self.text(name)?)));
        let number = code.map(|code| code as i32).or_else(|| severity_number(text?.1));
        if code.is_some() {
            self.used.push("severity_code");
        }
        // `level` is a word of many meanings; where it was read as a severity it is kept as well.
        if let Some((name @ ("severity" | "severity_text"), _)) = text {
            self.used.push(name);
        }
        match (number, text) {
            (Some(number), text) => (number, text.map_or("", |(_, text)| text)),
            (None, Some((name, text))) if name.starts_with("severity") => (0, text),
            (None, _) if self.data.get("error").and_then(Json::as_bool) == Some(true) => (17, "error"),
            (None, _) => (0, ""),
        }
    }

    fn take_exception(&mut self) -> Option<Exception<'e>> {
        if self.text("exception.type").is_none() && self.text("exception.message").is_none() {
            return None;
        }
        let mut part = |name: &'static str| Cow::Borrowed(self.take_text(&[name]).unwrap_or_default());
        let (r#type, message) = (part("exception.type"), part("exception.message"));
        Some(Exception { r#type, message, stacktrace: part("exception.stacktrace"), ..Exception::default() })
    }

    /// A text that says what happened; else, for what has no name as an event, its name, or all fields as JSON.
    fn body(&self, event_name: &str) -> Cow<'e, str> {
        match TEXT.iter().find_map(|name| self.text(name)) {
            Some(text) => Cow::Borrowed(text),
            None if !event_name.is_empty() => Cow::Borrowed(""),
            None => self.text("name").map_or_else(|| serde_json::to_string(self.data).unwrap_or_default().into(), Cow::Borrowed),
        }
    }

    /// The attributes, and how many were too many: nested fields may be more than the fields of the event.
    fn rest(mut self) -> (Vec<Attribute<'e>>, u32) {
        for (key, value) in self.data.iter().filter(|(key, _)| !self.used.contains(&key.as_str())) {
            flatten_json(Cow::Borrowed(key.as_str()), value, &mut self.attributes);
        }
        let dropped = self.attributes.len().saturating_sub(ATTRIBUTES_PER_RECORD_MAX);
        self.attributes.truncate(ATTRIBUTES_PER_RECORD_MAX);
        (self.attributes, dropped as u32)
    }
}

fn number_is_zero(value: &Json) -> bool {
    value.as_f64() == Some(0.0)
}

fn severity_number(text: &str) -> Option<i32> {
    Some(match text.to_ascii_lowercase().as_str() {
        "trace" => 1,
        "debug" => 5,
        "info" | "information" => 9,
        "notice" => 10,
        "warn" | "warning" => 13,
        "error" | "err" => 17,
        "critical" | "crit" => 18,
        "fatal" | "panic" | "alert" | "emergency" | "emerg" => 21,
        _ => return None,
    })
}
