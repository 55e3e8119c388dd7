//! Looks every few seconds at what happened, and tells those whose rules ask for it.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use engine::ask::occurrences::{Occurrence, OccurrenceFilter};
use metastore::{ErrorItem, ErrorItemFilter, ErrorItemOrder, Evaluation, ItemEventKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use store::TimeRange;

use super::super::payload::payload;
use super::Trigger;
use super::filters::Rate;
use super::rules::{self, Kept};
use super::told::{Told, delivery};
use crate::Services;
use crate::alerting::{EvaluationError, Evaluator, NewDelivery};
use crate::limits::{NOTIFICATION_EVENTS_MAX, NOTIFICATION_ITEMS_MAX};

const NAME: &str = "rollbar.notifications";
const SECOND: i64 = 1_000_000_000;

/// An item that occurs all the time is told once in so many seconds, where a rule asks for every occurrence.
const OCCURRENCE_WINDOW_SECONDS: i64 = 60;

/// Rows that are kept, but not yet seen, when somebody looks.
const LATE_NS: i64 = 10 * SECOND;

pub struct Notifier;

/// What was looked at the last time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    /// Of items' histories.
    last_event: i64,
    looked_at_unix_nano: i64,
    /// Occurrences of items that were seen lately, for their powers of ten.
    occurrences: HashMap<i64, u64>,
}

#[async_trait]
impl Evaluator for Notifier {
    fn name(&self) -> &'static str {
        NAME
    }

    fn every(&self) -> Duration {
        Duration::from_secs(2)
    }

    async fn evaluate(&self, services: &Services, now_unix_nano: i64) -> Result<(), EvaluationError> {
        let (metastore, project) = (&services.metastore, services.settings.project.as_str());
        let rules = rules::kept(services).await?;
        let known = metastore.evaluation(project, NAME, "").await?;
        let before = known.as_ref().and_then(|known| serde_json::from_str::<State>(&known.state).ok());
        let Some(before) = before else {
            // What happened before anybody looked is history.
            let last_event = metastore.last_error_item_event(project).await?;
            return keep(services, &State { last_event, looked_at_unix_nano: now_unix_nano, ..State::default() }).await;
        };
        if rules.is_empty() {
            let last_event = metastore.last_error_item_event(project).await?;
            return keep_if_changed(
                services,
                &before,
                &State { last_event, looked_at_unix_nano: now_unix_nano, ..State::default() },
            )
            .await;
        }
        let look = Look { services, rules: &rules, now_unix_nano };
        let last_event = look.events(before.last_event).await?;
        let occurrences = look.items(&before).await?;
        look.deploys(before.looked_at_unix_nano).await?;
        keep(services, &State { last_event, looked_at_unix_nano: now_unix_nano, occurrences }).await
    }
}

/// Nothing happened and nobody asks: no write.
async fn keep_if_changed(services: &Services, before: &State, after: &State) -> Result<(), EvaluationError> {
    let is_old = after.looked_at_unix_nano - before.looked_at_unix_nano > 60 * SECOND;
    if before.last_event == after.last_event && before.occurrences.is_empty() && !is_old {
        return Ok(());
    }
    keep(services, after).await
}

async fn keep(services: &Services, state: &State) -> Result<(), EvaluationError> {
    let text = serde_json::to_string(state).map_err(|error| EvaluationError::Other(error.to_string()))?;
    let evaluation = Evaluation { subject: String::new(), state: text, evaluated_at_unix_nano: state.looked_at_unix_nano };
    Ok(services.metastore.put_evaluation(&services.settings.project, NAME, &evaluation).await?)
}

/// One look.
struct Look<'l> {
    services: &'l Services,
    rules: &'l [Kept],
    now_unix_nano: i64,
}

