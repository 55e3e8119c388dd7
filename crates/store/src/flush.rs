//! Memory -> Parquet: one part per table, sorted by time.
//!
//! A part is written under a temporary name, synced, renamed, its folder synced and its footer read back before the catalog
//! hears of it: whatever the catalog names is whole. Fresh parts are LZ4, which costs less than zstd to write and to read;
//! compaction will use zstd.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::{Field, Schema, TimestampNanosecondType};
use metastore::{AttributeSeen, NewPart};
use model::Signal;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::columns;
use crate::error::StoreError;
use crate::limits::{ATTRIBUTE_COLUMNS_MAX, PART_MEMORY_BYTES_MAX, ROW_GROUP_ROWS};
use crate::memory::{Chunk, SegmentRows, column_as, union_schema};
use crate::registry::{attributes, fold};
use crate::wal::sync_folder;

/// What a file is called until it is whole.
const TEMPORARY: &str = "tmp";

/// The folder of parts.
pub(crate) struct PartsFolder {
    pub path: PathBuf,
    pub fsync: bool,
}

/// What a flush wrote, for the catalog.
#[derive(Default)]
pub(crate) struct Written {
    pub parts: Vec<NewPart>,
    pub attributes: Vec<AttributeSeen>,
}

/// Writes the rows of the segments, one part per table, or several when a table is very large.
///
/// Stops with an error soon after `stop` is set. On error nothing is left behind but what the next start removes.
pub(crate) fn write_parts(folder: &PartsFolder, segments: &[Arc<SegmentRows>], stop: &AtomicBool) -> Result<Written, StoreError> {
    let mut written = Written::default();
    let result = write_tables(folder, segments, stop, &mut written);
    match result {
        Ok(()) => Ok(written),
        Err(error) => {
            remove_parts(folder, &written.parts);
            Err(error)
        }
    }
}

/// Removes parts that the catalog will not hear of.
pub(crate) fn remove_parts(folder: &PartsFolder, parts: &[NewPart]) {
    for part in parts {
        if let Err(error) = fs::remove_file(folder.path.join(&part.path)) {
            tracing::warn!(%error, path = part.path, "cannot remove an unused part; the next start does");
        }
    }
}

fn write_tables(
    folder: &PartsFolder,
    segments: &[Arc<SegmentRows>],
    stop: &AtomicBool,
    written: &mut Written,
) -> Result<(), StoreError> {
    let projects: HashSet<&String> = segments.iter().flat_map(|segment| segment.projects.keys()).collect();
    for project in projects {
        for signal in Signal::ALL {
            let tables = segments.iter().filter_map(|segment| segment.projects.get(project));
            let chunks: Vec<Arc<Chunk>> = tables.flat_map(|tables| tables[signal as usize].chunks()).cloned().collect();
            for chunks in split(chunks) {
                let (part, seen) = write_part(folder, project, signal, chunks, stop)?;
                written.parts.push(part);
                written.attributes.extend(seen);
            }
        }
    }
    Ok(())
}

