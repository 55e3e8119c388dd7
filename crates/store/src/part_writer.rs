//! Writes one part: rows in order of time become a Parquet file and what lies beside it.
//!
//! Everything is written under temporary names, synced, verified and renamed, and the folder synced, before the catalog
//! hears of it: whatever the catalog names is whole. Fresh parts are LZ4, which costs less to write and to read; what
//! compaction makes is zstd, which is smaller.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampNanosecondType};
use metastore::{AttributeSeen, NewPart};
use model::Signal;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FooterTail, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::checksums::SummingWriter;
use crate::columns;
use crate::disk::{Disk, FileWriter};
use crate::error::StoreError;
use crate::limits::ROW_GROUP_ROWS;
use crate::parts_folder::{CHECKSUMS, PartsFolder, TEMPORARY, TOKENS};
use crate::token_filter::TokenFilterBuilder;
use crate::trace_index::{Run, TraceIndex, TraceRows};

/// What a part is to be.
#[derive(Clone, Copy)]
pub(crate) struct PartOptions<'a> {
    pub project: &'a str,
    pub signal: Signal,
    /// 0 is written for speed, everything above for size.
    pub level: u8,
    /// Writing ends with an error soon after this is set.
    pub stop: &'a AtomicBool,
}

/// A part that is on disk, durable, and that the catalog has not heard of.
#[derive(Debug)]
pub(crate) struct WrittenPart {
    pub part: NewPart,
    pub signal: Signal,
    pub attributes: Vec<AttributeSeen>,
    /// What the trace index says of it, once the catalog shows it.
    pub run: Option<Run>,
}

/// Where parts and what is known of them are written.
pub(crate) struct PartsPlace {
    pub folder: Arc<PartsFolder>,
    pub traces: Arc<TraceIndex>,
}

pub(crate) struct PartWriter<'a> {
    place: &'a PartsPlace,
    options: PartOptions<'a>,
    schema: SchemaRef,
    path: String,
    temporary: Temporary,
    writer: ArrowWriter<SummingWriter<FileWriter>>,
    traces: TraceRows,
    tokens: Option<TokenFilterBuilder>,
    rows: u64,
    min_time: i64,
    max_time: i64,
}

impl<'a> PartWriter<'a> {
    /// Begins a part with these columns. Dictionaries are written as what they hold.
    pub fn create(place: &'a PartsPlace, options: PartOptions<'a>, schema: SchemaRef) -> Result<PartWriter<'a>, StoreError> {
        let folder = &place.folder;
        let path = folder.new_part(options.project, options.signal);
        let whole = folder.path.join(&path);
        folder.make_folder(&whole)?;
        let temporary = Temporary { disk: Arc::clone(&folder.disk), path: whole.with_extension(TEMPORARY) };
        let file = folder.disk.create(&temporary.path);
        let file = FileWriter::new(file.map_err(StoreError::io(format!("create part {}", temporary.path.display())))?);
        // The types in the file are said by Parquet's own; Arrow's schema would bring the dictionaries back.
        let writer_options = ArrowWriterOptions::new().with_properties(properties(options.level)).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(SummingWriter::new(file), Arc::clone(&schema), writer_options)?;
        let traces = TraceRows::default();
        let tokens = (options.signal == Signal::Logs).then(TokenFilterBuilder::new);
        let (min_time, max_time) = (i64::MAX, i64::MIN);
        Ok(PartWriter { place, options, schema, path, temporary, writer, traces, tokens, rows: 0, min_time, max_time })
    }

    /// Adds rows that are not older than those before.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("store is shutting down".into()));
        }
        let time = rows.column_by_name(columns::TIME).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let time = time.ok_or_else(|| StoreError::Corrupt("batch without a time column".into()))?.values();
        let (Some(first), Some(last)) = (time.first(), time.last()) else { return Ok(()) };
        if *first < self.max_time || !time.is_sorted() {
            return Err(StoreError::Corrupt("rows of a part are not in order of time".into()));
        }
        self.min_time = self.min_time.min(*first);
        self.max_time = *last;
        self.rows += rows.num_rows() as u64;
        self.writer.write(rows)?;
        self.traces.push(rows);
        if let Some(tokens) = &mut self.tokens {
            tokens.push(rows);
        }
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The newest row so far.
    pub fn max_time(&self) -> i64 {
        self.max_time
    }

    /// Roughly the bytes of the file if it ended here.
    pub fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Ends the part. Durable under its name when it returns; the caller tells the catalog.
    ///
    /// Refuses: a part without rows.
    pub fn finish(self) -> Result<WrittenPart, StoreError> {
        if self.rows == 0 {
            return Err(StoreError::Corrupt("part without rows".into()));
        }
        let (folder, temporary, options) = (&self.place.folder, self.temporary, self.options);
        let failed = || StoreError::io(format!("write part {}", temporary.path.display()));
        let (file, sums) = self.writer.into_inner()?.finish().map_err(failed())?;
        file.finish().map_err(failed())?;
        temporary.verify(self.rows, sums.file_bytes())?;
        let path = folder.path.join(&self.path);
        let mut sidecar_bytes = 0;
        let mut beside = |extension: &str, bytes: &[u8]| {
            sidecar_bytes += bytes.len() as u64;
            folder.write_file(&path.with_extension(extension), bytes)
        };
        let result = beside(CHECKSUMS, &sums.to_bytes());
        let result = result.and_then(|()| self.tokens.map_or(Ok(()), |tokens| beside(TOKENS, &tokens.finish())));
        let result = result.and_then(|()| {
            let renamed = folder.disk.rename(&temporary.path, &path);
            renamed.map_err(StoreError::io(format!("rename part to {}", path.display())))?;
            folder.sync(path.parent().unwrap_or(&folder.path))
        });
        let run = result.and_then(|()| self.place.traces.write(options.project, options.signal, &self.path, self.traces));
        let run = run.inspect_err(|_| {
            // Whatever of it is there, the next start would remove it too.
            let _ = folder.remove_part(&self.path);
        })?;
        let part = NewPart {
            project: options.project.to_owned(),
            signal: options.signal.table().to_owned(),
            path: self.path,
            rows: self.rows,
            bytes: sums.file_bytes(),
            sidecar_bytes,
            min_time: self.min_time,
            max_time: self.max_time,
            level: options.level,
        };
        let attributes = attributes_seen(&self.schema, options.signal, &part);
        Ok(WrittenPart { part, signal: options.signal, attributes, run })
    }
}

