//! Background work, each a named loop. So far one: `flush`.
//!
//! Absent: compaction of small parts into large ones, retention, and the trace index. They will be loops of their own here;
//! the catalog has their `level` and `end_snapshot` already.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::commit::Shared;
use crate::limits::{FLUSH_RETRY, WAL_SEGMENT_BYTES_MAX};
use crate::store::Inner;

/// Looks at the age of memory at least this often, and four times per flush interval.
const LOOK_MAX: Duration = Duration::from_secs(1);
const LOOK_MIN: Duration = Duration::from_millis(5);

/// Flushes when memory is full or old enough, until cancelled or the store is gone.
pub(crate) async fn flush(store: Weak<Inner>, shared: Arc<Shared>, interval: Duration, cancelled: CancellationToken) {
    let look = (interval / 4).clamp(LOOK_MIN, LOOK_MAX);
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = shared.flush_wanted.notified() => {}
            () = tokio::time::sleep(look) => {}
        }
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.sweep().await {
            tracing::warn!(%error, "cannot forget parts that have ended; the next start does");
        }
        if let Err(error) = store.keep_damaged().await {
            tracing::warn!(%error, "cannot note which parts are damaged; they are found again");
        }
        if !is_due(&shared, interval) {
            continue;
        }
        if let Err(error) = store.flush().await {
            tracing::warn!(%error, "rows could not be written to parts; they stay in memory and in the log");
            drop(store);
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(FLUSH_RETRY) => {}
            }
        }
    }
}

fn is_due(shared: &Shared, interval: Duration) -> bool {
    let (bytes, first_at) = shared.memory.active();
    let age = first_at.map_or(0, |first_at| shared.clock.now_unix_nano().saturating_sub(first_at));
    let old = first_at.is_some() && u128::try_from(age).is_ok_and(|age| age >= interval.as_nanos());
    let (_, wal_bytes) = shared.wal.size();
    old || bytes >= shared.flush_bytes || wal_bytes >= WAL_SEGMENT_BYTES_MAX || !shared.memory.sealed().is_empty()
}
