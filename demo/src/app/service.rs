//! One service: its name, the version that runs, and the middleware that watches each of its requests.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value as OtelValue};
use opentelemetry_semantic_conventions::attribute;
use parking_lot::{Mutex, RwLock};
use tokio_util::task::TaskTracker;

use super::scope::{Request, Scope};
use super::{AppError, Release};
use crate::clock::timestamp;
use crate::data::{User, user_by_handle};
use crate::telemetry::otel::{Otel, extract, traceparent};
use crate::telemetry::rollbar::RequestInfo;
use crate::telemetry::xray::{HttpRequest, Segment};
use crate::telemetry::{Identity, Vendors};

/// Who is signed in, as a session cookie would tell.
pub const USER_HEADER: &str = "x-cruddur-user";
const TRACE_HEADER: &str = "x-amzn-trace-id";

pub struct Service {
    pub vendors: Vendors,
    pub http: reqwest::Client,
    /// Whether X-Ray's and watchtower's SDKs are in this service as well.
    traced_by_xray: bool,
    running: RwLock<Arc<Running>>,
    luck: Mutex<fastrand::Rng>,
    /// The requests that run.
    pub requests: TaskTracker,
}

/// A service at one version, between two deploys.
pub struct Running {
    pub identity: Identity,
    pub release: Release,
    pub otel: Arc<Otel>,
}

impl Running {
    /// The log stream of one logger of this process, named as watchtower names it.
    pub fn stream(&self, logger: &str) -> String {
        format!("{}/{}/{logger}/{}", self.identity.host, self.identity.service, std::process::id())
    }
}

impl Service {
    pub fn new(running: Running, vendors: Vendors, http: reqwest::Client, traced_by_xray: bool, seed: u64) -> Arc<Service> {
        let luck = Mutex::new(fastrand::Rng::with_seed(seed));
        Arc::new(Service {
            vendors,
            http,
            traced_by_xray,
            running: RwLock::new(Arc::new(running)),
            luck,
            requests: TaskTracker::new(),
        })
    }

    pub fn running(&self) -> Arc<Running> {
        Arc::clone(&self.running.read())
    }

    /// A new version takes over; gives back the old one, whose requests may still be running.
    pub fn deploy(&self, new: Running) -> Arc<Running> {
        std::mem::replace(&mut *self.running.write(), Arc::new(new))
    }

    /// True in `share` of all cases.
    pub fn unlucky(&self, share: f64) -> bool {
        self.luck.lock().f64() < share
    }

    /// A pause between the two, more often short than long.
    pub fn pause(&self, least_ms: f64, most_ms: f64) -> Duration {
        let chance = self.luck.lock().f64();
        Duration::from_secs_f64((least_ms + (most_ms - least_ms) * chance * chance) / 1000.0)
    }
}

