//! Limits of the sockets, with their reasons.

use std::time::Duration;

/// How long open requests may take to finish after a stop was asked for; the whole stop is promised within a second.
pub const DRAIN_TIME_MAX: Duration = Duration::from_millis(400);

/// The largest UDP payload there is; a longer datagram cannot arrive.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;

/// Datagrams that wait for the store: those of half a second at 16,000 a second, which outlasts a slow sync. Their bytes take
/// room like bodies do; without room, or beyond this number, they are counted as lost, as the X-Ray daemon does.
pub const DATAGRAMS_QUEUED_MAX: usize = 8_192;

/// Datagrams written to the log in one step: enough that what an append costs by itself is shared, and still within some
/// five milliseconds of work.
pub const DATAGRAMS_PER_APPEND_MAX: usize = 512;

/// Of the memory for rows, the part that bodies may take over all connections, while they are read and written; further
/// requests are told to come back. At 500 spans a request the eighth of 512 MB is room for more than two hundred at once.
pub const BODY_SHARE_OF_MEMORY: usize = 8;

/// Seconds a client is asked to wait when buffers are full: two flushes of the log on a slow disk.
pub const RETRY_AFTER_SECONDS: u32 = 1;

/// Refusals remembered for each receiver, newest first, for the Connect page.
pub const REFUSALS_REMEMBERED: usize = 20;

/// Senders remembered for each receiver that tell of their own sending; each is to be mended by hand.
pub const FEEDBACK_LOOPS_REMEMBERED: usize = 50;

/// Services remembered for each receiver.
pub const SERVICES_REMEMBERED: usize = 100;

/// Kept requests that are remembered, so that one sent again is not kept twice. At 37 bytes each this is under 10 MB; at 400
/// requests a second, which is 200,000 spans, it lasts longer than an OpenTelemetry Collector tries, five minutes.
pub const RETRIES_REMEMBERED: usize = 200_000;

/// Seconds they are remembered at most: clients with a queue on disk come back when the network does, and what is sent
/// again after an hour is rather meant.
pub const RETRY_SECONDS_MAX: u32 = 3_600;

/// Groups of exceptions remembered, so that the stack of an error that repeats is read once. Under half a megabyte.
pub const GROUPS_REMEMBERED: usize = 2_048;

/// A JSON or form request of our own and the AWS control APIs is never larger.
pub const API_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A live tail rests so many times as long as its look took: it takes a third of a core at most, however much arrives, and
/// lines are told within some milliseconds.
pub const TAIL_PAUSES_PER_LOOK: u32 = 2;

/// The shortest rest: lines that arrive together are told together.
pub const TAIL_PAUSE_MIN: Duration = Duration::from_millis(2);

/// The longest: a person sees lines come in, not in heaps.
pub const TAIL_PAUSE_MAX: Duration = Duration::from_millis(400);

/// Lines a live tail sends at each look; the rest comes with the next ones.
pub const TAIL_LINES_MAX: usize = 200;

/// Lines it sends in a second; what does not come in time is skipped, and the client is told so. More nobody reads.
pub const TAIL_LINES_PER_SECOND_MAX: usize = 500;

/// A live tail sees lines whose own time is at most this old.
pub const TAIL_AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// How often counters of log streams are written: AWS promises them within an hour, people look after a second.
pub const ACTIVITY_INTERVAL: Duration = Duration::from_secs(1);

/// How long a request to delete waits for its receipt to be done before it answers with what there is: most are done by
/// then, and clients give up later.
pub const DELETION_WAIT_MAX: Duration = Duration::from_secs(5);

/// How often it looks.
pub const DELETION_LOOK: Duration = Duration::from_millis(20);

/// Deletions that may wait at once. Each reads every part it may concern; a client that sends one per trace of a long list
/// should ask for a time or a person instead.
pub const DELETIONS_PENDING_MAX: usize = 100;

/// Receipts that one answer lists, newest first.
pub const DELETIONS_LISTED: u32 = 200;

/// Bytes of the value that names a person, of a pin's value and of its reason: longer ones are no names.
pub const NAME_BYTES_MAX: usize = 1_024;

