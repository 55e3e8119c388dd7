//! One life of the store, from start to crash, with everything that moves it in our hands: no thread, no timer.
//!
//! The log, its recovery, memory, the flush's steps and the folder of parts are the store's own. The catalog is simulated. In
//! most runs a part is a list of numbers, written with the same calls in the same order as Parquet is, which takes a
//! thousand times as long and is written in the others.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use metastore::{FlushCommit, NewPart};
use model::{Attribute, LogRecord, RowSink, Signal, Value};
use parking_lot::Mutex;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::sync::{Notify, oneshot};

use super::catalog::SimulatedCatalog;
use super::disk::SimulatedDisk;
use crate::clock::Clock;
use crate::commit::{Append, Counters, LogState, Shared, commit, seal};
use crate::disk::{self, Disk};
use crate::error::StoreError;
use crate::flush::write_parts;
use crate::flush_steps::{FlushPorts, flush_sealed};
use crate::lock::FolderLock;
use crate::memory::{Chunk, Memory, SegmentRows};
use crate::part_writer::{PartsPlace, WrittenPart};
use crate::parts_folder::{PartsFolder, TEMPORARY};
use crate::recovery::{Replay, catalog_of, check_catalog_is, replay_segment};
use crate::registry::Registry;
use crate::row_buffer::{RowBuffer, RowContext};
use crate::snapshot::TimeRange;
use crate::trace_index::TraceIndex;
use crate::wal::{WalWriter, open_log};

pub(super) const DATA: &str = "/data";
const PROJECT: &str = "default";
const NUMBER: &str = "number";

/// Bytes of rows in memory from which a replay flushes on its way: few, so that it happens.
const FLUSH_BYTES: usize = 20_000;

/// Of the log: few, so that files are used again.
const SPARE_FROM_BYTES: u64 = 600;
const SPARE_BYTES: u64 = 4_096;

/// One request: `count` rows numbered from `first` on, and bytes that make its record larger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub first: i64,
    pub count: i64,
    pub padding: usize,
}

/// What outlives a process.
pub(super) struct World {
    pub disk: SimulatedDisk,
    pub clock: Clock,
    pub catalog: Arc<Mutex<SimulatedCatalog>>,
    /// Real parts are written; what goes with them is derived and not simulated.
    pub traces: Option<Arc<TraceIndex>>,
}

type Flush = Pin<Box<dyn Future<Output = (Result<(), StoreError>, u64)> + Send>>;

pub(super) struct Process {
    ports: Arc<Ports>,
    registry: Registry,
    writer: WalWriter,
    flush: Option<Flush>,
    flushed: u64,
}

impl Process {
    /// Starts on what is on disk. The order is that of `Store::open`.
    pub fn start(world: &World) -> Result<Process, StoreError> {
        let (catalog, clock) = (&world.catalog, &world.clock);
        let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
        let data = Path::new(DATA);
        let folder = PartsFolder { path: data.join("parts"), disk: Arc::clone(&disk) };
        disk.create_folder(&folder.path).map_err(StoreError::io("create folder of parts"))?;
        let lock = FolderLock::take(disk.as_ref(), data)?;
        check_catalog_is(&folder, "the simulated one")?;
        let changes = catalog.lock().changes(0)?;
        let (shown, wal_position) = catalog_of(&folder, changes)?;
        let (mut wal, next_segment) = open_log(&disk, data, wal_position)?;
        (wal.spare_from, wal.spare_bytes) = (SPARE_FROM_BYTES, SPARE_BYTES);
        let shared = Shared {
            memory: Arc::new(Memory::new(shown, next_segment)),
            wal,
            disk,
            clock: clock.clone(),
            flush_wanted: Notify::new(),
            flush_bytes: FLUSH_BYTES,
            counters: Counters::default(),
            lock: Mutex::new(Some(lock)),
            log_state: Mutex::default(),
        };
        let folder = Arc::new(folder);
        let place = |traces: &Arc<TraceIndex>| PartsPlace { folder: Arc::clone(&folder), traces: Arc::clone(traces) };
        let place = world.traces.as_ref().map(place);
        let ports = Arc::new(Ports { shared, folder, catalog: Arc::clone(catalog), place });
        let registry = Registry::new(Vec::new());
        let replay: Arc<Replay> = Arc::new(rows);
        let (mut previous, mut flushed) = (None, wal_position);
        for number in ports.shared.wal.segments() {
            let segment = replay_segment(&ports.shared, &registry, &replay, number)?;
            if segment.is_unused {
                ports.shared.wal.remove(number)?;
                continue;
            }
            previous = Some(segment.previous);
            ports.shared.memory.add_sealed(segment.rows);
            if ports.shared.memory.bytes() >= FLUSH_BYTES {
                let mut flush = flush(Arc::clone(&ports), flushed);
                loop {
                    if let Poll::Ready((_, reached)) = poll(&mut flush) {
                        flushed = reached;
                        break;
                    }
                }
            }
        }
        Ok(Process { ports, registry, writer: WalWriter::new(next_segment, previous), flush: None, flushed })
    }

