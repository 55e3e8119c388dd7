//! Limits of OTLP alone.

/// Buckets, or quantiles, of one data point. Exponential histograms have 160 by default; a point with more than this
/// measures nothing.
pub const BUCKETS_PER_POINT_MAX: usize = 16_384;

/// Exemplars of one data point; SDKs keep one per bucket. Further ones are left out, and the sender is told.
pub const EXEMPLARS_PER_POINT_MAX: usize = 1_024;

/// One JSON record becomes a tree in memory, up to sixteen times its text; this keeps that tree under 64 MiB. A record
/// of protobuf is walked in place and needs no such bound.
pub const JSON_RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reasons told in one reply; more of them help nobody.
pub const REASONS_PER_REPLY_MAX: usize = 5;
