//! What X-Ray's SDKs sent once, as a map: services, what they called, and how it ended.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use expect_test::expect;
use serde_json::{Value, json};

use crate::harness::Server;

/// Every segment document of the fixtures, each once.
fn documents() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/wire/xray");
    let mut folders: Vec<_> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let datagrams = folders.iter().filter_map(|folder| fs::read_to_string(folder.join("request.udp")).ok());
    datagrams.map(|datagram| Value::from(datagram.split_once('\n').unwrap().1)).collect()
}

#[tokio::test]
async fn captured_segments_make_the_map_of_their_apps() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let client = reqwest::Client::new();
    let sent = client.post(format!("{}/TraceSegments", server.http)).json(&json!({ "TraceSegmentDocuments": documents() }));
    let answer: Value = sent.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["UnprocessedTraceSegments"], json!([]));

    let map = server.get("/api/map?start=2020-01-01T00:00:00Z&end=2035-01-01T00:00:00Z").await;
    let name = |id: &Value| {
        let node = map["nodes"].as_array().unwrap().iter().find(|node| node["id"] == *id).unwrap();
        format!("{} ({})", node["name"].as_str().unwrap(), node["type"].as_str().unwrap_or_default())
    };
    let mut edges: Vec<String> = Vec::new();
    for edge in map["edges"].as_array().unwrap() {
        let mut line = format!("{} -> {}: {}", name(&edge["from"]), name(&edge["to"]), edge["total"]);
        for outcome in ["error", "throttle", "fault"] {
            if edge[outcome].as_f64().unwrap() > 0.0 {
                write!(line, ", {outcome} {}", edge[outcome]).unwrap();
            }
        }
        edges.push(line);
    }
    edges.sort();
    expect![[r#"
        backend-flask () -> logs (AWS::logs): 1
        backend-flask (client) -> backend-flask (): 7, fault 3
        batch-job (client) -> batch-job (): 1
        hello-express (client) -> hello-express (): 3, error 1, fault 1
        home.activities-segment (client) -> home.activities-segment (): 1
        shop () -> payments.example (remote): 1, error 1, throttle 1
        shop (client) -> shop (): 1, fault 1
        slow (client) -> slow (): 1"#]]
    .assert_eq(&edges.join("\n"));
}
