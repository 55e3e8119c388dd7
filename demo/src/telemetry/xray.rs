//! A small X-Ray SDK: segments to the daemon over UDP, sampling over TCP on the same port.
//!
//! In:      one [`Segment`] per request, with its subsegments
//! Spec:    docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html, and what aws-xray-sdk for Python
//!          2.15 puts on the wire
//! Out:     one datagram per sampled request; `GetSamplingRules` at the start, `SamplingTargets` every 10 s, unsigned
//! Missing: streaming of finished subsegments (no request here has hundreds), rule matchers other than `Default`
//! Quirks:  `in_progress: false` and the trace id on embedded subsegments are what the Python SDK sends; `cause` is the
//!          exception on the subsegment that raised it and only its id on what encloses it

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{CALL_TIMEOUT, LOG_GROUP, http_client, random_hex};
use crate::app::AppError;
use crate::clock::epoch_seconds;

/// The name the middleware was given; OpenTelemetry's is another, as happens in real life.
pub const SEGMENT_NAME: &str = "cruddur.local";
const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";
/// The app does not wait longer for its sampling rules; a real SDK does not wait at all.
const FIRST_RULES_WAIT: Duration = Duration::from_millis(300);
/// How often statistics are reported, and missing rules asked for again.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);
/// Rules are asked for again this often.
const RULES_INTERVAL: Duration = Duration::from_secs(300);
/// Without rules the SDK keeps this share of what goes beyond one request a second.
const LOCAL_RATE: f64 = 0.05;
const LOCAL_RESERVOIR: u64 = 1;

/// The recorder of the process.
pub struct Xray {
    socket: UdpSocket,
    daemon: SocketAddr,
    client: reqwest::Client,
    client_id: String,
    sampler: Mutex<Sampler>,
    closed: AtomicBool,
    cancel: CancellationToken,
}

/// What decides which requests are kept.
struct Sampler {
    /// The rule in force; none before the daemon has answered.
    rule: Option<Rule>,
    fetched_at: Option<Instant>,
    second: u64,
    taken_this_second: u64,
    counts: Counts,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    name: String,
    fixed_rate: f64,
    reservoir: u64,
}

/// What is reported every ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    requests: u64,
    sampled: u64,
    borrowed: u64,
}

