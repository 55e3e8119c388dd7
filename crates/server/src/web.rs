//! The page: `web/dist`, inside the binary with the feature `embed-web`, else from a folder.
//!
//! Paths that are no file get `index.html`, since the page's own router knows them.

use std::borrow::Cow;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, StatusCode};
use tower_http::compression::CompressionLayer;

use crate::Services;

#[cfg(feature = "embed-web")]
#[derive(rust_embed::RustEmbed)]
#[folder = "../../web/dist"]
struct Embedded;

pub fn router(services: Services) -> Router {
    Router::new().fallback(any(page)).layer(CompressionLayer::new()).with_state(services)
}

pub async fn page(State(services): State<Services>, request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api/") && (request.method() == Method::GET || request.method() == Method::POST) {
        return crate::api::not_found(request.uri().clone()).await.into_response();
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let message = format!("nothing takes {} {path}; where to send is on the Connect page", request.method());
        return (StatusCode::NOT_FOUND, message).into_response();
    }
    let name = path.trim_start_matches('/');
    if let Some(file) = file(&services, name).filter(|_| !name.is_empty()) {
        // Vite names assets by their content, so they never change.
        let cache = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return ([(CONTENT_TYPE, media_type(name)), (CACHE_CONTROL, cache)], file.into_owned()).into_response();
    }
    if name.starts_with("assets/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    match file(&services, "index.html") {
        Some(index) => {
            ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")], index.into_owned()).into_response()
        }
        None => Html(WITHOUT_PAGE).into_response(),
    }
}

/// Told when the page was not built: the API still answers.
const WITHOUT_PAGE: &str = "<!doctype html><title>Cupola</title><p>Cupola is running without its page. \
    Build it with <code>make web</code>, or see <a href=\"/api/openapi.json\">the API</a>.";

fn file(services: &Services, name: &str) -> Option<Cow<'static, [u8]>> {
    #[cfg(feature = "embed-web")]
    if let Some(embedded) = Embedded::get(name) {
        return Some(embedded.data);
    }
    let folder = services.settings.web_dir.as_ref()?;
    let safe = std::path::Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !safe {
        return None;
    }
    std::fs::read(folder.join(name)).ok().map(Cow::Owned)
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
