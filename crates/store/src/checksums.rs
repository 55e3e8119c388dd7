//! A checksum for each block of a part's file, kept beside it: whatever reads a part reads whole blocks and compares.
//!
//! Parquet's own page checksums are neither written nor checked by the reader that queries use, and say nothing about the
//! footer, the page index and the bloom filters. These cover every byte, and cost a thousandth of the file.
//!
//! The file: `CUPSUMS1`, the length of the part in bytes, the XXH3 of each block (its lower half), and the XXH3 of all that.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use crate::error::StoreError;

/// Bytes that share a checksum: what a small read has to read more, against what the checksums of a large part take.
pub(crate) const BLOCK_BYTES: usize = 32 * 1024;

const MAGIC: &[u8; 8] = b"CUPSUMS1";

/// The checksums of one file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Checksums {
    file_bytes: u64,
    blocks: Vec<u32>,
}

impl Checksums {
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24 + self.blocks.len() * 4);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.file_bytes.to_le_bytes());
        self.blocks.iter().for_each(|sum| bytes.extend_from_slice(&sum.to_le_bytes()));
        let sum = xxh3_64(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Nothing, when the bytes are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Checksums> {
        let (content, sum) = bytes.split_last_chunk::<8>()?;
        let rest = content.strip_prefix(MAGIC)?;
        let (file_bytes, blocks) = rest.split_first_chunk::<8>()?;
        if xxh3_64(content) != u64::from_le_bytes(*sum) || blocks.len() % 4 != 0 {
            return None;
        }
        let file_bytes = u64::from_le_bytes(*file_bytes);
        let blocks: Vec<u32> = blocks.as_chunks::<4>().0.iter().map(|sum| u32::from_le_bytes(*sum)).collect();
        (file_bytes.div_ceil(BLOCK_BYTES as u64) == blocks.len() as u64).then_some(Checksums { file_bytes, blocks })
    }

    /// Bytes `start..end` of the file, each block of which is what was written.
    ///
    /// Refuses: a range beyond the file, a file that ends early, a block that is not what was written
    /// ([`StoreError::Corrupt`], which names the file and the place).
    pub fn read(&self, file: &File, path: &Path, start: u64, end: u64) -> Result<bytes::Bytes, StoreError> {
        if start > end || end > self.file_bytes {
            return Err(StoreError::Corrupt(format!("{}: bytes {start}..{end} of {}", path.display(), self.file_bytes)));
        }
        let block = BLOCK_BYTES as u64;
        let from = start / block * block;
        let to = end.div_ceil(block).saturating_mul(block).min(self.file_bytes);
        let mut read = vec![0; to.saturating_sub(from) as usize];
        file.read_exact_at(&mut read, from).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                StoreError::Corrupt(format!("{}: ends before byte {to}, expected {} bytes", path.display(), self.file_bytes))
            }
            _ => StoreError::io(format!("read {}", path.display()))(error),
        })?;
        for (bytes, number) in read.chunks(BLOCK_BYTES).zip((from / block) as usize..) {
            if self.blocks.get(number) != Some(&sum_of(bytes)) {
                let at = number as u64 * block;
                return Err(StoreError::Corrupt(format!("{}: block at byte {at} is not what was written", path.display())));
            }
        }
        Ok(bytes::Bytes::from(read).slice((start - from) as usize..(end - from) as usize))
    }
}

fn sum_of(block: &[u8]) -> u32 {
    xxh3_64(block) as u32
}

/// Writes to a file in whole blocks, and sums them up on the way.
pub(crate) struct SummingWriter<W: Write> {
    out: W,
    buffer: Vec<u8>,
    sums: Checksums,
}

/// Bytes written at once.
const BUFFER_BYTES: usize = 8 * BLOCK_BYTES;

impl<W: Write> SummingWriter<W> {
    pub fn new(out: W) -> SummingWriter<W> {
        SummingWriter { out, buffer: Vec::with_capacity(BUFFER_BYTES), sums: Checksums::default() }
    }

    /// Writes what is left; nothing can be written after it.
    pub fn finish(mut self) -> io::Result<(W, Checksums)> {
        self.write_buffer()?;
        Ok((self.out, self.sums))
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        self.sums.blocks.extend(self.buffer.chunks(BLOCK_BYTES).map(sum_of));
        self.sums.file_bytes += self.buffer.len() as u64;
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for SummingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BUFFER_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == BUFFER_BYTES {
            self.write_buffer()?;
        }
        Ok(taken)
    }

    /// Does nothing: a block goes out when it is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> (tempfile::NamedTempFile, Checksums) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = SummingWriter::new(file.reopen().unwrap());
        for piece in bytes.chunks(10_007) {
            writer.write_all(piece).unwrap();
        }
        let (_, sums) = writer.finish().unwrap();
        (file, sums)
    }

    #[test]
    fn any_range_of_a_sound_file_is_read() {
        let content: Vec<u8> = (0..1_000_003u32).map(|number| (number % 251) as u8).collect();
        let (file, sums) = written(&content);
        let sums = Checksums::from_bytes(&sums.to_bytes()).unwrap();
        for (start, end) in [(0, 0), (0, 1), (32_767, 32_769), (999_999, 1_000_003), (0, 1_000_003), (500_000, 700_000)] {
            let read = sums.read(file.as_file(), file.path(), start, end).unwrap();
            assert_eq!(read, &content[start as usize..end as usize], "{start}..{end}");
        }
        assert!(sums.read(file.as_file(), file.path(), 0, 1_000_004).is_err());
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let content = vec![7u8; 100_000];
        let (file, sums) = written(&content);
        for place in [0, 40_000, 99_999] {
            let mut damaged = content.clone();
            damaged[place] ^= 1 << (place % 8);
            std::fs::write(file.path(), &damaged).unwrap();
            let read = |start, end| sums.read(file.as_file(), file.path(), start, end);
            let error = read(place as u64, place as u64 + 1).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
            let other = if place < 50_000 { 70_000 } else { 10 };
            assert!(read(other, other + 5).is_ok(), "a block that is sound can be read");
        }
        std::fs::write(file.path(), &content[..50_000]).unwrap();
        assert!(matches!(sums.read(file.as_file(), file.path(), 60_000, 60_001), Err(StoreError::Corrupt(_))));
        let mut kept = sums.to_bytes();
        for place in 0..kept.len() {
            kept[place] ^= 4;
            assert_eq!(Checksums::from_bytes(&kept), None, "byte {place}");
            kept[place] ^= 4;
        }
        assert_eq!(Checksums::from_bytes(&kept[..kept.len() - 4]), None);
    }
}
