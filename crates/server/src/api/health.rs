//! Whether we are there, and who we are.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;

#[derive(Serialize, ToSchema)]
pub struct Health {
    pub status: &'static str,
    pub version: String,
    pub uptime_seconds: u64,
    pub data_dir: String,
}

#[utoipa::path(get, tag = "Server", operation_id = "server_health", path = "/api/health", responses((status = 200, body = Health)))]
pub async fn health(State(services): State<Services>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: services.settings.version.to_owned(),
        uptime_seconds: services.started.elapsed().as_secs(),
        data_dir: services.settings.data_dir.clone(),
    })
}

pub async fn live() -> impl IntoResponse {
    (StatusCode::OK, "ok")
}

/// Whether requests are taken in now, and if not, why. What is only put off, rows that cannot become parts, is told and
/// counts as ready: they are safe in the log.
pub async fn ready(State(services): State<Services>) -> impl IntoResponse {
    let store = services.asker.engine.store();
    match (store.refuses(), store.flush_failure()) {
        (Some(reason), _) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}")),
        (None, Some(reason)) => (StatusCode::OK, format!("ok, but rows cannot be written to parts: {reason}")),
        (None, None) => (StatusCode::OK, "ok".to_owned()),
    }
}
