//! Items put together by people, and taken apart again.
//!
//! A group is an item of its own. Its members keep their fingerprints: while they are members, occurrences of those are the
//! group's; taken out, a member has them back. Comments of members, and the versions they were seen in, are the group's too.
//! Whose occurrences were whose is then known to the rows alone: see [`crate::error_item_totals`].

use serde_json::json;

use crate::database::{Metastore, signed};
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note};
use crate::error_item_occurrences::{GROUP_ITEM, Writing, belongs};
use crate::error_items::{COLUMNS, ErrorItem, ItemStatus, item};

impl Metastore {
    /// Merges items into the first of them that is a group already, else into a new one, and tells which. The group is
    /// called by `title`, else as its member with the most occurrences.
    pub async fn merge_error_items(
        &self,
        project: &str,
        ids: &[i64],
        title: Option<&str>,
        now_unix_nano: i64,
    ) -> Result<ErrorItem, MetastoreError> {
        let mut writing = self.write().await?;
        let mut members = Vec::new();
        for id in ids {
            members.push(one(&mut writing, project, *id).await?);
        }
        let mut group = None;
        for member in &members {
            if group.is_none() && has_members(&mut writing, member.id).await? {
                group = Some(member.clone());
            }
        }
        let group = match group {
            Some(group) => group,
            None => create(&mut writing, project, &members, title, now_unix_nano).await?,
        };
        for member in members.iter().filter(|member| member.id != group.id && member.group_item != Some(group.id)) {
            join(&mut writing, project, member, &group, now_unix_nano).await?;
        }
        let group = one(&mut writing, project, group.id).await?;
        writing.commit().await?;
        Ok(group)
    }

    /// Makes several items one: the others become members of `into`, which stays what it is. Tells how it is now.
    pub async fn merge_error_items_into(
        &self,
        project: &str,
        into: i64,
        others: &[i64],
        now_unix_nano: i64,
    ) -> Result<ErrorItem, MetastoreError> {
        let mut writing = self.write().await?;
        let group = one(&mut writing, project, into).await?;
        for id in others.iter().filter(|id| **id != into) {
            let member = one(&mut writing, project, *id).await?;
            if member.group_item != Some(into) {
                join(&mut writing, project, &member, &group, now_unix_nano).await?;
            }
        }
        let group = one(&mut writing, project, into).await?;
        writing.commit().await?;
        Ok(group)
    }

    /// Takes members out of a group; all of them when none is named. Tells whom. A group without members is archived.
    pub async fn unmerge_error_items(
        &self,
        project: &str,
        group: i64,
        ids: &[i64],
        now_unix_nano: i64,
    ) -> Result<Vec<ErrorItem>, MetastoreError> {
        let mut writing = self.write().await?;
        let before = one(&mut writing, project, group).await?;
        let members = members(&mut writing, group).await?;
        let leaving: Vec<ErrorItem> =
            members.iter().filter(|member| ids.is_empty() || ids.contains(&member.id)).cloned().collect();
        for member in &leaving {
            sqlx::query("update error_items set group_item = null, changed_at = $2 where id = $1")
                .bind(member.id)
                .bind(now_unix_nano)
                .execute(&mut *writing)
                .await?;
            sqlx::query("update error_item_fingerprints set item = member, member = null where item = $1 and member = $2")
                .bind(group)
                .bind(member.id)
                .execute(&mut *writing)
                .await?;
            for id in [group, member.id] {
                let details = json!({ "group": group, "member": member.id });
                note(&mut writing, project, id, now_unix_nano, ItemEventKind::Unmerged, &details).await?;
            }
        }
        // An item that others were merged into goes on; one that was made for them does not.
        let is_made = before.fingerprint.starts_with(GROUP_ITEM);
        let is_empty = is_made && !leaving.is_empty() && leaving.len() == members.len();
        let left: u64 = leaving.iter().map(|member| member.occurrences).sum();
        sqlx::query("update error_items set status = $2, occurrences = $3, changed_at = $4 where id = $1")
            .bind(group)
            .bind(if is_empty { ItemStatus::Archived.name() } else { before.status.name() })
            .bind(signed(before.occurrences.saturating_sub(left)))
            .bind(now_unix_nano)
            .execute(&mut *writing)
            .await?;
        gather_environments(&mut writing, group).await?;
        writing.commit().await?;
        Ok(leaving)
    }

