//! How often errors occurred, by the hour: what is known of occurrences whose rows retention has removed.
//!
//! Counts are by group and not by item, so that they follow items that are merged and taken apart.

use sqlx::{QueryBuilder, Row, Sqlite};

use crate::database::{Metastore, signed, unsigned};
use crate::error::MetastoreError;
use crate::error_items::push_in;

const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 86_400;

/// Occurrences of one group in one environment and hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorCount {
    /// The value of `error.group`.
    pub group: String,
    /// Empty where it was not told.
    pub environment: String,
    /// Where the hour begins, in seconds since 1970.
    pub hour_unix: i64,
    /// Weighted.
    pub occurrences: u64,
}

/// What is left empty does not narrow.
#[derive(Clone, Debug, Default)]
pub struct ErrorCountFilter {
    /// `Some` of nothing finds nothing.
    pub groups: Option<Vec<String>>,
    pub environments: Vec<String>,
}

impl Metastore {
    /// Notes how often errors occurred. An hour keeps the most that was ever found of it: who counts later may find fewer rows.
    pub async fn raise_error_counts(&self, project: &str, counts: &[ErrorCount]) -> Result<(), MetastoreError> {
        if counts.is_empty() {
            return Ok(());
        }
        let list: Vec<serde_json::Value> = counts
            .iter()
            .map(|count| serde_json::json!([count.group, count.environment, count.hour_unix, signed(count.occurrences)]))
            .collect();
        let mut writing = self.write().await?;
        sqlx::query(
            "insert into error_counts (project, hour, fingerprint, environment, occurrences)
             select $1, value ->> 2, value ->> 0, value ->> 1, value ->> 3 from json_each($2) where true
             on conflict (project, hour, fingerprint, environment) do update set
                occurrences = max(occurrences, excluded.occurrences)",
        )
        .bind(project)
        .bind(serde_json::Value::from(list).to_string())
        .execute(&mut *writing)
        .await?;
        Ok(writing.commit().await?)
    }

