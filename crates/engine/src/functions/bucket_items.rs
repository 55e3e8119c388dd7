//! `bucket_items(buckets, before)`: the values that a histogram's point stands for, as a list of `value`, `weight`, `is_first`.
//!
//! Meaning: within a bucket values lie evenly; a bucket with many is told by a few with more weight. `before` is what the point
//! before had counted, where buckets count since a start; null where they do not. A point without buckets is one item without a
//! value, so that its row stays.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, ListBuilder, StructBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{exec_err, internal_datafusion_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::ask::metrics::fold::{Bucket, grown, ranges};

/// Items of one bucket: what is told of a bucket is as fine as this.
const ITEMS_PER_BUCKET_MAX: f64 = 16.0;

pub fn udf() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable);
    Arc::new(ScalarUDF::from(BucketItems { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BucketItems {
    signature: Signature,
}

fn item_fields() -> Fields {
    let number = |name| Field::new(name, DataType::Float64, true);
    Fields::from(vec![number("value"), number("weight"), Field::new("is_first", DataType::Boolean, true)])
}

impl ScalarUDFImpl for BucketItems {
    fn name(&self) -> &str {
        "bucket_items"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Struct(item_fields()), true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [buckets, before] = args.args.as_slice() else { return exec_err!("bucket_items takes buckets, and those before") };
        let texts = |value: &ColumnarValue| {
            Ok::<ArrayRef, datafusion::error::DataFusionError>(cast(&value.to_array(args.number_rows)?, &DataType::Utf8)?)
        };
        let (buckets, before) = (texts(buckets)?, texts(before)?);
        let mut lists = ListBuilder::new(StructBuilder::from_fields(item_fields(), buckets.len()));
        for (buckets, before) in buckets.as_string::<i32>().iter().zip(before.as_string::<i32>()) {
            let now = ranges(buckets.unwrap_or_default());
            let items = items(&match before {
                Some(before) => grown(now, &ranges(before)),
                None => now,
            });
            if items.is_empty() {
                append(lists.values(), None, 1.0, true)?;
            }
            for (place, (value, weight)) in items.into_iter().enumerate() {
                append(lists.values(), Some(value), weight, place == 0)?;
            }
            lists.append(true);
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }
}

fn append(items: &mut StructBuilder, value: Option<f64>, weight: f64, is_first: bool) -> Result<()> {
    let wrong = || internal_datafusion_err!("an item of a bucket has another type");
    items.field_builder::<Float64Builder>(0).ok_or_else(wrong)?.append_option(value);
    items.field_builder::<Float64Builder>(1).ok_or_else(wrong)?.append_value(weight);
    items.field_builder::<BooleanBuilder>(2).ok_or_else(wrong)?.append_value(is_first);
    items.append(true);
    Ok(())
}

fn items(buckets: &[Bucket]) -> Vec<(f64, f64)> {
    let mut items = Vec::new();
    for (low, high, count) in buckets {
        let parts = if low < high { count.ceil().clamp(1.0, ITEMS_PER_BUCKET_MAX) } else { 1.0 };
        items.extend((0..parts as usize).map(|part| (low + (high - low) * (part as f64 + 0.5) / parts, count / parts)));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_evenly_within_a_bucket() {
        assert_eq!(items(&[(0.0, 10.0, 2.0), (10.0, 10.0, 5.0)]), [(2.5, 1.0), (7.5, 1.0), (10.0, 5.0)]);
        let many = items(&[(0.0, 16.0, 64.0)]);
        assert_eq!((many.len(), many[0]), (16, (0.5, 4.0)));
        assert!(items(&[]).is_empty());
    }
}
