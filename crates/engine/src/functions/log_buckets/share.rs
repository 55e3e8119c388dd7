//! Several percentiles of one column are counted once.
//!
//! `percentile(x, 0.5)`, `percentile(x, 0.95)` and `percentile(x, 0.99)` of one grouping become one aggregate that tells all
//! three, and a projection that takes them apart again. DataFusion's `approx_percentile_cont`, its weighted sister and
//! `approx_median` are answered the same way: their promise is an approximate percentile, and ours states its error.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::functions_nested::extract::array_element;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::optimizer::AnalyzerRule;

use super::udaf::shared_percentiles;

#[derive(Debug)]
pub struct SharePercentiles {
    shared: Arc<AggregateUDF>,
}

impl SharePercentiles {
    pub fn new() -> SharePercentiles {
        SharePercentiles { shared: Arc::new(shared_percentiles()) }
    }
}

impl AnalyzerRule for SharePercentiles {
    fn name(&self) -> &str {
        "share_percentiles"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Aggregate(aggregate) => self.rewrite(aggregate),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(rewritten.data)
    }
}

/// A percentile somebody asked for.
struct Asked {
    number: Expr,
    weight: Expr,
    share: f64,
    filter: Option<Box<Expr>>,
}

/// One count that answers several.
struct Counted {
    number: Expr,
    weight: Expr,
    filter: Option<Box<Expr>>,
    shares: Vec<f64>,
}

impl SharePercentiles {
    fn rewrite(&self, aggregate: Aggregate) -> Result<Transformed<LogicalPlan>> {
        let asked: Vec<Option<Asked>> = aggregate.aggr_expr.iter().map(|expr| asked(expr, &aggregate)).collect();
        if asked.iter().all(Option::is_none) {
            return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
        }
        let mut counted: Vec<Counted> = Vec::new();
        let places: Vec<Option<(usize, usize)>> = asked.into_iter().map(|asked| Some(place(&mut counted, asked?))).collect();
        let shared: Vec<Expr> = counted.into_iter().map(|counted| self.expression(counted)).collect();

        let kept = aggregate.aggr_expr.iter().zip(&places).filter(|(_, place)| place.is_none()).map(|(expr, _)| expr.clone());
        let new_aggregates: Vec<Expr> = kept.chain(shared.iter().cloned()).collect();
        let old_schema = Arc::clone(&aggregate.schema);
        let groups = old_schema.fields().len() - aggregate.aggr_expr.len();
        let inner = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr, new_aggregates)?;

        let mut told = Vec::with_capacity(old_schema.fields().len());
        for (at, (qualifier, field)) in old_schema.iter().enumerate() {
            let column = Column::new(qualifier.cloned(), field.name());
            let Some(Some((count, share))) = at.checked_sub(groups).and_then(|at| places.get(at)) else {
                told.push(Expr::Column(column));
                continue;
            };
            let list = Expr::Column(Column::from_name(shared[*count].schema_name().to_string()));
            let number = array_element(list, lit(*share as i64 + 1));
            let number = if *field.data_type() == DataType::Float64 { number } else { cast(number, field.data_type().clone()) };
            told.push(number.alias_qualified(qualifier.cloned(), field.name()));
        }
        Ok(Transformed::yes(LogicalPlanBuilder::from(LogicalPlan::Aggregate(inner)).project(told)?.build()?))
    }

    fn expression(&self, counted: Counted) -> Expr {
        let shares = counted.shares.into_iter().map(lit);
        Expr::AggregateFunction(AggregateFunction {
            func: Arc::clone(&self.shared),
            params: AggregateFunctionParams {
                args: [counted.number, counted.weight].into_iter().chain(shares).collect(),
                distinct: false,
                filter: counted.filter,
                order_by: Vec::new(),
                null_treatment: None,
            },
        })
    }
}

/// Which count answers what was asked, and which of its shares.
fn place(counted: &mut Vec<Counted>, asked: Asked) -> (usize, usize) {
    let same =
        |counted: &Counted| counted.number == asked.number && counted.weight == asked.weight && counted.filter == asked.filter;
    let count = counted.iter().position(same).unwrap_or_else(|| {
        counted.push(Counted { number: asked.number, weight: asked.weight, filter: asked.filter, shares: Vec::new() });
        counted.len() - 1
    });
    let shares = &mut counted[count].shares;
    let share = shares.iter().position(|share| *share == asked.share).unwrap_or_else(|| {
        shares.push(asked.share);
        shares.len() - 1
    });
    (count, share)
}

/// The percentile that an aggregate asks for, if it is one that counts can answer.
fn asked(expr: &Expr, aggregate: &Aggregate) -> Option<Asked> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return None };
    if params.distinct || params.order_by.len() > 1 || params.null_treatment.is_some() {
        return None;
    }
    let is_descending = params.order_by.first().is_some_and(|order| !order.asc);
    let (number, share, weight) = match (func.name(), params.args.as_slice()) {
        ("percentile", [number, share]) => (number, share_of(share)?, lit(1.0)),
        ("percentile", [number, share, weight]) => (number, share_of(share)?, weight.clone()),
        // A number of centroids says how exact it should be at least; ours is as exact for any.
        ("approx_percentile_cont", [number, share] | [number, share, _]) => (number, share_of(share)?, lit(1.0)),
        ("approx_percentile_cont_with_weight", [number, weight, share] | [number, weight, share, _]) => {
            (number, share_of(share)?, cast(weight.clone(), DataType::Float64))
        }
        ("approx_median", [number]) => (number, 0.5, lit(1.0)),
        _ => return None,
    };
    let number = counted_number(number, aggregate)?;
    let share = if is_descending { 1.0 - share } else { share };
    Some(Asked { number, weight, share, filter: params.filter.clone() })
}

fn share_of(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(share)), _) => (0.0..=1.0).contains(share).then_some(*share),
        Expr::Literal(ScalarValue::Int64(Some(0)), _) => Some(0.0),
        Expr::Literal(ScalarValue::Int64(Some(1)), _) => Some(1.0),
        Expr::Cast(inner) => share_of(&inner.expr),
        _ => None,
    }
}

/// The number as it is counted: whole ones as they are, so that a cast to floats before it is left out.
fn counted_number(number: &Expr, aggregate: &Aggregate) -> Option<Expr> {
    let schema = aggregate.input.schema();
    if let Expr::Cast(inner) = number
        && inner.expr.get_type(schema).ok()? == DataType::Int64
    {
        return Some(inner.expr.as_ref().clone());
    }
    match number.get_type(schema).ok()? {
        DataType::Int64 | DataType::Float64 => Some(number.clone()),
        data_type if data_type.is_integer() || data_type.is_floating() => Some(cast(number.clone(), DataType::Float64)),
        _ => None,
    }
}
