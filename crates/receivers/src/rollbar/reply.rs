//! What Rollbar's notifiers expect back: `{"err":0,"result":…}`, `{"err":1,"message":…}` and the rate headers.

use http::StatusCode;
use serde_json::{Value, json};

use crate::receiver::{Failure, Reply};

/// What the rate headers say. There is no rate limit; notifiers pause when none are left, so there always are.
const CALLS_PER_MINUTE: &str = "5000";

/// 200 with the occurrence's uuid. Rollbar's `id` is given later, so it is null there as well.
pub fn item_kept(uuid: Option<&str>) -> Reply {
    // Told no, rollbar.js does not upload recordings of the page.
    answer(StatusCode::OK, &json!({"err": 0, "result": {"id": null, "uuid": uuid}}))
        .with_header("rollbar-replay-enabled", "false")
}

pub fn session_kept() -> Reply {
    answer(StatusCode::OK, &json!({"err": 0, "result": {}})).with_header("rollbar-replay-enabled", "false")
}

pub fn deploy_kept(deploy_id: i64) -> Reply {
    answer(StatusCode::OK, &json!({"err": 0, "data": {"deploy_id": deploy_id}, "result": {"deploy_id": deploy_id}}))
}

/// The status a notifier knows for a failure: it logs 400 to 422, sends a short item after 413, and waits after 429.
pub fn refused(failure: &Failure) -> Reply {
    let (status, message) = match failure {
        Failure::Malformed(reason) => {
            (StatusCode::BAD_REQUEST, format!("No JSON payload was found, or it could not be decoded: {reason}"))
        }
        Failure::UnsupportedMediaType(_) | Failure::UnsupportedEncoding(_) => (StatusCode::BAD_REQUEST, failure.to_string()),
        Failure::Unauthenticated => (StatusCode::UNAUTHORIZED, "No access token was found in the request".to_owned()),
        Failure::Forbidden => {
            (StatusCode::FORBIDDEN, "access token is not valid here, or lacks the scope for this call".to_owned())
        }
        Failure::TooLarge { bytes_max } => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("Request entity too large: the max payload size is {bytes_max} bytes"))
        }
        Failure::Invalid(reason) => (StatusCode::UNPROCESSABLE_ENTITY, reason.clone()),
        Failure::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, failure.to_string()),
        Failure::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, failure.to_string()),
    };
    let answer = answer(status, &json!({"err": 1, "message": message}));
    match failure {
        Failure::Busy { retry_after_seconds } => {
            let seconds = retry_after_seconds.to_string();
            answer
                .with_header("x-rate-limit-remaining", "0")
                .with_header("x-rate-limit-remaining-seconds", &seconds)
                .with_header("retry-after", &seconds)
        }
        _ => answer,
    }
}

fn answer(status: StatusCode, body: &Value) -> Reply {
    Reply::new(status, "application/json; charset=utf-8", body.to_string())
        .with_header("x-rate-limit-limit", CALLS_PER_MINUTE)
        .with_header("x-rate-limit-remaining", CALLS_PER_MINUTE)
        .with_header("x-rate-limit-remaining-seconds", "60")
}
