//! The catalog's parts in memory, as of one snapshot: so that a query's cut costs no question to the metastore.
//!
//! A catalog never changes; a commit makes the next one. Whoever holds one, or a part of it, keeps the part's file from
//! being removed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use metastore::{CatalogChanges, CatalogedPart};
use model::Signal;

use crate::error::StoreError;
use crate::snapshot::{Part, PartInfo, TimeRange};

/// All visible parts of all projects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalog {
    pub snapshot: u64,
    /// Each table's parts by their oldest row.
    tables: HashMap<String, [Arc<Vec<Part>>; 3]>,
    /// Parts whose files cannot be trusted.
    damaged: Arc<HashSet<u64>>,
}

impl Catalog {
    /// The catalog after the changes, and the parts that are no longer in it.
    pub fn after(&self, changes: CatalogChanges) -> Result<(Catalog, Vec<Part>), StoreError> {
        let mut next = Catalog { snapshot: changes.snapshot, ..self.clone() };
        let ended: HashSet<u64> = changes.ended.into_iter().collect();
        let mut gone = Vec::new();
        if !ended.is_empty() {
            for parts in next.tables.values_mut().flatten() {
                if parts.iter().any(|part| ended.contains(&part.id)) {
                    let (old, kept) = parts.iter().cloned().partition(|part: &Part| ended.contains(&part.id));
                    gone.extend::<Vec<Part>>(old);
                    *parts = Arc::new(kept);
                }
            }
        }
        let mut touched: HashSet<(String, Signal)> = HashSet::new();
        for cataloged in changes.added {
            let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.table() == cataloged.signal) else { continue };
            if cataloged.damage.is_some() {
                Arc::make_mut(&mut next.damaged).insert(cataloged.id);
            }
            let tables = next.tables.entry(cataloged.project.clone()).or_default();
            touched.insert((cataloged.project.clone(), signal));
            Arc::make_mut(&mut tables[signal as usize]).push(part(cataloged, signal)?);
        }
        for (project, signal) in touched {
            if let Some(tables) = next.tables.get_mut(&project) {
                Arc::make_mut(&mut tables[signal as usize]).sort_by_key(|part| (part.min_time, part.id));
            }
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
        self.table(project, signal).filter(|part| !self.is_damaged(part) && overlaps(part, range)).cloned().collect()
    }

    /// The parts of a table that overlap the range and cannot be trusted.
    pub fn damaged_parts(&self, project: &str, signal: Signal, range: TimeRange) -> Vec<Part> {
        if self.damaged.is_empty() {
            return Vec::new();
        }
        self.table(project, signal).filter(|part| self.is_damaged(part) && overlaps(part, range)).cloned().collect()
    }

    /// Every table that has parts.
    pub fn tables(&self) -> impl Iterator<Item = (&str, Signal)> {
        self.tables.iter().flat_map(|(project, tables)| {
            let filled = Signal::ALL.into_iter().filter(|signal| !tables[*signal as usize].is_empty());
            filled.map(|signal| (project.as_str(), signal))
        })
    }

    pub fn all(&self) -> impl Iterator<Item = &Part> {
        self.tables.values().flatten().flat_map(|parts| parts.iter())
    }

    pub fn is_damaged(&self, part: &Part) -> bool {
        self.damaged.contains(&part.id)
    }

    fn table(&self, project: &str, signal: Signal) -> impl Iterator<Item = &Part> {
        self.tables.get(project).into_iter().flat_map(move |tables| tables[signal as usize].iter())
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
