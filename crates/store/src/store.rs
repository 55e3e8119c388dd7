//! The trunk: open, append, snapshot, flush, shut down.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use metastore::{FlushCommit, Metastore};
use model::Signal;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;
use crate::commit::{CommitQueue, Counters, Shared};
use crate::error::StoreError;
use crate::flush::{PartsFolder, Written, remove_parts, write_parts};
use crate::limits::{PROJECT_BYTES_MAX, RETRY_AFTER_SECONDS, SHUTDOWN_FLUSH_MAX, WAL_RECORD_BYTES_MAX};
use crate::lock::FolderLock;
use crate::memory::{Chunk, Memory};
use crate::payload::Payload;
use crate::recovery::{Replay, check_identity, clean_parts, replay_segment};
use crate::registry::Registry;
use crate::row_buffer::RowBuffer;
use crate::snapshot::{Part, Snapshot, TimeRange};
use crate::tasks;
use crate::wal::{WalFolder, sync_folder};

/// The name under which the catalog keeps this log's position.
const WRITER: &str = "local";

#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub data_dir: PathBuf,
    /// Rows in memory are written to parts when they take this many bytes.
    pub flush_bytes: usize,
    /// Rows in memory are written to parts when the oldest is this old.
    pub flush_interval: Duration,
    /// Above this, appends are answered [`StoreError::Busy`].
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

/// What the store holds now, and counters since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    pub memory_rows: u64,
    /// Includes appends on their way.
    pub memory_bytes: u64,
    pub parts: u64,
    pub part_rows: u64,
    pub part_bytes: u64,
    pub wal_segments: u64,
    pub wal_bytes: u64,
    /// Damaged records found at open.
    pub wal_records_corrupt: u64,
    /// Whole records found at open of which no rows could be made.
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

pub(crate) struct Inner {
    shared: Arc<Shared>,
    metastore: Metastore,
    registry: Registry,
    memory_bytes_max: usize,
    folder: Arc<PartsFolder>,
    objects: Arc<LocalFileSystem>,
    /// Gone after shutdown.
    queue: RwLock<Option<Arc<CommitQueue>>>,
    commit_thread: Mutex<Option<JoinHandle<()>>>,
    /// One flush at a time; holds the last segment whose rows are in parts.
    flushed: tokio::sync::Mutex<u64>,
    /// No flush may write any more: a running one ends soon, a later one does not begin.
    stop: Arc<AtomicBool>,
    tasks: CancellationToken,
    _tasks_end_with_us: DropGuard,
}

