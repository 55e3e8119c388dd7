//! Walks `fixtures/wire/cloudwatch`, and what no fixture shows: skipped events, hostile bodies, replies.

use model::{Counted, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Span};

use super::{CloudWatch, PUT_LOG_EVENTS};
use crate::incoming::{Headers, Incoming};
use crate::receiver::{Failure, Receiver, Reply};
use crate::testing::{Captured, exchange, fixture_dirs};

const RECEIVED_AT: i64 = 1_795_228_326_500_000_000;
const NOW_MS: i64 = RECEIVED_AT / 1_000_000;
const DAY_MS: i64 = 86_400_000;

fn incoming<'a>(body: &'a [u8], headers: &[(&'a str, &'a str)]) -> Incoming<'a> {
    Incoming { headers: Headers(headers.to_vec()), ..Incoming::new(PUT_LOG_EVENTS, RECEIVED_AT, body) }
}

fn put(events: &[(i64, &str)]) -> Vec<u8> {
    let events: Vec<_> =
        events.iter().map(|(timestamp, message)| serde_json::json!({"timestamp": timestamp, "message": message})).collect();
    serde_json::json!({"logGroupName": "/app/web", "logStreamName": "web/1", "logEvents": events}).to_string().into_bytes()
}

/// Rows kept, why others were not, and the reply.
fn tell(incoming: &Incoming<'_>) -> Result<(model::Rows, Vec<Refusal>, Reply), Failure> {
    let mut lines = Lines(Vec::new());
    let mut counted = Counted::new(&mut lines);
    CloudWatch.translate(incoming, &mut counted)?;
    let reply = CloudWatch.accepted(incoming, &counted);
    Ok((counted.accepted, counted.refusals, reply))
}

/// A sink that keeps what the tests below look at.
struct Lines(Vec<String>);

