//! Logs Insights' queries, run: the events of log groups as a table, the plan of the language over it.
//!
//! Missing: what is no relation (`pattern`, `diff`, `anomaly`, `lookup`, totals of columns, `appendcols`), and groups chosen
//! within a query

mod functions;

use datafusion::common::DataFusionError;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, LogicalPlan, col, lit};
use languages::insights::{self, CompileError, LowerContext, LowerError, Source};
use model::Signal;
use store::TimeRange;

use self::functions::Functions;
use super::{Asker, all_of, is};
use crate::answer::Answer;
use crate::error::EngineError;
use crate::session::Session;

/// Fields of log events and their columns.
const NAMES: [(&str, &str); 6] = [
    ("@timestamp", "time"),
    ("@ingestionTime", "received_at"),
    ("@message", "body"),
    ("@log", GROUP),
    ("@logStream", "aws.log.stream.name"),
    ("@ptr", EVENT_ID),
];

const GROUP: &str = "aws.log.group.name";
const EVENT_ID: &str = "aws.log.event.id";

/// What a query is asked of.
#[derive(Clone, Debug, Default)]
pub struct InsightsQuestion {
    /// Groups, and since when there is one of that name: what an earlier one held is gone.
    pub log_groups: Vec<(String, i64)>,
    pub start_unix_nano: i64,
    /// Exclusive.
    pub end_unix_nano: i64,
    /// What is told where the query has no limit.
    pub rows_max: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum InsightsFailure {
    #[error("{}", .0.message)]
    Query(CompileError),
    #[error("{0} is not answered here yet")]
    NotYet(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a query cannot be understood, if it cannot: told before it is run.
pub fn check(text: &str) -> Result<(), CompileError> {
    insights::parse(text).map(|_| ()).map_err(|error| error.compile_error(text))
}

impl Asker {
    /// Runs a query over log events.
    pub async fn insights(&self, text: &str, question: &InsightsQuestion) -> Result<Answer, InsightsFailure> {
        let query = insights::parse(text).map_err(|error| InsightsFailure::Query(error.compile_error(text)))?;
        let range = TimeRange { start_unix_nano: question.start_unix_nano, end_unix_nano: question.end_unix_nano };
        let session = self.session(range).await?;
        let events = session.plan(Signal::Logs, Some(of_groups(&session, question))).await?;
        let source = |source: Option<&Source>| -> Result<LogicalPlan, DataFusionError> {
            match source {
                None => Ok(events.clone()),
                Some(_) => Err(DataFusionError::NotImplemented("SOURCE".to_owned())),
            }
        };
        let context =
            LowerContext { functions: &Functions, names: &NAMES, message: "body", events: &source, limit: question.rows_max };
        let pipeline = insights::lower(&query, text, &context).map_err(|error| match error {
            LowerError::Query(error) => InsightsFailure::Query(error.compile_error(text)),
            LowerError::Plan(DataFusionError::NotImplemented(what)) => InsightsFailure::NotYet(what),
            LowerError::Plan(error) => InsightsFailure::Engine(error.into()),
        })?;
        if let Some(stage) = pipeline.then.first() {
            let name = format!("{stage:?}");
            let name = name.split([' ', '(']).next().unwrap_or_default().to_lowercase();
            return Err(InsightsFailure::NotYet(format!("the command {name}")));
        }
        let frame = session.frame_of(pipeline.plan);
        Ok(session.run(frame).await?)
    }
}

/// Rows of CloudWatch's receiver in one of the groups, received since that group was made.
fn of_groups(session: &Session, question: &InsightsQuestion) -> Expr {
    let nothing = lit(false);
    if !session.has(Signal::Logs, GROUP) {
        return nothing;
    }
    let since = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
    let groups = question.log_groups.iter().map(|(name, at)| is(GROUP, name).and(col("received_at").gt_eq(since(*at))));
    let in_one = groups.reduce(Expr::or).unwrap_or(nothing);
    all_of([Some(is("receiver", "cloudwatch")), Some(in_one)]).unwrap_or(lit(true))
}
