//! Items: lists, one by id or counter, and what people change of them.

use axum::extract::Path;
use engine::ask::occurrences::OccurrenceFilter;
use http::{StatusCode, header};
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder, ErrorItemUpdate, ItemStatus};
use serde_json::{Map, Value, json};
use store::TimeRange;

use super::PROJECT_ID;
use super::call::{Call, Told, Wrong, id, number, seconds, told};
use super::query::{self, Query, status};
use crate::limits::{ITEM_TITLE_CHARS_MAX, ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX, ROLLBAR_SEARCH_DAYS};
use crate::now_unix_nano;

const SECOND: i64 = 1_000_000_000;

/// How long an item sleeps when nobody says how long.
const SNOOZE_SECONDS_DEFAULT: i64 = 3_600;

const LEVELS: [(i64, &str); 5] = [(10, "debug"), (20, "info"), (30, "warning"), (40, "error"), (50, "critical")];

/// `GET /items/`.
pub(super) async fn list(call: Call) -> Told {
    let (page, limit) = (call.page()?, call.limit(ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX)?);
    let mut query = query::parse(call.param("query").or(call.param("q")).unwrap_or_default())?;
    add_parameters(&call, &mut query)?;
    let filter = resolved(&call, query).await?;
    call.up_to_date().await?;
    let metastore = &call.services.metastore;
    let order = order(call.param("sort").or(call.param("sort_by")))?;
    let items = metastore.error_items(call.project(), &filter, order, (page - 1).saturating_mul(limit), limit).await?;
    let total_count = metastore.count_error_items(call.project(), &filter).await?;
    let items: Vec<Value> = items.iter().map(item_json).collect();
    told(&json!({ "page": page, "items": items, "total_count": total_count }))
}

/// `GET /search/`, which older clients call: titles, a status, and which fields they want.
pub(super) async fn search(call: Call) -> Told {
    let mut query = query::parse(call.param("query").unwrap_or_default())?;
    query.filter.title_words.extend(call.param("title").map(str::to_owned));
    add_parameters(&call, &mut query)?;
    let filter = resolved(&call, query).await?;
    call.up_to_date().await?;
    let (page, limit) = (call.page()?, call.limit(ROLLBAR_PAGE_DEFAULT, ROLLBAR_PAGE_MAX)?);
    let metastore = &call.services.metastore;
    let order = ErrorItemOrder::LastSeen;
    let items = metastore.error_items(call.project(), &filter, order, (page - 1).saturating_mul(limit), limit).await?;
    let fields = call.list("fields");
    let items = items.iter().map(item_json).map(|mut item| {
        if let Some(members) = item.as_object_mut().filter(|_| !fields.is_empty()) {
            members.retain(|key, _| key == "id" || fields.contains(&key.as_str()));
        }
        item
    });
    told(&items.collect::<Vec<Value>>())
}

/// `GET /item/{id}`.
pub(super) async fn one(Path(text): Path<String>, call: Call) -> Told {
    call.up_to_date().await?;
    let item = call.services.metastore.error_item(call.project(), id("Item", &text)?).await?;
    whole(&call, item).await
}

/// `GET /item/?counter=5`.
pub(super) async fn by_counter_parameter(call: Call) -> Told {
    let counter = call.number("counter")?.ok_or_else(|| Wrong::invalid("expected the parameter counter"))?;
    call.up_to_date().await?;
    let item = call.services.metastore.error_item_by_counter(call.project(), counter).await?;
    whole(&call, item).await
}

