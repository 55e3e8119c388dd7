//! Rollbar's items and deploys -> log records.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use model::{Attribute, Exception, LogRecord, Resource, RowSink, Scope, SpanId, TraceContext, TraceId, UNKNOWN_SERVICE, Value};

use super::stacktrace::{headline, stacktrace};
use super::wire::{Body, Deploy, Object, Payload};
use crate::incoming::Incoming;
use crate::json_tree::{Value as Json, flatten};
use crate::receiver::Failure;

/// Keys of `data` that have a column or an attribute of their own, or stay in `source` for their size.
const KNOWN_KEYS: &[&str] = &[
    "environment",
    "body",
    "level",
    "timestamp",
    "code_version",
    "platform",
    "language",
    "framework",
    "context",
    "request",
    "person",
    "server",
    "client",
    "custom",
    "fingerprint",
    "title",
    "uuid",
    "notifier",
    "attributes",
    "service",
];

/// Pushes the one log record of `POST /api/1/item/`.
///
/// Times: `data.timestamp` in seconds, else `client.timestamp`, else the arrival. Refuses what [`Payload`] and [`Body`]
/// refuse, and an item without any token.
pub fn push_item(payload: &Payload<'_>, incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
    if !payload.has_token && incoming.headers.get("x-rollbar-access-token").unwrap_or_default().trim().is_empty() {
        return Err(Failure::Unauthenticated);
    }
    let data = Object(&payload.data);
    let body = Body::from_data(data)?;
    let (severity_number, severity_text) = severity(data, &body);
    let trace = trace_context(data);
    let attributes = item_attributes(data, &body, incoming);
    sink.resource(&Resource { attributes: &resource_attributes(data), schema_url: "" });
    sink.scope(&Scope::default());
    sink.log(&LogRecord {
        time_unix_nano: time(data).unwrap_or(incoming.received_at_unix_nano),
        trace_id: trace.map(|trace| trace.trace_id),
        span_id: trace.and_then(|trace| trace.span_id),
        severity_number,
        severity_text: severity_text.into(),
        event_name: if matches!(body, Body::Message(_)) { "message" } else { "exception" },
        body: data.text("title").map_or_else(|| title(&body), Cow::Borrowed),
        exception: Some(exception(data, &body)),
        source: Some(&payload.source),
        attributes: &attributes,
        ..LogRecord::default()
    });
    Ok(())
}

/// Errors and crashes are errors unless they say otherwise, messages are information. Levels are words, or the numbers
/// that Rollbar's API prints.
fn severity(data: Object<'_>, body: &Body<'_>) -> (i32, String) {
    let default = if matches!(body, Body::Message(_)) { "info" } else { "error" };
    let level = data.text_or_number("level").unwrap_or(default.into()).to_ascii_lowercase();
    let number = match level.as_str() {
        "critical" | "fatal" | "50" => 21,
        "error" | "40" => 17,
        "warning" | "warn" | "30" => 13,
        "info" | "log" | "20" => 9,
        "debug" | "10" => 5,
        _ => 0,
    };
    (number, level)
}

fn time(data: Object<'_>) -> Option<i64> {
    let seconds = data.number("timestamp").or_else(|| data.object("client")?.number("timestamp"))?;
    // Browsers count milliseconds, and so do clients that forgot to divide.
    let seconds = if seconds >= 1e11 { seconds / 1e3 } else { seconds };
    // The cast of a number out of range saturates, and then the product is out of range too.
    let micros = (seconds * 1e6).round() as i64;
    micros.checked_mul(1_000).filter(|nanos| *nanos > 0)
}

/// Rollbar's own title: `Class: message`, or the message.
fn title<'a>(body: &Body<'a>) -> Cow<'a, str> {
    match body {
        Body::Traces(traces) => traces.first().map(|trace| headline(*trace)).unwrap_or_default().into(),
        Body::Message(message) => message.text_or_number("body").unwrap_or_default(),
        Body::CrashReport { raw } => first_line(raw).into(),
    }
}

fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default().trim_end()
}

