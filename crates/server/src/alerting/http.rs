//! A delivery over HTTP or HTTPS: one POST, and what the answer means.
//!
//! Missing: proxies; redirects are not followed, since what is meant for one address should not go to another

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::delivery::Payload;
use super::outbox::Outcome;
use crate::limits::{DELIVERY_ANSWER_BYTES_MAX, DELIVERY_CONNECT_TIME_MAX, DELIVERY_TIME_MAX, UPLOAD_TIME_MAX};

/// A client with its open connections.
pub struct HttpSender(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// How long an idle connection is kept for the next delivery.
const IDLE_TIME_MAX: Duration = Duration::from_secs(30);

impl HttpSender {
    /// With TLS the authorities that the machine trusts.
    pub fn new(tls: rustls::ClientConfig) -> HttpSender {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(DELIVERY_CONNECT_TIME_MAX));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        HttpSender(Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_TIME_MAX).build(connector))
    }

    /// Sends once and says what came of it.
    pub async fn send(&self, id: u64, url: &str, headers: &BTreeMap<String, String>, payload: &Payload) -> Outcome {
        let request = match request(id, url, headers, payload) {
            Ok(request) => request,
            Err(why) => return Outcome::Never(why),
        };
        match tokio::time::timeout(DELIVERY_TIME_MAX, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Later(format!("no answer within {} s", DELIVERY_TIME_MAX.as_secs())),
        }
    }

    /// Sends a request of any kind once; status and body of the answer.
    pub async fn exchange_once(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, String), String> {
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| with_causes(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), DELIVERY_ANSWER_BYTES_MAX).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        match tokio::time::timeout(UPLOAD_TIME_MAX, exchange).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {} s", UPLOAD_TIME_MAX.as_secs())),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Outcome {
        let answer = match self.0.request(request).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Later(with_causes(&error)),
        };
        let status = answer.status();
        let body = Limited::new(answer.into_body(), DELIVERY_ANSWER_BYTES_MAX).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        outcome(status, &String::from_utf8_lossy(&body))
    }
}

fn request(id: u64, url: &str, headers: &BTreeMap<String, String>, payload: &Payload) -> Result<Request<Full<Bytes>>, String> {
    let uri: Uri = url.parse().map_err(|error| format!("cannot send to this address: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err("cannot send to this address: expected http:// or https:// and a host".to_owned());
    }
    let (body, mut out) = body_and_headers(payload)?;
    out.insert(USER_AGENT, HeaderValue::from_static("Cupola"));
    // A delivery that was interrupted is sent again under the same number.
    out.insert("x-cupola-delivery", HeaderValue::from(id));
    if let Some(basic) = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')) {
        let value = format!("Basic {}", STANDARD.encode(basic.0));
        out.insert(http::header::AUTHORIZATION, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
    }
    for (name, value) in headers {
        let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is no name of a header"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of header {name} cannot be sent"))?;
        out.insert(name, value);
    }
    let mut request = Request::new(Full::new(body));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::POST, uri, out);
    Ok(request)
}

fn body_and_headers(payload: &Payload) -> Result<(Bytes, HeaderMap), String> {
    let mut headers = HeaderMap::new();
    let json_type = HeaderValue::from_static("application/json");
    let body = match payload {
        Payload::Json { body } => {
            headers.insert(CONTENT_TYPE, json_type);
            body.to_string().into_bytes()
        }
        Payload::Mail { subject, text } => {
            headers.insert(CONTENT_TYPE, json_type);
            json!({ "subject": subject, "text": text }).to_string().into_bytes()
        }
        Payload::Bytes { content_type, content_encoding, body } => {
            let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
            headers.insert(CONTENT_TYPE, value(content_type)?);
            if let Some(encoding) = content_encoding {
                headers.insert(CONTENT_ENCODING, value(encoding)?);
            }
            STANDARD.decode(body).map_err(|error| error.to_string())?
        }
    };
    Ok((body.into(), headers))
}

/// 2xx is taken. What the other side says about itself may be different later; what it says about us will not be.
fn outcome(status: StatusCode, body: &str) -> Outcome {
    let words = match body.trim() {
        "" => status.to_string(),
        body => format!("{status}: {body}"),
    };
    match status.as_u16() {
        200..=299 => Outcome::Delivered(words),
        408 | 425 | 429 | 500..=599 => Outcome::Later(words),
        _ => Outcome::Never(words),
    }
}

/// An error with what caused it, which is the part that helps.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = next.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_sent_to_are_known_at_once() {
        let payload = Payload::json(json!({}));
        let none = BTreeMap::new();
        for url in ["", "hooks.test/x", "ftp://hooks.test/x", "http://", "/path"] {
            assert!(request(1, url, &none, &payload).is_err(), "{url}");
        }
        let request = request(7, "http://ann:secret@hooks.test/x", &none, &payload).unwrap();
        assert_eq!(request.headers()["authorization"], "Basic YW5uOnNlY3JldA==");
        assert_eq!(request.headers()["x-cupola-delivery"], "7");
    }

    #[test]
    fn answers_say_whether_to_try_again() {
        for (status, expected) in [(204, "delivered"), (301, "never"), (404, "never"), (429, "later"), (503, "later")] {
            let outcome = outcome(StatusCode::from_u16(status).unwrap(), "");
            assert_eq!(outcome.name(), expected, "{status}");
        }
    }
}
