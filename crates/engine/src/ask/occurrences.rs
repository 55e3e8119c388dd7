//! Occurrences of errors: rows by the number that Rollbar's API calls them by, counts of groups over time, deploys.

use analysis::{occurrence_number, occurrence_received_at};
use datafusion::common::Column;
use datafusion::logical_expr::{Expr, lit};
use model::Signal;
use store::TimeRange;

use super::logs::{Log, tell};
use super::{Asker, all_of, is};
use crate::engine::quote_text;
use crate::error::EngineError;
use crate::session::Session;

pub(super) const GROUP: &str = "error.group";
const UUID: &str = "rollbar.uuid";
const ENVIRONMENT: &str = "deployment.environment.name";
const VERSION: &str = "service.version";
const PERSON: &str = "user.id";

const NANOS_PER_MS: i64 = 1_000_000;

/// How far the clock of a sender may be from ours for its occurrence to be found without looking everywhere.
const CLOCKS_DIFFER_MAX_NS: i64 = 3_600 * 1_000_000_000;

#[derive(Clone, Debug)]
pub struct Occurrence {
    pub number: i64,
    pub group: String,
    pub uuid: Option<String>,
    pub log: Log,
}

/// Which occurrences; what is left out does not narrow.
#[derive(Clone, Debug, Default)]
pub struct OccurrenceFilter {
    pub groups: Option<Vec<String>>,
    pub environments: Vec<String>,
    /// Only those received before the one of this number.
    pub before_number: Option<i64>,
}

/// What an occurrence is asked to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OccurrencePart {
    /// The text of a column has this in it, whatever the case.
    Has { column: String, text: String },
    /// The files of its stack: a question of `stack_files`, and what it is asked with.
    Files { question: &'static str, text: String },
}

impl OccurrencePart {
    /// A column that not every row has.
    fn column(&self) -> Option<&str> {
        match self {
            OccurrencePart::Has { column, .. } => Some(column),
            OccurrencePart::Files { .. } => None,
        }
    }

    fn sql(&self) -> String {
        match self {
            OccurrencePart::Has { column, text } => {
                let told = format!("lower(CAST({} AS VARCHAR))", crate::engine::quote(column));
                format!("strpos({told}, {}) > 0", quote_text(&text.to_lowercase()))
            }
            OccurrencePart::Files { question, text } => {
                let told = r#"coalesce("exception.stacktrace", '')"#;
                format!("{}({told}, {}, {})", crate::functions::stack_files::NAME, quote_text(question), quote_text(text))
            }
        }
    }
}

/// A bucket of time and how many there were in it, weighted.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupCount {
    pub group: String,
    pub start_unix_nano: i64,
    pub count: f64,
}

/// One of the groups that were seen most.
#[derive(Clone, Debug, PartialEq)]
pub struct TopGroup {
    pub group: String,
    pub count: f64,
    pub people: u64,
    pub last_unix_nano: i64,
}

/// Occurrences of one group in one environment and version, summed.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupReceived {
    pub group: String,
    pub environment: String,
    pub version: String,
    pub framework: String,
    pub platform: String,
    pub language: String,
    pub severity_number: i64,
    pub exception_type: String,
    pub exception_message: String,
    pub event_name: String,
    pub body: String,
    pub first_unix_nano: i64,
    pub last_unix_nano: i64,
    pub first_number: i64,
    pub last_number: i64,
    pub count: f64,
}

/// Somebody whom errors hit, as occurrences tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PersonTold {
    pub id: String,
    pub username: String,
    pub email: String,
    /// Occurrences, weighted.
    pub count: f64,
    pub first_unix_nano: i64,
    pub last_unix_nano: i64,
    /// Of the errors that hit them, at most a few hundred.
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeployTold {
    pub number: i64,
    pub time_unix_nano: i64,
    pub environment: String,
    pub version: String,
    pub user: String,
    pub rollbar_user: String,
    pub status: String,
    pub comment: String,
}

