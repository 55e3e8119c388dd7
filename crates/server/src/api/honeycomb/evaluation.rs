//! Triggers and burn alerts on the clock: what is found, whether it changed, and whom that is told to.
//!
//! What is to be told is written down with the new state, in one step, before it is handed to the outbox; the outbox takes
//! each notice once. A stop between the two thus neither loses a notice nor sends it twice: it is handed over at the next look.
//!
//! A trigger is asked at whole multiples of its frequency, of the time that ended then. What was missed while the server was
//! down is not asked later: a trigger tells how things are.

use std::time::Duration;

use async_trait::async_trait;
use engine::ask::honeycomb::{HoneycombAnswer, HoneycombQuestion};
use languages::honeycomb::{LIMIT_WITHOUT_SERIES_MAX, QuerySpecification};
use metastore::{AlertEntry, Evaluation, HoneycombDocument};
use serde_json::{Map, Value, json};

use super::call::{ALL, new_id, slug, time, told};
use super::failure::{Answer, Failure};
use super::triggers::{TRIGGER, minute_of_day};
use super::{notices, objective, recipients, slos};
use crate::alerting::{EvaluationError, Evaluator, NewDelivery, ToldDelivery};
use crate::limits::{ALERT_ENTRIES_KEPT, ALERT_GROUPS_TOLD};
use crate::{Services, now_unix_nano};

pub const TRIGGERS: &str = "honeycomb.triggers";
pub const SLOS: &str = "honeycomb.slos";
pub const BURN_ALERTS: &str = "honeycomb.burn_alerts";

const SECOND: i64 = 1_000_000_000;

/// What was remembered of a trigger, an objective or a burn alert; null at first.
pub async fn state(services: &Services, evaluator: &str, id: &str) -> Answer<Value> {
    let found = services.metastore.evaluation(&services.settings.project, evaluator, id).await?;
    Ok(found.and_then(|found| serde_json::from_str(&found.state).ok()).unwrap_or_default())
}

/// Forgets one that is no more, and its history.
pub async fn forget(services: &Services, evaluator: &str, id: &str) -> Answer<()> {
    let project = &services.settings.project;
    services.metastore.delete_evaluation(project, evaluator, id).await?;
    services.metastore.delete_alert_entries(project, &subject(evaluator, id)).await?;
    Ok(())
}

/// Under which name a history is kept, and deliveries are made.
pub fn subject(evaluator: &str, id: &str) -> String {
    let kind = match evaluator {
        TRIGGERS => "honeycomb.trigger",
        BURN_ALERTS => "honeycomb.burn_alert",
        _ => "honeycomb.slo",
    };
    format!("{kind}:{id}")
}

/// Seconds that a trigger's query looks back.
pub fn range_of(query: &Value, frequency: i64) -> i64 {
    let given = query["time_range"].as_i64();
    given.unwrap_or_else(|| languages::honeycomb::TIME_RANGE_DEFAULT.min(4 * frequency))
}

/// Asks every trigger whose time has come.
pub struct Triggers;

#[async_trait]
impl Evaluator for Triggers {
    fn name(&self) -> &'static str {
        TRIGGERS
    }

    /// Frequencies are whole minutes; a new trigger is asked soon after it was made.
    fn every(&self) -> Duration {
        Duration::from_secs(5)
    }

    async fn evaluate(&self, services: &Services, now: i64) -> Result<(), EvaluationError> {
        for document in services.metastore.honeycomb_documents(&services.settings.project, TRIGGER, None).await? {
            if let Err(failure) = look_at_trigger(services, &document, now).await {
                tracing::warn!(trigger = document.id, error = failure.message(), "a trigger could not be evaluated");
            }
        }
        Ok(())
    }
}

/// Counts every objective's new rows and judges its burn alerts.
pub struct Slos;

#[async_trait]
impl Evaluator for Slos {
    fn name(&self) -> &'static str {
        SLOS
    }

    fn every(&self) -> Duration {
        Duration::from_secs(30)
    }

    async fn evaluate(&self, services: &Services, now: i64) -> Result<(), EvaluationError> {
        for document in services.metastore.honeycomb_documents(&services.settings.project, slos::SLO, None).await? {
            if let Err(failure) = look_at_slo(services, &document, now).await {
                tracing::warn!(slo = document.id, error = failure.message(), "an objective could not be evaluated");
            }
        }
        Ok(())
    }
}

