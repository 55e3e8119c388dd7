//! Frames of an exception, printed as the language they come from prints them.

use super::wire::{CauseException, Frame};

/// The text of an exception's stack; empty when the client sent no frames.
///
/// Python (a path ends in `.py`): oldest call first, `File "app.py", line 195, in data_show_activity`, the exception last.
/// Java (`.java`, `.kt`, `.scala`): `at label(path:line)`. Others: `at label (path:line)`, newest call first.
pub fn stacktrace(exception: CauseException<'_>) -> String {
    let mut frames = exception.frames().peekable();
    if frames.peek().is_none() {
        return String::new();
    }
    let ends = |suffixes: &[&str]| exception.frames().any(|frame| suffixes.iter().any(|suffix| frame.path.ends_with(suffix)));
    if ends(&[".py"]) {
        python(exception, frames)
    } else if ends(&[".java", ".kt", ".scala"]) {
        newest_first(exception, frames, "\tat ", "")
    } else {
        newest_first(exception, frames, "    at ", " ")
    }
}

fn python<'a>(exception: CauseException<'a>, frames: impl Iterator<Item = Frame<'a>>) -> String {
    let mut out = String::from("Traceback (most recent call last):\n");
    if exception.truncated() > 0 {
        out.push_str(&format!("  [{} more frames]\n", exception.truncated()));
    }
    for frame in frames {
        out.push_str(&format!("  File \"{}\"", frame.path));
        if let Some(line) = frame.line {
            out.push_str(&format!(", line {line}"));
        }
        out.push_str(&format!(", in {}\n", label(frame)));
    }
    out.push_str(&exception.headline());
    out
}

fn newest_first<'a>(
    exception: CauseException<'a>,
    frames: impl Iterator<Item = Frame<'a>>,
    at: &str,
    before_path: &str,
) -> String {
    let mut out = exception.headline();
    for frame in frames {
        out.push_str(&format!("\n{at}{}{before_path}({}", label(frame), frame.path));
        if let Some(line) = frame.line {
            out.push_str(&format!(":{line}"));
        }
        out.push(')');
    }
    if exception.truncated() > 0 {
        out.push_str(&format!("\n{at}... {} more", exception.truncated()));
    }
    out
}

fn label(frame: Frame<'_>) -> &str {
    if frame.label.is_empty() { "<unknown>" } else { frame.label }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(json: &str, expected: Expect) {
        let json: crate::json_tree::Value<'_> = serde_json::from_str(json).unwrap();
        expected.assert_eq(&stacktrace(CauseException(json.as_object().unwrap())));
    }

    #[test]
    fn python_prints_the_newest_call_last() {
        check(
            r#"{"type": "KeyError", "message": "'message'", "truncated": 2, "stack": [
                {"path": "app.py", "line": 183, "label": "data_activities"}, {"path": "<string>", "line": null}]}"#,
            expect![[r#"
                Traceback (most recent call last):
                  [2 more frames]
                  File "app.py", line 183, in data_activities
                  File "<string>", in <unknown>
                KeyError: 'message'"#]],
        );
    }

    #[test]
    fn others_print_the_newest_call_first() {
        check(
            r#"{"type": "TypeError", "message": "boom", "truncated": 3, "stack": [
                {"path": "/app/app.js", "line": 15, "label": "anonymous"}, {"path": "node", "line": null, "label": "run"}]}"#,
            expect![[r#"
                TypeError: boom
                    at anonymous (/app/app.js:15)
                    at run (node)
                    at ... 3 more"#]],
        );
        check(
            r#"{"type": "java.lang.Oops", "stack": [{"path": "Shop.java", "line": 7, "label": "com.shop.Shop.buy"}]}"#,
            expect![[r#"
                java.lang.Oops
                	at com.shop.Shop.buy(Shop.java:7)"#]],
        );
    }

    #[test]
    fn no_frames_no_text() {
        check(r#"{"type": "TypeError", "stack": "none"}"#, expect![""]);
    }
}
