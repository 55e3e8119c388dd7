//! A service's own model: its operations, and the shapes of what they take and tell. What each service makes of them stands
//! beside its `model.json`, which `e2e/make_*_model.py` writes from botocore's.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use regex::Regex;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
pub struct Model<Operation> {
    pub operations: BTreeMap<String, Operation>,
    pub shapes: BTreeMap<String, Shape>,
}

impl<Operation: DeserializeOwned> Model<Operation> {
    /// Reads a file that is part of the program, and that a test reads: what cannot be read has nothing in it.
    pub fn read(text: &str) -> Model<Operation> {
        serde_json::from_str(text).unwrap_or_else(|_| Model { operations: BTreeMap::new(), shapes: BTreeMap::new() })
    }

    /// Shapes that others name and that are not there, and patterns that cannot be read.
    #[cfg(test)]
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (name, shape) in &self.shapes {
            gaps.extend(
                shape.pattern.iter().filter(|pattern| compiled(pattern).is_none()).map(|pattern| format!("{name}: {pattern}")),
            );
            let inner = shape.members.values().chain(&shape.item).chain(&shape.key).chain(&shape.value);
            gaps.extend(inner.filter(|inner| !self.shapes.contains_key(*inner)).map(|inner| format!("{name}: {inner}")));
        }
        gaps
    }
}

#[derive(Deserialize)]
pub struct Shape {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pattern: Option<String>,
    #[serde(rename = "enum", default)]
    words: Vec<String>,
    #[serde(default)]
    pub members: BTreeMap<String, String>,
    #[serde(default)]
    pub required: Vec<String>,
    pub item: Option<String>,
    pub key: Option<String>,
    pub value: Option<String>,
    #[serde(skip)]
    compiled: OnceLock<Option<Regex>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Structure,
    List,
    Map,
    String,
    Boolean,
    Integer,
    Long,
    Double,
    Float,
    Timestamp,
    Blob,
}

impl Shape {
    /// What a text must do that it does not: one of the words, a length, a pattern.
    pub fn text_fault(&self, text: &str) -> Option<String> {
        if !self.words.is_empty() {
            let listed = self.words.iter().any(|word| word == text);
            return (!listed).then(|| format!("satisfy enum value set: [{}]", self.words.join(", ")));
        }
        if let Some(constraint) = self.length_fault(text.chars().count()) {
            return Some(constraint);
        }
        let pattern = self.pattern.as_ref()?;
        let compiled = self.compiled.get_or_init(|| compiled(pattern));
        let matches = compiled.as_ref().is_none_or(|regex| regex.is_match(text));
        (!matches).then(|| format!("satisfy regular expression pattern: {pattern}"))
    }

    pub fn length_fault(&self, length: usize) -> Option<String> {
        let length = length as f64;
        if let Some(max) = self.max.filter(|max| length > *max) {
            return Some(format!("have length less than or equal to {max}"));
        }
        self.min.filter(|min| length < *min).map(|min| format!("have length greater than or equal to {min}"))
    }

    pub fn number_fault(&self, number: f64) -> Option<String> {
        if let Some(max) = self.max.filter(|max| number > *max) {
            return Some(format!("have value less than or equal to {max}"));
        }
        self.min.filter(|min| number < *min).map(|min| format!("have value greater than or equal to {min}"))
    }

    /// Everything that is asked of a text, as AWS lists it.
    pub fn constraints(&self) -> String {
        let max = self.max.map(|max| format!("Member must have length less than or equal to {max}"));
        let min = self.min.map(|min| format!("Member must have length greater than or equal to {min}"));
        let pattern = self.pattern.as_ref().map(|pattern| format!("Member must satisfy regular expression pattern: {pattern}"));
        let words = (!self.words.is_empty()).then(|| format!("Member must satisfy enum value set: [{}]", self.words.join(", ")));
        [max, min, pattern, words].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Kind {
    /// As AWS calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Structure => "a structure",
            Kind::List => "a List",
            Kind::Map => "a Map",
            Kind::String => "a String",
            Kind::Boolean => "a Boolean",
            Kind::Integer => "an Integer",
            Kind::Long => "a Long",
            Kind::Double => "a Double",
            Kind::Float => "a Float",
            Kind::Timestamp => "a Timestamp",
            Kind::Blob => "a Blob",
        }
    }
}

/// The pattern over the whole text. The model is written for Java, where `\w` and `\d` are ASCII's and a dash may stand anywhere.
fn compiled(pattern: &str) -> Option<Regex> {
    let ours = pattern.replace(r"\w-_", r"\w_-").replace(r"\w", "A-Za-z0-9_").replace(r"\d", "[0-9]");
    Regex::new(&format!("^(?s:{ours})$")).ok()
}
