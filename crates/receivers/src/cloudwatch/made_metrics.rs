//! Metrics that metric filters made of the log events of a call, or of the log records of services.
//!
//! The server looks for its filters' patterns before the call is kept, and says what they found in a header of its own. So the
//! points are kept in one write with the events, and a replay gives the same ones even if the filters are others by then.

use std::collections::BTreeMap;

use model::{Attribute, Resource, RowSink};
use serde::{Deserialize, Serialize};

use super::metric_data::{self, VALUES_MAX};

/// The header that holds them, as JSON.
pub const HEADER: &str = "x-cupola-metrics";

/// The header that holds those of services, as JSON. No client can send it: receivers keep the headers alone that they list.
pub const SERVICES_HEADER: &str = "x-cupola-service-metrics";

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

/// What was found in the log records of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceMetrics {
    pub service: String,
    pub metrics: Vec<MadeMetric>,
}

/// Pushes one data point for each metric, more where it has more values than a point takes.
pub fn push(header: &str, sink: &mut dyn RowSink) {
    let Ok(made) = serde_json::from_str::<Vec<MadeMetric>>(header) else { return };
    push_all(&made, sink);
}

/// The same of services: each is the resource of its points.
pub fn push_of_services(header: &str, sink: &mut dyn RowSink) {
    let Ok(made) = serde_json::from_str::<Vec<ServiceMetrics>>(header) else { return };
    for of_service in &made {
        let attributes = [Attribute::str("service.name", of_service.service.as_str())];
        sink.resource(&Resource { attributes: &attributes, schema_url: "" });
        push_all(&of_service.metrics, sink);
    }
}

fn push_all(made: &[MadeMetric], sink: &mut dyn RowSink) {
    for metric in made {
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
    use model::{Counted, DataPoint, LogRecord, Refusal, Scope, Span};

    use super::*;

    #[derive(Default)]
    struct Points(Vec<String>);

    impl RowSink for Points {
        fn resource(&mut self, resource: &Resource<'_>) {
            self.0.push(resource.service_name().to_owned());
        }
        fn scope(&mut self, _: &Scope<'_>) {}
        fn span(&mut self, _: &Span<'_>) {}
        fn log(&mut self, _: &LogRecord<'_>) {}
        fn data_point(&mut self, point: &DataPoint<'_>) {
            self.0.push(format!("{} {:?} {:?} {:?}", point.metric, point.value, point.count, point.sum));
        }
        fn refuse(&mut self, _: Refusal) {}
    }

    fn of(values: Vec<(f64, f64)>) -> MadeMetric {
        MadeMetric {
            namespace: "Shop".into(),
            name: "Errors".into(),
            unit: "Count".into(),
            dimensions: BTreeMap::new(),
            timestamp_ms: 1_795_226_742_550,
            values,
        }
    }

    #[test]
    fn points_of_services_have_their_service() {
        let of_service = |service: &str| ServiceMetrics { service: service.into(), metrics: vec![of(vec![(1.0, 1.0)])] };
        let header = serde_json::to_string(&[of_service("shop"), of_service("till")]).unwrap();
        let mut points = Points::default();
        push_of_services(&header, &mut points);
        push_of_services("nonsense", &mut points);
        assert_eq!(points.0, ["shop", "Errors Some(1.0) None None", "till", "Errors Some(1.0) None None"]);
    }

    #[test]
    fn what_was_found_becomes_points() {
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
