//! What a row costs on disk and on its way there: bytes and CPU time of fresh and of compacted parts.
//!
//! Rows as an app of some size makes them: 20 services, some much busier than others, 8 to 12 spans a trace, 300 names, a
//! million users, Kubernetes resources; log lines of about 100 bytes. Prints a line per step; run with
//! `cargo bench -p store --bench parts`, and with a number for how many thousand rows, and `columns` for a table of bytes.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may panic")]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use metastore::Metastore;
use model::{
    Attribute, Exception, LogRecord, Resource, RowSink, Scope, Signal, Span, SpanId, SpanKind, StatusCode, TraceId, Value,
};
use store::{RowBuffer, RowContext, Store, StoreOptions, TimeRange};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROJECT: &str = "default";
const SERVICES: usize = 20;
const PODS: usize = 4;
const REQUEST_ROWS: usize = 500;
const ROWS_PER_FLUSH: usize = 150_000;
/// 2026-11-21 00:00 UTC.
const START: i64 = 1_795_219_200_000_000_000;
/// Between two traces.
const TRACE_NANOS: i64 = 1_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rows = words.iter().find_map(|word| word.parse::<usize>().ok()).unwrap_or(1_000) * 1_000;
    let with_columns = words.iter().any(|word| word == "columns");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for signal in [Signal::Spans, Signal::Logs] {
        if !words.iter().any(|word| Signal::ALL.iter().any(|known| known.table() == word))
            || words.iter().any(|word| word == signal.table())
        {
            runtime.block_on(measure(signal, rows, with_columns));
        }
    }
}

async fn measure(signal: Signal, rows: usize, with_columns: bool) {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        flush_interval: Duration::from_secs(3600),
        flush_bytes: usize::MAX,
        memory_bytes_max: usize::MAX,
        compaction: false,
        fsync: false,
        ..StoreOptions::new(folder.path())
    };
    let store = Store::open(options, Metastore::open(folder.path()).await.unwrap(), |_| None).await.unwrap();
    let mut world = World::new(signal);
    let (mut appending, mut flushing, mut memory) = (0, 0, 0);
    let mut appended = 0;
    while appended < rows {
        let before = cpu_nanos();
        for _ in 0..ROWS_PER_FLUSH / REQUEST_ROWS {
            let request = world.request();
            appended += request.rows().total() as usize;
            store.append(PROJECT, vec![b'-'], request).await.unwrap();
        }
        let between = cpu_nanos();
        memory = store.stats().memory_bytes / store.stats().memory_rows.max(1);
        store.flush().await.unwrap();
        appending += between - before;
        flushing += cpu_nanos() - between;
    }
    let fresh = store.stats();
    if with_columns {
        columns(folder.path(), &store, signal).await;
    }
    let before = cpu_nanos();
    store.compact_now(None).await.unwrap();
    let compacting = cpu_nanos() - before;
    let settled = store.stats();
    let each = |value: u64| value as f64 / appended as f64;
    println!(
        "{}: {appended} rows: appended {:.0} ns (with their making), flushed {:.0} ns, compacted {:.0} ns CPU a row; {memory} B a row in \
         memory, {:.1} B in {} fresh parts, {:.1} B in {} compacted, index {:.2} B; peak memory {} MB",
        signal.table(),
        each(appending),
        each(flushing),
        each(compacting),
        each(fresh.part_bytes),
        fresh.parts,
        each(settled.part_bytes),
        settled.parts,
        each(settled.index_bytes),
        peak_megabytes(),
    );
    if with_columns {
        columns(folder.path(), &store, signal).await;
    }
    let found = find(&store, signal, &world).await;
    println!("{}: a trace is found in {} us CPU (miss {} us)", signal.table(), found.0, found.1);
    store.shutdown().await.unwrap();
}

async fn find(store: &Store, signal: Signal, world: &World) -> (u64, u64) {
    const TIMES: u64 = 2_000;
    let before = cpu_nanos();
    for number in 0..TIMES {
        let found = store.find_trace_now(PROJECT, signal, world.trace_id(number)).unwrap();
        assert!(!found.parts.is_empty());
    }
    let between = cpu_nanos();
    for number in 0..TIMES {
        assert!(store.find_trace_now(PROJECT, signal, [number as u8; 16]).unwrap().parts.is_empty());
    }
    ((between - before) / TIMES / 1_000, (cpu_nanos() - between) / TIMES / 1_000)
}

