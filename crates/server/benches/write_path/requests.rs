//! Requests as clients send them, made up: 500 spans of some 540 bytes, log records, data points, documents, events, items.

use std::fmt::Write;

pub const PER_REQUEST: usize = 500;
pub const DOCUMENTS_PER_REQUEST: usize = 50;

/// When everything arrives; the made-up times lie just before.
pub const NOW: i64 = 1_795_228_326_000_000_000;

/// Numbers that look random and are the same each time.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }
}

/// Protobuf, written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn fixed64(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn fixed32(mut self, field: u64, value: u32) -> Message {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn message(self, field: u64, value: Message) -> Message {
        self.bytes(field, &value.0)
    }

    fn text(self, field: u64, key: &str, value: &str) -> Message {
        self.message(field, Message::default().bytes(1, key.as_bytes()).message(2, Message::default().bytes(1, value.as_bytes())))
    }

    fn int(self, field: u64, key: &str, value: u64) -> Message {
        self.message(field, Message::default().bytes(1, key.as_bytes()).message(2, Message::default().number(3, value)))
    }

    fn flag(self, field: u64, key: &str, value: bool) -> Message {
        self.message(field, Message::default().bytes(1, key.as_bytes()).message(2, Message::default().number(2, value.into())))
    }

    fn float(self, field: u64, key: &str, value: f64) -> Message {
        let any = Message::default().fixed64(4, value.to_bits());
        self.message(field, Message::default().bytes(1, key.as_bytes()).message(2, any))
    }
}

fn resource(service: u64) -> Message {
    Message::default()
        .text(1, "service.name", &format!("service-{service}"))
        .text(1, "service.version", "2.14.3")
        .text(1, "deployment.environment.name", "production")
        .text(1, "k8s.namespace.name", "shop")
        .text(1, "k8s.pod.name", &format!("service-{service}-6d4cf56db6-x{service}k2p"))
        .text(1, "k8s.node.name", "ip-10-0-17-204.eu-west-1.compute.internal")
        .text(1, "cloud.region", "eu-west-1")
        .text(1, "telemetry.sdk.language", "go")
}

fn group(service: u64, records: Vec<Message>) -> Message {
    let scope = Message::default().bytes(1, b"go.opentelemetry.io/contrib/instrumentation/net/http").bytes(2, b"0.61.0");
    let records = records.into_iter().fold(Message::default().message(1, scope), |group, record| group.message(2, record));
    Message::default().message(1, resource(service)).message(2, records)
}

/// `ExportTraceServiceRequest`; one span in a hundred carries an exception.
pub fn traces(seed: u64, services: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut request = Message::default();
    let per_service = PER_REQUEST as u64 / services;
    for service in 0..services {
        let spans = (0..per_service).map(|_| span(&mut random)).collect();
        request = request.message(1, group(service, spans));
    }
    request.0
}

fn span(random: &mut Random) -> Message {
    let start = NOW as u64 - random.below(1_000_000_000);
    let route = random.below(300);
    let mut trace_id = [7; 16];
    trace_id[..8].copy_from_slice(&random.next().to_le_bytes());
    let mut span = Message::default()
        .bytes(1, &trace_id)
        .bytes(2, &random.next().to_le_bytes())
        .bytes(4, &random.next().to_le_bytes())
        .bytes(5, format!("GET /api/v1/resource{route}/{{id}}").as_bytes())
        .number(6, 2)
        .fixed64(7, start)
        .fixed64(8, start + random.below(100_000_000))
        .text(9, "http.request.method", "GET")
        .text(9, "http.route", &format!("/api/v1/resource{route}/{{id}}"))
        .int(9, "http.response.status_code", 200)
        .text(9, "url.path", &format!("/api/v1/resource{route}/{}", random.below(100_000)))
        .text(9, "url.scheme", "https")
        .text(9, "server.address", "shop.example.org")
        .int(9, "server.port", 443)
        .text(9, "user.id", &format!("user-{}", random.below(1_000_000)))
        .text(9, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)")
        .text(9, "network.protocol.version", "1.1")
        .text(9, "client.address", &format!("192.0.2.{}", random.below(256)))
        .flag(9, "cache.hit", random.below(3) == 0)
        .int(9, "db.rows", random.below(50))
        .float(9, "queue.seconds", random.below(1_000_000) as f64 / 7e5)
        .text(9, "tenant", &format!("tenant-{}", random.below(200)))
        .message(15, Message::default());
    if random.below(2) == 0 {
        span = span.text(9, "feature.flag", "checkout-v2");
    }
    if random.below(100) == 0 {
        let stack = "Traceback (most recent call last):\n  File \"/app/shop/views.py\", line 71, in checkout\n    charge(cart)\n  \
                     File \"/app/shop/payments.py\", line 18, in charge\n    raise CardDeclined(order)\nCardDeclined: order 4711";
        let event = Message::default()
            .fixed64(1, start + 5)
            .bytes(2, b"exception")
            .text(3, "exception.type", "CardDeclined")
            .text(3, "exception.message", "order 4711")
            .text(3, "exception.stacktrace", stack);
        span = span.message(11, event);
    }
    span.fixed32(16, 1)
}

