//! StartLiveTail: events as they arrive, told every second for up to three hours.
//!
//! Quirks:  clients put `streaming-` or `stream-` before the host's name; what a request is called by is not looked at

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use analysis::sensitive::Masks;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::ask::insights::EventSource;
use engine::ask::log_events::{LogEvent, LogEventFilter};
use http::header::CONTENT_TYPE;
use languages::filter_pattern::Pattern;
use receivers::aws::AwsError;
use receivers::cloudwatch::wire;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::{LogsApi, NANOS_PER_MS, event_stream};
use crate::limits::{LIVE_TAIL_EVENTS_LOOKED_AT, LIVE_TAIL_EVENTS_MAX, LIVE_TAIL_SESSIONS_MAX, LIVE_TAIL_TIME_MAX, TAIL_AGE_MAX};
use crate::{Services, now_unix_nano};

/// How often a session is told of, also when nothing came.
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);

/// Rows become visible a log commit after they were received; a look overlaps the one before by this much.
const OVERLAP_MS: i64 = 3_000;

/// Updates that wait for a client that reads slowly; then it is left behind.
const UPDATES_QUEUED_MAX: usize = 8;

/// Room for sessions.
pub struct Sessions(Arc<Semaphore>);

impl Default for Sessions {
    fn default() -> Sessions {
        Sessions(Arc::new(Semaphore::new(LIVE_TAIL_SESSIONS_MAX)))
    }
}

/// What a session listens to.
struct Session {
    groups: Vec<Listened>,
    stream_names: Vec<String>,
    stream_prefixes: Vec<String>,
    pattern: Option<Pattern>,
    /// What stands before a group's name where an event says where it comes from.
    account_id: String,
    _room: OwnedSemaphorePermit,
}

/// A group that a session listens to, and what is protected in it.
struct Listened {
    name: String,
    source: EventSource,
    masks: Option<Arc<Masks>>,
}

impl LogsApi<'_> {
    pub(super) async fn start_live_tail(&self) -> Result<Response, AwsError> {
        let (names, prefixes) = (self.input.texts("logStreamNames"), self.input.texts("logStreamNamePrefixes"));
        if !names.is_empty() && !prefixes.is_empty() {
            return Err(self.invalid("Only one of logStreamNames or logStreamNamePrefixes can be provided."));
        }
        let identifiers = self.input.texts("logGroupIdentifiers");
        if identifiers.len() > 1 && !(names.is_empty() && prefixes.is_empty()) {
            return Err(self.invalid("logStreamNames and logStreamNamePrefixes can only be used with a single log group."));
        }
        let pattern = self.pattern(self.input.text("logEventFilterPattern"))?;
        let mut groups = Vec::with_capacity(identifiers.len());
        for identifier in &identifiers {
            let name = wire::log_group_name_from_identifier("logGroupIdentifiers", identifier)?;
            let (source, masks) = (self.source(name).await?, self.masks_of(name).await?);
            groups.push(Listened { name: name.to_owned(), source, masks });
        }
        let room = Arc::clone(&self.services.logs.sessions.0).try_acquire_owned();
        let room = room.map_err(|_| {
            AwsError::new("LimitExceededException", format!("There can be at most {LIVE_TAIL_SESSIONS_MAX} live tail sessions."))
        })?;
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let session = Session {
            groups,
            stream_names: owned(&names),
            stream_prefixes: owned(&prefixes),
            pattern,
            account_id: self.services.settings.account_id.clone(),
            _room: room,
        };
        let start = json!({
            "requestId": self.call.request_id,
            "sessionId": uuid::Uuid::new_v4().to_string(),
            "logGroupIdentifiers": identifiers,
            "logStreamNames": names,
            "logStreamNamePrefixes": prefixes,
            "logEventFilterPattern": self.input.text("logEventFilterPattern").unwrap_or_default(),
        });
        let (sender, receiver) = mpsc::channel(UPDATES_QUEUED_MAX);
        tokio::spawn(follow(self.services.clone(), session, start, sender));
        let mut response = Body::from_stream(ReceiverStream::new(receiver)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(event_stream::CONTENT_TYPE));
        super::put_events::stamp(headers, &self.call.request_id);
        Ok(response)
    }
}

type Messages = mpsc::Sender<Result<Bytes, Infallible>>;

