//! The trunk: open, append, snapshot, flush, shut down.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use metastore::{DeletionStep, FlushCommit, Metastore, PartsChange, RetentionPolicy, RetentionRun};
use model::Signal;
use object_store::ObjectStore;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::clock::Clock;
use crate::commit::{CommitQueue, Counters, LogState, Shared};
use crate::compaction::Compaction;
use crate::disk::{Disk, RealDisk};
use crate::error::StoreError;
use crate::flush::{remove_parts, write_parts};
use crate::flush_steps::{self, FlushPorts, WRITER};
use crate::limits::{PROJECT_BYTES_MAX, RETRY_AFTER_SECONDS, SHUTDOWN_FLUSH_MAX, WAL_RECORD_BYTES_MAX};
use crate::lock::FolderLock;
use crate::memory::{Chunk, Cut, Memory, SegmentRows};
use crate::part_writer::{PartsPlace, WrittenPart};
use crate::parts_folder::PartsFolder;
use crate::parts_reader::{PartsObjects, PartsReader};
use crate::payload::Payload;
use crate::publish::{Publish, Publisher, unpublish};
use crate::recovery::{Replay, check_identity, open_catalog, replay_segment};
use crate::registry::Registry;
use crate::retention::PartLogGroups;
use crate::rewrite::Job;
use crate::row_buffer::RowBuffer;
use crate::snapshot::{Part, Snapshot, TimeRange};
use crate::tasks;
use crate::token_filter::TokenFilters;
use crate::trace_index::TraceIndex;
use crate::wal::{Previous, WalWriter, open_log};

#[derive(Clone, Debug)]
pub struct StoreOptions {
    pub data_dir: PathBuf,
    /// Rows in memory are written to parts when they take this many bytes.
    pub flush_bytes: usize,
    /// Rows in memory are written to parts when the oldest is this old.
    pub flush_interval: Duration,
    /// Above this, appends are answered [`StoreError::Busy`].
    pub memory_bytes_max: usize,
    /// The share of one core that putting parts together may take while rows come in.
    pub compaction_cpu_share: f64,
    /// Whether parts are put together in the background; [`Store::compact_now`] does it in any case.
    pub compaction: bool,
    /// Whether appends wait for the disk. False only in tests.
    pub fsync: bool,
    /// Whether compacted parts are published as Delta tables, in `delta/`.
    pub publish: bool,
    pub clock: Clock,
    /// For projects without a policy of their own.
    pub retention: RetentionPolicy,
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
            flush_bytes: 48 * 1024 * 1024,
            flush_interval: Duration::from_secs(10),
            memory_bytes_max: 512 * 1024 * 1024,
            compaction_cpu_share: 0.3,
            compaction: true,
            fsync: true,
            publish: true,
            clock: Clock::system(),
            retention: RetentionPolicy::default(),
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
    /// With what lies beside the parts.
    pub part_bytes: u64,
    /// Parts whose files are not what was written: they are left out of snapshots.
    pub parts_damaged: u64,
    /// Of the trace index.
    pub index_bytes: u64,
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
    pub compactions: u64,
    pub compaction_failures: u64,
    /// Rows that compactions read, and of those the ones that were there twice and are so no more.
    pub compacted_rows: u64,
    pub rows_folded: u64,
    /// Of the parts that compactions read and wrote.
    pub compaction_bytes_in: u64,
    pub compaction_bytes_out: u64,
}

