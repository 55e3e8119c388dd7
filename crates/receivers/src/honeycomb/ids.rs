//! Ids of traces and spans. Honeycomb takes any text; the model has 16 and 8 bytes.

use model::{SpanId, TraceId};
use serde_json::Value;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// An id, and the text it was made from where that is not one of its spellings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read<T> {
    pub id: T,
    pub original: Option<String>,
}

/// 32 or 16 hex digits, X-Ray's form, a UUID; the hash of any other text. `None` for nothing, blanks and zeros.
pub fn trace_id(value: &Value) -> Option<Read<TraceId>> {
    let text = text(value)?;
    let exact = TraceId::parse(&text).ok().or_else(|| TraceId::parse(&without_dashes(&text)?).ok());
    match exact {
        Some(id) => Some(Read { id, original: None }),
        None => TraceId::from_bytes(&xxh3_128(text.as_bytes()).to_be_bytes()).map(|id| Read { id, original: Some(text) }),
    }
}

/// 16 hex digits; the hash of any other text, so that a child finds its parent.
pub fn span_id(value: &Value) -> Option<Read<SpanId>> {
    let text = text(value)?;
    match SpanId::parse(&text) {
        Ok(id) => Some(Read { id, original: None }),
        Err(_) => SpanId::from_bytes(&xxh3_64(text.as_bytes()).to_be_bytes()).map(|id| Read { id, original: Some(text) }),
    }
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    text.bytes().any(|byte| byte != b'0' && byte != b'-').then_some(text)
}

/// The 32 digits of a UUID, as the first Beelines made trace ids.
fn without_dashes(text: &str) -> Option<String> {
    (text.len() == 36).then(|| text.replace('-', ""))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spellings_are_exact_and_the_rest_is_hashed() {
        let trace = |value: Value| trace_id(&value).map(|read| (read.id.to_string(), read.original));
        let hex = "f1a2b3c4d5e6f708a9b0c1d2e3f40516".to_owned();
        assert_eq!(trace(json!("f1a2b3c4d5e6f708a9b0c1d2e3f40516")), Some((hex.clone(), None)));
        assert_eq!(trace(json!("F1A2B3C4-D5E6-F708-A9B0-C1D2E3F40516")), Some((hex.clone(), None)));
        assert_eq!(trace(json!("1-f1a2b3c4-d5e6f708a9b0c1d2e3f40516")), Some((hex, None)));
        assert_eq!(trace(json!("a9b0c1d2e3f40516")), Some(("0000000000000000a9b0c1d2e3f40516".to_owned(), None)));
        let hashed = trace(json!("job 17")).unwrap();
        assert_eq!(hashed, trace(json!(" job 17")).unwrap());
        assert_eq!(hashed.1.as_deref(), Some("job 17"));
        assert_eq!(trace(json!(17)).unwrap().1.as_deref(), Some("17"));
        for nothing in [json!(null), json!(""), json!("  "), json!("0000000000000000"), json!(0), json!([1]), json!(true)] {
            assert_eq!(trace(nothing.clone()), None, "{nothing}");
            assert_eq!(span_id(&nothing), None, "{nothing}");
        }
        assert_eq!(span_id(&json!("a1b2c3d4e5f60700")).unwrap().original, None);
        assert_eq!(span_id(&json!("root")), span_id(&json!("root")));
        assert_ne!(span_id(&json!("root")).unwrap().id, span_id(&json!("leaf")).unwrap().id);
    }
}
