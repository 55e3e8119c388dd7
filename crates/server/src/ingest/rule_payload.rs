//! What the rules of grouping see of an occurrence: Rollbar's payload as it was sent, of others the same in its words.

use analysis::stacktrace;
use model::{Exception, LogRecord, Value};
use serde_json::{Map, Value as Json, json};

use super::item_level_name;
use super::occurrence::Origin;

/// The payload of one occurrence. Cost: reads the document again; only done where there are rules.
pub fn rule_payload(record: &LogRecord<'_>, exception: &Exception<'_>, origin: &Origin) -> Json {
    let sent =
        record.source.filter(|source| source.starts_with("{\"data\"")).and_then(|source| serde_json::from_str(source).ok());
    if let Some(Json::Object(mut members)) = sent
        && let Some(data @ Json::Object(_)) = members.remove("data")
    {
        return data;
    }
    let text = |key: &str| {
        let found = record.attributes.iter().find(|attribute| attribute.key == key);
        found.map(|attribute| json_of(&attribute.value)).unwrap_or_default()
    };
    let custom: Map<String, Json> =
        record.attributes.iter().map(|attribute| (attribute.key.to_string(), json_of(&attribute.value))).collect();
    json!({
        "environment": origin.environment,
        "level": item_level_name(record.severity_number.into()),
        "language": origin.language().unwrap_or_default(),
        "code_version": origin.version,
        "context": text("http.route"),
        "title": record.body,
        "service": origin.service,
        "body": body(exception, origin),
        "server": { "host": origin.host },
        "request": { "url": text("url.full"), "method": text("http.request.method"), "user_ip": text("client.address") },
        "person": { "id": text("user.id"), "username": text("user.name"), "email": text("user.email") },
        "custom": custom,
    })
}

fn body(exception: &Exception<'_>, origin: &Origin) -> Json {
    let parsed = stacktrace::parse(&exception.stacktrace, origin.language());
    let mut traces: Vec<Json> = parsed
        .links
        .iter()
        .map(|link| {
            let frames = link.frames.iter().map(
                |frame| json!({ "filename": frame.file, "method": frame.function, "lineno": frame.line, "colno": frame.column }),
            );
            json!({ "frames": frames.collect::<Vec<_>>(), "exception": { "class": link.r#type, "message": link.message } })
        })
        .collect();
    if traces.is_empty() {
        if exception.r#type.is_empty() {
            return json!({ "message": { "body": exception.message } });
        }
        traces.push(json!({ "frames": [] }));
    }
    traces[0]["exception"] = json!({ "class": exception.r#type, "message": exception.message });
    match traces.len() {
        1 => json!({ "trace": traces.swap_remove(0) }),
        _ => json!({ "trace_chain": traces }),
    }
}

fn json_of(value: &Value<'_>) -> Json {
    let mut text = String::new();
    value.write_json(&mut text);
    serde_json::from_str(&text).unwrap_or_default()
}
