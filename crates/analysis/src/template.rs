//! Message templates: what stays of a message when the parts that change from one occurrence to the next are taken out.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// A longer message is cut before anything is replaced: what tells errors apart stands at the front.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Quoted text longer than this is data, not a name. Shorter text without blanks stays: `name 'ShowActivity' is not
/// defined` and `name 'Cart' is not defined` are two errors.
const QUOTED_NAME_CHARS_MAX: usize = 40;

/// The parts that change, most specific first; the name of the group is what is put in the place.
static VARIABLE_PARTS: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"(?<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)",
        r"(?<date>\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)?)",
        r"(?<time>\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b)",
        r"(?<email>[\w.+-]+@[\w-]+\.[\w.-]+\w)",
        r"(?<ip>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b)",
        r"(?<hex>\b0[xX][0-9a-fA-F]+\b|\b[0-9a-fA-F]*(?:[0-9][a-fA-F]|[a-fA-F][0-9])[0-9a-fA-F]*\b)",
        // The apostrophe of `can't` is no quote: outside the marks there must be no letter.
        r#"(?<quoted>\B(?:"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)\B)"#,
        r"(?<number>[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?)",
    ];
    // The pattern is a constant that every test compiles.
    #[allow(clippy::unwrap_used)]
    Regex::new(&parts.join("|")).unwrap()
});

/// `message` with dates, numbers, hex, ids, addresses and long quoted text replaced by their kind, blanks joined.
pub fn message_template(message: &str) -> String {
    let cut = &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)];
    let replaced = replace(cut);
    replaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn replace(text: &str) -> String {
    VARIABLE_PARTS.replace_all(text, |found: &Captures<'_>| placeholder(found)).into_owned()
}

fn placeholder(found: &Captures<'_>) -> String {
    if let Some(quoted) = found.name("quoted") {
        return quoted_placeholder(quoted.as_str());
    }
    // Four digits or more, as Rollbar counts; `a1` and `x2` are names.
    if let Some(hex) = found.name("hex")
        && hex.as_str().len() < 4
    {
        return hex.as_str().to_owned();
    }
    let kinds = ["uuid", "date", "time", "email", "ip", "hex", "number"];
    let kind = kinds.into_iter().find(|kind| found.name(kind).is_some()).unwrap_or("number");
    format!("<{kind}>")
}

fn quoted_placeholder(quoted: &str) -> String {
    let inside = &quoted[1..quoted.len() - 1];
    if inside.contains(char::is_whitespace) || inside.chars().count() > QUOTED_NAME_CHARS_MAX {
        return "<text>".to_owned();
    }
    let mark = &quoted[..1];
    format!("{mark}{}{mark}", replace(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_goes_and_what_names_stays() {
        let cases = [
            ("order 5 failed", "order <number> failed"),
            ("order -5.25 failed at 1,000 EUR", "order <number> failed at <number> EUR"),
            ("user 0af76519-16cd-43dd-8448-eb211c80319c not found", "user <uuid> not found"),
            ("at 2026-11-21T03:02:26.762411Z and 2026-11-21 03:02:26", "at <date> and <date>"),
            ("object at 0x7f3c2a1b", "object at <hex>"),
            ("blob 84af46b1e6159f31 missing", "blob <hex> missing"),
            ("added a face to the cafe", "added a face to the cafe"),
            ("mail to a.b@example.com bounced", "mail to <email> bounced"),
            ("connect 10.0.0.7:5432: refused", "connect <ip>: refused"),
            ("name 'ShowActivity' is not defined", "name 'ShowActivity' is not defined"),
            ("invalid input: \"a whole sentence\"", "invalid input: <text>"),
            ("key 'user:17'", "key 'user:<number>'"),
            ("can't open, won't try", "can't open, won't try"),
            ("  many \n\t blanks  ", "many blanks"),
            ("'", "'"),
            ("", ""),
        ];
        for (message, expected) in cases {
            assert_eq!(message_template(message), expected, "{message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn numbers_never_split(before in "[a-z]{1,8}", left: u32, right: u32) {
            let say = |number: u32| message_template(&format!("{before} {number} units"));
            proptest::prop_assert_eq!(say(left), say(right));
        }

        #[test]
        fn never_panics(text in "\\PC*|['\"`0-9a-f:. -]*") {
            let _ = message_template(&text);
        }
    }
}
