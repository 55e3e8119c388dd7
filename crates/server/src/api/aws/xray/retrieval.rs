//! Retrievals: traces by their ids as a job, in X-Ray's form or OpenTelemetry's. Every span is at hand here, so a job is done
//! as soon as it is begun; what it finds is read when it is asked for.

use std::collections::HashMap;

use engine::ask::stored_spans::StoredSpan;
use engine::ask::trace::SpanTold;
use parking_lot::Mutex;
use receivers::aws::AwsError;
use serde_json::{Map, Value, json};

use super::input::{Checked, Input, invalid};
use super::pages::{self, Place};
use super::traces::trace_ids;
use super::{Answer, XrayApi, not_found, unavailable};
use crate::limits::{RETRIEVAL_SECONDS_MAX, RETRIEVALS_REMEMBERED, XRAY_TRACE_IDS_MAX};

/// Traces on one page; AWS's bound.
const TRACES_PER_PAGE: usize = 5;

/// Spans on one page; AWS's bound.
const SPANS_PER_PAGE: usize = 100;

/// Jobs by token.
#[derive(Default)]
pub struct Retrievals(Mutex<HashMap<String, Retrieval>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrieval {
    trace_ids: Vec<String>,
    /// Spans count that begin in this time, both ends included.
    start_unix_nano: i64,
    end_unix_nano: i64,
    begun_at_unix_nano: i64,
    is_cancelled: bool,
}

impl Retrieval {
    pub fn trace_ids(&self) -> impl Iterator<Item = &str> {
        self.trace_ids.iter().filter(|_| !self.is_cancelled).map(String::as_str)
    }

    pub fn status(&self) -> &'static str {
        if self.is_cancelled { "CANCELLED" } else { "COMPLETE" }
    }
}

impl Retrievals {
    /// Remembers a job for an hour; the oldest gives way when there are too many.
    fn begin(&self, job: Retrieval) -> String {
        let mut jobs = self.0.lock();
        let now = job.begun_at_unix_nano;
        jobs.retain(|_, job| now - job.begun_at_unix_nano < RETRIEVAL_SECONDS_MAX * 1_000_000_000);
        if jobs.len() >= RETRIEVALS_REMEMBERED
            && let Some(oldest) = jobs.iter().min_by_key(|(_, job)| job.begun_at_unix_nano).map(|(token, _)| token.clone())
        {
            jobs.remove(&oldest);
        }
        let token = uuid::Uuid::new_v4().to_string();
        jobs.insert(token.clone(), job);
        token
    }

    fn find(&self, token: &str, now_unix_nano: i64) -> Option<Retrieval> {
        let found = self.0.lock().get(token).cloned();
        found.filter(|job| now_unix_nano - job.begun_at_unix_nano < RETRIEVAL_SECONDS_MAX * 1_000_000_000)
    }

    fn cancel(&self, token: &str) {
        if let Some(job) = self.0.lock().get_mut(token) {
            job.is_cancelled = true;
        }
    }
}

impl XrayApi<'_> {
    pub(super) async fn start_trace_retrieval(&self) -> Answer {
        let input = self.input()?;
        let ids = trace_ids(&input, XRAY_TRACE_IDS_MAX)?;
        let (start, end) = (input.required_time("StartTime")?, input.required_time("EndTime")?);
        if start > end {
            return Err(invalid("StartTime must not be after EndTime."));
        }
        let token = self.services.xray.retrievals.begin(Retrieval {
            trace_ids: ids.into_iter().map(str::to_owned).collect(),
            start_unix_nano: start,
            end_unix_nano: end,
            begun_at_unix_nano: self.call.received_at_unix_nano,
            is_cancelled: false,
        });
        Ok(json!({ "RetrievalToken": token }))
    }

    pub(super) async fn cancel_trace_retrieval(&self) -> Answer {
        let input = self.input()?;
        let (token, _) = self.retrieval(&input)?;
        self.services.xray.retrievals.cancel(&token);
        Ok(json!({}))
    }

    pub(super) async fn list_retrieved_traces(&self) -> Answer {
        let input = self.input()?;
        let format = input.word("TraceFormat", &["XRAY", "OTEL"])?.unwrap_or("XRAY");
        let (token, job) = self.retrieval(&input)?;
        let operation = "ListRetrievedTraces";
        let question = [token.as_str(), format];
        // Where to go on: the number of a trace, and the id of the last of its spans that was told.
        let place = pages::place(&input, operation, &question)?;
        let (mut number, mut after) = match &place {
            Some(place) => {
                let (number, span) = place.as_pair()?;
                (usize::try_from(number).map_err(|_| pages::wrong_token())?, span.to_owned())
            }
            None => (0, String::new()),
        };
        let (mut traces, mut next, mut room) = (Vec::new(), None, SPANS_PER_PAGE);
        while let Some(id) = job.trace_ids.get(number).filter(|_| !job.is_cancelled) {
            if traces.len() == TRACES_PER_PAGE || room == 0 {
                next = Some(Place::pair(number, &after).token(operation, &question));
                break;
            }
            let Some((duration, spans)) = self.retrieved(id, &job, format).await? else {
                number += 1;
                continue;
            };
            // A span that is gone meanwhile leaves nothing to tell apart: the trace is told from its beginning.
            let from = spans.iter().position(|(span, _)| *span == after).map_or(0, |at| at + 1);
            let told: Vec<Value> =
                spans.iter().skip(from).take(room).map(|(id, document)| json!({ "Id": id, "Document": document })).collect();
            room -= told.len();
            let is_whole = from + told.len() == spans.len();
            after = if is_whole { String::new() } else { spans[from + told.len() - 1].0.clone() };
            if !told.is_empty() {
                traces.push(json!({ "Id": id, "Duration": duration, "Spans": told }));
            }
            number += usize::from(is_whole);
        }
        let mut answer = pages::answer("Traces", traces, next);
        answer["RetrievalStatus"] = job.status().into();
        answer["TraceFormat"] = format.into();
        Ok(answer)
    }

    /// Duration and documents of a trace of a job, if it has spans in the job's time.
    async fn retrieved(&self, id: &str, job: &Retrieval, format: &str) -> Checked<Option<(f64, Vec<(String, String)>)>> {
        let Ok(id) = model::TraceId::parse(id) else { return Ok(None) };
        let mut stored = self.services.asker.stored_trace(id).await.map_err(unavailable)?;
        let is_within = |span: &StoredSpan| {
            (job.start_unix_nano..=job.end_unix_nano).contains(&span.told.start_time_unix_nano.0)
        };
        if !stored.spans.iter().any(is_within) {
            return Ok(None);
        }
        let Some(whole) = super::documents::trace_documents(id, &stored) else { return Ok(None) };
        let documents = match format {
            "OTEL" => {
                stored.spans.sort_by_key(|span| (span.told.start_time_unix_nano, span.told.span_id.clone()));
                stored.spans.iter().map(|span| (span.told.span_id.clone(), otel_span(&span.told).to_string())).collect()
            }
            _ => whole.documents,
        };
        Ok(Some((whole.duration_seconds, documents)))
    }

    /// The job that a request names. Its ids, for its graph.
    pub(super) fn retrieval(&self, input: &Input<'_>) -> Checked<(String, Retrieval)> {
        let token = input.required_text("RetrievalToken", 0, 1_020)?;
        let found = self.services.xray.retrievals.find(token, self.call.received_at_unix_nano);
        let found = found.ok_or_else(|| -> AwsError { not_found("The retrieval token is not known, or an hour old.") })?;
        Ok((token.to_owned(), found))
    }
}

