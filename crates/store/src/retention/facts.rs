//! Rows as retention's judge sees them, and rows after the judgement.

use std::sync::Arc;

use analysis::retention::survey::{LogFacts, SpanFacts, Verdicts};
use analysis::retention::{Class, Fate, Level, TraceKey};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, TimestampNanosecondType};
use model::Signal;

use crate::columns;
use crate::error::StoreError;

/// What is asked of a span.
pub(super) const SPAN_COLUMNS: [&str; 13] = [
    columns::TIME,
    columns::TRACE_ID,
    columns::LINKED_TRACE_ID,
    columns::PARENT_SPAN_ID,
    columns::SERVICE_NAME,
    columns::SAMPLE_RATE,
    columns::RETENTION_SHARE,
    "kind",
    "name",
    "http.route",
    "duration_ns",
    "status_code",
    "in_progress",
];

/// What is asked of a log record.
pub(super) const LOG_COLUMNS: [&str; 9] = [
    columns::TIME,
    columns::TRACE_ID,
    columns::REQUEST_TRACE_ID,
    columns::SERVICE_NAME,
    columns::SAMPLE_RATE,
    columns::RETENTION_SHARE,
    columns::ERROR_GROUP,
    "severity_number",
    "body",
];

/// One column of a batch, by rows; a column that is not there has only nulls.
struct Texts<'a>(Option<&'a StringArray>);
struct Integers<'a>(Option<&'a [i64]>);
struct Floats<'a>(Option<&'a Float64Array>);
struct Ids<'a>(Option<&'a FixedSizeBinaryArray>);
struct Flags<'a>(Option<&'a BooleanArray>);

impl<'a> Texts<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Texts<'a> {
        Texts(batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()))
    }

    fn at(&self, row: usize) -> Option<&'a str> {
        self.0.filter(|column| column.is_valid(row)).map(|column| column.value(row))
    }
}

impl<'a> Integers<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Integers<'a> {
        let column = batch.column_by_name(name);
        let integers = column.and_then(|column| column.as_primitive_opt::<Int64Type>()).map(|column| &column.values()[..]);
        let times = || column.and_then(|column| column.as_primitive_opt::<TimestampNanosecondType>());
        Integers(integers.or_else(|| times().map(|column| &column.values()[..])))
    }

    fn at(&self, row: usize) -> i64 {
        self.0.map_or(0, |values| values[row])
    }
}

impl<'a> Floats<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Floats<'a> {
        Floats(batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>()))
    }

    fn at(&self, row: usize) -> f64 {
        self.0.filter(|column| column.is_valid(row)).map_or(1.0, |column| column.value(row))
    }
}

impl<'a> Ids<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Ids<'a> {
        Ids(batch.column_by_name(name).and_then(|column| column.as_fixed_size_binary_opt()))
    }

    fn at(&self, row: usize) -> Option<&'a [u8]> {
        self.0.filter(|column| column.is_valid(row)).map(|column| column.value(row))
    }

    fn trace(&self, row: usize) -> Option<TraceKey> {
        let id: &[u8; 16] = self.at(row)?.try_into().ok()?;
        Some(TraceKey::new(id))
    }
}

impl<'a> Flags<'a> {
    fn of(batch: &'a RecordBatch, name: &str) -> Flags<'a> {
        Flags(batch.column_by_name(name).and_then(|column| column.as_boolean_opt()))
    }

    fn at(&self, row: usize) -> bool {
        self.0.is_some_and(|column| column.is_valid(row) && column.value(row))
    }
}

/// A batch of spans.
pub(super) struct Spans<'a> {
    rows: usize,
    time: Integers<'a>,
    trace: Ids<'a>,
    linked: Ids<'a>,
    parent: Ids<'a>,
    service: Texts<'a>,
    weight: Floats<'a>,
    kind: Texts<'a>,
    name: Texts<'a>,
    route: Texts<'a>,
    duration: Integers<'a>,
    status: Texts<'a>,
    in_progress: Flags<'a>,
}

impl<'a> Spans<'a> {
    pub fn of(batch: &'a RecordBatch) -> Spans<'a> {
        Spans {
            rows: batch.num_rows(),
            time: Integers::of(batch, columns::TIME),
            trace: Ids::of(batch, columns::TRACE_ID),
            linked: Ids::of(batch, columns::LINKED_TRACE_ID),
            parent: Ids::of(batch, columns::PARENT_SPAN_ID),
            service: Texts::of(batch, columns::SERVICE_NAME),
            weight: Floats::of(batch, columns::SAMPLE_RATE),
            kind: Texts::of(batch, "kind"),
            name: Texts::of(batch, "name"),
            route: Texts::of(batch, "http.route"),
            duration: Integers::of(batch, "duration_ns"),
            status: Texts::of(batch, "status_code"),
            in_progress: Flags::of(batch, "in_progress"),
        }
    }

    pub fn each(&self) -> impl Iterator<Item = SpanFacts<'a>> + '_ {
        (0..self.rows).filter_map(|row| self.at(row))
    }

    fn at(&self, row: usize) -> Option<SpanFacts<'a>> {
        let kind = self.kind.at(row).unwrap_or_default();
        let is_root = self.parent.at(row).is_none();
        let is_request = matches!(kind, "server" | "consumer") || (is_root && kind != "client");
        let route = || self.route.at(row).or_else(|| self.name.at(row));
        Some(SpanFacts {
            time: self.time.at(row),
            trace: self.trace.trace(row)?,
            linked: self.linked.trace(row),
            service: self.service.at(row).unwrap_or_default(),
            route: if is_request && !self.in_progress.at(row) { route() } else { None },
            duration_ns: self.duration.at(row),
            is_error: self.status.at(row) == Some("error"),
            weight: self.weight.at(row),
        })
    }
}

