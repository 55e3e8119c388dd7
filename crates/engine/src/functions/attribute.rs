//! `attribute(attributes_rest, key)`: one of the attributes that did not become columns, as text;
//! `attribute_keys(attributes_rest)`: the keys of all of them; and `json_items(links)`: the elements of a JSON array, as they are
//! written.
//!
//! Meaning: `attributes_rest` holds one JSON object a row, written by the store. A text is told as it is, a number or a
//! boolean as JSON writes it, anything deeper as JSON. Null where the row has no such attribute.
//! People need not call them: a query that names an attribute finds it in either place.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

pub fn udf() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable);
    Arc::new(ScalarUDF::from(Attribute { signature }))
}

pub fn keys_udf() -> Arc<ScalarUDF> {
    let signature = Signature::one_of(vec![TypeSignature::Exact(vec![DataType::Utf8])], Volatility::Immutable);
    Arc::new(ScalarUDF::from(AttributeKeys { signature }))
}

pub fn items_udf() -> Arc<ScalarUDF> {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Immutable);
    Arc::new(ScalarUDF::from(JsonItems { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Attribute {
    signature: Signature,
}

impl ScalarUDFImpl for Attribute {
    fn name(&self) -> &str {
        "attribute"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [rest, ColumnarValue::Scalar(ScalarValue::Utf8(key))] = args.args.as_slice() else {
            return exec_err!("attribute takes attributes_rest and a key that is the same for every row");
        };
        let Some(key) = key else { return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))) };
        Ok(ColumnarValue::Array(members(&rest.to_array(rows)?, key)?))
    }
}

/// The member `key` of each row's object, as text.
pub(crate) fn members(rest: &ArrayRef, key: &str) -> Result<ArrayRef> {
    let rest = cast(rest, &DataType::Utf8)?;
    let rest = rest.as_string::<i32>();
    let mut wanted = String::new();
    model::json_string(key, &mut wanted);
    let mut found = StringBuilder::with_capacity(rest.len(), 0);
    for object in rest {
        found.append_option(object.and_then(|object| member(object, &wanted)).and_then(told));
    }
    Ok(Arc::new(found.finish()))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AttributeKeys {
    signature: Signature,
}

impl ScalarUDFImpl for AttributeKeys {
    fn name(&self) -> &str {
        "attribute_keys"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [rest] = args.args.as_slice() else { return exec_err!("attribute_keys takes attributes_rest") };
        let rest = cast(&rest.to_array(args.number_rows)?, &DataType::Utf8)?;
        let mut keys = ListBuilder::new(StringBuilder::new());
        for object in rest.as_string::<i32>() {
            let Some(object) = object else {
                keys.append_null();
                continue;
            };
            Members { text: object, at: 1 }.filter_map(|(key, _)| told(key)).for_each(|key| keys.values().append_value(key));
            keys.append(true);
        }
        Ok(ColumnarValue::Array(Arc::new(keys.finish())))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonItems {
    signature: Signature,
}

impl ScalarUDFImpl for JsonItems {
    fn name(&self) -> &str {
        "json_items"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [arrays] = args.args.as_slice() else { return exec_err!("json_items takes a JSON array") };
        let arrays = cast(&arrays.to_array(args.number_rows)?, &DataType::Utf8)?;
        let mut told = ListBuilder::new(StringBuilder::new());
        for array in arrays.as_string::<i32>() {
            items(array.unwrap_or_default()).for_each(|item| told.values().append_value(item));
            told.append(array.is_some());
        }
        Ok(ColumnarValue::Array(Arc::new(told.finish())))
    }
}

/// The elements of an array as they are written; none of what is no array.
fn items(array: &str) -> impl Iterator<Item = &str> {
    let text = if array.starts_with('[') { array } else { "" };
    let mut members = Members { text, at: 1 };
    std::iter::from_fn(move || {
        let item = members.value()?;
        let _ = members.pass(b',');
        Some(item)
    })
}

/// The value of the member whose key is written `wanted`, quotes included, as it is written.
fn member<'a>(object: &'a str, wanted: &str) -> Option<&'a str> {
    // Most rows lack most keys: one search over the bytes is cheaper than a walk.
    memchr::memmem::find(object.as_bytes(), wanted.as_bytes())?;
    Members { text: object, at: 1 }.find(|(key, _)| *key == wanted).map(|(_, value)| value)
}

/// A JSON value as text; nothing for null.
fn told(value: &str) -> Option<Cow<'_, str>> {
    let Some(inner) = value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return (value != "null").then_some(Cow::Borrowed(value));
    };
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(value).ok().map(Cow::Owned)
}

