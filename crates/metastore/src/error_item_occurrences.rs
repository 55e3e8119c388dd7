//! Occurrences reach their items: new items, counts, versions, and items that become active again.
//!
//! Called every now and then with what came in meanwhile, already summed, so that a storm costs as much as a drizzle.

mod together;

use serde_json::json;
use sqlx::{Sqlite, Transaction};

use crate::code_version::{VersionOrder, compare_versions};
use crate::database::{Metastore, signed};
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note};
use crate::error_items::{COLUMNS, ErrorItem, ItemStatus, SEPARATOR, item};
use together::{add_versions, count, create, find_all, steady, without_item};

/// An item that was activated is not activated again within this time: whoever resolves it once a second, or a program that
/// does, fills no history and rings no bell.
const REACTIVATION_PAUSE_NS: i64 = 60 * 1_000_000_000;

/// A fingerprint that names an item by its counter: what a rule of grouping may say.
pub const GROUP_ITEM: &str = "group-item-";

/// Characters of the names of environments that one item remembers; items are not found by further ones.
const ENVIRONMENTS_CHARS_MAX: i64 = 16_000;

/// Occurrences of one group in one environment and version since the last call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OccurrencesSeen {
    /// The value of `error.group`.
    pub fingerprint: String,
    /// What earlier algorithms made of it: an item of theirs goes on.
    pub earlier_fingerprints: Vec<String>,
    pub level: i64,
    pub title: String,
    /// Empty where it was not told, like all that follow.
    pub environment: String,
    pub version: String,
    pub framework: String,
    pub platform: String,
    pub language: String,
    pub first_seen_unix_nano: i64,
    pub last_seen_unix_nano: i64,
    pub first_occurrence: i64,
    pub last_occurrence: i64,
    /// Weighted.
    pub count: u64,
}

impl OccurrencesSeen {
    /// Adds others of the same group.
    pub fn add(&mut self, other: &OccurrencesSeen) {
        self.count = self.count.saturating_add(other.count);
        if other.first_seen_unix_nano < self.first_seen_unix_nano {
            (self.first_seen_unix_nano, self.first_occurrence) = (other.first_seen_unix_nano, other.first_occurrence);
        }
        if other.last_seen_unix_nano >= self.last_seen_unix_nano {
            (self.last_seen_unix_nano, self.last_occurrence) = (other.last_seen_unix_nano, other.last_occurrence);
        }
    }
}

/// What occurrences did to an item.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemChange {
    pub item: ErrorItem,
    /// `Created` or `Reactivated`.
    pub kind: ItemEventKind,
}

impl Metastore {
    /// Adds occurrences to their items, which are made where there are none. Tells which items are new or active again.
    ///
    /// All in one transaction, on which others who write wait.
    pub async fn record_occurrences(
        &self,
        project: &str,
        seen: &[OccurrencesSeen],
        now_unix_nano: i64,
    ) -> Result<Vec<ItemChange>, MetastoreError> {
        let mut transaction = self.write().await?;
        let mut known = find_all(&mut transaction, project, seen).await?;
        let (new, others) = without_item(seen, &known);
        let mut changes = create(&mut transaction, project, &new, now_unix_nano).await?;
        known.extend(changes.iter().map(|change| (change.item.fingerprint.clone(), change.item.clone())));
        let (steady, others) = steady(others, &known);
        count(&mut transaction, &steady).await?;
        for seen in others {
            match find(&mut transaction, project, seen).await? {
                None => changes.extend(create(&mut transaction, project, &[seen], now_unix_nano).await?),
                Some(known) => changes.extend(add(&mut transaction, project, &known, seen, now_unix_nano).await?),
            }
        }
        transaction.commit().await?;
        Ok(changes)
    }

