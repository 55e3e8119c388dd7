//! The world that the telemetry tells of: 20 services, 300 operations, a million users; the same for the same seed.
//!
//! A trace has 8 to 12 spans over several services. What a request carries with it (user, tenant, plan, build, …) is on every
//! span, so a span has 15 to 17 attributes; 12 of them have few values and are what BubbleUp compares. One span in a hundred
//! fails with an exception. Build `2041` is slow in one region: there is something to find.

use fastrand::Rng;
use model::{Attribute, SpanId, SpanKind, StatusCode, TraceId, Value};

pub const SERVICES: usize = 20;
pub const OPERATIONS_PER_SERVICE: usize = 15;
pub const USERS: u64 = 1_000_000;
pub const RESOURCE_ATTRIBUTES: usize = 8;

/// Pods of a service.
pub const PODS: usize = 4;

/// What BubbleUp compares: attributes of few values, on every span.
pub const COMPARED: [&str; 12] = [
    "http.request.method",
    "http.route",
    "http.response.status_code",
    "app.channel",
    "server.address",
    "user_agent.original",
    "tenant.id",
    "app.region",
    "app.plan",
    "app.build",
    "app.beta",
    "thread.name",
];

const SERVICE_NAMES: [&str; SERVICES] = [
    "gateway",
    "catalog",
    "cart",
    "checkout",
    "payments",
    "accounts",
    "search",
    "recommendations",
    "inventory",
    "pricing",
    "shipping",
    "notifications",
    "reviews",
    "media",
    "fraud",
    "ledger",
    "loyalty",
    "exports",
    "feature-flags",
    "audit",
];
const NOUNS: [&str; OPERATIONS_PER_SERVICE] = [
    "items", "orders", "sessions", "quotes", "labels", "refunds", "profiles", "baskets", "invoices", "events", "tokens",
    "limits", "images", "rules", "reports",
];
const METHODS: [&str; 5] = ["GET", "POST", "GET", "PUT", "DELETE"];
const SHAPES: [&str; 3] = ["{id}", "{id}/history", "search"];
const REGIONS: [&str; 5] = ["eu-central-1", "eu-west-3", "us-east-1", "us-west-2", "ap-south-1"];
const PLANS: [&str; 3] = ["free", "team", "enterprise"];
const BUILDS: [&str; 20] = [
    "2022", "2023", "2024", "2025", "2026", "2027", "2028", "2029", "2030", "2031", "2032", "2033", "2034", "2035", "2036",
    "2037", "2038", "2039", "2040", "2041",
];
const AGENTS: [&str; 12] = [
    "Firefox/128.0",
    "Chrome/126.0",
    "Safari/605.1",
    "Mobile Safari/605.1",
    "Chrome Mobile/126.0",
    "okhttp/4.12.0",
    "python-requests/2.32",
    "Go-http-client/2.0",
    "axios/1.7.2",
    "curl/8.8.0",
    "PostmanRuntime/7.39",
    "Shop-iOS/5.11.2",
];
const CHANNELS: [&str; 3] = ["web", "app", "partner"];
const THREADS: [&str; 16] = [
    "worker-0",
    "worker-1",
    "worker-2",
    "worker-3",
    "worker-4",
    "worker-5",
    "worker-6",
    "worker-7",
    "worker-8",
    "worker-9",
    "worker-10",
    "worker-11",
    "worker-12",
    "worker-13",
    "worker-14",
    "worker-15",
];
const DATABASES: [&str; 3] = ["postgresql", "redis", "mongodb"];
const EXCEPTIONS: [(&str, &str); 8] = [
    ("TimeoutError", "no answer from upstream within 2000 ms"),
    ("ConnectionResetError", "connection reset by peer while reading the answer"),
    ("KeyError", "no field 'currency' in the price of the item"),
    ("ValueError", "card declined by the issuer"),
    ("psycopg.errors.SerializationFailure", "could not serialize access due to concurrent update"),
    ("PermissionError", "the token has no scope for this operation"),
    ("IndexError", "list index out of range"),
    ("redis.exceptions.BusyLoadingError", "Redis is loading the dataset in memory"),
];

/// Who sends: a service in several pods.
#[derive(Debug)]
pub struct Service {
    pub name: &'static str,
    /// What each pod says of itself, [`RESOURCE_ATTRIBUTES`] long.
    pub pods: Vec<Vec<Attribute<'static>>>,
    pub operations: Vec<Operation>,
    address: String,
}

/// One of a service's fifteen things to do.
#[derive(Debug)]
pub struct Operation {
    pub method: &'static str,
    pub route: String,
    /// `GET /catalog/items/{id}`.
    pub name: String,
    pub query: String,
    /// What it typically takes.
    pub typical_ns: f64,
}

/// An exception on a span.
#[derive(Clone, Debug)]
pub struct Raised {
    pub r#type: &'static str,
    pub message: &'static str,
    pub stacktrace: String,
}

