//! From rows to groups: each key column gives a small number, the numbers of a row give its group.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, DictionaryArray, PrimitiveArray, RecordBatch, StringBuilder};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampNanosecondType};
use datafusion::common::{HashMap, internal_err};
use datafusion::error::Result;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use crate::dictionaries::is_dictionary;
use crate::limits::{GROUP_SMALL_NUMBERS_MAX, GROUP_TABLE_CELLS_MAX, GROUPS_AT_ONCE_MAX};

/// The groups seen so far.
pub struct Groups {
    keys: Vec<Key>,
    /// For each column but the first, how its number joins those before it; a lone column of booleans joins nothing.
    joins: Vec<Join>,
    lone: Lone,
    /// Numbers of the row's key columns, scratch of a batch.
    numbers: Vec<u32>,
    joined: Vec<u32>,
    len: usize,
}

impl Groups {
    pub fn new(types: &[DataType]) -> Result<Groups> {
        let keys = types.iter().map(Key::new).collect::<Result<Vec<_>>>()?;
        let joins = (1..types.len().max(2)).map(|_| Join::default()).collect();
        Ok(Groups { keys, joins, lone: Lone::default(), numbers: Vec::new(), joined: Vec::new(), len: 0 })
    }

    /// Whether keys of a type can be told apart here.
    pub fn supports(data_type: &DataType) -> bool {
        Key::new(data_type).is_ok()
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_full(&self) -> bool {
        let texts = self.keys.iter().map(Key::len).max().unwrap_or_default();
        self.len >= GROUPS_AT_ONCE_MAX || texts >= GROUPS_AT_ONCE_MAX
    }

    /// The group of every row.
    pub fn of_rows(&mut self, columns: &[ArrayRef], groups: &mut Vec<usize>) -> Result<()> {
        groups.clear();
        if let ([key], [column]) = (&mut *self.keys, columns)
            && key.counts_up()
        {
            self.lone.groups(key, column, &mut self.numbers, groups)?;
            self.len = self.lone.len(key);
            return Ok(());
        }
        let alone = self.keys.len() == 1;
        for (place, (key, column)) in self.keys.iter_mut().zip(columns).enumerate() {
            self.numbers.clear();
            key.numbers(column, &mut self.numbers)?;
            if alone {
                self.joined.clear();
                self.joined.resize(self.numbers.len(), 0);
            }
            match self.joins.get_mut(if alone { place } else { place.wrapping_sub(1) }) {
                None => std::mem::swap(&mut self.joined, &mut self.numbers),
                Some(join) => join.join(&mut self.joined, &self.numbers, key.len()),
            }
        }
        self.len = self.joins.last().map_or(0, |join| join.parts.len());
        groups.extend(self.joined.iter().map(|group| *group as usize));
        Ok(())
    }

    /// The keys of all groups, in their order.
    pub fn keys(&self) -> Result<Vec<ArrayRef>> {
        if let [key] = &*self.keys
            && key.counts_up()
        {
            return Ok(vec![key.values(&self.lone.numbers(self.len))]);
        }
        let mut parts: Vec<u32> = (0..self.len as u32).collect();
        let mut columns = Vec::with_capacity(self.keys.len());
        let alone = self.keys.len() == 1;
        for (place, key) in self.keys.iter().enumerate().rev() {
            let numbers: Vec<u32> = match self.joins.get(if alone { place } else { place.wrapping_sub(1) }) {
                None => std::mem::take(&mut parts),
                Some(join) => {
                    let numbers = parts.iter().map(|group| join.parts[*group as usize].1).collect();
                    parts.iter_mut().for_each(|group| *group = join.parts[*group as usize].0);
                    numbers
                }
            };
            columns.push(key.values(&numbers));
        }
        columns.reverse();
        Ok(columns)
    }

    pub fn clear(&mut self) {
        self.keys.iter_mut().for_each(Key::clear);
        self.joins.iter_mut().for_each(|join| *join = Join::default());
        self.lone = Lone::default();
        self.len = 0;
    }

    pub fn bytes(&self) -> usize {
        let keys: usize = self.keys.iter().map(Key::bytes).sum();
        let joins: usize = self.joins.iter().map(Join::bytes).sum();
        keys + joins + (self.numbers.capacity() + self.joined.capacity()) * size_of::<u32>()
    }
}

/// The groups of a lone key: its own numbers, with null moved to where it was met.
#[derive(Default)]
struct Lone {
    null: Option<u32>,
}

impl Lone {
    fn groups(&mut self, key: &mut Key, column: &ArrayRef, numbers: &mut Vec<u32>, groups: &mut Vec<usize>) -> Result<()> {
        let met = key.len() as u32 - 1;
        if let Some(number) = key.number_of_all(column) {
            groups.resize(column.len(), self.group(number));
            return Ok(());
        }
        numbers.clear();
        key.numbers(column, numbers)?;
        if self.null.is_none()
            && let Some(row) = numbers.iter().position(|number| *number == 0)
        {
            self.null = Some(numbers[..row].iter().copied().max().unwrap_or(0).max(met));
        }
        groups.extend(numbers.iter().map(|number| self.group(*number)));
        Ok(())
    }