    /// Commits the requests as one group; returns what each was told.
    pub fn append(&mut self, requests: &[Request]) -> Vec<Result<(), StoreError>> {
        let shared = &self.ports.shared;
        let mut outcomes = Vec::new();
        let mut group: Vec<Append> = Vec::new();
        for request in requests {
            let payload = payload(request);
            let (project, buffer) = rows(&payload).unwrap();
            let batches = buffer.finish().unwrap().into_iter();
            let chunks = batches
                .map(|(signal, batch)| (signal, Chunk::new(self.registry.admit(&project, signal, batch).unwrap()).unwrap()));
            let chunks = chunks.collect();
            let reservation = shared.memory.reserve(1_000, usize::MAX).unwrap();
            let (done, outcome) = oneshot::channel();
            group.push(Append { project, payload: payload.into(), chunks, reservation, done });
            outcomes.push(outcome);
        }
        commit(shared, &mut self.writer, &mut group);
        shared.memory.coalesce();
        outcomes.into_iter().map(|mut outcome| outcome.try_recv().unwrap()).collect()
    }

    pub fn is_poisoned(&self) -> bool {
        self.writer.is_poisoned()
    }

    pub fn refuses(&self) -> bool {
        *self.ports.shared.log_state.lock() != LogState::Fine
    }

    pub fn probe(&self) {
        if self.ports.shared.log_refuses() {
            self.ports.shared.probe_log();
        }
    }

    /// Makes a spare file for the log if it wants one.
    pub fn make_spare(&self) -> bool {
        let wal = &self.ports.shared.wal;
        wal.wants_spare(self.writer.number(), self.writer.bytes()) && wal.make_spare().is_ok()
    }

    pub fn remove_spare(&self) {
        self.ports.shared.wal.remove_spare();
    }

    /// Goes on with the flush by one step, beginning one if there is none. Returns how it ended, when it has.
    pub fn step_flush(&mut self) -> Option<Result<(), StoreError>> {
        if self.flush.is_none() {
            seal(&self.ports.shared, &mut self.writer);
            self.flush = Some(flush(Arc::clone(&self.ports), self.flushed));
        }
        match poll(self.flush.as_mut()?) {
            Poll::Pending => None,
            Poll::Ready((result, flushed)) => {
                self.flush = None;
                self.flushed = flushed;
                Some(result)
            }
        }
    }

    /// Ends the flush that is under way, if there is one, and then flushes everything.
    pub fn flush_all(&mut self) -> Result<(), StoreError> {
        while self.flush.is_some() && self.step_flush().is_none() {}
        loop {
            if let Some(result) = self.step_flush() {
                return result;
            }
        }
    }

    pub fn close(&self) {
        self.ports.shared.wal.close();
    }

