//! `POST /api/metrics/series`: several metrics over one range in one step, and what is calculated from them with metric math.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Request, State};
use engine::ask::metrics::{MetricQuestion, MetricSeries};
use engine::ask::{Stats, UnixNano};
use languages::metric_math::{self, NamedSeries, Series, Value as MathValue, World};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::metrics::aggregation;
use super::params::time_range;
use super::refusal::Refusal;
use super::retention::read;
use crate::Services;

/// Queries of one plot, and expressions: more lines nobody tells apart.
const QUERIES_MAX: usize = 20;

/// Series of one query.
const SERIES_DEFAULT: usize = 20;
const SERIES_MAX: usize = 200;

/// Steps that a plot has at most where none is asked for, and what they may be.
const STEPS_WANTED: i64 = 150;
const STEPS: [i64; 14] = [1, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 10_800, 21_600, 86_400];

const SECOND: i64 = 1_000_000_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlotRequest {
    /// RFC 3339 or unix milliseconds.
    start: Option<String>,
    end: Option<String>,
    /// Seconds; at most 150 steps without it.
    step: Option<i64>,
    queries: Vec<PlotQuery>,
    #[serde(default)]
    expressions: Vec<PlotExpression>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlotQuery {
    /// What expressions call it: a small letter, then letters, digits and `_`.
    id: String,
    metric: String,
    /// CloudWatch's.
    namespace: Option<String>,
    /// What suits the metric without it.
    aggregation: Option<String>,
    /// A label by whose values series are told apart.
    by: Option<String>,
    /// Labels and the values that they must have.
    #[serde(default, rename = "where")]
    conditions: BTreeMap<String, String>,
    /// Series that are told: 20 without it, at most 200.
    limit: Option<usize>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlotExpression {
    id: String,
    /// Metric math over the ids of queries and of expressions before it, e.g. `100 * errors / requests`.
    expression: String,
    label: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Plot {
    pub step_seconds: i64,
    /// The start of each step.
    pub times_unix_nano: Vec<UnixNano>,
    /// Those of queries in their order, the largest series of each first; then those of expressions.
    pub series: Vec<PlottedSeries>,
    pub stats: Stats,
}

#[derive(Serialize, ToSchema)]
pub struct PlottedSeries {
    /// The query or the expression that it is of.
    pub id: String,
    pub label: String,
    /// Empty for expressions.
    pub unit: String,
    /// Empty for expressions.
    pub aggregation: String,
    pub is_expression: bool,
    /// One for each step; null where there is no data.
    pub values: Vec<Option<f64>>,
}

/// Several metrics in one plot, and expressions over them.
#[utoipa::path(post, tag = "Metrics", operation_id = "metrics_series", path = "/api/metrics/series", request_body = PlotRequest, responses((status = 200, body = Plot), (status = 400, body = Refusal)))]
pub async fn series(State(services): State<Services>, request: Request) -> Result<Json<Plot>, Refusal> {
    let asked: PlotRequest = read(request, r#"{"queries": [{"id": "a", "metric": "…"}]}"#).await?;
    let range = time_range(asked.start.as_deref(), asked.end.as_deref())?;
    if asked.queries.is_empty() || asked.queries.len() > QUERIES_MAX || asked.expressions.len() > QUERIES_MAX {
        return Err(Refusal::parameter(format!("a plot has 1 to {QUERIES_MAX} queries and at most {QUERIES_MAX} expressions")));
    }
    let ids = asked.queries.iter().map(|query| &query.id).chain(asked.expressions.iter().map(|expression| &expression.id));
    check_ids(&ids.map(String::as_str).collect::<Vec<_>>())?;
    let step = asked.step.unwrap_or_else(|| step_for((range.end_unix_nano - range.start_unix_nano) / SECOND));
    let mut plot = Plot { step_seconds: step, times_unix_nano: Vec::new(), series: Vec::new(), stats: Stats::default() };
    let mut world = World { period_seconds: step, ..World::default() };
    for query in asked.queries {
        let question = MetricQuestion {
            metric: query.metric,
            namespace: query.namespace.filter(|namespace| !namespace.is_empty()),
            aggregation: aggregation(query.aggregation.as_deref())?,
            by: query.by.filter(|by| !by.is_empty()),
            conditions: query.conditions.into_iter().collect(),
            step_seconds: Some(step),
            limit: query.limit.unwrap_or(SERIES_DEFAULT).min(SERIES_MAX),
        };
        let found = services.asker.metric_series(range, &question).await?;
        world.series.push((query.id.clone(), true, math_value(&found, question.by.is_some())));
        plot.add(query.id, found);
    }
    let first = plot.times_unix_nano.first().map_or(0, |time| time.0 / SECOND);
    (world.start_seconds, world.end_seconds) = (first, first + step * plot.times_unix_nano.len() as i64);
    for expression in asked.expressions {
        let wrong = |error: metric_math::MetricMathError| Refusal::parameter(format!("{}: {}", expression.id, error.message));
        let parsed = metric_math::parse(&expression.expression).map_err(wrong)?;
        let value = metric_math::evaluate(&parsed, &world).map_err(wrong)?;
        let label = expression.label.unwrap_or_else(|| expression.expression.clone());
        let named = match &value {
            MathValue::Series(series) => vec![NamedSeries { label, series: series.clone() }],
            MathValue::List(list) => list.clone(),
            MathValue::Scalar(_) | MathValue::Text(_) => {
                return Err(Refusal::parameter(format!("{}: the result must be a time series or a list of them", expression.id)));
            }
        };
        plot.add_calculated(&expression.id, named);
        world.series.push((expression.id, false, value));
    }
    Ok(Json(plot))
}

fn check_ids(ids: &[&str]) -> Result<(), Refusal> {
    for (index, id) in ids.iter().enumerate() {
        let is_plain = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_plain || ids[..index].contains(id) {
            let message = format!("cannot use the id {id:?}: each is another, a small letter and then letters, digits and _");
            return Err(Refusal::parameter(message));
        }
    }
    Ok(())
}

/// The smallest step with which a range has no more steps than wanted.
fn step_for(seconds: i64) -> i64 {
    STEPS.into_iter().find(|step| seconds / step <= STEPS_WANTED).unwrap_or_else(|| (seconds / STEPS_WANTED).max(1))
}

fn math_value(found: &MetricSeries, is_list: bool) -> MathValue {
    let points = |values: &[Option<f64>]| Series {
        points: found.times_unix_nano.iter().zip(values).filter_map(|(at, value)| Some((at.0 / SECOND, (*value)?))).collect(),
        period_seconds: found.step_seconds,
    };
    let named = found
        .series
        .iter()
        .map(|series| NamedSeries { label: series.label.clone().unwrap_or_default(), series: points(&series.values) });
    match is_list {
        true => MathValue::List(named.collect()),
        false => MathValue::Series(named.map(|named| named.series).next().unwrap_or_else(|| points(&[]))),
    }
}

impl Plot {
    fn add(&mut self, id: String, found: MetricSeries) {
        self.stats.elapsed_ms += found.stats.elapsed_ms;
        self.stats.rows_scanned += found.stats.rows_scanned;
        self.stats.rows_total += found.stats.rows_total;
        self.stats.newest_unix_nano = self.stats.newest_unix_nano.max(found.stats.newest_unix_nano);
        self.stats.damaged_parts += found.stats.damaged_parts;
        if self.stats.truncated.is_none() {
            self.stats.truncated = found.stats.truncated;
        }
        self.times_unix_nano = found.times_unix_nano;
        let (metric, unit, aggregation) = (found.metric, found.unit, found.aggregation);
        self.series.extend(found.series.into_iter().map(|series| PlottedSeries {
            id: id.clone(),
            label: series.label.unwrap_or_else(|| metric.clone()),
            unit: unit.clone(),
            aggregation: aggregation.clone(),
            is_expression: false,
            values: series.values,
        }));
    }

    fn add_calculated(&mut self, id: &str, named: Vec<NamedSeries>) {
        let times = &self.times_unix_nano;
        let series = named.into_iter().map(|NamedSeries { label, series }| PlottedSeries {
            id: id.to_owned(),
            label,
            unit: String::new(),
            aggregation: String::new(),
            is_expression: true,
            values: times
                .iter()
                .map(|at| series.points.get(&(at.0 / SECOND)).copied().filter(|value| value.is_finite()))
                .collect(),
        });
        let series: Vec<PlottedSeries> = series.collect();
        self.series.extend(series);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_not_too_many() {
        for (seconds, expected) in [(60, 1), (3_600, 30), (86_400, 600), (7 * 86_400, 10_800), (400 * 86_400, 86_400 * 400 / 150)]
        {
            assert_eq!(step_for(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn ids_are_plain_and_different() {
        assert!(check_ids(&["a", "errors_2"]).is_ok());
        for ids in [&["a", "a"][..], &["A"], &[""], &["a b"], &["1"]] {
            assert!(check_ids(ids).is_err(), "{ids:?}");
        }
    }
}
