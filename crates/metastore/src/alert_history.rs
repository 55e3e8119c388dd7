//! What evaluations found, in the order of time: one JSON entry each, of a subject such as a trigger.

use sqlx::Row;

use crate::database::Metastore;
use crate::error::MetastoreError;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertEntry {
    pub at_unix_nano: i64,
    /// JSON.
    pub entry: String,
}

impl Metastore {
    /// Adds an entry, unless there is one of this moment already; of a subject at most `entries_max` are kept.
    pub async fn add_alert_entry(
        &self,
        project: &str,
        subject: &str,
        entry: &AlertEntry,
        entries_max: u32,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into alert_history (project, subject, at, entry) values ($1, $2, $3, $4)
             on conflict (project, subject, at) do update set entry = excluded.entry",
        )
        .bind(project)
        .bind(subject)
        .bind(entry.at_unix_nano)
        .bind(&entry.entry)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "delete from alert_history where project = $1 and subject = $2 and at in
                (select at from alert_history where project = $1 and subject = $2 order by at desc limit -1 offset $3)",
        )
        .bind(project)
        .bind(subject)
        .bind(i64::from(entries_max))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// A subject's entries, newest first.
    pub async fn alert_entries(&self, project: &str, subject: &str, limit: u32) -> Result<Vec<AlertEntry>, MetastoreError> {
        let rows =
            sqlx::query("select at, entry from alert_history where project = $1 and subject = $2 order by at desc limit $3")
                .bind(project)
                .bind(subject)
                .bind(i64::from(limit))
                .fetch_all(self.readers())
                .await?;
        let entry =
            |row: &sqlx::sqlite::SqliteRow| Ok(AlertEntry { at_unix_nano: row.try_get("at")?, entry: row.try_get("entry")? });
        rows.iter().map(entry).collect()
    }

    /// Forgets a subject that is no more.
    pub async fn delete_alert_entries(&self, project: &str, subject: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from alert_history where project = $1 and subject = $2")
            .bind(project)
            .bind(subject)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_entries_are_kept() {
        let metastore = Metastore::in_memory().await.unwrap();
        let at = |at_unix_nano, entry: &str| AlertEntry { at_unix_nano, entry: entry.into() };
        for (time, entry) in [(1, "a"), (2, "b"), (3, "c"), (3, "d")] {
            metastore.add_alert_entry("default", "trigger:x", &at(time, entry), 2).await.unwrap();
        }
        assert_eq!(metastore.alert_entries("default", "trigger:x", 9).await.unwrap(), [at(3, "d"), at(2, "b")]);
        assert_eq!(metastore.alert_entries("default", "trigger:y", 9).await.unwrap(), []);
        metastore.delete_alert_entries("default", "trigger:x").await.unwrap();
        assert_eq!(metastore.alert_entries("default", "trigger:x", 9).await.unwrap(), []);
    }
}
