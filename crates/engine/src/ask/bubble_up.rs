//! What is different about some rows: BubbleUp over every column, ranked.

use std::cmp::Ordering;
use std::collections::HashMap;

use analysis::bubble_up::{Counted, Totals, difference, rank, rank_values};
use arrow::datatypes::{DataType, Schema};
use datafusion::dataframe::DataFrame;
use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::{Asker, Stats};
use crate::bubble_up::{ColumnCounts, Comparison, Pair, Told};
use crate::engine::quote;
use crate::error::EngineError;
use crate::limits::{BUBBLE_UP_COLUMNS_MAX, BUBBLE_UP_VALUES_TOLD};

/// Which rows are compared with which.
#[derive(Clone, Debug)]
pub struct BubbleUpQuestion {
    pub signal: Signal,
    pub range: TimeRange,
    /// SQL: the rows that stand out.
    pub selection: String,
    /// SQL: the rows they are compared with; all others of the range by default.
    pub baseline: Option<String>,
    /// The columns that are compared; every attribute and what the signal has beside ids and documents by default.
    pub columns: Option<Vec<String>>,
    /// Columns told, most different first.
    pub limit: usize,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BubbleUp {
    /// Most different first; columns that differ no more than chance makes them come last.
    pub columns: Vec<BubbleUpColumn>,
    pub selection: BubbleUpRows,
    pub baseline: BubbleUpRows,
    /// How many columns were compared.
    pub columns_compared: usize,
    pub stats: Stats,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct BubbleUpRows {
    pub rows: u64,
    /// What the rows stand for.
    pub count: f64,
}

/// One column inside and outside the selection.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BubbleUpColumn {
    pub name: String,
    /// From 0, alike, to 1, no value in common; what chance alone makes of it is taken off.
    pub difference: f64,
    /// False when a difference like this is to be expected by chance.
    pub significant: bool,
    /// The share of rows without a value.
    pub null_share_selection: f64,
    pub null_share_baseline: f64,
    /// Those whose shares differ most first; ranges of numbers in their order.
    pub values: Vec<BubbleUpValue>,
    /// Further values that are not told.
    pub values_left_out: usize,
    /// Whether there were too many values to count all: rare ones are missing then, and others may be counted too low, by at
    /// most `uncounted` rows together.
    pub approximate: bool,
    pub uncounted: f64,
}

/// A value, or a range of numbers from `lower` to `upper`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BubbleUpValue {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    pub selection: f64,
    pub baseline: f64,
    pub selection_share: f64,
    pub baseline_share: f64,
}

/// Columns that say nothing about what rows have in common: moments, ids, whole documents.
const NOT_COMPARED: &[&str] = &[
    "attributes_rest",
    "body",
    "buckets",
    "count",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
    "exception.stacktrace",
    "exemplars",
    "flags",
    "links",
    "max",
    "min",
    "resource",
    "sample_rate",
    "scope",
    "series",
    "source",
    "sum",
    "trace_state",
];

impl Asker {
    /// Compares the rows that `selection` picks with the others, column by column.
    pub async fn bubble_up(&self, question: BubbleUpQuestion) -> Result<BubbleUp, EngineError> {
        let session = self.session(question.range).await?;
        let schema = session.schema(question.signal);
        let (columns, left_out) = columns(&schema, question.columns.as_deref())?;
        let condition = |text: &str| {
            let tables = [(question.signal.table(), schema.as_ref())];
            languages::sql::rewrite_condition(text, &tables)
                .map_err(|error| EngineError::Invalid { message: error.to_string(), position: error.position() })
        };
        let selection = condition(&question.selection)?;
        let baseline = question.baseline.as_deref().map(condition).transpose()?;
        session.define("compared", question.signal, None).await?;
        let sql = comparing(&columns, &selection, baseline.as_deref());
        let (state, rows) = session.frame(&sql).await?.into_parts();
        let answer = session.run(DataFrame::new(state, crate::bubble_up::over(rows, columns.len())?)).await?;

        let types: Vec<DataType> = columns.iter().map(|column| column.1.clone()).collect();
        let mut counts = Comparison::read(&types, &answer.batches)?;
        let totals = totals(&counts);
        let mut told: Vec<_> =
            columns.iter().zip(&mut counts.columns).map(|((name, _), counts)| tell(name, counts, &totals)).collect();
        rank(&mut told);
        told.truncate(question.limit);
        let mut stats: Stats = answer.stats.into();
        stats.sampled = counts.rows != counts.weights;
        stats.truncated = left_out.then(|| format!("the first {BUBBLE_UP_COLUMNS_MAX} columns of more"));
        Ok(BubbleUp {
            columns: told.into_iter().map(|(column, _)| column).collect(),
            selection: BubbleUpRows { rows: totals.selection_rows, count: totals.selection },
            baseline: BubbleUpRows { rows: totals.baseline_rows, count: totals.baseline },
            columns_compared: columns.len(),
            stats,
        })
    }
}