impl Store {
    /// Opens the folder, replays the log through `replay` and starts the background tasks.
    ///
    /// `replay` gets a payload as it was appended and gives back the project and the same rows. A payload of which it makes
    /// nothing is counted, and its segment set aside.
    ///
    /// Refuses: a folder that another process holds; parts that belong to another metastore; a log of a later format.
    pub async fn open(
        options: StoreOptions,
        metastore: Metastore,
        replay: impl Fn(&[u8]) -> Option<(String, RowBuffer)> + Send + Sync + 'static,
    ) -> Result<Store, StoreError> {
        let folder = PartsFolder { path: options.data_dir.join("parts"), fsync: options.fsync };
        std::fs::create_dir_all(&folder.path).map_err(StoreError::io(format!("create folder {}", folder.path.display())))?;
        let lock = FolderLock::take(&options.data_dir)?;
        check_identity(&folder, &metastore).await?;
        clean_parts(&folder, &metastore).await?;
        let position = metastore.position(WRITER).await?;
        let wal = WalFolder::open(options.data_dir.join("wal"), options.fsync)?;
        // The folders of log and parts must be there after a crash, and so must ours.
        sync_folder(&options.data_dir, options.fsync)?;
        if let Some(parent) = options.data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent, options.fsync)?;
        }
        wal.remove_through(position.wal_position)?;
        let next_segment = wal.segments().last().copied().unwrap_or(0).max(position.wal_position) + 1;
        let shared = Arc::new(Shared {
            memory: Arc::new(Memory::new(position.snapshot, next_segment)),
            wal,
            clock: options.clock,
            flush_wanted: Notify::new(),
            // Half of what may be in memory, so that a flush ends before appends are refused.
            flush_bytes: options.flush_bytes.min(options.memory_bytes_max / 2),
            counters: Counters::default(),
            lock: Mutex::new(Some(lock)),
        });
        let objects = LocalFileSystem::new_with_prefix(&folder.path);
        let tasks = CancellationToken::new();
        let inner = Inner {
            registry: Registry::new(metastore.attributes().await?),
            shared: Arc::clone(&shared),
            metastore,
            memory_bytes_max: options.memory_bytes_max,
            folder: Arc::new(folder),
            objects: Arc::new(objects.map_err(|error| StoreError::Unavailable(error.to_string()))?),
            queue: RwLock::new(None),
            commit_thread: Mutex::new(None),
            flushed: tokio::sync::Mutex::new(position.wal_position),
            stop: Arc::default(),
            _tasks_end_with_us: tasks.clone().drop_guard(),
            tasks,
        };
        inner.count_parts().await?;
        let inner = Arc::new(inner);
        inner.recover(Arc::new(replay)).await?;
        let (queue, thread) = CommitQueue::start(Arc::clone(&shared), shared.wal.create(next_segment)?)?;
        *inner.queue.write() = Some(Arc::new(queue));
        *inner.commit_thread.lock() = Some(thread);
        let flush = tasks::flush(Arc::downgrade(&inner), shared, options.flush_interval, inner.tasks.clone());
        tokio::spawn(flush);
        Ok(Store(inner))
    }

    /// Keeps the rows: durable (`fdatasync`) and visible to snapshots when it returns. On error nothing is visible, though
    /// after [`StoreError::Unavailable`] a restart may find that the rows had reached the disk.
    ///
    /// Refuses: more rows than memory may hold ([`StoreError::Busy`]); a project without a name or with one too long; a
    /// buffer or payload beyond its limit.
    pub async fn append(&self, project: &str, payload: impl Into<Payload>, rows: RowBuffer) -> Result<(), StoreError> {
        let payload = payload.into();
        let refused = |error| {
            self.0.shared.counters.appends_refused.fetch_add(1, Ordering::Relaxed);
            error
        };
        if project.is_empty() || project.len() > PROJECT_BYTES_MAX {
            return Err(refused(StoreError::InvalidProject(project.to_owned())));
        }
        if payload.len() > WAL_RECORD_BYTES_MAX {
            return Err(refused(StoreError::TooLarge { bytes: payload.len(), bytes_max: WAL_RECORD_BYTES_MAX }));
        }
        let Some(queue) = self.0.queue.read().clone() else {
            return Err(refused(StoreError::Unavailable("store is shutting down".into())));
        };
        // What the rows will take is known only once they are columns; until then the buffer's own guess counts.
        let bytes = rows.bytes() + payload.len();
        let Some(reservation) = self.0.shared.memory.reserve(bytes, self.0.memory_bytes_max) else {
            self.0.shared.flush_wanted.notify_one();
            return Err(refused(StoreError::Busy { retry_after_seconds: RETRY_AFTER_SECONDS }));
        };
        let mut chunks = Vec::new();
        for (signal, batch) in rows.finish().map_err(refused)? {
            chunks.push((signal, Chunk::new(self.0.registry.admit(project, signal, batch)?)?));
        }
        if chunks.is_empty() {
            return Ok(());
        }
        queue.append(project, payload, chunks, reservation).await
    }

    /// What a query may see now of one project's table: parts that overlap `range`, and memory rows; a consistent cut.
    pub async fn snapshot(&self, project: &str, signal: Signal, range: TimeRange) -> Result<Snapshot, StoreError> {
        let cut = self.0.shared.memory.cut(project, signal, range);
        let metastore = &self.0.metastore;
        let (start, end) = (range.start_unix_nano, range.end_unix_nano);
        let cataloged = metastore.parts(project, signal.table(), start, end, cut.catalog_snapshot).await?;
        let parts = cataloged.into_iter().map(part_from_catalog).collect::<Result<Vec<Part>, _>>()?;
        let memory_rows: usize = cut.chunks.iter().map(|chunk| chunk.rows()).sum();
        let newest = parts.iter().map(|part| part.max_time).chain(cut.chunks.iter().map(|chunk| chunk.max_time)).max();
        Ok(Snapshot {
            // Asked for last: it has at least the columns of everything found before.
            schema: self.0.registry.schema(project, signal),
            rows_total: parts.iter().map(|part| part.rows).sum::<u64>() + memory_rows as u64,
            newest_unix_nano: newest,
            memory: cut.chunks.iter().map(|chunk| chunk.batch.clone()).collect(),
            parts,
        })
    }

    /// Writes the rows in memory to parts now. Rows that were visible stay so throughout.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().await
    }

    /// Refuses further appends, commits those on their way, writes memory to parts as far as that goes within
    /// [`SHUTDOWN_FLUSH_MAX`], and lets go of the folder. Rows that did not become parts are replayed at the next start.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        let queue = self.0.queue.write().take();
        self.0.tasks.cancel();
        let Some(queue) = queue else { return Ok(()) };
        let sealed = queue.seal().await;
        queue.close().await;
        let mut flush = tokio::spawn(Arc::clone(&self.0).flush_sealed());
        let flushed = match tokio::time::timeout(SHUTDOWN_FLUSH_MAX, &mut flush).await {
            Ok(flushed) => flushed.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))),
            Err(_) => {
                tracing::info!("shutting down before all rows are in parts; the log has them");
                self.0.stop.store(true, Ordering::Relaxed);
                // It ends at the next column.
                let _ = tokio::time::timeout(SHUTDOWN_FLUSH_MAX / 2, flush).await;
                Ok(())
            }
        };
        let thread = self.0.commit_thread.lock().take();
        if let Some(thread) = thread {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        // A flush of the background task may be at it still, or about to be; the folder is let go of only when none can.
        if let Ok(_no_flush) = tokio::time::timeout(SHUTDOWN_FLUSH_MAX / 2, self.0.flushed.lock()).await {
            self.0.stop.store(true, Ordering::Relaxed);
            *self.0.shared.lock.lock() = None;
        }
        sealed.and(flushed)
    }

    pub fn stats(&self) -> StoreStats {
        let shared = &self.0.shared;
        let counters = &shared.counters;
        let (wal_segments, wal_bytes) = shared.wal.size();
        StoreStats {
            memory_rows: shared.memory.rows() as u64,
            memory_bytes: shared.memory.bytes() as u64,
            parts: counters.parts.load(Ordering::Relaxed),
            part_rows: counters.part_rows.load(Ordering::Relaxed),
            part_bytes: counters.part_bytes.load(Ordering::Relaxed),
            wal_segments,
            wal_bytes,
            wal_records_corrupt: counters.wal_records_corrupt.load(Ordering::Relaxed),
            wal_records_unreadable: counters.wal_records_unreadable.load(Ordering::Relaxed),
            appends: counters.appends.load(Ordering::Relaxed),
            appended_rows: counters.appended_rows.load(Ordering::Relaxed),
            appends_refused: counters.appends_refused.load(Ordering::Relaxed),
            fsyncs: counters.fsyncs.load(Ordering::Relaxed),
            flushes: counters.flushes.load(Ordering::Relaxed),
            flush_failures: counters.flush_failures.load(Ordering::Relaxed),
        }
    }

    /// Where the parts live: paths are those of [`Part::path`].
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.0.objects) as Arc<dyn ObjectStore>
    }
}

