//! What all receivers' tests share: a sink that prints, and the walk over `fixtures/wire/<receiver>/<case>/`.
//!
//! A case holds `request.http` (the head as captured, and the body when it is text), `request.bin` (a binary body, still
//! compressed when the head says so) or `request.udp` (one datagram). What was pushed is compared with `batch.txt`, what is
//! answered with `reply.txt`; `UPDATE_EXPECT=1` writes both.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use http::HeaderMap;
use model::{Attributes, Counted, DataPoint, LogRecord, Refusal, Resource, RowSink, Scope, Span, TraceContext};

use crate::limits::BODY_BYTES_MAX;
use crate::{ContentEncoding, Door, Headers, Incoming, Receiver, Reply, decompress};

/// When every fixture arrives: 2026-01-02T03:04:05.678901234Z.
pub(crate) const RECEIVED_AT_UNIX_NANO: i64 = 1_767_323_045_678_901_234;

/// A sink that prints what is pushed: one block per row, a line per field that is not at its default.
#[derive(Debug, Default)]
pub(crate) struct Dump {
    text: String,
}

impl Dump {
    pub(crate) fn new() -> Dump {
        Dump::default()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.text, "  {name}: {value}");
    }

    fn string(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.line(name, quoted(value));
        }
    }

    fn number<T: Default + PartialEq + std::fmt::Display>(&mut self, name: &str, value: T) {
        if value != T::default() {
            self.line(name, value);
        }
    }

    fn optional<T: std::fmt::Display>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.line(name, value);
        }
    }

    fn attributes(&mut self, indent: &str, attributes: &Attributes<'_>) {
        for attribute in attributes {
            let _ = write!(self.text, "{indent}{} = ", attribute.key.escape_debug());
            if let model::Value::Json(_) = attribute.value {
                self.text.push_str("json ");
            }
            attribute.value.write_json(&mut self.text);
            self.text.push('\n');
        }
    }
}

impl RowSink for Dump {
    fn resource(&mut self, resource: &Resource<'_>) {
        let _ = writeln!(self.text, "resource {}", quoted(resource.service_name()));
        self.string("schema_url", resource.schema_url);
        self.attributes("    ", resource.attributes);
    }

    fn scope(&mut self, scope: &Scope<'_>) {
        let _ = writeln!(self.text, "scope {}", quoted(scope.name));
        self.string("version", scope.version);
        self.string("schema_url", scope.schema_url);
        self.attributes("    ", scope.attributes);
    }

    fn span(&mut self, span: &Span<'_>) {
        let _ = writeln!(self.text, "span {}", quoted(span.name));
        self.line("trace_id", span.trace_id);
        self.line("span_id", span.span_id);
        self.optional("parent_span_id", span.parent_span_id);
        self.line("start_time_unix_nano", span.start_time_unix_nano);
        self.line("duration_ns", span.duration_ns);
        self.line("kind", span.kind.as_str());
        self.line("status_code", span.status_code.as_str());
        self.string("status_message", span.status_message);
        self.string("trace_state", span.trace_state);
        self.number("flags", span.flags);
        self.number("in_progress", span.in_progress);
        self.number("dropped_attributes_count", span.dropped_attributes_count);
        self.number("dropped_events_count", span.dropped_events_count);
        self.number("dropped_links_count", span.dropped_links_count);
        if span.sample_rate != 1.0 {
            self.line("sample_rate", span.sample_rate);
        }
        self.optional("linked_trace_id", span.linked_trace_id);
        self.optional("source", span.source.map(quoted));
        for link in span.links {
            self.line("link", format_args!("{} {}", link.trace_id, link.span_id));
            self.string("  trace_state", link.trace_state);
            self.attributes("      ", &link.attributes);
        }
        self.attributes("    ", span.attributes);
    }

