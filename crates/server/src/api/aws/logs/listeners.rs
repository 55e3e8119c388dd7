//! Who listens to a log group: its metric filters and subscriptions, and what they find in events before these are kept.

use std::borrow::Cow;

use receivers::aws::AwsError;

use super::LogsApi;
use super::made_metrics::{Found, Line, find};
use crate::alerting::NewDelivery;

/// Events of one stream that came together.
pub struct Batch<'e> {
    pub group: &'e str,
    pub stream: &'e str,
    pub received_at_unix_nano: i64,
    /// The index of the first event in the request.
    pub first: usize,
    /// What is the same when the request is sent again; the first event's id where there is nothing of the kind.
    pub request: Option<u128>,
    /// When each happened, in milliseconds, and what it says.
    pub events: Vec<(i64, &'e str)>,
}

/// What is to be kept and sent of events.
#[derive(Default)]
pub struct Heard {
    pub found: Found,
    pub deliveries: Vec<NewDelivery>,
}

impl LogsApi<'_> {
    /// What metric filters find in the events, and what is to be sent to subscribers.
    pub(super) async fn heard(&self, batch: &Batch<'_>) -> Result<Heard, AwsError> {
        let filters = self.filters_at_work(batch.group).await?;
        let subscriptions = self.subscriptions_at_work(batch.group).await?;
        if filters.is_empty() && subscriptions.is_empty() {
            return Ok(Heard::default());
        }
        let masks = self.masks_of(batch.group).await?;
        let told = |message| masks.as_ref().map_or(Cow::Borrowed(message), |masks| masks.mask(message));
        let lines: Vec<Line<'_>> = batch.events.iter().map(|(timestamp, message)| (*timestamp, told(message))).collect();
        let account = &self.services.settings.account_id;
        let deliveries = subscriptions.iter().filter_map(|subscription| subscription.delivery(account, batch, &lines));
        Ok(Heard { deliveries: deliveries.collect(), found: find(&filters, &lines) })
    }
}
