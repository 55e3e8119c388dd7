//! Secrets are taken out of bodies before anything of them is written.
//!
//! A body keeps its length and its form: what is taken out is masked byte by byte, so that one rule serves JSON, JSON inside
//! texts, protobuf, MessagePack, forms and envelopes alike, and what counts bytes still counts right.
//!
//! Missing: what is compressed, in base64 or percent-encoded JSON inside a body; objects, and lists of more than one text,
//!          under secret keys; headers, of which receivers keep few; values of secret keys in protobuf and MessagePack that
//!          are no texts
//! Quirks:  a number under a secret key becomes ones; a card is told by its first digits, its length and its check digit

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use metastore::{Metastore, MetastoreError};
use parking_lot::{Mutex, RwLock};
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::limits::{SCRUB_KEYS_MAX, SCRUB_PATTERN_BYTES_MAX, SCRUB_PATTERNS_MAX};

const SETTING: &str = "scrubbing";

/// What is taken out, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScrubSettings {
    pub enabled: bool,
    /// Names of receivers; `*` means all. It costs a look at every byte.
    pub receivers: Vec<String>,
    /// Values under these names go, whatever their case and with `-` and `_` alike; headers are names too.
    pub keys: Vec<String>,
    /// Regular expressions; what they match goes.
    pub patterns: Vec<String>,
    /// Values of secret names in query strings, and passwords in addresses.
    pub query_strings: bool,
    pub cards: bool,
    /// Bearer tokens, JWTs, and keys of well-known makers.
    pub tokens: bool,
}

impl Default for ScrubSettings {
    fn default() -> ScrubSettings {
        ScrubSettings {
            enabled: true,
            receivers: vec!["rollbar".into(), "sentry".into()],
            keys: KEYS.map(str::to_owned).to_vec(),
            patterns: Vec::new(),
            query_strings: true,
            cards: true,
            tokens: true,
        }
    }
}

const KEYS: [&str; 32] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "confirm_password",
    "password_confirmation",
    "old_password",
    "new_password",
    "secret",
    "secret_key",
    "client_secret",
    "private_key",
    "api_key",
    "apikey",
    "api_secret",
    "auth_token",
    "refresh_token",
    "id_token",
    "session_token",
    "csrf_token",
    "csrftoken",
    "csrfmiddlewaretoken",
    "authorization",
    "proxy_authorization",
    "x_api_key",
    "cookie",
    "set_cookie",
    "credit_card",
    "card_number",
    "cvv",
    "cvc",
    "ssn",
];

const QUERY: &str = r#"(?i-u)(?:[?&]|&amp;|\\u0026)(?:pass(?:word|wd)?|pwd|secret|token|access_token|auth_token|refresh_token|id_token|api_?key|apikey|client_secret|signature|sig|sessionid)=([^&\s"'\\<>#]+)|://[^/\s:@"'\\]{1,100}:([^@/\s"'\\]{1,200})@"#;

const TOKENS: &str = r"(?-u)(?i:bearer|basic)\s{1,4}([A-Za-z0-9._~+/=-]{12,})|(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{8,})|\b((?:AKIA|ASIA)[0-9A-Z]{16})\b|\b(gh[pousr]_[A-Za-z0-9]{30,})|\b(xox[abprs]-[A-Za-z0-9-]{10,})|\b([sr]k_live_[A-Za-z0-9]{16,})|\b(AIza[0-9A-Za-z_-]{35})|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----([A-Za-z0-9+/=\\\sn]{20,})-----END";

const CARDS: &str = r"(?-u)[2-6]\d{3}[ -]?\d{4,6}[ -]?\d{4,5}(?:[ -]?\d{1,4})?";

/// What was taken out of one receiver's bodies by one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScrubHits {
    pub receiver: String,
    /// `key password`, `pattern 1`, `query string`, `card` or `token`.
    pub rule: String,
    pub hits: u64,
    pub requests: u64,
    pub last_at_unix_nano: i64,
}