impl Xray {
    /// Asks for the rules, then starts the task that reports. A daemon that does not answer is no error.
    pub async fn start(daemon: SocketAddr, tasks: &TaskTracker) -> anyhow::Result<Arc<Xray>> {
        let any_port = match daemon.ip() {
            IpAddr::V4(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
            IpAddr::V6(_) => SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0)),
        };
        let socket = UdpSocket::bind(any_port)?;
        socket.set_nonblocking(true)?;
        let xray = Arc::new(Xray {
            socket,
            daemon,
            client: http_client(true)?,
            client_id: random_hex(24),
            sampler: Mutex::new(Sampler::new()),
            closed: AtomicBool::new(false),
            cancel: CancellationToken::new(),
        });
        // Whether the rules came in time shows in the first requests, which are then mostly not kept.
        let _ = tokio::time::timeout(FIRST_RULES_WAIT, xray.fetch_rules()).await;
        tasks.spawn(Arc::clone(&xray).report_until_closed());
        Ok(xray)
    }

    /// Opens a segment and decides whether it will be sent.
    pub fn begin(self: &Arc<Xray>, request: HttpRequest) -> Segment {
        let start_time = epoch_seconds();
        let (sampled, rule_name) = self.sampler.lock().decide(start_time as u64, fastrand::f64());
        let trace_id = format!("1-{:08x}-{}", start_time as u64, random_hex(24));
        let state =
            State { annotations: Map::new(), metadata: Map::new(), user: None, subsegments: Vec::new(), raised: Vec::new() };
        Segment {
            xray: Arc::clone(self),
            trace_id,
            id: random_hex(16),
            start_time,
            sampled,
            rule_name,
            request,
            state: Mutex::new(state),
        }
    }

    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.cancel.cancel();
    }

    /// One datagram. A full buffer or a document over 64 KB loses it, as with any X-Ray SDK.
    fn send(&self, document: &Value) {
        if self.closed.load(Ordering::Relaxed) {
            return;
        }
        let mut datagram = HEADER.to_vec();
        // A Value always serialises, and a Vec always takes it.
        let _ = serde_json::to_writer(&mut datagram, document);
        if let Err(error) = self.socket.send_to(&datagram, self.daemon) {
            tracing::debug!(%error, bytes = datagram.len(), "segment not sent");
        }
    }

    async fn report_until_closed(self: Arc<Xray>) {
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + REPORT_INTERVAL, REPORT_INTERVAL);
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if self.sampler.lock().rules_are_stale() {
                self.fetch_rules().await;
            }
            self.report_targets().await;
        }
    }

    async fn fetch_rules(&self) {
        let Some(answer) = self.call("GetSamplingRules", &json!({})).await else { return };
        if let Some(rule) = default_rule(&answer) {
            let mut sampler = self.sampler.lock();
            sampler.rule = Some(rule);
            sampler.fetched_at = Some(Instant::now());
        }
    }

    async fn report_targets(&self) {
        let Some((rule_name, counts)) = self.sampler.lock().take_counts() else { return };
        let timestamp = epoch_seconds() as u64;
        let document = json!({
            "RuleName": rule_name,
            "ClientID": self.client_id,
            "RequestCount": counts.requests,
            "BorrowCount": counts.borrowed,
            "SampledCount": counts.sampled,
            "Timestamp": timestamp,
        });
        let Some(answer) = self.call("SamplingTargets", &json!({"SamplingStatisticsDocuments": [document]})).await else {
            return;
        };
        let targets = answer["SamplingTargetDocuments"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut sampler = self.sampler.lock();
        for target in targets.iter().filter(|target| target["RuleName"] == rule_name.as_str()) {
            if let (Some(rule), Some(rate)) = (&mut sampler.rule, target["FixedRate"].as_f64()) {
                rule.fixed_rate = rate;
            }
        }
    }

    /// A call through the daemon's TCP side: the daemon is what signs it for AWS.
    async fn call(&self, operation: &str, body: &Value) -> Option<Value> {
        let url = format!("http://{}/{operation}", self.daemon);
        let answer = self.client.post(url).timeout(CALL_TIMEOUT).json(body).send().await;
        match answer.and_then(reqwest::Response::error_for_status) {
            Ok(response) => response.json().await.ok(),
            Err(error) => {
                tracing::debug!(%error, operation, "x-ray daemon did not answer");
                None
            }
        }
    }
}

impl Sampler {
    fn new() -> Sampler {
        Sampler { rule: None, fetched_at: None, second: 0, taken_this_second: 0, counts: Counts::default() }
    }

    /// Reservoir first, then the fixed rate. Says which rule decided; the SDK's own default has no name.
    fn decide(&mut self, second: u64, chance: f64) -> (bool, Option<String>) {
        if self.second != second {
            (self.second, self.taken_this_second) = (second, 0);
        }
        let (reservoir, rate) = match &self.rule {
            Some(rule) => (rule.reservoir, rule.fixed_rate),
            None => (LOCAL_RESERVOIR, LOCAL_RATE),
        };
        let borrowed = self.taken_this_second < reservoir;
        let sampled = borrowed || chance < rate;
        let Some(rule) = &self.rule else {
            self.taken_this_second += u64::from(borrowed);
            return (sampled, None);
        };
        self.taken_this_second += u64::from(borrowed);
        self.counts.requests += 1;
        self.counts.borrowed += u64::from(borrowed);
        self.counts.sampled += u64::from(sampled);
        (sampled, Some(rule.name.clone()))
    }

    fn rules_are_stale(&self) -> bool {
        self.fetched_at.is_none_or(|at| at.elapsed() >= RULES_INTERVAL)
    }

