//! What one query may see: parts and memory rows of one moment.

use std::ops::Deref;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use model::Signal;

use crate::error::StoreError;

/// A half-open range of time, in nanoseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub start_unix_nano: i64,
    pub end_unix_nano: i64,
}

impl TimeRange {
    /// All of time; also the one range whose end is included, as there is nothing after it.
    pub const ALL: TimeRange = TimeRange { start_unix_nano: i64::MIN, end_unix_nano: i64::MAX };

    /// Whether anything from `min` to `max`, both included, lies within the range.
    pub fn overlaps(&self, min_time: i64, max_time: i64) -> bool {
        max_time >= self.start_unix_nano && (min_time < self.end_unix_nano || self.end_unix_nano == i64::MAX)
    }
}

/// A consistent cut of one project's table: every row that was acknowledged before it, each exactly once.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The fixed columns, then every attribute known, with the widest type seen.
    pub schema: SchemaRef,
    /// The parts that overlap the range; they may hold rows outside it. Their files stay for as long as somebody holds
    /// them: a scan keeps the snapshot, or its parts, until it has read them.
    pub parts: Vec<Part>,
    /// Parts that overlap the range and whose files were found damaged: their rows are missing from the answer.
    pub damaged: Vec<Part>,
    /// Rows not yet in a part. Each batch has the columns it needs: absent ones are null, some have a narrower type, long
    /// repeating texts are dictionaries. [`Snapshot::memory_aligned`] evens that out.
    pub memory: Vec<RecordBatch>,
    /// Rows in `parts` and `memory` together.
    pub rows_total: u64,
    /// The newest `time` among `parts` and `memory`.
    pub newest_unix_nano: Option<i64>,
}

impl Snapshot {
    /// The memory rows with exactly the columns of `schema`.
    pub fn memory_aligned(&self) -> Result<Vec<RecordBatch>, StoreError> {
        self.memory_as(&self.schema)
    }

    /// The memory rows with exactly the columns of `schema`, some of [`Snapshot::schema`]'s.
    pub fn memory_as(&self, schema: &SchemaRef) -> Result<Vec<RecordBatch>, StoreError> {
        self.memory.iter().map(|batch| align(batch, schema)).collect()
    }
}

/// One immutable Parquet file, sorted by time. Cheap to clone; its file is not removed while a clone is held.
#[derive(Clone, Debug, PartialEq)]
pub struct Part(Arc<PartInfo>);

/// What the catalog knows of a part.
#[derive(Debug, PartialEq)]
pub struct PartInfo {
    /// The catalog's number for it; never used again.
    pub id: u64,
    pub project: String,
    pub signal: Signal,
    /// Relative to the folder of parts.
    pub path: object_store::path::Path,
    pub rows: u64,
    /// Of the Parquet file.
    pub bytes: u64,
    /// Of what lies beside it: checksums, token filters.
    pub sidecar_bytes: u64,
    /// Nanoseconds since 1970 UTC, included.
    pub min_time: i64,
    /// Nanoseconds since 1970 UTC, included.
    pub max_time: i64,
    /// 0 for a part written from memory; compaction makes higher ones.
    pub level: u8,
}

impl From<PartInfo> for Part {
    fn from(info: PartInfo) -> Part {
        Part(Arc::new(info))
    }
}

impl Deref for Part {
    type Target = PartInfo;

    fn deref(&self) -> &PartInfo {
        &self.0
    }
}

impl Part {
    /// Whether nobody else holds it.
    pub(crate) fn is_unpinned(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// The batch with exactly the columns of `schema`: cast where its type differs, null where it has none.
pub(crate) fn align(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, StoreError> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => Ok(cast(column, field.data_type())?),
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect::<Result<Vec<ArrayRef>, StoreError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
