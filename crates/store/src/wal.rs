//! The write-ahead log on disk: segments of records, written once and read again only after a crash.
//!
//! A segment is a file `wal/<16 digits>.log`: a header and then records, see [`record`] for the bytes. A record says which
//! segment and which place in the file it was written for, so a file can be used again: when a segment's rows are in parts
//! its file becomes the spare, which the next segment takes over and overwrites from its beginning. Writing to blocks that a
//! file has already is what makes `fdatasync` even and large writes fast. While there is no spare, one is made ahead
//! ([`WalFolder::make_spare`]), filled with zeros.
//!
//! What follows the last whole record is a write that was cut off, or left over from before: nobody was told that it was
//! kept. Damage before that is skipped, reported and counted, and the segment is set aside as `.damaged` instead of being
//! deleted. The payload's meaning is the caller's affair.

pub mod inspect;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod version1;

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use self::reader::read_segment;
pub(crate) use self::record::Previous;
use self::record::{RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::disk::{self, Disk, DiskFile, may_pass};
use crate::error::StoreError;
use crate::limits::{WAL_PROBE_BYTES, WAL_RECORD_BYTES_MAX, WAL_SPARE_BYTES, WAL_SPARE_FROM_BYTES};

const SEGMENT_EXTENSION: &str = "log";

/// What a segment is called that could not be read as a whole, once its rows are in parts.
const DAMAGED_EXTENSION: &str = "damaged";

/// The file that the next segment takes over.
const SPARE: &str = "spare";

/// The same while it is being made.
const SPARE_UNFINISHED: &str = "spare.tmp";

/// Written to see whether there is room again.
const PROBE: &str = "probe.tmp";

/// Opens the log of a data folder, without what is in parts already, and tells the number of the next segment.
pub(crate) fn open_log(disk: &Arc<dyn Disk>, data_dir: &Path, wal_position: u64) -> Result<(WalFolder, u64), StoreError> {
    let wal = WalFolder::open(data_dir.join("wal"), Arc::clone(disk))?;
    // The folders of log and parts must be there after a crash, and so must ours.
    disk::sync_folder(disk.as_ref(), data_dir)?;
    if let Some(parent) = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk::sync_folder(disk.as_ref(), parent)?;
    }
    wal.remove_through(wal_position)?;
    // Also above those in which nothing was written: a number is used once.
    let next = wal.segments().last().copied().unwrap_or(0).max(wal_position) + 1;
    Ok((wal, next))
}

/// The folder of segments, and how large each is.
pub(crate) struct WalFolder {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    /// Nothing is made ahead any more.
    closing: AtomicBool,
    /// [`WAL_SPARE_FROM_BYTES`] and [`WAL_SPARE_BYTES`], less only in tests.
    pub spare_from: u64,
    pub spare_bytes: u64,
}

#[derive(Default)]
struct State {
    segments: BTreeMap<u64, Segment>,
    spare: bool,
    /// The segment during which a spare was last asked for: once is enough.
    spare_asked_at: u64,
    /// Someone writes zeros into the file that will be the spare: a second one would go on when it is the log already.
    making_spare: bool,
    /// Files are not used again for now: what they hold is to be gone.
    single_use: bool,
}

#[derive(Clone, Copy, Default)]
struct Segment {
    bytes: u64,
    /// Holds records that could not be read: set aside instead of deleted.
    damaged: bool,
    /// Begun by us, so its file may be used again.
    ours: bool,
}

/// What reading a segment found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentRead {
    pub records: u64,
    /// Damaged stretches of what was once on disk.
    pub corrupt: u64,
    /// How much of it is known to have been on disk: for the header of the segment after it.
    pub durable: u64,
}

