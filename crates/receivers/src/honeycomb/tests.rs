//! The cases of `fixtures/wire/honeycomb`, and what clients were never seen to send but could.

use std::collections::BTreeMap;

use expect_test::{Expect, expect, expect_file};
use model::limits::NESTING_DEPTH_MAX;

use super::*;
use crate::Headers;
use crate::testing::{Captured, RECEIVED_AT_UNIX_NANO, exchange, fixture_dirs, reply_text};

#[test]
fn fixtures() {
    for dir in fixture_dirs("honeycomb") {
        let captured = Captured::read(&dir);
        let (endpoint, rest) = captured.door(&Honeycomb).unwrap();
        // The server decodes the path.
        let rest = rest.replace("%20", " ");
        let (batch, reply) = exchange(&Honeycomb, &captured.incoming(&Honeycomb, &endpoint, &rest));
        expect_file![dir.join("batch.txt")].assert_eq(&batch);
        expect_file![dir.join("reply.txt")].assert_eq(&reply);
    }
}

const KEY: (&str, &str) = ("x-honeycomb-team", "present");

fn send(endpoint: &str, dataset: &str, headers: &[(&str, &str)], body: &[u8]) -> (String, String) {
    let headers = Headers([&[KEY][..], headers].concat());
    exchange(&Honeycomb, &Incoming { rest: dataset, headers, ..Incoming::new(endpoint, RECEIVED_AT_UNIX_NANO, body) })
}

fn check(body: &str, expected: Expect) {
    let (batch, reply) = send(BATCH, "shop", &[], body.as_bytes());
    expected.assert_eq(&format!("{batch}---\n{reply}"));
}

#[test]
fn a_beeline_s_spans() {
    check(
        r#"[{"time": "2026-11-21T03:02:26.762Z", "samplerate": 4, "data": {"service_name": "web", "service.name": "web", "name": "checkout",
              "type": "http_server", "span.kind": "server", "trace.trace_id": "f1a2b3c4-d5e6-f708-a9b0-c1d2e3f40516", "trace.span_id": "root",
              "trace.parent_id": null, "meta.span_type": "root", "duration_ms": 12.5, "error": "card declined", "status_code": 200}},
            {"data": {"service_name": "web", "name": "charge", "trace.trace_id": "f1a2b3c4-d5e6-f708-a9b0-c1d2e3f40516", "trace.span_id": "leaf",
              "trace.parent_id": "root", "duration_ms": -3, "error": true, "status_code": 2, "status_message": "declined", "span.kind": "client"}},
            {"data": {"traceId": "job-17", "id": "s", "durationMs": "7", "name": "job", "error": false}},
            {"data": {"trace.trace_id": "a9b0c1d2e3f40516", "duration_ms": 1, "name": "no id of its own"}}]"#,
        expect![[r#"
            resource "web"
                service.name = "web"
                honeycomb.dataset = "shop"
            scope ""
            span "checkout"
              trace_id: f1a2b3c4d5e6f708a9b0c1d2e3f40516
              span_id: 0a5cf7b99ae76577
              start_time_unix_nano: 1795230146762000000
              duration_ns: 12500000
              kind: server
              status_code: error
              status_message: "card declined"
              sample_rate: 4
                honeycomb.trace.span_id = "root"
                type = "http_server"
                meta.span_type = "root"
                status_code = 200
            span "charge"
              trace_id: f1a2b3c4d5e6f708a9b0c1d2e3f40516
              span_id: c680587ff971674a
              parent_span_id: 0a5cf7b99ae76577
              start_time_unix_nano: 1767323045678901234
              duration_ns: 0
              kind: client
              status_code: error
              status_message: "declined"
                honeycomb.trace.span_id = "leaf"
                honeycomb.trace.parent_id = "root"
                meta.invalid_duration = true
            resource "shop"
                service.name = "shop"
                honeycomb.dataset = "shop"
            scope ""
            span "job"
              trace_id: 485ea487c35168b060caf98fa6217a65
              span_id: d6b9d4d14ff6be13
              start_time_unix_nano: 1767323045678901234
              duration_ns: 7000000
              kind: unspecified
              status_code: unset
                honeycomb.trace.trace_id = "job-17"
                honeycomb.trace.span_id = "s"
            span "no id of its own"
              trace_id: 0000000000000000a9b0c1d2e3f40516
              span_id: ec86959095c4ac12
              start_time_unix_nano: 1767323045678901234
              duration_ns: 1000000
              kind: unspecified
              status_code: unset
            ---
            200 OK
            content-type: application/json

            [{"status":202},{"status":202},{"status":202},{"status":202}]
        "#]],
    );
}

