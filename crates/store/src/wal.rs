//! The write-ahead log on disk: segments of records, written once and read again only after a crash.
//!
//! A segment `wal/<16 digits>.log` is the eight bytes [`SEGMENT_MAGIC`] and then records, each
//!
//! ```text
//! magic   4 bytes   finds the next record after a damaged one
//! length  4 bytes   of the payload, little endian
//! crc32   4 bytes   of length and payload, little endian
//! payload
//! ```
//!
//! What follows the last whole record of the newest segment is a write that was cut off and is removed: nobody was told
//! that it was kept. A damaged record with whole ones after it is skipped, reported and counted, and the segment is set
//! aside as `.damaged` instead of being deleted. The payload's meaning is the caller's affair.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::StoreError;
use crate::limits::WAL_RECORD_BYTES_MAX;

/// Begins every segment; the last digit is the format's version.
const SEGMENT_MAGIC: [u8; 8] = *b"cupwal01";

/// Begins every record. Its first byte is no ASCII, so that payloads of text rarely look like one.
const RECORD_MAGIC: [u8; 4] = [0xc5, b'r', b'e', b'c'];

const RECORD_HEADER_BYTES: usize = 12;

/// Buffers larger than this are not kept between commits.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;

/// The folder of segments, and how large each is.
pub(crate) struct WalFolder {
    path: PathBuf,
    fsync: bool,
    segments: Mutex<BTreeMap<u64, Segment>>,
}

#[derive(Clone, Copy, Default)]
struct Segment {
    bytes: u64,
    /// Holds records that could not be read: set aside instead of deleted.
    damaged: bool,
}

impl WalFolder {
    /// Opens the folder, creating it where missing.
    pub fn open(path: PathBuf, fsync: bool) -> Result<WalFolder, StoreError> {
        fs::create_dir_all(&path).map_err(StoreError::io(format!("create folder {}", path.display())))?;
        let folder = WalFolder { path, fsync, segments: Mutex::default() };
        let mut segments = BTreeMap::new();
        let failed = || StoreError::io(format!("list folder {}", folder.path.display()));
        for entry in fs::read_dir(&folder.path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if let Some(number) = segment_number(&entry.path()) {
                let bytes = entry.metadata().map_err(failed())?.len();
                segments.insert(number, Segment { bytes, damaged: false });
            }
        }
        *folder.segments.lock() = segments;
        Ok(folder)
    }

    /// The segments there are, oldest first.
    pub fn segments(&self) -> Vec<u64> {
        self.segments.lock().keys().copied().collect()
    }

