//! Alarms: put, told, switched on and off, removed. How they are judged is in `alarm_judge`, when in `alarm_evaluator`.
//!
//! Missing: anomaly bands, PromQL, warm-up, evaluation windows and intervals are kept and given back, not acted upon
//! Quirks:  an action is an `http://` or `https://` address, or `mailto:` with one; ARNs are kept, and their actions told to fail

use metastore::{AlarmEvent, MetastoreError, ResourceKind, ResourcesMax};
use receivers::aws::AwsError;
use receivers::cloudwatch::tokens::PageToken;
use serde_json::{Map, Value, json};

use super::alarm_judge::Condition;
use super::alarm_state::{ALARMS, AlarmState, StateValue, seconds};
use super::{Answer, MetricsApi, combination, invalid_token, metastore_error, missing, unavailable, validation};
use crate::Services;
use crate::limits::{ALARM_EVENTS_KEPT, ALARMS_MAX};

pub const ALARM: ResourceKind = ResourceKind { name: "cloudwatch.alarm", what: "alarm" };

/// Alarms of one page, where the request does not say.
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 100;

/// What is kept of a request.
pub const MEMBERS: [&str; 29] = [
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "MetricName",
    "Namespace",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "ThresholdMetricId",
    "AlarmRule",
    "ActionsSuppressor",
    "ActionsSuppressorWaitPeriod",
    "ActionsSuppressorExtensionPeriod",
    "ScheduledQueryConfiguration",
    "QueryResultsToEvaluate",
    "QueryResultsToAlarm",
    "ActionLogLineCount",
    "ActionLogLineRoleArn",
];

/// The member of a kept document that holds what is ours: which kind of alarm it is, and its region.
const OURS: &str = "cupola";

/// An alarm as it is kept.
#[derive(Clone, Debug)]
pub struct Alarm {
    pub name: String,
    pub document: Map<String, Value>,
    pub created_at_unix_nano: i64,
    pub changed_at_unix_nano: i64,
}

/// What an alarm looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    Metric,
    Composite,
    Log,
}

impl AlarmKind {
    pub fn as_str(self) -> &'static str {
        match self {
            AlarmKind::Metric => "metric",
            AlarmKind::Composite => "composite",
            AlarmKind::Log => "log",
        }
    }
}

impl Alarm {
    pub fn get(&self, member: &str) -> &Value {
        self.document.get(member).unwrap_or(&Value::Null)
    }

    pub fn text(&self, member: &str) -> &str {
        self.get(member).as_str().unwrap_or_default()
    }

    pub fn kind(&self) -> AlarmKind {
        match self.get(OURS)["kind"].as_str() {
            Some("composite") => AlarmKind::Composite,
            Some("log") => AlarmKind::Log,
            _ => AlarmKind::Metric,
        }
    }

    pub fn region(&self) -> &str {
        self.get(OURS)["region"].as_str().unwrap_or_default()
    }

    pub fn arn(&self, account_id: &str) -> String {
        format!("arn:aws:cloudwatch:{}:{account_id}:alarm:{}", self.region(), self.name)
    }

    pub fn actions_enabled(&self) -> bool {
        self.get("ActionsEnabled").as_bool().unwrap_or(true)
    }

    /// The actions of a transition to a state.
    pub fn actions(&self, state: StateValue) -> Vec<&str> {
        let member = match state {
            StateValue::Ok => "OKActions",
            StateValue::Alarm => "AlarmActions",
            StateValue::InsufficientData => "InsufficientDataActions",
        };
        self.get(member).as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// In a few words, e.g. `p95 of Latency (Shop) > 500 for 3 of 5 periods of 1 min`.
    pub fn condition(&self) -> String {
        let condition = Condition::read(&self.document).map(|condition| condition.words()).unwrap_or_default();
        let what = match self.kind() {
            AlarmKind::Composite => return self.text("AlarmRule").to_owned(),
            AlarmKind::Log => {
                self.get("ScheduledQueryConfiguration")["AggregationExpression"].as_str().unwrap_or_default().to_owned()
            }
            AlarmKind::Metric => match self.get("Metrics").as_array() {
                None => {
                    let statistic = [self.text("Statistic"), self.text("ExtendedStatistic")].concat();
                    format!("{statistic} of {} ({})", self.text("MetricName"), self.text("Namespace"))
                }
                Some(queries) => {
                    let returned = queries.iter().find(|query| query["ReturnData"].as_bool().unwrap_or(true));
                    let of = |member: &str| returned.and_then(|query| query[member].as_str());
                    of("Label").or_else(|| of("Expression")).or_else(|| of("Id")).unwrap_or_default().to_owned()
                }
            },
        };
        format!("{what} {condition}")
    }

    fn told(&self, state: &AlarmState, account_id: &str) -> Value {
        let mut told: Map<String, Value> = self.document.clone();
        told.remove(OURS);
        told.insert("AlarmName".into(), self.name.as_str().into());
        told.insert("AlarmArn".into(), self.arn(account_id).into());
        told.insert("AlarmConfigurationUpdatedTimestamp".into(), seconds(self.changed_at_unix_nano).into());
        told.insert("ActionsEnabled".into(), self.actions_enabled().into());
        for member in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
            told.entry(member).or_insert_with(|| json!([]));
        }
        if self.kind() == AlarmKind::Metric && !told.contains_key("Metrics") {
            told.entry("Dimensions").or_insert_with(|| json!([]));
        }
        told.insert("StateValue".into(), state.value.as_str().into());
        told.insert("StateReason".into(), state.reason.as_str().into());
        if !state.reason_data.is_empty() {
            told.insert("StateReasonData".into(), state.reason_data.as_str().into());
        }
        told.insert("StateUpdatedTimestamp".into(), seconds(state.updated_at_unix_nano).into());
        told.insert("StateTransitionedTimestamp".into(), seconds(state.since_unix_nano).into());
        Value::Object(told)
    }
}

