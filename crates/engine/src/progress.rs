//! How far a running question is: rows that need not be looked at any more, out of all there are.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::path::Path;
use parking_lot::Mutex;

/// Shared by the scans of one question.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    rows_total: AtomicU64,
    rows_done: AtomicU64,
    /// Files whose rows were counted, by where their range begins.
    done: Mutex<HashSet<(Path, u64)>>,
}

impl Progress {
    /// A scan begins over so many rows.
    pub fn begin(&self, rows: u64) {
        self.rows_total.fetch_add(rows, Ordering::Relaxed);
    }

    /// So many rows are done with, whether they were read or could be left out.
    pub fn pass(&self, rows: u64) {
        self.rows_done.fetch_add(rows, Ordering::Relaxed);
    }

    /// A range of a file is done with; told again, it counts once.
    pub fn pass_file(&self, file: &Path, range_start: u64, rows: u64) {
        if self.done.lock().insert((file.clone(), range_start)) {
            self.pass(rows);
        }
    }

    /// What was done has to be done again.
    pub fn restart(&self) {
        self.rows_total.store(0, Ordering::Relaxed);
        self.rows_done.store(0, Ordering::Relaxed);
        self.done.lock().clear();
    }

    /// Between 0 and 1.
    pub fn share(&self) -> f64 {
        match self.rows_total.load(Ordering::Relaxed) {
            0 => 1.0,
            total => (self.rows_done.load(Ordering::Relaxed) as f64 / total as f64).min(1.0),
        }
    }
}
