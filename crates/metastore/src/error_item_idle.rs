//! Items that were not seen for long, resolved by themselves.

use serde_json::json;

use crate::database::Metastore;
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note};

impl Metastore {
    /// Resolves active items that were last seen before a time, at most `limit` of them, and tells how many. `days` is what
    /// their history says.
    pub async fn resolve_idle_error_items(
        &self,
        project: &str,
        seen_before_unix_nano: i64,
        days: i64,
        limit: u32,
        now_unix_nano: i64,
    ) -> Result<u64, MetastoreError> {
        let mut writing = self.write().await?;
        // Who was activated by a person is looked at anew from then on.
        let idle: Vec<i64> = sqlx::query_scalar(
            "update error_items set status = 'resolved', resolved_at = $3, changed_at = $3 where id in
                (select id from error_items where project = $1 and group_item is null and status = 'active'
                 and last_seen < $2 and last_activated_at < $2 order by last_seen limit $4)
             returning id",
        )
        .bind(project)
        .bind(seen_before_unix_nano)
        .bind(now_unix_nano)
        .bind(limit)
        .fetch_all(&mut *writing)
        .await?;
        let details = json!({ "from": "active", "version": null, "unseen_days": days });
        for id in &idle {
            note(&mut writing, project, *id, now_unix_nano, ItemEventKind::Resolved, &details).await?;
        }
        writing.commit().await?;
        Ok(idle.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use crate::error_items::{ErrorItemUpdate, ItemStatus};
    use crate::{Metastore, OccurrencesSeen};

    #[tokio::test]
    async fn what_nobody_saw_for_long_is_resolved() {
        let metastore = Metastore::in_memory().await.unwrap();
        let seen = |group: &str, at: i64| OccurrencesSeen {
            fingerprint: group.into(),
            first_seen_unix_nano: at,
            last_seen_unix_nano: at,
            count: 1,
            ..OccurrencesSeen::default()
        };
        let all = [seen("old", 10), seen("muted", 10), seen("reopened", 10), seen("new", 50)];
        metastore.record_occurrences("p", &all, 50).await.unwrap();
        let ids: Vec<i64> = (1_000_001..=1_000_004).collect();
        let change = async |id: i64, status: ItemStatus, at: i64| {
            let update = ErrorItemUpdate { status: Some(status), ..ErrorItemUpdate::default() };
            metastore.update_error_item("p", id, &update, at).await.unwrap();
        };
        change(ids[1], ItemStatus::Muted, 20).await;
        change(ids[2], ItemStatus::Resolved, 20).await;
        change(ids[2], ItemStatus::Active, 45).await;
        assert_eq!(metastore.resolve_idle_error_items("p", 40, 3, 9, 60).await.unwrap(), 1);
        assert_eq!(metastore.resolve_idle_error_items("p", 40, 3, 9, 60).await.unwrap(), 0);
        let resolved = metastore.error_item("p", ids[0]).await.unwrap().unwrap();
        assert_eq!((resolved.status, resolved.resolved_at_unix_nano), (ItemStatus::Resolved, Some(60)));
        let last = metastore.error_item_events(ids[0]).await.unwrap().remove(0);
        assert_eq!((last.kind.name(), last.details["unseen_days"].as_i64()), ("resolved", Some(3)));
    }
}
