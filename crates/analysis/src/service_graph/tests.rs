//! Graphs of traces told in lines of text, and laws on generated ones.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::testing::{MS, facts};
use super::*;
use crate::trace_facts::{FactsBuilder, NOWHERE, Text};
use model::SpanKind;

fn told(graph: &ServiceGraph) -> String {
    let outcome = |statistics: &Statistics| {
        let mut told = format!("{} ok", statistics.ok);
        for (count, name) in [(statistics.error, "error"), (statistics.throttle, "throttle"), (statistics.fault, "fault")] {
            if count > 0.0 {
                told += &format!(" {count} {name}");
            }
        }
        format!("{told} {}ms", statistics.response_time_ns / MS as f64)
    };
    let mut told = String::new();
    for node in &graph.nodes {
        let root = if node.is_root { " root" } else { "" };
        told += &format!("{:?} {}{root}: {}\n", node.side, node.name, outcome(&node.statistics));
    }
    for edge in &graph.edges {
        let name = |at: usize| format!("{:?} {}", graph.nodes[at].side, graph.nodes[at].name);
        told += &format!("{} > {} {:?}: {}\n", name(edge.from), name(edge.to), edge.kind, outcome(&edge.statistics));
    }
    told
}

fn check(input: &str, expected: Expect) {
    expected.assert_eq(&told(&service_graph(&facts(input))));
}

