//! Export tasks: the events of a group as files in a bucket, in AWS's layout: `prefix/task/stream/000000.gz`, a line an event.
//!
//! Tasks run on the clock, one after the other. One that a stop interrupted begins anew under its own id.
//!
//! Quirks:  one task at a time may be waiting or running, as at AWS

use std::io::Write;
use std::time::Duration;

use async_trait::async_trait;
use engine::ask::insights::EventSource;
use engine::ask::log_events::{LogEvent, LogEventFilter};
use flate2::Compression;
use flate2::write::GzEncoder;
use metastore::{LogStream, LogStreamFilter, ResourceKind};
use receivers::aws::AwsError;
use serde_json::{Map, Value, json};

use super::buckets::{Bucket, check_key, key};
use super::read::mask;
use super::resources::{self, OF_KIND_MAX, Stored};
use super::{Answer, LogsApi, NANOS_PER_MS, not_found};
use crate::alerting::{EvaluationError, Evaluator};
use crate::api::aws::Call;
use crate::limits::{EXPORT_EVENTS_AT_ONCE, EXPORT_FILE_BYTES_MAX, EXPORT_LOOK};
use crate::{Services, now_unix_nano};

const EXPORT_TASK: ResourceKind = ResourceKind { name: "logs.export_task", what: "export task" };

/// Where a task writes that names no prefix.
const PREFIX_DEFAULT: &str = "exportedlogs";

