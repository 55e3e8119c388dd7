//! Metrics datasets whose points are of series: what a series says in each step of time, then calculations over the series.
//!
//! A gauge says its last value. What counts up since a start says what it grew, seen from the point before and knowing that a
//! smaller value is a new start; what was sent as a difference is added up. A histogram says how many values lay in which
//! bucket, and is calculated with as its values, evenly within a bucket. Totals look at the query's whole range as one step.
//!
//! What is asked over a window is of the time that ends with the step: a point then counts in each step whose window it lies in.

use std::collections::BTreeSet;

use datafusion_common::DataFusionError;
use datafusion_common::arrow::datatypes::DataType;
use datafusion_expr::expr::{AggregateFunction, WindowFunction};
use datafusion_expr::{Expr, ExprFunctionExt, LogicalPlan, LogicalPlanBuilder, cast, ident, lit, when};

use super::ast::{Calculation, Combination, Filter, Operation, QuerySpecification};
use super::calculated::{Function, Node, NodeKind};
use super::error::SpecificationError;
use super::expression::TIME;
use super::filters::condition;
use super::lower::{BUCKET, Times};
use super::rows::{Events, LowerContext, LowerError, Names, WEIGHT, aggregate, apart, columns_of, instant, own, unfolded};
use super::typed::{Type, call, certainly, null_of};

/// How far before a query's range the point is looked for that the first one in it has grown from.
const BEFORE_NS: i64 = 600_000_000_000;

/// The longest window of `INCREASE` and `RATE`.
const WINDOW_SECONDS_MAX: i64 = 86_400;

const SECOND: i64 = 1_000_000_000;

const SERIES: &str = "series";
/// Whether a point says how much there is, rather than what was added.
const LEVEL: &str = "level";
/// Values that a point stands for: of a histogram as many as were counted.
const COUNT: &str = "n";
const IS_HISTOGRAM: &str = "is_histogram";
const POINTS: &str = "points";
const BUCKETS: &str = "buckets_now";
const BUCKETS_BEFORE: &str = "buckets_before";
const ITEM: &str = "item";

/// What of a series a calculation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Temporal {
    /// What its type says.
    Own,
    Last,
    Summarize,
    Increase,
    /// The increase of each second.
    Rate,
}

/// How a series is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measure {
    temporal: Temporal,
    /// Nanoseconds that end with a step; nothing where it is of the step itself.
    window: Option<i64>,
}

impl Measure {
    const OWN: Measure = Measure { temporal: Temporal::Own, window: None };
}

/// The times that a series says something of.
pub enum Said {
    InEachStep(Times),
    /// All of the range as one.
    InAll(Times),
}

impl Said {
    fn seconds(&self) -> f64 {
        let nanos = match self {
            Said::InEachStep(times) => times.step,
            Said::InAll(times) => times.end - times.start,
        };
        nanos as f64 / SECOND as f64
    }
}

/// Points lowered as far as their rows.
pub struct SeriesRows {
    pub rows: LogicalPlan,
    pub group_types: Vec<Type>,
    measures: Vec<Measure>,
    /// Nanoseconds since 1970 that points lie before which are there for windows alone.
    start: i64,
}

