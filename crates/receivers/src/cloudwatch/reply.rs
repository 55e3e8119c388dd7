//! What CloudWatch Logs' clients expect back: JSON 1.1, skipped events by index, errors by name.

use http::StatusCode;
use serde_json::json;

use super::METRICS_XML_NAMESPACE;
use super::event_id::EventId;
use super::metric_data::{self, PutMetricData};
use super::put_log_events::Admission;
use crate::aws::{AwsError, Dialect, reply, request_id};
use crate::aws_protocol::Encoding;
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

/// The data of a call, read as its content type says.
pub fn metric_data(incoming: &Incoming<'_>) -> Result<PutMetricData, AwsError> {
    metric_data::parse(encoding_of(incoming), incoming.body, incoming.received_at_unix_nano)
}

fn encoding_of(incoming: &Incoming<'_>) -> Encoding {
    Encoding::of(incoming.headers.get("content-type").unwrap_or_default())
}

/// 200 without anything, in the call's encoding.
pub fn metric_data_kept(incoming: &Incoming<'_>) -> Reply {
    encoding_of(incoming).empty_reply("PutMetricData", METRICS_XML_NAMESPACE, &request_id(incoming))
}

/// An error in the call's encoding. What is wrong with the request is asked of it again: a failure has no name.
pub fn metric_data_refused(incoming: &Incoming<'_>, failure: &Failure) -> Reply {
    let error = match failure {
        Failure::Malformed(_) | Failure::Invalid(_) => metric_data(incoming).err(),
        _ => None,
    };
    let error = error.unwrap_or_else(|| metrics_error(failure));
    encoding_of(incoming).error_reply(&error, metrics_code(error.name), METRICS_XML_NAMESPACE, &request_id(incoming))
}

/// A failure before an operation of the metrics service could look at its request.
pub fn metrics_error(failure: &Failure) -> AwsError {
    let (name, status) = match failure {
        Failure::Busy { .. } => ("ThrottlingException", StatusCode::BAD_REQUEST),
        Failure::Unavailable(_) => ("InternalServiceFault", StatusCode::INTERNAL_SERVER_ERROR),
        Failure::TooLarge { .. } => ("RequestEntityTooLargeException", StatusCode::PAYLOAD_TOO_LARGE),
        Failure::Malformed(_) => ("SerializationException", StatusCode::BAD_REQUEST),
        _ => ("InvalidParameterValueException", StatusCode::BAD_REQUEST),
    };
    AwsError::new(name, failure.to_string()).with_status(status)
}

/// What the metrics service called an error when it only spoke XML.
pub fn metrics_code(name: &str) -> &str {
    match name {
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        "InvalidParameterCombinationException" => "InvalidParameterCombination",
        "LimitExceededFault" => "LimitExceeded",
        "InvalidFormatFault" => "InvalidFormat",
        "DashboardNotFoundError" => "ResourceNotFound",
        "DashboardInvalidInputError" => "InvalidParameterInput",
        "InternalServiceFault" => "InternalServiceError",
        "ValidationException" => "ValidationError",
        "ThrottlingException" => "Throttling",
        other => other,
    }
}
