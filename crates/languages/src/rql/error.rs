//! Why a query cannot be understood, and where.

use std::ops::Range;

use crate::caret;

/// Where in the text something stands. It makes no difference to what a query asks, so all places are equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    pub start: usize,
    pub end: usize,
}

impl PartialEq for Place {
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

impl Place {
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// From the start of this to the end of the other.
    pub fn to(self, end: Place) -> Place {
        Place { start: self.start, end: end.end }
    }
}

/// A query that cannot be read, or that asks what cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read query at byte {}: expected {expected}, found {found}", span.start)]
pub struct RqlError {
    /// Bytes of the text that are at fault; empty where something is missing.
    pub span: Range<usize>,
    /// What would have been right there.
    pub expected: String,
    /// What is there instead, in words or quoted from the text.
    pub found: String,
}

impl RqlError {
    /// `found` is quoted from `text` by `span`; an empty span at its end is the end of the query.
    pub(super) fn at(text: &str, span: Range<usize>, expected: impl Into<String>) -> RqlError {
        RqlError { found: caret::found(text, &span), span, expected: expected.into() }
    }

    /// Byte offset of the fault in the text.
    pub fn position(&self) -> usize {
        self.span.start
    }

    /// The message, the line of `text` at fault, and carets below the bytes meant.
    pub fn with_caret(&self, text: &str) -> String {
        caret::with_caret(&self.to_string(), text, &self.span)
    }
}
