//! OTLP requests in protobuf, written by hand: drafts of spans and lines grouped by resource, and metric points.

use fastrand::Rng;
use model::{Attribute, Value};

use crate::lines::{LineDraft, line};
use crate::world::{PODS, SpanDraft, World, skewed};

/// Protobuf, as far as OTLP needs it.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.raw_varint(u64::from(field << 3 | wire_type));
    }

    fn varint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.raw_varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn attributes(&mut self, field: u32, attributes: &[Attribute<'_>]) {
        for attribute in attributes {
            self.message(field, |pair| {
                pair.text(1, &attribute.key);
                pair.message(2, |value| match &attribute.value {
                    Value::Str(text) | Value::Json(text) => value.text(1, text),
                    Value::Bool(it) => value.varint(2, u64::from(*it)),
                    Value::Int(it) => value.varint(3, *it as u64),
                    Value::Float(it) => value.fixed64(4, it.to_bits()),
                });
            });
        }
    }
}

/// The same order everywhere: one `Resource…` per service and pod, as a collector's batches have it.
fn grouped<T>(items: &[T], of: impl Fn(&T) -> (usize, usize)) -> Vec<((usize, usize), Vec<&T>)> {
    let mut groups: Vec<((usize, usize), Vec<&T>)> = Vec::new();
    for item in items {
        let key = of(item);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, group)) => group.push(item),
            None => groups.push((key, vec![item])),
        }
    }
    groups
}

/// One `ResourceSpans`, `ResourceLogs` or `ResourceMetrics`: they are alike but for what is in the scope.
fn resource(request: &mut Message, world: &World, (service, pod): (usize, usize), records: impl FnOnce(&mut Message)) {
    request.message(1, |group| {
        group.message(1, |resource| resource.attributes(1, &world.services[service].pods[pod]));
        group.message(2, |scoped| {
            scoped.message(1, |scope| {
                scope.text(1, "shop.telemetry");
                scope.text(2, "1.4.0");
            });
            records(scoped);
        });
    });
}

/// `ExportTraceServiceRequest` with so many spans, as a node's collector sends them: whole traces but for the last, one every
/// 20 µs for each span from `start_unix_nano` on.
pub fn traces(world: &World, spans: usize, start_unix_nano: i64, rng: &mut Rng) -> Vec<u8> {
    let mut drafts = Vec::with_capacity(spans + 12);
    let pod = rng.usize(0..PODS);
    while drafts.len() < spans {
        world.trace(pod, start_unix_nano + drafts.len() as i64 * 20_000, rng, &mut drafts);
    }
    drafts.truncate(spans);
    export_traces(world, &drafts)
}

