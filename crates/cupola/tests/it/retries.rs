//! What a client sends again because it heard no answer is kept once: at once, side by side, after a restart, after a kill.

use std::path::Path;

use serde_json::{Value, json};

use crate::grpc;
use crate::harness::Server;

struct Batch {
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: String,
    /// Counts what is kept of it.
    count: &'static str,
    rows: u64,
}

fn batches(number: u32) -> Vec<Batch> {
    const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
    let batch = |path, body: Value, count, rows| Batch { path, headers: JSON, body: body.to_string(), count, rows };
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let time = now.to_string();
    let trace = format!("{number:032x}");
    let spans: Vec<Value> = (1..=3)
        .map(|span| {
            json!({"traceId": trace, "spanId": format!("{span:016x}"), "name": "buy",
                   "startTimeUnixNano": time, "endTimeUnixNano": time})
        })
        .collect();
    let logs: Vec<Value> =
        (1..=3).map(|line| json!({"timeUnixNano": time, "body": {"stringValue": format!("line {line}")}})).collect();
    let points = json!([{"asInt": number.to_string(), "timeUnixNano": time}]);
    let seconds = now as f64 / 1e9;
    let document = json!({"trace_id": format!("1-{}-{}", &trace[..8], &trace[8..]), "id": format!("{:016x}", number + 0x10000), "name": "shop",
                          "start_time": seconds, "end_time": seconds + 0.5});
    let item = json!({"access_token": "0123456789abcdef0123456789abcdef", "data": {"environment": "test",
        "uuid": format!("{number:032x}"), "body": {"message": {"body": "hello"}}}});
    let spans = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
    let logs = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": logs}]}]});
    let metrics = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [
        {"name": "orders", "gauge": {"dataPoints": points}}]}]}]});
    vec![
        batch("/v1/traces", spans, "SELECT count(*) FROM spans WHERE receiver = 'otlp'", 3),
        batch("/v1/logs", logs, "SELECT count(*) FROM logs WHERE receiver = 'otlp'", 3),
        batch("/v1/metrics", metrics, "SELECT count(*) FROM metrics", 1),
        batch(
            "/TraceSegments",
            json!({"TraceSegmentDocuments": [document.to_string()]}),
            "SELECT count(*) FROM spans WHERE receiver = 'xray'",
            1,
        ),
        batch("/api/1/item/", item, "SELECT count(*) FROM logs WHERE receiver = 'rollbar'", 1),
    ]
}

async fn send(server: &Server, batch: &Batch) -> String {
    let mut request = reqwest::Client::new().post(format!("{}{}", server.http, batch.path)).body(batch.body.clone());
    for (name, value) in batch.headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", batch.path);
    answer.text().await.unwrap()
}

async fn check(server: &Server, batches: &[Batch], times: u64) {
    for batch in batches {
        assert_eq!(server.sql(batch.count).await, [[batch.rows * times]], "{}", batch.path);
    }
}

/// A folder is served, and each batch sent once more.
async fn again(folder: &Path, sent: &[Batch], arguments: &[&str]) -> Server {
    let server = Server::start_with(folder, arguments);
    for batch in sent {
        send(&server, batch).await;
    }
    server
}

#[tokio::test]
async fn what_is_sent_again_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let first = batches(1);
    for batch in &first {
        let told = send(&server, batch).await;
        assert_eq!(send(&server, batch).await, told, "{}: the second is told what the first was", batch.path);
    }
    check(&server, &first, 1).await;

    // Side by side, as from a client that lost patience.
    let second = batches(2);
    for batch in &second {
        futures::future::join_all((0..8).map(|_| send(&server, batch))).await;
    }
    check(&server, &second, 2).await;

    // After an orderly end: the rows are in parts, the log is empty.
    assert!(server.terminate().success());
    let server = again(folder.path(), &second, &[]).await;
    check(&server, &second, 2).await;

    // After a kill: the log tells what was kept.
    let third = batches(3);
    for batch in &third {
        send(&server, batch).await;
    }
    server.kill();
    let server = again(folder.path(), &third, &["--flush-seconds", "1"]).await;
    check(&server, &third, 3).await;

    // After a kill when the rows were in parts already.
    let fourth = batches(4);
    for batch in &fourth {
        send(&server, batch).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    server.kill();
    let server = again(folder.path(), &[first, second, third, fourth].into_iter().flatten().collect::<Vec<_>>(), &[]).await;
    check(&server, &batches(4), 4).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_and_comes_back_is_not_counted_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let batch = &batches(1)[1];
    for wait_us in (0..6_000).step_by(300) {
        let sending = tokio::time::timeout(std::time::Duration::from_micros(wait_us), send(&server, batch));
        let _ = sending.await;
    }
    send(&server, batch).await;
    assert_eq!(server.sql(batch.count).await, [[batch.rows]]);
}

#[tokio::test]
async fn http_and_grpc_are_one_protocol() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let body = grpc::one_log_record("sent twice");
    let sent = reqwest::Client::new()
        .post(format!("{}/v1/logs", server.otlp_http))
        .header("content-type", "application/x-protobuf")
        .body(body.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    for _ in 0..2 {
        let answer = grpc::export_logs(&server, body.clone()).await.unwrap();
        assert!(answer.is_empty(), "nothing was refused");
    }
    assert_eq!(server.sql("SELECT count(*), max(body) FROM logs").await, [[json!(1), json!("sent twice")]]);
    assert_eq!(grpc::export_logs(&server, b"\xff".to_vec()).await.unwrap_err().code(), tonic::Code::InvalidArgument);
}
