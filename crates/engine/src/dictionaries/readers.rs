//! Which columns of a file are read as dictionaries: what its footer says of them, told to the reader as a schema hint.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema, parquet_to_arrow_schema};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaData, ParquetMetaDataBuilder};

use super::dictionary_type;
use crate::limits::{DICTIONARY_PAGE_BYTES_MAX, DICTIONARY_PAGE_BYTES_MIN};

/// What a plan knows about the files it reads: an extension of the first file.
#[derive(Clone, Debug)]
pub struct RepeatingColumns(pub HashSet<String>);

/// The same footer with a schema that says which columns are dictionaries.
pub fn hinted(metadata: Arc<ParquetMetaData>) -> parquet::errors::Result<Arc<ParquetMetaData>> {
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
pub fn repeating_columns(metadata: &ParquetMetaData) -> impl Iterator<Item = &str> {
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

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
    use arrow::compute::cast;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::arrow::arrow_writer::ArrowWriterOptions;

    use super::*;

    /// A file of one text column, a row group for each of `groups`.
    fn file(groups: &[Vec<Option<String>>]) -> bytes::Bytes {
        let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]));
        let mut file = Vec::new();
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(&mut file, Arc::clone(&schema), options).unwrap();
        for group in groups {
            let texts: ArrayRef = Arc::new(group.iter().map(Option::as_deref).collect::<StringArray>());
            writer.write(&RecordBatch::try_new(Arc::clone(&schema), vec![texts]).unwrap()).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
        file.into()
    }

    /// The type the column is read as, and what is in it.
    fn read(groups: &[Vec<Option<String>>]) -> (DataType, Vec<Option<String>>) {
        let file = file(groups);
        let stock = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
        let ours =
            ArrowReaderMetadata::try_new(hinted(Arc::clone(stock.metadata())).unwrap(), ArrowReaderOptions::new()).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, ours.clone()).with_batch_size(7).build().unwrap();
        let mut texts = Vec::new();
        for batch in reader {
            let column = cast(batch.unwrap().column(0), &DataType::Utf8).unwrap();
            texts.extend(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)));
        }
        (ours.schema().field(0).data_type().clone(), texts)
    }

    #[test]
    fn what_repeats_is_read_as_codes_nulls_and_all() {
        let some = |number: usize| (!number.is_multiple_of(5)).then(|| format!("text {}", number % 3));
        let groups = [(0..50).map(some).collect(), vec![None; 20], vec![Some(String::new()); 3], (0..9).map(some).collect()];
        let (data_type, texts) = read(&groups);
        assert_eq!(data_type, dictionary_type());
        assert_eq!(texts, groups.concat());
    }

    #[test]
    fn what_does_not_is_read_as_texts() {
        let texts: Vec<Option<String>> =
            (0..5_000).map(|number| Some(format!("{:016x}", number * 0x9e37_79b9_7f4a_usize))).collect();
        assert_eq!(read(std::slice::from_ref(&texts)), (DataType::Utf8, texts));
    }
}
