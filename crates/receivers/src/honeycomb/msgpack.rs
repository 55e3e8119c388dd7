//! MessagePack, read under limits: where an element ends, and what it is in the words of JSON.
//!
//! Spec: github.com/msgpack/msgpack/blob/master/spec.md

use model::limits::NESTING_DEPTH_MAX;
use rmpv::ValueRef;
use serde_json::{Map, Value};

/// Why bytes are not MessagePack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    #[error("value ends in the middle")]
    Truncated,
    #[error("byte 0xc1 is never used")]
    NeverUsed,
    #[error("values are nested deeper than {NESTING_DEPTH_MAX} levels")]
    TooDeep,
    #[error("the key of a map is a map or an array")]
    KeyNotAText,
    #[error("expected an array of events")]
    NotAnArray,
    #[error("{0} bytes after the end of the value")]
    BytesAfter(usize),
}

/// The elements of an array, each as its own bytes, undecoded. Nothing is allocated beyond one slice per element, and
/// no more than `elements_max` of them.
pub fn elements(body: &[u8], elements_max: usize) -> Result<Vec<&[u8]>, MsgpackError> {
    let head = head(body)?;
    let mut rest = &body[head.bytes..];
    let Kind::Array(count) = head.kind else { return Err(MsgpackError::NotAnArray) };
    let mut out = Vec::new();
    for _ in 0..count.min(elements_max as u64 + 1) {
        let length = value_len(rest)?;
        let (element, after) = rest.split_at(length);
        out.push(element);
        rest = after;
    }
    Ok(out)
}

/// One whole value as JSON: bytes become base64, timestamps RFC 3339, keys text, numbers that JSON cannot say null.
pub fn to_json(body: &[u8]) -> Result<Value, MsgpackError> {
    let length = value_len(body)?;
    if length != body.len() {
        return Err(MsgpackError::BytesAfter(body.len() - length));
    }
    let mut rest = body;
    let value = rmpv::decode::read_value_ref_with_max_depth(&mut rest, NESTING_DEPTH_MAX);
    // The walk over the heads has found the value whole, so depth is what is left to go wrong.
    json(value.map_err(|_| MsgpackError::TooDeep)?)
}