/// `GET /item_by_counter/{counter}`: where the item is, as a redirection and in words.
pub(super) async fn by_counter(Path(text): Path<String>, call: Call) -> Told {
    call.up_to_date().await?;
    let item = call.services.metastore.error_item_by_counter(call.project(), id("Item", &text)?).await?;
    let item = item.ok_or_else(|| Wrong::missing("Item"))?;
    let path = format!("/item/{}", item.id);
    let token = call.param("access_token").map(|token| format!("?access_token={token}")).unwrap_or_default();
    let uri = format!("/api/1{path}{token}");
    let mut response = told(&json!({ "itemId": item.id, "path": path, "uri": uri }))?;
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    // A token is a text of the caller's: what no header can hold is left out.
    if let Ok(location) = uri.parse() {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// `PATCH /item/{id}`.
pub(super) async fn change(Path(text): Path<String>, call: Call) -> Told {
    call.is_meant()?;
    let members = call.members()?;
    let update = update(&members, now_unix_nano())?;
    call.up_to_date().await?;
    let changed = call.services.metastore.update_error_item(call.project(), id("Item", &text)?, &update, now_unix_nano()).await?;
    whole(&call, Some(changed)).await
}

/// An item with what is known only from its rows.
async fn whole(call: &Call, item: Option<ErrorItem>) -> Told {
    let item = item.ok_or_else(|| Wrong::missing("Item"))?;
    let mut json = item_json(&item);
    let groups = call.services.metastore.error_item_fingerprints(item.id).await?;
    let filter = OccurrenceFilter { groups: Some(groups), ..OccurrenceFilter::default() };
    let range = TimeRange { start_unix_nano: item.last_activated_at_unix_nano, end_unix_nano: i64::MAX };
    let top = call.services.asker.top_groups(range, &filter, usize::from(u8::MAX)).await?;
    json["unique_occurrences"] = top.iter().map(|group| group.people).sum::<u64>().into();
    if let Some(url) = call.services.metastore.error_item_issue(item.id).await? {
        json["integrations_data"] = json!({ "issue": { "url": url } });
    }
    told(&json)
}

/// The item in Rollbar's words. Both numbers and names exist of levels and statuses; these are the names.
pub(super) fn item_json(item: &ErrorItem) -> Value {
    let or_unknown = |text: &str| if text.is_empty() { "unknown".to_owned() } else { text.to_owned() };
    let now = now_unix_nano();
    let snoozed_until = item.snoozed_until_unix_nano.filter(|until| *until > now);
    json!({
        "id": item.id,
        "counter": item.counter,
        "project_id": PROJECT_ID,
        "environment": or_unknown(&item.environment),
        "framework": or_unknown(&item.framework),
        "platform": or_unknown(&item.platform),
        "language": or_unknown(&item.language),
        "hash": item.fingerprint,
        "title": item.title,
        "level": level_name(item.level),
        "status": item.status.name(),
        "total_occurrences": item.occurrences,
        "unique_occurrences": null,
        "first_occurrence_id": item.first_occurrence,
        "first_occurrence_timestamp": seconds(item.first_seen_unix_nano),
        "last_occurrence_id": item.last_occurrence,
        "last_occurrence_timestamp": seconds(item.last_seen_unix_nano),
        "activating_occurrence_id": item.activating_occurrence,
        "last_activated_timestamp": seconds(item.last_activated_at_unix_nano),
        "last_resolved_timestamp": item.resolved_at_unix_nano.map(seconds),
        "resolved_in_version": item.resolved_in_version,
        "assigned_user_id": item.assigned_user_id,
        "assigned_team_id": item.assigned_team_id,
        "is_snoozed": snoozed_until.is_some(),
        "snoozed_until_timestamp": snoozed_until.map(seconds),
        "last_modified_timestamp": seconds(item.changed_at_unix_nano),
        "group_item_id": item.group_item,
        "group_status": if item.group_item.is_some() { 2 } else { 1 },
        "title_lock": 0,
        "level_lock": 0,
        "public_item_id": null,
        "integrations_data": {},
    })
}

pub(super) fn level_name(level: i64) -> &'static str {
    LEVELS.iter().find(|(number, _)| *number == level).map_or("error", |(_, name)| name)
}

/// A level by its name or its number.
pub(super) fn level_number(text: &str) -> Result<i64, Wrong> {
    let named = LEVELS.iter().find(|(number, name)| name.eq_ignore_ascii_case(text) || number.to_string() == text);
    named.map(|(number, _)| *number).ok_or_else(|| {
        Wrong::invalid(format!("cannot read level from {text:?}: expected critical, error, warning, info or debug"))
    })
}

fn order(sort: Option<&str>) -> Result<ErrorItemOrder, Wrong> {
    Ok(match sort.map(|sort| sort.trim_start_matches('-')) {
        None | Some("last_occurrence" | "last_occurrence_timestamp" | "recent") => ErrorItemOrder::LastSeen,
        Some("first_occurrence" | "first_occurrence_timestamp") => ErrorItemOrder::FirstSeen,
        Some("occurrences" | "total_occurrences") => ErrorItemOrder::Occurrences,
        Some("level") => ErrorItemOrder::Level,
        Some("counter" | "id") => ErrorItemOrder::Counter,
        Some(other) => {
            let expected = "last_occurrence, first_occurrence, occurrences, level or counter";
            return Err(Wrong::invalid(format!("cannot read sort from {other:?}: expected {expected}")));
        }
    })
}

/// The parameters beside the search. Of what both say, either will do.
fn add_parameters(call: &Call, query: &mut Query) -> Result<(), Wrong> {
    let filter = &mut query.filter;
    for text in call.list("status") {
        if !matches!(text, "all" | "any") {
            filter.statuses.push(status(text)?);
        }
    }
    for text in call.list("level") {
        filter.levels.push(level_number(text)?);
    }
    for text in call.list("ids") {
        filter.ids.push(number("ids", text)?);
    }
    filter.environments.extend(call.list("environment").into_iter().map(str::to_owned));
    filter.frameworks.extend(call.list("framework").into_iter().map(str::to_owned));
    filter.versions.extend(call.list("code_version").into_iter().map(str::to_owned));
    for text in call.list("assigned_user") {
        match text {
            "assigned" => filter.is_assigned = Some(true),
            "unassigned" => filter.is_assigned = Some(false),
            text => filter.assigned_user_ids.push(number("assigned_user", text)?),
        }
    }
    match call.param("is_snoozed") {
        None => {}
        Some("true" | "1") => query.wants_snoozed = true,
        Some(_) => filter.awake_at_unix_nano = Some(now_unix_nano()),
    }
    Ok(())
}

/// What rows have to say is asked of them.
async fn resolved(call: &Call, query: Query) -> Result<ErrorItemFilter, Wrong> {
    let mut filter = query.filter;
    filter.snoozed_at_unix_nano = query.wants_snoozed.then(now_unix_nano);
    if query.occurrence_parts.is_empty() {
        return Ok(filter);
    }
    let end_unix_nano = i64::MAX;
    let range = TimeRange { start_unix_nano: now_unix_nano() - ROLLBAR_SEARCH_DAYS * 86_400 * SECOND, end_unix_nano };
    let found = call.services.asker.groups_where(range, &query.occurrence_parts).await?;
    filter.fingerprints = Some(match filter.fingerprints {
        None => found,
        Some(named) => named.into_iter().filter(|name| found.contains(name)).collect(),
    });
    Ok(filter)
}

/// What a body asks to change. Members that Rollbar does not know are passed over, as it does.
fn update(members: &Map<String, Value>, now_unix_nano: i64) -> Result<ErrorItemUpdate, Wrong> {
    let mut update = ErrorItemUpdate::default();
    for (key, value) in members {
        match key.as_str() {
            "status" => update.status = Some(status(&text(key, value)?)?),
            "level" => update.level = Some(level_number(&text(key, value)?)?),
            "title" => update.title = Some(title(&text(key, value)?)?),
            "resolved_in_version" => {
                update.resolved_in_version = Some(if value.is_null() { String::new() } else { text(key, value)? });
            }
            "assigned_user_id" => update.assigned_user_id = Some(number_or_null(key, value)?),
            "assigned_team_id" | "team_id" => update.assigned_team_id = Some(number_or_null(key, value)?),
            _ => {}
        }
    }
    update.snoozed_until_unix_nano = snooze(members, now_unix_nano)?;
    if update.resolved_in_version.as_ref().is_some_and(|version| !version.is_empty())
        && update.status.is_some_and(|status| status != ItemStatus::Resolved)
    {
        return Err(Wrong::invalid("resolved_in_version goes with the status resolved"));
    }
    Ok(update)
}

/// `snooze_enabled` and `snooze_expiration_in_seconds`, or `snoozed` of newer clients.
fn snooze(members: &Map<String, Value>, now_unix_nano: i64) -> Result<Option<Option<i64>>, Wrong> {
    let lasts = match members.get("snooze_expiration_in_seconds") {
        None | Some(Value::Null) => None,
        Some(value) => number_or_null("snooze_expiration_in_seconds", value)?,
    };
    if lasts.is_some_and(|seconds| seconds <= 0) {
        return Err(Wrong::invalid("snooze_expiration_in_seconds is a positive number"));
    }
    let enabled = match members.get("snooze_enabled").or_else(|| members.get("snoozed")) {
        None => lasts.map(|_| true),
        Some(Value::Bool(enabled)) => Some(*enabled),
        Some(other) => match text("snooze_enabled", other)?.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            other => return Err(Wrong::invalid(format!("cannot read snooze_enabled from {other:?}: expected true or false"))),
        },
    };
    let lasts = lasts.unwrap_or(SNOOZE_SECONDS_DEFAULT).saturating_mul(SECOND);
    Ok(enabled.map(|enabled| enabled.then(|| now_unix_nano.saturating_add(lasts))))
}