/// The points that the query is about, with breakdowns `g0…`, what each calculation measures `x0…` and whether it does `k0…`.
pub fn rows(
    specification: &QuerySpecification,
    context: &LowerContext<'_>,
    names: &Names,
    wanted: &[&str],
    (start, end): (i64, i64),
) -> Result<SeriesRows, LowerError> {
    let mut measured = Vec::with_capacity(specification.calculations.len());
    for (place, calculation) in specification.calculations.iter().enumerate() {
        measured.push(measure(calculation, names, place)?);
    }
    let mut wanted = wanted.to_vec();
    wanted.extend(measured.iter().filter_map(|(_, metric)| *metric));
    let longest = longest_window(measured.iter().map(|(measure, _)| measure));
    let from = start.saturating_sub(longest);
    let events = Events::of_points(context, (from.saturating_sub(BEFORE_NS), end), &wanted, names)?;
    let mut plan = LogicalPlanBuilder::from(events.plan.clone());
    // A calculation without a metric is over all of them.
    let metrics: Option<Vec<Expr>> = measured.iter().map(|(_, metric)| metric.map(lit)).collect();
    if let Some(metrics) = metrics {
        plan = plan.filter(ident("metric").in_list(metrics, false))?;
    }
    for (filters, combination) in
        [(&specification.filters[..], specification.filter_combination), (context.narrowed, Combination::And)]
    {
        if let Some(condition) = all(&events, filters, combination)? {
            plan = plan.filter(condition)?;
        }
    }
    let mut columns = own_columns()?;
    let mut group_types = Vec::new();
    for (place, column) in specification.breakdowns.iter().enumerate() {
        let value = events.field(column)?;
        group_types.push(value.r#type);
        columns.push(value.expr.alias(format!("g{place}")));
    }
    let mut measures = Vec::new();
    for (place, (calculation, (measure, metric))) in specification.calculations.iter().zip(&measured).enumerate() {
        let own = match metric {
            Some(metric) => ident("metric").eq(lit(*metric)),
            None => lit(true),
        };
        let counts = match all(&events, &calculation.filters, calculation.filter_combination)? {
            Some(condition) => own.and(condition),
            None => own,
        };
        let counts = match measure.window {
            None if longest > 0 => counts.and(ident(TIME).gt_eq(instant(start))),
            _ => counts,
        };
        columns.push(certainly(counts).alias(format!("k{place}")));
        let value = match (&calculation.column, calculation.operation) {
            (Some(column), Operation::CountDistinct) => events.field(column)?.text(),
            _ => amount(measure.temporal)?,
        };
        columns.push(value.alias(format!("x{place}")));
        measures.push(*measure);
    }
    let seen = with_befores(context, plan.build()?, &columns)?;
    let rows = LogicalPlanBuilder::from(seen).filter(ident(TIME).gt_eq(instant(from)))?.project(columns)?.build()?;
    Ok(SeriesRows { rows, group_types, measures, start })
}

fn longest_window<'m>(measures: impl Iterator<Item = &'m Measure>) -> i64 {
    measures.filter_map(|measure| measure.window).max().unwrap_or_default()
}

/// The points with what `columns` need, and beside each what the point of its series said before.
fn with_befores(context: &LowerContext<'_>, points: LogicalPlan, columns: &[Expr]) -> Result<LogicalPlan, DataFusionError> {
    let befores = befores(context)?;
    let mut used: BTreeSet<&str> =
        columns.iter().chain(&befores).flat_map(|expr| expr.column_refs()).map(|column| column.name.as_str()).collect();
    used.retain(|name| points.schema().has_column_with_unqualified_name(name));
    let told: Vec<String> = used.iter().map(|name| (*name).to_owned()).chain(BEFORE.map(before)).collect();
    let points = LogicalPlanBuilder::from(points).project(own(context, used))?.build()?;
    let seen = LogicalPlanBuilder::from(apart(context, points, "points")?).window(befores)?.project(own(context, told))?;
    apart(context, seen.build()?, "seen")
}

/// Which metric a calculation is of, and what of its series.
fn measure<'n>(calculation: &'n Calculation, names: &'n Names, place: usize) -> Result<(Measure, Option<&'n str>), LowerError> {
    let operation = calculation.operation;
    if operation.is_rate() || matches!(operation, Operation::Count | Operation::Concurrency) {
        let message = format!(
            "{} is not for metrics datasets: COUNT_DATAPOINTS counts points, RATE is a calculated field",
            operation.as_str()
        );
        return Err(SpecificationError::invalid(format!("calculations[{place}].op"), message).into());
    }
    let Some(column) = &calculation.column else { return Ok((Measure::OWN, None)) };
    if operation == Operation::CountDistinct {
        return Ok((Measure::OWN, None));
    }
    let Some(node) = names.calculated(column) else { return Ok((Measure::OWN, Some(column))) };
    measured(node).map(|(measure, metric)| (measure, Some(metric))).ok_or_else(|| {
        let message = format!(
            "a metrics dataset is calculated with through a metric, or a field that is LAST, SUMMARIZE, INCREASE or RATE of one, the latter two over 1 to {WINDOW_SECONDS_MAX} seconds; a formula may go on from there"
        );
        SpecificationError::invalid(format!("calculations[{place}].column"), message).into()
    })
}

