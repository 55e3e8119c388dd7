//! Every limit of the store, with its unit and its reason.

use std::time::Duration;

/// Attribute columns of one request's buffer and of one part. Wider files cost more in the footer than columns save; the
/// rest goes to `attributes_rest`.
pub const ATTRIBUTE_COLUMNS_MAX: usize = 1_000;

/// Attribute columns of one project's table. Keys beyond it go to `attributes_rest` at once, so that a sender who makes
/// keys of ids does not make every plan slow.
pub const TABLE_ATTRIBUTE_COLUMNS_MAX: usize = 5_000;

/// Row bytes of one request. Far above any body a receiver accepts, far below the 2 GiB an Arrow text column can address.
pub const ROW_BUFFER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Resources of one request with which the next is compared. A daemon's batch is of a few dozen services at most; beyond that
/// each is made ready anew.
pub const RESOURCES_KNOWN_MAX: usize = 64;

/// Rows of a row group: small enough to prune by time and service, large enough to compress (measured).
pub const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Memory bytes that go into one fresh part; more makes several, so that no column outgrows an Arrow array.
pub const PART_MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Rows from which a chunk of memory is left alone: what an engine likes as a batch.
pub const CHUNK_ROWS_MAX: usize = 8 * 1024;

/// Bytes from which a chunk of memory is left alone: copying more would hold up the next commit.
pub const CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Chunks of like size that are merged into one. A merge costs most for each column, however few rows there are: with
/// thirty-two a row is copied three times at most, and a table has at most 70 small chunks.
pub const CHUNK_FAN: usize = 32;

/// Appends that may wait for the disk; one commit takes them all, so more would mean a disk that stands still.
pub const COMMIT_QUEUE_MAX: usize = 4_096;

/// Bytes of one group commit. Beyond it the disk's throughput, not its latency, is what a sender waits for.
pub const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Schemas of batches that are remembered, a few kilobytes each. Senders whose columns differ each time fill it in vain.
pub const SCHEMAS_KEPT_MAX: usize = 1_000;

/// Rows of a chunk up to which its columns share a buffer. Of more rows the columns' own buffers are large enough.
pub const ONE_BUFFER_ROWS_MAX: usize = 16;

/// Schemas of a table's batches that are known to bring no new column, told apart by their address, one after the other.
pub const SCHEMAS_ADMITTED_MAX: usize = 32;

/// Bytes of an append from which a commit does not wait for others: its own work outweighs the disk's.
pub const GATHERING_BYTES_MAX: usize = 32 * 1024;

/// How long a commit waits for senders at most, however slow the disk is: nobody should feel it.
pub const GATHERING_MAX: Duration = Duration::from_millis(1);

/// Bytes of one record of the write-ahead log: no body is near it, so a larger length is damage.
pub const WAL_RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of a segment of the write-ahead log that force a flush, however few rows they made.
pub const WAL_SEGMENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of a segment of the write-ahead log from which its file is worth keeping as the next one's, and from which a spare
/// is made: a store that is told little holds no file ready.
pub const WAL_SPARE_FROM_BYTES: u64 = 256 * 1024;

/// Bytes of a spare that is made ahead. Segments that outgrow it grow as any file does; from then on their own files, of the
/// size they need, are used again.
pub const WAL_SPARE_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes written to see whether a disk that was full takes writes again: a few requests' worth.
pub const WAL_PROBE_BYTES: u64 = 1024 * 1024;

/// Bytes of a project's name: it is a folder's name, up to three times as long when encoded.
pub const PROJECT_BYTES_MAX: usize = 64;

/// When a sender should come back: by then a flush has ended.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// How long a shutdown may spend on writing parts; what is not written is replayed from the log at the next start.
pub const SHUTDOWN_FLUSH_MAX: Duration = Duration::from_millis(500);

/// How long after a failed flush the next is tried.
pub const FLUSH_RETRY: Duration = Duration::from_secs(1);

/// Part files held open: each takes a file descriptor, of which a process has a thousand or so, and its checksums.
pub const OPEN_PARTS_MAX: usize = 256;

/// Bytes between two ranges of a part that are read together with them: copying them costs less than a second read.
pub const READ_GAP_BYTES_MAX: u64 = 64 * 1024;

/// Runs of the trace index of like size that are merged into one: with eight a lookup in a thousand million traces asks some
/// forty runs, and an entry is copied five times.
pub const INDEX_RUN_FAN: usize = 8;

/// Parts of like size that are merged into one: with ten a row is rewritten two or three times on its way into a large part,
/// and a day has a few dozen parts at most.
pub const COMPACTION_FAN: usize = 10;

/// Parts of one merge: each has its footer in memory, and some of its rows if they overlap in time.
pub const COMPACTION_PARTS_MAX: usize = 64;

/// Bytes of a part that is not merged further: large enough to be one of few, small enough to be rewritten for the sake of
/// some rows, and in seconds.
pub const COMPACTED_PART_BYTES: u64 = 256 * 1024 * 1024;

