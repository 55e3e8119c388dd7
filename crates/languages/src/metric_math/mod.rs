//! CloudWatch's metric math: expressions over time series, and the statistics that series are made of.
//!
//! Spec:    docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
//! Missing: ANOMALY_DETECTION_BAND, INSIGHT_RULE_METRIC, SERVICE_QUOTA, DB_PERF_INSIGHTS, LAMBDA, and Metrics Insights' SQL
//! Quirks:  what `SEARCH` finds is asked for first (`Expression::searches`) and handed in with the other series, since nothing here
//!          reads a row

mod ast;
mod error;
mod evaluate;
mod functions;
mod parse;
mod search;
mod statistic;
#[cfg(test)]
mod tests;

pub use ast::{Expression, Search};
pub use error::MetricMathError;
pub use evaluate::{NamedSeries, Series, Value, World, evaluate};
pub use parse::parse;
pub use search::{SearchTerms, parse_search};
pub use statistic::{Distribution, Statistic};