/// By receiver and rule: how many, in how many requests, and when the last was.
type Hits = BTreeMap<(&'static str, String), (u64, u64, i64)>;

/// Rules that can be used, and what they did since the server began.
#[derive(Default)]
pub struct Scrubber {
    rules: RwLock<Option<Compiled>>,
    hits: Mutex<Hits>,
}

struct Compiled {
    settings: ScrubSettings,
    keys: Option<Regex>,
    patterns: Vec<Regex>,
    query: Regex,
    tokens: Regex,
    cards: Regex,
}

impl Compiled {
    fn new(settings: ScrubSettings) -> Result<Compiled, String> {
        if settings.keys.len() > SCRUB_KEYS_MAX || settings.patterns.len() > SCRUB_PATTERNS_MAX {
            return Err(format!("expected at most {SCRUB_KEYS_MAX} keys and {SCRUB_PATTERNS_MAX} patterns"));
        }
        let built = |pattern: &str| {
            let built = RegexBuilder::new(pattern).size_limit(SCRUB_PATTERN_BYTES_MAX).build();
            built.map_err(|error| error.to_string())
        };
        let names: Vec<String> = settings
            .keys
            .iter()
            .map(|key| key.trim())
            .filter(|key| !key.is_empty())
            .map(|key| regex::escape(&key.replace('-', "_")).replace('_', "[_-]?"))
            .collect();
        let keys = if names.is_empty() { None } else { Some(built(&format!("(?i-u)(?:{})", names.join("|")))?) };
        let patterns = settings.patterns.iter().map(|pattern| built(pattern)).collect::<Result<_, _>>()?;
        Ok(Compiled { keys, patterns, query: built(QUERY)?, tokens: built(TOKENS)?, cards: built(CARDS)?, settings })
    }

    fn is_for(&self, receiver: &str) -> bool {
        self.settings.enabled && self.settings.receivers.iter().any(|name| name == "*" || name == receiver)
    }

    /// The places that are to be masked, each with the rule that says so.
    fn find(&self, body: &[u8]) -> Vec<(Range<usize>, String)> {
        let mut out = Vec::new();
        for key in self.keys.iter().flat_map(|keys| keys.find_iter(body)) {
            let name = || format!("key {}", String::from_utf8_lossy(key.as_bytes()).to_ascii_lowercase());
            out.extend(value_of(body, key.range()).map(|range| (range, name())));
        }
        let groups = |regex: &Regex, rule: &str, out: &mut Vec<(Range<usize>, String)>| {
            for found in regex.captures_iter(body) {
                out.extend(found.iter().skip(1).flatten().map(|group| (group.range(), rule.to_owned())));
            }
        };
        if self.settings.query_strings {
            groups(&self.query, "query string", &mut out);
        }
        if self.settings.tokens {
            groups(&self.tokens, "token", &mut out);
        }
        if self.settings.cards {
            let cards = self.cards.find_iter(body).filter(|found| is_card(body, found.range()));
            out.extend(cards.map(|found| (found.range(), "card".to_owned())));
        }
        for (number, pattern) in self.patterns.iter().enumerate() {
            let found = pattern.find_iter(body).filter(|found| !found.is_empty());
            out.extend(found.map(|found| (found.range(), format!("pattern {}", number + 1))));
        }
        out
    }
}

impl Scrubber {
    pub async fn load(metastore: &Metastore, project: &str) -> Result<Scrubber, MetastoreError> {
        let kept = metastore.project_setting(project, SETTING).await?;
        let settings = kept.and_then(|kept| serde_json::from_str(&kept.value).ok()).unwrap_or_default();
        let compiled =
            Compiled::new(settings).map_err(|found| MetastoreError::Unreadable { what: "rules of scrubbing", found })?;
        Ok(Scrubber { rules: RwLock::new(Some(compiled)), hits: Mutex::default() })
    }

    pub fn settings(&self) -> ScrubSettings {
        self.rules.read().as_ref().map(|rules| rules.settings.clone()).unwrap_or_default()
    }

    /// Puts rules in the place of those that were, for what comes from now on.
    pub async fn put(
        &self,
        metastore: &Metastore,
        project: &str,
        settings: ScrubSettings,
        now_unix_nano: i64,
    ) -> Result<Result<(), String>, MetastoreError> {
        let compiled = match Compiled::new(settings) {
            Ok(compiled) => compiled,
            Err(reason) => return Ok(Err(reason)),
        };
        let text = serde_json::to_string(&compiled.settings).unwrap_or_default();
        metastore.put_project_setting(project, SETTING, &text, now_unix_nano).await?;
        *self.rules.write() = Some(compiled);
        Ok(Ok(()))
    }

    /// The body without secrets; `None` where it has none, or nobody asks.
    pub fn scrub(&self, receiver: &'static str, body: &[u8], now_unix_nano: i64) -> Option<Vec<u8>> {
        let found = match self.rules.read().as_ref() {
            Some(rules) if rules.is_for(receiver) => rules.find(body),
            _ => return None,
        };
        let mut clean = Cow::Borrowed(body);
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for (range, rule) in found {
            // What is masked already, by the client or an earlier rule, is no hit.
            if body[range.clone()].iter().all(|byte| *byte == b'*') {
                continue;
            }
            let is_pattern = rule.starts_with("pattern");
            let masked = &mut clean.to_mut()[range];
            if is_pattern {
                mask_within(masked)
            } else {
                mask(masked)
            }
            *seen.entry(rule).or_default() += 1;
        }
        let mut hits = self.hits.lock();
        for (rule, count) in seen {
            let entry = hits.entry((receiver, rule)).or_default();
            *entry = (entry.0 + count, entry.1 + 1, now_unix_nano);
        }
        match clean {
            Cow::Owned(clean) => Some(clean),
            Cow::Borrowed(_) => None,
        }
    }

    /// What was taken out since the server began.
    pub fn hits(&self) -> Vec<ScrubHits> {
        let hits = self.hits.lock();
        let told = hits.iter().map(|((receiver, rule), (hits, requests, last_at_unix_nano))| ScrubHits {
            receiver: (*receiver).to_owned(),
            rule: rule.clone(),
            hits: *hits,
            requests: *requests,
            last_at_unix_nano: *last_at_unix_nano,
        });
        told.collect()
    }
}

/// Texts become stars; JSON's numbers stay numbers.
fn mask(bytes: &mut [u8]) {
    let is_number = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
    for byte in bytes {
        if !is_number {
            *byte = b'*';
        } else if byte.is_ascii_digit() {
            *byte = b'1';
        }
    }
}

/// The same for what people's patterns match: quotes and escapes stay, so that JSON stays JSON.
fn mask_within(bytes: &mut [u8]) {
    let mut at = 0;
    while at < bytes.len() {
        at += match (bytes[at], bytes.get(at + 1)) {
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            (b'"', _) => 1,
            _ => {
                let plain = bytes[at..].iter().take_while(|byte| !matches!(byte, b'\\' | b'"')).count();
                mask(&mut bytes[at..at + plain]);
                plain
            }
        };
    }
}

/// Where the value under a key lies: in JSON, in JSON inside a text, in a form, in protobuf's pairs and in MessagePack.
fn value_of(body: &[u8], key: Range<usize>) -> Option<Range<usize>> {
    json_value(body, &key)
        .or_else(|| protobuf_value(body, &key))
        .or_else(|| message_pack_value(body, &key))
        .or_else(|| form_value(body, &key))
}

/// `"key": "value"`, also behind a dot or a dash (`http.request.header.cookie`), also with escaped quotes.
fn json_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let before = *body.get(key.start.checked_sub(1)?)?;
    if !matches!(before, b'"' | b'.' | b'-' | b'_' | b'/') {
        return None;
    }
    let slashes = body[key.end..].iter().take(8).take_while(|byte| **byte == b'\\').count();
    let mut at = key.end + slashes;
    if body.get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    at += body[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if body.get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    at += body[at..].iter().take(8).take_while(|byte| byte.is_ascii_whitespace()).count();
    if body.get(at) == Some(&b'[') {
        at += 1;
        at += body[at..].iter().take(8).take_while(|byte| byte.is_ascii_whitespace()).count();
    }
    // OTLP/JSON writes `{"key": "password", "value": {"stringValue": "x"}}`; that key is no member's name.
    let opening = body[at..].iter().take(slashes).filter(|byte| **byte == b'\\').count();
    match body.get(at + opening) {
        Some(b'"') if opening == slashes => {
            let start = at + opening + 1;
            Some(start..end_of_text(body, start, slashes)).filter(|range| !range.is_empty())
        }
        Some(byte) if opening == 0 && (byte.is_ascii_digit() || *byte == b'-') => {
            let length = body[at..].iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')).count();
            Some(at..at + length)
        }
        _ => None,
    }
}

/// The end of a text whose quotes stand behind so many backslashes.
fn end_of_text(body: &[u8], start: usize, slashes: usize) -> usize {
    let (mut at, mut run) = (start, 0);
    while let Some(byte) = body.get(at) {
        match byte {
            b'\\' => run += 1,
            // A quote inside has more backslashes before it than those around it.
            b'"' if run <= slashes => return at - run,
            _ => run = 0,
        }
        at += 1;
    }
    body.len()
}

/// OTLP's `KeyValue { key = 1, value = 2 { string_value = 1 } }`, and its JSON.
fn protobuf_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let start = (key.start.saturating_sub(60)..=key.start)
        .rev()
        .find(|start| *start >= 2 && body[start - 2] == 0x0a && usize::from(body[start - 1]) == key.end - start)?;
    let named = &body[start..key.end];
    if start != key.start && !named.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
        return None;
    }
    let (length, at) = tagged(body, key.end, 0x12)?;
    let (inner, at) = tagged(body, at, 0x0a).filter(|(inner, _)| *inner <= length)?;
    body.get(at..at + inner).map(|_| at..at + inner)
}

