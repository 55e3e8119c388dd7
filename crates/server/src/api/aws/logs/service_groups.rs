//! Groups that nobody made: what comes by OpenTelemetry's protocol, log records as if they were in `otel/<service>`, spans as if
//! they were in `aws/spans`.
//!
//! Metric and subscription filters can be put on such a group without making it, and the account's subscriptions are for it
//! too. What filters find is looked for before a request is kept, and its metrics are kept in one write with what it brings.
//!
//! Missing: spans of other protocols are in `aws/spans` where it is read, and are not looked at here
//! Quirks:  the stream is `default`; events are given to subscribers in batches as large as those of PutLogEvents; log records
//!          that are events of spans are not looked at

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use engine::ask::insights::{SERVICE_GROUP_PREFIX, SERVICE_STREAM, SPANS_GROUP, span_events};
use model::{DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Signal, Span};
use parking_lot::Mutex;
use receivers::aws::AwsError;
use receivers::cloudwatch::made_metrics::{SERVICES_HEADER, ServiceMetrics};
use receivers::cloudwatch::put_log_events::{BATCH_BYTES_MAX, EVENT_OVERHEAD_BYTES};
use receivers::{Failure, Incoming, Receiver, Reply, signal_of};
use serde_json::{Map, Value};
use store::{RowBuffer, RowContext};

use super::account_policies::{ACCOUNT_POLICY, SUBSCRIPTION_POLICY_TYPE};
use super::listeners::{Batch, Heard};
use super::metric_filters::METRIC_FILTER;
use super::resources::{self, group_of};
use super::subscriptions::SUBSCRIPTION_FILTER;
use super::{Call, LogsApi, NANOS_PER_MS, unavailable};
use crate::Services;

/// Which of these groups have filters, so that what others are told is not looked at.
#[derive(Default)]
pub struct ServiceGroups(Mutex<Known>);

#[derive(Default)]
struct Known {
    filtered: Option<Arc<Filtered>>,
    /// How often filters changed: what was read before a change is not believed after it.
    changes: u64,
}

#[derive(Debug, Default, PartialEq)]
struct Filtered {
    groups: HashSet<String>,
    /// A subscription of the account is for all groups.
    all: bool,
}

impl Filtered {
    fn is_empty(&self) -> bool {
        !self.all && self.groups.is_empty()
    }

    fn includes(&self, group: &str) -> bool {
        self.all || self.groups.contains(group)
    }
}

impl ServiceGroups {
    /// To be told after filters changed.
    pub fn changed(&self) {
        let mut known = self.0.lock();
        known.filtered = None;
        known.changes += 1;
    }

    fn known(&self) -> (Option<Arc<Filtered>>, u64) {
        let known = self.0.lock();
        (known.filtered.clone(), known.changes)
    }

    fn note(&self, filtered: &Arc<Filtered>, changes: u64) {
        let mut known = self.0.lock();
        if known.changes == changes {
            known.filtered = Some(Arc::clone(filtered));
        }
    }
}

/// The service of a group of this kind.
pub fn service_of(group: &str) -> Option<&str> {
    group.strip_prefix(SERVICE_GROUP_PREFIX).filter(|service| !service.is_empty())
}

/// Takes a request in as [`crate::ingest::Ingest::take`] does; of one with log records or spans, filters are told as well.
pub async fn take(services: &Services, receiver: &'static dyn Receiver, incoming: &Incoming<'_>, body: &Bytes) -> Reply {
    let signal = match signal_of(receiver, incoming) {
        Some(signal @ (Signal::Logs | Signal::Spans)) => signal,
        _ => return services.ingest.take(receiver, incoming, body).await,
    };
    match filtered(services).await {
        Ok(filtered) if filtered.is_empty() || (signal == Signal::Spans && !filtered.includes(SPANS_GROUP)) => {
            services.ingest.take(receiver, incoming, body).await
        }
        Ok(filtered) => take_filtered(services, receiver, signal, incoming, body, &filtered).await,
        Err(error) => services.ingest.fail(receiver, incoming, &Failure::Unavailable(error.message)),
    }
}

async fn filtered(services: &Services) -> Result<Arc<Filtered>, AwsError> {
    let groups = &services.logs.service_groups;
    let (known, changes) = groups.known();
    if let Some(known) = known {
        return Ok(known);
    }
    let mut filtered = Filtered::default();
    for kind in [METRIC_FILTER, SUBSCRIPTION_FILTER] {
        let stored = resources::all(services, kind, None).await?;
        let groups = stored.iter().map(|each| group_of(&each.owner));
        let untold = groups.filter(|group| *group == SPANS_GROUP || service_of(group).is_some());
        filtered.groups.extend(untold.map(str::to_owned));
    }
    filtered.all = !resources::all(services, ACCOUNT_POLICY, Some(SUBSCRIPTION_POLICY_TYPE)).await?.is_empty();
    let filtered = Arc::new(filtered);
    groups.note(&filtered, changes);
    Ok(filtered)
}