impl RowSink for Lines {
    fn resource(&mut self, resource: &Resource<'_>) {
        self.0.push(format!("service {}", resource.service_name()));
    }
    fn scope(&mut self, _: &Scope<'_>) {}
    fn span(&mut self, _: &Span<'_>) {}
    fn log(&mut self, record: &LogRecord<'_>) {
        let id = record.attributes.iter().find(|attribute| attribute.key == "aws.log.event.id");
        self.0.push(format!("{} {}", id.and_then(|id| id.value.as_str()).unwrap_or_default(), record.body));
    }
    fn data_point(&mut self, point: &DataPoint<'_>) {
        let attributes: Vec<String> = point.attributes.iter().map(|a| format!("{}={}", a.key, a.value.to_text())).collect();
        let value = point.value.or(point.sum).unwrap_or_default();
        self.0.push(format!("{} {value}{} {}", point.metric, point.unit, attributes.join(" ")));
    }
    fn refuse(&mut self, _: Refusal) {}
}

fn lines(incoming: &Incoming<'_>) -> Vec<String> {
    let mut lines = Lines(Vec::new());
    CloudWatch.translate(incoming, &mut lines).unwrap();
    lines.0
}

/// The captures were made within the minutes before this time, not before the one that other receivers' fixtures have.
const CAPTURED_BEFORE: i64 = 1_795_229_000_000_000_000;

#[test]
fn fixtures() {
    let cases = fixture_dirs(CloudWatch.name());
    assert!(!cases.is_empty());
    for dir in cases {
        let captured = Captured::read(&dir);
        let incoming = captured.incoming(&CloudWatch, PUT_LOG_EVENTS, "");
        let incoming = Incoming { received_at_unix_nano: CAPTURED_BEFORE, ..incoming };
        let (batch, reply) = exchange(&CloudWatch, &incoming);
        expect_test::expect_file![dir.join("batch.txt")].assert_eq(&batch);
        expect_test::expect_file![dir.join("reply.txt")].assert_eq(&reply);
    }
}

#[test]
fn skipped_events_are_told_by_index_and_reason() {
    let body = put(&[
        (NOW_MS - 20 * DAY_MS, "too old"),
        (NOW_MS - 10 * DAY_MS, "expired"),
        (NOW_MS, "kept"),
        (NOW_MS + DAY_MS, "too new"),
        (NOW_MS + DAY_MS, "too new"),
    ]);
    let (rows, refusals, reply) = tell(&incoming(&body, &[("x-cupola-retention-days", "7")])).unwrap();
    assert_eq!(rows.logs, 1);
    let refusals: Vec<String> = refusals.iter().map(|refusal| format!("{} {}", refusal.count, refusal.reason)).collect();
    assert_eq!(
        refusals,
        [
            "1 log event is older than 14 days",
            "1 log event is older than the retention of its log group",
            "2 log event is more than 2 hours in the future",
        ]
    );
    expect_test::expect![[r#"{"nextSequenceToken":"01795228326500017952283265000000000018405510229749829435","rejectedLogEventsInfo":{"tooNewLogEventStartIndex":3,"tooOldLogEventEndIndex":1,"expiredLogEventEndIndex":2}}"#]]
    .assert_eq(&String::from_utf8(reply.body).unwrap());
    assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
}

#[test]
fn a_replay_gives_the_same_rows_and_reply() {
    let body = put(&[(NOW_MS, "a"), (NOW_MS, "b"), (NOW_MS, "b")]);
    let incoming = incoming(&body, &[]);
    let once = lines(&incoming);
    assert_eq!(once, lines(&incoming));
    assert!(once[1..].is_sorted(), "ids are in reading order: {once:?}");
    assert_eq!(tell(&incoming).unwrap().2.body, tell(&incoming).unwrap().2.body);
}

#[test]
fn the_entity_names_the_service() {
    let named = br#"{"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1795228326000, "message": "m"}],
        "entity": {"keyAttributes": {"Type": "Service", "Name": "shop", "Environment": "prod"}}}"#;
    assert_eq!(lines(&incoming(named, &[]))[0], "service shop");
    assert_eq!(lines(&incoming(&put(&[(NOW_MS, "m")]), &[]))[0], "service /app/web");
}

#[test]
fn embedded_metrics_become_data_points() {
    let event = serde_json::json!({
        "_aws": {"Timestamp": NOW_MS, "CloudWatchMetrics": [{
            "Namespace": "shop", "Dimensions": [["op"], []],
            "Metrics": [{"Name": "latency", "Unit": "Milliseconds"}, {"Name": "sizes", "Unit": "Bytes"}, {"Name": "gone"}, 7, {}],
        }, 7]},
        "op": "buy", "latency": 12.5, "sizes": [1, 2, "x"],
    });
    let lines = lines(&incoming(&put(&[(NOW_MS, &event.to_string())]), &[]));
    let points: Vec<&String> = lines[2..].iter().collect();
    assert_eq!(
        points,
        [
            r#"latency 12.5ms aws.cloudwatch.namespace=shop aws.cloudwatch.dimensions={"op":"buy"} op=buy"#,
            r#"sizes 3By aws.cloudwatch.namespace=shop aws.cloudwatch.dimensions={"op":"buy"} op=buy"#,
            "latency 12.5ms aws.cloudwatch.namespace=shop aws.cloudwatch.dimensions={}",
            "sizes 3By aws.cloudwatch.namespace=shop aws.cloudwatch.dimensions={}",
        ]
    );
}

#[test]
fn embedded_metrics_do_not_multiply_without_end() {
    let metrics = vec![r#"{"Name":"m"}"#; 100].join(",");
    let directive = format!(r#"{{"Metrics":[{metrics}],"Dimensions":[{}[]]}}"#, "[],".repeat(29));
    let event = format!(r#"{{"m":1,"_aws":{{"CloudWatchMetrics":[{}]}}}}"#, vec![directive.as_str(); 16].join(","));
    let body = put(&vec![(NOW_MS, event.as_str()); 20]);
    let (rows, refusals, _) = tell(&incoming(&body, &[])).unwrap();
    assert_eq!((rows.logs, rows.metrics, refusals.len()), (20, 100_000, 1));
}

#[test]
fn refusals_keep_their_names() {
    let unordered = put(&[(NOW_MS, "a"), (NOW_MS - 1, "b")]);
    for (body, status, starts) in [
        (&unordered[..], 400, r#"{"__type":"InvalidParameterException","message":"Log events in a single"#),
        (b"", 400, r#"{"__type":"SerializationException","message":"#),
        (b"\xff", 400, r#"{"__type":"SerializationException","message":"#),
    ] {
        let incoming = incoming(body, &[]);
        let failure = tell(&incoming).unwrap_err();
        let reply = CloudWatch.failed(&incoming, &failure);
        assert_eq!(reply.status, status);
        assert!(String::from_utf8(reply.body.clone()).unwrap().starts_with(starts), "{reply:?}");
    }
    let incoming = incoming(b"", &[]);
    for (failure, status, name) in [
        (Failure::Busy { retry_after_seconds: 1 }, 400, "ThrottlingException"),
        (Failure::Unavailable("disk".to_owned()), 503, "ServiceUnavailableException"),
        (Failure::TooLarge { bytes_max: 1 }, 413, "InvalidParameterException"),
    ] {
        let reply = CloudWatch.failed(&incoming, &failure);
        assert_eq!((reply.status.as_u16(), reply.headers["x-amzn-errortype"].to_str().unwrap()), (status, name));
    }
}

#[test]
fn hostile_messages_are_kept_as_they_are() {
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide =
        format!("{{{}\"_aws\": {{\"CloudWatchMetrics\": [{}]}}}}", "\"k\": 1, ".repeat(10_000), vec!["{}"; 9_999].join(","));
    let trace = "Traceback (most recent call last):\n".repeat(1_000);
    for message in [&deep, &wide, &trace, "\u{0}\u{1}", "{}", "{\"\": 1}", "1-1-1-1-1-", "☃"] {
        let body = put(&[(NOW_MS, message)]);
        assert!(lines(&incoming(&body, &[]))[1].ends_with(message));
    }
}

#[test]
fn odd_headers_mean_nothing() {
    let body = put(&[(NOW_MS - 10 * DAY_MS, "m")]);
    for days in ["", "x", "-1", "99999999999"] {
        assert_eq!(tell(&incoming(&body, &[("x-cupola-retention-days", days)])).unwrap().0.logs, 1);
    }
}

proptest::proptest! {
    #[test]
    fn any_body_is_an_answer(bytes in proptest::collection::vec(0u8.., 0..300)) {
        let _ = tell(&incoming(&bytes, &[]));
    }

    #[test]
    fn any_message_is_kept(message in "\\PC{1,80}|\\{\"_aws\": \\{\"CloudWatchMetrics\": \\[\\{\"Metrics\": \\[\\{\"Name\": \"\\PC{0,5}\"\\}\\]\\}\\]\\}\\}") {
        let body = put(&[(NOW_MS, &message)]);
        proptest::prop_assert!(lines(&incoming(&body, &[]))[1].ends_with(message.as_str()));
    }
}
