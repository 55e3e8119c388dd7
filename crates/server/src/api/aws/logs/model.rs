//! What requests may hold, as the service's own model has it: every member of all 118 operations is checked against it, and
//! what is wrong is told in AWS's words.
//!
//! `model.json` is made by `e2e/make_logs_model.py`; a test there fails when it is stale.

use std::sync::OnceLock;

use receivers::aws::AwsError;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::api::aws::input::Input;
use crate::api::aws::shapes::{Kind, Model, Shape};

/// Of a wrong value, as much is repeated as helps to find it.
const VALUE_CHARS_SHOWN: usize = 1_024;

/// Faults that one answer tells; a list of ten thousand wrong events is told by its first.
const FAULTS_TOLD_MAX: usize = 10;

#[derive(Deserialize)]
pub struct Operation {
    /// The error that this operation refuses wrong members with.
    invalid: String,
    input: String,
}

fn model() -> &'static Model<Operation> {
    static MODEL: OnceLock<Model<Operation>> = OnceLock::new();
    MODEL.get_or_init(|| Model::read(include_str!("model.json")))
}

pub fn operation(name: &str) -> Option<&'static Operation> {
    model().operations.get(name)
}

impl Operation {
    /// An error in the name that this operation knows.
    pub fn invalid(&self, message: impl Into<String>) -> AwsError {
        let name = if self.invalid == "ValidationException" { "ValidationException" } else { "InvalidParameterException" };
        AwsError::new(name, message)
    }

    /// Reads a body and checks every member. An empty body is an empty object; members of another release are passed over.
    pub fn read(&'static self, body: &[u8]) -> Result<Input, AwsError> {
        let members = if body.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            match serde_json::from_slice(body) {
                Ok(Value::Object(members)) => members,
                Ok(_) => return Err(unreadable("Start of structure or map found where not expected.")),
                Err(error) => return Err(unreadable(error.to_string())),
            }
        };
        let mut check = Check { faults: Vec::new() };
        let value = Value::Object(members);
        check.value(&self.input, "", &value)?;
        if !check.faults.is_empty() {
            let (count, faults) = (check.faults.len(), check.faults.join("; "));
            let noun = if count == 1 { "error" } else { "errors" };
            return Err(self.invalid(format!("{count} validation {noun} detected: {faults}")));
        }
        let Value::Object(members) = value else { return Err(unreadable("expected an object")) };
        Ok(Input::new(members))
    }
}

fn unreadable(message: impl Into<String>) -> AwsError {
    AwsError::new("SerializationException", message)
}

struct Check {
    faults: Vec<String>,
}

impl Check {
    fn fault(&mut self, path: &str, value: &str, constraint: &str) {
        if self.faults.len() < FAULTS_TOLD_MAX {
            // Of identifiers, the service does not repeat the value.
            let value = if path.starts_with("logGroupIdentifier") && value != "null" { "" } else { value };
            let space = if value.is_empty() { "" } else { " " };
            self.faults.push(format!("Value{space}{value} at '{path}' failed to satisfy constraint: {constraint}"));
        }
    }

    /// Refuses at once what is of another type: then nothing else of the request can be believed.
    fn value(&mut self, shape: &str, path: &str, value: &Value) -> Result<(), AwsError> {
        let Some(shape) = model().shapes.get(shape) else { return Ok(()) };
        if value.is_null() {
            return Ok(());
        }
        match (shape.kind, value) {
            (Kind::Structure, Value::Object(members)) => self.structure(shape, path, members),
            (Kind::List, Value::Array(items)) => self.list(shape, path, items),
            (Kind::Map, Value::Object(entries)) => self.map(shape, path, entries),
            (Kind::String | Kind::Blob, Value::String(text)) => {
                if let Some(constraint) = shape.text_fault(text) {
                    self.fault(path, &shown(value), &format!("Member must {constraint}"));
                }
                Ok(())
            }
            (Kind::Boolean, Value::Bool(_)) => Ok(()),
            (Kind::Double, Value::Number(_)) => Ok(()),
            (Kind::Integer | Kind::Long, Value::Number(number)) => {
                let number =
                    number.as_i64().map(|number| number as f64).or(number.as_f64().filter(|number| number.fract() == 0.0));
                let number = number.ok_or_else(|| unreadable("NUMBER_VALUE can not be converted to a Long"))?;
                if let Some(constraint) = shape.number_fault(number) {
                    self.fault(path, &shown(value), &format!("Member must {constraint}"));
                }
                Ok(())
            }
            (kind, value) => Err(unreadable(format!("{} can not be converted to {}", token(value), kind.as_str()))),
        }
    }

    fn structure(&mut self, shape: &Shape, path: &str, members: &Map<String, Value>) -> Result<(), AwsError> {
        for required in &shape.required {
            if members.get(required).is_none_or(Value::is_null) {
                self.fault(&within(path, required), "null", "Member must not be null");
            }
        }
        for (name, value) in members {
            if let Some(inner) = shape.members.get(name) {
                self.value(inner, &within(path, name), value)?;
            }
        }
        Ok(())
    }

