//! Pure algorithms over the model: what the rows mean when they are seen together.
//!
//! No IO, no engine, no clock: everything here is a function of its arguments, and total.

pub mod bubble_up;
pub mod grouping;
pub mod insights;
pub mod linking;
pub mod log_patterns;
mod occurrence_number;
pub mod retention;
pub mod root_cause;
pub mod secrets;
pub mod sensitive;
pub mod service_graph;
pub mod severity;
pub mod source_map;
pub mod stacktrace;
mod template;
pub mod trace_facts;
pub mod trace_tree;

pub use grouping::{
    ALGORITHM_VERSION, CLIENT_FINGERPRINT_CHARS_MAX, DEFAULT_FINGERPRINT, client_fingerprint, earlier_fingerprints, fingerprint,
};
pub use occurrence_number::{occurrence_number, occurrence_received_at};
pub use template::message_template;
