//! A segment as bytes, without its folder: for fuzzing, and for tools that look at a log.

use std::io::{self, IoSlice};

use super::reader::read_segment;
use super::record::{RecordHeader, encode_segment_header};
use crate::disk::DiskFile;
use crate::error::StoreError;

/// The number that [`segment_from_payloads`] gives a segment; records belong to it and are of no other.
pub const SEGMENT_NUMBER: u64 = 1;

/// What a segment's bytes hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentContents {
    /// The payload of each whole record, in order.
    pub payloads: Vec<Vec<u8>>,
    /// How many stretches before the last whole record are none.
    pub gaps: usize,
}

/// The bytes of a segment with these records, each a group commit of its own.
pub fn segment_from_payloads(payloads: &[&[u8]]) -> Vec<u8> {
    let mut bytes = encode_segment_header(SEGMENT_NUMBER, None).to_vec();
    for payload in payloads {
        let header = RecordHeader::of([payload, &[]], u32::try_from(payload.len()).unwrap_or(u32::MAX), 0);
        bytes.extend_from_slice(&header.encode(SEGMENT_NUMBER, bytes.len() as u64));
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// What replay would find in a segment of these bytes.
///
/// Refuses: a segment of a later format.
pub fn segment_contents(bytes: &[u8]) -> Result<SegmentContents, StoreError> {
    let mut payloads = Vec::new();
    let file = InMemory(bytes.to_vec());
    match read_segment(&file, SEGMENT_NUMBER, &mut |payload| payloads.push(payload.to_vec())) {
        Ok(found) => Ok(SegmentContents { payloads, gaps: found.gaps.len() }),
        Err(Ok(reason)) => Err(StoreError::Corrupt(reason)),
        Err(Err(error)) => Err(StoreError::io("read a segment in memory")(error)),
    }
}

/// A file to read that lies in memory.
struct InMemory(Vec<u8>);

impl DiskFile for InMemory {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let read = buffer.len().min(self.0.len() - from);
        buffer[..read].copy_from_slice(&self.0[from..from + read]);
        Ok(read)
    }

    fn write_at(&mut self, _: u64, _: &mut [IoSlice<'_>]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn set_bytes(&mut self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
