//! Where the time comes from, so that tests can hold it still.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in nanoseconds since 1970 UTC. Cheap to clone; clones of a manual clock share its hands.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(None)
    }

    /// A clock that stands still until it is set.
    pub fn manual(now_unix_nano: i64) -> Clock {
        Clock(Some(Arc::new(AtomicI64::new(now_unix_nano))))
    }

    #[allow(clippy::disallowed_methods, reason = "this is where the time comes in")]
    pub fn now_unix_nano(&self) -> i64 {
        match &self.0 {
            Some(hands) => hands.load(Ordering::Relaxed),
            // Before 1970 or after 2262 the machine's clock is wrong, not we.
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// Moves a manual clock; the machine's clock stays as it is.
    pub fn set(&self, now_unix_nano: i64) {
        if let Some(hands) = &self.0 {
            hands.store(now_unix_nano, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(manual)" } else { "Clock(system)" })
    }
}