/// Groups of chunks that each make one part.
fn split(chunks: Vec<Arc<Chunk>>) -> Vec<Vec<Arc<Chunk>>> {
    let mut groups: Vec<(usize, Vec<Arc<Chunk>>)> = Vec::new();
    for chunk in chunks {
        match groups.last_mut() {
            Some((bytes, group)) if *bytes + chunk.bytes <= PART_MEMORY_BYTES_MAX => {
                *bytes += chunk.bytes;
                group.push(chunk);
            }
            _ => groups.push((chunk.bytes, vec![chunk])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn write_part(
    folder: &PartsFolder,
    project: &str,
    signal: Signal,
    chunks: Vec<Arc<Chunk>>,
    stop: &AtomicBool,
) -> Result<(NewPart, Vec<AttributeSeen>), StoreError> {
    let batches = within_columns(chunks.iter().map(|chunk| chunk.batch.clone()).collect(), signal)?;
    let schema = part_schema(&batches, signal);
    let order = time_order(&batches)?;
    let (Some(first), Some(last)) = (order.first(), order.last()) else {
        return Err(StoreError::Corrupt("part without rows".into()));
    };
    let path = format!("{}/{}/{}.parquet", folder_name(project), signal.table(), uuid::Uuid::now_v7().simple());
    let part = NewPart {
        project: project.to_owned(),
        signal: signal.table().to_owned(),
        rows: order.len() as u64,
        bytes: write_file(folder, &path, &schema, &batches, &order, stop)?,
        min_time: first.0,
        max_time: last.0,
        level: 0,
        path,
    };
    let seen = batches.first().map(|_| attributes_seen(&schema, signal, &part)).unwrap_or_default();
    Ok((part, seen))
}

/// The batches with at most [`ATTRIBUTE_COLUMNS_MAX`] attribute columns together: the rarest go to `attributes_rest`.
fn within_columns(batches: Vec<RecordBatch>, signal: Signal) -> Result<Vec<RecordBatch>, StoreError> {
    let mut values: HashMap<&str, usize> = HashMap::new();
    for batch in &batches {
        for (name, _) in attributes(signal, batch) {
            let present = batch.column_by_name(name).map_or(0, |column| column.len() - column.null_count());
            *values.entry(name).or_default() += present;
        }
    }
    if values.len() <= ATTRIBUTE_COLUMNS_MAX {
        return Ok(batches);
    }
    let mut by_values: Vec<(&str, usize)> = values.into_iter().collect();
    by_values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let rare: HashSet<&str> = by_values.drain(ATTRIBUTE_COLUMNS_MAX..).map(|(name, _)| name).collect();
    batches.iter().map(|batch| fold(batch, signal, &|name| rare.contains(name))).collect()
}

/// All fixed columns, then the attributes in order of their keys: every part of a table reads alike.
fn part_schema(batches: &[RecordBatch], signal: Signal) -> Schema {
    let union = union_schema(batches.iter(), signal);
    let fixed = columns::schema(signal);
    let mut fields: Vec<Field> = Vec::with_capacity(union.fields().len());
    for field in fixed.fields() {
        // Long repeating texts stay dictionaries on their way; the file says plain text.
        let in_memory = union.field_with_name(field.name()).map_or(field.data_type(), Field::data_type);
        fields.push(Field::new(field.name(), in_memory.clone(), field.is_nullable()));
    }
    let mut attributes: Vec<Field> = union
        .fields()
        .iter()
        .filter(|field| !columns::is_fixed(signal, field.name()))
        .map(|field| field.as_ref().clone())
        .collect();
    attributes.sort_by(|a, b| a.name().cmp(b.name()));
    fields.append(&mut attributes);
    Schema::new(fields)
}

/// Every row's time, batch and place in the batch, oldest first.
fn time_order(batches: &[RecordBatch]) -> Result<Vec<(i64, u32, u32)>, StoreError> {
    let mut order = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for (batch, number) in batches.iter().zip(0..) {
        let time = batch.column_by_name(columns::TIME).and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        let time = time.ok_or_else(|| StoreError::Corrupt("batch without a time column".into()))?;
        order.extend(time.values().iter().zip(0..).map(|(time, row)| (*time, number, row)));
    }
    order.sort_unstable();
    Ok(order)
}

/// Writes and verifies the file; returns its size in bytes. Durable under its name when it returns.
fn write_file(
    folder: &PartsFolder,
    path: &str,
    schema: &Schema,
    batches: &[RecordBatch],
    order: &[(i64, u32, u32)],
    stop: &AtomicBool,
) -> Result<u64, StoreError> {
    let path = folder.path.join(path);
    let temporary = path.with_extension(TEMPORARY);
    make_folder(&path, folder)?;
    let result = write_temporary(&temporary, schema, batches, order, stop, folder.fsync)
        .and_then(|()| verify(&temporary, order.len()))
        .and_then(|bytes| {
            let renamed = fs::rename(&temporary, &path);
            renamed.map_err(StoreError::io(format!("rename part to {}", path.display())))?;
            sync_folder(path.parent().unwrap_or(&folder.path), folder.fsync)?;
            Ok(bytes)
        });
    if result.is_err() {
        // It may not have come so far that there is one.
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write_temporary(
    path: &Path,
    schema: &Schema,
    batches: &[RecordBatch],
    order: &[(i64, u32, u32)],
    stop: &AtomicBool,
    fsync: bool,
) -> Result<(), StoreError> {
    let file = File::create(path).map_err(StoreError::io(format!("create part {}", path.display())))?;
    // The types in the file are said by Parquet's own; Arrow's schema would bring the dictionaries back.
    let options = ArrowWriterOptions::new().with_properties(properties(order.len())).with_skip_arrow_metadata(true);
    let schema = Arc::new(schema.clone());
    let mut writer = ArrowWriter::try_new_with_options(BufWriter::new(file), Arc::clone(&schema), options)?;
    for rows in order.chunks(ROW_GROUP_ROWS) {
        let places: Vec<(usize, usize)> = rows.iter().map(|(_, batch, row)| (*batch as usize, *row as usize)).collect();
        let mut gathered = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            if stop.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("store is shutting down".into()));
            }
            gathered.push(gather(batches, field, &places)?);
        }
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), gathered)?)?;
        writer.flush()?;
    }
    let buffered = writer.into_inner()?;
    let failed = || StoreError::io(format!("write part {}", path.display()));
    let file = buffered.into_inner().map_err(|error| failed()(error.into_error()))?;
    if fsync { file.sync_all().map_err(failed()) } else { Ok(()) }
}

