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

/// Values of a list that the filters of words are asked for, each of them a read of a page or more for every row group.
pub const LIST_VALUES_MAX: usize = 64;

/// Names in one question that are looked for in `attributes_rest`; as many as a statement's operators in a row, and more.
pub const REST_NAMES_MAX: usize = 1_000;

/// Keys without a column that the list of attributes tells; a list nobody could read to its end.
pub const REST_KEYS_TOLD_MAX: usize = 100_000;

/// Events of a streamed answer that wait for its reader; then the work waits too.
pub const STREAM_EVENTS_QUEUED_MAX: usize = 8;

/// Of 100; 50 is what threads have. On Linux it is a niceness of 11, a twelfth of the usual weight.
pub const QUERY_THREAD_PRIORITY: u8 = 20;

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

/// Errors that a list is sorted and counted over; a project with more has one that is told apart by what varies.
pub const ERROR_GROUPS_MAX: usize = 10_000;

/// Columns that the list of fields counts in one scan; the registry is in the order in which they came, and people have less.
pub const LOG_FIELDS_COUNTED_MAX: usize = 500;

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

/// Numbers below this find their group in a table of 4 bytes each, without a hash: steps of a chart and places of groups are.
pub const GROUP_SMALL_NUMBERS_MAX: usize = 64 * 1024;

/// Columns that BubbleUp compares at once; each costs about as much as a small scan.
pub const BUBBLE_UP_COLUMNS_MAX: usize = 250;

/// Different values of a column that BubbleUp counts before it gives up the rarer half: about a megabyte a column.
pub const BUBBLE_UP_VALUES_MAX: usize = 10_000;

/// Whole numbers below this are counted one by one; status codes, ports and small sizes are among them.
pub const BUBBLE_UP_SMALL_NUMBERS: usize = 4_096;

/// Different whole numbers that are told one by one; more are told as ranges, as a person would read them.
pub const BUBBLE_UP_WHOLE_NUMBERS_MAX: usize = 64;

/// Rows of a question, and log records around it, up to which BubbleUp looks at the events of its spans and the lines of its
/// traces: each is joined by its ids, about a second for a million.
pub const BUBBLE_UP_LINKED_ROWS_MAX: u64 = 2_000_000;

/// Characters of a log line that BubbleUp compares; lines that differ only later say the same.
pub const BUBBLE_UP_BODY_CHARACTERS: i64 = 200;

/// Values told of each column, those that differ most.
pub const BUBBLE_UP_VALUES_TOLD: usize = 20;

/// Conditions on spans in one question over traces: they leave one bit each in a word.
pub const TRACE_PREDICATES_MAX: usize = 64;

/// Spans that a question over traces holds at once, about 200 bytes each; a window that turns out to have more is halved.
pub const TRACE_SPANS_HELD_MAX: usize = 1_500_000;

/// Spans that a question over traces aims to hold at once: enough for what each window costs besides to be little.
pub const TRACE_WINDOW_SPANS: u64 = 500_000;

/// The same of the first window of a question that may be answered early, as a page of a list is.
pub const TRACE_WINDOW_SPANS_FIRST: u64 = 50_000;

/// Windows of one question; with the above more than [`TRACE_SPANS_JUDGED_MAX`] needs.
pub const TRACE_WINDOWS_MAX: usize = 1_000;

/// Spans that one question over traces judges, newest first: some seconds of a core. Beyond it the answer says how far it goes.
pub const TRACE_SPANS_JUDGED_MAX: u64 = 20_000_000;

/// Spans of traces that wait for the next window because their begin may lie there.
pub const TRACE_SPANS_WAITING_MAX: usize = 250_000;

/// Different things that callers say of callees that are remembered with the name they give; others are worked out each time.
pub const TRACE_CALLEES_KNOWN_MAX: usize = 100_000;

/// How far before and after its spans in a range a trace is looked for: a request takes less, nearly always.
pub const TRACE_REACH_NS: i64 = 60_000_000_000;

/// How much before its root a span may begin, or another tracer's root: clocks disagree.
pub const TRACE_START_MARGIN_NS: i64 = 1_000_000_000;

/// Traces that a condition picks out before their spans are read; if there are more, reading all is cheaper.
pub const TRACE_CANDIDATES_MAX: usize = 100_000;

/// Traces whose ids become part of a plan, so that the scan skips the pages of others.
pub const TRACE_CANDIDATES_NAMED_MAX: usize = 1_000;

/// Nodes of one map: as many as X-Ray's console draws.
pub const MAP_NODES_MAX: usize = 10_000;

/// Traces that one graph of single traces is made of; each is looked up by itself.
pub const TRACE_GRAPH_IDS_MAX: usize = 100;

/// Periods of one answer over time; each has histograms.
pub const TIME_SERIES_PERIODS_MAX: usize = 10_000;

/// Values told of what traces can be narrowed down by.
pub const REFINE_VALUES_TOLD: usize = 200;

/// Different values counted for that; beyond it new ones are not.
pub const REFINE_VALUES_MAX: usize = 50_000;

/// Traces of the same route that say what is typical of it.
pub const TYPICAL_TRACES_MAX: usize = 200;

/// Spans whose attributes are read for one page of summaries; a page of giant traces is told from the first of them.
pub const TRACE_SUMMARY_SPANS_MAX: usize = 500_000;

/// Exceptions read for one page of summaries.
pub const TRACE_SUMMARY_EXCEPTIONS_MAX: usize = 100_000;

/// Exceptions that a filter on exceptions looks at, newest first: some 50 MB.
pub const FILTER_EXCEPTIONS_MAX: usize = 200_000;

/// Windows of one look for faults: a day by the minute, with the hour before it and somewhat behind.
pub const FAULT_WINDOWS_MAX: usize = 1_600;

/// CloudWatch metrics that one list can name, over all its pages: beyond it a namespace or a name has to be given.
pub const METRIC_KEYS_MAX: usize = 100_000;

/// Different values of a metric that are read for percentiles: those of a day at ten a second, in some 100 MB.
pub const METRIC_ROWS_MAX: usize = 1_000_000;

/// Rows that the first estimate of a query rests on: read within a tenth of a second. The next rests on eight times as many.
pub const EXPLORE_ESTIMATE_ROWS: u64 = 100_000;

/// No further estimate is begun after this long; the whole is worked on then.
pub const EXPLORE_ESTIMATES_TIME_MAX: Duration = Duration::from_millis(400);

/// Points of one metric that a chart is made of: those of a hundred series at one every ten seconds, of a day and a half.
pub const METRIC_POINTS_MAX: usize = 1_000_000;

/// Labels of metrics that a list tells apart.
pub const METRIC_LABELS_MAX: usize = 200;
