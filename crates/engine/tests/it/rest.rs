//! Attributes beyond the columns there may be: found by every kind of question, in bounded memory.

use engine::ask::logs::{LogFilter, Order};
use engine::ask::traces::{TraceFilter, TraceSort};
use engine::{EngineError, EngineOptions};
use model::{Attribute, RowSink, Signal, Value};
use serde_json::json;
use store::TimeRange;

use crate::stage::{PROJECT, Stage, log, span, stage, stage_with};

const KEYS: usize = 50_000;
const KEYS_PER_ROW: usize = 100;

/// The value of a key: every kind in turn.
fn value(key: usize) -> Value<'static> {
    match key % 4 {
        0 => Value::Int(key as i64),
        1 => Value::Str(format!("value \"{key}\"").into()),
        2 => Value::Bool(key % 8 == 2),
        _ => Value::Float(key as f64 + 0.5),
    }
}

/// How a value is told in a column of texts.
fn text(key: usize) -> String {
    match value(key) {
        Value::Int(value) => value.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        value => value.to_text().into_owned(),
    }
}

/// Every key in one span and in one log record; four parts and memory.
async fn many_keys() -> Stage {
    // Rows of all 5,000 columns of a table: each column of a batch takes 32 kB for the codes of its texts, however few.
    let options = EngineOptions { memory_bytes_max: 256 * 1024 * 1024, ..EngineOptions::default() };
    let stage = stage_with(options).await;
    let names: Vec<String> = (0..KEYS).map(|key| format!("key.{key}")).collect();
    for part in 0..5 {
        stage
            .append(|rows| {
                for row in (0..KEYS / KEYS_PER_ROW).skip(part * 100).take(100) {
                    let keys = row * KEYS_PER_ROW..(row + 1) * KEYS_PER_ROW;
                    let attributes: Vec<Attribute<'_>> =
                        keys.map(|key| Attribute::new(names[key].as_str(), value(key))).collect();
                    rows.span(&span(row as u64, &attributes));
                    rows.log(&model::LogRecord { attributes: &attributes, ..log(row as i64, "a line") });
                }
            })
            .await;
        if part < 4 {
            stage.store.flush().await.unwrap();
        }
    }
    stage
}

#[tokio::test]
async fn every_one_of_fifty_thousand_keys_is_found() {
    let stage = many_keys().await;
    let stats = stage.store.stats();
    assert_eq!(stats.memory_rows, 200);
    assert!(stats.memory_bytes < 64 * 1024 * 1024, "{stats:?}");
    for signal in [Signal::Spans, Signal::Logs] {
        // Some from all places; each in exactly one row.
        for keys in (0..KEYS).step_by(250).collect::<Vec<_>>().chunks(200) {
            let counts: Vec<String> = keys.iter().map(|key| format!("count(\"key.{key}\")")).collect();
            let rows = stage.sql(&format!("SELECT {} FROM {}", counts.join(", "), signal.table())).await;
            assert!(rows[0].iter().all(|count| *count == json!(1)), "{signal:?} {}..: {:?}", keys[0], rows[0]);
        }
    }
    for key in (0..KEYS).step_by(9_999) {
        let sql =
            format!("SELECT CAST(\"key.{key}\" AS VARCHAR) FROM spans WHERE CAST(\"key.{key}\" AS VARCHAR) = '{}'", text(key));
        assert_eq!(stage.sql(&sql).await, [[text(key)]], "{sql}");
        let quoted = text(key).replace('"', "\\\"");
        {
            let q = if key % 2 == 0 { format!("key.{key} = \"{quoted}\"") } else { format!("key.{key} exists") };
            let filter = LogFilter { q: q.clone(), ..LogFilter::default() };
            let logs = stage.asker.logs(TimeRange::ALL, &filter, Order::Newest, 10, None).await.unwrap();
            assert_eq!(logs.logs.len(), 1, "{q}");
            assert!(logs.logs[0].attributes.contains_key(&format!("key.{key}")), "{q}");
            let filter = TraceFilter { q: q.clone(), ..TraceFilter::default() };
            let traces = stage.asker.traces(TimeRange::ALL, &filter, TraceSort::Newest, 10, None).await.unwrap();
            assert_eq!(traces.traces.len(), 1, "{q}");
        }
    }
    let keys = stage.asker.attributes(Some(Signal::Logs)).await.unwrap().attributes;
    assert_eq!(keys.iter().filter(|key| key.key.starts_with("key.")).count(), KEYS);
    let values = stage.asker.attribute_values(TimeRange::ALL, Signal::Spans, "key.49997", "value", 10).await.unwrap().values;
    assert_eq!(values.len(), 1);
}

