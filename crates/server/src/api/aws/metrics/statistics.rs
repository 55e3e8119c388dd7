//! GetMetricStatistics, and what all questions for values share: a metric's values by period, and statistics of them.

use std::collections::BTreeMap;

use engine::EngineError;
use engine::ask::cloudwatch_metrics::{CloudWatchMetric, CloudWatchValues};
use languages::metric_math::{Distribution, Series, Statistic};
use receivers::aws::AwsError;
use receivers::cloudwatch::metric_data::{canonical, cloudwatch_unit};
use receivers::cloudwatch::unit;
use serde_json::{Map, Value, json};
use store::TimeRange;

use super::{Answer, MetricsApi, combination, engine_error, invalid, missing};
use crate::Services;

/// Points of one answer.
const POINTS_MAX: i64 = 1_440;

const SECOND: i64 = 1_000_000_000;

impl MetricsApi<'_> {
    pub(super) async fn get_metric_statistics(&self) -> Answer {
        let period = self.input.integer("Period").unwrap_or_default();
        check_period(period, "Period")?;
        let (start, end) = self.range()?;
        let statistics = self.input.texts("Statistics");
        let extended = self.input.texts("ExtendedStatistics");
        if statistics.is_empty() && extended.is_empty() {
            return Err(missing("The request must contain either Statistics or ExtendedStatistics."));
        }
        let mut wanted = Vec::new();
        for (name, is_extended) in statistics.iter().map(|name| (*name, false)).chain(extended.iter().map(|name| (*name, true))) {
            let statistic = Statistic::parse(name)
                .ok_or_else(|| invalid(format!("The value {name} for parameter ExtendedStatistics is not supported.")))?;
            wanted.push((name, is_extended, statistic));
        }
        let (start, end) = (start.div_euclid(period * SECOND) * period, end.div_euclid(SECOND));
        let points = (end - start).max(0) / period;
        if points > POINTS_MAX {
            return Err(combination(format!(
                "You have requested up to {points} datapoints, which exceeds the limit of {POINTS_MAX}. You may reduce the datapoints \
                 requested by increasing Period, or decreasing the time range."
            )));
        }
        let metric = metric_of(&Value::Object(self.input.only(&["Namespace", "MetricName", "Dimensions"])));
        let question = Question { unit: self.input.text("Unit"), start_seconds: start, end_seconds: end, period_seconds: period };
        let each_value = wanted.iter().any(|(_, _, statistic)| statistic.needs_values());
        let periods = periods(self.services, &metric, &question, each_value, true).await.map_err(engine_error)?;
        let told = periods.into_iter().map(|((at, unit), distribution)| {
            let mut point = json!({ "Timestamp": at as f64, "Unit": cloudwatch_unit(&unit) });
            let mut extended = Map::new();
            for (name, is_extended, statistic) in &wanted {
                let Some(value) = statistic.of(&distribution) else { continue };
                match is_extended {
                    true => drop(extended.insert((*name).to_owned(), value.into())),
                    false => point[*name] = value.into(),
                }
            }
            if !extended.is_empty() {
                point["ExtendedStatistics"] = Value::Object(extended);
            }
            point
        });
        Ok(json!({ "Label": metric.name, "Datapoints": told.collect::<Vec<_>>() }))
    }

    /// Start and end, in nanoseconds.
    pub(super) fn range(&self) -> Result<(i64, i64), AwsError> {
        let start = self.time("StartTime").ok_or_else(|| missing("The parameter StartTime is required."))?;
        let end = self.time("EndTime").ok_or_else(|| missing("The parameter EndTime is required."))?;
        if start >= end {
            return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
        }
        Ok((start, end))
    }
}

pub fn check_period(period: i64, path: &str) -> Result<(), AwsError> {
    if matches!(period, 1 | 5 | 10 | 20 | 30) || (period > 0 && period % 60 == 0 && period <= 86_400 * 365) {
        return Ok(());
    }
    Err(invalid(format!("The parameter {path} must be 1, 5, 10, 20, 30, or a multiple of 60.")))
}

/// The metric that a request names.
pub fn metric_of(request: &Value) -> CloudWatchMetric {
    let pairs = request["Dimensions"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let pairs = pairs.filter_map(|pair| Some((pair["Name"].as_str()?.to_owned(), pair["Value"].as_str()?.to_owned())));
    CloudWatchMetric {
        namespace: request["Namespace"].as_str().unwrap_or_default().to_owned(),
        name: request["MetricName"].as_str().unwrap_or_default().to_owned(),
        dimensions: canonical(&pairs.collect::<BTreeMap<_, _>>()),
    }
}

/// Which values are asked for. The start lies on a whole period.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// CloudWatch's word; any unit without it.
    pub unit: Option<&'q str>,
    pub start_seconds: i64,
    /// Exclusive.
    pub end_seconds: i64,
    pub period_seconds: i64,
}

/// A metric's values by the start of their period, and by unit where units are to be told apart.
pub async fn periods(
    services: &Services,
    metric: &CloudWatchMetric,
    question: &Question<'_>,
    each_value: bool,
    by_unit: bool,
) -> Result<BTreeMap<(i64, String), Distribution>, EngineError> {
    let Question { start_seconds, end_seconds, period_seconds, .. } = *question;
    let range =
        TimeRange { start_unix_nano: start_seconds.saturating_mul(SECOND), end_unix_nano: end_seconds.saturating_mul(SECOND) };
    let kept_unit = question.unit.map(unit);
    let found = services.asker.cloudwatch_values(metric, kept_unit, range, period_seconds, each_value).await?;
    let mut out: BTreeMap<(i64, String), Distribution> = BTreeMap::new();
    for values in found {
        let unit = if by_unit { values.unit.clone() } else { String::new() };
        let at = start_seconds + values.period * period_seconds;
        add(out.entry((at, unit)).or_default(), &values);
    }
    out.retain(|_, distribution| distribution.count > 0.0);
    Ok(out)
}

fn add(distribution: &mut Distribution, values: &CloudWatchValues) {
    if values.values.is_empty() {
        if values.count > 0.0 {
            distribution.add_statistics(values.count, values.sum, values.min, values.max);
        }
        return;
    }
    for (value, count) in &values.values {
        distribution.add_value(*value, *count);
    }
}

/// One statistic of a metric as a series.
pub async fn series(
    services: &Services,
    metric: &CloudWatchMetric,
    question: &Question<'_>,
    statistic: Statistic,
) -> Result<Series, EngineError> {
    let periods = periods(services, metric, question, statistic.needs_values(), false).await?;
    let points = periods.iter().filter_map(|((at, _), distribution)| Some((*at, statistic.of(distribution)?)));
    Ok(Series { points: points.collect(), period_seconds: question.period_seconds })
}
