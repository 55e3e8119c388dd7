//! The counting as part of a logical plan, and how it becomes operators.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, DFSchemaRef, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::exec::BubbleUpExec;
use super::state;
use crate::dictionaries::scan::{Which, as_dictionaries};

/// Counts the first `columns` columns of its input, which ends with the selection and the weight.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BubbleUpNode {
    input: LogicalPlan,
    columns: usize,
    schema: DFSchemaRef,
}

/// The plan that counts the first `columns` columns of `rows`, which ends with two more: whether a row is selected, and its
/// weight. Its rows are read by [`super::Comparison::read`].
pub fn over(rows: LogicalPlan, columns: usize) -> Result<LogicalPlan> {
    let schema = Arc::new(DFSchema::try_from(state::schema())?);
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(BubbleUpNode { input: rows, columns, schema }) }))
}

impl PartialOrd for BubbleUpNode {
    fn partial_cmp(&self, other: &BubbleUpNode) -> Option<Ordering> {
        (self.columns == other.columns).then(|| self.input.partial_cmp(&other.input)).flatten()
    }
}

impl UserDefinedLogicalNodeCore for BubbleUpNode {
    fn name(&self) -> &str {
        "BubbleUp"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BubbleUp: {} columns", self.columns)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<BubbleUpNode> {
        let input = inputs.into_iter().next().ok_or_else(|| internal_datafusion_err!("expected an input"))?;
        Ok(BubbleUpNode { input, columns: self.columns, schema: Arc::clone(&self.schema) })
    }
}

/// DataFusion's planner, which knows our nodes too.
#[derive(Debug)]
pub struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn datafusion::catalog::Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(BubbleUpPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct BubbleUpPlanner;

#[async_trait]
impl ExtensionPlanner for BubbleUpPlanner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn datafusion::catalog::Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let (Some(node), [input]) = (node.as_any().downcast_ref::<BubbleUpNode>(), physical_inputs) else { return Ok(None) };
        let counting = BubbleUpExec::counting(Arc::clone(input), node.columns)?;
        Ok(Some(Arc::new(BubbleUpExec::adding_up(counting))))
    }
}

/// Has the counted texts read as dictionaries. Comes after DataFusion's own rules.
#[derive(Debug)]
pub struct CountCodes;

impl PhysicalOptimizerRule for CountCodes {
    fn name(&self) -> &str {
        "count_codes"
    }

    fn schema_check(&self) -> bool {
        true
    }

    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let rewritten = plan.transform_up(|plan| {
            let Some((input, columns)) = plan.downcast_ref::<BubbleUpExec>().and_then(BubbleUpExec::counted) else {
                return Ok(Transformed::no(plan));
            };
            let schema = input.schema();
            let is_text = |place: &usize| *schema.field(*place).data_type() == DataType::Utf8;
            let texts: HashSet<usize> = (0..columns).filter(is_text).collect();
            match as_dictionaries(input, &texts, Which::All)? {
                Some(input) => Ok(Transformed::yes(Arc::new(BubbleUpExec::counting(input, columns)?))),
                None => Ok(Transformed::no(plan)),
            }
        })?;
        Ok(rewritten.data)
    }
}
