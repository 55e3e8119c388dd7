//! Reading a segment back: every whole record, and what lies between them.
//!
//! The file is read through a window, not as a whole: a segment may be larger than what memory is for.

use std::io;
use std::ops::Range;

use super::record::{
    RECORD_HEADER_BYTES, RECORD_MAGIC, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader, decode_segment_header,
};
use super::version1;
use crate::disk::DiskFile;
use crate::limits::WAL_RECORD_BYTES_MAX;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 256 * 1024;

/// What was found in a segment's file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub records: u64,
    /// Between whole records, or before the first, and no record. In order.
    pub gaps: Vec<Range<u64>>,
    /// Where the group commit of the last whole record began: all before was on disk then.
    pub last_group: u64,
    /// Where the last whole record ends; 0 if there is none.
    pub end: u64,
    /// In a format of which no more is written, without preallocated files: what follows the end was being written.
    pub version1: bool,
}

/// Calls `visit` with every whole record's payload, in order. `Err(Ok(reason))` for a file of a later format.
pub(super) fn read_segment(
    file: &dyn DiskFile,
    number: u64,
    visit: &mut dyn FnMut(&[u8]),
) -> Result<Found, Result<String, io::Error>> {
    let mut window = Window { file, file_bytes: file.bytes().map_err(Err)?, base: 0, bytes: Vec::new() };
    let header = decode_segment_header(window.at(0, SEGMENT_HEADER_BYTES).map_err(Err)?, number);
    match header {
        SegmentHeader::Later(magic) => Err(Ok(format!("begins with \"{magic}\", expected \"cupwal02\" or \"cupwal01\""))),
        SegmentHeader::Version1 => read_version1(file, window.file_bytes, visit).map_err(Err),
        SegmentHeader::Damaged => {
            let found = read_records(&mut window, number, 0, visit).map_err(Err)?;
            let nothing = found.records == 0;
            if nothing { read_version1(file, window.file_bytes, visit).map_err(Err) } else { Ok(found) }
        }
        SegmentHeader::Absent => read_records(&mut window, number, 0, visit).map_err(Err),
        SegmentHeader::Whole(_) => read_records(&mut window, number, SEGMENT_HEADER_BYTES as u64, visit).map_err(Err),
    }
}

/// The records from `start` on. Where a record's header is whole and its payload is not, its extent is known and the next
/// one is looked for behind it; where the header is not, the next is searched byte by byte.
fn read_records(window: &mut Window<'_>, number: u64, start: u64, visit: &mut dyn FnMut(&[u8])) -> io::Result<Found> {
    let mut found = Found::default();
    // Everything up to here is accounted for, as a record or as a gap.
    let mut settled = start;
    let mut at = if start == 0 { SEGMENT_HEADER_BYTES as u64 } else { start };
    loop {
        let Some(header) = record_header_at(window, number, at)? else {
            match next_whole_record(window, number, at)? {
                Some(next) => at = next,
                None => return Ok(found),
            }
            continue;
        };
        let end = at + RECORD_HEADER_BYTES as u64 + u64::from(header.payload_bytes);
        let payload = window.at(at + RECORD_HEADER_BYTES as u64, header.payload_bytes as usize)?;
        if header.matches(payload) {
            visit(payload);
            if at > settled {
                found.gaps.push(settled..at);
            }
            found.records += 1;
            found.last_group = at.saturating_sub(header.back.into());
            found.end = end;
            settled = end;
        } else if at > settled {
            // Two in a row are two.
            found.gaps.push(settled..at);
            settled = at;
        }
        at = end;
    }
}

/// The header of a record that begins exactly here and fits into the file.
fn record_header_at(window: &mut Window<'_>, number: u64, at: u64) -> io::Result<Option<RecordHeader>> {
    let header = RecordHeader::decode(window.at(at, RECORD_HEADER_BYTES)?, number, at);
    let fits = |header: &RecordHeader| {
        let end = at + RECORD_HEADER_BYTES as u64 + u64::from(header.payload_bytes);
        header.payload_bytes as usize <= WAL_RECORD_BYTES_MAX && end <= window.file_bytes
    };
    Ok(header.filter(fits))
}

