//! What thinning and deleting cost: CPU time for each row that is looked at.
//!
//! Prints one line per step; run with `cargo bench -p store --bench retention`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may panic")]

use metastore::{DeletionKind, Metastore, NewDeletion, RetentionPolicy};
use model::{Attribute, LogRecord, Resource, RowSink, Span, SpanId, SpanKind, StatusCode, TraceId, Value};
use store::{Clock, RowBuffer, RowContext, Store, StoreOptions};

const HOUR: u64 = 3_600_000_000_000;
const HOURS: u64 = 24;
const TRACES_PER_HOUR: u64 = 5_000;
const SPANS_PER_TRACE: u64 = 8;
const START: u64 = 20_000 * 24 * HOUR;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(folder.path()).await.unwrap();
    let clock = Clock::manual((START + (HOURS + 2) * HOUR) as i64);
    let options = StoreOptions { clock, fsync: false, compaction: false, publish: false, ..StoreOptions::new(folder.path()) };
    let store = Store::open(options, metastore.clone(), |_| None).await.unwrap();
    for hour in 0..HOURS {
        for some in 0..TRACES_PER_HOUR / 500 {
            store.append("default", b"-".to_vec(), traces(hour, some * 500, 500)).await.unwrap();
        }
        store.flush().await.unwrap();
    }
    let stats = store.stats();
    println!("{} rows in {} parts, {} bytes", stats.part_rows, stats.parts, stats.part_bytes);

    let deletion = |id: &str, kind| NewDeletion {
        id: id.to_owned(),
        project: "default".to_owned(),
        kind,
        signals: vec!["spans".to_owned(), "logs".to_owned(), "metrics".to_owned()],
        requested_at_unix_nano: (START + (HOURS + 2) * HOUR) as i64,
    };
    let person = DeletionKind::Person { attributes: analysis_names(), value: Some("user-17".to_owned()) };
    for (what, request) in [
        ("delete a trace", deletion("a", DeletionKind::Trace { trace_id: trace(3, 4_711).to_string() })),
        ("delete a person", deletion("b", person)),
    ] {
        let before = cpu_seconds();
        store.delete(&request).await.unwrap();
        store.run_deletions().await.unwrap();
        let receipt = metastore.deletion("default", &request.id).await.unwrap().unwrap();
        let rewritten = receipt.parts_rewritten;
        println!("{what}: {:.3} s CPU, {} spans, {rewritten} parts rewritten", cpu_seconds() - before, receipt.spans);
    }
    let mut bytes = store.stats().part_bytes;
    for round in ["first", "second"] {
        bytes /= 4;
        let policy = RetentionPolicy { traces_bytes_max: Some(bytes), ..RetentionPolicy::default() };
        metastore.put_retention_policy("default", Some(&policy), 0).await.unwrap();
        let rows = store.stats().part_rows;
        let before = cpu_seconds();
        let run = store.retain("default").await.unwrap();
        let seconds = cpu_seconds() - before;
        println!(
            "{round} thinning to a quarter: {seconds:.2} s CPU, {:.0} ns a row looked at, {} of {rows} rows stay, {} of {} bytes",
            seconds * 1e9 / rows as f64,
            run.rows_after,
            run.bytes_after,
            run.bytes_before
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}

fn analysis_names() -> Vec<String> {
    ["user.id", "user.name", "user.email", "enduser.id"].map(str::to_owned).to_vec()
}

/// User and system time of this process.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

fn trace(hour: u64, number: u64) -> TraceId {
    let mut id = [5; 16];
    id[8..].copy_from_slice(&(hour * TRACES_PER_HOUR + number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    TraceId(id)
}

fn traces(hour: u64, first: u64, count: u64) -> RowBuffer {
    let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: START as i64, request: None });
    for number in first..first + count {
        let unit = hour * TRACES_PER_HOUR + number;
        let service = format!("service-{}", unit % 20);
        let name = [Attribute::str("service.name", service.as_str())];
        rows.resource(&Resource { attributes: &name, schema_url: "" });
        let (route, user) = (format!("/route/{}", unit % 300), format!("user-{}", unit.wrapping_mul(7_919) % 100_000));
        let time = (START + hour * HOUR + number * (HOUR / TRACES_PER_HOUR)) as i64;
        for span in 0..SPANS_PER_TRACE {
            let attributes = [
                Attribute::str("http.route", route.as_str()),
                Attribute::str("user.id", user.as_str()),
                Attribute::new("http.response.status_code", Value::Int(200)),
                Attribute::str("url.path", route.as_str()),
                Attribute::str("k8s.pod.name", service.as_str()),
            ];
            let id = SpanId((unit * SPANS_PER_TRACE + span + 1).to_be_bytes());
            let root = SpanId((unit * SPANS_PER_TRACE + 1).to_be_bytes());
            rows.span(&Span {
                start_time_unix_nano: time + span as i64,
                duration_ns: 1_000_000 + (unit.wrapping_mul(2_654_435_761) % 50_000_000) as i64,
                kind: if span == 0 { SpanKind::Server } else { SpanKind::Internal },
                parent_span_id: (span > 0).then_some(root),
                status_code: if unit % 100 == 7 && span == 3 { StatusCode::Error } else { StatusCode::Ok },
                attributes: &attributes,
                ..Span::new(trace(hour, number), id, "GET")
            });
        }
        for line in 0..2 {
            rows.log(&LogRecord {
                time_unix_nano: time + 9 + line,
                trace_id: (line == 0).then(|| trace(hour, number)),
                severity_number: 9,
                body: format!("answered request {unit} of {user} on {route} in 17 ms with 200").into(),
                ..LogRecord::default()
            });
        }
    }
    rows
}
