//! What no relation is, carried out over rows: patterns and what is unusual about them, totals, columns of other rows.

use std::sync::Arc;

use analysis::log_patterns::{LogPattern, STEPS_MAX, unusual};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::{cast, concat_batches, sum};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};
use datafusion::logical_expr::{Expr, LogicalPlan, cast as cast_to, lit};
use datafusion::prelude::ident;
use futures::future::BoxFuture;
use languages::insights::{self, Period, Pipeline, Stage};

use super::events::EventSources;
use super::tables::rows_plan;
use super::{InsightsFailure, Run};
use crate::answer::Answer;
use crate::ask::Steps;
use crate::ask::log_patterns::{Mined, mined};
use crate::error::EngineError;

const SECOND: i64 = 1_000_000_000;

/// Steps in which it is looked for what is unusual.
const UNUSUAL_STEPS: i64 = 48;

type Told = Result<Answer, InsightsFailure>;

impl Run<'_> {
    /// The rows of a pipeline, all its stages behind it.
    pub(super) fn carried(&self, pipeline: Pipeline) -> BoxFuture<'_, Told> {
        Box::pin(async move {
            let Pipeline { plan, then, .. } = pipeline;
            let mut answer = match then.first() {
                Some(Stage::Pattern { field }) => {
                    let period = then.iter().find_map(|stage| match stage {
                        Stage::Diff(period) => Some(*period),
                        _ => None,
                    });
                    let is_judged = then.iter().any(|stage| matches!(stage, Stage::Anomaly));
                    self.patterns(plan, field.clone(), period, is_judged).await?
                }
                _ => self.session.run_plan(plan).await?,
            };
            for stage in then {
                answer = match stage {
                    Stage::Pattern { .. } | Stage::Diff(_) | Stage::Anomaly => answer,
                    Stage::ColumnTotals { fields } => with_totals(answer, &fields)?,
                    Stage::AppendCols { overrides, max, pipeline } => {
                        let other = self.carried(*pipeline).await?;
                        beside(answer, other, overrides, usize::try_from(max).unwrap_or(usize::MAX))?
                    }
                    Stage::Rest(rest) => {
                        let stats = answer.stats;
                        let rows = rows_plan("rows", answer.schema, answer.batches).map_err(EngineError::from)?;
                        let context = self.context(0);
                        let rest = context.with(|context| insights::lower_rest(&rest, self.text, rows, context));
                        let rest = rest.map_err(|error| super::failure(self.text, error))?;
                        let told = self.carried(rest).await?;
                        Answer { stats: stats.plus(told.stats), ..told }
                    }
                };
            }
            Ok(answer)
        })
    }

    async fn patterns(&self, plan: LogicalPlan, field: Expr, period: Option<Period>, is_judged: bool) -> Told {
        let range = self.asked().range();
        let steps = Steps::over(range, UNUSUAL_STEPS);
        // A step more, and what is before the range falls into none.
        let step = match period {
            Some(_) => lit(0_i64),
            None => (nanos(&plan) - lit(steps.start_unix_nano)) / lit(steps.step_seconds * SECOND),
        };
        let (mut found, mut stats) = mined(&self.session, plan.clone(), columns(&plan, field, step)).await?;
        if let Some(period) = period {
            let before = self.lowered(shift(self.asked(), period))?;
            if let Some(Stage::Pattern { field }) = before.then.first() {
                let step = lit(1_i64);
                let (theirs, of_them) =
                    mined(&self.session, before.plan.clone(), columns(&before.plan, field.clone(), step)).await?;
                found.join(theirs);
                stats = stats.plus(of_them);
            }
        }
        let patterns = found.patterns();
        let batch = match period {
            Some(_) => compared(patterns)?,
            None => listed(patterns, steps.count.min(STEPS_MAX), is_judged)?,
        };
        let batch = batch.slice(0, batch.num_rows().min(self.question.rows_max));
        Ok(Answer { schema: batch.schema(), batches: vec![batch], stats, truncated: None })
    }
}

