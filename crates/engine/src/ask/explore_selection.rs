//! What a chart of a query leads to: what is different about the rows that were selected in it, and the traces they belong to.
//!
//! Fields of the rows' traces are compared beside their own: of span events and log records, those of a trace that has a selected
//! row against those of other traces.
//!
//! Missing: which fields are the resource's

use std::collections::{BTreeMap, HashSet};

use analysis::bubble_up::{Difference, rank};
use arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::bool_or;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlanBuilder, ident};
use languages::honeycomb::{BUILT_IN, Calculation, Filter, FilterOperator, QuerySpecification, Times, lower};
use model::Signal;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::bubble_up::{BubbleUpColumn, columns, tell, totals};
use super::explore::{ExploreQuestion, reach};
use super::honeycomb::{HoneycombError, cell};
use super::{Asker, Stats};
use crate::answer::QueryStats;
use crate::bubble_up::Comparison;
use crate::error::EngineError;
use crate::limits::BUBBLE_UP_COLUMNS_MAX;
use crate::session::Session;

/// The rows of a query that stand out.
#[derive(Clone, Debug, Default)]
pub struct ExploreSelection {
    /// Nanoseconds since 1970; the query's own range by default.
    pub start: Option<i64>,
    pub end: Option<i64>,
    /// All of them hold.
    pub filters: Vec<Filter>,
    /// Rows without this field are no part of the comparison: a heatmap does not show them.
    pub column: Option<String>,
    /// Whether span events and log records of the rows' traces are compared too.
    pub with_traces: bool,
}

