//! The words of the language: what each is, which operators it takes, where it means something, and what it says.

use super::ast::{Boolean, Cause, CausePart, Number, Text};
use super::parse::Scope;

/// A keyword as completion shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// In lower case; any case is read.
    pub name: &'static str,
    pub kind: KeywordKind,
    pub operators: &'static [&'static str],
    /// One line.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeywordKind {
    Boolean,
    Number,
    Text,
    Complex,
}

impl KeywordKind {
    pub fn as_str(self) -> &'static str {
        match self {
            KeywordKind::Boolean => "boolean",
            KeywordKind::Number => "number",
            KeywordKind::Text => "string",
            KeywordKind::Complex => "complex",
        }
    }
}

const BOOLEAN_OPERATORS: &[&str] = &["=", "!="];
const NUMBER_OPERATORS: &[&str] = &["=", "!=", "<", "<=", ">", ">="];
const TEXT_OPERATORS: &[&str] = &["=", "!=", "CONTAINS", "BEGINSWITH", "ENDSWITH"];
const EVERY_OPERATOR: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "CONTAINS", "BEGINSWITH", "ENDSWITH"];

const fn boolean(name: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Boolean, operators: BOOLEAN_OPERATORS, help }
}

const fn number(name: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Number, operators: NUMBER_OPERATORS, help }
}

const fn text(name: &'static str, help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Text, operators: TEXT_OPERATORS, help }
}

const fn complex(name: &'static str, operators: &'static [&'static str], help: &'static str) -> Keyword {
    Keyword { name, kind: KeywordKind::Complex, operators, help }
}

/// Every keyword, the usual ones first within their kind.
pub const KEYWORDS: &[Keyword] = &[
    boolean("ok", "The root segment ended without error, fault or throttle"),
    boolean("error", "The root segment ended in a client's error, 4xx"),
    boolean("fault", "The root segment ended in the server's fault, 5xx or an exception"),
    boolean("throttle", "Any segment was refused for being one too many, 429"),
    boolean("partial", "Some segment is in progress"),
    boolean("inferred", "Some callee sent no segment of its own and is inferred"),
    boolean("root", "The segment that the trace begins with has arrived; in a block: this is it"),
    boolean("first", "In a root cause: the first of its list"),
    boolean("last", "In a root cause: the last of its list"),
    boolean("remote", "In a root cause: the entity is a call to elsewhere"),
    number("responsetime", "Seconds that the root segment took"),
    number("duration", "Seconds from the first start to the last end"),
    number("http.status", "HTTP status of the root segment"),
    number("index", "In a root cause: the place in its list, from 0"),
    number("coverage", "In a root cause of response time: the entity's share of the root's time, from 0 to 1"),
    text("http.url", "URL of the root segment; a value that begins with / is compared with the path as well"),
    text("http.method", "HTTP method of the root segment"),
    text("http.useragent", "User agent of the root segment"),
    text("http.clientip", "Address of the root segment's client"),
    text("user", "User of any segment"),
    text("name", "Name of any service; in a root cause: of the entity, service or exception"),
    text("type", "Type of any service, such as AWS::EC2::Instance"),
    text("message", "Message of an exception that is the root cause of a fault or error"),
    text("availabilityzone", "Availability zone of any segment"),
    text("instance.id", "Instance of any segment"),
    text("resource.arn", "ARN of any segment's resource"),
    complex("service", &["( ) { }"], "service(\"name\") { … }: a segment of this service for which the block holds"),
    complex("edge", &["( , ) { }"], "edge(\"caller\", \"callee\") { … }: a call between two services for which the block holds"),
    complex("id", &["( )"], "id(name: \"…\", type: \"…\", account.id: \"…\"): a service told apart from others of its name"),
    complex("annotation", EVERY_OPERATOR, "annotation.key or annotation[key]: an annotation, or any attribute, of any segment"),
    complex("group.name", BOOLEAN_OPERATORS, "What the expression of this group says"),
    complex("group.arn", BOOLEAN_OPERATORS, "What the expression of the group with this ARN says"),
    complex("rootcause.fault.entity", &["{ }"], "A segment or subsegment on the path to the cause of a fault"),
    complex("rootcause.fault.service", &["{ }"], "A service on the path to the cause of a fault"),
    complex("rootcause.fault.exception", &["{ }"], "An exception on the path to the cause of a fault"),
    complex("rootcause.error.entity", &["{ }"], "A segment or subsegment on the path to the cause of an error"),
    complex("rootcause.error.service", &["{ }"], "A service on the path to the cause of an error"),
    complex("rootcause.error.exception", &["{ }"], "An exception on the path to the cause of an error"),
    complex("rootcause.responsetime.entity", &["{ }"], "A segment or subsegment on the path to what takes the time"),
    complex("rootcause.responsetime.service", &["{ }"], "A service on the path to what takes the time"),
    complex("rootcause.json", BOOLEAN_OPERATORS, "Root causes in JSON behind #: each is one of the trace's"),
];

pub(super) fn allows_boolean(scope: Scope, keyword: Boolean) -> bool {
    let of_cause = matches!(keyword, Boolean::First | Boolean::Last | Boolean::Remote);
    match scope {
        Scope::Trace | Scope::Segment => !of_cause,
        Scope::Cause(_, CausePart::Entity) => of_cause,
        Scope::Cause(_, CausePart::Service) => matches!(keyword, Boolean::First | Boolean::Last | Boolean::Inferred),
        Scope::Cause(_, CausePart::Exception) => matches!(keyword, Boolean::First | Boolean::Last),
    }
}

pub(super) fn allows_number(scope: Scope, keyword: Number) -> bool {
    match (scope, keyword) {
        (Scope::Trace | Scope::Segment, _) => !matches!(keyword, Number::Index | Number::Coverage),
        (Scope::Cause(..), Number::Index) => true,
        (Scope::Cause(Cause::ResponseTime, CausePart::Entity), Number::Coverage) => true,
        (Scope::Cause(..), _) => false,
    }
}

pub(super) fn allows_text(scope: Scope, keyword: Text) -> bool {
    match (scope, keyword) {
        (Scope::Trace, _) => true,
        (Scope::Segment, _) => keyword != Text::Message,
        (Scope::Cause(..), Text::Name) => true,
        (Scope::Cause(_, CausePart::Service), Text::Type) => true,
        (Scope::Cause(_, CausePart::Exception), Text::Message) => true,
        (Scope::Cause(..), _) => false,
    }
}

/// The keywords that mean something in a scope, in the order of [`KEYWORDS`].
pub(super) fn of(scope: Scope) -> Vec<&'static str> {
    let is_there = |keyword: &&Keyword| match keyword.kind {
        KeywordKind::Boolean => Boolean::from_word(keyword.name).is_some_and(|word| allows_boolean(scope, word)),
        KeywordKind::Number => Number::from_word(keyword.name).is_some_and(|word| allows_number(scope, word)),
        KeywordKind::Text => Text::from_word(keyword.name).is_some_and(|word| allows_text(scope, word)),
        KeywordKind::Complex => scope == Scope::Trace && keyword.name != "id",
    };
    KEYWORDS.iter().filter(is_there).map(|keyword| keyword.name).collect()
}

