//! The map: which service calls which, how often, how fast and how it went, over a range, a group, or single traces.

use std::ops::ControlFlow;

use analysis::service_graph::{
    Calls, Edge, EdgeKind, GraphBuilder, HistogramEntry, Node, Period, Selector, Series, SeriesBuilder, ServiceGraph, Side,
    Statistics, service_graph,
};
use analysis::trace_facts::{FactsBuilder, TraceFacts};
use model::TraceId;
use serde::Serialize;
use utoipa::ToSchema;

use super::trace_scope::{TraceScope, stats};
use super::{Asker, SECOND, Stats, weighted};
use crate::error::EngineError;
use crate::limits::{LINKED_TRACES_MAX, MAP_NODES_MAX, TIME_SERIES_PERIODS_MAX, TRACE_GRAPH_IDS_MAX};
use crate::trace_facts::columns::Reader;

/// A service graph as it is, with what it rests on.
#[derive(Clone, Debug)]
pub struct Graphed {
    pub graph: ServiceGraph,
    pub stats: Stats,
}

/// Statistics of equal periods.
#[derive(Clone, Debug)]
pub struct TimeSeries {
    pub series: Series,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Map {
    pub nodes: Vec<MapNode>,
    pub edges: Vec<MapEdge>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MapNode {
    /// Of this answer only; edges name it.
    pub id: usize,
    pub name: String,
    /// Empty when nothing says.
    pub r#type: String,
    /// Requests enter here.
    pub root: bool,
    /// `client`: whoever asks an entry service; nothing is counted there. `inferred`: it was called and sent nothing.
    pub synthetic: Option<&'static str>,
    #[serde(flatten)]
    pub statistics: MapStatistics,
    /// Requests a second, over the whole range.
    pub rate_per_s: f64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MapEdge {
    pub from: usize,
    pub to: usize,
    /// `sync`, or `link` for messages that were taken up by another trace.
    pub kind: &'static str,
    #[serde(flatten)]
    pub statistics: MapStatistics,
}

/// Weighted counts. Every request is one of `ok`, `error` and `fault`; `throttle` tells how many of the errors were throttled.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct MapStatistics {
    #[serde(serialize_with = "weighted")]
    pub total: f64,
    #[serde(serialize_with = "weighted")]
    pub ok: f64,
    #[serde(serialize_with = "weighted")]
    pub error: f64,
    #[serde(serialize_with = "weighted")]
    pub throttle: f64,
    #[serde(serialize_with = "weighted")]
    pub fault: f64,
    pub p50_ns: Option<f64>,
    pub p95_ns: Option<f64>,
    pub p99_ns: Option<f64>,
    /// The shortest first.
    pub histogram: Vec<MapHistogramEntry>,
}

/// How many requests took about so long.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct MapHistogramEntry {
    pub value_s: f64,
    #[serde(serialize_with = "weighted")]
    pub count: f64,
}

impl Asker {
    /// The service graph of a scope.
    pub async fn service_graph(&self, scope: &TraceScope) -> Result<Graphed, EngineError> {
        let session = self.trace_session(scope.range()).await?;
        let mut scan = self.scope_scan(scope, session).await?.with_links();
        let warnings = std::mem::take(&mut scan.warnings);
        let mut calls = Calls::default();
        let scanned = scan
            .fold(GraphBuilder::default(), move |graph, window, chosen| {
                graph.add_all(window.facts, |trace| chosen.takes(trace, &mut calls));
                ControlFlow::Continue(())
            })
            .await?;
        let stats = stats(&scanned, warnings);
        let graph = scanned.state.finish(&scanned.texts);
        Ok(within_limits(Graphed { graph, stats }))
    }

    /// The same as the page draws it.
    pub async fn map(&self, scope: &TraceScope) -> Result<Map, EngineError> {
        let range = scope.range();
        let seconds = range.end_unix_nano.saturating_sub(range.start_unix_nano) as f64 / SECOND as f64;
        Ok(drawn(self.service_graph(scope).await?, Some(seconds)))
    }

    /// The service graph of single traces, each with those linked to it; at most [`TRACE_GRAPH_IDS_MAX`].
    pub async fn trace_graph(&self, ids: &[TraceId]) -> Result<Graphed, EngineError> {
        let (facts, stats) = self.facts_of(ids).await?;
        Ok(Graphed { graph: service_graph(&facts), stats })
    }

    /// The map of one trace; `None` when no span of it has arrived.
    pub async fn trace_map(&self, id: TraceId) -> Result<Option<Map>, EngineError> {
        let graphed = self.trace_graph(&[id]).await?;
        Ok((!graphed.graph.nodes.is_empty() || graphed.stats.rows_scanned > 0).then(|| drawn(graphed, None)))
    }

