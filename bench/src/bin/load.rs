//! `load`: sends one kind of telemetry to a fresh server, and says what it cost the server.
//!
//! For looking at one figure while working on it: `load spans --units 200000`. The report runs all kinds.

use std::path::PathBuf;

use bench::load::{Kind, prepare};
use bench::server::{Server, Stage, disk_bytes, pin_self};
use clap::Parser;

#[derive(Parser)]
struct Options {
    kind: Kind,
    /// Spans, records, points, documents, events or items.
    #[arg(long, default_value_t = 100_000)]
    units: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Units a second; as fast as the server answers when left out.
    #[arg(long)]
    rate: Option<f64>,
    /// The program under measurement.
    #[arg(long, default_value = "cupola")]
    cupola: PathBuf,
    /// Where the server's folder is made, and removed again.
    #[arg(long, default_value = "bench-load-data")]
    folder: PathBuf,
    /// Settle afterwards, and count that too.
    #[arg(long)]
    settle: bool,
    /// Flags for the server, after `--`.
    #[arg(last = true)]
    flags: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let cores = std::thread::available_parallelism()?.get();
    let core = (cores > 1).then_some(0);
    if cores > 1 {
        pin_self(1)?;
    }
    std::fs::create_dir(&options.folder)?;
    let measured = measure(&options, &Stage::new(options.cupola.clone(), core)?);
    std::fs::remove_dir_all(&options.folder)?;
    measured
}

#[allow(clippy::print_stdout, reason = "a program that prints figures")]
fn measure(options: &Options, stage: &Stage) -> anyhow::Result<()> {
    let flags: Vec<&str> = options.flags.iter().map(String::as_str).collect();
    let server = Server::start(stage, &options.folder, &flags)?;
    let prepared = prepare(&server, options.kind, options.units, bench::clock::now_unix_nano(), options.seed)?;
    let before = server.cpu()?;
    let outcome = prepared.send(&server, options.rate)?;
    println!(
        "{:?}: {} units of {} B in {} requests; {:.0} units a CPU second, {:.0} a second; ack p50 {:.1} ms, p99 {:.1} ms; {} told later; peak {:.0} MB",
        options.kind,
        outcome.units,
        prepared.body_bytes / outcome.units.max(1),
        outcome.requests,
        outcome.units_per_cpu_second(),
        outcome.units_per_second(),
        outcome.latency(0.5).as_secs_f64() * 1e3,
        outcome.latency(0.99).as_secs_f64() * 1e3,
        outcome.told_later,
        server.memory_megabytes("VmHWM")?,
    );
    if options.settle {
        let state = server.settle()?;
        let cpu = server.cpu()?.since(&before);
        println!(
            "settled: {:.0} units a CPU second with everything; {:.1} B a unit on disk; {state}",
            outcome.units as f64 / cpu.as_secs_f64(),
            disk_bytes(&options.folder)? as f64 / outcome.units as f64,
        );
    }
    server.stop()?;
    Ok(())
}
