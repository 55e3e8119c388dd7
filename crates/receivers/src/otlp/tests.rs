//! Walks `fixtures/wire/otlp`; checks the walk against prost's decoder, and JSON against protobuf; throws stones.

use std::borrow::Cow;

use expect_test::{Expect, expect};
use model::{
    Attribute, Counted, DataPoint, DataPointType, Exception, LogRecord, Refusal, Resource, RowSink, Scope, Signal, Span, SpanId,
    SpanKind, SpanLink, StatusCode, Temporality, TraceId, flatten_json,
};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
};
use opentelemetry_proto::tonic::logs::v1 as logs;
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use proptest::prelude::*;
use prost::Message;

use super::Otlp;
use super::limits::EXEMPLARS_PER_POINT_MAX;
use super::translate::sample_rate_from_trace_state;
use crate::testing::{Captured, Dump, RECEIVED_AT_UNIX_NANO, check_fixtures, exchange, fixture_dirs, reply_text};
use crate::{BodyError, ContentEncoding, Failure, Headers, Incoming, Receiver, decompress};

#[test]
fn otlp_fixtures() {
    check_fixtures(&Otlp);
}

/// What real SDKs sent in protobuf means the same when told in JSON.
#[test]
fn fixtures_mean_the_same_in_json() {
    let mut compared = 0;
    for dir in fixture_dirs("otlp") {
        let captured = Captured::read(&dir);
        let (endpoint, _) = captured.door(&Otlp).unwrap();
        let endpoint = endpoint.trim_start_matches("grpc.");
        let Some(json) = json_from_protobuf(endpoint, &captured.body) else { continue };
        // Back from JSON, for its reader may have changed the last bit of a double.
        let protobuf = protobuf_from_json(endpoint, &json);
        assert_eq!(push(endpoint, PROTOBUF, &protobuf), push(endpoint, JSON, &json), "{}", dir.display());
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

fn incoming<'a>(endpoint: &'a str, content_type: &'a str, body: &'a [u8]) -> Incoming<'a> {
    Incoming { headers: Headers(vec![("content-type", content_type)]), ..Incoming::new(endpoint, RECEIVED_AT_UNIX_NANO, body) }
}

/// What a request pushes, as text.
fn push(endpoint: &str, content_type: &str, body: &[u8]) -> String {
    exchange(&Otlp, &incoming(endpoint, content_type, body)).0
}

fn json_from_protobuf(endpoint: &str, body: &[u8]) -> Option<Vec<u8>> {
    match endpoint {
        "traces" => serde_json::to_vec(&ExportTraceServiceRequest::decode(body).ok()?).ok(),
        "logs" => serde_json::to_vec(&ExportLogsServiceRequest::decode(body).ok()?).ok(),
        _ => serde_json::to_vec(&ExportMetricsServiceRequest::decode(body).ok()?).ok(),
    }
}

fn protobuf_from_json(endpoint: &str, json: &[u8]) -> Vec<u8> {
    match endpoint {
        "traces" => serde_json::from_slice::<ExportTraceServiceRequest>(json).unwrap().encode_to_vec(),
        "logs" => serde_json::from_slice::<ExportLogsServiceRequest>(json).unwrap().encode_to_vec(),
        _ => serde_json::from_slice::<ExportMetricsServiceRequest>(json).unwrap().encode_to_vec(),
    }
}

// --- The oracle: prost decodes, the plainest code says what must come out. ---

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn traces_agree_with_prost_and_json(entropy in entropy()) {
        let request = Draw(&entropy).traces();
        let body = request.encode_to_vec();
        let pushed = push("traces", PROTOBUF, &body);
        prop_assert_eq!(&pushed, &expect_traces(&request));
        prop_assert_eq!(&pushed, &push("grpc.traces", "", &body));
        prop_assert_eq!(&pushed, &push("traces", JSON, &serde_json::to_vec(&request).unwrap()));
    }

    #[test]
    fn logs_agree_with_prost_and_json(entropy in entropy()) {
        let request = Draw(&entropy).logs();
        let pushed = push("logs", PROTOBUF, &request.encode_to_vec());
        prop_assert_eq!(&pushed, &expect_logs(&request));
        prop_assert_eq!(&pushed, &push("logs", JSON, &serde_json::to_vec(&request).unwrap()));
    }

    #[test]
    fn metrics_agree_with_prost_and_json(entropy in entropy()) {
        let request = Draw(&entropy).metrics();
        let pushed = push("metrics", PROTOBUF, &request.encode_to_vec());
        prop_assert_eq!(&pushed, &expect_metrics(&request));
        prop_assert_eq!(&pushed, &push("metrics", JSON, &serde_json::to_vec(&request).unwrap()));
    }

    #[test]
    fn what_prost_reads_we_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        for (endpoint, reads) in [
            ("traces", ExportTraceServiceRequest::decode(&bytes[..]).is_ok()),
            ("logs", ExportLogsServiceRequest::decode(&bytes[..]).is_ok()),
            ("metrics", ExportMetricsServiceRequest::decode(&bytes[..]).is_ok()),
        ] {
            let pushed = push(endpoint, PROTOBUF, &bytes);
            prop_assert!(!reads || !pushed.contains("failed"), "{}", pushed);
            push(endpoint, JSON, &bytes);
        }
    }

    /// One changed byte anywhere never panics, in either encoding.
    #[test]
    fn changed_bytes_never_panic(entropy in entropy(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut draw = Draw(&entropy);
        let requests = [
            ("traces", draw.traces().encode_to_vec()),
            ("logs", draw.logs().encode_to_vec()),
            ("metrics", draw.metrics().encode_to_vec()),
        ];
        for (endpoint, body) in requests {
            for (content_type, mut body) in [(JSON, json_from_protobuf(endpoint, &body).unwrap()), (PROTOBUF, body)] {
                if body.is_empty() {
                    continue;
                }
                let at = at.index(body.len());
                body[at] = byte;
                push(endpoint, content_type, &body);
            }
        }
    }
}

fn entropy() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..6000)
}