async fn look_at_trigger(services: &Services, document: &HoneycombDocument, now: i64) -> Answer<()> {
    let trigger = told(document);
    let before = state(services, TRIGGERS, &document.id).await?;
    hand_over(services, TRIGGERS, &document.id, &before, &trigger["recipients"], now).await?;
    let frequency = trigger["frequency"].as_i64().unwrap_or(900).max(60) * SECOND;
    let slot = now.div_euclid(frequency) * frequency;
    if trigger["disabled"] == true || before["slot"].as_i64().is_some_and(|last| last >= slot) || !is_due(&trigger, slot) {
        return Ok(());
    }
    let found = match asked(services, document, &trigger, slot).await {
        Ok(found) => found,
        Err(failure) => {
            let mut after = before.clone();
            after["slot"] = slot.into();
            after["error"] = failure.message().into();
            remember(services, TRIGGERS, &document.id, &after, now).await?;
            let entry = json!({ "state": "error", "error": failure.message(), "changed": false, "notified": false });
            return note(services, TRIGGERS, &document.id, slot, &entry).await;
        }
    };
    let exceeded = if found.exceeds() { before["exceeded"].as_i64().unwrap_or(0) + 1 } else { 0 };
    let was = before["triggered"] == true;
    // One that fires goes on as long as the threshold is exceeded.
    let is = exceeded >= trigger["threshold"]["exceeded_limit"].as_i64().unwrap_or(1) || (was && exceeded > 0);
    let tells = is != was || (is && trigger["alert_type"] == "on_true");
    let mut after = json!({
        "slot": slot,
        "triggered": is,
        "exceeded": exceeded,
        "value": found.value,
        "baseline_value": found.baseline,
        "instance": if is && was { before["instance"].clone() } else { new_id().into() },
    });
    let has_recipients = trigger["recipients"].as_array().is_some_and(|recipients| !recipients.is_empty());
    if tells {
        let instance = if is { &after["instance"] } else { &before["instance"] };
        after["pending"] = json!({
            "key": format!("{}:{slot}", if is { "triggered" } else { "ok" }),
            "notice": trigger_notice(services, document, &trigger, &found, is, false, slot, instance),
        });
    }
    let entry = json!({
        "state": if is { "triggered" } else { "ok" },
        "value": found.value,
        "baseline_value": found.baseline,
        "groups": found.groups.iter().filter(|group| group.exceeds).take(ALERT_GROUPS_TOLD).map(Group::told).collect::<Vec<_>>(),
        "changed": is != was,
        "notified": tells && has_recipients,
    });
    note(services, TRIGGERS, &document.id, slot, &entry).await?;
    remember(services, TRIGGERS, &document.id, &after, now).await?;
    hand_over(services, TRIGGERS, &document.id, &after, &trigger["recipients"], now).await
}

/// Whether a moment lies in the times that a trigger is for.
fn is_due(trigger: &Value, at: i64) -> bool {
    if trigger["evaluation_schedule_type"] != "window" {
        return true;
    }
    const DAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];
    let window = &trigger["evaluation_schedule"]["window"];
    let minutes = at.div_euclid(60 * SECOND);
    let (day, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    let bound = |member: &str| window[member].as_str().and_then(minute_of_day).unwrap_or_default();
    let (start, end) = (bound("start_time"), bound("end_time"));
    // The day on which the window began; one may go on past midnight.
    let began = if start <= end || minute >= start { day } else { day - 1 };
    let is_inside = if start <= end { (start..end).contains(&minute) } else { minute >= start || minute < end };
    let name = DAYS[usize::try_from(began.rem_euclid(7)).unwrap_or_default()];
    is_inside && window["days_of_week"].as_array().is_some_and(|days| days.iter().any(|day| day == name))
}

/// One group of a trigger's answer.
#[derive(Clone, Debug)]
pub struct Group {
    pub group: Map<String, Value>,
    pub value: Option<f64>,
    pub baseline: Option<f64>,
    pub exceeds: bool,
}

