//! Moving averages: of a row and those before it, in the order there is.

use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, WindowFunction};
use datafusion_expr::{Expr as Plan, WindowFrame, WindowFrameBound, WindowFrameUnits, lit, when};

use super::ast::{Trend, TrendKind};
use super::lower::{Lowered, Lowering};
use super::scope::Scope;
use super::seams::AggregateSeam;
use super::values::float;

impl Lowering<'_> {
    /// Rows without a number count as rows and not in the average.
    pub(super) fn trend(&self, trend: &Trend, scope: &mut Scope) -> Lowered<()> {
        self.ordered(scope)?;
        let value = self.expr(&trend.field, scope)?;
        let value = float(value, scope)?;
        let there = self.windowed(AggregateSeam::Count, lit(1_i64), trend.rows, scope)?;
        let average = match trend.kind {
            TrendKind::Simple => self.windowed(AggregateSeam::Avg, value, trend.rows, scope)?,
            TrendKind::Weighted => self.weighted(value, trend.rows, scope)?,
        };
        let whole = lit(i64::try_from(trend.rows).unwrap_or(i64::MAX));
        scope.define(&trend.alias, when(there.eq(whole), average).end()?)?;
        match scope.shown.is_empty() && !scope.is_display {
            true => scope.extracted.push(trend.alias.clone()),
            false => scope.show(&trend.alias),
        }
        match scope.order.clone() {
            Some(order) => self.reorder(order, scope),
            None => Ok(()),
        }
    }

    /// The sums of the last row, of the last two and so on, put together: so the newest counts as often as there are rows, and
    /// the oldest once.
    fn weighted(&self, value: Plan, rows: u64, scope: &mut Scope) -> Lowered<Plan> {
        let mut total = self.windowed(AggregateSeam::Sum, value.clone(), 1, scope)?;
        for last in 2..=rows {
            total = total + self.windowed(AggregateSeam::Sum, value.clone(), last, scope)?;
        }
        Ok(total / lit((rows * (rows + 1) / 2) as f64))
    }

    /// A column of an aggregate over the row and those before it, so many in all.
    fn windowed(&self, seam: AggregateSeam, value: Plan, rows: u64, scope: &mut Scope) -> Lowered<Plan> {
        let call = self.context.functions.aggregate(seam).call(vec![value]);
        let Plan::AggregateFunction(AggregateFunction { func, params }) = call else { return Ok(call) };
        let mut call = WindowFunction::new(func, params.args);
        call.params.order_by = scope.order.clone().unwrap_or_default();
        call.params.window_frame = WindowFrame::new_bounds(
            WindowFrameUnits::Rows,
            WindowFrameBound::Preceding(ScalarValue::UInt64(Some(rows - 1))),
            WindowFrameBound::CurrentRow,
        );
        let column = scope.free_name("@trend");
        let call = Plan::WindowFunction(Box::new(call)).alias(column.clone());
        scope.replace(|builder| builder.window([call]))?;
        Ok(Plan::Column(Column::from_name(column)))
    }
}