/// A field of the given tag: its length and where it begins.
fn tagged(body: &[u8], at: usize, tag: u8) -> Option<(usize, usize)> {
    if body.get(at) != Some(&tag) {
        return None;
    }
    let (mut length, mut shift, mut at) = (0_usize, 0, at + 1);
    loop {
        let byte = *body.get(at)?;
        length |= usize::from(byte & 0x7f) << shift;
        at += 1;
        if byte < 0x80 {
            return Some((length, at));
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

/// A text behind a short text.
fn message_pack_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let length = key.end - key.start;
    let before = *body.get(key.start.checked_sub(1)?)?;
    if length >= 32 || before != 0xa0 | length as u8 {
        return None;
    }
    let (length, at) = match *body.get(key.end)? {
        short @ 0xa0..=0xbf => (usize::from(short & 0x1f), key.end + 1),
        0xd9 => (usize::from(*body.get(key.end + 1)?), key.end + 2),
        0xda => (usize::from(u16::from_be_bytes([*body.get(key.end + 1)?, *body.get(key.end + 2)?])), key.end + 3),
        _ => return None,
    };
    body.get(at..at + length).filter(|value| !value.is_empty()).map(|_| at..at + length)
}

/// `key=value&`.
fn form_value(body: &[u8], key: &Range<usize>) -> Option<Range<usize>> {
    let is_first = key.start == 0 || matches!(body[key.start - 1], b'&' | b'?' | b';' | b' ' | b'\n');
    if !is_first || body.get(key.end) != Some(&b'=') {
        return None;
    }
    let start = key.end + 1;
    let length =
        body[start..].iter().take_while(|byte| !matches!(byte, b'&' | b';' | b'"' | b'\\' | b' ' | b'\n' | b'<')).count();
    (length > 0).then_some(start..start + length)
}

/// A card's number: nothing that it is a part of, and no id.
fn is_card(body: &[u8], range: Range<usize>) -> bool {
    let is_part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/'));
    let is_id = body[..range.start].iter().rev().skip_while(|byte| matches!(byte, b'"' | b':' | b' ' | b'\\')).take(2);
    let is_id = is_id.copied().map(|byte| byte.to_ascii_lowercase()).eq(*b"di");
    if is_part(body.get(range.end)) || (range.start > 0 && is_part(body.get(range.start - 1))) || is_id {
        return false;
    }
    let digits: Vec<u32> = body[range].iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect();
    let first = digits.iter().take(4).fold(0, |number, digit| number * 10 + digit);
    let is_known = match digits.len() {
        15 => matches!(first / 100, 34 | 37),
        16 => matches!(first, 2221..=2720 | 4000..=4999 | 5100..=5599 | 6011 | 6440..=6599),
        13 | 19 => first / 1000 == 4,
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match digit * (1 + place as u32 % 2) {
            doubled @ 10.. => doubled - 9,
            plain => plain,
        })
        .sum();
    is_known && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests;