    fn list(&mut self, shape: &Shape, path: &str, items: &[Value]) -> Result<(), AwsError> {
        if let Some(constraint) = shape.length_fault(items.len()) {
            self.fault(path, &shown(&Value::Array(items.to_vec())), &format!("Member must {constraint}"));
        }
        let Some(item_name) = &shape.item else { return Ok(()) };
        let item_shape = model().shapes.get(item_name);
        for (index, item) in items.iter().enumerate() {
            match (item_shape, item) {
                // Texts in a list are told of with the list.
                (Some(inner), Value::String(text)) if inner.kind == Kind::String => {
                    if inner.text_fault(text).is_some() {
                        let constraint = format!("Member must satisfy constraint: [{}]", inner.constraints());
                        self.fault(path, &shown(&Value::Array(items.to_vec())), &constraint);
                        return Ok(());
                    }
                }
                _ => self.value(item_name, &format!("{path}.{}.member", index + 1), item)?,
            }
        }
        Ok(())
    }

    fn map(&mut self, shape: &Shape, path: &str, entries: &Map<String, Value>) -> Result<(), AwsError> {
        let all = || shown(&Value::Object(entries.clone()));
        if let Some(constraint) = shape.length_fault(entries.len()) {
            self.fault(path, &all(), &format!("Member must {constraint}"));
        }
        let of = |name: &Option<String>| name.as_ref().and_then(|name| model().shapes.get(name));
        for (key, value) in entries {
            if let Some(inner) = of(&shape.key).filter(|inner| inner.text_fault(key).is_some()) {
                self.fault(path, &all(), &format!("Map keys must satisfy constraint: [{}]", inner.constraints()));
                return Ok(());
            }
            match (of(&shape.value), value) {
                (Some(inner), Value::String(text)) if inner.kind == Kind::String => {
                    if inner.text_fault(text).is_some() {
                        self.fault(path, &all(), &format!("Map value must satisfy constraint: [{}]", inner.constraints()));
                        return Ok(());
                    }
                }
                (_, value) => {
                    if let Some(inner) = &shape.value {
                        self.value(inner, &within(path, key), value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn within(path: &str, member: &str) -> String {
    if path.is_empty() { member.to_owned() } else { format!("{path}.{member}") }
}

fn token(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

/// A value in quotes as AWS prints it: lists and maps in Java's manner.
fn shown(value: &Value) -> String {
    let text: String = plain(value).chars().take(VALUE_CHARS_SHOWN).collect();
    format!("'{text}'")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(", ")),
        Value::Object(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={}", plain(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_pattern_is_read() {
        assert_eq!((model().operations.len(), model().gaps()), (118, Vec::new()));
    }

    #[track_caller]
    fn check(name: &str, body: &str, expected: &str) {
        let read = operation(name).unwrap().read(body.as_bytes());
        let told = read.map_or_else(|error| error.to_string(), |_| "read".to_owned());
        assert!(told.contains(expected), "{body}: {told}");
    }

    #[test]
    fn members_are_checked_in_awss_words() {
        check("DescribeLogGroups", "", "read");
        check("DescribeLogGroups", r#"{"limit": 50, "later": {}}"#, "read");
        check(
            "DescribeLogGroups",
            r#"{"limit": 51}"#,
            "InvalidParameterException: 1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
        );
        check(
            "CreateLogStream",
            "{}",
            "2 validation errors detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null; Value null at 'logStreamName'",
        );
        check(
            "CreateLogGroup",
            r#"{"logGroupName": "a b"}"#,
            r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
        );
        check(
            "CreateLogGroup",
            r#"{"logGroupName": 7}"#,
            "SerializationException: NUMBER_VALUE can not be converted to a String",
        );
        check(
            "CreateLogGroup",
            r#"{"logGroupName": "a", "tags": {"a": "ü", "b": "%"}}"#,
            "at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 256",
        );
        check(
            "UntagLogGroup",
            r#"{"logGroupName": "a", "tags": [""]}"#,
            "Value '[]' at 'tags' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, ",
        );
        check(
            "PutDeliveryDestination",
            r#"{"name": "a", "outputFormat": "foobar"}"#,
            "ValidationException: 1 validation error detected: Value 'foobar' at 'outputFormat' failed to satisfy constraint: Member must satisfy enum value set: [json, plain, w3c, raw, parquet]",
        );
        check(
            "PutTransformer",
            r#"{"logGroupIdentifier": "a", "transformerConfig": [{"addKeys": {"entries": [{"key": "a"}]}}]}"#,
            "Value null at 'transformerConfig.1.member.addKeys.entries.1.member.value'",
        );
        check("DescribeConfigurationTemplates", r#"{"resourceTypes": ["a-b_"]}"#, "read");
        check(
            "DescribeLogStreams",
            r#"{"logGroupIdentifier": "a:*"}"#,
            r"detected: Value at 'logGroupIdentifier' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w#+=/:,.@-]*",
        );
        check("DescribeLogGroups", "[1]", "SerializationException");
        check("DescribeLogGroups", "{", "SerializationException");
    }
}
