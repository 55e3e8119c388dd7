//! The rows of one request, as Arrow builders: what a receiver pushes is copied once, into columns.
//!
//! Resource, scope and service are written once per run of rows; attributes go through [`AttributeColumns`]. Nothing is
//! allocated per row but what the growing columns need.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Float64Array, Float64Builder, Int32Array, Int64Array,
    Int64Builder, RecordBatch, StringBuilder, TimestampNanosecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::Int32Type;
use model::limits::{ATTRIBUTE_VALUE_BYTES_MAX, BODY_BYTES_MAX};
use model::{
    Attributes, DataPoint, LogRecord, Refusal, Resource, RowSink, Rows, Scope, Signal, Span, SpanId, SpanLink, TraceContext,
    TraceId, Value,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::attribute_columns::{AttributeColumns, Claims, Column, cut, cut_value, json_object};
use crate::columns;
use crate::error::StoreError;
use crate::limits::ROW_BUFFER_BYTES_MAX;
use crate::run::{Run, Said};
use crate::schemas::{Named, schema_of};

/// What the rows of one request share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowContext {
    pub receiver: &'static str,
    pub received_at_unix_nano: i64,
    /// The trace under which the request was made that delivered these rows.
    pub request: Option<TraceContext>,
}

/// Takes the rows of one request. Rows beyond [`ROW_BUFFER_BYTES_MAX`] are counted but not kept, and the append of such a
/// buffer is refused as a whole.
pub struct RowBuffer {
    context: RowContext,
    rows: Rows,
    bytes: usize,
    run: Run,
    spans: Option<Box<SpanColumns>>,
    logs: Option<Box<LogColumns>>,
    metrics: Option<Box<MetricColumns>>,
}

impl RowBuffer {
    pub fn new(context: RowContext) -> RowBuffer {
        RowBuffer { context, rows: Rows::default(), bytes: 0, run: Run::new(), spans: None, logs: None, metrics: None }
    }

    pub fn context(&self) -> RowContext {
        self.context
    }

    pub fn rows(&self) -> Rows {
        self.rows
    }

    /// Roughly what the rows take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows as one batch per signal that has any. Columns without a value are left out.
    ///
    /// Refuses: more than [`ROW_BUFFER_BYTES_MAX`] bytes of rows.
    pub fn finish(self) -> Result<Vec<(Signal, RecordBatch)>, StoreError> {
        if self.is_full() {
            return Err(StoreError::TooLarge { bytes: self.bytes, bytes_max: ROW_BUFFER_BYTES_MAX });
        }
        let mut batches = Vec::new();
        if let Some(spans) = self.spans {
            batches.push((Signal::Spans, spans.finish(self.context)?));
        }
        if let Some(logs) = self.logs {
            batches.push((Signal::Logs, logs.finish(self.context)?));
        }
        if let Some(metrics) = self.metrics {
            batches.push((Signal::Metrics, metrics.finish(self.context)?));
        }
        Ok(batches)
    }

    fn is_full(&self) -> bool {
        self.bytes > ROW_BUFFER_BYTES_MAX
    }
}

impl RowSink for RowBuffer {
    fn resource(&mut self, resource: &Resource<'_>) {
        self.run.resource(resource);
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        self.run.scope(scope);
    }

    fn span(&mut self, span: &Span<'_>) {
        self.rows.spans += 1;
        if !self.is_full() {
            self.bytes += self.spans.get_or_insert_default().push(span, &self.run);
        }
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        self.rows.logs += 1;
        if !self.is_full() {
            self.bytes += self.logs.get_or_insert_default().push(record, &self.run);
        }
    }

    fn data_point(&mut self, point: &DataPoint<'_>) {
        self.rows.metrics += 1;
        if !self.is_full() {
            self.bytes += self.metrics.get_or_insert_default().push(point, &self.run);
        }
    }

    /// Refusals are counted by whoever answers the request.
    fn refuse(&mut self, _refusal: Refusal) {}
}

/// The columns that every table has.
struct CommonColumns {
    rows: usize,
    resource_number: u32,
    scope_number: u32,
    time: Vec<i64>,
    sample_rate: Vec<f64>,
    service: Column,
    resource: RepeatingTexts,
    scope: RepeatingTexts,
    source: StringBuilder,
    attributes: AttributeColumns,
}

