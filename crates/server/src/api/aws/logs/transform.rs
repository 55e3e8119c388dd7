//! What a transformer makes of a line: its processors, one after the other, over a document.
//!
//! Missing: `grok`, `dateTimeConverter`, and the parsers of AWS's own formats; a transformer that has one is not tried
//! Spec: docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Transformation-Processors.html

use regex::Regex;
use serde_json::{Map, Value, json};

/// A structure nested deeper is not written to.
const DEPTH_MAX: usize = 32;

/// What is not carried out here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

/// The document that a line becomes, as JSON. A processor that does not fit the document leaves it as it is.
pub fn transform(processors: &[Value], message: &str) -> Result<Value, Unknown> {
    let mut document = json!({ "@message": message });
    for processor in processors {
        let Some((kind, settings)) = processor.as_object().and_then(|members| members.iter().next()) else { continue };
        apply(&mut document, kind, settings)?;
    }
    Ok(document)
}

fn apply(document: &mut Value, kind: &str, settings: &Value) -> Result<(), Unknown> {
    let entries = || settings["entries"].as_array().into_iter().flatten();
    let keys = || settings["withKeys"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let word = |entry: &Value, member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    let overwrites = |entry: &Value| entry["overwriteIfExists"].as_bool().unwrap_or(false);
    match kind {
        "parseJSON" => {
            let parsed = source(document, settings).and_then(|text| serde_json::from_str::<Value>(&text).ok());
            if let Some(Value::Object(members)) = parsed {
                merge(document, settings, members);
            }
        }
        "parseKeyValue" => {
            if let Some(text) = source(document, settings) {
                merge(document, settings, key_values(settings, &text));
            }
        }
        "csv" => {
            if let Some(text) = source(document, settings) {
                merge(document, settings, columns(settings, &text));
            }
        }
        "addKeys" => {
            for entry in entries() {
                put(document, &word(entry, "key"), word(entry, "value").into(), overwrites(entry));
            }
        }
        "copyValue" => {
            for entry in entries() {
                if let Some(value) = at(document, &word(entry, "source")).cloned() {
                    put(document, &word(entry, "target"), value, overwrites(entry));
                }
            }
        }
        "moveKeys" | "renameKeys" => {
            let (from, to) = if kind == "moveKeys" { ("source", "target") } else { ("key", "renameTo") };
            for entry in entries() {
                let taken = overwrites(entry) || at(document, &word(entry, to)).is_none();
                if let Some(value) = taken.then(|| remove(document, &word(entry, from))).flatten() {
                    put(document, &word(entry, to), value, true);
                }
            }
        }
        "deleteKeys" => keys().for_each(|key| drop(remove(document, key))),
        "lowerCaseString" => keys().for_each(|key| change(document, key, |text| text.to_lowercase().into())),
        "upperCaseString" => keys().for_each(|key| change(document, key, |text| text.to_uppercase().into())),
        "trimString" => keys().for_each(|key| change(document, key, |text| text.trim().into())),
        "splitString" => {
            for entry in entries() {
                let delimiter = word(entry, "delimiter");
                change(document, &word(entry, "source"), |text| text.split(delimiter.as_str()).collect::<Vec<_>>().into());
            }
        }
        "substituteString" => {
            for entry in entries() {
                let Ok(expression) = Regex::new(&word(entry, "from")) else { continue };
                let to = word(entry, "to");
                change(document, &word(entry, "source"), |text| expression.replace_all(text, to.as_str()).into_owned().into());
            }
        }
        "typeConverter" => {
            for entry in entries() {
                let kind = word(entry, "type");
                let key = word(entry, "key");
                if let Some(converted) = at(document, &key).and_then(|value| convert(value, &kind)) {
                    put(document, &key, converted, true);
                }
            }
        }
        "listToMap" => list_to_map(document, settings),
        other => return Err(Unknown(other.to_owned())),
    }
    Ok(())
}

/// The text that a parser reads.
fn source(document: &Value, settings: &Value) -> Option<String> {
    let path = settings["source"].as_str().unwrap_or("@message");
    at(document, path)?.as_str().map(str::to_owned)
}

/// What a parser found, at its destination or at the root.
fn merge(document: &mut Value, settings: &Value, members: Map<String, Value>) {
    if settings["source"].as_str().is_none_or(|source| source == "@message") {
        remove(document, "@message");
    }
    match settings["destination"].as_str() {
        Some(destination) => put(document, destination, Value::Object(members), true),
        None => {
            if let Some(root) = document.as_object_mut() {
                root.extend(members);
            }
        }
    }
}

fn key_values(settings: &Value, text: &str) -> Map<String, Value> {
    let setting = |member: &str, default: &'static str| settings[member].as_str().unwrap_or(default).to_owned();
    let (fields, pair) = (setting("fieldDelimiter", "&"), setting("keyValueDelimiter", "="));
    let (prefix, missing) = (setting("keyPrefix", ""), settings["nonMatchValue"].as_str());
    let read = |field: &str| match field.split_once(pair.as_str()) {
        Some((key, value)) => Some((format!("{prefix}{key}"), Value::from(value))),
        None => missing.map(|missing| (format!("{prefix}{field}"), Value::from(missing))),
    };
    text.split(fields.as_str()).filter_map(read).collect()
}

fn columns(settings: &Value, text: &str) -> Map<String, Value> {
    let quote = settings["quoteCharacter"].as_str().and_then(|quote| quote.chars().next()).unwrap_or('"');
    let delimiter = match settings["delimiter"].as_str() {
        Some("\\t") => '\t',
        other => other.and_then(|delimiter| delimiter.chars().next()).unwrap_or(','),
    };
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            letter if letter == quote => quoted = !quoted,
            letter if letter == delimiter && !quoted => cells.push(std::mem::take(&mut cell)),
            letter => cell.push(letter),
        }
    }
    cells.push(cell);
    let names = settings["columns"].as_array();
    let name = |at: usize| {
        let named = names.and_then(|names| names.get(at)).and_then(Value::as_str);
        named.map_or_else(|| format!("column_{}", at + 1), str::to_owned)
    };
    cells.into_iter().enumerate().map(|(at, cell)| (name(at), Value::from(cell))).collect()
}

