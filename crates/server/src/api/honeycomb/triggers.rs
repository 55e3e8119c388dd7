//! `/1/triggers/{dataset}`: queries that are asked every so often, and a threshold.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use languages::honeycomb::{Operation, QuerySpecification};
use metastore::HoneycombDocument;
use serde_json::{Map, Value, json};

use super::call::{body, new_id, object, slug, tags, text_within, told};
use super::failure::{Answer, Failure};
use super::{evaluation, recipients};
use crate::Services;

pub const TRIGGER: &str = "trigger";

const FREQUENCY_DEFAULT: i64 = 900;
const DAY: i64 = 86_400;

/// How long before a baseline may lie, in minutes: an hour, a day, a week, four weeks.
const BASELINE_OFFSETS: [i64; 4] = [60, 1_440, 10_080, 40_320];

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

pub async fn list(State(services): State<Services>, Path(dataset): Path<String>) -> Answer<Json<Value>> {
    services.honeycomb_dataset(&dataset).await?;
    let all = services.metastore.honeycomb_documents(&services.settings.project, TRIGGER, Some(&slug(&dataset))).await?;
    let mut told = Vec::with_capacity(all.len());
    for document in &all {
        told.push(told_to_client(&services, document).await?);
    }
    Ok(Json(Value::Array(told)))
}

pub async fn one(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    Ok(Json(told_to_client(&services, &find(&services, &dataset, &id).await?).await?))
}

