//! Which service calls which: nodes and edges with what became of the requests, counted over many traces.
//!
//! A node is a service, by name and type; a callee that sent nothing, named after what the caller says of it; or the client in
//! front of an entry service. A service's numbers are those of the requests it served; an edge's are the caller's, who waits
//! longer than the callee works. Everything is weighted by `sample_rate`; what is in progress is not counted yet.

mod calls;
mod histogram;
pub mod node;
mod series;

use std::collections::HashMap;

use model::TraceId;

pub use calls::{Call, Calls, NodeKey, Side};
pub use histogram::{Histogram, HistogramEntry};
pub use series::{Period, Selector, Series, SeriesBuilder};

use crate::trace_facts::{Flags, IdHashes, LinkFact, SpanFact, Texts, Trace, TraceFacts};

/// Links whose other end has not been found that are remembered; beyond it older ones make no edges.
pub const OPEN_LINKS_MAX: usize = 100_000;

/// What became of requests, weighted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Each request is one of `ok`, `error` and `fault`.
    pub ok: f64,
    /// The caller's mistakes, throttled requests among them.
    pub error: f64,
    pub throttle: f64,
    pub fault: f64,
    /// Of all requests together, until each was answered.
    pub response_time_ns: f64,
    pub response_times: Histogram,
}

impl Statistics {
    pub fn total(&self) -> f64 {
        self.response_times.total()
    }

    /// Counts a request, unless it is in progress.
    pub fn add(&mut self, span: &SpanFact) -> bool {
        if span.is(Flags::IN_PROGRESS) {
            return false;
        }
        let weight = span.sample_rate;
        if span.is(Flags::FAULT) {
            self.fault += weight;
        } else if span.flags.has_any(Flags::ERROR.and(Flags::THROTTLE)) {
            self.error += weight;
            self.throttle += if span.is(Flags::THROTTLE) { weight } else { 0.0 };
        } else {
            self.ok += weight;
        }
        self.response_time_ns += span.duration_ns as f64 * weight;
        self.response_times.add(span.duration_ns, weight);
        true
    }

    pub fn merge(&mut self, other: &Statistics) {
        self.ok += other.ok;
        self.error += other.error;
        self.throttle += other.throttle;
        self.fault += other.fault;
        self.response_time_ns += other.response_time_ns;
        self.response_times.merge(&other.response_times);
    }
}

