//! A set that remembers the newest of what it was told.

use std::collections::{HashSet, VecDeque};

use parking_lot::Mutex;

pub struct Recent {
    count_max: usize,
    inner: Mutex<(HashSet<String>, VecDeque<String>)>,
}

impl Recent {
    pub fn new(count_max: usize) -> Recent {
        Recent { count_max, inner: Mutex::default() }
    }

    pub fn contains(&self, key: &str) -> bool {
        self.inner.lock().0.contains(key)
    }

    pub fn insert(&self, key: String) {
        let mut inner = self.inner.lock();
        let (known, order) = &mut *inner;
        if !known.insert(key.clone()) {
            return;
        }
        order.push_back(key);
        while order.len() > self.count_max {
            if let Some(oldest) = order.pop_front() {
                known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let recent = Recent::new(2);
        for key in ["a", "b", "a", "c"] {
            recent.insert(key.to_owned());
        }
        assert!(!recent.contains("a") && recent.contains("b") && recent.contains("c"));
    }
}
