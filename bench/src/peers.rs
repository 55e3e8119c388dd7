//! Peers: DuckDB and embedded ClickHouse over the very files of the settled data sets, and over tables of their own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::data::What;
use crate::measure::{Plan, median};
use crate::queries::{Question, comparison, trace};
use crate::server::all_cores;

/// Threads a peer may use; its CPU time over all of them is what counts.
const THREADS: usize = 2;

/// Where a peer's rows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// In our Parquet files.
    Files,
    /// In its own tables.
    Native,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    DuckDb,
    ClickHouse,
}

/// What one peer needed.
#[derive(Clone, Debug, Default)]
pub struct PeerAnswers {
    pub version: String,
    /// CPU milliseconds by question, the median of the warm ones; or why there is none.
    pub cpu_ms: BTreeMap<String, Result<f64, String>>,
    /// Rows and the first cell of each answer.
    pub told: BTreeMap<String, (usize, String)>,
    /// Bytes on disk of its own tables.
    pub bytes: BTreeMap<String, u64>,
}

/// Every peer's answers.
pub type Peers = BTreeMap<(Engine, Mode), PeerAnswers>;

/// The files of the two settled sets, and one trace that is there and one that is not, in hex.
#[derive(Clone, Debug)]
pub struct Material {
    pub spans: Vec<PathBuf>,
    pub lines: Vec<PathBuf>,
    pub hit: String,
    pub miss: String,
    /// Names the sets, so that a peer's own tables of older ones are not taken for these.
    pub key: String,
}

/// A Python that has both, below the cache folder; made on first use.
pub fn python(cache: &Path) -> anyhow::Result<PathBuf> {
    let folder = cache.join("venv");
    let python = folder.join("bin/python");
    let has_both = || Command::new(&python).args(["-c", "import chdb, duckdb, pytz"]).stderr(Stdio::null()).status();
    if has_both().is_ok_and(|status| status.success()) {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&folder).status().context("cannot run python3")?;
    if !made.success() {
        bail!("cannot make a Python environment in {}", folder.display());
    }
    let installed = Command::new(&python).args(["-m", "pip", "install", "-q", "duckdb", "chdb", "pytz"]).status()?;
    if !installed.success() {
        bail!("cannot install duckdb, chdb and pytz");
    }
    Ok(python)
}

/// Asks one peer everything.
pub fn ask(
    plan: &Plan,
    (engine, mode): (Engine, Mode),
    questions: &[Question],
    material: &Material,
    repeats: usize,
) -> anyhow::Result<PeerAnswers> {
    let python = python(&plan.cache)?;
    let folder = plan.cache.join("peers").join(&material.key);
    fs::create_dir_all(&folder)?;
    let mut asked = Vec::new();
    for question in questions {
        let sql = if engine == Engine::DuckDb { &question.duckdb } else { &question.clickhouse };
        asked.push(json!({"id": question.id, "over": set_name(question.over), "sql": sql}));
    }
    let (compared, literal): (String, fn(&str) -> String) = match engine {
        Engine::DuckDb => (comparison(|key| format!("cast(\"{key}\" as varchar)")), |id| format!("from_hex('{id}')")),
        Engine::ClickHouse => {
            (comparison(|key| format!("toString(\"{key}\")")), |id| format!("toFixedString(unhex('{id}'), 16)"))
        }
    };
    asked.push(json!({"id": "bubble up", "over": "spans", "sql": compared}));
    for (id, trace_id) in [("trace, hit", &material.hit), ("trace, miss", &material.miss)] {
        asked.push(json!({"id": id, "over": "spans", "sql": trace(&literal(trace_id))}));
    }
    let request = json!({
        "engine": if engine == Engine::DuckDb { "duckdb" } else { "clickhouse" },
        "mode": if mode == Mode::Files { "files" } else { "native" },
        "threads": THREADS, "repeats": repeats + 1, "folder": folder,
        "sets": {"spans": material.spans, "lines": material.lines},
        "questions": asked,
    });
    let script = plan.root.join("bench/peers.py");
    let mut child = all_cores(THREADS, python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().context("its input")?.write_all(request.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    read(&serde_json::from_slice(&output.stdout)?)
}

fn set_name(what: What) -> &'static str {
    match what {
        What::Spans => "spans",
        What::Lines => "lines",
    }
}

fn read(answer: &Value) -> anyhow::Result<PeerAnswers> {
    let mut out = PeerAnswers { version: answer["version"].as_str().unwrap_or("?").to_owned(), ..PeerAnswers::default() };
    for (id, answered) in answer["answers"].as_object().context("answers")? {
        if let Some(error) = answered["error"].as_str() {
            out.cpu_ms.insert(id.clone(), Err(error.to_owned()));
            continue;
        }
        let all: Vec<f64> = answered["cpu_ms"].as_array().context("times")?.iter().filter_map(Value::as_f64).collect();
        // The first time warms up.
        out.cpu_ms.insert(id.clone(), Ok(median(all.get(1..).unwrap_or_default())));
        let rows = answered["rows"].as_u64().unwrap_or(0) as usize;
        out.told.insert(id.clone(), (rows, answered["first"].as_str().unwrap_or_default().to_owned()));
    }
    for (name, bytes) in answer["bytes"].as_object().into_iter().flatten() {
        out.bytes.insert(name.clone(), bytes.as_u64().unwrap_or(0));
    }
    Ok(out)
}
