//! Deletion of a trace, a person and a time, and any history of it with flushes, thinning, restarts and crashes.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use analysis::retention::{Class, Level};
use arrow::array::{Array, AsArray};
use metastore::{Deletion, DeletionKind, Metastore, NewDeletion, RetentionPolicy};
use model::Signal;
use proptest::prelude::*;
use store::{Clock, Store, StoreOptions, TimeRange};

use crate::journey::crashed;
use crate::numbered::PROJECT;
use crate::stories::{DAY, HOUR, SECOND, Seen, append, by_number, is_error, open, person, quick, seen, trace};

const START: i64 = 20_000 * DAY;
const NOW: i64 = START + DAY;

fn request(id: &str, kind: DeletionKind) -> NewDeletion {
    let signals = Signal::ALL.map(|signal| signal.table().to_owned()).to_vec();
    NewDeletion { id: id.into(), project: PROJECT.into(), kind, signals, requested_at_unix_nano: NOW }
}

fn of_person(value: &str) -> DeletionKind {
    let attributes = analysis::retention::person::Person::anywhere(value).attributes;
    DeletionKind::Person { attributes, value: Some(value.to_owned()) }
}

async fn delete(store: &Store, metastore: &Metastore, request: &NewDeletion) -> Deletion {
    store.delete(request).await.unwrap();
    store.run_deletions().await.unwrap();
    metastore.deletion(PROJECT, &request.id).await.unwrap().unwrap()
}

/// Six parts' worth of requests, the last of it still in memory.
async fn some(folder: &Path) -> (Store, Metastore) {
    let (store, metastore) = open(StoreOptions { clock: Clock::manual(NOW), ..quick(folder) }).await;
    append(&store, 0, 200, START, SECOND).await;
    store.flush().await.unwrap();
    append(&store, 200, 200, START + HOUR, SECOND).await;
    store.flush().await.unwrap();
    append(&store, 400, 200, START + 2 * HOUR, SECOND).await;
    (store, metastore)
}

#[tokio::test]
async fn a_trace_goes_from_parts_memory_and_log() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = some(folder.path()).await;
    for number in [3, 500] {
        let kind = DeletionKind::Trace { trace_id: trace(number).to_string() };
        let receipt = delete(&store, &metastore, &request(&number.to_string(), kind)).await;
        assert_eq!((receipt.spans, receipt.logs, receipt.metrics), (2, 1, 0));
        assert_eq!((receipt.parts_rewritten, receipt.parts_removed), (2, 0));
        assert!(receipt.log_truncated_at_unix_nano.is_some() && receipt.done_at_unix_nano.is_some());
        assert!(receipt.erased_at_unix_nano.is_some(), "nobody held the old parts");
    }
    assert_eq!(store.stats().memory_rows, 0);
    let spans = seen(&store, folder.path(), Signal::Spans).await;
    let logs = seen(&store, folder.path(), Signal::Logs).await;
    for number in 0..600 {
        let left = if [3, 500].contains(&number) { 1 } else { 3 };
        assert_eq!(spans.iter().filter(|row| row.number == number).count(), left, "{number}: the other tracer's stays");
    }
    assert_eq!(logs.iter().filter(|row| row.is_of_trace).count(), 598);
    let copy = crashed(folder.path());
    let (again, _) = open(quick(copy.path())).await;
    assert_eq!(seen(&again, copy.path(), Signal::Spans).await.len(), spans.len(), "and it stays gone");
}

#[tokio::test]
async fn a_person_goes_from_every_table_and_every_column() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = some(folder.path()).await;
    let receipt = delete(&store, &metastore, &request("a", of_person("u-7"))).await;
    // Thirty requests: the server's span by its attribute, the segment by its document. Points lose their example only.
    assert_eq!((receipt.spans, receipt.logs, receipt.metrics, receipt.cells), (60, 0, 0, 30));
    assert_eq!(receipt.request.kind, DeletionKind::Person { attributes: of_attributes(), value: None }, "forgets whom");
    let spans = by_number(&seen(&store, folder.path(), Signal::Spans).await);
    for number in 0..600 {
        assert_eq!(spans[&number], if person(number) == "u-7" { 1 } else { 3 }, "{number}");
    }
    for row in seen(&store, folder.path(), Signal::Metrics).await {
        let exemplars = row.batch.column_by_name("exemplars").unwrap();
        assert_eq!(exemplars.is_null(0), person(row.number) == "u-7");
    }
    let logs = seen(&store, folder.path(), Signal::Logs).await;
    let mentions =
        logs.iter().filter(|row| row.batch.column_by_name("body").unwrap().as_string::<i32>().value(0).ends_with(" u-7"));
    assert_eq!(mentions.count(), 30, "a line that mentions somebody names nobody");
}

