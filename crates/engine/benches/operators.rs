//! What questions over many spans cost, ours beside DataFusion as it comes, over the same files in the same run.
//!
//! Run with `cargo bench -p engine --bench operators -- [part of a question's name]`. The spans are written once, through the
//! real store, into `CUPOLA_BENCH_DATA` (or a folder under the target directory); `CUPOLA_BENCH_SPANS` says how many, two
//! million by default. Figures are CPU milliseconds of the whole process, the least of five.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::path::{Path, PathBuf};

use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use engine::ask::Asker;
use engine::ask::bubble_up::BubbleUpQuestion;
use engine::{Engine, EngineOptions};
use metastore::Metastore;
use model::{Attribute, Resource, RowSink, Span, SpanId, SpanKind, StatusCode, TraceId, Value};
use store::{RowBuffer, RowContext, Store, StoreOptions, TimeRange};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROJECT: &str = "default";
/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000_000_000;
const DAY: i64 = 86_400_000_000_000;
const SPANS_PER_TRACE: u64 = 8;
const SPANS_PER_REQUEST: u64 = 10_000;
const SPANS_PER_PART: u64 = 1_000_000;
const RUNS: usize = 5;

/// A question in our words and in DataFusion's, which has no percentile that weighs.
struct Question {
    name: &'static str,
    ours: &'static str,
    stock: &'static str,
}

const QUESTIONS: &[Question] = &[
    Question {
        name: "count, p50/p95/p99 by service and route",
        ours: r#"SELECT "service.name", "http.route", count(*), percentile(duration_ns, 0.5), percentile(duration_ns, 0.95), percentile(duration_ns, 0.99) FROM spans GROUP BY 1, 2"#,
        stock: r#"SELECT "service.name", "http.route", count(*), approx_percentile_cont(duration_ns, 0.5), approx_percentile_cont(duration_ns, 0.95), approx_percentile_cont(duration_ns, 0.99) FROM spans GROUP BY 1, 2"#,
    },
    Question {
        name: "the same, weighted",
        ours: r#"SELECT "service.name", "http.route", sum(sample_rate), percentile(duration_ns, 0.5, sample_rate), percentile(duration_ns, 0.95, sample_rate), percentile(duration_ns, 0.99, sample_rate) FROM spans GROUP BY 1, 2"#,
        stock: r#"SELECT "service.name", "http.route", sum(sample_rate), approx_percentile_cont_with_weight(duration_ns, sample_rate, 0.5), approx_percentile_cont_with_weight(duration_ns, sample_rate, 0.95), approx_percentile_cont_with_weight(duration_ns, sample_rate, 0.99) FROM spans GROUP BY 1, 2"#,
    },
    Question {
        name: "count by service and route",
        ours: r#"SELECT "service.name", "http.route", count(*) FROM spans GROUP BY 1, 2"#,
        stock: r#"SELECT "service.name", "http.route", count(*) FROM spans GROUP BY 1, 2"#,
    },
    Question {
        name: "heatmap of one service",
        ours: r#"SELECT time_bucket(interval '15 minutes', time), log_bucket(duration_ns), count(*) FROM spans WHERE "service.name" = 'service-3' GROUP BY 1, 2"#,
        stock: r#"SELECT date_bin(interval '15 minutes', time), floor(log2(duration_ns) * 4), count(*) FROM spans WHERE "service.name" = 'service-3' GROUP BY 1, 2"#,
    },
    Question {
        name: "top 20 of user ids",
        ours: r#"SELECT "user.id", count(*) AS n FROM spans GROUP BY 1 ORDER BY n DESC LIMIT 20"#,
        stock: r#"SELECT "user.id", count(*) AS n FROM spans GROUP BY 1 ORDER BY n DESC LIMIT 20"#,
    },
    Question {
        name: "errors over time by service",
        ours: r#"SELECT time_bucket(interval '15 minutes', time), "service.name", count(*) FROM spans WHERE status_code = 'error' GROUP BY 1, 2"#,
        stock: r#"SELECT date_bin(interval '15 minutes', time), "service.name", count(*) FROM spans WHERE status_code = 'error' GROUP BY 1, 2"#,
    },
    Question {
        name: "read three text columns",
        ours: r#"SELECT max("service.name"), max(name), max("tenant.id") FROM spans"#,
        stock: r#"SELECT max("service.name"), max(name), max("tenant.id") FROM spans"#,
    },
    Question {
        name: "a text with a pattern",
        ours: r#"SELECT count(*) FROM spans WHERE "http.route" LIKE '%/items/7%'"#,
        stock: r#"SELECT count(*) FROM spans WHERE "http.route" LIKE '%/items/7%'"#,
    },
];

