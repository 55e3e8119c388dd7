//! Settling: what is in memory becomes parts, and only those on the machine who ask on purpose may have it done.

use serde_json::{Value, json};

use crate::harness::Server;

async fn settle(server: &Server, with_header: bool) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}/api/store/settle", server.http));
    let request = if with_header { request.header("x-requested-by", "test") } else { request };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_settled_store_has_nothing_left_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--flush-seconds", "3600"]);
    let line =
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1", "body": {"stringValue": "one"}}]}]}]});
    let sent = reqwest::Client::new().post(format!("{}/v1/logs", server.otlp_http)).json(&line).send().await.unwrap();
    assert!(sent.status().is_success());
    let before = server.get("/api/store").await;
    assert_eq!((&before["memory_rows"], &before["parts"]), (&json!(1), &json!(0)), "{before}");

    let (status, refused) = settle(&server, false).await;
    assert_eq!((status, &refused["error"]["code"]), (403, &json!("forbidden")));
    let (status, after) = settle(&server, true).await;
    assert_eq!(status, 200, "{after}");
    assert_eq!((&after["memory_rows"], &after["parts"], &after["part_rows"]), (&json!(0), &json!(1), &json!(1)), "{after}");
    assert_eq!(server.get("/api/store").await, after);
    assert_eq!(server.sql("select body from logs").await, [[json!("one")]]);
}
