//! The vendors' own formats: X-Ray documents, CloudWatch events, Rollbar items with Python traces.

use fastrand::Rng;
use model::json_string;
use serde_json::{Value, json};

use crate::lines;
use crate::world::{World, hex, skewed};

/// Spans that one X-Ray document becomes: the segment and its subsegments.
pub const SPANS_PER_DOCUMENT: usize = 4;

/// Documents of one `PutTraceSegments`: AWS takes no more.
pub const DOCUMENTS_PER_CALL: usize = 50;

pub const LOG_GROUP: &str = "/shop/web";
pub const LOG_STREAM: &str = "web/1";

/// One segment document with three subsegments, as the SDK for Python writes it.
pub fn xray_document(world: &World, start_unix_nano: i64, rng: &mut Rng) -> String {
    let service = &world.services[world.any_service(rng)];
    let operation = &service.operations[skewed(service.operations.len() as u64, rng) as usize];
    let start = start_unix_nano as f64 / 1e9;
    let segment = hex(&rng.u64(..).to_be_bytes());
    let trace_id = format!("1-{:08x}-{}", start_unix_nano / 1_000_000_000, &hex(&rng.u128(..).to_be_bytes())[..24]);
    let took = operation.typical_ns / 1e9;
    let mut subsegments = Vec::new();
    for (number, name) in ["orders-db", "pricing", "render"].iter().enumerate() {
        let mut subsegment = json!({
            "id": hex(&rng.u64(..).to_be_bytes()),
            "name": name,
            "start_time": start + took * 0.2 * number as f64,
            "parent_id": segment,
            "in_progress": false,
            "trace_id": trace_id,
            "type": "subsegment",
            "end_time": start + took * 0.2 * (number + 1) as f64,
        });
        match number {
            0 => {
                subsegment["namespace"] = json!("remote");
                subsegment["sql"] = json!({
                    "sanitized_query": operation.query, "url": "postgresql://orders-db.shop.internal:5432/shop",
                    "database_type": "PostgreSQL", "database_version": "15", "user": "shop", "driver_version": "psycopg-3",
                });
            }
            1 => {
                subsegment["namespace"] = json!("remote");
                subsegment["http"] = json!({
                    "request": {"url": "https://pricing.shop.internal/quote", "method": "POST"}, "response": {"status": 200},
                });
            }
            _ => subsegment["namespace"] = json!("local"),
        }
        subsegments.push(subsegment);
    }
    let document = json!({
        "id": segment,
        "name": service.name,
        "start_time": start,
        "in_progress": false,
        "http": {
            "request": {
                "url": format!("https://shop.example{}", operation.route.replace("{id}", &rng.u32(1_000..100_000).to_string())),
                "method": operation.method, "user_agent": "Mozilla/5.0 (X11; Linux x86_64)", "client_ip": "203.0.113.9",
            },
            "response": {"status": 200, "content_length": rng.u32(100..9_000)},
        },
        "annotations": {"tenant": format!("tenant-{:03}", rng.u32(0..200)), "items": skewed(40, rng), "mobile": rng.bool()},
        "metadata": {"shop": {"cart": {"id": rng.u32(..), "positions": [1, 2.5, null]}}},
        "aws": {"xray": {"sdk": "X-Ray for Python", "sdk_version": "2.15.0", "sampling_rule_name": "Default"}},
        "subsegments": subsegments,
        "trace_id": trace_id,
        "user": format!("user-{:06}", rng.u32(0..1_000_000)),
        "service": {"runtime": "CPython", "runtime_version": "3.11.7"},
        "end_time": start + took,
    });
    document.to_string()
}

/// A datagram of the X-Ray daemon's protocol.
pub fn xray_datagram(document: &str) -> Vec<u8> {
    format!("{{\"format\":\"json\",\"version\":1}}\n{document}").into_bytes()
}

/// The body of one `PutTraceSegments`.
pub fn put_trace_segments(world: &World, documents: usize, start_unix_nano: i64, rng: &mut Rng) -> Vec<u8> {
    let mut body = String::from("{\"TraceSegmentDocuments\": [");
    for number in 0..documents {
        if number > 0 {
            body.push_str(", ");
        }
        json_string(&xray_document(world, start_unix_nano + number as i64 * 1_000_000, rng), &mut body);
    }
    body.push_str("]}");
    body.into_bytes()
}

/// The body of one `PutLogEvents`, events in order of time as AWS wants them.
pub fn put_log_events(events: usize, time_unix_milli: i64, rng: &mut Rng) -> Vec<u8> {
    let mut body = format!("{{\"logGroupName\": \"{LOG_GROUP}\", \"logStreamName\": \"{LOG_STREAM}\", \"logEvents\": [");
    for number in 0..events as i64 {
        if number > 0 {
            body.push_str(", ");
        }
        body.push_str(&format!("{{\"timestamp\": {}, \"message\": ", time_unix_milli + number / 50));
        json_string(&lines::text(rng), &mut body);
        body.push('}');
    }
    body.push_str("]}");
    body.into_bytes()
}

