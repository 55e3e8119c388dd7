//! The typed questions: pages neither skip nor repeat, filters find, charts add up.

use std::collections::HashSet;

use engine::EngineError;
use engine::ask::logs::{LogFilter, Order};
use engine::ask::traces::{TraceFilter, TraceSort, TraceStatus};
use model::{Attribute, RowSink, Value};
use store::TimeRange;

use crate::stage::{SECOND, START, log, span, stage};

const HOUR: TimeRange = TimeRange { start_unix_nano: START, end_unix_nano: START + 3_600 * SECOND };

#[tokio::test]
async fn pages_of_traces_neither_skip_nor_repeat() {
    let stage = stage().await;
    stage.append_spans(25).await;
    for sort in [TraceSort::Newest, TraceSort::Slowest] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = stage.asker.traces(HOUR, &TraceFilter::default(), sort, 7, cursor.as_deref()).await.unwrap();
            seen.extend(page.traces.into_iter().map(|trace| trace.trace_id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 25);
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 25);
    }
}

#[tokio::test]
async fn traces_are_found_by_anything() {
    let stage = stage().await;
    stage.append_spans(25).await;
    let found =
        async |filter: TraceFilter| stage.asker.traces(HOUR, &filter, TraceSort::Newest, 100, None).await.unwrap().traces.len();
    let by = |q: &str| TraceFilter { q: q.into(), ..TraceFilter::default() };
    assert_eq!(found(by("number = 7")).await, 1);
    assert_eq!(found(by("number > 20 AND cart")).await, 4);
    assert_eq!(found(by("no.such.key = 7")).await, 0);
    assert_eq!(found(by("duration > 20ms")).await, 5);
    assert_eq!(found(TraceFilter { status: Some(TraceStatus::Error), ..Default::default() }).await, 3);
    assert_eq!(found(TraceFilter { status: Some(TraceStatus::Ok), ..Default::default() }).await, 22);
    assert_eq!(found(TraceFilter { service: Some("other".into()), ..Default::default() }).await, 0);
    assert_eq!(found(TraceFilter { duration_min_ns: Some(24_000_000), ..Default::default() }).await, 2);
    let wrong = stage.asker.traces(HOUR, &by("number ="), TraceSort::Newest, 10, None).await.unwrap_err();
    assert!(matches!(wrong, EngineError::Invalid { position: Some(_), .. }), "{wrong}");
}

#[tokio::test]
async fn a_complete_span_replaces_its_announcement() {
    let stage = stage().await;
    stage.append(|rows| rows.span(&model::Span { in_progress: true, duration_ns: 0, ..span(1, &[]) })).await;
    stage.append(|rows| rows.span(&span(1, &[]))).await;
    let list = stage.asker.traces(HOUR, &TraceFilter::default(), TraceSort::Newest, 10, None).await.unwrap();
    assert_eq!((list.traces[0].span_count, list.traces[0].in_progress), (1, false));
    let trace = stage.asker.trace(model::TraceId::parse(&list.traces[0].trace_id).unwrap()).await.unwrap().unwrap();
    assert_eq!((trace.span_count, trace.spans[0].duration_ns), (1, 2_000_000));
}

#[tokio::test]
async fn pages_of_logs_neither_skip_nor_repeat_within_one_moment() {
    let stage = stage().await;
    let bodies: Vec<String> = (0..20).map(|number| format!("line {number:02}")).collect();
    stage.append(|rows| bodies.iter().for_each(|body| rows.log(&log(5, body)))).await;
    stage.append(|rows| rows.log(&log(6, "later"))).await;
    for order in [Order::Newest, Order::Oldest] {
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = stage.asker.logs(HOUR, &LogFilter::default(), order, 6, cursor.as_deref()).await.unwrap();
            seen.extend(page.logs.into_iter().map(|log| log.body));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 21, "{seen:?}");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 21);
    }
}

#[tokio::test]
async fn charts_add_up_to_what_they_show() {
    let stage = stage().await;
    stage.append_spans(30).await;
    stage.append(|rows| (0..30).for_each(|second| rows.log(&log(second, "a line")))).await;
    let traces = stage.asker.trace_histogram(HOUR, &TraceFilter::default()).await.unwrap();
    assert_eq!(traces.buckets.iter().map(|bucket| bucket.count).sum::<f64>(), 30.0);
    assert_eq!(traces.buckets.iter().map(|bucket| bucket.errors).sum::<f64>(), 3.0);
    let logs = stage.asker.log_histogram(HOUR, &LogFilter { q: "line".into(), ..Default::default() }).await.unwrap();
    assert_eq!(logs.buckets.iter().map(|bucket| bucket.info).sum::<f64>(), 30.0);
    let services = stage.asker.services(HOUR).await.unwrap().services;
    assert_eq!((services[0].name.as_str(), services[0].requests, services[0].logs), ("shop", 30.0, 30.0));
    assert_eq!(services[0].series.requests.iter().sum::<f64>(), 30.0);
}

#[tokio::test]
async fn values_are_completed_by_prefix() {
    let stage = stage().await;
    for (number, city) in ["Bern", "Basel", "basel", "Zug"].into_iter().enumerate() {
        stage.append(|rows| rows.span(&span(number as u64, &[Attribute::new("city", Value::str(city))]))).await;
    }
    let values = stage.asker.attribute_values(HOUR, model::Signal::Spans, "city", "ba", 10).await.unwrap().values;
    let mut found: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
    found.sort_unstable();
    assert_eq!(found, ["Basel", "basel"]);
    let keys = stage.asker.attributes(Some(model::Signal::Spans)).await.unwrap().attributes;
    assert!(keys.iter().any(|key| key.key == "city" && !key.fixed && key.r#type == "string"));
}
