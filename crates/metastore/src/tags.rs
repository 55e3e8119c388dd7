//! Tags: words people put on what they made, by the resource's name.

use crate::database::{Metastore, unsigned};
use crate::error::MetastoreError;

impl Metastore {
    /// The tags of a resource in the order of keys.
    pub async fn tags(&self, project: &str, resource: &str) -> Result<Vec<(String, String)>, MetastoreError> {
        let rows = sqlx::query_as("select key, value from tags where project = $1 and resource = $2 order by key")
            .bind(project)
            .bind(resource)
            .fetch_all(self.readers())
            .await?;
        Ok(rows)
    }

    /// Adds tags; one of a key that is there gets the new value. Refuses: more than `tags_max` on one resource.
    pub async fn put_tags(
        &self,
        project: &str,
        resource: &str,
        tags: &[(String, String)],
        tags_max: u32,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        for (key, value) in tags {
            sqlx::query(
                "insert into tags (project, resource, key, value) values ($1, $2, $3, $4)
                 on conflict (project, resource, key) do update set value = excluded.value",
            )
            .bind(project)
            .bind(resource)
            .bind(key)
            .bind(value)
            .execute(&mut *transaction)
            .await?;
        }
        let count: i64 = sqlx::query_scalar("select count(*) from tags where project = $1 and resource = $2")
            .bind(project)
            .bind(resource)
            .fetch_one(&mut *transaction)
            .await?;
        if unsigned(count) > u64::from(tags_max) {
            return Err(MetastoreError::TooMany { what: "tag", max: tags_max });
        }
        Ok(transaction.commit().await?)
    }

    /// Removes tags by key; a key that is not there is no error.
    pub async fn delete_tags(&self, project: &str, resource: &str, keys: &[String]) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        for key in keys {
            sqlx::query("delete from tags where project = $1 and resource = $2 and key = $3")
                .bind(project)
                .bind(resource)
                .bind(key)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Removes all tags of a resource that is no more.
    pub async fn delete_all_tags(&self, project: &str, resource: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from tags where project = $1 and resource = $2")
            .bind(project)
            .bind(resource)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[tokio::test]
    async fn tags_come_and_go() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.put_tags("default", "group/a", &pairs(&[("team", "shop"), ("stage", "test")]), 9).await.unwrap();
        metastore.put_tags("default", "group/a", &pairs(&[("stage", "live")]), 9).await.unwrap();
        let both = pairs(&[("stage", "live"), ("team", "shop")]);
        assert_eq!(metastore.tags("default", "group/a").await.unwrap(), both);
        assert!(metastore.tags("default", "group/b").await.unwrap().is_empty());
        metastore.delete_tags("default", "group/a", &["stage".into(), "gone".into()]).await.unwrap();
        assert_eq!(metastore.tags("default", "group/a").await.unwrap(), pairs(&[("team", "shop")]));
        metastore.delete_all_tags("default", "group/a").await.unwrap();
        assert!(metastore.tags("default", "group/a").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn one_tag_too_many_leaves_what_was() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.put_tags("default", "r", &pairs(&[("a", "")]), 2).await.unwrap();
        let error = metastore.put_tags("default", "r", &pairs(&[("a", "1"), ("b", ""), ("c", "")]), 2).await.unwrap_err();
        assert!(matches!(error, MetastoreError::TooMany { max: 2, .. }));
        assert_eq!(metastore.tags("default", "r").await.unwrap(), pairs(&[("a", "")]));
    }
}
