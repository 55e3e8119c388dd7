//! Compacted parts published as Delta tables, so that others read the same files: `delta/<project>/<signal>/`.
//!
//! Nothing is rewritten and nothing is copied: each published part has a second name (a hard link) in its table's folder,
//! beside the table's log. The log is written from the catalog alone, never the other way round, by comparing what the
//! newest version names with the parts there are: so it may be late, and can be lost, but is never wrong. A version names
//! only files that are there when it is written, and a file it names stays for [`REMOVED_FILES_KEPT`] after a later version
//! removed it.
//!
//! Source: github.com/delta-io/delta, PROTOCOL.md; reader version 1, writer version 2.

mod checkpoint;
mod columns_of;
mod log;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::disk::sync_real_folder;
use crate::error::StoreError;
use crate::limits::{FRESH_PART_PUBLISHED_AFTER, REMOVED_FILES_KEPT};
use crate::parts_folder::PART;
use crate::snapshot::Part;
use columns_of::{FileColumns, TableSchema, columns_of_file};
use log::{Change, DeltaLog, PublishedFile, State};

/// The folder of all tables, in the data folder.
pub(crate) const FOLDER: &str = "delta";

/// Parts below this level are published only when they have become old: mostly they are gone again within minutes.
const LEVEL_MIN: u8 = 1;

/// Which parts are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    /// Compacted ones, and fresh ones that nothing has been made of for [`FRESH_PART_PUBLISHED_AFTER`].
    Settled,
    /// All there are.
    All,
    /// All there are; and files that a table no longer names go now rather than after [`REMOVED_FILES_KEPT`].
    AllNow,
}

/// Writes the tables of one data folder.
pub(crate) struct Publisher {
    /// Where the tables are.
    folder: PathBuf,
    /// Where the parts are.
    parts: PathBuf,
    fsync: bool,
    /// Publishing ends with an error soon after this is set.
    stop: Arc<AtomicBool>,
    /// By the table's folder, relative; those that were looked at since the start.
    tables: HashMap<String, Table>,
    /// Column sets, each kept once: most parts of a table have the same.
    column_sets: HashSet<Arc<FileColumns>>,
    /// The catalog's snapshot and its number of sound parts when everything was last published.
    published: Option<(u64, usize)>,
    /// Parts that were too fresh.
    fresh: usize,
}

/// One table: what its newest version says, and the columns of its files as far as they were read.
struct Table {
    log: DeltaLog,
    state: State,
    columns: HashMap<String, Arc<FileColumns>>,
    /// Files in the folder that the newest version does not name, and when they may go.
    leaving: BTreeMap<String, i64>,
}

impl Publisher {
    pub fn new(data_dir: &Path, fsync: bool, stop: Arc<AtomicBool>) -> Publisher {
        let (folder, parts) = (data_dir.join(FOLDER), data_dir.join("parts"));
        Publisher { folder, parts, fsync, stop, tables: HashMap::new(), column_sets: HashSet::new(), published: None, fresh: 0 }
    }

    /// Whether everything of the catalog's snapshot with so many sound parts is published, and nothing waits for its time.
    pub fn is_done(&self, snapshot: u64, parts: usize) -> bool {
        self.published == Some((snapshot, parts)) && self.fresh == 0 && self.tables.values().all(|table| table.leaving.is_empty())
    }

    /// Notes that everything of the snapshot is published.
    pub fn note_done(&mut self, snapshot: u64, parts: usize) {
        self.published = Some((snapshot, parts));
    }

    /// Brings every table in line with `parts`, all sound parts of one moment. Returns how many versions were written.
    ///
    /// Tables that had parts and have none become empty, they do not go away. A part that was published stays so until it
    /// ends.
    pub fn publish(&mut self, parts: &[Part], now_unix_nano: i64, which: Publish) -> Result<u64, StoreError> {
        let mut wanted: BTreeMap<String, Vec<&Part>> =
            self.known_tables()?.into_iter().map(|table| (table, Vec::new())).collect();
        self.fresh = 0;
        for part in parts {
            let path = part.path.as_ref();
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if which != Publish::Settled || part.level >= LEVEL_MIN || self.is_old(part, folder, now_unix_nano) {
                wanted.entry(folder.to_owned()).or_default().push(part);
            } else {
                self.fresh += 1;
            }
        }
        let mut versions = 0;
        for (folder, parts) in wanted {
            let mut table = match self.tables.remove(&folder) {
                Some(table) => table,
                None => self.open_table(&folder, now_unix_nano)?,
            };
            let wrote = self.publish_table(&mut table, &parts, now_unix_nano);
            let swept = table.sweep(now_unix_nano, which == Publish::AllNow);
            // A table that failed is read from its log again next time.
            versions += u64::from(wrote?);
            swept?;
            self.tables.insert(folder, table);
        }
        self.forget_column_sets();
        Ok(versions)
    }

    /// Whether a part is published already, or has become so old that nothing else may come of it soon.
    fn is_old(&self, part: &Part, folder: &str, now_unix_nano: i64) -> bool {
        let name = file_name(part);
        if self.tables.get(folder).is_some_and(|table| table.state.files.contains_key(name)) {
            return true;
        }
        if self.folder.join(folder).join(name).exists() {
            return true;
        }
        let written = modified_ms(&self.parts.join(part.path.as_ref())).unwrap_or(i64::MAX);
        let age_ms = (now_unix_nano / 1_000_000).saturating_sub(written);
        u128::try_from(age_ms).is_ok_and(|age_ms| age_ms >= FRESH_PART_PUBLISHED_AFTER.as_millis())
    }

