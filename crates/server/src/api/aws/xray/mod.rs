//! X-Ray's API: 38 fixed paths, JSON both ways. Segments and the daemon's counters are taken by the receiver; this answers
//! the rest.
//!
//! One file a subject: sampling, groups, tags, configuration, traces, graphs, retrievals, insights.
//! Spec: docs.aws.amazon.com/xray/latest/api/

mod clients;
mod config;
mod documents;
mod graphs;
mod groups;
mod input;
mod insights;
mod origin;
mod pages;
mod policies;
mod retrieval;
mod sampling;
mod segment;
mod statistics;
mod summaries;
mod tags;
mod traces;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use metastore::Metastore;
use receivers::aws::{AwsError, Dialect, reply};
use receivers::{CorsPolicy, Failure, Reply};
use serde_json::Value;

use self::input::{Checked, Input};
use super::Call;
use crate::Services;
use crate::limits::API_BODY_BYTES_MAX;
use crate::listen::http_ingest::respond;

/// What X-Ray's API remembers from one call to the next. All of it comes back by itself after a restart, or is asked for anew.
#[derive(Default)]
pub struct XrayState {
    clients: clients::SamplingClients,
    counts: statistics::SamplingCounts,
    retrievals: retrieval::Retrievals,
    insights: insights::KnownInsights,
}

impl XrayState {
    /// Writes counts that wait.
    pub async fn write(&self, metastore: &Metastore, project: &str) -> Result<(), metastore::MetastoreError> {
        self.counts.write(metastore, project).await
    }

    /// Clients that report on a sampling rule now.
    pub fn sampling_clients(&self, rule: &str, now_unix_nano: i64) -> usize {
        self.clients.count(rule, now_unix_nano)
    }
}

/// Path and operation, but for the two that a receiver takes: PutTraceSegments and PutTelemetryRecords.
pub const OPERATIONS: [(&str, &str); 36] = [
    ("/Traces", "BatchGetTraces"),
    ("/CancelTraceRetrieval", "CancelTraceRetrieval"),
    ("/CreateGroup", "CreateGroup"),
    ("/CreateSamplingRule", "CreateSamplingRule"),
    ("/DeleteGroup", "DeleteGroup"),
    ("/DeleteResourcePolicy", "DeleteResourcePolicy"),
    ("/DeleteSamplingRule", "DeleteSamplingRule"),
    ("/EncryptionConfig", "GetEncryptionConfig"),
    ("/GetGroup", "GetGroup"),
    ("/Groups", "GetGroups"),
    ("/GetIndexingRules", "GetIndexingRules"),
    ("/Insight", "GetInsight"),
    ("/InsightEvents", "GetInsightEvents"),
    ("/InsightImpactGraph", "GetInsightImpactGraph"),
    ("/InsightSummaries", "GetInsightSummaries"),
    ("/GetRetrievedTracesGraph", "GetRetrievedTracesGraph"),
    ("/GetSamplingRules", "GetSamplingRules"),
    ("/SamplingStatisticSummaries", "GetSamplingStatisticSummaries"),
    ("/SamplingTargets", "GetSamplingTargets"),
    ("/ServiceGraph", "GetServiceGraph"),
    ("/TimeSeriesServiceStatistics", "GetTimeSeriesServiceStatistics"),
    ("/TraceGraph", "GetTraceGraph"),
    ("/GetTraceSegmentDestination", "GetTraceSegmentDestination"),
    ("/TraceSummaries", "GetTraceSummaries"),
    ("/ListResourcePolicies", "ListResourcePolicies"),
    ("/ListRetrievedTraces", "ListRetrievedTraces"),
    ("/ListTagsForResource", "ListTagsForResource"),
    ("/PutEncryptionConfig", "PutEncryptionConfig"),
    ("/PutResourcePolicy", "PutResourcePolicy"),
    ("/StartTraceRetrieval", "StartTraceRetrieval"),
    ("/TagResource", "TagResource"),
    ("/UntagResource", "UntagResource"),
    ("/UpdateGroup", "UpdateGroup"),
    ("/UpdateIndexingRule", "UpdateIndexingRule"),
    ("/UpdateSamplingRule", "UpdateSamplingRule"),
    ("/UpdateTraceSegmentDestination", "UpdateTraceSegmentDestination"),
];

pub fn router() -> Router<Services> {
    OPERATIONS.into_iter().fold(Router::new(), |router, (path, operation)| {
        let handler = move |State(services): State<Services>, request: Request| async move {
            take(&services, operation, request).await
        };
        router.route(path, post(handler))
    })
}

