//! Honeycomb's read API: as much as its SDKs ask before they send.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};

use crate::Services;

pub fn router() -> Router<Services> {
    Router::new().route("/1/auth", get(auth))
}

/// `GET /1/auth`: who a key is. Any key is welcome while none are configured.
async fn auth(State(_): State<Services>, headers: HeaderMap) -> Response {
    let key = headers.get("x-honeycomb-team").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match receivers::honeycomb::auth_answer(key) {
        Some(answer) => Json(answer).into_response(),
        None => {
            let error = serde_json::json!({ "error": "unknown API key - check your credentials" });
            (StatusCode::UNAUTHORIZED, Json(error)).into_response()
        }
    }
}
