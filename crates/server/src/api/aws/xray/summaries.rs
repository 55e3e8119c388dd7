//! GetTraceSummaries: the traces of a time that a filter finds, newest first, as many pages as there are.

use std::collections::BTreeMap;

use engine::ask::trace_scope::{TraceScope, TraceTime};
use engine::ask::trace_summaries::{FoundCauseEntity, FoundHttp, FoundRootCause, FoundService, FoundTrace};
use serde_json::{Map, Value, json};

use super::graphs::{asked, range};
use super::pages::{self, Place};
use super::{Answer, XrayApi, seconds, unavailable};
use crate::api::filters::find_groups;

/// Summaries on one page. AWS's pages have some hundred.
const SUMMARIES_PER_PAGE: usize = 200;

/// Longest filter.
const FILTER_CHARS_MAX: usize = 16_384;

impl XrayApi<'_> {
    pub(super) async fn get_trace_summaries(&self) -> Answer {
        let input = self.input()?;
        let range = range(&input)?;
        let time = match input.word("TimeRangeType", &["TraceId", "Event", "Service"])? {
            Some("Event") => TraceTime::Any,
            Some("Service") => TraceTime::Answered,
            _ => TraceTime::Id,
        };
        let filter = input.text_of("FilterExpression", 0, FILTER_CHARS_MAX)?.unwrap_or_default();
        // Every trace is looked at, so whatever part of them would be enough is given.
        input.flag("Sampling")?;
        if let Some(strategy) = input.object("SamplingStrategy")? {
            strategy.word("Name", &["PartialScan", "FixedRate"])?;
            strategy.number("Value", 0.0, 1.0)?;
        }
        let operation = "GetTraceSummaries";
        let question = format!("{range:?} {time:?} {filter}");
        let cursor = pages::place(&input, operation, &[&question])?;
        let groups = Some(find_groups(self.services).await.map_err(unavailable)?);
        let scope = TraceScope { time, filter: filter.to_owned(), groups, ..TraceScope::over(range) };
        let cursor = cursor.as_ref().map(Place::as_text);
        let page = self.services.asker.trace_summaries(&scope, SUMMARIES_PER_PAGE, cursor).await.map_err(asked)?;
        let approximate = page.traces.first().map_or(range.end_unix_nano, |trace| trace.start_unix_nano);
        let next = page.next_cursor.map(|cursor| Place::new(cursor).token(operation, &[&question]));
        let is_event = time == TraceTime::Any;
        let mut answer = pages::answer("TraceSummaries", page.traces.iter().map(|trace| told(trace, is_event)).collect(), next);
        answer["ApproximateTime"] = seconds(approximate).into();
        answer["TracesProcessedCount"] = page.traces_looked_at.into();
        Ok(answer)
    }
}

fn told(trace: &FoundTrace, is_event: bool) -> Value {
    let ids = |places: &mut dyn Iterator<Item = usize>| -> Vec<Value> {
        places.filter_map(|place| trace.services.get(place)).map(service_id).collect()
    };
    let mut annotations: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for annotation in &trace.annotations {
        let value = match &annotation.value {
            Value::Bool(flag) => json!({ "BooleanValue": flag }),
            Value::Number(number) => json!({ "NumberValue": number }),
            Value::String(text) => json!({ "StringValue": text }),
            other => json!({ "StringValue": other.to_string() }),
        };
        let of_services = ids(&mut annotation.services.iter().copied());
        let told = json!({ "AnnotationValue": value, "ServiceIds": of_services });
        annotations.entry(annotation.key.clone()).or_default().push(told);
    }
    let users: Vec<Value> = trace
        .users
        .iter()
        .map(|user| json!({ "UserName": user.name, "ServiceIds": ids(&mut user.services.iter().copied()) }))
        .collect();
    let named = |member: &str, names: &[String]| -> Vec<Value> { names.iter().map(|name| json!({ member: name })).collect() };
    let causes = |causes: &[FoundRootCause], with_exceptions: bool| -> Vec<Value> {
        causes.iter().map(|cause| root_cause(cause, trace, with_exceptions)).collect()
    };
    let response_time: Vec<Value> =
        trace.response_time_root_cause.iter().map(|cause| root_cause(cause, trace, false)).collect();
    let mut out = json!({
        "Id": trace.id.to_xray(),
        "StartTime": seconds(trace.start_unix_nano),
        "Duration": seconds(trace.duration_ns),
        "ResponseTime": seconds(trace.response_time_ns),
        "HasFault": trace.has_fault,
        "HasError": trace.has_error,
        "HasThrottle": trace.has_throttle,
        "IsPartial": trace.is_partial,
        "Http": trace.http.as_ref().map_or_else(|| json!({}), http),
        "Annotations": annotations,
        "Users": users,
        "ServiceIds": trace.services.iter().map(service_id).collect::<Vec<_>>(),
        "ResourceARNs": named("ARN", &trace.resource_arns),
        "InstanceIds": named("Id", &trace.instance_ids),
        "AvailabilityZones": named("Name", &trace.availability_zones),
        "ResponseTimeRootCauses": response_time,
        "FaultRootCauses": causes(&trace.fault_root_causes, true),
        "ErrorRootCauses": causes(&trace.error_root_causes, true),
        "Revision": trace.revision,
    });
    if let Some(entry) = trace.entry_point.and_then(|entry| trace.services.get(entry)) {
        out["EntryPoint"] = service_id(entry);
    }
    if is_event {
        out["MatchedEventTime"] = seconds(trace.matched_event_unix_nano).into();
    }
    out
}

/// Type is always there: clients dereference it.
fn service_id(service: &FoundService) -> Value {
    let mut out = json!({ "Name": service.name, "Names": [service.name], "Type": service.node_type });
    if let Some(account_id) = &service.account_id {
        out["AccountId"] = account_id.as_str().into();
    }
    out
}

fn http(http: &FoundHttp) -> Value {
    let mut out = Map::new();
    let texts =
        [("HttpURL", &http.url), ("HttpMethod", &http.method), ("ClientIp", &http.client_ip), ("UserAgent", &http.user_agent)];
    for (member, text) in texts {
        if let Some(text) = text {
            out.insert(member.to_owned(), text.as_str().into());
        }
    }
    if let Some(status) = http.status {
        out.insert("HttpStatus".to_owned(), status.into());
    }
    Value::Object(out)
}

fn root_cause(cause: &FoundRootCause, trace: &FoundTrace, with_exceptions: bool) -> Value {
    let services: Vec<Value> = cause
        .services
        .iter()
        .filter_map(|one| {
            let service = trace.services.get(one.service)?;
            let mut out = service_id(service);
            out["Inferred"] = service.is_inferred.into();
            out["EntityPath"] = one.entities.iter().map(|entity| entity_told(entity, with_exceptions)).collect();
            Some(out)
        })
        .collect();
    json!({ "Services": services, "ClientImpacting": cause.client_impacting })
}

fn entity_told(entity: &FoundCauseEntity, with_exceptions: bool) -> Value {
    let mut out = json!({ "Name": entity.name, "Remote": entity.remote });
    if with_exceptions {
        let exceptions =
            entity.exceptions.iter().map(|exception| json!({ "Name": exception.r#type, "Message": exception.message }));
        out["Exceptions"] = exceptions.collect();
    } else {
        out["Coverage"] = entity.coverage.into();
    }
    out
}
