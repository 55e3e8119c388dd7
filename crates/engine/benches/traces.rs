//! What questions over whole traces cost: the service graph and its numbers, pages of summaries, filters, heatmaps.
//!
//! Run with `cargo bench -p engine --bench traces -- [part of a question's name]`. The spans are written once, through the real
//! store, into `CUPOLA_BENCH_DATA` (or a folder under the target directory); `CUPOLA_BENCH_SPANS` says how many, one million by
//! default. Figures are CPU milliseconds of the whole process, the least of five.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::path::{Path, PathBuf};

use analysis::service_graph::Selector;
use engine::ask::Asker;
use engine::ask::trace_refine::RefineBy;
use engine::ask::trace_scope::TraceScope;
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
const HOUR: i64 = 3_600_000_000_000;
const MS: i64 = 1_000_000;
const TRACES_PER_REQUEST: u64 = 1_000;
const TRACES_PER_PART: u64 = 100_000;
const RUNS: usize = 5;
const SERVICES: u64 = 40;

fn main() {
    let spans: u64 = std::env::var("CUPOLA_BENCH_SPANS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let folder = std::env::var_os("CUPOLA_BENCH_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("traces-{spans}")), PathBuf::from);
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    // Threads that end take their time with them.
    let keep = std::time::Duration::from_secs(3_600);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_keep_alive(keep).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(&folder).await;
        if store.stats().part_rows == 0 {
            fill(&store, spans / SHAPE.len() as u64).await;
        }
        let stats = store.stats();
        println!("{} spans in {} parts", stats.part_rows, stats.parts);
        let options = EngineOptions { memory_bytes_max: 4 << 30, threads: 2, ..EngineOptions::default() };
        let engine = Engine::new(store.clone(), options).unwrap();
        ask_all(&Asker { engine, project: PROJECT.into() }, &wanted).await;
        store.shutdown().await.unwrap();
    });
}

async fn ask_all(asker: &Asker, wanted: &str) {
    let scope = TraceScope::over(TimeRange { start_unix_nano: START, end_unix_nano: START + HOUR });
    let filtered = |filter: &str| TraceScope { filter: filter.into(), ..scope.clone() };
    let graph = async |scope: &TraceScope| {
        let graph = asker.service_graph(scope).await.unwrap().graph;
        let calls: f64 = graph.edges.iter().map(|edge| edge.statistics.total()).sum();
        format!("{} nodes, {} edges, {calls} calls", graph.nodes.len(), graph.edges.len())
    };
    let summaries = async |scope: &TraceScope, limit: usize| {
        let page = asker.trace_summaries(scope, limit, None).await.unwrap();
        format!("{} of {} traces looked at", page.traces.len(), page.traces_looked_at)
    };
    let line = Line { wanted };
    line.ask("service graph", async || graph(&scope).await).await;
    let group = filtered(r#"service("service-7") { fault }"#);
    line.ask("service graph of a group", async || graph(&group).await).await;
    line.ask("a page of 100 summaries", async || summaries(&scope, 100).await).await;
    line.ask("a page of 1,000 summaries", async || summaries(&scope, 1_000).await).await;
    let tenant = filtered(r#"annotation.tenant = "tenant-0042""#);
    line.ask("summaries by an annotation that few have", async || summaries(&tenant, 100).await).await;
    let nothing = filtered("duration > 1000");
    line.ask("summaries by what no trace is", async || summaries(&nothing, 100).await).await;
    let series = async || {
        let selector = Selector::Node { name: "service-7".into(), node_type: None };
        let told = asker.time_series(&scope, selector, 60).await.unwrap().series;
        format!("{} requests", told.statistics.iter().map(|period| period.total()).sum::<f64>())
    };
    line.ask("numbers of a node by the minute", series).await;
    let heatmap = async || format!("{} cells", asker.trace_heatmap(&scope).await.unwrap().cells.len());
    line.ask("heatmap", heatmap).await;
    let refined = async || {
        let told = asker.trace_refinement(&scope, RefineBy::Attribute("tenant".into())).await.unwrap();
        format!("{} values", told.rows.len() + told.values_left_out)
    };
    line.ask("values of an attribute", refined).await;
}

struct Line<'a> {
    wanted: &'a str,
}

impl Line<'_> {
    async fn ask(&self, name: &str, question: impl AsyncFn() -> String) {
        if !name.contains(self.wanted) {
            return;
        }
        let (mut least, mut told) = (f64::MAX, String::new());
        for _ in 0..RUNS {
            let before = cpu_ms();
            told = question().await;
            least = least.min(cpu_ms() - before);
        }
        println!("{least:8.0}  {name} ({told})");
    }
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

async fn fill(store: &Store, traces: u64) {
    println!("writing {traces} traces of {} spans, once", SHAPE.len());
    for from in (0..traces).step_by(TRACES_PER_REQUEST as usize) {
        let to = traces.min(from + TRACES_PER_REQUEST);
        let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: START + HOUR, request: None });
        // Spans of a thousand traces come mixed, as exporters send them.
        for place in 0..SHAPE.len() {
            (from..to).for_each(|trace| push(&mut rows, trace, place, traces));
        }
        store.append(PROJECT, Vec::new(), rows).await.unwrap();
        if to.is_multiple_of(TRACES_PER_PART) || to == traces {
            store.flush().await.unwrap();
        }
    }
}

