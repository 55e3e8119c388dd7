//! Walks `fixtures/wire/sentry/`, and what the SDKs there do not send.

use std::io::Write;

use base64::Engine as _;
use expect_test::{Expect, expect};

use super::*;
use crate::Headers;
use crate::testing::{RECEIVED_AT_UNIX_NANO, check_fixtures, exchange};

#[test]
fn captured_requests() {
    check_fixtures(&Sentry);
}

fn incoming<'a>(endpoint: &'a str, body: &'a [u8]) -> Incoming<'a> {
    Incoming { rest: "42", headers: Headers(vec![(KEY, "present")]), ..Incoming::new(endpoint, RECEIVED_AT_UNIX_NANO, body) }
}

fn check(items: &[&str], expected: Expect) {
    let body = format!("{{\"event_id\": \"9ec79c33ec9942ab8353589fcb2e04dc\"}}\n{}\n", items.join("\n"));
    expected.assert_eq(&exchange(&Sentry, &incoming(ENVELOPE, body.as_bytes())).0);
}

#[test]
fn chains_are_told_latest_first_and_fingerprints_may_name_the_default() {
    check(
        &[
            r#"{"type": "event"}"#,
            r#"{"platform": "javascript", "release": "shop@1.2", "environment": "production", "timestamp": "2026-01-02T03:04:05.5",
                "fingerprint": ["{{ default }}", "blue"], "level": "fatal", "tags": [["tenant", "blue"]],
                "user": {"id": 7, "ip_address": "{{auto}}"},
                "request": {"url": "https://shop.example/", "headers": [["User-Agent", "Firefox"]]},
                "exception": {"values": [
                    {"type": "TypeError", "value": "x is undefined", "stacktrace": {"frames": [{"function": "?", "filename": "https://shop.example/a.js", "lineno": 1, "colno": 2}]}},
                    {"type": "Error", "value": "cannot buy", "mechanism": {"type": "onerror", "handled": false}, "stacktrace": {"frames": [{"function": "buy", "filename": "https://shop.example/a.js", "lineno": 3, "colno": 4}]}}]}}"#
                .replace('\n', " ")
                .as_str(),
        ],
        expect![[r#"
            resource "shop"
                service.name = "shop"
                service.version = "1.2"
                deployment.environment.name = "production"
                telemetry.sdk.language = "webjs"
                sentry.project = "42"
            scope ""
            log "Error: cannot buy"
              time_unix_nano: 1767323045500000000
              severity_number: 21
              severity_text: "fatal"
              event_name: "exception"
              exception.type: "Error"
              exception.message: "cannot buy"
              exception.stacktrace: "Error: cannot buy\n    at buy (https://shop.example/a.js:3:4)\nCaused by: TypeError: x is undefined\n    at https://shop.example/a.js:1:2"
              exception.fingerprint: "{{default_fingerprint}} blue"
              source: "{\"platform\": \"javascript\", \"release\": \"shop@1.2\", \"environment\": \"production\", \"timestamp\": \"2026-01-02T03:04:05.5\",                 \"fingerprint\": [\"{{ default }}\", \"blue\"], \"level\": \"fatal\", \"tags\": [[\"tenant\", \"blue\"]],                 \"user\": {\"id\": 7, \"ip_address\": \"{{auto}}\"},                 \"request\": {\"url\": \"https://shop.example/\", \"headers\": [[\"User-Agent\", \"Firefox\"]]},                 \"exception\": {\"values\": [                     {\"type\": \"TypeError\", \"value\": \"x is undefined\", \"stacktrace\": {\"frames\": [{\"function\": \"?\", \"filename\": \"https://shop.example/a.js\", \"lineno\": 1, \"colno\": 2}]}},                     {\"type\": \"Error\", \"value\": \"cannot buy\", \"mechanism\": {\"type\": \"onerror\", \"handled\": false}, \"stacktrace\": {\"frames\": [{\"function\": \"buy\", \"filename\": \"https://shop.example/a.js\", \"lineno\": 3, \"colno\": 4}]}}]}}"
                sentry.event_id = "9ec79c33ec9942ab8353589fcb2e04dc"
                sentry.level = "fatal"
                user.id = "7"
                url.full = "https://shop.example/"
                user_agent.original = "Firefox"
                sentry.tags.tenant = "blue"
                sentry.mechanism.type = "onerror"
                sentry.mechanism.handled = false
        "#]],
    );
}

#[test]
fn every_kind_of_item_has_its_row() {
    check(
        &[
            r#"{"type": "session"}"#,
            r#"{"sid": "s1", "did": "ann", "init": true, "started": "2026-01-02T03:00:00Z", "status": "crashed", "errors": 1, "attrs": {"release": "shop@1.2"}}"#,
            r#"{"type": "sessions"}"#,
            r#"{"aggregates": [{"started": "2026-01-02T03:00:00Z", "exited": 3}], "attrs": {"environment": "e"}}"#,
            r#"{"type": "check_in"}"#,
            r#"{"check_in_id": "c1", "monitor_slug": "nightly", "status": "error", "duration": 1.5}"#,
            r#"{"type": "client_report"}"#,
            r#"{"timestamp": 1767323045, "discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 2}]}"#,
            r#"{"type": "user_report"}"#,
            r#"{"event_id": "9ec79c33ec9942ab8353589fcb2e04dc", "name": "Ann", "email": "a@b.c", "comments": "it broke"}"#,
            r#"{"type": "attachment", "length": 5, "filename": "a.log", "content_type": "text/plain"}"#,
            "li\nne",
            r#"{"type": "attachment", "length": 3, "filename": "a.bin"}"#,
            "\u{1}\u{2}\u{3}",
            r#"{"type": "log", "item_count": 1}"#,
            r#"{"items": [{"timestamp": 1767323045.25, "trace_id": "84af46b1e6159f3158c96474086f096d", "level": "warn", "body": "low", "attributes": {"left": {"value": 3, "type": "integer"}, "sentry.release": {"value": "shop@1.2", "type": "string"}}}]}"#,
            r#"{"type": "trace_metric"}"#,
            r#"{"items": [{"timestamp": 1767323045, "name": "carts", "type": "counter", "value": 2, "unit": "cart"}, {"timestamp": 1767323045, "name": "wait", "type": "distribution", "value": 1.5}]}"#,
            r#"{"type": "span"}"#,
            r#"{"items": [{"trace_id": "84af46b1e6159f3158c96474086f096d", "span_id": "58c96474086f096d", "name": "work", "status": "error", "start_timestamp": 1767323045, "end_timestamp": 1767323046.5, "attributes": {"k": {"value": "v"}}}]}"#,
            r#"{"type": "profile"}"#,
            "{}",
            r#"{"type": "event"}"#,
            "[]",
        ],
        expect![[r#"
            resource "shop"
                service.name = "shop"
                service.version = "1.2"
                sentry.project = "42"
            scope ""
            log "session crashed"
              time_unix_nano: 1767323045678901234
              severity_number: 9
              severity_text: "info"
              event_name: "session"
                session.id = "s1"
                user.id = "ann"
                sentry.session.init = true
                sentry.session.started = "2026-01-02T03:00:00Z"
                sentry.session.status = "crashed"
                sentry.session.errors = 1
            resource "sentry-42"
                service.name = "sentry-42"
                deployment.environment.name = "e"
                sentry.project = "42"
            scope ""
            log "sessions counted"
              time_unix_nano: 1767322800000000000
              severity_number: 9
              severity_text: "info"
              event_name: "session"
                sentry.session.started = "2026-01-02T03:00:00Z"
                sentry.session.exited = 3
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            log "nightly error"
              time_unix_nano: 1767323045678901234
              severity_number: 17
              severity_text: "error"
              event_name: "check_in"
                sentry.check_in.check_in_id = "c1"
                sentry.check_in.monitor_slug = "nightly"
                sentry.check_in.status = "error"
                sentry.check_in.duration = 1.5
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            log "2 of error discarded by the client: queue_overflow"
              time_unix_nano: 1767323045000000000
              severity_number: 13
              severity_text: "warning"
              event_name: "client_report"
                sentry.discarded.reason = "queue_overflow"
                sentry.discarded.category = "error"
                sentry.discarded.quantity = 2
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            log "it broke"
              time_unix_nano: 1767323045678901234
              severity_number: 9
              severity_text: "info"
              event_name: "user_report"
                sentry.event_id = "9ec79c33ec9942ab8353589fcb2e04dc"
                user.name = "Ann"
                user.email = "a@b.c"
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            log "li\nne"
              time_unix_nano: 1767323045678901234
              severity_number: 9
              severity_text: "info"
              event_name: "attachment"
                sentry.event_id = "9ec79c33ec9942ab8353589fcb2e04dc"
                sentry.attachment.filename = "a.log"
                sentry.attachment.content_type = "text/plain"
                sentry.attachment.bytes = 5
            resource "shop"
                service.name = "shop"
                service.version = "1.2"
                sentry.project = "42"
            scope ""
            log "low"
              time_unix_nano: 1767323045250000000
              trace_id: 84af46b1e6159f3158c96474086f096d
              severity_number: 13
              severity_text: "warn"
                left = 3
                sentry.release = "shop@1.2"
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            data point "carts"
              unit: "cart"
              type: sum
              temporality: delta
              is_monotonic: true
              time_unix_nano: 1767323045000000000
              value: 2
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            data point "wait"
              type: histogram
              temporality: delta
              time_unix_nano: 1767323045000000000
              count: 1
              sum: 1.5
              min: 1.5
              max: 1.5
              buckets: {"bounds":[],"counts":[1]}
            resource "sentry-42"
                service.name = "sentry-42"
                sentry.project = "42"
            scope ""
            span "work"
              trace_id: 84af46b1e6159f3158c96474086f096d
              span_id: 58c96474086f096d
              start_time_unix_nano: 1767323045000000000
              duration_ns: 1500000000
              kind: internal
              status_code: error
                k = "v"
            refused 1 logs: item event: expected a JSON object
        "#]],
    );
}

#[test]
fn an_event_alone_may_be_packed() {
    let event = br#"{"event_id": "9ec79c33ec9942ab8353589fcb2e04dc", "message": "hi", "level": "warning"}"#;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(event).unwrap();
    let packed = base64::engine::general_purpose::STANDARD.encode(packed.finish().unwrap());
    let plain = exchange(&Sentry, &incoming(STORE, event));
    let unpacked = exchange(&Sentry, &incoming(STORE, packed.as_bytes()));
    assert_eq!(plain, unpacked);
    assert!(plain.0.contains("message: \"hi\"") && plain.1.contains("9ec79c33ec9942ab8353589fcb2e04dc"), "{plain:?}");
}

#[test]
fn a_key_is_asked_for_and_never_kept() {
    let bare = |body: &'static [u8]| Incoming { headers: Headers::default(), ..incoming(ENVELOPE, body) };
    assert!(exchange(&Sentry, &bare(b"{}\n{\"type\": \"event\"}\n{}\n")).1.contains("401"));
    let told = b"{\"dsn\": \"https://secret@shop.example/42\"}\n{\"type\": \"event\"}\n{\"message\": \"x\"}\n";
    let clean = Sentry.without_secrets(&bare(told)).unwrap();
    assert!(!String::from_utf8_lossy(&clean).contains("secret"));
    let kept = Incoming { body: &clean, ..bare(b"") };
    assert_eq!(exchange(&Sentry, &kept), exchange(&Sentry, &bare(told)));
    assert!(Sentry.without_secrets(&kept).is_none(), "once is enough");
}

proptest::proptest! {
    #[test]
    fn never_panics(items in proptest::collection::vec("(\\{\"type\":\"(event|transaction|span|log|session|trace_metric|attachment)\"(,\"length\":[0-9]{1,20})?\\}\n)?(\\{\"(exception|spans|items|tags|contexts|timestamp)\":(\\{\\}|\\[\\]|1e400|\"\\PC{0,9}\")\\}|\\PC{0,30})\n", 0..6)) {
        let body = format!("{{}}\n{}", items.concat());
        let _ = exchange(&Sentry, &incoming(ENVELOPE, body.as_bytes()));
        let _ = exchange(&Sentry, &incoming(STORE, body.as_bytes()));
    }
}
