//! Events, which are errors and messages -> log records.

use model::{Exception, LogRecord, RowSink};
use serde_json::{Value as Json, json};

use super::envelope::Envelope;
use super::fields::{Attributes, Object, Origin, Place, sender_address, span_id, tags, text, time, trace_context, trace_id};
use crate::stack_text::{Call, Thrown, headline, stacktrace};

/// Exceptions of a chain and frames of each that are printed; SDKs cut at 100 to 250.
const CHAIN_LINKS_MAX: usize = 64;
const FRAMES_MAX: usize = 1_000;

/// Pushes one event. Times: `timestamp`, else the arrival.
pub fn push(event: &Object, source: &str, envelope: &Envelope<'_>, place: &Place<'_>, sink: &mut dyn RowSink) {
    let chain = exceptions(event);
    let platform = text(event, "platform").unwrap_or_default();
    let message = message(event);
    let (severity_number, severity_text) = severity(event, !chain.is_empty());
    let fingerprint = fingerprint(event);
    let exception = match chain.first() {
        Some(latest) => Exception {
            r#type: latest.r#type.into(),
            message: latest.message.into(),
            stacktrace: stacktrace(&chain, &platform).into(),
            fingerprint: fingerprint.map(Into::into),
            group: None,
        },
        None => Exception {
            message: message.clone().into(),
            stacktrace: stacktrace(&threads(event), &platform).into(),
            fingerprint: fingerprint.map(Into::into),
            ..Exception::default()
        },
    };
    let body = match chain.first() {
        Some(latest) => headline(latest.r#type, latest.message),
        None => message,
    };
    let trace = trace_context(event);
    let attributes = attributes(event, envelope, place);
    Origin::of_event(event).push(place, sink);
    sink.log(&LogRecord {
        time_unix_nano: time(event.get("timestamp")).unwrap_or(place.incoming.received_at_unix_nano),
        trace_id: trace.and_then(trace_id),
        span_id: trace.and_then(|trace| span_id(trace, "span_id")),
        severity_number,
        severity_text: severity_text.into(),
        event_name: if chain.is_empty() { "message" } else { "exception" },
        body: body.into(),
        exception: Some(exception),
        source: Some(source.trim()),
        attributes: &attributes,
        ..LogRecord::default()
    });
}

fn severity(event: &Object, is_exception: bool) -> (i32, String) {
    let default = if is_exception { "error" } else { "info" };
    let level = text(event, "level").unwrap_or_else(|| default.to_owned()).to_ascii_lowercase();
    (severity_number(&level), level)
}

pub fn severity_number(level: &str) -> i32 {
    match level {
        "fatal" | "critical" => 21,
        "error" => 17,
        "warning" | "warn" => 13,
        "info" | "log" => 9,
        "debug" => 5,
        "trace" => 1,
        _ => 0,
    }
}

/// What was said: with its parameters put in where the client did so.
fn message(event: &Object) -> String {
    let of_entry = |key| event.get("logentry").and_then(|entry| entry.get(key)).and_then(Json::as_str);
    let of_event = || match event.get("message")? {
        Json::String(text) => Some(text.as_str()),
        other => other.get("formatted").or_else(|| other.get("message"))?.as_str(),
    };
    of_entry("formatted").or_else(|| of_entry("message")).or_else(of_event).unwrap_or_default().to_owned()
}

/// What the client groups by: its parts in one text. `{{ default }}` alone says nothing.
fn fingerprint(event: &Object) -> Option<String> {
    let parts: Vec<&str> = event.get("fingerprint")?.as_array()?.iter().filter_map(Json::as_str).collect();
    let is_default = |part: &str| part.replace(' ', "") == "{{default}}";
    match parts.as_slice() {
        [] => None,
        [only] if is_default(only) => None,
        parts => {
            let parts = parts.iter().map(|part| if is_default(part) { "{{default_fingerprint}}" } else { part });
            Some(parts.collect::<Vec<_>>().join(" "))
        }
    }
}

/// The chain, latest exception first.
fn exceptions(event: &Object) -> Vec<Thrown<'_>> {
    let values = match event.get("exception") {
        Some(Json::Array(values)) => values.as_slice(),
        Some(Json::Object(exception)) => exception.get("values").and_then(Json::as_array).map_or(&[][..], Vec::as_slice),
        _ => &[],
    };
    values.iter().rev().take(CHAIN_LINKS_MAX).map(thrown).collect()
}

