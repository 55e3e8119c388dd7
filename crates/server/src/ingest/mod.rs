//! The journey in: a request becomes rows on disk, and only then an answer.

mod activity;
mod body_bytes;
mod groups;
mod items;
mod log_stream_activity;
mod looked_until;
mod occurrence;
mod pipeline;
mod retries;
mod rule_book;
mod rule_payload;
mod scrub;
mod to_the_end;

use std::sync::Arc;

use bytes::Bytes;
use engine::ask::Asker;
use metastore::{Metastore, OccurrencesSeen};
use model::{Counted, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Signal, Span};
use receivers::{Decoded, Envelope, Failure, Incoming, Receiver, Reply};
use store::{Payload, RowBuffer, RowContext, Store, StoreError};
use tokio::sync::watch;

pub use activity::{Activity, DatagramCounts, FeedbackLoop, ReceiverActivity, RefusalSeen, ServiceSeen};
pub use body_bytes::{BodyBytes, Held};
pub use items::{Items, ItemsError, items_up_to_date, look_at_all_rows};
pub use log_stream_activity::StreamActivity;
pub use looked_until::{Looked, LookedUntil};
pub use occurrence::{level as item_level, level_name as item_level_name};
pub use pipeline::{Grouping, Pipeline};
pub use retries::{Retries, RetriesFile};
pub use rule_book::{Kept as KeptRules, RuleBook, RuleBookError};
pub use rule_payload::rule_payload;
pub use scrub::{ScrubHits, ScrubSettings, Scrubber};

use retries::{Claim, Ticket};
use to_the_end::ToTheEnd;

/// Takes requests in. One per server.
pub struct Ingest {
    store: Store,
    project: String,
    activity: Activity,
    grouping: Grouping,
    items: Arc<Items>,
    bodies: Arc<BodyBytes>,
    retries: Arc<Retries>,
    scrubber: Scrubber,
    /// Counts appends, so that live tails know when to look.
    appended: watch::Sender<u64>,
}

/// What was decided about requests before this one.
#[derive(Default)]
pub struct Remembered {
    pub retries: Arc<Retries>,
    pub rules: Arc<RuleBook>,
    pub scrubber: Scrubber,
}

impl Ingest {
    /// `body_bytes_max` bounds the bodies of all requests that are being read or written.
    pub fn new(store: Store, project: String, remembered: Remembered, body_bytes_max: usize) -> Ingest {
        let Remembered { retries, rules, scrubber } = remembered;
        Ingest {
            store,
            project,
            activity: Activity::default(),
            grouping: Grouping { rules, ..Grouping::default() },
            items: Arc::default(),
            bodies: BodyBytes::new(body_bytes_max),
            retries,
            scrubber,
            appended: watch::Sender::new(0),
        }
    }

    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    pub fn retries(&self) -> &Retries {
        &self.retries
    }

    /// What occurrences of errors mean to their items.
    pub fn items(&self) -> &Items {
        &self.items
    }

    /// The rules by which errors are told apart.
    pub fn rules(&self) -> &RuleBook {
        &self.grouping.rules
    }

    /// What is taken out of bodies before they are written.
    pub fn scrubber(&self) -> &Scrubber {
        &self.scrubber
    }

    /// Changes whenever rows became visible.
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// Room for a body about to be read; to be held until the request is answered.
    pub fn hold(&self) -> Held {
        self.bodies.hold()
    }

    /// Decodes a request, appends its rows, and words the answer. The answer means "kept" only if it is a success.
    ///
    /// `body` is the one that `incoming` borrows.
    pub async fn take(&self, receiver: &'static dyn Receiver, incoming: &Incoming<'_>, body: &Bytes) -> Reply {
        let clean = receiver.without_secrets(incoming);
        let scrubbed = self.scrubber.scrub(receiver.name(), clean.as_deref().unwrap_or(body), incoming.received_at_unix_nano);
        match scrubbed.or(clean).map(Bytes::from) {
            None => self.take_clean(receiver, incoming, body).await,
            Some(body) => self.take_clean(receiver, &Incoming { body: &body, ..incoming.clone() }, &body).await,
        }
    }

    async fn take_clean(&self, receiver: &'static dyn Receiver, incoming: &Incoming<'_>, body: &Bytes) -> Reply {
        match receiver.decode(incoming) {
            Ok(decoded) => self.take_decoded(receiver, incoming, body, decoded).await,
            Err(failure) => self.fail(receiver, incoming, &failure),
        }
    }

    /// The same for a request that was decoded already, and has no secrets.
    pub async fn take_decoded(
        &self,
        receiver: &'static dyn Receiver,
        incoming: &Incoming<'_>,
        body: &Bytes,
        decoded: Option<Box<dyn Decoded + '_>>,
    ) -> Reply {
        match self.keep(receiver, incoming, body, decoded.as_deref()).await {
            Ok(reply) => reply,
            Err(failure) => self.fail(receiver, incoming, &failure),
        }
    }

