//! X-Ray's filter expressions: `service("shop") { fault } AND annotation.tenant = "a" duration > 2`.
//!
//! In:      the whole grammar, see `docs/filter-expressions.md`; cases in `fixtures/queries/xray_filter/`
//! Spec:    docs.aws.amazon.com/xray/latest/devguide/xray-console-filters.html
//! Out:     predicates on spans, at most 64, and a condition on traces over them, which [`evaluate()`] judges
//! Missing: accounts in the JSON of root causes
//! Quirks:  `!=` wants a value that is there; groups are what their expressions say now, and so look back

mod ast;
mod cause_json;
mod columns;
mod error;
mod evaluate;
mod keywords;
mod lower;
mod parse;
#[cfg(test)]
mod tests;

pub use ast::{
    AnnotationTest, Boolean, Cause, CausePart, Comparison, Filter, GroupReference, Node, NodePattern, Number, Term, Text,
    TextOperator, TextTest,
};
pub use cause_json::CauseJson;
pub use error::{FilterError, Place};
pub use evaluate::{
    Call, CauseEntity, CauseException, CauseService, Condition, ElementCondition, ElementTest, NodeChoice, RootCause, Segment,
    SegmentCondition, SegmentTest, TraceCondition, TraceTest, TraceView, evaluate,
};
pub use keywords::{KEYWORDS, Keyword, KeywordKind};
pub use lower::{GROUPS_DEPTH_MAX, GROUPS_NAMED_MAX, LowerContext, LoweredFilter, NodeTest, PREDICATES_MAX, lower};
pub use parse::{FILTER_BYTES_MAX, NESTING_DEPTH_MAX, TERMS_MAX, parse};
