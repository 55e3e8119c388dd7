//! Spans in, segment documents out.

use engine::ask::UnixNano;
use engine::ask::logs::ExceptionTold;
use expect_test::{Expect, expect};

use super::*;

fn span(kind: &str, parent: Option<&str>, attributes: Value, resource: Value) -> StoredSpan {
    StoredSpan {
        told: SpanTold {
            trace_id: "581cf771a006649127e371903a2de979".into(),
            span_id: "00000000000000aa".into(),
            parent_span_id: parent.map(str::to_owned),
            kind: kind.into(),
            receiver: "otlp".into(),
            service: resource["service.name"].as_str().unwrap_or(model::UNKNOWN_SERVICE).to_owned(),
            name: "GET /cart".into(),
            status_code: "unset".into(),
            start_time_unix_nano: UnixNano(1_478_293_361_271_000_000),
            duration_ns: 178_000_000,
            attributes: attributes.as_object().cloned().unwrap_or_default(),
            resource,
            links: json!([]),
            ..SpanTold::default()
        },
        source: None,
    }
}

fn check(span: &StoredSpan, expected: Expect) {
    let written: Vec<Value> = documents(span).into_iter().map(|document| document.json).collect();
    expected.assert_eq(&format!("{}\n", serde_json::to_string_pretty(&written).unwrap()));
}

