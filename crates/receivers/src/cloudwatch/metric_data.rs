//! PutMetricData: what is asked, in any of the three encodings, and its data points.
//!
//! A request is taken whole or not at all, as at AWS. Each datum becomes one data point: a single value is a gauge, a set of
//! statistics or of values a summary; values and how often each was seen are kept, so that percentiles are exact.
//!
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
//! Missing: the storage resolution, since every point keeps its own time; strict validation of entities
//! Quirks:  the service is the entity's `Name`, else the dimension `ServiceName` or `Service`, else the namespace

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use model::{Attribute, DataPoint, DataPointType, Resource, RowSink, Temporality};
use serde_json::Value;

use super::emf::unit;
use crate::aws::AwsError;
use crate::aws_protocol::{Encoding, number, unix_nano};
use crate::incoming::Incoming;

/// Data in one call.
pub const METRIC_DATA_MAX: usize = 1_000;

/// Dimensions of a metric.
pub const DIMENSIONS_MAX: usize = 30;

/// Different values of one datum.
pub const VALUES_MAX: usize = 150;

/// What a value may be, either way.
const VALUE_MAX: f64 = 2.348_542_582_773_833_4e108;

const AGE_NANOS_MAX: i64 = 14 * 24 * 3_600 * 1_000_000_000;
const AHEAD_NANOS_MAX: i64 = 2 * 3_600 * 1_000_000_000;

/// The attribute that tells a metric's namespace.
pub const NAMESPACE: &str = "aws.cloudwatch.namespace";

/// The attribute that tells which dimensions a metric has: a JSON object in the order of names.
pub const DIMENSIONS: &str = "aws.cloudwatch.dimensions";

/// A request that may be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct PutMetricData {
    pub namespace: String,
    data: Vec<Datum>,
}

#[derive(Clone, Debug, PartialEq)]
struct Datum {
    name: String,
    /// In the order of names.
    dimensions: BTreeMap<String, String>,
    time_unix_nano: i64,
    unit: String,
    measured: Measured,
    entity: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Measured {
    Value(f64),
    Statistics {
        count: f64,
        sum: f64,
        min: f64,
        max: f64,
    },
    /// Values, and how often each was seen.
    Values(Vec<(f64, f64)>),
}

/// Reads and checks a request; `received_at` is now.
pub fn parse(encoding: Encoding, body: &[u8], received_at_unix_nano: i64) -> Result<PutMetricData, AwsError> {
    let request = encoding.read(body)?;
    let namespace = text(&request, "Namespace").filter(|text| !text.is_empty()).ok_or_else(|| missing("Namespace"))?;
    if namespace.starts_with("AWS/") || namespace.starts_with(':') || namespace.len() > 255 {
        return Err(invalid(format!("The value {namespace} for parameter Namespace is invalid.")));
    }
    let mut data = Vec::new();
    let plain = request["MetricData"].as_array();
    for (index, datum) in plain.into_iter().flatten().enumerate() {
        data.push(read(datum, &format!("MetricData.member.{}", index + 1), BTreeMap::new(), received_at_unix_nano)?);
    }
    let with_entity = request["EntityMetricData"].as_array();
    for (at, group) in with_entity.into_iter().flatten().enumerate() {
        let entity = entity(&group["Entity"]);
        for (index, datum) in group["MetricData"].as_array().into_iter().flatten().enumerate() {
            let path = format!("EntityMetricData.member.{}.MetricData.member.{}", at + 1, index + 1);
            data.push(read(datum, &path, entity.clone(), received_at_unix_nano)?);
        }
    }
    if plain.is_none() && with_entity.is_none() {
        return Err(missing("MetricData"));
    }
    if data.len() > METRIC_DATA_MAX {
        return Err(invalid(format!("The collection MetricData must not have a size greater than {METRIC_DATA_MAX}.")));
    }
    Ok(PutMetricData { namespace: namespace.to_owned(), data })
}

fn read(datum: &Value, path: &str, entity: BTreeMap<String, String>, now_unix_nano: i64) -> Result<Datum, AwsError> {
    let name = text(datum, "MetricName").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| missing(&format!("{path}.MetricName")))?;
    if name.len() > 255 {
        return Err(invalid(format!("The value {name} for parameter {path}.MetricName is invalid.")));
    }
    let told = &datum["Timestamp"];
    let time_unix_nano = match unix_nano(told) {
        Some(time) => time,
        None if told.is_null() || told.as_str() == Some("") => now_unix_nano,
        None => return Err(invalid(format!("The value {told} for parameter {path}.Timestamp is invalid."))),
    };
    if time_unix_nano < now_unix_nano - AGE_NANOS_MAX {
        return Err(invalid(format!("The parameter {path}.Timestamp must specify a time no more than two weeks in the past.")));
    }
    if time_unix_nano > now_unix_nano + AHEAD_NANOS_MAX {
        return Err(invalid(format!("The parameter {path}.Timestamp must specify a time no more than two hours in the future.")));
    }
    Ok(Datum {
        name: name.to_owned(),
        dimensions: dimensions(datum, path)?,
        time_unix_nano,
        unit: known_unit(datum, path)?,
        measured: measured(datum, path)?,
        entity,
    })
}

