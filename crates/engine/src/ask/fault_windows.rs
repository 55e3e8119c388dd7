//! Requests and faults of every service, window by window, and who calls whom: what insights are made of.

use std::collections::{BTreeSet, HashMap};

use analysis::insights::Window;
use analysis::service_graph::{NodeKey, Side};
use analysis::trace_facts::Flags;

use super::trace_scope::{TraceScope, stats};
use super::{Asker, SECOND, Stats};
use crate::error::EngineError;
use crate::limits::{FAULT_WINDOWS_MAX, MAP_NODES_MAX};

/// One service, or a callee that sent nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultNode {
    pub name: String,
    /// Empty when nothing says.
    pub node_type: String,
    pub is_inferred: bool,
    /// Requests of clients enter here.
    pub is_root: bool,
    /// One for each window of the range.
    pub windows: Vec<Window>,
}

#[derive(Clone, Debug)]
pub struct FaultWindows {
    pub nodes: Vec<FaultNode>,
    /// Indexes of nodes, the caller first.
    pub calls: Vec<(usize, usize)>,
    pub stats: Stats,
}

#[derive(Default)]
struct Counted {
    nodes: HashMap<NodeKey, (bool, Vec<Window>)>,
    calls: BTreeSet<(NodeKey, NodeKey)>,
}

impl Asker {
    /// Counts each request in the window in which it began. The first window begins with the scope's range.
    pub async fn fault_windows(&self, scope: &TraceScope, window_seconds: i64) -> Result<FaultWindows, EngineError> {
        let range = scope.range();
        let window_ns = window_seconds.max(1).saturating_mul(SECOND);
        let length = range.end_unix_nano.saturating_sub(range.start_unix_nano).max(0);
        let count = usize::try_from(length.div_euclid(window_ns) + 1).unwrap_or(usize::MAX);
        if count > FAULT_WINDOWS_MAX {
            let message = format!("cannot look at {count} windows: expected at most {FAULT_WINDOWS_MAX}");
            return Err(EngineError::invalid(message));
        }
        let session = self.trace_session(range).await?;
        let mut scan = self.scope_scan(scope, session).await?;
        let warnings = std::mem::take(&mut scan.warnings);
        let start = range.start_unix_nano;
        let scanned = scan
            .fold_traces(Counted::default(), move |counted, trace, calls| {
                for call in calls.calls() {
                    let request = &trace.spans()[call.request as usize];
                    let place = usize::try_from((request.start_unix_nano - start).div_euclid(window_ns)).ok();
                    let Some(place) = place.filter(|place| *place < count) else { continue };
                    if request.is(Flags::IN_PROGRESS) {
                        continue;
                    }
                    if !counted.nodes.contains_key(&call.to) && counted.nodes.len() >= MAP_NODES_MAX {
                        continue;
                    }
                    let (is_root, windows) =
                        counted.nodes.entry(call.to).or_insert_with(|| (false, vec![Window::default(); count]));
                    let weight = request.sample_rate;
                    windows[place].total += weight;
                    windows[place].faults += if request.is(Flags::FAULT) { weight } else { 0.0 };
                    match call.from {
                        Some(from) if from.side == Side::Client => *is_root = true,
                        Some(from) => drop(counted.calls.insert((from, call.to))),
                        None => {}
                    }
                }
            })
            .await?;
        let stats = stats(&scanned, warnings);
        let Counted { nodes, calls } = scanned.state;
        let mut nodes: Vec<(NodeKey, (bool, Vec<Window>))> = nodes.into_iter().collect();
        nodes.sort_by_key(|(key, _)| *key);
        let place = |key: &NodeKey| nodes.binary_search_by_key(key, |(key, _)| *key).ok();
        let calls = calls.iter().filter_map(|(from, to)| Some((place(from)?, place(to)?))).collect();
        let told = nodes.iter().map(|(key, (is_root, windows))| FaultNode {
            name: scanned.texts.text(key.name).to_owned(),
            node_type: scanned.texts.text(key.node_type).to_owned(),
            is_inferred: key.side == Side::Inferred,
            is_root: *is_root,
            windows: windows.clone(),
        });
        Ok(FaultWindows { nodes: told.collect(), calls, stats })
    }
}