/// Attributes that one request may name.
pub const PERSON_ATTRIBUTES_MAX: usize = 50;

/// Runs of retention that an answer lists, newest first.
pub const RETENTION_RUNS_LISTED: u32 = 50;

/// Sampling rules of a project beside the default. AWS allows 25; an SDK tries them one after the other for each request.
pub const SAMPLING_RULES_MAX: u32 = 100;

/// Clients that report on sampling rules, remembered with their rules. Some 100 bytes each; those beyond share no reservoir.
pub const SAMPLING_CLIENTS_REMEMBERED: usize = 100_000;

/// Boosts of a rule for a service that are remembered until their pause is over.
pub const SAMPLING_BOOSTS_REMEMBERED: usize = 1_000;

/// How far back GetSamplingStatisticSummaries tells, in seconds.
pub const SAMPLING_STATISTICS_TOLD_SECONDS: i64 = 3_600;

/// X-Ray groups of a project. Each is a filter somebody wrote by hand.
pub const XRAY_GROUPS_MAX: u32 = 1_000;

/// Trace ids in one call. AWS takes five; each is a look into the index and a few pages of files.
pub const XRAY_TRACE_IDS_MAX: usize = 100;

/// Bytes of documents after which a page of traces ends.
pub const XRAY_PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Retrievals remembered. Each is at most a hundred ids.
pub const RETRIEVALS_REMEMBERED: usize = 1_000;

/// How long, in seconds; AWS's bound.
pub const RETRIEVAL_SECONDS_MAX: i64 = 3_600;

/// Insights of which it is remembered whose they are. Beyond it, all are forgotten until they are listed again.
pub const INSIGHTS_REMEMBERED: usize = 10_000;

/// Documents that Honeycomb's API keeps of each kind: queries, results, boards and so on. Of more, the oldest go.
pub const HONEYCOMB_DOCUMENTS_MAX: u32 = 2_000;

/// Bytes of a result that is kept as it is; a larger one is worked out again when somebody asks for it. With the above half a
/// gigabyte at most, and a few megabytes as queries are.
pub const HONEYCOMB_RESULT_BYTES_MAX: usize = 256 * 1024;

/// Events of one update of CloudWatch's live tail, each second; of more, so many are picked. AWS's bound.
pub const LIVE_TAIL_EVENTS_MAX: usize = 500;

/// Events of one group that are looked at for an update: enough to pick from, and read within some ten milliseconds.
pub const LIVE_TAIL_EVENTS_LOOKED_AT: usize = 5_000;

/// Sessions at once; AWS's bound of an account.
pub const LIVE_TAIL_SESSIONS_MAX: usize = 15;

/// A session ends by itself; AWS's bound.
pub const LIVE_TAIL_TIME_MAX: Duration = Duration::from_secs(3 * 3_600);

/// Insights queries that are remembered with their results, newest first: a page asks for its own within minutes.
pub const INSIGHTS_QUERIES_REMEMBERED: usize = 200;

/// Queries that run at once; AWS's bound of an account is 100, and each takes its threads from the others.
pub const INSIGHTS_QUERIES_RUNNING_MAX: usize = 20;

/// Cells of results that are kept over all queries; older results give way first. At some forty bytes a cell 80 MB.
pub const INSIGHTS_CELLS_KEPT_MAX: usize = 2_000_000;

/// How long StartQuery waits for its query to be done: most are by then, and scripts that ask at once see results.
pub const INSIGHTS_START_WAIT_MAX: Duration = Duration::from_millis(300);

/// Memory of sums by group, environment and version that wait for their items: some hundred thousand, many seconds of errors
/// that are all new. More are found from the rows.
pub const ITEMS_PENDING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Sums that one transaction writes: it takes some ten milliseconds, for which others who write wait.
pub const ITEMS_WRITTEN_AT_ONCE: usize = 1_000;

/// How long a question waits for items of what came in before it; then its answer is a little behind, and says so.
pub const ITEMS_WAIT_MAX: Duration = Duration::from_secs(2);

