//! What can go wrong with a question, by who can mend it.

use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;

use crate::nearest::nearest;

/// What DataFusion names when the spill folder is full, in errors of several kinds.
const SPILL_IS_FULL: &str = "datafusion.runtime.max_temp_directory_size";

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The asker's words are at fault.
    #[error("{message}")]
    Invalid { message: String, position: Option<usize> },
    #[error(
        "query needed more than its share of memory or of the disk space beside it; narrow the time range or the columns, or \
         raise --query-memory-megabytes or --query-spill-megabytes: {0}"
    )]
    OutOfMemory(String),
    #[error("query ran longer than {seconds} s; narrow the time range or add a filter")]
    OutOfTime { seconds: u64 },
    #[error("storage: {0}")]
    Store(#[from] store::StoreError),
    /// Ours to mend.
    #[error("query failed: {0}")]
    Internal(String),
}

impl EngineError {
    pub fn invalid(message: impl Into<String>) -> EngineError {
        EngineError::Invalid { message: message.into(), position: None }
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> EngineError {
        let message = strip(&error.to_string());
        if message.contains(SPILL_IS_FULL) {
            return EngineError::OutOfMemory(message);
        }
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => EngineError::invalid(unknown_column(field, valid_fields)),
                _ => EngineError::invalid(message),
            },
            DataFusionError::ResourcesExhausted(reason) => EngineError::OutOfMemory(strip(reason)),
            DataFusionError::Internal(_)
            | DataFusionError::ParquetError(_)
            | DataFusionError::IoError(_)
            | DataFusionError::ObjectStore(_) => EngineError::Internal(message),
            _ => EngineError::invalid(message),
        }
    }
}

impl From<arrow::error::ArrowError> for EngineError {
    fn from(error: arrow::error::ArrowError) -> EngineError {
        EngineError::Internal(error.to_string())
    }
}

/// DataFusion's own prefixes and back traces help nobody who wrote a query.
fn strip(message: &str) -> String {
    let message = message.split("\n\nbacktrace").next().unwrap_or(message);
    message.replace("Error during planning: ", "").replace("Schema error: ", "").replace("SQL error: ", "")
}

fn unknown_column(wanted: &Column, known: &[Column]) -> String {
    let near = nearest(&wanted.name, known.iter().map(|column| column.name.as_str()));
    let near: Vec<String> = near.into_iter().map(|name| format!("\"{name}\"")).collect();
    match near.is_empty() {
        true => format!("no column named \"{}\"; /api/attributes lists those there are", wanted.name),
        false => format!("no column named \"{}\"; did you mean {}?", wanted.name, near.join(" or ")),
    }
}