fn measured(node: &Node) -> Option<(Measure, &str)> {
    let NodeKind::Call(function, arguments) = &node.kind else { return None };
    let temporal = match function {
        Function::Last => Temporal::Last,
        Function::Summarize => Temporal::Summarize,
        Function::Increase => Temporal::Increase,
        Function::Rate => Temporal::Rate,
        _ => return None,
    };
    let (metric, rest) = arguments.split_first()?;
    let NodeKind::Column(metric) = &metric.kind else { return None };
    let window = match rest {
        [] => None,
        [Node { kind: NodeKind::Integer(seconds), .. }] if (1..=WINDOW_SECONDS_MAX).contains(seconds) => Some(seconds * SECOND),
        _ => return None,
    };
    Some((Measure { temporal, window }, metric))
}

fn all(events: &Events<'_>, filters: &[Filter], combination: Combination) -> Result<Option<Expr>, LowerError> {
    let join = if combination == Combination::And { Expr::and } else { Expr::or };
    let mut joined: Option<Expr> = None;
    for filter in filters {
        let one = condition(events.field(&filter.column)?, filter.operator, &filter.value);
        joined = Some(match joined {
            None => one,
            Some(joined) => join(joined, one),
        });
    }
    Ok(joined)
}

/// Beside each point, what the point of its series said before.
fn befores(context: &LowerContext<'_>) -> Result<Vec<Expr>, DataFusionError> {
    let lag = |column: &str| {
        let lag = WindowFunction::new(context.functions.udwf("lag")?, vec![ident(column)]);
        let lag = Expr::WindowFunction(Box::new(lag))
            .partition_by(vec![ident(SERIES)])
            .order_by(vec![ident(TIME).sort(true, false)])
            .build()?;
        Ok(lag.alias(before(column)))
    };
    BEFORE.into_iter().map(lag).collect()
}

/// What is compared with the point before.
const BEFORE: [&str; 4] = ["value", "count", "sum", "buckets"];

fn before(column: &str) -> String {
    format!("{column}_before")
}

fn is_cumulative() -> Expr {
    ident("temporality").eq(lit("cumulative")).and(ident("is_monotonic").or(ident("value").is_null()))
}

/// Whether a counter began anew since the point before.
fn is_anew() -> Expr {
    let fell = |column: &str| ident(column).lt(ident(before(column)));
    certainly(fell("value").or(fell("count")))
}