async fn take(services: &Services, operation: &str, request: Request) -> Response {
    match Call::read(services, request, API_BODY_BYTES_MAX).await {
        Ok(call) => respond(answer(services, &call, operation).await, CorsPolicy::None, &call.headers),
        Err((failure, request_id)) => {
            let reply = receivers::xray::error(&failure).to_reply(Dialect::RestJson, &request_id);
            let reply = match failure {
                Failure::Busy { retry_after_seconds } => reply.with_header("retry-after", &retry_after_seconds.to_string()),
                _ => reply,
            };
            respond(reply, CorsPolicy::None, &HeaderMap::new())
        }
    }
}

/// What an operation answers with: its members, or an error by name.
type Answer = Result<Value, AwsError>;

async fn answer(services: &Services, call: &Call, operation: &str) -> Reply {
    let api = XrayApi { services, call, project: &services.settings.project };
    // Also operations that read no member want a body that could have some.
    if let Err(error) = api.input() {
        return api.worded(Err(error));
    }
    let body = match operation {
        "GetSamplingRules" => return api.worded(api.get_sampling_rules().await),
        "GetSamplingTargets" => return api.worded(api.get_sampling_targets().await),
        "CreateSamplingRule" => api.create_sampling_rule().await,
        "UpdateSamplingRule" => api.update_sampling_rule().await,
        "DeleteSamplingRule" => api.delete_sampling_rule().await,
        "GetSamplingStatisticSummaries" => api.get_sampling_statistic_summaries().await,
        "CreateGroup" => api.create_group().await,
        "GetGroup" => api.get_group().await,
        "GetGroups" => api.get_groups().await,
        "UpdateGroup" => api.update_group().await,
        "DeleteGroup" => api.delete_group().await,
        "TagResource" => api.tag_resource().await,
        "UntagResource" => api.untag_resource().await,
        "ListTagsForResource" => api.list_tags_for_resource().await,
        "GetEncryptionConfig" => api.get_encryption_config().await,
        "PutEncryptionConfig" => api.put_encryption_config().await,
        "GetIndexingRules" => api.get_indexing_rules().await,
        "UpdateIndexingRule" => api.update_indexing_rule().await,
        "GetTraceSegmentDestination" => api.get_trace_segment_destination().await,
        "UpdateTraceSegmentDestination" => api.update_trace_segment_destination().await,
        "PutResourcePolicy" => api.put_resource_policy().await,
        "ListResourcePolicies" => api.list_resource_policies().await,
        "DeleteResourcePolicy" => api.delete_resource_policy().await,
        "BatchGetTraces" => api.batch_get_traces().await,
        "GetTraceSummaries" => api.get_trace_summaries().await,
        "GetServiceGraph" => api.get_service_graph().await,
        "GetTraceGraph" => api.get_trace_graph().await,
        "GetTimeSeriesServiceStatistics" => api.get_time_series_service_statistics().await,
        "GetRetrievedTracesGraph" => api.get_retrieved_traces_graph().await,
        "GetInsightSummaries" => api.get_insight_summaries().await,
        "GetInsight" => api.get_insight().await,
        "GetInsightEvents" => api.get_insight_events().await,
        "GetInsightImpactGraph" => api.get_insight_impact_graph().await,
        "StartTraceRetrieval" => api.start_trace_retrieval().await,
        "ListRetrievedTraces" => api.list_retrieved_traces().await,
        "CancelTraceRetrieval" => api.cancel_trace_retrieval().await,
        other => {
            let message = format!("operation {other} of X-Ray is not answered here");
            Err(AwsError::new("UnknownOperationException", message).with_status(StatusCode::NOT_FOUND))
        }
    };
    api.worded(body.map(|body| reply(Dialect::RestJson, StatusCode::OK, &body, &call.request_id)))
}

/// One call, and what it may use.
pub(super) struct XrayApi<'a> {
    services: &'a Services,
    call: &'a Call,
    project: &'a str,
}

impl XrayApi<'_> {
    fn input(&self) -> Checked<Input<'static>> {
        Input::read(&self.call.body)
    }

    fn metastore(&self) -> &Metastore {
        &self.services.metastore
    }

    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:xray:{}:{}:{resource}", self.call.region, self.services.settings.account_id)
    }

    fn worded(&self, answer: Result<Reply, AwsError>) -> Reply {
        answer.unwrap_or_else(|error| error.to_reply(Dialect::RestJson, &self.call.request_id))
    }
}

/// Epoch seconds, as every time is told.
pub(super) fn seconds(unix_nano: i64) -> f64 {
    // Microseconds are as fine as a double tells this century.
    (unix_nano as f64 / 1e3).round() / 1e6
}

fn not_found(message: impl Into<String>) -> AwsError {
    AwsError::new("ResourceNotFoundException", message).with_status(StatusCode::NOT_FOUND)
}

/// What went wrong was ours. The client is told as much and may try again, the log is told what.
fn unavailable(error: impl std::fmt::Display) -> AwsError {
    tracing::warn!(%error, "a call to X-Ray could not be answered");
    AwsError::new("ServiceUnavailableException", "The service cannot complete the request.")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
}