    fn take_counts(&mut self) -> Option<(String, Counts)> {
        let rule = self.rule.as_ref()?;
        let counts = std::mem::take(&mut self.counts);
        (counts.requests > 0).then(|| (rule.name.clone(), counts))
    }
}

/// The rule that applies to everything, from an answer to `GetSamplingRules`.
fn default_rule(answer: &Value) -> Option<Rule> {
    let records = answer["SamplingRuleRecords"].as_array()?;
    let mut rules = records.iter().map(|record| &record["SamplingRule"]);
    let rule = rules.find(|rule| rule["RuleName"] == "Default")?;
    Some(Rule {
        name: rule["RuleName"].as_str()?.to_owned(),
        fixed_rate: rule["FixedRate"].as_f64()?,
        reservoir: rule["ReservoirSize"].as_u64().unwrap_or(0),
    })
}

/// The request a segment stands for.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    pub user_agent: String,
    pub client_ip: String,
    /// Whether `client_ip` comes from `X-Forwarded-For`.
    pub forwarded: bool,
}

/// One request, open until [`Segment::end`].
pub struct Segment {
    xray: Arc<Xray>,
    pub trace_id: String,
    pub id: String,
    pub sampled: bool,
    start_time: f64,
    rule_name: Option<String>,
    request: HttpRequest,
    state: Mutex<State>,
}

struct State {
    annotations: Map<String, Value>,
    metadata: Map<String, Value>,
    user: Option<String>,
    /// In the order they were opened, so that a parent comes before its children.
    subsegments: Vec<Subsegment>,
    /// The exceptions that some subsegment tells in full, by what is known of them so far.
    raised: Vec<AppError>,
}

/// What a subsegment stands for.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A step of the app's own.
    Local,
    /// A call to another service.
    Remote { method: String, url: String },
    /// A query.
    Sql(Value),
}

/// The exception on the part that raised it, its id on what encloses that part.
#[derive(Clone, Copy, Debug)]
enum Cause {
    Raised(usize),
    Passed(usize),
}

struct Subsegment {
    id: String,
    parent_id: String,
    name: String,
    kind: Kind,
    start_time: f64,
    end_time: Option<f64>,
    status: Option<u16>,
    cause: Option<Cause>,
    metadata: Map<String, Value>,
    annotations: Map<String, Value>,
}

impl Segment {
    /// Opens a subsegment below `parent_id` and gives its id.
    pub fn begin_subsegment(&self, parent_id: &str, name: &str, kind: Kind) -> String {
        let id = random_hex(16);
        self.state.lock().subsegments.push(Subsegment {
            id: id.clone(),
            parent_id: parent_id.to_owned(),
            name: name.to_owned(),
            kind,
            start_time: epoch_seconds(),
            end_time: None,
            status: None,
            cause: None,
            metadata: Map::new(),
            annotations: Map::new(),
        });
        id
    }

    pub fn end_subsegment(&self, id: &str, error: Option<&AppError>) {
        let now = epoch_seconds();
        let mut state = self.state.lock();
        let cause = error.map(|error| state.cause(error));
        if let Some(subsegment) = state.subsegment(id) {
            subsegment.end_time = Some(now);
            subsegment.cause = cause;
        }
    }

    /// The answer a remote call got.
    pub fn set_status(&self, id: &str, status: u16) {
        if let Some(subsegment) = self.state.lock().subsegment(id) {
            subsegment.status = Some(status);
        }
    }

    /// Data beside the searchable fields, in the namespace `cruddur`.
    pub fn put_metadata(&self, id: &str, key: &str, value: Value) {
        if let Some(subsegment) = self.state.lock().subsegment(id) {
            subsegment.metadata.insert(key.to_owned(), value);
        }
    }

    /// A searchable value: string, number or bool. On the segment itself if `id` is the segment's.
    pub fn annotate(&self, id: &str, key: &str, value: Value) {
        let mut state = self.state.lock();
        if id == self.id {
            state.annotations.insert(key.to_owned(), value);
        } else if let Some(subsegment) = state.subsegment(id) {
            subsegment.annotations.insert(key.to_owned(), value);
        }
    }

