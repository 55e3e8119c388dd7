//! What tells people: deliveries to others' addresses, and the clock that evaluates alarms, triggers and rules.
//!
//! [`outbox`] keeps what is to be sent in the metastore and sends it, over HTTP or as e-mail, until it is taken or given up.
//! [`clock`] runs each evaluator of [`evaluators`] in its period. Vendors' words stay with those who hand something over.

pub mod clock;
pub mod delivery;
mod http;
mod mail;
pub mod outbox;

use std::sync::Arc;

pub use clock::{EvaluationError, Evaluator};
pub use delivery::{DeliveryId, Destination, NewDelivery, Payload, ToldDelivery};
pub use mail::{MailSecurity, MailSettings};
pub use outbox::{Outbox, OutboxError};

/// Everything that is evaluated on the clock, one line each.
pub fn evaluators() -> Vec<Arc<dyn Evaluator>> {
    vec![
        Arc::new(crate::api::aws::LogAnomalies),
        Arc::new(crate::api::aws::metrics::AlarmEvaluator),
        Arc::new(crate::api::aws::MetricFilterDefaults),
        Arc::new(crate::api::aws::ScheduledQueries),
        Arc::new(crate::api::aws::ExportTasks),
        Arc::new(crate::api::honeycomb::Triggers),
        Arc::new(crate::api::honeycomb::Slos),
        Arc::new(crate::api::rollbar::Notifier),
        Arc::new(crate::api::errors::OccurrenceHours),
        Arc::new(crate::api::errors::IdleItems),
    ]
}
