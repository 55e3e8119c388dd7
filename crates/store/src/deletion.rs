//! Deletion on request: one trace, one person's rows or a stretch of time, out of memory, log and parts, with a receipt.
//!
//! The request is in the metastore before anything is done, so it survives a crash and is taken up again. A flush first:
//! then every row that was there is in a part and the write-ahead log is truncated. Parts with rows that are meant are
//! rewritten without them, and each commit of parts counts what it deleted on the receipt, in one transaction. A row is out
//! of every query begun after [`metastore::Deletion::done_at_unix_nano`], and off the disk at `erased_at_unix_nano`: when no
//! query holds the old files any more and they are removed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use analysis::retention::person::Person;
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, TimestampNanosecondType};
use metastore::{Deletion, DeletionKind, DeletionStep, NewDeletion};
use model::{Signal, TraceId};

use crate::columns;
use crate::error::StoreError;
use crate::flush::remove_parts;
use crate::limits::{DELETION_COMMIT_BYTES_MAX, DELETION_COMMIT_PARTS_MAX};
use crate::part_writer::WrittenPart;
use crate::publish::Publish;
use crate::rewrite::Job;
use crate::snapshot::{Part, TimeRange};
use crate::store::{Inner, Store, blocking};

/// Columns that hold documents in which a person may be named.
const DOCUMENTS: [&str; 5] = [columns::ATTRIBUTES_REST, columns::SOURCE, columns::RESOURCE, columns::SCOPE, "links"];

/// Examples of the requests behind a metric's point. A point stands for many people's: the examples are blanked out, the
/// point stays.
const EXEMPLARS: &str = "exemplars";

impl Store {
    /// Takes a deletion on: durable when it returns, and done as soon as it can be. The receipt is in the metastore.
    pub async fn delete(&self, deletion: &NewDeletion) -> Result<(), StoreError> {
        self.0.metastore.add_deletion(deletion).await?;
        self.0.deletion_wanted.notify_one();
        Ok(())
    }

    /// Does what deletions are waiting, and returns when it is done.
    pub async fn run_deletions(&self) -> Result<(), StoreError> {
        self.0.run_deletions().await
    }
}

impl Inner {
    /// Does what deletions are waiting. One that does not come through says why on its receipt, and waits for the next time.
    pub async fn run_deletions(self: &Arc<Inner>) -> Result<(), StoreError> {
        let _one_at_a_time = self.deleting.lock().await;
        let mut result = Ok(());
        for deletion in self.metastore.pending_deletions().await? {
            if let Err(error) = self.run_deletion(&deletion).await {
                tracing::warn!(%error, deletion = deletion.request.id, "a deletion did not come through; it is tried again");
                self.metastore.fail_deletion(&deletion.request.id, &error.to_string()).await?;
                result = Err(error);
            }
        }
        self.note_erased().await?;
        result
    }

    /// Removes files that nobody holds any more and notes on receipts which deletions are off the disk with them. Returns
    /// how many are waiting still.
    pub async fn note_erased(self: &Arc<Inner>) -> Result<u64, StoreError> {
        if self.metastore.unerased_deletions().await? == 0 {
            return Ok(0);
        }
        // Published tables have names of their own for the files; after a start it is not known whether they are gone.
        if !self.deletions_published.load(Ordering::Relaxed) {
            self.publish(Publish::AllNow).await?;
            self.deletions_published.store(true, Ordering::Relaxed);
        }
        self.sweep().await?;
        Ok(self.metastore.note_erased(self.shared.clock.now_unix_nano()).await?)
    }

    async fn run_deletion(self: &Arc<Inner>, deletion: &Deletion) -> Result<(), StoreError> {
        let request = &deletion.request;
        let meant = Meant::of(request)?;
        // What is flushed leaves neither a segment nor a file that the log would write over some day.
        self.shared.wal.set_single_use(true);
        let flushed = self.flush_and_truncate().await;
        self.shared.wal.set_single_use(false);
        flushed?;
        self.metastore.start_deletion(&request.id, self.shared.clock.now_unix_nano()).await?;
        let _one_job = self.compaction.job.lock().await;
        // Somebody waits for it: it takes what it can get.
        let job = self.job(1.0);
        let mut batch = Batch::new(&request.id);
        let looked = self.look_through(&job, request, &meant, &mut batch).await;
        let unreadable = looked.inspect_err(|_| remove_parts(&self.place, &batch.written))?;
        let now = self.shared.clock.now_unix_nano();
        self.deletions_published.store(false, Ordering::Relaxed);
        self.metastore.finish_deletion(&request.id, unreadable, now).await?;
        tracing::info!(deletion = request.id, kind = request.kind.as_str(), "deletion done");
        Ok(())
    }

