//! Relational state: the catalog of parts, the registry of attributes, imported files, log groups and streams, what is
//! kept for how long and what was deleted, error items, whom they were given to and how deploys went, X-Ray's groups and
//! sampling rules, what Honeycomb's API keeps, what else AWS's APIs are told to keep, and what is delivered to others.
//!
//! [`Metastore`] is one SQLite database (write-ahead log, `synchronous = FULL`): what a call wrote is durable when it
//! returns. One writer at a time, many readers. The SQL is plain, so that PostgreSQL can take its place when there are
//! several nodes. This crate holds no telemetry: rows live in parts, which the store writes.

mod alarm_history;
mod alert_history;
mod attributes;
mod code_version;
mod database;
mod deletions;
mod deliveries;
mod deploy_states;
mod error;
mod error_counts;
mod error_item_history;
mod error_item_idle;
mod error_item_issues;
mod error_item_merges;
mod error_item_occurrences;
mod error_item_tallies;
mod error_item_totals;
mod error_items;
mod error_source_maps;
mod evaluations;
mod honeycomb;
mod imports;
mod log_groups;
mod migrations;
mod parts;
mod people;
mod project_settings;
mod release_revisions;
mod resource_policies;
mod resources;
mod retention;
mod sampling_rules;
mod sampling_statistics;
mod slo_counts;
mod tags;
mod xray_groups;

pub use alarm_history::AlarmEvent;
pub use alert_history::AlertEntry;
pub use attributes::{AttributeSeen, AttributeType, RegisteredAttribute};
pub use code_version::{VersionOrder, compare_versions};
pub use database::Metastore;
pub use deletions::{Deletion, DeletionKind, DeletionStep, NewDeletion};
pub use deliveries::{Delivery, DeliveryState};
pub use deploy_states::DeployState;
pub use error::MetastoreError;
pub use error_counts::{ErrorCount, ErrorCountFilter};
pub use error_item_history::{ItemComment, ItemEvent, ItemEventKind};
pub use error_item_occurrences::{ItemChange, OccurrencesSeen};
pub use error_item_tallies::{ErrorItemTally, GroupItem};
pub use error_item_totals::{ErrorItemTotal, ErrorItemTotals};
pub use error_items::{
    ErrorItem, ErrorItemFilter, ErrorItemOrder, ErrorItemUpdate, ItemStatus, ItemVersion, ShownStatuses, VersionItems,
};
pub use error_source_maps::{NewSourceMap, SourceMapKept};
pub use evaluations::Evaluation;
pub use honeycomb::HoneycombDocument;
pub use imports::ImportedFile;
pub use log_groups::{
    LogGroup, LogGroupFilter, LogStream, LogStreamActivity, LogStreamFilter, LogStreamOrder, Page, RETENTION_DAYS_ALLOWED,
};
pub use parts::{CatalogChanges, CatalogPosition, CatalogedPart, FlushCommit, NewPart, PartTotals, PartsChange};
pub use people::Person;
pub use project_settings::ProjectSetting;
pub use release_revisions::ReleaseRevision;
pub use resource_policies::ResourcePolicy;
pub use resources::{Resource, ResourceKind, ResourcesMax};
pub use retention::{ClassRows, NewPin, Pin, PinKind, RetentionPolicy, RetentionRun, ThinnedWindow};
pub use sampling_rules::{
    DEFAULT_SAMPLING_PRIORITY, DEFAULT_SAMPLING_RULE, SamplingBoostPolicy, SamplingRule, SamplingRuleUpdate, SamplingRules,
};
pub use sampling_statistics::SamplingWindow;
pub use slo_counts::SloMinute;
pub use xray_groups::{XrayGroup, XrayGroupUpdate};
