//! An orderly end: SIGTERM flushes and exits with success; a second process on one folder is refused.

use std::process::Command;

use crate::harness::Server;

#[tokio::test]
async fn rows_are_still_there_after_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let event = r#"[{"time": "2026-11-21T04:00:00Z", "data": {"name": "kept", "service.name": "shop"}}]"#;
    let sent = reqwest::Client::new()
        .post(format!("{}/1/batch/shop", server.http))
        .header("x-honeycomb-team", "key")
        .header("content-type", "application/json")
        .body(event)
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 200);
    assert!(server.terminate().success());

    let server = Server::start(folder.path());
    assert_eq!(server.sql("SELECT count(*) FROM logs").await, [[1]]);
    let second = Command::new(env!("CARGO_BIN_EXE_cupola"))
        .args(["serve", "--http-listen", "127.0.0.1:0", "--otlp-grpc-listen", "127.0.0.1:0"])
        .args(["--otlp-http-listen", "127.0.0.1:0", "--xray-listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("in use by another process"), "{told}");
    assert!(server.terminate().success());
}
