//! Pointing into a text: how errors of all languages quote what they found, and draw carets below it.

use std::ops::Range;

/// Quoted text in a message is cut here: a message is for reading.
const FOUND_CHARS_MAX: usize = 40;

/// What stands at `span`, quoted; an empty span at the end of the text is its end.
pub fn found(text: &str, span: &Range<usize>) -> String {
    match text.get(span.clone()) {
        Some(found) if !found.is_empty() => quote(found),
        _ if span.start >= text.len() => "the end".to_owned(),
        _ => text[span.start..].chars().next().map(|c| quote(c.encode_utf8(&mut [0; 4]))).unwrap_or_default(),
    }
}

/// The message, the line of `text` at fault, and carets below the bytes meant.
pub fn with_caret(message: &str, text: &str, span: &Range<usize>) -> String {
    let start = span.start.min(text.len());
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let blanks = text[line_start..start].chars().count();
    let carets = text[start..span.end.clamp(start, line_end)].chars().count().max(1);
    format!("{message}\n  {}\n  {}{}", &text[line_start..line_end], " ".repeat(blanks), "^".repeat(carets))
}

pub fn quote(text: &str) -> String {
    if text.chars().count() <= FOUND_CHARS_MAX {
        return format!("{text:?}");
    }
    format!("{:?}…", text.chars().take(FOUND_CHARS_MAX).collect::<String>())
}
