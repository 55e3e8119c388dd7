//! Attributes that did not become columns: looked for in `attributes_rest` wherever a part or a batch may have them there.
//!
//! A part has at most so many attribute columns; what is beyond goes, row by row, into one JSON object. A question that
//! names an attribute means it wherever it is: its column if it has a value there, else the member of that object. Few parts
//! have such objects; the others have no such column, and are read as if this did not exist.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, is_not_null, kernels::zip::zip};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::{self, CastExpr, Column};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory};
use store::columns::ATTRIBUTES_REST;

use crate::functions::attribute;

/// The attributes that one question names, for the files whose `attributes_rest` is not empty.
#[derive(Debug)]
pub(crate) struct RestColumns {
    names: Arc<HashSet<String>>,
}

/// A value that does not fit its column's type reads as null.
const CAST: CastOptions<'static> = CastOptions { safe: true, format_options: arrow::util::display::FormatOptions::new() };

impl RestColumns {
    pub fn new(names: HashSet<String>) -> RestColumns {
        RestColumns { names: Arc::new(names) }
    }

    /// The batch with its named columns filled from the `attributes_rest` of the batch it was made from.
    pub fn fill(&self, batch: RecordBatch, stored: &RecordBatch) -> Result<RecordBatch> {
        let Some(rest) = stored.column_by_name(ATTRIBUTES_REST).filter(|rest| rest.null_count() < rest.len()) else {
            return Ok(batch);
        };
        let schema = batch.schema();
        let mut columns = batch.columns().to_vec();
        for (field, column) in schema.fields().iter().zip(&mut columns) {
            if self.names.contains(field.name()) {
                let found = cast_with_options(&attribute::members(rest, field.name())?, field.data_type(), &CAST)?;
                *column = or_else(column, &found)?;
            }
        }
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

/// The first where it has a value, else the second.
fn or_else(column: &ArrayRef, other: &ArrayRef) -> Result<ArrayRef> {
    Ok(zip(&is_not_null(column)?, column, other)?)
}

impl PhysicalExprAdapterFactory for RestColumns {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let stock = DefaultPhysicalExprAdapterFactory.create(Arc::clone(&logical), Arc::clone(&physical))?;
        if physical.column_with_name(ATTRIBUTES_REST).is_none() {
            return Ok(stock);
        }
        Ok(Arc::new(RestAdapter { names: Arc::clone(&self.names), stock, logical, physical }))
    }
}

#[derive(Debug)]
struct RestAdapter {
    names: Arc<HashSet<String>>,
    logical: SchemaRef,
    physical: SchemaRef,
    stock: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for RestAdapter {
    /// Names become expressions over the table's columns; the stock adapter makes those of the file of them.
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let expr = expr
            .transform_up(|expr| match expr.downcast_ref::<Column>().filter(|column| self.names.contains(column.name())) {
                Some(column) => self.looked_up(column).map(Transformed::yes),
                None => Ok(Transformed::no(expr)),
            })
            .data()?;
        self.stock.rewrite(expr)
    }
}

impl RestAdapter {
    fn looked_up(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let wanted = self.logical.field_with_name(column.name())?.data_type();
        let rest: Arc<dyn PhysicalExpr> = Arc::new(Column::new_with_schema(ATTRIBUTES_REST, &self.logical)?);
        let key = expressions::lit(column.name());
        let config = Arc::new(ConfigOptions::default());
        let mut found: Arc<dyn PhysicalExpr> =
            Arc::new(ScalarFunctionExpr::try_new(attribute::udf(), vec![rest, key], &self.logical, config)?);
        if *wanted != DataType::Utf8 {
            found = Arc::new(CastExpr::new(found, wanted.clone(), Some(CAST)));
        }
        if self.physical.column_with_name(column.name()).is_none() {
            return Ok(found);
        }
        let own: Arc<dyn PhysicalExpr> = Arc::new(column.clone());
        expressions::case(None, vec![(expressions::is_not_null(Arc::clone(&own))?, own)], Some(found))
    }
}
