//! The demo app against a server that takes everything and keeps it: are the shapes what the contracts say?

#![allow(clippy::unwrap_used, reason = "helpers of tests say what they expect by unwrapping, like tests")]

mod capture;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use capture::{Call, Capture};
use demo::{Options, Targets};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as AnyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

fn options() -> Options {
    Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), requests_per_second: 20.0, backfill: true, seed: 42 }
}

/// Runs the app until `meanwhile` is over, and says how long it then took to end.
async fn run_during(targets: Targets, options: Options, meanwhile: impl Future<Output = ()>) -> Duration {
    let shutdown = CancellationToken::new();
    let until = async {
        meanwhile.await;
        shutdown.cancel();
        Instant::now()
    };
    let (ended, asked) = tokio::join!(demo::run(targets, options, shutdown.clone()), until);
    ended.unwrap();
    asked.elapsed()
}

/// One run serves all questions about shapes: it takes seconds, the questions take none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_told_has_the_shape_of_the_contracts() {
    let capture = Capture::start().await;
    let took = run_during(capture.targets(), options(), sleep(Duration::from_secs(6))).await;
    assert!(took < Duration::from_secs(1), "shutdown took {took:?}");

    let told = capture.finish();
    let spans = told.spans();
    segments_are_what_the_python_sdk_sends(&told.datagrams);
    sampling_is_asked_for_and_reported(&told.calls);
    log_calls_keep_the_rules(&told.calls);
    items_are_what_pyrollbar_sends(&told.calls, &spans);
    the_deploy_is_announced(&told.calls);
    spans_follow_the_conventions(&spans);
    traces_cross_services(&spans);
    server_spans_name_their_segments(&spans, &told.datagrams);
    log_records_know_their_trace(&told, &spans);
    metrics_are_there(&told);
    nothing_traces_the_exporters(&spans);
}

/// A port where nobody listens, and nothing else changes: the app still answers and still ends in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_the_app_lives_on() {
    let closed = capture::closed_port().await;
    let targets = Targets { otlp_grpc: format!("http://{closed}"), http: format!("http://{closed}"), xray: closed };
    let listen = capture::closed_port().await;
    let look = async {
        sleep(Duration::from_secs(3)).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let started = Instant::now();
        let home = client.get(format!("http://{listen}/api/activities/home")).send().await.unwrap();
        assert!(home.status().is_success());
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        let trace = home.headers()["x-amzn-trace-id"].to_str().unwrap();
        assert!(trace.starts_with("Root=1-"), "{trace}");
    };
    let took = run_during(targets, Options { listen, ..options() }, look).await;
    assert!(took < Duration::from_secs(1), "shutdown took {took:?}");
}

/// The worst server: it takes connections and never answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_does_not_hold_the_app_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs = listener.local_addr().unwrap();
    let targets = Targets { otlp_grpc: format!("http://{hangs}"), http: format!("http://{hangs}"), xray: hangs };
    let took = tokio::select! {
        took = run_during(targets, options(), sleep(Duration::from_secs(2))) => took,
        () = capture::hang(listener) => panic!("the listener ended"),
    };
    assert!(took < Duration::from_secs(1), "shutdown took {took:?}");
}

