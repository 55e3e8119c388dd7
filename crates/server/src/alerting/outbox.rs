//! The outbox: what is handed over is in the metastore when [`Outbox::send`] returns, and is sent until it is taken or given up.
//!
//! One task sends, several deliveries at once. What failed for a passing reason is tried again after growing pauses. A
//! delivery that a crash interrupted is sent again, with the same number in `X-Cupola-Delivery`.
//!
//! Missing: order between deliveries to one address; a place in the queue for each address, so that many deliveries to a
//!          dead one make others wait

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use metastore::{Delivery, DeliveryState, Metastore, MetastoreError};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::delivery::{DeliveryId, Destination, NewDelivery, Payload, ToldDelivery};
use super::http::HttpSender;
use super::mail::{self, MailSettings};
use crate::limits::{
    DELIVERIES_AT_ONCE, DELIVERIES_KEPT, DELIVERY_ANSWER_BYTES_MAX, DELIVERY_ATTEMPTS_MAX, DELIVERY_PAUSE_FIRST,
    DELIVERY_PAUSE_MAX, DELIVERY_PAYLOAD_BYTES_MAX, DELIVERY_STOP_TIME_MAX, DELIVERY_TIME_MAX,
};
use crate::now_unix_nano;

/// Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<OutboxInner>);

struct OutboxInner {
    metastore: Metastore,
    project: String,
    http: HttpSender,
    tls: Arc<ClientConfig>,
    mail: Option<MailSettings>,
    /// Wakes the task that sends.
    added: Notify,
}

/// Why something was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    #[error("the payload has {bytes} bytes, more than the {bytes_max} that a delivery may have")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("cannot write down the delivery: {0}")]
    Unwritable(#[from] serde_json::Error),
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

/// What came of one attempt, with what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Delivered(String),
    /// It may be taken another time.
    Later(String),
    /// It will not be taken as it is.
    Never(String),
}

impl Outcome {
    #[cfg(test)]
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Delivered(_) => "delivered",
            Outcome::Later(_) => "later",
            Outcome::Never(_) => "never",
        }
    }

    pub fn words(&self) -> &str {
        let (Outcome::Delivered(words) | Outcome::Later(words) | Outcome::Never(words)) = self;
        words
    }
}

/// The origin of deliveries that try out a destination.
const TEST_ORIGIN: &str = "test";