#[test]
fn annotations_and_logs() {
    check(
        r#"[{"data": {"trace.trace_id": "f1a2b3c4d5e6f708a9b0c1d2e3f40516", "trace.parent_id": "a1b2c3d4e5f60700", "meta.annotation_type": "span_event",
              "meta.signal_type": "trace", "name": "exception", "exception.type": "KeyError", "exception.message": "'x'", "exception.stacktrace": "...", "duration_ms": 0}},
            {"data": {"trace.trace_id": "f1a2b3c4d5e6f708a9b0c1d2e3f40516", "trace.parent_id": "a1b2c3d4e5f60700", "meta.annotation_type": "span_event", "name": "cache miss"}},
            {"data": {"trace.trace_id": "f1a2b3c4d5e6f708a9b0c1d2e3f40516", "trace.parent_id": "a1b2c3d4e5f60700", "meta.annotation_type": "link",
              "trace.link.trace_id": "00112233445566778899aabbccddeeff", "trace.link.span_id": "0011223344556677"}},
            {"time": 1795230146, "data": {"body": "out of stock", "severity": "warn", "sku": 5, "nested": {"deep": {"er": [1, {"x": null}]}}}},
            {"time": "soon", "data": {"msg": "hello", "level": "verbose"}},
            {"data": {"sku": 5, "left": 0.5}}]"#,
        expect![[r#"
            resource "shop"
                service.name = "shop"
                honeycomb.dataset = "shop"
            scope ""
            log "'x'"
              time_unix_nano: 1767323045678901234
              trace_id: f1a2b3c4d5e6f708a9b0c1d2e3f40516
              span_id: a1b2c3d4e5f60700
              event_name: "exception"
              exception.type: "KeyError"
              exception.message: "'x'"
              exception.stacktrace: "..."
                duration_ms = 0
            log ""
              time_unix_nano: 1767323045678901234
              trace_id: f1a2b3c4d5e6f708a9b0c1d2e3f40516
              span_id: a1b2c3d4e5f60700
              event_name: "cache miss"
            log ""
              time_unix_nano: 1767323045678901234
              trace_id: f1a2b3c4d5e6f708a9b0c1d2e3f40516
              span_id: a1b2c3d4e5f60700
              event_name: "link"
                trace.link.trace_id = "00112233445566778899aabbccddeeff"
                trace.link.span_id = "0011223344556677"
            log "out of stock"
              time_unix_nano: 1795230146000000000
              severity_number: 13
              severity_text: "warn"
                sku = 5
                nested.deep.er = json [1,{"x":null}]
            log "hello"
              time_unix_nano: 1767323045678901234
                honeycomb.time = "soon"
                msg = "hello"
                level = "verbose"
            log "{\"sku\":5,\"left\":0.5}"
              time_unix_nano: 1767323045678901234
                sku = 5
                left = 0.5
            ---
            200 OK
            content-type: application/json

            [{"status":202},{"status":202},{"status":202},{"status":202},{"status":202},{"status":202}]
        "#]],
    );
}