fn logs_api<'a>(services: &'a Services, call: &'a Call) -> Result<LogsApi<'a>, AwsError> {
    LogsApi::own(services, call, "PutLogEvents").ok_or_else(|| unavailable("the operation PutLogEvents is missing"))
}

async fn take_filtered(
    services: &Services,
    receiver: &'static dyn Receiver,
    signal: Signal,
    incoming: &Incoming<'_>,
    body: &Bytes,
    filtered: &Filtered,
) -> Reply {
    let scrubbed = services.ingest.scrubber().scrub(receiver.name(), body, incoming.received_at_unix_nano).map(Bytes::from);
    let body = scrubbed.as_ref().unwrap_or(body);
    let mut incoming = Incoming { body, ..incoming.clone() };
    let told = match signal {
        Signal::Spans => spans(receiver, &incoming),
        _ => log_records(receiver, &incoming, filtered),
    };
    let told = match told {
        Ok(told) => told,
        Err(failure) => return services.ingest.fail(receiver, &incoming, &failure),
    };
    let call = Call::own(services, &Value::Object(Map::new()));
    let request = receiver.identity(&incoming).map(|identity| identity.0);
    let heard = match logs_api(services, &call) {
        Ok(logs) => heard(&logs, &told, incoming.received_at_unix_nano, request).await.map(|heard| (logs, heard)),
        Err(error) => Err(error),
    };
    let (logs, heard) = match heard {
        Ok(heard) => heard,
        Err(error) => return services.ingest.fail(receiver, &incoming, &Failure::Unavailable(error.message)),
    };
    let made = serde_json::to_string(&heard.metrics).unwrap_or_default();
    if !heard.metrics.is_empty() {
        incoming.headers.0.push((SERVICES_HEADER, &made));
    }
    let reply = services.ingest.take_decoded(receiver, &incoming, body, None).await;
    if reply.status.is_success() {
        for (group, told) in heard.of_groups {
            services.logs.quiet_minutes.note(&group, told.found, incoming.received_at_unix_nano);
            logs.deliver(told.deliveries).await;
        }
    }
    reply
}

/// The log records of a request by the groups of their services, where these have filters.
fn log_records(receiver: &dyn Receiver, incoming: &Incoming<'_>, filtered: &Filtered) -> Result<Vec<OfGroup>, Failure> {
    let mut records = Records { filtered, of: Vec::new(), is_heard: false };
    receiver.translate(incoming, &mut records)?;
    Ok(records.of)
}

/// The spans of a request as the events that they will be read as.
fn spans(receiver: &dyn Receiver, incoming: &Incoming<'_>) -> Result<Vec<OfGroup>, Failure> {
    let context = RowContext { receiver: receiver.name(), received_at_unix_nano: incoming.received_at_unix_nano, request: None };
    let mut rows = RowBuffer::new(context);
    receiver.translate(incoming, &mut rows)?;
    let unavailable = |error: &dyn std::fmt::Display| Failure::Unavailable(error.to_string());
    let mut events = Vec::new();
    for (signal, batch) in rows.finish().map_err(|error| unavailable(&error))? {
        if signal == Signal::Spans {
            events.extend(span_events(&batch).map_err(|error| unavailable(&error))?);
        }
    }
    Ok(vec![OfGroup { group: SPANS_GROUP.to_owned(), service: SPANS_GROUP.to_owned(), events }])
}

/// What filters found in the events of all groups of a request.
#[derive(Default)]
struct AllHeard {
    metrics: Vec<ServiceMetrics>,
    of_groups: Vec<(String, Heard)>,
}

async fn heard(
    logs: &LogsApi<'_>,
    told: &[OfGroup],
    received_at_unix_nano: i64,
    request: Option<u128>,
) -> Result<AllHeard, AwsError> {
    let mut all = AllHeard::default();
    for OfGroup { group, service, events } in told {
        for (first, events) in batches(events) {
            let batch = Batch { group, stream: SERVICE_STREAM, received_at_unix_nano, first, request, events };
            let mut heard = logs.heard(&batch).await?;
            let metrics = std::mem::take(&mut heard.found.metrics);
            if !metrics.is_empty() {
                all.metrics.push(ServiceMetrics { service: service.clone(), metrics });
            }
            all.of_groups.push((group.clone(), heard));
        }
    }
    Ok(all)
}

