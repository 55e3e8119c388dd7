//! X-Ray's filter expressions, where our own API takes them.

use super::refusal::Refusal;

/// Whether an expression can be read; an empty one matches everything.
pub fn check(_expression: &str) -> Result<(), Refusal> {
    Ok(())
}
