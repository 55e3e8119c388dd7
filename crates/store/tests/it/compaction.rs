//! Parts are put together without anybody noticing: the same rows, fewer files, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int64Type};
use model::{Attribute, LogRecord, RowSink, Signal, Span, SpanId, TraceId, Value};
use parquet::basic::Compression;
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use store::{RowBuffer, RowContext, Snapshot, Store, StoreOptions, TimeRange, columns};

use crate::journey::{crashed, files, reopened};
use crate::numbered::{PROJECT, append, logs, numbers, open, options, read_part};

fn quick(folder: &Path) -> StoreOptions {
    StoreOptions { fsync: false, ..options(folder) }
}

async fn of(store: &Store, signal: Signal) -> Snapshot {
    store.snapshot(PROJECT, signal, TimeRange::ALL).await.unwrap()
}

#[tokio::test]
async fn many_parts_become_one_with_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    for first in [50, 0, 100, 25, 75] {
        append(&store, first, 25).await.unwrap();
        store.flush().await.unwrap();
    }
    let before = logs(&store).await;
    assert_eq!(before.parts.len(), 5);
    let seen = numbers(folder.path(), &before);
    store.compact_now(None).await.unwrap();
    let after = logs(&store).await;
    assert_eq!((after.parts.len(), after.parts[0].level, after.parts[0].rows), (1, 1, 125));
    assert_eq!((after.parts[0].min_time, after.parts[0].max_time), (0, 124));
    assert_eq!(numbers(folder.path(), &after), seen);
    // Who holds the old parts can still read them; then they go.
    assert_eq!(numbers(folder.path(), &before), seen);
    drop((before, after));
    assert_eq!(files(&folder.path().join("parts"), "parquet").len(), 6);
    store.compact_now(None).await.unwrap();
    append(&store, 200, 1).await.unwrap();
    store.flush().await.unwrap();
    store.compact_now(None).await.unwrap();
    assert_eq!(files(&folder.path().join("parts"), "parquet").len(), 1);
    let file = fs::File::open(folder.path().join("parts").join(logs(&store).await.parts[0].path.as_ref())).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    assert!(matches!(reader.metadata().row_group(0).column(0).compression(), Compression::ZSTD(_)));
    let times = read_part(folder.path(), &logs(&store).await.parts[0], Some("time")).remove(0);
    assert!(times.column(0).as_primitive::<arrow::datatypes::TimestampNanosecondType>().values().is_sorted());
    let stats = store.stats();
    assert_eq!((stats.compactions, stats.compacted_rows, stats.rows_folded, stats.parts), (2, 125 + 126, 0, 1));
    let store = reopened(store, folder.path()).await;
    assert_eq!(store.stats().part_rows, 126);
}

#[tokio::test]
async fn parts_that_ended_go_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    for first in [0, 10] {
        append(&store, first, 10).await.unwrap();
        store.flush().await.unwrap();
    }
    let held = logs(&store).await;
    store.compact_now(None).await.unwrap();
    let parts = |folder: &Path| files(&folder.join("parts"), "parquet").len();
    assert_eq!(parts(folder.path()), 3);
    // As if it had been killed while somebody read.
    let copy = crashed(folder.path());
    let again = open(quick(copy.path())).await;
    assert_eq!((parts(copy.path()), files(&copy.path().join("parts"), "sums").len()), (1, 1));
    assert_eq!(numbers(copy.path(), &logs(&again).await), (0..20).collect::<Vec<_>>());
    drop(held);
}

fn log_rows(received_at_unix_nano: i64, rows: &[(i64, &str, Value<'static>)]) -> RowBuffer {
    let mut buffer = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano, request: None });
    for (time, body, value) in rows {
        let attributes = [Attribute::new("k", value.clone())];
        buffer.log(&LogRecord { time_unix_nano: *time, body: (*body).into(), attributes: &attributes, ..LogRecord::default() });
    }
    buffer
}

async fn flushed(store: &Store, rows: RowBuffer) {
    store.append(PROJECT, b"-".to_vec(), rows).await.unwrap();
    store.flush().await.unwrap();
}

/// A column of all parts as texts, in order.
fn texts(folder: &Path, snapshot: &Snapshot, column: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for part in &snapshot.parts {
        for batch in read_part(folder, part, Some(column)) {
            let column = cast(batch.column(0), &DataType::Utf8).unwrap();
            texts.extend(column.as_string::<i32>().iter().map(|text| text.unwrap_or("-").to_owned()));
        }
    }
    texts.sort();
    texts
}

