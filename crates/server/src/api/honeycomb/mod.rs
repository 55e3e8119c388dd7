//! Honeycomb's API for reading and configuring: `/1/auth`, datasets, columns, queries and what is kept beside them.
//!
//! Spec:    api-docs.honeycomb.io, version 1
//! Missing: pipelines, of version 2
//! Quirks:  a query's results come with the reply that others answer with `complete: false`; any key is welcome while none
//!          are configured

mod call;
mod datasets;
mod documents;
mod evaluation;
#[cfg(test)]
mod evaluation_tests;
mod failure;
mod management;
mod maps;
mod notices;
mod objective;
pub mod own;
mod queries;
mod recipients;
mod slos;
mod triggers;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::Services;
pub use evaluation::{Slos, Triggers};
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
        .route("/1/recipients", get(recipients::list).post(recipients::create))
        .route("/1/recipients/{id}", get(recipients::one).put(recipients::change).delete(recipients::remove))
        .route("/1/recipients/{id}/triggers", get(recipients::triggers))
        .route("/1/triggers/{dataset}", get(triggers::list).post(triggers::create))
        .route("/1/triggers/{dataset}/{id}", get(triggers::one).put(triggers::change).delete(triggers::remove))
        .route("/1/slos/{dataset}", get(slos::list).post(slos::create))
        .route("/1/slos/{dataset}/{id}", get(slos::one).put(slos::change).delete(slos::remove))
        .route("/1/burn_alerts/{dataset}", get(slos::list_alerts).post(slos::create_alert))
        .route("/1/burn_alerts/{dataset}/{id}", get(slos::one_alert).put(slos::change_alert).delete(slos::remove_alert))
        .route("/1/reporting/slos/historical", post(slos::historical))
        .merge(documents::router())
        .route("/1/{*rest}", any(unknown))
        .route_layer(axum::middleware::from_fn(keyed))
        .merge(management::router())
        .route("/1/auth", get(auth))
        .route("/2/auth", get(management_auth))
}

/// Asks for a key, and words refusals for the address that the client called.
async fn keyed(request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let key = headers.get("x-honeycomb-team").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.trim().is_empty() {
        return unknown_key().respond(&headers);
    }
    let response = next.run(request).await;
    let response = match response.extensions().get::<Failure>() {
        Some(failure) => failure.respond(&headers),
        None => response,
    };
    unlimited(response)
}

/// The headers by which clients pace themselves. Nobody is held back here, so there is always as much left as there was.
fn unlimited(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("ratelimit", HeaderValue::from_static("limit=100000, remaining=100000, reset=60"));
    headers.insert("ratelimit-policy", HeaderValue::from_static("100000;w=60"));
    response
}

/// What Honeycomb has and we do not, or nobody has.
async fn unknown(request: Request) -> Failure {
    Failure::not_found(format!("there is nothing at {} {}", request.method(), request.uri().path()))
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

/// `GET /2/auth`: who a management key is, as JSON:API tells it.
async fn management_auth(State(_): State<Services>, headers: HeaderMap) -> Response {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((id, _)) = authorization.strip_prefix("Bearer ").and_then(|key| key.trim().split_once(':')) else {
        let error = json!({ "id": call::new_id(), "status": "401", "code": "unauthenticated", "title": "unknown API key" });
        return api_json(StatusCode::UNAUTHORIZED, json!({ "errors": [error] }));
    };
    let team = json!({ "type": "teams", "id": "cupola" });
    let body = json!({
        "data": {
            "id": id,
            "type": "api-keys",
            "attributes": {
                "name": id,
                "key_type": "management",
                "disabled": false,
                "scopes": ["environments:write", "api-keys:write"],
                "timestamps": { "created": call::time(0), "updated": call::time(0) },
            },
            "relationships": { "team": { "data": team } },
        },
        "included": [{ "type": "teams", "id": "cupola", "attributes": { "name": "Cupola", "slug": "cupola" } }],
    });
    api_json(StatusCode::OK, body)
}

fn api_json(status: StatusCode, body: Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/vnd.api+json")], body.to_string()).into_response()
}