fn title(text: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() || text.chars().count() > ITEM_TITLE_CHARS_MAX {
        return Err(Wrong::invalid(format!("a title has 1 to {ITEM_TITLE_CHARS_MAX} characters")));
    }
    Ok(text.to_owned())
}

fn text(key: &str, value: &Value) -> Result<String, Wrong> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Wrong::invalid(format!("cannot read {key} from {other}: expected a text"))),
    }
}

fn number_or_null(key: &str, value: &Value) -> Result<Option<i64>, Wrong> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        value => Ok(Some(number(key, &text(key, value)?)?)),
    }
}

/// A list with nothing in it, where an item is asked for that has none.
pub(super) async fn known(call: &Call, text: &str) -> Result<ErrorItem, Wrong> {
    call.up_to_date().await?;
    let item = call.services.metastore.error_item(call.project(), id("Item", text)?).await?;
    item.ok_or_else(|| Wrong::missing("Item"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<ErrorItemUpdate, String> {
        let Value::Object(members) = body else { panic!("an object") };
        update(&members, 0).map_err(|wrong| format!("{wrong:?}"))
    }

    #[test]
    fn changes_are_read_as_clients_write_them() {
        let read_one =
            read(json!({"status": "resolved", "resolved_in_version": 12, "level": "50", "assigned_user_id": null})).unwrap();
        assert_eq!(read_one.status, Some(ItemStatus::Resolved));
        assert_eq!(read_one.resolved_in_version.as_deref(), Some("12"));
        assert_eq!((read_one.level, read_one.assigned_user_id), (Some(50), Some(None)));
        let snoozed = |body| read(body).unwrap().snoozed_until_unix_nano;
        assert_eq!(snoozed(json!({"snoozed": true})), Some(Some(3_600 * SECOND)));
        assert_eq!(snoozed(json!({"snooze_enabled": "true", "snooze_expiration_in_seconds": 60})), Some(Some(60 * SECOND)));
        assert_eq!(snoozed(json!({"snooze_enabled": false})), Some(None));
        assert_eq!(snoozed(json!({"other": 1})), None);
        for wrong in [
            json!({"status": "gone"}),
            json!({"status": 9}),
            json!({"level": "loud"}),
            json!({"title": " "}),
            json!({"title": [1]}),
            json!({"assigned_user_id": "ada"}),
            json!({"snooze_expiration_in_seconds": -1}),
            json!({"snoozed": "maybe"}),
            json!({"status": "active", "resolved_in_version": "1"}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn levels_have_names_and_numbers() {
        for (number, name) in LEVELS {
            assert_eq!(level_number(name).unwrap(), number);
            assert_eq!(level_number(&number.to_string()).unwrap(), number);
            assert_eq!(level_name(number), name);
        }
    }
}
