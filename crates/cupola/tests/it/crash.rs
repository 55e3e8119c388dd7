//! `kill -9` at any moment loses nothing that was acknowledged, and doubles nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::harness::Server;

const KILLS: u64 = 50;
const SENDERS: u64 = 4;

/// Below the most rows that one answer holds.
const NUMBERS_PER_QUERY: usize = 50_000;

/// Numbers whose request was answered with success.
type Acknowledged = Mutex<Vec<u64>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_lose_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let acknowledged = Arc::new(Acknowledged::default());
    let next = Arc::new(AtomicU64::new(0));
    for kill in 0..KILLS {
        let server = Server::start_with(folder.path(), &["--flush-seconds", "1", "--flush-megabytes", "1"]);
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| tokio::spawn(send_until_it_fails(server.http.clone(), Arc::clone(&next), Arc::clone(&acknowledged))))
            .collect();
        // Spread over the first second and a half, so that kills fall into replay, appends and flushes alike.
        tokio::time::sleep(Duration::from_millis(5 + kill * 7919 % 1_400)).await;
        server.kill();
        for sender in senders {
            sender.await.unwrap();
        }
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
    assert!(kept.len() as u64 > KILLS * 10, "only {} rows were acknowledged: the test proves little", kept.len());
    eprintln!("{KILLS} kills, {} rows acknowledged, {} found", kept.len(), found.len());
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
            Ok(answer) => assert_eq!(answer.status(), 429, "neither kept nor asked to wait"),
            Err(_) => return,
        }
    }
}
