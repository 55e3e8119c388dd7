//! CloudWatch Logs: the operations clients need to write and to see what they wrote.
//!
//! Groups and streams live in the metastore, events in the store. PutLogEvents goes the way of every receiver; what it is
//! allowed to bring is decided here, with the group's retention, before a byte is kept.

use engine::ask::log_events::{LogEvent, LogEventFilter};
use http::{HeaderMap, HeaderValue, StatusCode};
use metastore::{LogGroupFilter, LogStreamActivity, LogStreamFilter, LogStreamOrder, MetastoreError};
use receivers::aws::{AwsError, Dialect, reply};
use receivers::cloudwatch::AdmittedLogEvents;
use receivers::cloudwatch::event_id::EventId;
use receivers::cloudwatch::limits::{DESCRIBE_LIMIT_MAX, EVENTS_LIMIT_MAX, EVENTS_PAGE_BYTES_MAX};
use receivers::cloudwatch::put_log_events::{self, Admission, PutLogEvents};
use receivers::cloudwatch::tokens::{Direction, EventsToken, PageToken};
use receivers::cloudwatch::wire::{self, Owner};
use receivers::{Headers, Incoming, Reply};
use serde_json::json;

use super::Call;
use crate::Services;

const NANOS_PER_MS: i64 = 1_000_000;

/// Answers one operation by its name.
pub(super) async fn answer(services: &Services, call: &Call, operation: &str) -> Reply {
    let logs = LogsApi { services, call, project: &services.settings.project };
    let body = match operation {
        "PutLogEvents" => return logs.put_log_events().await.unwrap_or_else(|error| refuse(call, &error)),
        "CreateLogGroup" => logs.create_log_group().await,
        "DeleteLogGroup" => logs.delete_log_group().await,
        "DescribeLogGroups" => logs.describe_log_groups().await,
        "CreateLogStream" => logs.create_log_stream().await,
        "DeleteLogStream" => logs.delete_log_stream().await,
        "DescribeLogStreams" => logs.describe_log_streams().await,
        "PutRetentionPolicy" => logs.put_retention_policy().await,
        "DeleteRetentionPolicy" => logs.delete_retention_policy().await,
        "GetLogEvents" => logs.get_log_events().await,
        "FilterLogEvents" => logs.filter_log_events().await,
        other => {
            let message = format!("operation {other} of CloudWatch Logs is not answered here");
            Err(AwsError::new("UnknownOperationException", message))
        }
    };
    match body {
        Ok(body) => reply(Dialect::Json11, StatusCode::OK, &body, &call.request_id),
        Err(error) => refuse(call, &error),
    }
}

fn refuse(call: &Call, error: &AwsError) -> Reply {
    error.to_reply(Dialect::Json11, &call.request_id)
}

struct LogsApi<'a> {
    services: &'a Services,
    call: &'a Call,
    project: &'a str,
}

type Answer = Result<serde_json::Value, AwsError>;

