//! The catalog's parts in memory, as of one snapshot: so that a query's cut costs no question to the metastore.
//!
//! A catalog never changes; a commit makes the next one. Whoever holds one, or a part of it, keeps the part's file from
//! being removed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock, OnceLock};

use metastore::{CatalogChanges, CatalogedPart};
use model::Signal;

use crate::error::StoreError;
use crate::snapshot::{Part, PartInfo, TimeRange};
use crate::trace_index::{PartNumber, number_of};

/// All visible parts of all projects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub snapshot: u64,
    tables: HashMap<String, [Arc<Table>; 3]>,
    /// Parts whose files cannot be trusted.
    damaged: Arc<HashSet<u64>>,
}

/// The parts of one table, by their oldest row.
#[derive(Debug, Default)]
struct Table {
    parts: Vec<Part>,
    /// Where each part is among them, made when asked for.
    numbers: OnceLock<HashMap<PartNumber, usize>>,
}

impl Table {
    fn new(parts: Vec<Part>) -> Arc<Table> {
        Arc::new(Table { parts, numbers: OnceLock::new() })
    }
}

impl Catalog {
    /// The catalog after the changes, and the parts that are no longer in it.
    pub fn after(&self, changes: CatalogChanges) -> Result<(Catalog, Vec<Part>), StoreError> {
        let mut next = Catalog { snapshot: changes.snapshot, ..self.clone() };
        let ended: HashSet<u64> = changes.ended.into_iter().collect();
        let mut gone = Vec::new();
        if !ended.is_empty() {
            for table in next.tables.values_mut().flatten() {
                if table.parts.iter().any(|part| ended.contains(&part.id)) {
                    let (old, kept) = table.parts.iter().cloned().partition(|part: &Part| ended.contains(&part.id));
                    gone.extend::<Vec<Part>>(old);
                    *table = Table::new(kept);
                }
            }
        }
        let mut added: HashMap<(String, Signal), Vec<Part>> = HashMap::new();
        for cataloged in changes.added {
            let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.table() == cataloged.signal) else { continue };
            if cataloged.damage.is_some() {
                Arc::make_mut(&mut next.damaged).insert(cataloged.id);
            }
            added.entry((cataloged.project.clone(), signal)).or_default().push(part(cataloged, signal)?);
        }
        for ((project, signal), mut parts) in added {
            let table = &mut next.tables.entry(project).or_default()[signal as usize];
            parts.extend(table.parts.iter().cloned());
            parts.sort_by_key(|part| (part.min_time, part.id));
            *table = Table::new(parts);
        }
        Ok((next, gone))
    }

    /// The same catalog, with one more part that cannot be trusted.
    pub fn with_damaged(&self, id: u64) -> Catalog {
        let mut next = self.clone();
        Arc::make_mut(&mut next.damaged).insert(id);
        next
    }

    /// The sound parts of a table that overlap the range, oldest first.
    pub fn parts(&self, project: &str, signal: Signal, range: TimeRange) -> Vec<Part> {
        let parts = self.table(project, signal).iter();
        parts.filter(|part| overlaps(part, range) && !self.is_damaged(part)).cloned().collect()
    }

    /// The parts of a table that overlap the range and cannot be trusted.
    pub fn damaged_parts(&self, project: &str, signal: Signal, range: TimeRange) -> Vec<Part> {
        if self.damaged.is_empty() {
            return Vec::new();
        }
        let parts = self.table(project, signal).iter();
        parts.filter(|part| overlaps(part, range) && self.is_damaged(part)).cloned().collect()
    }

    /// Every table that has parts.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Signal)> {
        self.tables.iter().flat_map(|(project, tables)| {
            let filled = Signal::ALL.into_iter().filter(|signal| !tables[*signal as usize].parts.is_empty());
            filled.map(|signal| (project.as_str(), signal))
        })
    }

    pub fn all(&self) -> impl Iterator<Item = &Part> {
        self.tables.values().flatten().flat_map(|table| table.parts.iter())
    }

    /// How many parts cannot be trusted.
    pub fn damaged(&self) -> usize {
        self.damaged.len()
    }

    pub fn is_damaged(&self, part: &Part) -> bool {
        self.damaged.contains(&part.id)
    }

    /// All parts of a table, by their oldest row.
    pub fn table(&self, project: &str, signal: Signal) -> &[Part] {
        self.tables.get(project).map_or(&[], |tables| &tables[signal as usize].parts)
    }

    /// Where among [`Catalog::table`] each part is, by the number its file is called by.
    pub fn numbers(&self, project: &str, signal: Signal) -> &HashMap<PartNumber, usize> {
        static NONE: LazyLock<HashMap<PartNumber, usize>> = LazyLock::new(HashMap::new);
        let Some(tables) = self.tables.get(project) else { return &NONE };
        let table = &tables[signal as usize];
        table.numbers.get_or_init(|| {
            let numbers = table.parts.iter().enumerate();
            numbers.filter_map(|(place, part)| Some((number_of(part.path.as_ref())?, place))).collect()
        })
    }

    /// Takes over what another catalog knows of damage.
    pub fn inherit_damaged(&mut self, other: &Catalog) {
        if !other.damaged.is_subset(&self.damaged) {
            Arc::make_mut(&mut self.damaged).extend(other.damaged.iter());
        }
    }
}

fn overlaps(part: &Part, range: TimeRange) -> bool {
    range.overlaps(part.min_time, part.max_time)
}

fn part(cataloged: CatalogedPart, signal: Signal) -> Result<Part, StoreError> {
    let path = object_store::path::Path::parse(&cataloged.path)
        .map_err(|error| StoreError::Corrupt(format!("catalog names a part {:?}: {error}", cataloged.path)))?;
    Ok(Part::from(PartInfo {
        id: cataloged.id,
        project: cataloged.project,
        signal,
        path,
        rows: cataloged.rows,
        bytes: cataloged.bytes,
        sidecar_bytes: cataloged.sidecar_bytes,
        min_time: cataloged.min_time,
        max_time: cataloged.max_time,
        level: cataloged.level,
    }))
}
