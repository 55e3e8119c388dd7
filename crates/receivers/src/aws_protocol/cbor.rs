//! CBOR, as far as Smithy's protocol uses it, to and from JSON values.
//!
//! Spec:    RFC 8949; a time is tag 1 around a number of seconds
//! Missing: bytes become base64 and stay it; numbers beyond 64 bits
//! Quirks:  NaN and infinities, which JSON does not have, are the texts `NaN`, `Infinity` and `-Infinity`

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

/// How deep structures may lie in each other.
const DEPTH_MAX: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CborError {
    #[error("the body ends within a value")]
    Ends,
    #[error("values lie too deep in each other")]
    TooDeep,
    #[error("a map has a key that is no text")]
    KeyIsNoText,
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("a byte that no value begins with: {0:#04x}")]
    Unknown(u8),
    #[error("there is more behind the value")]
    TooLong,
}

/// Reads one value that takes the whole body.
pub fn read(body: &[u8]) -> Result<Value, CborError> {
    let mut reader = Reader { bytes: body, at: 0 };
    let value = reader.value(0)?.ok_or(CborError::Unknown(0xff))?;
    if reader.at == body.len() { Ok(value) } else { Err(CborError::TooLong) }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// How many items follow.
enum Length {
    Of(usize),
    UntilBreak,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], CborError> {
        let taken = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end)).ok_or(CborError::Ends)?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> Result<u64, CborError> {
        Ok(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// What the low five bits of a first byte say; `None` for "until a break".
    fn argument(&mut self, first: u8) -> Result<Option<u64>, CborError> {
        Ok(Some(match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            24 => self.number(1)?,
            25 => self.number(2)?,
            26 => self.number(4)?,
            27 => self.number(8)?,
            31 => return Ok(None),
            _ => return Err(CborError::Unknown(first)),
        }))
    }

    fn length(&mut self, first: u8) -> Result<Length, CborError> {
        Ok(match self.argument(first)? {
            None => Length::UntilBreak,
            Some(count) => Length::Of(usize::try_from(count).map_err(|_| CborError::Ends)?),
        })
    }

    /// A value, or `None` for a break.
    fn value(&mut self, depth: usize) -> Result<Option<Value>, CborError> {
        if depth > DEPTH_MAX {
            return Err(CborError::TooDeep);
        }
        let first = self.take(1)?[0];
        Ok(Some(match first >> 5 {
            0 => Value::from(self.argument(first)?.ok_or(CborError::Unknown(first))?),
            1 => {
                let below = self.argument(first)?.ok_or(CborError::Unknown(first))?;
                i64::try_from(below).map_or_else(|_| Value::from(-1.0 - below as f64), |below| Value::from(-1 - below))
            }
            2 => Value::String(STANDARD.encode(self.bytes_of(first)?)),
            3 => Value::String(String::from_utf8(self.bytes_of(first)?).map_err(|_| CborError::NotUtf8)?),
            4 => Value::Array(self.items(first, depth)?),
            5 => Value::Object(self.entries(first, depth)?),
            6 => {
                self.argument(first)?;
                self.value(depth + 1)?.ok_or(CborError::Unknown(0xff))?
            }
            _ => match first {
                0xf4 => Value::Bool(false),
                0xf5 => Value::Bool(true),
                0xf6 | 0xf7 => Value::Null,
                0xf9 => float(f64::from(half(self.number(2)? as u16))),
                0xfa => float(f64::from(f32::from_bits(self.number(4)? as u32))),
                0xfb => float(f64::from_bits(self.number(8)?)),
                0xff => return Ok(None),
                other => return Err(CborError::Unknown(other)),
            },
        }))
    }

    fn bytes_of(&mut self, first: u8) -> Result<Vec<u8>, CborError> {
        match self.length(first)? {
            Length::Of(count) => Ok(self.take(count)?.to_vec()),
            Length::UntilBreak => {
                let mut out = Vec::new();
                loop {
                    let chunk = self.take(1)?[0];
                    match chunk {
                        0xff => return Ok(out),
                        _ if chunk >> 5 == first >> 5 => match self.length(chunk)? {
                            Length::Of(count) => out.extend_from_slice(self.take(count)?),
                            Length::UntilBreak => return Err(CborError::Unknown(chunk)),
                        },
                        _ => return Err(CborError::Unknown(chunk)),
                    }
                }
            }
        }
    }

    fn items(&mut self, first: u8, depth: usize) -> Result<Vec<Value>, CborError> {
        let mut out = Vec::new();
        let count = match self.length(first)? {
            Length::Of(count) => count,
            Length::UntilBreak => usize::MAX,
        };
        for _ in 0..count {
            match self.value(depth + 1)? {
                Some(value) => out.push(value),
                None if count == usize::MAX => return Ok(out),
                None => return Err(CborError::Unknown(0xff)),
            }
        }
        Ok(out)
    }

    fn entries(&mut self, first: u8, depth: usize) -> Result<Map<String, Value>, CborError> {
        let mut out = Map::new();
        let count = match self.length(first)? {
            Length::Of(count) => count,
            Length::UntilBreak => usize::MAX,
        };
        for _ in 0..count {
            let key = match self.value(depth + 1)? {
                Some(Value::String(key)) => key,
                None if count == usize::MAX => return Ok(out),
                _ => return Err(CborError::KeyIsNoText),
            };
            let value = self.value(depth + 1)?.ok_or(CborError::Unknown(0xff))?;
            out.insert(key, value);
        }
        Ok(out)
    }
}

fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::from("NaN"),
        None if value > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}

/// IEEE 754's 16 bits.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

/// Writes a value as it is: whole numbers as integers, others as doubles.
pub fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(value, &mut out);
    out
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(flag) => out.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => write_head(0, number, out),
            (None, Some(number)) => write_head(1, (-1 - number).unsigned_abs(), out),
            (None, None) => write_double(number.as_f64().unwrap_or(f64::NAN), out),
        },
        Value::String(text) => write_text(text, out),
        Value::Array(items) => {
            write_array(items.len(), out);
            items.iter().for_each(|item| write_value(item, out));
        }
        Value::Object(members) => {
            write_map(members.len(), out);
            for (name, value) in members {
                write_text(name, out);
                write_value(value, out);
            }
        }
    }
}

fn write_head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument as u8),
        24..=0xff => out.extend([major | 24, argument as u8]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend((argument as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend((argument as u32).to_be_bytes());
        }
        _ => {
            out.push(major | 27);
            out.extend(argument.to_be_bytes());
        }
    }
}

/// The head of a list of so many items.
pub fn write_array(count: usize, out: &mut Vec<u8>) {
    write_head(4, count as u64, out);
}

/// The head of a map of so many entries.
pub fn write_map(count: usize, out: &mut Vec<u8>) {
    write_head(5, count as u64, out);
}

pub fn write_text(text: &str, out: &mut Vec<u8>) {
    write_head(3, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

pub fn write_double(value: f64, out: &mut Vec<u8>) {
    out.push(0xfb);
    out.extend(value.to_be_bytes());
}

/// A time: tag 1 around seconds.
pub fn write_time(seconds: f64, out: &mut Vec<u8>) {
    out.push(0xc1);
    write_double(seconds, out);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_in_all_their_forms() {
        for (bytes, expected) in [
            (&b"\xa1\x61a\x82\x01\x20"[..], json!({ "a": [1, -1] })),
            (b"\xbf\x61a\x9f\x01\xff\x61b\x7f\x61x\x61y\xff\xff", json!({ "a": [1], "b": "xy" })),
            (b"\xa1\x61t\xc1\xfb\x41\xda\xc0\x00\x00\x00\x00\x00", json!({ "t": 1795162112.0 })),
            (b"\xa3\x61a\xf9\x3e\x00\x61b\xf6\x61c\xfa\x7f\x80\x00\x00", json!({ "a": 1.5, "b": null, "c": "Infinity" })),
        ] {
            assert_eq!(read(bytes), Ok(expected));
        }
        for (bytes, error) in [
            (&b"\xa1\x61"[..], CborError::Ends),
            (b"\xff", CborError::Unknown(0xff)),
            (b"\xa1\x01\x01", CborError::KeyIsNoText),
            (b"\x01\x01", CborError::TooLong),
            (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", CborError::Ends),
        ] {
            assert_eq!(read(bytes), Err(error));
        }
        assert_eq!(read(&[0x81; 100]), Err(CborError::TooDeep));
        assert!(half(0x7e00).is_nan());
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec(-1i64 << 40..1 << 40, 0..4), float in -1e9f64..1e9, text in ".{0,30}") {
            let value = json!({ "numbers": numbers, "float": float + 0.5, "text": text, "deep": [{ "a": true, "b": null }] });
            proptest::prop_assert_eq!(read(&write(&value)), Ok(value));
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(0u8.., 0..60)) {
            let _ = read(&bytes);
        }
    }
}