/// One span, on its way to a wire format or to the store.
#[derive(Debug)]
pub struct SpanDraft<'w> {
    pub service: usize,
    pub pod: usize,
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub parent_span_id: Option<SpanId>,
    pub start_time_unix_nano: i64,
    pub duration_ns: i64,
    pub name: &'w str,
    pub kind: SpanKind,
    pub status_code: StatusCode,
    pub status_message: &'static str,
    pub attributes: Vec<Attribute<'w>>,
    pub raised: Option<Raised>,
}

/// Services, operations and how often each is met.
#[derive(Debug)]
pub struct World {
    pub services: Vec<Service>,
    /// Upper ends of the shares of services in `0..1`, Zipf's law.
    shares: Vec<f64>,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    pub fn new() -> World {
        let services = (0..SERVICES).map(service).collect();
        let weights: Vec<f64> = (1..=SERVICES).map(|rank| 1.0 / rank as f64).collect();
        let total: f64 = weights.iter().sum();
        let shares = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight / total;
            Some(*sum)
        });
        World { services, shares: shares.collect() }
    }

    /// A service, by Zipf's law: the first is met twenty times as often as the last.
    pub fn any_service(&self, rng: &mut Rng) -> usize {
        let at = rng.f64();
        self.shares.iter().position(|share| at < *share).unwrap_or(SERVICES - 1)
    }

    /// Tells one trace that begins at a time and runs in the pods of one number, onto the end of `out`.
    pub fn trace<'w>(&'w self, pod: usize, start_time_unix_nano: i64, rng: &mut Rng, out: &mut Vec<SpanDraft<'w>>) {
        let request = Request::draw(rng);
        let spans = rng.usize(8..=12);
        let first = out.len();
        let trace_id = trace_id(rng);
        for number in 0..spans {
            let parent = (number > 0).then(|| first + rng.usize(number.saturating_sub(4)..number));
            let span = self.span(&request, trace_id, start_time_unix_nano, parent.map(|parent| &out[parent]), rng);
            out.push(SpanDraft { pod, ..span });
        }
    }

    fn span<'w>(
        &'w self,
        request: &Request,
        trace_id: TraceId,
        start_time_unix_nano: i64,
        parent: Option<&SpanDraft<'w>>,
        rng: &mut Rng,
    ) -> SpanDraft<'w> {
        let kind = match parent {
            None => SpanKind::Server,
            Some(_) => [SpanKind::Server, SpanKind::Client, SpanKind::Internal, SpanKind::Client][rng.usize(0..4)],
        };
        let service = match parent {
            Some(parent) if kind != SpanKind::Server => parent.service,
            _ => self.any_service(rng),
        };
        let told = &self.services[service];
        let operation = &told.operations[skewed(OPERATIONS_PER_SERVICE as u64, rng) as usize];
        // Around the typical time, now and then ten times as long; a child fits into its parent.
        let spread = (rng.f64() + rng.f64() + rng.f64() - 1.5) * 1.6;
        let slow = if request.build == 19 && request.region == 1 { 6.0 } else { 1.0 };
        let own = operation.typical_ns * spread.exp() * slow;
        let (start_time_unix_nano, duration_ns) = match parent {
            None => (start_time_unix_nano, own as i64),
            Some(parent) => {
                let length = (parent.duration_ns as f64 * (0.1 + 0.7 * rng.f64())) as i64;
                (parent.start_time_unix_nano + rng.i64(0..=parent.duration_ns - length), length)
            }
        };
        let raised = (rng.u8(..) as u32 * 256 + rng.u8(..) as u32).lt(&655).then(|| raise(told.name, operation, rng));
        SpanDraft {
            service,
            pod: 0,
            trace_id,
            span_id: SpanId((rng.u64(..) | 1).to_be_bytes()),
            parent_span_id: parent.map(|parent| parent.span_id),
            start_time_unix_nano,
            duration_ns,
            name: &operation.name,
            kind,
            status_code: if raised.is_some() { StatusCode::Error } else { StatusCode::Unset },
            status_message: raised.as_ref().map_or("", |raised| raised.message),
            attributes: attributes(request, told, operation, kind, raised.as_ref(), rng),
            raised,
        }
    }
}

/// What a request carries through all services.
struct Request {
    user: u64,
    agent: usize,
    region: usize,
    build: usize,
    thread: usize,
}

impl Request {
    /// Three in ten requests are by a thousand eager users, the rest by anybody.
    fn draw(rng: &mut Rng) -> Request {
        let user = if rng.u8(0..10) < 3 { skewed(1_000, rng) } else { rng.u64(0..USERS) };
        Request {
            user,
            agent: skewed(AGENTS.len() as u64, rng) as usize,
            region: (user % 5) as usize,
            build: BUILDS.len() - 1 - skewed(BUILDS.len() as u64, rng) as usize,
            thread: rng.usize(0..THREADS.len()),
        }
    }
}

