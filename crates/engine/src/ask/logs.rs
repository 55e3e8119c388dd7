//! Log records: search, counts over time, and the lines around one.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{col, lit};
use model::Signal;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use store::TimeRange;
use utoipa::ToSchema;

use super::{Asker, Stats, Steps, UnixNano, WordMatch, all_of, is, search_filter};
use crate::answer::{Row, hex};
use crate::error::EngineError;
use crate::limits::{CHART_BUCKETS_MAX, PAGE_ROWS_MAX};
use crate::session::Session;

/// Which log records.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    pub q: String,
    pub service: Option<String>,
    pub receiver: Option<String>,
    pub severity_min: Option<i64>,
    pub trace_id: Option<model::TraceId>,
    pub log_group: Option<String>,
    pub log_stream: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Newest,
    Oldest,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Logs {
    pub logs: Vec<Log>,
    /// Give it back to get what follows; null at the end.
    pub next_cursor: Option<String>,
    pub stats: Stats,
}

/// One log record or event.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Log {
    /// Stable for one record: its time and a hash of what it says.
    pub id: String,
    pub time_unix_nano: UnixNano,
    pub received_at_unix_nano: UnixNano,
    pub service: String,
    pub receiver: String,
    pub severity_number: i64,
    pub severity_text: String,
    pub event_name: String,
    pub body: String,
    pub trace_id: Option<String>,
    pub span_id: Option<String>,
    /// The trace of the request that delivered this record.
    pub request_trace_id: Option<String>,
    pub exception: Option<ExceptionTold>,
    pub error_group: Option<String>,
    pub sample_rate: f64,
    #[schema(value_type = Object)]
    pub attributes: Map<String, Value>,
    #[schema(value_type = Object)]
    pub resource: Value,
    /// The vendor's own document, on pages that show one record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub source: Option<Box<RawValue>>,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ExceptionTold {
    pub r#type: String,
    pub message: String,
    pub stacktrace: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogHistogram {
    pub step_seconds: i64,
    pub start_unix_nano: UnixNano,
    pub buckets: Vec<LevelCounts>,
    pub stats: Stats,
}

/// Records of one step by OpenTelemetry's severity ranges, weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct LevelCounts {
    pub unknown: f64,
    pub trace: f64,
    pub debug: f64,
    pub info: f64,
    pub warn: f64,
    pub error: f64,
    pub fatal: f64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogsAround {
    /// Oldest first.
    pub logs: Vec<Log>,
    /// The id of the record in the middle.
    pub anchor: String,
}

/// The columns by which records of one moment are told apart, in one fixed order, so that pages neither skip nor repeat.
const TIE_BREAK: [&str; 3] = ["received_at", "body", "span_id"];

impl Asker {
    /// Records that match. Plain words are looked for as whole words, which needs few files; when no record has them, as
    /// parts of words, which reads every record, and the answer says so.
    pub async fn logs(
        &self,
        range: TimeRange,
        filter: &LogFilter,
        order: Order,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Logs, EngineError> {
        let cursor = cursor.map(Cursor::parse).transpose()?;
        let range = match (cursor, order) {
            (Some(cursor), Order::Newest) => TimeRange { end_unix_nano: cursor.time.saturating_add(1), ..range },
            (Some(cursor), Order::Oldest) => TimeRange { start_unix_nano: cursor.time, ..range },
            (None, _) => range,
        };
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        match cursor {
            Some(cursor) => self.logs_matching(range, filter, order, limit, Some(cursor), cursor.word_match).await,
            None => {
                let found = self.logs_matching(range, filter, order, limit, None, WordMatch::Whole).await?;
                if !found.logs.is_empty() || !has_words(&filter.q) {
                    return Ok(found);
                }
                let mut scanned = self.logs_matching(range, filter, order, limit, None, WordMatch::Anywhere).await?;
                if !scanned.logs.is_empty() {
                    scanned.stats.warnings.push(SCANNED.to_owned());
                }
                Ok(scanned)
            }
        }
    }

    async fn logs_matching(
        &self,
        range: TimeRange,
        filter: &LogFilter,
        order: Order,
        limit: usize,
        cursor: Option<Cursor>,
        word_match: WordMatch,
    ) -> Result<Logs, EngineError> {
        let skip = cursor.map_or(0, |cursor| cursor.seen);
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, log_condition(&session, filter, word_match).await?).await?;
        let [received_at, body, span_id] = TIE_BREAK.map(|column| (column, false));
        let order = [("time", order == Order::Newest), received_at, body, span_id];
        let answer = session.first_rows("l", &order, limit + skip + 1).await?;
        let mut logs: Vec<Log> = answer.iter().skip(skip).map(|row| tell(row, false)).collect();
        let more = logs.len() > limit;
        logs.truncate(limit);
        let next_cursor = logs.last().filter(|_| more).map(|last| {
            let same = logs.iter().rev().take_while(|log| log.time_unix_nano == last.time_unix_nano).count();
            let carried = cursor.filter(|cursor| cursor.time == last.time_unix_nano.0).map_or(0, |cursor| cursor.seen);
            Cursor { time: last.time_unix_nano.0, seen: same + carried, word_match }.to_string()
        });
        let mut stats: Stats = answer.stats.into();
        stats.sampled = logs.iter().any(|log| log.sample_rate != 1.0);
        Ok(Logs { logs, next_cursor, stats })
    }

