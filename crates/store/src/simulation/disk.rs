//! A disk in memory that behaves as badly as a real one may.
//!
//! What was written and not synced is lost at a crash, or some of it: sectors of a write in any combination, the length of a
//! file or not, the changes of a folder's names up to any one of them (journals keep their order). A sync that fails may
//! have kept some, and forgets that the rest was ever to be written, as kernels do. A write on a full disk writes a piece of
//! what it was given.

use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::random::Random;
use crate::disk::{Disk, DiskEntry, DiskFile};
use crate::error::StoreError;

/// What a disk writes as one.
const SECTOR_BYTES: usize = 512;

/// What goes wrong, from now on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// No file grows any more.
    pub full: bool,
    pub read_only: bool,
    /// The next sync of a file fails, once.
    pub sync_fails: bool,
    /// The power goes at the operation of this number; see [`SimulatedDisk::operations`].
    pub crash_at: Option<u64>,
    /// What the disk says and does not do, for seeing whether that would be noticed.
    pub lie: Lie,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lie {
    #[default]
    None,
    /// Syncs of files do nothing.
    FileSync,
    /// Syncs of folders do nothing.
    FolderSync,
}

#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    random: Random,
    faults: Faults,
    operations: u64,
    /// Counts the times the power went: a file opened before is of no use.
    boots: u64,
    off: bool,
    files: Vec<File>,
    folders: BTreeMap<PathBuf, Folder>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

#[derive(Default)]
struct Folder {
    durable: BTreeMap<OsString, Entry>,
    current: BTreeMap<OsString, Entry>,
    unsynced: Vec<(OsString, Option<Entry>, Option<OsString>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    File(usize),
    Folder,
}

impl SimulatedDisk {
    pub fn new(random: Random) -> SimulatedDisk {
        let mut folders = BTreeMap::new();
        folders.insert(PathBuf::from("/"), Folder::default());
        let state = State { random, faults: Faults::default(), operations: 0, boots: 0, off: false, files: Vec::new(), folders };
        SimulatedDisk(Arc::new(Mutex::new(state)))
    }

    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    pub fn faults(&self) -> Faults {
        self.0.lock().faults
    }

    /// How many operations there were that a crash can come before.
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    pub fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// Turns the power off and on: what was not synced is gone, or some of it.
    pub fn crash(&self) {
        let state = &mut *self.0.lock();
        for file in &mut state.files {
            keep_some(&mut state.random, file);
            file.current.clone_from(&file.durable);
        }
        for folder in state.folders.values_mut() {
            let kept = state.random.below(folder.unsynced.len() as u64 + 1) as usize;
            for (name, entry, was) in folder.unsynced.drain(..).take(kept) {
                apply(&mut folder.durable, name, entry, was);
            }
            folder.current.clone_from(&folder.durable);
        }
        // A folder whose name is not on disk is gone with all it holds. Those above come first.
        let mut kept: BTreeMap<PathBuf, Folder> = BTreeMap::new();
        for (path, folder) in std::mem::take(&mut state.folders) {
            let above = path.parent().zip(path.file_name());
            if above.is_none_or(|(above, name)| kept.get(above).is_some_and(|above| above.current.contains_key(name))) {
                kept.insert(path, folder);
            }
        }
        state.folders = kept;
        // Files that have no name are no more.
        let named: std::collections::HashSet<usize> = state
            .folders
            .values()
            .flat_map(|folder| folder.current.values())
            .filter_map(|entry| match entry {
                Entry::File(file) => Some(*file),
                Entry::Folder => None,
            })
            .collect();
        for (number, file) in state.files.iter_mut().enumerate() {
            if !named.contains(&number) {
                *file = File::default();
            }
        }
        state.faults.crash_at = None;
        state.off = false;
        state.boots += 1;
    }

    /// Ends the process that uses it, without loss: what was written is with the kernel.
    pub fn kill(&self) {
        self.0.lock().boots += 1;
    }

    /// The bytes of a file as they are now.
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.0.lock();
        Some(state.files[state.find(path)?].current.clone())
    }

