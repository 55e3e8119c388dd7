//! `POST /api/explore/query`, `/sql` and `/rows`: a query specification to groups, series and totals, to the SQL that says the same,
//! and to the rows it is about. `GET /api/explore/results/{dataset}/{id}`: what a kept result was asked.
//!
//! The answer is a stream of events, one object with one member each: `begin`, `progress`, `partial`, `answer`, `end` or `error`;
//! lines of JSON, or server-sent events for who accepts those. With `"stream": false` it is one object with the members
//! `begin`, `answer` and `end`.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::ask::UnixNano;
use engine::ask::explore::{ExploreEvent, ExploreQuestion, ExploreRows};
use engine::ask::explore_sql::ExploreSql;
use engine::ask::honeycomb::{HoneycombError, HoneycombQuestion};
use futures::channel::mpsc;
use futures::{FutureExt, Stream, StreamExt};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use languages::honeycomb::{Filter, QuerySpecification, Times};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::params::moment;
use super::refusal::{Refusal, RefusalBody};
use crate::limits::API_BODY_BYTES_MAX;
use crate::listen::http_ingest::read_body;
use crate::{Services, now_unix_nano};

/// What is asked, in Honeycomb's words, and of what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExploreQuery {
    /// A query specification: `calculations`, `filters`, `breakdowns`, `orders`, `havings`, `limit`, times and the rest.
    #[schema(value_type = Object)]
    pub(super) query: Map<String, Value>,
    /// A service; all of them by default.
    pub(super) dataset: Option<String>,
    /// RFC 3339 or unix milliseconds; with `end` it takes the place of the query's own times.
    pub(super) start: Option<ExploreMoment>,
    pub(super) end: Option<ExploreMoment>,
    /// Whether the answer has them; true by default.
    #[serde(default = "yes")]
    pub(super) series: bool,
    #[serde(default = "yes")]
    pub(super) total: bool,
    #[serde(default = "yes")]
    pub(super) other: bool,
    #[serde(default = "yes")]
    pub(super) stream: bool,
    /// Filters that hold beside the query's own, also where any of those may.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub(super) narrowed: Vec<Value>,
}

fn yes() -> bool {
    true
}

/// RFC 3339, or unix milliseconds.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ExploreMoment {
    Number(i64),
    Text(String),
}

impl ExploreMoment {
    pub fn nanos(&self, name: &str) -> Result<i64, Refusal> {
        match self {
            ExploreMoment::Number(number) => moment(name, &number.to_string()),
            ExploreMoment::Text(text) => moment(name, text),
        }
    }
}

/// One event of a streamed answer that could not be finished.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExploreFailure {
    Error(RefusalBody),
}

/// Answers a query specification, telling progress and estimates over the newest rows on the way.
#[utoipa::path(post, tag = "Explore", operation_id = "explore_query", path = "/api/explore/query", request_body = ExploreQuery, responses((status = 200, content((ExploreEvent = "application/x-ndjson"))), (status = 400, body = Refusal)))]
pub async fn query(State(services): State<Services>, request: Request) -> Result<Response, Refusal> {
    let (headers, query): (HeaderMap, ExploreQuery) = read(request).await?;
    let question = services.explore_question(&query).await?;
    // What is wrong with the question is told before a stream begins.
    Times::of(&question.query.specification, question.query.now_unix_seconds).map_err(HoneycombError::from)?;
    if query.stream {
        return Ok(respond(&headers, events(services, question)));
    }
    let told = Mutex::new(json!({}));
    let keep = |event: ExploreEvent| {
        if let Ok(Value::Object(event)) = serde_json::to_value(&event) {
            for (name, value) in event {
                told.lock()[name] = value;
            }
        }
    };
    services.asker.explore(&ExploreQuestion { with_estimates: false, ..question }, &keep).await?;
    Ok(Json(told.into_inner()).into_response())
}

/// The SQL that gives the rows of an answer. Of the question, `stream`, `total` and `other` do not matter.
#[utoipa::path(post, tag = "Explore", operation_id = "explore_sql", path = "/api/explore/sql", request_body = ExploreQuery, responses((status = 200, body = ExploreSql), (status = 400, body = Refusal)))]
pub async fn sql(State(services): State<Services>, request: Request) -> Result<Json<ExploreSql>, Refusal> {
    let (_, query): (_, ExploreQuery) = read(request).await?;
    let question = services.explore_question(&query).await?;
    Ok(Json(services.asker.explore_sql(&question).await?))
}

