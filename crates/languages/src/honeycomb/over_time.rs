//! The lines of a chart: a query's calculations in each step of its range.
//!
//! A row counts in the step that it began in; where concurrency is asked for, in every step that its span touches. A rate is the
//! difference to the step before that has a value. [`Lowered::named_series`] is the same for people: one statement that finds the
//! groups and tells their steps.

use datafusion_common::ScalarValue;
use datafusion_common::arrow::datatypes::DataType;
use datafusion_expr::expr::WindowFunction;
use datafusion_expr::{
    Expr, ExprFunctionExt, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, binary_expr, cast, ident, lit,
};

use super::expression::TIME;
use super::lower::{BUCKET, COVERED, DURATION, FIRST, Lowered, PLACE, Times, has_concurrency};
use super::rows::{LowerError, apart, columns_of, own, unfolded};
use super::series::Said;
use super::typed::call;

/// When a step begins, where people read it.
const STEP_TIME: &str = "time";

impl Lowered<'_> {
    /// One row a step and group; `place` is the group's in `groups`.
    pub fn series(&self, groups: &[Vec<ScalarValue>]) -> Result<LogicalPlan, LowerError> {
        let (rows, keys) = match self.group_types.is_empty() {
            true => (self.rows.clone(), Vec::new()),
            false => (self.placed(groups, JoinType::Inner)?, vec![PLACE.to_owned()]),
        };
        self.over_time(rows, &keys)
    }

    pub fn total_series(&self) -> Result<LogicalPlan, LowerError> {
        self.over_time(self.rows.clone(), &[])
    }

    /// One row a step and group of the first `limit`, under Honeycomb's names, with the time that the step begins at.
    pub fn named_series(&self, limit: usize) -> Result<LogicalPlan, LowerError> {
        let keys = self.group_columns();
        let rows = if keys.is_empty() { self.rows.clone() } else { self.rows_of_first(limit)? };
        let steps = self.over_time(rows, &keys)?;
        let begin = ident(BUCKET) * lit(self.times.step) + lit(self.times.first_step);
        let begin = call(self.context.functions, "to_timestamp_nanos", vec![begin])?.alias(STEP_TIME);
        let named = self.groups().into_iter().chain(self.values());
        let named = named.map(|column| ident(column.column).alias(column.label));
        Ok(LogicalPlanBuilder::from(steps).project(std::iter::once(begin).chain(named))?.build()?)
    }

    /// The rows of the groups that the summary tells first.
    fn rows_of_first(&self, limit: usize) -> Result<LogicalPlan, LowerError> {
        let keys = self.group_columns();
        let theirs = |key: &str| format!("t{key}");
        let told = keys.iter().map(|key| ident(key).alias(theirs(key)));
        let told = LogicalPlanBuilder::from(self.first(limit)?).project(told)?.alias("told")?.build()?;
        let columns = own(&self.context, columns_of(&self.rows));
        let same = |key: &String| binary_expr(ident(key.as_str()), Operator::IsNotDistinctFrom, ident(theirs(key)));
        let joined =
            LogicalPlanBuilder::from(self.rows.clone()).alias("events")?.join_on(told, JoinType::Inner, keys.iter().map(same))?;
        Ok(apart(&self.context, joined.project(columns)?.build()?, "of_told")?)
    }

    /// One row a step and key.
    fn over_time(&self, rows: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let mut step_keys = vec![BUCKET.to_owned()];
        step_keys.extend_from_slice(keys);
        let plan = match &self.series {
            None => self.aggregated(self.stepped(rows, keys)?, &step_keys, Some(FIRST), self.times.step as f64)?,
            Some(series) => {
                let calculations = &self.specification.calculations;
                let stepped = series.stepped(&self.context, calculations, rows, keys, &Said::InEachStep(self.times))?;
                series.aggregated(&self.context, calculations, stepped, &step_keys)?
            }
        };
        let plan = self.with_formulas(self.with_differences(plan, &step_keys, keys)?, &step_keys)?;
        Ok(LogicalPlanBuilder::from(plan).sort(step_keys.iter().map(|key| ident(key.as_str()).sort(true, false)))?.build()?)
    }

    /// Rates as what a step differs by from the one before of the same keys.
    fn with_differences(&self, plan: LogicalPlan, step_keys: &[String], keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let rates = self.rates();
        if rates.is_empty() {
            return Ok(plan);
        }
        let mut steps = apart(&self.context, plan, "steps")?;
        for place in &rates {
            let value = ident(format!("c{place}"));
            let lag = WindowFunction::new(self.context.functions.udwf("lag")?, vec![value.clone()]);
            // A step that is there for what runs through it has no value to differ from: such steps stand apart.
            let of = keys.iter().map(|key| ident(key.as_str())).chain([value.is_null()]);
            let lag = Expr::WindowFunction(Box::new(lag))
                .partition_by(of.collect())
                .order_by(vec![ident(BUCKET).sort(true, false)])
                .build()?;
            steps = LogicalPlanBuilder::from(steps).window([lag.alias(format!("v{place}"))])?.build()?;
        }
        let mut columns = own(&self.context, step_keys);
        for place in 0..self.specification.calculations.len() {
            let column = format!("c{place}");
            let value = match rates.contains(&place) {
                true => ident(column.as_str()) - ident(format!("v{place}")),
                false => ident(column.as_str()),
            };
            columns.push(value.alias(column));
        }
        Ok(LogicalPlanBuilder::from(steps).project(columns)?.build()?)
    }

    /// The calculations that are rates.
    pub(super) fn rates(&self) -> Vec<usize> {
        let calculations = self.specification.calculations.iter().enumerate();
        calculations.filter(|(_, one)| one.operation.is_rate()).map(|(place, _)| place).collect()
    }

    /// The rows with the step of each. Where concurrency is asked for, a row is there once for each step that its span touches.
    pub(super) fn stepped(&self, rows: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        if !has_concurrency(self.specification) {
            return self.each_in_its_step(rows, keys);
        }
        let Times { step, end, first_step, .. } = self.times;
        let function = |name: &str, arguments: Vec<Expr>| call(self.context.functions, name, arguments);
        let begin = || cast(ident(TIME), DataType::Int64);
        let finish = || function("least", vec![begin() + ident(DURATION), lit(end)]);
        // The last nanosecond that the span is running, or its beginning.
        let last = function("greatest", vec![finish()? - lit(1_i64), begin()])?;
        let touched = function("range", vec![self.times.step_of(begin()), self.times.step_of(last) + lit(1_i64)])?;
        let mut kept = self.row_names(keys);
        kept.push(DURATION.to_owned());
        let exploded = unfolded(&self.context, rows, &kept, touched, BUCKET)?;
        let step_begin = || ident(BUCKET) * lit(step) + lit(first_step);
        let from = function("greatest", vec![begin(), step_begin()])?;
        let to = function("least", vec![finish()?, step_begin() + lit(step)])?;
        let covered = function("greatest", vec![to - from, lit(0_i64)])?;
        let mut columns = own(&self.context, self.row_names(keys));
        columns.extend([
            ident(BUCKET).alias(BUCKET),
            ident(BUCKET).eq(self.times.step_of(begin())).alias(FIRST),
            cast(covered, DataType::Float64).alias(COVERED),
        ]);
        Ok(LogicalPlanBuilder::from(exploded).project(columns)?.build()?)
    }

    /// Each row once, in the step that it began in.
    pub(super) fn each_in_its_step(&self, rows: LogicalPlan, keys: &[String]) -> Result<LogicalPlan, LowerError> {
        let mut columns = own(&self.context, self.row_names(keys));
        let Times { first_step, step, .. } = self.times;
        let steps = vec![ident(TIME), lit(first_step), lit(step)];
        columns.push(call(self.context.functions, "time_step", steps)?.alias(BUCKET));
        columns.push(lit(true).alias(FIRST));
        Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
    }
}