/// A batch of log records.
pub(super) struct Logs<'a> {
    rows: usize,
    time: Integers<'a>,
    trace: Ids<'a>,
    request_trace: Ids<'a>,
    service: Texts<'a>,
    weight: Floats<'a>,
    severity: Integers<'a>,
    group: Texts<'a>,
    body: Texts<'a>,
}

impl<'a> Logs<'a> {
    pub fn of(batch: &'a RecordBatch) -> Logs<'a> {
        Logs {
            rows: batch.num_rows(),
            time: Integers::of(batch, columns::TIME),
            trace: Ids::of(batch, columns::TRACE_ID),
            request_trace: Ids::of(batch, columns::REQUEST_TRACE_ID),
            service: Texts::of(batch, columns::SERVICE_NAME),
            weight: Floats::of(batch, columns::SAMPLE_RATE),
            severity: Integers::of(batch, "severity_number"),
            group: Texts::of(batch, columns::ERROR_GROUP),
            body: Texts::of(batch, "body"),
        }
    }

    pub fn each(&self) -> impl Iterator<Item = LogFacts<'a>> + '_ {
        (0..self.rows).map(|row| self.at(row))
    }

    fn at(&self, row: usize) -> LogFacts<'a> {
        LogFacts {
            time: self.time.at(row),
            // As the page tells it: a record belongs to the trace it names, else to the one that delivered it.
            trace: self.trace.trace(row).or_else(|| self.request_trace.trace(row)),
            service: self.service.at(row).unwrap_or_default(),
            severity_number: self.severity.at(row),
            error_group: self.group.at(row),
            body: self.body.at(row).unwrap_or_default(),
            weight: self.weight.at(row),
        }
    }
}

/// Each row's class and fate; nothing for rows of other windows.
pub(super) fn judged(batch: &RecordBatch, signal: Signal, verdicts: &Verdicts, level: Level) -> Vec<Option<(Class, Fate)>> {
    let shares = Floats::of(batch, columns::RETENTION_SHARE);
    if signal == Signal::Logs {
        let logs = Logs::of(batch);
        return (0..batch.num_rows()).map(|row| verdicts.of_log(&logs.at(row), shares.at(row), level)).collect();
    }
    let (times, traces) = (Integers::of(batch, columns::TIME), Ids::of(batch, columns::TRACE_ID));
    let one = |row| verdicts.of_trace(times.at(row), traces.trace(row)?, shares.at(row), level);
    (0..batch.num_rows()).map(one).collect()
}

/// The rows that stay, with their new weights. The share's column is there afterwards, whether it was before or not.
pub(super) fn after(batch: &RecordBatch, judged: &[Option<(Class, Fate)>]) -> Result<RecordBatch, StoreError> {
    let (shares, weights) = (Floats::of(batch, columns::RETENTION_SHARE), Floats::of(batch, columns::SAMPLE_RATE));
    let mut stays = Vec::with_capacity(judged.len());
    let mut new_shares = Vec::with_capacity(judged.len());
    let mut new_weights = Vec::with_capacity(judged.len());
    for (row, judged) in judged.iter().enumerate() {
        let known = shares.0.filter(|column| column.is_valid(row)).map(|column| column.value(row));
        let (stay, share, weight) = match judged {
            Some((_, Fate::Goes)) => (false, None, 1.0),
            Some((_, Fate::Stands { share, factor })) => (true, Some(*share), weights.at(row) * factor),
            _ => (true, known, weights.at(row)),
        };
        stays.push(stay);
        new_shares.push(share);
        new_weights.push(weight);
    }
    let changed = with_column(batch, columns::SAMPLE_RATE, false, Arc::new(Float64Array::from(new_weights)))?;
    let changed = with_column(&changed, columns::RETENTION_SHARE, true, Arc::new(Float64Array::from(new_shares)))?;
    Ok(filter_record_batch(&changed, &BooleanArray::from(stays))?)
}

/// The batch with a column of floats in the place of the one of that name, or behind the others.
fn with_column(batch: &RecordBatch, name: &str, is_nullable: bool, column: ArrayRef) -> Result<RecordBatch, StoreError> {
    let schema = batch.schema();
    let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
    let mut arrays = batch.columns().to_vec();
    match schema.index_of(name) {
        Ok(place) => arrays[place] = column,
        Err(_) => {
            fields.push(Arc::new(Field::new(name, DataType::Float64, is_nullable)));
            arrays.push(column);
        }
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}
