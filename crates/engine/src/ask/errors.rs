//! Errors: occurrences told as what they are occurrences of. A caller says which groups are one item.

use std::collections::{BTreeMap, HashMap};

use model::Signal;
use serde::Serialize;
use store::TimeRange;
use utoipa::ToSchema;

use super::{Asker, Stats, Steps, UnixNano, WordMatch, all_of, is, search_filter};
use crate::answer::Answer;
use crate::engine::{quote, quote_text};
use crate::error::EngineError;
use crate::limits::ERROR_GROUPS_MAX;
use crate::session::Session;

/// The groups that were seen in a range.
#[derive(Clone, Debug)]
pub struct GroupsSeen {
    pub groups: Vec<GroupSeen>,
    pub stats: Stats,
}

/// What a list is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSeen {
    pub group: String,
    /// Weighted.
    pub count: f64,
    /// None where nobody asked for them.
    pub people: u64,
    pub first_unix_nano: i64,
    pub last_unix_nano: i64,
}

/// Which groups come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupOrder {
    LastSeen,
    Count,
    People,
}

impl GroupOrder {
    /// As SQL has it, and in words those that are told when there are too many.
    fn sql(self) -> (&'static str, &'static str) {
        match self {
            GroupOrder::LastSeen => ("last DESC", "seen latest"),
            GroupOrder::Count => ("n DESC, last DESC", "that occurred most"),
            GroupOrder::People => ("people DESC, last DESC", "that hit most people"),
        }
    }
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

impl ErrorSeries {
    /// The steps of the trend over a range, with nothing in them.
    pub fn over(range: TimeRange) -> ErrorSeries {
        let steps = Steps::over(range, TREND_STEPS);
        ErrorSeries {
            step_seconds: steps.step_seconds,
            start_unix_nano: UnixNano(steps.start_unix_nano),
            counts: vec![0.0; steps.count],
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct ErrorFilter {
    pub q: String,
    pub service: Option<String>,
    pub receiver: Option<String>,
}

pub(super) const PERSON: [&str; 2] = ["user.id", "enduser.id"];

impl Asker {
    /// Every group with an occurrence that matches, or each of some, in an order; how many people each hit only where that is
    /// the order: it costs more.
    pub async fn error_groups(
        &self,
        range: TimeRange,
        filter: &ErrorFilter,
        among: Option<&[String]>,
        order: GroupOrder,
    ) -> Result<GroupsSeen, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, condition(&session, filter, among).await?).await?;
        let figures =
            r#""error.group" AS g, sum(sample_rate) AS n, min(time) AS first, max(time) AS last, max(sample_rate) AS weight"#;
        // Counting distinct people of so many groups at once takes an accumulator each; two groupings take none.
        let groups = match order {
            GroupOrder::LastSeen | GroupOrder::Count => format!("SELECT {figures} FROM l GROUP BY 1"),
            GroupOrder::People => format!(
                "SELECT g, sum(n) AS n, min(first) AS first, max(last) AS last, max(weight) AS weight, count(person) AS people
                 FROM (SELECT {figures}, {} AS person FROM l GROUP BY 1, 6) GROUP BY 1",
                person(&session)
            ),
        };
        let (by, told) = order.sql();
        let answer = session.ask(&format!("{groups} ORDER BY {by}, g LIMIT {}", ERROR_GROUPS_MAX + 1)).await?;
        let mut groups: Vec<GroupSeen> = answer
            .iter()
            .map(|row| GroupSeen {
                group: row.string("g").unwrap_or_default(),
                count: row.f64("n").unwrap_or_default(),
                people: row.i64("people").unwrap_or_default().unsigned_abs(),
                first_unix_nano: row.i64("first").unwrap_or_default(),
                last_unix_nano: row.i64("last").unwrap_or_default(),
            })
            .collect();
        let mut stats = stats(&answer);
        if groups.len() > ERROR_GROUPS_MAX {
            groups.truncate(ERROR_GROUPS_MAX);
            stats.truncated = Some(format!("more than {ERROR_GROUPS_MAX} errors; those {told} are told"));
        }
        Ok(GroupsSeen { groups, stats })
    }

    /// The figures of some items over a range, in their order; the groups of each are given. Of an item without an
    /// occurrence that matches there are none. No occurrence of theirs is looked for outside of `within`.
    pub async fn error_figures(
        &self,
        range: TimeRange,
        within: TimeRange,
        filter: &ErrorFilter,
        items: &[Vec<String>],
    ) -> Result<(Vec<Option<ErrorGroup>>, Stats), EngineError> {
        let session = self.session(within).await?;
        let all: Vec<String> = items.iter().flatten().cloned().collect();
        if all.is_empty() {
            return Ok((vec![None; items.len()], Stats::default()));
        }
        session.define("l", Signal::Logs, condition(&session, filter, Some(&all)).await?).await?;
        let (mut found, stats) = figures(&session, range, items).await?;
        let figures = items
            .iter()
            .map(|groups| {
                let name = groups.first()?;
                found.iter_mut().find(|figures| figures.group == *name).map(std::mem::take)
            })
            .collect();
        Ok((figures, stats))
    }
}

/// What an answer rests on; each of its rows tells the greatest weight of an occurrence.
fn stats(answer: &Answer) -> Stats {
    let sampled = answer.iter().any(|row| row.f64("weight").is_some_and(|weight| weight != 1.0));
    Stats { sampled, ..answer.stats.into() }
}

/// Occurrences of these groups, or of any, that match.
pub(super) async fn condition(
    session: &Session,
    filter: &ErrorFilter,
    groups: Option<&[String]>,
) -> Result<Option<datafusion::logical_expr::Expr>, EngineError> {
    use datafusion::logical_expr::{Expr, lit};
    let group = Expr::Column(datafusion::common::Column::from_name("error.group"));
    Ok(all_of([
        Some(match groups {
            None => group.is_not_null(),
            Some([]) => lit(false),
            Some(groups) => group.in_list(groups.iter().map(|group| lit(group.as_str())).collect(), false),
        }),
        search_filter(session, Signal::Logs, &filter.q, WordMatch::Anywhere).await?,
        filter.service.as_deref().map(|service| is("service.name", service)),
        filter.receiver.as_deref().map(|receiver| is("receiver", receiver)),
    ]))
}

pub(super) fn person(session: &Session) -> String {
    format!("coalesce({})", PERSON.map(|key| session.column_or_null(Signal::Logs, key)).join(", "))
}

/// SQL for the item of a row, named by the first of its groups.
fn item_sql(items: &[Vec<String>]) -> String {
    let merged = items.iter().filter(|groups| groups.len() > 1);
    let cases: Vec<String> = merged
        .map(|groups| {
            let all: Vec<String> = groups.iter().map(|group| quote_text(group)).collect();
            format!(r#"WHEN "error.group" IN ({}) THEN {}"#, all.join(", "), all[0])
        })
        .collect();
    if cases.is_empty() {
        return quote("error.group");
    }
    format!(r#"CASE {} ELSE "error.group" END"#, cases.join(" "))
}

/// Figures of the items that `l` has occurrences of, each named by the first of its groups.
pub(super) async fn figures(
    session: &Session,
    range: TimeRange,
    items: &[Vec<String>],
) -> Result<(Vec<ErrorGroup>, Stats), EngineError> {
    let environment = session.column_or_null(Signal::Logs, "deployment.environment.name");
    let (item, steps) = (item_sql(items), Steps::over(range, TREND_STEPS));
    let facts = format!(
        r#"SELECT {item} AS g, sum(sample_rate) AS n, min(time) AS first, max(time) AS last,
               max(sample_rate) AS weight, max(severity_number) AS severity,
               last_value("exception.type" ORDER BY time) AS type, last_value("exception.message" ORDER BY time) AS message,
               array_agg(DISTINCT "service.name") AS services, array_agg(DISTINCT receiver) AS receivers,
               array_agg(DISTINCT {environment}) AS environments,
               count(DISTINCT {}) AS people,
               count(DISTINCT coalesce(trace_id, request_trace_id)) AS traces
               FROM l GROUP BY 1"#,
        person(session)
    );
    let trend = format!("SELECT {item} AS g, {} AS step, sum(sample_rate) AS n FROM l GROUP BY 1, 2", steps.sql());
    // Both read the same rows; where there are several cores, at the same time.
    let (answer, trend) = futures::future::try_join(session.ask(&facts), session.ask(&trend)).await?;
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
    let mut figures: Vec<ErrorGroup> = answer
        .iter()
        .map(|row| {
            let cells: BTreeMap<&str, serde_json::Value> = row.cells().collect();
            ErrorGroup {
                group: row.string("g").unwrap_or_default(),
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
                series: ErrorSeries::over(range),
            }
        })
        .collect();
    add_trend(&trend, steps, &mut figures);
    Ok((figures, stats(&answer)))
}

/// Steps of the trend beside an error.
const TREND_STEPS: i64 = 40;

fn add_trend(trend: &Answer, steps: Steps, errors: &mut [ErrorGroup]) {
    let place_of: HashMap<String, usize> = errors.iter().enumerate().map(|(place, error)| (error.group.clone(), place)).collect();
    for row in trend.iter() {
        let (Some(group), Some(step)) = (row.str("g"), steps.place(row.i64("step"))) else { continue };
        if let Some(place) = place_of.get(group) {
            errors[*place].series.counts[step] = row.f64("n").unwrap_or_default();
        }
    }
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