#[test]
fn a_server_is_a_segment() {
    let attributes = json!({"http.request.method": "GET", "url.scheme": "https", "server.address": "shop.example", "server.port": 443,
        "url.path": "/cart", "url.query": "id=1", "http.response.status_code": 503, "client.address": "10.0.0.1",
        "user_agent.original": "curl", "enduser.id": "u1", "tenant": "t1", "aws.xray.annotations": "[\"tenant\"]", "http.route": "/cart"});
    let resource = json!({"service.name": "shop", "service.version": "1.2", "cloud.platform": "aws_ecs", "container.id": "c1",
        "cloud.account.id": "123456789012", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.4"});
    check(&span("server", Some("00000000000000bb"), attributes, resource), expect![[r#"
        [
          {
            "name": "shop",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "parent_id": "00000000000000bb",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "origin": "AWS::ECS::Container",
            "user": "u1",
            "service": {
              "version": "1.2"
            },
            "http": {
              "request": {
                "method": "GET",
                "url": "https://shop.example/cart?id=1",
                "user_agent": "curl",
                "x_forwarded_for": true,
                "client_ip": "10.0.0.1"
              },
              "response": {
                "status": 503
              }
            },
            "fault": true,
            "aws": {
              "account_id": "123456789012",
              "ecs": {
                "container_id": "c1"
              },
              "xray": {
                "sdk": "opentelemetry",
                "sdk_version": "1.4"
              }
            },
            "annotations": {
              "tenant": "t1"
            },
            "metadata": {
              "default": {
                "http.route": "/cart",
                "otel.resource.service.name": "shop",
                "otel.resource.service.version": "1.2",
                "otel.resource.cloud.platform": "aws_ecs",
                "otel.resource.container.id": "c1",
                "otel.resource.cloud.account.id": "123456789012",
                "otel.resource.telemetry.sdk.name": "opentelemetry",
                "otel.resource.telemetry.sdk.version": "1.4"
              }
            }
          }
        ]
    "#]]);
}

#[test]
fn a_call_is_a_subsegment() {
    let attributes = json!({"rpc.system": "aws-api", "rpc.service": "DynamoDB", "rpc.method": "GetItem", "aws.region": "eu-west-1",
        "aws.request_id": "r1", "aws.dynamodb.table_names": "[\"carts\"]", "http.status_code": 400});
    check(&span("client", Some("00000000000000bb"), attributes, json!({"service.name": "shop"})), expect![[r#"
        [
          {
            "name": "DynamoDB",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "parent_id": "00000000000000bb",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "type": "subsegment",
            "namespace": "aws",
            "http": {
              "response": {
                "status": 400
              }
            },
            "error": true,
            "aws": {
              "operation": "GetItem",
              "region": "eu-west-1",
              "request_id": "r1",
              "table_name": "carts"
            },
            "metadata": {
              "default": {
                "rpc.system": "aws-api"
              }
            }
          }
        ]
    "#]]);
    let attributes = json!({"db.system": "postgresql", "db.name": "shop", "net.peer.name": "db1", "db.user": "app",
        "db.statement": "select ?"});
    check(&span("client", Some("00000000000000bb"), attributes, json!({"service.name": "shop"})), expect![[r#"
        [
          {
            "name": "shop@db1",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "parent_id": "00000000000000bb",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "type": "subsegment",
            "namespace": "remote",
            "sql": {
              "url": "db1/shop",
              "database_type": "postgresql",
              "user": "app",
              "sanitized_query": "select ?"
            },
            "metadata": {
              "default": {
                "net.peer.name": "db1"
              }
            }
          }
        ]
    "#]]);
}

#[test]
fn inner_work_has_no_namespace() {
    let mut inner = span("internal", Some("00000000000000bb"), json!({"items": 3}), json!({"service.name": "shop"}));
    inner.told.in_progress = true;
    inner.told.name = "price<items>!".into();
    check(&inner, expect![[r#"
        [
          {
            "name": "priceitems",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "parent_id": "00000000000000bb",
            "start_time": 1478293361.271,
            "in_progress": true,
            "type": "subsegment",
            "metadata": {
              "default": {
                "items": 3
              }
            }
          }
        ]
    "#]]);
}

#[test]
fn a_local_root_that_calls_is_two() {
    let attributes = json!({"aws.span.kind": "LOCAL_ROOT", "aws.local.service": "worker", "aws.remote.service": "jobs"});
    check(&span("producer", None, attributes, json!({"service.name": "worker"})), expect![[r#"
        [
          {
            "name": "worker",
            "id": "e9d2efbfe29f77cb",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "metadata": {
              "default": {
                "aws.span.kind": "LOCAL_ROOT",
                "aws.remote.service": "jobs",
                "otel.resource.service.name": "worker"
              }
            }
          },
          {
            "name": "jobs",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "parent_id": "e9d2efbfe29f77cb",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "type": "subsegment",
            "namespace": "remote",
            "metadata": {
              "default": {
                "aws.span.kind": "LOCAL_ROOT",
                "aws.local.service": "worker",
                "aws.remote.service": "jobs"
              }
            }
          }
        ]
    "#]]);
}

#[test]
fn exceptions_name_their_causes() {
    let mut failed = span("server", None, json!({}), json!({"service.name": "shop", "telemetry.sdk.language": "python"}));
    failed.told.status_code = "error".into();
    failed.told.events = vec![SpanEvent {
        time_unix_nano: UnixNano(1),
        name: "exception".into(),
        attributes: Map::new(),
        exception: Some(ExceptionTold {
            r#type: "ValueError".into(),
            message: "no such cart".into(),
            stacktrace: "Traceback (most recent call last):\n  File \"shop.py\", line 7, in cart\n    find()\n\
                         ValueError: no such cart\n"
                .into(),
        }),
        error_group: None,
    }];
    check(&failed, expect![[r#"
        [
          {
            "name": "shop",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "fault": true,
            "cause": {
              "working_directory": "",
              "exceptions": [
                {
                  "id": "596b79f589a18c30",
                  "type": "ValueError",
                  "message": "no such cart",
                  "stack": [
                    {
                      "path": "shop.py",
                      "line": 7,
                      "label": "cart"
                    }
                  ]
                }
              ]
            },
            "metadata": {
              "default": {
                "otel.resource.service.name": "shop",
                "otel.resource.telemetry.sdk.language": "python"
              }
            }
          }
        ]
    "#]]);
    let mut refused = span("client", Some("00000000000000bb"), json!({"peer.service": "bank"}), json!({"service.name": "shop"}));
    refused.told.status_code = "error".into();
    refused.told.status_message = "card refused".into();
    refused.told.links = json!([{"trace_id": "581cf771a006649127e371903a2de979", "span_id": "00000000000000cc"}]);
    check(&refused, expect![[r#"
        [
          {
            "name": "bank",
            "id": "00000000000000aa",
            "trace_id": "1-581cf771-a006649127e371903a2de979",
            "parent_id": "00000000000000bb",
            "start_time": 1478293361.271,
            "end_time": 1478293361.449,
            "type": "subsegment",
            "namespace": "remote",
            "fault": true,
            "cause": {
              "working_directory": "",
              "exceptions": [
                {
                  "id": "59daf9ca14c454a6",
                  "message": "card refused"
                }
              ]
            },
            "links": [
              {
                "trace_id": "1-581cf771-a006649127e371903a2de979",
                "id": "00000000000000cc"
              }
            ],
            "metadata": {
              "default": {
                "peer.service": "bank"
              }
            }
          }
        ]
    "#]]);
}
