//! The questions the page asks, typed: what is asked for, the plan, and the answer as it is told.
//!
//! Every answer carries [`Stats`]: rows scanned, time taken, the newest row seen. Counts are weighted by `sample_rate`
//! unless their documentation says "rows".

pub mod attributes;
pub mod bubble_up;
pub mod cloudwatch_metrics;
pub mod error_page;
pub mod errors;
pub mod explore;
mod explore_linked;
pub mod explore_selection;
pub mod explore_sql;
pub mod fault_windows;
pub mod honeycomb;
pub mod insights;
pub mod log_events;
pub mod log_fields;
pub mod log_patterns;
pub mod logs;
pub mod map;
pub mod metrics;
pub mod occurrence_hours;
pub mod occurrences;
pub mod rql;
pub mod services;
pub mod stored_spans;
mod told;
pub mod trace;
pub mod trace_heatmap;
pub mod trace_refine;
pub mod trace_scope;
pub mod trace_summaries;
pub mod trace_typical;
pub mod traces;

use model::Signal;
use serde::{Serialize, Serializer};
use store::TimeRange;
use utoipa::ToSchema;

use crate::answer::QueryStats;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::limits::CHART_BUCKETS_MAX;
use crate::session::Session;

/// Nanoseconds since 1970, told as a string because JavaScript numbers cannot hold them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, examples("1795226742550000000"))]
pub struct UnixNano(pub i64);

impl Serialize for UnixNano {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What an answer rests on.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Stats {
    pub elapsed_ms: f64,
    pub rows_scanned: u64,
    pub rows_total: u64,
    pub newest_unix_nano: Option<UnixNano>,
    /// Whether any row stands for more than itself.
    pub sampled: bool,
    /// Why the answer is not whole, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<String>,
    /// Parts whose files are damaged; what they held is missing from the answer.
    #[serde(skip_serializing_if = "is_zero")]
    pub damaged_parts: u64,
    /// What else whoever reads the answer should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A weighted count: a whole number where it is one, as nearly always.
fn weighted<S: Serializer>(count: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match whole(*count) {
        Some(count) => serializer.serialize_i64(count),
        None => serializer.serialize_f64(*count),
    }
}

fn weighted_all<S: Serializer>(counts: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(counts.iter().map(|count| match whole(*count) {
        Some(count) => serde_json::Value::from(count),
        None => serde_json::Value::from(*count),
    }))
}

fn whole(count: f64) -> Option<i64> {
    // Beyond 2^53 a float has no fractions left to tell.
    (count.fract() == 0.0 && count.abs() < 9e15).then_some(count as i64)
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl From<QueryStats> for Stats {
    fn from(stats: QueryStats) -> Stats {
        Stats {
            elapsed_ms: (stats.elapsed.as_secs_f64() * 1e5).round() / 1e2,
            rows_scanned: stats.rows_scanned,
            rows_total: stats.rows_total,
            newest_unix_nano: stats.newest_unix_nano.map(UnixNano),
            sampled: false,
            truncated: None,
            damaged_parts: stats.damaged_parts,
            warnings: damage_warning(stats).into_iter().collect(),
        }
    }
}

fn damage_warning(stats: QueryStats) -> Option<String> {
    let (parts, rows) = (stats.damaged_parts, stats.damaged_rows);
    (parts > 0).then(|| format!("{rows} rows in {parts} damaged files are missing; the server's log names the files"))
}

/// One project's engine: what a page's questions are put to.
#[derive(Clone)]
pub struct Asker {
    pub engine: Engine,
    pub project: String,
}

impl Asker {
    async fn session(&self, range: TimeRange) -> Result<Session, EngineError> {
        self.engine.session(&self.project, range).await
    }
}

/// Equal steps over a time range, as charts want them.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    pub start_unix_nano: i64,
    pub step_seconds: i64,
    pub count: usize,
}

const SECOND: i64 = 1_000_000_000;

/// Steps a person can read on an axis.
const STEP_SECONDS: [i64; 17] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400];

impl Steps {
    /// At most `buckets` steps over the range, starting on a whole step.
    pub fn over(range: TimeRange, buckets: i64) -> Steps {
        let length = (range.end_unix_nano.saturating_sub(range.start_unix_nano) / SECOND).max(1);
        let wanted = length / buckets.clamp(1, CHART_BUCKETS_MAX);
        let step_seconds = STEP_SECONDS.into_iter().find(|step| *step >= wanted).unwrap_or_else(|| wanted.max(86_400));
        let start = range.start_unix_nano.div_euclid(step_seconds * SECOND) * step_seconds;
        let count = (range.end_unix_nano / SECOND - start) / step_seconds + 1;
        Steps { start_unix_nano: start * SECOND, step_seconds, count: count.clamp(1, 2 * CHART_BUCKETS_MAX) as usize }
    }