fn dimensions(datum: &Value, path: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let mut out = BTreeMap::new();
    let sent = datum["Dimensions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sent.len() > DIMENSIONS_MAX {
        return Err(invalid(format!("The collection {path}.Dimensions must not have a size greater than {DIMENSIONS_MAX}.")));
    }
    for (index, dimension) in sent.iter().enumerate() {
        let of = |member: &str, chars_max: usize| {
            let path = format!("{path}.Dimensions.member.{}.{member}", index + 1);
            match text(dimension, member) {
                None => Err(missing(&path)),
                Some(value) if value.trim().is_empty() || value.chars().count() > chars_max => {
                    Err(invalid(format!("The parameter {path} must be between 1 and {chars_max} characters.")))
                }
                Some(value) => Ok(value.to_owned()),
            }
        };
        let (name, value) = (of("Name", 255)?, of("Value", 1_024)?);
        if name.starts_with(':') {
            return Err(invalid(format!(
                "The value {name} for parameter {path}.Dimensions.member.{}.Name is invalid.",
                index + 1
            )));
        }
        if out.insert(name.clone(), value).is_some() {
            return Err(invalid(format!("The dimension {name} is in {path} more than once.")));
        }
    }
    Ok(out)
}

/// CloudWatch's units, in the service's order.
pub const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// CloudWatch's word for a unit as it is kept: the inverse of [`unit`].
pub fn cloudwatch_unit(kept: &str) -> &str {
    UNITS.into_iter().find(|word| unit(word) == kept).unwrap_or(kept)
}

fn known_unit(datum: &Value, path: &str) -> Result<String, AwsError> {
    let Some(told) = text(datum, "Unit").filter(|unit| !unit.is_empty()) else { return Ok("None".to_owned()) };
    if UNITS.contains(&told) {
        return Ok(told.to_owned());
    }
    Err(invalid(format!("The value {told} for parameter {path}.Unit is invalid.")))
}

