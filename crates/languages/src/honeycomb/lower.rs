//! [`QuerySpecification`] -> plans: the summary's rows, then series, TOTAL and OTHER for the groups that the summary has.
//!
//! The plans of one query share their rows: time, weight, breakdowns `g0…`, what is calculated of `x0…`, and which rows a
//! calculation looks at `k0…`. Answers have `g0…`, calculations `c0…`, formulas `m0…`, and over time `bucket` and `place`.

use datafusion_common::arrow::datatypes::{DataType, Field, Schema};
use datafusion_common::{Column, DFSchema, DataFusionError, NullEquality, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, NullTreatment, Sort, WindowFunction};
use datafusion_expr::{
    Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, cast, ident, lit, when,
};
use model::Signal;

use super::ast::{Combination, Filter, FilterOperator, Operation, QuerySpecification, Relation};
use super::calculated::{Node, parse};
use super::error::SpecificationError;
use super::expression::{Scope, TIME};
use super::fields;
use super::filters::condition;
use super::read::{STEPS_MAX, TIME_RANGE_DEFAULT};
use super::relations;
use super::rows::{Events, LowerContext, LowerError, Names, WEIGHT, apart, fault};
use super::series::{self, Said, SeriesRows};
use super::typed::{Type, Typed, call, certainly, null_of};

const SECOND: i64 = 1_000_000_000;

/// Groups of an answer unless the query says otherwise.
pub const LIMIT_DEFAULT: u32 = 100;

/// Steps that a person can read on an axis, in milliseconds.
const STEPS_MS: [i64; 24] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000, 10_800_000, 21_600_000, 86_400_000,
];

/// Steps of a chart when the query leaves them to us.
const STEPS_WANTED: i64 = 240;

pub(super) const BUCKET: &str = "bucket";
pub(super) const PLACE: &str = "place";
pub(super) const COVERED: &str = "covered";
pub(super) const FIRST: &str = "is_first";
pub(super) const DURATION: &str = "d";

/// A query's range and steps. Times are nanoseconds since 1970; the first step may begin before the range does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub start: i64,
    pub end: i64,
    pub step: i64,
    pub first_step: i64,
}

impl Times {
    /// Refuses: a range that is empty, and steps that are too many or longer than it.
    pub fn of(specification: &QuerySpecification, now: i64) -> Result<Times, SpecificationError> {
        let range = specification.time_range;
        let default = TIME_RANGE_DEFAULT;
        let (start, end) = match (specification.start_time, specification.end_time) {
            (Some(start), Some(end)) => (start, end),
            (Some(start), None) => (start, range.map_or(now, |range| start + range)),
            (None, Some(end)) => (end - range.unwrap_or(default), end),
            (None, None) => (now - range.unwrap_or(default), now),
        };
        if start >= end {
            return Err(SpecificationError::invalid("start_time", "must be before the end of the range"));
        }
        let (start, end) = (start.saturating_mul(SECOND), end.saturating_mul(SECOND));
        let length = end - start;
        let step = match specification.granularity.filter(|seconds| *seconds > 0.0) {
            None => {
                let wanted = length / STEPS_WANTED;
                let found = STEPS_MS.into_iter().map(|step| step * 1_000_000).find(|step| *step >= wanted);
                found.unwrap_or_else(|| (wanted / (86_400 * SECOND) + 1) * 86_400 * SECOND)
            }
            Some(seconds) => {
                let step = (seconds * 1e9) as i64;
                if step > length || length / step.max(1) > STEPS_MAX {
                    let (least, most) = (length as f64 / 1e9 / STEPS_MAX as f64, length / SECOND);
                    let message = format!("must be between {least} and {most} seconds, a thousandth of the range and all of it");
                    return Err(SpecificationError::invalid("granularity", message));
                }
                step
            }
        };
        Ok(Times { start, end, step, first_step: start.div_euclid(step) * step })
    }

    /// The same range in other steps, however many those are.
    pub fn in_steps_of(self, step: i64) -> Times {
        Times { step, first_step: self.start.div_euclid(step) * step, ..self }
    }

    /// The same range and steps, so many nanoseconds before.
    fn earlier(self, by: i64) -> Times {
        Times { start: self.start - by, end: self.end - by, first_step: self.first_step - by, ..self }
    }

    /// The number of the step that a moment, in nanoseconds, lies in.
    pub(super) fn step_of(&self, nanos: Expr) -> Expr {
        (nanos - lit(self.first_step)) / lit(self.step)
    }

    pub fn steps(&self) -> i64 {
        (self.end - self.first_step + self.step - 1) / self.step
    }
}

