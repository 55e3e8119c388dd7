//! Exceptions told in the text of a log line, as Python, JavaScript and Java print them.

use std::borrow::Cow;

use model::Exception;

/// An exception found in a text, borrowed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'t> {
    pub r#type: &'t str,
    pub message: &'t str,
    pub stacktrace: &'t str,
}

impl<'t> From<Told<'t>> for Exception<'t> {
    fn from(told: Told<'t>) -> Exception<'t> {
        Exception {
            r#type: Cow::Borrowed(told.r#type),
            message: Cow::Borrowed(told.message),
            stacktrace: Cow::Borrowed(told.stacktrace),
            ..Exception::default()
        }
    }
}

const TRACEBACK: &str = "Traceback (most recent call last):";

/// What stands between the tracebacks of a chain.
const CHAIN_LINES: [&str; 2] =
    ["During handling of the above exception, another exception occurred:", "The above exception was the direct cause"];

/// The exception a text tells, if it does: of a chain in Python the last, which is what was raised in the end.
pub fn exception_from_text(text: &str) -> Option<Told<'_>> {
    match text.find(TRACEBACK) {
        Some(at) => python(&text[at..]),
        None => newest_first(text),
    }
}

/// Of `text`, which begins with a traceback: frames are indented, the exception's line is not, and its message may go on
/// until the next traceback of the chain.
fn python(text: &str) -> Option<Told<'_>> {
    let last = text.rfind(TRACEBACK)? + TRACEBACK.len();
    let mut at = last;
    let line = text[last..].split_inclusive('\n').find(|line| {
        let found = at > last && !line.trim().is_empty() && !line.starts_with([' ', '\t']);
        at += if found { 0 } else { line.len() };
        found
    })?;
    let told = &text[at..];
    let end = CHAIN_LINES.iter().filter_map(|chain| told.find(chain)).min().unwrap_or(told.len());
    let r#type = line.split_once(':').map_or(line.trim(), |(r#type, _)| r#type);
    // A line that begins the chain's text is no type, so the end lies behind the type.
    is_path(r#type).then(|| Told {
        r#type,
        message: told[r#type.len()..end].trim_start_matches(':').trim(),
        stacktrace: text.trim_end(),
    })
}

/// A line with the exception, then lines ` at …`.
fn newest_first(text: &str) -> Option<Told<'_>> {
    let is_frame = |line: &str| line.starts_with([' ', '\t']) && line.trim_start().starts_with("at ");
    let mut start = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some_and(|next| is_frame(next))
            && let Some((offset, r#type)) = exception_word(line)
        {
            let message = line[offset + r#type.len()..].trim_start_matches(':').trim();
            return Some(Told { r#type, message, stacktrace: text[start + offset..].trim_end() });
        }
        start += line.len();
    }
    None
}

/// The first word that names an exception and is followed by a colon or by nothing, and where it stands.
fn exception_word(line: &str) -> Option<(usize, &str)> {
    let line = line.trim_end();
    let mut offset = 0;
    for word in line.split([' ', '\t']) {
        let name = word.trim_end_matches(':');
        let ends = ["Error", "Exception", "Throwable"].iter().any(|ending| name.ends_with(ending));
        let last = offset + word.len() == line.len();
        if ends && is_path(name) && (last || word.ends_with(':')) {
            return Some((offset, name));
        }
        offset += word.len() + 1;
    }
    None
}

/// Identifiers joined by dots.
fn is_path(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, r#type: &str, message: &str, stack_starts: &str) {
        let told = exception_from_text(text).unwrap();
        assert_eq!((told.r#type, told.message), (r#type, message));
        assert!(told.stacktrace.starts_with(stack_starts), "{}", told.stacktrace);
    }

    #[test]
    fn python_tells_it_last() {
        let trace = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n    ^^^\n";
        check(&format!("Exception on /x [GET]\n{trace}KeyError: 'message'"), "KeyError", "'message'", "Traceback");
        check(
            &format!("{trace}botocore.errorfactory.NotFound: a: b\nsecond line\n"),
            "botocore.errorfactory.NotFound",
            "a: b\nsecond line",
            "Tr",
        );
        check(&format!("{trace}StopIteration"), "StopIteration", "", "Traceback");
        let chain = format!(
            "{trace}KeyError: 1\n\nDuring handling of the above exception, another exception occurred:\n\n{trace}ValueError: 2"
        );
        check(&chain, "ValueError", "2", "Traceback");
        assert_eq!(exception_from_text(&chain).unwrap().stacktrace, chain);
    }

    #[test]
    fn others_tell_it_first() {
        check(
            "2026-11-21 ERROR Uncaught TypeError: boom\n    at f (/app/a.js:1:2)\n    at g (/app/b.js:3:4)",
            "TypeError",
            "boom",
            "TypeError: boom\n    at f",
        );
        check(
            "Exception in thread \"main\" java.lang.IllegalStateException: no: way\n\tat a.B.c(B.java:7)\nCaused by: x",
            "java.lang.IllegalStateException",
            "no: way",
            "java.lang.IllegalStateException: no: way\n\tat a.B.c",
        );
        check("x\njava.lang.StackOverflowError\n\tat a.B.c(B.java:7)", "java.lang.StackOverflowError", "", "java");
    }

    #[test]
    fn other_texts_tell_none() {
        for text in [
            "",
            "all is well",
            "TypeError: boom",
            "Traceback (most recent call last):",
            "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n",
            "Traceback (most recent call last):\n  File \"a.py\"\nnot a type at all: x",
            "meet me\n  at noon",
            "Traceback (most recent call last):\nDuring handling of the above exception, another exception occurred:",
        ] {
            assert_eq!(exception_from_text(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "(Traceback \\(most recent call last\\):|\n|  |a|: |Error|\tat |☃|During handling of the above exception, another exception occurred:){0,30}") {
            let _ = exception_from_text(&text);
        }
    }
}
