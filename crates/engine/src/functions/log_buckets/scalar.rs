//! The cells of a heatmap: `time_bucket` across, `log_bucket` up.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, PrimitiveArray, TimestampNanosecondArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::scheme;
use super::udaf::steps_of;

/// Steps per doubling unless it is asked for more: a heatmap from a microsecond to a minute has about a hundred rows then.
const STEPS: i64 = 4;

/// `log_bucket(number [, steps])`: the lower bound of the number's bucket.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct LogBucket {
    signature: Signature,
}

pub fn log_bucket() -> ScalarUDF {
    ScalarUDF::from(LogBucket { signature: Signature::user_defined(Volatility::Immutable) })
}

impl ScalarUDFImpl for LogBucket {
    fn name(&self) -> &str {
        "log_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [number] | [number, _] if !number.is_numeric() && !number.is_null() => {
                plan_err!("cannot take the bucket of {number}: expected a number")
            }
            [DataType::Int64] => Ok(vec![DataType::Int64]),
            [DataType::Int64, _] => Ok(vec![DataType::Int64, DataType::Int64]),
            [_] => Ok(vec![DataType::Float64]),
            [_, _] => Ok(vec![DataType::Float64, DataType::Int64]),
            _ => plan_err!("log_bucket takes a number, and maybe the steps per doubling"),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let steps = match args.args.get(1) {
            None => STEPS,
            Some(ColumnarValue::Scalar(ScalarValue::Int64(Some(steps)))) => *steps,
            Some(_) => return exec_err!("cannot read steps per doubling: expected a constant, a power of two up to 64"),
        };
        let bits = steps_of(steps)?;
        match args.args.first() {
            Some(ColumnarValue::Array(array)) => Ok(ColumnarValue::Array(log_buckets(array, bits)?)),
            Some(ColumnarValue::Scalar(value)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&log_buckets(&value.to_array()?, bits)?, 0)?))
            }
            None => exec_err!("log_bucket takes a number"),
        }
    }
}

fn log_buckets(array: &ArrayRef, bits: u32) -> Result<ArrayRef> {
    let lower = |number: f64| -> f64 {
        if number.is_nan() {
            return number;
        }
        match scheme::bucket_of_size(number.abs()) {
            None => 0.0,
            Some(bucket) => scheme::coarse_bounds(scheme::coarse(if number < 0.0 { -bucket } else { bucket }, bits), bits).0,
        }
    };
    let buckets: Float64Array = match array.data_type() {
        DataType::Int64 => array.as_primitive::<Int64Type>().unary(|number| lower(number as f64)),
        DataType::Float64 => array.as_primitive::<Float64Type>().unary(lower),
        other => return exec_err!("cannot take the bucket of {other}: expected a number"),
    };
    Ok(Arc::new(buckets))
}

/// `time_bucket(step, time)`: when the step that a time falls in begins, counted from 1970.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TimeBucket {
    signature: Signature,
}

pub fn time_bucket() -> ScalarUDF {
    ScalarUDF::from(TimeBucket { signature: Signature::user_defined(Volatility::Immutable) })
}

const EXPECTED_STEP: &str = "expected a constant of at least a nanosecond, such as interval '1 minute', or whole seconds";

impl ScalarUDFImpl for TimeBucket {
    fn name(&self) -> &str {
        "time_bucket"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [step, time] = types else { return plan_err!("time_bucket takes a step and a time") };
        let step = match step {
            DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano),
            DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
                DataType::Interval(arrow::datatypes::IntervalUnit::MonthDayNano)
            }
            step if step.is_integer() => DataType::Int64,
            other => return plan_err!("cannot read a step from {other}: {EXPECTED_STEP}"),
        };
        let zone = match time {
            DataType::Timestamp(_, zone) => zone.clone(),
            _ => Some("UTC".into()),
        };
        Ok(vec![step, DataType::Timestamp(TimeUnit::Nanosecond, zone)])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [_, time] => Ok(time.clone()),
            _ => plan_err!("time_bucket takes a step and a time"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ColumnarValue::Scalar(step), time] = args.args.as_slice() else {
            return exec_err!("cannot read a step: {EXPECTED_STEP}");
        };
        let step = step_nanos(step)?;
        match time {
            ColumnarValue::Array(time) => Ok(ColumnarValue::Array(time_buckets(time, step)?)),
            ColumnarValue::Scalar(time) => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&time_buckets(&time.to_array()?, step)?, 0)?))
            }
        }
    }
}

fn step_nanos(step: &ScalarValue) -> Result<i64> {
    const SECOND: i64 = 1_000_000_000;
    const DAY: i64 = 86_400 * SECOND;
    let nanos = match step {
        ScalarValue::Int64(Some(seconds)) => seconds.checked_mul(SECOND),
        ScalarValue::IntervalMonthDayNano(Some(step)) if step.months == 0 => {
            i64::from(step.days).checked_mul(DAY).and_then(|days| days.checked_add(step.nanoseconds))
        }
        _ => None,
    };
    match nanos {
        Some(nanos) if nanos > 0 => Ok(nanos),
        _ => exec_err!("cannot read a step from {step}: {EXPECTED_STEP}"),
    }
}

fn time_buckets(time: &ArrayRef, step: i64) -> Result<ArrayRef> {
    let Some(times) = time.as_primitive_opt::<TimestampNanosecondType>() else {
        return exec_err!("cannot take the bucket of {}: expected a time", time.data_type());
    };
    // Times of neighbouring rows mostly share a step, which spares a division.
    let mut begin = 0;
    let bucket = |time: i64| {
        if time < begin || time.saturating_sub(begin) >= step {
            begin = time.div_euclid(step).wrapping_mul(step);
        }
        begin
    };
    let buckets: Vec<i64> = times.values().iter().copied().map(bucket).collect();
    let buckets: TimestampNanosecondArray = PrimitiveArray::new(buckets.into(), times.nulls().cloned());
    Ok(Arc::new(buckets.with_data_type(time.data_type().clone())))
}
