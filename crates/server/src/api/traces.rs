//! `/api/traces`: search, counts over time, what narrows a search down, one trace with its logs, errors and documents.

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::trace::{Trace, TraceDocuments, TraceErrors, TraceLogs};
use engine::ask::trace_heatmap::{TraceHeatmap, TraceHeatmapCell};
use engine::ask::trace_refine::{RefineBy, TraceRefinement};
use engine::ask::trace_scope::TraceScope;
use engine::ask::trace_typical::TypicalTrace;
use engine::ask::traces::{TraceBucket, TraceFilter, TraceHistogram, TraceSort, TraceStatus, Traces};
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
    /// X-Ray's filter expressions; a trace matches as a whole.
    filter: Option<String>,
    /// The name of a group.
    group: Option<String>,
    /// For what narrows down: `node`, `url`, `method`, `status`, `user`, or the key of an attribute.
    by: Option<String>,
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

    /// The traces that all of the parameters together mean.
    async fn scope(&self, services: &Services) -> Result<TraceScope, Refusal> {
        let range = time_range(self.start.as_deref(), self.end.as_deref())?;
        let scope = super::filters::scope(services, range, self.filter.as_deref(), self.group.as_deref()).await?;
        Ok(TraceScope { search: self.filter()?, ..scope })
    }
}

/// Traces with a span that matches.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_list", path = "/api/traces", params(TraceParams), responses((status = 200, body = Traces), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<TraceParams>) -> Result<Json<Traces>, Refusal> {
    let scope = params.scope(&services).await?;
    let sort = match params.sort.as_deref() {
        None | Some("newest") => TraceSort::Newest,
        Some("slowest") => TraceSort::Slowest,
        Some(other) => return Err(Refusal::parameter(format!("cannot read sort from {other:?}: expected newest or slowest"))),
    };
    let limit = params.limit.unwrap_or(TRACES_DEFAULT);
    Ok(Json(services.asker.traces_of(&scope, sort, limit, params.cursor.as_deref()).await?))
}

/// Requests that match, by step.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_histogram", path = "/api/traces/histogram", params(TraceParams), responses((status = 200, body = TraceHistogram), (status = 400, body = Refusal)))]
pub async fn histogram(
    State(services): State<Services>,
    Params(params): Params<TraceParams>,
) -> Result<Json<TraceHistogram>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let is_plain = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    if is_plain(&params.filter) && is_plain(&params.group) {
        return Ok(Json(services.asker.trace_histogram(range, &params.filter()?).await?));
    }
    let scope = params.scope(&services).await?;
    Ok(Json(histogram_of(&services.asker.trace_heatmap(&scope).await?)))
}

/// A heatmap's columns; percentiles are as exact as its buckets.
fn histogram_of(heatmap: &TraceHeatmap) -> TraceHistogram {
    let mut buckets = vec![TraceBucket::default(); heatmap.steps];
    let of_step = |step: usize| heatmap.cells.iter().filter(move |cell| cell.step == step);
    for (step, bucket) in buckets.iter_mut().enumerate() {
        bucket.count = of_step(step).map(|cell| cell.count).sum();
        bucket.errors = of_step(step).map(|cell| cell.errors).sum();
        let quantile = |share: f64| {
            let mut left = bucket.count * share;
            let reached = |cell: &&TraceHeatmapCell| {
                left -= cell.count;
                left <= 0.0
            };
            let mut cells: Vec<&TraceHeatmapCell> = of_step(step).collect();
            cells.sort_by_key(|cell| cell.bucket);
            let cell = cells.into_iter().find(reached)?;
            let (low, high) = (heatmap.bucket_bounds_ns.get(cell.bucket)?, heatmap.bucket_bounds_ns.get(cell.bucket + 1)?);
            Some((low * high).sqrt())
        };
        (bucket.p50_ns, bucket.p95_ns) = (quantile(0.5), quantile(0.95));
    }
    TraceHistogram {
        step_seconds: heatmap.step_seconds,
        start_unix_nano: heatmap.start_unix_nano,
        buckets,
        stats: heatmap.stats.clone(),
    }
}

/// Traces by when they began and how long their root took. With a filter expression, too.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_heatmap", path = "/api/traces/heatmap", params(TraceParams), responses((status = 200, body = TraceHeatmap), (status = 400, body = Refusal)))]
pub async fn heatmap(
    State(services): State<Services>,
    Params(params): Params<TraceParams>,
) -> Result<Json<TraceHeatmap>, Refusal> {
    let scope = params.scope(&services).await?;
    Ok(Json(services.asker.trace_heatmap(&scope).await?))
}

/// What the traces of a search differ by, with the filter that each value adds.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_refine", path = "/api/traces/refine", params(TraceParams), responses((status = 200, body = TraceRefinement), (status = 400, body = Refusal)))]
pub async fn refine(
    State(services): State<Services>,
    Params(params): Params<TraceParams>,
) -> Result<Json<TraceRefinement>, Refusal> {
    let by = params.by.as_deref().filter(|by| !by.is_empty());
    let by = by.ok_or_else(|| Refusal::parameter("by is missing: expected node, url, method, status, user, or a key"))?;
    let scope = params.scope(&services).await?;
    Ok(Json(services.asker.trace_refinement(&scope, RefineBy::from_word(by)).await?))
}

/// How long what a trace does usually takes: medians over the newest traces that begin alike.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_typical", path = "/api/traces/{id}/typical", params(("id" = String, Path)), responses((status = 200, body = TypicalTrace), (status = 404, body = Refusal)))]
pub async fn typical(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<TypicalTrace>, Refusal> {
    let found = services.asker.typical_trace(trace_id(&id)?, None).await?;
    found.map(Json).ok_or_else(|| Refusal::missing(format!("no trace {id}: no span of it has arrived")))
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
