//! Members of a request that the model allows: what is there has its type.

use serde_json::{Map, Value};

#[derive(Clone, Debug, Default)]
pub struct Input {
    members: Map<String, Value>,
}

impl Input {
    pub fn new(members: Map<String, Value>) -> Input {
        Input { members }
    }

    /// A member that is there and not null.
    pub fn get(&self, member: &str) -> Option<&Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    pub fn has(&self, member: &str) -> bool {
        self.get(member).is_some()
    }

    pub fn text(&self, member: &str) -> Option<&str> {
        self.get(member)?.as_str()
    }

    /// A text that the model requires.
    pub fn required(&self, member: &str) -> &str {
        self.text(member).unwrap_or_default()
    }

    pub fn flag(&self, member: &str) -> Option<bool> {
        self.get(member)?.as_bool()
    }

    pub fn integer(&self, member: &str) -> Option<i64> {
        let value = self.get(member)?;
        value.as_i64().or_else(|| value.as_f64().map(|number| number as i64))
    }

    pub fn texts(&self, member: &str) -> Vec<&str> {
        self.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn list(&self, member: &str) -> &[Value] {
        self.get(member).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// A map of texts, e.g. tags.
    pub fn pairs(&self, member: &str) -> Vec<(String, String)> {
        let entries = self.get(member).and_then(Value::as_object).into_iter().flatten();
        entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// An object of these members, of those that are there.
    pub fn only(&self, members: &[&str]) -> Map<String, Value> {
        members.iter().filter_map(|member| Some(((*member).to_owned(), self.get(member)?.clone()))).collect()
    }
}
