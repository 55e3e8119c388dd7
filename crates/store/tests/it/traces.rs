//! Traces are found by their ids, whatever became of the parts and of the index.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use model::{Attribute, RowSink, Signal, Span, SpanId, TraceContext, TraceId, Value};
use proptest::prelude::*;
use store::{RowBuffer, RowContext, Store, TimeRange, TraceParts};

use crate::journey::{files, reopened};
use crate::numbered::{PROJECT, open, options, read_part};

pub fn trace(number: u64) -> [u8; 16] {
    let mut id = [9; 16];
    id[..8].copy_from_slice(&(number + 1).to_be_bytes());
    id
}

/// Spans, each of the trace and the time that are given; they are numbered on from `first`.
async fn append_spans(store: &Store, first: i64, spans: &[(u64, i64)]) {
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: 1, request: None });
    for (number, (of, time)) in (first..).zip(spans) {
        let attributes = [Attribute::new("number", Value::Int(number))];
        rows.span(&Span {
            start_time_unix_nano: *time,
            attributes: &attributes,
            ..Span::new(TraceId(trace(*of)), SpanId((number + 1).to_be_bytes()), "work")
        });
    }
    store.append(PROJECT, b"-".to_vec(), rows).await.unwrap();
}

/// The numbers of the rows that a reader of the answer finds.
fn numbers(folder: &Path, found: &TraceParts, id: &[u8; 16]) -> Vec<i64> {
    let mut numbers = Vec::new();
    let mut take = |rows: &RecordBatch| {
        let ids = rows.column_by_name("trace_id").unwrap().as_fixed_size_binary();
        let own = rows.column_by_name("number").unwrap().as_primitive::<Int64Type>();
        numbers.extend((0..rows.num_rows()).filter(|row| ids.value(*row) == id).map(|row| own.value(row)));
    };
    for place in &found.parts {
        let rows = arrow::compute::concat_batches(
            &read_part(folder, &place.part, None)[0].schema(),
            &read_part(folder, &place.part, None),
        )
        .unwrap();
        let (from, to) = (place.rows.start as usize, place.rows.end as usize);
        take(&rows.slice(from, to - from));
    }
    for rows in &found.memory {
        take(rows);
        assert!(rows.column_by_name("trace_id").unwrap().as_fixed_size_binary().iter().all(|found| found == Some(id)));
    }
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn a_trace_is_found_in_its_parts_and_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    for part in 0..6 {
        append_spans(&store, part * 10, &[(part as u64, part), (99, part), (part as u64, part + 1)]).await;
        store.flush().await.unwrap();
    }
    append_spans(&store, 60, &[(3, 50), (98, 50)]).await;
    let store = reopened(store, folder.path()).await;
    append_spans(&store, 70, &[(3, 51)]).await;
    for (of, parts, expected) in [(2, 1, vec![20, 22]), (3, 2, vec![30, 32, 60, 70]), (99, 6, vec![1, 11, 21, 31, 41, 51])] {
        let found = store.find_trace(PROJECT, Signal::Spans, trace(of)).await.unwrap();
        assert_eq!((found.parts.len(), found.parts_total, found.unindexed), (parts, 7, 0));
        assert_eq!(numbers(folder.path(), &found, &trace(of)), expected);
    }
    for (project, signal, of) in [(PROJECT, Signal::Spans, 77), (PROJECT, Signal::Logs, 3), ("other", Signal::Spans, 3)] {
        let found = store.find_trace(project, signal, trace(of)).await.unwrap();
        assert!(found.parts.is_empty() && found.memory.is_empty());
    }
}

#[tokio::test]
async fn linked_and_delivering_traces_are_found_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(options(folder.path())).await;
    let request = Some(TraceContext { trace_id: TraceId(trace(7)), span_id: None });
    let mut rows = RowBuffer::new(RowContext { receiver: "test", received_at_unix_nano: 1, request });
    let linked = Some(TraceId(trace(8)));
    rows.span(&Span { linked_trace_id: linked, ..Span::new(TraceId(trace(9)), SpanId([1; 8]), "work") });
    store.append(PROJECT, b"-".to_vec(), rows).await.unwrap();
    for of in [7, 8, 9] {
        let found = store.find_trace(PROJECT, Signal::Spans, trace(of)).await.unwrap();
        assert_eq!(found.memory.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    }
    store.flush().await.unwrap();
    for of in [7, 8, 9] {
        assert_eq!(store.find_trace(PROJECT, Signal::Spans, trace(of)).await.unwrap().parts.len(), 1);
    }
}