impl Group {
    pub fn told(&self) -> Value {
        json!({ "group": self.group, "value": self.value, "baseline_value": self.baseline })
    }
}

/// What a trigger's query found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Of the group that is furthest on the wrong side.
    pub value: Option<f64>,
    pub baseline: Option<f64>,
    pub groups: Vec<Group>,
}

impl Found {
    pub fn exceeds(&self) -> bool {
        self.groups.iter().any(|group| group.exceeds)
    }
}

/// Asks a trigger's query of the time that ends at `end`, and of its baseline's.
pub async fn asked(services: &Services, document: &HoneycombDocument, trigger: &Value, end: i64) -> Answer<Found> {
    let query = if trigger["query"].is_object() { &trigger["query"] } else { &trigger["asked"] };
    let range = range_of(query, trigger["frequency"].as_i64().unwrap_or(900));
    let end = end.div_euclid(SECOND);
    let (label, now) = answered(services, &document.scope, query, (end - range, end)).await?;
    let baseline = &trigger["baseline_details"];
    let before = match baseline["offset_minutes"].as_i64() {
        None => None,
        Some(minutes) => {
            Some(answered(services, &document.scope, query, (end - range - minutes * 60, end - minutes * 60)).await?.1)
        }
    };
    let threshold = trigger["threshold"]["value"].as_f64().unwrap_or_default();
    let op = trigger["threshold"]["op"].as_str().unwrap_or(">");
    let mut groups = Vec::with_capacity(now.results.len());
    for cells in &now.results {
        let mut group = cells.clone();
        let value = group.remove(&label).and_then(|value| value.as_f64());
        let earlier = before.as_ref().and_then(|before| {
            let same = |other: &&Map<String, Value>| group.iter().all(|(name, value)| other.get(name) == Some(value));
            before.results.iter().find(same)?.get(&label)?.as_f64()
        });
        let measured = match (value, &before) {
            (Some(value), None) => Some(value),
            (Some(value), Some(_)) => earlier.and_then(|earlier| match baseline["type"].as_str() {
                Some("percentage") => (earlier != 0.0).then(|| (value - earlier) / earlier * 100.0),
                _ => Some(value - earlier),
            }),
            (None, _) => None,
        };
        let exceeds = measured.is_some_and(|measured| crosses(measured, op, threshold));
        groups.push(Group { group, value, baseline: earlier, exceeds });
    }
    let sign = if op.starts_with('>') { 1.0 } else { -1.0 };
    let furthest = groups.iter().filter(|group| group.value.is_some()).max_by(|a, b| {
        let measure = |group: &Group| sign * group.value.unwrap_or_default();
        a.exceeds.cmp(&b.exceeds).then(measure(a).total_cmp(&measure(b)))
    });
    Ok(Found { value: furthest.and_then(|one| one.value), baseline: furthest.and_then(|one| one.baseline), groups })
}

fn crosses(value: f64, op: &str, threshold: f64) -> bool {
    match op {
        ">" => value > threshold,
        ">=" => value >= threshold,
        "<" => value < threshold,
        _ => value <= threshold,
    }
}

/// The answer over a range of seconds, and under which name it has the number.
async fn answered(
    services: &Services,
    scope: &str,
    query: &Value,
    (start, end): (i64, i64),
) -> Answer<(String, HoneycombAnswer)> {
    let mut query = query.clone();
    if let Some(members) = query.as_object_mut() {
        for member in ["id", "time_range", "granularity"] {
            members.remove(member);
        }
        members.insert("start_time".into(), start.into());
        members.insert("end_time".into(), end.into());
    }
    let specification = QuerySpecification::from_json(&query)?;
    let label = match (specification.formulas.first(), specification.calculations.first()) {
        (Some(formula), _) => formula.name.clone(),
        (None, Some(calculation)) => calculation.label(),
        (None, None) => String::new(),
    };
    let question = HoneycombQuestion {
        dataset: services.honeycomb_dataset(scope).await?,
        calculated_fields: super::queries::calculated_fields(services, scope).await?,
        time_series: services.honeycomb_time_series(scope).await?,
        with_series: false,
        with_total: false,
        with_other: false,
        limit: Some(LIMIT_WITHOUT_SERIES_MAX),
        ..HoneycombQuestion::new(specification, end)
    };
    Ok((label, services.asker.honeycomb(&question).await?))
}

