//! CloudWatch Logs' filter patterns: `ERROR -timeout`, `[ip, ..., status = 5*]`, `{ $.latency > 250 && $.user.id = "a*" }`.
//!
//! In:      terms, space-delimited fields and JSON selectors, whole; cases in `fixtures/queries/filter_pattern/`
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
//! Out:     a pure matcher that also extracts fields, and a condition on the body that every match meets
//! Missing: nothing known
//! Quirks:  `?` counts only where all terms have it; the last field takes what is left of its line; `!=` wants a value that
//!          is there; `*` is a wildcard between quotes too, `\*` is a star; regular expressions may hold spaces

mod ast;
mod error;
mod expression;
mod json;
mod lower;
mod matching;
mod parse;
#[cfg(test)]
mod tests;
mod words;

pub use ast::{
    Comparison, Condition, FieldPattern, FieldTest, Glob, JsonTest, Pattern, Property, Selector, SelectorTest, Step, Term, Terms,
    Value,
};
pub use error::FilterPatternError;
pub use expression::{EXPRESSION_BYTES_MAX, Expression};
pub use lower::{LoweredPattern, lower};
pub use matching::Extracted;
pub use parse::{CONDITIONS_MAX, EXPRESSIONS_MAX, NESTING_DEPTH_MAX, PATTERN_CHARS_MAX, parse};
