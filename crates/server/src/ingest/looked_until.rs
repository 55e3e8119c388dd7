//! Up to when rows were looked at by those who follow what comes in: noted, so that a restart goes on from there.

use metastore::{Metastore, MetastoreError};

/// Requests that were received before a moment, but kept only after it.
const LATE_NS: i64 = 60 * 1_000_000_000;

/// Noted when nothing comes in any more.
const ALL: &str = "all";

/// A moment, by arrival, before which every row was looked at; kept as a setting of the project.
pub struct LookedUntil(&'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// At all there are.
    AtAll,
    /// At those received before; the least time is at none.
    Before(i64),
}

impl LookedUntil {
    pub const fn setting(name: &'static str) -> LookedUntil {
        LookedUntil(name)
    }

    pub async fn read(&self, metastore: &Metastore, project: &str) -> Result<Looked, MetastoreError> {
        let noted = metastore.project_setting(project, self.0).await?;
        Ok(match noted.map(|noted| noted.value) {
            Some(value) if value == ALL => Looked::AtAll,
            value => Looked::Before(value.and_then(|value| value.parse().ok()).unwrap_or(i64::MIN)),
        })
    }

    /// Everything that could be seen by now was looked at.
    pub async fn note(&self, metastore: &Metastore, project: &str, now_unix_nano: i64) -> Result<(), MetastoreError> {
        let until = now_unix_nano.saturating_sub(LATE_NS).to_string();
        metastore.put_project_setting(project, self.0, &until, now_unix_nano).await
    }

    /// So was what still comes in.
    pub async fn note_all(&self, metastore: &Metastore, project: &str, now_unix_nano: i64) -> Result<(), MetastoreError> {
        metastore.put_project_setting(project, self.0, ALL, now_unix_nano).await
    }

    /// Rows came that are looked at by nobody: all are to be looked at again.
    pub async fn forget(&self, metastore: &Metastore, project: &str, now_unix_nano: i64) -> Result<(), MetastoreError> {
        metastore.put_project_setting(project, self.0, "", now_unix_nano).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_may_come_late_is_looked_at_again() {
        let metastore = Metastore::in_memory().await.unwrap();
        let until = LookedUntil::setting("test.until");
        let looked = async || until.read(&metastore, "p").await.unwrap();
        assert_eq!(looked().await, Looked::Before(i64::MIN));
        until.note(&metastore, "p", LATE_NS + 5).await.unwrap();
        assert_eq!(looked().await, Looked::Before(5));
        until.note_all(&metastore, "p", 6).await.unwrap();
        assert_eq!(looked().await, Looked::AtAll);
        until.forget(&metastore, "p", 7).await.unwrap();
        assert_eq!(looked().await, Looked::Before(i64::MIN));
    }
}
