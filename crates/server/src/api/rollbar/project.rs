//! The project and who works on it: what Rollbar's account pages know, as far as it exists here.

use axum::extract::Path;
use serde_json::{Value, json};

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, id, told};

/// `GET /status/ping`.
pub(super) async fn ping() -> &'static str {
    "pong"
}

/// `GET /environments`.
pub(super) async fn environments(call: Call) -> Told {
    call.up_to_date().await?;
    let names = call.services.metastore.error_environments(call.project()).await?;
    let environments: Vec<Value> = names
        .iter()
        .zip(1..)
        .map(|(name, number)| json!({ "id": number, "project_id": PROJECT_ID, "environment": name, "name": name, "visible": 1 }))
        .collect();
    told(&json!({ "page": 1, "environments": environments }))
}

/// `GET /projects`: the one there is.
pub(super) async fn projects(call: Call) -> Told {
    told(&[project_json(&call)])
}

/// `GET /project/{id}`.
pub(super) async fn project(Path(text): Path<String>, call: Call) -> Told {
    is_ours(&text)?;
    told(&project_json(&call))
}

/// `GET /project/{id}/access_tokens`: none are configured, any is welcome.
pub(super) async fn access_tokens(Path(text): Path<String>, call: Call) -> Told {
    is_ours(&text)?;
    none(call).await
}

/// `GET /users`: whoever was named, so that items can be theirs. Nobody has to sign in here.
pub(super) async fn users(call: Call) -> Told {
    let people = call.services.metastore.people(call.project()).await?;
    told(&json!({ "users": people.iter().map(user_json).collect::<Vec<Value>>() }))
}

/// `GET /user/{id}`.
pub(super) async fn user(Path(text): Path<String>, call: Call) -> Told {
    let number = id("User", &text)?;
    let people = call.services.metastore.people(call.project()).await?;
    told(&people.iter().find(|person| person.id == number).map(user_json).ok_or_else(|| Wrong::missing("User"))?)
}

fn user_json(person: &metastore::Person) -> Value {
    json!({ "id": person.id, "username": person.name, "email": null })
}

/// `GET /teams`.
pub(super) async fn teams(call: Call) -> Told {
    none(call).await
}

/// `GET /team/{id}`.
pub(super) async fn no_team(_: Call) -> Told {
    Err(Wrong::missing("Team"))
}

/// Lists of what there is none of.
pub(super) async fn none(_: Call) -> Told {
    told(&Vec::<Value>::new())
}

pub(super) fn is_ours(text: &str) -> Result<(), Wrong> {
    if id("Project", text)? == PROJECT_ID { Ok(()) } else { Err(Wrong::missing("Project")) }
}

fn project_json(call: &Call) -> Value {
    json!({ "id": PROJECT_ID, "account_id": 1, "name": call.project(), "status": "enabled", "settings_data": {} })
}
