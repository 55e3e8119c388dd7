//! The spans of one trace as they are kept, for whoever gives them back in a vendor's words.

use std::collections::HashMap;

use model::{Signal, SpanId, TraceId};

use super::Asker;
use super::logs::{Log, tell};
use super::trace::{SpanTold, arrange, tell_span, with_events};
use crate::answer::Row;
use crate::error::EngineError;
use crate::limits::{TRACE_LOGS_MAX, TRACE_SPANS_MAX};

/// A span with its events, and the document it was sent as where that is kept.
#[derive(Clone, Debug, Default)]
pub struct StoredSpan {
    pub told: SpanTold,
    pub source: Option<String>,
}

/// The spans of one trace, parents first.
#[derive(Clone, Debug, Default)]
pub struct StoredTrace {
    pub spans: Vec<StoredSpan>,
    /// Whether there are more than are given.
    pub is_cut: bool,
}

impl Asker {
    /// The spans of a trace without those of the traces it is linked to; of copies of one span the last that was complete.
    pub async fn stored_trace(&self, id: TraceId) -> Result<StoredTrace, EngineError> {
        let found = self.engine.trace_rows(&self.project, Signal::Spans, id, TRACE_SPANS_MAX).await?;
        let mut newest: HashMap<SpanId, Row<'_>> = HashMap::new();
        for row in found.iter().filter(|row| row.trace_id("trace_id") == Some(id)) {
            let Some(span_id) = row.span_id("span_id") else { continue };
            let known = newest.entry(span_id).or_insert(row);
            if rank(row) > rank(*known) {
                *known = row;
            }
        }
        let is_cut = newest.len() > TRACE_SPANS_MAX;
        let mut rows: Vec<Row<'_>> = newest.into_values().collect();
        rows.sort_by_key(|row| (row.i64("time"), row.span_id("span_id")));
        rows.truncate(TRACE_SPANS_MAX);
        let mut sources: HashMap<String, String> = HashMap::new();
        let mut told = Vec::with_capacity(rows.len());
        for row in rows {
            let span = tell_span(row);
            if let Some(source) = row.string("source") {
                sources.insert(span.span_id.clone(), source);
            }
            told.push(span);
        }
        let logs = self.events_of(id).await?;
        let spans = with_events(arrange(told), &logs);
        let spans = spans.into_iter().map(|told| StoredSpan { source: sources.remove(&told.span_id), told }).collect();
        Ok(StoredTrace { spans, is_cut })
    }

    async fn events_of(&self, id: TraceId) -> Result<Vec<Log>, EngineError> {
        let found = self.engine.trace_rows(&self.project, Signal::Logs, id, TRACE_LOGS_MAX).await?;
        let of_trace = found.iter().filter(|row| row.trace_id("trace_id") == Some(id));
        let mut logs: Vec<Log> = of_trace.map(|row| tell(row, false)).collect();
        logs.sort_by_key(|log| (log.time_unix_nano, log.received_at_unix_nano));
        Ok(logs)
    }
}

/// A complete row before a provisional one, then what came later.
fn rank(row: Row<'_>) -> (bool, i64) {
    (!row.bool("in_progress"), row.i64("received_at").unwrap_or_default())
}
