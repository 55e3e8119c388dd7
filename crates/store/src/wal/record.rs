//! The bytes of the log, format 2: a segment's header and a record's.
//!
//! ```text
//! segment: magic 8 | number 8 | durable 8 | back 4 | crc32 4
//! record:  magic 4 | length 4 | segment 8 | back 4 | crc32 of payload 4 | crc32 of header 4 | payload
//! ```
//!
//! Numbers are little endian. A segment's `back` is how many numbers before its own the segment before it has, 0 for none,
//! and `durable` how many bytes of that one were known to be on disk: what is missing or damaged before there is damage,
//! what is after was being written when the power went.
//!
//! A record's `back` is how many bytes before its own first byte its group commit began: all before that was on disk when
//! it was written. The checksum of its header covers where in the file it lies and the number of its segment, so that what
//! a recycled file still holds of an older segment, or a payload that looks like a record, is never taken for one.

/// Begins every segment; the last two digits are the format's version. Later ones keep the segment's header as it is here.
pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"cupwal02";

/// What all versions have in common.
const SEGMENT_MAGIC_STEM: &[u8] = b"cupwal";

/// Begins every record. Its first byte is no ASCII, so that payloads of text rarely look like one.
pub(super) const RECORD_MAGIC: [u8; 4] = [0xc5, b'r', b'e', b'2'];

pub(super) const SEGMENT_HEADER_BYTES: usize = 32;
pub(super) const RECORD_HEADER_BYTES: usize = 28;

/// The segment before another, and how much of it was on disk when the other was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Previous {
    pub number: u64,
    pub durable: u64,
}

/// What the first bytes of a segment's file say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SegmentHeader {
    Whole(Option<Previous>),
    /// Zeros, or another segment's header in a recycled file.
    Absent,
    Version1,
    /// Of a version that this program does not know.
    Later(String),
    Damaged,
}

pub(super) fn encode_segment_header(number: u64, previous: Option<Previous>) -> [u8; SEGMENT_HEADER_BYTES] {
    let back = previous.map_or(0, |previous| u32::try_from(number.saturating_sub(previous.number)).unwrap_or(0));
    let durable = previous.map_or(0, |previous| previous.durable);
    let mut header = [0; SEGMENT_HEADER_BYTES];
    header[..8].copy_from_slice(&SEGMENT_MAGIC);
    header[8..16].copy_from_slice(&number.to_le_bytes());
    header[16..24].copy_from_slice(&durable.to_le_bytes());
    header[24..28].copy_from_slice(&back.to_le_bytes());
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// Reads the first bytes of the file of segment `number`.
pub(super) fn decode_segment_header(bytes: &[u8], number: u64) -> SegmentHeader {
    if let Some(header) = bytes.first_chunk::<SEGMENT_HEADER_BYTES>()
        && le32(header, 28) == crc32fast::hash(&header[..28])
        && header.starts_with(SEGMENT_MAGIC_STEM)
    {
        if !header.starts_with(&SEGMENT_MAGIC) {
            return SegmentHeader::Later(header[..8].escape_ascii().to_string());
        }
        if le64(header, 8) != number {
            return SegmentHeader::Absent;
        }
        let previous = match le32(header, 24) {
            0 => None,
            back => Some(Previous { number: number.saturating_sub(back.into()), durable: le64(header, 16) }),
        };
        return SegmentHeader::Whole(previous);
    }
    if bytes.starts_with(super::version1::SEGMENT_MAGIC) {
        return SegmentHeader::Version1;
    }
    if bytes.iter().all(|byte| *byte == 0) { SegmentHeader::Absent } else { SegmentHeader::Damaged }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub payload_bytes: u32,
    /// Bytes from the beginning of the group commit to this header.
    pub back: u32,
    pub payload_crc: u32,
}

impl RecordHeader {
    pub fn of(payload: [&[u8]; 2], payload_bytes: u32, back: u32) -> RecordHeader {
        let mut crc = crc32fast::Hasher::new();
        payload.into_iter().for_each(|piece| crc.update(piece));
        RecordHeader { payload_bytes, back, payload_crc: crc.finalize() }
    }

    /// The header's bytes, for one place only: `offset` in the file of segment `number`.
    pub fn encode(&self, number: u64, offset: u64) -> [u8; RECORD_HEADER_BYTES] {
        let mut header = [0; RECORD_HEADER_BYTES];
        header[..4].copy_from_slice(&RECORD_MAGIC);
        header[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        header[8..16].copy_from_slice(&number.to_le_bytes());
        header[16..20].copy_from_slice(&self.back.to_le_bytes());
        header[20..24].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = header_crc(&header, offset);
        header[24..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    /// The header at the beginning of `bytes`, if it was written for this place.
    pub fn decode(bytes: &[u8], number: u64, offset: u64) -> Option<RecordHeader> {
        let header = bytes.first_chunk::<RECORD_HEADER_BYTES>()?;
        let ours =
            header.starts_with(&RECORD_MAGIC) && le64(header, 8) == number && le32(header, 24) == header_crc(header, offset);
        ours.then(|| RecordHeader { payload_bytes: le32(header, 4), back: le32(header, 16), payload_crc: le32(header, 20) })
    }

    pub fn matches(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload_bytes as usize && crc32fast::hash(payload) == self.payload_crc
    }
}

fn header_crc(header: &[u8; RECORD_HEADER_BYTES], offset: u64) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&offset.to_le_bytes());
    crc.update(&header[4..24]);
    crc.finalize()
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |found| u32::from_le_bytes(*found))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |found| u64::from_le_bytes(*found))
}