impl Outbox {
    pub fn new(metastore: Metastore, project: String, mail: Option<MailSettings>) -> Result<Outbox, OutboxError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_platform_verifier()?
            .with_no_client_auth();
        let http = HttpSender::new(tls.clone());
        Ok(Outbox(Arc::new(OutboxInner { metastore, project, http, tls: Arc::new(tls), mail, added: Notify::new() })))
    }

    /// The client that deliveries go through.
    pub fn http(&self) -> &HttpSender {
        &self.0.http
    }

    /// Takes a delivery over: when this returns it is on disk and will be sent. What the origin handed over with the same
    /// key before is not sent a second time; its number is told.
    pub async fn send(&self, delivery: NewDelivery) -> Result<DeliveryId, OutboxError> {
        let now = now_unix_nano();
        let id = self.add(&delivery, now, now).await?;
        self.0.added.notify_one();
        Ok(id)
    }

    /// Those whose origin begins with the text, the newest first.
    pub async fn deliveries(&self, origin_prefix: &str, limit: u32) -> Result<Vec<ToldDelivery>, MetastoreError> {
        let found = self.0.metastore.deliveries(&self.0.project, origin_prefix, limit).await?;
        Ok(found.into_iter().map(ToldDelivery::of).collect())
    }

    /// Sends once, now, and tells what came of it; nothing is tried again.
    pub async fn test(&self, destination: Destination, payload: Payload) -> Result<ToldDelivery, OutboxError> {
        let dedupe_key = uuid::Uuid::new_v4().to_string();
        let delivery = NewDelivery { origin: TEST_ORIGIN.to_owned(), dedupe_key, destination, payload };
        let now = now_unix_nano();
        // The task that sends must not take it meanwhile; should we stop before the answer, it is sent then.
        let id = self.add(&delivery, now, now + 2 * DELIVERY_TIME_MAX.as_nanos() as i64).await?;
        let outcome = self.attempt(id, &delivery.destination, &delivery.payload).await;
        let state = match outcome {
            Outcome::Delivered(_) => DeliveryState::Delivered,
            Outcome::Later(_) | Outcome::Never(_) => DeliveryState::Failed,
        };
        self.note(id, state, &outcome, 0).await?;
        let found = self.0.metastore.deliveries(&self.0.project, TEST_ORIGIN, DELIVERIES_KEPT).await?;
        let told = found.into_iter().find(|each| each.id == id).map(ToldDelivery::of);
        told.ok_or_else(|| MetastoreError::NotFound { what: "delivery", name: id.to_string() }.into())
    }

    async fn add(&self, delivery: &NewDelivery, now: i64, first_attempt: i64) -> Result<DeliveryId, OutboxError> {
        let destination = serde_json::to_string(&delivery.destination)?;
        let payload = serde_json::to_string(&delivery.payload)?;
        if payload.len() > DELIVERY_PAYLOAD_BYTES_MAX {
            return Err(OutboxError::TooLarge { bytes: payload.len(), bytes_max: DELIVERY_PAYLOAD_BYTES_MAX });
        }
        let NewDelivery { origin, dedupe_key, .. } = delivery;
        let (metastore, project) = (&self.0.metastore, &self.0.project);
        let added =
            metastore.add_delivery(project, origin, dedupe_key, &destination, &payload, now, first_attempt, DELIVERIES_KEPT);
        Ok(added.await?)
    }

    /// Sends what is to be sent until `stop`; what is on its way then is waited for a moment.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut sending, mut in_flight) = (JoinSet::new(), HashSet::new());
        loop {
            let until_next = match self.start_due(&mut sending, &mut in_flight).await {
                Ok(until_next) => until_next,
                Err(error) => {
                    tracing::warn!(%error, "deliveries cannot be read");
                    DELIVERY_PAUSE_FIRST
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.0.added.notified() => {}
                () = tokio::time::sleep(until_next) => {}
                Some(done) = sending.join_next() => {
                    if let Ok(id) = done { in_flight.remove(&id); }
                }
            }
        }
        let answered = async { while sending.join_next().await.is_some() {} };
        if tokio::time::timeout(DELIVERY_STOP_TIME_MAX, answered).await.is_err() {
            tracing::info!("deliveries without an answer are sent again after the next start");
        }
    }

    /// Starts as many of those that are due as may be sent at once; tells how long until the next one is.
    async fn start_due(&self, sending: &mut JoinSet<u64>, in_flight: &mut HashSet<u64>) -> Result<Duration, MetastoreError> {
        let limit = 2 * DELIVERIES_AT_ONCE as u32;
        let pending = self.0.metastore.pending_deliveries(&self.0.project, limit).await?;
        let now = now_unix_nano();
        for delivery in pending.into_iter().filter(|delivery| !in_flight.contains(&delivery.id)).collect::<Vec<_>>() {
            if delivery.next_attempt_unix_nano > now {
                let nanos = u64::try_from(delivery.next_attempt_unix_nano - now).unwrap_or(0);
                return Ok(Duration::from_nanos(nanos).min(DELIVERY_PAUSE_MAX));
            }
            if in_flight.len() >= DELIVERIES_AT_ONCE {
                break;
            }
            in_flight.insert(delivery.id);
            let outbox = self.clone();
            sending.spawn(async move { outbox.deliver(delivery).await });
        }
        // The next look is due when one is done or added.
        Ok(DELIVERY_PAUSE_MAX)
    }

    async fn deliver(&self, delivery: Delivery) -> u64 {
        let outcome = match read(&delivery) {
            Ok((destination, payload)) => self.attempt(delivery.id, &destination, &payload).await,
            Err(error) => Outcome::Never(error.to_string()),
        };
        let attempts = delivery.attempts + 1;
        let state = match outcome {
            Outcome::Delivered(_) => DeliveryState::Delivered,
            Outcome::Later(_) if attempts < DELIVERY_ATTEMPTS_MAX => DeliveryState::Pending,
            Outcome::Later(_) | Outcome::Never(_) => DeliveryState::Failed,
        };
        if state == DeliveryState::Failed {
            tracing::warn!(id = delivery.id, origin = delivery.origin, answer = outcome.words(), "a delivery was given up");
        }
        if let Err(error) = self.note(delivery.id, state, &outcome, attempts).await {
            tracing::warn!(id = delivery.id, %error, "what came of a delivery was not noted; it is sent again");
        }
        delivery.id
    }

    async fn note(&self, id: u64, state: DeliveryState, outcome: &Outcome, attempts: u64) -> Result<(), MetastoreError> {
        let answer: String = outcome.words().chars().take(DELIVERY_ANSWER_BYTES_MAX).collect();
        let now = now_unix_nano();
        let next = now.saturating_add(i64::try_from(pause_after(attempts).as_nanos()).unwrap_or(i64::MAX));
        self.0.metastore.note_delivery(id, state, &answer, now, next).await
    }

    async fn attempt(&self, id: u64, destination: &Destination, payload: &Payload) -> Outcome {
        match destination {
            Destination::Http { url, headers } => self.0.http.send(id, url, headers, payload).await,
            Destination::Email { to } => match &self.0.mail {
                Some(settings) => mail::send(settings, Arc::clone(&self.0.tls), id, to, payload).await,
                None => Outcome::Never("no mail server is configured; name one with --smtp-server".to_owned()),
            },
        }
    }
}

fn read(delivery: &Delivery) -> Result<(Destination, Payload), serde_json::Error> {
    Ok((serde_json::from_str(&delivery.destination)?, serde_json::from_str(&delivery.payload)?))
}

