//! Limits of how much one access token may send, and what notifiers are told of them.
//!
//! `PATCH /project/{id}/access_token/{token}` sets one: so many calls in a minute, an hour or a day, sending and reading alike.
//! Tokens are kept as hashes. Without a limit nothing is counted.
//!
//! Missing: tokens in multipart bodies are not limited; what is left is told in answers to notifiers, and of the API only where it
//!          refuses; counts begin anew with the server

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use http::{HeaderMap, HeaderValue, Method};
use metastore::{Metastore, MetastoreError};
use parking_lot::Mutex;
use regex::bytes::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use super::call::{Call, TOKEN_HEADER, Told, Wrong, told};
use super::project::is_ours;
use crate::limits::RATE_LIMITS_MAX;
use crate::now_unix_nano;

/// Where clients that send no header put their token: the first member of the JSON that is called so, or a field of a form.
static TOKEN_IN_BODY: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""access_token"\s*:\s*"([^"\\]+)"|(?:^|&)access_token=([^&\s]+)"#).ok());

const SETTING: &str = "rollbar.rate_limits";
const SECOND: i64 = 1_000_000_000;

/// What Rollbar's page offers.
const WINDOWS_SECONDS: [i64; 6] = [60, 300, 1_800, 3_600, 86_400, 604_800];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Limit {
    count: u64,
    window_seconds: i64,
}

/// By the hash of the token.
#[derive(Default)]
pub struct RateLimits(Mutex<HashMap<String, Counted>>);

#[derive(Clone, Copy, Debug)]
struct Counted {
    limit: Limit,
    window: i64,
    used: u64,
}

/// What a call finds of its token's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    limit: u64,
    /// After this call; nothing where it is too much.
    remaining: Option<u64>,
    pub seconds_left: u32,
    /// When the count begins anew.
    resets_at_unix: u64,
}

impl Admission {
    pub fn is_refused(self) -> bool {
        self.remaining.is_none()
    }

    /// Tells in the answer what there is left.
    pub fn stamp(self, headers: &mut HeaderMap) {
        let numbers = [
            ("x-rate-limit-limit", self.limit),
            ("x-rate-limit-remaining", self.remaining.unwrap_or(0)),
            ("x-rate-limit-remaining-seconds", u64::from(self.seconds_left)),
            ("x-rate-limit-reset", self.resets_at_unix),
        ];
        for (name, number) in numbers {
            headers.insert(name, HeaderValue::from(number));
        }
    }
}

impl RateLimits {
    pub async fn load(&self, metastore: &Metastore, project: &str) -> Result<(), MetastoreError> {
        let kept = metastore.project_setting(project, SETTING).await?;
        let limits: HashMap<String, Limit> = kept.and_then(|kept| serde_json::from_str(&kept.value).ok()).unwrap_or_default();
        *self.0.lock() = limits.into_iter().map(|(token, limit)| (token, Counted { limit, window: 0, used: 0 })).collect();
        Ok(())
    }

    /// Counts what a notifier sends; nothing of tokens without a limit, and of other receivers.
    pub fn admit(&self, receiver: &str, headers: &HeaderMap, body: &[u8], now_unix_nano: i64) -> Option<Admission> {
        if receiver != "rollbar" || self.0.lock().is_empty() {
            return None;
        }
        let token = headers.get(TOKEN_HEADER).map(HeaderValue::as_bytes).or_else(|| token_in(body))?;
        self.admit_token(token, now_unix_nano)
    }

    /// Counts a call of this token; nothing of one without a limit.
    pub fn admit_token(&self, token: &[u8], now_unix_nano: i64) -> Option<Admission> {
        if self.0.lock().is_empty() {
            return None;
        }
        self.count(&hash(token.trim_ascii()), now_unix_nano)
    }

    fn count(&self, token: &str, now_unix_nano: i64) -> Option<Admission> {
        let mut limits = self.0.lock();
        let counted = limits.get_mut(token)?;
        let (now, length) = (now_unix_nano.div_euclid(SECOND), counted.limit.window_seconds);
        let window = now.div_euclid(length);
        if counted.window != window {
            (counted.window, counted.used) = (window, 0);
        }
        let left = length - now.rem_euclid(length);
        let seconds_left = u32::try_from(left).unwrap_or(u32::MAX);
        let resets_at_unix = now.saturating_add(left).unsigned_abs();
        let remaining = counted.limit.count.checked_sub(counted.used + 1);
        if remaining.is_some() {
            counted.used += 1;
        }
        Some(Admission { limit: counted.limit.count, remaining, seconds_left, resets_at_unix })
    }

    fn of(&self, token: &str) -> Option<Limit> {
        self.0.lock().get(token).map(|counted| counted.limit)
    }

    async fn put(&self, call: &Call, token: &str, limit: Option<Limit>) -> Result<(), Wrong> {
        let mut limits: HashMap<String, Limit> =
            self.0.lock().iter().map(|(token, counted)| (token.clone(), counted.limit)).collect();
        match limit {
            Some(limit) => limits.insert(token.to_owned(), limit),
            None => limits.remove(token),
        };
        if limits.len() > RATE_LIMITS_MAX {
            return Err(Wrong::invalid(format!("there are limits of {RATE_LIMITS_MAX} tokens already")));
        }
        let text = serde_json::to_string(&limits).map_err(|error| Wrong::invalid(error.to_string()))?;
        call.services.metastore.put_project_setting(call.project(), SETTING, &text, now_unix_nano()).await?;
        let mut known = self.0.lock();
        match limit {
            Some(limit) => known.insert(token.to_owned(), Counted { limit, window: 0, used: 0 }),
            None => known.remove(token),
        };
        Ok(())
    }
}

/// `GET`, `PATCH /project/{id}/access_token/{token}`: its limit. A window or count of nought takes it away.
pub(super) async fn access_token(Path((project, token)): Path<(String, String)>, call: Call) -> Told {
    is_ours(&project)?;
    let (limits, hashed) = (&call.services.rate_limits, hash(token.trim().as_bytes()));
    if call.method == Method::PATCH {
        call.is_meant()?;
        let members = call.members()?;
        let number = |name: &str| members.get(name).and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()));
        let (window, count) = (number("rate_limit_window_size"), number("rate_limit_window_count"));
        let limit = match (window, count) {
            (Some(0), _) | (_, Some(0)) | (None, None) => None,
            (Some(window), Some(count)) if WINDOWS_SECONDS.contains(&window) && count > 0 => {
                Some(Limit { count: count.unsigned_abs(), window_seconds: window })
            }
            _ => {
                let message = format!("expected rate_limit_window_count, and rate_limit_window_size of {WINDOWS_SECONDS:?}");
                return Err(Wrong::invalid(message));
            }
        };
        limits.put(&call, &hashed, limit).await?;
    }
    let limit = limits.of(&hashed);
    told(&json!({
        "project_id": super::PROJECT_ID,
        "access_token": token,
        "status": "enabled",
        "rate_limit_window_size": limit.map(|limit| Value::from(limit.window_seconds)),
        "rate_limit_window_count": limit.map(|limit| Value::from(limit.count)),
    }))
}

