//! Background work of the runtime, each a named loop. What takes a processor for long has a thread of its own: see
//! `compaction`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::commit::Shared;
use crate::error::StoreError;
use crate::limits::{
    DELETION_INTERVAL, ERASURE_INTERVAL, FLUSH_RETRY, PUBLISH_INTERVAL, RETENTION_CPU_SHARE, RETENTION_FIRST, RETENTION_INTERVAL,
    WAL_SEGMENT_BYTES_MAX,
};
use crate::publish::Publish;
use crate::store::{Inner, blocking};

/// Looks at the age of memory at least this often, and four times per flush interval.
const LOOK_MAX: Duration = Duration::from_secs(1);
const LOOK_MIN: Duration = Duration::from_millis(5);

/// Looks without a row in memory after which the log's spare file gives its room back.
const LOOKS_UNTIL_QUIET: u32 = 30;

/// Flushes when memory is full or old enough, until cancelled or the store is gone.
pub(crate) async fn flush(store: Weak<Inner>, shared: Arc<Shared>, interval: Duration, cancelled: CancellationToken) {
    let look = (interval / 4).clamp(LOOK_MIN, LOOK_MAX);
    let mut quiet_looks = 0u32;
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
        quiet_looks = if shared.memory.rows() > 0 { 0 } else { quiet_looks.saturating_add(1) };
        if let Err(error) = look_after_log(&shared, quiet_looks).await {
            tracing::warn!(%error, "cannot look after the write-ahead log");
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

/// Finds out whether a log that refused takes records again, and gives the room of its spare file back when it is idle.
async fn look_after_log(shared: &Arc<Shared>, quiet_looks: u32) -> Result<(), StoreError> {
    if shared.log_refuses() {
        let shared = Arc::clone(shared);
        blocking(move || {
            shared.probe_log();
            Ok(())
        })
        .await?;
    }
    if quiet_looks == LOOKS_UNTIL_QUIET {
        shared.wal.remove_spare();
    }
    Ok(())
}

/// Does deletions when they are asked for, takes up those that a crash or a failure left, and notes when files are gone.
pub(crate) async fn deletions(store: Weak<Inner>, wanted: Arc<Notify>, cancelled: CancellationToken) {
    loop {
        let waiting = {
            let Some(store) = store.upgrade() else { return };
            // What failed is on the receipt and in the log.
            let done = store.run_deletions().await;
            let erasures = store.note_erased().await.unwrap_or(0);
            if erasures > 0 && done.is_ok() { ERASURE_INTERVAL } else { DELETION_INTERVAL }
        };
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = wanted.notified() => {}
            () = tokio::time::sleep(waiting) => {}
        }
    }
}

/// Looks every now and then whether anything is too old or too much.
pub(crate) async fn retention(store: Weak<Inner>, cancelled: CancellationToken) {
    let mut wait = RETENTION_FIRST;
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = RETENTION_INTERVAL;
        let Some(store) = store.upgrade() else { return };
        if let Err(error) = store.retain_all(RETENTION_CPU_SHARE).await
            && !cancelled.is_cancelled()
        {
            tracing::warn!(%error, "retention did not come through; it is tried again");
        }
    }
}

fn is_due(shared: &Shared, interval: Duration) -> bool {
    let (bytes, age_ns) = shared.memory.active(shared.clock.now_unix_nano());
    let old = age_ns.is_some_and(|age_ns| u128::from(age_ns) >= interval.as_nanos());
    let (_, wal_bytes) = shared.wal.size();
    old || bytes >= shared.flush_bytes || wal_bytes >= WAL_SEGMENT_BYTES_MAX || !shared.memory.sealed().is_empty()
}

/// Publishes what compaction and retention made of the parts, until cancelled or the store is gone. What fails is tried
/// again; it is said once until it succeeds, as it may be a disk without hard links.
pub(crate) async fn publish(store: Weak<Inner>, cancelled: CancellationToken) {
    let mut has_failed = false;
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(PUBLISH_INTERVAL) => {}
        }
        let Some(store) = store.upgrade() else { return };
        match store.publish(Publish::Settled).await {
            Ok(_) => has_failed = false,
            Err(error) if !has_failed && !cancelled.is_cancelled() => {
                tracing::warn!(%error, "cannot publish parts as tables; what is published stays as it is");
                has_failed = true;
            }
            Err(_) => {}
        }
    }
}
