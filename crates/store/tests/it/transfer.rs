//! Out to files and in again: what comes back is what went out, once, and nothing comes in by halves.

use std::fs::{self, File};
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::DataType;
use model::{Attribute, RowSink, Signal, Span, SpanId, TraceId, Value};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use store::{ExportRange, ImportOutcome, MANIFEST, Manifest, RowBuffer, RowContext, Store, StoreError, TimeRange};

use crate::numbered::{PROJECT, append, logs, numbers, open, options};

/// More keys than a part has columns, so that some are in `attributes_rest`.
const RARE_KEYS: usize = 1_010;

async fn append_spans(store: &Store, first: i64, values: &[Value<'static>]) {
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: first, request: None });
    for (number, value) in (first..).zip(values) {
        let attributes = [Attribute::new("mixed", value.clone()), Attribute::str("only.text", "é\n\"")];
        rows.span(&Span {
            start_time_unix_nano: number,
            duration_ns: 10 * number,
            parent_span_id: (number % 2 == 0).then_some(SpanId([9; 8])),
            attributes: &attributes,
            ..Span::new(TraceId([number as u8; 16]), SpanId([number as u8; 8]), "GET /")
        });
    }
    // The log's payload is never replayed here.
    store.append(PROJECT, format!("{PROJECT} 0 0").into_bytes(), rows).await.unwrap();
}

async fn append_many_keys(store: &Store, time: i64) {
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: time, request: None });
    let keys: Vec<String> = (0..RARE_KEYS).map(|key| format!("rare.{key:04}")).collect();
    let attributes: Vec<Attribute<'_>> = keys.iter().map(|key| Attribute::new(key.as_str(), Value::Int(7))).collect();
    rows.span(&Span {
        start_time_unix_nano: time,
        attributes: &attributes,
        ..Span::new(TraceId([1; 16]), SpanId([1; 8]), "many keys")
    });
    store.append(PROJECT, format!("{PROJECT} 0 0").into_bytes(), rows).await.unwrap();
}

fn all_spans() -> ExportRange {
    ExportRange { project: PROJECT.into(), signals: vec![Signal::Spans], time: TimeRange::ALL }
}

