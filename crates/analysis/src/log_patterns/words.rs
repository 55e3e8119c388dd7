//! A line of text as words and what stands between them, with the parts that change from line to line told by their kind.

use std::ops::Range;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::{Deserialize, Serialize};

/// A longer line is cut: what tells lines apart stands at the front.
const LINE_BYTES_MAX: usize = 1_024;

/// Words of a line; what is behind them makes no difference.
const WORDS_MAX: usize = 64;

/// A word with more parts that change is one that changes as a whole.
const VARIABLES_PER_WORD_MAX: usize = 4;

/// What a part that changes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    Uuid,
    Timestamp,
    Date,
    Time,
    Email,
    IpAddress,
    Hex,
    Number,
    /// Nothing in particular.
    Token,
}

impl Kind {
    pub const ALL: [Kind; 9] =
        [Kind::Uuid, Kind::Timestamp, Kind::Date, Kind::Time, Kind::Email, Kind::IpAddress, Kind::Hex, Kind::Number, Kind::Token];

    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Uuid => "UUID",
            Kind::Timestamp => "Timestamp",
            Kind::Date => "Date",
            Kind::Time => "Time",
            Kind::Email => "Email",
            Kind::IpAddress => "IP",
            Kind::Hex => "Hex",
            Kind::Number => "Number",
            Kind::Token => "Token",
        }
    }

    /// A regular expression that any text of the kind matches.
    pub fn expression(self) -> &'static str {
        match self {
            Kind::Uuid => "[0-9a-fA-F-]{36}",
            Kind::Timestamp => r"\d{4}-\d{2}-\d{2}T[0-9:.,]+(?:Z|[+-]\d{2}:?\d{2})?",
            Kind::Date => r"\d{4}[-/]\d{2}[-/]\d{2}",
            Kind::Time => r"\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?",
            Kind::Email => r"[\w.+-]+@[\w.-]+",
            Kind::IpAddress => r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?",
            Kind::Hex => "(?:0[xX])?[0-9a-fA-F]+",
            Kind::Number => r"[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?",
            Kind::Token => r"\S+",
        }
    }
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Part {
    Text(String),
    Variable(Kind),
}

/// What is between two blanks, quotes or brackets, or those themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Piece {
    Between(String),
    Word(Vec<Part>),
}

/// A line without what changes, and the texts that stood there, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line<'a> {
    pub pieces: Vec<Piece>,
    pub values: Vec<&'a str>,
    /// The words as they are.
    pub words: Vec<&'a str>,
}