    /// Takes datagrams in, as many as came together, in one append: nobody waits for an answer. Tells how many were kept.
    pub async fn take_datagrams(&self, receiver: &'static dyn Receiver, datagrams: &[Incoming<'_>]) -> usize {
        let clean = |incoming: &Incoming<'_>| self.scrubber.scrub(receiver.name(), incoming.body, incoming.received_at_unix_nano);
        let scrubbed: Vec<Option<Vec<u8>>> = datagrams.iter().map(clean).collect();
        let bodies = scrubbed.iter().zip(datagrams);
        let datagrams: Vec<Incoming<'_>> = bodies
            .map(|(body, incoming)| Incoming { body: body.as_deref().unwrap_or(incoming.body), ..incoming.clone() })
            .collect();
        let Some(first) = datagrams.first() else { return 0 };
        let (rows, readable, mut seen) = self.translate_datagrams(receiver, first, &datagrams);
        let occurrences = std::mem::take(&mut seen.occurrences);
        self.activity.datagrams(receiver.name(), seen.datagrams);
        if rows.rows().total() > 0
            && let Err(failure) = self.append(Payload::from(receivers::encode_many(&readable)), rows, occurrences, None).await
        {
            tracing::debug!(receiver = receiver.name(), %failure, "datagrams refused");
            self.activity.lost(receiver.name(), readable.len() as u64, first.received_at_unix_nano, &failure.to_string());
            return 0;
        }
        let bytes = readable.iter().map(|envelope| envelope.incoming.body.len()).sum();
        self.activity.kept(receiver.name(), first, readable.len(), bytes, &seen);
        readable.len()
    }

    /// Brings items up to date when nothing comes in any more.
    pub async fn finish(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
        // Rows of a client that hung up may still be on their way; the next start will look for their errors.
        let is_idle = Arc::strong_count(&self.items) == 1;
        if is_idle { self.items.finish(metastore, asker, now_unix_nano).await } else { Ok(()) }
    }

    /// The rows of all datagrams, and those that could be read.
    fn translate_datagrams<'i>(
        &'i self,
        receiver: &'static dyn Receiver,
        first: &Incoming<'i>,
        datagrams: &[Incoming<'i>],
    ) -> (RowBuffer, Vec<Envelope<'i>>, Seen) {
        let mut rows = RowBuffer::new(row_context(receiver.name(), first));
        let mut pipeline = Pipeline::new(&mut rows, &self.grouping, first.received_at_unix_nano);
        let (mut readable, mut seen) = (Vec::with_capacity(datagrams.len()), Seen::default());
        for incoming in datagrams {
            let mut counted = Counted::new(&mut pipeline);
            if let Err(failure) = receiver.translate(incoming, &mut counted) {
                seen.datagrams.count(Some(&failure), &[]);
                self.fail(receiver, incoming, &failure);
                continue;
            }
            seen.datagrams.count(None, &counted.refusals);
            seen.count(counted);
            readable.push(Envelope { project: &self.project, receiver: receiver.name(), incoming: incoming.clone() });
        }
        (seen.services, seen.occurrences) = pipeline.seen();
        (rows, readable, seen)
    }

    /// Words a failure that happened before decoding: a body too large, an unknown encoding.
    pub fn fail(&self, receiver: &'static dyn Receiver, incoming: &Incoming<'_>, failure: &Failure) -> Reply {
        tracing::debug!(receiver = receiver.name(), endpoint = incoming.endpoint, %failure, "request refused");
        self.activity.failed(receiver.name(), incoming, failure);
        receiver.failed(incoming, failure)
    }

    async fn keep(
        &self,
        receiver: &'static dyn Receiver,
        incoming: &Incoming<'_>,
        body: &Bytes,
        decoded: Option<&dyn Decoded>,
    ) -> Result<Reply, Failure> {
        let ticket = match retries::identity(receiver, incoming, decoded) {
            None => None,
            Some(identity) => match self.retries.claim(identity, incoming.received_at_unix_nano).await {
                Claim::First(ticket) => Some(ticket),
                Claim::Kept => return answer_again(receiver, incoming, decoded),
            },
        };
        let (rows, reply, mut seen) = translate(receiver, incoming, decoded, &self.grouping)?;
        if rows.rows().total() > 0 {
            let envelope = Envelope { project: &self.project, receiver: receiver.name(), incoming: incoming.clone() };
            let payload = Payload { head: envelope.encode_head(), body: body.clone() };
            let occurrences = std::mem::take(&mut seen.occurrences);
            self.append(payload, rows, occurrences, ticket).await?;
        }
        self.activity.kept(receiver.name(), incoming, 1, body.len(), &seen);
        Ok(reply)
    }

    /// Appends, and notes what was appended, even if the caller goes away meanwhile.
    async fn append(
        &self,
        payload: Payload,
        rows: RowBuffer,
        occurrences: Vec<OccurrencesSeen>,
        ticket: Option<Ticket>,
    ) -> Result<(), Failure> {
        let (store, project, appended) = (self.store.clone(), self.project.clone(), self.appended.clone());
        let items = Arc::clone(&self.items);
        let appending = ToTheEnd::new(async move {
            store.append(&project, payload, rows).await?;
            items.saw(occurrences);
            if let Some(ticket) = ticket {
                ticket.kept();
            }
            appended.send_modify(|count| *count += 1);
            Ok(())
        });
        appending.await.map_err(failure_from_store)
    }
}

