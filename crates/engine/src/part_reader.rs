//! Reading parts: footers are kept between questions, with their page index and a word on what is read as dictionaries.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::{CachedParquetMetaData, DefaultParquetFileReaderFactory};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use crate::dictionaries::hinted;
use crate::session::View;

/// Makes the readers of one scan.
#[derive(Debug)]
pub(crate) struct PartReaders {
    footers: Footers,
    /// Held until everything is read: the files of its parts stay for as long.
    view: Arc<View>,
    rows: HashMap<Path, u64>,
}

impl PartReaders {
    /// `rows` says how many rows each file has.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        cache: Arc<FileMetadataCache>,
        view: Arc<View>,
        rows: impl Iterator<Item = (Path, u64)>,
    ) -> PartReaders {
        PartReaders { footers: Footers::new(objects, cache), view, rows: rows.collect() }
    }

    /// A file's footer.
    pub async fn footer(&self, file: &PartitionedFile) -> Result<Arc<ParquetMetaData>> {
        let mut reader = self.footers.reader(0, file.clone(), file.metadata_size_hint, &ExecutionPlanMetricsSet::new())?;
        reader.get_metadata(None).await.map_err(DataFusionError::from)
    }
}

impl ParquetFileReaderFactory for PartReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let rows = self.rows.get(file.path()).copied().unwrap_or_default();
        let (start, end) = file.range();
        let share = (end - start) as f64 / file.object_meta.size.max(1) as f64;
        Ok(Box::new(CountingReader {
            rows: (rows as f64 * share) as u64,
            path: file.path().clone(),
            range_start: start,
            view: Arc::clone(&self.view),
            inner: self.footers.reader(partition_index, file, metadata_size_hint, metrics)?,
        }))
    }
}

/// Footers that are kept between questions.
#[derive(Debug)]
pub(crate) struct Footers {
    inner: DefaultParquetFileReaderFactory,
    cache: Arc<FileMetadataCache>,
}

impl Footers {
    pub fn new(objects: Arc<dyn ObjectStore>, cache: Arc<FileMetadataCache>) -> Footers {
        Footers { inner: DefaultParquetFileReaderFactory::new(objects), cache }
    }

    pub fn reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<FooterReader> {
        Ok(FooterReader {
            meta: file.object_meta.clone(),
            cache: Arc::clone(&self.cache),
            inner: self.inner.create_reader(partition_index, file, metadata_size_hint, metrics)?,
        })
    }
}

/// Reads a part whose footer may be known.
pub(crate) struct FooterReader {
    inner: Box<dyn AsyncFileReader + Send>,
    meta: ObjectMeta,
    cache: Arc<FileMetadataCache>,
}

impl FooterReader {
    fn known(&self) -> Option<Arc<ParquetMetaData>> {
        let entry = self.cache.get(&self.meta.location)?;
        let footer = entry.file_metadata.as_any().downcast_ref::<CachedParquetMetaData>()?;
        Some(Arc::clone(footer.parquet_metadata()))
    }
}

impl AsyncFileReader for FooterReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    /// A scan asks for the footer without the page index, and reads that anew for every question that needs it. Parts never
    /// change and their paths are never used again: both are read together, once.
    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        Box::pin(async move {
            if let Some(known) = self.known() {
                return Ok(known);
            }
            let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
            let footer = hinted(self.inner.get_metadata(Some(&options)).await?)?;
            let kept = Arc::new(CachedParquetMetaData::new(Arc::clone(&footer)));
            self.cache.put(&self.meta.location, CachedFileMetadataEntry::new(self.meta.clone(), kept));
            Ok(footer)
        })
    }
}

/// Counts the rows of its file as done with when it goes.
struct CountingReader {
    inner: FooterReader,
    path: Path,
    range_start: u64,
    rows: u64,
    view: Arc<View>,
}

impl AsyncFileReader for CountingReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.inner.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.inner.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        self.inner.get_metadata(options)
    }
}

impl Drop for CountingReader {
    fn drop(&mut self) {
        self.view.progress.pass_file(&self.path, self.range_start, self.rows);
    }
}
