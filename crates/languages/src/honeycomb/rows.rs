//! The rows that a query is about, under Honeycomb's names: spans and log records as one table of events.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_common::{Column, DataFusionError, ScalarValue};
use datafusion_expr::expr::AggregateFunction;
use datafusion_expr::registry::FunctionRegistry;
use datafusion_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableSource, ident, lit};
use model::Signal;

use super::ast::{CalculatedField, Filter};
use super::beside;
use super::calculated::{Node, parse};
use super::error::SpecificationError;
use super::expression::{RECEIVED_AT, Scope, TIME, Unlowered};
use super::fields;
use super::typed::{Type, Typed};

/// Rows stand for so many.
pub const WEIGHT: &str = "w";
/// Ids as bytes: of the trace, of the span, of its parent.
pub const TRACE: &str = "t";
pub const SPAN: &str = "s";
pub const PARENT: &str = "p";

/// The dataset of data points whose sender named none.
pub const UNKNOWN_METRICS: &str = "unknown_metrics";

/// Calculated fields that name others, one inside the other.
pub const CALCULATED_DEPTH_MAX: usize = 10;

/// Why a specification has no plan.
#[derive(Debug)]
pub enum LowerError {
    Specification(SpecificationError),
    Plan(DataFusionError),
}

impl From<DataFusionError> for LowerError {
    fn from(error: DataFusionError) -> LowerError {
        LowerError::Plan(error)
    }
}

impl From<SpecificationError> for LowerError {
    fn from(error: SpecificationError) -> LowerError {
        LowerError::Specification(error)
    }
}

/// What a specification is lowered against.
#[derive(Clone)]
pub struct LowerContext<'a> {
    pub spans: Arc<dyn TableSource>,
    pub logs: Arc<dyn TableSource>,
    /// Data points, where the dataset may have some: each is an event with the metric's name as a field.
    pub metrics: Option<Arc<dyn TableSource>>,
    /// The engine's functions and aggregates.
    pub functions: &'a (dyn FunctionRegistry + Send + Sync),
    /// The service whose rows are meant; `None` is all of them.
    pub dataset: Option<&'a str>,
    /// Calculated fields beside the query's own, whose names win.
    pub calculated_fields: &'a [CalculatedField],
    pub now_unix_seconds: i64,
    /// Whether a row stands for as many as its sample rate says.
    pub weighted: bool,
    /// Filters that hold beside the query's own, whatever those are joined by.
    pub narrowed: &'a [Filter],
    /// The rows that are looked at; the query's range and steps stay what they are.
    pub window: Window,
    /// Whether the plan is to be told in SQL: it then has the joins only that SQL has words for.
    pub spelled: bool,
    /// Whether the dataset's points are of series, rather than events with metrics as fields.
    pub time_series: bool,
    /// Fields for which nobody looks beyond the row itself, although another row may tell them.
    pub alone: &'a [&'a str],
}

/// What a row is; each kind has its own way from columns to fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    Span,
    /// A log record, or anything of its table where events of spans are not told apart from others.
    Log,
    /// An event of a span.
    Annotation,
    /// A link of a span, as a row of its own.
    Link,
    /// A data point.
    Point,
}

/// A part of a query's range, or a range before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Nanoseconds since 1970 that rows do not lie before.
    pub from: i64,
    /// Nanoseconds that rows lie before.
    pub to: i64,
    /// By how many nanoseconds the range and all of its steps are earlier than the query says.
    pub earlier_by: i64,
}

impl Window {
    /// All of the range.
    pub const WHOLE: Window = Window { from: i64::MIN, to: i64::MAX, earlier_by: 0 };
}

/// The fields that a query may name: calculated ones, read, and all others.
pub struct Names {
    calculated: BTreeMap<String, (String, Node, String)>,
}