/// What a kept result is about.
#[derive(Serialize, ToSchema)]
pub struct ExploreKept {
    #[schema(value_type = Object)]
    query: Value,
    /// A service; nothing where all were asked.
    dataset: Option<String>,
    /// The range it was asked over; nothing of results from before it was kept.
    start_unix_nano: Option<UnixNano>,
    end_unix_nano: Option<UnixNano>,
}

/// The question of a result that Honeycomb's API keeps, to which its links lead.
#[utoipa::path(get, tag = "Explore", operation_id = "explore_result", path = "/api/explore/results/{dataset}/{id}", params(("dataset" = String, Path), ("id" = String, Path)), responses((status = 200, body = ExploreKept), (status = 404, body = Refusal)))]
pub async fn result(
    State(services): State<Services>,
    Path((dataset, id)): Path<(String, String)>,
) -> Result<Json<ExploreKept>, Refusal> {
    let kept = services.kept_result(&dataset, &id).await.ok_or_else(|| Refusal::missing("no result is kept under this id"))?;
    let nanos = |second: i64| UnixNano(second.saturating_mul(1_000_000_000));
    let (start, end) = kept.range.map(|(start, end)| (nanos(start), nanos(end))).unzip();
    Ok(Json(ExploreKept { query: kept.query, dataset: kept.dataset, start_unix_nano: start, end_unix_nano: end }))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExploreRowsQuery {
    #[schema(value_type = Object)]
    query: Map<String, Value>,
    dataset: Option<String>,
    start: Option<ExploreMoment>,
    end: Option<ExploreMoment>,
    /// Fields of each row; by default what most rows have and what the query names.
    columns: Option<Vec<String>>,
    /// Rows told, 100 by default.
    limit: Option<usize>,
    /// Filters that hold beside the query's own, also where any of those may.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    narrowed: Vec<Value>,
}

const ROWS_DEFAULT: usize = 100;

const COLUMNS_DEFAULT: &[&str] =
    &["service.name", "name", "duration_ms", "error", "body", "severity", "trace.trace_id", "trace.span_id", "trace.parent_id"];

/// The newest rows that a query is about, under Honeycomb's names.
#[utoipa::path(post, tag = "Explore", operation_id = "explore_rows", path = "/api/explore/rows", request_body = ExploreRowsQuery, responses((status = 200, body = ExploreRows), (status = 400, body = Refusal)))]
pub async fn rows(State(services): State<Services>, request: Request) -> Result<Json<ExploreRows>, Refusal> {
    let (_, asked): (_, ExploreRowsQuery) = read(request).await?;
    let mut query = asked.query;
    let named = |query: &Map<String, Value>, list: &str| -> Vec<String> {
        let items = query.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let names = items.iter().filter_map(|item| item.as_str().or_else(|| item["column"].as_str()));
        names.map(str::to_owned).collect()
    };
    let columns = asked.columns.unwrap_or_else(|| {
        let mut columns: Vec<String> = COLUMNS_DEFAULT.iter().map(|name| (*name).to_owned()).collect();
        for name in ["breakdowns", "filters", "calculations"].iter().flat_map(|list| named(&query, list)) {
            if !columns.contains(&name) && !name.starts_with("none.") {
                columns.push(name);
            }
        }
        columns
    });
    for member in ["orders", "havings", "formulas", "calculations", "limit", "compare_time_offset_seconds", "granularity"] {
        query.remove(member);
    }
    query.insert("breakdowns".into(), json!(columns));
    let question = ExploreQuery {
        query,
        dataset: asked.dataset,
        start: asked.start,
        end: asked.end,
        series: false,
        total: false,
        other: false,
        stream: false,
        narrowed: asked.narrowed,
    };
    let question = services.explore_question(&question).await?;
    let limit = asked.limit.unwrap_or(ROWS_DEFAULT).clamp(1, engine::limits::PAGE_ROWS_MAX);
    Ok(Json(services.asker.explore_rows(&question, limit).await?))
}

/// The body as what it is.
pub async fn read<T: serde::de::DeserializeOwned>(request: Request) -> Result<(HeaderMap, T), Refusal> {
    let (parts, body) = request.into_parts();
    let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX).await.map_err(|failure| Refusal::body(&failure))?;
    let read = serde_json::from_slice(&body);
    let read =
        read.map_err(|error| Refusal::parameter(format!("cannot read the body: {error}; expected {{\"query\": {{…}}}}")))?;
    Ok((parts.headers, read))
}

