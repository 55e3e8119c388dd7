//! Parts read together as one stream of rows in order of time, a few thousand rows of each in memory at once.
//!
//! A part is opened when the stream comes to its oldest row and let go of after its newest, so parts that follow each other
//! in time cost no more memory than one. Rows of the same nanosecond come in one batch, so that who folds duplicates sees
//! them together. Columns of few values come as codes, made of the parts' own dictionaries.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, interleave};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampNanosecondType};
use model::Signal;
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Encoding, EncodingMask};

use crate::coding::Coders;
use crate::columns;
use crate::error::StoreError;
use crate::flush::part_schema;
use crate::limits::{ATTRIBUTE_COLUMNS_MAX, TIED_ROWS_MAX};
use crate::part_columns::{SharedCoders, as_codes, coded_schema, decoded};
use crate::parts_reader::{PartChunks, PartsReader};
use crate::registry::fold;
use crate::snapshot::Part;

/// Rows of a part that are decoded at once.
const READ_ROWS: usize = 8 * 1024;

/// Several parts of one table, to be read as one.
pub(crate) struct Merge<'a> {
    reader: &'a PartsReader,
    signal: Signal,
    schema: SchemaRef,
    coders: SharedCoders,
    /// Attributes for which there is no column.
    rare: HashSet<String>,
    sources: Vec<Source>,
}

struct Source {
    part: Part,
    state: State,
    /// Decoded rows not given out yet; never empty batches.
    batches: VecDeque<RecordBatch>,
    rows: usize,
}

enum State {
    Closed(ArrowReaderMetadata),
    Open(Box<ParquetRecordBatchReader>),
    Read,
}

impl<'a> Merge<'a> {
    /// Reads the footers. All parts are of one table.
    pub fn new(reader: &'a PartsReader, signal: Signal, parts: &[Part]) -> Result<Merge<'a>, StoreError> {
        let mut sources = Vec::with_capacity(parts.len());
        for part in parts {
            let metadata = metadata_of(reader, part)?;
            sources.push(Source { part: part.clone(), state: State::Closed(metadata), batches: VecDeque::new(), rows: 0 });
        }
        sources.sort_by_key(|source| (source.part.min_time, source.part.id));
        let (schema, rare) = schema_of(&sources, signal);
        let coders = Arc::new(Mutex::new(Coders::new(&schema)));
        Ok(Merge { reader, signal, schema, coders, rare, sources })
    }

    /// The columns of every batch: those of all parts, at their widest types; or, of some, their codes.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the codes mean.
    pub fn coders(&self) -> &SharedCoders {
        &self.coders
    }

    /// The next rows; never none of them.
    pub fn next(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        loop {
            let Some(bound) = self.fill()? else {
                let rest = self.take(|_| true)?;
                return Ok(rest);
            };
            if let Some(rows) = self.take(|time| time < bound)? {
                return Ok(Some(rows));
            }
            // All that is decoded is of one moment: more of it may follow.
            if self.sources.iter().map(|source| source.rows).sum::<usize>() > TIED_ROWS_MAX {
                return self.take(|time| time <= bound);
            }
            for place in 0..self.sources.len() {
                if self.sources[place].last_time() == Some(bound) {
                    self.read(place)?;
                }
            }
        }
    }

    /// Decodes rows of every part the stream has come to, and returns the time from which on not all rows are decoded;
    /// nothing when all are.
    fn fill(&mut self) -> Result<Option<i64>, StoreError> {
        let oldest = |merge: &Merge<'_>| merge.sources.iter().filter_map(Source::first_time).min();
        let mut place = 0;
        while place < self.sources.len() {
            let source = &self.sources[place];
            let is_due = match source.state {
                State::Read => false,
                State::Open(_) => source.batches.is_empty(),
                // Sources are in order of their oldest rows, so the first closed one is the next to open.
                State::Closed(_) => oldest(self).is_none_or(|oldest| source.part.min_time <= oldest),
            };
            if is_due {
                self.read(place)?;
            } else {
                place += 1;
            }
        }
        let bounds = self.sources.iter().filter_map(|source| match source.state {
            State::Read => None,
            State::Open(_) => source.last_time(),
            State::Closed(_) => Some(source.part.min_time),
        });
        Ok(bounds.min())
    }

    /// Decodes the next rows of one part.
    fn read(&mut self, place: usize) -> Result<(), StoreError> {
        let source = &mut self.sources[place];
        if let State::Closed(metadata) = &source.state {
            let open = |reader: &PartsReader| -> Result<ParquetRecordBatchReader, StoreError> {
                let chunks = PartChunks(reader.open(&source.part.path)?);
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone());
                Ok(builder.with_batch_size(READ_ROWS).build()?)
            };
            source.state = State::Open(Box::new(open(self.reader)?));
        }
        let State::Open(rows) = &mut source.state else { return Ok(()) };
        match rows.next().transpose() {
            Ok(None) => source.state = State::Read,
            Ok(Some(batch)) if batch.num_rows() == 0 => {}
            Ok(Some(batch)) => {
                let batch =
                    if self.rare.is_empty() { batch } else { fold(&batch, self.signal, &|name| self.rare.contains(name))? };
                let batch = coded(&batch, &self.schema, &mut self.coders.lock())?;
                source.rows += batch.num_rows();
                source.batches.push_back(batch);
            }
            Err(error) => return Err(StoreError::from(error)),
        }
        Ok(())
    }