impl WalFolder {
    /// Opens the folder, creating it where missing.
    pub fn open(path: PathBuf, disk: Arc<dyn Disk>) -> Result<WalFolder, StoreError> {
        disk.create_folder(&path).map_err(StoreError::io(format!("create folder {}", path.display())))?;
        let mut state = State::default();
        let entries = disk.list(&path).map_err(StoreError::io(format!("list folder {}", path.display())))?;
        for entry in entries {
            let file = path.join(&entry.name);
            if let Some(number) = segment_number(&file) {
                let bytes = disk.open_to_read(&file).and_then(|file| file.bytes());
                let bytes = bytes.map_err(StoreError::io(format!("open log segment {}", file.display())))?;
                state.segments.insert(number, Segment { bytes, ..Segment::default() });
            } else if [SPARE, SPARE_UNFINISHED, PROBE].iter().any(|name| entry.name == *name)
                && let Err(error) = disk.remove(&file)
            {
                tracing::warn!(%error, file = %file.display(), "cannot remove a left-over file of the log");
            }
        }
        Ok(WalFolder {
            path,
            disk,
            state: Mutex::new(state),
            closing: AtomicBool::new(false),
            spare_from: WAL_SPARE_FROM_BYTES,
            spare_bytes: WAL_SPARE_BYTES,
        })
    }

    /// The segments there are, oldest first.
    pub fn segments(&self) -> Vec<u64> {
        self.state.lock().segments.keys().copied().collect()
    }

