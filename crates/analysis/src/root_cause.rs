//! Why a trace was slow, failed or was refused: the way from its root to the span that explains it.
//!
//! X-Ray does not publish its algorithm; this one agrees with its documentation's examples. For time: from the root on, to the
//! child that covers most of it, as long as one covers at least half of its parent. For faults and errors: to every span that
//! has the flag and no child that has it.
//! Source: "Analyzing root causes", and `ResponseTimeRootCause` and its kin in the API's model `xray/2016-04-12`.

use crate::service_graph::{Calls, NodeKey, Side};
use crate::trace_facts::{Flags, NOWHERE, SpanFact, Text, Trace};

/// A child that covers less of its parent than this explains nothing.
pub const DOMINANT_SHARE: f64 = 0.5;

/// Root causes of one kind that are told of a trace: more nobody reads, and a trace that fails everywhere has thousands.
pub const ROOT_CAUSES_MAX: usize = 5;

/// Spans of one way that are told: the first ones, and the last one.
pub const ROOT_CAUSE_SPANS_MAX: usize = 200;

/// A way from the root down; never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct RootCause {
    pub services: Vec<CauseService>,
    /// Whether whoever asked was told of it.
    pub client_impacting: bool,
}

/// A stretch of the way within one node.
#[derive(Clone, Debug, PartialEq)]
pub struct CauseService {
    pub node: NodeKey,
    /// Never empty; for a service that served a request the first bears its name.
    pub entities: Vec<CauseEntity>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CauseEntity {
    pub name: Text,
    /// Index of the span among the trace's; of an inferred node that of the caller's.
    pub span: u32,
    /// The share of the root's time that it covers; 0 where the way is not about time.
    pub coverage: f64,
    /// A call to another service.
    pub remote: bool,
}

/// Which flag a way follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    Fault,
    Error,
}

/// Where the time went; nothing for a trace whose root is in progress. `calls` are the trace's.
pub fn response_time(trace: &Trace<'_>, calls: &Calls) -> Option<RootCause> {
    let (spans, root) = (trace.spans(), trace.root_index());
    if spans[root].is(Flags::IN_PROGRESS) {
        return None;
    }
    let mut longest: Vec<(i64, u32)> = vec![(0, NOWHERE); spans.len()];
    for (at, span) in spans.iter().enumerate() {
        if let Some(parent) = spans.get(span.parent as usize) {
            let covered = covered_ns(span, parent);
            let best = &mut longest[span.parent as usize];
            if covered > best.0 {
                *best = (covered, at as u32);
            }
        }
    }
    let whole = spans[root].duration_ns.max(1) as f64;
    let mut way = vec![(root, 1.0)];
    let (mut at, mut left) = (root, spans[root].duration_ns);
    while let Some(child) = spans.get(longest[at].1 as usize) {
        let covered = longest[at].0.min(left);
        if (covered as f64) < DOMINANT_SHARE * left as f64 || child.is(Flags::TOLD_TWICE) {
            break;
        }
        (at, left) = (longest[at].1 as usize, covered);
        way.push((at, covered as f64 / whole));
    }
    Some(RootCause { services: services(trace, calls, &way), client_impacting: true })
}

/// The ways to what failed, those that the client was told of first, at most [`ROOT_CAUSES_MAX`]. `calls` are the trace's.
pub fn trouble(trace: &Trace<'_>, calls: &Calls, trouble: Trouble) -> Vec<RootCause> {
    let spans = trace.spans();
    let flag = match trouble {
        Trouble::Fault => Flags::FAULT,
        Trouble::Error => Flags::ERROR,
    };
    let in_trouble = |span: &SpanFact| span.is(flag) && !span.is(Flags::TOLD_TWICE);
    let mut is_last = vec![true; spans.len()];
    for span in spans.iter().rev().filter(|span| in_trouble(span) && span.parent != NOWHERE) {
        // A span without the flag between two that have it does not end the way.
        let mut above = span.parent as usize;
        while is_last[above] {
            is_last[above] = false;
            match spans[above].parent {
                NOWHERE => break,
                parent => above = parent as usize,
            }
        }
    }
    let found = (0..spans.len()).filter(|at| is_last[*at] && in_trouble(&spans[*at]));
    let mut ways: Vec<(bool, usize)> = found.map(|at| (!impacts_client(trace, at, flag), at)).collect();
    ways.sort_unstable();
    ways.truncate(ROOT_CAUSES_MAX);
    ways.into_iter()
        .map(|(spares_client, at)| RootCause {
            services: services(trace, calls, &way_to(spans, at)),
            client_impacting: !spares_client,
        })
        .collect()
}

/// How much of the parent's time a child covers. Clocks of different services may disagree, so that only lengths count there.
fn covered_ns(span: &SpanFact, parent: &SpanFact) -> i64 {
    if span.service != parent.service {
        return span.duration_ns.min(parent.duration_ns);
    }
    let from = span.start_unix_nano.max(parent.start_unix_nano);
    span.end_unix_nano().min(parent.end_unix_nano()).saturating_sub(from).max(0)
}

