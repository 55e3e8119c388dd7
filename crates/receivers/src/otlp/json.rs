//! OTLP/JSON to the sink: the envelope is streamed, one record at a time becomes a tree.
//!
//! Lenient as the specification asks, and a little more: unknown members are ignored, names may be in camel case or snake
//! case, 64-bit integers are strings or numbers, enums are numbers or names, ids are hex in either case or base64.
//!
//! Spec: opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding

use std::borrow::Cow;
use std::fmt;

use model::limits::{ATTRIBUTE_DEPTH_MAX, NESTING_DEPTH_MAX};
use model::{DataPointType, Scope, Signal, Temporality, Value, json_string};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::attributes::{AttributeList, cut_key, nested_key};
use super::ids::{Id, base64_decode, base64_encode, span_id_from_text, trace_id_from_text};
use super::limits::{BUCKETS_PER_POINT_MAX, EXEMPLARS_PER_POINT_MAX, JSON_RECORD_BYTES_MAX};
use super::points::{ExemplarRecord, Exponential, Number, PointScratch};
use super::translate::{
    EventPlace, EventRecord, LinkRecord, LogFields, MetricRecord, PointRecord, SpanRecord, Translation, record_name,
};

/// What is wrong with a JSON value, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> JsonError {
        JsonError(error.to_string())
    }
}

/// Pushes every record of an `Export*ServiceRequest`. Only an envelope that cannot be read fails.
pub fn push_request(signal: Signal, body: &[u8], translation: &mut Translation<'_>) -> Result<(), JsonError> {
    let text = std::str::from_utf8(body).map_err(|error| JsonError(format!("JSON is not UTF-8: {error}")))?;
    let names = match signal {
        Signal::Spans => Names { groups: "resourceSpans", scope_groups: "scopeSpans", records: "spans" },
        Signal::Logs => Names { groups: "resourceLogs", scope_groups: "scopeLogs", records: "logRecords" },
        Signal::Metrics => Names { groups: "resourceMetrics", scope_groups: "scopeMetrics", records: "metrics" },
    };
    let mut walk = Walk { signal, names, translation, scratch: PointScratch::default() };
    let [groups] = members(text, [names.groups])?;
    each(groups, &mut |group| walk.resource_group(group))
}

/// What the three signals call the levels of their envelope.
#[derive(Clone, Copy)]
struct Names {
    groups: &'static str,
    scope_groups: &'static str,
    records: &'static str,
}

struct Walk<'w, 's> {
    signal: Signal,
    names: Names,
    translation: &'w mut Translation<'s>,
    scratch: PointScratch,
}

impl Walk<'_, '_> {
    fn resource_group(&mut self, group: &str) -> Result<(), JsonError> {
        let [resource, schema_url, scope_groups] = members(group, ["resource", "schemaUrl", self.names.scope_groups])?;
        if let Err(error) = self.resource(resource, schema_url) {
            let mut count = 0;
            each(scope_groups, &mut |group| {
                count += count_items(members(group, [self.names.records])?[0])?;
                Ok(())
            })?;
            self.translation.refuse_many(self.signal, count, format!("resource: {error}"));
            return Ok(());
        }
        each(scope_groups, &mut |group| self.scope_group(group))
    }

    fn resource(&mut self, resource: Option<&str>, schema_url: Option<&str>) -> Result<(), JsonError> {
        let (resource, schema_url) = (tree(resource.unwrap_or("null"))?, tree(schema_url.unwrap_or("null"))?);
        let mut attributes = AttributeList::default();
        push_key_values(resource.get("attributes"), &mut attributes)?;
        self.translation.resource(&attributes, schema_url.as_text("schemaUrl")?);
        Ok(())
    }

    fn scope_group(&mut self, group: &str) -> Result<(), JsonError> {
        let [scope, schema_url, records] = members(group, ["scope", "schemaUrl", self.names.records])?;
        if let Err(error) = self.scope(scope, schema_url) {
            let count = count_items(records)?;
            self.translation.refuse_many(self.signal, count, format!("scope: {error}"));
            return Ok(());
        }
        each(records, &mut |record| {
            self.record(record);
            Ok(())
        })
    }

