//! What a node is called: the type of a service, and the name and type of a callee that sent nothing.
//!
//! A span that X-Ray's SDK sent already bears the callee's name. For others the order is that of the collector's X-Ray
//! exporter: `exporter/awsxrayexporter/internal/translator/segment.go` in open-telemetry/opentelemetry-collector-contrib.

use std::borrow::Cow;

/// The attributes by which callees are named, in the order in which [`remote`] takes their values.
pub const REMOTE_ATTRIBUTES: [&str; 30] = [
    "aws.xray.namespace",
    "aws.remote.service",
    "peer.service",
    "aws.service",
    "rpc.system",
    "rpc.service",
    "db.system.name",
    "db.system",
    "db.namespace",
    "db.name",
    "server.address",
    "net.peer.name",
    "http.host",
    "messaging.system",
    "messaging.destination.name",
    "messaging.destination",
    "aws.table_name",
    "aws.dynamodb.table_names",
    "aws.queue_url",
    "aws.sqs.queue.url",
    "aws.bucket_name",
    "aws.s3.bucket",
    "aws.topic_arn",
    "aws.sns.topic.arn",
    "aws.function_name",
    "faas.invoked_name",
    "aws.stream_name",
    "aws.kinesis.stream_name",
    "rpc.system.name",
    "service.peer.name",
];

/// The attributes by which a service's own type is told, in the order in which [`service_type`] takes their values.
pub const TYPE_ATTRIBUTES: [&str; 3] = ["aws.xray.origin", "cloud.platform", "aws.ecs.launchtype"];

/// The type of the node in front of an entry service.
pub const CLIENT_TYPE: &str = "client";

/// The type of a callee that is known by its host alone.
pub const REMOTE_TYPE: &str = "remote";

/// The type of every SQL database.
pub const SQL_TYPE: &str = "Database::SQL";

/// What a callee is called; `None` for the name is the span's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote<'a> {
    pub name: Option<Cow<'a, str>>,
    pub node_type: Cow<'static, str>,
}

/// The node that a caller's span calls, by the values of [`REMOTE_ATTRIBUTES`]; empty ones are absent.
pub fn remote<'a>(values: &[&'a str; REMOTE_ATTRIBUTES.len()]) -> Remote<'a> {
    let first = |keys: &[&str]| keys.iter().find_map(|key| value(values, key));
    let namespace = value(values, "aws.xray.namespace");
    let own_name = namespace.is_some();
    let system = first(&["db.system.name", "db.system"]);
    let service = first(&["aws.service", "rpc.service"]);
    let is_aws = namespace == Some("aws")
        || first(&["rpc.system", "rpc.system.name"]) == Some("aws-api")
        || (service.is_some() && value(values, "aws.service").is_some())
        || matches!(system, Some("dynamodb" | "aws.dynamodb"));
    if is_aws {
        let service = service.or(first(&["aws.remote.service", "peer.service"]));
        return aws(service.or(system.map(|_| "DynamoDB")), &first);
    }
    if let Some(system) = system {
        let name = if own_name { None } else { Some(database_name(system, &first)) };
        return Remote { name, node_type: database_type(system) };
    }
    let named = first(&["aws.remote.service", "service.peer.name", "peer.service"]);
    if let Some(system) = value(values, "messaging.system") {
        let node_type = messaging_type(system);
        let name = named.or(first(&["messaging.destination.name", "messaging.destination"])).unwrap_or(system);
        return Remote { name: Some(name.into()), node_type };
    }
    let host = named.or(service).or(first(&["server.address", "http.host", "net.peer.name"]));
    let name = if own_name { None } else { host.map(Cow::from) };
    Remote { name, node_type: REMOTE_TYPE.into() }
}

fn value<'a>(values: &[&'a str; REMOTE_ATTRIBUTES.len()], key: &str) -> Option<&'a str> {
    let at = REMOTE_ATTRIBUTES.iter().position(|attribute| *attribute == key)?;
    Some(values[at]).filter(|value| !value.is_empty())
}

