//! How long traces took over time: counts of traces by when they began and how long their root took.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use analysis::service_graph::Calls;
use analysis::trace_facts::Flags;
use serde::Serialize;
use utoipa::ToSchema;

use super::trace_scope::{TraceScope, stats};
use super::{Asker, Stats, Steps, UnixNano, weighted};
use crate::error::EngineError;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TraceHeatmap {
    pub start_unix_nano: UnixNano,
    pub step_seconds: i64,
    /// How many steps there are.
    pub steps: usize,
    /// Bucket `n` reaches from the bound `n` to the next; each is half as long again as the one before, about.
    pub bucket_bounds_ns: Vec<f64>,
    /// Cells that are not empty, in order of steps.
    pub cells: Vec<TraceHeatmapCell>,
    pub stats: Stats,
}

/// Weighted counts of traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct TraceHeatmapCell {
    pub step: usize,
    pub bucket: usize,
    #[serde(serialize_with = "weighted")]
    pub count: f64,
    /// Those whose root is an error or a fault.
    #[serde(serialize_with = "weighted")]
    pub errors: f64,
}

/// Buckets between a duration and its double.
const BUCKETS_PER_DOUBLING: f64 = 2.0;

/// Steps of a heatmap: cells a pointer can hit.
const HEATMAP_STEPS: i64 = 120;

impl Asker {
    /// Traces that are in progress are not counted yet.
    pub async fn trace_heatmap(&self, scope: &TraceScope) -> Result<TraceHeatmap, EngineError> {
        let steps = Steps::over(scope.range(), HEATMAP_STEPS);
        let session = self.trace_session(scope.range()).await?;
        let mut scan = self.scope_scan(scope, session).await?;
        let warnings = std::mem::take(&mut scan.warnings);
        let mut calls = Calls::default();
        let scanned = scan
            .fold(BTreeMap::<(usize, i32), [f64; 2]>::new(), move |cells, window, chosen| {
                for trace in window.facts.traces() {
                    let root = trace.root();
                    if root.is(Flags::IN_PROGRESS) || !chosen.takes(&trace, &mut calls) {
                        continue;
                    }
                    let Some(step) = steps.of(trace.start_unix_nano()) else { continue };
                    let cell = cells.entry((step, bucket(root.duration_ns))).or_default();
                    cell[0] += root.sample_rate;
                    cell[1] += if root.flags.has_any(Flags::ERROR.and(Flags::FAULT)) { root.sample_rate } else { 0.0 };
                }
                ControlFlow::Continue(())
            })
            .await?;
        let stats = stats(&scanned, warnings);
        let buckets = || scanned.state.keys().map(|(_, bucket)| *bucket);
        let (first, last) = (buckets().min().unwrap_or(0), buckets().max().unwrap_or(-1));
        let cells = scanned.state.iter().map(|((step, bucket), [count, errors])| TraceHeatmapCell {
            step: *step,
            bucket: (bucket - first) as usize,
            count: *count,
            errors: *errors,
        });
        Ok(TraceHeatmap {
            start_unix_nano: UnixNano(steps.start_unix_nano),
            step_seconds: steps.step_seconds,
            steps: steps.count,
            bucket_bounds_ns: if last < first { Vec::new() } else { (first..=last + 1).map(bound_ns).collect() },
            cells: cells.collect(),
            stats,
        })
    }
}

fn bucket(duration_ns: i64) -> i32 {
    ((duration_ns.max(1) as f64).log2() * BUCKETS_PER_DOUBLING).floor() as i32
}

fn bound_ns(bucket: i32) -> f64 {
    (f64::from(bucket) / BUCKETS_PER_DOUBLING).exp2().round()
}