/// Watches one request: server span, segment, metrics, access line, and the error if there is one.
///
/// The handler runs in a task of its own: a caller that hangs up does not stop it, so that what it does is told to
/// the end.
pub async fn observe(State(service): State<Arc<Service>>, request: axum::extract::Request, next: Next) -> Response {
    let requests = service.requests.clone();
    match requests.spawn(observed(service, request, next)).await {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%error, "demo handler ended badly");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn observed(service: Arc<Service>, mut request: axum::extract::Request, next: Next) -> Response {
    let started = Instant::now();
    let facts = Facts::of(&request);
    let running = service.running();
    let context = running.otel.span(&extract(request.headers()), facts.span_name(), SpanKind::Server, facts.attributes());
    let segment = (service.traced_by_xray && !facts.is_probe()).then(|| service.vendors.xray.begin(facts.to_xray()));
    let scope = Scope::new(
        context.clone(),
        Arc::new(Request {
            running: Arc::clone(&running),
            vendors: service.vendors.clone(),
            segment,
            user: facts.user,
            info: facts.to_rollbar(&context),
        }),
    );
    if let (Some(segment), Some(user)) = (&scope.request.segment, facts.user) {
        segment.set_user(user.uuid);
        segment.annotate(&segment.id, "user_handle", user.handle.into());
        segment.annotate(&segment.id, "release", running.identity.version.as_str().into());
    }
    let active =
        [KeyValue::new(attribute::HTTP_REQUEST_METHOD, facts.method.clone()), KeyValue::new(attribute::URL_SCHEME, "http")];
    running.otel.metrics.active_requests.add(1, &active);

    request.extensions_mut().insert(scope.clone());
    let mut response = next.run(request).await;

    running.otel.metrics.active_requests.add(-1, &active);
    let error = response.extensions_mut().remove::<AppError>();
    finish(&scope, &facts, &mut response, error.as_ref(), started);
    response
}

/// Tells the end of a request to everybody, in the order in which the middlewares of a real app are stacked.
fn finish(scope: &Scope, facts: &Facts, response: &mut Response, error: Option<&AppError>, started: Instant) {
    let status = response.status();
    let running = &scope.request.running;
    let span = scope.context.span();
    if let Some(segment) = &scope.request.segment {
        let id = format!("Root={}", segment.trace_id);
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(TRACE_HEADER, value);
        }
        // What OpenTelemetry's header capture writes; the exact link between the two tracers.
        let captured = OtelValue::Array(Array::String(vec![StringValue::from(id)]));
        span.set_attribute(KeyValue::new("http.response.header.x_amzn_trace_id", captured));
    }
    if scope.request.segment.is_some() {
        let line = facts.access_line(status);
        scope.request.vendors.cloudwatch.log(&running.stream("access"), line);
    }
    if let Some(error) = error {
        report(scope, facts, error);
    }

    span.set_attribute(KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())));
    let mut labels = vec![
        KeyValue::new(attribute::HTTP_REQUEST_METHOD, facts.method.clone()),
        KeyValue::new(attribute::URL_SCHEME, "http"),
        KeyValue::new(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status.as_u16())),
    ];
    if let Some(route) = &facts.route {
        labels.push(KeyValue::new(attribute::HTTP_ROUTE, route.clone()));
    }
    if status.is_server_error() {
        let error_type = error.map_or_else(|| status.as_str().to_owned(), |error| error.kind.to_owned());
        span.set_attribute(KeyValue::new(attribute::ERROR_TYPE, error_type.clone()));
        span.set_status(error.map_or(Status::error(""), |error| Status::error(error.message.clone())));
        labels.push(KeyValue::new(attribute::ERROR_TYPE, error_type));
    }
    running.otel.metrics.request_duration.record(started.elapsed().as_secs_f64(), &labels);
    span.end();

    if let Some(segment) = &scope.request.segment {
        end_segment(segment, response, &running.identity.version, error);
    }
}

fn end_segment(segment: &Segment, response: &Response, version: &str, error: Option<&AppError>) {
    let length = response.body().size_hint().exact().unwrap_or(0);
    segment.end(response.status().as_u16(), length, version, error);
}

/// An error that nobody handled: a span event, a traceback in the log group, an item at Rollbar.
fn report(scope: &Scope, facts: &Facts, error: &AppError) {
    scope.context.span().add_event(
        "exception",
        vec![
            KeyValue::new(attribute::EXCEPTION_TYPE, error.kind),
            KeyValue::new(attribute::EXCEPTION_MESSAGE, error.message.clone()),
            KeyValue::new(attribute::EXCEPTION_STACKTRACE, error.stacktrace()),
        ],
    );
    if scope.request.segment.is_some() {
        let line = format!("Exception on {} [{}]\n{}", facts.path, facts.method, error.stacktrace());
        scope.request.vendors.cloudwatch.log(&scope.request.running.stream("app"), line);
    }
    scope.request.vendors.rollbar.error(error, &scope.scene());
}

/// What the middleware reads off a request, once.
struct Facts {
    method: String,
    path: String,
    query: Option<String>,
    route: Option<String>,
    host: String,
    user_agent: String,
    client: String,
    forwarded: bool,
    user: Option<&'static User>,
    headers: Vec<(String, String)>,
}

