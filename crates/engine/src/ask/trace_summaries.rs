//! Summaries of whole traces, newest first, page by page: what happened, to whom, where, and why it was slow or failed.
//!
//! A page is found in two steps. Facts say which traces are meant, how they went and what caused it; then the attributes of the
//! page's spans, and no others, say the rest.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use analysis::root_cause::{CauseEntity, CauseService, RootCause, Trouble, response_time, trouble};
use analysis::service_graph::{Calls, NodeKey, Side};
use analysis::trace_facts::{Flags, Trace};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, lit};
use model::{Signal, SpanId, TraceId};
use store::TimeRange;

use super::trace_scope::{TraceScope, known, told};
use super::traces::parse_cursor;
use super::{Asker, Stats};
use crate::answer::Row;
use crate::error::EngineError;
use crate::limits::{PAGE_ROWS_MAX, TRACE_REACH_NS, TRACE_SUMMARY_EXCEPTIONS_MAX, TRACE_SUMMARY_SPANS_MAX};
use crate::session::Session;

/// One page of summaries.
#[derive(Clone, Debug)]
pub struct TraceSummariesPage {
    /// Newest first.
    pub traces: Vec<FoundTrace>,
    /// Where the next page begins. It holds while traces arrive: those are newer.
    pub next_cursor: Option<String>,
    /// Traces that were looked at for this page.
    pub traces_looked_at: u64,
    pub stats: Stats,
}

