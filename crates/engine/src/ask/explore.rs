//! A query told while it is worked on: what is asked, estimates over the newest rows, then the whole, and what it took.
//!
//! The first estimate rests on as many of the newest rows as are read within an instant, the next on more; where there are few
//! rows the whole comes at once. The whole is exact, whatever came before it.
//!
//! Missing: estimates of a comparison; it comes with the whole

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use languages::honeycomb::{
    Filter, LIMIT_DEFAULT, LIMIT_MAX, LIMIT_WITHOUT_SERIES_MAX, LowerContext, Lowered, Operation, OutputColumn,
    QuerySpecification, Times, Window, lower, names_used,
};
use model::Signal;
use serde::Serialize;
use serde_json::Value;
use store::TimeRange;
use utoipa::ToSchema;

use super::honeycomb::{HoneycombError, HoneycombQuestion, cell, context};
use super::told::{Runs, Told, Wanted, plans, told, told_of};
use super::{Asker, Stats, UnixNano};
use crate::answer::{Answer, QueryStats};
use crate::error::EngineError;
use crate::limits::{EXPLORE_ESTIMATE_ROWS, EXPLORE_ESTIMATES_TIME_MAX};
use crate::session::Session;

/// What happens while a query is worked on. The last is `End`, unless it failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExploreEvent {
    Begin(ExploreBegin),
    Progress(ExploreProgress),
    /// Over the newest rows so far; takes the place of the one before.
    Partial(ExploreAnswer),
    /// The whole, once.
    Answer(ExploreAnswer),
    End(Stats),
}

/// What is asked, as it was understood.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreBegin {
    /// One for each entry of `values`.
    pub calculations: Vec<ExploreCalculation>,
    pub breakdowns: Vec<String>,
    pub start_unix_nano: UnixNano,
    pub end_unix_nano: UnixNano,
    /// Where the first step begins, which may be before the range does.
    pub first_step_unix_nano: UnixNano,
    pub step_ns: i64,
    pub steps: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ExploreCalculation {
    /// As Honeycomb's results call it.
    pub label: String,
    /// `formula` for formulas.
    pub op: String,
    pub column: Option<String>,
    /// `value`, `heatmap` or `formula`.
    pub kind: &'static str,
    /// `ms` where it is known.
    pub unit: Option<&'static str>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreProgress {
    /// Between 0 and 1.
    pub share: f64,
    pub rows_total: u64,
    pub elapsed_ms: f64,
}

/// Groups in order, with TOTAL, OTHER and the time before.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ExploreAnswer {
    pub groups: Vec<ExploreGroup>,
    /// Over all rows; nothing without breakdowns, where the one group is it.
    pub total: Option<ExploreGroup>,
    /// Over the groups that are not told; nothing when all are.
    pub other: Option<ExploreGroup>,
    pub compare: Option<ExploreCompare>,
    /// From when on rows were looked at.
    pub covered_from_unix_nano: UnixNano,
    pub is_whole: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct ExploreGroup {
    /// Cells of the breakdowns.
    #[schema(value_type = Vec<Object>)]
    pub key: Vec<Value>,
    /// One for each calculation.
    #[schema(value_type = Vec<Object>)]
    pub values: Vec<Value>,
    /// For each calculation one for each step, null where there are no rows.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub series: Vec<Vec<Value>>,
}

/// The same groups an offset earlier; step for step beside those of the answer.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ExploreCompare {
    pub offset_seconds: i64,
    /// In the order of the answer's; without values where a group had no rows then.
    pub groups: Vec<ExploreGroup>,
    pub total: Option<ExploreGroup>,
}

/// A query, what of it is wanted, and filters that hold beside it.
#[derive(Clone, Debug)]
pub struct ExploreQuestion {
    pub query: HoneycombQuestion,
    pub narrowed: Vec<Filter>,
    pub with_estimates: bool,
}

/// Rows themselves.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreRows {
    pub columns: Vec<String>,
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
    pub stats: Stats,
}

/// An estimate is made where there are so many times the rows it rests on: short of that the whole comes soon after it.
pub(super) const ESTIMATED_TIMES_MIN: u64 = 20;

const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Who is told; the end of the asker's interest ends the work by dropping it.
pub type Listener<'a> = &'a (dyn Fn(ExploreEvent) + Send + Sync);