    /// How many segments there are, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        let segments = self.segments.lock();
        (segments.len() as u64, segments.values().map(|segment| segment.bytes).sum())
    }

    /// Creates a segment that is there after a crash. Its number must be new.
    pub fn create(&self, number: u64) -> Result<WalWriter, StoreError> {
        let path = self.segment_path(number);
        let failed = || StoreError::io(format!("create log segment {}", path.display()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(failed())?;
        file.write_all(&SEGMENT_MAGIC).map_err(failed())?;
        if self.fsync {
            file.sync_all().map_err(failed())?;
        }
        sync_folder(&self.path, self.fsync)?;
        let bytes = SEGMENT_MAGIC.len() as u64;
        self.segments.lock().insert(number, Segment { bytes, damaged: false });
        Ok(WalWriter { file, number, bytes, fsync: self.fsync, buffer: Vec::new(), poison: None })
    }

    /// Reads a segment's records. In the newest segment, a write that was cut off is removed from the file.
    pub fn read(&self, number: u64, newest: bool) -> Result<ReadSegment, StoreError> {
        let path = self.segment_path(number);
        let bytes = fs::read(&path).map_err(StoreError::io(format!("read log segment {}", path.display())))?;
        let segment = decode_segment(bytes).map_err(|reason| StoreError::Corrupt(format!("{}: {reason}", path.display())))?;
        for range in &segment.corrupt {
            let error = StoreError::Corrupt(format!("{}: bytes {}..{} are no record", path.display(), range.start, range.end));
            tracing::warn!(%error, "damaged record of the write-ahead log skipped");
        }
        let torn = segment.bytes.len() - segment.whole_bytes;
        if torn > 0 && newest {
            tracing::info!(segment = number, torn, "write cut off by a crash removed from the write-ahead log");
            self.truncate(&path, segment.whole_bytes as u64)?;
            self.note_bytes(number, segment.whole_bytes as u64);
        }
        Ok(segment)
    }

    fn truncate(&self, path: &Path, bytes: u64) -> Result<(), StoreError> {
        let failed = || StoreError::io(format!("truncate log segment {}", path.display()));
        let mut file = OpenOptions::new().write(true).open(path).map_err(failed())?;
        file.set_len(bytes).map_err(failed())?;
        if bytes == 0 {
            // Cut off before its own first bytes were on disk.
            file.write_all(&SEGMENT_MAGIC).map_err(failed())?;
        }
        if self.fsync { file.sync_all().map_err(failed()) } else { Ok(()) }
    }

    /// Has the segment set aside rather than deleted once its rows are in parts.
    pub fn mark_damaged(&self, number: u64) {
        if let Some(segment) = self.segments.lock().get_mut(&number) {
            segment.damaged = true;
        }
    }

    pub fn note_bytes(&self, number: u64, bytes: u64) {
        if let Some(segment) = self.segments.lock().get_mut(&number) {
            segment.bytes = bytes;
        }
    }

    /// Removes the segments up to `number`, included: their rows are in parts.
    pub fn remove_through(&self, number: u64) -> Result<(), StoreError> {
        let old: Vec<(u64, Segment)> =
            self.segments.lock().range(..=number).map(|(number, segment)| (*number, *segment)).collect();
        for (number, segment) in &old {
            let path = self.segment_path(*number);
            let removed = match segment.damaged {
                true => fs::rename(&path, path.with_extension("damaged")),
                false => fs::remove_file(&path),
            };
            removed.map_err(StoreError::io(format!("remove log segment {}", path.display())))?;
            self.segments.lock().remove(number);
        }
        if old.is_empty() { Ok(()) } else { sync_folder(&self.path, self.fsync) }
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016}.log"))
    }
}

fn segment_number(path: &Path) -> Option<u64> {
    if path.extension()? != "log" {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// Makes the names in a folder survive a crash.
pub(crate) fn sync_folder(path: &Path, fsync: bool) -> Result<(), StoreError> {
    if !fsync {
        return Ok(());
    }
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(StoreError::io(format!("sync folder {}", path.display())))
}

/// Writes one segment.
pub(crate) struct WalWriter {
    file: File,
    number: u64,
    bytes: u64,
    fsync: bool,
    buffer: Vec<u8>,
    /// Why nothing can be written any more.
    poison: Option<String>,
}

impl WalWriter {
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the segment so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether an append waits for the disk.
    pub fn syncs(&self) -> bool {
        self.fsync
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == SEGMENT_MAGIC.len() as u64
    }

    /// Writes the records, each a payload in two pieces, with one write and waits for the disk. Durable when it returns; on
    /// error none of them counts.
    ///
    /// A write that fails is taken back. When that fails too, or the disk says that it could not sync, what is on disk is
    /// unknown, and every later call fails: only a restart, which reads what is there, can tell.
    pub fn append<'p>(&mut self, payloads: impl Iterator<Item = [&'p [u8]; 2]>) -> Result<(), StoreError> {
        if let Some(reason) = &self.poison {
            return Err(StoreError::Unavailable(reason.clone()));
        }
        self.buffer.clear();
        for payload in payloads {
            encode_record(payload, &mut self.buffer)?;
        }
        if let Err(error) = self.file.write_all(&self.buffer) {
            let back = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            if let Err(back) = back {
                return Err(self.poisoned(format!("cannot take back a failed write to the log: {back}")));
            }
            return Err(StoreError::Unavailable(format!("cannot write to the log: {error}")));
        }
        if self.fsync
            && let Err(error) = self.sync()
        {
            return Err(self.poisoned(format!("cannot sync the log: {error}; restart to go on")));
        }
        self.bytes += self.buffer.len() as u64;
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Takes over from the writer of the segment before, with its misfortune.
    pub fn inherit(&mut self, before: &WalWriter) {
        self.poison.clone_from(&before.poison);
    }

    fn sync(&self) -> std::io::Result<()> {
        #[cfg(test)]
        if tests::SYNC_FAILS.with(std::cell::Cell::get) {
            return Err(std::io::Error::other("the disk is gone"));
        }
        self.file.sync_data()
    }

    fn poisoned(&mut self, reason: String) -> StoreError {
        tracing::error!(reason, "write-ahead log is unusable; nothing is accepted any more");
        self.poison = Some(reason.clone());
        StoreError::Unavailable(reason)
    }
}

fn encode_record(payload: [&[u8]; 2], out: &mut Vec<u8>) -> Result<(), StoreError> {
    let bytes = payload[0].len() + payload[1].len();
    let too_large = || StoreError::TooLarge { bytes, bytes_max: WAL_RECORD_BYTES_MAX };
    if bytes > WAL_RECORD_BYTES_MAX {
        return Err(too_large());
    }
    let length = u32::try_from(bytes).map_err(|_| too_large())?.to_le_bytes();
    out.extend_from_slice(&RECORD_MAGIC);
    out.extend_from_slice(&length);
    out.extend_from_slice(&record_crc(length, payload).to_le_bytes());
    payload.into_iter().for_each(|piece| out.extend_from_slice(piece));
    Ok(())
}

fn record_crc(length: [u8; 4], payload: [&[u8]; 2]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&length);
    payload.into_iter().for_each(|piece| crc.update(piece));
    crc.finalize()
}