/// A file that is removed unless it was renamed.
struct Temporary {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl Temporary {
    /// Reads the footer back.
    fn verify(&self, rows: u64, bytes: u64) -> Result<(), StoreError> {
        let failed = || StoreError::io(format!("read back part {}", self.path.display()));
        let file = self.disk.open_to_read(&self.path).map_err(failed())?;
        let found_bytes = file.bytes().map_err(failed())?;
        let mut tail = [0; FOOTER_SIZE];
        file.read_at(found_bytes.saturating_sub(tail.len() as u64), &mut tail).map_err(failed())?;
        let footer_bytes = (FooterTail::try_new(&tail)?.metadata_length() as u64).min(found_bytes);
        let mut footer = vec![0; usize::try_from(footer_bytes).unwrap_or(0)];
        let from = found_bytes.saturating_sub((tail.len() + footer.len()) as u64);
        file.read_at(from, &mut footer).map_err(failed())?;
        let metadata = ParquetMetaDataReader::decode_metadata(&footer)?;
        let found_rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0);
        if (found_rows, found_bytes) != (rows, bytes) {
            return Err(StoreError::Corrupt(format!(
                "{}: holds {found_rows} rows in {found_bytes} bytes, expected {rows} in {bytes}",
                self.path.display(),
            )));
        }
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = self.disk.remove(&self.path);
    }
}

fn properties(level: u8) -> WriterProperties {
    let column = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let compression = if level == 0 { Compression::LZ4_RAW } else { Compression::ZSTD(ZstdLevel::default()) };
    let mut properties = WriterProperties::builder()
        .set_created_by("cupola".to_owned())
        .set_compression(compression)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]))
        // Ascending times differ by little.
        .set_column_dictionary_enabled(column(columns::TIME), false)
        .set_column_encoding(column(columns::TIME), Encoding::DELTA_BINARY_PACKED)
        // Ids of spans hardly repeat.
        .set_column_dictionary_enabled(column(columns::SPAN_ID), false);
    for name in columns::TRACE_IDS {
        properties = properties
            .set_column_bloom_filter_enabled(column(name), true)
            .set_column_bloom_filter_max_ndv(column(name), ROW_GROUP_ROWS as u64);
    }
    properties.build()
}

fn attributes_seen(schema: &SchemaRef, signal: Signal, part: &NewPart) -> Vec<AttributeSeen> {
    let fields = schema.fields().iter().filter(|field| !columns::is_fixed(signal, field.name()));
    fields
        .map(|field| AttributeSeen {
            project: part.project.clone(),
            signal: part.signal.clone(),
            key: field.name().clone(),
            r#type: columns::attribute_type(field.data_type()),
            first_seen_unix_nano: part.min_time,
            last_seen_unix_nano: part.max_time,
        })
        .collect()
}
