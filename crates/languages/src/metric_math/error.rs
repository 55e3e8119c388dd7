//! Why an expression has no value.

use crate::caret::with_caret;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MetricMathError {
    pub message: String,
    /// Where in the text, in bytes; `None` where no one place is to blame.
    pub position: Option<usize>,
}

impl MetricMathError {
    pub fn at(position: usize, message: impl Into<String>) -> MetricMathError {
        MetricMathError { message: message.into(), position: Some(position) }
    }

    pub fn new(message: impl Into<String>) -> MetricMathError {
        MetricMathError { message: message.into(), position: None }
    }

    /// The message, and a caret under the place.
    pub fn explain(&self, text: &str) -> String {
        match self.position {
            Some(position) => with_caret(&self.message, text, &(position..position)),
            None => self.message.clone(),
        }
    }
}