impl LogsApi<'_> {
    pub(super) async fn create_export_task(&self) -> Answer {
        let group = self.input.required("logGroupName");
        self.group(group).await?;
        let (from, to) = (self.input.integer("from").unwrap_or(0), self.input.integer("to").unwrap_or(0));
        if from >= to {
            return Err(self.invalid("The specified time range is invalid: from must be before to."));
        }
        let prefix = key(&[self.input.text("destinationPrefix").unwrap_or(PREFIX_DEFAULT)]);
        let bucket = Bucket::find(self.services, self.input.required("destination"));
        let no_bucket = || self.invalid("The given bucket does not exist. Please make sure the bucket is valid.");
        let bucket = bucket.ok_or_else(no_bucket)?;
        if check_key(&key(&[&prefix, "x"])).is_err() {
            return Err(self.invalid("The given destinationPrefix cannot be used."));
        }
        // As AWS does, to see that it may.
        let test = key(&[&prefix, "aws-logs-write-test"]);
        if let Err(why) = bucket.put(self.services, &test, b"Permission Check Successful".to_vec()).await {
            tracing::info!(why, "a bucket cannot be written to");
            return Err(no_bucket());
        }
        if self.all(EXPORT_TASK, None).await?.iter().any(is_active) {
            return Err(super::limit_exceeded());
        }
        let id = uuid::Uuid::new_v4().to_string();
        let mut document = self.input.only(&["taskName", "logGroupName", "logStreamNamePrefix", "from", "to", "destination"]);
        document.insert("destinationPrefix".into(), prefix.into());
        document.insert("status".into(), json!({ "code": "PENDING", "message": "The task waits." }));
        document.insert("executionInfo".into(), json!({ "creationTime": self.now_ms() }));
        self.put(EXPORT_TASK, "", &id, &document, OF_KIND_MAX).await?;
        Ok(json!({ "taskId": id }))
    }

    pub(super) async fn cancel_export_task(&self) -> Answer {
        let mut task = self.export_task(self.input.required("taskId")).await?;
        if !is_active(&task) {
            let message = "The specified export task cannot be cancelled: it has ended.";
            return Err(AwsError::new("InvalidOperationException", message));
        }
        task.document.insert("status".into(), json!({ "code": "PENDING_CANCEL", "message": "The task is to be cancelled." }));
        self.put(EXPORT_TASK, "", &task.name, &task.document, OF_KIND_MAX).await?;
        Ok(json!({}))
    }

    pub(super) async fn describe_export_tasks(&self) -> Answer {
        let mut tasks = match self.input.text("taskId") {
            Some(id) => vec![self.export_task(id).await?],
            None => self.all(EXPORT_TASK, None).await?,
        };
        let code = self.input.text("statusCode");
        tasks.retain(|task| code.is_none_or(|code| code_of(task) == code));
        self.listed("exportTasks", &["DescribeExportTasks", code.unwrap_or_default()], tasks, |task| {
            let mut told = task.document.clone();
            told.insert("taskId".into(), task.name.as_str().into());
            told.remove("logStreamNamePrefix");
            Value::Object(told)
        })
    }

    async fn export_task(&self, id: &str) -> Result<Stored, AwsError> {
        self.stored(EXPORT_TASK, "", id).await?.ok_or_else(|| not_found("The specified export task does not exist."))
    }

    /// Notes how a task stands.
    async fn note_export(&self, task: &Stored, code: &str, message: &str) -> Result<(), AwsError> {
        let mut document = task.document.clone();
        document.insert("status".into(), json!({ "code": code, "message": message }));
        if code != "RUNNING" {
            let completed = now_unix_nano() / NANOS_PER_MS;
            document["executionInfo"]["completionTime"] = completed.into();
        }
        self.put(EXPORT_TASK, "", &task.name, &document, OF_KIND_MAX).await
    }

    /// Exports to the end, or until the task is cancelled; tells how many events there were.
    async fn export(&self, task: &Stored) -> Result<Exported, EvaluationError> {
        let group = task.text("logGroupName").to_owned();
        let bucket = Bucket::find(self.services, task.text("destination"));
        let Some(bucket) = bucket else { return Err(failed("the bucket is gone")) };
        let prefix = key(&[task.text("destinationPrefix")]);
        let masks = self.masks_of(&group).await.map_err(failed)?;
        let text = |member: &str| task.document.get(member).and_then(Value::as_str).map(str::to_owned);
        let mut streams = LogStreamFilter { prefix: text("logStreamNamePrefix"), ..LogStreamFilter::default() };
        let mut exported = Exported { events: 0, is_cancelled: false };
        loop {
            let page = self.metastore().log_streams(self.project, &group, &streams).await?;
            for stream in &page.items {
                let mut files = Files::new(&bucket, key(&[&prefix, &task.name, &stream.name.replace('/', "-")]));
                let mut filter = filter_of(task, stream);
                loop {
                    if code_of(&self.export_task(&task.name).await.map_err(failed)?) == "PENDING_CANCEL" {
                        return Ok(Exported { is_cancelled: true, ..exported });
                    }
                    let mut events = self.services.asker.log_events(&filter, EXPORT_EVENTS_AT_ONCE).await?;
                    filter.beyond_event_id = events.last().map(|event| event.event_id.clone());
                    let is_last = events.len() < EXPORT_EVENTS_AT_ONCE;
                    mask(&mut events, masks.as_deref());
                    exported.events += events.len();
                    files.add(self.services, &events).await.map_err(failed)?;
                    if is_last {
                        break;
                    }
                }
                files.end(self.services).await.map_err(failed)?;
            }
            streams.after = page.next;
            if streams.after.is_none() {
                return Ok(exported);
            }
        }
    }
}

struct Exported {
    events: usize,
    is_cancelled: bool,
}

fn failed(error: impl std::fmt::Display) -> EvaluationError {
    EvaluationError::Other(error.to_string())
}

fn code_of(task: &Stored) -> &str {
    task.document.get("status").and_then(|status| status["code"].as_str()).unwrap_or_default()
}

fn is_active(task: &Stored) -> bool {
    matches!(code_of(task), "PENDING" | "RUNNING" | "PENDING_CANCEL")
}