impl Asker {
    /// Occurrences from the `offset`th on, latest received first.
    pub async fn occurrences(
        &self,
        range: TimeRange,
        filter: &OccurrenceFilter,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Occurrence>, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, condition(&session, filter)).await?;
        let newest = session.first_rows("l", &[("received_at", true), ("time", true)], offset.saturating_add(limit)).await?;
        Ok(newest.iter().skip(offset).map(told).collect())
    }

    /// The occurrence of this number. Looked for where its sender's clock is near ours, then everywhere.
    pub async fn occurrence(&self, number: i64) -> Result<Option<Occurrence>, EngineError> {
        let at = occurrence_received_at(number);
        let near = TimeRange {
            start_unix_nano: at.saturating_sub(CLOCKS_DIFFER_MAX_NS),
            end_unix_nano: at.saturating_add(CLOCKS_DIFFER_MAX_NS),
        };
        for range in [near, TimeRange::ALL] {
            let session = self.session(range).await?;
            let of_that_moment = all_of([
                Some(column(GROUP).is_not_null()),
                Some(column("received_at").gt_eq(moment(at))),
                Some(column("received_at").lt(moment(at.saturating_add(NANOS_PER_MS)))),
            ]);
            session.define("l", Signal::Logs, of_that_moment).await?;
            let rows = session.first_rows("l", &[("time", false)], crate::limits::PAGE_ROWS_MAX).await?;
            let found = rows.iter().map(told).find(|occurrence| occurrence.number == number);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The occurrence that its client gave this id.
    pub async fn occurrence_by_uuid(&self, uuid: &str) -> Result<Option<Occurrence>, EngineError> {
        let session = self.session(TimeRange::ALL).await?;
        if !session.has(Signal::Logs, UUID) {
            return Ok(None);
        }
        session.define("l", Signal::Logs, all_of([Some(column(GROUP).is_not_null()), Some(is(UUID, uuid))])).await?;
        let rows = session.first_rows("l", &[("time", true)], 1).await?;
        Ok(rows.iter().map(told).next())
    }

    /// How many occurrences each group had in each bucket of time; groups are one, named "", unless asked for.
    pub async fn occurrence_counts(
        &self,
        range: TimeRange,
        bucket_seconds: i64,
        filter: &OccurrenceFilter,
        by_group: bool,
    ) -> Result<Vec<GroupCount>, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, condition(&session, filter)).await?;
        let bucket = bucket_seconds.max(1).saturating_mul(1_000_000_000);
        let group = if by_group { "\"error.group\"" } else { "''" };
        let answer = session
            .ask(&format!(
                "SELECT {group} AS g, CAST(time AS BIGINT) / {bucket} AS step, sum(sample_rate) AS n FROM l GROUP BY 1, 2 ORDER BY 2, 1"
            ))
            .await?;
        let counts = answer.iter().map(|row| GroupCount {
            group: row.string("g").unwrap_or_default(),
            start_unix_nano: row.i64("step").unwrap_or_default().saturating_mul(bucket),
            count: row.f64("n").unwrap_or_default(),
        });
        Ok(counts.collect())
    }

    /// The groups with most occurrences, most first.
    pub async fn top_groups(
        &self,
        range: TimeRange,
        filter: &OccurrenceFilter,
        limit: usize,
    ) -> Result<Vec<TopGroup>, EngineError> {
        let session = self.session(range).await?;
        session.define("l", Signal::Logs, condition(&session, filter)).await?;
        let address = session.column_or_null(Signal::Logs, "client.address");
        let answer = session
            .ask(&format!(
                r#"SELECT "error.group" AS g, sum(sample_rate) AS n, count(DISTINCT {address}) AS people, max(time) AS last
                   FROM l GROUP BY 1 ORDER BY n DESC, 1 LIMIT {limit}"#
            ))
            .await?;
        let groups = answer.iter().map(|row| TopGroup {
            group: row.string("g").unwrap_or_default(),
            count: row.f64("n").unwrap_or_default(),
            people: row.i64("people").unwrap_or_default().unsigned_abs(),
            last_unix_nano: row.i64("last").unwrap_or_default(),
        });
        Ok(groups.collect())
    }

    /// The groups of which one occurrence is like all of these.
    pub async fn groups_where(&self, range: TimeRange, parts: &[OccurrencePart]) -> Result<Vec<String>, EngineError> {
        let session = self.session(range).await?;
        session.admit(Signal::Logs, parts.iter().filter_map(|part| Some(part.column()?.to_owned()))).await?;
        session.define("l", Signal::Logs, Some(column(GROUP).is_not_null())).await?;
        if parts.iter().filter_map(OccurrencePart::column).any(|name| !session.has(Signal::Logs, name)) {
            return Ok(Vec::new());
        }
        let conditions: Vec<String> = parts.iter().map(OccurrencePart::sql).collect();
        let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
        let limit = crate::limits::PAGE_ROWS_MAX;
        let answer = session
            .ask(&format!(
                r#"SELECT "error.group" AS g FROM l WHERE {condition} GROUP BY 1 ORDER BY max(time) DESC LIMIT {limit}"#
            ))
            .await?;
        Ok(answer.iter().filter_map(|row| row.string("g")).collect())
    }

    /// Whether there may be any. Every server asks for them when it starts: where there are none, no planner has to wake up.
    pub(super) async fn has_occurrences(&self) -> Result<bool, EngineError> {
        let logs = self.engine.store().snapshot(&self.project, Signal::Logs, TimeRange::ALL).await?;
        Ok(logs.rows_total > 0)
    }

    /// What each group had of rows received within a time, by environment and version; at most `limit`, first seen first.
    pub async fn groups_received(
        &self,
        since_unix_nano: i64,
        until_unix_nano: i64,
        limit: usize,
    ) -> Result<Vec<GroupReceived>, EngineError> {
        if !self.has_occurrences().await? {
            return Ok(Vec::new());
        }
        let session = self.session(TimeRange::ALL).await?;
        let condition = all_of([
            Some(column(GROUP).is_not_null()),
            Some(column("received_at").gt_eq(moment(since_unix_nano))),
            Some(column("received_at").lt(moment(until_unix_nano))),
        ]);
        session.define("l", Signal::Logs, condition).await?;
        let text = |name: &str| session.column_or_null(Signal::Logs, name);
        let first = |name: &str, alias: &str| format!("first_value({name} ORDER BY received_at) AS {alias}");
        let last = |name: &str, alias: &str| format!("last_value({name} ORDER BY received_at) AS {alias}");
        let columns = [
            first(&text("rollbar.framework"), "framework"),
            first(&text("rollbar.platform"), "platform"),
            first(&text("telemetry.sdk.language"), "language"),
            first("severity_number", "severity"),
            first("\"exception.type\"", "exception_type"),
            first("\"exception.message\"", "exception_message"),
            first("event_name", "event_name"),
            first("received_at", "first_received"),
            first("time", "first_time"),
            first("body", "first_body"),
            first(&text(UUID), "first_uuid"),
            last("received_at", "last_received"),
            last("time", "last_time"),
            last("body", "last_body"),
            last(&text(UUID), "last_uuid"),
        ];
        let answer = session
            .ask(&format!(
                r#"SELECT "error.group" AS g, coalesce({}, '') AS environment, coalesce({}, '') AS version, sum(sample_rate) AS n,
                   min(time) AS first, max(time) AS last, {} FROM l GROUP BY 1, 2, 3 ORDER BY first, 1, 2, 3 LIMIT {limit}"#,
                text(ENVIRONMENT),
                text(VERSION),
                columns.join(", ")
            ))
            .await?;
        let groups = answer.iter().map(|row| {
            let string = |name: &str| row.string(name).unwrap_or_default();
            let integer = |name: &str| row.i64(name).unwrap_or_default();
            let group = string("g");
            let number = |which: &str| {
                let of = |name: &str| format!("{which}_{name}");
                let (received, time) = (integer(&of("received")), integer(&of("time")));
                occurrence_number(received, time, &group, &string(&of("body")), &string(&of("uuid")))
            };
            GroupReceived {
                environment: string("environment"),
                version: string("version"),
                framework: string("framework"),
                platform: string("platform"),
                language: string("language"),
                severity_number: integer("severity"),
                exception_type: string("exception_type"),
                exception_message: string("exception_message"),
                event_name: string("event_name"),
                body: string("first_body"),
                first_unix_nano: integer("first"),
                last_unix_nano: integer("last"),
                first_number: number("first"),
                last_number: number("last"),
                count: row.f64("n").unwrap_or_default(),
                group: group.clone(),
            }
        });
        Ok(groups.collect())
    }

    /// People whom errors hit, last hit first; one of them if an id is given.
    pub async fn people(&self, id: Option<&str>, offset: usize, limit: usize) -> Result<Vec<PersonTold>, EngineError> {
        const GROUPS_TOLD: usize = 200;
        let session = self.session(TimeRange::ALL).await?;
        if !session.has(Signal::Logs, PERSON) {
            return Ok(Vec::new());
        }
        session.define("l", Signal::Logs, Some(column(GROUP).is_not_null())).await?;
        let text = |name: &str| format!("CAST({} AS VARCHAR)", session.column_or_null(Signal::Logs, name));
        let condition = match id {
            Some(id) => format!("{} = {}", text(PERSON), quote_text(id)),
            None => format!("{} <> ''", text(PERSON)),
        };
        let answer = session
            .ask(&format!(
                r#"SELECT {} AS id, last_value({} ORDER BY time) AS username, last_value({} ORDER BY time) AS email,
                   sum(sample_rate) AS n, min(time) AS first, max(time) AS last, array_agg(DISTINCT "error.group") AS groups
                   FROM l WHERE {condition} GROUP BY 1 ORDER BY last DESC, 1 LIMIT {limit} OFFSET {offset}"#,
                text(PERSON),
                text("user.name"),
                text("user.email"),
            ))
            .await?;
        let people = answer.iter().map(|row| {
            let groups = row.cells().find(|(name, _)| *name == "groups").and_then(|(_, value)| match value {
                serde_json::Value::Array(groups) => Some(groups),
                _ => None,
            });
            let mut groups: Vec<String> =
                groups.unwrap_or_default().iter().filter_map(|group| group.as_str().map(str::to_owned)).collect();
            groups.sort();
            groups.truncate(GROUPS_TOLD);
            PersonTold {
                id: row.string("id").unwrap_or_default(),
                username: row.string("username").unwrap_or_default(),
                email: row.string("email").unwrap_or_default(),
                count: row.f64("n").unwrap_or_default(),
                first_unix_nano: row.i64("first").unwrap_or_default(),
                last_unix_nano: row.i64("last").unwrap_or_default(),
                groups,
            }
        });
        Ok(people.collect())
    }

    /// Deploys that were announced, latest first; of one number if one is given, or of one version.
    pub async fn deploys_told(
        &self,
        number: Option<i64>,
        version: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<DeployTold>, EngineError> {
        let session = self.session(TimeRange::ALL).await?;
        session.define("l", Signal::Logs, Some(is("event_name", "deploy"))).await?;
        let or_null = |column| session.column_or_null(Signal::Logs, column);
        let mut conditions = vec!["true".to_owned()];
        conditions.extend(number.map(|number| format!("CAST({} AS BIGINT) = {number}", or_null("rollbar.deploy.id"))));
        conditions.extend(version.map(|version| format!("{} = {}", or_null(VERSION), quote_text(version))));
        let answer = session
            .ask(&format!(
                r#"SELECT time, body, CAST({} AS BIGINT) AS number, {} AS version, {} AS environment, {} AS local_user,
                   {} AS rollbar_user, {} AS status FROM l WHERE {} ORDER BY time DESC LIMIT {limit} OFFSET {offset}"#,
                or_null("rollbar.deploy.id"),
                or_null(VERSION),
                or_null(ENVIRONMENT),
                or_null("rollbar.deploy.local_username"),
                or_null("rollbar.deploy.rollbar_username"),
                or_null("rollbar.deploy.status"),
                conditions.join(" AND ")
            ))
            .await?;
        let deploys = answer.iter().map(|row| {
            let string = |name: &str| row.string(name).unwrap_or_default();
            DeployTold {
                number: row.i64("number").unwrap_or_default(),
                time_unix_nano: row.i64("time").unwrap_or_default(),
                environment: string("environment"),
                version: string("version"),
                user: string("local_user"),
                rollbar_user: string("rollbar_user"),
                status: string("status"),
                comment: string("body"),
            }
        });
        Ok(deploys.collect())
    }
}