/// Every occurrence carries one, messages too: Rollbar groups both into items. A message has no type.
fn exception<'a>(data: Object<'a>, body: &Body<'a>) -> Exception<'a> {
    let fingerprint = data.text_or_number("fingerprint");
    match body {
        Body::Traces(traces) => {
            let latest = traces.first().copied();
            let field = |key| latest.map_or("", |trace| trace.exception(key)).into();
            let stacktrace = stacktrace(traces, data.text("language").unwrap_or_default()).into();
            Exception { r#type: field("class"), message: field("message"), stacktrace, fingerprint, group: None }
        }
        Body::Message(_) => Exception { message: title(body), fingerprint, ..Exception::default() },
        Body::CrashReport { raw } => {
            Exception { message: first_line(raw).into(), stacktrace: (*raw).into(), fingerprint, ..Exception::default() }
        }
    }
}

/// The trace an item names: in `attributes[]`, in `custom`, or in a header of the request it happened in.
fn trace_context(data: Object<'_>) -> Option<TraceContext> {
    let listed = |key| listed_attributes(data).find(|(name, _)| *name == key).and_then(|(_, value)| value.as_str());
    let custom = |key| data.object("custom").and_then(|custom| custom.text(key));
    let named = |trace_id: Option<&str>, span_id: Option<&str>| {
        let trace_id = TraceId::parse(trace_id?).ok()?;
        Some(TraceContext { trace_id, span_id: span_id.and_then(|span_id| SpanId::parse(span_id).ok()) })
    };
    named(listed("trace_id"), listed("span_id"))
        .or_else(|| named(custom("trace_id"), custom("span_id")))
        .or_else(|| TraceContext::from_traceparent(request_header(data, "traceparent")?))
        .or_else(|| TraceContext::from_xray_header(request_header(data, "x-amzn-trace-id")?))
}

/// The pairs of `attributes[]`.
fn listed_attributes(data: Object<'_>) -> impl Iterator<Item = (&str, &Json<'_>)> {
    data.list("attributes").iter().filter_map(|pair| Some((pair.get("key")?.as_str()?, pair.get("value")?)))
}

fn request_header<'a>(data: Object<'a>, name: &str) -> Option<&'a str> {
    let headers = data.object("request")?.object("headers")?;
    let (_, value) = headers.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    match value {
        Json::Array(values) => values.first()?.as_str(),
        value => value.as_str(),
    }
}

