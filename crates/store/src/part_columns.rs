//! The columns of a part on their way into its Parquet file: as codes where a column has few values, as they are otherwise.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, FixedSizeBinaryArray, RecordBatch, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt32Type};
use parking_lot::Mutex;
use parquet::arrow::ArrowSchemaConverter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::coding::chunk::{Compressor, EncodedChunk, Ids, NULL, encoded};
use crate::coding::{Coder, Coders};
use crate::columns;
use crate::error::StoreError;
use crate::limits::ROW_GROUP_ROWS;

/// Codes that who reads rows and who writes them agree on.
pub(crate) type SharedCoders = Arc<Mutex<Coders>>;

/// Writes row groups.
pub(crate) struct ColumnsWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    schema: SchemaRef,
    coders: SharedCoders,
    level: u8,
    compressor: Compressor,
    group: Vec<Column>,
    /// Room for codes that row groups before had; made anew for each, it would weigh several times as much.
    spare: Vec<Vec<u32>>,
    rows: usize,
    groups: usize,
}

enum Column {
    Codes(Vec<u32>),
    Ids(Ids),
    Values(Box<ArrowColumnWriter>),
}

/// One column of a row group, encoded.
enum Chunk {
    Ours(EncodedChunk),
    Values(ArrowColumnChunk),
}

/// Gives the rows of a range of one column, as they are or as codes.
pub(crate) type Gather<'g> = Box<dyn Fn(Range<usize>) -> Result<ArrayRef, StoreError> + 'g>;

/// The schema of rows whose columns are codes where `is_coded` says so.
pub(crate) fn coded_schema(schema: &Schema, is_coded: impl Fn(usize) -> bool) -> SchemaRef {
    let field = |(place, field): (usize, &Arc<Field>)| match is_coded(place) {
        true => Arc::new(Field::new(field.name(), DataType::UInt32, field.is_nullable())),
        false => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().enumerate().map(field).collect::<Vec<_>>()))
}

/// Whether an array holds codes: no column has this type otherwise.
pub(crate) fn as_codes(array: &ArrayRef) -> Option<&UInt32Array> {
    array.as_primitive_opt::<UInt32Type>()
}

impl<W: Write + Send> ColumnsWriter<W> {
    pub fn new(out: W, schema: SchemaRef, level: u8, coders: SharedCoders) -> Result<ColumnsWriter<W>, StoreError> {
        let parquet = ArrowSchemaConverter::new().schema_root("arrow_schema").convert(&schema)?;
        let properties = Arc::new(properties(&schema, level, false).build());
        let file = SerializedFileWriter::new(out, parquet.root_schema_ptr(), properties)?;
        let compressor = Compressor::new(level > 0)?;
        let (group, spare) = (Vec::new(), Vec::new());
        Ok(ColumnsWriter { file, schema, coders, level, compressor, group, spare, rows: 0, groups: 0 })
    }

