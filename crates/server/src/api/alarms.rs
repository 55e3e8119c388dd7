//! `/api/alarms`: alarms as they are now, and what happened to them.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use engine::ask::UnixNano;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::aws::metrics::{self, Alarm, AlarmKind, AlarmState, Condition, StateValue};
use super::params::Params;
use super::refusal::Refusal;
use crate::Services;

/// Events that one answer lists, where the request does not say.
const EVENTS_DEFAULT: u32 = 100;
const EVENTS_MAX: u32 = 1_000;

#[derive(Serialize, ToSchema)]
pub struct Alarms {
    /// Those in alarm first, then by name.
    pub alarms: Vec<ToldAlarm>,
}

#[derive(Serialize, ToSchema)]
pub struct ToldAlarm {
    pub name: String,
    /// `metric`, `composite` or `log`.
    pub kind: &'static str,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub state: &'static str,
    pub state_reason: String,
    pub state_since_unix_nano: UnixNano,
    pub description: String,
    pub actions_enabled: bool,
    pub actions: AlarmActions,
    /// In a few words.
    pub condition: String,
    pub namespace: Option<String>,
    pub metric: Option<String>,
    pub dimensions: BTreeMap<String, String>,
    pub threshold: Option<f64>,
    /// `>`, `>=`, `<` or `<=`.
    pub comparison: Option<&'static str>,
    pub period_seconds: Option<i64>,
    pub evaluation_periods: Option<i64>,
    pub datapoints_to_alarm: Option<i64>,
    pub created_unix_nano: UnixNano,
}

/// Where a change to a state is told.
#[derive(Serialize, ToSchema)]
pub struct AlarmActions {
    pub alarm: Vec<String>,
    pub ok: Vec<String>,
    pub insufficient_data: Vec<String>,
}

/// All alarms.
#[utoipa::path(get, tag = "Alerting", operation_id = "alarms_list", path = "/api/alarms", responses((status = 200, body = Alarms)))]
pub async fn list(State(services): State<Services>) -> Result<Json<Alarms>, Refusal> {
    let mut alarms = Vec::new();
    for alarm in metrics::alarms(&services).await? {
        let state = AlarmState::read(&services, &alarm.name).await?;
        alarms.push(told(&alarm, state));
    }
    alarms.sort_by_key(|alarm| alarm.state != StateValue::Alarm.as_str());
    Ok(Json(Alarms { alarms }))
}

pub(super) fn told(alarm: &Alarm, state: AlarmState) -> ToldAlarm {
    let text = |member: &str| Some(alarm.text(member).to_owned()).filter(|text| !text.is_empty());
    let actions = |state| alarm.actions(state).into_iter().map(str::to_owned).collect();
    let condition = Condition::read(&alarm.document).ok().filter(|_| alarm.kind() != AlarmKind::Composite);
    let pairs = alarm.get("Dimensions").as_array().into_iter().flatten();
    ToldAlarm {
        name: alarm.name.clone(),
        kind: alarm.kind().as_str(),
        state: state.value.as_str(),
        state_reason: state.reason,
        state_since_unix_nano: UnixNano(state.since_unix_nano),
        description: alarm.text("AlarmDescription").to_owned(),
        actions_enabled: alarm.actions_enabled(),
        actions: AlarmActions {
            alarm: actions(StateValue::Alarm),
            ok: actions(StateValue::Ok),
            insufficient_data: actions(StateValue::InsufficientData),
        },
        condition: alarm.condition(),
        namespace: text("Namespace"),
        metric: text("MetricName"),
        dimensions: pairs
            .filter_map(|pair| Some((pair["Name"].as_str()?.to_owned(), pair["Value"].as_str()?.to_owned())))
            .collect(),
        threshold: condition.as_ref().map(|condition| condition.threshold),
        comparison: condition.as_ref().map(Condition::sign),
        period_seconds: condition.as_ref().map(|condition| condition.period_seconds).filter(|seconds| *seconds > 0),
        evaluation_periods: condition.as_ref().map(|condition| condition.evaluation_periods),
        datapoints_to_alarm: condition.as_ref().map(|condition| condition.datapoints_to_alarm),
        created_unix_nano: UnixNano(alarm.created_at_unix_nano),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HistoryParams {
    /// At most 1000; 100 without it.
    limit: Option<u32>,
}

#[derive(Serialize, ToSchema)]
pub struct AlarmHistory {
    /// The newest first.
    pub history: Vec<ToldAlarmEvent>,
}

#[derive(Serialize, ToSchema)]
pub struct ToldAlarmEvent {
    pub at_unix_nano: UnixNano,
    /// `StateUpdate`, `ConfigurationUpdate` or `Action`.
    pub kind: String,
    pub summary: String,
    /// Of a change of state, the new one.
    pub state: Option<String>,
    /// Of a change of state, why.
    pub reason: Option<String>,
}

/// What happened to an alarm.
#[utoipa::path(get, tag = "Alerting", operation_id = "alarms_history", path = "/api/alarms/{name}/history", params(("name" = String, Path, description = "the alarm"), HistoryParams), responses((status = 200, body = AlarmHistory)))]
pub async fn history(
    State(services): State<Services>,
    Path(name): Path<String>,
    Params(params): Params<HistoryParams>,
) -> Result<Json<AlarmHistory>, Refusal> {
    let limit = params.limit.unwrap_or(EVENTS_DEFAULT).min(EVENTS_MAX);
    let events = services.metastore.alarm_events(&services.settings.project, Some(&name), limit).await?;
    let history = events.into_iter().map(|event| {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        let of = |member: &str| data["newState"][member].as_str().map(str::to_owned);
        ToldAlarmEvent {
            at_unix_nano: UnixNano(event.at_unix_nano),
            kind: event.kind,
            summary: event.summary,
            state: of("stateValue"),
            reason: of("stateReason"),
        }
    });
    Ok(Json(AlarmHistory { history: history.collect() }))
}
