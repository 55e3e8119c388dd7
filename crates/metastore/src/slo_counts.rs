//! How many rows were good, of how many, minute by minute: what objectives are reckoned from, so that only what is new is read.

use sqlx::Row;

use crate::database::Metastore;
use crate::error::MetastoreError;

/// One minute of an objective. What rows stand for may be fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SloMinute {
    /// Minutes since 1970.
    pub minute: i64,
    pub good: f64,
    pub total: f64,
}

impl Metastore {
    /// Minutes with rows from `from` to before `to`, in order.
    pub async fn slo_minutes(&self, project: &str, slo: &str, from: i64, to: i64) -> Result<Vec<SloMinute>, MetastoreError> {
        let rows = sqlx::query(
            "select minute, good, total from slo_counts
             where project = $1 and slo = $2 and minute >= $3 and minute < $4 order by minute",
        )
        .bind(project)
        .bind(slo)
        .bind(from)
        .bind(to)
        .fetch_all(self.readers())
        .await?;
        let minute = |row: &sqlx::sqlite::SqliteRow| {
            Ok(SloMinute { minute: row.try_get("minute")?, good: row.try_get("good")?, total: row.try_get("total")? })
        };
        rows.iter().map(minute).collect()
    }

    /// Puts `minutes` in the place of whatever was known from `from` to before `to`, and forgets what is older than `keep_from`.
    pub async fn put_slo_minutes(
        &self,
        project: &str,
        slo: &str,
        (from, to): (i64, i64),
        minutes: &[SloMinute],
        keep_from: i64,
    ) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from slo_counts where project = $1 and slo = $2 and ((minute >= $3 and minute < $4) or minute < $5)")
            .bind(project)
            .bind(slo)
            .bind(from)
            .bind(to)
            .bind(keep_from)
            .execute(&mut *transaction)
            .await?;
        for one in minutes.iter().filter(|one| one.minute >= from && one.minute < to && one.total > 0.0) {
            sqlx::query("insert into slo_counts (project, slo, minute, good, total) values ($1, $2, $3, $4, $5)")
                .bind(project)
                .bind(slo)
                .bind(one.minute)
                .bind(one.good)
                .bind(one.total)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets an objective's counts.
    pub async fn delete_slo_minutes(&self, project: &str, slo: &str) -> Result<(), MetastoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("delete from slo_counts where project = $1 and slo = $2")
            .bind(project)
            .bind(slo)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn minutes_take_the_place_of_minutes() {
        let metastore = Metastore::in_memory().await.unwrap();
        let at = |minute, good, total| SloMinute { minute, good, total };
        metastore.put_slo_minutes("default", "a", (1, 10), &[at(1, 1.0, 1.0), at(5, 2.0, 4.0)], 0).await.unwrap();
        metastore
            .put_slo_minutes("default", "a", (5, 10), &[at(5, 3.0, 4.0), at(7, 0.0, 1.5), at(8, 0.0, 0.0)], 0)
            .await
            .unwrap();
        assert_eq!(
            metastore.slo_minutes("default", "a", 0, 8).await.unwrap(),
            [at(1, 1.0, 1.0), at(5, 3.0, 4.0), at(7, 0.0, 1.5)]
        );
        metastore.put_slo_minutes("default", "a", (9, 9), &[], 5).await.unwrap();
        assert_eq!(metastore.slo_minutes("default", "a", 0, 9).await.unwrap().len(), 2);
        assert_eq!(metastore.slo_minutes("default", "b", 0, 9).await.unwrap(), []);
        metastore.delete_slo_minutes("default", "a").await.unwrap();
        assert_eq!(metastore.slo_minutes("default", "a", 0, 9).await.unwrap(), []);
    }
}