    /// Counts of what [`Asker::logs`] finds, by level and step.
    pub async fn log_histogram(&self, range: TimeRange, filter: &LogFilter) -> Result<LogHistogram, EngineError> {
        let found = self.log_histogram_matching(range, filter, WordMatch::Whole).await?;
        if !has_words(&filter.q) || found.buckets.iter().any(|bucket| *bucket != LevelCounts::default()) {
            return Ok(found);
        }
        let mut scanned = self.log_histogram_matching(range, filter, WordMatch::Anywhere).await?;
        if scanned.buckets.iter().any(|bucket| *bucket != LevelCounts::default()) {
            scanned.stats.warnings.push(SCANNED.to_owned());
        }
        Ok(scanned)
    }

    async fn log_histogram_matching(
        &self,
        range: TimeRange,
        filter: &LogFilter,
        word_match: WordMatch,
    ) -> Result<LogHistogram, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, log_condition(&session, filter, word_match).await?).await?;
        let steps = Steps::over(range, CHART_BUCKETS_MAX / 2);
        let answer = session
            .ask(&format!(
                "SELECT {} AS step, CASE WHEN severity_number <= 0 THEN 0 ELSE (severity_number + 3) / 4 END AS level, \
                 sum(sample_rate) AS n FROM l GROUP BY 1, 2",
                steps.sql()
            ))
            .await?;
        let mut buckets = vec![LevelCounts::default(); steps.count];
        for row in answer.iter() {
            let Some(place) = steps.place(row.i64("step")) else { continue };
            let bucket = &mut buckets[place];
            let count = match row.i64("level").unwrap_or_default() {
                1 => &mut bucket.trace,
                2 => &mut bucket.debug,
                3 => &mut bucket.info,
                4 => &mut bucket.warn,
                5 => &mut bucket.error,
                6.. => &mut bucket.fatal,
                _ => &mut bucket.unknown,
            };
            *count += row.f64("n").unwrap_or_default();
        }
        Ok(LogHistogram {
            step_seconds: steps.step_seconds,
            start_unix_nano: UnixNano(steps.start_unix_nano),
            buckets,
            stats: answer.stats.into(),
        })
    }

    /// Records within `range` that were received after a moment, oldest first: what a live tail has not seen yet.
    pub async fn logs_received_since(
        &self,
        range: TimeRange,
        filter: &LogFilter,
        received_after_unix_nano: i64,
        limit: usize,
    ) -> Result<Vec<Log>, EngineError> {
        let session = self.session(range).await?;
        let after = lit(ScalarValue::TimestampNanosecond(Some(received_after_unix_nano), Some("UTC".into())));
        let fresh = Some(col("received_at").gt(after));
        let condition = all_of([fresh, log_condition(&session, filter, WordMatch::Anywhere).await?]);
        session.define("l", Signal::Logs, condition).await?;
        let newest = [("received_at", true), ("time", true)];
        let answer = session.first_rows("l", &newest, limit.clamp(1, PAGE_ROWS_MAX)).await?;
        let mut logs: Vec<Log> = answer.iter().map(|row| tell(row, false)).collect();
        logs.reverse();
        Ok(logs)
    }

    /// The lines of the same service (and stream, when given) before and after a moment.
    pub async fn logs_around(
        &self,
        anchor: &str,
        time_unix_nano: i64,
        filter: &LogFilter,
        before: usize,
        after: usize,
    ) -> Result<LogsAround, EngineError> {
        let earlier = TimeRange { start_unix_nano: i64::MIN, end_unix_nano: time_unix_nano };
        let later = TimeRange { start_unix_nano: time_unix_nano, end_unix_nano: i64::MAX };
        let mut logs = self.logs(earlier, filter, Order::Newest, before.max(1), None).await?.logs;
        logs.reverse();
        logs.extend(self.logs(later, filter, Order::Oldest, after + 1, None).await?.logs);
        Ok(LogsAround { logs, anchor: anchor.to_owned() })
    }
}

/// Whether a search has plain words, for which it makes a difference whether they are whole.
fn has_words(q: &str) -> bool {
    fn any_word(node: &languages::search::Node) -> bool {
        use languages::search::{Node, Term};
        match node {
            Node::And(nodes) | Node::Or(nodes) => nodes.iter().any(any_word),
            Node::Not(node) => any_word(node),
            Node::Term(term) => matches!(term, Term::Word(_)),
        }
    }
    languages::search::parse(q).is_ok_and(|query| query.root.as_ref().is_some_and(any_word))
}

/// What an answer says that is not made of whole words.
const SCANNED: &str =
    "no record has these as whole words; these have them within longer ones, and every record was read to find them";

