//! Live tail: lines as they become visible, over server-sent events.
//!
//! The ingest pipeline says when to look; the look is the same search as everywhere, so a tail shows exactly what a reload
//! would.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use engine::ask::logs::{LogFilter, Order};
use futures::Stream;
use store::TimeRange;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::logs::LogParams;
use super::params::Params;
use super::refusal::Refusal;
use crate::limits::{
    TAIL_AGE_MAX, TAIL_LINES_MAX, TAIL_LINES_PER_SECOND_MAX, TAIL_PAUSE_MAX, TAIL_PAUSE_MIN, TAIL_PAUSES_PER_LOOK,
};
use crate::{Services, now_unix_nano};

/// New log records as they arrive: `log` events carry one record, `rate` events how many came in the last second.
#[utoipa::path(get, tag = "Logs", operation_id = "logs_tail", path = "/api/logs/tail", params(LogParams), responses((status = 200, content_type = "text/event-stream", body = String)))]
pub async fn tail(
    State(services): State<Services>,
    Params(params): Params<LogParams>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let filter = params.filter()?;
    // A search that cannot be understood is refused now, not within the stream.
    services.asker.logs(TimeRange { start_unix_nano: 0, end_unix_nano: 1 }, &filter, Order::Newest, 1, None).await?;
    let (sender, receiver) = mpsc::channel(TAIL_LINES_MAX);
    tokio::spawn(follow(services, filter, sender));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))))
}

/// Rows become visible a log commit after they were received; a look overlaps the one before by this much.
const OVERLAP_NS: i64 = 3_000_000_000;

async fn follow(services: Services, filter: LogFilter, lines: mpsc::Sender<Result<Event, Infallible>>) {
    let mut appended = services.ingest.appended();
    appended.mark_changed();
    let mut from = now_unix_nano();
    let mut exchanged = from;
    let mut told: HashSet<String> = HashSet::new();
    let mut told_before: HashSet<String> = HashSet::new();
    let (mut second, mut in_second, mut skipped) = (Instant::now(), 0usize, 0usize);
    loop {
        let changed = tokio::select! {
            () = lines.closed() => return,
            changed = tokio::time::timeout(Duration::from_secs(1), appended.changed()) => changed,
        };
        if matches!(changed, Ok(Err(_))) {
            return;
        }
        let look = Instant::now();
        let now = now_unix_nano();
        let age = TAIL_AGE_MAX.as_nanos() as i64;
        let range = TimeRange { start_unix_nano: now - age, end_unix_nano: now + age };
        let found = match changed {
            Ok(_) => services.asker.logs_received_since(range, &filter, from - OVERLAP_NS, TAIL_LINES_MAX + 1).await,
            Err(_) => Ok(Vec::new()),
        };
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "a live tail ended");
                return;
            }
        };
        // They come oldest first; when there are too many, the newest are told.
        let too_many = found.len().saturating_sub(TAIL_LINES_MAX);
        skipped += usize::from(too_many > 0 && !told.contains(&found[0].id) && !told_before.contains(&found[0].id));
        for log in found.into_iter().skip(too_many) {
            if in_second == TAIL_LINES_PER_SECOND_MAX {
                skipped += 1;
                break;
            }
            if told_before.contains(&log.id) || !told.insert(log.id.clone()) {
                continue;
            }
            in_second += 1;
            let Ok(event) = Event::default().event("log").json_data(&log) else { continue };
            if lines.send(Ok(event)).await.is_err() {
                return;
            }
        }
        // Whatever a look can find again was told since the sets were exchanged, or since the time before.
        if now - exchanged > 2 * OVERLAP_NS {
            told_before = std::mem::take(&mut told);
            exchanged = now;
        }
        from = now;
        if second.elapsed() >= Duration::from_secs(1) {
            let per_second = in_second as f64 / second.elapsed().as_secs_f64();
            let rate = serde_json::json!({ "per_second": (per_second * 10.0).round() / 10.0, "skipped": skipped });
            let Ok(event) = Event::default().event("rate").json_data(rate) else { continue };
            if lines.send(Ok(event)).await.is_err() {
                return;
            }
            (second, in_second, skipped) = (Instant::now(), 0, 0);
        }
        tokio::time::sleep((look.elapsed() * TAIL_PAUSES_PER_LOOK).clamp(TAIL_PAUSE_MIN, TAIL_PAUSE_MAX)).await;
    }
}
