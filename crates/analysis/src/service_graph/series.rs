//! The numbers of one node, one edge or all entries, period by period.

use super::{Calls, NodeKey, Side, Statistics};
use crate::trace_facts::{Text, Texts, Trace};

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Selector {
    /// Requests as their clients saw them.
    #[default]
    Entries,
    /// Requests to a node; of any type when none is named.
    Node { name: String, node_type: Option<String> },
    /// Calls from one node to another, as the caller saw them.
    Edge { from: String, to: String },
}

/// Equal periods over time; the last may reach beyond the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start_unix_nano: i64,
    /// At least one second.
    pub period_ns: i64,
    pub count: usize,
}

impl Period {
    fn place(&self, time_unix_nano: i64) -> Option<usize> {
        let since = time_unix_nano.checked_sub(self.start_unix_nano).filter(|since| *since >= 0)?;
        usize::try_from(since / self.period_ns.max(1)).ok().filter(|place| *place < self.count)
    }
}

/// One entry a period.
#[derive(Clone, Debug)]
pub struct Series {
    pub period: Period,
    pub statistics: Vec<Statistics>,
}

/// Adds traces up, by the time at which each request began.
#[derive(Debug)]
pub struct SeriesBuilder {
    selector: Selector,
    series: Series,
    calls: Calls,
}

impl SeriesBuilder {
    pub fn new(selector: Selector, period: Period) -> SeriesBuilder {
        let series = Series { period, statistics: vec![Statistics::default(); period.count] };
        SeriesBuilder { selector, series, calls: Calls::default() }
    }

    pub fn add(&mut self, trace: &Trace<'_>) {
        self.calls.read(trace);
        let texts = trace.facts.texts();
        // Texts that no span has are the names of nothing.
        let Some(selected) = Selected::of(&self.selector, texts) else { return };
        for call in self.calls.calls() {
            let span = match selected {
                Selected::Entries if call.from.is_some_and(|from| from.side == Side::Client) => call.seen_by,
                Selected::Node(name, node_type) if is_node(call.to, name, node_type) => call.request,
                Selected::Edge(from, to) if call.to.name == to && call.from.is_some_and(|key| is_caller(key, from)) => {
                    call.seen_by
                }
                _ => continue,
            };
            let span = &trace.spans()[span as usize];
            if let Some(place) = self.series.period.place(span.start_unix_nano) {
                self.series.statistics[place].add(span);
            }
        }
    }

    pub fn finish(self) -> Series {
        self.series
    }
}

#[derive(Clone, Copy)]
enum Selected {
    Entries,
    Node(Text, Option<Text>),
    Edge(Text, Text),
}

impl Selected {
    fn of(selector: &Selector, texts: &Texts) -> Option<Selected> {
        Some(match selector {
            Selector::Entries => Selected::Entries,
            Selector::Node { name, node_type } => {
                let node_type = match node_type {
                    Some(node_type) => Some(texts.find(node_type)?),
                    None => None,
                };
                Selected::Node(texts.find(name)?, node_type)
            }
            Selector::Edge { from, to } => Selected::Edge(texts.find(from)?, texts.find(to)?),
        })
    }
}

fn is_node(key: NodeKey, name: Text, node_type: Option<Text>) -> bool {
    key.name == name && node_type.is_none_or(|node_type| key.node_type == node_type)
}

/// A client bears the name of the service it asks; an edge from a name is that service's.
fn is_caller(key: NodeKey, name: Text) -> bool {
    key.name == name && key.side != Side::Client
}
