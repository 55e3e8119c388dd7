//! Rows that are there twice: what was sent again after a lost reply, and a provisional span whose complete one came.
//!
//! Rows of the same nanosecond that are equal in every column, except those that tell of their delivery, were sent again if
//! they came with another request: a sender that means two says so in one request. Of each such row as many stay as one
//! request held of it at most. A provisional span goes when a complete one with its ids is among the rows.

use std::collections::{HashMap, HashSet};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, TimestampNanosecondType};
use model::Signal;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::statistics::Statistics;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::merge::times;
use crate::columns;
use crate::error::StoreError;
use crate::limits::PROVISIONAL_SPANS_MAX;
use crate::part_columns::as_codes;
use crate::parts_reader::{PartChunks, PartsReader};
use crate::snapshot::Part;

/// Columns in which a row that was sent again may differ.
const DELIVERY: [&str; 3] = [columns::RECEIVED_AT, columns::REQUEST_TRACE_ID, columns::REQUEST_SPAN_ID];

const IN_PROGRESS: &str = "in_progress";

/// Trace id and span id.
type SpanKey = ([u8; 16], [u8; 8]);

/// What is known before the rows go by.
pub(crate) struct Folding {
    signal: Signal,
    /// Spans of which there is a provisional row and a complete one.
    completed: HashSet<SpanKey>,
    /// Rows that were left out so far.
    pub folded: u64,
}

impl Folding {
    /// Looks which provisional spans have been completed. Reads ids only, and only if there are provisional spans.
    pub fn new(reader: &PartsReader, signal: Signal, parts: &[Part]) -> Result<Folding, StoreError> {
        let mut folding = Folding { signal, completed: HashSet::new(), folded: 0 };
        if signal != Signal::Spans {
            return Ok(folding);
        }
        let mut provisional: HashSet<SpanKey> = HashSet::new();
        for part in parts {
            if may_be_provisional(reader, part)? {
                for_each_span(reader, part, &mut |key, in_progress| {
                    if in_progress && provisional.len() < PROVISIONAL_SPANS_MAX {
                        provisional.insert(key);
                    }
                })?;
            }
        }
        if !provisional.is_empty() {
            for part in parts {
                for_each_span(reader, part, &mut |key, in_progress| {
                    if !in_progress && provisional.contains(&key) {
                        folding.completed.insert(key);
                    }
                })?;
            }
        }
        Ok(folding)
    }

    /// The rows without those that need not be there. Rows of one moment come in one batch.
    pub fn fold(&mut self, rows: RecordBatch) -> Result<RecordBatch, StoreError> {
        let mut dropped: Vec<usize> = Vec::new();
        self.drop_completed(&rows, &mut dropped);
        drop_repeated(&rows, self.signal, &mut dropped);
        if dropped.is_empty() {
            return Ok(rows);
        }
        dropped.sort_unstable();
        dropped.dedup();
        self.folded += dropped.len() as u64;
        let kept = BooleanBuffer::collect_bool(rows.num_rows(), |row| dropped.binary_search(&row).is_err());
        Ok(filter_record_batch(&rows, &BooleanArray::from(kept))?)
    }

    fn drop_completed(&self, rows: &RecordBatch, dropped: &mut Vec<usize>) {
        if self.completed.is_empty() {
            return;
        }
        let Some(spans) = SpanRows::of(rows) else { return };
        dropped.extend(
            (0..rows.num_rows())
                .filter(|row| spans.in_progress.value(*row) && spans.key(*row).is_some_and(|key| self.completed.contains(&key))),
        );
    }
}

/// The columns by which a span is known.
struct SpanRows<'a> {
    trace_id: &'a arrow::array::FixedSizeBinaryArray,
    span_id: &'a arrow::array::FixedSizeBinaryArray,
    in_progress: &'a BooleanArray,
}

impl SpanRows<'_> {
    fn of(rows: &RecordBatch) -> Option<SpanRows<'_>> {
        Some(SpanRows {
            trace_id: rows.column_by_name(columns::TRACE_ID)?.as_fixed_size_binary_opt()?,
            span_id: rows.column_by_name(columns::SPAN_ID)?.as_fixed_size_binary_opt()?,
            in_progress: rows.column_by_name(IN_PROGRESS)?.as_boolean_opt()?,
        })
    }

    fn key(&self, row: usize) -> Option<SpanKey> {
        Some((self.trace_id.value(row).try_into().ok()?, self.span_id.value(row).try_into().ok()?))
    }
}

/// Whether any row of the part says that it is provisional, by its statistics.
fn may_be_provisional(reader: &PartsReader, part: &Part) -> Result<bool, StoreError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(PartChunks(reader.open(&part.path)?))?;
    let columns = builder.metadata().row_groups().iter().flat_map(|group| group.columns());
    let mut told = columns.filter(|column| column.column_descr().name() == IN_PROGRESS).map(|column| column.statistics());
    Ok(told.any(|statistics| !matches!(statistics, Some(Statistics::Boolean(values)) if values.max_opt() == Some(&false))))
}

