//! What records mean.

use super::*;

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
    let bytes = |hex: &str| super::super::ids::base64_decode(hex).unwrap();
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
