//! Percentiles and heatmaps of one kind: counts of logarithmic buckets, which merge exactly and weigh by `sample_rate`.
//!
//! [`scheme`] says which bucket a number falls in and how large the error is, [`counts`] holds the counts of one group,
//! [`accumulator`] those of many, and [`udaf`] and [`scalar`] are what SQL calls. [`share`] makes several percentiles of a
//! column one count.

mod accumulator;
mod counts;
mod scalar;
mod scheme;
mod share;
mod udaf;

pub use counts::Counts;
pub use scalar::{log_bucket, time_bucket};
pub use scheme::{coarse, coarse_bounds};
pub use share::SharePercentiles;
pub use udaf::{histogram, percentile, shared_percentiles};
