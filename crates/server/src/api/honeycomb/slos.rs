//! `/1/slos`, `/1/burn_alerts` of a dataset, and `/1/reporting/slos/historical`: objectives, and who is told when they are at risk.
//!
//! An objective is a calculated field that is true, false or null for a row, a share that shall be true, and a time.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use metastore::HoneycombDocument;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::{ALL, body, new_id, object, query, slug, tags, text_within, told};
use super::failure::{Answer, Failure};
use super::objective::{self, Budget};
use super::{evaluation, recipients};
use crate::{Services, now_unix_nano};

pub const SLO: &str = "slo";
pub const BURN_ALERT: &str = "burn_alert";

/// Datasets of one objective: Honeycomb's bound.
const DATASETS_MAX: usize = 10;

/// Objectives of one historical report, Honeycomb's bound, and intervals of each.
const REPORTED_MAX: usize = 24;
const REPORT_POINTS_MAX: i64 = 1_000;

#[derive(Default, Deserialize)]
struct Asked {
    detailed: Option<String>,
    slo_id: Option<String>,
}

pub async fn list(State(services): State<Services>, Path(dataset): Path<String>, uri: Uri) -> Answer<Json<Value>> {
    services.honeycomb_dataset(&dataset).await?;
    let detailed = query::<Asked>(&uri).detailed.is_some_and(|detailed| detailed != "false");
    let all = services.metastore.honeycomb_documents(&services.settings.project, SLO, None).await?;
    let mut listed = Vec::new();
    for document in all.iter().filter(|document| is_of(document, &dataset)) {
        listed.push(told_to_client(&services, document, detailed).await?);
    }
    Ok(Json(Value::Array(listed)))
}

pub async fn one(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>, uri: Uri) -> Answer<Json<Value>> {
    let detailed = query::<Asked>(&uri).detailed.is_some_and(|detailed| detailed != "false");
    Ok(Json(told_to_client(&services, &find(&services, &dataset, &id).await?, detailed).await?))
}

