//! `/api/errors`: items with the figures of a time range, one item in full, and what people change of items.
//!
//! Which occurrences are one item, and what was decided about it, is known by the metastore; how often, when and to whom it
//! happened is asked of the rows.

pub mod change;
mod hours;
pub mod idle;
pub mod item;
pub mod list;
mod search;
pub mod suspects;

pub use change::{change, comment, issue, merge, people};
pub use hours::OccurrenceHours;
pub(super) use hours::hourly;
pub use idle::IdleItems;
pub(super) use item::occurrence_of;
pub use item::{occurrence, occurrences, one};
pub use list::list;
pub use suspects::suspects;

use engine::ask::UnixNano;
use metastore::{ErrorItem, ItemStatus, Person};
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::Refusal;
use crate::ingest::{ItemsError, items_up_to_date};
use crate::{Services, now_unix_nano};

const LEVELS: [(i64, &str); 5] = [(10, "debug"), (20, "info"), (30, "warning"), (40, "error"), (50, "critical")];

/// What is known of an item whatever the time range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ErrorItemTold {
    /// By which `/api/error-items` and Rollbar's API know it.
    pub id: i64,
    /// By this number people speak of it.
    pub counter: i64,
    /// The first of its groups.
    pub group: String,
    pub title: String,
    /// `active`, `resolved`, `muted` or `archived`.
    pub status: &'static str,
    /// `debug`, `info`, `warning`, `error` or `critical`.
    pub level: &'static str,
    pub environment: String,
    pub framework: String,
    pub platform: String,
    pub language: String,
    /// Whom it is given to.
    pub assigned_to: Option<String>,
    /// Nobody wants to see it before.
    pub snoozed_until_unix_nano: Option<UnixNano>,
    pub resolved_at_unix_nano: Option<UnixNano>,
    pub resolved_in_version: Option<String>,
    /// Ever.
    pub first_seen_unix_nano: UnixNano,
    /// Ever.
    pub last_seen_unix_nano: UnixNano,
    pub last_activated_unix_nano: UnixNano,
    /// Since it was last activated.
    pub occurrences: u64,
}

fn told(item: &ErrorItem, people: &[Person]) -> ErrorItemTold {
    let now = now_unix_nano();
    ErrorItemTold {
        id: item.id,
        counter: item.counter,
        group: item.fingerprint.clone(),
        title: item.title.clone(),
        status: item.status.name(),
        level: level_name(item.level),
        environment: item.environment.clone(),
        framework: item.framework.clone(),
        platform: item.platform.clone(),
        language: item.language.clone(),
        assigned_to: assigned(item.assigned_user_id, item.assigned_team_id, people),
        snoozed_until_unix_nano: item.snoozed_until_unix_nano.filter(|until| *until > now).map(UnixNano),
        resolved_at_unix_nano: item.resolved_at_unix_nano.filter(|_| item.status == ItemStatus::Resolved).map(UnixNano),
        resolved_in_version: item.resolved_in_version.clone(),
        first_seen_unix_nano: UnixNano(item.first_seen_unix_nano),
        last_seen_unix_nano: UnixNano(item.last_seen_unix_nano),
        last_activated_unix_nano: UnixNano(item.last_activated_at_unix_nano),
        occurrences: item.occurrences,
    }
}

/// The name of whom an item was given to.
fn assigned(user: Option<i64>, team: Option<i64>, people: &[Person]) -> Option<String> {
    let id = user.or(team)?;
    let known = people.iter().find(|person| Some(person.id) == user);
    Some(known.map_or_else(|| format!("#{id}"), |person| person.name.clone()))
}

fn level_name(level: i64) -> &'static str {
    LEVELS.iter().find(|(number, _)| *number == level).map_or("error", |(_, name)| name)
}

fn level_number(name: &str) -> Result<i64, Refusal> {
    LEVELS.iter().find(|(_, known)| *known == name).map(|(number, _)| *number).ok_or_else(|| {
        Refusal::parameter(format!("cannot read level from {name:?}: expected critical, error, warning, info or debug"))
    })
}

/// Writes what is pending, so that an answer knows what was taken in before the question.
async fn up_to_date(services: &Services) -> Result<(), Refusal> {
    items_up_to_date(services).await?;
    Ok(())
}

impl From<ItemsError> for Refusal {
    fn from(error: ItemsError) -> Refusal {
        match error {
            ItemsError::Metastore(error) => error.into(),
            ItemsError::Engine(error) => error.into(),
        }
    }
}