/// All rows of an export's files, as one batch.
fn exported(folder: &Path, manifest: &Manifest) -> RecordBatch {
    let read = |name: &str| {
        let file = File::open(folder.join(name)).unwrap();
        ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    let batches: Vec<RecordBatch> = manifest.files.iter().flat_map(|file| read(&file.name)).collect();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[tokio::test]
async fn rows_of_every_kind_come_back_as_they_went() {
    let folders = tempfile::tempdir().unwrap();
    let (from, to) = (folders.path().join("from"), folders.path().join("to"));
    let (out, back) = (folders.path().join("out"), folders.path().join("back"));
    let store = open(options(&from)).await;
    // One key with three types, in two parts and in memory.
    append_spans(&store, 1, &[Value::Int(1), Value::Int(i64::MIN)]).await;
    store.flush().await.unwrap();
    append_spans(&store, 3, &[Value::str("text"), Value::Float(0.5), Value::Bool(true)]).await;
    append_many_keys(&store, 6).await;
    store.flush().await.unwrap();
    append_spans(&store, 7, &[Value::Int(-7)]).await;
    let manifest = store.export(&all_spans(), &out).await.unwrap();
    assert_eq!(Manifest::read(&out).unwrap(), Some(manifest.clone()));
    assert_eq!(manifest.files.iter().map(|file| file.rows).sum::<u64>(), 7);

    let rows = exported(&out, &manifest);
    let mixed = rows.column_by_name("mixed").unwrap().as_string::<i32>();
    let told: Vec<Option<&str>> = mixed.iter().collect();
    assert_eq!(told, [Some("1"), Some("-9223372036854775808"), Some("text"), Some("0.5"), Some("true"), None, Some("-7")]);
    assert_eq!(rows.column_by_name("trace_id").unwrap().data_type(), &DataType::FixedSizeBinary(16));
    let parents = rows.column_by_name("parent_span_id").unwrap();
    assert_eq!((parents.is_null(0), parents.as_fixed_size_binary().value(1)), (true, [9_u8; 8].as_slice()));
    let rest = rows.column_by_name("attributes_rest").unwrap().as_string::<i32>();
    assert!(rest.value(5).contains("\"rare.") && rest.is_null(0), "{rest:?}");

    let other = open(options(&to)).await;
    for file in &manifest.files {
        let outcome = other.import(PROJECT, file.signal, &out.join(&file.name), Some(file)).await.unwrap();
        assert_eq!(outcome, ImportOutcome::Imported { rows: file.rows });
    }
    let again = other.export(&all_spans(), &back).await.unwrap();
    assert_eq!(exported(&back, &again), rows);

    // Once more, and after a restart: nothing is doubled.
    let other = {
        other.shutdown().await.unwrap();
        open(options(&to)).await
    };
    for file in &manifest.files {
        let outcome = other.import(PROJECT, file.signal, &out.join(&file.name), Some(file)).await.unwrap();
        assert_eq!(outcome, ImportOutcome::AlreadyThere { rows: file.rows });
    }
    let snapshot = other.snapshot(PROJECT, Signal::Spans, TimeRange::ALL).await.unwrap();
    assert_eq!(snapshot.rows_total, 7);
    assert_eq!(snapshot.schema.field_with_name("mixed").unwrap().data_type(), &DataType::Utf8);
}

#[tokio::test]
async fn a_range_is_cut_out_of_parts_and_memory() {
    let folders = tempfile::tempdir().unwrap();
    let (from, out) = (folders.path().join("from"), folders.path().join("out"));
    let store = open(options(&from)).await;
    append(&store, 0, 100).await.unwrap();
    store.flush().await.unwrap();
    append(&store, 100, 100).await.unwrap();
    let time = TimeRange { start_unix_nano: 90, end_unix_nano: 110 };
    let what = ExportRange { project: PROJECT.into(), signals: Signal::ALL.to_vec(), time };
    let manifest = store.export(&what, &out).await.unwrap();
    assert_eq!(manifest.files.len(), 1, "tables without rows have no files");
    let other = open(options(&folders.path().join("to"))).await;
    other.import(PROJECT, Signal::Logs, &out.join(&manifest.files[0].name), None).await.unwrap();
    assert_eq!(numbers(&folders.path().join("to"), &logs(&other).await), (90..110).collect::<Vec<i64>>());
    let error = store.export(&what, &out).await.unwrap_err();
    assert!(matches!(error, StoreError::NotEmpty(_)), "{error}");
}

#[tokio::test]
async fn a_file_that_is_not_what_the_manifest_says_is_refused_and_leaves_nothing() {
    let folders = tempfile::tempdir().unwrap();
    let (from, to, out) = (folders.path().join("from"), folders.path().join("to"), folders.path().join("out"));
    let store = open(options(&from)).await;
    append_spans(&store, 1, &[Value::Int(1)]).await;
    let manifest = store.export(&all_spans(), &out).await.unwrap();
    let path = out.join(&manifest.files[0].name);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let other = open(options(&to)).await;
    let error = other.import(PROJECT, Signal::Spans, &path, Some(&manifest.files[0])).await.unwrap_err().to_string();
    assert!(error.contains("SHA-256"), "{error}");
    fs::write(&path, b"no parquet").unwrap();
    let error = other.import(PROJECT, Signal::Spans, &path, None).await.unwrap_err();
    assert!(matches!(error, StoreError::NotImportable(_)), "{error}");
    // Spans are no logs.
    let fresh = folders.path().join("fresh");
    let manifest = store.export(&all_spans(), &fresh).await.unwrap();
    let error = other.import(PROJECT, Signal::Logs, &fresh.join(&manifest.files[0].name), None).await.unwrap_err().to_string();
    assert!(error.contains("column \"body\" is missing"), "{error}");
    assert_eq!(other.stats().parts, 0);
    fs::write(fresh.join(MANIFEST), "{\"format\": \"cupola-export\", \"version\": 2}").unwrap();
    assert!(Manifest::read(&fresh).unwrap_err().to_string().contains("has version 2"));
    fs::write(fresh.join(MANIFEST), manifest_naming("../away.parquet")).unwrap();
    Manifest::read(&fresh).unwrap_err();
}

fn manifest_naming(name: &str) -> String {
    format!(
        "{{\"format\": \"cupola-export\", \"version\": 1, \"project\": \"p\", \"start_unix_nano\": 0, \"end_unix_nano\": 1, \
          \"made_at_unix_nano\": 2, \"files\": [{{\"name\": \"{name}\", \"signal\": \"logs\", \"rows\": 1, \"bytes\": 1, \
          \"sha256\": \"\"}}]}}"
    )
}
