//! CloudWatch Logs Insights: `filter level = "error" | stats count(*) by bin(5m)`.
//!
//! In:      the query language, whole; cases in `fixtures/queries/insights/`
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
//! Out:     a plan over log events, and stages for the commands that are no relations
//! Missing: look-ahead and look-behind in regular expressions
//! Quirks:  words are known in any case; `a[0]["b"]` is the field `a.0.b`; `==` is `=`; units may be spelt out

mod ast;
mod error;
pub(crate) mod keywords;
mod lower;
mod lower_expr;
mod parse;
mod parse_expr;
mod print;
mod scope;
mod seams;
mod stats;
#[cfg(test)]
mod stubs;
#[cfg(test)]
mod tests;
mod trendline;
mod values;
mod visit;

pub use ast::{
    AddTotals, AppendCols, Command, Criterion, Expr, Function, Join, LikePattern, Lookup, Operator, Output, ParsePattern, Period,
    Place, Query, Selection, SortKey, Source, TimeSpan, TimeUnit, Trend, TrendKind,
};
pub use error::{CompileError, InsightsError};
pub use keywords::{KEYWORDS, Keyword, KeywordKind};
pub use lower::{LowerContext, LowerError, Pipeline, ROWS_DEFAULT, Stage, lower, lower_rest};
pub use parse::{
    APPENDED_ROWS_MAX, COMMAND_WORDS, COMMANDS_MAX, EXPRESSIONS_MAX, NESTING_DEPTH_MAX, QUERY_CHARS_MAX, REGEX_BYTES_MAX,
    ROWS_MAX, parse,
};
pub(crate) use parse::{aggregate_place, has_nested_aggregate, is_near};
pub use scope::RAW_PREFIX;
pub use seams::{AggregateSeam, InsightsFunctions, ScalarSeam};
