//! The catalog of parts as the simulation has it: commits are whole and durable, and may be answered wrongly.

use metastore::{CatalogChanges, CatalogedPart, FlushCommit};

use crate::error::StoreError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CatalogFault {
    #[default]
    None,
    /// Nothing is read or written.
    Gone,
    /// Reads go, commits are refused: the disk is full.
    Full,
    /// The next commit is made and answered with an error.
    Unheard,
}

#[derive(Default)]
pub(super) struct SimulatedCatalog {
    pub fault: CatalogFault,
    pub snapshot: u64,
    pub wal_position: u64,
    pub parts: Vec<(u64, CatalogedPart)>,
}

impl SimulatedCatalog {
    pub fn wal_position(&self) -> Result<u64, StoreError> {
        if self.fault == CatalogFault::Gone { Err(failed()) } else { Ok(self.wal_position) }
    }

    pub fn commit(&mut self, commit: &FlushCommit) -> Result<(), StoreError> {
        if matches!(self.fault, CatalogFault::Gone | CatalogFault::Full) {
            return Err(failed());
        }
        if self.wal_position != commit.wal_position_before {
            return Err(StoreError::Unavailable(format!("overtaken: {} is flushed", self.wal_position)));
        }
        self.snapshot += 1;
        self.wal_position = commit.wal_position;
        for part in &commit.parts {
            let part = CatalogedPart {
                id: self.parts.len() as u64 + 1,
                project: part.project.clone(),
                signal: part.signal.clone(),
                path: part.path.clone(),
                rows: part.rows,
                bytes: part.bytes,
                sidecar_bytes: part.sidecar_bytes,
                min_time: part.min_time,
                max_time: part.max_time,
                level: part.level,
                damage: None,
            };
            self.parts.push((self.snapshot, part));
        }
        if self.fault == CatalogFault::Unheard {
            self.fault = CatalogFault::None;
            return Err(failed());
        }
        Ok(())
    }

    pub fn changes(&self, since_snapshot: u64) -> Result<CatalogChanges, StoreError> {
        if self.fault == CatalogFault::Gone {
            return Err(failed());
        }
        let added = self.parts.iter().filter(|(begin, _)| *begin > since_snapshot).map(|(_, part)| part.clone()).collect();
        Ok(CatalogChanges { snapshot: self.snapshot, wal_position: self.wal_position, added, ended: Vec::new() })
    }
}

fn failed() -> StoreError {
    StoreError::Unavailable("the catalog does not answer".into())
}