    /// Adds rows: a column is of its type, or codes.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        let mut from = 0;
        while from < rows.num_rows() {
            let count = (ROW_GROUP_ROWS - self.rows).min(rows.num_rows() - from);
            let slice = rows.slice(from, count);
            if self.rows == 0 {
                self.begin_group(&slice)?
            } else {
                self.extend_group(&slice)?
            }
            self.rows += count;
            from += count;
            if self.rows == ROW_GROUP_ROWS {
                self.end_group()?;
            }
        }
        Ok(())
    }

    /// Roughly the bytes of the file if it ended here.
    pub fn bytes(&self) -> u64 {
        let of = |column: &Column| match column {
            Column::Codes(codes) => codes.len() / 4,
            Column::Ids(ids) => ids.bytes() / 2,
            Column::Values(writer) => writer.get_estimated_total_bytes() / 2,
        };
        (self.file.bytes_written() + self.group.iter().map(of).sum::<usize>()) as u64
    }

    /// Writes what is left and the footer.
    pub fn finish(mut self) -> Result<W, StoreError> {
        if self.rows > 0 {
            self.end_group()?;
        }
        Ok(self.file.into_inner()?)
    }

    fn begin_group(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        let mut coders = self.coders.lock();
        let mut coded = Vec::with_capacity(rows.num_columns());
        for (place, array) in rows.columns().iter().enumerate() {
            coded.push(match as_codes(array) {
                Some(codes) => Some(codes.clone()),
                None => coders.code(place, array)?,
            });
        }
        for (place, (array, codes)) in rows.columns().iter().zip(coded).enumerate() {
            let column = match (as_ids(array), codes) {
                (Some(ids), _) => {
                    let mut all = Ids::with_room(ids.value_length() as usize, ROW_GROUP_ROWS);
                    all.push(ids);
                    Column::Ids(all)
                }
                (None, Some(codes)) => {
                    let mut all = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(ROW_GROUP_ROWS));
                    push_codes(&codes, &mut all);
                    Column::Codes(all)
                }
                (None, None) => {
                    // A column that had codes and has too many values for them still repeats.
                    let mut writer = self.value_writer(place, coders.coder(place).is_some_and(Coder::repeats))?;
                    write_values(&mut writer, self.schema.field(place), array)?;
                    Column::Values(Box::new(writer))
                }
            };
            self.group.push(column);
        }
        Ok(())
    }

    /// Writes values of one column as they are, with a dictionary if they repeat.
    fn value_writer(&self, place: usize, repeats: bool) -> Result<ArrowColumnWriter, StoreError> {
        // The Parquet crate makes writers of all columns of a schema together, so it is given one of this column alone.
        let schema = Arc::new(Schema::new(vec![Arc::clone(&self.schema.fields()[place])]));
        let parquet = ArrowSchemaConverter::new().schema_root("arrow_schema").convert(&schema)?;
        let properties = Arc::new(properties(&schema, self.level, repeats).build());
        let file = SerializedFileWriter::new(std::io::sink(), parquet.root_schema_ptr(), properties)?;
        let writer = ArrowRowGroupWriterFactory::new(&file, schema).create_column_writers(self.groups)?.pop();
        writer.ok_or_else(|| StoreError::Corrupt("a column has no writer".into()))
    }

    fn extend_group(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        let mut coders = self.coders.lock();
        for (place, (column, array)) in self.group.iter_mut().zip(rows.columns()).enumerate() {
            match (column, as_codes(array)) {
                (Column::Codes(all), Some(codes)) => push_codes(codes, all),
                (Column::Codes(all), None) => match coders.code_all(place, array)? {
                    Some(codes) => push_codes(&codes, all),
                    None => return Err(StoreError::Corrupt("codes of a column were forgotten".into())),
                },
                (Column::Ids(all), _) => match as_ids(array) {
                    Some(ids) => all.push(ids),
                    None => return Err(StoreError::Corrupt("a column of ids holds something else".into())),
                },
                (Column::Values(writer), None) => write_values(writer, self.schema.field(place), array)?,
                (Column::Values(writer), Some(codes)) => {
                    let values = decoded(&coders, place, codes)?;
                    write_values(writer, self.schema.field(place), &values)?;
                }
            }
        }
        Ok(())
    }

    /// Writes rows that are all at hand, a column at a time, so that only one column's are gathered at once. `column` is
    /// asked for each once; `see` sees every range of it that is encoded.
    pub fn write_by_column<'g>(
        &mut self,
        rows: usize,
        column: &mut dyn FnMut(usize) -> Result<Gather<'g>, StoreError>,
        see: &mut dyn FnMut(usize, &Field, &ArrayRef),
    ) -> Result<(), StoreError> {
        let ranges: Vec<Range<usize>> =
            (0..rows).step_by(ROW_GROUP_ROWS).map(|from| from..rows.min(from + ROW_GROUP_ROWS)).collect();
        let mut groups: Vec<Vec<Chunk>> = ranges.iter().map(|_| Vec::with_capacity(self.schema.fields().len())).collect();
        for place in 0..self.schema.fields().len() {
            let gather = column(place)?;
            for (number, (group, range)) in groups.iter_mut().zip(&ranges).enumerate() {
                let array = gather(range.clone())?;
                see(number, self.schema.field(place), &array);
                group.push(self.chunk(place, &array)?);
            }
        }
        for chunks in groups {
            self.append(chunks)?;
        }
        Ok(())
    }

    fn chunk(&mut self, place: usize, array: &ArrayRef) -> Result<Chunk, StoreError> {
        if let Some(ids) = as_ids(array) {
            let mut all = Ids::with_room(ids.value_length() as usize, ids.len());
            all.push(ids);
            return self.chunk_of_ids(place, &all);
        }
        let coders = Arc::clone(&self.coders);
        let coders = coders.lock();
        let values = match as_codes(array) {
            Some(codes) => {
                let mut all = Vec::with_capacity(codes.len());
                push_codes(codes, &mut all);
                return self.chunk_of_codes(place, &coders, &all);
            }
            None => array,
        };
        let mut writer = self.value_writer(place, coders.coder(place).is_some_and(Coder::repeats))?;
        write_values(&mut writer, self.schema.field(place), values)?;
        Ok(Chunk::Values(writer.close()?))
    }

    fn chunk_of_ids(&mut self, place: usize, ids: &Ids) -> Result<Chunk, StoreError> {
        let with_bloom = columns::TRACE_IDS.contains(&self.schema.field(place).name().as_str());
        Ok(Chunk::Ours(ids.encoded(&self.file.schema_descr().column(place), with_bloom, &mut self.compressor)?))
    }

    fn chunk_of_codes(&mut self, place: usize, coders: &Coders, codes: &[u32]) -> Result<Chunk, StoreError> {
        let forgotten = || StoreError::Corrupt("codes of a column were forgotten".into());
        let coder = coders.coder(place).ok_or_else(forgotten)?;
        let descriptor = self.file.schema_descr().column(place);
        if let Some(chunk) = encoded(coder, codes, &descriptor, &mut self.compressor)? {
            return Ok(Chunk::Ours(chunk));
        }
        let mut writer = self.value_writer(place, false)?;
        let values = coder.decode(&with_nulls(codes))?;
        write_values(&mut writer, self.schema.field(place), &values)?;
        Ok(Chunk::Values(writer.close()?))
    }

    fn end_group(&mut self) -> Result<(), StoreError> {
        let coders = Arc::clone(&self.coders);
        let mut chunks = Vec::with_capacity(self.group.len());
        for (place, column) in std::mem::take(&mut self.group).into_iter().enumerate() {
            chunks.push(match column {
                Column::Values(writer) => Chunk::Values(writer.close()?),
                Column::Ids(ids) => self.chunk_of_ids(place, &ids)?,
                Column::Codes(mut codes) => {
                    let chunk = self.chunk_of_codes(place, &coders.lock(), &codes)?;
                    codes.clear();
                    self.spare.push(codes);
                    chunk
                }
            });
        }
        self.rows = 0;
        self.append(chunks)
    }

    fn append(&mut self, chunks: Vec<Chunk>) -> Result<(), StoreError> {
        let mut group = self.file.next_row_group()?;
        for chunk in chunks {
            match chunk {
                Chunk::Ours(chunk) => group.append_column(&chunk.bytes, chunk.close)?,
                Chunk::Values(chunk) => chunk.append_to_row_group(&mut group)?,
            }
        }
        group.close()?;
        self.groups += 1;
        Ok(())
    }
}