impl Asker {
    /// Answers a query, telling what happens on the way.
    pub async fn explore(&self, question: &ExploreQuestion, told: Listener<'_>) -> Result<(), HoneycombError> {
        let started = Instant::now();
        let specification = &question.query.specification;
        let times = Times::of(specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, specification)).await?;
        let state = session.state();
        let plain = self.explore_context(&session, &state, question).await?;
        let whole = lower(specification, plain.clone())?;
        whole.results(limit(question))?;
        told(ExploreEvent::Begin(begin(specification, &whole)));

        let seen = session.seen();
        let each = plans(&whole, wanted(question));
        let plans = if specification.compare_time_offset_seconds.is_some() { each + 1 } else { each };
        let work = Work { session: &session, question, started, told, plans, done: AtomicUsize::new(0) };
        let mut stats = QueryStats { elapsed: Duration::ZERO, ..seen };
        if question.with_estimates {
            let newest = seen.newest_unix_nano.unwrap_or(times.start).clamp(times.start, times.end);
            for rows in [EXPLORE_ESTIMATE_ROWS, 8 * EXPLORE_ESTIMATE_ROWS] {
                if seen.rows_total < ESTIMATED_TIMES_MIN * rows || started.elapsed() > EXPLORE_ESTIMATES_TIME_MAX {
                    break;
                }
                let share = rows as f64 / seen.rows_total as f64;
                let from = newest - ((newest - times.start) as f64 * share) as i64;
                let part = lower(specification, LowerContext { window: Window { from, ..Window::WHOLE }, ..plain.clone() })?;
                let (mut answer, _, read) = work.answer(&part).await?;
                stats = stats.plus(read);
                answer.covered_from_unix_nano = UnixNano(from);
                told(ExploreEvent::Partial(answer));
            }
        }
        work.done.store(0, Ordering::Relaxed);
        let (mut answer, keys, read) = work.answer(&whole).await?;
        stats = stats.plus(read);
        if let Some(offset) = specification.compare_time_offset_seconds {
            let window = Window { earlier_by: offset.saturating_mul(1_000_000_000), ..Window::WHOLE };
            let before = lower(specification, LowerContext { window, ..plain.clone() })?;
            let (compare, read) = work.compare(&before, &answer, keys, offset).await?;
            stats = stats.plus(read);
            answer.compare = Some(compare);
        }
        answer.covered_from_unix_nano = UnixNano(times.start);
        answer.is_whole = true;
        let is_cut = answer.other.is_some();
        told(ExploreEvent::Answer(answer));
        stats.elapsed = started.elapsed();
        let mut stats: Stats = stats.into();
        let limit = limit(question);
        stats.truncated = is_cut.then(|| format!("there are more groups than the {limit} told; the rest is in OTHER"));
        told(ExploreEvent::End(stats));
        Ok(())
    }

    /// The newest rows that a query is about. Its breakdowns are the columns; what it calculates does not matter.
    pub async fn explore_rows(&self, question: &ExploreQuestion, limit: usize) -> Result<ExploreRows, HoneycombError> {
        let specification = &question.query.specification;
        let times = Times::of(specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, specification)).await?;
        let state = session.state();
        let lowered = lower(specification, self.explore_context(&session, &state, question).await?)?;
        let answer = session.run_plan(lowered.newest(limit)?).await?;
        let groups = lowered.groups();
        let mut rows = Vec::with_capacity(answer.rows());
        for (row, cells) in answer.iter().zip(cells(&answer, &groups)?) {
            let time = row.i64("time").unwrap_or_default().to_string();
            rows.push(std::iter::once(Value::String(time)).chain(cells).collect());
        }
        let columns = std::iter::once("timestamp".to_owned()).chain(groups.into_iter().map(|group| group.label));
        Ok(ExploreRows { columns: columns.collect(), rows, stats: answer.stats.into() })
    }

    pub(super) async fn explore_context<'a>(
        &self,
        session: &Session,
        state: &'a datafusion::execution::session_state::SessionState,
        question: &'a ExploreQuestion,
    ) -> Result<LowerContext<'a>, HoneycombError> {
        let mut context = context(session, state, &question.query).await?;
        context.narrowed = &question.narrowed;
        for signal in [Signal::Spans, Signal::Logs] {
            session.admit(signal, names_used(&question.query.specification, &context)?).await?;
        }
        context.spans = session.source(Signal::Spans).await?;
        context.logs = session.source(Signal::Logs).await?;
        Ok(context)
    }
}

