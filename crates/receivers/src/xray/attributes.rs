//! The members of a segment as attributes: OpenTelemetry's names where it has one, `aws.xray.*` where it has none.

use model::{Attribute, Value as AttributeValue};

use super::wire::{Cause, Segment, text};
use crate::aws::{attribute_value, integer};
use crate::incoming::Headers;
use crate::json_tree::{Map, Value};

/// Attributes for which there is room at once: most resources and spans have fewer.
const USUAL: usize = 20;

/// A list of attributes under construction.
#[derive(Debug, Default)]
pub struct Attributes<'a>(pub Vec<Attribute<'a>>);

impl<'a> Attributes<'a> {
    pub fn str(&mut self, key: &'a str, value: Option<&'a str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.0.push(Attribute::str(key, value));
        }
    }

    pub fn owned(&mut self, key: &'a str, value: String) {
        self.0.push(Attribute::str(key, value));
    }

    pub fn int(&mut self, key: &'a str, value: Option<i64>) {
        if let Some(value) = value {
            self.0.push(Attribute::new(key, AttributeValue::Int(value)));
        }
    }

    /// Whatever `json` is; nothing for null and for what is absent.
    pub fn json(&mut self, key: &'a str, json: Option<&'a Value<'a>>) {
        if let Some(value) = json.and_then(attribute_value) {
            self.0.push(Attribute::new(key, value));
        }
    }

    /// Region and account the server took the request for; what a document says itself beats them.
    pub fn caller(&mut self, headers: &Headers<'a>) {
        for (header, key) in [("x-cupola-region", "cloud.region"), ("x-cupola-account", "cloud.account.id")] {
            if !self.0.iter().any(|attribute| attribute.key == key) {
                self.str(key, headers.get(header));
            }
        }
    }

    /// Cuts the list and tells how many attributes were cut.
    pub fn truncate(&mut self, attributes_max: usize) -> u32 {
        let dropped = self.0.len().saturating_sub(attributes_max);
        self.0.truncate(attributes_max);
        dropped as u32
    }
}

/// What a segment tells of where it ran. A subsegment sent on its own does not know the name of its service: its own
/// name is that of a function or of the service it called.
pub fn resource_attributes<'a>(segment: Segment<'a>, headers: &Headers<'a>) -> Attributes<'a> {
    let mut out = Attributes(Vec::with_capacity(USUAL));
    if !segment.is_subsegment() {
        out.str("service.name", segment.text("name"));
    }
    if let Some(service) = segment.object("service") {
        // Node's SDK writes "unknown" for what it does not know.
        out.str("service.version", text(service, "version").filter(|version| *version != "unknown"));
        out.str("process.runtime.name", text(service, "runtime"));
        out.str("process.runtime.version", text(service, "runtime_version"));
    }
    let origin = segment.text("origin").unwrap_or_default();
    let aws = segment.object("aws");
    let runs_on_aws = origin.starts_with("AWS::")
        || aws.is_some_and(|aws| PLATFORM_BLOCKS.iter().any(|block| aws.get(block).is_some_and(Value::is_object)));
    if runs_on_aws && !segment.is_subsegment() {
        out.str("cloud.provider", Some("aws"));
        out.str("cloud.platform", cloud_platform(origin));
    }
    if let Some(aws) = aws {
        platform_attributes(segment, aws, &mut out);
    }
    out.str("cloud.resource_id", segment.text("resource_arn"));
    out.caller(headers);
    out
}

/// Members of `aws` that describe the machine; they belong to the resource.
const PLATFORM_BLOCKS: [&str; 4] = ["ec2", "ecs", "eks", "elastic_beanstalk"];

fn cloud_platform(origin: &str) -> Option<&'static str> {
    Some(match origin.strip_prefix("AWS::")?.split("::").next()? {
        "EC2" => "aws_ec2",
        "ECS" => "aws_ecs",
        "EKS" => "aws_eks",
        "ElasticBeanstalk" => "aws_elastic_beanstalk",
        "AppRunner" => "aws_app_runner",
        "Lambda" => "aws_lambda",
        _ => return None,
    })
}

