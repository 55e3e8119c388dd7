//! How soon what was acknowledged is seen, by each kind of query: from the answer to the sender until the answer that shows it.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use fastrand::Rng;
use serde_json::json;

use super::{Plan, median};
use crate::clock::now_unix_nano;
use crate::http::Connection;
use crate::otlp;
use crate::server::{JSON, Server};
use crate::world::{SpanDraft, World, hex};

/// How long something may stay unseen before the measurement gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Spans of a batch, as in every load.
const BATCH: usize = 500;

/// Milliseconds from ack to seen, the median of the batches, by kind of query.
pub fn visible(plan: &Plan) -> anyhow::Result<BTreeMap<&'static str, f64>> {
    let folder = plan.fresh_folder("visible")?;
    let server = Server::start(&plan.stage, &folder, &[])?;
    let mut probe = Probe { server: &server, world: World::new(), rng: Rng::with_seed(44), sent: 0 };
    let mut times: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    let tail = probe.tail()?;
    for number in 0..=plan.sizes.batches {
        let seen = probe.round(number, &tail)?;
        // The first of each kind is the first such query of the server's life.
        if number > 0 {
            seen.into_iter().for_each(|(kind, time)| times.entry(kind).or_default().push(time.as_secs_f64() * 1e3));
        }
    }
    server.stop()?;
    Ok(times.into_iter().map(|(kind, times)| (kind, median(&times))).collect())
}

struct Probe<'s> {
    server: &'s Server,
    world: World,
    rng: Rng,
    sent: u64,
}

impl Probe<'_> {
    /// Lines of a live tail, each with the moment it came.
    fn tail(&self) -> anyhow::Result<mpsc::Receiver<(Instant, String)>> {
        let (sender, lines) = mpsc::channel();
        let followed = self.server.connection()?.follow("/api/logs/tail?q=tail")?;
        std::thread::spawn(move || {
            for line in followed.map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(lines)
    }

    fn round(
        &mut self,
        number: usize,
        tail: &mpsc::Receiver<(Instant, String)>,
    ) -> anyhow::Result<Vec<(&'static str, Duration)>> {
        let mut asking = self.server.connection()?;
        let mut seen = Vec::new();

        let trace = self.send_spans()?;
        let acked = Instant::now();
        until(acked, || Ok(asking.get(&format!("/api/traces/{trace}"))?.status == 200))?;
        seen.push(("trace by id", acked.elapsed()));

        self.send_spans()?;
        let acked = Instant::now();
        let body = json!({"query": "select count(*) from spans"}).to_string();
        let sent = self.sent;
        until(acked, || Ok(asking.post("/api/sql", &[JSON], body.as_bytes())?.json()?["rows"][0][0] == json!(sent)))?;
        seen.push(("SQL count", acked.elapsed()));

        let token = format!("probe{number}x{}", self.rng.u32(..));
        self.send_line(&token)?;
        let acked = Instant::now();
        until(acked, || Ok(asking.get(&format!("/api/logs?q={token}"))?.text().contains(&format!("{token} "))))?;
        seen.push(("log search", acked.elapsed()));

        let token = format!("tail{number}x{}", self.rng.u32(..));
        self.send_line(&token)?;
        let acked = Instant::now();
        loop {
            let (came, line) = tail.recv_timeout(PATIENCE).context("the live tail does not show a line")?;
            if line.contains(&token) {
                seen.push(("live tail", came.saturating_duration_since(acked)));
                break;
            }
        }

        let class = format!("Probe{number}x{}Error", self.rng.u32(..));
        self.send_error(&class)?;
        let acked = Instant::now();
        until(acked, || Ok(asking.get("/api/errors?limit=200")?.text().contains(&class)))?;
        seen.push(("error list", acked.elapsed()));
        Ok(seen)
    }

    /// Sends a batch and gives back the id of one of its traces.
    fn send_spans(&mut self) -> anyhow::Result<String> {
        let mut drafts: Vec<SpanDraft<'_>> = Vec::new();
        while drafts.len() < BATCH {
            self.world.trace(0, now_unix_nano() - 1_000_000_000, &mut self.rng, &mut drafts);
        }
        self.sent += drafts.len() as u64;
        let trace = hex(&drafts[BATCH / 2].trace_id.0);
        post(
            self.server.otlp_http,
            "/v1/traces",
            ("content-type", "application/x-protobuf"),
            &otlp::export_traces(&self.world, &drafts),
        )?;
        Ok(trace)
    }

    fn send_line(&self, token: &str) -> anyhow::Result<()> {
        let line = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{
            "timeUnixNano": now_unix_nano().to_string(), "severityNumber": 9, "body": {"stringValue": format!("{token} has arrived")},
        }]}]}]});
        post(self.server.otlp_http, "/v1/logs", JSON, line.to_string().as_bytes())
    }

    fn send_error(&self, class: &str) -> anyhow::Result<()> {
        let item = json!({"access_token": "0".repeat(32), "data": {
            "timestamp": now_unix_nano() / 1_000_000_000, "environment": "production", "level": "error", "language": "python",
            "body": {"trace": {
                "frames": [{"filename": format!("/srv/shop/{class}.py"), "lineno": 1, "method": class, "code": "raise"}],
                "exception": {"class": class, "message": "a probe"},
            }},
        }});
        post(self.server.http, "/api/1/item/", JSON, item.to_string().as_bytes())
    }
}

fn post(address: std::net::SocketAddr, path: &str, header: (&str, &str), body: &[u8]) -> anyhow::Result<()> {
    let answer = Connection::open(address)?.post(path, &[header], body)?;
    ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
    Ok(())
}

/// Asks again and again until it is so.
fn until(since: Instant, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    while !is_so()? {
        ensure!(since.elapsed() < PATIENCE, "not seen within {PATIENCE:?}");
    }
    Ok(())
}