    /// Counts of whole hours between two times in seconds: pairs of the hour's beginning and how many there were.
    pub async fn error_counts(
        &self,
        project: &str,
        start_unix: i64,
        end_unix: i64,
        filter: &ErrorCountFilter,
    ) -> Result<Vec<(i64, u64)>, MetastoreError> {
        let mut query = QueryBuilder::<Sqlite>::new("select hour, sum(occurrences) as n from error_counts where project = ");
        query.push_bind(project.to_owned()).push(" and hour >= ").push_bind(start_unix);
        query.push(" and hour <= ").push_bind(end_unix.saturating_sub(HOUR_SECONDS));
        match filter.groups.as_deref() {
            Some([]) => return Ok(Vec::new()),
            Some(groups) => push_in(&mut query, "fingerprint", groups),
            None => {}
        }
        push_in(&mut query, "environment", &filter.environments);
        query.push(" group by hour order by hour");
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("hour")?, unsigned(row.try_get("n")?)))).collect()
    }

    /// Counts of each of some groups in whole hours between two times in seconds; of groups without a count nothing is told.
    pub async fn error_counts_of_groups(
        &self,
        project: &str,
        start_unix: i64,
        end_unix: i64,
        groups: &[String],
    ) -> Result<Vec<(String, u64)>, MetastoreError> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let mut query =
            QueryBuilder::<Sqlite>::new("select fingerprint, sum(occurrences) as n from error_counts where project = ");
        query.push_bind(project.to_owned()).push(" and hour >= ").push_bind(start_unix);
        query.push(" and hour <= ").push_bind(end_unix.saturating_sub(HOUR_SECONDS));
        push_in(&mut query, "fingerprint", groups);
        query.push(" group by fingerprint");
        let rows = query.build().fetch_all(self.readers()).await?;
        rows.iter().map(|row| Ok((row.try_get("fingerprint")?, unsigned(row.try_get("n")?)))).collect()
    }

    /// Makes days of hours that began before one time, and forgets those before another.
    pub async fn settle_error_counts(
        &self,
        project: &str,
        days_before_unix: i64,
        forgotten_before_unix: i64,
    ) -> Result<(), MetastoreError> {
        let mut writing = self.write().await?;
        let whole_days = days_before_unix.div_euclid(DAY_SECONDS) * DAY_SECONDS;
        sqlx::query(
            "insert into error_counts (project, hour, fingerprint, environment, occurrences)
             select project, hour - hour % $3, fingerprint, environment, sum(occurrences) from error_counts
             where project = $1 and hour < $2 and hour % $3 <> 0 group by 1, 2, 3, 4
             on conflict (project, hour, fingerprint, environment) do update set occurrences = occurrences + excluded.occurrences",
        )
        .bind(project)
        .bind(whole_days)
        .bind(DAY_SECONDS)
        .execute(&mut *writing)
        .await?;
        sqlx::query("delete from error_counts where project = $1 and ((hour < $2 and hour % $3 <> 0) or hour < $4)")
            .bind(project)
            .bind(whole_days)
            .bind(DAY_SECONDS)
            .bind(forgotten_before_unix)
            .execute(&mut *writing)
            .await?;
        Ok(writing.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(group: &str, environment: &str, hour: i64, occurrences: u64) -> ErrorCount {
        ErrorCount { group: group.into(), environment: environment.into(), hour_unix: hour * HOUR_SECONDS, occurrences }
    }

    async fn hours(metastore: &Metastore, hours: std::ops::Range<i64>, filter: ErrorCountFilter) -> Vec<(i64, u64)> {
        let found = metastore.error_counts("p", hours.start * HOUR_SECONDS, hours.end * HOUR_SECONDS, &filter).await.unwrap();
        found.into_iter().map(|(at, count)| (at / HOUR_SECONDS, count)).collect()
    }

    #[tokio::test]
    async fn hours_keep_the_most_and_become_days() {
        let metastore = Metastore::in_memory().await.unwrap();
        let first = [count("a", "x", 24, 5), count("a", "x", 26, 3), count("b", "", 26, 1), count("a", "x", 50, 7)];
        metastore.raise_error_counts("p", &first).await.unwrap();
        metastore.raise_error_counts("p", &[count("a", "x", 26, 2), count("b", "", 26, 4)]).await.unwrap();
        let all = ErrorCountFilter::default;
        let of = |group: &str| ErrorCountFilter { groups: Some(vec![group.into()]), ..all() };
        assert_eq!(hours(&metastore, 0..60, all()).await, [(24, 5), (26, 7), (50, 7)]);
        assert_eq!(hours(&metastore, 25..50, all()).await, [(26, 7)], "whole hours alone");
        let groups = ["b".to_owned(), "a".to_owned(), "c".to_owned()];
        let counted = metastore.error_counts_of_groups("p", 25 * HOUR_SECONDS, 50 * HOUR_SECONDS, &groups).await.unwrap();
        assert_eq!(counted, [("a".to_owned(), 3), ("b".to_owned(), 4)]);
        assert_eq!(hours(&metastore, 0..60, of("b")).await, [(26, 4)]);
        assert_eq!(hours(&metastore, 0..60, ErrorCountFilter { environments: vec!["x".into()], ..of("b") }).await, []);
        assert_eq!(hours(&metastore, 0..60, ErrorCountFilter { groups: Some(Vec::new()), ..all() }).await, []);
        for _ in 0..2 {
            metastore.settle_error_counts("p", 49 * HOUR_SECONDS, 0).await.unwrap();
            assert_eq!(hours(&metastore, 0..60, all()).await, [(24, 12), (50, 7)]);
        }
        metastore.settle_error_counts("p", 49 * HOUR_SECONDS, 48 * HOUR_SECONDS).await.unwrap();
        assert_eq!(hours(&metastore, 0..60, all()).await, [(50, 7)]);
    }
}
