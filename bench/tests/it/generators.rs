//! Requests decoded by the reference decoder, counted and weighed.

use std::collections::{HashMap, HashSet};

use bench::load::{Kind, bodies};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;
use serde_json::Value;

const START: i64 = 1_795_132_800_000_000_000;
const KINDS: [Kind; 8] =
    [Kind::Spans, Kind::SpansGrpc, Kind::Logs, Kind::Points, Kind::Xray, Kind::XrayUdp, Kind::Cloudwatch, Kind::Rollbar];

fn all(kind: Kind, units: usize, seed: u64) -> Vec<(Vec<u8>, usize)> {
    bodies(kind, units, START, seed).collect()
}

/// Bytes of a unit on the wire, bodies alone.
fn bytes_each(kind: Kind, units: usize) -> usize {
    let bodies = all(kind, units, 1);
    assert_eq!(bodies.iter().map(|(_, units)| units).sum::<usize>(), units);
    bodies.iter().map(|(body, _)| body.len()).sum::<usize>() / units
}

#[test]
fn a_seed_tells_the_same_every_time() {
    for kind in KINDS {
        let first = all(kind, 700, 7);
        assert_eq!(first, all(kind, 700, 7), "{kind:?}");
        assert_ne!(first, all(kind, 700, 8), "{kind:?}");
        // A request that is like another would be taken for a retry and not be stored.
        let distinct: HashSet<&Vec<u8>> = first.iter().map(|(body, _)| body).collect();
        assert_eq!(distinct.len(), first.len(), "{kind:?}");
    }
}

#[test]
fn units_weigh_what_the_report_says() {
    let within = |kind: Kind, low: usize, high: usize| {
        let bytes = bytes_each(kind, 5_000);
        assert!((low..high).contains(&bytes), "{kind:?}: {bytes} B a unit");
    };
    within(Kind::Spans, 520, 580);
    within(Kind::Logs, 220, 260);
    within(Kind::Points, 100, 220);
    within(Kind::Xray, 1_200, 2_200);
    within(Kind::Cloudwatch, 130, 180);
    within(Kind::Rollbar, 3_000, 5_000);
}

#[test]
fn spans_are_as_described() {
    let (mut spans, mut traces, mut exceptions) = (0, HashMap::<Vec<u8>, usize>::new(), 0);
    let (mut names, mut services, mut users) = (HashSet::new(), HashMap::<String, usize>::new(), HashSet::new());
    for (body, units) in all(Kind::Spans, 50_000, 3) {
        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
        let mut here = 0;
        for group in request.resource_spans {
            let resource = group.resource.unwrap();
            assert_eq!(resource.attributes.len(), bench::world::RESOURCE_ATTRIBUTES);
            let name = format!("{:?}", resource.attributes[0].value);
            for span in group.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                here += 1;
                *services.entry(name.clone()).or_default() += 1;
                assert!((15..=17).contains(&span.attributes.len()), "{} attributes", span.attributes.len());
                assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
                for attribute in &span.attributes {
                    if attribute.key == "user.id" {
                        users.insert(format!("{:?}", attribute.value));
                    }
                }
                let compared = bench::world::COMPARED.iter().filter(|key| span.attributes.iter().any(|it| it.key == **key));
                assert_eq!(compared.count(), bench::world::COMPARED.len());
                let failed = span.status.as_ref().is_some_and(|status| status.code == 2);
                assert_eq!(failed, !span.events.is_empty());
                exceptions += usize::from(failed);
                *traces.entry(span.trace_id).or_default() += 1;
                names.insert(span.name);
            }
        }
        assert_eq!(here, units);
        spans += here;
    }
    assert_eq!(spans, 50_000);
    assert_eq!(names.len(), 300);
    assert_eq!(services.len(), 20);
    let (most, least) = (services.values().max().unwrap(), services.values().min().unwrap());
    assert!(most > &(least * 10), "Zipf's law: {most} against {least}");
    // The last trace of a request is cut at 500 spans; the rest are whole.
    let whole = traces.values().filter(|spans| (8..=12).contains(*spans)).count();
    assert!(whole * 100 > traces.len() * 97, "{whole} of {}", traces.len());
    assert!((400..600).contains(&exceptions), "{exceptions} of {spans}");
    assert!(users.len() > 3_000, "{}", users.len());
}

#[test]
fn lines_are_as_described() {
    let (mut lines, mut bytes, mut with_trace, mut common) = (0, 0, 0, 0);
    let mut levels = HashMap::<String, usize>::new();
    for (body, _) in all(Kind::Logs, 20_000, 3) {
        let request = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
        let records = request.resource_logs.into_iter().flat_map(|group| group.scope_logs).flat_map(|scope| scope.log_records);
        for record in records {
            let Some(opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue(text)) = record.body.unwrap().value
            else {
                panic!("a body that is no text")
            };
            lines += 1;
            bytes += text.len();
            with_trace += usize::from(record.trace_id.len() == 16);
            common += usize::from(text.contains(bench::lines::COMMON_TOKEN));
            assert!(!text.contains(bench::lines::RARE_SUBSTRING) && !text.contains(bench::lines::ABSENT_TOKEN));
            *levels.entry(record.severity_text).or_default() += 1;
        }
    }
    assert_eq!(lines, 20_000);
    assert!((95..108).contains(&(bytes / lines)), "{} B a body", bytes / lines);
    assert!((18..22).contains(&(with_trace * 100 / lines)), "{with_trace} of {lines} with a trace");
    assert!((100..1_000).contains(&common), "{common} common words");
    assert_eq!(levels.len(), 4);
}

#[test]
fn points_are_as_described() {
    let (mut numbers, mut histograms) = (0, 0);
    for (body, units) in all(Kind::Points, 5_050, 3) {
        let request = ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
        let metrics = request.resource_metrics.into_iter().flat_map(|group| group.scope_metrics).flat_map(|scope| scope.metrics);
        let mut here = 0;
        for metric in metrics {
            here += match metric.data.unwrap() {
                Data::Gauge(gauge) => {
                    numbers += gauge.data_points.len();
                    gauge.data_points.len()
                }
                Data::Sum(sum) => {
                    assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
                    numbers += sum.data_points.len();
                    sum.data_points.len()
                }
                Data::Histogram(histogram) => {
                    for point in &histogram.data_points {
                        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                    }
                    histograms += histogram.data_points.len();
                    histogram.data_points.len()
                }
                other => panic!("{other:?}"),
            };
        }
        assert_eq!(here, units);
    }
    assert_eq!((numbers, histograms), (4_545, 505));
}

#[test]
fn vendors_bodies_are_json() {
    let (body, _) = all(Kind::Xray, 50, 3).remove(0);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let documents = body["TraceSegmentDocuments"].as_array().unwrap();
    assert_eq!(documents.len(), 50);
    let document: Value = serde_json::from_str(documents[7].as_str().unwrap()).unwrap();
    assert_eq!(document["subsegments"].as_array().unwrap().len() + 1, bench::vendors::SPANS_PER_DOCUMENT);
    assert_eq!(document["trace_id"].as_str().unwrap().len(), 35);

    let (body, events) = all(Kind::Cloudwatch, 500, 3).remove(0);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["logEvents"].as_array().unwrap().len(), events);

    let (body, _) = all(Kind::Rollbar, 1, 3).remove(0);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["data"]["body"]["trace"]["frames"].as_array().unwrap().len(), 12);
}
