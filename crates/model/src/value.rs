//! Attribute values, borrowed from the request they arrived in.

use std::borrow::Cow;
use std::fmt::Write;

/// The value of one attribute. Arrays, bytes and maps beyond the flattening depth are already JSON text.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Cow<'a, str>),
    /// JSON text of an array or map; stored as a string.
    Json(Cow<'a, str>),
}

impl<'a> Value<'a> {
    pub fn str(text: &'a str) -> Value<'a> {
        Value::Str(Cow::Borrowed(text))
    }

    /// The text of a string or JSON value; `None` for numbers and booleans.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) | Value::Json(text) => Some(text),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
        }
    }

    /// The value as a number, whichever way it was written.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::Str(text) => text.parse().ok(),
            Value::Bool(_) | Value::Json(_) => None,
        }
    }

    /// Appends the value as canonical JSON. Numbers that JSON cannot say become strings.
    pub fn write_json(&self, out: &mut String) {
        let result = match self {
            Value::Bool(value) => write!(out, "{value}"),
            Value::Int(value) => write!(out, "{value}"),
            Value::Float(value) if value.is_finite() => write!(out, "{value:?}"),
            Value::Float(value) => write!(out, "\"{value}\""),
            Value::Str(text) => {
                json_string(text, out);
                Ok(())
            }
            Value::Json(text) => {
                out.push_str(text);
                Ok(())
            }
        };
        debug_assert!(result.is_ok(), "writing to a string cannot fail");
    }

    /// The value as a person reads it: strings bare, the rest as JSON.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Value::Str(text) | Value::Json(text) => Cow::Borrowed(text),
            Value::Bool(value) => Cow::Owned(value.to_string()),
            Value::Int(value) => Cow::Owned(value.to_string()),
            Value::Float(value) => Cow::Owned(value.to_string()),
        }
    }
}

/// Appends `text` as a JSON string with its quotes.
pub fn json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &str = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn strings_survive_json(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut json = String::new();
            json_string(&text, &mut json);
            let back: String = serde_json::from_str(&json).unwrap();
            proptest::prop_assert_eq!(back, text);
        }
    }
}
