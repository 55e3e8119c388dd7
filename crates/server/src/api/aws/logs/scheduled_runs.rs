//! Scheduled queries at work: asked when they are due, their results written to a bucket or to a lookup table, or told to an address.
//!
//! What a stop interrupted is asked again; files are written over and deliveries are made once, so nothing is told twice. Of
//! times that passed while nobody ran, the newest is made up for.
//!
//! Quirks:  an `http` or `https` address for `executionRoleArn` is told the results

use std::time::Duration;

use async_trait::async_trait;
use metastore::Evaluation;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::LogsApi;
use super::buckets::{Bucket, key};
use super::lookup_tables::LOOKUP_TABLE;
use super::query_jobs::{Found, Job, Status};
use super::resources::{self, OF_KIND_MAX, Stored};
use super::scheduled_queries::SCHEDULED_QUERY;
use super::subscribed::is_address;
use crate::Services;
use crate::alerting::{Destination, EvaluationError, Evaluator, NewDelivery, Payload};
use crate::api::aws::Call;
use crate::api::aws::schedule::Schedule;
use crate::limits::{SCHEDULED_QUERY_LOOK, SCHEDULED_QUERY_ROWS_MAX, SCHEDULED_QUERY_RUNS_KEPT, SCHEDULED_QUERY_TIME_MAX};

/// How often it is looked whether a query has ended.
const POLL: Duration = Duration::from_millis(100);

/// How far back a query looks that does not say.
const SPAN_DEFAULT_SECONDS: i64 = 3_600;

/// What is remembered of a query's runs.
#[derive(Default, Serialize, Deserialize)]
pub struct Runs {
    /// In seconds.
    last_due: i64,
    /// Entries of the history, the newest first.
    pub history: Vec<Value>,
}

pub struct ScheduledQueries;

const NAME: &str = "cloudwatch.scheduled_queries";

