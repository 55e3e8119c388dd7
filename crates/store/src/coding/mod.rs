//! Columns as codes: a number for each different value, from the moment rows are read until they are encoded.
//!
//! Most columns have few different values. To sort, merge and encode their codes costs a fraction of doing so with texts, and
//! a Parquet page of a dictionary column holds codes anyway. Values become codes where they lie in runs: in memory as they
//! came, in a part as its own dictionary. Columns of many values are left as they are.

pub(crate) mod chunk;
mod rle;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, PrimitiveArray, StringArray, TimestampNanosecondArray, UInt32Array,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Float64Type, Int32Type, Int64Type, Schema, TimestampNanosecondType};
use xxhash_rust::xxh3::xxh3_64;

use crate::columns;
use crate::error::StoreError;
use crate::limits::{CODED_BYTES_MAX, CODED_VALUES_MAX};

/// Values of a column that are seen before it is decided how to treat it, and then again.
const FIRST_LOOK: usize = 16 * 1024;
const SECOND_LOOK: usize = 64 * 1024;

/// The codes of a job's columns, in the order of its schema.
pub(crate) struct Coders {
    coders: Vec<Option<Coder>>,
}

/// The different values of one column.
pub(crate) struct Coder {
    data_type: DataType,
    /// One after the other; numbers are 8 bytes.
    bytes: Vec<u8>,
    /// Where each value ends.
    ends: Vec<u32>,
    /// Codes by hash, plus one; zero is empty. Twice as many as values at least.
    slots: Vec<u32>,
    /// What the texts of the last dictionary are in codes.
    known: Option<(ArrayRef, Vec<u32>)>,
    rows: usize,
}

impl Coders {
    /// For the columns of a schema, those of them that may be worth it.
    pub fn new(schema: &Schema) -> Coders {
        Coders { coders: schema.fields().iter().map(|field| Coder::of(field)).collect() }
    }

    /// The column's codes; nothing for a column that is better off with its values.
    pub fn code(&mut self, column: usize, array: &ArrayRef) -> Result<Option<UInt32Array>, StoreError> {
        let Some(place) = self.coders.get_mut(column) else { return Ok(None) };
        let Some(coder) = place else { return Ok(None) };
        if coder.is_worth_it() {
            return Ok(Some(coder.code(array)?));
        }
        if coder.ends.is_empty() {
            *place = None;
        }
        Ok(None)
    }

    pub fn coder(&self, column: usize) -> Option<&Coder> {
        self.coders.get(column)?.as_ref()
    }

    /// The column is not worth codes.
    pub fn give_up(&mut self, column: usize) {
        if let Some(place) = self.coders.get_mut(column) {
            *place = None;
        }
    }

    /// Codes for a column that has some already, however many there are.
    pub fn code_all(&mut self, column: usize, array: &ArrayRef) -> Result<Option<UInt32Array>, StoreError> {
        self.coders.get_mut(column).and_then(Option::as_mut).map(|coder| coder.code(array)).transpose()
    }
}

