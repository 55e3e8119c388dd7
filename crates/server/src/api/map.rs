//! `/api/map`: which service calls which, over a time or for one trace.

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::map::Map;
use serde::Deserialize;
use utoipa::IntoParams;

use super::filters::scope;
use super::params::{Params, time_range, trace_id};
use super::refusal::Refusal;
use crate::Services;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MapParams {
    /// RFC 3339 or unix milliseconds; an hour before `end` by default.
    start: Option<String>,
    /// RFC 3339 or unix milliseconds; now by default.
    end: Option<String>,
    /// X-Ray's filter expressions; only the traces for which it holds are drawn.
    filter: Option<String>,
    /// The name of a group.
    group: Option<String>,
}

/// The service graph of the traces that begin in a time.
#[utoipa::path(get, tag = "Traces", operation_id = "map", path = "/api/map", params(MapParams), responses((status = 200, body = Map), (status = 400, body = Refusal)))]
pub async fn map(State(services): State<Services>, Params(params): Params<MapParams>) -> Result<Json<Map>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let scope = scope(&services, range, params.filter.as_deref(), params.group.as_deref()).await?;
    Ok(Json(services.asker.map(&scope).await?))
}

/// The service graph of one trace and of those it is linked to.
#[utoipa::path(get, tag = "Traces", operation_id = "traces_map", path = "/api/traces/{id}/map", params(("id" = String, Path)), responses((status = 200, body = Map), (status = 404, body = Refusal)))]
pub async fn of_trace(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<Map>, Refusal> {
    let found = services.asker.trace_map(trace_id(&id)?).await?;
    found.map(Json).ok_or_else(|| Refusal::missing(format!("no trace {id}: no span of it has arrived")))
}
