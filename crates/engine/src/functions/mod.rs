//! Cupola's own SQL functions, and the rules that let plans use them.
//!
//! One file per function, with its meaning and its code together. [`register`] is called once, when the first question is
//! asked; whatever runs plans elsewhere has to call it too.

pub(crate) mod log_buckets;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;

/// The state with every function and rule of ours.
pub fn register(mut state: SessionStateBuilder) -> SessionStateBuilder {
    let aggregates = [log_buckets::percentile(), log_buckets::shared_percentiles(), log_buckets::histogram()];
    state.aggregate_functions().get_or_insert_default().extend(aggregates.map(Arc::new));
    let scalars = [log_buckets::log_bucket(), log_buckets::time_bucket()];
    state.scalar_functions().get_or_insert_default().extend(scalars.map(Arc::new));
    state
        .with_analyzer_rule(Arc::new(log_buckets::SharePercentiles::new()))
        .with_query_planner(Arc::new(crate::bubble_up::Planner))
        .with_physical_optimizer_rule(Arc::new(crate::grouping::CodeGrouping))
        .with_physical_optimizer_rule(Arc::new(crate::bubble_up::CountCodes))
}