#[allow(clippy::too_many_arguments, reason = "what a notice is made of")]
fn trigger_notice(
    services: &Services,
    document: &HoneycombDocument,
    trigger: &Value,
    found: &Found,
    is_triggered: bool,
    is_test: bool,
    at: i64,
    instance: &Value,
) -> Value {
    let told = |group: &Group| json!({ "Group": group.group, "Result": group.value });
    let name = trigger["name"].as_str().unwrap_or_default();
    let op = trigger["threshold"]["op"].as_str().unwrap_or(">");
    let words = match op {
        ">" => "greater than",
        ">=" => "greater than or equal to",
        "<" => "less than",
        _ => "less than or equal to",
    };
    let against = match trigger["baseline_details"]["type"].as_str() {
        Some("percentage") => " % against the baseline",
        Some(_) => " against the baseline",
        None => "",
    };
    let threshold = &trigger["threshold"]["value"];
    let value = found.value.map_or("none".to_owned(), |value| value.to_string());
    let verb = if is_triggered { "Currently" } else { "No longer" };
    json!({
        "kind": "trigger",
        "id": document.id,
        "name": name,
        "description": trigger["description"],
        "dataset": document.scope,
        "triggered": is_triggered,
        "is_test": is_test,
        "summary": format!("{}{}: {name}", if is_test { "Test: " } else { "" }, if is_triggered { "Triggered" } else { "Resolved" }),
        "detail": format!("{verb} {words} threshold value {threshold}{against} (value {value})"),
        "operator": op,
        "threshold": threshold,
        "value": found.value,
        "groups": found.groups.iter().take(ALERT_GROUPS_TOLD).map(told).collect::<Vec<_>>(),
        "groups_triggered": found.groups.iter().filter(|group| group.exceeds).take(ALERT_GROUPS_TOLD).map(told).collect::<Vec<_>>(),
        "url": format!("http://{}/alerts/triggers/{}", services.addresses.http, document.id),
        "time": time(at),
        "instance": instance,
    })
}

async fn look_at_slo(services: &Services, document: &HoneycombDocument, now: i64) -> Answer<()> {
    let slo = told(document);
    let standing = objective::standing(services, document, now).await?;
    for alert in slos::alerts_of(services, &document.id).await? {
        let kept = told(&alert);
        let before = state(services, BURN_ALERTS, &alert.id).await?;
        hand_over(services, BURN_ALERTS, &alert.id, &before, &kept["recipients"], now).await?;
        let (value, is) = burn(&kept, &standing);
        let was = before["triggered"] == true;
        let mut after = json!({ "triggered": is, "value": value });
        if is != was {
            after["pending"] = json!({
                "key": format!("{}:{now}", if is { "triggered" } else { "ok" }),
                "notice": burn_notice(services, &alert, &kept, &slo, value, is, false, now),
            });
            let has_recipients = kept["recipients"].as_array().is_some_and(|recipients| !recipients.is_empty());
            let state = if is { "triggered" } else { "ok" };
            let entry = json!({ "state": state, "value": value, "changed": true, "notified": has_recipients });
            note(services, BURN_ALERTS, &alert.id, now, &entry).await?;
        }
        remember(services, BURN_ALERTS, &alert.id, &after, now).await?;
        hand_over(services, BURN_ALERTS, &alert.id, &after, &kept["recipients"], now).await?;
    }
    Ok(())
}

/// What a burn alert measures, and whether it is reached: minutes left, or millionths of the budget spent within the window.
///
/// How fast the budget goes is seen over a quarter of the time that is asked for, and over five minutes at least.
fn burn(alert: &Value, standing: &objective::Standing) -> (Option<f64>, bool) {
    if alert["alert_type"] == "budget_rate" {
        let window = alert["budget_rate_window_minutes"].as_i64().unwrap_or(60);
        let allowed = standing.budget.allowed();
        let spent = if allowed > 0.0 { standing.last(window).bad() / allowed * 1e6 } else { 0.0 };
        let threshold = alert["budget_rate_decrease_threshold_per_million"].as_f64().unwrap_or(f64::MAX);
        return (Some(spent), spent >= threshold);
    }
    let minutes = alert["exhaustion_minutes"].as_i64().unwrap_or_default();
    let left = standing.minutes_left((minutes / 4).max(5));
    (left, left.is_some_and(|left| left <= minutes as f64))
}

