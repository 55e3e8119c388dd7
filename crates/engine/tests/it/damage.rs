//! Parts whose files are not what was written: named, left out, never told as if nothing were missing.

use std::path::Path;

use engine::ask::traces::{TraceFilter, TraceSort};
use engine::{SqlEvent, SqlProgress};
use serde_json::json;
use store::TimeRange;

use crate::stage::{PROJECT, Stage, span, stage};
use model::RowSink;

/// Four parts of ten spans each.
async fn parts() -> Stage {
    let stage = stage().await;
    for part in 0..4 {
        stage.append(|rows| (0..10).for_each(|number| rows.span(&span(part * 10 + number, &[])))).await;
        stage.store.flush().await.unwrap();
    }
    assert_eq!(stage.part_files().len(), 4);
    stage
}

fn flip(file: &Path, place: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    let place = place.min(bytes.len() - 1);
    bytes[place] ^= 0x10;
    std::fs::write(file, bytes).unwrap();
}

const SUM: &str = "SELECT count(duration_ns), sum(duration_ns) FROM spans";

#[tokio::test]
async fn an_answer_goes_without_a_damaged_part_and_says_so() {
    for place in [10, 2_000, usize::MAX] {
        let stage = parts().await;
        flip(&stage.part_files()[1], place);
        let answer = stage.asker.engine.sql(PROJECT, SUM, 10).await.unwrap();
        assert_eq!(answer.json_rows().unwrap()[0][0], json!(30), "byte {place}");
        assert_eq!((answer.stats.damaged_parts, answer.stats.damaged_rows), (1, 10));
        assert_eq!(stage.store.stats().parts_damaged, 1);
        // From then on it is known.
        let again = stage.asker.engine.sql(PROJECT, "SELECT count(*) FROM spans", 10).await.unwrap();
        assert_eq!((again.json_rows().unwrap()[0][0].clone(), again.stats.damaged_parts), (json!(30), 1));
    }
}

#[tokio::test]
async fn several_damaged_parts_are_left_out_at_once() {
    let stage = parts().await;
    for file in &stage.part_files()[..3] {
        flip(file, 50);
    }
    let traces = stage.asker.traces(TimeRange::ALL, &TraceFilter::default(), TraceSort::Newest, 100, None).await.unwrap();
    assert_eq!((traces.traces.len(), traces.stats.damaged_parts), (10, 3));
    assert_eq!(traces.stats.warnings, ["30 rows in 3 damaged files are missing; the server's log names the files"]);
}

#[tokio::test]
async fn a_part_that_is_gone_or_cut_off_is_damaged_too() {
    let stage = parts().await;
    let files = stage.part_files();
    std::fs::remove_file(&files[0]).unwrap();
    let whole = std::fs::read(&files[2]).unwrap();
    std::fs::write(&files[2], &whole[..whole.len() / 2]).unwrap();
    let answer = stage.asker.engine.sql(PROJECT, SUM, 10).await.unwrap();
    assert_eq!((answer.json_rows().unwrap()[0][0].clone(), answer.stats.damaged_parts), (json!(20), 2));
}

#[tokio::test]
async fn a_streamed_answer_begins_anew() {
    let stage = parts().await;
    flip(&stage.part_files()[3], 50);
    let mut stream = stage.asker.engine.sql_stream(PROJECT, "SELECT span_id FROM spans", 100).await.unwrap();
    let (mut rows, mut restarts, mut damaged) = (0, 0, 0);
    while let Some(event) = stream.next().await {
        match event {
            SqlEvent::Rows(batch) => rows += batch.num_rows(),
            SqlEvent::Restarted => (rows, restarts) = (0, restarts + 1),
            SqlEvent::Progress(SqlProgress { share, .. }) => assert!((0.0..=1.0).contains(&share)),
            SqlEvent::Ended { stats, .. } => damaged = stats.damaged_parts,
            SqlEvent::Columns(_) => {}
            SqlEvent::Failed(error) => panic!("{error}"),
        }
    }
    assert_eq!((rows, restarts, damaged), (30, 1, 1));
}