    fn scope(&mut self, scope: Option<&str>, schema_url: Option<&str>) -> Result<(), JsonError> {
        let (scope, schema_url) = (tree(scope.unwrap_or("null"))?, tree(schema_url.unwrap_or("null"))?);
        let mut attributes = AttributeList::default();
        push_key_values(scope.get("attributes"), &mut attributes)?;
        self.translation.sink.scope(&Scope {
            name: scope.text("name")?,
            version: scope.text("version")?,
            attributes: &attributes.items,
            schema_url: schema_url.as_text("schemaUrl")?,
        });
        Ok(())
    }

    fn record(&mut self, record: &str) {
        let read = tree(record).and_then(|json| match (&json, self.signal) {
            (Json::Object(_), Signal::Spans) => self.span(&json),
            (Json::Object(_), Signal::Logs) => self.log(&json),
            (Json::Object(_), Signal::Metrics) => self.metric(&json),
            _ => Err(JsonError("expected an object".to_owned())),
        });
        if let Err(error) = read {
            self.translation.refuse::<()>(self.signal, format!("{}: {error}", record_name(self.signal)));
        }
    }

    fn span(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        let mut record = SpanRecord {
            trace_id: json.id("traceId", trace_id_from_text)?,
            span_id: json.id("spanId", span_id_from_text)?,
            parent_span_id: json.id("parentSpanId", span_id_from_text)?,
            trace_state: json.text("traceState")?,
            flags: json.unsigned32("flags")?,
            name: json.text("name")?,
            kind: json.enumeration("kind", span_kind)?,
            start_time_unix_nano: json.unsigned("startTimeUnixNano")?,
            end_time_unix_nano: json.unsigned("endTimeUnixNano")?,
            dropped_attributes_count: json.unsigned32("droppedAttributesCount")?,
            dropped_events_count: json.unsigned32("droppedEventsCount")?,
            dropped_links_count: json.unsigned32("droppedLinksCount")?,
            ..SpanRecord::default()
        };
        let status = json.get("status");
        record.status_code = status.enumeration("code", status_code)?;
        record.status_message = status.text("message")?;
        let mut attributes = AttributeList::default();
        push_key_values(json.get("attributes"), &mut attributes)?;
        let mut links = Vec::new();
        for link in json.items("links")? {
            match self.translation.link(link_record(link)?) {
                Some(link) => links.push(link),
                None => record.dropped_links_count = record.dropped_links_count.saturating_add(1),
            }
        }
        let events = json.items("events")?;
        let Some(place) = self.translation.span(&record, &mut attributes, &links) else { return Ok(()) };
        for event in events {
            if let Err(error) = self.event(event, place) {
                self.translation.refuse::<()>(Signal::Logs, format!("span event: {error}"));
            }
        }
        Ok(())
    }

    fn event(&mut self, json: &Json<'_>, place: EventPlace) -> Result<(), JsonError> {
        let record = EventRecord {
            time_unix_nano: json.unsigned("timeUnixNano")?,
            name: json.text("name")?,
            dropped_attributes_count: json.unsigned32("droppedAttributesCount")?,
        };
        let mut attributes = AttributeList::default();
        push_key_values(json.get("attributes"), &mut attributes)?;
        self.translation.event(place, &record, &mut attributes);
        Ok(())
    }

    fn log(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        let mut attributes = AttributeList::default();
        let body = log_body(json.get("body"), &mut attributes)?;
        push_key_values(json.get("attributes"), &mut attributes)?;
        let record = LogFields {
            time_unix_nano: json.unsigned("timeUnixNano")?,
            observed_time_unix_nano: json.unsigned("observedTimeUnixNano")?,
            trace_id: json.id("traceId", trace_id_from_text)?,
            span_id: json.id("spanId", span_id_from_text)?,
            flags: json.unsigned32("flags")?,
            severity_number: json.enumeration("severityNumber", severity_number)? as i32,
            severity_text: json.text("severityText")?,
            event_name: json.text("eventName")?,
            body,
            dropped_attributes_count: json.unsigned32("droppedAttributesCount")?,
        };
        self.translation.log(record, &mut attributes);
        Ok(())
    }

