//! Durations counted in buckets: 64 equal steps between each power of two and the next, as the engine counts percentiles.

/// Bits of a float's mantissa that tell buckets apart.
const STEP_BITS: u32 = 6;
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - STEP_BITS;

/// Steps between a power of two and the next of the histograms that are told: values at most 6 % off, few enough to draw.
const TOLD_STEP_BITS: u32 = 3;

/// How often durations of each size were seen, weighted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The bucket of `counts[0]`.
    first: i32,
    counts: Vec<f64>,
    total: f64,
}

/// A value that stands for those near it, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HistogramEntry {
    /// Seconds, to three digits.
    pub value_s: f64,
    pub count: f64,
}

impl Histogram {
    pub fn add(&mut self, duration_ns: i64, weight: f64) {
        let bucket = bucket(duration_ns);
        self.total += weight;
        if let Ok(at) = usize::try_from(bucket - self.first)
            && let Some(count) = self.counts.get_mut(at)
        {
            *count += weight;
            return;
        }
        self.reach(bucket);
        self.counts[(bucket - self.first) as usize] += weight;
    }

    /// Counts what another counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (at, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let bucket = other.first + at as i32;
            self.reach(bucket);
            self.counts[(bucket - self.first) as usize] += count;
        }
        self.total += other.total;
    }

    pub fn total(&self) -> f64 {
        self.total
    }

    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The duration below which a share of all lies, at most 0.8 % off; nothing of nothing.
    pub fn quantile_ns(&self, share: f64) -> Option<f64> {
        let rank = (share * (self.total - 1.0)).max(0.0);
        let mut seen = 0.0;
        let mut last = None;
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            seen += count;
            last = Some(middle_ns(self.first + at as i32, STEP_BITS));
            if seen > rank {
                break;
            }
        }
        last
    }

    /// What was seen, the shortest first, by values that stand for it.
    pub fn entries(&self) -> Vec<HistogramEntry> {
        let drop = STEP_BITS - TOLD_STEP_BITS;
        let mut entries: Vec<(i32, f64)> = Vec::new();
        for (at, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
            let coarse = (self.first + at as i32) >> drop << drop;
            match entries.last_mut() {
                Some((last, sum)) if *last == coarse => *sum += count,
                _ => entries.push((coarse, *count)),
            }
        }
        let told = |(bucket, count)| HistogramEntry { value_s: to_three_digits(middle_ns(bucket, TOLD_STEP_BITS) / 1e9), count };
        entries.into_iter().map(told).collect()
    }

    /// Makes room for a bucket.
    fn reach(&mut self, bucket: i32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let more = (self.first - bucket) as usize;
            self.counts.splice(0..0, std::iter::repeat_n(0.0, more));
            self.first = bucket;
        }
        let needed = (bucket - self.first) as usize + 1;
        if needed > self.counts.len() {
            self.counts.resize(needed, 0.0);
        }
    }
}

/// The bucket of a duration. What is shorter than a nanosecond is one.
fn bucket(duration_ns: i64) -> i32 {
    ((duration_ns.max(1) as f64).to_bits() >> SHIFT) as i32
}

/// The middle of the bucket that begins at `bucket` and is as wide as `step_bits` make it; the middle whole nanosecond of it.
fn middle_ns(bucket: i32, step_bits: u32) -> f64 {
    let lower = f64::from_bits((bucket as u64) << SHIFT);
    let upper = f64::from_bits((bucket as u64 + (1 << (STEP_BITS - step_bits))) << SHIFT);
    ((lower + upper.max(lower + 1.0) - 1.0) / 2.0).floor()
}

fn to_three_digits(seconds: f64) -> f64 {
    if seconds <= 0.0 {
        return 0.0;
    }
    let magnitude = 10_f64.powi(2 - seconds.log10().floor() as i32);
    (seconds * magnitude).round() / magnitude
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_stand_for_what_is_near() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile_ns(0.5), histogram.entries()), (None, vec![]));
        for (duration_ns, weight) in [(250_000_000, 3.0), (251_000_000, 1.0), (1_000, 2.0), (0, 1.0)] {
            histogram.add(duration_ns, weight);
        }
        let told: Vec<(f64, f64)> = histogram.entries().iter().map(|entry| (entry.value_s, entry.count)).collect();
        assert_eq!(told, [(1e-9, 1.0), (9.91e-7, 2.0), (0.243, 4.0)].map(|entry| entry));
        assert!((histogram.quantile_ns(1.0).unwrap() / 251e6 - 1.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(durations in prop::collection::vec((any::<i64>(), 1..5_u8), 0..60)) {
            let (mut all, mut halves) = (Histogram::default(), [Histogram::default(), Histogram::default()]);
            for (at, (duration, weight)) in durations.iter().enumerate() {
                all.add(*duration, f64::from(*weight));
                halves[at % 2].add(*duration, f64::from(*weight));
            }
            let total: f64 = durations.iter().map(|(_, weight)| f64::from(*weight)).sum();
            prop_assert_eq!(all.total(), total);
            prop_assert_eq!(all.entries().iter().map(|entry| entry.count).sum::<f64>(), total);
            let [mut one, other] = halves;
            one.merge(&other);
            prop_assert_eq!(one.entries(), all.entries());
            if let (Some(least), Some(greatest)) = (all.quantile_ns(0.0), all.quantile_ns(1.0)) {
                let of = |duration: Option<&i64>| (*duration.unwrap()).max(1) as f64;
                prop_assert!((least / of(durations.iter().map(|(duration, _)| duration).min()) - 1.0).abs() < 0.01);
                prop_assert!((greatest / of(durations.iter().map(|(duration, _)| duration).max()) - 1.0).abs() < 0.01);
            }
        }
    }
}