/// What a segment's file holds.
#[derive(Debug)]
pub(crate) struct ReadSegment {
    bytes: Vec<u8>,
    /// Where each whole record's payload lies.
    payloads: Vec<Range<usize>>,
    /// What lies between whole records and is none.
    corrupt: Vec<Range<usize>>,
    /// Where the last whole record ends.
    whole_bytes: usize,
}

impl ReadSegment {
    pub fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        self.payloads.iter().map(|range| &self.bytes[range.clone()])
    }

    pub fn corrupt_records(&self) -> usize {
        self.corrupt.len()
    }

    /// Whether something follows the last whole record.
    pub fn is_torn(&self) -> bool {
        self.whole_bytes < self.bytes.len()
    }
}

fn decode_segment(bytes: Vec<u8>) -> Result<ReadSegment, String> {
    let start = SEGMENT_MAGIC.len();
    if is_torn_header(&bytes) {
        return Ok(ReadSegment { bytes, payloads: Vec::new(), corrupt: Vec::new(), whole_bytes: 0 });
    }
    if !bytes.starts_with(&SEGMENT_MAGIC) {
        let found = bytes[..bytes.len().min(start)].escape_ascii();
        return Err(format!("begins with \"{found}\", expected \"{}\"", SEGMENT_MAGIC.escape_ascii()));
    }
    let mut segment = ReadSegment { bytes, payloads: Vec::new(), corrupt: Vec::new(), whole_bytes: start };
    while let Some(payload) = next_record(&segment.bytes, segment.whole_bytes) {
        let record_start = payload.start - RECORD_HEADER_BYTES;
        if record_start > segment.whole_bytes {
            segment.corrupt.push(segment.whole_bytes..record_start);
        }
        segment.whole_bytes = payload.end;
        segment.payloads.push(payload);
    }
    Ok(segment)
}