/// Fields of selected rows beside those of the query's other rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreBubbleUp {
    pub selection: ExploreCompared,
    pub baseline: ExploreCompared,
    /// Most different first; those that differ no more than chance makes them come last.
    pub fields: Vec<ExploreField>,
    pub sampled: bool,
    pub stats: Stats,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ExploreCompared {
    pub rows: u64,
    /// What the rows stand for.
    pub weight: f64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreField {
    pub column: String,
    /// `span`, `log`, or `both` for what spans and log records tell; `trace` for span events and log records of the rows' traces.
    pub source: &'static str,
    /// `text` or `number`.
    pub kind: &'static str,
    /// From 0, alike, to 1, no value in common; what chance alone makes of it is taken off.
    pub score: f64,
    pub significant: bool,
    pub selection_null_share: f64,
    pub baseline_null_share: f64,
    /// Those whose shares differ most; of texts.
    pub values: Vec<ExploreFieldValue>,
    /// Of numbers.
    pub histogram: Option<ExploreHistogram>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreFieldValue {
    pub value: Option<String>,
    pub selection_share: f64,
    pub baseline_share: f64,
    pub selection_count: f64,
    pub baseline_count: f64,
}

/// Shares of ranges, one fewer than there are edges.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreHistogram {
    pub edges: Vec<f64>,
    pub selection: Vec<f64>,
    pub baseline: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreTraces {
    /// Largest value first, each trace once.
    pub traces: Vec<ExploreTrace>,
    pub stats: Stats,
}

/// A trace, by the row of it that a query is about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreTrace {
    pub trace_id: String,
    pub span_id: Option<String>,
    pub name: Option<String>,
    pub service: Option<String>,
    pub time_unix_nano: String,
    pub value: Option<f64>,
}

/// Honeycomb's names that say nothing about what rows have in common, or the same as another.
const NOT_COMPARED: &[&str] = &[
    "body",
    "exception.stacktrace",
    "library.version",
    "severity_code",
    "severity_text",
    "status_code",
    "trace.parent_id",
    "trace.span_id",
    "trace.trace_id",
    "trace.trace_state",
    "type",
];

/// Columns that have a name of Honeycomb's.
const NAMED_OTHERWISE: &[&str] =
    &["duration_ns", "event_name", "kind", "severity_number", "severity_text", "status_code", "type"];

/// The source of what span events and log records of the rows' traces tell.
const OF_TRACES: &str = "trace";

/// Fields of rows that say nothing about what hangs on them.
const OF_ROWS_ALONE: &[&str] =
    &["duration_ms", "error", "meta.signal_type", "service.name", "span.kind", "status_message", "honeycomb.dataset"];

/// Rows looked at for each trace told: a trace has several that are large.
const ROWS_PER_TRACE: usize = 12;

impl Asker {
    /// Compares the rows of a query that are selected with its others, field by field.
    pub async fn explore_bubble_up(
        &self,
        question: &ExploreQuestion,
        selection: &ExploreSelection,
        limit: usize,
    ) -> Result<ExploreBubbleUp, HoneycombError> {
        let times = Times::of(&question.query.specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, &question.query.specification)).await?;
        let (sources, is_cut) = fields(&session)?;
        let names: Vec<String> = sources.keys().cloned().collect();
        let inside = Calculation { name: Some("selected".into()), filters: selection.filters.clone(), ..Calculation::count() };
        let mut asked = asked(question, names, inside);
        asked.narrowed.extend(selection.column.as_deref().map(exists));
        let state = session.state();
        let lowered = lower(&asked.query.specification, self.explore_context(&session, &state, &asked).await?)?;
        let rows = lowered.selected(selection.start.unwrap_or(i64::MIN), selection.end.unwrap_or(i64::MAX))?;
        let types: Vec<DataType> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let counted = types.len().saturating_sub(2);
        let plan = crate::bubble_up::over(rows, counted).map_err(EngineError::from)?;
        let answer = session.run(DataFrame::new(session.state(), plan)).await?;

        let mut counts = Comparison::read(&types[..counted], &answer.batches).map_err(EngineError::from)?;
        let totals = totals(&counts);
        let columns = sources.iter().zip(&mut counts.columns);
        let mut told: Vec<_> = columns
            .map(|((name, source), counts)| {
                let (column, difference) = tell(name, counts, &totals);
                ((column, *source), difference)
            })
            .collect();
        let mut read = answer.stats;
        if selection.with_traces && session.view.snapshot(Signal::Logs).rows_total > 0 {
            let (of_traces, more) = self.of_traces(&session, question, selection, &sources).await?;
            told.extend(of_traces.into_iter().map(|(column, difference)| ((column, OF_TRACES), difference)));
            read = read.plus(more);
        }
        rank(&mut told);
        // A field that no row has says nothing.
        told.retain(|((column, _), _)| column.null_share_selection < 1.0 || column.null_share_baseline < 1.0);
        told.truncate(limit);
        let mut stats: Stats = read.into();
        stats.sampled = counts.rows != counts.weights;
        stats.truncated = is_cut.then(|| format!("the first {BUBBLE_UP_COLUMNS_MAX} fields of more"));
        let fields = told.into_iter().map(|((column, source), _)| field(column, source));
        Ok(ExploreBubbleUp {
            fields: fields.collect(),
            selection: ExploreCompared { rows: totals.selection_rows, weight: totals.selection },
            baseline: ExploreCompared { rows: totals.baseline_rows, weight: totals.baseline },
            sampled: stats.sampled,
            stats,
        })
    }

    /// Fields of the span events and log records of the rows' traces.
    async fn of_traces(
        &self,
        session: &Session,
        question: &ExploreQuestion,
        selection: &ExploreSelection,
        sources: &BTreeMap<String, &'static str>,
    ) -> Result<(Vec<(BubbleUpColumn, Difference)>, QueryStats), HoneycombError> {
        let state = session.state();
        let trace = "trace.trace_id".to_owned();
        let inside = Calculation { name: Some("selected".into()), filters: selection.filters.clone(), ..Calculation::count() };
        let mut rows = asked(question, vec![trace.clone()], inside);
        rows.narrowed.extend(selection.column.as_deref().map(exists));
        rows.narrowed.push(exists(&trace));
        let lowered = lower(&rows.query.specification, self.explore_context(session, &state, &rows).await?)?;
        let rows = lowered.selected(selection.start.unwrap_or(i64::MIN), selection.end.unwrap_or(i64::MAX))?;

        let names: Vec<String> = sources
            .iter()
            .filter(|(name, source)| **source != "span" && !OF_ROWS_ALONE.contains(&name.as_str()))
            .map(|(name, _)| name.clone())
            .collect();
        let mut breakdowns = vec![trace];
        breakdowns.extend_from_slice(&names);
        let mut beside = asked(question, breakdowns, Calculation::count());
        beside.narrowed.clear();
        // What has a trace and is no span, of whatever service.
        beside.query.dataset = None;
        beside.query.specification.filters = vec![exists("meta.annotation_type")];
        let lowered = lower(&beside.query.specification, self.explore_context(session, &state, &beside).await?)?;
        let records = lowered.selected(i64::MIN, i64::MAX)?;

        let counted = names.len();
        let plan = (|| {
            let traces = LogicalPlanBuilder::from(rows)
                .aggregate([ident("c0").alias("of_trace")], [bool_or(ident("selected")).alias("of_selection")])?
                .build()?;
            let mut columns: Vec<Expr> =
                (0..counted).map(|place| ident(format!("c{}", place + 1)).alias(format!("v{place}"))).collect();
            columns.extend([ident("of_selection"), ident("weight")]);
            LogicalPlanBuilder::from(traces)
                .join(records, JoinType::Inner, (vec!["of_trace"], vec!["c0"]), None)?
                .project(columns)?
                .build()
        })();
        let plan = plan.map_err(EngineError::from)?;
        let types: Vec<DataType> = plan.schema().fields().iter().take(counted).map(|field| field.data_type().clone()).collect();
        let plan = crate::bubble_up::over(plan, counted).map_err(EngineError::from)?;
        let answer = session.run(DataFrame::new(session.state(), plan)).await?;
        let mut counts = Comparison::read(&types, &answer.batches).map_err(EngineError::from)?;
        let totals = totals(&counts);
        let told = names.iter().zip(&mut counts.columns).map(|(name, counts)| tell(name, counts, &totals)).collect();
        Ok((told, answer.stats))
    }

    /// The traces that rows of a query belong to: those in which `column` is largest, each once.
    pub async fn explore_traces(
        &self,
        question: &ExploreQuestion,
        column: &str,
        limit: usize,
    ) -> Result<ExploreTraces, HoneycombError> {
        let times = Times::of(&question.query.specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, &question.query.specification)).await?;
        let names = ["trace.trace_id", "trace.span_id", "name", "service.name", column].map(str::to_owned);
        let mut asked = asked(question, names.into(), Calculation::count());
        asked.narrowed.extend([exists("trace.trace_id"), exists(column)]);
        let state = session.state();
        let lowered = lower(&asked.query.specification, self.explore_context(&session, &state, &asked).await?)?;
        let answer = session.run_plan(lowered.largest(4, limit.saturating_mul(ROWS_PER_TRACE))?).await?;
        let mut seen = HashSet::new();
        let mut traces = Vec::new();
        for batch in &answer.batches {
            for row in 0..batch.num_rows() {
                let at = |name: &str| match batch.column_by_name(name) {
                    Some(array) => cell(array.as_ref(), row),
                    None => Ok(Value::Null),
                };
                let text = |value: Value| value.as_str().map(str::to_owned);
                let Some(trace_id) = text(at("g0")?) else { continue };
                if traces.len() >= limit || !seen.insert(trace_id.clone()) {
                    continue;
                }
                traces.push(ExploreTrace {
                    trace_id,
                    span_id: text(at("g1")?),
                    name: text(at("g2")?),
                    service: text(at("g3")?),
                    time_unix_nano: String::new(),
                    value: at("g4")?.as_f64(),
                });
            }
        }
        // The times of the rows that are told, in their order.
        let mut wanted: BTreeMap<(String, Option<String>), String> = BTreeMap::new();
        for row in answer.iter() {
            if let (Some(trace), Some(time)) = (row.string("g0"), row.i64("time")) {
                wanted.entry((trace, row.string("g1"))).or_insert_with(|| time.to_string());
            }
        }
        for trace in &mut traces {
            let key = (trace.trace_id.clone(), trace.span_id.clone());
            trace.time_unix_nano = wanted.get(&key).cloned().unwrap_or_default();
        }
        Ok(ExploreTraces { traces, stats: answer.stats.into() })
    }
}