    #[inline]
    fn group(&self, number: u32) -> usize {
        let null = self.null.unwrap_or(u32::MAX);
        let group = number.checked_sub(1).map_or(null, |place| place + u32::from(place >= null));
        group as usize
    }

    fn len(&self, key: &Key) -> usize {
        key.len() - 1 + usize::from(self.null.is_some())
    }

    /// The number of each group.
    fn numbers(&self, len: usize) -> Vec<u32> {
        let null = self.null.unwrap_or(u32::MAX);
        (0..len as u32).map(|group| if group == null { 0 } else { group + u32::from(group < null) }).collect()
    }
}

/// Numbers for pairs of numbers, in the order they are met.
#[derive(Default)]
struct Join {
    /// The pair of each number.
    parts: Vec<(u32, u32)>,
    /// Row `before`, column `number`: one more than the pair's number, zero for none yet. Empty once it would be too large.
    table: Vec<u32>,
    /// Columns of the table.
    width: usize,
    map: Option<HashMap<(u32, u32), u32>>,
}

impl Join {
    /// Replaces each `before` by the number of its pair with `numbers`, which are less than `count`.
    fn join(&mut self, before: &mut [u32], numbers: &[u32], count: usize) {
        let rows = before.iter().max().map_or(0, |max| *max as usize + 1);
        if self.map.is_none() {
            self.make_room(rows, count);
        }
        if let Some(map) = &mut self.map {
            for (before, number) in before.iter_mut().zip(numbers) {
                let next = self.parts.len() as u32;
                let pair = (*before, *number);
                *before = *map.entry(pair).or_insert(next);
                if *before == next {
                    self.parts.push(pair);
                }
            }
            return;
        }
        for (before, number) in before.iter_mut().zip(numbers) {
            let cell = &mut self.table[*before as usize * self.width + *number as usize];
            if *cell == 0 {
                self.parts.push((*before, *number));
                *cell = self.parts.len() as u32;
            }
            *before = *cell - 1;
        }
    }

    /// Sees to it that the table has `rows` and `count` columns, or gives way to a map.
    fn make_room(&mut self, rows: usize, count: usize) {
        if count <= self.width && rows * self.width <= self.table.len() {
            return;
        }
        let width = if count <= self.width { self.width } else { count.next_power_of_two() };
        let rows = rows.max(self.table.len().checked_div(self.width).unwrap_or_default()).next_power_of_two();
        if rows * width > GROUP_TABLE_CELLS_MAX {
            self.map = Some(self.parts.iter().copied().zip(0..).collect());
            self.table = Vec::new();
            return;
        }
        let mut table = vec![0; rows * width];
        for ((before, number), pair) in self.parts.iter().zip(1..) {
            table[*before as usize * width + *number as usize] = pair;
        }
        (self.table, self.width) = (table, width);
    }

    fn bytes(&self) -> usize {
        let map = self.map.as_ref().map_or(0, |map| map.capacity() * size_of::<((u32, u32), u32)>());
        self.parts.capacity() * size_of::<(u32, u32)>() + self.table.capacity() * size_of::<u32>() + map
    }
}

/// One key column: a number for each value, in the order they are met. Null has number 0.
enum Key {
    Texts(Texts),
    Numbers(Numbers),
    Bools,
}

impl Key {
    fn new(data_type: &DataType) -> Result<Key> {
        match data_type {
            data_type if is_dictionary(data_type) => Ok(Key::Texts(Texts::default())),
            DataType::Int64 | DataType::Float64 | DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Ok(Key::Numbers(Numbers::new(data_type)))
            }
            DataType::Boolean => Ok(Key::Bools),
            other => internal_err!("cannot group {other} by codes"),
        }
    }

    /// Whether its numbers are given in the order that values are met.
    fn counts_up(&self) -> bool {
        !matches!(self, Key::Bools)
    }

