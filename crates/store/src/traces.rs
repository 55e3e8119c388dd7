//! Where the rows of one trace are, for whoever wants to read them without a plan.

use std::ops::Range;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use model::Signal;

use crate::columns;
use crate::error::StoreError;
use crate::snapshot::{Part, TimeRange};
use crate::store::{Store, blocking};
use crate::trace_index::may_hold;

/// Where the rows of one trace may be, of one moment.
#[derive(Clone, Debug)]
pub struct TraceParts {
    /// The table's columns, as in a snapshot.
    pub schema: SchemaRef,
    /// Parts that may hold rows of the trace, oldest first; one that holds none is rare.
    pub parts: Vec<TracePart>,
    /// The trace's rows that are in no part yet, and no others; with the columns they have, as in a snapshot.
    pub memory: Vec<RecordBatch>,
    /// Parts the table has.
    pub parts_total: usize,
    /// Parts that the index did not know and whose bloom filters were asked.
    pub unindexed: usize,
    /// Parts that were not asked because their files are damaged.
    pub damaged: Vec<Part>,
}

/// A part that may hold rows of the trace.
#[derive(Clone, Debug)]
pub struct TracePart {
    pub part: Part,
    /// The rows of the part among which all rows of the trace are: numbered from the part's first, over all its row groups.
    pub rows: Range<u64>,
}

impl Store {
    /// Where the rows are that carry the trace id in one of the columns `trace_id`, `linked_trace_id`, `request_trace_id`.
    pub async fn find_trace(&self, project: &str, signal: Signal, trace_id: [u8; 16]) -> Result<TraceParts, StoreError> {
        let (store, project) = (self.clone(), project.to_owned());
        blocking(move || store.find_trace_now(&project, signal, trace_id)).await
    }

    /// The same on the caller's thread: reads a few pages of files.
    pub fn find_trace_now(&self, project: &str, signal: Signal, trace_id: [u8; 16]) -> Result<TraceParts, StoreError> {
        let inner = &self.0;
        let cut = inner.shared.memory.cut(project, signal, TimeRange::ALL);
        let found = inner.place.traces.find(&cut.catalog, project, signal, &trace_id);
        let mut parts: Vec<TracePart> =
            found.places.into_iter().map(|place| TracePart { part: place.part, rows: place.rows }).collect();
        let unindexed = found.uncovered.len();
        for part in found.uncovered {
            match may_hold(&inner.reader, &part, &trace_id) {
                Ok(true) => parts.push(TracePart { rows: 0..part.rows, part }),
                Ok(false) => {}
                // It has just been set aside.
                Err(_) if inner.shared.memory.catalog().is_damaged(&part) => {}
                Err(error) => return Err(error),
            }
        }
        parts.sort_by_key(|found| (found.part.min_time, found.part.id));
        let mut memory = Vec::new();
        for chunk in &cut.chunks {
            memory.extend(rows_of(&chunk.batch, &trace_id)?);
        }
        Ok(TraceParts {
            // Asked for last: it has at least the columns of everything found before.
            schema: inner.registry.schema(project, signal),
            parts,
            memory,
            parts_total: cut.catalog.table(project, signal).len(),
            unindexed,
            damaged: inner.shared.memory.catalog().damaged_parts(project, signal, TimeRange::ALL),
        })
    }

    /// Does at once what the background would do to the trace index in time: cover parts that it does not know, merge runs.
    pub async fn settle_index(&self) -> Result<(), StoreError> {
        let store = self.clone();
        blocking(move || {
            let inner = &store.0;
            while inner.place.traces.tidy(&|| inner.shared.memory.catalog(), &inner.reader, &inner.stop)? {}
            Ok(())
        })
        .await
    }
}

/// The rows that carry the id, if there are any.
fn rows_of(batch: &RecordBatch, trace_id: &[u8; 16]) -> Result<Option<RecordBatch>, StoreError> {
    let mut selected: Option<BooleanBuffer> = None;
    for name in columns::TRACE_IDS {
        let Some(ids) = batch.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt()) else { continue };
        let (bytes, _) = ids.value_data().as_chunks::<16>();
        let (wanted, bytes) = (u128::from_le_bytes(*trace_id), &bytes[ids.offset()..]);
        if !bytes[..ids.len()].iter().any(|id| u128::from_le_bytes(*id) == wanted) {
            continue;
        }
        let is_wanted = |row: usize| u128::from_le_bytes(bytes[row]) == wanted && ids.is_valid(row);
        let found = BooleanBuffer::collect_bool(ids.len(), is_wanted);
        selected = Some(selected.map_or(found.clone(), |selected| &selected | &found));
    }
    let Some(selected) = selected.filter(|selected| selected.count_set_bits() > 0) else { return Ok(None) };
    Ok(Some(filter_record_batch(batch, &BooleanArray::from(selected))?))
}
