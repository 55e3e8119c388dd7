//! One process at a time holds a data folder: two would write the same segments.

use std::any::Any;
use std::path::Path;

use crate::disk::Disk;
use crate::error::StoreError;

/// Held until dropped, or until the process ends in whatever way.
pub(crate) struct FolderLock {
    _file: Box<dyn Any + Send + Sync>,
}

impl FolderLock {
    /// Refuses: a folder that another store holds, in this process or another.
    pub fn take(disk: &dyn Disk, data_dir: &Path) -> Result<FolderLock, StoreError> {
        let path = data_dir.join("lock");
        match disk.lock(&path).map_err(StoreError::io(format!("lock {}", path.display())))? {
            Some(file) => Ok(FolderLock { _file: file }),
            None => Err(StoreError::Locked(data_dir.display().to_string())),
        }
    }
}