/// What requests brought, for the Connect page.
#[derive(Default)]
pub struct Seen {
    pub rows: model::Rows,
    pub refusals: Vec<Refusal>,
    /// Rows by service.
    pub services: Vec<(String, model::Rows)>,
    /// Of errors, for their items.
    pub occurrences: Vec<OccurrencesSeen>,
    pub datagrams: DatagramCounts,
}

impl Seen {
    fn count(&mut self, counted: Counted<'_>) {
        self.rows.spans += counted.accepted.spans;
        self.rows.logs += counted.accepted.logs;
        self.rows.metrics += counted.accepted.metrics;
        self.refusals.extend(counted.refusals);
    }
}

fn translate(
    receiver: &'static dyn Receiver,
    incoming: &Incoming<'_>,
    decoded: Option<&dyn Decoded>,
    grouping: &Grouping,
) -> Result<(RowBuffer, Reply, Seen), Failure> {
    let mut rows = RowBuffer::new(row_context(receiver.name(), incoming));
    let mut pipeline = Pipeline::new(&mut rows, grouping, incoming.received_at_unix_nano);
    let mut counted = Counted::new(&mut pipeline);
    let reply = push(receiver, incoming, decoded, &mut counted)?;
    let mut seen = Seen::default();
    seen.count(counted);
    (seen.services, seen.occurrences) = pipeline.seen();
    Ok((rows, reply, seen))
}

fn push(
    receiver: &'static dyn Receiver,
    incoming: &Incoming<'_>,
    decoded: Option<&dyn Decoded>,
    counted: &mut Counted<'_>,
) -> Result<Reply, Failure> {
    match decoded {
        Some(decoded) => {
            decoded.push(counted)?;
            Ok(decoded.accepted(counted))
        }
        None => {
            receiver.translate(incoming, counted)?;
            Ok(receiver.accepted(incoming, counted))
        }
    }
}

/// The answer to a request that was kept before: the one it was given then.
fn answer_again(
    receiver: &'static dyn Receiver,
    incoming: &Incoming<'_>,
    decoded: Option<&dyn Decoded>,
) -> Result<Reply, Failure> {
    tracing::debug!(receiver = receiver.name(), endpoint = incoming.endpoint, "request repeated");
    push(receiver, incoming, decoded, &mut Counted::new(&mut Nowhere))
}

/// A sink that keeps nothing.
struct Nowhere;

impl RowSink for Nowhere {
    fn resource(&mut self, _: &Resource<'_>) {}
    fn scope(&mut self, _: &Scope<'_>) {}
    fn span(&mut self, _: &Span<'_>) {}
    fn log(&mut self, _: &LogRecord<'_>) {}
    fn data_point(&mut self, _: &DataPoint<'_>) {}
    fn refuse(&mut self, _: Refusal) {}
}

/// The rows of a record of the write-ahead log, exactly as they were first decoded; `None` for a record nobody can read.
pub fn replay(payload: &[u8]) -> Option<(String, RowBuffer)> {
    replay_into(payload, &Retries::default(), &Arc::default())
}

/// The same, and remembers the requests, so that one that is sent again is known.
pub fn replay_into(payload: &[u8], retries: &Retries, rules: &Arc<RuleBook>) -> Option<(String, RowBuffer)> {
    let envelopes = receivers::decode_all(payload)?;
    let first = envelopes.first()?;
    let receiver = receivers::by_name(first.receiver)?;
    let mut rows = RowBuffer::new(row_context(receiver.name(), &first.incoming));
    let grouping = Grouping { rules: Arc::clone(rules), ..Grouping::default() };
    let mut pipeline = Pipeline::new(&mut rows, &grouping, first.incoming.received_at_unix_nano);
    for Envelope { incoming, .. } in &envelopes {
        let replayed = receiver.decode(incoming).and_then(|decoded| {
            retries.replayed(receiver, incoming, decoded.as_deref());
            match decoded {
                Some(decoded) => decoded.push(&mut pipeline),
                None => receiver.translate(incoming, &mut pipeline),
            }
        });
        if let Err(failure) = replayed {
            tracing::error!(receiver = receiver.name(), %failure, "cannot decode a kept request again");
            return None;
        }
    }
    Some((first.project.to_owned(), rows))
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
