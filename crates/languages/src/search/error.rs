//! Why a search cannot be understood, and where.

use super::ast::Span;

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

/// Quoted text in a message is cut here: a message is for reading.
const FOUND_CHARS_MAX: usize = 40;

impl SearchError {
    /// `found` is quoted from `text` by `span`; an empty span at its end is the end of the search.
    pub(super) fn at(text: &str, span: Span, expected: impl Into<String>) -> SearchError {
        let found = match text.get(span.clone()) {
            Some(found) if !found.is_empty() => quote(found),
            _ if span.start >= text.len() => "the end".to_owned(),
            _ => text[span.start..].chars().next().map(|c| quote(c.encode_utf8(&mut [0; 4]))).unwrap_or_default(),
        };
        SearchError { span, expected: expected.into(), found }
    }

    /// Byte offset of the fault in the query text.
    pub fn position(&self) -> usize {
        self.span.start
    }

    /// The message, the line of `text` at fault, and carets below the bytes meant.
    pub fn with_caret(&self, text: &str) -> String {
        let start = self.span.start.min(text.len());
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let blanks = text[line_start..start].chars().count();
        let carets = text[start..self.span.end.clamp(start, line_end)].chars().count().max(1);
        format!("{self}\n  {}\n  {}{}", &text[line_start..line_end], " ".repeat(blanks), "^".repeat(carets))
    }
}

pub(super) fn quote(text: &str) -> String {
    if text.chars().count() <= FOUND_CHARS_MAX {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(FOUND_CHARS_MAX).collect::<String>())
}
