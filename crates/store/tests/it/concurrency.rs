//! Many writers, many flushes, many readers: every snapshot is a cut in which each acknowledged row is exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use crate::numbered::{append, logs, numbers, open, options};

const WRITERS: i64 = 4;
const PER_WRITER: i64 = 1_000_000;

/// Each writer's numbers are consecutive from its own start, so whatever was acknowledged before a snapshot is a prefix.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_is_a_consistent_cut() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(store::StoreOptions { fsync: false, ..options(folder.path()) }).await;
    let acknowledged: Arc<[AtomicI64; WRITERS as usize]> = Arc::default();
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, acknowledged, done) = (store.clone(), Arc::clone(&acknowledged), Arc::clone(&done));
        tasks.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let next = acknowledged[writer as usize].load(Ordering::Relaxed);
                let count = 1 + next % 7;
                append(&store, writer * PER_WRITER + next, count).await.unwrap();
                acknowledged[writer as usize].store(next + count, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_micros(300)).await;
            }
        });
    }
    let (flusher, flushing) = (store.clone(), Arc::clone(&done));
    tasks.spawn(async move {
        while !flushing.load(Ordering::Relaxed) {
            flusher.flush().await.unwrap();
        }
    });
    let mut snapshots = 0;
    while snapshots < 60 || store.stats().flushes < 15 {
        snapshots += 1;
        let before: Vec<i64> = acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let snapshot = logs(&store).await;
        let seen = numbers(folder.path(), &snapshot);
        for (writer, before) in (0..WRITERS).zip(before) {
            let own: Vec<i64> = seen.iter().filter(|number| **number / PER_WRITER == writer).map(|n| n % PER_WRITER).collect();
            assert!(own.len() as i64 >= before, "writer {writer}: {} rows seen, {before} acknowledged", own.len());
            assert!(own.iter().copied().eq(0..own.len() as i64), "writer {writer}: rows missing or twice");
        }
    }
    done.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    store.shutdown().await.unwrap();
}
