//! `/api/attributes`: keys, types and values, for completion and facets.

use axum::Json;
use axum::extract::State;
use engine::ask::attributes::{AttributeValues, Attributes};
use model::Signal;
use serde::Deserialize;
use utoipa::IntoParams;

use super::params::{Params, time_range};
use super::refusal::Refusal;
use crate::Services;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KeyParams {
    /// `spans`, `logs` or `metrics`; all by default.
    signal: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ValueParams {
    key: String,
    /// `spans` (default), `logs` or `metrics`.
    signal: Option<String>,
    start: Option<String>,
    end: Option<String>,
    #[serde(default)]
    prefix: String,
    limit: Option<usize>,
}

const VALUES_DEFAULT: usize = 50;

fn signal(text: &str) -> Result<Signal, Refusal> {
    let found = Signal::ALL.into_iter().find(|signal| signal.table() == text);
    found.ok_or_else(|| Refusal::parameter(format!("cannot read signal from {text:?}: expected spans, logs or metrics")))
}

/// Every column that can be asked for.
#[utoipa::path(get, tag = "Attributes", operation_id = "attributes_keys", path = "/api/attributes", params(KeyParams), responses((status = 200, body = Attributes)))]
pub async fn keys(State(services): State<Services>, Params(params): Params<KeyParams>) -> Result<Json<Attributes>, Refusal> {
    let wanted = params.signal.as_deref().map(signal).transpose()?;
    Ok(Json(services.asker.attributes(wanted).await?))
}

/// The most frequent values of one attribute.
#[utoipa::path(get, tag = "Attributes", operation_id = "attributes_values", path = "/api/attributes/values", params(ValueParams), responses((status = 200, body = AttributeValues)))]
pub async fn values(
    State(services): State<Services>,
    Params(params): Params<ValueParams>,
) -> Result<Json<AttributeValues>, Refusal> {
    let range = time_range(params.start.as_deref(), params.end.as_deref())?;
    let signal = params.signal.as_deref().map_or(Ok(Signal::Spans), signal)?;
    let limit = params.limit.unwrap_or(VALUES_DEFAULT);
    Ok(Json(services.asker.attribute_values(range, signal, &params.key, &params.prefix, limit).await?))
}
