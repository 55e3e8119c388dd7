//! Metric filters at work: what their patterns find in the events of a call becomes data points, kept in one write with them.
//!
//! Values of one minute are put together, with how often each was found. A default value stands for a minute in which events
//! came and none matched: that is known when the minute is over, so it is told on the clock, and the minutes that a stop
//! interrupts have none.
//!
//! Missing: `fieldSelectionCriteria` is kept and not acted upon
//! Quirks:  an event without one of the dimensions, or without a number for a value, makes no metric

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use languages::filter_pattern::{self, Extracted, Pattern};
use parking_lot::Mutex;
use receivers::aws::AwsError;
use receivers::cloudwatch::PUT_METRIC_DATA;
use receivers::cloudwatch::made_metrics::MadeMetric;
use receivers::{Headers, Incoming};
use serde_json::{Value, json};

use super::metric_filters::METRIC_FILTER;
use super::resources::{Stored, of_group};
use super::service_groups::service_of;
use super::transform::transform;
use super::{LogsApi, unavailable};
use crate::Services;
use crate::alerting::{EvaluationError, Evaluator};
use crate::limits::{MADE_METRICS_MAX, METRIC_FILTER_LOOK, QUIET_MINUTE_SETTLE, QUIET_MINUTES_MAX};

const MINUTE_MS: i64 = 60_000;

/// A line as it is told: when it happened, and its text with what is protected in it masked.
pub type Line<'e> = (i64, Cow<'e, str>);

/// A metric filter, ready to be used.
pub struct Filter {
    name: String,
    pattern: Pattern,
    transformations: Vec<Transformation>,
    /// Of the group's transformer, where the filter is for what it makes of lines.
    processors: Vec<Value>,
    /// Dimensions that every metric has.
    system: BTreeMap<String, String>,
}

struct Transformation {
    namespace: String,
    name: String,
    unit: String,
    /// A number, or what it is to be read from.
    value: String,
    dimensions: BTreeMap<String, String>,
    default: Option<f64>,
}

/// What filters found in the events of a call.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    pub metrics: Vec<MadeMetric>,
    minutes: Vec<(MinuteOf, MinuteSeen)>,
}

/// A minute of one metric with a default value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct MinuteOf {
    filter: String,
    metric: usize,
    start_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
struct MinuteSeen {
    has_match: bool,
    /// The metric with its default value.
    default: MadeMetric,
}

impl LogsApi<'_> {
    /// The metric filters of a group.
    pub(super) async fn filters_at_work(&self, group: &str) -> Result<Vec<Filter>, AwsError> {
        let stored = self.all(METRIC_FILTER, Some(&of_group(group))).await?;
        let processors = if stored.iter().any(is_for_transformed) { self.processors_of(group).await? } else { Vec::new() };
        let system = |name: &str| match name {
            "@aws.account" => Some(self.services.settings.account_id.clone()),
            "@aws.region" => Some(self.call.region.clone()),
            _ => None,
        };
        stored.iter().map(|each| filter(each, &processors, &system)).collect()
    }
}

fn is_for_transformed(filter: &Stored) -> bool {
    filter.document.get("applyOnTransformedLogs").and_then(Value::as_bool).unwrap_or(false)
}

fn filter(stored: &Stored, processors: &[Value], system: &dyn Fn(&str) -> Option<String>) -> Result<Filter, AwsError> {
    let list = |member: &str| stored.document.get(member).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let transformations = list("metricTransformations").map(|each| Transformation {
        namespace: text(&each["metricNamespace"]),
        name: text(&each["metricName"]),
        unit: each["unit"].as_str().unwrap_or("None").to_owned(),
        value: text(&each["metricValue"]),
        dimensions: each["dimensions"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, from)| Some((name.clone(), from.as_str()?.to_owned())))
            .collect(),
        default: each["defaultValue"].as_f64(),
    });
    let emitted = list("emitSystemFieldDimensions").filter_map(Value::as_str);
    Ok(Filter {
        name: stored.name.clone(),
        pattern: filter_pattern::parse(stored.text("filterPattern")).map_err(|error| unavailable(error.service_message()))?,
        transformations: transformations.collect(),
        processors: if is_for_transformed(stored) { processors.to_vec() } else { Vec::new() },
        system: emitted.filter_map(|name| Some((name.to_owned(), system(name)?))).collect(),
    })
}