    /// Changes a file behind everybody's back, as age does.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let state = &mut *self.0.lock();
        let file = state.find(path).unwrap();
        change(&mut state.files[file].current);
        state.files[file].durable = state.files[file].current.clone();
        state.files[file].unsynced.clear();
    }

    pub fn names(&self, folder: &Path) -> Vec<String> {
        let state = self.0.lock();
        state.folders[folder].current.keys().map(|name| name.to_str().unwrap().to_owned()).collect()
    }
}

/// Puts some of what was not synced on disk.
fn keep_some(random: &mut Random, file: &mut File) {
    let manner = random.below(4);
    let last = file.unsynced.len().saturating_sub(1);
    for (number, change) in file.unsynced.drain(..).enumerate() {
        let keep = |random: &mut Random| match manner {
            0 => false,
            1 => true,
            // All but what was under way.
            2 => number < last || random.chance(1, 2),
            _ => random.chance(1, 2),
        };
        match change {
            Change::Length(bytes) => {
                if keep(random) {
                    file.durable.resize(bytes, 0);
                }
            }
            Change::Write(offset, bytes) => {
                let mut from = 0;
                while from < bytes.len() {
                    let sector_end = ((offset + from) / SECTOR_BYTES + 1) * SECTOR_BYTES;
                    let to = (sector_end - offset).min(bytes.len());
                    if keep(random) {
                        overwrite(&mut file.durable, offset + from, &bytes[from..to]);
                    }
                    from = to;
                }
            }
        }
    }
}

fn overwrite(bytes: &mut Vec<u8>, offset: usize, with: &[u8]) {
    if bytes.len() < offset + with.len() {
        bytes.resize(offset + with.len(), 0);
    }
    bytes[offset..offset + with.len()].copy_from_slice(with);
}

fn apply(names: &mut BTreeMap<OsString, Entry>, name: OsString, entry: Option<Entry>, was: Option<OsString>) {
    if let Some(was) = was {
        names.remove(&was);
    }
    match entry {
        Some(entry) => names.insert(name, entry),
        None => names.remove(&name),
    };
}

impl State {
    /// Every call that may change or keep something passes here; the power may go at it.
    fn operation(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.faults.crash_at.is_some_and(|at| self.operations >= at) {
            self.off = true;
        }
        self.is_on()
    }