fn filter_of(task: &Stored, stream: &LogStream) -> LogEventFilter {
    let time = |member: &str| task.document.get(member).and_then(Value::as_i64);
    LogEventFilter {
        log_stream_names: vec![stream.name.clone()],
        start_unix_ms: time("from"),
        // Inclusive there, exclusive here.
        end_unix_ms: time("to").map(|to| to.saturating_add(1)),
        received_from_unix_ms: stream.created_at_unix_nano / NANOS_PER_MS,
        ..LogEventFilter::of(EventSource::Group { name: stream.log_group.clone(), since_unix_nano: 0 })
    }
}

/// The files of one stream, written one after the other; none where there are no events.
struct Files<'b> {
    bucket: &'b Bucket,
    folder: String,
    ended: usize,
    /// What the next one will hold, and its size before compression.
    open: Option<(GzEncoder<Vec<u8>>, usize)>,
}

impl Files<'_> {
    fn new(bucket: &Bucket, folder: String) -> Files<'_> {
        Files { bucket, folder, ended: 0, open: None }
    }

    async fn add(&mut self, services: &Services, events: &[LogEvent]) -> Result<(), String> {
        for event in events {
            let line = line(event);
            if self.open.as_ref().is_some_and(|(_, bytes)| bytes + line.len() > EXPORT_FILE_BYTES_MAX) {
                self.end(services).await?;
            }
            let (encoder, bytes) = self.open.get_or_insert_with(|| (GzEncoder::new(Vec::new(), Compression::default()), 0));
            encoder.write_all(line.as_bytes()).map_err(|error| error.to_string())?;
            *bytes += line.len();
        }
        Ok(())
    }

    async fn end(&mut self, services: &Services) -> Result<(), String> {
        let Some((encoder, _)) = self.open.take() else { return Ok(()) };
        let bytes = encoder.finish().map_err(|error| error.to_string())?;
        self.bucket.put(services, &key(&[&self.folder, &format!("{:06}.gz", self.ended)]), bytes).await?;
        self.ended += 1;
        Ok(())
    }
}

/// `2026-11-21T02:05:42.550Z message`
fn line(event: &LogEvent) -> String {
    let time = jiff::Timestamp::from_millisecond(event.timestamp_ms).unwrap_or_default();
    format!("{} {}\n", time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"), event.message)
}

/// Runs the tasks that wait, and anew those that a stop interrupted.
pub struct ExportTasks;

#[async_trait]
impl Evaluator for ExportTasks {
    fn name(&self) -> &'static str {
        "cloudwatch.exports"
    }

    fn every(&self) -> Duration {
        EXPORT_LOOK
    }

    async fn evaluate(&self, services: &Services, _: i64) -> Result<(), EvaluationError> {
        let tasks = resources::all(services, EXPORT_TASK, None).await.map_err(failed)?;
        for task in tasks.iter().filter(|task| is_active(task)) {
            let call = Call::own(services, &Value::Object(Map::new()));
            let Some(logs) = LogsApi::own(services, &call, "DescribeExportTasks") else { return Ok(()) };
            if code_of(task) != "PENDING_CANCEL" {
                logs.note_export(task, "RUNNING", "The task is running.").await.map_err(failed)?;
            }
            let (code, message) = match logs.export(task).await {
                Ok(Exported { is_cancelled: true, .. }) => ("CANCELLED", "The task was cancelled.".to_owned()),
                Ok(exported) => {
                    tracing::info!(task = task.name, events = exported.events, "an export task is done");
                    ("COMPLETED", "Completed successfully".to_owned())
                }
                Err(error) => {
                    tracing::warn!(task = task.name, %error, "an export task failed");
                    ("FAILED", error.to_string())
                }
            };
            logs.note_export(task, code, &message).await.map_err(failed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_their_time() {
        let event = LogEvent {
            event_id: String::new(),
            log_stream_name: "s".into(),
            timestamp_ms: 1_795_226_742_550,
            received_at_ms: 0,
            message: "GET /a 200".into(),
        };
        assert_eq!(line(&event), "2026-11-21T02:05:42.550Z GET /a 200\n");
    }
}
