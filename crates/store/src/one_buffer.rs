//! The columns of a few rows in one buffer.
//!
//! A row of fifty columns is a hundred and fifty buffers of a few bytes. Another thread merges them with others soon and gives them
//! back one by one, cold by then; here they are given back at once, by whoever filled them.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampNanosecondType,
};

use crate::error::StoreError;

/// What every buffer's beginning is a multiple of: the widest number.
const ALIGNMENT: usize = 8;

/// A column's struct and its place in the batch, roughly.
const ARRAY_BYTES: usize = 128;

/// The batch with its columns in one buffer, and the bytes they take; columns that are parts of others stay as they are.
pub(crate) fn in_one_buffer(batch: &RecordBatch) -> Result<(RecordBatch, usize), StoreError> {
    let mut pieces = Pieces::default();
    let places: Vec<Option<Place>> = batch.columns().iter().map(|array| pieces.put(array)).collect();
    let buffer = pieces.joined();
    let mut bytes = buffer.len();
    let mut arrays = Vec::with_capacity(places.len());
    for (array, place) in batch.columns().iter().zip(places) {
        bytes += ARRAY_BYTES;
        arrays.push(match place {
            Some(place) => place.array(array, &buffer)?,
            None => {
                bytes += array.get_buffer_memory_size();
                Arc::clone(array)
            }
        });
    }
    Ok((RecordBatch::try_new(batch.schema(), arrays)?, bytes))
}

/// What goes into the buffer, and where each piece will be.
#[derive(Default)]
struct Pieces<'a> {
    pieces: Vec<&'a [u8]>,
    bytes: usize,
}

/// Where a column's buffers are.
enum Place {
    Fixed(Values),
    Texts(Texts),
    Dictionary(Values, Texts),
}

struct Values {
    values: Range<usize>,
    nulls: Option<Range<usize>>,
}

struct Texts {
    offsets: Range<usize>,
    texts: Values,
}

impl<'a> Pieces<'a> {
    fn put(&mut self, array: &'a ArrayRef) -> Option<Place> {
        Some(match array.data_type() {
            DataType::Utf8 => Place::Texts(self.texts(array.as_string())?),
            DataType::Int64 => self.numbers(array.as_primitive::<Int64Type>())?,
            DataType::Float64 => self.numbers(array.as_primitive::<Float64Type>())?,
            DataType::Timestamp(TimeUnit::Nanosecond, _) => self.numbers(array.as_primitive::<TimestampNanosecondType>())?,
            DataType::Boolean => {
                let values = array.as_boolean().values();
                let whole = (values.offset() == 0).then(|| values.inner().as_slice())?;
                Place::Fixed(self.values(whole, array.nulls())?)
            }
            DataType::FixedSizeBinary(_) => Place::Fixed(self.values(array.as_fixed_size_binary().value_data(), array.nulls())?),
            DataType::Dictionary(key, value) if **key == DataType::Int32 && **value == DataType::Utf8 => {
                let dictionary = array.as_dictionary::<Int32Type>();
                let keys = self.values(dictionary.keys().values().inner().as_slice(), array.nulls())?;
                Place::Dictionary(keys, self.texts(dictionary.values().as_string())?)
            }
            _ => return None,
        })
    }

    fn numbers<T: ArrowPrimitiveType>(&mut self, array: &'a PrimitiveArray<T>) -> Option<Place> {
        Some(Place::Fixed(self.values(array.values().inner().as_slice(), array.nulls())?))
    }

    fn texts(&mut self, array: &'a StringArray) -> Option<Texts> {
        let texts = self.values(array.values().as_slice(), array.nulls())?;
        Some(Texts { offsets: self.piece(array.offsets().inner().inner().as_slice()), texts })
    }

    fn values(&mut self, values: &'a [u8], nulls: Option<&'a NullBuffer>) -> Option<Values> {
        let nulls = match nulls {
            Some(nulls) if nulls.offset() > 0 => return None,
            Some(nulls) => Some(self.piece(nulls.buffer().as_slice())),
            None => None,
        };
        Some(Values { values: self.piece(values), nulls })
    }

    fn piece(&mut self, piece: &'a [u8]) -> Range<usize> {
        let start = self.bytes;
        self.bytes += piece.len().next_multiple_of(ALIGNMENT);
        self.pieces.push(piece);
        start..start + piece.len()
    }

    fn joined(self) -> Buffer {
        let mut joined = MutableBuffer::new(self.bytes);
        for piece in self.pieces {
            joined.extend_from_slice(piece);
            joined.resize(joined.len().next_multiple_of(ALIGNMENT), 0);
        }
        joined.into()
    }
}

