//! OpenSearch PPL, as CloudWatch Logs takes it: `where level = 'error' | stats count() as n by span(@timestamp, 5m)`.
//!
//! In:      the common commands; cases in `fixtures/queries/ppl/`
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData_PPL.html
//! Out:     a query of Logs Insights: both are pipes over the same events, and are lowered in one way
//! Missing: describe; wildcards in `fields`; fields of eventstats that are computed further in the same command; `patterns`
//!          with `by`
//! Quirks:  `like` minds the case of letters; `dedup` leaves out rows without a value, unless `keepempty=true`; whole numbers
//!          divide as Logs Insights has it, `1 / 2` is a half; `patterns` tells a row for each pattern, whatever its mode

mod expr;
mod grok;
mod keywords;
mod parse;
#[cfg(test)]
mod tests;
mod tokens;

pub use keywords::KEYWORDS;
pub use parse::{COMMAND_WORDS, parse};
