//! What is the same for most occurrences, done for all of them with one statement: new items are made, active ones counted.
//!
//! Rows travel as one JSON text, because databases bound the number of parameters.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sqlx::Row;

use super::{GROUP_ITEM, ItemChange, OccurrencesSeen, Writing};
use crate::database::signed;
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note_all};
use crate::error_items::{COLUMNS, ErrorItem, ItemStatus, SEPARATOR, item};

/// Pairs of environment and version that one item remembers; further ones are not told apart any more.
const VERSIONS_REMEMBERED: i64 = 1_000;

/// Occurrences and the item they belong to.
pub(super) type Known<'a> = (&'a ErrorItem, &'a OccurrencesSeen);

/// The items of groups of this algorithm or an earlier one, by their groups.
pub(super) async fn find_all(
    writing: &mut Writing,
    project: &str,
    seen: &[OccurrencesSeen],
) -> Result<HashMap<String, ErrorItem>, MetastoreError> {
    let groups: Vec<&String> = seen.iter().flat_map(groups).collect();
    let query = format!(
        "select f.fingerprint as told, {} from error_item_fingerprints f join error_items i on i.id = f.item
         where f.project = $1 and f.fingerprint in (select value from json_each($2))",
        COLUMNS.split(", ").map(|column| format!("i.{}", column.trim())).collect::<Vec<_>>().join(", ")
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(project)
        .bind(Value::from(groups.into_iter().cloned().collect::<Vec<_>>()).to_string())
        .fetch_all(&mut **writing)
        .await?;
    rows.iter().map(|row| Ok((row.try_get("told")?, item(row)?))).collect()
}

fn groups(seen: &OccurrencesSeen) -> impl Iterator<Item = &String> {
    std::iter::once(&seen.fingerprint).chain(&seen.earlier_fingerprints)
}

/// The first occurrences of groups that no item has, and all others.
pub(super) fn without_item<'a>(
    seen: &'a [OccurrencesSeen],
    known: &HashMap<String, ErrorItem>,
) -> (Vec<&'a OccurrencesSeen>, Vec<&'a OccurrencesSeen>) {
    let mut met: HashSet<&str> = HashSet::new();
    seen.iter().partition(|seen| {
        let has_item = |group: &String| known.contains_key(group) || met.contains(group.as_str());
        let is_new = !seen.fingerprint.starts_with(GROUP_ITEM) && !groups(seen).any(has_item);
        met.insert(&seen.fingerprint);
        is_new
    })
}

/// Occurrences that only add to the figures of their item, and all others.
pub(super) fn steady<'a>(
    seen: Vec<&'a OccurrencesSeen>,
    known: &'a HashMap<String, ErrorItem>,
) -> (Vec<Known<'a>>, Vec<&'a OccurrencesSeen>) {
    let (mut steady, mut others) = (Vec::new(), Vec::new());
    for seen in seen {
        let item = known.get(&seen.fingerprint).filter(|item| {
            matches!(item.status, ItemStatus::Active | ItemStatus::Muted) && item.environments.contains(&seen.environment)
        });
        match item {
            Some(item) => steady.push((item, seen)),
            None => others.push(seen),
        }
    }
    (steady, others)
}

/// Makes an item of each of these, in their order.
pub(super) async fn create(
    writing: &mut Writing,
    project: &str,
    new: &[&OccurrencesSeen],
    now_unix_nano: i64,
) -> Result<Vec<ItemChange>, MetastoreError> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let query = format!(
        "insert into error_items (project, counter, fingerprint, status, level, title, environment, framework, platform,
            language, first_seen, last_seen, last_activated_at, first_occurrence, last_occurrence, activating_occurrence,
            occurrences, occurrences_ever, changed_at, environments)
         select $1, key + 1 + (select coalesce(max(counter), 0) from error_items where project = $1), value ->> 0, 'active',
            value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 7,
            value ->> 9, value ->> 10, value ->> 9, value ->> 11, value ->> 11, $3, value ->> 12
         from json_each($2) order by key
         returning {COLUMNS}"
    );
    let rows: Vec<Value> = new
        .iter()
        .map(|seen| {
            json!([
                seen.fingerprint,
                seen.level,
                seen.title,
                seen.environment,
                seen.framework,
                seen.platform,
                seen.language,
                seen.first_seen_unix_nano,
                seen.last_seen_unix_nano,
                seen.first_occurrence,
                seen.last_occurrence,
                signed(seen.count),
                format!("{SEPARATOR}{}{SEPARATOR}", seen.environment),
            ])
        })
        .collect();
    let made = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(project)
        .bind(Value::from(rows).to_string())
        .bind(now_unix_nano)
        .fetch_all(&mut **writing)
        .await?;
    let mut made: Vec<ErrorItem> = made.iter().map(item).collect::<Result<_, _>>()?;
    made.sort_by_key(|item| item.counter);
    let pairs: Vec<Known> = made.iter().zip(new.iter().copied()).collect();
    belong(writing, project, &pairs).await?;
    add_versions(writing, &pairs).await?;
    let details = |seen: &OccurrencesSeen| json!({ "occurrence": seen.first_occurrence, "version": seen.version, "environment": seen.environment });
    let events = pairs.iter().map(|(item, seen)| (item.id, seen.first_seen_unix_nano, details(seen)));
    note_all(writing, project, ItemEventKind::Created, events).await?;
    Ok(made.into_iter().map(|item| ItemChange { item, kind: ItemEventKind::Created }).collect())
}