    /// The numbers of all rows that a query would see, in order.
    pub fn visible(&self, disk: &SimulatedDisk) -> Result<Vec<i64>, String> {
        let cut = self.ports.shared.memory.cut(PROJECT, Signal::Logs, TimeRange::ALL);
        let mut numbers = Vec::new();
        for chunk in &cut.chunks {
            let column = chunk.batch.column_by_name(NUMBER).ok_or("rows without a number")?;
            numbers.extend_from_slice(column.as_primitive::<Int64Type>().values());
        }
        for part in cut.catalog.parts(PROJECT, Signal::Logs, TimeRange::ALL) {
            let path = self.ports.folder.path.join(part.path.as_ref());
            let content = disk.content(&path).ok_or_else(|| format!("part {} is not there", part.path))?;
            if content.len() as u64 != part.bytes {
                return Err(format!("part {} has {} bytes, the catalog says {}", part.path, content.len(), part.bytes));
            }
            if self.ports.place.is_none() {
                numbers.extend(content.as_chunks::<8>().0.iter().map(|number| i64::from_le_bytes(*number)));
                continue;
            }
            let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(content)).map_err(|error| error.to_string())?;
            for batch in reader.build().map_err(|error| error.to_string())? {
                let batch = batch.map_err(|error| error.to_string())?;
                let column = batch.column_by_name(NUMBER).ok_or("part without a number")?;
                numbers.extend_from_slice(column.as_primitive::<Int64Type>().values());
            }
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub fn memory(&self) -> &Memory {
        &self.ports.shared.memory
    }

    pub fn counters(&self) -> &Counters {
        &self.ports.shared.counters
    }

    pub fn log_segments(&self) -> u64 {
        self.ports.shared.wal.size().0
    }
}

fn flush(ports: Arc<Ports>, mut flushed: u64) -> Flush {
    Box::pin(async move {
        let result = flush_sealed(ports.as_ref(), &mut flushed).await;
        (result, flushed)
    })
}

fn poll(flush: &mut Flush) -> Poll<(Result<(), StoreError>, u64)> {
    flush.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// What a flush acts on. Every port waits once before it acts, so that anything may come between two steps.
struct Ports {
    shared: Shared,
    folder: Arc<PartsFolder>,
    catalog: Arc<Mutex<SimulatedCatalog>>,
    place: Option<PartsPlace>,
}

impl FlushPorts for Ports {
    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn wal_position(&self) -> Result<u64, StoreError> {
        once().await;
        self.catalog.lock().wal_position()
    }

    async fn write_parts(&self, segments: Vec<Arc<SegmentRows>>) -> Result<Vec<WrittenPart>, StoreError> {
        once().await;
        if let Some(place) = &self.place {
            return write_parts(place, &segments, &AtomicBool::new(false));
        }
        let mut written = Vec::new();
        for segment in &segments {
            match self.write_part(segment) {
                Ok(part) => written.push(part),
                Err(error) => {
                    self.remove_parts(&written);
                    return Err(error);
                }
            }
        }
        Ok(written)
    }

    async fn commit(&self, commit: &FlushCommit) -> Result<(), StoreError> {
        once().await;
        self.shared.disk.touch()?;
        self.catalog.lock().commit(commit)?;
        // The power may go when it is made and not heard of.
        self.shared.disk.touch()
    }

    async fn refresh(&self) -> Result<(), StoreError> {
        once().await;
        let before = self.shared.memory.catalog();
        let changes = self.catalog.lock().changes(before.snapshot)?;
        let wal_position = changes.wal_position;
        let (catalog, _) = before.after(changes)?;
        self.shared.memory.show(catalog, wal_position);
        Ok(())
    }

    fn remove_parts(&self, written: &[WrittenPart]) {
        for written in written {
            let _ = self.folder.remove_part(&written.part.path);
        }
    }

    fn keep_parts(&self, _: Vec<WrittenPart>) {}
}

impl Ports {
    fn write_part(&self, segment: &SegmentRows) -> Result<WrittenPart, StoreError> {
        let mut numbers: Vec<i64> = Vec::new();
        let tables = segment.projects.get(PROJECT).ok_or_else(|| StoreError::Corrupt("segment without rows".into()))?;
        for chunk in tables[Signal::Logs as usize].chunks() {
            numbers.extend_from_slice(chunk.batch.column_by_name(NUMBER).unwrap().as_primitive::<Int64Type>().values());
        }
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let name = format!("{PROJECT}/logs/{}-{}.parquet", segment.number, self.shared.clock.now_unix_nano());
        let path = self.folder.path.join(&name);
        let temporary = path.with_extension(TEMPORARY);
        let failed = || StoreError::io(format!("write part {name}"));
        self.folder.make_folder(&path)?;
        let disk = self.shared.disk.as_ref();
        disk::write(disk, &temporary, &bytes).and_then(|()| disk.rename(&temporary, &path)).map_err(failed())?;
        self.folder.sync(path.parent().unwrap())?;
        let part = NewPart {
            project: PROJECT.to_owned(),
            signal: Signal::Logs.table().to_owned(),
            path: name,
            rows: numbers.len() as u64,
            bytes: bytes.len() as u64,
            sidecar_bytes: 0,
            min_time: 0,
            max_time: i64::MAX,
            level: 0,
        };
        Ok(WrittenPart { part, signal: Signal::Logs, attributes: Vec::new(), run: None })
    }
}

/// Is ready when asked for the second time.
fn once() -> impl Future<Output = ()> + Send {
    let mut asked = false;
    std::future::poll_fn(move |_| if std::mem::replace(&mut asked, true) { Poll::Ready(()) } else { Poll::Pending })
}

fn payload(request: &Request) -> Vec<u8> {
    let mut payload = format!("{} {} ", request.first, request.count).into_bytes();
    payload.resize(payload.len() + request.padding, b'x');
    payload
}

fn rows(payload: &[u8]) -> Option<(String, RowBuffer)> {
    let mut words = std::str::from_utf8(payload).ok()?.split(' ');
    let (first, count) = (words.next()?.parse::<i64>().ok()?, words.next()?.parse::<i64>().ok()?);
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: first, request: None });
    for number in first..first + count {
        let attributes = [Attribute::new(NUMBER, Value::Int(number))];
        rows.log(&LogRecord { time_unix_nano: number, attributes: &attributes, ..LogRecord::default() });
    }
    Some((PROJECT.to_owned(), rows))
}

/// Every file below the folder of data, for looking at what is left over.
pub(super) fn files(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(DATA)];
    while let Some(folder) = folders.pop() {
        for entry in disk.list(&folder).unwrap() {
            let path = folder.join(&entry.name);
            if entry.is_folder { folders.push(path) } else { found.push(path) }
        }
    }
    found
}