impl Place {
    /// The column `like` this one that lies in the buffer.
    fn array(self, like: &ArrayRef, buffer: &Buffer) -> Result<ArrayRef, StoreError> {
        let len = like.len();
        Ok(match self {
            Place::Texts(texts) => Arc::new(texts.array(len, buffer)?),
            Place::Dictionary(keys, texts) => {
                let dictionary = like.as_dictionary::<Int32Type>();
                let keys = PrimitiveArray::<Int32Type>::try_new(keys.numbers(buffer), keys.nulls(len, buffer))?;
                let texts = texts.array(dictionary.values().len(), buffer)?;
                Arc::new(DictionaryArray::try_new(keys, Arc::new(texts))?)
            }
            Place::Fixed(values) => match like.data_type() {
                DataType::Int64 => values.primitive::<Int64Type>(like, buffer)?,
                DataType::Float64 => values.primitive::<Float64Type>(like, buffer)?,
                DataType::Timestamp(..) => values.primitive::<TimestampNanosecondType>(like, buffer)?,
                DataType::FixedSizeBinary(size) => {
                    let nulls = values.nulls(len, buffer);
                    Arc::new(FixedSizeBinaryArray::try_new(*size, slice(buffer, &values.values), nulls)?)
                }
                _ => {
                    let bools = BooleanBuffer::new(slice(buffer, &values.values), 0, len);
                    Arc::new(BooleanArray::new(bools, values.nulls(len, buffer)))
                }
            },
        })
    }
}

impl Values {
    fn nulls(&self, len: usize, buffer: &Buffer) -> Option<NullBuffer> {
        self.nulls.as_ref().map(|nulls| NullBuffer::new(BooleanBuffer::new(slice(buffer, nulls), 0, len)))
    }

    fn numbers<T: ArrowNativeType>(&self, buffer: &Buffer) -> ScalarBuffer<T> {
        slice(buffer, &self.values).into()
    }

    fn primitive<T: ArrowPrimitiveType>(&self, like: &ArrayRef, buffer: &Buffer) -> Result<ArrayRef, StoreError> {
        let array = PrimitiveArray::<T>::try_new(self.numbers(buffer), self.nulls(like.len(), buffer))?;
        Ok(Arc::new(array.with_data_type(like.data_type().clone())))
    }
}

impl Texts {
    fn array(&self, len: usize, buffer: &Buffer) -> Result<StringArray, StoreError> {
        let offsets = OffsetBuffer::new(slice(buffer, &self.offsets).into());
        Ok(StringArray::try_new(offsets, slice(buffer, &self.texts.values), self.texts.nulls(len, buffer))?)
    }
}

fn slice(buffer: &Buffer, range: &Range<usize>) -> Buffer {
    buffer.slice_with_length(range.start, range.len())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array, Int64Array, TimestampNanosecondArray};

    use super::*;

    fn columns() -> RecordBatch {
        let texts = StringArray::from(vec![Some("a"), None, Some("longer than eight bytes")]);
        let ids = FixedSizeBinaryArray::try_from_iter([[1_u8; 16], [2; 16], [3; 16]].into_iter()).unwrap();
        let resources = StringArray::from(vec!["{}", r#"{"k":1}"#]);
        let resource = DictionaryArray::try_new(Int32Array::from(vec![0, 1, 1]), Arc::new(resources)).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("time", Arc::new(TimestampNanosecondArray::from(vec![3, 1, 2]).with_timezone("UTC"))),
            ("text", Arc::new(texts)),
            ("empty", Arc::new(StringArray::from(vec!["", "", ""]))),
            ("id", Arc::new(ids)),
            ("resource", Arc::new(resource)),
            ("whole", Arc::new(Int64Array::from(vec![None, Some(-1), Some(i64::MAX)]))),
            ("float", Arc::new(Float64Array::from(vec![0.5, f64::INFINITY, -0.0]))),
            ("yes", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
            ("other", Arc::new(Int32Array::from(vec![1, 2, 3]))),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn every_column_is_what_it_was() {
        let batch = columns();
        let (joined, bytes) = in_one_buffer(&batch).unwrap();
        assert_eq!(joined, batch);
        assert!(bytes < batch.get_array_memory_size(), "{bytes}");
    }

    #[test]
    fn columns_that_are_parts_of_others_are_what_they_were() {
        let batch = columns().slice(1, 2);
        assert_eq!(in_one_buffer(&batch).unwrap().0, batch);
    }

    #[test]
    fn no_rows_are_no_rows() {
        let batch = columns().slice(0, 0);
        assert_eq!(in_one_buffer(&batch).unwrap().0, batch);
    }
}
