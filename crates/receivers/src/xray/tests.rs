//! Walks `fixtures/wire/xray`, and what no fixture shows: refusals, hostile bodies, replies.

use model::Counted;

use super::wire::{DOCUMENT_BYTES_MAX, DOCUMENTS_PER_CALL_MAX, SPANS_PER_DOCUMENT_MAX};
use super::{Nowhere, TELEMETRY_RECORDS, TRACE_SEGMENTS, UDP, Xray};
use crate::incoming::Incoming;
use crate::receiver::{Failure, Receiver, Reply};

const RECEIVED_AT: i64 = 1_795_228_326_500_000_000;
const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";
const TRACE: &str = "1-58406520-a006649127e371903a2de979";

/// Rows kept, rows refused, and the reply's body.
fn tell(endpoint: &str, body: &[u8]) -> Result<(model::Rows, usize, String), Failure> {
    let incoming = Incoming::new(endpoint, RECEIVED_AT, body);
    let mut nowhere = Nowhere;
    let mut counted = Counted::new(&mut nowhere);
    Xray.translate(&incoming, &mut counted)?;
    let reply: Reply = Xray.accepted(&incoming, &counted);
    let refused = counted.refusals.iter().map(|refusal| refusal.count as usize).sum();
    Ok((counted.accepted, refused, String::from_utf8(reply.body).unwrap()))
}

fn put(documents: &[&str]) -> Vec<u8> {
    serde_json::json!({"TraceSegmentDocuments": documents}).to_string().into_bytes()
}

/// Pushes one document and tells spans kept and the refusals' codes.
fn document(document: &str) -> (u64, String) {
    let (rows, refused, reply) = tell(TRACE_SEGMENTS, &put(&[document])).unwrap();
    let reply: serde_json::Value = serde_json::from_str(&reply).unwrap();
    let unprocessed = reply["UnprocessedTraceSegments"].as_array().unwrap();
    assert_eq!(unprocessed.len(), refused);
    let codes: Vec<&str> = unprocessed.iter().map(|one| one["ErrorCode"].as_str().unwrap()).collect();
    (rows.spans, codes.join(","))
}

