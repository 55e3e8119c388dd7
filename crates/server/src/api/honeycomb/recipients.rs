//! `/1/recipients`: whom triggers and burn alerts tell, and how those name them.
//!
//! A trigger names a recipient by its id, or by type and target; the second makes one where there is none, so that every
//! answer has an id.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use metastore::HoneycombDocument;
use serde_json::{Map, Value, json};

use super::call::{body, new_id, object, told};
use super::failure::{Answer, Failure};
use super::{slos, triggers};
use crate::Services;

pub const RECIPIENT: &str = "recipient";

/// What each type has to have, in the order of which the first is its target.
const TYPES: &[(&str, &[&str])] = &[
    ("email", &["email_address"]),
    ("slack", &["slack_channel"]),
    ("pagerduty", &["pagerduty_integration_name", "pagerduty_integration_key"]),
    ("webhook", &["webhook_name", "webhook_url"]),
    ("msteams", &["webhook_name", "webhook_url"]),
    ("msteams_workflow", &["webhook_name", "webhook_url"]),
    ("marker", &[]),
];

/// Headers that a webhook may add, and characters of what names and addresses a recipient: Honeycomb's bounds.
const HEADERS_MAX: usize = 5;
const CHARS_MAX: &[(&str, usize)] =
    &[("pagerduty_integration_key", 32), ("webhook_name", 255), ("webhook_url", 2_048), ("webhook_secret", 255)];

pub async fn list(State(services): State<Services>) -> Answer<Json<Value>> {
    let all = services.metastore.honeycomb_documents(&services.settings.project, RECIPIENT, None).await?;
    Ok(Json(all.iter().map(told).collect()))
}

pub async fn one(State(services): State<Services>, Path(id): Path<String>) -> Answer<Json<Value>> {
    Ok(Json(told(&find(&services, &id).await?)))
}

pub async fn create(State(services): State<Services>, request: Request) -> Answer<Response> {
    let (_, value) = body(request).await?;
    let document = checked(&object(value)?)?;
    if document["type"] == "msteams" {
        let message = "type: msteams can no longer be created; use msteams_workflow";
        return Err(Failure::invalid("type", "invalid", message));
    }
    if same(&services, &document).await?.is_some() {
        return Err(Failure::conflict("a recipient with this type and target already exists"));
    }
    let made = services.honeycomb_put(RECIPIENT, "", &new_id(), &document).await?;
    Ok((StatusCode::CREATED, Json(told(&made))).into_response())
}

pub async fn change(State(services): State<Services>, Path(id): Path<String>, request: Request) -> Answer<Json<Value>> {
    let known = told(&find(&services, &id).await?);
    let (_, value) = body(request).await?;
    let document = checked(&object(value)?)?;
    if known["type"] != document["type"] {
        return Err(Failure::invalid("type", "invalid", "type: cannot be changed"));
    }
    services.honeycomb_put(RECIPIENT, "", &id, &document).await?;
    Ok(Json(told(&find(&services, &id).await?)))
}

