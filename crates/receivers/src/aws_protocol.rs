//! The three ways in which AWS's SDKs speak to one service: forms answered in XML, JSON, and CBOR.
//!
//! Which one a client speaks depends on its age: CloudWatch metrics have been asked in all three. Requests of any of them
//! become one tree of JSON values; answers are written from one.
//!
//! Spec: smithy.io/2.0/aws/protocols/aws-query-protocol.html, aws-json-1_0-protocol.html,
//!       smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html

pub mod cbor;
pub mod form;
pub mod xml;

use http::StatusCode;
use serde_json::{Value, json};

use crate::aws::AwsError;
use crate::json::sound_text;
use crate::receiver::Reply;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A form in, XML out.
    Query,
    /// JSON 1.0.
    Json,
    /// Smithy's RPC v2 with CBOR.
    Cbor,
}

impl Encoding {
    /// By the content type of a request; what is neither JSON nor CBOR is a form.
    pub fn of(content_type: &str) -> Encoding {
        let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/cbor" => Encoding::Cbor,
            "application/json" | "application/x-amz-json-1.0" | "application/x-amz-json-1.1" => Encoding::Json,
            _ => Encoding::Query,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Encoding::Query => "text/xml",
            Encoding::Json => "application/x-amz-json-1.0",
            Encoding::Cbor => "application/cbor",
        }
    }

    /// The request as a tree. Of a form every leaf is a text; of CBOR a time is a number of seconds, and numbers that JSON
    /// does not have are texts.
    pub fn read(self, body: &[u8]) -> Result<Value, AwsError> {
        let read = match self {
            Encoding::Query => Ok(form::read(body)),
            Encoding::Json if body.trim_ascii().is_empty() => Ok(json!({})),
            Encoding::Json => serde_json::from_str(&sound_text(body)).map_err(|error| error.to_string()),
            Encoding::Cbor if body.is_empty() => Ok(json!({})),
            Encoding::Cbor => cbor::read(body).map_err(|error| error.to_string()),
        };
        match read {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(AwsError::new("SerializationException", "expected a structure")),
            Err(message) => Err(AwsError::new("SerializationException", message)),
        }
    }

    /// What a client is told of an operation that answers nothing.
    pub fn empty_reply(self, operation: &str, namespace: &str, request_id: &str) -> Reply {
        let reply = match self {
            Encoding::Query => {
                let body = format!(
                    "<{operation}Response xmlns=\"{namespace}\"><ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata></{operation}Response>\n",
                    xml::escape(request_id)
                );
                Reply::new(StatusCode::OK, self.content_type(), body)
            }
            Encoding::Json => Reply::new(StatusCode::OK, self.content_type(), "{}"),
            Encoding::Cbor => Reply::empty(StatusCode::OK).with_header("smithy-protocol", "rpc-v2-cbor"),
        };
        reply.with_header("x-amzn-requestid", request_id)
    }

    /// An error. `code` is what it was called when there were only forms; newer clients are told both names.
    pub fn error_reply(self, error: &AwsError, code: &str, namespace: &str, request_id: &str) -> Reply {
        let blame = if error.status.is_server_error() { "Receiver" } else { "Sender" };
        let mut body = json!({ "__type": error.name, "message": error.message });
        for (member, value) in error.details.iter().filter_map(Value::as_object).flatten() {
            body[member] = value.clone();
        }
        let reply = match self {
            Encoding::Query => {
                let details = error.details.iter().filter_map(Value::as_object).flatten();
                let details: String = details
                    .filter_map(|(member, value)| Some(format!("<{member}>{}</{member}>", xml::escape(value.as_str()?))))
                    .collect();
                let text = format!(
                    "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{blame}</Type><Code>{code}</Code><Message>{}</Message>{details}</Error>\
                     <RequestId>{}</RequestId></ErrorResponse>\n",
                    xml::escape(&error.message),
                    xml::escape(request_id),
                );
                Reply::new(error.status, self.content_type(), text)
            }
            Encoding::Json => Reply::new(error.status, self.content_type(), body.to_string()),
            Encoding::Cbor => {
                Reply::new(error.status, self.content_type(), cbor::write(&body)).with_header("smithy-protocol", "rpc-v2-cbor")
            }
        };
        reply
            .with_header("x-amzn-requestid", request_id)
            .with_header("x-amzn-errortype", error.name)
            .with_header("x-amzn-query-error", &format!("{code};{blame}"))
    }
}

/// A number, also when it was written as a text.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A time in nanoseconds: seconds since 1970, or RFC 3339.
pub fn unix_nano(value: &Value) -> Option<i64> {
    if let Some(seconds) = number(value) {
        return crate::aws::nanos_from_seconds(seconds);
    }
    let text = value.as_str()?.trim();
    let timestamp: jiff::Timestamp = text.parse().or_else(|_| format!("{text}Z").parse()).ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_text() {
        for (value, nanos) in [
            (json!(1795226742.5), Some(1_795_226_742_500_000_000)),
            (json!("1795226742"), Some(1_795_226_742_000_000_000)),
            (json!("2026-11-21T02:05:42Z"), Some(1_795_226_742_000_000_000)),
            (json!("2026-11-21T02:05:42.5"), Some(1_795_226_742_500_000_000)),
            (json!("today"), None),
            (json!(null), None),
        ] {
            assert_eq!(unix_nano(&value), nanos, "{value}");
        }
    }

    #[test]
    fn encodings_are_known_by_their_type() {
        assert_eq!(Encoding::of("application/x-www-form-urlencoded; charset=utf-8"), Encoding::Query);
        assert_eq!(Encoding::of("application/x-amz-json-1.0"), Encoding::Json);
        assert_eq!(Encoding::of("application/cbor"), Encoding::Cbor);
    }

    #[test]
    fn errors_have_both_names() {
        let error = AwsError::new("MissingRequiredParameterException", "The parameter <X> is required.");
        for encoding in [Encoding::Query, Encoding::Json, Encoding::Cbor] {
            let reply = encoding.error_reply(&error, "MissingParameter", "urn:x", "id");
            assert_eq!(reply.headers["x-amzn-query-error"], "MissingParameter;Sender");
            assert_eq!(reply.headers["content-type"], encoding.content_type());
        }
        let text = String::from_utf8(Encoding::Query.error_reply(&error, "MissingParameter", "urn:x", "id").body).unwrap();
        assert!(text.contains("<Code>MissingParameter</Code><Message>The parameter &lt;X&gt; is required.</Message>"), "{text}");
    }
}
