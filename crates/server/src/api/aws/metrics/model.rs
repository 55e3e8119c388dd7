//! What requests may hold and answers look like, as the service's own model has it.
//!
//! Every member of a request is given its type here, since a form says everything as text; answers are written in the
//! encoding of the request. `model.json` is made by `e2e/make_metrics_model.py`; a test there fails when it is stale.

use std::fmt::Write;
use std::sync::OnceLock;

use http::StatusCode;
use receivers::Reply;
use receivers::aws::AwsError;
use receivers::aws_protocol::{Encoding, cbor, number, unix_nano, xml};
use receivers::cloudwatch::METRICS_XML_NAMESPACE;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::aws::input::Input;
use crate::api::aws::shapes::{Kind, Model, Shape};

#[derive(Deserialize)]
pub struct Operation {
    input: Option<String>,
    output: Option<String>,
    wrapper: Option<String>,
}

fn model() -> &'static Model<Operation> {
    static MODEL: OnceLock<Model<Operation>> = OnceLock::new();
    MODEL.get_or_init(|| Model::read(include_str!("model.json")))
}

fn shape(name: &str) -> Option<&'static Shape> {
    model().shapes.get(name)
}

pub fn operation(name: &str) -> Option<&'static Operation> {
    model().operations.get(name)
}

impl Operation {
    /// Gives every member its type and checks it. Members of another release are passed over. Times are seconds.
    pub fn read(&self, tree: &Value) -> Result<Input, AwsError> {
        let Some(input) = &self.input else { return Ok(Input::default()) };
        match read(input, "", tree)? {
            Value::Object(members) => Ok(Input::new(members)),
            _ => Err(AwsError::new("SerializationException", "expected a structure")),
        }
    }

    /// An answer in the encoding of its request.
    pub fn reply(&self, name: &str, encoding: Encoding, answer: &Value, request_id: &str) -> Reply {
        let (Some(output), Some(wrapper)) = (&self.output, &self.wrapper) else {
            return encoding.empty_reply(name, METRICS_XML_NAMESPACE, request_id);
        };
        let body = match encoding {
            Encoding::Json => answer.to_string().into_bytes(),
            Encoding::Cbor => {
                let mut out = Vec::new();
                write_cbor(output, answer, &mut out);
                out
            }
            Encoding::Query => {
                let mut out = format!("<{name}Response xmlns=\"{METRICS_XML_NAMESPACE}\"><{wrapper}>");
                write_xml(output, answer, &mut out);
                let _ = writeln!(
                    out,
                    "</{wrapper}><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{name}Response>",
                    xml::escape(request_id)
                );
                out.into_bytes()
            }
        };
        let reply = Reply::new(StatusCode::OK, encoding.content_type(), body).with_header("x-amzn-requestid", request_id);
        if encoding == Encoding::Cbor { reply.with_header("smithy-protocol", "rpc-v2-cbor") } else { reply }
    }
}

