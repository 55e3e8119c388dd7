//! Files that were imported, known by their contents: what makes importing one again change nothing.

use sqlx::Row;

use crate::attributes::register;
use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;
use crate::parts::{PartsChange, advance, insert_parts};

/// A file whose rows are in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedFile {
    pub project: String,
    /// The signal's table: `spans`, `logs`, `metrics`.
    pub signal: String,
    /// Of the file's bytes, in hex.
    pub sha256: String,
    /// What it was called, for people.
    pub name: String,
    pub rows: u64,
    pub imported_at_unix_nano: i64,
}

impl Metastore {
    /// Makes the parts of an imported file visible and the file known as imported, in one transaction; returns the snapshot
    /// from which that holds. Durable when it returns.
    ///
    /// Refuses: a file that is known ([`MetastoreError::AlreadyExists`]); then nothing is changed.
    pub async fn commit_import(&self, change: &PartsChange, file: &ImportedFile) -> Result<u64, MetastoreError> {
        let mut transaction = self.write().await?;
        let inserted = sqlx::query(
            "insert into imports (project, signal, sha256, name, rows, imported_at) values ($1, $2, $3, $4, $5, $6)
             on conflict (project, signal, sha256) do nothing",
        )
        .bind(&file.project)
        .bind(&file.signal)
        .bind(&file.sha256)
        .bind(&file.name)
        .bind(signed(file.rows))
        .bind(file.imported_at_unix_nano)
        .execute(&mut *transaction)
        .await?;
        if inserted.rows_affected() != 1 {
            return Err(MetastoreError::AlreadyExists { what: "imported file", name: file.name.clone() });
        }
        let snapshot = advance(&mut transaction, "snapshot", 1).await?;
        insert_parts(&mut transaction, &change.added, snapshot).await?;
        register(&mut transaction, &change.attributes).await?;
        transaction.commit().await?;
        Ok(unsigned(snapshot))
    }

    /// The file with these contents, if it was imported into the table.
    pub async fn imported_file(&self, project: &str, signal: &str, sha256: &str) -> Result<Option<ImportedFile>, MetastoreError> {
        let row = sqlx::query("select name, rows, imported_at from imports where project = $1 and signal = $2 and sha256 = $3")
            .bind(project)
            .bind(signal)
            .bind(sha256)
            .fetch_optional(self.readers())
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ImportedFile {
            project: project.to_owned(),
            signal: signal.to_owned(),
            sha256: sha256.to_owned(),
            name: row.try_get("name")?,
            rows: unsigned(row.try_get("rows")?),
            imported_at_unix_nano: row.try_get("imported_at")?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewPart;

    #[tokio::test]
    async fn a_file_is_imported_once_and_whole() {
        let metastore = Metastore::in_memory().await.unwrap();
        let part = |path: &str| NewPart {
            project: "default".into(),
            signal: "logs".into(),
            path: path.into(),
            rows: 3,
            bytes: 30,
            sidecar_bytes: 0,
            min_time: 1,
            max_time: 3,
            level: 0,
        };
        let file = ImportedFile {
            project: "default".into(),
            signal: "logs".into(),
            sha256: "ab".into(),
            name: "logs-00001.parquet".into(),
            rows: 3,
            imported_at_unix_nano: 7,
        };
        let change = PartsChange { added: vec![part("a")], ..PartsChange::default() };
        metastore.commit_import(&change, &file).await.unwrap();
        let again = PartsChange { added: vec![part("b")], ..PartsChange::default() };
        let error = metastore.commit_import(&again, &file).await.unwrap_err();
        assert!(matches!(error, MetastoreError::AlreadyExists { .. }), "{error}");
        assert_eq!(metastore.part_paths().await.unwrap(), ["a"]);
        assert_eq!(metastore.imported_file("default", "logs", "ab").await.unwrap(), Some(file.clone()));
        assert_eq!(metastore.imported_file("default", "spans", "ab").await.unwrap(), None);
        // A path that is taken: neither parts nor file.
        let other = ImportedFile { sha256: "cd".into(), ..file };
        metastore.commit_import(&change, &other).await.unwrap_err();
        assert_eq!(metastore.imported_file("default", "logs", "cd").await.unwrap(), None);
    }
}
