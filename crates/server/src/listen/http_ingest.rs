//! HTTP doors of receivers: one generic handler, from socket to reply.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on, options};
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use model::TraceContext;
use receivers::{
    BodyError, ContentEncoding, CorsPolicy, Door, Failure, Headers, Incoming, IngestMethod, Receiver, Reply, Route, decompress,
};

use crate::api::aws;
use crate::api::rollbar::Admission;
use crate::ingest::{BodyBytes, Held};
use crate::{Peer, Services, now_unix_nano};

/// The HTTP doors of all receivers, or of one.
pub fn router(services: Services, only: Option<&str>) -> Router {
    let mut router = Router::new();
    for receiver in receivers::all().iter().copied().filter(|receiver| only.is_none_or(|name| name == receiver.name())) {
        for door in receiver.doors() {
            if let Door::Http(route) = door {
                router = router.route(route.path, door_of(services.clone(), receiver, *route));
            }
        }
    }
    router
}

fn door_of(services: Services, receiver: &'static dyn Receiver, route: Route) -> MethodRouter {
    let method = match route.method {
        IngestMethod::Post => MethodFilter::POST,
        IngestMethod::Put => MethodFilter::PUT,
    };
    let handler = on(method, move |params: RawPathParams, request: Request| {
        let services = services.clone();
        async move { take(&services, receiver, route, &params, request).await }
    });
    match route.cors {
        CorsPolicy::None => handler,
        CorsPolicy::Any { .. } => handler.merge(options(preflight)),
    }
}

async fn take(
    services: &Services,
    receiver: &'static dyn Receiver,
    route: Route,
    params: &RawPathParams,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let rest = params.iter().find(|(name, _)| *name == "rest").map(|(_, value)| value.to_owned()).unwrap_or_default();
    let mut headers = kept_headers(&parts.headers, receiver);
    headers.extend(own_headers(services, &parts, receiver));
    let mut incoming = Incoming {
        endpoint: route.endpoint,
        rest: &rest,
        headers: Headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
        remote_addr: parts.extensions.get::<Peer>().map(|peer| peer.ip()),
        received_at_unix_nano: now_unix_nano(),
        trace_context: trace_context(&parts.headers),
        body: b"",
    };
    let mut held = services.ingest.hold();
    let read = read_held_body(&mut held, &parts.headers, body, route.body_bytes_max).await;
    let body = read.as_deref().unwrap_or_default();
    let admission = services.rate_limits.admit(receiver.name(), &parts.headers, body, incoming.received_at_unix_nano);
    let mut reply = match read {
        Ok(_) if admission.is_some_and(Admission::is_refused) => {
            let retry_after_seconds = admission.map_or(1, |admission| admission.seconds_left);
            services.ingest.fail(receiver, &incoming, &Failure::Busy { retry_after_seconds })
        }
        Ok(body) => {
            incoming.body = &body;
            aws::take(services, receiver, &incoming, &body).await
        }
        Err(failure) => services.ingest.fail(receiver, &incoming, &failure),
    };
    if let Some(admission) = admission {
        admission.stamp(&mut reply.headers);
    }
    respond(reply, route.cors, &parts.headers)
}

/// The body of a question to an API, which is small: in the clear, within a cap both before and after decompression.
pub async fn read_body(headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    read_held_body(&mut BodyBytes::new(bytes_max).hold(), headers, body, bytes_max).await
}

/// The body of telemetry, which takes its room while it arrives.
pub async fn read_held_body(held: &mut Held, headers: &HeaderMap, body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    let encoding = content_encoding(headers, &header::CONTENT_ENCODING)?;
    let sent = collect(held, body, bytes_max).await?;
    if encoding == ContentEncoding::Identity { Ok(sent) } else { in_the_clear(held, encoding, &sent, bytes_max) }
}

/// How a header says that the body is compressed.
pub fn content_encoding(headers: &HeaderMap, name: &HeaderName) -> Result<ContentEncoding, Failure> {
    let Some(named) = headers.get(name) else { return Ok(ContentEncoding::Identity) };
    let named = String::from_utf8_lossy(named.as_bytes());
    ContentEncoding::parse(&named).ok_or_else(|| Failure::UnsupportedEncoding(named.into_owned()))
}

/// A compressed body in the clear.
pub fn in_the_clear(held: &mut Held, encoding: ContentEncoding, sent: &[u8], bytes_max: usize) -> Result<Bytes, Failure> {
    let clear = decompress(encoding, sent, bytes_max).map_err(|error| match error {
        BodyError::TooLarge { bytes_max } => Failure::TooLarge { bytes_max },
        corrupt @ BodyError::Corrupt { .. } => Failure::Malformed(corrupt.to_string()),
    })?;
    held.grow(clear.len())?;
    Ok(clear.into())
}

