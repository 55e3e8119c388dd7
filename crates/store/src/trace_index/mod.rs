//! Which parts hold a trace: so that asking for one reads a few pages, not a filter of every part.
//!
//! Runs (see [`run`]) are written beside each new part, merged in tiers like those of an LSM tree, and say which parts they
//! cover. All of it can be made again from the parts: a run that is lost or damaged costs time, never an answer. A part no
//! run covers is asked by its bloom filters until the background has covered it; what a run says of parts that are gone is
//! passed over, and left out when it is merged.

mod run;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, RecordBatch};
use model::Signal;
use parking_lot::{Mutex, RwLock};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::data_type::FixedLenByteArray;

use crate::catalog::Catalog;
use crate::columns;
use crate::error::StoreError;
use crate::limits::INDEX_RUN_FAN;
use crate::parts_folder::{TEMPORARY, folder_name, project_of};
use crate::parts_reader::{PartChunks, PartsReader};
use crate::snapshot::Part;
use run::{Entry, RUN, RUN_PARTS_MAX, RunWriter, hash_of};
pub(crate) use run::{PartNumber, Run};

/// Runs up to this many entries are of one size.
const SMALL_RUN_ENTRIES: u64 = 4_096;

/// Rows whose ids are held at once while parts are covered.
const COVER_ROWS: u64 = 4_000_000;

/// The runs of all tables.
pub(crate) struct TraceIndex {
    folder: PathBuf,
    fsync: bool,
    tables: RwLock<HashMap<(String, Signal), Arc<TableRuns>>>,
}

/// The runs of one table; made anew when one comes or goes.
#[derive(Default)]
struct TableRuns {
    runs: Vec<Arc<Run>>,
    covered: HashSet<PartNumber>,
    /// Places of the parts that no run covers, as of a snapshot of the catalog.
    uncovered: Mutex<Option<(u64, Arc<Vec<usize>>)>>,
}

impl TableRuns {
    fn new(runs: Vec<Arc<Run>>) -> TableRuns {
        let covered = runs.iter().flat_map(|run| run.parts.iter().copied()).collect();
        TableRuns { runs, covered, uncovered: Mutex::default() }
    }

    fn uncovered(&self, catalog: &Catalog, numbers: &HashMap<PartNumber, usize>) -> Arc<Vec<usize>> {
        let mut known = self.uncovered.lock();
        match &*known {
            Some((snapshot, places)) if *snapshot == catalog.snapshot => Arc::clone(places),
            _ => {
                let uncovered = numbers.iter().filter(|(number, _)| !self.covered.contains(number));
                let mut places: Vec<usize> = uncovered.map(|(_, place)| *place).collect();
                places.sort_unstable();
                let places = Arc::new(places);
                *known = Some((catalog.snapshot, Arc::clone(&places)));
                places
            }
        }
    }
}

/// A part in which rows of the trace may be.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub part: Part,
    pub rows: Range<u64>,
}

/// Where a trace may be.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub places: Vec<Place>,
    /// Parts that no run covers; they were not asked.
    pub uncovered: Vec<Part>,
}

impl TraceIndex {
    /// Opens the runs in the folder; those that are damaged are removed, as are unfinished ones.
    pub fn open(folder: PathBuf, fsync: bool) -> Result<TraceIndex, StoreError> {
        let mut tables: HashMap<(String, Signal), Vec<Arc<Run>>> = HashMap::new();
        std::fs::create_dir_all(&folder).map_err(StoreError::io(format!("create folder {}", folder.display())))?;
        for project in entries(&folder)? {
            for signal in Signal::ALL {
                let name = project.file_name().and_then(|name| name.to_str()).and_then(project_of);
                let table = project.join(signal.table());
                let (Some(name), true) = (name, table.is_dir()) else { continue };
                for path in entries(&table)? {
                    match path.extension().and_then(|extension| extension.to_str()) {
                        Some(RUN) => match Run::open(path.clone()) {
                            Ok(run) => tables.entry((name.clone(), signal)).or_default().push(Arc::new(run)),
                            Err(error) => {
                                tracing::warn!(%error, "run of the trace index removed; it is made again");
                                let _ = std::fs::remove_file(&path);
                            }
                        },
                        Some(TEMPORARY) => {
                            let _ = std::fs::remove_file(&path);
                        }
                        _ => {}
                    }
                }
            }
        }
        let tables = tables.into_iter().map(|(table, runs)| (table, Arc::new(TableRuns::new(runs)))).collect();
        Ok(TraceIndex { folder, fsync, tables: RwLock::new(tables) })
    }