/// Makes messages from bytes; when they run out everything is empty, so shorter is simpler.
struct Draw<'b>(&'b [u8]);

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    fn number(&mut self) -> u64 {
        match self.below(4) {
            0 => 0,
            1 => u64::from(self.byte()),
            2 => u64::from_le_bytes(std::array::from_fn(|_| self.byte())) >> 1,
            _ => 1 << 53,
        }
    }

    fn count32(&mut self) -> u32 {
        self.number() as u32
    }

    /// Eighths: exact however they are written.
    fn float(&mut self) -> f64 {
        f64::from(i32::from_le_bytes([self.byte(), self.byte(), self.byte(), 0]) - (1 << 23)) / 8.0
    }

    fn time(&mut self) -> u64 {
        match self.below(24) {
            0 => 0,
            1 => u64::MAX,
            _ => 1_700_000_000_000_000_000 + u64::from(self.byte()) * 1_000_003,
        }
    }

    fn text(&mut self) -> String {
        const WORDS: [&str; 8] = ["", "GET /", "a\"b\\c\n", "naïve", "\u{0}", "日本", "🦀", "\u{7f}\u{80}"];
        (0..self.below(3)).map(|_| WORDS[usize::from(self.below(8))]).collect()
    }

    fn id(&mut self, length: usize) -> Vec<u8> {
        match self.below(24) {
            0 => Vec::new(),
            1 => vec![0; length],
            2 => vec![1; 3],
            _ => (0..length).map(|_| self.byte() | 1).collect(),
        }
    }

    fn any(&mut self, depth: usize) -> AnyValue {
        let value = match self.below(if depth < 9 { 9 } else { 6 }) {
            0 => None,
            1 => Some(Any::StringValue(self.text())),
            2 => Some(Any::BoolValue(self.byte() > 127)),
            3 => Some(Any::IntValue(self.number() as i64 - (1 << 40))),
            4 => Some(Any::DoubleValue(self.float())),
            5 => Some(Any::BytesValue((0..self.below(5)).map(|_| self.byte()).collect())),
            6 => Some(Any::ArrayValue(ArrayValue { values: self.list(3, |draw| draw.any(depth + 1)) })),
            _ => Some(Any::KvlistValue(KeyValueList { values: self.pairs(depth + 1) })),
        };
        AnyValue { value }
    }

    fn pairs(&mut self, depth: usize) -> Vec<KeyValue> {
        const KEYS: [&str; 8] = [
            "sampleRate",
            "SampleRate",
            "exception.type",
            "exception.message",
            "exception.stacktrace",
            "event.name",
            "service.name",
            "http.route",
        ];
        (0..self.below(4))
            .map(|index| {
                // Keys of one map differ, as they must.
                let key = match self.below(5) {
                    0 => KEYS[usize::from(self.below(2) * 4 + index)].to_owned(),
                    _ => format!("k{index}{}", self.text()),
                };
                KeyValue { key, value: Some(self.any(depth)), ..KeyValue::default() }
            })
            .collect()
    }

    fn list<T>(&mut self, end: u8, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(end)).map(|_| one(self)).collect()
    }

    fn resource(&mut self) -> Option<ProtoResource> {
        (self.byte() > 40).then(|| ProtoResource { attributes: self.pairs(1), ..ProtoResource::default() })
    }

    fn scope(&mut self) -> Option<InstrumentationScope> {
        (self.byte() > 40).then(|| InstrumentationScope {
            name: self.text(),
            version: self.text(),
            attributes: self.pairs(1),
            dropped_attributes_count: self.count32(),
        })
    }

    fn traces(&mut self) -> ExportTraceServiceRequest {
        let resource_spans = self.list(3, |draw| trace::ResourceSpans {
            resource: draw.resource(),
            scope_spans: draw.list(3, |draw| trace::ScopeSpans {
                scope: draw.scope(),
                spans: draw.list(4, Draw::span),
                schema_url: draw.text(),
            }),
            schema_url: draw.text(),
        });
        ExportTraceServiceRequest { resource_spans }
    }

    fn span(&mut self) -> trace::Span {
        const TRACE_STATES: [&str; 4] = ["", "ot=th:8", "a=b,ot=rv:1;th:c0", "ot=th:zz"];
        trace::Span {
            trace_id: self.id(16),
            span_id: self.id(8),
            trace_state: TRACE_STATES[usize::from(self.below(4))].to_owned(),
            parent_span_id: self.id(8),
            flags: self.count32(),
            name: self.text(),
            kind: self.below(7).into(),
            start_time_unix_nano: self.time(),
            end_time_unix_nano: self.time(),
            attributes: self.pairs(1),
            dropped_attributes_count: self.count32(),
            events: self.list(3, |draw| trace::span::Event {
                time_unix_nano: draw.time(),
                name: if draw.byte() > 127 { "exception".to_owned() } else { draw.text() },
                attributes: draw.pairs(1),
                dropped_attributes_count: draw.count32(),
            }),
            dropped_events_count: self.count32(),
            links: self.list(3, |draw| trace::span::Link {
                trace_id: draw.id(16),
                span_id: draw.id(8),
                trace_state: draw.text(),
                attributes: draw.pairs(1),
                dropped_attributes_count: draw.count32(),
                flags: draw.count32(),
            }),
            dropped_links_count: self.below(9).into(),
            status: (self.byte() > 127).then(|| trace::Status { message: self.text(), code: self.below(4).into() }),
        }
    }

    fn logs(&mut self) -> ExportLogsServiceRequest {
        let resource_logs = self.list(3, |draw| logs::ResourceLogs {
            resource: draw.resource(),
            scope_logs: draw.list(3, |draw| logs::ScopeLogs {
                scope: draw.scope(),
                log_records: draw.list(4, Draw::log_record),
                schema_url: draw.text(),
            }),
            schema_url: draw.text(),
        });
        ExportLogsServiceRequest { resource_logs }
    }

    fn log_record(&mut self) -> logs::LogRecord {
        logs::LogRecord {
            time_unix_nano: self.time(),
            observed_time_unix_nano: self.time(),
            severity_number: self.below(26).into(),
            severity_text: self.text(),
            body: (self.byte() > 40).then(|| self.any(1)),
            attributes: self.pairs(1),
            dropped_attributes_count: self.count32(),
            flags: self.count32(),
            trace_id: self.id(16),
            span_id: self.id(8),
            event_name: if self.byte() > 200 { "exception".to_owned() } else { self.text() },
        }
    }

    fn metrics(&mut self) -> ExportMetricsServiceRequest {
        let resource_metrics = self.list(3, |draw| metrics::ResourceMetrics {
            resource: draw.resource(),
            scope_metrics: draw.list(3, |draw| metrics::ScopeMetrics {
                scope: draw.scope(),
                metrics: draw.list(4, Draw::metric),
                schema_url: draw.text(),
            }),
            schema_url: draw.text(),
        });
        ExportMetricsServiceRequest { resource_metrics }
    }

    fn metric(&mut self) -> metrics::Metric {
        use metrics::metric::Data;
        let temporality = self.below(4).into();
        let data = match self.below(6) {
            0 => None,
            1 => Some(Data::Gauge(metrics::Gauge { data_points: self.list(3, Draw::number_point) })),
            2 => Some(Data::Sum(metrics::Sum {
                data_points: self.list(3, Draw::number_point),
                aggregation_temporality: temporality,
                is_monotonic: self.byte() > 127,
            })),
            3 => Some(Data::Histogram(metrics::Histogram {
                data_points: self.list(3, Draw::histogram_point),
                aggregation_temporality: temporality,
            })),
            4 => Some(Data::ExponentialHistogram(metrics::ExponentialHistogram {
                data_points: self.list(3, Draw::exponential_point),
                aggregation_temporality: temporality,
            })),
            _ => Some(Data::Summary(metrics::Summary { data_points: self.list(3, Draw::summary_point) })),
        };
        let name = if self.byte() > 20 { format!("m{}", self.text()) } else { String::new() };
        metrics::Metric { name, description: self.text(), unit: self.text(), metadata: self.pairs(1), data }
    }

    fn maybe_float(&mut self) -> Option<f64> {
        (self.byte() > 80).then(|| self.float())
    }

    fn exemplars(&mut self) -> Vec<metrics::Exemplar> {
        use metrics::exemplar::Value;
        self.list(3, |draw| metrics::Exemplar {
            filtered_attributes: draw.pairs(1),
            time_unix_nano: draw.time(),
            span_id: draw.id(8),
            trace_id: draw.id(16),
            value: match draw.below(3) {
                0 => None,
                1 => Some(Value::AsDouble(draw.float())),
                _ => Some(Value::AsInt(draw.number() as i64)),
            },
        })
    }

    fn number_point(&mut self) -> metrics::NumberDataPoint {
        use metrics::number_data_point::Value;
        metrics::NumberDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            exemplars: self.exemplars(),
            flags: self.below(3).into(),
            value: match self.below(3) {
                0 => None,
                1 => Some(Value::AsDouble(self.float())),
                _ => Some(Value::AsInt(self.number() as i64 - (1 << 60))),
            },
        }
    }

    fn histogram_point(&mut self) -> metrics::HistogramDataPoint {
        metrics::HistogramDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.number(),
            sum: self.maybe_float(),
            bucket_counts: self.list(5, Draw::number),
            explicit_bounds: self.list(5, Draw::float),
            exemplars: self.exemplars(),
            flags: self.below(3).into(),
            min: self.maybe_float(),
            max: self.maybe_float(),
        }
    }

    fn exponential_point(&mut self) -> metrics::ExponentialHistogramDataPoint {
        use metrics::exponential_histogram_data_point::Buckets;
        let buckets = |draw: &mut Self| {
            (draw.byte() > 80)
                .then(|| Buckets { offset: i32::from(draw.byte()) - 128, bucket_counts: draw.list(5, Draw::number) })
        };
        metrics::ExponentialHistogramDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.number(),
            sum: self.maybe_float(),
            scale: i32::from(self.byte()) - 128,
            zero_count: self.number(),
            positive: buckets(self),
            negative: buckets(self),
            flags: self.below(3).into(),
            exemplars: self.exemplars(),
            min: self.maybe_float(),
            max: self.maybe_float(),
            zero_threshold: self.float(),
        }
    }

    fn summary_point(&mut self) -> metrics::SummaryDataPoint {
        use metrics::summary_data_point::ValueAtQuantile;
        metrics::SummaryDataPoint {
            attributes: self.pairs(1),
            start_time_unix_nano: self.time(),
            time_unix_nano: self.time(),
            count: self.number(),
            sum: self.float(),
            quantile_values: self.list(4, |draw| ValueAtQuantile { quantile: draw.float(), value: draw.float() }),
            flags: self.below(3).into(),
        }
    }
}

