//! Which bucket a number falls in: 64 equal steps between each power of two and the next.
//!
//! The number of a bucket is the leading bits of the float itself, exponent and six bits of the mantissa, so that finding it
//! is a shift. A bucket is at most 1/64 as wide as the numbers in it are large, its middle at most 1/128 off: the relative
//! error is below 0.8 %. Whole numbers below 128 have a bucket each.

/// Bits of the mantissa that tell buckets apart.
const STEP_BITS: u32 = 6;

/// Steps between a power of two and the next.
pub const STEPS_PER_DOUBLING_MAX: u32 = 1 << STEP_BITS;

/// The relative error of a percentile: half a bucket of the smallest number in it.
#[cfg(test)]
pub const RELATIVE_ERROR: f64 = 0.5 / STEPS_PER_DOUBLING_MAX as f64;

const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - STEP_BITS;

/// The bucket of positive infinity, the last one.
const INFINITY: i32 = (f64::INFINITY.to_bits() >> SHIFT) as i32;

/// The number of a positive number's bucket, from 64 on; `None` for zero and what is too small to tell from it.
#[inline]
pub fn bucket_of_size(size: f64) -> Option<i32> {
    if size < f64::MIN_POSITIVE { None } else { Some((size.to_bits() >> SHIFT) as i32) }
}

/// The number that stands for all of a bucket: its middle, or the middle one of its whole numbers.
pub fn middle(bucket: i32, whole_numbers: bool) -> f64 {
    let (from, to) = (lower_of_size(bucket.abs()), upper_of_size(bucket.abs()));
    let size = match bucket {
        0 => 0.0,
        _ if from.is_infinite() => from,
        _ if to.is_infinite() => from,
        _ if whole_numbers && from >= 1.0 => ((from + to.max(from + 1.0) - 1.0) / 2.0).floor(),
        _ => from + (to - from) / 2.0,
    };
    if bucket < 0 { -size } else { size }
}

fn lower_of_size(bucket: i32) -> f64 {
    f64::from_bits((bucket.unsigned_abs() as u64) << SHIFT)
}

fn upper_of_size(bucket: i32) -> f64 {
    if bucket >= INFINITY { f64::INFINITY } else { lower_of_size(bucket + 1) }
}

/// The coarser bucket that `bucket` is part of, when only `1 << step_bits` steps are told apart.
pub fn coarse(bucket: i32, step_bits: u32) -> i32 {
    let drop = STEP_BITS.saturating_sub(step_bits);
    let size = (bucket.abs() >> drop) << drop;
    if bucket < 0 { -size } else { size }
}

/// Bounds of the coarser bucket that begins with `bucket`.
pub fn coarse_bounds(bucket: i32, step_bits: u32) -> (f64, f64) {
    let wide = 1 << STEP_BITS.saturating_sub(step_bits);
    let size = bucket.abs();
    let (from, to) = match size {
        0 => (0.0, 0.0),
        size => (lower_of_size(size), upper_of_size(size + wide - 1)),
    };
    if bucket < 0 { (-to, -from) } else { (from, to) }
}

/// How many bits tell apart `steps` steps per doubling; steps are a power of two up to 64.
pub fn step_bits(steps: i64) -> Option<u32> {
    let steps = u32::try_from(steps).ok()?;
    (steps.is_power_of_two() && steps <= STEPS_PER_DOUBLING_MAX).then(|| steps.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lower(bucket: i32) -> f64 {
        coarse_bounds(bucket, STEP_BITS).0
    }

    fn upper(bucket: i32) -> f64 {
        coarse_bounds(bucket, STEP_BITS).1
    }

    #[test]
    fn small_whole_numbers_are_their_own_buckets() {
        for number in 1..128_i32 {
            let bucket = bucket_of_size(number.into()).unwrap();
            assert_eq!(lower(bucket), f64::from(number));
            assert_eq!(middle(bucket, true), f64::from(number));
        }
    }

    #[test]
    fn the_ends_are_told() {
        assert_eq!(bucket_of_size(0.0), None);
        assert_eq!(bucket_of_size(1e-310), None);
        let last = bucket_of_size(f64::INFINITY).unwrap();
        assert_eq!((lower(last), upper(last), middle(last, false)), (f64::INFINITY, f64::INFINITY, f64::INFINITY));
        assert_eq!((lower(-last), middle(-last, true)), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        assert_eq!(upper(bucket_of_size(f64::MAX).unwrap()), f64::INFINITY);
        assert_eq!((lower(0), upper(0), middle(0, true)), (0.0, 0.0, 0.0));
        assert_eq!(
            (step_bits(1), step_bits(4), step_bits(64), step_bits(3), step_bits(128)),
            (Some(0), Some(2), Some(6), None, None)
        );
    }

    proptest! {
        #[test]
        fn every_number_lies_in_its_bucket_near_the_middle(number in prop::num::f64::POSITIVE | prop::num::f64::NORMAL) {
            let Some(bucket) = bucket_of_size(number.abs()) else { return Ok(()) };
            let bucket = if number < 0.0 { -bucket } else { bucket };
            prop_assert!(lower(bucket) <= number && number <= upper(bucket));
            if upper(bucket).is_finite() && lower(bucket).is_finite() {
                let error = (middle(bucket, false) - number).abs() / number.abs();
                prop_assert!(error <= RELATIVE_ERROR, "{error}");
                let (from, to) = coarse_bounds(coarse(bucket, 2), 2);
                prop_assert!(from <= lower(bucket) && upper(bucket) <= to);
                prop_assert!((to - from) / from.abs().min(to.abs()) <= 0.25 + 1e-12);
            }
        }

        #[test]
        fn whole_numbers_too(number in 1..i64::MAX / 2) {
            let bucket = bucket_of_size(number as f64).unwrap();
            let error = (middle(bucket, true) - number as f64).abs() / number as f64;
            prop_assert!(error <= RELATIVE_ERROR * 1.000_001 || (middle(bucket, true) - number as f64).abs() <= 0.5, "{error}");
        }
    }
}
