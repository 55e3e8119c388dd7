//! Cupola's own SQL functions, and the rules that let plans use them.
//!
//! One file per function, with its meaning and its code together. [`register`] is called once, when the first question is
//! asked; whatever runs plans elsewhere has to call it too.

pub(crate) mod attribute;
pub(crate) mod bucket_items;
pub(crate) mod finder;
pub(crate) mod has_text;
pub(crate) mod has_token;
pub(crate) mod id_text;
pub(crate) mod log_buckets;
pub(crate) mod log_patterns;
pub(crate) mod place_in;
pub(crate) mod rollbar;
pub(crate) mod stack_files;
pub(crate) mod time_step;

use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use crate::covered_times::CoveredTimes;
use crate::joins_yield::JoinsYield;
use crate::union_sort::SortThroughUnion;

/// The state with every function and rule of ours.
pub fn register(mut state: SessionStateBuilder) -> SessionStateBuilder {
    let aggregates =
        [log_buckets::percentile(), log_buckets::shared_percentiles(), log_buckets::histogram(), log_patterns::udaf()];
    state.aggregate_functions().get_or_insert_default().extend(aggregates.map(Arc::new));
    let scalars = [log_buckets::log_bucket(), log_buckets::time_bucket()];
    let functions = state.scalar_functions().get_or_insert_default();
    functions.extend(scalars.map(Arc::new));
    functions.extend([has_token::udf(), has_text::udf(), attribute::udf(), attribute::keys_udf(), attribute::items_udf()]);
    functions.extend([bucket_items::udf(), id_text::udf(), place_in::udf(), time_step::udf()]);
    functions.extend([rollbar::path_udf(), rollbar::number_udf(), stack_files::udf()]);
    state
        .with_analyzer_rule(Arc::new(log_buckets::SharePercentiles::new()))
        .with_query_planner(Arc::new(crate::bubble_up::Planner))
        .with_physical_optimizer_rules(physical_rules())
}

/// DataFusion's own rules, and ours among them where they belong.
fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Before filters are pushed down for the last time, which is when a top-k tells the scans what it still looks for.
    let place = rules.iter().position(|rule| rule.name() == "PushdownSort").map_or(rules.len(), |place| place + 1);
    rules.insert(place, Arc::new(SortThroughUnion));
    let place = rules.iter().position(|rule| rule.name() == "EnsureCooperative").map_or(rules.len(), |place| place + 1);
    rules.insert(place, Arc::new(JoinsYield));
    rules.push(Arc::new(CoveredTimes));
    rules.push(Arc::new(crate::grouping::CodeGrouping));
    rules.push(Arc::new(crate::bubble_up::CountCodes));
    rules
}
