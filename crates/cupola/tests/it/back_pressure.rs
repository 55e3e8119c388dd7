//! More than there is room for: clients are told to come back, in their own words, and nothing else; memory does not grow;
//! what was acknowledged is there, once.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::json;

use crate::grpc;
use crate::harness::Server;

const SENDERS: u64 = 12;
const BATCHES_PER_SENDER: u64 = 5;
/// Makes a batch some 400 KB, several times what there is room for.
const ROWS_PER_BATCH: u64 = 200;

#[derive(Default)]
struct Told {
    kept: Mutex<HashSet<u64>>,
    later: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_hears_later_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--memory-megabytes", "2", "--flush-megabytes", "1"]);
    aws(&server, "CreateLogGroup", json!({"logGroupName": "g"})).await;
    aws(&server, "CreateLogStream", json!({"logGroupName": "g", "logStreamName": "s"})).await;
    let before = server.resident_megabytes();
    let told = Arc::<Told>::default();
    let http = Arc::new(server.http.clone());
    let senders: Vec<_> = (0..SENDERS).map(|sender| tokio::spawn(send(Arc::clone(&http), sender, Arc::clone(&told)))).collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let grown = server.resident_megabytes() - before;
    let later = told.later.load(Ordering::Relaxed);
    assert!(later > 10, "only {later} were told to come back: the test proves little");
    // An unoptimised server, its allocator and the parts being written, beside the two megabytes.
    assert!(grown < 150, "memory grew by {grown} MB");
    let kept = told.kept.lock().len() as u64;
    assert_eq!(kept, SENDERS * BATCHES_PER_SENDER, "every sender got its batches through in the end");
    let found = server.sql("SELECT count(*), count(DISTINCT body) FROM logs WHERE body LIKE 'row %'").await;
    assert_eq!(found, [[kept * ROWS_PER_BATCH, kept * ROWS_PER_BATCH]]);
    eprintln!("{kept} batches kept, {later} times told to come back, {grown} MB");
}

/// Sends batches until each was kept, by way of one protocol after the other.
async fn send(http: Arc<String>, sender: u64, told: Arc<Told>) {
    let client = reqwest::Client::new();
    for batch in 0..BATCHES_PER_SENDER {
        let number = sender * BATCHES_PER_SENDER + batch;
        let lines: Vec<String> =
            (0..ROWS_PER_BATCH).map(|row| format!("row {} {}", number * ROWS_PER_BATCH + row, "x".repeat(1_900))).collect();
        loop {
            let answer = request(&client, &http, number, &lines).send().await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            let text = answer.text().await.unwrap();
            if status.is_success() {
                assert!(told.kept.lock().insert(number));
                break;
            }
            told.later.fetch_add(1, Ordering::Relaxed);
            match number % 3 {
                0 => assert!(status == 429 && headers.contains_key("retry-after"), "OTLP: {status} {text}"),
                1 => assert!(status == 429 && text.contains("rate limiting"), "Honeycomb: {status} {text}"),
                _ => assert!(status == 400 && text.contains("ThrottlingException"), "CloudWatch: {status} {text}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn request(client: &reqwest::Client, http: &str, number: u64, lines: &[String]) -> reqwest::RequestBuilder {
    match number % 3 {
        0 => {
            let records: Vec<_> = lines.iter().map(|line| json!({"body": {"stringValue": line}})).collect();
            client.post(format!("{http}/v1/logs")).json(&json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}))
        }
        1 => {
            let events: Vec<_> = lines.iter().map(|line| json!({"data": {"body": line}})).collect();
            client.post(format!("{http}/1/batch/flood")).header("x-honeycomb-team", "key").json(&events)
        }
        _ => {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
            let events: Vec<_> = lines.iter().map(|line| json!({"timestamp": now, "message": line})).collect();
            let call = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
            client.post(http).header("x-amz-target", "Logs_20140328.PutLogEvents").body(call.to_string())
        }
    }
}

async fn aws(server: &Server, operation: &str, body: serde_json::Value) {
    let call = reqwest::Client::new().post(&server.http).header("x-amz-target", format!("Logs_20140328.{operation}"));
    assert_eq!(call.body(body.to_string()).send().await.unwrap().status(), 200, "{operation}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_and_rollbar_hear_it_in_their_words() {
    let folder = tempfile::tempdir().unwrap();
    // No room for rows at all: only one request at a time is let in.
    let server = Server::start_with(folder.path(), &["--memory-megabytes", "0", "--flush-megabytes", "0"]);
    let long = "x".repeat(100);
    let mut later = (0, 0);
    while later.0 == 0 || later.1 == 0 {
        let exports =
            futures::future::join_all((0..16).map(|n| grpc::export_logs(&server, grpc::one_log_record(&format!("{n} {long}")))));
        let client = reqwest::Client::new();
        let items = futures::future::join_all((0..16).map(|_| {
            let item = json!({"access_token": "token", "data": {"body": {"message": {"body": long}}}});
            client.post(format!("{}/api/1/item/", server.http)).json(&item).send()
        }));
        let (exports, items) = tokio::join!(exports, items);
        for status in exports.into_iter().filter_map(Result::err) {
            assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
            assert!(status.details().windows(9).any(|window| window == b"RetryInfo"), "{status:?}");
            later.0 += 1;
        }
        for item in items.into_iter().map(Result::unwrap).filter(|item| item.status() != 200) {
            assert_eq!(item.status(), 429);
            assert_eq!(item.headers()["x-rate-limit-remaining"], "0");
            later.1 += 1;
        }
    }
}
