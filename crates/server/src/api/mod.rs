//! The journey out: our own REST API under `/api`, the vendors' read APIs at their own paths, health and metrics.

mod alarm_changes;
mod alarms;
mod alerting;
mod attributes;
pub mod aws;
mod bubble_up;
mod deletions;
mod error_rules;
pub mod errors;
mod explore;
mod explore_selection;
mod filters;
mod health;
pub mod honeycomb;
mod log_export;
mod log_groups;
mod log_insights;
mod log_patterns;
mod logs;
mod map;
mod metric_plots;
mod metrics;
mod notifications;
mod openapi;
mod params;
mod receivers_api;
mod refusal;
mod retention;
pub mod rollbar;
mod sampling_rules;
mod scrubbing;
pub mod sentry;
mod services_api;
pub mod source_maps;
mod sql;
mod sql_stream;
mod store_api;
mod tail;
mod trace_groups;
mod traces;

use axum::Router;
use axum::routing::{delete, get, post, put};
use tower_http::compression::CompressionLayer;

pub use openapi::document;
pub use refusal::not_found;

use crate::Services;

/// Every read path of the main port.
pub fn router(services: Services) -> Router {
    Router::new()
        .route("/api/health", get(health::health))
        .route("/api/services", get(services_api::services))
        .route("/api/routes", get(services_api::routes))
        .route("/api/deploys", get(services_api::deploys))
        .route("/api/traces", get(traces::list))
        .route("/api/traces/histogram", get(traces::histogram))
        .route("/api/traces/heatmap", get(traces::heatmap))
        .route("/api/traces/refine", get(traces::refine))
        .route("/api/map", get(map::map))
        .route("/api/traces/{id}/map", get(map::of_trace))
        .route("/api/traces/{id}/typical", get(traces::typical))
        .route("/api/traces/{id}", get(traces::one))
        .route("/api/traces/{id}/logs", get(traces::logs))
        .route("/api/traces/{id}/errors", get(traces::errors))
        .route("/api/traces/{id}/raw", get(traces::raw))
        .route("/api/logs", get(logs::list))
        .route("/api/logs/histogram", get(logs::histogram))
        .route("/api/logs/around", get(logs::around))
        .route("/api/logs/patterns", get(log_patterns::patterns))
        .route("/api/logs/fields", get(logs::fields))
        .route("/api/logs/groups", get(log_groups::groups))
        .route("/api/logs/streams", get(log_groups::streams))
        .route("/api/logs/insights", post(log_insights::run))
        .route("/api/logs/insights/words", get(log_insights::words))
        .route("/api/logs/insights/saved", get(log_insights::saved).post(log_insights::save))
        .route("/api/logs/insights/saved/{id}", delete(log_insights::forget))
        .route("/api/logs/export", get(log_export::export))
        .route("/api/errors", get(errors::list))
        .route("/api/errors/change", post(errors::change))
        .route("/api/errors/merge", post(errors::merge))
        .route("/api/errors/{group}", get(errors::one))
        .route("/api/error-settings", get(errors::idle::settings).put(errors::idle::put))
        .route("/api/error-rules", get(error_rules::list).put(error_rules::put))
        .route("/api/error-rules/try", post(error_rules::try_out))
        .route("/api/error-items/merge", post(error_rules::merge))
        .route("/api/error-items/{id}/unmerge", post(error_rules::unmerge))
        .route("/api/error-items/{id}/members", get(error_rules::members))
        .route("/api/error-items/{id}/split", post(error_rules::split))
        .route("/api/errors/{group}/occurrences", get(errors::occurrences))
        .route("/api/errors/{group}/occurrences/{id}", get(errors::occurrence))
        .route("/api/errors/{group}/comments", post(errors::comment))
        .route("/api/errors/{group}/issue", put(errors::issue))
        .route("/api/people", get(errors::people))
        .route("/api/errors/{group}/suspects", get(errors::suspects))
        .route("/api/errors/{group}/occurrences/{id}/frames", get(source_maps::frames))
        .route("/api/notifications", get(notifications::all))
        .route("/api/notifications/channels/{kind}", put(notifications::put_channel))
        .route("/api/notifications/rules", post(notifications::add_rule))
        .route("/api/notifications/rules/{id}", put(notifications::put_rule).delete(notifications::delete_rule))
        .route("/api/notifications/rules/{id}/test", post(notifications::test_rule))
        .route("/api/source-maps", get(source_maps::list).post(source_maps::upload))
        .route("/api/source-maps/{id}", delete(source_maps::delete))
        .route("/api/scrubbing", get(scrubbing::settings).put(scrubbing::put))
        .route("/api/scrubbing/hits", get(scrubbing::hits))
        .route("/api/attributes", get(attributes::keys))
        .route("/api/attributes/values", get(attributes::values))
        .route("/api/receivers", get(receivers_api::list))
        .route("/api/deletions", get(deletions::list).post(deletions::request))
        .route("/api/deletions/{id}", get(deletions::one))
        .route("/api/retention", get(retention::status).put(retention::put_policy).delete(retention::delete_policy))
        .route("/api/retention/run", post(retention::run))
        .route("/api/pins", get(retention::pins).post(retention::pin))
        .route("/api/pins/{id}", delete(retention::unpin))
        .route("/api/filter-keywords", get(filters::keywords))
        .route("/api/trace-groups", get(trace_groups::list).post(trace_groups::add))
        .route("/api/trace-groups/{name}", put(trace_groups::change).delete(trace_groups::remove))
        .route("/api/sampling-rules", get(sampling_rules::list).post(sampling_rules::add))
        .route("/api/sampling-rules/{name}", put(sampling_rules::change).delete(sampling_rules::remove))
        .route("/api/metrics", get(metrics::list))
        .route("/api/metrics/query", get(metrics::query))
        .route("/api/metrics/series", post(metric_plots::series))
        .route("/api/alarms", get(alarms::list).post(alarm_changes::put))
        .route("/api/alarms/{name}", delete(alarm_changes::remove))
        .route("/api/alarms/{name}/state", post(alarm_changes::set_state))
        .route("/api/alarms/{name}/actions", post(alarm_changes::switch_actions))
        .route("/api/alarms/{name}/test", post(alarm_changes::test))
        .route("/api/alarms/{name}/history", get(alarms::history))
        .route("/api/alerting/deliveries", get(alerting::deliveries))
        .route("/api/alerting/test", post(alerting::test))
        .route("/api/sql", post(sql::query))
        .route("/api/bubble-up", post(bubble_up::compare))
        .route("/api/explore/rows", post(explore::rows))
        .route("/api/explore/sql", post(explore::sql))
        .route("/api/explore/results/{dataset}/{id}", get(explore::result))
        .route("/api/triggers", get(honeycomb::own::triggers))
        .route("/api/triggers/{id}", get(honeycomb::own::trigger))
        .route("/api/triggers/{id}/test", post(honeycomb::own::test_trigger))
        .route("/api/slos", get(honeycomb::own::slos))
        .route("/api/slos/{id}", get(honeycomb::own::slo))
        .route("/api/burn-alerts/{id}/test", post(honeycomb::own::test_burn_alert))
        .route("/api/recipients", get(honeycomb::own::all_recipients))
        .route("/api/recipients/{id}/test", post(honeycomb::own::test_recipient))
        .route("/api/explore/bubble-up", post(explore_selection::bubble_up))
        .route("/api/explore/traces", post(explore_selection::traces))
        .route("/api/store", get(store_api::state))
        .route("/api/store/settle", post(store_api::settle))
        .route("/api/openapi.json", get(openapi::serve))
        .layer(CompressionLayer::new())
        // What is told while it happens must not wait for a compressor's buffer.
        .route("/api/logs/tail", get(tail::tail))
        .route("/api/explore/query", post(explore::query))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(crate::own_metrics::metrics))
        .merge(honeycomb::router())
        .merge(rollbar::router())
        .merge(sentry::router())
        .merge(aws::router())
        .with_state(services)
}
