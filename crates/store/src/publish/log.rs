//! The log of one Delta table: `_delta_log/<20 digits>.json`, a version each, and now and then a checkpoint of all of it.
//!
//! A version appears under its name whole or not at all, and never in the place of another: it is written beside, synced,
//! and linked. Versions older than the checkpoint before the last are removed, so that the log does not grow for ever.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::checkpoint;
use super::columns_of::TableSchema;
use super::names_in;
use crate::columns;
use crate::disk::sync_real_folder;
use crate::error::StoreError;
use crate::limits::{CHECKPOINT_VERSIONS, REMOVED_FILES_KEPT};
use crate::snapshot::Part;

const LOG_FOLDER: &str = "_delta_log";
const LAST_CHECKPOINT: &str = "_last_checkpoint";
const TEMPORARY: &str = ".next.tmp";

/// The table's properties that say which columns were left out; the protocol gives meaning only to names with `delta.`.
const LEFT_OUT: &str = "cupola.columnsLeftOut";

/// A file as the log names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PublishedFile {
    /// In the table's folder.
    pub name: String,
    pub bytes: i64,
    pub modified_ms: i64,
    /// JSON, as the log has it.
    pub stats: String,
}

impl PublishedFile {
    pub fn new(part: &Part, name: String, modified_ms: i64) -> PublishedFile {
        let (min, max) = (json!({columns::TIME: part.min_time}), json!({columns::TIME: part.max_time}));
        let stats = json!({"numRecords": part.rows, "minValues": min, "maxValues": max, "nullCount": {columns::TIME: 0}});
        PublishedFile { name, bytes: i64::try_from(part.bytes).unwrap_or(i64::MAX), modified_ms, stats: stats.to_string() }
    }
}

/// What the next version is to say.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub added: Vec<PublishedFile>,
    pub removed: Vec<String>,
    /// When it is another one than before.
    pub schema: Option<TableSchema>,
}

/// What the newest version says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// -1 before the first.
    pub version: i64,
    /// Delta's `metaData`, as the log has it; null before the first version.
    pub metadata: Value,
    /// By name.
    pub files: BTreeMap<String, PublishedFile>,
    /// Files that were removed and may still be there: when, in milliseconds since 1970.
    pub removed: BTreeMap<String, i64>,
}

impl State {
    pub fn has_schema(&self, schema: &TableSchema) -> bool {
        let left_out = self.metadata["configuration"][LEFT_OUT].as_str().unwrap_or_default();
        self.metadata["schemaString"].as_str() == Some(&schema.schema_string) && left_out == schema.left_out
    }

    /// Takes over one action of the log; those that say nothing of files or schema are passed over.
    fn apply(&mut self, action: &Value) {
        if let Some(metadata) = action.get("metaData").filter(|metadata| metadata.is_object()) {
            self.metadata = metadata.clone();
        }
        if let Some(add) = action.get("add").filter(|add| add.is_object()) {
            let text = |key: &str| add[key].as_str().unwrap_or_default().to_owned();
            let number = |key: &str| add[key].as_i64().unwrap_or(0);
            let file = PublishedFile {
                name: text("path"),
                bytes: number("size"),
                modified_ms: number("modificationTime"),
                stats: text("stats"),
            };
            self.removed.remove(&file.name);
            self.files.insert(file.name.clone(), file);
        }
        if let Some(remove) = action.get("remove").filter(|remove| remove.is_object()) {
            let name = remove["path"].as_str().unwrap_or_default();
            self.files.remove(name);
            self.removed.insert(name.to_owned(), remove["deletionTimestamp"].as_i64().unwrap_or(0));
        }
    }
}

pub(super) struct DeltaLog {
    /// The table's.
    pub folder: PathBuf,
    path: PathBuf,
    fsync: bool,
}

impl DeltaLog {
    /// Opens a table's log, making its folders where missing.
    pub fn open(folder: PathBuf, fsync: bool) -> Result<DeltaLog, StoreError> {
        let path = folder.join(LOG_FOLDER);
        if !path.is_dir() {
            fs::create_dir_all(&path).map_err(StoreError::io(format!("create folder {}", path.display())))?;
            for parent in folder.ancestors().take(4) {
                sync_real_folder(parent, fsync)?;
            }
        }
        Ok(DeltaLog { folder, path, fsync })
    }

