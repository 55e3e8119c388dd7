//! The folder of parts: how files in it are called, made durable and removed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::Signal;

use crate::disk::{self, Disk};
use crate::error::StoreError;

/// What a file is called until it is whole.
pub(crate) const TEMPORARY: &str = "tmp";
pub(crate) const PART: &str = "parquet";
/// The checksums of a part's blocks.
pub(crate) const CHECKSUMS: &str = "sums";
/// The token filters of a part of logs.
pub(crate) const TOKENS: &str = "tokens";

/// Files that lie beside a part and go with it.
const SIDECARS: [&str; 2] = [CHECKSUMS, TOKENS];

/// The folder of parts.
pub(crate) struct PartsFolder {
    pub path: PathBuf,
    pub disk: Arc<dyn Disk>,
}

impl PartsFolder {
    /// A path for a new part, relative to the folder.
    pub fn new_part(&self, project: &str, signal: Signal) -> String {
        format!("{}/{}/{}.{PART}", folder_name(project), signal.table(), uuid::Uuid::now_v7().simple())
    }

    /// Writes a whole file under a temporary name, syncs it and gives it its own. Its folder is not synced.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{TEMPORARY}"));
        let temporary = PathBuf::from(temporary);
        let wrote = disk::write(self.disk.as_ref(), &temporary, bytes).and_then(|()| self.disk.rename(&temporary, path));
        wrote.map_err(|error| {
            let _ = self.disk.remove(&temporary);
            StoreError::io(format!("write {}", path.display()))(error)
        })
    }

    /// Removes the file of a part and what lies beside it.
    pub fn remove_part(&self, path: &str) -> Result<(), StoreError> {
        let path = self.path.join(path);
        for extension in SIDECARS {
            let _ = self.disk.remove(&path.with_extension(extension));
        }
        match self.disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("remove {}", path.display()))(error))
            }
            _ => Ok(()),
        }
    }

    /// Makes the folder of a file, durable up to the folder of parts.
    pub fn make_folder(&self, file: &Path) -> Result<(), StoreError> {
        let Some(folder) = file.parent() else { return Ok(()) };
        if self.disk.is_folder(folder) {
            return Ok(());
        }
        self.disk.create_folder(folder).map_err(StoreError::io(format!("create folder {}", folder.display())))?;
        let parents = folder.ancestors().skip(1).take_while(|ancestor| ancestor.starts_with(&self.path));
        parents.into_iter().try_for_each(|parent| self.sync(parent))
    }

    /// Makes the names in a folder survive a crash.
    pub fn sync(&self, folder: &Path) -> Result<(), StoreError> {
        disk::sync_folder(self.disk.as_ref(), folder)
    }

    /// Removes every file that belongs to no part the catalog names: what flushes and compactions left that a crash cut off.
    pub fn remove_orphans(&self, known: &HashSet<String>) -> Result<usize, StoreError> {
        let mut removed = 0;
        let mut folders = vec![self.path.clone()];
        while let Some(current) = folders.pop() {
            let entries = self.disk.list(&current);
            for entry in entries.map_err(StoreError::io(format!("list folder {}", current.display())))? {
                let path = current.join(&entry.name);
                if entry.is_folder {
                    folders.push(path);
                } else if self.is_orphan(&path, known) {
                    self.disk.remove(&path).map_err(StoreError::io(format!("remove {}", path.display())))?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    fn is_orphan(&self, path: &Path, known: &HashSet<String>) -> bool {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if extension == TEMPORARY {
            return true;
        }
        let part = path.with_extension(PART);
        let name = part.strip_prefix(&self.path).unwrap_or(&part).to_string_lossy().replace('\\', "/");
        (extension == PART || SIDECARS.contains(&extension)) && !known.contains(&name)
    }
}

/// A project's name as a folder's: letters, digits and dashes as they are, every other byte as `_` and two hex digits.
pub(crate) fn folder_name(project: &str) -> String {
    let mut name = String::with_capacity(project.len());
    for byte in project.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("_{byte:02x}")),
        }
    }
    name
}

/// The project of a folder's name; nothing for a name that no project has.
pub(crate) fn project_of(folder_name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder_name.len());
    let mut rest = folder_name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'_' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_project() {
        for project in ["default", "a/b ü_..", "..", "_5f", ""] {
            assert_eq!(project_of(&folder_name(project)).as_deref(), Some(project));
        }
        assert_eq!(project_of("a_"), None);
    }
}
