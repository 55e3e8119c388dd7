//! Why a search cannot be understood, and where.

use super::ast::Span;
use crate::caret;

/// A search that cannot be read or does not fit the columns it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read search at byte {}: expected {expected}, found {found}", span.start)]
pub struct SearchError {
    /// Bytes of the query text that are at fault; empty where something is missing.
    pub span: Span,
    /// What would have been right there.
    pub expected: String,
    /// What is there instead, in words or quoted from the text.
    pub found: String,
}

impl SearchError {
    /// `found` is quoted from `text` by `span`; an empty span at its end is the end of the search.
    pub(super) fn at(text: &str, span: Span, expected: impl Into<String>) -> SearchError {
        SearchError { found: caret::found(text, &span), span, expected: expected.into() }
    }

    /// Byte offset of the fault in the query text.
    pub fn position(&self) -> usize {
        self.span.start
    }

    /// The message, the line of `text` at fault, and carets below the bytes meant.
    pub fn with_caret(&self, text: &str) -> String {
        caret::with_caret(&self.to_string(), text, &self.span)
    }
}
