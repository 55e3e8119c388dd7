//! Small parts become large ones, in the background: for a query to open few files, and for the disk to hold less.
//!
//! [`plan`] says which, [`merge`] reads them as one stream in order of time, [`fold`] leaves out what is there twice, and the
//! part writer writes what comes. The catalog's commit puts the new part in the place of the old ones for all at once; who
//! reads the old ones goes on doing so. A part that turns out to be damaged is set aside, and the others go on without it.

mod fold;
mod merge;
mod plan;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use crate::error::StoreError;
use crate::flush::remove_parts;
use crate::limits::{
    BUSY_ROWS_PER_SECOND, COMPACTED_PART_BYTES, COMPACTED_PART_ROWS, COMPACTION_LOOK, COMPACTION_PARTS_MAX, COMPACTION_RETRY,
    DAY_PART_ROWS_MIN,
};
use crate::part_writer::{PartOptions, PartWriter, PartsPlace, WrittenPart};
use crate::parts_reader::PartsReader;
use crate::snapshot::{Part, TimeRange};
use crate::store::{Inner, Store, blocking};
use fold::Folding;
use merge::{Merge, times};
use plan::{Moment, day_of, plan};

const MINUTE_NANOS: i64 = 60 * 1_000_000_000;

/// What the background does and how fast.
pub(crate) struct Compaction {
    /// The share of one core it may take while rows come in.
    cpu_share: f64,
    pub stop: AtomicBool,
    asleep: Mutex<()>,
    wake: Condvar,
    /// One rewriting job at a time, whoever's: compaction, retention, deletion.
    pub job: tokio::sync::Mutex<()>,
    /// Parts that could not be rewritten although they are not damaged; they are left as they are until the next start.
    passed_over: Mutex<HashSet<u64>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// When there was nothing to do: the catalog's snapshot and the minute.
    idle: Mutex<Option<(u64, i64)>>,
    pub counters: CompactionCounters,
}

#[derive(Default)]
pub(crate) struct CompactionCounters {
    pub compactions: AtomicU64,
    pub failures: AtomicU64,
    pub rows: AtomicU64,
    pub rows_folded: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
}

/// What came of rewriting parts.
#[derive(Debug)]
pub(crate) struct Rewritten {
    /// None, when no row was kept.
    pub parts: Vec<WrittenPart>,
    pub rows_in: u64,
    /// Rows that were there twice.
    pub rows_folded: u64,
    pub rows_out: u64,
}

/// What a rewriting job needs.
pub(crate) struct RewriteContext<'a> {
    pub place: &'a PartsPlace,
    pub reader: &'a PartsReader,
    pub stop: &'a AtomicBool,
    /// Called after every few thousand rows; may wait.
    pub pace: &'a dyn Fn(),
}

/// Reads parts of one table as one, and writes their rows in order of time, each once, as parts of the full size. What is
/// written is durable, and the caller tells the catalog or removes it.
///
/// On an error nothing stays behind. A part that is damaged has been set aside then.
pub(crate) fn rewrite(context: &RewriteContext<'_>, parts: &[Part]) -> Result<Rewritten, StoreError> {
    let mut written = Vec::new();
    let outcome = rewrite_into(context, parts, &mut written);
    match outcome {
        Ok((rows_in, rows_folded)) => {
            let rows_out = written.iter().map(|written| written.part.rows).sum();
            Ok(Rewritten { parts: written, rows_in, rows_folded, rows_out })
        }
        Err(error) => {
            remove_parts(context.place, &written);
            Err(error)
        }
    }
}

fn rewrite_into(context: &RewriteContext<'_>, parts: &[Part], written: &mut Vec<WrittenPart>) -> Result<(u64, u64), StoreError> {
    let Some(first) = parts.first() else { return Ok((0, 0)) };
    if parts.iter().any(|part| part.project != first.project || part.signal != first.signal) {
        return Err(StoreError::Corrupt("parts of different tables cannot become one".into()));
    }
    let level = parts.iter().map(|part| part.level).max().unwrap_or(0).saturating_add(1);
    let options = PartOptions { project: &first.project, signal: first.signal, level, stop: context.stop };
    let mut folding = Folding::new(context.reader, first.signal, parts)?;
    let mut merge = Merge::new(context.reader, first.signal, parts)?;
    let mut writer: Option<PartWriter<'_>> = None;
    let mut rows_in = 0;
    while let Some(rows) = merge.next()? {
        rows_in += rows.num_rows() as u64;
        for rows in by_day(&folding.fold(rows)?) {
            let is_full = writer.as_ref().is_some_and(|writer| ends_before(writer, &rows));
            if is_full && let Some(writer) = writer.take() {
                written.push(writer.finish()?);
            }
            let writer = match &mut writer {
                Some(writer) => writer,
                None => {
                    let (schema, coders) = (Arc::clone(merge.schema()), Arc::clone(merge.coders()));
                    writer.insert(PartWriter::with_coders(context.place, options, schema, coders)?)
                }
            };
            writer.write(&rows)?;
        }
        (context.pace)();
    }
    if let Some(writer) = writer {
        written.push(writer.finish()?);
    }
    let expected: u64 = parts.iter().map(|part| part.rows).sum();
    if rows_in != expected {
        return Err(StoreError::Corrupt(format!("read {rows_in} rows of parts that hold {expected}")));
    }
    Ok((rows_in, folding.folded))
}