/// What each column takes.
async fn columns(folder: &Path, store: &Store, signal: Signal) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let snapshot = store.snapshot(PROJECT, signal, TimeRange::ALL).await.unwrap();
    let mut bytes: HashMap<String, (i64, i64, String)> = HashMap::new();
    let (mut rows, mut footers) = (0, 0);
    for part in &snapshot.parts {
        let file = std::fs::File::open(folder.join("parts").join(part.path.as_ref())).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        rows += part.rows;
        footers += part.bytes as i64;
        for group in reader.metadata().row_groups() {
            for column in group.columns() {
                let entry = bytes.entry(column.column_path().string()).or_default();
                entry.0 += column.compressed_size();
                entry.1 += i64::from(column.bloom_filter_length().unwrap_or(0));
                entry.2 = column.encodings().map(|encoding| format!("{encoding:?}")).collect::<Vec<_>>().join("+");
                footers -= column.compressed_size() + i64::from(column.bloom_filter_length().unwrap_or(0));
            }
        }
    }
    let mut bytes: Vec<_> = bytes.into_iter().collect();
    bytes.sort_by_key(|(_, (bytes, ..))| -bytes);
    for (name, (bytes, bloom, encodings)) in bytes {
        println!("  {name:32} {:6.2} B, bloom {:.2} B, {encodings}", bytes as f64 / rows as f64, bloom as f64 / rows as f64);
    }
    println!("  {:32} {:6.2} B", "footers", footers as f64 / rows as f64);
}

/// CPU time of the process, all threads.
fn cpu_nanos() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(of).sum()
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// The app: traces begin one after the other, their spans wait in the exporters of the services' pods.
struct World {
    signal: Signal,
    random: u64,
    traces: u64,
    pods: Vec<Vec<Row>>,
    ready: Vec<usize>,
    names: Vec<(String, String)>,
}

#[derive(Clone)]
struct Row {
    trace: u64,
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent: Option<[u8; 8]>,
    time: i64,
    duration: i64,
    name: usize,
    user: u64,
    status: i64,
    draw: u64,
}

