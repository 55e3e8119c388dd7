//! What comes in by sockets: every receiver's decoder. The first byte of an input chooses the door, the rest is the body.

use receivers::cloudwatch::{names, sts, tokens, wire};
use receivers::xray::sampling;
use receivers::{ContentEncoding, Headers, Incoming, by_name, decompress};

use crate::sink::exchange;

/// 2026-01-02T03:04:05Z: near the times in the captures, so that CloudWatch takes their events.
const RECEIVED_AT_UNIX_NANO: i64 = 1_767_323_045_678_901_234;

/// Inputs are small; what they may become is watched with a cap of this many bytes.
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

fn door(input: &[u8], doors: usize) -> (usize, &[u8]) {
    match input.split_first() {
        Some((first, body)) => (usize::from(*first) % doors, body),
        None => (0, input),
    }
}

fn take(receiver: &str, endpoint: &str, rest: &str, headers: &[(&str, &str)], body: &[u8]) {
    let Some(receiver) = by_name(receiver) else { panic!("no receiver is called {receiver:?}") };
    let headers = Headers(headers.to_vec());
    exchange(receiver, &Incoming { rest, headers, ..Incoming::new(endpoint, RECEIVED_AT_UNIX_NANO, body) });
}

const OTLP_ENDPOINTS: [&str; 3] = ["traces", "logs", "metrics"];

pub fn otlp_protobuf(input: &[u8]) {
    let (door, body) = door(input, 3);
    take("otlp", OTLP_ENDPOINTS[door], "", &[("content-type", "application/x-protobuf")], body);
}

pub fn otlp_json(input: &[u8]) {
    let (door, body) = door(input, 3);
    take("otlp", OTLP_ENDPOINTS[door], "", &[("content-type", "application/json")], body);
}

pub fn xray_documents(input: &[u8]) {
    let (door, body) = door(input, 2);
    take("xray", ["put_trace_segments", "put_telemetry_records"][door], "", &[], body);
}

pub fn xray_datagram(input: &[u8]) {
    take("xray", "udp", "", &[], input);
}

pub fn xray_sampling(input: &[u8]) {
    let Ok(report) = sampling::read_report(input) else { return };
    let rule = |name: &str, reservoir_size| sampling::SamplingRuleRecord {
        sampling_rule: sampling::SamplingRule {
            rule_name: name.to_owned(),
            rule_arn: sampling::rule_arn("eu-west-1", "000000000000", name),
            resource_arn: "*".to_owned(),
            priority: 1,
            fixed_rate: 0.5,
            reservoir_size,
            service_name: "*".to_owned(),
            service_type: "*".to_owned(),
            host: "*".to_owned(),
            http_method: "*".to_owned(),
            url_path: "*".to_owned(),
            version: 1,
            attributes: Default::default(),
            sampling_rate_boost: None,
        },
        created_at: 0.0,
        modified_at: 0.0,
    };
    let named = report.statistics.iter().take(2);
    let mut records: Vec<_> =
        named.map(|one| rule(&one.rule_name, u32::try_from(one.request_count).unwrap_or(u32::MAX))).collect();
    records.push(rule("Default", 1));
    let targets = sampling::targets(&report, &records, 0.0, 1_767_323_045.5, &mut WholeReservoir);
    assert!(targets.sampling_target_documents.len() <= report.statistics.len());
    let reply = sampling::targets_reply(&targets, "id");
    assert!(reply.body.len() <= input.len() * 64 + 64 * 1024, "a reply of {} bytes", reply.body.len());
    let _ = sampling::rules_reply(&records, None, "id");
}

/// Every client gets all there is.
struct WholeReservoir;

impl sampling::Assign for WholeReservoir {
    fn quota(&mut self, rule: &sampling::SamplingRule, _: &str) -> u32 {
        rule.reservoir_size
    }

    fn boost(
        &mut self,
        _: &sampling::SamplingRule,
        _: &[sampling::SamplingBoostStatistics],
    ) -> Option<sampling::SamplingBoost> {
        None
    }
}

pub fn cloudwatch_put_log_events(input: &[u8]) {
    let (door, body) = door(input, 2);
    let headers: &[(&str, &str)] = match door {
        0 => &[],
        _ => &[("x-cupola-retention-days", "7"), ("x-cupola-region", "eu-west-1"), ("x-cupola-account", "000000000000")],
    };
    take("cloudwatch", receivers::cloudwatch::PUT_LOG_EVENTS, "", headers, body);
}

