//! The state of an alarm, and what happens when it changes: actions first, then the state, then its history.
//!
//! Actions are handed to the outbox under a key made of the alarm, of the time since which it had the state it leaves, and of
//! the state it comes to: a change that a crash interrupted is made again, and nothing is told twice.

use std::collections::HashMap;

use metastore::{AlarmEvent, Evaluation, MetastoreError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::alarms::Alarm;
use crate::Services;
use crate::alerting::{Destination, NewDelivery, OutboxError, Payload, ToldDelivery};
use crate::limits::ALARM_EVENTS_KEPT;

/// The evaluator under which states are kept.
pub const ALARMS: &str = "cloudwatch.alarms";

/// What is remembered of alarms from one look to the next.
#[derive(Default)]
pub struct AlarmsState(Mutex<HashMap<String, i64>>);

impl AlarmsState {
    /// Whether an alarm is to be looked at again: once for each time up to which its data reach.
    pub fn is_new(&self, alarm: &str, up_to: i64) -> bool {
        self.0.lock().insert(alarm.to_owned(), up_to) != Some(up_to)
    }

    /// Has an alarm looked at again.
    pub fn forget(&self, alarm: &str) {
        self.0.lock().remove(alarm);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateValue {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl StateValue {
    pub const ALL: [StateValue; 3] = [StateValue::Ok, StateValue::Alarm, StateValue::InsufficientData];

    pub fn as_str(self) -> &'static str {
        match self {
            StateValue::Ok => "OK",
            StateValue::Alarm => "ALARM",
            StateValue::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// One of the three words, which the model has checked.
    pub fn parse(text: &str) -> StateValue {
        StateValue::ALL.into_iter().find(|state| state.as_str() == text).unwrap_or(StateValue::InsufficientData)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmState {
    pub value: StateValue,
    pub reason: String,
    /// JSON, or nothing.
    pub reason_data: String,
    /// When it got this state.
    pub since_unix_nano: i64,
    /// When state or reason last changed.
    pub updated_at_unix_nano: i64,
    /// Of a log alarm: results of its query, the newest first, with the times when it was asked.
    #[serde(default)]
    pub results: Vec<(i64, Option<f64>)>,
}

/// Why a change of state could not be made; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

pub fn seconds(unix_nano: i64) -> f64 {
    (unix_nano / 1_000_000) as f64 / 1e3
}

impl AlarmState {
    pub fn initial(now_unix_nano: i64) -> AlarmState {
        AlarmState {
            value: StateValue::InsufficientData,
            reason: "Unchecked: Initial alarm creation".to_owned(),
            reason_data: String::new(),
            since_unix_nano: now_unix_nano,
            updated_at_unix_nano: now_unix_nano,
            results: Vec::new(),
        }
    }

    pub async fn read(services: &Services, alarm: &str) -> Result<AlarmState, MetastoreError> {
        let found = services.metastore.evaluation(&services.settings.project, ALARMS, alarm).await?;
        let read = found.and_then(|found| serde_json::from_str(&found.state).ok());
        Ok(read.unwrap_or_else(|| AlarmState::initial(0)))
    }

    pub async fn write(&self, services: &Services, alarm: &str) -> Result<(), MetastoreError> {
        let state = serde_json::to_string(self).unwrap_or_default();
        let evaluation = Evaluation { subject: alarm.to_owned(), state, evaluated_at_unix_nano: self.updated_at_unix_nano };
        services.metastore.put_evaluation(&services.settings.project, ALARMS, &evaluation).await
    }

    /// Makes `after` the state of the alarm; what else comes of it if that is another one than before.
    pub async fn become_(
        &self,
        after: AlarmState,
        alarm: &Alarm,
        services: &Services,
        now_unix_nano: i64,
    ) -> Result<(), StateError> {
        let changes = after.value != self.value;
        let since = if changes { now_unix_nano } else { self.since_unix_nano };
        let after = AlarmState { since_unix_nano: since, updated_at_unix_nano: now_unix_nano, ..after };
        if !changes {
            return Ok(after.write(services, &alarm.name).await?);
        }
        let mut events = vec![event(alarm, now_unix_nano, "StateUpdate", self.change_summary(&after), &self.change_data(&after))];
        events.extend(self.act(&after, alarm, services, now_unix_nano).await?);
        after.write(services, &alarm.name).await?;
        services.metastore.add_alarm_events(&services.settings.project, &events, ALARM_EVENTS_KEPT).await?;
        tracing::info!(alarm = alarm.name, from = self.value.as_str(), to = after.value.as_str(), "an alarm changed");
        Ok(())
    }

    /// Tells the actions of a state as if the alarm had just come to it, once and now, and tells what came of each.
    pub async fn try_actions(
        &self,
        value: StateValue,
        alarm: &Alarm,
        services: &Services,
        now: i64,
    ) -> Result<Vec<ToldDelivery>, OutboxError> {
        let after = AlarmState { value, reason: "This is a test: nothing has changed.".to_owned(), ..self.clone() };
        let mut told = Vec::new();
        for action in alarm.actions(value) {
            let Some(destination) = destination(action) else { continue };
            let payload = match &destination {
                Destination::Email { .. } => self.mail(&after, alarm, now),
                Destination::Http { .. } => self.notification(&after, alarm, services, action, now),
            };
            told.push(services.outbox.test(destination, payload).await?);
        }
        Ok(told)
    }

    fn change_summary(&self, after: &AlarmState) -> String {
        format!("Alarm updated from {} to {}", self.value.as_str(), after.value.as_str())
    }

    fn change_data(&self, after: &AlarmState) -> Value {
        let told = |state: &AlarmState| {
            let data: Value = serde_json::from_str(&state.reason_data).unwrap_or(Value::Null);
            let mut out = json!({ "stateValue": state.value.as_str(), "stateReason": state.reason });
            if !data.is_null() {
                out["stateReasonData"] = data;
            }
            out
        };
        json!({ "version": "1.0", "oldState": told(self), "newState": told(after) })
    }

    async fn act(&self, after: &AlarmState, alarm: &Alarm, services: &Services, now: i64) -> Result<Vec<AlarmEvent>, StateError> {
        let mut events = Vec::new();
        if !alarm.actions_enabled() {
            return Ok(events);
        }
        for (index, action) in alarm.actions(after.value).into_iter().enumerate() {
            let told = |summary: String, succeeded: bool| {
                let state = if succeeded { "Succeeded" } else { "Failed" };
                let data =
                    json!({ "actionState": state, "stateUpdateTimestamp": now / 1_000_000, "notificationResource": action });
                event(alarm, now, "Action", summary, &data)
            };
            let (destination, payload) = match destination(action) {
                Some(Destination::Email { to }) => (Destination::Email { to }, self.mail(after, alarm, now)),
                Some(destination) => (destination, self.notification(after, alarm, services, action, now)),
                None => {
                    let why = "nothing here is called that: an action is an http or https address, or mailto:";
                    events.push(told(format!("Failed to execute action {action}: {why}"), false));
                    continue;
                }
            };
            let delivery = NewDelivery {
                origin: format!("cloudwatch.alarm:{}", alarm.name),
                dedupe_key: format!("{}:{}:{index}", self.since_unix_nano, after.value.as_str()),
                destination,
                payload,
            };
            services.outbox.send(delivery).await?;
            events.push(told(format!("Successfully executed action {action}"), true));
        }
        Ok(events)
    }

    fn mail(&self, after: &AlarmState, alarm: &Alarm, now: i64) -> Payload {
        let text = format!(
            "{}\n\nAlarm: {}\n{}State: {} -> {}\nTime: {}\n",
            after.reason,
            alarm.name,
            match alarm.text("AlarmDescription") {
                "" => String::new(),
                description => format!("Description: {description}\n"),
            },
            self.value.as_str(),
            after.value.as_str(),
            jiff::Timestamp::from_nanosecond(now.into()).unwrap_or_default(),
        );
        Payload::mail(format!("{}: \"{}\"", after.value.as_str(), alarm.name), text)
    }

    /// As SNS would post it to a subscriber over HTTP.
    fn notification(&self, after: &AlarmState, alarm: &Alarm, services: &Services, action: &str, now: i64) -> Payload {
        let account_id = &services.settings.account_id;
        let region = alarm.region();
        let time = |nanos: i64| {
            let millis = jiff::Timestamp::from_millisecond(nanos / 1_000_000).unwrap_or_default();
            millis.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
        };
        let member = |name: &str| alarm.get(name).clone();
        let list = |name: &str| match alarm.get(name) {
            Value::Null => json!([]),
            list => list.clone(),
        };
        let dimensions: Vec<Value> = alarm
            .get("Dimensions")
            .as_array()
            .into_iter()
            .flatten()
            .map(|pair| json!({ "value": pair["Value"], "name": pair["Name"] }))
            .collect();
        let message = json!({
            "AlarmName": alarm.name,
            "AlarmDescription": member("AlarmDescription"),
            "AWSAccountId": account_id,
            "AlarmConfigurationUpdatedTimestamp": time(alarm.changed_at_unix_nano) + "+0000",
            "NewStateValue": after.value.as_str(),
            "NewStateReason": after.reason,
            "StateChangeTime": time(now) + "+0000",
            "Region": region,
            "AlarmArn": alarm.arn(account_id),
            "OldStateValue": self.value.as_str(),
            "OKActions": list("OKActions"),
            "AlarmActions": list("AlarmActions"),
            "InsufficientDataActions": list("InsufficientDataActions"),
            "AlarmRule": member("AlarmRule"),
            "Trigger": {
                "MetricName": member("MetricName"),
                "Namespace": member("Namespace"),
                "StatisticType": if alarm.text("ExtendedStatistic").is_empty() { "Statistic" } else { "ExtendedStatistic" },
                "Statistic": alarm.text("Statistic").to_uppercase(),
                "ExtendedStatistic": member("ExtendedStatistic"),
                "Unit": member("Unit"),
                "Dimensions": dimensions,
                "Metrics": member("Metrics"),
                "Period": member("Period"),
                "EvaluationPeriods": member("EvaluationPeriods"),
                "DatapointsToAlarm": member("DatapointsToAlarm"),
                "ComparisonOperator": member("ComparisonOperator"),
                "Threshold": member("Threshold"),
                "TreatMissingData": member("TreatMissingData"),
                "EvaluateLowSampleCountPercentile": alarm.text("EvaluateLowSampleCountPercentile"),
            },
        });
        Payload::json(json!({
            "Type": "Notification",
            "MessageId": uuid::Uuid::new_v4().to_string(),
            "TopicArn": action,
            "Subject": format!("{}: \"{}\" in {region}", after.value.as_str(), alarm.name),
            "Message": message.to_string(),
            "Timestamp": time(now) + "Z",
        }))
    }
}

fn event(alarm: &Alarm, at_unix_nano: i64, kind: &str, summary: String, data: &Value) -> AlarmEvent {
    AlarmEvent { id: 0, alarm: alarm.name.clone(), at_unix_nano, kind: kind.to_owned(), summary, data: data.to_string() }
}

fn destination(action: &str) -> Option<Destination> {
    if let Some(address) = action.strip_prefix("mailto:") {
        return Some(Destination::Email { to: address.split(',').map(|each| each.trim().to_owned()).collect() });
    }
    let is_address = action.starts_with("http://") || action.starts_with("https://");
    let headers = [("x-amz-sns-message-type".to_owned(), "Notification".to_owned())].into();
    is_address.then(|| Destination::Http { url: action.to_owned(), headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_addresses() {
        assert!(matches!(destination("https://hooks.test/a"), Some(Destination::Http { .. })));
        assert_eq!(
            destination("mailto:a@x.test, b@x.test"),
            Some(Destination::Email { to: vec!["a@x.test".into(), "b@x.test".into()] })
        );
        assert_eq!(destination("arn:aws:sns:us-east-1:1:topic"), None);
    }

    #[test]
    fn each_time_is_looked_at_once() {
        let seen = AlarmsState::default();
        assert_eq!(
            [seen.is_new("a", 1), seen.is_new("a", 1), seen.is_new("b", 1), seen.is_new("a", 2)],
            [true, false, true, true]
        );
        seen.forget("a");
        assert!(seen.is_new("a", 2));
    }
}
