//! Limits of questions, with their reasons.

use std::time::Duration;

/// Memory all running questions share; beyond it sorts and groupings spill to disk or the question is refused.
/// Half a gigabyte leaves ingest its room on the smallest machine we name (2 GB).
pub const QUERY_MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Bytes that sorts and groupings of all running questions may put on disk when memory is full. Beyond it they are refused:
/// the disk is there for telemetry.
pub const QUERY_SPILL_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// A sort keeps one part in so many of all memory back for merging.
pub const SORT_MERGE_SHARE: usize = 16;

/// Memory for footers and page indexes of parts between questions: those of some thousand fresh parts, or of a hundred
/// million compacted rows. The least recently used go first.
pub const FOOTER_CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Damaged parts that one question may run into and go on without; beyond that the disk is at fault, and the answer is.
pub const DAMAGED_PARTS_PER_QUESTION_MAX: usize = 16;

/// Names in one question that are looked for in `attributes_rest`; as many as a statement's operators in a row, and more.
pub const REST_NAMES_MAX: usize = 1_000;

/// Keys without a column that the list of attributes tells; a list nobody could read to its end.
pub const REST_KEYS_TOLD_MAX: usize = 100_000;

/// Events of a streamed answer that wait for its reader; then the work waits too.
pub const STREAM_EVENTS_QUEUED_MAX: usize = 8;

/// Of 100; 50 is what threads have. On Linux it is a niceness of 9, an eighth of the usual weight.
pub const QUERY_THREAD_PRIORITY: u8 = 25;

/// A question that runs longer has lost its asker.
pub const QUERY_TIME_MAX: Duration = Duration::from_secs(30);

/// Rows of a SQL answer unless the caller asks for fewer; a page cannot show more, exports have their own way.
pub const SQL_ROWS_MAX: usize = 100_000;

/// Spans of one trace that are answered; nearest the root first matters little at this size, the page says so.
pub const TRACE_SPANS_MAX: usize = 20_000;

/// Log lines of one trace that are answered.
pub const TRACE_LOGS_MAX: usize = 10_000;

/// Rows of one page of any list.
pub const PAGE_ROWS_MAX: usize = 1_000;

/// Points of one chart: more than a wide screen has pixels for bars.
pub const CHART_BUCKETS_MAX: i64 = 240;

/// Exact links followed from one trace to others: one request has one trace per tracer.
pub const LINKED_TRACES_MAX: usize = 16;

/// Plans are trees that DataFusion walks recursively; a long chain of conditions overflows the usual 2 MiB in a debug build.
pub const QUERY_THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of a column's dictionary in one row group, compressed, up to which it is read as a dictionary. Beyond it what is kept
/// by code no longer fits into a processor's cache.
pub const DICTIONARY_PAGE_BYTES_MAX: i64 = 512 * 1024;

/// Bytes of such a dictionary that are never too many, however few the rows.
pub const DICTIONARY_PAGE_BYTES_MIN: i64 = 1024;

/// Files whose footers are looked at to see which columns repeat; the largest ones speak for the rest.
pub const DICTIONARY_SAMPLE_FILES: usize = 2;

/// Groups that the first stage of a grouping on codes holds before it passes their states on: a table that stays in the cache.
pub const GROUPS_AT_ONCE_MAX: usize = 64 * 1024;

/// Cells of the table that finds a group from the codes of two columns, 4 bytes each; beyond it a hash map does.
pub const GROUP_TABLE_CELLS_MAX: usize = 4 * 1024 * 1024;

/// Columns that BubbleUp compares at once; each costs about as much as a small scan.
pub const BUBBLE_UP_COLUMNS_MAX: usize = 250;

/// Different values of a column that BubbleUp counts before it gives up the rarer half: about a megabyte a column.
pub const BUBBLE_UP_VALUES_MAX: usize = 10_000;

/// Whole numbers below this are counted one by one; status codes, ports and small sizes are among them.
pub const BUBBLE_UP_SMALL_NUMBERS: usize = 4_096;

/// Different whole numbers that are told one by one; more are told as ranges, as a person would read them.
pub const BUBBLE_UP_WHOLE_NUMBERS_MAX: usize = 64;

/// Values told of each column, those that differ most.
pub const BUBBLE_UP_VALUES_TOLD: usize = 20;
