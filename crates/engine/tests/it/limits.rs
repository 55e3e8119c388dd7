//! Too little memory: work goes to disk or is refused in words, and leaves nothing behind.

use engine::{EngineError, EngineOptions};
use model::{Attribute, RowSink, Value};

use crate::stage::{PROJECT, Stage, span, stage_with};

const MEGABYTE: usize = 1024 * 1024;

async fn small(memory: usize, spill_bytes_max: u64) -> (Stage, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let spill_dir = Some(folder.path().join("tmp"));
    let options = EngineOptions { memory_bytes_max: memory, spill_dir, spill_bytes_max, threads: 2, ..EngineOptions::default() };
    let stage = stage_with(options).await;
    let texts: Vec<String> = (0..60_000).map(|number| format!("{number:05} {}", "padding ".repeat(80))).collect();
    for chunk in texts.chunks(5_000) {
        stage
            .append(|rows| {
                for (number, text) in chunk.iter().enumerate() {
                    rows.span(&span(number as u64, &[Attribute::new("text", Value::str(text))]));
                }
            })
            .await;
    }
    stage.store.flush().await.unwrap();
    (stage, folder)
}

fn files_in(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { files_in(&path) } else { 1 }).sum()
}

/// Files are removed by the tasks that made them, which end soon after the answer.
async fn is_emptied(folder: &std::path::Path) -> bool {
    for _ in 0..1_000 {
        if files_in(folder) == 0 {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    false
}

/// Sorts everything, and tells little of it.
const SORT: &str = "SELECT max(place) FROM (SELECT text, row_number() OVER (ORDER BY text DESC) AS place FROM spans)";
const GROUP: &str = "SELECT max(n) FROM (SELECT text, count(*) AS n FROM spans GROUP BY text)";

#[tokio::test]
async fn a_sort_that_outgrows_memory_goes_to_disk_and_leaves_nothing_there() {
    // DataFusion merges as many runs at once as memory has room for, five megabytes each here, and wants room for one more.
    let (stage, folder) = small(68 * MEGABYTE, 1 << 30).await;
    assert_eq!(stage.sql(SORT).await, [[60_000]]);
    assert!(is_emptied(folder.path()).await);
}

#[tokio::test]
async fn a_grouping_that_outgrows_memory_goes_to_disk_or_is_refused() {
    let (stage, folder) = small(64 * MEGABYTE, 1 << 30).await;
    match stage.asker.engine.sql(PROJECT, GROUP, 10).await {
        Ok(answer) => assert_eq!(answer.json_rows().unwrap(), [[1]]),
        Err(error) => assert!(matches!(error, EngineError::OutOfMemory(_)), "{error}"),
    }
    assert!(is_emptied(folder.path()).await);
}

#[tokio::test]
async fn what_fits_nowhere_is_refused_with_the_setting_to_raise() {
    let (stage, folder) = small(64 * MEGABYTE, 100_000).await;
    let error = stage.asker.engine.sql(PROJECT, SORT, 10).await.unwrap_err();
    assert!(matches!(error, EngineError::OutOfMemory(_)), "{error}");
    let told = error.to_string();
    assert!(told.contains("--query-memory-megabytes") && told.contains("--query-spill-megabytes"), "{told}");
    assert!(is_emptied(folder.path()).await);
    // The next question has all of it again.
    assert_eq!(stage.sql("SELECT count(DISTINCT number) FROM (SELECT duration_ns AS number FROM spans)").await, [[5_000]]);
}

#[tokio::test]
async fn what_an_earlier_run_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let spill_dir = folder.path().join("tmp");
    std::fs::create_dir_all(spill_dir.join("old")).unwrap();
    std::fs::write(spill_dir.join("old").join("run"), "rows").unwrap();
    let _stage = stage_with(EngineOptions { spill_dir: Some(spill_dir.clone()), ..EngineOptions::default() }).await;
    assert_eq!(files_in(&spill_dir), 0);
}