impl Names {
    /// Reads the expressions of calculated fields; `own` are the query's.
    pub fn read(own: &[CalculatedField], others: &[CalculatedField]) -> Result<Names, SpecificationError> {
        let mut calculated = BTreeMap::new();
        let others = others.iter().map(|field| (format!("derived column {:?}", field.name), field));
        let own = own.iter().enumerate().map(|(at, field)| (format!("calculated_fields[{at}].expression"), field));
        for (path, field) in others.chain(own) {
            let node = parse(&field.expression)
                .map_err(|error| SpecificationError::invalid(&path, error.with_caret(&field.expression)))?;
            calculated.insert(field.name.clone(), (field.expression.clone(), node, path));
        }
        Ok(Names { calculated })
    }

    /// The expression of a calculated field.
    pub fn calculated(&self, name: &str) -> Option<&Node> {
        self.calculated.get(name).map(|(_, node, _)| node)
    }

    /// Adds the names of stored fields that `name` needs.
    pub fn stored<'a>(&'a self, name: &'a str, into: &mut Vec<&'a str>, depth: usize) {
        let Some((_, node, _)) = self.calculated.get(name).filter(|_| depth < CALCULATED_DEPTH_MAX) else {
            if !into.contains(&name) {
                into.push(name);
            }
            return;
        };
        let mut named = Vec::new();
        node.columns(&mut named);
        for name in named {
            self.stored(name, into, depth + 1);
        }
    }
}

/// Rows with their stored fields as columns.
pub struct Events<'a> {
    pub plan: LogicalPlan,
    /// Column of each stored field.
    stored: BTreeMap<String, Typed>,
    names: &'a Names,
    functions: &'a dyn FunctionRegistry,
}

