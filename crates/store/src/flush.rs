//! Memory -> Parquet: one part per table, sorted by time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::interleave;
use arrow::datatypes::{Field, Schema, TimestampNanosecondType};
use model::Signal;
use parking_lot::Mutex;

use crate::coding::Coders;
use crate::columns;
use crate::error::StoreError;
use crate::limits::{ATTRIBUTE_COLUMNS_MAX, PART_MEMORY_BYTES_MAX};
use crate::memory::{Chunk, SegmentRows, column_as, union_schema};
use crate::part_writer::{PartOptions, PartWriter, PartsPlace, WrittenPart};
use crate::registry::{attributes, fold};

/// Writes the rows of the segments, one part per table, or several when a table is very large.
///
/// Stops with an error soon after `stop` is set. On error nothing is left behind but what the next start removes.
pub(crate) fn write_parts(
    place: &PartsPlace,
    segments: &[Arc<SegmentRows>],
    stop: &AtomicBool,
) -> Result<Vec<WrittenPart>, StoreError> {
    let mut written = Vec::new();
    let result = write_tables(place, segments, stop, &mut written);
    match result {
        Ok(()) => Ok(written),
        Err(error) => {
            remove_parts(place, &written);
            Err(error)
        }
    }
}

/// Removes parts that the catalog will not hear of.
pub(crate) fn remove_parts(place: &PartsPlace, parts: &[WrittenPart]) {
    for written in parts {
        if let Some(run) = &written.run {
            run.remove();
        }
        if let Err(error) = place.folder.remove_part(&written.part.path) {
            tracing::warn!(%error, path = written.part.path, "cannot remove an unused part; the next start does");
        }
    }
}

fn write_tables(
    place: &PartsPlace,
    segments: &[Arc<SegmentRows>],
    stop: &AtomicBool,
    written: &mut Vec<WrittenPart>,
) -> Result<(), StoreError> {
    let projects: HashSet<&String> = segments.iter().flat_map(|segment| segment.projects.keys()).collect();
    for project in projects {
        for signal in Signal::ALL {
            let tables = segments.iter().filter_map(|segment| segment.projects.get(project));
            let chunks: Vec<Arc<Chunk>> = tables.flat_map(|tables| tables[signal as usize].chunks()).cloned().collect();
            for chunks in split(chunks) {
                written.push(write_part(place, PartOptions { project, signal, level: 0, stop }, &chunks)?);
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

pub(crate) fn write_part(place: &PartsPlace, options: PartOptions<'_>, chunks: &[Arc<Chunk>]) -> Result<WrittenPart, StoreError> {
    let batches = within_columns(chunks.iter().map(|chunk| chunk.batch.clone()).collect(), options.signal)?;
    let schema = Arc::new(part_schema(&batches, options.signal));
    let order = time_order(&batches)?;
    let coders = Arc::new(Mutex::new(Coders::new(&schema)));
    let places: Vec<(usize, usize)> = order.iter().map(|(_, batch, row)| (*batch as usize, *row as usize)).collect();
    let mut writer = PartWriter::with_coders(place, options, Arc::clone(&schema), Arc::clone(&coders))?;
    writer.write_by_column(places.len(), &mut |column| {
        let pieces = coded_pieces(&batches, column, schema.field(column), &mut coders.lock())?;
        let places = places.as_slice();
        Ok(Box::new(move |rows| gather(&pieces, &places[rows])))
    })?;
    writer.finish()
}

/// One column of all batches: as codes, made here where equal values lie together, or as it is.
fn coded_pieces(batches: &[RecordBatch], place: usize, field: &Field, coders: &mut Coders) -> Result<Vec<ArrayRef>, StoreError> {
    let pieces = batches.iter().map(|batch| column_as(batch, field)).collect::<Result<Vec<_>, _>>()?;
    let mut codes: Vec<ArrayRef> = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        match coders.code(place, piece)? {
            Some(piece) => codes.push(Arc::new(piece)),
            None => {
                coders.give_up(place);
                return Ok(pieces);
            }
        }
    }
    Ok(codes)
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

/// The fixed columns that have a value, then the attributes in order of their keys: every part of a table reads alike.
pub(crate) fn part_schema(batches: &[RecordBatch], signal: Signal) -> Schema {
    let union = union_schema(batches.iter(), signal);
    let fixed = columns::schema(signal);
    let mut fields: Vec<Field> = Vec::with_capacity(union.fields().len());
    for field in fixed.fields() {
        // Long repeating texts stay dictionaries on their way; the file says plain text.
        match union.field_with_name(field.name()) {
            Ok(found) => fields.push(Field::new(field.name(), found.data_type().clone(), field.is_nullable())),
            Err(_) if field.is_nullable() => {}
            Err(_) => fields.push(field.as_ref().clone()),
        }
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

/// One column of the rows at `places`.
fn gather(pieces: &[ArrayRef], places: &[(usize, usize)]) -> Result<ArrayRef, StoreError> {
    Ok(interleave(&pieces.iter().map(ArrayRef::as_ref).collect::<Vec<_>>(), places)?)
}