    /// Takes the decoded rows of which `is_taken` is true: those up to some time.
    fn take(&mut self, is_taken: impl Fn(i64) -> bool) -> Result<Option<RecordBatch>, StoreError> {
        let mut taken: Vec<RecordBatch> = Vec::new();
        for source in &mut self.sources {
            while let Some(first) = source.batches.pop_front() {
                let rows = times(&first).partition_point(|time| is_taken(*time));
                source.rows -= rows;
                if rows == first.num_rows() {
                    taken.push(first);
                    continue;
                }
                if rows > 0 {
                    taken.push(first.slice(0, rows));
                }
                source.batches.push_front(first.slice(rows, first.num_rows() - rows));
                break;
            }
        }
        match taken.len() {
            0 => Ok(None),
            1 => Ok(taken.pop()),
            _ => Ok(Some(in_order(&taken, &self.schema, &self.coders.lock())?)),
        }
    }
}

impl Source {
    fn first_time(&self) -> Option<i64> {
        self.batches.front().and_then(|batch| times(batch).first().copied())
    }

    fn last_time(&self) -> Option<i64> {
        self.batches.back().and_then(|batch| times(batch).last().copied())
    }
}

fn metadata_of(reader: &PartsReader, part: &Part) -> Result<ArrowReaderMetadata, StoreError> {
    let chunks = PartChunks(reader.open(&part.path)?);
    let plain = ArrowReaderMetadata::load(&chunks, ArrowReaderOptions::new())?;
    // Texts that are a dictionary in the file stay one: each is looked at once in a row group, not once in a row.
    let field = |field: &Arc<Field>| match field.data_type() {
        // Rare attributes are added to the rest, which has to be texts.
        DataType::Utf8 if field.name() != columns::ATTRIBUTES_REST && is_dictionary(&plain, field.name()) => {
            let keyed = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            Arc::new(Field::new(field.name(), keyed, field.is_nullable()))
        }
        _ => Arc::clone(field),
    };
    let schema = Arc::new(Schema::new(plain.schema().fields().iter().map(field).collect::<Vec<_>>()));
    Ok(ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), ArrowReaderOptions::new().with_schema(schema))?)
}

/// Whether every data page of the column holds codes.
fn is_dictionary(file: &ArrowReaderMetadata, name: &str) -> bool {
    file.metadata().row_groups().iter().all(|group| {
        let column = group.columns().iter().find(|column| column.column_descr().name() == name);
        let only_codes = |mask: &EncodingMask| mask.is_only(Encoding::RLE_DICTIONARY);
        column.and_then(|column| column.page_encoding_stats_mask()).is_some_and(only_codes)
    })
}

/// The `time` column; empty if there is none, which no part is without.
pub(crate) fn times(batch: &RecordBatch) -> &[i64] {
    let time = batch.column_by_name(columns::TIME).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
    time.map_or(&[], |time| time.values())
}

fn without_dictionaries(schema: &Schema) -> Schema {
    let field = |field: &Arc<Field>| match field.data_type() {
        DataType::Dictionary(_, values) => Arc::new(Field::new(field.name(), values.as_ref().clone(), field.is_nullable())),
        _ => Arc::clone(field),
    };
    Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>())
}

