//! Logs Insights' queries: started, asked about, stopped.
//!
//! Quirks:  `SQL` is this store's own, over `logs`, `spans` and `metrics`

use engine::EngineError;
use engine::ask::insights::{self, EventSource, EventSources, InsightsFailure, InsightsQuestion, PipeLanguage};
use languages::insights::{Command, CompileError};
use receivers::aws::AwsError;
use receivers::cloudwatch::sts;
use receivers::cloudwatch::tokens::PageToken;
use serde_json::{Value, json};

use super::data_protection::masks_of_sources;
use super::query_jobs::{Asked, Found, Job, Status};
use super::query_sources::NANOS_PER_SECOND;
use super::{Answer, LogsApi, NANOS_PER_MS, not_found, page_after};
use crate::limits::INSIGHTS_START_WAIT_MAX;
use crate::{Services, now_unix_nano};

/// Rows of a query that does not say; and those of one that may have more.
const ROWS_DEFAULT: i64 = 10_000;
const ROWS_MAX: i64 = 100_000;

/// 2^53: beyond it a float has no fractions left.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Rows on one page of results.
const ROWS_PER_PAGE: i64 = 10_000;

impl LogsApi<'_> {
    pub(super) async fn start_query(&self) -> Answer {
        let language = self.input.text("queryLanguage").unwrap_or("CWLI");
        let text = self.input.required("queryString");
        let pipe = if language == "PPL" { PipeLanguage::Ppl } else { PipeLanguage::Insights };
        let query = match language {
            "CWLI" | "PPL" if !text.trim().is_empty() => Some(insights::check(pipe, text).map_err(|error| uncompiled(&error))?),
            _ => None,
        };
        let says_itself = query.as_ref().is_some_and(|query| matches!(query.commands.first(), Some(Command::Source(_))));
        let log_groups = self.named_sources(says_itself || language == "SQL").await?;
        if text.trim().is_empty() {
            return Err(malformed("The query is empty."));
        }
        let rows = self.input.integer("limit").unwrap_or(ROWS_DEFAULT).clamp(1, ROWS_MAX) as usize;
        let mut question = InsightsQuestion { language: pipe, log_groups, rows_max: rows, ..InsightsQuestion::default() };
        if let Some(query) = &query {
            question.sources = self.written_sources(query, &question.log_groups).await?;
            question.tables = self.tables_of(query).await?;
            question.masks = masks_of_sources(self.services, question.sources.values().chain([&question.log_groups])).await?;
            question.may_unmask = self.may_unmask();
        }
        let asked = Asked {
            id: uuid::Uuid::new_v4().to_string(),
            language: language.to_owned(),
            text: text.to_owned(),
            expanded: if says_itself || language != "CWLI" { text.to_owned() } else { expanded(&question.log_groups, text) },
            log_groups: names(question.sources.values().chain([&question.log_groups])),
            begun_ms: self.now_ms(),
        };
        let id = asked.id.clone();
        let jobs = &self.services.logs.queries;
        let limit_reached = || AwsError::new("LimitExceededException", "Account maximum query concurrency limit reached.");
        jobs.begin(asked.clone()).ok_or_else(limit_reached)?;
        let mut running = tokio::spawn(run(self.services.clone(), asked, question));
        jobs.running_as(&id, running.abort_handle());
        if let Ok(Ok(Some(error))) = tokio::time::timeout(INSIGHTS_START_WAIT_MAX, &mut running).await {
            jobs.forget(&id);
            return Err(error);
        }
        Ok(json!({ "queryId": id }))
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
        let mut items: Vec<(String, Value)> = jobs.map(|job| (place(&job), self.told_query(&job))).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        let question = ["DescribeQueries", group.unwrap_or_default(), status.unwrap_or_default(), language.unwrap_or_default()];
        self.listed_by_place("queries", &question, items)
    }

    fn told_query(&self, job: &Job) -> Value {
        let mut told = json!({
            "queryLanguage": job.asked.language,
            "queryId": job.asked.id,
            "queryString": job.asked.expanded,
            "status": job.status.as_str(),
            "createTime": job.asked.begun_ms,
            "queryDuration": job.duration_ms,
            "bytesScanned": job.found.bytes_scanned,
            "userIdentity": sts::caller_arn(&self.services.settings.account_id),
        });
        if let [group] = job.asked.log_groups.as_slice() {
            told["logGroupName"] = group.as_str().into();
        }
        told
    }

    pub(super) fn list_log_groups_for_query(&self) -> Answer {
        let id = self.input.required("queryId");
        let job = self.services.logs.queries.find(id).ok_or_else(query_not_found)?;
        let items = job.asked.log_groups.iter().map(|group| (group.clone(), self.owner().log_group_arn(group).into()));
        self.listed_by_place("logGroupIdentifiers", &["ListLogGroupsForQuery", id], items.collect())
    }
}

