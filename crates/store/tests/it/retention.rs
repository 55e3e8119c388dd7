//! Retention by age, by bytes and by value, over real parts.

use std::collections::{BTreeMap, HashSet};

use metastore::{NewPin, PinKind, RetentionPolicy};
use model::Signal;
use store::{Clock, Store, StoreOptions};

use crate::numbered::PROJECT;
use crate::stories::{DAY, HOUR, SECOND, Seen, append, by_number, is_error, linked, open, quick, seen, service, trace};

/// A round day, so that hours begin where windows do.
const START: i64 = 20_000 * DAY;

fn bytes_of(policy: u64) -> RetentionPolicy {
    RetentionPolicy { traces_bytes_max: Some(policy), ..RetentionPolicy::default() }
}

/// Two days of a request every 20 seconds, a part each six hours, and a clock that says it is the day after.
async fn two_days(folder: &std::path::Path) -> (Store, metastore::Metastore) {
    let clock = Clock::manual(START + 3 * DAY);
    let (store, metastore) = open(StoreOptions { clock, ..quick(folder) }).await;
    for quarter in 0..8 {
        append(&store, quarter * 1_080, 1_080, START + quarter * 6 * HOUR, 20 * SECOND).await;
        store.flush().await.unwrap();
    }
    (store, metastore)
}

async fn traces_bytes(store: &Store) -> u64 {
    let mut bytes = 0;
    for signal in [Signal::Spans, Signal::Logs] {
        let snapshot = store.snapshot(PROJECT, signal, store::TimeRange::ALL).await.unwrap();
        bytes += snapshot.parts.iter().map(|part| part.bytes + part.sidecar_bytes).sum::<u64>();
    }
    bytes
}

/// Spans and log lines by trace are whole or gone; gives back the numbers that are there.
fn whole_traces(spans: &[Seen], logs: &[Seen]) -> HashSet<i64> {
    let (spans, logs) = (by_number(spans), by_number(logs.iter().filter(|row| row.is_of_trace)));
    assert_eq!(spans.keys().collect::<Vec<_>>(), logs.keys().collect::<Vec<_>>(), "spans and logs of the same traces");
    assert!(spans.values().all(|count| *count == 3), "both tracers' spans, each once");
    assert!(logs.values().all(|count| *count == 1));
    spans.into_keys().collect()
}

fn weights(rows: &[Seen]) -> BTreeMap<&'static str, f64> {
    let mut weights = BTreeMap::new();
    for row in rows {
        *weights.entry(service(row.number)).or_default() += row.weight;
    }
    weights
}

#[tokio::test]
async fn what_is_too_old_goes_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = two_days(folder.path()).await;
    let before = seen(&store, folder.path(), Signal::Metrics).await.len();
    let policy = RetentionPolicy { spans_days: Some(2), logs_days: Some(2), ..RetentionPolicy::default() };
    metastore.put_retention_policy(PROJECT, Some(&policy), 0).await.unwrap();
    let run = store.retain(PROJECT).await.unwrap();
    assert_eq!((run.parts_ended, run.parts_rewritten), (8, 0), "{}", run.outcome);
    let spans = seen(&store, folder.path(), Signal::Spans).await;
    assert!(by_number(&spans).into_keys().eq(4 * 1_080..8 * 1_080), "the second day is left");
    assert_eq!(seen(&store, folder.path(), Signal::Metrics).await.len(), before);
    assert_eq!(store.retain(PROJECT).await.unwrap().outcome, "");
    assert_eq!(metastore.retention_runs(PROJECT, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_part_that_holds_both_is_rewritten_when_it_is_overdue() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START + 3 * DAY);
    let retention = RetentionPolicy { spans_days: Some(2), ..RetentionPolicy::default() };
    let (store, _) = open(StoreOptions { clock: clock.clone(), retention, ..quick(folder.path()) }).await;
    // One part of three days: a request an hour.
    append(&store, 0, 72, START, HOUR).await;
    store.flush().await.unwrap();
    assert_eq!(store.retain(PROJECT).await.unwrap().outcome, "", "within a day of slack");
    clock.set(START + 3 * DAY + HOUR);
    let run = store.retain(PROJECT).await.unwrap();
    assert_eq!((run.parts_ended, run.parts_rewritten), (0, 1));
    assert!(by_number(&seen(&store, folder.path(), Signal::Spans).await).into_keys().eq(25..72));
    assert!(by_number(&seen(&store, folder.path(), Signal::Logs).await).into_keys().eq(0..72));
}