fn of_attributes() -> Vec<String> {
    analysis::retention::person::PERSON_ATTRIBUTES.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_time_goes_whole_parts_unread() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = some(folder.path()).await;
    let range = |service: Option<&str>| DeletionKind::Range {
        start_unix_nano: START + HOUR,
        end_unix_nano: START + 2 * HOUR + 100 * SECOND,
        service: service.map(str::to_owned),
    };
    let receipt = delete(&store, &metastore, &request("a", range(Some("cart")))).await;
    assert_eq!((receipt.spans, receipt.logs, receipt.metrics), (300, 200, 100));
    let receipt = delete(&store, &metastore, &request("b", range(None))).await;
    assert_eq!((receipt.spans, receipt.parts_removed, receipt.parts_rewritten), (600, 3, 3));
    let spans = by_number(&seen(&store, folder.path(), Signal::Spans).await);
    assert!(spans.into_keys().eq((0..200).chain(500..600)));
}

#[tokio::test]
async fn what_comes_later_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = some(folder.path()).await;
    let asked = NewDeletion { requested_at_unix_nano: START + HOUR + HOUR / 2, ..request("a", of_person("u-7")) };
    let receipt = delete(&store, &metastore, &asked).await;
    assert_eq!(receipt.spans, 40, "what was received after the request was not meant");
}

#[tokio::test]
async fn files_are_gone_when_nobody_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = some(folder.path()).await;
    store.publish().await.unwrap();
    let held = store.snapshot(PROJECT, Signal::Spans, TimeRange::ALL).await.unwrap();
    let receipt = delete(&store, &metastore, &request("a", of_person("u-7"))).await;
    assert!(receipt.done_at_unix_nano.is_some() && receipt.erased_at_unix_nano.is_none());
    assert!(held.parts.iter().all(|part| folder.path().join("parts").join(part.path.as_ref()).exists()));
    let open = |part: &store::Part| File::open(folder.path().join("parts").join(part.path.as_ref())).unwrap();
    let files: Vec<File> = held.parts.iter().map(open).collect();
    drop(held);
    store.run_deletions().await.unwrap();
    let receipt = metastore.deletion(PROJECT, "a").await.unwrap().unwrap();
    assert!(receipt.erased_at_unix_nano.is_some());
    // Neither under the name of a part nor under one that was published.
    assert!(files.iter().all(|file| file.metadata().unwrap().nlink() == 0));
}

#[tokio::test]
async fn a_request_survives_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let (store, metastore) = some(folder.path()).await;
    // Asked for, and then the lights went out.
    metastore.add_deletion(&request("a", of_person("u-7"))).await.unwrap();
    let copy = crashed(folder.path());
    drop(store);
    let (again, metastore) = open(StoreOptions { clock: Clock::manual(NOW), ..quick(copy.path()) }).await;
    while metastore.deletion(PROJECT, "a").await.unwrap().unwrap().done_at_unix_nano.is_none() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let receipt = metastore.deletion(PROJECT, "a").await.unwrap().unwrap();
    assert_eq!((receipt.spans, receipt.cells), (60, 30));
    assert!(
        seen(&again, copy.path(), Signal::Spans)
            .await
            .iter()
            .all(|row| person(row.number) != "u-7" || row.batch.column_by_name("user.id").is_none_or(|column| column.is_null(0)))
    );
}