fn platform_attributes<'a>(segment: Segment<'a>, aws: &'a Map<'a>, out: &mut Attributes<'a>) {
    if !segment.is_subsegment() {
        out.str("cloud.account.id", text(aws, "account_id"));
        out.str("cloud.region", text(aws, "region"));
    }
    if let Some(ec2) = aws.get("ec2").and_then(Value::as_object) {
        out.str("host.id", text(ec2, "instance_id"));
        out.str("cloud.availability_zone", text(ec2, "availability_zone"));
        out.str("host.type", text(ec2, "instance_size"));
        out.str("host.image.id", text(ec2, "ami_id"));
    }
    if let Some(ecs) = aws.get("ecs").and_then(Value::as_object) {
        out.str("container.name", text(ecs, "container"));
        out.str("container.id", text(ecs, "container_id"));
        out.str("aws.ecs.container.arn", text(ecs, "container_arn"));
        out.str("aws.ecs.cluster.arn", text(ecs, "cluster_arn"));
        out.str("aws.ecs.task.arn", text(ecs, "task_arn"));
        out.str("aws.ecs.task.family", text(ecs, "task_family"));
    }
    if let Some(eks) = aws.get("eks").and_then(Value::as_object) {
        out.str("k8s.cluster.name", text(eks, "cluster_name"));
        out.str("k8s.pod.name", text(eks, "pod"));
        out.str("container.id", text(eks, "container_id"));
    }
    if let Some(beanstalk) = aws.get("elastic_beanstalk").and_then(Value::as_object) {
        out.str("service.namespace", text(beanstalk, "environment_name"));
        out.str("service.version", text(beanstalk, "version_label"));
        if let Some(id) = beanstalk.get("deployment_id").and_then(integer) {
            out.owned("service.instance.id", id.to_string());
        }
    }
    if let Some(xray) = aws.get("xray").and_then(Value::as_object) {
        let sdk = text(xray, "sdk");
        out.str("telemetry.sdk.name", sdk);
        out.str("telemetry.sdk.version", text(xray, "sdk_version"));
        out.str("telemetry.sdk.language", sdk.and_then(sdk_language));
    }
    if let Some(groups) = aws.get("cloudwatch_logs").and_then(Value::as_array) {
        let list = |member| {
            let values: Vec<&str> = groups.iter().filter_map(|group| group.get(member)?.as_str()).collect();
            (!values.is_empty()).then(|| serde_json::json!(values).to_string())
        };
        for (member, key) in [("log_group", "aws.log.group.names"), ("arn", "aws.log.group.arns")] {
            if let Some(values) = list(member) {
                out.0.push(Attribute::new(key, AttributeValue::Json(values.into())));
            }
        }
    }
}

/// `X-Ray for Python` and its siblings, in OpenTelemetry's words.
fn sdk_language(sdk: &str) -> Option<&'static str> {
    let language = sdk.strip_prefix("X-Ray for ")?.to_ascii_lowercase();
    Some(match language.as_str() {
        "python" => "python",
        "node.js" | "node" => "nodejs",
        "java" => "java",
        "go" => "go",
        "ruby" => "ruby",
        ".net" | ".net core" => "dotnet",
        _ => return None,
    })
}

