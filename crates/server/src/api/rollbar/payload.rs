//! The payload of an occurrence: as Rollbar's client sent it, or written in Rollbar's words for those of other senders.

use analysis::stacktrace::{self, Frame, Link};
use engine::ask::logs::Log;
use engine::ask::occurrences::Occurrence;
use serde_json::{Map, Value, json};

use super::call::seconds;
use super::items::level_name;
use crate::ingest::item_level;

/// What is at `data`.
pub fn payload(occurrence: &Occurrence) -> Value {
    let log = &occurrence.log;
    let sent = log.source.as_ref().filter(|_| log.receiver == "rollbar");
    let sent = sent.and_then(|source| serde_json::from_str::<Value>(source.get()).ok());
    match sent {
        Some(Value::Object(mut members)) if members.get("data").is_some_and(Value::is_object) => {
            let mut data = members.remove("data").unwrap_or_default();
            // The address was to be filled in by whoever took the item.
            let address = log.attributes.get("client.address").and_then(Value::as_str);
            if let (Some(told), Some(address)) = (data.pointer_mut("/request/user_ip"), address)
                && told.as_str().is_some_and(|told| told.starts_with("$remote_ip"))
            {
                *told = address.into();
            }
            data
        }
        _ => written(occurrence),
    }
}

/// An exception that another client told, as Rollbar's would have.
fn written(occurrence: &Occurrence) -> Value {
    let log = &occurrence.log;
    let text = |key: &str| {
        let of_resource = || log.resource.get(key).and_then(Value::as_str);
        log.attributes.get(key).and_then(Value::as_str).or_else(of_resource).unwrap_or_default()
    };
    let language = text("telemetry.sdk.language");
    let mut data = json!({
        "environment": text("deployment.environment.name"),
        "timestamp": seconds(log.time_unix_nano.0),
        "level": level_name(item_level(log.severity_number)),
        "body": body(occurrence, language),
    });
    let own = [
        ("uuid", occurrence.uuid.clone().unwrap_or_default()),
        ("language", language.to_owned()),
        ("code_version", text("service.version").to_owned()),
        ("context", text("http.route").to_owned()),
    ];
    for (key, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
        data[key] = value.into();
    }
    let parts = [
        ("server", &[("host", "host.name"), ("branch", "vcs.ref.head.name")][..]),
        ("request", &[("url", "url.full"), ("method", "http.request.method"), ("user_ip", "client.address")][..]),
        ("person", &[("id", "user.id"), ("username", "user.name"), ("email", "user.email")][..]),
        ("notifier", &[("name", "telemetry.sdk.name"), ("version", "telemetry.sdk.version")][..]),
    ];
    for (part, keys) in parts {
        let members: Map<String, Value> = keys
            .iter()
            .filter(|(_, attribute)| !text(attribute).is_empty())
            .map(|(key, attribute)| ((*key).to_owned(), text(attribute).into()))
            .collect();
        if !members.is_empty() {
            data[part] = members.into();
        }
    }
    let named: Vec<Value> =
        [("trace_id", log.trace_id.as_ref().or(log.request_trace_id.as_ref())), ("span_id", log.span_id.as_ref())]
            .into_iter()
            .filter_map(|(key, value)| Some(json!({ "key": key, "value": value? })))
            .collect();
    if !named.is_empty() {
        data["attributes"] = named.into();
    }
    if let Some(images) = debug_meta(log) {
        data["debug_meta"] = images;
    }
    data["custom"] = log.attributes.clone().into();
    data["custom"]["service.name"] = log.service.as_str().into();
    data
}

/// Which scripts were loaded, as Sentry's SDKs tell it: source maps are found by it.
fn debug_meta(log: &Log) -> Option<Value> {
    let source = log.source.as_ref().filter(|_| log.receiver == "sentry")?;
    serde_json::from_str::<Value>(source.get()).ok()?.get_mut("debug_meta").map(Value::take)
}

