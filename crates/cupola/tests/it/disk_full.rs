//! A disk that is full, or may only be read: the server stays up, refuses in each protocol's words, says so when it is asked
//! whether it is ready, and goes on by itself when there is room again.
//!
//! The disk is a small tmpfs in a mount namespace of its own. Where the machine does not allow one, the test says so and
//! passes; the store's simulation has the same faults.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::harness::Server;

const DISK_MEGABYTES: u64 = 24;

/// A small disk, there until dropped.
struct SmallDisk {
    holder: Child,
    /// Ends the holder when it is closed.
    _stdin: ChildStdin,
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn new() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let script =
            format!("mount -t tmpfs -o size={DISK_MEGABYTES}m tmpfs {} && echo mounted && exec cat", folder.path().display());
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        let stdin = holder.stdin.take()?;
        let disk = SmallDisk { holder, _stdin: stdin, folder };
        let is_reachable =
            line == "mounted\n" && disk.outside().is_dir() && disk.inside("true").status().is_ok_and(|status| status.success());
        is_reachable.then_some(disk)
    }

    /// A command that sees the disk.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string(), "--user", "--mount", "--preserve-credentials", program]);
        command
    }

    /// Where the disk is for those who are not inside.
    fn outside(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), self.folder.path().display()))
    }

    fn start(&self) -> Server {
        let arguments = ["--flush-seconds", "1", "--flush-megabytes", "1"];
        Server::start_by(self.inside(env!("CARGO_BIN_EXE_cupola")), &self.data(), &arguments)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Takes all the room there is; told again, what has become free since.
    fn fill(&self) {
        let path = self.outside().join("filler");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        for piece in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![0; piece]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.outside().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

struct Sender {
    client: reqwest::Client,
    http: String,
    next: u64,
}

impl Sender {
    /// Sends twenty rows; returns the status.
    async fn send(&mut self, kept: &mut Vec<u64>) -> u16 {
        const ROWS: u64 = 20;
        let rows = self.next..self.next + ROWS;
        self.next += ROWS;
        let events: Vec<_> =
            rows.clone().map(|number| json!({ "data": { "number": number, "padding": "x".repeat(2_000) } })).collect();
        let sent = self.client.post(format!("{}/1/batch/full", self.http)).header("x-honeycomb-team", "key").json(&events);
        let answer = sent.send().await.unwrap();
        let status = answer.status().as_u16();
        if status == 200 {
            kept.extend(rows);
        }
        status
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.client.get(format!("{}{path}", self.http)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn post(&self, path: &str, body: serde_json::Value) -> (u16, String) {
        let answer = self.client.post(format!("{}{path}", self.http)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

async fn numbers(server: &Server) -> Vec<u64> {
    let rows = server.sql("SELECT number FROM logs WHERE number IS NOT NULL ORDER BY number").await;
    rows.iter().map(|row| row[0].as_u64().unwrap()).collect()
}

/// Asks until the answer is as wanted; that it comes at all is what is tested.
async fn until(sender: &Sender, path: &str, wanted: impl Fn(u16, &str) -> bool) -> String {
    for _ in 0..600 {
        let (status, body) = sender.get(path).await;
        if wanted(status, &body) {
            return body;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path} never answered as it should");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("no mount namespace here: not tested");
        return;
    };
    let server = disk.start();
    let mut sender = Sender { client: reqwest::Client::new(), http: server.http.clone(), next: 0 };
    let mut kept = Vec::new();
    for _ in 0..20 {
        assert_eq!(sender.send(&mut kept).await, 200);
    }
    for _ in 0..3 {
        disk.fill();
        // What the log's file has room for is still taken. A part that is done gives room of the log back.
        let mut refused = 0;
        for _ in 0..400 {
            match sender.send(&mut kept).await {
                200 => disk.fill(),
                503 => refused += 1,
                other => panic!("answered {other}"),
            }
            if refused > 3 {
                break;
            }
        }
        assert!(refused > 3, "the disk never was full");
        let (status, why) = sender.get("/health/ready").await;
        assert_eq!((status, why.contains("No space left")), (503, true), "{why}");
        assert_eq!(sender.get("/health/live").await.0, 200);
        refused_in_every_dialect(&sender, &disk).await;
        assert_eq!(numbers(&server).await, kept, "what was kept can be read, and nothing else");
        disk.empty();
        until(&sender, "/health/ready", |status, _| status == 200).await;
        assert_eq!(sender.send(&mut kept).await, 200);
        // Rows become parts again.
        until(&sender, "/health/ready", |status, body| status == 200 && body == "ok").await;
        assert_eq!(numbers(&server).await, kept);
    }
    server.kill();
    let server = disk.start();
    // A refused request whose bytes could not be taken back before the kill may be there, as a whole and once.
    let found = numbers(&server).await;
    assert!(found.is_sorted_by(|a, b| a < b), "rows more than once");
    assert!(kept.iter().all(|number| found.binary_search(number).is_ok()), "acknowledged rows are lost");
    assert!(server.terminate().success());
}

/// A part that could not be written gives its room back, so a request may find some; then the disk is filled again.
async fn refused(sender: &Sender, disk: &SmallDisk, path: &str, body: serde_json::Value) -> String {
    for _ in 0..100 {
        disk.fill();
        match sender.post(path, body.clone()).await {
            (503, told) => return told,
            (status, told) => assert_eq!(status, 200, "{told}"),
        }
    }
    panic!("{path} was never refused");
}

async fn refused_in_every_dialect(sender: &Sender, disk: &SmallDisk) {
    // More than the rest of a page, which a full disk still gives.
    let padding = "x".repeat(9_000);
    let span = json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "refused",
        "startTimeUnixNano": "1", "endTimeUnixNano": "2", "attributes": [{ "key": "padding", "value": { "stringValue": padding } }],
    });
    let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    refused(sender, disk, "/v1/traces", spans).await;
    let item = json!({ "access_token": "token", "data": { "environment": "test", "body": { "message": { "body": padding } } } });
    let told = refused(sender, disk, "/api/1/item/", item).await;
    assert!(told.contains("\"err\":1"), "{told}");
    let segment = json!({
        "name": "refused", "id": "70de5b6f19ff9a0a", "trace_id": "1-581cf771-a006649127e371903a2de979",
        "start_time": 1.0, "end_time": 2.0, "metadata": { "default": { "padding": padding } },
    });
    let told = refused(sender, disk, "/TraceSegments", json!({ "TraceSegmentDocuments": [segment.to_string()] })).await;
    assert!(told.contains("ServiceUnavailable"), "{told}");
}

#[test]
fn a_folder_that_may_only_be_read_is_refused_at_start() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("no mount namespace here: not tested");
        return;
    };
    std::fs::create_dir(disk.outside().join("data")).unwrap();
    let remounted = disk.inside("mount").args(["-o", "remount,ro"]).arg(disk.folder.path()).status().unwrap();
    assert!(remounted.success());
    let output = disk
        .inside(env!("CARGO_BIN_EXE_cupola"))
        .args(["serve", "--http-listen", "127.0.0.1:0", "--otlp-grpc-listen", "127.0.0.1:0"])
        .args(["--otlp-http-listen", "127.0.0.1:0", "--xray-listen", "127.0.0.1:0", "--data-dir"])
        .arg(disk.data())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("Read-only"), "{told}");
}
