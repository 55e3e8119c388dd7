//! A run: which traces are in which parts, sorted by the hash of the trace's id, in one file that never changes.
//!
//! The file is pages of 4 KiB and a footer. A page: its checksum (4 bytes), its number of entries (2), entries of 10 bytes:
//! 5 of the id's hash (highest first, so that bytes sort as numbers), 2 for the part's place in the footer, 2 and 1 for where
//! in the part the trace's rows begin and how far they reach, in units of [`UNIT_ROWS`]. Hashes are spread evenly, so a page
//! is found by guessing its place: one or two reads, however long the run.
//!
//! Forty bits of hash: among a thousand million traces one lookup in a thousand reads a part in vain.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::StoreError;
use crate::parts_folder::TEMPORARY;

/// Rows that share a place in the index: fewer would not be read any faster, as a page of a column has thousands.
pub(crate) const UNIT_ROWS: u64 = 1024;

/// Parts one run can tell apart.
pub(crate) const RUN_PARTS_MAX: usize = 1 << 16;

const PAGE_BYTES: usize = 4096;
const ENTRY_BYTES: usize = 10;
const PAGE_HEADER_BYTES: usize = 6;
const PAGE_ENTRIES: usize = (PAGE_BYTES - PAGE_HEADER_BYTES) / ENTRY_BYTES;
const MAGIC: &[u8; 8] = b"CUPIDX01";
/// Footer's checksum, its length, and the magic.
const TAIL_BYTES: u64 = 8 + 8 + 8;
const HASH_BITS: u32 = 40;
const HASH_MAX: u64 = (1 << HASH_BITS) - 1;

/// The name by which the index knows a part: the number its file is called by.
pub(crate) type PartNumber = u128;

/// What of a trace's id the index keeps.
pub(crate) fn hash_of(trace_id: &[u8]) -> u64 {
    xxh3_64(trace_id) >> (64 - HASH_BITS)
}

/// Where rows of a trace are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub hash: u64,
    /// The part's place among those of the run.
    pub part: u16,
    first: u16,
    /// Units after the first; 255 for all that follow.
    further: u8,
}

impl Entry {
    pub fn new(hash: u64, part: u16, first_row: u64, last_row: u64) -> Entry {
        let first = u16::try_from(first_row / UNIT_ROWS).unwrap_or(u16::MAX);
        let further = (last_row / UNIT_ROWS).saturating_sub(u64::from(first));
        Entry { hash, part, first, further: u8::try_from(further).unwrap_or(u8::MAX) }
    }

    /// The rows among which the trace's are.
    pub fn rows(&self) -> Range<u64> {
        let first = u64::from(self.first);
        let end = if self.further == u8::MAX { u64::MAX } else { (first + u64::from(self.further) + 1) * UNIT_ROWS };
        first * UNIT_ROWS..end
    }

    pub fn with_part(self, part: u16) -> Entry {
        Entry { part, ..self }
    }

    fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..5].copy_from_slice(&self.hash.to_be_bytes()[3..]);
        bytes[5..7].copy_from_slice(&self.part.to_be_bytes());
        bytes[7..9].copy_from_slice(&self.first.to_be_bytes());
        bytes[9] = self.further;
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Entry {
        let [h0, h1, h2, h3, h4, p0, p1, f0, f1, further] = *bytes;
        Entry {
            hash: u64::from_be_bytes([0, 0, 0, h0, h1, h2, h3, h4]),
            part: u16::from_be_bytes([p0, p1]),
            first: u16::from_be_bytes([f0, f1]),
            further,
        }
    }
}

/// Writes entries, which come in order, to a file that gets its name when it is whole.
pub(crate) struct RunWriter {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
    page: Vec<u8>,
    entries: u64,
}

