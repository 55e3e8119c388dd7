//! Occurrences on their way to their items: what is new of each group is summed in memory and written every second.
//!
//! Ingest only adds numbers up. What a crash takes away is found again from the rows at the next start.

use std::collections::HashMap;

use engine::EngineError;
use engine::ask::Asker;
use engine::ask::occurrences::{GroupReceived, OccurrenceFilter};
use metastore::{ItemChange, Metastore, MetastoreError, OccurrencesSeen};
use model::Exception;
use parking_lot::Mutex;
use store::TimeRange;

use super::occurrence::{level, title};
use crate::limits::{ITEMS_CAUGHT_UP_MAX, ITEMS_COUNTED_AGAIN_MAX, ITEMS_PENDING_MAX};

/// Up to when, by arrival, every occurrence is known to have reached its item.
const WRITTEN_UNTIL: &str = "error_items.written_until";

/// Said instead when nothing came after it: there is nothing to look for.
const ALL_WRITTEN: &str = "all";

/// How often that is noted: what came since is looked at again after a crash, which is cheap and changes nothing.
const NOTED_EVERY_NS: i64 = 10 * 1_000_000_000;

/// Requests that were received before the note was written, but kept only after it.
const LATE_NS: i64 = 60 * 1_000_000_000;

/// What came in since the last write.
#[derive(Default)]
pub struct Items {
    pending: Mutex<Pending>,
    /// One writer at a time, so that occurrences reach their items in order.
    writing: tokio::sync::Mutex<Noted>,
}

#[derive(Default)]
struct Pending {
    /// By group, environment and version.
    seen: HashMap<(String, String, String), OccurrencesSeen>,
    /// More came than fits: the rest is to be found from the rows.
    overflowed: bool,
}

