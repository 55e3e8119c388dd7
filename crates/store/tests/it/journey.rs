//! One thing at a time: append, flush, reopen, and everything that may be wrong with a folder.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, TimestampNanosecondType};
use metastore::Metastore;
use model::{Attribute, LogRecord, RowSink, Signal, Value};
use object_store::ObjectStoreExt;
use parquet::file::reader::{FileReader, SerializedFileReader};
use store::{Clock, RowBuffer, RowContext, Store, StoreError, StoreOptions, TimeRange, columns};

use crate::numbered::{PROJECT, append, logs, numbers, open, options, payload, read_part, rows};

fn list(from: i64, to: i64) -> Vec<i64> {
    (from..to).collect()
}

pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub async fn reopened(store: Store, folder: &Path) -> Store {
    store.shutdown().await.unwrap();
    open(options(folder)).await
}

/// The folder as a crash would leave it now.
pub fn crashed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir_all(copy.path().join("parts")).unwrap();
    fs::copy(folder.join("parts/catalog"), copy.path().join("parts/catalog")).unwrap();
    for from in ["log", "parquet", "sums", "tokens", "db", "db-wal"].iter().flat_map(|extension| files(folder, extension)) {
        let to = copy.path().join(from.strip_prefix(folder).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, to).unwrap();
    }
    copy
}

#[tokio::test]
async fn rows_are_visible_when_append_returns_and_stay_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 10).await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!((snapshot.parts.len(), snapshot.memory.len()), (0, 1));
    assert_eq!(numbers(folder.path(), &snapshot), list(0, 10));
    assert_eq!(snapshot.newest_unix_nano, Some(9));
    store.flush().await.unwrap();
    append(&store, 10, 5).await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!((snapshot.parts.len(), snapshot.memory.len()), (1, 1));
    assert_eq!(numbers(folder.path(), &snapshot), list(0, 15));
    let store = reopened(store, folder.path()).await;
    let snapshot = logs(&store).await;
    assert_eq!((snapshot.parts.len(), snapshot.memory.len()), (2, 0));
    assert_eq!(numbers(folder.path(), &snapshot), list(0, 15));
    assert_eq!((store.stats().parts, store.stats().part_rows), (2, 15));
}

#[tokio::test]
async fn a_crash_loses_nothing_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 3).await.unwrap();
    store.flush().await.unwrap();
    append(&store, 3, 4).await.unwrap();
    append(&store, 7, 1).await.unwrap();
    let copy = crashed(folder.path());
    let again = open(options(copy.path())).await;
    assert_eq!(numbers(copy.path(), &logs(&again).await), list(0, 8));
    assert_eq!(logs(&again).await.memory, logs(&store).await.memory);
    append(&again, 8, 2).await.unwrap();
    again.flush().await.unwrap();
    assert_eq!(numbers(copy.path(), &logs(&again).await), list(0, 10));
    let again = reopened(again, copy.path()).await;
    assert_eq!(numbers(copy.path(), &logs(&again).await), list(0, 10));
}

#[tokio::test]
async fn a_torn_record_was_never_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 3).await.unwrap();
    append(&store, 3, 3).await.unwrap();
    let copy = crashed(folder.path());
    let log = files(copy.path(), "log").pop().unwrap();
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 2]).unwrap();
    let again = open(options(copy.path())).await;
    assert_eq!(numbers(copy.path(), &logs(&again).await), list(0, 3));
    assert_eq!(again.stats().wal_records_corrupt, 0);
}

#[tokio::test]
async fn a_damaged_record_harms_no_other_and_is_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    for first in [0, 3, 6] {
        append(&store, first, 3).await.unwrap();
    }
    let copy = crashed(folder.path());
    let log = files(copy.path(), "log").pop().unwrap();
    let mut bytes = fs::read(&log).unwrap();
    let damaged = bytes.windows(payload(3, 3).len()).position(|window| window == payload(3, 3)).unwrap();
    bytes[damaged] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let again = open(options(copy.path())).await;
    assert_eq!(numbers(copy.path(), &logs(&again).await), [0, 1, 2, 6, 7, 8]);
    assert_eq!(again.stats().wal_records_corrupt, 1);
    again.flush().await.unwrap();
    assert_eq!(files(copy.path(), "damaged").len(), 1);
    assert_eq!(fs::read(&files(copy.path(), "damaged")[0]).unwrap(), bytes);
}

