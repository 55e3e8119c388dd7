//! `place_in(value, list)`: where in a list of constants a value stands, from 0 on; null where it does not. Null is found as any
//! other value.
//!
//! The list is looked up by hash, so a long one costs no more a row than a short one; whole numbers below [`TABLE_LEN_MAX`] by
//! their place in a table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Int64Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{HashMap, ScalarValue, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

/// Cells of the table of small numbers: one that fits a processor's own memory.
const TABLE_LEN_MAX: usize = 1 << 15;

pub fn udf() -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(PlaceIn { signature: Signature::user_defined(Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PlaceIn {
    signature: Signature,
}

impl ScalarUDFImpl for PlaceIn {
    fn name(&self) -> &str {
        "place_in"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [value, DataType::List(item)] if value == item.data_type() => match value {
                DataType::Utf8 | DataType::Int64 | DataType::Float64 | DataType::Boolean => Ok(types.to_vec()),
                other => plan_err!("place_in takes a text, a number or a truth value, not {other}"),
            },
            _ => plan_err!("place_in takes a value and a list of its type"),
        }
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [values, ColumnarValue::Scalar(ScalarValue::List(list))] = args.args.as_slice() else {
            return exec_err!("place_in takes a value and a list of constants");
        };
        Ok(ColumnarValue::Array(Arc::new(places(&values.to_array(args.number_rows)?, &list.value(0))?)))
    }
}

fn places(values: &ArrayRef, list: &ArrayRef) -> Result<Int64Array> {
    let of_null = (0..list.len()).find(|place| list.is_null(*place)).map(|place| place as i64);
    match values.data_type() {
        DataType::Utf8 => {
            let known = first_places(list.as_string::<i32>().iter());
            Ok(values.as_string::<i32>().iter().map(|text| text.map_or(of_null, |text| known.get(text).copied())).collect())
        }
        DataType::Boolean => {
            let known = first_places(list.as_boolean().iter());
            Ok(values.as_boolean().iter().map(|value| value.map_or(of_null, |value| known.get(&value).copied())).collect())
        }
        DataType::Float64 => {
            // Zero and its negative are one value.
            let bits = |value: f64| if value == 0.0 { 0 } else { value.to_bits() };
            let known = first_places(list.as_primitive::<Float64Type>().iter().map(|value| value.map(bits)));
            Ok(looked_up(values.as_primitive::<Float64Type>(), of_null, |value| known.get(&bits(value)).copied()))
        }
        DataType::Int64 => {
            let list = list.as_primitive::<Int64Type>();
            let values = values.as_primitive::<Int64Type>();
            match table(list) {
                Some(table) => Ok(looked_up(values, of_null, |value| {
                    usize::try_from(value).ok().and_then(|value| table.get(value)).copied().filter(|place| *place >= 0)
                })),
                None => {
                    let known = first_places(list.iter());
                    Ok(looked_up(values, of_null, |value| known.get(&value).copied()))
                }
            }
        }
        other => exec_err!("place_in cannot look up {other}"),
    }
}

fn first_places<T: std::hash::Hash + Eq>(
    list: impl DoubleEndedIterator<Item = Option<T>> + ExactSizeIterator,
) -> HashMap<T, i64> {
    list.enumerate().rev().filter_map(|(place, value)| Some((value?, place as i64))).collect()
}

/// The place of each small number, or -1; nothing when the list has others.
fn table(list: &Int64Array) -> Option<Vec<i64>> {
    let largest = list.iter().flatten().try_fold(0, |largest, value| Some(usize::try_from(value).ok()?.max(largest)))?;
    if largest >= TABLE_LEN_MAX {
        return None;
    }
    let mut table = vec![-1; largest + 1];
    for (place, value) in list.iter().enumerate().rev() {
        if let Some(value) = value {
            table[value as usize] = place as i64;
        }
    }
    Some(table)
}

fn looked_up<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    of_null: Option<i64>,
    find: impl Fn(T::Native) -> Option<i64>,
) -> Int64Array {
    const NOWHERE: i64 = -1;
    let mut places: Vec<i64> = values.values().iter().map(|value| find(*value).unwrap_or(NOWHERE)).collect();
    if let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) {
        let of_null = of_null.unwrap_or(NOWHERE);
        places.iter_mut().zip(nulls).filter(|(_, is_there)| !is_there).for_each(|(place, _)| *place = of_null);
    }
    let known = BooleanBuffer::collect_bool(places.len(), |row| places[row] != NOWHERE);
    Int64Array::new(places.into(), Some(NullBuffer::new(known)))
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Float64Array, StringArray};

    use super::*;

    fn found(values: ArrayRef, list: ArrayRef) -> Vec<Option<i64>> {
        places(&values, &list).unwrap().iter().collect()
    }

    #[test]
    fn every_type_finds_its_first_place() {
        let texts = |texts: &[Option<&str>]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
        let list = texts(&[Some("b"), None, Some("a"), Some("b")]);
        assert_eq!(found(texts(&[Some("a"), Some("b"), None, Some("c")]), list), [Some(2), Some(0), Some(1), None]);
        let bools = |values: &[Option<bool>]| -> ArrayRef { Arc::new(BooleanArray::from(values.to_vec())) };
        assert_eq!(found(bools(&[Some(true), Some(false), None]), bools(&[Some(true), None])), [Some(0), None, Some(1)]);
        let floats = |values: &[Option<f64>]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
        assert_eq!(
            found(floats(&[Some(-0.0), Some(f64::NAN), None]), floats(&[Some(f64::NAN), Some(0.0)])),
            [Some(1), Some(0), None]
        );
    }

    #[test]
    fn small_and_large_numbers_are_found_alike() {
        let numbers = |values: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
        let small = [Some(7), Some(0), None, Some(7)];
        let mut large = small.to_vec();
        large.push(Some(i64::MAX));
        for list in [small.to_vec(), large] {
            let asked = numbers(&[Some(7), Some(0), None, Some(1), Some(-1), Some(1 << 40)]);
            assert_eq!(found(asked, numbers(&list)), [Some(0), Some(1), Some(2), None, None, None]);
        }
        assert_eq!(found(numbers(&[Some(1), None]), numbers(&[])), [None, None]);
    }
}
