//! `/api/triggers`, `/api/slos`, `/api/recipients`: how triggers and objectives stand, their history, and trying them out.
//!
//! They are made and changed through Honeycomb's own API.

use axum::Json;
use axum::extract::{Path, Query, State};
use http::HeaderMap;
use metastore::HoneycombDocument;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::call::{ALL, told};
use super::failure::{Answer, Failure};
use super::objective::{self, Budget};
use super::triggers::TRIGGER;
use super::{evaluation, recipients, slos};
use crate::alerting::ToldDelivery;
use crate::api::params::{not_from_another_page, time_range};
use crate::api::refusal::Refusal;
use crate::limits::{ALERT_ENTRIES_TOLD, ALERT_GROUPS_TOLD, DELIVERIES_LISTED};
use crate::{Services, now_unix_nano};

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let code = match failure.status.as_u16() {
            404 => "not_found",
            409 => "conflict",
            503 => "unavailable",
            _ => "invalid_parameter",
        };
        Refusal::new(failure.status, code, failure.message())
    }
}

/// A trigger, and how it stood when it was last asked.
#[derive(Serialize, ToSchema)]
pub struct OwnTrigger {
    id: String,
    /// A dataset's slug, or `__all__`.
    dataset: String,
    name: String,
    description: String,
    disabled: bool,
    triggered: bool,
    /// `ok`, `triggered`, `disabled`, `error`, or `pending` before it was first asked.
    state: &'static str,
    /// The query specification.
    #[schema(value_type = Object)]
    query: Value,
    /// `op`, `value`, `exceeded_limit`.
    #[schema(value_type = Object)]
    threshold: Value,
    frequency_seconds: i64,
    /// `on_change` or `on_true`.
    alert_type: String,
    /// `offset_minutes`, `type`.
    #[schema(value_type = Option<Object>)]
    baseline: Value,
    #[schema(value_type = Option<Object>)]
    evaluation_schedule: Value,
    #[schema(value_type = Vec<Object>)]
    recipients: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    tags: Value,
    last_evaluated_unix_nano: Option<String>,
    next_evaluation_unix_nano: Option<String>,
    last_value: Option<f64>,
    last_baseline_value: Option<f64>,
    last_error: Option<String>,
    created_unix_nano: String,
    updated_unix_nano: String,
}

#[derive(Serialize, ToSchema)]
pub struct OwnTriggers {
    triggers: Vec<OwnTrigger>,
}

#[derive(Serialize, ToSchema)]
pub struct OwnTriggerWhole {
    trigger: OwnTrigger,
    /// Newest first: `time_unix_nano`, `state`, `value`, `baseline_value`, `groups`, `changed`, `notified`, `error`.
    #[schema(value_type = Vec<Object>)]
    history: Vec<Value>,
    deliveries: Vec<ToldDelivery>,
}