/// Characters of a word that are looked at: keywords are shorter.
const COMPARED_CHARS_MAX: usize = 40;

/// A part of a word shorter than this says nothing about the whole.
const PART_CHARS_MIN: usize = 4;

/// The keyword of the scope that somebody probably meant by a word that is none, and whether by mistyping it; otherwise one
/// of them begins with the other.
pub(super) fn nearest(scope: Scope, written: &str) -> Option<(&'static str, bool)> {
    let wanted = plain(written);
    let known: Vec<(&str, Vec<char>)> = of(scope).into_iter().map(|name| (name, plain(name))).collect();
    let near = known.iter().map(|(name, chars)| (edits(&wanted, chars), *name)).min_by_key(|(distance, _)| *distance);
    if let Some((_, name)) = near.filter(|(distance, name)| *distance <= 1 + wanted.len().min(name.len()) / 5) {
        return Some((name, true));
    }
    let begins = |long: &[char], short: &[char]| short.len() >= PART_CHARS_MIN && long.starts_with(short);
    let part = known.iter().find(|(_, chars)| begins(chars, &wanted) || begins(&wanted, chars));
    part.map(|(name, _)| (*name, false))
}

/// What a person remembers of a word: not its case, and not how its parts are joined.
fn plain(word: &str) -> Vec<char> {
    let signs = word.chars().filter(|c| !matches!(c, '_' | '.' | '-'));
    signs.take(COMPARED_CHARS_MAX).map(|c| c.to_ascii_lowercase()).collect()
}

/// Insertions, removals, replacements and swaps of neighbours that make one of the other.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (row, from) in a.iter().enumerate() {
        let mut current = vec![row + 1; b.len() + 1];
        for (column, to) in b.iter().enumerate() {
            let mut best = (last[column] + usize::from(from != to)).min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *from == b[column - 1] && a[row - 1] == *to {
                best = best.min(before_last[column - 1] + 1);
            }
            current[column + 1] = best;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[b.len()]
}
