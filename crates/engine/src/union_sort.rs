//! Tells the scans below a union in which order their rows are wanted.
//!
//! DataFusion tells a scan, so that it reads the most promising row groups first and a top-k can stop early; at a union, as
//! our tables are while they have rows in memory, it stops. The order is a hint: the sort above stays.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::PhysicalSortExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, SortOrderPushdownResult};

#[derive(Debug)]
pub(crate) struct SortThroughUnion;

impl PhysicalOptimizerRule for SortThroughUnion {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_down(|plan| {
            let Some(sort) = plan.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_some()) else {
                return Ok(Transformed::no(plan));
            };
            let Some(union) = sort.input().downcast_ref::<UnionExec>() else { return Ok(Transformed::no(plan)) };
            let inputs = union.inputs().iter().map(|input| hinted(input, sort.expr())).collect::<Result<Vec<_>>>()?;
            let sorted = SortExec::new(sort.expr().clone(), UnionExec::try_new(inputs)?)
                .with_fetch(sort.fetch())
                .with_preserve_partitioning(sort.preserve_partitioning());
            Ok(Transformed::yes(Arc::new(sorted) as Arc<dyn ExecutionPlan>))
        })
        .data()
    }

    fn name(&self) -> &str {
        "sort_through_union"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn hinted(input: &Arc<dyn ExecutionPlan>, order: &[PhysicalSortExpr]) -> Result<Arc<dyn ExecutionPlan>> {
    Ok(match input.try_pushdown_sort(order)? {
        SortOrderPushdownResult::Exact { inner } | SortOrderPushdownResult::Inexact { inner } => inner,
        SortOrderPushdownResult::Unsupported => Arc::clone(input),
    })
}
