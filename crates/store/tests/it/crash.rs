//! A writer process is killed again and again: nothing it acknowledged may be missing, nothing may be there twice.
//!
//! The test binary runs itself as the writer. It appends numbered rows from several tasks, flushing often, and prints each
//! number once its append has returned, while parts are put together; the parent kills it at random moments, and reads the
//! folder after the last. `CUPOLA_CRASH_KILLS` says how often.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use metastore::Metastore;
use store::{Store, StoreOptions};

use crate::numbered::{append, logs, numbers, open, options};

const FOLDER: &str = "STORE_CRASH_TEST_FOLDER";
const FIRST: &str = "STORE_CRASH_TEST_FIRST";
const KILLS: usize = 60;
/// Numbers one writer process may use.
const NUMBERS_PER_WRITER: i64 = 1_000_000;
const WRITER_TASKS: usize = 4;
/// A writer that says nothing for so long has failed.
const FIRST_WORD_MAX: Duration = Duration::from_secs(60);

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
    tasks.spawn(put_parts_together(store));
    tasks.join_all().await;
}

/// Says when it begins and ends, so that the parent knows what a kill fell into.
async fn put_parts_together(store: Store) {
    loop {
        say("compaction begins");
        store.compact_now(None).await.unwrap();
        say("compaction ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One write per line, so that a line is whole or not there.
fn say(what: &str) {
    std::io::stdout().write_all(format!("{what}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

async fn write(store: Store, next: Arc<AtomicI64>) {
    loop {
        let number = next.fetch_add(3, Ordering::Relaxed);
        let count = 1 + number % 3;
        append(&store, number, count).await.unwrap();
        say(&format!("ack {number} {count}"));
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

/// What was heard of a writer.
#[derive(Default)]
struct Heard {
    acknowledged: Vec<i64>,
    is_compacting: bool,
}

/// Kills the writer a while after it began, or after its first word, and returns what it said.
#[allow(clippy::disallowed_methods, reason = "the moment is meant to be random, not tied to an event")]
fn heard_until_killed(mut writer: Child, alive: Duration, is_to_speak: bool) -> Heard {
    let output = BufReader::new(writer.stdout.take().unwrap());
    let (speaks, spoken) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut heard = Heard::default();
        for line in output.split(b'\n') {
            let line = String::from_utf8(line.unwrap()).unwrap();
            match line.as_str() {
                "compaction begins" => heard.is_compacting = true,
                "compaction ended" => heard.is_compacting = false,
                _ => {}
            }
            // The test harness prints its own words before the first.
            let Some(at) = line.find("ack ") else { continue };
            let mut words = line[at + 4..].split(' ').map(|word| word.parse::<i64>().unwrap());
            let (number, count) = (words.next().unwrap(), words.next().unwrap());
            heard.acknowledged.extend(number..number + count);
            let _ = speaks.send(());
        }
        heard
    });
    if is_to_speak {
        spoken.recv_timeout(FIRST_WORD_MAX).unwrap();
    }
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

/// What the writers were at when they were killed, by what they said and left.
#[derive(Debug, Default)]
struct Kills {
    all: usize,
    writers_heard: usize,
    /// A part was being written, of rows in memory or of parts.
    within_writing: usize,
    /// Parts were whole and the catalog had not heard of them.
    before_commit: usize,
    /// The catalog had, and the log still held their rows.
    after_commit: usize,
    within_compaction: usize,
    /// Parts had been replaced, and were there still.
    after_replacing: usize,
}

impl Kills {
    async fn look(&mut self, folder: &Path, heard: &Heard) {
        self.all += 1;
        self.writers_heard += usize::from(!heard.acknowledged.is_empty());
        self.within_compaction += usize::from(heard.is_compacting);
        let parts = folder.join("parts");
        let found = files(&parts);
        let metastore = Metastore::open(folder).await.unwrap();
        let named: HashSet<PathBuf> = metastore.part_paths().await.unwrap().iter().map(|path| parts.join(path)).collect();
        let visible = metastore.part_totals().await.unwrap().parts;
        let position = metastore.position("local").await.unwrap().wal_position;
        metastore.close().await;
        let is = |path: &Path, wanted: &str| path.extension().is_some_and(|extension| extension == wanted);
        self.within_writing += usize::from(found.iter().any(|path| is(path, "tmp")));
        self.before_commit += usize::from(found.iter().any(|path| is(path, "parquet") && !named.contains(path)));
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let log = files(&folder.join("wal"));
        self.after_commit += usize::from(log.iter().filter_map(number).any(|number| number <= position));
        self.after_replacing += usize::from(visible < named.len() as u64);
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[allow(clippy::disallowed_methods, reason = "how long a test runs is no setting of the program")]
fn number_from_environment(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn killed_writers_lose_nothing_they_acknowledged() {
    let wanted = number_from_environment("CUPOLA_CRASH_KILLS").unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut seed = std::process::id().into();
    let mut acknowledged: Vec<i64> = Vec::new();
    let mut kills = Kills::default();
    for kill in 0..wanted {
        let writer = start(folder.path(), kill as i64 * NUMBERS_PER_WRITER);
        let alive = Duration::from_millis(random(&mut seed, 20, 300));
        // On a busy machine some are killed before they can write: those that must speak are enough to show something.
        let heard = heard_until_killed(writer, alive, kill % 2 == 0);
        runtime.block_on(kills.look(folder.path(), &heard));
        acknowledged.extend(heard.acknowledged);
    }
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
    assert!(kills.writers_heard > wanted / 4 && kills.within_writing + kills.before_commit > 0, "{kills:?}");
    assert!(kills.within_compaction > 0 && stats.parts > 0, "{kills:?} {stats:?}");
    eprintln!("{kills:?}; {} rows acknowledged, {} found, {} parts", acknowledged.len(), found.len(), stats.parts);
}
