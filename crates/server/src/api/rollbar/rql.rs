//! RQL: a query is a job that is begun, looked at, and gives its rows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::Path;
use engine::ask::rql::{RqlAnswer, RqlItem};
use http::StatusCode;
use metastore::ErrorItem;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::task::AbortHandle;

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, id, seconds, told};
use super::items::item_json;
use crate::ingest::items_up_to_date;
use crate::limits::{RQL_ITEMS_MAX, RQL_JOBS_REMEMBERED, RQL_JOBS_RUNNING_MAX};
use crate::{Services, now_unix_nano};

/// The jobs of a server, latest last. They are gone with it, as results are after a while at Rollbar.
#[derive(Clone, Default)]
pub struct RqlJobs(Arc<Mutex<Jobs>>);

#[derive(Default)]
struct Jobs {
    last_id: i64,
    jobs: VecDeque<Job>,
}

struct Job {
    id: i64,
    query: String,
    state: State,
    created_at_unix_nano: i64,
    changed_at_unix_nano: i64,
    /// Ends the work when the job is cancelled or forgotten.
    work: Option<AbortHandle>,
}

enum State {
    Running,
    Success { answer: Arc<RqlAnswer>, seconds: f64 },
    Failed { message: String },
    TimedOut { message: String },
    Cancelled,
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            State::Running => "running",
            State::Success { .. } => "success",
            State::Failed { .. } => "failed",
            State::TimedOut { .. } => "timed_out",
            State::Cancelled => "cancelled",
        }
    }
}

/// `POST /rql/jobs` with `query_string`: begins a job, or finds the one that was begun for the same query.
pub(super) async fn create(call: Call) -> Told {
    let members = call.members()?;
    let query = members.get("query_string").and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    if query.is_empty() {
        return Err(Wrong::invalid("expected query_string"));
    }
    let is_forced =
        matches!(members.get("force_refresh").map(Value::to_string).as_deref(), Some("true" | "1" | "\"1\"" | "\"true\""));
    let jobs = &call.services.rql_jobs;
    if let Some(known) = jobs.0.lock().jobs.iter().rev().find(|job| !is_forced && job.query == query) {
        return told(&known.json());
    }
    // What cannot be read is said at once, with the place.
    languages::rql::parse(&query).map_err(|error| Wrong::invalid(error.with_caret(&query)))?;
    let job = {
        let mut jobs = jobs.0.lock();
        if jobs.jobs.iter().filter(|job| matches!(job.state, State::Running)).count() >= RQL_JOBS_RUNNING_MAX {
            let message = format!("{RQL_JOBS_RUNNING_MAX} jobs are running already; ask again when one is done");
            return Err(Wrong::new(StatusCode::TOO_MANY_REQUESTS, message));
        }
        jobs.begin(query.clone(), now_unix_nano())
    };
    let (services, remembered) = (call.services.clone(), jobs.clone());
    let work = tokio::spawn(async move {
        let began = Instant::now();
        let outcome = run(&services, &query).await;
        remembered.end(job, outcome, began.elapsed().as_secs_f64(), now_unix_nano());
    });
    jobs.work(job, work.abort_handle());
    one_of(&call, job, |job| told(&job.json()))
}

/// The rows of a query, once everything that was taken in before it is written.
pub(super) async fn run(services: &Services, query: &str) -> Result<RqlAnswer, engine::EngineError> {
    let now = now_unix_nano();
    if let Err(error) = items_up_to_date(services).await {
        return Err(engine::EngineError::Internal(error.to_string()));
    }
    let is_about_items = languages::rql::parse(query).is_ok_and(|query| !languages::rql::item_columns_of(&query).is_empty());
    let known = if is_about_items {
        let found = services.metastore.error_items_with_fingerprints(&services.settings.project, RQL_ITEMS_MAX).await;
        found.map_err(|error| engine::EngineError::Internal(error.to_string()))?
    } else {
        Vec::new()
    };
    let items: Vec<RqlItem> = known.into_iter().map(|(group, item)| rql_item(group, &item)).collect();
    services.asker.rql(query, &items, seconds(now)).await
}

/// The columns `item.…`: as the API tells items, but with levels as numbers.
fn rql_item(group: String, item: &ErrorItem) -> RqlItem {
    let mut members = Map::new();
    if let Value::Object(told) = item_json(item) {
        members.extend(told.into_iter().map(|(key, value)| (format!("item.{key}"), value)));
    }
    members.insert("item.level".to_owned(), item.level.into());
    RqlItem { groups: vec![group], members }
}

/// `GET /rql/jobs`, latest first.
pub(super) async fn list(call: Call) -> Told {
    let jobs: Vec<Value> = call.services.rql_jobs.0.lock().jobs.iter().rev().map(Job::json).collect();
    told(&json!({ "page": 1, "jobs": jobs }))
}

/// `GET /rql/job/{id}`, with its rows if `expand=result`.
pub(super) async fn one(Path(text): Path<String>, call: Call) -> Told {
    let expand = call.list("expand").contains(&"result");
    one_of(&call, id("Job", &text)?, |job| {
        let mut json = job.json();
        if expand {
            json["result"] = job.result();
        }
        told(&json)
    })
}

