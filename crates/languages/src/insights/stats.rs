//! `stats`: groups, aggregates, and what is reckoned from them.

use std::collections::BTreeMap;

use datafusion_common::{Column, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, WindowFunction};
use datafusion_expr::{Expr as Plan, WindowFrame, WindowFrameBound, WindowFrameUnits, lit};

use super::ast::{Expr, Function, Output, Place};
use super::lower::{Lowered, Lowering};
use super::lower_expr::aggregate_name;
use super::scope::Scope;
use super::seams::AggregateSeam;
use super::values::{float, is_dynamic, number, text, type_of};

impl Lowering<'_> {
    pub(super) fn stats(&self, aggregates: &[Output], by: &[Output], scope: &mut Scope) -> Lowered<()> {
        let mut keys = Vec::new();
        for output in by {
            let key = self.expr(&output.expr, scope)?;
            keys.push(key.alias(output.name()));
        }
        let mut calls = BTreeMap::new();
        for output in aggregates {
            self.collect(&output.expr, scope, &mut calls)?;
        }
        let calls: Vec<Plan> = calls.into_iter().map(|(name, call)| call.alias(name)).collect();
        scope.replace(|builder| builder.aggregate(keys, calls))?;

        let mut over = Scope::of_columns(scope.plan.clone());
        over.shown = Vec::new();
        over.shows_groups = true;
        over.unmasked = std::mem::take(&mut scope.unmasked);
        over.unknown_fields = std::mem::take(&mut scope.unknown_fields);
        let mut outputs: Vec<Plan> = Vec::new();
        for output in by {
            let name = output.name();
            outputs.push(over.field(&name, self.context));
            over.show(&name);
        }
        for output in aggregates {
            let name = output.name();
            let expr = self.expr(&output.expr, &mut over)?.alias(name.clone());
            if !over.shown.contains(&name) {
                outputs.push(expr);
                over.show(&name);
            }
        }
        over.replace(|builder| builder.project(outputs))?;
        over.sides[0].defined = over.shown.iter().map(|name| (name.clone(), name.clone())).collect();
        *scope = over;
        Ok(())
    }

    /// Each aggregate over the rows of the same group, beside each row.
    pub(super) fn event_stats(&self, aggregates: &[Output], by: &[Output], scope: &mut Scope) -> Lowered<()> {
        let mut keys = Vec::new();
        for output in by {
            keys.push(self.expr(&output.expr, scope)?);
        }
        for output in aggregates {
            let name = output.name();
            let Expr::Call { function, args, place } = &output.expr else {
                let place = Place::default();
                return Err(self.refused(place, "an aggregate alone, such as avg(field)", "something computed from it"));
            };
            if !function.is_aggregate() || matches!(function, Function::CountDistinct) {
                return Err(self.refused(*place, "an aggregate alone, and not of distinct values", function.as_str()));
            }
            let Plan::AggregateFunction(AggregateFunction { func, params }) = self.aggregate(*function, args, scope)? else {
                continue;
            };
            let mut call = WindowFunction::new(func, params.args);
            call.params.partition_by = keys.clone();
            call.params.order_by = params.order_by;
            call.params.window_frame = WindowFrame::new_bounds(
                WindowFrameUnits::Rows,
                WindowFrameBound::Preceding(ScalarValue::UInt64(None)),
                WindowFrameBound::Following(ScalarValue::UInt64(None)),
            );
            let column = scope.free_name(&name);
            let call = Plan::WindowFunction(Box::new(call)).alias(column.clone());
            scope.replace(|builder| builder.window([call]))?;
            scope.defined.retain(|(defined, _)| *defined != name);
            scope.defined.push((name.clone(), Column::from_name(column)));
            match scope.shown.is_empty() && !scope.is_display {
                true => scope.extracted.push(name),
                false => scope.show(&name),
            }
        }
        match scope.order.clone() {
            Some(order) => scope.replace(|builder| builder.sort(order)),
            None => Ok(()),
        }
    }

    /// Every aggregate in the expression, each once by what is written.
    fn collect(&self, expr: &Expr, scope: &mut Scope, calls: &mut BTreeMap<String, Plan>) -> Lowered<()> {
        match expr {
            Expr::Call { function, args, .. } if function.is_aggregate() => {
                let call = self.aggregate(*function, args, scope)?;
                calls.insert(aggregate_name(expr), call);
                Ok(())
            }
            Expr::Call { args, .. } => args.iter().try_for_each(|arg| self.collect(arg, scope, calls)),
            Expr::Not(inner) | Expr::Negative(inner) => self.collect(inner, scope, calls),
            Expr::Binary { left, right, .. } => {
                self.collect(left, scope, calls)?;
                self.collect(right, scope, calls)
            }
            Expr::In { expr, list, .. } => {
                self.collect(expr, scope, calls)?;
                list.iter().try_for_each(|one| self.collect(one, scope, calls))
            }
            Expr::InQuery { expr, .. } | Expr::Like { expr, .. } => self.collect(expr, scope, calls),
            Expr::Field { .. } | Expr::Number { .. } | Expr::Text(_) | Expr::Boolean(_) | Expr::Span(_) | Expr::Star => Ok(()),
        }
    }

    fn aggregate(&self, function: Function, args: &[Expr], scope: &mut Scope) -> Lowered<Plan> {
        let call = |seam, args: Vec<Plan>| self.context.functions.aggregate(seam).call(args);
        let arg = match args.first() {
            None | Some(Expr::Star) => lit(1_i64),
            Some(arg) => self.expr(arg, scope)?,
        };
        Ok(match function {
            Function::Count => call(AggregateSeam::Count, vec![arg]),
            Function::CountDistinct => match call(AggregateSeam::Count, vec![arg]) {
                Plan::AggregateFunction(AggregateFunction { func, mut params }) => {
                    params.distinct = true;
                    Plan::AggregateFunction(AggregateFunction { func, params })
                }
                other => other,
            },
            Function::Avg => call(AggregateSeam::Avg, vec![number(arg, scope)?]),
            Function::Sum => call(AggregateSeam::Sum, vec![number(arg, scope)?]),
            Function::Stddev => call(AggregateSeam::Stddev, vec![number(arg, scope)?]),
            Function::Min => call(AggregateSeam::Min, vec![self.ordered_value(arg, scope)?]),
            Function::Max => call(AggregateSeam::Max, vec![self.ordered_value(arg, scope)?]),
            Function::Pct => {
                let share = args.get(1).map_or(0.5, |share| match share {
                    Expr::Number { value, .. } => value / 100.0,
                    _ => 0.5,
                });
                call(AggregateSeam::Percentile, vec![float(arg, scope)?, lit(share)])
            }
            Function::Earliest => self.by_time(AggregateSeam::FirstValue, arg, scope),
            Function::Latest => self.by_time(AggregateSeam::LastValue, arg, scope),
            Function::SortsFirst => call(AggregateSeam::Min, vec![text(arg, scope, self.context)?]),
            Function::SortsLast => call(AggregateSeam::Max, vec![text(arg, scope, self.context)?]),
            _ => lit(ScalarValue::Utf8(None)),
        })
    }

    /// Texts out of messages are compared as numbers.
    fn ordered_value(&self, value: Plan, scope: &Scope) -> Lowered<Plan> {
        type_of(&value, scope)?;
        if is_dynamic(&value, scope) { number(value, scope) } else { Ok(value) }
    }

    fn by_time(&self, seam: AggregateSeam, value: Plan, scope: &mut Scope) -> Plan {
        let order = vec![scope.field("@timestamp", self.context).sort(true, false)];
        let func = self.context.functions.aggregate(seam);
        // What is not there has no first one.
        let filter = Some(Box::new(value.clone().is_not_null()));
        Plan::AggregateFunction(AggregateFunction::new_udf(func, vec![value], false, filter, order, None))
    }
}