/// The columns of all parts, and the attributes that have none because there are too many: the rarest.
fn schema_of(sources: &[Source], signal: Signal) -> (SchemaRef, HashSet<String>) {
    let metadata = |source: &Source| match &source.state {
        State::Closed(metadata) => Some(metadata.clone()),
        _ => None,
    };
    let files: Vec<ArrowReaderMetadata> = sources.iter().filter_map(metadata).collect();
    let empty: Vec<RecordBatch> = files.iter().map(|file| RecordBatch::new_empty(Arc::clone(file.schema()))).collect();
    let union = without_dictionaries(&part_schema(&empty, signal));
    let is_attribute = |field: &Field| !columns::is_fixed(signal, field.name());
    if union.fields().iter().filter(|field| is_attribute(field)).count() <= ATTRIBUTE_COLUMNS_MAX {
        return (Arc::new(union), HashSet::new());
    }
    let mut values: std::collections::HashMap<&str, u64> = std::collections::HashMap::new();
    for file in &files {
        for group in file.metadata().row_groups() {
            for column in group.columns() {
                let nulls = column.statistics().and_then(|statistics| statistics.null_count_opt()).unwrap_or(0);
                let name = column.column_descr().name();
                *values.entry(name).or_default() += u64::try_from(column.num_values()).unwrap_or(0).saturating_sub(nulls);
            }
        }
    }
    let mut attributes: Vec<&Field> = union.fields().iter().map(Arc::as_ref).filter(|field| is_attribute(field)).collect();
    attributes.sort_by(|a, b| {
        let count = |field: &Field| values.get(field.name().as_str()).copied().unwrap_or(0);
        count(b).cmp(&count(a)).then_with(|| a.name().cmp(b.name()))
    });
    let rare: HashSet<String> = attributes[ATTRIBUTE_COLUMNS_MAX..].iter().map(|field| field.name().clone()).collect();
    let rest = columns::schema(signal);
    let mut fields: Vec<Field> =
        union.fields().iter().map(|field| field.as_ref().clone()).filter(|field| !rare.contains(field.name())).collect();
    if union.index_of(columns::ATTRIBUTES_REST).is_err()
        && let Ok(field) = rest.field_with_name(columns::ATTRIBUTES_REST)
    {
        let place = fields.iter().position(is_attribute).unwrap_or(fields.len());
        fields.insert(place, field.clone());
    }
    (Arc::new(Schema::new(fields)), rare)
}

/// The batch with exactly these columns, as codes where those are worth it.
fn coded(batch: &RecordBatch, schema: &SchemaRef, coders: &mut Coders) -> Result<RecordBatch, StoreError> {
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    for (place, field) in schema.fields().iter().enumerate() {
        let is_text = *field.data_type() == DataType::Utf8;
        let array = match batch.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => Arc::clone(column),
            Some(column) if is_text && matches!(column.data_type(), DataType::Dictionary(..)) => Arc::clone(column),
            Some(column) => cast(column, field.data_type())?,
            None => new_null_array(field.data_type(), batch.num_rows()),
        };
        arrays.push(match coders.code(place, &array)? {
            Some(codes) => Arc::new(codes),
            None if array.data_type() == field.data_type() => array,
            None => cast(&array, field.data_type())?,
        });
    }
    with_schema_of(arrays, schema, batch.num_rows())
}

/// A batch of columns of the schema, some of which are codes.
fn with_schema_of(arrays: Vec<ArrayRef>, schema: &SchemaRef, rows: usize) -> Result<RecordBatch, StoreError> {
    let schema = coded_schema(schema, |place| as_codes(&arrays[place]).is_some());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// The rows of batches, each in order of time, in order of time all together.
fn in_order(batches: &[RecordBatch], schema: &SchemaRef, coders: &Coders) -> Result<RecordBatch, StoreError> {
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (number, batch) in (0..).zip(batches) {
        order.extend((0..).zip(times(batch)).map(|(row, time)| (*time, number, row)));
    }
    // Stable, which is what makes few comparisons of runs that are in order already.
    order.sort_by_key(|(time, ..)| *time);
    let places: Vec<(usize, usize)> = order.iter().map(|(_, batch, row)| (*batch as usize, *row as usize)).collect();
    let mut arrays = Vec::with_capacity(schema.fields().len());
    for column in 0..schema.fields().len() {
        let mut pieces: Vec<ArrayRef> = batches.iter().map(|batch| Arc::clone(batch.column(column))).collect();
        // A column may have had too many values for codes after a while.
        if !pieces.iter().all(|piece| as_codes(piece).is_some()) {
            for piece in &mut pieces {
                if let Some(codes) = as_codes(piece) {
                    *piece = decoded(coders, column, codes)?;
                }
            }
        }
        arrays.push(interleave(&pieces.iter().map(ArrayRef::as_ref).collect::<Vec<_>>(), &places)?);
    }
    with_schema_of(arrays, schema, order.len())
}
