//! GetMetricData: many metrics and expressions over them in one call.
//!
//! Missing: Metrics Insights (SQL); labels with `${…}`
//! Quirks:  one page always holds everything: what would not fit is refused, as at AWS, or asked for with a smaller range

use std::collections::HashSet;

use engine::EngineError;
use engine::ask::cloudwatch_metrics::{CloudWatchMetric, dimension_pairs};
use languages::metric_math::{self, Expression, NamedSeries, Search, Series, Statistic, Value as MathValue, World};
use receivers::aws::AwsError;
use serde_json::{Value, json};
use store::TimeRange;

use super::statistics::{Question, check_period, metric_of, series};
use super::{Answer, MetricsApi, engine_error, invalid_token, validation};
use crate::Services;
use crate::limits::{METRIC_QUERIES_MAX, METRIC_SEARCH_SERIES_MAX};

/// Points of one answer, over all its series.
const POINTS_MAX: usize = 100_800;

const SECOND: i64 = 1_000_000_000;

/// One of the queries of a request.
#[derive(Clone, Debug)]
pub struct Query {
    id: String,
    label: Option<String>,
    is_returned: bool,
    asks: Asks,
}

#[derive(Clone, Debug)]
enum Asks {
    Metric { metric: CloudWatchMetric, period: i64, statistic: Statistic, unit: Option<String> },
    Expression { expression: Expression, text: String, period: Option<i64> },
}

impl MetricsApi<'_> {
    pub(super) async fn get_metric_data(&self) -> Answer {
        let queries = read_queries(self.input.list("MetricDataQueries"))?;
        let (start, end) = self.range()?;
        let points_max = match self.input.integer("MaxDatapoints") {
            Some(most) if most < 1 || most > POINTS_MAX as i64 => {
                return Err(validation(format!("The parameter MaxDatapoints must be between 1 and {POINTS_MAX}.")));
            }
            Some(most) => most as usize,
            None => POINTS_MAX,
        };
        let skipped = match self.input.text("NextToken") {
            None => 0,
            Some(token) => token.strip_prefix("points-").and_then(|count| count.parse().ok()).ok_or_else(invalid_token)?,
        };
        let values = evaluate(self.services, &queries, start.div_euclid(SECOND), end.div_euclid(SECOND)).await?;
        let ascends = self.input.text("ScanBy") == Some("TimestampAscending");
        Ok(told(&queries, values, ascends, skipped, points_max))
    }
}

/// What the queries give, one answer a series; a page of it.
fn told(queries: &[Query], values: Vec<MathValue>, ascends: bool, skipped: usize, points_max: usize) -> Value {
    let (mut results, mut seen, mut left, mut more) = (Vec::new(), 0, points_max, false);
    for (query, value) in queries.iter().zip(values).filter(|(query, _)| query.is_returned) {
        for NamedSeries { label, series } in query.labelled(value) {
            let mut points: Vec<(i64, f64)> = series.points.into_iter().collect();
            if !ascends {
                points.reverse();
            }
            let from = skipped.saturating_sub(seen).min(points.len());
            seen += points.len();
            let to = (from + left).min(points.len());
            left -= to - from;
            let is_partial = to < points.len();
            more |= is_partial;
            let points = &points[from..to];
            results.push(json!({
                "Id": query.id,
                "Label": label,
                "Timestamps": points.iter().map(|(at, _)| *at as f64).collect::<Vec<_>>(),
                "Values": points.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
                "StatusCode": if is_partial { "PartialData" } else { "Complete" },
            }));
        }
    }
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if more {
        answer["NextToken"] = format!("points-{}", skipped + points_max).into();
    }
    answer
}

impl Query {
    fn labelled(&self, value: MathValue) -> Vec<NamedSeries> {
        let own = || self.label.clone().unwrap_or_else(|| self.plain_label());
        match value {
            MathValue::Series(series) => vec![NamedSeries { label: own(), series }],
            MathValue::List(list) => {
                let prefix = self.label.as_ref().map(|label| format!("{label} ")).unwrap_or_default();
                list.into_iter().map(|named| NamedSeries { label: format!("{prefix}{}", named.label), ..named }).collect()
            }
            MathValue::Scalar(_) | MathValue::Text(_) => Vec::new(),
        }
    }

