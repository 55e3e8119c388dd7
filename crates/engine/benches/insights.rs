//! What Logs Insights costs over ten million lines of one log group.
//!
//! Run with `cargo bench -p engine --bench insights -- [part of a question's name]`. The lines are written once, through the real
//! store, into `CUPOLA_BENCH_DATA` (or a folder under the target directory); `CUPOLA_BENCH_LINES` says how many, ten million by
//! default. Figures are CPU milliseconds of the whole process, the least of five, beside the goal; wall time stands behind them.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::ask::Asker;
use engine::ask::insights::{EventSource, EventSources, InsightsQuestion};
use engine::{Engine, EngineOptions};
use metastore::Metastore;
use model::{Attribute, LogRecord, Resource, RowSink};
use store::{RowBuffer, RowContext, Store, StoreOptions};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROJECT: &str = "default";
const GROUP: &str = "/shop/web";
/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000_000_000;
const HOUR: i64 = 3_600_000_000_000;
const MS: i64 = 1_000_000;
const LINES_PER_REQUEST: u64 = 10_000;
const LINES_PER_PART: u64 = 1_000_000;
const RUNS: usize = 5;

/// A question's name, its goal in milliseconds, and the query; `ONCE` is an id that stands in one line.
const QUESTIONS: &[(&str, u32, &str)] = &[
    ("stats by time and level", 700, "stats count(*) by bin(5m), level"),
    ("filter on an id that occurs once", 60, r#"fields @timestamp, @message | filter request_id = "ONCE""#),
    ("filter on a word that occurs once", 60, r#"fields @timestamp, @message | filter @message like "ONCE""#),
    ("an expression with an id that occurs once", 60, "fields @timestamp, @message | filter @message like /id.+ONCE/"),
    ("a word that no line has", 60, r#"fields @timestamp, @message | filter @message like "segmentation fault""#),
    ("a word of many lines", 4_000, r#"filter @message like "acknowledged" | stats count(*) by bin(1h)"#),
    ("a field that no document has", 4_000, "stats count(*) by details.kind"),
    ("pattern of all messages", 4_000, "pattern @message"),
    ("the newest hundred", 60, "fields @timestamp, @message | sort @timestamp desc | limit 100"),
    ("the newest twenty", 60, "fields @timestamp, @message | sort @timestamp desc | limit 20"),
    ("percentiles by route", 1_500, "stats pct(latency, 50), pct(latency, 99), count(*) by route"),
    ("parse and count", 4_000, r#"parse @message "took * ms" as ms | stats avg(ms), max(ms) by bin(1h)"#),
];

fn main() {
    let lines: u64 = std::env::var("CUPOLA_BENCH_LINES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000_000);
    let folder = std::env::var_os("CUPOLA_BENCH_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("insights-{lines}")), PathBuf::from);
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    // Threads that end take their time with them.
    let keep = std::time::Duration::from_secs(3_600);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_keep_alive(keep).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&folder).await;
        if store.stats().part_rows == 0 {
            fill(&store, lines).await;
        }
        let stats = store.stats();
        println!("{} lines in {} parts", stats.part_rows, stats.parts);
        println!("{:>8} {:>8}  question", "CPU ms", "goal");
        let options = EngineOptions { memory_bytes_max: 4 << 30, threads: 2, ..EngineOptions::default() };
        let asker = Asker { engine: Engine::new(store.clone(), options).unwrap(), project: PROJECT.into() };
        for (name, goal, query) in QUESTIONS.iter().filter(|(name, ..)| name.contains(&wanted)) {
            ask(&asker, name, *goal, &query.replace("ONCE", &request_id(lines / 3))).await;
        }
        drop(asker);
        store.shutdown().await.unwrap();
    });
}

async fn ask(asker: &Asker, name: &str, goal: u32, query: &str) {
    let sources = EventSources {
        of: vec![EventSource::Group { name: GROUP.into(), since_unix_nano: 0 }],
        start_unix_nano: START,
        end_unix_nano: START + 24 * HOUR,
    };
    let question = InsightsQuestion { log_groups: sources, rows_max: 10_000, ..InsightsQuestion::default() };
    let (mut least, mut wall, mut told) = (f64::MAX, f64::MAX, String::new());
    for _ in 0..RUNS {
        let (before, began) = (cpu_ms(), Instant::now());
        let found = asker.insights(query, &question).await.unwrap();
        least = least.min(cpu_ms() - before);
        wall = wall.min(began.elapsed().as_secs_f64() * 1e3);
        told = format!("{} rows, {} of {} lines", found.answer.rows(), found.matched, found.scanned);
    }
    println!("{least:8.0} {goal:>8}  {name} ({wall:.0} ms, {told})");
}

async fn open(folder: &Path) -> Store {
    std::fs::create_dir_all(folder).unwrap();
    let options = StoreOptions {
        flush_bytes: usize::MAX,
        flush_interval: std::time::Duration::from_secs(36_000),
        memory_bytes_max: usize::MAX,
        fsync: false,
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

async fn fill(store: &Store, lines: u64) {
    println!("writing {lines} lines, once");
    for from in (0..lines).step_by(LINES_PER_REQUEST as usize) {
        let to = lines.min(from + LINES_PER_REQUEST);
        let mut rows =
            RowBuffer::new(RowContext { receiver: "cloudwatch", received_at_unix_nano: START + 24 * HOUR, request: None });
        let stream = format!("web-{}", from / LINES_PER_REQUEST % 20);
        let resource = [
            Attribute::str("service.name", GROUP),
            Attribute::str("aws.log.group.name", GROUP),
            Attribute::str("aws.log.stream.name", stream.as_str()),
        ];
        rows.resource(&Resource { attributes: &resource, schema_url: "" });
        (from..to).for_each(|line| push(&mut rows, line, lines));
        store.append(PROJECT, Vec::new(), rows).await.unwrap();
        if to.is_multiple_of(LINES_PER_PART) || to == lines {
            store.flush().await.unwrap();
        }
    }
}

const TEMPLATES: [&str; 12] = [
    "request completed, took {m} ms: 200 for item {i}",
    "query took {m} ms: select id, state from orders where id = {i} limit 1",
    "published event order.created partition {i}, acknowledged, took {m} ms",
    "consumed message offset {i} from topic shipments-v1, took {m} ms",
    "cache lookup key price:{i} hit on redis-3.shop.internal, took {m} ms",
    "upstream payments answered 200, attempt 1 of 3, took {m} ms, amount {i} cents",
    "health check of inventory.shop.internal ok, took {m} ms, disk {i} MB free",
    "recommendation model v41 scored {i} candidates, took {m} ms",
    "email order-confirmation queued, message {i}, took {m} ms",
    "price of item {i} recomputed, took {m} ms: base 1999, discount 10 %",
    "retrying call to shipping after timeout, attempt 2 of 3, took {m} ms, deadline {i}",
    "could not reserve item {i}: stock is 0 in FRA-2, took {m} ms",
];

/// A document as apps log it, with its fields as attributes, as the receiver of CloudWatch's events makes them.
fn push(rows: &mut RowBuffer, line: u64, lines: u64) {
    let random = hash(line);
    let template = TEMPLATES[if random.is_multiple_of(7) { (random >> 8) as usize % 12 } else { (random >> 8) as usize % 4 }];
    let (level, severity_number) = match random >> 20 & 63 {
        0 => ("error", 17),
        1..4 => ("warn", 13),
        _ => ("info", 9),
    };
    let latency = (random >> 26) % 900 + 1;
    let message = template.replace("{m}", &latency.to_string()).replace("{i}", &((random >> 36) % 100_000).to_string());
    let (id, route) = (request_id(line), format!("/api/{}", (random >> 40) % 20));
    let body = format!(r#"{{"level":"{level}","msg":"{message}","route":"{route}","latency":{latency},"request_id":"{id}"}}"#);
    let event_id = format!("{line:056}");
    let attributes = [
        Attribute::str("level", level),
        Attribute::str("msg", message.as_str()),
        Attribute::str("route", route.as_str()),
        Attribute::new("latency", model::Value::Int(latency as i64)),
        Attribute::str("request_id", id.as_str()),
        Attribute::str("aws.log.event.id", event_id.as_str()),
    ];
    rows.log(&LogRecord {
        time_unix_nano: (START + (line as f64 / lines as f64 * (24 * HOUR) as f64) as i64) / MS * MS,
        severity_number,
        severity_text: level.into(),
        body: body.into(),
        sample_rate: 1.0,
        attributes: &attributes,
        ..LogRecord::default()
    });
}

fn request_id(line: u64) -> String {
    format!("{:016x}{:08x}", hash(line ^ 0x5555), line)
}

/// A number's bits well mixed.
fn hash(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
