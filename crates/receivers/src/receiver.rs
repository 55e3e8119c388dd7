//! The one shape of all receivers, and the list of them.

use http::{HeaderMap, Method, StatusCode};
use model::{Counted, RowSink};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::incoming::Incoming;

/// One protocol. Implementations are unit structs without state.
pub trait Receiver: Sync {
    /// The value of the `receiver` column.
    fn name(&self) -> &'static str;

    /// The HTTP routes it answers, and the datagram doors it understands.
    fn doors(&self) -> &'static [Door];

    /// Header names (lower case) that `translate` looks at, beside `content-type`; they are kept with the request.
    fn headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// The body without what must never be on disk, such as a token inside it; `None` when it has nothing of the kind. It
    /// stands for the body everywhere from then on: in `translate`, in the log and in a replay.
    fn without_secrets(&self, _incoming: &Incoming<'_>) -> Option<Vec<u8>> {
        None
    }

    /// What makes a request the repeat of one before: a client that heard no answer sends the same again. `None` where every
    /// request is a new one, or where [`Decoded::identity`] tells.
    fn identity(&self, _incoming: &Incoming<'_>) -> Option<Identity> {
        None
    }

    /// Reads the request once for all that is asked of it; `None` from a receiver that reads while it pushes. It then stands
    /// for `translate` and `accepted`, and does the same.
    fn decode<'i>(&self, _incoming: &'i Incoming<'i>) -> Result<Option<Box<dyn Decoded + 'i>>, Failure> {
        Ok(None)
    }

    /// Decodes `incoming` and pushes its rows and refusals into `sink`.
    ///
    /// Total: one bad record becomes a refusal and its neighbours are kept; only a request that cannot be read at all is
    /// a [`Failure`]. Rows pushed before a failure are discarded by the caller.
    fn translate(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure>;

    /// What the client is told once the rows are on disk. `counted` knows what was accepted and refused.
    fn accepted(&self, incoming: &Incoming<'_>, counted: &Counted<'_>) -> Reply;

    /// What the client is told when nothing was kept.
    fn failed(&self, incoming: &Incoming<'_>, failure: &Failure) -> Reply;
}

/// A request that has been read.
pub trait Decoded: Send + Sync {
    /// See [`Receiver::identity`].
    fn identity(&self) -> Option<Identity> {
        None
    }

    /// See [`Receiver::translate`].
    fn push(&self, sink: &mut dyn RowSink) -> Result<(), Failure>;

    /// See [`Receiver::accepted`].
    fn accepted(&self, counted: &Counted<'_>) -> Reply;
}

/// Tells a repeated request from a new one: a hash wide enough that two requests never share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub u128);

impl Identity {
    /// Of requests of one `kind` that are alike when their bytes are. Endpoints that mean the same share a kind.
    pub fn of(kind: &str, bytes: &[u8]) -> Identity {
        Identity(xxh3_128_with_seed(bytes, xxh3_64(kind.as_bytes())))
    }
}

/// A way in.
#[derive(Clone, Copy, Debug)]
pub enum Door {
    Http(Route),
    /// Datagrams, handed over whole.
    Udp {
        endpoint: &'static str,
    },
    /// Unary gRPC of the given full method path, e.g. `/opentelemetry.proto.collector.trace.v1.TraceService/Export`.
    Grpc {
        method: &'static str,
        endpoint: &'static str,
    },
}

/// An HTTP route. `path` may end in `{*rest}`, which also matches slashes.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: IngestMethod,
    pub path: &'static str,
    pub endpoint: &'static str,
    /// The largest body, decompressed, in bytes.
    pub body_bytes_max: usize,
    pub cors: CorsPolicy,
}

/// Methods that take telemetry in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestMethod {
    Post,
    Put,
}

impl From<IngestMethod> for Method {
    fn from(method: IngestMethod) -> Method {
        match method {
            IngestMethod::Post => Method::POST,
            IngestMethod::Put => Method::PUT,
        }
    }
}

/// Whether browsers of other origins may send here. `Any` answers preflights, echoes the requested headers, and exposes
/// the listed ones.
#[derive(Clone, Copy, Debug)]
pub enum CorsPolicy {
    None,
    Any { expose: &'static str },
}

/// Why nothing of a request was kept. The receiver words it for its client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The body is not what the protocol says. The text says what was expected and where.
    #[error("{0}")]
    Malformed(String),
    /// Well-formed, but without a meaning the protocol allows.
    #[error("{0}")]
    Invalid(String),
    #[error("unsupported content type {0:?}")]
    UnsupportedMediaType(String),
    #[error("unsupported content encoding {0:?}")]
    UnsupportedEncoding(String),
    #[error("body is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: usize },
    #[error("missing credentials")]
    Unauthenticated,
    #[error("credentials are not valid here")]
    Forbidden,
    /// Buffers are full; nothing is wrong with the request.
    #[error("overloaded, retry in {retry_after_seconds} s")]
    Busy { retry_after_seconds: u32 },
    /// The disk or the store refused.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
}

/// An answer, in the client's own dialect.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Only for gRPC doors: status code and message of the trailer. `body` is then the message, unframed.
    pub grpc: Option<(i32, String)>,
}

impl Reply {
    /// An answer with a body of the given content type.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Vec<u8>>) -> Reply {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        Reply { status, headers, body: body.into(), grpc: None }
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Reply {
        Reply { status, headers: HeaderMap::new(), body: Vec::new(), grpc: None }
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Reply {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// Every receiver, sorted by name. One line each.
pub fn all() -> &'static [&'static dyn Receiver] {
    &[
        &crate::cloudwatch::CloudWatch, //
        &crate::honeycomb::Honeycomb,
        &crate::otlp::Otlp,
        &crate::rollbar::Rollbar,
        &crate::sentry::Sentry,
        &crate::xray::Xray,
    ]
}

/// The receiver that wrote a log record, by its [`Receiver::name`].
pub fn by_name(name: &str) -> Option<&'static dyn Receiver> {
    all().iter().copied().find(|receiver| receiver.name() == name)
}