/// What filters find in lines: a metric for each minute and set of dimensions, in the order of filters.
pub fn find(filters: &[Filter], lines: &[Line<'_>]) -> Found {
    let mut found = Found::default();
    for filter in filters {
        filter.find(lines, &mut found);
    }
    if found.metrics.len() > MADE_METRICS_MAX {
        let lost = found.metrics.len() - MADE_METRICS_MAX;
        tracing::warn!(lost, "metric filters found more metrics in one call than it may have; the rest is left out");
        found.metrics.truncate(MADE_METRICS_MAX);
    }
    found
}

/// First event, and how often each value was found, by its bits.
type Values = (i64, BTreeMap<u64, f64>);

impl Filter {
    fn find(&self, lines: &[Line<'_>], found: &mut Found) {
        let mut made: BTreeMap<(usize, i64, BTreeMap<String, String>), Values> = BTreeMap::new();
        let mut minutes: BTreeMap<i64, bool> = BTreeMap::new();
        for (timestamp_ms, message) in lines {
            let minute = timestamp_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
            let extracted = self.pattern.matches(&self.text(message));
            *minutes.entry(minute).or_default() |= extracted.is_some();
            let Some(extracted) = extracted else { continue };
            for (metric, transformation) in self.transformations.iter().enumerate() {
                let Some((value, mut dimensions)) = transformation.read(&extracted) else { continue };
                dimensions.extend(self.system.clone());
                let (_, values) = made.entry((metric, minute, dimensions)).or_insert_with(|| (*timestamp_ms, BTreeMap::new()));
                *values.entry(value.to_bits()).or_default() += 1.0;
            }
        }
        found.metrics.extend(made.into_iter().map(|((metric, _, dimensions), (timestamp_ms, values))| {
            let values = values.into_iter().map(|(bits, count)| (f64::from_bits(bits), count)).collect();
            self.transformations[metric].metric(dimensions, timestamp_ms, values)
        }));
        for (metric, transformation) in self.transformations.iter().enumerate() {
            let Some(default) = transformation.default else { continue };
            for (start_ms, has_match) in &minutes {
                let default = transformation.metric(self.system.clone(), *start_ms, vec![(default, 1.0)]);
                let minute = MinuteOf { filter: self.name.clone(), metric, start_ms: *start_ms };
                found.minutes.push((minute, MinuteSeen { has_match: *has_match, default }));
            }
        }
    }

    fn text<'l>(&self, message: &'l str) -> Cow<'l, str> {
        if self.processors.is_empty() {
            return Cow::Borrowed(message);
        }
        // What a transformer cannot do leaves the line as it is.
        transform(&self.processors, message).map_or(Cow::Borrowed(message), |document| Cow::Owned(document.to_string()))
    }
}

impl Transformation {
    fn read(&self, extracted: &Extracted) -> Option<(f64, BTreeMap<String, String>)> {
        let text = if self.value.starts_with('$') { extracted.get(&self.value)? } else { self.value.clone() };
        let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
        let of = |(name, from): (&String, &String)| {
            let value = extracted.get(from).filter(|value| !value.trim().is_empty())?;
            Some((name.clone(), value.chars().take(DIMENSION_CHARS_MAX).collect()))
        };
        Some((value, self.dimensions.iter().map(of).collect::<Option<_>>()?))
    }

    fn metric(&self, dimensions: BTreeMap<String, String>, timestamp_ms: i64, values: Vec<(f64, f64)>) -> MadeMetric {
        MadeMetric {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            unit: self.unit.clone(),
            dimensions,
            timestamp_ms,
            values,
        }
    }
}

/// Of the value of a dimension; AWS's bound.
const DIMENSION_CHARS_MAX: usize = 1_024;

