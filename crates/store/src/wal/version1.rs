//! The log's first format, read so that a folder of an older program loses nothing; never written any more.
//!
//! Eight bytes of magic and then records: magic 4, length 4, crc32 of length and payload 4, payload.

use std::ops::Range;

use crate::limits::WAL_RECORD_BYTES_MAX;

pub(super) const SEGMENT_MAGIC: &[u8] = b"cupwal01";

const RECORD_MAGIC: [u8; 4] = [0xc5, b'r', b'e', b'c'];
const RECORD_HEADER_BYTES: usize = 12;

/// What a segment's bytes hold.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// Where each whole record's payload lies.
    pub payloads: Vec<Range<usize>>,
    /// What lies between whole records and is none.
    pub gaps: Vec<Range<u64>>,
    /// Where the last whole record ends.
    pub end: usize,
}

pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let mut found = Decoded { end: SEGMENT_MAGIC.len(), ..Decoded::default() };
    while let Some(payload) = next_record(bytes, found.end) {
        let record_start = payload.start - RECORD_HEADER_BYTES;
        if record_start > found.end {
            found.gaps.push(found.end as u64..record_start as u64);
        }
        found.end = payload.end;
        found.payloads.push(payload);
    }
    found
}

/// The first whole record at or after `from`.
fn next_record(bytes: &[u8], mut from: usize) -> Option<Range<usize>> {
    loop {
        if let Some(payload) = record_at(bytes, from) {
            return Some(payload);
        }
        let rest = bytes.get(from + 1..)?;
        from += 1 + rest.windows(RECORD_MAGIC.len()).position(|window| window == RECORD_MAGIC)?;
    }
}

/// The payload of the whole record that begins exactly at `from`.
fn record_at(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let header = bytes.get(from..)?.get(..RECORD_HEADER_BYTES)?;
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let crc = rest.first_chunk::<4>()?;
    let payload_bytes = u32::from_le_bytes(*length) as usize;
    if *magic != RECORD_MAGIC || payload_bytes > WAL_RECORD_BYTES_MAX {
        return None;
    }
    let start = from + RECORD_HEADER_BYTES;
    let payload = bytes.get(start..start + payload_bytes)?;
    (record_crc(*length, payload) == u32::from_le_bytes(*crc)).then(|| start..start + payload_bytes)
}

fn record_crc(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
pub(super) fn encode(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = SEGMENT_MAGIC.to_vec();
    for payload in payloads {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        bytes.extend_from_slice(&RECORD_MAGIC);
        bytes.extend_from_slice(&length);
        bytes.extend_from_slice(&record_crc(length, payload).to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}