fn plain_json(any: Option<&AnyValue>) -> serde_json::Value {
    use base64::Engine;
    match any.and_then(|any| any.value.as_ref()) {
        None => serde_json::Value::Null,
        Some(Any::StringValue(text)) => text.as_str().into(),
        Some(Any::BoolValue(value)) => (*value).into(),
        Some(Any::IntValue(value)) => (*value).into(),
        Some(Any::DoubleValue(value)) => (*value).into(),
        Some(Any::BytesValue(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|value| plain_json(Some(value))).collect(),
        Some(Any::KvlistValue(list)) => {
            list.values.iter().map(|pair| (pair.key.clone(), plain_json(pair.value.as_ref()))).collect()
        }
        Some(other) => panic!("{other:?} is of profiles alone"),
    }
}

fn attributes_of(pairs: &[KeyValue]) -> Vec<Attribute<'static>> {
    let mut out = Vec::new();
    for pair in pairs {
        flatten_json(Cow::Owned(pair.key.clone()), &plain_json(pair.value.as_ref()), &mut out);
    }
    out
}

fn take(attributes: &mut Vec<Attribute<'static>>, keys: &[&str]) -> Option<model::Value<'static>> {
    let found = attributes.iter().rev().find(|attribute| keys.contains(&&*attribute.key)).map(|found| found.value.clone());
    attributes.retain(|attribute| !keys.contains(&&*attribute.key));
    found
}

fn take_rate(attributes: &mut Vec<Attribute<'static>>) -> Option<f64> {
    take(attributes, &["sampleRate", "SampleRate"]).and_then(|rate| rate.as_f64()).filter(|rate| *rate >= 1.0)
}

fn take_exception(name: &str, attributes: &mut Vec<Attribute<'static>>) -> Option<Exception<'static>> {
    let mut found = name == "exception";
    let [r#type, message, stacktrace] = ["exception.type", "exception.message", "exception.stacktrace"].map(|key| {
        let value = take(attributes, &[key]);
        found |= value.is_some();
        Cow::Owned(value.map(|value| value.to_text().into_owned()).unwrap_or_default())
    });
    found.then(|| Exception { r#type, message, stacktrace, ..Exception::default() })
}

fn late(times: &[u64]) -> bool {
    times.iter().any(|time| *time > i64::MAX as u64)
}

fn wrong(id: &[u8], length: usize) -> bool {
    !id.is_empty() && id.len() != length
}

fn expect_resource(resource: Option<&ProtoResource>, schema_url: &str, dump: &mut Dump) {
    let attributes = resource.map(|resource| attributes_of(&resource.attributes)).unwrap_or_default();
    dump.resource(&Resource { attributes: &attributes, schema_url });
}

fn expect_scope(scope: Option<&InstrumentationScope>, schema_url: &str, dump: &mut Dump) {
    let scope = scope.cloned().unwrap_or_default();
    let attributes = attributes_of(&scope.attributes);
    dump.scope(&Scope { name: &scope.name, version: &scope.version, attributes: &attributes, schema_url });
}

fn refuse(dump: &mut Dump, signal: Signal, count: u64, reason: &'static str) {
    dump.refuse(Refusal { signal, count, reason: reason.into() });
}

fn expect_traces(request: &ExportTraceServiceRequest) -> String {
    let mut dump = Dump::new();
    for group in &request.resource_spans {
        expect_resource(group.resource.as_ref(), &group.schema_url, &mut dump);
        for group in &group.scope_spans {
            expect_scope(group.scope.as_ref(), &group.schema_url, &mut dump);
            group.spans.iter().for_each(|span| expect_span(span, &mut dump));
        }
    }
    dump.text().to_owned()
}

fn expect_span(span: &trace::Span, dump: &mut Dump) {
    let mut dropped_links_count = span.dropped_links_count;
    let mut links = Vec::new();
    for link in &span.links {
        match (TraceId::from_bytes(&link.trace_id), SpanId::from_bytes(&link.span_id)) {
            (Some(trace_id), Some(span_id)) => links.push(SpanLink {
                trace_id,
                span_id,
                trace_state: &link.trace_state,
                attributes: attributes_of(&link.attributes),
            }),
            _ => {
                refuse(dump, Signal::Spans, 0, "span link left out: expected a valid trace id and span id");
                dropped_links_count += 1;
            }
        }
    }
    let Some(trace_id) = TraceId::from_bytes(&span.trace_id) else {
        return refuse(dump, Signal::Spans, 1, "span: expected a trace id of 16 bytes that are not all zero");
    };
    let Some(span_id) = SpanId::from_bytes(&span.span_id) else {
        return refuse(dump, Signal::Spans, 1, "span: expected a span id of 8 bytes that are not all zero");
    };
    if late(&[span.start_time_unix_nano, span.end_time_unix_nano]) {
        return refuse(dump, Signal::Spans, 1, "span: expected times before the year 2262");
    }
    if wrong(&span.parent_span_id, 8) {
        refuse(dump, Signal::Spans, 0, "parent span id left out: expected 8 bytes");
    }
    let end = span.end_time_unix_nano as i64;
    let start = match span.start_time_unix_nano as i64 {
        0 if end == 0 => RECEIVED_AT_UNIX_NANO,
        0 => end,
        start => start,
    };
    let mut attributes = attributes_of(&span.attributes);
    let negative = span.start_time_unix_nano > 0 && end < start;
    if negative {
        attributes.push(Attribute::new("meta.invalid_duration", model::Value::Bool(true)));
    }
    let sample_rate = take_rate(&mut attributes).or(sample_rate_from_trace_state(&span.trace_state)).unwrap_or(1.0);
    let status = span.status.clone().unwrap_or_default();
    dump.span(&Span {
        start_time_unix_nano: start,
        duration_ns: if negative || span.end_time_unix_nano == 0 { 0 } else { end - start },
        parent_span_id: SpanId::from_bytes(&span.parent_span_id),
        trace_state: &span.trace_state,
        flags: span.flags,
        kind: SpanKind::from_otlp(span.kind.into()),
        status_code: StatusCode::from_otlp(status.code.into()),
        status_message: &status.message,
        dropped_attributes_count: span.dropped_attributes_count,
        dropped_events_count: span.dropped_events_count,
        dropped_links_count,
        links: &links,
        sample_rate,
        attributes: &attributes,
        ..Span::new(trace_id, span_id, &span.name)
    });
    for event in &span.events {
        if late(&[event.time_unix_nano]) {
            refuse(dump, Signal::Logs, 1, "span event: expected a time before the year 2262");
            continue;
        }
        let mut attributes = attributes_of(&event.attributes);
        let exception = take_exception(&event.name, &mut attributes);
        let message = exception.as_ref().map(|exception| exception.message.clone()).filter(|message| !message.is_empty());
        dump.log(&LogRecord {
            time_unix_nano: if event.time_unix_nano == 0 { start } else { event.time_unix_nano as i64 },
            trace_id: Some(trace_id),
            span_id: Some(span_id),
            severity_number: if exception.is_some() { 17 } else { 0 },
            event_name: &event.name,
            body: message.unwrap_or(Cow::Borrowed(&event.name)),
            exception,
            dropped_attributes_count: event.dropped_attributes_count,
            sample_rate,
            attributes: &attributes,
            ..LogRecord::default()
        });
    }
}

fn expect_logs(request: &ExportLogsServiceRequest) -> String {
    let mut dump = Dump::new();
    for group in &request.resource_logs {
        expect_resource(group.resource.as_ref(), &group.schema_url, &mut dump);
        for group in &group.scope_logs {
            expect_scope(group.scope.as_ref(), &group.schema_url, &mut dump);
            group.log_records.iter().for_each(|record| expect_log(record, &mut dump));
        }
    }
    dump.text().to_owned()
}

fn expect_log(record: &logs::LogRecord, dump: &mut Dump) {
    if late(&[record.time_unix_nano, record.observed_time_unix_nano]) {
        return refuse(dump, Signal::Logs, 1, "log record: expected times before the year 2262");
    }
    if wrong(&record.trace_id, 16) || wrong(&record.span_id, 8) {
        refuse(dump, Signal::Logs, 0, "trace context of a log record left out: expected ids of 16 and 8 bytes");
    }
    let mut attributes = Vec::new();
    let json = plain_json(record.body.as_ref());
    let mut body = match &json {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) if number.is_f64() => number.as_f64().unwrap().to_string(),
        other => other.to_string(),
    };
    if json.is_object() {
        flatten_json("body".into(), &json, &mut attributes);
    }
    attributes.extend(attributes_of(&record.attributes));
    let mut event_name = record.event_name.clone();
    if event_name.is_empty()
        && let Some(named) = attributes.iter().rev().find(|attribute| attribute.key == "event.name")
    {
        event_name = named.value.as_str().unwrap_or_default().to_owned();
    }
    let exception = take_exception(&event_name, &mut attributes);
    if body.is_empty() {
        body = exception.as_ref().map(|exception| exception.message.to_string()).unwrap_or_default();
    }
    let sample_rate = take_rate(&mut attributes).unwrap_or(1.0);
    let time = [record.time_unix_nano, record.observed_time_unix_nano, RECEIVED_AT_UNIX_NANO as u64];
    dump.log(&LogRecord {
        time_unix_nano: *time.iter().find(|time| **time > 0).unwrap() as i64,
        trace_id: TraceId::from_bytes(&record.trace_id),
        span_id: SpanId::from_bytes(&record.span_id),
        flags: record.flags,
        severity_number: record.severity_number,
        severity_text: Cow::Borrowed(&record.severity_text),
        event_name: &event_name,
        body: Cow::Owned(body),
        exception,
        dropped_attributes_count: record.dropped_attributes_count,
        sample_rate,
        source: None,
        attributes: &attributes,
    });
}

fn expect_metrics(request: &ExportMetricsServiceRequest) -> String {
    let mut dump = Dump::new();
    for group in &request.resource_metrics {
        expect_resource(group.resource.as_ref(), &group.schema_url, &mut dump);
        for group in &group.scope_metrics {
            expect_scope(group.scope.as_ref(), &group.schema_url, &mut dump);
            group.metrics.iter().for_each(|metric| expect_metric(metric, &mut dump));
        }
    }
    dump.text().to_owned()
}

/// A point, and what all kinds of points tell alike: start and time, attributes, exemplars.
type Common<'a> = (DataPoint<'a>, [u64; 2], &'a [KeyValue], &'a [metrics::Exemplar]);

fn expect_metric(metric: &metrics::Metric, dump: &mut Dump) {
    use metrics::metric::Data;
    use metrics::number_data_point::Value;
    let point = DataPoint {
        metric: &metric.name,
        description: &metric.description,
        unit: &metric.unit,
        r#type: DataPointType::Gauge,
        temporality: Temporality::Unspecified,
        is_monotonic: false,
        start_time_unix_nano: 0,
        time_unix_nano: 0,
        flags: 0,
        value: None,
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: Cow::Borrowed(""),
        exemplars: Cow::Borrowed(""),
        attributes: &[],
    };
    let mut points: Vec<Common<'_>> = Vec::new();
    let number = |point: DataPoint<'_>, number: &metrics::NumberDataPoint| {
        let value = number.value.as_ref().map(|value| match value {
            Value::AsDouble(value) => *value,
            Value::AsInt(value) => *value as f64,
        });
        DataPoint { flags: number.flags, value, ..unborrowed(&point, metric) }
    };
    match &metric.data {
        None => return refuse(dump, Signal::Metrics, 0, "metric without data, or with data of an unknown type"),
        Some(Data::Gauge(data)) => {
            for of in &data.data_points {
                let times = [of.start_time_unix_nano, of.time_unix_nano];
                points.push((number(point.clone(), of), times, &of.attributes, &of.exemplars));
            }
        }
        Some(Data::Sum(data)) => {
            for of in &data.data_points {
                let point = DataPoint {
                    r#type: DataPointType::Sum,
                    temporality: Temporality::from_otlp(data.aggregation_temporality.into()),
                    is_monotonic: data.is_monotonic,
                    ..point.clone()
                };
                let times = [of.start_time_unix_nano, of.time_unix_nano];
                points.push((number(point, of), times, &of.attributes, &of.exemplars));
            }
        }
        Some(Data::Histogram(data)) => {
            for of in &data.data_points {
                let point = DataPoint {
                    r#type: DataPointType::Histogram,
                    temporality: Temporality::from_otlp(data.aggregation_temporality.into()),
                    flags: of.flags,
                    count: Some(of.count),
                    sum: of.sum,
                    min: of.min,
                    max: of.max,
                    buckets: serde_json::json!({"bounds": of.explicit_bounds, "counts": of.bucket_counts}).to_string().into(),
                    ..point.clone()
                };
                points.push((point, [of.start_time_unix_nano, of.time_unix_nano], &of.attributes, &of.exemplars));
            }
        }
        Some(Data::ExponentialHistogram(data)) => {
            for of in &data.data_points {
                let (positive, negative) = (of.positive.clone().unwrap_or_default(), of.negative.clone().unwrap_or_default());
                let buckets = serde_json::json!({
                    "scale": of.scale, "zero_count": of.zero_count, "zero_threshold": of.zero_threshold,
                    "positive": {"offset": positive.offset, "counts": positive.bucket_counts},
                    "negative": {"offset": negative.offset, "counts": negative.bucket_counts},
                });
                let point = DataPoint {
                    r#type: DataPointType::ExponentialHistogram,
                    temporality: Temporality::from_otlp(data.aggregation_temporality.into()),
                    flags: of.flags,
                    count: Some(of.count),
                    sum: of.sum,
                    min: of.min,
                    max: of.max,
                    buckets: buckets.to_string().into(),
                    ..point.clone()
                };
                points.push((point, [of.start_time_unix_nano, of.time_unix_nano], &of.attributes, &of.exemplars));
            }
        }
        Some(Data::Summary(data)) => {
            for of in &data.data_points {
                let quantiles: Vec<[f64; 2]> = of.quantile_values.iter().map(|pair| [pair.quantile, pair.value]).collect();
                let point = DataPoint {
                    r#type: DataPointType::Summary,
                    flags: of.flags,
                    count: Some(of.count),
                    sum: Some(of.sum),
                    buckets: serde_json::json!({ "quantiles": quantiles }).to_string().into(),
                    ..point.clone()
                };
                points.push((point, [of.start_time_unix_nano, of.time_unix_nano], &of.attributes, &[]));
            }
        }
    }
    if metric.name.is_empty() {
        return refuse(dump, Signal::Metrics, points.len() as u64, "metric: expected a name");
    }
    for (mut point, times, attributes, exemplars) in points {
        if late(&times) {
            refuse(dump, Signal::Metrics, 1, "data point: expected times before the year 2262");
            continue;
        }
        point.start_time_unix_nano = times[0] as i64;
        point.time_unix_nano = if times[1] == 0 { RECEIVED_AT_UNIX_NANO } else { times[1] as i64 };
        if point.flags & 1 == 1 {
            (point.value, point.count, point.sum, point.min, point.max) = (None, None, None, None, None);
            point.buckets = Cow::Borrowed("");
        }
        if !exemplars.is_empty() {
            let list: Vec<_> = exemplars.iter().map(plain_exemplar).collect();
            point.exemplars = serde_json::Value::from(list).to_string().into();
        }
        let attributes = attributes_of(attributes);
        dump.data_point(&DataPoint { attributes: &attributes, ..point });
    }
}

