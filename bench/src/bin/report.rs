//! `report`: measures everything, against a server that it starts itself, and writes `REPORT.md`.
//!
//! Wants a machine with nothing else to do, and at least two cores. A quick run only shows that everything works.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::Context;
use bench::clock::today;
use bench::data::{DataSet, Written};
use bench::load::Kind;
use bench::measure::answers::{self, Set};
use bench::measure::ingest::{Until, error_groups, ingest, under_query};
use bench::measure::{Plan, Sizes, lifecycle, visible};
use bench::peers::{Engine, Material, Mode, Peers, ask};
use bench::queries::questions;
use bench::report::{Findings, Measured};
use bench::server::{Stage, all_cores, pin_self};
use clap::Parser;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Parser)]
struct Options {
    /// The program under measurement, an optimised build.
    #[arg(long)]
    cupola: PathBuf,
    /// Where data sets and peers are kept from run to run; a few gigabytes.
    #[arg(long)]
    cache: PathBuf,
    #[arg(long, default_value = "bench/REPORT.md")]
    out: PathBuf,
    /// The project's folder: scripts, and the sources that data sets are named by.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Everything once and small: shows that all rows yield numbers, which mean nothing.
    #[arg(long)]
    quick: bool,
    /// Only some parts: ingest, lifecycle, visible, traces, planning, answers, beside, peers, house. All when left out.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("report: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stdout, reason = "a program that prints what is missing")]
fn run(options: Options) -> anyhow::Result<ExitCode> {
    let cores = std::thread::available_parallelism()?.get();
    if cores > 1 {
        pin_self(1)?;
    }
    let scratch = options.cache.join(format!("scratch-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let plan = Plan {
        stage: Stage::new(fs::canonicalize(&options.cupola).context("no such program")?, (cores > 1).then_some(0))?,
        root: fs::canonicalize(&options.root)?,
        cache: fs::canonicalize(&options.cache)?,
        scratch: fs::canonicalize(&scratch)?,
        sizes: if options.quick { Sizes::quick() } else { Sizes::full() },
    };
    let findings = Run { plan, only: options.only, cores }.findings();
    fs::remove_dir_all(&scratch)?;
    let findings = findings?;
    fs::write(&options.out, findings.markdown()).with_context(|| format!("cannot write {}", options.out.display()))?;
    let missing = findings.missing();
    missing.iter().for_each(|line| println!("not measured: {line}"));
    println!("written: {}", options.out.display());
    // A quick run is a test: all there is to say is whether every row has its number.
    Ok(if options.quick && !missing.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

struct Run {
    plan: Plan,
    only: Vec<String>,
    cores: usize,
}

impl Run {
    fn findings(&self) -> anyhow::Result<Findings> {
        let sizes = &self.plan.sizes;
        let load = |kind: Kind, units: usize, until: Until| {
            self.part("ingest", &format!("{kind:?} {until:?}"), || ingest(&self.plan, kind, units, until))
        };
        let spans_acked = load(Kind::Spans, sizes.spans_acked, Until::Acked);
        let spans_grpc = load(Kind::SpansGrpc, sizes.spans_acked, Until::Acked);
        let spans = load(Kind::Spans, sizes.spans, Until::Settled);
        let lines = load(Kind::Logs, sizes.lines, Until::Settled);
        let points = load(Kind::Points, sizes.points, Until::Acked);
        let documents = load(Kind::Xray, sizes.documents, Until::Acked);
        let datagrams = load(Kind::XrayUdp, sizes.datagrams, Until::Settled);
        let events = load(Kind::Cloudwatch, sizes.events, Until::Acked);
        let items = load(Kind::Rollbar, sizes.items, Until::Settled);
        let error_groups = self.part("ingest", "groups of errors", || error_groups(&self.plan));
        let visible = self.part("visible", "ack to visible", || visible::visible(&self.plan));
        let many = self.set(&["lifecycle", "planning"], sizes.many_small_parts());
        let lifecycle = self.part("lifecycle", "start, idle, stop", || {
            let many = many.as_ref().map_err(clone)?;
            lifecycle::lifecycle(&self.plan, &many.folder, many.written.parts)
        });
        let planning = self.part("planning", "planning", || answers::planning(&self.plan, many.as_ref().map_err(clone)?));
        let in_parts = self.set(&["traces"], sizes.traces_in_parts());
        let traces = self.part("traces", "traces by id", || answers::traces(&self.plan, in_parts.as_ref().map_err(clone)?));
        let settled_spans = self.set(&["answers", "beside", "peers"], sizes.settled_spans());
        let settled_lines = self.set(&["answers", "peers"], sizes.settled_lines());
        let both = || anyhow::Ok((settled_spans.as_ref().map_err(clone)?, settled_lines.as_ref().map_err(clone)?));
        let settled = self.part("answers", "questions", || {
            let (spans, lines) = both()?;
            answers::settled(&self.plan, spans, lines)
        });
        let under_query = self
            .part("beside", "ingest beside a query", || under_query(&self.plan, &settled_spans.as_ref().map_err(clone)?.folder));
        let (mut peers, mut peers_failed) = (Peers::new(), Vec::new());
        for engine in [Engine::DuckDb, Engine::ClickHouse] {
            for mode in [Mode::Files, Mode::Native] {
                let asked = self.part("peers", &format!("{engine:?} {mode:?}"), || {
                    let (spans, lines) = both()?;
                    let hit = spans.written.traces[spans.written.traces.len() / 2].clone();
                    let key = format!("{:016x}", xxh3_64(format!("{:?}{:?}", spans.folder, lines.folder).as_bytes()));
                    let material = Material {
                        spans: answers::files(spans),
                        lines: answers::files(lines),
                        hit,
                        miss: "0123456789abcdef".repeat(2),
                        key,
                    };
                    ask(&self.plan, (engine, mode), &questions(), &material, sizes.repeats)
                });
                match asked {
                    Ok(asked) => {
                        let failed = asked.cpu_ms.iter().filter_map(|(id, ms)| ms.as_ref().err().map(|why| (id, why)));
                        peers_failed.extend(failed.map(|(id, why)| format!("{engine:?} {mode:?}, {id}: {why}")));
                        peers.insert((engine, mode), asked);
                    }
                    Err(why) => peers_failed.push(format!("{engine:?} {mode:?}: {why}")),
                }
            }
        }
        let house = self.part("house", "the house", || self.house());
        Ok(Findings {
            date: today(),
            commit: commit(),
            machine: machine(self.cores),
            sizes: sizes.clone(),
            spans_acked,
            spans_grpc,
            spans,
            lines,
            points,
            documents,
            datagrams,
            events,
            items,
            error_groups,
            under_query,
            lifecycle,
            visible,
            traces,
            planning,
            settled,
            peers,
            peers_failed,
            house,
        })
    }

    /// One measurement, unless it was left out. What fails says so in the report and does not stop the others.
    fn part<T>(&self, name: &str, what: &str, measure: impl FnOnce() -> anyhow::Result<T>) -> Measured<T> {
        if !self.wants(name) {
            return Err("left out of this run".to_owned());
        }
        eprintln!("bench: {what}");
        measure().map_err(|error| {
            eprintln!("bench: {what}: {error:#}");
            format!("{error:#}")
        })
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// A data set for some parts of the report; written when it is not there.
    fn set(&self, parts: &[&str], set: DataSet) -> anyhow::Result<Set> {
        anyhow::ensure!(parts.iter().any(|part| self.wants(part)), "left out of this run");
        eprintln!("bench: data set {}", set.name);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let (folder, written): (PathBuf, Written) =
            runtime.block_on(set.ensure(&self.plan.root, &self.plan.cache.join("sets")))?;
        Ok(Set { folder, written })
    }

    /// What a newcomer feels, and how far behind a live tail is, by the scripts that measure it.
    fn house(&self) -> anyhow::Result<String> {
        let mut tables = Vec::new();
        for name in ["house.py", "live_tail.py"] {
            let script = self.plan.root.join("bench").join(name);
            let output =
                all_cores(self.cores, "python3").arg(script).arg(&self.plan.stage.cupola).stderr(Stdio::inherit()).output()?;
            anyhow::ensure!(output.status.success(), "{name} ended with {}", output.status);
            tables.push(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Ok(tables.join("\n"))
    }
}

/// An error of which one copy is needed for each who meets it.
fn clone(error: &anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    // The report itself changes with each run.
    let changes = git(&["status", "--porcelain", "--", ".", ":!bench/REPORT.md"]).unwrap_or_default();
    if changes.is_empty() { commit } else { format!("{commit} with changes") }
}

fn machine(cores: usize) -> String {
    let read = |path: &str, key: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let kilobytes: f64 = read("/proc/meminfo", "MemTotal").split(' ').next().unwrap_or("0").parse().unwrap_or(0.0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {cores} cores, {:.0} GB of memory, Linux {}, {:.1} µs for the first touch of a page",
        read("/proc/cpuinfo", "model name"),
        kilobytes / 1024.0 / 1024.0,
        kernel.trim().split('-').next().unwrap_or_default(),
        first_touch_micros()
    )
}

/// What a page of memory costs that nobody touched yet: wall time, on a machine with nothing else to do. A host that lends its pages
/// takes ten times as long as one that has them at hand, and whatever takes in data touches many.
fn first_touch_micros() -> f64 {
    const PAGE: usize = 4_096;
    const PAGES: usize = 64 * 1024;
    let mut memory = vec![0_u8; PAGE * PAGES];
    let mut touch = |value: u8| {
        let began = Instant::now();
        memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = value);
        std::hint::black_box(&memory);
        began.elapsed()
    };
    let (first, second) = (touch(1), touch(2));
    first.saturating_sub(second).as_secs_f64() * 1e6 / PAGES as f64
}
