//! gRPC doors of receivers: tonic frames, compresses and sends trailers; messages stay bytes and are walked like any body.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;
use base64::Engine as _;
use bytes::{Buf, BufMut, Bytes};
use receivers::{Door, Headers, Incoming, Receiver, limits::BODY_BYTES_MAX};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use super::http_ingest::{kept_headers, trace_context};
use crate::{Peer, Services, now_unix_nano};

/// The gRPC doors of all receivers.
pub fn router(services: Services) -> Router {
    let mut router = Router::new();
    for receiver in receivers::all().iter().copied() {
        for door in receiver.doors() {
            let Door::Grpc { method, endpoint } = *door else { continue };
            let services = services.clone();
            let handler = move |request: Request| {
                let unary = Unary { services: services.clone(), receiver, endpoint };
                async move { Ok::<_, Infallible>(answer(unary, request).await) }
            };
            router = router.route(method, post(handler));
        }
    }
    router
}

async fn answer(unary: Unary, request: Request) -> axum::response::Response {
    let mut grpc = Grpc::new(BytesCodec)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(BODY_BYTES_MAX);
    grpc.unary(unary, request).await.map(axum::body::Body::new)
}

struct Unary {
    services: Services,
    receiver: &'static dyn Receiver,
    endpoint: &'static str,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (services, receiver, endpoint) = (self.services.clone(), self.receiver, self.endpoint);
        Box::pin(async move {
            let remote_addr = request.extensions().get::<Peer>().map(|peer| peer.ip());
            let headers = request.metadata().clone().into_headers();
            let body = request.into_inner();
            let kept = kept_headers(&headers, receiver);
            let incoming = Incoming {
                headers: Headers(kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
                remote_addr,
                trace_context: trace_context(&headers),
                ..Incoming::new(endpoint, now_unix_nano(), &body)
            };
            let reply = services.ingest.take(receiver, &incoming).await;
            match reply.grpc {
                None | Some((0, _)) => Ok(tonic::Response::new(Bytes::from(reply.body))),
                Some((code, message)) => {
                    let details = reply.headers.get("grpc-status-details-bin");
                    let details = details.and_then(|value| base64::engine::general_purpose::STANDARD_NO_PAD.decode(value).ok());
                    Err(Status::with_details(Code::from(code), message, details.unwrap_or_default().into()))
                }
            }
        })
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Debug, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = BytesCodec;
    type Decoder = BytesCodec;

    fn encoder(&mut self) -> BytesCodec {
        BytesCodec
    }

    fn decoder(&mut self) -> BytesCodec {
        BytesCodec
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
