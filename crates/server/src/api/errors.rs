//! `/api/errors`: items and their occurrences.

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::errors::{ErrorFilter, ErrorItem, ErrorSort, Errors};
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{Params, time_range};
use super::refusal::Refusal;
use crate::Services;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ErrorParams {
    start: Option<String>,
    end: Option<String>,
    /// Search language over the occurrences.
    #[serde(default)]
    q: String,
    service: Option<String>,
    receiver: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    /// `last_seen` (default), `first_seen` or `count`.
    sort: Option<String>,
}

const ERRORS_DEFAULT: usize = 50;

/// Errors, grouped.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_list", path = "/api/errors", params(ErrorParams), responses((status = 200, body = Errors), (status = 400, body = Refusal)))]
pub async fn list(State(services): State<Services>, Params(params): Params<ErrorParams>) -> Result<Json<Errors>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let sort = match params.sort.as_deref() {
        None | Some("last_seen") => ErrorSort::LastSeen,
        Some("first_seen") => ErrorSort::FirstSeen,
        Some("count") => ErrorSort::Count,
        Some(other) => {
            return Err(Refusal::parameter(format!("cannot read sort from {other:?}: expected last_seen, first_seen or count")));
        }
    };
    let filter = ErrorFilter { q: params.q, service: params.service, receiver: params.receiver };
    let limit = params.limit.unwrap_or(ERRORS_DEFAULT);
    Ok(Json(services.asker.errors(range, &filter, sort, limit, params.cursor.as_deref()).await?))
}

/// One error with its newest occurrences.
#[utoipa::path(get, tag = "Errors", operation_id = "errors_one", path = "/api/errors/{group}", params(("group" = String, Path, description = "the fingerprint"), ErrorParams), responses((status = 200, body = ErrorItem), (status = 404, body = Refusal)))]
pub async fn one(
    State(services): State<Services>,
    Path(group): Path<String>,
    Params(params): Params<ErrorParams>,
) -> Result<Json<ErrorItem>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let found = services.asker.error(range, &group).await?;
    found.map(Json).ok_or_else(|| Refusal::missing(format!("no occurrence of error {group} in this time range")))
}