/// All alarms in the order of their names.
pub async fn alarms(services: &Services) -> Result<Vec<Alarm>, MetastoreError> {
    let found = services.metastore.resources(&services.settings.project, ALARM, Some("")).await?;
    found
        .into_iter()
        .map(|resource| {
            let document = serde_json::from_str(&resource.document)
                .map_err(|_| MetastoreError::Unreadable { what: "alarm", found: resource.name.clone() })?;
            Ok(Alarm {
                name: resource.name,
                document,
                created_at_unix_nano: resource.created_at_unix_nano,
                changed_at_unix_nano: resource.changed_at_unix_nano,
            })
        })
        .collect()
}

/// Keeps an alarm, new or changed. One that is new waits for data.
pub async fn keep(services: &Services, name: &str, document: &Map<String, Value>, now: i64) -> Result<(), MetastoreError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    let is_new = metastore.resource(project, ALARM, "", name).await?.is_none();
    let text = Value::Object(document.clone()).to_string();
    metastore.put_resource(project, ALARM, "", name, &text, ResourcesMax::OfKind(ALARMS_MAX), now).await?;
    if is_new {
        AlarmState::initial(now).write(services, name).await?;
    }
    services.alarms.forget(name);
    note(services, name, if is_new { "Create" } else { "Update" }, now).await
}

/// One of our own making, on a metric, after the checks of PutMetricAlarm.
pub async fn keep_metric_alarm(
    services: &Services,
    name: &str,
    mut document: Map<String, Value>,
    now: i64,
) -> Result<Result<(), MetastoreError>, AwsError> {
    Condition::read(&document)?;
    let region = services.settings.region.as_str();
    document.insert(OURS.to_owned(), json!({ "kind": AlarmKind::Metric.as_str(), "region": region }));
    Ok(keep(services, name, &document, now).await)
}

pub async fn switch_actions(services: &Services, alarm: Alarm, enabled: bool, now: i64) -> Result<(), MetastoreError> {
    let mut document = alarm.document;
    document.insert("ActionsEnabled".into(), enabled.into());
    keep(services, &alarm.name, &document, now).await
}

/// Removes an alarm that is there; its history stays.
pub async fn remove(services: &Services, name: &str, now: i64) -> Result<(), MetastoreError> {
    let (metastore, project) = (&services.metastore, &services.settings.project);
    metastore.delete_resource(project, ALARM, "", name).await?;
    metastore.delete_evaluation(project, ALARMS, name).await?;
    services.alarms.forget(name);
    note(services, name, "Delete", now).await?;
    metastore.delete_all_tags(project, &tag_owner(name)).await
}

/// Notes in an alarm's history that it was made, changed or removed.
async fn note(services: &Services, alarm: &str, what: &str, now: i64) -> Result<(), MetastoreError> {
    let event = AlarmEvent {
        id: 0,
        alarm: alarm.to_owned(),
        at_unix_nano: now,
        kind: "ConfigurationUpdate".to_owned(),
        summary: format!("Alarm \"{alarm}\" {}d", what.to_lowercase()),
        data: json!({ "version": "1.0", "type": what }).to_string(),
    };
    services.metastore.add_alarm_events(&services.settings.project, &[event], ALARM_EVENTS_KEPT).await
}

