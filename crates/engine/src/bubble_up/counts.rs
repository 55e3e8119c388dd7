//! The counts of one column's values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Float64Array, Int32Array, Int64Array, PrimitiveArray, StringArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float64Type, Int32Type, Int64Type};
use datafusion::common::{HashMap, internal_err};
use datafusion::error::Result;

use crate::dictionaries::{is_dictionary, same_values};
use crate::functions::log_buckets::{Counts, coarse, coarse_bounds};
use crate::limits::{BUBBLE_UP_SMALL_NUMBERS, BUBBLE_UP_VALUES_MAX, BUBBLE_UP_WHOLE_NUMBERS_MAX};

/// What all rows and what the selected rows stand for.
pub type Pair = [f64; 2];

/// Bits of steps per doubling in what is told of numbers: two steps each.
const TOLD_STEP_BITS: u32 = 1;

/// The rows of a batch: which are selected, and what each stands for if not for itself.
pub struct Rows<'a> {
    pub count: usize,
    pub selected: &'a [u32],
    pub weights: Option<&'a [f64]>,
}

impl Rows<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    /// What the rows without a value stand for.
    fn nulls(&self, nulls: &NullBuffer) -> Pair {
        if self.weights.is_none() {
            let selected = self.selected.iter().filter(|row| nulls.is_null(**row as usize)).count();
            return [nulls.null_count() as f64, selected as f64];
        }
        let mut counted = [0.0; 2];
        self.for_each(|row, of, weight| counted[of] += if nulls.is_null(row) { weight } else { 0.0 });
        counted
    }

    /// Calls `count` for every row and what it stands for, then for the selected ones.
    fn for_each(&self, mut count: impl FnMut(usize, usize, f64)) {
        (0..self.count).for_each(|row| count(row, 0, self.weight(row)));
        self.selected.iter().for_each(|row| count(*row as usize, 1, self.weight(*row as usize)));
    }
}

/// One column.
#[derive(Debug)]
pub struct ColumnCounts {
    pub nulls: Pair,
    values: Values,
    /// Rows of values that were given up because there were too many of them.
    pub forgotten: Pair,
}

#[derive(Debug)]
enum Values {
    Texts(Texts),
    Numbers(Numbers),
}

/// A value as it is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Text(Arc<str>),
    Whole(i64),
    /// From the lower bound to the upper.
    Range(f64, f64),
}

impl ColumnCounts {
    /// For a column of a type that can be counted.
    pub fn new(data_type: &DataType) -> Result<ColumnCounts> {
        let values = match data_type {
            DataType::Utf8 | DataType::Boolean => Values::Texts(Texts::default()),
            data_type if is_dictionary(data_type) => Values::Texts(Texts::default()),
            DataType::Int64 | DataType::Float64 => Values::Numbers(Numbers::default()),
            other => return internal_err!("cannot count values of {other}"),
        };
        Ok(ColumnCounts { nulls: [0.0; 2], values, forgotten: [0.0; 2] })
    }

    pub fn supports(data_type: &DataType) -> bool {
        ColumnCounts::new(data_type).is_ok()
    }

    /// Whether rare values may be missing and others counted too low, by no more than was forgotten.
    pub fn is_cut(&self) -> bool {
        self.forgotten[0] > 0.0
    }

    pub fn add(&mut self, column: &ArrayRef, rows: &Rows<'_>) -> Result<()> {
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        if let Some(nulls) = nulls {
            let counted = rows.nulls(nulls);
            self.nulls = [self.nulls[0] + counted[0], self.nulls[1] + counted[1]];
        }
        match &mut self.values {
            Values::Texts(texts) => {
                match column.data_type() {
                    DataType::Boolean => texts.add_bools(column.as_boolean(), rows),
                    DataType::Utf8 => texts.add_codes(&own_codes(column)?, rows),
                    _ => match column.as_dictionary_opt::<Int32Type>() {
                        Some(column) => texts.add_codes(column, rows),
                        None => return internal_err!("expected texts, found {}", column.data_type()),
                    },
                }
                texts.forget(&mut self.forgotten);
            }
            Values::Numbers(numbers) => match column.data_type() {
                DataType::Int64 => numbers.add_whole(column.as_primitive::<Int64Type>(), nulls, rows),
                DataType::Float64 => numbers.add_any(column.as_primitive::<Float64Type>(), nulls, rows),
                other => return internal_err!("expected numbers, found {other}"),
            },
        }
        Ok(())
    }

