//! Footers of parts with their page index, kept between questions.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::datasource::listing::PartitionedFile;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use parking_lot::Mutex;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics as ParquetStatistics;
use store::columns::ATTRIBUTES_REST;
use store::{Part, Snapshot};

use crate::engine::Engine;
use crate::error::EngineError;
use crate::part_reader::{FooterReader, Footers};
use crate::table::FOOTER_BYTES_HINT;

/// A reader of the part's bytes whose footer is kept.
pub(crate) fn reader(engine: &Engine, part: &Part) -> Result<FooterReader, EngineError> {
    let footers = Footers::new(engine.store.object_store(), engine.env.cache_manager.get_file_metadata_cache());
    let file = PartitionedFile::new(part.path.to_string(), part.bytes);
    let hint = Some(FOOTER_BYTES_HINT.min(part.bytes as usize));
    Ok(footers.reader(0, file, hint, &ExecutionPlanMetricsSet::new())?)
}

/// The footer and the page index that a reader finds.
pub(crate) async fn footer(reader: &mut FooterReader) -> Result<Arc<ParquetMetaData>, EngineError> {
    Ok(reader.get_metadata(None).await.map_err(datafusion::error::DataFusionError::from)?)
}

/// The value that all rows of a column of floats have.
pub(crate) fn only_value(footer: &ParquetMetaData, column: &str) -> Option<f64> {
    let columns = footer.file_metadata().schema_descr().columns();
    let place = columns.iter().position(|one| one.name() == column && one.path().parts().len() == 1)?;
    let mut only = None;
    for group in footer.row_groups() {
        let ParquetStatistics::Double(known) = group.column(place).statistics()? else { return None };
        let (least, most) = (*known.min_opt()?, *known.max_opt()?);
        let is_one = known.null_count_opt() == Some(0) && least == most && *only.get_or_insert(least) == least;
        if !is_one {
            return None;
        }
    }
    only
}

/// Which parts were seen to have attributes beyond their columns, and which not.
#[derive(Debug, Default)]
pub(crate) struct RestSeen {
    with: Mutex<HashSet<u64>>,
    without: Mutex<HashSet<u64>>,
}

impl RestSeen {
    /// Whether any row of the snapshot may have attributes beyond the columns of its part. Parts without such rows have no
    /// column for them, so that footers tell; each is looked at once.
    pub async fn any(&self, engine: &Engine, snapshot: &Snapshot) -> Result<bool, EngineError> {
        if snapshot.memory.iter().any(|batch| batch.column_by_name(ATTRIBUTES_REST).is_some()) {
            return Ok(true);
        }
        {
            let with = self.with.lock();
            if snapshot.parts.iter().any(|part| with.contains(&part.id)) {
                return Ok(true);
            }
        }
        let unknown: Vec<&Part> = {
            let mut without = self.without.lock();
            if without.len() > 2 * snapshot.parts.len() + PARTS_REMEMBERED_MIN {
                // Most of them are gone by now.
                without.clear();
            }
            snapshot.parts.iter().filter(|part| !without.contains(&part.id)).collect()
        };
        for part in unknown {
            let mut reader = reader(engine, part)?;
            let footer = footer(&mut reader).await?;
            let columns = footer.file_metadata().schema_descr().columns();
            if columns.iter().any(|column| column.name() == ATTRIBUTES_REST) {
                self.with.lock().insert(part.id);
                return Ok(true);
            }
            self.without.lock().insert(part.id);
        }
        Ok(false)
    }
}

/// Parts that are remembered whatever the size of the table that was asked last.
const PARTS_REMEMBERED_MIN: usize = 10_000;