#[derive(Clone, Debug)]
pub struct Node {
    pub name: String,
    /// Empty when nothing says.
    pub node_type: String,
    pub side: Side,
    /// Whether requests of others enter here.
    pub is_root: bool,
    /// Nothing is counted at a client.
    pub statistics: Statistics,
    /// The work for each request, also what went on after its answer.
    pub durations: Histogram,
    /// Of the first request to the end of the last one.
    pub start_unix_nano: i64,
    pub end_unix_nano: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgeKind {
    /// The caller waited, or at least handed its trace on.
    Call,
    /// A link between spans of different traces: a message that was taken up later.
    Link,
}

#[derive(Clone, Debug)]
pub struct Edge {
    /// Indexes of nodes.
    pub from: usize,
    pub to: usize,
    pub kind: EdgeKind,
    pub statistics: Statistics,
    /// Of links: from the sender's end to the receiver's start.
    pub ages: Histogram,
    pub start_unix_nano: i64,
    pub end_unix_nano: i64,
}

/// Nodes in order of their names; edges in order of their nodes.
#[derive(Clone, Debug, Default)]
pub struct ServiceGraph {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

/// Adds traces up, from one window of time after the other. The windows share their [`Texts`].
#[derive(Debug, Default)]
pub struct GraphBuilder {
    nodes: Vec<Counted>,
    node_places: HashMap<NodeKey, u32, IdHashes>,
    edges: Vec<CountedEdge>,
    edge_places: HashMap<(u64, EdgeKind), u32, IdHashes>,
    calls: Calls,
    open_links: Vec<OpenLink>,
}

#[derive(Debug)]
struct Counted {
    key: NodeKey,
    is_root: bool,
    statistics: Statistics,
    durations: Histogram,
    times: Times,
}

#[derive(Debug, Default)]
struct CountedEdge {
    from: u32,
    to: u32,
    statistics: Statistics,
    ages: Histogram,
    times: Times,
}

#[derive(Clone, Copy, Debug)]
struct Times(i64, i64);

impl Default for Times {
    fn default() -> Times {
        Times(i64::MAX, i64::MIN)
    }
}

impl Times {
    fn reach(&mut self, span: &SpanFact) {
        self.0 = self.0.min(span.start_unix_nano);
        self.1 = self.1.max(span.end_unix_nano());
    }
}

/// A link whose sender has not been found yet: windows come newest first, and a message was sent before it was taken up.
#[derive(Clone, Copy, Debug)]
struct OpenLink {
    to_trace: TraceId,
    to_span_id: u64,
    receiver: NodeKey,
    request: SpanFact,
}

impl GraphBuilder {
    /// Adds the traces of a window for which `counts` holds.
    pub fn add_all(&mut self, facts: &TraceFacts, mut counts: impl FnMut(&Trace<'_>) -> bool) {
        for trace in facts.traces().filter(|trace| counts(trace)) {
            self.add(&trace);
        }
        for link in facts.links() {
            self.open_link(facts, link, &mut counts);
        }
        self.close_links(facts);
    }

    /// Adds a trace; links that its spans have are left to [`GraphBuilder::add_all`].
    pub fn add(&mut self, trace: &Trace<'_>) {
        let mut calls = std::mem::take(&mut self.calls);
        calls.read(trace);
        let spans = trace.spans();
        for call in calls.calls() {
            let (request, seen_by) = (&spans[call.request as usize], &spans[call.seen_by as usize]);
            let to = self.node(call.to);
            let node = &mut self.nodes[to as usize];
            node.times.reach(request);
            if node.statistics.add(request) {
                node.durations.add(calls.work_ns(spans, call.request), request.sample_rate);
            }
            let Some(from) = call.from else { continue };
            let from = self.node(from);
            let caller = &mut self.nodes[from as usize];
            caller.times.reach(seen_by);
            let edge = self.edge(from, to, EdgeKind::Call);
            edge.statistics.add(seen_by);
            edge.times.reach(seen_by);
        }
        let root = trace.root();
        if !root.is(Flags::TOLD_TWICE)
            && (root.is(Flags::REQUEST) || !root.is(Flags::MISSING_PARENT))
            && let Some(root) = self.node_places.get(&calls.node(trace.root_index()))
        {
            self.nodes[*root as usize].is_root = true;
        }
        // Other entries: requests of the trace that nothing here called.
        for call in calls.calls().iter().filter(|call| call.from.is_some_and(|from| from.side == Side::Client)) {
            let to = self.node(call.to);
            self.nodes[to as usize].is_root = true;
        }
        self.calls = calls;
    }

    /// What was added so far, by the texts of its windows.
    pub fn finish(self, texts: &Texts) -> ServiceGraph {
        let mut order: Vec<u32> = (0..self.nodes.len() as u32).collect();
        let name = |at: &u32| {
            let key = self.nodes[*at as usize].key;
            (key.side, texts.text(key.name), texts.text(key.node_type))
        };
        order.sort_by(|one, other| name(one).cmp(&name(other)));
        let mut places = vec![0_usize; order.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at as usize] = place;
        }
        let mut counted: Vec<Option<Counted>> = self.nodes.into_iter().map(Some).collect();
        let nodes = order.iter().filter_map(|at| counted[*at as usize].take()).map(|node| Node {
            name: texts.text(node.key.name).to_owned(),
            node_type: texts.text(node.key.node_type).to_owned(),
            side: node.key.side,
            is_root: node.is_root,
            statistics: node.statistics,
            durations: node.durations,
            start_unix_nano: node.times.0,
            end_unix_nano: node.times.1,
        });
        let nodes = nodes.collect();
        let mut kinds = vec![EdgeKind::Call; self.edges.len()];
        self.edge_places.iter().for_each(|((_, kind), at)| kinds[*at as usize] = *kind);
        let edges = self.edges.into_iter().zip(kinds).map(|(edge, kind)| Edge {
            from: places[edge.from as usize],
            to: places[edge.to as usize],
            kind,
            statistics: edge.statistics,
            ages: edge.ages,
            start_unix_nano: edge.times.0,
            end_unix_nano: edge.times.1,
        });
        let mut edges: Vec<Edge> = edges.collect();
        edges.sort_by_key(|edge| (edge.from, edge.to, edge.kind));
        ServiceGraph { nodes, edges }
    }

