//! Ids in SQL as people write them: `trace_id = '1-58406520-a006649127e371903a2de979'`.
//!
//! Ids are fixed-size bytes in the store. Before types are checked, a text literal compared with an id column becomes the
//! bytes it spells; a text that is no id becomes an error that says so.

use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan};
use datafusion::optimizer::AnalyzerRule;
use model::{SpanId, TraceId};

#[derive(Debug, Default)]
pub struct IdLiterals;

impl AnalyzerRule for IdLiterals {
    fn name(&self) -> &str {
        "id_literals"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|plan| {
            let mut schema = DFSchema::empty();
            for input in plan.inputs() {
                schema.merge(input.schema());
            }
            if let LogicalPlan::TableScan(scan) = &plan {
                schema.merge(&scan.projected_schema);
            }
            plan.map_expressions(|expr| expr.transform_up(|expr| rewrite(expr, &schema)))
        })?;
        Ok(rewritten.data)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() || op.negate().is_some() => {
            let (new_left, new_right) = (id_like(&left, &right, schema)?, id_like(&right, &left, schema)?);
            let changed = new_left.is_some() || new_right.is_some();
            let left = new_left.map(Box::new).unwrap_or(left);
            let right = new_right.map(Box::new).unwrap_or(right);
            Ok(Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let mut changed = false;
            let list = list
                .into_iter()
                .map(|item| {
                    let new = id_like(&item, &expr, schema)?;
                    changed |= new.is_some();
                    Ok(new.unwrap_or(item))
                })
                .collect::<Result<Vec<_>>>()?;
            Ok(Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), changed))
        }
        other => Ok(Transformed::no(other)),
    }
}

/// The literal as id bytes, when `other` is an id column and `literal` a text.
fn id_like(literal: &Expr, other: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
    let Expr::Literal(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), metadata) = literal else {
        return Ok(None);
    };
    let Ok(DataType::FixedSizeBinary(size)) = other.get_type(schema) else { return Ok(None) };
    let bytes = match size {
        16 => TraceId::parse(text).map(|id| id.0.to_vec()),
        8 => SpanId::parse(text).map(|id| id.0.to_vec()),
        _ => return Ok(None),
    };
    match bytes {
        Ok(bytes) => Ok(Some(Expr::Literal(ScalarValue::FixedSizeBinary(size, Some(bytes)), metadata.clone()))),
        Err(error) => plan_err!("{error}"),
    }
}