fn segments_are_what_the_python_sdk_sends(datagrams: &[Vec<u8>]) {
    // Some requests are probes, and some were still running at the end.
    assert!(datagrams.len() > 200, "{} segments", datagrams.len());
    let mut causes = 0;
    let mut deepest = 0;
    let mut sql = 0;
    for datagram in datagrams {
        let (header, document) = split_once(datagram, b'\n');
        assert_eq!(header, br#"{"format":"json","version":1}"#);
        assert!(datagram.len() < 65_507);
        let document: Value = serde_json::from_slice(document).unwrap();
        assert_eq!(document["name"], "cruddur.local");
        assert!(is_hex(&document["id"], 16), "{document}");
        let trace_id = document["trace_id"].as_str().unwrap();
        let parts: Vec<&str> = trace_id.split('-').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("1", 8, 24), "{trace_id}");
        assert!(document["start_time"].as_f64().unwrap() <= document["end_time"].as_f64().unwrap());
        assert_eq!(document["in_progress"], false);
        assert!(document["http"]["request"]["url"].as_str().unwrap().starts_with("http://127.0.0.1:"));
        assert!(document["http"]["request"]["method"].is_string());
        let status = document["http"]["response"]["status"].as_u64().unwrap();
        assert_eq!(document["fault"] == true, status >= 500, "{document}");
        assert_eq!(document["error"] == true, (400..500).contains(&status), "{document}");
        assert!(document["annotations"]["user_handle"].is_string());
        let mut exceptions = BTreeSet::new();
        let mut references = BTreeSet::new();
        walk(&document, &mut |part| {
            assert!(is_hex(&part["id"], 16));
            match &part["cause"] {
                Value::Null => {}
                Value::String(id) => _ = references.insert(id.clone()),
                cause => {
                    let exception = &cause["exceptions"][0];
                    assert!(exception["type"].is_string() && exception["message"].is_string());
                    assert!(exception["stack"][0]["line"].as_u64().is_some_and(|line| line > 0), "{cause}");
                    deepest = deepest.max(exception["stack"].as_array().unwrap().len());
                    exceptions.insert(exception["id"].as_str().unwrap().to_owned());
                }
            }
            for child in part["subsegments"].as_array().into_iter().flatten() {
                assert_eq!(child["parent_id"], part["id"]);
                assert_eq!(child["trace_id"], document["trace_id"]);
                assert_eq!(child["type"], "subsegment");
                assert!(child["end_time"].as_f64().unwrap() >= child["start_time"].as_f64().unwrap());
                sql += usize::from(child["sql"]["sanitized_query"].is_string());
            }
        });
        assert!(references.is_subset(&exceptions), "{document}");
        causes += exceptions.len();
    }
    assert!(causes >= 4, "{causes} causes");
    assert!(deepest >= 2, "no exception tells the way it took");
    assert!(sql > 100, "{sql} queries");
}

fn sampling_is_asked_for_and_reported(calls: &[Call]) {
    let rules = calls.iter().find(|call| call.path == "/GetSamplingRules").unwrap();
    assert_eq!(rules.body, b"{}");
    assert!(!rules.headers.contains_key("authorization"));
}

