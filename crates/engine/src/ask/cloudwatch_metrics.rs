//! CloudWatch's metrics: which there are, and the values of one of them by period. Those of OpenTelemetry are told as if they
//! were in namespaces of their services.

use std::collections::BTreeMap;

use model::Signal;
use store::TimeRange;

use super::{Asker, all_of, is};
use crate::answer::Row;
use crate::error::EngineError;
use crate::limits::{METRIC_KEYS_MAX, METRIC_ROWS_MAX};

pub const NAMESPACE: &str = "aws.cloudwatch.namespace";
pub const DIMENSIONS: &str = "aws.cloudwatch.dimensions";

/// What tells one metric from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloudWatchMetric {
    pub namespace: String,
    pub name: String,
    /// A JSON object in the order of names.
    pub dimensions: String,
}

/// The values of a metric in one period, as they were sent: as many at once as one said, or all alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CloudWatchValues {
    /// The number of the period, from the question's start.
    pub period: i64,
    /// As it is kept.
    pub unit: String,
    pub count: f64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    /// Values and how often each was there; empty where only the above is known or asked for.
    pub values: Vec<(f64, f64)>,
}

impl Asker {
    /// Metrics with data in the range, in order.
    pub async fn cloudwatch_metrics(
        &self,
        range: TimeRange,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<Vec<CloudWatchMetric>, EngineError> {
        let mut all = self.put_metrics(range, namespace, name).await?;
        all.extend(self.metrics_of_services(range, namespace, name).await?);
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    async fn put_metrics(
        &self,
        range: TimeRange,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<Vec<CloudWatchMetric>, EngineError> {
        let session = self.session(range).await?;
        session.admit(Signal::Metrics, [NAMESPACE.to_owned(), DIMENSIONS.to_owned()]).await?;
        if ![NAMESPACE, DIMENSIONS].iter().all(|column| session.has(Signal::Metrics, column)) {
            return Ok(Vec::new());
        }
        let conditions = [namespace.map(|namespace| is(NAMESPACE, namespace)), name.map(|name| is("metric", name))];
        session.define("m", Signal::Metrics, all_of(conditions)).await?;
        let answer = session
            .ask(&format!(
                "SELECT \"{NAMESPACE}\" AS namespace, metric, \"{DIMENSIONS}\" AS dimensions FROM m \
                 WHERE \"{NAMESPACE}\" IS NOT NULL AND \"{DIMENSIONS}\" IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT {METRIC_KEYS_MAX}"
            ))
            .await?;
        Ok(answer
            .iter()
            .map(|row| CloudWatchMetric {
                namespace: row.string("namespace").unwrap_or_default(),
                name: row.string("metric").unwrap_or_default(),
                dimensions: row.string("dimensions").unwrap_or_default(),
            })
            .collect())
    }

    /// The values of a metric, by period and unit. With `each_value`, single values are told as far as they are known.
    pub async fn cloudwatch_values(
        &self,
        metric: &CloudWatchMetric,
        unit: Option<&str>,
        range: TimeRange,
        period_seconds: i64,
        each_value: bool,
    ) -> Result<Vec<CloudWatchValues>, EngineError> {
        let mut values = self.put_values(metric, unit, range, period_seconds, each_value).await?;
        values.extend(self.values_of_service(metric, unit, range, period_seconds).await?);
        Ok(values)
    }

    async fn put_values(
        &self,
        metric: &CloudWatchMetric,
        unit: Option<&str>,
        range: TimeRange,
        period_seconds: i64,
        each_value: bool,
    ) -> Result<Vec<CloudWatchValues>, EngineError> {
        let session = self.session(range).await?;
        session.admit(Signal::Metrics, [NAMESPACE.to_owned(), DIMENSIONS.to_owned()]).await?;
        if ![NAMESPACE, DIMENSIONS].iter().all(|column| session.has(Signal::Metrics, column)) {
            return Ok(Vec::new());
        }
        let conditions = [
            Some(is("metric", &metric.name)),
            Some(is(NAMESPACE, &metric.namespace)),
            Some(is(DIMENSIONS, &metric.dimensions)),
            unit.map(|unit| is("unit", unit)),
        ];
        session.define("m", Signal::Metrics, all_of(conditions)).await?;
        let period = format!(
            "(CAST(time AS BIGINT) - {}) / {} AS period, unit",
            range.start_unix_nano,
            period_seconds.max(1).saturating_mul(1_000_000_000)
        );
        if !each_value {
            let answer = session
                .ask(&format!(
                    "SELECT {period}, CAST(sum(coalesce(\"count\", CASE WHEN value IS NULL THEN 0 ELSE 1 END)) AS DOUBLE) AS n, \
                     sum(coalesce(value, \"sum\")) AS s, min(coalesce(value, \"min\")) AS lo, max(coalesce(value, \"max\")) AS hi \
                     FROM m GROUP BY 1, 2 ORDER BY 1, 2"
                ))
                .await?;
            return Ok(answer.iter().map(|row| totals(row, Vec::new())).collect());
        }
        let answer = session
            .ask(&format!(
                "SELECT {period}, buckets, CAST(count(*) AS DOUBLE) AS times, \
                 CAST(coalesce(\"count\", 1) AS DOUBLE) AS n, coalesce(value, \"sum\") AS s, \
                 coalesce(value, \"min\") AS lo, coalesce(value, \"max\") AS hi \
                 FROM m WHERE value IS NOT NULL OR \"count\" IS NOT NULL GROUP BY 1, 2, 3, 5, 6, 7, 8 ORDER BY 1, 2 LIMIT {METRIC_ROWS_MAX}"
            ))
            .await?;
        Ok(answer.iter().flat_map(single).collect())
    }
}

fn totals(row: Row<'_>, values: Vec<(f64, f64)>) -> CloudWatchValues {
    CloudWatchValues {
        period: row.i64("period").unwrap_or_default(),
        unit: row.string("unit").unwrap_or_default(),
        count: row.f64("n").unwrap_or_default(),
        sum: row.f64("s").unwrap_or_default(),
        min: row.f64("lo").unwrap_or_default(),
        max: row.f64("hi").unwrap_or_default(),
        values,
    }
}

/// Points that are all alike: their values if they are known, once.
fn single(row: Row<'_>) -> Option<CloudWatchValues> {
    let times = row.f64("times").unwrap_or(1.0);
    let mut out = totals(row, Vec::new());
    let known: Vec<(f64, f64)> = match row.str("buckets").filter(|text| !text.is_empty()) {
        Some(text) => counted_values(text).unwrap_or_default(),
        None if out.count == 1.0 => vec![(out.sum, 1.0)],
        None => Vec::new(),
    };
    out.values = known.into_iter().map(|(value, count)| (value, count * times)).collect();
    out.count *= times;
    out.sum *= times;
    Some(out)
}

/// `{"values":[…],"counts":[…]}`
fn counted_values(text: &str) -> Option<Vec<(f64, f64)>> {
    let parsed: serde_json::Value = serde_json::from_str(text).ok()?;
    let numbers =
        |member: &str| -> Option<Vec<f64>> { parsed[member].as_array()?.iter().map(serde_json::Value::as_f64).collect() };
    let (values, counts) = (numbers("values")?, numbers("counts")?);
    (values.len() == counts.len()).then(|| values.into_iter().zip(counts).collect())
}

/// Dimensions as pairs.
pub fn dimension_pairs(dimensions: &str) -> Vec<(String, String)> {
    let pairs: BTreeMap<String, String> = serde_json::from_str(dimensions).unwrap_or_default();
    pairs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_counts_are_pairs() {
        assert_eq!(counted_values("{\"values\":[1,2.5],\"counts\":[3,1]}"), Some(vec![(1.0, 3.0), (2.5, 1.0)]));
        assert_eq!(counted_values("{\"bounds\":[1],\"counts\":[3]}"), None);
        assert_eq!(dimension_pairs("{\"a\":\"1\"}"), [("a".to_owned(), "1".to_owned())]);
    }
}