/// The time that a query may look at: its range and the one it is compared with, and an hour around for other spans of traces.
pub(super) fn reach(times: &Times, specification: &QuerySpecification) -> TimeRange {
    const HOUR: i64 = 3_600_000_000_000;
    let before = specification.compare_time_offset_seconds.unwrap_or_default().saturating_mul(1_000_000_000);
    TimeRange {
        start_unix_nano: times.start.saturating_sub(before).saturating_sub(HOUR),
        end_unix_nano: times.end.saturating_add(HOUR),
    }
}

pub(super) fn limit(question: &ExploreQuestion) -> usize {
    let most = if question.query.with_series { LIMIT_MAX } else { LIMIT_WITHOUT_SERIES_MAX };
    question.query.limit.or(question.query.specification.limit).unwrap_or(LIMIT_DEFAULT).min(most) as usize
}

fn wanted(question: &ExploreQuestion) -> Wanted {
    let HoneycombQuestion { with_series: series, with_total: total, with_other: other, .. } = question.query;
    Wanted { series, total, other }
}

fn begin(specification: &QuerySpecification, lowered: &Lowered<'_>) -> ExploreBegin {
    let times = lowered.times;
    ExploreBegin {
        calculations: calculations(specification),
        breakdowns: specification.breakdowns.clone(),
        start_unix_nano: UnixNano(times.start),
        end_unix_nano: UnixNano(times.end),
        first_step_unix_nano: UnixNano(times.first_step),
        step_ns: times.step,
        steps: times.steps(),
    }
}

fn calculations(specification: &QuerySpecification) -> Vec<ExploreCalculation> {
    let unit = |column: Option<&str>| column.filter(|column| *column == "duration_ms").map(|_| "ms");
    if specification.formulas.is_empty() {
        let told = specification.calculations.iter().map(|one| ExploreCalculation {
            label: one.label(),
            op: one.operation.as_str().to_owned(),
            column: one.column.clone(),
            kind: if one.operation == Operation::Heatmap { "heatmap" } else { "value" },
            unit: unit(one.column.as_deref()).filter(|_| one.operation != Operation::CountDistinct),
        });
        return told.collect();
    }
    let told = specification.formulas.iter().map(|formula| ExploreCalculation {
        label: formula.name.clone(),
        op: "formula".to_owned(),
        column: None,
        kind: "formula",
        unit: None,
    });
    told.collect()
}

/// One question on its way.
struct Work<'a> {
    session: &'a Session,
    question: &'a ExploreQuestion,
    started: Instant,
    told: Listener<'a>,
    plans: usize,
    done: AtomicUsize,
}

