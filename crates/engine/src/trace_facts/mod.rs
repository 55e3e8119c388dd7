//! From the spans of a time range to facts about their traces, in one scan.
//!
//! The service graph, its numbers over time, filter expressions and lists of traces are all functions of whole traces. A scan
//! with a narrow projection ([`columns`]) keeps texts as the codes they are in the files and folds the rows into
//! [`analysis::trace_facts`]; conditions that a question puts to spans are evaluated by the scan and leave one bit each. The
//! range is read in windows, newest first ([`windows`]), so that memory is bounded whatever the range; traces that reach over
//! the border of a window wait for the next one ([`scan`]).

pub mod columns;
pub mod filter;
pub mod scan;
pub mod windows;

use analysis::service_graph::Calls;
use analysis::trace_facts::Trace;
use datafusion::logical_expr::Expr;

pub use filter::{CompiledFilter, Groups};
pub use scan::{Coverage, Scan, Scanned, Window};

/// What a question wants to know of spans beyond what every span has.
#[derive(Clone, Debug, Default)]
pub struct FactsQuestion {
    /// Conditions on spans, at most [`crate::limits::TRACE_PREDICATES_MAX`]: bit `n` of `SpanFact::matches` answers number `n`.
    pub predicates: Vec<Expr>,
    /// A condition that some span of every trace in question meets: others need not be read.
    pub necessary: Option<Expr>,
    /// A text to know of every span: `SpanFact::value`.
    pub value: Option<Expr>,
    /// Whether links between spans of different traces are asked for.
    pub links: bool,
}

/// Decides which traces are meant: a filter expression that was lowered for a session.
pub trait TraceJudge: Send + Sync {
    /// Conditions on spans that [`TraceJudge::holds`] reads from `SpanFact::matches`.
    fn predicates(&self) -> Vec<Expr>;

    /// A condition that some span of every trace meets for which this holds, where there is one that saves reading.
    fn necessary(&self) -> Option<Expr> {
        None
    }

    /// Whether a trace is meant. Bit `first_bit` of `SpanFact::matches` answers the first of the predicates, and so on;
    /// `calls` are the trace's.
    fn holds(&self, trace: &Trace<'_>, calls: &Calls, first_bit: usize) -> bool;
}