fn as_ids(array: &ArrayRef) -> Option<&FixedSizeBinaryArray> {
    array.as_fixed_size_binary_opt()
}

/// The values of codes.
pub(crate) fn decoded(coders: &Coders, column: usize, codes: &UInt32Array) -> Result<ArrayRef, StoreError> {
    let coder = coders.coder(column).ok_or_else(|| StoreError::Corrupt("codes of a column were forgotten".into()))?;
    coder.decode(codes)
}

fn push_codes(codes: &UInt32Array, all: &mut Vec<u32>) {
    match codes.nulls() {
        None => all.extend_from_slice(codes.values()),
        Some(nulls) => {
            let codes = codes.values().iter().zip(nulls.iter());
            all.extend(codes.map(|(code, is_there)| if is_there { *code } else { NULL }));
        }
    }
}

fn with_nulls(codes: &[u32]) -> UInt32Array {
    codes.iter().map(|code| if *code == NULL { None } else { Some(*code) }).collect()
}

fn write_values(writer: &mut ArrowColumnWriter, field: &Field, array: &ArrayRef) -> Result<(), StoreError> {
    for leaf in compute_leaves(field, array)? {
        writer.write(&leaf)?;
    }
    Ok(())
}

fn properties(schema: &Schema, level: u8, with_dictionary: bool) -> WriterPropertiesBuilder {
    let column = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let compression = if level == 0 { Compression::LZ4_RAW } else { Compression::ZSTD(ZstdLevel::default()) };
    let mut properties = WriterProperties::builder()
        .set_created_by("cupola".to_owned())
        .set_compression(compression)
        .set_dictionary_enabled(with_dictionary)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]));
    for field in schema.fields() {
        let is_time = field.name() == columns::TIME;
        let number = matches!(field.data_type(), DataType::Int64 | DataType::Timestamp(..));
        if is_time || (number && !with_dictionary) {
            // Ascending times differ by little, and other numbers are seldom as long as their type.
            properties = properties
                .set_column_dictionary_enabled(column(field.name()), false)
                .set_column_encoding(column(field.name()), Encoding::DELTA_BINARY_PACKED);
        }
    }
    properties
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampNanosecondArray};
    use arrow::compute::{cast, concat_batches};
    use arrow::datatypes::Int32Type;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
    use parquet::file::metadata::PageIndexPolicy;
    use proptest::prelude::*;

    use super::*;

    fn read(file: &Bytes, selection: Option<parquet::arrow::arrow_reader::RowSelection>) -> RecordBatch {
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let mut builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file.clone(), options).unwrap();
        if let Some(selection) = selection {
            builder = builder.with_row_selection(selection);
        }
        let schema = Arc::clone(builder.schema());
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        concat_batches(&schema, &batches).unwrap()
    }

    /// Rows of every kind: few values, many, none, long ones, runs; from a seed.
    fn rows(count: usize, seed: u64, kinds: u64) -> RecordBatch {
        let mut random = seed | 1;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut pick = |of: u64, null_in: u64| -> Vec<Option<u64>> {
            (0..count).map(|_| (null_in == 0 || next() % null_in != 0).then(|| next() % of)).collect()
        };
        let text = |values: &[Option<u64>], length: usize| -> ArrayRef {
            Arc::new(values.iter().map(|value| value.map(|value| format!("{value:0length$}"))).collect::<StringArray>())
        };
        let (few, many, holes) = (pick(kinds, 0), pick(1 << 40, 0), pick(kinds, 3));
        let long = text(&pick(3, 2), 90);
        let integers: Int64Array = pick(kinds, 5).into_iter().map(|value| value.map(|value| value as i64 - 3)).collect();
        let unique: Int64Array = pick(1 << 50, 0).into_iter().map(|value| value.map(|value| value as i64)).collect();
        let floats: Float64Array = pick(kinds, 4).into_iter().map(|value| value.map(|value| value as f64 / 3.0 - 1.0)).collect();
        let time = TimestampNanosecondArray::from_iter_values((0..count as i64).map(|row| row * 10)).with_timezone("UTC");
        let received: TimestampNanosecondArray =
            TimestampNanosecondArray::from_iter_values(few.iter().flatten().map(|value| *value as i64)).with_timezone("UTC");
        let dictionary: DictionaryArray<Int32Type> =
            holes.iter().map(|value| value.map(|value| ["a", "b", "c"][value as usize % 3])).collect();
        let booleans: BooleanArray = few.iter().map(|value| value.map(|value| value % 2 == 0)).collect();
        let ids = |values: &[Option<u64>]| -> ArrayRef {
            let bytes = values.iter().map(|value| value.map(u64::to_le_bytes));
            Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 8).unwrap())
        };
        let columns: Vec<(&str, ArrayRef, bool)> = vec![
            ("span_id", ids(&many), false),
            ("parent_span_id", ids(&holes), true),
            ("no_ids", ids(&vec![None; count]), true),
            ("time", Arc::new(time), false),
            ("received_at", Arc::new(received), false),
            ("few", text(&few, 1), false),
            ("many", text(&many, 1), false),
            ("holes", text(&holes, 3), true),
            ("empty", text(&vec![None; count], 1), true),
            ("long", long, true),
            ("integers", Arc::new(integers), true),
            ("unique", Arc::new(unique), false),
            ("floats", Arc::new(floats), true),
            ("dictionary", Arc::new(dictionary), true),
            ("booleans", Arc::new(booleans), false),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, array, nullable)| Field::new(*name, array.data_type().clone(), *nullable)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, array, _)| array).collect()).unwrap()
    }

    fn written(rows: &RecordBatch, level: u8, piece: usize) -> Bytes {
        let coders = Arc::new(Mutex::new(Coders::new(&rows.schema())));
        let mut writer = ColumnsWriter::new(Vec::new(), rows.schema(), level, coders).unwrap();
        let mut from = 0;
        while from < rows.num_rows() {
            let count = piece.min(rows.num_rows() - from);
            writer.write(&rows.slice(from, count)).unwrap();
            from += count;
        }
        Bytes::from(writer.finish().unwrap())
    }

    fn plain(rows: &RecordBatch) -> Vec<ArrayRef> {
        let of = |array: &ArrayRef| match array.data_type() {
            DataType::Dictionary(_, values) => cast(array, values).unwrap(),
            _ => Arc::clone(array),
        };
        rows.columns().iter().map(of).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_is_read(
            count in 1usize..6_000, seed in any::<u64>(), kinds in 1u64..5_000, level in 0u8..2, piece in 1usize..5_000,
        ) {
            let rows = rows(count, seed, kinds);
            let file = written(&rows, level, piece);
            prop_assert_eq!(plain(&read(&file, None)), plain(&rows));
        }
    }

    #[test]
    fn several_row_groups_and_pages_are_read_whole_and_in_pieces() {
        use parquet::arrow::arrow_reader::{RowSelection, RowSelector};
        let rows = rows(ROW_GROUP_ROWS + 40_000, 7, 300);
        for level in [0, 1] {
            let file = written(&rows, level, 10_000);
            assert_eq!(plain(&read(&file, None)), plain(&rows));
            let selection =
                vec![RowSelector::skip(50_001), RowSelector::select(7), RowSelector::skip(90_000), RowSelector::select(20_000)];
            let selected = plain(&read(&file, Some(RowSelection::from(selection))));
            for (found, whole) in selected.iter().zip(plain(&rows)) {
                let expected = [whole.slice(50_001, 7), whole.slice(140_008, 20_000)];
                let expected = arrow::compute::concat(&[expected[0].as_ref(), expected[1].as_ref()]).unwrap();
                assert_eq!(found, &expected);
            }
        }
    }

    #[test]
    fn statistics_tell_the_least_the_greatest_and_the_nulls() {
        use parquet::file::reader::{FileReader, SerializedFileReader};
        use parquet::file::statistics::Statistics;
        let rows = rows(3_000, 5, 40);
        let reader = SerializedFileReader::new(written(&rows, 1, 1_000)).unwrap();
        let group = reader.metadata().row_group(0);
        let statistics = |name: &str| {
            let place = rows.schema().index_of(name).unwrap();
            group.column(place).statistics().cloned().unwrap()
        };
        let Statistics::Int64(integers) = statistics("integers") else { panic!("of another type") };
        let nulls = rows.column_by_name("integers").unwrap().null_count() as u64;
        assert_eq!((integers.min_opt(), integers.max_opt(), integers.null_count_opt()), (Some(&-3), Some(&36), Some(nulls)));
        let Statistics::ByteArray(few) = statistics("few") else { panic!("of another type") };
        assert_eq!((few.min_opt().unwrap().data(), few.max_opt().unwrap().data()), (b"0".as_slice(), b"9".as_slice()));
        let Statistics::ByteArray(long) = statistics("long") else { panic!("of another type") };
        assert!(long.min_opt().is_none() && long.null_count_opt().unwrap() > 0);
        assert_eq!(statistics("empty").null_count_opt(), Some(3_000));
    }
}
