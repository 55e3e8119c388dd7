//! How often errors occurred in each hour, as the rows tell it: what is noted elsewhere before retention removes them.

use datafusion::common::Column;
use datafusion::logical_expr::Expr;
use model::Signal;
use store::TimeRange;

use super::occurrences::{GROUP, moment};
use super::{Asker, all_of};
use crate::error::EngineError;

const HOUR_NS: i64 = 3_600 * 1_000_000_000;

/// Occurrences of one group in one environment and hour.
#[derive(Clone, Debug, PartialEq)]
pub struct HourCount {
    pub group: String,
    /// Empty where it was not told.
    pub environment: String,
    /// Where the hour begins.
    pub start_unix_nano: i64,
    /// Weighted.
    pub count: f64,
}

impl Asker {
    /// The hours that occurrences received within a time belong to, each by its beginning, in order.
    pub async fn occurrence_hours_received(&self, since_unix_nano: i64, until_unix_nano: i64) -> Result<Vec<i64>, EngineError> {
        if !self.has_occurrences().await? {
            return Ok(Vec::new());
        }
        let session = self.session(TimeRange::ALL).await?;
        let received = || Expr::Column(Column::from_name("received_at"));
        let condition = all_of([
            Some(Expr::Column(Column::from_name(GROUP)).is_not_null()),
            Some(received().gt_eq(moment(since_unix_nano))),
            Some(received().lt(moment(until_unix_nano))),
        ]);
        session.define("l", Signal::Logs, condition).await?;
        let answer =
            session.ask(&format!("SELECT CAST(time AS BIGINT) / {HOUR_NS} AS hour FROM l GROUP BY 1 ORDER BY 1")).await?;
        Ok(answer.iter().filter_map(|row| row.i64("hour")?.checked_mul(HOUR_NS)).collect())
    }

    /// How many occurrences each group had in each environment and hour, at most `limit` of them, latest hour first.
    pub async fn occurrence_hours(&self, range: TimeRange, limit: usize) -> Result<Vec<HourCount>, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, Some(Expr::Column(Column::from_name(GROUP)).is_not_null())).await?;
        let environment = session.column_or_null(Signal::Logs, "deployment.environment.name");
        let answer = session
            .ask(&format!(
                r#"SELECT "error.group" AS g, coalesce({environment}, '') AS environment, CAST(time AS BIGINT) / {HOUR_NS} AS hour,
                   sum(sample_rate) AS n FROM l GROUP BY 1, 2, 3 ORDER BY 3 DESC, 1, 2 LIMIT {limit}"#
            ))
            .await?;
        let counts = answer.iter().map(|row| HourCount {
            group: row.string("g").unwrap_or_default(),
            environment: row.string("environment").unwrap_or_default(),
            start_unix_nano: row.i64("hour").unwrap_or_default().saturating_mul(HOUR_NS),
            count: row.f64("n").unwrap_or_default(),
        });
        Ok(counts.collect())
    }
}
