//! Source maps as Rollbar's clients upload them: one by one in a form, or many in a zip file by an address that was asked for.
//!
//! Missing: `/sourcemap/download`: nothing is fetched from elsewhere

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::PROJECT_ID;

use super::call::{Call, TOKEN_HEADER, Told, Wrong, told};
use crate::Services;
use crate::api::params::not_from_another_page;
use crate::api::source_maps::{entries, keep};
use crate::ingest::Held;
use crate::limits::{SOURCE_MAP_BUNDLE_BYTES_MAX, SOURCE_MAP_BYTES_MAX};
use crate::listen::http_ingest::read_held_body;

/// Where a bundle is put.
const BUNDLE_PATH: &str = "/api/1/sourcemap_bundle";

/// `POST /sourcemap`: a form with `version`, `minified_url`, `source_map`, and sources by their names.
pub(super) async fn upload(State(services): State<Services>, request: Request) -> Response {
    uploaded(&services, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn uploaded(services: &Services, request: Request) -> Told {
    let (parts, body) = request.into_parts();
    let mut held = services.ingest.hold();
    let body = read(&mut held, &parts, body, SOURCE_MAP_BYTES_MAX).await?;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut fields = receivers::rollbar::multipart_fields(content_type, &body);
    let mut taken = |name: &str| {
        let at = fields.iter().position(|(key, value)| key == name && !value.trim().is_empty())?;
        Some(fields.swap_remove(at).1)
    };
    let token = taken("access_token");
    let (version, url, map) = (taken("version"), taken("minified_url"), taken("source_map"));
    check_token(&parts, token.is_some())?;
    let required =
        |field: Option<String>, name: &str| field.ok_or_else(|| Wrong::invalid(format!("missing required field {name:?}")));
    let (version, url, map) = (required(version, "version")?, required(url, "minified_url")?, required(map, "source_map")?);
    let kept = keep(services, &version, &url, map.into_bytes(), fields).await.map_err(unprocessable)?;
    told(&json!({ "id": kept.id, "version": kept.version, "minified_url": kept.minified_url }))
}

/// `POST /signed_url/sourcemap_bundle` with `version` and `prefix_url`: where to put a zip file of maps.
pub(super) async fn signed_url(call: Call) -> Told {
    call.is_meant()?;
    let members = call.members()?;
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let version = text("version").ok_or_else(|| Wrong::invalid("missing required field \"version\""))?;
    let prefix = text("prefix_url").or_else(|| text("baseUrl")).unwrap_or_default();
    let host = call.host().map_or_else(|| call.services.addresses.http.to_string(), str::to_owned);
    let (version, prefix) = (encoded(version), encoded(prefix));
    let url = format!("http://{host}{BUNDLE_PATH}?access_token=given&version={version}&prefix_url={prefix}");
    told(&json!({ "signed_url": url, "project_id": PROJECT_ID }))
}

/// `PUT /sourcemap_bundle`: a zip file. Each `x.js.map` in it is the map of `x.js` below the prefix.
pub(super) async fn bundle(State(services): State<Services>, request: Request) -> Response {
    bundled(&services, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn bundled(services: &Services, request: Request) -> Told {
    let (parts, body) = request.into_parts();
    check_token(&parts, false)?;
    let asked = receivers::rollbar::form_fields(parts.uri.query().unwrap_or_default().as_bytes());
    let asked = |name: &str| asked.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let mut held = services.ingest.hold();
    let body = read(&mut held, &parts, body, SOURCE_MAP_BUNDLE_BYTES_MAX).await?;
    let files = tokio::task::spawn_blocking(move || entries(&body, SOURCE_MAP_BYTES_MAX, SOURCE_MAP_BUNDLE_BYTES_MAX));
    let files = files.await.map_err(|error| Wrong::invalid(error.to_string()))?.map_err(Wrong::invalid)?;
    let mut kept = Vec::new();
    for (name, text) in files.into_iter().filter(|(name, _)| name.ends_with(".map")) {
        let script = name.trim_end_matches(".map").trim_start_matches('/').to_owned();
        let url = format!("{}/{script}", asked("prefix_url").trim_end_matches('/'));
        let map = keep(services, asked("version"), &url, text, Vec::new())
            .await
            .map_err(|wrong| Wrong::invalid(format!("{name}: {}", wrong.error.message)))?;
        kept.push(json!({ "id": map.id, "version": map.version, "minified_url": map.minified_url }));
    }
    if kept.is_empty() {
        return Err(Wrong::invalid("the zip file has no source maps: expected names that end with .map"));
    }
    told(&json!({ "source_maps": kept }))
}

/// `POST /sourcemap/download`.
pub(super) async fn download(_: Call) -> Told {
    Err(Wrong::invalid("source maps are not fetched from elsewhere; POST /api/1/sourcemap uploads one"))
}

async fn read(held: &mut Held, parts: &Parts, body: axum::body::Body, bytes_max: usize) -> Result<Bytes, Wrong> {
    let body = read_held_body(held, &parts.headers, body, bytes_max).await;
    body.map_err(|failure| match failure {
        receivers::Failure::TooLarge { .. } => Wrong::new(StatusCode::PAYLOAD_TOO_LARGE, failure.to_string()),
        other => Wrong::new(StatusCode::BAD_REQUEST, other.to_string()),
    })
}

/// A token in the header, the query or the body; and what a page of another origin may send unasked is refused.
fn check_token(parts: &Parts, is_in_body: bool) -> Result<(), Wrong> {
    let in_header = parts.headers.get(TOKEN_HEADER).is_some_and(|value| !value.as_bytes().trim_ascii().is_empty());
    let in_query = parts.uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("access_token="));
    if !in_header && !in_query && !is_in_body {
        return Err(Wrong::new(StatusCode::UNAUTHORIZED, "Missing access token"));
    }
    if !in_header && parts.headers.contains_key(header::ORIGIN) {
        not_from_another_page(&parts.headers)?;
    }
    Ok(())
}

fn unprocessable(refusal: crate::api::refusal::Refusal) -> Wrong {
    let is_own_fault = refusal.status == StatusCode::BAD_REQUEST;
    let wrong = Wrong::from(refusal);
    if is_own_fault { wrong.with_status(StatusCode::UNPROCESSABLE_ENTITY) } else { wrong }
}

/// Percent-encoding of everything but letters, digits and `-._~`.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
