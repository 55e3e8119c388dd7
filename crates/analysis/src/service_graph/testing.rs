//! Facts from a few lines of text, for tests.

use model::{SpanKind, TraceId};

use crate::trace_facts::{FactsBuilder, Flags, LinkFact, SpanFact, TraceFacts};

pub const MS: i64 = 1_000_000;

/// A span a line: `trace/id parent service kind start+duration [outcome] [weight] [name→callee]`, times in ms. An outcome is an HTTP
/// status, `fault` or `…` for one in progress; a weight is `×n`; `same <trace> <trace>` and `link <trace/id> <trace/id>` link.
pub fn facts(input: &str) -> TraceFacts {
    let mut builder = FactsBuilder::default();
    for line in input.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let split = |word: &str| {
            let (trace, span) = word.split_once('/').unwrap();
            (TraceId([trace.as_bytes()[0]; 16]), u64::from(span.as_bytes()[0]))
        };
        match words.as_slice() {
            ["same", from, to] => {
                let own_trace = builder.own_trace(TraceId([from.as_bytes()[0]; 16]));
                builder.same_request(own_trace, TraceId([to.as_bytes()[0]; 16]));
            }
            ["link", from, to] => {
                let ((trace, span_id), (to_trace, to_span_id)) = (split(from), split(to));
                let own_trace = builder.own_trace(trace);
                builder.link(LinkFact { own_trace, span_id, to_trace, to_span_id });
            }
            [id, parent, service, kind, times, rest @ ..] => {
                let (trace, span_id) = split(id);
                let (start, duration) = times.split_once('+').unwrap();
                let mut span = SpanFact {
                    span_id,
                    parent_span_id: if *parent == "-" { 0 } else { u64::from(parent.as_bytes()[0]) },
                    start_unix_nano: start.parse::<i64>().unwrap() * MS,
                    duration_ns: duration.parse::<i64>().unwrap() * MS,
                    own_trace: builder.own_trace(trace),
                    service: builder.text(service),
                    kind: (0..=5).map(SpanKind::from_otlp).find(|known| known.as_str() == *kind).unwrap(),
                    ..SpanFact::default()
                };
                for word in rest {
                    match word.split_once('→') {
                        Some((name, callee)) => {
                            span.name = builder.text(name);
                            span.remote = builder.text(callee);
                            span.remote_type = builder.text("remote");
                        }
                        None if *word == "…" => span.flags.set(Flags::IN_PROGRESS, true),
                        None if *word == "fault" => span.flags = Flags::of_outcome(0, (false, true, false), false),
                        None if word.starts_with('×') => span.sample_rate = word.trim_start_matches('×').parse().unwrap(),
                        None => match word.parse() {
                            Ok(status) => {
                                span.http_status = status;
                                span.flags = Flags::of_outcome(status, (false, false, false), false);
                            }
                            Err(_) => span.name = builder.text(word),
                        },
                    }
                }
                builder.span(span);
            }
            _ => panic!("cannot read {line:?}"),
        }
    }
    builder.finish()
}
