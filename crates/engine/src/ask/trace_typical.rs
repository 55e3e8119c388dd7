//! A trace beside others like it: what the spans of its route usually take, and what they took here.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use analysis::trace_facts::{Flags, Trace};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, lit};
use model::TraceId;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::trace_scope::{TraceScope, stats};
use super::{Asker, Stats};
use crate::error::EngineError;
use crate::limits::TYPICAL_TRACES_MAX;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TypicalTrace {
    /// The root's service and name, which the others have too.
    pub service: String,
    pub route: String,
    /// How many traces say what is typical, the newest ones; without the trace itself.
    pub traces: usize,
    /// Those that take longest here first.
    pub spans: Vec<TypicalSpan>,
    pub stats: Stats,
}

/// All spans of one name in one service, together.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TypicalSpan {
    pub service: String,
    pub name: String,
    /// The median of their time in a trace, of the traces that have any; nothing when none has.
    pub typical_ns: Option<i64>,
    /// The median of their number in a trace, of all traces.
    pub typical_count: usize,
    pub this_ns: i64,
    pub this_count: usize,
}

/// How far around a trace others like it are looked for, unless a range is named.
const AROUND_NS: i64 = 86_400 * super::SECOND;

type Sums = BTreeMap<(String, String), (i64, usize)>;

impl Asker {
    /// `None` when no span of the trace has arrived.
    pub async fn typical_trace(&self, id: TraceId, range: Option<TimeRange>) -> Result<Option<TypicalTrace>, EngineError> {
        let (facts, _) = self.facts_of(&[id]).await?;
        let Some(trace) = facts.find(id) else { return Ok(None) };
        let (this, this_id, root) = (sums(&trace), trace.id(), trace.root());
        let (service, route) = (facts.text(root.service).to_owned(), facts.text(root.name).to_owned());
        let range = range.unwrap_or_else(|| TimeRange {
            start_unix_nano: trace.start_unix_nano().saturating_sub(AROUND_NS),
            end_unix_nano: trace.start_unix_nano().saturating_add(AROUND_NS),
        });
        let session = self.trace_session(range).await?;
        let is_root = is("service.name", &service).and(is("name", &route));
        let is_root = match root.is(Flags::MISSING_PARENT) {
            true => is_root,
            false => is_root.and(Expr::Column(Column::from_name("parent_span_id")).is_null()),
        };
        let (scan, bit) = self.scope_scan(&TraceScope::over(range), session).await?.ends_early().with_predicate(is_root);
        let scanned = scan
            .fold(Vec::<Sums>::new(), move |alike, window, _| {
                let traces = window.facts.traces().filter(|trace| trace.root().matches(bit) && trace.id() != this_id);
                let whole = traces.filter(|trace| !trace.is_partial());
                alike.extend(whole.take(TYPICAL_TRACES_MAX - alike.len()).map(|trace| sums(&trace)));
                if alike.len() < TYPICAL_TRACES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })
            .await?;
        let stats = stats(&scanned, Vec::new());
        let spans = compared(this, &scanned.state);
        Ok(Some(TypicalTrace { service, route, traces: scanned.state.len(), spans, stats }))
    }
}

fn is(name: &str, text: &str) -> Expr {
    Expr::Column(Column::from_name(name)).eq(lit(text))
}

fn sums(trace: &Trace<'_>) -> Sums {
    let mut sums = Sums::new();
    for span in trace.spans() {
        let key = (trace.text(span.service).to_owned(), trace.text(span.name).to_owned());
        let sum = sums.entry(key).or_default();
        *sum = (sum.0.saturating_add(span.duration_ns), sum.1 + 1);
    }
    sums
}

/// Spans that this trace has, and those that most others have.
fn compared(this: Sums, others: &[Sums]) -> Vec<TypicalSpan> {
    let mut seen: BTreeMap<&(String, String), Vec<(i64, usize)>> = this.keys().map(|key| (key, Vec::new())).collect();
    for (key, sum) in others.iter().flatten() {
        seen.entry(key).or_default().push(*sum);
    }
    let mut spans: Vec<TypicalSpan> = seen
        .into_iter()
        .map(|(key, seen)| {
            let (this_ns, this_count) = this.get(key).copied().unwrap_or_default();
            let mut times: Vec<i64> = seen.iter().map(|(time, _)| *time).collect();
            let mut counts: Vec<usize> = seen.iter().map(|(_, count)| *count).collect();
            counts.resize(others.len(), 0);
            TypicalSpan {
                service: key.0.clone(),
                name: key.1.clone(),
                typical_ns: median(&mut times),
                typical_count: median(&mut counts).unwrap_or(0),
                this_ns,
                this_count,
            }
        })
        .filter(|span| span.this_count > 0 || span.typical_count > 0)
        .collect();
    spans.sort_by_key(|span| std::cmp::Reverse((span.this_ns, span.typical_ns)));
    spans
}

/// The middle one, the lower of two.
fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    let middle = values.len().checked_sub(1)? / 2;
    Some(*values.select_nth_unstable(middle).1)
}
