//! A writer process is killed again and again: nothing it acknowledged may be missing, nothing may be there twice.
//!
//! The test binary runs itself as the writer. It appends numbered rows from several tasks, flushing often, and prints each
//! number once its append has returned; the parent kills it at random moments, and reads the folder after the last.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use store::{Store, StoreOptions};

use crate::numbered::{append, logs, numbers, open, options};

const FOLDER: &str = "STORE_CRASH_TEST_FOLDER";
const FIRST: &str = "STORE_CRASH_TEST_FIRST";
const KILLS: usize = 60;
/// Numbers one writer process may use.
const NUMBERS_PER_WRITER: i64 = 1_000_000;
const WRITER_TASKS: usize = 4;

/// Not a test of its own: the writer process, when the variables are there.
#[test]
#[allow(clippy::disallowed_methods, reason = "a process can only be told apart by its environment")]
fn writer() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(write_until_killed(folder.into(), first.parse().unwrap()));
}

async fn write_until_killed(folder: PathBuf, first: i64) {
    let store = open(StoreOptions { flush_bytes: 60_000, flush_interval: Duration::from_millis(30), ..options(&folder) }).await;
    let next = Arc::new(AtomicI64::new(first));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WRITER_TASKS {
        tasks.spawn(write(store.clone(), Arc::clone(&next)));
    }
    tasks.join_all().await;
}

async fn write(store: Store, next: Arc<AtomicI64>) {
    loop {
        let number = next.fetch_add(3, Ordering::Relaxed);
        let count = 1 + number % 3;
        append(&store, number, count).await.unwrap();
        // One write per line, so that a line is whole or not there.
        let line = format!("ack {number} {count}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
    }
}

fn start(folder: &std::path::Path, first: i64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the writer after a while, and returns what it acknowledged.
#[allow(clippy::disallowed_methods, reason = "the moment is meant to be random, not tied to an event")]
fn acknowledged_until_killed(mut writer: Child, alive: Duration) -> Vec<i64> {
    let output = BufReader::new(writer.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let mut acknowledged = Vec::new();
        for line in output.split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            // The test harness prints its own words before the first.
            let Some(at) = line.find("ack ") else { continue };
            let mut words = line[at + 4..].split(' ').map(|word| word.parse::<i64>().unwrap());
            let (number, count) = (words.next().unwrap(), words.next().unwrap());
            acknowledged.extend(number..number + count);
        }
        acknowledged
    });
    std::thread::sleep(alive);
    writer.kill().unwrap();
    writer.wait().unwrap();
    reader.join().unwrap()
}

/// A number between `from` and `to`, from a seed that moves on.
fn random(seed: &mut u64, from: u64, to: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    from + (*seed >> 33) % (to - from)
}

#[test]
fn killed_writers_lose_nothing_they_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = std::process::id().into();
    let mut acknowledged: Vec<i64> = Vec::new();
    let mut writers_heard = 0;
    for kill in 0..KILLS {
        let writer = start(folder.path(), kill as i64 * NUMBERS_PER_WRITER);
        let alive = Duration::from_millis(random(&mut seed, 20, 300));
        let heard = acknowledged_until_killed(writer, alive);
        writers_heard += usize::from(!heard.is_empty());
        acknowledged.extend(heard);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (found, stats) = runtime.block_on(async {
        let store = open(options(folder.path())).await;
        let found = numbers(folder.path(), &logs(&store).await);
        let stats = store.stats();
        store.shutdown().await.unwrap();
        (found, stats)
    });
    let distinct: HashSet<i64> = found.iter().copied().collect();
    assert_eq!(distinct.len(), found.len(), "rows are there twice");
    let missing: Vec<i64> = acknowledged.iter().copied().filter(|number| !distinct.contains(number)).collect();
    assert!(missing.is_empty(), "{missing:?} of {} acknowledged rows are missing", acknowledged.len());
    assert_eq!((stats.wal_records_corrupt, stats.wal_records_unreadable), (0, 0));
    // The kills must have hit writers at work, in memory and in parts, or this shows nothing.
    assert!(writers_heard > KILLS / 4, "only {writers_heard} writers were heard of");
    assert!(stats.parts as usize > KILLS / 4, "{stats:?}");
    eprintln!(
        "{} rows acknowledged by {writers_heard} killed writers, {} found, {} parts",
        acknowledged.len(),
        found.len(),
        stats.parts
    );
}
