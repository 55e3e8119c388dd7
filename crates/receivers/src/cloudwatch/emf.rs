//! The embedded metric format: a log event that is one JSON object and says which of its members are metrics.
//!
//! The log record is kept as well, which links the metric to the event it was measured in.
//!
//! Spec: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::collections::BTreeMap;

use model::{Attribute, Refusal, RowSink, Signal};

use super::metric_data;
use crate::aws::integer;
use crate::json_tree::{Map, Value};

/// Directives of one event that are read.
const DIRECTIVES_MAX: usize = 16;

/// Metrics of one directive; the specification's own bound.
const METRICS_PER_DIRECTIVE_MAX: usize = 100;

/// Sets of dimensions of one directive. Each set makes a series of its own of every metric.
const DIMENSION_SETS_MAX: usize = 30;

/// Dimensions of one set; the specification's own bound.
const DIMENSIONS_PER_SET_MAX: usize = 30;

/// Values of one metric in one event; the specification's own bound.
const VALUES_MAX: usize = 100;

/// Data points of one call. A megabyte of real events makes some ten thousand; a small event can name thousands.
pub const DATA_POINTS_PER_CALL_MAX: usize = 100_000;

/// The member that makes an event one of this format.
pub const METADATA_MEMBER: &str = "_aws";

/// Pushes one data point per metric and set of dimensions; a list of values is a summary of them.
///
/// Times: `Timestamp` in milliseconds, else the event's own. Passes over: metrics whose value is not a number.
/// Refuses: data points past `left`, which is what the call may still push.
pub fn push_metrics(event: &Map<'_>, time_unix_nano: i64, left: &mut usize, sink: &mut dyn RowSink) {
    let Some(metadata) = event.get(METADATA_MEMBER).and_then(Value::as_object) else { return };
    let told = metadata.get("Timestamp").and_then(integer).and_then(|ms| ms.checked_mul(1_000_000));
    let time_unix_nano = told.filter(|time| *time > 0).unwrap_or(time_unix_nano);
    for directive in list(metadata, "CloudWatchMetrics").take(DIRECTIVES_MAX).filter_map(Value::as_object) {
        let namespace = directive.get("Namespace").and_then(Value::as_str).unwrap_or_default();
        for dimensions in dimension_sets(directive) {
            let dimensions = dimensions_of(event, dimensions);
            let attributes = metric_data::attributes(namespace, &dimensions);
            for metric in list(directive, "Metrics").take(METRICS_PER_DIRECTIVE_MAX).filter_map(Value::as_object) {
                match left.checked_sub(1) {
                    Some(fewer) => *left = fewer,
                    None => return sink.refuse(Refusal::one(Signal::Metrics, TOO_MANY)),
                }
                push_metric(event, metric, &attributes, time_unix_nano, sink);
            }
        }
    }
}

const TOO_MANY: &str = "embedded metrics make more data points than one call may have; the rest of this event's are left out";

fn list<'a>(map: &'a Map<'a>, member: &str) -> impl Iterator<Item = &'a Value<'a>> + use<'a> {
    map.get(member).and_then(Value::as_array).map_or(&[][..], Vec::as_slice).iter()
}

/// The sets of dimensions; without any, one empty set.
fn dimension_sets<'a>(directive: &'a Map<'a>) -> Vec<&'a [Value<'a>]> {
    let sets = list(directive, "Dimensions").take(DIMENSION_SETS_MAX).filter_map(Value::as_array);
    let sets: Vec<&'a [Value<'a>]> = sets.map(|set| &set[..set.len().min(DIMENSIONS_PER_SET_MAX)]).collect();
    if sets.is_empty() { vec![&[]] } else { sets }
}

/// Dimensions are root members with a value; those that are not there make no dimension.
fn dimensions_of(event: &Map<'_>, names: &[Value<'_>]) -> BTreeMap<String, String> {
    let of = |name: &str| Some((name.to_owned(), event.get(name).and_then(crate::aws::attribute_value)?.to_text().into_owned()));
    names.iter().filter_map(Value::as_str).filter_map(of).collect()
}

fn push_metric(event: &Map<'_>, metric: &Map<'_>, attributes: &[Attribute<'_>], time_unix_nano: i64, sink: &mut dyn RowSink) {
    let text = |member: &str| metric.get(member).and_then(Value::as_str).unwrap_or_default();
    let mut point = metric_data::point(text("Name"), text("Unit"), time_unix_nano, attributes);
    match event.get(point.metric).filter(|_| !point.metric.is_empty()) {
        Some(Value::Number(number)) => {
            point.value = number.as_f64();
            sink.data_point(&point);
        }
        Some(Value::Array(values)) => {
            let values: Vec<(f64, f64)> =
                values.iter().take(VALUES_MAX).filter_map(Value::as_f64).map(|value| (value, 1.0)).collect();
            if !values.is_empty() {
                metric_data::summarise(&mut point, &values);
                sink.data_point(&point);
            }
        }
        _ => {}
    }
}

/// CloudWatch's unit as OpenTelemetry writes it; one without such a form keeps its own word.
pub fn unit(cloudwatch: &str) -> &str {
    match cloudwatch {
        "Seconds" => "s",
        "Milliseconds" => "ms",
        "Microseconds" => "us",
        "Bytes" => "By",
        "Kilobytes" => "kBy",
        "Megabytes" => "MBy",
        "Gigabytes" => "GBy",
        "Bytes/Second" => "By/s",
        "Count" => "1",
        "Count/Second" => "1/s",
        "Percent" => "%",
        "None" => "",
        other => other,
    }
}
