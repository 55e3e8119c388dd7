//! Finding traces: by anything any span of them says, newest or slowest first, without a cap.
//!
//! A request traced by two tracers is one line: spans of an exactly linked trace count as spans of the trace that links
//! to it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use analysis::service_graph::Calls;
use model::{Signal, SpanId, TraceId};
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::trace_scope::{TraceScope, told};
use super::{Asker, Stats, Steps, UnixNano, WordMatch, all_of, id_list, is, search_filter};
use crate::answer::Row;
use crate::error::EngineError;
use crate::limits::{CHART_BUCKETS_MAX, PAGE_ROWS_MAX};
use crate::session::Session;

/// Which traces: those with a span for which all of this holds.
#[derive(Clone, Debug, Default)]
pub struct TraceFilter {
    pub q: String,
    pub service: Option<String>,
    pub route: Option<String>,
    pub status: Option<TraceStatus>,
    pub duration_min_ns: Option<i64>,
    pub duration_max_ns: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceStatus {
    /// No span ended in an error.
    Ok,
    /// At least one did.
    Error,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceSort {
    #[default]
    Newest,
    Slowest,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Traces {
    pub traces: Vec<TraceSummary>,
    pub next_cursor: Option<String>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct TraceSummary {
    pub trace_id: String,
    pub root_service: String,
    pub root_name: String,
    pub route: Option<String>,
    pub method: Option<String>,
    pub http_status: Option<i64>,
    pub start_time_unix_nano: UnixNano,
    /// From the earliest start to the latest end.
    pub duration_ns: i64,
    pub span_count: usize,
    pub error_count: usize,
    pub exception_count: u64,
    pub log_count: u64,
    pub services: Vec<ServiceSpans>,
    pub receivers: Vec<String>,
    pub linked_trace_ids: Vec<String>,
    pub root_missing: bool,
    pub in_progress: bool,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ServiceSpans {
    pub name: String,
    pub spans: usize,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceHistogram {
    pub step_seconds: i64,
    pub start_unix_nano: UnixNano,
    pub buckets: Vec<TraceBucket>,
    pub stats: Stats,
}

/// Requests (root and server spans) that began in one step, weighted.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct TraceBucket {
    pub count: f64,
    pub errors: f64,
    pub p50_ns: Option<f64>,
    pub p95_ns: Option<f64>,
}

impl Asker {
    pub async fn traces(
        &self,
        range: TimeRange,
        filter: &TraceFilter,
        sort: TraceSort,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Traces, EngineError> {
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let session = self.session(range).await?;
        session.define("f", Signal::Spans, span_condition(&session, filter).await?).await?;
        session.define("s", Signal::Spans, None).await?;
        let mut having = Vec::new();
        if filter.status == Some(TraceStatus::Ok) {
            having.push("sum(CASE WHEN f.status_code = 'error' THEN 1 ELSE 0 END) = 0".to_owned());
        }
        let key = match sort {
            TraceSort::Newest => "min(CAST(f.time AS BIGINT))",
            TraceSort::Slowest => "max(f.duration_ns)",
        };
        if let Some(cursor) = cursor {
            let (value, id) = parse_cursor(cursor)?;
            having.push(format!("({key} < {value} OR ({key} = {value} AND coalesce(k.trace_id, f.trace_id) < '{id}'))"));
        }
        let having = if having.is_empty() { String::new() } else { format!("HAVING {}", having.join(" AND ")) };
        let found = session
            .ask(&format!(
                "WITH k AS (SELECT DISTINCT linked_trace_id, trace_id FROM s WHERE linked_trace_id IS NOT NULL) \
                 SELECT coalesce(k.trace_id, f.trace_id) AS id, {key} AS place FROM f LEFT JOIN k ON f.trace_id = k.linked_trace_id \
                 GROUP BY 1 {having} ORDER BY place DESC, id DESC LIMIT {}",
                limit + 1
            ))
            .await?;
        let mut places: Vec<(TraceId, i64)> =
            found.iter().filter_map(|row| Some((row.trace_id("id")?, row.i64("place")?))).collect();
        let more = places.len() > limit;
        places.truncate(limit);
        let ids: Vec<TraceId> = places.iter().map(|(id, _)| *id).collect();
        let (traces, seen) = summaries(&session, &ids).await?;
        let next_cursor = places.last().filter(|_| more).map(|(id, place)| format!("{place}:{id}"));
        Ok(Traces { traces, next_cursor, stats: found.stats.plus(seen).into() })
    }

    /// The same of a scope, which may have filter expressions: whole traces are judged then, by when they began.
    pub async fn traces_of(
        &self,
        scope: &TraceScope,
        sort: TraceSort,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Traces, EngineError> {
        if scope.filter.trim().is_empty() && scope.group.trim().is_empty() && scope.judges.is_empty() {
            return self.traces(scope.range(), &scope.search, sort, limit, cursor).await;
        }
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let session = self.trace_session(scope.range()).await?;
        session.define("s", Signal::Spans, None).await?;
        let mut scan = self.scope_scan(scope, Arc::clone(&session)).await?;
        if sort == TraceSort::Newest {
            scan = scan.ends_early();
        }
        let warnings = std::mem::take(&mut scan.warnings);
        let before = cursor.map(parse_cursor).transpose()?;
        let mut calls = Calls::default();
        let scanned = scan
            .fold((BTreeSet::<(i64, TraceId)>::new(), HashSet::<TraceId>::new()), move |(places, ids), window, chosen| {
                for trace in window.facts.traces() {
                    let place = match sort {
                        TraceSort::Newest => trace.start_unix_nano(),
                        TraceSort::Slowest => trace.duration_ns(),
                    };
                    let place = (place, trace.id());
                    let is_after = places.len() > limit && places.first().is_some_and(|last| place <= *last);
                    if !is_after && before.is_none_or(|before| place < before) && chosen.takes(&trace, &mut calls) {
                        // Older spans of a trace that was shown may come by themselves.
                        if !ids.insert(trace.id()) {
                            continue;
                        }
                        places.insert(place);
                        if places.len() > limit + 1 {
                            places.pop_first();
                        }
                    }
                }
                let last = places.first().filter(|_| places.len() > limit && sort == TraceSort::Newest);
                match last {
                    Some(last) if last.0 >= window.settled_from_unix_nano => ControlFlow::Break(()),
                    _ => ControlFlow::Continue(()),
                }
            })
            .await?;
        let mut places: Vec<(i64, TraceId)> = scanned.state.0.iter().rev().copied().collect();
        let more = places.len() > limit;
        places.truncate(limit);
        let ids: Vec<TraceId> = places.iter().map(|(_, id)| *id).collect();
        let (traces, seen) = summaries(&session, &ids).await?;
        let next_cursor = places.last().filter(|_| more).map(|(place, id)| format!("{place}:{id}"));
        Ok(Traces { traces, next_cursor, stats: told(scanned.stats.plus(seen), &scanned.coverage, warnings) })
    }

    pub async fn trace_histogram(&self, range: TimeRange, filter: &TraceFilter) -> Result<TraceHistogram, EngineError> {
        let session = self.session(range).await?;
        session.define("f", Signal::Spans, span_condition(&session, filter).await?).await?;
        let steps = Steps::over(range, CHART_BUCKETS_MAX / 2);
        let ok = if filter.status == Some(TraceStatus::Ok) { "AND status_code <> 'error'" } else { "" };
        let answer = session
            .ask(&format!(
                "SELECT {} AS step, sum(sample_rate) AS n, sum(CASE WHEN status_code = 'error' THEN sample_rate ELSE 0 END) AS errors, \
                 percentile(duration_ns, 0.5, sample_rate) AS p50, percentile(duration_ns, 0.95, sample_rate) AS p95 \
                 FROM f WHERE (kind IN ('server', 'consumer') OR parent_span_id IS NULL) AND NOT in_progress {ok} GROUP BY 1",
                steps.sql()
            ))
            .await?;
        let mut buckets = vec![TraceBucket::default(); steps.count];
        for row in answer.iter() {
            let Some(place) = steps.place(row.i64("step")) else { continue };
            buckets[place] = TraceBucket {
                count: row.f64("n").unwrap_or_default(),
                errors: row.f64("errors").unwrap_or_default(),
                p50_ns: row.f64("p50"),
                p95_ns: row.f64("p95"),
            };
        }
        Ok(TraceHistogram {
            step_seconds: steps.step_seconds,
            start_unix_nano: UnixNano(steps.start_unix_nano),
            buckets,
            stats: answer.stats.into(),
        })
    }
}

pub(super) async fn span_condition(
    session: &Session,
    filter: &TraceFilter,
) -> Result<Option<datafusion::logical_expr::Expr>, EngineError> {
    use datafusion::logical_expr::{col, lit};
    let route = filter.route.as_deref().map(|route| {
        let keys = ["http.route", "url.path", "http.target", "name"].into_iter();
        let known = keys.filter(|key| session.has(Signal::Spans, key)).map(|key| is(key, route));
        known.reduce(datafusion::logical_expr::Expr::or).unwrap_or_else(|| lit(false))
    });
    Ok(all_of([
        search_filter(session, Signal::Spans, &filter.q, WordMatch::Anywhere).await?,
        filter.service.as_deref().map(|service| is("service.name", service)),
        route,
        (filter.status == Some(TraceStatus::Error)).then(|| is("status_code", "error")),
        filter.duration_min_ns.map(|least| col("duration_ns").gt_eq(lit(least))),
        filter.duration_max_ns.map(|most| col("duration_ns").lt_eq(lit(most)).and(col("parent_span_id").is_null())),
    ]))
}

pub(super) fn parse_cursor(text: &str) -> Result<(i64, TraceId), EngineError> {
    let parsed = text.split_once(':').and_then(|(place, id)| Some((place.parse().ok()?, TraceId::parse(id).ok()?)));
    parsed.ok_or_else(|| EngineError::invalid(format!("cannot read cursor {text:?}: expected one from an earlier answer")))
}

/// The little of a span that a list line needs.
struct Light {
    trace_id: TraceId,
    span_id: SpanId,
    parent_span_id: Option<SpanId>,
    service: String,
    receiver: String,
    name: String,
    kind: String,
    start: i64,
    end: i64,
    error: bool,
    in_progress: bool,
    linked: Option<TraceId>,
    route: Option<String>,
    method: Option<String>,
    http_status: Option<i64>,
}

/// Spans read for one page of the list; a page of giant traces shows counts of what was read, and says so.
const SUMMARY_SPANS_MAX: usize = 200_000;

async fn summaries(session: &Session, ids: &[TraceId]) -> Result<(Vec<TraceSummary>, crate::QueryStats), EngineError> {
    if ids.is_empty() {
        return Ok((Vec::new(), crate::QueryStats::default()));
    }
    let links = session
        .ask(&format!(
            "SELECT DISTINCT trace_id, linked_trace_id FROM s WHERE linked_trace_id IS NOT NULL AND trace_id IN ({})",
            id_list(ids)
        ))
        .await?;
    // Several traces may claim the same linked one; the first keeps it.
    let mut owner: HashMap<TraceId, TraceId> = ids.iter().map(|id| (*id, *id)).collect();
    for row in links.iter() {
        if let (Some(from), Some(to)) = (row.trace_id("trace_id"), row.trace_id("linked_trace_id")) {
            owner.entry(to).or_insert(from);
        }
    }
    let all: Vec<TraceId> = owner.keys().copied().collect();
    let or_null = |column| session.column_or_null(Signal::Spans, column);
    let spans = session
        .ask(&format!(
            r#"SELECT trace_id, span_id, parent_span_id, "service.name", receiver, name, kind, time, duration_ns, status_code, in_progress, linked_trace_id,
               coalesce({}, {}, {}) AS route, coalesce({}, {}) AS method,
               coalesce(CAST({} AS BIGINT), CAST({} AS BIGINT)) AS http_status
               FROM s WHERE trace_id IN ({}) LIMIT {SUMMARY_SPANS_MAX}"#,
            or_null("http.route"),
            or_null("url.path"),
            or_null("http.target"),
            or_null("http.request.method"),
            or_null("http.method"),
            or_null("http.response.status_code"),
            or_null("http.status_code"),
            id_list(&all)
        ))
        .await?;
    let mut by_trace: HashMap<TraceId, HashMap<(TraceId, SpanId), Light>> = HashMap::new();
    for light in spans.iter().filter_map(light) {
        let Some(trace) = owner.get(&light.trace_id) else { continue };
        let spans = by_trace.entry(*trace).or_default();
        match spans.get(&(light.trace_id, light.span_id)) {
            // A complete span replaces its announcement, never the other way round.
            Some(kept) if !kept.in_progress => {}
            _ => {
                spans.insert((light.trace_id, light.span_id), light);
            }
        }
    }
    let logs = session
        .ask(&format!(
            r#"SELECT coalesce(trace_id, request_trace_id) AS id, count(*) AS n, count("error.group") AS exceptions
               FROM logs WHERE trace_id IN ({ids}) OR (trace_id IS NULL AND request_trace_id IN ({ids})) GROUP BY 1"#,
            ids = id_list(&all)
        ))
        .await?;
    let mut told: HashMap<TraceId, (u64, u64)> = HashMap::new();
    for row in logs.iter() {
        let Some(trace) = row.trace_id("id").and_then(|id| owner.get(&id)) else { continue };
        let counts = told.entry(*trace).or_default();
        counts.0 += row.i64("n").unwrap_or_default().unsigned_abs();
        counts.1 += row.i64("exceptions").unwrap_or_default().unsigned_abs();
    }
    let stats = spans.stats.plus(logs.stats);
    let summaries = ids
        .iter()
        .filter_map(|id| {
            let (log_count, exception_count) = told.get(id).copied().unwrap_or_default();
            let spans: Vec<Light> = by_trace.remove(id)?.into_values().collect();
            Some(TraceSummary { log_count, exception_count, ..summary(*id, &spans)? })
        })
        .collect();
    Ok((summaries, stats))
}

fn light(row: Row<'_>) -> Option<Light> {
    let start = row.i64("time")?;
    Some(Light {
        trace_id: row.trace_id("trace_id")?,
        span_id: row.span_id("span_id")?,
        parent_span_id: row.span_id("parent_span_id"),
        service: row.string("service.name").unwrap_or_default(),
        receiver: row.string("receiver").unwrap_or_default(),
        name: row.string("name").unwrap_or_default(),
        kind: row.string("kind").unwrap_or_default(),
        start,
        end: start.saturating_add(row.i64("duration_ns").unwrap_or_default()),
        error: row.str("status_code") == Some("error"),
        in_progress: row.bool("in_progress"),
        linked: row.trace_id("linked_trace_id"),
        route: row.string("route"),
        method: row.string("method"),
        http_status: row.i64("http_status"),
    })
}

fn summary(id: TraceId, spans: &[Light]) -> Option<TraceSummary> {
    let own: HashSet<SpanId> = spans.iter().filter(|span| span.trace_id == id).map(|span| span.span_id).collect();
    let is_root = |span: &&Light| span.parent_span_id.is_none_or(|parent| !own.contains(&parent));
    let candidates = spans.iter().filter(|span| span.trace_id == id).filter(is_root);
    // The true root before spans whose parent never came, then the earliest.
    let root = candidates.min_by_key(|span| (span.parent_span_id.is_some(), span.start)).or(spans.first())?;
    let request = if root.route.is_some() || root.kind == "server" {
        root
    } else {
        spans.iter().filter(|span| span.kind == "server").min_by_key(|span| span.start).unwrap_or(root)
    };
    let start = spans.iter().map(|span| span.start).min()?;
    let end = spans.iter().map(|span| span.end).max()?;
    let mut services: BTreeMap<&str, usize> = BTreeMap::new();
    for span in spans {
        *services.entry(&span.service).or_default() += 1;
    }
    let receivers: BTreeSet<&str> = spans.iter().map(|span| span.receiver.as_str()).collect();
    let linked: BTreeSet<TraceId> = spans.iter().filter_map(|span| span.linked).filter(|linked| *linked != id).collect();
    Some(TraceSummary {
        trace_id: id.to_string(),
        root_service: root.service.clone(),
        root_name: root.name.clone(),
        route: request.route.clone(),
        method: request.method.clone(),
        http_status: request.http_status,
        start_time_unix_nano: UnixNano(start),
        duration_ns: end - start,
        span_count: spans.len(),
        error_count: spans.iter().filter(|span| span.error).count(),
        services: services.into_iter().map(|(name, spans)| ServiceSpans { name: name.to_owned(), spans }).collect(),
        receivers: receivers.into_iter().map(str::to_owned).collect(),
        linked_trace_ids: linked.iter().map(TraceId::to_string).collect(),
        root_missing: root.parent_span_id.is_some(),
        in_progress: spans.iter().any(|span| span.in_progress),
        ..TraceSummary::default()
    })
}