/// One column of the rows at `places`.
fn gather(batches: &[RecordBatch], field: &Field, places: &[(usize, usize)]) -> Result<ArrayRef, StoreError> {
    let arrays = batches.iter().map(|batch| column_as(batch, field)).collect::<Result<Vec<_>, _>>()?;
    Ok(interleave(&arrays.iter().map(ArrayRef::as_ref).collect::<Vec<_>>(), places)?)
}

fn properties(rows: usize) -> WriterProperties {
    let column = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_created_by("cupola".to_owned())
        .set_compression(Compression::LZ4_RAW)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(vec![SortingColumn { column_idx: 0, descending: false, nulls_first: false }]))
        // Ascending times differ by little.
        .set_column_dictionary_enabled(column(columns::TIME), false)
        .set_column_encoding(column(columns::TIME), Encoding::DELTA_BINARY_PACKED)
        // Ids of spans hardly repeat.
        .set_column_dictionary_enabled(column(columns::SPAN_ID), false);
    for name in [columns::TRACE_ID, columns::LINKED_TRACE_ID, columns::REQUEST_TRACE_ID] {
        properties = properties
            .set_column_bloom_filter_enabled(column(name), true)
            .set_column_bloom_filter_max_ndv(column(name), rows.clamp(1, ROW_GROUP_ROWS) as u64);
    }
    properties.build()
}

/// Reads the footer back and returns the file's size.
fn verify(path: &Path, rows: usize) -> Result<u64, StoreError> {
    let file = File::open(path).map_err(StoreError::io(format!("open part {}", path.display())))?;
    let metadata: ParquetMetaData = ParquetMetaDataReader::new().parse_and_finish(&file)?;
    let written = metadata.file_metadata().num_rows();
    if written != rows as i64 {
        return Err(StoreError::Corrupt(format!("{}: holds {written} rows, expected {rows}", path.display())));
    }
    Ok(file.metadata().map_err(StoreError::io(format!("open part {}", path.display())))?.len())
}

/// Makes the folder of a file, durable up to the folder of parts.
fn make_folder(file: &Path, parts: &PartsFolder) -> Result<(), StoreError> {
    let Some(folder) = file.parent() else { return Ok(()) };
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(StoreError::io(format!("create folder {}", folder.display())))?;
    let parents = folder.ancestors().skip(1).take_while(|ancestor| ancestor.starts_with(&parts.path));
    parents.into_iter().try_for_each(|parent| sync_folder(parent, parts.fsync))
}

/// A project's name as a folder's: letters, digits and dashes as they are, every other byte as `_` and two hex digits.
fn folder_name(project: &str) -> String {
    let mut name = String::with_capacity(project.len());
    for byte in project.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!("_{byte:02x}")),
        }
    }
    name
}

fn attributes_seen(schema: &Schema, signal: Signal, part: &NewPart) -> Vec<AttributeSeen> {
    let fields = schema.fields().iter().filter(|field| !columns::is_fixed(signal, field.name()));
    fields
        .map(|field| AttributeSeen {
            project: part.project.clone(),
            signal: part.signal.clone(),
            key: field.name().clone(),
            r#type: columns::attribute_type(field.data_type()),
            first_seen_unix_nano: part.min_time,
            last_seen_unix_nano: part.max_time,
        })
        .collect()
}

/// Removes every file of the folder that the catalog does not name: parts of flushes that a crash cut off.
pub(crate) fn remove_orphans(folder: &PartsFolder, known: &HashSet<String>) -> Result<usize, StoreError> {
    let mut removed = 0;
    let mut folders = vec![folder.path.clone()];
    while let Some(current) = folders.pop() {
        let failed = || StoreError::io(format!("list folder {}", current.display()));
        for entry in fs::read_dir(&current).map_err(failed())? {
            let path = entry.map_err(failed())?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let ours = path.extension().is_some_and(|extension| extension == "parquet" || extension == TEMPORARY);
            let name = path.strip_prefix(&folder.path).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if ours && !known.contains(&name) {
                fs::remove_file(&path).map_err(StoreError::io(format!("remove {}", path.display())))?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}