/// The store of one folder. Cheap to clone.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) metastore: Metastore,
    pub(crate) registry: Registry,
    memory_bytes_max: usize,
    pub(crate) place: Arc<PartsPlace>,
    pub(crate) reader: Arc<PartsReader>,
    /// Gone after shutdown.
    queue: RwLock<Option<Arc<CommitQueue>>>,
    commit_thread: Mutex<Option<JoinHandle<()>>>,
    /// Of the last flush.
    flush_failure: Mutex<Option<String>>,
    /// One flush at a time; holds the last segment whose rows are in parts.
    pub flushed: tokio::sync::Mutex<u64>,
    pub(crate) compaction: Arc<Compaction>,
    /// One look at what changed in the catalog at a time.
    refreshing: tokio::sync::Mutex<()>,
    /// Parts that no later snapshot sees, and whose files are removed when no earlier one is held.
    ended: Mutex<Vec<Part>>,
    /// Absent when nothing is published.
    publisher: Option<tokio::sync::Mutex<Publisher>>,
    /// No flush may write any more: a running one ends soon, a later one does not begin.
    pub(crate) stop: Arc<AtomicBool>,
    /// For projects without a policy of their own.
    pub retention: RetentionPolicy,
    pub log_groups: PartLogGroups,
    /// Rings when a deletion was asked for.
    pub deletion_wanted: Arc<Notify>,
    /// One look at what deletions are waiting at a time.
    pub deleting: tokio::sync::Mutex<()>,
    /// Whether the published tables have let go of what was deleted.
    pub deletions_published: AtomicBool,
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
        Store::open_on(Arc::new(RealDisk { fsync: options.fsync }), options, metastore, replay).await
    }

    async fn open_on(
        disk: Arc<dyn Disk>,
        options: StoreOptions,
        metastore: Metastore,
        replay: impl Fn(&[u8]) -> Option<(String, RowBuffer)> + Send + Sync + 'static,
    ) -> Result<Store, StoreError> {
        let folder = PartsFolder { path: options.data_dir.join("parts"), disk: Arc::clone(&disk) };
        disk.create_folder(&folder.path).map_err(StoreError::io(format!("create folder {}", folder.path.display())))?;
        let lock = FolderLock::take(disk.as_ref(), &options.data_dir)?;
        check_identity(&folder, &metastore).await?;
        let (catalog, wal_position) = open_catalog(&folder, &metastore, WRITER).await?;
        let (wal, next_segment) = open_log(&disk, &options.data_dir, wal_position)?;
        let shared = Arc::new(Shared {
            memory: Arc::new(Memory::new(catalog, next_segment)),
            wal,
            disk,
            clock: options.clock,
            flush_wanted: Notify::new(),
            // Half of what may be in memory, so that a flush ends before appends are refused.
            flush_bytes: options.flush_bytes.min(options.memory_bytes_max / 2),
            counters: Counters::default(),
            lock: Mutex::new(Some(lock)),
            log_state: Mutex::default(),
        });
        let folder = Arc::new(folder);
        let traces = TraceIndex::open(options.data_dir.join("index"), options.fsync)?;
        let stop: Arc<AtomicBool> = Arc::default();
        let publisher = match options.publish {
            true => Some(tokio::sync::Mutex::new(Publisher::new(&options.data_dir, options.fsync, Arc::clone(&stop)))),
            false => {
                unpublish(&options.data_dir)?;
                None
            }
        };
        let tasks = CancellationToken::new();
        let inner = Inner {
            registry: Registry::new(metastore.attributes().await?),
            shared: Arc::clone(&shared),
            metastore,
            memory_bytes_max: options.memory_bytes_max,
            reader: Arc::new(PartsReader::new(Arc::clone(&folder), Arc::clone(&shared.memory))?),
            place: Arc::new(PartsPlace { folder, traces: Arc::new(traces) }),
            queue: RwLock::new(None),
            commit_thread: Mutex::new(None),
            flush_failure: Mutex::new(None),
            flushed: tokio::sync::Mutex::new(wal_position),
            compaction: Arc::new(Compaction::new(options.compaction_cpu_share)),
            refreshing: tokio::sync::Mutex::default(),
            ended: Mutex::default(),
            publisher,
            stop,
            retention: options.retention,
            log_groups: PartLogGroups::default(),
            deletion_wanted: Arc::default(),
            deleting: tokio::sync::Mutex::default(),
            deletions_published: AtomicBool::new(false),
            _tasks_end_with_us: tasks.clone().drop_guard(),
            tasks,
        };
        inner.count_parts();
        let inner = Arc::new(inner);
        let previous = inner.recover(Arc::new(replay)).await?;
        let (queue, thread) = CommitQueue::start(Arc::clone(&shared), WalWriter::new(next_segment, previous))?;
        *inner.queue.write() = Some(Arc::new(queue));
        *inner.commit_thread.lock() = Some(thread);
        let flush = tasks::flush(Arc::downgrade(&inner), shared, options.flush_interval, inner.tasks.clone());
        tokio::spawn(flush);
        if options.compaction {
            inner.compaction.start(Arc::downgrade(&inner), tokio::runtime::Handle::current())?;
        }
        tokio::spawn(tasks::publish(Arc::downgrade(&inner), inner.tasks.clone()));
        let wanted = Arc::clone(&inner.deletion_wanted);
        tokio::spawn(tasks::deletions(Arc::downgrade(&inner), wanted, inner.tasks.clone()));
        tokio::spawn(tasks::retention(Arc::downgrade(&inner), inner.tasks.clone()));
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
        Ok(self.snapshot_of(cut, project, signal, range))
    }

    /// What a query may see now of all of a project's tables, in the order of [`Signal::ALL`]: one cut through all three.
    pub fn snapshots(&self, project: &str, range: TimeRange) -> [Snapshot; 3] {
        let mut cuts = self.0.shared.memory.cuts(project, range).into_iter();
        Signal::ALL.map(|signal| self.snapshot_of(cuts.next().unwrap_or_default(), project, signal, range))
    }

    fn snapshot_of(&self, cut: Cut, project: &str, signal: Signal, range: TimeRange) -> Snapshot {
        let parts = cut.catalog.parts(project, signal, range);
        let memory_rows: usize = cut.chunks.iter().map(|chunk| chunk.rows()).sum();
        let newest = parts.iter().map(|part| part.max_time).chain(cut.chunks.iter().map(|chunk| chunk.max_time)).max();
        Snapshot {
            // Asked for last: it has at least the columns of everything found before.
            schema: self.0.registry.schema(project, signal),
            rows_total: parts.iter().map(|part| part.rows).sum::<u64>() + memory_rows as u64,
            newest_unix_nano: newest,
            memory: cut.chunks.iter().map(|chunk| chunk.batch.clone()).collect(),
            damaged: cut.catalog.damaged_parts(project, signal, range),
            parts,
        }
    }

    /// Which words each row group of the part holds; nothing, when that is not known: then any may hold any.
    pub fn token_filters(&self, part: &Part) -> Option<Arc<TokenFilters>> {
        self.0.reader.token_filters(&part.path)
    }

    /// Writes the rows in memory to parts now. Rows that were visible stay so throughout.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().await
    }

    /// Brings the published tables in line with the parts there are now, fresh ones too, and returns how many versions that
    /// took. Published files of parts that are gone lose their place on disk at once rather than after a while, which a
    /// reader of an older version would notice: for a deletion that must be complete when it is told, and for tests.
    pub async fn publish(&self) -> Result<u64, StoreError> {
        self.0.publish(Publish::All).await
    }

    /// What is in force for a project: its own policy, or the settings'.
    pub async fn retention_policy(&self, project: &str) -> Result<RetentionPolicy, StoreError> {
        self.0.retention_policy(project).await
    }

    /// Rows and bytes of one table's parts.
    pub fn held(&self, project: &str, signal: Signal) -> (u64, u64) {
        self.0.held(project, &[signal])
    }

    /// Has retention look at a project now, at full speed, and returns what it did.
    pub async fn retain(&self, project: &str) -> Result<RetentionRun, StoreError> {
        self.0.retain(project, 1.0).await
    }

    /// Refuses further appends, commits those on their way, writes memory to parts as far as that goes within
    /// [`SHUTDOWN_FLUSH_MAX`], and lets go of the folder. Rows that did not become parts are replayed at the next start.
    pub async fn shutdown(&self) -> Result<(), StoreError> {
        let queue = self.0.queue.write().take();
        self.0.tasks.cancel();
        let compaction = self.0.compaction.end();
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
        if let Err(error) = self.0.keep_damaged().await {
            tracing::warn!(%error, "cannot note which parts are damaged; they are found again");
        }
        let thread = self.0.commit_thread.lock().take();
        for thread in thread.into_iter().chain(compaction) {
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        // A flush of the background task may be at it still, or about to be, and so may publishing; the folder is let go of only
        // when none can.
        if let Ok(_no_flush) = tokio::time::timeout(SHUTDOWN_FLUSH_MAX / 2, self.0.flushed.lock()).await {
            self.0.stop.store(true, Ordering::Relaxed);
            let publisher = self.0.publisher.as_ref();
            let ended = async {
                if let Some(publisher) = publisher {
                    drop(publisher.lock().await);
                }
            };
            if tokio::time::timeout(SHUTDOWN_FLUSH_MAX / 2, ended).await.is_ok() {
                *self.0.shared.lock.lock() = None;
            }
        }
        sealed.and(flushed)
    }

    /// Why appends are refused now, or `None` when they are not. After a refusal for want of room it is found out in the
    /// background, by trying, when there is room again.
    pub fn refuses(&self) -> Option<String> {
        if self.0.queue.read().is_none() {
            return Some("store is shutting down".into());
        }
        match &*self.0.shared.log_state.lock() {
            LogState::Refusing(reason) | LogState::Poisoned(reason) => return Some(reason.clone()),
            LogState::Fine => {}
        }
        let memory_is_full = self.0.shared.memory.bytes() >= self.0.memory_bytes_max;
        let failure = self.0.flush_failure.lock();
        failure.as_ref().filter(|_| memory_is_full).map(|failure| format!("memory is full of rows: {failure}"))
    }

    /// Why rows could not be written to parts at the last attempt. They are safe in the log, and appends go on until memory
    /// is full.
    pub fn flush_failure(&self) -> Option<String> {
        self.0.flush_failure.lock().clone()
    }

    pub fn stats(&self) -> StoreStats {
        let shared = &self.0.shared;
        let (counters, compaction) = (&shared.counters, &self.0.compaction.counters);
        let (wal_segments, wal_bytes) = shared.wal.size();
        StoreStats {
            memory_rows: shared.memory.rows() as u64,
            memory_bytes: shared.memory.bytes() as u64,
            parts: counters.parts.load(Ordering::Relaxed),
            part_rows: counters.part_rows.load(Ordering::Relaxed),
            part_bytes: counters.part_bytes.load(Ordering::Relaxed),
            parts_damaged: shared.memory.catalog().damaged() as u64,
            index_bytes: self.0.place.traces.bytes(),
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
            compactions: compaction.compactions.load(Ordering::Relaxed),
            compaction_failures: compaction.failures.load(Ordering::Relaxed),
            compacted_rows: compaction.rows.load(Ordering::Relaxed),
            rows_folded: compaction.rows_folded.load(Ordering::Relaxed),
            compaction_bytes_in: compaction.bytes_in.load(Ordering::Relaxed),
            compaction_bytes_out: compaction.bytes_out.load(Ordering::Relaxed),
        }
    }

    /// Where the parts live: paths are those of [`PartInfo::path`]. Read only, and every byte is compared with its checksum: a
    /// part that is not what was written gives an error that names it, and is left out of later snapshots.
    pub fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::new(PartsObjects(Arc::clone(&self.0.reader)))
    }
}