    fn metric(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        const DATA: [(&str, DataPointType); 5] = [
            ("gauge", DataPointType::Gauge),
            ("sum", DataPointType::Sum),
            ("histogram", DataPointType::Histogram),
            ("exponentialHistogram", DataPointType::ExponentialHistogram),
            ("summary", DataPointType::Summary),
        ];
        let known = DATA.iter().map(|(name, kind)| (json.get(name), *kind)).find(|(data, _)| !matches!(data, Json::Null));
        let Some((data, kind)) = known else {
            self.translation.warn(Signal::Metrics, "metric without data, or with data of an unknown type");
            return Ok(());
        };
        let record = MetricRecord {
            name: json.text("name")?,
            description: json.text("description")?,
            unit: json.text("unit")?,
            r#type: kind,
            temporality: Temporality::from_otlp(data.enumeration("aggregationTemporality", temporality)?),
            is_monotonic: data.boolean("isMonotonic")?,
        };
        let points = data.items("dataPoints")?;
        if record.name.is_empty() {
            self.translation.refuse_many(Signal::Metrics, points.len() as u64, "metric: expected a name".to_owned());
            return Ok(());
        }
        for point in points {
            if let Err(error) = self.point(&record, point) {
                self.translation.refuse::<()>(Signal::Metrics, format!("data point: {error}"));
            }
        }
        Ok(())
    }

    fn point(&mut self, metric: &MetricRecord<'_>, json: &Json<'_>) -> Result<(), JsonError> {
        self.scratch.clear();
        let mut record = PointRecord {
            start_time_unix_nano: json.unsigned("startTimeUnixNano")?,
            time_unix_nano: json.unsigned("timeUnixNano")?,
            flags: json.unsigned32("flags")?,
            ..PointRecord::default()
        };
        match metric.r#type {
            DataPointType::Gauge | DataPointType::Sum => {
                record.value = number(json)?.map(|value| match value {
                    Number::Int(value) => value as f64,
                    Number::Float(value) => value,
                });
            }
            DataPointType::Histogram => self.histogram(json)?,
            DataPointType::ExponentialHistogram => self.exponential(json)?,
            DataPointType::Summary => self.summary(json)?,
        }
        if !matches!(metric.r#type, DataPointType::Gauge | DataPointType::Sum) {
            record.count = Some(json.unsigned("count")?);
            record.sum = json.float("sum")?;
            record.min = json.float("min")?;
            record.max = json.float("max")?;
        }
        if metric.r#type == DataPointType::Summary {
            record.sum = record.sum.or(Some(0.0));
        }
        let mut attributes = AttributeList::default();
        push_key_values(json.get("attributes"), &mut attributes)?;
        let exemplars = json.items("exemplars")?;
        for exemplar in exemplars.iter().take(EXEMPLARS_PER_POINT_MAX) {
            self.exemplar(exemplar)?;
        }
        self.scratch.close_exemplars();
        if exemplars.len() > EXEMPLARS_PER_POINT_MAX {
            self.translation.warn(Signal::Metrics, "exemplars left out: expected at most 1,024 on a data point");
        }
        self.translation.point(metric, &record, &self.scratch.buckets, &self.scratch.exemplars, &attributes);
        Ok(())
    }

    fn histogram(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        push_counts(json.items("bucketCounts")?, &mut self.scratch.counts)?;
        let bounds = within_buckets_max(json.items("explicitBounds")?)?;
        for bound in bounds {
            self.scratch.bounds.push(bound.as_float("explicitBounds")?.unwrap_or_default().to_bits());
        }
        self.scratch.write_histogram();
        Ok(())
    }

    fn exponential(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        let (positive, negative) = (json.get("positive"), json.get("negative"));
        push_counts(positive.items("bucketCounts")?, &mut self.scratch.counts)?;
        push_counts(negative.items("bucketCounts")?, &mut self.scratch.negative_counts)?;
        self.scratch.write_exponential(&Exponential {
            scale: json.signed32("scale")?,
            zero_count: json.unsigned("zeroCount")?,
            zero_threshold: json.float("zeroThreshold")?.unwrap_or_default(),
            positive_offset: positive.signed32("offset")?,
            negative_offset: negative.signed32("offset")?,
        });
        Ok(())
    }

    fn summary(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        for pair in within_buckets_max(json.items("quantileValues")?)? {
            let quantile = pair.float("quantile")?.unwrap_or_default();
            self.scratch.write_quantile(quantile, pair.float("value")?.unwrap_or_default());
        }
        self.scratch.close_quantiles();
        Ok(())
    }

    fn exemplar(&mut self, json: &Json<'_>) -> Result<(), JsonError> {
        let record = ExemplarRecord {
            time_unix_nano: json.unsigned("timeUnixNano")?,
            value: number(json)?,
            trace_id: json.id("traceId", trace_id_from_text)?,
            span_id: json.id("spanId", span_id_from_text)?,
        };
        let attributes = json.items("filteredAttributes")?;
        let out = self.scratch.open_exemplar(&record);
        write_key_values(attributes, 1, out)?;
        out.push('}');
        Ok(())
    }
}