/// Groups that are looked at when items are made from the rows: enough for any project that people can work with.
pub const ITEMS_CAUGHT_UP_MAX: usize = 100_000;

/// Items whose occurrences are counted again after a crash, each with a question of its own.
pub const ITEMS_COUNTED_AGAIN_MAX: usize = 200;

/// Characters of an item's title; Rollbar's bound.
pub const ITEM_TITLE_CHARS_MAX: usize = 255;

/// Items on one page of Rollbar's API when no number is asked for, and at most.
pub const ROLLBAR_PAGE_DEFAULT: u64 = 100;
pub const ROLLBAR_PAGE_MAX: u64 = 5_000;

/// Occurrences on one page: each comes with its payload.
pub const ROLLBAR_OCCURRENCES_PAGE_DEFAULT: u64 = 20;
pub const ROLLBAR_OCCURRENCES_PAGE_MAX: u64 = 100;

/// Occurrences that pages by number can reach; `last_id` goes further.
pub const ROLLBAR_OCCURRENCES_SKIPPED_MAX: u64 = 10_000;

/// Buckets of a report.
pub const ROLLBAR_BUCKETS_MAX: i64 = 10_000;

/// How far back a search of items looks into occurrences, in days.
pub const ROLLBAR_SEARCH_DAYS: i64 = 90;

/// Bytes of a comment.
pub const ROLLBAR_COMMENT_BYTES_MAX: usize = 64 * 1024;

/// RQL jobs remembered with their rows, of which each has at most a thousand.
pub const RQL_JOBS_REMEMBERED: usize = 100;

/// RQL jobs at once; each is a question on the threads of all questions.
pub const RQL_JOBS_RUNNING_MAX: usize = 10;

/// Items that a query can be about: some kilobytes each while it runs.
pub const RQL_ITEMS_MAX: u32 = 100_000;

/// Items on one page of the list of errors when no number is asked for, and at most.
pub const ERRORS_PAGE_DEFAULT: usize = 50;
pub const ERRORS_PAGE_MAX: usize = 500;

/// Items in a list by count that the rows are asked for one by one; where there are more, they are asked for all.
pub const ERRORS_COUNTED_BY_ROWS_MAX: usize = 2_000;

/// For how many days the hours of errors are known apart; then they are days, and after some years forgotten.
pub const ERROR_COUNTS_HOURLY_DAYS: i64 = 90;
pub const ERROR_COUNTS_DAYS: i64 = 1_100;

/// Counts of groups, environments and hours that are noted at once, the latest first: some hundred bytes each meanwhile.
pub const ERROR_COUNTS_NOTED_MAX: usize = 200_000;

/// Days after which items that nobody saw may be resolved, at most.
pub const IDLE_DAYS_MAX: i64 = 3_650;

/// Items that are resolved at once because nobody saw them; those left over follow a while later.
pub const IDLE_ITEMS_MAX: u32 = 1_000;

/// Occurrences that the page of an error shows at first.
pub const ERROR_OCCURRENCES_SHOWN: usize = 100;

/// Occurrences that a list reaches by going on; each page sorts all those before it.
pub const ERROR_OCCURRENCES_REACHED_MAX: usize = 10_000;

/// Items that one request changes, each in a transaction of its own.
pub const ERRORS_CHANGED_AT_ONCE_MAX: usize = 500;

/// Bytes of the address of an issue, as browsers take it.
pub const ISSUE_URL_BYTES_MAX: usize = 2_000;

/// Characters of a person's name.
pub const PERSON_NAME_CHARS_MAX: usize = 100;
/// How long the other side of a delivery may take to accept a connection.
pub const DELIVERY_CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// How long a delivery may take with its answer: chat systems answer within a second, slow scripts within ten.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_secs(15);

/// How long a stop waits for the answers to deliveries on their way, a part of the drain. Without an answer they are sent again.
pub const DELIVERY_STOP_TIME_MAX: Duration = Duration::from_millis(200);

/// How often a delivery is tried, over some two hours: an outage of the other side that lasts longer was noticed otherwise.
pub const DELIVERY_ATTEMPTS_MAX: u64 = 8;

