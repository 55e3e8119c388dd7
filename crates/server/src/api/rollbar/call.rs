//! A call of Rollbar's API: its token, parameters and body, and the envelope of its answer.

use axum::Json;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use engine::EngineError;
use http::{HeaderMap, Method, StatusCode, header};
use metastore::MetastoreError;
use serde::Serialize;
use serde_json::{Value, json};

use super::rate_limits::Admission;
use crate::api::refusal::Refusal;
use crate::ingest::{ItemsError, items_up_to_date};
use crate::limits::API_BODY_BYTES_MAX;
use crate::listen::http_ingest::read_body;
use crate::{Services, now_unix_nano};

pub(super) const TOKEN_HEADER: &str = "x-rollbar-access-token";

/// What a handler is given. Who calls without a token never gets that far.
pub struct Call {
    pub services: Services,
    pub method: Method,
    pub path: String,
    params: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

pub type Told = Result<Response, Wrong>;

/// `{"err": 0, "result": …}`.
pub(super) fn told(result: &impl Serialize) -> Told {
    #[derive(Serialize)]
    struct Envelope<'a, T> {
        err: u8,
        result: &'a T,
    }
    Ok(Json(Envelope { err: 0, result }).into_response())
}

/// `{"err": 1, "message": …}`.
#[derive(Debug)]
pub struct Wrong {
    status: StatusCode,
    message: String,
    /// Of a token that called too often.
    limit: Option<Admission>,
}

impl Wrong {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Wrong {
        Wrong { status, message: message.into(), limit: None }
    }

    fn too_often(limit: Admission) -> Wrong {
        let message =
            format!("Rate limit of this access token is reached: {} seconds are left of its window", limit.seconds_left);
        Wrong { limit: Some(limit), ..Wrong::new(StatusCode::TOO_MANY_REQUESTS, message) }
    }

    pub fn with_status(self, status: StatusCode) -> Wrong {
        Wrong { status, ..self }
    }

    /// The words can be read, and mean nothing.
    pub fn invalid(message: impl Into<String>) -> Wrong {
        Wrong::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    pub fn missing(what: &str) -> Wrong {
        Wrong::new(StatusCode::NOT_FOUND, format!("{what} not found"))
    }
}

impl IntoResponse for Wrong {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "err": 1, "message": self.message }))).into_response();
        if let Some(limit) = self.limit {
            limit.stamp(response.headers_mut());
        }
        response
    }
}

impl From<MetastoreError> for Wrong {
    fn from(error: MetastoreError) -> Wrong {
        match error {
            MetastoreError::NotFound { what: "item", .. } => Wrong::missing("Item"),
            other => Refusal::from(other).into(),
        }
    }
}

impl From<EngineError> for Wrong {
    fn from(error: EngineError) -> Wrong {
        Refusal::from(error).into()
    }
}