impl Work<'_> {
    /// The answer, and the groups it tells as the plans have them.
    async fn answer(&self, lowered: &Lowered<'_>) -> Result<(ExploreAnswer, Vec<Vec<ScalarValue>>, QueryStats), HoneycombError> {
        let (groups, values) = (lowered.groups(), lowered.values());
        let limit = limit(self.question);
        let found = told(self, lowered, limit, wanted(self.question)).await?;
        let cells_of = |columns: &[OutputColumn]| cells(&found.summary, columns);
        let told = cells_of(&groups)?.into_iter().zip(cells_of(&values)?).take(limit);
        let told = told.map(|(key, values)| ExploreGroup { key, values, series: Vec::new() });
        let mut answer = ExploreAnswer { groups: told.collect(), ..ExploreAnswer::default() };
        if let Some(series) = &found.series {
            self.place(lowered, series, &mut answer.groups)?;
        }
        answer.total = self.total(lowered, &found)?;
        if let Some(other) = &found.other {
            let values = cells(other, &values)?.into_iter().next().unwrap_or_default();
            answer.other = Some(ExploreGroup { key: Vec::new(), values, series: Vec::new() });
        }
        Ok((answer, found.keys, found.stats))
    }

    fn total(&self, lowered: &Lowered<'_>, found: &Told) -> Result<Option<ExploreGroup>, EngineError> {
        let Some(total) = &found.total else { return Ok(None) };
        let values = cells(total, &lowered.values())?.into_iter().next().unwrap_or_default();
        let mut group = [ExploreGroup { key: Vec::new(), values, series: Vec::new() }];
        if let Some(series) = &found.total_series {
            self.place(lowered, series, &mut group)?;
        }
        let [group] = group;
        Ok(Some(group))
    }

    /// Puts the points of a series where they belong.
    fn place(&self, lowered: &Lowered<'_>, series: &Answer, groups: &mut [ExploreGroup]) -> Result<(), EngineError> {
        let specification = &self.question.query.specification;
        let steps = usize::try_from(lowered.times.steps()).unwrap_or_default();
        // How often something was is known where nothing was.
        let empty: Vec<Value> = match specification.formulas.is_empty() {
            true => specification.calculations.iter().map(|one| nothing(one.operation)).collect(),
            false => vec![Value::Null; specification.formulas.len()],
        };
        for group in groups.iter_mut() {
            group.series = empty.iter().map(|empty| vec![empty.clone(); steps]).collect();
        }
        for (row, values) in series.iter().zip(cells(series, &lowered.values())?) {
            let place = row.i64("place").and_then(|place| usize::try_from(place).ok()).unwrap_or_default();
            let step = row.i64("bucket").and_then(|step| usize::try_from(step).ok()).filter(|step| *step < steps);
            let (Some(group), Some(step)) = (groups.get_mut(place), step) else { continue };
            for (series, value) in group.series.iter_mut().zip(values) {
                series[step] = value;
            }
        }
        Ok(())
    }

    /// The groups of `answer`, which are `keys`, at another time.
    async fn compare(
        &self,
        before: &Lowered<'_>,
        answer: &ExploreAnswer,
        keys: Vec<Vec<ScalarValue>>,
        offset_seconds: i64,
    ) -> Result<(ExploreCompare, QueryStats), HoneycombError> {
        let found = told_of(self, before, keys, Wanted { other: false, ..wanted(self.question) }).await?;
        let told = answer.groups.iter().map(|group| ExploreGroup { key: group.key.clone(), ..ExploreGroup::default() });
        let mut groups: Vec<ExploreGroup> = told.collect();
        let values = cells(&found.summary, &before.values())?;
        let places: Vec<Option<i64>> = found.summary.iter().map(|row| row.i64("place")).collect();
        for (place, values) in places.iter().zip(values) {
            // Without breakdowns there is one group and no place.
            let place = if before.groups().is_empty() { Some(0) } else { *place };
            if let Some(group) = place.and_then(|place| groups.get_mut(usize::try_from(place).ok()?)) {
                group.values = values;
            }
        }
        if let Some(series) = &found.series {
            self.place(before, series, &mut groups)?;
        }
        // What had no rows then has no steps either.
        groups.iter_mut().filter(|group| group.values.is_empty()).for_each(|group| group.series.clear());
        let total = self.total(before, &found)?;
        Ok((ExploreCompare { offset_seconds, groups, total }, found.stats))
    }
}

impl Runs for Work<'_> {
    /// Runs a plan and tells how far it is.
    async fn run(&self, plan: LogicalPlan) -> Result<Answer, EngineError> {
        self.session.view.progress.restart();
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + PROGRESS_INTERVAL, PROGRESS_INTERVAL);
        let running = self.session.run_plan(plan);
        tokio::pin!(running);
        let answer = loop {
            tokio::select! {
                answer = &mut running => break answer,
                _ = tick.tick() => {
                    let done = self.done.load(Ordering::Relaxed) as f64 + self.session.view.progress.share().min(0.99);
                    (self.told)(ExploreEvent::Progress(ExploreProgress {
                        share: (done / self.plans as f64).min(1.0),
                        rows_total: self.session.seen().rows_total,
                        elapsed_ms: (self.started.elapsed().as_secs_f64() * 1e4).round() / 10.0,
                    }));
                }
            }
        };
        self.done.fetch_add(1, Ordering::Relaxed);
        answer
    }
}

fn nothing(operation: Operation) -> Value {
    if matches!(operation, Operation::Count | Operation::Concurrency) { Value::from(0) } else { Value::Null }
}

/// The columns of each row.
pub(super) fn cells(answer: &Answer, columns: &[OutputColumn]) -> Result<Vec<Vec<Value>>, EngineError> {
    let mut rows = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        let arrays: Vec<_> = columns.iter().map(|column| batch.column_by_name(&column.column)).collect();
        for row in 0..batch.num_rows() {
            let cells = arrays.iter().map(|array| array.map_or(Ok(Value::Null), |array| cell(array.as_ref(), row)));
            rows.push(cells.collect::<Result<_, EngineError>>()?);
        }
    }
    Ok(rows)
}