    /// Calls `tell` with each value and its counts, in the finest form there is: what [`ColumnCounts::add_told`] takes.
    pub fn tell_state(&mut self, mut tell: impl FnMut(State<'_>, Pair)) {
        match &mut self.values {
            Values::Texts(texts) => {
                texts.settle();
                texts.counts.iter().for_each(|(text, pair)| tell(State::Text(text), *pair));
            }
            Values::Numbers(numbers) => {
                let small = numbers.small.iter().zip(0..).filter(|(pair, _)| pair[0] > 0.0);
                small.for_each(|(pair, number)| tell(State::Whole(number), *pair));
                numbers.buckets().into_iter().for_each(|(bucket, pair)| tell(State::Bucket(bucket), pair));
            }
        }
    }

    /// Adds what another told.
    pub fn add_told(&mut self, told: State<'_>, pair: Pair) {
        match (&mut self.values, told) {
            (Values::Texts(texts), State::Text(text)) => {
                texts.add(text, pair);
                texts.forget(&mut self.forgotten);
            }
            (Values::Numbers(numbers), State::Whole(number)) => numbers.add_pair(number, pair),
            (Values::Numbers(numbers), State::Bucket(bucket)) => numbers.add_bucket(bucket, pair),
            (Values::Texts(_), _) | (Values::Numbers(_), State::Text(_)) => {}
        }
    }

    /// The values as a person reads them. Whole numbers are told one by one if they are few, else all numbers as ranges.
    pub fn told(&mut self) -> Vec<(Told, Pair)> {
        match &mut self.values {
            Values::Texts(texts) => {
                texts.settle();
                texts.counts.iter().map(|(text, pair)| (Told::Text(Arc::clone(text)), *pair)).collect()
            }
            Values::Numbers(numbers) => numbers.told(),
        }
    }

    pub fn bytes(&self) -> usize {
        match &self.values {
            Values::Texts(texts) => texts.bytes(),
            Values::Numbers(numbers) => numbers.bytes(),
        }
    }
}

/// A value as counts are passed on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum State<'a> {
    Text(&'a str),
    Whole(i64),
    /// Of log buckets.
    Bucket(i32),
}

/// Texts as a dictionary in which each row has its own value.
fn own_codes(texts: &ArrayRef) -> Result<DictionaryArray<Int32Type>> {
    let codes = Int32Array::new((0..texts.len() as i32).collect(), texts.nulls().cloned());
    Ok(DictionaryArray::try_new(codes, Arc::clone(texts))?)
}

#[derive(Debug, Default)]
struct Texts {
    counts: HashMap<Arc<str>, Pair>,
    text_bytes: usize,
    codes: Codes,
}

/// Counts by the codes of the dictionary at hand.
#[derive(Debug, Default)]
struct Codes {
    values: Option<ArrayRef>,
    all: Vec<u32>,
    selected: Vec<u32>,
    /// Filled when rows stand for more or less than themselves.
    weighted: Vec<Pair>,
}

impl Texts {
    fn add_codes(&mut self, column: &DictionaryArray<Int32Type>, rows: &Rows<'_>) {
        let values = column.values();
        if !self.codes.values.as_ref().is_some_and(|last| same_values(last, values)) {
            self.settle();
            let zeros = |counts: &mut Vec<u32>| counts.resize(values.len(), 0);
            zeros(&mut self.codes.all);
            zeros(&mut self.codes.selected);
            self.codes.values = Some(Arc::clone(values));
        }
        let keys = column.keys();
        let codes: &[i32] = keys.values();
        let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
        let (all, selected) = (&mut self.codes.all[..], &mut self.codes.selected[..]);
        match (rows.weights, nulls) {
            (None, None) => {
                codes.iter().for_each(|code| all[*code as usize] += 1);
                rows.selected.iter().for_each(|row| selected[codes[*row as usize] as usize] += 1);
            }
            (None, Some(nulls)) => {
                for (from, to) in nulls.valid_slices() {
                    codes[from..to].iter().for_each(|code| all[*code as usize] += 1);
                }
                let seen = rows.selected.iter().filter(|row| nulls.is_valid(**row as usize));
                seen.for_each(|row| selected[codes[*row as usize] as usize] += 1);
            }
            (Some(_), nulls) => {
                let weighted = &mut self.codes.weighted;
                weighted.resize(values.len(), [0.0; 2]);
                rows.for_each(|row, of, weight| {
                    if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                        weighted[codes[row] as usize][of] += weight;
                    }
                });
            }
        }
    }

