//! Secrets are taken out of bodies before anything of them is written.
//!
//! A body keeps its length and its form: what is taken out is masked byte by byte, so that one rule serves JSON, JSON inside
//! texts, protobuf, MessagePack, forms and envelopes alike, and what counts bytes still counts right.
//!
//! Missing: headers, of which receivers keep few; see [`analysis::secrets`] for what is not found
//! Quirks:  a number under a secret key becomes ones

use std::borrow::Cow;
use std::collections::BTreeMap;

use analysis::secrets::{SecretRule, SecretRules, Secrets};
use metastore::{Metastore, MetastoreError};
use parking_lot::{Mutex, RwLock};
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
    secrets: Secrets,
}

impl Compiled {
    fn new(settings: ScrubSettings) -> Result<Compiled, String> {
        if settings.keys.len() > SCRUB_KEYS_MAX || settings.patterns.len() > SCRUB_PATTERNS_MAX {
            return Err(format!("expected at most {SCRUB_KEYS_MAX} keys and {SCRUB_PATTERNS_MAX} patterns"));
        }
        let rules = SecretRules {
            keys: &settings.keys,
            patterns: &settings.patterns,
            query_strings: settings.query_strings,
            cards: settings.cards,
            tokens: settings.tokens,
            pattern_bytes_max: SCRUB_PATTERN_BYTES_MAX,
        };
        let secrets = Secrets::compile(&rules).map_err(|error| error.to_string())?;
        Ok(Compiled { secrets, settings })
    }

    fn is_for(&self, receiver: &str) -> bool {
        self.settings.enabled && self.settings.receivers.iter().any(|name| name == "*" || name == receiver)
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
            Some(rules) if rules.is_for(receiver) => rules.secrets.find(body),
            _ => return None,
        };
        if found.is_empty() {
            return None;
        }
        let mut clean = Cow::Borrowed(body);
        let mut seen: BTreeMap<SecretRule, u64> = BTreeMap::new();
        for (range, rule) in found {
            let masked = &mut clean.to_mut()[range];
            match rule {
                SecretRule::Pattern(_) => mask_within(masked),
                _ => mask(masked),
            }
            *seen.entry(rule).or_default() += 1;
        }
        let mut hits = self.hits.lock();
        for (rule, count) in seen {
            let entry = hits.entry((receiver, rule.to_string())).or_default();
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

#[cfg(test)]
mod tests;
