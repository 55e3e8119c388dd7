//! The disk as the store sees it: few verbs, so that a test can put one in its place that fails, tears and forgets.
//!
//! A call is an indirect one and each moves many bytes, which costs nothing measurable. What is durable when:
//! [`DiskFile::sync`] keeps a file's bytes and length, [`Disk::sync_folder`] keeps the names in a folder; without them a
//! crash may lose either.

use std::any::Any;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::StoreError;

pub(crate) trait Disk: Send + Sync {
    /// A new file to write; one of that name is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there, to write.
    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there, to read.
    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in place of what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the folder and those above it; one that is there is as good.
    fn create_folder(&self, path: &Path) -> io::Result<()>;
    fn is_folder(&self, path: &Path) -> bool;
    /// What a folder holds, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>>;
    /// Makes the names in a folder survive a crash.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Whether a sync waits at all.
    fn syncs(&self) -> bool;
    /// Something happens elsewhere, at which the power may go.
    #[cfg(test)]
    fn touch(&self) -> Result<(), StoreError> {
        Ok(())
    }
    /// Takes the file's lock, making the file where missing; `None` when somebody else has it. Held until dropped.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>>;
}

/// An open file. Dropping it closes it and keeps nothing that was not synced.
pub(crate) trait DiskFile: Send + Sync {
    fn bytes(&self) -> io::Result<u64>;
    /// Reads from `offset` on until the buffer is full or the file ends; returns how many bytes were read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes the pieces, one after the other, from `offset` on. On error any part of them may have been written.
    fn write_at(&mut self, offset: u64, pieces: &mut [IoSlice<'_>]) -> io::Result<()>;
    fn set_bytes(&mut self, bytes: u64) -> io::Result<()>;
    /// Returns when the bytes and the length are on disk.
    fn sync(&mut self) -> io::Result<()>;
}

pub(crate) struct DiskEntry {
    pub name: OsString,
    pub is_folder: bool,
}

/// Whether it only lacks room, or leave to write: nothing is wrong with what is there, and it may pass.
pub(crate) fn may_pass(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::PermissionDenied
    )
}

/// Makes the names in a folder of the real disk survive a crash: those of files that are copies, for others to read.
pub(crate) fn sync_real_folder(path: &Path, fsync: bool) -> Result<(), StoreError> {
    sync_folder(&RealDisk { fsync }, path)
}

/// The whole of a file.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open_to_read(path)?;
    let mut bytes = vec![0; usize::try_from(file.bytes()?).unwrap_or(usize::MAX)];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// A new file of these bytes; they are on disk, its name not yet.
pub(crate) fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.create(path)?;
    file.write_at(0, &mut [IoSlice::new(bytes)])?;
    file.sync()
}

/// Makes the names in a folder survive a crash.
pub(crate) fn sync_folder(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    disk.sync_folder(path).map_err(StoreError::io(format!("sync folder {}", path.display())))
}

/// The machine's own.
pub(crate) struct RealDisk {
    /// Whether to wait for it. False only in tests.
    pub fsync: bool,
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(RealFile { file, at: 0, fsync: self.fsync }))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(RealFile { file, at: 0, fsync: self.fsync }))
    }

    fn open_to_read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile { file: File::open(path)?, at: 0, fsync: self.fsync }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            Ok(DiskEntry { is_folder: entry.file_type()?.is_dir(), name: entry.file_name() })
        };
        fs::read_dir(path)?.map(entry).collect()
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        if self.fsync { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn syncs(&self) -> bool {
        self.fsync
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Any + Send + Sync>>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(RealLock(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

struct RealFile {
    file: File,
    /// Where the file's own cursor stands.
    at: u64,
    fsync: bool,
}

impl DiskFile for RealFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.file.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, offset: u64, mut pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
        if self.at != offset {
            self.at = self.file.seek(SeekFrom::Start(offset))?;
        }
        IoSlice::advance_slices(&mut pieces, 0);
        while !pieces.is_empty() {
            match self.file.write_vectored(pieces) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.at += bytes as u64;
                    IoSlice::advance_slices(&mut pieces, bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_bytes(&mut self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.fsync { self.file.sync_data() } else { Ok(()) }
    }
}

struct RealLock(File);

impl Drop for RealLock {
    /// Closing the file alone would leave it locked for as long as a child process, started meanwhile, has it too.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "cannot unlock the data folder; it is free when this process ends");
        }
    }
}

/// Writes a file from its beginning.
pub(crate) struct FileWriter {
    file: Box<dyn DiskFile>,
    bytes: u64,
}

impl FileWriter {
    pub fn new(file: Box<dyn DiskFile>) -> FileWriter {
        FileWriter { file, bytes: 0 }
    }

    /// Waits for the disk and returns how many bytes were written.
    pub fn finish(mut self) -> io::Result<u64> {
        self.file.sync()?;
        Ok(self.bytes)
    }
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.bytes, &mut [IoSlice::new(bytes)])?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
