//! Counts per group, as DataFusion's aggregation drives them: filled from rows, told as state, merged, answered.
//!
//! The state is four columns: the buckets seen and how often, as lists, and the least and the greatest number. Merging adds
//! counts, so that it does not matter how rows were spread over threads or nodes.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Float64Builder, Int32Builder, ListBuilder, StructBuilder,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Float64Type, Int32Type, Int64Type};
use datafusion::common::{ScalarValue, internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::counts::Counts;
use super::scheme;

/// What is told of the counts in the end.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Percentile(f64),
    Percentiles(Vec<f64>),
    /// Buckets with so many bits of steps per doubling.
    Histogram(u32),
}

impl Told {
    pub fn data_type(&self) -> DataType {
        match self {
            Told::Percentile(_) => DataType::Float64,
            Told::Percentiles(_) => list_of(DataType::Float64),
            Told::Histogram(_) => list_of(DataType::Struct(histogram_fields())),
        }
    }
}

fn list_of(data_type: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(data_type, true)))
}

fn histogram_fields() -> Fields {
    ["lower", "upper", "count"].map(|name| Field::new(name, DataType::Float64, false)).into_iter().collect()
}

/// The columns of the state.
pub fn state_fields(name: &str) -> Vec<FieldRef> {
    let field = |part, data_type| Arc::new(Field::new(format_state_name(name, part), data_type, true));
    vec![
        field("buckets", list_of(DataType::Int32)),
        field("counts", list_of(DataType::Float64)),
        field("min", DataType::Float64),
        field("max", DataType::Float64),
    ]
}

/// Counts of many groups.
#[derive(Debug)]
pub struct LogBuckets {
    groups: Vec<Counts>,
    heap_bytes: usize,
    whole_numbers: bool,
    /// Where among the arguments the weights are.
    weight: Option<usize>,
    told: Told,
}

impl LogBuckets {
    pub fn new(data_type: &DataType, weight: Option<usize>, told: Told) -> LogBuckets {
        LogBuckets { groups: Vec::new(), heap_bytes: 0, whole_numbers: data_type.is_integer(), weight, told }
    }

    fn make_room(&mut self, groups: usize) {
        if self.groups.len() < groups {
            self.groups.resize_with(groups, Counts::default);
        }
    }

    /// Changes one group and keeps the books on its memory.
    fn change(&mut self, group: usize, change: impl FnOnce(&mut Counts)) {
        let counts = &mut self.groups[group];
        let before = counts.heap_bytes();
        change(counts);
        self.heap_bytes = self.heap_bytes + counts.heap_bytes() - before;
    }

    fn update(&mut self, numbers: impl Fn(usize) -> f64, seen: Option<&NullBuffer>, weights: Option<&[f64]>, groups: &[usize]) {
        let weights = weights.filter(|weights| weights.iter().any(|weight| *weight != 1.0));
        if let Some(group) = groups.first().filter(|first| groups.iter().all(|group| group == *first)) {
            return self.update_one(*group, groups.len(), numbers, seen, weights);
        }
        for (row, group) in groups.iter().enumerate() {
            if seen.is_some_and(|seen| seen.is_null(row)) {
                continue;
            }
            let number = numbers(row);
            match weights {
                None if self.groups[*group].add_if_room(number) => {}
                None => self.change(*group, |counts| counts.add(number, 1.0)),
                Some(weights) => {
                    let weight = weights[row];
                    self.change(*group, |counts| counts.add(number, weight));
                }
            }
        }
    }

