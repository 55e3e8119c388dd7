//! SQL as people write it.

use engine::EngineError;
use model::{Attribute, RowSink, Value};
use serde_json::json;

use crate::stage::{PROJECT, span, stage};

#[tokio::test]
async fn memory_and_parts_are_one_table() {
    let stage = stage().await;
    stage.append_spans(40).await;
    assert_eq!(stage.sql("SELECT count(*), min(number), max(number) FROM spans").await, [[json!(40), json!(0), json!(39)]]);
    assert_eq!(stage.sql("SELECT count(*) FROM spans WHERE status_code = 'error'").await, [[4]]);
    let id = "0707070707070707000000000000001e";
    assert_eq!(stage.sql(&format!("SELECT number FROM spans WHERE trace_id = '{id}'")).await, [[30]]);
    assert_eq!(stage.sql(&format!("SELECT number FROM spans WHERE trace_id IN ('{id}')")).await, [[30]]);
    let wrong = stage.asker.engine.sql(PROJECT, "SELECT 1 FROM spans WHERE trace_id = 'xyz'", 10).await.unwrap_err();
    assert!(wrong.to_string().contains("cannot read trace id"), "{wrong}");
}

#[tokio::test]
async fn a_key_of_several_types_is_as_wide_as_the_widest() {
    let stage = stage().await;
    for (number, value) in [Value::Int(1), Value::Float(1.5), Value::str("one")].into_iter().enumerate() {
        stage.append(|rows| rows.span(&span(number as u64, &[Attribute::new("size", value)]))).await;
        stage.store.flush().await.unwrap();
    }
    let rows = stage.sql("SELECT size FROM spans ORDER BY time").await;
    assert_eq!(rows, [["1"], ["1.5"], ["one"]]);
}

#[tokio::test]
async fn answers_are_cut_and_say_so() {
    let stage = stage().await;
    stage.append_spans(10).await;
    let answer = stage.asker.engine.sql(PROJECT, "SELECT number FROM spans", 3).await.unwrap();
    assert_eq!(answer.rows(), 3);
    assert!(answer.truncated.is_some());
    let whole = stage.asker.engine.sql(PROJECT, "SELECT number FROM spans", 10).await.unwrap();
    assert_eq!((whole.rows(), whole.truncated), (10, None));
}

#[tokio::test]
async fn counts_may_be_weighted() {
    let stage = stage().await;
    stage.append(|rows| rows.span(&model::Span { sample_rate: 20.0, ..span(1, &[]) })).await;
    stage.append(|rows| rows.span(&span(2, &[]))).await;
    assert_eq!(stage.sql("SELECT count(*), sum(sample_rate) FROM spans").await, [[json!(2), json!(21.0)]]);
}

#[tokio::test]
async fn only_questions_are_answered() {
    let stage = stage().await;
    for sql in
        ["DROP TABLE spans", "SELECT 1; SELECT 2", "SELECT", "COPY spans TO 'x'", "SET a = 1", "INSERT INTO spans VALUES (1)"]
    {
        let error = stage.asker.engine.sql(PROJECT, sql, 10).await.unwrap_err();
        assert!(matches!(error, EngineError::Invalid { .. }), "{sql}: {error}");
    }
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let stage = stage().await;
    stage.append_spans(3).await;
    let answer = stage.asker.engine.sql("other", "SELECT count(*) FROM spans", 10).await.unwrap();
    assert_eq!(answer.json_rows().unwrap(), [[0]]);
}

#[tokio::test]
async fn a_query_may_not_run_for_ever() {
    let stage = stage().await;
    stage.append_spans(20).await;
    let options = engine::EngineOptions { time_max: std::time::Duration::from_millis(50), ..Default::default() };
    let engine = engine::Engine::new(stage.store.clone(), options).unwrap();
    let sql = "SELECT count(*) FROM spans a, spans b, spans c, spans d, spans e, spans f, spans g WHERE a.number + b.number + c.number + d.number + e.number + f.number + g.number = -1";
    let error = engine.sql(PROJECT, sql, 10).await.unwrap_err();
    assert!(matches!(error, EngineError::OutOfTime { .. }), "{error}");
}