/// The columns to compare with their types, and whether there are more than can be.
pub(super) fn columns(schema: &Schema, wanted: Option<&[String]>) -> Result<(Vec<(String, DataType)>, bool), EngineError> {
    let mut columns: Vec<(String, DataType)> = Vec::new();
    match wanted {
        Some(wanted) => {
            for name in wanted {
                let Some((_, field)) = schema.column_with_name(name) else {
                    return Err(EngineError::invalid(format!("cannot compare {name:?}: no row has it")));
                };
                if !ColumnCounts::supports(field.data_type()) {
                    let message = format!("cannot compare {name:?}: expected texts, numbers or truth values");
                    return Err(EngineError::invalid(message));
                }
                columns.push((name.clone(), field.data_type().clone()));
            }
        }
        None => {
            let worth = schema
                .fields()
                .iter()
                .filter(|field| ColumnCounts::supports(field.data_type()) && !NOT_COMPARED.contains(&field.name().as_str()));
            columns.extend(worth.map(|field| (field.name().clone(), field.data_type().clone())));
        }
    }
    let left_out = columns.len() > BUBBLE_UP_COLUMNS_MAX;
    columns.truncate(BUBBLE_UP_COLUMNS_MAX);
    Ok((columns, left_out))
}

/// The rows that are counted: the columns under names that cannot clash, whether a row is selected, and its weight.
///
/// A condition ends with a line feed, so that a comment in it ends too.
fn comparing(columns: &[(String, DataType)], selection: &str, baseline: Option<&str>) -> String {
    let counted = columns.iter().enumerate().map(|(place, (name, _))| format!("{} AS c{place}, ", quote(name)));
    let counted: String = counted.collect();
    let among = baseline.map(|baseline| format!(" WHERE ({baseline}\n) OR ({selection}\n)")).unwrap_or_default();
    format!("SELECT {counted}coalesce(({selection}\n), false) AS selected, sample_rate AS weight FROM compared{among}")
}

pub(super) fn totals(counts: &Comparison) -> Totals {
    Totals {
        selection_rows: counts.rows[1] as u64,
        baseline_rows: (counts.rows[0] - counts.rows[1]) as u64,
        selection: counts.weights[1],
        baseline: counts.weights[0] - counts.weights[1],
    }
}

fn by_value(a: Option<&Told>, b: Option<&Told>) -> Ordering {
    match (a, b) {
        (Some(Told::Text(a)), Some(Told::Text(b))) => a.cmp(b),
        (Some(Told::Whole(a)), Some(Told::Whole(b))) => a.cmp(b),
        (Some(Told::Range(a, _)), Some(Told::Range(b, _))) => a.total_cmp(b),
        _ => Ordering::Equal,
    }
}

/// A column as it is told, with how different it is.
pub(super) fn tell(name: &str, counts: &mut ColumnCounts, totals: &Totals) -> (BubbleUpColumn, analysis::bubble_up::Difference) {
    let counted = |value: Option<Told>, [all, selected]: Pair| Counted { value, selection: selected, baseline: all - selected };
    let mut all: Vec<Counted<Option<Told>>> = counts.told().into_iter().map(|(value, pair)| counted(Some(value), pair)).collect();
    all.push(counted(None, counts.nulls));
    let difference = difference(&all, totals);
    let nulls = all.pop();
    // Counting has no order; values that differ equally keep this one.
    all.sort_by(|a, b| by_value(a.value.as_ref(), b.value.as_ref()));
    let order: HashMap<u64, usize> =
        all.iter().enumerate().filter_map(|(place, count)| Some((lower_bits(count)?, place))).collect();
    rank_values(&mut all, totals);
    let values_left_out = all.len().saturating_sub(BUBBLE_UP_VALUES_TOLD);
    all.truncate(BUBBLE_UP_VALUES_TOLD);
    if !order.is_empty() {
        all.sort_by_key(|count| lower_bits(count).and_then(|bits| order.get(&bits).copied()));
    }
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let column = BubbleUpColumn {
        name: name.to_owned(),
        difference: difference.distance,
        significant: !difference.is_chance,
        null_share_selection: nulls.as_ref().map_or(0.0, |nulls| share(nulls.selection, totals.selection)),
        null_share_baseline: nulls.as_ref().map_or(0.0, |nulls| share(nulls.baseline, totals.baseline)),
        values: all.into_iter().map(|count| value(count, totals)).collect(),
        values_left_out,
        approximate: counts.is_cut(),
        uncounted: counts.forgotten[0],
    };
    (column, difference)
}

/// Tells ranges apart; nothing for other values.
fn lower_bits(count: &Counted<Option<Told>>) -> Option<u64> {
    match count.value {
        Some(Told::Range(lower, _)) => Some(lower.to_bits()),
        _ => None,
    }
}

fn value(count: Counted<Option<Told>>, totals: &Totals) -> BubbleUpValue {
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let (value, lower, upper) = match count.value {
        Some(Told::Text(text)) => (Some(text.to_string()), None, None),
        Some(Told::Whole(number)) => (Some(number.to_string()), None, None),
        Some(Told::Range(lower, upper)) => (None, Some(lower), Some(upper)),
        None => (None, None, None),
    };
    BubbleUpValue {
        value,
        lower,
        upper,
        selection: count.selection,
        baseline: count.baseline,
        selection_share: share(count.selection, totals.selection),
        baseline_share: share(count.baseline, totals.baseline),
    }
}
