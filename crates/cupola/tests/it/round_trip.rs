//! What real clients sent once, replayed from the fixtures against the binary, and read back.

use serde_json::json;

use crate::harness::Server;

/// A request of OpenTelemetry whose span names X-Ray's trace, the segment, a Rollbar item and a log event: one story.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the server takes only log events of about now")]
async fn four_vendors_tell_one_story() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let client = reqwest::Client::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let (seconds, nanos, millis) = (now.as_secs_f64(), now.as_nanos(), now.as_millis() as u64);
    let (trace, span, xray) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "1-5759e988-bd862e3fe1be46a994272793");

    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let otlp = json!({"resourceSpans": [{
        "resource": {"attributes": [attribute("service.name", "backend-flask")]},
        "scopeSpans": [{"spans": [{
            "traceId": trace, "spanId": span, "name": "GET /api/home", "kind": 2,
            "startTimeUnixNano": nanos.to_string(), "endTimeUnixNano": (nanos + 250_000_000).to_string(),
            "attributes": [
                attribute("http.route", "/api/home"),
                {"key": "http.response.header.x_amzn_trace_id",
                 "value": {"arrayValue": {"values": [{"stringValue": format!("Root={xray}")}]}}},
            ],
            "status": {"code": 2, "message": "boom"},
        }]}],
    }]});
    let sent = client.post(format!("{}/v1/traces", server.otlp_http)).json(&otlp).send().await.unwrap();
    assert_eq!(sent.status(), 200);

    let segment = json!({"name": "cruddur.local", "id": "53995c3f42cd8ad8", "trace_id": xray,
        "start_time": seconds + 0.001, "end_time": seconds + 0.2,
        "http": {"request": {"method": "GET", "url": "http://127.0.0.1/api/home"}, "response": {"status": 500}}, "fault": true});
    let datagram = format!("{{\"format\":\"json\",\"version\":1}}\n{segment}");
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(datagram.as_bytes(), &server.xray).unwrap();

    let item = json!({"access_token": "t", "data": {"environment": "test", "uuid": "6f1f6f1c-0f4c-4f7e-9d67-1f2d7f1d2a11", "level": "error",
        "timestamp": now.as_secs(), "language": "python",
        "body": {"trace": {"frames": [{"filename": "app.py", "lineno": 12, "method": "home"}],
                           "exception": {"class": "ValueError", "message": "boom 17"}}}}});
    for _ in 0..2 {
        let sent = client
            .post(format!("{}/api/1/item/", server.http))
            .header("traceparent", format!("00-{trace}-{span}-01"))
            .json(&item)
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), 200, "a repeated uuid is answered as the first was");
    }

    let aws = |operation: &str, body: serde_json::Value| {
        client
            .post(&server.http)
            .header("x-amz-target", format!("Logs_20140328.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .send()
    };
    let events = json!({"logGroupName": "cruddur", "logStreamName": "web", "logEvents": [
        {"timestamp": millis, "message": format!("{{\"level\": \"ERROR\", \"trace_id\": \"{trace}\", \"message\": \"boom\"}}")}]});
    assert_eq!(aws("CreateLogGroup", json!({"logGroupName": "cruddur"})).await.unwrap().status(), 200);
    let refused = aws("PutLogEvents", events.clone()).await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("The specified log stream does not exist."));
    let stream = json!({"logGroupName": "cruddur", "logStreamName": "web"});
    assert_eq!(aws("CreateLogStream", stream.clone()).await.unwrap().status(), 200);
    assert_eq!(aws("PutLogEvents", events).await.unwrap().status(), 200);
    let read: serde_json::Value = aws("GetLogEvents", stream).await.unwrap().json().await.unwrap();
    assert_eq!(read["events"].as_array().unwrap().len(), 1, "{read}");

    // The datagram has no answer; the segment is there once the trace has both tracers' spans.
    let mut story = server.get(&format!("/api/traces/{trace}")).await;
    for _ in 0..100 {
        if story["spans"].as_array().unwrap().len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        story = server.get(&format!("/api/traces/{trace}")).await;
    }
    let receivers: Vec<_> = story["spans"].as_array().unwrap().iter().map(|span| span["receiver"].as_str().unwrap()).collect();
    assert_eq!(receivers, ["otlp", "xray"], "{story:#}");
    assert_eq!(story["linked"][0]["exact"], true);

    // The same story from the other end.
    let reverse = server.get(&format!("/api/traces/{xray}")).await;
    assert_eq!(reverse["spans"].as_array().unwrap().len(), 2);

    let logs = server.get(&format!("/api/traces/{trace}/logs")).await;
    let from: Vec<_> = logs["logs"].as_array().unwrap().iter().map(|log| log["receiver"].as_str().unwrap()).collect();
    assert!(from.contains(&"cloudwatch") && from.contains(&"rollbar"), "{from:?}");
    let errors = server.get(&format!("/api/traces/{trace}/errors")).await;
    assert_eq!(errors["errors"].as_array().unwrap().len(), 1, "{errors:#}");
    let group = errors["errors"][0]["error_group"].as_str().unwrap();
    let error = server.get(&format!("/api/errors/{group}")).await;
    assert_eq!(error["error"]["type"], "ValueError");

    let list = server.get("/api/traces").await;
    let traces = list["traces"].as_array().unwrap();
    assert_eq!(traces.len(), 1, "two tracers, one request: {list:#}");
    assert_eq!(traces[0]["route"], "/api/home");
    assert_eq!(traces[0]["receivers"], json!(["otlp", "xray"]));
    let raw = server.get(&format!("/api/traces/{trace}/raw")).await;
    assert_eq!(raw["documents"].as_array().unwrap().len(), 2);

    // Attribute names need no quotes, ids may be written as people have them.
    let rows = server.sql(&format!("SELECT name, http.route FROM spans WHERE trace_id = '{trace}'")).await;
    assert_eq!(rows, [["GET /api/home", "/api/home"]]);
    let wrong = server.try_sql("SELECT no_such_column FROM spans").await;
    assert_eq!(wrong["error"]["code"], "invalid_query");
    let wrong = server.try_sql("DROP TABLE spans").await;
    assert_eq!(wrong["error"]["code"], "invalid_query", "{wrong}");

    // Prometheus and a browser ask for the same path.
    let client = reqwest::Client::new();
    for (accept, expected) in [("text/plain;version=0.0.4", "# HELP"), ("text/html,*/*;q=0.8", "<!doctype html>")] {
        let asked = client.get(format!("{}/metrics", server.http)).header("accept", accept).send();
        let told = asked.await.unwrap().text().await.unwrap();
        assert!(told.to_lowercase().starts_with(&expected.to_lowercase()), "{told}");
    }

    let seen = server.get("/api/receivers").await;
    for receiver in seen["receivers"].as_array().unwrap() {
        let silent = receiver["last_received_unix_nano"].is_null();
        let unused = receiver["name"] == "honeycomb" || receiver["name"] == "sentry";
        assert_eq!(silent, unused, "{receiver:#}");
    }
}
