//! Stones that are thrown, and the replies to them.

use super::*;

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

        {"code":8,"message":"overloaded, retry in 3 s"}
        429 Too Many Requests
        content-type: application/x-protobuf
        retry-after: 3

        hex 080812186f7665726c6f616465642c20726574727920696e203320731a300a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e7270632e5265747279496e666f12040a020803
        200 OK
        content-type: application/grpc
        grpc-status-details-bin: CAgSGG92ZXJsb2FkZWQsIHJldHJ5IGluIDMgcxowCih0eXBlLmdvb2dsZWFwaXMuY29tL2dvb2dsZS5ycGMuUmV0cnlJbmZvEgQKAggD
        grpc-status: 8 "overloaded, retry in 3 s"
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
