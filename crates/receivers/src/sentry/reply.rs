//! What Sentry's SDKs expect back: the event's id, or why not and when to come again.

use http::StatusCode;
use serde_json::json;

use crate::receiver::{Failure, Reply};

pub fn kept(event_id: Option<&str>) -> Reply {
    let body = event_id.map_or_else(|| json!({}), |id| json!({ "id": id }));
    Reply::new(StatusCode::OK, "application/json", body.to_string())
}

/// SDKs look at the status and the two headers; people read the rest.
pub fn refused(failure: &Failure) -> Reply {
    let status = match failure {
        Failure::Malformed(_) | Failure::Invalid(_) | Failure::UnsupportedEncoding(_) => StatusCode::BAD_REQUEST,
        Failure::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Failure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Failure::Unauthenticated => StatusCode::UNAUTHORIZED,
        Failure::Forbidden => StatusCode::FORBIDDEN,
        Failure::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match failure {
        Failure::Unauthenticated => "missing authorization information: expected sentry_key".to_owned(),
        other => other.to_string(),
    };
    let reply = Reply::new(status, "application/json", json!({ "detail": text, "causes": [text] }).to_string());
    let reply = reply.with_header("x-sentry-error", &text);
    match failure {
        Failure::Busy { retry_after_seconds } => reply
            .with_header("retry-after", &retry_after_seconds.to_string())
            // All categories, of the whole organization.
            .with_header("x-sentry-rate-limits", &format!("{retry_after_seconds}::organization")),
        _ => reply,
    }
}
