//! The rules of the house, as tests: layers, headers, licences, links, sizes.
//!
//! Nothing here ships. The library holds what the rules need to read the tree; each rule is one test in `tests/it/`.
//! A rule fails with one line per offence, and that line says what to do.

mod licences;
mod manifest;
mod markdown;
mod tree;

pub use licences::{Expression, LicenceError};
pub use manifest::{Edge, Manifest, Section};
pub use markdown::{Link, anchors, links};
pub use tree::{SourceFile, files, root};

/// Fails the test that calls it when there are offences, listing them all at once.
///
/// # Panics
/// When `offences` is not empty: that is how a test fails.
pub fn report(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}\n", offences.join("\n  "));
}
