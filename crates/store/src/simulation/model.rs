//! What must be there: the plainest store there is, to compare with.

use std::collections::{BTreeMap, BTreeSet};

/// What is known of every row that was ever sent, by its number.
#[derive(Default)]
pub(super) struct Model {
    /// Acknowledged, or found after a restart: there for good, once.
    kept: BTreeSet<i64>,
    /// Appends that were answered with an error, or not at all, after they may have reached the disk, by their first row. Not
    /// visible until a restart; then all of its rows or none, for good.
    in_doubt: BTreeMap<i64, i64>,
}

impl Model {
    pub fn kept(&mut self, first: i64, count: i64) {
        self.kept.extend(first..first + count);
    }

    pub fn in_doubt(&mut self, first: i64, count: i64) {
        self.in_doubt.insert(first, count);
    }

    pub fn kept_rows(&self) -> usize {
        self.kept.len()
    }

    /// Compares with what is visible while a process runs.
    pub fn check(&self, visible: &[i64]) -> Result<(), String> {
        let distinct: BTreeSet<i64> = visible.iter().copied().collect();
        if distinct.len() != visible.len() {
            let twice: Vec<i64> = visible.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            return Err(format!("rows are there twice: {twice:?}"));
        }
        if distinct == self.kept {
            return Ok(());
        }
        let missing: Vec<&i64> = self.kept.difference(&distinct).collect();
        let extra: Vec<&i64> = distinct.difference(&self.kept).collect();
        Err(format!("missing {missing:?}, there although refused or unknown {extra:?}"))
    }

    /// Learns from what is visible after a restart which appends in doubt came through.
    pub fn settle(&mut self, visible: &[i64]) -> Result<u64, String> {
        let mut came_through = 0;
        for (first, count) in std::mem::take(&mut self.in_doubt) {
            let there = (first..first + count).filter(|number| visible.binary_search(number).is_ok()).count() as i64;
            match there {
                0 => {}
                _ if there == count => {
                    came_through += 1;
                    self.kept(first, count);
                }
                _ => return Err(format!("{there} of the {count} rows of an append from {first} on are there")),
            }
        }
        self.check(visible)?;
        Ok(came_through)
    }
}