fn link_record<'a>(json: &'a Json<'_>) -> Result<LinkRecord<'a>, JsonError> {
    let mut attributes = AttributeList::default();
    push_key_values(json.get("attributes"), &mut attributes)?;
    Ok(LinkRecord {
        trace_id: json.id("traceId", trace_id_from_text)?,
        span_id: json.id("spanId", span_id_from_text)?,
        trace_state: json.text("traceState")?,
        attributes: attributes.items,
    })
}

/// `asDouble` or `asInt`, of data points and exemplars alike.
fn number(json: &Json<'_>) -> Result<Option<Number>, JsonError> {
    match json.get("asInt") {
        Json::Null => Ok(json.float("asDouble")?.map(Number::Float)),
        value => Ok(Some(Number::Int(value.as_signed("asInt")?))),
    }
}

fn push_counts(items: &[Json<'_>], out: &mut Vec<u64>) -> Result<(), JsonError> {
    for item in within_buckets_max(items)? {
        out.push(item.as_unsigned("bucketCounts")?);
    }
    Ok(())
}

fn within_buckets_max<'j, 'a>(items: &'j [Json<'a>]) -> Result<&'j [Json<'a>], JsonError> {
    if items.len() > BUCKETS_PER_POINT_MAX {
        return Err(JsonError(format!("a data point has more than {BUCKETS_PER_POINT_MAX} buckets")));
    }
    Ok(items)
}

fn span_kind(name: &str) -> i64 {
    match name {
        "SPAN_KIND_INTERNAL" => 1,
        "SPAN_KIND_SERVER" => 2,
        "SPAN_KIND_CLIENT" => 3,
        "SPAN_KIND_PRODUCER" => 4,
        "SPAN_KIND_CONSUMER" => 5,
        _ => 0,
    }
}

fn status_code(name: &str) -> i64 {
    match name {
        "STATUS_CODE_OK" => 1,
        "STATUS_CODE_ERROR" => 2,
        _ => 0,
    }
}

fn temporality(name: &str) -> i64 {
    match name {
        "AGGREGATION_TEMPORALITY_DELTA" => 1,
        "AGGREGATION_TEMPORALITY_CUMULATIVE" => 2,
        _ => 0,
    }
}

/// `SEVERITY_NUMBER_WARN2` and its like: six words, four degrees each.
fn severity_number(name: &str) -> i64 {
    const WORDS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let name = name.strip_prefix("SEVERITY_NUMBER_").unwrap_or_default();
    let (word, degree) = match name.as_bytes().last() {
        Some(digit @ b'2'..=b'4') => (&name[..name.len() - 1], i64::from(digit - b'1')),
        _ => (name, 0),
    };
    WORDS.iter().zip(0..).find(|(known, _)| **known == word).map_or(0, |(_, index)| index * 4 + 1 + degree)
}

fn push_key_values<'a>(pairs: &'a Json<'_>, out: &mut AttributeList<'a>) -> Result<(), JsonError> {
    for pair in pairs.as_items("attributes")? {
        push_value(Cow::Borrowed(cut_key(pair.text("key")?)), pair.get("value"), 1, out)?;
    }
    Ok(())
}

