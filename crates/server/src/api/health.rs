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

/// Sockets are served only once the store is open, so whoever can ask is told yes.
pub async fn ready() -> impl IntoResponse {
    (StatusCode::OK, "ok")
}