fn measured(datum: &Value, path: &str) -> Result<Measured, AwsError> {
    let is_there = |member: &str| !datum[member].is_null();
    let (has_value, has_values, has_set) = (is_there("Value"), is_there("Values"), is_there("StatisticValues"));
    for (first, second, both) in [
        ("Value", "Values", has_value && has_values),
        ("Value", "StatisticValues", has_value && has_set),
        ("Values", "StatisticValues", has_values && has_set),
    ] {
        if both {
            let message =
                format!("The parameters {path}.{first} and {path}.{second} are mutually exclusive and you have specified both.");
            return Err(AwsError::new("InvalidParameterCombinationException", message));
        }
    }
    if has_value {
        return Ok(Measured::Value(finite(&datum["Value"], &format!("{path}.Value"))?));
    }
    if has_set {
        let of = |member: &str| {
            let path = format!("{path}.StatisticValues.{member}");
            match &datum["StatisticValues"][member] {
                Value::Null => Err(missing(&path)),
                value => finite(value, &path),
            }
        };
        let (count, sum, min, max) = (of("SampleCount")?, of("Sum")?, of("Minimum")?, of("Maximum")?);
        if count <= 0.0 || min > max {
            let message = format!("The parameter {path}.StatisticValues must have a SampleCount above 0 and Minimum <= Maximum.");
            return Err(invalid(message));
        }
        return Ok(Measured::Statistics { count, sum, min, max });
    }
    let values = datum["Values"].as_array().map(Vec::as_slice).unwrap_or_default();
    if values.is_empty() {
        let message =
            format!("At least one of the parameters {path}.Value, {path}.Values and {path}.StatisticValues is required.");
        return Err(AwsError::new("MissingRequiredParameterException", message));
    }
    if values.len() > VALUES_MAX {
        return Err(invalid(format!("The collection {path}.Values must not have a size greater than {VALUES_MAX}.")));
    }
    let counts = datum["Counts"].as_array().map(Vec::as_slice);
    if counts.is_some_and(|counts| counts.len() != values.len()) {
        return Err(invalid(format!("The parameters {path}.Values and {path}.Counts must be of the same size.")));
    }
    let mut out = Vec::with_capacity(values.len());
    for (index, value) in values.iter().enumerate() {
        let count = match counts {
            None => 1.0,
            Some(counts) => finite(&counts[index], &format!("{path}.Counts.member.{}", index + 1))?,
        };
        if count < 0.0 {
            return Err(invalid(format!("The value {count} for parameter {path}.Counts.member.{} is invalid.", index + 1)));
        }
        out.push((finite(value, &format!("{path}.Values.member.{}", index + 1))?, count));
    }
    out.retain(|(_, count)| *count > 0.0);
    Ok(Measured::Values(out))
}

fn finite(value: &Value, path: &str) -> Result<f64, AwsError> {
    let found = number(value).filter(|number| number.is_finite() && number.abs() <= VALUE_MAX);
    found.ok_or_else(|| {
        let told = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        invalid(format!("The value {told} for parameter {path} is invalid."))
    })
}

fn text<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value[member].as_str()
}

fn entity(value: &Value) -> BTreeMap<String, String> {
    let maps = ["KeyAttributes", "Attributes"].into_iter().filter_map(|member| value[member].as_object());
    maps.flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn missing(path: &str) -> AwsError {
    AwsError::new("MissingRequiredParameterException", format!("The parameter {path} is required."))
}

fn invalid(message: String) -> AwsError {
    AwsError::new("InvalidParameterValueException", message)
}

impl PutMetricData {
    pub fn push(&self, incoming: &Incoming<'_>, sink: &mut dyn RowSink) {
        let mut before: Option<(&str, &BTreeMap<String, String>)> = None;
        for datum in &self.data {
            let from = (self.service_of(datum), &datum.entity);
            if before != Some(from) {
                let attributes = resource_attributes(from.0, from.1, incoming);
                sink.resource(&Resource { attributes: &attributes, schema_url: "" });
                before = Some(from);
            }
            datum.push(&self.namespace, sink);
        }
    }

    fn service_of<'d>(&'d self, datum: &'d Datum) -> &'d str {
        let named =
            datum.entity.get("Name").or_else(|| ["ServiceName", "Service"].iter().find_map(|name| datum.dimensions.get(*name)));
        named.map(String::as_str).filter(|name| !name.trim().is_empty()).unwrap_or(&self.namespace)
    }
}

fn resource_attributes<'a>(
    service_name: &'a str,
    entity: &'a BTreeMap<String, String>,
    incoming: &Incoming<'a>,
) -> Vec<Attribute<'a>> {
    let mut out = vec![Attribute::str("service.name", service_name)];
    if let Some(environment) = entity.get("Environment") {
        out.push(Attribute::str("deployment.environment.name", environment.as_str()));
    }
    for (header, key) in [("x-cupola-region", "cloud.region"), ("x-cupola-account", "cloud.account.id")] {
        out.extend(incoming.headers.get(header).map(|value| Attribute::str(key, value)));
    }
    out.extend(entity.iter().map(|(key, value)| Attribute::new(format!("aws.entity.{key}"), model::Value::str(value))));
    out
}

