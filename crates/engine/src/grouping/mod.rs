//! The first stage of grouping by texts that repeat, on codes instead of texts.
//!
//! DataFusion hashes and compares every text of every row. Where the texts come as dictionaries a row's group is found with a
//! look-up a column, and each text is hashed once per row group. [`CodeGrouping`] is the rule that finds such plans;
//! [`exec::CodeGroupingExec`] takes the place of the partial stage alone: it gives what DataFusion's own would, states of
//! DataFusion's own accumulators by group, and the final stage, spilling included, is DataFusion's. Of several grouping sets only
//! the finest is made of rows; the others are made of its states ([`sets`]).

pub mod exec;
mod groups;
mod sets;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::{ExecutionPlan, InputOrderMode};

use crate::dictionaries::scan::{Which, as_dictionaries};
use exec::CodeGroupingExec;
use sets::Sets;

/// Groups on codes where a scan can give them. Comes after DataFusion's own rules.
#[derive(Debug)]
pub struct CodeGrouping;

impl PhysicalOptimizerRule for CodeGrouping {
    fn name(&self) -> &str {
        "code_grouping"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_up(|plan| {
            let Some(aggregate) = plan.downcast_ref::<AggregateExec>() else { return Ok(Transformed::no(plan)) };
            match on_codes(aggregate)? {
                Some(new) => Ok(Transformed::yes(new)),
                None => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(rewritten.data)
    }
}

fn on_codes(aggregate: &AggregateExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let plain = *aggregate.mode() == AggregateMode::Partial
        && *aggregate.input_order_mode() == InputOrderMode::Linear
        && Sets::of(aggregate.group_expr()).is_some()
        && aggregate.limit_options().is_none()
        && aggregate.dynamic_expressions_produced().is_empty()
        && aggregate
            .aggr_expr()
            .iter()
            .all(|expr| expr.groups_accumulator_supported() && !expr.is_distinct() && expr.order_bys().is_empty());
    if !plain {
        return Ok(None);
    }
    let grouped = aggregate.group_expr().input_exprs();
    let wanted: HashSet<usize> = grouped.iter().filter_map(|expr| expr.downcast_ref::<Column>().map(Column::index)).collect();
    let read_otherwise = other_columns(aggregate)?;
    let wanted = wanted.difference(&read_otherwise).copied().collect();
    match as_dictionaries(aggregate.input(), &wanted, Which::Repeating)? {
        Some(input) => CodeGroupingExec::try_new(aggregate, input),
        // Without texts there is nothing to gain but that several sets are of one reading.
        None if aggregate.group_expr().is_single() => Ok(None),
        None => CodeGroupingExec::try_new(aggregate, Arc::clone(aggregate.input())),
    }
}

/// Columns that aggregates, filters or computed groups read: they stay texts.
fn other_columns(aggregate: &AggregateExec) -> Result<HashSet<usize>> {
    let mut columns = HashSet::new();
    let arguments = aggregate.aggr_expr().iter().flat_map(|expr| expr.expressions());
    let filters = aggregate.filter_expr().iter().flatten().cloned();
    let groups = aggregate.group_expr().input_exprs().into_iter().filter(|expr| expr.downcast_ref::<Column>().is_none());
    for expr in arguments.chain(filters).chain(groups) {
        columns.extend(datafusion::physical_expr::utils::collect_columns(&expr).into_iter().map(|column| column.index()));
    }
    Ok(columns)
}
