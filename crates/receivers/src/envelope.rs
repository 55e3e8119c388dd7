//! A request as the write-ahead log keeps it: everything `translate` depends on, and nothing else.
//!
//! Layout, little endian: version u8; project, receiver, endpoint, rest as texts (u32 length + UTF-8); header count u16 and
//! pairs of texts; remote address as text; received_at i64; trace context (0, 1 = trace id, 2 = trace and span id); body.

use model::{SpanId, TraceContext, TraceId};

use crate::incoming::{Headers, Incoming};

/// Changes when the layout does; older versions stay readable.
const VERSION: u8 = 1;

/// Begins a record of several requests.
const MANY: u8 = 0xff;

pub struct Envelope<'a> {
    pub project: &'a str,
    pub receiver: &'a str,
    pub incoming: Incoming<'a>,
}

impl<'a> Envelope<'a> {
    /// Everything up to the body, which follows as it is.
    pub fn encode_head(&self) -> Vec<u8> {
        let incoming = &self.incoming;
        let mut out = Vec::with_capacity(256);
        out.push(VERSION);
        for text in [self.project, self.receiver, incoming.endpoint, incoming.rest] {
            put_text(&mut out, text);
        }
        // More headers than fit are never kept: receivers list a handful.
        let headers = &incoming.headers.0[..incoming.headers.0.len().min(usize::from(u16::MAX))];
        out.extend((headers.len() as u16).to_le_bytes());
        for (name, value) in headers {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
        put_text(&mut out, &incoming.remote_addr.map(|address| address.to_string()).unwrap_or_default());
        out.extend(incoming.received_at_unix_nano.to_le_bytes());
        match incoming.trace_context {
            None => out.push(0),
            Some(TraceContext { trace_id, span_id: None }) => {
                out.push(1);
                out.extend(trace_id.0);
            }
            Some(TraceContext { trace_id, span_id: Some(span_id) }) => {
                out.push(2);
                out.extend(trace_id.0);
                out.extend(span_id.0);
            }
        }
        out
    }

    /// Reads what [`Envelope::encode_head`] wrote and the body behind it; `None` for anything else.
    pub fn decode(bytes: &'a [u8]) -> Option<Envelope<'a>> {
        let mut at = Reader(bytes);
        if at.take(1)? != [VERSION] {
            return None;
        }
        let (project, receiver, endpoint, rest) = (at.text()?, at.text()?, at.text()?, at.text()?);
        let count = u16::from_le_bytes(at.take(2)?.try_into().ok()?);
        let headers = (0..count).map(|_| Some((at.text()?, at.text()?))).collect::<Option<Vec<_>>>()?;
        let remote_addr = at.text()?.parse().ok();
        let received_at_unix_nano = i64::from_le_bytes(at.take(8)?.try_into().ok()?);
        let trace_context = match at.take(1)? {
            [0] => None,
            [1] => Some(TraceContext { trace_id: TraceId(at.take(16)?.try_into().ok()?), span_id: None }),
            [2] => Some(TraceContext {
                trace_id: TraceId(at.take(16)?.try_into().ok()?),
                span_id: Some(SpanId(at.take(8)?.try_into().ok()?)),
            }),
            _ => return None,
        };
        let headers = Headers(headers);
        let incoming = Incoming { endpoint, rest, headers, remote_addr, received_at_unix_nano, trace_context, body: at.0 };
        Some(Envelope { project, receiver, incoming })
    }
}

/// Several requests in one record, each with its length (u32, little endian) in front, behind [`MANY`].
pub fn encode_many(envelopes: &[Envelope<'_>]) -> Vec<u8> {
    let bytes: usize = envelopes.iter().map(|envelope| envelope.incoming.body.len() + 256).sum();
    let mut out = Vec::with_capacity(bytes);
    out.push(MANY);
    for envelope in envelopes {
        let head = envelope.encode_head();
        out.extend(((head.len() + envelope.incoming.body.len()) as u32).to_le_bytes());
        out.extend(head);
        out.extend(envelope.incoming.body);
    }
    out
}

/// The requests of a record, one or many; `None` for what is neither.
pub fn decode_all(bytes: &[u8]) -> Option<Vec<Envelope<'_>>> {
    let [MANY, rest @ ..] = bytes else { return Some(vec![Envelope::decode(bytes)?]) };
    let mut at = Reader(rest);
    let mut envelopes = Vec::new();
    while !at.0.is_empty() {
        let length = u32::from_le_bytes(at.take(4)?.try_into().ok()?);
        envelopes.push(Envelope::decode(at.take(length as usize)?)?);
    }
    Some(envelopes)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        std::str::from_utf8(self.take(length as usize)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_log() {
        let incoming = Incoming {
            endpoint: "traces",
            rest: "My Data/Set",
            headers: Headers(vec![("content-type", "application/json"), ("x-honeycomb-dataset", "café")]),
            remote_addr: Some([127, 0, 0, 1].into()),
            received_at_unix_nano: 1_795_226_742_550_000_000,
            trace_context: TraceContext::from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            body: b"{}",
        };
        let mut bytes = Envelope { project: "default", receiver: "otlp", incoming: incoming.clone() }.encode_head();
        bytes.extend(incoming.body);
        let back = Envelope::decode(&bytes).unwrap();
        assert_eq!((back.project, back.receiver), ("default", "otlp"));
        assert_eq!(format!("{:?}", back.incoming), format!("{incoming:?}"));
        for end in 0..bytes.len() - incoming.body.len() {
            assert!(Envelope::decode(&bytes[..end]).is_none(), "{end} bytes are not an envelope");
        }
    }
    #[test]
    fn several_requests_share_a_record() {
        let incoming = [Incoming::new("udp", 1, b"{}"), Incoming::new("udp", 2, b"")];
        let envelopes = incoming.clone().map(|incoming| Envelope { project: "default", receiver: "xray", incoming });
        let bytes = encode_many(&envelopes);
        let back = decode_all(&bytes).unwrap();
        let told = |envelopes: &[Envelope<'_>]| envelopes.iter().map(|one| format!("{:?}", one.incoming)).collect::<Vec<_>>();
        assert_eq!(told(&back), told(&envelopes));
        assert!(decode_all(&bytes[..bytes.len() - 1]).is_none());
    }
}