/// How far back the time is that is compared with.
pub(super) fn shift(asked: &EventSources, period: Period) -> i64 {
    match period {
        Period::Previous => asked.end_unix_nano.saturating_sub(asked.start_unix_nano),
        Period::PreviousHour => 3_600 * SECOND,
        Period::PreviousDay => 86_400 * SECOND,
        Period::PreviousWeek => 7 * 86_400 * SECOND,
        Period::PreviousMonth => 30 * 86_400 * SECOND,
    }
}

/// What is known of each line of a plan; rows that are no log events any more have no time and no severity.
pub(super) fn columns(plan: &LogicalPlan, text: Expr, step: Expr) -> Mined {
    let known = |name: &str, otherwise: Expr| {
        if has(plan, name) { cast_to(ident(name), otherwise_type(&otherwise)) } else { otherwise }
    };
    Mined {
        text: cast_to(text, DataType::Utf8),
        severity_number: known("severity_number", lit(0_i64)),
        time: nanos(plan),
        step: if has(plan, "time") { step } else { lit(0_i64) },
        weight: known("sample_rate", lit(1.0_f64)),
    }
}

fn otherwise_type(literal: &Expr) -> DataType {
    match literal {
        Expr::Literal(value, _) => value.data_type(),
        _ => DataType::Int64,
    }
}

fn has(plan: &LogicalPlan, name: &str) -> bool {
    plan.schema().fields().iter().filter(|field| field.name() == name).count() == 1
}

pub(super) fn nanos(plan: &LogicalPlan) -> Expr {
    if has(plan, "time") { cast_to(ident("time"), DataType::Int64) } else { lit(0_i64) }
}

fn severity_label(number: i32) -> &'static str {
    match number {
        ..=0 => "None",
        1..=8 => "Debug",
        9..=12 => "Info",
        13..=16 => "Warning",
        _ => "Error",
    }
}

/// `@pattern`, `@ratio`, `@sampleCount`, `@severityLabel`, and what is unusual about each.
fn listed(mut patterns: Vec<LogPattern>, steps: usize, is_judged: bool) -> Result<RecordBatch, EngineError> {
    let mut all = vec![0.0; steps];
    for pattern in &patterns {
        all.iter_mut().zip(&pattern.steps).for_each(|(all, own)| *all += own);
    }
    let mut judged: Vec<_> =
        patterns.drain(..).map(|pattern| (is_judged.then(|| unusual(&pattern, &all)).flatten(), pattern)).collect();
    // What is unusual comes first, what matters most before the rest.
    judged.sort_by_key(|(unusual, _)| std::cmp::Reverse(unusual.as_ref().map(|unusual| unusual.priority)));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("@pattern", texts(judged.iter().map(|(_, pattern)| Some(pattern.text())))),
        ("@ratio", numbers(judged.iter().map(|(_, pattern)| ratio(pattern.share)))),
        ("@sampleCount", wholes(judged.iter().map(|(_, pattern)| pattern.count))),
        ("@severityLabel", texts(judged.iter().map(|(_, pattern)| Some(severity_label(pattern.severity_number).to_owned())))),
    ];
    if is_judged {
        let priority = |unusual: &analysis::log_patterns::Unusual| unusual.priority.as_str().to_owned();
        columns.push(("@anomalyPriority", texts(judged.iter().map(|(unusual, _)| unusual.as_ref().map(priority)))));
        let description = judged.iter().map(|(unusual, _)| unusual.as_ref().map(analysis::log_patterns::Unusual::description));
        columns.push(("@anomalyDescription", texts(description)));
    }
    batch_of(columns)
}