    /// How many segments there are, and their bytes.
    pub fn size(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.segments.len() as u64, state.segments.values().map(|segment| segment.bytes).sum())
    }

    /// Calls `visit` with the payload of every whole record of a segment, in order.
    pub fn read(&self, number: u64, visit: &mut dyn FnMut(&[u8])) -> Result<SegmentRead, StoreError> {
        let path = self.segment_path(number);
        let failed = || StoreError::io(format!("read log segment {}", path.display()));
        let file = self.disk.open_to_read(&path).map_err(failed())?;
        let found = match read_segment(file.as_ref(), number, visit) {
            Ok(found) => found,
            Err(Ok(reason)) => return Err(StoreError::Corrupt(format!("{}: {reason}", path.display()))),
            Err(Err(error)) => return Err(failed()(error)),
        };
        let newest = self.state.lock().segments.range(number + 1..).next().is_none();
        let told = self.durable_told_after(number);
        let known = told.unwrap_or(0).max(found.last_group);
        let mut damage: Vec<Range<u64>> = found.gaps.iter().filter(|gap| gap.start < known).cloned().collect();
        let file_bytes = file.bytes().map_err(failed())?;
        match told {
            Some(durable) if found.end < durable => damage.push(found.end..durable),
            // Only the newest can have been cut off, and this format leaves nothing else behind its end.
            None if found.version1 && !newest && found.end < file_bytes => damage.push(found.end..file_bytes),
            _ => {}
        }
        for range in &damage {
            let error = StoreError::Corrupt(format!("{}: bytes {}..{} are no record", path.display(), range.start, range.end));
            tracing::warn!(%error, "damaged record of the write-ahead log skipped");
        }
        let torn = found.gaps.iter().any(|gap| gap.start >= known);
        if torn {
            tracing::info!(segment = number, "write cut off by a crash; what of it is whole is kept");
        }
        let mut durable = if torn { known } else { found.end.max(known) };
        if told.is_none()
            && let Err(error) = self.write_again(&path, found.last_group, found.end)
        {
            tracing::warn!(%error, segment = number, "cannot make sure that the log's last records are on disk");
            durable = known;
        }
        self.note_bytes(number, found.end);
        Ok(SegmentRead { records: found.records, corrupt: damage.len() as u64, durable })
    }

    /// Makes sure that a segment's last group is on disk. It may have been read from the kernel's memory alone: the process
    /// before was killed while it wrote, or its sync failed, after which a second sync would say that there is nothing to do.
    /// Where nothing was read, that is made sure of: a write that was taken back may be on the disk still.
    fn write_again(&self, path: &Path, from: u64, end: u64) -> io::Result<()> {
        const STEP_BYTES: u64 = 1024 * 1024;
        let mut file = self.disk.open_to_write(path)?;
        for offset in (from..end).step_by(STEP_BYTES as usize) {
            let mut bytes = vec![0; (end - offset).min(STEP_BYTES) as usize];
            let read = file.read_at(offset, &mut bytes)?;
            file.write_at(offset, &mut [IoSlice::new(&bytes[..read])])?;
        }
        file.sync()
    }

    /// What the header of the segment after `number` says of how much of this one was on disk.
    fn durable_told_after(&self, number: u64) -> Option<u64> {
        let after = *self.state.lock().segments.range(number + 1..).next()?.0;
        let file = self.disk.open_to_read(&self.segment_path(after)).ok()?;
        let mut header = [0; SEGMENT_HEADER_BYTES];
        let read = file.read_at(0, &mut header).ok()?;
        match record::decode_segment_header(&header[..read], after) {
            SegmentHeader::Whole(previous) => {
                previous.filter(|previous| previous.number == number).map(|previous| previous.durable)
            }
            _ => None,
        }
    }

    /// Has the segment set aside rather than deleted once its rows are in parts.
    pub fn mark_damaged(&self, number: u64) {
        if let Some(segment) = self.state.lock().segments.get_mut(&number) {
            segment.damaged = true;
        }
    }

    pub fn note_bytes(&self, number: u64, bytes: u64) {
        if let Some(segment) = self.state.lock().segments.get_mut(&number) {
            segment.bytes = bytes;
        }
    }

    /// Removes the segments up to `number`, included: their rows are in parts. One file may be kept as the spare.
    ///
    /// A crash may bring them back; the catalog's position says that they are over.
    pub fn remove_through(&self, number: u64) -> Result<(), StoreError> {
        let mut set_aside = false;
        let mut state = self.state.lock();
        while let Some((number, segment)) = state.segments.range(..=number).next().map(|(number, segment)| (*number, *segment)) {
            let path = self.segment_path(number);
            let failed = || StoreError::io(format!("remove log segment {}", path.display()));
            if segment.damaged {
                self.disk.rename(&path, &path.with_extension(DAMAGED_EXTENSION)).map_err(failed())?;
                set_aside = true;
            } else if segment.ours && !state.spare && !state.single_use && segment.bytes >= self.spare_from {
                self.disk.rename(&path, &self.path.join(SPARE)).map_err(failed())?;
                state.spare = true;
            } else {
                self.disk.remove(&path).map_err(failed())?;
            }
            state.segments.remove(&number);
        }
        drop(state);
        if set_aside { disk::sync_folder(self.disk.as_ref(), &self.path) } else { Ok(()) }
    }

    /// Removes a segment in which nothing was written.
    pub fn remove(&self, number: u64) -> Result<(), StoreError> {
        let path = self.segment_path(number);
        self.disk.remove(&path).map_err(StoreError::io(format!("remove log segment {}", path.display())))?;
        self.state.lock().segments.remove(&number);
        Ok(())
    }

    /// Whether a spare should be made while segment `number` is written; says so once per segment, and not again before
    /// [`WalFolder::make_spare`] has ended.
    pub fn wants_spare(&self, number: u64, bytes: u64) -> bool {
        if bytes < self.spare_from {
            return false;
        }
        let mut state = self.state.lock();
        let wanted = !state.spare && !state.making_spare && state.spare_asked_at < number;
        state.spare_asked_at = state.spare_asked_at.max(number);
        state.making_spare |= wanted;
        wanted
    }

    /// Makes a spare filled with zeros, for the next segment, when [`WalFolder::wants_spare`] said so. Slow: not for the
    /// commit thread.
    pub fn make_spare(&self) -> Result<(), StoreError> {
        let (unfinished, spare) = (self.path.join(SPARE_UNFINISHED), self.path.join(SPARE));
        let made = self.fill(&unfinished, self.spare_bytes).and_then(|()| {
            let mut state = self.state.lock();
            if state.spare || self.closing.load(Ordering::Relaxed) {
                return self.disk.remove(&unfinished);
            }
            self.disk.rename(&unfinished, &spare)?;
            state.spare = true;
            Ok(())
        });
        if made.is_err() {
            // It may not have come so far that there is one.
            let _ = self.disk.remove(&unfinished);
        }
        self.gave_up_spare();
        made.map_err(StoreError::io(format!("prepare {}", spare.display())))
    }

    /// Whoever was told to make a spare does so no more.
    pub fn gave_up_spare(&self) {
        self.state.lock().making_spare = false;
    }

    /// Makes nothing ahead any more and removes what was.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.remove_spare();
    }

    /// Until this is taken back, no file is used again: one that is begun holds nothing of an earlier one, and one that is
    /// over is removed.
    pub fn set_single_use(&self, single_use: bool) {
        self.state.lock().single_use = single_use;
        if single_use {
            self.remove_spare();
        }
    }

    /// Gives the spare's room back, when nothing has been written for long.
    pub fn remove_spare(&self) {
        let mut state = self.state.lock();
        if std::mem::take(&mut state.spare)
            && let Err(error) = self.disk.remove(&self.path.join(SPARE))
        {
            tracing::warn!(%error, "cannot remove the log's spare file; the next start does");
        }
        state.spare_asked_at = 0;
    }

    /// Whether the disk takes a write of [`WAL_PROBE_BYTES`].
    pub fn probe(&self) -> io::Result<()> {
        let path = self.path.join(PROBE);
        let wrote = self.fill(&path, WAL_PROBE_BYTES);
        wrote.and(self.disk.remove(&path))
    }

    /// A file of zeros, on disk. Stops early when the log closes.
    fn fill(&self, path: &Path, bytes: u64) -> io::Result<()> {
        /// Written at a time, so that a commit never waits behind much.
        const STEP_BYTES: usize = 1024 * 1024;
        let zeros = vec![0; STEP_BYTES.min(usize::try_from(bytes).unwrap_or(STEP_BYTES))];
        let mut file = self.disk.create(path)?;
        for offset in (0..bytes).step_by(STEP_BYTES) {
            if self.closing.load(Ordering::Relaxed) {
                break;
            }
            file.write_at(offset, &mut [IoSlice::new(&zeros)])?;
            file.sync()?;
        }
        Ok(())
    }

    /// The file of a new segment, there after a crash: the spare, or a new one. Its number must be new.
    fn begin(&self, number: u64) -> Result<Box<dyn DiskFile>, Begin> {
        let path = self.segment_path(number);
        let mut state = self.state.lock();
        let file = if std::mem::take(&mut state.spare) {
            self.disk.rename(&self.path.join(SPARE), &path).and_then(|()| self.disk.open_to_write(&path))
        } else {
            self.disk.create(&path)
        };
        let file = file.map_err(Begin::Create)?;
        state.segments.insert(number, Segment { ours: true, ..Segment::default() });
        drop(state);
        self.disk.sync_folder(&self.path).map_err(Begin::Sync)?;
        Ok(file)
    }

    fn segment_path(&self, number: u64) -> PathBuf {
        self.path.join(format!("{number:016}.{SEGMENT_EXTENSION}"))
    }
}