fn list_to_map(document: &mut Value, settings: &Value) {
    let member = |name: &str| settings[name].as_str();
    let Some(items) = member("source").and_then(|path| at(document, path)).and_then(Value::as_array) else { return };
    let mut map = Map::new();
    for item in items {
        let Some(key) = member("key").and_then(|key| at(item, key)).and_then(Value::as_str) else { continue };
        let value = member("valueKey").map_or_else(|| item.clone(), |key| at(item, key).cloned().unwrap_or_default());
        match map.get_mut(key) {
            Some(Value::Array(values)) => values.push(value),
            _ => drop(map.insert(key.to_owned(), Value::Array(vec![value]))),
        }
    }
    if settings["flatten"].as_bool() == Some(true) {
        let last = member("flattenedElement") == Some("last");
        for value in map.values_mut() {
            let picked = value.as_array_mut().and_then(|values| if last { values.pop() } else { values.drain(..).next() });
            *value = picked.unwrap_or_default();
        }
    }
    match member("target") {
        Some(target) => put(document, target, Value::Object(map), true),
        None => {
            if let Some(root) = document.as_object_mut() {
                root.extend(map);
            }
        }
    }
}

fn convert(value: &Value, kind: &str) -> Option<Value> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match kind {
        "string" => Some(text.into()),
        "integer" => text.trim().parse::<f64>().ok().map(|number| (number as i64).into()),
        "double" => text.trim().parse::<f64>().ok().map(Value::from),
        "boolean" => match text.trim().to_ascii_lowercase().as_str() {
            "true" => Some(true.into()),
            "false" => Some(false.into()),
            _ => None,
        },
        _ => None,
    }
}

