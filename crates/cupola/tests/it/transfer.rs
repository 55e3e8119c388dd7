//! `cupola export` and `cupola import`: out of one server's folder and into another's, told apart by nothing.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::json;

use crate::harness::Server;

fn cupola(arguments: &[&str], folders: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cupola"));
    command.args(arguments);
    for (flag, folder) in folders {
        command.arg(flag).arg(folder);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const ALL: &str =
    "SELECT trace_id, span_id, parent_span_id, time, name, duration_ns, mixed, user.id, resource FROM spans ORDER BY span_id";

#[tokio::test]
async fn a_folder_goes_out_and_comes_back_as_it_was() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let server = Server::start(&path("from"));
    for (first, value) in [(1, json!({"intValue": "7"})), (2, json!({"stringValue": "seven"})), (3, json!({"boolValue": true}))] {
        let span = json!({
            "traceId": format!("{first:032x}"), "spanId": format!("{first:016x}"), "parentSpanId": "00000000000000ff", "name": "GET /",
            "startTimeUnixNano": "1767323045678901234", "endTimeUnixNano": "1767323045778901235",
            "attributes": [{"key": "mixed", "value": value}, {"key": "user.id", "value": {"stringValue": "é"}}],
        });
        let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]});
        let sent = reqwest::Client::new().post(format!("{}/v1/traces", server.otlp_http)).json(&body).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
    let before = server.sql(ALL).await;
    assert_eq!(before.len(), 3);

    let refused = cupola(&["export"], &[("--data-dir", &path("from")), ("--to", &path("out"))]);
    assert!(!refused.status.success() && said(&refused).contains("in use by another process"), "{}", said(&refused));
    assert!(server.terminate().success());
    let exported = cupola(&["export"], &[("--data-dir", &path("from")), ("--to", &path("out"))]);
    assert!(exported.status.success() && said(&exported).contains("exported 3 rows"), "{}", said(&exported));
    let imported = cupola(&["import"], &[("--data-dir", &path("to")), ("--from", &path("out"))]);
    assert!(imported.status.success() && said(&imported).contains("imported 3 rows"), "{}", said(&imported));
    let again = cupola(&["import"], &[("--data-dir", &path("to")), ("--from", &path("out"))]);
    assert!(
        again.status.success() && said(&again).contains("imported 0 rows into \"default\", 3 were there"),
        "{}",
        said(&again)
    );

    let server = Server::start(&path("to"));
    assert_eq!(server.sql(ALL).await, before);
    assert!(server.terminate().success());

    for (arguments, expected) in [
        (&["export", "--start", "yesterday"][..], "cannot read time \"yesterday\""),
        (&["export", "--signal", "spam"], "expected spans, logs or metrics"),
        (&["import", "--from", "nowhere.parquet"], "cannot read folder nowhere.parquet"),
    ] {
        let other = path("other");
        let to = ("--to", other.as_path());
        let to = if arguments[0] == "export" { vec![to] } else { Vec::new() };
        let refused = cupola(arguments, &[&[("--data-dir", path("to").as_path())], to.as_slice()].concat());
        assert!(!refused.status.success() && said(&refused).contains(expected), "{}", said(&refused));
    }
}

#[tokio::test]
async fn errors_that_were_imported_are_items() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let server = Server::start(&path("from"));
    let item = json!({"data": {"environment": "test", "body": {"message": {"body": "no stock"}}}});
    let sent = reqwest::Client::new().post(format!("{}/api/1/item/", server.http)).header("X-Rollbar-Access-Token", "t");
    assert_eq!(sent.json(&item).send().await.unwrap().status(), 200);
    assert!(server.terminate().success());
    assert!(cupola(&["export"], &[("--data-dir", &path("from")), ("--to", &path("out"))]).status.success());
    assert!(Server::start(&path("to")).terminate().success());
    assert!(cupola(&["import"], &[("--data-dir", &path("to")), ("--from", &path("out"))]).status.success());

    // The second start finds it counted.
    for _ in 0..2 {
        let server = Server::start(&path("to"));
        let mut errors = errors_of(&server).await;
        while errors.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            errors = errors_of(&server).await;
        }
        assert_eq!((errors.len(), errors[0]["item"]["occurrences"].as_f64()), (1, Some(1.0)), "{errors:?}");
        assert!(server.terminate().success());
    }
}

async fn errors_of(server: &Server) -> Vec<serde_json::Value> {
    let answer = reqwest::get(format!("{}/api/errors?status=active", server.http)).await.unwrap();
    let told: serde_json::Value = answer.json().await.unwrap();
    told["errors"].as_array().unwrap().clone()
}