    pub fn set_user(&self, user: &str) {
        self.state.lock().user = Some(user.to_owned());
    }

    /// Closes the segment and sends it, if it was sampled. A subsegment still open ends with it.
    pub fn end(&self, status: u16, content_length: u64, version: &str, error: Option<&AppError>) {
        let end_time = epoch_seconds();
        if self.sampled {
            self.xray.send(&self.document(status, content_length, version, error, end_time));
        }
    }

    /// The keys come in the order in which the Python SDK writes them.
    fn document(&self, status: u16, content_length: u64, version: &str, error: Option<&AppError>, end_time: f64) -> Value {
        let mut state = self.state.lock();
        let mut document = Map::new();
        document.insert("id".into(), self.id.as_str().into());
        document.insert("name".into(), SEGMENT_NAME.into());
        document.insert("start_time".into(), self.start_time.into());
        document.insert("in_progress".into(), false.into());
        document.insert("http".into(), self.http(status, content_length));
        if !state.annotations.is_empty() {
            document.insert("annotations".into(), Value::Object(state.annotations.clone()));
        }
        if !state.metadata.is_empty() {
            document.insert("metadata".into(), json!({"cruddur": state.metadata}));
        }
        let mut sdk = json!({"sdk": "X-Ray for Rust", "sdk_version": env!("CARGO_PKG_VERSION")});
        if let Some(rule_name) = &self.rule_name {
            sdk["sampling_rule_name"] = rule_name.as_str().into();
        }
        document.insert("aws".into(), json!({"cloudwatch_logs": [{"log_group": LOG_GROUP}], "xray": sdk}));
        if let Some(error) = error {
            let cause = state.cause(error);
            document.insert("cause".into(), state.cause_document(cause));
        }
        let subsegments = self.nested(&state, &self.id, end_time);
        if !subsegments.is_empty() {
            document.insert("subsegments".into(), subsegments.into());
        }
        document.insert("trace_id".into(), self.trace_id.as_str().into());
        if let Some(user) = &state.user {
            document.insert("user".into(), user.as_str().into());
        }
        document.insert("service".into(), json!({"version": version, "runtime": "rust"}));
        insert_outcome(&mut document, Some(status), error.is_some());
        document.insert("end_time".into(), end_time.into());
        Value::Object(document)
    }

    fn http(&self, status: u16, content_length: u64) -> Value {
        let HttpRequest { method, url, user_agent, client_ip, forwarded } = &self.request;
        let mut request = json!({"url": url, "method": method, "user_agent": user_agent, "client_ip": client_ip});
        if *forwarded {
            request["x_forwarded_for"] = true.into();
        }
        json!({"request": request, "response": {"status": status, "content_length": content_length}})
    }

    /// The subsegments below `parent_id`, each with its own inside.
    fn nested(&self, state: &State, parent_id: &str, end_of_segment: f64) -> Vec<Value> {
        let children = state.subsegments.iter().filter(|subsegment| subsegment.parent_id == parent_id);
        children
            .map(|subsegment| {
                let cause = subsegment.cause.map(|cause| state.cause_document(cause));
                let mut document = subsegment.document(&self.trace_id, cause, end_of_segment);
                let below = self.nested(state, &subsegment.id, end_of_segment);
                if !below.is_empty() {
                    document.insert("subsegments".into(), below.into());
                }
                Value::Object(document)
            })
            .collect()
    }
}

impl State {
    fn subsegment(&mut self, id: &str) -> Option<&mut Subsegment> {
        self.subsegments.iter_mut().rev().find(|subsegment| subsegment.id == id)
    }

    /// Notes an exception. On its way up it learns more frames, so the last word counts.
    fn cause(&mut self, error: &AppError) -> Cause {
        if let Some(at) = self.raised.iter().position(|raised| raised.id == error.id) {
            self.raised[at] = error.clone();
            return Cause::Passed(at);
        }
        self.raised.push(error.clone());
        Cause::Raised(self.raised.len() - 1)
    }

