//! `/api/alarms`, changed: alarms are made, tried, switched and removed. They are the same as those of CloudWatch's API.
//!
//! Missing: composite alarms and alarms on expressions are made with CloudWatch's API

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Request, State};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::alarms::{ToldAlarm, told};
use super::aws::metrics::{self, Alarm, AlarmState, StateError, StateValue};
use super::params::not_from_another_page;
use super::refusal::Refusal;
use super::retention::read;
use crate::alerting::ToldDelivery;
use crate::{Services, now_unix_nano};

const NAME_CHARS_MAX: usize = 255;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmRequest {
    name: String,
    #[serde(default)]
    description: String,
    /// CloudWatch's.
    namespace: String,
    metric: String,
    #[serde(default)]
    dimensions: BTreeMap<String, String>,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or an extended one such as `p95`.
    statistic: String,
    /// `>`, `>=`, `<` or `<=`.
    comparison: String,
    threshold: f64,
    /// 60 without it.
    period_seconds: Option<i64>,
    /// 1 without it.
    evaluation_periods: Option<i64>,
    /// As many as are evaluated without it.
    datapoints_to_alarm: Option<i64>,
    /// `missing`, `notBreaching`, `breaching` or `ignore`; the first without it.
    treat_missing_data: Option<String>,
    /// Addresses, `http://`, `https://` or `mailto:`.
    #[serde(default)]
    actions: RequestedActions,
    #[serde(default = "yes")]
    actions_enabled: bool,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RequestedActions {
    alarm: Vec<String>,
    ok: Vec<String>,
    insufficient_data: Vec<String>,
}

fn yes() -> bool {
    true
}

impl AlarmRequest {
    /// As PutMetricAlarm would have it.
    fn document(&self) -> Result<Map<String, Value>, Refusal> {
        let name_chars = self.name.chars().count();
        if self.name.trim().is_empty() || name_chars > NAME_CHARS_MAX || self.namespace.is_empty() || self.metric.is_empty() {
            let message = format!("an alarm has a name of 1 to {NAME_CHARS_MAX} characters, a namespace and a metric");
            return Err(Refusal::parameter(message));
        }
        let comparison = match self.comparison.as_str() {
            ">" => "GreaterThanThreshold",
            ">=" => "GreaterThanOrEqualToThreshold",
            "<" => "LessThanThreshold",
            "<=" => "LessThanOrEqualToThreshold",
            other => return Err(Refusal::parameter(format!("cannot read comparison from {other:?}: expected >, >=, < or <="))),
        };
        if languages::metric_math::Statistic::parse(&self.statistic).is_none() {
            return Err(Refusal::parameter(format!("{:?} is not a statistic, such as Average, Sum or p95", self.statistic)));
        }
        let missing = self.treat_missing_data.as_deref().unwrap_or("missing");
        if !["missing", "notBreaching", "breaching", "ignore"].contains(&missing) {
            return Err(Refusal::parameter(format!("cannot read treat_missing_data from {missing:?}")));
        }
        let addresses = self.actions.alarm.iter().chain(&self.actions.ok).chain(&self.actions.insufficient_data);
        for address in addresses {
            if !["http://", "https://", "mailto:"].iter().any(|start| address.starts_with(start)) {
                let message = format!("cannot tell {address:?}: expected an address with http://, https:// or mailto:");
                return Err(Refusal::parameter(message));
            }
        }
        let plain = ["Average", "Sum", "Minimum", "Maximum", "SampleCount"].contains(&self.statistic.as_str());
        let dimensions = self.dimensions.iter().map(|(name, value)| json!({ "Name": name, "Value": value }));
        let periods = self.evaluation_periods.unwrap_or(1);
        let document = json!({
            "AlarmDescription": self.description,
            "ActionsEnabled": self.actions_enabled,
            "AlarmActions": self.actions.alarm,
            "OKActions": self.actions.ok,
            "InsufficientDataActions": self.actions.insufficient_data,
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": dimensions.collect::<Vec<_>>(),
            (if plain { "Statistic" } else { "ExtendedStatistic" }): self.statistic,
            "Period": self.period_seconds.unwrap_or(60),
            "EvaluationPeriods": periods,
            "DatapointsToAlarm": self.datapoints_to_alarm.unwrap_or(periods),
            "Threshold": self.threshold,
            "ComparisonOperator": comparison,
            "TreatMissingData": missing,
        });
        Ok(document.as_object().cloned().unwrap_or_default())
    }
}

async fn alarm(services: &Services, name: &str) -> Result<Alarm, Refusal> {
    let found = metrics::alarms(services).await?.into_iter().find(|alarm| alarm.name == name);
    found.ok_or_else(|| Refusal::missing(format!("there is no alarm {name:?}")))
}

async fn told_alarm(services: &Services, name: &str) -> Result<Json<ToldAlarm>, Refusal> {
    let alarm = alarm(services, name).await?;
    let state = AlarmState::read(services, name).await?;
    Ok(Json(told(&alarm, state)))
}

/// Makes an alarm on a metric, or changes the one of that name.
#[utoipa::path(post, tag = "Alerting", operation_id = "alarms_put", path = "/api/alarms", request_body = AlarmRequest, responses((status = 200, body = ToldAlarm), (status = 400, body = Refusal)))]
pub async fn put(State(services): State<Services>, request: Request) -> Result<Json<ToldAlarm>, Refusal> {
    let asked: AlarmRequest = read(request, r#"{"name", "namespace", "metric", "statistic", "comparison", "threshold"}"#).await?;
    let kept = metrics::keep_metric_alarm(&services, &asked.name, asked.document()?, now_unix_nano()).await;
    kept.map_err(|error| Refusal::parameter(error.message))??;
    told_alarm(&services, &asked.name).await
}

/// Removes an alarm; its history stays.
#[utoipa::path(delete, tag = "Alerting", operation_id = "alarms_remove", path = "/api/alarms/{name}", params(("name" = String, Path, description = "the alarm")), responses((status = 204), (status = 404, body = Refusal)))]
pub async fn remove(
    State(services): State<Services>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    not_from_another_page(&headers)?;
    metrics::remove(&services, &name, now_unix_nano()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StateRequest {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    state: String,
    #[serde(default)]
    reason: String,
}

fn state_value(text: &str) -> Result<StateValue, Refusal> {
    let found = StateValue::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| Refusal::parameter(format!("cannot read state from {text:?}: expected OK, ALARM or INSUFFICIENT_DATA")))
}

/// Sets the state, with all that comes of it, until the alarm is next judged.
#[utoipa::path(post, tag = "Alerting", operation_id = "alarms_set_state", path = "/api/alarms/{name}/state", params(("name" = String, Path, description = "the alarm")), request_body = StateRequest, responses((status = 200, body = ToldAlarm), (status = 400, body = Refusal), (status = 404, body = Refusal)))]
pub async fn set_state(
    State(services): State<Services>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<ToldAlarm>, Refusal> {
    let asked: StateRequest = read(request, r#"{"state": "ALARM", "reason": "…"}"#).await?;
    let value = state_value(&asked.state)?;
    let alarm = alarm(&services, &name).await?;
    let before = AlarmState::read(&services, &name).await?;
    let reason = if asked.reason.is_empty() { "Set by hand".to_owned() } else { asked.reason };
    let after = AlarmState { value, reason, reason_data: String::new(), ..before.clone() };
    before.become_(after, &alarm, &services, now_unix_nano()).await?;
    told_alarm(&services, &name).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionsRequest {
    enabled: bool,
}

/// Whether changes of state are told.
#[utoipa::path(post, tag = "Alerting", operation_id = "alarms_switch_actions", path = "/api/alarms/{name}/actions", params(("name" = String, Path, description = "the alarm")), request_body = ActionsRequest, responses((status = 200, body = ToldAlarm), (status = 404, body = Refusal)))]
pub async fn switch_actions(
    State(services): State<Services>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<ToldAlarm>, Refusal> {
    let asked: ActionsRequest = read(request, r#"{"enabled": false}"#).await?;
    metrics::switch_actions(&services, alarm(&services, &name).await?, asked.enabled, now_unix_nano()).await?;
    told_alarm(&services, &name).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmTest {
    /// Whose actions are told: `ALARM` without it.
    state: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct AlarmTested {
    /// What came of each action that is an address.
    pub deliveries: Vec<ToldDelivery>,
}

/// Tells the actions of a state, as if the alarm had just come to it. Its state stays as it is.
#[utoipa::path(post, tag = "Alerting", operation_id = "alarms_test", path = "/api/alarms/{name}/test", params(("name" = String, Path, description = "the alarm")), request_body = AlarmTest, responses((status = 200, body = AlarmTested), (status = 404, body = Refusal)))]
pub async fn test(
    State(services): State<Services>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<AlarmTested>, Refusal> {
    let asked: AlarmTest = read(request, r#"{"state": "ALARM"}"#).await?;
    let value = state_value(asked.state.as_deref().unwrap_or("ALARM"))?;
    let alarm = alarm(&services, &name).await?;
    let state = AlarmState::read(&services, &name).await?;
    Ok(Json(AlarmTested { deliveries: state.try_actions(value, &alarm, &services, now_unix_nano()).await? }))
}

impl From<StateError> for Refusal {
    fn from(error: StateError) -> Refusal {
        match error {
            StateError::Metastore(error) => error.into(),
            StateError::Outbox(error) => error.into(),
        }
    }
}
