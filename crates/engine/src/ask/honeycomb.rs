//! Honeycomb's queries: a specification to summary rows, series, TOTAL and OTHER.
//!
//! The summary comes first; series are of its groups only, so that a field with a million values costs one grouping.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use languages::honeycomb::{
    CalculatedField, LIMIT_DEFAULT, LIMIT_MAX, LowerContext, LowerError, Lowered, OutputColumn, QuerySpecification,
    SpecificationError, Times, UNKNOWN_METRICS, Window, lower, names_used,
};
use model::Signal;
use serde_json::{Map, Number, Value};
use store::TimeRange;

use super::explore::reach;
use super::told::{Wanted, told};
use super::{Asker, Stats};
use crate::answer::{Answer, cell_json};
use crate::engine::{quote, quote_text};
use crate::error::EngineError;
use crate::session::Session;

/// The attribute that holds the dataset a sender named.
const DATASET: &str = "honeycomb.dataset";

/// A query, and how it is to be answered.
#[derive(Clone, Debug)]
pub struct HoneycombQuestion {
    pub specification: QuerySpecification,
    /// The service whose rows are meant; `None` is all.
    pub dataset: Option<String>,
    /// Calculated fields of the dataset.
    pub calculated_fields: Vec<CalculatedField>,
    pub now_unix_seconds: i64,
    /// Whether a row counts as many times as its sample rate says.
    pub weighted: bool,
    pub with_series: bool,
    pub with_total: bool,
    pub with_other: bool,
    /// Groups, when the query does not say.
    pub limit: Option<u32>,
    /// Whether the dataset is one of metrics whose points are of series.
    pub time_series: bool,
}

impl HoneycombQuestion {
    /// Everything that there is to tell about a query, over all datasets.
    pub fn new(specification: QuerySpecification, now_unix_seconds: i64) -> HoneycombQuestion {
        HoneycombQuestion {
            specification,
            dataset: None,
            calculated_fields: Vec::new(),
            now_unix_seconds,
            weighted: true,
            with_series: true,
            with_total: true,
            with_other: true,
            limit: None,
            time_series: false,
        }
    }
}

/// Cells of a row by the names that Honeycomb gives them.
pub type Cells = Map<String, Value>;

#[derive(Clone, Debug)]
pub struct HoneycombAnswer {
    /// One row a group, in order.
    pub results: Vec<Cells>,
    /// One row a step and group, in order of time.
    pub series: Vec<HoneycombPoint>,
    pub total: Option<Cells>,
    pub total_series: Vec<HoneycombPoint>,
    /// Over the groups that the limit left out; nothing when it left out none.
    pub other: Option<Cells>,
    /// The range that was looked at, and the steps of series, in nanoseconds.
    pub times: Times,
    pub stats: Stats,
}

#[derive(Clone, Debug, PartialEq)]
pub struct HoneycombPoint {
    pub time_unix_nano: i64,
    pub data: Cells,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HoneycombError {
    #[error(transparent)]
    Specification(#[from] SpecificationError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<LowerError> for HoneycombError {
    fn from(error: LowerError) -> HoneycombError {
        match error {
            LowerError::Specification(error) => HoneycombError::Specification(error),
            LowerError::Plan(error) => HoneycombError::Engine(error.into()),
        }
    }
}

impl Asker {
    /// Answers a query in Honeycomb's words.
    pub async fn honeycomb(&self, question: &HoneycombQuestion) -> Result<HoneycombAnswer, HoneycombError> {
        Times::of(&question.specification, question.now_unix_seconds)?;
        let session = self.session(TimeRange::ALL).await?;
        let state = session.state();
        let lowered = self.honeycomb_lowered(&session, &state, question).await?;
        answer(&session, &lowered, question).await
    }

    /// The calculations of a query without breakdowns in steps of so many nanoseconds, however many steps that are. A step
    /// without rows has no point.
    pub async fn honeycomb_steps(&self, question: &HoneycombQuestion, step: i64) -> Result<Vec<HoneycombPoint>, HoneycombError> {
        let times = Times::of(&question.specification, question.now_unix_seconds)?;
        let session = self.session(reach(&times, &question.specification)).await?;
        let state = session.state();
        let mut lowered = self.honeycomb_lowered(&session, &state, question).await?;
        lowered.times = lowered.times.in_steps_of(step);
        let found = session.run_plan(lowered.total_series()?).await?;
        Ok(points(&found, &[], &lowered.values(), &[], lowered.times)?)
    }

    async fn honeycomb_lowered<'a>(
        &self,
        session: &Session,
        state: &'a SessionState,
        question: &'a HoneycombQuestion,
    ) -> Result<Lowered<'a>, HoneycombError> {
        let specification = &question.specification;
        let mut context = context(session, state, question).await?;
        for signal in [Signal::Spans, Signal::Logs] {
            session.admit(signal, names_used(specification, &context)?).await?;
        }
        context.spans = session.source(Signal::Spans).await?;
        context.logs = session.source(Signal::Logs).await?;
        Ok(lower(specification, context)?)
    }
}