fn token_in(body: &[u8]) -> Option<&[u8]> {
    let found = TOKEN_IN_BODY.as_ref()?.captures(body)?;
    found.get(1).or_else(|| found.get(2)).map(|token| token.as_bytes())
}

fn hash(token: &[u8]) -> String {
    format!("{:032x}", xxh3_128(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_window() {
        let limits = RateLimits::default();
        let limit = Limit { count: 2, window_seconds: 60 };
        limits.0.lock().insert(hash(b"t"), Counted { limit, window: 0, used: 0 });
        let told = |second: i64| limits.count(&hash(b"t"), second * SECOND).map(|found| (found.remaining, found.seconds_left));
        assert_eq!(told(600), Some((Some(1), 60)));
        assert_eq!(told(601), Some((Some(0), 59)));
        assert_eq!(told(630), Some((None, 30)));
        assert_eq!(told(660), Some((Some(1), 60)), "the next window");
        assert_eq!(limits.count(&hash(b"other"), 0), None);
        let headers: HeaderMap =
            [(http::HeaderName::from_static(TOKEN_HEADER), HeaderValue::from_static(" t "))].into_iter().collect();
        assert!(limits.admit("rollbar", &headers, b"", 661 * SECOND).is_some_and(|found| !found.is_refused()));
        assert_eq!(limits.admit("sentry", &headers, b"", 661 * SECOND), None);
        let in_body = |body: &[u8]| limits.admit("rollbar", &HeaderMap::new(), body, 662 * SECOND);
        assert!(in_body(br#"{"data": {}, "access_token" : "t"}"#).is_some_and(Admission::is_refused));
        assert!(in_body(b"environment=test&access_token=t&revision=1").is_some());
        assert_eq!(in_body(br#"{"access_token": "other", "note": "access_token=t"}"#), None);
        let mut told = HeaderMap::new();
        told.insert("x-rate-limit-remaining", HeaderValue::from_static("5000"));
        Admission { limit: 2, remaining: Some(1), seconds_left: 60, resets_at_unix: 720 }.stamp(&mut told);
        let numbers =
            ["limit", "remaining", "remaining-seconds", "reset"].map(|name| told[&format!("x-rate-limit-{name}")].clone());
        assert_eq!(numbers, ["2", "1", "60", "720"]);
    }
}
