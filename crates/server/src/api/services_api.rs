//! `/api/services`, `/api/routes`, `/api/deploys`.

use axum::Json;
use axum::extract::State;
use engine::ask::services::{Deploys, Routes, Services as ServicesTold};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{Params, time_range};
use super::refusal::Refusal;
use crate::Services;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RangeParams {
    /// RFC 3339 or unix milliseconds; an hour before `end` by default.
    start: Option<String>,
    /// RFC 3339 or unix milliseconds; now by default.
    end: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RouteParams {
    start: Option<String>,
    end: Option<String>,
    service: Option<String>,
    limit: Option<usize>,
}

const ROUTES_DEFAULT: usize = 20;

/// Services with their rate, errors and latency.
#[utoipa::path(get, tag = "Services", operation_id = "services", path = "/api/services", params(RangeParams), responses((status = 200, body = ServicesTold), (status = 400, body = Refusal)))]
pub async fn services(
    State(services): State<Services>,
    Params(params): Params<RangeParams>,
) -> Result<Json<ServicesTold>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    Ok(Json(services.asker.services(range).await?))
}

/// Routes, slowest first.
#[utoipa::path(get, tag = "Services", operation_id = "services_routes", path = "/api/routes", params(RouteParams), responses((status = 200, body = Routes), (status = 400, body = Refusal)))]
pub async fn routes(State(services): State<Services>, Params(params): Params<RouteParams>) -> Result<Json<Routes>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let limit = params.limit.unwrap_or(ROUTES_DEFAULT).clamp(1, engine::limits::PAGE_ROWS_MAX);
    Ok(Json(services.asker.routes(range, params.service.as_deref(), limit).await?))
}

/// Releases, newest first.
#[utoipa::path(get, tag = "Services", operation_id = "services_deploys", path = "/api/deploys", params(RangeParams), responses((status = 200, body = Deploys), (status = 400, body = Refusal)))]
pub async fn deploys(State(services): State<Services>, Params(params): Params<RangeParams>) -> Result<Json<Deploys>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    Ok(Json(services.asker.deploys(range).await?))
}