fn resource_attributes(data: Object<'_>) -> Vec<Attribute<'_>> {
    let server = data.object("server");
    let of_server = |key| server.and_then(|server| server.text_or_number(key));
    let notifier = |key| data.object("notifier").and_then(|notifier| notifier.text_or_number(key));
    let mut out = Attributes::default();
    out.text("service.name", Some(service_name(data)));
    out.text("service.version", code_version(data));
    out.text("deployment.environment.name", data.text_or_number("environment"));
    out.text("host.name", of_server("host"));
    out.json("process.pid", server.and_then(|server| server.get("pid")));
    out.json("process.command_args", server.and_then(|server| server.get("argv")));
    out.text("vcs.ref.head.name", of_server("branch"));
    out.text("rollbar.server.root", of_server("root"));
    out.text("telemetry.sdk.name", notifier("name"));
    out.text("telemetry.sdk.version", notifier("version"));
    let (language, version) = language(data);
    out.text("telemetry.sdk.language", language);
    out.text("process.runtime.version", version);
    out.0
}

/// Rollbar has projects, not services. What a person set counts most: `custom`, then `data`; else the folder that the
/// code runs in, which is what the same application is usually called elsewhere.
fn service_name(data: Object<'_>) -> &str {
    let custom = |key| data.object("custom").and_then(|custom| custom.text(key));
    let root = data.object("server").and_then(|server| server.text("root"));
    let folder = root.and_then(|root| root.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next());
    let named = custom("service.name").or_else(|| custom("service_name")).or_else(|| custom("service"));
    let named = named.or_else(|| data.text("service")).or(folder.filter(|folder| !folder.is_empty()));
    named.unwrap_or(UNKNOWN_SERVICE)
}

fn code_version(data: Object<'_>) -> Option<Cow<'_, str>> {
    let server = data.object("server");
    let javascript = data.object("client").and_then(|client| client.object("javascript"));
    let places = [Some(data), server, javascript];
    places.into_iter().flatten().find_map(|place| place.text_or_number("code_version"))
}

/// `python 3.11.7` is a language and the version of its runtime; JavaScript is `nodejs` or `webjs` to OpenTelemetry.
fn language(data: Object<'_>) -> (Option<String>, Option<&str>) {
    let Some(text) = data.text("language") else { return (None, None) };
    let (name, version) = text.split_once(' ').map_or((text, None), |(name, version)| (name, Some(version)));
    let name = name.to_ascii_lowercase();
    let framework = data.text("framework").unwrap_or_default();
    let platform = data.text("platform").unwrap_or_default();
    let name = match name.as_str() {
        "javascript" if framework.starts_with("node") => "nodejs".to_owned(),
        "javascript" if platform == "browser" || data.object("client").is_some() => "webjs".to_owned(),
        _ => name,
    };
    (Some(name), version)
}

fn item_attributes<'a>(data: Object<'a>, body: &Body<'a>, incoming: &Incoming<'_>) -> Vec<Attribute<'a>> {
    let mut out = Attributes::default();
    out.json("rollbar.uuid", data.get("uuid"));
    out.text("rollbar.context", data.text_or_number("context"));
    out.text("rollbar.framework", data.text_or_number("framework"));
    out.text("rollbar.platform", data.text_or_number("platform"));
    out.text("rollbar.level", data.text_or_number("level"));
    // Flask's context is the pattern of the route, letter by letter what OpenTelemetry calls so.
    out.text("http.route", data.text("context").filter(|_| data.text("framework") == Some("flask")));
    push_request(data, incoming, &mut out);
    push_person(data, &mut out);
    out.json("rollbar.custom", data.get("custom"));
    for (key, value) in listed_attributes(data).filter(|(key, _)| !matches!(*key, "trace_id" | "span_id")) {
        out.json(format!("rollbar.{key}"), Some(value));
    }
    push_extras(data, body, &mut out);
    out.0
}

fn push_request<'a>(data: Object<'a>, incoming: &Incoming<'_>, out: &mut Attributes<'a>) {
    let browser = data.object("client").and_then(|client| client.object("javascript")?.text_or_number("browser"));
    let agent = request_header(data, "user-agent").map(Cow::Borrowed).or(browser);
    out.text("user_agent.original", agent);
    let Some(request) = data.object("request") else { return };
    out.text("http.request.method", request.text("method").map(str::to_ascii_uppercase));
    out.text("url.full", request.text("url"));
    let address = match request.text("user_ip") {
        Some("$remote_ip") => incoming.remote_addr.map(|address| address.to_string().into()),
        Some("$remote_ip_anonymize") => incoming.remote_addr.map(|address| anonymized(address).to_string().into()),
        address => address.map(Cow::Borrowed),
    };
    out.text("client.address", address);
}

/// An address that still tells the network, not the machine: without its last 8 bits, or the last 80 of IPv6.
fn anonymized(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 80 << 80).into(),
    }
}

fn push_person<'a>(data: Object<'a>, out: &mut Attributes<'a>) {
    let Some(person) = data.object("person") else { return };
    for (key, value) in person.0.iter() {
        match key {
            "id" => out.text("user.id", person.text_or_number("id")),
            "username" => out.text("user.name", person.text_or_number("username")),
            "email" => out.text("user.email", person.text_or_number("email")),
            _ => out.json(format!("rollbar.person.{key}"), Some(value)),
        }
    }
}

