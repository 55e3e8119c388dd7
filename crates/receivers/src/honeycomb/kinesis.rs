//! What Amazon Data Firehose delivers: CloudWatch's log events, its metric streams, and events of one's own.
//!
//! Spec: docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html; subscription filters of CloudWatch Logs;
//! metric streams in the format OpenTelemetry 1.0

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::{Attribute, Refusal, Resource, RowSink, Scope, Signal};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::translate::{Resources, push_event};
use super::wire::delivered_event;
use crate::body::{ContentEncoding, decompress};
use crate::cloudwatch::{DATA_POINTS_PER_CALL_MAX, push_line};
use crate::incoming::Incoming;
use crate::limits::BODY_BYTES_MAX;
use crate::otlp;
use crate::receiver::Failure;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const NANOS_PER_MS: i64 = 1_000_000;

/// Bytes that the records of one delivery unpack to, all together. Log events compress ten to one.
const UNPACKED_BYTES_MAX: usize = 4 * BODY_BYTES_MAX;

#[derive(Deserialize)]
struct Delivery<'a> {
    #[serde(borrow, default, rename = "requestId")]
    request_id: Cow<'a, str>,
    #[serde(borrow, default)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// What a subscription filter of CloudWatch Logs sends.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEvents<'a> {
    #[serde(borrow, default)]
    message_type: Cow<'a, str>,
    #[serde(borrow, default)]
    owner: Cow<'a, str>,
    #[serde(borrow, default)]
    log_group: Cow<'a, str>,
    #[serde(borrow, default)]
    log_stream: Cow<'a, str>,
    #[serde(borrow, default)]
    log_events: Vec<LogEvent<'a>>,
}

#[derive(Deserialize)]
struct LogEvent<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    timestamp: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// The request's own id, to be told again.
pub fn request_id(body: &[u8]) -> String {
    serde_json::from_slice::<Delivery<'_>>(body).map(|delivery| delivery.request_id.into_owned()).unwrap_or_default()
}

/// The rows of `POST /1/kinesis_events/{dataset}`, record by record. A record that cannot be read is refused by itself.
pub fn push_delivery(incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
    let dataset = incoming.rest.trim_matches('/').trim();
    if dataset.is_empty() {
        return Err(Failure::Invalid("dataset name is missing from the path".to_owned()));
    }
    let delivery: Delivery<'_> =
        serde_json::from_slice(incoming.body).map_err(|error| Failure::Malformed(format!("expected a delivery: {error}")))?;
    let (bytes_left, data_points_left) = (UNPACKED_BYTES_MAX, DATA_POINTS_PER_CALL_MAX);
    let mut push = Push { dataset, incoming, sink, bytes_left, data_points_left, position: 0 };
    for record in &delivery.records {
        if let Err(reason) = push.record(&record.data) {
            push.sink.refuse(Refusal::one(Signal::Logs, reason));
        }
    }
    Ok(())
}

struct Push<'p, 's> {
    dataset: &'p str,
    incoming: &'p Incoming<'p>,
    sink: &'s mut dyn RowSink,
    bytes_left: usize,
    data_points_left: usize,
    /// Of the next event of one's own.
    position: u64,
}

impl Push<'_, '_> {
    fn record(&mut self, data: &str) -> Result<(), Cow<'static, str>> {
        let mut bytes = STANDARD.decode(data.trim()).map_err(|_| "record: expected data in base64")?;
        if bytes.starts_with(&GZIP) {
            bytes = decompress(ContentEncoding::Gzip, &bytes, self.bytes_left)
                .map_err(|error| format!("record: cannot be unpacked: {error}"))?;
            self.bytes_left = self.bytes_left.saturating_sub(bytes.len());
        }
        match bytes.trim_ascii_start().first() {
            Some(b'{') => self.documents(&bytes),
            Some(_) => self.metric_stream(&bytes),
            None => Ok(()),
        }
    }

    /// One document or several, one behind the other.
    fn documents(&mut self, bytes: &[u8]) -> Result<(), Cow<'static, str>> {
        for document in serde_json::Deserializer::from_slice(bytes).into_iter::<Map<String, Value>>() {
            let document = document.map_err(|error| format!("record: expected JSON objects: {error}"))?;
            if document.contains_key("logEvents") {
                let document = Value::Object(document);
                let events = LogEvents::deserialize(&document).map_err(|error| format!("record: {error}"))?;
                self.log_events(&events);
            } else {
                let event = delivered_event(document)?;
                push_event(
                    event,
                    self.position,
                    self.incoming.received_at_unix_nano,
                    &mut Resources::of(self.dataset),
                    self.sink,
                );
                self.position += 1;
            }
        }
        Ok(())
    }

    /// What CloudWatch says to try a destination is no event.
    fn log_events(&mut self, events: &LogEvents<'_>) {
        if events.message_type != "DATA_MESSAGE" {
            return;
        }
        let attributes = [
            Attribute::str("service.name", self.dataset),
            Attribute::str("honeycomb.dataset", self.dataset),
            Attribute::str("aws.log.group.name", &*events.log_group),
            Attribute::str("aws.log.stream.name", &*events.log_stream),
            Attribute::str("cloud.account.id", &*events.owner),
        ];
        self.sink.resource(&Resource { attributes: &attributes, schema_url: "" });
        self.sink.scope(&Scope::default());
        for event in &events.log_events {
            let time_unix_nano = event.timestamp.saturating_mul(NANOS_PER_MS);
            push_line(&event.message, time_unix_nano, event.id.to_string(), &mut self.data_points_left, self.sink);
        }
    }

    /// Messages of OTLP, each behind its length.
    fn metric_stream(&mut self, mut bytes: &[u8]) -> Result<(), Cow<'static, str>> {
        while !bytes.is_empty() {
            let (length, rest) = length(bytes).ok_or("record: expected the length of a metric message")?;
            let (message, rest) = rest.split_at_checked(length).ok_or("record: a metric message is cut off")?;
            otlp::translate_metrics(message, self.incoming.received_at_unix_nano, Some(self.dataset), self.sink)
                .map_err(|failure| format!("record: {failure}"))?;
            bytes = rest;
        }
        Ok(())
    }
}

/// A varint of protobuf, and what is behind it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    const VARINT_BYTES_MAX: usize = 5;
    let mut length = 0_usize;
    for (place, byte) in bytes.iter().take(VARINT_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[place + 1..]));
        }
    }
    None
}
