//! The narrow waist on the way in: receivers push rows, whoever holds the sink copies them.

use std::borrow::Cow;

use crate::rows::{DataPoint, LogRecord, Resource, Scope, Span};

/// Takes rows as they are decoded. A resource and a scope hold for all rows that follow, until the next of their kind;
/// a new resource clears the scope.
pub trait RowSink {
    fn resource(&mut self, resource: &Resource<'_>);
    fn scope(&mut self, scope: &Scope<'_>);
    fn span(&mut self, span: &Span<'_>);
    fn log(&mut self, record: &LogRecord<'_>);
    fn data_point(&mut self, point: &DataPoint<'_>);
    /// Something that was understood well enough to be counted, but not kept.
    fn refuse(&mut self, refusal: Refusal);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    Spans,
    Logs,
    Metrics,
}

impl Signal {
    pub const ALL: [Signal; 3] = [Signal::Spans, Signal::Logs, Signal::Metrics];

    /// The name of the signal's table.
    pub fn table(self) -> &'static str {
        match self {
            Signal::Spans => "spans",
            Signal::Logs => "logs",
            Signal::Metrics => "metrics",
        }
    }
}

/// Rows that were refused, and why, in words for the person who sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub signal: Signal,
    pub count: u64,
    pub reason: Cow<'static, str>,
}

impl Refusal {
    pub fn one(signal: Signal, reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { signal, count: 1, reason: reason.into() }
    }
}

/// How many rows of each signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub spans: u64,
    pub logs: u64,
    pub metrics: u64,
}

impl Rows {
    pub fn total(self) -> u64 {
        self.spans + self.logs + self.metrics
    }
}

/// A sink that counts what passes through to another: receivers use it to know what to answer.
pub struct Counted<'s> {
    inner: &'s mut dyn RowSink,
    pub accepted: Rows,
    pub refusals: Vec<Refusal>,
}

/// Refusals kept for the answer; further ones are only counted. An answer with more reasons helps nobody.
const REFUSALS_KEPT_MAX: usize = 100;

impl<'s> Counted<'s> {
    pub fn new(inner: &'s mut dyn RowSink) -> Counted<'s> {
        Counted { inner, accepted: Rows::default(), refusals: Vec::new() }
    }

    pub fn refused(&self, signal: Signal) -> u64 {
        self.refusals.iter().filter(|refusal| refusal.signal == signal).map(|refusal| refusal.count).sum()
    }
}

impl RowSink for Counted<'_> {
    fn resource(&mut self, resource: &Resource<'_>) {
        self.inner.resource(resource);
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        self.inner.scope(scope);
    }

    fn span(&mut self, span: &Span<'_>) {
        self.accepted.spans += 1;
        self.inner.span(span);
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        self.accepted.logs += 1;
        self.inner.log(record);
    }

    fn data_point(&mut self, point: &DataPoint<'_>) {
        self.accepted.metrics += 1;
        self.inner.data_point(point);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.inner.refuse(refusal.clone());
        let full = self.refusals.len() >= REFUSALS_KEPT_MAX;
        let same =
            self.refusals.iter_mut().rev().find(|kept| kept.signal == refusal.signal && (full || kept.reason == refusal.reason));
        match same {
            Some(kept) => kept.count += refusal.count,
            None => self.refusals.push(refusal),
        }
    }
}