#[test]
fn each_event_stands_for_itself() {
    let many = (0..2_001).map(|index| format!("\"f{index}\": 1")).collect::<Vec<_>>().join(",");
    let large = "x".repeat(wire::EVENT_BYTES_MAX);
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    let body = format!(
        r#"[{{"data": {{"a": 1}}}}, 7, {{"data": {{}}}}, {{}}, {{"data": [1]}}, {{"data": {{{many}}}}}, {{"data": {{"a": "{large}"}}}}, {{"data": {{"a": {deep}}}}}, {{"data": {{"a": NaN}}}}, {{"time": {{}}, "samplerate": -1, "data": {{"a": 2}}}}]"#
    );
    let (batch, reply) = send(BATCH, "shop", &[], body.as_bytes());
    assert_eq!(batch.matches("\nlog ").count(), 3, "{batch}");
    expect![[r#"
        200 OK
        content-type: application/json

        [{"status":202},{"status":400,"error":"event is not an object"},{"status":400,"error":"event has no fields"},{"status":400,"error":"event has no data"},{"status":400,"error":"event data is not an object"},{"status":400,"error":"event has too many columns: 2001 of at most 2000"},{"status":400,"error":"event is larger than 1048576 bytes"},{"status":400,"error":"event cannot be read: recursion limit exceeded at line 1 column 141"},{"status":202},{"status":202}]
    "#]].assert_eq(&reply);
}

#[test]
fn a_single_event_takes_its_place_from_headers() {
    let headers = [("x-honeycomb-event-time", "1795230146.25"), ("x-honeycomb-samplerate", "8")];
    let (batch, reply) = send(EVENT, "My Data/Set", &headers, br#"{"name": "deployed", "ok": true}"#);
    expect![[r#"
        resource "My Data/Set"
            service.name = "My Data/Set"
            honeycomb.dataset = "My Data/Set"
        scope ""
        log "deployed"
          time_unix_nano: 1795230146250000000
          sample_rate: 8
            name = "deployed"
            ok = true
        ---
        200 OK
    "#]]
    .assert_eq(&format!("{batch}---\n{reply}"));
}

#[test]
fn messagepack_means_the_same_as_json() {
    let json = serde_json::json!([{"time": "2026-11-21T03:02:26.5Z", "samplerate": 2, "data": {"name": "a", "n": -5, "big": u64::MAX, "f": 1.5,
        "nested": {"list": [true, null, "x"]}}}]);
    let mut body = Vec::new();
    rmpv::encode::write_value(&mut body, &to_msgpack(&json)).unwrap();
    let plain = send(BATCH, "shop", &[], json.to_string().as_bytes());
    for media_type in ["application/msgpack", "application/x-msgpack; v=1"] {
        assert_eq!(send(BATCH, "shop", &[("content-type", media_type)], &body), plain);
    }
    let (_, reply) = send(BATCH, "shop", &[("content-type", "application/msgpack"), ("accept", "application/msgpack")], &body);
    expect![[r#"
        200 OK
        content-type: application/msgpack

        hex 9181a6737461747573ccca
    "#]]
    .assert_eq(&reply);
}

fn to_msgpack(value: &serde_json::Value) -> rmpv::Value {
    match value {
        serde_json::Value::Null => rmpv::Value::Nil,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) if number.is_i64() => number.as_i64().unwrap().into(),
        serde_json::Value::Number(number) if number.is_u64() => number.as_u64().unwrap().into(),
        serde_json::Value::Number(number) => number.as_f64().unwrap().into(),
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(values) => rmpv::Value::Array(values.iter().map(to_msgpack).collect()),
        serde_json::Value::Object(map) => {
            rmpv::Value::Map(map.iter().map(|(key, value)| (key.as_str().into(), to_msgpack(value))).collect())
        }
    }
}

#[test]
fn a_depth_bomb_in_messagepack_takes_no_neighbours_with_it() {
    let event = |value: &[u8]| [b"\x81\xa4data\x81\xa1a", value].concat();
    let bomb = [vec![0x91; NESTING_DEPTH_MAX * 100], vec![1]].concat();
    let body = [&[0x93][..], &event(&[1]), &event(&bomb), &event(&[2])].concat();
    let (batch, reply) = send(BATCH, "shop", &[("content-type", "application/msgpack")], &body);
    assert_eq!(batch.matches("\nlog ").count(), 2, "{batch}");
    assert!(reply.contains(r#"[{"status":202},{"status":400,"error":"event cannot be read: values are nested deeper than 64 levels"},{"status":202}]"#), "{reply}");
}

#[test]
fn hostile_requests() {
    let msgpack = [("content-type", "application/msgpack")];
    let none: [(&str, &str); 0] = [];
    let deep = "[".repeat(200_000);
    type Case<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c [u8], &'c str);
    let cases: Vec<Case<'_>> = vec![
        (BATCH, "shop", &none, b"", "400"),
        (BATCH, "shop", &none, b" \n", "400"),
        (EVENT, "shop", &none, b"", "400"),
        (BATCH, "shop", &none, b"{}", "400"),
        (BATCH, "shop", &none, b"[{}", "400"),
        (BATCH, "shop", &none, deep.as_bytes(), "400"),
        (EVENT, "shop", &none, deep.as_bytes(), "400"),
        (EVENT, "shop", &none, b"[]", "400"),
        (EVENT, "shop", &none, b"{}", "400"),
        (EVENT, "", &none, b"{\"a\": 1}", "400"),
        (EVENT, "/ /", &none, b"{\"a\": 1}", "400"),
        (BATCH, "shop", &none, b"[]", "200"),
        (BATCH, "a/b/../c d", &none, b"[null]", "200"),
        (BATCH, "shop", &msgpack, b"\xdd\xff\xff\xff\xff", "400"),
        (BATCH, "shop", &msgpack, b"\x91\xdf\xff\xff\xff\xff", "400"),
        (BATCH, "shop", &msgpack, b"\x91\xc1", "400"),
        (BATCH, "shop", &msgpack, b"[]", "400"),
        (BATCH, "shop", &msgpack, b"\x91\xc0", "200"),
        (EVENT, "shop", &msgpack, b"\x81\xa1a\x01\x02", "400"),
        (EVENT, "shop", &msgpack, b"\x81\xa1a\x01", "200"),
        (EVENT, "shop", &msgpack, b"\x81\xa2\xff\xfe\xca\x7f\x80\x00\x00", "200"),
    ];
    for (endpoint, dataset, headers, body, status) in cases {
        let (batch, reply) = send(endpoint, dataset, headers, body);
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert!(reply.starts_with(status), "{endpoint} {dataset} {shown}\n{batch}{reply}");
    }
    let crowd = format!("[{}1]", "1,".repeat(wire::BATCH_EVENTS_MAX));
    assert!(send(BATCH, "shop", &[], crowd.as_bytes()).1.starts_with("400"));
    let crowd = [&[0xdd, 0, 1, 0, 0][..], &[0xc0; 65_536]].concat();
    assert!(send(BATCH, "shop", &msgpack, &crowd).1.starts_with("400"));
}

#[test]
fn failures_in_honeycomb_s_words() {
    let incoming = Incoming::new(BATCH, RECEIVED_AT_UNIX_NANO, b"[]");
    assert_eq!(Honeycomb.translate(&incoming, &mut crate::testing::Dump::new()), Err(Failure::Unauthenticated));
    let failures = [
        Failure::Unauthenticated,
        Failure::TooLarge { bytes_max: 9 },
        Failure::Busy { retry_after_seconds: 7 },
        Failure::Unavailable("disk full".to_owned()),
    ];
    let replies: String = failures.iter().map(|failure| reply_text(&Honeycomb.failed(&incoming, failure))).collect();
    expect![[r#"
        401 Unauthorized
        content-type: application/json

        {"error":"unknown API key - check your credentials"}
        400 Bad Request
        content-type: application/json

        {"error":"request body is too large: at most 9 bytes"}
        429 Too Many Requests
        content-type: application/json

        {"error":"request dropped due to rate limiting"}
        503 Service Unavailable
        content-type: application/json

        {"error":"storage is unavailable: disk full"}
    "#]]
    .assert_eq(&replies);
}

#[test]
fn keys_tell_who_they_are() {
    let told = |key: &str| {
        auth_answer(key).map(|answer| {
            let text = |pointer: &str| answer.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            (text("/type"), text("/environment/slug"), answer["api_key_access"]["queries"].as_bool().unwrap())
        })
    };
    let expect = |kind: &str, environment: &str, may| Some((kind.to_owned(), environment.to_owned(), may));
    assert_eq!(told("0123456789abcdef0123456789abcdef"), expect("configuration", "", true));
    assert_eq!(told(&format!("hcxic_{}", "a".repeat(58))), expect("ingest", "", false));
    assert_eq!(told(&format!("hcaik_{}", "a".repeat(58))), expect("ingest", "default", false));
    assert_eq!(told("abcdef0123456789abcde1"), expect("configuration", "default", true));
    assert_eq!(told("hcéé"), expect("configuration", "default", true));
    assert_eq!(told("  "), None);
}

#[test]
fn no_event_is_lost_between_rows_and_answer() {
    let body = br#"[{"data": {"a": 1}}, 5, {"data": {"trace.trace_id": "x", "duration_ms": 1}}, {"data": null}]"#;
    let (batch, reply) = send(BATCH, "shop", &[], body);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in batch.lines() {
        *counts.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    assert_eq!((counts["log"], counts["span"], counts["refused"]), (1, 1, 2));
    assert_eq!((reply.matches("202").count(), reply.matches("400").count()), (2, 2));
}

proptest::proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(proptest::prop_oneof![proptest::num::u8::ANY, 0x80u8..0xa8], 0..120), text in "[{}\\[\\]:,\"a-z0-9.-]{0,80}", dataset in "\\PC{0,5}") {
        for endpoint in [EVENT, BATCH] {
            for content_type in ["application/json", "application/msgpack"] {
                let headers = [("content-type", content_type), ("x-honeycomb-event-time", &text[..]), ("x-honeycomb-samplerate", &text[..])];
                let _ = (send(endpoint, &dataset, &headers, &body), send(endpoint, "shop", &headers, text.as_bytes()));
            }
        }
    }

    #[test]
    fn fields_of_odd_types_never_panic(number: f64, text in "\\PC{0,6}|[0-9a-f-]{16,36}|true|0", which in 0usize..6) {
        let value = match which {
            0 => serde_json::Value::Null,
            1 => true.into(),
            2 => number.into(),
            3 => text.as_str().into(),
            4 => serde_json::json!([text]),
            _ => serde_json::json!({"a": text}),
        };
        let event = serde_json::json!([
            {"time": value, "samplerate": value, "data": {"trace.trace_id": text, "trace.span_id": value, "trace.parent_id": value, "duration_ms": number, "error": value,
                "name": value, "status_code": value, "type": value, "status_message": value, "service.name": value}},
            {"time": number, "data": {"trace.trace_id": value, "duration_ms": value, "severity": value, "severity_code": value, "exception.type": value, "body": value,
                "meta.annotation_type": text}},
        ]);
        let _ = send(BATCH, "shop", &[], event.to_string().as_bytes());
    }
}

/// A gzip'd document in base64, as subscription filters make them.
fn packed(text: &str) -> String {
    use base64::Engine;
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    base64::engine::general_purpose::STANDARD.encode(packer.finish().unwrap())
}

#[test]
fn what_firehose_delivers() {
    use base64::Engine;
    let plain = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let lines = packed(
        r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}
           {"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/aws/lambda/pay","logStream":"2026/11/21/1",
            "logEvents":[{"id":"371","timestamp":1795230146762,"message":"{\"level\":\"error\",\"order\":7}"}]}"#,
    );
    let own =
        plain(br#"{"name":"own","duration_ms":3}{"time":"2026-11-21T03:02:26Z","samplerate":2,"data":{"name":"enveloped"}}"#);
    let broken = plain(b"\x05abc");
    let body = format!(
        r#"{{"requestId":"r-1","timestamp":1795230147000,"records":[{{"data":"{lines}"}},{{"data":"{own}"}},{{"data":"{broken}"}},{{"data":"?"}}]}}"#
    );
    let (batch, reply) = send(KINESIS, "from-aws", &[(FIREHOSE_KEY, "present")], body.as_bytes());
    expect![[r#""#]].assert_eq(&format!("{batch}---\n{reply}"));
    let (_, reply) = send(KINESIS, "from-aws", &[], b"no delivery");
    expect![[r#""#]].assert_eq(&reply);
}