fn column(name: &str) -> Expr {
    Expr::Column(Column::from_name(name))
}

pub(super) fn moment(unix_nano: i64) -> Expr {
    lit(datafusion::common::ScalarValue::TimestampNanosecond(Some(unix_nano), Some("UTC".into())))
}

fn condition(session: &Session, filter: &OccurrenceFilter) -> Option<Expr> {
    let among =
        |name: &str, values: &[String]| column(name).in_list(values.iter().map(|value| lit(value.as_str())).collect(), false);
    let environments = (!filter.environments.is_empty())
        .then(|| if session.has(Signal::Logs, ENVIRONMENT) { among(ENVIRONMENT, &filter.environments) } else { lit(false) });
    all_of([
        Some(match filter.groups.as_deref() {
            None => column(GROUP).is_not_null(),
            Some([]) => lit(false),
            Some(groups) => among(GROUP, groups),
        }),
        environments,
        filter.before_number.map(|number| column("received_at").lt(moment(occurrence_received_at(number)))),
    ])
}

fn told(row: crate::answer::Row<'_>) -> Occurrence {
    let log = tell(row, true);
    let group = log.error_group.clone().unwrap_or_default();
    let uuid = row.string(UUID);
    let number = occurrence_number(
        log.received_at_unix_nano.0,
        log.time_unix_nano.0,
        &group,
        &log.body,
        uuid.as_deref().unwrap_or_default(),
    );
    Occurrence { number, group, uuid, log }
}
