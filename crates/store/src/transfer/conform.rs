//! Rows of a foreign file made to fit a table: types are widened where nothing is lost, and refused where something would be.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampNanosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use model::Signal;
use model::limits::ATTRIBUTE_KEY_BYTES_MAX;

use crate::columns;
use crate::error::StoreError;

/// What a batch of one file is made to fit.
pub(super) struct Conform<'a> {
    pub signal: Signal,
    /// For messages.
    pub file: &'a str,
    /// What `received_at` is where the file does not say.
    pub received_at_unix_nano: i64,
}

impl Conform<'_> {
    /// The batch with our fixed columns and types, attributes after them.
    ///
    /// Refuses: a missing column that nothing can stand for; a type that cannot become ours; a value that would be lost.
    pub fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch, StoreError> {
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for field in columns::schema(self.signal).fields() {
            let array = match batch.column_by_name(field.name()) {
                Some(array) => self.fixed(field, array)?,
                None if field.is_nullable() => continue,
                None => self.default(field, batch.num_rows())?,
            };
            fields.push(Arc::clone(field));
            arrays.push(array);
        }
        for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
            if !columns::is_fixed(self.signal, field.name())
                && let Some(array) = self.attribute(field, array)?
            {
                fields.push(Arc::new(Field::new(field.name(), array.data_type().clone(), true)));
                arrays.push(array);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)?)
    }

    fn fixed(&self, field: &Field, array: &ArrayRef) -> Result<ArrayRef, StoreError> {
        let (from, to) = (array.data_type(), field.data_type());
        let fits = match to {
            // Whole numbers are taken for nanoseconds, which is what the published tables say.
            DataType::Timestamp(..) => matches!(from, DataType::Timestamp(..) | DataType::Int64),
            DataType::Utf8 => is_text(from),
            DataType::Int64 => from.is_integer(),
            DataType::Float64 => from.is_numeric() && !is_decimal(from),
            DataType::FixedSizeBinary(_) => is_binary(from),
            other => from == other,
        };
        if !fits {
            return Err(self.refused(format!("column {:?} is {from}, expected {}", field.name(), told(to))));
        }
        let array = self.cast(field.name(), array, to)?;
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(self.refused(format!("column {:?} has {} nulls, expected none", field.name(), array.null_count())));
        }
        Ok(array)
    }

    /// The attribute in one of our four types; nothing for a column of nulls.
    fn attribute(&self, field: &Field, array: &ArrayRef) -> Result<Option<ArrayRef>, StoreError> {
        let name = field.name();
        if name.is_empty() || name.len() > ATTRIBUTE_KEY_BYTES_MAX {
            return Err(self.refused(format!("column {name:?}: a name has 1 to {ATTRIBUTE_KEY_BYTES_MAX} bytes")));
        }
        let to = match array.data_type() {
            DataType::Null => return Ok(None),
            DataType::Boolean => DataType::Boolean,
            from if from.is_integer() => DataType::Int64,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
            from if is_text(from) => DataType::Utf8,
            from => {
                return Err(self.refused(format!("column {name:?} is {from}, expected text, a number or true and false")));
            }
        };
        self.cast(name, array, &to).map(Some)
    }

    fn cast(&self, name: &str, array: &ArrayRef, to: &DataType) -> Result<ArrayRef, StoreError> {
        if array.data_type() == to {
            return Ok(Arc::clone(array));
        }
        let lost = |reason: String| self.refused(format!("column {name:?} does not fit {}: {reason}", told(to)));
        let array = match (array.data_type(), to) {
            // Ids go by way of plain bytes.
            (DataType::LargeBinary | DataType::BinaryView, DataType::FixedSizeBinary(_)) => {
                cast(array, &DataType::Binary).map_err(|error| lost(error.to_string()))?
            }
            _ => Arc::clone(array),
        };
        let fitted = cast(&array, to).map_err(|error| lost(error.to_string()))?;
        match fitted.null_count().checked_sub(array.logical_null_count()) {
            Some(0) => Ok(fitted),
            Some(values) => Err(lost(format!("{values} values would be lost"))),
            None => Ok(fitted),
        }
    }

    /// What stands for a required column that the file lacks.
    fn default(&self, field: &Field, rows: usize) -> Result<ArrayRef, StoreError> {
        let text = |text: &str| Arc::new(StringArray::from(vec![text; rows])) as ArrayRef;
        let array: ArrayRef = match field.name().as_str() {
            columns::RECEIVED_AT => {
                Arc::new(TimestampNanosecondArray::from(vec![self.received_at_unix_nano; rows]).with_timezone("UTC"))
            }
            columns::SERVICE_NAME => text(model::UNKNOWN_SERVICE),
            columns::RECEIVER => text("import"),
            columns::RESOURCE | columns::SCOPE => text("{}"),
            columns::SAMPLE_RATE => Arc::new(Float64Array::from(vec![1.0; rows])),
            "kind" | "temporality" => text("unspecified"),
            "status_code" => text("unset"),
            "description" | "unit" => text(""),
            "in_progress" | "is_monotonic" => Arc::new(BooleanArray::from(vec![false; rows])),
            "flags" | "severity_number" | "series" => Arc::new(Int64Array::from(vec![0; rows])),
            name if name.starts_with("dropped_") => Arc::new(Int64Array::from(vec![0; rows])),
            name => return Err(self.refused(format!("column {name:?} is missing, expected {}", told(field.data_type())))),
        };
        Ok(array)
    }

    fn refused(&self, reason: String) -> StoreError {
        StoreError::NotImportable(format!("{}: {reason}", self.file))
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

fn is_decimal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..))
}