/// The kinds of resources that are nodes of their own: the service, the attributes that name it, the type.
const AWS_RESOURCES: [(&str, [&str; 2], &str); 6] = [
    ("dynamodb", ["aws.table_name", "aws.dynamodb.table_names"], "AWS::DynamoDB::Table"),
    ("sqs", ["aws.queue_url", "aws.sqs.queue.url"], "AWS::SQS::Queue"),
    ("s3", ["aws.bucket_name", "aws.s3.bucket"], "AWS::S3::Bucket"),
    ("sns", ["aws.topic_arn", "aws.sns.topic.arn"], "AWS::SNS::Topic"),
    ("lambda", ["aws.function_name", "faas.invoked_name"], "AWS::Lambda::Function"),
    ("kinesis", ["aws.stream_name", "aws.kinesis.stream_name"], "AWS::Kinesis::Stream"),
];

fn aws<'a>(service: Option<&'a str>, first: &impl Fn(&[&str]) -> Option<&'a str>) -> Remote<'a> {
    let Some(service) = service else { return Remote { name: None, node_type: REMOTE_TYPE.into() } };
    let plain = service.trim_start_matches("AWS::").trim_start_matches("Amazon").trim_start_matches("AWS");
    let plain = if plain.is_empty() { service } else { plain };
    let known = AWS_RESOURCES.iter().find(|(name, _, _)| name.eq_ignore_ascii_case(plain));
    if let Some((_, keys, node_type)) = known
        && let Some(resource) = first(keys)
    {
        return Remote { name: Some(resource_name(resource).into()), node_type: (*node_type).into() };
    }
    Remote { name: Some(plain.into()), node_type: format!("AWS::{plain}").into() }
}

/// The name at the end of a queue's address or an ARN, or the first of a list in JSON.
fn resource_name(resource: &str) -> &str {
    let first = match resource.strip_prefix("[\"") {
        Some(list) => list.split('"').next().unwrap_or(resource),
        None => resource,
    };
    if first.starts_with("arn:") {
        return first.rsplit(':').next().filter(|name| !name.is_empty()).unwrap_or(first);
    }
    match first.contains("://") {
        true => first.trim_end_matches('/').rsplit('/').next().unwrap_or(first),
        false => first,
    }
}

fn database_name<'a>(system: &'a str, first: &impl Fn(&[&str]) -> Option<&'a str>) -> Cow<'a, str> {
    if let Some(named) = first(&["aws.remote.service", "service.peer.name", "peer.service"]) {
        return named.into();
    }
    match (first(&["db.namespace", "db.name"]), first(&["server.address", "net.peer.name"])) {
        (Some(name), Some(host)) => format!("{name}@{host}").into(),
        (Some(name), None) | (None, Some(name)) => name.into(),
        (None, None) => system.into(),
    }
}

/// Systems that speak SQL, as OpenTelemetry names them now and did before.
const SQL_SYSTEMS: [&str; 27] = [
    "aws.redshift",
    "clickhouse",
    "cockroachdb",
    "db2",
    "derby",
    "firebirdsql",
    "gcp.spanner",
    "h2",
    "h2database",
    "hive",
    "hsqldb",
    "ibm.db2",
    "mariadb",
    "microsoft.sql_server",
    "mssql",
    "mysql",
    "oracle",
    "oracle.db",
    "other_sql",
    "postgresql",
    "redshift",
    "sap.hana",
    "snowflake",
    "sqlite",
    "teradata",
    "trino",
    "vertica",
];

fn database_type(system: &str) -> Cow<'static, str> {
    match SQL_SYSTEMS.contains(&system) {
        true => SQL_TYPE.into(),
        false => format!("Database::{system}").into(),
    }
}