#[tokio::test]
async fn a_record_nobody_can_read_is_counted_and_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    let (_, buffer) = rows(&payload(0, 2)).unwrap();
    store.append(PROJECT, b"of another form".to_vec(), buffer).await.unwrap();
    append(&store, 2, 2).await.unwrap();
    let copy = crashed(folder.path());
    let again = open(options(copy.path())).await;
    assert_eq!(numbers(copy.path(), &logs(&again).await), [2, 3]);
    assert_eq!(again.stats().wal_records_unreadable, 1);
    again.flush().await.unwrap();
    assert_eq!(files(copy.path(), "damaged").len(), 1);
}

#[tokio::test]
async fn a_folder_has_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    let metastore = Metastore::open(folder.path()).await.unwrap();
    let second = Store::open(options(folder.path()), metastore, rows).await;
    assert!(matches!(second.map(|_| ()), Err(StoreError::Locked(_))));
    store.shutdown().await.unwrap();
    open(options(folder.path())).await;
}

#[tokio::test]
async fn parts_of_a_lost_catalog_are_not_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 3).await.unwrap();
    store.shutdown().await.unwrap();
    for extension in ["db", "db-wal", "db-shm"] {
        let _ = fs::remove_file(folder.path().join("metastore").with_extension(extension));
    }
    let metastore = Metastore::in_memory().await.unwrap();
    let error = Store::open(options(folder.path()), metastore, rows).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Foreign(_)), "{error}");
    assert_eq!(files(folder.path(), "parquet").len(), 1);
}

#[tokio::test]
async fn what_the_catalog_does_not_name_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 3).await.unwrap();
    store.flush().await.unwrap();
    let part = files(folder.path(), "parquet").pop().unwrap();
    fs::copy(&part, part.with_file_name("orphan.parquet")).unwrap();
    fs::write(part.with_file_name("half.tmp"), b"PAR1").unwrap();
    let store = reopened(store, folder.path()).await;
    assert_eq!(files(&folder.path().join("parts"), "parquet"), [part]);
    assert_eq!(files(folder.path(), "tmp"), Vec::<PathBuf>::new());
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(0, 3));
}

#[tokio::test]
async fn memory_has_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(StoreOptions { memory_bytes_max: 100_000, ..options(folder.path()) }).await;
    let mut first = 0;
    let error = loop {
        match append(&store, first, 50).await {
            Ok(()) => first += 50,
            Err(error) => break error,
        }
        assert!(first < 1_000_000, "memory never filled");
        // Half full asks for a flush; here the test is faster than the flush or just as well not.
        tokio::task::yield_now().await;
        if store.stats().flushes > 20 {
            return;
        }
    };
    assert!(matches!(error, StoreError::Busy { retry_after_seconds: 1.. }), "{error}");
    store.flush().await.unwrap();
    append(&store, first, 50).await.unwrap();
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(0, first + 50));
}

#[tokio::test]
async fn memory_is_flushed_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(0);
    let interval = std::time::Duration::from_millis(40);
    let store = open(StoreOptions { clock: clock.clone(), flush_interval: interval, ..options(folder.path()) }).await;
    append(&store, 0, 3).await.unwrap();
    tokio::time::sleep(interval * 3).await;
    assert_eq!(store.stats().flushes, 0);
    clock.set(interval.as_nanos() as i64);
    while store.stats().flushes == 0 {
        tokio::time::sleep(interval / 4).await;
    }
    assert_eq!(logs(&store).await.parts.len(), 1);
}

#[tokio::test]
async fn nothing_is_taken_after_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 3).await.unwrap();
    store.shutdown().await.unwrap();
    store.shutdown().await.unwrap();
    assert!(matches!(append(&store, 3, 3).await, Err(StoreError::Unavailable(_))));
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(0, 3));
}

