//! A small log shipper that behaves like watchtower: lines go to one log group, in batches.
//!
//! In:      lines with a stream and a time in milliseconds
//! Spec:    docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html, and what watchtower 3.4
//!          puts on the wire
//! Out:     DescribeLogGroups, CreateLogGroup at the start; PutLogEvents every second per stream, and CreateLogStream
//!          when that is refused; signed with SigV4
//! Missing: retention policies, gzip
//! Quirks:  the first PutLogEvents is sent although no stream exists: the refusal is what tells watchtower to create
//!          one. Sequence tokens are sent back although nobody reads them any more

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::sigv4::{Credentials, sign};
use super::{LOG_GROUP, http_client};
use crate::clock::timestamp;

const SEND_INTERVAL: Duration = Duration::from_secs(1);
/// Lines waiting to be put into a batch; at a hundred lines a second a minute and a half of them.
const QUEUE_LINES_MAX: usize = 10_000;
/// PutLogEvents takes no more events in one call.
const BATCH_EVENTS_MAX: usize = 10_000;
/// PutLogEvents takes no more bytes in one call, counting 26 more for each event.
const BATCH_BYTES_MAX: usize = 1_048_576;
const EVENT_OVERHEAD_BYTES: usize = 26;
/// A message over this is cut, so that any event fits a batch.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const CREDENTIALS: Credentials =
    Credentials { key_id: "AKIAEXAMPLE0000000", secret: "examplesecret", region: "us-east-1", service: "logs" };

/// Where the app's log handlers put their lines.
#[derive(Clone)]
pub struct CloudWatch {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Line(Line),
    Close(oneshot::Sender<()>),
}

struct Line {
    stream: String,
    event: Event,
}

#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
struct Event {
    /// Milliseconds since 1970.
    timestamp: i64,
    message: String,
}

impl CloudWatch {
    pub fn start(endpoint: &str, tasks: &TaskTracker) -> anyhow::Result<CloudWatch> {
        let (queue, messages) = mpsc::channel(QUEUE_LINES_MAX);
        let shipper = Shipper::new(endpoint)?;
        tasks.spawn(shipper.run(messages));
        Ok(CloudWatch { queue })
    }

    /// Queues a line at the present time; drops it when the queue is full.
    pub fn log(&self, stream: &str, message: String) {
        let timestamp = timestamp().as_millisecond();
        let line = Line { stream: stream.to_owned(), event: Event { timestamp, message: cut(message) } };
        if self.queue.try_send(Message::Line(line)).is_err() {
            tracing::debug!("log line dropped: queue full");
        }
    }

    /// Sends what is queued.
    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that the shipper is gone, and closed with it.
            let _ = wait.await;
        }
    }
}

/// The task behind the queue.
struct Shipper {
    client: reqwest::Client,
    url: String,
    /// What the Host header will say: it is signed.
    host: String,
    group_exists: bool,
    streams: BTreeMap<String, Stream>,
}

#[derive(Default)]
struct Stream {
    waiting: Vec<Event>,
    sequence_token: Option<String>,
}

