//! Sentry's web API, as far as its command line tool needs it to upload source maps and to announce releases and deploys.
//!
//! In:      GET and POST /api/0/organizations/{org}/chunk-upload/, POST …/artifactbundle/assemble/, …/releases/ and their deploys
//! Spec:    github.com/getsentry/sentry-cli (src/api), docs.sentry.io/api/releases
//! Out:     source maps, found by their debug id or by release and address; chunks wait in memory for their file; deploys as
//!          Rollbar's API takes them; the commit of a release
//! Missing: debug information files (refused for each by its checksum), commits but the latest, reading what was uploaded
//! Quirks:  organizations and projects are whatever the caller names; addresses begin with `~`, which is any host

mod bundles;
mod call;
mod chunks;
mod deploys;
mod releases;

use axum::Router;
use axum::routing::{any, get, post};
use http::StatusCode;
use serde_json::json;

use self::call::{Call, Told, Wrong, told};
use crate::Services;

pub use chunks::Chunks;

pub fn router() -> Router<Services> {
    Router::new()
        .route("/api/0/", get(about))
        .route("/api/0/organizations/{org}/chunk-upload/", get(chunks::options).post(chunks::upload))
        .route("/api/0/organizations/{org}/artifactbundle/assemble/", post(bundles::assemble))
        .route("/api/0/organizations/{org}/releases/", post(releases::create))
        .route("/api/0/organizations/{org}/releases/{version}/", get(releases::one).put(releases::change))
        .route("/api/0/organizations/{org}/releases/{version}/deploys/", get(deploys::list).post(deploys::create))
        .route("/api/0/organizations/{org}/releases/{version}/previous-with-commits/", get(releases::previous))
        .route("/api/0/organizations/{org}/repos/", get(releases::none))
        .route("/api/0/projects/{org}/{project}/releases/", post(releases::create))
        .route("/api/0/projects/{org}/{project}/releases/{version}/", get(releases::one).put(releases::change))
        .route("/api/0/projects/{org}/{project}/files/difs/assemble/", post(bundles::refuse_debug_files))
        .route("/api/0/{*rest}", any(unknown))
}

/// Who calls; nobody is told apart.
async fn about(_: Call) -> Told {
    told(&json!({ "version": "0", "user": null, "auth": { "scopes": ["project:releases", "org:read"] } }))
}

async fn unknown(call: Call) -> Told {
    let message = format!("{} {} is not known here; see docs/receivers/sentry.md for what is", call.method, call.path);
    Err(Wrong::new(StatusCode::NOT_FOUND, message))
}
