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

mod hostile;
mod meaning;
mod oracle;

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

/// Field `number` holding `content`.
fn message(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}
