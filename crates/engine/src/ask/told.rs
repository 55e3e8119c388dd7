//! A query's plans, run: the summary first, then what stands beside it, of one reading where one is enough.

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use languages::honeycomb::{LEVEL, Level, Lowered, OutputColumn};

use super::honeycomb::{HoneycombError, group_keys};
use crate::answer::{Answer, QueryStats};
use crate::error::EngineError;
use crate::session::Session;

/// Whoever runs the plans of a query.
pub(super) trait Runs {
    fn run(&self, plan: LogicalPlan) -> impl Future<Output = Result<Answer, EngineError>> + Send;
}

impl Runs for Session {
    fn run(&self, plan: LogicalPlan) -> impl Future<Output = Result<Answer, EngineError>> + Send {
        self.run_plan(plan)
    }
}

/// What is asked for beside the summary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub series: bool,
    /// With its series where there are any.
    pub total: bool,
    pub other: bool,
}

/// The answers to a query's plans. Without breakdowns the summary is the total, and the series is the total's.
#[derive(Debug)]
pub(super) struct Told {
    /// As many rows as the limit allows, and one more if there are.
    pub summary: Answer,
    /// The groups that are told, in order.
    pub keys: Vec<Vec<ScalarValue>>,
    /// Whether there are more groups.
    pub is_cut: bool,
    pub series: Option<Answer>,
    pub total: Option<Answer>,
    pub total_series: Option<Answer>,
    pub other: Option<Answer>,
    pub stats: QueryStats,
}

/// How many plans are run at most, for telling how far it is.
pub(super) fn plans(lowered: &Lowered<'_>, wanted: Wanted) -> usize {
    let has_more = wanted.series || wanted.total || wanted.other;
    1 + usize::from(has_more && !lowered.groups().is_empty())
}

/// The summary, and what is wanted beside it.
pub(super) async fn told(
    runs: &(impl Runs + Sync),
    lowered: &Lowered<'_>,
    limit: usize,
    wanted: Wanted,
) -> Result<Told, HoneycombError> {
    let groups: Vec<OutputColumn> = lowered.groups();
    if groups.is_empty() && wanted.series {
        return alone(runs, lowered, limit).await;
    }
    let summary = runs.run(lowered.results(limit)?).await?;
    let mut keys = group_keys(&summary, &groups)?;
    let is_cut = keys.len() > limit;
    keys.truncate(limit);
    let wanted = Wanted { other: wanted.other && (is_cut || lowered.has_havings()), ..wanted };
    let told = Told::of(summary, keys, is_cut);
    match groups.is_empty() {
        true => Ok(told),
        false => beside(runs, lowered, wanted, told).await,
    }
}

/// The series and the summary of a query without breakdowns.
async fn alone(runs: &(impl Runs + Sync), lowered: &Lowered<'_>, limit: usize) -> Result<Told, HoneycombError> {
    let mut stats = QueryStats::default();
    let (mut series, mut summary) = (None, None);
    if let Some(plan) = lowered.around(&[], true)? {
        let found = runs.run(plan).await?;
        stats = found.stats;
        series = Some(at_level(&found, Level::TotalSeries)?);
        summary = Some(at_level(&found, Level::Total)?).filter(|summary| summary.rows() > 0);
    }
    let series = match series {
        Some(series) => series,
        None => run(runs, lowered.series(&[])?, &mut stats).await?,
    };
    // Of no rows at all there is a summary, but no set of them.
    let summary = match summary {
        Some(summary) => summary,
        None => run(runs, lowered.results(limit)?, &mut stats).await?,
    };
    let keys = group_keys(&summary, &[])?;
    Ok(Told { summary, keys, is_cut: false, series: Some(series), total: None, total_series: None, other: None, stats })
}

async fn beside(
    runs: &(impl Runs + Sync),
    lowered: &Lowered<'_>,
    wanted: Wanted,
    mut told: Told,
) -> Result<Told, HoneycombError> {
    let is_one_reading = wanted.series || wanted.total && wanted.other;
    let around = if is_one_reading { lowered.around(&told.keys, wanted.series)? } else { None };
    if let Some(plan) = around {
        let found = run(runs, plan, &mut told.stats).await?;
        told.take(&found, wanted)?;
    }
    with_the_rest(runs, lowered, wanted, told).await
}

