//! Errors: occurrences of one group told as one item.

use std::collections::BTreeMap;

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::attributes::AttributeValue;
use super::logs::{Log, tell};
use super::{Asker, Stats, Steps, UnixNano, WordMatch, all_of, is, search_filter};
use crate::engine::{quote, quote_text};
use crate::error::EngineError;
use crate::limits::PAGE_ROWS_MAX;
use crate::session::Session;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Errors {
    pub errors: Vec<ErrorGroup>,
    pub next_cursor: Option<String>,
    pub stats: Stats,
}

/// All occurrences of one error over the asked range.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ErrorGroup {
    pub group: String,
    pub r#type: String,
    /// Of the newest occurrence.
    pub message: String,
    pub level: String,
    /// Occurrences, weighted.
    #[serde(serialize_with = "super::weighted")]
    pub count: f64,
    pub first_seen_unix_nano: UnixNano,
    pub last_seen_unix_nano: UnixNano,
    pub services: Vec<String>,
    pub receivers: Vec<String>,
    pub environments: Vec<String>,
    pub people: u64,
    pub traces: u64,
    pub series: ErrorSeries,
}

#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct ErrorSeries {
    pub step_seconds: i64,
    pub start_unix_nano: UnixNano,
    #[serde(serialize_with = "super::weighted_all")]
    pub counts: Vec<f64>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorItem {
    pub error: ErrorGroup,
    pub latest: Log,
    /// Newest first, at most a hundred.
    pub occurrences: Vec<Log>,
    pub breakdowns: Vec<Breakdown>,
    pub stats: Stats,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Breakdown {
    pub key: String,
    pub values: Vec<AttributeValue>,
}

#[derive(Clone, Debug, Default)]
pub struct ErrorFilter {
    pub q: String,
    pub service: Option<String>,
    pub receiver: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorSort {
    #[default]
    LastSeen,
    FirstSeen,
    Count,
}

/// Occurrences shown on the page of one error.
const OCCURRENCES_SHOWN: usize = 100;

/// Keys by which people ask who is hit; those that exist are broken down.
const BREAKDOWN_KEYS: [&str; 10] = [
    "service.name",
    "receiver",
    "deployment.environment.name",
    "service.version",
    "host.name",
    "http.route",
    "url.path",
    "rollbar.context",
    "user.id",
    "rollbar.framework",
];

/// Values of one breakdown.
const BREAKDOWN_VALUES: usize = 10;

const PERSON: [&str; 2] = ["user.id", "enduser.id"];

impl Asker {
    pub async fn errors(
        &self,
        range: TimeRange,
        filter: &ErrorFilter,
        sort: ErrorSort,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Errors, EngineError> {
        let offset: usize = match cursor {
            Some(text) => text
                .parse()
                .map_err(|_| EngineError::invalid(format!("cannot read cursor {text:?}: expected one from an earlier answer")))?,
            None => 0,
        };
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        let session = self.session(range).await?;
        let condition = all_of([
            Some(datafusion::logical_expr::Expr::Column(datafusion::common::Column::from_name("error.group")).is_not_null()),
            search_filter(&session, Signal::Logs, &filter.q, WordMatch::Anywhere).await?,
            filter.service.as_deref().map(|service| is("service.name", service)),
            filter.receiver.as_deref().map(|receiver| is("receiver", receiver)),
        ]);
        session.define("l", Signal::Logs, condition).await?;
        let order = match sort {
            ErrorSort::LastSeen => "last DESC",
            ErrorSort::FirstSeen => "first DESC",
            ErrorSort::Count => "n DESC",
        };
        let mut groups =
            groups(&session, &format!(r#"ORDER BY {order}, "error.group" LIMIT {} OFFSET {offset}"#, limit + 1)).await?;
        let more = groups.errors.len() > limit;
        groups.errors.truncate(limit);
        add_series(&session, range, &mut groups.errors).await?;
        groups.next_cursor = more.then(|| (offset + limit).to_string());
        Ok(groups)
    }

    /// One error; `None` when the range has no occurrence of it.
    pub async fn error(&self, range: TimeRange, group: &str) -> Result<Option<ErrorItem>, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, Some(is("error.group", group))).await?;
        let mut told = groups(&session, "LIMIT 1").await?;
        add_series(&session, range, &mut told.errors).await?;
        let Some(error) = told.errors.pop() else { return Ok(None) };
        let newest = session.first_rows("l", &[("time", true)], OCCURRENCES_SHOWN).await?;
        let occurrences: Vec<Log> = newest.iter().map(|row| tell(row, true)).collect();
        let Some(latest) = occurrences.first().cloned() else { return Ok(None) };
        let mut breakdowns = Vec::new();
        for key in BREAKDOWN_KEYS.into_iter().filter(|key| session.has(Signal::Logs, key)) {
            let answer = session
                .ask(&format!(
                    "SELECT CAST({key} AS VARCHAR) AS value, sum(sample_rate) AS n FROM l WHERE {key} IS NOT NULL GROUP BY 1 ORDER BY n DESC LIMIT {BREAKDOWN_VALUES}",
                    key = quote(key)
                ))
                .await?;
            let values: Vec<AttributeValue> = answer
                .iter()
                .filter_map(|row| Some(AttributeValue { value: row.string("value")?, count: row.f64("n")? }))
                .collect();
            if !values.is_empty() {
                breakdowns.push(Breakdown { key: key.to_owned(), values });
            }
        }
        Ok(Some(ErrorItem { error, latest, occurrences, breakdowns, stats: newest.stats.into() }))
    }
}

async fn groups(session: &Session, order: &str) -> Result<Errors, EngineError> {
    let environment = session.column_or_null(Signal::Logs, "deployment.environment.name");
    let person = PERSON.map(|key| session.column_or_null(Signal::Logs, key)).join(", ");
    let answer = session
        .ask(&format!(
            r#"SELECT "error.group", sum(sample_rate) AS n, min(time) AS first, max(time) AS last,
               max(severity_number) AS severity,
               last_value("exception.type" ORDER BY time) AS type, last_value("exception.message" ORDER BY time) AS message,
               array_agg(DISTINCT "service.name") AS services, array_agg(DISTINCT receiver) AS receivers,
               array_agg(DISTINCT {environment}) AS environments,
               count(DISTINCT coalesce({person})) AS people,
               count(DISTINCT coalesce(trace_id, request_trace_id)) AS traces
               FROM l GROUP BY 1 {order}"#
        ))
        .await?;
    let list = |cells: &BTreeMap<&str, serde_json::Value>, name: &str| -> Vec<String> {
        let mut values: Vec<String> = cells
            .get(name)
            .and_then(|value| value.as_array())
            .into_iter()
            .flatten()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect();
        values.sort();
        values
    };
    let errors = answer
        .iter()
        .map(|row| {
            let cells: BTreeMap<&str, serde_json::Value> = row.cells().collect();
            ErrorGroup {
                group: row.string("error.group").unwrap_or_default(),
                r#type: row.string("type").unwrap_or_default(),
                message: row.string("message").unwrap_or_default(),
                level: level(row.i64("severity").unwrap_or_default()).to_owned(),
                count: row.f64("n").unwrap_or_default(),
                first_seen_unix_nano: UnixNano(row.i64("first").unwrap_or_default()),
                last_seen_unix_nano: UnixNano(row.i64("last").unwrap_or_default()),
                services: list(&cells, "services"),
                receivers: list(&cells, "receivers"),
                environments: list(&cells, "environments"),
                people: row.i64("people").unwrap_or_default().unsigned_abs(),
                traces: row.i64("traces").unwrap_or_default().unsigned_abs(),
                series: ErrorSeries::default(),
            }
        })
        .collect();
    Ok(Errors { errors, next_cursor: None, stats: answer.stats.into() })
}

/// Steps of the trend beside an error.
const TREND_STEPS: i64 = 40;

async fn add_series(session: &Session, range: TimeRange, errors: &mut [ErrorGroup]) -> Result<(), EngineError> {
    if errors.is_empty() {
        return Ok(());
    }
    let steps = Steps::over(range, TREND_STEPS);
    let wanted: Vec<String> = errors.iter().map(|error| quote_text(&error.group)).collect();
    let answer = session
        .ask(&format!(
            r#"SELECT "error.group", {} AS step, sum(sample_rate) AS n FROM l WHERE "error.group" IN ({}) GROUP BY 1, 2"#,
            steps.sql(),
            wanted.join(", ")
        ))
        .await?;
    for error in errors.iter_mut() {
        error.series = ErrorSeries {
            step_seconds: steps.step_seconds,
            start_unix_nano: UnixNano(steps.start_unix_nano),
            counts: vec![0.0; steps.count],
        };
    }
    for row in answer.iter() {
        let (Some(group), Some(place)) = (row.str("error.group"), steps.place(row.i64("step"))) else { continue };
        if let Some(error) = errors.iter_mut().find(|error| error.group == group) {
            error.series.counts[place] = row.f64("n").unwrap_or_default();
        }
    }
    Ok(())
}

/// OpenTelemetry's severity ranges in Rollbar's words for levels.
fn level(severity_number: i64) -> &'static str {
    match severity_number {
        21.. => "critical",
        17..=20 => "error",
        13..=16 => "warning",
        9..=12 => "info",
        1..=8 => "debug",
        _ => "error",
    }
}
