//! The words of Rollbar's item search: `level:error host:web1 "connection refused" #12 has:comments`.

use engine::ask::occurrences::OccurrencePart;
use metastore::{ErrorItemFilter, ItemStatus};

use super::call::{Wrong, number};
use super::items::level_number;

/// A search, told apart by who can answer it.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub filter: ErrorItemFilter,
    /// What one occurrence has to be like.
    pub occurrence_parts: Vec<OccurrencePart>,
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

/// Words about the files of a stack, and the questions that they are.
const FILE_WORDS: &[(&str, &str)] = &[
    ("file", "any"),
    ("topfile", "top"),
    ("bottomfile", "bottom"),
    ("allfiles", "all"),
    ("nofiles", "no"),
    ("minfiles", "min"),
    ("maxfiles", "max"),
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
            match occurrence_word(&key, value)? {
                Some(part) => query.occurrence_parts.push(part),
                None => query.filter.title_words.push(word),
            }
        }
    }
    Ok(query)
}

/// A word about the files of a stack.
pub(in crate::api) fn file_word(key: &str, value: &str) -> Result<Option<OccurrencePart>, String> {
    let Some((_, question)) = FILE_WORDS.iter().find(|(known, _)| *known == key) else { return Ok(None) };
    if matches!(*question, "min" | "max") && value.parse::<u32>().is_err() {
        return Err(format!("cannot read {key} from {value:?}: expected a whole number"));
    }
    Ok(Some(OccurrencePart::Files { question, text: value.to_owned() }))
}

/// A word that occurrences answer.
fn occurrence_word(key: &str, value: String) -> Result<Option<OccurrencePart>, Wrong> {
    if let Some(part) = file_word(key, &value).map_err(Wrong::invalid)? {
        return Ok(Some(part));
    }
    let known = OCCURRENCE_WORDS.iter().find(|(known, _)| *known == key);
    Ok(known.map(|(_, column)| OccurrencePart::Has { column: (*column).to_owned(), text: value }))
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
        ("has", "issue") => filter.has_issue = Some(true),
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
        assert_eq!(query.occurrence_parts, [OccurrencePart::Has { column: "host.name".into(), text: "web 1".into() }]);
        let files = parse("topfile:cart.py minfiles:2 has:issue").unwrap();
        let asked = |question, text: &str| OccurrencePart::Files { question, text: text.into() };
        assert_eq!(
            (files.occurrence_parts, files.filter.has_issue),
            (vec![asked("top", "cart.py"), asked("min", "2")], Some(true))
        );
        assert!(parse("maxfiles:few").is_err());
        assert!(parse("level:loud").is_err());
        assert!(parse("status:gone").is_err());
        assert!(parse("\"never closed").unwrap().filter.title_words == ["never closed"]);
    }
}
