//! A query of the builder in SQL, as `/api/sql` reads it: its summary, and the lines of its chart.

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::PostgreSqlDialect;
use languages::honeycomb::{LowerContext, LowerError, Times, lower};
use serde::Serialize;
use utoipa::ToSchema;

use super::Asker;
use super::explore::{ExploreQuestion, limit, reach};
use super::honeycomb::HoneycombError;
use crate::session::Session;

/// Statements that give the rows of an answer; nothing where SQL has no words for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExploreSql {
    /// One row a group.
    pub summary: Option<String>,
    /// One row a step and group, with the time that the step begins at.
    pub series: Option<String>,
}

impl Asker {
    /// Spells a question; the lines of a chart only where the question wants series.
    pub async fn explore_sql(&self, question: &ExploreQuestion) -> Result<ExploreSql, HoneycombError> {
        let specification = &question.query.specification;
        let times = Times::of(specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, specification)).await?;
        let state = session.state();
        let context = self.explore_context(&session, &state, question).await?;
        let lowered = lower(specification, LowerContext { spelled: true, ..context })?;
        let limit = limit(question);
        let series = match question.query.with_series {
            true => statement(&session, lowered.named_series(limit)).await,
            false => None,
        };
        Ok(ExploreSql { summary: statement(&session, lowered.named_results(limit)).await, series })
    }
}

/// A plan in SQL that has been read again.
async fn statement(session: &Session, plan: Result<LogicalPlan, LowerError>) -> Option<String> {
    let plan = plan.inspect_err(|error| tracing::debug!(?error, "a query has no plan")).ok()?;
    let sql = session.on_query_threads(async move { told(&plan) }).await.ok()?;
    let sql = sql.inspect_err(|error| tracing::debug!(%error, "a query has no SQL")).ok()?;
    let read = session.sql_frame(&sql).await;
    read.inspect_err(|error| tracing::debug!(%error, sql, "a query's SQL cannot be read")).ok()?;
    Some(sql)
}

fn told(plan: &LogicalPlan) -> Result<String, DataFusionError> {
    let dialect = PostgreSqlDialect {};
    Ok(format!("{:#}", Unparser::new(&dialect).plan_to_sql(plan)?))
}
