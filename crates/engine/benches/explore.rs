//! What *Explore* asks of many spans: a heatmap, a group by a field of a million values, a percentile by route, and BubbleUp of
//! every field of an hour against the day. Each as the page asks it, with what it tells on the way.
//!
//! Run with `CUPOLA_BENCH_DATA=… cargo bench -p engine --bench explore -- [part of a question's name]`, over a data folder that
//! the bench `operators` or the benchmark has written; nothing is written here. The last day of its spans is asked about.
//! Figures are CPU milliseconds of the whole process and milliseconds until the first partial answer, the least of five.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::path::PathBuf;
use std::time::Instant;

use engine::ask::Asker;
use engine::ask::explore::{ExploreEvent, ExploreQuestion};
use engine::ask::explore_selection::ExploreSelection;
use engine::ask::honeycomb::HoneycombQuestion;
use engine::{Engine, EngineOptions};
use languages::honeycomb::QuerySpecification;
use metastore::Metastore;
use parking_lot::Mutex;
use serde_json::{Value, json};
use store::{Store, StoreOptions};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROJECT: &str = "default";
const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const RUNS: usize = 5;

fn main() {
    let folder = PathBuf::from(std::env::var_os("CUPOLA_BENCH_DATA").unwrap_or_else(|| {
        println!("CUPOLA_BENCH_DATA names no folder with spans");
        std::process::exit(0)
    }));
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    // Threads that end take their time with them.
    let keep = std::time::Duration::from_secs(3_600);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_keep_alive(keep).enable_all().build().unwrap();
    runtime.block_on(async {
        let options = StoreOptions {
            flush_bytes: usize::MAX,
            flush_interval: std::time::Duration::from_secs(36_000),
            memory_bytes_max: usize::MAX,
            fsync: false,
            ..StoreOptions::new(&folder)
        };
        let store = Store::open(options, Metastore::open(&folder).await.unwrap(), |_| None).await.unwrap();
        println!("{} spans in {} parts", store.stats().part_rows, store.stats().parts);
        let options = EngineOptions { memory_bytes_max: 4 << 30, threads: 2, ..EngineOptions::default() };
        let engine = Engine::new(store.clone(), options).unwrap();
        let asker = Asker { engine, project: PROJECT.into() };
        let newest = asker.engine.sql(PROJECT, "SELECT CAST(max(time) AS BIGINT) AS n FROM spans", 1).await.unwrap();
        let end = newest.iter().next().unwrap().i64("n").unwrap() / SECOND + 1;
        println!("{:>8} {:>8} {:>8}  question", "cpu ms", "ms", "first ms");
        for (name, query) in questions() {
            if name.contains(&wanted) {
                ask(&asker, name, query, end).await;
            }
        }
        if "bubbleup of every field, an hour of a day".contains(&wanted) {
            bubble_up(&asker, end).await;
        }
        drop(asker);
        store.shutdown().await.unwrap();
    });
}

fn questions() -> [(&'static str, Value); 4] {
    [
        ("heatmap", json!({ "calculations": [{ "op": "HEATMAP", "column": "duration_ms" }] })),
        ("count by a field of a million values", json!({ "breakdowns": ["user.id"], "limit": 100 })),
        (
            "p99 by route",
            json!({ "calculations": [{ "op": "P99", "column": "duration_ms" }], "breakdowns": ["service.name", "http.route"] }),
        ),
        (
            "a service's errors over time",
            json!({ "filters": [{ "column": "error", "op": "=", "value": true }], "breakdowns": ["service.name"] }),
        ),
    ]
}

fn question(mut query: Value, end: i64) -> ExploreQuestion {
    query["start_time"] = (end - DAY).into();
    query["end_time"] = end.into();
    let specification = QuerySpecification::from_json(&query).unwrap();
    let query = HoneycombQuestion { with_other: false, ..HoneycombQuestion::new(specification, end) };
    ExploreQuestion { query, narrowed: Vec::new(), with_estimates: true }
}

/// The question as the page asks it: estimates, groups, series and the total.
async fn ask(asker: &Asker, name: &str, query: Value, end: i64) {
    let question = question(query, end);
    let (mut cpu, mut whole, mut first, mut groups) = (f64::MAX, f64::MAX, f64::MAX, 0);
    for _ in 0..RUNS {
        let (before, started) = (cpu_ms(), Instant::now());
        let told = Mutex::new((None, 0));
        let listener = |event: ExploreEvent| match event {
            ExploreEvent::Partial(_) => drop(told.lock().0.get_or_insert_with(|| started.elapsed())),
            ExploreEvent::Answer(answer) => {
                let mut told = told.lock();
                told.0.get_or_insert_with(|| started.elapsed());
                told.1 = answer.groups.len();
            }
            _ => {}
        };
        asker.explore(&question, &listener).await.unwrap();
        cpu = cpu.min(cpu_ms() - before);
        whole = whole.min(started.elapsed().as_secs_f64() * 1e3);
        let told = told.into_inner();
        first = first.min(told.0.map_or(f64::MAX, |time| time.as_secs_f64() * 1e3));
        groups = told.1;
    }
    println!("{cpu:8.0} {whole:8.0} {first:8.0}  {name} ({groups} groups)");
}

/// Every field of the spans of the last hour that took long, against all others of the day.
async fn bubble_up(asker: &Asker, end: i64) {
    let question = question(json!({}), end);
    let slow = json!({ "filters": [{ "column": "duration_ms", "op": ">=", "value": 50 }] });
    let selection = ExploreSelection {
        start: Some((end - HOUR) * SECOND),
        end: Some(end * SECOND),
        filters: QuerySpecification::from_json(&slow).unwrap().filters,
        column: Some("duration_ms".to_owned()),
    };
    let (mut cpu, mut whole, mut told) = (f64::MAX, f64::MAX, String::new());
    for _ in 0..RUNS {
        let (before, started) = (cpu_ms(), Instant::now());
        let answer = asker.explore_bubble_up(&question, &selection, usize::MAX, &|_| {}).await.unwrap();
        cpu = cpu.min(cpu_ms() - before);
        whole = whole.min(started.elapsed().as_secs_f64() * 1e3);
        let first = answer.fields.first().map(|field| format!("{} {:.3}", field.column, field.score)).unwrap_or_default();
        let (selected, others) = (answer.selection.rows, answer.baseline.rows);
        told = format!("{} fields, {selected} of {} rows, first {first}", answer.fields.len(), selected + others);
    }
    println!("{cpu:8.0} {whole:8.0} {whole:8.0}  bubbleup of every field, an hour of a day ({told})");
}

/// CPU time of all threads of this process.
fn cpu_ms() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e6
}
