//! Rows to files: parts and memory of one moment, with the types of the whole table.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef, TimestampNanosecondType};
use model::Signal;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::manifest::{MANIFEST, Manifest, ManifestFile};
use super::sha256_of;
use crate::columns;
use crate::disk::sync_real_folder;
use crate::error::StoreError;
use crate::limits::{EXPORT_FILE_ROWS, ROW_GROUP_ROWS};
use crate::parts_reader::{PartChunks, PartsReader};
use crate::snapshot::{Snapshot, TimeRange, align};
use crate::store::{Store, blocking};

/// Rows read at once.
const BATCH_ROWS: usize = 8 * 1024;

/// Which rows to export.
#[derive(Clone, Debug)]
pub struct ExportRange {
    pub project: String,
    pub signals: Vec<Signal>,
    pub time: TimeRange,
}

impl Store {
    /// Writes the rows of one moment to a folder, a million a file, and a manifest at the end. Durable when it returns.
    ///
    /// Refuses: a folder that is not empty; a damaged part among those to read, since an export that misses rows in silence
    /// is worse than none.
    pub async fn export(&self, what: &ExportRange, folder: &Path) -> Result<Manifest, StoreError> {
        fs::create_dir_all(folder).map_err(StoreError::io(format!("create folder {}", folder.display())))?;
        let mut entries = fs::read_dir(folder).map_err(StoreError::io(format!("list folder {}", folder.display())))?;
        if entries.next().is_some() {
            return Err(StoreError::NotEmpty(folder.display().to_string()));
        }
        let mut files = Vec::new();
        for signal in &what.signals {
            let snapshot = self.snapshot(&what.project, *signal, what.time).await?;
            if let Some(part) = snapshot.damaged.first() {
                return Err(StoreError::Corrupt(format!(
                    "part {} cannot be read, and its {} rows not exported",
                    part.path, part.rows
                )));
            }
            let (reader, stop) = (Arc::clone(&self.0.reader), Arc::clone(&self.0.stop));
            let export = Export {
                signal: *signal,
                time: what.time,
                folder: folder.to_path_buf(),
                fsync: self.0.place.folder.disk.syncs(),
            };
            files.append(&mut blocking(move || export.write(&snapshot, &reader, &stop)).await?);
        }
        let manifest = Manifest {
            project: what.project.clone(),
            start_unix_nano: what.time.start_unix_nano,
            end_unix_nano: what.time.end_unix_nano,
            made_at_unix_nano: self.0.shared.clock.now_unix_nano(),
            files,
        };
        self.0.place.folder.write_file(&folder.join(MANIFEST), manifest.to_text().as_bytes())?;
        sync_real_folder(folder, self.0.place.folder.disk.syncs())?;
        Ok(manifest)
    }
}

/// The export of one table.
struct Export {
    signal: Signal,
    time: TimeRange,
    folder: PathBuf,
    fsync: bool,
}

impl Export {
    fn write(&self, snapshot: &Snapshot, reader: &PartsReader, stop: &AtomicBool) -> Result<Vec<ManifestFile>, StoreError> {
        let schema = self.schema(snapshot, reader)?;
        let mut files = Files { export: self, schema: Arc::clone(&schema), open: None, done: Vec::new() };
        for part in &snapshot.parts {
            let file = reader.open(&part.path)?;
            let batches = ParquetRecordBatchReaderBuilder::try_new(PartChunks(file))?.with_batch_size(BATCH_ROWS).build()?;
            for batch in batches {
                if stop.load(Ordering::Relaxed) {
                    return Err(StoreError::Unavailable("store is shutting down".into()));
                }
                files.push(&align(&batch?, &schema)?)?;
            }
        }
        for batch in snapshot.memory_as(&schema)? {
            files.push(&batch)?;
        }
        files.end()
    }

    /// The columns that any of the rows has, with the table's types.
    fn schema(&self, snapshot: &Snapshot, reader: &PartsReader) -> Result<SchemaRef, StoreError> {
        let mut present: std::collections::HashSet<String> =
            columns::schema(self.signal).fields().iter().map(|field| field.name().clone()).collect();
        for part in &snapshot.parts {
            let file = ParquetRecordBatchReaderBuilder::try_new(PartChunks(reader.open(&part.path)?))?;
            present.extend(file.schema().fields().iter().map(|field| field.name().clone()));
        }
        for batch in &snapshot.memory {
            present.extend(batch.schema_ref().fields().iter().map(|field| field.name().clone()));
        }
        let fields = snapshot.schema.fields().iter().filter(|field| present.contains(field.name()));
        Ok(Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>())))
    }

    /// The rows within the range.
    fn within(&self, batch: &RecordBatch) -> Result<RecordBatch, StoreError> {
        if self.time == TimeRange::ALL {
            return Ok(batch.clone());
        }
        let time = batch.column_by_name(columns::TIME).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let time = time.ok_or_else(|| StoreError::Corrupt("batch without a time column".into()))?.values();
        let kept: BooleanArray = time.iter().map(|time| Some(self.time.overlaps(*time, *time))).collect();
        Ok(filter_record_batch(batch, &kept)?)
    }
}

/// The files written so far, and the one that is being written.
struct Files<'e> {
    export: &'e Export,
    schema: SchemaRef,
    open: Option<(ArrowWriter<File>, PathBuf, usize)>,
    done: Vec<ManifestFile>,
}

impl Files<'_> {
    fn push(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let batch = self.export.within(batch)?;
        let mut from = 0;
        while from < batch.num_rows() {
            let (writer, _, rows) = match &mut self.open {
                Some(open) => open,
                None => {
                    let open = self.next_file()?;
                    self.open.insert(open)
                }
            };
            let taken = (batch.num_rows() - from).min(EXPORT_FILE_ROWS - *rows);
            writer.write(&batch.slice(from, taken))?;
            *rows += taken;
            from += taken;
            if *rows == EXPORT_FILE_ROWS {
                self.close()?;
            }
        }
        Ok(())
    }

    fn next_file(&self) -> Result<(ArrowWriter<File>, PathBuf, usize), StoreError> {
        let name = format!("{}-{:05}.parquet", self.export.signal.table(), self.done.len() + 1);
        let path = self.export.folder.join(name);
        let file = File::create_new(&path).map_err(StoreError::io(format!("create {}", path.display())))?;
        let properties = WriterProperties::builder()
            .set_created_by("cupola".to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        Ok((ArrowWriter::try_new_with_options(file, Arc::clone(&self.schema), options)?, path, 0))
    }

    fn close(&mut self) -> Result<(), StoreError> {
        let Some((writer, path, rows)) = self.open.take() else { return Ok(()) };
        let file = writer.into_inner()?;
        if self.export.fsync {
            file.sync_all().map_err(StoreError::io(format!("write {}", path.display())))?;
        }
        let (sha256, bytes) = sha256_of(&path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.done.push(ManifestFile { name, signal: self.export.signal, rows: rows as u64, bytes, sha256 });
        Ok(())
    }

    fn end(mut self) -> Result<Vec<ManifestFile>, StoreError> {
        self.close()?;
        Ok(self.done)
    }
}
