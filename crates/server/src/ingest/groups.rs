//! The groups of exceptions seen lately: an error that happens a thousand times is told apart once.
//!
//! What an exception's group is depends on the exception alone, so a remembered one is as good as one worked out anew.

use std::collections::HashMap;

use model::Exception;
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3;

use crate::limits::GROUPS_REMEMBERED;

#[derive(Default)]
pub struct Groups(Mutex<HashMap<u128, Group>>);

/// What an exception is grouped by.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The value of `error.group`; see [`analysis::fingerprint`].
    pub fingerprint: String,
    /// What earlier algorithms called it.
    pub earlier: Vec<String>,
}

impl Groups {
    pub fn group_of(&self, exception: &Exception<'_>, language: Option<&str>) -> Group {
        let key = key(exception, language);
        if let Some(group) = self.0.lock().get(&key) {
            return group.clone();
        }
        let group = Group {
            fingerprint: analysis::fingerprint(exception, language),
            earlier: analysis::earlier_fingerprints(exception, language),
        };
        let mut known = self.0.lock();
        // Rarely more are alive at a time; then all begin again.
        if known.len() >= GROUPS_REMEMBERED {
            known.clear();
        }
        known.insert(key, group.clone());
        group
    }
}

fn key(exception: &Exception<'_>, language: Option<&str>) -> u128 {
    let mut hash = Xxh3::new();
    let own = exception.fingerprint.as_deref().unwrap_or_default();
    for text in [&exception.r#type, &exception.message, &exception.stacktrace, own, language.unwrap_or_default()] {
        hash.update(&text.len().to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest128()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_group_is_the_group() {
        let groups = Groups::default();
        for number in 0..GROUPS_REMEMBERED + 2 {
            let r#type = format!("Error{number}").into();
            let exception = Exception { r#type, message: "failed".into(), ..Exception::default() };
            for language in [None, Some("python")] {
                let expected = analysis::fingerprint(&exception, language);
                assert_eq!(groups.group_of(&exception, language).fingerprint, expected);
                assert_eq!(groups.group_of(&exception, language).fingerprint, expected);
            }
        }
        assert!(groups.0.lock().len() <= GROUPS_REMEMBERED);
    }
}
