//! Logs Insights' queries: started, asked about, stopped.
//!
//! Missing: CWLI and PPL; StartQuery refuses them. `SQL` is this store's own, over `logs`, `spans` and `metrics`

use engine::EngineError;
use receivers::aws::AwsError;
use receivers::cloudwatch::tokens::PageToken;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};

use super::query_jobs::{Asked, Found, Job, Status};
use super::{Answer, LogsApi, NANOS_PER_MS, not_found, page_after};
use crate::limits::INSIGHTS_START_WAIT_MAX;
use crate::{Services, now_unix_nano};

/// Rows of a query that does not say; and those of one that may have more.
const ROWS_DEFAULT: i64 = 10_000;
const ROWS_MAX: i64 = 100_000;

/// Rows on one page of results.
const ROWS_PER_PAGE: i64 = 10_000;

/// Groups that a query can name.
const GROUPS_MAX: usize = 50;

impl LogsApi<'_> {
    pub(super) async fn start_query(&self) -> Answer {
        let language = self.input.text("queryLanguage").unwrap_or("CWLI");
        let log_groups = self.queried_groups(language).await?;
        let (start, end) = (self.input.integer("startTime").unwrap_or(0), self.input.integer("endTime").unwrap_or(0));
        if start > end {
            return Err(self.invalid("The specified time range is invalid: startTime must not be after endTime."));
        }
        let text = self.input.required("queryString");
        if text.trim().is_empty() {
            return Err(malformed("The query is empty."));
        }
        if language != "SQL" {
            let message = format!("Queries in {language} are not answered here yet; queryLanguage SQL is.");
            return Err(malformed(message));
        }
        let asked = Asked {
            id: uuid::Uuid::new_v4().to_string(),
            language: language.to_owned(),
            text: text.to_owned(),
            log_groups,
            begun_ms: self.now_ms(),
        };
        let id = asked.id.clone();
        let jobs = &self.services.logs.queries;
        let limit_reached = || AwsError::new("LimitExceededException", "Account maximum query concurrency limit reached.");
        jobs.begin(asked.clone()).ok_or_else(limit_reached)?;
        let rows = self.input.integer("limit").unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX) as usize;
        let mut running = tokio::spawn(run(self.services.clone(), asked, rows));
        jobs.running_as(&id, running.abort_handle());
        if let Ok(Ok(Some(message))) = tokio::time::timeout(INSIGHTS_START_WAIT_MAX, &mut running).await {
            jobs.forget(&id);
            return Err(malformed(message));
        }
        Ok(json!({ "queryId": id }))
    }

    /// The groups that a query names, which have to be there.
    async fn queried_groups(&self, language: &str) -> Result<Vec<String>, AwsError> {
        let members = ["logGroupName", "logGroupNames", "logGroupIdentifiers"];
        let given = members.iter().filter(|member| self.input.has(member)).count();
        if given > 1 || (given == 0 && language == "PPL") {
            return Err(self.invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be specified."));
        }
        let mut identifiers: Vec<&str> = self.input.text("logGroupName").into_iter().collect();
        identifiers.extend(self.input.texts("logGroupNames"));
        identifiers.extend(self.input.texts("logGroupIdentifiers"));
        if identifiers.len() > GROUPS_MAX {
            return Err(self.invalid(format!("A query can name at most {GROUPS_MAX} log groups.")));
        }
        let mut groups = Vec::with_capacity(identifiers.len());
        for identifier in identifiers {
            let name = wire::log_group_name_from_identifier("logGroupIdentifiers", identifier)?;
            let account = &self.services.settings.account_id;
            let missing = |_| not_found(format!("Log group '{name}' does not exist for account ID '{account}'"));
            self.group(name).await.map_err(missing)?;
            groups.push(name.to_owned());
        }
        Ok(groups)
    }

    pub(super) fn stop_query(&self) -> Answer {
        match self.services.logs.queries.stop(self.input.required("queryId"), self.now_ms()) {
            Some(was_running) => Ok(json!({ "success": was_running })),
            None => Err(query_not_found()),
        }
    }

    pub(super) fn get_query_results(&self) -> Answer {
        let id = self.input.required("queryId");
        let job = self.services.logs.queries.find(id).ok_or_else(query_not_found)?;
        let question = ["GetQueryResults", id];
        let from = page_after(self.input.text("nextToken"), &question)?;
        let from = from.and_then(|from| from.parse::<usize>().ok()).unwrap_or(0);
        let limit = self.input.integer("maxItems").filter(|limit| *limit > 0).unwrap_or(ROWS_PER_PAGE) as usize;
        let rows = &job.found.rows;
        let page = rows.iter().skip(from).take(limit).map(|row| {
            let cells = row.iter().map(|(field, value)| json!({ "field": field, "value": value }));
            Value::Array(cells.collect())
        });
        let mut answer = json!({
            "queryLanguage": job.asked.language,
            "results": page.collect::<Vec<_>>(),
            "statistics": job.statistics(),
            "status": job.status.as_str(),
        });
        if from + limit < rows.len() {
            answer["nextToken"] = PageToken::new((from + limit).to_string(), &question).encode().into();
        }
        Ok(answer)
    }

    pub(super) fn describe_queries(&self) -> Answer {
        let (group, status) = (self.input.text("logGroupName"), self.input.text("status"));
        let language = self.input.text("queryLanguage");
        let asked = |job: &Job| {
            group.is_none_or(|group| job.asked.log_groups.iter().any(|own| own == group))
                && status.is_none_or(|status| job.status.as_str() == status)
                && language.is_none_or(|language| job.asked.language == language)
        };
        let jobs = self.services.logs.queries.all().into_iter().filter(asked);
        // Newest first, and still in the order of their places.
        let place = |job: &Job| format!("{:020}\n{}", i64::MAX - job.asked.begun_ms, job.asked.id);
        let mut items: Vec<(String, Value)> = jobs.map(|job| (place(&job), told(&job))).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let question = ["DescribeQueries", group.unwrap_or_default(), status.unwrap_or_default(), language.unwrap_or_default()];
        self.listed_by_place("queries", &question, items)
    }

    pub(super) fn list_log_groups_for_query(&self) -> Answer {
        let id = self.input.required("queryId");
        let job = self.services.logs.queries.find(id).ok_or_else(query_not_found)?;
        let items = job.asked.log_groups.iter().map(|group| (group.clone(), self.owner().log_group_arn(group).into()));
        self.listed_by_place("logGroupIdentifiers", &["ListLogGroupsForQuery", id], items.collect())
    }
}