fn read(name: &str, path: &str, value: &Value) -> Result<Value, AwsError> {
    let Some(shape) = shape(name) else { return Ok(value.clone()) };
    let wrong = || {
        let told = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        AwsError::new("InvalidParameterValueException", format!("The value {told} for parameter {path} is invalid."))
    };
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(members)) => structure(shape, path, members),
        (Kind::List, Value::Array(items)) => {
            let inner = shape.item.as_deref().unwrap_or_default();
            let items = items.iter().enumerate().map(|(at, item)| read(inner, &format!("{path}.member.{}", at + 1), item));
            let items: Vec<Value> = items.collect::<Result<_, _>>()?;
            check_size(shape, path, items.len())?;
            Ok(Value::Array(items))
        }
        (Kind::Map, Value::Object(entries)) => {
            let inner = shape.value.as_deref().unwrap_or_default();
            let entries = entries.iter().map(|(key, value)| Ok((key.clone(), read(inner, &format!("{path}.{key}"), value)?)));
            Ok(Value::Object(entries.collect::<Result<_, AwsError>>()?))
        }
        // A form has only one way to write nothing.
        (Kind::List, Value::String(text)) if text.is_empty() => Ok(json!([])),
        (Kind::Structure | Kind::Map, Value::String(text)) if text.is_empty() => Ok(json!({})),
        (Kind::List, Value::Object(members)) if members.is_empty() => Ok(json!([])),
        (Kind::String | Kind::Blob, Value::String(text)) => {
            if let Some(constraint) = shape.text_fault(text) {
                return Err(constrained(path, text, &constraint));
            }
            Ok(value.clone())
        }
        (Kind::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (Kind::Boolean, Value::String(text)) => match text.as_str() {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(wrong()),
        },
        (Kind::Integer | Kind::Long, value) => {
            let found = number(value).filter(|number| number.fract() == 0.0 && number.abs() < 9e15).ok_or_else(wrong)?;
            if let Some(constraint) = shape.number_fault(found) {
                return Err(constrained(path, &found.to_string(), &constraint));
            }
            Ok(Value::from(found as i64))
        }
        (Kind::Double | Kind::Float, value) => {
            Ok(Value::from(number(value).filter(|number| number.is_finite()).ok_or_else(wrong)?))
        }
        (Kind::Timestamp, value) => Ok(Value::from(unix_nano(value).ok_or_else(wrong)? as f64 / 1e9)),
        _ => Err(wrong()),
    }
}

fn structure(shape: &Shape, path: &str, members: &Map<String, Value>) -> Result<Value, AwsError> {
    let within = |member: &str| if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") };
    for required in &shape.required {
        if members.get(required).is_none_or(Value::is_null) {
            let message = format!("The parameter {} is required.", within(required));
            return Err(AwsError::new("MissingRequiredParameterException", message));
        }
    }
    let mut out = Map::new();
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(inner) = shape.members.get(name) {
            out.insert(name.clone(), read(inner, &within(name), value)?);
        }
    }
    Ok(Value::Object(out))
}

fn check_size(shape: &Shape, path: &str, count: usize) -> Result<(), AwsError> {
    match shape.max {
        Some(max) if count as f64 > max => {
            let message = format!("The collection {path} must not have a size greater than {max}.");
            Err(AwsError::new("InvalidParameterValueException", message))
        }
        _ => Ok(()),
    }
}

fn constrained(path: &str, value: &str, constraint: &str) -> AwsError {
    // Here the service spells its members like Java does.
    let path: Vec<String> = path
        .split('.')
        .map(|name| {
            let mut letters = name.chars();
            letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str()).unwrap_or_default()
        })
        .collect();
    let value: String = value.chars().take(1_024).collect();
    let message = format!(
        "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: Member must {constraint}",
        path.join(".")
    );
    AwsError::new("ValidationException", message)
}

fn write_cbor(name: &str, value: &Value, out: &mut Vec<u8>) {
    let Some(shape) = shape(name) else { return out.extend(cbor::write(value)) };
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(members)) => {
            cbor::write_map(members.len(), out);
            for (member, value) in members {
                cbor::write_text(member, out);
                write_cbor(shape.members.get(member).map(String::as_str).unwrap_or_default(), value, out);
            }
        }
        (Kind::Map, Value::Object(entries)) => {
            cbor::write_map(entries.len(), out);
            for (key, value) in entries {
                cbor::write_text(key, out);
                write_cbor(shape.value.as_deref().unwrap_or_default(), value, out);
            }
        }
        (Kind::List, Value::Array(items)) => {
            cbor::write_array(items.len(), out);
            items.iter().for_each(|item| write_cbor(shape.item.as_deref().unwrap_or_default(), item, out));
        }
        (Kind::Timestamp, value) => cbor::write_time(value.as_f64().unwrap_or_default(), out),
        (Kind::Double | Kind::Float, value) => cbor::write_double(value.as_f64().unwrap_or_default(), out),
        (_, value) => out.extend(cbor::write(value)),
    }
}