    /// Makes counts right that a crash cut short: an item has at least the occurrences that its rows tell.
    pub async fn raise_error_item_count(&self, item: i64, occurrences: u64) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("update error_items set occurrences = max(occurrences, $2) where id = $1")
            .bind(item)
            .bind(signed(occurrences))
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

pub(crate) type Writing = Transaction<'static, Sqlite>;

/// The item whose group it is, of this algorithm or an earlier one.
async fn find(writing: &mut Writing, project: &str, seen: &OccurrencesSeen) -> Result<Option<ErrorItem>, MetastoreError> {
    let columns = COLUMNS.split(", ").map(|column| format!("i.{0} as {0}", column.trim())).collect::<Vec<_>>().join(", ");
    let query = format!(
        "select {columns} from error_item_fingerprints f join error_items i on i.id = f.item
         where f.project = $1 and f.fingerprint = $2"
    );
    for fingerprint in std::iter::once(&seen.fingerprint).chain(&seen.earlier_fingerprints) {
        let row = sqlx::query(sqlx::AssertSqlSafe(query.clone()))
            .bind(project)
            .bind(fingerprint)
            .fetch_optional(&mut **writing)
            .await?;
        let Some(row) = row else { continue };
        let found = item(&row)?;
        if *fingerprint != seen.fingerprint {
            belongs(writing, project, &seen.fingerprint, found.id).await?;
        }
        return Ok(Some(found));
    }
    let Some(counter) = seen.fingerprint.strip_prefix(GROUP_ITEM).and_then(|counter| counter.parse::<i64>().ok()) else {
        return Ok(None);
    };
    let query = format!("select {COLUMNS} from error_items where project = $1 and counter = $2");
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(counter).fetch_optional(&mut **writing).await?;
    let Some(row) = row else { return Ok(None) };
    let named = item(&row)?;
    belongs(writing, project, &seen.fingerprint, named.group_item.unwrap_or(named.id)).await?;
    Ok(Some(named))
}

pub(crate) async fn belongs(writing: &mut Writing, project: &str, fingerprint: &str, item: i64) -> Result<(), MetastoreError> {
    sqlx::query("insert into error_item_fingerprints (project, fingerprint, item) values ($1, $2, $3)")
        .bind(project)
        .bind(fingerprint)
        .bind(item)
        .execute(&mut **writing)
        .await?;
    Ok(())
}

async fn add(
    writing: &mut Writing,
    project: &str,
    known: &ErrorItem,
    seen: &OccurrencesSeen,
    now_unix_nano: i64,
) -> Result<Option<ItemChange>, MetastoreError> {
    if !known.environments.contains(&seen.environment) {
        add_environment(writing, known.id, &seen.environment).await?;
    }
    if !activates(writing, known, seen, now_unix_nano).await? {
        count(writing, &[(known, seen)]).await?;
        return Ok(None);
    }
    add_versions(writing, &[(known, seen)]).await?;
    let query = format!(
        "update error_items set status = 'active', occurrences = $2, last_seen = $3, last_occurrence = $4,
            activating_occurrence = $5, last_activated_at = $6, title = $7, resolved_in_version = null, changed_at = $8,
            occurrences_ever = occurrences_ever + $2, first_seen = min(first_seen, $9)
         where id = $1 returning {COLUMNS}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(known.id)
        .bind(signed(seen.count))
        .bind(seen.last_seen_unix_nano.max(known.last_seen_unix_nano))
        .bind(seen.last_occurrence)
        .bind(seen.first_occurrence)
        .bind(seen.last_seen_unix_nano)
        // Rollbar's rule: a title is looked at again only when its item comes back.
        .bind(if seen.title.is_empty() { &known.title } else { &seen.title })
        .bind(now_unix_nano)
        .bind(seen.first_seen_unix_nano)
        .fetch_one(&mut **writing)
        .await?;
    let details = json!({ "occurrence": seen.last_occurrence, "version": seen.version, "environment": seen.environment });
    note(writing, project, known.id, seen.last_seen_unix_nano, ItemEventKind::Reactivated, &details).await?;
    Ok(Some(ItemChange { item: item(&row)?, kind: ItemEventKind::Reactivated }))
}

/// Whether an occurrence makes an item active that is not: one that happened after it was resolved, in code that should
/// have had the mend, and not right after the last time.
async fn activates(
    writing: &mut Writing,
    known: &ErrorItem,
    seen: &OccurrencesSeen,
    now_unix_nano: i64,
) -> Result<bool, MetastoreError> {
    let came_after = match known.status {
        ItemStatus::Active | ItemStatus::Muted => return Ok(false),
        // Clients tell times in whole seconds: one of the same second may be later.
        ItemStatus::Resolved => known.resolved_at_unix_nano.unwrap_or(known.changed_at_unix_nano) / 1_000_000_000,
        ItemStatus::Archived => known.changed_at_unix_nano / 1_000_000_000,
    };
    let rests = now_unix_nano.saturating_sub(known.last_activated_at_unix_nano) < REACTIVATION_PAUSE_NS
        && was_reactivated(writing, known).await?;
    if rests || seen.last_seen_unix_nano / 1_000_000_000 < came_after {
        return Ok(false);
    }
    let Some(resolved_in) = known.resolved_in_version.as_deref().filter(|_| known.status == ItemStatus::Resolved) else {
        return Ok(true);
    };
    if seen.version.is_empty() {
        return Ok(true);
    }
    Ok(match compare_versions(&seen.version, resolved_in) {
        VersionOrder::Same | VersionOrder::Newer => true,
        VersionOrder::Older => false,
        // Hashes tell no order. Versions that had the error before it was resolved are old ones.
        VersionOrder::Unknown => !was_seen_in(writing, known, &seen.version).await?,
    })
}

/// Whether it was an occurrence that activated the item last; what a person reopened is theirs to resolve again.
async fn was_reactivated(writing: &mut Writing, known: &ErrorItem) -> Result<bool, MetastoreError> {
    let query = "select count(*) from error_item_events where item = $1 and kind = 'reactivated' and at >= $2";
    let count: i64 =
        sqlx::query_scalar(query).bind(known.id).bind(known.last_activated_at_unix_nano).fetch_one(&mut **writing).await?;
    Ok(count > 0)
}

async fn was_seen_in(writing: &mut Writing, known: &ErrorItem, version: &str) -> Result<bool, MetastoreError> {
    let count: i64 = sqlx::query_scalar(
        "select count(*) from error_item_versions where version = $2 and first_seen < $3
             and (item = $1 or item in (select id from error_items where group_item = $1))",
    )
    .bind(known.id)
    .bind(version)
    .bind(known.resolved_at_unix_nano.unwrap_or(i64::MAX))
    .fetch_one(&mut **writing)
    .await?;
    Ok(count > 0)
}

async fn add_environment(writing: &mut Writing, item: i64, environment: &str) -> Result<(), MetastoreError> {
    // It may have come with an occurrence of the same call.
    sqlx::query(
        "update error_items set environments = environments || $2 where id = $1 and instr(environments, $3) = 0
            and length(environments) < $4",
    )
    .bind(item)
    .bind(format!("{environment}{SEPARATOR}"))
    .bind(format!("{SEPARATOR}{environment}{SEPARATOR}"))
    .bind(ENVIRONMENTS_CHARS_MAX)
    .execute(&mut **writing)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
