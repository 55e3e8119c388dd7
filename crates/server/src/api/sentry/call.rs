//! A call of Sentry's web API: its token and body, and the form of its answers.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::Services;
use crate::ingest::Held;
use crate::limits::{SENTRY_CHUNK_BYTES_MAX, SENTRY_CHUNKS_AT_ONCE};
use crate::listen::http_ingest::read_held_body;

/// Of the parts of a form that are not chunks.
const HEADS_BYTES_MAX: usize = 64 * 1024;

/// What a handler is given. Who calls without a token never gets that far.
pub struct Call {
    pub services: Services,
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The room that the body takes.
    pub held: Held,
}

pub type Told = Result<Response, Wrong>;

pub(super) fn told(answer: &impl Serialize) -> Told {
    Ok(Json(answer).into_response())
}

/// `{"detail": …}`.
#[derive(Debug)]
pub struct Wrong {
    status: StatusCode,
    message: String,
}

impl Wrong {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Wrong {
        Wrong { status, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Wrong {
        Wrong::new(StatusCode::BAD_REQUEST, message)
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "detail": self.message }))).into_response()
    }
}

impl From<receivers::Failure> for Wrong {
    fn from(failure: receivers::Failure) -> Wrong {
        let status = match failure {
            receivers::Failure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            receivers::Failure::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Wrong::new(status, failure.to_string())
    }
}

impl FromRequest<Services> for Call {
    type Rejection = Wrong;

    async fn from_request(request: Request, services: &Services) -> Result<Call, Wrong> {
        let (parts, body) = request.into_parts();
        let token = parts.headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().trim_ascii());
        if token.is_none_or(<[u8]>::is_empty) {
            return Err(Wrong::new(StatusCode::UNAUTHORIZED, "Authentication credentials were not provided."));
        }
        let mut held = services.ingest.hold();
        let bytes_max = SENTRY_CHUNKS_AT_ONCE * SENTRY_CHUNK_BYTES_MAX + HEADS_BYTES_MAX;
        let body = read_held_body(&mut held, &parts.headers, body, bytes_max).await?;
        let path = parts.uri.path().to_owned();
        Ok(Call { services: services.clone(), method: parts.method, path, headers: parts.headers, body, held })
    }
}

impl Call {
    /// The body as JSON of a shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        serde_json::from_slice(&self.body).map_err(|error| Wrong::invalid(format!("cannot read the body: {error}")))
    }
}
