//! The search of errors: words about items are answered by the metastore, the rest is the search language over occurrences.
//!
//! `#12 is:snoozed has:comments host:web1 "connection refused"`. Short words for attributes are written out. The text for
//! the language keeps its length where words are taken out of it, and knows where each of its bytes came from.

use engine::ask::occurrences::OccurrencePart;
use http::StatusCode;

use crate::api::refusal::Refusal;
use crate::api::rollbar::file_word;

/// Words of a search about items.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ItemWords {
    pub counters: Vec<i64>,
    pub levels: Vec<String>,
    pub statuses: Vec<String>,
    pub environments: Vec<String>,
    pub frameworks: Vec<String>,
    pub versions: Vec<String>,
    pub assigned: Vec<String>,
    pub fingerprints: Vec<String>,
    pub has_comments: Option<bool>,
    pub has_issue: Option<bool>,
    /// Whether others were merged into it.
    pub is_group: Option<bool>,
    /// About the files of a stack.
    pub files: Vec<OccurrencePart>,
    /// Why a word cannot be read.
    pub wrong: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Search {
    pub items: ItemWords,
    /// Where the word begins that cannot be read.
    wrong_at: usize,
    /// In the search language.
    pub rest: String,
    /// For each byte of `rest`, and its end, where it was in what was written.
    from: Vec<usize>,
}

/// Short words and the attributes they stand for.
const SHORT: &[(&str, &str)] = &[
    ("host", "host.name"),
    ("server", "host.name"),
    ("context", "rollbar.context"),
    ("ip", "client.address"),
    ("user_id", "user.id"),
    ("person", "user.id"),
    ("username", "user.name"),
    ("email", "user.email"),
    ("file", "exception.stacktrace"),
    ("method", "http.request.method"),
    ("url", "url.full"),
    ("path", "url.path"),
    ("browser", "user_agent.original"),
    ("message", "exception.message"),
    ("class", "exception.type"),
    ("type", "exception.type"),
    ("uuid", "rollbar.uuid"),
    ("branch", "vcs.ref.head.name"),
];

/// What may stand behind `is:`.
const IS_WORDS: &str = "active, snoozed, resolved, muted, archived, assigned, unassigned or group";

impl Search {
    pub fn read(text: &str) -> Search {
        let mut search = Search::default();
        for (start, word) in words(text) {
            if search.items.take(word) {
                if search.items.wrong.is_some() {
                    search.wrong_at = start;
                    break;
                }
                search.push(&" ".repeat(word.len()), start, false);
                continue;
            }
            let short = word.split_once(':').and_then(|(key, rest)| {
                let (sign, key) = key.strip_prefix('-').map_or(("", key), |key| ("-", key));
                SHORT.iter().find(|(short, _)| *short == key).map(|(_, long)| (sign, key, *long, rest))
            });
            match short {
                Some((sign, key, long, rest)) => {
                    search.push(sign, start, true);
                    search.push(long, start + sign.len(), false);
                    search.push(&format!(":{rest}"), start + sign.len() + key.len(), true);
                }
                None => search.push(word, start, true),
            }
        }
        search.from.push(text.len());
        search
    }

    /// Why a word of it cannot be read, and where.
    pub fn wrong(&self) -> Option<Refusal> {
        let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_query", self.items.wrong.clone()?);
        refusal.error.position = Some(self.wrong_at);
        Some(refusal)
    }

    /// Where a byte of `rest` was written.
    pub fn written_at(&self, position: usize) -> usize {
        self.from.get(position).or(self.from.last()).copied().unwrap_or(position)
    }

    fn push(&mut self, text: &str, start: usize, advances: bool) {
        self.rest.push_str(text);
        self.from.extend((0..text.len()).map(|i| if advances { start + i } else { start }));
    }
}