    fn log(&mut self, record: &LogRecord<'_>) {
        let _ = writeln!(self.text, "log {}", quoted(&record.body));
        self.line("time_unix_nano", record.time_unix_nano);
        self.optional("trace_id", record.trace_id);
        self.optional("span_id", record.span_id);
        self.number("flags", record.flags);
        self.number("severity_number", record.severity_number);
        self.string("severity_text", &record.severity_text);
        self.string("event_name", record.event_name);
        if let Some(exception) = &record.exception {
            self.line("exception.type", quoted(&exception.r#type));
            self.line("exception.message", quoted(&exception.message));
            self.line("exception.stacktrace", quoted(&exception.stacktrace));
            self.optional("exception.fingerprint", exception.fingerprint.as_deref().map(quoted));
            self.optional("exception.group", exception.group.as_deref().map(quoted));
        }
        self.number("dropped_attributes_count", record.dropped_attributes_count);
        if record.sample_rate != 0.0 && record.sample_rate != 1.0 {
            self.line("sample_rate", record.sample_rate);
        }
        self.optional("source", record.source.map(quoted));
        self.attributes("    ", record.attributes);
    }

    fn data_point(&mut self, point: &DataPoint<'_>) {
        let _ = writeln!(self.text, "data point {}", quoted(point.metric));
        self.string("description", point.description);
        self.string("unit", point.unit);
        self.line("type", point.r#type.as_str());
        self.line("temporality", point.temporality.as_str());
        self.number("is_monotonic", point.is_monotonic);
        self.number("start_time_unix_nano", point.start_time_unix_nano);
        self.line("time_unix_nano", point.time_unix_nano);
        self.number("flags", point.flags);
        self.optional("value", point.value);
        self.optional("count", point.count);
        self.optional("sum", point.sum);
        self.optional("min", point.min);
        self.optional("max", point.max);
        if !point.buckets.is_empty() {
            self.line("buckets", &point.buckets);
        }
        if !point.exemplars.is_empty() {
            self.line("exemplars", &point.exemplars);
        }
        self.attributes("    ", point.attributes);
    }

    fn refuse(&mut self, refusal: Refusal) {
        let _ = writeln!(self.text, "refused {} {}: {}", refusal.count, refusal.signal.table(), refusal.reason);
    }
}

/// Every case of `fixtures/wire/<receiver>`, in name order. At least one must be there.
pub(crate) fn check_fixtures(receiver: &dyn Receiver) {
    let cases = fixture_dirs(receiver.name());
    assert!(!cases.is_empty(), "no fixtures for {}", receiver.name());
    for dir in cases {
        check_fixture(receiver, &dir);
    }
}

/// The folders of `fixtures/wire/<receiver>`, in name order.
pub(crate) fn fixture_dirs(receiver: &str) -> Vec<PathBuf> {
    // Where the test runs; whole, because a snapshot's path is otherwise taken from its source file.
    let dir = Path::new("../../fixtures/wire").join(receiver).canonicalize().unwrap();
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// One case: which door it came by is read from its head.
pub(crate) fn check_fixture(receiver: &dyn Receiver, dir: &Path) {
    let captured = Captured::read(dir);
    let door = captured.door(receiver).unwrap_or_else(|| panic!("no door of {} takes {}", receiver.name(), dir.display()));
    let incoming = captured.incoming(receiver, &door.0, &door.1);
    let (batch, reply) = exchange(receiver, &incoming);
    expect_file![dir.join("batch.txt")].assert_eq(&batch);
    expect_file![dir.join("reply.txt")].assert_eq(&reply);
}

/// What `incoming` pushes and what its sender is told, both as text; the same whether it is read once or each time.
pub(crate) fn exchange(receiver: &dyn Receiver, incoming: &Incoming<'_>) -> (String, String) {
    let (batch, reply) = translated(receiver, incoming);
    match receiver.decode(incoming) {
        Ok(None) => {}
        Ok(Some(decoded)) => {
            let mut dump = Dump::new();
            let mut counted = Counted::new(&mut dump);
            match decoded.push(&mut counted) {
                Ok(()) => {
                    assert_eq!(reply_text(&decoded.accepted(&counted)), reply);
                    assert_eq!(dump.text, batch);
                }
                Err(failure) => assert_eq!(format!("failed: {failure}\n"), batch),
            }
        }
        Err(failure) => assert_eq!(format!("failed: {failure}\n"), batch),
    }
    (batch, reply)
}

fn translated(receiver: &dyn Receiver, incoming: &Incoming<'_>) -> (String, String) {
    let mut dump = Dump::new();
    let mut counted = Counted::new(&mut dump);
    let reply = match receiver.translate(incoming, &mut counted) {
        Ok(()) => receiver.accepted(incoming, &counted),
        Err(failure) => {
            let reply = receiver.failed(incoming, &failure);
            return (format!("failed: {failure}\n"), reply_text(&reply));
        }
    };
    (dump.text, reply_text(&reply))
}

/// A reply as text: status, headers by name, the gRPC trailer, and the body, in hex when it is binary.
pub(crate) fn reply_text(reply: &Reply) -> String {
    let mut text = format!("{}\n", reply.status);
    let mut headers: Vec<String> =
        reply.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))).collect();
    headers.sort();
    text.extend(headers);
    if let Some((code, message)) = &reply.grpc {
        let _ = writeln!(text, "grpc-status: {code} {message:?}");
    }
    match std::str::from_utf8(&reply.body) {
        Ok("") => {}
        Ok(body) if !body.contains(|c: char| c.is_control() && !c.is_whitespace()) => {
            let _ = writeln!(text, "\n{body}");
        }
        _ => {
            let hex: String = reply.body.iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(text, "\nhex {hex}");
        }
    }
    text
}

/// A request as a client sent it, its body in the clear.
#[derive(Debug)]
pub(crate) struct Captured {
    /// The first line of the head; empty for a datagram.
    pub(crate) request_line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Captured {
    pub(crate) fn read(dir: &Path) -> Captured {
        if let Ok(body) = std::fs::read(dir.join("request.udp")) {
            return Captured { request_line: String::new(), headers: Vec::new(), body };
        }
        let raw = std::fs::read(dir.join("request.http")).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        let end = raw.windows(4).position(|four| four == b"\r\n\r\n").map_or((raw.len(), raw.len()), |at| (at, at + 4));
        let head = String::from_utf8_lossy(&raw[..end.0]).into_owned();
        let mut lines = head.lines();
        let request_line = lines.next().unwrap_or_default().to_owned();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = std::fs::read(dir.join("request.bin")).unwrap_or_else(|_| raw[end.1..].to_vec());
        let encoding = headers.iter().find(|(name, _)| name == "content-encoding").map_or("", |(_, value)| value);
        let encoding = ContentEncoding::parse(encoding).unwrap();
        Captured { request_line, headers, body: decompress(encoding, &body, BODY_BYTES_MAX).unwrap() }
    }

    /// The endpoint whose door takes this request, and what its `{*rest}` stands for, as sent.
    pub(crate) fn door(&self, receiver: &dyn Receiver) -> Option<(String, String)> {
        receiver.doors().iter().find_map(|door| match door {
            Door::Udp { endpoint } => self.request_line.is_empty().then(|| ((*endpoint).to_owned(), String::new())),
            Door::Grpc { method, endpoint } => self
                .request_line
                .strip_prefix("gRPC unary call ")
                .filter(|called| called.trim() == *method)
                .map(|_| ((*endpoint).to_owned(), String::new())),
            Door::Http(route) => {
                let mut words = self.request_line.split(' ');
                let method = http::Method::from(route.method);
                if words.next() != Some(method.as_str()) {
                    return None;
                }
                let path = words.next()?.split('?').next()?;
                let rest = match route.path.split_once("{*rest}") {
                    Some((before, _)) => path.strip_prefix(before)?,
                    None if route.path.contains("{rest}") => {
                        let (before, after) = route.path.split_once("{rest}")?;
                        path.strip_prefix(before)?.strip_suffix(after)?
                    }
                    None => (path == route.path).then_some("")?,
                };
                Some((route.endpoint.to_owned(), rest.to_owned()))
            }
        })
    }

    /// As the server would hand it over: only the headers that `receiver` keeps.
    pub(crate) fn incoming<'a>(&'a self, receiver: &dyn Receiver, endpoint: &'a str, rest: &'a str) -> Incoming<'a> {
        let kept = |name: &str| name == "content-type" || receiver.headers().contains(&name);
        let headers = self.headers.iter().filter(|(name, _)| kept(name)).map(|(name, value)| (name.as_str(), value.as_str()));
        let mut all = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), http::HeaderValue::from_str(value)) {
                all.insert(name, value);
            }
        }
        let text = |name: &str| all.get(name).and_then(|value| value.to_str().ok());
        Incoming {
            rest,
            headers: Headers(headers.collect()),
            trace_context: text("traceparent")
                .and_then(TraceContext::from_traceparent)
                .or_else(|| text("x-amzn-trace-id").and_then(TraceContext::from_xray_header)),
            ..Incoming::new(endpoint, RECEIVED_AT_UNIX_NANO, &self.body)
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    model::json_string(text, &mut out);
    out
}
