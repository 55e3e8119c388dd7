//! What a call to Honeycomb's API is told when it cannot be answered: RFC 7807 with `error` beside it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use engine::EngineError;
use engine::ask::honeycomb::HoneycombError;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use languages::honeycomb::SpecificationError;
use metastore::MetastoreError;
use serde_json::{Value, json};

/// A refusal; what clients compare is the end of `type`.
#[derive(Clone, Debug)]
pub struct Failure {
    pub status: StatusCode,
    /// The last part of `type`, and its title; nothing for the plain `{"error": …}`.
    problem: Option<(&'static str, &'static str)>,
    message: String,
    details: Vec<Value>,
}

pub type Answer<T> = Result<T, Failure>;

impl Failure {
    fn problem(status: StatusCode, slug: &'static str, title: &'static str, message: impl Into<String>) -> Failure {
        Failure { status, problem: Some((slug, title)), message: message.into(), details: Vec::new() }
    }

    pub fn plain(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { status, problem: None, message: message.into(), details: Vec::new() }
    }

    pub fn unparseable(message: impl Into<String>) -> Failure {
        Failure::problem(StatusCode::BAD_REQUEST, "unparseable", "The request body could not be parsed.", message)
    }

    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::problem(StatusCode::NOT_FOUND, "not-found", "The requested resource cannot be found.", message)
    }

    pub fn conflict(message: impl Into<String>) -> Failure {
        let title = "Request could not be completed due to a conflict with the current state of the target resource.";
        Failure::problem(StatusCode::CONFLICT, "conflict", title, message)
    }

    pub fn too_large(bytes_max: usize) -> Failure {
        let message = format!("Body size is larger than maximum size of {bytes_max} bytes");
        Failure::problem(StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large", "Request body is too large.", message)
    }

    /// One member that is wrong; `code` is `invalid`, `missing`, `incorrect_type` or `already_exists`.
    pub fn invalid(field: &str, code: &str, description: impl Into<String>) -> Failure {
        let title = "The provided input is invalid.";
        let mut failure = Failure::problem(StatusCode::UNPROCESSABLE_ENTITY, "validation-failed", title, title);
        failure.details.push(json!({ "field": field, "code": code, "description": description.into() }));
        failure
    }

    /// What is wrong with an input, as the routes tell it that know only `{"error": …}`.
    pub fn plainly(self, status: StatusCode) -> Failure {
        match self.status {
            StatusCode::UNPROCESSABLE_ENTITY => Failure::plain(status, self.message()),
            _ => self,
        }
    }

    /// The member that is wrong, and the code of what is wrong with it.
    pub fn wrong_member(&self) -> Option<(&str, &str)> {
        let detail = self.details.first()?;
        Some((detail["field"].as_str()?, detail["code"].as_str()?))
    }

    /// For people.
    pub fn message(&self) -> &str {
        let detail = self.details.first().and_then(|detail| detail["description"].as_str());
        detail.unwrap_or(&self.message)
    }

    /// The answer, with the address that the client knows us by.
    pub fn respond(&self, request: &HeaderMap) -> Response {
        let Some((slug, title)) = self.problem else {
            return (self.status, Json(json!({ "error": self.message }))).into_response();
        };
        let mut body = json!({
            "status": self.status.as_u16(),
            "type": format!("{}/problems/{slug}", base(request)),
            "title": title,
            "error": self.message,
            "detail": self.message,
        });
        if !self.details.is_empty() {
            body["type_detail"] = self.details.clone().into();
        }
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// The address that the client called, without a path.
pub fn base(request: &HeaderMap) -> String {
    let text = |name: &str| request.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").unwrap_or("http");
    format!("{scheme}://{}", text("host").unwrap_or("localhost"))
}

/// The request's headers are known one layer further out, which words the answer.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<SpecificationError> for Failure {
    fn from(error: SpecificationError) -> Failure {
        Failure::invalid(&error.path, error.code.as_str(), error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        match error {
            EngineError::Invalid { message, .. } => Failure::plain(StatusCode::BAD_REQUEST, message),
            EngineError::OutOfMemory(_) | EngineError::OutOfTime { .. } => {
                Failure::plain(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
            }
            error => unavailable(error),
        }
    }
}

impl From<HoneycombError> for Failure {
    fn from(error: HoneycombError) -> Failure {
        match error {
            HoneycombError::Specification(error) => error.into(),
            HoneycombError::Engine(error) => error.into(),
        }
    }
}

impl From<MetastoreError> for Failure {
    fn from(error: MetastoreError) -> Failure {
        match error {
            MetastoreError::NotFound { .. } => Failure::not_found("not found"),
            error => unavailable(error),
        }
    }
}

/// What went wrong was ours. Clients try again, the log is told what. Not a 500: clients would hang over their retries.
fn unavailable(error: impl std::fmt::Display) -> Failure {
    tracing::warn!(%error, "a call to Honeycomb's API could not be answered");
    Failure::plain(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}