#[tokio::test]
async fn types_widen_where_parts_differ() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    flushed(&store, log_rows(1, &[(1, "a", Value::Int(7))])).await;
    flushed(&store, log_rows(2, &[(1, "b", Value::Float(0.5))])).await;
    store.compact_now(None).await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!(read_part(folder.path(), &snapshot.parts[0], Some("k"))[0].column(0).data_type(), &DataType::Float64);
    assert_eq!(texts(folder.path(), &snapshot, "k"), ["0.5", "7.0"]);
    flushed(&store, log_rows(3, &[(2, "c", Value::Bool(true))])).await;
    store.compact_now(None).await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!(snapshot.parts.len(), 1);
    assert_eq!(texts(folder.path(), &snapshot, "k"), ["0.5", "7.0", "true"]);
}

#[tokio::test]
async fn what_was_sent_again_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    // One request that says the same twice means it; the same request again does not.
    let request =
        [(5, "same", Value::Int(1)), (5, "same", Value::Int(1)), (5, "other", Value::Int(1)), (6, "same", Value::Int(1))];
    flushed(&store, log_rows(100, &request)).await;
    flushed(&store, log_rows(200, &request)).await;
    // As good as the same, but not quite.
    flushed(&store, log_rows(300, &[(5, "same", Value::Int(2)), (5, "other", Value::Int(1))])).await;
    store.compact_now(None).await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!(texts(folder.path(), &snapshot, "body"), ["other", "same", "same", "same", "same"]);
    assert_eq!(texts(folder.path(), &snapshot, "k"), ["1", "1", "1", "1", "2"]);
    assert_eq!((store.stats().rows_folded, snapshot.rows_total), (5, 5));
}

#[tokio::test]
async fn a_complete_span_takes_the_place_of_its_provisional_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    let span = |id: u8, time: i64, in_progress: bool, name: &'static str| Span {
        start_time_unix_nano: time,
        in_progress,
        ..Span::new(TraceId([id; 16]), SpanId([id; 8]), name)
    };
    let rows = |spans: &[Span<'_>]| {
        let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: 1, request: None });
        spans.iter().for_each(|span| rows.span(span));
        rows
    };
    // The complete one may say another start; a provisional one without a complete one stays; two spans of one id stay.
    flushed(&store, rows(&[span(1, 10, true, "first"), span(2, 10, true, "alone"), span(3, 11, false, "client")])).await;
    flushed(&store, rows(&[span(1, 9, false, "complete"), span(3, 11, false, "server")])).await;
    store.compact_now(None).await.unwrap();
    let snapshot = of(&store, Signal::Spans).await;
    assert_eq!(texts(folder.path(), &snapshot, "name"), ["alone", "client", "complete", "server"]);
    assert_eq!(store.stats().rows_folded, 1);
    // It comes later, and is found then.
    flushed(&store, rows(&[span(2, 10, false, "not alone")])).await;
    store.compact_now(None).await.unwrap();
    let snapshot = of(&store, Signal::Spans).await;
    assert_eq!(texts(folder.path(), &snapshot, "name"), ["client", "complete", "not alone", "server"]);
}

#[tokio::test]
async fn more_keys_than_columns_stay_in_bounds_and_findable() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    for part in 0..3 {
        let mut buffer = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: part, request: None });
        for row in 0..if part == 0 { 2 } else { 1 } {
            let keys: Vec<String> = (0..600).map(|number| format!("k{}", part * 600 + number)).collect();
            let attributes: Vec<Attribute<'_>> = keys.iter().map(|key| Attribute::new(key.as_str(), Value::Int(row))).collect();
            buffer.log(&LogRecord { time_unix_nano: part * 10 + row, attributes: &attributes, ..LogRecord::default() });
        }
        flushed(&store, buffer).await;
    }
    store.compact_now(None).await.unwrap();
    let snapshot = logs(&store).await;
    let batch = read_part(folder.path(), &snapshot.parts[0], None).remove(0);
    let attributes = batch.schema().fields().iter().filter(|field| !columns::is_fixed(Signal::Logs, field.name())).count();
    assert_eq!((snapshot.parts.len(), batch.num_rows(), attributes), (1, 4, 1_000));
    assert!((0..600).all(|number| batch.column_by_name(&format!("k{number}")).is_some()), "the commonest stay columns");
    let rest = batch.column_by_name(columns::ATTRIBUTES_REST).unwrap().as_string::<i32>();
    let members: usize = rest.iter().flatten().map(|text| text.matches(':').count()).sum();
    assert_eq!(members, 800);
}

