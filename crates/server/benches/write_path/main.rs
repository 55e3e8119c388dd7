//! What a row costs between the socket and the disk, step by step, for each receiver: nanoseconds of CPU.
//!
//! `cargo bench -p server --bench write_path [-- <part of a name>]`. No sockets. Each line is the
//! best of several rounds; steps that include others are subtracted by the reader.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints and may panic")]

mod requests;

use std::hint::black_box;
use std::time::Duration;

use metastore::Metastore;
use model::{Counted, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Span};
use receivers::{Headers, Incoming, Receiver};
use requests::{DOCUMENTS_PER_REQUEST, NOW, PER_REQUEST};
use server::ingest::{Grouping, Pipeline};
use store::{RowBuffer, RowContext, Store, StoreOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests of one case, walked round and round: enough that the caches of the processor do not know them by heart.
const BODIES: u64 = 32;
const ROUNDS: usize = 15;

struct Case {
    name: &'static str,
    receiver: &'static str,
    endpoint: &'static str,
    headers: &'static [(&'static str, &'static str)],
    units: usize,
    bodies: Vec<Vec<u8>>,
}

impl Case {
    fn incoming<'a>(&'a self, body: &'a [u8]) -> Incoming<'a> {
        Incoming { headers: Headers(self.headers.to_vec()), ..Incoming::new(self.endpoint, NOW, body) }
    }

    fn receiver(&self) -> &'static dyn Receiver {
        receivers::by_name(self.receiver).unwrap()
    }
}

fn cases() -> Vec<Case> {
    const PROTOBUF: &[(&str, &str)] = &[("content-type", "application/x-protobuf")];
    const JSON: &[(&str, &str)] = &[("content-type", "application/json"), ("x-rollbar-access-token", "present")];
    let case = |name, receiver, endpoint, headers, units, body: &dyn Fn(u64) -> Vec<u8>| Case {
        name,
        receiver,
        endpoint,
        headers,
        units,
        bodies: (1..=BODIES).map(body).collect(),
    };
    vec![
        case("otlp spans, 1 service", "otlp", "traces", PROTOBUF, PER_REQUEST, &|seed| requests::traces(seed, 1)),
        case("otlp spans, 20 services", "otlp", "traces", PROTOBUF, PER_REQUEST, &|seed| requests::traces(seed, 20)),
        case("otlp log records", "otlp", "logs", PROTOBUF, PER_REQUEST, &requests::logs),
        case("otlp data points", "otlp", "metrics", PROTOBUF, PER_REQUEST, &requests::metrics),
        case("xray documents", "xray", "put_trace_segments", JSON, DOCUMENTS_PER_REQUEST, &requests::documents),
        case("xray datagrams", "xray", "udp", &[], 1, &requests::datagram),
        case("cloudwatch lines", "cloudwatch", "put_log_events", JSON, PER_REQUEST, &|seed| requests::events(seed, false)),
        case("cloudwatch json", "cloudwatch", "put_log_events", JSON, PER_REQUEST, &|seed| requests::events(seed, true)),
        case("rollbar items", "rollbar", "item", JSON, 1, &requests::item),
    ]
}

fn main() {
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{:26} {:>6} {:>9} {:>9} {:>9} {:>9}", "ns a unit", "bytes", "translate", "+pipeline", "+columns", "+finish");
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        steps(case);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    println!("{:26} {:>9} {:>9}   whole process, with fdatasync", "ns a unit", "append", "+flush");
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        runtime.block_on(whole(case));
    }
}

fn context(case: &Case) -> RowContext {
    RowContext { receiver: case.receiver().name(), received_at_unix_nano: NOW, request: None }
}