async fn follow(services: Services, session: Session, start: Value, messages: Messages) {
    for message in [event_stream::initial_response(), event_stream::event("sessionStart", &start)] {
        if messages.send(Ok(message)).await.is_err() {
            return;
        }
    }
    let mut appended = services.ingest.appended();
    appended.mark_changed();
    let begun = Instant::now();
    let begun_ms = now_unix_nano() / NANOS_PER_MS;
    let mut seen = Seen { from_ms: begun_ms, exchanged_ms: begun_ms, begun_ms, ..Seen::default() };
    let mut ticks = tokio::time::interval(UPDATE_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            () = messages.closed() => return,
            _ = ticks.tick() => {}
        }
        if begun.elapsed() >= LIVE_TAIL_TIME_MAX {
            let _ = messages.send(Ok(event_stream::exception("SessionTimeoutException", "The session has timed out."))).await;
            return;
        }
        let fresh = if appended.has_changed().unwrap_or(true) {
            appended.mark_unchanged();
            look_for(&services, &session, &mut seen).await
        } else {
            Ok(Vec::new())
        };
        let message = match fresh {
            Ok(fresh) => {
                let (results, sampled) = sampled(fresh);
                let update = json!({ "sessionMetadata": { "sampled": sampled }, "sessionResults": results });
                event_stream::event("sessionUpdate", &update)
            }
            Err(error) => {
                tracing::warn!(%error, "a live tail session ended");
                event_stream::exception("SessionStreamingException", "The session could not go on.")
            }
        };
        if messages.send(Ok(message)).await.is_err() {
            return;
        }
    }
}

/// Which events were told: those that a look can find again.
#[derive(Default)]
struct Seen {
    from_ms: i64,
    ids: HashSet<String>,
    ids_before: HashSet<String>,
    exchanged_ms: i64,
    begun_ms: i64,
}

impl Seen {
    fn is_new(&mut self, id: &str) -> bool {
        !self.ids_before.contains(id) && self.ids.insert(id.to_owned())
    }
}

/// New events of the session's groups, as they are told.
async fn look_for(services: &Services, session: &Session, seen: &mut Seen) -> Result<Vec<Value>, engine::EngineError> {
    let now_ms = now_unix_nano() / NANOS_PER_MS;
    let age_ms = TAIL_AGE_MAX.as_millis() as i64;
    let mut found = Vec::new();
    for Listened { name, source, masks } in &session.groups {
        let filter = LogEventFilter {
            log_stream_names: session.stream_names.clone(),
            start_unix_ms: Some(now_ms - age_ms),
            // As far ahead as PutLogEvents takes them.
            end_unix_ms: Some(now_ms + 2 * 3_600_000),
            received_from_unix_ms: (seen.from_ms - OVERLAP_MS).max(seen.begun_ms),
            newest_first: true,
            pattern: session.pattern.clone().filter(|_| masks.is_none()),
            ..LogEventFilter::of(source.clone())
        };
        let mut events = services.asker.log_events(&filter, LIVE_TAIL_EVENTS_LOOKED_AT).await?;
        super::read::mask(&mut events, masks.as_deref());
        for event in events {
            let listened = session.stream_prefixes.is_empty()
                || session.stream_prefixes.iter().any(|prefix| event.log_stream_name.starts_with(prefix));
            let matches = || session.pattern.as_ref().is_none_or(|pattern| pattern.matches(&event.message).is_some());
            if listened && matches() && seen.is_new(&event.event_id) {
                found.push((event.event_id.clone(), told(session, name, event)));
            }
        }
    }
    if now_ms - seen.exchanged_ms > 2 * OVERLAP_MS {
        seen.ids_before = std::mem::take(&mut seen.ids);
        seen.exchanged_ms = now_ms;
    }
    seen.from_ms = now_ms;
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found.into_iter().map(|(_, event)| event).collect())
}

fn told(session: &Session, group: &str, event: LogEvent) -> Value {
    json!({
        "logStreamName": event.log_stream_name,
        "logGroupIdentifier": format!("{}:{group}", session.account_id),
        "message": event.message,
        "timestamp": event.timestamp_ms,
        "ingestionTime": event.received_at_ms,
    })
}

/// As many as one update holds, evenly picked where there are more.
fn sampled(events: Vec<Value>) -> (Vec<Value>, bool) {
    let count = events.len();
    if count <= LIVE_TAIL_EVENTS_MAX {
        return (events, false);
    }
    // An event is picked where the running share passes a whole number.
    let picked = |index: usize| (index + 1) * LIVE_TAIL_EVENTS_MAX / count > index * LIVE_TAIL_EVENTS_MAX / count;
    (events.into_iter().enumerate().filter(|(index, _)| picked(*index)).map(|(_, event)| event).collect(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_an_update_holds_is_sampled_evenly() {
        let events = |count: usize| (0..count).map(Value::from).collect::<Vec<_>>();
        assert_eq!(sampled(events(500)), (events(500), false));
        let (some, is_sampled) = sampled(events(1_750));
        assert!(is_sampled);
        assert_eq!(some.len(), 500);
        assert!(some.first().unwrap().as_u64() < Some(4) && some.last().unwrap().as_u64() > Some(1_745));
    }

    #[test]
    fn an_event_is_told_once() {
        let mut seen = Seen::default();
        assert!(seen.is_new("a") && !seen.is_new("a"));
        seen.ids_before = std::mem::take(&mut seen.ids);
        assert!(!seen.is_new("a") && seen.is_new("b"));
    }
}
