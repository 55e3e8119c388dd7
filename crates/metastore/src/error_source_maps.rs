//! Source maps that were uploaded: by the version of the code and the address of the file that they are of, or by their debug id.

use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;
use crate::error_items::push_in;

/// What is known of a source map without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMapKept {
    pub id: i64,
    pub version: String,
    /// As the uploader calls it, without scheme and query.
    pub minified_url: String,
    /// 32 hex digits; empty where the map has none.
    pub debug_id: String,
    /// In the clear.
    pub bytes: u64,
    pub sources: u64,
    pub uploaded_at_unix_nano: i64,
}

/// A source map to be kept; `content` as it shall lie there, which is the caller's matter.
#[derive(Clone, Debug)]
pub struct NewSourceMap<'n> {
    pub version: &'n str,
    pub minified_url: &'n str,
    pub debug_id: &'n str,
    pub content: &'n [u8],
    pub bytes: u64,
    pub sources: u64,
}

const COLUMNS: &str = "id, version, minified_url, debug_id, bytes, sources, uploaded_at";

impl Metastore {
    /// Keeps a source map in the place of an earlier one of the same file and version; those of builds that tell themselves
    /// apart by debug ids stay beside each other. Beyond `max` the oldest go.
    pub async fn put_source_map(
        &self,
        project: &str,
        new: &NewSourceMap<'_>,
        max: u32,
        now_unix_nano: i64,
    ) -> Result<SourceMapKept, MetastoreError> {
        let mut writing = self.write().await?;
        // A new number, so that who remembers the old one's content does not take it for this.
        sqlx::query(
            "delete from error_source_maps where project = $1 and version = $2 and minified_url = $3
                and (debug_id = $4 or debug_id = '' or $4 = '')",
        )
        .bind(project)
        .bind(new.version)
        .bind(new.minified_url)
        .bind(new.debug_id)
        .execute(&mut *writing)
        .await?;
        let query = format!(
            "insert into error_source_maps (project, version, minified_url, content, bytes, sources, uploaded_at, debug_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8) returning {COLUMNS}"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(project)
            .bind(new.version)
            .bind(new.minified_url)
            .bind(new.content)
            .bind(signed(new.bytes))
            .bind(signed(new.sources))
            .bind(now_unix_nano)
            .bind(new.debug_id)
            .fetch_one(&mut *writing)
            .await?;
        let kept_now = kept(&row)?;
        sqlx::query(
            "delete from error_source_maps where project = $1 and id not in
                (select id from error_source_maps where project = $1 order by id desc limit $2)",
        )
        .bind(project)
        .bind(max)
        .execute(&mut *writing)
        .await?;
        writing.commit().await?;
        Ok(kept_now)
    }

    /// The newest first; of one version, or of all.
    pub async fn source_maps(&self, project: &str, version: Option<&str>) -> Result<Vec<SourceMapKept>, MetastoreError> {
        let query = format!(
            "select {COLUMNS} from error_source_maps where project = $1 and ($2 is null or version = $2) order by id desc"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).bind(project).bind(version).fetch_all(self.readers()).await?;
        rows.iter().map(kept).collect()
    }

    /// The newest first, of any version.
    pub async fn source_maps_by_debug_id(&self, project: &str, ids: &[String]) -> Result<Vec<SourceMapKept>, MetastoreError> {
        let mut query = QueryBuilder::<Sqlite>::new(format!("select {COLUMNS} from error_source_maps where debug_id <> ''"));
        query.push(" and project = ").push_bind(project.to_owned());
        push_in(&mut query, "debug_id", ids);
        query.push(" order by id desc");
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(kept).collect()
    }

    pub async fn source_map_content(&self, id: i64) -> Result<Option<Vec<u8>>, MetastoreError> {
        let query = "select content from error_source_maps where id = $1";
        Ok(sqlx::query_scalar(query).bind(id).fetch_optional(self.readers()).await?)
    }

    /// Tells whether it was there.
    pub async fn delete_source_map(&self, project: &str, id: i64) -> Result<bool, MetastoreError> {
        let mut writing = self.write().await?;
        let deleted = sqlx::query("delete from error_source_maps where project = $1 and id = $2")
            .bind(project)
            .bind(id)
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        Ok(deleted.rows_affected() > 0)
    }
}

fn kept(row: &SqliteRow) -> Result<SourceMapKept, MetastoreError> {
    Ok(SourceMapKept {
        id: row.try_get("id")?,
        version: row.try_get("version")?,
        minified_url: row.try_get("minified_url")?,
        debug_id: row.try_get("debug_id")?,
        bytes: unsigned(row.try_get("bytes")?),
        sources: unsigned(row.try_get("sources")?),
        uploaded_at_unix_nano: row.try_get("uploaded_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_upload_counts_and_the_oldest_go() {
        let metastore = Metastore::in_memory().await.unwrap();
        let put = async |version: &str, url: &str, content: &[u8], at: i64| {
            let new = NewSourceMap { version, minified_url: url, debug_id: url, content, bytes: 9, sources: 2 };
            metastore.put_source_map("p", &new, 2, at).await.unwrap()
        };
        let first = put("1", "//x/a.js", b"one", 1).await;
        let again = put("1", "//x/a.js", b"two", 2).await;
        assert_ne!(first.id, again.id);
        assert_eq!(metastore.source_map_content(first.id).await.unwrap(), None);
        assert_eq!(metastore.source_map_content(again.id).await.unwrap().as_deref(), Some(&b"two"[..]));
        let (b, c) = (put("1", "//x/b.js", b"", 3).await, put("2", "//x/a.js", b"", 4).await);
        assert_eq!(metastore.source_maps("p", None).await.unwrap(), [c.clone(), b.clone()]);
        let named = metastore.source_maps_by_debug_id("p", &["//x/b.js".into(), "none".into()]).await.unwrap();
        assert_eq!(named, std::slice::from_ref(&b));
        assert_eq!(metastore.source_maps("p", Some("1")).await.unwrap(), [b]);
        assert!(metastore.source_maps("other", None).await.unwrap().is_empty());
        assert!(metastore.delete_source_map("p", c.id).await.unwrap());
        assert!(!metastore.delete_source_map("p", c.id).await.unwrap());
    }

    #[tokio::test]
    async fn builds_with_debug_ids_stay_beside_each_other() {
        let metastore = Metastore::in_memory().await.unwrap();
        let kept = async |debug_ids: &[&str]| {
            for debug_id in debug_ids {
                let new = NewSourceMap { version: "", minified_url: "/a.js", debug_id, content: b"", bytes: 1, sources: 1 };
                metastore.put_source_map("p", &new, 9, 1).await.unwrap();
            }
            let kept = metastore.source_maps("p", None).await.unwrap();
            kept.into_iter().map(|kept| kept.debug_id).collect::<Vec<_>>()
        };
        assert_eq!(kept(&["x", "y", "x"]).await, ["x", "y"]);
        assert_eq!(kept(&[""]).await, [""]);
    }
}
