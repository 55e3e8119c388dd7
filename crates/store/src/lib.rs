//! Keeps rows: model -> write-ahead log -> Arrow in memory -> Parquet parts, and gives consistent snapshots of both.
//!
//! [`Store::append`] returns when its rows are on disk (`fdatasync`) and visible; [`Store::snapshot`] is a cut in which every
//! row is exactly once, whether it is in memory or in a part. The parts catalog lives in the metastore.
//! This crate runs no queries, decodes no protocol and knows no socket.

mod attribute_columns;
mod catalog;
mod checksums;
mod clock;
mod coding;
pub mod columns;
mod commit;
mod compaction;
mod deletion;
mod disk;
mod error;
mod flush;
mod flush_steps;
mod gathering;
mod limits;
mod lock;
mod long_words;
mod memory;
mod one_buffer;
mod part_columns;
mod part_writer;
mod parts_folder;
mod parts_reader;
mod payload;
mod publish;
mod recovery;
mod registry;
mod retention;
mod rewrite;
mod row_buffer;
mod run;
mod schemas;
#[cfg(test)]
mod simulation;
mod snapshot;
mod store;
mod tasks;
mod token_filter;
mod tokens;
mod trace_index;
mod traces;
mod transfer;
mod wal;

pub use clock::Clock;
pub use error::StoreError;
pub use payload::Payload;
pub use row_buffer::{RowBuffer, RowContext};
pub use snapshot::{Part, PartInfo, Snapshot, TimeRange};
pub use store::{Store, StoreOptions, StoreStats};
pub use token_filter::{TOKEN_COLUMNS, TokenFilters};
pub use tokens::{token_hash, tokens};
pub use traces::{TracePart, TraceParts};
pub use transfer::{ExportRange, ImportOutcome, MANIFEST, Manifest, ManifestFile};
pub use wal::inspect;