/// Whether a part is full, or its day over, before these rows.
fn ends_before(writer: &PartWriter<'_>, rows: &RecordBatch) -> bool {
    let next_day = times(rows).first().is_some_and(|time| day_of(*time) != day_of(writer.max_time()));
    writer.bytes() >= COMPACTED_PART_BYTES
        || writer.rows() >= COMPACTED_PART_ROWS
        || (next_day && writer.rows() >= DAY_PART_ROWS_MIN)
}

/// The rows cut at midnight, so that a part can be one day's.
fn by_day(rows: &RecordBatch) -> Vec<RecordBatch> {
    let times = times(rows);
    let mut days = Vec::with_capacity(1);
    let mut from = 0;
    while from < times.len() {
        let day = day_of(times[from]);
        let end = from + times[from..].partition_point(|time| day_of(*time) == day);
        days.push(rows.slice(from, end - from));
        from = end;
    }
    days
}

impl Compaction {
    pub fn new(cpu_share: f64) -> Compaction {
        Compaction {
            cpu_share: cpu_share.clamp(0.01, 1.0),
            stop: AtomicBool::new(false),
            asleep: Mutex::default(),
            wake: Condvar::new(),
            job: tokio::sync::Mutex::default(),
            passed_over: Mutex::default(),
            thread: Mutex::default(),
            idle: Mutex::default(),
            counters: CompactionCounters::default(),
        }
    }

    /// Starts the thread, which ends soon after the store is gone or shut down.
    pub fn start(&self, store: Weak<Inner>, runtime: Handle) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new().name("compaction".into()).spawn(move || run(&store, &runtime));
        *self.thread.lock() = Some(thread.map_err(StoreError::io("start the compaction thread"))?);
        Ok(())
    }

    /// Ends what is under way. Nothing of it has been shown, and nothing stays behind but what the next start removes.
    pub fn end(&self) -> Option<JoinHandle<()>> {
        self.stop.store(true, Ordering::Relaxed);
        // Under the lock, so that nobody falls asleep in between.
        drop(self.asleep.lock());
        self.wake.notify_all();
        self.thread.lock().take()
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits, unless it is to end.
    pub fn wait(&self, duration: Duration) {
        let mut asleep = self.asleep.lock();
        if !self.is_stopped() {
            self.wake.wait_for(&mut asleep, duration);
        }
    }
}

fn run(store: &Weak<Inner>, runtime: &Handle) {
    let Some(compaction) = store.upgrade().map(|store| Arc::clone(&store.compaction)) else { return };
    let mut before = Load::default();
    let mut pause = COMPACTION_LOOK;
    while !compaction.is_stopped() {
        if !pause.is_zero() {
            compaction.wait(pause);
        }
        // Held for one step, so that a store that nobody uses any more is let go of.
        let Some(store) = store.upgrade() else { return };
        let load = Load::of(&store);
        let is_busy = load.is_busy_since(&before);
        before = load;
        pause = match step(&store, runtime, is_busy) {
            Ok(true) => Duration::ZERO,
            Ok(false) => COMPACTION_LOOK,
            Err(_) if compaction.is_stopped() => return,
            Err(error) => {
                compaction.counters.failures.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "parts could not be put together; they stay as they are");
                COMPACTION_RETRY
            }
        };
    }
}

/// How much came in until a moment.
#[derive(Clone, Copy, Default)]
struct Load {
    rows: u64,
    at: Option<Instant>,
}

impl Load {
    fn of(store: &Inner) -> Load {
        Load { rows: store.shared.counters.appended_rows.load(Ordering::Relaxed), at: Some(Instant::now()) }
    }

    fn is_busy_since(&self, before: &Load) -> bool {
        let (Some(now), Some(then)) = (self.at, before.at) else { return true };
        let seconds = now.duration_since(then).as_secs_f64().max(0.001);
        (self.rows - before.rows) as f64 / seconds > BUSY_ROWS_PER_SECOND
    }
}

/// One job of the background; whether there was one.
fn step(store: &Arc<Inner>, runtime: &Handle, is_busy: bool) -> Result<bool, StoreError> {
    let compaction = &store.compaction;
    if compaction.is_stopped() {
        return Ok(false);
    }
    // With thousands of parts looking is work too, and seldom anything has changed.
    let now_unix_nano = store.shared.clock.now_unix_nano();
    let seen = (store.shared.memory.catalog().snapshot, now_unix_nano / MINUTE_NANOS);
    if *compaction.idle.lock() == Some(seen) {
        return Ok(false);
    }
    if store.place.traces.tidy(&|| store.shared.memory.catalog(), &store.reader, &compaction.stop)? {
        return Ok(true);
    }
    let Some((parts, waiting)) = next_job(store, None, Moment::At { now_unix_nano }) else {
        *compaction.idle.lock() = Some(seen);
        return Ok(false);
    };
    // With much to catch up on it takes what it needs: many small parts cost every query more.
    let share = if is_busy && waiting < COMPACTION_PARTS_MAX * 4 { compaction.cpu_share } else { 1.0 };
    compact(store, runtime, parts, share)?;
    Ok(true)
}

