//! The counts of one group: few of them as a list, many as an array over the buckets between the least and the greatest.

use super::scheme;

/// Buckets kept as a list before an array is made: most groups of a wide grouping never have more.
const LIST_BUCKETS_MAX: usize = 16;

/// Buckets an array grows by beyond what is asked, so that it is not copied for each step.
const ARRAY_ROOM: i32 = 32;

/// How often each bucket was seen, and the least and greatest number.
#[derive(Clone, Debug)]
pub struct Counts {
    pub min: f64,
    pub max: f64,
    zeros: f64,
    positive: Side,
    negative: Option<Box<Side>>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { min: f64::INFINITY, max: f64::NEG_INFINITY, zeros: 0.0, positive: Side::List(Vec::new()), negative: None }
    }
}

/// The buckets of the numbers of one sign, by the bucket of their size.
#[derive(Clone, Debug)]
enum Side {
    /// In order of buckets.
    List(Vec<(i32, f64)>),
    /// Whole counts from bucket `first` on.
    Whole { first: i32, counts: Vec<u32> },
    /// The same with counts that have fractions or are large.
    Any { first: i32, counts: Vec<f64> },
}

impl Counts {
    /// Counts a number once, if that needs no memory; false when nothing was done.
    ///
    /// The way of nearly all rows: a positive number whose bucket lies in an array that is there.
    #[inline]
    pub fn add_if_room(&mut self, number: f64) -> bool {
        let has_room = self.positive.count_if_room(number);
        if has_room {
            self.min = self.min.min(number);
            self.max = self.max.max(number);
        }
        has_room
    }

    /// Counts each of the numbers once.
    pub fn add_all(&mut self, numbers: impl Iterator<Item = f64>) {
        let (mut min, mut max) = (self.min, self.max);
        for number in numbers {
            if self.positive.count_if_room(number) {
                min = if number < min { number } else { min };
                max = if number > max { number } else { max };
            } else {
                self.add(number, 1.0);
            }
        }
        self.reach(min, max);
    }

    /// Counts a number `weight` times. NaN is no number, and nothing is counted less than not at all.
    pub fn add(&mut self, number: f64, weight: f64) {
        if number.is_nan() || !weight.is_finite() || weight <= 0.0 {
            return;
        }
        self.min = self.min.min(number);
        self.max = self.max.max(number);
        let bucket = scheme::bucket_of_size(number.abs()).unwrap_or(0);
        self.add_to(if number < 0.0 { -bucket } else { bucket }, weight);
    }

    /// Adds to a bucket by its number.
    pub fn add_to(&mut self, bucket: i32, weight: f64) {
        match bucket {
            0 => self.zeros += weight,
            bucket if bucket > 0 => self.positive.add(bucket, weight),
            bucket => self.negative.get_or_insert_with(|| Box::new(Side::List(Vec::new()))).add(-bucket, weight),
        }
    }

    /// Widens the least and the greatest number, when counts are merged.
    pub fn reach(&mut self, min: f64, max: f64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
    }

    /// Calls `visit` with every bucket that was seen and its count, from the least numbers to the greatest.
    pub fn visit(&self, mut visit: impl FnMut(i32, f64)) {
        if let Some(negative) = &self.negative {
            let mut buckets = Vec::new();
            negative.visit(|bucket, count| buckets.push((bucket, count)));
            buckets.into_iter().rev().for_each(|(bucket, count)| visit(-bucket, count));
        }
        if self.zeros > 0.0 {
            visit(0, self.zeros);
        }
        self.positive.visit(visit);
    }

    pub fn is_empty(&self) -> bool {
        self.max < self.min
    }

    /// The numbers below which the given shares of all lie, within the error that [`scheme`] states.
    ///
    /// Of `n` numbers in order, the one in place `floor(share * (n - 1))`, counted from zero.
    pub fn quantiles(&self, shares: &[f64], whole_numbers: bool) -> Vec<f64> {
        let mut seen = Vec::new();
        let mut total = 0.0;
        self.visit(|bucket, count| {
            total += count;
            seen.push((bucket, total));
        });
        let place = |share: f64| {
            let rank = (share * (total - 1.0)).max(0.0);
            let at = seen.partition_point(|(_, through)| *through <= rank).min(seen.len().saturating_sub(1));
            seen.get(at).map_or(f64::NAN, |(bucket, _)| scheme::middle(*bucket, whole_numbers).clamp(self.min, self.max))
        };
        // The ends are known exactly.
        let quantile = |share: f64| match share {
            share if share <= 0.0 => self.min,
            share if share >= 1.0 => self.max,
            share => place(share),
        };
        shares.iter().map(|share| quantile(*share)).collect()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.positive.heap_bytes() + self.negative.as_ref().map_or(0, |side| size_of::<Side>() + side.heap_bytes())
    }
}