impl World {
    fn new(signal: Signal) -> World {
        let verbs = ["GET", "POST", "PUT", "DELETE"];
        let things = ["users", "orders", "carts", "items", "payments", "invoices", "sessions", "events", "prices", "reviews"];
        let names = (0..300)
            .map(|number| {
                let (verb, thing) = (verbs[number % 4], things[number / 4 % 10]);
                (format!("{verb} /api/v{}/{thing}/{{id}}/{}", number / 40, number % 7), format!("/api/v{}/{thing}/", number / 40))
            })
            .collect();
        World {
            signal,
            random: 88_172_645_463_325_252,
            traces: 0,
            pods: vec![Vec::new(); SERVICES * PODS],
            ready: Vec::new(),
            names,
        }
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn trace_id(&self, trace: u64) -> [u8; 16] {
        let mut id = [0; 16];
        let mut hash = trace.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for half in id.chunks_mut(8) {
            hash ^= hash >> 29;
            hash = hash.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            half.copy_from_slice(&hash.to_le_bytes());
        }
        id
    }

    /// A number below `count`, small ones much more often.
    fn zipf(&mut self, count: usize) -> usize {
        let draw = (self.next() % 1_000_000) as f64 / 1_000_000.0;
        (((count + 1) as f64).powf(draw) - 1.0) as usize
    }

    fn begin_trace(&mut self) {
        let trace = self.traces;
        self.traces += 1;
        let trace_id = self.trace_id(trace);
        let start = START + trace as i64 * TRACE_NANOS + (self.next() % 1_000_000) as i64;
        let (spans, user) = (8 + self.next() % 5, self.next() % 1_000_000);
        let (mut parent, mut time) = (None, start);
        for _ in 0..spans {
            let service = self.zipf(SERVICES).min(SERVICES - 1);
            let name = service * 15 + self.zipf(15).min(14);
            let draw = self.next();
            let duration = (10f64.powf(5.0 + (draw % 10_000) as f64 / 3_000.0)) as i64 + (draw % 997) as i64;
            let status = if draw.is_multiple_of(100) { 500 } else { [200, 200, 200, 201, 204, 301, 404][(draw % 7) as usize] };
            let span_id = self.next().to_le_bytes();
            let row = Row { trace, trace_id, span_id, parent, time, duration, name, user, status, draw };
            let pod = service * PODS + (draw / 7) as usize % PODS;
            self.pods[pod].push(row);
            if self.pods[pod].len().is_multiple_of(REQUEST_ROWS) {
                self.ready.push(pod);
            }
            parent = Some(span_id);
            time += (draw % 3_000_000) as i64;
        }
    }

    /// What the next exporter sends whose batch is full.
    fn request(&mut self) -> RowBuffer {
        let pod = loop {
            if let Some(pod) = self.ready.pop() {
                break pod;
            }
            self.begin_trace();
        };
        let sent = REQUEST_ROWS.min(self.pods[pod].len());
        let rest = self.pods[pod].split_off(sent);
        let rows = std::mem::replace(&mut self.pods[pod], rest);
        let received = rows.last().unwrap().time + 1_000_000_000;
        let mut buffer = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: received, request: None });
        let (service, pod) = (format!("service-{}", pod / PODS), format!("service-{}-7d4b9c6f8-{:05x}", pod / PODS, pod * 7919));
        let resource = [
            Attribute::str("service.name", service.as_str()),
            Attribute::str("service.version", "2026.11.3"),
            Attribute::str("deployment.environment.name", "production"),
            Attribute::str("k8s.cluster.name", "eu-west-1a"),
            Attribute::str("k8s.namespace.name", "shop"),
            Attribute::str("k8s.pod.name", pod.as_str()),
            Attribute::str("k8s.node.name", "ip-10-0-17-42.eu-west-1.compute.internal"),
            Attribute::str("telemetry.sdk.language", "rust"),
            Attribute::str("telemetry.sdk.name", "opentelemetry"),
            Attribute::str("telemetry.sdk.version", "0.33.0"),
        ];
        buffer.resource(&Resource { attributes: &resource, schema_url: "" });
        buffer.scope(&Scope { name: "http", version: "1.4.2", ..Scope::default() });
        for row in &rows {
            if self.signal == Signal::Spans { self.span(row, &mut buffer) } else { self.log(row, &mut buffer) }
        }
        buffer
    }

    fn span(&self, row: &Row, out: &mut RowBuffer) {
        let (name, path) = &self.names[row.name];
        let user = format!("user-{}", row.user);
        let path = format!("{path}{}", row.draw % 100_000);
        let session = format!("{:016x}", row.trace.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let client = format!("10.{}.{}.{}", row.user % 3, row.user % 251, row.user % 241);
        let tenant = format!("tenant-{}", row.user % 500);
        let kind = [SpanKind::Server, SpanKind::Client, SpanKind::Internal][(row.draw % 3) as usize];
        let attributes = [
            Attribute::str("http.request.method", ["GET", "POST", "PUT", "DELETE"][row.name % 4]),
            Attribute::str("http.route", name.as_str()),
            Attribute::new("http.response.status_code", Value::Int(row.status)),
            Attribute::str("url.path", path.as_str()),
            Attribute::str("url.scheme", "https"),
            Attribute::str("server.address", "shop.example.org"),
            Attribute::new("server.port", Value::Int(443)),
            Attribute::str("network.protocol.version", "1.1"),
            Attribute::str("user.id", user.as_str()),
            Attribute::str("tenant.id", tenant.as_str()),
            Attribute::str("session.id", session.as_str()),
            Attribute::str("client.address", client.as_str()),
            Attribute::new("feature.new_checkout", Value::Bool(row.user.is_multiple_of(10))),
            Attribute::new("db.rows", Value::Int((row.draw % 50) as i64)),
            Attribute::new("thread.id", Value::Int((row.draw % 32) as i64)),
        ];
        out.span(&Span {
            start_time_unix_nano: row.time,
            duration_ns: row.duration,
            parent_span_id: row.parent.map(SpanId),
            kind,
            flags: 257,
            status_code: if row.status >= 500 { StatusCode::Error } else { StatusCode::Unset },
            attributes: &attributes,
            ..Span::new(TraceId(row.trace_id), SpanId(row.span_id), name)
        });
    }

    fn log(&self, row: &Row, out: &mut RowBuffer) {
        let (name, _) = &self.names[row.name];
        let (user, draw) = (row.user, row.draw);
        let body = match draw % 5 {
            0 => format!("request {name} of user-{user} done in {} us with status {}", row.duration / 1000, row.status),
            1 => format!(
                "cache miss for key cart:{user}:{:08x}, loading {} items from the primary database",
                draw >> 32,
                draw % 90
            ),
            2 => format!(
                "payment {:016x} of {}.{:02} EUR authorised by provider in {} ms",
                draw,
                draw % 900,
                draw % 100,
                draw % 777
            ),
            3 => format!(
                "connection to ip-10-0-{}-{}.eu-west-1.compute.internal:5432 taken from pool, {} idle",
                draw % 9,
                draw % 200,
                draw % 20
            ),
            _ => format!(
                "message {:012x} consumed from orders.events partition {} at offset {}",
                draw >> 16,
                draw % 32,
                row.trace * 3
            ),
        };
        let thrown = Exception {
            r#type: "PaymentDeclined".into(),
            message: format!("card of user-{user} was declined").into(),
            stacktrace: "PaymentDeclined: card was declined\n  at pay (payments.rs:42)\n  at handle (server.rs:17)".into(),
            ..Exception::default()
        };
        let attributes = [
            Attribute::str("log.logger", ["http", "cache", "payments", "db", "queue"][(draw % 5) as usize]),
            Attribute::new("thread.id", Value::Int((draw % 32) as i64)),
        ];
        out.log(&LogRecord {
            time_unix_nano: row.time + (draw % 1_000_000) as i64,
            trace_id: Some(TraceId(row.trace_id)),
            span_id: Some(SpanId(row.span_id)),
            flags: 1,
            severity_number: if row.status >= 500 { 17 } else { 9 },
            severity_text: if row.status >= 500 { "ERROR".into() } else { "INFO".into() },
            body: body.into(),
            exception: (row.status >= 500).then_some(thrown),
            attributes: &attributes,
            ..LogRecord::default()
        });
    }
}
