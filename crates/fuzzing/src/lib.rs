//! What anybody may send us, as functions of bytes that must hold for every input: the targets of fuzzing.
//!
//! Each target decodes its input the way the server would and asserts what is promised: no panic, output in proportion to
//! the input, the same rows each time. The tests of this crate run all of them over mutated captures with a fixed seed; the
//! folder `fuzz/` runs the same functions under libFuzzer. A found input goes to `fixtures/fuzz/<target>/` and stays.

mod analysis_targets;
mod corpus;
mod language_targets;
pub mod mutation;
mod receiver_targets;
mod sink;
mod store_targets;

pub use corpus::{dictionary, seeds};

/// One promise, for every input.
#[derive(Clone, Copy)]
pub struct Target {
    /// Also the folder of its own inputs in `fixtures/fuzz/`, and the name of its libFuzzer program.
    pub name: &'static str,
    /// Panics where the promise is broken.
    pub run: fn(&[u8]),
}

/// Every target, sorted by name.
pub fn all() -> &'static [Target] {
    const fn target(name: &'static str, run: fn(&[u8])) -> Target {
        Target { name, run }
    }
    const {
        &[
            target("body", receiver_targets::body),
            target("cloudwatch_put_log_events", receiver_targets::cloudwatch_put_log_events),
            target("cloudwatch_wire", receiver_targets::cloudwatch_wire),
            target("honeycomb_json", receiver_targets::honeycomb_json),
            target("honeycomb_msgpack", receiver_targets::honeycomb_msgpack),
            target("language_filter_pattern", language_targets::filter_pattern),
            target("language_insights", language_targets::insights),
            target("language_ppl", language_targets::ppl),
            target("language_rql", language_targets::rql),
            target("language_search", language_targets::search),
            target("language_sql", language_targets::sql),
            target("language_xray_filter", language_targets::xray_filter),
            target("log_patterns", analysis_targets::log_patterns),
            target("log_text", analysis_targets::log_text),
            target("otlp_json", receiver_targets::otlp_json),
            target("otlp_protobuf", receiver_targets::otlp_protobuf),
            target("rollbar_form", receiver_targets::rollbar_form),
            target("rollbar_json", receiver_targets::rollbar_json),
            target("stacktrace", analysis_targets::stacktrace),
            target("trace_tree", analysis_targets::trace_tree),
            target("wal_replay", store_targets::wal_replay),
            target("wal_segment", store_targets::wal_segment),
            target("xray_datagram", receiver_targets::xray_datagram),
            target("xray_documents", receiver_targets::xray_documents),
            target("xray_sampling", receiver_targets::xray_sampling),
        ]
    }
}

/// The target of this name.
pub fn by_name(name: &str) -> Option<&'static Target> {
    all().iter().find(|target| target.name == name)
}
