//! `/api/source-maps` and the frames of an occurrence: minified JavaScript told as people wrote it.
//!
//! Frames are mapped when they are read, so a map that is uploaded late mends what came before it. Rollbar's way to upload is
//! [`super::rollbar`]'s, Sentry's [`super::sentry`]'s; all keep maps by [`keep`].

mod bundle;
mod cache;
mod mapped;

use axum::Json;
use axum::extract::{Path, Request, State};
use engine::ask::UnixNano;
use http::HeaderMap;
use metastore::{NewSourceMap, SourceMapKept};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::params::{Params, not_from_another_page};
use super::refusal::Refusal;
use crate::limits::{SOURCE_MAP_BYTES_MAX, SOURCE_MAPS_MAX};
use crate::listen::http_ingest::read_held_body;
use crate::{Services, now_unix_nano};

pub(in crate::api) use bundle::entries;
pub use cache::SourceMapCache;
pub use mapped::{ErrorFrames, map_payload, traces};

#[derive(Serialize, ToSchema)]
pub struct SourceMaps {
    /// The newest first.
    pub source_maps: Vec<SourceMapTold>,
}

#[derive(Serialize, ToSchema)]
pub struct SourceMapTold {
    pub id: i64,
    pub version: String,
    /// Without scheme and query: `//shop.example/app.min.js`.
    pub minified_url: String,
    /// That the map and its script share: it finds the map whatever the version. Empty where the map has none.
    pub debug_id: String,
    pub bytes: u64,
    pub sources: u64,
    pub uploaded_at_unix_nano: UnixNano,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SourceMapUpload {
    /// The version of the code, as occurrences tell it.
    version: String,
    /// The address of the minified file.
    minified_url: String,
}

#[derive(Serialize, ToSchema)]
pub struct SourceMapDeleted {
    pub id: i64,
}

/// Source maps that were uploaded.
#[utoipa::path(get, tag = "Errors", operation_id = "source_maps_list", path = "/api/source-maps", responses((status = 200, body = SourceMaps)))]
pub async fn list(State(services): State<Services>) -> Result<Json<SourceMaps>, Refusal> {
    let kept = services.metastore.source_maps(&services.settings.project, None).await?;
    Ok(Json(SourceMaps { source_maps: kept.into_iter().map(told).collect() }))
}

/// Keeps a source map, the body, in the place of an earlier one of the same file and version.
#[utoipa::path(post, tag = "Errors", operation_id = "source_maps_upload", path = "/api/source-maps", params(SourceMapUpload), request_body = Object, responses((status = 200, body = SourceMapTold), (status = 400, body = Refusal)))]
pub async fn upload(
    State(services): State<Services>,
    Params(asked): Params<SourceMapUpload>,
    request: Request,
) -> Result<Json<SourceMapTold>, Refusal> {
    let (parts, body) = request.into_parts();
    not_from_another_page(&parts.headers)?;
    let mut held = services.ingest.hold();
    let body = read_held_body(&mut held, &parts.headers, body, SOURCE_MAP_BYTES_MAX).await;
    let body = body.map_err(|failure| Refusal::body(&failure))?;
    let kept = keep(&services, &asked.version, &asked.minified_url, body.to_vec(), Vec::new()).await?;
    Ok(Json(told(kept)))
}

/// Forgets a source map.
#[utoipa::path(delete, tag = "Errors", operation_id = "source_maps_delete", path = "/api/source-maps/{id}", params(("id" = i64, Path)), responses((status = 200, body = SourceMapDeleted), (status = 404, body = Refusal)))]
pub async fn delete(
    State(services): State<Services>,
    Path(id): Path<i64>,
    headers: HeaderMap,
) -> Result<Json<SourceMapDeleted>, Refusal> {
    not_from_another_page(&headers)?;
    if !services.metastore.delete_source_map(&services.settings.project, id).await? {
        return Err(Refusal::missing(format!("no source map {id}")));
    }
    Ok(Json(SourceMapDeleted { id }))
}

/// The frames of an occurrence, minified ones with the place that people wrote, or why it is not known.
#[utoipa::path(get, tag = "Errors", operation_id = "error_frames", path = "/api/errors/{group}/occurrences/{id}/frames", params(("group" = String, Path, description = "one of the item's groups, or its number"), ("id" = String, Path, description = "the log record's id")), responses((status = 200, body = ErrorFrames), (status = 404, body = Refusal)))]
pub async fn frames(
    State(services): State<Services>,
    Path((group, id)): Path<(String, String)>,
) -> Result<Json<ErrorFrames>, Refusal> {
    let occurrence = super::errors::occurrence_of(&services, &group, &id).await?;
    Ok(Json(traces(&services, &super::rollbar::occurrence_payload(&occurrence)).await?))
}

/// Keeps a source map. `extra` are sources that the map names and does not hold.
///
/// Refuses: no address, neither version nor debug id, a text that is no source map.
pub async fn keep(
    services: &Services,
    version: &str,
    minified_url: &str,
    text: Vec<u8>,
    extra: Vec<(String, String)>,
) -> Result<SourceMapKept, Refusal> {
    let (version, url) = (version.trim(), bare_url(minified_url));
    let packed = tokio::task::spawn_blocking(move || pack(text, &extra)).await;
    let packed = packed.map_err(|error| Refusal::parameter(format!("cannot read the source map: {error}")))?;
    let Packed { content, bytes, sources, debug_id } = packed.map_err(Refusal::parameter)?;
    if url.is_empty() || (version.is_empty() && debug_id.is_empty()) {
        return Err(Refusal::parameter("expected minified_url, and version where the source map has no debug id"));
    }
    let new = NewSourceMap { version, minified_url: &url, debug_id: &debug_id, content: &content, bytes, sources };
    Ok(services.metastore.put_source_map(&services.settings.project, &new, SOURCE_MAPS_MAX, now_unix_nano()).await?)
}

/// A map that can be read.
struct Packed {
    /// Compressed.
    content: Vec<u8>,
    /// In the clear.
    bytes: u64,
    sources: u64,
    debug_id: String,
}

fn pack(text: Vec<u8>, extra: &[(String, String)]) -> Result<Packed, String> {
    let text = if extra.is_empty() { text } else { with_sources(&text, extra).unwrap_or(text) };
    let map = analysis::source_map::SourceMap::parse(&text).map_err(|error| error.to_string())?;
    let content = zstd::bulk::compress(&text, 3).map_err(|error| error.to_string())?;
    let debug_id = map.debug_id().unwrap_or_default().to_owned();
    Ok(Packed { content, bytes: text.len() as u64, sources: map.sources().len() as u64, debug_id })
}

/// The map with the sources that were uploaded beside it, where it does not have them itself.
fn with_sources(text: &[u8], extra: &[(String, String)]) -> Option<Vec<u8>> {
    let mut map: Value = serde_json::from_slice(text).ok()?;
    let names: Vec<String> =
        map.get("sources")?.as_array()?.iter().map(|name| name.as_str().unwrap_or_default().into()).collect();
    let known = map.get("sourcesContent").and_then(Value::as_array).cloned().unwrap_or_default();
    let contents: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let held = known.get(place).filter(|held| held.is_string()).cloned();
            let sent = || extra.iter().find(|(sent, _)| is_same_file(sent, name)).map(|(_, content)| content.as_str().into());
            held.or_else(sent).unwrap_or_default()
        })
        .collect();
    map["sourcesContent"] = contents.into();
    serde_json::to_vec(&map).ok()
}