/// The bytes of a body as they were sent.
///
/// One that finds no room is read to its end all the same, and thrown away: a client that is cut off while it sends hears a
/// broken connection instead of the answer.
pub async fn collect(held: &mut Held, mut body: Body, bytes_max: usize) -> Result<Bytes, Failure> {
    let (mut frames, mut bytes, mut room) = (Vec::<Bytes>::new(), 0, Ok(()));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Malformed(format!("cannot read the body: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        if bytes > bytes_max {
            return Err(Failure::TooLarge { bytes_max });
        }
        if room.is_ok() {
            room = held.grow(data.len());
            frames.push(data);
        }
        if room.is_err() {
            frames = Vec::new();
            held.let_go();
        }
    }
    room?;
    if frames.len() == 1 {
        return Ok(frames.swap_remove(0));
    }
    let mut whole = BytesMut::with_capacity(bytes);
    frames.iter().for_each(|frame| whole.extend_from_slice(frame));
    Ok(whole.freeze())
}

/// Header names whose values are credentials: the log on disk learns only that they were there.
const CREDENTIALS: [&str; 5] =
    ["authorization", "x-amz-firehose-access-key", "x-honeycomb-team", "x-hny-team", "x-rollbar-access-token"];

pub fn kept_headers(headers: &HeaderMap, receiver: &'static dyn Receiver) -> Vec<(String, String)> {
    let names = std::iter::once(&"content-type").chain(receiver.headers());
    names
        .filter(|name| !name.starts_with("x-cupola-"))
        .filter_map(|name| {
            let value = headers.get(*name)?;
            let shown = if CREDENTIALS.contains(name) && !value.is_empty() {
                "present".to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            Some(((*name).to_owned(), shown))
        })
        .collect()
}

/// What only the server knows of an AWS call, for receivers that tell rows apart by it. A client's own are never kept.
fn own_headers(services: &Services, parts: &Parts, receiver: &'static dyn Receiver) -> Vec<(String, String)> {
    let region = || crate::api::aws::region(&parts.headers).unwrap_or_else(|| services.settings.region.clone());
    let names = receiver.headers().iter();
    names
        .filter_map(|name| match *name {
            "x-cupola-region" => Some(("x-cupola-region".to_owned(), region())),
            "x-cupola-sentry-key" if has_sentry_key(parts) => Some(("x-cupola-sentry-key".to_owned(), "present".to_owned())),
            "x-cupola-account" => Some(("x-cupola-account".to_owned(), services.settings.account_id.clone())),
            _ => None,
        })
        .collect()
}

/// Whether a Sentry client names a key: in one of two headers, or in the query where a browser would have to ask first.
fn has_sentry_key(parts: &Parts) -> bool {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named = |text: &str| text.trim_start().starts_with("Sentry ") && text.contains("sentry_key=");
    named(text("x-sentry-auth"))
        || named(text("authorization"))
        || parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("sentry_key=")))
}

/// The trace that the delivering request itself belongs to.
pub fn trace_context(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("traceparent")
        .and_then(TraceContext::from_traceparent)
        .or_else(|| text("x-amzn-trace-id").and_then(TraceContext::from_xray_header))
}

pub fn respond(reply: Reply, cors: CorsPolicy, request: &HeaderMap) -> Response {
    let mut response = (reply.status, reply.headers, reply.body).into_response();
    if !response.headers().contains_key(header::CONTENT_TYPE) {
        response.headers_mut().remove(header::CONTENT_TYPE);
    }
    if let CorsPolicy::Any { expose } = cors
        && request.contains_key(header::ORIGIN)
    {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if !expose.is_empty() {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(expose));
        }
    }
    response
}

/// Answers a browser's question before it sends: any origin, and whichever headers it asked for.
async fn preflight(headers: HeaderMap) -> Response {
    const COPIED: (HeaderName, HeaderName) = (header::ACCESS_CONTROL_REQUEST_HEADERS, header::ACCESS_CONTROL_ALLOW_HEADERS);
    let mut response = StatusCode::NO_CONTENT.into_response();
    let out = response.headers_mut();
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, PUT, OPTIONS"));
    out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    if let Some(asked) = headers.get(COPIED.0) {
        out.insert(COPIED.1, asked.clone());
    }
    response
}
