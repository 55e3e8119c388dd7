//! One trace, whole: the spans of every tracer that saw the request, its log lines, errors and original documents.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use analysis::trace_tree::{SpanView, TraceLink, trace_tree};
use arrow::array::RecordBatch;
use model::{Signal, SpanId, SpanKind, TraceId};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::logs::{ExceptionTold, Log, attributes_and_resource, parse_or_text, tell, word_for_word};
use super::{Asker, Stats, UnixNano};
use crate::QueryStats;
use crate::answer::{Row, hex};
use crate::error::EngineError;
use crate::limits::{LINKED_TRACES_MAX, TRACE_LOGS_MAX, TRACE_SPANS_MAX};
use crate::trace_rows::kept;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Trace {
    pub trace_id: String,
    /// Traces of the same request by other tracers; their spans are among `spans`.
    pub linked: Vec<LinkedTrace>,
    pub start_time_unix_nano: UnixNano,
    pub duration_ns: i64,
    pub span_count: usize,
    pub error_count: usize,
    pub log_count: u64,
    pub exception_count: u64,
    pub services: Vec<TraceService>,
    /// Depth first, siblings by start.
    pub spans: Vec<SpanTold>,
    /// Why `spans` is not whole, if it is not.
    pub truncated: Option<String>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LinkedTrace {
    pub trace_id: String,
    /// The attribute that says so.
    pub rule: String,
    /// False for links that were inferred.
    pub exact: bool,
    pub receiver: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceService {
    pub name: String,
    pub spans: usize,
    pub receivers: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct SpanTold {
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: Option<String>,
    pub depth: usize,
    pub service: String,
    pub name: String,
    pub kind: String,
    pub receiver: String,
    pub start_time_unix_nano: UnixNano,
    pub duration_ns: i64,
    pub status_code: String,
    pub status_message: String,
    pub in_progress: bool,
    /// Its parent has not arrived.
    pub missing_parent: bool,
    /// How far its clock seems to be off its parent's; times are told as they came.
    pub clock_skew_ns: i64,
    /// On the path that decides how long the trace takes.
    pub critical: bool,
    pub sample_rate: f64,
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    #[schema(value_type = Object)]
    pub resource: Value,
    #[schema(value_type = Object)]
    pub scope: Value,
    pub events: Vec<SpanEvent>,
    #[schema(value_type = Vec<Object>)]
    pub links: Value,
    /// Log lines that name this span.
    pub log_count: usize,
    /// The other tracer's trace that this span names.
    pub linked_trace_id: Option<String>,
    /// For a root of a linked trace: the rule by which it stands below its row.
    pub linked_by: Option<String>,
    /// Whether the original document is among the trace's raw documents.
    pub has_source: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SpanEvent {
    pub time_unix_nano: UnixNano,
    pub name: String,
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    pub exception: Option<ExceptionTold>,
    pub error_group: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceLogs {
    pub logs: Vec<Log>,
    pub stats: Stats,
}

/// Log records of the trace that carry an exception, with the vendor's own payload where there is one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceErrors {
    pub errors: Vec<Log>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceDocuments {
    pub documents: Vec<TraceDocument>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceDocument {
    pub trace_id: String,
    pub span_id: String,
    pub receiver: String,
    /// `xray`: the segment document word for word; `otlp-json`: a span in OTLP's JSON.
    pub format: &'static str,
    #[schema(value_type = Object)]
    pub document: Box<RawValue>,
}

/// The attribute by which OpenTelemetry keeps the header that X-Ray's middleware sets; the usual exact link.
const LINK_RULE: &str = "http.response.header.x_amzn_trace_id";

/// What links traces of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkRule {
    /// The attribute in which OpenTelemetry keeps the header that X-Ray's middleware sets.
    ResponseHeader,
    /// A span's own links.
    SpanLink,
}

impl LinkRule {
    fn as_str(self) -> &'static str {
        match self {
            LinkRule::ResponseHeader => LINK_RULE,
            LinkRule::SpanLink => "links",
        }
    }
}

/// A trace and those exactly linked to it, in both directions, with the spans of all of them.
pub(super) struct Family {
    /// The asked one first; each with how it was reached.
    members: Vec<(TraceId, Option<LinkRule>)>,
    spans: Vec<RecordBatch>,
    seen: QueryStats,
}

impl Family {
    pub fn ids(&self) -> impl Iterator<Item = TraceId> {
        self.members.iter().map(|(id, _)| *id)
    }

    pub fn batches(&self) -> &[RecordBatch] {
        &self.spans
    }

    pub fn seen(&self) -> QueryStats {
        self.seen
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.spans.iter().flat_map(|batch| (0..batch.num_rows()).map(|row| Row::new(batch, row)))
    }

    fn admit(&mut self, id: TraceId, rule: LinkRule) {
        if self.members.len() < LINKED_TRACES_MAX && self.ids().all(|known| known != id) {
            self.members.push((id, Some(rule)));
        }
    }
}

impl Asker {
    /// The trace of an id, or of the trace that is linked to it; `None` when no span of it has arrived.
    pub async fn trace(&self, id: TraceId) -> Result<Option<Trace>, EngineError> {
        let family = self.family(id).await?;
        let spans: Vec<SpanTold> = family.rows().take(TRACE_SPANS_MAX).map(tell_span).collect();
        if spans.is_empty() {
            return Ok(None);
        }
        let truncated = (family.rows().count() > TRACE_SPANS_MAX).then(|| format!("{TRACE_SPANS_MAX} spans of a larger trace"));
        let (logs, stats) = self.logs_of(&family, false).await?;
        let spans = with_events(arrange(spans), &logs);
        Ok(Some(Trace { truncated, ..describe(id, &family, spans, &logs, family.seen.plus(stats)) }))
    }

    pub async fn trace_logs(&self, id: TraceId) -> Result<TraceLogs, EngineError> {
        let family = self.family(id).await?;
        let (logs, stats) = self.logs_of(&family, false).await?;
        Ok(TraceLogs { logs, stats: family.seen.plus(stats).into() })
    }

    pub async fn trace_errors(&self, id: TraceId) -> Result<TraceErrors, EngineError> {
        let family = self.family(id).await?;
        let (logs, stats) = self.logs_of(&family, true).await?;
        let errors = logs.into_iter().filter(|log| log.error_group.is_some()).collect();
        Ok(TraceErrors { errors, stats: family.seen.plus(stats).into() })
    }

    pub async fn trace_documents(&self, id: TraceId) -> Result<TraceDocuments, EngineError> {
        let family = self.family(id).await?;
        let mut rows: Vec<Row<'_>> = family.rows().collect();
        rows.sort_by_key(|row| row.i64("time"));
        rows.truncate(TRACE_SPANS_MAX);
        Ok(TraceDocuments { documents: rows.into_iter().filter_map(document).collect() })
    }

    /// A trace's spans, and those of the traces that its spans name or whose spans name it.
    pub(super) async fn family(&self, id: TraceId) -> Result<Family, EngineError> {
        let stats = self.engine.store().stats();
        let seen = QueryStats { rows_total: stats.part_rows + stats.memory_rows, ..QueryStats::default() };
        let mut family = Family { members: vec![(id, None)], spans: Vec::new(), seen };
        let mut asked = 0;
        while let Some((member, _)) = family.members.get(asked).copied() {
            asked += 1;
            let found = self.engine.trace_rows(&self.project, Signal::Spans, member, TRACE_SPANS_MAX).await?;
            family.seen = family.seen.plus(found.stats);
            for row in found.iter() {
                family.seen.newest_unix_nano = family.seen.newest_unix_nano.max(row.i64("time"));
                let (own, linked) = (row.trace_id("trace_id"), row.trace_id("linked_trace_id"));
                if own == Some(member) {
                    linked.into_iter().for_each(|linked| family.admit(linked, LinkRule::ResponseHeader));
                    span_links(row).for_each(|linked| family.admit(linked, LinkRule::SpanLink));
                } else if let Some(own) = own.filter(|_| linked == Some(member)) {
                    family.admit(own, LinkRule::ResponseHeader);
                }
            }
            for batch in &found.batches {
                // Spans that name the trace are read with their own.
                family.spans.push(kept(batch, |row| row.trace_id("trace_id") == Some(member))?);
            }
        }
        Ok(family)
    }

    /// The log records of a family in order of time, those without a trace of their own by the request that delivered them.
    async fn logs_of(&self, family: &Family, with_source: bool) -> Result<(Vec<Log>, QueryStats), EngineError> {
        let mut logs = Vec::new();
        let mut seen = QueryStats::default();
        for id in family.ids() {
            let found = self.engine.trace_rows(&self.project, Signal::Logs, id, TRACE_LOGS_MAX).await?;
            seen = seen.plus(found.stats);
            let is_of = |row: &Row<'_>| match row.trace_id("trace_id") {
                Some(own) => own == id,
                None => row.trace_id("request_trace_id") == Some(id),
            };
            logs.extend(found.iter().filter(is_of).map(|row| tell(row, with_source)));
        }
        logs.sort_by_key(|log| (log.time_unix_nano, log.received_at_unix_nano));
        logs.truncate(TRACE_LOGS_MAX);
        Ok((logs, seen))
    }
}

/// The traces that a span's own links name.
fn span_links(row: Row<'_>) -> impl Iterator<Item = TraceId> {
    let links = row.str("links").map_or(Value::Null, parse_or_text);
    linked_by(&links)
}

fn linked_by(links: &Value) -> impl Iterator<Item = TraceId> + use<> {
    let ids: Vec<TraceId> =
        links.as_array().into_iter().flatten().filter_map(|link| TraceId::parse(link.get("trace_id")?.as_str()?).ok()).collect();
    ids.into_iter()
}

pub(super) fn tell_span(row: Row<'_>) -> SpanTold {
    let (attributes, resource) = attributes_and_resource(row, Signal::Spans);
    SpanTold {
        trace_id: row.bytes("trace_id").map(hex).unwrap_or_default(),
        span_id: row.bytes("span_id").map(hex).unwrap_or_default(),
        parent_span_id: row.bytes("parent_span_id").map(hex),
        service: row.string("service.name").unwrap_or_default(),
        name: row.string("name").unwrap_or_default(),
        kind: row.string("kind").unwrap_or_default(),
        receiver: row.string("receiver").unwrap_or_default(),
        start_time_unix_nano: UnixNano(row.i64("time").unwrap_or_default()),
        duration_ns: row.i64("duration_ns").unwrap_or_default(),
        status_code: row.string("status_code").unwrap_or_default(),
        status_message: row.string("status_message").unwrap_or_default(),
        in_progress: row.bool("in_progress"),
        sample_rate: row.f64("sample_rate").unwrap_or(1.0),
        attributes,
        resource,
        scope: row.str("scope").map_or_else(|| json!({}), parse_or_text),
        links: row.str("links").map_or_else(|| json!([]), parse_or_text),
        linked_trace_id: row.bytes("linked_trace_id").map(hex),
        has_source: row.str("source").is_some(),
        ..SpanTold::default()
    }
}

/// Span events under their spans, and how many log lines name each span.
pub(super) fn with_events(mut spans: Vec<SpanTold>, logs: &[Log]) -> Vec<SpanTold> {
    let places: HashMap<(String, String), usize> =
        spans.iter().enumerate().map(|(at, span)| ((span.trace_id.clone(), span.span_id.clone()), at)).collect();
    for log in logs {
        let (Some(trace_id), Some(span_id)) = (&log.trace_id, &log.span_id) else { continue };
        let Some(at) = places.get(&(trace_id.clone(), span_id.clone())) else { continue };
        let span = &mut spans[*at];
        span.log_count += 1;
        if log.event_name.is_empty() || log.receiver != span.receiver {
            continue;
        }
        span.events.push(SpanEvent {
            time_unix_nano: log.time_unix_nano,
            name: log.event_name.clone(),
            attributes: log.attributes.clone(),
            exception: log.exception.clone(),
            error_group: log.error_group.clone(),
        });
    }
    spans
}

fn describe(id: TraceId, family: &Family, spans: Vec<SpanTold>, logs: &[Log], seen: QueryStats) -> Trace {
    let start = spans.iter().map(|span| span.start_time_unix_nano.0).min().unwrap_or_default();
    let end = spans.iter().map(|span| span.start_time_unix_nano.0 + span.duration_ns).max().unwrap_or_default();
    let mut services: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for span in &spans {
        let service = services.entry(&span.service).or_default();
        service.0 += 1;
        service.1.insert(&span.receiver);
    }
    let services = services
        .into_iter()
        .map(|(name, (spans, receivers))| TraceService {
            name: name.to_owned(),
            spans,
            receivers: receivers.into_iter().map(str::to_owned).collect(),
        })
        .collect();
    let linked = family
        .members
        .iter()
        .filter_map(|(linked, rule)| {
            let text = linked.to_string();
            let receiver = spans.iter().find(|span| span.trace_id == text).map(|span| span.receiver.clone());
            Some(LinkedTrace { trace_id: text, rule: rule.as_ref()?.as_str().to_owned(), exact: true, receiver })
        })
        .collect();
    let mut stats: Stats = seen.into();
    stats.sampled = spans.iter().any(|span| span.sample_rate != 1.0);
    Trace {
        trace_id: id.to_string(),
        linked,
        start_time_unix_nano: UnixNano(start),
        duration_ns: end - start,
        span_count: spans.len(),
        error_count: spans.iter().filter(|span| span.status_code == "error").count(),
        log_count: logs.len() as u64,
        exception_count: logs.iter().filter(|log| log.error_group.is_some()).count() as u64,
        services,
        spans,
        truncated: None,
        stats,
    }
}

/// The segment as it came, or the span in OTLP's JSON. Embedded subsegments are within their segment's document.
fn document(row: Row<'_>) -> Option<TraceDocument> {
    let receiver = row.string("receiver").unwrap_or_default();
    let (format, document) = match row.str("source") {
        Some(source) => (if receiver == "xray" { "xray" } else { "source" }, word_for_word(source)),
        None if receiver == "xray" => return None,
        None => ("otlp-json", word_for_word(&otlp_json(row).to_string())),
    };
    Some(TraceDocument {
        trace_id: row.bytes("trace_id").map(hex)?,
        span_id: row.bytes("span_id").map(hex)?,
        receiver,
        format,
        document,
    })
}

fn otlp_json(row: Row<'_>) -> Value {
    let (attributes, resource) = attributes_and_resource(row, Signal::Spans);
    let key_values = |map: &Map<String, Value>| -> Vec<Value> {
        map.iter().map(|(key, value)| json!({ "key": key, "value": any_value(value) })).collect()
    };
    let empty = Map::new();
    let start = row.i64("time").unwrap_or_default();
    let end = start + row.i64("duration_ns").unwrap_or_default();
    let number = |words: [&str; 6], word: Option<&str>| words.iter().position(|each| Some(*each) == word).unwrap_or(0);
    json!({
        "resource": { "attributes": key_values(resource.as_object().unwrap_or(&empty)) },
        "scope": row.str("scope").map_or_else(|| json!({}), parse_or_text),
        "span": {
            "traceId": row.bytes("trace_id").map(hex),
            "spanId": row.bytes("span_id").map(hex),
            "parentSpanId": row.bytes("parent_span_id").map(hex),
            "traceState": row.str("trace_state"),
            "flags": row.i64("flags"),
            "name": row.str("name"),
            "kind": number(["unspecified", "internal", "server", "client", "producer", "consumer"], row.str("kind")),
            "startTimeUnixNano": start.to_string(),
            "endTimeUnixNano": end.to_string(),
            "attributes": key_values(&attributes),
            "links": row.str("links").map_or_else(|| json!([]), parse_or_text),
            "status": {
                "code": number(["unset", "ok", "error", "", "", ""], row.str("status_code")),
                "message": row.str("status_message"),
            },
        }
    })
}

fn any_value(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) if number.is_i64() => json!({ "intValue": number.to_string() }),
        Value::Number(number) => json!({ "doubleValue": number }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    }
}

/// Rows in display order, copies folded, the other tracer's trace below the span that links it.
pub(super) fn arrange(mut spans: Vec<SpanTold>) -> Vec<SpanTold> {
    let views: Vec<SpanView<'_>> = spans.iter().filter_map(view).collect();
    if views.len() != spans.len() {
        // Ids are read back from what we told; one that cannot be read would be ours to mend, and order can wait.
        return spans;
    }
    let to = |span: &SpanTold| span.linked_trace_id.as_deref().and_then(|id| TraceId::parse(id).ok());
    let by_header = spans.iter().enumerate().filter_map(|(from, span)| Some(TraceLink { from, to: to(span)? }));
    let by_links = spans.iter().enumerate().flat_map(|(from, span)| linked_by(&span.links).map(move |to| TraceLink { from, to }));
    let headers = by_header.clone().count();
    let links: Vec<TraceLink> = by_header.chain(by_links).collect();
    let rule = |link: usize| if link < headers { LinkRule::ResponseHeader } else { LinkRule::SpanLink };
    let rows = trace_tree(&views, &links);
    for row in &rows {
        // A subsegment that X-Ray's SDK sent by itself names no service: it is its parent's.
        let parent = row.parent.map(|parent| spans[rows[parent].span].service.clone());
        if let Some(service) = parent.filter(|_| spans[row.span].service == model::UNKNOWN_SERVICE && row.link.is_none()) {
            spans[row.span].service = service;
        }
    }
    rows.into_iter()
        .map(|row| SpanTold {
            depth: row.depth,
            missing_parent: row.missing_parent,
            clock_skew_ns: row.clock_skew_ns,
            critical: row.critical,
            linked_by: row.link.map(|link| rule(link).as_str().to_owned()),
            ..std::mem::take(&mut spans[row.span])
        })
        .collect()
}

fn view(span: &SpanTold) -> Option<SpanView<'_>> {
    Some(SpanView {
        trace_id: TraceId::parse(&span.trace_id).ok()?,
        span_id: SpanId::parse(&span.span_id).ok()?,
        parent_span_id: span.parent_span_id.as_deref().and_then(|id| SpanId::parse(id).ok()),
        start_time_unix_nano: span.start_time_unix_nano.0,
        duration_ns: span.duration_ns,
        in_progress: span.in_progress,
        kind: (0..=5).map(SpanKind::from_otlp).find(|kind| kind.as_str() == span.kind).unwrap_or_default(),
        service: &span.service,
    })
}