#[allow(clippy::too_many_arguments, reason = "what a notice is made of")]
fn burn_notice(
    services: &Services,
    alert: &HoneycombDocument,
    kept: &Value,
    slo: &Value,
    value: Option<f64>,
    is_triggered: bool,
    is_test: bool,
    at: i64,
) -> Value {
    let name = slo["name"].as_str().unwrap_or_default();
    let (detail, threshold) = if kept["alert_type"] == "budget_rate" {
        let percent = |millionths: f64| millionths / 10_000.0;
        let threshold = kept["budget_rate_decrease_threshold_per_million"].as_f64().unwrap_or_default();
        let detail = format!(
            "{:.2} % of the budget went within {} minutes; the threshold is {:.2} %",
            percent(value.unwrap_or_default()),
            kept["budget_rate_window_minutes"],
            percent(threshold)
        );
        (detail, &kept["budget_rate_decrease_threshold_per_million"])
    } else {
        let left =
            value.map_or("The budget is not being spent".to_owned(), |left| format!("The budget lasts {left:.0} more minutes"));
        (format!("{left}; the threshold is {} minutes", kept["exhaustion_minutes"]), &kept["exhaustion_minutes"])
    };
    json!({
        "kind": kept["alert_type"],
        "id": alert.id,
        "name": name,
        "description": kept["description"],
        "dataset": alert.scope,
        "triggered": is_triggered,
        "is_test": is_test,
        "summary": format!("{}{}: {name}", if is_test { "Test: " } else { "" }, if is_triggered { "Budget at risk" } else { "Resolved" }),
        "detail": detail,
        "operator": if kept["alert_type"] == "budget_rate" { ">=" } else { "<=" },
        "threshold": threshold,
        "value": value,
        "groups": [],
        "groups_triggered": [],
        "slo": { "id": slo["id"], "name": slo["name"] },
        "url": format!("http://{}/alerts/slos/{}", services.addresses.http, slo["id"].as_str().unwrap_or_default()),
        "time": time(at),
        "instance": alert.id,
    })
}

/// Evaluates now and sends what would be told, marked as a test; nothing is remembered.
pub async fn test_trigger(services: &Services, document: &HoneycombDocument) -> Answer<(Found, Vec<ToldDelivery>)> {
    let trigger = told(document);
    let now = now_unix_nano();
    let found = asked(services, document, &trigger, now).await?;
    let notice = trigger_notice(services, document, &trigger, &found, true, true, now, &Value::Null);
    let deliveries = tried(services, &trigger["recipients"], &notice).await?;
    Ok((found, deliveries))
}

/// The same of a burn alert.
pub async fn test_burn_alert(services: &Services, alert: &HoneycombDocument) -> Answer<Vec<ToldDelivery>> {
    let kept = told(alert);
    let slo = kept["slo"]["id"].as_str().unwrap_or_default();
    let slo = services.metastore.honeycomb_document(&services.settings.project, slos::SLO, slo).await?;
    let slo = slo.ok_or_else(|| Failure::not_found("SLO not found"))?;
    let now = now_unix_nano();
    let standing = objective::standing(services, &slo, now).await?;
    let (value, _) = burn(&kept, &standing);
    let notice = burn_notice(services, alert, &kept, &told(&slo), value, true, true, now);
    tried(services, &kept["recipients"], &notice).await
}

/// Sends to each recipient once and tells what came of it.
pub async fn tried(services: &Services, kept: &Value, notice: &Value) -> Answer<Vec<ToldDelivery>> {
    let mut deliveries = Vec::new();
    for (recipient, named) in recipients::full(services, kept).await? {
        if let Some((destination, payload)) = notices::delivery(&recipient, &named, notice) {
            let sent = services.outbox.test(destination, payload).await;
            deliveries.push(sent.map_err(|error| Failure::plain(http::StatusCode::BAD_REQUEST, error.to_string()))?);
        }
    }
    Ok(deliveries)
}

