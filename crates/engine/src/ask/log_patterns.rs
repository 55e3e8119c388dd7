//! Patterns of log lines: what they have in common, how often each was there, and when.

use analysis::log_patterns::{LogPattern, LogPatterns};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, lit};
use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::logs::{LogFilter, log_condition};
use super::{Asker, Stats, Steps, UnixNano, WordMatch, weighted, weighted_all};
use crate::error::EngineError;
use crate::functions::log_patterns;
use crate::session::Session;

/// Bars of a pattern's trend: what a cell of a table has room for.
const TREND_STEPS: i64 = 48;

/// Values of a part that changes that are told.
const VALUES_TOLD_MAX: usize = 10;

/// What log lines have in common, those with most lines first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogPatternsFound {
    pub patterns: Vec<LogPatternTold>,
    /// Patterns there are, told or not.
    pub total: usize,
    /// Lines that were looked at, each as many as it stands for.
    #[serde(serialize_with = "weighted")]
    pub lines: f64,
    pub start_unix_nano: UnixNano,
    pub step_seconds: i64,
    pub stats: Stats,
}

/// Lines of one text but for what changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LogPatternTold {
    /// Stable for one pattern.
    pub id: String,
    /// With `<Number-1>` in place of what changes.
    pub pattern: String,
    #[serde(serialize_with = "weighted")]
    pub count: f64,
    /// Of all lines, from 0 to 1.
    pub share: f64,
    /// Lines in each step of time.
    #[serde(serialize_with = "weighted_all")]
    pub trend: Vec<f64>,
    /// That of most of its lines; 0 when that is not known.
    pub severity_number: i32,
    pub first_unix_nano: UnixNano,
    pub last_unix_nano: UnixNano,
    /// The newest of its lines.
    pub sample: String,
    /// A regular expression that its lines match.
    pub expression: String,
    pub tokens: Vec<PatternTokenTold>,
}

/// A part that changes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PatternTokenTold {
    /// As it stands in the pattern: `Number-1`.
    pub name: String,
    pub values: Vec<TokenValue>,
    /// Lines with values that are not told.
    #[serde(serialize_with = "weighted")]
    pub others: f64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenValue {
    pub value: String,
    #[serde(serialize_with = "weighted")]
    pub count: f64,
}

impl Asker {
    /// The patterns of what [`Asker::logs`] finds, at most `limit`.
    pub async fn log_patterns(
        &self,
        range: TimeRange,
        filter: &LogFilter,
        limit: usize,
    ) -> Result<LogPatternsFound, EngineError> {
        let session = self.session(range).await?;
        let condition = log_condition(&session, filter, WordMatch::Anywhere).await?;
        let plan = session.plan(Signal::Logs, condition).await?;
        let steps = Steps::over(range, TREND_STEPS);
        let step = format!("greatest({}, 0)", steps.sql());
        let columns = Mined::columns(&session, &plan, "body", &step)?;
        let (patterns, stats) = mined(&session, plan, columns).await?;
        let lines = patterns.count();
        let patterns = patterns.patterns();
        let total = patterns.len();
        let told = patterns.into_iter().take(limit).map(|pattern| told(pattern, steps.count));
        Ok(LogPatternsFound {
            patterns: told.collect(),
            total,
            lines,
            start_unix_nano: UnixNano(steps.start_unix_nano),
            step_seconds: steps.step_seconds,
            stats: stats.into(),
        })
    }
}

/// What is known of each line, as expressions over a plan.
pub(super) struct Mined {
    pub text: Expr,
    pub severity_number: Expr,
    pub time: Expr,
    pub step: Expr,
    pub weight: Expr,
}

impl Mined {
    /// Those of log records; `step` is SQL.
    fn columns(session: &Session, plan: &LogicalPlan, text: &str, step: &str) -> Result<Mined, EngineError> {
        let sql = |sql: &str| Ok::<_, EngineError>(session.state().create_logical_expr(sql, plan.schema())?);
        Ok(Mined {
            text: datafusion::prelude::ident(text),
            severity_number: sql("severity_number")?,
            time: sql("CAST(time AS BIGINT)")?,
            step: sql(step)?,
            weight: sql("sample_rate")?,
        })
    }
}

/// Reads the lines of a plan where they are.
pub(super) async fn mined(
    session: &Session,
    plan: LogicalPlan,
    columns: Mined,
) -> Result<(LogPatterns, crate::answer::QueryStats), EngineError> {
    let Mined { text, severity_number, time, step, weight } = columns;
    let udaf = std::sync::Arc::new(log_patterns::udaf());
    let call = udaf.call(vec![text, severity_number, time, step, weight]).alias("patterns");
    let none: Vec<Expr> = Vec::new();
    let plan = LogicalPlanBuilder::from(plan).aggregate(none, vec![call, count(lit(1_i64)).alias("lines")])?.build()?;
    let answer = session.run_plan(plan).await?;
    let patterns = answer.iter().next().and_then(|row| row.str("patterns")).map(log_patterns::read).unwrap_or_default();
    Ok((patterns, answer.stats))
}

fn told(pattern: LogPattern, steps: usize) -> LogPatternTold {
    let (text, expression) = (pattern.text(), pattern.expression());
    let mut trend = pattern.steps;
    trend.resize(steps, 0.0);
    let tokens = pattern.tokens.into_iter().map(|token| {
        let further = token.values.iter().skip(VALUES_TOLD_MAX).map(|(_, count)| count).sum::<f64>();
        let values = token.values.into_iter().take(VALUES_TOLD_MAX).map(|(value, count)| TokenValue { value, count });
        PatternTokenTold { name: token.name, values: values.collect(), others: token.others + further }
    });
    LogPatternTold {
        id: pattern.id,
        pattern: text,
        count: pattern.count,
        share: pattern.share,
        trend,
        severity_number: pattern.severity_number,
        first_unix_nano: UnixNano(pattern.first_unix_nano),
        last_unix_nano: UnixNano(pattern.last_unix_nano),
        sample: pattern.sample,
        expression,
        tokens: tokens.collect(),
    }
}