/// Where a message was told, from the thread that told it.
fn threads(event: &Object) -> Vec<Thrown<'_>> {
    let threads = event.get("threads").and_then(|threads| threads.get("values")).and_then(Json::as_array);
    let current = threads.into_iter().flatten().find(|thread| thread.get("stacktrace").is_some_and(Json::is_object));
    let of_event = || event.get("stacktrace").map(|stacktrace| Thrown { calls: calls(Some(stacktrace)), ..Thrown::default() });
    current.map(thrown).or_else(of_event).into_iter().collect()
}

fn thrown(value: &Json) -> Thrown<'_> {
    let member = |key| value.get(key).and_then(Json::as_str).unwrap_or_default();
    Thrown { r#type: member("type"), message: member("value"), calls: calls(value.get("stacktrace")) }
}

fn calls(stacktrace: Option<&Json>) -> Vec<Call<'_>> {
    let frames = stacktrace.and_then(|stacktrace| stacktrace.get("frames")).and_then(Json::as_array);
    let frames = frames.map_or(&[][..], Vec::as_slice);
    frames[frames.len().saturating_sub(FRAMES_MAX)..].iter().map(call).collect()
}

fn call(frame: &Json) -> Call<'_> {
    let member = |key| frame.get(key).and_then(Json::as_str).unwrap_or_default();
    let number = |key| frame.get(key).and_then(Json::as_u64).and_then(|number| u32::try_from(number).ok());
    let (whole, short) = (member("abs_path"), member("filename"));
    // The whole path tells what is a library's; the JVM's frames have a class instead.
    let file = if whole.contains(['/', '\\']) || short.is_empty() { whole } else { short };
    let is_of_class = file.ends_with(".java") || file.ends_with(".kt") || file.is_empty() || member("module").contains('/');
    Call {
        file,
        line: number("lineno"),
        column: number("colno"),
        function: member("function"),
        class: if is_of_class { member("module") } else { "" },
        code: member("context_line").trim(),
    }
}

fn attributes(event: &Object, envelope: &Envelope<'_>, place: &Place<'_>) -> Vec<model::Attribute<'static>> {
    let mut out = Attributes::default();
    let event_id = text(event, "event_id").or_else(|| envelope.event_id());
    out.text("sentry.event_id", event_id);
    for key in ["transaction", "logger", "culprit", "dist", "level"] {
        out.text(&format!("sentry.{key}"), text(event, key));
    }
    out.person_and_request(event);
    out.text("client.address", sender_address(event, place));
    for (key, value) in tags(event) {
        out.text(&format!("sentry.tags.{key}"), Some(value));
    }
    out.json("sentry.extra", event.get("extra"));
    for (name, context) in event.get("contexts").and_then(Json::as_object).into_iter().flatten() {
        match name.as_str() {
            "trace" => out.text("sentry.op", context.get("op").and_then(Json::as_str).map(str::to_owned)),
            "runtime" => {
                out.text("process.runtime.name", context.get("name").and_then(super::fields::text_of));
                out.text("process.runtime.version", context.get("version").and_then(super::fields::text_of));
            }
            name => out.json(&format!("sentry.contexts.{name}"), Some(context)),
        }
    }
    let mechanism = last_exception(event).and_then(|exception| exception.get("mechanism"));
    out.json("sentry.mechanism.type", mechanism.and_then(|mechanism| mechanism.get("type")));
    out.json("sentry.mechanism.handled", mechanism.and_then(|mechanism| mechanism.get("handled")));
    let attached: Vec<Json> = envelope.items.iter().filter(|item| item.kind == "attachment").map(attachment).collect();
    if !attached.is_empty() {
        out.json("sentry.attachments", Some(&attached.into()));
    }
    out.0
}

fn last_exception(event: &Object) -> Option<&Json> {
    event.get("exception")?.get("values")?.as_array()?.last()
}

fn attachment(item: &super::envelope::Item<'_>) -> Json {
    json!({ "filename": item.header.get("filename"), "content_type": item.header.get("content_type"), "bytes": item.payload.len() })
}
