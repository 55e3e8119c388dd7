//! Rows that are durable in the log and not yet in a part, as chunks that a query can read at once.
//!
//! Each segment of the log has its own tables, so that a flush can drop a segment's rows the moment its parts are visible.
//! [`Memory::cut`] and [`Memory::show`] take the same lock, and the catalog's visible snapshot is kept under it too: that
//! makes memory and parts one consistent cut.
//!
//! Small chunks are merged like the levels of an LSM tree: those of about equal size become one. Only the commit thread
//! changes the active segment, so merging needs the lock only to look and to swap.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimestampNanosecondType};
use model::Signal;
use parking_lot::RwLock;

use crate::catalog::Catalog;
use crate::columns;
use crate::error::StoreError;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_FAN, CHUNK_ROWS_MAX, ONE_BUFFER_ROWS_MAX};
use crate::one_buffer::in_one_buffer;
use crate::snapshot::{Part, TimeRange};

/// Tiers of chunks: less than [`CHUNK_FAN`] rows, than its square, than [`CHUNK_ROWS_MAX`], and those that are left alone.
const TIERS: usize = 4;

/// A batch of rows of one table.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub batch: RecordBatch,
    /// Of `time`, both included.
    pub min_time: i64,
    pub max_time: i64,
    pub bytes: usize,
}

impl Chunk {
    pub fn new(batch: RecordBatch) -> Result<Chunk, StoreError> {
        let (batch, bytes) = match batch.num_rows() {
            0..=ONE_BUFFER_ROWS_MAX => in_one_buffer(&batch)?,
            _ => {
                let bytes = batch.get_array_memory_size();
                (batch, bytes)
            }
        };
        let time = batch.column_by_name(columns::TIME).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let time = time.ok_or_else(|| StoreError::Corrupt("batch without a time column".into()))?;
        let min_time = time.values().iter().copied().min().unwrap_or(i64::MAX);
        let max_time = time.values().iter().copied().max().unwrap_or(i64::MIN);
        Ok(Chunk { batch, min_time, max_time, bytes })
    }

    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    fn tier(&self) -> usize {
        if self.rows() >= CHUNK_ROWS_MAX || self.bytes >= CHUNK_BYTES_MAX {
            return TIERS - 1;
        }
        (self.rows().max(1).ilog(CHUNK_FAN) as usize).min(TIERS - 2)
    }
}

/// One project's table within one segment.
#[derive(Clone, Default)]
pub(crate) struct Table {
    tiers: [Vec<Arc<Chunk>>; TIERS],
}

impl Table {
    pub fn chunks(&self) -> impl Iterator<Item = &Arc<Chunk>> {
        self.tiers.iter().flatten()
    }

    fn push(&mut self, chunk: Arc<Chunk>) {
        self.tiers[chunk.tier()].push(chunk);
    }

    /// A tier whose chunks are to become one: they are many, or together as much as is left alone.
    fn crowded(&self) -> Option<usize> {
        self.tiers[..TIERS - 1].iter().position(|chunks| {
            let rows: usize = chunks.iter().map(|chunk| chunk.rows()).sum();
            let bytes: usize = chunks.iter().map(|chunk| chunk.bytes).sum();
            chunks.len() >= CHUNK_FAN || chunks.len() > 1 && (rows >= CHUNK_ROWS_MAX || bytes >= CHUNK_BYTES_MAX)
        })
    }
}

/// The rows of one segment of the log.
pub(crate) struct SegmentRows {
    pub number: u64,
    pub projects: HashMap<String, [Table; 3]>,
    pub rows: usize,
    pub bytes: usize,
    /// When its first row came, by the store's clock.
    pub first_at_unix_nano: Option<i64>,
}

impl SegmentRows {
    pub fn new(number: u64) -> SegmentRows {
        SegmentRows { number, projects: HashMap::new(), rows: 0, bytes: 0, first_at_unix_nano: None }
    }

    pub fn push(&mut self, project: &str, signal: Signal, chunk: Chunk, now_unix_nano: i64) {
        self.rows += chunk.rows();
        self.bytes += chunk.bytes;
        self.first_at_unix_nano.get_or_insert(now_unix_nano);
        if !self.projects.contains_key(project) {
            self.projects.insert(project.to_owned(), Default::default());
        }
        if let Some(tables) = self.projects.get_mut(project) {
            tables[signal as usize].push(Arc::new(chunk));
        }
    }

