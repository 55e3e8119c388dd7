//! Ids as OTLP spells them: bytes in protobuf; hex, or base64 by the general mapping of protobuf, in JSON.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use model::{SpanId, TraceId};

/// An id as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Id<T> {
    /// Empty, or all zero, which OpenTelemetry calls invalid and SDKs send for "none".
    #[default]
    Absent,
    Valid(T),
    /// Of the wrong length, or not hex.
    Wrong,
}

impl<T> Id<T> {
    pub fn valid(self) -> Option<T> {
        match self {
            Id::Valid(id) => Some(id),
            Id::Absent | Id::Wrong => None,
        }
    }

    fn map<U>(self, to: impl FnOnce(T) -> U) -> Id<U> {
        match self {
            Id::Absent => Id::Absent,
            Id::Valid(id) => Id::Valid(to(id)),
            Id::Wrong => Id::Wrong,
        }
    }
}

pub fn trace_id_from_bytes(bytes: &[u8]) -> Id<TraceId> {
    id_from_bytes(bytes).map(TraceId)
}

pub fn span_id_from_bytes(bytes: &[u8]) -> Id<SpanId> {
    id_from_bytes(bytes).map(SpanId)
}

pub fn trace_id_from_text(text: &str) -> Id<TraceId> {
    id_from_text(text).map(TraceId)
}

pub fn span_id_from_text(text: &str) -> Id<SpanId> {
    id_from_text(text).map(SpanId)
}

fn id_from_bytes<const N: usize>(bytes: &[u8]) -> Id<[u8; N]> {
    match <[u8; N]>::try_from(bytes) {
        Ok(id) if id == [0; N] => Id::Absent,
        Ok(id) => Id::Valid(id),
        Err(_) if bytes.is_empty() => Id::Absent,
        // A generic JSON decoder on the way took hex for base64: 2N digits became 3N/2 bytes.
        Err(_) if bytes.len() * 2 == N * 3 => id_from_hex(&STANDARD.encode(bytes)),
        Err(_) => Id::Wrong,
    }
}

fn id_from_text<const N: usize>(text: &str) -> Id<[u8; N]> {
    match id_from_hex(text) {
        Id::Wrong => match base64_decode(text) {
            Some(bytes) if bytes.len() == N => id_from_bytes(&bytes),
            _ => Id::Wrong,
        },
        read => read,
    }
}

fn id_from_hex<const N: usize>(text: &str) -> Id<[u8; N]> {
    if text.is_empty() {
        return Id::Absent;
    }
    if text.len() != 2 * N {
        return Id::Wrong;
    }
    let mut id = [0; N];
    for (pair, slot) in text.as_bytes().chunks_exact(2).zip(&mut id) {
        let (Some(high), Some(low)) = ((pair[0] as char).to_digit(16), (pair[1] as char).to_digit(16)) else {
            return Id::Wrong;
        };
        *slot = (high << 4 | low) as u8;
    }
    id_from_bytes(&id)
}

/// Base64 in either alphabet, padded or not.
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const EITHER: [GeneralPurpose; 2] =
        [GeneralPurpose::new(&alphabet::STANDARD, CONFIG), GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG)];
    EITHER.iter().find_map(|engine| engine.decode(text).ok())
}

pub fn base64_encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
