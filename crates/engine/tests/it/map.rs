//! Questions over whole traces: the same whatever the windows in which they are read, from parts and from memory.

use std::sync::Arc;

use analysis::service_graph::{Calls, Selector, Side};
use analysis::trace_facts::{Flags, Trace};
use datafusion::logical_expr::{Expr, lit};
use engine::EngineOptions;
use engine::ask::map::Map;
use engine::ask::trace_scope::{TraceScope, TraceTime};
use engine::ask::traces::TraceFilter;
use engine::trace_facts::TraceJudge;
use model::{Attribute, Resource, RowSink, Span, SpanId, SpanKind, StatusCode, TraceId, Value};
use store::{RowBuffer, RowContext, TimeRange};

use crate::stage::{PROJECT, SECOND, START, Stage, stage, stage_with};

const HOUR: TimeRange = TimeRange { start_unix_nano: START, end_unix_nano: START + 3_600 * SECOND };
const MS: i64 = 1_000_000;

pub fn trace_id(number: u64) -> TraceId {
    let mut id = [9u8; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    TraceId(id)
}

struct Line<'a> {
    service: &'a str,
    span: u64,
    parent: u64,
    kind: SpanKind,
    name: &'a str,
    start_ms: i64,
    duration_ms: i64,
    attributes: Vec<Attribute<'a>>,
}

fn line<'a>(service: &'a str, span: u64, parent: u64, kind: SpanKind, times: (i64, i64)) -> Line<'a> {
    Line { service, span, parent, kind, name: "work", start_ms: times.0, duration_ms: times.1, attributes: Vec::new() }
}

impl Stage {
    /// Appends spans of one trace, which begins so many milliseconds after [`START`].
    async fn append_trace(&self, number: u64, after_ms: i64, lines: &[Line<'_>]) {
        let context = RowContext { receiver: "otlp", received_at_unix_nano: START, request: None };
        let mut rows = RowBuffer::new(context);
        for line in lines {
            let service = [Attribute::str("service.name", line.service)];
            rows.resource(&Resource { attributes: &service, schema_url: "" });
            let id = |id: u64| SpanId((number << 8 | id).to_be_bytes());
            rows.span(&Span {
                start_time_unix_nano: START + (after_ms + line.start_ms) * MS,
                duration_ns: line.duration_ms * MS,
                kind: line.kind,
                parent_span_id: (line.parent > 0).then(|| id(line.parent)),
                status_code: StatusCode::Unset,
                attributes: &line.attributes,
                ..Span::new(trace_id(number), id(line.span), line.name)
            });
        }
        self.store.append(PROJECT, b"request".to_vec(), rows).await.unwrap();
    }

    /// `count` requests, one every ten seconds: web asks shop, which asks a table and a database; some fail.
    pub async fn append_traces(&self, count: u64) {
        for number in 0..count {
            let status = [200, 404, 429, 500][number as usize % 4];
            let with = |mut line: Line<'static>, attributes: &[(&'static str, Value<'static>)]| {
                line.attributes = attributes.iter().map(|(key, value)| Attribute::new(*key, value.clone())).collect();
                line
            };
            let status = ("http.response.status_code", Value::Int(status));
            let table = [
                ("rpc.system", Value::str("aws-api")),
                ("rpc.service", Value::str("DynamoDB")),
                ("aws.table_name", Value::str("carts")),
            ];
            let database = [("db.system.name", Value::str("postgresql")), ("db.namespace", Value::str("shop"))];
            let user = ["ada", "bob", "cyd"][number as usize % 3];
            let lines = [
                with(
                    line("web", 1, 0, SpanKind::Server, (0, 100)),
                    &[status.clone(), ("enduser.id", Value::str(user)), ("url.path", Value::str("/cart"))],
                ),
                with(line("web", 2, 1, SpanKind::Client, (10, 80)), std::slice::from_ref(&status)),
                with(line("shop", 3, 2, SpanKind::Server, (20, 60)), &[status]),
                line("shop", 4, 3, SpanKind::Internal, (21, 50)),
                with(line("shop", 5, 4, SpanKind::Client, (22, 30)), &table),
                with(line("shop", 6, 4, SpanKind::Client, (55, 10)), &database),
            ];
            // The callee's spans often come before the caller's.
            let (callers, callees) = lines.split_at(2);
            self.append_trace(number, number as i64 * 10_000, callees).await;
            if number == count / 2 {
                self.store.flush().await.unwrap();
            }
            self.append_trace(number, number as i64 * 10_000, callers).await;
        }
    }
}