fn messaging_type(system: &str) -> Cow<'static, str> {
    match system {
        "aws_sqs" | "AmazonSQS" => "AWS::SQS::Queue".into(),
        "aws.sns" | "aws_sns" => "AWS::SNS::Topic".into(),
        other => format!("Queue::{other}").into(),
    }
}

/// The type of a service's node, by the values of [`TYPE_ATTRIBUTES`]; empty when nothing says.
pub fn service_type<'a>(values: &[&'a str; TYPE_ATTRIBUTES.len()]) -> &'a str {
    let [origin, platform, launch_type] = *values;
    match platform {
        _ if !origin.is_empty() => origin,
        "aws_ecs" if launch_type.eq_ignore_ascii_case("ec2") => "AWS::ECS::EC2",
        "aws_ecs" if launch_type.eq_ignore_ascii_case("fargate") => "AWS::ECS::Fargate",
        "aws_ecs" => "AWS::ECS::Container",
        "aws_eks" => "AWS::EKS::Container",
        "aws_ec2" => "AWS::EC2::Instance",
        "aws_elastic_beanstalk" => "AWS::ElasticBeanstalk::Environment",
        "aws_app_runner" => "AWS::AppRunner::Service",
        "aws_lambda" => "AWS::Lambda::Function",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(told: &[(&str, &str)], name: Option<&str>, node_type: &str) {
        let mut values = [""; REMOTE_ATTRIBUTES.len()];
        for (key, value) in told {
            values[REMOTE_ATTRIBUTES.iter().position(|attribute| attribute == key).unwrap()] = value;
        }
        let remote = remote(&values);
        assert_eq!((remote.name.as_deref(), remote.node_type.as_ref()), (name, node_type), "{told:?}");
    }

    #[test]
    fn callees_have_names_and_types() {
        let aws = ("rpc.system", "aws-api");
        check(&[aws, ("rpc.service", "DynamoDB"), ("aws.table_name", "carts")], Some("carts"), "AWS::DynamoDB::Table");
        check(&[("db.system", "dynamodb"), ("aws.dynamodb.table_names", r#"["carts"]"#)], Some("carts"), "AWS::DynamoDB::Table");
        let queue = ("aws.queue_url", "https://sqs.eu-west-1.amazonaws.com/1234/jobs");
        check(&[aws, ("aws.service", "SQS"), queue], Some("jobs"), "AWS::SQS::Queue");
        check(&[aws, ("aws.service", "sns"), ("aws.topic_arn", "arn:aws:sns:eu:1:news")], Some("news"), "AWS::SNS::Topic");
        check(&[("aws.xray.namespace", "aws"), ("aws.service", "STS")], Some("STS"), "AWS::STS");
        check(&[("aws.xray.namespace", "aws"), ("aws.service", "AmazonKinesis")], Some("Kinesis"), "AWS::Kinesis");
        check(&[("aws.xray.namespace", "remote"), ("server.address", "pay.example")], None, "remote");
        check(&[("aws.xray.namespace", "remote"), ("db.system.name", "postgresql")], None, "Database::SQL");
        check(&[("db.system", "mysql"), ("db.name", "shop"), ("server.address", "db1")], Some("shop@db1"), "Database::SQL");
        check(&[("db.system.name", "redis"), ("server.address", "cache")], Some("cache"), "Database::redis");
        check(&[("messaging.system", "kafka"), ("messaging.destination.name", "orders")], Some("orders"), "Queue::kafka");
        check(&[("peer.service", "billing"), ("server.address", "10.0.0.1")], Some("billing"), "remote");
        check(&[("http.host", "pay.example")], Some("pay.example"), "remote");
        check(&[], None, "remote");
    }

    #[test]
    fn services_have_types() {
        assert_eq!(service_type(&["AWS::ECS::Container", "aws_ec2", ""]), "AWS::ECS::Container");
        assert_eq!(service_type(&["", "aws_ecs", "FARGATE"]), "AWS::ECS::Fargate");
        assert_eq!(service_type(&["", "gcp_cloud_run", ""]), "");
    }
}