#[derive(Serialize, ToSchema)]
pub struct OwnTest {
    would_trigger: Option<bool>,
    value: Option<f64>,
    #[schema(value_type = Vec<Object>)]
    groups: Vec<Value>,
    deliveries: Vec<ToldDelivery>,
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

async fn trigger_told(services: &Services, document: &HoneycombDocument) -> Answer<OwnTrigger> {
    let kept = told(document);
    let state = evaluation::state(services, evaluation::TRIGGERS, &document.id).await?;
    let frequency = kept["frequency"].as_i64().unwrap_or(900);
    let disabled = kept["disabled"] == true;
    let triggered = state["triggered"] == true;
    let word = match (disabled, &state) {
        (true, _) => "disabled",
        (_, Value::Null) => "pending",
        (_, state) if state["error"].is_string() => "error",
        _ if triggered => "triggered",
        _ => "ok",
    };
    let slot = state["slot"].as_i64();
    Ok(OwnTrigger {
        id: document.id.clone(),
        dataset: document.scope.clone(),
        name: text(&kept, "name"),
        description: text(&kept, "description"),
        disabled,
        triggered,
        state: word,
        query: if kept["query"].is_object() { kept["query"].clone() } else { kept["asked"].clone() },
        threshold: kept["threshold"].clone(),
        frequency_seconds: frequency,
        alert_type: text(&kept, "alert_type"),
        baseline: kept["baseline_details"].clone(),
        evaluation_schedule: kept["evaluation_schedule"].clone(),
        recipients: recipients::told_of_alert(services, &kept["recipients"]).await?,
        tags: kept["tags"].clone(),
        last_evaluated_unix_nano: slot.map(|slot| slot.to_string()),
        next_evaluation_unix_nano: slot.filter(|_| !disabled).map(|slot| (slot + frequency * 1_000_000_000).to_string()),
        last_value: state["value"].as_f64(),
        last_baseline_value: state["baseline_value"].as_f64(),
        last_error: state["error"].as_str().map(str::to_owned),
        created_unix_nano: document.created_at_unix_nano.to_string(),
        updated_unix_nano: document.changed_at_unix_nano.to_string(),
    })
}

/// Every trigger and how it stands.
#[utoipa::path(get, tag = "Alerts", operation_id = "triggers", path = "/api/triggers", responses((status = 200, body = OwnTriggers)))]
pub async fn triggers(State(services): State<Services>) -> Result<Json<OwnTriggers>, Refusal> {
    let mut triggers = Vec::new();
    for document in services.metastore.honeycomb_documents(&services.settings.project, TRIGGER, None).await? {
        triggers.push(trigger_told(&services, &document).await?);
    }
    Ok(Json(OwnTriggers { triggers }))
}

async fn document(services: &Services, kind: &str, id: &str) -> Result<HoneycombDocument, Refusal> {
    let found = services.metastore.honeycomb_document(&services.settings.project, kind, id).await?;
    found.ok_or_else(|| Refusal::missing(format!("no {} has the id {id}", kind.replace('_', " "))))
}

async fn history(services: &Services, evaluator: &str, id: &str) -> Result<Vec<Value>, Refusal> {
    let subject = evaluation::subject(evaluator, id);
    let entries = services.metastore.alert_entries(&services.settings.project, &subject, ALERT_ENTRIES_TOLD).await?;
    let told = entries.into_iter().map(|entry| {
        let mut value: Value = serde_json::from_str(&entry.entry).unwrap_or_else(|_| json!({}));
        value["time_unix_nano"] = entry.at_unix_nano.to_string().into();
        value
    });
    Ok(told.collect())
}

/// One trigger, what was found each time it was asked, and what was sent.
#[utoipa::path(get, tag = "Alerts", operation_id = "trigger", path = "/api/triggers/{id}", params(("id" = String, Path)), responses((status = 200, body = OwnTriggerWhole), (status = 404, body = Refusal)))]
pub async fn trigger(State(services): State<Services>, Path(id): Path<String>) -> Result<Json<OwnTriggerWhole>, Refusal> {
    let found = document(&services, TRIGGER, &id).await?;
    Ok(Json(OwnTriggerWhole {
        trigger: trigger_told(&services, &found).await?,
        history: history(&services, evaluation::TRIGGERS, &id).await?,
        deliveries: services.outbox.deliveries(&evaluation::subject(evaluation::TRIGGERS, &id), DELIVERIES_LISTED).await?,
    }))
}

/// Asks a trigger's query now and sends its recipients a message that is marked as a test.
#[utoipa::path(post, tag = "Alerts", operation_id = "trigger_test", path = "/api/triggers/{id}/test", params(("id" = String, Path)), responses((status = 200, body = OwnTest), (status = 404, body = Refusal)))]
pub async fn test_trigger(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<OwnTest>, Refusal> {
    not_from_another_page(&headers)?;
    let found = document(&services, TRIGGER, &id).await?;
    let (found, deliveries) = evaluation::test_trigger(&services, &found).await?;
    let groups = found.groups.iter().take(ALERT_GROUPS_TOLD).map(evaluation::Group::told).collect();
    Ok(Json(OwnTest { would_trigger: Some(found.exceeds()), value: found.value, groups, deliveries }))
}

/// An objective, and how it stands.
#[derive(Serialize, ToSchema)]
pub struct OwnSlo {
    id: String,
    name: String,
    description: String,
    datasets: Vec<String>,
    /// The calculated field that says of a row whether it is good.
    sli: String,
    expression: Option<String>,
    /// The share of rows that shall be good.
    target: f64,
    period_days: i64,
    good: f64,
    bad: f64,
    total: f64,
    /// The share that was good; nothing without rows.
    compliance: Option<f64>,
    /// Of the budget, the share that is left; below 0 it is overdrawn.
    budget_remaining: f64,
    /// Rows that may be bad.
    budget_events: f64,
    /// Over the last hour; at 1 the budget lasts for the period.
    burn_rate: Option<f64>,
    /// When it goes on as in the last hour.
    exhausts_in_seconds: Option<f64>,
    /// `ok`, `warning` when a burn alert is triggered, `exhausted`, `no_data`, or `pending` before it was first counted.
    state: &'static str,
    /// When rows were last counted; nothing before that.
    computed_to_unix_nano: Option<String>,
    burn_alerts: Vec<OwnBurnAlert>,
    #[schema(value_type = Vec<Object>)]
    tags: Value,
    /// Why it could not be worked out.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct OwnBurnAlert {
    id: String,
    slo_id: String,
    /// `exhaustion_time` or `budget_rate`.
    alert_type: String,
    description: String,
    exhaustion_minutes: Option<i64>,
    budget_rate_window_minutes: Option<i64>,
    budget_rate_decrease_threshold_per_million: Option<i64>,
    triggered: bool,
    /// Minutes left, or millionths of the budget spent within the window.
    value: Option<f64>,
    #[schema(value_type = Vec<Object>)]
    recipients: Vec<Value>,
}

#[derive(Serialize, ToSchema)]
pub struct OwnSlos {
    slos: Vec<OwnSlo>,
}

/// A value for each step.
#[derive(Serialize, ToSchema)]
pub struct OwnSloSeries {
    start_unix_nano: String,
    step_seconds: i64,
    /// The share of the budget that was left, over the period that ended at the step.
    budget_remaining: Vec<f64>,
    compliance: Vec<Option<f64>>,
    /// Rows within each step.
    good: Vec<f64>,
    bad: Vec<f64>,
}

#[derive(Serialize, ToSchema)]
pub struct OwnSloWhole {
    slo: OwnSlo,
    burn_down: OwnSloSeries,
    /// Of its burn alerts, newest first: `time_unix_nano`, `burn_alert_id`, `state`, `value`, `changed`, `notified`.
    #[schema(value_type = Vec<Object>)]
    history: Vec<Value>,
    deliveries: Vec<ToldDelivery>,
}

async fn slo_told(services: &Services, document: &HoneycombDocument) -> Answer<OwnSlo> {
    let kept = told(document);
    let datasets: Vec<String> =
        kept["dataset_slugs"].as_array().into_iter().flatten().filter_map(|one| Some(one.as_str()?.to_owned())).collect();
    let sli = kept["sli"]["alias"].as_str().unwrap_or_default().to_owned();
    let mut burn_alerts = Vec::new();
    for alert in slos::alerts_of(services, &document.id).await? {
        let kept = told(&alert);
        let state = evaluation::state(services, evaluation::BURN_ALERTS, &alert.id).await?;
        burn_alerts.push(OwnBurnAlert {
            id: alert.id.clone(),
            slo_id: document.id.clone(),
            alert_type: text(&kept, "alert_type"),
            description: text(&kept, "description"),
            exhaustion_minutes: kept["exhaustion_minutes"].as_i64(),
            budget_rate_window_minutes: kept["budget_rate_window_minutes"].as_i64(),
            budget_rate_decrease_threshold_per_million: kept["budget_rate_decrease_threshold_per_million"].as_i64(),
            triggered: state["triggered"] == true,
            value: state["value"].as_f64(),
            recipients: recipients::told_of_alert(services, &kept["recipients"]).await?,
        });
    }
    let known = objective::known(services, document).await;
    let error = known.as_ref().err().map(|failure| failure.message().to_owned());
    let (standing, computed_to) = known.ok().flatten().unzip();
    let budget = standing.as_ref().map(|standing| standing.budget).unwrap_or_default();
    let state = if standing.is_none() && error.is_none() {
        "pending"
    } else if budget.total <= 0.0 {
        "no_data"
    } else if budget.remaining() <= 0.0 {
        "exhausted"
    } else if burn_alerts.iter().any(|alert| alert.triggered) {
        "warning"
    } else {
        "ok"
    };
    let left = standing.as_ref().and_then(|standing| standing.minutes_left(60));
    Ok(OwnSlo {
        id: document.id.clone(),
        name: text(&kept, "name"),
        description: text(&kept, "description"),
        expression: objective::expression(services, &document.scope, &datasets, &sli).await?,
        datasets,
        sli,
        target: kept["target_per_million"].as_f64().unwrap_or_default() / 1e6,
        period_days: kept["time_period_days"].as_i64().unwrap_or(30),
        good: budget.good,
        bad: budget.bad(),
        total: budget.total,
        compliance: budget.compliance(),
        budget_remaining: budget.remaining(),
        budget_events: budget.allowed(),
        burn_rate: standing.and_then(|standing| standing.burn_rate),
        exhausts_in_seconds: left.map(|minutes| minutes * 60.0),
        state,
        computed_to_unix_nano: computed_to.map(|nanos| nanos.to_string()),
        burn_alerts,
        tags: kept["tags"].clone(),
        error,
    })
}

/// Every objective and how it stands.
#[utoipa::path(get, tag = "Alerts", operation_id = "slos", path = "/api/slos", responses((status = 200, body = OwnSlos)))]
pub async fn slos(State(services): State<Services>) -> Result<Json<OwnSlos>, Refusal> {
    let mut all = Vec::new();
    for document in services.metastore.honeycomb_documents(&services.settings.project, slos::SLO, None).await? {
        all.push(slo_told(&services, &document).await?);
    }
    Ok(Json(OwnSlos { slos: all }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SloTimes {
    /// RFC 3339 or unix milliseconds; the objective's period before `end` by default.
    start: Option<String>,
    /// RFC 3339 or unix milliseconds; now by default.
    end: Option<String>,
}

/// Steps of a burn-down: a point for every few pixels.
const STEPS: i64 = 240;

/// One objective, how its budget went down, and what its burn alerts did.
#[utoipa::path(get, tag = "Alerts", operation_id = "slo", path = "/api/slos/{id}", params(("id" = String, Path), SloTimes), responses((status = 200, body = OwnSloWhole), (status = 404, body = Refusal)))]
pub async fn slo(
    State(services): State<Services>,
    Path(id): Path<String>,
    Query(times): Query<SloTimes>,
) -> Result<Json<OwnSloWhole>, Refusal> {
    const SECOND: i64 = 1_000_000_000;
    let found = document(&services, slos::SLO, &id).await?;
    let now = now_unix_nano();
    let slo = slo_told(&services, &found).await?;
    let (start, end) = match (&times.start, &times.end) {
        (None, None) => (now - slo.period_days * 86_400 * SECOND, now),
        (start, end) => {
            let range = time_range(start.as_deref(), end.as_deref())?;
            (range.start_unix_nano, range.end_unix_nano.min(now))
        }
    };
    let step = (((end - start) / SECOND / STEPS).max(1) + 59) / 60 * 60;
    let series = objective::series(&services, &found, start, end, step).await?;
    let minute = 60 * SECOND;
    let bounds = (start.div_euclid(minute), end.div_euclid(minute) + 1);
    let minutes = services.metastore.slo_minutes(&services.settings.project, &id, bounds.0, bounds.1).await?;
    let (mut good, mut bad) = (vec![0.0; series.len()], vec![0.0; series.len()]);
    for one in &minutes {
        let place = usize::try_from((one.minute - start.div_euclid(minute)) / (step / 60)).unwrap_or(usize::MAX);
        if place < series.len() {
            good[place] += one.good;
            bad[place] += one.total - one.good;
        }
    }
    let mut entries = Vec::new();
    let mut deliveries = Vec::new();
    for alert in &slo.burn_alerts {
        for mut entry in history(&services, evaluation::BURN_ALERTS, &alert.id).await? {
            entry["burn_alert_id"] = alert.id.as_str().into();
            entries.push(entry);
        }
        let subject = evaluation::subject(evaluation::BURN_ALERTS, &alert.id);
        deliveries.extend(services.outbox.deliveries(&subject, DELIVERIES_LISTED).await?);
    }
    entries.sort_by(|a, b| b["time_unix_nano"].as_str().cmp(&a["time_unix_nano"].as_str()));
    let burn_down = OwnSloSeries {
        start_unix_nano: (start.div_euclid(minute) * minute).to_string(),
        step_seconds: step,
        budget_remaining: series.iter().map(|(_, budget)| budget.remaining()).collect(),
        compliance: series.iter().map(|(_, budget): &(i64, Budget)| budget.compliance()).collect(),
        good,
        bad,
    };
    Ok(Json(OwnSloWhole { slo, burn_down, history: entries, deliveries }))
}

/// Sends a burn alert's recipients a message that is marked as a test.
#[utoipa::path(post, tag = "Alerts", operation_id = "burn_alert_test", path = "/api/burn-alerts/{id}/test", params(("id" = String, Path)), responses((status = 200, body = OwnTest), (status = 404, body = Refusal)))]
pub async fn test_burn_alert(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<OwnTest>, Refusal> {
    not_from_another_page(&headers)?;
    let alert = document(&services, slos::BURN_ALERT, &id).await?;
    let deliveries = evaluation::test_burn_alert(&services, &alert).await?;
    Ok(Json(OwnTest { would_trigger: None, value: None, groups: Vec::new(), deliveries }))
}

#[derive(Serialize, ToSchema)]
pub struct OwnRecipients {
    /// `id`, `type`, `target`, `triggers`, `burn_alerts`: how many name it.
    #[schema(value_type = Vec<Object>)]
    recipients: Vec<Value>,
}

/// Whom triggers and burn alerts tell.
#[utoipa::path(get, tag = "Alerts", operation_id = "recipients", path = "/api/recipients", responses((status = 200, body = OwnRecipients)))]
pub async fn all_recipients(State(services): State<Services>) -> Result<Json<OwnRecipients>, Refusal> {
    let project = &services.settings.project;
    let mut users: Vec<(&str, Value)> = Vec::new();
    for kind in [TRIGGER, slos::BURN_ALERT] {
        let documents = services.metastore.honeycomb_documents(project, kind, None).await?;
        users.extend(documents.iter().map(|document| (kind, told(document))));
    }
    let mut all = Vec::new();
    for document in services.metastore.honeycomb_documents(project, recipients::RECIPIENT, None).await? {
        let named = json!([{ "id": document.id }]);
        for mut one in recipients::told_of_alert(&services, &named).await? {
            let uses = |wanted: &str| {
                let named = |user: &Value| {
                    user["recipients"].as_array().is_some_and(|all| all.iter().any(|one| one["id"] == document.id.as_str()))
                };
                users.iter().filter(|(kind, user)| *kind == wanted && named(user)).count()
            };
            one["triggers"] = uses(TRIGGER).into();
            one["burn_alerts"] = uses(slos::BURN_ALERT).into();
            all.push(one);
        }
    }
    Ok(Json(OwnRecipients { recipients: all }))
}

/// Sends a recipient a message that is marked as a test.
#[utoipa::path(post, tag = "Alerts", operation_id = "recipient_test", path = "/api/recipients/{id}/test", params(("id" = String, Path)), responses((status = 200, body = OwnTest), (status = 404, body = Refusal)))]
pub async fn test_recipient(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<OwnTest>, Refusal> {
    not_from_another_page(&headers)?;
    document(&services, recipients::RECIPIENT, &id).await?;
    let notice = json!({
        "kind": "trigger",
        "id": "test",
        "name": "Test",
        "description": "",
        "dataset": ALL,
        "triggered": true,
        "is_test": true,
        "summary": "Test: Cupola reaches this recipient",
        "detail": "Nothing happened. Somebody tried whether messages arrive here.",
        "operator": ">",
        "threshold": 0,
        "value": 0,
        "groups": [],
        "groups_triggered": [],
        "url": format!("http://{}/alerts", services.addresses.http),
        "time": super::call::time(now_unix_nano()),
        "instance": "test",
    });
    let deliveries = evaluation::tried(&services, &json!([{ "id": id }]), &notice).await?;
    Ok(Json(OwnTest { would_trigger: None, value: None, groups: Vec::new(), deliveries }))
}
