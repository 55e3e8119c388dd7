//! What happens once, at open: the folder is checked against the catalog, and the log is read back into memory.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metastore::Metastore;
use model::Signal;

use crate::catalog::Catalog;
use crate::commit::Shared;
use crate::disk;
use crate::error::StoreError;

use crate::memory::{Chunk, SegmentRows};
use crate::parts_folder::PartsFolder;
use crate::registry::Registry;
use crate::row_buffer::RowBuffer;
use crate::wal::Previous;

/// Makes rows of a log record's payload: the project and the rows, or nothing if it cannot be read.
pub(crate) type Replay = dyn Fn(&[u8]) -> Option<(String, RowBuffer)> + Send + Sync;

/// The file in the folder of parts that names the catalog they belong to.
const IDENTITY_FILE: &str = "catalog";

/// Refuses parts of another catalog: what a catalog does not name is removed, so a lost metastore must not be taken for an
/// empty one.
pub(crate) async fn check_identity(parts: &PartsFolder, metastore: &Metastore) -> Result<(), StoreError> {
    let path = parts.path.join(IDENTITY_FILE);
    let identity = metastore.identity(&uuid::Uuid::now_v7().simple().to_string()).await?;
    match disk::read(parts.disk.as_ref(), &path).map(|found| String::from_utf8_lossy(&found).trim().to_owned()) {
        Ok(found) if found == identity => Ok(()),
        Ok(found) if !found.is_empty() => Err(StoreError::Foreign(parts.path.display().to_string())),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io(format!("read {}", path.display()))(error))
        }
        _ if holds_parts(parts)? => Err(StoreError::Foreign(parts.path.display().to_string())),
        _ => write_identity(&path, &identity, parts),
    }
}

fn holds_parts(parts: &PartsFolder) -> Result<bool, StoreError> {
    let entries = parts.disk.list(&parts.path);
    let entries = entries.map_err(StoreError::io(format!("list folder {}", parts.path.display())))?;
    Ok(entries.iter().any(|entry| entry.is_folder))
}

fn write_identity(path: &Path, identity: &str, parts: &PartsFolder) -> Result<(), StoreError> {
    let wrote = disk::write(parts.disk.as_ref(), path, identity.as_bytes());
    wrote.map_err(StoreError::io(format!("write {}", path.display())))?;
    disk::sync_folder(parts.disk.as_ref(), &parts.path)
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

/// What replaying a segment gave.
pub(crate) struct Replayed {
    pub rows: SegmentRows,
    /// Nothing was ever written into it.
    pub is_unused: bool,
    pub previous: Previous,
}

/// Reads one segment of the log into rows. Records that cannot be read are counted, and the segment is kept aside.
pub(crate) fn replay_segment(
    shared: &Shared,
    registry: &Registry,
    replay: &Arc<Replay>,
    number: u64,
) -> Result<Replayed, StoreError> {
    let mut rows = SegmentRows::new(number);
    let mut unreadable = 0;
    let read = shared.wal.read(number, &mut |payload| match rows_of(registry, replay, payload) {
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
    })?;
    if read.corrupt + unreadable > 0 {
        tracing::error!(
            segment = number,
            corrupt = read.corrupt,
            unreadable,
            "records of the write-ahead log are lost; the segment is set aside"
        );
        shared.wal.mark_damaged(number);
    }
    shared.counters.wal_records_corrupt.fetch_add(read.corrupt, Ordering::Relaxed);
    shared.counters.wal_records_unreadable.fetch_add(unreadable, Ordering::Relaxed);
    let is_unused = read.records == 0 && read.corrupt == 0;
    Ok(Replayed { rows, is_unused, previous: Previous { number, durable: read.durable } })
}

/// The project and rows of one record.
type RecordRows = (String, Vec<(Signal, Chunk)>);

fn rows_of(registry: &Registry, replay: &Arc<Replay>, payload: &[u8]) -> Result<Option<RecordRows>, StoreError> {
    let Some((project, buffer)) = replay(payload) else { return Ok(None) };
    let mut chunks = Vec::new();
    for (signal, batch) in buffer.finish()? {
        chunks.push((signal, Chunk::new(registry.admit(&project, signal, batch)?)?));
    }
    Ok(Some((project, chunks)))
}
