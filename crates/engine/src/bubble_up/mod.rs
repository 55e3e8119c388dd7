//! BubbleUp's counting: every value of many columns, for all rows and for a selection of them, in one pass.
//!
//! [`exec::BubbleUpExec`] stands over a scan that gives texts as dictionaries (see [`crate::dictionaries`]), and counts codes: a
//! look-up a row and column, each text hashed once per row group. Each partition counts for itself, one more operator of the
//! same kind adds the counts up. What the counts mean is judged in `analysis::bubble_up`.
//!
//! Exact over all rows as long as a column has no more values than [`crate::limits::BUBBLE_UP_VALUES_MAX`]; beyond it the rare
//! ones are forgotten and [`ColumnCounts::is_cut`] says so. Numbers other than small whole ones are counted in log buckets.

mod counts;
mod exec;
mod node;
mod state;

pub use counts::{ColumnCounts, Pair, Told};
pub use node::{CountCodes, Planner, over};
pub use state::Comparison;
