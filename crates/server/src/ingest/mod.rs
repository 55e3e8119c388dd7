//! The journey in: a request becomes rows on disk, and only then an answer.

mod activity;
mod log_stream_activity;
mod pipeline;
mod recent;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use model::{Counted, Signal};
use receivers::{Envelope, Failure, Incoming, Receiver, Reply};
use store::{RowBuffer, RowContext, Store, StoreError};
use tokio::sync::watch;

pub use activity::{Activity, ReceiverActivity, RefusalSeen, ServiceSeen};
pub use log_stream_activity::StreamActivity;

use crate::limits;
use pipeline::Pipeline;
use recent::Recent;

/// Takes requests in. One per server.
pub struct Ingest {
    store: Store,
    project: String,
    activity: Activity,
    bytes_in_flight: Arc<AtomicUsize>,
    item_uuids: Recent,
    /// Counts appends, so that live tails know when to look.
    appended: watch::Sender<u64>,
}

/// What became of one request, before its receiver words it.
struct Kept {
    reply: Reply,
}

impl Ingest {
    pub fn new(store: Store, project: String) -> Ingest {
        Ingest {
            store,
            project,
            activity: Activity::default(),
            bytes_in_flight: Arc::default(),
            item_uuids: Recent::new(limits::ITEM_UUIDS_REMEMBERED),
            appended: watch::Sender::new(0),
        }
    }

    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Changes whenever rows became visible.
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// Decodes a request, appends its rows, and words the answer. The answer means "kept" only if it is a success.
    pub async fn take(&self, receiver: &'static dyn Receiver, incoming: &Incoming<'_>) -> Reply {
        match self.keep(receiver, incoming).await {
            Ok(kept) => kept.reply,
            Err(failure) => self.fail(receiver, incoming, &failure),
        }
    }

    /// Words a failure that happened before decoding: a body too large, an unknown encoding.
    pub fn fail(&self, receiver: &'static dyn Receiver, incoming: &Incoming<'_>, failure: &Failure) -> Reply {
        tracing::debug!(receiver = receiver.name(), endpoint = incoming.endpoint, %failure, "request refused");
        self.activity.failed(receiver.name(), incoming, failure);
        receiver.failed(incoming, failure)
    }

    async fn keep(&self, receiver: &'static dyn Receiver, incoming: &Incoming<'_>) -> Result<Kept, Failure> {
        let _held = self.hold(incoming.body.len())?;
        let item_uuid = item_uuid(receiver, incoming);
        if item_uuid.as_deref().is_some_and(|uuid| self.item_uuids.contains(uuid)) {
            let mut nothing = RowBuffer::new(row_context(receiver.name(), incoming));
            return Ok(Kept { reply: receiver.accepted(incoming, &Counted::new(&mut nothing)) });
        }
        let (rows, reply, seen) = decode(receiver, incoming)?;
        if rows.rows().total() > 0 {
            let payload = Envelope { project: &self.project, receiver: receiver.name(), incoming: incoming.clone() }.encode();
            self.store.append(&self.project, payload, rows).await.map_err(failure_from_store)?;
            self.appended.send_modify(|count| *count += 1);
        }
        if let Some(uuid) = item_uuid {
            self.item_uuids.insert(uuid);
        }
        self.activity.kept(receiver.name(), incoming, &seen);
        Ok(Kept { reply })
    }

    fn hold(&self, bytes: usize) -> Result<Held, Failure> {
        let held = Held { bytes, in_flight: Arc::clone(&self.bytes_in_flight) };
        let before = self.bytes_in_flight.fetch_add(bytes, Ordering::Relaxed);
        if before > 0 && before + bytes > limits::BODY_BYTES_IN_FLIGHT_MAX {
            return Err(Failure::Busy { retry_after_seconds: limits::RETRY_AFTER_SECONDS });
        }
        Ok(held)
    }
}

/// What tells a re-sent Rollbar item from a new one.
fn item_uuid(receiver: &dyn Receiver, incoming: &Incoming<'_>) -> Option<String> {
    let is_item = receiver.name() == "rollbar" && incoming.endpoint == "item";
    if is_item { receivers::rollbar::uuid_of(incoming.body) } else { None }
}

/// Body bytes counted as in flight until dropped.
struct Held {
    bytes: usize,
    in_flight: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a request brought, for the Connect page.
pub struct Seen {
    pub rows: model::Rows,
    pub refusals: Vec<model::Refusal>,
    /// Rows by service.
    pub services: Vec<(String, model::Rows)>,
}

fn decode(receiver: &'static dyn Receiver, incoming: &Incoming<'_>) -> Result<(RowBuffer, Reply, Seen), Failure> {
    let mut rows = RowBuffer::new(row_context(receiver.name(), incoming));
    let mut pipeline = Pipeline::new(&mut rows);
    let mut counted = Counted::new(&mut pipeline);
    receiver.translate(incoming, &mut counted)?;
    let reply = receiver.accepted(incoming, &counted);
    let (accepted, refusals) = (counted.accepted, std::mem::take(&mut counted.refusals));
    let services = pipeline.services();
    Ok((rows, reply, Seen { rows: accepted, refusals, services }))
}

/// The rows of a record of the write-ahead log, exactly as they were first decoded; `None` for a record nobody can read.
pub fn replay(payload: &[u8]) -> Option<(String, RowBuffer)> {
    let envelope = Envelope::decode(payload)?;
    let receiver = receivers::by_name(envelope.receiver)?;
    let mut rows = RowBuffer::new(row_context(receiver.name(), &envelope.incoming));
    let mut pipeline = Pipeline::new(&mut rows);
    if let Err(failure) = receiver.translate(&envelope.incoming, &mut pipeline) {
        tracing::error!(receiver = receiver.name(), %failure, "cannot decode a kept request again");
        return None;
    }
    Some((envelope.project.to_owned(), rows))
}

fn row_context(receiver: &'static str, incoming: &Incoming<'_>) -> RowContext {
    RowContext { receiver, received_at_unix_nano: incoming.received_at_unix_nano, request: incoming.trace_context }
}

fn failure_from_store(error: StoreError) -> Failure {
    match error {
        StoreError::Busy { retry_after_seconds } => Failure::Busy { retry_after_seconds },
        StoreError::TooLarge { bytes_max, .. } => Failure::TooLarge { bytes_max },
        other => Failure::Unavailable(other.to_string()),
    }
}

/// The signal that an endpoint mostly brings, for counting failures.
pub(crate) fn signal_of(endpoint: &str) -> Signal {
    if endpoint.contains("metrics") {
        Signal::Metrics
    } else if endpoint.contains("trace") || endpoint == "udp" {
        Signal::Spans
    } else {
        Signal::Logs
    }
}