    fn node(&mut self, key: NodeKey) -> u32 {
        let next = self.nodes.len() as u32;
        let place = *self.node_places.entry(key).or_insert(next);
        if place == next {
            let (statistics, durations) = (Statistics::default(), Histogram::default());
            self.nodes.push(Counted { key, is_root: false, statistics, durations, times: Times::default() });
        }
        place
    }

    fn edge(&mut self, from: u32, to: u32, kind: EdgeKind) -> &mut CountedEdge {
        let next = self.edges.len() as u32;
        let place = *self.edge_places.entry((u64::from(from) << 32 | u64::from(to), kind)).or_insert(next);
        if place == next {
            self.edges.push(CountedEdge { from, to, ..CountedEdge::default() });
        }
        &mut self.edges[place as usize]
    }

    /// Remembers the receiving end of a link.
    fn open_link(&mut self, facts: &TraceFacts, link: &LinkFact, counts: &mut impl FnMut(&Trace<'_>) -> bool) {
        if self.open_links.len() >= OPEN_LINKS_MAX {
            return;
        }
        let Some(trace) = facts.find(facts.id(link.own_trace)).filter(|trace| counts(trace)) else { return };
        let Some(at) = place_of(&trace, link.own_trace, link.span_id) else { return };
        let spans = trace.spans();
        let mut request = at;
        while !spans[request].is(Flags::REQUEST) && (spans[request].parent as usize) < spans.len() {
            request = spans[request].parent as usize;
        }
        self.calls.read(&trace);
        self.open_links.push(OpenLink {
            to_trace: link.to_trace,
            to_span_id: link.to_span_id,
            receiver: self.calls.node(at),
            request: spans[request],
        });
    }

    /// Makes edges of the links whose sender is among these traces.
    fn close_links(&mut self, facts: &TraceFacts) {
        if self.open_links.is_empty() {
            return;
        }
        let mut open = std::mem::take(&mut self.open_links);
        open.retain(|link| {
            let Some(trace) = facts.find(link.to_trace) else { return true };
            let sender = trace.spans().iter().position(|span| span.span_id == link.to_span_id);
            let Some(at) = sender.filter(|at| facts.id(trace.spans()[*at].own_trace) == link.to_trace) else { return true };
            self.calls.read(&trace);
            let sender = self.calls.node(at);
            let (from, to) = (self.node(sender), self.node(link.receiver));
            let edge = self.edge(from, to, EdgeKind::Link);
            edge.times.reach(&link.request);
            if edge.statistics.add(&link.request) {
                let age = link.request.start_unix_nano.saturating_sub(trace.spans()[at].end_unix_nano());
                edge.ages.add(age, link.request.sample_rate);
            }
            false
        });
        self.open_links = open;
    }
}

fn place_of(trace: &Trace<'_>, own_trace: u32, span_id: u64) -> Option<usize> {
    trace.spans().iter().position(|span| span.span_id == span_id && span.own_trace == own_trace)
}

/// The service graph of one window by itself.
pub fn service_graph(facts: &TraceFacts) -> ServiceGraph {
    let mut builder = GraphBuilder::default();
    builder.add_all(facts, |_| true);
    builder.finish(facts.texts())
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