impl Look<'_> {
    fn of(&self, trigger: Trigger) -> impl Iterator<Item = &Kept> {
        self.rules.iter().filter(move |kept| kept.rule.trigger == trigger)
    }

    fn any(&self, trigger: Trigger) -> bool {
        self.of(trigger).next().is_some()
    }

    /// What histories of items tell. The last event that was looked at.
    async fn events(&self, last_event: i64) -> Result<i64, EvaluationError> {
        let (metastore, project) = (&self.services.metastore, self.services.settings.project.as_str());
        let events = metastore.error_item_events_since(project, last_event, NOTIFICATION_EVENTS_MAX).await?;
        for event in &events {
            let trigger = match event.kind {
                ItemEventKind::Created => Trigger::NewItem,
                ItemEventKind::Reactivated => Trigger::ReactivatedItem,
                ItemEventKind::Reopened => Trigger::ReopenedItem,
                ItemEventKind::Resolved => Trigger::ResolvedItem,
                _ => continue,
            };
            // A group that people made is nothing new.
            if !self.any(trigger) || event.details.get("merged").is_some() {
                continue;
            }
            let Some(item) = metastore.error_item(project, event.item).await? else { continue };
            self.tell(trigger, &item, &format!("event:{}", event.id), Map::new()).await?;
        }
        Ok(events.last().map_or(last_event, |event| event.id))
    }

    /// What the numbers of items tell that were seen since. The numbers for the next time.
    async fn items(&self, before: &State) -> Result<HashMap<i64, u64>, EvaluationError> {
        let triggers = [Trigger::Occurrence, Trigger::ExpRepeatItem, Trigger::OccurrenceRate];
        if !triggers.into_iter().any(|trigger| self.any(trigger)) {
            return Ok(HashMap::new());
        }
        let (metastore, project) = (&self.services.metastore, self.services.settings.project.as_str());
        let since = before.looked_at_unix_nano.saturating_sub(LATE_NS);
        let filter = ErrorItemFilter { seen_since_unix_nano: Some(since), ..ErrorItemFilter::default() };
        let items = metastore.error_items(project, &filter, ErrorItemOrder::LastSeen, 0, NOTIFICATION_ITEMS_MAX).await?;
        let mut counted = HashMap::new();
        for item in &items {
            // Of one that was not looked at, only what came since counts: all of it where it is new.
            let is_new = item.first_seen_unix_nano >= since;
            let known = before.occurrences.get(&item.id).copied();
            let earlier = known.unwrap_or(if is_new { 0 } else { item.occurrences }).min(item.occurrences);
            counted.insert(item.id, item.occurrences);
            if let Some(power) = power_of_ten_between(earlier, item.occurrences) {
                let key = format!("exp:{}:{}:{power}", item.id, item.last_activated_at_unix_nano);
                let extra = [("occurrences".to_owned(), power.into())].into_iter().collect();
                self.tell(Trigger::ExpRepeatItem, item, &key, extra).await?;
            }
            if item.last_seen_unix_nano > before.looked_at_unix_nano || known.is_some_and(|known| known < item.occurrences) {
                let window = self.now_unix_nano / (OCCURRENCE_WINDOW_SECONDS * SECOND);
                self.tell(Trigger::Occurrence, item, &format!("occurrence:{}:{window}", item.id), Map::new()).await?;
            }
        }
        self.rates(&items).await?;
        Ok(counted)
    }

    async fn rates(&self, items: &[ErrorItem]) -> Result<(), EvaluationError> {
        let mut rates: Vec<Rate> = self.of(Trigger::OccurrenceRate).filter_map(|kept| kept.filters.rate).collect();
        rates.sort_by_key(|rate| (rate.window_seconds, rate.count));
        rates.dedup();
        for rate in rates.into_iter().filter(|_| !items.is_empty()) {
            let start = self.now_unix_nano.saturating_sub(rate.window_seconds * SECOND);
            let range = TimeRange { start_unix_nano: start, end_unix_nano: self.now_unix_nano.saturating_add(LATE_NS) };
            for item in items.iter().filter(|item| item.occurrences > 0) {
                let groups = self.services.metastore.error_item_fingerprints(item.id).await?;
                let filter = OccurrenceFilter { groups: Some(groups), ..OccurrenceFilter::default() };
                let counts = self.services.asker.occurrence_counts(range, i64::MAX / SECOND, &filter, false).await?;
                let count: f64 = counts.iter().map(|count| count.count).sum();
                if (count.round() as u64) < rate.count {
                    continue;
                }
                let window = self.now_unix_nano.div_euclid(rate.window_seconds * SECOND);
                let extra = json!({ "trigger": {
                    "threshold": rate.count,
                    "window_size": rate.window_seconds,
                    "window_size_description": format!("{} minutes", rate.window_seconds / 60),
                } });
                let extra = extra.as_object().cloned().unwrap_or_default();
                let key = format!("rate:{}:{}:{window}", item.id, rate.window_seconds);
                self.tell_where(Trigger::OccurrenceRate, item, &key, extra, |kept| kept.filters.rate == Some(rate)).await?;
            }
        }
        Ok(())
    }

    async fn deploys(&self, since_unix_nano: i64) -> Result<(), EvaluationError> {
        // Announced deploys are looked for among all rows: every fifth look is enough.
        if !self.any(Trigger::Deploy) || self.now_unix_nano.div_euclid(2 * SECOND) % 5 != 0 {
            return Ok(());
        }
        let since = since_unix_nano.saturating_sub(3 * LATE_NS);
        let deploys = self.services.asker.deploys_told(None, None, 0, NOTIFICATION_EVENTS_MAX as usize).await?;
        for deploy in deploys.iter().filter(|deploy| deploy.time_unix_nano >= since) {
            let document = super::super::deploys::deploy_json(deploy, None);
            let seen = json!({ "environment": deploy.environment, "code_version": deploy.version });
            for kept in self.of(Trigger::Deploy).filter(|kept| deploy.time_unix_nano >= kept.rule.created_at_unix_nano) {
                let told =
                    Told { trigger: Trigger::Deploy, item: None, document: &document, extra: Map::new(), page: &self.page() };
                if kept.filters.hold(&seen) {
                    self.send(kept, &format!("deploy:{}", deploy.number), &told).await?;
                }
            }
        }
        Ok(())
    }

    async fn tell(
        &self,
        trigger: Trigger,
        item: &ErrorItem,
        key: &str,
        extra: Map<String, Value>,
    ) -> Result<(), EvaluationError> {
        self.tell_where(trigger, item, key, extra, |_| true).await
    }

    async fn tell_where(
        &self,
        trigger: Trigger,
        item: &ErrorItem,
        key: &str,
        extra: Map<String, Value>,
        also: impl Fn(&Kept) -> bool,
    ) -> Result<(), EvaluationError> {
        let is_snoozed = item.snoozed_until_unix_nano.is_some_and(|until| until > self.now_unix_nano);
        let is_muted = item.status == metastore::ItemStatus::Muted;
        if !self.any(trigger) || is_snoozed || is_muted || item.group_item.is_some() {
            return Ok(());
        }
        let occurrence = self.services.asker.occurrence(item.last_occurrence).await?;
        let document = document(item, occurrence.as_ref());
        let mut seen = document.clone();
        for (name, value) in
            [("item_level", json!(item.level)), ("item_title", json!(item.title)), ("item_framework", json!(item.framework))]
        {
            seen[name] = value;
        }
        let told = Told { trigger, item: Some(item), document: &document, extra, page: &self.page() };
        for kept in self.of(trigger).filter(|kept| also(kept) && kept.filters.hold(&seen)) {
            if kept.rule.created_at_unix_nano > item.last_seen_unix_nano.max(item.changed_at_unix_nano) {
                continue;
            }
            if let Some(people_min) = kept.filters.people_min
                && self.people(item).await? < people_min
            {
                continue;
            }
            self.send(kept, key, &told).await?;
        }
        Ok(())
    }

    async fn people(&self, item: &ErrorItem) -> Result<u64, EvaluationError> {
        let groups = self.services.metastore.error_item_fingerprints(item.id).await?;
        let filter = OccurrenceFilter { groups: Some(groups), ..OccurrenceFilter::default() };
        let range = TimeRange { start_unix_nano: item.last_activated_at_unix_nano, end_unix_nano: i64::MAX };
        let top = self.services.asker.top_groups(range, &filter, usize::from(u8::MAX)).await?;
        Ok(top.iter().map(|group| group.people).sum())
    }

    async fn send(&self, kept: &Kept, key: &str, told: &Told<'_>) -> Result<(), EvaluationError> {
        let Some((destination, payload)) = delivery(&kept.channel, &kept.config, told) else { return Ok(()) };
        let origin = rules::origin(&kept.channel, kept.rule.id);
        let delivery = NewDelivery { origin, dedupe_key: key.to_owned(), destination, payload };
        self.services.outbox.send(delivery).await?;
        Ok(())
    }

    fn page(&self) -> String {
        format!("http://{}", self.services.addresses.http)
    }
}

/// The last occurrence in Rollbar's words.
fn document(item: &ErrorItem, occurrence: Option<&Occurrence>) -> Value {
    let mut document = occurrence.map(payload).unwrap_or_else(|| json!({ "environment": item.environment }));
    document["id"] = item.last_occurrence.into();
    document
}

/// The highest power of ten, from ten on, that was reached between two counts.
fn power_of_ten_between(before: u64, after: u64) -> Option<u64> {
    let mut power = 10_u64;
    while power.checked_mul(10).is_some_and(|next| next <= after) {
        power *= 10;
    }
    (before < power && power <= after).then_some(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_told_when_they_are_passed() {
        let cases =
            [(0, 9, None), (0, 10, Some(10)), (10, 11, None), (9, 250, Some(100)), (100, 999, None), (999, 1_000, Some(1_000))];
        for (before, after, expected) in cases {
            assert_eq!(power_of_ten_between(before, after), expected, "{before} {after}");
        }
    }
}
