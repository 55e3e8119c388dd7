//! How an objective stands: rows counted minute by minute, once, and the budget that follows from the counts.
//!
//! Each look reads what is new: rows that came in since the last look, from the minute of the oldest of them on. A row that
//! comes late thus changes the minute it is of. What people change about the rows' meaning (the calculated field, the
//! datasets) makes everything be counted anew.

use std::collections::BTreeMap;

use engine::ask::honeycomb::HoneycombQuestion;
use languages::honeycomb::{CalculatedField, QuerySpecification};
use metastore::{Evaluation, HoneycombDocument, SloMinute};
use serde_json::{Value, json};

use super::call::{ALL, told};
use super::evaluation::{self, SLOS};
use super::failure::{Answer, Failure};
use crate::{Services, now_unix_nano};

const MINUTE: i64 = 60_000_000_000;

/// Rows are visible at the latest so long after they came in; and clocks that set rows' times run ahead.
const MARGIN: i64 = MINUTE;

/// Rows that count for an objective, as they stand for others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    pub good: f64,
    pub total: f64,
    /// The share that shall be good.
    pub target: f64,
}

impl Budget {
    pub fn of(minutes: &[SloMinute], target: f64) -> Budget {
        let sum = |of: fn(&SloMinute) -> f64| minutes.iter().map(of).sum();
        Budget { good: sum(|one| one.good), total: sum(|one| one.total), target }
    }

    pub fn bad(&self) -> f64 {
        self.total - self.good
    }

    /// Rows that may be bad.
    pub fn allowed(&self) -> f64 {
        self.total * (1.0 - self.target)
    }

    /// The share that is good; nothing without rows.
    pub fn compliance(&self) -> Option<f64> {
        (self.total > 0.0).then(|| self.good / self.total)
    }

    /// Of the budget, the share that is left: 1 while nothing was bad, below 0 when it is overdrawn.
    pub fn remaining(&self) -> f64 {
        if self.allowed() > 0.0 { 1.0 - self.bad() / self.allowed() } else { 1.0 }
    }
}

/// An objective at one moment.
#[derive(Clone, Debug)]
pub struct Standing {
    pub budget: Budget,
    /// How fast the budget is spent over the last hour; 1 spends it exactly over the period.
    pub burn_rate: Option<f64>,
    /// All minutes of the period, and their end, in minutes since 1970.
    pub minutes: Vec<SloMinute>,
    pub end_minute: i64,
}

impl Standing {
    /// The sums of the last minutes.
    pub fn last(&self, minutes: i64) -> Budget {
        let from = self.minutes.partition_point(|one| one.minute < self.end_minute - minutes);
        Budget::of(&self.minutes[from..], self.budget.target)
    }

    /// In how many minutes nothing is left when it goes on as in the last `lookback`; none when nothing was bad.
    pub fn minutes_left(&self, lookback: i64) -> Option<f64> {
        let left = self.budget.allowed() - self.budget.bad();
        if left <= 0.0 && self.budget.bad() > 0.0 {
            return Some(0.0);
        }
        let bad = self.last(lookback).bad();
        (bad > 0.0).then(|| left / (bad / lookback as f64))
    }
}

fn target(slo: &Value) -> f64 {
    slo["target_per_million"].as_f64().unwrap_or_default() / 1e6
}

fn period_minutes(slo: &Value) -> i64 {
    slo["time_period_days"].as_i64().unwrap_or(30) * 1_440
}

/// The expression that a calculated field stands for, in one of the datasets or in all.
pub async fn expression(services: &Services, scope: &str, datasets: &[String], alias: &str) -> Answer<Option<String>> {
    let all = services.metastore.honeycomb_documents(&services.settings.project, "derived_column", None).await?;
    let found = all.iter().find_map(|document| {
        let ours = document.scope == ALL || document.scope == scope || datasets.contains(&document.scope);
        let value: Value = serde_json::from_str(&document.document).ok()?;
        if ours && value["alias"] == alias { value["expression"].as_str().map(str::to_owned) } else { None }
    });
    Ok(found)
}

/// Counts what is new and tells how the objective stands.
pub async fn standing(services: &Services, document: &HoneycombDocument, now: i64) -> Answer<Standing> {
    let slo = told(document);
    let meaning = meaning(services, document, &slo).await?;
    count(services, document, &slo, &meaning, now).await?;
    from_counts(services, document, &slo, now).await
}

