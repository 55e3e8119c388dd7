//! Why a specification is not run: which member is at fault, and in which of Honeycomb's words.

/// A specification that cannot be read, or does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", prefix(path))]
pub struct SpecificationError {
    pub code: ErrorCode,
    /// Where in the JSON: `calculations[0].op`; empty for the whole.
    pub path: String,
    pub message: String,
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

/// What is wrong with a member, as Honeycomb's errors class it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    Invalid,
    Missing,
    IncorrectType,
}

impl ErrorCode {
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::Invalid => "invalid",
            ErrorCode::Missing => "missing",
            ErrorCode::IncorrectType => "incorrect_type",
        }
    }
}

impl SpecificationError {
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> SpecificationError {
        SpecificationError { code: ErrorCode::Invalid, path: path.into(), message: message.into() }
    }

    pub fn missing(path: impl Into<String>, message: impl Into<String>) -> SpecificationError {
        SpecificationError { code: ErrorCode::Missing, path: path.into(), message: message.into() }
    }

    pub fn incorrect_type(path: impl Into<String>, expected: &str, found: &serde_json::Value) -> SpecificationError {
        let found = match found {
            serde_json::Value::Null => "null",
            serde_json::Value::Bool(_) => "a boolean",
            serde_json::Value::Number(_) => "a number",
            serde_json::Value::String(_) => "a string",
            serde_json::Value::Array(_) => "an array",
            serde_json::Value::Object(_) => "an object",
        };
        let message = format!("expected {expected}, found {found}");
        SpecificationError { code: ErrorCode::IncorrectType, path: path.into(), message }
    }
}
