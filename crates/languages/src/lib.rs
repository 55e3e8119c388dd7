//! Query languages: text becomes DataFusion expressions and statements, with errors that point into the text.
//!
//! One folder per language, each of one shape: `ast.rs`, `parse.rs`, `lower.rs`, `tests.rs`. This crate knows
//! `datafusion-expr` and a schema, never the engine: nothing here reads a row.

pub mod alarm_rule;
mod caret;
pub mod filter_pattern;
pub mod honeycomb;
pub mod insights;
pub mod metric_math;
pub mod ppl;
pub mod rql;
pub mod search;
pub mod sql;
pub mod xray_filter;

#[cfg(test)]
mod literate;
