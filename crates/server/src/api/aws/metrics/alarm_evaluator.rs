//! Looks at all alarms every few seconds: at those on metrics when one of their periods is over, at composite ones always.

use std::time::Duration;

use async_trait::async_trait;
use languages::alarm_rule::{self, State};
use languages::metric_math::{Series, Statistic, Value as MathValue};
use receivers::aws::AwsError;
use serde_json::{Value, json};

use super::alarm_judge::Condition;
use super::alarm_state::{ALARMS, AlarmState, StateValue};
use super::alarms::{Alarm, AlarmKind, alarms};
use super::metric_data::{Query, evaluate, period_of_queries, read_queries};
use super::statistics::{Question, metric_of, series};
use super::{engine_error, log_alarms};
use crate::Services;
use crate::alerting::{EvaluationError, Evaluator};
use crate::limits::{ALARM_LOOK, ALARM_SETTLE_SECONDS};

pub struct AlarmEvaluator;

#[async_trait]
impl Evaluator for AlarmEvaluator {
    fn name(&self) -> &'static str {
        ALARMS
    }

    fn every(&self) -> Duration {
        ALARM_LOOK
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        let all = alarms(services).await?;
        let (composite, others): (Vec<&Alarm>, Vec<&Alarm>) = all.iter().partition(|alarm| alarm.kind() == AlarmKind::Composite);
        for alarm in others {
            let looked = match alarm.kind() {
                AlarmKind::Log => log_alarms::look(alarm, services, now_unix_nano).await,
                _ => look(alarm, services, now_unix_nano).await,
            };
            // One alarm that cannot be judged keeps its state, and the others are looked at all the same.
            if let Err(error) = looked {
                services.alarms.forget(&alarm.name);
                tracing::warn!(alarm = alarm.name, %error, "an alarm cannot be judged");
            }
        }
        for alarm in composite {
            look_composite(alarm, &all, services, now_unix_nano).await?;
        }
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> EvaluationError {
    EvaluationError::Other(error.to_string())
}

async fn look(alarm: &Alarm, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
    let condition = Condition::read(&alarm.document).map_err(failed)?;
    let queries = match alarm.get("Metrics").as_array() {
        Some(metrics) => Some(read_queries(metrics).map_err(failed)?),
        None => None,
    };
    let period = queries.as_deref().map_or(condition.period_seconds, period_of_queries);
    // Only periods that are over count, and what was sent at their end has a moment to arrive.
    let end = (now_unix_nano / 1_000_000_000 - ALARM_SETTLE_SECONDS).div_euclid(period) * period;
    if !services.alarms.is_new(&alarm.name, end) {
        return Ok(());
    }
    let start = end - condition.periods_seen() * period;
    let found = values(alarm, queries.as_deref(), services, start, end, period).await.map_err(failed)?;
    let periods: Vec<(i64, Option<f64>)> =
        (1..=condition.periods_seen()).map(|age| end - age * period).map(|at| (at, found.points.get(&at).copied())).collect();
    judge(alarm, &condition, &periods, period, services, now_unix_nano).await
}

async fn values(
    alarm: &Alarm,
    queries: Option<&[Query]>,
    services: &Services,
    start: i64,
    end: i64,
    period: i64,
) -> Result<Series, AwsError> {
    let Some(queries) = queries else {
        let name = [alarm.text("Statistic"), alarm.text("ExtendedStatistic")].concat();
        let statistic = Statistic::parse(&name).ok_or_else(|| super::validation(format!("{name} is not a statistic")))?;
        let unit = Some(alarm.text("Unit")).filter(|unit| !unit.is_empty());
        let question = Question { unit, start_seconds: start, end_seconds: end, period_seconds: period };
        let metric = metric_of(&Value::Object(alarm.document.clone()));
        return series(services, &metric, &question, statistic).await.map_err(engine_error);
    };
    let values = evaluate(services, queries, start, end).await?;
    let returned = queries.iter().zip(values).find(|(query, _)| query.is_returned());
    Ok(match returned {
        Some((_, MathValue::Series(series))) => series,
        Some((_, MathValue::List(list))) => list.into_iter().next().map(|named| named.series).unwrap_or_default(),
        _ => Series::default(),
    })
}

/// Judges values, the newest first, and makes what they say the alarm's state.
pub async fn judge(
    alarm: &Alarm,
    condition: &Condition,
    periods: &[(i64, Option<f64>)],
    period: i64,
    services: &Services,
    now_unix_nano: i64,
) -> Result<(), EvaluationError> {
    let verdict = condition.judge(periods);
    let before = AlarmState::read(services, &alarm.name).await?;
    let results = if alarm.kind() == AlarmKind::Log { periods.to_vec() } else { Vec::new() };
    let (Some(value), changes) = (verdict.state, verdict.state != Some(before.value)) else {
        return keep_results(before, results, alarm, services).await;
    };
    if !changes {
        return keep_results(before, results, alarm, services).await;
    }
    let time = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string()
    };
    let statistic = [alarm.text("Statistic"), alarm.text("ExtendedStatistic")].concat();
    let reason_data = json!({
        "version": "1.0",
        "queryDate": time(now_unix_nano / 1_000_000_000),
        "startDate": periods.last().map(|(at, _)| time(*at)),
        "statistic": statistic,
        "period": period,
        "recentDatapoints": verdict.evaluated.iter().rev().map(|(_, value)| *value).collect::<Vec<_>>(),
        "threshold": condition.threshold,
        "evaluatedDatapoints": verdict.evaluated.iter().map(|(at, value)| json!({ "timestamp": time(*at), "value": value })).collect::<Vec<_>>(),
    });
    let after = AlarmState { value, reason: verdict.reason, reason_data: reason_data.to_string(), results, ..before.clone() };
    before.become_(after, alarm, services, now_unix_nano).await.map_err(failed)
}

/// Notes what a log alarm's query gave, also when nothing else comes of it.
async fn keep_results(
    before: AlarmState,
    results: Vec<(i64, Option<f64>)>,
    alarm: &Alarm,
    services: &Services,
) -> Result<(), EvaluationError> {
    if !results.is_empty() {
        AlarmState { results, ..before }.write(services, &alarm.name).await?;
    }
    Ok(())
}

async fn look_composite(alarm: &Alarm, all: &[Alarm], services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
    let rule = alarm_rule::parse(alarm.text("AlarmRule")).map_err(failed)?;
    let mut states = Vec::new();
    for other in all {
        states.push((other.name.clone(), AlarmState::read(services, &other.name).await?.value));
    }
    let is = |state: State, name: &str| {
        let name = name.split_once(":alarm:").map_or(name, |(_, name)| name);
        let wanted = match state {
            State::Alarm => StateValue::Alarm,
            State::Ok => StateValue::Ok,
            State::InsufficientData => StateValue::InsufficientData,
        };
        states.iter().any(|(known, value)| known == name && *value == wanted)
    };
    let value = if rule.holds(&is) { StateValue::Alarm } else { StateValue::Ok };
    let before = AlarmState::read(services, &alarm.name).await?;
    if value == before.value {
        return Ok(());
    }
    let reason =
        format!("{} transitioned to {} because its rule {rule} is {}", alarm.name, value.as_str(), value == StateValue::Alarm);
    let after = AlarmState { value, reason, reason_data: String::new(), ..before.clone() };
    before.become_(after, alarm, services, now_unix_nano).await.map_err(failed)
}
