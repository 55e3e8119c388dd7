//! What a row costs on its way through the store: into columns, through the log, into a part.
//!
//! Prints one line per step; run with `cargo bench -p store`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may panic")]

use std::time::{Duration, Instant};

use metastore::Metastore;
use model::{Attribute, Resource, RowSink, Span, SpanId, TraceId, Value};
use store::{RowBuffer, RowContext, Store, StoreOptions};

const SPANS_PER_REQUEST: usize = 500;

fn main() {
    buffer();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(requests(400, SPANS_PER_REQUEST));
    runtime.block_on(requests(20_000, 1));
}

/// A request like the one of measurement 6: 16 span attributes, 8 resource attributes.
fn request(spans: usize, seed: u64) -> RowBuffer {
    let mut rows = RowBuffer::new(RowContext { receiver: "otlp", received_at_unix_nano: 1, request: None });
    let resource: Vec<Attribute<'_>> = [
        "service.name",
        "service.version",
        "deployment.environment.name",
        "host.name",
        "cloud.region",
        "telemetry.sdk.name",
        "telemetry.sdk.language",
        "process.runtime.name",
    ]
    .into_iter()
    .map(|key| Attribute::str(key, "some value of a resource"))
    .collect();
    rows.resource(&Resource { attributes: &resource, schema_url: "" });
    for span in 0..spans as u64 {
        let number = seed.wrapping_mul(1_000_003).wrapping_add(span);
        let user = format!("user-{}", number % 10_000);
        let attributes = [
            Attribute::str("http.request.method", "GET"),
            Attribute::str("http.route", "/api/activities/{id}"),
            Attribute::new("http.response.status_code", Value::Int(200)),
            Attribute::str("url.path", "/api/activities/42"),
            Attribute::str("url.scheme", "https"),
            Attribute::str("server.address", "api.example.org"),
            Attribute::new("server.port", Value::Int(443)),
            Attribute::str("user.id", user.as_str()),
            Attribute::str("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
            Attribute::str("network.protocol.version", "1.1"),
            Attribute::str("client.address", "192.0.2.7"),
            Attribute::new("cache.hit", Value::Bool(number % 3 == 0)),
            Attribute::new("db.rows", Value::Int((number % 50) as i64)),
            Attribute::new("queue.seconds", Value::Float(number as f64 / 7.0)),
            Attribute::str("tenant", "tenant-17"),
            Attribute::str("thread.name", "worker-3"),
        ];
        let mut id = [1; 16];
        id[..8].copy_from_slice(&(number / 8).to_le_bytes());
        rows.span(&Span {
            start_time_unix_nano: (number * 7919 % 1_000_000_007) as i64,
            duration_ns: (number % 1_000_000) as i64,
            parent_span_id: Some(SpanId([2; 8])),
            attributes: &attributes,
            ..Span::new(TraceId(id), SpanId((number + 1).to_le_bytes()), "GET /api/activities/{id}")
        });
    }
    rows
}

fn buffer() {
    let (mut push, mut finish) = (Duration::MAX, Duration::MAX);
    for seed in 0..40 {
        let started = Instant::now();
        let rows = request(SPANS_PER_REQUEST, seed);
        push = push.min(started.elapsed());
        let started = Instant::now();
        std::hint::black_box(rows.finish().unwrap());
        finish = finish.min(started.elapsed());
    }
    let per_span = |time: Duration| time.as_nanos() as usize / SPANS_PER_REQUEST;
    println!("push {} ns/span, finish {} ns/span (best of 40)", per_span(push), per_span(finish));
}

async fn requests(requests: usize, spans: usize) {
    const CLIENTS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        flush_interval: Duration::from_secs(3600),
        flush_bytes: usize::MAX,
        memory_bytes_max: usize::MAX,
        ..StoreOptions::new(folder.path())
    };
    let store = Store::open(options, Metastore::open(folder.path()).await.unwrap(), |_| None).await.unwrap();
    let started = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let store = store.clone();
        clients.spawn(async move {
            let mut slowest = Duration::ZERO;
            for number in (client..requests).step_by(CLIENTS) {
                let rows = request(spans, number as u64);
                let started = Instant::now();
                store.append("default", vec![0; 612 * spans], rows).await.unwrap();
                slowest = slowest.max(started.elapsed());
            }
            slowest
        });
    }
    let slowest = clients.join_all().await.into_iter().max().unwrap_or_default();
    let appended = started.elapsed();
    let stats = store.stats();
    let started = Instant::now();
    let seen = store.snapshot("default", model::Signal::Spans, store::TimeRange::ALL).await.unwrap();
    let cut = started.elapsed();
    let started = Instant::now();
    store.flush().await.unwrap();
    let flushed = started.elapsed();
    let rows = (requests * spans) as u128;
    println!(
        "{requests} requests of {spans}: append {} ns/span wall ({} fsyncs, slowest {slowest:?}), memory {} B/span in {} batches, \
         snapshot {cut:?}, flush {} ns/span, part {} B/span",
        appended.as_nanos() / rows,
        stats.fsyncs,
        u128::from(stats.memory_bytes) / rows,
        seen.memory.len(),
        flushed.as_nanos() / rows,
        u128::from(store.stats().part_bytes) / rows,
    );
    store.shutdown().await.unwrap();
}