    /// The same where all rows are of one group.
    fn update_one(
        &mut self,
        group: usize,
        rows: usize,
        numbers: impl Fn(usize) -> f64,
        seen: Option<&NullBuffer>,
        weights: Option<&[f64]>,
    ) {
        let is_seen = |row: &usize| seen.is_none_or(|seen| seen.is_valid(*row));
        self.change(group, |counts| match (weights, seen) {
            (None, None) => counts.add_all((0..rows).map(numbers)),
            (None, Some(_)) => counts.add_all((0..rows).filter(is_seen).map(numbers)),
            (Some(weights), _) => (0..rows).filter(is_seen).for_each(|row| counts.add(numbers(row), weights[row])),
        });
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Counts> {
        let taken = emit_to.take_needed(&mut self.groups);
        self.heap_bytes -= taken.iter().map(Counts::heap_bytes).sum::<usize>().min(self.heap_bytes);
        taken
    }
}

/// Whether a row counts: its number and its weight are there, and the filter holds.
fn seen(values: &[ArrayRef], weight: Option<usize>, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let filter = filter.map(|filter| match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    let weights = weight.and_then(|at| values.get(at)).and_then(|weights| weights.nulls());
    let number = values.first().and_then(|numbers| numbers.nulls());
    NullBuffer::union(NullBuffer::union(number, weights).as_ref(), filter.as_ref())
}

impl GroupsAccumulator for LogBuckets {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.make_room(total_num_groups);
        let seen = seen(values, self.weight, opt_filter);
        let weights = match self.weight.and_then(|at| values.get(at)) {
            Some(weights) => Some(weights.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_type(weights))?.values()),
            None => None,
        };
        let Some(numbers) = values.first() else { return internal_err!("log buckets of nothing") };
        if let Some(numbers) = numbers.as_primitive_opt::<Int64Type>() {
            let numbers = numbers.values();
            self.update(|row| numbers[row] as f64, seen.as_ref(), weights.map(|weights| &**weights), group_indices);
        } else if let Some(numbers) = numbers.as_primitive_opt::<Float64Type>() {
            let numbers = numbers.values();
            self.update(|row| numbers[row], seen.as_ref(), weights.map(|weights| &**weights), group_indices);
        } else {
            return Err(wrong_type(numbers));
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.take(emit_to);
        tell(&groups, &self.told, self.whole_numbers)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(state_of(&self.take(emit_to)))
    }

    fn merge_batch(&mut self, values: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        self.make_room(total_num_groups);
        let state = StateColumns::read(values)?;
        for (row, group) in group_indices.iter().enumerate() {
            self.change(*group, |counts| state.add_to(row, counts));
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], opt_filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = values.first().map_or(0, |numbers| numbers.len());
        let mut alone = LogBuckets {
            groups: Vec::new(),
            heap_bytes: 0,
            whole_numbers: self.whole_numbers,
            weight: self.weight,
            told: self.told.clone(),
        };
        alone.update_batch(values, &(0..rows).collect::<Vec<_>>(), opt_filter, rows)?;
        alone.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<Counts>() + self.heap_bytes
    }
}

/// The same for a question without groups, and for windows.
#[derive(Debug)]
pub struct OneGroup(pub LogBuckets);

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |numbers| numbers.len());
        self.0.update_batch(values, &vec![0; rows], None, 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.make_room(1);
        ScalarValue::try_from_array(&tell(&self.0.groups, &self.0.told, self.0.whole_numbers)?, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.make_room(1);
        state_of(&self.0.groups).iter().map(|column| ScalarValue::try_from_array(column, 0)).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let rows = states.first().map_or(0, |buckets| buckets.len());
        self.0.merge_batch(states, &vec![0; rows], 1)
    }
}

fn tell(groups: &[Counts], told: &Told, whole_numbers: bool) -> Result<ArrayRef> {
    let seen = |counts: &&Counts| !counts.is_empty();
    Ok(match told {
        Told::Percentile(share) => {
            let quantile = |counts: &Counts| counts.quantiles(&[*share], whole_numbers).first().copied();
            Arc::new(groups.iter().map(|counts| Some(counts).filter(seen).and_then(quantile)).collect::<Float64Array>())
        }
        Told::Percentiles(shares) => {
            let mut lists = ListBuilder::new(Float64Builder::new());
            for counts in groups {
                if seen(&counts) {
                    lists.values().append_slice(&counts.quantiles(shares, whole_numbers));
                }
                lists.append(seen(&counts));
            }
            Arc::new(lists.finish())
        }
        Told::Histogram(step_bits) => {
            let mut lists = ListBuilder::new(StructBuilder::from_fields(histogram_fields(), 0));
            for counts in groups {
                for (bucket, count) in coarse_counts(counts, *step_bits) {
                    let (lower, upper) = scheme::coarse_bounds(bucket, *step_bits);
                    for (place, number) in [lower, upper, count].into_iter().enumerate() {
                        let builder = lists.values().field_builder::<Float64Builder>(place);
                        builder.ok_or_else(|| internal_datafusion_err!("histogram without its fields"))?.append_value(number);
                    }
                    lists.values().append(true);
                }
                lists.append(seen(&counts));
            }
            Arc::new(lists.finish())
        }
    })
}