    pub fn is_returned(&self) -> bool {
        self.is_returned
    }

    fn plain_label(&self) -> String {
        match &self.asks {
            Asks::Metric { metric, .. } => metric.name.clone(),
            Asks::Expression { .. } => self.id.clone(),
        }
    }
}

/// Reads and checks the queries of GetMetricData or of an alarm.
pub fn read_queries(sent: &[Value]) -> Result<Vec<Query>, AwsError> {
    if sent.len() > METRIC_QUERIES_MAX {
        return Err(validation(format!(
            "The collection MetricDataQueries must not have a size greater than {METRIC_QUERIES_MAX}."
        )));
    }
    let (mut queries, mut ids) = (Vec::new(), HashSet::new());
    for (index, query) in sent.iter().enumerate() {
        let path = format!("MetricDataQueries.member.{}", index + 1);
        let id = query["Id"].as_str().unwrap_or_default();
        let is_plain = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_plain {
            return Err(validation(format!(
                "The value {id} for parameter {path}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        if !ids.insert(id.to_owned()) {
            return Err(validation(format!("The values for parameter Id in MetricDataQueries are not unique: {id}.")));
        }
        queries.push(Query {
            id: id.to_owned(),
            label: query["Label"].as_str().filter(|label| !label.is_empty()).map(str::to_owned),
            is_returned: query["ReturnData"].as_bool().unwrap_or(true),
            asks: asks(query, &path)?,
        });
    }
    if queries.is_empty() {
        return Err(validation("The parameter MetricDataQueries must not be empty."));
    }
    Ok(queries)
}

fn asks(query: &Value, path: &str) -> Result<Asks, AwsError> {
    let (stat, expression) = (&query["MetricStat"], query["Expression"].as_str());
    match (stat.is_null(), expression) {
        (false, None) => {
            let name = stat["Stat"].as_str().unwrap_or_default();
            let statistic = Statistic::parse(name)
                .ok_or_else(|| validation(format!("The value {name} for parameter {path}.MetricStat.Stat is not supported.")))?;
            let period = stat["Period"].as_i64().unwrap_or_default();
            check_period(period, &format!("{path}.MetricStat.Period"))?;
            let unit = stat["Unit"].as_str().map(str::to_owned);
            Ok(Asks::Metric { metric: metric_of(&stat["Metric"]), period, statistic, unit })
        }
        (true, Some(text)) => {
            let expression = metric_math::parse(text).map_err(|error| wrong_expression(text, &error.message))?;
            if let Some(period) = query["Period"].as_i64() {
                check_period(period, &format!("{path}.Period"))?;
            }
            Ok(Asks::Expression { expression, text: text.to_owned(), period: query["Period"].as_i64() })
        }
        _ => Err(validation(format!("Exactly one of {path}.MetricStat and {path}.Expression is required."))),
    }
}

fn wrong_expression(text: &str, message: &str) -> AwsError {
    validation(format!("Error in expression '{text}': {message}"))
}

/// The values of the queries, in their order, over a range in seconds.
pub async fn evaluate(services: &Services, queries: &[Query], start: i64, end: i64) -> Result<Vec<MathValue>, AwsError> {
    let mut world = World { series: Vec::new(), ..World::default() };
    let mut values: Vec<Option<MathValue>> = vec![None; queries.len()];
    for (query, value) in queries.iter().zip(&mut values) {
        let Asks::Metric { metric, period, statistic, unit, .. } = &query.asks else { continue };
        let question = question(start, end, *period, unit.as_deref());
        let found = series(services, metric, &question, *statistic).await.map_err(engine_error)?;
        let found = MathValue::Series(found);
        world.series.push((query.id.clone(), true, found.clone()));
        *value = Some(found);
    }
    // Expressions may name each other, in any order.
    loop {
        let mut changed = false;
        for (query, value) in queries.iter().zip(&mut values).filter(|(_, value)| value.is_none()) {
            let Asks::Expression { expression, text, period } = &query.asks else { continue };
            let is_known = |name: &&str| world.series.iter().any(|(id, ..)| id == name);
            let is_waiting = |name: &&str| queries.iter().any(|other| other.id == **name) && !is_known(name);
            if expression.names().iter().any(is_waiting) {
                continue;
            }
            let period = period.unwrap_or_else(|| period_of(expression, &world));
            let grid = question(start, end, period, None);
            (world.start_seconds, world.end_seconds, world.period_seconds) = (grid.start_seconds, grid.end_seconds, period);
            for search in expression.searches() {
                let found = search_series(services, &search, start, end, period).await?;
                world.searches.push((search, found));
            }
            let found = metric_math::evaluate(expression, &world).map_err(|error| wrong_expression(text, &error.message))?;
            let found = match found {
                MathValue::Scalar(_) | MathValue::Text(_) if query.is_returned => {
                    return Err(wrong_expression(text, "the result must be a time series or a list of them"));
                }
                found => found,
            };
            world.series.push((query.id.clone(), false, found.clone()));
            *value = Some(found);
            changed = true;
        }
        if !changed {
            break;
        }
    }
    queries
        .iter()
        .zip(values)
        .map(|(query, value)| value.ok_or_else(|| validation(format!("The expression {} depends on itself.", query.id))))
        .collect()
}

/// The longest period that the queries name.
pub fn period_of_queries(queries: &[Query]) -> i64 {
    const PERIOD_DEFAULT: i64 = 60;
    let periods = queries.iter().filter_map(|query| match &query.asks {
        Asks::Metric { period, .. } => Some(*period),
        Asks::Expression { period, expression, .. } => {
            (*period).or_else(|| expression.searches().into_iter().filter_map(|search| search.period_seconds).max())
        }
    });
    periods.max().filter(|period| *period > 0).unwrap_or(PERIOD_DEFAULT)
}

/// The longest period of what an expression names.
fn period_of(expression: &Expression, world: &World) -> i64 {
    const PERIOD_DEFAULT: i64 = 60;
    let names = expression.names();
    let named = world
        .series
        .iter()
        .filter(|(id, is_metric, _)| names.contains(&id.as_str()) || (*is_metric && expression.uses_metrics()));
    let periods = named.flat_map(|(_, _, value)| match value {
        MathValue::Series(series) => vec![series.period_seconds],
        MathValue::List(list) => list.iter().map(|named| named.series.period_seconds).collect(),
        MathValue::Scalar(_) | MathValue::Text(_) => Vec::new(),
    });
    let searched = expression.searches().into_iter().filter_map(|search| search.period_seconds);
    periods.chain(searched).max().filter(|period| *period > 0).unwrap_or(PERIOD_DEFAULT)
}

fn question<'q>(start: i64, end: i64, period: i64, unit: Option<&'q str>) -> Question<'q> {
    Question { unit, start_seconds: start.div_euclid(period) * period, end_seconds: end, period_seconds: period }
}

async fn search_series(
    services: &Services,
    search: &Search,
    start: i64,
    end: i64,
    period: i64,
) -> Result<Vec<NamedSeries>, AwsError> {
    let terms = metric_math::parse_search(&search.terms).map_err(|message| wrong_expression(&search.terms, &message))?;
    let statistic = Statistic::parse(&search.statistic)
        .ok_or_else(|| wrong_expression(&search.terms, &format!("{} is not a statistic", search.statistic)))?;
    let period = search.period_seconds.unwrap_or(period);
    check_period(period, "SEARCH")?;
    let question = question(start, end, period, None);
    let range = TimeRange { start_unix_nano: question.start_seconds * SECOND, end_unix_nano: end * SECOND };
    let found = services.asker.cloudwatch_metrics(range, terms.namespace.as_deref(), None).await.map_err(engine_error)?;
    let mut out = Vec::new();
    for metric in found {
        let dimensions = dimension_pairs(&metric.dimensions);
        if !terms.matches(&metric.namespace, &metric.name, &dimensions) {
            continue;
        }
        if out.len() == METRIC_SEARCH_SERIES_MAX {
            break;
        }
        let series: Result<Series, EngineError> = series(services, &metric, &question, statistic).await;
        let values = dimensions.iter().map(|(_, value)| value.as_str());
        let label = values.chain([metric.name.as_str()]).collect::<Vec<_>>().join(" ");
        out.push(NamedSeries { label, series: series.map_err(engine_error)? });
    }
    Ok(out)
}
