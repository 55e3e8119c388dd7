//! Queries as jobs: begun, asked about, stopped, and remembered for a while with what they found.

use std::collections::HashMap;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::limits::{INSIGHTS_CELLS_KEPT_MAX, INSIGHTS_QUERIES_REMEMBERED, INSIGHTS_QUERIES_RUNNING_MAX};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Running,
    Complete,
    Failed,
    Cancelled,
    Timeout,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "Running",
            Status::Complete => "Complete",
            Status::Failed => "Failed",
            Status::Cancelled => "Cancelled",
            Status::Timeout => "Timeout",
        }
    }
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub id: String,
    pub language: String,
    pub text: String,
    /// With the groups and times of the request, as the service tells it.
    pub expanded: String,
    pub log_groups: Vec<String>,
    pub begun_ms: i64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Fields and their values, row by row.
    pub rows: Vec<Vec<(String, String)>>,
    pub records_matched: f64,
    pub records_scanned: f64,
    pub bytes_scanned: f64,
}

#[derive(Clone, Debug)]
pub struct Job {
    pub asked: Asked,
    pub status: Status,
    pub duration_ms: i64,
    pub found: std::sync::Arc<Found>,
    abort: Option<AbortHandle>,
}

#[derive(Default)]
pub struct QueryJobs(Mutex<HashMap<String, Job>>);

impl QueryJobs {
    /// Remembers a query that is about to run; `None` when too many do.
    pub fn begin(&self, asked: Asked) -> Option<()> {
        let mut jobs = self.0.lock();
        if jobs.values().filter(|job| job.status == Status::Running).count() >= INSIGHTS_QUERIES_RUNNING_MAX {
            return None;
        }
        let job =
            Job { status: Status::Running, duration_ms: 0, found: std::sync::Arc::default(), abort: None, asked: asked.clone() };
        jobs.insert(asked.id, job);
        forget_the_oldest(&mut jobs);
        Some(())
    }

    /// By what the query can be stopped.
    pub fn running_as(&self, id: &str, abort: AbortHandle) {
        if let Some(job) = self.0.lock().get_mut(id) {
            job.abort = Some(abort);
        }
    }

    /// Notes how a query ended, unless it was stopped before.
    pub fn end(&self, id: &str, status: Status, found: Found, now_ms: i64) {
        let mut jobs = self.0.lock();
        if let Some(job) = jobs.get_mut(id).filter(|job| job.status == Status::Running) {
            job.status = status;
            job.duration_ms = (now_ms - job.asked.begun_ms).max(0);
            job.found = std::sync::Arc::new(found);
            job.abort = None;
        }
        forget_the_oldest(&mut jobs);
    }

    pub fn forget(&self, id: &str) {
        self.0.lock().remove(id);
    }

    pub fn find(&self, id: &str) -> Option<Job> {
        self.0.lock().get(id).cloned()
    }

    /// Whether it ran; `None` for one that is not known.
    pub fn stop(&self, id: &str, now_ms: i64) -> Option<bool> {
        let mut jobs = self.0.lock();
        let job = jobs.get_mut(id)?;
        if job.status != Status::Running {
            return Some(false);
        }
        job.status = Status::Cancelled;
        job.duration_ms = (now_ms - job.asked.begun_ms).max(0);
        if let Some(abort) = job.abort.take() {
            abort.abort();
        }
        Some(true)
    }

    /// Newest first.
    pub fn all(&self) -> Vec<Job> {
        let mut all: Vec<Job> = self.0.lock().values().cloned().collect();
        all.sort_by(|a, b| (b.asked.begun_ms, &b.asked.id).cmp(&(a.asked.begun_ms, &a.asked.id)));
        all
    }
}

fn forget_the_oldest(jobs: &mut HashMap<String, Job>) {
    let cells = |job: &Job| job.found.rows.iter().map(Vec::len).sum::<usize>();
    while jobs.len() > 1
        && (jobs.len() > INSIGHTS_QUERIES_REMEMBERED || jobs.values().map(cells).sum::<usize>() > INSIGHTS_CELLS_KEPT_MAX)
    {
        let ended = jobs.values().filter(|job| job.status != Status::Running);
        let Some(oldest) = ended.min_by_key(|job| job.asked.begun_ms).map(|job| job.asked.id.clone()) else { return };
        jobs.remove(&oldest);
    }
}

impl Job {
    pub fn statistics(&self) -> Value {
        json!({
            "recordsMatched": self.found.records_matched,
            "recordsScanned": self.found.records_scanned,
            "bytesScanned": self.found.bytes_scanned,
            "estimatedRecordsSkipped": 0.0,
            "estimatedBytesSkipped": 0.0,
            "logGroupsScanned": self.asked.log_groups.len() as f64,
            "resultCount": self.found.rows.len() as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: usize) -> Asked {
        Asked { id: id.to_string(), begun_ms: id as i64, ..Asked::default() }
    }

    #[test]
    fn the_oldest_queries_are_forgotten() {
        let jobs = QueryJobs::default();
        for id in 0..INSIGHTS_QUERIES_REMEMBERED + 5 {
            jobs.begin(asked(id)).unwrap();
            jobs.end(&id.to_string(), Status::Complete, Found::default(), id as i64 + 3);
        }
        assert_eq!(jobs.all().len(), INSIGHTS_QUERIES_REMEMBERED);
        assert!(jobs.find("0").is_none());
        assert_eq!(jobs.find("100").unwrap().duration_ms, 3);
    }

    #[test]
    fn a_stopped_query_stays_stopped() {
        let jobs = QueryJobs::default();
        jobs.begin(asked(1)).unwrap();
        assert_eq!((jobs.stop("1", 9), jobs.stop("1", 9), jobs.stop("2", 9)), (Some(true), Some(false), None));
        jobs.end("1", Status::Complete, Found::default(), 10);
        assert_eq!(jobs.find("1").unwrap().status, Status::Cancelled);
    }

    #[test]
    fn so_many_run_at_once() {
        let jobs = QueryJobs::default();
        for id in 0..INSIGHTS_QUERIES_RUNNING_MAX {
            jobs.begin(asked(id)).unwrap();
        }
        assert!(jobs.begin(asked(99)).is_none());
    }
}