#[tokio::test]
async fn over_budget_errors_stay_and_the_rest_stands_for_what_went() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = two_days(folder.path()).await;
    let (spans, logs) = (seen(&store, folder.path(), Signal::Spans).await, seen(&store, folder.path(), Signal::Logs).await);
    let all = traces_bytes(&store).await;
    let truth = (weights(&spans), weights(&logs));
    let mut last = spans.len();
    for share in [2, 5] {
        let budget = all / share;
        metastore.put_retention_policy(PROJECT, Some(&bytes_of(budget)), 0).await.unwrap();
        let run = store.retain(PROJECT).await.unwrap();
        assert!(traces_bytes(&store).await <= budget, "{}", run.outcome);
        let (spans, logs) = (seen(&store, folder.path(), Signal::Spans).await, seen(&store, folder.path(), Signal::Logs).await);
        assert!(spans.len() < last);
        last = spans.len();
        let left = whole_traces(&spans, &logs);
        assert!((0..8_640).filter(|number| is_error(*number)).all(|number| left.contains(&number)), "every error is there");
        assert!(spans.iter().filter(|row| is_error(row.number)).all(|row| row.weight == 1.0), "and stands for itself");
        assert!(spans.iter().all(|row| [1.0, 8.0, 64.0, 512.0].contains(&row.weight)));
        // Counts stay right: within four standard deviations of a sum of weights w drawn with chance 1 / w.
        for (rows, truth, together) in [(&spans, &truth.0, 3.0), (&logs, &truth.1, 2.0)] {
            for (service, weight) in weights(rows) {
                let drawn = rows.iter().filter(|row| crate::stories::service(row.number) == service && row.weight > 1.0);
                let variance: f64 = drawn.map(|row| row.weight * (row.weight - 1.0) * together).sum();
                let off = (weight - truth[service]).abs();
                assert!(off <= 4.0 * variance.sqrt() + 1.0, "{service}: {weight} for {}", truth[service]);
            }
        }
        assert_eq!(store.retain(PROJECT).await.unwrap().outcome, "", "within budget nothing is done");
    }
    let windows = metastore.thinned_windows(PROJECT).await.unwrap();
    assert!(windows.is_sorted_by_key(|window| window.start_unix_nano));
    assert!(windows.is_sorted_by(|older, newer| older.level >= newer.level), "the old gave up more than the new");
    assert!(windows.iter().all(|window| window.rows.error > 0 && window.bytes_after < window.bytes_before));
    assert_eq!(seen(&store, folder.path(), Signal::Metrics).await.len(), 8_640, "metrics have a budget of their own");
}

#[tokio::test]
async fn what_is_pinned_outlives_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = two_days(folder.path()).await;
    let pin = |kind, value: String, range| NewPin { kind, value, range, reason: "asked for".into() };
    let pins = [
        pin(PinKind::Trace, trace(100).to_string(), None),
        // The other tracer's half is pinned, so both are.
        pin(PinKind::Trace, linked(5_000).to_string(), None),
        pin(PinKind::TimeRange, "outage".into(), Some((START + 12 * HOUR, START + 12 * HOUR + 60 * SECOND))),
    ];
    for pin in &pins {
        metastore.put_pin(PROJECT, pin, 0).await.unwrap();
    }
    metastore.put_retention_policy(PROJECT, Some(&bytes_of(traces_bytes(&store).await / 10)), 0).await.unwrap();
    store.retain(PROJECT).await.unwrap();
    let (spans, logs) = (seen(&store, folder.path(), Signal::Spans).await, seen(&store, folder.path(), Signal::Logs).await);
    let left = whole_traces(&spans, &logs);
    assert!(left.len() < 3_000, "{}", left.len());
    for number in [100, 5_000, 2_160, 2_161, 2_162] {
        assert!(left.contains(&number), "{number}");
        assert!(spans.iter().filter(|row| row.number == number).all(|row| row.weight == 1.0));
    }
}

