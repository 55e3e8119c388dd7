//! Occurrences, which Rollbar's API calls instances: of an item, of the project, one by its id.

use axum::extract::Path;
use engine::ask::occurrences::{Occurrence, OccurrenceFilter};
use metastore::{DeletionKind, NewDeletion};
use serde_json::{Value, json};
use store::TimeRange;

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, seconds, told};
use super::items::known;
use super::payload::payload;
use crate::api::source_maps::map_payload;
use crate::limits::{
    DELETIONS_PENDING_MAX, ROLLBAR_OCCURRENCES_PAGE_DEFAULT, ROLLBAR_OCCURRENCES_PAGE_MAX, ROLLBAR_OCCURRENCES_SKIPPED_MAX,
};
use crate::now_unix_nano;

/// `GET /instances/`: of the whole project, latest first.
pub(super) async fn list(call: Call) -> Told {
    call.up_to_date().await?;
    page(&call, OccurrenceFilter::default()).await
}

/// `GET /item/{id}/instances/`, latest first; by page, or what comes after `last_id`.
pub(super) async fn of_item(Path(id): Path<String>, call: Call) -> Told {
    let item = known(&call, &id).await?;
    let groups = call.services.metastore.error_item_fingerprints(item.id).await?;
    page(&call, OccurrenceFilter { groups: Some(groups), ..OccurrenceFilter::default() }).await
}

async fn page(call: &Call, filter: OccurrenceFilter) -> Told {
    let (page, limit) = (call.page()?, call.limit(ROLLBAR_OCCURRENCES_PAGE_DEFAULT, ROLLBAR_OCCURRENCES_PAGE_MAX)?);
    let last = call.number("last_id")?;
    let offset = if last.is_some() { 0 } else { (page - 1).saturating_mul(limit) };
    if offset > ROLLBAR_OCCURRENCES_SKIPPED_MAX {
        let message = format!("pages reach {ROLLBAR_OCCURRENCES_SKIPPED_MAX} occurrences; last_id goes further");
        return Err(Wrong::invalid(message));
    }
    let environments = call.list("environment").into_iter().map(str::to_owned).collect();
    let filter = OccurrenceFilter { before_number: last, environments, ..filter };
    let asker = &call.services.asker;
    let found = asker.occurrences(TimeRange::ALL, &filter, offset as usize, limit as usize).await?;
    let groups: Vec<String> = found.iter().map(|occurrence| occurrence.group.clone()).collect();
    let items = call.services.metastore.error_items_of_fingerprints(call.project(), &groups).await?;
    let item_of = |group: &str| items.iter().find(|(known, _)| known == group).map(|(_, item)| item.id);
    let instances: Vec<Value> = found.iter().map(|occurrence| instance_json(occurrence, item_of(&occurrence.group))).collect();
    told(&json!({ "page": page, "instances": instances }))
}

/// `GET /instance/{id}`, with the payload as it was sent. The uuid that the client gave it will do as well.
pub(super) async fn one(Path(text): Path<String>, call: Call) -> Told {
    call.up_to_date().await?;
    let occurrence = found(&call, &text).await?;
    let items =
        call.services.metastore.error_items_of_fingerprints(call.project(), std::slice::from_ref(&occurrence.group)).await?;
    let mut instance = instance_json(&occurrence, items.first().map(|(_, item)| item.id));
    if let Some(data) = instance.get_mut("data") {
        map_payload(&call.services, data).await?;
    }
    told(&instance)
}

/// `DELETE /instance/{id}`: its row goes, from every file; the item stays.
pub(super) async fn delete(Path(text): Path<String>, call: Call) -> Told {
    call.is_meant()?;
    let occurrence = found(&call, &text).await?;
    let Some(uuid) = occurrence.uuid.filter(|uuid| !uuid.is_empty()) else {
        return Err(Wrong::invalid("only occurrences with a uuid can be deleted one by one; POST /api/deletions deletes others"));
    };
    if call.services.metastore.pending_deletions().await?.len() >= DELETIONS_PENDING_MAX {
        return Err(Wrong::new(http::StatusCode::TOO_MANY_REQUESTS, "too many deletions are waiting already"));
    }
    let deletion = NewDeletion {
        id: uuid::Uuid::now_v7().simple().to_string(),
        project: call.project().to_owned(),
        kind: DeletionKind::Person { attributes: vec!["rollbar.uuid".to_owned()], value: Some(uuid) },
        signals: vec!["logs".to_owned()],
        requested_at_unix_nano: now_unix_nano(),
    };
    let store = call.services.asker.engine.store();
    store.delete(&deletion).await.map_err(crate::api::refusal::Refusal::from)?;
    told(&json!({ "id": occurrence.number, "deletion": deletion.id }))
}

async fn found(call: &Call, text: &str) -> Result<Occurrence, Wrong> {
    let asker = &call.services.asker;
    let found = match text.parse::<i64>() {
        Ok(number) => asker.occurrence(number).await?,
        Err(_) => asker.occurrence_by_uuid(text).await?,
    };
    found.ok_or_else(|| Wrong::missing("Occurrence"))
}

fn instance_json(occurrence: &Occurrence, item: Option<i64>) -> Value {
    json!({
        "id": occurrence.number,
        "project_id": PROJECT_ID,
        "item_id": item,
        "timestamp": seconds(occurrence.log.time_unix_nano.0),
        "version": 2,
        "billable": 1,
        "data": payload(occurrence),
    })
}