/// One attribute, maps flattened with dots down to [`ATTRIBUTE_DEPTH_MAX`].
fn push_value<'a>(key: Cow<'a, str>, any: &'a Json<'_>, depth: usize, out: &mut AttributeList<'a>) -> Result<(), JsonError> {
    let value = match any_value(any)? {
        Any::Empty => return Ok(()),
        Any::Map(pairs) if depth < ATTRIBUTE_DEPTH_MAX => {
            for pair in pairs {
                push_value(Cow::Owned(nested_key(&key, pair.text("key")?)), pair.get("value"), depth + 1, out)?;
            }
            return Ok(());
        }
        Any::Map(_) | Any::Array(_) => {
            let mut text = String::new();
            write_value(any, depth, &mut text)?;
            Value::Json(Cow::Owned(text))
        }
        Any::Scalar(value) => value,
    };
    out.push(key, value);
    Ok(())
}

/// An `AnyValue`, read.
enum Any<'j, 'a> {
    Empty,
    Scalar(Value<'j>),
    Array(&'j [Json<'a>]),
    Map(&'j [Json<'a>]),
}

fn any_value<'j, 'a>(any: &'j Json<'a>) -> Result<Any<'j, 'a>, JsonError> {
    let members = match any {
        Json::Null => return Ok(Any::Empty),
        Json::Object(members) => members,
        _ => return Err(JsonError("a value is not an object such as {\"stringValue\":\"…\"}".to_owned())),
    };
    for (name, value) in members.iter().rev().filter(|(_, value)| !matches!(value, Json::Null)) {
        return Ok(match &**name {
            "stringValue" | "string_value" => Any::Scalar(Value::str(value.as_text("stringValue")?)),
            "boolValue" | "bool_value" => Any::Scalar(Value::Bool(value.as_boolean("boolValue")?)),
            "intValue" | "int_value" => Any::Scalar(Value::Int(value.as_signed("intValue")?)),
            "doubleValue" | "double_value" => Any::Scalar(Value::Float(value.as_float("doubleValue")?.unwrap_or_default())),
            "bytesValue" | "bytes_value" => {
                let bytes = base64_decode(value.as_text("bytesValue")?);
                let bytes = bytes.ok_or_else(|| JsonError("bytesValue is not base64".to_owned()))?;
                Any::Scalar(Value::Str(Cow::Owned(base64_encode(&bytes))))
            }
            "arrayValue" | "array_value" => Any::Array(value.items("values")?),
            "kvlistValue" | "kvlist_value" => Any::Map(value.items("values")?),
            _ => continue,
        });
    }
    Ok(Any::Empty)
}

/// The body as text; a map's members become attributes `body.<key>` as well.
fn log_body<'a>(any: &'a Json<'_>, out: &mut AttributeList<'a>) -> Result<Cow<'a, str>, JsonError> {
    match any_value(any)? {
        Any::Empty => Ok(Cow::Borrowed("")),
        Any::Scalar(Value::Str(text)) => Ok(text),
        Any::Scalar(value) => Ok(Cow::Owned(value.to_text().into_owned())),
        compound => {
            if let Any::Map(_) = compound {
                push_value(Cow::Borrowed("body"), any, 1, out)?;
            }
            let mut text = String::new();
            write_value(any, 1, &mut text)?;
            Ok(Cow::Owned(text))
        }
    }
}

