//! Limits of questions, with their reasons.

use std::time::Duration;

/// Memory all running questions share; beyond it sorts and groupings spill to disk or the question is refused.
/// Half a gigabyte leaves ingest its room on the smallest machine we name (2 GB).
pub const QUERY_MEMORY_BYTES_MAX: usize = 512 * 1024 * 1024;

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

/// Threads that run questions; two so that one long question does not stop the page.
pub const QUERY_THREADS_MIN: usize = 2;

/// Plans are trees that DataFusion walks recursively; a long chain of conditions overflows the usual 2 MiB in a debug build.
pub const QUERY_THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;