    fn is_on(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn may_change(&mut self) -> io::Result<()> {
        self.operation()?;
        if self.faults.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        match self.folders.get(path.parent()?)?.current.get(path.file_name()?)? {
            Entry::File(file) => Some(*file),
            Entry::Folder => None,
        }
    }

    fn found(&self, path: &Path) -> io::Result<usize> {
        self.find(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn name(&mut self, path: &Path, entry: Option<Entry>, was: Option<&Path>) -> io::Result<()> {
        let (folder, name) = split(path)?;
        let was = was.map(|was| split(was).map(|(_, name)| name)).transpose()?;
        let folder = self.folders.get_mut(folder).ok_or(io::ErrorKind::NotFound)?;
        apply(&mut folder.current, name.clone(), entry, was.clone());
        folder.unsynced.push((name, entry, was));
        Ok(())
    }
}

fn split(path: &Path) -> io::Result<(&Path, OsString)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(io::ErrorKind::InvalidInput.into()) };
    Ok((folder, name.to_owned()))
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = &mut *self.0.lock();
        state.may_change()?;
        let file = match state.find(path) {
            Some(file) => {
                state.files[file].current.clear();
                state.files[file].unsynced.push(Change::Length(0));
                file
            }
            None if state.faults.full && state.random.chance(1, 2) => return Err(io::ErrorKind::StorageFull.into()),
            None => {
                let file = state.files.len();
                state.files.push(File::default());
                state.name(path, Some(Entry::File(file)), None)?;
                file
            }
        };
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, boot: state.boots }))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = &mut *self.0.lock();
        state.may_change()?;
        let file = state.found(path)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, boot: state.boots }))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let state = self.0.lock();
        state.is_on()?;
        let file = state.found(path)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), file, boot: state.boots }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock();
        state.may_change()?;
        assert_eq!(from.parent(), to.parent(), "only names within a folder change");
        let file = state.found(from)?;
        state.name(to, Some(Entry::File(file)), Some(from))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock();
        state.may_change()?;
        state.found(path)?;
        state.name(path, None, None)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock();
        let mut missing: Vec<&Path> = path.ancestors().take_while(|above| !state.folders.contains_key(*above)).collect();
        while let Some(path) = missing.pop() {
            state.may_change()?;
            state.folders.insert(path.to_owned(), Folder::default());
            state.name(path, Some(Entry::Folder), None)?;
        }
        state.is_on()
    }

    fn is_folder(&self, path: &Path) -> bool {
        self.0.lock().folders.contains_key(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        let state = self.0.lock();
        state.is_on()?;
        let folder = state.folders.get(path).ok_or(io::ErrorKind::NotFound)?;
        let entry = |(name, entry): (&OsString, &Entry)| DiskEntry { name: name.clone(), is_folder: *entry == Entry::Folder };
        Ok(folder.current.iter().map(entry).collect())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let state = &mut *self.0.lock();
        state.operation()?;
        if state.faults.lie == Lie::FolderSync {
            return Ok(());
        }
        let folder = state.folders.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
        folder.unsynced.clear();
        folder.durable.clone_from(&folder.current);
        Ok(())
    }

    fn syncs(&self) -> bool {
        true
    }

    fn touch(&self) -> Result<(), StoreError> {
        self.0.lock().operation().map_err(StoreError::io("use the disk"))
    }

    fn lock(&self, _: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        Ok(Some(Box::new(())))
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
    boot: u64,
}

impl SimulatedFile {
    fn check(&self, state: &State) -> io::Result<()> {
        if state.boots == self.boot { state.is_on() } else { Err(io::Error::other("opened before the power went")) }
    }
}

impl DiskFile for SimulatedFile {
    fn bytes(&self) -> io::Result<u64> {
        let state = self.disk.0.lock();
        self.check(&state)?;
        Ok(state.files[self.file].current.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.0.lock();
        self.check(&state)?;
        let content = &state.files[self.file].current;
        let rest = content.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_at(&mut self, offset: u64, pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
        let state = &mut *self.disk.0.lock();
        self.check(state)?;
        let mut bytes = Vec::new();
        pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
        let mut outcome = state.may_change();
        if state.off && self.boot == state.boots {
            // The power goes in the middle of it.
            let written = state.random.below(bytes.len() as u64 + 1) as usize;
            bytes.truncate(written);
        } else if outcome.is_err() {
            return outcome;
        }
        let file = &mut state.files[self.file];
        let offset = offset as usize;
        if state.faults.full && offset + bytes.len() > file.current.len() {
            let whole = bytes.len() as u64;
            bytes.truncate(state.random.below(whole) as usize);
            outcome = Err(io::ErrorKind::StorageFull.into());
        }
        overwrite(&mut file.current, offset, &bytes);
        file.unsynced.push(Change::Write(offset, bytes));
        outcome
    }

    fn set_bytes(&mut self, bytes: u64) -> io::Result<()> {
        let state = &mut *self.disk.0.lock();
        self.check(state)?;
        state.may_change()?;
        let file = &mut state.files[self.file];
        file.current.resize(bytes as usize, 0);
        file.unsynced.push(Change::Length(bytes as usize));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let state = &mut *self.disk.0.lock();
        self.check(state)?;
        state.operation()?;
        let file = &mut state.files[self.file];
        if std::mem::take(&mut state.faults.sync_fails) {
            keep_some(&mut state.random, file);
            return Err(io::Error::other("the disk is gone"));
        }
        if state.faults.lie == Lie::FileSync {
            return Ok(());
        }
        for change in file.unsynced.drain(..) {
            match change {
                Change::Write(offset, bytes) => overwrite(&mut file.durable, offset, &bytes),
                Change::Length(bytes) => file.durable.resize(bytes, 0),
            }
        }
        Ok(())
    }
}
