//! Occurrences on their way to their items: what is new of each group is summed in memory and written every second.
//!
//! Ingest only adds numbers up. What a crash takes away is found again from the rows at the next start.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use engine::EngineError;
use engine::ask::Asker;
use engine::ask::occurrences::{GroupReceived, OccurrenceFilter};
use metastore::{ErrorItem, Metastore, MetastoreError, OccurrencesSeen};
use model::Exception;
use parking_lot::Mutex;
use store::TimeRange;

use super::looked_until::{Looked, LookedUntil};
use super::occurrence::{level, title};
use super::to_the_end::ToTheEnd;
use crate::limits::{
    ITEMS_CAUGHT_UP_MAX, ITEMS_COUNTED_AGAIN_MAX, ITEMS_PENDING_BYTES_MAX, ITEMS_WAIT_MAX, ITEMS_WRITTEN_AT_ONCE,
};
use crate::{Services, now_unix_nano};

/// Up to when every occurrence is known to have reached its item.
const WRITTEN: LookedUntil = LookedUntil::setting("error_items.written_until");

/// How often that is noted: what came since is looked at again after a crash, which is cheap and changes nothing.
const NOTED_EVERY_NS: i64 = 10 * 1_000_000_000;

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
    bytes: usize,
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
    WRITTEN.forget(metastore, project, now_unix_nano).await
}