/// Where the first whole record after `from` begins.
fn next_whole_record(window: &mut Window<'_>, number: u64, from: u64) -> io::Result<Option<u64>> {
    let mut at = from + 1;
    loop {
        let bytes = window.ahead(at)?;
        if bytes.len() < RECORD_HEADER_BYTES {
            return Ok(None);
        }
        let Some(place) = find_magic(bytes) else {
            at += (bytes.len() - (RECORD_MAGIC.len() - 1)) as u64;
            continue;
        };
        at += place as u64;
        if let Some(header) = record_header_at(window, number, at)?
            && header.matches(window.at(at + RECORD_HEADER_BYTES as u64, header.payload_bytes as usize)?)
        {
            return Ok(Some(at));
        }
        at += 1;
    }
}

fn find_magic(bytes: &[u8]) -> Option<usize> {
    /// Looked at together, which a compiler turns into few instructions.
    const STRIDE: usize = 64;
    let mut from = 0;
    while from < bytes.len() {
        let stride = &bytes[from..bytes.len().min(from + STRIDE)];
        if stride.iter().fold(false, |any, byte| any | (*byte == RECORD_MAGIC[0])) {
            let place = (from..from + stride.len()).find(|place| bytes[*place..].starts_with(&RECORD_MAGIC));
            if place.is_some() {
                return place;
            }
        }
        from += stride.len();
    }
    None
}

fn read_version1(file: &dyn DiskFile, file_bytes: u64, visit: &mut dyn FnMut(&[u8])) -> io::Result<Found> {
    let mut bytes = vec![0; usize::try_from(file_bytes).unwrap_or(usize::MAX)];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    let decoded = version1::decode(&bytes);
    if decoded.payloads.is_empty() {
        return Ok(Found::default());
    }
    let mut gaps = decoded.gaps;
    if !bytes.starts_with(version1::SEGMENT_MAGIC) {
        gaps.insert(0, 0..version1::SEGMENT_MAGIC.len() as u64);
    }
    decoded.payloads.iter().for_each(|range| visit(&bytes[range.clone()]));
    let end = decoded.end as u64;
    Ok(Found { records: decoded.payloads.len() as u64, gaps, last_group: end, end, version1: true })
}

/// A stretch of a file in memory.
struct Window<'f> {
    file: &'f dyn DiskFile,
    file_bytes: u64,
    base: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// The bytes from `from` on: `count` of them, or fewer where the file ends.
    fn at(&mut self, from: u64, count: usize) -> io::Result<&[u8]> {
        let end = (from + count as u64).min(self.file_bytes);
        if from < self.base || end > self.base + self.bytes.len() as u64 {
            self.move_to(from, count)?;
        }
        let start = usize::try_from(from - self.base).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(&self.bytes[start..self.bytes.len().min(start + count)])
    }

    /// Some bytes from `from` on; fewer than a record's header only where the file ends.
    fn ahead(&mut self, from: u64) -> io::Result<&[u8]> {
        let here = self.at(from, RECORD_HEADER_BYTES)?.len();
        let start = usize::try_from(from - self.base).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(if here < RECORD_HEADER_BYTES { &self.bytes[start..start + here] } else { &self.bytes[start..] })
    }

    fn move_to(&mut self, from: u64, count: usize) -> io::Result<()> {
        let overlap = from.checked_sub(self.base).and_then(|start| usize::try_from(start).ok());
        match overlap.filter(|start| *start <= self.bytes.len()) {
            Some(start) => drop(self.bytes.drain(..start)),
            None => self.bytes.clear(),
        }
        self.base = from;
        let left = usize::try_from(self.file_bytes.saturating_sub(from)).unwrap_or(usize::MAX);
        let have = self.bytes.len();
        let want = count.max(WINDOW_BYTES).min(left).max(have);
        self.bytes.resize(want, 0);
        let read = self.file.read_at(from + have as u64, &mut self.bytes[have..])?;
        self.bytes.truncate(have + read);
        Ok(())
    }
}
