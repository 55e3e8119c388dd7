//! JSON as SDKs really send it, made sound before it is parsed.
//!
//! Python writes `NaN`, JavaScript cuts surrogate pairs in half, hand-written clients forget to escape line feeds. A
//! strict parser would refuse the whole request for one such value; here the value alone is replaced.

use std::borrow::Cow;

/// `body` as text that differs from it only where JSON would not allow it: numbers that are none become `null`, halves
/// of surrogate pairs and bytes that are not UTF-8 become U+FFFD, bare control characters in strings are escaped.
///
/// Sound JSON is borrowed. One pass; text that is no JSON at all comes back as no JSON.
pub fn sound_text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    match repaired(&text) {
        Some(sound) => Cow::Owned(sound),
        None => text,
    }
}

fn repaired(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let (mut out, mut copied_to, mut at, mut in_string) = (String::new(), 0, 0, false);
    while at < bytes.len() {
        let (length, instead) = if in_string { in_string_at(bytes, at) } else { outside_at(bytes, at) };
        if let Some(instead) = instead {
            out.push_str(&text[copied_to..at]);
            out.push_str(&instead);
            copied_to = at + length;
        }
        in_string ^= bytes[at] == b'"';
        at += length;
    }
    (copied_to > 0).then(|| out + &text[copied_to..])
}

/// How many bytes belong together at `at`, and what must stand there instead.
fn outside_at(bytes: &[u8], at: usize) -> (usize, Option<Cow<'static, str>>) {
    let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| bytes[at..].starts_with(word.as_bytes()));
    word.map_or((1, None), |word| (word.len(), Some(Cow::Borrowed("null"))))
}

fn in_string_at(bytes: &[u8], at: usize) -> (usize, Option<Cow<'static, str>>) {
    match bytes[at] {
        b'\\' => match escaped_unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(escaped_unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => (12, None),
            Some(0xd800..=0xdfff) => (6, Some(Cow::Borrowed("\\ufffd"))),
            // Never past the end, where a string was cut off behind its backslash.
            _ => (2.min(bytes.len() - at), None),
        },
        control @ 0..=0x1f => (1, Some(Cow::Owned(format!("\\u{control:04x}")))),
        _ => (1, None),
    }
}

/// The UTF-16 unit that `\uXXXX` at `at` stands for.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit: u16, digit| Some(unit << 4 | (*digit as char).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_json_forbids_is_replaced() {
        let cases: &[(&[u8], &str)] = &[
            (br#"{"a": NaN, "b": [-Infinity, Infinity]}"#, r#"{"a": null, "b": [null, null]}"#),
            (br#"{"NaN": "NaN \" Infinity"}"#, r#"{"NaN": "NaN \" Infinity"}"#),
            (br#"["\ud83d\ude00", "\ud83d", "\ude00x", "\\ud83d"]"#, r#"["\ud83d\ude00", "\ufffd", "\ufffdx", "\\ud83d"]"#),
            (b"[\"a\nb\x01\"]\n", "[\"a\\u000ab\\u0001\"]\n"),
            (b"\xef\xbb\xbf[\"\xff\"]", "[\"\u{fffd}\"]"),
            (b"\"\\", "\"\\"),
            (b"\"\\u12", "\"\\u12"),
        ];
        for (body, expected) in cases {
            assert_eq!(sound_text(body), *expected);
        }
        assert!(matches!(sound_text(br#"{"a": 1}"#), Cow::Borrowed(_)));
    }

    proptest::proptest! {
        #[test]
        fn sound_json_stays_as_it_is(text in "\\PC*") {
            let json = serde_json::json!({"key": text, "list": [1.5, null, text]}).to_string();
            proptest::prop_assert_eq!(sound_text(json.as_bytes()), json.as_str());
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::prop_oneof![proptest::num::u8::ANY, proptest::sample::select(&b"\"\\u{}[]N0dD"[..])], 0..60)) {
            let _ = sound_text(&bytes);
        }
    }
}
