//! Cupola's own SQL functions, and the rules that let plans use them.
//!
//! One file per function, with its meaning and its code together. [`register`] is called once, when the first question is
//! asked; whatever runs plans elsewhere has to call it too.

use datafusion::execution::session_state::SessionStateBuilder;

/// The state with every function and rule of ours.
pub fn register(state: SessionStateBuilder) -> SessionStateBuilder {
    state
}
