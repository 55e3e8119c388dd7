//! A gRPC client that sends bytes.

use bytes::{Buf, BufMut};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};

use crate::harness::Server;

/// `ExportLogsServiceRequest` with one record.
pub fn one_log_record(body: &str) -> Vec<u8> {
    let nested = |field: u8, content: Vec<u8>| [vec![field << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat();
    let any = nested(1, body.as_bytes().to_vec());
    nested(1, nested(2, nested(2, nested(5, any))))
}

/// Sends an `ExportLogsServiceRequest`, gzipped, as Collectors do.
pub async fn export_logs(server: &Server, body: Vec<u8>) -> Result<Vec<u8>, Status> {
    let channel = tonic::transport::Endpoint::new(server.otlp_grpc.clone()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel).send_compressed(CompressionEncoding::Gzip);
    client.ready().await.unwrap();
    let method = PathAndQuery::from_static("/opentelemetry.proto.collector.logs.v1.LogsService/Export");
    client.unary(Request::new(body), method, BytesCodec).await.map(tonic::Response::into_inner)
}

#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
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
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining()).to_vec()))
    }
}