#[tokio::test]
async fn rows_that_come_late_are_thinned_like_their_window() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = two_days(folder.path()).await;
    let budget = traces_bytes(&store).await / 4;
    metastore.put_retention_policy(PROJECT, Some(&bytes_of(budget)), 0).await.unwrap();
    store.retain(PROJECT).await.unwrap();
    append(&store, 10_000, 4_000, START, 5 * SECOND).await;
    store.flush().await.unwrap();
    store.retain(PROJECT).await.unwrap();
    assert!(traces_bytes(&store).await <= budget);
    let (spans, logs) = (seen(&store, folder.path(), Signal::Spans).await, seen(&store, folder.path(), Signal::Logs).await);
    let left = whole_traces(&spans, &logs);
    assert!((10_000..14_000).filter(|number| is_error(*number)).all(|number| left.contains(&number)));
    assert!(left.iter().filter(|number| **number >= 10_000).count() < 2_000);
}

#[tokio::test]
async fn metrics_beyond_their_budget_go_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = two_days(folder.path()).await;
    let parts = store.snapshot(PROJECT, Signal::Metrics, store::TimeRange::ALL).await.unwrap().parts;
    let bytes: u64 = parts.iter().map(|part| part.bytes + part.sidecar_bytes).sum();
    drop(parts);
    let policy = RetentionPolicy { metrics_bytes_max: Some(bytes / 2), ..RetentionPolicy::default() };
    metastore.put_retention_policy(PROJECT, Some(&policy), 0).await.unwrap();
    store.retain(PROJECT).await.unwrap();
    let left = by_number(&seen(&store, folder.path(), Signal::Metrics).await);
    assert!(left.keys().copied().eq(8_640 - left.len() as i64..8_640));
    assert!((2_160..=4_320).contains(&left.len()), "{}", left.len());
    assert_eq!(seen(&store, folder.path(), Signal::Spans).await.len(), 3 * 8_640);
}

#[tokio::test]
async fn a_log_group_has_its_own_retention() {
    use model::{Attribute, LogRecord, RowSink, Value};
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START + 10 * DAY);
    let (store, metastore) = open(StoreOptions { clock, ..quick(folder.path()) }).await;
    let mut buffer =
        store::RowBuffer::new(store::RowContext { receiver: "cloudwatch", received_at_unix_nano: START, request: None });
    for number in 0..10 {
        let group = ["audit", "web", "free"][(number % 3) as usize];
        let attributes = [Attribute::str("aws.log.group.name", group), Attribute::new("number", Value::Int(number))];
        let time_unix_nano = START + number * DAY;
        buffer.log(&LogRecord { time_unix_nano, body: "an event".into(), attributes: &attributes, ..LogRecord::default() });
    }
    store.append(PROJECT, b"-".to_vec(), buffer).await.unwrap();
    store.flush().await.unwrap();
    metastore.create_log_group(PROJECT, "web", Some(3), 0).await.unwrap();
    metastore.create_log_group(PROJECT, "audit", Some(7), 0).await.unwrap();
    metastore.create_log_group(PROJECT, "free", None, 0).await.unwrap();
    let run = store.retain(PROJECT).await.unwrap();
    assert_eq!(run.outcome, "3 log events past their group's retention removed");
    // Of web (1, 4, 7) the seventh day is left, of audit (0, 3, 6, 9) all but the first; free keeps everything.
    let left: Vec<i64> = by_number(&seen(&store, folder.path(), Signal::Logs).await).into_keys().collect();
    assert_eq!(left, [2, 3, 5, 6, 7, 8, 9]);
    assert_eq!(store.retain(PROJECT).await.unwrap().outcome, "");
}
