//! How often a kind of log line is written, counted in bounded memory.
//!
//! The kind is what stays of a line when words with digits are taken out: coarser than `message_template`, and some thirty
//! times quicker, since it is asked for every line.

use xxhash_rust::xxh3::xxh3_64;

/// Counters; kinds that fall on the same one look commoner than they are, so a rare line may be missed, and no common one
/// is taken for rare. 512 KiB.
const COUNTERS: usize = 1 << 16;

/// Bytes of a line that are looked at: its kind shows at the front.
const BODY_BYTES_MAX: usize = 256;

#[derive(Clone, Debug)]
pub(super) struct Templates {
    counters: Vec<f64>,
    total: f64,
}

impl Default for Templates {
    fn default() -> Templates {
        Templates { counters: vec![0.0; COUNTERS], total: 0.0 }
    }
}

impl Templates {
    pub fn count(&mut self, service: &str, body: &str, weight: f64) {
        self.counters[place(service, body)] += weight;
        self.total += weight;
    }

    /// The lines of kinds that together make at most `share` of all lines, rarest kinds first.
    pub fn rare(self, share: f64) -> RareTemplates {
        let mut counted: Vec<f64> = self.counters.iter().copied().filter(|count| *count > 0.0).collect();
        counted.sort_by(f64::total_cmp);
        let mut left = self.total * share;
        let mut most = 0.0;
        for run in counted.chunk_by(|a, b| a == b) {
            left -= run.iter().sum::<f64>();
            if left < 0.0 {
                break;
            }
            most = run[0];
        }
        RareTemplates { counters: self.counters, most }
    }
}

/// Which kinds are rare.
#[derive(Clone, Debug)]
pub(super) struct RareTemplates {
    counters: Vec<f64>,
    most: f64,
}

impl RareTemplates {
    pub fn is_rare(&self, service: &str, body: &str) -> bool {
        self.counters[place(service, body)] <= self.most
    }
}

fn place(service: &str, body: &str) -> usize {
    let seed = xxh3_64(service.as_bytes());
    let bytes = &body.as_bytes()[..body.len().min(BODY_BYTES_MAX)];
    let words = bytes.split(|byte| byte.is_ascii_whitespace() || b"=:,;()[]{}\"'".contains(byte));
    let words = words.filter(|word| !word.is_empty() && !word.iter().any(u8::is_ascii_digit));
    let hash = words.fold(seed, |hash, word| (hash ^ xxh3_64(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    (hash >> 16) as usize % COUNTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_kind_are_counted_together_and_rare_kinds_found() {
        let mut templates = Templates::default();
        for number in 0..1_000 {
            templates.count("shop", &format!("GET /cart/{number} took {number}ms"), 1.0);
        }
        templates.count("shop", "cache warmed in 3 s", 1.0);
        templates.count("shop", "leader lost", 1.0);
        let rare = templates.rare(0.01);
        assert!(rare.is_rare("shop", "leader lost"));
        assert!(rare.is_rare("shop", "cache warmed in 99 s"));
        assert!(!rare.is_rare("shop", "GET /cart/5000 took 7ms"));
        assert!(rare.is_rare("other", "GET /cart/5000 took 7ms"), "another service's lines are another kind");
        // A single kind is never rare, and neither is anything where all kinds are alike.
        let mut even = Templates::default();
        for kind in ["a", "b", "c", "d"] {
            even.count("shop", kind, 5.0);
        }
        assert!(!even.rare(0.01).is_rare("shop", "a"));
    }
}