/// The pause after so many attempts: each is four times the one before.
fn pause_after(attempts: u64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).saturating_mul(2).min(30);
    DELIVERY_PAUSE_FIRST.saturating_mul(1 << doublings).min(DELIVERY_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::post;
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    /// A receiving end on loopback: answers in turn, and remembers what came.
    async fn receiver(answers: &'static [u16]) -> (String, Arc<Mutex<Vec<String>>>) {
        let (seen, turn) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let remembered = Arc::clone(&seen);
        let handler = move |headers: ::http::HeaderMap, body: String| async move {
            let status = answers[turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
            let kind = headers["content-type"].to_str().unwrap_or_default().to_owned();
            let extra = headers.get("x-extra").and_then(|value| value.to_str().ok()).unwrap_or("-").to_owned();
            remembered.lock().push(format!("{kind} {extra} {body}"));
            (::http::StatusCode::from_u16(status).unwrap(), "words")
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", post(handler))).await });
        (url, seen)
    }

    async fn outbox() -> Outbox {
        Outbox::new(Metastore::in_memory().await.unwrap(), "default".to_owned(), None).unwrap()
    }

    fn to(url: &str, key: &str) -> NewDelivery {
        let headers = [("x-extra".to_owned(), "1".to_owned())].into();
        NewDelivery {
            origin: "rule:1".to_owned(),
            dedupe_key: key.to_owned(),
            destination: Destination::Http { url: url.to_owned(), headers },
            payload: Payload::json(json!({ "key": key })),
        }
    }

    async fn settled(outbox: &Outbox) -> Vec<ToldDelivery> {
        for _ in 0..500 {
            let told = outbox.deliveries("rule:", 10).await.unwrap();
            if told.iter().all(|each| each.state != "pending") {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("still pending");
    }

    #[tokio::test]
    async fn a_delivery_is_sent_once_and_again_only_after_a_failure() {
        let (url, seen) = receiver(&[503, 200]).await;
        let (outbox, stop) = (outbox().await, CancellationToken::new());
        let first = outbox.send(to(&url, "a")).await.unwrap();
        assert_eq!(outbox.send(to(&url, "a")).await.unwrap(), first);
        let running = {
            let (outbox, stop) = (outbox.clone(), stop.clone());
            tokio::spawn(async move { outbox.run(stop).await })
        };
        let told = settled(&outbox).await;
        assert_eq!((told.len(), told[0].state, told[0].attempts), (1, "delivered", 2));
        assert_eq!(told[0].answer, "200 OK: words");
        assert_eq!(*seen.lock(), ["application/json 1 {\"key\":\"a\"}", "application/json 1 {\"key\":\"a\"}"]);
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_on_its_way_at_a_stop_is_noted() {
        let (url, seen) = receiver(&[200]).await;
        let (outbox, stop) = (outbox().await, CancellationToken::new());
        outbox.send(to(&url, "a")).await.unwrap();
        let running = {
            let (outbox, stop) = (outbox.clone(), stop.clone());
            tokio::spawn(async move { outbox.run(stop).await })
        };
        while seen.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        running.await.unwrap();
        assert_eq!(outbox.deliveries("rule:", 10).await.unwrap()[0].state, "delivered");
    }

    #[tokio::test]
    async fn what_is_refused_is_given_up_and_told() {
        let (url, seen) = receiver(&[400]).await;
        let (outbox, stop) = (outbox().await, CancellationToken::new());
        outbox.send(to(&url, "a")).await.unwrap();
        outbox.send(to("no address", "b")).await.unwrap();
        let mail = NewDelivery { destination: Destination::Email { to: vec!["ann@example.test".into()] }, ..to("", "c") };
        outbox.send(mail).await.unwrap();
        tokio::spawn({
            let (outbox, stop) = (outbox.clone(), stop.clone());
            async move { outbox.run(stop).await }
        });
        let told = settled(&outbox).await;
        assert!(told.iter().all(|each| each.state == "failed" && each.attempts == 1), "{told:?}");
        assert!(told[0].answer.contains("--smtp-server"));
        assert!(told[1].answer.contains("cannot send to this address"));
        assert_eq!(told[2].answer, "400 Bad Request: words");
        assert_eq!(seen.lock().len(), 1);
        let tested = outbox.test(to(&url, "").destination, Payload::mail("s", "t")).await.unwrap();
        assert_eq!((tested.state, tested.origin.as_str()), ("failed", "test"));
        assert_eq!(seen.lock()[1], "application/json 1 {\"subject\":\"s\",\"text\":\"t\"}");
        stop.cancel();
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let seconds: Vec<u64> = (1..=7).map(|attempts| pause_after(attempts).as_secs()).collect();
        assert_eq!(seconds, [2, 8, 32, 128, 512, 2_048, 3_600]);
        assert_eq!(pause_after(u64::MAX), DELIVERY_PAUSE_MAX);
    }
}