    /// The items that were merged into one.
    pub async fn error_item_members(&self, group: i64) -> Result<Vec<ErrorItem>, MetastoreError> {
        let query = format!("select {COLUMNS} from error_items where group_item = $1 order by id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(group).fetch_all(self.readers()).await?;
        rows.iter().map(item).collect()
    }
}

async fn one(writing: &mut Writing, project: &str, id: i64) -> Result<ErrorItem, MetastoreError> {
    let query = format!("select {COLUMNS} from error_items where project = $1 and id = $2");
    let row = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(id).fetch_optional(&mut **writing).await?;
    item(&row.ok_or_else(|| MetastoreError::NotFound { what: "item", name: id.to_string() })?)
}

async fn members(writing: &mut Writing, group: i64) -> Result<Vec<ErrorItem>, MetastoreError> {
    let query = format!("select {COLUMNS} from error_items where group_item = $1 order by id");
    let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(group).fetch_all(&mut **writing).await?;
    rows.iter().map(item).collect()
}

/// A group was seen where it and its members were.
async fn gather_environments(writing: &mut Writing, group: i64) -> Result<(), MetastoreError> {
    sqlx::query(
        "update error_items set environments = char(31) || coalesce((select group_concat(environment, char(31)) || char(31) from
            (select distinct v.environment as environment from error_item_versions v
             where v.item = $1 or v.item in (select m.id from error_items m where m.group_item = $1))), '') where id = $1",
    )
    .bind(group)
    .execute(&mut **writing)
    .await?;
    Ok(())
}

async fn has_members(writing: &mut Writing, id: i64) -> Result<bool, MetastoreError> {
    Ok(!members(writing, id).await?.is_empty())
}

/// A group with nobody in it yet; its looks are those of its members.
async fn create(
    writing: &mut Writing,
    project: &str,
    members: &[ErrorItem],
    title: Option<&str>,
    now_unix_nano: i64,
) -> Result<ErrorItem, MetastoreError> {
    let largest = members.iter().max_by_key(|member| member.occurrences).cloned().unwrap_or_default();
    let first = members.iter().min_by_key(|member| member.first_seen_unix_nano).cloned().unwrap_or_default();
    let last = members.iter().max_by_key(|member| member.last_seen_unix_nano).cloned().unwrap_or_default();
    let query = format!(
        "insert into error_items (project, counter, fingerprint, status, level, title, environment, framework, platform,
            language, first_seen, last_seen, last_activated_at, first_occurrence, last_occurrence, activating_occurrence,
            occurrences, changed_at)
         select $1, c, $2 || c, 'active', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15
         from (select coalesce(max(counter), 0) + 1 as c from error_items where project = $1)
         returning {COLUMNS}"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(query))
        .bind(project)
        .bind(GROUP_ITEM)
        .bind(members.iter().map(|member| member.level).max().unwrap_or(40))
        .bind(title.unwrap_or(&largest.title))
        .bind(&largest.environment)
        .bind(&largest.framework)
        .bind(&largest.platform)
        .bind(&largest.language)
        .bind(first.first_seen_unix_nano)
        .bind(last.last_seen_unix_nano)
        .bind(first.last_activated_at_unix_nano)
        .bind(first.first_occurrence)
        .bind(last.last_occurrence)
        .bind(last.activating_occurrence)
        .bind(now_unix_nano)
        .fetch_one(&mut **writing)
        .await?;
    let group = item(&row)?;
    belongs(writing, project, &group.fingerprint, group.id).await?;
    let details = json!({ "merged": members.iter().map(|member| member.id).collect::<Vec<_>>() });
    note(writing, project, group.id, now_unix_nano, ItemEventKind::Created, &details).await?;
    Ok(group)
}

