//! The commit thread: makes appends durable and visible, in groups.
//!
//! It takes everything that waits, writes it with one write and one `fdatasync`, shows the rows in memory and tells the
//! senders. Then it begins again, a little later if those that were just told are likely to come again ([`crate::gathering`]).
//! It is the only one that writes the log and the only one that changes the active rows, so a segment of the log and its rows
//! in memory never come apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use model::Signal;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::error::StoreError;
use crate::gathering::{Bell, Company, Gathering};
use crate::limits::{COMMIT_QUEUE_MAX, GATHERING_BYTES_MAX, GROUP_BYTES_MAX, RETRY_AFTER_SECONDS, WAL_SEGMENT_BYTES_MAX};
use crate::lock::FolderLock;
use crate::memory::{Chunk, Memory, Reservation};
use crate::payload::Payload;
use crate::wal::{WalFolder, WalWriter};

/// What the commit thread shares with the store.
pub(crate) struct Shared {
    pub memory: Arc<Memory>,
    pub wal: WalFolder,
    pub disk: Arc<dyn Disk>,
    pub clock: Clock,
    /// Rings when there is enough to flush.
    pub flush_wanted: Notify,
    /// Active bytes from which it rings.
    pub flush_bytes: usize,
    pub counters: Counters,
    /// The folder is ours for as long as anything may write into it.
    pub lock: Mutex<Option<FolderLock>>,
    pub log_state: Mutex<LogState>,
}

/// Whether the log takes records, as far as was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogState {
    #[default]
    Fine,
    /// The last write failed, and nothing has shown since that one would succeed.
    Refusing(String),
    /// Only a restart helps.
    Poisoned(String),
}

impl Shared {
    /// Whether the last write failed in a way that may pass.
    pub fn log_refuses(&self) -> bool {
        matches!(*self.log_state.lock(), LogState::Refusing(_))
    }

    /// Sees whether a log that refused takes records again, so that a server nobody dares to write to says so.
    pub fn probe_log(&self) {
        let probed = self.wal.probe();
        let mut state = self.log_state.lock();
        match (&*state, probed) {
            (LogState::Refusing(_), Ok(())) => {
                tracing::info!("the write-ahead log can be written again");
                *state = LogState::Fine;
            }
            (LogState::Refusing(_), Err(error)) => *state = LogState::Refusing(format!("cannot write to the log: {error}")),
            _ => {}
        }
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub appends: AtomicU64,
    pub appended_rows: AtomicU64,
    pub appends_refused: AtomicU64,
    pub fsyncs: AtomicU64,
    pub flushes: AtomicU64,
    pub flush_failures: AtomicU64,
    pub wal_records_corrupt: AtomicU64,
    pub wal_records_unreadable: AtomicU64,
    pub parts: AtomicU64,
    pub part_rows: AtomicU64,
    pub part_bytes: AtomicU64,
}

enum Message {
    Append(Append),
    Seal(oneshot::Sender<Result<(), StoreError>>),
    Close,
}

pub(crate) struct Append {
    pub project: String,
    pub payload: Payload,
    pub chunks: Vec<(Signal, Chunk)>,
    pub reservation: Reservation,
    pub done: oneshot::Sender<Result<(), StoreError>>,
}

/// The store's end of the queue to the commit thread. The thread ends when this is dropped or closed and the queue is empty.
pub(crate) struct CommitQueue {
    sender: mpsc::Sender<Message>,
    bell: Bell,
}

impl CommitQueue {
    /// Starts the thread, which goes on with `writer`'s segment.
    pub fn start(shared: Arc<Shared>, writer: WalWriter) -> Result<(CommitQueue, JoinHandle<()>), StoreError> {
        let (sender, receiver) = mpsc::channel(COMMIT_QUEUE_MAX);
        let gathering = Arc::new(Gathering::default());
        let company = Company::new(Arc::clone(&gathering));
        let thread = std::thread::Builder::new().name("commit".into()).spawn(move || run(&shared, writer, receiver, company));
        let thread = thread.map_err(StoreError::io("start the commit thread"))?;
        Ok((CommitQueue { sender, bell: Bell::new(gathering, &thread) }, thread))
    }

    /// Waits until the rows are durable and visible. When the caller goes away meanwhile, they still become so.
    pub async fn append(
        &self,
        project: &str,
        payload: Payload,
        chunks: Vec<(Signal, Chunk)>,
        reservation: Reservation,
    ) -> Result<(), StoreError> {
        let (done, outcome) = oneshot::channel();
        let append = Append { project: project.to_owned(), payload, chunks, reservation, done };
        match self.sender.try_send(Message::Append(append)) {
            Ok(()) => {
                self.bell.ring(self.sender.max_capacity() - self.sender.capacity());
                outcome.await.unwrap_or_else(|_| Err(ended()))
            }
            Err(mpsc::error::TrySendError::Full(_)) => Err(StoreError::Busy { retry_after_seconds: RETRY_AFTER_SECONDS }),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(ended()),
        }
    }

