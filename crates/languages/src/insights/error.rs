//! Why a query cannot be understood, where, and how the service words it.

use std::ops::Range;

use crate::caret;

/// A query that cannot be read, or that asks what cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read query at byte {}: expected {expected}, found {found}", span.start)]
pub struct InsightsError {
    /// Bytes of the text that are at fault; empty where something is missing.
    pub span: Range<usize>,
    /// What would have been right there.
    pub expected: String,
    /// What is there instead, in words or quoted from the text.
    pub found: String,
}

/// What a MalformedQueryException tells: characters of the query from 0, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    pub start_char_offset: usize,
    pub end_char_offset: usize,
    pub message: String,
}

impl InsightsError {
    /// `found` is quoted from `text` by `span`; an empty span at its end is the end of the query.
    pub(crate) fn at(text: &str, span: Range<usize>, expected: impl Into<String>) -> InsightsError {
        InsightsError { found: caret::found(text, &span), span, expected: expected.into() }
    }

    pub(crate) fn found(mut self, found: impl Into<String>) -> InsightsError {
        self.found = found.into();
        self
    }

    /// Byte offset of the fault in the text.
    pub fn position(&self) -> usize {
        self.span.start
    }

    /// The fault as the service tells it.
    pub fn compile_error(&self, text: &str) -> CompileError {
        let chars = |end: usize| text.get(..end).map_or(0, |before| before.chars().count());
        let before = text.get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let position = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let symbol = text.get(self.span.clone()).filter(|symbol| !symbol.is_empty()).unwrap_or("<EOF>");
        let message =
            format!("unexpected symbol found {symbol} at line {line} and position {position}: expected {}", self.expected);
        CompileError { start_char_offset: chars(self.span.start), end_char_offset: chars(self.span.end), message }
    }

    /// The message, the line of `text` at fault, and carets below the bytes meant.
    pub fn with_caret(&self, text: &str) -> String {
        caret::with_caret(&self.to_string(), text, &self.span)
    }
}