/// A query's plans.
pub struct Lowered<'a> {
    pub(super) context: LowerContext<'a>,
    pub(super) specification: &'a QuerySpecification,
    pub times: Times,
    pub(super) rows: LogicalPlan,
    pub(super) group_types: Vec<Type>,
    /// Of what is calculated of, where there is such a column.
    value_types: Vec<Type>,
    formulas: Vec<Node>,
    /// Of a metrics dataset: what is said by the series that the rows are of.
    pub(super) series: Option<SeriesRows>,
}

/// Lowers a query as far as its rows.
///
/// Fields that no row has are null. Refuses: what [`Times::of`] does, and expressions that cannot be read or do not fit.
pub fn lower<'a>(specification: &'a QuerySpecification, context: LowerContext<'a>) -> Result<Lowered<'a>, LowerError> {
    let times = Times::of(specification, context.now_unix_seconds)?.earlier(context.window.earlier_by);
    let names = Names::read(&specification.calculated_fields, context.calculated_fields)?;
    let mut formulas = Vec::new();
    for (at, formula) in specification.formulas.iter().enumerate() {
        let path = format!("formulas[{at}].expression");
        let node = parse(&formula.expression)
            .map_err(|error| SpecificationError::invalid(path, error.with_caret(&formula.expression)))?;
        formulas.push(node);
    }
    if context.time_series {
        let range = (times.start.max(context.window.from), times.end.min(context.window.to));
        let series = series::rows(specification, &context, &names, &wanted(specification, context.narrowed), range)?;
        let (rows, group_types) = (series.rows.clone(), series.group_types.clone());
        let series = Some(series);
        return Ok(Lowered { context, specification, times, rows, group_types, value_types: Vec::new(), formulas, series });
    }
    events_only(specification)?;
    let (rows, group_types, value_types) = rows(specification, &context, &names, &times)?;
    Ok(Lowered { context, specification, times, rows, group_types, value_types, formulas, series: None })
}

/// Refuses what only metrics datasets have.
fn events_only(specification: &QuerySpecification) -> Result<(), SpecificationError> {
    let of_series = |operation| matches!(operation, Operation::CountDatapoints | Operation::HistogramCount);
    match specification.calculations.iter().position(|one| of_series(one.operation)) {
        None => Ok(()),
        Some(place) => {
            let message = format!("{} is for metrics datasets", specification.calculations[place].operation.as_str());
            Err(SpecificationError::invalid(format!("calculations[{place}].op"), message))
        }
    }
}

/// Names of stored fields that a query uses, for those who make them known first.
pub fn names_used(specification: &QuerySpecification, context: &LowerContext<'_>) -> Result<Vec<String>, SpecificationError> {
    let names = Names::read(&specification.calculated_fields, context.calculated_fields)?;
    let mut used = Vec::new();
    for name in wanted(specification, context.narrowed) {
        names.stored(name, &mut used, 0);
    }
    let filters = specification.filters.iter().chain(context.narrowed);
    let relational = filters.map(|filter| &filter.column).chain(&specification.breakdowns);
    for (_, field) in relational.filter_map(|column| Relation::split(column)) {
        names.stored(field, &mut used, 0);
    }
    Ok(used.into_iter().map(str::to_owned).collect())
}

/// The fields of a row that the query looks at.
fn wanted<'q>(specification: &'q QuerySpecification, narrowed: &'q [Filter]) -> Vec<&'q str> {
    let of_rows = |column: &&String| Relation::split(column).is_none();
    let mut wanted: Vec<&str> = specification.breakdowns.iter().filter(of_rows).map(String::as_str).collect();
    let filters = specification.filters.iter().chain(narrowed).map(|filter| &filter.column).filter(of_rows);
    wanted.extend(filters.map(String::as_str));
    for calculation in &specification.calculations {
        wanted.extend(calculation.column.as_deref());
        wanted.extend(calculation.filters.iter().map(|filter| filter.column.as_str()));
        if calculation.operation == Operation::Concurrency {
            wanted.push("duration_ms");
        }
    }
    wanted
}

