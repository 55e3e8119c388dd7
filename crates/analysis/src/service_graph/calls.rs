//! The calls of one trace: who asked whom, and which span tells how that went.

use crate::trace_facts::{Flags, NOWHERE, SpanFact, Text, Trace};

/// What stands for a node while texts are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeKey {
    pub name: Text,
    pub node_type: Text,
    pub side: Side,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// It sent spans.
    Service,
    /// It was called and sent nothing.
    Inferred,
    /// Whoever asks an entry service.
    Client,
}

/// One request, from the side of who asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// `None` when the caller's span has not arrived.
    pub from: Option<NodeKey>,
    pub to: NodeKey,
    /// The span that tells how long the caller waited and what it was told: its own where there is one, else the request's.
    pub seen_by: u32,
    /// The span that tells the same from the side of `to`; the caller's for an inferred node.
    pub request: u32,
}

/// The calls of a trace. Made once, and filled for one trace after the other.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    calls: Vec<Call>,
    nodes: Vec<NodeKey>,
    /// When the work for a request ended, by its span.
    ends: Vec<i64>,
    /// Whether a request came of what the span did.
    reaches: Vec<bool>,
    /// Whether the span is part of a call that its service made.
    within_call: Vec<bool>,
}

impl Calls {
    /// Reads the calls of a trace. Spans that tell of a request for the second time make none.
    pub fn read(&mut self, trace: &Trace<'_>) {
        let spans = trace.spans();
        self.look_back(spans);
        self.calls.clear();
        self.nodes.clear();
        self.within_call.clear();
        for (at, span) in spans.iter().enumerate() {
            let parent = spans.get(span.parent as usize);
            let is_request = span.is(Flags::REQUEST);
            let node = match parent {
                Some(parent) if !is_request && parent.service == span.service => self.nodes[span.parent as usize],
                _ => NodeKey { name: span.service, node_type: span.node_type, side: Side::Service },
            };
            let within = !is_request && parent.is_some_and(|parent| parent.is_call() || self.within_call[span.parent as usize]);
            self.nodes.push(node);
            self.within_call.push(within);
            if span.is(Flags::TOLD_TWICE) {
                continue;
            }
            if is_request {
                self.calls.push(self.served(trace, at, node, parent));
            }
            if span.is_call() && !within && !self.reaches[at] {
                let to = NodeKey { name: remote_name(span), node_type: span.remote_type, side: Side::Inferred };
                self.calls.push(Call { from: Some(node), to, seen_by: at as u32, request: at as u32 });
            }
        }
    }

    /// Parents before their children.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// The node that a span is part of.
    pub fn node(&self, span: usize) -> NodeKey {
        self.nodes[span]
    }

    /// The node that a call of the span's goes to when its callee sent nothing.
    pub fn inferred(&self, span: usize) -> Option<NodeKey> {
        let call = self.calls.iter().find(|call| call.to.side == Side::Inferred && call.request as usize == span);
        call.map(|call| call.to)
    }

    /// How long all the work for a request took, also what went on after its answer.
    pub fn work_ns(&self, spans: &[SpanFact], request: u32) -> i64 {
        let request = request as usize;
        self.ends[request].saturating_sub(spans[request].start_unix_nano).max(0)
    }

    fn served(&self, trace: &Trace<'_>, at: usize, to: NodeKey, parent: Option<&SpanFact>) -> Call {
        let span = &trace.spans()[at];
        let from = match parent {
            Some(_) => Some(self.nodes[span.parent as usize]),
            None if span.is(Flags::MISSING_PARENT) && at != trace.root_index() => None,
            None => Some(NodeKey { name: to.name, node_type: Text::CLIENT, side: Side::Client }),
        };
        let seen_by = if parent.is_some_and(SpanFact::is_call) { span.parent } else { at as u32 };
        Call { from, to, seen_by, request: at as u32 }
    }

    /// What only children tell, the last first.
    fn look_back(&mut self, spans: &[SpanFact]) {
        self.ends.clear();
        self.ends.extend(spans.iter().map(SpanFact::end_unix_nano));
        self.reaches.clear();
        self.reaches.resize(spans.len(), false);
        for (at, span) in spans.iter().enumerate().rev().filter(|(_, span)| span.parent != NOWHERE) {
            let (parent, is_request) = (span.parent as usize, span.is(Flags::REQUEST));
            self.reaches[parent] |= is_request || self.reaches[at];
            if !is_request {
                self.ends[parent] = self.ends[parent].max(self.ends[at]);
            }
        }
    }
}

fn remote_name(span: &SpanFact) -> Text {
    if span.remote.is_none() { span.name } else { span.remote }
}
