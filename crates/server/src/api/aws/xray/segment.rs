//! A span in X-Ray's words: what another tracer recorded, as a segment document. Pure.
//!
//! The rules are those of the OpenTelemetry Collector's exporter: what a client has seen in X-Ray by way of a collector it
//! sees here. Attributes that no member is made of go into `metadata.default`, unless `aws.xray.annotations` names them.
//! Source: `exporter/awsxrayexporter/internal/translator` in open-telemetry/opentelemetry-collector-contrib

use std::borrow::Cow;
use std::collections::BTreeSet;

use analysis::service_graph::node::SQL_TYPE;
use analysis::stacktrace;
use engine::ask::stored_spans::StoredSpan;
use engine::ask::trace::{SpanEvent, SpanTold};
use model::TraceId;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::origin::{callee, origin, remote_name, resource_text};
use super::seconds;

/// Longest name of a segment.
const NAME_CHARS_MAX: usize = 200;

/// Frames of one exception.
const FRAMES_MAX: usize = 100;

/// A document with the id it is listed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub id: String,
    pub json: Value,
}

/// The documents of a span that was not sent as one: mostly one, and two for a local root that is itself a call to elsewhere.
pub fn documents(span: &StoredSpan) -> Vec<Document> {
    let writer = Writer { span: &span.told, used: std::cell::RefCell::default() };
    if !writer.is_segment() {
        return vec![writer.document(Part::Call { parent: span.told.parent_span_id.clone() })];
    }
    if writer.attribute("aws.span.kind") != Some("LOCAL_ROOT") || !is_call(&span.told) {
        return vec![writer.document(Part::Segment { id: span.told.span_id.clone() })];
    }
    let id = made_up_id(&span.told.span_id, SEGMENT_SEED);
    let call = Writer { span: &span.told, used: std::cell::RefCell::default() };
    vec![writer.document(Part::Segment { id: id.clone() }), call.document(Part::Call { parent: Some(id) })]
}

/// Whether a span asks somebody else.
pub fn is_call(span: &SpanTold) -> bool {
    matches!(span.kind.as_str(), "client" | "producer")
}

/// An id for what was not sent: the same at each look.
pub fn made_up_id(of: &str, seed: u64) -> String {
    format!("{:016x}", xxh3_64_with_seed(of.as_bytes(), seed).max(1))
}

const SEGMENT_SEED: u64 = 1;
const EXCEPTION_SEED: u64 = 2;

/// Which document of the span is written.
enum Part {
    Segment { id: String },
    Call { parent: Option<String> },
}

struct Writer<'s> {
    span: &'s SpanTold,
    /// Attributes that a member was made of; they are not repeated as metadata.
    used: std::cell::RefCell<BTreeSet<&'static str>>,
}

impl<'s> Writer<'s> {
    /// A server's span, one without a parent, and what says that its service begins with it.
    fn is_segment(&self) -> bool {
        let span = self.span;
        span.kind == "server" || span.parent_span_id.is_none() || self.attribute("aws.span.kind") == Some("LOCAL_ROOT")
    }