fn log_calls_keep_the_rules(calls: &[Call]) {
    let logs: Vec<&Call> = calls.iter().filter(|call| call.headers.contains_key("x-amz-target")).collect();
    let operations: Vec<&str> =
        logs.iter().map(|call| call.headers["x-amz-target"].strip_prefix("Logs_20140328.").unwrap()).collect();
    assert_eq!(operations[..5], ["DescribeLogGroups", "CreateLogGroup", "PutLogEvents", "CreateLogStream", "PutLogEvents"]);
    let mut lines = Vec::new();
    for call in logs {
        assert_eq!(call.headers["content-type"], "application/x-amz-json-1.1");
        assert!(call.headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=AKIA"));
        assert!(
            call.headers["authorization"]
                .contains("/us-east-1/logs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, ")
        );
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let Some(events) = body["logEvents"].as_array() else { continue };
        assert_eq!(body["logGroupName"], "cruddur");
        assert!(!body["logStreamName"].as_str().unwrap().contains([':', '*']));
        assert!((1..=10_000).contains(&events.len()));
        assert!(events.is_sorted_by_key(|event| event["timestamp"].as_i64().unwrap()), "not chronological");
        let bytes: usize = events.iter().map(|event| event["message"].as_str().unwrap().len() + 26).sum();
        assert!(bytes <= 1_048_576);
        assert!(events.iter().all(|event| !event["message"].as_str().unwrap().is_empty()));
        if call.accepted {
            lines.extend(events.iter().map(|event| event["message"].as_str().unwrap().to_owned()));
        }
    }
    let access = lines.iter().filter(|line| line.contains(" http /api/")).count();
    let json: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(access > 200, "{access} access lines");
    assert!(lines.iter().any(|line| line.ends_with("GET http /api/activities/home? 200 OK")));
    assert!(json.iter().any(|line| line["message"] == "activity created" && is_hex(&line["trace_id"], 32)));
    assert!(lines.iter().any(|line| line.starts_with("Exception on /api/activities [POST]\nActivityRejected: ")));
}

fn items_are_what_pyrollbar_sends(calls: &[Call], spans: &[(String, Span)]) {
    let items: Vec<&Call> = calls.iter().filter(|call| call.path == "/api/1/item/").collect();
    let mut uuids = BTreeSet::new();
    let mut classes = BTreeSet::new();
    for call in &items {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        let data = &body["data"];
        assert_eq!(body["access_token"].as_str().unwrap(), call.headers["x-rollbar-access-token"]);
        assert!(uuids.insert(data["uuid"].as_str().unwrap().to_owned()), "uuid twice");
        assert_eq!(data["environment"], "production");
        assert!(data["timestamp"].is_u64());
        assert!(data["code_version"].is_string());
        assert!(data["person"]["username"].is_string(), "{data}");
        assert!(data["request"]["url"].is_string() && data["request"]["headers"]["Traceparent"].is_string());
        let trace_id = call.headers["traceparent"].split('-').nth(1).unwrap();
        assert_eq!(data["attributes"][0]["value"], trace_id);
        if let Some(trace) = data["body"].get("trace") {
            assert_eq!(data["level"], "error");
            let frames = trace["frames"].as_array().unwrap();
            assert!(frames.iter().all(|frame| frame["filename"].as_str().unwrap().starts_with("src/")), "{trace}");
            assert!(frames.last().unwrap()["code"].as_str().unwrap().contains("AppError::new"), "{trace}");
            classes.insert(trace["exception"]["class"].as_str().unwrap().to_owned());
            // The trace that the post names told of the same error.
            let same = spans.iter().any(|(_, span)| {
                hex(&span.trace_id) == trace_id
                    && span
                        .events
                        .iter()
                        .any(|event| text(&event.attributes, "exception.message") == trace["exception"]["message"].as_str())
            });
            assert!(same, "no span tells {trace}");
        } else {
            assert_eq!(data["level"], "warning");
            assert!(data["body"]["message"]["body"].is_string());
        }
    }
    assert!(classes.contains("ActivityRejected") && classes.contains("UnknownHandle"), "{classes:?}");
}

fn the_deploy_is_announced(calls: &[Call]) {
    let deploy = calls.iter().find(|call| call.path == "/api/1/deploy/").unwrap();
    let body: Value = serde_json::from_slice(&deploy.body).unwrap();
    assert_eq!((&body["revision"], &body["environment"]), (&"1.4.0".into(), &"production".into()));
    assert!(deploy.headers.contains_key("x-rollbar-access-token"));
}

fn spans_follow_the_conventions(spans: &[(String, Span)]) {
    assert!(spans.len() > 600, "{} spans", spans.len());
    for (service, span) in spans {
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        match span.kind() {
            SpanKind::Server => {
                assert!(text(&span.attributes, "http.request.method").is_some());
                assert!(text(&span.attributes, "url.path").is_some());
                let route = text(&span.attributes, "http.route").unwrap();
                assert!(span.name.ends_with(route), "{} {route}", span.name);
            }
            SpanKind::Client if text(&span.attributes, "db.system.name").is_some() => {
                assert_eq!(text(&span.attributes, "db.system.name"), Some("postgresql"));
                assert!(text(&span.attributes, "db.query.text").is_some());
            }
            SpanKind::Client => assert!(text(&span.attributes, "url.full").is_some(), "{service} {}", span.name),
            _ => {}
        }
    }
    let n_plus_one = spans.iter().filter(|(_, span)| span.name == "SELECT messages").count();
    assert!(n_plus_one > 50, "{n_plus_one} queries for conversations");
    let slow = spans
        .iter()
        .any(|(service, span)| service == "cruddur-search" && span.end_time_unix_nano - span.start_time_unix_nano > 800_000_000);
    assert!(slow, "no slow search");
}

fn traces_cross_services(spans: &[(String, Span)]) {
    let mut services: BTreeMap<Vec<u8>, BTreeSet<&str>> = BTreeMap::new();
    for (service, span) in spans {
        services.entry(span.trace_id.clone()).or_default().insert(service);
    }
    for callee in ["cruddur-notifications", "cruddur-search"] {
        let crossing = services.values().filter(|services| services.contains("cruddur") && services.contains(callee)).count();
        assert!(crossing >= 10, "{crossing} traces reach {callee}");
        let alone = services.values().filter(|services| services.len() == 1 && services.contains(callee)).count();
        assert!(alone <= 2, "{alone} traces of {callee} alone");
    }
}

fn server_spans_name_their_segments(spans: &[(String, Span)], datagrams: &[Vec<u8>]) {
    let sent: BTreeSet<String> = datagrams
        .iter()
        .map(|datagram| {
            serde_json::from_slice::<Value>(split_once(datagram, b'\n').1).unwrap()["trace_id"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut named = BTreeSet::new();
    for (service, span) in spans {
        if service != "cruddur" || span.kind() != SpanKind::Server || text(&span.attributes, "url.path") == Some("/api/health") {
            continue;
        }
        let attribute = span.attributes.iter().find(|attribute| attribute.key == "http.response.header.x_amzn_trace_id").unwrap();
        let Some(AnyValue::ArrayValue(values)) = attribute.value.as_ref().and_then(|value| value.value.as_ref()) else {
            panic!()
        };
        let Some(AnyValue::StringValue(value)) = &values.values[0].value else { panic!() };
        named.insert(value.strip_prefix("Root=").unwrap().to_owned());
    }
    // A request that ends in the same moment as the app may be told by one tracer only.
    assert!(named.symmetric_difference(&sent).count() <= 2, "{:?}", named.symmetric_difference(&sent));
}

fn log_records_know_their_trace(told: &capture::Told, spans: &[(String, Span)]) {
    let traces: BTreeSet<&[u8]> = spans.iter().map(|(_, span)| span.trace_id.as_slice()).collect();
    let records: Vec<_> = told
        .logs
        .iter()
        .flat_map(|log| &log.resource_logs)
        .flat_map(|logs| &logs.scope_logs)
        .flat_map(|logs| &logs.log_records)
        .collect();
    assert!(records.len() > 20, "{} records", records.len());
    assert!(records.iter().all(|record| record.severity_number > 0 && record.body.is_some()));
    assert!(records.iter().all(|record| traces.contains(record.trace_id.as_slice())));
    assert!(records.iter().any(|record| record.event_name == "cruddur.activity.created"));
}

fn metrics_are_there(told: &capture::Told) {
    let metrics: Vec<_> = told
        .metrics
        .iter()
        .flat_map(|request| &request.resource_metrics)
        .flat_map(|metrics| &metrics.scope_metrics)
        .flat_map(|metrics| &metrics.metrics)
        .collect();
    let of = |name: &str| metrics.iter().rev().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"));
    let Some(Data::Histogram(durations)) = &of("http.server.request.duration").data else { panic!() };
    assert!(durations.data_points.iter().any(|point| text(&point.attributes, "http.route").is_some()));
    let Some(Data::Sum(active)) = &of("http.server.active_requests").data else { panic!() };
    assert!(!active.is_monotonic);
    let Some(Data::Sum(created)) = &of("cruddur.activities.created").data else { panic!() };
    assert!(created.is_monotonic);
}

fn nothing_traces_the_exporters(spans: &[(String, Span)]) {
    for (_, span) in spans {
        let url = text(&span.attributes, "url.full").unwrap_or_default();
        assert!(!url.contains("/api/1/item") && !url.contains("Sampling"), "{url}");
    }
}

fn walk(part: &Value, visit: &mut impl FnMut(&Value)) {
    visit(part);
    for child in part["subsegments"].as_array().into_iter().flatten() {
        walk(child, visit);
    }
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a str> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?;
    match value.value.as_ref()? {
        AnyValue::StringValue(text) => Some(text),
        _ => None,
    }
}

fn is_hex(value: &Value, digits: usize) -> bool {
    value.as_str().is_some_and(|text| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn split_once(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|byte| *byte == at).unwrap();
    (&bytes[..at], &bytes[at + 1..])
}