/// `ExportLogsServiceRequest`.
pub fn logs(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut request = Message::default();
    for service in 0..4 {
        let records = (0..PER_REQUEST / 4).map(|_| {
            let time = NOW as u64 - random.below(1_000_000_000);
            let body = format!(
                "order {} of customer {} shipped from warehouse {} in {} ms",
                random.below(1_000_000),
                random.below(1_000_000),
                random.below(40),
                random.below(900)
            );
            let mut trace_id = [7; 16];
            trace_id[..8].copy_from_slice(&random.next().to_le_bytes());
            Message::default()
                .fixed64(1, time)
                .fixed64(11, time + 1_000)
                .number(2, 9)
                .bytes(3, b"INFO")
                .message(5, Message::default().bytes(1, body.as_bytes()))
                .text(6, "code.function.name", "ship_order")
                .text(6, "code.file.path", "/app/shop/shipping.py")
                .int(6, "code.line.number", 112)
                .text(6, "thread.name", &format!("worker-{}", random.below(8)))
                .text(6, "tenant", &format!("tenant-{}", random.below(200)))
                .fixed32(8, 1)
                .bytes(9, &trace_id)
                .bytes(10, &random.next().to_le_bytes())
        });
        request = request.message(1, group(service, records.collect()));
    }
    request.0
}

/// `ExportMetricsServiceRequest`: two gauges and two sums to one histogram.
pub fn metrics(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let metrics = (0..50).map(|number| {
        let points = (0..PER_REQUEST / 50).map(|point| {
            let attributes = |message: Message, field: u64| {
                message
                    .text(field, "http.request.method", "GET")
                    .text(field, "http.route", &format!("/api/v1/resource{point}/{{id}}"))
                    .int(field, "http.response.status_code", 200)
                    .text(field, "host.name", &format!("ip-10-0-17-{point}"))
            };
            let times = |message: Message| message.fixed64(2, NOW as u64 - 60_000_000_000).fixed64(3, NOW as u64);
            if number % 5 == 4 {
                let counts: Vec<u8> = (0..15).flat_map(|_| random.below(100).to_le_bytes()).collect();
                let bounds: Vec<u8> = (0..14).flat_map(|at| (f64::from(at) * 2.5).to_bits().to_le_bytes()).collect();
                let point = times(Message::default()).fixed64(4, 700).fixed64(5, 12.5f64.to_bits());
                attributes(point.bytes(6, &counts).bytes(7, &bounds), 9)
            } else {
                attributes(times(Message::default()).fixed64(4, (random.below(1_000_000) as f64 / 3.0).to_bits()), 7)
            }
        });
        let data = points.fold(Message::default(), |data, point| data.message(1, point));
        let data = if number % 5 >= 2 { data.number(2, 2) } else { data };
        let kind = [5, 5, 7, 7, 9][number % 5];
        let name = format!("http.server.request.measure{number}");
        Message::default().bytes(1, name.as_bytes()).bytes(2, b"What it measures.").bytes(3, b"ms").message(kind, data)
    });
    let metrics: Vec<Message> = metrics.collect();
    Message::default().message(1, group(0, metrics)).0
}

/// One segment with one subsegment that calls a database, as Python's SDK writes it.
pub fn document(random: &mut Random) -> String {
    let start = 1_795_228_325.0 + random.below(1_000_000) as f64 / 1e6;
    let trace = format!("1-6b0103d2-{:08x}{:016x}", random.below(1 << 32), random.next());
    let (id, child) = (random.next(), random.next());
    let status = if random.below(50) == 0 { 500 } else { 200 };
    let user = random.below(1_000_000);
    format!(
        "{{\"id\": \"{id:016x}\", \"name\": \"shop\", \"start_time\": {start}, \"in_progress\": false, \"http\": {{\"request\": \
         {{\"url\": \"http://shop.example/api/activities/{user}\", \"method\": \"GET\", \"user_agent\": \"Mozilla/5.0 (X11; Linux \
         x86_64)\", \"client_ip\": \"203.0.113.9\"}}, \"response\": {{\"status\": {status}, \"content_length\": 265}}}}, \
         \"annotations\": {{\"tier\": \"gold\", \"user\": \"user-{user}\"}}, \"aws\": {{\"xray\": {{\"sdk\": \"X-Ray for Python\", \
         \"sdk_version\": \"2.15.0\", \"sampling_rule_name\": \"Default\"}}}}, \"subsegments\": [{{\"id\": \"{child:016x}\", \
         \"name\": \"db\", \"start_time\": {start}, \"parent_id\": \"{id:016x}\", \"in_progress\": false, \"trace_id\": \
         \"{trace}\", \"type\": \"subsegment\", \"namespace\": \"remote\", \"sql\": {{\"sanitized_query\": \"SELECT * FROM items \
         WHERE id = ?\", \"url\": \"postgresql://db.example:5432/shop\", \"database_type\": \"PostgreSQL\"}}, \"end_time\": {}}}], \
         \"trace_id\": \"{trace}\", \"service\": {{\"runtime\": \"CPython\", \"runtime_version\": \"3.11.7\"}}, \"end_time\": {}}}",
        start + 0.01,
        start + 0.05
    )
}

