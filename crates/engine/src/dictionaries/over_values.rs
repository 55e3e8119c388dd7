//! An expression over one dictionary column, evaluated on its values and looked up by the codes.
//!
//! `status_code = 'error'` over eight thousand rows compares a handful of texts; the rest is one look-up a row. Any expression
//! will do, patterns and functions too, as long as it depends on that column alone.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt32Array, new_null_array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use parking_lot::Mutex;

/// `expr` over the plain texts of `column`.
pub struct OverValues {
    /// A dictionary column of the input.
    column: Arc<dyn PhysicalExpr>,
    /// Reads its texts as the only column.
    expr: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    last: Mutex<Option<Last>>,
}

/// What the expression gave for the dictionary seen last: batches of one row group share theirs.
struct Last {
    values: ArrayRef,
    /// Rows that asked so far.
    rows: usize,
    /// One more than there are values; the last is for null.
    result: Option<ArrayRef>,
}

impl OverValues {
    pub fn new(column: Arc<dyn PhysicalExpr>, expr: Arc<dyn PhysicalExpr>, name: &str) -> OverValues {
        let schema = Arc::new(Schema::new(vec![Field::new(name, DataType::Utf8, true)]));
        OverValues { column, expr, schema, last: Mutex::new(None) }
    }

    /// The result for each value and for null; `None` while fewer rows asked for it than there are values.
    fn result(&self, values: &ArrayRef, rows: usize) -> Result<Option<ArrayRef>> {
        let mut last = self.last.lock();
        let seen = match last.as_ref().filter(|last| same_values(&last.values, values)) {
            Some(Last { result: Some(result), .. }) => return Ok(Some(Arc::clone(result))),
            Some(Last { rows, .. }) => *rows,
            None => 0,
        };
        if seen + rows < values.len() {
            *last = Some(Last { values: Arc::clone(values), rows: seen + rows, result: None });
            return Ok(None);
        }
        let with_null = concat(&[values.as_ref(), new_null_array(values.data_type(), 1).as_ref()])?;
        let count = with_null.len();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![with_null])?;
        let result = self.expr.evaluate(&batch)?.into_array(count)?;
        *last = Some(Last { values: Arc::clone(values), rows: seen + rows, result: Some(Arc::clone(&result)) });
        Ok(Some(result))
    }
}

/// Whether both are the same texts in memory.
pub fn same_values(a: &ArrayRef, b: &ArrayRef) -> bool {
    let place = |array: &StringArray| (array.value_data().as_ptr(), array.value_offsets().as_ptr(), array.len());
    match (a.as_string_opt::<i32>(), b.as_string_opt::<i32>()) {
        (Some(a), Some(b)) => place(a) == place(b),
        _ => false,
    }
}

impl PhysicalExpr for OverValues {
    fn data_type(&self, _input: &Schema) -> Result<DataType> {
        self.expr.data_type(&self.schema)
    }

    fn nullable(&self, _input: &Schema) -> Result<bool> {
        self.expr.nullable(&self.schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let column = self.column.evaluate(batch)?.into_array(batch.num_rows())?;
        let Some(dictionary) = column.as_dictionary_opt::<Int32Type>() else {
            return internal_err!("expected a dictionary, found {}", column.data_type());
        };
        let values = dictionary.values();
        let Some(result) = self.result(values, batch.num_rows())? else {
            let texts = arrow::compute::cast(&column, &DataType::Utf8)?;
            return self.expr.evaluate(&RecordBatch::try_new(Arc::clone(&self.schema), vec![texts])?);
        };
        let null_code = values.len() as u32;
        let keys = dictionary.keys();
        let code = |row: usize| if keys.is_null(row) { null_code } else { keys.values()[row] as u32 };
        match result.as_boolean_opt() {
            Some(results) => Ok(ColumnarValue::Array(Arc::new(look_up(results, keys.values(), dictionary, null_code)))),
            None => {
                let codes = UInt32Array::from_iter_values((0..keys.len()).map(code));
                Ok(ColumnarValue::Array(take(&result, &codes, None)?))
            }
        }
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.column]
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let column = children.into_iter().next().ok_or_else(|| internal_datafusion_err!("expected a column"))?;
        Ok(Arc::new(OverValues {
            column,
            expr: Arc::clone(&self.expr),
            schema: Arc::clone(&self.schema),
            last: Mutex::new(None),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt_sql(f)
    }
}

/// The condition's answer for each code.
fn look_up(
    results: &BooleanArray,
    codes: &[i32],
    dictionary: &arrow::array::DictionaryArray<Int32Type>,
    null_code: u32,
) -> BooleanArray {
    let answers: Vec<bool> = (0..results.len()).map(|at| results.is_valid(at) && results.value(at)).collect();
    let known: Vec<bool> = (0..results.len()).map(|at| results.is_valid(at)).collect();
    let place = |row: usize| match dictionary.keys().nulls() {
        Some(nulls) if nulls.is_null(row) => null_code as usize,
        _ => codes[row] as usize,
    };
    let look = |table: &[bool]| {
        if dictionary.keys().null_count() == 0 {
            BooleanBuffer::collect_bool(codes.len(), |row| table.get(codes[row] as usize).copied().unwrap_or_default())
        } else {
            BooleanBuffer::collect_bool(codes.len(), |row| table.get(place(row)).copied().unwrap_or_default())
        }
    };
    let nulls = (results.null_count() > 0).then(|| arrow::buffer::NullBuffer::new(look(&known)));
    BooleanArray::new(look(&answers), nulls)
}

impl fmt::Debug for OverValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverValues").field("column", &self.column).field("expr", &self.expr).finish_non_exhaustive()
    }
}

impl fmt::Display for OverValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.expr, f)
    }
}

impl PartialEq for OverValues {
    fn eq(&self, other: &OverValues) -> bool {
        self.column.eq(&other.column) && self.expr.eq(&other.expr)
    }
}

impl Eq for OverValues {}

impl Hash for OverValues {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.column.hash(state);
        self.expr.hash(state);
    }
}