pub(super) async fn log_condition(
    session: &Session,
    filter: &LogFilter,
    word_match: WordMatch,
) -> Result<Option<datafusion::logical_expr::Expr>, EngineError> {
    let attribute = |column: &str, value: &Option<String>| {
        let value = value.as_deref()?;
        Some(if session.has(Signal::Logs, column) { is(column, value) } else { lit(false) })
    };
    let by_trace = filter.trace_id.map(|id| {
        let id = || lit(ScalarValue::FixedSizeBinary(16, Some(id.0.to_vec())));
        col("trace_id").eq(id()).or(col("trace_id").is_null().and(col("request_trace_id").eq(id())))
    });
    Ok(all_of([
        search_filter(session, Signal::Logs, &filter.q, word_match).await?,
        filter.service.as_deref().map(|service| is("service.name", service)),
        filter.receiver.as_deref().map(|receiver| is("receiver", receiver)),
        filter.severity_min.map(|severity| col("severity_number").gt_eq(lit(severity))),
        attribute("aws.log.group.name", &filter.log_group),
        attribute("aws.log.stream.name", &filter.log_stream),
        by_trace,
    ]))
}

/// Where a page ended: the time of its last record, how many records of that very time were already told, and how words
/// were looked for.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    time: i64,
    seen: usize,
    word_match: WordMatch,
}

impl Cursor {
    fn parse(text: &str) -> Result<Cursor, EngineError> {
        let (place, word_match) = match text.strip_suffix(":anywhere") {
            Some(place) => (place, WordMatch::Anywhere),
            None => (text, WordMatch::Whole),
        };
        let parsed = place.split_once(':').and_then(|(time, seen)| {
            let seen = seen.parse().ok().filter(|seen| *seen <= PAGE_ROWS_MAX * 100)?;
            Some(Cursor { time: time.parse().ok()?, seen, word_match })
        });
        parsed.ok_or_else(|| EngineError::invalid(format!("cannot read cursor {text:?}: expected one from an earlier answer")))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let anywhere = if self.word_match == WordMatch::Anywhere { ":anywhere" } else { "" };
        write!(f, "{}:{}{anywhere}", self.time, self.seen)
    }
}

/// A row of `logs` as it is told.
pub(super) fn tell(row: Row<'_>, with_source: bool) -> Log {
    let (attributes, resource) = attributes_and_resource(row, Signal::Logs);
    let hex = |name| row.bytes(name).map(hex);
    let exception = row.str("exception.type").or(row.str("exception.message")).map(|_| ExceptionTold {
        r#type: row.string("exception.type").unwrap_or_default(),
        message: row.string("exception.message").unwrap_or_default(),
        stacktrace: row.string("exception.stacktrace").unwrap_or_default(),
    });
    let time = row.i64("time").unwrap_or_default();
    let service = row.string("service.name").unwrap_or_default();
    let body = row.string("body").unwrap_or_default();
    Log {
        id: format!("{time}-{:016x}", identity(row, &service, &body)),
        time_unix_nano: UnixNano(time),
        received_at_unix_nano: UnixNano(row.i64("received_at").unwrap_or_default()),
        service,
        receiver: row.string("receiver").unwrap_or_default(),
        severity_number: row.i64("severity_number").unwrap_or_default(),
        severity_text: row.string("severity_text").unwrap_or_default(),
        event_name: row.string("event_name").unwrap_or_default(),
        body,
        trace_id: hex("trace_id"),
        span_id: hex("span_id"),
        request_trace_id: hex("request_trace_id"),
        exception,
        error_group: row.string("error.group"),
        sample_rate: row.f64("sample_rate").unwrap_or(1.0),
        attributes,
        resource,
        source: row.str("source").filter(|_| with_source).map(word_for_word),
    }
}

fn identity(row: Row<'_>, service: &str, body: &str) -> u64 {
    use std::hash::{Hash, Hasher};
    // SipHash with fixed keys: the same in every process.
    let mut hasher = std::hash::DefaultHasher::new();
    (service, body, row.bytes("trace_id"), row.bytes("span_id"), row.i64("received_at"), row.str("source")).hash(&mut hasher);
    hasher.finish()
}

/// The record's own attributes apart from those its resource already says.
pub(super) fn attributes_and_resource(row: Row<'_>, signal: Signal) -> (Map<String, Value>, Value) {
    let resource = row.str("resource").map_or_else(|| Value::Object(Map::new()), parse_or_text);
    let mut attributes = Map::new();
    for (key, value) in row.cells() {
        if !store::columns::is_fixed(signal, key) && resource.get(key) != Some(&value) {
            attributes.insert(key.to_owned(), value);
        }
    }
    if let Some(Value::Object(rest)) =
        attributes.remove("attributes_rest").map(|rest| parse_or_text(rest.as_str().unwrap_or_default()))
    {
        attributes.extend(rest);
    }
    (attributes, resource)
}

/// JSON text exactly as it is; text that is not JSON becomes a JSON string.
pub(super) fn word_for_word(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| {
        let mut quoted = String::new();
        model::json_string(text, &mut quoted);
        RawValue::from_string(quoted).unwrap_or_else(|_| RawValue::NULL.to_owned())
    })
}

pub(super) fn parse_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