fn steps(case: &Case) {
    let receiver = case.receiver();
    let bytes: usize = case.bodies.iter().map(Vec::len).sum::<usize>() / case.bodies.len() / case.units;
    let translate = measured(case, |body| {
        let incoming = case.incoming(body);
        receiver.translate(&incoming, &mut Nowhere).unwrap();
    });
    let grouping = Grouping::default();
    let piped = measured(case, |body| {
        let mut out = Nowhere;
        let mut pipeline = Pipeline::new(&mut out, &grouping, NOW);
        let mut counted = Counted::new(&mut pipeline);
        let incoming = case.incoming(body);
        receiver.translate(&incoming, &mut counted).unwrap();
        black_box(receiver.accepted(&incoming, &counted));
    });
    let columns = measured(case, |body| {
        black_box(rows(case, body, &grouping));
    });
    let finished = measured(case, |body| {
        black_box(rows(case, body, &grouping).finish().unwrap());
    });
    println!("{:26} {bytes:>6} {translate:>9} {piped:>9} {columns:>9} {finished:>9}", case.name);
}

fn rows(case: &Case, body: &[u8], grouping: &Grouping) -> RowBuffer {
    let mut rows = RowBuffer::new(context(case));
    let mut pipeline = Pipeline::new(&mut rows, grouping, NOW);
    let mut counted = Counted::new(&mut pipeline);
    let incoming = case.incoming(body);
    case.receiver().translate(&incoming, &mut counted).unwrap();
    black_box(case.receiver().accepted(&incoming, &counted));
    rows
}

fn measured(case: &Case, mut work: impl FnMut(&[u8])) -> u64 {
    let repeat = (2_000 / case.units / BODIES as usize).max(1);
    let mut best = u64::MAX;
    for _ in 0..ROUNDS {
        let before = thread_cpu_nanos();
        for _ in 0..repeat {
            for body in &case.bodies {
                work(body);
            }
        }
        best = best.min(thread_cpu_nanos() - before);
    }
    best / (repeat * case.bodies.len() * case.units) as u64
}

/// Time on a processor of this thread.
fn thread_cpu_nanos() -> u64 {
    schedstat("/proc/thread-self/schedstat")
}

/// Time on a processor of all threads that live.
fn process_cpu_nanos() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks.map(|task| schedstat(&format!("{}/schedstat", task.path().display()))).sum()
}

fn schedstat(path: &str) -> u64 {
    std::fs::read_to_string(path).ok().and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0)
}

async fn whole(case: &Case) {
    const SENDERS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        flush_interval: Duration::from_secs(3600),
        flush_bytes: usize::MAX,
        memory_bytes_max: usize::MAX,
        ..StoreOptions::new(folder.path())
    };
    let store = Store::open(options, Metastore::open(folder.path()).await.unwrap(), |_| None).await.unwrap();
    let grouping = Grouping::default();
    let requests = (60_000 / case.units).min(20_000);
    let before = process_cpu_nanos();
    let senders = (0..SENDERS).map(|sender| {
        let (store, grouping) = (&store, &grouping);
        async move {
            for number in (sender..requests).step_by(SENDERS) {
                let body = &case.bodies[number % case.bodies.len()];
                store.append("default", body.clone(), rows(case, body, grouping)).await.unwrap();
            }
        }
    });
    futures_join(senders).await;
    let appended = process_cpu_nanos() - before;
    store.flush().await.unwrap();
    let flushed = process_cpu_nanos() - before;
    let units = (requests * case.units) as u64;
    println!("{:26} {:>9} {:>9}   memory {} B", case.name, appended / units, flushed / units, store.stats().part_bytes / units);
    store.shutdown().await.unwrap();
}

/// All of them on this task, as connections of one worker are.
async fn futures_join<F: Future<Output = ()>>(futures: impl Iterator<Item = F>) {
    let mut waiting: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Keeps nothing.
struct Nowhere;

impl RowSink for Nowhere {
    fn resource(&mut self, resource: &Resource<'_>) {
        black_box(resource);
    }
    fn scope(&mut self, scope: &Scope<'_>) {
        black_box(scope);
    }
    fn span(&mut self, span: &Span<'_>) {
        black_box(span);
    }
    fn log(&mut self, record: &LogRecord<'_>) {
        black_box(record);
    }
    fn data_point(&mut self, point: &DataPoint<'_>) {
        black_box(point);
    }
    fn refuse(&mut self, refusal: Refusal) {
        panic!("refused: {refusal:?}");
    }
}
