//! Percentiles, histograms and the cells of heatmaps, in SQL over memory rows and parts.

use expect_test::{Expect, expect};
use model::{Attribute, RowSink, Span, Value};
use serde_json::json;

use crate::stage::{SECOND, START, Stage, span, stage};

/// A hundred spans of 1 to 100 ms in two routes; route `/b` stands for ten times as many.
async fn two_routes() -> Stage {
    let stage = stage().await;
    for half in 0..2_u64 {
        stage
            .append(|rows| {
                for number in (half * 50)..(half * 50 + 50) {
                    let (route, sample_rate) = if number % 2 == 0 { ("/a", 1.0) } else { ("/b", 10.0) };
                    let offset = Value::Float(number as f64 - 50.0);
                    let attributes = [Attribute::str("http.route", route), Attribute::new("offset", offset)];
                    rows.span(&Span { sample_rate, ..span(number, &attributes) });
                }
            })
            .await;
        if half == 0 {
            stage.store.flush().await.unwrap();
        }
    }
    stage
}

async fn check(stage: &Stage, query: &str, expected: Expect) {
    let rows = stage.sql(query).await;
    let lines: Vec<String> = rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[tokio::test]
async fn percentiles_of_groups_are_near_the_exact_ones_and_weighted() {
    let stage = two_routes().await;
    check(
        &stage,
        "SELECT http.route, count(*), percentile(duration_ns, 0.5), percentile(duration_ns, 0.95), percentile(duration_ns, 1) \
         FROM spans GROUP BY 1 ORDER BY 1",
        expect![[r#"
            ["/a",50,49020927.0,92798975.0,99000000.0]
            ["/b",50,50069503.0,93847551.0,100000000.0]"#]],
    )
    .await;
    check(
        &stage,
        "SELECT percentile(duration_ns, 0.5), percentile(duration_ns, 0.5, CASE WHEN duration_ns > 50000000 THEN 1 ELSE sample_rate END) FROM spans",
        expect!["[50069503.0,30015487.0]"],
    )
    .await;
    check(
        &stage,
        "SELECT percentile(\"offset\", 0), percentile(\"offset\", 0.5) FILTER (WHERE http.route = '/a'), percentile(\"offset\", 0.5) FILTER (WHERE http.route = 'none'), percentile(\"offset\", 1) FROM spans",
        expect!["[-50.0,-2.015625,null,49.0]"],
    )
    .await;
}

#[tokio::test]
async fn percentiles_of_a_column_are_counted_once() {
    let stage = two_routes().await;
    let session = stage.asker.engine.session("default", store::TimeRange::ALL).await.unwrap();
    let plan = session
        .ask(
            "EXPLAIN SELECT \"http.route\", percentile(duration_ns, 0.5) AS a, approx_percentile_cont(duration_ns, 0.95) AS b, \
             approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY CAST(duration_ns AS DOUBLE)) AS c, \
             approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_ns DESC) AS d, approx_median(duration_ns) AS e, \
             percentile(duration_ns, 0.5, sample_rate) AS f, avg(duration_ns) FROM spans GROUP BY 1",
        )
        .await
        .unwrap()
        .json_rows()
        .unwrap();
    let logical = plan[0][1].as_str().unwrap();
    let aggregate = logical.lines().find(|line| line.contains("Aggregate:")).unwrap().trim();
    expect!["Aggregate: groupBy=[[spans.http.route]], aggr=[[avg(CAST(spans.duration_ns AS Float64)), shared_percentiles(spans.duration_ns, Float64(1), Float64(0.5), Float64(0.95), Float64(0.99), Float64(0.010000000000000009)), shared_percentiles(spans.duration_ns, spans.sample_rate, Float64(0.5))]]"].assert_eq(aggregate);
    let rows = stage
        .sql(
            "SELECT percentile(duration_ns, 0.5) AS a, approx_percentile_cont(duration_ns, 0.95) AS b, \
             approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ns DESC) AS d, approx_median(duration_ns) AS e FROM spans",
        )
        .await;
    expect!["[[50069503.0,94896127.0,5013503.0,50069503.0]]"].assert_eq(&json!(rows).to_string());
}

#[tokio::test]
async fn a_percentile_may_be_nested_windowed_and_empty() {
    let stage = two_routes().await;
    check(
        &stage,
        "SELECT max(p) FROM (SELECT http.route, percentile(duration_ns, 0.9) / 1e6 AS p FROM spans GROUP BY 1 HAVING percentile(duration_ns, 0.1) > 0)",
        expect!["[89.653247]"],
    )
    .await;
    check(&stage, "SELECT percentile(duration_ns, 0.9) FROM spans WHERE duration_ns < 0", expect!["[null]"]).await;
    check(
        &stage,
        "SELECT DISTINCT http.route, percentile(duration_ns, 1) OVER (PARTITION BY http.route) FROM spans ORDER BY 1",
        expect![[r#"
            ["/a",99000000.0]
            ["/b",100000000.0]"#]],
    )
    .await;
    check(&stage, "SELECT percentile(dropped_links_count, 0.5), percentile(NULL, 0.5) FROM spans", expect!["[0.0,null]"]).await;
}

#[tokio::test]
async fn a_histogram_has_bounds_and_weighted_counts() {
    let stage = two_routes().await;
    check(&stage, "SELECT histogram(duration_ns, 1, 1) FROM spans", expect![[r#"[["{lower: 524288.0, upper: 1048576.0, count: 1.0}","{lower: 1048576.0, upper: 2097152.0, count: 1.0}","{lower: 2097152.0, upper: 4194304.0, count: 2.0}","{lower: 4194304.0, upper: 8388608.0, count: 4.0}","{lower: 8388608.0, upper: 16777216.0, count: 8.0}","{lower: 16777216.0, upper: 33554432.0, count: 17.0}","{lower: 33554432.0, upper: 67108864.0, count: 34.0}","{lower: 67108864.0, upper: 134217728.0, count: 33.0}"]]"#]]).await;
    check(&stage, "SELECT histogram(duration_ns, sample_rate, 1) FROM spans WHERE http.route = '/b'", expect![[r#"[["{lower: 1048576.0, upper: 2097152.0, count: 10.0}","{lower: 2097152.0, upper: 4194304.0, count: 10.0}","{lower: 4194304.0, upper: 8388608.0, count: 20.0}","{lower: 8388608.0, upper: 16777216.0, count: 40.0}","{lower: 16777216.0, upper: 33554432.0, count: 80.0}","{lower: 33554432.0, upper: 67108864.0, count: 170.0}","{lower: 67108864.0, upper: 134217728.0, count: 170.0}"]]"#]]).await;
    check(&stage, "SELECT histogram(\"offset\", 1, 1) FROM spans WHERE \"offset\" BETWEEN -5 AND 5", expect![[r#"[["{lower: -8.0, upper: -4.0, count: 2.0}","{lower: -4.0, upper: -2.0, count: 2.0}","{lower: -2.0, upper: -1.0, count: 1.0}","{lower: 0.0, upper: 0.0, count: 1.0}","{lower: 1.0, upper: 2.0, count: 1.0}","{lower: 2.0, upper: 4.0, count: 2.0}","{lower: 4.0, upper: 8.0, count: 2.0}"]]"#]]).await;
}

#[tokio::test]
async fn a_heatmap_is_two_functions() {
    let stage = two_routes().await;
    check(
        &stage,
        "SELECT time_bucket(interval '50 seconds', time) AS t, log_bucket(duration_ns, 1) AS d, sum(sample_rate) FROM spans GROUP BY 1, 2 ORDER BY 1, 2",
        expect![[r#"
            ["2026-11-21T04:00:00.000000000Z",524288.0,1.0]
            ["2026-11-21T04:00:00.000000000Z",1048576.0,10.0]
            ["2026-11-21T04:00:00.000000000Z",2097152.0,11.0]
            ["2026-11-21T04:00:00.000000000Z",4194304.0,22.0]
            ["2026-11-21T04:00:00.000000000Z",8388608.0,44.0]
            ["2026-11-21T04:00:00.000000000Z",16777216.0,89.0]
            ["2026-11-21T04:00:00.000000000Z",33554432.0,98.0]
            ["2026-11-21T04:00:50.000000000Z",33554432.0,89.0]
            ["2026-11-21T04:00:50.000000000Z",67108864.0,186.0]"#]],
    )
    .await;
    check(
        &stage,
        "SELECT log_bucket(0), log_bucket(-3.0), log_bucket(1000), log_bucket(1000, 64), log_bucket(NULL)",
        expect!["[0.0,-3.5,896.0,1000.0,null]"],
    )
    .await;
    let begin = (START + 61 * SECOND) / (60 * SECOND) * 60;
    let rows =
        stage.sql("SELECT CAST(time_bucket(60, time) AS BIGINT) / 1000000000 FROM spans ORDER BY time LIMIT 1 OFFSET 61").await;
    assert_eq!(rows, [[begin]]);
}

#[tokio::test]
async fn what_cannot_be_told_is_refused() {
    let stage = two_routes().await;
    for (query, expected) in [
        ("SELECT percentile(duration_ns, 95) FROM spans", "expected a number from 0 to 1"),
        ("SELECT percentile(name, 0.5) FROM spans", "expected a number"),
        ("SELECT percentile(duration_ns, sample_rate) FROM spans", "expected a constant"),
        ("SELECT percentile(duration_ns) FROM spans", "percentile takes a number, a share"),
        ("SELECT histogram(duration_ns, 1, 3) FROM spans", "expected a power of two up to 64"),
        ("SELECT log_bucket(duration_ns, 3) FROM spans", "expected a power of two up to 64"),
        ("SELECT time_bucket(0, time) FROM spans", "expected a constant of at least a nanosecond"),
    ] {
        let error = stage.asker.engine.sql("default", query, 10).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{query}: {error}");
    }
}
