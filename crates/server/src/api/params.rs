//! Query parameters as people and programs write them.

use axum::extract::{FromRequestParts, Query};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use store::TimeRange;

use super::refusal::Refusal;
use crate::now_unix_nano;

/// `axum::extract::Query`, refusing in our own words.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params<T>, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Params(value)),
            Err(rejection) => Err(Refusal::parameter(rejection.body_text())),
        }
    }
}

/// With any value: says that somebody meant the request.
pub const ASKED_BY: &str = "x-requested-by";

/// Looked at when no range is given.
const RANGE_DEFAULT_NS: i64 = 3_600 * 1_000_000_000;

/// Clients' clocks run ahead; a range that ends now still shows what they sent.
const CLOCK_SKEW_NS: i64 = 60 * 1_000_000_000;

/// `start` and `end`, each RFC 3339 or unix milliseconds; by default the last hour.
pub fn time_range(start: Option<&str>, end: Option<&str>) -> Result<TimeRange, Refusal> {
    let end_unix_nano = match end {
        Some(end) => moment("end", end)?,
        None => now_unix_nano() + CLOCK_SKEW_NS,
    };
    let start_unix_nano = match start {
        Some(start) => moment("start", start)?,
        None => end_unix_nano - RANGE_DEFAULT_NS,
    };
    if start_unix_nano >= end_unix_nano {
        return Err(Refusal::parameter("start must be before end"));
    }
    Ok(TimeRange { start_unix_nano, end_unix_nano })
}

/// RFC 3339, or unix milliseconds; numbers beyond the year 5000 in milliseconds are taken for nanoseconds.
pub fn moment(name: &str, text: &str) -> Result<i64, Refusal> {
    const MILLISECONDS_MAX: i64 = 95_617_584_000_000;
    let wrong = || Refusal::parameter(format!("cannot read {name} from {text:?}: expected RFC 3339 or unix milliseconds"));
    if let Ok(number) = text.parse::<i64>() {
        return if number.abs() > MILLISECONDS_MAX { Ok(number) } else { Ok(number * 1_000_000) };
    }
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    i64::try_from(timestamp.as_nanosecond()).map_err(|_| wrong())
}

/// Refuses what a page of another origin could send unasked: whatever changes something names its body as JSON or says
/// `X-Requested-By`, which a browser lets others do only after asking us, and we do not agree.
pub fn not_from_another_page(headers: &HeaderMap) -> Result<(), Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json = content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if is_json || headers.contains_key(ASKED_BY) {
        return Ok(());
    }
    let message = "a request that changes something has the content type application/json or the header X-Requested-By";
    Err(Refusal::new(StatusCode::FORBIDDEN, "forbidden", message))
}

pub fn trace_id(text: &str) -> Result<model::TraceId, Refusal> {
    model::TraceId::parse(text).map_err(|error| Refusal::parameter(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_or_milliseconds() {
        assert_eq!(moment("start", "1795226742550").unwrap(), 1_795_226_742_550_000_000);
        assert_eq!(moment("start", "1795226742550000001").unwrap(), 1_795_226_742_550_000_001);
        assert_eq!(moment("start", "2026-11-21T04:45:42.55+01:00").unwrap(), moment("x", "2026-11-21T03:45:42.55Z").unwrap());
        assert!(moment("start", "yesterday").is_err());
        assert!(time_range(Some("2"), Some("1")).is_err());
    }
}