    /// Writes the run of one part, of which nobody hears before [`TraceIndex::add`].
    pub fn write(&self, project: &str, signal: Signal, part: &str, traces: TraceRows) -> Result<Option<Run>, StoreError> {
        let Some(number) = number_of(part) else { return Ok(None) };
        let mut writer = RunWriter::create(&self.folder_of(project, signal))?;
        traces.entries(0).into_iter().try_for_each(|entry| writer.push(entry))?;
        Ok(Some(writer.finish(&[number], false)?))
    }

    /// Takes in the run of a part that the catalog shows by now.
    pub fn add(&self, project: &str, signal: Signal, run: Run) {
        self.replace(project, signal, Some(run), &[]);
    }

    /// Bytes of all runs.
    pub fn bytes(&self) -> u64 {
        self.tables.read().values().flat_map(|table| table.runs.iter()).map(|run| run.bytes()).sum()
    }

    /// The parts of the table that may hold the trace, by what the runs say.
    pub fn find(&self, catalog: &Catalog, project: &str, signal: Signal, trace_id: &[u8; 16]) -> Places {
        let hash = hash_of(trace_id);
        loop {
            let table = self.table(project, signal);
            let mut found = Vec::new();
            let damaged = table.runs.iter().find(|run| match run.find(hash, |entry| found.push((Arc::clone(run), entry))) {
                Ok(()) => false,
                Err(error) => {
                    tracing::warn!(%error, "run of the trace index is damaged; it is made again");
                    true
                }
            });
            match damaged.cloned() {
                Some(damaged) => self.replace(project, signal, None, &[damaged]),
                None => return places(catalog, project, signal, &table, &found),
            }
        }
    }

