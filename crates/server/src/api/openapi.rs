//! The OpenAPI document of our own API, made from the handlers. A copy is committed for the page's types.

use axum::Json;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(title = "Cupola", description = "One window on everything an app tells."),
    paths(
        super::health::health,
        super::services_api::services,
        super::services_api::routes,
        super::services_api::deploys,
        super::traces::list,
        super::traces::histogram,
        super::traces::heatmap,
        super::traces::refine,
        super::traces::typical,
        super::map::map,
        super::map::of_trace,
        super::traces::one,
        super::traces::logs,
        super::traces::errors,
        super::traces::raw,
        super::logs::list,
        super::logs::histogram,
        super::logs::around,
        super::log_patterns::patterns,
        super::logs::fields,
        super::log_groups::groups,
        super::log_groups::streams,
        super::log_insights::run,
        super::log_insights::words,
        super::log_insights::saved,
        super::log_insights::save,
        super::log_insights::forget,
        super::log_export::export,
        super::tail::tail,
        super::error_rules::list,
        super::error_rules::put,
        super::error_rules::try_out,
        super::error_rules::merge,
        super::error_rules::unmerge,
        super::error_rules::members,
        super::error_rules::split,
        super::errors::idle::settings,
        super::errors::idle::put,
        super::errors::list::list,
        super::errors::item::one,
        super::errors::item::occurrences,
        super::errors::item::occurrence,
        super::errors::change::change,
        super::errors::change::merge,
        super::errors::change::comment,
        super::errors::change::issue,
        super::errors::change::people,
        super::errors::suspects::suspects,
        super::notifications::all,
        super::notifications::put_channel,
        super::notifications::add_rule,
        super::notifications::put_rule,
        super::notifications::delete_rule,
        super::notifications::test_rule,
        super::source_maps::frames,
        super::source_maps::list,
        super::source_maps::upload,
        super::source_maps::delete,
        super::scrubbing::settings,
        super::scrubbing::put,
        super::scrubbing::hits,
        super::attributes::keys,
        super::attributes::values,
        super::receivers_api::list,
        super::deletions::request,
        super::deletions::list,
        super::deletions::one,
        super::retention::status,
        super::retention::put_policy,
        super::retention::delete_policy,
        super::retention::run,
        super::retention::pins,
        super::retention::pin,
        super::retention::unpin,
        super::filters::keywords,
        super::trace_groups::list,
        super::trace_groups::add,
        super::trace_groups::change,
        super::trace_groups::remove,
        super::sampling_rules::list,
        super::sampling_rules::add,
        super::sampling_rules::change,
        super::sampling_rules::remove,
        super::metrics::list,
        super::metrics::query,
        super::metric_plots::series,
        super::alarms::list,
        super::alarms::history,
        super::alarm_changes::put,
        super::alarm_changes::remove,
        super::alarm_changes::set_state,
        super::alarm_changes::switch_actions,
        super::alarm_changes::test,
        super::alerting::deliveries,
        super::alerting::test,
        super::sql::query,
        super::bubble_up::compare,
        super::explore::query,
        super::explore::sql,
        super::explore::result,
        super::explore::rows,
        super::honeycomb::own::triggers,
        super::honeycomb::own::trigger,
        super::honeycomb::own::test_trigger,
        super::honeycomb::own::slos,
        super::honeycomb::own::slo,
        super::honeycomb::own::test_burn_alert,
        super::honeycomb::own::all_recipients,
        super::honeycomb::own::test_recipient,
        super::explore_selection::bubble_up,
        super::explore_selection::traces,
        super::store_api::state,
        super::store_api::settle,
    )
)]
struct Document;

/// The document as JSON text, pretty, ending in a line feed.
pub fn document() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

pub async fn serve() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_document_is_current() {
        expect_test::expect_file!["../../openapi.json"].assert_eq(&super::document());
    }
}
