//! What AWS's JSON protocols share: errors by name, request ids, and numbers read liberally.
//!
//! X-Ray speaks REST-JSON, CloudWatch Logs speaks JSON 1.1; they differ in the content type, in the spelling of
//! `Message`, and in which status says "slow down". Each receiver's `reply.rs` chooses; the words are formed here.

use http::StatusCode;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::incoming::Incoming;
use crate::json_tree::{Value, attribute_number};
use crate::receiver::Reply;

/// An error as an AWS client knows it: by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct AwsError {
    /// The exception's name, e.g. `InvalidParameterException`.
    pub name: &'static str,
    pub message: String,
    pub status: StatusCode,
    /// Members that this error has besides, as an object.
    pub details: Option<serde_json::Value>,
}

/// How a service writes JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// X-Ray: `application/json`, errors spell `Message`.
    RestJson,
    /// CloudWatch Logs: `application/x-amz-json-1.1`, errors spell `message`.
    Json11,
}

impl AwsError {
    /// An error of status 400, which is what nearly all of them have.
    pub fn new(name: &'static str, message: impl Into<String>) -> AwsError {
        AwsError { name, message: message.into(), status: StatusCode::BAD_REQUEST, details: None }
    }

    pub fn with_status(self, status: StatusCode) -> AwsError {
        AwsError { status, ..self }
    }

    pub fn with_details(self, details: serde_json::Value) -> AwsError {
        AwsError { details: Some(details), ..self }
    }

    pub fn to_reply(&self, dialect: Dialect, request_id: &str) -> Reply {
        let message = match dialect {
            Dialect::RestJson => "Message",
            Dialect::Json11 => "message",
        };
        let mut body = serde_json::json!({"__type": self.name, message: self.message});
        for (member, value) in self.details.iter().filter_map(serde_json::Value::as_object).flatten() {
            body[member] = value.clone();
        }
        reply(dialect, self.status, &body, request_id).with_header("x-amzn-errortype", self.name)
    }
}

/// A JSON answer with the service's own content type and a request id.
pub fn reply(dialect: Dialect, status: StatusCode, body: &impl serde::Serialize, request_id: &str) -> Reply {
    let content_type = match dialect {
        Dialect::RestJson => "application/json",
        Dialect::Json11 => "application/x-amz-json-1.1",
    };
    // Answers are our own types with string keys, which always serialise; an empty object is still valid for a client.
    let bytes = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
    Reply::new(status, content_type, bytes).with_header("x-amzn-requestid", request_id)
}

/// An id for the answer's `x-amzn-RequestId`, in the form of a UUID. It follows from the request alone.
pub fn request_id(incoming: &Incoming<'_>) -> String {
    let hex = format!("{:032x}", xxh3_128_with_seed(incoming.body, incoming.received_at_unix_nano as u64));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// Reads a body that is one JSON object. Serde alone would also take an array for a struct, member by member.
pub(crate) fn read_object<'a, T: serde::Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| error.to_string()),
        Some(_) => Err("expected a JSON object".to_owned()),
        None => Err("expected a JSON object, the body is empty".to_owned()),
    }
}

/// Epoch seconds as a client wrote them, in whole nanoseconds; `None` outside of what 64 bits hold.
///
/// The shortest decimal that reads back as the same number is what the client printed, so its digits are taken rather
/// than the binary fraction: `1795228626.9763844` is 976,384,400 ns past the second, not 976,384,401.
pub fn nanos_from_seconds(seconds: f64) -> Option<i64> {
    const SECONDS_MAX: f64 = 9_223_372_036.0;
    if !(0.0..SECONDS_MAX).contains(&seconds) {
        return None;
    }
    if let Some(nanos) = nanos_of_this_time(seconds) {
        return Some(nanos);
    }
    let text = seconds.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let nanos = fraction.parse::<i64>().unwrap_or(0) * 10i64.pow(9 - fraction.len() as u32);
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// The same by arithmetic, for times from 2004 to 2038.
///
/// There, neighbouring doubles are 2^-22 s apart, so a decimal within 2^-23 s reads back as the same double. One of six
/// digits is the only one in reach and thus the shortest; else one of seven always is, and the nearest is the one printed.
/// The products are exact: 22 bits of fraction times 20 or 24 bits.
fn nanos_of_this_time(seconds: f64) -> Option<i64> {
    const HALF_STEP_MICROS: f64 = 1e6 / (1u32 << 23) as f64;
    if !((1u32 << 30) as f64..(1u32 << 31) as f64).contains(&seconds) {
        return None;
    }
    let (whole, fraction) = (seconds.trunc(), seconds.fract());
    let micros = (fraction * 1e6).round();
    let nanos = match (fraction * 1e6 - micros).abs() < HALF_STEP_MICROS {
        true => micros as i64 * 1_000,
        false => (fraction * 1e7).round() as i64 * 100,
    };
    Some(whole as i64 * 1_000_000_000 + nanos)
}

/// A number, also when it was written as a string.
pub(crate) fn number(json: &Value<'_>) -> Option<f64> {
    match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A whole number, also when it was written as a float or a string.
pub(crate) fn integer(json: &Value<'_>) -> Option<i64> {
    match json {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9.0e18).then_some(number as i64)
}

/// A JSON scalar or tree as an attribute's value; nothing for null.
pub(crate) fn attribute_value<'a>(json: &'a Value<'_>) -> Option<model::Value<'a>> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(value) => model::Value::Bool(*value),
        Value::Number(number) => attribute_number(number),
        Value::String(text) => model::Value::str(text),
        Value::Array(_) | Value::Object(_) => model::Value::Json(json.to_string().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_keep_the_digits_the_client_wrote() {
        for (seconds, nanos) in [
            (1795228626.9763844, Some(1_795_228_626_976_384_400)),
            (1.478293361271e9, Some(1_478_293_361_271_000_000)),
            (1478293385.0, Some(1_478_293_385_000_000_000)),
            (0.0000000019, Some(1)),
            (0.0, Some(0)),
            (-1.0, None),
            (1e300, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            assert_eq!(nanos_from_seconds(seconds), nanos, "{seconds}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arithmetic_finds_the_digits_that_are_printed(whole in 1i64 << 30..1 << 31, step in 0u32..1 << 22, decimals in 0u32..10) {
            let binary = whole as f64 + f64::from(step) / f64::from(1u32 << 22);
            let decimal: f64 = format!("{whole}.{:0>1$}", step % 10u32.pow(decimals), decimals as usize).parse().unwrap();
            for seconds in [binary, decimal] {
                let text = seconds.to_string();
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
                let printed = whole.parse::<i64>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}")[..9].parse::<i64>().unwrap();
                proptest::prop_assert_eq!(nanos_of_this_time(seconds), Some(printed), "{}", seconds);
            }
        }

        #[test]
        fn any_number_of_seconds_is_an_answer(bits in 0u64..) {
            let _ = nanos_from_seconds(f64::from_bits(bits));
        }
    }
}