impl RunWriter {
    pub fn create(folder: &Path) -> Result<RunWriter, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io(format!("create folder {}", folder.display())))?;
        let path = folder.join(format!("{}.{RUN}", uuid::Uuid::now_v7().simple()));
        let temporary = path.with_extension(TEMPORARY);
        let file = File::create(&temporary).map_err(StoreError::io(format!("create {}", temporary.display())))?;
        Ok(RunWriter { path, temporary, file: BufWriter::new(file), page: Vec::with_capacity(PAGE_BYTES), entries: 0 })
    }

    pub fn push(&mut self, entry: Entry) -> Result<(), StoreError> {
        if self.page.is_empty() {
            self.page.resize(PAGE_HEADER_BYTES, 0);
        }
        self.page.extend_from_slice(&entry.to_bytes());
        self.entries += 1;
        if self.page.len() + ENTRY_BYTES > PAGE_BYTES { self.end_page() } else { Ok(()) }
    }

    fn end_page(&mut self) -> Result<(), StoreError> {
        let entries = (self.page.len() - PAGE_HEADER_BYTES) / ENTRY_BYTES;
        self.page[4..6].copy_from_slice(&(entries as u16).to_le_bytes());
        self.page.resize(PAGE_BYTES, 0);
        let sum = page_sum(&self.page);
        self.page[..4].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all(&self.page).map_err(StoreError::io(format!("write {}", self.temporary.display())))?;
        self.page.clear();
        Ok(())
    }

    /// Ends the run, which tells all traces of these parts. What it says can be made again, so it waits for the disk only
    /// when told to.
    pub fn finish(mut self, parts: &[PartNumber], fsync: bool) -> Result<Run, StoreError> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        let mut footer = Vec::with_capacity(16 + parts.len() * 16);
        footer.extend_from_slice(&self.entries.to_le_bytes());
        parts.iter().for_each(|part| footer.extend_from_slice(&part.to_le_bytes()));
        let sum = xxh3_64(&footer);
        let bytes = footer.len() as u64;
        footer.extend_from_slice(&sum.to_le_bytes());
        footer.extend_from_slice(&bytes.to_le_bytes());
        footer.extend_from_slice(MAGIC);
        let temporary = std::mem::take(&mut self.temporary);
        let result = self.file.write_all(&footer).and_then(|()| self.file.flush()).and_then(|()| {
            if fsync {
                self.file.get_ref().sync_all()?;
            }
            std::fs::rename(&temporary, &self.path)
        });
        if let Err(error) = result {
            let _ = std::fs::remove_file(&temporary);
            return Err(StoreError::io(format!("write {}", self.path.display()))(error));
        }
        Run::open(self.path.clone())
    }
}

impl Drop for RunWriter {
    fn drop(&mut self) {
        if !self.temporary.as_os_str().is_empty() {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

/// What a run's file is called after the dot.
pub(crate) const RUN: &str = "run";

fn page_sum(page: &[u8]) -> u32 {
    xxh3_64(&page[4..]) as u32
}

/// A run that is on disk.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    file: File,
    pages: u64,
    bytes: u64,
    pub entries: u64,
    pub parts: Vec<PartNumber>,
    /// A page was not what was written: nothing of it is believed any more.
    damaged: AtomicBool,
}

impl Run {
    /// Refuses: a file that is not what was written, as far as its footer tells.
    pub fn open(path: PathBuf) -> Result<Run, StoreError> {
        let failed = || StoreError::io(format!("read {}", path.display()));
        let corrupt = |what: &str| StoreError::Corrupt(format!("{}: {what}", path.display()));
        let file = File::open(&path).map_err(failed())?;
        let bytes = file.metadata().map_err(failed())?.len();
        if bytes < TAIL_BYTES {
            return Err(corrupt("too short for a run of the trace index"));
        }
        let mut tail = [0; TAIL_BYTES as usize];
        file.read_exact_at(&mut tail, bytes - TAIL_BYTES).map_err(failed())?;
        let (sum, rest) = tail.split_at(8);
        let (length, magic) = rest.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or(0);
        let (sum, length) = (word(sum), word(length));
        let pages_bytes = (bytes - TAIL_BYTES).checked_sub(length);
        let (true, Some(pages_bytes)) = (magic == MAGIC, pages_bytes) else { return Err(corrupt("footer is damaged")) };
        let mut footer = vec![0; length as usize];
        file.read_exact_at(&mut footer, pages_bytes).map_err(failed())?;
        let (entries, parts) = footer.split_first_chunk::<8>().ok_or_else(|| corrupt("footer is damaged"))?;
        let entries = u64::from_le_bytes(*entries);
        let pages = entries.div_ceil(PAGE_ENTRIES as u64);
        if xxh3_64(&footer) != sum || pages_bytes != pages * PAGE_BYTES as u64 {
            return Err(corrupt("footer is damaged"));
        }
        let parts = parts.as_chunks::<16>().0.iter().map(|part| PartNumber::from_le_bytes(*part)).collect();
        Ok(Run { path, file, pages, bytes, entries, parts, damaged: AtomicBool::new(false) })
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Everything the run says of a trace.
    pub fn find(&self, hash: u64, mut found: impl FnMut(Entry)) -> Result<(), StoreError> {
        // The pages that may hold the hash, and the hashes between which they lie.
        let (mut low, mut high) = (0, self.pages);
        let (mut low_hash, mut high_hash) = (0, HASH_MAX + 1);
        while low < high {
            let share = u128::from(high - low) * u128::from(hash.saturating_sub(low_hash));
            let guess = low + (share / u128::from((high_hash - low_hash).max(1))) as u64;
            let page = guess.min(high - 1);
            let entries = self.page(page)?;
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
            if hash < first.hash {
                (high, high_hash) = (page, first.hash);
            } else if hash > last.hash {
                (low, low_hash) = (page + 1, last.hash);
            } else {
                return self.collect(hash, page, entries, &mut found);
            }
        }
        Ok(())
    }

    /// The entries of a hash on this page and on those beside it.
    fn collect(&self, hash: u64, page: u64, entries: Vec<Entry>, found: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        let mut take = |entries: &[Entry]| entries.iter().filter(|entry| entry.hash == hash).for_each(|entry| found(*entry));
        let mut before = page;
        let mut first = entries.first().copied();
        while before > 0 && first.is_some_and(|first| first.hash == hash) {
            before -= 1;
            let entries = self.page(before)?;
            take(&entries);
            first = entries.first().copied();
        }
        take(&entries);
        let mut after = page + 1;
        let mut last = entries.last().copied();
        while after < self.pages && last.is_some_and(|last| last.hash == hash) {
            let entries = self.page(after)?;
            take(&entries);
            last = entries.last().copied();
            after += 1;
        }
        Ok(())
    }

    fn page(&self, number: u64) -> Result<Vec<Entry>, StoreError> {
        let mut page = [0; PAGE_BYTES];
        self.file
            .read_exact_at(&mut page, number * PAGE_BYTES as u64)
            .map_err(StoreError::io(format!("read {}", self.path.display())))?;
        let (header, rest) = page.split_at(PAGE_HEADER_BYTES);
        let sum = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        let entries = usize::from(u16::from_le_bytes([header[4], header[5]]));
        if sum != page_sum(&page) || entries > PAGE_ENTRIES {
            self.damaged.store(true, Ordering::Relaxed);
            return Err(StoreError::Corrupt(format!("{}: page {number} is not what was written", self.path.display())));
        }
        Ok(rest.as_chunks::<ENTRY_BYTES>().0.iter().take(entries).map(Entry::from_bytes).collect())
    }

    /// All entries, in order.
    pub fn read(self: &Arc<Run>) -> RunEntries {
        RunEntries { run: Arc::clone(self), page: 0, entries: Vec::new().into_iter() }
    }

    /// Removes the file; who still holds the run can go on reading it.
    pub fn remove(&self) {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, path = %self.path.display(), "cannot remove a run of the trace index; the next start does");
            }
            _ => {}
        }
    }

