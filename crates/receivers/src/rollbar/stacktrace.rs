//! Traces of an item as the text of a stack.

use super::wire::{Frame, Trace};
use crate::stack_text::{self, Call, Thrown};

/// The text of a chain of exceptions; empty when the client sent no frames.
pub fn stacktrace(traces: &[Trace<'_>], language: &str) -> String {
    let chain: Vec<Thrown<'_>> = traces.iter().map(|trace| thrown(*trace)).collect();
    stack_text::stacktrace(&chain, language)
}

/// `Class: message`, or whichever of the two there is.
pub fn headline(trace: Trace<'_>) -> String {
    stack_text::headline(trace.exception("class"), trace.exception("message"))
}

fn thrown(trace: Trace<'_>) -> Thrown<'_> {
    Thrown { r#type: trace.exception("class"), message: trace.exception("message"), calls: trace.frames().map(call).collect() }
}

fn call(frame: Frame<'_>) -> Call<'_> {
    Call {
        file: frame.filename(),
        line: frame.line(),
        column: frame.column(),
        function: frame.method(),
        class: frame.class_name(),
        code: frame.code(),
    }
}
