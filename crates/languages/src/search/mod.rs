//! The search language of lists: `http.route = /api/x duration > 250ms -"health check"`.
//!
//! In:      terms joined by blanks, AND, OR, NOT, `-` and parentheses; see `fixtures/queries/search/`, which is the manual
//! Out:     one boolean expression over the columns of a signal, and the keys that no row has
//! Missing: wildcards and regular expressions
//! Quirks:  nothing matches by accident of NULL: `a != 1` also finds rows without `a`

mod ast;
mod error;
mod lower;
mod parse;
#[cfg(test)]
mod tests;

pub use ast::{Comparison, Key, Node, Query, Span, Term, Value};
pub use error::SearchError;
pub use lower::{LowerContext, Lowered, lower};
pub use parse::{NESTING_DEPTH_MAX, QUERY_BYTES_MAX, TERMS_MAX, parse};
