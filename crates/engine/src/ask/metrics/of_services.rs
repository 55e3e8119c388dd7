//! OpenTelemetry's metrics in CloudWatch's words: those of a service are in the namespace `otel/<service>`.
//!
//! Quirks:  a metric is listed once, without dimensions; asked with some, it is the points whose attributes have these values;
//!          what counts up since a start is told as what was added; values within a bucket are told as its middle

use model::Signal;
use store::TimeRange;

use super::super::cloudwatch_metrics::{CloudWatchMetric, CloudWatchValues, dimension_pairs};
use super::super::insights::SERVICE_GROUP_PREFIX;
use super::super::{Asker, all_of, is};
use super::fold::{Cell, Track};
use super::{NO_LABEL, point, points};
use crate::error::EngineError;
use crate::limits::METRIC_KEYS_MAX;

/// What counts since a start is compared with a point this much before the question.
const BEFORE_NS: i64 = 300_000_000_000;

/// The service whose metrics are in a namespace.
fn service_of(namespace: &str) -> Option<&str> {
    namespace.strip_prefix(SERVICE_GROUP_PREFIX).filter(|service| !service.is_empty())
}

impl Asker {
    /// Metrics with data in the range; of every service where no namespace is given.
    pub(in super::super) async fn metrics_of_services(
        &self,
        range: TimeRange,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<Vec<CloudWatchMetric>, EngineError> {
        let service = namespace.map(service_of);
        if service == Some(None) {
            return Ok(Vec::new());
        }
        let session = self.session(range).await?;
        let service = service.flatten().map(|service| is("service.name", service));
        let conditions = [Some(is("receiver", "otlp")), service, name.map(|name| is("metric", name))];
        session.define("m", Signal::Metrics, all_of(conditions)).await?;
        let asked =
            format!("SELECT \"service.name\" AS service, metric FROM m GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {METRIC_KEYS_MAX}");
        let answer = session.ask(&asked).await?;
        let metrics = answer.iter().map(|row| CloudWatchMetric {
            namespace: format!("{SERVICE_GROUP_PREFIX}{}", row.str("service").unwrap_or_default()),
            name: row.string("metric").unwrap_or_default(),
            dimensions: "{}".to_owned(),
        });
        Ok(metrics.collect())
    }

    /// The values of a service's metric, each with its period.
    pub(in super::super) async fn values_of_service(
        &self,
        metric: &CloudWatchMetric,
        unit: Option<&str>,
        range: TimeRange,
        period_seconds: i64,
    ) -> Result<Vec<CloudWatchValues>, EngineError> {
        let Some(service) = service_of(&metric.namespace) else { return Ok(Vec::new()) };
        let with_before = TimeRange { start_unix_nano: range.start_unix_nano.saturating_sub(BEFORE_NS), ..range };
        let session = self.session(with_before).await?;
        let dimensions = dimension_pairs(&metric.dimensions);
        session.admit(Signal::Metrics, dimensions.iter().map(|(name, _)| name.clone())).await?;
        let conditions = [
            Some(is("receiver", "otlp")),
            Some(is("service.name", service)),
            Some(is("metric", &metric.name)),
            unit.map(|unit| is("unit", unit)),
        ];
        session.define("m", Signal::Metrics, all_of(conditions)).await?;
        let answer = points(&session, NO_LABEL, &dimensions).await?;
        let period = period_seconds.max(1).saturating_mul(1_000_000_000);
        let (mut track, mut of) = (Track::default(), None);
        let mut told = Vec::new();
        for row in answer.iter() {
            let series = row.i64("series");
            if of != series {
                (track, of) = (Track::default(), series);
            }
            let point = point(row);
            let Some(added) = track.add(&point) else { continue };
            let since_start = point.time_unix_nano - range.start_unix_nano;
            if since_start < 0 || added.count() <= 0.0 {
                continue;
            }
            let is_counter = point.is_cumulative && point.value.is_some();
            told.push(values(&added, is_counter, since_start / period, row.string("unit").unwrap_or_default()));
        }
        Ok(told)
    }
}

fn values(added: &Cell, is_counter: bool, period: i64, unit: String) -> CloudWatchValues {
    let (count, sum) = (added.count(), added.sum());
    // Of a counter it is what was added that was measured.
    let of_counter = is_counter.then_some(sum);
    CloudWatchValues {
        period,
        unit,
        count,
        sum,
        min: of_counter.or(added.least()).unwrap_or(sum / count),
        max: of_counter.or(added.most()).unwrap_or(sum / count),
        values: of_counter.map_or_else(|| added.values(), |sum| vec![(sum, count)]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fold::Point;
    use super::*;

    #[track_caller]
    fn check(points: &[Point<'_>], expected: (f64, f64, f64, f64)) {
        let mut track = Track::default();
        let added = points.iter().filter_map(|point| track.add(point)).last().unwrap();
        let is_counter = points[0].is_cumulative && points[0].value.is_some();
        let told = values(&added, is_counter, 0, String::new());
        assert_eq!((told.count, told.sum, told.min, told.max), expected);
    }

    #[test]
    fn points_are_told_as_what_was_measured() {
        let value = |value: f64, is_cumulative: bool| Point { value: Some(value), is_cumulative, ..Point::default() };
        check(&[value(7.0, false)], (1.0, 7.0, 7.0, 7.0));
        check(&[value(7.0, true), value(10.0, true)], (1.0, 3.0, 3.0, 3.0));
        let histogram = Point { count: Some(4.0), sum: Some(20.0), min: Some(1.0), max: Some(9.0), ..Point::default() };
        check(&[histogram], (4.0, 20.0, 1.0, 9.0));
    }

    #[test]
    fn namespaces_of_services_are_known_by_their_names() {
        assert_eq!((service_of("otel/shop"), service_of("otel/"), service_of("AWS/EC2")), (Some("shop"), None, None));
    }
}
