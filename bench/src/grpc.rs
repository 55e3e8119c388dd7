//! OTLP over gRPC: prepared messages over one connection; tonic frames them, nothing is encoded on the way.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Request, Status};

/// One connection to the gRPC port.
#[derive(Debug)]
pub struct GrpcConnection(Grpc<Channel>);

impl GrpcConnection {
    pub async fn open(address: std::net::SocketAddr) -> anyhow::Result<GrpcConnection> {
        let channel = Channel::from_shared(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        Ok(GrpcConnection(Grpc::new(channel)))
    }

    /// Whether it was kept; `false` when the server asks to come back later.
    pub async fn export(&mut self, method: &'static str, message: Bytes) -> anyhow::Result<bool> {
        self.0.ready().await?;
        match self.0.unary(Request::new(message), PathAndQuery::from_static(method), AsTheyAre).await {
            Ok(_) => Ok(true),
            Err(status) if matches!(status.code(), tonic::Code::ResourceExhausted | tonic::Code::Unavailable) => Ok(false),
            Err(status) => Err(status.into()),
        }
    }
}

/// Messages as they are.
#[derive(Clone, Copy, Debug)]
struct AsTheyAre;

impl Codec for AsTheyAre {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = AsTheyAre;
    type Decoder = AsTheyAre;

    fn encoder(&mut self) -> AsTheyAre {
        AsTheyAre
    }

    fn decoder(&mut self) -> AsTheyAre {
        AsTheyAre
    }
}

impl Encoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for AsTheyAre {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