/// A span as Transaction Search writes it to its log group: OpenTelemetry's members, attributes as one object.
fn otel_span(span: &SpanTold) -> Value {
    let start = span.start_time_unix_nano.0;
    let mut out = json!({
        "resource": { "attributes": span.resource },
        "scope": span.scope,
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": span.kind.to_uppercase(),
        "startTimeUnixNano": start,
        "endTimeUnixNano": start + span.duration_ns,
        "durationNano": span.duration_ns,
        "attributes": span.attributes,
        "status": { "code": span.status_code.to_uppercase() },
    });
    if let Some(parent) = &span.parent_span_id {
        out["parentSpanId"] = parent.as_str().into();
    }
    if !span.status_message.is_empty() {
        out["status"]["message"] = span.status_message.as_str().into();
    }
    if span.links.as_array().is_some_and(|links| !links.is_empty()) {
        out["links"] = span.links.clone();
    }
    if !span.events.is_empty() {
        let events = span.events.iter().map(|event| {
            let mut attributes: Map<String, Value> = event.attributes.clone();
            if let Some(exception) = &event.exception {
                attributes.insert("exception.type".into(), exception.r#type.as_str().into());
                attributes.insert("exception.message".into(), exception.message.as_str().into());
                attributes.insert("exception.stacktrace".into(), exception.stacktrace.as_str().into());
            }
            json!({ "timeUnixNano": event.time_unix_nano.0, "name": event.name, "attributes": attributes })
        });
        out["events"] = events.collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(at: i64) -> Retrieval {
        Retrieval { trace_ids: Vec::new(), start_unix_nano: 0, end_unix_nano: 9, begun_at_unix_nano: at, is_cancelled: false }
    }

    #[test]
    fn jobs_are_known_for_an_hour() {
        const HOUR: i64 = 3_600 * 1_000_000_000;
        let jobs = Retrievals::default();
        let token = jobs.begin(job(0));
        assert_eq!(jobs.find(&token, 1).unwrap().status(), "COMPLETE");
        jobs.cancel(&token);
        assert_eq!(jobs.find(&token, 1).unwrap().status(), "CANCELLED");
        assert_eq!(jobs.find(&token, HOUR), None);
        assert_eq!(jobs.find("other", 1), None);
    }

    #[test]
    fn the_oldest_of_too_many_gives_way() {
        let jobs = Retrievals::default();
        let tokens: Vec<String> = (0..RETRIEVALS_REMEMBERED as i64 + 1).map(|at| jobs.begin(job(at))).collect();
        assert_eq!(jobs.find(&tokens[0], 1), None);
        assert!(jobs.find(&tokens[1], 1).is_some());
        assert_eq!(jobs.0.lock().len(), RETRIEVALS_REMEMBERED);
    }

    #[test]
    fn spans_are_told_as_they_stand_in_the_log_group() {
        let span = SpanTold {
            trace_id: "t".into(),
            span_id: "s".into(),
            kind: "server".into(),
            status_code: "unset".into(),
            name: "GET /".into(),
            duration_ns: 5,
            resource: json!({"service.name": "shop"}),
            scope: json!({}),
            ..SpanTold::default()
        };
        assert_eq!(
            otel_span(&span),
            json!({"resource": {"attributes": {"service.name": "shop"}}, "scope": {}, "traceId": "t", "spanId": "s", "name": "GET /",
                "kind": "SERVER", "startTimeUnixNano": 0, "endTimeUnixNano": 5, "durationNano": 5, "attributes": {},
                "status": {"code": "UNSET"}})
        );
    }
}
