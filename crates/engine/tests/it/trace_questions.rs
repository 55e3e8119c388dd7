//! Lists of whole traces: pages hold under writes, filters choose, and what is told of a trace is all there is.

use std::collections::HashSet;

use engine::EngineOptions;
use engine::ask::trace_refine::RefineBy;
use engine::ask::trace_scope::TraceScope;
use engine::ask::trace_summaries::{FoundRootCause, FoundTrace};
use engine::ask::traces::TraceSort;
use model::{Attribute, LogRecord, Resource, RowSink, Span, SpanId, SpanKind, Value};
use store::{RowBuffer, RowContext, TimeRange};

use crate::map::trace_id;
use crate::stage::{PROJECT, SECOND, START, Stage, stage, stage_with};

const HOUR: TimeRange = TimeRange { start_unix_nano: START, end_unix_nano: START + 3_600 * SECOND };
const MS: i64 = 1_000_000;

fn filtered(filter: &str) -> TraceScope {
    TraceScope { filter: filter.into(), ..TraceScope::over(HOUR) }
}

#[tokio::test]
async fn pages_of_summaries_hold_while_traces_arrive() {
    for window in [1_000_000, 20] {
        let stage = stage_with(EngineOptions { trace_window_spans: window, ..EngineOptions::default() }).await;
        stage.append_traces(33).await;
        let (mut seen, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = stage.asker.trace_summaries(&TraceScope::over(HOUR), 7, cursor.as_deref()).await.unwrap();
            seen.extend(page.traces.iter().map(|trace| trace.id));
            pages += 1;
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            // What arrives meanwhile is newer than what is left.
            let mut late = crate::stage::span(900 + pages, &[]);
            late.start_time_unix_nano = START + (2_000 + pages as i64) * SECOND;
            stage.append(|rows| rows.span(&late)).await;
        }
        assert_eq!((seen.len(), pages), (33, 5), "{window}");
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 33);
        assert!(seen.windows(2).all(|pair| pair[0] > pair[1]));
    }
}

