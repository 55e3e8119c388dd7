//! What a chart of a query leads to: what is different about the rows that were selected in it, and the traces they belong to.
//!
//! Events of the selected spans and log lines of the selected traces are compared in [`super::explore_linked`].
//!
//! Missing: fields of other spans of the selected rows' traces

use std::collections::{BTreeMap, BTreeSet, HashSet};

use analysis::bubble_up::{Difference, Totals, rank};
use arrow::datatypes::DataType;
use datafusion::dataframe::DataFrame;
use languages::honeycomb::{
    BUILT_IN, Calculation, Filter, FilterOperator, LowerContext, QuerySpecification, Times, Window, lower, names_used,
};
use model::Signal;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::bubble_up::{BubbleUpColumn, columns, tell, totals};
use super::explore::{ESTIMATED_TIMES_MIN, ExploreQuestion, reach};
use super::explore_linked::Linked;
use super::honeycomb::{HoneycombError, cell};
use super::{Asker, Stats};
use crate::answer::QueryStats;
use crate::bubble_up::{ColumnCounts, Comparison, Told};
use crate::error::EngineError;
use crate::limits::{BUBBLE_UP_COLUMNS_MAX, BUBBLE_UP_LINKED_ROWS_MAX, EXPLORE_ESTIMATE_ROWS};
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
}

/// Fields of selected rows beside those of the query's other rows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ExploreBubbleUp {
    pub selection: ExploreCompared,
    pub baseline: ExploreCompared,
    /// Most different first; those that differ no more than chance makes them come last.
    pub fields: Vec<ExploreField>,
    pub sampled: bool,
    /// False of an estimate, and where events and log lines are still to come.
    pub is_whole: bool,
    pub stats: Stats,
}

/// What happens while rows are compared. The last is `Answer`, unless it failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BubbleUpEvent {
    /// Takes the place of the one before.
    Partial(ExploreBubbleUp),
    Answer(ExploreBubbleUp),
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
    /// `resource`; `span`, `log`, or `both` for what spans and log records tell themselves; `event` of the spans, `trace` for
    /// log lines of the traces, both as shares of spans and of traces.
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
    "exception.escaped",
    "exception.stacktrace",
    "library.version",
    "meta.time_since_span_start_ms",
    "parent_name",
    "severity_code",
    "severity_text",
    "span.num_events",
    "span.num_links",
    "status_code",
    "telemetry.instrumentation_library",
    "trace.link.span_id",
    "trace.link.trace_id",
    "trace.parent_id",
    "trace.span_id",
    "trace.trace_id",
    "trace.trace_state",
    "type",
];

/// Fields of which only what the row itself tells is compared: what its other rows tell is compared as theirs.
const OWN_ALONE: &[&str] = &["error", "exception.message", "exception.type", "meta.annotation_type"];

/// Columns that have a name of Honeycomb's.
const NAMED_OTHERWISE: &[&str] =
    &["duration_ns", "event_name", "kind", "severity_number", "severity_text", "status_code", "type"];

/// Rows looked at for each trace told: a trace has several that are large.
const ROWS_PER_TRACE: usize = 12;

impl Asker {
    /// Compares the rows of a query that are selected with its others, field by field. Where estimates are wanted, `told` hears
    /// of one over the rows around the selection's edge, and of the rows' own fields before what hangs on their traces.
    pub async fn explore_bubble_up(
        &self,
        question: &ExploreQuestion,
        selection: &ExploreSelection,
        limit: usize,
        told: &(dyn Fn(ExploreBubbleUp) + Send + Sync),
    ) -> Result<ExploreBubbleUp, HoneycombError> {
        let times = Times::of(&question.query.specification, question.query.now_unix_seconds)?;
        let session = self.session(reach(&times, &question.query.specification)).await?;
        if let Some(window) = window_around(&session, selection, &times).filter(|_| question.with_estimates) {
            told(self.compared(&session, question, selection, window).await?.answer(limit, false));
        }
        let mut compared = self.compared(&session, question, selection, Window::WHOLE).await?;
        let lines = session.view.snapshot(Signal::Logs).rows_total;
        if compared.rows <= 0.0 || lines == 0 {
            return Ok(compared.answer(limit, true));
        }
        if compared.rows.max(lines as f64) > BUBBLE_UP_LINKED_ROWS_MAX as f64 {
            let message = format!("events and log lines of traces are compared for {BUBBLE_UP_LINKED_ROWS_MAX} rows at most");
            compared.truncated.get_or_insert(message);
            return Ok(compared.answer(limit, true));
        }
        if question.with_estimates {
            told(compared.answer(limit, false));
        }
        let mean_weight = compared.weight / compared.rows;
        for linked in [Linked::Events, Linked::Lines] {
            let (columns, stats) = self.explore_linked(question, selection, linked, &compared.resource, mean_weight).await?;
            let columns = columns.into_iter().map(|(column, difference)| ((column, linked.source()), difference));
            compared.fields.extend(columns);
            compared.stats = QueryStats { rows_total: compared.stats.rows_total, ..compared.stats.plus(stats) };
        }
        Ok(compared.answer(limit, true))
    }

