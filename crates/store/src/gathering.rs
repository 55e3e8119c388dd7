//! How long a commit waits for company.
//!
//! Senders that wait for their answers come in step with the disk: while one group is written, those that it did not take
//! pile up, and a commit that began with them at once would leave out those who were just answered and are about to send again.
//! So a commit waits until as many have come as were there the last time, for as long as that one took at most.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use crate::limits::GATHERING_MAX;

/// Told by senders, asked by the commit thread.
#[derive(Default)]
pub(crate) struct Gathering {
    /// Waiting appends that end the wait; 0 while nobody waits for them.
    wanted: AtomicUsize,
}

/// What the last commit tells about the next.
#[derive(Default)]
pub(crate) struct Company {
    gathering: Arc<Gathering>,
    /// Appends that the last commit took, and those that had come when it ended.
    expected: usize,
    /// What the last commit took.
    lasted: Duration,
}

impl Company {
    pub fn new(gathering: Arc<Gathering>) -> Company {
        Company { gathering, ..Company::default() }
    }

    /// Waits for those that are expected beside the first, of whom `waiting` tells how many are there.
    pub fn wait(&self, waiting: impl Fn() -> usize) {
        let wanted = self.expected.saturating_sub(1);
        if wanted == 0 {
            return;
        }
        let until = Instant::now() + self.lasted.min(GATHERING_MAX);
        self.gathering.wanted.store(wanted, Ordering::Release);
        while waiting() < wanted {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::park_timeout(left);
        }
        self.gathering.wanted.store(0, Ordering::Release);
    }

    /// Notes a commit that began at `began` and took `taken` appends, while `waiting` came.
    pub fn note(&mut self, began: Instant, taken: usize, waiting: usize) {
        (self.expected, self.lasted) = (taken + waiting, began.elapsed());
    }
}

/// The senders' end: the thread that waits for them.
pub(crate) struct Bell {
    gathering: Arc<Gathering>,
    commit_thread: Thread,
}

impl Bell {
    pub fn new(gathering: Arc<Gathering>, thread: &JoinHandle<()>) -> Bell {
        Bell { gathering, commit_thread: thread.thread().clone() }
    }

    /// Ends the wait if those who are waiting are enough.
    pub fn ring(&self, waiting: usize) {
        let wanted = self.gathering.wanted.load(Ordering::Acquire);
        if wanted > 0 && waiting >= wanted {
            self.commit_thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn company(expected: usize, lasted: Duration) -> Company {
        Company { expected, lasted, ..Company::default() }
    }

    #[test]
    fn a_lone_sender_is_not_kept_waiting() {
        let company = company(1, Duration::from_secs(3_600));
        company.wait(|| panic!("nobody else is expected"));
    }

    #[test]
    fn the_wait_ends_when_all_are_there() {
        let company = company(4, Duration::from_secs(3_600));
        company.wait(|| 3);
        assert_eq!(company.gathering.wanted.load(Ordering::Acquire), 0);
    }

    #[test]
    fn the_wait_ends_when_nobody_comes() {
        let company = company(4, Duration::from_micros(200));
        company.wait(|| 0);
        assert_eq!(company.gathering.wanted.load(Ordering::Acquire), 0);
    }

    #[test]
    fn the_last_expected_sender_ends_the_wait() {
        let gathering = Arc::new(Gathering::default());
        let waiting = Arc::new(AtomicUsize::new(0));
        let company = Company { expected: 3, lasted: Duration::from_secs(3_600), gathering: Arc::clone(&gathering) };
        let seen = Arc::clone(&waiting);
        let thread = std::thread::spawn(move || company.wait(|| seen.load(Ordering::Acquire)));
        let bell = Bell::new(gathering, &thread);
        for came in 1..=2 {
            waiting.store(came, Ordering::Release);
            bell.ring(came);
        }
        // Longer than the limit would mean that nobody rang.
        assert!(thread.join().is_ok());
    }

    #[test]
    fn those_taken_and_those_that_came_meanwhile_are_expected() {
        let mut company = Company::default();
        company.note(Instant::now(), 3, 1);
        assert_eq!(company.expected, 4);
    }
}