    fn document(&self, part: Part) -> Document {
        let span = self.span;
        let is_segment = matches!(part, Part::Segment { .. });
        let mut out = Map::new();
        let (id, parent) = match part {
            Part::Segment { id } => (id, span.parent_span_id.clone()),
            Part::Call { parent } => (span.span_id.clone(), parent),
        };
        let end = span.start_time_unix_nano.0 + span.duration_ns;
        out.insert("name".into(), self.name(is_segment).into());
        out.insert("id".into(), id.clone().into());
        out.insert("trace_id".into(), xray_id(&span.trace_id).into());
        put(&mut out, "parent_id", parent);
        out.insert("start_time".into(), seconds(span.start_time_unix_nano.0).into());
        match span.in_progress {
            true => out.insert("in_progress".into(), true.into()),
            false => out.insert("end_time".into(), seconds(end).into()),
        };
        if is_segment {
            put(&mut out, "origin", Some(origin(span)).filter(|origin| !origin.is_empty()));
            put(&mut out, "user", self.take(&["enduser.id", "user.id"]));
            put(&mut out, "service", self.service());
            put(&mut out, "resource_arn", resource_text(span, "cloud.resource_id").filter(|arn| arn.starts_with("arn:")));
        } else {
            out.insert("type".into(), "subsegment".into());
            put(&mut out, "namespace", self.namespace());
        }
        let status = self.number(&["http.response.status_code", "http.status_code"]);
        put(&mut out, "http", self.http(status));
        self.outcome(status, &mut out);
        put(&mut out, "cause", self.cause());
        put(&mut out, "aws", self.aws(is_segment));
        put(&mut out, "sql", self.sql());
        put(&mut out, "links", self.links());
        self.annotations_and_metadata(is_segment, &mut out);
        Document { id, json: Value::Object(out) }
    }

    fn name(&self, is_segment: bool) -> String {
        let span = self.span;
        let named = match is_segment {
            true => self.take(&["aws.local.service"]).or_else(|| Some(span.service.clone())),
            // The service that was called; which of its resources is the callee's name, not the call's.
            false if self.namespace() == Some("aws") => {
                self.take(&["aws.remote.service", "peer.service", "aws.service", "rpc.service"])
            }
            false => is_call(span).then(|| remote_name(span)).flatten(),
        };
        let named = named.map(|name| name.trim_start_matches("AWS.SDK.").to_owned());
        let named = named.filter(|name| !name.is_empty() && name != model::UNKNOWN_SERVICE);
        cleaned(&named.unwrap_or_else(|| span.name.clone()))
    }

