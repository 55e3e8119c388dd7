//! Resource policies: who else may call, as AWS's tools write it. They are kept and given back; nothing acts on them.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;

const WHAT: &str = "resource policy";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePolicy {
    pub name: String,
    pub document: String,
    /// 1 at first, one more with every change.
    pub revision: u64,
    pub updated_at_unix_nano: i64,
}

impl Metastore {
    /// Every policy in the order of names.
    pub async fn resource_policies(&self, project: &str) -> Result<Vec<ResourcePolicy>, MetastoreError> {
        let rows =
            sqlx::query("select name, document, revision, updated_at from resource_policies where project = $1 order by name")
                .bind(project)
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(policy).collect()
    }

    /// Makes a policy or writes over it, and tells how it is now. `revision` is the one that the caller saw; 0 is none.
    ///
    /// Refuses: a policy of another revision, and one policy more than `policies_max`.
    pub async fn put_resource_policy(
        &self,
        project: &str,
        name: &str,
        document: &str,
        revision: Option<u64>,
        policies_max: u32,
        now_unix_nano: i64,
    ) -> Result<ResourcePolicy, MetastoreError> {
        let mut transaction = self.write().await?;
        let found: Option<i64> = sqlx::query_scalar("select revision from resource_policies where project = $1 and name = $2")
            .bind(project)
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
        check_revision(revision, found.map_or(0, unsigned))?;
        let count: i64 = sqlx::query_scalar("select count(*) from resource_policies where project = $1")
            .bind(project)
            .fetch_one(&mut *transaction)
            .await?;
        if found.is_none() && unsigned(count) >= u64::from(policies_max) {
            return Err(MetastoreError::TooMany { what: WHAT, max: policies_max });
        }
        let made = ResourcePolicy {
            name: name.to_owned(),
            document: document.to_owned(),
            revision: found.map_or(0, unsigned) + 1,
            updated_at_unix_nano: now_unix_nano,
        };
        sqlx::query(
            "insert or replace into resource_policies (project, name, document, revision, updated_at)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(project)
        .bind(name)
        .bind(document)
        .bind(signed(made.revision))
        .bind(now_unix_nano)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Refuses: a policy that is not there, and one of another revision than the caller saw.
    pub async fn delete_resource_policy(&self, project: &str, name: &str, revision: Option<u64>) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let found: Option<i64> = sqlx::query_scalar("select revision from resource_policies where project = $1 and name = $2")
            .bind(project)
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await?;
        let found = found.ok_or_else(|| MetastoreError::NotFound { what: WHAT, name: name.to_owned() })?;
        check_revision(revision, unsigned(found))?;
        sqlx::query("delete from resource_policies where project = $1 and name = $2")
            .bind(project)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

fn check_revision(seen: Option<u64>, found: u64) -> Result<(), MetastoreError> {
    match seen {
        Some(expected) if expected != found => Err(MetastoreError::OtherRevision { what: WHAT, expected, found }),
        _ => Ok(()),
    }
}

fn policy(row: &SqliteRow) -> Result<ResourcePolicy, MetastoreError> {
    Ok(ResourcePolicy {
        name: row.try_get("name")?,
        document: row.try_get("document")?,
        revision: unsigned(row.try_get("revision")?),
        updated_at_unix_nano: row.try_get("updated_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn revisions_count_up_and_are_compared() {
        let metastore = Metastore::in_memory().await.unwrap();
        let put = async |name: &str, revision| metastore.put_resource_policy("default", name, "{}", revision, 2, 5).await;
        assert_eq!(put("a", None).await.unwrap().revision, 1);
        assert_eq!(put("a", Some(1)).await.unwrap().revision, 2);
        for seen in [0, 1, 3] {
            let error = put("a", Some(seen)).await.unwrap_err();
            assert!(matches!(error, MetastoreError::OtherRevision { found: 2, .. }), "{error}");
        }
        assert_eq!(put("b", Some(0)).await.unwrap().revision, 1);
        assert!(matches!(put("c", None).await.unwrap_err(), MetastoreError::TooMany { max: 2, .. }));
        let names: Vec<String> =
            metastore.resource_policies("default").await.unwrap().into_iter().map(|policy| policy.name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(metastore.delete_resource_policy("default", "a", Some(1)).await.is_err());
        metastore.delete_resource_policy("default", "a", Some(2)).await.unwrap();
        let error = metastore.delete_resource_policy("default", "a", None).await.unwrap_err();
        assert_eq!(error.to_string(), "resource policy \"a\" does not exist");
    }
}