#[derive(Clone, Debug)]
enum Step {
    Append(i64),
    Flush,
    Compact,
    /// To one of so many bytes.
    Thin(u64),
    DeleteTrace(i64),
    DeletePerson(i64),
    DeleteTime(i64, i64),
    /// Goes on in a copy of the folder as it is on disk, perhaps with a request in it that nobody has looked at.
    Crash(Option<i64>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1i64..300).prop_map(Step::Append),
        3 => Just(Step::Flush),
        2 => Just(Step::Compact),
        3 => (2u64..6).prop_map(Step::Thin),
        1 => (0i64..300).prop_map(Step::DeleteTrace),
        1 => (0i64..20).prop_map(Step::DeletePerson),
        1 => (0i64..300, 1i64..20).prop_map(|(first, count)| Step::DeleteTime(first, count)),
        2 => proptest::option::of(0i64..300).prop_map(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_deleted_stays_so_and_what_is_to_be_kept_is_whole(steps in proptest::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}

/// What a history has deleted.
#[derive(Default)]
struct Gone {
    traces: HashSet<i64>,
    /// The server's span and the segment of these.
    persons: HashSet<i64>,
    times: HashSet<i64>,
}

async fn live(steps: Vec<Step>) {
    let options = |folder: &Path| StoreOptions { clock: Clock::manual(NOW), ..quick(folder) };
    let mut folder = tempfile::tempdir().unwrap();
    let (mut store, mut metastore) = open(options(folder.path())).await;
    let (mut next, mut asked) = (0, 0);
    let mut gone = Gone::default();
    for step in steps {
        asked += 1;
        let id = asked.to_string();
        match step {
            Step::Append(count) => {
                append(&store, next, count, START + next * 60 * SECOND, 60 * SECOND).await;
                next += count;
            }
            Step::Flush => store.flush().await.unwrap(),
            Step::Compact => store.compact_now(None).await.unwrap(),
            Step::Thin(of) => {
                let budget = store.stats().part_bytes / of;
                let policy = RetentionPolicy { traces_bytes_max: Some(budget), ..RetentionPolicy::default() };
                metastore.put_retention_policy(PROJECT, Some(&policy), 0).await.unwrap();
                store.retain(PROJECT).await.unwrap();
            }
            Step::DeleteTrace(number) => {
                let kind = DeletionKind::Trace { trace_id: trace(number).to_string() };
                delete(&store, &metastore, &request(&id, kind)).await;
                gone.traces.extend((number < next).then_some(number));
            }
            Step::DeletePerson(number) => {
                delete(&store, &metastore, &request(&id, of_person(&person(number)))).await;
                gone.persons.extend((0..next).filter(|other| person(*other) == person(number)));
            }
            Step::DeleteTime(first, count) => {
                let at = |number: i64| START + number * 60 * SECOND;
                let kind = DeletionKind::Range { start_unix_nano: at(first), end_unix_nano: at(first + count), service: None };
                delete(&store, &metastore, &request(&id, kind)).await;
                gone.times.extend((first..first + count).filter(|number| *number < next));
            }
            Step::Crash(wanted) => {
                while store.stats().wal_segments > 1 {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
                if let Some(number) = wanted {
                    let kind = DeletionKind::Trace { trace_id: trace(number).to_string() };
                    metastore.add_deletion(&request(&id, kind)).await.unwrap();
                    gone.traces.extend((number < next).then_some(number));
                }
                let copy = crashed(folder.path());
                (store, metastore) = open(options(copy.path())).await;
                store.run_deletions().await.unwrap();
                folder = copy;
            }
        }
        if next > 0 {
            check(&store, &metastore, folder.path(), next, &gone).await;
        }
    }
}

async fn check(store: &Store, metastore: &Metastore, folder: &Path, next: i64, gone: &Gone) {
    // Where a budget left no room for all errors either, some have gone.
    let windows = metastore.thinned_windows(PROJECT).await.unwrap();
    let has_all_errors = |number: i64| {
        let time = START + number * 60 * SECOND;
        let window = windows.iter().find(|window| (window.start_unix_nano..window.end_unix_nano).contains(&time));
        let one_of = window.map(|window| Level::new(window.level).kept_one_of(Class::Error));
        one_of.is_none_or(|one_of| one_of == 1)
    };
    let spans = by_number(&seen(store, folder, Signal::Spans).await);
    let logs: Vec<Seen> = seen(store, folder, Signal::Logs).await;
    let traced = by_number(logs.iter().filter(|row| row.is_of_trace));
    for number in 0..next {
        // Server's span, child, segment; then the log line.
        let mut all = [1, 1, 1, 1];
        if gone.traces.contains(&number) {
            all = [0, 0, all[2], 0];
        }
        if gone.persons.contains(&number) {
            all = [0, all[1], 0, all[3]];
        }
        if gone.times.contains(&number) {
            all = [0; 4];
        }
        let found = (spans.get(&number).copied().unwrap_or(0), traced.get(&number).copied().unwrap_or(0));
        let expected = (all[..3].iter().sum::<usize>(), all[3]);
        let is_kept = is_error(number) && !gone.traces.contains(&number) && has_all_errors(number);
        if is_kept {
            assert_eq!(found, expected, "{number} failed and is to be kept");
        } else {
            assert!(found.0 <= expected.0 && found.1 <= expected.1, "{number}: {found:?} of {expected:?}");
        }
        // The link between the halves is on the server's span: with it gone each half is on its own.
        if all[0] == 1 && !is_error(number) {
            assert!(found == expected || found == (0, 0), "{number}: {found:?} of {expected:?}");
        }
    }
    assert!(spans.keys().chain(traced.keys()).all(|number| *number < next));
}