    /// Reads the newest version. A log that cannot be read is set aside, and the table begins anew: it says nothing that
    /// the catalog does not.
    pub fn read(&self, now_unix_nano: i64) -> Result<State, StoreError> {
        match self.replay() {
            Ok(state) => Ok(state),
            Err(StoreError::Corrupt(reason)) => {
                let aside = self.folder.join(format!("{LOG_FOLDER}.damaged-{now_unix_nano}"));
                tracing::warn!(reason, aside = %aside.display(), "log of a published table is damaged; the table begins anew");
                fs::rename(&self.path, &aside).map_err(StoreError::io(format!("set {} aside", self.path.display())))?;
                fs::create_dir_all(&self.path).map_err(StoreError::io(format!("create folder {}", self.path.display())))?;
                Ok(State { version: -1, ..State::default() })
            }
            Err(error) => Err(error),
        }
    }

    fn replay(&self) -> Result<State, StoreError> {
        let names = names_in(&self.path)?;
        let checkpoint = names.iter().filter_map(|name| version_of(name, ".checkpoint.parquet")).max();
        let mut state = match checkpoint {
            Some(version) => checkpoint::read(&self.path.join(checkpoint_name(version)), version)?,
            None => State { version: -1, ..State::default() },
        };
        let mut versions: Vec<i64> = names.iter().filter_map(|name| version_of(name, ".json")).collect();
        versions.sort_unstable();
        for version in versions.into_iter().filter(|version| Some(*version) > checkpoint) {
            if version != state.version + 1 {
                return Err(StoreError::Corrupt(format!("version {} is missing", state.version + 1)));
            }
            let path = self.path.join(version_name(version));
            let text = fs::read_to_string(&path).map_err(StoreError::io(format!("read {}", path.display())))?;
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                let action = serde_json::from_str(line);
                let action: Value = action.map_err(|error| StoreError::Corrupt(format!("{}: {error}", path.display())))?;
                state.apply(&action);
            }
            state.version = version;
        }
        Ok(state)
    }

    /// Writes the next version, and a checkpoint when one is due; `state` is then of that version. Durable when it returns.
    ///
    /// Refuses: a version that somebody else has written meanwhile; then the log has to be read again.
    pub fn write(&self, state: &mut State, change: &Change, now_unix_nano: i64) -> Result<(), StoreError> {
        let now_ms = now_unix_nano / 1_000_000;
        let version = state.version + 1;
        let mut next = state.clone();
        next.version = version;
        next.removed.retain(|_, removed_ms| now_ms.saturating_sub(*removed_ms) < kept_ms());
        let mut text = String::new();
        for action in actions(&next, change, now_ms) {
            next.apply(&action);
            text.push_str(&action.to_string());
            text.push('\n');
        }
        self.write_new(&version_name(version), text.as_bytes())?;
        *state = next;
        if version > 0 && version % CHECKPOINT_VERSIONS == 0 {
            // Without it the log is only longer.
            if let Err(error) = self.checkpoint(state) {
                tracing::warn!(%error, folder = %self.folder.display(), "cannot write a checkpoint of a published table");
            }
        }
        Ok(())
    }

    /// A file of the log under a name that nothing has yet.
    fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (temporary, path) = (self.path.join(TEMPORARY), self.path.join(name));
        let written = self.write_file(&temporary, bytes).and_then(|()| fs::hard_link(&temporary, &path));
        let _ = fs::remove_file(&temporary);
        written.map_err(StoreError::io(format!("write {}", path.display())))?;
        sync_real_folder(&self.path, self.fsync)
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        if self.fsync { file.sync_all() } else { Ok(()) }
    }

    fn checkpoint(&self, state: &State) -> Result<(), StoreError> {
        let (bytes, actions) = checkpoint::to_bytes(state)?;
        let version = state.version;
        let (temporary, path) = (self.path.join(TEMPORARY), self.path.join(checkpoint_name(version)));
        let failed = || StoreError::io(format!("write {}", path.display()));
        self.write_file(&temporary, &bytes).and_then(|()| fs::rename(&temporary, &path)).map_err(failed())?;
        sync_real_folder(&self.path, self.fsync)?;
        let pointer = json!({"version": version, "size": actions}).to_string();
        let last = self.path.join(LAST_CHECKPOINT);
        self.write_file(&temporary, pointer.as_bytes()).and_then(|()| fs::rename(&temporary, &last)).map_err(failed())?;
        sync_real_folder(&self.path, self.fsync)?;
        self.forget_before(version - CHECKPOINT_VERSIONS)
    }

    /// Removes versions and checkpoints that nobody needs who begins at the checkpoint of `version` or a later one.
    fn forget_before(&self, version: i64) -> Result<(), StoreError> {
        for name in names_in(&self.path)? {
            let of = version_of(&name, ".json").or_else(|| version_of(&name, ".checkpoint.parquet"));
            if of.is_some_and(|of| of < version) {
                let path = self.path.join(&name);
                fs::remove_file(&path).map_err(StoreError::io(format!("remove {}", path.display())))?;
            }
        }
        Ok(())
    }
}

