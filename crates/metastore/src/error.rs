//! What can go wrong with the metastore, by what the caller can do about it.

#[derive(Debug, thiserror::Error)]
pub enum MetastoreError {
    #[error("{what} {name:?} does not exist")]
    NotFound { what: &'static str, name: String },
    #[error("{what} {name:?} already exists")]
    AlreadyExists { what: &'static str, name: String },
    #[error("there are {max} of {what} already, and no more fit")]
    TooMany { what: &'static str, max: u32 },
    #[error("{what} {name:?} cannot be removed")]
    Permanent { what: &'static str, name: String },
    /// Somebody else changed it meanwhile.
    #[error("{what} has revision {found}, expected {expected}")]
    OtherRevision { what: &'static str, expected: u64, found: u64 },
    #[error("retention of {0} days is not one of those offered")]
    InvalidRetention(u32),
    /// Another commit came in between; the caller's picture of the catalog is old.
    #[error("flushed position is {found}, expected {expected}")]
    Conflict { expected: u64, found: u64 },
    /// Somebody else replaced the part meanwhile; what was made of it is of no use.
    #[error("part {id} is not visible any more")]
    PartEnded { id: u64 },
    /// The database was written by a later release.
    #[error("database has schema version {found}, this release knows up to {known}")]
    NewerSchema { found: i64, known: i64 },
    #[error("cannot read {what} from the database: found {found:?}")]
    Unreadable { what: &'static str, found: String },
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}
