//! `manifest.json`: what an export holds, so that whoever reads it can tell whether all of it is there.

use std::path::Path;

use model::Signal;
use serde_json::{Value, json};

use crate::error::StoreError;

/// The manifest's name in the folder.
pub const MANIFEST: &str = "manifest.json";

const FORMAT: &str = "cupola-export";

/// Changes when older programs could no longer read what is written.
const VERSION: u64 = 1;

/// What an export holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub project: String,
    /// Rows from here on, and before there; nanoseconds since 1970 UTC.
    pub start_unix_nano: i64,
    pub end_unix_nano: i64,
    pub made_at_unix_nano: i64,
    pub files: Vec<ManifestFile>,
}

/// One file of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// In the manifest's folder.
    pub name: String,
    pub signal: Signal,
    pub rows: u64,
    pub bytes: u64,
    /// Of its bytes, in hex.
    pub sha256: String,
}

impl Manifest {
    pub(super) fn to_text(&self) -> String {
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|file| {
                let signal = file.signal.table();
                json!({"name": file.name, "signal": signal, "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256})
            })
            .collect();
        let manifest = json!({
            "format": FORMAT, "version": VERSION, "made_by": concat!("cupola/", env!("CARGO_PKG_VERSION")), "project": self.project,
            "start_unix_nano": self.start_unix_nano, "end_unix_nano": self.end_unix_nano,
            "made_at_unix_nano": self.made_at_unix_nano, "files": files,
        });
        format!("{manifest:#}\n")
    }

    /// Reads a folder's manifest; `None` for a folder without one.
    ///
    /// Refuses: a manifest of a later version, or one that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Manifest>, StoreError> {
        let path = folder.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io(format!("read {}", path.display()))(error)),
        };
        let refused = |reason: String| StoreError::NotImportable(format!("{}: {reason}", path.display()));
        let json: Value = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
        if json["format"] != FORMAT {
            return Err(refused(format!("has the format {}, expected {FORMAT:?}", json["format"])));
        }
        if json["version"] != VERSION {
            return Err(refused(format!("has version {}, this program reads {VERSION}", json["version"])));
        }
        let read = || {
            let files = json["files"].as_array()?.iter().map(|file| {
                let signal = file["signal"].as_str()?;
                let name = file["name"].as_str()?.to_owned();
                // A name is a name, not a way out of the folder.
                let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
                is_plain.then_some(())?;
                Some(ManifestFile {
                    name,
                    signal: Signal::ALL.into_iter().find(|known| known.table() == signal)?,
                    rows: file["rows"].as_u64()?,
                    bytes: file["bytes"].as_u64()?,
                    sha256: file["sha256"].as_str()?.to_owned(),
                })
            });
            Some(Manifest {
                project: json["project"].as_str()?.to_owned(),
                start_unix_nano: json["start_unix_nano"].as_i64()?,
                end_unix_nano: json["end_unix_nano"].as_i64()?,
                made_at_unix_nano: json["made_at_unix_nano"].as_i64()?,
                files: files.collect::<Option<Vec<ManifestFile>>>()?,
            })
        };
        read().map(Some).ok_or_else(|| refused("lacks a member, or has one of another type".into()))
    }
}
