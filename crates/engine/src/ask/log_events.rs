//! CloudWatch log events, in the order of their ids.

use datafusion::common::ScalarValue;
use datafusion::functions::string::starts_with;
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, lit};
use datafusion::prelude::ident;
use languages::filter_pattern::{self, Pattern};
use store::TimeRange;

use super::insights::{EVENT_ID, EventSource, EventSources, GROUP, GroupMasks, STREAM, Tables};
use super::{Asker, all_of};
use crate::answer::Row;
use crate::error::EngineError;

/// Which events of one log group.
#[derive(Clone, Debug)]
pub struct LogEventFilter {
    pub source: EventSource,
    /// All streams when empty.
    pub log_stream_names: Vec<String>,
    pub log_stream_name_prefix: Option<String>,
    /// Inclusive.
    pub start_unix_ms: Option<i64>,
    /// Exclusive.
    pub end_unix_ms: Option<i64>,
    /// Only events received since then: what an earlier stream of the same name held is gone.
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

/// Of an event as it is told.
const COLUMNS: [&str; 5] = [EVENT_ID, STREAM, "time", "received_at", "body"];

const NANOS_PER_MS: i64 = 1_000_000;

impl LogEventFilter {
    /// All events of a group, the oldest first.
    pub fn of(source: EventSource) -> LogEventFilter {
        LogEventFilter {
            source,
            log_stream_names: Vec::new(),
            log_stream_name_prefix: None,
            start_unix_ms: None,
            end_unix_ms: None,
            received_from_unix_ms: 0,
            beyond_event_id: None,
            newest_first: false,
            pattern: None,
        }
    }

    fn sources(&self) -> EventSources {
        EventSources {
            of: vec![self.source.clone()],
            start_unix_nano: self.start_unix_ms.map_or(i64::MIN, |ms| ms.saturating_mul(NANOS_PER_MS)),
            end_unix_nano: self.end_unix_ms.map_or(i64::MAX, |ms| ms.saturating_mul(NANOS_PER_MS)),
        }
    }

    fn condition(&self) -> Option<Expr> {
        let received_from = self.received_from_unix_ms.saturating_mul(NANOS_PER_MS);
        let since = lit(ScalarValue::TimestampNanosecond(Some(received_from), Some("UTC".into())));
        let names = self.log_stream_names.iter().map(|name| lit(name.as_str())).collect::<Vec<_>>();
        let starts = |prefix: &String| starts_with().call(vec![ident(STREAM), lit(prefix.as_str())]);
        let beyond = |id: &String| match self.newest_first {
            true => ident(EVENT_ID).lt(lit(id.as_str())),
            false => ident(EVENT_ID).gt(lit(id.as_str())),
        };
        all_of([
            Some(ident("received_at").gt_eq(since)),
            (!names.is_empty()).then(|| ident(STREAM).in_list(names, false)),
            self.log_stream_name_prefix.as_ref().map(starts),
            self.beyond_event_id.as_ref().map(beyond),
            self.pattern.as_ref().and_then(|pattern| filter_pattern::lower(pattern, &ident("body")).necessary),
        ])
    }
}

impl Asker {
    /// One event by its id, and its group. The id begins with the event's time.
    pub async fn log_event(&self, event_id: &str, timestamp_ms: i64) -> Result<Option<(String, LogEvent)>, EngineError> {
        let start_unix_nano = timestamp_ms.saturating_mul(NANOS_PER_MS);
        let range = TimeRange { start_unix_nano, end_unix_nano: start_unix_nano.saturating_add(NANOS_PER_MS) };
        let session = self.session(range).await?;
        let tables = Tables::of(&session).await?;
        let plan = tables.all_events(range)?;
        let plan = LogicalPlanBuilder::from(plan).filter(ident(EVENT_ID).eq(lit(event_id)))?;
        let plan = plan.project([&COLUMNS[..], &[GROUP]].concat().into_iter().map(ident))?.limit(0, Some(1))?.build()?;
        let answer = session.run_plan(plan).await?;
        Ok(answer.iter().next().map(|row| (row.string(GROUP).unwrap_or_default(), event_of(row))))
    }

    /// At most `limit` events.
    pub async fn log_events(&self, filter: &LogEventFilter, limit: usize) -> Result<Vec<LogEvent>, EngineError> {
        let sources = filter.sources();
        let session = self.session(sources.range()).await?;
        let tables = Tables::of(&session).await?;
        let events = tables.events(&sources, &GroupMasks::default(), false)?;
        if !events.schema().has_column_with_unqualified_name(EVENT_ID) {
            return Ok(Vec::new());
        }
        let mut plan = LogicalPlanBuilder::from(events);
        if let Some(condition) = filter.condition() {
            plan = plan.filter(condition)?;
        }
        let order = ident(EVENT_ID).sort(!filter.newest_first, filter.newest_first);
        let plan = plan.project(COLUMNS.map(ident))?.sort(vec![order])?.limit(0, Some(limit))?.build()?;
        let answer = session.run_plan(plan).await?;
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