    /// The fields of the rows themselves, inside and outside the selection.
    async fn compared(
        &self,
        session: &Session,
        question: &ExploreQuestion,
        selection: &ExploreSelection,
        window: Window,
    ) -> Result<Compared, HoneycombError> {
        let (sources, is_cut) = fields(session)?;
        let names: Vec<String> = sources.keys().cloned().collect();
        let mut asked = asked(question, names.into_iter().chain([RESOURCE.to_owned()]).collect(), selecting(selection));
        asked.narrowed.extend(selection.column.as_deref().map(exists));
        let state = session.state();
        let context = self.explore_context(session, &state, &asked).await?;
        let mut used = names_used(&question.query.specification, &context)?;
        used.extend(asked.narrowed.iter().chain(&selection.filters).map(|filter| filter.column.clone()));
        let alone: Vec<&str> = OWN_ALONE.iter().copied().filter(|name| !used.iter().any(|used| used == name)).collect();
        let lowered = lower(&asked.query.specification, LowerContext { alone: &alone, window, ..context })?;
        let rows = lowered.selected(selection.start.unwrap_or(i64::MIN), selection.end.unwrap_or(i64::MAX))?;
        let types: Vec<DataType> = rows.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let counted = types.len().saturating_sub(2);
        let plan = crate::bubble_up::over(rows, counted).map_err(EngineError::from)?;
        let answer = session.run(DataFrame::new(session.state(), plan)).await?;

        let mut counts = Comparison::read(&types[..counted], &answer.batches).map_err(EngineError::from)?;
        let totals = totals(&counts);
        let resource = counts.columns.pop().map(|mut counts| resource_keys(&mut counts)).unwrap_or_default();
        let columns = sources.iter().zip(&mut counts.columns);
        let fields = columns.map(|((name, source), counts)| {
            let (column, difference) = tell(name, counts, &totals);
            ((column, if resource.contains(name) { RESOURCE } else { *source }), difference)
        });
        Ok(Compared {
            fields: fields.collect(),
            resource,
            rows: counts.rows[0],
            weight: counts.weights[0],
            sampled: counts.rows != counts.weights,
            totals,
            truncated: is_cut.then(|| format!("the first {BUBBLE_UP_COLUMNS_MAX} fields of more")),
            stats: answer.stats,
        })
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

/// Rows inside and outside a selection, field by field.
struct Compared {
    /// Each with who tells it.
    fields: Vec<((BubbleUpColumn, &'static str), Difference)>,
    /// Names of attributes that resources have.
    resource: BTreeSet<String>,
    totals: Totals,
    /// Of both together, and what they stand for.
    rows: f64,
    weight: f64,
    sampled: bool,
    truncated: Option<String>,
    stats: QueryStats,
}

impl Compared {
    fn answer(&self, limit: usize, is_whole: bool) -> ExploreBubbleUp {
        // A field that no row has says nothing.
        let says = |column: &BubbleUpColumn| column.null_share_selection < 1.0 || column.null_share_baseline < 1.0;
        let mut told: Vec<_> = self.fields.iter().filter(|((column, _), _)| says(column)).cloned().collect();
        rank(&mut told);
        told.truncate(limit);
        let mut stats: Stats = self.stats.into();
        stats.sampled = self.sampled;
        stats.truncated = self.truncated.clone();
        let totals = &self.totals;
        ExploreBubbleUp {
            fields: told.into_iter().map(|((column, source), _)| field(column, source)).collect(),
            selection: ExploreCompared { rows: totals.selection_rows, weight: totals.selection },
            baseline: ExploreCompared { rows: totals.baseline_rows, weight: totals.baseline },
            sampled: stats.sampled,
            is_whole,
            stats,
        }
    }
}

/// A part of the range that has rows of both kinds, small enough to be read at once: around the edge of the selection's time,
/// else the newest. Nothing where the whole is as soon there.
fn window_around(session: &Session, selection: &ExploreSelection, times: &Times) -> Option<Window> {
    let seen = session.seen();
    if seen.rows_total < ESTIMATED_TIMES_MIN * EXPLORE_ESTIMATE_ROWS {
        return None;
    }
    let share = EXPLORE_ESTIMATE_ROWS as f64 / seen.rows_total as f64;
    let length = ((times.end - times.start) as f64 * share) as i64;
    let inside = |edge: &i64| (times.start..times.end).contains(edge);
    let edge = selection.start.filter(inside).or(selection.end.filter(inside));
    let newest = seen.newest_unix_nano.unwrap_or(times.end).clamp(times.start, times.end);
    let from = edge.map_or(newest - length, |edge| edge - length / 2);
    Some(Window { from, to: from.saturating_add(length).max(from + 1), ..Window::WHOLE })
}

/// The calculation whose filters tell the selected rows.
pub(super) fn selecting(selection: &ExploreSelection) -> Calculation {
    Calculation { name: Some("selected".into()), filters: selection.filters.clone(), ..Calculation::count() }
}

/// The column of resources, and the source of its attributes.
const RESOURCE: &str = "resource";

/// Names of attributes that resources have; of all, unless there are more than are counted.
fn resource_keys(counts: &mut ColumnCounts) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (value, _) in counts.told() {
        let Told::Text(text) = value else { continue };
        let Ok(Value::Object(resource)) = serde_json::from_str(&text) else { continue };
        keys.extend(resource.into_iter().map(|(key, _)| key));
    }
    keys
}

pub(super) fn exists(column: &str) -> Filter {
    Filter { column: column.to_owned(), operator: FilterOperator::Exists, value: Value::Null }
}

/// The rows of a question under other columns, with one calculation.
pub(super) fn asked(question: &ExploreQuestion, breakdowns: Vec<String>, calculation: Calculation) -> ExploreQuestion {
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
