//! What a request of our own API is told when it cannot be answered.

use axum::Json;
use axum::response::{IntoResponse, Response};
use engine::EngineError;
use http::StatusCode;
use metastore::MetastoreError;
use receivers::Failure;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

/// `{"error": {"code", "message", "position"}}`, with a fitting status.
#[derive(Debug, Serialize, ToSchema)]
pub struct Refusal {
    pub error: RefusalBody,
    #[serde(skip)]
    #[schema(ignore)]
    pub status: StatusCode,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct RefusalBody {
    /// For programs: `invalid_query`, `invalid_parameter`, `invalid_body`, `not_found`, `forbidden`, `conflict`, `out_of_memory`, `out_of_time`, `unavailable`, `internal`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Byte offset in the query that is at fault, when one is known.
    pub position: Option<usize>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, error: RefusalBody { code, message: message.into(), position: None } }
    }

    pub fn parameter(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
    }

    /// A body that could not be read.
    pub fn body(failure: &Failure) -> Refusal {
        let status = match failure {
            Failure::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Failure::UnsupportedEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            _ => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, "invalid_body", failure.to_string())
    }

    /// More is asked for than can wait.
    pub fn busy(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, "unavailable", message)
    }

    pub fn missing(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl From<MetastoreError> for Refusal {
    fn from(error: MetastoreError) -> Refusal {
        match error {
            MetastoreError::NotFound { .. } => Refusal::missing(error.to_string()),
            MetastoreError::AlreadyExists { .. } => Refusal::new(StatusCode::CONFLICT, "conflict", error.to_string()),
            MetastoreError::TooMany { .. } | MetastoreError::Permanent { .. } => Refusal::parameter(error.to_string()),
            error => Refusal::from(StoreError::Metastore(error)),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Refusal {
        let message = error.to_string();
        match error {
            EngineError::Invalid { position, .. } => {
                let mut refusal = Refusal::new(StatusCode::BAD_REQUEST, "invalid_query", message);
                refusal.error.position = position;
                refusal
            }
            EngineError::OutOfMemory(_) => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_memory", message),
            EngineError::OutOfTime { .. } => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_time", message),
            EngineError::Store(_) => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message),
            EngineError::Internal(_) => {
                tracing::error!(%message, "a question failed");
                Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

pub async fn not_found(uri: http::Uri) -> Refusal {
    Refusal::missing(format!("no such path: {}; the API is described at /api/openapi.json", uri.path()))
}