/// As much together as a call of PutLogEvents brings, each with the index of its first event.
fn batches(events: &[(i64, String)]) -> Vec<(usize, Vec<(i64, &str)>)> {
    let mut out: Vec<(usize, Vec<(i64, &str)>)> = Vec::new();
    let mut bytes = 0;
    for (index, (timestamp_ms, body)) in events.iter().enumerate() {
        let own = body.len() + EVENT_OVERHEAD_BYTES;
        bytes += own;
        match out.last_mut() {
            Some((_, batch)) if bytes <= BATCH_BYTES_MAX => batch.push((*timestamp_ms, body)),
            _ => {
                bytes = own;
                out.push((index, vec![(*timestamp_ms, body)]));
            }
        }
    }
    out
}

/// The events of a group, each with its time in milliseconds, and the service that their metrics are of.
struct OfGroup {
    group: String,
    service: String,
    events: Vec<(i64, String)>,
}

/// A sink that keeps the log records of services with filters.
struct Records<'f> {
    filtered: &'f Filtered,
    of: Vec<OfGroup>,
    /// Whether the last of them is of the current resource.
    is_heard: bool,
}

impl RowSink for Records<'_> {
    fn resource(&mut self, resource: &Resource<'_>) {
        let service = resource.service_name();
        let group = format!("{SERVICE_GROUP_PREFIX}{service}");
        self.is_heard = self.filtered.includes(&group);
        if !self.is_heard {
            return;
        }
        match self.of.iter().position(|known| known.service == service) {
            Some(place) => {
                let last = self.of.len() - 1;
                self.of.swap(place, last);
            }
            None => self.of.push(OfGroup { group, service: service.to_owned(), events: Vec::new() }),
        }
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        if let Some(of_group) = self.of.last_mut().filter(|_| self.is_heard) {
            of_group.events.push((record.time_unix_nano.div_euclid(NANOS_PER_MS), record.body.to_string()));
        }
    }

    fn scope(&mut self, _: &Scope<'_>) {}
    fn span(&mut self, _: &Span<'_>) {}
    fn data_point(&mut self, _: &DataPoint<'_>) {}
    fn refuse(&mut self, _: Refusal) {}
}

#[cfg(test)]
mod tests {
    use model::Attribute;

    use super::*;

    #[test]
    fn records_of_services_with_filters_are_kept_by_service() {
        let filtered = Filtered { groups: HashSet::from(["otel/shop".to_owned(), "otel/till".to_owned()]), all: false };
        let mut records = Records { filtered: &filtered, of: Vec::new(), is_heard: false };
        for (service, body) in [("shop", "a"), ("other", "b"), ("till", "c"), ("shop", "d")] {
            let attributes = [Attribute::str("service.name", service)];
            records.resource(&Resource { attributes: &attributes, schema_url: "" });
            records.log(&LogRecord { time_unix_nano: 5_999_999, body: body.into(), ..LogRecord::default() });
        }
        let kept = records
            .of
            .iter()
            .map(|of| (of.service.as_str(), of.events.iter().map(|(_, body)| body.as_str()).collect::<String>()));
        assert_eq!(kept.collect::<Vec<_>>(), [("till", "c".to_owned()), ("shop", "ad".to_owned())]);
        assert_eq!(records.of[0].events[0].0, 5);
    }

    #[test]
    fn batches_have_the_size_of_calls() {
        let records: Vec<(i64, String)> =
            (0..3).map(|index| (index, "x".repeat(BATCH_BYTES_MAX / 2 - EVENT_OVERHEAD_BYTES))).collect();
        let sizes: Vec<(usize, usize)> = batches(&records).iter().map(|(first, batch)| (*first, batch.len())).collect();
        assert_eq!(sizes, [(0, 2), (2, 1)]);
        assert!(batches(&[]).is_empty());
    }

    #[test]
    fn what_was_read_before_a_change_is_forgotten() {
        let groups = ServiceGroups::default();
        let (_, changes) = groups.known();
        groups.changed();
        groups.note(&Arc::default(), changes);
        assert_eq!(groups.known().0, None);
        groups.note(&Arc::default(), groups.known().1);
        assert!(groups.known().0.is_some());
    }

    #[test]
    fn groups_of_services_are_known_by_their_names() {
        assert_eq!((service_of("otel/shop"), service_of("otel/"), service_of("shop")), (Some("shop"), None, None));
    }
}
