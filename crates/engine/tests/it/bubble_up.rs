//! What is different about some rows, over a real store.

use std::collections::HashMap;

use engine::EngineError;
use engine::ask::bubble_up::{BubbleUp, BubbleUpColumn, BubbleUpQuestion};
use expect_test::{Expect, expect};
use model::{Attribute, RowSink, Signal, Span, Value};
use store::TimeRange;

use crate::stage::{SECOND, START, Stage, log, span, stage};

const ROWS: u64 = 1_200;

/// Slow spans are those of zone `b` with version 2; everything else is spread evenly. Three parts and memory.
async fn slow_zone() -> Stage {
    let stage = stage().await;
    for part in 0..4 {
        stage
            .append(|rows| {
                for number in part * ROWS / 4..(part + 1) * ROWS / 4 {
                    let (zone, version) = (["a", "b", "c"][number as usize % 3], number / 3 % 2);
                    let is_slow = zone == "b" && version == 1;
                    let user = format!("a user whose id is long enough, number {number}");
                    let mut attributes = vec![
                        Attribute::str("zone", zone),
                        Attribute::new("version", Value::Int(version as i64 + 1)),
                        Attribute::str("user.id", user.as_str()),
                        Attribute::new("even", Value::Bool(number % 2 == 0)),
                        Attribute::new("load", Value::Float(hash(number) % 1_000.0)),
                        Attribute::new("items", Value::Int(hash(number) as i64 % 5)),
                    ];
                    if is_slow || number % 7 == 0 {
                        attributes.push(Attribute::str("warning", "pool is empty"));
                    }
                    let duration_ns = if is_slow { 2_000_000_000 } else { 10_000_000 };
                    let sample_rate = if number % 2 == 0 { 1.0 } else { 3.0 };
                    rows.span(&Span { duration_ns, sample_rate, ..span(number, &attributes) });
                }
            })
            .await;
        if part < 3 {
            stage.store.flush().await.unwrap();
        }
    }
    stage
}

fn hash(number: u64) -> f64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64
}

fn question(selection: &str) -> BubbleUpQuestion {
    let range = TimeRange { start_unix_nano: START, end_unix_nano: START + ROWS as i64 * SECOND };
    BubbleUpQuestion { signal: Signal::Spans, range, selection: selection.into(), baseline: None, columns: None, limit: 50 }
}

fn printed(answer: &BubbleUp) -> String {
    let column = |column: &BubbleUpColumn| {
        let values = column.values.iter().take(4).map(|value| {
            let name = value.value.clone().unwrap_or_else(|| format!("{:?}..{:?}", value.lower.unwrap(), value.upper.unwrap()));
            format!("\n    {name}: {} of {}", value.selection, value.baseline)
        });
        let nulls = format!("{:.2}/{:.2}", column.null_share_selection, column.null_share_baseline);
        format!("{} {:.2}, null {nulls}{}", column.name, column.difference, values.collect::<String>())
    };
    let significant = answer.columns.iter().filter(|column| column.significant);
    significant.map(column).collect::<Vec<_>>().join("\n")
}

async fn check(stage: &Stage, question: BubbleUpQuestion, expected: Expect) -> BubbleUp {
    let answer = stage.asker.bubble_up(question).await.unwrap();
    expected.assert_eq(&printed(&answer));
    answer
}

