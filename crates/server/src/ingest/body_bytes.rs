//! How many bytes of bodies are in memory, over all connections: counted while they arrive, so that a flood is told to come
//! back before it fills memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use receivers::Failure;

use crate::limits::RETRY_AFTER_SECONDS;

/// Room for the bodies of all connections.
pub struct BodyBytes {
    held: AtomicUsize,
    bytes_max: usize,
}

/// The part of one request, given back when dropped.
pub struct Held {
    bodies: Arc<BodyBytes>,
    bytes: usize,
}

impl BodyBytes {
    pub fn new(bytes_max: usize) -> Arc<BodyBytes> {
        Arc::new(BodyBytes { held: AtomicUsize::new(0), bytes_max })
    }

    /// Room for a request of which nothing has arrived.
    pub fn hold(self: &Arc<BodyBytes>) -> Held {
        Held { bodies: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    /// Takes room for `bytes` more.
    ///
    /// Refuses when there is none left; a request that is alone always finds room, its own limits bound it.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Failure> {
        let before = self.bodies.held.fetch_add(bytes, Ordering::Relaxed);
        let alone = before == self.bytes;
        self.bytes += bytes;
        if !alone && before + bytes > self.bodies.bytes_max {
            return Err(Failure::Busy { retry_after_seconds: RETRY_AFTER_SECONDS });
        }
        Ok(())
    }
}

impl Held {
    /// Gives all of its room back.
    pub fn let_go(&mut self) {
        self.bodies.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_finds_room_and_others_wait() {
        let bodies = BodyBytes::new(100);
        let mut large = bodies.hold();
        assert!(large.grow(80).is_ok() && large.grow(80).is_ok());
        let mut other = bodies.hold();
        assert!(other.grow(1).is_err());
        drop((large, other));
        let (mut one, mut two) = (bodies.hold(), bodies.hold());
        assert!(one.grow(50).is_ok() && two.grow(50).is_ok() && two.grow(1).is_err());
    }
}