fn rows(
    specification: &QuerySpecification,
    context: &LowerContext<'_>,
    names: &Names,
    times: &Times,
) -> Result<(LogicalPlan, Vec<Type>, Vec<Type>), LowerError> {
    let signals = [Signal::Spans, Signal::Logs, Signal::Metrics];
    let range = (times.start.max(context.window.from), times.end.min(context.window.to));
    let wanted = wanted(specification, context.narrowed);
    let events = Events::over(context, &signals, context.dataset, range, &wanted, names)?;
    let mut plan = events.plan.clone();
    let (relational, plain): (Vec<&Filter>, Vec<&Filter>) =
        specification.filters.iter().partition(|filter| Relation::split(&filter.column).is_some());
    // One relational field makes all filters hold together.
    let is_relational = !relational.is_empty();
    let combination = if is_relational { Combination::And } else { specification.filter_combination };
    if let Some(condition) = all(&events, plain.into_iter(), combination)? {
        plan = LogicalPlanBuilder::from(plan).filter(condition)?.build()?;
    }
    let narrowed = context.narrowed.iter().filter(|filter| Relation::split(&filter.column).is_none());
    if let Some(condition) = all(&events, narrowed, Combination::And)? {
        plan = LogicalPlanBuilder::from(plan).filter(condition)?.build()?;
    }
    let (plan, relation_types) = relations::join(context, specification, names, range, plan)?;
    let mut columns = vec![ident(TIME), ident(WEIGHT)];
    let mut group_types = Vec::new();
    for (place, column) in specification.breakdowns.iter().enumerate() {
        let value = match relation_types.get(&place) {
            Some(r#type) => Typed::new(ident(format!("r{place}")), *r#type),
            None => events.field(column)?,
        };
        group_types.push(value.r#type);
        let r#type = value.r#type;
        columns.push(value.widened(r#type).alias(format!("g{place}")));
    }
    let mut value_types = Vec::new();
    for (place, calculation) in specification.calculations.iter().enumerate() {
        let mut value_type = Type::Float;
        if let Some(column) = &calculation.column {
            let value = events.field(column)?;
            let value = match calculation.operation {
                Operation::CountDistinct => {
                    value_type = value.r#type;
                    value.expr
                }
                // Whole numbers fall into buckets of whole numbers.
                Operation::Percentile(_) | Operation::Heatmap if value.r#type == Type::Integer => {
                    value_type = Type::Integer;
                    value.expr
                }
                _ => value.measured(),
            };
            columns.push(value.alias(format!("x{place}")));
        }
        if let Some(condition) = all(&events, calculation.filters.iter(), calculation.filter_combination)? {
            columns.push(certainly(condition).alias(format!("k{place}")));
        }
        value_types.push(value_type);
    }
    if has_concurrency(specification) {
        let nanos = cast(events.field("duration_ms")?.measured() * lit(1e6), DataType::Int64);
        let nanos = call(context.functions, "coalesce", vec![nanos, lit(0_i64)])?;
        columns.push(nanos.alias(DURATION));
    }
    Ok((LogicalPlanBuilder::from(plan).project(columns)?.build()?, group_types, value_types))
}

pub(super) fn has_concurrency(specification: &QuerySpecification) -> bool {
    specification.calculations.iter().any(|calculation| calculation.operation == Operation::Concurrency)
}

fn all<'f>(
    events: &Events<'_>,
    filters: impl Iterator<Item = &'f Filter>,
    combination: Combination,
) -> Result<Option<Expr>, LowerError> {
    let join = if combination == Combination::And { Expr::and } else { Expr::or };
    let mut joined: Option<Expr> = None;
    for filter in filters {
        let one = match known_trace(filter) {
            Some(condition) => condition,
            None => condition(events.field(&filter.column)?, filter.operator, &filter.value),
        };
        joined = Some(match joined {
            None => one,
            Some(joined) => join(joined, one),
        });
    }
    Ok(joined)
}

/// A trace by its id is found among the bytes, by indexes and statistics.
fn known_trace(filter: &Filter) -> Option<Expr> {
    if filter.column != "trace.trace_id" || filter.operator != FilterOperator::Equal {
        return None;
    }
    Some(ident(super::rows::TRACE).eq(lit(fields::trace_id(filter.value.as_str()?)?)))
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// In the plan.
    pub column: String,
    /// As Honeycomb names it.
    pub label: String,
}

impl Lowered<'_> {
    /// The breakdowns of an answer.
    pub fn groups(&self) -> Vec<OutputColumn> {
        let labels = self.specification.breakdowns.iter().enumerate();
        labels.map(|(place, label)| OutputColumn { column: format!("g{place}"), label: label.clone() }).collect()
    }

    /// Calculations, or formulas in their place where there are any.
    pub fn values(&self) -> Vec<OutputColumn> {
        if !self.formulas.is_empty() {
            let formulas = self.specification.formulas.iter().enumerate();
            let told = |(at, formula): (usize, &super::ast::CalculatedField)| OutputColumn {
                column: format!("m{at}"),
                label: formula.name.clone(),
            };
            return formulas.map(told).collect();
        }
        let calculations = self.specification.calculations.iter().enumerate();
        calculations.map(|(at, one)| OutputColumn { column: format!("c{at}"), label: one.label() }).collect()
    }

    pub(super) fn group_columns(&self) -> Vec<String> {
        (0..self.group_types.len()).map(|place| format!("g{place}")).collect()
    }

    /// One row a group: those that pass the havings, in order, as many as the limit allows and one more.
    pub fn results(&self, limit: usize) -> Result<LogicalPlan, LowerError> {
        self.first(limit + 1)
    }

    pub(super) fn first(&self, count: usize) -> Result<LogicalPlan, LowerError> {
        let keys = self.group_columns();
        let summary = self.summary(self.rows.clone(), &keys)?;
        let names: Vec<String> = summary.schema().fields().iter().map(|field| field.name().clone()).collect();
        let mut plan = LogicalPlanBuilder::from(if self.has_havings() { self.apart(summary, "answers")? } else { summary });
        for condition in self.having_conditions() {
            plan = plan.filter(condition)?;
        }
        if self.has_havings() && self.context.spelled {
            plan = plan.project(names.into_iter().map(|name| ident(&name).alias(name)).collect::<Vec<_>>())?;
        }
        if !keys.is_empty() {
            plan = plan.sort(self.orders(&keys))?;
        }
        Ok(plan.limit(0, Some(count))?.build()?)
    }

    /// Whether groups may be left out for what is calculated of them.
    pub fn has_havings(&self) -> bool {
        !self.specification.havings.is_empty()
    }

    pub(super) fn having_conditions(&self) -> Vec<Expr> {
        let conditions = self.specification.havings.iter().map(|having| {
            let place = self.place_of(having.calculation, having.column.as_deref());
            let value = serde_json::Value::from(having.value);
            let field = Typed::new(cast(ident(format!("c{place}")), DataType::Float64), Type::Float);
            condition(field, having.operator, &value)
        });
        conditions.collect()
    }

    /// The same as a person wants to see it: as many rows as the limit allows, under Honeycomb's names.
    pub fn named_results(&self, limit: usize) -> Result<LogicalPlan, LowerError> {
        let columns = self.groups().into_iter().chain(self.values());
        let named = columns.map(|column| ident(column.column).alias(column.label));
        Ok(LogicalPlanBuilder::from(self.first(limit)?).project(named.collect::<Vec<_>>())?.build()?)
    }

    /// One row over all that the query is about.
    pub fn total(&self) -> Result<LogicalPlan, LowerError> {
        self.summary(self.rows.clone(), &[])
    }

    /// One row over all but the groups told.
    pub fn other(&self, groups: &[Vec<ScalarValue>]) -> Result<LogicalPlan, LowerError> {
        let placed = self.placed(groups, JoinType::Right)?;
        let others = LogicalPlanBuilder::from(placed).filter(ident(PLACE).is_null())?.build()?;
        self.summary(others, &[])
    }

    /// One row for each of `groups` that has rows; `place` is the group's in `groups`.
    pub fn results_of(&self, groups: &[Vec<ScalarValue>]) -> Result<LogicalPlan, LowerError> {
        match self.group_types.is_empty() {
            true => self.summary(self.rows.clone(), &[]),
            false => self.summary(self.placed(groups, JoinType::Inner)?, &[PLACE.to_owned()]),
        }
    }

    /// The newest rows themselves: their time, what they stand for, and breakdowns.
    pub fn newest(&self, limit: usize) -> Result<LogicalPlan, LowerError> {
        let sorted = LogicalPlanBuilder::from(self.rows.clone()).sort([ident(TIME).sort(false, false)])?;
        Ok(sorted.limit(0, Some(limit))?.build()?)
    }

    /// The rows whose breakdown at `place` is largest, as [`Lowered::newest`] tells them.
    pub fn largest(&self, place: usize, limit: usize) -> Result<LogicalPlan, LowerError> {
        let value = ident(format!("g{place}"));
        let there = LogicalPlanBuilder::from(self.rows.clone()).filter(value.clone().is_not_null())?;
        let sorted = there.sort([value.sort(false, false), ident(TIME).sort(false, false)])?;
        Ok(sorted.limit(0, Some(limit))?.build()?)
    }

    /// Every row: breakdowns `c0…`, whether the first calculation looks at it and it lies between `from` and `to`, its weight.
    pub fn selected(&self, from: i64, to: i64) -> Result<LogicalPlan, LowerError> {
        let at = |nanos: i64| lit(ScalarValue::TimestampNanosecond(Some(nanos), Some("UTC".into())));
        let mut selected = ident(TIME).gt_eq(at(from)).and(ident(TIME).lt(at(to)));
        if self.specification.calculations.first().is_some_and(|one| !one.filters.is_empty()) {
            selected = selected.and(ident("k0"));
        }
        let groups = (0..self.group_types.len()).map(|place| ident(format!("g{place}")).alias(format!("c{place}")));
        let selected = call(self.context.functions, "coalesce", vec![selected, lit(false)])?.alias("selected");
        let columns: Vec<Expr> = groups.chain([selected, ident(WEIGHT).alias("weight")]).collect();
        Ok(LogicalPlanBuilder::from(self.rows.clone()).project(columns)?.build()?)
    }

    fn place_of(&self, operation: Operation, column: Option<&str>) -> usize {
        let mut calculations = self.specification.calculations.iter();
        calculations.position(|one| one.operation == operation && one.column.as_deref() == column).unwrap_or_default()
    }

    /// The query's orders; without any, the first number, largest first. Groups break ties.
    fn orders(&self, keys: &[String]) -> Vec<Sort> {
        let mut sorts = Vec::new();
        for order in &self.specification.orders {
            let column = match (order.operation, &order.column) {
                (Some(operation), column) => format!("c{}", self.place_of(operation, column.as_deref())),
                (None, Some(column)) => self.column_named(column),
                (None, None) => continue,
            };
            sorts.push(ident(column).sort(!order.descending, false));
        }
        if self.specification.orders.is_empty() {
            let formula = (!self.formulas.is_empty()).then(|| "m0".to_owned());
            let mut calculations = self.specification.calculations.iter();
            let number = calculations.position(|one| one.operation != Operation::Heatmap).map(|place| format!("c{place}"));
            sorts.extend(formula.or(number).map(|column| ident(column).sort(false, false)));
        }
        sorts.extend(keys.iter().map(|key| ident(key.as_str()).sort(true, false)));
        sorts
    }

    fn column_named(&self, name: &str) -> String {
        if let Some(place) = self.specification.breakdowns.iter().position(|column| column == name) {
            return format!("g{place}");
        }
        if let Some(place) = self.specification.calculations.iter().position(|one| one.name.as_deref() == Some(name)) {
            return format!("c{place}");
        }
        let place = self.specification.formulas.iter().position(|one| one.name == name);
        format!("m{}", place.unwrap_or_default())
    }

    /// The rows of groups, with the place of each; rows of no group have none where the join keeps them.
    pub(super) fn placed(&self, groups: &[Vec<ScalarValue>], join_type: JoinType) -> Result<LogicalPlan, LowerError> {
        let mut fields = vec![Field::new(PLACE, DataType::Int64, true)];
        let types = self.group_types.iter().enumerate();
        fields.extend(types.map(|(at, r#type)| Field::new(format!("q{at}"), r#type.data_type(), true)));
        let schema = std::sync::Arc::new(DFSchema::try_from(Schema::new(fields))?);
        let told = groups.iter().enumerate().map(|(place, group)| {
            std::iter::once(lit(place as i64)).chain(group.iter().cloned().map(|value| Expr::Literal(value, None))).collect()
        });
        let mut told: Vec<Vec<Expr>> = told.collect();
        if told.is_empty() {
            told.push(std::iter::once(null_of(Type::Integer)).chain(self.group_types.iter().map(|one| null_of(*one))).collect());
        }
        // What `VALUES` makes has names of its own.
        let names = std::iter::once(PLACE.to_owned()).chain((0..self.group_types.len()).map(|at| format!("q{at}")));
        let named = names.enumerate().map(|(at, name)| ident(format!("column{}", at + 1)).alias(name));
        let mut known = LogicalPlanBuilder::values_with_schema(told, &schema)?.project(named.collect::<Vec<_>>())?;
        if groups.is_empty() {
            known = known.filter(lit(false))?;
        }
        let ours: Vec<Column> = self.group_columns().into_iter().map(Column::from_name).collect();
        let theirs: Vec<Column> = (0..self.group_types.len()).map(|at| Column::from_name(format!("q{at}"))).collect();
        // The left side is the one that is held in memory.
        let joined = known.join_detailed(self.rows.clone(), join_type, (theirs, ours), None, NullEquality::NullEqualsNull)?;
        Ok(joined.build()?)
    }

    /// One row for each of `keys`, with calculations and formulas.
    fn summary(&self, rows: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let calculations = &self.specification.calculations;
        let length = (self.times.end - self.times.start) as f64;
        if let Some(series) = &self.series {
            let stepped = series.stepped(&self.context, calculations, rows, keys, &Said::InAll(self.times))?;
            return self.with_formulas(series.aggregated(&self.context, calculations, stepped, keys)?, keys);
        }
        let mut plan = self.aggregated(rows.clone(), keys, None, length)?;
        if calculations.iter().any(|calculation| calculation.operation.is_rate()) {
            plan = self.with_rates(plan, rows, keys)?;
        }
        self.with_formulas(plan, keys)
    }

    fn apart(&self, plan: LogicalPlan, name: &str) -> Result<LogicalPlan, DataFusionError> {
        apart(&self.context, plan, name)
    }

    /// A rate over all of the range: how much a step adds on average, from the first step that has a value to the last.
    fn with_rates(&self, plan: LogicalPlan, rows: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let mut step_keys = vec![BUCKET.to_owned()];
        step_keys.extend_from_slice(keys);
        let rates: Vec<usize> = self.rates();
        let steps = self.calculated_at(&rates, self.each_in_its_step(rows, keys)?, &step_keys, None, self.times.step as f64)?;
        let joined = match self.context.spelled {
            true => self.with_ends_spelled(plan, steps, keys, &rates)?,
            false => self.with_ends(plan, steps, keys, &rates)?,
        };
        let mut columns: Vec<Expr> = keys.iter().map(|key| ident(key.as_str()).alias(key)).collect();
        for place in 0..self.specification.calculations.len() {
            let column = format!("c{place}");
            columns.push(match rates.contains(&place) {
                false => ident(&column).alias(column),
                true => {
                    let apart = ident(format!("n{place}")) - lit(1_i64);
                    let apart = call(self.context.functions, "nullif", vec![apart, lit(0_i64)])?;
                    let change = ident(format!("l{place}")) - ident(format!("o{place}"));
                    (change / cast(apart, DataType::Float64)).alias(column)
                }
            });
        }
        Ok(LogicalPlanBuilder::from(joined).project(columns)?.build()?)
    }

    /// A summary with the first value of each rate as `o`, the last as `l`, and how many steps have one as `n`.
    fn with_ends(
        &self,
        plan: LogicalPlan,
        steps: LogicalPlan,
        keys: &[String],
        rates: &[usize],
    ) -> Result<LogicalPlan, LowerError> {
        let mut aggregates = Vec::new();
        for place in rates {
            let value = ident(format!("c{place}"));
            let by_time = || vec![ident(BUCKET).sort(true, false)];
            for (name, column) in [("first_value", "o"), ("last_value", "l")] {
                let udf = self.context.functions.udaf(name)?;
                let ignoring = Some(NullTreatment::IgnoreNulls);
                let found = AggregateFunction::new_udf(udf, vec![value.clone()], false, None, by_time(), ignoring);
                aggregates.push(Expr::AggregateFunction(found).alias(format!("{column}{place}")));
            }
            aggregates.push(self.aggregate("count", vec![value], false)?.alias(format!("n{place}")));
        }
        let renamed = keys.iter().map(|key| ident(key.as_str()).alias(format!("y{key}"))).collect::<Vec<_>>();
        let rated = LogicalPlanBuilder::from(steps).aggregate(renamed, aggregates)?.build()?;
        let plan = LogicalPlanBuilder::from(plan);
        if keys.is_empty() {
            return Ok(plan.cross_join(rated)?.build()?);
        }
        let ours: Vec<Column> = keys.iter().map(Column::from_name).collect();
        let theirs: Vec<Column> = keys.iter().map(|key| Column::from_name(format!("y{key}"))).collect();
        Ok(plan.join_detailed(rated, JoinType::Left, (ours, theirs), None, NullEquality::NullEqualsNull)?.build()?)
    }

    /// The same in what SQL has words for: orders within aggregates and null treatments do not survive being told.
    fn with_ends_spelled(
        &self,
        plan: LogicalPlan,
        steps: LogicalPlan,
        keys: &[String],
        rates: &[usize],
    ) -> Result<LogicalPlan, LowerError> {
        let own = |name: String| ident(&name).alias(name);
        let mut windows = Vec::new();
        let mut columns = vec![own(BUCKET.to_owned())];
        columns.extend(keys.iter().map(|key| own(key.clone())));
        let mut aggregates = Vec::new();
        for place in rates {
            let value = || ident(format!("c{place}"));
            columns.push(own(format!("c{place}")));
            for (name, mark, column) in [("min", "e", "o"), ("max", "z", "l")] {
                let step = when(value().is_not_null(), ident(BUCKET)).otherwise(null_of(Type::Integer))?;
                let extreme = WindowFunction::new(self.context.functions.udaf(name)?, vec![step]);
                let extreme = Expr::WindowFunction(Box::new(extreme))
                    .partition_by(keys.iter().map(|key| ident(key.as_str())).collect())
                    .build()?;
                windows.push(extreme.alias(format!("{mark}{place}")));
                columns.push(own(format!("{mark}{place}")));
                let there = ident(BUCKET).eq(ident(format!("{mark}{place}")));
                let at_mark = when(there, value()).otherwise(null_of(Type::Float))?;
                aggregates.push(self.aggregate("max", vec![at_mark], false)?.alias(format!("{column}{place}")));
            }
            aggregates.push(self.aggregate("count", vec![value()], false)?.alias(format!("n{place}")));
        }
        let steps = self.apart(steps, "steps")?;
        let marked = LogicalPlanBuilder::from(steps).window(windows)?.project(columns)?.build()?;
        let renamed = keys.iter().map(|key| ident(key.as_str()).alias(format!("y{key}"))).collect::<Vec<_>>();
        let rated = LogicalPlanBuilder::from(self.apart(marked, "marked")?).aggregate(renamed, aggregates)?.build()?;
        let names: Vec<Expr> = rated.schema().fields().iter().map(|field| own(field.name().clone())).collect();
        let rated = self.apart(LogicalPlanBuilder::from(rated).project(names)?.build()?, "rated")?;
        let plan = LogicalPlanBuilder::from(self.apart(plan, "summary")?);
        if keys.is_empty() {
            return Ok(plan.cross_join(rated)?.build()?);
        }
        let same = |key: &String| {
            let (ours, theirs) = (Column::new(Some("summary"), key.as_str()), Column::new(Some("rated"), format!("y{key}")));
            binary_expr(Expr::Column(ours), Operator::IsNotDistinctFrom, Expr::Column(theirs))
        };
        Ok(plan.join_on(rated, JoinType::Left, keys.iter().map(same))?.build()?)
    }

    /// What the rows have that is still needed.
    pub(super) fn row_names(&self, keys: &[String]) -> Vec<String> {
        let mut names = vec![TIME.to_owned(), WEIGHT.to_owned()];
        names.extend_from_slice(keys);
        for (place, calculation) in self.specification.calculations.iter().enumerate() {
            if calculation.column.is_some() {
                names.push(format!("x{place}"));
            }
            if !calculation.filters.is_empty() {
                names.push(format!("k{place}"));
            }
        }
        names
    }

    fn aggregate(&self, name: &str, arguments: Vec<Expr>, distinct: bool) -> Result<Expr, DataFusionError> {
        let udf = self.context.functions.udaf(name)?;
        Ok(Expr::AggregateFunction(AggregateFunction::new_udf(udf, arguments, distinct, None, Vec::new(), None)))
    }

    /// Every calculation for each of `keys`. `first` names the column that tells a row from its repetitions in later steps;
    /// `length` is how long, in nanoseconds, what is running runs at most.
    pub(super) fn aggregated(
        &self,
        rows: LogicalPlan,
        keys: &[String],
        first: Option<&str>,
        length: f64,
    ) -> Result<LogicalPlan, LowerError> {
        let all: Vec<usize> = (0..self.specification.calculations.len()).collect();
        self.calculated_at(&all, rows, keys, first, length)
    }

    /// The same of the calculations at some places alone.
    fn calculated_at(
        &self,
        places: &[usize],
        rows: LogicalPlan,
        keys: &[String],
        first: Option<&str>,
        length: f64,
    ) -> Result<LogicalPlan, LowerError> {
        let columns: Vec<Expr> = keys.iter().map(|key| ident(key.as_str())).collect();
        let (aggregates, told) = self.calculated(places, first, length)?;
        let plan = LogicalPlanBuilder::from(rows).aggregate(columns.clone(), aggregates)?;
        Ok(plan.project(columns.into_iter().chain(told))?.build()?)
    }

    /// The aggregates that the calculations at `places` need, and the calculations, `c0…`, made of them.
    pub(super) fn calculated(
        &self,
        places: &[usize],
        first: Option<&str>,
        length: f64,
    ) -> Result<(Vec<Expr>, Vec<Expr>), LowerError> {
        let mut aggregates = Vec::new();
        let mut columns = Vec::new();
        let repeats = first.filter(|_| has_concurrency(self.specification));
        for &place in places {
            let calculation = &self.specification.calculations[place];
            let filtered = (!calculation.filters.is_empty()).then(|| ident(format!("k{place}")));
            let is_concurrency = calculation.operation == Operation::Concurrency;
            let once = repeats.filter(|_| !is_concurrency).map(ident);
            let counts = match (filtered, once) {
                (Some(one), Some(other)) => Some(one.and(other)),
                (one, other) => one.or(other),
            };
            let masked = |value: Expr, r#type: Type| match &counts {
                None => Ok(value),
                Some(counts) => when(counts.clone(), value).otherwise(null_of(r#type)),
            };
            let value_type = self.value_types[place];
            let weight = masked(ident(WEIGHT), Type::Float)?;
            let value = ident(format!("x{place}"));
            let (a, b) = (format!("a{place}"), format!("b{place}"));
            let told = match calculation.operation {
                Operation::Count => {
                    aggregates.push(self.aggregate("sum", vec![weight], false)?.alias(&a));
                    call(self.context.functions, "coalesce", vec![ident(&a), lit(0.0)])?
                }
                Operation::Concurrency => {
                    let covered = match repeats {
                        Some(_) => ident(COVERED),
                        None => {
                            let left = lit(self.times.end) - cast(ident(TIME), DataType::Int64);
                            let covered = call(self.context.functions, "least", vec![ident(DURATION), left])?;
                            cast(covered, DataType::Float64)
                        }
                    };
                    aggregates.push(self.aggregate("sum", vec![weight * covered], false)?.alias(&a));
                    call(self.context.functions, "coalesce", vec![ident(&a) / lit(length), lit(0.0)])?
                }
                Operation::Sum | Operation::RateSum => {
                    let value = masked(value, Type::Float)?;
                    aggregates.push(self.aggregate("sum", vec![value * ident(WEIGHT)], false)?.alias(&a));
                    ident(&a)
                }
                Operation::Avg | Operation::RateAvg => {
                    let value = masked(value, Type::Float)?;
                    let counted = when(value.clone().is_not_null(), ident(WEIGHT)).otherwise(null_of(Type::Float))?;
                    aggregates.push(self.aggregate("sum", vec![value * ident(WEIGHT)], false)?.alias(&a));
                    aggregates.push(self.aggregate("sum", vec![counted], false)?.alias(&b));
                    ident(&a) / ident(&b)
                }
                Operation::CountDistinct => {
                    aggregates.push(self.aggregate("count", vec![masked(value, value_type)?], true)?.alias(&a));
                    ident(&a)
                }
                Operation::Max | Operation::RateMax => {
                    aggregates.push(self.aggregate("max", vec![masked(value, Type::Float)?], false)?.alias(&a));
                    ident(&a)
                }
                Operation::Min => {
                    aggregates.push(self.aggregate("min", vec![masked(value, Type::Float)?], false)?.alias(&a));
                    ident(&a)
                }
                Operation::Percentile(share) => {
                    let arguments = vec![masked(value, value_type)?, lit(share), ident(WEIGHT)];
                    aggregates.push(self.aggregate("percentile", arguments, false)?.alias(&a));
                    ident(&a)
                }
                Operation::CountDatapoints | Operation::HistogramCount => null_of(Type::Float),
                Operation::Heatmap => {
                    let arguments = vec![masked(value, value_type)?, ident(WEIGHT)];
                    aggregates.push(self.aggregate("histogram", arguments, false)?.alias(&a));
                    ident(&a)
                }
            };
            columns.push(told.alias(format!("c{place}")));
        }
        Ok((aggregates, columns))
    }

    pub(super) fn with_formulas(&self, plan: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        if self.formulas.is_empty() {
            return Ok(plan);
        }
        let mut columns: Vec<Expr> = keys.iter().map(|key| ident(key.as_str())).collect();
        columns.extend((0..self.specification.calculations.len()).map(|place| ident(format!("c{place}"))));
        let column = |name: &str| {
            let calculations = &self.specification.calculations;
            let place = calculations.iter().position(|one| one.name.as_deref() == Some(name) || one.label() == name);
            Ok(place.filter(|place| calculations[*place].operation != Operation::Heatmap).map(|place| {
                let is_whole = calculations[place].operation == Operation::CountDistinct;
                Typed::new(ident(format!("c{place}")), if is_whole { Type::Integer } else { Type::Float })
            }))
        };
        let scope = Scope { functions: self.context.functions, column: &column, has_row: false };
        for (at, node) in self.formulas.iter().enumerate() {
            let formula = &self.specification.formulas[at];
            let path = format!("formulas[{at}].expression");
            let value = scope.lower(node).map_err(|error| fault(error, &path, &formula.expression))?;
            columns.push(value.expr.alias(format!("m{at}")));
        }
        Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
    }
}