async fn belong(writing: &mut Writing, project: &str, of: &[Known<'_>]) -> Result<(), MetastoreError> {
    let rows: Vec<Value> = of.iter().map(|(item, seen)| json!([seen.fingerprint, item.id])).collect();
    sqlx::query(
        "insert into error_item_fingerprints (project, fingerprint, item)
         select $1, value ->> 0, value ->> 1 from json_each($2)",
    )
    .bind(project)
    .bind(Value::from(rows).to_string())
    .execute(&mut **writing)
    .await?;
    Ok(())
}

/// Adds occurrences to the figures of items that stay what they are.
pub(super) async fn count(writing: &mut Writing, of: &[Known<'_>]) -> Result<(), MetastoreError> {
    if of.is_empty() {
        return Ok(());
    }
    let mut sums: HashMap<i64, OccurrencesSeen> = HashMap::new();
    for (item, seen) in of {
        sums.entry(item.id).and_modify(|sum| sum.add(seen)).or_insert_with(|| (*seen).clone());
    }
    let rows: Vec<Value> = sums
        .iter()
        .map(|(item, seen)| {
            let (first, last) = (seen.first_seen_unix_nano, seen.last_seen_unix_nano);
            json!([item, signed(seen.count), first, seen.first_occurrence, last, seen.last_occurrence])
        })
        .collect();
    sqlx::query(
        "update error_items as i set occurrences = i.occurrences + seen.n,
            occurrences_ever = i.occurrences_ever + seen.n,
            last_occurrence = case when seen.last >= i.last_seen then seen.last_occurrence else i.last_occurrence end,
            last_seen = max(i.last_seen, seen.last),
            first_occurrence = case when seen.first < i.first_seen then seen.first_occurrence else i.first_occurrence end,
            first_seen = min(i.first_seen, seen.first)
         from (select value ->> 0 as item, value ->> 1 as n, value ->> 2 as first, value ->> 3 as first_occurrence,
            value ->> 4 as last, value ->> 5 as last_occurrence from json_each($1)) as seen
         where i.id = seen.item",
    )
    .bind(Value::from(rows).to_string())
    .execute(&mut **writing)
    .await?;
    add_versions(writing, of).await
}

/// Remembers where items were seen.
pub(super) async fn add_versions(writing: &mut Writing, of: &[Known<'_>]) -> Result<(), MetastoreError> {
    let rows: Vec<Value> = of
        .iter()
        .map(|(item, seen)| {
            let (first, last) = (seen.first_seen_unix_nano, seen.last_seen_unix_nano);
            json!([item.id, seen.environment, seen.version, first, last, signed(seen.count)])
        })
        .collect();
    sqlx::query(
        "with seen as (select value ->> 0 as item, value ->> 1 as environment, value ->> 2 as version, value ->> 3 as first,
            value ->> 4 as last, value ->> 5 as n from json_each($1))
         insert into error_item_versions (item, environment, version, first_seen, last_seen, occurrences)
         select item, environment, version, first, last, n from seen
         where (select count(*) from error_item_versions v where v.item = seen.item) < $2
            or exists (select 1 from error_item_versions v
                where v.item = seen.item and v.environment = seen.environment and v.version = seen.version)
         on conflict (item, environment, version) do update set first_seen = min(first_seen, excluded.first_seen),
            last_seen = max(last_seen, excluded.last_seen), occurrences = occurrences + excluded.occurrences",
    )
    .bind(Value::from(rows).to_string())
    .bind(VERSIONS_REMEMBERED)
    .execute(&mut **writing)
    .await?;
    Ok(())
}