/// The same point, borrowing from nothing but its metric.
fn unborrowed<'a>(point: &DataPoint<'_>, metric: &'a metrics::Metric) -> DataPoint<'a> {
    DataPoint {
        metric: &metric.name,
        description: &metric.description,
        unit: &metric.unit,
        r#type: point.r#type,
        temporality: point.temporality,
        is_monotonic: point.is_monotonic,
        start_time_unix_nano: 0,
        time_unix_nano: 0,
        flags: 0,
        value: None,
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: Cow::Borrowed(""),
        exemplars: Cow::Borrowed(""),
        attributes: &[],
    }
}

fn plain_exemplar(exemplar: &metrics::Exemplar) -> serde_json::Value {
    use metrics::exemplar::Value;
    let mut json = serde_json::Map::new();
    json.insert("time_unix_nano".into(), exemplar.time_unix_nano.into());
    let value = match exemplar.value {
        None => serde_json::Value::Null,
        Some(Value::AsDouble(value)) => value.into(),
        Some(Value::AsInt(value)) => value.into(),
    };
    json.insert("value".into(), value);
    if let Some(id) = TraceId::from_bytes(&exemplar.trace_id) {
        json.insert("trace_id".into(), id.to_string().into());
    }
    if let Some(id) = SpanId::from_bytes(&exemplar.span_id) {
        json.insert("span_id".into(), id.to_string().into());
    }
    let pairs = exemplar.filtered_attributes.iter();
    let attributes = pairs.map(|pair| (pair.key.clone(), plain_json(pair.value.as_ref()))).collect();
    json.insert("attributes".into(), serde_json::Value::Object(attributes));
    serde_json::Value::Object(json)
}