/// The pause after the first attempt; each further one is four times as long.
pub const DELIVERY_PAUSE_FIRST: Duration = Duration::from_secs(2);

/// The longest pause between two attempts.
pub const DELIVERY_PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Deliveries that are sent at once.
pub const DELIVERIES_AT_ONCE: usize = 8;

/// Bytes of an answer that are read and shown.
pub const DELIVERY_ANSWER_BYTES_MAX: usize = 1_024;

/// Bytes of what is sent, as it is kept: a subscription's batch of log events has at most one megabyte before compression.
pub const DELIVERY_PAYLOAD_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Deliveries that are remembered when they are done, with what was sent: for the log, and so that none is sent twice. Most
/// take a kilobyte.
pub const DELIVERIES_KEPT: u32 = 10_000;

/// Deliveries that one answer lists.
pub const DELIVERIES_LISTED: u32 = 500;

/// Bytes of one answer of a mail server; its list of extensions takes some hundred.
pub const SMTP_ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Queries of one call of GetMetricData; AWS's bound.
pub const METRIC_QUERIES_MAX: usize = 500;

/// Series that one SEARCH of metric math finds; AWS's bound.
pub const METRIC_SEARCH_SERIES_MAX: usize = 500;

/// Alarms of a project; each is looked at when one of its periods is over, some milliseconds each.
pub const ALARMS_MAX: u32 = 5_000;

/// Events of alarms that are remembered, over all of them: for 5,000 alarms some that changed twice.
pub const ALARM_EVENTS_KEPT: u32 = 10_000;

/// How often alarms are looked at: AWS's shortest period.
pub const ALARM_LOOK: Duration = Duration::from_secs(10);

/// Seconds that a period is over before it is judged, so that what was sent at its end has arrived.
pub const ALARM_SETTLE_SECONDS: i64 = 3;

/// Sets of grouping rules that are remembered: what the log may hold was told apart by the last one or two.
pub const RULE_SETS_REMEMBERED: usize = 20;

/// Occurrences that rules are tried on.
pub const RULES_TRIED_ON: usize = 50;

/// Items that one request merges.
pub const ITEMS_MERGED_MAX: usize = 500;

/// Bytes of a source map with the sources that come beside it; that of a very large application has 50 MB.
pub const SOURCE_MAP_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Bytes of a zip file of source maps, packed and unpacked.
pub const SOURCE_MAP_BUNDLE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of one chunk of an upload by Sentry's tool, and how many come in one request: what Sentry itself asks for, and a half
/// of it.
pub const SENTRY_CHUNK_BYTES_MAX: usize = 8 * 1024 * 1024;
pub const SENTRY_CHUNKS_AT_ONCE: usize = 2;

/// Bytes of chunks that wait in memory for the file they are of, and so of one file; that of a very large application has
/// 60 MB. Beyond, the oldest go.
pub const SENTRY_CHUNKS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How long they wait: their file is asked for right after them.
pub const SENTRY_CHUNKS_WAIT_MAX: Duration = Duration::from_secs(600);

/// Deploys of one release that its list tells, the latest.
pub const SENTRY_DEPLOYS_TOLD_MAX: usize = 100;

/// Bytes of a release's name or its repository's, and of the name of a commit: what Sentry takes.
pub const SENTRY_RELEASE_BYTES_MAX: usize = 250;
pub const SENTRY_REVISION_BYTES_MAX: usize = 64;

/// Source maps that are kept; beyond, the oldest go.
pub const SOURCE_MAPS_MAX: u32 = 5_000;

/// Bytes of source maps that stay ready to be asked.
pub const SOURCE_MAPS_READY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Deploys, the latest, that are looked through for what may have brought an error.
pub const SUSPECT_DEPLOYS_LOOKED_AT: usize = 200;

/// Frames of one occurrence that are looked up in source maps.
pub const FRAMES_MAPPED_MAX: usize = 500;

/// Access tokens that have limits of their own.
pub const RATE_LIMITS_MAX: usize = 1_000;

/// Items that one question about metrics names.
pub const METRICS_ITEMS_MAX: usize = 1_000;