/// PutTraceSegments.
pub fn documents(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let documents: Vec<String> = (0..DOCUMENTS_PER_REQUEST).map(|_| json_text(&document(&mut random))).collect();
    format!("{{\"TraceSegmentDocuments\": [{}]}}", documents.join(", ")).into_bytes()
}

/// What the SDK sends to the daemon's port.
pub fn datagram(seed: u64) -> Vec<u8> {
    format!("{{\"format\":\"json\",\"version\":1}}\n{}", document(&mut Random::new(seed))).into_bytes()
}

/// PutLogEvents: `json` says whether messages are objects, as structured loggers write them, or lines.
pub fn events(seed: u64, json: bool) -> Vec<u8> {
    let mut random = Random::new(seed);
    let events: Vec<String> = (0..PER_REQUEST)
        .map(|_| {
            let (order, millis) = (random.below(1_000_000), random.below(900));
            let message = if json {
                format!(
                    "{{\"level\": \"INFO\", \"message\": \"order {order} shipped in {millis} ms\", \"order\": {order}, \"duration_ms\": \
                     {millis}, \"logger\": \"shop.shipping\", \"trace_id\": \"{:016x}{:016x}\"}}",
                    random.next(),
                    random.next()
                )
            } else {
                format!("2026-11-21T02:12:0{}Z INFO shop.shipping order {order} shipped in {millis} ms to customer", order % 10)
            };
            format!("{{\"timestamp\": 1795228325959, \"message\": {}}}", json_text(&message))
        })
        .collect();
    let events = events.join(", ");
    format!("{{\"logGroupName\": \"/ecs/shop\", \"logStreamName\": \"web/1\", \"logEvents\": [{events}]}}").into_bytes()
}

/// One item with a trace of twelve frames, as Python's notifier writes it.
pub fn item(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut frames = String::new();
    for frame in 0..12 {
        let folder = if frame < 9 { "/venv/lib/python3.11/site-packages/flask" } else { "/app/shop" };
        let _ = write!(
            frames,
            "{{\"filename\": \"{folder}/app{frame}.py\", \"lineno\": {}, \"method\": \"call_{frame}\", \"code\": \"response = \
             self.full_dispatch_request()\", \"locals\": {{\"user_handle\": \"andrewbrown\", \"n\": \"{}\"}}}}, ",
            random.below(900),
            random.below(1_000)
        );
    }
    let frames = frames.trim_end_matches([',', ' ']);
    let error = random.below(40);
    format!(
        "{{\"access_token\": \"0123456789abcdef0123456789abcdef\", \"data\": {{\"timestamp\": 1795227306, \"environment\": \
         \"production\", \"level\": \"error\", \"language\": \"python 3.11.7\", \"notifier\": {{\"name\": \"pyrollbar\", \"version\": \
         \"1.5.0\"}}, \"uuid\": \"{:016x}{:016x}\", \"framework\": \"flask\", \"context\": \"/api/activities\", \"body\": \
         {{\"trace\": {{\"frames\": [{frames}], \"exception\": {{\"class\": \"KeyError{error}\", \"message\": \"'message'\"}}}}}}, \
         \"request\": {{\"url\": \"http://127.0.0.1:4567/api/activities\", \"GET\": {{}}, \"POST\": {{}}, \"user_ip\": \
         \"127.0.0.1\", \"headers\": {{\"Host\": \"127.0.0.1:4567\", \"User-Agent\": \"Mozilla/5.0 (X11; Linux x86_64)\", \
         \"Accept\": \"*/*\", \"Content-Type\": \"application/json\", \"Content-Length\": \"16\"}}, \"method\": \"POST\"}}, \
         \"person\": {{\"id\": \"{}\", \"username\": \"ann\"}}, \"server\": {{\"host\": \"backend-flask\", \"pid\": 8808, \"argv\": \
         [\"flask\", \"run\"], \"root\": \"/backend-flask\"}}}}}}",
        random.next(),
        random.next(),
        random.below(1_000_000)
    )
    .into_bytes()
}

fn json_text(text: &str) -> String {
    let mut json = String::new();
    model::json_string(text, &mut json);
    json
}
