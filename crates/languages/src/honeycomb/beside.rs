//! What Honeycomb tells on one row and our tables on another: the exception of a span, how many events it has, what its events
//! know of it, and its links as rows of their own.
//!
//! Only a query that names such a field pays for it. Rows of the same trace and span belong together; they are looked for up to
//! an hour around the query's range.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::arrow::datatypes::DataType;
use datafusion_common::{Column, DataFusionError, NullEquality};
use datafusion_expr::expr::WindowFunction;
use datafusion_expr::{Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, TableSource, cast, ident, lit, when};
use model::Signal;

use super::fields::{EXCEPTION_COLUMNS, EXCEPTION_ESCAPED, EXCEPTION_FIELDS, escaped};
use super::rows::{LowerContext, RowKind, aggregate, own, unfolded, within};
use super::typed::{Type, call, null_of};

/// How far around a query's range a span's other rows are.
const REACH_NS: i64 = 3_600_000_000_000;

/// Columns that a join adds: the span's, to its events.
pub const SPAN_NAME: &str = "its_name";
pub const SPAN_START: &str = "its_start";
pub const SPAN_FAILED: &str = "its_failed";
/// The events', to their span.
pub const EVENT_COUNT: &str = "its_events";
/// A link as JSON, of a row of its own.
pub const LINK: &str = "link";

const KEYS: [(&str, &str); 2] = [("trace_id", "its_trace"), ("span_id", "its_span")];

/// Fields of a span's events that are the span's own.
const OF_SPAN: [&str; 3] = ["parent_name", "meta.time_since_span_start_ms", "meta.invalid_time_since_span_start"];

/// Fields that only rows of links have, or that tell them from others.
const OF_LINKS: [&str; 3] = ["trace.link.trace_id", "trace.link.span_id", "meta.annotation_type"];

/// Where the exception's field is that a join adds to a span.
pub fn exception_column(place: usize) -> String {
    format!("its_exception{place}")
}

/// The kinds of rows that a signal's table tells, for a query that names `needed`.
pub fn kinds(signal: Signal, needed: &[&str]) -> &'static [RowKind] {
    let names = |known: &[&str]| needed.iter().any(|name| known.contains(name));
    match signal {
        Signal::Spans if names(&OF_LINKS) => &[RowKind::Span, RowKind::Link],
        Signal::Spans => &[RowKind::Span],
        Signal::Logs if names(&OF_SPAN) || names(&["error"]) => &[RowKind::Log, RowKind::Annotation],
        Signal::Logs => &[RowKind::Log],
        Signal::Metrics => &[RowKind::Point],
    }
}

/// The condition that parts log records from events of spans, where both are told apart.
pub fn is_annotation() -> Expr {
    ident("trace_id").is_not_null().and(ident("event_name").not_eq(lit(""))).is_true()
}

/// The rows of a kind with what `needed` fields want from beside them; `columns` are made of both.
pub fn joined(
    context: &LowerContext<'_>,
    kind: RowKind,
    rows: LogicalPlan,
    columns: &[Expr],
    range: (i64, i64),
    needed: &[&str],
) -> Result<LogicalPlan, DataFusionError> {
    let names = |known: &[&str]| needed.iter().any(|name| known.contains(name));
    let reach = (range.0.saturating_sub(REACH_NS), range.1.saturating_add(REACH_NS));
    match kind {
        RowKind::Annotation => with(rows, columns, its_span(context, reach, names(&OF_SPAN))?),
        RowKind::Span => {
            let (counts, exceptions) = (names(&["span.num_events"]), names(&EXCEPTION_FIELDS));
            if !counts && !exceptions {
                return Ok(rows);
            }
            with(rows, columns, its_events(context, reach, counts, exceptions)?)
        }
        RowKind::Link => each_link(context, rows),
        RowKind::Log | RowKind::Point => Ok(rows),
    }
}

/// A row of `rows` and the one of `others` that is of the same span, if there is one. Of `rows` just what `columns` look at, under
/// a name of its own, so that the plan can be told in SQL.
fn with(rows: LogicalPlan, columns: &[Expr], others: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let (mine, its) = ("own", "beside");
    let mut used: BTreeSet<&str> =
        columns.iter().flat_map(|expr| expr.column_refs()).map(|column| column.name.as_str()).collect();
    used.extend(KEYS.map(|(ours, _)| ours));
    used.retain(|name| rows.schema().has_column_with_unqualified_name(name));
    let used: Vec<Expr> = used.into_iter().map(|name| ident(name).alias(name)).collect();
    let rows = LogicalPlanBuilder::from(rows).project(used)?.build()?;
    let names: Vec<Expr> = others.schema().fields().iter().map(|field| ident(field.name()).alias(field.name())).collect();
    let others = LogicalPlanBuilder::from(others).project(names)?.alias(its)?.build()?;
    let ours: Vec<Column> = KEYS.iter().map(|(ours, _)| Column::new(Some(mine), *ours)).collect();
    let theirs: Vec<Column> = KEYS.iter().map(|(_, theirs)| Column::new(Some(its), *theirs)).collect();
    LogicalPlanBuilder::from(rows)
        .alias(mine)?
        .join_detailed(others, JoinType::Left, (ours, theirs), None, NullEquality::NullEqualsNothing)?
        .build()
}

