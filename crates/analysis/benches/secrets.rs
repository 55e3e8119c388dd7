//! What looking for secrets costs: microseconds of wall clock for one body of Rollbar's, the least of five rounds.
//!
//! Run with `cargo bench -p analysis --bench secrets`. Every item that comes in is looked at before it is written, and takes about
//! 200 microseconds of CPU time in all.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a bench prints and may panic")]

use std::hint::black_box;
use std::time::Instant;

use analysis::secrets::{SecretRules, Secrets};

const ROUNDS: usize = 5;
const BODIES: u32 = 5_000;

fn main() {
    let keys: Vec<String> =
        ["password", "secret", "secret_key", "client_secret", "api_key", "auth_token", "authorization", "cookie", "ssn"]
            .map(str::to_owned)
            .to_vec();
    let rules =
        SecretRules { keys: &keys, patterns: &[], query_strings: true, cards: true, tokens: true, pattern_bytes_max: 1 << 20 };
    let secrets = Secrets::compile(&rules).unwrap();
    let plain = body("");
    let telling = body(r#""password": "hunter2", "Authorization": "Bearer abcdefghijklmnop", "#);
    for (name, body) in [("nothing to hide", plain), ("two secrets", telling)] {
        let mut least = f64::MAX;
        for _ in 0..ROUNDS {
            let began = Instant::now();
            for _ in 0..BODIES {
                black_box(secrets.find(black_box(body.as_bytes())));
            }
            least = least.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(BODIES));
        }
        println!("{name:<20} {:>6} bytes {least:>8.2} us, {} found", body.len(), secrets.find(body.as_bytes()).len());
    }
}

/// About 3 kB: twenty frames of a stack, a request and a person.
fn body(secrets: &str) -> String {
    let frames: Vec<String> = (0..20)
        .map(|number| {
            format!(
                r#"{{"filename": "/srv/shop/checkout/step_{number}.py", "lineno": {}, "method": "pay_{number}", "code": "total = cart.total(order)"}}"#,
                100 + number * 7
            )
        })
        .collect();
    format!(
        r#"{{"access_token": "present", "data": {{"uuid": "84af46b1-e615-4f31-8c96-474086f096d2", "timestamp": 1795228178, "environment": "production", "request": {{"url": "https://shop.example/checkout?step=3", "headers": {{{secrets}"User-Agent": "Mozilla/5.0"}}}}, "body": {{"trace": {{"frames": [{}], "exception": {{"class": "KeyError", "message": "no such order"}}}}}}}}}}"#,
        frames.join(", ")
    )
}