impl Inner {
    /// Reads the log's segments into memory, writing parts on the way when they are more than memory should hold. Returns the
    /// newest segment with records.
    async fn recover(self: &Arc<Inner>, replay: Arc<Replay>) -> Result<Option<Previous>, StoreError> {
        let segments = self.shared.wal.segments();
        let (mut rows, mut previous) = (0, None);
        for number in segments.iter().copied() {
            let (inner, replay) = (Arc::clone(self), Arc::clone(&replay));
            let read = move || replay_segment(&inner.shared, &inner.registry, &replay, number);
            let segment = blocking(read).await?;
            if segment.is_unused {
                self.shared.wal.remove(number)?;
                continue;
            }
            previous = Some(segment.previous);
            rows += segment.rows.rows;
            self.shared.memory.add_sealed(segment.rows);
            if self.shared.memory.bytes() >= self.shared.flush_bytes
                && let Err(error) = Arc::clone(self).flush_sealed().await
            {
                tracing::warn!(%error, "replayed rows could not be written to parts; they stay in memory and in the log");
            }
        }
        if !segments.is_empty() {
            tracing::info!(segments = segments.len(), rows, "write-ahead log replayed");
        }
        Ok(previous)
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
        let result = flush_steps::flush_sealed(self.as_ref(), &mut flushed).await;
        if result.is_err() {
            self.shared.counters.flush_failures.fetch_add(1, Ordering::Relaxed);
        }
        *self.flush_failure.lock() = result.as_ref().err().map(ToString::to_string);
        result
    }