/// Gives what a state says is to be told to the outbox, and forgets that it was to be told.
async fn hand_over(services: &Services, evaluator: &str, id: &str, state: &Value, kept: &Value, now: i64) -> Answer<()> {
    let pending = &state["pending"];
    let (Some(key), notice) = (pending["key"].as_str(), &pending["notice"]) else { return Ok(()) };
    for (recipient, named) in recipients::full(services, kept).await? {
        let recipient_id = recipient["id"].as_str().unwrap_or_default();
        if recipient["type"] == "marker" && notice["triggered"] == true {
            mark(services, notice, key, recipient_id).await?;
        }
        let Some((destination, payload)) = notices::delivery(&recipient, &named, notice) else { continue };
        let delivery =
            NewDelivery { origin: subject(evaluator, id), dedupe_key: format!("{key}:{recipient_id}"), destination, payload };
        if let Err(error) = services.outbox.send(delivery).await {
            tracing::warn!(subject = subject(evaluator, id), %error, "a notice was not taken over");
            return Err(Failure::plain(http::StatusCode::SERVICE_UNAVAILABLE, error.to_string()));
        }
    }
    let mut after = state.clone();
    if let Some(members) = after.as_object_mut() {
        members.remove("pending");
    }
    remember(services, evaluator, id, &after, now).await
}

/// A marker where a trigger fired. The same one if it is set again.
async fn mark(services: &Services, notice: &Value, key: &str, recipient: &str) -> Answer<()> {
    let id = super::call::id_of(xxhash_rust::xxh3::xxh3_128(format!("{} {key} {recipient}", notice["id"]).as_bytes()));
    let scope = notice["dataset"].as_str().unwrap_or(ALL);
    let document = json!({
        "message": notice["summary"],
        "type": "trigger",
        "url": notice["url"],
        "start_time": now_unix_nano() / SECOND,
    });
    services.honeycomb_put("marker", if scope == ALL { ALL.to_owned() } else { slug(scope) }.as_str(), &id, &document).await?;
    Ok(())
}

async fn remember(services: &Services, evaluator: &str, id: &str, state: &Value, now: i64) -> Answer<()> {
    let evaluation = Evaluation { subject: id.to_owned(), state: state.to_string(), evaluated_at_unix_nano: now };
    services.metastore.put_evaluation(&services.settings.project, evaluator, &evaluation).await?;
    Ok(())
}

async fn note(services: &Services, evaluator: &str, id: &str, at: i64, entry: &Value) -> Answer<()> {
    let entry = AlertEntry { at_unix_nano: at, entry: entry.to_string() };
    let project = &services.settings.project;
    services.metastore.add_alert_entry(project, &subject(evaluator, id), &entry, ALERT_ENTRIES_KEPT).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_in_utc_and_may_pass_midnight() {
        let trigger = |start: &str, end: &str| {
            json!({ "evaluation_schedule_type": "window", "evaluation_schedule": { "window":
                { "days_of_week": ["saturday"], "start_time": start, "end_time": end } } })
        };
        // 2026-11-21, a Saturday.
        let at = |day: i64, hour: i64| (1_795_219_200 + day * 86_400 + hour * 3_600) * SECOND;
        assert!(is_due(&trigger("09:00", "17:00"), at(0, 9)) && !is_due(&trigger("09:00", "17:00"), at(0, 17)));
        assert!(!is_due(&trigger("09:00", "17:00"), at(1, 9)));
        assert!(is_due(&trigger("22:00", "04:00"), at(1, 3)) && !is_due(&trigger("22:00", "04:00"), at(0, 3)));
        assert!(is_due(&json!({ "evaluation_schedule_type": "frequency" }), at(0, 3)));
    }

    #[test]
    fn thresholds_have_four_operators() {
        assert!(crosses(2.0, ">", 1.0) && !crosses(1.0, ">", 1.0) && crosses(1.0, ">=", 1.0));
        assert!(crosses(0.0, "<", 1.0) && !crosses(1.0, "<", 1.0) && crosses(1.0, "<=", 1.0));
    }
}
