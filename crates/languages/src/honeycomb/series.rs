//! Metrics datasets whose points are of series: what a series says in each step of time, then calculations over the series.
//!
//! A gauge says its last value. What counts up since a start says what it grew, seen from the point before and knowing that a
//! smaller value is a new start; what was sent as a difference is added up. A histogram says how many values lay in which
//! bucket, and is calculated with as its values, evenly within a bucket. Totals look at the query's whole range as one step.

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
use super::rows::{Events, LowerContext, LowerError, Names, WEIGHT, aggregate};
use super::typed::{Type, call, certainly, null_of};

/// How far before a query's range the point is looked for that the first one in it has grown from.
const BEFORE_NS: i64 = 600_000_000_000;

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

/// Points lowered as far as their rows.
pub struct SeriesRows {
    pub rows: LogicalPlan,
    pub group_types: Vec<Type>,
    measures: Vec<Temporal>,
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
    let events = Events::of_points(context, (start.saturating_sub(BEFORE_NS), end), &wanted, names)?;
    let metrics = measured.iter().filter_map(|(_, metric)| metric.map(lit)).collect();
    let mut plan = LogicalPlanBuilder::from(events.plan.clone()).filter(ident("metric").in_list(metrics, false))?;
    for (filters, combination) in
        [(&specification.filters[..], specification.filter_combination), (context.narrowed, Combination::And)]
    {
        if let Some(condition) = all(&events, filters, combination)? {
            plan = plan.filter(condition)?;
        }
    }
    plan = plan.window(befores(context)?)?.filter(ident(TIME).gt_eq(super::rows::instant(start)))?;
    let mut columns = own_columns()?;
    let mut group_types = Vec::new();
    for (place, column) in specification.breakdowns.iter().enumerate() {
        let value = events.field(column)?;
        group_types.push(value.r#type);
        columns.push(value.expr.alias(format!("g{place}")));
    }
    let mut measures = Vec::new();
    for (place, (calculation, (temporal, metric))) in specification.calculations.iter().zip(&measured).enumerate() {
        let own = match metric {
            Some(metric) => ident("metric").eq(lit(*metric)),
            None => lit(true),
        };
        let counts = match all(&events, &calculation.filters, calculation.filter_combination)? {
            Some(condition) => own.and(condition),
            None => own,
        };
        columns.push(certainly(counts).alias(format!("k{place}")));
        let value = match (&calculation.column, calculation.operation) {
            (Some(column), Operation::CountDistinct) => events.field(column)?.text(),
            _ => amount(*temporal)?,
        };
        columns.push(value.alias(format!("x{place}")));
        measures.push(*temporal);
    }
    Ok(SeriesRows { rows: plan.project(columns)?.build()?, group_types, measures })
}

/// Which metric a calculation is of, and what of its series.
fn measure<'n>(calculation: &'n Calculation, names: &'n Names, place: usize) -> Result<(Temporal, Option<&'n str>), LowerError> {
    let operation = calculation.operation;
    if operation.is_rate() || matches!(operation, Operation::Count | Operation::Concurrency) {
        let message = format!(
            "{} is not for metrics datasets: COUNT_DATAPOINTS counts points, RATE is a calculated field",
            operation.as_str()
        );
        return Err(SpecificationError::invalid(format!("calculations[{place}].op"), message).into());
    }
    let Some(column) = &calculation.column else { return Ok((Temporal::Own, None)) };
    if operation == Operation::CountDistinct {
        return Ok((Temporal::Own, None));
    }
    let Some(node) = names.calculated(column) else { return Ok((Temporal::Own, Some(column))) };
    temporal(node).map(|(temporal, metric)| (temporal, Some(metric))).ok_or_else(|| {
        let message = "a metrics dataset is calculated with through a metric, or a field that is LAST, SUMMARIZE, INCREASE or RATE of one; a formula may go on from there";
        SpecificationError::invalid(format!("calculations[{place}].column"), message).into()
    })
}