    fn known_tables(&self) -> Result<Vec<String>, StoreError> {
        let mut tables = Vec::new();
        let folders_in = |folder: &Path| {
            let names = names_in(folder)?.into_iter().filter(|name| folder.join(name).is_dir());
            Ok::<Vec<String>, StoreError>(names.collect())
        };
        for project in folders_in(&self.folder)? {
            for signal in folders_in(&self.folder.join(&project))? {
                tables.push(format!("{project}/{signal}"));
            }
        }
        Ok(tables)
    }

    fn open_table(&self, folder: &str, now_unix_nano: i64) -> Result<Table, StoreError> {
        let folder = self.folder.join(folder);
        let log = DeltaLog::open(folder.clone(), self.fsync)?;
        let state = log.read(now_unix_nano)?;
        let mut leaving = BTreeMap::new();
        // Links of versions that a crash cut off, and of files whose time began before it.
        for name in names_in(&folder)?.into_iter().filter(|name| name.ends_with(PART) && !state.files.contains_key(name)) {
            leaving.insert(name, now_unix_nano);
        }
        Ok(Table { log, state, columns: HashMap::new(), leaving })
    }

    /// Writes the next version if there is anything to say. Returns whether there was.
    fn publish_table(&mut self, table: &mut Table, parts: &[&Part], now_unix_nano: i64) -> Result<bool, StoreError> {
        let wanted: BTreeMap<&str, &Part> = parts.iter().map(|part| (file_name(part), *part)).collect();
        let mut change = Change::default();
        for (name, part) in &wanted {
            if self.stop.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("store is shutting down".into()));
            }
            if !table.state.files.contains_key(*name) {
                let modified_ms = self.link(part, &table.log.folder.join(name))?;
                change.added.push(PublishedFile::new(part, (*name).to_owned(), modified_ms));
            }
            if !table.columns.contains_key(*name) {
                let columns = self.column_set(columns_of_file(&self.parts.join(part.path.as_ref()))?);
                table.columns.insert((*name).to_owned(), columns);
            }
        }
        change.removed = table.state.files.keys().filter(|name| !wanted.contains_key(name.as_str())).cloned().collect();
        table.columns.retain(|name, _| wanted.contains_key(name.as_str()));
        if change.added.is_empty() && change.removed.is_empty() {
            return Ok(false);
        }
        if let Some(part) = parts.first() {
            let schema = TableSchema::of(part.signal, table.columns.values().map(AsRef::as_ref));
            change.schema = Some(schema).filter(|schema| !table.state.has_schema(schema));
        }
        if !change.added.is_empty() {
            sync_real_folder(&table.log.folder, self.fsync)?;
        }
        table.log.write(&mut table.state, &change, now_unix_nano)?;
        for name in change.removed {
            table.leaving.insert(name, now_unix_nano);
        }
        for added in &change.added {
            table.leaving.remove(&added.name);
        }
        tracing::debug!(
            folder = %table.log.folder.display(),
            version = table.state.version,
            files = table.state.files.len(),
            "table published"
        );
        Ok(true)
    }

    /// Gives the part its second name. Returns when its file was written, in milliseconds since 1970.
    fn link(&self, part: &Part, name: &Path) -> Result<i64, StoreError> {
        let file = self.parts.join(part.path.as_ref());
        match fs::hard_link(&file, name) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::io(format!("link {} to {}", file.display(), name.display()))(error));
            }
            // A part's name is never used again, so what has it is the part.
            _ => {}
        }
        modified_ms(name)
    }

    fn column_set(&mut self, columns: FileColumns) -> Arc<FileColumns> {
        if let Some(known) = self.column_sets.get(&columns) {
            return Arc::clone(known);
        }
        let columns = Arc::new(columns);
        self.column_sets.insert(Arc::clone(&columns));
        columns
    }

    fn forget_column_sets(&mut self) {
        self.column_sets.retain(|columns| Arc::strong_count(columns) > 1);
    }
}

impl Table {
    /// Removes files that no version within reach names any more.
    fn sweep(&mut self, now_unix_nano: i64, at_once: bool) -> Result<(), StoreError> {
        let kept_ns = if at_once { 0 } else { i64::try_from(REMOVED_FILES_KEPT.as_nanos()).unwrap_or(i64::MAX) };
        let gone: Vec<String> = self
            .leaving
            .iter()
            .filter(|(_, since)| now_unix_nano.saturating_sub(**since) >= kept_ns)
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            let path = self.log.folder.join(&name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io(format!("remove {}", path.display()))(error));
                }
                _ => {}
            }
            self.leaving.remove(&name);
            self.state.removed.remove(&name);
        }
        Ok(())
    }
}

/// Removes what was published: with publishing off, it would grow stale and keep the disk space of parts that have ended.
pub(crate) fn unpublish(data_dir: &Path) -> Result<(), StoreError> {
    let folder = data_dir.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io(format!("remove folder {}", folder.display()))(error))
        }
        _ => Ok(()),
    }
}

/// When a file was written, in milliseconds since 1970.
fn modified_ms(path: &Path) -> Result<i64, StoreError> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
    let modified = modified.map_err(StoreError::io(format!("look at {}", path.display())))?;
    let since_1970 = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

fn file_name(part: &Part) -> &str {
    let path = part.path.as_ref();
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The names in a folder, sorted; none for a folder that is not there.
fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    let failed = || StoreError::io(format!("list folder {}", folder.display()));
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed())?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