impl Shipper {
    fn new(endpoint: &str) -> anyhow::Result<Shipper> {
        let url: reqwest::Url = endpoint.parse().with_context(|| format!("cannot read address {endpoint:?}"))?;
        let host = url.host_str().with_context(|| format!("no host in {endpoint:?}"))?;
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Shipper { client: http_client(true)?, url: url.to_string(), host, group_exists: false, streams: BTreeMap::new() })
    }

    async fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut ticks = tokio::time::interval(SEND_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(Message::Line(line)) => self.keep(line),
                    Some(Message::Close(done)) => {
                        self.send_all().await;
                        // Whoever asked may have stopped waiting.
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                _ = ticks.tick() => self.send_all().await,
            }
        }
    }

    /// Keeps a line for the next batch; while nobody takes batches, the newest lines win.
    fn keep(&mut self, line: Line) {
        let waiting = &mut self.streams.entry(line.stream).or_default().waiting;
        if waiting.len() >= QUEUE_LINES_MAX {
            waiting.remove(0);
        }
        waiting.push(line.event);
    }

    async fn send_all(&mut self) {
        if let Err(error) = self.try_send_all().await {
            tracing::debug!(%error, "log lines not delivered; they wait for the next turn");
        }
    }

    async fn try_send_all(&mut self) -> anyhow::Result<()> {
        if !self.group_exists {
            self.create_group().await?;
        }
        let names: Vec<String> = self.streams.keys().cloned().collect();
        for name in names {
            self.send_stream(&name).await?;
        }
        Ok(())
    }

    async fn create_group(&mut self) -> anyhow::Result<()> {
        let groups = self.call("DescribeLogGroups", &json!({"logGroupNamePrefix": LOG_GROUP})).await?;
        let there = groups.body["logGroups"]
            .as_array()
            .is_some_and(|groups| groups.iter().any(|group| group["logGroupName"] == LOG_GROUP));
        if !there {
            let created = self.call("CreateLogGroup", &json!({"logGroupName": LOG_GROUP})).await?;
            created.ok_or_named("ResourceAlreadyExistsException")?;
        }
        self.group_exists = true;
        Ok(())
    }

    async fn send_stream(&mut self, name: &str) -> anyhow::Result<()> {
        while let Some(batch) = self.streams.get_mut(name).and_then(|stream| next_batch(&mut stream.waiting)) {
            if let Err(error) = self.send_batch(name, &batch).await {
                if let Some(stream) = self.streams.get_mut(name) {
                    stream.waiting.splice(0..0, batch);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn send_batch(&mut self, stream: &str, batch: &[Event]) -> anyhow::Result<()> {
        let mut body = json!({"logGroupName": LOG_GROUP, "logStreamName": stream, "logEvents": batch});
        if let Some(token) = self.streams.get(stream).and_then(|stream| stream.sequence_token.clone()) {
            body["sequenceToken"] = token.into();
        }
        let mut answer = self.call("PutLogEvents", &body).await?;
        if answer.error_name() == Some("ResourceNotFoundException") {
            let create = json!({"logGroupName": LOG_GROUP, "logStreamName": stream});
            let created = self.call("CreateLogStream", &create).await?;
            if created.error_name() == Some("ResourceNotFoundException") {
                // The server has lost the group, perhaps with its data folder; the next turn starts over.
                self.group_exists = false;
            }
            created.ok_or_named("ResourceAlreadyExistsException")?;
            answer = self.call("PutLogEvents", &body).await?;
        }
        answer.ok_or_named("DataAlreadyAcceptedException")?;
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.sequence_token = answer.body["nextSequenceToken"].as_str().map(str::to_owned);
        }
        Ok(())
    }

    async fn call(&self, operation: &str, body: &Value) -> anyhow::Result<Answer> {
        let target = format!("Logs_20140328.{operation}");
        let body = serde_json::to_vec(body)?;
        let signed = sign(CREDENTIALS, &self.host, CONTENT_TYPE, &target, &body, timestamp());
        let response = self
            .client
            .post(&self.url)
            .header("X-Amz-Target", target)
            .header("Content-Type", CONTENT_TYPE)
            .header("X-Amz-Date", signed.date)
            .header("Authorization", signed.authorization)
            .header("User-Agent", "cruddur-logs/1.0")
            .body(body)
            .send()
            .await?;
        let ok = response.status().is_success();
        let bytes = response.bytes().await?;
        // Some operations answer with an empty body.
        Ok(Answer { ok, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }
}

struct Answer {
    ok: bool,
    body: Value,
}

impl Answer {
    /// `com.amazonaws.logs#ResourceNotFoundException` and `ResourceNotFoundException` are the same.
    fn error_name(&self) -> Option<&str> {
        if self.ok {
            return None;
        }
        self.body["__type"].as_str().and_then(|name| name.rsplit('#').next())
    }

    fn ok_or_named(&self, harmless: &str) -> anyhow::Result<()> {
        if self.ok || self.error_name() == Some(harmless) {
            return Ok(());
        }
        bail!("the logs api refused: {}", self.body)
    }
}

/// Takes the next batch off `waiting`: in chronological order, and within the limits of PutLogEvents.
fn next_batch(waiting: &mut Vec<Event>) -> Option<Vec<Event>> {
    if waiting.is_empty() {
        return None;
    }
    waiting.sort_by_key(|event| event.timestamp);
    let mut bytes = 0;
    let fits = waiting.iter().take(BATCH_EVENTS_MAX).take_while(|event| {
        bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
        bytes <= BATCH_BYTES_MAX
    });
    let count = fits.count();
    Some(waiting.drain(..count).collect())
}

/// An event may not be empty, nor too large.
fn cut(mut message: String) -> String {
    if message.is_empty() {
        message.push('-');
    }
    if message.len() > MESSAGE_BYTES_MAX {
        let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
        message.truncate(end);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(timestamp: i64, bytes: usize) -> Event {
        Event { timestamp, message: "x".repeat(bytes) }
    }

    #[test]
    fn batches_are_chronological_and_small_enough() {
        let mut waiting: Vec<Event> = (0..6).map(|number| event(100 - number, MESSAGE_BYTES_MAX)).collect();
        let mut seen = Vec::new();
        while let Some(batch) = next_batch(&mut waiting) {
            let bytes: usize = batch.iter().map(|event| event.message.len() + EVENT_OVERHEAD_BYTES).sum();
            assert!(bytes <= BATCH_BYTES_MAX, "{bytes}");
            assert!(!batch.is_empty());
            seen.extend(batch.into_iter().map(|event| event.timestamp));
        }
        assert_eq!(seen, [95, 96, 97, 98, 99, 100]);
    }

    #[test]
    fn messages_are_cut_between_characters() {
        assert_eq!(cut(String::new()), "-");
        assert_eq!(cut("€".repeat(MESSAGE_BYTES_MAX)).len() % "€".len(), 0);
    }
}
