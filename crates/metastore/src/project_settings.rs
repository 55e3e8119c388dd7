//! Settings of a project that a vendor's API has: a name and a text, meant by whoever wrote it.

use crate::database::Metastore;
use crate::error::MetastoreError;

/// A setting as it was last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSetting {
    pub value: String,
    pub changed_at_unix_nano: i64,
}

impl Metastore {
    /// `None` when it was never written.
    pub async fn project_setting(&self, project: &str, name: &str) -> Result<Option<ProjectSetting>, MetastoreError> {
        let row: Option<(String, i64)> =
            sqlx::query_as("select value, changed_at from project_settings where project = $1 and name = $2")
                .bind(project)
                .bind(name)
                .fetch_optional(self.readers())
                .await?;
        Ok(row.map(|(value, changed_at_unix_nano)| ProjectSetting { value, changed_at_unix_nano }))
    }

    pub async fn put_project_setting(
        &self,
        project: &str,
        name: &str,
        value: &str,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into project_settings (project, name, value, changed_at) values ($1, $2, $3, $4)
             on conflict (project, name) do update set value = excluded.value, changed_at = excluded.changed_at",
        )
        .bind(project)
        .bind(name)
        .bind(value)
        .bind(now_unix_nano)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_word_counts() {
        let metastore = Metastore::in_memory().await.unwrap();
        assert_eq!(metastore.project_setting("default", "a").await.unwrap(), None);
        for (value, now) in [("first", 1), ("second", 2)] {
            metastore.put_project_setting("default", "a", value, now).await.unwrap();
        }
        let last = ProjectSetting { value: "second".into(), changed_at_unix_nano: 2 };
        assert_eq!(metastore.project_setting("default", "a").await.unwrap(), Some(last));
        assert_eq!(metastore.project_setting("other", "a").await.unwrap(), None);
    }
}
