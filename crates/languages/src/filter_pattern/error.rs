//! Why a filter pattern cannot be understood, where, and what the service calls it.

use std::ops::Range;

use crate::caret;

/// A pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read filter pattern at byte {}: expected {expected}, found {found}", span.start)]
pub struct FilterPatternError {
    /// Bytes of the text that are at fault; empty where something is missing.
    pub span: Range<usize>,
    /// What would have been right there.
    pub expected: String,
    /// What is there instead, in words or quoted from the text.
    pub found: String,
    /// What the service says of it, where its words are known.
    reason: Option<String>,
}

impl FilterPatternError {
    /// `found` is quoted from `text` by `span`; an empty span at its end is the end of the pattern.
    pub(super) fn at(text: &str, span: Range<usize>, expected: impl Into<String>) -> FilterPatternError {
        FilterPatternError { found: caret::found(text, &span), span, expected: expected.into(), reason: None }
    }

    pub(super) fn found(mut self, found: impl Into<String>) -> FilterPatternError {
        self.found = found.into();
        self
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> FilterPatternError {
        self.reason = Some(reason.into());
        self
    }

    /// The term at fault, as the service names it.
    pub(super) fn in_term(self, term: &str) -> FilterPatternError {
        self.because(format!("Invalid character(s) in term '{term}'"))
    }

    /// Byte offset of the fault in the text.
    pub fn position(&self) -> usize {
        self.span.start
    }

    /// The message of the service's InvalidParameterException.
    pub fn service_message(&self) -> String {
        match &self.reason {
            Some(reason) => format!("Invalid filter pattern: {reason}"),
            None => "Invalid filter pattern".to_owned(),
        }
    }

    /// The message, the line of `text` at fault, and carets below the bytes meant.
    pub fn with_caret(&self, text: &str) -> String {
        caret::with_caret(&self.to_string(), text, &self.span)
    }
}