impl ItemWords {
    /// Whether the word is about items; then it is remembered.
    fn take(&mut self, word: &str) -> bool {
        if let Some(counter) = word.strip_prefix('#').and_then(|rest| rest.parse().ok()) {
            self.counters.push(counter);
            return true;
        }
        let Some((key, value)) = word.split_once(':') else { return false };
        let value = value.trim_matches(['"', '\'']);
        if value.is_empty() {
            return false;
        }
        let list = match (key, value) {
            ("has", "comments") => {
                self.has_comments = Some(true);
                return true;
            }
            ("has", "issue") => {
                self.has_issue = Some(true);
                return true;
            }
            ("is", "group") => {
                self.is_group = Some(true);
                return true;
            }
            // This one is asked of the text, which can be negated and joined with others.
            ("file", _) => return false,
            (key, value) if key.ends_with("file") || key.ends_with("files") => return self.take_files(key, value),
            ("is", "assigned" | "unassigned") => &mut self.assigned,
            ("is", "active" | "resolved" | "muted" | "archived" | "snoozed") => &mut self.statuses,
            ("is", _) => {
                self.wrong = Some(match value {
                    "member" => {
                        "cannot read is:member: errors that were merged are told with what they are part of, is:group".into()
                    }
                    _ => format!("cannot read is:{value}: expected {IS_WORDS}"),
                });
                return true;
            }
            ("status", _) => &mut self.statuses,
            ("level", _) => &mut self.levels,
            ("environment" | "env", _) => &mut self.environments,
            ("framework", _) => &mut self.frameworks,
            ("code_version" | "version", _) => &mut self.versions,
            ("assigned" | "owner", _) => &mut self.assigned,
            ("fingerprint" | "hash" | "group", _) => &mut self.fingerprints,
            _ => return false,
        };
        list.push(value.to_owned());
        true
    }
}

impl ItemWords {
    fn take_files(&mut self, key: &str, value: &str) -> bool {
        match file_word(key, value) {
            Ok(part) => {
                let is_known = part.is_some();
                self.files.extend(part);
                is_known
            }
            Err(reason) => {
                self.wrong = Some(reason);
                true
            }
        }
    }
}

/// Words and the blanks between them, each with its place; quotes hold blanks together.
fn words(text: &str) -> Vec<(usize, &str)> {
    let (mut out, mut start, mut quote) = (Vec::new(), 0, None);
    let mut blank = true;
    for (at, character) in text.char_indices() {
        let is_blank = quote.is_none() && (character.is_whitespace() || matches!(character, '(' | ')'));
        if is_blank != blank && at > start {
            out.push((start, &text[start..at]));
            start = at;
        }
        blank = is_blank;
        match quote {
            Some(mark) if mark == character => quote = None,
            None if matches!(character, '"' | '\'') && (at == start || text[..at].ends_with([':', '='])) => {
                quote = Some(character);
            }
            _ => {}
        }
    }
    if start < text.len() {
        out.push((start, &text[start..]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_about_items_are_taken_out_and_short_ones_written_out() {
        let search = Search::read(r#"#12 is:snoozed host:"web 1" (timeout OR -ip:10.0) env:production can't"#);
        assert_eq!(search.items.counters, [12]);
        assert_eq!(search.items.statuses, ["snoozed"]);
        assert_eq!(search.items.environments, ["production"]);
        let words: Vec<&str> = search.rest.split_whitespace().collect();
        assert_eq!(words.join(" "), r#"host.name:"web 1" (timeout OR -client.address:10.0) can't"#);
        let wrong = Search::read("host:a minfiles:few").wrong().unwrap().error;
        assert_eq!((wrong.code, wrong.position), ("invalid_query", Some(7)));
        let files = Search::read("topfile:cart.py file:main.py has:issue minfiles:few").items;
        assert_eq!(files.files, [OccurrencePart::Files { question: "top", text: "cart.py".into() }]);
        assert_eq!((files.has_issue, files.wrong.is_some()), (Some(true), true));
        let group = Search::read("is:group is:resolved").items;
        assert_eq!((group.is_group, group.statuses, group.wrong), (Some(true), vec!["resolved".to_owned()], None));
        for text in ["is:member", "is:nonsense"] {
            assert!(Search::read(text).items.wrong.is_some_and(|wrong| wrong.contains(text)), "{text}");
        }
        assert_eq!(Search::read("plain words").rest, "plain words");
        assert_eq!(Search::read("is: x").rest, "is: x");
    }

    #[test]
    fn places_lead_back_to_what_was_written() {
        let text = "#1 host:a duration > x";
        let search = Search::read(text);
        let at = search.rest.find('>').unwrap();
        assert_eq!(&text[search.written_at(at)..=search.written_at(at)], ">");
        assert_eq!(search.written_at(999), text.len());
        assert_eq!(search.written_at(search.rest.find("host.name").unwrap() + 3), 3);
    }
}
