//! Trace and span ids, and the headers that carry them.

use std::fmt;

/// 16 bytes that name a trace. X-Ray's `1-<8 hex>-<24 hex>` and W3C's 32 hex are spellings of the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// 8 bytes that name a span within its trace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {what} from {text:?}: expected {expected}")]
pub struct IdError {
    what: &'static str,
    text: String,
    expected: &'static str,
}

impl TraceId {
    /// An id of sixteen bytes that is not all zero; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<TraceId> {
        let id: [u8; 16] = bytes.try_into().ok()?;
        (id != [0; 16]).then_some(TraceId(id))
    }

    /// Reads 32 hex digits, 16 hex digits (the low half, as Zipkin and Datadog write), or X-Ray's `1-` form.
    pub fn parse(text: &str) -> Result<TraceId, IdError> {
        let error = |expected| IdError { what: "trace id", text: shorten(text), expected };
        let mut id = [0u8; 16];
        if let Some(rest) = text.strip_prefix("1-") {
            let (epoch, unique) = rest.split_once('-').ok_or_else(|| error("a second dash after 8 hex digits"))?;
            if epoch.len() != 8 || !decode_hex(epoch, &mut id[..4]) {
                return Err(error("8 hex digits after the first dash"));
            }
            if unique.len() != 24 || !decode_hex(unique, &mut id[4..]) {
                return Err(error("24 hex digits after the second dash"));
            }
        } else {
            let read = match text.len() {
                32 => decode_hex(text, &mut id),
                16 => decode_hex(text, &mut id[8..]),
                _ => false,
            };
            if !read {
                return Err(error("32 hex digits, 16 hex digits, or 1-<8 hex>-<24 hex>"));
            }
        }
        if id == [0; 16] {
            return Err(error("an id that is not all zero"));
        }
        Ok(TraceId(id))
    }

    /// X-Ray's spelling, `1-<8 hex>-<24 hex>`.
    pub fn to_xray(self) -> String {
        let hex = self.to_string();
        format!("1-{}-{}", &hex[..8], &hex[8..])
    }
}

impl SpanId {
    /// An id of eight bytes that is not all zero; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<SpanId> {
        let id: [u8; 8] = bytes.try_into().ok()?;
        (id != [0; 8]).then_some(SpanId(id))
    }

    /// Reads 16 hex digits.
    pub fn parse(text: &str) -> Result<SpanId, IdError> {
        let error = |expected| IdError { what: "span id", text: shorten(text), expected };
        let mut id = [0u8; 8];
        if text.len() != 16 || !decode_hex(text, &mut id) {
            return Err(error("16 hex digits"));
        }
        SpanId::from_bytes(&id).ok_or_else(|| error("an id that is not all zero"))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

/// The trace and span that a request was made under, from its `traceparent` or `X-Amzn-Trace-Id` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: TraceId,
    /// Absent when a load balancer sent `Root` alone.
    pub span_id: Option<SpanId>,
}

impl TraceContext {
    /// Reads a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`; later versions may append fields.
    pub fn from_traceparent(text: &str) -> Option<TraceContext> {
        let mut parts = text.trim().split('-');
        let version = parts.next()?;
        let (trace_id, span_id) = (parts.next()?, parts.next()?);
        parts.next()?;
        if version.len() != 2 || version == "ff" || trace_id.len() != 32 {
            return None;
        }
        Some(TraceContext { trace_id: TraceId::parse(trace_id).ok()?, span_id: Some(SpanId::parse(span_id).ok()?) })
    }

    /// Reads `Root=1-…;Parent=…;Sampled=1`, in any order, with any further pairs.
    pub fn from_xray_header(text: &str) -> Option<TraceContext> {
        let value = |name: &str| {
            text.split(';').filter_map(|pair| pair.split_once('=')).find(|(key, _)| key.trim() == name).map(|(_, v)| v.trim())
        };
        let trace_id = TraceId::parse(value("Root")?).ok()?;
        Some(TraceContext { trace_id, span_id: value("Parent").and_then(|parent| SpanId::parse(parent).ok()) })
    }
}

fn decode_hex(text: &str, out: &mut [u8]) -> bool {
    fn nibble(digit: u8) -> Option<u8> {
        (digit as char).to_digit(16).map(|value| value as u8)
    }
    let pairs = text.as_bytes().chunks_exact(2);
    for (pair, slot) in pairs.zip(out.iter_mut()) {
        let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else { return false };
        *slot = high << 4 | low;
    }
    true
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_has_three_spellings() {
        let hex = TraceId::parse("58406520a006649127e371903a2de979").unwrap();
        assert_eq!(TraceId::parse("1-58406520-a006649127e371903a2de979").unwrap(), hex);
        assert_eq!(TraceId::parse(&hex.to_string()).unwrap(), hex);
        assert_eq!(TraceId::parse(&hex.to_xray()).unwrap(), hex);
        assert_eq!(TraceId::parse("27e371903a2de979").unwrap().to_string(), "000000000000000027e371903a2de979");
    }

    #[test]
    fn a_wrong_id_says_what_was_expected() {
        for (text, expected) in [
            ("1-58406520-a006", "24 hex digits after the second dash"),
            ("1-5840652-a006649127e371903a2de979", "8 hex digits after the first dash"),
            ("zz", "32 hex digits, 16 hex digits, or 1-<8 hex>-<24 hex>"),
            ("00000000000000000000000000000000", "an id that is not all zero"),
        ] {
            let message = TraceId::parse(text).unwrap_err().to_string();
            assert!(message.ends_with(&format!("expected {expected}")), "{message}");
        }
    }

    #[test]
    fn headers_carry_contexts() {
        let context = TraceContext::from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").unwrap();
        assert_eq!(context.span_id.unwrap().to_string(), "b7ad6b7169203331");
        let context =
            TraceContext::from_xray_header("Sampled=?; Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8")
                .unwrap();
        assert_eq!(context.trace_id.to_string(), "5759e988bd862e3fe1be46a994272793");
        assert!(TraceContext::from_xray_header("Root=1-5759e988-bd862e3fe1be46a994272793").unwrap().span_id.is_none());
        assert_eq!(TraceContext::from_traceparent("00-0af7651916cd43dd8448eb211c80319c"), None);
    }

    proptest::proptest! {
        #[test]
        fn reading_an_id_never_panics(text in "\\PC{0,60}") {
            let _ = TraceId::parse(&text);
            let _ = SpanId::parse(&text);
            let _ = TraceContext::from_traceparent(&text);
            let _ = TraceContext::from_xray_header(&text);
        }
    }
}