    /// Takes the rows out of every part that has some; returns how many parts could not be read.
    async fn look_through(
        self: &Arc<Inner>,
        job: &Job,
        request: &NewDeletion,
        meant: &Meant,
        batch: &mut Batch,
    ) -> Result<u64, StoreError> {
        let mut unreadable = 0;
        for signal in Signal::ALL.into_iter().filter(|signal| request.signals.iter().any(|name| name == signal.table())) {
            let catalog = self.shared.memory.catalog();
            unreadable += catalog.damaged_parts(&request.project, signal, meant.range).len() as u64;
            for part in self.parts_to_look_into(&request.project, signal, meant).await? {
                let (job, meant, asked) = (job.clone(), meant.clone(), part.clone());
                match blocking(move || meant.taken_out_of(&job, &asked)).await {
                    Ok(change) => batch.add(signal, part, change),
                    Err(_) if self.shared.memory.catalog().is_damaged(&part) => unreadable += 1,
                    Err(error) => return Err(error),
                }
                if batch.is_full() {
                    self.commit_batch(batch).await?;
                }
            }
        }
        self.commit_batch(batch).await?;
        Ok(unreadable)
    }

    async fn parts_to_look_into(
        self: &Arc<Inner>,
        project: &str,
        signal: Signal,
        meant: &Meant,
    ) -> Result<Vec<Part>, StoreError> {
        let Rows::Trace(id) = &meant.rows else {
            return Ok(self.shared.memory.catalog().parts(project, signal, meant.range));
        };
        let found = Store(Arc::clone(self)).find_trace(project, signal, id.0).await?;
        Ok(found.parts.into_iter().map(|found| found.part).collect())
    }

    async fn flush_and_truncate(self: &Arc<Inner>) -> Result<(), StoreError> {
        self.flush().await?;
        // A flush that could not remove the log's segments says so only in passing; here it matters.
        let flushed = *self.flushed.lock().await;
        self.shared.wal.remove_through(flushed)
    }

    async fn commit_batch(self: &Arc<Inner>, batch: &mut Batch) -> Result<(), StoreError> {
        let Batch { written, replaced, step } = std::mem::replace(batch, Batch::new(&batch.step.id));
        if replaced.is_empty() {
            return Ok(());
        }
        self.replace_parts(written, &replaced, Some(step)).await
    }
}

/// What the next commit will replace.
struct Batch {
    written: Vec<WrittenPart>,
    replaced: Vec<Part>,
    step: DeletionStep,
}

impl Batch {
    fn new(id: &str) -> Batch {
        Batch { written: Vec::new(), replaced: Vec::new(), step: DeletionStep { id: id.to_owned(), ..DeletionStep::default() } }
    }

    fn add(&mut self, signal: Signal, part: Part, change: Change) {
        let (rows, cells, written) = match change {
            Change::None => return,
            Change::Whole => (part.rows, 0, None),
            Change::Some { rows, cells, written } => (rows, cells, written),
        };
        let step = &mut self.step;
        match signal {
            Signal::Spans => step.spans += rows,
            Signal::Logs => step.logs += rows,
            Signal::Metrics => step.metrics += rows,
        }
        step.cells += cells;
        step.bytes_removed += part.bytes + part.sidecar_bytes;
        match written {
            Some(written) => {
                step.parts_rewritten += 1;
                step.bytes_written += written.part.bytes + written.part.sidecar_bytes;
                self.written.push(written);
            }
            None => step.parts_removed += 1,
        }
        self.replaced.push(part);
    }

    fn is_full(&self) -> bool {
        self.replaced.len() >= DELETION_COMMIT_PARTS_MAX || self.step.bytes_written >= DELETION_COMMIT_BYTES_MAX
    }
}

/// What a deletion does to one part.
enum Change {
    None,
    /// Every row is meant.
    Whole,
    Some {
        rows: u64,
        cells: u64,
        written: Option<WrittenPart>,
    },
}

/// Which rows are meant.
#[derive(Clone)]
struct Meant {
    rows: Rows,
    range: TimeRange,
    /// Rows that came later stay.
    received_until: i64,
}