    /// Numbers of a node, an edge or all entries, period by period. The first period begins with the range.
    pub async fn time_series(
        &self,
        scope: &TraceScope,
        selector: Selector,
        period_seconds: i64,
    ) -> Result<TimeSeries, EngineError> {
        let range = scope.range();
        let period_ns = period_seconds.max(1).saturating_mul(SECOND);
        let length = range.end_unix_nano.saturating_sub(range.start_unix_nano).max(0);
        let count = usize::try_from(length / period_ns + i64::from(length % period_ns > 0)).unwrap_or(usize::MAX);
        if count > TIME_SERIES_PERIODS_MAX {
            let message = format!("cannot answer {count} periods: expected at most {TIME_SERIES_PERIODS_MAX}");
            return Err(EngineError::invalid(message));
        }
        let period = Period { start_unix_nano: range.start_unix_nano, period_ns, count };
        let session = self.trace_session(range).await?;
        let mut scan = self.scope_scan(scope, session).await?;
        let warnings = std::mem::take(&mut scan.warnings);
        let scanned = scan.fold_traces(SeriesBuilder::new(selector, period), |series, trace, _| series.add(trace)).await?;
        let stats = stats(&scanned, warnings);
        Ok(TimeSeries { series: scanned.state.finish(), stats })
    }

    /// Facts of single traces, read by their ids.
    pub(super) async fn facts_of(&self, ids: &[TraceId]) -> Result<(TraceFacts, Stats), EngineError> {
        if ids.len() > TRACE_GRAPH_IDS_MAX {
            let message = format!("cannot look at {} traces at once: expected at most {TRACE_GRAPH_IDS_MAX}", ids.len());
            return Err(EngineError::invalid(message));
        }
        let mut builder = FactsBuilder::default();
        let mut reader = Reader::new(0, &mut builder.texts);
        let mut seen = crate::QueryStats::default();
        for id in ids {
            let family = self.family(*id).await?;
            debug_assert!(family.ids().count() <= LINKED_TRACES_MAX);
            for batch in family.batches() {
                reader.read(batch, &mut builder, &|_, _| true)?;
            }
            seen = seen.plus(family.seen());
        }
        Ok((builder.finish(), seen.into()))
    }
}

/// Leaves out the callees that were asked least, when there are more nodes than anybody draws.
fn within_limits(mut graphed: Graphed) -> Graphed {
    let Graphed { graph, stats } = &mut graphed;
    let too_many = graph.nodes.len().saturating_sub(MAP_NODES_MAX);
    if too_many == 0 {
        return graphed;
    }
    let mut order: Vec<usize> = (0..graph.nodes.len()).collect();
    order.sort_by(|one, other| {
        let rank = |at: &usize| (graph.nodes[*at].side == Side::Inferred, -graph.nodes[*at].statistics.total());
        let (one, other) = (rank(one), rank(other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    });
    let mut stays = vec![true; graph.nodes.len()];
    order[MAP_NODES_MAX..].iter().for_each(|at| stays[*at] = false);
    let mut places = Vec::with_capacity(stays.len());
    let mut next = 0;
    for stays in &stays {
        places.push(next);
        next += usize::from(*stays);
    }
    graph.edges.retain(|edge| stays[edge.from] && stays[edge.to]);
    for edge in &mut graph.edges {
        (edge.from, edge.to) = (places[edge.from], places[edge.to]);
    }
    let mut staying = stays.iter();
    graph.nodes.retain(|_| staying.next().copied().unwrap_or_default());
    stats.warnings.push(format!("{too_many} nodes that were asked least are left out"));
    graphed
}

fn drawn(graphed: Graphed, seconds: Option<f64>) -> Map {
    let Graphed { graph, stats } = graphed;
    let rate = |total: f64| seconds.filter(|seconds| *seconds > 0.0).map_or(0.0, |seconds| total / seconds);
    let node = |(id, node): (usize, Node)| MapNode {
        id,
        root: node.is_root,
        synthetic: match node.side {
            Side::Service => None,
            Side::Inferred => Some("inferred"),
            Side::Client => Some("client"),
        },
        rate_per_s: rate(node.statistics.total()),
        statistics: statistics(&node.statistics),
        name: node.name,
        r#type: node.node_type,
    };
    let edge = |edge: Edge| MapEdge {
        from: edge.from,
        to: edge.to,
        kind: match edge.kind {
            EdgeKind::Call => "sync",
            EdgeKind::Link => "link",
        },
        statistics: statistics(&edge.statistics),
    };
    Map {
        nodes: graph.nodes.into_iter().enumerate().map(node).collect(),
        edges: graph.edges.into_iter().map(edge).collect(),
        stats,
    }
}

fn statistics(counted: &Statistics) -> MapStatistics {
    let entry = |entry: HistogramEntry| MapHistogramEntry { value_s: entry.value_s, count: entry.count };
    MapStatistics {
        total: counted.total(),
        ok: counted.ok,
        error: counted.error,
        throttle: counted.throttle,
        fault: counted.fault,
        p50_ns: counted.response_times.quantile_ns(0.5),
        p95_ns: counted.response_times.quantile_ns(0.95),
        p99_ns: counted.response_times.quantile_ns(0.99),
        histogram: counted.response_times.entries().into_iter().map(entry).collect(),
    }
}