fn body(occurrence: &Occurrence, language: &str) -> Value {
    let log = &occurrence.log;
    let Some(exception) = &log.exception else { return json!({ "message": { "body": log.body } }) };
    let parsed = stacktrace::parse(&exception.stacktrace, Some(language).filter(|language| !language.is_empty()));
    let has_frames = parsed.links.iter().any(|link| !link.frames.is_empty());
    if exception.r#type.is_empty() && !has_frames {
        return json!({ "message": { "body": exception.message } });
    }
    let mut traces: Vec<Value> = parsed.links.iter().map(trace).collect();
    if let Some(first) = traces.first_mut() {
        // The row knows better than the text what was raised.
        first["exception"] = json!({ "class": exception.r#type, "message": exception.message });
    }
    match traces.len() {
        0 | 1 => json!({ "trace": traces.pop().unwrap_or_default() }),
        _ => json!({ "trace_chain": traces }),
    }
}

fn trace(link: &Link<'_>) -> Value {
    let frames: Vec<Value> = link.frames.iter().map(frame).collect();
    json!({ "frames": frames, "exception": { "class": link.r#type, "message": link.message } })
}

fn frame(frame: &Frame<'_>) -> Value {
    let mut out = json!({ "filename": frame.file });
    for (key, number) in [("lineno", frame.line), ("colno", frame.column)] {
        if let Some(number) = number {
            out[key] = number.into();
        }
    }
    if !frame.function.is_empty() {
        out["method"] = frame.function.into();
    }
    out
}

#[cfg(test)]
mod tests {
    use engine::ask::UnixNano;
    use engine::ask::logs::ExceptionTold;

    use super::*;

    fn occurrence(log: Log) -> Occurrence {
        Occurrence { number: 1, group: "g".into(), uuid: None, log }
    }

    fn log() -> Log {
        Log {
            id: String::new(),
            time_unix_nano: UnixNano(5_000_000_000),
            received_at_unix_nano: UnixNano(6_000_000_000),
            service: "shop".into(),
            receiver: "otlp".into(),
            severity_number: 17,
            severity_text: String::new(),
            event_name: "exception".into(),
            body: String::new(),
            trace_id: Some("ab".into()),
            span_id: None,
            request_trace_id: None,
            exception: Some(ExceptionTold {
                r#type: "E".into(),
                message: "no".into(),
                stacktrace: "Traceback (most recent call last):\n  File \"/a.py\", line 3, in buy\nE: no\n".into(),
            }),
            error_group: Some("g".into()),
            sample_rate: 1.0,
            attributes: Map::new(),
            resource: json!({"deployment.environment.name": "production", "telemetry.sdk.language": "python"}),
            source: None,
        }
    }

    #[test]
    fn what_rollbar_s_client_sent_comes_back_in_its_order() {
        let source = r#"{"data": {"z": 1, "body": {"message": {"body": "x"}}, "a": 2}}"#;
        let sent = Log { receiver: "rollbar".into(), source: serde_json::from_str(source).ok(), ..log() };
        assert_eq!(payload(&occurrence(sent)).to_string(), r#"{"z":1,"body":{"message":{"body":"x"}},"a":2}"#);
    }

    #[test]
    fn what_others_told_is_written_in_rollbar_s_words() {
        let told = payload(&occurrence(log()));
        assert_eq!(told["environment"], "production");
        assert_eq!(told["level"], "error");
        assert_eq!(told["body"]["trace"]["exception"], json!({"class": "E", "message": "no"}));
        assert_eq!(told["body"]["trace"]["frames"], json!([{"filename": "/a.py", "lineno": 3, "method": "buy"}]));
        assert_eq!(told["attributes"], json!([{"key": "trace_id", "value": "ab"}]));
        let line = Log { exception: None, body: "a line".into(), ..log() };
        assert_eq!(payload(&occurrence(line))["body"], json!({"message": {"body": "a line"}}));
    }
}
