//! CloudWatch log events, in the order of their ids.

use datafusion::prelude::ident;
use languages::filter_pattern::{self, Pattern};
use model::Signal;
use store::TimeRange;

use super::{Asker, all_of, is};
use crate::answer::Row;
use crate::engine::quote_text;
use crate::error::EngineError;

/// Which events of one log group.
#[derive(Clone, Debug, Default)]
pub struct LogEventFilter {
    pub log_group_name: String,
    /// All streams when empty.
    pub log_stream_names: Vec<String>,
    pub log_stream_name_prefix: Option<String>,
    /// Inclusive.
    pub start_unix_ms: Option<i64>,
    /// Exclusive.
    pub end_unix_ms: Option<i64>,
    /// Only events received since then: what an earlier group of the same name held is gone.
    pub received_from_unix_ms: i64,
    /// Strictly behind this id, in the order asked for.
    pub beyond_event_id: Option<String>,
    pub newest_first: bool,
    /// What every event meets that matches; whether one does is for the pattern to say.
    pub pattern: Option<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    pub event_id: String,
    pub log_stream_name: String,
    pub timestamp_ms: i64,
    pub received_at_ms: i64,
    pub message: String,
}

const GROUP: &str = "aws.log.group.name";
const STREAM: &str = "aws.log.stream.name";
const EVENT_ID: &str = "aws.log.event.id";
const NANOS_PER_MS: i64 = 1_000_000;

impl Asker {
    /// One event by its id, and its group. The id begins with the event's time.
    pub async fn log_event(&self, event_id: &str, timestamp_ms: i64) -> Result<Option<(String, LogEvent)>, EngineError> {
        let start_unix_nano = timestamp_ms.saturating_mul(NANOS_PER_MS);
        let range = TimeRange { start_unix_nano, end_unix_nano: start_unix_nano.saturating_add(NANOS_PER_MS) };
        let session = self.session(range).await?;
        if ![GROUP, STREAM, EVENT_ID].iter().all(|column| session.has(Signal::Logs, column)) {
            return Ok(None);
        }
        session.define("l", Signal::Logs, all_of([Some(is("receiver", "cloudwatch")), Some(is(EVENT_ID, event_id))])).await?;
        let columns = format!("\"{EVENT_ID}\", \"{STREAM}\", \"{GROUP}\", time, received_at, body");
        let answer = session.ask(&format!("SELECT {columns} FROM l LIMIT 1")).await?;
        Ok(answer.iter().next().map(|row| (row.string(GROUP).unwrap_or_default(), event_of(row))))
    }

    /// At most `limit` events.
    pub async fn log_events(&self, filter: &LogEventFilter, limit: usize) -> Result<Vec<LogEvent>, EngineError> {
        let range = TimeRange {
            start_unix_nano: filter.start_unix_ms.map_or(i64::MIN, |ms| ms.saturating_mul(NANOS_PER_MS)),
            end_unix_nano: filter.end_unix_ms.map_or(i64::MAX, |ms| ms.saturating_mul(NANOS_PER_MS)),
        };
        let session = self.session(range).await?;
        if ![GROUP, STREAM, EVENT_ID].iter().all(|column| session.has(Signal::Logs, column)) {
            return Ok(Vec::new());
        }
        let necessary = filter.pattern.as_ref().and_then(|pattern| filter_pattern::lower(pattern, &ident("body")).necessary);
        let conditions = [Some(is("receiver", "cloudwatch")), Some(is(GROUP, &filter.log_group_name)), necessary];
        session.define("l", Signal::Logs, all_of(conditions)).await?;
        let mut conditions =
            vec![format!("CAST(received_at AS BIGINT) >= {}", filter.received_from_unix_ms.saturating_mul(NANOS_PER_MS))];
        if !filter.log_stream_names.is_empty() {
            let names: Vec<String> = filter.log_stream_names.iter().map(|name| quote_text(name)).collect();
            conditions.push(format!("\"{STREAM}\" IN ({})", names.join(", ")));
        }
        if let Some(prefix) = &filter.log_stream_name_prefix {
            conditions.push(format!("starts_with(\"{STREAM}\", {})", quote_text(prefix)));
        }
        if let Some(id) = &filter.beyond_event_id {
            let beyond = if filter.newest_first { "<" } else { ">" };
            conditions.push(format!("\"{EVENT_ID}\" {beyond} {}", quote_text(id)));
        }
        let answer = session
            .ask(&format!(
                "SELECT \"{EVENT_ID}\", \"{STREAM}\", time, received_at, body FROM l WHERE {} ORDER BY \"{EVENT_ID}\" {} LIMIT {limit}",
                conditions.join(" AND "),
                if filter.newest_first { "DESC" } else { "ASC" },
            ))
            .await?;
        Ok(answer.iter().map(event_of).collect())
    }
}

fn event_of(row: Row<'_>) -> LogEvent {
    LogEvent {
        event_id: row.string(EVENT_ID).unwrap_or_default(),
        log_stream_name: row.string(STREAM).unwrap_or_default(),
        timestamp_ms: row.i64("time").unwrap_or_default().div_euclid(NANOS_PER_MS),
        received_at_ms: row.i64("received_at").unwrap_or_default().div_euclid(NANOS_PER_MS),
        message: row.string("body").unwrap_or_default(),
    }
}
