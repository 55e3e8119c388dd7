//! Lots: what decides whether a unit stays, drawn once and for ever from its id.

use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// So that no hash used elsewhere for the same id picks the same traces. Changing it breaks what was thinned before: lots
/// must stay what they were.
const SEED: u64 = 0x7265_7465_6e74_696f;

/// A trace's id as this module handles it: 64 bits of hash. Of ten million traces two fall together once in 400,000 stores,
/// and then share their fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceKey(pub(crate) u64);

impl TraceKey {
    pub fn new(trace_id: &[u8; 16]) -> TraceKey {
        TraceKey(xxh3_64_with_seed(trace_id, SEED))
    }

    pub fn lot(self) -> Lot {
        Lot::mixed(self.0)
    }
}

/// A number between 0 and 1, evenly spread over units.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Lot(f64);

impl Lot {
    /// Spreads the bits once more: the key of linked traces is the least of several, and those are not evenly spread.
    fn mixed(key: u64) -> Lot {
        let mut bits = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // 53 bits are what a float holds exactly.
        Lot((bits >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// What names a log record that belongs to no trace: its moment and what it says.
pub fn log_key(time_unix_nano: i64, body: &str) -> u64 {
    let mut hash = Xxh3::with_seed(SEED);
    hash.update(&time_unix_nano.to_le_bytes());
    hash.update(body.as_bytes());
    hash.digest()
}

/// The lot of a log record that belongs to no trace.
pub fn log_lot(time_unix_nano: i64, body: &str) -> Lot {
    Lot::mixed(log_key(time_unix_nano, body))
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// As it is.
    Stays,
    /// It stays and stands for more: `sample_rate` times `factor`, its share is now `share`.
    Stands {
        share: f64,
        factor: f64,
    },
    Goes,
}

/// The fate of a row of which a `share` of its like was kept so far, when `wanted` is what is to be left.
///
/// Because the lot is the same each time, a row that stays has been kept with probability `wanted` in all, however many
/// steps led there; so its weight grows by exactly `share / wanted`.
pub fn fate(lot: Lot, share: f64, wanted: f64) -> Fate {
    if wanted <= 0.0 {
        Fate::Goes
    } else if wanted >= share {
        Fate::Stays
    } else if lot.0 < wanted {
        Fate::Stands { share: wanted, factor: share / wanted }
    } else {
        Fate::Goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_are_what_they_always_were() {
        // A change here would thin the same windows by another draw: weights would be wrong.
        assert_eq!(format!("{:.12}", TraceKey::new(&[7; 16]).lot().0), "0.063485331521");
        assert_eq!(format!("{:.12}", log_lot(1, "a line").0), "0.284926961740");
    }

    #[test]
    fn lots_are_evenly_spread() {
        const UNITS: u32 = 100_000;
        let mut tenths = [0u32; 10];
        for number in 0..UNITS {
            let mut id = [0; 16];
            id[12..].copy_from_slice(&number.to_be_bytes());
            tenths[(TraceKey::new(&id).lot().0 * 10.0) as usize] += 1;
        }
        // Four standard deviations of a binomial with n = 100,000 and p = 0.1 are 380.
        assert!(tenths.iter().all(|count| count.abs_diff(UNITS / 10) < 380), "{tenths:?}");
    }

    #[test]
    fn two_steps_are_one() {
        for number in 0..1_000 {
            let lot = log_lot(number, "");
            let once = fate(lot, 1.0, 1.0 / 64.0);
            let first = fate(lot, 1.0, 1.0 / 8.0);
            let twice = match first {
                Fate::Stands { share, factor } => match fate(lot, share, 1.0 / 64.0) {
                    Fate::Stands { share, factor: more } => Fate::Stands { share, factor: factor * more },
                    fate => fate,
                },
                fate => fate,
            };
            assert_eq!(once, twice);
        }
        assert_eq!(fate(Lot(0.9), 0.125, 1.0), Fate::Stays, "a row that stands for eight does not stand for fewer again");
        assert_eq!(fate(Lot(0.0), 1.0, 0.0), Fate::Goes);
    }
}
