//! The trunk: open, append, snapshot, flush, shut down.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use metastore::Metastore;
use model::Signal;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use crate::clock::Clock;
use crate::columns;
use crate::error::StoreError;
use crate::row_buffer::RowBuffer;
use crate::snapshot::{Snapshot, TimeRange};

#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub data_dir: PathBuf,
    /// Rows in memory are written to parts when they take this many bytes.
    pub flush_bytes: usize,
    /// Rows in memory are written to parts when the oldest is this old.
    pub flush_interval: Duration,
    /// Above this, appends are answered `Busy`.
    pub memory_bytes_max: usize,
    /// Whether appends wait for the disk. False only in tests.
    pub fsync: bool,
    pub clock: Clock,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions::new("cupola-data")
    }
}

impl StoreOptions {
    /// The defaults, for a folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> StoreOptions {
        StoreOptions {
            data_dir: data_dir.into(),
            flush_bytes: 64 * 1024 * 1024,
            flush_interval: Duration::from_secs(10),
            memory_bytes_max: 512 * 1024 * 1024,
            fsync: true,
            clock: Clock::system(),
        }
    }
}

/// Counters since the store was opened, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    pub memory_rows: u64,
    pub memory_bytes: u64,
    pub parts: u64,
    pub part_rows: u64,
    pub part_bytes: u64,
    pub wal_segments: u64,
    pub wal_bytes: u64,
    pub wal_records_corrupt: u64,
    pub wal_records_unreadable: u64,
    pub appends: u64,
    pub appended_rows: u64,
    pub appends_refused: u64,
    pub fsyncs: u64,
    pub flushes: u64,
    pub flush_failures: u64,
}

/// The store of one folder. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    parts: Arc<LocalFileSystem>,
}

impl Store {
    pub async fn open(
        options: StoreOptions,
        _metastore: Metastore,
        _replay: impl Fn(&[u8]) -> Option<(String, RowBuffer)> + Send + Sync + 'static,
    ) -> Result<Store, StoreError> {
        let folder = options.data_dir.join("parts");
        std::fs::create_dir_all(&folder).map_err(StoreError::io(format!("create folder {}", folder.display())))?;
        let parts = LocalFileSystem::new_with_prefix(&folder).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Store(Arc::new(Inner { parts: Arc::new(parts) })))
    }

    pub async fn append(&self, _project: &str, _payload: Vec<u8>, _rows: RowBuffer) -> Result<(), StoreError> {
        Ok(())
    }

    pub async fn snapshot(&self, _project: &str, signal: Signal, _range: TimeRange) -> Result<Snapshot, StoreError> {
        Ok(Snapshot {
            schema: columns::schema(signal),
            parts: Vec::new(),
            memory: Vec::new(),
            rows_total: 0,
            newest_unix_nano: None,
        })
    }

    pub async fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub async fn shutdown(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub fn stats(&self) -> StoreStats {
        StoreStats::default()
    }

    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.0.parts) as Arc<dyn ObjectStore>
    }
}