    /// A table with more small chunks than it should have: its project, signal and tier.
    fn crowded(&self) -> Option<(&String, usize, usize)> {
        self.projects.iter().find_map(|(project, tables)| {
            let (signal, tier) = tables.iter().enumerate().find_map(|(signal, table)| Some((signal, table.crowded()?)))?;
            Some((project, signal, tier))
        })
    }
}

/// What a query may see of memory, and the catalog that goes with it.
#[derive(Default)]
pub(crate) struct Cut {
    pub catalog: Arc<Catalog>,
    pub chunks: Vec<Arc<Chunk>>,
}

pub(crate) struct Memory {
    state: RwLock<State>,
    /// Bytes of all rows in memory and of appends on their way.
    bytes: AtomicUsize,
}

struct State {
    catalog: Arc<Catalog>,
    /// Oldest first.
    sealed: Vec<Arc<SegmentRows>>,
    active: SegmentRows,
}

impl State {
    fn cut(&self, project: &str, signal: Signal, range: TimeRange) -> Cut {
        let segments = self.sealed.iter().map(Arc::as_ref).chain([&self.active]);
        let tables = segments.filter_map(|segment| segment.projects.get(project)).map(|tables| &tables[signal as usize]);
        let chunks = tables.flat_map(Table::chunks).filter(|chunk| range.overlaps(chunk.min_time, chunk.max_time));
        Cut { catalog: Arc::clone(&self.catalog), chunks: chunks.cloned().collect() }
    }
}

impl Memory {
    /// An empty memory beside a catalog, for rows of segment `number`.
    pub fn new(catalog: Catalog, number: u64) -> Memory {
        let state = State { catalog: Arc::new(catalog), sealed: Vec::new(), active: SegmentRows::new(number) };
        Memory { state: RwLock::new(state), bytes: AtomicUsize::new(0) }
    }