/// What BubbleUp compares: as many columns as in the measurements the goals come from.
const COMPARED: [&str; 12] = [
    "service.name",
    "service.version",
    "k8s.namespace.name",
    "cloud.availability_zone",
    "telemetry.sdk.language",
    "k8s.pod.name",
    "http.route",
    "http.request.method",
    "http.response.status_code",
    "tenant.id",
    "feature.flag",
    "status_code",
];

const SLOW: &str = "duration_ns > 50000000";

async fn bubble_up(engine: &Engine, stock: &SessionContext, columns: &[&str], name: &str) {
    let asker = Asker { engine: engine.clone(), project: PROJECT.into() };
    let question = BubbleUpQuestion {
        signal: model::Signal::Spans,
        range: TimeRange { start_unix_nano: START, end_unix_nano: START + 2 * DAY },
        selection: SLOW.into(),
        baseline: None,
        columns: Some(columns.iter().map(|column| (*column).to_owned()).collect()),
        limit: 3,
    };
    let (mut ours, mut theirs, mut told) = (f64::MAX, f64::MAX, String::new());
    for _ in 0..RUNS {
        let before = cpu_ms();
        let answer = asker.bubble_up(question.clone()).await.unwrap();
        ours = ours.min(cpu_ms() - before);
        let columns = answer.columns.iter().map(|column| format!("{} {:.3}", column.name, column.difference));
        told = format!("{} of {} rows: {}", answer.selection.rows, answer.baseline.rows, columns.collect::<Vec<_>>().join(", "));
    }
    for _ in 0..1 {
        let before = cpu_ms();
        for column in columns {
            let sql = format!(r#"SELECT "{column}", count(*), count(*) FILTER (WHERE {SLOW}) FROM spans GROUP BY 1"#);
            stock.sql(&sql).await.unwrap().collect().await.unwrap();
        }
        theirs = theirs.min(cpu_ms() - before);
    }
    println!("{ours:8.0} {theirs:8.0}  {name} ({told})");
}

fn main() {
    let spans: u64 = std::env::var("CUPOLA_BENCH_SPANS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000_000);
    let folder = std::env::var_os("CUPOLA_BENCH_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("operators-{spans}")), PathBuf::from);
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&folder).await;
        if store.stats().part_rows == 0 {
            fill(&store, spans).await;
        }
        let stats = store.stats();
        println!(
            "{} spans in {} parts, {:.1} B a span",
            stats.part_rows,
            stats.parts,
            stats.part_bytes as f64 / stats.part_rows as f64
        );
        let options = EngineOptions { memory_bytes_max: 4 << 30, threads: 2, ..EngineOptions::default() };
        let engine = Engine::new(store.clone(), options).unwrap();
        let stock = stock(&folder).await;
        println!("{:>8} {:>8}  question", "ours", "stock");
        for question in QUESTIONS.iter().filter(|question| question.name.contains(&wanted)) {
            let (mut ours, mut theirs, mut rows) = (f64::MAX, f64::MAX, (0, 0));
            for _ in 0..RUNS {
                let before = cpu_ms();
                rows.0 = engine.sql(PROJECT, question.ours, 1_000_000).await.unwrap().rows();
                ours = ours.min(cpu_ms() - before);
            }
            for _ in 0..RUNS.min(3) {
                let before = cpu_ms();
                let batches = stock.sql(question.stock).await.unwrap().collect().await.unwrap();
                rows.1 = batches.iter().map(|batch| batch.num_rows()).sum();
                theirs = theirs.min(cpu_ms() - before);
            }
            println!("{ours:8.0} {theirs:8.0}  {} ({} rows, {})", question.name, rows.0, rows.1);
        }
        if "bubbleup".contains(&wanted) {
            bubble_up(&engine, &stock, &COMPARED, "bubbleup of 12 attributes").await;
            bubble_up(&engine, &stock, &["user.id", "db.rows", "cache.hit"], "bubbleup of ids, numbers and truth values").await;
        }
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
        ..StoreOptions::new(folder)
    };
    Store::open(options, Metastore::open(folder).await.unwrap(), |_| None).await.unwrap()
}

async fn stock(folder: &Path) -> SessionContext {
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().execution.parquet.pushdown_filters = true;
    config.options_mut().execution.parquet.reorder_filters = true;
    let context = SessionContext::new_with_config(config);
    let path = folder.join("parts/default/spans");
    context.register_parquet("spans", path.to_str().unwrap(), ParquetReadOptions::default()).await.unwrap();
    context
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

async fn fill(store: &Store, spans: u64) {
    println!("writing {spans} spans, once");
    let words = Words::new();
    for from in (0..spans).step_by(SPANS_PER_REQUEST as usize) {
        let to = spans.min(from + SPANS_PER_REQUEST);
        let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: START + DAY, request: None });
        (from..to).for_each(|number| words.push(&mut rows, number, spans));
        store.append(PROJECT, Vec::new(), rows).await.unwrap();
        if to.is_multiple_of(SPANS_PER_PART) || to == spans {
            store.flush().await.unwrap();
        }
    }
}

