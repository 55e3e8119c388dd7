//! Selectors in a document.

use serde_json::Value as Json;

use super::ast::{Selector, Step};

/// Values that one selector looks at: a document may hold more of them than anyone asks about.
const VALUES_MAX: usize = 10_000;

impl Selector {
    /// Every value that it leads to, in the document's order.
    pub fn values<'a>(&self, document: &'a Json) -> Vec<&'a Json> {
        let mut values = vec![document];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in values {
                match (step, value) {
                    (Step::Key(key), Json::Object(object)) => next.extend(object.get(key)),
                    (Step::Index(index), Json::Array(array)) => next.extend(array.get(*index)),
                    (Step::Any, Json::Array(array)) => next.extend(array),
                    (Step::Any, Json::Object(object)) => next.extend(object.values()),
                    _ => {}
                }
            }
            next.truncate(VALUES_MAX);
            values = next;
        }
        values
    }
}

/// What is compared with texts: the value as it is written, without quotes; nothing of arrays, objects and null.
pub fn scalar_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(is) => Some(is.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The document that a line is; text around it makes it none.
pub fn document(line: &str) -> Option<Json> {
    line.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(line).ok()).flatten()
}
