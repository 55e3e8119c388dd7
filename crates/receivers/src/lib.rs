//! Wire to model: one folder per protocol, all of one shape.
//!
//! A receiver is pure. It is given a request as it came ([`Incoming`]), pushes rows and refusals into a
//! [`model::RowSink`], and words the reply in its client's dialect. Sockets, body caps, decompression, keys, durability
//! and the decision *when* to reply belong to the server; the same [`Receiver::translate`] runs again when the
//! write-ahead log is replayed, so it must not depend on anything but its input.
//!
//! To add a receiver: copy the smallest folder, rename, add its line to [`all`], and follow the compiler.

pub mod aws;
pub mod aws_protocol;
mod body;
pub mod cloudwatch;
mod envelope;
pub mod honeycomb;
mod incoming;
mod json;
mod json_tree;
pub mod limits;
mod otlp;
mod receiver;
pub mod rollbar;
pub mod sentry;
mod stack_text;
#[cfg(test)]
mod testing;
pub mod xray;

pub use body::{BodyError, ContentEncoding, decompress};
pub use envelope::{Envelope, decode_all, encode_many};
pub use incoming::{Headers, Incoming};
pub use otlp::signal_of;
pub use receiver::{CorsPolicy, Decoded, Door, Failure, Identity, IngestMethod, Receiver, Reply, Route, all, by_name};