fn write_xml(name: &str, value: &Value, out: &mut String) {
    let Some(shape) = shape(name) else { return };
    match (shape.kind, value) {
        (Kind::Structure, Value::Object(members)) => {
            for (member, value) in members {
                let Some(inner) = shape.members.get(member) else { continue };
                let _ = write!(out, "<{member}>");
                write_xml(inner, value, out);
                let _ = write!(out, "</{member}>");
            }
        }
        (Kind::Map, Value::Object(entries)) => {
            for (key, value) in entries {
                let _ = write!(out, "<entry><key>{}</key><value>", xml::escape(key));
                write_xml(shape.value.as_deref().unwrap_or_default(), value, out);
                out.push_str("</value></entry>");
            }
        }
        (Kind::List, Value::Array(items)) => {
            for item in items {
                out.push_str("<member>");
                write_xml(shape.item.as_deref().unwrap_or_default(), item, out);
                out.push_str("</member>");
            }
        }
        (Kind::Timestamp, value) => {
            let millis = (value.as_f64().unwrap_or_default() * 1e3).round() as i64;
            let time = jiff::Timestamp::from_millisecond(millis).unwrap_or_default();
            let _ = write!(out, "{time}");
        }
        (Kind::Double | Kind::Float, value) => {
            let _ = write!(out, "{:?}", value.as_f64().unwrap_or_default());
        }
        (_, Value::String(text)) => out.push_str(&xml::escape(text)),
        (_, value) => {
            let _ = write!(out, "{value}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_whole() {
        assert!(model().operations.len() >= 50);
        assert_eq!(model().gaps(), Vec::<String>::new());
    }

    #[test]
    fn a_form_is_given_types() {
        let tree = json!({ "Namespace": "n", "MetricName": "m", "Period": "60", "StartTime": "2026-11-21T00:00:00Z",
            "EndTime": 1795262400.5, "Statistics": ["Sum"], "Dimensions": "", "Later": "x" });
        let input = operation("GetMetricStatistics").unwrap().read(&tree).unwrap();
        assert_eq!(input.integer("Period"), Some(60));
        assert_eq!(input.get("StartTime"), Some(&json!(1795219200.0)));
        assert_eq!(input.get("EndTime"), Some(&json!(1795262400.5)));
        assert!(input.list("Dimensions").is_empty() && !input.has("Later"));
    }

    #[track_caller]
    fn check(tree: Value, expected: &str) {
        let error = operation("GetMetricStatistics").unwrap().read(&tree).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn faults_are_told_in_awss_words() {
        check(json!({}), "MissingRequiredParameterException: The parameter Namespace is required.");
        let with = |member: &str, value: Value| {
            let mut tree = json!({ "Namespace": "n", "MetricName": "m", "Period": 60, "StartTime": 1, "EndTime": 2 });
            tree[member] = value;
            tree
        };
        check(with("Period", json!("x")), "InvalidParameterValueException: The value x for parameter Period is invalid.");
        check(
            with("Statistics", json!(["Median"])),
            "ValidationException: 1 validation error detected: Value 'Median' at 'statistics.member.1' failed to satisfy constraint: Member must satisfy enum value set: [SampleCount, Average, Sum, Minimum, Maximum]",
        );
    }

    #[test]
    fn answers_are_written_as_they_were_asked_for() {
        let answer = json!({ "Label": "a<b", "Datapoints": [{ "Timestamp": 1795262400.0, "Sum": 2.0, "Unit": "Count" }] });
        let operation = operation("GetMetricStatistics").unwrap();
        let text = operation.reply("GetMetricStatistics", Encoding::Query, &answer, "id").body;
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("<Label>a&lt;b</Label><Datapoints><member><Timestamp>2026-11-21T12:00:00Z</Timestamp><Sum>2.0</Sum>")
        );
        let reply = operation.reply("GetMetricStatistics", Encoding::Cbor, &answer, "id");
        assert_eq!(reply.headers["smithy-protocol"], "rpc-v2-cbor");
        assert_eq!(cbor::read(&reply.body).unwrap(), answer);
    }
}