/// Minutes in which events of groups came, until it is known whether any matched.
#[derive(Default)]
pub struct QuietMinutes(Mutex<HashMap<(String, MinuteOf), Waiting>>);

struct Waiting {
    seen: MinuteSeen,
    /// When its last event came.
    arrived_unix_nano: i64,
}

impl QuietMinutes {
    /// Notes what a call brought, once it is kept.
    pub fn note(&self, group: &str, found: Found, now_unix_nano: i64) {
        if found.minutes.is_empty() {
            return;
        }
        let mut waiting = self.0.lock();
        for (minute, seen) in found.minutes {
            let key = (group.to_owned(), minute);
            if waiting.len() >= QUIET_MINUTES_MAX && !waiting.contains_key(&key) {
                tracing::warn!(group, "too many minutes wait for the default values of metric filters; one has none");
                continue;
            }
            let known = waiting.entry(key).or_insert_with(|| Waiting { seen: seen.clone(), arrived_unix_nano: now_unix_nano });
            known.seen.has_match |= seen.has_match;
            known.arrived_unix_nano = now_unix_nano;
        }
    }

    /// Default values of the minutes that are over and had no match, with their groups.
    fn take(&self, now_unix_nano: i64) -> Vec<(String, MadeMetric)> {
        let settle = QUIET_MINUTE_SETTLE.as_nanos() as i64;
        let is_over = |minute: &MinuteOf, waiting: &Waiting| {
            now_unix_nano >= waiting.arrived_unix_nano.max((minute.start_ms + MINUTE_MS) * 1_000_000) + settle
        };
        let mut waiting = self.0.lock();
        let over: Vec<_> = waiting.extract_if(|(_, minute), each| is_over(minute, each)).collect();
        drop(waiting);
        let mut quiet: Vec<(String, MadeMetric)> = over
            .into_iter()
            .filter(|(_, each)| !each.seen.has_match)
            .map(|((group, _), each)| (group, each.seen.default))
            .collect();
        quiet.sort_by(|left, right| {
            let key = |(group, metric): &(String, MadeMetric)| (group.clone(), metric.name.clone(), metric.timestamp_ms);
            key(left).cmp(&key(right))
        });
        quiet
    }
}

/// Tells default values, as if somebody had put them.
pub struct MetricFilterDefaults;

#[async_trait]
impl Evaluator for MetricFilterDefaults {
    fn name(&self) -> &'static str {
        "cloudwatch.metric_filters"
    }

    fn every(&self) -> Duration {
        METRIC_FILTER_LOOK
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        let Some(receiver) = receivers::by_name("cloudwatch") else { return Ok(()) };
        for (group, metric) in services.logs.quiet_minutes.take(now_unix_nano) {
            let body = Bytes::from(put_metric_data(service_of(&group).unwrap_or(&group), &metric).to_string());
            let incoming = Incoming {
                headers: Headers(vec![("content-type", "application/x-amz-json-1.0")]),
                ..Incoming::new(PUT_METRIC_DATA, now_unix_nano, &body)
            };
            let reply = services.ingest.take(receiver, &incoming, &body).await;
            if !reply.status.is_success() {
                return Err(EvaluationError::Other(format!("a default value was not kept: {}", reply.status)));
            }
        }
        Ok(())
    }
}

