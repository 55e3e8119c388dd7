//! Which fields log lines have, and how many of them.

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::logs::{LogFilter, log_condition};
use super::{Asker, Stats, WordMatch};
use crate::engine::quote;
use crate::error::EngineError;
use crate::limits::LOG_FIELDS_COUNTED_MAX;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogFields {
    /// Those that most lines have first.
    pub fields: Vec<LogField>,
    /// Rows that match.
    pub rows: u64,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogField {
    pub key: String,
    pub r#type: String,
    /// Rows that have it.
    pub rows: u64,
}

/// Columns that every line has, and those that are the line itself.
const LEFT_OUT: [&str; 12] = [
    "flags",
    "dropped_attributes_count",
    "time",
    "received_at",
    "body",
    "resource",
    "scope",
    "source",
    "attributes_rest",
    "sample_rate",
    "exception.stacktrace",
    "aws.log.event.id",
];

impl Asker {
    /// Fields of the records that match, with how many have each.
    pub async fn log_fields(&self, range: TimeRange, filter: &LogFilter) -> Result<LogFields, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, log_condition(&session, filter, WordMatch::Anywhere).await?).await?;
        let schema = session.schema(Signal::Logs);
        let all: Vec<_> = schema.fields().iter().filter(|field| !LEFT_OUT.contains(&field.name().as_str())).collect();
        let counted = &all[..all.len().min(LOG_FIELDS_COUNTED_MAX)];
        let columns: Vec<String> =
            counted.iter().enumerate().map(|(place, field)| format!("count({}) AS c{place}", quote(field.name()))).collect();
        let answer = session
            .ask(&format!("SELECT count(*) AS n{}{} FROM l", if columns.is_empty() { "" } else { ", " }, columns.join(", ")))
            .await?;
        let row = answer.iter().next();
        let number = |name: &str| row.as_ref().and_then(|row| row.i64(name)).unwrap_or_default().unsigned_abs();
        let rows = number("n");
        let mut fields: Vec<LogField> = counted
            .iter()
            .enumerate()
            .map(|(place, field)| LogField {
                key: field.name().clone(),
                r#type: crate::answer::type_name(field.data_type()),
                rows: number(&format!("c{place}")),
            })
            .filter(|field| field.rows > 0)
            .collect();
        fields.sort_by(|left, right| right.rows.cmp(&left.rows).then_with(|| left.key.cmp(&right.key)));
        let mut stats: Stats = answer.stats.into();
        if counted.len() < all.len() {
            stats.truncated = Some(format!("{LOG_FIELDS_COUNTED_MAX} of {} fields are counted", all.len()));
        }
        Ok(LogFields { fields, rows, stats })
    }
}