impl Coder {
    fn of(field: &Field) -> Option<Coder> {
        let data_type = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            other => other.clone(),
        };
        let may_be = matches!(data_type, DataType::Utf8 | DataType::Int64 | DataType::Float64 | DataType::Timestamp(..));
        // Times go up, and differences of theirs are smaller than codes.
        (may_be && field.name() != columns::TIME).then(|| Coder {
            data_type,
            bytes: Vec::new(),
            ends: Vec::new(),
            slots: vec![0; 64],
            known: None,
            rows: 0,
        })
    }

    pub fn values(&self) -> usize {
        self.ends.len()
    }

    pub fn data_type(&self) -> &DataType {
        &self.data_type
    }

    pub fn value(&self, code: u32) -> &[u8] {
        let end = self.ends[code as usize] as usize;
        let start = if code == 0 { 0 } else { self.ends[code as usize - 1] as usize };
        &self.bytes[start..end]
    }

    /// Whether more of the column should become codes. What repeats little at first, like what all spans of a trace have, may
    /// repeat well over a part.
    fn is_worth_it(&self) -> bool {
        self.repeats() && self.ends.len() < CODED_VALUES_MAX && self.bytes.len() < CODED_BYTES_MAX
    }

    /// Whether its values repeat so often that a dictionary takes less than they do.
    pub fn repeats(&self) -> bool {
        let (values, rows) = (self.ends.len(), self.rows);
        match rows {
            ..FIRST_LOOK => true,
            // A number takes little as it is.
            _ if self.data_type != DataType::Utf8 => values < rows / 8,
            FIRST_LOOK..SECOND_LOOK => values < rows / 8 * 7,
            _ => values < rows / 3,
        }
    }

    fn code(&mut self, array: &ArrayRef) -> Result<UInt32Array, StoreError> {
        self.rows += array.len() - array.null_count();
        let codes = match array.data_type() {
            DataType::Utf8 => self.code_texts(array.as_string()),
            DataType::Dictionary(..) => return self.code_dictionary(array),
            DataType::Int64 => {
                self.code_numbers(array.as_primitive::<Int64Type>().values().iter().map(|value| *value as u64), array)
            }
            DataType::Timestamp(..) => {
                let times = array.as_primitive::<TimestampNanosecondType>();
                self.code_numbers(times.values().iter().map(|value| *value as u64), array)
            }
            DataType::Float64 => {
                self.code_numbers(array.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits()), array)
            }
            other => return Err(StoreError::Corrupt(format!("column of type {other} has no codes"))),
        };
        Ok(UInt32Array::new(ScalarBuffer::from(codes), array.nulls().cloned()))
    }

    fn code_texts(&mut self, texts: &StringArray) -> Vec<u32> {
        let mut codes = Vec::with_capacity(texts.len());
        let (offsets, bytes) = (texts.value_offsets(), texts.value_data());
        let mut before: (&[u8], u32) = (&[], u32::MAX);
        for (row, ends) in offsets.windows(2).enumerate() {
            if texts.is_null(row) {
                codes.push(0);
                continue;
            }
            let value = &bytes[ends[0] as usize..ends[1] as usize];
            if before.1 == u32::MAX || before.0 != value {
                before = (value, self.intern(value));
            }
            codes.push(before.1);
        }
        codes
    }

    fn code_numbers(&mut self, values: impl Iterator<Item = u64>, array: &ArrayRef) -> Vec<u32> {
        const RECENT: usize = 64;
        let mut recent = [(0u64, u32::MAX); RECENT];
        let mut codes = Vec::with_capacity(array.len());
        let nulls = array.nulls();
        for (row, value) in values.enumerate() {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                codes.push(0);
                continue;
            }
            let place = &mut recent[(value.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize];
            if place.1 == u32::MAX || place.0 != value {
                *place = (value, self.intern(&value.to_le_bytes()));
            }
            codes.push(place.1);
        }
        codes
    }

    fn code_dictionary(&mut self, array: &ArrayRef) -> Result<UInt32Array, StoreError> {
        let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() else {
            return Err(StoreError::Corrupt("dictionary with keys of another type".into()));
        };
        let texts = dictionary.values();
        let known = match self.known.take() {
            // Batches of one row group share their dictionary.
            Some((of, codes)) if is_same(&of, texts) => codes,
            _ => match texts.as_string_opt::<i32>() {
                Some(texts) => self.code_texts(texts),
                None => return Err(StoreError::Corrupt("dictionary of values that are no texts".into())),
            },
        };
        let keys = dictionary.keys();
        let codes: Vec<u32> = keys.values().iter().map(|key| known.get(*key as usize).copied().unwrap_or(0)).collect();
        self.known = Some((Arc::clone(texts), known));
        Ok(UInt32Array::new(ScalarBuffer::from(codes), keys.nulls().cloned()))
    }

    fn intern(&mut self, value: &[u8]) -> u32 {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut slot = xxh3_64(value) as usize & mask;
        loop {
            match self.slots[slot] {
                0 => break,
                code if self.value(code - 1) == value => return code - 1,
                _ => slot = (slot + 1) & mask,
            }
        }
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push(self.bytes.len() as u32);
        self.slots[slot] = code + 1;
        code
    }

    fn grow(&mut self) {
        let mut slots = vec![0; self.slots.len() * 4];
        let mask = slots.len() - 1;
        for code in 0..self.ends.len() as u32 {
            let mut slot = xxh3_64(self.value(code)) as usize & mask;
            while slots[slot] != 0 {
                slot = (slot + 1) & mask;
            }
            slots[slot] = code + 1;
        }
        self.slots = slots;
    }

    /// The values again.
    pub fn decode(&self, codes: &UInt32Array) -> Result<ArrayRef, StoreError> {
        let nulls: Option<NullBuffer> = codes.nulls().cloned();
        let number = |code: &u32| {
            let bytes = self.ends.get(*code as usize).map(|_| self.value(*code));
            u64::from_le_bytes(bytes.and_then(|bytes| bytes.first_chunk::<8>().copied()).unwrap_or_default())
        };
        let signed = || -> ScalarBuffer<i64> { codes.values().iter().map(|code| number(code) as i64).collect() };
        Ok(match &self.data_type {
            DataType::Int64 => Arc::new(Int64Array::new(signed(), nulls)),
            DataType::Float64 => {
                let values: ScalarBuffer<f64> = codes.values().iter().map(|code| f64::from_bits(number(code))).collect();
                Arc::new(Float64Array::new(values, nulls))
            }
            DataType::Timestamp(..) => {
                let times: TimestampNanosecondArray = PrimitiveArray::new(signed(), nulls);
                Arc::new(times.with_data_type(self.data_type.clone()))
            }
            _ => {
                let mut texts = arrow::array::StringBuilder::with_capacity(codes.len(), codes.len() * 16);
                for code in codes {
                    let bytes = code.map(|code| self.value(code));
                    // What was a text once is one still.
                    texts.append_option(bytes.map(String::from_utf8_lossy));
                }
                Arc::new(texts.finish())
            }
        })
    }
}

fn is_same(one: &ArrayRef, other: &ArrayRef) -> bool {
    Arc::ptr_eq(one, other)
        || match (one.as_string_opt::<i32>(), other.as_string_opt::<i32>()) {
            (Some(one), Some(other)) => {
                one.len() == other.len()
                    && one.values().as_ptr() == other.values().as_ptr()
                    && one.value_offsets().as_ptr() == other.value_offsets().as_ptr()
            }
            _ => false,
        }
}
