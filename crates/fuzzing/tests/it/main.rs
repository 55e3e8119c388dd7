//! Every target over its corpus and over mutations of it: a second each by default, `FUZZ_SECONDS` each when that is set.
//!
//! The seed is fixed, so a failure comes again. Its input is written to a file that the message names; once mended, the file
//! goes to `fixtures/fuzz/<target>/` (in base64 if it is no text) and is tried at every run from then on.

#![cfg(test)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fuzzing::mutation::Mutator;
use fuzzing::{Target, all, by_name, dictionary, seeds};

/// Tries of one target in a normal run: enough to notice a new carelessness, few enough for every commit.
const TRIES: u64 = 3_000;

const SEED: u64 = 0x0c1f_0b1a;

/// Tries between two looks at the clock.
const TRIES_PER_LOOK: u64 = 32;

fn fuzz(name: &str) {
    let target = by_name(name).unwrap();
    let seeds = seeds(name);
    for seed in &seeds {
        attempt(target, seed);
    }
    #[expect(clippy::disallowed_methods, reason = "how long to look is for the person at the prompt to say")]
    let seconds: Option<u64> = std::env::var("FUZZ_SECONDS").ok().map(|seconds| seconds.parse().unwrap());
    let (begun, mut tries) = (Instant::now(), 0);
    let mut mutator = Mutator::new(SEED, &seeds, dictionary(name));
    loop {
        for _ in 0..TRIES_PER_LOOK {
            attempt(target, &mutator.next_input());
        }
        tries += TRIES_PER_LOOK;
        let is_over = match seconds {
            Some(seconds) => begun.elapsed() >= Duration::from_secs(seconds),
            None => tries >= TRIES,
        };
        if is_over {
            break;
        }
    }
    println!("{name}: {} of the corpus, {tries} made in {:.1} s", seeds.len(), begun.elapsed().as_secs_f64());
}

fn attempt(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        let path = std::env::temp_dir().join(format!("cupola-fuzz-{}-{}", target.name, std::process::id()));
        std::fs::write(&path, input).unwrap();
        eprintln!("{}: {} bytes fail, kept in {}", target.name, input.len(), path.display());
        std::panic::resume_unwind(panic);
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            fuzz(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            let known: Vec<&str> = all().iter().map(|target| target.name).collect();
            assert_eq!(run.as_slice(), known.as_slice());
        }
    };
}

targets! {
    body cloudwatch_put_log_events cloudwatch_wire honeycomb_json honeycomb_msgpack language_filter_pattern language_insights language_ppl language_rql language_search
    language_sql language_xray_filter log_patterns log_text otlp_json otlp_protobuf rollbar_form rollbar_json stacktrace trace_tree wal_replay wal_segment xray_datagram
    xray_documents xray_sampling
}
