//! Deletion and retention as their users meet them: over HTTP, against the binary.

use serde_json::{Value, json};

use crate::harness::Server;

async fn send(server: &Server, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.http)).json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

async fn post(server: &Server, path: &str, body: &Value) -> (u16, Value) {
    send(server, reqwest::Method::POST, path, body).await
}

/// Requests 0..count, each a span of a person and a log line of its trace.
async fn tell(server: &Server, count: u64) {
    #[expect(clippy::disallowed_methods, reason = "what is told is of about now")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    let text = |key: &str, value: String| json!({"key": key, "value": {"stringValue": value}});
    let resource = json!({"attributes": [text("service.name", "shop".into())]});
    let trace = |number: u64| format!("{:032x}", number + 1);
    let spans: Vec<Value> = (0..count)
        .map(|number| {
            json!({"traceId": trace(number), "spanId": format!("{:016x}", number + 1), "name": "GET /", "kind": 2,
                "startTimeUnixNano": now.to_string(), "endTimeUnixNano": (now + 1_000_000).to_string(),
                "attributes": [text("user.id", format!("u-{}", number % 10))]})
        })
        .collect();
    let logs: Vec<Value> = (0..count)
        .map(|number| json!({"timeUnixNano": now.to_string(), "traceId": trace(number), "body": {"stringValue": "answered"}}))
        .collect();
    let spans = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": spans}]}]});
    let logs = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": logs}]}]});
    for (path, body) in [("/v1/traces", spans), ("/v1/logs", logs)] {
        let sent = reqwest::Client::new().post(format!("{}{path}", server.otlp_http)).json(&body).send().await.unwrap();
        assert_eq!(sent.status(), 200);
    }
}

async fn count(server: &Server, query: &str) -> i64 {
    server.sql(query).await[0][0].as_f64().unwrap() as i64
}

#[tokio::test]
async fn what_is_deleted_is_gone_when_the_answer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    tell(&server, 100).await;
    let trace = format!("{:032x}", 1);
    let (status, receipt) = post(&server, "/api/deletions", &json!({"trace_id": trace})).await;
    assert_eq!((status, &receipt["rows_deleted"]), (200, &json!({"spans": 1, "logs": 1, "metrics": 0})), "{receipt:#}");
    let gone = reqwest::get(format!("{}/api/traces/{trace}", server.http)).await.unwrap();
    assert_eq!(gone.status(), 404);

    let (status, receipt) = post(&server, "/api/deletions", &json!({"person": {"value": "u-7"}})).await;
    assert_eq!((status, &receipt["rows_deleted"]["spans"]), (200, &json!(10)), "{receipt:#}");
    assert_eq!(receipt["what"]["value"], Value::Null, "the receipt forgets whom");
    assert_eq!(count(&server, "SELECT count(*) FROM spans").await, 89);
    assert_eq!(count(&server, r#"SELECT count(*) FROM spans WHERE "user.id" = 'u-7'"#).await, 0);
    assert_eq!(count(&server, "SELECT count(*) FROM logs").await, 99);

    // What comes afterwards is somebody else's affair.
    tell(&server, 10).await;
    assert_eq!(count(&server, r#"SELECT count(*) FROM spans WHERE "user.id" = 'u-7'"#).await, 1);

    let id = receipt["id"].as_str().unwrap();
    let mut told = server.get(&format!("/api/deletions/{id}")).await;
    for _ in 0..200 {
        if told["state"] == "erased" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        told = server.get(&format!("/api/deletions/{id}")).await;
    }
    assert_eq!(told["state"], "erased", "{told:#}");
    let list = server.get("/api/deletions").await;
    assert_eq!(list["deletions"].as_array().unwrap().len(), 2);
    assert_eq!(list["deletions"][0]["id"], id);

    server.terminate();
    let server = Server::start(folder.path());
    assert_eq!(count(&server, "SELECT count(*) FROM spans").await, 99);
    let (_, receipt) =
        post(&server, "/api/deletions", &json!({"start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"})).await;
    assert_eq!(receipt["rows_deleted"], json!({"spans": 99, "logs": 109, "metrics": 0}), "{receipt:#}");
    assert_eq!(count(&server, "SELECT count(*) FROM spans").await, 0);
}

#[tokio::test]
async fn a_wrong_request_deletes_nothing_and_says_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for body in [json!({}), json!({"trace_id": "x"}), json!({"start": 1}), json!({"start": 1, "end": 2, "sevice": "a"})] {
        let (status, refusal) = post(&server, "/api/deletions", &body).await;
        assert_eq!((status, &refusal["error"]["code"]), (400, &json!("invalid_parameter")), "{body}: {refusal}");
    }
    // A form of another page could send this.
    let form = reqwest::Client::new().post(format!("{}/api/deletions", server.http)).body(r#"{"start": 1, "end": 2}"#);
    assert_eq!(form.header("content-type", "text/plain").send().await.unwrap().status(), 403);
    let run = reqwest::Client::new().post(format!("{}/api/retention/run", server.http)).send().await.unwrap();
    assert_eq!(run.status(), 403);
    let missing = reqwest::get(format!("{}/api/deletions/none", server.http)).await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(server.get("/api/deletions").await["deletions"], json!([]));
}

#[tokio::test]
async fn a_policy_holds_from_the_settings_or_is_the_projects_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &["--retention-days", "30", "--retention-megabytes", "500"]);
    let told = server.get("/api/retention").await;
    let expected =
        json!({"spans_days": 30, "logs_days": 30, "metrics_days": null, "traces_megabytes": 500, "metrics_megabytes": null});
    assert_eq!((&told["policy"], &told["is_default"]), (&expected, &json!(true)));
    let own = json!({"spans_days": 7, "logs_days": null, "metrics_days": 90, "traces_megabytes": null, "metrics_megabytes": 10});
    let (status, told) = send(&server, reqwest::Method::PUT, "/api/retention", &own).await;
    assert_eq!((status, &told["policy"], &told["is_default"]), (200, &own, &json!(false)));
    let (status, _) = send(&server, reqwest::Method::PUT, "/api/retention", &json!({"spans_days": 0})).await;
    assert_eq!(status, 400);
    let (status, run) = post(&server, "/api/retention/run", &json!({})).await;
    assert_eq!((status, &run["outcome"]), (200, &json!("")));
    let (_, told) = send(&server, reqwest::Method::DELETE, "/api/retention", &json!({})).await;
    assert_eq!(told["policy"], expected);

    let (status, pin) =
        post(&server, "/api/pins", &json!({"trace_id": "1-58406520-a006649127e371903a2de979", "reason": "report"})).await;
    assert_eq!((status, &pin["value"]), (200, &json!("58406520a006649127e371903a2de979")));
    assert_eq!(server.get("/api/pins").await["pins"].as_array().unwrap().len(), 1);
    let path = format!("/api/pins/{}", pin["id"]);
    assert_eq!(send(&server, reqwest::Method::DELETE, &path, &json!({})).await.0, 204);
    assert_eq!(send(&server, reqwest::Method::DELETE, &path, &json!({})).await.0, 404);
}
