//! The one place that reads the wall clock and waits: measurements are made of both.

use std::time::Duration;

/// Nanoseconds since 1970. Vendors refuse events that are weeks old, so what is sent has to be of now.
#[expect(clippy::disallowed_methods, reason = "telemetry that is sent has to be of now")]
pub fn now_unix_nano() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Lets a thread of its own wait.
#[expect(clippy::disallowed_methods, reason = "nothing else runs on the threads that wait here")]
pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// `2026-11-21`.
pub fn today() -> String {
    jiff::Timestamp::from_nanosecond(i128::from(now_unix_nano()))
        .map(|now| now.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
