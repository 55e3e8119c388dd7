//! Alarms on what a Logs Insights query finds: asked on a schedule, judged like values of a metric.
//!
//! Missing: log lines in notifications, contributors
//! Quirks:  the aggregation is put behind the query as its last `stats`; of several rows the one that breaches most counts

use engine::ask::insights::{self, InsightsQuestion, PipeLanguage};
use serde_json::Value;
use store::TimeRange;

use super::alarm_evaluator::judge;
use super::alarm_judge::Condition;
use super::alarm_state::AlarmState;
use super::alarms::{Alarm, AlarmKind, MEMBERS};
use super::{Answer, MetricsApi, validation};
use crate::Services;
use crate::alerting::EvaluationError;
use crate::api::aws::logs_page::insights_question;
use crate::api::aws::schedule::Schedule;

/// Rows of one answer that are looked at.
const ROWS_MAX: usize = 500;

/// How far back a query looks, where it does not say.
const SPAN_DEFAULT_SECONDS: i64 = 300;

impl MetricsApi<'_> {
    pub(super) async fn put_log_alarm(&self) -> Answer {
        let document = self.input.only(&MEMBERS);
        Condition::read(&document)?;
        let query = &document["ScheduledQueryConfiguration"];
        let schedule = query["ScheduleConfiguration"]["ScheduleExpression"].as_str().unwrap_or_default();
        if Schedule::parse(schedule).is_none() {
            return Err(validation(format!("The value {schedule} for parameter ScheduleExpression cannot be read.")));
        }
        insights::check(PipeLanguage::Insights, &query_text(query))
            .map_err(|error| validation(format!("QueryString: {}", error.message)))?;
        self.put_alarm(AlarmKind::Log, document).await
    }
}

fn query_text(query: &Value) -> String {
    let text = |member: &str| query[member].as_str().unwrap_or_default().trim();
    let stats = text("AggregationExpression");
    let stats = if stats.starts_with("stats ") { stats.to_owned() } else { format!("stats {stats}") };
    match text("QueryString") {
        "" => stats,
        own => format!("{own}\n| {stats}"),
    }
}

pub async fn look(alarm: &Alarm, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
    let failed = |error: &dyn std::fmt::Display| EvaluationError::Other(error.to_string());
    let query = alarm.get("ScheduledQueryConfiguration");
    let schedule = &query["ScheduleConfiguration"];
    let expression = schedule["ScheduleExpression"].as_str().unwrap_or_default();
    let schedule_read = Schedule::parse(expression).ok_or_else(|| failed(&"its schedule cannot be read"))?;
    let Some(due) = schedule_read.last_due(now_unix_nano / 1_000_000_000) else { return Ok(()) };
    let state = AlarmState::read(services, &alarm.name).await?;
    // What was due before the alarm was made, or was asked already, is not asked.
    if state.results.first().is_some_and(|(asked, _)| *asked >= due) || due * 1_000_000_000 < alarm.created_at_unix_nano {
        return Ok(());
    }
    let condition = Condition::read(&alarm.document).map_err(|error| failed(&error))?;
    let from = schedule["StartTimeOffset"].as_i64().unwrap_or(SPAN_DEFAULT_SECONDS);
    let to = schedule["EndTimeOffset"].as_i64().unwrap_or(0);
    let range = TimeRange { start_unix_nano: (due - from) * 1_000_000_000, end_unix_nano: (due - to) * 1_000_000_000 };
    let text = query_text(query);
    let read = insights::check(PipeLanguage::Insights, &text).map_err(|error| failed(&error.message))?;
    let groups: Vec<String> =
        query["LogGroupIdentifiers"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let question = insights_question(services, PipeLanguage::Insights, &groups, &read, range, ROWS_MAX).await;
    let question = InsightsQuestion { may_unmask: false, ..question.map_err(|error| failed(&error.message))? };
    let answer = services.asker.insights(&text, &question).await.map_err(|error| failed(&error))?;
    let rows = answer.answer.json_rows()?;
    let values = rows.iter().filter_map(|row| row.iter().rev().find_map(Value::as_f64));
    let is_low = condition.sign().starts_with('<');
    let value = values.reduce(|left, right| if is_low { left.min(right) } else { left.max(right) });
    let mut results = state.results;
    results.insert(0, (due, value));
    results.truncate(usize::try_from(condition.periods_seen()).unwrap_or(1));
    let mut periods = results;
    periods.resize(usize::try_from(condition.evaluation_periods).unwrap_or(1).max(periods.len()), (0, None));
    judge(alarm, &condition, &periods, 0, services, now_unix_nano).await
}
