//! What libhoney expects back: a status per event by position, `{"error":…}`, and who a key belongs to.

use http::StatusCode;
use serde_json::{Value, json};

use super::wire::{BATCH_EVENTS_MAX, Refused};
use crate::incoming::Incoming;
use crate::receiver::{Failure, Reply};

/// 200 with one entry per event; clients match them by position.
pub fn batch_kept(incoming: &Incoming<'_>, verdicts: &[Option<Refused>]) -> Reply {
    let entries = verdicts.iter().map(|verdict| match verdict {
        None => json!({"status": 202}),
        Some(reason) => json!({"status": 400, "error": reason}),
    });
    answer(incoming, StatusCode::OK, &Value::Array(entries.collect()))
}

/// 200 for a batch of which nothing was refused.
pub fn whole_batch_kept(incoming: &Incoming<'_>, events: u64) -> Reply {
    let events = usize::try_from(events).unwrap_or(BATCH_EVENTS_MAX).min(BATCH_EVENTS_MAX);
    batch_kept(incoming, &vec![None; events])
}

pub fn event_kept() -> Reply {
    Reply::empty(StatusCode::OK)
}

/// The texts are Honeycomb's; libhoney retries 408, 429, 500, 503 and 504 once, and nothing else.
pub fn refused(incoming: &Incoming<'_>, failure: &Failure) -> Reply {
    let (status, message) = match failure {
        Failure::Malformed(reason) => {
            (StatusCode::BAD_REQUEST, format!("request body is malformed and cannot be read: {reason}"))
        }
        Failure::Invalid(reason) => (StatusCode::BAD_REQUEST, reason.clone()),
        Failure::TooLarge { bytes_max } => {
            (StatusCode::BAD_REQUEST, format!("request body is too large: at most {bytes_max} bytes"))
        }
        Failure::UnsupportedMediaType(_) | Failure::UnsupportedEncoding(_) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, failure.to_string())
        }
        Failure::Unauthenticated | Failure::Forbidden => {
            (StatusCode::UNAUTHORIZED, "unknown API key - check your credentials".to_owned())
        }
        Failure::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "request dropped due to rate limiting".to_owned()),
        Failure::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
    };
    if incoming.endpoint == super::KINESIS {
        return delivered(incoming, status, Some(&message));
    }
    answer(incoming, status, &json!({"error": message}))
}

/// What Firehose wants to hear: its own id again, and why a delivery is to be sent once more.
pub fn delivered(incoming: &Incoming<'_>, status: StatusCode, error: Option<&str>) -> Reply {
    let mut body = json!({
        "requestId": super::kinesis::request_id(incoming.body),
        "timestamp": incoming.received_at_unix_nano / 1_000_000,
    });
    if let Some(error) = error {
        body["errorMessage"] = error.into();
    }
    Reply::new(status, "application/json", body.to_string())
}

/// JSON, or MessagePack for a client that accepts it.
fn answer(incoming: &Incoming<'_>, status: StatusCode, body: &Value) -> Reply {
    if !incoming.headers.get("accept").unwrap_or_default().contains("msgpack") {
        return Reply::new(status, "application/json", body.to_string());
    }
    let mut out = Vec::new();
    match rmpv::encode::write_value(&mut out, &msgpack(body)) {
        Ok(()) => Reply::new(status, "application/msgpack", out),
        Err(_) => Reply::new(status, "application/json", body.to_string()),
    }
}

/// The few shapes that answers have.
fn msgpack(value: &Value) -> rmpv::Value {
    match value {
        Value::Null => rmpv::Value::Nil,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap_or_default().into(), Into::into),
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => values.iter().map(msgpack).collect::<Vec<rmpv::Value>>().into(),
        Value::Object(members) => {
            rmpv::Value::Map(members.iter().map(|(key, value)| (key.as_str().into(), msgpack(value))).collect())
        }
    }
}

/// The body of `GET /1/auth`; `None` for no key at all.
///
/// Classic keys (32 hex digits, or `hc?ic_` and 58 more characters) have an empty environment, by which clients know
/// that they must name a dataset; all others have one.
pub fn auth_answer(key: &str) -> Option<Value> {
    let key = key.trim();
    if key.is_empty() {
        return None;
    }
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_classic_ingest = key.len() == 64 && has_kind(key, "ic_");
    let is_classic = is_classic_ingest || (key.len() == 32 && key.bytes().all(is_hex));
    let is_ingest = is_classic_ingest || has_kind(key, "ik_");
    let environment = if is_classic { json!({"name": "", "slug": ""}) } else { json!({"name": "default", "slug": "default"}) };
    let may = |what: &str| !is_ingest || matches!(what, "events" | "createDatasets");
    let access = [
        "events",
        "markers",
        "triggers",
        "boards",
        "queries",
        "columns",
        "createDatasets",
        "slos",
        "recipients",
        "privateBoards",
    ];
    let access: serde_json::Map<String, Value> = access.into_iter().map(|what| (what.to_owned(), may(what).into())).collect();
    Some(json!({
        // Stands for the key without telling it.
        "id": format!("{:016x}", xxhash_rust::xxh3::xxh3_64(key.as_bytes())),
        "type": if is_ingest { "ingest" } else { "configuration" },
        "api_key_access": access,
        "team": {"name": "Cupola", "slug": "cupola"},
        "environment": environment,
    }))
}

/// Keys of today begin with `hc`, a letter for the region, and their kind.
fn has_kind(key: &str, kind: &str) -> bool {
    key.strip_prefix("hc").and_then(|rest| rest.get(1..)).is_some_and(|rest| rest.starts_with(kind))
}