/// Appends a value as plain JSON; an empty one is `null`.
fn write_value(any: &Json<'_>, depth: usize, out: &mut String) -> Result<(), JsonError> {
    if depth > NESTING_DEPTH_MAX {
        return Err(JsonError(format!("values nest deeper than {NESTING_DEPTH_MAX}")));
    }
    match any_value(any)? {
        Any::Empty => out.push_str("null"),
        Any::Scalar(value) => value.write_json(out),
        Any::Map(pairs) => write_key_values(pairs, depth + 1, out)?,
        Any::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, depth + 1, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

fn write_key_values(pairs: &[Json<'_>], depth: usize, out: &mut String) -> Result<(), JsonError> {
    out.push('{');
    for (index, pair) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json_string(pair.text("key")?, out);
        out.push(':');
        write_value(pair.get("value"), depth, out)?;
    }
    out.push('}');
    Ok(())
}

/// A JSON value that borrows what text it can from the body.
#[derive(Clone, Debug, PartialEq)]
enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

fn tree(text: &str) -> Result<Json<'_>, JsonError> {
    if text.len() > JSON_RECORD_BYTES_MAX {
        return Err(JsonError(format!("{} bytes of JSON, expected at most {JSON_RECORD_BYTES_MAX}", text.len())));
    }
    Ok(serde_json::from_str(text)?)
}

impl<'a> Json<'a> {
    /// A member by its name in camel case, or in snake case; `null` when there is none.
    fn get(&self, name: &str) -> &Json<'a> {
        const NULL: &Json<'static> = &Json::Null;
        let Json::Object(members) = self else { return NULL };
        members.iter().rev().find(|(key, _)| is_named(key, name)).map_or(NULL, |(_, value)| value)
    }

    fn items(&self, name: &str) -> Result<&[Json<'a>], JsonError> {
        self.get(name).as_items(name)
    }

    fn text(&self, name: &str) -> Result<&str, JsonError> {
        self.get(name).as_text(name)
    }

    fn boolean(&self, name: &str) -> Result<bool, JsonError> {
        self.get(name).as_boolean(name)
    }

    fn unsigned(&self, name: &str) -> Result<u64, JsonError> {
        self.get(name).as_unsigned(name)
    }

    fn unsigned32(&self, name: &str) -> Result<u32, JsonError> {
        u32::try_from(self.unsigned(name)?).map_err(|_| expected(name, "a number of 32 bits"))
    }

    fn signed32(&self, name: &str) -> Result<i32, JsonError> {
        i32::try_from(self.get(name).as_signed(name)?).map_err(|_| expected(name, "a number of 32 bits"))
    }

    fn float(&self, name: &str) -> Result<Option<f64>, JsonError> {
        self.get(name).as_float(name)
    }

    fn enumeration(&self, name: &str, number_of: impl Fn(&str) -> i64) -> Result<i64, JsonError> {
        match self.get(name) {
            Json::Text(text) => Ok(text.parse().unwrap_or_else(|_| number_of(text))),
            other => other.as_signed(name),
        }
    }

    fn id<T>(&self, name: &str, read: impl Fn(&str) -> Id<T>) -> Result<Id<T>, JsonError> {
        self.text(name).map(read)
    }

    fn as_items(&self, name: &str) -> Result<&[Json<'a>], JsonError> {
        match self {
            Json::Null => Ok(&[]),
            Json::Array(items) => Ok(items),
            _ => Err(expected(name, "an array")),
        }
    }

    fn as_text(&self, name: &str) -> Result<&str, JsonError> {
        match self {
            Json::Null => Ok(""),
            Json::Text(text) => Ok(text),
            _ => Err(expected(name, "a string")),
        }
    }

    fn as_boolean(&self, name: &str) -> Result<bool, JsonError> {
        match self {
            Json::Null => Ok(false),
            Json::Bool(value) => Ok(*value),
            _ => Err(expected(name, "true or false")),
        }
    }

    fn as_unsigned(&self, name: &str) -> Result<u64, JsonError> {
        let read = match self {
            Json::Null => Some(0),
            Json::Int(value) => u64::try_from(*value).ok(),
            Json::Unsigned(value) => Some(*value),
            Json::Float(value) => (value.fract() == 0.0 && (0.0..U64_END).contains(value)).then_some(*value as u64),
            Json::Text(text) => text.parse().ok(),
            _ => None,
        };
        read.ok_or_else(|| expected(name, "an integer of 64 bits that is not negative"))
    }

    fn as_signed(&self, name: &str) -> Result<i64, JsonError> {
        let read = match self {
            Json::Null => Some(0),
            Json::Int(value) => Some(*value),
            Json::Unsigned(value) => i64::try_from(*value).ok(),
            Json::Float(value) => (value.fract() == 0.0 && (-I64_END..I64_END).contains(value)).then_some(*value as i64),
            Json::Text(text) => text.parse().ok(),
            _ => None,
        };
        read.ok_or_else(|| expected(name, "an integer of 64 bits"))
    }

    fn as_float(&self, name: &str) -> Result<Option<f64>, JsonError> {
        match self {
            Json::Null => Ok(None),
            Json::Int(value) => Ok(Some(*value as f64)),
            Json::Unsigned(value) => Ok(Some(*value as f64)),
            Json::Float(value) => Ok(Some(*value)),
            Json::Text(text) => text.parse().map(Some).map_err(|_| expected(name, "a number")),
            _ => Err(expected(name, "a number")),
        }
    }
}