/// Groups by their names, each once.
fn names<'s>(sources: impl Iterator<Item = &'s EventSources>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for source in sources.flat_map(|sources| &sources.of) {
        let name = match source {
            EventSource::Group { name, .. } => name.clone(),
            EventSource::Spans => insights::SPANS_GROUP.to_owned(),
            EventSource::Service(name) | EventSource::Services(name) => format!("{}{name}", insights::SERVICE_GROUP_PREFIX),
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Runs a query to its end and notes it. Tells why it cannot be run, if it cannot.
async fn run(services: Services, asked: Asked, question: InsightsQuestion) -> Option<AwsError> {
    let answered = found(&services, &asked, &question).await;
    let (status, found, why) = match answered {
        Ok(found) => (Status::Complete, found, None),
        Err(InsightsFailure::Query(error)) => (Status::Failed, Found::default(), Some(uncompiled(&error))),
        Err(InsightsFailure::Engine(EngineError::OutOfTime { .. })) => (Status::Timeout, Found::default(), None),
        Err(InsightsFailure::Engine(EngineError::Invalid { message, .. })) => {
            (Status::Failed, Found::default(), Some(malformed(message)))
        }
        Err(InsightsFailure::Engine(error)) => {
            tracing::warn!(%error, "a query by CloudWatch's API failed");
            (Status::Failed, Found::default(), None)
        }
    };
    services.logs.queries.end(&asked.id, status, found, now_unix_nano() / NANOS_PER_MS);
    why
}

async fn found(services: &Services, asked: &Asked, question: &InsightsQuestion) -> Result<Found, InsightsFailure> {
    let asker = &services.asker;
    let account_id = &services.settings.account_id;
    if asked.language == "SQL" {
        let answer = asker.engine.sql(&asker.project, &asked.text, question.rows_max).await?;
        let (matched, scanned) = (answer.rows() as u64, answer.stats.rows_scanned);
        return Ok(told_rows(answer, matched, scanned, account_id)?);
    }
    let found = asker.insights(&asked.text, question).await?;
    Ok(told_rows(found.answer, found.matched, found.scanned, account_id)?)
}

fn told_rows(answer: engine::Answer, matched: u64, scanned: u64, account_id: &str) -> Result<Found, EngineError> {
    let columns = answer.columns();
    let rows = answer.json_rows()?.into_iter().map(|row| {
        let cells = columns.iter().zip(row).filter(|(column, value)| is_told(column, value));
        cells.map(|(column, value)| (column.name.clone(), told_value(column, value, account_id))).collect()
    });
    Ok(Found {
        rows: rows.collect(),
        records_matched: matched as f64,
        records_scanned: scanned as f64,
        bytes_scanned: answer.stats.bytes_scanned as f64,
    })
}

/// Whether there is a value: nothing is told of what is missing, nor of what was divided by nothing.
fn is_told(column: &engine::Column, value: &Value) -> bool {
    !(value.is_null() || column.r#type == "float64" && value.is_string())
}

/// Times as `2026-11-21 12:00:00.000`, a group with its account.
fn told_value(column: &engine::Column, value: Value, account_id: &str) -> String {
    let text = text(value);
    if column.name == "@log" {
        return format!("{account_id}:{text}");
    }
    if column.r#type == "timestamp"
        && let Ok(time) = text.parse::<jiff::Timestamp>()
    {
        return time.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string();
    }
    text
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        // Whole numbers have no point, whatever they were reckoned from.
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < WHOLE_MAX => format!("{}", float as i64),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A query with what the request said beside it: `SOURCE "a", "b" START=1795262400 END=1795266000 | limit 5`.
fn expanded(sources: &EventSources, text: &str) -> String {
    let groups: Vec<String> = names([sources].into_iter()).iter().map(|name| format!("\"{name}\"")).collect();
    let seconds = |nanos: i64| nanos / NANOS_PER_SECOND;
    // The last second counts whole, and is told as it was given.
    let (start, end) = (seconds(sources.start_unix_nano), seconds(sources.end_unix_nano) - 1);
    format!("SOURCE {} START={start} END={end} | {text}", groups.join(", "))
}

/// An error with its place, in characters.
fn uncompiled(error: &CompileError) -> AwsError {
    let location = json!({ "startCharOffset": error.start_char_offset, "endCharOffset": error.end_char_offset });
    let details = json!({ "queryCompileError": { "location": location, "message": error.message } });
    malformed(error.message.clone()).with_details(details)
}

fn malformed(message: impl Into<String>) -> AwsError {
    AwsError::new("MalformedQueryException", message)
}

fn query_not_found() -> AwsError {
    not_found("The specified query does not exist.")
}
