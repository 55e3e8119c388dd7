//! What can go wrong with the store, by what the caller can do about it.

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// More rows wait in memory than the limit allows; the sender should come back.
    #[error("too many rows are waiting to be written; try again in {retry_after_seconds} s")]
    Busy { retry_after_seconds: u32 },
    /// Nothing can be kept now: the disk failed, is full, or the store is shutting down.
    #[error("store is unavailable: {0}")]
    Unavailable(String),
    /// Something on disk is not what was written.
    #[error("data on disk is damaged: {0}")]
    Corrupt(String),
    /// Another process holds the folder.
    #[error("data folder {0} is in use by another process")]
    Locked(String),
    /// The parts on disk belong to another catalog.
    #[error("parts in {0} belong to another catalog; the metastore is missing or was replaced")]
    Foreign(String),
    /// One request holds more than a buffer takes.
    #[error("request holds {bytes} bytes of rows, more than the {bytes_max} one request may hold")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("cannot use {0:?} as a project: expected 1 to 64 bytes")]
    InvalidProject(String),
    #[error("cannot export to {0}: expected an empty folder")]
    NotEmpty(String),
    /// A file that is no rows of ours, or a folder that cannot hold them.
    #[error("cannot import {0}")]
    NotImportable(String),
    /// A deletion that cannot be done as it stands.
    #[error("cannot delete: {0}")]
    InvalidDeletion(String),
    #[error("metastore: {0}")]
    Metastore(#[from] metastore::MetastoreError),
    #[error("cannot {what}: {source}")]
    Io { what: String, source: std::io::Error },
    /// Ours to mend.
    #[error("columns: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Ours to mend, or a part is damaged.
    #[error("part: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

impl StoreError {
    /// For `map_err`: names what could not be done, and to which file.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> StoreError {
        let what = what.into();
        move |source| StoreError::Io { what, source }
    }
}
