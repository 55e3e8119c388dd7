//! The files that people write, found by walking the tree: no git needed, so it works in an unpacked archive.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no one's handwriting: what tools make, and what was recorded from others.
const SKIPPED_FOLDERS: &[&str] =
    &[".git", ".venv", "__pycache__", "data", "dist", "fixtures", "node_modules", "target", "test-results"];

/// A file, with its path as people write it: from the root of the project, with `/`.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// The root of the project. Tests run in the folder of their package, wherever they were built: two checkouts may share
/// what they build.
pub fn root() -> PathBuf {
    let above = Path::new("../..");
    above.canonicalize().unwrap_or_else(|_| above.to_path_buf())
}

/// Every text file whose name ends in one of `endings`, sorted by path. Files that are not UTF-8 are left out.
pub fn files(endings: &[&str]) -> Vec<SourceFile> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if kind.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
                let Ok(text) = fs::read_to_string(&path) else { continue };
                let from_root = path.strip_prefix(&root).unwrap_or(&path);
                found.push(SourceFile { path: from_root.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}
