//! Log events to log records.

use std::borrow::Cow;

use model::{Attribute, LogRecord, Refusal, Resource, RowSink, Signal};

use super::emf;
use super::event_id::EventId;
use super::made_metrics;
use super::message;
use super::put_log_events::{Admission, PutLogEvents, admit, parse};
use crate::aws::AwsError;
use crate::incoming::Incoming;

const NANOS_PER_MS: i64 = 1_000_000;

/// Reads a request and decides what of it is let in, with the time of arrival for now: the same answer on every replay.
pub fn admitted<'a>(incoming: &Incoming<'a>) -> Result<(PutLogEvents<'a>, Admission), AwsError> {
    let retention_days = incoming.headers.get("x-cupola-retention-days").and_then(|days| days.trim().parse().ok());
    let request = parse(incoming.body)?;
    let admission = admit(&request, incoming.received_at_unix_nano / NANOS_PER_MS, retention_days)?;
    Ok((request, admission))
}

/// Pushes the events that are let in, in their order, and refuses the others with their reason.
///
/// Times: milliseconds become nanoseconds. Severity, trace and exception are read from the message; see [`message::read`].
/// Source: PutLogEvents, "The batch of events must satisfy the following constraints".
pub fn push_log_events(request: &PutLogEvents<'_>, admission: &Admission, incoming: &Incoming<'_>, sink: &mut dyn RowSink) {
    let resource = resource_attributes(request, incoming);
    sink.resource(&Resource { attributes: &resource, schema_url: "" });
    let mut data_points_left = emf::DATA_POINTS_PER_CALL_MAX;
    for index in admission.accepted.clone() {
        let event = &request.log_events[index];
        let id = EventId::new(
            &request.log_group_name,
            &request.log_stream_name,
            event.timestamp,
            incoming.received_at_unix_nano,
            index,
            &event.message,
        );
        let time_unix_nano = event.timestamp.saturating_mul(NANOS_PER_MS);
        push_line(&event.message, time_unix_nano, id.to_string(), &mut data_points_left, sink);
    }
    if let Some(found) = incoming.headers.get(made_metrics::HEADER) {
        made_metrics::push(found, sink);
    }
    refusals(request, admission).into_iter().for_each(|refusal| sink.refuse(refusal));
}

/// Pushes one line as a log record, and the data points that it tells in the embedded metric format.
pub fn push_line(line: &str, time_unix_nano: i64, event_id: String, data_points_left: &mut usize, sink: &mut dyn RowSink) {
    let reading = message::read(line);
    let mut attributes = reading.fields;
    attributes.push(Attribute::str("aws.log.event.id", event_id));
    sink.log(&LogRecord {
        time_unix_nano,
        trace_id: reading.trace_id,
        span_id: reading.span_id,
        severity_number: reading.severity_number,
        severity_text: reading.severity_text,
        body: Cow::Borrowed(line),
        exception: reading.exception,
        dropped_attributes_count: reading.dropped_fields_count,
        sample_rate: 1.0,
        attributes: &attributes,
        ..LogRecord::default()
    });
    if let Some(event) = reading.metrics {
        emf::push_metrics(&event, time_unix_nano, data_points_left, sink);
    }
}

/// The service is what the request's entity says, else the log group: a group is what people make one of for each app.
fn resource_attributes<'a>(request: &'a PutLogEvents<'_>, incoming: &Incoming<'a>) -> Vec<Attribute<'a>> {
    let key_attribute = |name: &str| request.entity.key_attributes.get(name).map(String::as_str);
    let service_name = key_attribute("Name").filter(|name| !name.trim().is_empty()).unwrap_or(&request.log_group_name);
    let mut out = vec![
        Attribute::str("service.name", service_name),
        Attribute::str("aws.log.group.name", &*request.log_group_name),
        Attribute::str("aws.log.stream.name", &*request.log_stream_name),
    ];
    if let Some(environment) = key_attribute("Environment") {
        out.push(Attribute::str("deployment.environment.name", environment));
    }
    for (header, key) in [("x-cupola-region", "cloud.region"), ("x-cupola-account", "cloud.account.id")] {
        out.extend(incoming.headers.get(header).map(|value| Attribute::str(key, value)));
    }
    for (key, value) in request.entity.key_attributes.iter().chain(&request.entity.attributes) {
        out.push(Attribute::new(format!("aws.entity.{key}"), model::Value::str(value)));
    }
    out
}

fn refusals(request: &PutLogEvents<'_>, admission: &Admission) -> Vec<Refusal> {
    let too_old = admission.too_old_log_event_end_index.unwrap_or(0);
    let expired = admission.expired_log_event_end_index.map_or(0, |end| end - too_old);
    let too_new = admission.too_new_log_event_start_index.map_or(0, |start| request.log_events.len() - start);
    [
        (too_old, "log event is older than 14 days"),
        (expired, "log event is older than the retention of its log group"),
        (too_new, "log event is more than 2 hours in the future"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, reason)| Refusal { signal: Signal::Logs, count: count as u64, reason: Cow::Borrowed(reason) })
    .collect()
}