impl LogsApi<'_> {
    fn owner(&self) -> Owner<'_> {
        Owner { region: &self.call.region, account_id: &self.services.settings.account_id }
    }

    async fn create_log_group(&self) -> Answer {
        let request: wire::CreateLogGroup = wire::read(&self.call.body)?;
        let name = request.log_group_name.unwrap_or_default();
        let made = self.services.metastore.create_log_group(self.project, &name, None, self.call.received_at_unix_nano).await;
        made.map_err(aws_error)?;
        Ok(json!({}))
    }

    async fn delete_log_group(&self) -> Answer {
        let request: wire::DeleteLogGroup = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let name = request.log_group_name.unwrap_or_default();
        self.services.metastore.delete_log_group(self.project, &name).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    async fn describe_log_groups(&self) -> Answer {
        let request: wire::DescribeLogGroups = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let question = [
            "DescribeLogGroups",
            request.log_group_name_prefix.as_deref().unwrap_or_default(),
            request.log_group_name_pattern.as_deref().unwrap_or_default(),
        ];
        let filter = LogGroupFilter {
            prefix: request.log_group_name_prefix.clone(),
            contains: request.log_group_name_pattern.clone(),
            after: page_after(request.next_token.as_deref(), &question)?,
            limit: request.limit.unwrap_or(DESCRIBE_LIMIT_MAX) as usize,
        };
        let page = self.services.metastore.log_groups(self.project, &filter).await.map_err(aws_error)?;
        let log_groups = page
            .items
            .iter()
            .map(|group| wire::LogGroup {
                retention_in_days: group.retention_days,
                stored_bytes: group.stored_bytes,
                ..wire::LogGroup::new(self.owner(), &group.name, group.created_at_unix_nano / NANOS_PER_MS)
            })
            .collect();
        let next_token = page.next.map(|after| PageToken::new(after, &question).encode());
        told(&wire::DescribeLogGroupsAnswer { log_groups, next_token })
    }

    async fn create_log_stream(&self) -> Answer {
        let request: wire::NamedLogStream = wire::read(&self.call.body)?;
        let (group, stream) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
        let now = self.call.received_at_unix_nano;
        self.services.metastore.create_log_stream(self.project, &group, &stream, now).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    async fn delete_log_stream(&self) -> Answer {
        let request: wire::NamedLogStream = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let (group, stream) = (request.log_group_name.unwrap_or_default(), request.log_stream_name.unwrap_or_default());
        self.group(&group).await?;
        self.services.metastore.delete_log_stream(self.project, &group, &stream).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    async fn describe_log_streams(&self) -> Answer {
        let request: wire::DescribeLogStreams = wire::read(&self.call.body)?;
        self.note_activity().await?;
        let group = request.log_group_name()?;
        let order = if request.orders_by_last_event_time() { LogStreamOrder::LastEventTime } else { LogStreamOrder::Name };
        let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
        let direction = if request.descending { "descending" } else { "ascending" };
        let question = ["DescribeLogStreams", group, prefix, direction, request.order_by.as_deref().unwrap_or_default()];
        let filter = LogStreamFilter {
            prefix: request.log_stream_name_prefix.clone(),
            order,
            descending: request.descending,
            after: page_after(request.next_token.as_deref(), &question)?,
            limit: request.limit.unwrap_or(DESCRIBE_LIMIT_MAX) as usize,
        };
        let page = self.services.metastore.log_streams(self.project, group, &filter).await.map_err(aws_error)?;
        let ms = |nanos: Option<i64>| nanos.map(|nanos| nanos.div_euclid(NANOS_PER_MS));
        let log_streams = page
            .items
            .iter()
            .map(|stream| wire::LogStream {
                log_stream_name: stream.name.clone(),
                creation_time: stream.created_at_unix_nano / NANOS_PER_MS,
                first_event_timestamp: ms(stream.first_event_unix_nano),
                last_event_timestamp: ms(stream.last_event_unix_nano),
                last_ingestion_time: ms(stream.last_ingestion_unix_nano),
                upload_sequence_token: Some(EventId::before(stream.created_at_unix_nano / NANOS_PER_MS).to_string()),
                arn: self.owner().log_stream_arn(group, &stream.name),
                stored_bytes: 0,
            })
            .collect();
        let next_token = page.next.map(|after| PageToken::new(after, &question).encode());
        told(&wire::DescribeLogStreamsAnswer { log_streams, next_token })
    }

    async fn put_retention_policy(&self) -> Answer {
        let request: wire::PutRetentionPolicy = wire::read(&self.call.body)?;
        let days = request.retention_days()?;
        let name = request.log_group_name.unwrap_or_default();
        self.services.metastore.put_log_group_retention(self.project, &name, Some(days)).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    async fn delete_retention_policy(&self) -> Answer {
        let request: wire::DeleteRetentionPolicy = wire::read(&self.call.body)?;
        let name = request.log_group_name.unwrap_or_default();
        self.services.metastore.put_log_group_retention(self.project, &name, None).await.map_err(aws_error)?;
        Ok(json!({}))
    }

    /// Checks the request against its group and stream, then lets the receiver keep it.
    async fn put_log_events(&self) -> Result<Reply, AwsError> {
        let call = self.call;
        let request = put_log_events::parse(&call.body)?;
        let now_unix_ms = call.received_at_unix_nano / NANOS_PER_MS;
        // The request's own faults come before those of what it names, as at AWS.
        put_log_events::admit(&request, now_unix_ms, None)?;
        let group = self.group(&request.log_group_name).await?;
        self.stream(&request.log_group_name, &request.log_stream_name).await?;
        let admission = Admission::of(&request, now_unix_ms, group.retention_days);
        let retention = group.retention_days.map(|days| days.to_string());
        let mut headers = vec![
            ("content-type", "application/x-amz-json-1.1"),
            ("x-cupola-region", call.region.as_str()),
            ("x-cupola-account", self.services.settings.account_id.as_str()),
        ];
        headers.extend(retention.as_deref().map(|days| ("x-cupola-retention-days", days)));
        let incoming = Incoming {
            endpoint: receivers::cloudwatch::PUT_LOG_EVENTS,
            rest: "",
            headers: Headers(headers),
            remote_addr: call.remote_addr,
            received_at_unix_nano: call.received_at_unix_nano,
            trace_context: call.trace_context,
            body: &call.body,
        };
        let receiver = receivers::by_name("cloudwatch").ok_or_else(|| unavailable("the receiver is missing"))?;
        let seen = activity(&request, &admission.accepted, call.received_at_unix_nano);
        let decoded = Box::new(AdmittedLogEvents { request, admission, incoming: &incoming });
        let mut reply = self.services.ingest.take_decoded(receiver, &incoming, &call.body, Some(decoded)).await;
        if reply.status.is_success() {
            self.services.log_stream_activity.note(seen);
        }
        stamp(&mut reply.headers, &call.request_id);
        Ok(reply)
    }

    async fn get_log_events(&self) -> Answer {
        let request: wire::GetLogEvents = wire::read(&self.call.body)?;
        let group = request.log_group_name()?;
        let stream = request.log_stream_name.as_deref().unwrap_or_default();
        self.group(group).await?;
        let stream_since = self.stream(group, stream).await?;
        let token = request.next_token.as_deref().map(EventsToken::decode).transpose()?;
        let newest_first = match token {
            Some(token) => token.direction == Direction::Backward,
            None => !request.start_from_head,
        };
        let limit = request.limit.unwrap_or(EVENTS_LIMIT_MAX) as usize;
        let filter = LogEventFilter {
            log_group_name: group.to_owned(),
            log_stream_names: vec![stream.to_owned()],
            start_unix_ms: request.start_time,
            end_unix_ms: request.end_time,
            received_from_unix_ms: stream_since / NANOS_PER_MS,
            beyond_event_id: token.map(|token| token.event.to_string()),
            newest_first,
            ..LogEventFilter::default()
        };
        let mut events = self.events(&filter, limit).await?.0;
        if newest_first {
            events.reverse();
        }
        let place = |event: Option<&LogEvent>| {
            let known = event.and_then(|event| EventId::parse(&event.event_id)).or(token.map(|token| token.event));
            known.unwrap_or_else(|| EventId::before(request.start_time.unwrap_or(0)))
        };
        let forward = EventsToken { direction: Direction::Forward, event: place(events.last()) };
        let backward = EventsToken { direction: Direction::Backward, event: place(events.first()) };
        let events = events
            .into_iter()
            .map(|event| wire::OutputLogEvent {
                timestamp: event.timestamp_ms,
                message: event.message,
                ingestion_time: event.received_at_ms,
            })
            .collect();
        let (next_forward_token, next_backward_token) = (forward.encode(), backward.encode());
        told(&wire::GetLogEventsAnswer { events, next_forward_token, next_backward_token })
    }

    async fn filter_log_events(&self) -> Answer {
        let request: wire::FilterLogEvents = wire::read(&self.call.body)?;
        if request.filter_pattern.as_deref().is_some_and(|pattern| !pattern.trim().is_empty()) {
            let message = "Filter patterns are not answered here yet; leave filterPattern out.";
            return Err(AwsError::new("InvalidParameterException", message));
        }
        let group = request.log_group_name()?;
        let since = self.group(group).await?.created_at_unix_nano;
        let newest_first = request.start_from_head == Some(false);
        let times = format!("{:?} {:?} {newest_first}", request.start_time, request.end_time);
        let streams = request.log_stream_names.join("\n");
        let prefix = request.log_stream_name_prefix.as_deref().unwrap_or_default();
        let question = ["FilterLogEvents", group, &times, &streams, prefix];
        let token = request.next_token.as_deref().map(|token| PageToken::decode(token, &question)).transpose()?;
        let filter = LogEventFilter {
            log_group_name: group.to_owned(),
            log_stream_names: request.log_stream_names.clone(),
            log_stream_name_prefix: request.log_stream_name_prefix.clone(),
            start_unix_ms: request.start_time,
            // Inclusive there, exclusive here.
            end_unix_ms: request.end_time.map(|end| end.saturating_add(1)),
            received_from_unix_ms: since / NANOS_PER_MS,
            beyond_event_id: token.map(|token| token.event()).transpose()?.map(|event| event.to_string()),
            newest_first,
        };
        let limit = request.limit.unwrap_or(EVENTS_LIMIT_MAX) as usize;
        let (events, more) = self.events(&filter, limit).await?;
        let last = events.last().filter(|_| more);
        let next_token = last.map(|event| PageToken::new(event.event_id.clone(), &question).encode());
        let events = self
            .of_living_streams(group, events)
            .await?
            .into_iter()
            .map(|event| wire::FilteredLogEvent {
                log_stream_name: event.log_stream_name,
                timestamp: event.timestamp_ms,
                message: event.message,
                ingestion_time: event.received_at_ms,
                event_id: event.event_id,
            })
            .collect();
        told(&wire::FilterLogEventsAnswer { events, searched_log_streams: Vec::new(), next_token })
    }

    /// One page of events, and whether more follow: at most `limit`, and no more than a megabyte.
    async fn events(&self, filter: &LogEventFilter, limit: usize) -> Result<(Vec<LogEvent>, bool), AwsError> {
        let asked = self.services.asker.log_events(filter, limit + 1).await;
        let mut events = asked.map_err(|error| unavailable(&error.to_string()))?;
        let mut bytes = 0;
        let fits = |event: &LogEvent| {
            bytes += event.message.len();
            bytes <= EVENTS_PAGE_BYTES_MAX
        };
        let count = events.iter().map(fits).take_while(|fits| *fits).count().max(1).min(limit);
        let more = events.len() > count;
        events.truncate(count);
        Ok((events, more))
    }

    /// Without events of streams that were deleted since.
    async fn of_living_streams(&self, group: &str, events: Vec<LogEvent>) -> Result<Vec<LogEvent>, AwsError> {
        let mut since = std::collections::HashMap::new();
        let mut living = Vec::with_capacity(events.len());
        for event in events {
            if !since.contains_key(&event.log_stream_name) {
                let found = self.services.metastore.log_stream(self.project, group, &event.log_stream_name).await;
                let from = found.map_err(aws_error)?.map(|stream| stream.created_at_unix_nano / NANOS_PER_MS);
                since.insert(event.log_stream_name.clone(), from);
            }
            if since[&event.log_stream_name].is_some_and(|from| event.received_at_ms >= from) {
                living.push(event);
            }
        }
        Ok(living)
    }

    async fn group(&self, name: &str) -> Result<metastore::LogGroup, AwsError> {
        let found = self.services.metastore.log_group(self.project, name).await.map_err(aws_error)?;
        found.ok_or_else(wire::log_group_not_found)
    }

    /// When the stream was made.
    async fn stream(&self, group: &str, name: &str) -> Result<i64, AwsError> {
        let found = self.services.metastore.log_stream(self.project, group, name).await.map_err(aws_error)?;
        found.map(|stream| stream.created_at_unix_nano).ok_or_else(wire::log_stream_not_found)
    }

    async fn note_activity(&self) -> Result<(), AwsError> {
        let noted = self.services.log_stream_activity.write(&self.services.metastore, self.project).await;
        noted.map_err(aws_error)
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

fn page_after(token: Option<&str>, question: &[&str]) -> Result<Option<String>, AwsError> {
    Ok(token.map(|token| PageToken::decode(token, question)).transpose()?.map(|token| token.after))
}

fn told(answer: &impl serde::Serialize) -> Answer {
    serde_json::to_value(answer).map_err(|error| unavailable(&error.to_string()))
}

fn stamp(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
}

fn unavailable(reason: &str) -> AwsError {
    tracing::warn!(%reason, "a call to CloudWatch Logs could not be answered");
    AwsError::new("ServiceUnavailableException", "The service cannot complete the request.")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
}

fn aws_error(error: MetastoreError) -> AwsError {
    match error {
        MetastoreError::NotFound { what: "log group", .. } => wire::log_group_not_found(),
        MetastoreError::NotFound { .. } => wire::log_stream_not_found(),
        MetastoreError::AlreadyExists { what: "log group", .. } => wire::log_group_exists(),
        MetastoreError::AlreadyExists { .. } => wire::log_stream_exists(),
        MetastoreError::InvalidRetention(days) => {
            AwsError::new("InvalidParameterException", format!("retentionInDays {days} is not one of the allowed values"))
        }
        other => unavailable(&other.to_string()),
    }
}
