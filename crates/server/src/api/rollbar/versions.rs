//! Versions of the code: which errors each had, new ones, ones again, and ones that were there before.

use axum::extract::Path;
use metastore::{ItemStatus, VersionItems};
use serde_json::{Map, Value, json};

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, seconds, told};
use super::items::{item_json, level_name};

const ENVIRONMENT_DEFAULT: &str = "production";

/// Items that one version is told of.
const ITEMS_MAX: u32 = 5_000;

const EVENTS: [&str; 4] = ["new", "reactivated", "repeated", "resolved"];

/// `GET /versions/{version}?environment=`.
pub(super) async fn one(Path(version): Path<String>, call: Call) -> Told {
    let (environment, items) = found(&call, &version).await?;
    let asker = &call.services.asker;
    let deploys = asker.deploys_told(None, Some(&version), 0, ITEMS_MAX as usize).await?;
    let deploys: Vec<_> = deploys.into_iter().filter(|deploy| deploy.environment == environment).collect();
    if items.is_empty() && deploys.is_empty() {
        return Err(Wrong::missing("Version"));
    }
    let firsts =
        items.iter().map(|item| item.seen.first_seen_unix_nano).chain(deploys.iter().map(|deploy| deploy.time_unix_nano));
    let lasts = items.iter().map(|item| item.seen.last_seen_unix_nano).chain(deploys.iter().map(|deploy| deploy.time_unix_nano));
    let mut stats = Map::new();
    for level in [50, 40, 30, 20, 10] {
        let of_level: Vec<&VersionItems> = items.iter().filter(|item| item.item.level == level).collect();
        let count = |event: &str| of_level.iter().filter(|item| is(item, event, &version)).count();
        let counts: Map<String, Value> = EVENTS.iter().map(|event| ((*event).to_owned(), count(event).into())).collect();
        stats.insert(level_name(level).to_owned(), counts.into());
    }
    told(&json!({
        "project_id": PROJECT_ID,
        "version": version,
        "environment": environment,
        "date_started": firsts.min().map(seconds),
        "date_ended": lasts.max().map(seconds),
        "deployed_by": deploys.first().map(|deploy| &deploy.user).filter(|user| !user.is_empty()),
        "deploy_id": deploys.first().map(|deploy| deploy.number),
        "item_stats": stats,
        "total_occurrences": items.iter().map(|item| item.seen.occurrences).sum::<u64>(),
    }))
}

/// `GET /versions/{version}/items?environment=&event=`.
pub(super) async fn items(Path(version): Path<String>, call: Call) -> Told {
    let event = call.param("event").unwrap_or_default();
    if !event.is_empty() && !EVENTS.contains(&event) {
        return Err(Wrong::invalid(format!("cannot read event from {event:?}: expected {}", EVENTS.join(", "))));
    }
    let (_, items) = found(&call, &version).await?;
    let chosen = items.iter().filter(|item| event.is_empty() || is(item, event, &version));
    let chosen: Vec<Value> = chosen.map(|item| item_json(&item.item)).collect();
    told(&json!({ "items": chosen }))
}

async fn found(call: &Call, version: &str) -> Result<(String, Vec<VersionItems>), Wrong> {
    call.up_to_date().await?;
    let environment = call.param("environment").unwrap_or(ENVIRONMENT_DEFAULT).to_owned();
    let metastore = &call.services.metastore;
    let items = metastore.error_items_of_version(call.project(), &environment, version, ITEMS_MAX).await?;
    Ok((environment, items))
}

fn is(item: &VersionItems, event: &str, version: &str) -> bool {
    match event {
        "new" => item.is_new,
        "reactivated" => item.is_reactivated,
        "repeated" => !item.is_new && !item.is_reactivated,
        _ => item.item.status == ItemStatus::Resolved && item.item.resolved_in_version.as_deref() == Some(version),
    }
}
