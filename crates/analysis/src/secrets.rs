//! Where secrets lie in a body, whatever its form: values under telling keys, tokens, cards, what patterns match.
//!
//! One rule serves JSON, JSON inside texts, protobuf, MessagePack, forms and envelopes alike: nothing is parsed. Every body is
//! looked at, so nothing is copied, and names of keys are looked for only where a key can end.
//!
//! Missing: what is compressed, in base64 or percent-encoded JSON inside a body; objects, and lists of more than one text,
//!          under secret keys; values of secret keys in protobuf and MessagePack that are no texts
//! Quirks:  a card is told by its first digits, its length and its check digit

mod cards;
mod names;
mod values;

use std::fmt;
use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use names::Names;

const QUERY: &str = r#"(?i-u)(?:[?&]|&amp;|\\u0026)(?:pass(?:word|wd)?|pwd|secret|token|access_token|auth_token|refresh_token|id_token|api_?key|apikey|client_secret|signature|sig|sessionid)=([^&\s"'\\<>#]+)|://[^/\s:@"'\\]{1,100}:([^@/\s"'\\]{1,200})@"#;

const TOKENS: &str = r"(?-u)(?i:bearer|basic)\s{1,4}([A-Za-z0-9._~+/=-]{12,})|(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{8,})|\b((?:AKIA|ASIA)[0-9A-Z]{16})\b|\b(gh[pousr]_[A-Za-z0-9]{30,})|\b(xox[abprs]-[A-Za-z0-9-]{10,})|\b([sr]k_live_[A-Za-z0-9]{16,})|\b(AIza[0-9A-Za-z_-]{35})|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----([A-Za-z0-9+/=\\\sn]{20,})-----END";

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct SecretRules<'r> {
    /// Values under these names, whatever their case and with `-` and `_` alike.
    pub keys: &'r [String],
    /// Regular expressions.
    pub patterns: &'r [String],
    /// Values of secret names in query strings, and passwords in addresses.
    pub query_strings: bool,
    pub cards: bool,
    /// Bearer tokens, JWTs, and keys of well-known makers.
    pub tokens: bool,
    /// A pattern that takes more when it is compiled is refused.
    pub pattern_bytes_max: usize,
}

/// Why something is a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRule {
    /// The value under this key, in lower case.
    Key(String),
    QueryString,
    Token,
    Card,
    /// The pattern of this number, from one on.
    Pattern(usize),
}

impl fmt::Display for SecretRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRule::Key(name) => write!(f, "key {name}"),
            SecretRule::QueryString => f.write_str("query string"),
            SecretRule::Token => f.write_str("token"),
            SecretRule::Card => f.write_str("card"),
            SecretRule::Pattern(number) => write!(f, "pattern {number}"),
        }
    }
}

/// Rules that can be used.
#[derive(Debug)]
pub struct Secrets {
    names: Names,
    query_strings: Option<Regex>,
    tokens: Option<Regex>,
    cards: Option<Regex>,
    patterns: Vec<Regex>,
}

impl Secrets {
    /// Refuses: patterns that are none, or too large.
    pub fn compile(rules: &SecretRules<'_>) -> Result<Secrets, regex::Error> {
        let built = |pattern: &str| RegexBuilder::new(pattern).size_limit(rules.pattern_bytes_max).build();
        let wanted = |is: bool, pattern: &str| is.then(|| built(pattern)).transpose();
        Ok(Secrets {
            names: Names::new(rules.keys),
            query_strings: wanted(rules.query_strings, QUERY)?,
            tokens: wanted(rules.tokens, TOKENS)?,
            cards: wanted(rules.cards, cards::PATTERN)?,
            patterns: rules.patterns.iter().map(|pattern| built(pattern)).collect::<Result<_, _>>()?,
        })
    }

    /// The places of secrets, each with the rule that says so. Places of different rules may overlap; what is masked already, all
    /// asterisks, is none.
    pub fn find(&self, body: &[u8]) -> Vec<(Range<usize>, SecretRule)> {
        let mut out = self.under_keys(body);
        for (regex, rule) in [(&self.query_strings, SecretRule::QueryString), (&self.tokens, SecretRule::Token)] {
            for found in regex.iter().flat_map(|regex| regex.captures_iter(body)) {
                out.extend(found.iter().skip(1).flatten().map(|group| (group.range(), rule.clone())));
            }
        }
        let cards = self.cards.iter().flat_map(|cards| cards.find_iter(body)).map(|found| found.range());
        out.extend(cards.filter(|place| cards::is_card(body, place.clone())).map(|place| (place, SecretRule::Card)));
        for (number, pattern) in self.patterns.iter().enumerate() {
            let found = pattern.find_iter(body).filter(|found| !found.is_empty());
            out.extend(found.map(|found| (found.range(), SecretRule::Pattern(number + 1))));
        }
        out.retain(|(place, _)| !is_masked(body, place));
        out
    }

    fn under_keys(&self, body: &[u8]) -> Vec<(Range<usize>, SecretRule)> {
        let mut out: Vec<(Range<usize>, SecretRule)> = Vec::new();
        for key in self.names.find(body) {
            let Some(value) = values::value_of(body, key.clone()) else { continue };
            // A longer name that ends here said so already. Clients mask much themselves: that is passed over at once.
            if !is_masked(body, &value) && out.last().is_none_or(|(last, _)| *last != value) {
                let name = String::from_utf8_lossy(&body[key]).to_ascii_lowercase();
                out.push((value, SecretRule::Key(name)));
            }
        }
        out
    }
}

fn is_masked(body: &[u8], place: &Range<usize>) -> bool {
    body[place.clone()].iter().all(|byte| *byte == b'*')
}