/// What a number that counts up grew since the point before; nothing for the first point.
fn grown(column: &str, r#type: Type) -> Result<Expr, DataFusionError> {
    when(ident(before(column)).is_null(), null_of(r#type))
        .when(is_anew(), ident(column))
        .otherwise(ident(column) - ident(before(column)))
}

/// What a point adds: of a histogram, to the sum of its values.
fn amount(temporal: Temporal) -> Result<Expr, DataFusionError> {
    let is_value = || ident("value").is_not_null();
    let added = |column: &str| when(is_cumulative(), grown(column, Type::Float)?).otherwise(ident(column));
    match temporal {
        Temporal::Last => Ok(ident("value")),
        Temporal::Summarize => when(is_value(), ident("value")).otherwise(ident("sum")),
        Temporal::Own => when(is_value(), added("value")?).otherwise(added("sum")?),
        Temporal::Increase | Temporal::Rate => {
            let is_difference = ident("temporality").eq(lit("delta"));
            let value = when(is_difference.clone(), ident("value")).otherwise(grown("value", Type::Float)?)?;
            let sum = when(is_difference, ident("sum")).otherwise(grown("sum", Type::Float)?)?;
            when(is_value(), value).otherwise(sum)
        }
    }
}

fn own_columns() -> Result<Vec<Expr>, DataFusionError> {
    let is_value = || ident("value").is_not_null();
    let is_level = is_value().and(Expr::Not(Box::new(is_cumulative()))).and(ident("temporality").not_eq(lit("delta")));
    let counted = when(is_cumulative(), grown("count", Type::Integer)?).otherwise(ident("count"))?;
    let count = when(is_value(), lit(1.0)).otherwise(cast(counted, DataType::Float64))?;
    // Of what counts since a start the extremes are those since the start.
    let extreme =
        |column: &str| when(is_value(), ident("value")).when(is_cumulative(), null_of(Type::Float)).otherwise(ident(column));
    let no_text = || null_of(Type::Text);
    // What the first point of a counter grew from is not known.
    let is_first = is_cumulative().and(ident(before("count")).is_null());
    Ok(vec![
        ident(TIME).alias(TIME),
        lit(1.0).alias(WEIGHT),
        ident(SERIES).alias(SERIES),
        certainly(is_level).alias(LEVEL),
        count.alias(COUNT),
        ident("count").is_not_null().alias(IS_HISTOGRAM),
        extreme("min")?.alias("least"),
        extreme("max")?.alias("most"),
        when(is_first, no_text()).otherwise(ident("buckets"))?.alias(BUCKETS),
        when(is_cumulative().and(Expr::Not(Box::new(is_anew()))), ident(before("buckets")))
            .otherwise(no_text())?
            .alias(BUCKETS_BEFORE),
    ])
}

impl SeriesRows {
    /// What each series says in each step, or in all of the range as one: a row a series, step and key; a histogram is a row for
    /// each part of a bucket where values are asked for.
    pub fn stepped(
        &self,
        context: &LowerContext<'_>,
        calculations: &[Calculation],
        rows: LogicalPlan,
        keys: &[String],
        said: &Said,
    ) -> Result<LogicalPlan, DataFusionError> {
        const NEWEST: &str = "newest";
        let marked = self.at_their_times(context, rows, keys, said)?;
        let mut told = columns_of(&marked);
        let newest = WindowFunction::new(context.functions.udaf("max")?, vec![ident(TIME)]);
        let newest = Expr::WindowFunction(Box::new(newest)).partition_by(vec![ident(SERIES), ident(BUCKET)]).build()?;
        let marked = LogicalPlanBuilder::from(apart(context, marked, "stepped")?).window([newest.alias(NEWEST)])?;
        told.push(NEWEST.to_owned());
        let marked = apart(context, marked.project(own(context, told))?.build()?, "marked")?;

        // A histogram's point stays a row of its own: buckets are not added up.
        let alone = when(ident(IS_HISTOGRAM), cast(ident(TIME), DataType::Int64)).otherwise(null_of(Type::Integer))?;
        let mut by = own(context, keys);
        by.extend(own(context, [SERIES, BUCKET, IS_HISTOGRAM]));
        by.push(alone.alias("alone"));
        let is_last = || ident(TIME).eq(ident(NEWEST));
        let mut told = vec![
            aggregate(context, "sum", ident(COUNT))?.alias(COUNT),
            aggregate(context, "sum", lit(1.0))?.alias(POINTS),
            aggregate(context, "min", ident("least"))?.alias("least"),
            aggregate(context, "max", ident("most"))?.alias("most"),
            aggregate(context, "max", ident(BUCKETS))?.alias(BUCKETS),
            aggregate(context, "max", ident(BUCKETS_BEFORE))?.alias(BUCKETS_BEFORE),
        ];
        for (place, (calculation, measure)) in calculations.iter().zip(&self.measures).enumerate() {
            let (k, x) = (format!("k{place}"), format!("x{place}"));
            by.extend(own(context, [&k]));
            if calculation.operation == Operation::CountDistinct {
                by.extend(own(context, [&x]));
                continue;
            }
            let superseded = match measure.temporal {
                Temporal::Own => Expr::Not(Box::new(is_last())).and(ident(LEVEL)),
                Temporal::Last => Expr::Not(Box::new(is_last())),
                _ => lit(false),
            };
            let amount = match measure.temporal {
                Temporal::Rate => {
                    let seconds = measure.window.map_or_else(|| said.seconds(), |window| window as f64 / SECOND as f64);
                    ident(&x) / lit(seconds)
                }
                _ => ident(&x),
            };
            let value = when(superseded, null_of(Type::Float)).otherwise(amount)?;
            told.push(aggregate(context, "sum", value)?.alias(x));
        }
        let plan = LogicalPlanBuilder::from(marked).aggregate(by, told)?.build()?;
        let names = columns_of(&plan);
        let plan = LogicalPlanBuilder::from(plan).project(own(context, &names))?.build()?;
        if !calculations.iter().any(|one| looks_at_values(one.operation)) {
            return apart(context, plan, "said");
        }
        let items = call(context.functions, "bucket_items", vec![ident(BUCKETS), ident(BUCKETS_BEFORE)])?;
        unfolded(context, plan, &names, items, ITEM)
    }

    /// The rows with the step that they count in; one that lies in the windows of several counts in each.
    fn at_their_times(
        &self,
        context: &LowerContext<'_>,
        rows: LogicalPlan,
        keys: &[String],
        said: &Said,
    ) -> Result<LogicalPlan, DataFusionError> {
        let nanos = || cast(ident(TIME), DataType::Int64);
        let mut names: Vec<String> = keys.to_vec();
        names.extend([TIME, SERIES, LEVEL, COUNT, IS_HISTOGRAM, "least", "most", BUCKETS, BUCKETS_BEFORE].map(str::to_owned));
        names.extend((0..self.measures.len()).map(|place| format!("x{place}")));
        let marks: Vec<String> = (0..self.measures.len()).map(|place| format!("k{place}")).collect();
        let all = [names.as_slice(), &marks].concat();
        let longest = longest_window(self.measures.iter());
        let bucket = match said {
            Said::InEachStep(times) => times.step_of(nanos()),
            Said::InAll(_) => lit(0_i64),
        };
        let plan = match said {
            Said::InEachStep(times) if longest > 0 => {
                let function = |name: &str, arguments: Vec<Expr>| call(context.functions, name, arguments);
                let first = function("greatest", vec![bucket.clone(), lit(0_i64)])?;
                let past = function("least", vec![times.step_of(nanos() + lit(longest)), lit(times.steps())])?;
                let past = function("greatest", vec![past, first.clone() + lit(1_i64)])?;
                unfolded(context, rows, &all, function("range", vec![first, past])?, BUCKET)?
            }
            _ => {
                let columns = own(context, &all).into_iter().chain([bucket.clone().alias(BUCKET)]);
                LogicalPlanBuilder::from(rows).project(columns)?.build()?
            }
        };
        if longest == 0 {
            return Ok(plan);
        }
        let mut is_there = ident(TIME).gt_eq(instant(self.start));
        let mut columns = own(context, &names);
        for (measure, mark) in self.measures.iter().zip(marks) {
            let counts = ident(&mark).and(match (said, measure.window) {
                (Said::InEachStep(times), Some(window)) => ident(BUCKET).lt(times.step_of(nanos() + lit(window))),
                (Said::InAll(times), Some(window)) => ident(TIME).gt_eq(instant(times.end - window)),
                (Said::InEachStep(_), None) => ident(BUCKET).eq(bucket.clone()),
                (Said::InAll(_), None) => lit(true),
            });
            if measure.window.is_some() {
                is_there = is_there.or(counts.clone());
            }
            columns.push(counts.alias(mark));
        }
        columns.push(ident(BUCKET).alias(BUCKET));
        LogicalPlanBuilder::from(plan).filter(is_there)?.project(columns)?.build()
    }

    /// Every calculation for each of `keys`, of rows that were stepped.
    pub fn aggregated(
        &self,
        context: &LowerContext<'_>,
        calculations: &[Calculation],
        rows: LogicalPlan,
        keys: &[String],
    ) -> Result<LogicalPlan, DataFusionError> {
        let exploded = calculations.iter().any(|one| looks_at_values(one.operation));
        let item = |member: &str| call(context.functions, "get_field", vec![ident(ITEM), lit(member)]);
        let mut aggregates = Vec::new();
        let mut columns = own(context, keys);
        for (place, calculation) in calculations.iter().enumerate() {
            let (a, b) = (format!("a{place}"), format!("b{place}"));
            let x = || ident(format!("x{place}"));
            let k = || ident(format!("k{place}"));
            // Once for each row before it was taken apart into values.
            let once = || Ok::<_, DataFusionError>(if exploded { k().and(item("is_first")?) } else { k() });
            let masked = |mask: Expr, value: Expr| when(mask, value).otherwise(null_of(Type::Float));
            let value = |of_histogram: Expr| when(ident(IS_HISTOGRAM), of_histogram).otherwise(x());
            let sum = |value: Expr| aggregate(context, "sum", value);
            let many = |name: &str, arguments: Vec<Expr>| {
                let udaf = context.functions.udaf(name)?;
                Ok::<_, DataFusionError>(Expr::AggregateFunction(AggregateFunction::new_udf(
                    udaf,
                    arguments,
                    false,
                    None,
                    Vec::new(),
                    None,
                )))
            };
            let told = match calculation.operation {
                Operation::Sum => {
                    aggregates.push(sum(masked(once()?, x())?)?.alias(&a));
                    ident(&a)
                }
                Operation::Avg => {
                    let counted = when(x().is_not_null(), when(ident(IS_HISTOGRAM), ident(COUNT)).otherwise(lit(1.0))?)
                        .otherwise(null_of(Type::Float))?;
                    aggregates.push(sum(masked(once()?, x())?)?.alias(&a));
                    aggregates.push(sum(masked(once()?, counted)?)?.alias(&b));
                    ident(&a) / call(context.functions, "nullif", vec![ident(&b), lit(0.0)])?
                }
                Operation::Min | Operation::Max => {
                    let (name, known) = if calculation.operation == Operation::Min { ("min", "least") } else { ("max", "most") };
                    let of_histogram = call(context.functions, "coalesce", vec![ident(known), item("value")?])?;
                    aggregates.push(aggregate(context, name, masked(k(), value(of_histogram)?)?)?.alias(&a));
                    ident(&a)
                }
                Operation::Percentile(share) => {
                    let arguments = vec![masked(k(), value(item("value")?)?)?, lit(share), item("weight")?];
                    aggregates.push(many("percentile", arguments)?.alias(&a));
                    ident(&a)
                }
                Operation::Heatmap => {
                    let arguments = vec![masked(k(), value(item("value")?)?)?, item("weight")?];
                    aggregates.push(many("histogram", arguments)?.alias(&a));
                    ident(&a)
                }
                Operation::CountDistinct => {
                    let value = when(k(), x()).otherwise(null_of(Type::Text))?;
                    let udaf = context.functions.udaf("count")?;
                    let counted = AggregateFunction::new_udf(udaf, vec![value], true, None, Vec::new(), None);
                    aggregates.push(Expr::AggregateFunction(counted).alias(&a));
                    ident(&a)
                }
                Operation::HistogramCount => {
                    let counted = when(ident(IS_HISTOGRAM), ident(COUNT)).otherwise(null_of(Type::Float))?;
                    aggregates.push(sum(masked(once()?, counted)?)?.alias(&a));
                    ident(&a)
                }
                _ => {
                    aggregates.push(sum(masked(once()?, ident(POINTS))?)?.alias(&a));
                    call(context.functions, "coalesce", vec![ident(&a), lit(0.0)])?
                }
            };
            columns.push(told.alias(format!("c{place}")));
        }
        LogicalPlanBuilder::from(rows).aggregate(own(context, keys), aggregates)?.project(columns)?.build()
    }
}

/// Whether an operation wants the values within a histogram.
fn looks_at_values(operation: Operation) -> bool {
    matches!(operation, Operation::Percentile(_) | Operation::Heatmap | Operation::Min | Operation::Max)
}