/// Whether every request on the way up has the flag, the root's too.
fn impacts_client(trace: &Trace<'_>, at: usize, flag: Flags) -> bool {
    let spans = trace.spans();
    let mut above = at;
    loop {
        let span = &spans[above];
        if (span.is(Flags::REQUEST) || span.parent == NOWHERE) && !span.is(flag) {
            return false;
        }
        match span.parent {
            NOWHERE => return above == trace.root_index(),
            parent => above = parent as usize,
        }
    }
}

fn way_to(spans: &[SpanFact], at: usize) -> Vec<(usize, f64)> {
    let mut way = vec![(at, 0.0)];
    let mut above = spans[at].parent;
    while above != NOWHERE {
        way.push((above as usize, 0.0));
        above = spans[above as usize].parent;
    }
    way.reverse();
    way
}

fn services(trace: &Trace<'_>, calls: &Calls, way: &[(usize, f64)]) -> Vec<CauseService> {
    let left_out = ROOT_CAUSE_SPANS_MAX - 1..way.len().max(ROOT_CAUSE_SPANS_MAX) - 1;
    let mut services: Vec<CauseService> = Vec::new();
    for (_, (at, coverage)) in way.iter().enumerate().filter(|(step, _)| !left_out.contains(step)) {
        let span = &trace.spans()[*at];
        let node = calls.node(*at);
        let entity = CauseEntity {
            name: if span.is(Flags::REQUEST) || span.name.is_none() { span.service } else { span.name },
            span: *at as u32,
            coverage: *coverage,
            remote: span.is(Flags::REMOTE) || span.is_call(),
        };
        match services.last_mut() {
            Some(service) if service.node == node && !span.is(Flags::REQUEST) => service.entities.push(entity),
            _ => services.push(CauseService { node, entities: vec![entity] }),
        }
    }
    let last = way.last().and_then(|(at, coverage)| Some((calls.inferred(*at)?, *at as u32, *coverage)));
    if let Some((node, span, coverage)) = last {
        debug_assert!(node.side == Side::Inferred);
        services.push(CauseService { node, entities: vec![CauseEntity { name: node.name, span, coverage, remote: false }] });
    }
    services
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::service_graph::testing::facts;

    fn check(input: &str, expected: Expect) {
        let facts = facts(input);
        let mut told = String::new();
        for trace in facts.traces() {
            let mut calls = Calls::default();
            calls.read(&trace);
            let causes = response_time(&trace, &calls).into_iter().map(|cause| ("time", cause));
            let faults = trouble(&trace, &calls, Trouble::Fault).into_iter().map(|cause| ("fault", cause));
            let errors = trouble(&trace, &calls, Trouble::Error).into_iter().map(|cause| ("error", cause));
            for (kind, cause) in causes.chain(faults).chain(errors) {
                let stretch = |service: &CauseService| {
                    let entity = |entity: &CauseEntity| {
                        let remote = if entity.remote { "→" } else { "" };
                        format!("{remote}{} {:.2}", facts.text(entity.name), entity.coverage)
                    };
                    let entities: Vec<String> = service.entities.iter().map(entity).collect();
                    format!("{:?} {}[{}]", service.node.side, facts.text(service.node.name), entities.join(", "))
                };
                let services: Vec<String> = cause.services.iter().map(stretch).collect();
                told += &format!("{kind}{}: {}\n", if cause.client_impacting { "" } else { " spared" }, services.join(" > "));
            }
        }
        expected.assert_eq(&told);
    }

    #[test]
    fn time_goes_where_most_of_it_is_spent() {
        check(
            "t/a - web server 0+100
             t/b a web internal 0+20 render
             t/c a web client 20+75 GET→
             t/d c shop server 25+60
             t/e d shop client 30+50 query→carts",
            expect![[r#"
                time: Service web[web 1.00, →GET 0.75] > Service shop[shop 0.60, →query 0.50] > Inferred carts[carts 0.50]
            "#]],
        );
    }

    #[test]
    fn nobody_dominates() {
        check(
            "t/a - web server 0+100
             t/b a web internal 0+33 one
             t/c a web internal 33+33 two",
            expect![[r#"
                time: Service web[web 1.00]
            "#]],
        );
    }

    #[test]
    fn failures_are_followed_to_their_end() {
        check(
            "t/a - web server 0+100 500
             t/b a web client 0+20 500 GET→
             t/c b shop server 0+20 500
             t/e c shop internal 0+9 work
             t/f e shop client 1+2 fault query→carts
             t/d a web client 20+75 404 GET→pay",
            expect![[r#"
                time: Service web[web 1.00, →GET 0.75] > Inferred pay[pay 0.75]
                fault: Service web[web 0.00, →GET 0.00] > Service shop[shop 0.00, work 0.00, →query 0.00] > Inferred carts[carts 0.00]
                error spared: Service web[web 0.00, →GET 0.00] > Inferred pay[pay 0.00]
            "#]],
        );
    }
}