#[tokio::test]
async fn a_flush_that_fails_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 3).await.unwrap();
    let in_the_way = folder.path().join("parts").join(PROJECT);
    fs::write(&in_the_way, b"a file where a folder should be").unwrap();
    for _ in 0..2 {
        assert!(matches!(store.flush().await, Err(StoreError::Io { .. })));
        append(&store, logs(&store).await.rows_total as i64, 3).await.unwrap();
    }
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(0, 9));
    fs::remove_file(&in_the_way).unwrap();
    store.flush().await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!((snapshot.parts.len(), snapshot.memory.len()), (1, 0));
    assert_eq!(numbers(folder.path(), &snapshot), list(0, 9));
    assert_eq!((store.stats().wal_segments, store.stats().memory_bytes), (0, 0));
}

/// A commit that was answered with an error may have come through all the same: then its rows must not be written again.
#[tokio::test]
async fn a_commit_that_came_through_unheard_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let metastore = Metastore::open(folder.path()).await.unwrap();
    let store = Store::open(options(folder.path()), metastore.clone(), rows).await.unwrap();
    append(&store, 0, 3).await.unwrap();
    let unheard = metastore::FlushCommit {
        writer: "local".into(),
        parts: Vec::new(),
        attributes: Vec::new(),
        wal_position_before: 0,
        wal_position: 1,
    };
    metastore.commit_flush(&unheard).await.unwrap();
    store.flush().await.unwrap();
    // Its rows are where the catalog says, which for this made-up commit is nowhere.
    assert_eq!(logs(&store).await.rows_total, 0);
    append(&store, 3, 3).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(3, 6));
}

#[tokio::test]
async fn a_part_has_at_most_a_thousand_attribute_columns() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    for start in [0, 600] {
        let keys: Vec<String> = (start..start + 600).map(|number| format!("k{number}")).collect();
        let mut buffer = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: 1, request: None });
        let attributes: Vec<Attribute<'_>> = keys.iter().map(|key| Attribute::new(key.as_str(), Value::Int(7))).collect();
        // The first keys are in more rows, so they are the ones that stay columns.
        for _ in 0..if start == 0 { 2 } else { 1 } {
            buffer.log(&LogRecord { attributes: &attributes, ..LogRecord::default() });
        }
        store.append(PROJECT, b"-".to_vec(), buffer).await.unwrap();
    }
    store.flush().await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!(snapshot.schema.fields().len(), columns::schema(Signal::Logs).fields().len() + 1_200);
    let batch = read_part(folder.path(), &snapshot.parts[0], None).remove(0);
    let is_attribute = |name: &str| !columns::is_fixed(Signal::Logs, name);
    assert_eq!(batch.schema().fields().iter().filter(|field| is_attribute(field.name())).count(), 1_000);
    assert!((0..600).all(|number| batch.column_by_name(&format!("k{number}")).is_some()));
    let rest = batch.column_by_name(columns::ATTRIBUTES_REST).unwrap().as_string::<i32>();
    let texts: Vec<&str> = rest.iter().flatten().collect();
    assert_eq!(texts.len(), 1);
    assert_eq!(texts[0].matches(":7").count(), 200);
    assert!(texts[0].starts_with("{\"k") && texts[0].ends_with(":7}"), "{}", texts[0]);
}

#[tokio::test]
async fn shutting_down_takes_less_than_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    for request in 0..40 {
        append(&store, request * 5_000, 5_000).await.unwrap();
    }
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        let mut first = 200_000;
        while append(&writer, first, 10).await.is_ok() {
            first += 10;
        }
        first
    });
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let started = tokio::time::Instant::now();
    store.shutdown().await.unwrap();
    assert!(started.elapsed() < std::time::Duration::from_secs(1), "{:?}", started.elapsed());
    let acknowledged = writing.await.unwrap();
    drop(store);
    let store = open(options(folder.path())).await;
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(0, acknowledged));
}