fn told(map: &Map) -> Vec<String> {
    let statistics = |told: &engine::ask::map::MapStatistics| {
        format!("{} = {} ok + {} error ({} throttled) + {} fault", told.total, told.ok, told.error, told.throttle, told.fault)
    };
    let nodes = map.nodes.iter().map(|node| {
        let root = if node.root { " root" } else { "" };
        format!("{} [{}] {}{root}: {}", node.name, node.r#type, node.synthetic.unwrap_or("service"), statistics(&node.statistics))
    });
    let name = |id: usize| map.nodes[id].name.as_str();
    let edges = map.edges.iter().map(|edge| {
        let p50 = edge.statistics.p50_ns.map_or(0, |p50| (p50 / MS as f64).round() as i64);
        format!("{} > {} {} {p50}ms: {}", name(edge.from), name(edge.to), edge.kind, statistics(&edge.statistics))
    });
    nodes.chain(edges).collect()
}

const EXPECTED: [&str; 9] = [
    "shop [] service: 40 = 10 ok + 20 error (10 throttled) + 10 fault",
    "web [] service root: 40 = 10 ok + 20 error (10 throttled) + 10 fault",
    "carts [AWS::DynamoDB::Table] inferred: 40 = 40 ok + 0 error (0 throttled) + 0 fault",
    "shop [Database::SQL] inferred: 40 = 40 ok + 0 error (0 throttled) + 0 fault",
    "web [client] client: 0 = 0 ok + 0 error (0 throttled) + 0 fault",
    "shop > carts sync 30ms: 40 = 40 ok + 0 error (0 throttled) + 0 fault",
    "shop > shop sync 10ms: 40 = 40 ok + 0 error (0 throttled) + 0 fault",
    "web > shop sync 80ms: 40 = 10 ok + 20 error (10 throttled) + 10 fault",
    "web > web sync 100ms: 40 = 10 ok + 20 error (10 throttled) + 10 fault",
];

#[tokio::test]
async fn a_map_is_the_same_in_one_window_and_in_many() {
    for window in [1_000_000, 30, 7] {
        let stage = stage_with(EngineOptions { trace_window_spans: window, ..EngineOptions::default() }).await;
        stage.append_traces(40).await;
        let map = stage.asker.map(&TraceScope::over(HOUR)).await.unwrap();
        assert_eq!(told(&map), EXPECTED, "{window}");
        assert_eq!(map.stats.truncated, None);
        let part = TimeRange { start_unix_nano: START + 100 * SECOND, end_unix_nano: START + 200 * SECOND };
        let map = stage.asker.map(&TraceScope::over(part)).await.unwrap();
        assert_eq!(map.edges[3].statistics.total, 10.0, "{window}");
    }
}

#[tokio::test]
async fn traces_by_their_ids_have_a_map() {
    let stage = stage().await;
    stage.append_traces(5).await;
    let map = stage.asker.trace_map(trace_id(2)).await.unwrap().unwrap();
    assert_eq!(map.nodes.len(), 5);
    assert_eq!(map.edges.iter().map(|edge| edge.statistics.total).collect::<Vec<_>>(), [1.0; 4]);
    assert!(stage.asker.trace_map(trace_id(77)).await.unwrap().is_none());
    let graph = stage.asker.trace_graph(&[trace_id(0), trace_id(4)]).await.unwrap().graph;
    let web = graph.nodes.iter().find(|node| node.name == "web" && node.side == Side::Service).unwrap();
    assert_eq!(web.statistics.ok, 2.0);
}

/// Traces with a span for which a condition holds, and of which so many spans are errors.
struct Having(Expr, bool);

impl TraceJudge for Having {
    fn predicates(&self) -> Vec<Expr> {
        vec![self.0.clone()]
    }

    fn necessary(&self) -> Option<Expr> {
        self.1.then(|| self.0.clone())
    }

    fn holds(&self, trace: &Trace<'_>, _calls: &Calls, first_bit: usize) -> bool {
        assert!(trace.spans().iter().all(|span| span.is(Flags::REQUEST) || !span.is_served()));
        trace.spans().iter().any(|span| span.matches(first_bit))
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(datafusion::common::Column::from_name(name))
}

#[tokio::test]
async fn conditions_on_spans_choose_traces() {
    for window in [1_000_000, 30] {
        let stage = stage_with(EngineOptions { trace_window_spans: window, ..EngineOptions::default() }).await;
        stage.append_traces(40).await;
        let total = async |judges: Vec<Arc<dyn TraceJudge>>, q: &str| {
            let search = TraceFilter { q: q.into(), ..TraceFilter::default() };
            let scope = TraceScope { judges, search, ..TraceScope::over(HOUR) };
            let map = stage.asker.map(&scope).await.unwrap();
            map.edges.iter().map(|edge| edge.statistics.total).fold(0.0, f64::max)
        };
        let having = |condition: Expr, necessary: bool| -> Arc<dyn TraceJudge> { Arc::new(Having(condition, necessary)) };
        let table = column("aws.table_name").eq(lit("carts"));
        let user = column("enduser.id").eq(lit("ada"));
        let fault = column("http.response.status_code").eq(lit(500_i64));
        for necessary in [false, true] {
            assert_eq!(total(vec![having(table.clone(), necessary)], "").await, 40.0);
            assert_eq!(total(vec![having(user.clone(), necessary)], "").await, 14.0);
            assert_eq!(total(vec![having(user.clone(), necessary), having(fault.clone(), necessary)], "").await, 4.0);
            assert_eq!(total(vec![having(user.clone(), necessary)], "http.response.status_code = 500").await, 4.0);
            assert_eq!(total(vec![having(lit(false), necessary)], "").await, 0.0);
        }
    }
}

#[tokio::test]
async fn numbers_over_time_add_up() {
    let stage = stage().await;
    stage.append_traces(40).await;
    let scope = TraceScope::over(TimeRange { end_unix_nano: START + 400 * SECOND, ..HOUR });
    for (selector, total_ms) in [
        (Selector::Entries, 4_000.0),
        (Selector::Node { name: "shop".into(), node_type: Some(String::new()) }, 2_400.0),
        (Selector::Edge { from: "web".into(), to: "shop".into() }, 3_200.0),
    ] {
        let answer = stage.asker.time_series(&scope, selector, 60).await.unwrap();
        let statistics = answer.series.statistics;
        assert_eq!(statistics.iter().map(|period| period.total()).collect::<Vec<_>>(), [6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 4.0]);
        assert_eq!(statistics.iter().map(|period| period.response_time_ns).sum::<f64>() / MS as f64, total_ms);
    }
    let many = stage.asker.time_series(&TraceScope::over(TimeRange::ALL), Selector::Entries, 1).await;
    assert!(many.unwrap_err().to_string().contains("at most"));
}

#[tokio::test]
async fn a_range_means_what_it_is_said_to() {
    let stage = stage().await;
    stage.append_traces(3).await;
    let total = async |time: TraceTime, from_ms: i64, to_ms: i64| {
        let range = TimeRange { start_unix_nano: START + from_ms * MS, end_unix_nano: START + to_ms * MS };
        let map = stage.asker.map(&TraceScope { time, ..TraceScope::over(range) }).await.unwrap();
        map.edges.iter().map(|edge| edge.statistics.total).fold(0.0, f64::max)
    };
    assert_eq!(total(TraceTime::Begin, 0, 10_001).await, 2.0);
    assert_eq!(total(TraceTime::Begin, 1, 10_000).await, 0.0);
    assert_eq!(total(TraceTime::Id, 0, 1).await, 1.0);
    assert_eq!(total(TraceTime::Any, 25, 10_000).await, 1.0);
    assert_eq!(total(TraceTime::Answered, 100, 101).await, 1.0);
    assert_eq!(total(TraceTime::Answered, 101, 10_001).await, 0.0);
}