impl Side {
    #[inline]
    fn count_if_room(&mut self, number: f64) -> bool {
        let Side::Whole { first, counts } = self else { return false };
        let bucket = scheme::bucket_of_size(number).unwrap_or(0);
        match counts.get_mut(bucket.wrapping_sub(*first) as u32 as usize) {
            Some(count) if *count < u32::MAX => {
                *count += 1;
                true
            }
            _ => false,
        }
    }

    fn add(&mut self, bucket: i32, weight: f64) {
        loop {
            match self {
                Side::List(list) => match list.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                    Ok(at) => {
                        list[at].1 += weight;
                        return;
                    }
                    Err(at) if list.len() < LIST_BUCKETS_MAX => {
                        list.insert(at, (bucket, weight));
                        return;
                    }
                    Err(_) => self.grow_array(bucket),
                },
                Side::Whole { first, counts } => match counts.get_mut(bucket.wrapping_sub(*first) as u32 as usize) {
                    Some(count) => match whole(weight).and_then(|weight| count.checked_add(weight)) {
                        Some(sum) => {
                            *count = sum;
                            return;
                        }
                        None => {
                            *self = Side::Any { first: *first, counts: counts.iter().map(|count| f64::from(*count)).collect() };
                        }
                    },
                    None => self.grow_array(bucket),
                },
                Side::Any { first, counts } => match counts.get_mut(bucket.wrapping_sub(*first) as u32 as usize) {
                    Some(count) => {
                        *count += weight;
                        return;
                    }
                    None => self.grow_array(bucket),
                },
            }
        }
    }

    /// Makes room for `bucket` in an array.
    fn grow_array(&mut self, bucket: i32) {
        let range = |first: i32, last: i32| {
            let (low, high) = (first.min(bucket), last.max(bucket));
            let low = if bucket <= first { low - ARRAY_ROOM } else { low };
            let high = if bucket >= last { high + ARRAY_ROOM } else { high };
            (low, (high - low + 1) as usize)
        };
        *self = match self {
            Side::List(list) => {
                let (first, len) = range(list.first().map_or(bucket, |seen| seen.0), list.last().map_or(bucket, |seen| seen.0));
                match list.iter().map(|(_, count)| whole(*count)).collect::<Option<Vec<u32>>>() {
                    Some(counts) => {
                        let mut array = vec![0; len];
                        list.iter().zip(counts).for_each(|((bucket, _), count)| array[(bucket - first) as usize] = count);
                        Side::Whole { first, counts: array }
                    }
                    None => {
                        let mut array = vec![0.0; len];
                        list.iter().for_each(|(bucket, count)| array[(bucket - first) as usize] = *count);
                        Side::Any { first, counts: array }
                    }
                }
            }
            Side::Whole { first, counts } => {
                let (low, len) = range(*first, *first + counts.len() as i32 - 1);
                Side::Whole { first: low, counts: moved(counts, (*first - low) as usize, len) }
            }
            Side::Any { first, counts } => {
                let (low, len) = range(*first, *first + counts.len() as i32 - 1);
                Side::Any { first: low, counts: moved(counts, (*first - low) as usize, len) }
            }
        };
    }

    fn visit(&self, mut visit: impl FnMut(i32, f64)) {
        match self {
            Side::List(list) => list.iter().for_each(|(bucket, count)| visit(*bucket, *count)),
            Side::Whole { first, counts } => counts
                .iter()
                .zip(*first..)
                .filter(|(count, _)| **count > 0)
                .for_each(|(count, bucket)| visit(bucket, f64::from(*count))),
            Side::Any { first, counts } => {
                counts.iter().zip(*first..).filter(|(count, _)| **count > 0.0).for_each(|(count, bucket)| visit(bucket, *count));
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Side::List(list) => list.capacity() * size_of::<(i32, f64)>(),
            Side::Whole { counts, .. } => counts.capacity() * size_of::<u32>(),
            Side::Any { counts, .. } => counts.capacity() * size_of::<f64>(),
        }
    }
}

/// The weight as a whole number, if it is one that fits.
fn whole(weight: f64) -> Option<u32> {
    let number = weight as u32;
    (f64::from(number) == weight).then_some(number)
}

