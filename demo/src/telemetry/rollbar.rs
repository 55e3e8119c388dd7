//! A small Rollbar notifier: errors and messages as items, deploys as deploys.
//!
//! In:      an error or a message with its request
//! Spec:    docs.rollbar.com/reference/create-item, docs.rollbar.com/reference/post-deploy, and what pyrollbar 1.5 puts
//!          on the wire
//! Out:     `POST /api/1/item/` per occurrence, on a connection of its own; `POST /api/1/deploy/`
//! Missing: telemetry, locals, retries: an item that is refused is gone
//! Quirks:  the token is in the header and in the body. The POST carries the `traceparent` of the request that failed,
//!          as it does when a tracer instruments the notifier's thread

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use super::{ENVIRONMENT, Identity, http_client};
use crate::app::{AppError, Frame};
use crate::clock::timestamp;

/// Items waiting for delivery: an app in trouble must not pile up memory.
const QUEUE_ITEMS_MAX: usize = 500;
/// Rollbar's own limit for a title.
const CONTEXT_CHARS_MAX: usize = 255;
/// A project token looks like this; this one opens nothing.
const ACCESS_TOKEN: &str = "00000000000000000000000000000000";
/// While nobody listens, an item is tried once and dropped: what comes after it is newer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub struct Rollbar {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Post(Post),
    Close(oneshot::Sender<()>),
}

struct Post {
    path: &'static str,
    body: Value,
    traceparent: Option<String>,
}

/// The request an occurrence happened in, as the framework hands it over.
#[derive(Clone, Debug, Default)]
pub struct RequestInfo {
    pub url: String,
    pub method: String,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub user_ip: String,
    /// The route's pattern.
    pub context: String,
}

/// Who was signed in.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    pub id: &'static str,
    pub username: &'static str,
}

/// What an occurrence happened in.
pub struct Scene<'a> {
    pub identity: &'a Identity,
    pub request: &'a RequestInfo,
    pub person: Option<Person>,
    /// The `traceparent` of the span that handles the request.
    pub traceparent: Option<String>,
    /// The trace id in 32 hex digits.
    pub trace_id: Option<String>,
}

/// A new version goes live.
#[derive(Clone, Debug)]
pub struct Deploy<'a> {
    pub revision: &'a str,
    pub comment: &'a str,
    pub local_username: &'a str,
}

impl Rollbar {
    pub fn start(endpoint: &str, tasks: &TaskTracker) -> anyhow::Result<Rollbar> {
        let (queue, messages) = mpsc::channel(QUEUE_ITEMS_MAX);
        tasks.spawn(post_until_closed(http_client(false)?, endpoint.trim_end_matches('/').to_owned(), messages));
        Ok(Rollbar { queue })
    }

    /// Tells an error; gives the occurrence's uuid.
    pub fn error(&self, error: &AppError, scene: &Scene<'_>) -> String {
        let frames: Vec<Value> = error.frames.iter().rev().map(frame).collect();
        let exception = json!({"class": error.kind, "message": error.message});
        self.item("error", json!({"trace": {"frames": frames, "exception": exception}}), scene)
    }

    /// Tells a message with some data beside it; gives the occurrence's uuid.
    pub fn message(&self, level: &str, text: &str, extra: Map<String, Value>, scene: &Scene<'_>) -> String {
        let mut message = Map::from_iter([("body".to_owned(), text.into())]);
        message.extend(extra);
        self.item(level, json!({"message": message}), scene)
    }

    pub fn deploy(&self, deploy: &Deploy<'_>) {
        let body = json!({
            "access_token": ACCESS_TOKEN,
            "environment": ENVIRONMENT,
            "revision": deploy.revision,
            "comment": deploy.comment,
            "local_username": deploy.local_username,
            "status": "succeeded",
        });
        self.post(Post { path: "/api/1/deploy/", body, traceparent: None });
    }

    /// Sends what is queued.
    pub async fn close(&self) {
        let (done, wait) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that the task is gone, and closed with it.
            let _ = wait.await;
        }
    }

    fn item(&self, level: &str, body: Value, scene: &Scene<'_>) -> String {
        let uuid = uuid::Uuid::new_v4().to_string();
        let mut data = json!({
            "timestamp": timestamp().as_second(),
            "environment": ENVIRONMENT,
            "level": level,
            "language": "rust",
            "platform": "linux",
            "notifier": {"name": "cruddur-rollbar", "version": env!("CARGO_PKG_VERSION")},
            "uuid": uuid,
            "framework": "axum",
            "code_version": scene.identity.version,
            "context": scene.request.context.chars().take(CONTEXT_CHARS_MAX).collect::<String>(),
            "body": body,
            "request": request(scene.request),
            "server": {
                "host": scene.identity.host,
                "pid": std::process::id(),
                "argv": [scene.identity.service],
                "root": "/cruddur",
                "code_version": scene.identity.version,
            },
            "custom": {"service": scene.identity.service},
        });
        if let Some(person) = scene.person {
            data["person"] = json!({
                "id": person.id,
                "username": person.username,
                "email": format!("{}@cruddur.example", person.username),
            });
        }
        if let Some(trace_id) = &scene.trace_id {
            data["attributes"] = json!([{"key": "trace_id", "value": trace_id}]);
        }
        let body = json!({"access_token": ACCESS_TOKEN, "data": data});
        self.post(Post { path: "/api/1/item/", body, traceparent: scene.traceparent.clone() });
        uuid
    }

    fn post(&self, post: Post) {
        if self.queue.try_send(Message::Post(post)).is_err() {
            tracing::debug!("rollbar item dropped: queue full");
        }
    }
}

fn frame(frame: &Frame) -> Value {
    let mut value = json!({"filename": frame.path(), "lineno": frame.line, "method": frame.function});
    if let Some(source) = frame.source() {
        value["code"] = source.line.into();
        value["context"] = json!({"pre": source.before, "post": source.after});
    }
    value
}

fn request(info: &RequestInfo) -> Value {
    let object = |pairs: &[(String, String)]| -> Map<String, Value> {
        pairs.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect()
    };
    json!({
        "url": info.url,
        "method": info.method,
        "GET": object(&info.query),
        "headers": object(&info.headers),
        "user_ip": info.user_ip,
    })
}

async fn post_until_closed(client: reqwest::Client, endpoint: String, mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        match message {
            Message::Post(post) => deliver(&client, &endpoint, post).await,
            Message::Close(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
                return;
            }
        }
    }
}

async fn deliver(client: &reqwest::Client, endpoint: &str, post: Post) {
    let mut request = client
        .post(format!("{endpoint}{}", post.path))
        .header("User-Agent", "cruddur-rollbar/1.0")
        .header("X-Rollbar-Access-Token", ACCESS_TOKEN)
        .json(&post.body);
    if let Some(traceparent) = post.traceparent {
        request = request.header("traceparent", traceparent);
    }
    if let Err(error) = request.send().await.and_then(reqwest::Response::error_for_status) {
        tracing::debug!(%error, path = post.path, "rollbar did not take it");
        tokio::time::sleep(PAUSE_AFTER_FAILURE).await;
    }
}
