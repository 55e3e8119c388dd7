//! Metrics of any sender, for the page: which there are, and how one of them went, by step and by label.
//!
//! Points are read as they were sent and added up here: what counts up since a start becomes what was added in each step, series
//! by series, and buckets of histograms become percentiles.
//!
//! Quirks: within a bucket values lie evenly; a percentile of a summary needs its values, which only CloudWatch sends

pub(crate) mod fold;

use std::collections::BTreeMap;

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use self::fold::{Cell, Point, Track};
use super::cloudwatch_metrics::{DIMENSIONS, NAMESPACE};
use super::{Asker, Stats, Steps, UnixNano, all_of, is};
use crate::engine::{quote, quote_text};
use crate::error::EngineError;
use crate::limits::{CHART_BUCKETS_MAX, METRIC_LABELS_MAX, METRIC_POINTS_MAX, PAGE_ROWS_MAX};
use crate::session::Session;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Metrics {
    pub metrics: Vec<MetricSummary>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MetricSummary {
    pub name: String,
    /// CloudWatch's.
    pub namespace: Option<String>,
    /// `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`.
    pub r#type: String,
    pub unit: String,
    pub description: String,
    /// `unspecified`, `delta` or `cumulative`.
    pub temporality: String,
    pub is_monotonic: bool,
    pub receivers: Vec<String>,
    pub services: Vec<String>,
    pub series: u64,
    pub points: u64,
    /// Keys that tell its series apart.
    pub labels: Vec<String>,
    /// Those that make sense; the first is the best to begin with.
    pub aggregations: Vec<&'static str>,
    pub newest_unix_nano: Option<UnixNano>,
}

/// What is asked of a metric.
#[derive(Clone, Debug, Default)]
pub struct MetricQuestion {
    pub metric: String,
    pub namespace: Option<String>,
    /// The type's own without it.
    pub aggregation: Option<Aggregation>,
    /// A label by whose values series are told apart.
    pub by: Option<String>,
    /// Labels and the values that they must have.
    pub conditions: Vec<(String, String)>,
    pub step_seconds: Option<i64>,
    /// Series that are told.
    pub limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregation {
    Average,
    Minimum,
    Maximum,
    Sum,
    Count,
    Last,
    /// Per second.
    Rate,
    /// From 0 to 100.
    Percentile(f64),
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MetricSeries {
    pub metric: String,
    pub unit: String,
    pub r#type: String,
    pub aggregation: String,
    pub step_seconds: i64,
    /// The start of each step.
    pub times_unix_nano: Vec<UnixNano>,
    /// The largest first.
    pub series: Vec<LabelledSeries>,
    /// With those that are not told.
    pub series_total: u64,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LabelledSeries {
    /// The value of the label; null for points without it, and where nothing is told apart.
    pub label: Option<String>,
    /// One for each step; null where there is no data.
    pub values: Vec<Option<f64>>,
    /// Of all steps together.
    pub total: Option<f64>,
}

/// Name and namespace.
type MetricKey = (String, Option<String>);

/// Who sends a metric.
#[derive(Default)]
struct Senders {
    receivers: Vec<String>,
    services: Vec<String>,
}

impl Aggregation {
    pub fn parse(text: &str) -> Option<Aggregation> {
        Some(match text {
            "avg" => Aggregation::Average,
            "min" => Aggregation::Minimum,
            "max" => Aggregation::Maximum,
            "sum" => Aggregation::Sum,
            "count" => Aggregation::Count,
            "last" => Aggregation::Last,
            "rate" => Aggregation::Rate,
            _ => {
                let percent: f64 = text.strip_prefix('p')?.parse().ok()?;
                (0.0..=100.0).contains(&percent).then_some(Aggregation::Percentile(percent))?
            }
        })
    }

    fn name(self) -> String {
        match self {
            Aggregation::Average => "avg".into(),
            Aggregation::Minimum => "min".into(),
            Aggregation::Maximum => "max".into(),
            Aggregation::Sum => "sum".into(),
            Aggregation::Count => "count".into(),
            Aggregation::Last => "last".into(),
            Aggregation::Rate => "rate".into(),
            Aggregation::Percentile(percent) => format!("p{percent}"),
        }
    }
}

/// What makes sense of points of a type.
fn aggregations(r#type: &str, is_monotonic: bool) -> Vec<&'static str> {
    match r#type {
        "sum" if is_monotonic => vec!["rate", "sum"],
        "sum" => vec!["last", "avg", "min", "max", "sum"],
        "histogram" | "exponential_histogram" => vec!["p95", "p50", "p90", "p99", "avg", "max", "min", "count", "rate", "sum"],
        "summary" => vec!["avg", "max", "min", "count", "rate", "sum", "p50", "p90", "p95", "p99"],
        _ => vec!["avg", "max", "min", "last", "sum", "count", "rate", "p50", "p90", "p95", "p99"],
    }
}

impl Asker {
    /// Metrics with points in the range whose name or namespace has `q` in it, by name.
    pub async fn metrics(&self, range: TimeRange, q: &str, limit: usize) -> Result<Metrics, EngineError> {
        let session = self.session(range).await?;
        session.define("m", Signal::Metrics, None).await?;
        let namespace = session.column_or_null(Signal::Metrics, NAMESPACE);
        let labels = labels(&session);
        let counted: Vec<String> =
            labels.iter().enumerate().map(|(index, label)| format!(", count({}) AS label_{index}", quote(label))).collect();
        let like = match q.trim() {
            "" => String::new(),
            q => {
                format!("WHERE strpos(lower(metric || ' ' || coalesce({namespace}, '')), {}) > 0", quote_text(&q.to_lowercase()))
            }
        };
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let answer = session
            .ask(&format!(
                "SELECT metric, {namespace} AS namespace, min(\"type\") AS kind, max(unit) AS unit, max(description) AS description, \
                 max(temporality) AS temporality, bool_or(is_monotonic) AS is_monotonic, count(DISTINCT series) AS series, \
                 count(*) AS points, max(time) AS newest{} FROM m {like} GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {limit}",
                counted.join("")
            ))
            .await?;
        let senders = session
            .ask(&format!(
                "SELECT metric, {namespace} AS namespace, receiver, \"service.name\" AS service FROM m {like} \
                 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT {PAGE_ROWS_MAX}"
            ))
            .await?;
        let mut from: BTreeMap<MetricKey, Senders> = BTreeMap::new();
        for row in senders.iter() {
            let key = (row.string("metric").unwrap_or_default(), row.string("namespace"));
            let senders = from.entry(key).or_default();
            for (names, column) in [(&mut senders.receivers, "receiver"), (&mut senders.services, "service")] {
                let name = row.string(column).unwrap_or_default();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        let metrics = answer.iter().map(|row| {
            let (name, namespace) = (row.string("metric").unwrap_or_default(), row.string("namespace"));
            let Senders { receivers, services } = from.remove(&(name.clone(), namespace.clone())).unwrap_or_default();
            let (kind, is_monotonic) = (row.string("kind").unwrap_or_default(), row.bool("is_monotonic"));
            let has = |index: usize| row.i64(&format!("label_{index}")).is_some_and(|count| count > 0);
            MetricSummary {
                aggregations: aggregations(&kind, is_monotonic),
                r#type: kind,
                is_monotonic,
                unit: row.string("unit").unwrap_or_default(),
                description: row.string("description").unwrap_or_default(),
                temporality: row.string("temporality").unwrap_or_default(),
                receivers,
                services,
                series: row.i64("series").and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
                points: row.i64("points").and_then(|count| u64::try_from(count).ok()).unwrap_or_default(),
                labels: labels.iter().enumerate().filter(|(index, _)| has(*index)).map(|(_, label)| label.clone()).collect(),
                newest_unix_nano: row.i64("newest").map(UnixNano),
                name,
                namespace,
            }
        });
        Ok(Metrics { metrics: metrics.collect(), stats: answer.stats.plus(senders.stats).into() })
    }

    /// How a metric went.
    pub async fn metric_series(&self, range: TimeRange, question: &MetricQuestion) -> Result<MetricSeries, EngineError> {
        let session = self.session(range).await?;
        let names = question.conditions.iter().map(|(name, _)| name).chain(&question.by);
        session.admit(Signal::Metrics, names.cloned().chain([NAMESPACE.to_owned()])).await?;
        let namespace = question.namespace.as_ref().filter(|_| session.has(Signal::Metrics, NAMESPACE));
        let conditions = [Some(is("metric", &question.metric)), namespace.map(|namespace| is(NAMESPACE, namespace))];
        session.define("m", Signal::Metrics, all_of(conditions)).await?;
        let mut narrowed = Vec::new();
        for (name, value) in &question.conditions {
            let column = session.column_or_null(Signal::Metrics, name);
            narrowed.push(format!("CAST({column} AS VARCHAR) = {}", quote_text(value)));
        }
        let narrowed = if narrowed.is_empty() { String::new() } else { format!("WHERE {}", narrowed.join(" AND ")) };
        let label = match &question.by {
            Some(by) => format!("CAST({} AS VARCHAR)", session.column_or_null(Signal::Metrics, by)),
            None => "CAST(NULL AS VARCHAR)".to_owned(),
        };
        // The newest points, should there be too many; each series in the order of time.
        let answer = session
            .ask(&format!(
                "SELECT * FROM (SELECT time, series, {label} AS label, unit, \"type\" AS kind, temporality, is_monotonic, value, \
                 \"count\" AS n, \"sum\" AS s, \"min\" AS lo, \"max\" AS hi, buckets FROM m {narrowed} \
                 ORDER BY time DESC LIMIT {METRIC_POINTS_MAX}) AS p ORDER BY series, time"
            ))
            .await?;
        let steps = match question.step_seconds {
            Some(step) => steps_of(range, step)?,
            None => Steps::over(range, BUCKETS_DEFAULT),
        };
        Ok(told(&answer, question, &steps))
    }
}

/// Steps of a chart, where nobody asks for others.
const BUCKETS_DEFAULT: i64 = 120;

fn steps_of(range: TimeRange, step_seconds: i64) -> Result<Steps, EngineError> {
    let step = step_seconds.max(1).saturating_mul(1_000_000_000);
    let start_unix_nano = range.start_unix_nano.div_euclid(step) * step;
    let count = (range.end_unix_nano - start_unix_nano + step - 1) / step;
    if count > CHART_BUCKETS_MAX {
        let message = format!("the range has {count} steps, more than the {CHART_BUCKETS_MAX} that an answer may have");
        return Err(EngineError::Invalid { message, position: None });
    }
    Ok(Steps { start_unix_nano, step_seconds: step_seconds.max(1), count: usize::try_from(count).unwrap_or(1).max(1) })
}

/// Attributes of metrics that may tell series apart.
fn labels(session: &Session) -> Vec<String> {
    let schema = session.schema(Signal::Metrics);
    let names = schema.fields().iter().map(|field| field.name().clone());
    let is_label = |name: &String| {
        !store::columns::is_fixed(Signal::Metrics, name)
            && ![NAMESPACE, DIMENSIONS].contains(&name.as_str())
            && !name.starts_with("telemetry.sdk.")
    };
    names.filter(is_label).take(METRIC_LABELS_MAX).collect()
}

fn told(answer: &crate::answer::Answer, question: &MetricQuestion, steps: &Steps) -> MetricSeries {
    let mut tracks: BTreeMap<Option<String>, (Vec<Cell>, Cell)> = BTreeMap::new();
    let (mut unit, mut kind, mut is_monotonic) = (String::new(), String::new(), false);
    let mut track: Option<(i64, Track)> = None;
    for row in answer.iter() {
        let series = row.i64("series").unwrap_or_default();
        if track.as_ref().is_none_or(|(of, _)| *of != series) {
            track = Some((series, Track::default()));
        }
        let Some((_, track)) = &mut track else { continue };
        if kind.is_empty() {
            unit = row.string("unit").unwrap_or_default();
            kind = row.string("kind").unwrap_or_default();
            is_monotonic = row.bool("is_monotonic");
        }
        let time = row.i64("time").unwrap_or_default();
        let point = Point {
            time_unix_nano: time,
            is_cumulative: row.str("temporality") == Some("cumulative")
                && (row.bool("is_monotonic") || row.f64("value").is_none()),
            value: row.f64("value"),
            count: row.f64("n"),
            sum: row.f64("s"),
            min: row.f64("lo"),
            max: row.f64("hi"),
            buckets: row.str("buckets").unwrap_or_default(),
        };
        let Some(step) = steps.of(time) else { continue };
        let (cells, total) =
            tracks.entry(row.string("label")).or_insert_with(|| (vec![Cell::default(); steps.count], Cell::default()));
        if let Some(added) = track.add(&point) {
            cells[step].merge(&added);
            total.merge(&added);
        }
    }
    let default = aggregations(&kind, is_monotonic)[0];
    let aggregation = question.aggregation.or_else(|| Aggregation::parse(default)).unwrap_or(Aggregation::Average);
    let whole_seconds = steps.step_seconds * steps.count as i64;
    let mut series: Vec<LabelledSeries> = tracks
        .into_iter()
        .map(|(label, (cells, total))| LabelledSeries {
            label,
            values: cells.iter().map(|cell| cell.tell(aggregation, steps.step_seconds)).collect(),
            total: total.tell(aggregation, whole_seconds),
        })
        .collect();
    series.sort_by(|left, right| right.total.unwrap_or(f64::MIN).total_cmp(&left.total.unwrap_or(f64::MIN)));
    let series_total = series.len() as u64;
    series.truncate(question.limit.max(1));
    let mut stats: Stats = answer.stats.into();
    if answer.rows() == METRIC_POINTS_MAX {
        stats.truncated =
            Some(format!("only the newest {METRIC_POINTS_MAX} points were read: ask for less time or for fewer series"));
    }
    MetricSeries {
        metric: question.metric.clone(),
        unit,
        r#type: kind,
        aggregation: aggregation.name(),
        step_seconds: steps.step_seconds,
        times_unix_nano: (0..steps.count as i64)
            .map(|step| UnixNano(steps.start_unix_nano + step * steps.step_seconds * 1_000_000_000))
            .collect(),
        series,
        series_total,
        stats,
    }
}