#[derive(Default)]
struct Noted {
    at_unix_nano: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum ItemsError {
    #[error(transparent)]
    Metastore(#[from] MetastoreError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Rows came by another way than ingest: the next start looks at all there are.
pub async fn look_at_all_rows(metastore: &Metastore, project: &str, now_unix_nano: i64) -> Result<(), MetastoreError> {
    metastore.put_project_setting(project, WRITTEN_UNTIL, "", now_unix_nano).await
}

impl Items {
    /// Adds the occurrences of a request that was kept.
    pub fn saw(&self, occurrences: Vec<OccurrencesSeen>) {
        if occurrences.is_empty() {
            return;
        }
        let mut pending = self.pending.lock();
        for seen in occurrences {
            pending.add(seen);
        }
    }

    /// Writes what is pending to the items. Tells which are new or active again.
    pub async fn write(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<Vec<ItemChange>, ItemsError> {
        let mut noted = self.writing.lock().await;
        let Pending { seen, overflowed } = std::mem::take(&mut *self.pending.lock());
        let mut changes = Vec::new();
        let any = !seen.is_empty();
        if any {
            let mut seen: Vec<OccurrencesSeen> = seen.into_values().collect();
            // Counters follow the order in which errors were first seen.
            seen.sort_by(|left, right| {
                (left.first_occurrence, &left.fingerprint).cmp(&(right.first_occurrence, &right.fingerprint))
            });
            changes = match metastore.record_occurrences(&asker.project, &seen, now_unix_nano).await {
                Ok(changes) => changes,
                Err(error) => {
                    // Nothing of it was written: it waits for the next time.
                    self.saw(seen);
                    return Err(error.into());
                }
            };
        }
        if overflowed {
            tracing::info!("more errors came in than can wait; their items are made from the rows");
            catch_up(metastore, asker, now_unix_nano).await?;
        }
        if overflowed || (any && now_unix_nano - noted.at_unix_nano >= NOTED_EVERY_NS) {
            note(metastore, &asker.project, now_unix_nano).await?;
            noted.at_unix_nano = now_unix_nano;
        }
        Ok(changes)
    }

    /// Finds from the rows what an earlier run, or one before there were items, did not write. What arrives from now on
    /// is not looked at: it waits in memory.
    pub async fn catch_up(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
        let _writing = self.writing.lock().await;
        let written = metastore.project_setting(&asker.project, WRITTEN_UNTIL).await?;
        if written.is_none_or(|written| written.value != ALL_WRITTEN) {
            catch_up(metastore, asker, now_unix_nano).await?;
        }
        note(metastore, &asker.project, now_unix_nano).await
    }

    /// Writes what is pending when nothing comes in any more, so that the next start need not look.
    pub async fn finish(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
        self.write(metastore, asker, now_unix_nano).await?;
        Ok(metastore.put_project_setting(&asker.project, WRITTEN_UNTIL, ALL_WRITTEN, now_unix_nano).await?)
    }
}

impl Pending {
    fn add(&mut self, seen: OccurrencesSeen) {
        let key = (seen.fingerprint.clone(), seen.environment.clone(), seen.version.clone());
        if self.seen.len() >= ITEMS_PENDING_MAX && !self.seen.contains_key(&key) {
            self.overflowed = true;
            return;
        }
        match self.seen.entry(key) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(seen);
            }
            std::collections::hash_map::Entry::Occupied(mut place) => {
                let sum = place.get_mut();
                sum.count = sum.count.saturating_add(seen.count);
                if seen.first_seen_unix_nano < sum.first_seen_unix_nano {
                    (sum.first_seen_unix_nano, sum.first_occurrence) = (seen.first_seen_unix_nano, seen.first_occurrence);
                }
                if seen.last_seen_unix_nano >= sum.last_seen_unix_nano {
                    (sum.last_seen_unix_nano, sum.last_occurrence) = (seen.last_seen_unix_nano, seen.last_occurrence);
                }
            }
        }
    }
}

async fn note(metastore: &Metastore, project: &str, now_unix_nano: i64) -> Result<(), ItemsError> {
    let until = now_unix_nano.saturating_sub(LATE_NS).to_string();
    Ok(metastore.put_project_setting(project, WRITTEN_UNTIL, &until, now_unix_nano).await?)
}

async fn catch_up(metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
    let project = &asker.project;
    let written = metastore.project_setting(project, WRITTEN_UNTIL).await?;
    let since = written.and_then(|written| written.value.parse().ok()).unwrap_or(i64::MIN);
    let received = asker.groups_received(since, now_unix_nano, ITEMS_CAUGHT_UP_MAX).await?;
    let groups: Vec<String> = received.iter().map(|received| received.group.clone()).collect();
    let known = metastore.error_items_of_fingerprints(project, &groups).await?;
    let is_known = |group: &str| known.iter().any(|(fingerprint, _)| fingerprint == group);
    let seen: Vec<OccurrencesSeen> = received
        .into_iter()
        .map(|received| {
            // Those of a known item may have been counted: they are counted below.
            let counted = is_known(&received.group);
            let seen = seen_of(received);
            if counted { OccurrencesSeen { count: 0, ..seen } } else { seen }
        })
        .collect();
    metastore.record_occurrences(project, &seen, now_unix_nano).await?;
    for (group, item) in known.iter().take(ITEMS_COUNTED_AGAIN_MAX) {
        let range = TimeRange { start_unix_nano: item.last_activated_at_unix_nano, end_unix_nano: i64::MAX };
        let filter = OccurrenceFilter { groups: Some(vec![group.clone()]), ..OccurrenceFilter::default() };
        let counts = asker.occurrence_counts(range, i64::MAX / 1_000_000_000, &filter, false).await?;
        let count: f64 = counts.iter().map(|count| count.count).sum();
        metastore.raise_error_item_count(item.id, count.round() as u64).await?;
    }
    Ok(())
}

fn seen_of(received: GroupReceived) -> OccurrencesSeen {
    let exception = Exception {
        r#type: received.exception_type.as_str().into(),
        message: received.exception_message.as_str().into(),
        ..Exception::default()
    };
    OccurrencesSeen {
        level: level(received.severity_number),
        title: title(&exception, &received.event_name, &received.body),
        earlier_fingerprints: Vec::new(),
        first_seen_unix_nano: received.first_unix_nano,
        last_seen_unix_nano: received.last_unix_nano,
        first_occurrence: received.first_number,
        last_occurrence: received.last_number,
        count: received.count.round() as u64,
        fingerprint: received.group,
        environment: received.environment,
        version: received.version,
        framework: received.framework,
        platform: received.platform,
        language: received.language,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_are_summed_by_group_environment_and_version() {
        let items = Items::default();
        let seen = |version: &str, at: i64| OccurrencesSeen {
            fingerprint: "a".into(),
            version: version.into(),
            first_seen_unix_nano: at,
            last_seen_unix_nano: at,
            first_occurrence: at,
            last_occurrence: at,
            count: 1,
            ..OccurrencesSeen::default()
        };
        items.saw(vec![seen("1", 5), seen("1", 3), seen("2", 9), seen("1", 4)]);
        let pending = items.pending.lock();
        let sum = &pending.seen[&("a".into(), String::new(), "1".into())];
        assert_eq!((sum.count, sum.first_occurrence, sum.last_occurrence), (3, 3, 5));
        assert_eq!(pending.seen.len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_rows() {
        let items = Items::default();
        let many = (0..ITEMS_PENDING_MAX + 1)
            .map(|number| OccurrencesSeen { fingerprint: number.to_string(), ..OccurrencesSeen::default() });
        items.saw(many.collect());
        let pending = items.pending.lock();
        assert_eq!((pending.seen.len(), pending.overflowed), (ITEMS_PENDING_MAX, true));
    }
}
