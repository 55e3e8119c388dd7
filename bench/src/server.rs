//! The server under measurement: a process of its own on a core of its own, and what the kernel says of it.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::clock::wait;
use crate::http::Connection;

/// `USER_HZ`: the unit of times in `/proc/<pid>/stat`, the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// How long a server may take to come up or to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a server runs and which program it is.
#[derive(Clone, Debug)]
pub struct Stage {
    pub cupola: PathBuf,
    /// The core of the server; `None` on a machine that has only one.
    pub core: Option<usize>,
    /// Flags of a server over a data set that is to stay as it is.
    pub at_rest: Vec<&'static str>,
}

impl Stage {
    pub fn new(cupola: PathBuf, core: Option<usize>) -> anyhow::Result<Stage> {
        let help = Command::new(&cupola).args(["serve", "--help"]).output();
        let help = help.with_context(|| format!("cannot start {}", cupola.display()))?;
        let can_rest = String::from_utf8_lossy(&help.stdout).contains("--compaction <");
        Ok(Stage { cupola, core, at_rest: if can_rest { vec!["--compaction", "false"] } else { Vec::new() } })
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    pub http: SocketAddr,
    pub otlp_http: SocketAddr,
    pub otlp_grpc: SocketAddr,
    pub xray: SocketAddr,
    /// From the start of the process to the line that says it is ready.
    pub ready_after: Duration,
}

/// CPU time of a process, read in two ways.
#[derive(Clone, Copy, Debug)]
pub struct CpuReading {
    /// Sum over its threads, exact, without those that have ended.
    threads: Duration,
    /// User and system time in ticks, of all there ever were.
    ticks: Duration,
}

impl CpuReading {
    pub fn of(pid: u32) -> anyhow::Result<CpuReading> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything; times are the 14th and 15th field.
        let after_name = stat.rsplit_once(')').context("a name in stat")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u32 = fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
        let mut threads = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end while we look.
            let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
            let nanos = text.split_whitespace().next().and_then(|word| word.parse().ok());
            threads += Duration::from_nanos(nanos.unwrap_or(0));
        }
        Ok(CpuReading { threads, ticks: TICK * ticks })
    }

    /// CPU time since the process began.
    pub fn total(&self) -> Duration {
        self.threads.max(self.ticks)
    }

    /// CPU time since an earlier reading. Exact while no thread ended in between, else to the tick.
    pub fn since(&self, earlier: &CpuReading) -> Duration {
        let exact = self.threads.saturating_sub(earlier.threads);
        let coarse = self.ticks.saturating_sub(earlier.ticks);
        if exact + TICK * 3 + coarse / 50 < coarse { coarse } else { exact }
    }
}

impl Server {
    /// Starts on a folder, with further flags, and waits until it is ready.
    pub fn start(stage: &Stage, folder: &Path, flags: &[&str]) -> anyhow::Result<Server> {
        let mut command = pinned(stage.core, &stage.cupola);
        command.arg("serve").arg("--data-dir").arg(folder).args(["--log", "warn"]);
        for door in ["http", "otlp-grpc", "otlp-http", "xray"] {
            command.args([format!("--{door}-listen"), "127.0.0.1:0".to_owned()]);
        }
        command.args(flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let started = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", stage.cupola.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let ready_after = started.elapsed();
        let door = |name: &str| -> anyhow::Result<SocketAddr> {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
            let found = found.with_context(|| format!("the server did not come up: {line:?}"))?;
            Ok(found.trim_start_matches("http://").parse()?)
        };
        Ok(Server {
            http: door("http")?,
            otlp_http: door("otlp_http")?,
            otlp_grpc: door("otlp_grpc")?,
            xray: door("xray")?,
            ready_after,
            child,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn cpu(&self) -> anyhow::Result<CpuReading> {
        CpuReading::of(self.pid())
    }

    /// Resident memory now (`VmRSS`, of it without files `RssAnon`) or at most (`VmHWM`), in megabytes.
    pub fn memory_megabytes(&self, field: &str) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find(|line| line.starts_with(field)).with_context(|| format!("no {field}"))?;
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
        Ok(kilobytes / 1024.0)
    }

    pub fn connection(&self) -> anyhow::Result<Connection> {
        Connection::open(self.http)
    }

    /// The rows of an SQL query.
    pub fn sql(&self, query: &str) -> anyhow::Result<Vec<Vec<Value>>> {
        let answer = self.connection()?.post("/api/sql", &[JSON], json!({ "query": query }).to_string().as_bytes())?;
        if answer.status != 200 {
            bail!("{query}: {} {}", answer.status, answer.text());
        }
        Ok(serde_json::from_value(answer.json()?["rows"].take())?)
    }

    pub fn count(&self, query: &str) -> anyhow::Result<u64> {
        let rows = self.sql(query)?;
        rows.first().and_then(|row| row.first()).and_then(Value::as_u64).with_context(|| format!("{query}: no number"))
    }

    /// Flush and compaction until nothing is left to do; gives back what the store holds then.
    pub fn settle(&self) -> anyhow::Result<Value> {
        let answer = self.connection()?.post("/api/store/settle", &[("x-requested-by", "bench")], b"")?;
        if answer.status != 200 {
            bail!("cannot settle: {} {}", answer.status, answer.text());
        }
        answer.json()
    }

    /// Waits until the server has used no CPU worth the name for a while.
    pub fn wait_until_idle(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let before = self.cpu()?;
            wait(Duration::from_millis(200));
            if self.cpu()?.since(&before) < Duration::from_millis(4) {
                return Ok(());
            }
        }
        bail!("the server did not come to rest")
    }

    /// Asks it to stop; gives back how long that took.
    pub fn stop(mut self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        while began.elapsed() < PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(began.elapsed());
            }
            wait(Duration::from_millis(1));
        }
        bail!("the server did not stop")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub const JSON: (&str, &str) = ("content-type", "application/json");

/// A command that stays on a core. `taskset` becomes the program, so the process id is the program's.
pub fn pinned(core: Option<usize>, program: &Path) -> Command {
    match core {
        None => Command::new(program),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        }
    }
}

/// A command that may use every core, whatever this process is pinned to.
pub fn all_cores(cores: usize, program: impl AsRef<std::ffi::OsStr>) -> Command {
    if cores < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &format!("0-{}", cores - 1)]).arg(program.as_ref());
    command
}

/// Puts this process, and every thread it starts from now on, on a core.
pub fn pin_self(core: usize) -> anyhow::Result<()> {
    let status = Command::new("taskset")
        .args(["-cp", &core.to_string(), &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .context("cannot run taskset; it is part of util-linux")?;
    if !status.success() {
        bail!("taskset refused core {core}");
    }
    Ok(())
}

/// Bytes that a file, or all files below a folder, take on the disk, as `du` counts them: a file of two names once.
pub fn disk_bytes(path: &Path) -> anyhow::Result<u64> {
    let mut seen = HashSet::new();
    blocks(path, &mut seen).with_context(|| format!("cannot measure {}", path.display()))
}

fn blocks(path: &Path, seen: &mut HashSet<u64>) -> std::io::Result<u64> {
    let known = fs::symlink_metadata(path)?;
    if !known.is_dir() {
        return Ok(if seen.insert(known.ino()) { known.blocks() * 512 } else { 0 });
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        bytes += blocks(&entry?.path(), seen)?;
    }
    Ok(bytes)
}
