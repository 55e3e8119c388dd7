//! Opening the database and handing out its connections.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, Transaction};

use crate::error::MetastoreError;
use crate::migrations::migrate;

/// The file within the data folder.
const FILE_NAME: &str = "metastore.db";

/// Connections that read at the same time; queries of the catalog take well under a millisecond.
const READERS_MAX: u32 = 4;

/// How long a writer waits for another process's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The relational state of one data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metastore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Metastore {
    /// Opens `metastore.db` in the folder, creating folder and file where missing, and brings the schema up to date.
    pub async fn open(data_dir: &Path) -> Result<Metastore, MetastoreError> {
        std::fs::create_dir_all(data_dir).map_err(sqlx::Error::Io)?;
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(FILE_NAME))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        // Where a disk is full, SQLite ends the transaction itself, and the connection counts it as open for ever.
        let usable = |connection: &mut SqliteConnection| !connection.is_in_transaction();
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .before_acquire(move |connection, _| Box::pin(std::future::ready(Ok(usable(connection)))))
            .connect_with(options.clone())
            .await?;
        migrate(&mut *writer.acquire().await?).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS_MAX).connect_with(options.read_only(true)).await?;
        Ok(Metastore { writer, readers })
    }

    /// A database that is gone with its last clone: for tests and try-outs.
    pub async fn in_memory() -> Result<Metastore, MetastoreError> {
        let options = SqliteConnectOptions::from_str("sqlite::memory:")?;
        // The database lives in its one connection, which must therefore never be closed for idleness or age.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        migrate(&mut *pool.acquire().await?).await?;
        Ok(Metastore { writer: pool.clone(), readers: pool })
    }

    /// Waits for running statements and closes the files. Calls after it fail.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// A transaction that holds the write lock from its start, so that it never fails for having read first.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, MetastoreError> {
        Ok(self.writer.begin_with("begin immediate").await?)
    }
}

/// Numbers in the database are signed; ours that are not never come near the difference.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn opening_twice_keeps_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let first = Metastore::open(folder.path()).await.unwrap();
        assert_eq!(first.identity("a").await.unwrap(), "a");
        first.close().await;
        let second = Metastore::open(folder.path()).await.unwrap();
        assert_eq!(second.identity("b").await.unwrap(), "a");
    }

    #[tokio::test]
    async fn a_later_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let metastore = Metastore::open(folder.path()).await.unwrap();
        sqlx::query("insert into schema_version (version) values (999)").execute(&metastore.writer).await.unwrap();
        metastore.close().await;
        let error = Metastore::open(folder.path()).await.unwrap_err();
        assert!(matches!(error, MetastoreError::NewerSchema { found: 999, .. }), "{error}");
    }

    #[tokio::test]
    async fn a_transaction_that_the_database_ended_is_not_in_the_way_of_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let metastore = Metastore::open(folder.path()).await.unwrap();
        for _ in 0..3 {
            let mut transaction = metastore.write().await.unwrap();
            let again = "insert or rollback into schema_version (version) select version from schema_version";
            sqlx::query(again).execute(&mut *transaction).await.unwrap_err();
        }
        assert_eq!(metastore.identity("a").await.unwrap(), "a");
    }

    #[tokio::test]
    async fn commits_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let metastore = Metastore::open(folder.path()).await.unwrap();
        let journal: String = sqlx::query_scalar("pragma journal_mode").fetch_one(&metastore.writer).await.unwrap();
        let synchronous: i64 = sqlx::query_scalar("pragma synchronous").fetch_one(&metastore.writer).await.unwrap();
        assert_eq!((journal.as_str(), synchronous), ("wal", 2));
    }
}
