//! What taking telemetry in costs: CPU time until the last answer, and until everything is flushed and compacted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::ensure;
use serde_json::json;

use super::{Plan, median};
use crate::clock::{now_unix_nano, wait};
use crate::load::{Kind, Outcome, prepare};
use crate::queries::questions;
use crate::server::{JSON, Server, disk_bytes};
use crate::vendors::SPANS_PER_DOCUMENT;

/// How far a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// To the last answer, with the flush put off: what it costs to make rows durable and visible.
    Acked,
    /// With the settings a server has by itself, until nothing is left to flush and to compact.
    Settled,
}

/// Flags that put the flush off beyond the end of a run.
const NO_FLUSH: [&str; 6] = ["--flush-seconds", "3600", "--flush-megabytes", "4096", "--memory-megabytes", "8192"];

/// Medians over the runs of one kind.
#[derive(Clone, Debug)]
pub struct Ingested {
    pub units: usize,
    pub runs: usize,
    /// Bytes of a unit on the wire.
    pub wire_bytes_each: f64,
    /// Until the last answer.
    pub acked_per_cpu_second: f64,
    /// With everything that followed; the same when it was not waited for.
    pub all_per_cpu_second: f64,
    pub per_second: f64,
    pub ack_p50: Duration,
    pub ack_p99: Duration,
    pub peak_megabytes: f64,
    /// Everything in the folder, by what lies at its top; empty when it was not settled.
    pub disk_bytes_each: BTreeMap<String, f64>,
    pub told_later: usize,
    /// Units that did not arrive: datagrams.
    pub lost: usize,
}

impl Ingested {
    pub fn disk_bytes(&self) -> f64 {
        self.disk_bytes_each.values().sum()
    }
}

struct Run {
    outcome: Outcome,
    wire_bytes: usize,
    all: Duration,
    peak: f64,
    disk: BTreeMap<String, f64>,
    arrived: usize,
}

/// Runs a load several times, each against a server that has nothing yet.
pub fn ingest(plan: &Plan, kind: Kind, units: usize, until: Until) -> anyhow::Result<Ingested> {
    let mut runs = Vec::new();
    for number in 0..plan.sizes.runs {
        runs.push(run(plan, kind, units, until, number as u64)?);
    }
    let middle = |of: &dyn Fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let seconds = |of: &dyn Fn(&Run) -> Duration| Duration::from_secs_f64(middle(&|run| of(run).as_secs_f64()));
    let places: Vec<&String> = runs[0].disk.keys().collect();
    Ok(Ingested {
        units,
        runs: runs.len(),
        wire_bytes_each: middle(&|run| run.wire_bytes as f64 / units as f64),
        acked_per_cpu_second: middle(&|run| run.arrived as f64 / run.outcome.cpu.as_secs_f64()),
        all_per_cpu_second: middle(&|run| run.arrived as f64 / run.all.as_secs_f64()),
        per_second: middle(&|run| run.outcome.units_per_second()),
        ack_p50: seconds(&|run| run.outcome.latency(0.5)),
        ack_p99: seconds(&|run| run.outcome.latency(0.99)),
        peak_megabytes: middle(&|run| run.peak),
        disk_bytes_each: places
            .iter()
            .map(|place| ((*place).clone(), middle(&|run| run.disk.get(*place).copied().unwrap_or(0.0))))
            .collect(),
        told_later: runs.iter().map(|run| run.outcome.told_later).sum(),
        lost: runs.iter().map(|run| units - run.arrived).sum(),
    })
}

fn run(plan: &Plan, kind: Kind, units: usize, until: Until, seed: u64) -> anyhow::Result<Run> {
    let folder = plan.fresh_folder("ingest")?;
    let flags: &[&str] = if until == Until::Acked { &NO_FLUSH } else { &[] };
    let server = Server::start(&plan.stage, &folder, flags)?;
    let prepared = prepare(&server, kind, units, now_unix_nano(), seed)?;
    let before = server.cpu()?;
    let mut outcome = prepared.send(&server, None)?;
    if kind == Kind::XrayUdp {
        // Nobody says when the last one is kept.
        server.wait_until_idle()?;
        outcome.cpu = server.cpu()?.since(&before);
    }
    let (mut all, peak, mut disk) = (outcome.cpu, server.memory_megabytes("VmHWM")?, BTreeMap::new());
    if until == Until::Settled {
        server.settle()?;
        all = server.cpu()?.since(&before);
        disk = disk_by_place(&folder, units)?;
    }
    let arrived = arrived(&server, kind)?;
    ensure!(arrived == units || kind == Kind::XrayUdp, "{kind:?}: {arrived} of {units} are there");
    server.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(Run { outcome, wire_bytes: prepared.body_bytes, all, peak, disk, arrived })
}

