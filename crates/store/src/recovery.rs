//! What happens once, at open: the folder is checked against the catalog, and the log is read back into memory.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metastore::Metastore;
use model::Signal;

use crate::catalog::Catalog;
use crate::commit::Shared;
use crate::error::StoreError;

use crate::memory::{Chunk, SegmentRows};
use crate::parts_folder::PartsFolder;
use crate::registry::Registry;
use crate::row_buffer::RowBuffer;

/// Makes rows of a log record's payload: the project and the rows, or nothing if it cannot be read.
pub(crate) type Replay = dyn Fn(&[u8]) -> Option<(String, RowBuffer)> + Send + Sync;

/// The file in the folder of parts that names the catalog they belong to.
const IDENTITY_FILE: &str = "catalog";

/// Refuses parts of another catalog: what a catalog does not name is removed, so a lost metastore must not be taken for an
/// empty one.
pub(crate) async fn check_identity(parts: &PartsFolder, metastore: &Metastore) -> Result<(), StoreError> {
    let path = parts.path.join(IDENTITY_FILE);
    let identity = metastore.identity(&uuid::Uuid::now_v7().simple().to_string()).await?;
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == identity => Ok(()),
        Ok(found) if !found.trim().is_empty() => Err(StoreError::Foreign(parts.path.display().to_string())),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io(format!("read {}", path.display()))(error))
        }
        _ if holds_parts(&parts.path)? => Err(StoreError::Foreign(parts.path.display().to_string())),
        _ => write_identity(&path, &identity, parts),
    }
}

fn holds_parts(folder: &Path) -> Result<bool, StoreError> {
    let entries = fs::read_dir(folder).map_err(StoreError::io(format!("list folder {}", folder.display())))?;
    Ok(entries.flatten().any(|entry| entry.path().is_dir()))
}

fn write_identity(path: &Path, identity: &str, parts: &PartsFolder) -> Result<(), StoreError> {
    let failed = || StoreError::io(format!("write {}", path.display()));
    fs::write(path, identity).map_err(failed())?;
    if parts.fsync {
        fs::File::open(path).and_then(|file| file.sync_all()).map_err(failed())?;
    }
    crate::wal::sync_folder(&parts.path, parts.fsync)
}

/// The catalog as it is now, without what no snapshot can see after a start, and a folder without what it does not name.
///
/// Also how far the writer's log is in parts.
pub(crate) async fn open_catalog(parts: &PartsFolder, metastore: &Metastore, writer: &str) -> Result<(Catalog, u64), StoreError> {
    metastore.forget_ended_parts().await?;
    let changes = metastore.part_changes(0, writer).await?;
    let wal_position = changes.wal_position;
    let known: HashSet<String> = changes.added.iter().map(|part| part.path.clone()).collect();
    let removed = parts.remove_orphans(&known)?;
    if removed > 0 {
        tracing::info!(removed, "files removed that belong to no part");
    }
    let (catalog, _) = Catalog::default().after(changes)?;
    Ok((catalog, wal_position))
}

/// Reads one segment of the log into rows. Records that cannot be read are counted, and the segment is kept aside.
pub(crate) fn replay_segment(
    shared: &Shared,
    registry: &Registry,
    replay: &Arc<Replay>,
    number: u64,
    newest: bool,
) -> Result<SegmentRows, StoreError> {
    let segment = shared.wal.read(number, newest)?;
    let mut corrupt = segment.corrupt_records() as u64;
    if segment.is_torn() && !newest {
        // Only the newest segment can have been cut off by a crash.
        tracing::warn!(segment = number, "log segment ends in something that is no record");
        corrupt += 1;
    }
    let mut rows = SegmentRows::new(number);
    let mut unreadable = 0;
    for payload in segment.payloads() {
        match replayed(registry, replay, payload) {
            Ok(Some((project, chunks))) => {
                for (signal, chunk) in chunks {
                    rows.push(&project, signal, chunk, shared.clock.now_unix_nano());
                }
            }
            Ok(None) => unreadable += 1,
            Err(error) => {
                tracing::error!(%error, segment = number, "cannot make columns of a record of the write-ahead log");
                unreadable += 1;
            }
        }
    }
    if corrupt + unreadable > 0 {
        tracing::error!(
            segment = number,
            corrupt,
            unreadable,
            "records of the write-ahead log are lost; the segment is set aside"
        );
        shared.wal.mark_damaged(number);
    }
    shared.counters.wal_records_corrupt.fetch_add(corrupt, Ordering::Relaxed);
    shared.counters.wal_records_unreadable.fetch_add(unreadable, Ordering::Relaxed);
    Ok(rows)
}

/// The project and rows of one record.
type Replayed = (String, Vec<(Signal, Chunk)>);

fn replayed(registry: &Registry, replay: &Arc<Replay>, payload: &[u8]) -> Result<Option<Replayed>, StoreError> {
    let Some((project, buffer)) = replay(payload) else { return Ok(None) };
    let mut chunks = Vec::new();
    for (signal, batch) in buffer.finish()? {
        chunks.push((signal, Chunk::new(registry.admit(&project, signal, batch)?)?));
    }
    Ok(Some((project, chunks)))
}