/// A service with rows, as Honeycomb's datasets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoneycombDataset {
    pub name: String,
    pub first_unix_nano: i64,
    pub last_unix_nano: i64,
}

impl Asker {
    /// Every service that spans or log records are of, and every dataset that senders named, in the order of names.
    pub async fn honeycomb_datasets(&self) -> Result<Vec<HoneycombDataset>, EngineError> {
        let session = self.session(TimeRange::ALL).await?;
        let mut branches = Vec::new();
        for signal in Signal::ALL {
            let table = signal.table();
            let mut named = Vec::new();
            if signal != Signal::Metrics {
                named.push("\"service.name\"".to_owned());
            }
            match (session.has(signal, DATASET), signal) {
                (true, Signal::Metrics) => named.push(format!("coalesce(\"{DATASET}\", '{UNKNOWN_METRICS}')")),
                (true, _) => named.push(format!("\"{DATASET}\"")),
                (false, Signal::Metrics) => named.push(format!("'{UNKNOWN_METRICS}'")),
                (false, _) => {}
            }
            for name in named {
                branches.push(format!("SELECT {name} AS name, min(time) AS first, max(time) AS last FROM {table} GROUP BY 1"));
            }
        }
        let branches = branches.join(" UNION ALL ");
        let sql = format!(
            "SELECT name, min(first) AS first, max(last) AS last FROM ({branches}) WHERE name IS NOT NULL GROUP BY name ORDER BY name"
        );
        let answer = session.ask(&sql).await?;
        let dataset = |row: crate::answer::Row<'_>| HoneycombDataset {
            name: row.string("name").unwrap_or_default(),
            first_unix_nano: row.i64("first").unwrap_or_default(),
            last_unix_nano: row.i64("last").unwrap_or_default(),
        };
        Ok(answer.iter().map(dataset).collect())
    }
}

/// A metric whose points are of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoneycombMetric {
    pub name: String,
    pub is_histogram: bool,
}

impl Asker {
    /// The metrics whose points are of a dataset, in the order of names.
    pub async fn honeycomb_metrics(&self, dataset: &str) -> Result<Vec<HoneycombMetric>, EngineError> {
        let session = self.session(TimeRange::ALL).await?;
        let is_of = match session.has(Signal::Metrics, DATASET) {
            true => format!("coalesce({}, '{UNKNOWN_METRICS}') = {}", quote(DATASET), quote_text(dataset)),
            false if dataset == UNKNOWN_METRICS => "true".to_owned(),
            false => return Ok(Vec::new()),
        };
        let table = Signal::Metrics.table();
        let sql = format!("SELECT metric, max(\"type\") AS kind FROM {table} WHERE {is_of} GROUP BY metric ORDER BY metric");
        let metric = |row: crate::answer::Row<'_>| HoneycombMetric {
            name: row.string("metric").unwrap_or_default(),
            is_histogram: row.string("kind").is_some_and(|kind| kind.ends_with("histogram")),
        };
        Ok(session.ask(&sql).await?.iter().map(metric).collect())
    }

    /// Whether there are rows of a service or dataset of just this name; a look that ends at the first of them.
    pub async fn honeycomb_has_dataset(&self, name: &str) -> Result<bool, EngineError> {
        let session = self.session(TimeRange::ALL).await?;
        for signal in Signal::ALL {
            let named = ["service.name", DATASET].into_iter();
            let named = named.filter(|column| match signal {
                Signal::Metrics => *column == DATASET && session.has(signal, column),
                Signal::Spans | Signal::Logs => session.has(signal, column),
            });
            let conditions: Vec<String> = named.map(|column| format!("{} = {}", quote(column), quote_text(name))).collect();
            if conditions.is_empty() {
                continue;
            }
            let sql = format!("SELECT 1 FROM {} WHERE {} LIMIT 1", signal.table(), conditions.join(" OR "));
            if session.ask(&sql).await?.rows() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub(super) async fn context<'a>(
    session: &Session,
    state: &'a SessionState,
    question: &'a HoneycombQuestion,
) -> Result<LowerContext<'a>, EngineError> {
    // Points are of datasets that their senders named; where no point has one, there is nothing to look for.
    let named = question.dataset.as_deref();
    let may_have_points = named.is_some_and(|name| name == UNKNOWN_METRICS || session.has(Signal::Metrics, DATASET));
    Ok(LowerContext {
        spans: session.source(Signal::Spans).await?,
        logs: session.source(Signal::Logs).await?,
        metrics: if may_have_points || question.time_series { Some(session.source(Signal::Metrics).await?) } else { None },
        functions: state,
        dataset: question.dataset.as_deref(),
        calculated_fields: &question.calculated_fields,
        now_unix_seconds: question.now_unix_seconds,
        weighted: question.weighted,
        narrowed: &[],
        window: Window::WHOLE,
        spelled: false,
        time_series: question.time_series,
        alone: &[],
    })
}

