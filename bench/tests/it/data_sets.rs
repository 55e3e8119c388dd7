//! Small data sets, through the real store.

use bench::data::{DataSet, PROJECT, What};
use metastore::Metastore;
use model::Signal;
use store::{Store, StoreOptions, TimeRange};

#[tokio::test]
async fn a_set_has_its_rows_and_parts_and_is_written_once() {
    let cache = tempfile::tempdir().unwrap();
    let set = DataSet { name: "spans", what: What::Spans, rows: 5_000, parts: Some(10) };
    let (folder, written) = set.ensure(std::path::Path::new(".."), cache.path()).await.unwrap();
    assert_eq!((written.rows, written.parts), (5_000, 10));
    assert!(written.traces.len() >= 10 && written.traces.iter().all(|id| id.len() == 32), "{written:?}");

    let metastore = Metastore::open(&folder).await.unwrap();
    let store = Store::open(StoreOptions { compaction: false, ..StoreOptions::new(&folder) }, metastore, |_| None).await.unwrap();
    let seen = store.snapshot(PROJECT, Signal::Spans, TimeRange::ALL).await.unwrap();
    assert!(seen.parts.iter().all(|part| part.rows == 500), "{:?}", seen.parts);
    store.shutdown().await.unwrap();

    let modified = |folder: &std::path::Path| std::fs::metadata(folder.join("bench.json")).unwrap().modified().unwrap();
    let before = modified(&folder);
    assert_eq!(set.ensure(std::path::Path::new(".."), cache.path()).await.unwrap().0, folder);
    assert_eq!(modified(&folder), before);

    // Another size is another set, and takes the place of the one before.
    let smaller = DataSet { rows: 1_000, ..set };
    let (other, _) = smaller.ensure(std::path::Path::new(".."), cache.path()).await.unwrap();
    assert_ne!(other, folder);
    assert!(!folder.exists());
}

#[tokio::test]
async fn lines_become_a_set_of_their_own() {
    let cache = tempfile::tempdir().unwrap();
    let set = DataSet { name: "lines", what: What::Lines, rows: 4_000, parts: None };
    let (folder, written) = set.ensure(std::path::Path::new(".."), cache.path()).await.unwrap();
    assert_eq!(written.rows, 4_000);
    let metastore = Metastore::open(&folder).await.unwrap();
    let store = Store::open(StoreOptions { compaction: false, ..StoreOptions::new(&folder) }, metastore, |_| None).await.unwrap();
    let seen = store.snapshot(PROJECT, Signal::Logs, TimeRange::ALL).await.unwrap();
    assert_eq!(seen.rows_total, 4_000);
    store.shutdown().await.unwrap();
}