impl MetricsApi<'_> {
    pub(super) async fn put_metric_alarm(&self) -> Answer {
        let document = self.input.only(&MEMBERS);
        if self.input.has("EvaluationCriteria") {
            return Err(validation("Alarms on PromQL are not answered here yet."));
        }
        let has_metrics = document.contains_key("Metrics");
        if has_metrics == document.contains_key("MetricName") {
            return Err(validation("Exactly one of MetricName and Metrics is required."));
        }
        if !has_metrics {
            for member in ["Namespace", "Period"] {
                if !document.contains_key(member) {
                    return Err(missing(format!("The parameter {member} is required.")));
                }
            }
            if document.contains_key("Statistic") == document.contains_key("ExtendedStatistic") {
                return Err(combination("Exactly one of Statistic and ExtendedStatistic is required."));
            }
        }
        Condition::read(&document)?;
        self.put_alarm(AlarmKind::Metric, document).await
    }

    pub(super) async fn put_composite_alarm(&self) -> Answer {
        let rule = self.input.required("AlarmRule");
        languages::alarm_rule::parse(rule).map_err(|error| validation(format!("AlarmRule: {error}")))?;
        self.put_alarm(AlarmKind::Composite, self.input.only(&MEMBERS)).await
    }

    pub(super) async fn put_alarm(&self, kind: AlarmKind, mut document: Map<String, Value>) -> Answer {
        let name = self.input.required("AlarmName");
        document.insert(OURS.to_owned(), json!({ "kind": kind.as_str(), "region": self.call.region }));
        keep(self.services, name, &document, self.call.received_at_unix_nano).await.map_err(metastore_error)?;
        let tags = self.input.list("Tags").iter();
        let tags: Vec<(String, String)> =
            tags.filter_map(|tag| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned()))).collect();
        self.put_tags(&tag_owner(name), tags).await?;
        Ok(json!({}))
    }

    pub(super) async fn describe_alarms(&self) -> Answer {
        let names = self.input.texts("AlarmNames");
        let (prefix, action) = (self.input.text("AlarmNamePrefix"), self.input.text("ActionPrefix"));
        if prefix.is_some() && !names.is_empty() {
            return Err(combination("AlarmNamePrefix and AlarmNames cannot both be given."));
        }
        let state = self.input.text("StateValue");
        let kinds = self.input.texts("AlarmTypes");
        let is_asked_for = |kind: AlarmKind| match kind {
            AlarmKind::Metric => kinds.is_empty() || kinds.contains(&"MetricAlarm"),
            AlarmKind::Composite => kinds.contains(&"CompositeAlarm") || !names.is_empty(),
            AlarmKind::Log => kinds.is_empty() || kinds.contains(&"LogAlarm"),
        };
        let question = format!("{names:?} {prefix:?} {action:?} {state:?} {kinds:?}");
        let question = ["DescribeAlarms", question.as_str()];
        let after = match self.input.text("NextToken") {
            None => None,
            Some(token) => Some(PageToken::decode(token, &question).map_err(|_| invalid_token())?.after),
        };
        let limit = self.input.integer("MaxRecords").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_DEFAULT);
        let limit = limit.clamp(1, PAGE_MAX);
        let (mut metric, mut composite, mut log, mut last, mut more) = (Vec::new(), Vec::new(), Vec::new(), String::new(), false);
        for alarm in self.all_alarms().await? {
            let is_meant = after.as_ref().is_none_or(|after| alarm.name > *after)
                && (names.is_empty() || names.contains(&alarm.name.as_str()))
                && prefix.is_none_or(|prefix| alarm.name.starts_with(prefix))
                && is_asked_for(alarm.kind())
                && action.is_none_or(|action| {
                    let all = StateValue::ALL.into_iter().flat_map(|state| alarm.actions(state));
                    all.into_iter().any(|each| each.starts_with(action))
                });
            if !is_meant {
                continue;
            }
            let now = AlarmState::read(self.services, &alarm.name).await.map_err(metastore_error)?;
            if state.is_some_and(|state| state != now.value.as_str()) {
                continue;
            }
            if metric.len() + composite.len() + log.len() == limit {
                more = true;
                break;
            }
            last.clone_from(&alarm.name);
            let told = alarm.told(&now, &self.services.settings.account_id);
            match alarm.kind() {
                AlarmKind::Metric => metric.push(told),
                AlarmKind::Composite => composite.push(told),
                AlarmKind::Log => log.push(told),
            }
        }
        let mut answer = json!({ "MetricAlarms": metric, "CompositeAlarms": composite, "LogAlarms": log });
        if more {
            answer["NextToken"] = PageToken::new(last.as_str(), &question).encode().into();
        }
        Ok(answer)
    }

    async fn all_alarms(&self) -> Result<Vec<Alarm>, AwsError> {
        alarms(self.services).await.map_err(metastore_error)
    }

    pub(super) async fn describe_alarms_for_metric(&self) -> Answer {
        let same = |alarm: &Alarm, member: &str| match self.input.get(member) {
            None => true,
            Some(wanted) => alarm.get(member) == wanted,
        };
        let metric = super::statistics::metric_of(&Value::Object(self.input.only(&["Namespace", "MetricName", "Dimensions"])));
        let mut told = Vec::new();
        for alarm in self.all_alarms().await? {
            let is_meant = alarm.kind() == AlarmKind::Metric
                && !alarm.document.contains_key("Metrics")
                && super::statistics::metric_of(&Value::Object(alarm.document.clone())) == metric
                && ["Statistic", "ExtendedStatistic", "Period", "Unit"].iter().all(|member| same(&alarm, member));
            if is_meant {
                let state = AlarmState::read(self.services, &alarm.name).await.map_err(metastore_error)?;
                told.push(alarm.told(&state, &self.services.settings.account_id));
            }
        }
        Ok(json!({ "MetricAlarms": told }))
    }

    pub(super) async fn describe_alarm_history(&self) -> Answer {
        let (alarm, kind) = (self.input.text("AlarmName"), self.input.text("HistoryItemType"));
        let (start, end) = (self.time("StartDate"), self.time("EndDate"));
        let ascends = self.input.text("ScanBy") == Some("TimestampAscending");
        let question = format!("{alarm:?} {kind:?} {start:?} {end:?} {ascends}");
        let question = ["DescribeAlarmHistory", question.as_str()];
        let skipped: usize = match self.input.text("NextToken") {
            None => 0,
            Some(token) => {
                let token = PageToken::decode(token, &question).map_err(|_| invalid_token())?;
                token.after.parse().map_err(|_| invalid_token())?
            }
        };
        let limit = self.input.integer("MaxRecords").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX);
        let limit = limit.clamp(1, PAGE_MAX);
        let found =
            self.services.metastore.alarm_events(self.project, alarm, ALARM_EVENTS_KEPT).await.map_err(metastore_error)?;
        let mut found: Vec<AlarmEvent> = found
            .into_iter()
            .filter(|event| kind.is_none_or(|kind| event.kind == kind))
            .filter(|event| {
                start.is_none_or(|start| event.at_unix_nano >= start) && end.is_none_or(|end| event.at_unix_nano <= end)
            })
            .collect();
        if ascends {
            found.reverse();
        }
        let more = found.len() > skipped + limit;
        let items: Vec<Value> = found
            .into_iter()
            .skip(skipped)
            .take(limit)
            .map(|event| {
                json!({
                    "AlarmName": event.alarm,
                    "AlarmType": "MetricAlarm",
                    "Timestamp": seconds(event.at_unix_nano),
                    "HistoryItemType": event.kind,
                    "HistorySummary": event.summary,
                    "HistoryData": event.data,
                })
            })
            .collect();
        let mut answer = json!({ "AlarmHistoryItems": items });
        if more {
            answer["NextToken"] = PageToken::new((skipped + limit).to_string().as_str(), &question).encode().into();
        }
        Ok(answer)
    }

    pub(super) async fn set_alarm_state(&self) -> Answer {
        let name = self.input.required("AlarmName");
        let alarm = self.all_alarms().await?.into_iter().find(|alarm| alarm.name == name);
        let Some(alarm) = alarm else {
            return Err(AwsError::new("ResourceNotFound", "The alarm does not exist.").with_status(http::StatusCode::NOT_FOUND));
        };
        let value = StateValue::parse(self.input.required("StateValue"));
        let before = AlarmState::read(self.services, name).await.map_err(metastore_error)?;
        let after = AlarmState {
            value,
            reason: self.input.required("StateReason").to_owned(),
            reason_data: self.input.text("StateReasonData").unwrap_or_default().to_owned(),
            ..before.clone()
        };
        let now = self.call.received_at_unix_nano;
        before.become_(after, &alarm, self.services, now).await.map_err(unavailable)?;
        Ok(json!({}))
    }

    pub(super) async fn switch_alarm_actions(&self, enabled: bool) -> Answer {
        let names = self.input.texts("AlarmNames");
        for alarm in self.all_alarms().await?.into_iter().filter(|alarm| names.contains(&alarm.name.as_str())) {
            switch_actions(self.services, alarm, enabled, self.call.received_at_unix_nano).await.map_err(metastore_error)?;
        }
        Ok(json!({}))
    }

    pub(super) async fn delete_alarms(&self) -> Answer {
        let known = self.all_alarms().await?;
        let names: Vec<&str> = self.input.texts("AlarmNames");
        if names.iter().any(|name| known.iter().all(|alarm| alarm.name != *name)) {
            let error = AwsError::new("ResourceNotFound", "One or more of the alarms do not exist.");
            return Err(error.with_status(http::StatusCode::NOT_FOUND));
        }
        for name in names {
            remove(self.services, name, self.call.received_at_unix_nano).await.map_err(metastore_error)?;
        }
        Ok(json!({}))
    }
}

/// What the tags of an alarm are kept under.
pub fn tag_owner(alarm: &str) -> String {
    format!("cloudwatch:alarm:{alarm}")
}