/// The other operations of CloudWatch Logs, names, identifiers, tokens, and the forms of STS.
pub fn cloudwatch_wire(input: &[u8]) {
    let (door, body) = door(input, 13);
    match door {
        0 => drop(wire::read::<wire::CreateLogGroup>(body)),
        1 => drop(wire::read::<wire::DeleteLogGroup>(body)),
        2 => drop(wire::read::<wire::DescribeLogGroups>(body)),
        3 => drop(wire::read::<wire::NamedLogStream>(body)),
        4 => drop(wire::read::<wire::DescribeLogStreams>(body).map(|request| {
            let _ = request.log_group_name();
            request.orders_by_last_event_time()
        })),
        5 => drop(wire::read::<wire::PutRetentionPolicy>(body).map(|request| request.retention_days())),
        6 => drop(wire::read::<wire::DeleteRetentionPolicy>(body)),
        7 => drop(wire::read::<wire::GetLogEvents>(body).map(|request| request.log_group_name().map(str::len))),
        8 => drop(wire::read::<wire::FilterLogEvents>(body).map(|request| request.log_group_name().map(str::len))),
        9 => drop(sts::form_action(body)),
        10 => with_text(body, |text| {
            let _ = names::validate_log_group_name("logGroupName", text);
            let _ = names::validate_log_stream_name("logStreamName", text);
            if let Ok(name) = names::log_group_name_from_identifier("logGroupIdentifier", text) {
                assert!(text.contains(name));
            }
        }),
        11 => with_text(body, |text| {
            if let Ok(token) = tokens::EventsToken::decode(text) {
                assert_eq!(tokens::EventsToken::decode(&token.encode()), Ok(token));
            }
        }),
        _ => with_text(body, |text| {
            let question = ["FilterLogEvents", "group"];
            if let Ok(token) = tokens::PageToken::decode(text, &question) {
                assert_eq!(tokens::PageToken::decode(&token.encode(), &question), Ok(token));
            }
        }),
    }
}

pub fn rollbar_json(input: &[u8]) {
    let (door, body) = door(input, 2);
    let headers = [("content-type", "application/json"), ("x-rollbar-access-token", "token")];
    take("rollbar", ["item", "deploy"][door], "", &headers, body);
}

pub fn rollbar_form(input: &[u8]) {
    let (door, body) = door(input, 4);
    let (endpoint, content_type) = [
        ("deploy", "application/x-www-form-urlencoded"),
        ("deploy", "multipart/form-data; boundary=abc"),
        ("item", "application/x-www-form-urlencoded"),
        ("deploy", "multipart/form-data"),
    ][door];
    take("rollbar", endpoint, "", &[("content-type", content_type), ("x-rollbar-access-token", "token")], body);
}

const HONEYCOMB_RESTS: [&str; 4] = ["my-dataset", "", "a/b c/d", "café"];

pub fn honeycomb_json(input: &[u8]) {
    honeycomb(input, "application/json");
}

pub fn honeycomb_msgpack(input: &[u8]) {
    honeycomb(input, "application/msgpack");
}

fn honeycomb(input: &[u8], content_type: &str) {
    let (door, body) = door(input, 16);
    let mut headers = vec![("content-type", content_type), ("x-honeycomb-team", "key"), ("accept", content_type)];
    if door >= 8 {
        headers.push(("x-honeycomb-event-time", "2026-01-02T03:04:05.6Z"));
        headers.push(("x-honeycomb-samplerate", "4"));
    }
    take("honeycomb", ["batch", "event"][door % 2], HONEYCOMB_RESTS[door / 2 % 4], &headers, body);
}

/// Compressed bodies, under their cap.
pub fn body(input: &[u8]) {
    const ENCODINGS: [ContentEncoding; 4] =
        [ContentEncoding::Gzip, ContentEncoding::Deflate, ContentEncoding::Zstd, ContentEncoding::Identity];
    let (door, body) = door(input, ENCODINGS.len());
    if let Ok(plain) = decompress(ENCODINGS[door], body, DECOMPRESSED_BYTES_MAX) {
        assert!(plain.len() <= DECOMPRESSED_BYTES_MAX);
    }
    with_text(body, |text| {
        let _ = ContentEncoding::parse(text);
    });
}

fn with_text(bytes: &[u8], then: impl FnOnce(&str)) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        then(text);
    }
}
