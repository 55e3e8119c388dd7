//! What it costs to find little among much: a trace by its id, a plan over many parts, words in log lines.
//!
//! Run with `cargo bench -p engine --bench reading -- [part of a line's name]`. Rows are written once, through the real store,
//! into `CUPOLA_BENCH_DATA` (or a folder under the target directory): `CUPOLA_BENCH_ROWS` spans and as many log lines (a million
//! by default) in `CUPOLA_BENCH_PARTS` parts each (a thousand). Figures are CPU milliseconds of the whole process for one
//! question, the first and the mean of those after it.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::path::{Path, PathBuf};

use engine::ask::Asker;
use engine::ask::logs::{LogFilter, Order};
use engine::{Engine, EngineOptions};
use metastore::Metastore;
use model::{Attribute, LogRecord, Resource, RowSink, Span, SpanId, TraceId, Value};
use store::{RowBuffer, RowContext, Store, StoreOptions, TimeRange};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROJECT: &str = "default";
/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000_000_000;
const DAY: i64 = 86_400_000_000_000;
const SPANS_PER_TRACE: u64 = 8;
const RUNS: u32 = 20;

/// Questions in SQL, each with what it is.
const QUESTIONS: &[(&str, &str)] = &[
    (
        "plan: an hour of all parts",
        "EXPLAIN SELECT count(duration_ns) FROM spans WHERE time BETWEEN '2026-11-21T04:00:00Z' AND '2026-11-21T05:00:00Z'",
    ),
    ("plan: all parts", "EXPLAIN SELECT \"service.name\", count(duration_ns) FROM spans GROUP BY 1"),
    (
        "errors over time",
        "SELECT date_bin(interval '15 minutes', time), \"service.name\", count(*) FROM spans WHERE status_code = 'error' GROUP BY 1, 2",
    ),
    ("lines: a word with few hits", "SELECT count(*) FROM logs WHERE has_token(body, 'needle17')"),
    ("lines: a word that is absent", "SELECT count(*) FROM logs WHERE has_token(body, 'needle18')"),
    (
        "lines: newest hundred of a common word",
        "SELECT time, body FROM logs WHERE has_token(body, 'timeout') ORDER BY time DESC LIMIT 100",
    ),
    (
        "lines: newest hundred of a common part of words",
        "SELECT time, body FROM logs WHERE body LIKE '%imeou%' ORDER BY time DESC LIMIT 100",
    ),
    ("lines: count of a part of words", "SELECT count(*) FROM logs WHERE body LIKE '%imeou%'"),
    ("lines: count of a part of words, whatever the case", "SELECT count(*) FROM logs WHERE body ILIKE '%imeou%'"),
];

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let number = |name: &str, default: u64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (rows, parts) = (number("CUPOLA_BENCH_ROWS", 1_000_000), number("CUPOLA_BENCH_PARTS", 1_000));
    let base = std::env::var("CUPOLA_BENCH_DATA").map_or_else(|_| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = base.join(format!("reading-{rows}-{parts}"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let is_there = folder.join("whole").exists();
        let store = open(&folder).await;
        if !is_there {
            println!("writing {rows} spans and {rows} lines in {parts} parts each, once");
            fill(&store, rows, parts).await;
            store.settle_index().await.unwrap();
            std::fs::write(folder.join("whole"), "").unwrap();
        }
        let engine = Engine::new(store.clone(), EngineOptions { threads: 2, ..EngineOptions::default() }).unwrap();
        let asker = Asker { engine: engine.clone(), project: PROJECT.into() };
        println!("{:>9} {:>9}  question, parts: {}", "first", "then", store.stats().parts);
        let tell = |name: &str, first: f64, then: f64, what: String| println!("{first:9.2} {then:9.2}  {name} ({what})");
        if "trace".contains(&wanted) || wanted.starts_with("trace") {
            for (name, offset) in [("trace: hit", 0), ("trace: miss", u64::MAX / 2)] {
                let mut found = 0;
                let mut look = async |at: u64| {
                    let before = cpu_ms();
                    found += asker
                        .trace(id(hash(at) % (rows / SPANS_PER_TRACE) + offset))
                        .await
                        .unwrap()
                        .map_or(0, |trace| trace.spans.len());
                    cpu_ms() - before
                };
                let first = look(1).await;
                let mut then = 0.0;
                for run in 0..RUNS * 5 {
                    then += look(u64::from(run) + 2).await;
                }
                tell(name, first, then / f64::from(RUNS * 5), format!("{found} spans"));
            }
        }
        for (name, sql) in QUESTIONS.iter().filter(|(name, _)| name.contains(&wanted)) {
            let mut last = 0;
            let mut ask = async || {
                let before = cpu_ms();
                last = engine.sql(PROJECT, sql, 100_000).await.unwrap().rows();
                cpu_ms() - before
            };
            let first = ask().await;
            let mut then = 0.0;
            for _ in 0..RUNS / 4 {
                then += ask().await;
            }
            tell(name, first, then / f64::from(RUNS / 4), format!("{last} rows"));
        }
        if "lines: page".contains(&wanted) {
            let before = cpu_ms();
            let filter = LogFilter { q: "timeout".into(), ..LogFilter::default() };
            let page = asker.logs(TimeRange::ALL, &filter, Order::Newest, 100, None).await.unwrap();
            tell(
                "lines: page of the newest hundred, whole rows",
                cpu_ms() - before,
                0.0,
                format!("{} scanned", page.stats.rows_scanned),
            );
        }
        drop(asker);
        drop(engine);
        store.shutdown().await.unwrap();
    });
}