/// A trace that was found.
#[derive(Clone, Debug)]
pub struct FoundTrace {
    pub id: TraceId,
    pub start_unix_nano: i64,
    /// From the earliest start to the latest end.
    pub duration_ns: i64,
    /// The root's.
    pub response_time_ns: i64,
    /// Of the root.
    pub has_fault: bool,
    pub has_error: bool,
    /// Of any span.
    pub has_throttle: bool,
    /// Some span has not ended.
    pub is_partial: bool,
    /// The root has not arrived.
    pub root_is_missing: bool,
    /// The request that the trace is about.
    pub http: Option<FoundHttp>,
    /// Nodes that took part, by their number in this list elsewhere; callees that sent nothing too.
    pub services: Vec<FoundService>,
    /// Index into `services`.
    pub entry_point: Option<usize>,
    pub annotations: Vec<FoundAnnotation>,
    pub users: Vec<FoundUser>,
    pub resource_arns: Vec<String>,
    pub instance_ids: Vec<String>,
    pub availability_zones: Vec<String>,
    pub response_time_root_cause: Option<FoundRootCause>,
    pub fault_root_causes: Vec<FoundRootCause>,
    pub error_root_causes: Vec<FoundRootCause>,
    /// Spans that arrived so far.
    pub revision: usize,
    /// When the root answered; when it began, while it is in progress.
    pub matched_event_unix_nano: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundHttp {
    pub url: Option<String>,
    pub method: Option<String>,
    pub status: Option<u16>,
    pub client_ip: Option<String>,
    pub user_agent: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundService {
    pub name: String,
    /// Empty when nothing says.
    pub node_type: String,
    pub is_inferred: bool,
    pub account_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundAnnotation {
    pub key: String,
    /// A text, a number or a truth value.
    pub value: serde_json::Value,
    /// Indexes into `services`.
    pub services: BTreeSet<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundUser {
    pub name: String,
    pub services: BTreeSet<usize>,
}

/// A way from the root down; see [`analysis::root_cause`].
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRootCause {
    /// Never empty.
    pub services: Vec<FoundCauseService>,
    pub client_impacting: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundCauseService {
    /// Index into the trace's `services`.
    pub service: usize,
    /// Never empty.
    pub entities: Vec<FoundCauseEntity>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FoundCauseEntity {
    pub name: String,
    pub coverage: f64,
    pub remote: bool,
    pub exceptions: Vec<FoundException>,
    span_id: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundException {
    pub r#type: String,
    pub message: String,
}

impl Asker {
    /// A page of the traces of a scope. `cursor` is an earlier page's `next_cursor`.
    pub async fn trace_summaries(
        &self,
        scope: &TraceScope,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<TraceSummariesPage, EngineError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let mut page = Page::new(limit);
        let mut scope = scope.clone();
        if let Some(cursor) = cursor {
            let (start, id) = parse_cursor(cursor)?;
            page.before = Some((start, id));
            // A trace before the cursor began before it; only what a range means by other times may lie after.
            if scope.time == super::trace_scope::TraceTime::Begin {
                let range = scope.range();
                scope.range = Some(TimeRange { end_unix_nano: range.end_unix_nano.min(start.saturating_add(1)), ..range });
            }
        }
        let session = self.trace_session(scope.range()).await?;
        let mut scan = self.scope_scan(&scope, Arc::clone(&session)).await?.ends_early();
        let warnings = std::mem::take(&mut scan.warnings);
        let mut calls = Calls::default();
        let scanned = scan
            .fold(page, move |page, window, chosen| {
                page.looked_at += window.facts.traces_count() as u64;
                for trace in window.facts.traces() {
                    if page.has_room_for(&trace) && chosen.takes(&trace, &mut calls) {
                        calls.read(&trace);
                        page.add(Sketch::of(&trace, &calls));
                    }
                }
                page.flow(window.settled_from_unix_nano)
            })
            .await?;
        let page = scanned.state;
        let (next_cursor, looked_at) = (page.next_cursor(), page.looked_at);
        let mut found = page.found;
        found.truncate(limit);
        let details = Details::read(&session, &found).await?;
        Ok(TraceSummariesPage {
            traces: found.into_iter().map(|sketch| sketch.with(&details)).collect(),
            next_cursor,
            traces_looked_at: looked_at,
            stats: told(scanned.stats.plus(details.stats), &scanned.coverage, warnings),
        })
    }
}

/// The newest traces found so far, one more than the page has room for.
struct Page {
    limit: usize,
    before: Option<(i64, TraceId)>,
    found: Vec<Sketch>,
    ids: HashSet<TraceId>,
    looked_at: u64,
}

impl Page {
    fn new(limit: usize) -> Page {
        Page { limit, before: None, found: Vec::new(), ids: HashSet::new(), looked_at: 0 }
    }

    fn has_room_for(&self, trace: &Trace<'_>) -> bool {
        let place = (trace.start_unix_nano(), trace.id());
        let is_after = self.found.get(self.limit).is_some_and(|last| place <= last.place());
        !is_after && self.before.is_none_or(|before| place < before) && !self.ids.contains(&trace.id())
    }

    fn add(&mut self, sketch: Sketch) {
        let at = self.found.partition_point(|other| other.place() > sketch.place());
        self.ids.insert(sketch.trace.id);
        self.found.insert(at, sketch);
        self.found.truncate(self.limit + 1);
    }

    /// Ends when the page is full and nothing that comes belongs on it.
    fn flow(&self, settled_from_unix_nano: i64) -> ControlFlow<()> {
        match self.found.get(self.limit) {
            Some(last) if last.trace.start_unix_nano >= settled_from_unix_nano => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn next_cursor(&self) -> Option<String> {
        let last = self.found.get(self.limit).and_then(|_| self.found.get(self.limit - 1))?;
        Some(format!("{}:{}", last.trace.start_unix_nano, last.trace.id))
    }
}

/// What facts say of a trace.
struct Sketch {
    trace: FoundTrace,
    /// The ids that its spans name.
    own_ids: Vec<TraceId>,
    /// Of each span: its id, and the index of its service.
    spans: HashMap<(TraceId, u64), usize>,
    request_span: (TraceId, u64),
    end_unix_nano: i64,
}

impl Sketch {
    fn of(trace: &Trace<'_>, calls: &Calls) -> Sketch {
        let (spans, root) = (trace.spans(), trace.root());
        let mut nodes: BTreeSet<NodeKey> = calls.calls().iter().map(|call| call.to).collect();
        nodes.extend((0..spans.len()).map(|at| calls.node(at)));
        let nodes: Vec<NodeKey> = nodes.into_iter().collect();
        let place = |key: NodeKey| nodes.binary_search(&key).unwrap_or(0);
        let service = |key: &NodeKey| FoundService {
            name: trace.text(key.name).to_owned(),
            node_type: trace.text(key.node_type).to_owned(),
            is_inferred: key.side == Side::Inferred,
            account_id: None,
        };
        let cause = |cause: RootCause| found_cause(trace, cause, &place);
        let of = |flag: Flags| root.is(flag);
        let own_id = |span: &analysis::trace_facts::SpanFact| trace.facts.id(span.own_trace);
        let mut own_ids: Vec<TraceId> = spans.iter().map(own_id).collect();
        own_ids.sort_unstable();
        own_ids.dedup();
        let request = trace.request();
        Sketch {
            own_ids,
            spans: spans.iter().enumerate().map(|(at, span)| ((own_id(span), span.span_id), place(calls.node(at)))).collect(),
            request_span: (own_id(request), request.span_id),
            end_unix_nano: trace.end_unix_nano(),
            trace: FoundTrace {
                id: trace.id(),
                start_unix_nano: trace.start_unix_nano(),
                duration_ns: trace.duration_ns(),
                response_time_ns: trace.response_time_ns(),
                has_fault: of(Flags::FAULT),
                has_error: of(Flags::ERROR),
                has_throttle: spans.iter().any(|span| span.is(Flags::THROTTLE)),
                is_partial: trace.is_partial(),
                root_is_missing: trace.root_is_missing(),
                http: (request.http_status > 0).then(|| FoundHttp { status: Some(request.http_status), ..FoundHttp::default() }),
                services: nodes.iter().map(service).collect(),
                entry_point: Some(place(calls.node(trace.root_index()))),
                annotations: Vec::new(),
                users: Vec::new(),
                resource_arns: Vec::new(),
                instance_ids: Vec::new(),
                availability_zones: Vec::new(),
                response_time_root_cause: response_time(trace, calls).map(cause),
                fault_root_causes: trouble(trace, calls, Trouble::Fault).into_iter().map(cause).collect(),
                error_root_causes: trouble(trace, calls, Trouble::Error).into_iter().map(cause).collect(),
                revision: spans.len(),
                matched_event_unix_nano: root.end_unix_nano(),
            },
        }
    }

    fn place(&self) -> (i64, TraceId) {
        (self.trace.start_unix_nano, self.trace.id)
    }

    /// The summary with what the attributes of its spans say.
    fn with(mut self, details: &Details) -> FoundTrace {
        let mut collected = Collected::default();
        let mut http = self.trace.http.take().unwrap_or_default();
        for own in &self.own_ids {
            for span in details.spans.get(own).into_iter().flatten() {
                let Some(service) = self.spans.get(&(*own, span.span_id)).copied() else { continue };
                collected.add(span, service);
                if (*own, span.span_id) == self.request_span {
                    http = FoundHttp { status: http.status, ..span.http.clone() };
                }
            }
        }
        let trace = &mut self.trace;
        for (service, account_id) in collected.accounts {
            if let Some(service) = trace.services.get_mut(service) {
                service.account_id = Some(account_id);
            }
        }
        let annotation = |((key, _), (value, services))| FoundAnnotation { key, value, services };
        trace.annotations = collected.annotations.into_iter().map(annotation).collect();
        trace.users = collected.users.into_iter().map(|(name, services)| FoundUser { name, services }).collect();
        trace.resource_arns = collected.resource_arns.into_iter().collect();
        trace.instance_ids = collected.instance_ids.into_iter().collect();
        trace.availability_zones = collected.availability_zones.into_iter().collect();
        trace.http = (http != FoundHttp::default()).then_some(http);
        let causes = trace.fault_root_causes.iter_mut().chain(&mut trace.error_root_causes);
        for entity in causes.flat_map(|cause| &mut cause.services).flat_map(|service| &mut service.entities) {
            let of_span = |own: &TraceId| details.exceptions.get(&(*own, entity.span_id));
            entity.exceptions = self.own_ids.iter().filter_map(of_span).flatten().cloned().collect();
        }
        self.trace
    }
}

fn found_cause(trace: &Trace<'_>, cause: RootCause, place: &impl Fn(NodeKey) -> usize) -> FoundRootCause {
    let entity = |entity: CauseEntity| FoundCauseEntity {
        name: trace.text(entity.name).to_owned(),
        coverage: entity.coverage,
        remote: entity.remote,
        exceptions: Vec::new(),
        span_id: trace.spans()[entity.span as usize].span_id,
    };
    let service = |service: CauseService| FoundCauseService {
        service: place(service.node),
        entities: service.entities.into_iter().map(entity).collect(),
    };
    FoundRootCause { services: cause.services.into_iter().map(service).collect(), client_impacting: cause.client_impacting }
}

/// What several spans say together, without repeating it.
#[derive(Default)]
struct Collected {
    accounts: BTreeMap<usize, String>,
    annotations: BTreeMap<(String, String), (serde_json::Value, BTreeSet<usize>)>,
    users: BTreeMap<String, BTreeSet<usize>>,
    resource_arns: BTreeSet<String>,
    instance_ids: BTreeSet<String>,
    availability_zones: BTreeSet<String>,
}

impl Collected {
    fn add(&mut self, span: &SpanDetails, service: usize) {
        if let Some(account_id) = &span.account_id {
            self.accounts.entry(service).or_insert_with(|| account_id.clone());
        }
        for (key, value) in &span.annotations {
            let entry = self.annotations.entry((key.clone(), value.to_string()));
            entry.or_insert_with(|| (value.clone(), BTreeSet::new())).1.insert(service);
        }
        if let Some(user) = &span.user {
            self.users.entry(user.clone()).or_default().insert(service);
        }
        self.resource_arns.extend(span.resource_arn.clone());
        self.instance_ids.extend(span.instance_id.clone());
        self.availability_zones.extend(span.availability_zone.clone());
    }
}

/// What the attributes of one span say.
#[derive(Debug, Default)]
struct SpanDetails {
    span_id: u64,
    http: FoundHttp,
    user: Option<String>,
    account_id: Option<String>,
    resource_arn: Option<String>,
    instance_id: Option<String>,
    availability_zone: Option<String>,
    annotations: Vec<(String, serde_json::Value)>,
}

/// What the spans and exceptions of a page say, by the ids they name.
#[derive(Default)]
struct Details {
    spans: HashMap<TraceId, Vec<SpanDetails>>,
    exceptions: HashMap<(TraceId, u64), Vec<FoundException>>,
    stats: crate::QueryStats,
}

const URLS: [&str; 2] = ["url.full", "http.url"];
const PATHS: [&str; 3] = ["url.path", "http.target", "http.route"];
const HOSTS: [&str; 3] = ["server.address", "http.host", "net.host.name"];
const SCHEMES: [&str; 2] = ["url.scheme", "http.scheme"];
const METHODS: [&str; 2] = ["http.request.method", "http.method"];
const CLIENTS: [&str; 3] = ["client.address", "http.client_ip", "net.peer.ip"];
const AGENTS: [&str; 2] = ["user_agent.original", "http.user_agent"];
pub(super) const USERS: [&str; 2] = ["enduser.id", "user.id"];
const OTHERS: [&str; 4] = ["cloud.account.id", "cloud.resource_id", "host.id", "cloud.availability_zone"];
/// The list of the attributes that are annotations, as JSON.
const ANNOTATIONS: &str = "aws.xray.annotations";

impl Details {
    async fn read(session: &Arc<Session>, page: &[Sketch]) -> Result<Details, EngineError> {
        let mut details = Details::default();
        let (Some(start), Some(end)) =
            (page.iter().map(|sketch| sketch.trace.start_unix_nano).min(), page.iter().map(|sketch| sketch.end_unix_nano).max())
        else {
            return Ok(details);
        };
        let all: Vec<TraceId> = page.iter().flat_map(|sketch| &sketch.own_ids).copied().collect();
        let range = TimeRange { start_unix_nano: start, end_unix_nano: end.saturating_add(1) };
        let spans = of_traces(session.table(Signal::Spans).await?, range, &all)?;
        let annotations = annotation_keys(session, &spans, &mut details).await?;
        details.read_spans(session, spans, &annotations).await?;
        let failed = |sketch: &&Sketch| !sketch.trace.fault_root_causes.is_empty() || !sketch.trace.error_root_causes.is_empty();
        let failed: Vec<TraceId> = page.iter().filter(failed).flat_map(|sketch| &sketch.own_ids).copied().collect();
        if !failed.is_empty() && session.has(Signal::Logs, "exception.type") {
            details.read_exceptions(session, range, &failed).await?;
        }
        Ok(details)
    }

    async fn read_spans(&mut self, session: &Session, spans: DataFrame, annotations: &[String]) -> Result<(), EngineError> {
        let asked: [&[&str]; 9] = [&URLS, &PATHS, &HOSTS, &SCHEMES, &METHODS, &CLIENTS, &AGENTS, &USERS, &OTHERS];
        let mut columns: BTreeSet<String> = asked.iter().flat_map(|names| known(session, names)).collect();
        columns.extend(annotations.iter().cloned());
        if !annotations.is_empty() {
            columns.insert(ANNOTATIONS.to_owned());
        }
        if columns.is_empty() {
            return Ok(());
        }
        columns.extend(["trace_id", "span_id"].map(str::to_owned));
        let columns: Vec<Expr> = columns.iter().map(|name| column(name)).collect();
        let answer = session.run(spans.select(columns)?.limit(0, Some(TRACE_SUMMARY_SPANS_MAX))?).await?;
        self.stats = self.stats.plus(answer.stats);
        for row in answer.iter() {
            let (Some(trace), Some(span)) = (row.trace_id("trace_id"), row.span_id("span_id")) else { continue };
            self.spans.entry(trace).or_default().push(span_details(row, span));
        }
        Ok(())
    }

    async fn read_exceptions(&mut self, session: &Session, range: TimeRange, ids: &[TraceId]) -> Result<(), EngineError> {
        // What went wrong is often told after the span that it went wrong in.
        let range = TimeRange { end_unix_nano: range.end_unix_nano.saturating_add(TRACE_REACH_NS), ..range };
        let logs = of_traces(session.table(Signal::Logs).await?, range, ids)?.filter(column("exception.type").is_not_null())?;
        let columns = ["trace_id", "span_id", "exception.type", "exception.message"].map(column).to_vec();
        let answer = session.run(logs.select(columns)?.limit(0, Some(TRACE_SUMMARY_EXCEPTIONS_MAX))?).await?;
        self.stats = self.stats.plus(answer.stats);
        for row in answer.iter() {
            let (Some(trace), Some(span)) = (row.trace_id("trace_id"), row.span_id("span_id")) else { continue };
            let exception = FoundException {
                r#type: row.string("exception.type").unwrap_or_default(),
                message: row.string("exception.message").unwrap_or_default(),
            };
            let of_span = self.exceptions.entry((trace, u64::from_be_bytes(span.0))).or_default();
            if !of_span.contains(&exception) {
                of_span.push(exception);
            }
        }
        Ok(())
    }
}

/// The attributes that some span of these calls annotations, those that are columns.
async fn annotation_keys(session: &Session, spans: &DataFrame, details: &mut Details) -> Result<Vec<String>, EngineError> {
    if !session.has(Signal::Spans, ANNOTATIONS) {
        return Ok(Vec::new());
    }
    let lists = spans.clone().filter(column(ANNOTATIONS).is_not_null())?.select(vec![column(ANNOTATIONS)])?.distinct()?;
    let answer = session.run(lists.limit(0, Some(TRACE_SUMMARY_SPANS_MAX))?).await?;
    details.stats = details.stats.plus(answer.stats);
    let keys: BTreeSet<String> = answer.iter().flat_map(|row| annotation_list(row).unwrap_or_default()).collect();
    Ok(keys.into_iter().map(|key| annotation_column(&key)).filter(|key| session.has(Signal::Spans, key)).collect())
}

fn annotation_list(row: Row<'_>) -> Option<Vec<String>> {
    serde_json::from_str(row.str(ANNOTATIONS)?).ok()
}

/// An attribute with the name of a fixed column has a prefix.
fn annotation_column(key: &str) -> String {
    match store::columns::is_fixed(Signal::Spans, key) {
        true => format!("{}{key}", store::columns::ATTRIBUTE_PREFIX),
        false => key.to_owned(),
    }
}

fn span_details(row: Row<'_>, span: SpanId) -> SpanDetails {
    let first = |names: &[&str]| names.iter().find_map(|name| row.string(name)).filter(|text| !text.is_empty());
    let annotations = annotation_list(row).unwrap_or_default();
    let cells: HashMap<&str, serde_json::Value> = if annotations.is_empty() { HashMap::new() } else { row.cells().collect() };
    let annotation =
        |key: String| Some((cells.get(annotation_column(&key).as_str())?.clone(), key)).map(|(value, key)| (key, value));
    SpanDetails {
        span_id: u64::from_be_bytes(span.0),
        http: FoundHttp {
            url: first(&URLS).or_else(|| {
                let path = first(&PATHS)?;
                match first(&HOSTS) {
                    Some(host) => Some(format!("{}://{host}{path}", first(&SCHEMES).unwrap_or_else(|| "http".into()))),
                    None => Some(path),
                }
            }),
            method: first(&METHODS),
            status: None,
            client_ip: first(&CLIENTS),
            user_agent: first(&AGENTS),
        },
        user: first(&USERS),
        account_id: first(&OTHERS[..1]),
        resource_arn: first(&OTHERS[1..2]),
        instance_id: first(&OTHERS[2..3]),
        availability_zone: first(&OTHERS[3..]),
        annotations: annotations.into_iter().filter_map(annotation).collect(),
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(datafusion::common::Column::from_name(name))
}

/// The rows of a table that name one of the traces.
fn of_traces(table: DataFrame, range: TimeRange, ids: &[TraceId]) -> Result<DataFrame, EngineError> {
    let at = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
    let ids = ids.iter().map(|id| lit(ScalarValue::FixedSizeBinary(16, Some(id.0.to_vec())))).collect();
    let time = column("time").gt_eq(at(range.start_unix_nano)).and(column("time").lt(at(range.end_unix_nano)));
    Ok(table.filter(time.and(column("trace_id").in_list(ids, false)))?)
}
