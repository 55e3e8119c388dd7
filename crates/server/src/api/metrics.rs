//! `/api/metrics`: which metrics there are, and how one of them went.

use axum::Json;
use axum::extract::{RawQuery, State};
use engine::ask::metrics::{Aggregation, MetricQuestion, MetricSeries, Metrics};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{Params, time_range};
use super::refusal::Refusal;
use crate::Services;

/// Metrics that one answer lists, where the request does not say.
const METRICS_DEFAULT: usize = 500;

/// Series that are told, where the request does not say, and at most.
const SERIES_DEFAULT: usize = 20;
const SERIES_MAX: usize = 200;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MetricsParams {
    start: Option<String>,
    end: Option<String>,
    /// Part of the name or of the namespace.
    #[serde(default)]
    q: String,
    limit: Option<usize>,
}

/// Metrics with points in the range.
#[utoipa::path(get, tag = "Metrics", operation_id = "metrics_list", path = "/api/metrics", params(MetricsParams), responses((status = 200, body = Metrics), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<MetricsParams>) -> Result<Json<Metrics>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    Ok(Json(services.asker.metrics(range, &params.q, params.limit.unwrap_or(METRICS_DEFAULT)).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MetricQueryParams {
    metric: String,
    /// CloudWatch's.
    namespace: Option<String>,
    start: Option<String>,
    end: Option<String>,
    /// `avg`, `min`, `max`, `sum`, `count`, `last`, `rate` or a percentile such as `p95`; what suits the metric without it.
    aggregation: Option<String>,
    /// A label by whose values series are told apart.
    by: Option<String>,
    /// `label:value`; may be given several times.
    #[serde(rename = "where")]
    #[allow(dead_code, reason = "several of one name are read from the query itself")]
    condition: Option<String>,
    /// Seconds; some hundred steps without it.
    step: Option<i64>,
    /// Series that are told: 20 without it, at most 200.
    limit: Option<usize>,
}

/// How a metric went, by step and by label.
#[utoipa::path(get, tag = "Metrics", operation_id = "metrics_query", path = "/api/metrics/query", params(MetricQueryParams), responses((status = 200, body = MetricSeries), (status = 400, body = Refusal)))]
pub async fn query(
    State(services): State<Services>,
    RawQuery(raw): RawQuery,
    Params(params): Params<MetricQueryParams>,
) -> Result<Json<MetricSeries>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let question = MetricQuestion {
        metric: params.metric,
        namespace: params.namespace.filter(|namespace| !namespace.is_empty()),
        aggregation: aggregation(params.aggregation.as_deref())?,
        by: params.by.filter(|by| !by.is_empty()),
        conditions: conditions(raw.as_deref().unwrap_or_default())?,
        step_seconds: params.step,
        limit: params.limit.unwrap_or(SERIES_DEFAULT).min(SERIES_MAX),
    };
    Ok(Json(services.asker.metric_series(range, &question).await?))
}

pub(super) fn aggregation(text: Option<&str>) -> Result<Option<Aggregation>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match Aggregation::parse(text) {
        Some(aggregation) => Ok(Some(aggregation)),
        None => Err(Refusal::parameter(format!(
            "cannot read aggregation from {text:?}: expected avg, min, max, sum, count, last, rate or a percentile such as p95"
        ))),
    }
}

/// Every `where=label:value` of a query.
fn conditions(raw: &str) -> Result<Vec<(String, String)>, Refusal> {
    let form = receivers::aws_protocol::form::pairs(raw.as_bytes());
    let wanted = form.into_iter().filter(|(name, value)| name == "where" && !value.is_empty());
    wanted
        .map(|(_, value)| match value.split_once(':') {
            Some((label, value)) => Ok((label.to_owned(), value.to_owned())),
            None => Err(Refusal::parameter(format!("cannot read where from {value:?}: expected label:value"))),
        })
        .collect()
}
