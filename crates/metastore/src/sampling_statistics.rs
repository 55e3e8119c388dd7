//! How many requests matched each sampling rule, and how many of them clients kept. Summed by the caller and noted in
//! batches, so that a client's report never waits for this database.

use sqlx::Row;

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;

/// How long counts stay: a day shows what an edit of a rule did.
const KEPT_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// Counts of one rule over one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SamplingWindow {
    pub rule: String,
    pub start_unix_nano: i64,
    /// Requests that matched.
    pub requests: u64,
    /// Of them, those that were kept.
    pub sampled: u64,
    /// Of those, the ones kept before a quota was assigned.
    pub borrowed: u64,
}

impl Metastore {
    /// Adds counts to those there are, and forgets what is older than a day.
    pub async fn note_sampling_statistics(&self, project: &str, windows: &[SamplingWindow]) -> Result<(), MetastoreError> {
        let Some(newest) = windows.iter().map(|window| window.start_unix_nano).max() else { return Ok(()) };
        let mut transaction = self.write().await?;
        for window in windows {
            sqlx::query(
                "insert into sampling_statistics (project, rule, window_start, requests, sampled, borrowed)
                 values ($1, $2, $3, $4, $5, $6)
                 on conflict (project, window_start, rule) do update set
                    requests = requests + excluded.requests, sampled = sampled + excluded.sampled,
                    borrowed = borrowed + excluded.borrowed",
            )
            .bind(project)
            .bind(&window.rule)
            .bind(window.start_unix_nano)
            .bind(signed(window.requests))
            .bind(signed(window.sampled))
            .bind(signed(window.borrowed))
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query("delete from sampling_statistics where project = $1 and window_start < $2")
            .bind(project)
            .bind(newest - KEPT_NS)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Counts of windows that began at `from` or later: oldest first, then by rule; at most `limit`, behind `after`.
    pub async fn sampling_statistics(
        &self,
        project: &str,
        from_unix_nano: i64,
        after: Option<(i64, &str)>,
        limit: u32,
    ) -> Result<Vec<SamplingWindow>, MetastoreError> {
        let (after_start, after_rule) = after.unwrap_or((i64::MIN, ""));
        let rows = sqlx::query(
            "select rule, window_start, requests, sampled, borrowed from sampling_statistics
             where project = $1 and window_start >= $2 and (window_start > $3 or (window_start = $3 and rule > $4))
             order by window_start, rule limit $5",
        )
        .bind(project)
        .bind(from_unix_nano)
        .bind(after_start)
        .bind(after_rule)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let window = |row: &sqlx::sqlite::SqliteRow| -> Result<SamplingWindow, MetastoreError> {
            Ok(SamplingWindow {
                rule: row.try_get("rule")?,
                start_unix_nano: row.try_get("window_start")?,
                requests: unsigned(row.try_get("requests")?),
                sampled: unsigned(row.try_get("sampled")?),
                borrowed: unsigned(row.try_get("borrowed")?),
            })
        };
        rows.iter().map(window).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(rule: &str, start: i64, requests: u64) -> SamplingWindow {
        SamplingWindow { rule: rule.into(), start_unix_nano: start, requests, sampled: requests / 2, borrowed: 1 }
    }

    #[tokio::test]
    async fn counts_add_up_and_are_paged() {
        let metastore = Metastore::in_memory().await.unwrap();
        let first = [window("b", 10, 4), window("a", 10, 2), window("a", 20, 6)];
        metastore.note_sampling_statistics("default", &first).await.unwrap();
        metastore.note_sampling_statistics("default", &[window("a", 10, 8)]).await.unwrap();
        let all = metastore.sampling_statistics("default", 0, None, 9).await.unwrap();
        let sum = SamplingWindow { borrowed: 2, ..window("a", 10, 10) };
        assert_eq!(all, [sum.clone(), window("b", 10, 4), window("a", 20, 6)]);
        let page = metastore.sampling_statistics("default", 0, Some((10, "a")), 1).await.unwrap();
        assert_eq!(page, [window("b", 10, 4)]);
        assert!(metastore.sampling_statistics("other", 0, None, 9).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_day_later_they_are_forgotten() {
        let metastore = Metastore::in_memory().await.unwrap();
        metastore.note_sampling_statistics("default", &[window("a", 5, 1)]).await.unwrap();
        metastore.note_sampling_statistics("default", &[window("a", 6 + KEPT_NS, 1)]).await.unwrap();
        let left = metastore.sampling_statistics("default", 0, None, 9).await.unwrap();
        assert_eq!(left, [window("a", 6 + KEPT_NS, 1)]);
    }
}