impl Inner {
    /// Reads the log's segments into memory, writing parts on the way when they are more than memory should hold.
    async fn recover(self: &Arc<Inner>, replay: Arc<Replay>) -> Result<(), StoreError> {
        let segments = self.shared.wal.segments();
        let mut rows = 0;
        for number in &segments {
            let (number, newest) = (*number, Some(number) == segments.last());
            let (inner, replay) = (Arc::clone(self), Arc::clone(&replay));
            let read = move || replay_segment(&inner.shared, &inner.registry, &replay, number, newest);
            let segment = blocking(read).await?;
            rows += segment.rows;
            self.shared.memory.add_sealed(segment);
            if self.shared.memory.bytes() >= self.shared.flush_bytes {
                Arc::clone(self).flush_sealed().await?;
            }
        }
        if !segments.is_empty() {
            tracing::info!(segments = segments.len(), rows, "write-ahead log replayed");
        }
        Ok(())
    }

    /// Seals the active rows and writes everything sealed to parts. Goes on when the caller goes away.
    pub async fn flush(self: &Arc<Inner>) -> Result<(), StoreError> {
        let queue = self.queue.read().clone();
        let Some(queue) = queue else { return Err(StoreError::Unavailable("store is shutting down".into())) };
        queue.seal().await?;
        drop(queue);
        let flush = tokio::spawn(Arc::clone(self).flush_sealed());
        flush.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }

