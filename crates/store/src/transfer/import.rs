//! Files to rows: each file becomes parts of its own, which the catalog takes over together with the file's name in one step.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metastore::{ImportedFile, MetastoreError, PartsChange};
use model::Signal;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::conform::Conform;
use super::manifest::ManifestFile;
use super::sha256_of;
use crate::error::StoreError;
use crate::flush::{remove_parts, write_part};
use crate::limits::{IMPORT_PART_BYTES, IMPORT_PART_ROWS, PROJECT_BYTES_MAX};
use crate::memory::Chunk;
use crate::part_writer::{PartOptions, WrittenPart};
use crate::store::{Inner, Store, blocking};

/// Rows read at once.
const BATCH_ROWS: usize = 8 * 1024;

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// Its rows are durable and visible.
    Imported { rows: u64 },
    /// A file of the same contents was imported into the table before; nothing was changed.
    AlreadyThere { rows: u64 },
}

impl Store {
    /// Takes the rows of a Parquet file over. All of them are durable and visible when it returns, or none are.
    ///
    /// The file has our fixed columns, at least those that nothing can stand for; all others are attributes.
    /// Refuses: a column of a type that cannot become ours; with `expected`, a file that is not what the manifest says.
    pub async fn import(
        &self,
        project: &str,
        signal: Signal,
        path: &Path,
        expected: Option<&ManifestFile>,
    ) -> Result<ImportOutcome, StoreError> {
        if project.is_empty() || project.len() > PROJECT_BYTES_MAX {
            return Err(StoreError::InvalidProject(project.to_owned()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hashed = path.to_path_buf();
        let (sha256, bytes) = blocking(move || sha256_of(&hashed)).await?;
        if let Some(expected) = expected.filter(|expected| expected.sha256 != sha256 || expected.bytes != bytes) {
            return Err(StoreError::NotImportable(format!(
                "{name}: has {bytes} bytes with the SHA-256 {sha256}, the manifest says {} with {}",
                expected.bytes, expected.sha256
            )));
        }
        let inner = &self.0;
        if let Some(known) = inner.metastore.imported_file(project, signal.table(), &sha256).await? {
            return Ok(ImportOutcome::AlreadyThere { rows: known.rows });
        }
        let file = ImportFile { project: project.to_owned(), signal, path: path.to_path_buf(), name: name.clone() };
        let reading = Arc::clone(inner);
        let written = blocking(move || file.write_parts(&reading)).await?;
        let rows: u64 = written.iter().map(|written| written.part.rows).sum();
        if let Some(expected) = expected.filter(|expected| expected.rows != rows) {
            remove_parts(&inner.place, &written);
            return Err(StoreError::NotImportable(format!("{name}: has {rows} rows, the manifest says {}", expected.rows)));
        }
        let imported = ImportedFile {
            project: project.to_owned(),
            signal: signal.table().to_owned(),
            sha256,
            name,
            rows,
            imported_at_unix_nano: inner.shared.clock.now_unix_nano(),
        };
        inner.commit_import(written, &imported).await?;
        Ok(ImportOutcome::Imported { rows })
    }
}

impl Inner {
    async fn commit_import(&self, written: Vec<WrittenPart>, file: &ImportedFile) -> Result<(), StoreError> {
        let change = PartsChange {
            added: written.iter().map(|written| written.part.clone()).collect(),
            attributes: written.iter().flat_map(|written| written.attributes.iter().cloned()).collect(),
            ..PartsChange::default()
        };
        if let Err(error) = self.metastore.commit_import(&change, file).await {
            // It may have come through all the same; then the catalog names the parts.
            let is_there = match self.metastore.part_paths().await {
                Ok(paths) => written.iter().all(|written| paths.contains(&written.part.path)) && !written.is_empty(),
                Err(_) => return Err(error.into()),
            };
            if !is_there {
                remove_parts(&self.place, &written);
                return match error {
                    // Somebody imported the same file meanwhile.
                    MetastoreError::AlreadyExists { .. } => Ok(()),
                    error => Err(error.into()),
                };
            }
        }
        self.refresh().await?;
        self.index(written);
        Ok(())
    }
}

struct ImportFile {
    project: String,
    signal: Signal,
    path: PathBuf,
    name: String,
}

impl ImportFile {
    /// The file's rows as parts that the catalog has not heard of. On error nothing is left behind.
    fn write_parts(&self, inner: &Inner) -> Result<Vec<WrittenPart>, StoreError> {
        let mut written = Vec::new();
        match self.write_all(inner, &mut written) {
            Ok(()) => Ok(written),
            Err(error) => {
                remove_parts(&inner.place, &written);
                Err(error)
            }
        }
    }

    fn write_all(&self, inner: &Inner, written: &mut Vec<WrittenPart>) -> Result<(), StoreError> {
        let unreadable = |error: &dyn std::fmt::Display| StoreError::NotImportable(format!("{}: {error}", self.name));
        let file = File::open(&self.path).map_err(StoreError::io(format!("open {}", self.path.display())))?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| unreadable(&error))?;
        let reader = reader.with_batch_size(BATCH_ROWS).build().map_err(|error| unreadable(&error))?;
        let received_at_unix_nano = inner.shared.clock.now_unix_nano();
        let conform = Conform { signal: self.signal, file: &self.name, received_at_unix_nano };
        let options = PartOptions { project: &self.project, signal: self.signal, level: 0, stop: &inner.stop };
        let (mut chunks, mut rows, mut bytes) = (Vec::new(), 0, 0);
        for batch in reader {
            if inner.stop.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("store is shutting down".into()));
            }
            let batch = conform.batch(&batch.map_err(|error| unreadable(&error))?)?;
            let chunk = Chunk::new(inner.registry.admit(&self.project, self.signal, batch)?)?;
            rows += chunk.rows();
            bytes += chunk.bytes;
            chunks.push(Arc::new(chunk));
            if rows >= IMPORT_PART_ROWS || bytes >= IMPORT_PART_BYTES {
                written.push(write_part(&inner.place, options, &chunks)?);
                (rows, bytes) = (0, 0);
                chunks.clear();
            }
        }
        if rows > 0 {
            written.push(write_part(&inner.place, options, &chunks)?);
        }
        Ok(())
    }
}