fn temporal(node: &Node) -> Option<(Temporal, &str)> {
    let NodeKind::Call(function, arguments) = &node.kind else { return None };
    let temporal = match function {
        Function::Last => Temporal::Last,
        Function::Summarize => Temporal::Summarize,
        Function::Increase => Temporal::Increase,
        Function::Rate => Temporal::Rate,
        _ => return None,
    };
    match arguments.as_slice() {
        [Node { kind: NodeKind::Column(metric), .. }] => Some((temporal, metric)),
        _ => None,
    }
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
    ["value", "count", "sum", "buckets"].into_iter().map(lag).collect()
}

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
    Ok(vec![
        ident(TIME).alias(TIME),
        lit(1.0).alias(WEIGHT),
        ident(SERIES).alias(SERIES),
        certainly(is_level).alias(LEVEL),
        count.alias(COUNT),
        ident("count").is_not_null().alias(IS_HISTOGRAM),
        extreme("min")?.alias("least"),
        extreme("max")?.alias("most"),
        ident("buckets").alias(BUCKETS),
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
        times: Option<Times>,
        seconds: f64,
    ) -> Result<LogicalPlan, DataFusionError> {
        const NEWEST: &str = "newest";
        let own = |name: &str| ident(name).alias(name);
        let nanos = || cast(ident(TIME), DataType::Int64);
        let bucket = times.map_or_else(|| lit(0_i64), |times| (nanos() - lit(times.first_step)) / lit(times.step));
        let mut columns: Vec<Expr> = keys.iter().map(|key| own(key)).collect();
        columns.extend([TIME, SERIES, LEVEL, COUNT, IS_HISTOGRAM, "least", "most", BUCKETS, BUCKETS_BEFORE].map(own));
        for place in 0..calculations.len() {
            columns.extend([own(&format!("k{place}")), own(&format!("x{place}"))]);
        }
        columns.push(bucket.alias(BUCKET));
        let newest = WindowFunction::new(context.functions.udaf("max")?, vec![ident(TIME)]);
        let newest = Expr::WindowFunction(Box::new(newest)).partition_by(vec![ident(SERIES), ident(BUCKET)]).build()?;
        let marked = LogicalPlanBuilder::from(rows).project(columns)?.window([newest.alias(NEWEST)])?;

        // A histogram's point stays a row of its own: buckets are not added up.
        let apart = when(ident(IS_HISTOGRAM), nanos()).otherwise(null_of(Type::Integer))?;
        let mut by: Vec<Expr> = keys.iter().map(|key| own(key)).collect();
        by.extend([own(SERIES), own(BUCKET), own(IS_HISTOGRAM), apart.alias("apart")]);
        let is_last = || ident(TIME).eq(ident(NEWEST));
        let mut told = vec![
            aggregate(context, "sum", ident(COUNT))?.alias(COUNT),
            aggregate(context, "sum", lit(1.0))?.alias(POINTS),
            aggregate(context, "min", ident("least"))?.alias("least"),
            aggregate(context, "max", ident("most"))?.alias("most"),
            aggregate(context, "max", ident(BUCKETS))?.alias(BUCKETS),
            aggregate(context, "max", ident(BUCKETS_BEFORE))?.alias(BUCKETS_BEFORE),
        ];
        for (place, (calculation, temporal)) in calculations.iter().zip(&self.measures).enumerate() {
            let (k, x) = (format!("k{place}"), format!("x{place}"));
            by.push(own(&k));
            if calculation.operation == Operation::CountDistinct {
                by.push(own(&x));
                continue;
            }
            let superseded = match temporal {
                Temporal::Own => Expr::Not(Box::new(is_last())).and(ident(LEVEL)),
                Temporal::Last => Expr::Not(Box::new(is_last())),
                _ => lit(false),
            };
            let value = when(superseded, null_of(Type::Float)).otherwise(ident(&x))?;
            let mut said = aggregate(context, "sum", value)?;
            if *temporal == Temporal::Rate {
                said = said / lit(seconds);
            }
            told.push(said.alias(x));
        }
        let plan = marked.aggregate(by, told)?;
        if !calculations.iter().any(|one| looks_at_values(one.operation)) {
            return plan.build();
        }
        let items = call(context.functions, "bucket_items", vec![ident(BUCKETS), ident(BUCKETS_BEFORE)])?;
        let mut columns: Vec<Expr> = plan.schema().fields().iter().map(|field| ident(field.name()).alias(field.name())).collect();
        columns.push(items.alias(ITEM));
        plan.project(columns)?.unnest_column(ITEM)?.build()
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
        let mut columns: Vec<Expr> = keys.iter().map(|key| ident(key.as_str())).collect();
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
        let by: Vec<Expr> = keys.iter().map(|key| ident(key.as_str())).collect();
        LogicalPlanBuilder::from(rows).aggregate(by, aggregates)?.project(columns)?.build()
    }
}

/// Whether an operation wants the values within a histogram.
fn looks_at_values(operation: Operation) -> bool {
    matches!(operation, Operation::Percentile(_) | Operation::Heatmap | Operation::Min | Operation::Max)
}