/// Why a segment could not be begun.
enum Begin {
    Create(io::Error),
    Sync(io::Error),
}

fn segment_number(path: &Path) -> Option<u64> {
    if path.extension()? != SEGMENT_EXTENSION {
        return None;
    }
    path.file_stem()?.to_str()?.parse().ok()
}

/// Writes one segment. Its file is begun with the first record, so a store that is told nothing writes nothing.
pub(crate) struct WalWriter {
    number: u64,
    previous: Option<Previous>,
    file: Option<Box<dyn DiskFile>>,
    /// Of the file, on disk and acknowledged.
    bytes: u64,
    /// The file may hold more than that, of a write that failed.
    dirty: bool,
    /// Why nothing can be written any more.
    poison: Option<String>,
    headers: Vec<[u8; RECORD_HEADER_BYTES]>,
}

impl WalWriter {
    /// For a segment of a number that was never used, after `previous`.
    pub fn new(number: u64, previous: Option<Previous>) -> WalWriter {
        WalWriter { number, previous, file: None, bytes: 0, dirty: false, poison: None, headers: Vec::new() }
    }

    /// For the segment after this one, with the misfortune of this one.
    pub fn next(&self) -> WalWriter {
        let previous = Previous { number: self.number, durable: self.bytes };
        WalWriter { poison: self.poison.clone(), ..WalWriter::new(self.number + 1, Some(previous)) }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the segment so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether only a restart helps.
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_some()
    }

