//! Every key that Rollbar's API documents, each with what becomes of it.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::Rollbar;
use crate::testing::{RECEIVED_AT_UNIX_NANO, exchange};
use crate::{Headers, Incoming};

/// What an item becomes, without its source, in which everything is.
fn batch(data: &Value, remote_addr: &str) -> String {
    let body = format!(r#"{{"data": {data}}}"#);
    let headers = Headers(vec![("content-type", "application/json"), ("x-rollbar-access-token", "present")]);
    let remote_addr: Option<IpAddr> = remote_addr.parse().ok();
    let sent = Incoming { headers, remote_addr, ..Incoming::new(super::ITEM, RECEIVED_AT_UNIX_NANO, body.as_bytes()) };
    let (batch, _) = exchange(&Rollbar, &sent);
    let source = format!("source: {}", Value::from(body));
    assert!(batch.contains(&source) || batch.starts_with("failed"), "the payload is kept word for word:\n{batch}");
    batch.replace(&source, "")
}

/// An item with `value` at a path of its data.
fn item_with(path: &str, value: Value) -> Value {
    let mut data = json!({ "environment": "test", "body": { "message": { "body": "hello" } } });
    let mut place = &mut data;
    for name in path.split('/') {
        place = match name.parse::<usize>() {
            Ok(_) => {
                *place = json!([null]);
                &mut place[0]
            }
            Err(_) => &mut place[name],
        };
    }
    *place = value;
    data
}

#[test]
fn each_key_has_its_place() {
    let sha = "d".repeat(40);
    let version_of_sha = format!(r#"service.version = "{sha}""#);
    // Where it is in `data`, what stands there, and what is then in the row, or nothing where it is in the source alone.
    let cases: Vec<(&str, Value, &str)> = vec![
        ("environment", json!("production"), r#"deployment.environment.name = "production""#),
        ("body", json!({"message": {"body": "said"}}), r#"exception.message: "said""#),
        ("body", json!({"message": {"body": "said", "order": {"id": 7}}}), "rollbar.message.order.id = 7"),
        ("body", json!({"trace": trace("E", "no", "")}), r#"exception.type: "E""#),
        ("body", json!({"trace": trace("E", "no", "why")}), r#"rollbar.exception.description = "why""#),
        ("body", json!({"trace": trace("E", "no", "")}), r#"File \"/app/a.py\", line 3, in buy"#),
        ("body", json!({"trace_chain": [trace("Latest", "", ""), trace("Root", "", "")]}), r#"exception.type: "Latest""#),
        ("body", json!({"trace_chain": [trace("Latest", "", ""), trace("Root", "", "")]}), "Root"),
        ("body", json!({"crash_report": {"raw": "Fatal: gone\nThread 1"}}), r#"exception.message: "Fatal: gone""#),
        ("body/telemetry", json!([{"level": "info", "type": "log", "source": "client", "timestamp_ms": 1, "body": {}}]), ""),
        ("level", json!("critical"), "severity_number: 21"),
        ("level", json!("error"), "severity_number: 17"),
        ("level", json!("warning"), "severity_number: 13"),
        ("level", json!("info"), "severity_number: 9"),
        ("level", json!("debug"), "severity_number: 5"),
        ("custom", json!({}), "severity_number: 9"),
        ("timestamp", json!(1_795_228_178), "time_unix_nano: 1795228178000000000"),
        ("client/timestamp", json!(1_795_228_178.25), "time_unix_nano: 1795228178250000000"),
        ("code_version", json!(sha), &version_of_sha),
        ("code_version", json!(12), r#"service.version = "12""#),
        ("platform", json!("linux"), r#"rollbar.platform = "linux""#),
        ("language", json!("python 3.11.7"), r#"process.runtime.version = "3.11.7""#),
        ("language", json!("python 3.11.7"), r#"telemetry.sdk.language = "python""#),
        ("framework", json!("django"), r#"rollbar.framework = "django""#),
        ("context", json!("shop#buy"), r#"rollbar.context = "shop#buy""#),
        ("request/url", json!("https://x.example/a"), r#"url.full = "https://x.example/a""#),
        ("request/method", json!("post"), r#"http.request.method = "POST""#),
        ("request/headers", json!({"User-Agent": "curl"}), r#"user_agent.original = "curl""#),
        ("request/params", json!({"controller": "shop"}), ""),
        ("request/GET", json!({"a": "1"}), ""),
        ("request/query_string", json!("a=1"), ""),
        ("request/POST", json!({"b": "2"}), ""),
        ("request/body", json!("b=2"), ""),
        ("request/user_ip", json!("203.0.113.9"), r#"client.address = "203.0.113.9""#),
        ("request/user_ip", json!("$remote_ip"), r#"client.address = "192.0.2.7""#),
        ("request/user_ip", json!("$remote_ip_anonymize"), r#"client.address = "192.0.2.0""#),
        ("person/id", json!(17), r#"user.id = "17""#),
        ("person/username", json!("ada"), r#"user.name = "ada""#),
        ("person/email", json!("ada@x.example"), r#"user.email = "ada@x.example""#),
        ("person/plan", json!("gold"), r#"rollbar.person.plan = "gold""#),
        ("server/host", json!("web-1"), r#"host.name = "web-1""#),
        ("server/root", json!("/srv/shop/"), r#"service.name = "shop""#),
        ("server/root", json!("/srv/shop/"), r#"rollbar.server.root = "/srv/shop/""#),
        ("server/branch", json!("main"), r#"vcs.ref.head.name = "main""#),
        ("server/code_version", json!("1.2"), r#"service.version = "1.2""#),
        ("server/pid", json!(42), "process.pid = 42"),
        ("server/argv", json!(["a.py", "-v"]), r#"process.command_args = json ["a.py","-v"]"#),
        ("server/history", json!([{"message": "before"}]), ""),
        ("client/javascript/browser", json!("Firefox"), r#"user_agent.original = "Firefox""#),
        ("client/javascript/code_version", json!("3"), r#"service.version = "3""#),
        ("client/javascript/source_map_enabled", json!(true), ""),
        ("client/javascript/guess_uncaught_frames", json!(true), ""),
        ("custom", json!({"tenant": {"id": "a"}}), r#"rollbar.custom.tenant.id = "a""#),
        ("fingerprint", json!("checkout"), r#"exception.fingerprint: "checkout""#),
        ("fingerprint", json!(7), r#"exception.fingerprint: "7""#),
        ("title", json!("Checkout fails"), r#"log "Checkout fails""#),
        ("uuid", json!("d4c7acef-55bf-4c9e-95e4-9428fcad8206"), r#"rollbar.uuid = "d4c7acef-55bf-4c9e-95e4-9428fcad8206""#),
        ("notifier/name", json!("pyrollbar"), r#"telemetry.sdk.name = "pyrollbar""#),
        ("notifier/version", json!("1.5.0"), r#"telemetry.sdk.version = "1.5.0""#),
        ("notifier/configured_options", json!({"a": 1}), ""),
        ("notifier/diagnostic", json!({"b": 2}), ""),
        ("attributes/0", json!({"key": "session_id", "value": "s1"}), r#"rollbar.session_id = "s1""#),
        ("attributes/0", json!({"key": "execution_scope_id", "value": "e1"}), r#"rollbar.execution_scope_id = "e1""#),
        (
            "attributes/0",
            json!({"key": "trace_id", "value": "84af46b1e6159f3158c96474086f096d"}),
            "trace_id: 84af46b1e6159f3158c96474086f096d",
        ),
        ("attributes/0", json!({"key": "replay_id", "value": "r1"}), r#"rollbar.replay_id = "r1""#),
        ("attributes/0", json!({"key": "is_uncaught", "value": true}), "rollbar.is_uncaught = true"),
        ("nobody_knows", json!({"this": 1}), "rollbar.nobody_knows.this = 1"),
    ];
    for (path, value, expected) in cases {
        let batch = batch(&item_with(path, value.clone()), "192.0.2.7");
        assert!(!batch.starts_with("failed"), "{path} = {value}:\n{batch}");
        assert!(batch.contains(expected), "{path} = {value}: expected {expected} in\n{batch}");
    }
    let of_ipv6 = batch(&item_with("request/user_ip", json!("$remote_ip_anonymize")), "2001:db8:1:2::7");
    assert!(of_ipv6.contains(r#"client.address = "2001:db8:1::""#), "{of_ipv6}");
}

fn trace(class: &str, message: &str, description: &str) -> Value {
    let frame = json!({"filename": "/app/a.py", "lineno": 3, "colno": 5, "method": "buy", "code": "pay()", "class_name": null,
        "context": {"pre": ["def buy():"], "post": []}, "argspec": ["a"], "varargspec": "args", "keywordspec": "kwargs",
        "locals": {"a": 1}, "args": [1], "kwargs": {"b": 2}});
    json!({"frames": [frame], "exception": {"class": class, "message": message, "description": description}})
}
