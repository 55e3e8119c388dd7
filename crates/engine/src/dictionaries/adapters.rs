//! From a file's columns to the table's: casts as DataFusion makes them, and what dictionaries make cheaper.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, AsArray, DictionaryArray, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr_adapter::{DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory};
use datafusion::physical_plan::PhysicalExpr;

use super::over_values::OverValues;
use super::{dictionary_type, is_dictionary};

/// Makes the adapter of each file.
#[derive(Debug)]
pub struct Adapters {
    inner: Arc<dyn PhysicalExprAdapterFactory>,
}

impl Adapters {
    /// What `inner` does, DataFusion's own unless another is given, and dictionaries kept.
    pub fn over(inner: Option<Arc<dyn PhysicalExprAdapterFactory>>) -> Adapters {
        Adapters { inner: inner.unwrap_or_else(|| Arc::new(DefaultPhysicalExprAdapterFactory)) }
    }
}

impl PhysicalExprAdapterFactory for Adapters {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let inner = self.inner.create(in_texts(&logical), Arc::clone(&physical))?;
        Ok(Arc::new(Adapter { inner, logical, physical }))
    }
}

/// The schema with plain texts for dictionaries.
fn in_texts(schema: &SchemaRef) -> SchemaRef {
    if !schema.fields().iter().any(|field| is_dictionary(field.data_type())) {
        return Arc::clone(schema);
    }
    let fields = schema.fields().iter().map(|field| {
        let data_type = if is_dictionary(field.data_type()) { DataType::Utf8 } else { field.data_type().clone() };
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

#[derive(Debug)]
struct Adapter {
    /// Knows texts only.
    inner: Arc<dyn PhysicalExprAdapter>,
    logical: SchemaRef,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let column = expr.downcast_ref::<Column>().and_then(|column| self.logical.field_with_name(column.name()).ok());
        let wants_codes = column.is_some_and(|field| is_dictionary(field.data_type()));
        let adapted = over_dictionaries(self.inner.rewrite(expr)?, &self.physical)?;
        if !wants_codes {
            return Ok(adapted);
        }
        if let Some(cast) = adapted.downcast_ref::<CastExpr>()
            && is_dictionary(&cast.expr().data_type(&self.physical)?)
        {
            return Ok(Arc::clone(cast.expr()));
        }
        Ok(Arc::new(OwnCodes::new(adapted)))
    }
}

/// The expression with what depends on one dictionary column of `schema` evaluated over its values.
pub fn over_dictionaries(expr: Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Arc<dyn PhysicalExpr>> {
    let rewritten = expr.transform_down(|expr| {
        if let Some(cast) = expr.downcast_ref::<CastExpr>() {
            if *cast.cast_type() == DataType::Utf8 && cast.expr().data_type(schema)? == DataType::Utf8 {
                let texts = over_dictionaries(Arc::clone(cast.expr()), schema)?;
                return Ok(Transformed::new(texts, true, TreeNodeRecursion::Jump));
            }
            if *cast.cast_type() == DataType::Utf8 && cast.expr().downcast_ref::<Column>().is_some() {
                // Nothing but the text is asked for.
                return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
            }
        }
        if expr.downcast_ref::<Column>().is_some() || expr.downcast_ref::<OverValues>().is_some() {
            return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
        }
        match only_dictionary(&expr, schema)? {
            Some(column) => {
                let over = OverValues::new(Arc::new(column.clone()), over_texts(&expr, &column)?, column.name());
                Ok(Transformed::new(Arc::new(over), true, TreeNodeRecursion::Jump))
            }
            None => Ok(Transformed::no(expr)),
        }
    })?;
    Ok(rewritten.data)
}

/// The one dictionary column the expression depends on, when its answer depends on nothing else.
fn only_dictionary(expr: &Arc<dyn PhysicalExpr>, schema: &Schema) -> Result<Option<Column>> {
    let mut found: Option<Column> = None;
    let mut fits = true;
    expr.apply(|expr| {
        if expr.is_volatile_node() || expr.snapshot_generation() != 0 || expr.downcast_ref::<OverValues>().is_some() {
            fits = false;
        }
        if let Some(column) = expr.downcast_ref::<Column>() {
            match &found {
                Some(found) if found != column => fits = false,
                _ => found = Some(column.clone()),
            }
        }
        Ok(if fits { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    let is_coded = |column: &Column| schema.fields().get(column.index()).is_some_and(|field| is_dictionary(field.data_type()));
    Ok(found.filter(|column| fits && is_coded(column)))
}

/// The expression over the column's texts, which are the only column.
fn over_texts(expr: &Arc<dyn PhysicalExpr>, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
    let texts = |expr: &Arc<dyn PhysicalExpr>| -> Option<Arc<dyn PhysicalExpr>> {
        let is_column = |expr: &Arc<dyn PhysicalExpr>| expr.downcast_ref::<Column>().is_some();
        let text = || -> Arc<dyn PhysicalExpr> { Arc::new(Column::new(column.name(), 0)) };
        if is_column(expr) {
            return Some(text());
        }
        let cast = expr.downcast_ref::<CastExpr>()?;
        (*cast.cast_type() == DataType::Utf8 && is_column(cast.expr())).then(text)
    };
    let rewritten = Arc::clone(expr).transform_down(|expr| match texts(&expr) {
        Some(text) => Ok(Transformed::new(text, true, TreeNodeRecursion::Jump)),
        None => Ok(Transformed::no(expr)),
    })?;
    Ok(rewritten.data)
}

/// Texts as a dictionary in which each row has a value of its own: costs nothing, and what counts codes still works.
#[derive(Debug, Eq)]
pub struct OwnCodes {
    texts: Arc<dyn PhysicalExpr>,
}

impl OwnCodes {
    pub fn new(texts: Arc<dyn PhysicalExpr>) -> OwnCodes {
        OwnCodes { texts }
    }
}

impl PhysicalExpr for OwnCodes {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        Ok(dictionary_type())
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.texts.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let texts = self.texts.evaluate(batch)?.into_array(batch.num_rows())?;
        if texts.as_string_opt::<i32>().is_none() {
            return internal_err!("expected texts, found {}", texts.data_type());
        }
        let codes = Int32Array::new((0..texts.len() as i32).collect(), texts.nulls().cloned());
        Ok(ColumnarValue::Array(Arc::new(DictionaryArray::<Int32Type>::try_new(codes, texts)?)))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.texts]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let texts = children.into_iter().next().ok_or_else(|| internal_datafusion_err!("expected texts"))?;
        Ok(Arc::new(OwnCodes { texts }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.texts.fmt_sql(f)
    }
}

impl PartialEq for OwnCodes {
    fn eq(&self, other: &OwnCodes) -> bool {
        self.texts.eq(&other.texts)
    }
}

impl Hash for OwnCodes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.texts.hash(state);
    }
}

impl fmt::Display for OwnCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.texts, f)
    }
}
