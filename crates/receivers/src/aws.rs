//! What AWS's JSON protocols share: errors by name, request ids, and numbers read liberally.
//!
//! X-Ray speaks REST-JSON, CloudWatch Logs speaks JSON 1.1; they differ in the content type, in the spelling of
//! `Message`, and in which status says "slow down". Each receiver's `reply.rs` chooses; the words are formed here.

use http::StatusCode;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::incoming::Incoming;
use crate::receiver::Reply;

/// An error as an AWS client knows it: by name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct AwsError {
    /// The exception's name, e.g. `InvalidParameterException`.
    pub name: &'static str,
    pub message: String,
    pub status: StatusCode,
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
        AwsError { name, message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    pub fn with_status(self, status: StatusCode) -> AwsError {
        AwsError { status, ..self }
    }

    pub fn to_reply(&self, dialect: Dialect, request_id: &str) -> Reply {
        let message = match dialect {
            Dialect::RestJson => "Message",
            Dialect::Json11 => "message",
        };
        let body = serde_json::json!({"__type": self.name, message: self.message});
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
pub(crate) fn nanos_from_seconds(seconds: f64) -> Option<i64> {
    const SECONDS_MAX: f64 = 9_223_372_036.0;
    if !(0.0..SECONDS_MAX).contains(&seconds) {
        return None;
    }
    let text = seconds.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let nanos = fraction.parse::<i64>().unwrap_or(0) * 10i64.pow(9 - fraction.len() as u32);
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// A number, also when it was written as a string.
pub(crate) fn number(json: &Value) -> Option<f64> {
    match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A whole number, also when it was written as a float or a string.
pub(crate) fn integer(json: &Value) -> Option<i64> {
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
pub(crate) fn attribute_value(json: &Value) -> Option<model::Value<'_>> {
    Some(match json {
        Value::Null => return None,
        Value::Bool(value) => model::Value::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => model::Value::Int(value),
            None => model::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
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
        fn any_number_of_seconds_is_an_answer(bits in 0u64..) {
            let _ = nanos_from_seconds(f64::from_bits(bits));
        }
    }
}