    /// Puts written parts in the place of others, for all tables at once: later snapshots see the new ones, earlier ones
    /// still the old. Durable and visible when it returns.
    ///
    /// Refuses: to replace a part that was replaced meanwhile; then the written parts are removed again.
    pub async fn replace_parts(
        &self,
        written: Vec<WrittenPart>,
        replaced: &[Part],
        deletion: Option<DeletionStep>,
    ) -> Result<(), StoreError> {
        let change = PartsChange {
            added: written.iter().map(|written| written.part.clone()).collect(),
            removed: replaced.iter().map(|part| part.id).collect(),
            attributes: written.iter().flat_map(|written| written.attributes.iter().cloned()).collect(),
            deletion,
        };
        if let Err(error) = self.metastore.commit_parts(&change).await {
            // It may have come through all the same; then the catalog names them.
            match self.metastore.part_paths().await {
                Ok(paths) if written.iter().all(|written| paths.contains(&written.part.path)) && !written.is_empty() => {}
                Ok(_) => {
                    remove_parts(&self.place, &written);
                    return Err(error.into());
                }
                Err(_) => return Err(error.into()),
            }
        }
        self.refresh().await?;
        self.index(written);
        self.sweep().await
    }

    /// Tells the trace index of parts that the catalog shows.
    pub fn index(&self, written: Vec<WrittenPart>) {
        for written in written {
            if let Some(run) = written.run {
                self.place.traces.add(&written.part.project, written.signal, run);
            }
        }
    }