pub async fn create(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Response> {
    services.honeycomb_dataset(&dataset).await?;
    let (_, value) = body(request).await?;
    let document = checked(&services, &dataset, &object(value)?, None).await?;
    let made = services.honeycomb_put(TRIGGER, &slug(&dataset), &new_id(), &document).await?;
    Ok((StatusCode::CREATED, Json(told_to_client(&services, &made).await?)).into_response())
}

/// What is not given has its default again, but `disabled`, which stays.
pub async fn change(
    State(services): State<Services>,
    Path((dataset, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Json<Value>> {
    let known = told(&find(&services, &dataset, &id).await?);
    let (_, value) = body(request).await?;
    let document = checked(&services, &dataset, &object(value)?, Some(&known)).await?;
    services.honeycomb_put(TRIGGER, &slug(&dataset), &id, &document).await?;
    Ok(Json(told_to_client(&services, &find(&services, &dataset, &id).await?).await?))
}

pub async fn remove(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<StatusCode> {
    find(&services, &dataset, &id).await?;
    services.metastore.delete_honeycomb_document(&services.settings.project, TRIGGER, &id).await?;
    evaluation::forget(&services, evaluation::TRIGGERS, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(services: &Services, dataset: &str, id: &str) -> Answer<HoneycombDocument> {
    let found = services.honeycomb_get(TRIGGER, &slug(dataset), id).await;
    found.map_err(|_| Failure::not_found("Trigger not found"))
}

/// A trigger as clients know it: with its recipients' names, and whether it is triggered.
pub async fn told_to_client(services: &Services, document: &HoneycombDocument) -> Answer<Value> {
    let mut value = told(document);
    if let Some(members) = value.as_object_mut() {
        // What the trigger asks of a kept query is ours to know.
        members.remove("asked");
        members.retain(|member, value| member != "baseline_details" || !value.is_null());
    }
    value["dataset_slug"] = document.scope.as_str().into();
    value["recipients"] = recipients::told_of_alert(services, &value["recipients"]).await?.into();
    let state = evaluation::state(services, evaluation::TRIGGERS, &document.id).await?;
    value["triggered"] = state["triggered"].as_bool().unwrap_or(false).into();
    Ok(value)
}

/// A member that is wrong.
fn wrong(field: &str, message: impl std::fmt::Display) -> Failure {
    Failure::invalid(field, "invalid", format!("{field}: {message}"))
}

async fn checked(services: &Services, dataset: &str, asked: &Map<String, Value>, known: Option<&Value>) -> Answer<Value> {
    let text = |member: &str| asked.get(member).and_then(Value::as_str);
    let name = text("name").map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::invalid("name", "missing", "name: cannot be blank"))?;
    text_within(asked, "name", 120)?;
    let description = text_within(asked, "description", 1_023)?;
    let frequency = match asked.get("frequency").filter(|value| !value.is_null()) {
        None => FREQUENCY_DEFAULT,
        Some(value) => value.as_i64().ok_or_else(|| wrong("frequency", "must be a whole number of seconds"))?,
    };
    if frequency % 60 != 0 || !(60..=DAY).contains(&frequency) {
        return Err(wrong("frequency", "must be a multiple of 60 between 60 and 86400"));
    }
    let alert_type = text("alert_type").unwrap_or("on_change");
    if !["on_change", "on_true"].contains(&alert_type) {
        return Err(wrong("alert_type", "must be on_change or on_true"));
    }
    let (schedule_type, schedule) = schedule(asked)?;
    let disabled = asked.get("disabled").and_then(Value::as_bool);
    let disabled = disabled.or(known.and_then(|known| known["disabled"].as_bool())).unwrap_or(false);
    let mut document = json!({
        "name": name,
        "description": description,
        "threshold": threshold(asked.get("threshold"))?,
        "frequency": frequency,
        "alert_type": alert_type,
        "disabled": disabled,
        "recipients": recipients::of_alert(services, asked.get("recipients")).await?,
        "evaluation_schedule_type": schedule_type,
        "baseline_details": baseline(asked.get("baseline_details"))?,
        "tags": tags(asked)?,
        "auto_investigate": asked.get("auto_investigate").and_then(Value::as_bool).unwrap_or(false),
    });
    if let Some(schedule) = schedule {
        document["evaluation_schedule"] = schedule;
    }
    let inline = asked.get("query").filter(|query| query.as_object().is_some_and(|members| !members.is_empty()));
    let query = match (text("query_id").filter(|id| !id.is_empty()), inline) {
        (Some(_), Some(_)) => return Err(wrong("query", "query and query_id cannot both be given")),
        (None, None) => return Err(Failure::invalid("query_id", "missing", "one of query and query_id is required")),
        (None, Some(query)) => {
            document["query"] = query.clone();
            query.clone()
        }
        (Some(id), None) => {
            document["query_id"] = id.into();
            let found = services.metastore.honeycomb_document(&services.settings.project, "query", id).await?;
            let found = found.filter(|found| slug(&found.scope) == slug(dataset));
            let found = found.ok_or_else(|| wrong("query_id", "no query of this dataset has this id"))?;
            // Queries that nobody asks for go at last; a trigger's own stays with it.
            let query: Value = serde_json::from_str(&found.document).unwrap_or_default();
            document["asked"] = query.clone();
            query
        }
    };
    fits(&query, frequency)?;
    Ok(document)
}

fn threshold(asked: Option<&Value>) -> Answer<Value> {
    let Some(asked) = asked.filter(|value| value.is_object()) else {
        return Err(Failure::invalid("threshold", "missing", "threshold: cannot be blank"));
    };
    let op = asked["op"].as_str().unwrap_or_default();
    if ![">", ">=", "<", "<="].contains(&op) {
        return Err(wrong("threshold.op", "must be one of > >= < <="));
    }
    if !asked["value"].is_number() {
        return Err(wrong("threshold.value", "must be a number"));
    }
    let exceeded_limit = match &asked["exceeded_limit"] {
        Value::Null => 1,
        value => value
            .as_i64()
            .filter(|limit| (1..=5).contains(limit))
            .ok_or_else(|| wrong("threshold.exceeded_limit", "must be between 1 and 5"))?,
    };
    Ok(json!({ "op": op, "value": asked["value"], "exceeded_limit": exceeded_limit }))
}

fn baseline(asked: Option<&Value>) -> Answer<Value> {
    let Some(asked) = asked.and_then(Value::as_object).filter(|members| !members.is_empty()) else { return Ok(Value::Null) };
    let offset = asked.get("offset_minutes").and_then(Value::as_i64).unwrap_or_default();
    if !BASELINE_OFFSETS.contains(&offset) {
        return Err(wrong("baseline_details.offset_minutes", "must be one of 60 1440 10080 40320"));
    }
    let r#type = asked.get("type").and_then(Value::as_str).unwrap_or_default();
    if !["percentage", "value"].contains(&r#type) {
        return Err(wrong("baseline_details.type", "must be percentage or value"));
    }
    Ok(json!({ "offset_minutes": offset, "type": r#type }))
}

fn schedule(asked: &Map<String, Value>) -> Answer<(&'static str, Option<Value>)> {
    match asked.get("evaluation_schedule_type").and_then(Value::as_str).unwrap_or("frequency") {
        "" | "frequency" => Ok(("frequency", None)),
        "window" => {
            let window = &asked.get("evaluation_schedule").unwrap_or(&Value::Null)["window"];
            let days = window["days_of_week"].as_array().filter(|days| !days.is_empty());
            let known = |day: &Value| day.as_str().is_some_and(|day| DAYS.contains(&day));
            if days.is_none_or(|days| !days.iter().all(known)) {
                return Err(wrong("evaluation_schedule.window.days_of_week", "must be names of days, in lower case"));
            }
            for member in ["start_time", "end_time"] {
                if window[member].as_str().and_then(minute_of_day).is_none() {
                    return Err(wrong(&format!("evaluation_schedule.window.{member}"), "must be HH:mm in UTC"));
                }
            }
            Ok(("window", Some(json!({ "window": window }))))
        }
        _ => Err(wrong("evaluation_schedule_type", "must be frequency or window")),
    }
}

/// `13:05` as minutes.
pub fn minute_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    ((0..24).contains(&hours) && (0..60).contains(&minutes)).then_some(hours * 60 + minutes)
}

/// Whether a trigger can be made of a query: one number, of a time that ends now.
fn fits(query: &Value, frequency: i64) -> Answer<()> {
    let mut plain = query.clone();
    if let Some(members) = plain.as_object_mut() {
        members.remove("id");
    }
    let specification = QuerySpecification::from_json(&plain)?;
    let one_number = match specification.formulas.len() {
        0 => specification.calculations.len() == 1,
        formulas => formulas == 1,
    };
    if !one_number {
        return Err(wrong("query", "a trigger's query must have exactly one calculation or formula"));
    }
    let operation =
        |operation: Operation| matches!(operation, Operation::Heatmap | Operation::Concurrency) || operation.is_rate();
    if specification.calculations.iter().any(|one| operation(one.operation)) {
        return Err(wrong("query", "a trigger's query must not have HEATMAP, CONCURRENCY or a RATE"));
    }
    for member in ["orders", "limit", "start_time", "end_time", "compare_time_offset_seconds"] {
        let given = query.get(member).filter(|value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
        if given.is_some() {
            return Err(wrong("query", format!("{member} is not allowed in a trigger's query")));
        }
    }
    let range = evaluation::range_of(query, frequency);
    if range > DAY || range > 4 * frequency {
        return Err(wrong("query", "time_range must be at most a day and four times the frequency"));
    }
    Ok(())
}
