//! What a page of items costs where there are many: the first page, a late one, with filters and words.
//!
//! Run with `cargo bench -p metastore --bench items`; `CUPOLA_BENCH_ITEMS` says how many, 100,000 by default. A page is to take
//! less than 50 ms. Figures are milliseconds of wall clock, the least of nine.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::time::Instant;

use metastore::{ErrorItemFilter, ErrorItemOrder, ItemStatus, Metastore, OccurrencesSeen};

const PROJECT: &str = "default";
/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000_000_000;
const SECOND: i64 = 1_000_000_000;
const AT_ONCE: i64 = 1_000;
const PAGE: u64 = 100;
const RUNS: usize = 9;

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
    let production = ErrorItemFilter { environments: vec!["production".into()], ..ErrorItemFilter::default() };
    let active = ErrorItemFilter { statuses: vec![ItemStatus::Active], levels: vec![40, 50], ..production.clone() };
    let worded = ErrorItemFilter { title_words: vec!["service 976".into()], ..active.clone() };
    let questions = [
        ("first page, seen last", &all, ErrorItemOrder::LastSeen, 0),
        ("first page, most often", &all, ErrorItemOrder::Occurrences, 0),
        ("first page of an environment", &production, ErrorItemOrder::LastSeen, 0),
        ("active errors of an environment", &active, ErrorItemOrder::LastSeen, 0),
        ("with a word of the title", &worded, ErrorItemOrder::LastSeen, 0),
        ("hundredth page", &all, ErrorItemOrder::LastSeen, 99 * PAGE),
    ];
    for (name, filter, order, offset) in questions {
        let mut least = f64::MAX;
        for _ in 0..RUNS {
            let began = Instant::now();
            let page = metastore.error_items(PROJECT, filter, order, offset, PAGE).await.unwrap();
            least = least.min(began.elapsed().as_secs_f64() * 1_000.0);
            assert!(!page.is_empty(), "{name}");
        }
        println!("{name:<34} {least:>8.2} ms");
    }
    let began = Instant::now();
    let count = metastore.count_error_items(PROJECT, &active).await.unwrap();
    println!("{:<34} {:>8.2} ms ({count})", "how many", began.elapsed().as_secs_f64() * 1_000.0);
}