#[async_trait]
impl Evaluator for ScheduledQueries {
    fn name(&self) -> &'static str {
        NAME
    }

    fn every(&self) -> Duration {
        SCHEDULED_QUERY_LOOK
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        let queries = resources::all(services, SCHEDULED_QUERY, None).await.map_err(failed)?;
        for query in queries.iter().filter(|query| query.text("state") == "ENABLED") {
            let call = Call::own(services, &Value::Object(Map::new()));
            let Some(logs) = LogsApi::own(services, &call, "GetScheduledQuery") else { return Ok(()) };
            logs.run_if_due(query, now_unix_nano / 1_000_000_000).await?;
        }
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> EvaluationError {
    EvaluationError::Other(error.to_string())
}

impl LogsApi<'_> {
    pub(super) async fn runs(&self, query: &str) -> Result<Runs, metastore::MetastoreError> {
        let found = self.metastore().evaluation(self.project, NAME, query).await?;
        Ok(found.and_then(|found| serde_json::from_str(&found.state).ok()).unwrap_or_default())
    }

    pub(super) async fn forget_runs(&self, query: &str) -> Result<(), metastore::MetastoreError> {
        self.metastore().delete_evaluation(self.project, NAME, query).await
    }

    async fn run_if_due(&self, query: &Stored, now: i64) -> Result<(), EvaluationError> {
        let Some(due) = last_due(query, now).filter(|due| due * 1_000 >= query.created_ms) else { return Ok(()) };
        let mut runs = self.runs(&query.name).await?;
        let time = |member: &str| query.document.get(member).and_then(Value::as_i64).map(milliseconds);
        let is_within = time("scheduleStartTime").is_none_or(|start| due * 1_000 >= start)
            && time("scheduleEndTime").is_none_or(|end| due * 1_000 <= end);
        if runs.last_due >= due || !is_within {
            return Ok(());
        }
        let entry = self.run(query, due).await?;
        tracing::info!(query = query.name, status = entry["executionStatus"].as_str(), "a scheduled query ran");
        runs.last_due = due;
        runs.history.insert(0, entry);
        runs.history.truncate(SCHEDULED_QUERY_RUNS_KEPT);
        let state = serde_json::to_string(&runs).map_err(failed)?;
        let evaluation = Evaluation { subject: query.name.clone(), state, evaluated_at_unix_nano: now * 1_000_000_000 };
        Ok(self.metastore().put_evaluation(self.project, NAME, &evaluation).await?)
    }

    /// Asks a query and hands its results on; what the history says of it.
    async fn run(&self, query: &Stored, due: i64) -> Result<Value, EvaluationError> {
        let mut entry = json!({ "triggeredTimestamp": due * 1_000 });
        let call = Call::own(self.services, &start_query(query, due));
        let reply = super::answer(self.services, &call, "StartQuery").await;
        let told: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let Some(id) = told["queryId"].as_str() else {
            let is_wrong = told["__type"].as_str().is_some_and(|name| name.contains("MalformedQuery"));
            entry["executionStatus"] = if is_wrong { "InvalidQuery" } else { "Failed" }.into();
            entry["errorMessage"] = told["message"].clone();
            return Ok(entry);
        };
        entry["queryId"] = id.into();
        let Some(job) = self.ended(id).await else {
            entry["executionStatus"] = "Timeout".into();
            return Ok(entry);
        };
        entry["executionStatus"] = match job.status {
            Status::Complete => "Complete",
            Status::Timeout => "Timeout",
            _ => "Failed",
        }
        .into();
        if job.status == Status::Complete {
            let destinations = self.hand_on(query, due, &job).await?;
            if !destinations.is_empty() {
                entry["destinations"] = destinations.into();
            }
        }
        Ok(entry)
    }

    async fn ended(&self, id: &str) -> Option<Job> {
        let waiting = async {
            loop {
                match self.services.logs.queries.find(id) {
                    Some(job) if job.status == Status::Running => tokio::time::sleep(POLL).await,
                    found => return found,
                }
            }
        };
        tokio::time::timeout(SCHEDULED_QUERY_TIME_MAX, waiting).await.ok().flatten()
    }

    async fn hand_on(&self, query: &Stored, due: i64, job: &Job) -> Result<Vec<Value>, EvaluationError> {
        let mut told = Vec::new();
        let configuration = query.document.get("destinationConfiguration").unwrap_or(&Value::Null);
        let mut tell = |kind: &str, identifier: &str, written: Result<String, String>| {
            let mut destination = json!({ "destinationType": kind, "destinationIdentifier": identifier });
            match written {
                Ok(place) => (destination["status"], destination["processedIdentifier"]) = ("COMPLETE".into(), place.into()),
                Err(why) => (destination["status"], destination["errorMessage"]) = ("FAILED".into(), why.into()),
            }
            told.push(destination);
        };
        if let Some(uri) = configuration["s3Configuration"]["destinationIdentifier"].as_str() {
            tell("S3", uri, self.write_to_bucket(uri, &query.name, due, &job.found).await);
        }
        if let Some(table) = configuration["lookupTableConfiguration"]["tableName"].as_str() {
            let mut document = Map::new();
            document.insert("tableBody".into(), csv(&job.found).into());
            let put = self.put(LOOKUP_TABLE, "", table, &document, OF_KIND_MAX).await;
            tell("LOOKUP_TABLE", table, put.map(|()| table.to_owned()).map_err(|error| error.message));
        }
        let address = query.text("executionRoleArn");
        if is_address(address) {
            let body = json!({
                "name": query.name,
                "queryId": job.asked.id,
                "queryString": query.text("queryString"),
                "triggeredTimestamp": due * 1_000,
                "statistics": job.statistics(),
                "results": objects(&job.found),
            });
            let delivery = NewDelivery {
                origin: format!("cloudwatch.scheduled_query:{}", query.name),
                dedupe_key: due.to_string(),
                destination: Destination::Http { url: address.to_owned(), headers: Default::default() },
                payload: Payload::json(body),
            };
            self.services.outbox.send(delivery).await?;
        }
        Ok(told)
    }

    async fn write_to_bucket(&self, uri: &str, query: &str, due: i64, found: &Found) -> Result<String, String> {
        let rest = uri.strip_prefix("s3://").unwrap_or(uri);
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let bucket = Bucket::find(self.services, name).ok_or_else(|| format!("there is no bucket {name}"))?;
        let time = jiff::Timestamp::from_second(due).unwrap_or_default().strftime("%Y-%m-%dT%H-%M-%SZ");
        let place = key(&[prefix, &query.replace('/', "-"), &format!("{time}.json")]);
        bucket.put(self.services, &place, objects(found).to_string().into_bytes()).await?;
        Ok(format!("s3://{name}/{place}"))
    }
}