fn way(trace: &FoundTrace, cause: &FoundRootCause) -> String {
    let services = cause.services.iter().map(|service| {
        let entity = |entity: &engine::ask::trace_summaries::FoundCauseEntity| {
            let exceptions: Vec<String> =
                entity.exceptions.iter().map(|exception| format!(" !{}: {}", exception.r#type, exception.message)).collect();
            format!("{} {:.2}{}", entity.name, entity.coverage, exceptions.concat())
        };
        let entities: Vec<String> = service.entities.iter().map(entity).collect();
        format!("{}[{}]", trace.services[service.service].name, entities.join(", "))
    });
    services.collect::<Vec<_>>().join(" > ")
}

impl Stage {
    /// A segment as X-Ray's SDK sends it, with a subsegment that fails in a table.
    async fn append_segment(&self) {
        let context = RowContext { receiver: "xray", received_at_unix_nano: START, request: None };
        let mut rows = RowBuffer::new(context);
        let resource = [
            Attribute::str("service.name", "api"),
            Attribute::str("host.id", "i-1"),
            Attribute::str("cloud.availability_zone", "eu-1a"),
            Attribute::str("cloud.account.id", "42"),
            Attribute::str("cloud.resource_id", "arn:aws:ec2:1"),
        ];
        rows.resource(&Resource { attributes: &resource, schema_url: "" });
        let segment = [
            Attribute::str("aws.xray.origin", "AWS::EC2::Instance"),
            Attribute::new("aws.xray.fault", Value::Bool(true)),
            Attribute::str("url.full", "http://api.example/pay"),
            Attribute::str("http.request.method", "POST"),
            Attribute::str("client.address", "10.0.0.7"),
            Attribute::new("http.response.status_code", Value::Int(500)),
            Attribute::str("enduser.id", "ada"),
            Attribute::new("aws.xray.annotations", Value::Json(r#"["tenant","retries","name"]"#.into())),
            Attribute::str("tenant", "acme"),
            Attribute::new("retries", Value::Int(3)),
            Attribute::str("name", "annotated"),
        ];
        let table = [
            Attribute::str("aws.xray.namespace", "aws"),
            Attribute::str("aws.service", "DynamoDB"),
            Attribute::str("aws.table_name", "payments"),
            Attribute::new("aws.xray.fault", Value::Bool(true)),
        ];
        let (parent, child) = (SpanId([1; 8]), SpanId([2; 8]));
        let times = |start: i64, duration: i64| (START + start * MS, duration * MS);
        let (start_time_unix_nano, duration_ns) = times(0, 100);
        let kind = SpanKind::Server;
        rows.span(&Span {
            start_time_unix_nano,
            duration_ns,
            kind,
            attributes: &segment,
            ..Span::new(trace_id(1), parent, "api")
        });
        let (start_time_unix_nano, duration_ns) = times(10, 80);
        rows.span(&Span {
            start_time_unix_nano,
            duration_ns,
            kind: SpanKind::Client,
            parent_span_id: Some(parent),
            attributes: &table,
            ..Span::new(trace_id(1), child, "DynamoDB")
        });
        rows.log(&LogRecord {
            time_unix_nano: START + 90 * MS,
            trace_id: Some(trace_id(1)),
            span_id: Some(child),
            event_name: "exception",
            body: "no room".into(),
            exception: Some(model::Exception { r#type: "Throttled".into(), message: "no room".into(), ..Default::default() }),
            ..LogRecord::default()
        });
        self.store.append(PROJECT, b"request".to_vec(), rows).await.unwrap();
    }
}

#[tokio::test]
async fn a_summary_tells_what_the_spans_say() {
    for flushed in [false, true] {
        let stage = stage().await;
        stage.append_segment().await;
        if flushed {
            stage.store.flush().await.unwrap();
        }
        let page = stage.asker.trace_summaries(&TraceScope::over(HOUR), 10, None).await.unwrap();
        let [trace] = page.traces.as_slice() else { panic!("{page:?}") };
        assert_eq!((trace.duration_ns, trace.response_time_ns, trace.revision), (100 * MS, 100 * MS, 2));
        assert_eq!((trace.has_fault, trace.has_error, trace.has_throttle, trace.is_partial), (true, false, false, false));
        let http = trace.http.as_ref().unwrap();
        assert_eq!(
            (http.url.as_deref(), http.method.as_deref(), http.status),
            (Some("http://api.example/pay"), Some("POST"), Some(500))
        );
        assert_eq!(http.client_ip.as_deref(), Some("10.0.0.7"));
        let mut services: Vec<(&str, &str, bool, Option<&str>)> = trace
            .services
            .iter()
            .map(|service| {
                (service.name.as_str(), service.node_type.as_str(), service.is_inferred, service.account_id.as_deref())
            })
            .collect();
        let entry = services[trace.entry_point.unwrap()];
        services.sort_unstable();
        assert_eq!(
            services,
            [("api", "AWS::EC2::Instance", false, Some("42")), ("payments", "AWS::DynamoDB::Table", true, None)]
        );
        assert_eq!(entry.0, "api");
        let annotations: Vec<(&str, String)> =
            trace.annotations.iter().map(|annotation| (annotation.key.as_str(), annotation.value.to_string())).collect();
        assert_eq!(annotations, [("name", "\"annotated\"".into()), ("retries", "3".into()), ("tenant", "\"acme\"".into())]);
        assert!(trace.annotations.iter().all(|annotation| annotation.services.len() == 1));
        assert_eq!(trace.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["ada"]);
        assert_eq!(
            (trace.instance_ids.as_slice(), trace.availability_zones.as_slice()),
            (&["i-1".into()][..], &["eu-1a".into()][..])
        );
        assert_eq!(trace.resource_arns, ["arn:aws:ec2:1"]);
        let slow = trace.response_time_root_cause.as_ref().unwrap();
        assert_eq!(way(trace, slow), "api[api 1.00, DynamoDB 0.80] > payments[payments 0.80]");
        let [fault] = trace.fault_root_causes.as_slice() else { panic!("{trace:?}") };
        assert!(fault.client_impacting && trace.error_root_causes.is_empty());
        let raised = " !Throttled: no room";
        assert_eq!(way(trace, fault), format!("api[api 0.00, DynamoDB 0.00{raised}] > payments[payments 0.00{raised}]"));
    }
}

#[tokio::test]
async fn filter_expressions_choose_traces_everywhere() {
    for window in [1_000_000, 20] {
        let stage = stage_with(EngineOptions { trace_window_spans: window, ..EngineOptions::default() }).await;
        stage.append_traces(40).await;
        for (filter, count) in [
            ("", 40),
            ("fault", 10),
            ("throttle", 10),
            (r#"service("carts")"#, 40),
            (r#"service("shop") { fault } AND user = "ada""#, 4),
            (r#"edge("web", "shop") { responsetime > 0.07 } AND http.status = 404"#, 10),
            ("duration > 5", 0),
        ] {
            let page = stage.asker.trace_summaries(&filtered(filter), 100, None).await.unwrap();
            assert_eq!(page.traces.len(), count, "{filter} {window}");
            for sort in [TraceSort::Newest, TraceSort::Slowest] {
                let (mut seen, mut cursor) = (HashSet::new(), None::<String>);
                loop {
                    let page = stage.asker.traces_of(&filtered(filter), sort, 3, cursor.as_deref()).await.unwrap();
                    seen.extend(page.traces.into_iter().map(|trace| trace.trace_id));
                    cursor = page.next_cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(seen.len(), count, "{filter} {window} {sort:?}");
            }
            let heatmap = stage.asker.trace_heatmap(&filtered(filter)).await.unwrap();
            assert_eq!(heatmap.cells.iter().map(|cell| cell.count).sum::<f64>(), count as f64, "{filter}");
            assert!(
                heatmap.cells.iter().all(|cell| cell.bucket + 1 < heatmap.bucket_bounds_ns.len() && cell.step < heatmap.steps)
            );
        }
        let group = TraceScope { group: "fault".into(), ..filtered(r#"user = "ada""#) };
        assert_eq!(stage.asker.trace_summaries(&group, 100, None).await.unwrap().traces.len(), 4);
        let wrong = stage.asker.map(&filtered("fault AND nonsense")).await.unwrap_err();
        assert!(matches!(wrong, engine::EngineError::Invalid { position: Some(10), .. }), "{wrong:?}");
    }
}

#[tokio::test]
async fn values_narrow_down_to_the_traces_that_have_them() {
    let stage = stage().await;
    stage.append_traces(40).await;
    for (word, expected) in [
        ("node", vec![("carts", 40.0), ("shop", 40.0), ("web", 40.0)]),
        ("url", vec![("/cart", 40.0)]),
        ("method", vec![]),
        ("status", vec![("200", 10.0), ("404", 10.0), ("429", 10.0), ("500", 10.0)]),
        ("user", vec![("ada", 14.0), ("bob", 13.0), ("cyd", 13.0)]),
        ("annotation.aws.table_name", vec![("carts", 40.0)]),
        ("http.response.status_code", vec![("200", 10.0), ("404", 10.0), ("429", 10.0), ("500", 10.0)]),
        ("no.such.key", vec![]),
    ] {
        let told = stage.asker.trace_refinement(&TraceScope::over(HOUR), RefineBy::from_word(word)).await.unwrap();
        let rows: Vec<(&str, f64)> = told.rows.iter().map(|row| (row.value.as_str(), row.count)).collect();
        assert_eq!(rows, expected, "{word}");
        for row in &told.rows {
            let found = stage.asker.trace_summaries(&filtered(&row.filter), 100, None).await.unwrap().traces.len();
            assert_eq!(found as f64, row.count, "{}", row.filter);
        }
    }
}

#[tokio::test]
async fn a_trace_stands_beside_what_is_typical() {
    let stage = stage().await;
    stage.append_traces(9).await;
    let typical = stage.asker.typical_trace(trace_id(4), None).await.unwrap().unwrap();
    assert_eq!((typical.service.as_str(), typical.route.as_str(), typical.traces), ("web", "work", 8));
    let spans: Vec<(&str, Option<i64>, usize, i64, usize)> = typical
        .spans
        .iter()
        .map(|span| {
            (span.service.as_str(), span.typical_ns.map(|time| time / MS), span.typical_count, span.this_ns / MS, span.this_count)
        })
        .collect();
    assert_eq!(spans, [("web", Some(180), 2, 180, 2), ("shop", Some(150), 4, 150, 4)]);
    assert!(stage.asker.typical_trace(trace_id(99), None).await.unwrap().is_none());
}
