//! Items that turn out to be one: what the others had goes to the one that stays.

use serde_json::json;
use sqlx::Row;

use crate::database::Metastore;
use crate::error::MetastoreError;
use crate::error_item_history::{ItemEventKind, note};
use crate::error_items::{COLUMNS, ErrorItem, item};

/// In this order all that belongs to an item follows it. `$1` is the item that stays, `$2` the one that goes.
const FOLLOW: [&str; 5] = [
    "update error_item_fingerprints set item = $1 where item = $2",
    "insert into error_item_versions (item, environment, version, first_seen, last_seen, occurrences)
        select $1, environment, version, first_seen, last_seen, occurrences from error_item_versions where item = $2
        on conflict (item, environment, version) do update set first_seen = min(first_seen, excluded.first_seen),
            last_seen = max(last_seen, excluded.last_seen), occurrences = occurrences + excluded.occurrences",
    "delete from error_item_versions where item = $2 and item <> $1",
    "update error_item_comments set item = $1 where item = $2",
    "update error_item_events set item = $1 where item = $2",
];

impl Metastore {
    /// Makes several items one. The occurrences of `others`, also those to come, are then those of `into`, and so are their
    /// comments and history; they themselves are gone. Tells how the item is now.
    pub async fn merge_error_items(
        &self,
        project: &str,
        into: i64,
        others: &[i64],
        now_unix_nano: i64,
    ) -> Result<ErrorItem, MetastoreError> {
        let mut transaction = self.write().await?;
        let query = format!("select {COLUMNS} from error_items where project = $1 and id = $2");
        let mut merged = Vec::new();
        for id in std::iter::once(&into).chain(others.iter().filter(|id| **id != into)) {
            let row =
                sqlx::query(sqlx::AssertSqlSafe(query.clone())).bind(project).bind(id).fetch_optional(&mut *transaction).await?;
            let row = row.ok_or_else(|| MetastoreError::NotFound { what: "item", name: id.to_string() })?;
            merged.push(item(&row)?);
        }
        let (stays, go) = merged.split_at(1);
        let mut after = stays[0].clone();
        for gone in go {
            for statement in FOLLOW {
                sqlx::query(statement).bind(into).bind(gone.id).execute(&mut *transaction).await?;
            }
            sqlx::query("delete from error_items where id = $1").bind(gone.id).execute(&mut *transaction).await?;
            let details = json!({ "counter": gone.counter, "title": gone.title, "occurrences": gone.occurrences });
            note(&mut transaction, project, into, now_unix_nano, ItemEventKind::Merged, &details).await?;
            after = sum(after, gone);
        }
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "update error_items set first_seen = $2, first_occurrence = $3, last_seen = $4, last_occurrence = $5,
                occurrences = $6, level = $7, changed_at = $8 where id = $1 returning {COLUMNS}"
        )))
        .bind(into)
        .bind(after.first_seen_unix_nano)
        .bind(after.first_occurrence)
        .bind(after.last_seen_unix_nano)
        .bind(after.last_occurrence)
        .bind(crate::database::signed(after.occurrences))
        .bind(after.level)
        .bind(now_unix_nano)
        .fetch_one(&mut *transaction)
        .await?;
        let told = item(&row)?;
        transaction.commit().await?;
        Ok(told)
    }

    /// The environments that items were seen in: pairs of item and environment.
    pub async fn error_item_environments(&self, project: &str) -> Result<Vec<(i64, String)>, MetastoreError> {
        let query = "select distinct v.item as item, v.environment as environment from error_item_versions v
             join error_items i on i.id = v.item where i.project = $1 and v.environment <> ''";
        let rows = sqlx::query(query).bind(project).fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("item")?, row.try_get("environment")?))).collect()
    }
}

/// Status and title are those of the item that stays; the louder level wins.
fn sum(stays: ErrorItem, gone: &ErrorItem) -> ErrorItem {
    let mut after = stays;
    after.occurrences = after.occurrences.saturating_add(gone.occurrences);
    after.level = after.level.max(gone.level);
    if gone.first_seen_unix_nano < after.first_seen_unix_nano {
        (after.first_seen_unix_nano, after.first_occurrence) = (gone.first_seen_unix_nano, gone.first_occurrence);
    }
    if gone.last_seen_unix_nano > after.last_seen_unix_nano {
        (after.last_seen_unix_nano, after.last_occurrence) = (gone.last_seen_unix_nano, gone.last_occurrence);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_item_occurrences::OccurrencesSeen;
    use crate::error_items::{ErrorItemFilter, ErrorItemOrder};

    const SECOND: i64 = 1_000_000_000;

    fn seen(fingerprint: &str, version: &str, level: i64, second: i64) -> OccurrencesSeen {
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
        let seen_all = [seen("a", "1", 30, 100), seen("b", "1", 40, 50), seen("c", "2", 20, 300)];
        metastore.record_occurrences("default", &seen_all, 400 * SECOND).await.unwrap();
        let all = ErrorItemFilter::default();
        let list = || metastore.error_items("default", &all, ErrorItemOrder::Counter, 0, 9);
        let mut items = list().await.unwrap();
        items.sort_by_key(|item| item.counter);
        let [a, b, c] = [items[0].id, items[1].id, items[2].id];
        metastore.add_error_item_comment("default", b, "ada", "same as the first", 410 * SECOND).await.unwrap();
        assert!(metastore.merge_error_items("default", a, &[b, 7], 420 * SECOND).await.is_err(), "and nothing is half merged");
        assert_eq!(list().await.unwrap().len(), 3);

        let merged = metastore.merge_error_items("default", a, &[b, c, a], 420 * SECOND).await.unwrap();
        assert_eq!((merged.id, merged.counter, merged.title.as_str()), (a, 1, "a"));
        assert_eq!((merged.occurrences, merged.level), (6, 40));
        assert_eq!((merged.first_occurrence, merged.last_occurrence), (50, 300));
        assert_eq!(list().await.unwrap(), [merged]);
        assert_eq!(metastore.error_item_fingerprints(a).await.unwrap(), ["a", "b", "c"]);
        let versions = metastore.error_item_versions(a).await.unwrap();
        let versions: Vec<_> = versions.iter().map(|one| (one.version.as_str(), one.occurrences)).collect();
        assert_eq!(versions, [("2", 2), ("1", 4)]);
        assert_eq!(metastore.error_item_comments(a).await.unwrap().len(), 1);
        assert_eq!(metastore.error_item_environments("default").await.unwrap(), [(a, "production".to_owned())]);

        metastore.record_occurrences("default", &[seen("c", "2", 20, 500)], 501 * SECOND).await.unwrap();
        assert_eq!(list().await.unwrap()[0].occurrences, 8);
    }
}
