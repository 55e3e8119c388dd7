//! The time, in the forms the wire formats want. The one place of the demo that looks at a clock of the wall.

use std::time::SystemTime;

use jiff::Timestamp;

#[expect(clippy::disallowed_methods, reason = "the demo is a client: its requests happen when they happen")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Seconds since 1970 with a fraction, as segment documents have them.
pub fn epoch_seconds() -> f64 {
    now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

pub fn timestamp() -> Timestamp {
    // Only a clock that is thousands of years off cannot be converted.
    Timestamp::try_from(now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