impl CommonColumns {
    fn new(signal: Signal) -> CommonColumns {
        CommonColumns {
            rows: 0,
            resource_number: 0,
            scope_number: 0,
            time: Vec::new(),
            sample_rate: Vec::new(),
            service: Column::new(columns::SERVICE_NAME.to_owned()),
            resource: RepeatingTexts::default(),
            scope: RepeatingTexts::default(),
            source: texts(),
            attributes: AttributeColumns::new(signal),
        }
    }

    /// Pushes what the row shares with every other; returns roughly its bytes and the attributes that were too many.
    fn push<'a>(
        &mut self,
        run: &Run,
        time: i64,
        sample_rate: f64,
        source: Option<&str>,
        attributes: &'a Attributes<'_>,
        claims: &mut Claims<'a>,
    ) -> (usize, usize) {
        self.enter(run);
        let (bytes, dropped) = self.attributes.row(attributes, claims);
        if let Some(service) = claims.service.take()
            && !service.trim().is_empty()
        {
            self.service.set(self.rows, &Value::str(service.trim()));
        }
        self.time.push(time);
        self.sample_rate.push(if sample_rate > 0.0 && sample_rate.is_finite() { sample_rate } else { 1.0 });
        self.resource.push();
        self.scope.push();
        self.source.append_option(source);
        self.rows += 1;
        (bytes + source.map_or(0, str::len) + ROW_BYTES, dropped)
    }

    /// Takes over the run's resource and scope, if they are others than those of the row before.
    fn enter(&mut self, run: &Run) {
        if self.resource_number != run.resource_number {
            self.resource_number = run.resource_number;
            self.attributes.resource(&run.resource.attributes);
            self.resource.begin(&run.resource);
        }
        if self.scope_number != run.scope_number {
            self.scope_number = run.scope_number;
            self.attributes.scope(&run.scope.attributes);
            self.scope.begin(&run.scope);
            if let Some(service) = run.scope.service.as_ref().or(run.resource.service.as_ref()) {
                self.service.fill_from(self.rows, Arc::clone(service));
            }
        }
    }

    fn finish(
        self,
        context: RowContext,
        mut own: Vec<(&'static str, ArrayRef)>,
        signal: Signal,
    ) -> Result<RecordBatch, StoreError> {
        let rows = self.rows;
        let mut receivers = StringBuilder::with_capacity(rows, rows * context.receiver.len());
        for _ in 0..rows {
            receivers.append_value(context.receiver);
        }
        let mut found: Vec<(&'static str, ArrayRef)> = vec![
            (columns::TIME, times(self.time)),
            (columns::RECEIVED_AT, times(vec![context.received_at_unix_nano; rows])),
            (columns::RECEIVER, Arc::new(receivers.finish())),
            (columns::RESOURCE, self.resource.finish()?),
            (columns::SCOPE, self.scope.finish()?),
            (columns::SAMPLE_RATE, Arc::new(Float64Array::from(self.sample_rate))),
            (columns::SOURCE, finish_texts(self.source)),
        ];
        if let Some((_, service)) = self.service.finish(rows) {
            found.push((columns::SERVICE_NAME, service));
        }
        if let Some(request) = context.request {
            let mut trace_ids = Ids::<16>::default();
            let mut span_ids = Ids::<8>::default();
            for _ in 0..rows {
                trace_ids.push(Some(request.trace_id.0));
                span_ids.push(request.span_id.map(|id| id.0));
            }
            found.push((columns::REQUEST_TRACE_ID, trace_ids.finish()?));
            found.push((columns::REQUEST_SPAN_ID, span_ids.finish()?));
        }
        found.append(&mut own);
        let (attributes, rest) = self.attributes.finish();
        found.extend(rest.map(|rest| (columns::ATTRIBUTES_REST, rest)));
        assemble(signal, found, attributes)
    }
}

/// Bytes of a row's fixed columns, roughly.
const ROW_BYTES: usize = 128;