/// The kinds of errors Rollbar is told of: class, message with a `{}` for what differs, file and method where it is raised.
const RAISED: [(&str, &str, &str, &str); 12] = [
    ("ValueError", "card declined: {}", "payments/charge.py", "charge"),
    ("KeyError", "'sku-{}'", "catalog/prices.py", "price_of"),
    ("TimeoutError", "no answer from shipping within {} ms", "shipping/client.py", "request_label"),
    ("psycopg.errors.UniqueViolation", "duplicate key value: (order_id)=({})", "orders/store.py", "insert_order"),
    ("redis.exceptions.ConnectionError", "Error 111 connecting to redis-{}:6379", "cache/pool.py", "checkout"),
    ("PermissionError", "user-{} may not read this report", "reports/views.py", "show"),
    ("AttributeError", "'NoneType' object has no attribute 'currency' (order {})", "checkout/totals.py", "total"),
    ("IndexError", "list index out of range", "search/ranking.py", "best"),
    ("json.decoder.JSONDecodeError", "Expecting value: line 1 column {} (char 0)", "events/consumer.py", "decode"),
    ("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xff in position {}", "exports/writer.py", "write_row"),
    ("ZeroDivisionError", "division by zero", "loyalty/points.py", "rate"),
    ("requests.exceptions.HTTPError", "502 Server Error for url: https://bank.example/{}", "ledger/bank.py", "post"),
];

/// What stands above in every trace: the framework, from the outside in.
const FRAMEWORK: [(&str, u32, &str, &str); 8] = [
    ("/usr/lib/python3.11/site-packages/flask/app.py", 2213, "__call__", "return self.wsgi_app(environ, start_response)"),
    ("/usr/lib/python3.11/site-packages/flask/app.py", 2190, "wsgi_app", "response = self.full_dispatch_request()"),
    ("/usr/lib/python3.11/site-packages/flask/app.py", 1484, "full_dispatch_request", "rv = self.dispatch_request()"),
    (
        "/usr/lib/python3.11/site-packages/flask/app.py",
        1469,
        "dispatch_request",
        "return self.ensure_sync(self.view_functions[rule.endpoint])(**view_args)",
    ),
    (
        "/usr/lib/python3.11/site-packages/flask_cors/decorator.py",
        127,
        "wrapped_function",
        "resp = make_response(f(*args, **kwargs))",
    ),
    ("/srv/shop/web/auth.py", 61, "guarded", "return view(*args, user=user, **kwargs)"),
    ("/srv/shop/web/views.py", 212, "dispatch", "return handler(request.get_json())"),
    ("/srv/shop/web/transactions.py", 38, "inside", "result = work(connection)"),
];

/// One item with an uncaught Python exception, as pyrollbar sends it.
pub fn rollbar_item(number: u64, time_unix_seconds: i64, rng: &mut Rng) -> Vec<u8> {
    let (class, message, file, method) = RAISED[skewed(RAISED.len() as u64, rng) as usize];
    let user = rng.u32(0..1_000_000);
    let differs = rng.u32(100..1_000_000);
    let mut frames: Vec<Value> = FRAMEWORK
        .iter()
        .map(|(file, line, method, code)| {
            json!({"filename": file, "lineno": line, "method": method, "code": code, "locals": {"self": "<class 'shop.App'>"}})
        })
        .collect();
    for depth in 0..4_u32 {
        frames.push(json!({
            "filename": format!("/srv/shop/{file}"),
            "lineno": 30 + depth * 21 + method.len() as u32,
            "method": if depth == 3 { method } else { "step" },
            "code": format!("    return {method}(order, amount=amount)"),
            "argspec": ["order", "amount"],
            "locals": {"order": {"id": differs, "currency": "EUR", "password": "*******"}, "amount": differs % 9_000, "attempt": depth},
        }));
    }
    let uuid = hex(&rng.u128(..).to_be_bytes());
    let uuid = format!("{}-{}-{}-{}-{}", &uuid[..8], &uuid[8..12], &uuid[12..16], &uuid[16..20], &uuid[20..]);
    let item = json!({
        "access_token": "00000000000000000000000000000000",
        "data": {
            "timestamp": time_unix_seconds, "environment": "production", "level": "error", "language": "python 3.11.7",
            "framework": "flask", "notifier": {"name": "pyrollbar", "version": "1.5.0"}, "uuid": uuid,
            "code_version": "5.3.1",
            "body": {"trace": {"frames": frames, "exception": {"class": class, "message": message.replace("{}", &differs.to_string())}}},
            "request": {
                "url": format!("https://shop.example/{method}/{differs}"), "method": "POST", "user_ip": "203.0.113.9",
                "headers": {"Host": "shop.example", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Content-Type": "application/json"},
                "params": {"page": "1"},
            },
            "custom": {"order": differs, "number": number},
            "server": {"host": format!("web-{}", user % 9), "pid": 6211, "argv": ["gunicorn"], "branch": "main"},
            "person": {"id": user.to_string(), "username": format!("user-{user:06}"), "email": format!("user-{user:06}@shop.example")},
        },
    });
    item.to_string().into_bytes()
}