/// Spans by their ids: name, start, and whether they failed. Where only failure is asked for, failed ones alone.
fn its_span(context: &LowerContext<'_>, reach: (i64, i64), whole: bool) -> Result<LogicalPlan, DataFusionError> {
    let failed = || ident("status_code").eq(lit("error"));
    let mut spans = scan(&context.spans, Signal::Spans, reach)?;
    if !whole {
        spans = spans.filter(failed())?;
    }
    let failures = when(failed(), lit(1_i64)).otherwise(null_of(Type::Integer))?;
    let mut columns = keys(|(from, _)| ident(from).alias(from));
    columns.extend([ident("name").alias(SPAN_NAME), ident("time").alias(SPAN_START), failures.alias(SPAN_FAILED)]);
    let told = [("min", SPAN_NAME), ("min", SPAN_START), ("max", SPAN_FAILED)];
    let told: Result<Vec<Expr>, DataFusionError> =
        told.into_iter().map(|(name, column)| Ok(aggregate(context, name, ident(column))?.alias(column))).collect();
    let spans = spans.project(columns)?.alias("spans_of_events")?;
    spans.aggregate(keys(|(from, to)| ident(from).alias(to)), told?)?.build()
}

/// Spans by the ids that their events have: how many events, and the fields of the first exception.
fn its_events(
    context: &LowerContext<'_>,
    reach: (i64, i64),
    counts: bool,
    exceptions: bool,
) -> Result<LogicalPlan, DataFusionError> {
    const FAILED_AT: &str = "failed_at";
    const FIRST: &str = "first_failed_at";
    let schema = context.logs.schema();
    let is_exception = || {
        let known = EXCEPTION_COLUMNS.iter().map(|column| ident(*column).is_not_null());
        known.fold(ident("event_name").eq(lit("exception")).is_true(), Expr::or)
    };
    let mut events = scan(&context.logs, Signal::Logs, reach)?.filter(ident("span_id").is_not_null())?;
    events = events.filter(if counts { is_annotation().or(is_exception()) } else { is_exception() })?;
    let mut columns = keys(|(from, _)| ident(from).alias(from));
    let failed_at = when(is_exception(), cast(ident("time"), DataType::Int64)).otherwise(null_of(Type::Integer))?;
    columns.push(failed_at.alias(FAILED_AT));
    columns.push(when(is_annotation(), lit(1_i64)).otherwise(null_of(Type::Integer))?.alias(EVENT_COUNT));
    for (place, column) in EXCEPTION_COLUMNS.iter().enumerate() {
        columns.push(ident(*column).alias(exception_column(place)));
    }
    let escaped = || escaped(&schema).map_or_else(|| null_of(Type::Boolean), |escaped| escaped.expr);
    let mut escaped_number = when(escaped(), lit(1_i64)).when(escaped().is_not_null(), lit(0_i64));
    let escaped = escaped_number.otherwise(null_of(Type::Integer))?;
    columns.push(escaped.alias(exception_column(EXCEPTION_ESCAPED)));
    events = events.project(columns)?.alias("events")?;
    let mut told = Vec::new();
    if counts {
        told.push(aggregate(context, "sum", ident(EVENT_COUNT))?.alias(EVENT_COUNT));
    }
    if exceptions {
        let first = WindowFunction::new(context.functions.udaf("min")?, vec![ident(FAILED_AT)]);
        let first = Expr::WindowFunction(Box::new(first)).partition_by(keys(|(from, _)| ident(from))).build()?;
        events = events.window([first.alias(FIRST)])?;
        let own: Vec<Expr> = events.schema().fields().iter().map(|field| ident(field.name()).alias(field.name())).collect();
        events = events.project(own)?.alias("marked")?;
        let is_first = || ident(FAILED_AT).eq(ident(FIRST));
        for place in 0..EXCEPTION_COLUMNS.len() {
            let value = when(is_first(), ident(exception_column(place))).otherwise(null_of(Type::Text))?;
            told.push(aggregate(context, "min", value)?.alias(exception_column(place)));
        }
        let value = when(is_first(), ident(exception_column(EXCEPTION_ESCAPED))).otherwise(null_of(Type::Integer))?;
        told.push(aggregate(context, "max", value)?.alias(exception_column(EXCEPTION_ESCAPED)));
    }
    events.aggregate(keys(|(from, to)| ident(from).alias(to)), told)?.build()
}

/// Spans once for each of their links. Of the span's own attributes a link has none.
fn each_link(context: &LowerContext<'_>, spans: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    const KEPT: [&str; 10] =
        ["time", "received_at", "sample_rate", "trace_id", "span_id", "name", "status_code", "service.name", "resource", "scope"];
    let columns = own(context, KEPT.iter().chain(&["links"]));
    let linked = LogicalPlanBuilder::from(spans).filter(ident("links").is_not_null())?.project(columns)?.build()?;
    let links = call(context.functions, "json_items", vec![ident("links")])?;
    unfolded(context, linked, &KEPT.map(str::to_owned), links, LINK)
}

fn scan(source: &Arc<dyn TableSource>, signal: Signal, range: (i64, i64)) -> Result<LogicalPlanBuilder, DataFusionError> {
    LogicalPlanBuilder::scan(signal.table(), Arc::clone(source), None)?.filter(within(range))
}

fn keys(of: impl Fn((&'static str, &'static str)) -> Expr) -> Vec<Expr> {
    KEYS.into_iter().map(of).collect()
}