    /// Does one piece of what is to be done, and says whether there was any: drops runs of which no part is left, covers
    /// parts that no run covers, merges runs of like size.
    ///
    /// A run comes after the catalog that shows its part, so the catalog is asked for after the runs.
    pub fn tidy(&self, catalog: &dyn Fn() -> Arc<Catalog>, reader: &PartsReader, stop: &AtomicBool) -> Result<bool, StoreError> {
        let tables: HashSet<(String, Signal)> = self.tables.read().keys().cloned().collect();
        let shown = catalog();
        let shown = shown.tables().map(|(project, signal)| (project.to_owned(), signal));
        for (project, signal) in shown.chain(tables).collect::<HashSet<_>>() {
            let table = self.table(&project, signal);
            let catalog = catalog();
            if self.drop_dead(&table, &catalog, &project, signal)
                || self.cover(&table, &catalog, &project, signal, reader, stop)?
                || self.merge(&table, &catalog, &project, signal, stop)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn drop_dead(&self, table: &TableRuns, catalog: &Catalog, project: &str, signal: Signal) -> bool {
        let numbers = catalog.numbers(project, signal);
        let is_dead = |run: &Run| !run.parts.iter().any(|part| numbers.contains_key(part));
        let dead: Vec<Arc<Run>> = table.runs.iter().filter(|run| is_dead(run)).cloned().collect();
        if !dead.is_empty() {
            self.replace(project, signal, None, &dead);
        }
        !dead.is_empty()
    }

    /// Reads the ids of parts that no run covers, and writes a run of them.
    fn cover(
        &self,
        table: &TableRuns,
        catalog: &Catalog,
        project: &str,
        signal: Signal,
        reader: &PartsReader,
        stop: &AtomicBool,
    ) -> Result<bool, StoreError> {
        let (mut entries, mut numbers, mut rows) = (Vec::new(), Vec::new(), 0);
        for part in catalog.table(project, signal).iter().filter(|part| !catalog.is_damaged(part)) {
            let Some(number) = number_of(part.path.as_ref()).filter(|number| !table.covered.contains(number)) else { continue };
            if stop.load(Ordering::Relaxed) || rows > COVER_ROWS || numbers.len() == RUN_PARTS_MAX {
                break;
            }
            match traces_of(reader, part) {
                Ok(traces) => entries.extend(traces.entries(numbers.len() as u16)),
                Err(error) => {
                    tracing::warn!(%error, path = %part.path, "cannot read a part's trace ids; its bloom filters are asked");
                    continue;
                }
            }
            numbers.push(number);
            rows += part.rows;
        }
        if numbers.is_empty() {
            return Ok(false);
        }
        entries.sort_unstable();
        let mut writer = RunWriter::create(&self.folder_of(project, signal))?;
        entries.into_iter().try_for_each(|entry| writer.push(entry))?;
        self.replace(project, signal, Some(writer.finish(&numbers, self.fsync)?), &[]);
        tracing::info!(project, signal = signal.table(), parts = numbers.len(), "trace index made for parts");
        Ok(true)
    }

    /// Merges runs of like size when there are many.
    fn merge(
        &self,
        table: &TableRuns,
        catalog: &Catalog,
        project: &str,
        signal: Signal,
        stop: &AtomicBool,
    ) -> Result<bool, StoreError> {
        let mut tiers: BTreeMap<u32, Vec<Arc<Run>>> = BTreeMap::new();
        for run in &table.runs {
            tiers.entry((run.entries / SMALL_RUN_ENTRIES).max(1).ilog(INDEX_RUN_FAN as u64)).or_default().push(Arc::clone(run));
        }
        let Some(mut merged) = tiers.into_values().find(|runs| runs.len() >= INDEX_RUN_FAN) else { return Ok(false) };
        let mut parts = 0;
        merged.retain(|run| {
            parts += run.parts.len();
            parts <= RUN_PARTS_MAX
        });
        if merged.len() < 2 {
            return Ok(false);
        }
        let live = catalog.numbers(project, signal);
        match self.merged(project, signal, &merged, &|number| live.contains_key(number), stop) {
            Ok(Some(run)) => self.replace(project, signal, Some(run), &merged),
            Ok(None) => return Ok(false),
            Err(error @ StoreError::Corrupt(_)) => {
                tracing::warn!(%error, "run of the trace index is damaged; it is made again");
                let damaged: Vec<Arc<Run>> = merged.into_iter().filter(|run| run.is_damaged()).collect();
                self.replace(project, signal, None, &damaged);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// One run of what several say of live parts; nothing when it was stopped.
    fn merged(
        &self,
        project: &str,
        signal: Signal,
        runs: &[Arc<Run>],
        is_live: &dyn Fn(&PartNumber) -> bool,
        stop: &AtomicBool,
    ) -> Result<Option<Run>, StoreError> {
        let mut numbers: Vec<PartNumber> = Vec::new();
        let mut places: HashMap<PartNumber, u16> = HashMap::new();
        let mut renamed: Vec<Vec<Option<u16>>> = Vec::with_capacity(runs.len());
        for run in runs {
            let rename = |number: &PartNumber| {
                is_live(number).then(|| {
                    *places.entry(*number).or_insert_with(|| {
                        numbers.push(*number);
                        (numbers.len() - 1) as u16
                    })
                })
            };
            renamed.push(run.parts.iter().map(rename).collect());
        }
        let mut readers: Vec<_> = runs.iter().map(Run::read).collect();
        let mut heap = BinaryHeap::with_capacity(runs.len());
        for (place, reader) in readers.iter_mut().enumerate() {
            heap.extend(reader.next()?.map(|entry| Reverse((entry, place))));
        }
        let mut writer = RunWriter::create(&self.folder_of(project, signal))?;
        let mut since_look = 0;
        while let Some(Reverse((entry, place))) = heap.pop() {
            since_look += 1;
            if since_look % SMALL_RUN_ENTRIES == 0 && stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if let Some(Some(part)) = renamed[place].get(usize::from(entry.part)) {
                writer.push(entry.with_part(*part))?;
            }
            heap.extend(readers[place].next()?.map(|entry| Reverse((entry, place))));
        }
        Ok(Some(writer.finish(&numbers, self.fsync)?))
    }

    fn table(&self, project: &str, signal: Signal) -> Arc<TableRuns> {
        self.tables.read().get(&(project.to_owned(), signal)).cloned().unwrap_or_default()
    }

    fn replace(&self, project: &str, signal: Signal, added: Option<Run>, removed: &[Arc<Run>]) {
        {
            let mut tables = self.tables.write();
            let table = tables.entry((project.to_owned(), signal)).or_default();
            let kept = table.runs.iter().filter(|run| !removed.iter().any(|removed| Arc::ptr_eq(removed, run))).cloned();
            *table = Arc::new(TableRuns::new(kept.chain(added.map(Arc::new)).collect()));
        }
        removed.iter().for_each(|run| run.remove());
    }

    fn folder_of(&self, project: &str, signal: Signal) -> PathBuf {
        self.folder.join(folder_name(project)).join(signal.table())
    }
}

/// The live parts that the entries name, and those that no run covers.
fn places(catalog: &Catalog, project: &str, signal: Signal, table: &TableRuns, found: &[(Arc<Run>, Entry)]) -> Places {
    let (parts, numbers) = (catalog.table(project, signal), catalog.numbers(project, signal));
    let mut rows: BTreeMap<usize, Range<u64>> = BTreeMap::new();
    for (run, entry) in found {
        let number = run.parts.get(usize::from(entry.part));
        let Some(place) = number.and_then(|number| numbers.get(number)) else { continue };
        let range = entry.rows();
        let known = rows.entry(*place).or_insert_with(|| range.clone());
        *known = known.start.min(range.start)..known.end.max(range.end);
    }
    let sound = |place: usize| parts.get(place).filter(|part| !catalog.is_damaged(part)).cloned();
    let places = rows.into_iter().filter_map(|(place, rows)| {
        let part = sound(place)?;
        Some(Place { rows: rows.start..rows.end.min(part.rows), part })
    });
    let uncovered = table.uncovered(catalog, numbers);
    Places { places: places.collect(), uncovered: uncovered.iter().filter_map(|place| sound(*place)).collect() }
}

/// The files of a folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let failed = || StoreError::io(format!("list folder {}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(failed())?;
    entries.map(|entry| Ok(entry.map_err(failed())?.path())).collect()
}

/// The number a part's file is called by.
pub(crate) fn number_of(path: &str) -> Option<PartNumber> {
    let name = path.rsplit('/').next()?;
    PartNumber::from_str_radix(name.split('.').next()?, 16).ok()
}

/// The traces of one part, as its rows go by.
#[derive(Default)]
pub(crate) struct TraceRows {
    /// The first and the last row of each.
    rows: HashMap<u64, (u32, u32), BuildHasherDefault<HashIsHash>>,
    next_row: u32,
}

/// The keys are hashes already.
#[derive(Default)]
struct HashIsHash(u64);

impl std::hash::Hasher for HashIsHash {
    fn finish(&self) -> u64 {
        // The map looks at the upper bits too, of which the index keeps none.
        self.0 | self.0 << 40
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0 << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl TraceRows {
    /// Takes the part's next rows.
    pub fn push(&mut self, rows: &RecordBatch) {
        for name in columns::TRACE_IDS {
            let Some(ids) = rows.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt()) else { continue };
            let mut before: Option<&[u8]> = None;
            let mut hash = 0;
            for (row, id) in (self.next_row..).zip(ids.iter()) {
                let Some(id) = id else { continue };
                if before != Some(id) {
                    hash = hash_of(id);
                    before = Some(id);
                }
                let known = self.rows.entry(hash).or_insert((row, row));
                *known = (known.0.min(row), known.1.max(row));
            }
        }
        self.next_row = self.next_row.saturating_add(u32::try_from(rows.num_rows()).unwrap_or(u32::MAX));
    }

    fn entries(&self, part: u16) -> Vec<Entry> {
        let entries = self.rows.iter();
        let mut entries: Vec<Entry> =
            entries.map(|(hash, (first, last))| Entry::new(*hash, part, u64::from(*first), u64::from(*last))).collect();
        entries.sort_unstable();
        entries
    }
}

/// The traces of a part that is there.
fn traces_of(reader: &PartsReader, part: &Part) -> Result<TraceRows, StoreError> {
    let mut traces = TraceRows::default();
    let builder = ParquetRecordBatchReaderBuilder::try_new(PartChunks(reader.open(&part.path)?))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns::TRACE_IDS);
    for rows in builder.with_projection(mask).build()? {
        traces.push(&rows?);
    }
    Ok(traces)
}

/// Whether a part's bloom filters allow that it holds the trace. One that cannot be asked may hold it.
pub(crate) fn may_hold(reader: &PartsReader, part: &Part, trace_id: &[u8; 16]) -> Result<bool, StoreError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(PartChunks(reader.open(&part.path)?))?;
    let schema = builder.parquet_schema();
    let id = FixedLenByteArray::from(trace_id.to_vec());
    for name in columns::TRACE_IDS {
        let Some(column) = (0..schema.num_columns()).find(|place| schema.column(*place).name() == name) else { continue };
        for group in 0..builder.metadata().num_row_groups() {
            match builder.get_row_group_column_bloom_filter(group, column)? {
                Some(filter) if !filter.check(&id) => {}
                _ => return Ok(true),
            }
        }
    }
    Ok(false)
}
