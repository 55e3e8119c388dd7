//! Notifications: rules say what is told to whom when items appear, come back, repeat or hurry, and when deploys happen.
//!
//! [`rules`] is Rollbar's API for them, [`filters`] what a rule asks of an occurrence, [`told`] what is sent, [`Notifier`] looks
//! every few seconds at what happened and hands it to the outbox, with a key that makes each thing be told once.

mod filters;
mod notifier;
pub mod rules;
mod told;

use metastore::ResourceKind;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use notifier::Notifier;

const RULE: ResourceKind = ResourceKind { name: "rollbar.notification_rule", what: "notification rule" };
const CHANNEL: ResourceKind = ResourceKind { name: "rollbar.notification_channel", what: "notification channel" };

/// The channels there are.
pub const CHANNELS: [&str; 3] = ["webhook", "slack", "email"];

/// All there are, in the order in which they are offered.
pub const TRIGGERS: [Trigger; 8] = [
    Trigger::NewItem,
    Trigger::Occurrence,
    Trigger::ExpRepeatItem,
    Trigger::OccurrenceRate,
    Trigger::ReactivatedItem,
    Trigger::ReopenedItem,
    Trigger::ResolvedItem,
    Trigger::Deploy,
];

/// What may make a rule speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    NewItem,
    /// Every occurrence, but each item at most once in a window.
    #[serde(alias = "every_occurrence")]
    Occurrence,
    ExpRepeatItem,
    #[serde(alias = "item_velocity")]
    OccurrenceRate,
    ReactivatedItem,
    ReopenedItem,
    ResolvedItem,
    Deploy,
}

impl Trigger {
    /// The name in a rule.
    pub fn name(self) -> &'static str {
        match self {
            Trigger::OccurrenceRate => "occurrence_rate",
            other => other.event_name(),
        }
    }

    /// The name in what is sent.
    fn event_name(self) -> &'static str {
        match self {
            Trigger::NewItem => "new_item",
            Trigger::Occurrence => "occurrence",
            Trigger::ExpRepeatItem => "exp_repeat_item",
            Trigger::OccurrenceRate => "item_velocity",
            Trigger::ReactivatedItem => "reactivated_item",
            Trigger::ReopenedItem => "reopened_item",
            Trigger::ResolvedItem => "resolved_item",
            Trigger::Deploy => "deploy",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Trigger::NewItem => "New error",
            Trigger::Occurrence => "Error",
            Trigger::ExpRepeatItem => "Error repeats",
            Trigger::OccurrenceRate => "High rate of an error",
            Trigger::ReactivatedItem => "Error is back",
            Trigger::ReopenedItem => "Error reopened",
            Trigger::ResolvedItem => "Error resolved",
            Trigger::Deploy => "Deploy",
        }
    }
}

/// A rule as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NotificationRule {
    #[serde(default)]
    pub id: i64,
    pub trigger: Trigger,
    #[serde(default)]
    pub filters: Vec<Value>,
    #[serde(default)]
    pub config: Map<String, Value>,
    #[serde(default = "enabled")]
    pub status: String,
    /// Nothing that happened before is told.
    #[serde(default)]
    pub created_at_unix_nano: i64,
}

fn enabled() -> String {
    "enabled".to_owned()
}