/// Resolved items looked at to tell how long that took, the ones seen last first.
pub const ROLLBAR_RESOLVED_MAX: u64 = 10_000;

/// Names whose values are scrubbed.
pub const SCRUB_KEYS_MAX: usize = 500;

/// Patterns of scrubbing; every body is searched for each.
pub const SCRUB_PATTERNS_MAX: usize = 50;

/// Bytes that a pattern of scrubbing takes when it is compiled.
pub const SCRUB_PATTERN_BYTES_MAX: usize = 1 << 20;

/// Notification rules of all channels; each is looked at every few seconds.
pub const NOTIFICATION_RULES_MAX: u32 = 500;

/// Events of items, and deploys, that one look tells; the next follows after seconds.
pub const NOTIFICATION_EVENTS_MAX: u32 = 200;

/// Items that one look counts, those seen last first.
pub const NOTIFICATION_ITEMS_MAX: u64 = 500;

/// Rows of a query in Logs Insights' language that the page is told; a table nobody reads further.
pub const INSIGHTS_PAGE_ROWS_MAX: usize = 10_000;

/// Queries that are saved; CloudWatch's bound is a thousand.
pub const SAVED_QUERIES_MAX: u32 = 5_000;

/// Bytes of a saved query's text, CloudWatch's bound, and of its name.
pub const SAVED_QUERY_BYTES_MAX: usize = 10_000;

/// Log groups in one list of the page.
pub const LOG_GROUPS_TOLD_MAX: usize = 2_000;

/// Lines of one export: a file that other programs still open. `cupola export` writes any number.
pub const LOG_EXPORT_LINES_MAX: usize = 1_000_000;

/// What is kept of each trigger's or burn alert's history: a week of a trigger that is asked every five minutes.
pub const ALERT_ENTRIES_KEPT: u32 = 2_000;

/// Of these, told at once.
pub const ALERT_ENTRIES_TOLD: u32 = 500;

/// Groups that a notice or an entry of a history names; more nobody reads.
pub const ALERT_GROUPS_TOLD: usize = 50;

/// Data points that metric filters make of one call: a call has 10,000 events, which seldom make a series each.
pub const MADE_METRICS_MAX: usize = 10_000;

/// How often minutes without a match are looked for.
pub const METRIC_FILTER_LOOK: Duration = Duration::from_secs(10);

/// How long after its end a minute is taken to be over, so that senders that gather for some seconds are waited for.
pub const QUIET_MINUTE_SETTLE: Duration = Duration::from_secs(15);

/// Minutes of metric filters with default values that wait for their end: those of some thousand filters.
pub const QUIET_MINUTES_MAX: usize = 10_000;

/// Deliveries of one subscription that wait for its address; each has up to a megabyte.
pub const SUBSCRIPTION_DELIVERIES_WAITING_MAX: u64 = 200;

/// How often scheduled queries are looked at; their schedules have minutes.
pub const SCHEDULED_QUERY_LOOK: Duration = Duration::from_secs(10);

/// How long a scheduled query is waited for: longer than a query may take.
pub const SCHEDULED_QUERY_TIME_MAX: Duration = Duration::from_secs(120);

/// Rows of its results: those of one page.
pub const SCHEDULED_QUERY_ROWS_MAX: i64 = 10_000;

/// Runs of each that are remembered: four days of one that runs every hour.
pub const SCHEDULED_QUERY_RUNS_KEPT: usize = 100;

/// How often export tasks are looked for.
pub const EXPORT_LOOK: Duration = Duration::from_secs(2);

/// Events that an export reads at once: as many as a page of GetLogEvents has.
pub const EXPORT_EVENTS_AT_ONCE: usize = 10_000;

/// Bytes of one exported file before compression; compressed it is in memory until it is written.
pub const EXPORT_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long a file may take to a bucket: 64 MB at 10 Mbit/s.
pub const UPLOAD_TIME_MAX: Duration = Duration::from_secs(60);

/// Dashboards of a project; a list of them is read whole.
pub const DASHBOARDS_MAX: u32 = 5_000;