    fn cause_document(&self, cause: Cause) -> Value {
        match cause {
            Cause::Raised(at) => exception(&self.raised[at]),
            Cause::Passed(at) => self.raised[at].id.as_str().into(),
        }
    }
}

fn exception(error: &AppError) -> Value {
    let outermost_first = error.frames.iter().rev();
    let stack = outermost_first.map(|frame| json!({"path": frame.file_name(), "line": frame.line, "label": frame.function}));
    json!({
        "working_directory": "/cruddur",
        "exceptions": [{
            "id": error.id,
            "message": error.message,
            "type": error.kind,
            "remote": false,
            "stack": stack.collect::<Vec<_>>(),
        }],
    })
}

impl Subsegment {
    fn document(&self, trace_id: &str, cause: Option<Value>, end_of_segment: f64) -> Map<String, Value> {
        let namespace = match self.kind {
            Kind::Local => "local",
            Kind::Remote { .. } | Kind::Sql(_) => "remote",
        };
        let mut document = Map::new();
        document.insert("id".into(), self.id.as_str().into());
        document.insert("name".into(), self.name.as_str().into());
        document.insert("start_time".into(), self.start_time.into());
        document.insert("parent_id".into(), self.parent_id.as_str().into());
        document.insert("in_progress".into(), false.into());
        if let Kind::Remote { method, url } = &self.kind {
            let mut http = json!({"request": {"url": url, "method": method}});
            if let Some(status) = self.status {
                http["response"] = json!({"status": status});
            }
            document.insert("http".into(), http);
        }
        if !self.annotations.is_empty() {
            document.insert("annotations".into(), Value::Object(self.annotations.clone()));
        }
        if !self.metadata.is_empty() {
            document.insert("metadata".into(), json!({"cruddur": self.metadata}));
        }
        if let Some(cause) = cause {
            document.insert("cause".into(), cause);
        }
        document.insert("trace_id".into(), trace_id.into());
        document.insert("type".into(), "subsegment".into());
        document.insert("namespace".into(), namespace.into());
        if let Kind::Sql(sql) = &self.kind {
            document.insert("sql".into(), sql.clone());
        }
        insert_outcome(&mut document, self.status, self.cause.is_some());
        document.insert("end_time".into(), self.end_time.unwrap_or(end_of_segment).into());
        document
    }
}

/// `error` for 4xx, `throttle` too for 429, `fault` for 5xx and for exceptions.
fn insert_outcome(document: &mut Map<String, Value>, status: Option<u16>, raised: bool) {
    let status = status.unwrap_or(0);
    if status == 429 {
        document.insert("throttle".into(), true.into());
    }
    if (400..500).contains(&status) {
        document.insert("error".into(), true.into());
    }
    if raised || (500..600).contains(&status) {
        document.insert("fault".into(), true.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_rules_one_request_a_second_and_five_percent() {
        let mut sampler = Sampler::new();
        assert_eq!(sampler.decide(100, 0.99), (true, None));
        assert_eq!(sampler.decide(100, 0.99), (false, None));
        assert_eq!(sampler.decide(100, 0.04), (true, None));
        assert_eq!(sampler.decide(101, 0.99), (true, None));
        assert_eq!(sampler.take_counts(), None);
    }

    #[test]
    fn a_rule_decides_and_is_counted() {
        let answer = json!({"SamplingRuleRecords": [
            {"SamplingRule": {"RuleName": "Default", "FixedRate": 0.5, "ReservoirSize": 1, "Priority": 10000}},
        ]});
        let mut sampler = Sampler::new();
        sampler.rule = default_rule(&answer);
        assert_eq!(sampler.decide(7, 0.9), (true, Some("Default".into())));
        assert_eq!(sampler.decide(7, 0.9), (false, Some("Default".into())));
        assert_eq!(sampler.decide(7, 0.4), (true, Some("Default".into())));
        assert_eq!(sampler.take_counts(), Some(("Default".into(), Counts { requests: 3, sampled: 2, borrowed: 1 })));
        assert_eq!(sampler.take_counts(), None);
    }
}