impl From<ItemsError> for Wrong {
    fn from(error: ItemsError) -> Wrong {
        match error {
            ItemsError::Metastore(error) => error.into(),
            ItemsError::Engine(error) => error.into(),
        }
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Wrong {
        Wrong::new(refusal.status, refusal.error.message)
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Refusal {
        let code = if wrong.status == StatusCode::NOT_FOUND { "not_found" } else { "invalid_parameter" };
        Refusal::new(wrong.status, code, wrong.message)
    }
}

impl FromRequest<Services> for Call {
    type Rejection = Wrong;

    async fn from_request(request: Request, services: &Services) -> Result<Call, Wrong> {
        let (parts, body) = request.into_parts();
        let body = read_body(&parts.headers, body, API_BODY_BYTES_MAX)
            .await
            .map_err(|failure| Wrong::new(StatusCode::BAD_REQUEST, failure.to_string()))?;
        let call = Call {
            services: services.clone(),
            method: parts.method,
            path: parts.uri.path().to_owned(),
            params: receivers::rollbar::form_fields(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: parts.headers,
            body,
        };
        let token = call.token()?;
        let limit = token.and_then(|token| services.rate_limits.admit_token(token.as_bytes(), now_unix_nano()));
        match limit.filter(|limit| limit.is_refused()) {
            Some(limit) => Err(Wrong::too_often(limit)),
            None => Ok(call),
        }
    }
}

impl Call {
    /// The project's name in the store.
    pub fn project(&self) -> &str {
        &self.services.settings.project
    }

    /// Writes what is pending, so that an answer knows what was taken in before the question; unless there is much of it.
    pub async fn up_to_date(&self) -> Result<(), Wrong> {
        items_up_to_date(&self.services).await?;
        Ok(())
    }

    /// The last value of a parameter that is not empty.
    pub fn param(&self, name: &str) -> Option<&str> {
        let values = self.params.iter().rev().filter(|(key, _)| key == name);
        values.map(|(_, value)| value.as_str()).find(|value| !value.is_empty())
    }

    /// All values of a parameter: repeated, with or without brackets, or with commas between them.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let values = self.params.iter().filter(|(key, _)| key.strip_suffix("[]").unwrap_or(key) == name);
        values.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Wrong> {
        self.param(name).map(|text| number(name, text)).transpose()
    }

    /// The page, counted from one.
    pub fn page(&self) -> Result<u64, Wrong> {
        match self.number("page")? {
            None => Ok(1),
            Some(page) if page >= 1 => Ok(page.unsigned_abs()),
            Some(page) => Err(Wrong::invalid(format!("cannot read page from {page}: expected 1 or more"))),
        }
    }

    /// How many on a page.
    pub fn limit(&self, default: u64, max: u64) -> Result<u64, Wrong> {
        match self.number("limit")? {
            None => Ok(default),
            Some(limit) if limit >= 1 => Ok(limit.unsigned_abs().min(max)),
            Some(limit) => Err(Wrong::invalid(format!("cannot read limit from {limit}: expected 1 to {max}"))),
        }
    }

    /// The members of the body: of a JSON object, or of a form.
    pub fn members(&self) -> Result<serde_json::Map<String, Value>, Wrong> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(serde_json::Map::new());
        }
        if self.body.trim_ascii_start().starts_with(b"{") {
            return match serde_json::from_slice(&self.body) {
                Ok(Value::Object(members)) => Ok(members),
                Ok(_) => Err(Wrong::new(StatusCode::BAD_REQUEST, "expected a JSON object")),
                Err(error) => Err(Wrong::new(StatusCode::BAD_REQUEST, format!("cannot read the body as JSON: {error}"))),
            };
        }
        if self.content_type().starts_with("application/json") {
            return Err(Wrong::new(StatusCode::BAD_REQUEST, "cannot read the body as a JSON object"));
        }
        let fields = receivers::rollbar::form_fields(&self.body);
        Ok(fields.into_iter().map(|(key, value)| (key, Value::String(value))).collect())
    }

    /// The objects of a body that is a list of them, or one alone.
    pub fn list_of_objects(&self) -> Result<Vec<Value>, Wrong> {
        if !self.body.trim_ascii_start().starts_with(b"[") {
            return Ok(vec![Value::Object(self.members()?)]);
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Wrong::new(StatusCode::BAD_REQUEST, format!("cannot read the body as JSON: {error}")))
    }

    /// Refuses what a page of another origin could send unasked: whatever changes something says so in a header that a
    /// browser lets others write only after asking us, and we do not agree.
    pub fn is_meant(&self) -> Result<(), Wrong> {
        if self.headers.contains_key(TOKEN_HEADER) {
            return Ok(());
        }
        Ok(crate::api::params::not_from_another_page(&self.headers)?)
    }

    /// By which name the caller knows the server.
    pub fn host(&self) -> Option<&str> {
        self.headers.get(header::HOST).and_then(|value| value.to_str().ok())
    }

    fn content_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Who calls; nobody has to say so to learn whether we are there.
    fn token(&self) -> Result<Option<String>, Wrong> {
        let in_header = self.headers.get(TOKEN_HEADER).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        let in_body = || Some(self.members().ok()?.remove("access_token")?.as_str()?.to_owned());
        let told = in_header.filter(|token| !token.is_empty()).or_else(|| self.param("access_token").map(str::to_owned));
        let token = told.or_else(in_body).filter(|token| !token.is_empty());
        if token.is_none() && !self.path.starts_with("/api/1/status/") {
            let message = "Missing access token: expected the header X-Rollbar-Access-Token or the parameter access_token";
            return Err(Wrong::new(StatusCode::UNAUTHORIZED, message));
        }
        Ok(token)
    }
}

/// A whole number in words of the caller.
pub(super) fn number(name: &str, text: &str) -> Result<i64, Wrong> {
    text.trim().parse().map_err(|_| Wrong::invalid(format!("cannot read {name} from {text:?}: expected a whole number")))
}

/// A number in a path: what is none is not found.
pub(super) fn id(what: &str, text: &str) -> Result<i64, Wrong> {
    text.parse().map_err(|_| Wrong::missing(what))
}

/// Nanoseconds as whole seconds.
pub(super) fn seconds(unix_nano: i64) -> i64 {
    unix_nano.div_euclid(1_000_000_000)
}