#[derive(Clone)]
enum Rows {
    Trace(TraceId),
    Person(Arc<Person>),
    Range { service: Option<String> },
}

/// For each row whether it goes, and whether it is blanked out.
struct Marks {
    goes: BooleanArray,
    blanked: Option<BooleanArray>,
}

impl Marks {
    fn cells(&self) -> usize {
        self.blanked.as_ref().map_or(0, BooleanArray::true_count)
    }
}

impl Meant {
    fn of(request: &NewDeletion) -> Result<Meant, StoreError> {
        let received_until = request.requested_at_unix_nano;
        let (rows, range) = match &request.kind {
            DeletionKind::Trace { trace_id } => {
                let id = TraceId::parse(trace_id).map_err(|error| StoreError::InvalidDeletion(error.to_string()))?;
                (Rows::Trace(id), TimeRange::ALL)
            }
            DeletionKind::Person { attributes, value: Some(value) } => {
                let person = Person { attributes: attributes.clone(), value: value.clone() };
                (Rows::Person(Arc::new(person)), TimeRange::ALL)
            }
            DeletionKind::Person { value: None, .. } => {
                return Err(StoreError::InvalidDeletion("whom it was about is not known any more".into()));
            }
            DeletionKind::Range { start_unix_nano, end_unix_nano, service } => (
                Rows::Range { service: service.clone() },
                TimeRange { start_unix_nano: *start_unix_nano, end_unix_nano: *end_unix_nano },
            ),
        };
        Ok(Meant { rows, range, received_until })
    }

    /// Rewrites the part without the rows that are meant, if it has any.
    fn taken_out_of(&self, job: &Job, part: &Part) -> Result<Change, StoreError> {
        if self.is_all_of(job, part)? {
            return Ok(Change::Whole);
        }
        let columns = self.columns();
        let (mut rows, mut cells) = (0, 0);
        for batch in job.read(part, columns.as_deref(), self.range)? {
            let marks = self.marks(&batch?)?;
            rows += marks.goes.true_count() as u64;
            cells += marks.cells() as u64;
        }
        if rows == part.rows {
            return Ok(Change::Whole);
        }
        if rows == 0 && cells == 0 {
            return Ok(Change::None);
        }
        let written = job.rewrite(part, |batch| {
            let marks = self.marks(&batch)?;
            let kept = filter_record_batch(&batch, &arrow::compute::not(&marks.goes)?)?;
            match &marks.blanked {
                Some(blanked) => {
                    let blanked = arrow::compute::filter(blanked, &arrow::compute::not(&marks.goes)?)?;
                    Ok(Some(with_exemplars_blanked(&kept, blanked.as_boolean())?))
                }
                None => Ok(Some(kept)),
            }
        })?;
        Ok(Change::Some { rows, cells, written })
    }

    /// Whether the whole part is meant, as far as that is known without reading rows.
    fn is_all_of(&self, job: &Job, part: &Part) -> Result<bool, StoreError> {
        let is_range = matches!(&self.rows, Rows::Range { service: None });
        let within = |time| self.range.overlaps(time, time);
        if !is_range || !within(part.min_time) || !within(part.max_time) {
            return Ok(false);
        }
        Ok(job.bounds(part, columns::RECEIVED_AT)?.is_some_and(|(_, newest)| newest <= self.received_until))
    }

    /// The columns by which rows are told; nothing for all.
    fn columns(&self) -> Option<Vec<&str>> {
        let mut names = vec![columns::TIME, columns::RECEIVED_AT];
        match &self.rows {
            Rows::Trace(_) => names.extend([columns::TRACE_ID, columns::REQUEST_TRACE_ID]),
            Rows::Range { .. } => names.push(columns::SERVICE_NAME),
            Rows::Person(person) => {
                names.extend(DOCUMENTS);
                names.push(EXEMPLARS);
                names.extend(person.attributes.iter().map(String::as_str));
            }
        }
        // A column that was named twice is read once.
        names.sort_unstable();
        names.dedup();
        Some(names)
    }

