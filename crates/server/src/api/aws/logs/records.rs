//! Single events by their pointer, and the fields that a group's events have.
//!
//! Quirks:  a pointer is an event's id; large log objects do not exist here, so GetLogObject reads events too

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use engine::ask::insights::EventSource;
use engine::ask::log_events::{LogEvent, LogEventFilter};
use http::header::CONTENT_TYPE;
use receivers::aws::AwsError;
use receivers::cloudwatch::event_id::EventId;
use receivers::cloudwatch::limits::JSON_FIELDS_MAX;
use receivers::cloudwatch::names::log_group_name;
use serde_json::{Map, Value, json};

use super::{Answer, LogsApi, NANOS_PER_MS, event_stream, not_found, unavailable};

/// GetLogGroupFields looks at the minutes around a time.
const AROUND_MS: i64 = 8 * 60_000;

/// Without a time, at the last quarter of an hour.
const RECENT_MS: i64 = 15 * 60_000;

/// Events that fields are counted in.
const EVENTS_SAMPLED: usize = 1_000;

const SYSTEM_FIELDS: [&str; 5] = ["@ingestionTime", "@log", "@logStream", "@message", "@timestamp"];

impl LogsApi<'_> {
    pub(super) async fn get_log_record(&self) -> Answer {
        let (group, event) = self.pointed_to("logRecordPointer").await?;
        let log = format!("{}:{group}", self.services.settings.account_id);
        Ok(json!({ "logRecord": record(&log, self.input.required("logRecordPointer"), &event) }))
    }

    pub(super) async fn get_log_object(&self) -> Result<Response, AwsError> {
        let (_, event) = self.pointed_to("logObjectPointer").await?;
        let fields = json!({ "data": BASE64.encode(&event.message) });
        let mut body = event_stream::initial_response().to_vec();
        body.extend_from_slice(&event_stream::event("fields", &fields));
        let mut response = Body::from(body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(event_stream::CONTENT_TYPE));
        super::put_events::stamp(response.headers_mut(), &self.call.request_id);
        Ok(response)
    }

    async fn pointed_to(&self, member: &str) -> Result<(String, LogEvent), AwsError> {
        let pointer = self.input.required(member);
        let id = EventId::parse(pointer).ok_or_else(|| self.invalid(format!("The specified {member} is invalid.")))?;
        let found = self.services.asker.log_event(pointer, id.timestamp_ms as i64).await.map_err(unavailable)?;
        let gone = || not_found("The specified log record does not exist.");
        let (group, mut event) = found.ok_or_else(gone)?;
        let masks = self.masks_asked(&group).await?;
        super::read::mask(std::slice::from_mut(&mut event), masks.as_deref());
        match self.source(&group).await? {
            EventSource::Group { since_unix_nano, .. } if event.received_at_ms < since_unix_nano / NANOS_PER_MS => Err(gone()),
            _ => Ok((group, event)),
        }
    }

    pub(super) async fn get_log_group_fields(&self) -> Answer {
        let group = log_group_name(self.input.text("logGroupName"), self.input.text("logGroupIdentifier"))?;
        let source = self.source(group).await?;
        let (start, end) = match self.input.integer("time") {
            Some(seconds) => {
                let middle = seconds.saturating_mul(1_000);
                (middle.saturating_sub(AROUND_MS), middle.saturating_add(AROUND_MS))
            }
            None => (self.now_ms() - RECENT_MS, self.now_ms()),
        };
        let filter = LogEventFilter {
            start_unix_ms: Some(start),
            end_unix_ms: Some(end.saturating_add(1)),
            newest_first: true,
            ..LogEventFilter::of(source)
        };
        let events = self.services.asker.log_events(&filter, EVENTS_SAMPLED).await.map_err(unavailable)?;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for event in &events {
            for name in SYSTEM_FIELDS.map(str::to_owned).into_iter().chain(fields(&event.message).into_keys()) {
                *counts.entry(name).or_default() += 1;
            }
        }
        let total = events.len().max(1);
        let fields: Vec<Value> =
            counts.iter().map(|(name, count)| json!({ "name": name, "percent": (count * 100).div_ceil(total) })).collect();
        Ok(json!({ "logGroupFields": fields }))
    }

    /// Fields of AWS's own sources, of which there are none here.
    pub(super) fn get_log_fields(&self) -> Answer {
        Err(not_found("The specified data source does not exist."))
    }
}

fn record(log: &str, pointer: &str, event: &LogEvent) -> Map<String, Value> {
    let mut told = fields(&event.message);
    told.insert("@ingestionTime".to_owned(), event.received_at_ms.to_string());
    told.insert("@log".to_owned(), log.to_owned());
    told.insert("@logStream".to_owned(), event.log_stream_name.clone());
    told.insert("@message".to_owned(), event.message.clone());
    told.insert("@ptr".to_owned(), pointer.to_owned());
    told.insert("@timestamp".to_owned(), event.timestamp_ms.to_string());
    told.into_iter().map(|(name, value)| (name, value.into())).collect()
}

/// Scalars of a JSON message by their path with dots.
fn fields(message: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if message.trim_start().starts_with('{')
        && let Ok(document) = serde_json::from_str::<Value>(message)
    {
        flatten("", &document, &mut found);
    }
    found
}

fn flatten(path: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    if found.len() >= JSON_FIELDS_MAX {
        return;
    }
    let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| flatten(&within(name), inner, found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(at, inner)| flatten(&within(&at.to_string()), inner, found)),
        Value::Null => {}
        Value::String(text) => {
            found.insert(path.to_owned(), text.clone());
        }
        scalar => {
            found.insert(path.to_owned(), scalar.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_fields() {
        let found = fields(r#"{"a": {"b": [1, {"c": "x"}]}, "d": null, "e": true}"#);
        let told: Vec<String> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(told, ["a.b.0=1", "a.b.1.c=x", "e=true"]);
        assert!(fields("plain").is_empty());
    }
}
