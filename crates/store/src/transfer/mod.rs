//! Rows out to a folder of Parquet files, and in from one: for moving, archiving, and bringing data of one's own.
//!
//! An export is the files and a manifest, which is written last: a folder without one is no export, but may still be
//! imported, file by file. A file is known by its contents: importing it again changes nothing.

mod conform;
mod export;
mod import;
mod manifest;

pub use export::ExportRange;
pub use import::ImportOutcome;
pub use manifest::{MANIFEST, Manifest, ManifestFile};

use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// Bytes read at once for a checksum.
const READ_BYTES: usize = 256 * 1024;

/// SHA-256 of a file, in hex, and its bytes.
fn sha256_of(path: &Path) -> Result<(String, u64), StoreError> {
    let failed = || StoreError::io(format!("read {}", path.display()));
    let mut file = File::open(path).map_err(failed())?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; READ_BYTES];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut chunk).map_err(failed())?;
        if read == 0 {
            let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok((hex, bytes));
        }
        hash.update(&chunk[..read]);
        bytes += read as u64;
    }
}
