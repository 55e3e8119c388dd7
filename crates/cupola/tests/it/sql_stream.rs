//! `POST /api/sql` with `"stream": true`, as a client meets it; and what becomes of a query when its client goes away.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::Server;

async fn asked(server: &Server, query: &str, accept: &str) -> reqwest::Response {
    let body = json!({ "query": query, "stream": true });
    let request = reqwest::Client::new().post(format!("{}/api/sql", server.http)).header("accept", accept).json(&body);
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_streamed_answer_is_lines_or_events() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let query = "SELECT unnest(range(0, 20000)) AS number";
    let answer = asked(&server, query, "application/x-ndjson").await;
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let text = answer.text().await.unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0], json!({ "columns": [{ "name": "number", "type": "int64" }] }));
    let rows: usize = events.iter().filter_map(|event| event["rows"].as_array()).map(Vec::len).sum();
    assert_eq!(rows, 20_000);
    // Progress is told of what takes a while; where it is, it has its share.
    assert!(
        events.iter().filter(|event| !event["progress"].is_null()).all(|event| event["progress"]["share"].is_number()),
        "{text}"
    );
    assert!(events.last().unwrap()["end"]["elapsed_ms"].is_number());

    let answer = asked(&server, query, "text/event-stream").await;
    let text = answer.text().await.unwrap();
    assert!(text.starts_with("event: columns\ndata: {\"columns\":"), "{}", &text[..60]);
    assert!(text.contains("\nevent: end\ndata: {\"end\":"));

    let refused = asked(&server, "SELECT no_such FROM spans", "application/x-ndjson").await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn a_query_ends_when_its_client_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let numbers = "(SELECT unnest(range(0, 30000)) AS n)";
    let long = format!("SELECT count(*) FROM {numbers} a, {numbers} b, {numbers} c WHERE a.n + b.n + c.n = -1");
    let running = async || {
        let metrics = reqwest::get(format!("{}/metrics", server.http)).await.unwrap().text().await.unwrap();
        let line = metrics.lines().find(|line| line.starts_with("cupola_queries_running ")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let reaches = async |wanted: usize| {
        for _ in 0..400 {
            if running().await == wanted {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        false
    };
    let mut streamed = asked(&server, &long, "application/x-ndjson").await;
    streamed.chunk().await.unwrap().unwrap();
    let plain = tokio::spawn({
        let request = reqwest::Client::new().post(format!("{}/api/sql", server.http)).json(&json!({ "query": long }));
        async move { request.send().await.map(drop) }
    });
    assert!(reaches(2).await);
    drop(streamed);
    assert!(reaches(1).await);
    plain.abort();
    assert!(reaches(0).await);
}
