//! People whom errors hit: what occurrences tell of them, and their removal.

use axum::extract::Path;
use engine::ask::occurrences::PersonTold;
use metastore::{DeletionKind, NewDeletion};
use serde_json::{Value, json};

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, seconds, told};
use super::items::item_json;
use crate::limits::{DELETIONS_PENDING_MAX, ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX};
use crate::now_unix_nano;

/// Attributes that name a person.
const NAMES: [&str; 2] = ["user.id", "enduser.id"];

/// `GET /people`, last hit first.
pub(super) async fn list(call: Call) -> Told {
    let (page, limit) = (call.page()?, call.limit(ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX)?);
    let offset = (page - 1).saturating_mul(limit);
    let people = call.services.asker.people(None, offset as usize, limit as usize).await?;
    told(&json!({ "page": page, "people": people.iter().map(person_json).collect::<Vec<Value>>() }))
}

/// `GET /person/{id}`, with their items.
pub(super) async fn one(Path(id): Path<String>, call: Call) -> Told {
    call.up_to_date().await?;
    let person = call.services.asker.people(Some(&id), 0, 1).await?.pop().ok_or_else(|| Wrong::missing("Person"))?;
    let found = call.services.metastore.error_items_of_fingerprints(call.project(), &person.groups).await?;
    let mut items: Vec<&metastore::ErrorItem> = found.iter().map(|(_, item)| item).collect();
    items.sort_by_key(|item| (std::cmp::Reverse(item.last_seen_unix_nano), item.id));
    items.dedup_by_key(|item| item.id);
    let mut json = person_json(&person);
    json["items"] = items.into_iter().map(item_json).collect();
    told(&json)
}

/// `DELETE /person/{id}`: every row that names them goes, from every file.
pub(super) async fn delete(Path(id): Path<String>, call: Call) -> Told {
    call.is_meant()?;
    if call.services.metastore.pending_deletions().await?.len() >= DELETIONS_PENDING_MAX {
        return Err(Wrong::new(http::StatusCode::TOO_MANY_REQUESTS, "too many deletions are waiting already"));
    }
    let deletion = NewDeletion {
        id: uuid::Uuid::now_v7().simple().to_string(),
        project: call.project().to_owned(),
        kind: DeletionKind::Person { attributes: NAMES.map(str::to_owned).to_vec(), value: Some(id) },
        signals: model::Signal::ALL.map(|signal| signal.table().to_owned()).to_vec(),
        requested_at_unix_nano: now_unix_nano(),
    };
    let store = call.services.asker.engine.store();
    store.delete(&deletion).await.map_err(crate::api::refusal::Refusal::from)?;
    told(&json!({ "deletion": deletion.id }))
}

fn person_json(person: &PersonTold) -> Value {
    json!({
        "id": person.id,
        "person_id": person.id,
        "project_id": PROJECT_ID,
        "username": person.username,
        "email": person.email,
        "occurrences": person.count.round() as i64,
        "item_count": person.groups.len(),
        "first_seen_timestamp": seconds(person.first_unix_nano),
        "last_seen_timestamp": seconds(person.last_unix_nano),
    })
}
