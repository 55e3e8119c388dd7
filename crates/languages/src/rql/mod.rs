//! RQL, Rollbar's query language: `SELECT item.counter, count(*) FROM item_occurrence WHERE level = 'error' GROUP BY 1`.
//!
//! In:      the documented language; cases in `fixtures/queries/rql/`
//! Spec:    docs.rollbar.com/docs/rql
//! Out:     a plan over the table of logs, seen as Rollbar's `item_occurrence` and `deploy`
//! Missing: `SHOW TABLES`; lists of columns behind `GROUP BY` functions, as in the original
//! Quirks:  every dotted name is a path into the payload, so no column is unknown; texts are compared with numbers as numbers;
//!          division by zero is null; counts are weighted by `sample_rate`

mod ast;
mod bounds;
mod columns;
mod error;
mod lexer;
mod lower;
mod parse;
#[cfg(test)]
mod tests;

pub use ast::{Binary, Expression, Literal, OrderKey, Query, Selected, Table};
pub use bounds::time_bounds;
pub use columns::{ITEM_COLUMNS, item_columns_of};
pub use error::{Place, RqlError};
pub use lower::{LowerContext, Lowered, lower};
pub use parse::{EXPRESSIONS_MAX, NESTING_DEPTH_MAX, ROWS_MAX, RQL_BYTES_MAX, parse};