fn kept_ms() -> i64 {
    i64::try_from(REMOVED_FILES_KEPT.as_millis()).unwrap_or(i64::MAX)
}

/// The lines of a version.
fn actions(next: &State, change: &Change, now_ms: i64) -> Vec<Value> {
    let operation = if change.removed.is_empty() { "WRITE" } else { "OPTIMIZE" };
    let engine = concat!("cupola/", env!("CARGO_PKG_VERSION"));
    let mut actions = vec![json!({"commitInfo": {
        "timestamp": now_ms, "operation": operation, "operationParameters": {}, "isBlindAppend": false, "engineInfo": engine,
    }})];
    let is_first = next.version == 0;
    if is_first {
        actions.push(protocol());
    }
    if let Some(schema) = &change.schema {
        actions.push(json!({"metaData": metadata(&next.metadata, schema, now_ms)}));
    }
    for name in &change.removed {
        let bytes = next.files.get(name).map_or(0, |file| file.bytes);
        actions.push(json!({"remove": {
            "path": name, "deletionTimestamp": now_ms, "dataChange": true, "extendedFileMetadata": true, "partitionValues": {},
            "size": bytes,
        }}));
    }
    for file in &change.added {
        actions.push(json!({"add": {
            "path": file.name, "partitionValues": {}, "size": file.bytes, "modificationTime": file.modified_ms, "dataChange": true,
            "stats": file.stats,
        }}));
    }
    actions
}

pub(super) fn protocol() -> Value {
    json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
}

/// The table's metadata with another schema; its id and birthday stay.
fn metadata(before: &Value, schema: &TableSchema, now_ms: i64) -> Value {
    let id = before["id"].as_str().map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let created_ms = before["createdTime"].as_i64().unwrap_or(now_ms);
    let kept = format!("interval {} minutes", REMOVED_FILES_KEPT.as_secs().div_ceil(60));
    // Files say the bounds of `time` alone. Without these two, some readers take a column without bounds for one without
    // values, and answer with nothing.
    let mut configuration = json!({
        "delta.dataSkippingStatsColumns": columns::TIME, "delta.dataSkippingNumIndexedCols": "1",
        "delta.deletedFileRetentionDuration": kept,
    });
    if !schema.left_out.is_empty() {
        configuration[LEFT_OUT] = json!(schema.left_out);
    }
    json!({
        "id": id, "format": {"provider": "parquet", "options": {}}, "schemaString": schema.schema_string, "partitionColumns": [],
        "configuration": configuration, "createdTime": created_ms,
    })
}

fn version_name(version: i64) -> String {
    format!("{version:020}.json")
}

fn checkpoint_name(version: i64) -> String {
    format!("{version:020}.checkpoint.parquet")
}

fn version_of(name: &str, ending: &str) -> Option<i64> {
    let digits = name.strip_suffix(ending)?;
    if digits.len() == 20 { digits.parse().ok() } else { None }
}
