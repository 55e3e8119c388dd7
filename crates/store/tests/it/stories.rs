//! Requests with all that tells of them: two spans, a span of the other tracer, log lines, a metric; told by number, so that
//! a test can say which are there.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use metastore::Metastore;
use model::{
    Attribute, DataPoint, DataPointType, LogRecord, Resource, RowSink, Signal, Span, SpanId, SpanKind, StatusCode, Temporality,
    TraceId, Value,
};
use store::{RowBuffer, RowContext, Store, StoreOptions, TimeRange};

use crate::numbered::{PROJECT, options, read_part};

pub const SECOND: i64 = 1_000_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// The requests `first .. first + count`, one each `step` nanoseconds from `start` on.
pub fn payload(first: i64, count: i64, start: i64, step: i64) -> Vec<u8> {
    format!("{first} {count} {start} {step}").into_bytes()
}

pub fn trace(number: i64) -> TraceId {
    let mut id = [7; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    TraceId(id)
}

/// The other tracer's trace of the same request.
pub fn linked(number: i64) -> TraceId {
    let mut id = [9; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    TraceId(id)
}

pub fn is_error(number: i64) -> bool {
    number % 50 == 13
}

pub fn person(number: i64) -> String {
    format!("u-{}", number % 20)
}

pub fn service(number: i64) -> &'static str {
    ["shop", "cart", "mail"][(number % 3) as usize]
}

pub fn rows(payload: &[u8]) -> Option<(String, RowBuffer)> {
    let text = std::str::from_utf8(payload).ok()?;
    let numbers: Vec<i64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [first, count, start, step] = numbers.try_into().ok()?;
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: start, request: None });
    for number in first..first + count {
        tell(&mut rows, number, start + (number - first) * step);
    }
    Some((PROJECT.to_owned(), rows))
}

fn tell(rows: &mut RowBuffer, number: i64, time: i64) {
    let name = [Attribute::str("service.name", service(number))];
    rows.resource(&Resource { attributes: &name, schema_url: "" });
    let id = SpanId(((number + 1) as u64).to_be_bytes());
    let whose = person(number);
    let attributes = [
        Attribute::new("number", Value::Int(number)),
        Attribute::str("user.id", whose.as_str()),
        Attribute::str("http.route", ["/a", "/b", "/c", "/d"][(number % 4) as usize]),
    ];
    rows.span(&Span {
        start_time_unix_nano: time,
        duration_ns: 1_000_000 + number % 100 * 10_000,
        kind: SpanKind::Server,
        linked_trace_id: Some(linked(number)),
        attributes: &attributes,
        ..Span::new(trace(number), id, "GET")
    });
    let only_number = [Attribute::new("number", Value::Int(number))];
    rows.span(&Span {
        start_time_unix_nano: time + 1,
        duration_ns: 500,
        parent_span_id: Some(id),
        status_code: if is_error(number) { StatusCode::Error } else { StatusCode::Ok },
        attributes: &only_number,
        ..Span::new(trace(number), SpanId(((number + 1) as u64 | 1 << 60).to_be_bytes()), "SELECT")
    });
    let document = format!(r#"{{"id":"{number}","user":"{whose}"}}"#);
    rows.span(&Span {
        start_time_unix_nano: time + 2,
        duration_ns: 1_000_000,
        kind: SpanKind::Client,
        source: Some(&document),
        attributes: &only_number,
        ..Span::new(linked(number), SpanId(((number + 1) as u64 | 1 << 61).to_be_bytes()), "segment")
    });
    rows.log(&LogRecord {
        time_unix_nano: time + 3,
        trace_id: Some(trace(number)),
        severity_number: 9,
        body: format!("answered {number}").into(),
        attributes: &only_number,
        ..LogRecord::default()
    });
    // A line that nobody's trace claims; now and then a person is mentioned in it, which names nobody.
    rows.log(&LogRecord {
        time_unix_nano: time + 4,
        severity_number: 9,
        body: format!("tick {number} for {whose}").into(),
        attributes: &only_number,
        ..LogRecord::default()
    });
    let exemplars = format!(r#"[{{"value":1,"attributes":{{"user.id":"{whose}"}}}}]"#);
    rows.data_point(&DataPoint {
        metric: "requests",
        description: "",
        unit: "1",
        r#type: DataPointType::Sum,
        temporality: Temporality::Delta,
        is_monotonic: true,
        start_time_unix_nano: 0,
        time_unix_nano: time,
        flags: 0,
        value: Some(1.0),
        count: None,
        sum: None,
        min: None,
        max: None,
        buckets: "".into(),
        exemplars: exemplars.into(),
        attributes: &only_number,
    });
}

pub async fn append(store: &Store, first: i64, count: i64, start: i64, step: i64) {
    let payload = payload(first, count, start, step);
    let (project, rows) = rows(&payload).unwrap();
    store.append(&project, payload, rows).await.unwrap();
}

/// Options that leave flushing and compaction to the test.
pub fn quick(folder: &Path) -> StoreOptions {
    StoreOptions { fsync: false, compaction: false, ..options(folder) }
}

pub async fn open(options: StoreOptions) -> (Store, Metastore) {
    let metastore = Metastore::open(&options.data_dir).await.unwrap();
    (Store::open(options, metastore.clone(), rows).await.unwrap(), metastore)
}

/// One row as the tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub number: i64,
    pub weight: f64,
    pub is_of_trace: bool,
    pub batch: RecordBatch,
}

/// Every row of a table that a query sees now.
pub async fn seen(store: &Store, folder: &Path, signal: Signal) -> Vec<Seen> {
    let snapshot = store.snapshot(PROJECT, signal, TimeRange::ALL).await.unwrap();
    let from_parts = snapshot.parts.iter().flat_map(|part| read_part(folder, part, None));
    let mut found = Vec::new();
    for batch in from_parts.chain(snapshot.memory.iter().cloned()) {
        let numbers = batch.column_by_name("number").unwrap().as_primitive::<Int64Type>();
        let weights = batch.column_by_name("sample_rate").unwrap().as_primitive::<Float64Type>();
        let traces = batch.column_by_name("trace_id");
        for row in 0..batch.num_rows() {
            found.push(Seen {
                number: numbers.value(row),
                weight: weights.value(row),
                is_of_trace: traces.is_some_and(|traces| traces.is_valid(row)),
                batch: batch.slice(row, 1),
            });
        }
    }
    assert_eq!(found.len() as u64, snapshot.rows_total);
    found
}

/// How many rows of each number there are.
pub fn by_number<'a>(rows: impl IntoIterator<Item = &'a Seen>) -> BTreeMap<i64, usize> {
    let mut counts = BTreeMap::new();
    for row in rows {
        *counts.entry(row.number).or_default() += 1;
    }
    counts
}