fn json(value: ValueRef<'_>) -> Result<Value, MsgpackError> {
    Ok(match value {
        ValueRef::Nil => Value::Null,
        ValueRef::Boolean(value) => Value::Bool(value),
        ValueRef::Integer(value) => value.as_i64().map_or_else(|| value.as_u64().map_or(Value::Null, Value::from), Value::from),
        // By way of its shortest text: 0.1 stays 0.1.
        ValueRef::F32(value) => value.to_string().parse::<f64>().map_or(Value::Null, Value::from),
        ValueRef::F64(value) => Value::from(value),
        ValueRef::String(text) => Value::String(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        ValueRef::Binary(bytes) => Value::String(base64(bytes)),
        ValueRef::Array(values) => Value::Array(values.into_iter().map(json).collect::<Result<_, _>>()?),
        ValueRef::Map(members) => {
            let members = members.into_iter().map(|(key, value)| Ok((key_text(key)?, json(value)?)));
            Value::Object(members.collect::<Result<Map<String, Value>, MsgpackError>>()?)
        }
        ValueRef::Ext(-1, bytes) => timestamp(bytes).map_or(Value::Null, |time| Value::String(time.to_string())),
        ValueRef::Ext(_, bytes) => Value::String(base64(bytes)),
    })
}

/// Refuses keys of many values: as text, each within the key of another would be twice as long for its quotes.
fn key_text(key: ValueRef<'_>) -> Result<String, MsgpackError> {
    match json(key)? {
        Value::String(text) => Ok(text),
        Value::Array(_) | Value::Object(_) => Err(MsgpackError::KeyNotAText),
        other => Ok(other.to_string()),
    }
}

fn base64(bytes: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

/// The timestamp extension: seconds; nanoseconds and seconds in 30 and 34 bits; or in 32 and 64 bits.
fn timestamp(bytes: &[u8]) -> Option<jiff::Timestamp> {
    let (seconds, nanos) = match *bytes {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [_, _, _, _, _, _, _, _] => {
            let both = u64::from_be_bytes(bytes.try_into().ok()?);
            ((both & 0x3_ffff_ffff) as i64, (both >> 34) as u32)
        }
        [a, b, c, d, ref seconds @ ..] => (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes([a, b, c, d])),
        _ => return None,
    };
    jiff::Timestamp::new(seconds, i32::try_from(nanos).ok()?).ok()
}

enum Kind {
    Leaf,
    Array(u64),
    Map(u64),
}

struct Head {
    /// Of the head, and of the value itself where it is a leaf.
    bytes: usize,
    kind: Kind,
}

/// The bytes of the first value, found without recursion.
fn value_len(body: &[u8]) -> Result<usize, MsgpackError> {
    let (mut at, mut missing) = (0, 1u64);
    while missing > 0 {
        let head = head(&body[at..])?;
        at += head.bytes;
        missing = match head.kind {
            Kind::Leaf => missing - 1,
            // Every value has at least one byte: a count beyond the body is a lie, found at its end.
            Kind::Array(count) => missing - 1 + count,
            Kind::Map(count) => missing - 1 + 2 * count,
        };
    }
    Ok(at)
}

fn head(body: &[u8]) -> Result<Head, MsgpackError> {
    let marker = *body.first().ok_or(MsgpackError::Truncated)?;
    let number = |width: usize| -> Result<u64, MsgpackError> {
        let digits = body.get(1..1 + width).ok_or(MsgpackError::Truncated)?;
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit)))
    };
    let leaf = |bytes: u64| match usize::try_from(bytes) {
        Ok(bytes) if bytes <= body.len() => Ok(Head { bytes, kind: Kind::Leaf }),
        _ => Err(MsgpackError::Truncated),
    };
    match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => leaf(1),
        0x80..=0x8f => Ok(Head { bytes: 1, kind: Kind::Map(u64::from(marker & 0x0f)) }),
        0x90..=0x9f => Ok(Head { bytes: 1, kind: Kind::Array(u64::from(marker & 0x0f)) }),
        0xa0..=0xbf => leaf(1 + u64::from(marker & 0x1f)),
        0xc1 => Err(MsgpackError::NeverUsed),
        0xc4 | 0xd9 => leaf(2 + number(1)?),
        0xc5 | 0xda => leaf(3 + number(2)?),
        0xc6 | 0xdb => leaf(5 + number(4)?),
        0xc7 => leaf(3 + number(1)?),
        0xc8 => leaf(4 + number(2)?),
        0xc9 => leaf(6 + number(4)?),
        0xcc | 0xd0 => leaf(2),
        0xcd | 0xd1 => leaf(3),
        0xca | 0xce | 0xd2 => leaf(5),
        0xcb | 0xcf | 0xd3 => leaf(9),
        0xd4..=0xd8 => leaf(2 + (1 << (marker - 0xd4))),
        0xdc => Ok(Head { bytes: 3, kind: Kind::Array(number(2)?) }),
        0xdd => Ok(Head { bytes: 5, kind: Kind::Array(number(4)?) }),
        0xde => Ok(Head { bytes: 3, kind: Kind::Map(number(2)?) }),
        0xdf => Ok(Head { bytes: 5, kind: Kind::Map(number(4)?) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_bombs_and_lies_are_errors() {
        let mut bomb = vec![0x91; 100_000];
        bomb.push(0xc0);
        assert_eq!(value_len(&bomb), Ok(100_001));
        assert_eq!(to_json(&bomb), Err(MsgpackError::TooDeep));
        assert_eq!(to_json(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Err(MsgpackError::Truncated));
        assert_eq!(to_json(&[0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0]), Err(MsgpackError::Truncated));
        assert_eq!(to_json(&[0xc6, 0xff, 0xff, 0xff, 0xff, 0]), Err(MsgpackError::Truncated));
        assert_eq!(to_json(&[0xc1]), Err(MsgpackError::NeverUsed));
        assert_eq!(to_json(&[0xc0, 0xc0]), Err(MsgpackError::BytesAfter(1)));
        let keys_of_keys = [vec![0x81; 30], vec![1; 31]].concat();
        assert_eq!(to_json(&keys_of_keys), Err(MsgpackError::KeyNotAText));
        assert_eq!(elements(&[0x80], 9), Err(MsgpackError::NotAnArray));
    }

    #[test]
    fn timestamps_in_their_three_widths() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(to_json(bytes).unwrap(), expected);
        check(&[0xd6, 0xff, 0x6b, 0x01, 0x41, 0xcf], "2026-11-21T07:01:35Z");
        let both = (500_000_000u64 << 34 | 1_795_241_071).to_be_bytes();
        check(&[&[0xd7, 0xff][..], &both].concat(), "2026-11-21T06:04:31.5Z");
        let wide = [&[0xc7, 12, 0xff][..], &7u32.to_be_bytes(), &(-1i64).to_be_bytes()].concat();
        check(&wide, "1969-12-31T23:59:59.000000007Z");
    }

    proptest::proptest! {
        #[test]
        fn never_panics_and_the_walk_agrees_with_the_decoder(bytes in proptest::collection::vec(proptest::prop_oneof![proptest::num::u8::ANY, 0x80u8..0xa8, 0xc0u8..], 0..40)) {
            let walked = value_len(&bytes);
            let mut rest = &bytes[..];
            let decoded = rmpv::decode::read_value_ref(&mut rest).map(|_| bytes.len() - rest.len());
            match decoded {
                Ok(length) => proptest::prop_assert_eq!(walked.ok().filter(|_| !bytes[..length].contains(&0xc1)).unwrap_or(length), length),
                Err(_) => proptest::prop_assert!(walked.is_err()),
            }
            let _ = (to_json(&bytes), elements(&bytes, 3));
        }
    }
}