    async fn flush_sealed(self: Arc<Inner>) -> Result<(), StoreError> {
        let mut flushed = self.flushed.lock().await;
        if self.stop.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("store is closed".into()));
        }
        let result = self.flush_segments(&mut flushed).await;
        if result.is_err() {
            self.shared.counters.flush_failures.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Parts, then catalog, then memory, then log: at every moment each row is in the catalog's view or in memory, and on
    /// disk in a part or in the log.
    async fn flush_segments(&self, flushed: &mut u64) -> Result<(), StoreError> {
        self.catch_up(flushed).await?;
        let segments = self.shared.memory.sealed();
        let Some(last) = segments.last().map(|segment| segment.number) else { return Ok(()) };
        let (folder, stop) = (Arc::clone(&self.folder), Arc::clone(&self.stop));
        let written = blocking(move || write_parts(&folder, &segments, &stop)).await?;
        let parts = written.parts.len() as u64;
        let rows: u64 = written.parts.iter().map(|part| part.rows).sum();
        let bytes: u64 = written.parts.iter().map(|part| part.bytes).sum();
        let snapshot = self.commit(written, *flushed, last).await?;
        self.shared.memory.drop_through(last, snapshot);
        *flushed = last;
        let counters = &self.shared.counters;
        counters.flushes.fetch_add(1, Ordering::Relaxed);
        counters.parts.fetch_add(parts, Ordering::Relaxed);
        counters.part_rows.fetch_add(rows, Ordering::Relaxed);
        counters.part_bytes.fetch_add(bytes, Ordering::Relaxed);
        tracing::debug!(segment = last, parts, rows, bytes, "rows written to parts");
        self.remove_segments(last);
        Ok(())
    }

    /// Takes over a commit that came through although it was answered with an error: its rows are in parts already. Also
    /// makes sure, before anything is written, that the catalog answers at all.
    async fn catch_up(&self, flushed: &mut u64) -> Result<(), StoreError> {
        let position = self.metastore.position(WRITER).await?;
        if position.wal_position > *flushed {
            self.shared.memory.drop_through(position.wal_position, position.snapshot);
            *flushed = position.wal_position;
            self.count_parts().await?;
            self.remove_segments(position.wal_position);
        }
        Ok(())
    }

    /// Commits parts and position. On an error the parts are removed, if it is certain that the catalog does not name them.
    async fn commit(&self, written: Written, flushed: u64, last: u64) -> Result<u64, StoreError> {
        let commit = FlushCommit {
            writer: WRITER.to_owned(),
            parts: written.parts,
            attributes: written.attributes,
            wal_position_before: flushed,
            wal_position: last,
        };
        let error = match self.metastore.commit_flush(&commit).await {
            Ok(snapshot) => return Ok(snapshot),
            Err(error) => error,
        };
        match self.metastore.position(WRITER).await {
            Ok(position) if position.wal_position == last => return Ok(position.snapshot),
            Ok(_) => remove_parts(&self.folder, &commit.parts),
            Err(_) => {}
        }
        Err(error.into())
    }

    fn remove_segments(&self, last: u64) {
        if let Err(error) = self.shared.wal.remove_through(last) {
            tracing::warn!(%error, "cannot remove old log segments; the next flush or start does");
        }
    }

    async fn count_parts(&self) -> Result<(), StoreError> {
        let totals = self.metastore.part_totals().await?;
        let counters = &self.shared.counters;
        counters.parts.store(totals.parts, Ordering::Relaxed);
        counters.part_rows.store(totals.rows, Ordering::Relaxed);
        counters.part_bytes.store(totals.bytes, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs work that would hold up the sockets on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

fn part_from_catalog(part: metastore::CatalogedPart) -> Result<Part, StoreError> {
    let path = object_store::path::Path::parse(&part.path)
        .map_err(|error| StoreError::Corrupt(format!("catalog names a part {:?}: {error}", part.path)))?;
    Ok(Part {
        id: part.id,
        path,
        rows: part.rows,
        bytes: part.bytes,
        min_time: part.min_time,
        max_time: part.max_time,
        level: part.level,
    })
}