/// Brings items up to date with what was taken in before a question, so that its answer knows it. Tells whether they are;
/// where there is more to write than people wait for, they are a little later.
pub async fn items_up_to_date(services: &Services) -> Result<bool, ItemsError> {
    let services = services.clone();
    let writing =
        ToTheEnd::new(async move { services.ingest.items().write(&services.metastore, &services.asker, now_unix_nano()).await });
    match tokio::time::timeout(ITEMS_WAIT_MAX, writing).await {
        Ok(written) => written.map(|()| true),
        Err(_) => Ok(false),
    }
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

    /// Writes what is pending to the items.
    pub async fn write(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
        let mut noted = self.writing.lock().await;
        let Pending { seen, overflowed, .. } = std::mem::take(&mut *self.pending.lock());
        let any = !seen.is_empty();
        let mut seen: Vec<OccurrencesSeen> = seen.into_values().collect();
        // Counters follow the order in which errors were first seen.
        seen.sort_by(|left, right| (left.first_occurrence, &left.fingerprint).cmp(&(right.first_occurrence, &right.fingerprint)));
        if let Err((unwritten, error)) = record(metastore, &asker.project, seen, now_unix_nano).await {
            let mut pending = self.pending.lock();
            pending.overflowed |= overflowed;
            unwritten.into_iter().for_each(|seen| pending.add(seen));
            return Err(error.into());
        }
        if overflowed {
            tracing::info!("more errors came in than can wait; their items are made from the rows");
            let found = catch_up(metastore, asker, now_unix_nano).await?;
            // What was on its way meanwhile may have been counted twice.
            metastore.forget_error_item_totals(&asker.project, &found).await?;
        }
        if overflowed || (any && now_unix_nano - noted.at_unix_nano >= NOTED_EVERY_NS) {
            WRITTEN.note(metastore, &asker.project, now_unix_nano).await?;
            noted.at_unix_nano = now_unix_nano;
        }
        Ok(())
    }

    /// Finds from the rows what an earlier run, or one before there were items, did not write. What arrives from now on
    /// is not looked at: it waits in memory.
    pub async fn catch_up(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
        let _writing = self.writing.lock().await;
        catch_up(metastore, asker, now_unix_nano).await?;
        Ok(WRITTEN.note(metastore, &asker.project, now_unix_nano).await?)
    }

    /// Writes what is pending when nothing comes in any more, so that the next start need not look.
    pub async fn finish(&self, metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<(), ItemsError> {
        self.write(metastore, asker, now_unix_nano).await?;
        Ok(WRITTEN.note_all(metastore, &asker.project, now_unix_nano).await?)
    }
}

impl Pending {
    fn add(&mut self, seen: OccurrencesSeen) {
        let key = (seen.fingerprint.clone(), seen.environment.clone(), seen.version.clone());
        match self.seen.entry(key) {
            Entry::Occupied(mut place) => place.get_mut().add(&seen),
            Entry::Vacant(_) if self.bytes >= ITEMS_PENDING_BYTES_MAX => self.overflowed = true,
            Entry::Vacant(place) => {
                self.bytes += bytes(&seen);
                place.insert(seen);
            }
        }
    }
}

/// What a sum takes in memory, with the names by which it is found.
fn bytes(seen: &OccurrencesSeen) -> usize {
    let names = seen.fingerprint.len() + seen.environment.len() + seen.version.len();
    let told = seen.title.len() + seen.framework.len() + seen.platform.len() + seen.language.len();
    let earlier = seen.earlier_fingerprints.iter().map(|group| size_of::<String>() + group.len()).sum::<usize>();
    size_of::<((String, String, String), OccurrencesSeen)>() + 2 * names + told + earlier
}

/// Writes sums, some at a time, so that others who write need not wait for all of them. Gives back those that were not
/// written.
async fn record(
    metastore: &Metastore,
    project: &str,
    mut seen: Vec<OccurrencesSeen>,
    now_unix_nano: i64,
) -> Result<(), (Vec<OccurrencesSeen>, MetastoreError)> {
    let mut written = 0;
    for part in seen.chunks(ITEMS_WRITTEN_AT_ONCE) {
        if let Err(error) = metastore.record_occurrences(project, part, now_unix_nano).await {
            seen.drain(..written);
            return Err((seen, error));
        }
        written += part.len();
    }
    Ok(())
}

/// Tells the groups that were found.
async fn catch_up(metastore: &Metastore, asker: &Asker, now_unix_nano: i64) -> Result<Vec<String>, ItemsError> {
    let project = &asker.project;
    let Looked::Before(since) = WRITTEN.read(metastore, project).await? else { return Ok(Vec::new()) };
    let received = asker.groups_received(since, now_unix_nano, ITEMS_CAUGHT_UP_MAX).await?;
    let groups: Vec<String> = received.iter().map(|received| received.group.clone()).collect();
    let known: HashMap<String, ErrorItem> = metastore.error_items_of_fingerprints(project, &groups).await?.into_iter().collect();
    let seen: Vec<OccurrencesSeen> = received
        .into_iter()
        .map(|received| {
            // Those of a known item may have been counted: they are counted below.
            let counted = known.contains_key(&received.group);
            let seen = seen_of(received);
            if counted { OccurrencesSeen { count: 0, ..seen } } else { seen }
        })
        .collect();
    record(metastore, project, seen, now_unix_nano).await.map_err(|(_, error)| error)?;
    let known_groups: Vec<String> = known.keys().cloned().collect();
    metastore.forget_error_item_totals(project, &known_groups).await?;
    for (group, item) in known.iter().take(ITEMS_COUNTED_AGAIN_MAX) {
        let range = TimeRange { start_unix_nano: item.last_activated_at_unix_nano, end_unix_nano: i64::MAX };
        let filter = OccurrenceFilter { groups: Some(vec![group.clone()]), ..OccurrenceFilter::default() };
        let counts = asker.occurrence_counts(range, i64::MAX / 1_000_000_000, &filter, false).await?;
        let count: f64 = counts.iter().map(|count| count.count).sum();
        metastore.raise_error_item_count(item.id, count.round() as u64).await?;
    }
    Ok(groups)
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
    use metastore::ErrorItemFilter;

    use super::*;
    use crate::testing::open;

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

    fn numbered(number: usize, title: &str) -> OccurrencesSeen {
        OccurrencesSeen { fingerprint: number.to_string(), title: title.into(), count: 1, ..OccurrencesSeen::default() }
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_rows() {
        let items = Items::default();
        let title = "x".repeat(1 << 20);
        let fit = ITEMS_PENDING_BYTES_MAX / title.len();
        items.saw((0..fit + 3).map(|number| numbered(number, &title)).collect());
        items.saw(vec![numbered(0, &title)]);
        let pending = items.pending.lock();
        assert_eq!((pending.seen.len(), pending.overflowed), (fit, true));
        assert_eq!(pending.seen[&("0".into(), String::new(), String::new())].count, 2, "what waits is added to");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_are_written_some_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let services = open(folder.path()).await;
        let many = 2 * ITEMS_WRITTEN_AT_ONCE + 7;
        services.ingest.items().saw((0..many).map(|number| numbered(number, "E")).collect());
        assert!(items_up_to_date(&services).await.unwrap());
        let items = services.metastore.count_error_items("default", &ErrorItemFilter::default()).await.unwrap();
        assert_eq!(items, many as u64);
        assert!(services.ingest.items().pending.lock().seen.is_empty());
    }
}