    fn add_bools(&mut self, column: &BooleanArray, rows: &Rows<'_>) {
        let mut counted = [[0.0; 2]; 2];
        rows.for_each(|row, of, weight| {
            if column.is_valid(row) {
                counted[usize::from(column.value(row))][of] += weight;
            }
        });
        for (text, pair) in ["false", "true"].into_iter().zip(counted) {
            if pair[0] > 0.0 {
                self.add(text, pair);
            }
        }
    }

    fn add(&mut self, text: &str, pair: Pair) {
        if let Some(counts) = self.counts.get_mut(text) {
            *counts = [counts[0] + pair[0], counts[1] + pair[1]];
            return;
        }
        self.text_bytes += text.len();
        self.counts.insert(text.into(), pair);
    }

    /// Moves what was counted by code to the texts.
    fn settle(&mut self) {
        let Codes { values, all, selected, weighted } = std::mem::take(&mut self.codes);
        let Some(values) = values else { return };
        let texts: &StringArray = values.as_string::<i32>();
        for (code, (all, selected)) in all.into_iter().zip(selected).enumerate() {
            let extra = weighted.get(code).copied().unwrap_or_default();
            if all > 0 || extra[0] > 0.0 {
                self.add(texts.value(code), [f64::from(all) + extra[0], f64::from(selected) + extra[1]]);
            }
        }
    }

    /// Gives up the rarer half of the values when there are too many.
    fn forget(&mut self, forgotten: &mut Pair) {
        if self.counts.len() <= BUBBLE_UP_VALUES_MAX {
            return;
        }
        let mut seen: Vec<f64> = self.counts.values().map(|pair| pair[0]).collect();
        let middle = seen.len() / 2;
        let (_, least, _) = seen.select_nth_unstable_by(middle, f64::total_cmp);
        let least = *least;
        // Those that are seen more often than the middle stay in any case; of its equals as many as there is room for.
        let more_often = seen[middle..].iter().filter(|count| **count > least).count();
        let mut room = (BUBBLE_UP_VALUES_MAX / 2).saturating_sub(more_often);
        self.counts.retain(|text, pair| {
            let is_equal = pair[0] == least && room > 0;
            let stays = pair[0] > least || is_equal;
            room -= usize::from(is_equal);
            if !stays {
                self.text_bytes -= text.len();
                *forgotten = [forgotten[0] + pair[0], forgotten[1] + pair[1]];
            }
            stays
        });
    }

    fn bytes(&self) -> usize {
        let map = self.counts.capacity() * (size_of::<(Arc<str>, Pair)>() + 1) + self.counts.len() * 2 * size_of::<usize>();
        let codes = (self.codes.all.capacity() + self.codes.selected.capacity()) * size_of::<u32>();
        map + self.text_bytes + codes + self.codes.weighted.capacity() * size_of::<Pair>()
    }
}

/// Small whole numbers one by one, others in log buckets.
#[derive(Debug, Default)]
struct Numbers {
    small: Vec<Pair>,
    all: Counts,
    selected: Counts,
}

