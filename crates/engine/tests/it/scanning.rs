//! What is read: only files that may matter, the newest first.

use engine::ask::logs::{LogFilter, Order};
use model::{Attribute, RowSink, Value};
use store::TimeRange;

use crate::stage::{PROJECT, SECOND, START, Stage, log, span, stage};

const HOUR: TimeRange = TimeRange { start_unix_nano: START, end_unix_nano: START + 3_600 * SECOND };

/// Ten parts of a hundred lines each, and some lines in memory, each a second after the one before.
async fn lines() -> Stage {
    let stage = stage().await;
    for part in 0..11 {
        let bodies: Vec<String> = (0..100).map(|line| format!("request {:04} took {part} ms", part * 100 + line)).collect();
        stage
            .append(|rows| {
                for (line, body) in bodies.iter().enumerate() {
                    rows.log(&log((part * 100 + line) as i64, body));
                }
            })
            .await;
        if part < 10 {
            stage.store.flush().await.unwrap();
        }
    }
    assert_eq!(stage.part_files().len(), 10);
    stage
}

#[tokio::test]
async fn files_outside_the_time_asked_for_are_not_read() {
    let stage = lines().await;
    for (condition, expected) in [
        ("time >= to_timestamp_nanos(1795233800000000000) AND time < to_timestamp_nanos(1795233900000000000)", 100),
        ("CAST(time AS BIGINT) BETWEEN 1795233800000000000 AND 1795233899999999999", 100),
        ("date_trunc('minute', time) = TIMESTAMP '2026-11-21T04:05:00Z'", 60),
    ] {
        let answer = stage.asker.engine.sql(PROJECT, &format!("SELECT count(*) FROM logs WHERE {condition}"), 10).await.unwrap();
        assert_eq!(answer.json_rows().unwrap(), [[expected]], "{condition}");
        assert!(answer.stats.rows_scanned <= 300, "{condition}: {} rows scanned", answer.stats.rows_scanned);
    }
}

#[tokio::test]
async fn the_newest_rows_are_found_in_the_newest_files() {
    let stage = lines().await;
    stage.store.flush().await.unwrap();
    let newest = "SELECT body FROM logs ORDER BY time DESC LIMIT 3";
    let answer = stage.asker.engine.sql(PROJECT, newest, 10).await.unwrap();
    let bodies = [["request 1099 took 10 ms"], ["request 1098 took 10 ms"], ["request 1097 took 10 ms"]];
    assert_eq!(answer.json_rows().unwrap(), bodies);
    // One file for each thread that was idle.
    let threads = engine::EngineOptions::default().threads as u64;
    assert!(answer.stats.rows_scanned <= threads * 100, "{} rows scanned", answer.stats.rows_scanned);
}

#[tokio::test]
async fn the_newest_rows_are_found_although_some_are_in_memory() {
    let stage = lines().await;
    let page = stage.asker.logs(HOUR, &LogFilter::default(), Order::Newest, 150, None).await.unwrap();
    assert_eq!(page.logs.len(), 150);
    assert_eq!(page.logs[0].body, "request 1099 took 10 ms");
    assert_eq!(page.logs[149].body, "request 0950 took 9 ms");
    assert!(page.stats.rows_scanned < 1_100, "{} rows scanned", page.stats.rows_scanned);
}

#[tokio::test]
async fn counting_everything_reads_nothing() {
    let stage = lines().await;
    let answer = stage.asker.engine.sql(PROJECT, "SELECT count(*) FROM logs", 10).await.unwrap();
    assert_eq!(answer.json_rows().unwrap(), [[1_100]]);
    assert_eq!(answer.stats.rows_scanned, 0);
}

#[tokio::test]
async fn words_are_found_as_words_first() {
    let stage = lines().await;
    stage.append(|rows| rows.log(&log(2_000, "Connection timeouts everywhere"))).await;
    let found = async |q: &str| {
        let filter = LogFilter { q: q.into(), ..LogFilter::default() };
        let page = stage.asker.logs(HOUR, &filter, Order::Newest, 1_000, None).await.unwrap();
        let counts = stage.asker.log_histogram(HOUR, &filter).await.unwrap();
        let counted = counts.buckets.iter().map(|bucket| bucket.info).sum::<f64>();
        assert_eq!(counted.min(1_000.0), page.logs.len() as f64, "{q}");
        assert_eq!(counts.stats.warnings, page.stats.warnings, "{q}");
        (page.logs.len(), !page.stats.warnings.is_empty())
    };
    assert_eq!(found("0042").await, (1, false));
    assert_eq!(found("CONNECTION").await, (1, false));
    assert_eq!(found("\"took 3 ms\"").await, (100, false));
    assert_eq!(found("request -took").await, (0, false));
    assert_eq!(found("request 0042").await, (1, false));
    // No such word, but longer ones.
    assert_eq!(found("timeout").await, (1, true));
    assert_eq!(found("equest").await, (1_000, true));
    assert_eq!(found("nothing").await, (0, false));
    assert_eq!(found("body:imeout").await, (1, false));
}

#[tokio::test]
async fn pages_go_on_as_they_began() {
    let stage = lines().await;
    let filter = LogFilter { q: "equest".into(), ..LogFilter::default() };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = stage.asker.logs(HOUR, &filter, Order::Newest, 400, cursor.as_deref()).await.unwrap();
        seen.extend(page.logs.into_iter().map(|log| log.body));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 1_100);
    seen.dedup();
    assert_eq!(seen.len(), 1_100);
}

#[tokio::test]
async fn has_token_is_a_function_of_sql() {
    let stage = lines().await;
    let count =
        async |condition: &str| stage.sql(&format!("SELECT count(*) FROM logs WHERE {condition}")).await[0][0].as_i64().unwrap();
    assert_eq!(count("has_token(body, '0042')").await, 1);
    assert_eq!(count("has_token(body, 'REQUEST')").await, 1_100);
    assert_eq!(count("has_token(body, 'reques')").await, 0);
    assert_eq!(count("NOT has_token(body, '0042')").await, 1_099);
    assert_eq!(count("has_token(exception.message, 'x') IS NULL").await, 1_100);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_answered_with_those_that_do() {
    let stage = stage().await;
    stage.append(|rows| rows.span(&span(1, &[Attribute::new("cart.size", Value::Int(3))]))).await;
    for (sql, expected) in [
        (r#"SELECT "cart.sise" FROM spans"#, r#"no column named "cart.sise"; did you mean "cart.size"?"#),
        ("SELECT sevice_name FROM spans", r#"no column named "sevice_name"; did you mean "service.name" or "name"?"#),
        ("SELECT qqqq FROM spans", r#"no column named "qqqq"; /api/attributes lists those there are"#),
    ] {
        let error = stage.asker.engine.sql(PROJECT, sql, 10).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
