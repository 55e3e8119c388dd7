//! Where the value under a key lies: in JSON, in JSON inside a text, in a form, in protobuf's pairs and in MessagePack.

use std::ops::Range;

/// The value of the key at this place; nothing where it is no key, or its value none that can be told.
pub(super) fn value_of(body: &[u8], key: Range<usize>) -> Option<Range<usize>> {
    json_value(body, &key)
        .or_else(|| protobuf_value(body, &key))
        .or_else(|| message_pack_value(body, &key))
        .or_else(|| form_value(body, &key))
}

/// `"key": "value"`, also behind a dot or a dash (`http.request.header.cookie`), also with escaped quotes.
fn json_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let before = *body.get(key.start.checked_sub(1)?)?;
    if !matches!(before, b'"' | b'.' | b'-' | b'_' | b'/') {
        return None;
    }
    let slashes = body[key.end..].iter().take(8).take_while(|byte| **byte == b'\\').count();
    let mut at = key.end + slashes;
    if body.get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    at += body[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if body.get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    at += body[at..].iter().take(8).take_while(|byte| byte.is_ascii_whitespace()).count();
    if body.get(at) == Some(&b'[') {
        at += 1;
        at += body[at..].iter().take(8).take_while(|byte| byte.is_ascii_whitespace()).count();
    }
    // OTLP/JSON writes `{"key": "password", "value": {"stringValue": "x"}}`; that key is no member's name.
    let opening = body[at..].iter().take(slashes).filter(|byte| **byte == b'\\').count();
    match body.get(at + opening) {
        Some(b'"') if opening == slashes => {
            let start = at + opening + 1;
            Some(start..end_of_text(body, start, slashes)).filter(|range| !range.is_empty())
        }
        Some(byte) if opening == 0 && (byte.is_ascii_digit() || *byte == b'-') => {
            let length = body[at..].iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')).count();
            Some(at..at + length)
        }
        _ => None,
    }
}

/// The end of a text whose quotes stand behind so many backslashes.
fn end_of_text(body: &[u8], start: usize, slashes: usize) -> usize {
    let (mut at, mut run) = (start, 0);
    while let Some(byte) = body.get(at) {
        match byte {
            b'\\' => run += 1,
            // A quote inside has more backslashes before it than those around it.
            b'"' if run <= slashes => return at - run,
            _ => run = 0,
        }
        at += 1;
    }
    body.len()
}

/// OTLP's `KeyValue { key = 1, value = 2 { string_value = 1 } }`, and its JSON.
fn protobuf_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let start = (key.start.saturating_sub(60)..=key.start)
        .rev()
        .find(|start| *start >= 2 && body[start - 2] == 0x0a && usize::from(body[start - 1]) == key.end - start)?;
    let named = &body[start..key.end];
    if start != key.start && !named.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
        return None;
    }
    let (length, at) = tagged(body, key.end, 0x12)?;
    let (inner, at) = tagged(body, at, 0x0a).filter(|(inner, _)| *inner <= length)?;
    body.get(at..at + inner).map(|_| at..at + inner)
}

/// A field of the given tag: its length and where it begins.
fn tagged(body: &[u8], at: usize, tag: u8) -> Option<(usize, usize)> {
    if body.get(at) != Some(&tag) {
        return None;
    }
    let (mut length, mut shift, mut at) = (0_usize, 0, at + 1);
    loop {
        let byte = *body.get(at)?;
        length |= usize::from(byte & 0x7f) << shift;
        at += 1;
        if byte < 0x80 {
            return Some((length, at));
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

/// A text behind a short text.
fn message_pack_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let length = key.end - key.start;
    let before = *body.get(key.start.checked_sub(1)?)?;
    if length >= 32 || before != 0xa0 | length as u8 {
        return None;
    }
    let (length, at) = match *body.get(key.end)? {
        short @ 0xa0..=0xbf => (usize::from(short & 0x1f), key.end + 1),
        0xd9 => (usize::from(*body.get(key.end + 1)?), key.end + 2),
        0xda => (usize::from(u16::from_be_bytes([*body.get(key.end + 1)?, *body.get(key.end + 2)?])), key.end + 3),
        _ => return None,
    };
    body.get(at..at + length).filter(|value| !value.is_empty()).map(|_| at..at + length)
}

/// `key=value&`.
fn form_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let is_first = key.start == 0 || matches!(body[key.start - 1], b'&' | b'?' | b';' | b' ' | b'\n');
    if !is_first || body.get(key.end) != Some(&b'=') {
        return None;
    }
    let start = key.end + 1;
    let length =
        body[start..].iter().take_while(|byte| !matches!(byte, b'&' | b';' | b'"' | b'\\' | b' ' | b'\n' | b'<')).count();
    (length > 0).then_some(start..start + length)
}
