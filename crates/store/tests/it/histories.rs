//! Whatever the history of a folder, it holds what was appended, each row once.

use proptest::prelude::*;
use store::StoreOptions;

use crate::journey::{crashed, reopened};
use crate::numbered::{append, logs, numbers, open, options};

#[derive(Clone, Debug)]
enum Step {
    Append(i64),
    Flush,
    /// An orderly end and a new start.
    Restart,
    /// Goes on in a copy of the folder as it is on disk at this moment.
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![4 => (1i64..40).prop_map(Step::Append), 2 => Just(Step::Flush), 1 => Just(Step::Restart), 2 => Just(Step::Crash)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_every_row_once(steps in proptest::collection::vec(step(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}

async fn live(steps: Vec<Step>) {
    let quick = |folder: &std::path::Path| StoreOptions { fsync: false, ..options(folder) };
    let mut folder = tempfile::tempdir().unwrap();
    let mut store = open(quick(folder.path())).await;
    let mut next = 0;
    for step in steps {
        match step {
            Step::Append(count) => {
                append(&store, next, count).await.unwrap();
                next += count;
            }
            Step::Flush => store.flush().await.unwrap(),
            Step::Restart => store = reopened(store, folder.path()).await,
            Step::Crash => {
                let copy = crashed(folder.path());
                store = open(quick(copy.path())).await;
                folder = copy;
                // A copy is not of one moment, so nothing may be under way at the next: what was replayed becomes parts.
                while store.stats().wal_segments > 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                }
            }
        }
        assert!(numbers(folder.path(), &logs(&store).await).into_iter().eq(0..next));
    }
}