impl Numbers {
    fn add_whole(&mut self, column: &Int64Array, nulls: Option<&NullBuffer>, rows: &Rows<'_>) {
        self.small.resize(BUBBLE_UP_SMALL_NUMBERS, [0.0; 2]);
        let numbers: &[i64] = column.values();
        let Numbers { small, all, selected } = self;
        rows.for_each(|row, of, weight| {
            if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                return;
            }
            match usize::try_from(numbers[row]).ok().and_then(|number| small.get_mut(number)) {
                Some(pair) => pair[of] += weight,
                None => count(if of == 0 { &mut *all } else { &mut *selected }, numbers[row] as f64, weight),
            }
        });
    }

    fn add_any(&mut self, column: &Float64Array, nulls: Option<&NullBuffer>, rows: &Rows<'_>) {
        let numbers = values_of(column);
        rows.for_each(|row, of, weight| {
            if nulls.is_none_or(|nulls| nulls.is_valid(row)) {
                count(if of == 0 { &mut self.all } else { &mut self.selected }, numbers[row], weight);
            }
        });
    }

    fn add_pair(&mut self, number: i64, pair: Pair) {
        self.small.resize(BUBBLE_UP_SMALL_NUMBERS, [0.0; 2]);
        if let Some(counts) = usize::try_from(number).ok().and_then(|number| self.small.get_mut(number)) {
            *counts = [counts[0] + pair[0], counts[1] + pair[1]];
        }
    }

    fn add_bucket(&mut self, bucket: i32, pair: Pair) {
        self.all.add_to(bucket, pair[0]);
        if pair[1] > 0.0 {
            self.selected.add_to(bucket, pair[1]);
        }
    }

    /// Every bucket with its counts.
    fn buckets(&self) -> Vec<(i32, Pair)> {
        let mut buckets: Vec<(i32, Pair)> = Vec::new();
        self.all.visit(|bucket, count| buckets.push((bucket, [count, 0.0])));
        self.selected.visit(|bucket, count| {
            if let Ok(at) = buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                buckets[at].1[1] = count;
            }
        });
        buckets
    }

    fn told(&self) -> Vec<(Told, Pair)> {
        let buckets = self.buckets();
        let small: Vec<(i64, Pair)> = (0..).zip(self.small.iter().copied()).filter(|(_, pair)| pair[0] > 0.0).collect();
        if buckets.is_empty() && small.len() <= BUBBLE_UP_WHOLE_NUMBERS_MAX {
            return small.into_iter().map(|(number, pair)| (Told::Whole(number), pair)).collect();
        }
        let mut whole = (Counts::default(), Counts::default());
        for (number, pair) in small {
            whole.0.add(number as f64, pair[0]);
            whole.1.add(number as f64, pair[1]);
        }
        let small = Numbers { small: Vec::new(), all: whole.0, selected: whole.1 }.buckets();
        let mut ranges: std::collections::BTreeMap<i32, Pair> = std::collections::BTreeMap::new();
        for (bucket, pair) in buckets.into_iter().chain(small) {
            let range = ranges.entry(coarse(bucket, TOLD_STEP_BITS)).or_default();
            *range = [range[0] + pair[0], range[1] + pair[1]];
        }
        let bounds = |bucket| coarse_bounds(bucket, TOLD_STEP_BITS);
        ranges.into_iter().map(|(bucket, pair)| (Told::Range(bounds(bucket).0, bounds(bucket).1), pair)).collect()
    }

    fn bytes(&self) -> usize {
        self.small.capacity() * size_of::<Pair>() + self.all.heap_bytes() + self.selected.heap_bytes()
    }
}

fn count(counts: &mut Counts, number: f64, weight: f64) {
    if weight != 1.0 || !counts.add_if_room(number) {
        counts.add(number, weight);
    }
}