/// How many units a query finds.
fn arrived(server: &Server, kind: Kind) -> anyhow::Result<usize> {
    let (query, rows_each) = match kind {
        Kind::Spans | Kind::SpansGrpc => ("select count(*) from spans", 1),
        Kind::Logs | Kind::Cloudwatch | Kind::Rollbar => ("select count(*) from logs", 1),
        Kind::Points => ("select count(*) from metrics", 1),
        Kind::Xray | Kind::XrayUdp => ("select count(*) from spans", SPANS_PER_DOCUMENT),
    };
    Ok(server.count(query)? as usize / rows_each)
}

/// Bytes a unit takes, by what lies at the top of the folder; files of two names are taken off again.
fn disk_by_place(folder: &Path, units: usize) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut places = BTreeMap::new();
    let mut counted = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let bytes = disk_bytes(&entry.path())?;
        counted += bytes;
        // A database and what it writes ahead are one place.
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.trim_end_matches("-wal").trim_end_matches("-shm").to_owned();
        *places.entry(name).or_insert(0.0) += bytes as f64 / units as f64;
    }
    let twice = counted - disk_bytes(folder)?;
    if twice > 0 {
        places.insert("counted twice".to_owned(), -(twice as f64) / units as f64);
    }
    Ok(places)
}

/// Grouped errors: how many groups the items of a load make.
pub fn error_groups(plan: &Plan) -> anyhow::Result<usize> {
    let folder = plan.fresh_folder("groups")?;
    let server = Server::start(&plan.stage, &folder, &[])?;
    prepare(&server, Kind::Rollbar, 200, now_unix_nano(), 1)?.send(&server, None)?;
    let answer = server.connection()?.get("/api/errors?limit=100")?;
    ensure!(answer.status == 200, "the list of errors answered {} {}", answer.status, answer.text());
    let groups = answer.json()?["errors"].as_array().map_or(0, Vec::len);
    server.stop()?;
    Ok(groups)
}

/// Ingest with a heavy query going on all the time, beside ingest alone.
#[derive(Clone, Copy, Debug)]
pub struct UnderQuery {
    /// Spans a second as fast as it goes, on one core: alone, and with the query.
    pub alone: f64,
    pub with_query: f64,
    /// Queries that were answered meanwhile.
    pub answered: usize,
    /// Spans a second at an offered rate that leaves room on the core.
    pub offered: f64,
    pub paced_with_query: f64,
}

/// Spans a second that are offered when there is to be room for a query.
const OFFERED: f64 = 50_000.0;

pub fn under_query(plan: &Plan, set: &Path) -> anyhow::Result<UnderQuery> {
    let folder = plan.borrow(set, "under-query")?;
    let server = Server::start(&plan.stage, &folder, &[])?;
    server.wait_until_idle()?;
    let units = plan.sizes.spans_acked;
    let load = |seed: u64, rate: Option<f64>| -> anyhow::Result<f64> {
        let prepared = prepare(&server, Kind::Spans, units, now_unix_nano(), seed)?;
        Ok(prepared.send(&server, rate)?.units_per_second())
    };
    let alone = median(&[load(100, None)?, load(101, None)?, load(102, None)?]);
    let heavy = questions().into_iter().find(|question| question.id == "percentiles").map(|question| question.ours);
    let heavy = heavy.and_then(|ours| ours.into_iter().find(|query| server.sql(query).is_ok()));
    let heavy = heavy.ok_or_else(|| anyhow::anyhow!("the heavy query is not understood"))?;
    let (stop, answered) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
    let result = std::thread::scope(|scope| {
        let querying = scope.spawn(|| -> anyhow::Result<()> {
            let mut connection = server.connection()?;
            let body = json!({ "query": heavy }).to_string();
            while !stop.load(Ordering::Relaxed) {
                let answer = connection.post("/api/sql", &[JSON], body.as_bytes())?;
                ensure!(answer.status == 200, "the heavy query: {} {}", answer.status, answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        wait(Duration::from_millis(100));
        let measured =
            (|| anyhow::Ok((median(&[load(103, None)?, load(104, None)?, load(105, None)?]), load(106, Some(OFFERED))?)))();
        stop.store(true, Ordering::Relaxed);
        let queried = querying.join().map_err(|_| anyhow::anyhow!("the query's thread panicked"))?;
        let measured = measured?;
        queried?;
        anyhow::Ok(measured)
    });
    let (with_query, paced_with_query) = result?;
    server.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(UnderQuery { alone, with_query, answered: answered.into_inner(), offered: OFFERED, paced_with_query })
}
