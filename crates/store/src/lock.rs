//! One process at a time holds a data folder: two would write the same segments.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::StoreError;

/// Held until dropped, or until the process ends in whatever way.
pub(crate) struct FolderLock {
    file: File,
}

impl FolderLock {
    /// Refuses: a folder that another store holds, in this process or another.
    pub fn take(data_dir: &Path) -> Result<FolderLock, StoreError> {
        let path = data_dir.join("lock");
        let failed = || StoreError::io(format!("lock {}", path.display()));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed())?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock { file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(data_dir.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed()(error)),
        }
    }
}

impl Drop for FolderLock {
    /// Closing the file alone would leave it locked for as long as a child process, started meanwhile, has it too.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::warn!(%error, "cannot unlock the data folder; it is free when this process ends");
        }
    }
}