/// Whether the crash came before the segment's own first bytes were on disk: they end early, in nothing or in zeros.
fn is_torn_header(bytes: &[u8]) -> bool {
    let written = bytes.iter().zip(SEGMENT_MAGIC).take_while(|(byte, expected)| *byte == expected).count();
    written < SEGMENT_MAGIC.len() && bytes[written..].iter().all(|byte| *byte == 0)
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
    (record_crc(*length, [payload, &[]]) == u32::from_le_bytes(*crc)).then(|| start..start + payload_bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    thread_local! {
        /// Makes the next syncs of this thread fail.
        pub static SYNC_FAILS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    fn whole(payload: &[u8]) -> [&[u8]; 2] {
        [payload, &[]]
    }

    fn segment_of(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        for payload in payloads {
            let (head, body) = payload.split_at(payload.len() / 2);
            encode_record([head, body], &mut bytes).unwrap();
        }
        bytes
    }

    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let segment = decode_segment(bytes.to_vec()).unwrap();
        (segment.payloads().map(<[u8]>::to_vec).collect(), segment.corrupt_records())
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(payloads in payloads()) {
            prop_assert_eq!(read(&segment_of(&payloads)), (payloads, 0));
        }

        #[test]
        fn a_tail_torn_anywhere_loses_only_what_was_torn(payloads in payloads()) {
            let bytes = segment_of(&payloads);
            let mut ends = vec![SEGMENT_MAGIC.len()];
            for payload in &payloads {
                ends.push(ends.last().unwrap() + RECORD_HEADER_BYTES + payload.len());
            }
            for cut in 0..=bytes.len() {
                let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
                prop_assert_eq!(read(&bytes[..cut]), (payloads[..whole].to_vec(), 0), "cut at {}", cut);
                // A file system may have grown the file before the bytes came; only a payload of zeros can be whole then.
                let mut grown = bytes[..cut].to_vec();
                grown.resize(bytes.len() + 7, 0);
                prop_assert!(read(&grown).0.len() >= whole);
            }
        }

        #[test]
        fn one_changed_byte_harms_one_record(payloads in payloads(), at in any::<proptest::sample::Index>(), bits in 1u8..) {
            let mut bytes = segment_of(&payloads);
            prop_assume!(!payloads.is_empty());
            let at = SEGMENT_MAGIC.len() + at.index(bytes.len() - SEGMENT_MAGIC.len());
            bytes[at] ^= bits;
            let mut end = SEGMENT_MAGIC.len();
            let harmed = payloads.iter().position(|payload| {
                end += RECORD_HEADER_BYTES + payload.len();
                at < end
            });
            let harmed = harmed.unwrap();
            let mut left = payloads.clone();
            left.remove(harmed);
            let corrupt = usize::from(harmed + 1 < payloads.len());
            prop_assert_eq!(read(&bytes), (left, corrupt));
        }

        #[test]
        fn reading_anything_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_segment(bytes.clone());
            let mut segment = SEGMENT_MAGIC.to_vec();
            segment.extend_from_slice(&RECORD_MAGIC);
            segment.extend_from_slice(&bytes);
            let _ = decode_segment(segment);
        }
    }

    fn folder() -> (tempfile::TempDir, WalFolder) {
        let folder = tempfile::tempdir().unwrap();
        let wal = WalFolder::open(folder.path().join("wal"), true).unwrap();
        (folder, wal)
    }

    #[test]
    fn a_torn_tail_is_removed_and_a_later_format_refused() {
        let (_folder, wal) = folder();
        let mut writer = wal.create(7).unwrap();
        writer.append([whole(b"one"), whole(b"two")].into_iter()).unwrap();
        let path = wal.segment_path(7);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let read = wal.read(7, true).unwrap();
        assert_eq!(read.payloads().collect::<Vec<_>>(), [b"one"]);
        let whole = fs::read(&path).unwrap();
        assert_eq!(whole.len(), SEGMENT_MAGIC.len() + RECORD_HEADER_BYTES + 3);
        assert!(!wal.read(7, true).unwrap().is_torn());
        fs::write(&path, b"cupwal02").unwrap();
        let error = wal.read(7, true).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    }

    #[test]
    fn a_failed_sync_poisons_the_log() {
        let (_folder, wal) = folder();
        let mut writer = wal.create(1).unwrap();
        writer.append([whole(b"one")].into_iter()).unwrap();
        SYNC_FAILS.set(true);
        assert!(matches!(writer.append([whole(b"two")].into_iter()), Err(StoreError::Unavailable(_))));
        SYNC_FAILS.set(false);
        assert!(matches!(writer.append([whole(b"three")].into_iter()), Err(StoreError::Unavailable(_))));
        let mut next = wal.create(2).unwrap();
        next.inherit(&writer);
        assert!(matches!(next.append([whole(b"four")].into_iter()), Err(StoreError::Unavailable(_))));
        assert_eq!(wal.read(1, true).unwrap().payloads().next().unwrap(), b"one");
    }

    #[test]
    fn old_segments_go_and_damaged_ones_are_set_aside() {
        let (_folder, wal) = folder();
        for number in 1..=4 {
            wal.create(number).unwrap();
        }
        wal.mark_damaged(2);
        wal.remove_through(3).unwrap();
        assert_eq!(wal.segments(), [4]);
        let mut names: Vec<String> =
            fs::read_dir(&wal.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["0000000000000002.damaged", "0000000000000004.log"]);
        let again = WalFolder::open(wal.path, true).unwrap();
        assert_eq!(again.segments(), [4]);
    }
}
