//! Bundles of artifacts: a zip file whose `manifest.json` tells what each file is; the source maps among them are kept.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, Told, Wrong, told};
use super::chunks::sha1_of;
use crate::Services;
use crate::api::source_maps::{entries, keep};
use crate::limits::{SOURCE_MAP_BUNDLE_BYTES_MAX, SOURCE_MAP_BYTES_MAX};

const MANIFEST: &str = "manifest.json";

/// Where Sentry writes that any host may have a file, and what stands for it where source maps are kept.
const ANY_HOST: (&str, &str) = ("~/", "//dynamichost/");

#[derive(Deserialize)]
struct Assembly {
    /// SHA-1 of the whole file.
    checksum: String,
    chunks: Vec<String>,
    /// Of the release, where it is of one.
    version: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    state: &'static str,
    missing_chunks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Default, Deserialize)]
struct Manifest {
    #[serde(default)]
    files: HashMap<String, Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    r#type: Option<String>,
    #[serde(default)]
    url: String,
}

/// `POST …/artifactbundle/assemble/`: makes a file of chunks and keeps what is in it, or tells which chunks are missing.
pub(super) async fn assemble(call: Call) -> Told {
    let wanted: Assembly = call.json()?;
    let file = match call.services.sentry_chunks.take(&wanted.chunks) {
        Ok(file) => file,
        Err(missing_chunks) => return told(&State { state: "not_found", missing_chunks, detail: None }),
    };
    let version = wanted.version.as_deref().map(receivers::sentry::version).unwrap_or_default();
    let kept = match sha1_of(&file) == wanted.checksum {
        true => keep_source_maps(&call.services, file, version).await,
        false => Err(format!("the chunks make no file with the checksum {}", wanted.checksum)),
    };
    let state = if kept.is_ok() { "ok" } else { "error" };
    told(&State { state, missing_chunks: Vec::new(), detail: kept.err() })
}

async fn keep_source_maps(services: &Services, file: Vec<u8>, version: &str) -> Result<(), String> {
    let unpacking = move || entries(&file, SOURCE_MAP_BYTES_MAX, SOURCE_MAP_BUNDLE_BYTES_MAX);
    let files = tokio::task::spawn_blocking(unpacking).await.map_err(|error| error.to_string())??;
    for (url, text) in source_maps(files)? {
        let kept = keep(services, version, &url, text, Vec::new()).await;
        kept.map_err(|wrong| format!("{url}: {}", wrong.error.message))?;
    }
    Ok(())
}

/// Addresses of scripts, each with its source map.
fn source_maps(files: Vec<(String, Vec<u8>)>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let manifest = files.iter().find(|(name, _)| name == MANIFEST).ok_or(format!("the bundle has no {MANIFEST}"))?;
    let manifest: Manifest = serde_json::from_slice(&manifest.1).map_err(|error| format!("cannot read {MANIFEST}: {error}"))?;
    let maps = files.into_iter().filter_map(|(name, text)| {
        let artifact = manifest.files.get(&name)?;
        let is_map = artifact.r#type.as_deref() == Some("source_map");
        is_map.then(|| (script_of(&artifact.url), text))
    });
    Ok(maps.collect())
}

/// The script that a source map is of: it lies beside it.
fn script_of(url: &str) -> String {
    let url = url.strip_suffix(".map").unwrap_or(url);
    url.strip_prefix(ANY_HOST.0).map_or_else(|| url.to_owned(), |path| format!("{}{path}", ANY_HOST.1))
}

/// `POST …/files/difs/assemble/`: symbols of native programs, which are not taken.
pub(super) async fn refuse_debug_files(call: Call) -> Told {
    let wanted: HashMap<String, Value> = call.json()?;
    let refusal = json!({
        "state": "error",
        "missingChunks": [],
        "detail": "debug information files are not taken here: stacks of native programs are told as they are sent",
    });
    let refused: HashMap<String, Value> = wanted.into_keys().map(|checksum| (checksum, refusal.clone())).collect();
    if refused.is_empty() { Err(Wrong::invalid("expected checksums of files")) } else { told(&refused) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_tells_which_files_are_source_maps() {
        let manifest = r#"{"files": {
            "files/_/_/app.js": {"type": "minified_source", "url": "~/app.js"},
            "files/_/_/app.js.map": {"type": "source_map", "url": "~/app.js.map"},
            "files/cdn/b.js.map": {"type": "source_map", "url": "https://cdn.example/b.js.map"},
            "files/other": {}}}"#;
        let names = ["files/_/_/app.js", "files/_/_/app.js.map", "files/cdn/b.js.map", "files/other", "files/unnamed"];
        let mut files: Vec<(String, Vec<u8>)> = names.map(|name| (name.to_owned(), name.as_bytes().to_vec())).into();
        assert!(source_maps(files.clone()).unwrap_err().contains("no manifest.json"));
        files.push((MANIFEST.to_owned(), manifest.into()));
        let found = source_maps(files).unwrap();
        let urls: Vec<&str> = found.iter().map(|(url, _)| url.as_str()).collect();
        assert_eq!(urls, ["//dynamichost/app.js", "https://cdn.example/b.js"]);
        assert_eq!(found[0].1, b"files/_/_/app.js.map");
        assert!(source_maps(vec![(MANIFEST.to_owned(), b"{".to_vec())]).unwrap_err().contains("cannot read manifest.json"));
    }
}
