//! What a line costs that patterns are made of: nanoseconds of wall clock, the least of five rounds.
//!
//! Run with `cargo bench -p analysis --bench log_patterns`. `pattern @message` reads every line of the groups it is asked of.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and takes the time")]

use std::hint::black_box;
use std::time::Instant;

use analysis::log_patterns::{LogLine, LogPatterns};

const ROUNDS: usize = 5;
const LINES: u64 = 200_000;

fn main() {
    for (name, line) in [("JSON", json as fn(u64) -> String), ("text", text), ("with times", with_times)] {
        let lines: Vec<String> = (0..LINES).map(line).collect();
        let bytes: usize = lines.iter().map(String::len).sum();
        let mut least = f64::MAX;
        let mut shapes = 0;
        for _ in 0..ROUNDS {
            let mut patterns = LogPatterns::default();
            let began = Instant::now();
            for line in &lines {
                patterns.read(black_box(&LogLine { text: line, severity_number: 9, weight: 1.0, ..LogLine::default() }));
            }
            least = least.min(began.elapsed().as_secs_f64() * 1e9 / LINES as f64);
            shapes = patterns.patterns().len();
        }
        println!("{name:<12} {:>4} bytes {least:>6.0} ns, {shapes} patterns", bytes as u64 / LINES);
    }
}

fn json(number: u64) -> String {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let message = said(number, random);
    let (route, latency) = ((random >> 40) % 20, (random >> 32) % 900);
    format!(
        r#"{{"level":"info","msg":"{message}","route":"/api/{route}","latency":{latency},"request_id":"{random:016x}{number:08x}"}}"#
    )
}

fn text(number: u64) -> String {
    said(number, number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn with_times(number: u64) -> String {
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (minute, second, address) = (number / 60 % 60, number % 60, random >> 50);
    format!(
        "2026-11-21 03:{minute:02}:{second:02},{:03} INFO [10.0.{}.{}:443] {}",
        random % 1000,
        address % 250,
        random % 250,
        text(number)
    )
}

fn said(number: u64, random: u64) -> String {
    let took = random % 400;
    match random >> 8 & 3 {
        0 => format!("request completed, took {took} ms: 200 for item {number}"),
        1 => format!("query took {took} ms: select id, state from orders where id = {number} limit 1"),
        2 => format!("cache lookup key price:{number} hit on redis-3.shop.internal, took {took} ms"),
        _ => format!("email order-confirmation queued, message {number}, took {took} ms"),
    }
}
