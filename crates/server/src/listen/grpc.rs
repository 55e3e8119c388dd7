//! gRPC doors of receivers: unary calls whose messages stay bytes and are walked like any body.
//!
//! A call is one HTTP/2 request with one framed message; its answer is one framed message and trailers. That little is done
//! here, so that a message is counted while it arrives and never copied on its way to the log.
//!
//! Spec: github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, doc/compression.md

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Full};
use receivers::{ContentEncoding, Door, Failure, Headers, Incoming, Receiver, Reply, limits::BODY_BYTES_MAX};
use tonic::{Code, Status};

use super::http_ingest::{collect, content_encoding, in_the_clear, kept_headers, trace_context};
use crate::api::aws;
use crate::ingest::Held;
use crate::{Peer, Services, now_unix_nano};

/// Flag and length in front of a message.
const PREFIX_BYTES: usize = 5;

const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The gRPC doors of all receivers.
pub fn router(services: Services) -> Router {
    let mut router = Router::new();
    for receiver in receivers::all().iter().copied() {
        for door in receiver.doors() {
            let Door::Grpc { method, endpoint } = *door else { continue };
            let services = services.clone();
            let handler = move |request: Request| {
                let services = services.clone();
                async move { take(&services, receiver, endpoint, request).await }
            };
            router = router.route(method, post(handler));
        }
    }
    router
}

async fn take(services: &Services, receiver: &'static dyn Receiver, endpoint: &'static str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_grpc(&parts.headers) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let kept = kept_headers(&parts.headers, receiver);
    let mut incoming = Incoming {
        headers: Headers(kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
        remote_addr: parts.extensions.get::<Peer>().map(|peer| peer.ip()),
        trace_context: trace_context(&parts.headers),
        ..Incoming::new(endpoint, now_unix_nano(), b"")
    };
    let mut held = services.ingest.hold();
    let reply = match read_message(&mut held, &parts.headers, body).await {
        Ok(message) => {
            incoming.body = &message;
            aws::take(services, receiver, &incoming, &message).await
        }
        Err(failure) => services.ingest.fail(receiver, &incoming, &failure),
    };
    respond(reply)
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    said.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The one message of a unary call, in the clear.
async fn read_message(held: &mut Held, headers: &HeaderMap, body: Body) -> Result<Bytes, Failure> {
    let encoding = content_encoding(headers, &GRPC_ENCODING)?;
    let framed = collect(held, body, BODY_BYTES_MAX + PREFIX_BYTES).await?;
    let (compressed, message) = unframed(framed)?;
    match (compressed, encoding) {
        (false, _) => Ok(message),
        (true, ContentEncoding::Identity) => {
            Err(Failure::Malformed("a gRPC message is marked as compressed, but not how".to_owned()))
        }
        (true, encoding) => in_the_clear(held, encoding, &message, BODY_BYTES_MAX),
    }
}

/// Whether the message is compressed, and the message.
fn unframed(mut framed: Bytes) -> Result<(bool, Bytes), Failure> {
    let malformed = |what: &str| Failure::Malformed(format!("cannot read a gRPC message: {what}"));
    let Some(([flag, length @ ..], _)) = framed.split_first_chunk::<PREFIX_BYTES>() else {
        return Err(malformed("expected five bytes in front of it"));
    };
    let compressed = match flag {
        0 => false,
        1 => true,
        _ => return Err(malformed("expected a flag of 0 or 1")),
    };
    if u32::from_be_bytes(*length) as usize != framed.len() - PREFIX_BYTES {
        return Err(malformed("expected one message of the length told"));
    }
    Ok((compressed, framed.split_off(PREFIX_BYTES)))
}

fn respond(reply: Reply) -> Response {
    let (code, message) = reply.grpc.unwrap_or((Code::Internal as i32, "a reply without a status".to_owned()));
    if code != Code::Ok as i32 {
        let details = reply.headers.get("grpc-status-details-bin");
        let details = details.and_then(|value| base64::engine::general_purpose::STANDARD_NO_PAD.decode(value).ok());
        let status = Status::with_details(Code::from(code), message, details.unwrap_or_default().into());
        let mut response = status.into_http::<Body>();
        response.headers_mut().insert("grpc-accept-encoding", ACCEPTED);
        return response;
    }
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + reply.body.len());
    framed.put_u8(0);
    framed.put_u32(reply.body.len() as u32);
    framed.put_slice(&reply.body);
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(framed.freeze()).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("grpc-accept-encoding", ACCEPTED);
    response
}

/// Compressions a client may use.
const ACCEPTED: HeaderValue = HeaderValue::from_static("identity,gzip,deflate,zstd");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_framed_one_at_a_time() {
        let read = |bytes: &'static [u8]| unframed(Bytes::from_static(bytes)).ok();
        assert_eq!(read(b"\0\0\0\0\x02ab"), Some((false, Bytes::from_static(b"ab"))));
        assert_eq!(read(b"\x01\0\0\0\0"), Some((true, Bytes::new())));
        for wrong in [&b""[..], b"\0\0\0\0", b"\x02\0\0\0\0", b"\0\0\0\0\x03ab", b"\0\0\0\0\x01ab"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