    /// Writes the records, each a payload in two pieces, with one write and waits for the disk. Durable when it returns; on
    /// error none of them counts.
    ///
    /// A write that fails is taken back, before the next one at the latest, and the next one may succeed. When the disk says
    /// that it could not sync, what is on it is unknown, and every later call fails: only a restart, which reads what is
    /// there, can tell.
    pub fn append<'p>(
        &mut self,
        folder: &WalFolder,
        payloads: impl ExactSizeIterator<Item = [&'p [u8]; 2]> + Clone,
    ) -> Result<(), StoreError> {
        if let Some(reason) = &self.poison {
            return Err(StoreError::Unavailable(reason.clone()));
        }
        if self.file.is_none() {
            self.begin(folder)?;
        }
        let Some(file) = &mut self.file else { return Err(StoreError::Unavailable("the log has no file".into())) };
        if self.dirty {
            file.set_bytes(self.bytes).map_err(|error| unwritten("take back a failed write to the log", &error))?;
            self.dirty = false;
        }
        let segment_header = record::encode_segment_header(self.number, self.previous);
        let segment_header = if self.bytes == 0 { segment_header.as_slice() } else { &[] };
        self.headers.clear();
        let mut end = self.bytes + segment_header.len() as u64;
        for payload in payloads.clone() {
            let bytes = payload[0].len() + payload[1].len();
            let too_large = StoreError::TooLarge { bytes, bytes_max: WAL_RECORD_BYTES_MAX };
            let (Ok(length), true) = (u32::try_from(bytes), bytes <= WAL_RECORD_BYTES_MAX) else { return Err(too_large) };
            let back = u32::try_from(end - self.bytes).map_err(|_| too_large)?;
            self.headers.push(RecordHeader::of(payload, length, back).encode(self.number, end));
            end += (RECORD_HEADER_BYTES + bytes) as u64;
        }
        let mut pieces = Vec::with_capacity(1 + 3 * self.headers.len());
        pieces.push(IoSlice::new(segment_header));
        for (header, [head, body]) in self.headers.iter().zip(payloads) {
            pieces.extend([header.as_slice(), head, body].map(IoSlice::new));
        }
        if let Err(error) = file.write_at(self.bytes, &mut pieces) {
            self.dirty = file.set_bytes(self.bytes).is_err();
            return Err(unwritten("write to the log", &error));
        }
        if let Err(error) = file.sync() {
            return Err(self.poisoned(format!("cannot sync the log: {error}; restart to go on")));
        }
        self.bytes = end;
        Ok(())
    }

    fn begin(&mut self, folder: &WalFolder) -> Result<(), StoreError> {
        match folder.begin(self.number) {
            Ok(file) => {
                self.file = Some(file);
                Ok(())
            }
            Err(Begin::Create(error)) => Err(unwritten("begin a segment of the log", &error)),
            Err(Begin::Sync(error)) if may_pass(&error) => Err(unwritten("sync the folder of the log", &error)),
            Err(Begin::Sync(error)) => {
                Err(self.poisoned(format!("cannot sync the folder of the log: {error}; restart to go on")))
            }
        }
    }

    fn poisoned(&mut self, reason: String) -> StoreError {
        tracing::error!(reason, "write-ahead log is unusable; nothing is accepted any more");
        self.poison = Some(reason.clone());
        StoreError::Unavailable(reason)
    }
}

fn unwritten(what: &str, error: &io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot {what}: {error}"))
}
