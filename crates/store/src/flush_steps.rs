//! The steps from sealed rows to parts, in the one order that loses and doubles nothing.
//!
//! Parts, then catalog, then memory, then log: at every moment each row is in the catalog's view or in memory, and on disk in
//! a part or in the log. What the steps act on is behind [`FlushPorts`], so that the same steps run under simulation, where
//! appends, failures and crashes come between any two of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use metastore::FlushCommit;

use crate::commit::Shared;
use crate::error::StoreError;
use crate::memory::SegmentRows;
use crate::part_writer::WrittenPart;

/// The name under which the catalog keeps this log's position.
pub(crate) const WRITER: &str = "local";

pub(crate) trait FlushPorts: Sync {
    fn shared(&self) -> &Shared;
    /// The last segment whose rows are in parts, as the catalog has it.
    fn wal_position(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;
    /// Writes parts of the segments' rows; they are on disk when it returns. On error none is left that a start keeps.
    fn write_parts(&self, segments: Vec<Arc<SegmentRows>>) -> impl Future<Output = Result<Vec<WrittenPart>, StoreError>> + Send;
    /// Makes parts and position true, both or neither. After an error it may be either.
    fn commit(&self, commit: &FlushCommit) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Shows memory the catalog as it is now, instead of the rows that are in its parts.
    fn refresh(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Removes parts that the catalog does not name.
    fn remove_parts(&self, written: &[WrittenPart]);
    /// Takes note of parts that the catalog names.
    fn keep_parts(&self, written: Vec<WrittenPart>);
}

/// Writes everything sealed to parts. `flushed` is the last segment whose rows are in parts, as far as was heard.
pub(crate) async fn flush_sealed(ports: &impl FlushPorts, flushed: &mut u64) -> Result<(), StoreError> {
    catch_up(ports, flushed).await?;
    let segments = ports.shared().memory.sealed();
    let Some(last) = segments.last().map(|segment| segment.number) else { return Ok(()) };
    let written = ports.write_parts(segments).await?;
    let parts = written.len();
    let rows: u64 = written.iter().map(|written| written.part.rows).sum();
    let bytes: u64 = written.iter().map(|written| written.part.bytes).sum();
    commit(ports, &written, *flushed, last).await?;
    ports.refresh().await?;
    ports.keep_parts(written);
    *flushed = last;
    ports.shared().counters.flushes.fetch_add(1, Ordering::Relaxed);
    tracing::debug!(segment = last, parts, rows, bytes, "rows written to parts");
    remove_segments(ports, last);
    Ok(())
}

/// Takes over a commit that came through although it was answered with an error: its rows are in parts already. Also
/// makes sure, before anything is written, that the catalog answers at all.
async fn catch_up(ports: &impl FlushPorts, flushed: &mut u64) -> Result<(), StoreError> {
    let position = ports.wal_position().await?;
    if position > *flushed {
        ports.refresh().await?;
        *flushed = position;
        remove_segments(ports, position);
    }
    Ok(())
}

/// Commits parts and position. On an error the parts are removed, if it is certain that the catalog does not name them.
async fn commit(ports: &impl FlushPorts, written: &[WrittenPart], flushed: u64, last: u64) -> Result<(), StoreError> {
    let commit = FlushCommit {
        writer: WRITER.to_owned(),
        parts: written.iter().map(|written| written.part.clone()).collect(),
        attributes: written.iter().flat_map(|written| written.attributes.iter().cloned()).collect(),
        wal_position_before: flushed,
        wal_position: last,
    };
    let Err(error) = ports.commit(&commit).await else { return Ok(()) };
    match ports.wal_position().await {
        Ok(position) if position == last => return Ok(()),
        Ok(_) => ports.remove_parts(written),
        Err(_) => {}
    }
    Err(error)
}

fn remove_segments(ports: &impl FlushPorts, last: u64) {
    if let Err(error) = ports.shared().wal.remove_through(last) {
        tracing::warn!(%error, "cannot remove old log segments; the next flush or start does");
    }
}
