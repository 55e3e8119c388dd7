//! Calls from one service to another: real HTTP over loopback, with `traceparent`.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use opentelemetry_semantic_conventions::attribute;
use serde_json::Value;

use super::AppError;
use super::scope::{Scope, Step};
use super::service::USER_HEADER;
use crate::telemetry::otel::inject;
use crate::telemetry::xray::Kind;

/// One call.
pub struct Call<'a> {
    pub service: &'static str,
    pub address: SocketAddr,
    /// The path as the callee's router has it.
    pub template: &'static str,
    pub path_and_query: &'a str,
    /// When the caller gives up.
    pub timeout: Duration,
    /// What giving up is called.
    pub timeout_error: &'static str,
}

/// Gets JSON from another service.
pub async fn get(scope: &Scope, http: &reqwest::Client, call: Call<'_>) -> Result<Value, AppError> {
    let url = format!("http://{}{}", call.address, call.path_and_query);
    let step = Step {
        name: format!("GET {}", call.template).into(),
        kind: SpanKind::Client,
        attributes: vec![
            KeyValue::new(attribute::HTTP_REQUEST_METHOD, "GET"),
            KeyValue::new(attribute::URL_FULL, url.clone()),
            KeyValue::new(attribute::URL_TEMPLATE, call.template),
            KeyValue::new(attribute::SERVER_ADDRESS, call.address.ip().to_string()),
            KeyValue::new(attribute::SERVER_PORT, i64::from(call.address.port())),
            KeyValue::new(attribute::SERVICE_PEER_NAME, call.service),
        ],
        xray_name: call.service.into(),
        xray_kind: Kind::Remote { method: "GET".to_owned(), url: url.clone() },
    };
    scope.step(step, |scope| send(scope, http, url, call)).await
}

async fn send(scope: Scope, http: &reqwest::Client, url: String, call: Call<'_>) -> Result<Value, AppError> {
    let mut headers = HeaderMap::new();
    inject(&scope.context, &mut headers);
    if let Some(user) = scope.request.user {
        headers.insert(USER_HEADER, HeaderValue::from_static(user.handle));
    }
    let answer = http.get(url).headers(headers).timeout(call.timeout).send().await;
    let response = match answer {
        Ok(response) => response,
        Err(error) if error.is_timeout() => {
            let message = format!("{} did not answer within {} ms", call.service, call.timeout.as_millis());
            return Err(AppError::new(call.timeout_error, StatusCode::GATEWAY_TIMEOUT, message, "client::get"));
        }
        Err(_) => {
            let message = format!("{} cannot be reached", call.service);
            return Err(AppError::new("ServiceUnreachable", StatusCode::BAD_GATEWAY, message, "client::get"));
        }
    };
    let status = response.status();
    scope.set_remote_status(status.as_u16());
    if !status.is_success() {
        let message = format!("{} answered {}", call.service, status.as_u16());
        return Err(AppError::new("ServiceFailed", StatusCode::BAD_GATEWAY, message, "client::get"));
    }
    response.json().await.map_err(|_| {
        let message = format!("{} answered something that is not json", call.service);
        AppError::new("ServiceFailed", StatusCode::BAD_GATEWAY, message, "client::get")
    })
}
