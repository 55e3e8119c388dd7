//! Rollbar's read API: items and their occurrences, deploys and versions, reports, RQL.
//!
//! Items are what the metastore knows, see [`crate::ingest::Items`]; occurrences and their counts are rows. Every answer is
//! `{"err": 0, "result": …}` or `{"err": 1, "message": …}`. Any access token is welcome while none are configured, but there
//! has to be one.

mod call;
mod comments;
mod deploys;
mod instances;
mod items;
mod metrics;
pub mod notifications;
mod payload;
mod people;
mod project;
mod query;
mod rate_limits;
mod reports;
mod rql;
mod source_maps;
mod versions;

use axum::Router;
use axum::routing::{MethodRouter, any, get, post, put};
use http::StatusCode;

use crate::Services;
use call::{Call, Told, Wrong};

pub use notifications::Notifier;
pub(super) use payload::payload as occurrence_payload;
pub(super) use query::file_word;
pub use rate_limits::{Admission, RateLimits};
pub use rql::RqlJobs;

/// Rollbar numbers projects; here is one.
const PROJECT_ID: i64 = 1;

pub fn router() -> Router<Services> {
    let paths: [(&str, MethodRouter<Services>); 49] = [
        ("/api/1/status/ping", get(project::ping)),
        ("/api/1/items", get(items::list)),
        ("/api/1/item", get(items::by_counter_parameter)),
        ("/api/1/item/{id}", get(items::one).patch(items::change)),
        ("/api/1/item_by_counter/{counter}", get(items::by_counter)),
        ("/api/1/search", get(items::search)),
        ("/api/1/item/{id}/instances", get(instances::of_item)),
        ("/api/1/item/{id}/comments", get(comments::list).post(comments::add)),
        ("/api/1/item/{id}/events", get(comments::events)),
        ("/api/1/instances", get(instances::list)),
        ("/api/1/instance/{id}", get(instances::one).delete(instances::delete)),
        ("/api/1/occurrence/{id}", get(instances::one)),
        ("/api/1/deploys", get(deploys::list)),
        ("/api/1/deploy/{id}", get(deploys::one).patch(deploys::change)),
        ("/api/1/sourcemap", post(source_maps::upload)),
        ("/api/1/sourcemap/download", post(source_maps::download)),
        ("/api/1/signed_url/sourcemap_bundle", post(source_maps::signed_url)),
        ("/api/1/sourcemap_bundle", put(source_maps::bundle)),
        ("/api/1/versions/{version}", get(versions::one)),
        ("/api/1/versions/{version}/items", get(versions::items)),
        ("/api/1/environments", get(project::environments)),
        ("/api/1/reports/top_active_items", get(reports::top_active_items)),
        ("/api/1/reports/occurrence_counts", get(reports::occurrence_counts)),
        ("/api/1/reports/activated_counts", get(reports::activated_counts)),
        ("/api/1/metrics/occurrences", post(metrics::occurrences)),
        ("/api/1/metrics/items", post(metrics::items)),
        ("/api/1/metrics/ttr", post(metrics::time_to_resolution)),
        ("/api/1/rql/jobs", get(rql::list).post(rql::create)),
        ("/api/1/rql/job/{id}", get(rql::one)),
        ("/api/1/rql/job/{id}/result", get(rql::result)),
        ("/api/1/rql/job/{id}/cancel", post(rql::cancel)),
        ("/api/1/projects", get(project::projects)),
        ("/api/1/project/{id}", get(project::project)),
        ("/api/1/project/{id}/access_tokens", get(project::access_tokens)),
        ("/api/1/project/{id}/access_token/{token}", get(rate_limits::access_token).patch(rate_limits::access_token)),
        ("/api/1/users", get(project::users)),
        ("/api/1/user/{id}", get(project::user)),
        ("/api/1/teams", get(project::teams)),
        ("/api/1/team/{id}", get(project::no_team)),
        ("/api/1/invites", get(project::none)),
        ("/api/1/service_links", get(project::none)),
        ("/api/1/notifications/{channel}", get(notifications::rules::channel).put(notifications::rules::channel)),
        (
            "/api/1/notifications/{channel}/rules",
            get(notifications::rules::rules).post(notifications::rules::rules).put(notifications::rules::rules),
        ),
        (
            "/api/1/notifications/{channel}/rule/{id}",
            get(notifications::rules::rule)
                .put(notifications::rules::rule)
                .patch(notifications::rules::rule)
                .delete(notifications::rules::rule),
        ),
        ("/api/1/notifications/{channel}/rule/{id}/test", post(notifications::rules::test)),
        ("/api/1/people", get(people::list)),
        ("/api/1/person/{id}", get(people::one).delete(people::delete)),
        ("/api/1/replays", get(project::none)),
        ("/api/1/{*rest}", any(unknown)),
    ];
    paths.into_iter().fold(Router::new(), |router, (path, methods)| {
        let router = router.route(path, methods.clone());
        // Half of the clients write a slash at the end. Receivers have a door at `/item/` as well, for other methods.
        if path.ends_with("}") && path.contains('*') { router } else { router.route(&format!("{path}/"), methods) }
    })
}

async fn unknown(call: Call) -> Told {
    let message = format!("{} {} is not known here; see docs/rollbar.md for what is", call.method, call.path);
    Err(Wrong::new(StatusCode::NOT_FOUND, message))
}
