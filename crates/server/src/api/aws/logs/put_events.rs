//! PutLogEvents goes the way of every receiver; what it is allowed to bring is decided here, with the group's retention,
//! before a byte is kept.

use bytes::Bytes;
use engine::ask::UnixNano;
use http::{HeaderMap, HeaderValue};
use metastore::LogStreamActivity;
use receivers::aws::AwsError;
use receivers::cloudwatch::put_log_events::{self, Admission, PutLogEvents};
use receivers::cloudwatch::{AdmittedLogEvents, feedback, made_metrics};
use receivers::{Headers, Incoming, Reply};

use super::listeners::{Batch, Heard};
use super::{LogsApi, NANOS_PER_MS, unavailable};

impl LogsApi<'_> {
    /// Checks the request against its group and stream, then lets the receiver keep it.
    pub(super) async fn put_log_events(&self) -> Result<Reply, AwsError> {
        let call = self.call;
        let scrubber = self.services.ingest.scrubber();
        let scrubbed = scrubber.scrub("cloudwatch", &call.body, call.received_at_unix_nano).map(Bytes::from);
        let body = scrubbed.as_ref().unwrap_or(&call.body);
        let request = put_log_events::parse(body)?;
        let now_unix_ms = call.received_at_unix_nano / NANOS_PER_MS;
        // The request's own faults come before those of what it names, as at AWS.
        put_log_events::admit(&request, now_unix_ms, None)?;
        let group = self.group(&request.log_group_name).await?;
        self.stream(&request.log_group_name, &request.log_stream_name).await?;
        let admission = Admission::of(&request, now_unix_ms, group.retention_days);
        let Heard { found, deliveries } = self.heard(&batch(&request, &admission, call.received_at_unix_nano)).await?;
        let made =
            if found.metrics.is_empty() { None } else { Some(serde_json::to_string(&found.metrics).map_err(unavailable)?) };
        let retention = group.retention_days.map(|days| days.to_string());
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("x-cupola-region", call.region.as_str()),
            ("x-cupola-account", self.services.settings.account_id.as_str()),
        ];
        headers.extend(retention.as_deref().map(|days| ("x-cupola-retention-days", days)));
        headers.extend(made.as_deref().map(|made| (made_metrics::HEADER, made)));
        let incoming = Incoming {
            endpoint: receivers::cloudwatch::PUT_LOG_EVENTS,
            rest: "",
            headers: Headers(headers),
            remote_addr: call.remote_addr,
            received_at_unix_nano: call.received_at_unix_nano,
            trace_context: call.trace_context,
            body,
        };
        let receiver = receivers::by_name("cloudwatch").ok_or_else(|| unavailable("the receiver is missing"))?;
        let group = request.log_group_name.to_string();
        let seen = activity(&request, &admission.accepted, call.received_at_unix_nano);
        self.note_feedback(&request);
        let decoded = Box::new(AdmittedLogEvents { request, admission, incoming: &incoming });
        let mut reply = self.services.ingest.take_decoded(receiver, &incoming, body, Some(decoded)).await;
        if reply.status.is_success() {
            self.services.log_stream_activity.note(seen);
            self.services.logs.quiet_minutes.note(&group, found, call.received_at_unix_nano);
            self.deliver(deliveries).await;
        }
        stamp(&mut reply.headers, &call.request_id);
        Ok(reply)
    }

    /// A shipper that ships what it says of shipping is told of on the page of what arrives.
    fn note_feedback(&self, request: &PutLogEvents<'_>) {
        let Some(found) = feedback::of_shipping(request) else { return };
        let place = format!("{}, {}", request.log_group_name, request.log_stream_name);
        let now = UnixNano(self.call.received_at_unix_nano);
        let (kind, lines) = (found.kind, found.lines as u64);
        self.services.ingest.activity().feeds_back("cloudwatch", &place, now, kind.cause, kind.advice, lines, found.sample);
    }
}

fn batch<'e>(request: &'e PutLogEvents<'_>, admission: &Admission, received_at_unix_nano: i64) -> Batch<'e> {
    let admitted = &request.log_events[admission.accepted.clone()];
    Batch {
        group: &request.log_group_name,
        stream: &request.log_stream_name,
        received_at_unix_nano,
        first: admission.accepted.start,
        request: None,
        events: admitted.iter().map(|event| (event.timestamp, &*event.message)).collect(),
    }
}

fn activity(request: &PutLogEvents<'_>, accepted: &std::ops::Range<usize>, now_unix_nano: i64) -> Option<LogStreamActivity> {
    let events = &request.log_events[accepted.clone()];
    let (first, last) = (events.first()?, events.last()?);
    Some(LogStreamActivity {
        log_group: request.log_group_name.to_string(),
        log_stream: request.log_stream_name.to_string(),
        first_event_unix_nano: first.timestamp.saturating_mul(NANOS_PER_MS),
        last_event_unix_nano: last.timestamp.saturating_mul(NANOS_PER_MS),
        ingestion_unix_nano: now_unix_nano,
        bytes: events.iter().map(|event| (event.message.len() + put_log_events::EVENT_OVERHEAD_BYTES) as u64).sum(),
    })
}

pub(super) fn stamp(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
}