// --- What records mean. ---

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Any::StringValue(value.to_owned()))
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn some_span() -> trace::Span {
    trace::Span {
        trace_id: (1..=16).collect(),
        span_id: (1..=8).collect(),
        name: "GET /".to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_250_000_000,
        ..trace::Span::default()
    }
}

fn traces_of(spans: Vec<trace::Span>) -> Vec<u8> {
    let scope_spans = vec![trace::ScopeSpans { spans, ..Default::default() }];
    let resource_spans = vec![trace::ResourceSpans { scope_spans, ..Default::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn logs_of(log_records: Vec<logs::LogRecord>) -> Vec<u8> {
    let scope_logs = vec![logs::ScopeLogs { log_records, ..Default::default() }];
    let resource_logs = vec![logs::ResourceLogs { scope_logs, ..Default::default() }];
    ExportLogsServiceRequest { resource_logs }.encode_to_vec()
}

fn metrics_of(metrics: Vec<metrics::Metric>) -> Vec<u8> {
    let scope_metrics = vec![metrics::ScopeMetrics { metrics, ..Default::default() }];
    let resource_metrics = vec![metrics::ResourceMetrics { scope_metrics, ..Default::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

fn check_spans(spans: Vec<trace::Span>, expected: Expect) {
    expected.assert_eq(&push("traces", PROTOBUF, &traces_of(spans)));
}

fn check_logs(records: Vec<logs::LogRecord>, expected: Expect) {
    expected.assert_eq(&push("logs", PROTOBUF, &logs_of(records)));
}

#[test]
fn a_span_that_ends_before_it_starts_has_no_duration() {
    check_spans(
        vec![trace::Span { end_time_unix_nano: 1_600_000_000_000_000_000, ..some_span() }],
        expect![[r#"
        resource "unknown_service"
        scope ""
        span "GET /"
          trace_id: 0102030405060708090a0b0c0d0e0f10
          span_id: 0102030405060708
          start_time_unix_nano: 1700000000000000000
          duration_ns: 0
          kind: unspecified
          status_code: unset
            meta.invalid_duration = true
    "#]],
    );
}

#[test]
fn sampling_is_told_by_attribute_or_trace_state_and_reaches_events() {
    let events = vec![trace::span::Event { name: "queued".to_owned(), ..Default::default() }];
    check_spans(
        vec![
            trace::Span { attributes: vec![pair("SampleRate", Any::IntValue(20))], events, ..some_span() },
            trace::Span { trace_state: "ot=th:8".to_owned(), ..some_span() },
        ],
        expect![[r#"
            resource "unknown_service"
            scope ""
            span "GET /"
              trace_id: 0102030405060708090a0b0c0d0e0f10
              span_id: 0102030405060708
              start_time_unix_nano: 1700000000000000000
              duration_ns: 250000000
              kind: unspecified
              status_code: unset
              sample_rate: 20
            log "queued"
              time_unix_nano: 1700000000000000000
              trace_id: 0102030405060708090a0b0c0d0e0f10
              span_id: 0102030405060708
              event_name: "queued"
              sample_rate: 20
            span "GET /"
              trace_id: 0102030405060708090a0b0c0d0e0f10
              span_id: 0102030405060708
              start_time_unix_nano: 1700000000000000000
              duration_ns: 250000000
              kind: unspecified
              status_code: unset
              trace_state: "ot=th:8"
              sample_rate: 2
        "#]],
    );
}

#[test]
fn what_is_refused_does_not_sink_its_neighbours() {
    let link = trace::span::Link { trace_id: vec![1; 16], ..Default::default() };
    check_spans(
        vec![
            trace::Span { trace_id: vec![], ..some_span() },
            trace::Span { span_id: vec![1, 2], ..some_span() },
            trace::Span { start_time_unix_nano: u64::MAX, ..some_span() },
            trace::Span { name: "kept".to_owned(), parent_span_id: vec![9], links: vec![link], ..some_span() },
        ],
        expect![[r#"
            resource "unknown_service"
            scope ""
            refused 1 spans: span: expected a trace id of 16 bytes that are not all zero
            refused 1 spans: span: expected a span id of 8 bytes that are not all zero
            refused 1 spans: span: expected times before the year 2262
            refused 0 spans: span link left out: expected a valid trace id and span id
            refused 0 spans: parent span id left out: expected 8 bytes
            span "kept"
              trace_id: 0102030405060708090a0b0c0d0e0f10
              span_id: 0102030405060708
              start_time_unix_nano: 1700000000000000000
              duration_ns: 250000000
              kind: unspecified
              status_code: unset
              dropped_links_count: 1
        "#]],
    );
}

/// Some collectors' JSON went through a generic mapping that read hex as base64; the bytes are undone.
#[test]
fn ids_that_were_taken_for_base64_are_undone() {
    let bytes = |hex: &str| super::ids::base64_decode(hex).unwrap();
    let span =
        trace::Span { trace_id: bytes("0af7651916cd43dd8448eb211c80319c"), span_id: bytes("b7ad6b7169203331"), ..some_span() };
    let pushed = push("traces", PROTOBUF, &traces_of(vec![span]));
    assert!(pushed.contains("trace_id: 0af7651916cd43dd8448eb211c80319c\n  span_id: b7ad6b7169203331"), "{pushed}");
}

#[test]
fn maps_flatten_to_depth_five_and_the_rest_is_json() {
    let mut nested = Any::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(Any::BytesValue(vec![1, 2])) }] });
    for key in ["f", "e", "d", "c", "b"] {
        nested = Any::KvlistValue(KeyValueList { values: vec![pair(key, nested)] });
    }
    let attributes = vec![pair("a", nested), pair("bytes", Any::BytesValue(vec![1, 2, 255])), text("", "no key")];
    check_spans(
        vec![trace::Span { attributes, ..some_span() }],
        expect![[r#"
        resource "unknown_service"
        scope ""
        span "GET /"
          trace_id: 0102030405060708090a0b0c0d0e0f10
          span_id: 0102030405060708
          start_time_unix_nano: 1700000000000000000
          duration_ns: 250000000
          kind: unspecified
          status_code: unset
          dropped_attributes_count: 1
            a.b.c.d.e = json {"f":["AQI="]}
            bytes = "AQL/"
    "#]],
    );
}

#[test]
fn log_records_have_bodies_events_and_exceptions() {
    let map = Any::KvlistValue(KeyValueList { values: vec![text("msg", "hi"), pair("n", Any::IntValue(7))] });
    let observed_time_unix_nano = 1_700_000_000_000_000_001;
    check_logs(
        vec![
            logs::LogRecord { body: Some(AnyValue { value: Some(map) }), ..Default::default() },
            logs::LogRecord {
                observed_time_unix_nano,
                body: Some(AnyValue { value: Some(Any::DoubleValue(0.5)) }),
                attributes: vec![text("event.name", "deploy")],
                trace_id: vec![1],
                ..Default::default()
            },
            logs::LogRecord {
                event_name: "exception".to_owned(),
                attributes: vec![text("exception.message", "no such user"), text("exception.type", "KeyError")],
                ..Default::default()
            },
        ],
        expect![[r#"
            resource "unknown_service"
            scope ""
            log "{\"msg\":\"hi\",\"n\":7}"
              time_unix_nano: 1767323045678901234
                body.msg = "hi"
                body.n = 7
            refused 0 logs: trace context of a log record left out: expected ids of 16 and 8 bytes
            log "0.5"
              time_unix_nano: 1700000000000000001
              event_name: "deploy"
                event.name = "deploy"
            log "no such user"
              time_unix_nano: 1767323045678901234
              event_name: "exception"
              exception.type: "KeyError"
              exception.message: "no such user"
              exception.stacktrace: ""
        "#]],
    );
}

#[test]
fn a_series_that_ended_has_a_point_without_value() {
    use metrics::number_data_point::Value;
    let point = metrics::NumberDataPoint { flags: 1, value: Some(Value::AsInt(7)), ..Default::default() };
    let data = Some(metrics::metric::Data::Gauge(metrics::Gauge { data_points: vec![point] }));
    let body = metrics_of(vec![metrics::Metric { name: "depth".to_owned(), data, ..Default::default() }]);
    expect![[r#"
        resource "unknown_service"
        scope ""
        data point "depth"
          type: gauge
          temporality: unspecified
          time_unix_nano: 1767323045678901234
          flags: 1
    "#]]
    .assert_eq(&push("metrics", PROTOBUF, &body));
}

#[test]
fn the_dataset_header_is_told_by_the_resource() {
    let body = traces_of(vec![some_span()]);
    let mut request = incoming("traces", PROTOBUF, &body);
    request.headers.0.push(("x-honeycomb-dataset", "shop"));
    let (pushed, _) = exchange(&Otlp, &request);
    assert!(pushed.starts_with("resource \"unknown_service\"\n    honeycomb.dataset = \"shop\"\n"), "{pushed}");
}

/// Each spelling of the same span pushes the same.
#[test]
fn json_is_read_leniently() {
    let canonical = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
        "traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"GET /","kind":2,
        "startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000000250000000",
        "status":{"code":2,"message":"no"},"attributes":[
            {"key":"i","value":{"intValue":"-7"}},{"key":"d","value":{"doubleValue":2}},
            {"key":"b","value":{"bytesValue":"/+8="}}]}]}]}]}"#;
    let expected = push("traces", JSON, canonical.as_bytes());
    assert!(expected.contains("span \"GET /\""), "{expected}");
    for (from, to) in [
        ("0af7651916cd43dd8448eb211c80319c", "0AF7651916CD43DD8448EB211C80319C"),
        ("0af7651916cd43dd8448eb211c80319c", "CvdlGRbNQ92ESOshHIAxnA=="),
        ("0af7651916cd43dd8448eb211c80319c", "CvdlGRbNQ92ESOshHIAxnA"),
        ("b7ad6b7169203331", "t61rcWkgMzE="),
        (r#""1700000000000000000""#, "1700000000000000000"),
        (r#""1700000000000000000""#, "1.7e18"),
        (r#""kind":2"#, r#""kind":"SPAN_KIND_SERVER""#),
        (r#""kind":2"#, r#""kind":"2""#),
        (r#""code":2"#, r#""code":"STATUS_CODE_ERROR""#),
        (r#""-7""#, "-7"),
        (r#""doubleValue":2"#, r#""doubleValue":"2""#),
        ("/+8=", "_-8"),
        ("startTimeUnixNano", "start_time_unix_nano"),
        ("resourceSpans", "resource_spans"),
        ("intValue", "int_value"),
        (r#""kind":2"#, r#""kind":2,"later":{"than":[1,{"this":null}]},"links":null,"parentSpanId":"""#),
        (r#""name":"GET /""#, r#""name":"GET \/""#),
    ] {
        let told = canonical.replace(from, to);
        assert_ne!(told, canonical);
        assert_eq!(push("traces", JSON, told.as_bytes()), expected, "{to}");
    }
}

#[test]
fn what_json_cannot_mean_is_refused_with_its_reason() {
    for (record, reason) in [
        (r#"7"#, "span: expected an object"),
        (r#"{"name":7}"#, "span: name is not a string"),
        (r#"{"startTimeUnixNano":"soon"}"#, "span: startTimeUnixNano is not an integer of 64 bits that is not negative"),
        (r#"{"flags":4294967296}"#, "span: flags is not a number of 32 bits"),
        (r#"{"attributes":{"a":1}}"#, "span: attributes is not an array"),
        (r#"{"attributes":[{"key":"a","value":"bare"}]}"#, r#"span: a value is not an object such as {"stringValue":"…"}"#),
        (r#"{"attributes":[{"key":"a","value":{"bytesValue":"?"}}]}"#, "span: bytesValue is not base64"),
        (r#"{"traceId":"abc"}"#, "span: expected a trace id of 16 bytes that are not all zero"),
    ] {
        let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{record}]}}]}}]}}"#);
        let pushed = push("traces", JSON, body.as_bytes());
        assert!(pushed.ends_with(&format!("refused 1 spans: {reason}\n")), "{record}: {pushed}");
    }
}

/// A resource or scope that cannot be read takes its records along, and says how many.
#[test]
fn records_fall_with_their_resource_and_are_counted() {
    for (group, what) in [
        (r#""resource":{"attributes":7},"scopeSpans":[{"spans":[{},{}]},{"spans":[{}]}]"#, "refused 3 spans: resource: "),
        (r#""scopeSpans":[{"scope":{"name":7},"spans":[{},{}]}]"#, "refused 2 spans: scope: "),
    ] {
        let pushed = push("traces", JSON, format!(r#"{{"resourceSpans":[{{{group}}}]}}"#).as_bytes());
        assert!(pushed.contains(what), "{pushed}");
    }
    let request = ExportTraceServiceRequest::decode(&traces_of(vec![some_span(), some_span()])[..]).unwrap();
    let mut group = request.resource_spans[0].encode_to_vec();
    group.extend([0x1a, 1, 0xff]);
    assert_eq!(push("traces", PROTOBUF, &message(1, &group)), "refused 2 spans: resource: a string is not UTF-8\n");
}

// --- Hostile input. ---

/// Field `number` holding `content`.
fn message(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

/// A request with one record of these bytes.
fn around(record: &[u8]) -> Vec<u8> {
    message(1, &message(2, &message(2, record)))
}

fn nested(levels: usize, key: u8) -> Vec<u8> {
    let mut any = vec![0x10, 1];
    for _ in 0..levels {
        // Any -> array of values, or Any -> list of pairs with the value in field 2.
        any = if key == 5 { message(5, &message(1, &any)) } else { message(6, &message(1, &message(2, &any))) };
    }
    any
}

#[test]
fn hostile_protobuf_is_an_error_or_a_refusal() {
    let attribute = |any: Vec<u8>| around(&message(9, &[vec![0x0a, 1, b'k'], message(2, &any)].concat()));
    let span = |tail: &[u8]| around(&[&some_span().encode_to_vec()[..], tail].concat());
    let malformed = "failed: cannot read OTLP protobuf: ";
    for (name, body, expected) in [
        ("text", b"garbage".to_vec(), malformed),
        ("html", b"<!doctype html>".to_vec(), malformed),
        ("length beyond the end", vec![0x0a, 0x7f], malformed),
        ("length of 2^63", [&[0x0a][..], &[0xff; 8], &[0x7f]].concat(), malformed),
        ("length of 2^64", [&[0x0a][..], &[0xff; 9], &[0x01]].concat(), malformed),
        ("varint without end", vec![0xff; 100], malformed),
        ("field number 0", vec![0x02, 0x00], malformed),
        ("unknown wire type", vec![0x0e], malformed),
        ("group without end", vec![0x0b], malformed),
        ("groups without end", vec![0x0b; 100_000], malformed),
        ("end of no group", vec![0x0c], malformed),
        ("group skipped", vec![0x1b, 0x23, 0x08, 0x01, 0x24, 0x1c], ""),
        ("groups a number where it is a message", vec![0x08, 0x01], malformed),
        ("a record that is no message", around(b"\xff\xff"), "refused 1 spans: span: protobuf ends inside a field"),
        ("a name that is not UTF-8", span(&[0x2a, 2, 0xc3, 0x28]), "refused 1 spans: span: a string is not UTF-8"),
        ("a name that is a number", span(&[0x28, 1]), "refused 1 spans: span: a protobuf field is not length-delimited"),
        ("arrays in arrays", attribute(nested(10_000, 5)), "refused 1 spans: span: values nest deeper than 64"),
        ("maps in maps", attribute(nested(10_000, 6)), "refused 1 spans: span: values nest deeper than 64"),
        ("an event that is not UTF-8", span(&message(11, &[0x12, 1, 0xff])), "refused 1 logs: span event: a string is not UTF-8"),
    ] {
        let pushed = push("traces", PROTOBUF, &body);
        assert!(pushed.contains(expected), "{name}: {pushed}");
        assert_eq!(expected.is_empty(), pushed.is_empty(), "{name}: {pushed}");
    }
}

#[test]
fn counts_are_capped() {
    use metrics::metric::Data;
    let point = |exemplars: usize, buckets: usize| metrics::HistogramDataPoint {
        bucket_counts: vec![1; buckets],
        exemplars: vec![metrics::Exemplar::default(); exemplars],
        ..Default::default()
    };
    let body = |point| {
        let data = Some(Data::Histogram(metrics::Histogram { data_points: vec![point], aggregation_temporality: 1 }));
        metrics_of(vec![metrics::Metric { name: "m".to_owned(), data, ..Default::default() }])
    };
    let pushed = push("metrics", PROTOBUF, &body(point(0, 100_000)));
    assert!(pushed.contains("refused 1 metrics: data point: a data point has more than 16384 buckets"), "{pushed}");
    let pushed = push("metrics", PROTOBUF, &body(point(100_000, 1)));
    assert!(pushed.contains("refused 0 metrics: exemplars left out"), "{pushed}");
    assert_eq!(pushed.matches("{\"time_unix_nano\"").count(), EXEMPLARS_PER_POINT_MAX);
    let attributes = (0..5_000).map(|index| text(&format!("k{index}"), "v")).collect();
    let pushed = push("traces", PROTOBUF, &traces_of(vec![trace::Span { attributes, ..some_span() }]));
    assert!(pushed.contains("dropped_attributes_count: 3000\n"), "{pushed}");
    let long = Any::KvlistValue(KeyValueList { values: (0..2_000).map(|index| text(&index.to_string(), "v")).collect() });
    let attributes = vec![pair(&"é".repeat(1 << 20), long)];
    let pushed = push("traces", PROTOBUF, &traces_of(vec![trace::Span { attributes, ..some_span() }]));
    assert!(pushed.len() < 2_000 * 400, "{}", pushed.len());
}

#[test]
fn hostile_json_is_an_error_or_a_refusal() {
    let span = |members: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{members}}}]}}]}}]}}"#);
    let value = |value: String| span(&format!(r#""attributes":[{{"key":"k","value":{value}}}]"#));
    let deep = |open: &str, close: &str, levels| format!("{}{}", open.repeat(levels), close.repeat(levels));
    let malformed = "failed: cannot read OTLP/JSON: ";
    for (name, body, expected) in [
        ("nothing", String::new(), malformed),
        ("blanks", " \n".to_owned(), malformed),
        ("text", "garbage".to_owned(), malformed),
        ("an array", "[]".to_owned(), malformed),
        ("groups that are no array", r#"{"resourceSpans":7}"#.to_owned(), malformed),
        ("a group that is no object", r#"{"resourceSpans":[7]}"#.to_owned(), malformed),
        ("trailing characters", "{} {}".to_owned(), malformed),
        ("deep unknown members", format!(r#"{{"x":{}}}"#, deep("[", "]", 200_000)), ""),
        ("deep without end", "[".repeat(200_000), malformed),
        (
            "a deep record",
            span(&format!(r#""x":{}"#, deep("[", "]", 200_000))),
            "refused 1 spans: span: recursion limit exceeded",
        ),
        (
            "arrays in arrays",
            value(deep(r#"{"arrayValue":{"values":["#, "]}}", 10_000)),
            "refused 1 spans: span: recursion limit exceeded",
        ),
        ("a record of 5 MB", span(&format!(r#""x":"{}""#, "x".repeat(5 << 20))), "bytes of JSON, expected at most 4194304"),
        ("a number beyond all", span(r#""flags":1e999"#), "refused 1 spans: span: number out of range"),
        ("half of a surrogate pair", span(r#""name":"\ud800""#), "refused 1 spans: span: "),
    ] {
        let pushed = push("traces", JSON, body.as_bytes());
        assert!(pushed.contains(expected), "{name}: {}", pushed.get(..400).unwrap_or(&pushed));
        assert_eq!(expected.is_empty(), pushed.is_empty(), "{name}");
    }
    let pushed = push("traces", JSON, b"{\"resourceSpans\":\"\xff\"}");
    assert!(pushed.starts_with("failed: cannot read OTLP/JSON: JSON is not UTF-8"), "{pushed}");
}

/// Cut after any byte, a request is an error, or shorter; never a panic.
#[test]
fn truncated_requests_never_panic() {
    for dir in fixture_dirs("otlp") {
        let captured = Captured::read(&dir);
        let (endpoint, _) = captured.door(&Otlp).unwrap();
        // Large JSON is cut less often: each cut is read from its beginning.
        let step = if captured.body.len() > 8_000 { 41 } else { 1 };
        for end in (0..captured.body.len()).step_by(step) {
            let request = Incoming { body: &captured.body[..end], ..captured.incoming(&Otlp, &endpoint, "") };
            let (pushed, reply) = exchange(&Otlp, &request);
            let json = request.headers.media_type() == JSON;
            assert!(!json || pushed.starts_with("failed"), "{} cut at {end}", dir.display());
            assert!(!pushed.starts_with("failed") || reply.contains("400") || reply.contains("grpc-status: 3"), "{reply}");
        }
    }
}

#[test]
fn bombs_stop_at_the_cap_of_the_door() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; 32 << 20]).unwrap();
    let bytes_max = crate::limits::BODY_BYTES_MAX;
    let error = decompress(ContentEncoding::Gzip, &encoder.finish().unwrap(), bytes_max).unwrap_err();
    assert_eq!(error, BodyError::TooLarge { bytes_max });
    let reply = Otlp.failed(&incoming("traces", JSON, b""), &Failure::TooLarge { bytes_max });
    assert_eq!(reply.status, 413);
}

// --- Replies. ---

#[test]
fn an_empty_request_is_a_good_one() {
    for (endpoint, content_type, body) in [
        ("traces", PROTOBUF, &b""[..]),
        ("logs", "application/protobuf", b""),
        ("grpc.metrics", "", b""),
        ("metrics", "application/json; charset=utf-8", b"{}"),
        ("logs", JSON, br#"{"resourceLogs":[]}"#),
        ("logs", JSON, br#"{"resourceLogs":null}"#),
    ] {
        let (pushed, reply) = exchange(&Otlp, &incoming(endpoint, content_type, body));
        assert_eq!(pushed, "");
        assert!(reply.starts_with("200 OK\n"), "{reply}");
    }
}

#[test]
fn partial_success_counts_and_explains() {
    let spans = vec![trace::Span { trace_id: vec![], ..some_span() }, trace::Span { parent_span_id: vec![9], ..some_span() }];
    let body = traces_of(spans);
    let mut sink = Dump::new();
    let mut counted = Counted::new(&mut sink);
    let request = incoming("traces", PROTOBUF, &body);
    Otlp.translate(&request, &mut counted).unwrap();
    let reply = Otlp.accepted(&request, &counted);
    let partial = ExportTraceServiceResponse::decode(&reply.body[..]).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    expect!["1 refused: span: expected a trace id of 16 bytes that are not all zero; parent span id left out: expected 8 bytes"]
        .assert_eq(&partial.error_message);
    let json = json_from_protobuf("traces", &body).unwrap();
    expect![[r#"
        200 OK
        content-type: application/json

        {"partialSuccess":{"rejectedSpans":"1","errorMessage":"1 refused: span: expected a trace id of 16 bytes that are not all zero; parent span id left out: expected 8 bytes"}}
    "#]].assert_eq(&exchange(&Otlp, &incoming("traces", JSON, &json)).1);
}

#[test]
fn failures_speak_the_encoding_of_the_request() {
    let failures = [
        Failure::Malformed("cannot read it".to_owned()),
        Failure::UnsupportedMediaType("text/xml".to_owned()),
        Failure::UnsupportedEncoding("br".to_owned()),
        Failure::TooLarge { bytes_max: 20 },
        Failure::Unauthenticated,
        Failure::Forbidden,
        Failure::Busy { retry_after_seconds: 3 },
        Failure::Unavailable("disk full".to_owned()),
    ];
    let mut replies = String::new();
    for failure in failures {
        for (endpoint, content_type) in [("traces", JSON), ("traces", PROTOBUF), ("grpc.traces", "")] {
            replies += &reply_text(&Otlp.failed(&incoming(endpoint, content_type, b""), &failure));
        }
    }
    replies += &exchange(&Otlp, &incoming("traces", "text/xml", b"")).1;
    expect![[r#"
        400 Bad Request
        content-type: application/json

        {"code":3,"message":"cannot read it"}
        400 Bad Request
        content-type: application/x-protobuf

        hex 0803120e63616e6e6f742072656164206974
        200 OK
        content-type: application/grpc
        grpc-status: 3 "cannot read it"
        415 Unsupported Media Type
        content-type: application/json

        {"code":12,"message":"unsupported content type \"text/xml\""}
        415 Unsupported Media Type
        content-type: application/x-protobuf

        hex 080c1223756e737570706f7274656420636f6e74656e7420747970652022746578742f786d6c22
        200 OK
        content-type: application/grpc
        grpc-status: 12 "unsupported content type \"text/xml\""
        415 Unsupported Media Type
        content-type: application/json

        {"code":12,"message":"unsupported content encoding \"br\""}
        415 Unsupported Media Type
        content-type: application/x-protobuf

        hex 080c1221756e737570706f7274656420636f6e74656e7420656e636f64696e672022627222
        200 OK
        content-type: application/grpc
        grpc-status: 12 "unsupported content encoding \"br\""
        413 Payload Too Large
        content-type: application/json

        {"code":8,"message":"body is larger than 20 bytes"}
        413 Payload Too Large
        content-type: application/x-protobuf

        hex 0808121c626f6479206973206c6172676572207468616e203230206279746573
        200 OK
        content-type: application/grpc
        grpc-status: 8 "body is larger than 20 bytes"
        401 Unauthorized
        content-type: application/json

        {"code":16,"message":"missing credentials"}
        401 Unauthorized
        content-type: application/x-protobuf

        hex 081012136d697373696e672063726564656e7469616c73
        200 OK
        content-type: application/grpc
        grpc-status: 16 "missing credentials"
        403 Forbidden
        content-type: application/json

        {"code":7,"message":"credentials are not valid here"}
        403 Forbidden
        content-type: application/x-protobuf

        hex 0807121e63726564656e7469616c7320617265206e6f742076616c69642068657265
        200 OK
        content-type: application/grpc
        grpc-status: 7 "credentials are not valid here"
        429 Too Many Requests
        content-type: application/json
        retry-after: 3

        {"code":14,"message":"overloaded, retry in 3 s"}
        429 Too Many Requests
        content-type: application/x-protobuf
        retry-after: 3

        hex 080e12186f7665726c6f616465642c20726574727920696e203320731a300a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e5265747279496e666f12040a020803
        200 OK
        content-type: application/grpc
        grpc-status-details-bin: CA4SGG92ZXJsb2FkZWQsIHJldHJ5IGluIDMgcxowCih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgQKAggD
        grpc-status: 14 "overloaded, retry in 3 s"
        503 Service Unavailable
        content-type: application/json
        retry-after: 5

        {"code":14,"message":"storage is unavailable: disk full"}
        503 Service Unavailable
        content-type: application/x-protobuf
        retry-after: 5

        hex 080e122173746f7261676520697320756e617661696c61626c653a206469736b2066756c6c1a300a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e5265747279496e666f12040a020805
        200 OK
        content-type: application/grpc
        grpc-status-details-bin: CA4SIXN0b3JhZ2UgaXMgdW5hdmFpbGFibGU6IGRpc2sgZnVsbBowCih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgQKAggF
        grpc-status: 14 "storage is unavailable: disk full"
        415 Unsupported Media Type
        content-type: text/plain; charset=utf-8

        unsupported content type "text/xml"
    "#]].assert_eq(&replies);
}
