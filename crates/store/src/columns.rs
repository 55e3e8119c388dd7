//! The fixed columns of the three tables: their names, their Arrow types, and which names attributes must avoid.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use metastore::AttributeType;
use model::Signal;

pub const TIME: &str = "time";
pub const RECEIVED_AT: &str = "received_at";
pub const SERVICE_NAME: &str = "service.name";
pub const RECEIVER: &str = "receiver";
pub const RESOURCE: &str = "resource";
pub const SCOPE: &str = "scope";
pub const SAMPLE_RATE: &str = "sample_rate";
/// The share of rows like this one that retention has kept so far; null is all. `sample_rate` has it in already.
pub const RETENTION_SHARE: &str = "retention_share";
pub const REQUEST_TRACE_ID: &str = "request_trace_id";
pub const REQUEST_SPAN_ID: &str = "request_span_id";
pub const SOURCE: &str = "source";
pub const TRACE_ID: &str = "trace_id";
pub const SPAN_ID: &str = "span_id";
pub const PARENT_SPAN_ID: &str = "parent_span_id";
pub const LINKED_TRACE_ID: &str = "linked_trace_id";
pub const EXCEPTION_TYPE: &str = "exception.type";
pub const EXCEPTION_MESSAGE: &str = "exception.message";
pub const EXCEPTION_STACKTRACE: &str = "exception.stacktrace";
pub const ERROR_GROUP: &str = "error.group";
/// The columns by which a trace is found.
pub const TRACE_IDS: [&str; 3] = [TRACE_ID, LINKED_TRACE_ID, REQUEST_TRACE_ID];
/// Attributes beyond the columns a part may have, as one JSON object per row.
pub const ATTRIBUTES_REST: &str = "attributes_rest";
/// Goes before an attribute key that is also the name of a fixed column.
pub const ATTRIBUTE_PREFIX: &str = "attributes.";

/// The type of `time`, `received_at` and `start_time`.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

pub fn trace_id_type() -> DataType {
    DataType::FixedSizeBinary(16)
}

pub fn span_id_type() -> DataType {
    DataType::FixedSizeBinary(8)
}

/// The fixed columns of the signal's table, in order.
pub fn schema(signal: Signal) -> SchemaRef {
    static SCHEMAS: LazyLock<[SchemaRef; 3]> =
        LazyLock::new(|| [fixed(span_fields()), fixed(log_fields()), fixed(metric_fields())]);
    Arc::clone(&SCHEMAS[signal as usize])
}

/// Whether `name` is a fixed column of the signal's table.
pub fn is_fixed(signal: Signal, name: &str) -> bool {
    fixed_names(signal).contains(name)
}

pub(crate) fn fixed_names(signal: Signal) -> &'static HashSet<String> {
    static NAMES: LazyLock<[HashSet<String>; 3]> =
        LazyLock::new(|| Signal::ALL.map(|signal| schema(signal).fields().iter().map(|field| field.name().clone()).collect()));
    &NAMES[signal as usize]
}

/// The Arrow type of an attribute's column.
pub fn data_type(attribute_type: AttributeType) -> DataType {
    match attribute_type {
        AttributeType::Bool => DataType::Boolean,
        AttributeType::Int64 => DataType::Int64,
        AttributeType::Float64 => DataType::Float64,
        AttributeType::String => DataType::Utf8,
    }
}

/// The attribute type of an Arrow type; everything that is no number or boolean is text.
pub fn attribute_type(data_type: &DataType) -> AttributeType {
    match data_type {
        DataType::Boolean => AttributeType::Bool,
        DataType::Int64 => AttributeType::Int64,
        DataType::Float64 => AttributeType::Float64,
        _ => AttributeType::String,
    }
}

fn fixed(own: Vec<Field>) -> SchemaRef {
    let mut fields = vec![
        required(TIME, time_type()),
        required(RECEIVED_AT, time_type()),
        required(SERVICE_NAME, DataType::Utf8),
        required(RECEIVER, DataType::Utf8),
        required(RESOURCE, DataType::Utf8),
        required(SCOPE, DataType::Utf8),
        required(SAMPLE_RATE, DataType::Float64),
        nullable(REQUEST_TRACE_ID, trace_id_type()),
        nullable(REQUEST_SPAN_ID, span_id_type()),
        nullable(SOURCE, DataType::Utf8),
        nullable(RETENTION_SHARE, DataType::Float64),
    ];
    fields.extend(own);
    fields.push(nullable(ATTRIBUTES_REST, DataType::Utf8));
    Arc::new(Schema::new(fields))
}

fn span_fields() -> Vec<Field> {
    vec![
        required(TRACE_ID, trace_id_type()),
        required(SPAN_ID, span_id_type()),
        nullable(PARENT_SPAN_ID, span_id_type()),
        nullable(LINKED_TRACE_ID, trace_id_type()),
        nullable("trace_state", DataType::Utf8),
        required("flags", DataType::Int64),
        required("name", DataType::Utf8),
        required("kind", DataType::Utf8),
        required("duration_ns", DataType::Int64),
        required("status_code", DataType::Utf8),
        nullable("status_message", DataType::Utf8),
        required("in_progress", DataType::Boolean),
        required("dropped_attributes_count", DataType::Int64),
        required("dropped_events_count", DataType::Int64),
        required("dropped_links_count", DataType::Int64),
        nullable("links", DataType::Utf8),
    ]
}

fn log_fields() -> Vec<Field> {
    vec![
        nullable(TRACE_ID, trace_id_type()),
        nullable(SPAN_ID, span_id_type()),
        required("flags", DataType::Int64),
        required("severity_number", DataType::Int64),
        nullable("severity_text", DataType::Utf8),
        nullable("event_name", DataType::Utf8),
        required("body", DataType::Utf8),
        nullable(EXCEPTION_TYPE, DataType::Utf8),
        nullable(EXCEPTION_MESSAGE, DataType::Utf8),
        nullable(EXCEPTION_STACKTRACE, DataType::Utf8),
        nullable(ERROR_GROUP, DataType::Utf8),
        required("dropped_attributes_count", DataType::Int64),
    ]
}

fn metric_fields() -> Vec<Field> {
    vec![
        required("metric", DataType::Utf8),
        required("description", DataType::Utf8),
        required("unit", DataType::Utf8),
        required("type", DataType::Utf8),
        required("temporality", DataType::Utf8),
        required("is_monotonic", DataType::Boolean),
        required("series", DataType::Int64),
        nullable("start_time", time_type()),
        required("flags", DataType::Int64),
        nullable("value", DataType::Float64),
        nullable("count", DataType::Int64),
        nullable("sum", DataType::Float64),
        nullable("min", DataType::Float64),
        nullable("max", DataType::Float64),
        nullable("buckets", DataType::Utf8),
        nullable("exemplars", DataType::Utf8),
    ]
}

fn required(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn nullable(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}
