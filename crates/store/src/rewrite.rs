//! Reads and rewrites single parts: what retention and deletion share.
//!
//! Streams batch by batch, so that a part of any size takes the memory of a row group. One job at a time replaces parts, and
//! a job that is not in a hurry takes a named share of one core. A part whose bytes are not what was written is set aside by
//! who reads it, and gives an error.
//!
//! Compaction has its own way of reading several parts as one; this one keeps a part's level and may add a column.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;

use crate::columns;
use crate::compaction::Compaction;
use crate::error::StoreError;
use crate::part_writer::{PartOptions, PartWriter, PartsPlace, WrittenPart};
use crate::parts_reader::{PartChunks, PartsReader};
use crate::snapshot::{Part, TimeRange};

/// Rows that are read at once.
const BATCH_ROWS: usize = 8 * 1024;

/// A job never rests longer at once.
const REST_MAX: Duration = Duration::from_secs(1);

/// Where a job reads and writes, and how fast.
#[derive(Clone)]
pub(crate) struct Job {
    pub place: Arc<PartsPlace>,
    pub reader: Arc<PartsReader>,
    /// Who tells it to end, and wakes it when it rests.
    pub background: Arc<Compaction>,
    /// The share of one core it may take.
    pub cpu_share: f64,
}

impl Job {
    /// The named columns of a part's rows, those of them that the part has; all columns without names. Row groups outside
    /// the range are left out, rows outside it within others are not.
    pub fn read(&self, part: &Part, names: Option<&[&str]>, range: TimeRange) -> Result<Rows, StoreError> {
        let mut builder = self.builder(part)?;
        let groups: Vec<usize> = builder
            .metadata()
            .row_groups()
            .iter()
            .enumerate()
            .filter(|(_, group)| bounds(group, columns::TIME).is_none_or(|(min, max)| range.overlaps(min, max)))
            .map(|(place, _)| place)
            .collect();
        if let Some(names) = names {
            let schema = builder.schema();
            let places: Vec<usize> = names.iter().filter_map(|name| schema.index_of(name).ok()).collect();
            let mask = ProjectionMask::roots(builder.parquet_schema(), places);
            builder = builder.with_projection(mask);
        }
        let reader = builder.with_row_groups(groups).with_batch_size(BATCH_ROWS).build()?;
        Ok(Rows { reader, job: self.clone(), since: Instant::now() })
    }

    /// Least and greatest value of an integer or time column, as far as the footer knows.
    pub fn bounds(&self, part: &Part, name: &str) -> Result<Option<(i64, i64)>, StoreError> {
        let builder = self.builder(part)?;
        let mut found: Option<(i64, i64)> = None;
        for group in builder.metadata().row_groups() {
            let Some((min, max)) = bounds(group, name) else { return Ok(None) };
            found = Some(found.map_or((min, max), |(least, most)| (least.min(min), most.max(max))));
        }
        Ok(found)
    }

    /// Writes what `keep` leaves of a part's rows to a new one; nothing when it leaves none. `keep` gets rows in order of
    /// time and gives them back with the same columns each time.
    pub fn rewrite(
        &self,
        part: &Part,
        mut keep: impl FnMut(RecordBatch) -> Result<Option<RecordBatch>, StoreError>,
    ) -> Result<Option<WrittenPart>, StoreError> {
        let options = PartOptions { project: &part.project, signal: part.signal, level: part.level, stop: &self.background.stop };
        let mut writer: Option<PartWriter<'_>> = None;
        let mut rows = 0;
        for batch in self.read(part, None, TimeRange::ALL)? {
            let batch = batch?;
            rows += batch.num_rows() as u64;
            let Some(batch) = keep(batch)?.filter(|batch| batch.num_rows() > 0) else { continue };
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(PartWriter::create(&self.place, options, batch.schema())?),
            };
            writer.write(&batch)?;
        }
        if rows != part.rows {
            return Err(StoreError::Corrupt(format!("read {rows} rows of a part that holds {}", part.rows)));
        }
        writer.map(PartWriter::finish).transpose()
    }

    fn builder(&self, part: &Part) -> Result<ParquetRecordBatchReaderBuilder<PartChunks>, StoreError> {
        let file = self.reader.open(&part.path)?;
        Ok(ParquetRecordBatchReaderBuilder::try_new(PartChunks(file))?)
    }

    fn is_ended(&self) -> bool {
        self.background.stop.load(Ordering::Relaxed)
    }
}

/// A part's rows, batch by batch, at the job's pace.
pub(crate) struct Rows {
    reader: ParquetRecordBatchReader,
    job: Job,
    /// When work on the last batch began.
    since: Instant,
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Result<RecordBatch, StoreError>> {
        if self.job.cpu_share < 1.0 {
            let worked = self.since.elapsed();
            self.job.background.wait(worked.mul_f64(1.0 / self.job.cpu_share - 1.0).min(REST_MAX));
        }
        if self.job.is_ended() {
            return Some(Err(StoreError::Unavailable("store is shutting down".into())));
        }
        self.since = Instant::now();
        Some(self.reader.next()?.map_err(StoreError::from))
    }
}

fn bounds(group: &RowGroupMetaData, name: &str) -> Option<(i64, i64)> {
    let column = group.columns().iter().find(|column| column.column_path().parts() == [name])?;
    match column.statistics()? {
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        _ => None,
    }
}
