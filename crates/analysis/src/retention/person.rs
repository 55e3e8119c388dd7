//! Whose a document is: attributes by which senders name a person, looked for in JSON.

use serde_json::Value;

/// Where people are named, unless a request says otherwise: OpenTelemetry's words, and what receivers make of the vendors'.
pub const PERSON_ATTRIBUTES: [&str; 8] =
    ["user.id", "user.name", "user.email", "user.full_name", "user.hash", "enduser.id", "enduser.pseudo.id", "rollbar.person.id"];

/// Where vendors' own documents name them: Rollbar's person, X-Ray's user.
const PERSON_PATHS: [&str; 4] = ["person.id", "person.username", "person.email", "user"];

/// Documents nested deeper are not looked into further; receivers accept none that are.
const DEPTH_MAX: usize = 128;

/// One person, by the value that some of the attributes have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub attributes: Vec<String>,
    pub value: String,
}

impl Person {
    /// The person with this value in any of [`PERSON_ATTRIBUTES`].
    pub fn anywhere(value: impl Into<String>) -> Person {
        Person { attributes: PERSON_ATTRIBUTES.map(str::to_owned).to_vec(), value: value.into() }
    }

    /// Whether a document may name the person: quick, and never wrong when it says no.
    pub fn may_be_in(&self, document: &str) -> bool {
        // What JSON writes with a backslash is looked at more closely.
        document.contains(&self.value) || document.contains('\\')
    }

    /// Whether a JSON document names the person: an attribute as a key, or as a path of keys, at any depth.
    pub fn is_in(&self, document: &str) -> bool {
        if !self.may_be_in(document) {
            return false;
        }
        // A receiver that asks for all names is asked the vendors' too.
        let vendors = PERSON_PATHS.iter().filter(|_| self.attributes.iter().any(|name| name == PERSON_ATTRIBUTES[0]));
        let paths: Vec<&str> = self.attributes.iter().map(String::as_str).chain(vendors.copied()).collect();
        serde_json::from_str(document).is_ok_and(|document| self.is_within(&document, &paths, DEPTH_MAX))
    }

    fn is_within(&self, document: &Value, paths: &[&str], depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        match document {
            Value::Object(members) => {
                paths.iter().any(|path| self.is_at(document, path))
                    || members.values().any(|member| self.is_within(member, paths, depth))
            }
            Value::Array(items) => items.iter().any(|item| self.is_within(item, paths, depth)),
            _ => false,
        }
    }

    /// Whether the path leads to the value; dots may be part of a key or go down a level.
    fn is_at(&self, document: &Value, path: &str) -> bool {
        if document.get(path).is_some_and(|found| self.is(found)) {
            return true;
        }
        path.match_indices('.').any(|(dot, _)| {
            let inner = document.get(&path[..dot]).filter(|inner| inner.is_object());
            inner.is_some_and(|inner| self.is_at(inner, &path[dot + 1..]))
        })
    }

    fn is(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => *text == self.value,
            Value::Number(number) => number.to_string() == self.value,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_found_by_attribute_and_not_by_mention() {
        let named = [
            r#"{"user.id":"u-17"}"#,
            r#"{"user":{"id":"u-17"}}"#,
            r#"{"a":[{"b":{"enduser.id":"u-17"}}]}"#,
            r#"{"data":{"person":{"id":"u-17","email":"a@example.com"}}}"#,
            r#"{"id":"53995c3f42cd8ad8","user":"u-17"}"#,
            r#"{"user.id":"\u0075-17"}"#,
        ];
        let person = Person::anywhere("u-17");
        for document in named {
            assert!(person.is_in(document), "{document}");
        }
        let others = [
            r#"{"user.id":"u-170"}"#,
            r#"{"message":"u-17 logged in"}"#,
            r#"{"order":{"id":"u-17"}}"#,
            r#"{"user.id":["u-17"]}"#,
            "u-17",
            "{\"user.id\":\"u-17\"",
        ];
        for document in others {
            assert!(!person.is_in(document), "{document}");
        }
        assert!(Person::anywhere("17").is_in(r#"{"user.id":17}"#));
        let by_tenant = Person { attributes: vec!["tenant".into()], value: "u-17".into() };
        assert!(by_tenant.is_in(r#"{"tenant":"u-17"}"#));
        assert!(!by_tenant.is_in(r#"{"person":{"id":"u-17"}}"#));
    }
}
