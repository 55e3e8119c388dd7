//! Which revision of the code a version was built from, where somebody announced it.

use sqlx::Row;

use crate::database::Metastore;
use crate::error::MetastoreError;

/// Versions of which that is remembered, those announced last: nobody asks for what was built a thousand releases ago.
const VERSIONS_REMEMBERED: i64 = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseRevision {
    /// As errors tell it.
    pub version: String,
    /// A commit's hash, or what else names it.
    pub revision: String,
    /// Empty where it was not told.
    pub repository: String,
}

impl Metastore {
    /// Notes the revision of a version, which may have had another.
    pub async fn put_release_revision(
        &self,
        project: &str,
        release: &ReleaseRevision,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        let mut writing = self.write().await?;
        sqlx::query(
            "insert into release_revisions (project, version, revision, repository, set_at) values ($1, $2, $3, $4, $5)
             on conflict (project, version) do update set revision = excluded.revision, repository = excluded.repository,
                set_at = excluded.set_at",
        )
        .bind(project)
        .bind(&release.version)
        .bind(&release.revision)
        .bind(&release.repository)
        .bind(now_unix_nano)
        .execute(&mut *writing)
        .await?;
        sqlx::query(
            "delete from release_revisions where project = $1 and set_at < (select set_at from release_revisions
             where project = $1 order by set_at desc limit 1 offset $2)",
        )
        .bind(project)
        .bind(VERSIONS_REMEMBERED - 1)
        .execute(&mut *writing)
        .await?;
        Ok(writing.commit().await?)
    }

    /// What was announced of these versions; nothing of those of which nothing was.
    pub async fn release_revisions(&self, project: &str, versions: &[String]) -> Result<Vec<ReleaseRevision>, MetastoreError> {
        let rows = sqlx::query(
            "select version, revision, repository from release_revisions
             where project = $1 and version in (select value from json_each($2)) order by version",
        )
        .bind(project)
        .bind(serde_json::json!(versions).to_string())
        .fetch_all(self.readers())
        .await?;
        let release = |row: &sqlx::sqlite::SqliteRow| {
            Ok(ReleaseRevision {
                version: row.try_get("version")?,
                revision: row.try_get("revision")?,
                repository: row.try_get("repository")?,
            })
        };
        rows.iter().map(release).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_revision_of_a_version_counts() {
        let metastore = Metastore::in_memory().await.unwrap();
        let release = |version: &str, revision: &str| ReleaseRevision {
            version: version.into(),
            revision: revision.into(),
            repository: "shop".into(),
        };
        for (version, revision) in [("1", "a"), ("2", "b"), ("1", "c")] {
            metastore.put_release_revision("p", &release(version, revision), 1).await.unwrap();
        }
        let found = metastore.release_revisions("p", &["3".to_owned(), "1".to_owned()]).await.unwrap();
        assert_eq!(found, [release("1", "c")]);
        for number in 0..VERSIONS_REMEMBERED {
            metastore.put_release_revision("p", &release(&format!("late {number}"), "x"), 2 + number).await.unwrap();
        }
        assert_eq!(metastore.release_revisions("p", &["1".to_owned()]).await.unwrap(), [], "long ago");
        assert_eq!(metastore.release_revisions("p", &["late 0".to_owned()]).await.unwrap().len(), 1);
        assert_eq!(metastore.release_revisions("other", &["1".to_owned()]).await.unwrap(), []);
    }
}