/// What clients put beside the documented keys; several of them put it into `custom` as well, where it is kept already.
fn push_extras<'a>(data: Object<'a>, body: &Body<'a>, out: &mut Attributes<'a>) {
    let custom = data.object("custom");
    let is_new = |key: &str, value: &Json<'_>| custom.and_then(|custom| custom.get(key)) != Some(value);
    for (key, value) in data.0.iter().filter(|(key, value)| !KNOWN_KEYS.contains(key) && is_new(key, value)) {
        out.json(format!("rollbar.{key}"), Some(value));
    }
    match body {
        Body::Message(message) => {
            for (key, value) in message.0.iter().filter(|(key, value)| *key != "body" && is_new(key, value)) {
                out.json(format!("rollbar.message.{key}"), Some(value));
            }
        }
        Body::Traces(traces) => {
            let description = traces.first().map(|trace| trace.exception("description"));
            out.text("rollbar.exception.description", description.filter(|text| !text.is_empty()));
        }
        Body::CrashReport { .. } => {}
    }
}

/// Pushes the spans of `POST /api/1/session/`, OTLP/JSON of rollbar.js.
pub fn push_session(incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
    if incoming.headers.get("x-rollbar-access-token").unwrap_or_default().trim().is_empty() {
        return Err(Failure::Unauthenticated);
    }
    crate::otlp::translate_traces_json(incoming.body, incoming.received_at_unix_nano, sink)
}

/// Pushes the one log record of `POST /api/1/deploy/`: an event `deploy` at the time it arrived.
pub fn push_deploy(incoming: &Incoming<'_>, sink: &mut dyn RowSink) -> Result<(), Failure> {
    let deploy = Deploy::from_incoming(incoming)?;
    let in_header = !incoming.headers.get("x-rollbar-access-token").unwrap_or_default().trim().is_empty();
    if !in_header && deploy.field("access_token").is_none() {
        return Err(Failure::Unauthenticated);
    }
    let field = |name| deploy.field(name).map(str::to_owned);
    let (environment, revision) = (field("environment").unwrap_or_default(), field("revision").unwrap_or_default());
    let mut out = Attributes::default();
    out.text("deployment.environment.name", Some(environment.clone()));
    out.text("service.version", Some(revision.clone()));
    out.text("user.name", field("local_username").or_else(|| field("rollbar_username")).or_else(|| field("rollbar_name")));
    for name in ["rollbar_username", "local_username", "status"] {
        out.text(format!("rollbar.deploy.{name}"), field(name));
    }
    out.0.push(Attribute::new("rollbar.deploy.id", Value::Int(deploy_id(incoming))));
    let service = field("service").unwrap_or_else(|| UNKNOWN_SERVICE.to_owned());
    sink.resource(&Resource { attributes: &[Attribute::str("service.name", &*service)], schema_url: "" });
    sink.scope(&Scope::default());
    sink.log(&LogRecord {
        time_unix_nano: incoming.received_at_unix_nano,
        severity_number: 9,
        severity_text: "info".into(),
        event_name: "deploy",
        body: field("comment").unwrap_or_else(|| format!("deploy of {revision} to {environment}")).into(),
        attributes: &out.0,
        ..LogRecord::default()
    });
    Ok(())
}

/// Rollbar counts deploys; here the number follows from the request, so that it is the same after a replay.
pub fn deploy_id(incoming: &Incoming<'_>) -> i64 {
    let seed = incoming.received_at_unix_nano as u64;
    (xxhash_rust::xxh3::xxh3_64_with_seed(incoming.body, seed) & 0x7fff_ffff) as i64
}

/// Attributes being collected; what is absent is not pushed.
#[derive(Default)]
struct Attributes<'a>(Vec<Attribute<'a>>);

impl<'a> Attributes<'a> {
    fn text(&mut self, key: impl Into<Cow<'a, str>>, value: Option<impl Into<Cow<'a, str>>>) {
        if let Some(value) = value {
            self.0.push(Attribute::new(key, Value::Str(value.into())));
        }
    }

    fn json(&mut self, key: impl Into<Cow<'a, str>>, value: Option<&'a Json<'a>>) {
        if let Some(value) = value {
            flatten(key.into(), value.clone(), &mut self.0);
        }
    }
}