const U64_END: f64 = 18_446_744_073_709_551_616.0;
const I64_END: f64 = 9_223_372_036_854_775_808.0;

fn expected(name: &str, what: &str) -> JsonError {
    JsonError(format!("{name} is not {what}"))
}

/// Whether `key` is `name` or its spelling in snake case.
fn is_named(key: &str, name: &str) -> bool {
    if key == name {
        return true;
    }
    let mut letters = key.bytes();
    let spelled = name.bytes().all(|letter| {
        if letter.is_ascii_uppercase() {
            letters.next() == Some(b'_') && letters.next() == Some(letter.to_ascii_lowercase())
        } else {
            letters.next() == Some(letter)
        }
    });
    spelled && letters.next().is_none()
}

impl<'de: 'a, 'a> serde::Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'a>, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'de>, E> {
        Ok(Json::Float(value))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Json<'de>>()? {
            let Json::Text(key) = key else { continue };
            members.push((key, map.next_value()?));
        }
        Ok(Json::Object(members))
    }
}

/// The text of the wanted members of an object; the rest is skipped. `null` and absent are one.
fn members<'t, const N: usize>(object: &'t str, wanted: [&str; N]) -> Result<[Option<&'t str>; N], JsonError> {
    struct Members<'w, const N: usize>([&'w str; N]);

    impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
        type Value = [Option<&'de str>; N];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an object with {}", self.0.join(", "))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut found = [None; N];
            while let Some(key) = map.next_key::<Json<'de>>()? {
                let value = map.next_value::<&'de RawValue>()?.get();
                let Json::Text(key) = key else { continue };
                if let Some(at) = self.0.iter().position(|name| is_named(&key, name)) {
                    found[at] = (value != "null").then_some(value);
                }
            }
            Ok(found)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_str(object);
    let found = deserializer.deserialize_map(Members(wanted))?;
    deserializer.end()?;
    Ok(found)
}

/// Calls `take` with the text of each item of an array, one after the other.
fn each<'t>(array: Option<&'t str>, take: &mut dyn FnMut(&'t str) -> Result<(), JsonError>) -> Result<(), JsonError> {
    struct Items<'f, 't>(&'f mut dyn FnMut(&'t str) -> Result<(), JsonError>);

    impl<'de> Visitor<'de> for Items<'_, 'de> {
        type Value = Result<(), JsonError>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut read = Ok(());
            while let Some(item) = seq.next_element::<&'de RawValue>()? {
                if read.is_ok() {
                    read = (self.0)(item.get());
                }
            }
            Ok(read)
        }
    }

    let Some(array) = array else { return Ok(()) };
    serde_json::Deserializer::from_str(array).deserialize_seq(Items(take))?
}

fn count_items(array: Option<&str>) -> Result<u64, JsonError> {
    let mut count = 0;
    each(array, &mut |_| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_two_spellings() {
        assert!(is_named("startTimeUnixNano", "startTimeUnixNano"));
        assert!(is_named("start_time_unix_nano", "startTimeUnixNano"));
        assert!(!is_named("start_time_unix_nan", "startTimeUnixNano"));
        assert!(!is_named("start_time_unix_nano_", "startTimeUnixNano"));
        assert!(!is_named("starttimeunixnano", "startTimeUnixNano"));
    }

    #[test]
    fn severities_have_names() {
        for (name, number) in [
            ("SEVERITY_NUMBER_TRACE", 1),
            ("SEVERITY_NUMBER_INFO", 9),
            ("SEVERITY_NUMBER_WARN2", 14),
            ("SEVERITY_NUMBER_FATAL4", 24),
            ("SEVERITY_NUMBER_UNSPECIFIED", 0),
            ("", 0),
        ] {
            assert_eq!(severity_number(name), number, "{name}");
        }
    }
}