#[tokio::test]
async fn what_slow_spans_have_in_common_comes_first() {
    let stage = slow_zone().await;
    let answer = check(
        &stage,
        question("duration_ns > 1e9"),
        expect![[r#"
        duration_ns 0.98, null 0.00/0.00
            8388608.0..12582912.0: 0 of 2200
            1610612736.0..2147483648.0: 200 of 0
        warning 0.83, null 0.00/0.86
            pool is empty: 200 of 316
        even 0.79, null 0.00/0.00
            false: 0 of 1800
            true: 200 of 400
        zone 0.68, null 0.00/0.00
            b: 200 of 600
            a: 0 of 800
            c: 0 of 800
        version 0.42, null 0.00/0.00
            2: 200 of 1200
            1: 0 of 1000
        status_code 0.15, null 0.00/0.00
            error: 40 of 80
            ok: 160 of 2120"#]],
    )
    .await;
    assert_eq!((answer.selection.rows, answer.baseline.rows), (200, 1_000));
    assert_eq!((answer.selection.count, answer.baseline.count), (200.0, 2_200.0));
    assert_eq!(answer.stats.rows_scanned, ROWS);
    let columns: HashMap<&str, &BubbleUpColumn> = answer.columns.iter().map(|column| (column.name.as_str(), column)).collect();
    assert!(!columns["items"].significant && !columns["load"].significant && !columns["user.id"].significant);
    assert!(columns["user.id"].values_left_out > 1_000);
    assert!(!columns.contains_key("resource"));
}

#[tokio::test]
async fn counts_are_those_of_sql() {
    let stage = slow_zone().await;
    let condition = "zone <> 'c' AND (items >= 3 OR warning IS NOT NULL)";
    let answer = stage.asker.bubble_up(question(condition)).await.unwrap();
    for column in ["zone", "items", "warning", "even", "version"] {
        let told = answer.columns.iter().find(|told| told.name == column).unwrap();
        let sql = format!(
            "SELECT CAST({column} AS VARCHAR), sum(CASE WHEN {condition} THEN sample_rate ELSE 0 END), \
             sum(CASE WHEN {condition} THEN 0 ELSE sample_rate END) FROM spans WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1"
        );
        let expected = stage.sql(&sql).await;
        let mut values: Vec<_> = told.values.iter().collect();
        values.sort_by(|a, b| a.value.cmp(&b.value));
        let values: Vec<Vec<serde_json::Value>> =
            values.iter().map(|value| vec![value.value.clone().into(), value.selection.into(), value.baseline.into()]).collect();
        assert_eq!(values, expected, "{column}");
    }
}

#[tokio::test]
async fn a_baseline_and_columns_may_be_chosen() {
    let stage = slow_zone().await;
    let chosen = BubbleUpQuestion {
        baseline: Some("zone = 'b' -- the same zone".into()),
        columns: Some(vec!["zone".into(), "version".into(), "duration_ns".into()]),
        ..question("duration_ns > 1e9 -- slow")
    };
    let answer = check(
        &stage,
        chosen,
        expect![[r#"
        version 0.96, null 0.00/0.00
            1: 0 of 600
            2: 200 of 0
        duration_ns 0.96, null 0.00/0.00
            8388608.0..12582912.0: 0 of 600
            1610612736.0..2147483648.0: 200 of 0"#]],
    )
    .await;
    assert_eq!((answer.selection.rows, answer.baseline.rows, answer.columns_compared), (200, 200, 3));
}

#[tokio::test]
async fn logs_are_compared_too_and_nothing_is_no_error() {
    let stage = stage().await;
    stage
        .append(|rows| {
            (0..200).for_each(|second| {
                let attributes = [Attribute::str("host", if second % 4 == 0 { "a" } else { "b" })];
                let severity_number = if second % 4 == 0 { 17 } else { 9 };
                rows.log(&model::LogRecord { severity_number, attributes: &attributes, ..log(second, "a line") });
            });
        })
        .await;
    let logs = BubbleUpQuestion { signal: Signal::Logs, ..question("severity_number >= 17") };
    check(
        &stage,
        logs.clone(),
        expect![[r#"
        severity_number 0.94, null 0.00/0.00
            9: 0 of 150
            17: 50 of 0
        host 0.94, null 0.00/0.00
            a: 50 of 0
            b: 0 of 150"#]],
    )
    .await;
    let nothing = stage.asker.bubble_up(BubbleUpQuestion { selection: "severity_number > 20".into(), ..logs }).await.unwrap();
    assert_eq!((nothing.selection.rows, nothing.baseline.rows), (0, 200));
    assert!(nothing.columns.iter().all(|column| !column.significant));
    let empty = stage.asker.bubble_up(question("name = 'x'")).await.unwrap();
    assert_eq!((empty.selection.rows, empty.baseline.rows), (0, 0));
}

#[tokio::test]
async fn what_is_no_condition_is_refused() {
    let stage = slow_zone().await;
    for (selection, expected) in [
        ("duration_ns >", "cannot read SQL"),
        ("true) OR (true", "expected the condition to end"),
        ("no_such_column = 1", "no_such_column"),
        ("zone", ""),
        ("count(*) > 1", ""),
    ] {
        let error = stage.asker.bubble_up(question(selection)).await.unwrap_err();
        assert!(matches!(error, EngineError::Invalid { .. }), "{selection}: {error}");
        assert!(error.to_string().contains(expected), "{selection}: {error}");
    }
    let unknown = BubbleUpQuestion { columns: Some(vec!["nothing".into()]), ..question("true") };
    assert!(stage.asker.bubble_up(unknown).await.unwrap_err().to_string().contains("no row has it"));
    let unfit = BubbleUpQuestion { columns: Some(vec!["trace_id".into()]), ..question("true") };
    assert!(stage.asker.bubble_up(unfit).await.unwrap_err().to_string().contains("expected texts, numbers"));
}
