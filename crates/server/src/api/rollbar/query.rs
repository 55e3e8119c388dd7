//! The words of Rollbar's item search: `level:error host:web1 "connection refused" #12 has:comments`.

use metastore::{ErrorItemFilter, ItemStatus};

use super::call::{Wrong, number};
use super::items::level_number;

/// A search, told apart by who can answer it.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub filter: ErrorItemFilter,
    /// Attributes of occurrences, and the text that has to be in them.
    pub occurrence_parts: Vec<(String, String)>,
    pub wants_snoozed: bool,
}

/// Words about occurrences, and the columns that answer them.
const OCCURRENCE_WORDS: &[(&str, &str)] = &[
    ("host", "host.name"),
    ("context", "rollbar.context"),
    ("ip", "client.address"),
    ("user_id", "user.id"),
    ("person", "user.id"),
    ("username", "user.name"),
    ("email", "user.email"),
    ("file", "exception.stacktrace"),
    ("allfiles", "exception.stacktrace"),
    ("topfile", "exception.stacktrace"),
    ("bottomfile", "exception.stacktrace"),
    ("method", "http.request.method"),
    ("url", "url.full"),
    ("path", "url.path"),
    ("browser", "user_agent.original"),
    ("message", "exception.message"),
    ("class", "exception.type"),
    ("uuid", "rollbar.uuid"),
    ("service", "service.name"),
    ("trace", "exception.stacktrace"),
    ("server", "host.name"),
    ("branch", "vcs.ref.head.name"),
];

/// Reads a search. A word with a colon that is no known key is looked for in titles as it stands, as Rollbar does.
pub(super) fn parse(text: &str) -> Result<Query, Wrong> {
    let mut query = Query::default();
    for word in words(text) {
        if let Some(counter) = word.strip_prefix('#').filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
            query.filter.counters.push(number("the counter after #", counter)?);
            continue;
        }
        let Some((key, value)) = word.split_once(':').filter(|(_, value)| !value.is_empty()) else {
            query.filter.title_words.push(word);
            continue;
        };
        let (key, value) = (key.to_ascii_lowercase(), value.to_owned());
        if !item_word(&mut query, &key, &value)? {
            match OCCURRENCE_WORDS.iter().find(|(known, _)| *known == key) {
                Some((_, column)) => query.occurrence_parts.push(((*column).to_owned(), value)),
                None => query.filter.title_words.push(word),
            }
        }
    }
    Ok(query)
}

/// A word that items themselves answer. Tells whether it was one.
fn item_word(query: &mut Query, key: &str, value: &str) -> Result<bool, Wrong> {
    let filter = &mut query.filter;
    match (key, value) {
        ("level", value) => filter.levels.push(level_number(value)?),
        ("status", "all" | "any") => {}
        ("status", value) => filter.statuses.push(status(value)?),
        ("environment" | "env", value) => filter.environments.push(value.to_owned()),
        ("framework", value) => filter.frameworks.push(value.to_owned()),
        ("code_version" | "codeversion" | "version", value) => filter.versions.push(value.to_owned()),
        ("title", value) => filter.title_words.push(value.to_owned()),
        ("fingerprint" | "hash", value) => filter.fingerprints.get_or_insert_default().push(value.to_owned()),
        ("assigned" | "owner", value) if value.parse::<i64>().is_ok() => {
            filter.assigned_user_ids.push(number("assigned", value)?);
        }
        ("has", "comments") => filter.has_comments = Some(true),
        ("is", "group") => filter.is_group = Some(true),
        ("is", "member") => filter.is_member = Some(true),
        ("is", "assigned") => filter.is_assigned = Some(true),
        ("is", "unassigned") => filter.is_assigned = Some(false),
        ("is", "snoozed") => query.wants_snoozed = true,
        ("is", value) if ItemStatus::from_name(value).is_some() => filter.statuses.push(status(value)?),
        _ => return Ok(false),
    }
    Ok(true)
}

/// A status by its name, or by the number that older clients send.
pub(super) fn status(text: &str) -> Result<ItemStatus, Wrong> {
    let named = match text {
        "1" => Some(ItemStatus::Active),
        "2" => Some(ItemStatus::Resolved),
        "3" => Some(ItemStatus::Muted),
        name => ItemStatus::from_name(&name.to_ascii_lowercase()),
    };
    named.ok_or_else(|| Wrong::invalid(format!("cannot read status from {text:?}: expected active, resolved, muted or archived")))
}

/// Words between blanks; quotes, also after a colon, hold blanks together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in text.chars() {
        match (quote, character) {
            (Some(mark), character) if character == mark => quote = None,
            (Some(_), character) => word.push(character),
            (None, '"' | '\'') if word.is_empty() || word.ends_with(':') => quote = Some(character),
            (None, character) if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (None, character) => word.push(character),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_those_who_can_answer_them() {
        let query =
            parse(r##"level:error #12 host:"web 1" "connection refused" has:comments std::io can't status:muted"##).unwrap();
        assert_eq!(query.filter.levels, [40]);
        assert_eq!(query.filter.counters, [12]);
        assert_eq!(query.filter.statuses, [ItemStatus::Muted]);
        assert_eq!(query.filter.title_words, ["connection refused", "std::io", "can't"]);
        assert_eq!(query.filter.has_comments, Some(true));
        assert_eq!(query.occurrence_parts, [("host.name".to_owned(), "web 1".to_owned())]);
        assert!(parse("level:loud").is_err());
        assert!(parse("status:gone").is_err());
        assert!(parse("\"never closed").unwrap().filter.title_words == ["never closed"]);
    }
}
