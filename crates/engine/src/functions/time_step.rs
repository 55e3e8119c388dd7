//! `time_step(time, first, step)`: in which of equal steps a time lies, from 0 on. `first` is when the first begins and `step` how
//! long each is, both in nanoseconds.
//!
//! Rows come about in order of time, so neighbours mostly share a step, which spares a division.

use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType, TimeUnit, TimestampNanosecondType};
use datafusion::common::{ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(TimeStep { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TimeStep {
    signature: Signature,
}

impl ScalarUDFImpl for TimeStep {
    fn name(&self) -> &str {
        "time_step"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [time, first, step] = types else { return plan_err!("time_step takes a time, a beginning and a length") };
        let zone = if let DataType::Timestamp(_, zone) = time { zone.clone() } else { Some("UTC".into()) };
        if !first.is_integer() || !step.is_integer() {
            return plan_err!("time_step takes the beginning and the length in whole nanoseconds");
        }
        Ok(vec![DataType::Timestamp(TimeUnit::Nanosecond, zone), DataType::Int64, DataType::Int64])
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [
            times,
            ColumnarValue::Scalar(ScalarValue::Int64(Some(first))),
            ColumnarValue::Scalar(ScalarValue::Int64(Some(step))),
        ] = args.args.as_slice()
        else {
            return exec_err!("time_step takes a time and two constants");
        };
        if *step <= 0 {
            return exec_err!("time_step cannot take steps of {step} ns");
        }
        let times = times.to_array(args.number_rows)?;
        let steps = Steps { first: *first, step: *step };
        let found = steps.of(times.as_primitive::<TimestampNanosecondType>().values());
        Ok(ColumnarValue::Array(Arc::new(Int64Array::new(found.into(), times.nulls().cloned()))))
    }
}

struct Steps {
    first: i64,
    step: i64,
}

impl Steps {
    fn of(&self, times: &[i64]) -> Vec<i64> {
        let Some(first) = times.first() else { return Vec::new() };
        // The step of the row before.
        let (mut place, mut begin) = self.step_of(*first);
        let length = self.step.unsigned_abs();
        let place_of = |time: &i64| {
            if time.wrapping_sub(begin).cast_unsigned() >= length {
                (place, begin) = self.step_of(*time);
            }
            place
        };
        times.iter().map(place_of).collect()
    }

    /// Where a step is among the others, and when it begins.
    fn step_of(&self, time: i64) -> (i64, i64) {
        let place = time.saturating_sub(self.first).div_euclid(self.step);
        (place, self.first.saturating_add(place.saturating_mul(self.step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_make_no_difference() {
        let steps = Steps { first: 100, step: 10 };
        assert_eq!(steps.of(&[100, 109, 104]), [0, 0, 0]);
        assert_eq!(steps.of(&[100, 110, 99, 125, 119]), [0, 1, -1, 2, 1]);
        assert_eq!(steps.of(&[i64::MAX, 100, i64::MIN, 100])[1..], [0, i64::MIN / 10 - 1, 0]);
        assert_eq!(steps.of(&[]), [0_i64; 0]);
    }
}
