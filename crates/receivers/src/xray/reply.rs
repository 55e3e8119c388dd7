//! What X-Ray's clients expect back: REST-JSON, refused documents by id, errors by name.

use http::StatusCode;

use super::wire::UnprocessedTraceSegment;
use crate::aws::{AwsError, Dialect, reply, request_id};
use crate::incoming::Incoming;
use crate::receiver::{Failure, Reply};

/// 200 with the documents that were not kept, if any.
pub fn trace_segments_kept(incoming: &Incoming<'_>, unprocessed: &[UnprocessedTraceSegment]) -> Reply {
    let body = serde_json::json!({"UnprocessedTraceSegments": unprocessed});
    reply(Dialect::RestJson, StatusCode::OK, &body, &request_id(incoming))
}

pub fn telemetry_records_kept(incoming: &Incoming<'_>) -> Reply {
    reply(Dialect::RestJson, StatusCode::OK, &serde_json::json!({}), &request_id(incoming))
}

/// The error an X-Ray client knows for a failure. SDKs and the daemon retry 429 and 5xx.
pub fn refused(incoming: &Incoming<'_>, failure: &Failure) -> Reply {
    let answer = error(failure).to_reply(Dialect::RestJson, &request_id(incoming));
    match failure {
        Failure::Busy { retry_after_seconds } => answer.with_header("retry-after", &retry_after_seconds.to_string()),
        _ => answer,
    }
}

pub fn error(failure: &Failure) -> AwsError {
    let (name, status) = match failure {
        Failure::Malformed(_) | Failure::Invalid(_) => ("InvalidRequestException", StatusCode::BAD_REQUEST),
        Failure::UnsupportedMediaType(_) | Failure::UnsupportedEncoding(_) => {
            ("InvalidRequestException", StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
        Failure::TooLarge { .. } => ("InvalidRequestException", StatusCode::PAYLOAD_TOO_LARGE),
        Failure::Unauthenticated => ("MissingAuthenticationTokenException", StatusCode::FORBIDDEN),
        Failure::Forbidden => ("UnrecognizedClientException", StatusCode::FORBIDDEN),
        Failure::Busy { .. } => ("ThrottledException", StatusCode::TOO_MANY_REQUESTS),
        Failure::Unavailable(_) => ("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE),
    };
    AwsError::new(name, failure.to_string()).with_status(status)
}