    #[cfg(test)]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A run from front to back, a page at a time.
pub(crate) struct RunEntries {
    run: Arc<Run>,
    page: u64,
    entries: std::vec::IntoIter<Entry>,
}

impl RunEntries {
    pub fn next(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Ok(Some(entry));
            }
            if self.page == self.run.pages {
                return Ok(None);
            }
            self.entries = self.run.page(self.page)?.into_iter();
            self.page += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(folder: &Path, entries: &[Entry]) -> Run {
        let mut writer = RunWriter::create(folder).unwrap();
        entries.iter().for_each(|entry| writer.push(*entry).unwrap());
        writer.finish(&[1, 2, 3], false).unwrap()
    }

    fn found(run: &Run, hash: u64) -> Vec<Entry> {
        let mut found = Vec::new();
        run.find(hash, |entry| found.push(entry)).unwrap();
        found.sort_unstable();
        found
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

        /// Skewed hashes, many of them the same, over several pages: what is found is what a look at all of them finds.
        #[test]
        fn a_run_finds_what_is_in_it(
            numbers in proptest::collection::vec((0u64..900, 0u16..3, 0u64..300_000, 0u64..400_000), 0..3_000),
            spread in 0u32..30,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut entries: Vec<Entry> = numbers
                .iter()
                .map(|(number, part, first, rows)| Entry::new((number << spread) & HASH_MAX, *part, *first, first + rows))
                .collect();
            entries.sort_unstable();
            let run = run_of(folder.path(), &entries);
            for number in 0..900u64 {
                let hash = (number << spread) & HASH_MAX;
                let expected: Vec<Entry> = entries.iter().copied().filter(|entry| entry.hash == hash).collect();
                proptest::prop_assert_eq!(found(&run, hash), expected);
            }
            proptest::prop_assert!(found(&run, HASH_MAX).is_empty() || entries.last().unwrap().hash == HASH_MAX);
            let run = Arc::new(Run::open(run.path().to_owned()).unwrap());
            let mut read = run.read();
            let mut all = Vec::new();
            while let Some(entry) = read.next().unwrap() {
                all.push(entry);
            }
            proptest::prop_assert_eq!(all, entries);
            for (number, part, first, rows) in numbers {
                let range = Entry::new(number, part, first, first + rows).rows();
                proptest::prop_assert!(range.contains(&first) && range.contains(&(first + rows)));
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let entries: Vec<Entry> = (0..2_000).map(|number| Entry::new(number << 28, 0, number, number)).collect();
        let path = run_of(folder.path(), &entries).path().to_owned();
        let sound = std::fs::read(&path).unwrap();
        for place in [0, 4, 5, 100, 8_191, sound.len() - 60, sound.len() - 20, sound.len() - 1] {
            let mut damaged = sound.clone();
            damaged[place] ^= 2;
            std::fs::write(&path, &damaged).unwrap();
            let Ok(run) = Run::open(path.clone()) else { continue };
            let outcomes: Vec<bool> = (0..2_000u64).map(|number| run.find(number << 28, |_| ()).is_ok()).collect();
            assert!(outcomes.contains(&false) && run.is_damaged(), "byte {place}");
        }
        std::fs::write(&path, &sound[..sound.len() / 2]).unwrap();
        assert!(Run::open(path).is_err());
    }
}