pub fn export_traces(world: &World, drafts: &[SpanDraft<'_>]) -> Vec<u8> {
    let mut request = Message::default();
    for (key, spans) in grouped(drafts, |draft| (draft.service, draft.pod)) {
        resource(&mut request, world, key, |scoped| {
            for draft in spans {
                scoped.message(2, |out| span(out, draft));
            }
        });
    }
    request.0
}

fn span(out: &mut Message, draft: &SpanDraft<'_>) {
    out.bytes(1, &draft.trace_id.0);
    out.bytes(2, &draft.span_id.0);
    if let Some(parent) = draft.parent_span_id {
        out.bytes(4, &parent.0);
    }
    out.text(5, draft.name);
    out.varint(6, draft.kind as u64);
    out.fixed64(7, draft.start_time_unix_nano as u64);
    out.fixed64(8, (draft.start_time_unix_nano + draft.duration_ns) as u64);
    out.attributes(9, &draft.attributes);
    if let Some(raised) = &draft.raised {
        out.message(11, |event| {
            event.fixed64(1, (draft.start_time_unix_nano + draft.duration_ns) as u64);
            event.text(2, "exception");
            let told = [
                Attribute::str("exception.type", raised.r#type),
                Attribute::str("exception.message", raised.message),
                Attribute::str("exception.stacktrace", raised.stacktrace.as_str()),
            ];
            event.attributes(3, &told);
        });
        out.message(15, |status| {
            status.text(2, draft.status_message);
            status.varint(3, draft.status_code as u64);
        });
    }
}

/// `ExportLogsServiceRequest` with so many lines, one every 20 µs from `start_unix_nano` on.
pub fn logs(world: &World, lines: usize, start_unix_nano: i64, rng: &mut Rng) -> Vec<u8> {
    let drafts: Vec<LineDraft> = (0..lines as i64).map(|at| line(world, start_unix_nano + at * 20_000, rng)).collect();
    export_logs(world, &drafts)
}

pub fn export_logs(world: &World, drafts: &[LineDraft]) -> Vec<u8> {
    let mut request = Message::default();
    for (key, lines) in grouped(drafts, |draft| (draft.service, draft.pod)) {
        resource(&mut request, world, key, |scoped| {
            for draft in lines {
                scoped.message(2, |out| {
                    out.fixed64(1, draft.time_unix_nano as u64);
                    out.varint(2, draft.severity_number as u64);
                    out.text(3, draft.severity_text);
                    out.message(5, |body| body.text(1, &draft.body));
                    out.attributes(6, &draft.attributes);
                    if let Some((trace_id, span_id)) = draft.trace {
                        out.bytes(9, &trace_id.0);
                        out.bytes(10, &span_id.0);
                    }
                    out.fixed64(11, draft.time_unix_nano as u64);
                });
            }
        });
    }
    request.0
}

/// Metrics of one service: five counters, four gauges and a histogram, so one point in ten has buckets.
const METRICS: [(&str, &str, &str); 10] = [
    ("http.server.request.count", "{request}", "requests answered"),
    ("http.server.response.bytes", "By", "bytes of answers"),
    ("db.client.operation.count", "{operation}", "queries made"),
    ("messaging.consumer.messages", "{message}", "messages handled"),
    ("process.cpu.time", "s", "CPU time used"),
    ("http.server.active_requests", "{request}", "requests on their way"),
    ("db.client.connections.usage", "{connection}", "connections in use"),
    ("process.memory.usage", "By", "resident memory"),
    ("queue.depth", "{message}", "messages waiting"),
    ("http.server.request.duration", "s", "time to the answer"),
];
const COUNTERS: usize = 5;
const HISTOGRAM: usize = 9;
const BOUNDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// `ExportMetricsServiceRequest` with so many points, all of one moment, as exporters send them.
pub fn metrics(world: &World, points: usize, time_unix_nano: i64, rng: &mut Rng) -> Vec<u8> {
    let mut request = Message::default();
    let mut left = points;
    while left > 0 {
        let service = world.any_service(rng);
        let pod = rng.usize(0..world.services[service].pods.len());
        let here = left.min(100);
        left -= here;
        resource(&mut request, world, (service, pod), |scoped| {
            for (number, (name, unit, description)) in METRICS.iter().enumerate() {
                let share = (here + METRICS.len() - 1 - number) / METRICS.len();
                if share == 0 {
                    continue;
                }
                scoped.message(2, |metric| {
                    metric.text(1, name);
                    metric.text(2, description);
                    metric.text(3, unit);
                    let kind = if number < COUNTERS {
                        7
                    } else if number < HISTOGRAM {
                        5
                    } else {
                        9
                    };
                    metric.message(kind, |data| {
                        for at in 0..share {
                            let operation = &world.services[service].operations[at % world.services[service].operations.len()];
                            data.message(1, |out| point(out, number, operation, time_unix_nano, rng));
                        }
                        if kind != 5 {
                            data.varint(2, 2);
                        }
                        if kind == 7 {
                            data.varint(3, 1);
                        }
                    });
                });
            }
        });
    }
    request.0
}

fn point(out: &mut Message, number: usize, operation: &crate::world::Operation, time_unix_nano: i64, rng: &mut Rng) {
    let labels = [
        Attribute::str("http.request.method", operation.method),
        Attribute::str("http.route", operation.route.as_str()),
        Attribute::new("http.response.status_code", Value::Int([200, 200, 404, 500][rng.usize(0..4)])),
        Attribute::str("app.region", "eu-central-1"),
    ];
    out.fixed64(2, (time_unix_nano - 60_000_000_000) as u64);
    out.fixed64(3, time_unix_nano as u64);
    if number < HISTOGRAM {
        out.attributes(7, &labels);
        out.fixed64(4, (skewed(1_000_000, rng) as f64 / 8.0).to_bits());
        return;
    }
    let counts: Vec<u64> = (0..=BOUNDS.len()).map(|_| skewed(400, rng)).collect();
    out.attributes(9, &labels);
    out.fixed64(4, counts.iter().sum());
    out.fixed64(5, (skewed(1_000_000, rng) as f64 / 1e3).to_bits());
    let packed: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    out.bytes(6, &packed);
    let packed: Vec<u8> = BOUNDS.iter().flat_map(|bound| bound.to_le_bytes()).collect();
    out.bytes(7, &packed);
}
