//! The words of Honeycomb: events, alone and in batches, as JSON and as MessagePack.
//!
//! Spec: docs.honeycomb.io/api/events, api-docs.honeycomb.io/api/events

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{msgpack, time};
use crate::incoming::Incoming;
use crate::json::sound_text;
use crate::receiver::Failure;

/// Bytes of one event, as Honeycomb allows.
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of one batch, as Honeycomb allows.
pub const BATCH_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Fields of one event, as Honeycomb allows.
pub const EVENT_FIELDS_MAX: usize = 2_000;

/// Events of one batch. libhoney sends 50; the answer has an entry for each, and must not be far larger than the batch.
pub const BATCH_EVENTS_MAX: usize = 50_000;

/// What Honeycomb answers to a body without anything in it.
const EMPTY_BODY: &str = "request body should not be empty";

/// One event.
#[derive(Debug)]
pub struct Event {
    /// `None` when it has none, or one that is no time.
    pub time_unix_nano: Option<i64>,
    /// The time as sent where it could not be read.
    pub unread_time: Option<Value>,
    /// How many events this one stands for; at least 1.
    pub sample_rate: f64,
    /// Never empty.
    pub data: Map<String, Value>,
}

/// Why one event was not kept, in words for its sender.
pub type Refused = Cow<'static, str>;

/// Calls `each` for every event of the request in its order, read or refused.
///
/// Refuses the whole request: an empty body, one that cannot be read, more than [`BATCH_EVENTS_MAX`] events.
pub fn for_each_event(incoming: &Incoming<'_>, batch: bool, each: &mut dyn FnMut(Result<Event, Refused>)) -> Result<(), Failure> {
    if incoming.body.trim_ascii().is_empty() {
        return Err(Failure::Invalid(EMPTY_BODY.to_owned()));
    }
    let is_msgpack = matches!(incoming.headers.media_type().as_str(), "application/msgpack" | "application/x-msgpack");
    match (is_msgpack, batch) {
        (true, true) => {
            for event in limited(msgpack::elements(incoming.body, BATCH_EVENTS_MAX).map_err(malformed)?)? {
                each(batched_event(event.len(), || msgpack::to_json(event).map_err(|error| error.to_string())));
            }
        }
        (false, true) => {
            let text = sound_text(incoming.body);
            for event in limited(serde_json::from_str::<Vec<&RawValue>>(&text).map_err(malformed)?)? {
                each(batched_event(event.get().len(), || serde_json::from_str(event.get()).map_err(|error| error.to_string())));
            }
        }
        (true, false) => each(single_event(incoming, msgpack::to_json(incoming.body).map_err(malformed)?)),
        (false, false) => {
            each(single_event(incoming, serde_json::from_str(&sound_text(incoming.body)).map_err(malformed)?));
        }
    }
    Ok(())
}

fn malformed(error: impl std::error::Error) -> Failure {
    Failure::Malformed(error.to_string())
}

fn limited<T>(events: Vec<T>) -> Result<Vec<T>, Failure> {
    if events.len() > BATCH_EVENTS_MAX {
        return Err(Failure::Invalid(format!("batch has more than {BATCH_EVENTS_MAX} events")));
    }
    Ok(events)
}

/// An event of a batch: `{"time", "samplerate", "data"}`.
fn batched_event(bytes: usize, read: impl FnOnce() -> Result<Value, String>) -> Result<Event, Refused> {
    if bytes > EVENT_BYTES_MAX {
        return Err(format!("event is larger than {EVENT_BYTES_MAX} bytes").into());
    }
    let Value::Object(mut envelope) = read().map_err(|reason| format!("event cannot be read: {reason}"))? else {
        return Err("event is not an object".into());
    };
    let data = fields(envelope.remove("data").unwrap_or_default())?;
    let time = envelope.remove("time").filter(|time| !time.is_null());
    let time_unix_nano = time.as_ref().and_then(time::unix_nano);
    let rate = ["samplerate", "sample_rate", "sampleRate"].into_iter().find_map(|key| envelope.get(key));
    Ok(Event {
        time_unix_nano,
        unread_time: time.filter(|_| time_unix_nano.is_none()),
        sample_rate: sample_rate(rate.and_then(number)),
        data,
    })
}

/// An event of its own: the body is its data, the rest stands in headers.
fn single_event(incoming: &Incoming<'_>, body: Value) -> Result<Event, Refused> {
    let data = fields(body)?;
    let time = incoming.headers.get("x-honeycomb-event-time").map(str::trim).filter(|time| !time.is_empty());
    let time_unix_nano = time.and_then(time::unix_nano_from_text);
    let rate = incoming.headers.get("x-honeycomb-samplerate").and_then(|rate| rate.trim().parse().ok());
    Ok(Event {
        time_unix_nano,
        unread_time: time.filter(|_| time_unix_nano.is_none()).map(Value::from),
        sample_rate: sample_rate(rate),
        data,
    })
}

/// An event that was delivered as a document: in an envelope, or just its data.
pub fn delivered_event(document: Map<String, Value>) -> Result<Event, Refused> {
    if document.get("data").is_some_and(Value::is_object) {
        return batched_event(0, || Ok(Value::Object(document)));
    }
    let data = fields(Value::Object(document))?;
    Ok(Event { time_unix_nano: None, unread_time: None, sample_rate: 1.0, data })
}

fn fields(data: Value) -> Result<Map<String, Value>, Refused> {
    match data {
        Value::Object(data) if data.is_empty() => Err("event has no fields".into()),
        Value::Object(data) if data.len() > EVENT_FIELDS_MAX => {
            Err(format!("event has too many columns: {} of at most {EVENT_FIELDS_MAX}", data.len()).into())
        }
        Value::Object(data) => Ok(data),
        Value::Null => Err("event has no data".into()),
        _ => Err("event data is not an object".into()),
    }
}

/// A number, or a text with one.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Absent, zero and nonsense are 1: the event stands for itself.
fn sample_rate(rate: Option<f64>) -> f64 {
    rate.filter(|rate| rate.is_finite() && *rate >= 1.0).unwrap_or(1.0)
}