impl Facts {
    fn of(request: &axum::extract::Request) -> Facts {
        let headers = request.headers();
        let forwarded = header(headers, "x-forwarded-for");
        Facts {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            route: request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()),
            host: header(headers, HOST.as_str()).unwrap_or_default(),
            user_agent: header(headers, USER_AGENT.as_str()).unwrap_or_default(),
            forwarded: forwarded.is_some(),
            client: forwarded.unwrap_or_else(|| IpAddr::from([127, 0, 0, 1]).to_string()),
            user: header(headers, USER_HEADER).and_then(|handle| user_by_handle(&handle)),
            headers: headers
                .iter()
                .filter_map(|(name, value)| Some((title_case(name.as_str()), value.to_str().ok()?.to_owned())))
                .collect(),
        }
    }

    fn span_name(&self) -> String {
        match &self.route {
            Some(route) => format!("{} {route}", self.method),
            None => self.method.clone(),
        }
    }

    /// A load balancer's question whether we are well is not worth a segment or a line.
    fn is_probe(&self) -> bool {
        self.path == "/api/health"
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let (host, port) = match self.host.parse::<SocketAddr>() {
            Ok(address) => (address.ip().to_string(), Some(address.port())),
            Err(_) => (self.host.clone(), None),
        };
        let mut attributes = vec![
            KeyValue::new(attribute::HTTP_REQUEST_METHOD, self.method.clone()),
            KeyValue::new(attribute::URL_SCHEME, "http"),
            KeyValue::new(attribute::URL_PATH, self.path.clone()),
            KeyValue::new(attribute::SERVER_ADDRESS, host),
            KeyValue::new(attribute::CLIENT_ADDRESS, self.client.clone()),
            KeyValue::new(attribute::NETWORK_PROTOCOL_VERSION, "1.1"),
            KeyValue::new(attribute::USER_AGENT_ORIGINAL, self.user_agent.clone()),
        ];
        attributes.extend(port.map(|port| KeyValue::new(attribute::SERVER_PORT, i64::from(port))));
        attributes.extend(self.query.clone().map(|query| KeyValue::new(attribute::URL_QUERY, query)));
        attributes.extend(self.route.clone().map(|route| KeyValue::new(attribute::HTTP_ROUTE, route)));
        attributes.extend(self.user.map(|user| KeyValue::new(attribute::USER_ID, user.uuid)));
        attributes.extend(self.user.map(|user| KeyValue::new(attribute::USER_NAME, user.handle)));
        attributes
    }

    /// Without the query, as X-Ray's middlewares write it.
    fn url(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }

    fn to_xray(&self) -> HttpRequest {
        HttpRequest {
            method: self.method.clone(),
            url: self.url(),
            user_agent: self.user_agent.clone(),
            client_ip: self.client.clone(),
            forwarded: self.forwarded,
        }
    }

    fn to_rollbar(&self, context: &Context) -> RequestInfo {
        let mut headers = self.headers.clone();
        // Behind a proxy that traces, every request has one; here only those of other services do.
        if !headers.iter().any(|(name, _)| name == "Traceparent") {
            headers.extend(traceparent(context).map(|value| ("Traceparent".to_owned(), value)));
        }
        let query = self.query.as_deref().unwrap_or_default();
        RequestInfo {
            url: match &self.query {
                Some(query) => format!("{}?{query}", self.url()),
                None => self.url(),
            },
            method: self.method.clone(),
            query: query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            headers,
            user_ip: self.client.clone(),
            context: self.route.clone().unwrap_or_else(|| self.path.clone()),
        }
    }

    /// The line that an `after_request` hook of a Flask app would write.
    fn access_line(&self, status: StatusCode) -> String {
        let now = timestamp().to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%b-%d %H:%M").to_string();
        format!(
            "[{now}] {} {} http {}?{} {} {}",
            self.client,
            self.method,
            self.path,
            self.query.as_deref().unwrap_or_default(),
            status.as_str(),
            status.canonical_reason().unwrap_or_default().to_uppercase(),
        )
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// `user-agent` to `User-Agent`, as frameworks hand headers over.
fn title_case(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}