fn change(document: &mut Value, path: &str, how: impl Fn(&str) -> Value) {
    if let Some(changed) = at(document, path).and_then(Value::as_str).map(how) {
        put(document, path, changed, true);
    }
}

/// By a path with dots; of a list by number.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        other => other.get(step),
    })
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    match path.rsplit_once('.') {
        None => document.as_object_mut()?.remove(path),
        Some((parents, last)) => {
            let parent = parents.split('.').try_fold(document, |value, step| value.get_mut(step))?;
            parent.as_object_mut()?.remove(last)
        }
    }
}

/// Writes a value, making the objects on its way. What is there stays, unless it is to be overwritten.
fn put(document: &mut Value, path: &str, value: Value, overwrite: bool) {
    if !overwrite && at(document, path).is_some() {
        return;
    }
    let mut steps: Vec<&str> = path.split('.').collect();
    let Some(last) = steps.pop().filter(|_| steps.len() < DEPTH_MAX) else { return };
    let mut place = document;
    for step in steps {
        let Some(members) = place.as_object_mut() else { return };
        place = members.entry(step).or_insert_with(|| json!({}));
    }
    if let Some(members) = place.as_object_mut() {
        members.insert(last.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(processors: Value, message: &str, expected: Value) {
        assert_eq!(transform(processors.as_array().unwrap(), message), Ok(expected), "{processors}");
    }

    #[test]
    fn processors_change_documents() {
        check(json!([{"parseJSON": {}}]), r#"{"a": {"b": 1}}"#, json!({"a": {"b": 1}}));
        check(json!([{"parseJSON": {"destination": "in"}}]), r#"{"a": 1}"#, json!({"in": {"a": 1}}));
        check(json!([{"parseJSON": {}}]), "plain", json!({"@message": "plain"}));
        check(
            json!([{"parseKeyValue": {"fieldDelimiter": " ", "keyPrefix": "k_", "nonMatchValue": "none"}}]),
            "a=1 b",
            json!({"k_a": "1", "k_b": "none"}),
        );
        check(json!([{"csv": {"columns": ["a", "b"]}}]), r#"1,"x,y",z"#, json!({"a": "1", "b": "x,y", "column_3": "z"}));
        check(
            json!([{"parseJSON": {}}, {"addKeys": {"entries": [{"key": "t.u", "value": "v"}, {"key": "a", "value": "no"}]}}]),
            r#"{"a": 1}"#,
            json!({"a": 1, "t": {"u": "v"}}),
        );
        check(
            json!([{"parseJSON": {}}, {"renameKeys": {"entries": [{"key": "a", "renameTo": "b"}]}}, {"deleteKeys": {"withKeys": ["c"]}}]),
            r#"{"a": 1, "c": 2}"#,
            json!({"b": 1}),
        );
        check(
            json!([{"parseJSON": {}}, {"upperCaseString": {"withKeys": ["a"]}}, {"splitString": {"entries": [{"source": "b", "delimiter": ","}]}},
                   {"substituteString": {"entries": [{"source": "c", "from": "[0-9]+", "to": "#"}]}},
                   {"typeConverter": {"entries": [{"key": "d", "type": "integer"}, {"key": "e", "type": "boolean"}]}}]),
            r#"{"a": "x", "b": "1,2", "c": "a12b3", "d": "7", "e": "true"}"#,
            json!({"a": "X", "b": ["1", "2"], "c": "a#b#", "d": 7, "e": true}),
        );
        check(
            json!([{"parseJSON": {}}, {"listToMap": {"source": "l", "key": "k", "valueKey": "v", "target": "m", "flatten": true, "flattenedElement": "last"}}, {"deleteKeys": {"withKeys": ["l"]}}]),
            r#"{"l": [{"k": "a", "v": 1}, {"k": "a", "v": 2}]}"#,
            json!({"m": {"a": 2}}),
        );
        assert_eq!(transform(&[json!({"grok": {"match": "x"}})], "a"), Err(Unknown("grok".to_owned())));
    }
}
