//! What is measured, and how large: one file a subject, each giving plain figures that the report words.

pub mod answers;
pub mod ingest;
pub mod lifecycle;
pub mod visible;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::data::{DataSet, What};
use crate::server::Stage;

/// Everything a measurement needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    pub stage: Stage,
    /// The project's folder.
    pub root: PathBuf,
    /// Data sets, peers and their tables; kept from run to run.
    pub cache: PathBuf,
    /// Folders of servers, on the same disk as the cache; removed at the end.
    pub scratch: PathBuf,
    pub sizes: Sizes,
}

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Runs of each load; their median counts.
    pub runs: usize,
    /// Spans of a run that ends with the last answer. The log forces a flush at 256 MB, so no more than that.
    pub spans_acked: usize,
    pub spans: usize,
    pub lines: usize,
    pub points: usize,
    pub documents: usize,
    pub datagrams: usize,
    pub events: usize,
    pub items: usize,
    /// Rows of the data sets for queries.
    pub rows: u64,
    /// Parts among which a trace is looked for.
    pub trace_parts: u64,
    /// Parts that are planned over and started with, a hundred rows each.
    pub many_parts: u64,
    /// Times each question is asked, once more to warm up.
    pub repeats: usize,
    /// Batches of which it is measured how soon they are seen.
    pub batches: usize,
    pub idle_seconds: u64,
}

impl Sizes {
    /// What the report is made of.
    pub fn full() -> Sizes {
        Sizes {
            runs: 5,
            spans_acked: 400_000,
            spans: 1_000_000,
            lines: 1_000_000,
            points: 1_000_000,
            documents: 60_000,
            datagrams: 40_000,
            events: 500_000,
            items: 8_000,
            rows: 10_000_000,
            trace_parts: 1_000,
            many_parts: 10_000,
            repeats: 5,
            batches: 20,
            idle_seconds: 10,
        }
    }

    /// Everything once, to see that it works; the figures mean nothing.
    pub fn quick() -> Sizes {
        Sizes {
            runs: 1,
            spans_acked: 20_000,
            spans: 20_000,
            lines: 20_000,
            points: 20_000,
            documents: 1_000,
            datagrams: 500,
            events: 10_000,
            items: 200,
            rows: 100_000,
            trace_parts: 50,
            many_parts: 200,
            repeats: 2,
            batches: 3,
            idle_seconds: 2,
        }
    }

    /// The day of spans that is compared with peers.
    pub fn settled_spans(&self) -> DataSet {
        DataSet { name: self.named("spans-settled", "quick-spans-settled"), what: What::Spans, rows: self.rows, parts: None }
    }

    pub fn settled_lines(&self) -> DataSet {
        DataSet { name: self.named("lines-settled", "quick-lines-settled"), what: What::Lines, rows: self.rows, parts: None }
    }

    pub fn traces_in_parts(&self) -> DataSet {
        let name = self.named("spans-in-parts", "quick-spans-in-parts");
        DataSet { name, what: What::Spans, rows: self.rows, parts: Some(self.trace_parts) }
    }

    pub fn many_small_parts(&self) -> DataSet {
        let name = self.named("many-parts", "quick-many-parts");
        DataSet { name, what: What::Spans, rows: self.many_parts * 100, parts: Some(self.many_parts) }
    }

    /// A quick run must not take the place of the large sets.
    fn named(&self, full: &'static str, quick: &'static str) -> &'static str {
        if self.runs == 1 { quick } else { full }
    }
}

impl Plan {
    /// An empty folder for a server.
    pub fn fresh_folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.scratch.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A copy of a data set that a server may do with as it likes: parts are linked, the rest is copied.
    pub fn borrow(&self, set: &Path, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.fresh_folder(name)?;
        copy(set, &folder).with_context(|| format!("cannot copy {}", set.display()))?;
        Ok(folder)
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            copy(&entry.path(), &target)?;
        } else if entry.path().extension().is_some_and(|extension| extension == "parquet") {
            // Parts never change, and there may be gigabytes of them.
            fs::hard_link(entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// The middle one of some numbers, the mean of the two middle ones when there is none; NaN of nothing.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