/// A part with more keys than columns: the rare ones are folded, the frequent one is a column.
async fn folded() -> Stage {
    let stage = stage().await;
    let names: Vec<String> = (0..1_500).map(|key| format!("rare.{key:04}")).collect();
    for request in 0..3 {
        stage
            .append(|rows| {
                for (key, name) in names.iter().enumerate().skip(request * 500).take(500) {
                    let attributes = [Attribute::new("often", Value::Int(key as i64)), Attribute::new(&name[..], value(key))];
                    rows.span(&span(key as u64, &attributes));
                }
            })
            .await;
    }
    stage.store.flush().await.unwrap();
    stage.append(|rows| rows.span(&span(2_000, &[Attribute::new("rare.0000", Value::Int(7))]))).await;
    stage
}

#[tokio::test]
async fn a_key_is_found_in_its_column_and_beside_it() {
    let stage = folded().await;
    let beside = stage.sql("SELECT count(attributes_rest) FROM spans").await[0][0].as_u64().unwrap();
    assert!(beside > 400, "{beside} rows have attributes beside their columns");
    for key in (0..1_500).step_by(7) {
        let expected = if key == 0 { 2 } else { 1 };
        let name = format!("\"rare.{key:04}\"");
        assert_eq!(stage.sql(&format!("SELECT count({name}) FROM spans")).await, [[expected]], "{name}");
        assert_eq!(stage.sql(&format!("SELECT count(*) FROM spans WHERE {name} IS NOT NULL")).await, [[expected]], "{name}");
    }
    assert_eq!(stage.sql(r#"SELECT sum("rare.0000") FROM spans WHERE "rare.0000" >= 0"#).await, [[7]]);
    assert_eq!(stage.sql(r#"SELECT often FROM spans WHERE "rare.1496" = 1496"#).await, [[1496]]);
    assert_eq!(stage.sql(r#"SELECT often FROM spans ORDER BY "rare.1496" DESC NULLS LAST LIMIT 1"#).await, [[1496]]);
    assert_eq!(stage.sql(r#"SELECT "rare.1499" + 1 FROM spans WHERE "rare.1499" > 1000"#).await, [[1500.5]]);
}

#[tokio::test]
async fn all_columns_are_those_there_are() {
    let stage = folded().await;
    let columns = stage.asker.engine.sql(PROJECT, "SELECT * FROM spans LIMIT 1", 10).await.unwrap().columns().len();
    let known = stage.asker.attributes(Some(Signal::Spans)).await.unwrap().attributes.len();
    assert_eq!(columns, known);
}

#[tokio::test]
async fn a_name_that_nobody_sent_is_an_error_where_all_attributes_have_columns() {
    let stage = stage().await;
    stage.append_spans(4).await;
    let error = stage.asker.engine.sql(PROJECT, "SELECT no.such FROM spans", 10).await.unwrap_err();
    assert!(matches!(error, EngineError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn filter_expressions_find_them() {
    let stage = many_keys().await;
    let found = async |text: &str| crate::xray_filter::found(&stage, &|_| None, text).await.unwrap();
    for text in [
        "annotation[key.49996] = 49996",
        "annotation[key.49999] > 49999",
        "annotation[key.49994]",
        "annotation[key.49997] CONTAINS 49997",
    ] {
        let (traces, warnings) = found(text).await;
        assert_eq!((traces.len(), warnings.len()), (1, 0), "{text}: {warnings:?}");
    }
    assert_eq!(found("annotation[key.50000]").await.0.len(), 0);
}