async fn answer(
    session: &Session,
    lowered: &Lowered<'_>,
    question: &HoneycombQuestion,
) -> Result<HoneycombAnswer, HoneycombError> {
    let (groups, values) = (lowered.groups(), lowered.values());
    let most = if question.with_series { LIMIT_MAX } else { languages::honeycomb::LIMIT_WITHOUT_SERIES_MAX };
    let limit = question.limit.or(question.specification.limit).unwrap_or(LIMIT_DEFAULT).min(most) as usize;
    let wanted = Wanted { series: question.with_series, total: question.with_total, other: question.with_other };
    let found = told(session, lowered, limit, wanted).await?;
    let columns: Vec<OutputColumn> = groups.iter().chain(&values).cloned().collect();
    let mut results = rows(&found.summary, &columns)?;
    results.truncate(limit);
    let first = |answer: &Option<Answer>| -> Result<Option<Cells>, EngineError> {
        Ok(answer.as_ref().map(|answer| rows(answer, &values)).transpose()?.and_then(|rows| rows.into_iter().next()))
    };
    let series = |answer: &Option<Answer>, groups: &[OutputColumn]| match answer {
        Some(answer) => points(answer, groups, &values, &results, lowered.times),
        None => Ok(Vec::new()),
    };
    let mut told = HoneycombAnswer {
        series: series(&found.series, &groups)?,
        total: first(&found.total)?,
        total_series: series(&found.total_series, &[])?,
        other: first(&found.other)?,
        times: lowered.times,
        stats: found.stats.into(),
        results,
    };
    if found.is_cut {
        told.stats.truncated = Some(format!("there are more groups than the {limit} told; the rest is in OTHER"));
    }
    Ok(told)
}

/// Rows under their labels; a null group is told as null.
fn rows(answer: &Answer, columns: &[OutputColumn]) -> Result<Vec<Cells>, EngineError> {
    let mut told = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            let mut cells = Cells::new();
            for column in columns {
                let value = match batch.column_by_name(&column.column) {
                    Some(array) => cell(array.as_ref(), row)?,
                    None => Value::Null,
                };
                cells.insert(column.label.clone(), value);
            }
            told.push(cells);
        }
    }
    Ok(told)
}

pub(super) fn group_keys(answer: &Answer, groups: &[OutputColumn]) -> Result<Vec<Vec<ScalarValue>>, EngineError> {
    let mut keys = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        for row in 0..batch.num_rows() {
            let columns = groups.iter().filter_map(|group| batch.column_by_name(&group.column));
            let key = columns.map(|column| plain(ScalarValue::try_from_array(column, row)));
            keys.push(key.collect::<Result<Vec<_>, _>>()?);
        }
    }
    Ok(keys)
}

/// A value in its plain type, whichever way the plan holds it.
fn plain(value: datafusion::error::Result<ScalarValue>) -> Result<ScalarValue, EngineError> {
    let value = value?;
    Ok(match value {
        ScalarValue::Dictionary(_, value) => *value,
        ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => ScalarValue::Utf8(text),
        other => other,
    })
}

fn points(
    answer: &Answer,
    groups: &[OutputColumn],
    values: &[OutputColumn],
    results: &[Cells],
    times: Times,
) -> Result<Vec<HoneycombPoint>, EngineError> {
    let rows = rows(answer, values)?;
    let mut points = Vec::with_capacity(rows.len());
    for (row, values) in answer.iter().zip(rows) {
        let step = row.i64("bucket").unwrap_or_default();
        let place = row.i64("place").and_then(|place| results.get(usize::try_from(place).ok()?));
        let mut data = Cells::new();
        for group in groups {
            let value = place.and_then(|cells| cells.get(&group.label)).cloned();
            data.insert(group.label.clone(), value.unwrap_or_default());
        }
        data.extend(values);
        points.push(HoneycombPoint { time_unix_nano: times.first_step + step * times.step, data });
    }
    Ok(points)
}

/// Whole floats are told as whole numbers: a weighted count is one nearly always. Histograms are lists of objects.
pub(super) fn cell(array: &dyn Array, row: usize) -> Result<Value, EngineError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    match array.data_type() {
        DataType::Float64 => {
            let number = array.as_primitive::<Float64Type>().value(row);
            Ok(match super::whole(number) {
                Some(whole) => whole.into(),
                None => Number::from_f64(number).map_or(Value::Null, Value::Number),
            })
        }
        DataType::List(item) if matches!(item.data_type(), DataType::Struct(_)) => {
            let buckets = array.as_list::<i32>().value(row);
            let buckets = buckets.as_struct();
            let mut told = Vec::with_capacity(buckets.len());
            for at in 0..buckets.len() {
                let mut bucket = Cells::new();
                for (name, column) in buckets.column_names().into_iter().zip(buckets.columns()) {
                    bucket.insert(name.to_owned(), cell(column.as_ref(), at)?);
                }
                told.push(Value::Object(bucket));
            }
            Ok(Value::Array(told))
        }
        DataType::Dictionary(_, _) => {
            let plain = plain(ScalarValue::try_from_array(array, row))?;
            cell(plain.to_array()?.as_ref(), 0)
        }
        _ => cell_json(array, row),
    }
}
