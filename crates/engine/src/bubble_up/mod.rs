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
mod state;

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;

use crate::dictionaries::scan::{Which, as_dictionaries};

pub use counts::{ColumnCounts, Pair, Told};
pub use state::Comparison;

/// The plan that counts the first `columns` columns of `rows`, which ends with two more: whether a row is selected, and its
/// weight. Its rows are read by [`Comparison::read`].
pub fn over(rows: Arc<dyn ExecutionPlan>, columns: usize) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = rows.schema();
    let is_text = |place: &usize| *schema.field(*place).data_type() == arrow::datatypes::DataType::Utf8;
    let texts: HashSet<usize> = (0..columns).filter(is_text).collect();
    let rows = as_dictionaries(&rows, &texts, Which::All)?.unwrap_or(rows);
    let counted = Arc::new(exec::BubbleUpExec::counting(rows, columns)?);
    let together = Arc::new(CoalescePartitionsExec::new(counted));
    Ok(Arc::new(exec::BubbleUpExec::adding_up(together, columns)?))
}
