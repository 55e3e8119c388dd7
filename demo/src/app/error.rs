//! What goes wrong in the app, with the way it took up through the code.
//!
//! Frames are real places in this crate's sources: [`AppError::new`] notes where it was called, and each
//! [`At::at`] on the way up adds where it was passed on, as an exception's traceback would.

use std::fmt::Write as _;
use std::panic::Location;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::telemetry::random_hex;

#[derive(Clone, Debug)]
pub struct AppError {
    /// The exception's class, e.g. `ActivityRejected`.
    pub kind: &'static str,
    pub message: String,
    pub status: StatusCode,
    /// X-Ray's id of this exception.
    pub id: String,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// One step of the way.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub function: &'static str,
    file: &'static str,
    pub line: u32,
    column: u32,
}

/// A frame's line of code with its neighbours.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    pub before: Vec<&'static str>,
    pub line: &'static str,
    pub after: Vec<&'static str>,
}

impl AppError {
    #[track_caller]
    pub fn new(kind: &'static str, status: StatusCode, message: impl Into<String>, function: &'static str) -> AppError {
        let frames = vec![Frame::new(function, Location::caller())];
        AppError { kind, message: message.into(), status, id: random_hex(16), frames }
    }

    /// As a Rust backtrace prints it, innermost frame first.
    pub fn stacktrace(&self) -> String {
        let mut text = format!("{}: {}\nstack backtrace:", self.kind, self.message);
        for (number, frame) in self.frames.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "\n{number:4}: {}\n             at ./{}:{}:{}",
                frame.function,
                frame.path(),
                frame.line,
                frame.column
            );
        }
        text
    }
}

impl IntoResponse for AppError {
    /// The caller learns the class and no more; the error itself travels on to the middleware.
    fn into_response(self) -> Response {
        let body = axum::Json(serde_json::json!({"error": self.kind}));
        let mut response = (self.status, body).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Notes that an error passed through here.
pub trait At<T> {
    fn at(self, function: &'static str) -> Result<T, AppError>;
}

impl<T> At<T> for Result<T, AppError> {
    #[track_caller]
    fn at(self, function: &'static str) -> Result<T, AppError> {
        let location = Location::caller();
        self.map_err(|mut error| {
            error.frames.push(Frame::new(function, location));
            error
        })
    }
}

impl Frame {
    fn new(function: &'static str, location: &'static Location<'static>) -> Frame {
        Frame { function, file: location.file(), line: location.line(), column: location.column() }
    }

    /// From `src/` on: where the app was built is nobody's business.
    pub fn path(&self) -> &'static str {
        self.file.rfind("src/").map_or(self.file, |at| &self.file[at..])
    }

    pub fn file_name(&self) -> &'static str {
        self.file.rsplit('/').next().unwrap_or(self.file)
    }

    /// The code itself, for the files where errors are raised or passed on.
    pub fn source(&self) -> Option<Source> {
        let text = match self.path() {
            "src/app/cruddur.rs" => include_str!("cruddur.rs"),
            "src/app/database.rs" => include_str!("database.rs"),
            "src/app/client.rs" => include_str!("client.rs"),
            "src/app/notifications.rs" => include_str!("notifications.rs"),
            "src/app/search.rs" => include_str!("search.rs"),
            _ => return None,
        };
        let lines: Vec<&str> = text.lines().collect();
        let at = usize::try_from(self.line).ok()?.checked_sub(1)?;
        let line = lines.get(at)?;
        let before = lines[at.saturating_sub(2)..at].to_vec();
        let after = lines[at + 1..lines.len().min(at + 3)].to_vec();
        Some(Source { before, line, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_the_way_it_took() {
        let error = Err::<(), _>(AppError::new("Boom", StatusCode::INTERNAL_SERVER_ERROR, "tomorrow", "inner")).at("outer");
        let error = error.unwrap_err();
        assert_eq!(error.frames.len(), 2);
        assert_eq!(error.frames[0].path(), "src/app/error.rs");
        assert!(
            error.stacktrace().starts_with("Boom: tomorrow\nstack backtrace:\n   0: inner\n             at ./src/app/error.rs:")
        );
    }
}
