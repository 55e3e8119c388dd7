//! Attributes: a key and a value; nested maps flatten into dotted keys.

use std::borrow::Cow;

use crate::limits::ATTRIBUTE_DEPTH_MAX;
use crate::value::Value;

/// One attribute. Later ones win over earlier ones of the same key.
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute<'a> {
    pub key: Cow<'a, str>,
    pub value: Value<'a>,
}

/// The attributes of a resource, a scope or a record.
pub type Attributes<'a> = [Attribute<'a>];

impl<'a> Attribute<'a> {
    pub fn new(key: impl Into<Cow<'a, str>>, value: Value<'a>) -> Attribute<'a> {
        Attribute { key: key.into(), value }
    }

    pub fn str(key: &'a str, value: impl Into<Cow<'a, str>>) -> Attribute<'a> {
        Attribute { key: Cow::Borrowed(key), value: Value::Str(value.into()) }
    }
}

/// Pushes `json` under `key`, maps flattened with dots down to [`ATTRIBUTE_DEPTH_MAX`]; arrays stay JSON text, nulls vanish.
pub fn flatten_json<'a>(key: Cow<'a, str>, json: &serde_json::Value, out: &mut Vec<Attribute<'a>>) {
    flatten_at(key, json, 1, out);
}

fn flatten_at<'a>(key: Cow<'a, str>, json: &serde_json::Value, depth: usize, out: &mut Vec<Attribute<'a>>) {
    let value = match json {
        serde_json::Value::Null => return,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::Str(Cow::Owned(text.clone())),
        serde_json::Value::Object(map) if depth < ATTRIBUTE_DEPTH_MAX => {
            for (name, inner) in map {
                flatten_at(Cow::Owned(format!("{key}.{name}")), inner, depth + 1, out);
            }
            return;
        }
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => Value::Json(Cow::Owned(json.to_string())),
    };
    out.push(Attribute { key, value });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_flatten_to_depth_five() {
        let json = serde_json::json!({"b": {"c": {"d": {"e": {"f": 1}}}}, "list": [1, 2], "none": null});
        let mut out = Vec::new();
        flatten_json("a".into(), &json, &mut out);
        let text: Vec<String> = out.iter().map(|a| format!("{}={}", a.key, a.value.to_text())).collect();
        assert_eq!(text, [r#"a.b.c.d.e={"f":1}"#, "a.list=[1,2]"]);
    }
}