    /// Sets bytes aside for an append. Refuses when there would be more than `bytes_max`, unless memory is empty.
    pub fn reserve(self: &Arc<Memory>, bytes: usize, bytes_max: usize) -> Option<Reservation> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation { memory: Arc::clone(self), bytes };
        (before == 0 || before + bytes <= bytes_max).then_some(reservation)
    }

    /// Bytes of rows in memory and on their way.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows in memory.
    pub fn rows(&self) -> usize {
        let state = self.state.read();
        state.active.rows + state.sealed.iter().map(|segment| segment.rows).sum::<usize>()
    }

    /// Bytes of the rows that are not sealed yet, and how many nanoseconds ago the first of them came.
    ///
    /// When the clock was set back since, they count as having come now: rows wait at most once more as long as they should,
    /// instead of until the clock has caught up.
    pub fn active(&self, now_unix_nano: i64) -> (usize, Option<u64>) {
        let (bytes, first_at) = {
            let state = self.state.read();
            (state.active.bytes, state.active.first_at_unix_nano)
        };
        let Some(first_at) = first_at else { return (bytes, None) };
        if now_unix_nano < first_at {
            let mut state = self.state.write();
            state.active.first_at_unix_nano = state.active.first_at_unix_nano.map(|first_at| first_at.min(now_unix_nano));
        }
        (bytes, Some(u64::try_from(now_unix_nano.saturating_sub(first_at)).unwrap_or(0)))
    }

    /// Bytes of the rows that are not sealed yet.
    pub fn active_bytes(&self) -> usize {
        self.state.read().active.bytes
    }

    /// Makes the rows of one group commit visible, all at once.
    pub fn insert(&self, appends: impl Iterator<Item = (String, Vec<(Signal, Chunk)>, Reservation)>, now_unix_nano: i64) {
        let mut state = self.state.write();
        for (project, chunks, reservation) in appends {
            reservation.turn_into(chunks.iter().map(|(_, chunk)| chunk.bytes).sum());
            for (signal, chunk) in chunks {
                state.active.push(&project, signal, chunk, now_unix_nano);
            }
        }
    }

    /// Merges small chunks of the active segment until there are few. Only for the thread that inserts.
    pub fn coalesce(&self) {
        loop {
            let (project, signal, tier, chunks) = {
                let state = self.state.read();
                let Some((project, signal, tier)) = state.active.crowded() else { return };
                let table = &state.active.projects[project][signal];
                (project.clone(), signal, tier, table.tiers[tier].clone())
            };
            let merged = merge(&chunks, Signal::ALL[signal]);
            let mut state = self.state.write();
            let Some(tables) = state.active.projects.get_mut(&project) else { return };
            let table = &mut tables[signal];
            table.tiers[tier].clear();
            match merged {
                Ok(chunk) => {
                    let before: usize = chunks.iter().map(|chunk| chunk.bytes).sum();
                    let after = chunk.bytes;
                    table.push(Arc::new(chunk));
                    state.active.bytes = state.active.bytes + after - before;
                    self.replace(before, after);
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot merge small chunks of memory; left as they are");
                    table.tiers[TIERS - 1].extend(chunks);
                }
            }
        }
    }

    /// Closes the active segment and goes on with segment `next`. Only for the thread that inserts.
    pub fn seal(&self, next: u64) {
        let mut state = self.state.write();
        let sealed = std::mem::replace(&mut state.active, SegmentRows::new(next));
        state.sealed.push(Arc::new(sealed));
    }

    /// Adds a segment that was read from the log after a crash; its rows are visible at once.
    pub fn add_sealed(&self, segment: SegmentRows) {
        self.bytes.fetch_add(segment.bytes, Ordering::Relaxed);
        self.state.write().sealed.push(Arc::new(segment));
    }

    /// The segments that wait to become parts, oldest first.
    pub fn sealed(&self) -> Vec<Arc<SegmentRows>> {
        self.state.read().sealed.clone()
    }

    /// Shows a catalog in which the rows of segments up to `number`, included, are in parts, and forgets those rows, in one
    /// step.
    pub fn show(&self, mut catalog: Catalog, number: u64) {
        let dropped: Vec<Arc<SegmentRows>> = {
            let mut state = self.state.write();
            catalog.inherit_damaged(&state.catalog);
            state.catalog = Arc::new(catalog);
            let (dropped, kept) = state.sealed.drain(..).partition(|segment| segment.number <= number);
            state.sealed = kept;
            dropped
        };
        self.replace(dropped.iter().map(|segment| segment.bytes).sum(), 0);
    }

    /// Shows the catalog without a part that cannot be trusted; returns the part, unless it is gone or known for it.
    pub fn set_damaged(&self, path: &object_store::path::Path) -> Option<Part> {
        let mut state = self.state.write();
        let part = state.catalog.all().find(|part| part.path == *path && !state.catalog.is_damaged(part)).cloned()?;
        state.catalog = Arc::new(state.catalog.with_damaged(part.id));
        Some(part)
    }

    /// The catalog that queries see now.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.state.read().catalog)
    }

    /// One project's rows of one signal that may lie within the range.
    pub fn cut(&self, project: &str, signal: Signal, range: TimeRange) -> Cut {
        self.state.read().cut(project, signal, range)
    }

    /// The same for all signals, of one moment.
    pub fn cuts(&self, project: &str, range: TimeRange) -> [Cut; 3] {
        let state = self.state.read();
        Signal::ALL.map(|signal| state.cut(project, signal, range))
    }

    fn replace(&self, before: usize, after: usize) {
        if after >= before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}

/// Bytes set aside for an append, given back unless it succeeds.
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Reservation {
    /// The rows are in memory and take this many bytes.
    fn turn_into(mut self, bytes: usize) {
        self.memory.replace(self.bytes, bytes);
        self.bytes = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.replace(self.bytes, 0);
    }
}

