//! CloudWatch Logs' own limits, as its API model and documentation give them. PutLogEvents' stand with its rules.

/// Characters of a group's or stream's name.
pub const NAME_CHARS_MAX: usize = 512;

/// Characters of an identifier that may be an ARN.
pub const ARN_BYTES_MAX: usize = 2_048;

/// Groups or streams on one page of a Describe call.
pub const DESCRIBE_LIMIT_MAX: i64 = 50;

/// Events on one page.
pub const EVENTS_LIMIT_MAX: i64 = 10_000;

/// Bytes of messages on one page.
pub const EVENTS_PAGE_BYTES_MAX: usize = 1_048_576;

/// Streams that FilterLogEvents can be asked for by name.
pub const STREAM_NAMES_MAX: usize = 100;

/// Characters of a filter pattern.
pub const FILTER_PATTERN_CHARS_MAX: usize = 1_024;

/// Tags of one group.
pub const TAGS_MAX: usize = 50;

/// Days a group may be kept.
pub const RETENTION_DAYS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// Fields of one JSON message that become attributes; CloudWatch discovers as many.
pub const JSON_FIELDS_MAX: usize = 200;

/// Of a message, as much is searched for a trace id; loggers write it at the head of a line.
pub const TRACE_ID_SEARCH_BYTES_MAX: usize = 8 * 1024;
