//! A checkpoint: everything a version says, as one Parquet file, so that readers need not go through the versions before.
//!
//! One row an action, and a column for each kind of action that is null in the rows of the others.
//! Source: PROTOCOL.md, "Checkpoints" and "Checkpoint Schema" (classic, single part).

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, ListBuilder, MapBuilder, MapFieldNames, RecordBatch,
    StringArray, StringBuilder, StructArray, new_null_array,
};
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use super::log::{PublishedFile, State};
use crate::error::StoreError;

/// The checkpoint's bytes, and how many actions it has.
pub(super) fn to_bytes(state: &State) -> Result<(Vec<u8>, usize), StoreError> {
    let kinds =
        [("protocol", protocol()), ("metaData", metadata(&state.metadata)), ("add", adds(state)), ("remove", removes(state))];
    let fields: Vec<Field> = kinds.iter().map(|(name, rows)| Field::new(*name, rows.data_type().clone(), true)).collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), None)?;
    for (place, (_, rows)) in kinds.iter().enumerate() {
        let columns = schema.fields().iter().enumerate().map(|(other, field)| match other == place {
            true => Arc::new(rows.clone()) as ArrayRef,
            false => new_null_array(field.data_type(), rows.len()),
        });
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns.collect())?)?;
    }
    let actions = kinds.iter().map(|(_, rows)| rows.len()).sum();
    Ok((writer.into_inner()?, actions))
}

fn protocol() -> StructArray {
    rows(vec![
        ("minReaderVersion", Arc::new(Int32Array::from(vec![1]))),
        ("minWriterVersion", Arc::new(Int32Array::from(vec![2]))),
    ])
}

fn metadata(metadata: &Value) -> StructArray {
    let text = |key: &str| Arc::new(StringArray::from(vec![metadata[key].as_str().unwrap_or_default()])) as ArrayRef;
    let format = rows(vec![("provider", Arc::new(StringArray::from(vec!["parquet"]))), ("options", maps(&[Vec::new()]))]);
    let configuration = metadata["configuration"].as_object().into_iter().flatten();
    let configuration: Vec<(&str, &str)> =
        configuration.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect();
    let mut no_columns = ListBuilder::new(StringBuilder::new());
    no_columns.append(true);
    rows(vec![
        ("id", text("id")),
        ("format", Arc::new(format)),
        ("schemaString", text("schemaString")),
        ("partitionColumns", Arc::new(no_columns.finish())),
        ("configuration", maps(&[configuration])),
        ("createdTime", Arc::new(Int64Array::from(vec![metadata["createdTime"].as_i64()]))),
    ])
}

fn adds(state: &State) -> StructArray {
    let files: Vec<&PublishedFile> = state.files.values().collect();
    rows(vec![
        ("path", Arc::new(StringArray::from_iter_values(files.iter().map(|file| &file.name)))),
        ("partitionValues", maps(&vec![Vec::new(); files.len()])),
        ("size", Arc::new(Int64Array::from_iter_values(files.iter().map(|file| file.bytes)))),
        ("modificationTime", Arc::new(Int64Array::from_iter_values(files.iter().map(|file| file.modified_ms)))),
        ("dataChange", Arc::new(BooleanArray::from(vec![false; files.len()]))),
        ("stats", Arc::new(StringArray::from_iter_values(files.iter().map(|file| &file.stats)))),
    ])
}

fn removes(state: &State) -> StructArray {
    rows(vec![
        ("path", Arc::new(StringArray::from_iter_values(state.removed.keys()))),
        ("deletionTimestamp", Arc::new(Int64Array::from_iter_values(state.removed.values().copied()))),
        ("dataChange", Arc::new(BooleanArray::from(vec![false; state.removed.len()]))),
    ])
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> StructArray {
    let fields: Fields =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect::<Vec<_>>().into();
    StructArray::from(fields.iter().cloned().zip(columns.into_iter().map(|(_, column)| column)).collect::<Vec<_>>())
}

/// A map of texts to texts in each row.
fn maps(rows: &[Vec<(&str, &str)>]) -> ArrayRef {
    let names = MapFieldNames { entry: "key_value".into(), key: "key".into(), value: "value".into() };
    let values = Field::new("value", DataType::Utf8, true);
    let mut builder = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new()).with_values_field(values);
    for row in rows {
        for (key, value) in row {
            builder.keys().append_value(key);
            builder.values().append_value(value);
        }
        // Keys and values were appended in pairs.
        let _ = builder.append(true);
    }
    Arc::new(builder.finish())
}

/// Reads what [`to_bytes`] wrote.
pub(super) fn read(path: &Path, version: i64) -> Result<State, StoreError> {
    let file = File::open(path).map_err(StoreError::io(format!("open {}", path.display())))?;
    let corrupt = |reason: String| StoreError::Corrupt(format!("{}: {reason}", path.display()));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| corrupt(error.to_string()))?;
    let reader = builder.build().map_err(|error| corrupt(error.to_string()))?;
    let mut state = State { version, ..State::default() };
    for batch in reader {
        let batch = batch.map_err(|error| corrupt(error.to_string()))?;
        read_batch(&batch, &mut state).ok_or_else(|| corrupt("no checkpoint of ours".into()))?;
    }
    if state.metadata.is_null() { Err(corrupt("no metadata".into())) } else { Ok(state) }
}

fn read_batch(batch: &RecordBatch, state: &mut State) -> Option<()> {
    let of = |kind: &str| batch.column_by_name(kind)?.as_struct_opt();
    let (adds, removes, metadata) = (of("add")?, of("remove")?, of("metaData")?);
    let text = |rows: &StructArray, name: &str, row: usize| {
        Some(rows.column_by_name(name)?.as_string_opt::<i32>()?.value(row).to_owned())
    };
    let number =
        |rows: &StructArray, name: &str, row: usize| Some(rows.column_by_name(name)?.as_primitive_opt::<Int64Type>()?.value(row));
    for row in 0..batch.num_rows() {
        if adds.is_valid(row) {
            let file = PublishedFile {
                name: text(adds, "path", row)?,
                bytes: number(adds, "size", row)?,
                modified_ms: number(adds, "modificationTime", row)?,
                stats: text(adds, "stats", row)?,
            };
            state.files.insert(file.name.clone(), file);
        }
        if removes.is_valid(row) {
            state.removed.insert(text(removes, "path", row)?, number(removes, "deletionTimestamp", row)?);
        }
        if metadata.is_valid(row) {
            let configuration = metadata.column_by_name("configuration")?.as_map_opt()?.value(row);
            let (keys, values) =
                (configuration.column(0).as_string_opt::<i32>()?, configuration.column(1).as_string_opt::<i32>()?);
            let pairs = keys.iter().zip(values).filter_map(|(key, value)| Some((key?.to_owned(), json!(value?))));
            state.metadata = json!({
                "id": text(metadata, "id", row)?, "format": {"provider": "parquet", "options": {}},
                "schemaString": text(metadata, "schemaString", row)?, "partitionColumns": [],
                "configuration": Value::Object(pairs.collect()), "createdTime": number(metadata, "createdTime", row)?,
            });
        }
    }
    Some(())
}