/// One that is in use stays.
pub async fn remove(State(services): State<Services>, Path(id): Path<String>) -> Answer<StatusCode> {
    find(&services, &id).await?;
    for kind in [triggers::TRIGGER, slos::BURN_ALERT] {
        if !users(&services, kind, &id).await?.is_empty() {
            return Err(Failure::conflict("recipient is in use by a trigger or a burn alert"));
        }
    }
    services.metastore.delete_honeycomb_document(&services.settings.project, RECIPIENT, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /1/recipients/{id}/triggers`.
pub async fn triggers(State(services): State<Services>, Path(id): Path<String>) -> Answer<Json<Value>> {
    find(&services, &id).await?;
    let mut all = Vec::new();
    for document in users(&services, triggers::TRIGGER, &id).await? {
        all.push(triggers::told_to_client(&services, &document).await?);
    }
    Ok(Json(Value::Array(all)))
}

async fn users(services: &Services, kind: &str, id: &str) -> Answer<Vec<HoneycombDocument>> {
    let mut all = services.metastore.honeycomb_documents(&services.settings.project, kind, None).await?;
    all.retain(|document| {
        let value: Value = serde_json::from_str(&document.document).unwrap_or_default();
        value["recipients"].as_array().is_some_and(|recipients| recipients.iter().any(|one| one["id"] == id))
    });
    Ok(all)
}

async fn find(services: &Services, id: &str) -> Answer<HoneycombDocument> {
    let found = services.metastore.honeycomb_document(&services.settings.project, RECIPIENT, id).await?;
    found.ok_or_else(|| Failure::not_found("Recipient not found"))
}

/// The member that names a recipient of this type among others.
fn target(recipient: &Value) -> Option<&str> {
    let (_, members) = TYPES.iter().find(|(name, _)| recipient["type"] == *name)?;
    recipient["details"][*members.first()?].as_str()
}

async fn same(services: &Services, wanted: &Value) -> Answer<Option<HoneycombDocument>> {
    let all = services.metastore.honeycomb_documents(&services.settings.project, RECIPIENT, None).await?;
    Ok(all.into_iter().find(|document| {
        let other: Value = serde_json::from_str(&document.document).unwrap_or_default();
        other["type"] == wanted["type"] && target(&other) == target(wanted)
    }))
}

fn checked(asked: &Map<String, Value>) -> Answer<Value> {
    let Some(r#type) = asked.get("type").and_then(Value::as_str) else {
        return Err(Failure::invalid("type", "missing", "type: cannot be blank"));
    };
    let Some((_, members)) = TYPES.iter().find(|(name, _)| *name == r#type) else {
        return Err(Failure::invalid("type", "invalid", format!("type: unknown recipient type {type:?}")));
    };
    let empty = Map::new();
    let details = asked.get("details").and_then(Value::as_object).unwrap_or(&empty);
    for member in *members {
        if details.get(*member).and_then(Value::as_str).is_none_or(|text| text.trim().is_empty()) {
            return Err(Failure::invalid(&format!("details.{member}"), "missing", format!("details.{member}: cannot be blank")));
        }
    }
    for (member, chars_max) in CHARS_MAX {
        if details.get(*member).and_then(Value::as_str).is_some_and(|text| text.chars().count() > *chars_max) {
            let field = format!("details.{member}");
            return Err(Failure::invalid(&field, "invalid", format!("{field}: must have at most {chars_max} characters")));
        }
    }
    let address = details.get("webhook_url").and_then(Value::as_str);
    if address.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(Failure::invalid("details.webhook_url", "invalid", "details.webhook_url: must be a http or https address"));
    }
    if details.get("webhook_headers").and_then(Value::as_array).is_some_and(|headers| headers.len() > HEADERS_MAX) {
        let message = format!("details.webhook_headers: at most {HEADERS_MAX}");
        return Err(Failure::invalid("details.webhook_headers", "invalid", message));
    }
    Ok(json!({ "type": r#type, "details": details }))
}

/// Recipients as a trigger or burn alert keeps them: ids, and how each is told.
pub async fn of_alert(services: &Services, asked: Option<&Value>) -> Answer<Vec<Value>> {
    let mut kept = Vec::new();
    for (at, one) in asked.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default().iter().enumerate() {
        let id = match one["id"].as_str().filter(|id| !id.is_empty()) {
            Some(id) => {
                let found = services.metastore.honeycomb_document(&services.settings.project, RECIPIENT, id).await?;
                let unknown =
                    || Failure::invalid(&format!("recipients[{at}].id"), "invalid", format!("no recipient has the id {id}"));
                found.ok_or_else(unknown)?.id
            }
            None => by_target(services, at, one).await?,
        };
        let mut told = json!({ "id": id });
        if let Some(details) = one.get("details").filter(|details| details.is_object()) {
            told["details"] = details.clone();
        }
        kept.push(told);
    }
    Ok(kept)
}

async fn by_target(services: &Services, at: usize, one: &Value) -> Answer<String> {
    let r#type = one["type"].as_str().unwrap_or_default();
    let Some((_, members)) = TYPES.iter().find(|(name, _)| *name == r#type) else {
        let message = format!("recipients[{at}]: expected an id, or a type and a target");
        return Err(Failure::invalid(&format!("recipients[{at}].type"), "invalid", message));
    };
    let text = one["target"].as_str().unwrap_or_default();
    let mut details = Map::new();
    for member in *members {
        details.insert((*member).to_owned(), text.into());
    }
    let wanted = json!({ "type": r#type, "details": details });
    if let Some(known) = same(services, &wanted).await? {
        return Ok(known.id);
    }
    // A key and an address cannot be made of a target alone.
    if text.is_empty() && !members.is_empty() || members.len() > 1 {
        let message = format!("recipients[{at}].target: no {type} recipient is called {text:?}");
        return Err(Failure::invalid(&format!("recipients[{at}].target"), "invalid", message));
    }
    Ok(services.honeycomb_put(RECIPIENT, "", &new_id(), &wanted).await?.id)
}

/// Recipients as an answer tells them, with type and target; one that is no more is left out.
pub async fn told_of_alert(services: &Services, kept: &Value) -> Answer<Vec<Value>> {
    let mut all = Vec::new();
    for (recipient, kept) in full(services, kept).await? {
        let mut one = json!({ "id": kept["id"], "type": recipient["type"], "target": target(&recipient).unwrap_or_default() });
        if let Some(details) = kept.get("details") {
            one["details"] = details.clone();
        }
        all.push(one);
    }
    Ok(all)
}

/// The recipients that an alert names, each as it is kept and as the alert names it.
pub async fn full(services: &Services, kept: &Value) -> Answer<Vec<(Value, Value)>> {
    let mut all = Vec::new();
    for one in kept.as_array().map(Vec::as_slice).unwrap_or_default() {
        let id = one["id"].as_str().unwrap_or_default();
        if let Some(found) = services.metastore.honeycomb_document(&services.settings.project, RECIPIENT, id).await? {
            all.push((told(&found), one.clone()));
        }
    }
    Ok(all)
}
