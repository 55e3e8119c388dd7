//! Writes one part: rows in order of time become a Parquet file and what lies beside it.
//!
//! Everything is written under temporary names, synced, verified and renamed, and the folder synced, before the catalog
//! hears of it: whatever the catalog names is whole. Fresh parts are LZ4, which costs less to write and to read; what
//! compaction makes is zstd, which is smaller.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef, TimestampNanosecondType};
use metastore::{AttributeSeen, NewPart};
use model::Signal;
use parking_lot::Mutex;
use parquet::file::FOOTER_SIZE;
use parquet::file::metadata::{FooterTail, ParquetMetaDataReader};

use crate::checksums::SummingWriter;
use crate::coding::Coders;
use crate::columns;
use crate::disk::{Disk, FileWriter};
use crate::error::StoreError;
use crate::part_columns::{ColumnsWriter, Gather, SharedCoders};
use crate::parts_folder::{CHECKSUMS, PartsFolder, TEMPORARY, TOKENS};
use crate::token_filter::{self, TokenFilterBuilder};
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
    writer: ColumnsWriter<SummingWriter<FileWriter>>,
    coders: SharedCoders,
    traces: TraceRows,
    tokens: Option<TokenFilterBuilder>,
    rows: u64,
    min_time: i64,
    max_time: i64,
}

impl<'a> PartWriter<'a> {
    /// Begins a part with these columns. Dictionaries are written as what they hold.
    pub fn create(place: &'a PartsPlace, options: PartOptions<'a>, schema: SchemaRef) -> Result<PartWriter<'a>, StoreError> {
        let coders = Arc::new(Mutex::new(Coders::new(&schema)));
        PartWriter::with_coders(place, options, schema, coders)
    }

    /// The same, for rows of which some columns are codes of these coders.
    pub fn with_coders(
        place: &'a PartsPlace,
        options: PartOptions<'a>,
        schema: SchemaRef,
        coders: SharedCoders,
    ) -> Result<PartWriter<'a>, StoreError> {
        let folder = &place.folder;
        let path = folder.new_part(options.project, options.signal);
        let whole = folder.path.join(&path);
        folder.make_folder(&whole)?;
        let temporary = Temporary { disk: Arc::clone(&folder.disk), path: whole.with_extension(TEMPORARY) };
        let file = folder.disk.create(&temporary.path);
        let file = FileWriter::new(file.map_err(StoreError::io(format!("create part {}", temporary.path.display())))?);
        let writer = ColumnsWriter::new(SummingWriter::new(file), Arc::clone(&schema), options.level, Arc::clone(&coders))?;
        let traces = TraceRows::default();
        let tokens = (options.signal == Signal::Logs).then(|| TokenFilterBuilder::new(&schema));
        let (min_time, max_time) = (i64::MAX, i64::MIN);
        Ok(PartWriter { place, options, schema, path, temporary, writer, coders, traces, tokens, rows: 0, min_time, max_time })
    }

    /// Adds rows that are not older than those before.
    pub fn write(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        if self.options.stop.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("store is shutting down".into()));
        }
        self.see(rows)?;
        if let Some(tokens) = &mut self.tokens {
            tokens.push(rows, self.schema.as_ref(), &self.coders.lock());
        }
        self.writer.write(rows)
    }

    /// Writes rows that are all at hand, a column at a time: what `column` gives, for a place in the schema, is a function
    /// from a range of the rows, which are in order of time, to that column of them.
    pub fn write_by_column<'g>(
        &mut self,
        rows: usize,
        column: &mut dyn FnMut(usize) -> Result<Gather<'g>, StoreError>,
    ) -> Result<(), StoreError> {
        let stop = self.options.stop;
        let mut stoppable = |place| match stop.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("store is shutting down".into())),
            false => column(place),
        };
        // The columns that time and index are made of, of each row group.
        let mut kept: Vec<Vec<(Field, ArrayRef)>> = Vec::new();
        let is_kept = |name: &str| name == columns::TIME || columns::TRACE_IDS.contains(&name);
        let (tokens, coders, schema) = (&mut self.tokens, &self.coders, &self.schema);
        self.writer.write_by_column(rows, &mut stoppable, &mut |group, field, array| {
            if is_kept(field.name()) {
                kept.resize_with(kept.len().max(group + 1), Vec::new);
                kept[group].push((Field::new(field.name(), array.data_type().clone(), field.is_nullable()), Arc::clone(array)));
            }
            if let Some(tokens) = tokens.as_mut().filter(|_| token_filter::is_kept(field)) {
                let coders = coders.lock();
                let coder = schema.index_of(field.name()).ok().and_then(|place| coders.coder(place));
                tokens.push_column(group, field, array, coder);
            }
        })?;
        for columns in kept {
            let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
            self.see(&RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)?;
        }
        Ok(())
    }

    /// Takes note of rows that are being written.
    fn see(&mut self, rows: &RecordBatch) -> Result<(), StoreError> {
        let time = rows.column_by_name(columns::TIME).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let time = time.ok_or_else(|| StoreError::Corrupt("batch without a time column".into()))?.values();
        let (Some(first), Some(last)) = (time.first(), time.last()) else { return Ok(()) };
        if *first < self.max_time || !time.is_sorted() {
            return Err(StoreError::Corrupt("rows of a part are not in order of time".into()));
        }
        self.min_time = self.min_time.min(*first);
        self.max_time = *last;
        self.rows += rows.num_rows() as u64;
        self.traces.push(rows);
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
        self.writer.bytes()
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
        let (file, sums) = self.writer.finish()?.finish().map_err(failed())?;
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