/// The counts with neighbouring buckets added up.
fn coarse_counts(counts: &Counts, step_bits: u32) -> Vec<(i32, f64)> {
    let mut buckets: Vec<(i32, f64)> = Vec::new();
    counts.visit(|bucket, count| {
        let bucket = scheme::coarse(bucket, step_bits);
        match buckets.last_mut() {
            Some((last, sum)) if *last == bucket => *sum += count,
            _ => buckets.push((bucket, count)),
        }
    });
    buckets
}

fn state_of(groups: &[Counts]) -> Vec<ArrayRef> {
    let mut buckets = ListBuilder::new(Int32Builder::new());
    let mut counts = ListBuilder::new(Float64Builder::new());
    for group in groups {
        group.visit(|bucket, count| {
            buckets.values().append_value(bucket);
            counts.values().append_value(count);
        });
        buckets.append(true);
        counts.append(true);
    }
    let end = |of: fn(&Counts) -> f64| -> ArrayRef {
        Arc::new(groups.iter().map(|group| (!group.is_empty()).then(|| of(group))).collect::<Float64Array>())
    };
    vec![Arc::new(buckets.finish()), Arc::new(counts.finish()), end(|group| group.min), end(|group| group.max)]
}

/// State as it comes from elsewhere.
struct StateColumns<'a> {
    buckets: &'a arrow::array::ListArray,
    counts: &'a arrow::array::ListArray,
    bucket_values: &'a [i32],
    count_values: &'a [f64],
    min: &'a Float64Array,
    max: &'a Float64Array,
}

impl<'a> StateColumns<'a> {
    fn read(columns: &'a [ArrayRef]) -> Result<StateColumns<'a>> {
        let [buckets, counts, min, max] = columns else { return internal_err!("state of log buckets has four columns") };
        let list = |column: &'a ArrayRef| column.as_list_opt::<i32>().ok_or_else(|| wrong_type(column));
        let float = |column: &'a ArrayRef| column.as_primitive_opt::<Float64Type>().ok_or_else(|| wrong_type(column));
        let (buckets, counts) = (list(buckets)?, list(counts)?);
        if buckets.offsets() != counts.offsets() && buckets.values().len() != counts.values().len() {
            return internal_err!("state of log buckets has as many counts as buckets");
        }
        let bucket_values =
            buckets.values().as_primitive_opt::<Int32Type>().ok_or_else(|| wrong_type(buckets.values()))?.values();
        Ok(StateColumns {
            buckets,
            counts,
            bucket_values,
            count_values: float(counts.values())?.values(),
            min: float(min)?,
            max: float(max)?,
        })
    }

    fn add_to(&self, row: usize, counts: &mut Counts) {
        if self.buckets.is_null(row) || self.min.is_null(row) {
            return;
        }
        let range = |offsets: &[i32]| offsets[row] as usize..offsets[row + 1] as usize;
        let buckets = &self.bucket_values[range(self.buckets.value_offsets())];
        let seen = &self.count_values[range(self.counts.value_offsets())];
        for (bucket, count) in buckets.iter().zip(seen) {
            counts.add_to(*bucket, *count);
        }
        counts.reach(self.min.value(row), self.max.value(row));
    }
}

fn wrong_type(array: &ArrayRef) -> datafusion::error::DataFusionError {
    internal_datafusion_err!("log buckets cannot read a column of {}", array.data_type())
}
