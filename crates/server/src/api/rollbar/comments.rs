//! What people say about an item, and what happened to it.

use axum::extract::Path;
use http::StatusCode;
use metastore::{ItemComment, ItemEvent};
use serde_json::{Value, json};

use super::call::{Call, Told, Wrong, seconds, told};
use super::items::known;
use crate::limits::ROLLBAR_COMMENT_BYTES_MAX;
use crate::now_unix_nano;

/// `GET /item/{id}/comments`.
pub(super) async fn list(Path(id): Path<String>, call: Call) -> Told {
    let item = known(&call, &id).await?;
    let comments = call.services.metastore.error_item_comments(item.id).await?;
    told(&json!({ "comments": comments.iter().map(comment_json).collect::<Vec<Value>>() }))
}

/// `POST /item/{id}/comments` with `{"body": …, "author": …}`.
pub(super) async fn add(Path(id): Path<String>, call: Call) -> Told {
    call.is_meant()?;
    let members = call.members()?;
    let text = |key: &str| members.get(key).and_then(Value::as_str).unwrap_or_default().trim();
    let (body, author) = (if text("body").is_empty() { text("comment") } else { text("body") }, text("author"));
    if body.is_empty() || body.len() > ROLLBAR_COMMENT_BYTES_MAX || author.len() > ROLLBAR_COMMENT_BYTES_MAX {
        return Err(Wrong::invalid(format!("a comment has a body of 1 to {ROLLBAR_COMMENT_BYTES_MAX} bytes")));
    }
    let item = known(&call, &id).await?;
    let metastore = &call.services.metastore;
    let added = metastore.add_error_item_comment(call.project(), item.id, author, body, now_unix_nano()).await?;
    let mut response = told(&comment_json(&added))?;
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `GET /item/{id}/events`: the item's history, latest first.
pub(super) async fn events(Path(id): Path<String>, call: Call) -> Told {
    let item = known(&call, &id).await?;
    let events = call.services.metastore.error_item_events(item.id).await?;
    told(&json!({ "events": events.iter().map(event_json).collect::<Vec<Value>>() }))
}

fn comment_json(comment: &ItemComment) -> Value {
    json!({
        "id": comment.id,
        "item_id": comment.item,
        "timestamp": seconds(comment.at_unix_nano),
        "author": comment.author,
        "body": comment.body,
    })
}

fn event_json(event: &ItemEvent) -> Value {
    json!({
        "id": event.id,
        "item_id": event.item,
        "timestamp": seconds(event.at_unix_nano),
        "event": event.kind.name(),
        "details": event.details,
    })
}
