//! Metrics that metric filters made of the log events of a call.
//!
//! The server looks for its filters' patterns before the call is kept, and says what they found in a header of its own. So the
//! points are kept in one write with the events, and a replay gives the same ones even if the filters are others by then.

use std::collections::BTreeMap;

use model::RowSink;
use serde::{Deserialize, Serialize};

use super::metric_data::{self, VALUES_MAX};

/// The header that holds them, as JSON.
pub const HEADER: &str = "x-cupola-metrics";

/// What one filter found in one minute, for one set of dimensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MadeMetric {
    pub namespace: String,
    pub name: String,
    /// One of CloudWatch's.
    pub unit: String,
    pub dimensions: BTreeMap<String, String>,
    /// When the first of the events happened.
    pub timestamp_ms: i64,
    /// Values, and how often each was found.
    pub values: Vec<(f64, f64)>,
}

/// Pushes one data point for each metric, more where it has more values than a point takes.
pub fn push(header: &str, sink: &mut dyn RowSink) {
    let Ok(made) = serde_json::from_str::<Vec<MadeMetric>>(header) else { return };
    for metric in &made {
        let attributes = metric_data::attributes(&metric.namespace, &metric.dimensions);
        let time_unix_nano = metric.timestamp_ms.saturating_mul(1_000_000);
        for values in metric.values.chunks(VALUES_MAX) {
            let mut point = metric_data::point(&metric.name, &metric.unit, time_unix_nano, &attributes);
            match values {
                [(value, 1.0)] => point.value = Some(*value),
                values => metric_data::summarise(&mut point, values),
            }
            sink.data_point(&point);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Counted, DataPoint, LogRecord, Refusal, Resource, Scope, Span};

    use super::*;

    #[derive(Default)]
    struct Points(Vec<String>);

    impl RowSink for Points {
        fn resource(&mut self, _: &Resource<'_>) {}
        fn scope(&mut self, _: &Scope<'_>) {}
        fn span(&mut self, _: &Span<'_>) {}
        fn log(&mut self, _: &LogRecord<'_>) {}
        fn data_point(&mut self, point: &DataPoint<'_>) {
            self.0.push(format!("{} {:?} {:?} {:?}", point.metric, point.value, point.count, point.sum));
        }
        fn refuse(&mut self, _: Refusal) {}
    }

    #[test]
    fn what_was_found_becomes_points() {
        let of = |values: Vec<(f64, f64)>| MadeMetric {
            namespace: "Shop".into(),
            name: "Errors".into(),
            unit: "Count".into(),
            dimensions: BTreeMap::new(),
            timestamp_ms: 1_795_226_742_550,
            values,
        };
        let many = (0..200).map(|value| (f64::from(value), 1.0)).collect();
        let header = serde_json::to_string(&[of(vec![(1.0, 1.0)]), of(vec![(1.0, 12.0)]), of(many)]).unwrap();
        let mut points = Points::default();
        push(&header, &mut Counted::new(&mut points));
        push("nonsense", &mut Counted::new(&mut points));
        assert_eq!(
            points.0,
            [
                "Errors Some(1.0) None None",
                "Errors None Some(12) Some(12.0)",
                "Errors None Some(150) Some(11175.0)",
                "Errors None Some(50) Some(8725.0)"
            ]
        );
    }
}
