//! The cases of `fixtures/wire/rollbar`, and what clients were never seen to send but could.

use std::net::IpAddr;
use std::path::Path;

use expect_test::{Expect, expect};

use super::*;
use crate::Headers;
use crate::testing::{RECEIVED_AT_UNIX_NANO, check_fixtures, exchange};

#[test]
fn fixtures() {
    check_fixtures(&Rollbar);
}

/// The texts that grouping is tested with are those printed here.
#[test]
fn grouping_is_tested_with_these_stack_texts() {
    let fixtures = Path::new("../../fixtures");
    for run in ["2023", "linked", "modern"] {
        for error in ["key-error", "name-error"] {
            let batch = std::fs::read_to_string(fixtures.join(format!("wire/rollbar/bootcamp-{run}-{error}/batch.txt"))).unwrap();
            let grouped = std::fs::read_to_string(fixtures.join(format!("grouping/{error}/{run}-rollbar.txt"))).unwrap();
            let printed = serde_json::Value::from(grouped.trim_end()).to_string();
            assert!(batch.contains(&format!("exception.stacktrace: {printed}\n")), "{run} {error}");
        }
    }
}

fn send(endpoint: &str, content_type: &str, body: &[u8]) -> (String, String) {
    let sent = incoming(endpoint, content_type, body);
    let (batch, reply) = exchange(&Rollbar, &sent);
    if let Some(body) = Rollbar.without_secrets(&sent) {
        let kept = exchange(&Rollbar, &Incoming { body: &body, ..sent });
        if endpoint == ITEM && !batch.starts_with("failed") {
            assert_eq!(kept, (batch.clone(), reply.clone()), "what is kept means what was sent");
        }
    }
    (batch, reply)
}

fn incoming<'a>(endpoint: &'a str, content_type: &'a str, body: &'a [u8]) -> Incoming<'a> {
    let headers = Headers(vec![("content-type", content_type), ("x-rollbar-access-token", "present")]);
    let remote_addr = Some(IpAddr::from([192, 0, 2, 7]));
    Incoming { headers, remote_addr, ..Incoming::new(endpoint, RECEIVED_AT_UNIX_NANO, body) }
}