async fn join(
    writing: &mut Writing,
    project: &str,
    member: &ErrorItem,
    group: &ErrorItem,
    now_unix_nano: i64,
) -> Result<(), MetastoreError> {
    // Members of a group that becomes one go along.
    sqlx::query(
        "update error_items set group_item = $2, changed_at = $3, occurrences_ever = null where id = $1 or group_item = $1",
    )
    .bind(member.id)
    .bind(group.id)
    .bind(now_unix_nano)
    .execute(&mut **writing)
    .await?;
    sqlx::query("update error_item_fingerprints set member = coalesce(member, item), item = $2 where item = $1")
        .bind(member.id)
        .bind(group.id)
        .execute(&mut **writing)
        .await?;
    gather_environments(writing, group.id).await?;
    sqlx::query(
        "update error_items set occurrences = occurrences + $2, level = max(level, $6), first_occurrence =
            case when $3 < first_seen then $7 else first_occurrence end, first_seen = min(first_seen, $3), last_occurrence =
            case when $4 > last_seen then $5 else last_occurrence end, last_seen = max(last_seen, $4),
            occurrences_ever = null where id = $1",
    )
    .bind(group.id)
    .bind(signed(member.occurrences))
    .bind(member.first_seen_unix_nano)
    .bind(member.last_seen_unix_nano)
    .bind(member.last_occurrence)
    .bind(member.level)
    .bind(member.first_occurrence)
    .execute(&mut **writing)
    .await?;
    for id in [group.id, member.id] {
        let details = json!({ "group": group.id, "member": member.id });
        note(writing, project, id, now_unix_nano, ItemEventKind::Merged, &details).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_item_occurrences::OccurrencesSeen;
    use crate::error_items::{ErrorItemFilter, ErrorItemOrder};

    fn seen(fingerprint: &str, count: u64, at: i64) -> OccurrencesSeen {
        OccurrencesSeen {
            fingerprint: fingerprint.into(),
            level: 40,
            title: format!("title of {fingerprint}"),
            version: "1".into(),
            first_seen_unix_nano: at,
            last_seen_unix_nano: at,
            first_occurrence: at,
            last_occurrence: at,
            count,
            ..OccurrencesSeen::default()
        }
    }

    async fn listed(metastore: &Metastore) -> Vec<(String, u64)> {
        let found = metastore.error_items("p", &ErrorItemFilter::default(), ErrorItemOrder::Counter, 0, 10).await.unwrap();
        found.into_iter().map(|item| (item.title, item.occurrences)).collect()
    }

    fn told(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
        pairs.iter().map(|(title, count)| ((*title).to_owned(), *count)).collect()
    }

    #[tokio::test]
    async fn members_keep_their_fingerprints() {
        let metastore = Metastore::in_memory().await.unwrap();
        let made = metastore.record_occurrences("p", &[seen("a", 3, 10), seen("b", 5, 20), seen("c", 1, 30)], 40).await.unwrap();
        let ids: Vec<i64> = made.iter().map(|change| change.item.id).collect();
        let group = metastore.merge_error_items("p", &ids[..2], None, 50).await.unwrap();
        assert_eq!((group.title.as_str(), group.occurrences, group.last_occurrence), ("title of b", 8, 20));
        assert_eq!(listed(&metastore).await, told(&[("title of b", 8), ("title of c", 1)]));
        assert_eq!(metastore.error_item("p", ids[0]).await.unwrap().unwrap().group_item, Some(group.id));

        // What occurs while they are together is the group's, and a rule may send more there.
        let named = format!("{GROUP_ITEM}{}", group.counter);
        assert!(metastore.record_occurrences("p", &[seen("a", 2, 60), seen(&named, 4, 61)], 70).await.unwrap().is_empty());
        assert_eq!(listed(&metastore).await, told(&[("title of b", 14), ("title of c", 1)]));

        // A further item joins the group that there is.
        let again = metastore.merge_error_items("p", &[ids[2], group.id], None, 80).await.unwrap();
        assert_eq!((again.id, again.occurrences), (group.id, 15));
        let left = metastore.unmerge_error_items("p", group.id, &[ids[0]], 90).await.unwrap();
        assert_eq!(left.iter().map(|item| item.id).collect::<Vec<_>>(), [ids[0]]);
        metastore.record_occurrences("p", &[seen("a", 1, 100), seen("b", 1, 100)], 110).await.unwrap();
        assert_eq!(listed(&metastore).await, told(&[("title of b", 13), ("title of a", 4)]));
        metastore.unmerge_error_items("p", group.id, &[], 120).await.unwrap();
        assert_eq!(metastore.error_item("p", group.id).await.unwrap().unwrap().status, ItemStatus::Archived);
        let is_group = ErrorItemFilter { is_group: Some(true), ..ErrorItemFilter::default() };
        assert_eq!(metastore.count_error_items("p", &is_group).await.unwrap(), 0);
        let kinds: Vec<&str> = metastore.error_item_events(ids[0]).await.unwrap().iter().map(|event| event.kind.name()).collect();
        assert_eq!(kinds, ["unmerged", "merged", "new"]);
    }

    const SECOND: i64 = 1_000_000_000;

    fn seen_in(fingerprint: &str, version: &str, level: i64, second: i64) -> OccurrencesSeen {
        OccurrencesSeen {
            fingerprint: fingerprint.into(),
            level,
            title: fingerprint.into(),
            environment: "production".into(),
            version: version.into(),
            first_seen_unix_nano: second * SECOND,
            last_seen_unix_nano: second * SECOND,
            first_occurrence: second,
            last_occurrence: second,
            count: 2,
            ..OccurrencesSeen::default()
        }
    }

    #[tokio::test]
    async fn what_the_others_had_goes_to_the_one_that_stays() {
        let metastore = Metastore::in_memory().await.unwrap();
        let seen_all = [seen_in("a", "1", 30, 100), seen_in("b", "1", 40, 50), seen_in("c", "2", 20, 300)];
        metastore.record_occurrences("default", &seen_all, 400 * SECOND).await.unwrap();
        let all = ErrorItemFilter::default();
        let list = || metastore.error_items("default", &all, ErrorItemOrder::Counter, 0, 9);
        let mut items = list().await.unwrap();
        items.sort_by_key(|item| item.counter);
        let [a, b, c] = [items[0].id, items[1].id, items[2].id];
        metastore.add_error_item_comment("default", b, "ada", "same as the first", 410 * SECOND).await.unwrap();
        assert!(
            metastore.merge_error_items_into("default", a, &[b, 7], 420 * SECOND).await.is_err(),
            "and nothing is half merged"
        );
        assert_eq!(list().await.unwrap().len(), 3);

        let merged = metastore.merge_error_items_into("default", a, &[b, c, a], 420 * SECOND).await.unwrap();
        assert_eq!((merged.id, merged.counter, merged.title.as_str()), (a, 1, "a"));
        assert_eq!((merged.occurrences, merged.level), (6, 40));
        assert_eq!((merged.first_occurrence, merged.last_occurrence), (50, 300));
        assert_eq!(list().await.unwrap(), [merged]);
        assert_eq!(metastore.error_item_fingerprints(a).await.unwrap(), ["a", "b", "c"]);
        let versions = metastore.error_item_versions(a).await.unwrap();
        let versions: Vec<_> = versions.iter().map(|one| (one.version.as_str(), one.occurrences)).collect();
        assert_eq!(versions, [("2", 2), ("1", 4)]);
        assert_eq!(metastore.error_item_comments(a).await.unwrap().len(), 1);
        assert_eq!(list().await.unwrap()[0].environments, ["production"]);
        let found = ErrorItemFilter { versions: vec!["2".into()], has_comments: Some(true), ..ErrorItemFilter::default() };
        assert_eq!(metastore.count_error_items("default", &found).await.unwrap(), 1, "what members had is the group's");
        let of_version = metastore.error_items_of_version("default", "production", "1", 9).await.unwrap();
        let of_version: Vec<_> = of_version.iter().map(|known| (known.item.id, known.seen.occurrences)).collect();
        assert_eq!(of_version, [(a, 4)], "once");

        metastore.record_occurrences("default", &[seen_in("c", "2", 20, 500)], 501 * SECOND).await.unwrap();
        assert_eq!(list().await.unwrap()[0].occurrences, 8);
        metastore.unmerge_error_items("default", a, &[], 600 * SECOND).await.unwrap();
        let mut counters: Vec<_> = list().await.unwrap().into_iter().map(|item| (item.counter, item.occurrences)).collect();
        counters.sort_unstable();
        assert_eq!(counters, [(1, 4), (2, 2), (3, 2)], "what came meanwhile stays");
        assert!(metastore.error_item_comments(a).await.unwrap().is_empty());
    }
}
