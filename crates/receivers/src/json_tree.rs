//! JSON as a tree that borrows from its text: names and texts without escapes are not copied, members stand in a list.
//!
//! Vendors' documents have a few dozen members, which are looked up once each; comparing lengths finds one faster than
//! hashing does. Of a repeated member the last counts, at the place of the first. Depth is bounded by serde's reader, 128.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use model::Attribute;
use model::limits::ATTRIBUTE_DEPTH_MAX;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// Any JSON value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Map<'a>),
}

/// The members of an object, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Value<'a> {
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self { Some(*value) } else { None }
    }

    pub fn as_object(&self) -> Option<&Map<'a>> {
        if let Value::Object(members) = self { Some(members) } else { None }
    }

    pub fn as_array(&self) -> Option<&Vec<Value<'a>>> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(number) = self { number.as_f64() } else { None }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn is_boolean(&self) -> bool {
        matches!(self, Value::Bool(_))
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }

    /// A member of an object; `None` of anything else.
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.as_object()?.get(key)
    }

    /// Without anything borrowed.
    pub fn into_owned<'any>(self) -> Value<'any> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(number) => Value::Number(number),
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(members) => Value::Object(members.into_owned()),
        }
    }

    /// The value as an attribute's; nothing for null. Arrays and objects become JSON text.
    pub fn into_attribute(self) -> Option<model::Value<'a>> {
        Some(match self {
            Value::Null => return None,
            Value::Bool(value) => model::Value::Bool(value),
            Value::Number(number) => attribute_number(&number),
            Value::String(text) => model::Value::Str(text),
            Value::Array(_) | Value::Object(_) => model::Value::Json(self.to_string().into()),
        })
    }
}

/// Whole numbers of 64 bits stay whole.
pub fn attribute_number(number: &Number) -> model::Value<'static> {
    match number.as_i64() {
        Some(value) => model::Value::Int(value),
        None => model::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
    }
}

/// Pushes `json` under `key`, maps flattened with dots; what [`model::flatten_json`] does, without copies.
pub fn flatten<'a>(key: Cow<'a, str>, json: Value<'a>, out: &mut Vec<Attribute<'a>>) {
    flatten_at(key, json, 1, out);
}

fn flatten_at<'a>(key: Cow<'a, str>, json: Value<'a>, depth: usize, out: &mut Vec<Attribute<'a>>) {
    match json {
        Value::Object(members) if depth < ATTRIBUTE_DEPTH_MAX => {
            for (name, inner) in members {
                flatten_at(Cow::Owned(format!("{key}.{name}")), inner, depth + 1, out);
            }
        }
        json => out.extend(json.into_attribute().map(|value| Attribute { key, value })),
    }
}

impl<'a> Map<'a> {
    /// Inlined, so that a name known to the compiler is compared in place.
    #[inline]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// Without anything borrowed.
    pub fn into_owned<'any>(self) -> Map<'any> {
        Map(self.0.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned())).collect())
    }

    /// Adds a member; one of that name takes the new value. Only for objects known to be small.
    fn insert(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some(known) => known.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// The same for an object of any size.
    fn from_many(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Map<'a> {
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::with_capacity(members.len());
        let mut kept: Vec<(Cow<'a, str>, Value<'a>)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            match places.get(&key) {
                Some(place) => kept[*place].1 = value,
                None => {
                    places.insert(key.clone(), kept.len());
                    kept.push((key, value));
                }
            }
        }
        Map(kept)
    }
}

impl<'a> IntoIterator for Map<'a> {
    type Item = (Cow<'a, str>, Value<'a>);
    type IntoIter = std::vec::IntoIter<(Cow<'a, str>, Value<'a>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Members up to which a repeated name is looked for one by one.
const MEMBERS_COMPARED_MAX: usize = 32;

/// A text, borrowed where it has no escapes.
pub struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'a>, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<'a>, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Value<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON value")
            }

            fn visit_unit<E>(self) -> Result<Value<'de>, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
                Ok(Value::Number(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
                Ok(Value::Number(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
                Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
                Ok(Value::String(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
                Ok(Value::String(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Value::Array(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value<'de>, A::Error> {
                members(map).map(Value::Object)
            }
        }
        deserializer.deserialize_any(Values)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Map<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map<'a>, D::Error> {
        struct Objects;
        impl<'de> Visitor<'de> for Objects {
            type Value = Map<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Map<'de>, A::Error> {
                members(map)
            }
        }
        deserializer.deserialize_map(Objects)
    }
}

fn members<'de, A: MapAccess<'de>>(mut map: A) -> Result<Map<'de>, A::Error> {
    let mut small = Map(Vec::with_capacity(8));
    let mut marks = 0;
    while let Some((Text(key), value)) = map.next_entry()? {
        if small.0.len() < MEMBERS_COMPARED_MAX {
            let mark = mark(&key);
            if marks & mark == 0 {
                small.0.push((key, value));
            } else {
                small.insert(key, value);
            }
            marks |= mark;
            continue;
        }
        small.0.push((key, value));
        while let Some((Text(key), value)) = map.next_entry()? {
            small.0.push((key, value));
        }
        return Ok(Map::from_many(small.0));
    }
    Ok(small)
}

/// A bit that names alike have in common; most others have another.
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
    1 << ((bytes.len() + usize::from(first) * 5 + usize::from(last) * 11) % 64)
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => serializer.collect_seq(items),
            Value::Object(members) => serializer.collect_map(members.iter()),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            "\\PC{0,8}|[\"\\\\\n]{0,3}".prop_map(Into::into),
        ];
        leaf.prop_recursive(6, 60, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                proptest::collection::vec(("[a-c]{1,2}|\\PC{0,4}", inner), 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn it_reads_what_serde_reads(json in any_json()) {
            let text = json.to_string();
            let tree: Value<'_> = serde_json::from_str(&text).unwrap();
            proptest::prop_assert_eq!(tree.to_string(), text.as_str());
            proptest::prop_assert_eq!(&tree.clone().into_owned(), &tree);
            let mut expected = Vec::new();
            model::flatten_json("key".into(), &json, &mut expected);
            let mut flat = Vec::new();
            flatten("key".into(), tree, &mut flat);
            proptest::prop_assert_eq!(format!("{flat:?}"), format!("{expected:?}"));
        }

        #[test]
        fn of_repeated_members_the_last_counts(names in proptest::collection::vec(0u8..60, 0..90)) {
            let members: Vec<String> = names.iter().enumerate().map(|(at, name)| format!("\"k{name}\":{at}")).collect();
            let text = format!("{{{}}}", members.join(","));
            let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
            let tree: Value<'_> = serde_json::from_str(&text).unwrap();
            proptest::prop_assert_eq!(tree.to_string(), expected.to_string());
        }
    }
}