    /// The number of the step that a time falls in.
    fn of(&self, time_unix_nano: i64) -> Option<usize> {
        self.place(time_unix_nano.checked_sub(self.start_unix_nano).map(|since| since.div_euclid(self.step_seconds * SECOND)))
    }

    /// SQL for the number of the step that `time` falls in.
    fn sql(&self) -> String {
        format!("(CAST(time AS BIGINT) - {}) / {}", self.start_unix_nano, self.step_seconds * SECOND)
    }

    /// The place of a step number in an array of `count` values.
    fn place(&self, step: Option<i64>) -> Option<usize> {
        usize::try_from(step?).ok().filter(|place| *place < self.count)
    }
}

/// How plain words of a search are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WordMatch {
    /// As whole words, which the parts' token filters know.
    Whole,
    /// As parts of the text, which reads every row.
    Anywhere,
}

/// Lowers a search text; keys that no column has are looked for in `attributes_rest`, and match nothing if that is empty.
async fn search_filter(
    session: &Session,
    signal: Signal,
    q: &str,
    word_match: WordMatch,
) -> Result<Option<datafusion::logical_expr::Expr>, EngineError> {
    if q.trim().is_empty() {
        return Ok(None);
    }
    let text_columns: &[&str] = match signal {
        Signal::Spans => &["name"],
        Signal::Logs => &crate::prune::TOKEN_COLUMNS,
        Signal::Metrics => &["metric"],
    };
    let invalid = |error: languages::search::SearchError| EngineError::Invalid {
        message: error.to_string(),
        position: Some(error.position()),
    };
    let query = languages::search::parse(q).map_err(invalid)?;
    let has_token = crate::functions::has_token::udf();
    let whole_words = (word_match == WordMatch::Whole).then_some(has_token.as_ref());
    let has_text = crate::functions::has_text::udf();
    let parts = Some(has_text.as_ref());
    let lower = || {
        let schema = session.schema(signal);
        let context = languages::search::LowerContext { signal, schema: schema.as_ref(), text_columns, whole_words, parts };
        languages::search::lower(&query, &context).map_err(invalid)
    };
    let lowered = lower()?;
    if lowered.unknown_keys.is_empty() {
        return Ok(Some(lowered.expr));
    }
    session.admit(signal, lowered.unknown_keys).await?;
    Ok(Some(lower()?.expr))
}

/// Joins conditions that are there.
fn all_of(
    conditions: impl IntoIterator<Item = Option<datafusion::logical_expr::Expr>>,
) -> Option<datafusion::logical_expr::Expr> {
    conditions.into_iter().flatten().reduce(datafusion::logical_expr::Expr::and)
}

/// A condition that `column` is `value`, for columns that always exist.
fn is(column: &str, value: &str) -> datafusion::logical_expr::Expr {
    use datafusion::logical_expr::{Expr, lit};
    Expr::Column(datafusion::common::Column::from_name(column)).eq(lit(value))
}

/// Ids as a list of SQL texts.
fn id_list(ids: &[model::TraceId]) -> String {
    ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ")
}