fn exists(column: &str) -> Filter {
    Filter { column: column.to_owned(), operator: FilterOperator::Exists, value: Value::Null }
}

/// The rows of a question under other columns, with one calculation.
fn asked(question: &ExploreQuestion, breakdowns: Vec<String>, calculation: Calculation) -> ExploreQuestion {
    let mut asked = question.clone();
    asked.query.specification = QuerySpecification {
        calculations: vec![calculation],
        breakdowns,
        orders: Vec::new(),
        havings: Vec::new(),
        formulas: Vec::new(),
        compare_time_offset_seconds: None,
        granularity: None,
        ..question.query.specification.clone()
    };
    asked
}

/// The fields to compare and who tells them, and whether there are more than can be.
fn fields(session: &Session) -> Result<(BTreeMap<String, &'static str>, bool), EngineError> {
    let mut sources: BTreeMap<String, &'static str> = BTreeMap::new();
    for (name, _) in BUILT_IN.iter().filter(|(name, _)| !NOT_COMPARED.contains(name)) {
        sources.insert((*name).to_owned(), "both");
    }
    let mut is_cut = false;
    for (signal, source) in [(Signal::Spans, "span"), (Signal::Logs, "log")] {
        let (columns, cut) = columns(&session.schema(signal), None)?;
        is_cut |= cut;
        for (name, _) in columns {
            if NAMED_OTHERWISE.contains(&name.as_str()) || NOT_COMPARED.contains(&name.as_str()) {
                continue;
            }
            sources.entry(name).and_modify(|known| *known = if *known == source { source } else { "both" }).or_insert(source);
        }
    }
    is_cut |= sources.len() > BUBBLE_UP_COLUMNS_MAX;
    while sources.len() > BUBBLE_UP_COLUMNS_MAX {
        sources.pop_last();
    }
    Ok((sources, is_cut))
}

fn field(column: BubbleUpColumn, source: &'static str) -> ExploreField {
    let ranges: Vec<_> = column.values.iter().filter(|value| value.lower.is_some()).collect();
    let histogram = (!ranges.is_empty()).then(|| {
        let mut edges: Vec<f64> = ranges.iter().filter_map(|value| value.lower).collect();
        edges.extend(ranges.last().and_then(|value| value.upper));
        ExploreHistogram {
            edges,
            selection: ranges.iter().map(|value| value.selection_share).collect(),
            baseline: ranges.iter().map(|value| value.baseline_share).collect(),
        }
    });
    let values = column.values.iter().filter(|value| value.lower.is_none()).map(|value| ExploreFieldValue {
        value: value.value.clone(),
        selection_share: value.selection_share,
        baseline_share: value.baseline_share,
        selection_count: value.selection,
        baseline_count: value.baseline,
    });
    ExploreField {
        values: values.collect(),
        column: column.name,
        source,
        kind: if histogram.is_some() { "number" } else { "text" },
        score: column.difference,
        significant: column.significant,
        selection_null_share: column.null_share_selection,
        baseline_null_share: column.null_share_baseline,
        histogram,
    }
}