/// Without its runs the index is asked for nothing, and bloom filters are; damaged runs are as good as none.
#[tokio::test]
async fn a_lost_or_damaged_index_costs_time_and_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(options(folder.path())).await;
    for part in 0..4 {
        append_spans(&store, part * 10, &[(part as u64, part), (99, part)]).await;
        store.flush().await.unwrap();
    }
    let runs = |folder: &Path| files(&folder.join("index"), "run");
    assert_eq!(runs(folder.path()).len(), 4);
    for damage in 0..3 {
        for (number, run) in runs(folder.path()).into_iter().enumerate() {
            match damage {
                0 => fs::remove_file(run).unwrap(),
                // Half of them in a page, half of them in the footer.
                1 => {
                    let mut bytes = fs::read(&run).unwrap();
                    let place = if number % 2 == 0 { 9 } else { bytes.len() - 30 };
                    bytes[place] ^= 1;
                    fs::write(&run, bytes).unwrap();
                }
                _ => fs::write(&run, b"").unwrap(),
            }
        }
        store = reopened(store, folder.path()).await;
        let found = store.find_trace(PROJECT, Signal::Spans, trace(99)).await.unwrap();
        assert_eq!(numbers(folder.path(), &found, &trace(99)), [1, 11, 21, 31]);
        // The background may have been faster.
        let found = store.find_trace(PROJECT, Signal::Spans, trace(2)).await.unwrap();
        assert_eq!(numbers(folder.path(), &found, &trace(2)), [20]);
        assert!(found.parts.len() <= 1 + found.unindexed);
        store.settle_index().await.unwrap();
        let found = store.find_trace(PROJECT, Signal::Spans, trace(2)).await.unwrap();
        assert_eq!((found.parts.len(), found.unindexed), (1, 0));
        assert_eq!(numbers(folder.path(), &found, &trace(2)), [20]);
    }
}

#[tokio::test]
async fn many_runs_become_few() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(store::StoreOptions { fsync: false, ..options(folder.path()) }).await;
    for part in 0..40 {
        append_spans(&store, part, &[(part as u64 / 2, part)]).await;
        store.flush().await.unwrap();
    }
    store.settle_index().await.unwrap();
    let runs = files(&folder.path().join("index"), "run").len();
    assert!(runs <= 15, "{runs} runs");
    let store = reopened(store, folder.path()).await;
    for of in 0..20 {
        let found = store.find_trace(PROJECT, Signal::Spans, trace(of)).await.unwrap();
        assert_eq!((found.parts.len(), found.unindexed), (2, 0));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u64, i64)>),
    Flush,
    Settle,
    Restart,
    LoseRuns,
}

fn step() -> impl Strategy<Value = Step> {
    let spans = prop::collection::vec((0u64..12, 0i64..1_000), 1..20);
    prop_oneof![4 => spans.prop_map(Step::Append), 3 => Just(Step::Flush), 1 => Just(Step::Settle), 1 => Just(Step::Restart), 1 => Just(Step::LoseRuns)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_trace_is_found_whole(steps in prop::collection::vec(step(), 1..24)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}

async fn live(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let quick = || store::StoreOptions { fsync: false, ..options(folder.path()) };
    let mut store = open(quick()).await;
    let mut model: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
    let mut next = 0;
    for step in steps {
        match step {
            Step::Append(spans) => {
                append_spans(&store, next, &spans).await;
                for (of, _) in spans {
                    model.entry(of).or_default().push(next);
                    next += 1;
                }
            }
            Step::Flush => store.flush().await.unwrap(),
            Step::Settle => store.settle_index().await.unwrap(),
            Step::Restart => {
                // What cannot be replayed must be in parts.
                store.flush().await.unwrap();
                store.shutdown().await.unwrap();
                store = open(quick()).await;
            }
            Step::LoseRuns => {
                for run in files(&folder.path().join("index"), "run").into_iter().step_by(2) {
                    fs::write(run, b"lost").unwrap();
                }
            }
        }
        for of in 0..12 {
            let found = store.find_trace(PROJECT, Signal::Spans, trace(of)).await.unwrap();
            assert_eq!(numbers(folder.path(), &found, &trace(of)), *model.entry(of).or_default());
            assert_eq!(found.parts_total, store.snapshot(PROJECT, Signal::Spans, TimeRange::ALL).await.unwrap().parts.len());
        }
    }
}