async fn open(folder: &Path) -> Store {
    std::fs::create_dir_all(folder).unwrap();
    let options = StoreOptions {
        flush_bytes: usize::MAX,
        flush_interval: std::time::Duration::from_secs(36_000),
        memory_bytes_max: usize::MAX,
        fsync: false,
        compaction: false,
        publish: false,
        ..StoreOptions::new(folder)
    };
    Store::open(options, Metastore::open(folder).await.unwrap(), |_| None).await.unwrap()
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

async fn fill(store: &Store, rows: u64, parts: u64) {
    let per_part = rows.div_ceil(parts);
    for from in (0..rows).step_by(per_part as usize) {
        let mut buffer = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: START + DAY, request: None });
        for number in from..rows.min(from + per_part) {
            push_span(&mut buffer, number, rows);
            push_line(&mut buffer, number, rows);
        }
        store.append(PROJECT, Vec::new(), buffer).await.unwrap();
        store.flush().await.unwrap();
    }
}

fn time_of(number: u64, rows: u64) -> i64 {
    START + (number as f64 / rows as f64 * DAY as f64) as i64
}

fn id(trace: u64) -> TraceId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&hash(trace).to_be_bytes());
    id[8..].copy_from_slice(&hash(trace ^ 0x5eed).to_be_bytes());
    TraceId(id)
}

fn push_span(rows: &mut RowBuffer, number: u64, all: u64) {
    let random = hash(number);
    let service = format!("service-{}", random % 20);
    rows.resource(&Resource {
        attributes: &[Attribute::str("service.name", service.as_str()), Attribute::str("k8s.namespace.name", "shop")],
        schema_url: "",
    });
    let route = format!("/api/v1/items/{}/{{id}}", random >> 8 & 0xff);
    let user = format!("user-{}", random >> 20 & 0xf_ffff);
    let attributes = [
        Attribute::str("http.route", route.as_str()),
        Attribute::str("http.request.method", ["GET", "POST"][random as usize >> 40 & 1]),
        Attribute::new("http.response.status_code", Value::Int(200)),
        Attribute::str("user.id", user.as_str()),
    ];
    // Traces overlap: a span of each of sixteen in turn.
    let trace = number / (16 * SPANS_PER_TRACE) * 16 + number % 16;
    rows.span(&Span {
        start_time_unix_nano: time_of(number, all),
        duration_ns: (random >> 30 & 0xff_ffff) as i64,
        status_code: if random.is_multiple_of(100) { model::StatusCode::Error } else { model::StatusCode::Unset },
        attributes: &attributes,
        ..Span::new(id(trace), SpanId((number + 1).to_be_bytes()), &route)
    });
}

/// About a hundred bytes; one in fifty is about a timeout, nineteen hold a needle.
fn push_line(rows: &mut RowBuffer, number: u64, all: u64) {
    let random = hash(number ^ 0x11e5);
    let what = match random % 50 {
        0 => "upstream timeout",
        1..10 => "cache refilled",
        10..20 => "session opened",
        _ => "request handled",
    };
    let needle = if number % (all / 19 + 1) == all / 40 { " needle17" } else { "" };
    let body = format!(
        "{what}{needle} user={} order={:08x} took {} ms from 10.{}.{}.7 path=/api/v1/carts/{}",
        random >> 8 & 0xf_ffff,
        random >> 16 & 0xffff_ffff,
        random >> 24 & 0xfff,
        random >> 32 & 0xff,
        random >> 40 & 0xff,
        random >> 44 & 0xffff
    );
    rows.log(&LogRecord {
        time_unix_nano: time_of(number, all),
        severity_number: if random.is_multiple_of(50) { 17 } else { 9 },
        body: body.as_str().into(),
        ..LogRecord::default()
    });
}

/// A number's bits well mixed.
fn hash(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