/// The newest time at which a query was due, in seconds. Times of day are those of its time zone.
fn last_due(query: &Stored, now: i64) -> Option<i64> {
    let schedule = Schedule::parse(query.text("scheduleExpression"))?;
    if matches!(schedule, Schedule::Rate(_)) {
        return schedule.last_due(now);
    }
    let zone = jiff::tz::TimeZone::get(query.text("timezone")).unwrap_or(jiff::tz::TimeZone::UTC);
    let offset = i64::from(zone.to_offset(jiff::Timestamp::from_second(now).ok()?).seconds());
    Some(schedule.last_due(now + offset)? - offset)
}

/// Seconds or milliseconds since 1970 as milliseconds: both are sent.
pub fn milliseconds(time: i64) -> i64 {
    // Seconds have eleven digits for the next three thousand years.
    if time < 100_000_000_000 { time.saturating_mul(1_000) } else { time }
}

fn start_query(query: &Stored, due: i64) -> Value {
    let offset = |member: &str| query.document.get(member).and_then(Value::as_i64);
    let end = due - offset("endTimeOffset").unwrap_or(0);
    let mut asked = json!({
        "queryLanguage": query.text("queryLanguage"),
        "queryString": query.text("queryString"),
        "startTime": due - offset("startTimeOffset").unwrap_or(SPAN_DEFAULT_SECONDS),
        // The last second counts whole: the one before the next run begins.
        "endTime": end - 1,
        "limit": SCHEDULED_QUERY_ROWS_MAX,
    });
    if let Some(groups) = query.document.get("logGroupIdentifiers") {
        asked["logGroupIdentifiers"] = groups.clone();
    }
    asked
}

const POINTER: &str = "@ptr";

fn objects(found: &Found) -> Value {
    let row = |row: &Vec<(String, String)>| {
        let cells = row.iter().filter(|(name, _)| name != POINTER);
        Value::Object(cells.map(|(name, value)| (name.clone(), value.as_str().into())).collect())
    };
    found.rows.iter().map(row).collect()
}

/// With a line of names.
fn csv(found: &Found) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in found.rows.iter().flatten().filter(|(name, _)| name != POINTER) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let mut out = names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",") + "\n";
    for row in &found.rows {
        let cell = |wanted: &&str| row.iter().find(|(name, _)| name == wanted).map_or(String::new(), |(_, value)| quoted(value));
        out += &(names.iter().map(cell).collect::<Vec<_>>().join(",") + "\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        let cells = |cells: &[(&str, &str)]| cells.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let rows = vec![cells(&[("route", "/a,b"), ("n", "3"), ("@ptr", "x")]), cells(&[("n", "1")])];
        Found { rows, ..Found::default() }
    }

    #[test]
    fn results_are_written_down() {
        assert_eq!(csv(&found()), "route,n\n\"/a,b\",3\n,1\n");
        assert_eq!(objects(&found()), json!([{ "route": "/a,b", "n": "3" }, { "n": "1" }]));
    }

    #[test]
    fn times_of_day_are_those_of_a_zone() {
        let query = |zone: &str, expression: &str| Stored {
            owner: String::new(),
            name: "q".into(),
            document: json!({ "scheduleExpression": expression, "timezone": zone }).as_object().unwrap().clone(),
            created_ms: 0,
            changed_ms: 0,
        };
        let now: jiff::Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let due = |zone: &str, expression: &str| {
            last_due(&query(zone, expression), now.as_second()).map(|due| jiff::Timestamp::from_second(due).unwrap().to_string())
        };
        assert_eq!(due("UTC", "cron(0 9 * * ? *)").as_deref(), Some("2026-11-21T09:00:00Z"));
        assert_eq!(due("Asia/Tokyo", "cron(0 9 * * ? *)").as_deref(), Some("2026-11-21T00:00:00Z"));
        assert_eq!(due("nowhere", "rate(1 hour)").as_deref(), Some("2026-11-21T12:00:00Z"));
    }

    #[test]
    fn a_run_asks_for_what_is_over() {
        let document =
            json!({ "queryLanguage": "CWLI", "queryString": "stats count(*)", "startTimeOffset": 600, "endTimeOffset": 60 });
        let query = Stored {
            owner: String::new(),
            name: "q".into(),
            document: document.as_object().unwrap().clone(),
            created_ms: 0,
            changed_ms: 0,
        };
        let asked = start_query(&query, 10_000);
        assert_eq!((&asked["startTime"], &asked["endTime"]), (&9_400.into(), &9_939.into()));
        assert_eq!((milliseconds(1_795_226_742), milliseconds(1_795_226_742_550)), (1_795_226_742_000, 1_795_226_742_550));
    }
}
