//! A table's schema in Delta's words, from the columns its files have.
//!
//! Delta knows a column by its name and reads it with one type from all files. Ours are written with the type their rows
//! had, so where files disagree, a reader would fail or, worse, skip what it takes for a mismatch: such a column is left out
//! until compaction has made its files agree. So are names Delta does not allow.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;

use arrow::datatypes::DataType;
use model::Signal;
use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::ColumnDescriptor;
use serde_json::{Value, json};

use crate::columns;
use crate::error::StoreError;

/// What Delta and Parquet do not allow in a name without giving columns numbers, which needs a newer reader.
const FORBIDDEN: [char; 9] = [' ', ',', ';', '{', '}', '(', ')', '=', '\t'];

/// Names told in the table's properties; beyond it only their number grows.
const NAMES_TOLD_MAX: usize = 100;

/// A primitive type of Delta's. Times are whole nanoseconds: Delta's own timestamp ends at microseconds, and readers either
/// refuse to lose the rest or lose it in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DeltaType {
    Boolean,
    Long,
    Double,
    String,
    Binary,
}

impl DeltaType {
    fn as_str(self) -> &'static str {
        match self {
            DeltaType::Boolean => "boolean",
            DeltaType::Long => "long",
            DeltaType::Double => "double",
            DeltaType::String => "string",
            DeltaType::Binary => "binary",
        }
    }

    fn of_parquet(column: &ColumnDescriptor) -> Option<DeltaType> {
        let is_text =
            matches!(column.logical_type_ref(), Some(LogicalType::String)) || column.converted_type() == ConvertedType::UTF8;
        match column.physical_type() {
            PhysicalType::BOOLEAN => Some(DeltaType::Boolean),
            PhysicalType::INT64 => Some(DeltaType::Long),
            PhysicalType::DOUBLE => Some(DeltaType::Double),
            PhysicalType::BYTE_ARRAY if is_text => Some(DeltaType::String),
            PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY => Some(DeltaType::Binary),
            _ => None,
        }
    }

    fn of_arrow(data_type: &DataType) -> DeltaType {
        match data_type {
            DataType::Boolean => DeltaType::Boolean,
            DataType::Int64 | DataType::Timestamp(..) => DeltaType::Long,
            DataType::Float64 => DeltaType::Double,
            DataType::FixedSizeBinary(_) | DataType::Binary => DeltaType::Binary,
            _ => DeltaType::String,
        }
    }
}

/// A file's columns, by name; `None` for a type that cannot be published.
pub(super) type FileColumns = Vec<(String, Option<DeltaType>)>;

/// Reads the columns from a part's footer.
pub(super) fn columns_of_file(path: &Path) -> Result<FileColumns, StoreError> {
    let file = File::open(path).map_err(StoreError::io(format!("open part {}", path.display())))?;
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&file)?;
    let schema = metadata.file_metadata().schema_descr();
    let columns = schema.columns().iter().map(|column| {
        let parts = column.path().parts();
        let is_flat = parts.len() == 1 && column.max_rep_level() == 0;
        let delta_type = if is_flat { DeltaType::of_parquet(column) } else { None };
        (parts.first().cloned().unwrap_or_default(), delta_type)
    });
    let mut columns: FileColumns = columns.collect();
    columns.sort_by(|left, right| left.0.cmp(&right.0));
    columns.dedup_by(|left, right| left.0 == right.0);
    Ok(columns)
}

/// What a version says of the table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TableSchema {
    /// Delta's `schemaString`.
    pub schema_string: String,
    /// Columns that files have and the table has not, as a person reads them; empty when there is none.
    pub left_out: String,
}