/// `GET /rql/job/{id}/result`.
pub(super) async fn result(Path(text): Path<String>, call: Call) -> Told {
    one_of(&call, id("Job", &text)?, |job| {
        told(&json!({ "id": job.id, "job_id": job.id, "status": job.state.name(), "result": job.result() }))
    })
}

/// `POST /rql/job/{id}/cancel`.
pub(super) async fn cancel(Path(text): Path<String>, call: Call) -> Told {
    let number = id("Job", &text)?;
    call.services.rql_jobs.cancel(number, now_unix_nano());
    one_of(&call, number, |job| told(&job.json()))
}

fn one_of(call: &Call, number: i64, tell: impl FnOnce(&Job) -> Told) -> Told {
    let jobs = call.services.rql_jobs.0.lock();
    match jobs.jobs.iter().find(|job| job.id == number) {
        Some(job) => tell(job),
        None => Err(Wrong::missing("Job")),
    }
}

impl RqlJobs {
    fn work(&self, number: i64, work: AbortHandle) {
        let mut jobs = self.0.lock();
        if let Some(job) = jobs.jobs.iter_mut().find(|job| job.id == number && matches!(job.state, State::Running)) {
            job.work = Some(work);
        }
    }

    fn end(&self, number: i64, outcome: Result<RqlAnswer, engine::EngineError>, seconds: f64, now_unix_nano: i64) {
        let mut jobs = self.0.lock();
        let Some(job) = jobs.jobs.iter_mut().find(|job| job.id == number) else { return };
        if !matches!(job.state, State::Running) {
            return;
        }
        job.state = match outcome {
            Ok(answer) => State::Success { answer: Arc::new(answer), seconds },
            Err(error @ engine::EngineError::OutOfTime { .. }) => State::TimedOut { message: error.to_string() },
            Err(error) => State::Failed { message: error.to_string() },
        };
        (job.changed_at_unix_nano, job.work) = (now_unix_nano, None);
    }

    fn cancel(&self, number: i64, now_unix_nano: i64) {
        let mut jobs = self.0.lock();
        let Some(job) = jobs.jobs.iter_mut().find(|job| job.id == number && matches!(job.state, State::Running)) else { return };
        if let Some(work) = job.work.take() {
            work.abort();
        }
        (job.state, job.changed_at_unix_nano) = (State::Cancelled, now_unix_nano);
    }
}

impl Jobs {
    fn begin(&mut self, query: String, now_unix_nano: i64) -> i64 {
        if self.jobs.len() >= RQL_JOBS_REMEMBERED
            && let Some(forgotten) = self.jobs.pop_front()
            && let Some(work) = forgotten.work
        {
            work.abort();
        }
        self.last_id += 1;
        self.jobs.push_back(Job {
            id: self.last_id,
            query,
            state: State::Running,
            created_at_unix_nano: now_unix_nano,
            changed_at_unix_nano: now_unix_nano,
            work: None,
        });
        self.last_id
    }
}

impl Job {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "project_id": PROJECT_ID,
            "query_string": self.query,
            "status": self.state.name(),
            "job_hash": format!("{:016x}", xxhash_rust::xxh3::xxh3_64(self.query.as_bytes())),
            "date_created": seconds(self.created_at_unix_nano),
            "date_modified": seconds(self.changed_at_unix_nano),
        })
    }

    /// The rows; null as long as there are none.
    fn result(&self) -> Value {
        match &self.state {
            State::Success { answer, seconds } => json!({
                "rows": answer.rows,
                "columns": answer.columns,
                "selectionColumns": answer.columns,
                "rowcount": answer.rows.len(),
                "executionTime": seconds,
                "errors": [],
                "warnings": answer.stats.warnings,
                "isSimpleSelect": true,
            }),
            State::Failed { message } | State::TimedOut { message } => {
                json!({ "rows": [], "columns": [], "selectionColumns": [], "rowcount": 0, "errors": [message], "warnings": [] })
            }
            State::Running | State::Cancelled => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_end_once_and_the_oldest_gives_way() {
        let jobs = RqlJobs::default();
        let first = jobs.0.lock().begin("a".into(), 1);
        jobs.cancel(first, 2);
        jobs.end(first, Err(engine::EngineError::invalid("late")), 1.0, 3);
        assert_eq!(jobs.0.lock().jobs[0].state.name(), "cancelled");
        let second = jobs.0.lock().begin("b".into(), 1);
        jobs.end(second, Err(engine::EngineError::OutOfTime { seconds: 1 }), 1.0, 3);
        assert_eq!(jobs.0.lock().jobs[1].json()["status"], "timed_out");
        for _ in 0..RQL_JOBS_REMEMBERED {
            jobs.0.lock().begin("c".into(), 1);
        }
        let jobs = jobs.0.lock();
        assert_eq!((jobs.jobs.len(), jobs.jobs[0].id), (RQL_JOBS_REMEMBERED, 3));
    }
}