impl<'a> Line<'a> {
    pub fn read(text: &'a str) -> Line<'a> {
        let mut rest = kept(text);
        let mut line = Line::default();
        let mut words = 0;
        while !rest.is_empty() {
            let length = rest.find(|c: char| !is_between(c)).unwrap_or(rest.len());
            if length > 0 {
                line.pieces.push(Piece::Between(joined_blanks(&rest[..length])));
                rest = &rest[length..];
                continue;
            }
            if words == WORDS_MAX {
                line.pieces.push(Piece::Between("…".to_owned()));
                break;
            }
            let length = word_length(rest);
            words += 1;
            line.words.push(&rest[..length]);
            line.word(&rest[..length]);
            rest = &rest[length..];
        }
        line
    }

    fn word(&mut self, word: &'a str) {
        let core = core(word);
        let tail = &word[core.len()..];
        let mut parts = Vec::new();
        let mut at = 0;
        for (kind, range) in variables(core) {
            if range.start > at {
                parts.push(Part::Text(core[at..range.start].to_owned()));
            }
            parts.push(Part::Variable(kind));
            at = range.end;
            self.values.push(&core[range]);
        }
        if at < core.len() {
            parts.push(Part::Text(core[at..].to_owned()));
        }
        if !tail.is_empty() {
            match parts.last_mut() {
                Some(Part::Text(text)) => text.push_str(tail),
                _ => parts.push(Part::Text(tail.to_owned())),
            }
        }
        self.pieces.push(Piece::Word(parts));
    }
}

/// What is read of a line.
pub(super) fn kept(text: &str) -> &str {
    text[..text.floor_char_boundary(LINE_BYTES_MAX)].trim()
}

/// A word without the dot, colon or the like at its end, which belongs to the sentence.
pub(super) fn core(word: &str) -> &str {
    word.trim_end_matches(['.', ':', '!', '?'])
}

/// The parts of a word that change, in order. None has any without an ASCII digit or an `@`.
pub(super) fn variables(core: &str) -> Vec<(Kind, Range<usize>)> {
    if !core.bytes().any(|byte| byte.is_ascii_digit() || byte == b'@') {
        return Vec::new();
    }
    let found = VARIABLE_PARTS.captures_iter(core).filter_map(|found| variable(core, &found));
    let found: Vec<_> = found.take(VARIABLES_PER_WORD_MAX + 1).collect();
    if found.len() > VARIABLES_PER_WORD_MAX { vec![(Kind::Token, 0..core.len())] } else { found }
}

/// Most specific first; the name of the group says the kind.
static VARIABLE_PARTS: LazyLock<Regex> = LazyLock::new(|| {
    let parts = [
        r"(?<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)",
        r"(?<timestamp>\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2})?(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)",
        r"(?<date>\b\d{4}[-/]\d{2}[-/]\d{2}\b)",
        r"(?<time>\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?)",
        r"(?<email>[\w.+-]+@[\w-]+\.[\w.-]+\w)",
        r"(?<ip>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b)",
        r"(?<hex>\b0[xX][0-9a-fA-F]+\b|\b[0-9a-fA-F]{8,}\b)",
        r"(?<number>\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?)",
    ];
    // The pattern is a constant that every test compiles.
    #[allow(clippy::unwrap_used)]
    Regex::new(&parts.join("|")).unwrap()
});

const KINDS: [(&str, Kind); 8] = [
    ("uuid", Kind::Uuid),
    ("timestamp", Kind::Timestamp),
    ("date", Kind::Date),
    ("time", Kind::Time),
    ("email", Kind::Email),
    ("ip", Kind::IpAddress),
    ("hex", Kind::Hex),
    ("number", Kind::Number),
];

fn variable(word: &str, found: &Captures<'_>) -> Option<(Kind, Range<usize>)> {
    let (mut kind, range) = KINDS.iter().find_map(|(name, kind)| Some((*kind, found.name(name)?.range())))?;
    let text = &word[range.clone()];
    if kind == Kind::Hex && text.bytes().all(|byte| byte.is_ascii_digit()) {
        kind = Kind::Number;
    }
    if kind == Kind::Hex && !text.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // `utf8`, `s3` and `v2` are names; `order1234` is not.
    let follows_letter = word[..range.start].chars().next_back().is_some_and(char::is_alphabetic);
    if kind == Kind::Number && follows_letter && text.len() < 3 {
        return None;
    }
    Some((kind, range))
}

/// A comma between digits is one of a number.
pub(super) fn word_length(text: &str) -> usize {
    let is_digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let mut ends = text.char_indices().filter(|(_, c)| is_between(*c));
    let end = ends.find(|(at, c)| !(*c == ',' && is_digit(at.checked_sub(1)) && is_digit(Some(at + 1))));
    end.map_or(text.len(), |(at, _)| at)
}

pub(super) fn is_between(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | ';' | '=' | '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '|')
}

fn joined_blanks(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_whitespace() {
            joined.push(c);
        } else if !joined.ends_with(' ') {
            joined.push(' ');
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let line = Line::read(text);
        let mut told = String::new();
        for piece in &line.pieces {
            match piece {
                Piece::Between(text) => told.push_str(text),
                Piece::Word(parts) => parts.iter().for_each(|part| match part {
                    Part::Text(text) => told.push_str(text),
                    Part::Variable(kind) => {
                        told.push('<');
                        told.push_str(kind.as_str());
                        told.push('>');
                    }
                }),
            }
        }
        told
    }

    #[test]
    fn what_changes_is_told_by_its_kind() {
        let cases = [
            ("order 5 failed", "order <Number> failed"),
            ("took 35ms, 1.5e3 bytes.", "took <Number>ms, <Number> bytes."),
            ("2026-11-21T03:02:26.762Z [info] up", "<Timestamp> [info] up"),
            ("2026-11-21 03:02:26,762   INFO\tup", "<Date> <Time> INFO up"),
            ("GET /cart/17/items?page=2", "GET /cart/<Number>/items?page=<Number>"),
            ("utf8 in s3 for v2 of order1234", "utf8 in s3 for v2 of order<Number>"),
            ("from 10.0.0.7:5432 by a.b@example.com", "from <IP> by <Email>"),
            ("blob 84af46b1e6159f31 at 0x7f3c", "blob <Hex> at <Hex>"),
            ("deadbeef defaced accessed", "deadbeef defaced accessed"),
            (r#"{"user":"0af76519-16cd-43dd-8448-eb211c80319c","n":7}"#, r#"{"user":"<UUID>","n":<Number>}"#),
            ("1-2-3-4-5-6", "<Token>"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn long_lines_are_cut() {
        let line = "word ".repeat(500);
        assert_eq!(Line::read(&line).pieces.len(), 2 * WORDS_MAX + 1);
        assert!(told(&"ä".repeat(5_000)).len() <= LINE_BYTES_MAX);
    }
}
