//! A query of the builder in SQL, as `/api/sql` reads it: its summary, and the lines of its chart.

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::unparser::Unparser;
use datafusion::sql::unparser::dialect::PostgreSqlDialect;
use languages::honeycomb::{LowerContext, LowerError, lower};
use serde::Serialize;
use utoipa::ToSchema;

use super::explore::{ExploreQuestion, limit};
use crate::session::Session;

/// Statements that give the rows of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExploreSql {
    /// One row a group.
    pub summary: Option<String>,
    /// One row a step and group, with the time that the step begins at.
    pub series: Option<String>,
}

/// The statements of a question that has a plan. What SQL has no words for has none.
pub(super) async fn spelled(session: &Session, question: &ExploreQuestion, context: LowerContext<'_>) -> ExploreSql {
    let Ok(lowered) = lower(&question.query.specification, LowerContext { spelled: true, ..context }) else {
        return ExploreSql::default();
    };
    let limit = limit(question);
    let series = match question.query.with_series {
        true => statement(session, lowered.named_series(limit)).await,
        false => None,
    };
    ExploreSql { summary: statement(session, lowered.named_results(limit)).await, series }
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
