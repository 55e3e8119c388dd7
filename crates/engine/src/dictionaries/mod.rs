//! Columns of few texts are read as the dictionaries they are in the file.
//!
//! The Parquet writer stores a column of repeating texts as a dictionary and codes. Stock reading copies the text of every
//! row; here the codes are kept, and what works on them touches each text once per row group:
//!
//! - [`hinted`] tells the Parquet reader, file by file, which columns to keep as dictionaries: the footer says which repeat.
//! - [`Adapters`] evaluates conditions on one such column over the dictionary, not over the rows, and makes plain text of the
//!   others, so that the table's schema stays what it is.
//! - [`scan::as_dictionaries`] rewrites a plan so that chosen columns leave the scan as dictionaries, for the operators of ours
//!   that count codes: [`crate::grouping`] and [`crate::bubble_up`].
//!
//! Everything stays right without it: on a node that reads in the stock way the same plans cast instead.

mod adapters;
mod over_values;
mod readers;
pub mod scan;

use arrow::datatypes::DataType;

pub use adapters::Adapters;
pub use over_values::same_values;
pub use readers::{RepeatingColumns, hinted, repeating_columns};

/// Texts as codes.
pub fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub fn is_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(keys, values) if **keys == DataType::Int32 && **values == DataType::Utf8)
}