/// Runs a query to its end and notes it. Tells why it cannot be run, if it cannot.
async fn run(services: Services, asked: Asked, rows_max: usize) -> Option<String> {
    let asker = &services.asker;
    let answered = asker.engine.sql(&asker.project, &asked.text, rows_max).await;
    let (status, found, why) = match answered.and_then(found_in) {
        Ok(found) => (Status::Complete, found, None),
        Err(EngineError::OutOfTime { .. }) => (Status::Timeout, Found::default(), None),
        Err(EngineError::Invalid { message, .. }) => (Status::Failed, Found::default(), Some(message)),
        Err(error) => {
            tracing::warn!(%error, "a query by CloudWatch's API failed");
            (Status::Failed, Found::default(), None)
        }
    };
    services.logs.queries.end(&asked.id, status, found, now_unix_nano() / NANOS_PER_MS);
    why
}

fn found_in(answer: engine::Answer) -> Result<Found, EngineError> {
    let columns = answer.columns();
    let rows = answer.json_rows()?;
    let matched = rows.len() as f64;
    let rows = rows.into_iter().map(|row| {
        let cells = columns.iter().zip(row).filter(|(_, value)| !value.is_null());
        cells.map(|(column, value)| (column.name.clone(), text(value))).collect()
    });
    Ok(Found {
        rows: rows.collect(),
        records_matched: matched,
        records_scanned: answer.stats.rows_scanned as f64,
        bytes_scanned: 0.0,
    })
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn told(job: &Job) -> Value {
    let mut told = json!({
        "queryLanguage": job.asked.language,
        "queryId": job.asked.id,
        "queryString": job.asked.text,
        "status": job.status.as_str(),
        "createTime": job.asked.begun_ms,
        "queryDuration": job.duration_ms,
        "bytesScanned": job.found.bytes_scanned,
    });
    if let [group] = job.asked.log_groups.as_slice() {
        told["logGroupName"] = group.as_str().into();
    }
    told
}

fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new("MalformedQueryException", message)
}

fn query_not_found() -> AwsError {
    not_found("The specified query does not exist.")
}