/// The same of now, and how many there were before; what changed most comes first.
fn compared(mut patterns: Vec<LogPattern>) -> Result<RecordBatch, EngineError> {
    let at = |pattern: &LogPattern, step: usize| pattern.steps.get(step).copied().unwrap_or(0.0);
    let change = |pattern: &LogPattern| at(pattern, 0) - at(pattern, 1);
    let all = patterns.iter().map(|pattern| at(pattern, 0)).sum::<f64>().max(f64::MIN_POSITIVE);
    patterns.sort_by(|a, b| change(b).abs().total_cmp(&change(a).abs()));
    let description = |pattern: &LogPattern| match (at(pattern, 0), at(pattern, 1)) {
        (now, before) if before == 0.0 && now > 0.0 => "new".to_owned(),
        (0.0, _) => "gone".to_owned(),
        (now, before) if now == before => "unchanged".to_owned(),
        (now, before) => format!("{:+.0}%", (now - before) / before * 100.0),
    };
    batch_of(vec![
        ("@pattern", texts(patterns.iter().map(|pattern| Some(pattern.text())))),
        ("@ratio", numbers(patterns.iter().map(|pattern| ratio(at(pattern, 0) / all)))),
        ("@sampleCount", wholes(patterns.iter().map(|pattern| at(pattern, 0)))),
        ("@severityLabel", texts(patterns.iter().map(|pattern| Some(severity_label(pattern.severity_number).to_owned())))),
        ("@previousCount", wholes(patterns.iter().map(|pattern| at(pattern, 1)))),
        ("@difference", wholes(patterns.iter().map(change))),
        ("@differenceDescription", texts(patterns.iter().map(|pattern| Some(description(pattern))))),
    ])
}

fn ratio(share: f64) -> f64 {
    (share * 10_000.0).round() / 10_000.0
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

fn wholes(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| value.round() as i64)))
}

fn batch_of(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, EngineError> {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).map_err(datafusion::error::DataFusionError::from)?)
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// All rows as one batch, in which any value may be missing.
fn whole(answer: &Answer) -> Result<RecordBatch, datafusion::error::DataFusionError> {
    let schema = nullable(&answer.schema);
    let batch = concat_batches(&answer.schema, &answer.batches)?;
    Ok(RecordBatch::try_new(schema, batch.columns().to_vec())?)
}

/// With a row below of the sums of columns; of all that are numbers where none is named.
fn with_totals(answer: Answer, fields: &[String]) -> Result<Answer, EngineError> {
    let rows = whole(&answer)?;
    let schema = rows.schema();
    let totals = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
        let is_meant = if fields.is_empty() { field.data_type().is_numeric() } else { fields.contains(field.name()) };
        if !is_meant {
            return Ok(new_null_array(field.data_type(), 1));
        }
        let floats = cast(column, &DataType::Float64)?;
        let total = sum(arrow::array::AsArray::as_primitive::<Float64Type>(&floats)).unwrap_or(0.0);
        let total: ArrayRef = Arc::new(Float64Array::from(vec![total]));
        Ok(cast(&total, field.data_type())?)
    });
    let totals = totals.collect::<Result<Vec<_>, datafusion::error::DataFusionError>>()?;
    let totals = RecordBatch::try_new(Arc::clone(&schema), totals).map_err(datafusion::error::DataFusionError::from)?;
    Ok(Answer { schema, batches: vec![rows, totals], ..answer })
}

/// Columns of other rows at the right, the first beside the first; what has no row beside it is missing.
fn beside(answer: Answer, other: Answer, overrides: bool, max: usize) -> Result<Answer, EngineError> {
    let (left, right) = (whole(&answer)?, whole(&other)?);
    let right = right.slice(0, right.num_rows().min(max));
    let rows = left.num_rows().max(right.num_rows());
    let filled = |array: &ArrayRef| -> Result<ArrayRef, datafusion::error::DataFusionError> {
        let missing = new_null_array(array.data_type(), rows - array.len());
        Ok(arrow::compute::concat(&[array.as_ref(), missing.as_ref()])?)
    };
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (field, array) in left.schema().fields().iter().zip(left.columns()) {
        columns.push((field.name().clone(), filled(array)?));
    }
    for (field, array) in right.schema().fields().iter().zip(right.columns()) {
        match columns.iter_mut().find(|(name, _)| name == field.name()) {
            Some(known) if overrides => known.1 = filled(array)?,
            Some(_) => {}
            None => columns.push((field.name().clone(), filled(array)?)),
        }
    }
    let columns = columns.iter().map(|(name, array)| (name.as_str(), Arc::clone(array))).collect();
    let batch = batch_of(columns)?;
    let stats = answer.stats.plus(other.stats);
    Ok(Answer { schema: batch.schema(), batches: vec![batch], stats, truncated: None })
}