pub async fn create(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Response> {
    services.honeycomb_dataset(&dataset).await?;
    let (_, value) = body(request).await?;
    let document = checked(&services, &dataset, &object(value)?).await?;
    let made = services.honeycomb_put(SLO, &slug(&dataset), &new_id(), &document).await?;
    objective::count_soon(&services, made.clone());
    Ok((StatusCode::CREATED, Json(told_to_client(&services, &made, false).await?)).into_response())
}

pub async fn change(
    State(services): State<Services>,
    Path((dataset, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Json<Value>> {
    let known = find(&services, &dataset, &id).await?;
    let (_, value) = body(request).await?;
    let document = checked(&services, &dataset, &object(value)?).await?;
    services.honeycomb_put(SLO, &known.scope, &id, &document).await?;
    let changed = find(&services, &dataset, &id).await?;
    objective::count_soon(&services, changed.clone());
    Ok(Json(told_to_client(&services, &changed, false).await?))
}

/// Its burn alerts go with it.
pub async fn remove(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<StatusCode> {
    find(&services, &dataset, &id).await?;
    let project = &services.settings.project;
    for alert in alerts_of(&services, &id).await? {
        services.metastore.delete_honeycomb_document(project, BURN_ALERT, &alert.id).await?;
        evaluation::forget(&services, evaluation::BURN_ALERTS, &alert.id).await?;
    }
    services.metastore.delete_honeycomb_document(project, SLO, &id).await?;
    evaluation::forget(&services, evaluation::SLOS, &id).await?;
    services.metastore.delete_slo_minutes(project, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn is_of(document: &HoneycombDocument, dataset: &str) -> bool {
    let wanted = slug(dataset);
    let value: Value = serde_json::from_str(&document.document).unwrap_or_default();
    let named = || value["dataset_slugs"].as_array().is_some_and(|slugs| slugs.iter().any(|slug| *slug == wanted.as_str()));
    dataset == ALL || document.scope == wanted || named()
}

async fn find(services: &Services, dataset: &str, id: &str) -> Answer<HoneycombDocument> {
    let found = services.metastore.honeycomb_document(&services.settings.project, SLO, id).await?;
    found.filter(|found| is_of(found, dataset)).ok_or_else(|| Failure::not_found("SLO not found"))
}

/// An objective as clients know it; `detailed` with how it stands, in percent.
async fn told_to_client(services: &Services, document: &HoneycombDocument, detailed: bool) -> Answer<Value> {
    let mut value = told(document);
    if detailed {
        let now = now_unix_nano();
        let standing = objective::standing(services, document, now).await?;
        let percent = |share: f64| (share * 1e6).round() / 1e4;
        // Nothing happened, so nothing was bad.
        value["compliance"] = percent(standing.budget.compliance().unwrap_or(1.0)).into();
        value["budget_remaining"] = percent(standing.budget.remaining()).into();
        value["burn_rate"] = standing.burn_rate.unwrap_or(0.0).into();
        value["status"] = status(services, document, &standing.budget).await?.into();
    }
    Ok(value)
}

async fn status(services: &Services, document: &HoneycombDocument, budget: &Budget) -> Answer<&'static str> {
    let alerts = alerts_of(services, &document.id).await?;
    for alert in &alerts {
        if evaluation::state(services, evaluation::BURN_ALERTS, &alert.id).await?["triggered"] == true {
            return Ok("triggered");
        }
    }
    Ok(match () {
        () if budget.total == 0.0 => "no_events",
        () if alerts.is_empty() => "no_alerts",
        () => "normal",
    })
}

async fn checked(services: &Services, dataset: &str, asked: &Map<String, Value>) -> Answer<Value> {
    let text = |member: &str| asked.get(member).and_then(Value::as_str);
    let name = text("name").map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Failure::invalid("name", "missing", "name: cannot be blank"))?;
    text_within(asked, "name", 120)?;
    let whole = |member: &str, low: i64, high: i64| match asked.get(member) {
        None | Some(Value::Null) => Err(Failure::invalid(member, "missing", format!("{member}: cannot be blank"))),
        Some(value) => value.as_i64().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
            Failure::invalid(member, "invalid", format!("{member}: must be a whole number between {low} and {high}"))
        }),
    };
    let period = whole("time_period_days", 1, 90)?;
    let target = whole("target_per_million", 0, 999_999)?;
    let alias = asked.get("sli").and_then(|sli| sli["alias"].as_str()).filter(|alias| !alias.is_empty());
    let alias = alias.ok_or_else(|| Failure::invalid("sli.alias", "missing", "sli.alias: cannot be blank"))?;
    let mut datasets: Vec<String> = match asked.get("dataset_slugs").and_then(Value::as_array) {
        Some(slugs) => slugs.iter().filter_map(|slug| slug.as_str().map(str::to_owned)).collect(),
        None => Vec::new(),
    };
    if datasets.is_empty() {
        if dataset == ALL {
            return Err(Failure::invalid("dataset_slugs", "missing", "dataset_slugs: cannot be empty for all datasets"));
        }
        datasets.push(slug(dataset));
    }
    if datasets.len() > DATASETS_MAX {
        return Err(Failure::invalid("dataset_slugs", "invalid", format!("dataset_slugs: at most {DATASETS_MAX}")));
    }
    for one in &datasets {
        services
            .honeycomb_dataset(one)
            .await
            .map_err(|_| Failure::invalid("dataset_slugs", "invalid", format!("dataset_slugs: there is no dataset {one:?}")))?;
    }
    if objective::expression(services, &slug(dataset), &datasets, alias).await?.is_none() {
        let message = format!("sli.alias: no calculated field is called {alias:?}");
        return Err(Failure::invalid("sli.alias", "invalid", message));
    }
    Ok(json!({
        "name": name,
        "description": text_within(asked, "description", 1_023)?,
        "sli": { "alias": alias },
        "time_period_days": period,
        "target_per_million": target,
        "dataset_slugs": datasets,
        "tags": tags(asked)?,
        "reset_at": null,
    }))
}

/// `POST /1/reporting/slos/historical`: how objectives stood, interval by interval, by their ids.
pub async fn historical(State(services): State<Services>, request: Request) -> Answer<Json<Value>> {
    const SECOND: i64 = 1_000_000_000;
    let (_, value) = body(request).await?;
    let asked = object(value)?;
    let ids: Vec<&str> = asked.get("ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if ids.is_empty() || ids.len() > REPORTED_MAX {
        let message = format!("ids: must be 1 to {REPORTED_MAX} ids of SLOs");
        return Err(Failure::invalid("ids", if ids.is_empty() { "missing" } else { "invalid" }, message));
    }
    let second = |member: &str| {
        let missing = || Failure::invalid(member, "missing", format!("{member}: expected seconds since 1970"));
        asked.get(member).and_then(Value::as_i64).ok_or_else(missing)
    };
    let (start, end) = (second("start_time")?, second("end_time")?.min(now_unix_nano() / SECOND));
    if start >= end {
        return Err(Failure::invalid("end_time", "invalid", "end_time: must be greater than start_time"));
    }
    let mut told = Map::new();
    for id in ids {
        let document = find(&services, ALL, id).await?;
        let series = objective::series(&services, &document, start * SECOND, end * SECOND, report_step(end - start)).await?;
        let intervals = series.iter().filter_map(|(at, budget)| {
            let compliance = budget.compliance()?;
            Some(json!({
                "timestamp": at / SECOND,
                "compliance": compliance * 100.0,
                "budget_remaining": budget.remaining() * 100.0,
            }))
        });
        told.insert(id.to_owned(), intervals.collect());
    }
    Ok(Json(Value::Object(told)))
}

/// Seconds of an interval: an hour, or more where a report would have too many.
fn report_step(range: i64) -> i64 {
    const HOUR: i64 = 3_600;
    HOUR * (1 + range / (HOUR * REPORT_POINTS_MAX))
}

/// The burn alerts of an objective.
pub async fn alerts_of(services: &Services, slo: &str) -> Answer<Vec<HoneycombDocument>> {
    let mut all = services.metastore.honeycomb_documents(&services.settings.project, BURN_ALERT, None).await?;
    all.retain(|document| {
        let value: Value = serde_json::from_str(&document.document).unwrap_or_default();
        value["slo"]["id"] == slo
    });
    Ok(all)
}

pub async fn list_alerts(State(services): State<Services>, Path(dataset): Path<String>, uri: Uri) -> Answer<Json<Value>> {
    services.honeycomb_dataset(&dataset).await?;
    let Some(slo) = query::<Asked>(&uri).slo_id else {
        return Err(Failure::invalid("slo_id", "missing", "slo_id: cannot be blank"));
    };
    find(&services, &dataset, &slo).await?;
    let mut all = Vec::new();
    for document in alerts_of(&services, &slo).await? {
        all.push(alert_told(&services, &document).await?);
    }
    Ok(Json(Value::Array(all)))
}

pub async fn one_alert(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<Json<Value>> {
    Ok(Json(alert_told(&services, &find_alert(&services, &dataset, &id).await?).await?))
}

pub async fn create_alert(State(services): State<Services>, Path(dataset): Path<String>, request: Request) -> Answer<Response> {
    services.honeycomb_dataset(&dataset).await?;
    let (_, value) = body(request).await?;
    let document = checked_alert(&services, &dataset, &object(value)?).await?;
    let made = services.honeycomb_put(BURN_ALERT, &slug(&dataset), &new_id(), &document).await?;
    Ok((StatusCode::CREATED, Json(alert_told(&services, &made).await?)).into_response())
}

pub async fn change_alert(
    State(services): State<Services>,
    Path((dataset, id)): Path<(String, String)>,
    request: Request,
) -> Answer<Json<Value>> {
    let known = find_alert(&services, &dataset, &id).await?;
    let before = told(&known);
    let (_, value) = body(request).await?;
    let mut asked = object(value)?;
    if asked.get("slo").is_none_or(|slo| slo["id"].is_null()) {
        asked.insert("slo".into(), before["slo"].clone());
    }
    let document = checked_alert(&services, &dataset, &asked).await?;
    if document["alert_type"] != before["alert_type"] {
        return Err(Failure::invalid("alert_type", "invalid", "alert_type: cannot be changed"));
    }
    services.honeycomb_put(BURN_ALERT, &known.scope, &id, &document).await?;
    Ok(Json(alert_told(&services, &find_alert(&services, &dataset, &id).await?).await?))
}

pub async fn remove_alert(State(services): State<Services>, Path((dataset, id)): Path<(String, String)>) -> Answer<StatusCode> {
    find_alert(&services, &dataset, &id).await?;
    services.metastore.delete_honeycomb_document(&services.settings.project, BURN_ALERT, &id).await?;
    evaluation::forget(&services, evaluation::BURN_ALERTS, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find_alert(services: &Services, dataset: &str, id: &str) -> Answer<HoneycombDocument> {
    let found = services.metastore.honeycomb_document(&services.settings.project, BURN_ALERT, id).await?;
    let found = found.filter(|found| dataset == ALL || found.scope == slug(dataset) || found.scope == ALL);
    found.ok_or_else(|| Failure::not_found("Burn Alert not found"))
}

async fn alert_told(services: &Services, document: &HoneycombDocument) -> Answer<Value> {
    let mut value = told(document);
    value["recipients"] = recipients::told_of_alert(services, &value["recipients"]).await?.into();
    let state = evaluation::state(services, evaluation::BURN_ALERTS, &document.id).await?;
    value["triggered"] = state["triggered"].as_bool().unwrap_or(false).into();
    Ok(value)
}

async fn checked_alert(services: &Services, dataset: &str, asked: &Map<String, Value>) -> Answer<Value> {
    let Some(slo) = asked.get("slo").and_then(|slo| slo["id"].as_str()) else {
        return Err(Failure::invalid("slo.id", "missing", "slo.id: cannot be blank"));
    };
    find(services, dataset, slo).await?;
    let whole = |member: &str, low: i64, high: i64| match asked.get(member) {
        None | Some(Value::Null) => Err(Failure::invalid(member, "missing", format!("{member}: cannot be blank"))),
        Some(value) => value.as_i64().filter(|number| (low..=high).contains(number)).ok_or_else(|| {
            Failure::invalid(member, "invalid", format!("{member}: must be a whole number between {low} and {high}"))
        }),
    };
    let mut document = json!({
        "description": text_within(asked, "description", 1_023)?,
        "slo": { "id": slo },
        "recipients": recipients::of_alert(services, asked.get("recipients")).await?,
        "auto_investigate": asked.get("auto_investigate").and_then(Value::as_bool).unwrap_or(false),
    });
    match asked.get("alert_type").and_then(Value::as_str).unwrap_or("exhaustion_time") {
        "exhaustion_time" => {
            document["alert_type"] = "exhaustion_time".into();
            document["exhaustion_minutes"] = whole("exhaustion_minutes", 0, 90 * 1_440)?.into();
        }
        "budget_rate" => {
            document["alert_type"] = "budget_rate".into();
            document["budget_rate_window_minutes"] = whole("budget_rate_window_minutes", 60, 90 * 1_440)?.into();
            let member = "budget_rate_decrease_threshold_per_million";
            document[member] = whole(member, 1, 1_000_000)?.into();
        }
        _ => return Err(Failure::invalid("alert_type", "invalid", "alert_type: must be exhaustion_time or budget_rate")),
    }
    Ok(document)
}
