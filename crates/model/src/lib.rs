//! What is told: the rows of OpenTelemetry's three signals, their ids, values and limits.
//!
//! Everything that arrives becomes spans, log records or data points and is pushed, borrowed, into a [`RowSink`].
//! This crate is not a store and not a decoder: no IO, no async, no Arrow.

mod attributes;
mod ids;
pub mod limits;
mod rows;
mod sink;
mod value;

pub use attributes::{Attribute, Attributes, flatten_json};
pub use ids::{IdError, SpanId, TraceContext, TraceId};
pub use rows::{
    DataPoint, DataPointType, Exception, LogRecord, Resource, Scope, Span, SpanKind, SpanLink, StatusCode, Temporality,
    UNKNOWN_SERVICE,
};
pub use sink::{Counted, Refusal, RowSink, Rows, Signal};
pub use value::{Value, json_string};