/// The service is the log group, as that of its events, or the one whose records are in it.
fn put_metric_data(service: &str, metric: &MadeMetric) -> Value {
    let dimensions: Vec<Value> = metric.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
    let datum = json!({
        "MetricName": metric.name,
        "Dimensions": dimensions,
        "Timestamp": metric.timestamp_ms as f64 / 1e3,
        "Unit": metric.unit,
        "Value": metric.values.first().map(|(value, _)| *value),
    });
    let entity = json!({ "KeyAttributes": { "Name": service } });
    json!({ "Namespace": metric.namespace, "EntityMetricData": [{ "Entity": entity, "MetricData": [datum] }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_795_226_700_000;

    fn made(pattern: &str, transformation: Value) -> Filter {
        let document = json!({ "filterPattern": pattern, "metricTransformations": [transformation] });
        let stored = Stored {
            owner: of_group("g"),
            name: "f".into(),
            document: document.as_object().unwrap().clone(),
            created_ms: 0,
            changed_ms: 0,
        };
        filter(&stored, &[], &|_| None).unwrap()
    }

    fn transformation(value: &str) -> Value {
        json!({ "metricName": "M", "metricNamespace": "N", "metricValue": value })
    }

    /// The second, dimensions, and values with their counts.
    type Made<'a> = (i64, &'a str, &'a [(f64, f64)]);

    #[track_caller]
    fn check(filter: &Filter, lines: &[(i64, &str)], expected: &[Made<'_>]) {
        let lines: Vec<Line<'_>> = lines.iter().map(|(second, line)| (NOW_MS + second * 1_000, Cow::Borrowed(*line))).collect();
        let found = find(std::slice::from_ref(filter), &lines);
        let told: Vec<_> = found
            .metrics
            .iter()
            .map(|metric| {
                let dimensions: Vec<String> = metric.dimensions.iter().map(|(name, value)| format!("{name}={value}")).collect();
                ((metric.timestamp_ms - NOW_MS) / 1_000, dimensions.join(","), metric.values.clone())
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(second, dimensions, values)| (*second, (*dimensions).to_owned(), values.to_vec())).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn matches_are_counted_by_the_minute() {
        let counted = made("ERROR", transformation("1"));
        check(
            &counted,
            &[(1, "ERROR a"), (2, "fine"), (59, "ERROR b"), (61, "ERROR c")],
            &[(1, "", &[(1.0, 2.0)]), (61, "", &[(1.0, 1.0)])],
        );
        check(&counted, &[(1, "fine")], &[]);
    }

    #[test]
    fn values_and_dimensions_are_read_from_lines() {
        let mut with_route = transformation("$.ms");
        with_route["dimensions"] = json!({ "Route": "$.route" });
        let filter = made("{ $.status = 500 }", with_route);
        let lines = [
            (1, r#"{"status": 500, "ms": 2.5, "route": "/a"}"#),
            (2, r#"{"status": 500, "ms": "7", "route": "/a"}"#),
            (3, r#"{"status": 500, "ms": 1, "route": "/b"}"#),
            (4, r#"{"status": 500, "ms": "soon", "route": "/b"}"#),
            (5, r#"{"status": 500, "ms": 1}"#),
            (6, r#"{"status": 200, "ms": 1, "route": "/b"}"#),
        ];
        check(&filter, &lines, &[(1, "Route=/a", &[(2.5, 1.0), (7.0, 1.0)]), (3, "Route=/b", &[(1.0, 1.0)])]);
        let fields = made("[ip, status, bytes]", transformation("$bytes"));
        check(&fields, &[(1, "10.0.0.1 200 512"), (2, "10.0.0.1 200 -")], &[(1, "", &[(512.0, 1.0)])]);
    }

    #[test]
    fn a_minute_without_a_match_has_its_default_once_it_is_over() {
        let mut with_default = transformation("1");
        with_default["defaultValue"] = 0.into();
        let filter = [made("ERROR", with_default)];
        let quiet = QuietMinutes::default();
        let seen = |second: i64, line: &str| {
            let found = find(&filter, &[(NOW_MS + second * 1_000, Cow::Borrowed(line))]);
            quiet.note("g", found, (NOW_MS + second * 1_000) * 1_000_000);
        };
        let told = |second: i64| -> Vec<i64> {
            let taken = quiet.take((NOW_MS + second * 1_000) * 1_000_000);
            taken.iter().map(|(_, metric)| (metric.timestamp_ms - NOW_MS) / 1_000).collect()
        };
        seen(1, "fine");
        seen(30, "fine");
        assert!(told(60).is_empty());
        assert_eq!(told(90), [0]);
        seen(121, "fine");
        seen(122, "ERROR");
        assert!(told(300).is_empty() && told(400).is_empty());
    }
}
