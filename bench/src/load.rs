//! The load: requests of one kind, all prepared before the clock starts, then sent over a few connections as fast as the
//! server answers, or at a rate.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::ValueEnum;
use fastrand::Rng;
use serde_json::json;

use crate::clock::wait;
use crate::grpc::GrpcConnection;
use crate::http::{Connection, post};
use crate::otlp;
use crate::server::{CpuReading, Server};
use crate::vendors;
use crate::world::World;

/// Rows of one request, where the protocol lets us choose.
pub const UNITS_PER_REQUEST: usize = 500;

/// Connections that send side by side.
pub const CONNECTIONS: usize = 4;

/// How long a sender waits that was told to come later.
const LATER: Duration = Duration::from_millis(100);

/// Times a request is told to come later before the load gives up.
const LATER_MAX: usize = 600;

/// Datagrams a second: nobody answers them, so a sender that does not hold back measures only what is lost.
const DATAGRAMS_PER_SECOND: f64 = 8_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Spans, OTLP/HTTP protobuf.
    Spans,
    /// Spans, OTLP/gRPC.
    SpansGrpc,
    /// Log records, OTLP/HTTP protobuf.
    Logs,
    /// Metric points, OTLP/HTTP protobuf.
    Points,
    /// X-Ray documents, `PutTraceSegments`.
    Xray,
    /// X-Ray documents, datagrams.
    XrayUdp,
    /// CloudWatch events, `PutLogEvents`.
    Cloudwatch,
    /// Rollbar items, one a request.
    Rollbar,
}

impl Kind {
    fn units_per_request(self) -> usize {
        match self {
            Kind::Xray => vendors::DOCUMENTS_PER_CALL,
            Kind::XrayUdp | Kind::Rollbar => 1,
            _ => UNITS_PER_REQUEST,
        }
    }
}

/// Requests that only have to be sent.
#[derive(Debug)]
pub struct Prepared {
    pub kind: Kind,
    /// Whole HTTP requests, gRPC messages or datagrams.
    requests: Vec<Bytes>,
    pub units: usize,
    /// Bytes of bodies.
    pub body_bytes: usize,
    address: SocketAddr,
}

/// What became of a load.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub units: usize,
    pub requests: usize,
    /// Requests that were told to come later, and did.
    pub told_later: usize,
    pub wall: Duration,
    /// CPU time of the server until the last answer.
    pub cpu: Duration,
    /// Times from a request's first byte to its answer, in order.
    latencies: Vec<Duration>,
}

impl Outcome {
    pub fn units_per_cpu_second(&self) -> f64 {
        self.units as f64 / self.cpu.as_secs_f64()
    }

    pub fn units_per_second(&self) -> f64 {
        self.units as f64 / self.wall.as_secs_f64()
    }

