//! Honeycomb's query specification: `{"calculations": [{"op": "P99", "column": "duration_ms"}], "breakdowns": ["name"]}`.
//!
//! In:      the specification as JSON, and the expressions of calculated fields and formulas within it
//! Spec:    api-docs.honeycomb.io/api/query-specification, docs.honeycomb.io/reference/calculated-field-formula
//! Out:     plans over spans and log records as one table of events: a summary, then series, TOTAL and OTHER of its groups
//! Missing: a metric within a larger expression, where a formula does it
//! Quirks:  what denies (`!=`, `not-in`, …) holds for rows that lack the field; every aggregate but MIN, MAX and
//!          COUNT_DISTINCT is weighted by `sample_rate`; CONCURRENCY is how many spans were running on average; rows of links
//!          are there for queries that name `trace.link.*` or `meta.annotation_type`; an event of a span is what has a trace
//!          and a name

mod around;
mod ast;
mod beside;
mod calculated;
mod error;
mod expression;
mod fields;
mod filters;
mod lower;
mod over_time;
mod read;
mod relations;
mod rows;
mod series;
#[cfg(test)]
mod tests;
mod typed;

pub use around::{LEVEL, Level};
pub use ast::{
    CalculatedField, Calculation, Combination, Filter, FilterOperator, Having, Operation, Order, QuerySpecification, Relation,
};
pub use calculated::{EXPRESSION_BYTES_MAX, ExpressionError, Function, Node, NodeKind, parse as parse_expression};
pub use error::{ErrorCode, SpecificationError};
pub use fields::BUILT_IN;
pub use lower::{LIMIT_DEFAULT, Lowered, OutputColumn, Times, lower, names_used};
pub use read::{COMPARE_OFFSETS, LIMIT_MAX, LIMIT_WITHOUT_SERIES_MAX, STEPS_MAX, TIME_RANGE_DEFAULT};
pub use rows::{LowerContext, LowerError, UNKNOWN_METRICS, Window};
