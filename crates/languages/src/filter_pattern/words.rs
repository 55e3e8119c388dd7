//! A line as space-delimited fields: words, and what stands between quotes or brackets.

/// One word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// Without its quotes or brackets.
    pub text: &'a str,
    /// Where it begins in the line, quote and all.
    pub start: usize,
}

/// Words are cut at blanks; a quote or bracket that opens a word and is never closed is part of it.
pub fn words(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(blanks) = line[at..].find(|c: char| !c.is_whitespace()) {
        let start = at + blanks;
        let rest = &line[start..];
        let closed = match rest.as_bytes()[0] {
            b'"' => closing_quote(rest),
            b'[' => rest.find(']'),
            _ => None,
        };
        // What follows the closing sign without a blank makes it a plain word.
        let closed = closed.filter(|end| rest[end + 1..].chars().next().is_none_or(char::is_whitespace));
        match closed {
            Some(end) => {
                words.push(Word { text: &rest[1..end], start });
                at = start + end + 1;
            }
            None => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                words.push(Word { text: &rest[..end], start });
                at = start + end;
            }
        }
    }
    words
}

fn closing_quote(rest: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return Some(at),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}
