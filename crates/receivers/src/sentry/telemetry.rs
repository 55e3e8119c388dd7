//! Logs, metrics, check-ins, sessions and reports -> log records and data points.

use model::{DataPoint, DataPointType, LogRecord, Refusal, RowSink, Signal, Temporality};
use serde_json::Value as Json;

use super::envelope::{Envelope, Item};
use super::event::severity_number;
use super::fields::{Attributes, Object, Origin, Place, span_id, text, text_of, time, trace_context, trace_id};

/// Logs or data points of one item; SDKs send a hundred at most.
const RECORDS_MAX: usize = 10_000;

/// Bytes of an attachment of text that are kept; of others only that there was one.
const ATTACHMENT_BYTES_MAX: usize = 256 * 1024;

/// The records of a batch, or the one that stands alone.
fn records(item: &Object) -> Vec<&Object> {
    match item.get("items").and_then(Json::as_array) {
        Some(items) => items.iter().filter_map(Json::as_object).take(RECORDS_MAX).collect(),
        None => vec![item],
    }
}

/// Where a record of a batch comes from: its attributes say.
fn origin(record: &Object) -> Origin {
    let told = |key: &str| {
        let value = record.get("attributes")?.get(key)?;
        text_of(value.get("value").unwrap_or(value))
    };
    Origin {
        release: told("sentry.release"),
        environment: told("sentry.environment"),
        server_name: told("server.address"),
        service: told("service.name"),
        sdk_name: told("sentry.sdk.name"),
        sdk_version: told("sentry.sdk.version"),
        platform: None,
    }
}

pub fn push_logs(item: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    for record in records(item) {
        let mut out = Attributes::default();
        out.typed(record.get("attributes"));
        let level = text(record, "level").or_else(|| text(record, "severity_text")).unwrap_or_default().to_ascii_lowercase();
        let told = record.get("severity_number").and_then(Json::as_i64).and_then(|number| i32::try_from(number).ok());
        origin(record).push(place, sink);
        sink.log(&LogRecord {
            time_unix_nano: time(record.get("timestamp")).unwrap_or(place.incoming.received_at_unix_nano),
            trace_id: trace_id(record),
            span_id: span_id(record, "span_id"),
            severity_number: told.filter(|number| (1..=24).contains(number)).unwrap_or_else(|| severity_number(&level)),
            severity_text: level.into(),
            body: text(record, "body").unwrap_or_default().into(),
            attributes: &out.0,
            ..LogRecord::default()
        });
    }
}

pub fn push_metrics(item: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    for record in records(item) {
        let (Some(name), Some(value)) = (text(record, "name"), record.get("value").and_then(Json::as_f64)) else {
            sink.refuse(Refusal::one(Signal::Metrics, "metric: expected a name and a value"));
            continue;
        };
        let mut out = Attributes::default();
        out.typed(record.get("attributes"));
        let told = text(record, "type").unwrap_or_default();
        let is_counter = told == "counter";
        let is_distribution = told == "distribution";
        origin(record).push(place, sink);
        let unit = text(record, "unit").unwrap_or_default();
        let r#type = match told.as_str() {
            "counter" => DataPointType::Sum,
            "distribution" => DataPointType::Histogram,
            _ => DataPointType::Gauge,
        };
        let measured = is_distribution.then_some(value);
        sink.data_point(&DataPoint {
            metric: &name,
            description: "",
            unit: &unit,
            r#type,
            temporality: if r#type == DataPointType::Gauge { Temporality::Unspecified } else { Temporality::Delta },
            is_monotonic: is_counter,
            start_time_unix_nano: 0,
            time_unix_nano: time(record.get("timestamp")).unwrap_or(place.incoming.received_at_unix_nano),
            flags: 0,
            value: (!is_distribution).then_some(value),
            count: is_distribution.then_some(1),
            sum: measured,
            min: measured,
            max: measured,
            buckets: if is_distribution { r#"{"bounds":[],"counts":[1]}"#.into() } else { "".into() },
            exemplars: "".into(),
            attributes: &out.0,
        });
    }
}

/// A scheduled job that began, ended or failed.
pub fn push_check_in(check_in: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    let mut out = Attributes::default();
    for key in ["check_in_id", "monitor_slug", "status", "duration", "monitor_config"] {
        out.json(&format!("sentry.check_in.{key}"), check_in.get(key));
    }
    let status = text(check_in, "status").unwrap_or_default();
    let (severity_number, severity_text) = match status.as_str() {
        "error" | "missed" | "timeout" => (17, "error"),
        _ => (9, "info"),
    };
    let trace = trace_context(check_in);
    Origin::of_event(check_in).push(place, sink);
    sink.log(&LogRecord {
        time_unix_nano: place.incoming.received_at_unix_nano,
        trace_id: trace.and_then(trace_id),
        span_id: trace.and_then(|trace| span_id(trace, "span_id")),
        severity_number,
        severity_text: severity_text.into(),
        event_name: "check_in",
        body: format!("{} {status}", text(check_in, "monitor_slug").unwrap_or_default()).into(),
        attributes: &out.0,
        ..LogRecord::default()
    });
}

pub fn push_session(session: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    let mut out = Attributes::default();
    out.text("session.id", text(session, "sid"));
    out.text("user.id", text(session, "did"));
    for key in ["init", "started", "status", "errors", "duration", "abnormal_mechanism"] {
        out.json(&format!("sentry.session.{key}"), session.get(key));
    }
    let status = text(session, "status").unwrap_or_else(|| "ok".to_owned());
    push_told(session, "session", format!("session {status}"), time(session.get("timestamp")), out, place, sink);
}

