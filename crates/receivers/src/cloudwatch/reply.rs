//! What CloudWatch Logs' clients expect back: JSON 1.1, skipped events by index, errors by name.

use http::StatusCode;
use serde_json::json;

use super::event_id::EventId;
use super::put_log_events::Admission;
use crate::aws::{AwsError, Dialect, reply, request_id};
use crate::incoming::Incoming;
use crate::receiver::{Failure, Reply};

/// 200 with a sequence token, which clients send back although it means nothing, and the indexes of skipped events.
pub fn log_events_kept(incoming: &Incoming<'_>, admission: &Admission) -> Reply {
    let now_ms = incoming.received_at_unix_nano / 1_000_000;
    let token = EventId::new("", "", now_ms, incoming.received_at_unix_nano, 0, &request_id(incoming));
    let mut body = json!({"nextSequenceToken": token.to_string()});
    let rejected = [
        ("tooNewLogEventStartIndex", admission.too_new_log_event_start_index),
        ("tooOldLogEventEndIndex", admission.too_old_log_event_end_index),
        ("expiredLogEventEndIndex", admission.expired_log_event_end_index),
    ];
    for (member, index) in rejected {
        if let Some(index) = index {
            body["rejectedLogEventsInfo"][member] = json!(index);
        }
    }
    answer(&body, &request_id(incoming))
}

/// 200 with the answer of an operation.
pub fn answer(body: &impl serde::Serialize, request_id: &str) -> Reply {
    reply(Dialect::Json11, StatusCode::OK, body, request_id)
}

/// 200 without a body, as operations without an answer have it.
pub fn empty_answer(request_id: &str) -> Reply {
    Reply::new(StatusCode::OK, "application/x-amz-json-1.1", Vec::new()).with_header("x-amzn-requestid", request_id)
}

/// An error as CloudWatch Logs words it.
pub fn refused(error: &AwsError, request_id: &str) -> Reply {
    error.to_reply(Dialect::Json11, request_id)
}

/// The error for a failure that is not of the operation's own rules. SDKs retry throttling and 5xx.
pub fn error(failure: &Failure) -> AwsError {
    let (name, status) = match failure {
        Failure::Malformed(_) => ("SerializationException", StatusCode::BAD_REQUEST),
        Failure::Invalid(_) => ("InvalidParameterException", StatusCode::BAD_REQUEST),
        Failure::UnsupportedMediaType(_) | Failure::UnsupportedEncoding(_) => {
            ("InvalidParameterException", StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
        Failure::TooLarge { .. } => ("InvalidParameterException", StatusCode::PAYLOAD_TOO_LARGE),
        Failure::Unauthenticated => ("MissingAuthenticationTokenException", StatusCode::BAD_REQUEST),
        Failure::Forbidden => ("UnrecognizedClientException", StatusCode::BAD_REQUEST),
        Failure::Busy { .. } => ("ThrottlingException", StatusCode::BAD_REQUEST),
        Failure::Unavailable(_) => ("ServiceUnavailableException", StatusCode::SERVICE_UNAVAILABLE),
    };
    AwsError::new(name, failure.to_string()).with_status(status)
}

/// A refusal of PutLogEvents as a failure of its receiver; [`error`] gives it its name back.
pub fn failure(error: AwsError) -> Failure {
    match error.name {
        "SerializationException" => Failure::Malformed(error.message),
        _ => Failure::Invalid(error.message),
    }
}
