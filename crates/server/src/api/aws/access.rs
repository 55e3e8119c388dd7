//! Who may call AWS's APIs: everybody while no keys are configured, then only those who sign with one.
//!
//! Sampling calls are never signed: SDKs send them bare to the daemon's port. OTLP is open to all; where it is signed, the
//! signature has to be good.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use receivers::CorsPolicy;
use receivers::aws::{AwsError, Dialect};
use receivers::limits::BODY_BYTES_MAX;
use receivers::xray::error as xray_error;

use super::signature::{SignatureError, SignedRequest, is_signed, verify};
use super::xray::OPERATIONS;
use crate::listen::http_ingest::{collect, respond};
use crate::{Services, now_unix_nano};

/// What a call must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Nothing of AWS's, or open to all.
    Open,
    /// A good signature for one of these services.
    Signed(&'static [&'static str]),
}

/// Calls that SDKs send without credentials.
const UNSIGNED: [&str; 2] = ["/GetSamplingRules", "/SamplingTargets"];

const INGEST: [&str; 2] = ["/TraceSegments", "/TelemetryRecords"];

const OTLP: [(&str, &[&str]); 3] = [("/v1/traces", &["xray"]), ("/v1/logs", &["logs"]), ("/v1/metrics", &["monitoring"])];

fn door(method: &Method, path: &str, headers: &HeaderMap) -> Door {
    if method != Method::POST || UNSIGNED.contains(&path) {
        return Door::Open;
    }
    if INGEST.contains(&path) || OPERATIONS.iter().any(|(known, _)| *known == path) {
        return Door::Signed(&["xray"]);
    }
    if path == "/" {
        return Door::Signed(&["logs", "sts", "monitoring"]);
    }
    if path.starts_with(super::METRICS_PATH) {
        return Door::Signed(&["monitoring"]);
    }
    match OTLP.iter().find(|(known, _)| *known == path) {
        Some((_, services)) if is_signed(headers) => Door::Signed(services),
        _ => Door::Open,
    }
}

/// Lets a request pass, or refuses it in AWS's words.
pub async fn check(State(services): State<Services>, request: Request, next: Next) -> Response {
    if services.settings.aws_keys.is_empty() {
        return next.run(request).await;
    }
    let Door::Signed(names) = door(request.method(), request.uri().path(), request.headers()) else {
        return next.run(request).await;
    };
    let (parts, body) = request.into_parts();
    // The signature is over the bytes as they were sent, so they are read here and handed on.
    let mut held = services.ingest.hold();
    let body = match collect(&mut held, body, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(failure) => {
            let reply = xray_error(&failure).to_reply(Dialect::RestJson, &uuid::Uuid::new_v4().to_string());
            return respond(reply, CorsPolicy::None, &parts.headers);
        }
    };
    drop(held);
    let signed = SignedRequest {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    match verify(signed, &services.settings.aws_keys, names, now_unix_nano() / 1_000_000_000) {
        Ok(()) => next.run(Request::from_parts(parts, Body::from(body))).await,
        Err(error) => refused(error, names, &parts.headers),
    }
}

fn refused(error: SignatureError, services: &[&str], headers: &HeaderMap) -> Response {
    tracing::debug!(name = error.name, message = %error.message, "a signature was refused");
    let dialect = if services.contains(&"xray") { Dialect::RestJson } else { Dialect::Json11 };
    let status = match error.name {
        "IncompleteSignatureException" => StatusCode::BAD_REQUEST,
        _ => StatusCode::FORBIDDEN,
    };
    let error = AwsError::new(error.name, error.message).with_status(status);
    respond(error.to_reply(dialect, &uuid::Uuid::new_v4().to_string()), CorsPolicy::None, headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_paths_are_signed_and_others_are_open() {
        let mut signed = HeaderMap::new();
        signed.insert("authorization", "AWS4-HMAC-SHA256 Credential=a".parse().unwrap());
        let none = HeaderMap::new();
        for path in ["/TraceSegments", "/TelemetryRecords", "/Traces", "/Groups"] {
            assert_eq!(door(&Method::POST, path, &none), Door::Signed(&["xray"]), "{path}");
        }
        assert_eq!(door(&Method::POST, "/", &none), Door::Signed(&["logs", "sts", "monitoring"]));
        for path in ["/GetSamplingRules", "/SamplingTargets", "/api/sql", "/v1/traces", "/api/1/item/", "/1/batch/d"] {
            assert_eq!(door(&Method::POST, path, &none), Door::Open, "{path}");
        }
        assert_eq!(door(&Method::POST, "/v1/traces", &signed), Door::Signed(&["xray"]));
        assert_eq!(door(&Method::GET, "/", &signed), Door::Open);
    }
}