impl<'a> Events<'a> {
    /// The rows of `signals` within `range`, nanoseconds, with what `wanted` fields need.
    pub fn over(
        context: &LowerContext<'a>,
        signals: &[Signal],
        dataset: Option<&str>,
        range: (i64, i64),
        wanted: &[&str],
        names: &'a Names,
    ) -> Result<Events<'a>, LowerError> {
        let mut needed = Vec::new();
        wanted.iter().for_each(|name| names.stored(name, &mut needed, 0));
        let beside: Vec<&str> = needed.iter().copied().filter(|name| !context.alone.contains(name)).collect();
        let mut sources = Vec::new();
        for signal in signals {
            let source = match signal {
                Signal::Spans => Some(&context.spans),
                Signal::Logs => Some(&context.logs),
                Signal::Metrics => context.metrics.as_ref(),
            };
            let Some(source) = source else { continue };
            let kinds = beside::kinds(*signal, &beside);
            for kind in kinds {
                let filter = match of_dataset(*signal, source, dataset) {
                    Some(of_dataset) => within(range).and(of_dataset),
                    None => within(range),
                };
                let mut rows = LogicalPlanBuilder::scan(signal.table(), Arc::clone(source), None)?.filter(filter)?;
                rows = match kind {
                    RowKind::Annotation => rows.filter(beside::is_annotation())?,
                    RowKind::Log if kinds.len() > 1 => rows.filter(Expr::Not(Box::new(beside::is_annotation())))?,
                    _ => rows,
                };
                sources.push((*kind, source.schema(), rows.build()?));
            }
        }
        let mut branches: Vec<Vec<Option<Typed>>> = Vec::new();
        for (kind, schema, _) in &sources {
            let fields = needed.iter().map(|name| fields::field(context, *kind, schema, name));
            branches.push(fields.collect::<Result<_, _>>()?);
        }
        let types: Vec<Type> = (0..needed.len())
            .map(|at| branches.iter().filter_map(|fields| Some(fields[at].as_ref()?.r#type)).fold(Type::Null, Type::or))
            .collect();
        let mut plan: Option<LogicalPlan> = None;
        for ((kind, _, rows), fields) in sources.into_iter().zip(branches) {
            let columns = columns(context, kind, fields, &types);
            let rows = beside::joined(context, kind, rows, &columns, range, &beside)?;
            let branch = LogicalPlanBuilder::from(rows).project(columns)?.build()?;
            plan = Some(match plan {
                None => branch,
                Some(plan) => LogicalPlanBuilder::from(plan).union(branch)?.build()?,
            });
        }
        let plan = plan.ok_or_else(|| DataFusionError::Plan("no table to read".to_owned()))?;
        let columns = needed.iter().zip(&types).enumerate();
        let stored = columns.map(|(at, (name, r#type))| ((*name).to_owned(), Typed::new(ident(format!("f{at}")), *r#type)));
        Ok(Events { plan, stored: stored.collect(), names, functions: context.functions })
    }

    /// The points of a time as they are kept, with what `wanted` fields are of their columns.
    pub fn of_points(
        context: &LowerContext<'a>,
        range: (i64, i64),
        wanted: &[&str],
        names: &'a Names,
    ) -> Result<Events<'a>, LowerError> {
        let source = context.metrics.as_ref().ok_or_else(|| DataFusionError::Plan("no points to read".to_owned()))?;
        let filter = match of_dataset(Signal::Metrics, source, context.dataset) {
            Some(of_dataset) => within(range).and(of_dataset),
            None => within(range),
        };
        let plan = LogicalPlanBuilder::scan(Signal::Metrics.table(), Arc::clone(source), None)?.filter(filter)?.build()?;
        let (schema, mut needed) = (source.schema(), Vec::new());
        wanted.iter().for_each(|name| names.stored(name, &mut needed, 0));
        let mut stored = BTreeMap::new();
        for name in needed {
            if let Some(field) = fields::field(context, RowKind::Point, &schema, name)? {
                stored.insert(name.to_owned(), field);
            }
        }
        Ok(Events { plan, stored, names, functions: context.functions })
    }

    /// What a name stands for in a row; `path` is told when a calculated field is at fault.
    pub fn field(&self, name: &str) -> Result<Typed, LowerError> {
        self.field_at(name, 0)
    }

    fn field_at(&self, name: &str, depth: usize) -> Result<Typed, LowerError> {
        let Some((text, node, path)) = self.names.calculated.get(name) else {
            return Ok(self.stored.get(name).cloned().unwrap_or_else(Typed::null));
        };
        if depth >= CALCULATED_DEPTH_MAX {
            let message = format!("calculated fields name one another more than {CALCULATED_DEPTH_MAX} deep");
            return Err(SpecificationError::invalid(path, message).into());
        }
        // A field that names itself means the stored one.
        let column = |other: &str| match other == name {
            true => Ok(Some(self.stored.get(other).cloned().unwrap_or_else(Typed::null))),
            false => self.field_at(other, depth + 1).map(Some).map_err(|error| match error {
                LowerError::Plan(error) => Unlowered::Plan(error),
                LowerError::Specification(error) => Unlowered::Elsewhere(error),
            }),
        };
        let scope = Scope { functions: self.functions, column: &column, has_row: true };
        scope.lower(node).map_err(|error| fault(error, path, text))
    }
}

/// An error of an expression as one of the member that holds it.
pub fn fault(error: Unlowered, path: &str, text: &str) -> LowerError {
    match error {
        Unlowered::Plan(error) => LowerError::Plan(error),
        Unlowered::Elsewhere(error) => error.into(),
        Unlowered::Text(error) => SpecificationError::invalid(path, error.with_caret(text)).into(),
    }
}

/// The rows of a time.
pub fn within((start, end): (i64, i64)) -> Expr {
    ident(TIME).gt_eq(instant(start)).and(ident(TIME).lt(instant(end)))
}

/// A moment as the columns have it.
pub fn instant(nanos: i64) -> Expr {
    lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())))
}

/// Columns of a plan. Told in SQL, where the name of a part would stand before theirs, they say what they are called.
pub fn own(context: &LowerContext<'_>, names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<Expr> {
    let column = |name: &str| if context.spelled { ident(name).alias(name) } else { ident(name) };
    names.into_iter().map(|name| column(name.as_ref())).collect()
}

pub fn columns_of(plan: &LogicalPlan) -> Vec<String> {
    plan.schema().fields().iter().map(|field| field.name().clone()).collect()
}

/// A part of a plan under a name, where it is to be told in SQL: what is joined, filtered or windowed there has to have one.
pub fn apart(context: &LowerContext<'_>, plan: LogicalPlan, name: &str) -> Result<LogicalPlan, DataFusionError> {
    if context.spelled { LogicalPlanBuilder::from(plan).alias(name)?.build() } else { Ok(plan) }
}

/// The rows once for each item of a list; those of an empty one are gone.
pub fn unfolded(
    context: &LowerContext<'_>,
    rows: LogicalPlan,
    kept: &[String],
    list: Expr,
    item: &str,
) -> Result<LogicalPlan, DataFusionError> {
    let rows = apart(context, rows, "folded")?;
    let columns = kept.iter().map(|name| ident(name.as_str())).chain([list]);
    let listed = LogicalPlanBuilder::from(rows).project(columns)?.build()?;
    // The list has no name of its own: SQL knows it by the call that makes it.
    let list = columns_of(&listed).pop().unwrap_or_default();
    let unfolded = LogicalPlanBuilder::from(listed).unnest_column(Column::from_name(list.as_str()))?;
    let columns = own(context, kept).into_iter().chain([ident(list).alias(item)]);
    apart(context, unfolded.project(columns)?.build()?, "unfolded")
}

/// One of the engine's aggregates of one value.
pub fn aggregate(context: &LowerContext<'_>, name: &str, value: Expr) -> Result<Expr, DataFusionError> {
    let udf = context.functions.udaf(name)?;
    Ok(Expr::AggregateFunction(AggregateFunction::new_udf(udf, vec![value], false, None, Vec::new(), None)))
}

fn of_dataset(signal: Signal, source: &Arc<dyn TableSource>, dataset: Option<&str>) -> Option<Expr> {
    let dataset = dataset?;
    let has_names = source.schema().column_with_name("honeycomb.dataset").is_some();
    if signal == Signal::Metrics {
        // Points are of the dataset that their sender named; which service they are of does not matter.
        return Some(match (has_names, dataset == UNKNOWN_METRICS) {
            (true, true) => ident("honeycomb.dataset").is_null(),
            (true, false) => ident("honeycomb.dataset").eq(lit(dataset)),
            (false, is_unknown) => lit(is_unknown),
        });
    }
    let of_service = ident("service.name").eq(lit(dataset));
    Some(if has_names { of_service.or(ident("honeycomb.dataset").eq(lit(dataset))) } else { of_service })
}

/// What every row has, and its fields.
fn columns(context: &LowerContext<'_>, kind: RowKind, fields: Vec<Option<Typed>>, types: &[Type]) -> Vec<Expr> {
    let no_span = || lit(ScalarValue::FixedSizeBinary(8, None));
    let (trace, span, parent) = match kind {
        RowKind::Span => (ident("trace_id"), ident("span_id"), ident("parent_span_id")),
        RowKind::Log | RowKind::Annotation | RowKind::Link => (ident("trace_id"), no_span(), ident("span_id")),
        RowKind::Point => (lit(ScalarValue::FixedSizeBinary(16, None)), no_span(), no_span()),
    };
    let weight = if context.weighted { ident("sample_rate") } else { lit(1.0) };
    // Without another name the table's would stand before the columns of one branch, and not of the other.
    let mut columns: Vec<Expr> = vec![
        ident(TIME).alias(TIME),
        ident(RECEIVED_AT).alias(RECEIVED_AT),
        weight.alias(WEIGHT),
        trace.alias(TRACE),
        span.alias(SPAN),
        parent.alias(PARENT),
    ];
    for (place, (field, r#type)) in fields.into_iter().zip(types).enumerate() {
        columns.push(field.unwrap_or_else(Typed::null).widened(*r#type).alias(format!("f{place}")));
    }
    columns
}