    /// Time to the answer of which `share` of all requests were no slower.
    pub fn latency(&self, share: f64) -> Duration {
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

/// The bodies of a load, and how many units each has: the same for the same seed and start.
pub fn bodies(kind: Kind, units: usize, start_unix_nano: i64, seed: u64) -> impl Iterator<Item = (Vec<u8>, usize)> {
    let (world, mut rng) = (World::new(), Rng::with_seed(seed));
    let each = kind.units_per_request();
    (0..units.div_ceil(each)).map(move |number| {
        let here = each.min(units - number * each);
        // A request tells of a moment after the one before.
        let start = start_unix_nano + (number * each) as i64 * 20_000;
        let body = match kind {
            Kind::Spans | Kind::SpansGrpc => otlp::traces(&world, here, start, &mut rng),
            Kind::Logs => otlp::logs(&world, here, start, &mut rng),
            Kind::Points => otlp::metrics(&world, here, start, &mut rng),
            Kind::Xray => vendors::put_trace_segments(&world, here, start, &mut rng),
            Kind::XrayUdp => vendors::xray_datagram(&vendors::xray_document(&world, start, &mut rng)),
            Kind::Cloudwatch => vendors::put_log_events(here, start / 1_000_000, &mut rng),
            Kind::Rollbar => vendors::rollbar_item(number as u64, start / 1_000_000_000, &mut rng),
        };
        (body, here)
    })
}

/// Encodes a whole load for a server, and makes there what has to be there before.
pub fn prepare(server: &Server, kind: Kind, units: usize, start_unix_nano: i64, seed: u64) -> anyhow::Result<Prepared> {
    const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
    const AWS_JSON: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
    const PUT: (&str, &str) = ("x-amz-target", "Logs_20140328.PutLogEvents");
    let (address, path, headers): (SocketAddr, &str, &[(&str, &str)]) = match kind {
        Kind::Spans => (server.otlp_http, "/v1/traces", &[PROTOBUF]),
        Kind::SpansGrpc => (server.otlp_grpc, "", &[]),
        Kind::Logs => (server.otlp_http, "/v1/logs", &[PROTOBUF]),
        Kind::Points => (server.otlp_http, "/v1/metrics", &[PROTOBUF]),
        Kind::Xray => (server.http, "/TraceSegments", &[crate::server::JSON]),
        Kind::XrayUdp => (server.xray, "", &[]),
        Kind::Cloudwatch => (server.http, "/", &[AWS_JSON, PUT]),
        Kind::Rollbar => {
            (server.http, "/api/1/item/", &[crate::server::JSON, ("x-rollbar-access-token", "00000000000000000000000000000000")])
        }
    };
    if kind == Kind::Cloudwatch {
        make_log_stream(server)?;
    }
    let mut prepared = Prepared { kind, requests: Vec::new(), units, body_bytes: 0, address };
    for (body, _) in bodies(kind, units, start_unix_nano, seed) {
        prepared.body_bytes += body.len();
        let is_whole = matches!(kind, Kind::SpansGrpc | Kind::XrayUdp);
        prepared.requests.push(if is_whole { body.into() } else { post(address, path, headers, &body).into() });
    }
    Ok(prepared)
}

fn make_log_stream(server: &Server) -> anyhow::Result<()> {
    let mut connection = server.connection()?;
    let group = json!({"logGroupName": vendors::LOG_GROUP});
    let stream = json!({"logGroupName": vendors::LOG_GROUP, "logStreamName": vendors::LOG_STREAM});
    for (operation, body) in [("CreateLogGroup", group), ("CreateLogStream", stream)] {
        let target = format!("Logs_20140328.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let answer = connection.post("/", &headers, body.to_string().as_bytes())?;
        if answer.status != 200 && !answer.text().contains("ResourceAlreadyExists") {
            bail!("{operation}: {} {}", answer.status, answer.text());
        }
    }
    Ok(())
}

impl Prepared {
    /// Sends everything over [`CONNECTIONS`] connections; `units_per_second` holds it back to a rate.
    pub fn send(&self, server: &Server, units_per_second: Option<f64>) -> anyhow::Result<Outcome> {
        let pid = server.pid();
        let before = CpuReading::of(pid)?;
        let began = Instant::now();
        let pace = Pace { began, next: AtomicUsize::new(0), units_each: self.kind.units_per_request(), units_per_second };
        let sent = match self.kind {
            Kind::XrayUdp => self.send_datagrams()?,
            _ => std::thread::scope(|scope| {
                let senders: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| self.send_some(&pace))).collect();
                let mut all = Sent::default();
                for sender in senders {
                    let sent = sender.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
                    all.latencies.extend(sent.latencies);
                    all.told_later += sent.told_later;
                }
                anyhow::Ok(all)
            })?,
        };
        let (wall, cpu) = (began.elapsed(), CpuReading::of(pid)?.since(&before));
        let mut latencies = sent.latencies;
        latencies.sort_unstable();
        Ok(Outcome { units: self.units, requests: self.requests.len(), told_later: sent.told_later, wall, cpu, latencies })
    }

    fn send_some(&self, pace: &Pace) -> anyhow::Result<Sent> {
        if self.kind == Kind::SpansGrpc {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            return runtime.block_on(self.send_some_grpc(pace));
        }
        let mut connection = Connection::open(self.address)?;
        let mut sent = Sent::default();
        while let Some(number) = pace.next(self.requests.len()) {
            let began = Instant::now();
            let mut tries = 0;
            loop {
                let answer = connection.exchange(&self.requests[number])?;
                match answer.status {
                    200..=299 => break,
                    429 | 503 if tries < LATER_MAX => wait(LATER),
                    status => bail!("{:?}: {status} {}", self.kind, answer.text()),
                }
                tries += 1;
            }
            sent.told_later += tries;
            sent.latencies.push(began.elapsed());
        }
        Ok(sent)
    }

    async fn send_some_grpc(&self, pace: &Pace) -> anyhow::Result<Sent> {
        const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let mut connection = GrpcConnection::open(self.address).await.context("cannot open a gRPC connection")?;
        let mut sent = Sent::default();
        while let Some(number) = pace.next(self.requests.len()) {
            let began = Instant::now();
            while !connection.export(EXPORT, self.requests[number].clone()).await? {
                sent.told_later += 1;
                if sent.told_later > LATER_MAX {
                    bail!("the server does not want any more");
                }
                tokio::time::sleep(LATER).await;
            }
            sent.latencies.push(began.elapsed());
        }
        Ok(sent)
    }

    fn send_datagrams(&self) -> anyhow::Result<Sent> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(self.address)?;
        let pace = Pace {
            began: Instant::now(),
            next: AtomicUsize::new(0),
            units_each: 1,
            units_per_second: Some(DATAGRAMS_PER_SECOND),
        };
        while let Some(number) = pace.next(self.requests.len()) {
            socket.send(&self.requests[number])?;
        }
        Ok(Sent::default())
    }
}

#[derive(Default)]
struct Sent {
    latencies: Vec<Duration>,
    told_later: usize,
}

/// Whose turn it is, and when.
struct Pace {
    began: Instant,
    next: AtomicUsize,
    units_each: usize,
    units_per_second: Option<f64>,
}

impl Pace {
    fn next(&self, end: usize) -> Option<usize> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return None;
        }
        if let Some(rate) = self.units_per_second {
            let due = Duration::from_secs_f64((number * self.units_each) as f64 / rate);
            let early = due.saturating_sub(self.began.elapsed());
            if early > Duration::from_micros(200) {
                wait(early);
            }
        }
        Some(number)
    }
}
