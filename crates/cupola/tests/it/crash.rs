//! `kill -9` at any moment loses nothing that was acknowledged, and doubles nothing.
//!
//! `CUPOLA_CRASH_KILLS` says how often. Half of the kills come at a random moment, a quarter a moment after a file was seen that
//! only exists while rows become parts, and a quarter while the store settles, so that they fall into flushes, commits and
//! compactions.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metastore::Metastore;
use parking_lot::Mutex;

use crate::harness::Server;

const KILLS: u64 = 40;
const SENDERS: u64 = 4;

/// Settings under which everything happens all the time.
const BUSY: [&str; 4] = ["--flush-seconds", "1", "--flush-megabytes", "1"];

/// Below the most rows that one answer holds.
const NUMBERS_PER_QUERY: usize = 50_000;

/// Numbers whose request was answered with success.
type Acknowledged = Mutex<Vec<u64>>;

/// What the server was doing when it was killed, by what it left.
#[derive(Debug, Default)]
struct Kills {
    all: u64,
    /// A part was being written.
    within_flush: u64,
    /// Parts were whole and the catalog had not heard of them.
    before_commit: u64,
    /// The catalog had, and the log still held their rows.
    after_commit: u64,
    /// Parts had been replaced and their files were there still.
    after_compaction: u64,
    /// The log's next file was being prepared.
    within_preparing: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_acknowledged() {
    let wanted = number_from_environment("CUPOLA_CRASH_KILLS").unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = Arc::new(Acknowledged::default());
    let next = Arc::new(AtomicU64::new(0));
    let mut kills = Kills::default();
    let mut random = 0x5eed;
    for kill in 0..wanted {
        let server = Server::start_with(folder.path(), &BUSY);
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| tokio::spawn(send_until_it_fails(server.http.clone(), Arc::clone(&next), Arc::clone(&acknowledged))))
            .collect();
        // Spread over the first second and a half, so that kills fall into replay, appends and flushes alike.
        tokio::time::sleep(Duration::from_millis(5 + below(&mut random, 1_400))).await;
        let settling = (kill % 4 == 3).then(|| tokio::spawn(settle(server.http.clone())));
        if settling.is_some() {
            tokio::time::sleep(Duration::from_millis(below(&mut random, 700))).await;
        } else if kill % 2 == 1 {
            wait_for_a_part(folder.path().to_owned(), Duration::from_micros(below(&mut random, 30_000))).await;
        }
        server.kill();
        for task in senders.into_iter().chain(settling) {
            task.await.unwrap();
        }
        look(folder.path(), &mut kills).await;
    }
    let server = Server::start(folder.path());
    let sent = next.load(Ordering::Relaxed);
    let mut found = HashSet::new();
    for first in (0..sent).step_by(NUMBERS_PER_QUERY) {
        let last = first + NUMBERS_PER_QUERY as u64;
        let query = format!("SELECT number, count(*) FROM logs WHERE number >= {first} AND number < {last} GROUP BY number");
        let rows = server.sql(&query).await;
        let doubled: Vec<_> = rows.iter().filter(|row| row[1] != 1).take(5).collect();
        assert!(doubled.is_empty(), "rows more than once: {doubled:?}");
        found.extend(rows.iter().map(|row| row[0].as_u64().unwrap()));
    }
    let kept = acknowledged.lock().clone();
    let lost: Vec<_> = kept.iter().filter(|number| !found.contains(number)).collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged rows lost, {} found, among them {:?}",
        lost.len(),
        kept.len(),
        found.len(),
        &lost[..lost.len().min(5)]
    );
    let metrics = reqwest::get(format!("{}/metrics", server.http)).await.unwrap().text().await.unwrap();
    for metric in ["cupola_store_wal_records_corrupt 0", "cupola_store_wal_records_unreadable 0"] {
        assert!(metrics.lines().any(|line| line == metric), "{metrics}");
    }
    assert!(kept.len() as u64 > wanted * 10, "only {} rows were acknowledged: the test proves little", kept.len());
    assert!(kills.within_flush + kills.before_commit + kills.after_commit >= wanted / 10, "{kills:?} show too little");
    eprintln!("{kills:?}, {} rows acknowledged, {} found", kept.len(), found.len());
}

/// Flushes and compacts until there is nothing left to do, or until the server is gone.
async fn settle(http: String) {
    let request = reqwest::Client::new().post(format!("{http}/api/store/settle")).header("x-requested-by", "crash test");
    let _ = request.send().await;
}

/// Returns a while after a part was seen that is being written, or when none is for two seconds.
async fn wait_for_a_part(folder: PathBuf, then: Duration) {
    let seen = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2) {
            if files(&folder.join("parts")).iter().any(|path| is(path, "tmp")) {
                return;
            }
            std::thread::yield_now();
        }
    });
    seen.await.unwrap();
    tokio::time::sleep(then).await;
}

/// Tells by the files and the catalog where the kill fell.
async fn look(folder: &Path, kills: &mut Kills) {
    kills.all += 1;
    let parts = folder.join("parts");
    let found = files(&parts);
    let metastore = Metastore::open(folder).await.unwrap();
    let named: HashSet<PathBuf> = metastore.part_paths().await.unwrap().iter().map(|path| parts.join(path)).collect();
    let ended = metastore.part_totals().await.unwrap().parts < named.len() as u64;
    let position = metastore.position("local").await.unwrap().wal_position;
    metastore.close().await;
    kills.within_flush += u64::from(found.iter().any(|path| is(path, "tmp")));
    kills.before_commit += u64::from(found.iter().any(|path| is(path, "parquet") && !named.contains(path)));
    let log = files(&folder.join("wal"));
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
    kills.after_commit += u64::from(log.iter().filter_map(number).any(|number| number <= position));
    kills.within_preparing += u64::from(log.iter().any(|path| is(path, "tmp")));
    kills.after_compaction += u64::from(ended);
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// Every file below a folder that is there when it is looked at.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}

/// A number below `end`, from a seed that moves on.
fn below(seed: &mut u64, end: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % end
}

#[allow(clippy::disallowed_methods, reason = "how long a test runs is no setting of the program")]
fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn send_until_it_fails(http: String, next: Arc<AtomicU64>, acknowledged: Arc<Acknowledged>) {
    const ROWS: u64 = 20;
    let client = reqwest::Client::new();
    loop {
        let first = next.fetch_add(ROWS, Ordering::Relaxed);
        let events: Vec<_> = (first..first + ROWS)
            .map(|number| serde_json::json!({ "data": { "number": number, "padding": "x".repeat(200) } }))
            .collect();
        let sent = client.post(format!("{http}/1/batch/crash")).header("x-honeycomb-team", "key").json(&events).send().await;
        match sent {
            Ok(answer) if answer.status().is_success() => acknowledged.lock().extend(first..first + ROWS),
            Ok(answer) => {
                assert_eq!(answer.status(), 429, "neither kept nor asked to wait");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(_) => return,
        }
    }
}