/// Texts that spans borrow.
struct Words {
    services: Vec<[String; 6]>,
    routes: Vec<String>,
    tenants: Vec<String>,
    pods: Vec<String>,
}

impl Words {
    fn new() -> Words {
        let service = |number: u64| {
            [
                format!("service-{number}"),
                format!("1.{}.{}", number % 3, number % 7),
                "production".into(),
                format!("namespace-{}", number % 5),
                format!("eu-central-{}", number % 4),
                ["rust", "go", "java", "python"][number as usize % 4].into(),
            ]
        };
        Words {
            services: (0..20).map(service).collect(),
            routes: (0..300).map(|number| format!("/api/v1/items/{number}/{{id}}")).collect(),
            tenants: (0..1_000).map(|number| format!("tenant-{number:04}")).collect(),
            pods: (0..200).map(|number| format!("pod-{:08x}-{number}", hash(number))).collect(),
        }
    }

    fn push(&self, rows: &mut RowBuffer, number: u64, spans: u64) {
        let trace = number / SPANS_PER_TRACE;
        let (random, of_trace) = (hash(number), hash(trace ^ 0x5eed));
        // A few services have most of the spans.
        let service = ((random % 1_000_000) as f64 / 1e6).powi(2) * 20.0;
        let service = service as usize;
        let [name, version, environment, namespace, zone, language] = &self.services[service];
        let pod = &self.pods[service * 10 + (random >> 20) as usize % 10];
        rows.resource(&Resource {
            attributes: &[
                Attribute::str("service.name", name.as_str()),
                Attribute::str("service.version", version.as_str()),
                Attribute::str("deployment.environment.name", environment.as_str()),
                Attribute::str("k8s.namespace.name", namespace.as_str()),
                Attribute::str("cloud.availability_zone", zone.as_str()),
                Attribute::str("telemetry.sdk.language", language.as_str()),
                Attribute::str("k8s.pod.name", pod.as_str()),
            ],
            schema_url: "",
        });
        let route = &self.routes[service * 15 + (random >> 24) as usize % 15];
        let method = ["GET", "GET", "GET", "POST", "PUT"][(random >> 30) as usize % 5];
        let is_slow = zone.ends_with('2') && version.starts_with("1.1");
        let failed = (random >> 34).is_multiple_of(100);
        let user = format!("user-{}", of_trace % 1_000_000);
        let root_mean_square = |bits: u64| ((bits & 0xffff) as f64 / 65_536.0 + (bits >> 16 & 0xffff) as f64 / 65_536.0) - 1.0;
        let size =
            15.0 + root_mean_square(hash(random)) * 3.0 + root_mean_square(random >> 3) * 2.0 + if is_slow { 2.0 } else { 0.0 };
        let attributes = [
            Attribute::str("http.route", route.as_str()),
            Attribute::str("http.request.method", method),
            Attribute::new("http.response.status_code", Value::Int(if failed { 500 } else { 200 + (random >> 40 & 3) as i64 })),
            Attribute::str("user.id", user.as_str()),
            Attribute::str("tenant.id", self.tenants[(of_trace >> 20) as usize % 1_000].as_str()),
            Attribute::new("cache.hit", Value::Bool(random & 4 == 0)),
            Attribute::new("db.rows", Value::Int((random >> 44) as i64 % 50)),
            Attribute::str("feature.flag", ["on", "off", "control"][(of_trace >> 40) as usize % 3]),
        ];
        let mut id = [0; 16];
        id[..8].copy_from_slice(&of_trace.to_be_bytes());
        id[8..].copy_from_slice(&hash(of_trace).to_be_bytes());
        let place = number % SPANS_PER_TRACE;
        let time = START + (trace as f64 / (spans / SPANS_PER_TRACE) as f64 * DAY as f64) as i64 + (random & 0xff_ffff) as i64;
        rows.span(&Span {
            start_time_unix_nano: time,
            duration_ns: size.exp() as i64,
            kind: if place == 0 { SpanKind::Server } else { SpanKind::Client },
            status_code: if failed { StatusCode::Error } else { StatusCode::Unset },
            parent_span_id: (place > 0).then(|| SpanId((number - place + 1).to_be_bytes())),
            attributes: &attributes,
            ..Span::new(TraceId(id), SpanId((number + 1).to_be_bytes()), route)
        });
    }
}

/// A number's bits well mixed.
fn hash(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