    /// The number of every row of a column where it is the same, as steps of rows in order of time often are.
    fn number_of_all(&mut self, column: &ArrayRef) -> Option<u32> {
        match self {
            Key::Numbers(numbers) => numbers.number_of_all(column),
            Key::Texts(_) | Key::Bools => None,
        }
    }

    /// How many numbers were given, that of null included.
    fn len(&self) -> usize {
        match self {
            Key::Texts(texts) => texts.ends.len() + 1,
            Key::Numbers(numbers) => numbers.values.len() + 1,
            Key::Bools => 3,
        }
    }

    fn numbers(&mut self, column: &ArrayRef, out: &mut Vec<u32>) -> Result<()> {
        match self {
            Key::Texts(texts) => match column.as_dictionary_opt::<Int32Type>() {
                Some(column) => texts.numbers(column, out),
                None => return internal_err!("expected a dictionary, found {}", column.data_type()),
            },
            Key::Numbers(numbers) => numbers.numbers(column, out)?,
            Key::Bools => {
                let bools = column.as_boolean();
                out.extend(bools.iter().map(|value| match value {
                    None => 0,
                    Some(false) => 1,
                    Some(true) => 2,
                }));
            }
        }
        Ok(())
    }

    fn values(&self, numbers: &[u32]) -> ArrayRef {
        match self {
            Key::Texts(texts) => {
                let mut builder = StringBuilder::with_capacity(numbers.len(), 0);
                for number in numbers {
                    builder.append_option(number.checked_sub(1).map(|place| texts.text(place)));
                }
                Arc::new(builder.finish())
            }
            Key::Numbers(all) => all.of(numbers),
            Key::Bools => {
                let mut builder = BooleanBuilder::with_capacity(numbers.len());
                numbers.iter().for_each(|number| builder.append_option(number.checked_sub(1).map(|value| value == 1)));
                Arc::new(builder.finish())
            }
        }
    }

    fn clear(&mut self) {
        match self {
            Key::Texts(texts) => *texts = Texts::default(),
            Key::Numbers(numbers) => *numbers = Numbers::new(&numbers.data_type),
            Key::Bools => {}
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Key::Texts(texts) => texts.bytes(),
            Key::Numbers(numbers) => {
                numbers.values.capacity() * (size_of::<u64>() * 3) + numbers.small.capacity() * size_of::<u32>()
            }
            Key::Bools => 0,
        }
    }
}

/// The texts of a column, one behind the other.
#[derive(Default)]
struct Texts {
    met: HashTable<Met>,
    contents: String,
    /// Where each text ends; its number is one more than its place.
    ends: Vec<usize>,
    /// The dictionary of the batch before, and the number of each of its codes.
    last: Option<(ArrayRef, Vec<u32>)>,
}

/// A text's entry; the hash saves looking at the text when another is meant, and when the table grows.
struct Met {
    hash: u32,
    place: u32,
}

impl Met {
    /// What the table, which looks at the highest bits and the lowest, goes by.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// A code that no row had yet.
const NOT_MET: u32 = u32::MAX;

impl Texts {
    fn numbers(&mut self, column: &DictionaryArray<Int32Type>, out: &mut Vec<u32>) {
        let values = column.values();
        let mut codes = match self.last.take() {
            Some((last, codes)) if crate::dictionaries::same_values(&last, values) => codes,
            _ => vec![NOT_MET; values.len()],
        };
        let keys = column.keys();
        let mut number = |code: i32| {
            let number = codes[code as usize];
            if number != NOT_MET { number } else { self.meet(values, code, &mut codes) }
        };
        match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => out.extend(keys.values().iter().map(|code| number(*code))),
            Some(nulls) => {
                out.extend(keys.values().iter().zip(nulls).map(|(code, seen)| if seen { number(*code) } else { 0 }));
            }
        }
        self.last = Some((Arc::clone(values), codes));
    }

    /// The number of a code that the batch's dictionary was not asked for yet.
    fn meet(&mut self, values: &ArrayRef, code: i32, codes: &mut [u32]) -> u32 {
        let values = values.as_string::<i32>();
        let at = code as usize;
        if values.is_null(at) {
            codes[at] = 0;
            return 0;
        }
        let number = self.place(values.value(at)) + 1;
        codes[at] = number;
        number
    }

    /// The place of a text, which is a new one at first sight.
    fn place(&mut self, text: &str) -> u32 {
        let hash = xxh3_64(text.as_bytes()) as u32;
        let Texts { met, contents, ends, .. } = self;
        let is_it = |met: &Met| met.hash == hash && text_at(contents, ends, met.place) == text;
        match met.entry(Met::spread(hash), is_it, |met| Met::spread(met.hash)) {
            Entry::Occupied(met) => met.get().place,
            Entry::Vacant(room) => {
                let place = ends.len() as u32;
                room.insert(Met { hash, place });
                contents.push_str(text);
                ends.push(contents.len());
                place
            }
        }
    }