/// How the objective stood at the last look, and when that was; nothing before the first one. Reads no rows.
pub async fn known(services: &Services, document: &HoneycombDocument) -> Answer<Option<(Standing, i64)>> {
    let slo = told(document);
    let meaning = meaning(services, document, &slo).await?;
    let state = evaluation::state(services, SLOS, &document.id).await?;
    let Some(counted_to) = meaning.counted_to(&state) else { return Ok(None) };
    Ok(Some((from_counts(services, document, &slo, counted_to).await?, counted_to)))
}

/// Counts a new or changed objective without anybody waiting for it; the next look does it otherwise.
pub fn count_soon(services: &Services, document: HoneycombDocument) {
    let services = services.clone();
    tokio::spawn(async move {
        if let Err(failure) = standing(&services, &document, now_unix_nano()).await {
            tracing::debug!(slo = document.id, error = failure.message(), "a new objective could not be counted yet");
        }
    });
}

async fn from_counts(services: &Services, document: &HoneycombDocument, slo: &Value, now: i64) -> Answer<Standing> {
    let end_minute = now.div_euclid(MINUTE) + 1;
    let from = end_minute - period_minutes(slo);
    let minutes = services.metastore.slo_minutes(&services.settings.project, &document.id, from, end_minute).await?;
    let budget = Budget::of(&minutes, target(slo));
    let mut standing = Standing { budget, burn_rate: None, minutes, end_minute };
    let hour = standing.last(60);
    let rate = |compliance: f64| (1.0 - compliance) / (1.0 - budget.target);
    standing.burn_rate = hour.compliance().map(rate);
    Ok(standing)
}

/// The objective at each step of a time: over the period that ended then.
pub async fn series(
    services: &Services,
    document: &HoneycombDocument,
    start: i64,
    end: i64,
    step_seconds: i64,
) -> Answer<Vec<(i64, Budget)>> {
    let slo = told(document);
    let step = (step_seconds / 60).max(1);
    let period = period_minutes(&slo);
    let (start, end) = (start.div_euclid(MINUTE), end.div_euclid(MINUTE) + 1);
    let from = start - period;
    let minutes = services.metastore.slo_minutes(&services.settings.project, &document.id, from, end).await?;
    let (mut told, mut first, mut next) = (Vec::new(), 0, 0);
    let mut budget = Budget { target: target(&slo), ..Budget::default() };
    let mut at = start;
    while at <= end {
        while minutes.get(next).is_some_and(|one| one.minute < at) {
            budget.good += minutes[next].good;
            budget.total += minutes[next].total;
            next += 1;
        }
        while first < next && minutes[first].minute < at - period {
            budget.good -= minutes[first].good;
            budget.total -= minutes[first].total;
            first += 1;
        }
        told.push((at * MINUTE, budget));
        at += step;
    }
    Ok(told)
}

/// What an objective counts; a change makes everything be counted anew.
struct Meaning {
    datasets: Vec<String>,
    alias: String,
    /// All of it as one text, to tell whether it is what it was.
    text: String,
}

impl Meaning {
    /// Until when rows were counted that came in.
    fn counted_to(&self, state: &Value) -> Option<i64> {
        state["received_to"].as_i64().filter(|_| state["meaning"] == self.text.as_str())
    }
}