/// The chunks as one, with every column of each and the widest of their types.
fn merge(chunks: &[Arc<Chunk>], signal: Signal) -> Result<Chunk, StoreError> {
    let schema = shared_schema(chunks).unwrap_or_else(|| Arc::new(union_schema(chunks.iter().map(|chunk| &chunk.batch), signal)));
    let mut columns: Vec<Columns<'_>> = chunks.iter().map(|chunk| Columns { batch: &chunk.batch, next: 0 }).collect();
    let mut arrays = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let pieces = columns.iter_mut().map(|columns| columns.column_as(field)).collect::<Result<Vec<_>, _>>()?;
        arrays.push(concat(&pieces.iter().map(ArrayRef::as_ref).collect::<Vec<_>>())?);
    }
    let rows = chunks.iter().map(|chunk| chunk.rows()).sum();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Chunk::new(RecordBatch::try_new_with_options(schema, arrays, &options)?)
}

/// The one schema that all chunks have, if they do.
fn shared_schema(chunks: &[Arc<Chunk>]) -> Option<SchemaRef> {
    let (first, rest) = chunks.split_first()?;
    let schema = first.batch.schema_ref();
    rest.iter().all(|chunk| Arc::ptr_eq(chunk.batch.schema_ref(), schema)).then(|| Arc::clone(schema))
}

/// The columns of a batch, asked for in about the order that they have.
struct Columns<'a> {
    batch: &'a RecordBatch,
    /// Behind the last one found.
    next: usize,
}

impl Columns<'_> {
    fn column_as(&mut self, field: &Field) -> Result<ArrayRef, StoreError> {
        let place = place_of(self.batch.schema_ref().fields(), field.name(), self.next);
        self.next = place.map_or(self.next, |place| place + 1);
        as_type(place.map(|place| self.batch.column(place)), field, self.batch.num_rows())
    }
}

/// Where a field is, looked for from `next` on and then from the front.
fn place_of(fields: &Fields, name: &str, next: usize) -> Option<usize> {
    let is_it = |place: &usize| fields[*place].name() == name;
    (next..fields.len()).find(is_it).or_else(|| (0..next.min(fields.len())).find(is_it))
}

/// The column of a field: cast up where it is narrower, null where the batch has none.
pub(crate) fn column_as(batch: &RecordBatch, field: &Field) -> Result<ArrayRef, StoreError> {
    as_type(batch.column_by_name(field.name()), field, batch.num_rows())
}

fn as_type(column: Option<&ArrayRef>, field: &Field, rows: usize) -> Result<ArrayRef, StoreError> {
    match column {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => Ok(cast(column, field.data_type())?),
        None => Ok(new_null_array(field.data_type(), rows)),
    }
}

/// Every column that any of the batches has: fixed ones in their order, then attributes as first met, at their widest type.
pub(crate) fn union_schema<'a>(batches: impl Iterator<Item = &'a RecordBatch>, signal: Signal) -> Schema {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut found: Vec<(&Field, DataType)> = Vec::new();
    for schema in distinct_schemas(batches) {
        for field in schema.fields() {
            match places.get(field.name().as_str()) {
                None => {
                    places.insert(field.name(), found.len());
                    found.push((field, field.data_type().clone()));
                }
                Some(place) if found[*place].1 == *field.data_type() => {}
                Some(place) => {
                    let known = columns::attribute_type(&found[*place].1);
                    found[*place].1 = columns::data_type(known.widen(columns::attribute_type(field.data_type())));
                }
            }
        }
    }
    let fixed = columns::schema(signal);
    let (mut in_order, mut attributes, mut next) = (Vec::new(), Vec::new(), 0);
    for (field, data_type) in found {
        match place_of(fixed.fields(), field.name(), next) {
            Some(place) => {
                next = place + 1;
                in_order.push((place, Field::new(field.name(), data_type, field.is_nullable())));
            }
            None => attributes.push(Field::new(field.name(), data_type, true)),
        }
    }
    in_order.sort_by_key(|(place, _)| *place);
    Schema::new(in_order.into_iter().map(|(_, field)| field).chain(attributes).collect::<Vec<_>>())
}

/// Requests of one sender have the same columns again and again.
fn distinct_schemas<'a>(batches: impl Iterator<Item = &'a RecordBatch>) -> Vec<&'a SchemaRef> {
    let mut distinct: Vec<&SchemaRef> = Vec::new();
    for batch in batches {
        let schema = batch.schema_ref();
        if !distinct.iter().any(|known| Arc::ptr_eq(known, schema) || known.fields() == schema.fields()) {
            distinct.push(schema);
        }
    }
    distinct
}
