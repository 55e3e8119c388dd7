//! The attributes of one resource, scope or record while it is being read: one list, reused from record to record.

use std::borrow::Cow;

use model::limits::{ATTRIBUTE_KEY_BYTES_MAX, ATTRIBUTES_PER_RECORD_MAX};
use model::{Attribute, Exception, Value};

/// Attributes so far, and how many did not fit.
///
/// Senders name their attributes in the same order record after record, and many values repeat. So the record before is
/// kept: bytes that are those of its attribute at the same place need not be checked again.
#[derive(Debug, Default)]
pub struct AttributeList<'a> {
    pub items: Vec<Attribute<'a>>,
    pub dropped: u32,
    /// The attributes of the record before, in order; a guess, nothing more.
    before: Vec<Attribute<'a>>,
}

impl<'a> AttributeList<'a> {
    /// Begins the next record.
    pub fn clear(&mut self) {
        if !self.items.is_empty() {
            std::mem::swap(&mut self.items, &mut self.before);
            self.items.clear();
        }
        self.dropped = 0;
    }

    /// Adds an attribute whose value is a text, from bytes as they came; `false` when they are no UTF-8.
    #[inline]
    pub fn push_text(&mut self, key: &'a [u8], text: &'a [u8]) -> bool {
        let guess = self.before.get(self.items.len());
        let key = match guess {
            Some(Attribute { key: Cow::Borrowed(known), .. }) if known.as_bytes() == key => known,
            _ => match std::str::from_utf8(key) {
                Ok(key) => cut_key(key),
                Err(_) => return false,
            },
        };
        let text = match guess {
            Some(Attribute { value: Value::Str(Cow::Borrowed(known)), .. }) if known.as_bytes() == text => known,
            _ => match std::str::from_utf8(text) {
                Ok(text) => text,
                Err(_) => return false,
            },
        };
        self.push(Cow::Borrowed(key), Value::Str(Cow::Borrowed(text)));
        true
    }

    /// Adds an attribute, unless the record is full or the key is empty: then it is counted as dropped.
    #[inline]
    pub fn push(&mut self, key: Cow<'a, str>, value: Value<'a>) {
        if key.is_empty() || self.items.len() >= ATTRIBUTES_PER_RECORD_MAX {
            self.dropped = self.dropped.saturating_add(1);
        } else {
            self.items.push(Attribute { key, value });
        }
    }

    /// Takes out `sampleRate`, or `SampleRate`, as Honeycomb's distributions set it. Nothing below 1 is a rate.
    pub fn take_sample_rate(&mut self) -> Option<f64> {
        let is_rate = |attribute: &Attribute<'_>| {
            let key = attribute.key.as_bytes();
            key.len() == 10 && (key == b"sampleRate" || key == b"SampleRate")
        };
        let rate = self.items.iter().rev().find(|attribute| is_rate(attribute))?.value.as_f64();
        self.items.retain(|attribute| !is_rate(attribute));
        rate.filter(|rate| rate.is_finite() && *rate >= 1.0)
    }

    /// Takes out `exception.type`, `exception.message` and `exception.stacktrace`; `None` when there is none of them.
    pub fn take_exception(&mut self) -> Option<Exception<'a>> {
        if !self.items.iter().any(|attribute| attribute.key.starts_with("exception.")) {
            return None;
        }
        let (mut exception, mut found) = (Exception::default(), false);
        self.items.retain_mut(|attribute| {
            let slot = match &*attribute.key {
                "exception.type" => &mut exception.r#type,
                "exception.message" => &mut exception.message,
                "exception.stacktrace" => &mut exception.stacktrace,
                _ => return true,
            };
            *slot = text_of(&mut attribute.value);
            found = true;
            false
        });
        found.then_some(exception)
    }
}

fn text_of<'a>(value: &mut Value<'a>) -> Cow<'a, str> {
    match value {
        Value::Str(text) | Value::Json(text) => std::mem::take(text),
        other => Cow::Owned(other.to_text().into_owned()),
    }
}

/// A key no longer than [`ATTRIBUTE_KEY_BYTES_MAX`], so that a long key does not repeat in every key nested below it.
pub fn cut_key(key: &str) -> &str {
    &key[..key.floor_char_boundary(ATTRIBUTE_KEY_BYTES_MAX)]
}

/// The dotted key of `name` within the map `outer`.
pub fn nested_key(outer: &str, name: &str) -> String {
    let mut key = format!("{outer}.{}", cut_key(name));
    key.truncate(cut_key(&key).len());
    key
}