/// Sessions that a server counted by the minute.
pub fn push_sessions(sessions: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    let counted = sessions.get("aggregates").and_then(Json::as_array);
    for aggregate in counted.into_iter().flatten().filter_map(Json::as_object).take(RECORDS_MAX) {
        let mut out = Attributes::default();
        out.text("user.id", text(aggregate, "did"));
        for key in ["started", "exited", "errored", "abnormal", "crashed", "unhandled"] {
            out.json(&format!("sentry.session.{key}"), aggregate.get(key));
        }
        push_told(sessions, "session", "sessions counted".to_owned(), time(aggregate.get("started")), out, place, sink);
    }
}

fn push_told(
    told: &Object,
    event_name: &str,
    body: String,
    at: Option<i64>,
    attributes: Attributes,
    place: &Place<'_>,
    sink: &mut dyn RowSink,
) {
    let of = |key| told.get("attrs").and_then(|attrs| attrs.get(key)).and_then(text_of);
    let origin = Origin { release: of("release"), environment: of("environment"), ..Origin::default() };
    origin.push(place, sink);
    sink.log(&LogRecord {
        time_unix_nano: at.unwrap_or(place.incoming.received_at_unix_nano),
        severity_number: 9,
        severity_text: "info".into(),
        event_name,
        body: body.into(),
        attributes: &attributes.0,
        ..LogRecord::default()
    });
}

/// What a client threw away before it was sent: nobody else would tell.
pub fn push_client_report(report: &Object, place: &Place<'_>, sink: &mut dyn RowSink) {
    Origin::default().push(place, sink);
    let kinds = ["discarded_events", "rate_limited_events", "filtered_events", "filtered_sampling_events"];
    for kind in kinds {
        let discarded = report.get(kind).and_then(Json::as_array);
        for discarded in discarded.into_iter().flatten().filter_map(Json::as_object).take(RECORDS_MAX) {
            let mut out = Attributes::default();
            for key in ["reason", "category", "quantity"] {
                out.json(&format!("sentry.discarded.{key}"), discarded.get(key));
            }
            let of = |key| text(discarded, key).unwrap_or_default();
            sink.log(&LogRecord {
                time_unix_nano: time(report.get("timestamp")).unwrap_or(place.incoming.received_at_unix_nano),
                severity_number: 13,
                severity_text: "warning".into(),
                event_name: "client_report",
                body: format!("{} of {} discarded by the client: {}", of("quantity"), of("category"), of("reason")).into(),
                attributes: &out.0,
                ..LogRecord::default()
            });
        }
    }
}

pub fn push_user_report(report: &Object, envelope: &Envelope<'_>, place: &Place<'_>, sink: &mut dyn RowSink) {
    let feedback = report.get("contexts").and_then(|contexts| contexts.get("feedback")).and_then(Json::as_object);
    let of = |key: &str, named: &str| text(report, key).or_else(|| feedback.and_then(|feedback| text(feedback, named)));
    let mut out = Attributes::default();
    let about = text(report, "event_id").or_else(|| feedback.and_then(|feedback| text(feedback, "associated_event_id")));
    out.text("sentry.event_id", about.or_else(|| envelope.event_id()));
    out.text("user.name", of("name", "name"));
    out.text("user.email", of("email", "contact_email"));
    out.text("url.full", feedback.and_then(|feedback| text(feedback, "url")));
    let trace = trace_context(report);
    Origin::of_event(report).push(place, sink);
    sink.log(&LogRecord {
        time_unix_nano: time(report.get("timestamp")).unwrap_or(place.incoming.received_at_unix_nano),
        trace_id: trace.and_then(trace_id),
        severity_number: 9,
        severity_text: "info".into(),
        event_name: "user_report",
        body: of("comments", "message").unwrap_or_default().into(),
        attributes: &out.0,
        ..LogRecord::default()
    });
}

/// An attachment of text beside its event; of others the event itself says that they were there.
pub fn push_attachment(item: &Item<'_>, envelope: &Envelope<'_>, place: &Place<'_>, sink: &mut dyn RowSink) {
    let of = |key: &str| item.header.get(key).and_then(Json::as_str).unwrap_or_default();
    let (filename, content_type) = (of("filename"), of("content_type"));
    let is_named_text =
        content_type.starts_with("text/") || content_type.starts_with("application/json") || filename.ends_with(".log");
    let kept = &item.payload[..item.payload.len().min(ATTACHMENT_BYTES_MAX)];
    if !is_named_text {
        return;
    }
    let mut out = Attributes::default();
    out.text("sentry.event_id", envelope.event_id());
    out.text("sentry.attachment.filename", Some(filename.to_owned()));
    out.text("sentry.attachment.content_type", Some(content_type.to_owned()));
    out.json("sentry.attachment.bytes", Some(&item.payload.len().into()));
    let event = envelope.items.iter().find(|other| other.kind == "event").and_then(|event| event.json().ok());
    event.as_ref().map(Origin::of_event).unwrap_or_default().push(place, sink);
    sink.log(&LogRecord {
        time_unix_nano: place.incoming.received_at_unix_nano,
        severity_number: 9,
        severity_text: "info".into(),
        event_name: "attachment",
        body: String::from_utf8_lossy(kept).into_owned().into(),
        attributes: &out.0,
        ..LogRecord::default()
    });
}