/// A type of ours, as a person calls it.
fn told(data_type: &DataType) -> String {
    match data_type {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => "a timestamp".to_owned(),
        DataType::Utf8 => "text".to_owned(),
        DataType::Int64 => "a whole number of 64 bits".to_owned(),
        DataType::Float64 => "a number".to_owned(),
        DataType::Boolean => "true or false".to_owned(),
        DataType::FixedSizeBinary(bytes) => format!("{bytes} bytes"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use arrow::array::{
        BinaryArray, Int32Array, LargeStringArray, ListBuilder, StringBuilder, TimestampMicrosecondArray, UInt64Array,
    };
    use arrow::datatypes::{Int64Type, TimestampNanosecondType};
    use expect_test::{Expect, expect};

    use super::*;

    fn conformed(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, StoreError> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
        Conform { signal: Signal::Logs, file: "rows.parquet", received_at_unix_nano: 7 }.batch(&batch)
    }

    fn time() -> (&'static str, ArrayRef) {
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![1, 2])))
    }

    fn body() -> (&'static str, ArrayRef) {
        ("body", Arc::new(LargeStringArray::from(vec!["a", "b"])))
    }

    fn refused(columns: Vec<(&str, ArrayRef)>, expected: Expect) {
        expected.assert_eq(&conformed(columns).unwrap_err().to_string());
    }

    #[test]
    fn what_loses_nothing_is_widened_and_what_is_missing_has_its_default() {
        let ids: ArrayRef = Arc::new(BinaryArray::from_opt_vec(vec![Some(&[1; 16]), None]));
        let small: ArrayRef = Arc::new(Int32Array::from(vec![Some(3), None]));
        let batch = conformed(vec![("n", small), body(), ("trace_id", ids), time()]).unwrap();
        let time = batch.column_by_name("time").unwrap().as_primitive::<TimestampNanosecondType>();
        assert_eq!(time.values().as_ref(), [1_000, 2_000]);
        assert_eq!(batch.column_by_name("trace_id").unwrap().as_fixed_size_binary().value(0), [1; 16]);
        assert_eq!(batch.column_by_name("n").unwrap().as_primitive::<Int64Type>().value(0), 3);
        assert_eq!(batch.column_by_name("service.name").unwrap().as_string::<i32>().value(1), "unknown_service");
        assert_eq!(batch.column_by_name("received_at").unwrap().as_primitive::<TimestampNanosecondType>().value(0), 7);
        assert!(batch.column_by_name("severity_text").is_none());
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        refused(vec![body()], expect![[r#"cannot import rows.parquet: column "time" is missing, expected a timestamp"#]]);
        refused(vec![time()], expect![[r#"cannot import rows.parquet: column "body" is missing, expected text"#]]);
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["2026-01-02", "x"]));
        refused(
            vec![("time", texts), body()],
            expect![[r#"cannot import rows.parquet: column "time" is Utf8, expected a timestamp"#]],
        );
        let short: ArrayRef = Arc::new(BinaryArray::from_vec(vec![&[1; 16], &[1; 3]]));
        refused(
            vec![time(), body(), ("trace_id", short)],
            expect![[r#"cannot import rows.parquet: column "trace_id" does not fit 16 bytes: 1 values would be lost"#]],
        );
        let large: ArrayRef = Arc::new(UInt64Array::from(vec![1, u64::MAX]));
        refused(
            vec![time(), body(), ("n", large)],
            expect![[r#"cannot import rows.parquet: column "n" does not fit a whole number of 64 bits: 1 values would be lost"#]],
        );
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append(true);
        lists.append(true);
        refused(
            vec![time(), body(), ("tags", Arc::new(lists.finish()))],
            expect![[r#"cannot import rows.parquet: column "tags" is List(Utf8), expected text, a number or true and false"#]],
        );
        let nulls: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        refused(
            vec![time(), ("body", nulls)],
            expect![[r#"cannot import rows.parquet: column "body" has 1 nulls, expected none"#]],
        );
    }
}