fn segment(members: &str) -> String {
    format!(r#"{{"trace_id": "{TRACE}", "id": "70de5b6f19ff9a0a", "name": "web", "start_time": 1.478293361271E9{members}}}"#)
}

#[test]
fn fixtures() {
    crate::testing::check_fixtures(&Xray);
}

#[test]
fn one_bad_document_never_sinks_its_neighbours() {
    let good = segment(r#", "end_time": 1478293361.449"#);
    let body = put(&[&good, "{", r#"{"id": "70de5b6f19ff9a0b", "trace_id": "x"}"#, &good]);
    let (rows, refused, reply) = tell(TRACE_SEGMENTS, &body).unwrap();
    assert_eq!((rows.spans, refused), (2, 2));
    expect_test::expect![[r#"{"UnprocessedTraceSegments":[{"ErrorCode":"JSONFormatError","Message":"Invalid segment. ErrorCode: JSONFormatError: EOF while parsing an object at line 1 column 1"},{"Id":"70de5b6f19ff9a0b","ErrorCode":"InvalidTraceId","Message":"Invalid segment. ErrorCode: InvalidTraceId: cannot read trace id from \"x\": expected 32 hex digits, 16 hex digits, or 1-<8 hex>-<24 hex>"}]}"#]]
    .assert_eq(&reply);
}

#[test]
fn documents_are_read_liberally() {
    for (members, spans) in [
        ("", 1),
        (r#", "end_time": "1478293361.449""#, 1),
        (r#", "in_progress": false, "type": 7, "namespace": ["remote"], "http": 1, "aws": "x", "sql": [], "cause": 3"#, 1),
        (r#", "id": "70de5b6f19ff9a0b", "type": "subsegment", "type": "subsegment""#, 1),
        (r#", "annotations": [1], "metadata": "text", "links": {"a": 1}, "subsegments": {}, "user": null"#, 1),
        (r#", "http": {"request": {"url": 1, "method": null}, "response": {"status": "200", "content_length": -1}}"#, 1),
        (r#", "cause": {"exceptions": [1, {}, {"stack": [{}, 3, {"line": "x"}]}]}"#, 1),
        (r#", "subsegments": [{"id": "53995c3f42cd8ad8", "name": "db"}, {"id": "53995c3f42cd8ad9"}]"#, 3),
        (r#", "metadata": {"default": {"ratio": NaN, "text": "\ud83d"}}"#, 1),
        (r#", "parent_id": "70de5b6f19ff9a0a", "links": [{"trace_id": "x"}, 1, {}]"#, 1),
    ] {
        assert_eq!(document(&segment(members)), (spans, String::new()), "{members}");
    }
    assert_eq!(document(&format!("[{}, {}]", segment(""), segment(""))), (2, String::new()));
    assert_eq!(document(&segment("").replace(TRACE, "ffffffffffffffffffffffffffffffff")), (1, String::new()));
    let (rows, _, _) = tell(TRACE_SEGMENTS, format!(r#"{{"TraceSegmentDocuments": [{}]}}"#, segment("")).as_bytes()).unwrap();
    assert_eq!(rows.spans, 1);
}

#[test]
fn hostile_documents_are_refused_by_code() {
    let deep = "[".repeat(200_000);
    let nested = |depth: usize| {
        let child = r#", "subsegments": [{"id": "53995c3f42cd8ad8""#;
        segment(&format!("{}{}", child.repeat(depth), "}]".repeat(depth)))
    };
    for (text, spans, codes) in [
        (String::new(), 0, "JSONFormatError"),
        ("\u{0}".to_owned(), 0, "JSONFormatError"),
        ("7".to_owned(), 0, "JSONFormatError"),
        ("[]".to_owned(), 0, ""),
        ("[{]".to_owned(), 0, "JSONFormatError"),
        (format!("[{}, 7]", segment("")), 1, "JSONFormatError"),
        (deep.clone(), 0, "JSONFormatError"),
        (segment(&format!(r#", "metadata": {deep}"#)), 0, "JSONFormatError"),
        (nested(40), 41, ""),
        (nested(50_000), 0, "JSONFormatError"),
        ("{}".to_owned(), 0, "MissingTraceId"),
        (format!(r#"{{"trace_id": "{TRACE}"}}"#), 0, "MissingId"),
        (format!(r#"{{"trace_id": "{TRACE}", "id": "70de"}}"#), 0, "InvalidId"),
        (format!(r#"{{"trace_id": "{TRACE}", "id": "70de5b6f19ff9a0a"}}"#), 0, "MissingStartTime"),
        (format!(r#"{{"trace_id": "{TRACE}", "id": "70de5b6f19ff9a0a", "start_time": -1}}"#), 0, "InvalidStartTime"),
        (format!(r#"{{"trace_id": "{TRACE}", "id": "70de5b6f19ff9a0a", "start_time": 1e300}}"#), 0, "InvalidStartTime"),
        (segment(r#", "subsegments": [1, {"id": "x"}, {"id": "53995c3f42cd8ad8"}]"#), 2, "JSONFormatError,InvalidId"),
        (segment(&format!(r#", "user": "{}""#, "x".repeat(DOCUMENT_BYTES_MAX))), 0, "SegmentTooLarge"),
    ] {
        assert_eq!(document(&text), (spans, codes.to_owned()), "{}", text.chars().take(200).collect::<String>());
    }
    let many = vec![r#"{"id": "53995c3f42cd8ad8"}"#; SPANS_PER_DOCUMENT_MAX].join(",");
    assert_eq!(document(&segment(&format!(r#", "subsegments": [{many}]"#))), (10_000, "SegmentTooLarge".to_owned()));
    let scalars = segment(&format!(r#", "subsegments": [{}1]"#, "1,".repeat(200_000)));
    let (_, refused, reply) = tell(TRACE_SEGMENTS, &put(&[&scalars])).unwrap();
    assert_eq!((refused, reply.matches("ErrorCode\"").count()), (200_001, 10_000));
}

#[test]
fn hostile_calls_are_refused_whole() {
    let deep = format!(r#"{{"TraceSegmentDocuments": {}"#, "[".repeat(200_000));
    let many = put(&vec!["{}"; DOCUMENTS_PER_CALL_MAX + 1]);
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        b"{\"TraceSegmentDocuments\": null}",
        b"{\"TraceSegmentDocuments\": \"x\"}",
        b"{\"TraceSegmentDocuments\": [\"x\"",
        b"\x1f\x8b\x08\x00",
        deep.as_bytes(),
        &many,
    ] {
        let failure = tell(TRACE_SEGMENTS, body).unwrap_err();
        let reply = Xray.failed(&Incoming::new(TRACE_SEGMENTS, RECEIVED_AT, body), &failure);
        assert_eq!(reply.status, 400);
        assert!(reply.body.starts_with(br#"{"__type":"InvalidRequestException","Message":""#));
        assert!(tell(TELEMETRY_RECORDS, body).is_err());
    }
    for body in [&br#"{"TraceSegmentDocuments": ["\ud800"]}"#[..], b"{\"TraceSegmentDocuments\": [\"\xff\"]}"] {
        assert_eq!(tell(TRACE_SEGMENTS, body).unwrap().1, 1, "one bad document");
    }
}

#[test]
fn datagrams_need_their_header() {
    let good = segment("");
    for (datagram, kept) in [
        (format!("{HEADER}{good}"), true),
        (format!("{{\"version\": 1, \"format\": \"JSON\"}}\r\n{good}\n\0"), true),
        (good.clone(), false),
        (HEADER.to_owned(), false),
        (HEADER.trim().to_owned(), false),
        (format!("{{\"format\":\"json\",\"version\":2}}\n{good}"), false),
        (format!("{{\"format\":\"xml\",\"version\":1}}\n{good}"), false),
        (format!("[]\n{good}"), false),
        (format!("{HEADER}T1S***"), false),
        (format!("{HEADER}M1***"), false),
    ] {
        let rows = tell(UDP, datagram.as_bytes()).map_or(0, |(rows, _, _)| rows.spans);
        assert_eq!(rows == 1, kept, "{datagram}");
    }
    // What stands behind a good header and is no document is counted as refused.
    assert_eq!(tell(UDP, format!("{HEADER}garbage").as_bytes()).unwrap().1, 1);
    assert_eq!(tell(UDP, &[HEADER.as_bytes(), b"\xff\xfe"].concat()).unwrap().1, 1);
}

/// What ADOT sends from Lambda: the daemon's header line, a mark, and a protobuf request in base64.
#[test]
fn otlp_comes_by_datagram_too() {
    use base64::Engine;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message;

    let span = Span { trace_id: vec![1; 16], span_id: vec![2; 8], name: "handler".to_owned(), ..Span::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let base64 = base64::engine::general_purpose::STANDARD.encode(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
    for (mark, unsampled) in [("T1S", false), ("T1U", true)] {
        let datagram = format!("{HEADER}{mark}{base64}");
        let (batch, _) = crate::testing::exchange(&Xray, &Incoming::new(UDP, RECEIVED_AT, datagram.as_bytes()));
        assert!(batch.contains("span \"handler\""), "{batch}");
        assert_eq!(batch.contains("aws.xray.sampled = false"), unsampled, "{batch}");
    }
    assert!(tell(UDP, format!("{HEADER}M1").as_bytes()).is_ok(), "an empty message is a request without metrics");
    assert!(tell(UDP, format!("{HEADER}T1S/w==").as_bytes()).is_err());
}

#[test]
fn counters_are_read_liberally() {
    let body = br#"{"TelemetryRecords": [7, {"Timestamp": "x", "SegmentsSentCount": "2", "BackendConnectionErrors": {
        "TimeoutCount": 1, "OtherCount": null}}, {}], "Hostname": null}"#;
    let (rows, refused, reply) = tell(TELEMETRY_RECORDS, body).unwrap();
    assert_eq!((rows.metrics, refused, reply.as_str()), (2, 1, "{}"));
}

#[test]
fn failures_are_worded_for_sdks() {
    let incoming = Incoming::new(TRACE_SEGMENTS, RECEIVED_AT, b"");
    for (failure, status, name) in [
        (Failure::TooLarge { bytes_max: 1 }, 413, "InvalidRequestException"),
        (Failure::Busy { retry_after_seconds: 3 }, 429, "ThrottledException"),
        (Failure::Unavailable("disk".to_owned()), 503, "ServiceUnavailableException"),
        (Failure::Forbidden, 403, "UnrecognizedClientException"),
        (Failure::UnsupportedEncoding("br".to_owned()), 415, "InvalidRequestException"),
    ] {
        let reply = Xray.failed(&incoming, &failure);
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["x-amzn-errortype"], name);
        assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_an_answer(bytes in proptest::collection::vec(0u8.., 0..300)) {
        for endpoint in [TRACE_SEGMENTS, TELEMETRY_RECORDS, UDP] {
            let _ = tell(endpoint, &bytes);
        }
        let _ = tell(UDP, &[HEADER.as_bytes(), &bytes].concat());
    }

    #[test]
    fn a_document_cut_anywhere_or_changed_is_an_answer(cut in 0usize..2_000, at in 0usize..2_000, byte in 0u8..) {
        let mut bytes = include_bytes!("../../../../fixtures/wire/xray/python-segment/request.udp").to_vec();
        let at = at.min(bytes.len() - 1);
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = tell(UDP, &bytes);
    }
}

#[test]
fn documents_are_texts_or_what_should_have_been_one() {
    let documents = |body: &str| {
        let found = super::wire::trace_segment_documents(body.as_bytes()).unwrap();
        found.into_iter().map(std::borrow::Cow::into_owned).collect::<Vec<_>>()
    };
    let texts = r#"{"TraceSegmentDocuments":["{\"a\":\"\\u00e9\\n\"}","plain"]}"#;
    assert_eq!(documents(texts), [r#"{"a":"\u00e9\n"}"#, "plain"]);
    let mixed = r#"{"TraceSegmentDocuments":["{\"a\":1}",{"a": 2},3]}"#;
    assert_eq!(documents(mixed), [r#"{"a":1}"#, r#"{"a": 2}"#, "3"]);
}
