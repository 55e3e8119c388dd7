//! Fields of documents: a document is read no further than it takes to find one.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The value at a path of a document, by the dots of the path or as the name of a member; texts without quotes.
pub(super) fn field(document: &str, path: &str) -> Option<String> {
    let value = match document.trim_start().as_bytes().first() {
        Some(b'{') if may_have(document, path) => Value::Object(members(document, path).ok()?),
        Some(b'[') => serde_json::from_str(document).ok()?,
        _ => return None,
    };
    plain(value.get(path).or_else(|| at(&value, path))?)
}

pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether the last name of the path stands in the document; where something is written as an escape it may be that.
fn may_have(document: &str, path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    let is_place = name.bytes().all(|byte| byte.is_ascii_digit());
    is_place
        || memchr::memmem::find(document.as_bytes(), name.as_bytes()).is_some()
        || memchr::memchr(b'\\', document.as_bytes()).is_some()
}

/// By the dots of a path; a member's own name may have dots, too.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => {
            let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
            let item = items.get(head.parse::<usize>().ok()?)?;
            rest.map_or(Some(item), |rest| at(item, rest))
        }
        Value::Object(members) => {
            if let Some(member) = members.get(path) {
                return Some(member);
            }
            path.match_indices('.').find_map(|(dot, _)| at(members.get(&path[..dot])?, &path[dot + 1..]))
        }
        _ => None,
    }
}

/// The members of an object that a path may lead to.
fn members(document: &str, path: &str) -> serde_json::Result<Map<String, Value>> {
    let mut reader = serde_json::Deserializer::from_str(document);
    let found = Members { path }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(found)
}

struct Members<'p> {
    path: &'p str,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = Map::new();
        while let Some(name) = members.next_key_seed(Name { path: self.path })? {
            match name {
                Some(name) => {
                    found.insert(name, members.next_value()?);
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// A member's name, if it is the path or the beginning of it.
struct Name<'p> {
    path: &'p str,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        let rest = self.path.strip_prefix(name);
        Ok(rest.filter(|rest| rest.is_empty() || rest.starts_with('.')).map(|_| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_documents() {
        let document = r#"{"a": {"b": [1, {"c": "x"}]}, "d.e": true, "f": {"g.h": 2}, "n": null, "\u0069": 3, "f2": 1, "f2": 4}"#;
        for (path, expected) in [
            ("a.b.0", Some("1")),
            ("a.b.1.c", Some("x")),
            ("d.e", Some("true")),
            ("f.g.h", Some("2")),
            ("a.b", Some(r#"[1,{"c":"x"}]"#)),
            ("n", None),
            ("a.x", None),
            ("x", None),
            ("i", Some("3")),
            ("f2", Some("4")),
        ] {
            assert_eq!(field(document, path).as_deref(), expected, "{path}");
        }
        assert_eq!(field("plain", "a"), None);
        assert_eq!(field(r#"{"a": 1"#, "a"), None);
        assert_eq!(field(r#"{"a": 1} more"#, "a"), None);
        assert_eq!(field(r#"[5]"#, "0").as_deref(), Some("5"));
    }

    proptest::proptest! {
        #[test]
        fn a_field_is_what_it_is_in_the_whole_document(
            document in r#"\{("(a|b|a\.b|\\u0061)": ?(1|"x"|null|\{"(a|b)": ?[0-9]\}|\[1, ?\{"a":2\}\])(, ?)?){0,4}\}?"#, path in r"(a|b|0|1)(\.(a|b|0|1)){0,2}",
        ) {
            let whole: Value = serde_json::from_str(&document).unwrap_or_default();
            let expected = whole.get(&path).or_else(|| at(&whole, &path)).and_then(plain);
            proptest::prop_assert_eq!(field(&document, &path), expected);
        }
    }
}