/// Rows of such a part; rows that take next to nothing would make it slow to rewrite.
pub const COMPACTED_PART_ROWS: u64 = 16 * 1024 * 1024;

/// Rows from which a day's rows are worth a part of their own; stray ones of many days are better off together.
pub const DAY_PART_ROWS_MIN: u64 = 64 * 1024;

/// Rows of one nanosecond that are looked at together for duplicates. A sender without a clock makes more; then some stay.
pub const TIED_ROWS_MAX: usize = 128 * 1024;

/// Provisional spans of one merge that are held in memory until their complete ones are found; about 48 bytes each.
pub const PROVISIONAL_SPANS_MAX: usize = 1_000_000;

/// How often the background looks for parts to put together.
pub const COMPACTION_LOOK: Duration = Duration::from_secs(2);

/// How long after a failed compaction the next is tried.
pub const COMPACTION_RETRY: Duration = Duration::from_secs(30);

/// Rows a second from which ingest counts as busy, and compaction keeps to its share of a core.
pub const BUSY_ROWS_PER_SECOND: f64 = 1_000.0;

/// How often the published tables are compared with the catalog, which costs nothing when it has not changed.
pub const PUBLISH_INTERVAL: Duration = Duration::from_secs(10);

/// How long after it was written a fresh part is published although nothing was made of it: a store that takes in little has
/// nothing to compact.
pub const FRESH_PART_PUBLISHED_AFTER: Duration = Duration::from_secs(10 * 60);

/// How long a published file stays after a later version of its table removed it: as long as a query of another program may
/// take that began with the version before. Its rows take disk space until then.
pub const REMOVED_FILES_KEPT: Duration = Duration::from_secs(5 * 60);

/// Versions of a published table between two checkpoints of its log; a reader goes through at most so many, and the log
/// keeps at most twice as many.
pub const CHECKPOINT_VERSIONS: i64 = 50;

/// Rows of one exported file: a few hundred megabytes at most, which every tool opens.
pub const EXPORT_FILE_ROWS: usize = 1_000_000;

/// Rows of an imported file that become one part: they are sorted in memory.
pub const IMPORT_PART_ROWS: usize = 4 * ROW_GROUP_ROWS;

/// Bytes in memory of such rows, for files with long ones.
pub const IMPORT_PART_BYTES: usize = 256 * 1024 * 1024;

/// How often retention looks whether anything is due: far below the hour that its windows have.
pub const RETENTION_INTERVAL: Duration = Duration::from_secs(600);

/// How long after the start retention looks for the first time; a start has better things to do.
pub const RETENTION_FIRST: Duration = Duration::from_secs(60);

/// The share of one core that retention takes at most, so that ingest does not notice it.
pub const RETENTION_CPU_SHARE: f64 = 0.25;

/// A budget that is exceeded is met with so much to spare, so that retention does not begin again with the next part.
pub const RETENTION_TARGET_SHARE: f64 = 0.9;

/// A part that is past its age only at its old end is left until it is so as a whole, unless its oldest row is by this much
/// older: then it is rewritten. A day of slack for parts that hold at most a day.
pub const RETENTION_SLACK_NANOS: i64 = 24 * 3_600 * 1_000_000_000;

/// The smallest time that is thinned at once, in nanoseconds.
pub const RETENTION_WINDOW_NANOS: i64 = 3_600 * 1_000_000_000;

/// The greatest: a day says what is usual for a route, and keeps the temporary space and what must be remembered small.
pub const RETENTION_STEP_NANOS: i64 = 24 * RETENTION_WINDOW_NANOS;

/// Windows younger than this stay as they are: their traces are still coming in.
pub const RETENTION_YOUNG_NANOS: i64 = 3_600 * 1_000_000_000;

/// Rows of a trace that come up to this much after its first are decided with it, even over the edge of a window.
pub const TRACE_SPREAD_NANOS: i64 = 10 * 60 * 1_000_000_000;

/// Windows over which the bytes of one part are spread; a part of more hours is a stray, and counts where it ends.
pub const PART_WINDOWS_MAX: i64 = 10_000;

/// Parts of which the log groups are remembered between runs of retention.
pub const PART_LOG_GROUPS_MAX: usize = 20_000;

/// How often a deletion that did not come through is tried again, and the files of done ones are looked after.
pub const DELETION_INTERVAL: Duration = Duration::from_secs(60);
pub const ERASURE_INTERVAL: Duration = Duration::from_secs(1);

/// What one commit of a deletion replaces at most: after a crash no more than this is done again.
pub const DELETION_COMMIT_PARTS_MAX: usize = 64;
pub const DELETION_COMMIT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Different values of a column that are held as codes while parts are written; beyond, the column is left as it is.
pub const CODED_VALUES_MAX: usize = 512 * 1024;

/// Bytes of such values: of a few columns at most, as most have few.
pub const CODED_BYTES_MAX: usize = 16 * 1024 * 1024;
