//! Grouping sets out of the finest: rows are read and aggregated once, the coarser groups are put together from its states.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use datafusion::common::{HashMap, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::EmitTo;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_plan::aggregates::PhysicalGroupBy;

/// Which keys each set leaves out. A plain `GROUP BY` has one set, that leaves out none, and its rows do not say of which set
/// they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sets {
    left_out: Vec<Vec<bool>>,
    are_told: bool,
}

impl Sets {
    /// The sets of a plan's groups; nothing unless one of them, and one only, has all keys, and none is there twice.
    pub fn of(groups: &PhysicalGroupBy) -> Option<Sets> {
        let left_out = groups.groups().to_vec();
        let is_whole = |set: &&Vec<bool>| set.iter().all(|is_left_out| !is_left_out);
        let differ = left_out.iter().enumerate().all(|(place, set)| !left_out[..place].contains(set));
        let fits = left_out.iter().filter(is_whole).count() == 1 && differ && groups.expr().len() <= u64::BITS as usize;
        fits.then_some(Sets { left_out, are_told: groups.has_grouping_set() })
    }

    pub fn is_single(&self) -> bool {
        !self.are_told
    }

    /// For each set the states of its groups, from those of the finest: `states` of `aggregates` beside their `keys`.
    pub fn rolled_up(
        &self,
        schema: &SchemaRef,
        keys: &[ArrayRef],
        aggregates: &[&AggregateFunctionExpr],
        states: &[Vec<ArrayRef>],
    ) -> Result<Vec<RecordBatch>> {
        self.left_out.iter().map(|left_out| self.set(left_out, schema, keys, aggregates, states)).collect()
    }

    fn set(
        &self,
        left_out: &[bool],
        schema: &SchemaRef,
        keys: &[ArrayRef],
        aggregates: &[&AggregateFunctionExpr],
        states: &[Vec<ArrayRef>],
    ) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef>;
        let mut merged: Vec<Vec<ArrayRef>> = Vec::with_capacity(states.len());
        if left_out.contains(&true) {
            let (group_of, firsts) = groups(left_out, keys)?;
            columns = Vec::with_capacity(keys.len());
            for (key, is_left_out) in keys.iter().zip(left_out) {
                columns.push(match is_left_out {
                    true => new_null_array(key.data_type(), firsts.len()),
                    false => take(key, &firsts, None)?,
                });
            }
            for (aggregate, states) in aggregates.iter().zip(states) {
                let mut accumulator = aggregate.create_groups_accumulator()?;
                accumulator.merge_batch(states, &group_of, firsts.len())?;
                merged.push(accumulator.state(EmitTo::All)?);
            }
        } else {
            columns = keys.to_vec();
            merged.extend(states.iter().cloned());
        }
        if self.are_told {
            let id = left_out.iter().fold(0_u64, |id, is_left_out| id << 1 | u64::from(*is_left_out));
            let rows = columns.first().map_or(0, |column| column.len());
            let ids: ArrayRef = Arc::new(UInt64Array::from(vec![id; rows]));
            columns.push(cast(&ids, schema.field(keys.len()).data_type())?);
        }
        columns.extend(merged.into_iter().flatten());
        if columns.len() != schema.fields().len() {
            return internal_err!("{} columns of state, expected {}", columns.len(), schema.fields().len());
        }
        Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
    }
}

/// The coarser group of each fine one, and of each coarser group a fine one that is of it.
fn groups(left_out: &[bool], keys: &[ArrayRef]) -> Result<(Vec<usize>, UInt32Array)> {
    let kept: Vec<ArrayRef> =
        keys.iter().zip(left_out).filter(|(_, is_left_out)| !**is_left_out).map(|(key, _)| Arc::clone(key)).collect();
    let rows = keys.first().map_or(0, |key| key.len());
    if kept.is_empty() {
        return Ok((vec![0; rows], UInt32Array::from(vec![0])));
    }
    let fields = kept.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(&kept)?;
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    let mut firsts = Vec::new();
    let mut group_of = Vec::with_capacity(rows);
    for (place, row) in encoded.iter().enumerate() {
        group_of.push(*known.entry(row.data()).or_insert_with(|| {
            firsts.push(place as u32);
            firsts.len() - 1
        }));
    }
    Ok((group_of, UInt32Array::from(firsts)))
}

impl fmt::Display for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { Ok(()) } else { write!(f, " in {} sets", self.left_out.len()) }
    }
}
