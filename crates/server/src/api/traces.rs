//! `/api/traces`: search, counts over time, one trace with its logs, errors and original documents.

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::trace::{Trace, TraceDocuments, TraceErrors, TraceLogs};
use engine::ask::traces::{TraceFilter, TraceHistogram, TraceSort, TraceStatus, Traces};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{Params, time_range, trace_id};
use super::refusal::Refusal;
use crate::Services;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TraceParams {
    /// RFC 3339 or unix milliseconds; an hour before `end` by default.
    start: Option<String>,
    /// RFC 3339 or unix milliseconds; now by default.
    end: Option<String>,
    /// Search language; a trace matches when one span of it does.
    #[serde(default)]
    q: String,
    service: Option<String>,
    route: Option<String>,
    /// `ok` or `error`.
    status: Option<String>,
    min_duration_ms: Option<f64>,
    max_duration_ms: Option<f64>,
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `newest` (default) or `slowest`.
    sort: Option<String>,
}

const TRACES_DEFAULT: usize = 50;

impl TraceParams {
    fn filter(&self) -> Result<TraceFilter, Refusal> {
        let status = match self.status.as_deref() {
            None | Some("") => None,
            Some("ok") => Some(TraceStatus::Ok),
            Some("error") => Some(TraceStatus::Error),
            Some(other) => return Err(Refusal::parameter(format!("cannot read status from {other:?}: expected ok or error"))),
        };
        let nanos = |ms: f64| (ms * 1e6) as i64;
        Ok(TraceFilter {
            q: self.q.clone(),
            service: self.service.clone(),
            route: self.route.clone(),
            status,
            duration_min_ns: self.min_duration_ms.map(nanos),
            duration_max_ns: self.max_duration_ms.map(nanos),
        })
    }
}

/// Traces with a span that matches.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_list", path = "/api/traces", params(TraceParams), responses((status = 200, body = Traces), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<TraceParams>) -> Result<Json<Traces>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let sort = match params.sort.as_deref() {
        None | Some("newest") => TraceSort::Newest,
        Some("slowest") => TraceSort::Slowest,
        Some(other) => return Err(Refusal::parameter(format!("cannot read sort from {other:?}: expected newest or slowest"))),
    };
    let limit = params.limit.unwrap_or(TRACES_DEFAULT);
    Ok(Json(services.asker.traces(range, &params.filter()?, sort, limit, params.cursor.as_deref()).await?))
}

/// Requests that match, by step.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_histogram", path = "/api/traces/histogram", params(TraceParams), responses((status = 200, body = TraceHistogram), (status = 400, body = Refusal)))]
pub async fn histogram(
    State(services): State<Services>,
    Params(params): Params<TraceParams>,
) -> Result<Json<TraceHistogram>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    Ok(Json(services.asker.trace_histogram(range, &params.filter()?).await?))
}

/// One trace, with the spans of every tracer that saw the request.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_one", path = "/api/traces/{id}", params(("id" = String, Path, description = "32 hex digits, or X-Ray's form")), responses((status = 200, body = Trace), (status = 404, body = Refusal)))]
pub async fn one(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<Trace>, Refusal> {
    let found = services.asker.trace(trace_id(&id)?).await?;
    found.map(Json).ok_or_else(|| Refusal::missing(format!("no trace {id}: no span of it has arrived")))
}

/// Every log line and event of a trace, in time order.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_logs", path = "/api/traces/{id}/logs", params(("id" = String, Path)), responses((status = 200, body = TraceLogs)))]
pub async fn logs(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<TraceLogs>, Refusal> {
    Ok(Json(services.asker.trace_logs(trace_id(&id)?).await?))
}

/// The errors raised in a trace.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_errors", path = "/api/traces/{id}/errors", params(("id" = String, Path)), responses((status = 200, body = TraceErrors)))]
pub async fn errors(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<TraceErrors>, Refusal> {
    Ok(Json(services.asker.trace_errors(trace_id(&id)?).await?))
}

/// The documents a trace was made of: X-Ray segments word for word, OpenTelemetry spans as OTLP JSON.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_raw", path = "/api/traces/{id}/raw", params(("id" = String, Path)), responses((status = 200, body = TraceDocuments)))]
pub async fn raw(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<TraceDocuments>, Refusal> {
    Ok(Json(services.asker.trace_documents(trace_id(&id)?).await?))
}