    /// Where a background job reads and writes, and the share of one core that it may take.
    pub fn job(&self, cpu_share: f64) -> Job {
        let (place, reader) = (Arc::clone(&self.place), Arc::clone(&self.reader));
        Job { place, reader, background: Arc::clone(&self.compaction), cpu_share }
    }

    /// Shows queries what the catalog holds now. What it says of the log is of the same moment, so that a row is never seen
    /// both in memory and in a part, whoever committed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.refreshing.lock().await;
        let before = self.shared.memory.catalog();
        let changes = self.metastore.part_changes(before.snapshot, WRITER).await?;
        let wal_position = changes.wal_position;
        let (catalog, ended) = before.after(changes)?;
        self.shared.memory.show(catalog, wal_position);
        self.ended.lock().extend(ended);
        self.count_parts();
        Ok(())
    }

    /// Removes the files of parts that no snapshot sees any more.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let unseen: Vec<Part> = self.ended.lock().extract_if(.., |part| part.is_unpinned()).collect();
        if unseen.is_empty() {
            return Ok(());
        }
        let mut removed = Vec::with_capacity(unseen.len());
        for part in unseen {
            self.reader.close(&part.path);
            match self.place.folder.remove_part(part.path.as_ref()) {
                Ok(()) => removed.push(part.id),
                Err(error) => {
                    tracing::warn!(%error, part = part.id, "cannot remove a part that has ended; it is tried again");
                    self.ended.lock().push(part);
                }
            }
        }
        Ok(self.metastore.forget_parts(&removed).await?)
    }

    /// Writes the next versions of the published tables, where there is anything to say.
    pub async fn publish(self: &Arc<Inner>, which: Publish) -> Result<u64, StoreError> {
        let (inner, catalog) = (Arc::clone(self), self.shared.memory.catalog());
        let publish = move || {
            let Some(publisher) = &inner.publisher else { return Ok(0) };
            let mut publisher = publisher.blocking_lock();
            if inner.stop.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("store is closed".into()));
            }
            let count = catalog.all().filter(|part| !catalog.is_damaged(part)).count();
            if which == Publish::Settled && publisher.is_done(catalog.snapshot, count) {
                return Ok(0);
            }
            let sound: Vec<Part> = catalog.all().filter(|part| !catalog.is_damaged(part)).cloned().collect();
            let versions = publisher.publish(&sound, inner.shared.clock.now_unix_nano(), which)?;
            publisher.note_done(catalog.snapshot, count);
            Ok(versions)
        };
        blocking(publish).await
    }

    /// Tells the metastore which parts were set aside for being damaged.
    pub async fn keep_damaged(&self) -> Result<(), StoreError> {
        for (id, damage) in self.reader.take_damaged() {
            self.metastore.mark_part_damaged(id, &damage).await?;
        }
        Ok(())
    }

    fn count_parts(&self) {
        let catalog = self.shared.memory.catalog();
        let (mut parts, mut rows, mut bytes) = (0, 0, 0);
        for part in catalog.all() {
            parts += 1;
            rows += part.rows;
            bytes += part.bytes + part.sidecar_bytes;
        }
        let counters = &self.shared.counters;
        counters.parts.store(parts, Ordering::Relaxed);
        counters.part_rows.store(rows, Ordering::Relaxed);
        counters.part_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl FlushPorts for Inner {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn wal_position(&self) -> Result<u64, StoreError> {
        Ok(self.metastore.position(WRITER).await?.wal_position)
    }

    async fn write_parts(&self, segments: Vec<Arc<SegmentRows>>) -> Result<Vec<WrittenPart>, StoreError> {
        let (place, stop) = (Arc::clone(&self.place), Arc::clone(&self.stop));
        blocking(move || write_parts(&place, &segments, &stop)).await
    }

    async fn commit(&self, commit: &FlushCommit) -> Result<(), StoreError> {
        self.metastore.commit_flush(commit).await?;
        Ok(())
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        Inner::refresh(self).await
    }

    fn remove_parts(&self, written: &[WrittenPart]) {
        remove_parts(&self.place, written);
    }

    fn keep_parts(&self, written: Vec<WrittenPart>) {
        self.index(written);
    }
}

/// Runs work that would hold up the sockets on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}
