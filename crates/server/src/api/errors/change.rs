//! What people change of items: one or many at once, merging, comments, the issue they are worked on in.

use axum::Json;
use axum::extract::{Path, Request, State};
use metastore::{ErrorItem, ErrorItemUpdate, ItemStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::item::{CommentTold, comment_told, found};
use super::{ErrorItemTold, level_number, told, up_to_date};
use crate::api::refusal::Refusal;
use crate::api::retention::read;
use crate::limits::{
    ERRORS_CHANGED_AT_ONCE_MAX, ISSUE_URL_BYTES_MAX, ITEM_TITLE_CHARS_MAX, PERSON_NAME_CHARS_MAX, ROLLBAR_COMMENT_BYTES_MAX,
};
use crate::{Services, now_unix_nano};

/// What is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorChange {
    /// `active`, `resolved`, `muted` or `archived`.
    #[serde(default)]
    status: Option<String>,
    /// With the status `resolved`: occurrences in older versions do not make the item active again.
    #[serde(default)]
    resolved_in_version: Option<String>,
    /// `critical`, `error`, `warning`, `info` or `debug`.
    #[serde(default)]
    level: Option<String>,
    #[serde(default)]
    title: Option<String>,
    /// A name; the empty text takes the assignment away.
    #[serde(default)]
    assigned_to: Option<String>,
    /// From now; 0 wakes it.
    #[serde(default)]
    snooze_seconds: Option<u32>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorsChange {
    /// The items' numbers.
    counters: Vec<i64>,
    change: ErrorChange,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorsMerge {
    /// The number of the item that stays.
    into: i64,
    /// Those that become part of it.
    counters: Vec<i64>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkedIssue {
    /// Of http or https.
    url: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewComment {
    #[serde(default)]
    author: String,
    body: String,
}

#[derive(Serialize, ToSchema)]
pub struct ErrorsChanged {
    /// As they are now.
    pub items: Vec<ErrorItemTold>,
}

#[derive(Serialize, ToSchema)]
pub struct People {
    /// Names of those who were given an item, or said something.
    pub people: Vec<String>,
}

/// Changes items, each in its own history.
#[utoipa::path(post, tag = "Errors", operation_id = "errors_change", path = "/api/errors/change", request_body = ErrorsChange, responses((status = 200, body = ErrorsChanged), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn change(State(services): State<Services>, request: Request) -> Result<Json<ErrorsChanged>, Refusal> {
    let asked: ErrorsChange = read(request, "{\"counters\", \"change\"}").await?;
    let now = now_unix_nano();
    let mut update = update(&asked.change, now)?;
    let items = named(&services, &asked.counters).await?;
    let (metastore, project) = (&services.metastore, &services.settings.project);
    if let Some(name) = asked.change.assigned_to.as_deref().map(str::trim) {
        update.assigned_user_id = Some(match name {
            "" => None,
            name => Some(metastore.person_named(project, name, now).await?.id),
        });
    }
    let people = metastore.people(project).await?;
    let mut changed = Vec::new();
    for item in items {
        let after = metastore.update_error_item(project, item.id, &update, now).await?;
        changed.push(told(&after, &people));
    }
    Ok(Json(ErrorsChanged { items: changed }))
}

/// Makes several items one: their occurrences, past and to come, and their comments. `POST /api/error-items/{id}/unmerge` takes
/// them apart again.
#[utoipa::path(post, tag = "Errors", operation_id = "errors_merge", path = "/api/errors/merge", request_body = ErrorsMerge, responses((status = 200, body = ErrorsChanged), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn merge(State(services): State<Services>, request: Request) -> Result<Json<ErrorsChanged>, Refusal> {
    let asked: ErrorsMerge = read(request, "{\"into\", \"counters\"}").await?;
    let into = named(&services, &[asked.into]).await?;
    let others: Vec<i64> = named(&services, &asked.counters).await?.iter().map(|item| item.id).collect();
    let Some(into) = into.first().filter(|into| others.iter().any(|other| *other != into.id)) else {
        return Err(Refusal::parameter("expected at least one other item to merge"));
    };
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let after = metastore.merge_error_items_into(project, into.id, &others, now_unix_nano()).await?;
    let people = metastore.people(project).await?;
    Ok(Json(ErrorsChanged { items: vec![told(&after, &people)] }))
}

/// Says something about an item.
#[utoipa::path(post, tag = "Errors", operation_id = "errors_comment", path = "/api/errors/{group}/comments", params(("group" = String, Path, description = "one of the item's groups, or its number")), request_body = NewComment, responses((status = 200, body = CommentTold), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn comment(
    State(services): State<Services>,
    Path(group): Path<String>,
    request: Request,
) -> Result<Json<CommentTold>, Refusal> {
    let asked: NewComment = read(request, "{\"author\", \"body\"}").await?;
    let (author, body) = (asked.author.trim(), asked.body.trim());
    if body.is_empty() || body.len() > ROLLBAR_COMMENT_BYTES_MAX {
        return Err(Refusal::parameter(format!("a comment has 1 to {ROLLBAR_COMMENT_BYTES_MAX} bytes")));
    }
    check_name(author)?;
    let (item, _) = found(&services, &group).await?;
    let (metastore, project, now) = (&services.metastore, &services.settings.project, now_unix_nano());
    if !author.is_empty() {
        metastore.person_named(project, author, now).await?;
    }
    Ok(Json(comment_told(metastore.add_error_item_comment(project, item.id, author, body, now).await?)))
}

/// Links an item to the issue of a tracker in which it is worked on; null takes the link away.
#[utoipa::path(put, tag = "Errors", operation_id = "errors_issue", path = "/api/errors/{group}/issue", params(("group" = String, Path, description = "one of the item's groups, or its number")), request_body = LinkedIssue, responses((status = 200, body = LinkedIssue), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn issue(
    State(services): State<Services>,
    Path(group): Path<String>,
    request: Request,
) -> Result<Json<LinkedIssue>, Refusal> {
    let asked: LinkedIssue = read(request, "{\"url\": \"https://…\"}").await?;
    let url = asked.url.as_deref().map(str::trim).filter(|url| !url.is_empty());
    let is_address = |url: &str| {
        let names_host = ["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme));
        names_host
            && url.len() <= ISSUE_URL_BYTES_MAX
            && !url.contains(|character: char| character.is_control() || character == ' ')
    };
    if url.is_some_and(|url| !is_address(url)) {
        return Err(Refusal::parameter(format!(
            "url: expected an address of http or https, at most {ISSUE_URL_BYTES_MAX} bytes"
        )));
    }
    let (item, _) = found(&services, &group).await?;
    services.metastore.link_error_item_issue(&services.settings.project, item.id, url, now_unix_nano()).await?;
    Ok(Json(LinkedIssue { url: url.map(str::to_owned) }))
}

/// Who can be given an item.
#[utoipa::path(get, tag = "Errors", operation_id = "people_list", path = "/api/people", responses((status = 200, body = People)))]
pub async fn people(State(services): State<Services>) -> Result<Json<People>, Refusal> {
    let people = services.metastore.people(&services.settings.project).await?;
    Ok(Json(People { people: people.into_iter().map(|person| person.name).collect() }))
}

/// The items of these numbers, all of them.
async fn named(services: &Services, counters: &[i64]) -> Result<Vec<ErrorItem>, Refusal> {
    if counters.is_empty() || counters.len() > ERRORS_CHANGED_AT_ONCE_MAX {
        return Err(Refusal::parameter(format!("expected the numbers of 1 to {ERRORS_CHANGED_AT_ONCE_MAX} items")));
    }
    up_to_date(services).await?;
    let mut items = Vec::new();
    for counter in counters {
        let item = services.metastore.error_item_by_counter(&services.settings.project, *counter).await?;
        items.push(item.ok_or_else(|| Refusal::missing(format!("there is no error {counter}")))?);
    }
    Ok(items)
}

fn update(change: &ErrorChange, now_unix_nano: i64) -> Result<ErrorItemUpdate, Refusal> {
    let status = change.status.as_deref().map(|name| {
        ItemStatus::from_name(name).ok_or_else(|| {
            Refusal::parameter(format!("cannot read status from {name:?}: expected active, resolved, muted or archived"))
        })
    });
    let status = status.transpose()?;
    if change.resolved_in_version.is_some() && status.is_some_and(|status| status != ItemStatus::Resolved) {
        return Err(Refusal::parameter("resolved_in_version goes with the status resolved"));
    }
    if let Some(title) = &change.title
        && (title.trim().is_empty() || title.chars().count() > ITEM_TITLE_CHARS_MAX)
    {
        return Err(Refusal::parameter(format!("a title has 1 to {ITEM_TITLE_CHARS_MAX} characters")));
    }
    check_name(change.assigned_to.as_deref().unwrap_or_default())?;
    let snoozed_until = |seconds: u32| match seconds {
        0 => None,
        seconds => Some(now_unix_nano.saturating_add(i64::from(seconds).saturating_mul(1_000_000_000))),
    };
    Ok(ErrorItemUpdate {
        status,
        resolved_in_version: change.resolved_in_version.clone(),
        level: change.level.as_deref().map(level_number).transpose()?,
        title: change.title.clone(),
        snoozed_until_unix_nano: change.snooze_seconds.map(snoozed_until),
        ..ErrorItemUpdate::default()
    })
}

fn check_name(name: &str) -> Result<(), Refusal> {
    if name.chars().count() > PERSON_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Refusal::parameter(format!("a name has at most {PERSON_NAME_CHARS_MAX} characters")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_checked_before_anything_is_changed() {
        let read = |text: &str| {
            let change: ErrorChange = serde_json::from_str(text).map_err(|error| error.to_string())?;
            update(&change, 5).map_err(|refusal| refusal.error.message)
        };
        let resolved = read(r#"{"status": "resolved", "resolved_in_version": "1.2", "level": "critical"}"#).unwrap();
        assert_eq!((resolved.status, resolved.level), (Some(ItemStatus::Resolved), Some(50)));
        assert_eq!(read(r#"{"snooze_seconds": 0}"#).unwrap().snoozed_until_unix_nano, Some(None));
        assert_eq!(read(r#"{"snooze_seconds": 60}"#).unwrap().snoozed_until_unix_nano, Some(Some(60_000_000_005)));
        for wrong in [
            r#"{"status": "gone"}"#,
            r#"{"level": "loud"}"#,
            r#"{"title": " "}"#,
            r#"{"status": "active", "resolved_in_version": "1"}"#,
            r#"{"assigned_to": "a\u0007"}"#,
            r#"{"other": 1}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