fn for_each_span(reader: &PartsReader, part: &Part, see: &mut dyn FnMut(SpanKey, bool)) -> Result<(), StoreError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(PartChunks(reader.open(&part.path)?))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [columns::TRACE_ID, columns::SPAN_ID, IN_PROGRESS]);
    for rows in builder.with_projection(mask).build()? {
        let rows = rows?;
        let Some(spans) = SpanRows::of(&rows) else { continue };
        for row in 0..rows.num_rows() {
            if let Some(key) = spans.key(row) {
                see(key, spans.in_progress.value(row));
            }
        }
    }
    Ok(())
}

/// Finds rows that were sent again.
fn drop_repeated(rows: &RecordBatch, signal: Signal, dropped: &mut Vec<usize>) {
    let times = times(rows);
    if times.windows(2).all(|pair| pair[0] != pair[1]) {
        return;
    }
    let Some(received) = rows.column_by_name(columns::RECEIVED_AT) else { return };
    // Codes will do: what came with one request has one.
    let received: Vec<i64> = match (received.as_primitive_opt::<TimestampNanosecondType>(), as_codes(received)) {
        (Some(times), _) => times.values().to_vec(),
        (_, Some(codes)) => codes.values().iter().map(|code| i64::from(*code)).collect(),
        _ => return,
    };
    let mut first = 0;
    while first < times.len() {
        let end = first + times[first..].iter().take_while(|time| **time == times[first]).count();
        // Rows of one request are never taken for one another, so there must be two.
        if received[first..end].iter().any(|at| *at != received[first]) {
            drop_repeated_among(rows, signal, first..end, &received, dropped);
        }
        first = end;
    }
}

/// Among rows of one moment.
fn drop_repeated_among(
    rows: &RecordBatch,
    signal: Signal,
    range: std::ops::Range<usize>,
    received: &[i64],
    dropped: &mut Vec<usize>,
) {
    let mut alike: HashMap<u64, Vec<usize>> = HashMap::new();
    for row in range {
        alike.entry(telling_hash(rows, signal, row)).or_default().push(row);
    }
    for candidates in alike.into_values().filter(|candidates| candidates.len() > 1) {
        let mut rest = candidates;
        while let Some(first) = rest.first().copied() {
            let (equal, others): (Vec<usize>, Vec<usize>) = rest.iter().partition(|row| are_equal(rows, first, **row));
            rest = others;
            let mut by_request: HashMap<i64, Vec<usize>> = HashMap::new();
            equal.iter().for_each(|row| by_request.entry(received[*row]).or_default().push(*row));
            // Of the request that held most of them; of several such, the first.
            let kept = by_request.iter().max_by_key(|(at, rows)| (rows.len(), std::cmp::Reverse(**at))).map(|(at, _)| *at);
            dropped.extend(equal.into_iter().filter(|row| Some(received[*row]) != kept));
        }
    }
}

/// A hash of the columns that tell most rows of a signal apart.
fn telling_hash(rows: &RecordBatch, signal: Signal, row: usize) -> u64 {
    let columns: [&str; 2] = match signal {
        Signal::Spans => [columns::TRACE_ID, columns::SPAN_ID],
        Signal::Logs => ["body", columns::SPAN_ID],
        Signal::Metrics => ["series", "metric"],
    };
    let mut hash = 0;
    for column in columns.iter().filter_map(|name| rows.column_by_name(name)) {
        hash = xxh3_64_with_seed(bytes_of(column, row), hash).wrapping_add(xxh3_64(&hash.to_le_bytes()));
    }
    hash
}

fn bytes_of(column: &ArrayRef, row: usize) -> &[u8] {
    if column.is_null(row) {
        return &[];
    }
    if let Some(ids) = column.as_fixed_size_binary_opt() {
        return ids.value(row);
    }
    if let Some(texts) = column.as_string_opt::<i32>() {
        return texts.value(row).as_bytes();
    }
    if let Some(codes) = as_codes(column) {
        return &codes.values().inner().as_slice()[row * 4..row * 4 + 4];
    }
    match column.as_primitive_opt::<Int64Type>() {
        Some(numbers) => &numbers.values().inner().as_slice()[row * 8..row * 8 + 8],
        None => &[],
    }
}

fn are_equal(rows: &RecordBatch, one: usize, other: usize) -> bool {
    let schema = rows.schema_ref();
    one == other
        || schema.fields().iter().zip(rows.columns()).all(|(field, column)| {
            DELIVERY.contains(&field.name().as_str()) || column.slice(one, 1).to_data() == column.slice(other, 1).to_data()
        })
}