/// What a segment or subsegment tells of its work. Annotations come last: should a span have more attributes than are
/// kept, it loses those.
pub fn span_attributes(segment: Segment<'_>, embedded: bool) -> Attributes<'_> {
    let mut out = Attributes(Vec::with_capacity(USUAL));
    out.str("aws.xray.origin", segment.text("origin"));
    out.str("aws.xray.namespace", segment.text("namespace"));
    for (member, key) in FLAGS {
        out.json(key, segment.get(member).filter(|flag| flag.is_boolean()));
    }
    out.json("aws.xray.precursor_ids", segment.get("precursor_ids"));
    out.str("enduser.id", segment.text("user"));
    if let Some(http) = segment.object("http") {
        http_attributes(http, &mut out);
    }
    if let Some(sql) = segment.object("sql") {
        sql_attributes(sql, &mut out);
    }
    if let Some(aws) = segment.object("aws") {
        aws_attributes(segment, aws, embedded || segment.is_subsegment(), &mut out);
    }
    if let Cause::Exceptions(cause) = segment.cause() {
        out.str("aws.xray.cause.working_directory", text(cause, "working_directory"));
        out.json("aws.xray.cause.paths", cause.get("paths"));
    }
    match segment.get("metadata") {
        Some(Value::Object(namespaces)) => namespaces.iter().for_each(|(namespace, json)| metadata(namespace, json, &mut out)),
        json => out.json("aws.xray.metadata", json),
    }
    if let Some(annotations) = segment.object("annotations") {
        annotation_attributes(annotations, &mut out);
    }
    out
}

const FLAGS: [(&str, &str); 4] = [
    ("error", "aws.xray.error"),
    ("fault", "aws.xray.fault"),
    ("throttle", "aws.xray.throttle"),
    ("inferred", "aws.xray.inferred"),
];

fn http_attributes<'a>(http: &'a Map<'a>, out: &mut Attributes<'a>) {
    if let Some(request) = http.get("request").and_then(Value::as_object) {
        out.str("http.request.method", text(request, "method"));
        url_attributes(text(request, "url"), out);
        out.str("user_agent.original", text(request, "user_agent"));
        client_attributes(text(request, "client_ip"), out);
        out.json("aws.xray.x_forwarded_for", request.get("x_forwarded_for"));
        out.json("aws.xray.traced", request.get("traced"));
    }
    if let Some(response) = http.get("response").and_then(Value::as_object) {
        out.int("http.response.status_code", response.get("status").and_then(integer));
        // Clients write -1 for a length they do not know.
        out.int("http.response.body.size", response.get("content_length").and_then(integer).filter(|bytes| *bytes >= 0));
    }
}

/// Behind proxies the address is a list as `X-Forwarded-For` has it, the client first.
fn client_attributes<'a>(client_ip: Option<&'a str>, out: &mut Attributes<'a>) {
    let Some(list) = client_ip else { return };
    let first = list.split(',').next().unwrap_or(list).trim();
    out.str("client.address", Some(first));
    if first.len() != list.len() {
        out.str("aws.xray.client_ip", Some(list));
    }
}

fn url_attributes<'a>(url: Option<&'a str>, out: &mut Attributes<'a>) {
    let Some(url) = url else { return };
    let parts = url_parts(url);
    out.str("url.full", Some(url));
    out.str("url.scheme", parts.scheme);
    out.str("url.path", parts.path);
    out.str("url.query", parts.query);
    out.str("server.address", parts.host);
    out.int("server.port", parts.port);
}

/// The parts of a URL as they stand, without decoding.
#[derive(Debug, Default, PartialEq)]
struct UrlParts<'a> {
    scheme: Option<&'a str>,
    host: Option<&'a str>,
    port: Option<i64>,
    path: Option<&'a str>,
    query: Option<&'a str>,
}

/// Splits `scheme://user@host:port/path?query#fragment`; a text without `://` is a path.
fn url_parts(url: &str) -> UrlParts<'_> {
    let mut parts = UrlParts::default();
    let url = url.split_once('#').map_or(url, |(url, _)| url);
    let rest = match url.split_once("://") {
        Some((scheme, rest)) => {
            let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at(authority_end);
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let (host, port) = match host.rsplit_once(':') {
                Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (name, port.parse().ok()),
                _ => (host, None),
            };
            parts.scheme = Some(scheme);
            parts.host = Some(host.trim_matches(['[', ']'])).filter(|host| !host.is_empty());
            parts.port = port;
            rest
        }
        None => url,
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    parts.path = Some(if path.is_empty() { "/" } else { path });
    parts.query = query;
    parts
}

