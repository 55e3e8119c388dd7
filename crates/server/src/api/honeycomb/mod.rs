//! Honeycomb's API for reading and configuring: `/1/auth`, datasets, columns, queries and what is kept beside them.
//!
//! Spec:    api-docs.honeycomb.io, version 1
//! Missing: triggers, recipients, SLOs, burn alerts, board views, everything of version 2
//! Quirks:  a query's results come with the reply that others answer with `complete: false`; any key is welcome while none
//!          are configured

mod call;
mod datasets;
mod documents;
mod failure;
mod maps;
mod queries;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};

use crate::Services;
use failure::Failure;

pub fn router() -> Router<Services> {
    Router::new()
        .route("/1/queries/{dataset}", post(queries::create))
        .route("/1/queries/{dataset}/{id}", get(queries::get))
        .route("/1/query_results/{dataset}", post(queries::run))
        .route("/1/query_results/{dataset}/{id}", get(queries::result))
        .route("/1/datasets", get(datasets::list).post(datasets::create))
        .route("/1/datasets/{dataset}", get(datasets::one).put(datasets::change).delete(datasets::remove))
        .route("/1/columns/{dataset}", get(datasets::columns).post(datasets::create_column))
        .route("/1/columns/{dataset}/{id}", get(datasets::column).put(datasets::change_column).delete(datasets::remove_column))
        .route("/1/dataset_definitions/{dataset}", get(datasets::definitions).patch(datasets::change_definitions))
        .route("/1/maps/dependencies/requests", post(maps::create))
        .route("/1/maps/dependencies/requests/{id}", get(maps::result))
        .merge(documents::router())
        .route_layer(axum::middleware::from_fn(keyed))
        .route("/1/auth", get(auth))
}

/// Asks for a key, and words refusals for the address that the client called.
async fn keyed(request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let key = headers.get("x-honeycomb-team").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.trim().is_empty() {
        return unknown_key().respond(&headers);
    }
    let response = next.run(request).await;
    match response.extensions().get::<Failure>() {
        Some(failure) => failure.respond(&headers),
        None => response,
    }
}

fn unknown_key() -> Failure {
    Failure::plain(StatusCode::UNAUTHORIZED, "unknown API key - check your credentials")
}

/// `GET /1/auth`: who a key is. Any key is welcome while none are configured.
async fn auth(State(_): State<Services>, headers: HeaderMap) -> Response {
    let key = headers.get("x-honeycomb-team").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match receivers::honeycomb::auth_answer(key) {
        Some(answer) => Json(answer).into_response(),
        None => unknown_key().respond(&headers),
    }
}