#[tokio::test]
async fn projects_do_not_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    let names = ["default", "a/b ü_..", ".."];
    for (name, first) in names.iter().zip([0, 10, 20]) {
        let (_, buffer) = rows(&payload(first, 2)).unwrap();
        store.append(name, format!("{name} {first} 2").into_bytes(), buffer).await.unwrap();
    }
    store.flush().await.unwrap();
    for (name, first) in names.iter().zip([0, 10, 20]) {
        let snapshot = store.snapshot(name, Signal::Logs, TimeRange::ALL).await.unwrap();
        assert_eq!(numbers(folder.path(), &snapshot), [first, first + 1]);
        for part in &snapshot.parts {
            store.object_store().head(&part.path).await.unwrap();
        }
    }
    let (_, buffer) = rows(&payload(0, 1)).unwrap();
    let error = store.append("", Vec::new(), buffer).await.unwrap_err();
    assert!(matches!(error, StoreError::InvalidProject(_)));
}

#[tokio::test]
async fn a_range_leaves_out_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 10).await.unwrap();
    store.flush().await.unwrap();
    append(&store, 10, 10).await.unwrap();
    for (start, end, parts, memory) in [(0, 10, 1, 0), (9, 11, 1, 1), (10, 20, 0, 1), (20, 30, 0, 0)] {
        let range = TimeRange { start_unix_nano: start, end_unix_nano: end };
        let snapshot = store.snapshot(PROJECT, Signal::Logs, range).await.unwrap();
        assert_eq!((snapshot.parts.len(), snapshot.memory.len()), (parts, memory), "{start}..{end}");
    }
}

/// One log record with one attribute, under a payload that cannot be replayed.
async fn append_value(store: &Store, value: Value<'_>) {
    let mut buffer = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: 1, request: None });
    let attributes = [Attribute::new("k", value)];
    buffer.log(&LogRecord { attributes: &attributes, ..LogRecord::default() });
    store.append(PROJECT, b"-".to_vec(), buffer).await.unwrap();
}

#[tokio::test]
async fn a_key_widens_across_batches_and_parts() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    let type_of = |snapshot: &store::Snapshot| snapshot.schema.field_with_name("k").map(|field| field.data_type().clone()).ok();
    assert_eq!(type_of(&logs(&store).await), None);
    append_value(&store, Value::Int(1)).await;
    assert_eq!(type_of(&logs(&store).await), Some(DataType::Int64));
    store.flush().await.unwrap();
    append_value(&store, Value::Float(0.5)).await;
    let snapshot = logs(&store).await;
    assert_eq!(type_of(&snapshot), Some(DataType::Float64));
    assert_eq!(read_part(folder.path(), &snapshot.parts[0], Some("k"))[0].column(0).data_type(), &DataType::Int64);
    for value in [Value::Str("x".into()), Value::Float(2.0), Value::Int(3), Value::Bool(true)] {
        append_value(&store, value).await;
    }
    for _ in 0..8 {
        // Enough for the chunks of different types to be merged.
        append_value(&store, Value::Int(4)).await;
    }
    let snapshot = logs(&store).await;
    assert_eq!(type_of(&snapshot), Some(DataType::Utf8));
    let mut texts = Vec::new();
    for batch in snapshot.memory_aligned().unwrap() {
        assert_eq!(batch.schema(), snapshot.schema);
        let column = batch.column_by_name("k").unwrap();
        texts.extend(column.as_string::<i32>().iter().map(|text| text.unwrap().to_owned()));
    }
    texts.sort();
    assert_eq!(texts, ["0.5", "2.0", "3", "4", "4", "4", "4", "4", "4", "4", "4", "true", "x"]);
    let store = reopened(store, folder.path()).await;
    assert_eq!(type_of(&logs(&store).await), Some(DataType::Utf8));
}

