//! What questions cost: the server's CPU time around each, over data sets that lie there already.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{Plan, median};
use crate::data::{DAY_NS, DAY_START_UNIX_NANO, What, Written};
use crate::http::{Answer, Connection};
use crate::queries::{Posted, posted, questions};
use crate::server::{JSON, Server, disk_bytes};
use crate::world::{hex, trace_id};

/// What one question cost.
#[derive(Clone, Debug)]
pub struct Asked {
    /// CPU milliseconds, the median of the warm ones.
    pub cpu_ms: f64,
    /// The first time.
    pub cold_cpu_ms: f64,
    pub wall_ms: f64,
    /// Rows and the first cell of the answer.
    pub rows: usize,
    pub first: String,
    /// How it was asked.
    pub how: String,
}

/// Each question's cost, or why there is none.
pub type Answers = BTreeMap<String, Result<Asked, String>>;

/// A data set that was written, and where.
#[derive(Clone, Debug)]
pub struct Set {
    pub folder: PathBuf,
    pub written: Written,
}

/// What the settled sets say.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    pub answers: Answers,
    /// Bytes a span and a line take, everything below the folder of a running server.
    pub bytes_each: [f64; 2],
}

/// Asks everything there is to ask of the settled sets.
pub fn settled(plan: &Plan, spans: &Set, lines: &Set) -> anyhow::Result<Settled> {
    let mut settled = Settled::default();
    let answers = &mut settled.answers;
    for (set, what) in [(spans, What::Spans), (lines, What::Lines)] {
        let folder = plan.borrow(&set.folder, "settled")?;
        let server = Server::start(&plan.stage, &folder, &plan.stage.at_rest)?;
        server.wait_until_idle()?;
        for question in questions().iter().filter(|question| question.over == what) {
            let asked = first_understood(&server, &question.ours, plan.sizes.repeats);
            answers.insert(question.id.to_owned(), asked.map_err(|error| format!("{error:#}")));
        }
        if what == What::Spans {
            for question in posted() {
                let asked = post(&server, &question, plan.sizes.repeats);
                answers.insert(question.id.to_owned(), asked.map_err(|error| format!("{error:#}")));
            }
        }
        settled.bytes_each[what as usize] = disk_bytes(&folder)? as f64 / set.written.rows as f64;
        server.stop()?;
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(settled)
}

/// Traces by id among many parts: ids that are there, and ids that are not.
pub fn traces(plan: &Plan, set: &Set) -> anyhow::Result<(Asked, Asked)> {
    let folder = plan.borrow(&set.folder, "traces")?;
    let server = Server::start(&plan.stage, &folder, &plan.stage.at_rest)?;
    server.wait_until_idle()?;
    let mut connection = server.connection()?;
    let mut rng = Rng::with_seed(9);
    let hits: Vec<String> = set.written.traces.clone();
    let misses: Vec<String> = (0..hits.len()).map(|_| hex(&trace_id(&mut rng).0)).collect();
    let mut look = |ids: &[String], status: u16| -> anyhow::Result<Asked> {
        let mut all = Vec::new();
        let mut spans = Value::Null;
        for id in ids {
            let (spent, answer) = spend(&server, || connection.get(&format!("/api/traces/{id}")))?;
            ensure!(answer.status == status, "trace {id}: {} {}", answer.status, answer.text());
            spans = answer.json()?["spans"].take();
            all.push(spent);
        }
        summed(&all, &spans, "GET /api/traces/{id}".to_owned())
    };
    let found = (look(&hits, 200)?, look(&misses, 404)?);
    server.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(found)
}

/// Planning over many parts: a question about one second of the day, and one about all of it that ends with the first row.
pub fn planning(plan: &Plan, set: &Set) -> anyhow::Result<(Asked, Result<Asked, String>)> {
    let folder = plan.borrow(&set.folder, "planning")?;
    let server = Server::start(&plan.stage, &folder, &plan.stage.at_rest)?;
    server.wait_until_idle()?;
    let noon = (DAY_START_UNIX_NANO + DAY_NS / 2) / 1_000_000_000;
    let bounded =
        format!("select count(*) from spans where \"time\" >= to_timestamp({noon}) and \"time\" < to_timestamp({})", noon + 1);
    let repeats = plan.sizes.repeats * 4;
    let bounded = first_understood(&server, &[bounded], repeats)?;
    let whole = first_understood(&server, &["select name from spans limit 1".to_owned()], repeats);
    server.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok((bounded, whole.map_err(|error| format!("{error:#}"))))
}

/// CPU and wall time of one exchange.
type Spent = (Duration, Duration);

fn spend(server: &Server, exchange: impl FnOnce() -> anyhow::Result<Answer>) -> anyhow::Result<(Spent, Answer)> {
    let (before, began) = (server.cpu()?, Instant::now());
    let answer = exchange()?;
    let wall = began.elapsed();
    Ok(((server.cpu()?.since(&before), wall), answer))
}

fn summed(all: &[Spent], rows: &Value, how: String) -> anyhow::Result<Asked> {
    let cpu: Vec<f64> = all.iter().map(|(cpu, _)| cpu.as_secs_f64() * 1e3).collect();
    let wall: Vec<f64> = all.iter().map(|(_, wall)| wall.as_secs_f64() * 1e3).collect();
    ensure!(cpu.len() > 1, "asked too seldom");
    let first = match &rows[0][0] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = rows.as_array().map_or(0, Vec::len);
    Ok(Asked { cpu_ms: median(&cpu[1..]), cold_cpu_ms: cpu[0], wall_ms: median(&wall[1..]), rows, first, how })
}

fn first_understood(server: &Server, ways: &[String], repeats: usize) -> anyhow::Result<Asked> {
    let mut connection = server.connection()?;
    let mut refused = String::new();
    for way in ways {
        let body = json!({ "query": way }).to_string();
        match repeat(server, &mut connection, "/api/sql", &body, repeats)? {
            Ok((all, answer)) => return summed(&all, &answer["rows"], way.clone()),
            Err(message) => refused = message,
        }
    }
    bail!("{refused}")
}

fn post(server: &Server, question: &Posted, repeats: usize) -> anyhow::Result<Asked> {
    let body = question.body.to_string();
    match repeat(server, &mut server.connection()?, question.path, &body, repeats)? {
        Ok((all, answer)) => {
            let rows = answer.pointer(question.rows).unwrap_or(&Value::Null);
            summed(&all, rows, format!("POST {} {body}", question.path))
        }
        Err(message) => bail!("{message}"),
    }
}

type Repeated = Result<(Vec<Spent>, Value), String>;

/// Sends the same question again and again; a refusal comes back as text.
fn repeat(server: &Server, connection: &mut Connection, path: &str, body: &str, repeats: usize) -> anyhow::Result<Repeated> {
    let mut all = Vec::new();
    let mut last = Value::Null;
    for _ in 0..=repeats {
        let (spent, answer) = spend(server, || connection.post(path, &[JSON], body.as_bytes()))?;
        if answer.status != 200 {
            let message = answer.json().ok().and_then(|told| told["error"]["message"].as_str().map(str::to_owned));
            return Ok(Err(message.unwrap_or_else(|| format!("{} {}", answer.status, answer.text()))));
        }
        last = answer.json()?;
        all.push(spent);
    }
    Ok(Ok((all, last)))
}

/// The files of a set, for those who read them as they are.
pub fn files(set: &Set) -> Vec<PathBuf> {
    let parts: &Path = &set.folder.join("parts");
    set.written.files.iter().map(|path| parts.join(path)).collect()
}