async fn meaning(services: &Services, document: &HoneycombDocument, slo: &Value) -> Answer<Meaning> {
    let datasets: Vec<String> = slo["dataset_slugs"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .filter_map(|one| Some(one.as_str()?.to_owned()))
        .collect();
    let alias = slo["sli"]["alias"].as_str().unwrap_or_default();
    let Some(expression) = expression(services, &document.scope, &datasets, alias).await? else {
        return Err(Failure::not_found(format!("no calculated field is called {alias:?}")));
    };
    let text = format!("{alias} {expression} {datasets:?} {}", slo["time_period_days"]);
    Ok(Meaning { alias: alias.to_owned(), text, datasets })
}

/// Reads the rows that came in since the last look.
async fn count(services: &Services, document: &HoneycombDocument, slo: &Value, meaning: &Meaning, now: i64) -> Answer<()> {
    let state = evaluation::state(services, SLOS, &document.id).await?;
    let end = now.div_euclid(MINUTE) + 1;
    // Reports look back over the period before, too.
    let keep_from = end - 2 * period_minutes(slo);
    let from = match meaning.counted_to(&state) {
        None => Some(keep_from),
        Some(since) => oldest_since(services, since - MARGIN).await?.map(|oldest| oldest.div_euclid(MINUTE)),
    };
    if let Some(from) = from {
        let from = from.max(keep_from);
        let counted = counted(services, &meaning.datasets, &meaning.alias, (from, end)).await?;
        let project = &services.settings.project;
        services.metastore.put_slo_minutes(project, &document.id, (from, i64::MAX), &counted, keep_from).await?;
    }
    let state = json!({ "received_to": now, "meaning": meaning.text }).to_string();
    let evaluation = Evaluation { subject: document.id.clone(), state, evaluated_at_unix_nano: now };
    services.metastore.put_evaluation(&services.settings.project, SLOS, &evaluation).await?;
    Ok(())
}

/// When the oldest row is of that came in since; nothing when none did.
async fn oldest_since(services: &Services, received: i64) -> Answer<Option<i64>> {
    let of = |table: &str| {
        // A plain comparison, by which parts and row groups are left out unread.
        let since = format!("arrow_cast({received}, 'Timestamp(Nanosecond, Some(\"UTC\"))')");
        format!("SELECT CAST(min(time) AS BIGINT) AS oldest FROM {table} WHERE received_at >= {since}")
    };
    let sql = format!("SELECT min(oldest) AS oldest FROM ({} UNION ALL {})", of("spans"), of("logs"));
    let answer = services.asker.engine.sql(&services.settings.project, &sql, 1).await?;
    Ok(answer.iter().next().and_then(|row| row.i64("oldest")))
}

/// Rows minute by minute. Nothing is asked of the time before the oldest row.
async fn counted(services: &Services, datasets: &[String], alias: &str, (from, end): (i64, i64)) -> Answer<Vec<SloMinute>> {
    let oldest = oldest_since(services, 0).await?.unwrap_or(i64::MAX).div_euclid(MINUTE);
    let mut minutes: BTreeMap<i64, SloMinute> = BTreeMap::new();
    let from = from.max(oldest);
    if from >= end {
        return Ok(Vec::new());
    }
    let specification = json!({
        "calculations": [
            { "op": "COUNT", "name": "total", "filters": [{ "column": alias, "op": "exists" }] },
            { "op": "COUNT", "name": "good", "filters": [{ "column": alias, "op": "=", "value": true }] },
        ],
        "start_time": from * 60,
        "end_time": end * 60,
    });
    let specification = QuerySpecification::from_json(&specification)?;
    for dataset in datasets {
        let (dataset, calculated_fields) = scope(services, dataset).await?;
        let question =
            HoneycombQuestion { dataset, calculated_fields, ..HoneycombQuestion::new(specification.clone(), end * 60) };
        for point in services.asker.honeycomb_steps(&question, MINUTE).await? {
            let minute = point.time_unix_nano.div_euclid(MINUTE);
            let entry = minutes.entry(minute).or_insert(SloMinute { minute, ..SloMinute::default() });
            let number = |name: &str| point.data.get(name).and_then(Value::as_f64).unwrap_or_default();
            entry.good += number("good");
            entry.total += number("total");
        }
    }
    Ok(minutes.into_values().collect())
}

async fn scope(services: &Services, dataset: &str) -> Answer<(Option<String>, Vec<CalculatedField>)> {
    Ok((services.honeycomb_dataset(dataset).await?, super::queries::calculated_fields(services, dataset).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(minutes: &[(i64, f64, f64)], target: f64) -> Standing {
        let minutes: Vec<SloMinute> =
            minutes.iter().map(|(minute, good, total)| SloMinute { minute: *minute, good: *good, total: *total }).collect();
        Standing { budget: Budget::of(&minutes, target), burn_rate: None, minutes, end_minute: 100 }
    }

    #[test]
    fn the_budget_is_what_may_be_bad() {
        let budget = Budget { good: 990.0, total: 1_000.0, target: 0.98 };
        assert_eq!((budget.bad(), budget.compliance()), (10.0, Some(0.99)));
        assert!((budget.allowed() - 20.0).abs() < 1e-9 && (budget.remaining() - 0.5).abs() < 1e-9);
        let none = Budget { target: 0.98, ..Budget::default() };
        assert_eq!((none.remaining(), none.compliance()), (1.0, None));
    }

    #[test]
    fn what_is_left_lasts_as_long_as_the_last_minutes_say() {
        let standing = standing(&[(10, 900.0, 900.0), (95, 90.0, 100.0)], 0.98);
        // 20 of 1,000 may be bad, 10 were, in the last ten minutes.
        assert!((standing.minutes_left(10).unwrap() - 10.0).abs() < 1e-6);
        assert_eq!(standing.minutes_left(4), None);
        assert_eq!(standing.last(10), Budget { good: 90.0, total: 100.0, target: 0.98 });
    }

    #[test]
    fn nothing_left_is_no_time_left() {
        assert_eq!(standing(&[(10, 0.0, 100.0)], 0.9).minutes_left(5), Some(0.0));
    }
}
