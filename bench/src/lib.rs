//! Whole-system measurements: a world to tell of, its requests in every protocol, data sets for queries, peers on the same
//! files, and the report that puts every figure beside its goal.
//!
//! Nothing here ships. The server is measured from outside, over its sockets, with the kernel's account of its CPU time; only
//! [`data`] uses the store, to write what queries are asked about.

pub mod clock;
pub mod data;
pub mod grpc;
pub mod http;
pub mod lines;
pub mod load;
pub mod measure;
pub mod otlp;
pub mod peers;
pub mod queries;
pub mod report;
pub mod server;
pub mod vendors;
pub mod world;
