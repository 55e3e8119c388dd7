//! Rows that carry a number, so that a test can tell which are there: what goes in, how the log gives it back, and how
//! numbers are read from a snapshot.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use metastore::Metastore;
use model::{Attribute, LogRecord, Resource, RowSink, Signal, Value};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use store::{RowBuffer, RowContext, Snapshot, Store, StoreError, StoreOptions, TimeRange};

pub const PROJECT: &str = "default";
pub const NUMBER: &str = "number";

/// One request of the numbers `first .. first + count`, as its payload.
pub fn payload(first: i64, count: i64) -> Vec<u8> {
    format!("{PROJECT} {first} {count}").into_bytes()
}

/// The rows of a payload; nothing for one of another form.
pub fn rows(payload: &[u8]) -> Option<(String, RowBuffer)> {
    let text = std::str::from_utf8(payload).ok()?;
    let mut words = text.split(' ');
    let (project, first, count) = (words.next()?, words.next()?.parse::<i64>().ok()?, words.next()?.parse::<i64>().ok()?);
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: first, request: None });
    let service = [Attribute::str("service.name", "numbers")];
    rows.resource(&Resource { attributes: &service, schema_url: "" });
    for number in first..first + count {
        let attributes = [Attribute::new(NUMBER, Value::Int(number)), Attribute::new("even", Value::Bool(number % 2 == 0))];
        rows.log(&LogRecord { time_unix_nano: number, body: "a row".into(), attributes: &attributes, ..LogRecord::default() });
    }
    Some((project.to_owned(), rows))
}

pub async fn append(store: &Store, first: i64, count: i64) -> Result<(), StoreError> {
    let payload = payload(first, count);
    let (project, rows) = rows(&payload).unwrap();
    store.append(&project, payload, rows).await
}

/// Options that leave flushing and compaction to the test.
pub fn options(folder: &Path) -> StoreOptions {
    StoreOptions { flush_interval: Duration::from_secs(3600), compaction: false, ..StoreOptions::new(folder) }
}

pub async fn open(options: StoreOptions) -> Store {
    let metastore = Metastore::open(&options.data_dir).await.unwrap();
    Store::open(options, metastore, rows).await.unwrap()
}

pub async fn logs(store: &Store) -> Snapshot {
    store.snapshot(PROJECT, Signal::Logs, TimeRange::ALL).await.unwrap()
}

/// All rows of a part, or one column of it.
pub fn read_part(folder: &Path, part: &store::Part, column: Option<&str>) -> Vec<RecordBatch> {
    let file = File::open(folder.join("parts").join(part.path.as_ref())).unwrap();
    let mut builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    if let Some(column) = column {
        let place = builder.schema().index_of(column).unwrap();
        let mask = ProjectionMask::roots(builder.parquet_schema(), [place]);
        builder = builder.with_projection(mask);
    }
    builder.build().unwrap().map(Result::unwrap).collect()
}

/// The numbers a snapshot holds, in order; one that is there twice is in the list twice.
pub fn numbers(folder: &Path, snapshot: &Snapshot) -> Vec<i64> {
    let mut numbers = Vec::new();
    let from_parts = snapshot.parts.iter().flat_map(|part| read_part(folder, part, Some(NUMBER)));
    for batch in from_parts.chain(snapshot.memory.iter().cloned()) {
        let column = batch.column_by_name(NUMBER).unwrap().as_primitive::<Int64Type>();
        assert_eq!(column.null_count(), 0);
        numbers.extend_from_slice(column.values());
    }
    numbers.sort_unstable();
    assert_eq!(numbers.len() as u64, snapshot.rows_total);
    numbers
}