    fn text(&self, place: u32) -> &str {
        text_at(&self.contents, &self.ends, place)
    }

    fn bytes(&self) -> usize {
        let codes = self.last.as_ref().map_or(0, |(_, codes)| codes.capacity() * size_of::<u32>());
        self.contents.capacity() + self.ends.capacity() * size_of::<usize>() + self.met.capacity() * size_of::<Met>() + codes
    }
}

fn text_at<'t>(contents: &'t str, ends: &[usize], place: u32) -> &'t str {
    let place = place as usize;
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    &contents[start..ends[place]]
}

/// Whole numbers, times and floats of a column, by their bits.
struct Numbers {
    data_type: DataType,
    numbers: HashMap<u64, u32>,
    /// The number of each of the smallest values, zero for none yet; they are not in `numbers`.
    small: Vec<u32>,
    values: Vec<u64>,
    /// Neighbours are often alike.
    last: Option<(u64, u32)>,
}

impl Numbers {
    fn new(data_type: &DataType) -> Numbers {
        Numbers { data_type: data_type.clone(), numbers: HashMap::new(), small: Vec::new(), values: Vec::new(), last: None }
    }

    fn numbers(&mut self, column: &ArrayRef, out: &mut Vec<u32>) -> Result<()> {
        if let Some(number) = self.number_of_all(column) {
            out.resize(out.len() + column.len(), number);
            return Ok(());
        }
        match column.data_type() {
            DataType::Int64 => self.extend(column.as_primitive::<Int64Type>(), |value| value as u64, out),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                self.extend(column.as_primitive::<TimestampNanosecondType>(), |value| value as u64, out);
            }
            // Zero and its negative are one group.
            DataType::Float64 => {
                let bits = |value: f64| if value == 0.0 { 0 } else { value.to_bits() };
                self.extend(column.as_primitive::<Float64Type>(), bits, out);
            }
            other => return internal_err!("expected numbers, found {other}"),
        }
        Ok(())
    }

    /// The number of every row of a column of whole numbers or times that are the same.
    fn number_of_all(&mut self, column: &ArrayRef) -> Option<u32> {
        let values: &[i64] = match column.data_type() {
            DataType::Int64 => column.as_primitive::<Int64Type>().values(),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => column.as_primitive::<TimestampNanosecondType>().values(),
            _ => return None,
        };
        let first = values.first().filter(|first| column.null_count() == 0 && values.iter().all(|value| value == *first));
        first.map(|first| self.number(*first as u64))
    }

    fn extend<T: ArrowPrimitiveType>(&mut self, column: &PrimitiveArray<T>, bits: impl Fn(T::Native) -> u64, out: &mut Vec<u32>) {
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        let values: &[T::Native] = column.values();
        for (row, value) in values.iter().enumerate() {
            let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
            out.push(if is_null { 0 } else { self.number(bits(*value)) });
        }
    }

    #[inline]
    fn number(&mut self, bits: u64) -> u32 {
        if let Some((last, number)) = self.last
            && last == bits
        {
            return number;
        }
        let next = self.values.len() as u32 + 1;
        let number = match usize::try_from(bits) {
            Ok(small) if small < GROUP_SMALL_NUMBERS_MAX => {
                if small >= self.small.len() {
                    self.small.resize((small + 1).next_power_of_two(), 0);
                }
                let cell = &mut self.small[small];
                if *cell == 0 {
                    *cell = next;
                }
                *cell
            }
            _ => *self.numbers.entry(bits).or_insert(next),
        };
        if number == next {
            self.values.push(bits);
        }
        self.last = Some((bits, number));
        number
    }

    fn of(&self, numbers: &[u32]) -> ArrayRef {
        let bits = numbers.iter().map(|number| number.checked_sub(1).and_then(|at| self.values.get(at as usize)).copied());
        match &self.data_type {
            DataType::Float64 => Arc::new(bits.map(|bits| bits.map(f64::from_bits)).collect::<PrimitiveArray<Float64Type>>()),
            DataType::Int64 => Arc::new(bits.map(|bits| bits.map(|bits| bits as i64)).collect::<PrimitiveArray<Int64Type>>()),
            other => {
                let times: PrimitiveArray<TimestampNanosecondType> = bits.map(|bits| bits.map(|bits| bits as i64)).collect();
                Arc::new(times.with_data_type(other.clone()))
            }
        }
    }
}