/// Keys and values of an object as they are written. Ends early at what is no JSON.
struct Members<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let key = self.value()?;
        self.pass(b':')?;
        let value = self.value()?;
        let _ = self.pass(b',');
        key.starts_with('"').then_some((key, value))
    }
}

impl<'a> Members<'a> {
    fn pass(&mut self, wanted: u8) -> Option<()> {
        self.skip_space();
        (self.text.as_bytes().get(self.at) == Some(&wanted)).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// The value that begins here, whatever its kind.
    fn value(&mut self) -> Option<&'a str> {
        self.skip_space();
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match bytes.get(self.at)? {
                b'"' => {
                    self.at = end_of_string(bytes, self.at)?;
                    if depth == 0 {
                        break;
                    }
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth > 1 => {
                    depth -= 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 1 => {
                    self.at += 1;
                    break;
                }
                b',' | b':' | b'}' | b']' if depth == 0 => break,
                byte if depth == 0 && byte.is_ascii_whitespace() => break,
                _ => self.at += 1,
            }
        }
        (self.at > start).then(|| self.text.get(start..self.at)).flatten()
    }
}

/// The place after the string that begins at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    fn attribute(object: &str, key: &str) -> Option<String> {
        let rest: ArrayRef = Arc::new(StringArray::from(vec![object]));
        let found = members(&rest, key).unwrap();
        found.is_valid(0).then(|| found.as_string::<i32>().value(0).to_owned())
    }

    #[test]
    fn members_are_found_whatever_their_kind() {
        let object = r#"{"a":1,"b":"two \"words\"","c":{"d":[1,{"a":"in"}],"e":"}"},"f":true,"g":null, "h" : -1.5e3 ,"":"empty","ü\n":"x"}"#;
        assert!(serde_json::from_str::<serde_json::Value>(object).is_ok());
        let is = |key: &str, expected: Option<&str>| assert_eq!(attribute(object, key).as_deref(), expected, "{key:?}");
        is("a", Some("1"));
        is("b", Some("two \"words\""));
        is("c", Some(r#"{"d":[1,{"a":"in"}],"e":"}"}"#));
        is("d", None);
        is("f", Some("true"));
        is("g", None);
        is("h", Some("-1.5e3"));
        is("", Some("empty"));
        is("ü\n", Some("x"));
        is("in", None);
        is("two", None);
    }

    #[test]
    fn arrays_have_items() {
        let is = |array: &str, expected: &[&str]| assert_eq!(items(array).collect::<Vec<_>>(), expected, "{array}");
        is(r#"[{"a":"],["}, [2,3],"x,y" ,4]"#, &[r#"{"a":"],["}"#, "[2,3]", r#""x,y""#, "4"]);
        is("[]", &[]);
        is("", &[]);
        is(r#"{"a":1}"#, &[]);
        is("[1,[2", &["1"]);
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in
            ["", "{", "{}", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"", "[1,2]", "\"a\"", "{\"a\\", "{,}", "{:}", "}{\"a\":1"]
        {
            assert_eq!(attribute(text, "b"), None, "{text}");
            Members { text, at: 1 }.for_each(drop);
        }
        assert_eq!(attribute(r#"{"a":1"#, "a"), None);
    }
}