impl Services {
    /// A query with the times and the dataset that go with it.
    pub(super) async fn explore_question(&self, asked: &ExploreQuery) -> Result<ExploreQuestion, Refusal> {
        let mut members = asked.query.clone();
        members.remove("id");
        if let (Some(start), Some(end)) = (&asked.start, &asked.end) {
            let (start, end) = (start.nanos("start")?, end.nanos("end")?);
            members.remove("time_range");
            members.insert("start_time".into(), start.div_euclid(SECOND).into());
            members.insert("end_time".into(), (end + SECOND - 1).div_euclid(SECOND).into());
        }
        let specification = QuerySpecification::from_json(&Value::Object(members)).map_err(HoneycombError::from)?;
        let (dataset, calculated_fields) = self.honeycomb_scope(asked.dataset.as_deref()).await?;
        let time_series = match &asked.dataset {
            Some(dataset) => self.honeycomb_time_series(dataset).await?,
            None => false,
        };
        let query = HoneycombQuestion {
            dataset,
            calculated_fields,
            time_series,
            with_series: asked.series,
            with_total: asked.total,
            with_other: asked.other,
            ..HoneycombQuestion::new(specification, now_unix_nano() / SECOND + 1)
        };
        Ok(ExploreQuestion { query, narrowed: filters(&asked.narrowed)?, with_estimates: true })
    }
}

/// Filters by themselves, as a query specification has them.
pub(super) fn filters(list: &[Value]) -> Result<Vec<Filter>, Refusal> {
    Ok(QuerySpecification::from_json(&json!({ "filters": list })).map_err(HoneycombError::from)?.filters)
}

const SECOND: i64 = 1_000_000_000;

/// The events of a question.
fn events(services: Services, question: ExploreQuestion) -> impl Stream<Item = Told<ExploreEvent>> {
    told_by(|sender| async move { services.asker.explore(&question, &|event| tell(&sender, event)).await })
}

/// An event on its way, or why there are no more.
pub(super) type Told<E> = Result<E, ExploreFailure>;
pub(super) type Teller<E> = mpsc::UnboundedSender<Told<E>>;

/// Whoever asked may be gone; then nobody wants to know.
pub(super) fn tell<E>(teller: &Teller<E>, event: E) {
    let _ = teller.unbounded_send(Ok(event));
}

/// The events that some work tells. Dropping the stream ends the work.
pub(super) fn told_by<E, W>(work: impl FnOnce(Teller<E>) -> W) -> impl Stream<Item = Told<E>>
where
    W: Future<Output = Result<(), HoneycombError>>,
{
    let (sender, events) = mpsc::unbounded();
    let work = work(sender.clone());
    let work = async move {
        if let Err(error) = work.await {
            let _ = sender.unbounded_send(Err(ExploreFailure::Error(Refusal::from(error).error)));
        }
    };
    futures::stream::select(events, work.into_stream().filter_map(async |()| None))
}

/// Events as lines of JSON, or server-sent ones for who accepts those.
pub(super) fn respond<E>(headers: &HeaderMap, events: impl Stream<Item = Told<E>> + Send + 'static) -> Response
where
    E: Serialize + Send + 'static,
{
    let accepts = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accepts.contains("text/event-stream") {
        let events = events.filter_map(async |event| sent(&event).map(Ok::<_, Infallible>));
        return Sse::new(events).keep_alive(KeepAlive::default()).into_response();
    }
    let lines = events.map(|event| {
        let written = match &event {
            Ok(event) => serde_json::to_vec(event),
            Err(failure) => serde_json::to_vec(failure),
        };
        let mut line = written.unwrap_or_default();
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    (StatusCode::OK, [(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}

/// An event under the name of its one member.
fn sent<E: Serialize>(event: &Told<E>) -> Option<Event> {
    let event = match event {
        Ok(event) => serde_json::to_value(event),
        Err(failure) => serde_json::to_value(failure),
    };
    let event = event.ok()?;
    let name = event.as_object()?.keys().next()?.clone();
    Event::default().json_data(&event).ok().map(|told| told.event(name))
}

impl From<HoneycombError> for Refusal {
    fn from(error: HoneycombError) -> Refusal {
        match error {
            HoneycombError::Specification(error) => Refusal::new(StatusCode::BAD_REQUEST, "invalid_query", error.to_string()),
            HoneycombError::Engine(error) => error.into(),
        }
    }
}