    fn namespace(&self) -> Option<&'static str> {
        let is_aws = self.attribute("rpc.system") == Some("aws-api")
            || self.attribute("rpc.system.name") == Some("aws-api")
            || self.attribute("aws.service").is_some();
        match is_call(self.span) {
            true if is_aws => Some("aws"),
            true => Some("remote"),
            false => None,
        }
    }

    fn service(&self) -> Option<Value> {
        let version = resource_text(self.span, "service.version")?;
        Some(json!({ "version": version }))
    }

    fn http(&self, status: Option<i64>) -> Option<Value> {
        let mut request = Map::new();
        put(&mut request, "method", self.take(&["http.request.method", "http.method"]));
        put(&mut request, "url", self.url());
        put(&mut request, "user_agent", self.take(&["user_agent.original", "http.user_agent"]));
        if !is_call(self.span) {
            let forwarded = self.take(&["http.client_ip", "client.address"]);
            put(&mut request, "x_forwarded_for", forwarded.is_some().then_some(true));
            put(&mut request, "client_ip", forwarded.or_else(|| self.take(&["network.peer.address", "net.peer.ip"])));
        }
        let mut response = Map::new();
        put(&mut response, "status", status);
        let length = self.number(&["http.response.body.size", "http.response_content_length"]);
        put(&mut response, "content_length", length);
        // A client's address alone is no request.
        let is_http = request.contains_key("method") || request.contains_key("url") || status.is_some();
        is_http.then(|| {
            let mut http = Map::new();
            put(&mut http, "request", Some(request).filter(|request| !request.is_empty()));
            put(&mut http, "response", Some(response).filter(|response| !response.is_empty()));
            Value::Object(http)
        })
    }

    fn url(&self) -> Option<String> {
        if let Some(url) = self.take(&["url.full", "http.url"]) {
            return Some(url);
        }
        let target = self.take(&["http.target"]).or_else(|| {
            let path = self.take(&["url.path"])?;
            let query = self.take(&["url.query"]).filter(|query| !query.is_empty());
            Some(query.map_or(path.clone(), |query| format!("{path}?{}", query.trim_start_matches('?'))))
        });
        let host = self.take(&["http.host", "server.address", "http.server_name", "net.host.name"]);
        let Some(host) = host else { return target };
        let scheme = self.take(&["url.scheme", "http.scheme"]).unwrap_or_else(|| "http".to_owned());
        let port = self.number(&["server.port", "net.host.port"]);
        let port = port.filter(|port| !host.contains(':') && !matches!((scheme.as_str(), port), ("http", 80) | ("https", 443)));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let target = target.unwrap_or_else(|| "/".to_owned());
        // An address of something that is no web server is no URL.
        let is_web = self.attribute("http.request.method").or(self.attribute("http.method")).is_some();
        is_web.then(|| format!("{scheme}://{host}{port}{target}"))
    }

    /// The HTTP status says what went wrong; without one, a status of error is a fault.
    fn outcome(&self, status: Option<i64>, out: &mut Map<String, Value>) {
        let (mut error, mut fault, mut throttle) = (false, false, false);
        match status {
            Some(429) => (error, throttle) = (true, true),
            Some(400..=499) => error = true,
            Some(500..=599) => fault = true,
            _ => fault = self.span.status_code == "error",
        }
        for (member, flag) in [("error", &mut error), ("throttle", &mut throttle), ("fault", &mut fault)] {
            if *flag {
                out.insert(member.to_owned(), true.into());
            }
        }
    }

    fn cause(&self) -> Option<Value> {
        let raised = self.span.events.iter().filter(|event| event.exception.is_some());
        let mut exceptions: Vec<Value> =
            raised.enumerate().flat_map(|(number, event)| self.exceptions(number, event)).collect();
        let message = self.span.status_message.as_str();
        if exceptions.is_empty() && self.span.status_code == "error" && !message.is_empty() {
            let id = made_up_id(&self.span.span_id, EXCEPTION_SEED);
            exceptions.push(json!({ "id": id, "message": message }));
        }
        (!exceptions.is_empty()).then(|| json!({ "working_directory": "", "exceptions": exceptions }))
    }

    /// An exception and what caused it, each naming the next by its id.
    fn exceptions(&self, number: usize, event: &SpanEvent) -> Vec<Value> {
        let Some(exception) = &event.exception else { return Vec::new() };
        let language = resource_text(self.span, "telemetry.sdk.language");
        let read = stacktrace::parse(&exception.stacktrace, language.as_deref());
        let ids: Vec<String> = (0..read.links.len())
            .map(|link| made_up_id(&format!("{} {number} {link}", self.span.span_id), EXCEPTION_SEED))
            .collect();
        let is_remote = is_call(self.span);
        let links = read.links.iter().enumerate();
        links
            .map(|(link, read)| {
                let or = |told: &str, read: &str| if link == 0 && !told.is_empty() { told.to_owned() } else { read.to_owned() };
                let mut out = Map::new();
                out.insert("id".into(), ids[link].clone().into());
                put(&mut out, "type", Some(or(&exception.r#type, read.r#type)).filter(|text| !text.is_empty()));
                put(&mut out, "message", Some(or(&exception.message, read.message)).filter(|text| !text.is_empty()));
                put(&mut out, "remote", is_remote.then_some(true));
                put(&mut out, "cause", ids.get(link + 1).cloned());
                let frames: Vec<Value> = read.frames.iter().rev().take(FRAMES_MAX).map(frame).collect();
                put(&mut out, "truncated", read.frames.len().checked_sub(FRAMES_MAX).filter(|cut| *cut > 0));
                put(&mut out, "stack", (!frames.is_empty()).then_some(frames));
                Value::Object(out)
            })
            .collect()
    }

    fn aws(&self, is_segment: bool) -> Option<Value> {
        let mut out = Map::new();
        let resource = |key| resource_text(self.span, key);
        put(&mut out, "account_id", self.take(&["aws.account_id"]).or_else(|| resource("cloud.account.id")));
        if is_segment {
            put(&mut out, "ec2", block(&[("instance_id", resource("host.id")), ("availability_zone", resource("cloud.availability_zone")), ("instance_size", resource("host.type")), ("ami_id", resource("host.image.id"))]).filter(|_| resource("host.id").is_some()));
            put(&mut out, "ecs", block(&[("container", resource("container.name")), ("container_id", resource("container.id")), ("container_arn", resource("aws.ecs.container.arn")), ("cluster_arn", resource("aws.ecs.cluster.arn")), ("task_arn", resource("aws.ecs.task.arn")), ("task_family", resource("aws.ecs.task.family")), ("launch_type", resource("aws.ecs.launchtype"))]).filter(|_| resource("k8s.cluster.name").is_none()));
            put(&mut out, "eks", block(&[("cluster_name", resource("k8s.cluster.name")), ("pod", resource("k8s.pod.name")), ("container_id", resource("container.id"))]).filter(|_| resource("k8s.cluster.name").is_some()));
            put(&mut out, "xray", block(&[("sdk", resource("telemetry.sdk.name")), ("sdk_version", resource("telemetry.sdk.version"))]));
            let groups = resource("aws.log.group.names").and_then(|names| serde_json::from_str::<Vec<String>>(&names).ok());
            let groups = groups.map(|groups| groups.iter().map(|group| json!({ "log_group": group })).collect::<Vec<_>>());
            put(&mut out, "cloudwatch_logs", groups.filter(|groups| !groups.is_empty()));
        } else {
            put(&mut out, "operation", self.take(&["aws.operation"]).or_else(|| self.aws_operation()));
            put(&mut out, "region", self.take(&["aws.region"]).or_else(|| self.aws_operation().and(resource("cloud.region"))));
            put(&mut out, "request_id", self.take(&["aws.request_id", "aws.requestId"]));
            put(&mut out, "queue_url", self.take(&["aws.queue_url", "aws.sqs.queue.url", "aws.queue.url"]));
            put(&mut out, "table_name", self.table());
            put(&mut out, "bucket_name", self.take(&["aws.bucket_name", "aws.s3.bucket"]));
            put(&mut out, "retries", self.number(&["aws.retries", "http.request.resend_count", "retry_attempts"]));
        }
        // An account alone says where, not that anything was called.
        let is_told = out.keys().any(|key| key != "account_id") || is_segment;
        (!out.is_empty() && is_told).then_some(Value::Object(out))
    }

    fn aws_operation(&self) -> Option<String> {
        (self.namespace() == Some("aws")).then(|| self.take(&["rpc.method"])).flatten()
    }

    fn table(&self) -> Option<String> {
        let told = self.take(&["aws.table_name", "aws.dynamodb.table_names"])?;
        let list: Option<Vec<String>> = serde_json::from_str(&told).ok();
        list.map_or(Some(told), |list| list.into_iter().next())
    }

    fn sql(&self) -> Option<Value> {
        let system = self.take(&["db.system.name", "db.system"])?;
        if callee(self.span).node_type == SQL_TYPE {
            let mut out = Map::new();
            let database = self.take(&["db.namespace", "db.name"]);
            let host = self.attribute("server.address").or(self.attribute("net.peer.name"));
            let connection = self.take(&["db.connection_string"]);
            let url = connection.or_else(|| Some(format!("{}/{}", host?, database.as_deref().unwrap_or_default())));
            put(&mut out, "url", url);
            out.insert("database_type".into(), system.into());
            put(&mut out, "user", self.take(&["db.user"]));
            put(&mut out, "sanitized_query", self.take(&["db.query.text", "db.statement"]));
            return Some(Value::Object(out));
        }
        None
    }

    fn links(&self) -> Option<Vec<Value>> {
        let links = self.span.links.as_array()?.iter();
        let links: Vec<Value> = links
            .filter_map(|link| {
                let mut out = Map::new();
                out.insert("trace_id".into(), xray_id(link.get("trace_id")?.as_str()?).into());
                out.insert("id".into(), link.get("span_id")?.clone());
                put(&mut out, "attributes", link.get("attributes").filter(|told| told.as_object().is_some_and(|told| !told.is_empty())).cloned());
                Some(Value::Object(out))
            })
            .collect();
        (!links.is_empty()).then_some(links)
    }

    fn annotations_and_metadata(&self, is_segment: bool, out: &mut Map<String, Value>) {
        let listed = self.span.attributes.get("aws.xray.annotations").map(list).unwrap_or_default();
        let (mut annotations, mut metadata, mut spaces) = (Map::new(), Map::new(), Map::new());
        let used = self.used.borrow();
        for (key, value) in &self.span.attributes {
            if key == "aws.xray.annotations" || used.contains(key.as_str()) {
            } else if let Some(space) = key.strip_prefix("aws.xray.metadata.") {
                spaces.insert(space.to_owned(), value.as_str().map_or_else(|| value.clone(), json_or_text));
            } else if listed.iter().any(|listed| listed == key) && !value.is_object() && !value.is_array() {
                annotations.insert(annotation_key(key), value.clone());
            } else {
                metadata.insert(key.clone(), value.clone());
            }
        }
        if is_segment && let Some(resource) = self.span.resource.as_object() {
            let told = resource.iter().map(|(key, value)| (format!("otel.resource.{key}"), value.clone()));
            metadata.extend(told);
        }
        if !metadata.is_empty() {
            spaces.insert("default".to_owned(), Value::Object(metadata));
        }
        put(out, "annotations", Some(annotations).filter(|annotations| !annotations.is_empty()));
        put(out, "metadata", Some(spaces).filter(|spaces| !spaces.is_empty()));
    }

    fn attribute(&self, key: &str) -> Option<&'s str> {
        self.span.attributes.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// The first of the attributes that is there, as text; a member is made of it.
    fn take(&self, keys: &[&'static str]) -> Option<String> {
        keys.iter().find_map(|key| {
            let text = match self.span.attributes.get(*key)? {
                Value::String(text) if text.is_empty() => return None,
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            self.used.borrow_mut().insert(key);
            Some(text)
        })
    }

    fn number(&self, keys: &[&'static str]) -> Option<i64> {
        keys.iter().find_map(|key| {
            let number = match self.span.attributes.get(*key)? {
                Value::String(text) => text.parse().ok()?,
                other => other.as_i64()?,
            };
            self.used.borrow_mut().insert(key);
            Some(number)
        })
    }
}

fn put(out: &mut Map<String, Value>, member: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(member.to_owned(), value.into());
    }
}

fn block(members: &[(&str, Option<String>)]) -> Option<Value> {
    let mut out = Map::new();
    members.iter().for_each(|(member, value)| put(&mut out, member, value.clone()));
    (!out.is_empty()).then_some(Value::Object(out))
}

fn frame(frame: &stacktrace::Frame<'_>) -> Value {
    json!({ "path": frame.file, "line": frame.line.unwrap_or(0), "label": frame.function })
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Letters, digits and underscores.
fn annotation_key(key: &str) -> String {
    key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
}

/// A name with the letters that X-Ray takes; never empty.
fn cleaned(name: &str) -> String {
    let is_fine = |letter: char| letter.is_alphanumeric() || letter.is_whitespace() || "_.:/%&#=+\\-@".contains(letter);
    let name: String = name.chars().filter(|letter| is_fine(*letter)).take(NAME_CHARS_MAX).collect();
    if name.trim().is_empty() { "span".to_owned() } else { name }
}

/// An id in X-Ray's form.
fn xray_id(hex: &str) -> Cow<'_, str> {
    TraceId::parse(hex).map_or(Cow::Borrowed(hex), |id| Cow::Owned(id.to_xray()))
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
