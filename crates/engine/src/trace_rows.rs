//! The rows of one trace, read from the files that hold them without a plan.
//!
//! The store's index says which parts, and which of their rows; the Parquet reader then decodes those pages and no others.
//! A plan would cost more than all of that.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::DataFusionError;
use futures::TryStreamExt;
use model::{Signal, TraceId};
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions, RowFilter, RowSelection};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::file::metadata::ParquetMetaData;
use store::columns::TRACE_IDS;
use store::{TracePart, TraceParts};

use crate::answer::{Answer, QueryStats};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::footers::{footer, reader};
use crate::limits::DAMAGED_PARTS_PER_QUESTION_MAX;

/// Rows decoded at once: a trace has some dozens.
const BATCH_ROWS: usize = 1_024;

impl Engine {
    /// The rows of `signal` that name the trace in any of their columns for that, in no particular order; a little more than
    /// `rows_max` at most. Each batch has the columns that its rows have.
    pub(crate) async fn trace_rows(
        &self,
        project: &str,
        signal: Signal,
        id: TraceId,
        rows_max: usize,
    ) -> Result<Answer, EngineError> {
        let (engine, project) = (self.clone(), project.to_owned());
        let task = self.spawn(async move { engine.read_trace(&project, signal, id, rows_max).await });
        let time_max = self.options.time_max;
        let Ok(joined) = tokio::time::timeout(time_max, task).await else {
            return Err(EngineError::OutOfTime { seconds: time_max.as_secs() });
        };
        joined.map_err(|error| EngineError::Internal(error.to_string()))?
    }

    async fn read_trace(&self, project: &str, signal: Signal, id: TraceId, rows_max: usize) -> Result<Answer, EngineError> {
        let started = Instant::now();
        let mut left = DAMAGED_PARTS_PER_QUESTION_MAX;
        loop {
            let found = self.store.find_trace_now(project, signal, id.0)?;
            match self.read_found(&found, id, rows_max).await {
                // A part was set aside meanwhile: the next look goes without it.
                Err(error) if left > 0 && self.has_fresh_damage(project, signal, id, &found)? => {
                    tracing::warn!(%error, "a trace is read again without a damaged part");
                    left -= 1;
                }
                Err(error) => return Err(error),
                Ok((batches, rows_scanned)) => {
                    let stats = QueryStats {
                        elapsed: started.elapsed(),
                        rows_scanned,
                        damaged_parts: found.damaged.len() as u64,
                        damaged_rows: found.damaged.iter().map(|part| part.rows).sum(),
                        ..QueryStats::default()
                    };
                    return Ok(Answer { schema: found.schema, batches, stats, truncated: None });
                }
            }
        }
    }

    fn has_fresh_damage(&self, project: &str, signal: Signal, id: TraceId, before: &TraceParts) -> Result<bool, EngineError> {
        let now = self.store.find_trace_now(project, signal, id.0)?;
        Ok(now.damaged.iter().any(|part| !before.damaged.contains(part)))
    }

    async fn read_found(&self, found: &TraceParts, id: TraceId, rows_max: usize) -> Result<(Vec<RecordBatch>, u64), EngineError> {
        let mut batches = found.memory.iter().map(without_dictionaries).collect::<Result<Vec<_>, _>>()?;
        let mut rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let mut scanned = rows as u64;
        for part in &found.parts {
            if rows > rows_max {
                break;
            }
            scanned += part.rows.end - part.rows.start;
            for batch in self.read_part(part, id, rows_max + 1 - rows).await? {
                rows += batch.num_rows();
                batches.push(batch);
            }
        }
        Ok((batches, scanned))
    }

    async fn read_part(&self, found: &TracePart, id: TraceId, rows_max: usize) -> Result<Vec<RecordBatch>, EngineError> {
        let mut reader = reader(self, &found.part)?;
        let metadata = footer(&mut reader).await?;
        let Some((groups, selection)) = selected(&metadata, &found.rows) else { return Ok(Vec::new()) };
        // Texts, not the dictionaries that footers ask for on behalf of scans.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let metadata = ArrowReaderMetadata::try_new(metadata, options).map_err(DataFusionError::from)?;
        let columns = metadata.parquet_schema();
        let is_id = |place: &usize| TRACE_IDS.contains(&columns.column(*place).name());
        let ids = ProjectionMask::leaves(columns, (0..columns.num_columns()).filter(is_id));
        let filter = ArrowPredicateFn::new(ids, move |batch| Ok(naming(&batch, id)));
        let stream = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata.clone())
            .with_row_groups(groups)
            .with_row_selection(selection)
            .with_row_filter(RowFilter::new(vec![Box::new(filter)]))
            .with_batch_size(BATCH_ROWS)
            .with_limit(rows_max)
            .build()
            .map_err(DataFusionError::from)?;
        Ok(stream.try_collect().await.map_err(DataFusionError::from)?)
    }
}

/// The row groups that have some of the rows, and which of their rows those are.
fn selected(metadata: &ParquetMetaData, rows: &Range<u64>) -> Option<(Vec<usize>, RowSelection)> {
    let mut groups = Vec::new();
    let (mut first_row, mut selected_from, mut group_rows) = (0, None, 0);
    for (number, group) in metadata.row_groups().iter().enumerate() {
        let end = first_row + group.num_rows() as u64;
        if first_row < rows.end && end > rows.start {
            selected_from.get_or_insert(rows.start.saturating_sub(first_row) as usize);
            group_rows += group.num_rows() as usize;
            groups.push(number);
        }
        first_row = end;
    }
    let from = selected_from?;
    let to = (from + (rows.end - rows.start) as usize).min(group_rows);
    Some((groups, RowSelection::from_consecutive_ranges(std::iter::once(from..to), group_rows)))
}

/// Whether each row names the trace.
fn naming(batch: &RecordBatch, id: TraceId) -> BooleanArray {
    let mut named = BooleanBuffer::new_unset(batch.num_rows());
    for column in batch.columns() {
        let Some(ids) = column.as_fixed_size_binary_opt().filter(|ids| ids.value_length() == 16) else { continue };
        named = &named | &BooleanBuffer::collect_bool(ids.len(), |row| ids.is_valid(row) && *ids.value(row) == id.0);
    }
    BooleanArray::new(named, None)
}

/// Rows for which `keep` holds.
pub(crate) fn kept(batch: &RecordBatch, keep: impl Fn(crate::answer::Row<'_>) -> bool) -> Result<RecordBatch, EngineError> {
    let rows = BooleanBuffer::collect_bool(batch.num_rows(), |row| keep(crate::answer::Row::new(batch, row)));
    Ok(filter_record_batch(batch, &BooleanArray::new(rows, None))?)
}

/// Memory holds long repeating texts as dictionaries; who reads rows one by one wants texts.
fn without_dictionaries(batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
    let mut fields: Vec<Field> = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        match column.data_type() {
            DataType::Dictionary(_, values) => {
                columns.push(cast(column, values)?);
                fields.push(Field::new(field.name(), values.as_ref().clone(), field.is_nullable()));
            }
            _ => {
                columns.push(Arc::clone(column));
                fields.push(field.as_ref().clone());
            }
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}