impl Told {
    fn of(summary: Answer, keys: Vec<Vec<ScalarValue>>, is_cut: bool) -> Told {
        let stats = summary.stats;
        Told { summary, keys, is_cut, series: None, total: None, total_series: None, other: None, stats }
    }

    /// Takes what is wanted beside the summary out of the one reading around it. Of no rows there is neither total nor rest.
    fn take(&mut self, around: &Answer, wanted: Wanted) -> Result<(), EngineError> {
        let at = |level: Level, is_wanted: bool| is_wanted.then(|| at_level(around, level)).transpose();
        let some = |answer: &Answer| answer.rows() > 0;
        self.series = at(Level::Series, wanted.series)?;
        self.total = at(Level::Total, wanted.total)?.filter(some);
        self.total_series = at(Level::TotalSeries, wanted.total && wanted.series)?;
        self.other = at(Level::Groups, wanted.other)?.map(|groups| without_place(&groups)).transpose()?.filter(some);
        Ok(())
    }
}

/// Asks for what is wanted and not there yet, piece by piece.
async fn with_the_rest(
    runs: &(impl Runs + Sync),
    lowered: &Lowered<'_>,
    wanted: Wanted,
    mut told: Told,
) -> Result<Told, HoneycombError> {
    let stats = &mut told.stats;
    if wanted.series && told.series.is_none() {
        told.series = Some(run(runs, lowered.series(&told.keys)?, stats).await?);
    }
    if wanted.total && told.total.is_none() {
        told.total = Some(run(runs, lowered.total()?, stats).await?);
    }
    if wanted.total && wanted.series && told.total_series.is_none() {
        told.total_series = Some(run(runs, lowered.total_series()?, stats).await?);
    }
    if wanted.other && told.other.is_none() {
        told.other = Some(run(runs, lowered.other(&told.keys)?, stats).await?);
    }
    Ok(told)
}

/// The groups of another answer at this query's time: their values, and what else is wanted.
pub(super) async fn told_of(
    runs: &(impl Runs + Sync),
    lowered: &Lowered<'_>,
    keys: Vec<Vec<ScalarValue>>,
    wanted: Wanted,
) -> Result<Told, HoneycombError> {
    if lowered.groups().is_empty() && wanted.series {
        return alone(runs, lowered, 1).await;
    }
    if let Some(plan) = lowered.around(&keys, wanted.series)? {
        let found = runs.run(plan).await?;
        let mut told = Told::of(at_level(&found, Level::Groups)?, keys, false);
        told.take(&found, wanted)?;
        return with_the_rest(runs, lowered, wanted, told).await;
    }
    let told = Told::of(runs.run(lowered.results_of(&keys)?).await?, keys, false);
    beside(runs, lowered, Wanted { total: wanted.total && !lowered.groups().is_empty(), ..wanted }, told).await
}

async fn run(runs: &(impl Runs + Sync), plan: LogicalPlan, stats: &mut QueryStats) -> Result<Answer, EngineError> {
    let answer = runs.run(plan).await?;
    *stats = stats.plus(answer.stats);
    Ok(answer)
}

/// The rows of an answer around a summary that are of one level.
fn at_level(answer: &Answer, level: Level) -> Result<Answer, EngineError> {
    only(answer, LEVEL, |value| value == Some(level as i64))
}

fn without_place(answer: &Answer) -> Result<Answer, EngineError> {
    only(answer, "place", |place| place.is_none())
}

/// The rows for which a column of whole numbers says so.
fn only(answer: &Answer, column: &str, holds: impl Fn(Option<i64>) -> bool) -> Result<Answer, EngineError> {
    let mut batches = Vec::with_capacity(answer.batches.len());
    for batch in &answer.batches {
        let Some(numbers) = batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<Int64Type>()) else {
            return Err(EngineError::Internal(format!("an answer has no numbers in {column}")));
        };
        let chosen: BooleanArray = numbers.iter().map(|number| Some(holds(number))).collect();
        batches.push(filter_record_batch(batch, &chosen).map_err(|error| EngineError::Internal(error.to_string()))?);
    }
    Ok(Answer { batches, ..answer.clone() })
}