fn moved<T: Copy + Default>(counts: &[T], by: usize, len: usize) -> Vec<T> {
    let mut array = vec![T::default(); len];
    array[by..by + counts.len()].copy_from_slice(counts);
    array
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scheme::RELATIVE_ERROR;
    use super::*;

    fn counts_of(numbers: &[(f64, f64)]) -> Counts {
        let mut counts = Counts::default();
        for (number, weight) in numbers {
            if *weight != 1.0 || !counts.add_if_room(*number) {
                counts.add(*number, *weight);
            }
        }
        counts
    }

    fn buckets(counts: &Counts) -> Vec<(i32, f64)> {
        let mut buckets = Vec::new();
        counts.visit(|bucket, count| buckets.push((bucket, count)));
        buckets
    }

    /// Numbers as telemetry has them: of all sizes, zeros, negative ones, whole ones.
    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            6 => (-20.0..30.0_f64).prop_map(f64::exp2),
            2 => (0..5_000_i32).prop_map(f64::from),
            1 => (-20.0..30.0_f64).prop_map(|size| -size.exp2()),
            1 => Just(0.0),
        ]
    }

    proptest! {
        #[test]
        fn quantiles_are_within_the_stated_error(
            numbers in prop::collection::vec((number(), 1..4_u32), 1..400),
            shares in prop::collection::vec(0.0..=1.0_f64, 1..4),
        ) {
            let weighted: Vec<(f64, f64)> = numbers.iter().map(|(number, weight)| (*number, f64::from(*weight))).collect();
            let mut exact: Vec<f64> = numbers.iter().flat_map(|(number, weight)| vec![*number; *weight as usize]).collect();
            exact.sort_by(f64::total_cmp);
            let found = counts_of(&weighted).quantiles(&shares, false);
            for (share, found) in shares.iter().zip(found) {
                let expected = exact[(share * (exact.len() - 1) as f64).floor() as usize];
                prop_assert!((found - expected).abs() <= RELATIVE_ERROR * expected.abs(), "{share}: {found} for {expected}");
            }
        }

        #[test]
        fn merging_is_counting_together(
            numbers in prop::collection::vec((number(), prop_oneof![Just(1.0), Just(2.5)]), 0..300),
            at in 0..300_usize,
        ) {
            let (left, right) = numbers.split_at(at.min(numbers.len()));
            let mut merged = counts_of(left);
            let other = counts_of(right);
            other.visit(|bucket, count| merged.add_to(bucket, count));
            merged.reach(other.min, other.max);
            let whole = counts_of(&numbers);
            prop_assert_eq!(buckets(&merged), buckets(&whole));
            prop_assert_eq!((merged.min, merged.max), (whole.min, whole.max));
        }
    }

    #[test]
    fn whole_numbers_below_128_are_exact() {
        let numbers: Vec<(f64, f64)> = (1..=101).map(|number| (f64::from(number), 1.0)).collect();
        assert_eq!(counts_of(&numbers).quantiles(&[0.0, 0.5, 0.99, 1.0], true), [1.0, 51.0, 100.0, 101.0]);
    }

    #[test]
    fn one_number_is_exact_however_often() {
        assert_eq!(counts_of(&[(1_234.567, 3.0)]).quantiles(&[0.5, 0.99], false), [1_234.567, 1_234.567]);
    }

    #[test]
    fn what_is_no_number_is_not_counted_and_infinity_is_one() {
        let counts = counts_of(&[(f64::NAN, 1.0), (f64::INFINITY, 1.0), (f64::NEG_INFINITY, 1.0), (1.0, -1.0), (1.0, f64::NAN)]);
        assert_eq!(buckets(&counts).len(), 2);
        assert_eq!(counts.quantiles(&[0.0, 1.0], false), [f64::NEG_INFINITY, f64::INFINITY]);
        assert!(counts_of(&[]).is_empty());
    }

    #[test]
    fn counts_beyond_a_u32_are_kept() {
        let mut numbers: Vec<(f64, f64)> = (1..40).map(|number| (f64::from(number), 1.0)).collect();
        numbers.extend([(7.0, f64::from(u32::MAX)), (7.0, 1.0), (8.0, 0.25)]);
        let buckets = buckets(&counts_of(&numbers));
        assert_eq!((buckets[6].1, buckets[7].1), (f64::from(u32::MAX) + 2.0, 1.25));
    }
}
