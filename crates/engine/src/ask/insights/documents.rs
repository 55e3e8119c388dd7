//! Functions over rows of this question alone: spans told as documents, and texts without what is protected.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::DFSchemaRef;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use model::Signal;
use serde_json::{Map, Value, json};

use super::events::GroupMasks;
use crate::answer::cell_json;

/// A span as the document that log events of spans are.
pub(super) fn span_document(schema: &DFSchemaRef) -> Expr {
    let columns = schema.columns();
    let names = columns.iter().map(|column| column.name.clone()).collect();
    let function = SpanDocument { names, signature: Signature::variadic_any(Volatility::Immutable) };
    ScalarUDF::from(function).call(columns.into_iter().map(Expr::Column).collect())
}

/// The text with what its group protects masked.
pub(super) fn masked(text: Expr, group: Expr, masks: &Arc<GroupMasks>) -> Expr {
    let function = Masked { masks: Arc::clone(masks), signature: Signature::any(2, Volatility::Immutable) };
    ScalarUDF::from(function).call(vec![text, group])
}

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

#[derive(Debug)]
struct Masked {
    masks: Arc<GroupMasks>,
    signature: Signature,
}

impl PartialEq for Masked {
    fn eq(&self, other: &Masked) -> bool {
        Arc::ptr_eq(&self.masks, &other.masks)
    }
}

impl Eq for Masked {}

impl Hash for Masked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.masks).hash(state);
    }
}

impl ScalarUDFImpl for Masked {
    fn name(&self) -> &str {
        "masked"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [texts, groups] = arrays.as_slice() else {
            return datafusion::common::exec_err!("masked takes a text and a group");
        };
        let (texts, groups) = (cast(texts, &DataType::Utf8)?, cast(groups, &DataType::Utf8)?);
        let (texts, groups) = (texts.as_string::<i32>(), groups.as_string::<i32>());
        let told = (0..texts.len()).map(|row| {
            if texts.is_null(row) {
                return None;
            }
            let masks = groups.is_valid(row).then(|| self.masks.get(groups.value(row))).flatten();
            Some(masks.map_or(texts.value(row).into(), |masks| masks.mask(texts.value(row))))
        });
        Ok(ColumnarValue::Array(Arc::new(told.collect::<StringArray>())))
    }
}