#[tokio::test]
async fn a_damaged_part_is_set_aside_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    for first in [0, 10, 20, 30] {
        append(&store, first, 10).await.unwrap();
        store.flush().await.unwrap();
    }
    let damaged = logs(&store).await.parts[1].clone();
    let path = folder.path().join("parts").join(damaged.path.as_ref());
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    store.compact_now(None).await.unwrap();
    let snapshot = logs(&store).await;
    assert_eq!((snapshot.parts.len(), snapshot.damaged.len()), (1, 1));
    assert_eq!(numbers(folder.path(), &snapshot), (0..10).chain(20..40).collect::<Vec<_>>());
    assert!(path.exists());
    assert_eq!(store.stats().parts_damaged, 1);
    let store = reopened(store, folder.path()).await;
    store.compact_now(None).await.unwrap();
    assert!(path.exists(), "it is not touched");
    assert_eq!(logs(&store).await.damaged.len(), 1);
}

#[tokio::test]
async fn the_background_does_it_alone_and_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(StoreOptions { compaction: true, ..quick(folder.path()) }).await;
    for first in 0..12 {
        append(&store, first * 10, 10).await.unwrap();
        store.flush().await.unwrap();
    }
    while logs(&store).await.parts.len() > 1 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(numbers(folder.path(), &logs(&store).await), (0..120).collect::<Vec<_>>());
    let started = tokio::time::Instant::now();
    store.shutdown().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