fn service(index: usize) -> Service {
    let name = SERVICE_NAMES[index];
    let operations = NOUNS.iter().enumerate().map(|(number, noun)| {
        let method = METHODS[(number + index) % METHODS.len()];
        let route = format!("/{name}/{noun}/{}", SHAPES[number % SHAPES.len()]);
        Operation {
            method,
            name: format!("{method} {route}"),
            query: format!("select id, state from {noun} where id = $1"),
            route,
            typical_ns: 1e6 * (4.0 + ((index * 31 + number * 17) % 97) as f64),
        }
    });
    let pods = (0..PODS).map(|pod| {
        let told = [
            ("service.name", name.to_owned()),
            ("service.version", format!("5.{}.{}", index % 7, index % 4)),
            ("deployment.environment.name", "production".to_owned()),
            ("k8s.cluster.name", "shop-production-1".to_owned()),
            ("k8s.namespace.name", ["shop", "money", "platform"][index % 3].to_owned()),
            ("k8s.deployment.name", name.to_owned()),
            ("k8s.pod.name", format!("{name}-7c9f{:04x}d-{:05x}", index * 977 + 4_099, pod * 70_003 + index + 65_537)),
            ("k8s.node.name", format!("node-{}.shop.internal", (index + pod) % 9)),
        ];
        told.into_iter().map(|(key, value)| Attribute::str(key, value)).collect()
    });
    Service { name, pods: pods.collect(), operations: operations.collect(), address: format!("{name}.internal") }
}

fn attributes<'w>(
    request: &Request,
    service: &'w Service,
    operation: &'w Operation,
    kind: SpanKind,
    raised: Option<&Raised>,
    rng: &mut Rng,
) -> Vec<Attribute<'w>> {
    let status = if raised.is_some() { 500 } else { [200, 200, 200, 200, 200, 200, 201, 204, 304, 404][rng.usize(0..10)] };
    let mut out = Vec::with_capacity(17);
    out.push(Attribute::str("http.request.method", operation.method));
    out.push(Attribute::str("http.route", operation.route.as_str()));
    out.push(Attribute::new("http.response.status_code", Value::Int(status)));
    out.push(Attribute::str("app.channel", CHANNELS[request.agent % 3]));
    out.push(Attribute::str("server.address", service.address.as_str()));
    out.push(Attribute::str("user_agent.original", AGENTS[request.agent]));
    out.push(Attribute::str("user.id", format!("u-{:06}", request.user)));
    out.push(Attribute::str("tenant.id", format!("t-{:03}", request.user % 200)));
    out.push(Attribute::str("app.region", REGIONS[request.region]));
    out.push(Attribute::str("app.plan", PLANS[(request.user % 200 % 3) as usize]));
    out.push(Attribute::str("app.build", BUILDS[request.build]));
    out.push(Attribute::new("app.beta", Value::Bool(request.user.is_multiple_of(7))));
    out.push(Attribute::str("thread.name", THREADS[request.thread]));
    match kind {
        SpanKind::Server => {
            out.push(Attribute::str("url.path", operation.route.replace("{id}", &rng.u32(100_000..1_000_000).to_string())));
            out.push(Attribute::new("app.items", Value::Int(skewed(60, rng) as i64)));
        }
        SpanKind::Client => {
            out.push(Attribute::str("db.system.name", DATABASES[operation.name.len() % 3]));
            out.push(Attribute::str("db.query.text", operation.query.as_str()));
            out.push(Attribute::new("db.rows", Value::Int(skewed(200, rng) as i64)));
        }
        _ => {
            out.push(Attribute::new("cache.hit", Value::Bool(rng.u8(0..3) > 0)));
            out.push(Attribute::new("queue.seconds", Value::Float(rng.u32(0..5_000) as f64 / 1e5)));
        }
    }
    if let Some(raised) = raised {
        out.push(Attribute::str("error.type", raised.r#type));
    }
    out
}

fn raise(service: &str, operation: &Operation, rng: &mut Rng) -> Raised {
    let (r#type, message) = EXCEPTIONS[skewed(EXCEPTIONS.len() as u64, rng) as usize];
    let depth = 4 + operation.name.len() % 4;
    let mut stacktrace = String::from("Traceback (most recent call last):\n");
    for frame in 0..depth {
        let (file, line) =
            (NOUNS[(operation.route.len() + frame) % NOUNS.len()], 20 + (operation.name.len() * 13 + frame * 37) % 400);
        stacktrace
            .push_str(&format!("  File \"/srv/{service}/{file}.py\", line {line}, in handle_{file}\n    return next(request)\n"));
    }
    stacktrace.push_str(&format!("{type}: {message}"));
    Raised { r#type, message, stacktrace }
}

/// A number below `end`, the small ones oftener: half of all are in the first quarter.
pub fn skewed(end: u64, rng: &mut Rng) -> u64 {
    let at = rng.f64();
    ((at * at * end as f64) as u64).min(end - 1)
}

pub fn trace_id(rng: &mut Rng) -> TraceId {
    TraceId((rng.u128(..) | 1).to_be_bytes())
}

/// 32 hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