fn sql_attributes<'a>(sql: &'a Map<'a>, out: &mut Attributes<'a>) {
    if let Some(system) = text(sql, "database_type") {
        out.owned("db.system.name", database_system(system));
    }
    out.str("db.query.text", text(sql, "sanitized_query"));
    out.str("db.user", text(sql, "user"));
    let connection = text(sql, "connection_string").or_else(|| text(sql, "url"));
    out.str("db.connection_string", connection);
    if let Some(url) = text(sql, "url").or(connection).filter(|url| url.contains("://")) {
        let parts = url_parts(url.strip_prefix("jdbc:").unwrap_or(url));
        out.str("server.address", parts.host);
        out.int("server.port", parts.port);
        out.str("db.namespace", parts.path.map(|path| path.trim_start_matches('/')));
    }
    out.json("aws.xray.sql.database_version", sql.get("database_version"));
    out.json("aws.xray.sql.driver_version", sql.get("driver_version"));
    out.str("aws.xray.sql.preparation", text(sql, "preparation"));
}

/// OpenTelemetry's name of a database product; one it does not list keeps its own name in lower case.
fn database_system(database_type: &str) -> String {
    let lower = database_type.to_ascii_lowercase();
    match lower.as_str() {
        "postgres" | "postgresql" => "postgresql",
        "oracle" => "oracle.db",
        "mssql" | "sqlserver" | "sql server" | "microsoft sql server" => "microsoft.sql_server",
        "db2" => "ibm.db2",
        other => other,
    }
    .to_owned()
}

/// Of a subsegment, `aws` is the call that was made; of a segment, what is not said by the resource.
fn aws_attributes<'a>(segment: Segment<'a>, aws: &'a Map<'a>, subsegment: bool, out: &mut Attributes<'a>) {
    if let Some(xray) = aws.get("xray").and_then(Value::as_object) {
        // Python's SDK names it sampling_rule_name, Node's rule_name.
        out.str("aws.xray.sampling_rule_name", text(xray, "sampling_rule_name").or_else(|| text(xray, "rule_name")));
        out.json("aws.xray.auto_instrumentation", xray.get("auto_instrumentation"));
    }
    if subsegment && segment.text("namespace") == Some("aws") {
        out.str("aws.service", segment.text("name"));
        out.str("rpc.system", Some("aws-api"));
        out.str("rpc.service", segment.text("name"));
        out.str("rpc.method", text(aws, "operation"));
    }
    let of_resource = |key: &str| match key {
        "xray" | "cloudwatch_logs" => true,
        "account_id" | "region" => !subsegment,
        _ => PLATFORM_BLOCKS.contains(&key),
    };
    for (key, json) in aws.iter().filter(|(key, _)| !of_resource(key)) {
        if let Some(value) = attribute_value(json) {
            out.0.push(Attribute::new(format!("aws.{key}"), value));
        }
    }
}

fn metadata<'a>(namespace: &str, json: &Value<'_>, out: &mut Attributes<'a>) {
    let value = AttributeValue::Json(json.to_string().into());
    out.0.push(Attribute::new(format!("aws.xray.metadata.{namespace}"), value));
}

/// Annotations under their own names, and the list of the names, which tells them from other attributes.
fn annotation_attributes<'a>(annotations: &'a Map<'a>, out: &mut Attributes<'a>) {
    let keys: Vec<&str> = annotations.iter().filter(|(_, json)| !json.is_null()).map(|(key, _)| key).collect();
    if keys.is_empty() {
        return;
    }
    out.0.push(Attribute::new("aws.xray.annotations", AttributeValue::Json(serde_json::json!(keys).to_string().into())));
    annotations.iter().for_each(|(key, json)| out.json(key, Some(json)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        let check = |url, scheme, host, port, path, query| {
            assert_eq!(url_parts(url), UrlParts { scheme, host, port, path: Some(path), query }, "{url}");
        };
        check("http://a.example:80/b/c?d=e#f", Some("http"), Some("a.example"), Some(80), "/b/c", Some("d=e"));
        check("https://u:p@[::1]:8443?x", Some("https"), Some("::1"), Some(8443), "/", Some("x"));
        check("/cart?id=1", None, None, None, "/cart", Some("id=1"));
        check("http://h:port/", Some("http"), Some("h:port"), None, "/", None);
        check("://", Some(""), None, None, "/", None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_url(text in "\\PC{0,40}|[a-z:/@?#\\[\\]0-9]{0,30}") {
            let _ = url_parts(&text);
        }
    }
}