/// However a token comes, what is kept of the request does not have it, and still knows that there was one.
#[test]
fn tokens_are_not_kept() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let item = format!(
        r#"{{"data": {{"body": {{"message": {{"body": "a"}}}}, "notifier": {{"configured_options": "t={TOKEN}"}}}}, "access_token": "{TOKEN}"}}"#
    );
    let form = format!(
        "access_token={TOKEN}&payload=%7B%22data%22%3A%7B%22body%22%3A%7B%22message%22%3A%7B%22body%22%3A%22a%22%7D%7D%7D%7D"
    );
    let deploy = format!("environment=production&access_token={TOKEN}&revision=ab12&comment=a%20b");
    let part = |name, value: &str| format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let parts =
        [part("access_token", TOKEN), part("environment", "production"), part("revision", "ab12"), part("comment", "a b")];
    let multipart = format!("{}--b--\r\n", parts.concat());
    let json = format!(r#"{{"access_token": "{TOKEN}", "environment": "production", "revision": "ab12", "comment": "a b"}}"#);
    for (endpoint, content_type, body) in [
        (ITEM, "application/json", item.as_str()),
        (ITEM, "application/x-www-form-urlencoded", &form),
        (DEPLOY, "application/x-www-form-urlencoded", &deploy),
        (DEPLOY, "multipart/form-data; boundary=b", &multipart),
        (DEPLOY, "application/json", &json),
    ] {
        let headers = Headers(vec![("content-type", content_type)]);
        let sent = Incoming { headers, ..incoming(endpoint, content_type, body.as_bytes()) };
        let body = Rollbar.without_secrets(&sent).unwrap();
        assert!(!String::from_utf8_lossy(&body).contains(TOKEN), "{}", String::from_utf8_lossy(&body));
        let kept = Incoming { body: &body, ..sent.clone() };
        let without_id = |batch: String| batch.lines().filter(|line| !line.contains("rollbar.deploy.id")).collect::<String>();
        assert_eq!(without_id(exchange(&Rollbar, &kept).0), without_id(exchange(&Rollbar, &sent).0), "{content_type}");
        assert_eq!(Rollbar.without_secrets(&kept).unwrap(), body, "once is enough");
    }
    assert!(Rollbar.without_secrets(&incoming(ITEM, "application/json", br#"{"data": {}}"#)).is_none());
}

fn check(body: &str, expected: Expect) {
    expected.assert_eq(&send(ITEM, "application/json", body.as_bytes()).0);
}

#[test]
fn a_browser_s_item() {
    check(
        r#"{"access_token": "0123456789abcdef0123", "data": {"environment": "production", "level": "error", "platform": "browser",
            "language": "javascript", "client": {"timestamp": 1795228178.5, "javascript": {"browser": "Firefox", "code_version": 7}},
            "body": {"trace": {"frames": [{"filename": "https://shop.example/a.js", "lineno": 1, "colno": 2, "method": "[anonymous]"},
                {"filename": "https://shop.example/a.js", "lineno": 3, "colno": 4, "method": "buy"}],
                "exception": {"class": "TypeError", "message": "x is undefined", "description": "more"}}},
            "request": {"url": "https://shop.example/", "user_ip": "$remote_ip"}, "title": "Checkout fails",
            "attributes": [{"key": "session_id", "value": "s1"}, {"key": "trace_id", "value": "84af46b1e6159f3158c96474086f096d"}],
            "fingerprint": "checkout", "notifier": {"name": "rollbar-browser-js", "configured_options": {"accessToken": "0123456789abcdef0123"}}}}"#,
        expect![[r#"
            resource "unknown_service"
                service.name = "unknown_service"
                service.version = "7"
                deployment.environment.name = "production"
                telemetry.sdk.name = "rollbar-browser-js"
                telemetry.sdk.language = "webjs"
            scope ""
            log "Checkout fails"
              time_unix_nano: 1795228178500000000
              trace_id: 84af46b1e6159f3158c96474086f096d
              severity_number: 17
              severity_text: "error"
              event_name: "exception"
              exception.type: "TypeError"
              exception.message: "x is undefined"
              exception.stacktrace: "TypeError: x is undefined\n    at buy (https://shop.example/a.js:3:4)\n    at https://shop.example/a.js:1:2"
              exception.fingerprint: "checkout"
              source: "{\"data\": {\"environment\": \"production\", \"level\": \"error\", \"platform\": \"browser\",\n            \"language\": \"javascript\", \"client\": {\"timestamp\": 1795228178.5, \"javascript\": {\"browser\": \"Firefox\", \"code_version\": 7}},\n            \"body\": {\"trace\": {\"frames\": [{\"filename\": \"https://shop.example/a.js\", \"lineno\": 1, \"colno\": 2, \"method\": \"[anonymous]\"},\n                {\"filename\": \"https://shop.example/a.js\", \"lineno\": 3, \"colno\": 4, \"method\": \"buy\"}],\n                \"exception\": {\"class\": \"TypeError\", \"message\": \"x is undefined\", \"description\": \"more\"}}},\n            \"request\": {\"url\": \"https://shop.example/\", \"user_ip\": \"$remote_ip\"}, \"title\": \"Checkout fails\",\n            \"attributes\": [{\"key\": \"session_id\", \"value\": \"s1\"}, {\"key\": \"trace_id\", \"value\": \"84af46b1e6159f3158c96474086f096d\"}],\n            \"fingerprint\": \"checkout\", \"notifier\": {\"name\": \"rollbar-browser-js\", \"configured_options\": {\"accessToken\": \"********************\"}}}}"
                rollbar.platform = "browser"
                rollbar.level = "error"
                user_agent.original = "Firefox"
                url.full = "https://shop.example/"
                client.address = "192.0.2.7"
                rollbar.session_id = "s1"
                rollbar.exception.description = "more"
        "#]],
    );
}

#[test]
fn languages_are_printed_in_their_own_form() {
    for language in ["java", "ruby", "php", "go", "csharp", "elixir"] {
        let item = serde_json::json!({"data": {"language": language, "body": {"trace_chain": [
            {"frames": [{"filename": "main.x", "lineno": 1, "method": "main"}, {"filename": "shop.x", "lineno": 2, "method": "buy", "class_name": "Shop"}],
             "exception": {"class": "Outer", "message": "no"}},
            {"frames": [{"filename": "bank.x", "method": "charge"}], "exception": {"class": "Inner"}}]}}});
        let (batch, _) = send(ITEM, "application/json", item.to_string().as_bytes());
        let text = batch.lines().find(|line| line.contains("exception.stacktrace")).unwrap().to_owned();
        let expected = match language {
            "java" => r#""Outer: no\n\tat Shop.buy(shop.x:2)\n\tat main(main.x:1)\nCaused by: Inner\n\tat charge(bank.x)""#,
            "ruby" => {
                r#""Outer: no\n\tfrom shop.x:2:in 'Shop#buy'\n\tfrom main.x:1:in 'main'\nCaused by: Inner\n\tfrom bank.x:in 'charge'""#
            }
            "php" => {
                r##""Outer: no\n#0 shop.x(2): Shop->buy()\n#1 main.x(1): main()\nCaused by: Inner\n#0 bank.x(0): charge()""##
            }
            "go" => r#""Outer: no\nShop.buy()\n\tshop.x:2\nmain()\n\tmain.x:1\nCaused by: Inner\ncharge()\n\tbank.x""#,
            "csharp" => {
                r#""Outer: no\n   at Shop.buy() in shop.x:line 2\n   at main() in main.x:line 1\nCaused by: Inner\n   at charge() in bank.x:line 0""#
            }
            _ => r#""Outer: no\n    at Shop.buy (shop.x:2)\n    at main (main.x:1)\nCaused by: Inner\n    at charge (bank.x)""#,
        };
        assert_eq!(text, format!("  exception.stacktrace: {expected}"), "{language}");
    }
}

#[test]
fn crash_reports() {
    check(
        r#"{"data": {"timestamp": 1795228178, "body": {"crash_report": {"raw": "\nIncident 5\nThread 0 crashed"}}}}"#,
        expect![[r#"
            resource "unknown_service"
                service.name = "unknown_service"
            scope ""
            log "Incident 5"
              time_unix_nano: 1795228178000000000
              severity_number: 17
              severity_text: "error"
              event_name: "exception"
              exception.type: ""
              exception.message: "Incident 5"
              exception.stacktrace: "\nIncident 5\nThread 0 crashed"
              source: "{\"data\": {\"timestamp\": 1795228178, \"body\": {\"crash_report\": {\"raw\": \"\\nIncident 5\\nThread 0 crashed\"}}}}"
        "#]],
    );
}

#[test]
fn traces_are_found_wherever_they_are_named() {
    let hex = "84af46b1e6159f3158c96474086f096d";
    let places = [
        format!(r#""attributes": [{{"key": "trace_id", "value": "{hex}"}}]"#),
        format!(r#""custom": {{"trace_id": "{hex}"}}"#),
        format!(r#""request": {{"headers": {{"TraceParent": "00-{hex}-b9221724774dc8db-01"}}}}"#),
        r#""request": {"headers": {"X-AMZN-Trace-Id": ["Root=1-84af46b1-e6159f3158c96474086f096d;Parent=b9221724774dc8db"]}}"#
            .to_owned(),
    ];
    for place in places {
        let body = format!(r#"{{"data": {{"body": {{"message": {{"body": "x"}}}}, {place}}}}}"#);
        let (batch, _) = send(ITEM, "application/json", body.as_bytes());
        assert!(batch.contains(&format!("  trace_id: {hex}\n")), "{place}\n{batch}");
        assert_eq!(batch.contains("  span_id: b9221724774dc8db\n"), place.contains("request"), "{place}\n{batch}");
    }
}

#[test]
fn hostile_items() {
    let deep = format!(r#"{{"data": {{"body": {{"message": {{"body": {}1{}}}}}}}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let item = |data: &str| format!(r#"{{"data": {data}}}"#);
    let cases = [
        (String::new(), "400"),
        ("null".to_owned(), "400"),
        ("[1".to_owned(), "400"),
        (deep, "400"),
        ("{}".to_owned(), "422"),
        (item("null"), "422"),
        (item("[]"), "422"),
        (item("{}"), "422"),
        (item(r#"{"body": 7}"#), "422"),
        (item(r#"{"body": {"trace_chain": []}}"#), "422"),
        (item(r#"{"body": {"trace_chain": [1, "x"]}}"#), "422"),
        (item(r#"{"body": {"crash_report": {"raw": 5}}}"#), "422"),
        (item(r#"{"body": {"trace": {}}}"#), "200"),
        (
            item(
                r#"{"body": {"trace": {"frames": [null, {"lineno": -1e300, "colno": "NaN", "filename": 5}], "exception": []}}}"#,
            ),
            "200",
        ),
        (
            item(
                r#"{"body": {"message": {"body": ["not", "text"]}}, "timestamp": 1e300, "level": 40, "person": "x", "custom": []}"#,
            ),
            "200",
        ),
        (item(r#"{"body": {"message": {"body": "a\ud83d"}}, "timestamp": NaN, "uuid": 5, "server": {"pid": {"a": 1}}}"#), "200"),
        (item(r#"{"body": {"message": {}}, "attributes": [1, {"key": 2}, {"key": "k"}], "request": {"headers": []}}"#), "200"),
    ];
    for (body, status) in cases {
        let (batch, reply) = send(ITEM, "application/json", body.as_bytes());
        let shown: String = body.chars().take(100).collect();
        assert!(reply.starts_with(status), "{shown}\n{batch}{reply}");
    }
}

#[test]
fn tokens_are_asked_for_and_not_kept() {
    let item = |token: &str| format!(r#"{{"access_token": {token}, "data": {{"body": {{"message": {{"body": "x"}}}}}}}}"#);
    let bare = |body: &str| exchange(&Rollbar, &Incoming::new(ITEM, RECEIVED_AT_UNIX_NANO, body.as_bytes()));
    assert!(bare(&item("null")).1.starts_with("401"));
    assert!(bare(&item("\"\"")).1.starts_with("401"));
    let (batch, reply) = bare(&item("\"0123456789abcdef\""));
    assert!(reply.starts_with("200"));
    assert!(!batch.contains("0123456789abcdef") && !batch.contains("access_token"), "{batch}");
    assert!(batch.contains(r#"source: "{\"data\": {\"body\""#), "{batch}");
}

#[test]
fn forms_carry_items_too() {
    let body = b"access_token=abc&payload=%7B%22data%22%3A%7B%22uuid%22%3A%22u1%22%2C%22body%22%3A%7B%22message%22%3A%7B%22body%22%3A%22a+b%22%7D%7D%7D%7D";
    let (batch, reply) = send(ITEM, "application/x-www-form-urlencoded", body);
    assert!(batch.contains("log \"a b\"\n"), "{batch}");
    assert!(reply.contains(r#""uuid":"u1""#), "{reply}");
    assert!(!String::from_utf8(Rollbar.without_secrets(&incoming(ITEM, "", body)).unwrap()).unwrap().contains("abc"));
}

#[test]
fn deploys_in_three_dresses() {
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"environment\"\r\n\r\nproduction\r\n--b\r\nContent-Disposition: form-data; name=\"revision\"\r\n\r\nab12\r\n--b\r\nContent-Disposition: form-data; name=\"comment\"\r\n\r\nbigger cart\r\n--b\r\nContent-Disposition: form-data; name=\"local_username\"\r\n\r\nann\r\n--b--\r\n";
    let dresses = [
        (
            "application/json",
            r#"{"environment": "production", "revision": "ab12", "comment": "bigger cart", "local_username": "ann"}"#,
        ),
        ("application/x-www-form-urlencoded", "environment=production&revision=ab12&comment=bigger+cart&local_username=ann"),
        ("multipart/form-data; boundary=b", multipart),
    ];
    let without_id = |(batch, _): (String, String)| -> String {
        batch.lines().filter(|line| !line.contains("rollbar.deploy.id")).map(|line| format!("{line}\n")).collect()
    };
    let [first, others @ ..] = dresses.map(|(content_type, body)| without_id(send(DEPLOY, content_type, body.as_bytes())));
    assert!(others.iter().all(|other| *other == first), "{others:?}");
    expect![[r#"
        resource "unknown_service"
            service.name = "unknown_service"
        scope ""
        log "bigger cart"
          time_unix_nano: 1767323045678901234
          severity_number: 9
          severity_text: "info"
          event_name: "deploy"
            deployment.environment.name = "production"
            service.version = "ab12"
            user.name = "ann"
            rollbar.deploy.local_username = "ann"
    "#]]
    .assert_eq(&first);
    let (_, reply) = send(DEPLOY, dresses[0].0, dresses[0].1.as_bytes());
    expect![[r#"
        200 OK
        content-type: application/json; charset=utf-8
        x-rate-limit-limit: 5000
        x-rate-limit-remaining-seconds: 60
        x-rate-limit-remaining: 5000

        {"err":0,"data":{"deploy_id":1708511303},"result":{"deploy_id":1708511303}}
    "#]]
    .assert_eq(&reply);
    for (body, status) in
        [("", "422"), ("environment=a", "422"), ("{", "400"), ("{\"environment\": \"a\", \"revision\": null}", "422")]
    {
        assert!(send(DEPLOY, "text/plain", body.as_bytes()).1.starts_with(status), "{body}");
    }
}

#[test]
fn failures_in_rollbar_s_words() {
    let failures = [
        Failure::Forbidden,
        Failure::TooLarge { bytes_max: 9 },
        Failure::Busy { retry_after_seconds: 7 },
        Failure::Unavailable("disk full".to_owned()),
    ];
    let replies: String = failures.iter().map(|failure| crate::testing::reply_text(&reply::refused(failure))).collect();
    expect![[r#"
        403 Forbidden
        content-type: application/json; charset=utf-8
        x-rate-limit-limit: 5000
        x-rate-limit-remaining-seconds: 60
        x-rate-limit-remaining: 5000

        {"err":1,"message":"access token is not valid here, or lacks the scope for this call"}
        413 Payload Too Large
        content-type: application/json; charset=utf-8
        x-rate-limit-limit: 5000
        x-rate-limit-remaining-seconds: 60
        x-rate-limit-remaining: 5000

        {"err":1,"message":"Request entity too large: the max payload size is 9 bytes"}
        429 Too Many Requests
        content-type: application/json; charset=utf-8
        retry-after: 7
        x-rate-limit-limit: 5000
        x-rate-limit-remaining-seconds: 7
        x-rate-limit-remaining: 0

        {"err":1,"message":"overloaded, retry in 7 s"}
        503 Service Unavailable
        content-type: application/json; charset=utf-8
        x-rate-limit-limit: 5000
        x-rate-limit-remaining-seconds: 60
        x-rate-limit-remaining: 5000

        {"err":1,"message":"storage is unavailable: disk full"}
    "#]]
    .assert_eq(&replies);
}

proptest::proptest! {
    #[test]
    fn never_panics(body in proptest::collection::vec(0u8.., 0..120), text in "[{}\\[\\]:,\"a-z0-9&=%-]{0,80}") {
        for endpoint in [ITEM, DEPLOY] {
            for content_type in ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"] {
                let _ = (send(endpoint, content_type, &body), send(endpoint, content_type, text.as_bytes()));
            }
        }
    }

    #[test]
    fn items_of_odd_types_never_panic(value in odd_json()) {
        let item = serde_json::json!({"data": {"body": {"trace_chain": [{"frames": [value], "exception": value}], "message": value}, "custom": value,
            "person": value, "request": value, "server": value, "client": value, "attributes": [value], "timestamp": value, "notifier": value}});
        let _ = send(ITEM, "application/json", item.to_string().as_bytes());
        let item = serde_json::json!({"data": {"body": {"message": {"body": value}}, "attributes": value, "fingerprint": value, "title": value}});
        let _ = send(ITEM, "application/json", item.to_string().as_bytes());
    }
}

fn odd_json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,8}|[/\\\\]{0,3}".prop_map(Into::into),
    ];
    let key = prop_oneof![
        proptest::sample::select(vec![
            "filename",
            "lineno",
            "colno",
            "method",
            "class",
            "message",
            "headers",
            "root",
            "key",
            "value",
            "id",
            "javascript"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,4}"
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((key.clone(), inner), 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}
