//! Transactions and spans -> spans.

use model::{Refusal, RowSink, Signal, Span, SpanKind, StatusCode, TraceId};
use serde_json::Value as Json;

use super::envelope::Envelope;
use super::fields::{Attributes, Object, Origin, Place, sender_address, span_id, tags, text, time, trace_context, trace_id};

/// Spans of one transaction or batch; SDKs cut at a thousand.
const SPANS_MAX: usize = 10_000;

/// Pushes the transaction's own span and those within it.
pub fn push(transaction: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    let Some(trace) = trace_context(transaction) else {
        return refuse(sink, "transaction: expected contexts.trace");
    };
    let Some((trace_id, own_id)) = trace_id(trace).zip(span_id(trace, "span_id")) else {
        return refuse(sink, "transaction: expected a trace id and a span id in contexts.trace");
    };
    let mut out = Attributes::default();
    out.text("sentry.event_id", text(transaction, "event_id"));
    out.text("sentry.op", text(trace, "op"));
    out.text("sentry.origin", text(trace, "origin"));
    out.text(
        "sentry.transaction.source",
        transaction.get("transaction_info").and_then(|info| info.get("source")).and_then(super::fields::text_of),
    );
    out.members(trace.get("data"));
    let told: Vec<String> = out.0.iter().map(|attribute| attribute.key.to_string()).collect();
    let mut more = Attributes::default();
    more.person_and_request(transaction);
    more.text("client.address", sender_address(transaction, place));
    out.0.extend(more.0.into_iter().filter(|attribute| !told.iter().any(|key| *key == attribute.key)));
    for (key, value) in tags(transaction) {
        out.text(&format!("sentry.tags.{key}"), Some(value));
    }
    for (name, measured) in transaction.get("measurements").and_then(Json::as_object).into_iter().flatten() {
        out.json(&format!("sentry.measurements.{name}"), measured.get("value"));
    }
    Origin::of_event(transaction).push(place, sink);
    let name = text(transaction, "transaction").unwrap_or_else(|| "unnamed".to_owned());
    let status = text(trace, "status").unwrap_or_default();
    let (start, duration_ns) = times(transaction, "timestamp", place);
    sink.span(&Span {
        start_time_unix_nano: start,
        duration_ns,
        parent_span_id: span_id(trace, "parent_span_id"),
        kind: kind(&text(trace, "op").unwrap_or_default(), true),
        status_code: status_code(&status),
        status_message: error_message(&status),
        attributes: &out.0,
        ..Span::new(trace_id, own_id, &name)
    });
    let spans = transaction.get("spans").and_then(Json::as_array);
    for span in spans.into_iter().flatten().take(SPANS_MAX) {
        push_span(span.as_object(), Some(trace_id), place, sink);
    }
}

/// Pushes what an item `span` holds: one, or many in `items`.
pub fn push_spans(item: &Object, envelope: &Envelope<'_>, place: &Place<'_>, sink: &mut dyn RowSink) {
    let one = [Json::Object(item.clone())];
    let spans = item.get("items").and_then(Json::as_array).map_or(&one[..], Vec::as_slice);
    for span in spans.iter().take(SPANS_MAX) {
        let told = |key: &str, named: &str| {
            let typed = span.get("attributes").and_then(|attributes| attributes.get(key));
            typed
                .and_then(|value| super::fields::text_of(value.get("value").unwrap_or(value)))
                .or_else(|| envelope.trace(named).map(str::to_owned))
        };
        let origin = Origin {
            release: told("sentry.release", "release"),
            environment: told("sentry.environment", "environment"),
            server_name: told("server.address", ""),
            service: told("service.name", ""),
            sdk_name: told("sentry.sdk.name", ""),
            sdk_version: told("sentry.sdk.version", ""),
            platform: None,
        };
        origin.push(place, sink);
        push_span(span.as_object(), None, place, sink);
    }
}

fn push_span(span: Option<&Object>, of_transaction: Option<TraceId>, place: &Place<'_>, sink: &mut dyn RowSink) {
    let Some(span) = span else { return refuse(sink, "span: expected a JSON object") };
    let Some((trace_id, own_id)) = trace_id(span).or(of_transaction).zip(span_id(span, "span_id")) else {
        return refuse(sink, "span: expected a trace id and a span id");
    };
    let op = text(span, "op").unwrap_or_default();
    let mut out = Attributes::default();
    out.text("sentry.op", text(span, "op"));
    out.text("sentry.origin", text(span, "origin"));
    out.members(span.get("data"));
    out.typed(span.get("attributes"));
    for (key, value) in tags(span) {
        out.text(&format!("sentry.tags.{key}"), Some(value));
    }
    let name = text(span, "name").or_else(|| text(span, "description")).or_else(|| text(span, "op"));
    let end = if span.contains_key("end_timestamp") { "end_timestamp" } else { "timestamp" };
    let (start, duration_ns) = times(span, end, place);
    let status = text(span, "status").unwrap_or_default();
    sink.span(&Span {
        start_time_unix_nano: start,
        duration_ns,
        parent_span_id: span_id(span, "parent_span_id"),
        kind: kind(&op, false),
        status_code: status_code(&status),
        status_message: error_message(&status),
        attributes: &out.0,
        ..Span::new(trace_id, own_id, name.as_deref().unwrap_or("unnamed"))
    });
}

/// Start and duration; what has no end has no duration.
fn times(object: &Object, end: &str, place: &Place<'_>) -> (i64, i64) {
    let end = time(object.get(end));
    let start = time(object.get("start_timestamp")).or(end).unwrap_or(place.incoming.received_at_unix_nano);
    (start, end.map_or(0, |end| end.saturating_sub(start).max(0)))
}

/// What an operation is to OpenTelemetry. Sentry's names begin with what takes part.
fn kind(op: &str, is_transaction: bool) -> SpanKind {
    match op {
        "http.server" | "rpc.server" | "websocket.server" | "graphql.server" => SpanKind::Server,
        "http" if is_transaction => SpanKind::Server,
        "queue.publish" | "queue.submit.celery" | "queue.submit" => SpanKind::Producer,
        "queue.process" | "queue.receive" | "queue.task" | "queue.task.celery" => SpanKind::Consumer,
        op if op.starts_with("http.client") || op == "rpc.client" || op == "rpc" => SpanKind::Client,
        op if op == "db" || op.starts_with("db.") || op.starts_with("cache") => SpanKind::Client,
        _ => SpanKind::Internal,
    }
}

fn status_code(status: &str) -> StatusCode {
    match status {
        "ok" => StatusCode::Ok,
        "" | "unset" | "unknown" | "cancelled" => StatusCode::Unset,
        _ => StatusCode::Error,
    }
}

fn error_message(status: &str) -> &str {
    if status_code(status) == StatusCode::Error && status != "error" { status } else { "" }
}

fn refuse(sink: &mut dyn RowSink, reason: &str) {
    sink.refuse(Refusal::one(Signal::Spans, reason.to_owned()));
}