/// The next parts to put together, and how many of their table are small.
fn next_job(store: &Inner, project: Option<&str>, moment: Moment) -> Option<(Vec<Part>, usize)> {
    let catalog = store.shared.memory.catalog();
    let passed_over = store.compaction.passed_over.lock();
    let mut jobs: Vec<(Vec<Part>, usize)> = Vec::new();
    for (name, signal) in catalog.tables().filter(|(name, _)| project.is_none_or(|project| project == *name)) {
        let mut parts = catalog.parts(name, signal, TimeRange::ALL);
        parts.retain(|part| !passed_over.contains(&part.id));
        jobs.extend(plan(&parts, moment).map(|job| (job, parts.len())));
    }
    // The table with the most parts first.
    jobs.into_iter().max_by_key(|(_, parts)| *parts)
}

fn compact(store: &Arc<Inner>, runtime: &Handle, parts: Vec<Part>, share: f64) -> Result<(), StoreError> {
    let compaction = &store.compaction;
    let _one_at_a_time = compaction.job.blocking_lock();
    // Somebody else's job may have replaced them while this one waited.
    let is_there = {
        let catalog = store.shared.memory.catalog();
        parts.iter().all(|part| catalog.table(&part.project, part.signal).contains(part) && !catalog.is_damaged(part))
    };
    if !is_there {
        return Ok(());
    }
    let worked = Mutex::new(Instant::now());
    let pace = || {
        if share < 1.0 {
            let work = worked.lock().elapsed();
            compaction.wait(work.mul_f64(1.0 / share - 1.0));
            *worked.lock() = Instant::now();
        }
    };
    let context = RewriteContext { place: &store.place, reader: &store.reader, stop: &compaction.stop, pace: &pace };
    let rewritten = rewrite(&context, &parts);
    let rewritten = rewritten.inspect_err(|_| pass_over(store, &parts))?;
    let bytes_in: u64 = parts.iter().map(|part| part.bytes).sum();
    let bytes_out: u64 = rewritten.parts.iter().map(|written| written.part.bytes).sum();
    let (rows, rows_out) = (rewritten.rows_in, rewritten.rows_out);
    let (rows_folded, into) = (rewritten.rows_folded, rewritten.parts.len());
    if rows != rows_out + rows_folded {
        remove_parts(&store.place, &rewritten.parts);
        return Err(StoreError::Corrupt(format!("of {rows} rows {rows_out} were written and {rows_folded} left out")));
    }
    runtime.block_on(store.replace_parts(rewritten.parts, &parts, None))?;
    let counters = &compaction.counters;
    counters.compactions.fetch_add(1, Ordering::Relaxed);
    counters.rows.fetch_add(rows, Ordering::Relaxed);
    counters.rows_folded.fetch_add(rows_folded, Ordering::Relaxed);
    counters.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
    counters.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    tracing::debug!(parts = parts.len(), into, rows, rows_folded, bytes_in, bytes_out, "parts put together");
    // Let go of first, or their files would have to wait for the next sweep.
    drop(parts);
    runtime.block_on(store.sweep())
}

/// Leaves parts alone that could not be rewritten, unless that had to do with one that has been set aside meanwhile.
fn pass_over(store: &Inner, parts: &[Part]) {
    let catalog = store.shared.memory.catalog();
    if !store.compaction.is_stopped() && !parts.iter().any(|part| catalog.is_damaged(part)) {
        store.compaction.passed_over.lock().extend(parts.iter().map(|part| part.id));
    }
}

impl Store {
    /// Puts together all parts that can be, of one project or of all, whatever the hour, and tidies the trace index: what the
    /// background does in a day. Returns when there is nothing left to do.
    pub async fn compact_now(&self, project: Option<&str>) -> Result<(), StoreError> {
        let (store, project, runtime) = (self.clone(), project.map(str::to_owned), Handle::current());
        blocking(move || {
            let inner = &store.0;
            while let Some((parts, _)) = next_job(inner, project.as_deref(), Moment::Now) {
                if inner.compaction.is_stopped() {
                    return Err(StoreError::Unavailable("store is shutting down".into()));
                }
                let damaged = || inner.shared.memory.catalog().damaged();
                let before = damaged();
                match compact(inner, &runtime, parts, 1.0) {
                    // One has been set aside; the others go on without it.
                    Err(_) if damaged() > before => {}
                    outcome => outcome?,
                }
            }
            let catalog = || inner.shared.memory.catalog();
            while inner.place.traces.tidy(&catalog, &inner.reader, &inner.compaction.stop)? {}
            Ok(())
        })
        .await
    }
}
