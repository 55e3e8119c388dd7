//! What Honeycomb's API keeps: JSON documents of several kinds, each under an id, most of them of a dataset.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::Metastore;
use crate::error::MetastoreError;

const WHAT: &str = "document";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoneycombDocument {
    pub kind: String,
    /// The dataset it is of; empty where it is of none.
    pub scope: String,
    /// Its own among documents of its kind.
    pub id: String,
    /// JSON, as it was written.
    pub document: String,
    pub created_at_unix_nano: i64,
    pub changed_at_unix_nano: i64,
}

const COLUMNS: &str = "kind, scope, id, document, created_at, changed_at";

impl Metastore {
    /// Documents of a kind, oldest first; of one dataset where it is named.
    pub async fn honeycomb_documents(
        &self,
        project: &str,
        kind: &str,
        scope: Option<&str>,
    ) -> Result<Vec<HoneycombDocument>, MetastoreError> {
        let query = format!(
            "select {COLUMNS} from honeycomb_documents where project = $1 and kind = $2 and ($3 is null or scope = $3) \
             order by created_at, id"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(kind).bind(scope);
        query.fetch_all(self.readers()).await?.iter().map(document).collect()
    }

    pub async fn honeycomb_document(
        &self,
        project: &str,
        kind: &str,
        id: &str,
    ) -> Result<Option<HoneycombDocument>, MetastoreError> {
        let query = format!("select {COLUMNS} from honeycomb_documents where project = $1 and kind = $2 and id = $3");
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(kind).bind(id);
        query.fetch_optional(self.readers()).await?.as_ref().map(document).transpose()
    }

    /// Writes a document, whether or not there was one; when it was created stays.
    ///
    /// Of a kind at most `documents_max` are kept: the oldest go.
    pub async fn put_honeycomb_document(
        &self,
        project: &str,
        document: &HoneycombDocument,
        documents_max: u32,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "insert into honeycomb_documents (project, kind, scope, id, document, created_at, changed_at)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (project, kind, id) do update
             set document = excluded.document, scope = excluded.scope, changed_at = excluded.changed_at",
        )
        .bind(project)
        .bind(&document.kind)
        .bind(&document.scope)
        .bind(&document.id)
        .bind(&document.document)
        .bind(document.created_at_unix_nano)
        .bind(document.changed_at_unix_nano)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "delete from honeycomb_documents where project = $1 and kind = $2 and id in
                (select id from honeycomb_documents where project = $1 and kind = $2
                 order by changed_at desc, id desc limit -1 offset $3)",
        )
        .bind(project)
        .bind(&document.kind)
        .bind(i64::from(documents_max))
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    pub async fn delete_honeycomb_document(&self, project: &str, kind: &str, id: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query("delete from honeycomb_documents where project = $1 and kind = $2 and id = $3")
            .bind(project)
            .bind(kind)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Err(MetastoreError::NotFound { what: WHAT, name: id.to_owned() });
        }
        Ok(transaction.commit().await?)
    }
}

fn document(row: &SqliteRow) -> Result<HoneycombDocument, MetastoreError> {
    Ok(HoneycombDocument {
        kind: row.try_get("kind")?,
        scope: row.try_get("scope")?,
        id: row.try_get("id")?,
        document: row.try_get("document")?,
        created_at_unix_nano: row.try_get("created_at")?,
        changed_at_unix_nano: row.try_get("changed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(id: &str, now: i64) -> HoneycombDocument {
        HoneycombDocument {
            kind: "board".into(),
            scope: "shop".into(),
            id: id.into(),
            document: format!("{{\"n\":{now}}}"),
            created_at_unix_nano: now,
            changed_at_unix_nano: now,
        }
    }

    #[tokio::test]
    async fn documents_are_kept_changed_and_removed() {
        let metastore = Metastore::in_memory().await.unwrap();
        for (id, now) in [("a", 1), ("b", 2), ("a", 3)] {
            metastore.put_honeycomb_document("default", &board(id, now), 10).await.unwrap();
        }
        let changed = metastore.honeycomb_document("default", "board", "a").await.unwrap().unwrap();
        assert_eq!((changed.created_at_unix_nano, changed.changed_at_unix_nano), (1, 3));
        assert_eq!(metastore.honeycomb_documents("default", "board", Some("shop")).await.unwrap().len(), 2);
        assert_eq!(metastore.honeycomb_documents("default", "board", Some("pay")).await.unwrap().len(), 0);
        assert_eq!(metastore.honeycomb_documents("other", "board", None).await.unwrap().len(), 0);
        metastore.put_honeycomb_document("default", &board("c", 4), 2).await.unwrap();
        assert_eq!(metastore.honeycomb_document("default", "board", "b").await.unwrap(), None);
        metastore.delete_honeycomb_document("default", "board", "a").await.unwrap();
        assert!(metastore.delete_honeycomb_document("default", "board", "a").await.is_err());
    }
}