/// The key columns of a batch.
pub fn evaluate(exprs: &[Arc<dyn datafusion::physical_plan::PhysicalExpr>], batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    exprs.iter().map(|expr| expr.evaluate(batch)?.into_array(batch.num_rows())).collect()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::compute::cast;

    use super::*;
    use crate::dictionaries::dictionary_type;

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        let plain: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        cast(&plain, &dictionary_type()).unwrap()
    }

    #[test]
    fn rows_alike_have_one_group_across_dictionaries() {
        let mut groups = Groups::new(&[dictionary_type(), DataType::Int64, DataType::Boolean]).unwrap();
        let mut found = Vec::new();
        let bools = |values: &[Option<bool>]| -> ArrayRef { Arc::new(arrow::array::BooleanArray::from(values.to_vec())) };
        let numbers = |values: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
        let first = [
            texts(&[Some("a"), Some("b"), None, Some("a")]),
            numbers(&[Some(1), Some(1), None, Some(1)]),
            bools(&[Some(true), None, None, Some(true)]),
        ];
        groups.of_rows(&first, &mut found).unwrap();
        assert_eq!(found, [0, 1, 2, 0]);
        let second = [texts(&[Some("c"), Some("b"), None]), numbers(&[Some(1), Some(1), None]), bools(&[Some(true), None, None])];
        groups.of_rows(&second, &mut found).unwrap();
        assert_eq!(found, [3, 1, 2]);
        let keys = groups.keys().unwrap();
        assert_eq!(keys[0].as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), Some("b"), None, Some("c")]);
        assert_eq!(keys[1].as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [Some(1), Some(1), None, Some(1)]);
        assert_eq!(keys[2].as_boolean().iter().collect::<Vec<_>>(), [Some(true), None, None, Some(true)]);
        groups.clear();
        groups.of_rows(&second, &mut found).unwrap();
        assert_eq!((found, groups.len()), (vec![0, 1, 2], 3));
    }

    #[test]
    fn groups_of_a_lone_key_are_numbered_as_they_are_met() {
        let whole = |values: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(values.to_vec())) };
        let bools = |values: &[Option<bool>]| -> ArrayRef { Arc::new(arrow::array::BooleanArray::from(values.to_vec())) };
        let batches = |key: &dyn Fn(&[usize]) -> ArrayRef| [&[0, 1, 0][..], &[1, 2, 0], &[2, 2, 2]].map(key);
        let named = [Some("b"), None, Some("a")];
        let numbered = [Some(7), None, Some(1 << 40)];
        let said = [Some(true), None, Some(false)];
        let columns: [(DataType, [ArrayRef; 3]); 3] = [
            (dictionary_type(), batches(&|rows| texts(&rows.iter().map(|row| named[*row]).collect::<Vec<_>>()))),
            (DataType::Int64, batches(&|rows| whole(&rows.iter().map(|row| numbered[*row]).collect::<Vec<_>>()))),
            (DataType::Boolean, batches(&|rows| bools(&rows.iter().map(|row| said[*row]).collect::<Vec<_>>()))),
        ];
        for (data_type, batches) in columns {
            let mut groups = Groups::new(std::slice::from_ref(&data_type)).unwrap();
            let mut found = Vec::new();
            for (batch, (expected, len)) in batches.iter().zip([(vec![0, 1, 0], 2), (vec![1, 2, 0], 3), (vec![2, 2, 2], 3)]) {
                groups.of_rows(std::slice::from_ref(batch), &mut found).unwrap();
                assert_eq!((&found, groups.len()), (&expected, len), "{data_type}");
            }
            let keys = groups.keys().unwrap();
            assert_eq!((keys[0].len(), keys[0].is_null(1), keys[0].null_count()), (3, true, 1), "{data_type}");
        }
    }

    #[test]
    fn many_groups_leave_the_table() {
        let mut groups = Groups::new(&[DataType::Int64, DataType::Float64]).unwrap();
        let mut found = Vec::new();
        let rows = 20_000_i64;
        let left: ArrayRef = Arc::new((0..rows).map(Some).collect::<Int64Array>());
        let right: ArrayRef = Arc::new((0..rows).map(|row| Some(row as f64 / 2.0)).collect::<Float64Array>());
        groups.of_rows(&[left, right], &mut found).unwrap();
        assert_eq!(found, (0..rows as usize).collect::<Vec<_>>());
        assert!(groups.joins[0].map.is_some());
        assert_eq!(groups.keys().unwrap()[1].as_primitive::<Float64Type>().value(19_999), 9_999.5);
    }
}