fn values_of<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>) -> &[T::Native] {
    column.values()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_all(column: ArrayRef, selected: &[u32], weights: Option<&[f64]>) -> ColumnCounts {
        let mut counts = ColumnCounts::new(column.data_type()).unwrap();
        counts.add(&column, &Rows { count: column.len(), selected, weights }).unwrap();
        counts
    }

    fn told(counts: &mut ColumnCounts) -> Vec<(Told, Pair)> {
        let mut told = counts.told();
        told.sort_by(|a, b| format!("{:?}", a.0).cmp(&format!("{:?}", b.0)));
        told
    }

    #[test]
    fn texts_numbers_and_bools_are_counted_with_their_nulls() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("a")]));
        let mut counts = count_all(texts, &[0, 1], None);
        assert_eq!(counts.nulls, [1.0, 1.0]);
        assert_eq!(told(&mut counts), [(Told::Text("a".into()), [2.0, 1.0]), (Told::Text("b".into()), [1.0, 0.0])]);
        let bools: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)]));
        let mut counts = count_all(bools, &[0, 1], Some(&[2.0, 3.0, 1.0, 0.5]));
        assert_eq!(counts.nulls, [3.0, 3.0]);
        assert_eq!(told(&mut counts), [(Told::Text("false".into()), [1.0, 0.0]), (Told::Text("true".into()), [2.5, 2.0])]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(200), Some(500), None, Some(200)]));
        let mut counts = count_all(Arc::clone(&numbers), &[1], None);
        assert_eq!(told(&mut counts), [(Told::Whole(200), [2.0, 0.0]), (Told::Whole(500), [1.0, 1.0])]);
        let large: ArrayRef = Arc::new(Int64Array::from(vec![Some(200), Some(5_000), Some(-3), Some(200)]));
        let mut counts = count_all(large, &[1], None);
        assert_eq!(
            told(&mut counts),
            [
                (Told::Range(-4.0, -3.0), [1.0, 0.0]),
                (Told::Range(192.0, 256.0), [2.0, 0.0]),
                (Told::Range(4096.0, 6144.0), [1.0, 1.0])
            ]
        );
    }

    #[test]
    fn codes_of_several_dictionaries_add_up() {
        let mut counts = ColumnCounts::new(&crate::dictionaries::dictionary_type()).unwrap();
        for texts in [["a", "b", "a"], ["b", "c", "b"]] {
            let plain: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
            let column = arrow::compute::cast(&plain, &crate::dictionaries::dictionary_type()).unwrap();
            for _ in 0..2 {
                counts.add(&column, &Rows { count: 3, selected: &[2], weights: None }).unwrap();
            }
        }
        let expected = [("a", [4.0, 2.0]), ("b", [6.0, 2.0]), ("c", [2.0, 0.0])];
        assert_eq!(told(&mut counts), expected.map(|(text, pair)| (Told::Text(text.into()), pair)));
    }

    #[test]
    fn state_carries_everything() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 7, 100_000, -5]));
        let mut counts = count_all(numbers, &[0, 2], None);
        let mut other = ColumnCounts::new(&DataType::Int64).unwrap();
        counts.tell_state(|state, pair| other.add_told(state, pair));
        assert_eq!(told(&mut counts), told(&mut other));
    }

    #[test]
    fn too_many_values_are_cut_and_that_is_said() {
        let texts: Vec<String> = (0..BUBBLE_UP_VALUES_MAX + 10).map(|number| format!("id {number}")).collect();
        let mut counts = ColumnCounts::new(&DataType::Utf8).unwrap();
        let often: ArrayRef = Arc::new(StringArray::from(vec!["often"; 50]));
        counts.add(&often, &Rows { count: 50, selected: &[0], weights: None }).unwrap();
        let column: ArrayRef = Arc::new(StringArray::from(texts.iter().map(String::as_str).collect::<Vec<_>>()));
        for _ in 0..2 {
            counts.add(&column, &Rows { count: texts.len(), selected: &[], weights: None }).unwrap();
            counts.add(&often, &Rows { count: 50, selected: &[0], weights: None }).unwrap();
        }
        assert!(counts.is_cut());
        let told = counts.told();
        assert!(told.len() <= BUBBLE_UP_VALUES_MAX);
        assert!(told.contains(&(Told::Text("often".into()), [150.0, 3.0])));
        let kept: f64 = told.iter().map(|(_, pair)| pair[0]).sum();
        assert_eq!(kept + counts.forgotten[0], (2 * texts.len() + 150) as f64);
    }
}