#[test]
fn callers_wait_longer_than_callees_work() {
    check(
        "t/a - web server 0+100
         t/b a web client 10+80 200
         t/c b shop server 20+60
         t/d c shop internal 21+5 work
         t/e c shop client 30+20 404 query→carts ×1
         u/a - web server 500+10 429
         v/a - web server 600+10 500 ×3",
        expect![[r#"
            Service shop: 1 ok 60ms
            Service web root: 1 ok 1 error 1 throttle 3 fault 140ms
            Inferred carts: 0 ok 1 error 20ms
            Client web: 0 ok 0ms
            Service shop > Inferred carts Call: 0 ok 1 error 20ms
            Service web > Service shop Call: 1 ok 80ms
            Client web > Service web Call: 1 ok 1 error 1 throttle 3 fault 140ms
        "#]],
    );
}

#[test]
fn the_outermost_call_is_the_callee() {
    check(
        "t/a - web server 0+100
         t/b a web client 10+80 S3→S3
         t/c b web client 20+60 GET→s3.amazonaws.com
         t/d a web client 10+80 GET→lb
         t/e d web client 20+60 GET→lb
         t/f e shop server 20+60",
        expect![[r#"
            Service shop: 1 ok 60ms
            Service web root: 1 ok 100ms
            Inferred S3: 1 ok 80ms
            Client web: 0 ok 0ms
            Service web > Service shop Call: 1 ok 60ms
            Service web > Inferred S3 Call: 1 ok 80ms
            Client web > Service web Call: 1 ok 100ms
        "#]],
    );
}

#[test]
fn a_missing_caller_is_unknown_unless_nothing_else_began_the_trace() {
    check(
        "t/a - web server 0+100
         t/c x shop server 20+60
         u/a x pay server 0+7
         w/a x shop internal 0+7 work
         w/b a shop client 0+7 GET→tax",
        expect![[r#"
            Service pay root: 1 ok 7ms
            Service shop: 1 ok 60ms
            Service web root: 1 ok 100ms
            Inferred tax: 1 ok 7ms
            Client pay: 0 ok 0ms
            Client web: 0 ok 0ms
            Service shop > Inferred tax Call: 1 ok 7ms
            Client pay > Service pay Call: 1 ok 7ms
            Client web > Service web Call: 1 ok 100ms
        "#]],
    );
}

#[test]
fn copies_circles_and_what_is_in_progress_count_once_or_not_at_all() {
    check(
        "t/a - web server 0+0 …
         t/a - web server 0+9
         t/a - web server 0+9
         u/a - web server 1+0 …
         v/a b web internal 1+3
         v/b a web internal 2+3
         v/c b shop server 3+1",
        expect![[r#"
            Service shop: 1 ok 1ms
            Service web root: 2 ok 12ms
            Client web: 0 ok 0ms
            Service web > Service shop Call: 1 ok 1ms
            Client web > Service web Call: 2 ok 12ms
        "#]],
    );
}

#[test]
fn frameworks_nest_servers_and_subsegments_come_alone() {
    check(
        "t/a - web server 0+9
         t/b a web server 1+8
         t/c b unknown_service client 2+3 GET→pay
         t/d c unknown_service internal 2+3",
        expect![[r#"
            Service web root: 1 ok 9ms
            Inferred pay: 1 ok 3ms
            Client web: 0 ok 0ms
            Service web > Inferred pay Call: 1 ok 3ms
            Client web > Service web Call: 1 ok 9ms
        "#]],
    );
}

#[test]
fn a_request_that_two_tracers_saw_counts_once() {
    check(
        "o/a - web server 0+9
         x/s - web server 1+8
         x/t s web client 1+8 GET→pay
         same o x
         p/a - web server 0+9
         y/s - other server 1+8
         same p y
         same y p",
        expect![[r#"
            Service other root: 1 ok 8ms
            Service web root: 2 ok 18ms
            Client other: 0 ok 0ms
            Client web: 0 ok 0ms
            Client other > Service other Call: 1 ok 8ms
            Client web > Service web Call: 2 ok 18ms
        "#]],
    );
}

#[test]
fn messages_taken_up_later_are_links() {
    check(
        "a/a - web server 0+9
         a/b a web producer 1+2 send→jobs
         b/a - worker consumer 1000+50
         b/b a worker internal 1001+3
         link b/a a/b
         link b/a z/z",
        expect![[r#"
            Service web root: 1 ok 9ms
            Service worker root: 1 ok 50ms
            Inferred jobs: 1 ok 2ms
            Client web: 0 ok 0ms
            Client worker: 0 ok 0ms
            Service web > Service worker Link: 1 ok 50ms
            Service web > Inferred jobs Call: 1 ok 2ms
            Client web > Service web Call: 1 ok 9ms
            Client worker > Service worker Call: 1 ok 50ms
        "#]],
    );
}

#[test]
fn series_add_up_to_the_graph() {
    let facts = facts(
        "t/a - web server 0+100
         t/b a web client 10+80
         t/c b shop server 20+60
         u/a - web server 70000+10 500
         u/b a web client 70001+8 500
         u/c b shop server 70002+6 500",
    );
    let totals = |selector: Selector| {
        let period = Period { start_unix_nano: 0, period_ns: 60_000 * MS, count: 2 };
        let mut series = SeriesBuilder::new(selector, period);
        facts.traces().for_each(|trace| series.add(&trace));
        let told = |statistics: &Statistics| (statistics.ok, statistics.fault, statistics.response_time_ns / MS as f64);
        series.finish().statistics.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(totals(Selector::Entries), [(1.0, 0.0, 100.0), (0.0, 1.0, 10.0)]);
    let node = |node_type: Option<&str>| Selector::Node { name: "shop".into(), node_type: node_type.map(str::to_owned) };
    assert_eq!(totals(node(None)), [(1.0, 0.0, 60.0), (0.0, 1.0, 6.0)]);
    assert_eq!(totals(node(Some(""))), totals(node(None)));
    assert_eq!(totals(node(Some("AWS::EC2::Instance"))), [(0.0, 0.0, 0.0); 2]);
    assert_eq!(totals(Selector::Edge { from: "web".into(), to: "shop".into() }), [(1.0, 0.0, 80.0), (0.0, 1.0, 8.0)]);
}

#[test]
fn windows_go_on_with_what_waits() {
    let whole = facts(
        "t/a - web server 0+100
         t/b a web client 10+80
         t/c b shop server 20+60",
    );
    let mut builder = FactsBuilder::default();
    let mut waiting = 0;
    for trace in whole.traces() {
        for span in trace.spans().iter().rev() {
            let own_trace = builder.own_trace(trace.id());
            let texts = [span.service].map(|text| builder.text(trace.text(text)));
            builder.span(SpanFact { own_trace, service: texts[0], ..*span });
            let mut facts = builder.finish();
            facts.set_aside(|trace| trace.root_is_missing());
            waiting += usize::from(facts.traces_count() == 0);
            assert_eq!(facts.find(trace.id()).is_some(), facts.traces_count() == 1);
            if facts.traces_count() == 1 {
                assert_eq!(told(&service_graph(&facts)), told(&service_graph(&whole)));
            }
            builder = facts.go_on();
        }
    }
    assert_eq!(waiting, 2);
}

#[test]
fn a_million_spans_fit() {
    assert!(size_of::<SpanFact>() <= 88);
}

fn any_span() -> impl Strategy<Value = (u8, SpanFact)> {
    let kind = prop::sample::select(vec![SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Consumer]);
    let times = (prop_oneof![0..50_i64, any::<i64>()], prop_oneof![0..50_i64, 0..=i64::MAX]);
    let outcome = (prop::sample::select(vec![0_u16, 200, 404, 429, 500]), prop::bool::weighted(0.1));
    (1..4_u8, 1..9_u64, 0..9_u64, times, outcome, kind, 4..7_u32).prop_map(
        |(trace, span_id, parent_span_id, (start_unix_nano, duration_ns), (http_status, in_progress), kind, service)| {
            let mut flags = Flags::of_outcome(http_status, (false, false, false), false);
            flags.set(Flags::IN_PROGRESS, in_progress);
            let service = ["", "", "", "", "a", "b", model::UNKNOWN_SERVICE][service as usize];
            let mut texts = Texts::default();
            texts.number("a");
            texts.number("b");
            let service = texts.number(service);
            let span = SpanFact {
                span_id,
                parent_span_id,
                start_unix_nano,
                duration_ns,
                http_status,
                kind,
                flags,
                service,
                ..SpanFact::default()
            };
            (trace, span)
        },
    )
}

fn built(spans: &[(u8, SpanFact)], links: &[(u8, u8)]) -> TraceFacts {
    let mut builder = FactsBuilder::default();
    builder.text("a");
    builder.text("b");
    for (trace, span) in spans {
        let own_trace = builder.own_trace(TraceId([*trace; 16]));
        builder.span(SpanFact { own_trace, ..*span });
    }
    for (from, to) in links {
        let own_trace = builder.own_trace(TraceId([*from; 16]));
        builder.same_request(own_trace, TraceId([*to; 16]));
    }
    builder.finish()
}

proptest! {
    #[test]
    fn every_request_is_counted_once_at_its_node_and_once_on_its_way(
        spans in prop::collection::vec(any_span(), 0..40),
        links in prop::collection::vec((1..4_u8, 1..4_u8), 0..3),
    ) {
        let facts = built(&spans, &links);
        let graph = service_graph(&facts);
        let (mut requests, mut inferred, mut on_their_way) = (0.0, 0.0, 0.0);
        let mut calls = Calls::default();
        for trace in facts.traces() {
            prop_assert!(!trace.spans().is_empty());
            for (at, span) in trace.spans().iter().enumerate() {
                prop_assert!(span.parent == NOWHERE || (span.parent as usize) < at);
                let alike = |other: &&SpanFact| (other.own_trace, other.span_id, other.kind, other.service) == (span.own_trace, span.span_id, span.kind, span.service);
                // A subsegment takes its service from its parent after copies were folded.
                prop_assert!(trace.spans().iter().filter(alike).count() == 1 || trace.spans().iter().any(|span| span.parent != NOWHERE));
            }
            calls.read(&trace);
            for call in calls.calls() {
                let ended = |at: u32| !trace.spans()[at as usize].is(Flags::IN_PROGRESS);
                *(if call.to.side == Side::Inferred { &mut inferred } else { &mut requests }) += f64::from(u8::from(ended(call.request)));
                on_their_way += f64::from(u8::from(call.from.is_some() && ended(call.seen_by)));
            }
            crate::root_cause::response_time(&trace, &calls);
            for trouble in [crate::root_cause::Trouble::Fault, crate::root_cause::Trouble::Error] {
                for cause in crate::root_cause::trouble(&trace, &calls, trouble) {
                    prop_assert!(!cause.services.is_empty() && cause.services.iter().all(|service| !service.entities.is_empty()));
                }
            }
        }
        let total = |side: Side| graph.nodes.iter().filter(|node| node.side == side).map(|node| node.statistics.total()).sum::<f64>();
        prop_assert_eq!((total(Side::Service), total(Side::Inferred), total(Side::Client)), (requests, inferred, 0.0));
        let edges: f64 = graph.edges.iter().map(|edge| edge.statistics.total()).sum();
        prop_assert_eq!(edges, on_their_way);
        for statistics in graph.nodes.iter().map(|node| &node.statistics).chain(graph.edges.iter().map(|edge| &edge.statistics)) {
            prop_assert_eq!(statistics.ok + statistics.error + statistics.fault, statistics.total());
            prop_assert!(statistics.throttle <= statistics.error);
        }
        // Copies change nothing, whatever order they come in.
        let twice: Vec<_> = spans.iter().chain(&spans).copied().collect();
        prop_assert_eq!(told(&service_graph(&built(&twice, &links))), told(&graph));
        prop_assert!(Text::UNKNOWN_SERVICE == Texts::default().find(model::UNKNOWN_SERVICE).unwrap());
    }
}