#[tokio::test]
async fn a_part_is_sorted_and_can_be_searched() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    for first in [500, 0, 250, 100] {
        append(&store, first, 50).await.unwrap();
    }
    let mut spans = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: 1, request: None });
    let trace = model::TraceId([7; 16]);
    let linked = Some(model::TraceId([8; 16]));
    spans.span(&model::Span { linked_trace_id: linked, ..model::Span::new(trace, model::SpanId([1; 8]), "GET /") });
    store.append(PROJECT, b"-".to_vec(), spans).await.unwrap();
    store.flush().await.unwrap();
    let snapshot = logs(&store).await;
    let part = &snapshot.parts[0];
    assert_eq!((part.rows, part.min_time, part.max_time, part.level), (200, 0, 549, 0));
    let batches = read_part(folder.path(), part, None);
    assert_eq!(batches[0].num_rows(), 200);
    let schema = batches[0].schema();
    for field in columns::schema(Signal::Logs).fields().iter().filter(|field| !field.is_nullable()) {
        assert_eq!(schema.field_with_name(field.name()).unwrap(), field.as_ref());
    }
    let times = batches[0].column_by_name("time").unwrap().as_primitive::<TimestampNanosecondType>();
    assert!(times.values().is_sorted());
    assert_eq!(batches[0].column_by_name("service.name").unwrap().as_string::<i32>().value(199), "numbers");
    let resource = batches[0].column_by_name("resource").unwrap().as_string::<i32>();
    assert_eq!(resource.value(0), r#"{"service.name":"numbers"}"#);

    let snapshot = store.snapshot(PROJECT, Signal::Spans, TimeRange::ALL).await.unwrap();
    let file = fs::File::open(folder.path().join("parts").join(snapshot.parts[0].path.as_ref())).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let group = reader.metadata().row_group(0);
    let column = |name: &str| group.columns().iter().find(|column| column.column_path().string() == name).unwrap();
    assert!(column("trace_id").bloom_filter_offset().is_some());
    assert!(column("linked_trace_id").bloom_filter_offset().is_some());
    assert!(group.columns().iter().all(|column| column.column_path().string() != "parent_span_id"), "it has no value");
    assert!(column("service.name").bloom_filter_offset().is_none());
    assert!(column("duration_ns").column_index_offset().is_some() && column("duration_ns").statistics().is_some());
}

#[tokio::test]
async fn thousands_of_one_row_requests_are_few_batches() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(StoreOptions { fsync: false, ..options(folder.path()) }).await;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..20 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..100 {
                append(&store, task * 100 + number, 1).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let snapshot = logs(&store).await;
    assert!(snapshot.memory.len() <= 70, "{} batches", snapshot.memory.len());
    assert_eq!(numbers(folder.path(), &snapshot), list(0, 2_000));
    store.flush().await.unwrap();
    assert_eq!(store.stats().memory_bytes, 0);
    assert_eq!(numbers(folder.path(), &logs(&store).await), list(0, 2_000));
}

#[tokio::test]
async fn a_flipped_bit_in_a_part_is_found_named_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    append(&store, 0, 50).await.unwrap();
    store.flush().await.unwrap();
    append(&store, 50, 50).await.unwrap();
    store.flush().await.unwrap();
    let snapshot = logs(&store).await;
    let path = folder.path().join("parts").join(snapshot.parts[0].path.as_ref());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    fs::write(&path, &bytes).unwrap();
    // Nothing of the part's only block is given out.
    let objects = store.object_store();
    let error = objects.get_range(&snapshot.parts[0].path, 0..4).await.unwrap_err().to_string();
    assert!(error.contains("not what was written") && error.contains(snapshot.parts[0].path.as_ref()), "{error}");
    objects.get_range(&snapshot.parts[1].path, 0..4).await.unwrap();
    for _ in 0..2 {
        let snapshot = logs(&store).await;
        assert_eq!(numbers(folder.path(), &snapshot), list(50, 100));
        assert_eq!(snapshot.damaged.len(), 1);
        assert_eq!(store.stats().parts_damaged, 1);
    }
    let store = reopened(store, folder.path()).await;
    assert_eq!(logs(&store).await.damaged.len(), 1);
    assert!(path.exists(), "what is left of it is kept");
}
