//! Spans told as documents.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DFSchemaRef, DataFusionError};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use model::Signal;
use serde_json::{Map, Value, json};

use crate::answer::cell_json;
use crate::error::EngineError;

/// A span as the document that log events of spans are.
pub(super) fn span_document(schema: &DFSchemaRef) -> Expr {
    let columns = schema.columns();
    let names = columns.iter().map(|column| column.name.clone()).collect();
    let function = SpanDocument { names, signature: Signature::variadic_any(Volatility::Immutable) };
    ScalarUDF::from(function).call(columns.into_iter().map(Expr::Column).collect())
}

/// Spans that are not kept yet as the log events that they will be: when each began, in milliseconds, and its document.
pub fn span_events(spans: &RecordBatch) -> Result<Vec<(i64, String)>, EngineError> {
    let schema = spans.schema();
    let names = schema.fields().iter().map(|field| field.name().clone()).collect();
    let function = SpanDocument { names, signature: Signature::variadic_any(Volatility::Immutable) };
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Dictionary(_, value) => cast(array, value),
        _ => Ok(Arc::clone(array)),
    };
    let arrays = spans.columns().iter().map(plain).collect::<Result<Vec<_>, _>>().map_err(DataFusionError::from)?;
    let Some(times) = spans.column_by_name("time") else { return Ok(Vec::new()) };
    let times = cast(times, &DataType::Int64).map_err(DataFusionError::from)?;
    let times = times.as_primitive::<Int64Type>();
    let event = |row| (times.value(row).div_euclid(NANOS_PER_MS), function.document(&arrays, row).to_string());
    Ok((0..spans.num_rows()).map(event).collect())
}

const NANOS_PER_MS: i64 = 1_000_000;

#[derive(Debug, PartialEq, Eq, Hash)]
struct SpanDocument {
    /// Of the arguments.
    names: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for SpanDocument {
    fn name(&self) -> &str {
        "span_document"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let rows = arrays.first().map_or(args.number_rows, |array| array.len());
        let documents: StringArray = (0..rows).map(|row| Some(self.document(&arrays, row).to_string())).collect();
        Ok(ColumnarValue::Array(Arc::new(documents)))
    }
}

impl SpanDocument {
    fn document(&self, arrays: &[ArrayRef], row: usize) -> Value {
        let mut fixed: Map<String, Value> = Map::new();
        let mut attributes = Map::new();
        for (name, array) in self.names.iter().zip(arrays).filter(|(_, array)| array.is_valid(row)) {
            let Ok(value) = cell_json(array.as_ref(), row) else { continue };
            match store::columns::is_fixed(Signal::Spans, name) {
                true => fixed.insert(name.clone(), value),
                false => attributes.insert(name.clone(), value),
            };
        }
        let mut take = |name: &str| fixed.remove(name).unwrap_or(Value::Null);
        let parsed = |value: Value| match value {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            other => other,
        };
        let resource = parsed(take("resource"));
        attributes.retain(|name, value| resource.get(name) != Some(value));
        if let Value::Object(rest) = parsed(take("attributes_rest")) {
            attributes.extend(rest);
        }
        let document = json!({
            "resource": { "attributes": resource },
            "scope": parsed(take("scope")),
            "traceId": take("trace_id"),
            "spanId": take("span_id"),
            "parentSpanId": take("parent_span_id"),
            "name": take("name"),
            "kind": take("kind"),
            "startTime": take("time"),
            "durationNano": take("duration_ns"),
            "status": { "code": take("status_code"), "message": take("status_message") },
            "links": parsed(take("links")),
            "attributes": attributes,
        });
        without_nulls(document)
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        other => other,
    }
}