/// Of each span of a trace: its parent's place, its side, how far down the chain of services, when it begins and how long it
/// takes in hundredths of the root's time.
const SHAPE: [(Option<usize>, SpanKind, u64, i64, i64); 8] = [
    (None, SpanKind::Server, 0, 0, 100),
    (Some(0), SpanKind::Internal, 0, 2, 90),
    (Some(1), SpanKind::Client, 0, 5, 60),
    (Some(2), SpanKind::Server, 1, 8, 50),
    (Some(3), SpanKind::Client, 1, 10, 20),
    (Some(3), SpanKind::Client, 1, 32, 20),
    (Some(5), SpanKind::Server, 2, 33, 15),
    (Some(6), SpanKind::Client, 2, 34, 10),
];

fn push(rows: &mut RowBuffer, trace: u64, place: usize, traces: u64) {
    let (parent, kind, depth, begins, takes) = SHAPE[place];
    let random = hash(trace);
    let service = format!("service-{}", (random % 8 + depth * (7 + random % 3)) % SERVICES);
    let namespace = Attribute::str("cloud.platform", "aws_ecs");
    rows.resource(&Resource { attributes: &[Attribute::str("service.name", service.as_str()), namespace], schema_url: "" });
    let failed = (random >> 20).is_multiple_of(50);
    let status = if failed { [404, 429, 500, 503][(random >> 30) as usize % 4] } else { 200 };
    let route = format!("/api/{}", (random >> 8) % 20 + depth);
    let tenant = format!("tenant-{:04}", (random >> 40) % 1_000);
    let mut attributes = vec![Attribute::new("http.response.status_code", Value::Int(status))];
    match place {
        4 => {
            let table = ["carts", "orders", "users"][(random >> 12) as usize % 3];
            attributes.extend([Attribute::str("db.system.name", "postgresql"), Attribute::str("db.namespace", table)]);
            attributes.push(Attribute::str("server.address", "db.internal"));
        }
        7 => {
            attributes.extend([Attribute::str("rpc.system", "aws-api"), Attribute::str("rpc.service", "DynamoDB")]);
            attributes.push(Attribute::str("aws.table_name", ["sessions", "locks"][(random >> 13) as usize % 2]));
        }
        _ => {
            attributes.extend([Attribute::str("url.path", route.as_str()), Attribute::str("http.request.method", "GET")]);
            attributes.push(Attribute::str("tenant", tenant.as_str()));
        }
    }
    let name = match kind {
        SpanKind::Server => format!("GET {route}"),
        SpanKind::Client => "call".into(),
        _ => "render".into(),
    };
    let took = MS * (20 + ((random >> 16) % 200) as i64 * ((random >> 50) % 5 + 1) as i64);
    let began = START + (trace as f64 / traces as f64 * HOUR as f64) as i64;
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random.to_be_bytes());
    id[8..].copy_from_slice(&hash(random).to_be_bytes());
    let span_id = |place: usize| SpanId(hash(trace * SHAPE.len() as u64 + place as u64 + 1).to_be_bytes());
    rows.span(&Span {
        start_time_unix_nano: began + took * begins / 100,
        duration_ns: took * takes / 100,
        kind,
        status_code: if status >= 500 { StatusCode::Error } else { StatusCode::Unset },
        parent_span_id: parent.map(span_id),
        attributes: &attributes,
        ..Span::new(TraceId(id), span_id(place), &name)
    });
}

/// A number's bits well mixed.
fn hash(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