impl Datum {
    fn push(&self, namespace: &str, sink: &mut dyn RowSink) {
        let attributes = attributes(namespace, &self.dimensions);
        let mut point = point(&self.name, &self.unit, self.time_unix_nano, &attributes);
        match &self.measured {
            Measured::Value(value) => point.value = Some(*value),
            Measured::Statistics { count, sum, min, max } => {
                point.r#type = DataPointType::Summary;
                point.count = Some(count.round().max(1.0) as u64);
                (point.sum, point.min, point.max) = (Some(*sum), Some(*min), Some(*max));
            }
            Measured::Values(values) => summarise(&mut point, values),
        }
        sink.data_point(&point);
    }
}

/// The attributes of a metric: its namespace, its dimensions by their names, and which of them are dimensions.
pub fn attributes<'a>(namespace: &'a str, dimensions: &'a BTreeMap<String, String>) -> Vec<Attribute<'a>> {
    let mut out = vec![Attribute::str(NAMESPACE, namespace), Attribute::str(DIMENSIONS, canonical(dimensions))];
    out.extend(dimensions.iter().map(|(name, value)| Attribute::str(name.as_str(), value.as_str())));
    out
}

/// Dimensions as one text, the same however they were ordered.
pub fn canonical(dimensions: &BTreeMap<String, String>) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in dimensions.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        model::json_string(name, &mut out);
        out.push(':');
        model::json_string(value, &mut out);
    }
    out.push('}');
    out
}

/// A gauge without its value; `cloudwatch_unit` is one of [`UNITS`].
pub fn point<'a>(
    metric: &'a str,
    cloudwatch_unit: &'a str,
    time_unix_nano: i64,
    attributes: &'a [Attribute<'a>],
) -> DataPoint<'a> {
    DataPoint {
        metric,
        description: "",
        unit: unit(cloudwatch_unit),
        r#type: DataPointType::Gauge,
        temporality: Temporality::Unspecified,
        is_monotonic: false,
        start_time_unix_nano: 0,
        time_unix_nano,
        flags: 0,
        value: None,
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: Cow::Borrowed(""),
        exemplars: Cow::Borrowed(""),
        attributes,
    }
}

/// Makes a point the summary of values and how often each was seen.
pub fn summarise(point: &mut DataPoint<'_>, values: &[(f64, f64)]) {
    let count: f64 = values.iter().map(|(_, count)| count).sum();
    point.r#type = DataPointType::Summary;
    point.count = Some(count.round() as u64);
    point.sum = Some(values.iter().map(|(value, count)| value * count).sum());
    point.min = values.iter().map(|(value, _)| *value).reduce(f64::min);
    point.max = values.iter().map(|(value, _)| *value).reduce(f64::max);
    let mut buckets = String::from("{\"values\":[");
    for (index, (value, _)) in values.iter().enumerate() {
        let _ = write!(buckets, "{}{value}", if index > 0 { "," } else { "" });
    }
    buckets.push_str("],\"counts\":[");
    for (index, (_, count)) in values.iter().enumerate() {
        let _ = write!(buckets, "{}{count}", if index > 0 { "," } else { "" });
    }
    buckets.push_str("]}");
    point.buckets = Cow::Owned(buckets);
}
