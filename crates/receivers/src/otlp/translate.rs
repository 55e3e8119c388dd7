//! OTLP records to model rows: what both encodings mean, once each has been read.
//!
//! Times: nanoseconds; beyond the year 2262, where `i64` ends, a record is refused.
//! Refuses: a span without a valid trace id and span id; a metric without a name.

use std::borrow::Cow;

use model::{
    Attribute, DataPoint, DataPointType, Exception, LogRecord, Refusal, Resource, RowSink, Signal, Span, SpanId, SpanKind,
    SpanLink, StatusCode, Temporality, TraceId, Value,
};

use super::attributes::AttributeList;
use super::ids::Id;

/// OpenTelemetry's number for ERROR.
const SEVERITY_ERROR: i32 = 17;

/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`: the series ended here, the numbers mean nothing.
const NO_RECORDED_VALUE: u32 = 1;

/// A span as either encoding tells it; attributes and links stand beside it.
#[derive(Clone, Debug, Default)]
pub struct SpanRecord<'a> {
    pub trace_id: Id<TraceId>,
    pub span_id: Id<SpanId>,
    pub parent_span_id: Id<SpanId>,
    pub trace_state: &'a str,
    pub flags: u32,
    pub name: &'a str,
    pub kind: i64,
    pub start_time_unix_nano: u64,
    pub end_time_unix_nano: u64,
    pub dropped_attributes_count: u32,
    pub dropped_events_count: u32,
    pub dropped_links_count: u32,
    pub status_code: i64,
    pub status_message: &'a str,
}

/// What a span's events have from their span.
#[derive(Clone, Copy, Debug)]
pub struct EventPlace {
    trace_id: TraceId,
    span_id: SpanId,
    sample_rate: f64,
    start_time_unix_nano: i64,
}

#[derive(Clone, Debug, Default)]
pub struct EventRecord<'a> {
    pub time_unix_nano: u64,
    pub name: &'a str,
    pub dropped_attributes_count: u32,
}

#[derive(Clone, Debug, Default)]
pub struct LinkRecord<'a> {
    pub trace_id: Id<TraceId>,
    pub span_id: Id<SpanId>,
    pub trace_state: &'a str,
    pub attributes: Vec<Attribute<'a>>,
}

#[derive(Clone, Debug, Default)]
pub struct LogFields<'a> {
    pub time_unix_nano: u64,
    pub observed_time_unix_nano: u64,
    pub trace_id: Id<TraceId>,
    pub span_id: Id<SpanId>,
    pub flags: u32,
    pub severity_number: i32,
    pub severity_text: &'a str,
    pub event_name: &'a str,
    pub body: Cow<'a, str>,
    pub dropped_attributes_count: u32,
}

/// What all data points of a metric share.
#[derive(Clone, Copy, Debug)]
pub struct MetricRecord<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub unit: &'a str,
    pub r#type: DataPointType,
    pub temporality: Temporality,
    pub is_monotonic: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct PointRecord {
    pub start_time_unix_nano: u64,
    pub time_unix_nano: u64,
    pub flags: u32,
    pub value: Option<f64>,
    pub count: Option<u64>,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

/// One request on its way into the sink.
pub struct Translation<'s> {
    pub sink: &'s mut dyn RowSink,
    pub received_at_unix_nano: i64,
    /// From `x-honeycomb-dataset`: with a classic key, Honeycomb's users know their rows by it.
    pub dataset: Option<&'s str>,
}

impl Translation<'_> {
    /// Pushes a resource with what the request's headers add to it.
    pub fn resource(&mut self, attributes: &AttributeList<'_>, schema_url: &str) {
        let Some(dataset) = self.dataset else {
            return self.sink.resource(&Resource { attributes: &attributes.items, schema_url });
        };
        let mut with_dataset = attributes.items.clone();
        with_dataset.push(Attribute::str("honeycomb.dataset", dataset));
        self.sink.resource(&Resource { attributes: &with_dataset, schema_url });
    }

    /// Pushes a span. `None` when it was refused; its events then go with it.
    pub fn span<'a>(
        &mut self,
        record: &SpanRecord<'a>,
        attributes: &mut AttributeList<'a>,
        links: &[SpanLink<'a>],
    ) -> Option<EventPlace> {
        let Some(trace_id) = record.trace_id.valid() else {
            return self.refuse(Signal::Spans, "span: expected a trace id of 16 bytes that are not all zero");
        };
        let Some(span_id) = record.span_id.valid() else {
            return self.refuse(Signal::Spans, "span: expected a span id of 8 bytes that are not all zero");
        };
        let (Some(start), Some(end)) = (nanos(record.start_time_unix_nano), nanos(record.end_time_unix_nano)) else {
            return self.refuse(Signal::Spans, "span: expected times before the year 2262");
        };
        if record.parent_span_id == Id::Wrong {
            self.warn(Signal::Spans, "parent span id left out: expected 8 bytes");
        }
        let (start, end) = match (start, end) {
            (0, 0) => (self.received_at_unix_nano, self.received_at_unix_nano),
            (0, end) => (end, end),
            known => known,
        };
        if end < start {
            attributes.push(Cow::Borrowed("meta.invalid_duration"), Value::Bool(true));
        }
        let sample_rate =
            attributes.take_sample_rate().or_else(|| sample_rate_from_trace_state(record.trace_state)).unwrap_or(1.0);
        self.sink.span(&Span {
            start_time_unix_nano: start,
            duration_ns: (end - start).max(0),
            parent_span_id: record.parent_span_id.valid(),
            trace_state: record.trace_state,
            flags: record.flags,
            kind: SpanKind::from_otlp(record.kind),
            status_code: StatusCode::from_otlp(record.status_code),
            status_message: record.status_message,
            dropped_attributes_count: record.dropped_attributes_count.saturating_add(attributes.dropped),
            dropped_events_count: record.dropped_events_count,
            dropped_links_count: record.dropped_links_count,
            links,
            sample_rate,
            attributes: &attributes.items,
            ..Span::new(trace_id, span_id, record.name)
        });
        Some(EventPlace { trace_id, span_id, sample_rate, start_time_unix_nano: start })
    }

    /// Pushes a span event as a log record; one without a time happened when its span began.
    pub fn event<'a>(&mut self, place: EventPlace, record: &EventRecord<'a>, attributes: &mut AttributeList<'a>) {
        let Some(time) = nanos(record.time_unix_nano) else {
            self.refuse::<()>(Signal::Logs, "span event: expected a time before the year 2262");
            return;
        };
        let exception = exception_of(record.name, attributes);
        let body = match &exception {
            Some(exception) if !exception.message.is_empty() => exception.message.clone(),
            _ => Cow::Borrowed(record.name),
        };
        self.sink.log(&LogRecord {
            time_unix_nano: if time == 0 { place.start_time_unix_nano } else { time },
            trace_id: Some(place.trace_id),
            span_id: Some(place.span_id),
            severity_number: if exception.is_some() { SEVERITY_ERROR } else { 0 },
            event_name: record.name,
            body,
            exception,
            dropped_attributes_count: record.dropped_attributes_count.saturating_add(attributes.dropped),
            sample_rate: place.sample_rate,
            attributes: &attributes.items,
            ..LogRecord::default()
        });
    }

    /// A link worth keeping; one without valid ids names nothing.
    pub fn link<'a>(&mut self, record: LinkRecord<'a>) -> Option<SpanLink<'a>> {
        let (Some(trace_id), Some(span_id)) = (record.trace_id.valid(), record.span_id.valid()) else {
            self.warn(Signal::Spans, "span link left out: expected a valid trace id and span id");
            return None;
        };
        Some(SpanLink { trace_id, span_id, trace_state: record.trace_state, attributes: record.attributes })
    }

    pub fn log<'a>(&mut self, record: LogFields<'a>, attributes: &mut AttributeList<'a>) {
        let (Some(time), Some(observed)) = (nanos(record.time_unix_nano), nanos(record.observed_time_unix_nano)) else {
            self.refuse::<()>(Signal::Logs, "log record: expected times before the year 2262");
            return;
        };
        if record.trace_id == Id::Wrong || record.span_id == Id::Wrong {
            self.warn(Signal::Logs, "trace context of a log record left out: expected ids of 16 and 8 bytes");
        }
        // SDKs before the field `event_name` said it with an attribute.
        let named = attributes.items.iter().rev().find(|attribute| record.event_name.is_empty() && attribute.key == "event.name");
        let named = named.and_then(|attribute| attribute.value.as_str()).map(str::to_owned);
        let event_name = named.as_deref().unwrap_or(record.event_name);
        let exception = exception_of(event_name, attributes);
        let body = match &exception {
            Some(exception) if record.body.is_empty() => exception.message.clone(),
            _ => record.body,
        };
        let sample_rate = attributes.take_sample_rate().unwrap_or(1.0);
        self.sink.log(&LogRecord {
            time_unix_nano: [time, observed].into_iter().find(|time| *time != 0).unwrap_or(self.received_at_unix_nano),
            trace_id: record.trace_id.valid(),
            span_id: record.span_id.valid(),
            flags: record.flags,
            severity_number: record.severity_number,
            severity_text: Cow::Borrowed(record.severity_text),
            event_name,
            body,
            exception,
            dropped_attributes_count: record.dropped_attributes_count.saturating_add(attributes.dropped),
            sample_rate,
            source: None,
            attributes: &attributes.items,
        });
    }

    /// Pushes a data point. `buckets` and `exemplars` are JSON as [`DataPoint`] describes it.
    pub fn point<'a>(
        &mut self,
        metric: &MetricRecord<'a>,
        record: &PointRecord,
        buckets: &'a str,
        exemplars: &'a str,
        attributes: &AttributeList<'a>,
    ) {
        let (Some(start), Some(time)) = (nanos(record.start_time_unix_nano), nanos(record.time_unix_nano)) else {
            self.refuse::<()>(Signal::Metrics, "data point: expected times before the year 2262");
            return;
        };
        if attributes.dropped > 0 {
            self.warn(Signal::Metrics, "attributes of a data point left out: there are too many, or their keys are empty");
        }
        let recorded = record.flags & NO_RECORDED_VALUE == 0;
        self.sink.data_point(&DataPoint {
            metric: metric.name,
            description: metric.description,
            unit: metric.unit,
            r#type: metric.r#type,
            temporality: metric.temporality,
            is_monotonic: metric.is_monotonic,
            start_time_unix_nano: start,
            time_unix_nano: if time == 0 { self.received_at_unix_nano } else { time },
            flags: record.flags,
            value: record.value.filter(|_| recorded),
            count: record.count.filter(|_| recorded),
            sum: record.sum.filter(|_| recorded),
            min: record.min.filter(|_| recorded),
            max: record.max.filter(|_| recorded),
            buckets: Cow::Borrowed(if recorded { buckets } else { "" }),
            exemplars: Cow::Borrowed(exemplars),
            attributes: &attributes.items,
        });
    }

    /// Counts a record that is not kept.
    pub fn refuse<T>(&mut self, signal: Signal, reason: impl Into<Cow<'static, str>>) -> Option<T> {
        self.sink.refuse(Refusal::one(signal, reason));
        None
    }

    /// Counts records that fall with what holds them.
    pub fn refuse_many(&mut self, signal: Signal, count: u64, reason: String) {
        self.sink.refuse(Refusal { signal, count, reason: Cow::Owned(reason) });
    }

    /// Tells about a part that is left out of a record that is kept: OTLP's "warning", which rejects nothing.
    pub fn warn(&mut self, signal: Signal, reason: &'static str) {
        self.sink.refuse(Refusal { signal, count: 0, reason: Cow::Borrowed(reason) });
    }
}

/// What a record is called in a reason.
pub fn record_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Spans => "span",
        Signal::Logs => "log record",
        Signal::Metrics => "metric",
    }
}

fn nanos(time: u64) -> Option<i64> {
    i64::try_from(time).ok()
}

fn exception_of<'a>(event_name: &str, attributes: &mut AttributeList<'a>) -> Option<Exception<'a>> {
    attributes.take_exception().or_else(|| (event_name == "exception").then(Exception::default))
}

/// How many spans one with this `tracestate` stands for: `ot=th:<hex>`, and `th=<hex>` as it was before.
///
/// The threshold is the share of spans not kept, as 56 bits of which trailing zeroes may be left out.
/// Source: opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling
pub fn sample_rate_from_trace_state(trace_state: &str) -> Option<f64> {
    const BITS: u32 = 56;
    if !trace_state.contains("th") {
        return None;
    }
    let threshold =
        trace_state.split(',').filter_map(|member| member.trim().split_once('=')).find_map(|(key, value)| match key {
            "ot" => value.split(';').find_map(|pair| pair.strip_prefix("th:")),
            "th" => Some(value),
            _ => None,
        })?;
    let digits = u32::try_from(threshold.len()).ok().filter(|digits| (1..=BITS / 4).contains(digits))?;
    if !threshold.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let rejected = u64::from_str_radix(threshold, 16).ok()? << (BITS - 4 * digits);
    let all = 1u64 << BITS;
    Some(all as f64 / (all - rejected) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_become_rates() {
        for (trace_state, rate) in [
            ("ot=th:0", Some(1.0)),
            ("ot=th:8", Some(2.0)),
            ("vendor=x,ot=rv:abc;th:c", Some(4.0)),
            ("th=8", Some(2.0)),
            ("ot=th:fd70a3d70a3d71", Some(100.0)),
            ("ot=th:", None),
            ("ot=th:+8", None),
            ("ot=th:123456789012345", None),
            ("ot=rv:0123", None),
            ("other=th:8", None),
            ("", None),
        ] {
            let read = sample_rate_from_trace_state(trace_state);
            assert_eq!(read.map(|rate| (rate * 1e6).round() / 1e6), rate, "{trace_state}");
        }
    }
}
