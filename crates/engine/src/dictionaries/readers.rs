//! Which columns of a file are read as dictionaries: what its footer says of them, told to the reader as a schema hint.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, ParquetFileReaderFactory};
use datafusion::error::Result;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder};

use super::dictionary_type;
use crate::limits::{DICTIONARY_PAGE_BYTES_MAX, DICTIONARY_PAGE_BYTES_MIN};

/// Opens files in the way of `inner`, and has their repeating columns read as dictionaries.
#[derive(Debug)]
pub struct Readers {
    inner: Arc<dyn ParquetFileReaderFactory>,
}

impl Readers {
    pub fn new(inner: Arc<dyn ParquetFileReaderFactory>) -> Readers {
        Readers { inner }
    }

    /// Looks at the footers of some of the files, and notes with the first what repeats in them.
    ///
    /// A plan is made once for all files, so that a sample has to do; where a file is otherwise the plan is only slower.
    pub async fn note_repeating(&self, groups: &mut [FileGroup], sample: usize) -> Result<()> {
        let mut by_size: Vec<&PartitionedFile> = groups.iter().flat_map(FileGroup::iter).collect();
        by_size.sort_by_key(|file| std::cmp::Reverse(file.object_meta.size));
        let mut repeating: HashSet<String> = HashSet::new();
        for file in by_size.into_iter().take(sample) {
            let mut reader = self.inner.create_reader(0, file.clone(), None, &ExecutionPlanMetricsSet::new())?;
            // A column that one of them does not have says nothing against it.
            repeating.extend(repeating_columns(&*reader.get_metadata(None).await?).map(str::to_owned));
        }
        if let Some(group) = groups.iter_mut().find(|group| !group.is_empty()) {
            let mut files: Vec<PartitionedFile> = group.iter().cloned().collect();
            files[0].extensions.insert(RepeatingColumns(repeating));
            *group = FileGroup::new(files);
        }
        Ok(())
    }
}

/// What a plan knows about the files it reads: an extension of the first file.
#[derive(Clone, Debug)]
pub struct RepeatingColumns(pub HashSet<String>);

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let inner = self.inner.create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(Reader { inner }))
    }
}

struct Reader {
    inner: Box<dyn AsyncFileReader + Send>,
}

impl AsyncFileReader for Reader {
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
        async move { hinted(self.inner.get_metadata(options).await?) }.boxed()
    }
}

/// The same footer with a schema that says which columns are dictionaries.
fn hinted(metadata: Arc<ParquetMetaData>) -> parquet::errors::Result<Arc<ParquetMetaData>> {
    let repeating: HashSet<&str> = repeating_columns(&metadata).collect();
    if repeating.is_empty() {
        return Ok(metadata);
    }
    let file = metadata.file_metadata();
    let others = file.key_value_metadata().into_iter().flatten().filter(|pair| pair.key != ARROW_SCHEMA_META_KEY);
    let schema = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata())?;
    let hint = KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(&with_dictionaries(&schema, &repeating)));
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        Some(others.cloned().chain([hint]).collect()),
        file.schema_descr_ptr(),
        file.column_orders().cloned(),
    );
    let hinted = ParquetMetaDataBuilder::new(file)
        .set_row_groups(metadata.row_groups().to_vec())
        .set_column_index(metadata.column_index().cloned())
        .set_offset_index(metadata.offset_index().cloned());
    Ok(Arc::new(hinted.build()))
}

fn with_dictionaries(schema: &Schema, repeating: &HashSet<&str>) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        if *field.data_type() == DataType::Utf8 && repeating.contains(field.name().as_str()) {
            Field::new(field.name(), dictionary_type(), field.is_nullable())
        } else {
            field.as_ref().clone()
        }
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The text columns of which every value is a code of a small dictionary, in every row group.
fn repeating_columns(metadata: &ParquetMetaData) -> impl Iterator<Item = &str> {
    let columns = metadata.file_metadata().schema_descr().columns().iter().enumerate();
    columns.filter_map(|(place, column)| {
        let is_text = column.converted_type() == parquet::basic::ConvertedType::UTF8 && column.path().parts().len() == 1;
        let repeats = || metadata.row_groups().iter().all(|group| is_repeating(group.column(place)));
        (is_text && repeats()).then(|| column.name())
    })
}

fn is_repeating(chunk: &ColumnChunkMetaData) -> bool {
    let nulls = chunk.statistics().and_then(|statistics| statistics.null_count_opt());
    if nulls.is_some_and(|nulls| i64::try_from(nulls).is_ok_and(|nulls| nulls == chunk.num_values())) {
        return true;
    }
    let codes_only = match (chunk.page_encoding_stats_mask(), chunk.page_encoding_stats()) {
        (Some(mask), _) => mask.is_only(Encoding::RLE_DICTIONARY) || mask.is_only(Encoding::PLAIN_DICTIONARY),
        (None, Some(pages)) => pages.iter().all(|page| {
            let is_data = matches!(page.page_type, parquet::basic::PageType::DATA_PAGE | parquet::basic::PageType::DATA_PAGE_V2);
            !is_data || matches!(page.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY)
        }),
        (None, None) => false,
    };
    let dictionary_bytes = chunk.dictionary_page_offset().map(|offset| chunk.data_page_offset() - offset);
    // A byte a row: a compressed text takes several, so that each is there several times at least.
    let worth = DICTIONARY_PAGE_BYTES_MAX.min(DICTIONARY_PAGE_BYTES_MIN.max(chunk.num_values()));
    codes_only && dictionary_bytes.is_some_and(|bytes| bytes <= worth)
}