/// The batch in the table's order of columns, without those that say nothing.
fn assemble(
    signal: Signal,
    mut found: Vec<(&'static str, ArrayRef)>,
    attributes: Vec<(String, ArrayRef)>,
) -> Result<RecordBatch, StoreError> {
    let table = columns::schema(signal);
    let mut named = Vec::with_capacity(found.len() + attributes.len());
    let mut arrays = Vec::with_capacity(named.capacity());
    for field in table.fields() {
        let Some(place) = found.iter().position(|(name, _)| name == field.name()) else { continue };
        let (_, array) = found.swap_remove(place);
        if field.is_nullable() && array.null_count() == array.len() {
            continue;
        }
        named.push(Named::Fixed(field, array.data_type().clone()));
        arrays.push(array);
    }
    for (name, array) in attributes {
        named.push(Named::Attribute(name, array.data_type().clone()));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(schema_of(named), arrays)?)
}

struct SpanColumns {
    common: CommonColumns,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    parent_span_id: Ids<8>,
    linked_trace_id: Ids<16>,
    trace_state: StringBuilder,
    flags: Vec<i64>,
    name: StringBuilder,
    kind: StringBuilder,
    duration_ns: Vec<i64>,
    status_code: StringBuilder,
    status_message: StringBuilder,
    in_progress: Vec<bool>,
    dropped_attributes_count: Vec<i64>,
    dropped_events_count: Vec<i64>,
    dropped_links_count: Vec<i64>,
    links: StringBuilder,
}

impl Default for SpanColumns {
    fn default() -> SpanColumns {
        SpanColumns {
            common: CommonColumns::new(Signal::Spans),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            parent_span_id: Ids::default(),
            linked_trace_id: Ids::default(),
            trace_state: texts(),
            flags: Vec::new(),
            name: texts(),
            kind: texts(),
            duration_ns: Vec::new(),
            status_code: texts(),
            status_message: texts(),
            in_progress: Vec::new(),
            dropped_attributes_count: Vec::new(),
            dropped_events_count: Vec::new(),
            dropped_links_count: Vec::new(),
            links: texts(),
        }
    }
}

impl SpanColumns {
    fn push(&mut self, span: &Span<'_>, run: &Run) -> usize {
        let mut claims = Claims::default();
        let (bytes, dropped) =
            self.common.push(run, span.start_time_unix_nano, span.sample_rate, span.source, span.attributes, &mut claims);
        let name = cut(span.name, ATTRIBUTE_VALUE_BYTES_MAX);
        self.trace_id.push(Some(span.trace_id.0));
        self.span_id.push(Some(span.span_id.0));
        self.parent_span_id.push(span.parent_span_id.map(|SpanId(id)| id));
        self.linked_trace_id.push(span.linked_trace_id.map(|TraceId(id)| id));
        self.trace_state.append_option(said(span.trace_state));
        self.flags.push(i64::from(span.flags));
        self.name.append_value(&name);
        self.kind.append_value(span.kind.as_str());
        self.duration_ns.push(span.duration_ns.max(0));
        self.status_code.append_value(span.status_code.as_str());
        self.status_message.append_option(said(span.status_message));
        self.in_progress.push(span.in_progress);
        self.dropped_attributes_count.push(i64::from(span.dropped_attributes_count) + dropped as i64);
        self.dropped_events_count.push(i64::from(span.dropped_events_count));
        self.dropped_links_count.push(i64::from(span.dropped_links_count));
        let links = if span.links.is_empty() { None } else { Some(links_json(span.links)) };
        let links_bytes = links.as_ref().map_or(0, String::len);
        self.links.append_option(links);
        bytes + name.len() + span.status_message.len() + span.trace_state.len() + links_bytes
    }

    fn finish(self, context: RowContext) -> Result<RecordBatch, StoreError> {
        let own: Vec<(&'static str, ArrayRef)> = vec![
            (columns::TRACE_ID, self.trace_id.finish()?),
            (columns::SPAN_ID, self.span_id.finish()?),
            (columns::PARENT_SPAN_ID, self.parent_span_id.finish()?),
            (columns::LINKED_TRACE_ID, self.linked_trace_id.finish()?),
            ("trace_state", finish_texts(self.trace_state)),
            ("flags", Arc::new(Int64Array::from(self.flags))),
            ("name", finish_texts(self.name)),
            ("kind", finish_texts(self.kind)),
            ("duration_ns", Arc::new(Int64Array::from(self.duration_ns))),
            ("status_code", finish_texts(self.status_code)),
            ("status_message", finish_texts(self.status_message)),
            ("in_progress", Arc::new(BooleanArray::from(self.in_progress))),
            ("dropped_attributes_count", Arc::new(Int64Array::from(self.dropped_attributes_count))),
            ("dropped_events_count", Arc::new(Int64Array::from(self.dropped_events_count))),
            ("dropped_links_count", Arc::new(Int64Array::from(self.dropped_links_count))),
            ("links", finish_texts(self.links)),
        ];
        self.common.finish(context, own, Signal::Spans)
    }
}

/// `[{"trace_id","span_id","trace_state","attributes":{…}}]`, ids in hex.
fn links_json(links: &[SpanLink<'_>]) -> String {
    let mut json = String::from("[");
    for (place, link) in links.iter().enumerate() {
        if place > 0 {
            json.push(',');
        }
        let mut state = String::new();
        model::json_string(link.trace_state, &mut state);
        let mut attributes: Vec<(String, String)> = Vec::with_capacity(link.attributes.len());
        for attribute in link.attributes.iter().rev() {
            if !attributes.iter().any(|(key, _)| *key == attribute.key) {
                let mut value = String::new();
                cut_value(&attribute.value).write_json(&mut value);
                attributes.insert(0, (attribute.key.clone().into_owned(), value));
            }
        }
        let attributes = json_object(&attributes);
        json.push_str(&format!(
            r#"{{"trace_id":"{}","span_id":"{}","trace_state":{state},"attributes":{attributes}}}"#,
            link.trace_id, link.span_id
        ));
    }
    json.push(']');
    json
}

struct LogColumns {
    common: CommonColumns,
    trace_id: Ids<16>,
    span_id: Ids<8>,
    flags: Vec<i64>,
    severity_number: Vec<i64>,
    severity_text: StringBuilder,
    event_name: StringBuilder,
    body: StringBuilder,
    exception: [StringBuilder; 3],
    error_group: StringBuilder,
    dropped_attributes_count: Vec<i64>,
}

impl Default for LogColumns {
    fn default() -> LogColumns {
        LogColumns {
            common: CommonColumns::new(Signal::Logs),
            trace_id: Ids::default(),
            span_id: Ids::default(),
            flags: Vec::new(),
            severity_number: Vec::new(),
            severity_text: texts(),
            event_name: texts(),
            body: texts(),
            exception: [texts(), texts(), texts()],
            error_group: texts(),
            dropped_attributes_count: Vec::new(),
        }
    }
}

impl LogColumns {
    fn push(&mut self, record: &LogRecord<'_>, run: &Run) -> usize {
        let exception = record.exception.as_ref();
        let mut claims = Claims {
            service: None,
            exception: [
                Cow::Borrowed(exception.map_or("", |exception| &exception.r#type)),
                Cow::Borrowed(exception.map_or("", |exception| &exception.message)),
                Cow::Borrowed(exception.map_or("", |exception| &exception.stacktrace)),
            ],
        };
        let (mut bytes, dropped) =
            self.common.push(run, record.time_unix_nano, record.sample_rate, record.source, record.attributes, &mut claims);
        for (builder, text) in self.exception.iter_mut().zip(&claims.exception) {
            let text = cut(text, BODY_BYTES_MAX);
            bytes += text.len();
            builder.append_option(said(&text));
        }
        let body = cut(&record.body, BODY_BYTES_MAX);
        self.trace_id.push(record.trace_id.map(|TraceId(id)| id));
        self.span_id.push(record.span_id.map(|SpanId(id)| id));
        self.flags.push(i64::from(record.flags));
        self.severity_number.push(i64::from(record.severity_number));
        self.severity_text.append_option(said(&cut(&record.severity_text, ATTRIBUTE_VALUE_BYTES_MAX)));
        self.event_name.append_option(said(&cut(record.event_name, ATTRIBUTE_VALUE_BYTES_MAX)));
        self.body.append_value(&body);
        self.error_group.append_option(exception.and_then(|exception| exception.group.as_deref()).and_then(said));
        self.dropped_attributes_count.push(i64::from(record.dropped_attributes_count) + dropped as i64);
        bytes + body.len()
    }

    fn finish(self, context: RowContext) -> Result<RecordBatch, StoreError> {
        let [exception_type, exception_message, exception_stacktrace] = self.exception;
        let own: Vec<(&'static str, ArrayRef)> = vec![
            (columns::TRACE_ID, self.trace_id.finish()?),
            (columns::SPAN_ID, self.span_id.finish()?),
            ("flags", Arc::new(Int64Array::from(self.flags))),
            ("severity_number", Arc::new(Int64Array::from(self.severity_number))),
            ("severity_text", finish_texts(self.severity_text)),
            ("event_name", finish_texts(self.event_name)),
            ("body", finish_texts(self.body)),
            (columns::EXCEPTION_TYPE, finish_texts(exception_type)),
            (columns::EXCEPTION_MESSAGE, finish_texts(exception_message)),
            (columns::EXCEPTION_STACKTRACE, finish_texts(exception_stacktrace)),
            (columns::ERROR_GROUP, finish_texts(self.error_group)),
            ("dropped_attributes_count", Arc::new(Int64Array::from(self.dropped_attributes_count))),
        ];
        self.common.finish(context, own, Signal::Logs)
    }
}

struct MetricColumns {
    common: CommonColumns,
    metric: StringBuilder,
    description: StringBuilder,
    unit: StringBuilder,
    r#type: StringBuilder,
    temporality: StringBuilder,
    is_monotonic: Vec<bool>,
    series: Vec<i64>,
    start_time: Vec<Option<i64>>,
    flags: Vec<i64>,
    value: Float64Builder,
    count: Int64Builder,
    sum: Float64Builder,
    min: Float64Builder,
    max: Float64Builder,
    buckets: StringBuilder,
    exemplars: StringBuilder,
}

impl Default for MetricColumns {
    fn default() -> MetricColumns {
        MetricColumns {
            common: CommonColumns::new(Signal::Metrics),
            metric: texts(),
            description: texts(),
            unit: texts(),
            r#type: texts(),
            temporality: texts(),
            is_monotonic: Vec::new(),
            series: Vec::new(),
            start_time: Vec::new(),
            flags: Vec::new(),
            value: Float64Builder::with_capacity(0),
            count: Int64Builder::with_capacity(0),
            sum: Float64Builder::with_capacity(0),
            min: Float64Builder::with_capacity(0),
            max: Float64Builder::with_capacity(0),
            buckets: texts(),
            exemplars: texts(),
        }
    }
}

impl MetricColumns {
    fn push(&mut self, point: &DataPoint<'_>, run: &Run) -> usize {
        let mut claims = Claims::default();
        let (bytes, _) = self.common.push(run, point.time_unix_nano, 1.0, None, point.attributes, &mut claims);
        let metric = cut(point.metric, ATTRIBUTE_VALUE_BYTES_MAX);
        self.metric.append_value(&metric);
        self.description.append_value(cut(point.description, ATTRIBUTE_VALUE_BYTES_MAX));
        self.unit.append_value(cut(point.unit, ATTRIBUTE_VALUE_BYTES_MAX));
        self.r#type.append_value(point.r#type.as_str());
        self.temporality.append_value(point.temporality.as_str());
        self.is_monotonic.push(point.is_monotonic);
        self.series.push(series(point, run));
        self.start_time.push((point.start_time_unix_nano != 0).then_some(point.start_time_unix_nano));
        self.flags.push(i64::from(point.flags));
        self.value.append_option(point.value);
        self.count.append_option(point.count.map(|count| i64::try_from(count).unwrap_or(i64::MAX)));
        self.sum.append_option(point.sum);
        self.min.append_option(point.min);
        self.max.append_option(point.max);
        self.buckets.append_option(said(&point.buckets));
        self.exemplars.append_option(said(&point.exemplars));
        bytes + metric.len() + point.description.len() + point.buckets.len() + point.exemplars.len()
    }

    fn finish(self, context: RowContext) -> Result<RecordBatch, StoreError> {
        let (mut value, mut count, mut sum, mut min, mut max) = (self.value, self.count, self.sum, self.min, self.max);
        let own: Vec<(&'static str, ArrayRef)> = vec![
            ("metric", finish_texts(self.metric)),
            ("description", finish_texts(self.description)),
            ("unit", finish_texts(self.unit)),
            ("type", finish_texts(self.r#type)),
            ("temporality", finish_texts(self.temporality)),
            ("is_monotonic", Arc::new(BooleanArray::from(self.is_monotonic))),
            ("series", Arc::new(Int64Array::from(self.series))),
            ("start_time", Arc::new(TimestampNanosecondArray::from(self.start_time).with_timezone("UTC"))),
            ("flags", Arc::new(Int64Array::from(self.flags))),
            ("value", Arc::new(value.finish())),
            ("count", Arc::new(count.finish())),
            ("sum", Arc::new(sum.finish())),
            ("min", Arc::new(min.finish())),
            ("max", Arc::new(max.finish())),
            ("buckets", finish_texts(self.buckets)),
            ("exemplars", finish_texts(self.exemplars)),
        ];
        self.common.finish(context, own, Signal::Metrics)
    }
}

/// The identity of a point's time series: resource, scope, metric and attributes, in whatever order these came.
///
/// The hash is on disk: it stays what it is.
fn series(point: &DataPoint<'_>, run: &Run) -> i64 {
    let mut labels: u64 = 0;
    for attribute in point.attributes {
        let text = attribute.value.to_text();
        labels = labels.wrapping_add(xxh3_64_with_seed(text.as_bytes(), xxh3_64(attribute.key.as_bytes())));
    }
    let mut hash = run.series ^ labels;
    for text in [point.metric, point.unit, point.r#type.as_str(), point.temporality.as_str()] {
        hash = xxh3_64_with_seed(text.as_bytes(), hash);
    }
    hash.cast_signed()
}

/// Ids of `N` bytes, some absent.
struct Ids<const N: usize> {
    bytes: Vec<u8>,
    present: Vec<bool>,
}

impl<const N: usize> Default for Ids<N> {
    fn default() -> Ids<N> {
        Ids { bytes: Vec::new(), present: Vec::new() }
    }
}

impl<const N: usize> Ids<N> {
    fn push(&mut self, id: Option<[u8; N]>) {
        self.bytes.extend_from_slice(&id.unwrap_or([0; N]));
        self.present.push(id.is_some());
    }

    fn finish(self) -> Result<ArrayRef, StoreError> {
        let nulls = if self.present.contains(&false) { Some(NullBuffer::from(self.present)) } else { None };
        Ok(Arc::new(FixedSizeBinaryArray::try_new(N as i32, self.bytes.into(), nulls)?))
    }
}

/// Long texts that hold for runs of rows, as a dictionary.
#[derive(Default)]
struct RepeatingTexts {
    values: StringBuilder,
    known: HashMap<String, i32>,
    /// By the number of what was said.
    places: Vec<Option<i32>>,
    current: i32,
    keys: Vec<i32>,
}

impl RepeatingTexts {
    fn begin(&mut self, said: &Said) {
        let number = said.number as usize;
        if let Some(place) = self.places.get(number).copied().flatten() {
            self.current = place;
            return;
        }
        self.current = match self.known.get(&said.json) {
            Some(place) => *place,
            None => {
                // A buffer's bytes are limited, so its texts are fewer than a key can count.
                let place = self.known.len() as i32;
                self.known.insert(said.json.clone(), place);
                self.values.append_value(&said.json);
                place
            }
        };
        if number >= self.places.len() {
            self.places.resize(number + 1, None);
        }
        self.places[number] = Some(self.current);
    }

    fn push(&mut self) {
        self.keys.push(self.current);
    }

    fn finish(self) -> Result<ArrayRef, StoreError> {
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from(self.keys), finish_texts(self.values))?))
    }
}

fn texts() -> StringBuilder {
    StringBuilder::with_capacity(0, 0)
}

fn finish_texts(mut builder: StringBuilder) -> ArrayRef {
    Arc::new(builder.finish())
}

fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(values).with_timezone("UTC"))
}

/// An empty text says nothing.
fn said(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

#[cfg(test)]
mod tests;
