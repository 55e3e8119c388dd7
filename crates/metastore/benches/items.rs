//! What a page of items costs where there are many: under each filter the first page, the hundredth page and the first page in
//! the order that takes longest, and how many there are at all.
//!
//! Run with `cargo bench -p metastore --bench items`; `CUPOLA_BENCH_ITEMS` says how many, 100,000 by default. A page is to take
//! less than 50 ms. Figures are milliseconds of wall clock, the least of five.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::time::Instant;

use metastore::{ErrorItemFilter, ErrorItemOrder, ItemStatus, Metastore, MetastoreError, OccurrencesSeen};

const PROJECT: &str = "default";
/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000_000_000;
const SECOND: i64 = 1_000_000_000;
const AT_ONCE: i64 = 1_000;
const PAGE: u64 = 100;
const RUNS: usize = 5;

fn main() {
    let items: i64 = std::env::var("CUPOLA_BENCH_ITEMS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let metastore = Metastore::open(folder.path()).await.unwrap();
        for first in (0..items).step_by(AT_ONCE as usize) {
            let seen: Vec<OccurrencesSeen> = (first..(first + AT_ONCE).min(items)).map(seen).collect();
            metastore.record_occurrences(PROJECT, &seen, START).await.unwrap();
        }
        println!("{items} items");
        ask_all(&metastore).await;
    });
}

fn seen(number: i64) -> OccurrencesSeen {
    let at = START + number * SECOND;
    OccurrencesSeen {
        fingerprint: format!("{:032x}", i128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        level: [50, 40, 40, 40, 30, 20][number as usize % 6],
        title: format!("TimeoutError: no answer from service {} within 30 s", number % 977),
        environment: ["production", "staging", "test"][number as usize % 3].into(),
        version: format!("1.{}.0", number / 5_000),
        first_seen_unix_nano: at,
        last_seen_unix_nano: at + (number * 7_919 % 100_000) * SECOND,
        first_occurrence: number * 2 + 1,
        last_occurrence: number * 2 + 2,
        count: (number % 1_000).unsigned_abs() + 1,
        ..OccurrencesSeen::default()
    }
}

async fn ask_all(metastore: &Metastore) {
    let all = ErrorItemFilter::default();
    let production = ErrorItemFilter { environments: vec!["production".into()], ..all.clone() };
    let active = ErrorItemFilter { statuses: vec![ItemStatus::Active], levels: vec![40, 50], ..production.clone() };
    let worded = |word: &str| ErrorItemFilter { title_words: vec![word.into()], ..all.clone() };
    let filters = [
        ("all", all.clone()),
        ("of an environment", production),
        ("active errors of an environment", active.clone()),
        ("a word of the title", ErrorItemFilter { title_words: vec!["service 976".into()], ..active }),
        ("a word of every title", worded("timeouterror")),
        ("a word of no title", worded("nowhere")),
        ("of a version", ErrorItemFilter { versions: vec!["1.3.0".into()], ..all.clone() }),
        ("with comments", ErrorItemFilter { has_comments: Some(true), ..all.clone() }),
        ("no groups", ErrorItemFilter { is_group: Some(false), ..all.clone() }),
        ("assigned", ErrorItemFilter { is_assigned: Some(true), ..all.clone() }),
        ("not snoozed", ErrorItemFilter { awake_at_unix_nano: Some(START), ..all.clone() }),
        ("seen lately", ErrorItemFilter { seen_since_unix_nano: Some(START + 50_000 * SECOND), ..all }),
    ];
    let orders = [
        ErrorItemOrder::LastSeen,
        ErrorItemOrder::FirstSeen,
        ErrorItemOrder::Occurrences,
        ErrorItemOrder::Level,
        ErrorItemOrder::Counter,
    ];
    println!("{:<34} {:>9} {:>9} {:>9} {:>9}", "ms", "page 1", "page 100", "worst", "count");
    for (name, filter) in &filters {
        let (mut first, mut late) = (0.0_f64, 0.0_f64);
        for order in orders {
            let page = |offset| metastore.error_items(PROJECT, filter, order, offset, PAGE);
            let (began, late_began) = (least(|| page(0)).await, least(|| page(99 * PAGE)).await);
            (first, late) = (first.max(began), late.max(late_began));
        }
        let plain = least(|| metastore.error_items(PROJECT, filter, ErrorItemOrder::LastSeen, 0, PAGE)).await;
        let count = least(|| metastore.count_error_items(PROJECT, filter)).await;
        println!("{name:<34} {plain:>9.2} {late:>9.2} {first:>9.2} {count:>9.2}");
    }
}

/// Milliseconds of the fastest run.
async fn least<T, F: Future<Output = Result<T, MetastoreError>>>(ask: impl Fn() -> F) -> f64 {
    let mut least = f64::MAX;
    for _ in 0..RUNS {
        let began = Instant::now();
        ask().await.unwrap();
        least = least.min(began.elapsed().as_secs_f64() * 1_000.0);
    }
    least
}
