//! Answers: columns, rows and what it took to find them.

use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, SchemaRef, TimeUnit, TimestampNanosecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Number, Value};

use crate::error::EngineError;

/// The rows of an answer, with what it took.
#[derive(Debug, Clone)]
pub struct Answer {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    pub stats: QueryStats,
    /// Why the answer is not whole, if it is not.
    pub truncated: Option<String>,
}

/// What an answer rests on.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueryStats {
    pub elapsed: Duration,
    /// Rows read from parts and memory.
    pub rows_scanned: u64,
    /// Bytes read from files, and of the rows in memory.
    pub bytes_scanned: u64,
    /// Rows that lay in the time range's parts and in memory.
    pub rows_total: u64,
    /// The newest row the snapshot had.
    pub newest_unix_nano: Option<i64>,
    /// Parts in the time range whose files are not what was written, and the rows that are missing with them.
    pub damaged_parts: u64,
    pub damaged_rows: u64,
}

impl QueryStats {
    /// Stats of an answer made of several questions.
    pub fn plus(self, other: QueryStats) -> QueryStats {
        QueryStats {
            elapsed: self.elapsed + other.elapsed,
            rows_scanned: self.rows_scanned + other.rows_scanned,
            bytes_scanned: self.bytes_scanned + other.bytes_scanned,
            rows_total: self.rows_total.max(other.rows_total),
            newest_unix_nano: self.newest_unix_nano.max(other.newest_unix_nano),
            damaged_parts: self.damaged_parts.max(other.damaged_parts),
            damaged_rows: self.damaged_rows.max(other.damaged_rows),
        }
    }
}

impl Answer {
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Every row, as a cursor over its batch.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| Row { batch, row }))
    }

    /// Column names and their types in the words of SQL answers.
    pub fn columns(&self) -> Vec<Column> {
        columns_of(&self.schema)
    }

    /// Rows of JSON values.
    pub fn json_rows(&self) -> Result<Vec<Vec<Value>>, EngineError> {
        let mut rows = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            for row in 0..batch.num_rows() {
                let cells = batch.columns().iter().map(|column| cell_json(column.as_ref(), row));
                rows.push(cells.collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(rows)
    }
}

/// The same of a schema.
pub fn columns_of(schema: &arrow::datatypes::Schema) -> Vec<Column> {
    let fields = schema.fields().iter();
    fields.map(|field| Column { name: field.name().clone(), r#type: type_name(field.data_type()) }).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub r#type: String,
}

pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".into(),
        data_type if data_type.is_integer() => "int64".into(),
        data_type if data_type.is_floating() => "float64".into(),
        DataType::Timestamp(_, _) => "timestamp".into(),
        DataType::FixedSizeBinary(16) => "trace_id".into(),
        DataType::FixedSizeBinary(8) => "span_id".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        other => other.to_string(),
    }
}

/// One row of an answer, read by column name. A missing column reads as null.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl<'a> Row<'a> {
    pub(crate) fn new(batch: &'a RecordBatch, row: usize) -> Row<'a> {
        Row { batch, row }
    }

    fn column(&self, name: &str) -> Option<&'a dyn Array> {
        let column = self.batch.column_by_name(name)?.as_ref();
        (!column.is_null(self.row)).then_some(column)
    }

    pub fn str(&self, name: &str) -> Option<&'a str> {
        let column = self.column(name)?;
        match column.data_type() {
            DataType::Utf8 => Some(column.as_string::<i32>().value(self.row)),
            DataType::LargeUtf8 => Some(column.as_string::<i64>().value(self.row)),
            DataType::Utf8View => Some(column.as_string_view().value(self.row)),
            _ => None,
        }
    }

    pub fn string(&self, name: &str) -> Option<String> {
        self.str(name).map(str::to_owned)
    }

    /// Integers, and timestamps as nanoseconds.
    pub fn i64(&self, name: &str) -> Option<i64> {
        let column = self.column(name)?;
        match column.data_type() {
            DataType::Int64 => Some(column.as_primitive::<Int64Type>().value(self.row)),
            DataType::Int32 => Some(column.as_primitive::<Int32Type>().value(self.row).into()),
            DataType::UInt64 => i64::try_from(column.as_primitive::<UInt64Type>().value(self.row)).ok(),
            DataType::UInt32 => Some(column.as_primitive::<UInt32Type>().value(self.row).into()),
            DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(self.row) as i64),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Some(column.as_primitive::<TimestampNanosecondType>().value(self.row))
            }
            DataType::Utf8 | DataType::Utf8View => self.str(name)?.parse().ok(),
            _ => None,
        }
    }

    pub fn f64(&self, name: &str) -> Option<f64> {
        let column = self.column(name)?;
        match column.data_type() {
            DataType::Float64 => Some(column.as_primitive::<Float64Type>().value(self.row)),
            _ => self.i64(name).map(|value| value as f64),
        }
    }

    pub fn bool(&self, name: &str) -> bool {
        match self.column(name) {
            Some(column) if *column.data_type() == DataType::Boolean => column.as_boolean().value(self.row),
            _ => false,
        }
    }

    pub fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        let column = self.column(name)?;
        matches!(column.data_type(), DataType::FixedSizeBinary(_)).then(|| column.as_fixed_size_binary().value(self.row))
    }

    pub fn trace_id(&self, name: &str) -> Option<model::TraceId> {
        model::TraceId::from_bytes(self.bytes(name)?)
    }

    pub fn span_id(&self, name: &str) -> Option<model::SpanId> {
        model::SpanId::from_bytes(self.bytes(name)?)
    }

    /// Every column that is not null, with its value as JSON.
    pub fn cells(&self) -> impl Iterator<Item = (&'a str, Value)> + 'a {
        let (batch, row) = (self.batch, self.row);
        batch.schema_ref().fields().iter().zip(batch.columns()).filter_map(move |(field, column)| {
            if column.is_null(row) {
                return None;
            }
            Some((field.name().as_str(), cell_json(column.as_ref(), row).ok()?))
        })
    }
}

/// One cell as JSON: ids as hex, times as RFC 3339 with nanoseconds, integers JavaScript cannot hold as strings.
pub fn cell_json(array: &dyn Array, row: usize) -> Result<Value, EngineError> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let float = |value: f64| Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number);
    let value = match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int64 => integer(array.as_primitive::<Int64Type>().value(row)),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::UInt64 => match i64::try_from(array.as_primitive::<UInt64Type>().value(row)) {
            Ok(value) => integer(value),
            Err(_) => Value::String(array.as_primitive::<UInt64Type>().value(row).to_string()),
        },
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => float(array.as_primitive::<Float32Type>().value(row).into()),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::Utf8View => Value::String(array.as_string_view().value(row).to_owned()),
        DataType::FixedSizeBinary(_) => Value::String(hex(array.as_fixed_size_binary().value(row))),
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|at| cell_json(items.as_ref(), at)).collect::<Result<_, _>>()?)
        }
        _ => {
            let options = FormatOptions::new().with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.9fZ"));
            Value::String(ArrayFormatter::try_new(array, &options)?.value(row).to_string())
        }
    };
    Ok(value)
}

/// An id as it is told.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 2^53: beyond it a JavaScript number is no longer exact.
const JSON_INTEGER_MAX: i64 = 1 << 53;

fn integer(value: i64) -> Value {
    if (-JSON_INTEGER_MAX..=JSON_INTEGER_MAX).contains(&value) { value.into() } else { Value::String(value.to_string()) }
}
