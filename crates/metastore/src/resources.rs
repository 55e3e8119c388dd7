//! Things that people made by an API and that are only kept and given back: a kind, what they belong to, a name, a document.
//!
//! One table for all of them: what a document holds is the affair of the API that writes it.

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;

/// Where resources of one sort are kept: the same name may be there once for each owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceKind {
    /// In the table, e.g. `logs.metric_filter`.
    pub name: &'static str,
    /// In errors, e.g. `metric filter`.
    pub what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it belongs to and goes with, e.g. a log group; empty for what stands alone.
    pub owner: String,
    pub name: String,
    /// JSON.
    pub document: String,
    pub created_at_unix_nano: i64,
    pub changed_at_unix_nano: i64,
}

/// How many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourcesMax {
    /// Of the kind, with one owner.
    OfOwner(u32),
    /// Of the kind altogether.
    OfKind(u32),
}

impl Metastore {
    pub async fn resource(
        &self,
        project: &str,
        kind: ResourceKind,
        owner: &str,
        name: &str,
    ) -> Result<Option<Resource>, MetastoreError> {
        let query = format!("{SELECT} where project = $1 and kind = $2 and owner = $3 and name = $4");
        let row = sqlx::query(AssertSqlSafe(query))
            .bind(project)
            .bind(kind.name)
            .bind(owner)
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(resource).transpose()
    }

    /// All of a kind, of one owner or of all, in the order of names and owners.
    pub async fn resources(
        &self,
        project: &str,
        kind: ResourceKind,
        owner: Option<&str>,
    ) -> Result<Vec<Resource>, MetastoreError> {
        let of_owner = if owner.is_some() { " and owner = $3" } else { "" };
        let query = format!("{SELECT} where project = $1 and kind = $2{of_owner} order by name, owner");
        let mut query = sqlx::query(AssertSqlSafe(query)).bind(project).bind(kind.name);
        if let Some(owner) = owner {
            query = query.bind(owner);
        }
        query.fetch_all(self.readers()).await?.iter().map(resource).collect()
    }

    /// Makes a resource or writes over it; when it was made does not change.
    ///
    /// Refuses: one more than `max`.
    #[allow(clippy::too_many_arguments)]
    pub async fn put_resource(
        &self,
        project: &str,
        kind: ResourceKind,
        owner: &str,
        name: &str,
        document: &str,
        max: ResourcesMax,
        now_unix_nano: i64,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into resources (project, kind, owner, name, document, created_at, changed_at)
             values ($1, $2, $3, $4, $5, $6, $6)
             on conflict (project, kind, owner, name) do update set document = excluded.document, changed_at = excluded.changed_at",
        )
        .bind(project)
        .bind(kind.name)
        .bind(owner)
        .bind(name)
        .bind(document)
        .bind(now_unix_nano)
        .execute(&mut *transaction)
        .await?;
        let (max, counted) = match max {
            ResourcesMax::OfOwner(max) => (max, "select count(*) from resources where project = $1 and kind = $2 and owner = $3"),
            ResourcesMax::OfKind(max) => (max, "select count(*) from resources where project = $1 and kind = $2 and $3 = $3"),
        };
        let count: i64 =
            sqlx::query_scalar(counted).bind(project).bind(kind.name).bind(owner).fetch_one(&mut *transaction).await?;
        if unsigned(count) > u64::from(max) {
            return Err(MetastoreError::TooMany { what: kind.what, max });
        }
        Ok(transaction.commit().await?)
    }

    /// Refuses: a resource that is not there.
    pub async fn delete_resource(
        &self,
        project: &str,
        kind: ResourceKind,
        owner: &str,
        name: &str,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("delete from resources where project = $1 and kind = $2 and owner = $3 and name = $4")
            .bind(project)
            .bind(kind.name)
            .bind(owner)
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(MetastoreError::NotFound { what: kind.what, name: name.to_owned() });
        }
        Ok(transaction.commit().await?)
    }

    /// Removes what belongs to an owner that is no more.
    pub async fn delete_resources_of(&self, project: &str, owner: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from resources where project = $1 and owner = $2")
            .bind(project)
            .bind(owner)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

const SELECT: &str = "select owner, name, document, created_at, changed_at from resources";

fn resource(row: &SqliteRow) -> Result<Resource, MetastoreError> {
    Ok(Resource {
        owner: row.try_get("owner")?,
        name: row.try_get("name")?,
        document: row.try_get("document")?,
        created_at_unix_nano: row.try_get("created_at")?,
        changed_at_unix_nano: row.try_get("changed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: ResourceKind = ResourceKind { name: "logs.metric_filter", what: "metric filter" };

    #[tokio::test]
    async fn resources_come_and_go_with_their_owner() {
        let metastore = Metastore::in_memory().await.unwrap();
        let put = async |owner: &str, name: &str, document: &str, at| {
            metastore.put_resource("default", FILTER, owner, name, document, ResourcesMax::OfOwner(2), at).await
        };
        put("group/a", "y", "{}", 1).await.unwrap();
        put("group/a", "x", "{}", 2).await.unwrap();
        put("group/b", "x", "{}", 3).await.unwrap();
        put("group/a", "y", "{\"a\":1}", 4).await.unwrap();
        assert!(matches!(put("group/a", "z", "{}", 5).await.unwrap_err(), MetastoreError::TooMany { max: 2, .. }));
        let names = async |owner| {
            let found = metastore.resources("default", FILTER, owner).await.unwrap();
            found.into_iter().map(|each| format!("{}:{}", each.owner, each.name)).collect::<Vec<_>>()
        };
        assert_eq!(names(None).await, ["group/a:x", "group/b:x", "group/a:y"]);
        let y = metastore.resource("default", FILTER, "group/a", "y").await.unwrap().unwrap();
        assert_eq!((y.document.as_str(), y.created_at_unix_nano, y.changed_at_unix_nano), ("{\"a\":1}", 1, 4));
        metastore.delete_resource("default", FILTER, "group/a", "x").await.unwrap();
        let error = metastore.delete_resource("default", FILTER, "group/a", "x").await.unwrap_err();
        assert_eq!(error.to_string(), "metric filter \"x\" does not exist");
        metastore.delete_resources_of("default", "group/a").await.unwrap();
        assert_eq!(names(None).await, ["group/b:x"]);
        assert!(names(Some("group/a")).await.is_empty());
    }
}
