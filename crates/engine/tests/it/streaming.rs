//! Answers told while they are worked on, and work that ends when nobody waits for it.

use std::time::Duration;

use engine::SqlEvent;

use crate::stage::{PROJECT, stage};

#[tokio::test]
async fn rows_come_between_columns_and_the_end() {
    let stage = stage().await;
    stage.append_spans(40).await;
    let mut stream = stage.asker.engine.sql_stream(PROJECT, "SELECT number FROM spans", 30).await.unwrap();
    let mut told = Vec::new();
    let mut rows = 0;
    while let Some(event) = stream.next().await {
        told.push(match event {
            SqlEvent::Columns(schema) => format!("columns {}", schema.field(0).name()),
            SqlEvent::Progress(_) => continue,
            SqlEvent::Rows(batch) => {
                rows += batch.num_rows();
                "rows".into()
            }
            SqlEvent::Ended { stats, truncated } => format!("end of {} {}", stats.rows_total, truncated.unwrap_or_default()),
            other => panic!("{other:?}"),
        });
    }
    told.dedup();
    assert_eq!(told, ["columns number", "rows", "end of 40 the first 30 rows of a longer answer"]);
    assert_eq!(rows, 30);
}

#[tokio::test]
async fn what_cannot_be_planned_is_refused_before_anything_is_told() {
    let stage = stage().await;
    for sql in ["SELECT nothing FROM spans", "DROP TABLE spans", "SELECT"] {
        assert!(stage.asker.engine.sql_stream(PROJECT, sql, 10).await.is_err(), "{sql}");
    }
}

#[tokio::test]
async fn work_ends_when_nobody_waits_for_it() {
    let stage = stage().await;
    stage.append_spans(20).await;
    let engine = &stage.asker.engine;
    let long = "SELECT count(*) FROM spans a, spans b, spans c, spans d, spans e, spans f, spans g WHERE \
                a.number + b.number + c.number + d.number + e.number + f.number + g.number = -1";
    let mut stream = engine.sql_stream(PROJECT, long, 10).await.unwrap();
    assert!(matches!(stream.next().await, Some(SqlEvent::Columns(_))));
    assert!(matches!(stream.next().await, Some(SqlEvent::Progress(_))));
    let plain = tokio::spawn({
        let engine = engine.clone();
        async move { engine.sql(PROJECT, long, 10).await.map(drop) }
    });
    while engine.running() < 2 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    plain.abort();
    let idle = async {
        while engine.running() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), idle).await.expect("query threads become idle");
    assert_eq!(stage.sql("SELECT count(number) FROM spans").await, [[20]]);
}