    /// Closes the active segment, if it has records, so that its rows can become parts.
    pub async fn seal(&self) -> Result<(), StoreError> {
        let (done, outcome) = oneshot::channel();
        self.sender.send(Message::Seal(done)).await.map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Takes no more; what waits is still committed, and then the thread ends.
    pub async fn close(&self) {
        // A thread that has ended already is closed enough.
        let _ = self.sender.send(Message::Close).await;
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("store is closed".into())
}

fn run(shared: &Arc<Shared>, mut writer: WalWriter, mut queue: mpsc::Receiver<Message>, mut company: Company) {
    let mut group: Vec<Append> = Vec::new();
    while let Some(first) = queue.blocking_recv() {
        if matches!(&first, Message::Append(append) if append.payload.len() < GATHERING_BYTES_MAX) {
            company.wait(|| queue.len());
        }
        let mut next = Some(first);
        let mut bytes = 0;
        while let Some(message) = next.take() {
            match message {
                Message::Append(append) => {
                    bytes += append.payload.len();
                    group.push(append);
                    next = if bytes < GROUP_BYTES_MAX { queue.try_recv().ok() } else { None };
                }
                Message::Close => queue.close(),
                Message::Seal(done) => {
                    commit(shared, &mut writer, &mut group);
                    seal(shared, &mut writer);
                    // The store may have stopped waiting; the segment is sealed all the same.
                    let _ = done.send(Ok(()));
                }
            }
        }
        let (began, taken) = (Instant::now(), group.len());
        commit(shared, &mut writer, &mut group);
        company.note(began, taken, queue.len());
        if shared.wal.wants_spare(writer.number(), writer.bytes()) {
            make_spare(shared);
        }
        shared.memory.coalesce();
    }
    shared.wal.close();
}

/// Prepares the next segment's file beside the commits. Rare: once a file is there, files are used again.
fn make_spare(shared: &Arc<Shared>) {
    let maker = Arc::clone(shared);
    let made = std::thread::Builder::new().name("log ahead".into()).spawn(move || {
        if let Err(error) = maker.wal.make_spare() {
            tracing::warn!(%error, "no file could be prepared for the log; the next segment grows as it is written");
        }
    });
    if let Err(error) = made {
        shared.wal.gave_up_spare();
        tracing::warn!(%error, "no file could be prepared for the log; the next segment grows as it is written");
    }
}

/// Makes a group durable and visible, and tells its senders; or none of it.
pub(crate) fn commit(shared: &Shared, writer: &mut WalWriter, group: &mut Vec<Append>) {
    if group.is_empty() {
        return;
    }
    if let Err(error) = writer.append(&shared.wal, group.iter().map(|append| append.payload.pieces())) {
        refuse_log(shared, writer, &error, group.len());
        shared.counters.appends_refused.fetch_add(group.len() as u64, Ordering::Relaxed);
        for append in group.drain(..) {
            let _ = append.done.send(Err(StoreError::Unavailable(error.to_string())));
        }
        return;
    }
    if let LogState::Refusing(_) = std::mem::take(&mut *shared.log_state.lock()) {
        tracing::info!("the write-ahead log can be written again");
    }
    let rows: usize = group.iter().flat_map(|append| &append.chunks).map(|(_, chunk)| chunk.rows()).sum();
    shared.wal.note_bytes(writer.number(), writer.bytes());
    shared.counters.fsyncs.fetch_add(u64::from(shared.disk.syncs()), Ordering::Relaxed);
    shared.counters.appends.fetch_add(group.len() as u64, Ordering::Relaxed);
    shared.counters.appended_rows.fetch_add(rows as u64, Ordering::Relaxed);
    let mut waiting = Vec::with_capacity(group.len());
    let appends = group.drain(..).map(|append| {
        waiting.push(append.done);
        (append.project, append.chunks, append.reservation)
    });
    shared.memory.insert(appends, shared.clock.now_unix_nano());
    for done in waiting {
        // A sender that went away hears nothing; its rows are kept.
        let _ = done.send(Ok(()));
    }
    if shared.memory.active_bytes() >= shared.flush_bytes || writer.bytes() >= WAL_SEGMENT_BYTES_MAX {
        shared.flush_wanted.notify_one();
    }
}

fn refuse_log(shared: &Shared, writer: &WalWriter, error: &StoreError, appends: usize) {
    let reason = error.to_string();
    let mut state = shared.log_state.lock();
    if *state == LogState::Fine {
        // Once; while it lasts the counter and readiness tell.
        tracing::error!(%error, appends, "appends refused: they could not be written to the log");
    }
    *state = if writer.is_poisoned() { LogState::Poisoned(reason) } else { LogState::Refusing(reason) };
}

/// Closes the active segment, if it has records, so that its rows can become parts.
pub(crate) fn seal(shared: &Shared, writer: &mut WalWriter) {
    if writer.is_empty() {
        return;
    }
    let next = writer.next();
    shared.memory.seal(next.number());
    *writer = next;
}
