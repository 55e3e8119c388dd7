//! `rollbar_path(source, path)`: what stands at a dotted path in a Rollbar payload, as text; and
//! `rollbar_occurrence_number(received_at, time, group, body, uuid)`: the number that its API calls an occurrence by.
//!
//! Meaning: a path names members by their keys and elements by their places, `-1` the last. A key may have dots itself. Texts
//! are told as they are, what is deeper as JSON. Null where the payload has nothing there, and where there is no payload.

use std::sync::Arc;

use analysis::occurrence_number;
use arrow::array::{Array, AsArray, Int64Builder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use serde_json::Value;

pub fn path_udf() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable);
    Arc::new(ScalarUDF::from(PathIn { signature }))
}

pub fn number_udf() -> Arc<ScalarUDF> {
    let types = vec![DataType::Int64, DataType::Int64, DataType::Utf8, DataType::Utf8, DataType::Utf8];
    Arc::new(ScalarUDF::from(OccurrenceNumber { signature: Signature::exact(types, Volatility::Immutable) }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PathIn {
    signature: Signature,
}

impl ScalarUDFImpl for PathIn {
    fn name(&self) -> &str {
        "rollbar_path"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [sources, ColumnarValue::Scalar(ScalarValue::Utf8(path))] = args.args.as_slice() else {
            return exec_err!("rollbar_path takes source and a path that is the same for every row");
        };
        let Some(path) = path else { return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))) };
        let sources = cast(&sources.to_array(args.number_rows)?, &DataType::Utf8)?;
        let mut found = StringBuilder::new();
        for source in sources.as_string::<i32>() {
            found.append_option(source.and_then(|source| at_path(source, path)));
        }
        Ok(ColumnarValue::Array(Arc::new(found.finish())))
    }
}

/// What a payload has at a path below `data`.
fn at_path(source: &str, path: &str) -> Option<String> {
    // Most payloads lack most keys: one search over the bytes is cheaper than reading JSON.
    let last = path.rsplit('.').next().unwrap_or_default();
    if last.parse::<i64>().is_err() {
        memchr::memmem::find(source.as_bytes(), last.as_bytes())?;
    }
    let payload: Value = serde_json::from_str(source).ok()?;
    match step(payload.get("data")?, path)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn step<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    match value {
        Value::Object(members) => {
            if let Some(found) = members.get(path) {
                return Some(found);
            }
            let mut dots = path.match_indices('.');
            dots.find_map(|(dot, _)| step(members.get(&path[..dot])?, &path[dot + 1..]))
        }
        Value::Array(elements) => {
            let (place, rest) = path.split_once('.').map_or((path, None), |(place, rest)| (place, Some(rest)));
            let element = match place.parse::<i64>().ok()? {
                place if place < 0 => elements.len().checked_sub(usize::try_from(place.unsigned_abs()).ok()?)?,
                place => usize::try_from(place).ok()?,
            };
            let element = elements.get(element)?;
            rest.map_or(Some(element), |rest| step(element, rest))
        }
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OccurrenceNumber {
    signature: Signature,
}

impl ScalarUDFImpl for OccurrenceNumber {
    fn name(&self) -> &str {
        "rollbar_occurrence_number"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [received_at, time, group, body, uuid] = arrays.as_slice() else {
            return exec_err!("rollbar_occurrence_number takes received_at, time, group, body and uuid");
        };
        let (received_at, time) = (received_at.as_primitive::<Int64Type>(), time.as_primitive::<Int64Type>());
        let (group, body, uuid) = (group.as_string::<i32>(), body.as_string::<i32>(), uuid.as_string::<i32>());
        let mut numbers = Int64Builder::with_capacity(group.len());
        for row in 0..group.len() {
            if group.is_null(row) {
                numbers.append_null();
                continue;
            }
            let text =
                |texts: &arrow::array::StringArray| if texts.is_null(row) { String::new() } else { texts.value(row).to_owned() };
            numbers.append_value(occurrence_number(
                received_at.value(row),
                time.value(row),
                group.value(row),
                &text(body),
                &text(uuid),
            ));
        }
        Ok(ColumnarValue::Array(Arc::new(numbers.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_members_and_elements() {
        let source = r#"{"data": {"custom": {"a.b": {"c": 1}, "list": [{"x": "y"}, null, "z"]}, "level": "error", "n": null}}"#;
        let cases = [
            ("level", Some("error")),
            ("custom.a.b.c", Some("1")),
            ("custom.list.0.x", Some("y")),
            ("custom.list.-1", Some("z")),
            ("custom.list.1", None),
            ("custom.list.7", None),
            ("custom.list.-9", None),
            ("custom.list.0", Some(r#"{"x":"y"}"#)),
            ("n", None),
            ("level.more", None),
            ("nothing", None),
            ("", None),
        ];
        for (path, expected) in cases {
            assert_eq!(at_path(source, path).as_deref(), expected, "{path}");
        }
        assert_eq!(at_path("no JSON: level", "level"), None);
        assert_eq!(at_path(r#"{"level": 1}"#, "level"), None);
    }
}