fn is_same_file(sent: &str, named: &str) -> bool {
    let tail = |path: &str| path.trim_start_matches(['.', '/']).to_owned();
    !sent.is_empty() && (sent == named || tail(sent) == tail(named))
}

/// An address as files are compared: without scheme, query and fragment.
fn bare_url(url: &str) -> String {
    let url = url.trim();
    let url = url.strip_prefix("https:").or_else(|| url.strip_prefix("http:")).filter(|url| url.starts_with("//")).unwrap_or(url);
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn told(kept: SourceMapKept) -> SourceMapTold {
    SourceMapTold {
        id: kept.id,
        version: kept.version,
        minified_url: kept.minified_url,
        debug_id: kept.debug_id,
        bytes: kept.bytes,
        sources: kept.sources,
        uploaded_at_unix_nano: UnixNano(kept.uploaded_at_unix_nano),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_sent_beside_a_map_go_into_it() {
        let map =
            r#"{"version": 3, "sources": ["./src/a.ts", "b.ts", "c.ts"], "sourcesContent": [null, "held"], "mappings": ""}"#;
        let extra = [("src/a.ts".to_owned(), "sent".to_owned()), ("b.ts".to_owned(), "other".to_owned())];
        let merged: Value = serde_json::from_slice(&with_sources(map.as_bytes(), &extra).unwrap()).unwrap();
        assert_eq!(merged["sourcesContent"], serde_json::json!(["sent", "held", null]));
        let packed = pack(map.into(), &extra).unwrap();
        assert_eq!((zstd::bulk::decompress(&packed.content, 1000).unwrap().len() as u64, packed.sources), (packed.bytes, 3));
        assert!(pack(b"no".to_vec(), &[]).is_err());
    }

    #[test]
    fn addresses_are_compared_without_scheme_and_query() {
        for url in ["https://x.example/a.js?v=1", "//x.example/a.js#top", " http://x.example/a.js "] {
            assert_eq!(bare_url(url), "//x.example/a.js");
        }
        assert_eq!(bare_url("/app/a.js"), "/app/a.js");
        assert_eq!(bare_url("http:a"), "http:a");
    }
}