impl TableSchema {
    /// The signal's fixed columns, then the attributes of the files by name.
    pub fn of<'a>(signal: Signal, files: impl Iterator<Item = &'a FileColumns>) -> TableSchema {
        let fixed = columns::schema(signal);
        let mut fields: Vec<Value> = Vec::new();
        let mut taken: HashSet<String> = HashSet::new();
        for field in fixed.fields() {
            let comment = match field.data_type() {
                DataType::Timestamp(..) => json!({"comment": "nanoseconds since 1970 UTC"}),
                _ => json!({}),
            };
            taken.insert(field.name().to_lowercase());
            fields.push(field_json(field.name(), DeltaType::of_arrow(field.data_type()), comment));
        }
        let mut left_out = Vec::new();
        for (name, delta_type) in attributes(signal, files) {
            // Readers do not tell letters' cases apart: the first in order keeps the name.
            let is_allowed = !name.is_empty() && !name.contains(FORBIDDEN) && !name.contains(char::is_control);
            match delta_type {
                Some(delta_type) if is_allowed && taken.insert(name.to_lowercase()) => {
                    fields.push(field_json(name, delta_type, json!({})));
                }
                _ => left_out.push(name),
            }
        }
        let schema_string = json!({"type": "struct", "fields": fields}).to_string();
        let told: Vec<&str> = left_out.iter().take(NAMES_TOLD_MAX).copied().collect();
        let more = left_out.len() - told.len();
        let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
        TableSchema { schema_string, left_out: format!("{}{and_more}", told.join(", ")) }
    }
}

/// Every attribute of the files with its type, `None` where they disagree.
fn attributes<'a>(signal: Signal, files: impl Iterator<Item = &'a FileColumns>) -> BTreeMap<&'a str, Option<DeltaType>> {
    let mut attributes: BTreeMap<&str, Option<DeltaType>> = BTreeMap::new();
    for (name, delta_type) in files.flatten() {
        if !columns::is_fixed(signal, name) {
            let agreed = attributes.entry(name).or_insert(*delta_type);
            if agreed != delta_type {
                *agreed = None;
            }
        }
    }
    attributes
}

fn field_json(name: &str, delta_type: DeltaType, metadata: Value) -> Value {
    json!({"name": name, "type": delta_type.as_str(), "nullable": true, "metadata": metadata})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(schema: &TableSchema) -> Vec<(String, String)> {
        let json: Value = serde_json::from_str(&schema.schema_string).unwrap();
        let fixed = columns::schema(Signal::Logs).fields().len();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        json["fields"].as_array().unwrap()[fixed..].iter().map(|field| (text(&field["name"]), text(&field["type"]))).collect()
    }

    #[test]
    fn files_that_disagree_leave_the_column_out() {
        let column = |name: &str, delta_type| (name.to_owned(), Some(delta_type));
        let first = vec![column("a", DeltaType::Long), column("b", DeltaType::Long), column("body", DeltaType::Long)];
        let second = vec![column("a", DeltaType::String), column("b", DeltaType::Long), column("c", DeltaType::Double)];
        let schema = TableSchema::of(Signal::Logs, [&first, &second].into_iter());
        assert_eq!(names(&schema), [("b".into(), "long".into()), ("c".into(), "double".into())]);
        assert_eq!(schema.left_out, "a");
        let schema = TableSchema::of(Signal::Logs, std::iter::once(&second));
        assert_eq!(schema.left_out, "");
        assert_eq!(names(&schema)[0], ("a".into(), "string".into()));
    }

    #[test]
    fn names_that_readers_take_for_one_or_for_none_are_left_out() {
        let column = |name: &str| (name.to_owned(), Some(DeltaType::String));
        let file = vec![column("User"), column("user"), column("a b"), column("Body"), column("x\ny"), ("n".to_owned(), None)];
        let schema = TableSchema::of(Signal::Logs, std::iter::once(&file));
        assert_eq!(names(&schema), [("User".into(), "string".into())]);
        assert_eq!(schema.left_out, "Body, a b, n, user, x\ny");
    }

    #[test]
    fn the_fixed_columns_come_first_and_times_are_whole_numbers() {
        let schema = TableSchema::of(Signal::Spans, std::iter::empty());
        let json: Value = serde_json::from_str(&schema.schema_string).unwrap();
        assert_eq!(json["fields"][0]["name"], "time");
        assert_eq!(json["fields"][0]["type"], "long");
        let trace_id = json["fields"].as_array().unwrap().iter().find(|field| field["name"] == "trace_id").unwrap();
        assert_eq!(trace_id["type"], "binary");
    }
}