    fn marks(&self, batch: &RecordBatch) -> Result<Marks, StoreError> {
        let received = times(batch, columns::RECEIVED_AT);
        let is_in_time = |row: usize| received.is_none_or(|received| received[row] <= self.received_until);
        let mut goes = vec![false; batch.num_rows()];
        let mut blanked = None;
        match &self.rows {
            Rows::Trace(id) => mark_trace(batch, id, &mut goes),
            Rows::Range { service } => mark_range(batch, self.range, service.as_deref(), &mut goes),
            Rows::Person(person) => {
                mark_person(batch, person, &mut goes)?;
                blanked = marked_exemplars(batch, person, &goes);
            }
        }
        let in_time = |(row, mark): (usize, bool)| Some(mark && is_in_time(row));
        let blanked = blanked.map(|blanked| blanked.into_iter().enumerate().map(in_time).collect::<BooleanArray>());
        Ok(Marks {
            goes: goes.into_iter().enumerate().map(in_time).collect(),
            blanked: blanked.filter(|blanked| blanked.true_count() > 0),
        })
    }
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> Option<&'a [i64]> {
    let column = batch.column_by_name(name)?.as_primitive_opt::<TimestampNanosecondType>()?;
    Some(&column.values()[..])
}

/// Rows of a trace: those that name it, and those that name none and were delivered by it.
fn mark_trace(batch: &RecordBatch, id: &TraceId, goes: &mut [bool]) {
    let column = |name| batch.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt());
    let (own, delivered_by) = (column(columns::TRACE_ID), column(columns::REQUEST_TRACE_ID));
    for (row, goes) in goes.iter_mut().enumerate() {
        let named = own.filter(|own| own.is_valid(row)).or(delivered_by.filter(|ids| ids.is_valid(row)));
        *goes = named.is_some_and(|ids| ids.value(row) == id.0);
    }
}

fn mark_range(batch: &RecordBatch, range: TimeRange, service: Option<&str>, goes: &mut [bool]) {
    let times = times(batch, columns::TIME);
    let services = batch.column_by_name(columns::SERVICE_NAME).and_then(|column| column.as_string_opt::<i32>());
    for (row, goes) in goes.iter_mut().enumerate() {
        let is_in_range = times.is_some_and(|times| range.overlaps(times[row], times[row]));
        let is_of_service = service.is_none_or(|wanted| services.is_some_and(|names| names.value(row) == wanted));
        *goes = is_in_range && is_of_service;
    }
}

fn mark_person(batch: &RecordBatch, person: &Person, goes: &mut [bool]) -> Result<(), StoreError> {
    for name in &person.attributes {
        let Some(column) = batch.column_by_name(name) else { continue };
        let texts: ArrayRef =
            if *column.data_type() == DataType::Utf8 { Arc::clone(column) } else { cast(column, &DataType::Utf8)? };
        for (goes, text) in goes.iter_mut().zip(texts.as_string::<i32>()) {
            *goes |= text == Some(person.value.as_str());
        }
    }
    for name in DOCUMENTS {
        let Some(documents) = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()) else { continue };
        // Documents repeat from row to row, resources above all.
        let mut last: Option<(&str, bool)> = None;
        for (goes, document) in goes.iter_mut().zip(documents).filter(|(goes, _)| !**goes) {
            let Some(document) = document else { continue };
            let is_in = match last {
                Some((known, is_in)) if known == document => is_in,
                _ => person.is_in(document),
            };
            last = Some((document, is_in));
            *goes |= is_in;
        }
    }
    Ok(())
}

/// Rows that stay, but whose exemplars name the person.
fn marked_exemplars(batch: &RecordBatch, person: &Person, goes: &[bool]) -> Option<Vec<bool>> {
    let exemplars = batch.column_by_name(EXEMPLARS)?.as_string_opt::<i32>()?;
    let marked = |(text, goes): (Option<&str>, &bool)| !goes && text.is_some_and(|text| person.is_in(text));
    Some(exemplars.iter().zip(goes).map(marked).collect())
}

fn with_exemplars_blanked(batch: &RecordBatch, blanked: &BooleanArray) -> Result<RecordBatch, StoreError> {
    let schema = batch.schema();
    let Ok(place) = schema.index_of(EXEMPLARS) else { return Ok(batch.clone()) };
    let texts = batch.column(place).as_string::<i32>().iter();
    let left: StringArray = texts.zip(blanked).map(|(text, blanked)| text.filter(|_| blanked != Some(true))).collect();
    let mut columns = batch.columns().to_vec();
    columns[place] = Arc::new(left);
    Ok(RecordBatch::try_new(schema, columns)?)
}
