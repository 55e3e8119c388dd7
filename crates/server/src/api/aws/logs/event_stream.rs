//! AWS's event stream: messages with headers and checksums, one after the other in the body of an answer.
//!
//! Spec: smithy.io/2.0/aws/amazon-eventstream.html

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// What a header's value is: a text.
const TEXT: u8 = 7;

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;

/// What stands in front of the first event where the protocol has no headers for it.
pub fn initial_response() -> Bytes {
    message(
        &[(":message-type", "event"), (":event-type", "initial-response"), (":content-type", "application/x-amz-json-1.1")],
        b"{}",
    )
}

pub fn event(kind: &str, payload: &Value) -> Bytes {
    let payload = payload.to_string();
    message(&[(":message-type", "event"), (":event-type", kind), (":content-type", "application/json")], payload.as_bytes())
}

/// An error by which the stream ends.
pub fn exception(kind: &str, text: &str) -> Bytes {
    let payload = serde_json::json!({ "message": text }).to_string();
    let headers = [(":message-type", "exception"), (":exception-type", kind), (":content-type", "application/json")];
    message(&headers, payload.as_bytes())
}

/// Lengths, checksum of the lengths, headers, payload, checksum of everything.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = BytesMut::new();
    for (name, value) in headers {
        head.put_u8(name.len() as u8);
        head.put_slice(name.as_bytes());
        head.put_u8(TEXT);
        head.put_u16(value.len() as u16);
        head.put_slice(value.as_bytes());
    }
    let total = PRELUDE_BYTES + head.len() + payload.len() + 4;
    let mut out = BytesMut::with_capacity(total);
    out.put_u32(total as u32);
    out.put_u32(head.len() as u32);
    out.put_u32(crc32(&out));
    out.put_slice(&head);
    out.put_slice(payload);
    out.put_u32(crc32(&out));
    out.freeze()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_specification() {
        // An empty message, from the specification's own test vectors.
        assert_eq!(message(&[], b"")[..], [0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff]);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn lengths_cover_headers_and_payload() {
        let told = event("sessionUpdate", &serde_json::json!({}));
        assert_eq!(u32::from_be_bytes(told[..4].try_into().unwrap()) as usize, told.len());
        let headers = u32::from_be_bytes(told[4..8].try_into().unwrap()) as usize;
        assert_eq!(&told[PRELUDE_BYTES + headers..told.len() - 4], b"{}");
        assert_eq!(&told[13..26], b":message-type");
    }
}