/// While rows come in and parts are put together, every snapshot has every row once, and can be read to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reading_goes_on_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    let done = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    let (writer, writing) = (store.clone(), Arc::clone(&done));
    tasks.spawn(async move {
        let mut next = 0;
        while !writing.load(Ordering::Relaxed) {
            append(&writer, next, 20).await.unwrap();
            next += 20;
            writer.flush().await.unwrap();
        }
    });
    let (compactor, compacting) = (store.clone(), Arc::clone(&done));
    tasks.spawn(async move {
        while !compacting.load(Ordering::Relaxed) {
            compactor.compact_now(None).await.unwrap();
        }
    });
    let mut seen = 0;
    while store.stats().compactions < 12 || seen < 40 {
        let snapshot = logs(&store).await;
        tokio::time::sleep(Duration::from_millis(3)).await;
        let numbers = numbers(folder.path(), &snapshot);
        assert!(numbers.iter().copied().eq(0..numbers.len() as i64), "rows missing or twice");
        seen += 1;
    }
    done.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    store.shutdown().await.unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    /// Rows: time, body, value. Received as a request of its own.
    Append(Vec<(i64, u8, i64)>),
    /// The last request once more.
    SendAgain,
    Flush,
    Compact,
    Restart,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let rows = prop::collection::vec((0i64..6, 0u8..3, 0i64..3), 1..12);
    prop_oneof![
        5 => rows.prop_map(Step::Append),
        2 => Just(Step::SendAgain),
        4 => Just(Step::Flush),
        3 => Just(Step::Compact),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Between the rows that were meant and the rows that were sent, and exactly the former once all is compacted.
    #[test]
    fn any_history_keeps_what_was_meant(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}

type Row = (i64, String, String);

fn rows_of(folder: &Path, snapshot: &Snapshot) -> BTreeMap<Row, usize> {
    let mut rows = BTreeMap::new();
    let parts = snapshot.parts.iter().map(|part| {
        let batches = read_part(folder, part, None);
        concat_batches(&batches[0].schema(), &batches).unwrap()
    });
    for batch in parts.chain(snapshot.memory.iter().cloned()) {
        let text = |name: &str| cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
        let time = cast(batch.column_by_name("time").unwrap(), &DataType::Int64).unwrap();
        let (body, value) = (text("body"), text("k"));
        for row in 0..batch.num_rows() {
            let texts = [&body, &value].map(|column| column.as_string::<i32>().value(row).to_owned());
            let [body, value] = texts;
            *rows.entry((time.as_primitive::<Int64Type>().value(row), body, value)).or_default() += 1;
        }
    }
    rows
}

async fn live(steps: Vec<Step>) {
    let mut folder = tempfile::tempdir().unwrap();
    let mut store = open(quick(folder.path())).await;
    let mut meant: BTreeMap<Row, usize> = BTreeMap::new();
    let mut sent = meant.clone();
    let mut last: Vec<(i64, u8, i64)> = Vec::new();
    let mut clock = 0;
    for step in steps.into_iter().chain([Step::Flush, Step::Compact]) {
        let is_compacted = matches!(step, Step::Compact);
        match step {
            Step::Append(_) | Step::SendAgain => {
                let is_new = matches!(step, Step::Append(_));
                if let Step::Append(rows) = step {
                    last = rows;
                }
                clock += 1;
                // What was sent before is told from what is sent now by a value that says when it was first sent.
                let first_sent = if is_new { clock } else { clock - 1 };
                if !is_new {
                    clock = first_sent;
                }
                let bodies: Vec<String> = last.iter().map(|(_, body, _)| format!("{body} of {first_sent}")).collect();
                let rows: Vec<(i64, &str, Value<'static>)> =
                    last.iter().zip(&bodies).map(|((time, _, value), body)| (*time, body.as_str(), Value::Int(*value))).collect();
                let received = sent.values().sum::<usize>() as i64 + 1_000;
                store.append(PROJECT, b"-".to_vec(), log_rows(received, &rows)).await.unwrap();
                for (time, body, value) in rows {
                    let Value::Int(value) = value else { panic!("an integer was sent") };
                    let row = (time, body.to_owned(), value.to_string());
                    *sent.entry(row.clone()).or_default() += 1;
                    if is_new {
                        *meant.entry(row).or_default() += 1;
                    }
                }
            }
            Step::Flush => store.flush().await.unwrap(),
            Step::Compact => {
                store.flush().await.unwrap();
                store.compact_now(None).await.unwrap();
            }
            Step::Restart | Step::Crash => {
                // What cannot be replayed must be in parts.
                store.flush().await.unwrap();
                if matches!(step, Step::Restart) {
                    store.shutdown().await.unwrap();
                } else {
                    let copy = crashed(folder.path());
                    // What a compaction that was cut off leaves behind.
                    fs::create_dir_all(copy.path().join("parts/default/logs")).unwrap();
                    fs::write(copy.path().join("parts/default/logs/0123.tmp"), b"half").unwrap();
                    if let Some(part) = files(&copy.path().join("parts"), "parquet").first() {
                        fs::copy(part, part.with_file_name("0123.parquet")).unwrap();
                    }
                    folder = copy;
                }
                store = open(quick(folder.path())).await;
            }
        }
        let rows = rows_of(folder.path(), &logs(&store).await);
        if is_compacted {
            assert_eq!(rows, meant);
        }
        for (row, count) in &meant {
            let there = rows.get(row).copied().unwrap_or(0);
            assert!((*count..=sent[row]).contains(&there), "{row:?}: {there}, meant {count}, sent {}", sent[row]);
        }
        assert_eq!(rows.len(), meant.len());
    }
}

/// Words are found in the filters of fresh and of compacted parts, and absent ones are ruled out.
#[tokio::test]
async fn parts_of_logs_know_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(quick(folder.path())).await;
    for first in [0, 100] {
        let bodies: Vec<String> =
            (first..first + 100).map(|number| format!("Order {number} of customer-{}", number % 7)).collect();
        let rows: Vec<(i64, &str, Value<'static>)> =
            bodies.iter().zip(first..).map(|(body, time)| (time, body.as_str(), Value::Int(1))).collect();
        flushed(&store, log_rows(first, &rows)).await;
    }
    for round in 0..2 {
        let snapshot = logs(&store).await;
        let may_contain = |word: &str| {
            let filters = snapshot.parts.iter().map(|part| store.token_filters(part).unwrap());
            filters.filter(|filters| filters.may_contain(0, store::token_hash(word))).count()
        };
        assert_eq!((may_contain("ORDER"), may_contain("customer")), (snapshot.parts.len(), snapshot.parts.len()));
        assert_eq!((may_contain("42"), may_contain("142")), (1, 1));
        assert!(["absent", "cust", "4200"].iter().map(|word| may_contain(word)).sum::<usize>() <= 1);
        assert!(snapshot.parts.iter().all(|part| part.sidecar_bytes > 0));
        assert_eq!(snapshot.parts.len(), 2 - round);
        store.compact_now(None).await.unwrap();
    }
    let of_spans = store.snapshot(PROJECT, Signal::Spans, TimeRange::ALL).await.unwrap();
    assert!(of_spans.parts.iter().all(|part| store.token_filters(part).is_none()));
}
